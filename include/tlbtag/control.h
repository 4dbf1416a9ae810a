/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * control: pages that the TDX module keeps its own state in.
 *
 * A VM's TDR and TDCS, a vCPU's TDVPR and TDCX: pages that belong to no table
 * and no guest memory, given to the module one by one and reclaimed in the end.
 * They have one owner, whoever creates the VM or vCPU, and one pair of functions:
 * alloc answers a page that has a use of its region, and free ends both. Alloc
 * may fail and then has left nothing behind; free cannot fail.
 *
 * As elsewhere, the embedder is told one step at a time:
 *
 *	step = tlbtag_control_alloc(&op, pamt);
 *	while (step != TLBTAG_CONTROL_DONE) {
 *		if (step == TLBTAG_CONTROL_ALLOC)
 *			step = tlbtag_control_page(&op, page = alloc_page(), pfn_of(page));
 *		else
 *			step = tlbtag_control_next(&op, execute(&op, step));
 *	}
 *
 * Only the allocation itself may sleep: the other calls may claim the region, so
 * they are made with preemption off as pamt.h demands.
 *
 * Invariants:
 *   K1  an alloc that succeeds answers a page with one use of its region; one that
 *       fails leaves no page and no use.
 *   K2  a free ends the use and frees the page, whatever the module answers.
 */
#ifndef TLBTAG_CONTROL_H
#define TLBTAG_CONTROL_H

#include <tlbtag/pages.h>
#include <tlbtag/pamt.h>

TLBTAG_BEGIN_DECLS

/**
 * enum tlbtag_control_step - what to do next
 * @TLBTAG_CONTROL_DONE: nothing: op.error, and after an alloc op.page, tell
 * @TLBTAG_CONTROL_ALLOC: allocate one page, which may sleep, and call
 *	tlbtag_control_page(); after the others tlbtag_control_next()
 * @TLBTAG_CONTROL_FREE: free op.spare
 * @TLBTAG_CONTROL_WAIT: another CPU is at the module about this region: relax
 * @TLBTAG_CONTROL_PAMT_ADD: TDH.PHYMEM.PAMT.ADD for the region of op.pfn, with
 *	the two pages of op.pair; pamt.h says what may not happen until the next call
 * @TLBTAG_CONTROL_PAMT_REMOVE: TDH.PHYMEM.PAMT.REMOVE of the region of op.pfn;
 *	the two pages that come back are freed, after the next call
 */
enum tlbtag_control_step {
	TLBTAG_CONTROL_DONE = 0,
	TLBTAG_CONTROL_ALLOC = 1,
	TLBTAG_CONTROL_FREE = 2,
	TLBTAG_CONTROL_WAIT = 3,
	TLBTAG_CONTROL_PAMT_ADD = 4,
	TLBTAG_CONTROL_PAMT_REMOVE = 5,
};

/**
 * struct tlbtag_control - one alloc or free; on the stack of who makes it
 */
struct tlbtag_control {
	struct tlbtag_pamt *pamt;
	/* The control page: the answer of an alloc, NONE if it failed. */
	tlbtag_page_t page;
	uint64_t pfn;
	/* For PAMT_ADD. */
	tlbtag_page_t pair[TLBTAG_PAIR_PAGES];
	uint32_t pair_count;
	/* For FREE. */
	tlbtag_page_t spare;
	enum tlbtag_control_step step;
	/* 0; -ENOMEM; -EIO if PAMT.ADD failed, or the caller is wrong. */
	int error;
};

/**
 * tlbtag_control_alloc() - begin to allocate a control page
 * @op: uninitialised
 * @pamt: the host's counters
 *
 * Context: process context, no spinlock.
 * Return: the first step.
 * Source: SPEC H.1.
 */
enum tlbtag_control_step tlbtag_control_alloc(struct tlbtag_control *op, struct tlbtag_pamt *pamt);

/**
 * tlbtag_control_page() - after ALLOC: here is the page
 * @op: begun, its latest step was ALLOC
 * @page: the page, or TLBTAG_PAGE_NONE if there was none
 * @pfn: its page frame number
 *
 * Context: process context, no spinlock; preemption off until the next step is
 * known not to be PAMT_ADD.
 * Return: the next step.
 */
enum tlbtag_control_step tlbtag_control_page(struct tlbtag_control *op, tlbtag_page_t page,
					     uint64_t pfn);

/**
 * tlbtag_control_next() - after any other step
 * @op: begun, and not DONE
 * @ok: did the SEAMCALL succeed? For other steps it makes no difference.
 *
 * Context: after PAMT_ADD and PAMT_REMOVE, the CPU of that step; otherwise process
 * context.
 * Return: the next step.
 */
enum tlbtag_control_step tlbtag_control_next(struct tlbtag_control *op, bool ok);

/**
 * tlbtag_control_free() - begin to free a control page
 * @op: uninitialised
 * @pamt: the host's counters
 * @page: what alloc answered, reclaimed from the module; TLBTAG_PAGE_NONE is
 *	silently accepted
 * @pfn: its page frame number
 *
 * Context: where tlbtag_pamt_put() may be called; process context is best, see
 * pamt.h.
 * Return: the first step; FREE of @page is the last before DONE. Only if its
 * region has no use (then the caller is wrong, and was warned about) DONE with
 * op->error -EIO, and the page is not freed a second time.
 * Source: SPEC H.1.
 */
enum tlbtag_control_step tlbtag_control_free(struct tlbtag_control *op, struct tlbtag_pamt *pamt,
					     tlbtag_page_t page, uint64_t pfn);

TLBTAG_END_DECLS

#endif
