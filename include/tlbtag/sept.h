/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * sept: the order of SEAMCALLs when a mapping of private memory is split.
 *
 * The hypervisor keeps a mirror of the TDX module's secure page table. A change
 * is made in the secure table first, by several SEAMCALLs of which each may
 * fail, and then in the mirror, which cannot. An operation says one step at a
 * time what to do next, and is told what came of it:
 *
 *	step = tlbtag_sept_split(&op, pamt, &kit, &where);
 *	while (step != TLBTAG_SEPT_DONE)
 *		step = tlbtag_sept_next(&op, execute(step));
 *	return op.error;
 *
 * Removals speak the same steps (sweep.h). Nothing here needs memory: the kit was
 * taken before (supply.h). Operations run under the exclusive MMU lock; under the
 * shared one a failure could not be undone, because then UNBLOCK may be busy for
 * ever (SPEC H.4).
 *
 * A split: PAMT pair for the new S-EPT page if its region has none; BLOCK; TRACK;
 * kick; DEMOTE; and the mirror's entry becomes a table. The pair comes first so
 * that its failure finds nothing blocked.
 *
 * BUSY: a vCPU that enters, or a guest's own TDCALL, holds a lock of the module.
 * All vCPUs are stopped, the same SEAMCALL is made once more with the same
 * pages, and they are started again when the operation ends, however it ends.
 * (Not so PAMT.ADD and PAMT.REMOVE: whoever is at the module about a region is
 * alone there, and must not wait for other CPUs, of which some may wait for it.)
 *
 * Failure before DEMOTE succeeded: the range is unblocked, the use of the S-EPT
 * page's region is put, and the mapping is what it was, in both tables.
 * If not even that can be done, or if DEMOTE was interrupted half-way, which
 * modules that may have huge pages never report, then the VM is dead: see
 * tlbtag_sept_op.is_dead.
 *
 * Invariants:
 *   B1  the mirror changes only after the secure table did.
 *   B2  when an operation ends, mirror and secure table are the same and nothing is
 *       blocked, or the VM is dead.
 *   B3  vCPUs that were stopped are started again before the operation ends.
 *   B4  what is left in the kit is what the module does not have.
 *   B5  each SEAMCALL is made at most twice, and the second time without vCPUs.
 */
#ifndef TLBTAG_SEPT_H
#define TLBTAG_SEPT_H

#include <tlbtag/pamt.h>
#include <tlbtag/supply.h>

TLBTAG_BEGIN_DECLS

/**
 * enum tlbtag_sept_step - what to do next
 * @TLBTAG_SEPT_DONE: nothing; tlbtag_sept_op.error tells the result
 * @TLBTAG_SEPT_WAIT: another CPU is at the module about the S-EPT page's region:
 *	relax
 * @TLBTAG_SEPT_PAMT_ADD: TDH.PHYMEM.PAMT.ADD for the region of the new S-EPT page,
 *	with the last two PAMT pages of the kit
 * @TLBTAG_SEPT_BLOCK: TDH.MEM.RANGE.BLOCK of the mapping
 * @TLBTAG_SEPT_TRACK: TDH.MEM.TRACK
 * @TLBTAG_SEPT_KICK: make all vCPUs leave the guest; cannot fail
 * @TLBTAG_SEPT_DEMOTE: write the new S-EPT page's cache lines back, then
 *	TDH.MEM.PAGE.DEMOTE with it and, under Dynamic PAMT, the last two PAMT pages
 *	of the kit
 * @TLBTAG_SEPT_REMOVE: TDH.MEM.PAGE.REMOVE
 * @TLBTAG_SEPT_WRITE_BACK: write the page's cache lines back; cannot fail
 * @TLBTAG_SEPT_PUBLISH: change the mirror; cannot fail
 * @TLBTAG_SEPT_UNBLOCK: TDH.MEM.RANGE.UNBLOCK
 * @TLBTAG_SEPT_PAMT_REMOVE: TDH.PHYMEM.PAMT.REMOVE of the region of the S-EPT page
 *	that a split did not use, or of the guest's page that is gone; the two pages
 *	that come back are freed
 * @TLBTAG_SEPT_STOP_VCPUS: let no vCPU enter the guest, and kick all; cannot fail
 * @TLBTAG_SEPT_START_VCPUS: let them enter again; cannot fail
 */
enum tlbtag_sept_step {
	TLBTAG_SEPT_DONE = 0,
	TLBTAG_SEPT_WAIT = 1,
	TLBTAG_SEPT_PAMT_ADD = 2,
	TLBTAG_SEPT_BLOCK = 3,
	TLBTAG_SEPT_TRACK = 4,
	TLBTAG_SEPT_KICK = 5,
	TLBTAG_SEPT_DEMOTE = 6,
	TLBTAG_SEPT_REMOVE = 7,
	TLBTAG_SEPT_WRITE_BACK = 8,
	TLBTAG_SEPT_PUBLISH = 9,
	TLBTAG_SEPT_UNBLOCK = 10,
	TLBTAG_SEPT_PAMT_REMOVE = 11,
	TLBTAG_SEPT_STOP_VCPUS = 12,
	TLBTAG_SEPT_START_VCPUS = 13,
};

/**
 * enum tlbtag_sept_status - what came of a step
 * @TLBTAG_SEPT_OK: success; also for steps that cannot fail
 * @TLBTAG_SEPT_BUSY: TDX_OPERAND_BUSY; nothing has changed
 * @TLBTAG_SEPT_INTERRUPTED: TDX_INTERRUPTED_RESTARTABLE
 * @TLBTAG_SEPT_ERROR: any other error; nothing has changed
 */
enum tlbtag_sept_status {
	TLBTAG_SEPT_OK = 0,
	TLBTAG_SEPT_BUSY = 1,
	TLBTAG_SEPT_INTERRUPTED = 2,
	TLBTAG_SEPT_ERROR = 3,
};

/**
 * struct tlbtag_sept_where - what is split or removed
 * @guest_pfn: the first page of the guest's memory that is mapped there
 * @sept_pfn: of a split: the kit's page of S-EPT
 * @level: the level of the mapping
 */
struct tlbtag_sept_where {
	uint64_t guest_pfn;
	uint64_t sept_pfn;
	enum tlbtag_level level;
};

/**
 * struct tlbtag_sept_op - one split; read `error` and `is_dead`
 *
 * On the stack of who carries it out; its storage is only used until DONE.
 */
struct tlbtag_sept_op {
	struct tlbtag_pamt *pamt;
	struct tlbtag_kit *kit;
	struct tlbtag_sept_where where;
	enum tlbtag_sept_step step;
	/* The SEAMCALL to make again without vCPUs. */
	enum tlbtag_sept_step again;
	/* 0; -EIO if a SEAMCALL failed; -EINVAL for a wrong call. */
	int error;
	/* The tables may differ: no vCPU of this VM may enter any more. */
	bool is_dead;
	bool is_blocked;
	bool is_stopped;
	bool has_use;
	bool is_changed;
	bool is_published;
};

/**
 * tlbtag_sept_may_split() - may private memory have 2 MiB mappings at all?
 * @features: TDX_FEATURES0 of the module
 *
 * Only if DEMOTE cannot be interrupted: there would be no bound on how often it
 * has to be repeated, and any interrupt is a cause.
 *
 * Context: any.
 * Return: true if bit 51, ENHANCED_DEMOTE_INTERRUPTIBILITY, is set.
 * Source: SPEC H.4.
 */
bool tlbtag_sept_may_split(uint64_t features);

/**
 * tlbtag_sept_split() - begin to split a 2 MiB mapping
 * @op: uninitialised
 * @pamt: the host's counters
 * @kit: from a supply; what is left of it afterwards is given back there
 * @where: copied
 *
 * Context: exclusive MMU lock; TD state RUNNABLE; without a lock that get and put
 * of the counters need.
 * Return: the first step; DONE (and a warning) with op->error -EINVAL if the
 * level is not 2 MiB, @where.guest_pfn is not on a boundary or the kit is not whole.
 * Source: SPEC H.4, H.6 3.
 */
enum tlbtag_sept_step tlbtag_sept_split(struct tlbtag_sept_op *op, struct tlbtag_pamt *pamt,
					struct tlbtag_kit *kit,
					const struct tlbtag_sept_where *where);

/**
 * tlbtag_sept_next() - the step was carried out; what is next?
 * @op: begun, and not DONE
 * @status: what came of the latest step
 *
 * Context: as for tlbtag_sept_split().
 * Return: the next step.
 */
enum tlbtag_sept_step tlbtag_sept_next(struct tlbtag_sept_op *op, enum tlbtag_sept_status status);

/**
 * tlbtag_sept_straddlers() - which 2 MiB pages must be split before a range goes?
 * @begin: first guest page frame of the range
 * @end: the one after its last
 * @first: where to write the first frames of at most two 2 MiB pages; those of
 *	them that are mapped by a 2 MiB leaf have to be split
 *
 * Only the pages around the two ends, and only where an end is not on a boundary:
 * however large the range, nothing in between is looked at.
 *
 * Context: any.
 * Return: how many, 0 .. 2; one if both ends are in the same page; 0 for an empty
 * range.
 * Source: SPEC H.4, H.5.
 */
uint32_t tlbtag_sept_straddlers(uint64_t begin, uint64_t end, uint64_t first[2]);

TLBTAG_END_DECLS

#endif
