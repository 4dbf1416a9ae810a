/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * sweep: remove leaves of private memory, one or many, with one TRACK.
 *
 * A removal is BLOCK, TRACK, a kick, REMOVE and the write-back of the page's cache
 * lines; then the mirror's entry becomes empty, and if it was 4 KiB, its use of the
 * region ends. The guest's data dies with the mapping, so it must be all that is to
 * go: what straddles a boundary is split before, see tlbtag_sept_straddlers().
 *
 * TRACK and the kick of all vCPUs are what a removal costs most, and they hold for
 * everything that was blocked before. So a sweep blocks all its leaves, tracks and
 * kicks once, and then removes one leaf after the other: for half a terabyte in
 * mappings of 2 MiB and 64 leaves a sweep that is 4,096 kicks instead of 262,144.
 * It speaks the steps and statuses of sept.h, and is carried out alike:
 *
 *	step = tlbtag_sweep_begin(&op, pamt, leaf, count);
 *	while (step != TLBTAG_SEPT_DONE)
 *		step = tlbtag_sweep_next(&op, execute(step, &leaf[op.at]));
 *	return op.error;
 *
 * How long the exclusive MMU lock is held, and vCPUs are kept out if one was in the
 * way, goes by the number of leaves; that is the caller's choice, from one up.
 *
 * If a BLOCK or the TRACK fails nothing was removed, and all is unblocked. If a
 * REMOVE fails, what came before it is gone, and it and what comes after it is
 * unblocked and mapped as before. B1, B2, B3 and B5 of sept.h hold, and:
 *
 *   W1  leaves are removed in the order of the list: when the sweep ends, the first
 *       op.removed of them are gone, from both tables, and the others in none.
 */
#ifndef TLBTAG_SWEEP_H
#define TLBTAG_SWEEP_H

#include <tlbtag/sept.h>

TLBTAG_BEGIN_DECLS

/**
 * struct tlbtag_sweep - one sweep; read `at`, `removed`, `error` and `is_dead`
 *
 * On the stack of who carries it out; it and the list are used until DONE.
 */
struct tlbtag_sweep {
	struct tlbtag_pamt *pamt;
	const struct tlbtag_sept_where *leaf;
	uint32_t count;
	/* The leaf that BLOCK, REMOVE, WRITE_BACK, PUBLISH, UNBLOCK and PAMT_REMOVE are about. */
	uint32_t at;
	/* leaf[removed] to leaf[blocked - 1] are blocked. */
	uint32_t blocked;
	uint32_t removed;
	enum tlbtag_sept_step step;
	/* The SEAMCALL to make again without vCPUs. */
	enum tlbtag_sept_step again;
	/* 0; -EIO if a SEAMCALL failed; -EINVAL for a wrong call. */
	int error;
	/* The tables may differ: no vCPU of this VM may enter any more. */
	bool is_dead;
	bool is_stopped;
};

/**
 * tlbtag_sweep_begin() - begin to remove leaves
 * @op: uninitialised
 * @pamt: the host's counters
 * @leaf: what to remove, each once, at 4 KiB or 2 MiB
 * @count: how many; 0 is done at once
 *
 * Context: exclusive MMU lock; without a lock that get and put of the counters need.
 * Return: the first step; DONE (and a warning) with op->error -EINVAL if the level
 * of a leaf is neither 4 KiB nor 2 MiB.
 * Source: SPEC H.4.
 */
enum tlbtag_sept_step tlbtag_sweep_begin(struct tlbtag_sweep *op, struct tlbtag_pamt *pamt,
					 const struct tlbtag_sept_where *leaf, uint32_t count);

/**
 * tlbtag_sweep_next() - the step was carried out; what is next?
 * @op: begun, and not DONE
 * @status: what came of the latest step
 *
 * PAMT_REMOVE is of the region of leaf[op.at].guest_pfn.
 *
 * Context: as for tlbtag_sweep_begin().
 * Return: the next step.
 */
enum tlbtag_sept_step tlbtag_sweep_next(struct tlbtag_sweep *op, enum tlbtag_sept_status status);

TLBTAG_END_DECLS

#endif
