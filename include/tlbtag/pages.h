/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * pages: a few pages of one kind that were allocated where that may sleep, for
 * use where it may not.
 *
 * A stack of at most TLBTAG_PAGES_MAX pages, with the number that it should
 * have (`min`) before its user takes the lock that forbids to sleep. It knows
 * four ways of a page, and counts each, so that none can get lost:
 *
 *	add	from the allocator in
 *	take	out, to be used
 *	give	back in, because it was not used after all
 *	drain	out, back to the allocator
 *
 * The vCPU's fault cache of PAMT pages is one of these, alone: filled before the
 * MMU lock is taken, drained when the vCPU goes away, and used by nobody but the
 * thread that runs the vCPU. Those of a VM are in supply.h, with their locks.
 *
 * Invariants:
 *   S1  every page that came in is in the stack, in use or back at the allocator:
 *       added + given = count + taken + drained.
 *   S2  a take answers all the pages it was asked for, or none.
 *   S3  adding never makes a stack larger than its minimum.
 */
#ifndef TLBTAG_PAGES_H
#define TLBTAG_PAGES_H

#include <tlbtag/types.h>

TLBTAG_BEGIN_DECLS

/* The most that a stack can hold: the pages of a reservation for eight splits. */
#ifndef TLBTAG_PAGES_MAX
#define TLBTAG_PAGES_MAX 32u
#endif

/**
 * typedef tlbtag_page_t - a page, as the embedder names it
 *
 * A physical address, a page frame number, a pointer: the library only keeps it.
 * 0 (%TLBTAG_PAGE_NONE) is no page.
 */
typedef uint64_t tlbtag_page_t;

#define TLBTAG_PAGE_NONE ((tlbtag_page_t)0)

/**
 * struct tlbtag_pages - the stack; read `count` and the four sums, write nothing
 */
struct tlbtag_pages {
	/* Written by the user whose lock it is, read without it as a hint. */
	uint32_t count;
	uint32_t min;
	uint32_t count_max;
	uint64_t added;
	uint64_t taken;
	uint64_t given;
	uint64_t drained;
	tlbtag_page_t page[TLBTAG_PAGES_MAX];
};

/**
 * tlbtag_pages_fault_min() - how many PAMT pages a fault may use
 * @is_dynamic: does the host have Dynamic PAMT?
 * @levels: levels of the guest's S-EPT, 3 .. 5
 *
 * A pair for each S-EPT page that a fault may link, which is one a level but
 * the root, a control page that is there already; and a pair for the guest's page.
 *
 * Context: any.
 * Return: the minimum for tlbtag_pages_init(); 0 without Dynamic PAMT.
 * Source: SPEC H.2.
 */
uint32_t tlbtag_pages_fault_min(bool is_dynamic, uint32_t levels);

/**
 * tlbtag_pages_init() - make an empty stack
 * @pages: uninitialised, or drained
 * @min: how many pages it should have, 0 .. TLBTAG_PAGES_MAX
 *
 * Context: any; nobody else uses @pages yet.
 * Return: 0; -EINVAL (and nothing changed) if @min is out of range.
 */
int tlbtag_pages_init(struct tlbtag_pages *pages, uint32_t min);

/**
 * tlbtag_pages_is_short() - should pages be added?
 * @pages: initialised
 *
 * Context: any. Exact where nobody else takes pages meanwhile; elsewhere a hint,
 * and a take must be ready to get none.
 * Return: true if there are fewer than the minimum.
 * Source: SPEC H.3.
 */
static inline bool tlbtag_pages_is_short(const struct tlbtag_pages *pages)
{
	return tlbtag_load_relaxed(&pages->count) < pages->min;
}

/**
 * tlbtag_pages_add() - keep a page that was just allocated
 * @pages: initialised
 * @page: not TLBTAG_PAGE_NONE
 *
 * Context: the stack's lock.
 * Return: true if it is kept; false if there are enough by now (somebody else
 * added, too), or @page is no page (and a warning): the caller frees it.
 * Source: SPEC H.3, H.6 5.
 */
bool tlbtag_pages_add(struct tlbtag_pages *pages, tlbtag_page_t page);

/**
 * tlbtag_pages_take() - take pages to use them
 * @pages: initialised
 * @page: where to write them
 * @count: how many
 *
 * Context: the stack's lock.
 * Return: true if there were so many; false if not, and then none is taken.
 * Source: SPEC H.3.
 */
bool tlbtag_pages_take(struct tlbtag_pages *pages, tlbtag_page_t *page, uint32_t count);

/**
 * tlbtag_pages_give() - a page that was taken was not used after all
 * @pages: initialised
 * @page: what take answered; TLBTAG_PAGE_NONE is silently accepted
 *
 * For the one who lost the race for a region's first use, or whose SEAMCALL
 * failed: the pages serve the next one, which may come under the same lock.
 *
 * Context: the stack's lock.
 * Return: true if it is kept; false if the stack is full: the caller frees it,
 * and it counts as drained.
 * Source: SPEC H.6 4.
 */
bool tlbtag_pages_give(struct tlbtag_pages *pages, tlbtag_page_t page);

/**
 * tlbtag_pages_drain() - take one page to free it
 * @pages: initialised
 *
 * Context: the stack's lock; none at the end of its life, when nobody else can
 * use it.
 * Return: a page; TLBTAG_PAGE_NONE if there is none left.
 * Source: SPEC H.3.
 */
tlbtag_page_t tlbtag_pages_drain(struct tlbtag_pages *pages);

/**
 * tlbtag_pages_in_use() - how many pages are with those who took them
 * @pages: initialised
 *
 * Includes those that the TDX module has, of which it may be that others give
 * them back in the end; so at the end of a VM this need not be 0.
 *
 * Context: the stack's lock.
 * Return: taken - given.
 */
static inline uint64_t tlbtag_pages_in_use(const struct tlbtag_pages *pages)
{
	return pages->taken - pages->given;
}

TLBTAG_END_DECLS

#endif
