/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * convert: take a range of private memory away, because it becomes shared or
 * because a hole is punched.
 *
 * What is removed is lost: private contents die with the mapping. So exactly the
 * range goes, and a 2 MiB mapping that the range only cuts into is split first.
 * That can be the case at its two ends and nowhere else, so however large the
 * range is, at most two mappings are split and two kits reserved. Both splits
 * come before the first removal: if one fails nothing is lost, and the
 * conversion has not happened.
 *
 *	step = tlbtag_convert_begin(&op, begin, end);
 *	while (step != TLBTAG_CONVERT_DONE) {
 *		if (step == TLBTAG_CONVERT_FIND)
 *			step = tlbtag_convert_found(&op, first_leaf(op.from, op.to));
 *		else
 *			step = tlbtag_convert_next(&op, execute(&op, step));
 *	}
 *	return op.error;
 *
 * The steps, in their order: RESERVE, if the range has an end inside a 2 MiB page;
 * LOCK; for each such end FIND and, if that is a large leaf, SPLIT; FIND and ZAP,
 * leaf after leaf, upwards; UNLOCK. Tables stay where they are: their pages
 * are reclaimed when the VM goes.
 *
 * The MMU lock may be dropped and taken again at any FIND, as long as faults ask
 * tlbtag_convert_near() in between: inside the range nothing is mapped anew, and
 * around its ends nothing large. That is also why no end has to be looked at twice.
 *
 * Invariants:
 *   R1  at most two splits, and none for an end on a boundary of 2 MiB.
 *   R2  nothing is removed before both ends were split, if they had to.
 *   R3  nothing outside the range is removed.
 *   R4  after DONE without error nothing in the range is mapped; after an error
 *       nothing below op.from is, and everything else is what it was.
 */
#ifndef TLBTAG_CONVERT_H
#define TLBTAG_CONVERT_H

#include <tlbtag/sept.h>

TLBTAG_BEGIN_DECLS

/**
 * enum tlbtag_convert_step - what to do next
 * @TLBTAG_CONVERT_DONE: nothing; op.error tells the result
 * @TLBTAG_CONVERT_RESERVE: pages for op.splits splits: begin a reservation, or
 *	complete the one that was begun, or top the shared cache up; may sleep and
 *	may fail with -ENOMEM. The reservation is ended after DONE.
 * @TLBTAG_CONVERT_LOCK: take the exclusive MMU lock; cannot fail
 * @TLBTAG_CONVERT_FIND: look for the first leaf of the mirror that maps anything
 *	of op.from .. op.to - 1, and call tlbtag_convert_found()
 * @TLBTAG_CONVERT_SPLIT: split op.leaf by tlbtag_sept_split(); -EAGAIN if a shared
 *	cache had no pages
 * @TLBTAG_CONVERT_ZAP: remove op.leaf by a sweep; or it and leaves behind it in one
 *	sweep, as far as tlbtag_convert_takes() them, and then call
 *	tlbtag_convert_swept()
 * @TLBTAG_CONVERT_UNLOCK: drop the MMU lock; cannot fail. If op.is_again it is for
 *	more pages, and the conversion goes on; else it has ended
 */
enum tlbtag_convert_step {
	TLBTAG_CONVERT_DONE = 0,
	TLBTAG_CONVERT_RESERVE = 1,
	TLBTAG_CONVERT_LOCK = 2,
	TLBTAG_CONVERT_FIND = 3,
	TLBTAG_CONVERT_SPLIT = 4,
	TLBTAG_CONVERT_ZAP = 5,
	TLBTAG_CONVERT_UNLOCK = 6,
};

/**
 * struct tlbtag_leaf - a leaf of the mirror
 * @gfn: the first page that it maps
 * @level: how much it maps
 */
struct tlbtag_leaf {
	uint64_t gfn;
	enum tlbtag_level level;
};

/**
 * enum tlbtag_near - where a page is, seen from a conversion
 * @TLBTAG_NEAR_AWAY: nothing changes for it
 * @TLBTAG_NEAR_EDGE: an end of the range is in its 2 MiB page: it may be mapped
 *	by a 4 KiB leaf
 * @TLBTAG_NEAR_INSIDE: it is being taken away: the fault is served later
 */
enum tlbtag_near {
	TLBTAG_NEAR_AWAY = 0,
	TLBTAG_NEAR_EDGE = 1,
	TLBTAG_NEAR_INSIDE = 2,
};

/**
 * struct tlbtag_convert - one conversion; read `from`, `to`, `leaf`, `splits`,
 *	`is_again` and `error`
 *
 * On the stack of who carries it out. Faults of the VM find it from LOCK to UNLOCK,
 * and longer if what makes the range shared for later faults is done after that; the
 * fields that tlbtag_convert_near() reads never change.
 */
struct tlbtag_convert {
	uint64_t begin;
	uint64_t end;
	/* The 2 MiB pages that have an end inside them. */
	uint64_t edge[2];
	/* Where FIND looks. */
	uint64_t from;
	uint64_t to;
	/* What to split or remove. */
	struct tlbtag_leaf leaf;
	/* How many splits it may take. */
	uint32_t splits;
	/* How many of the edges were looked at. */
	uint32_t edges_done;
	enum tlbtag_convert_step step;
	/* 0; that of the step that failed; -EINVAL if FIND answered nonsense. */
	int error;
	/* A split had no pages: UNLOCK, and RESERVE again. */
	bool is_again;
};

/**
 * tlbtag_convert_begin() - begin to take a range away
 * @op: uninitialised
 * @begin: first guest page frame of the range
 * @end_gfn: the one after its last
 *
 * Context: what RESERVE needs: the reservation mutex, and no spinlock.
 * Return: the first step; DONE for an empty range.
 * Source: SPEC H.4, H.5.
 */
enum tlbtag_convert_step tlbtag_convert_begin(struct tlbtag_convert *op, uint64_t begin,
					      uint64_t end_gfn);

/**
 * tlbtag_convert_found() - after FIND: here it is
 * @op: begun, its latest step was FIND
 * @leaf: the leaf, copied; NULL if nothing is mapped there
 *
 * Context: exclusive MMU lock.
 * Return: the next step. A leaf outside the place that was asked for, one of 1 GiB,
 * and one that would be removed but sticks out of the range are refused (with a
 * warning): the conversion ends with -EINVAL.
 */
enum tlbtag_convert_step tlbtag_convert_found(struct tlbtag_convert *op,
					      const struct tlbtag_leaf *leaf);

/**
 * tlbtag_convert_next() - after any other step
 * @op: begun, and not DONE
 * @error: 0, or why the step failed; -EAGAIN after SPLIT: drop the lock, get
 *	pages, and try again
 *
 * Context: as the steps leave it.
 * Return: the next step.
 */
enum tlbtag_convert_step tlbtag_convert_next(struct tlbtag_convert *op, int error);

/**
 * tlbtag_convert_takes() - may this leaf go as well?
 * @op: begun, its latest step was ZAP
 * @leaf: one behind op.leaf, with nothing mapped between it and those taken before
 *
 * Context: exclusive MMU lock.
 * Return: true if it is all inside the range.
 */
bool tlbtag_convert_takes(const struct tlbtag_convert *op, const struct tlbtag_leaf *leaf);

/**
 * tlbtag_convert_swept() - after ZAP, if several leaves were removed
 * @op: begun, its latest step was ZAP
 * @error: 0, or that of the sweep
 * @from: nothing of the range is mapped below this any more: the first page of the
 *	first leaf that was not removed, or the page after the last leaf that was
 *
 * Context: exclusive MMU lock.
 * Return: the next step. If @from is outside what is left of the range (then the
 * caller is wrong, and is warned) the conversion ends with -EINVAL.
 */
enum tlbtag_convert_step tlbtag_convert_swept(struct tlbtag_convert *op, int error,
					      uint64_t from);

/**
 * tlbtag_convert_near() - may a fault map this page meanwhile?
 * @op: a conversion of this VM, after its LOCK and before its UNLOCK
 * @gfn: the page
 *
 * Context: MMU lock, shared or exclusive.
 * Return: where the page is.
 */
enum tlbtag_near tlbtag_convert_near(const struct tlbtag_convert *op, uint64_t gfn);

TLBTAG_END_DECLS

#endif
