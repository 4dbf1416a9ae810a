/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * pages: a stack of pages. The contract is in the header.
 */
#include <tlbtag/pages.h>
#include <tlbtag/pamt.h>
#include <tlbtag/rules.h>

uint32_t tlbtag_pages_fault_min(bool is_dynamic, uint32_t levels)
{
	return is_dynamic ? levels * TLBTAG_PAIR_PAGES : 0;
}
TLBTAG_EXPORT(tlbtag_pages_fault_min);

int tlbtag_pages_init(struct tlbtag_pages *pages, uint32_t min)
{
	if (min > TLBTAG_PAGES_MAX)
		return -EINVAL;
	*pages = (struct tlbtag_pages){ .min = min };
	return 0;
}
TLBTAG_EXPORT(tlbtag_pages_init);

/* S1: the only way in; add and give count it. */
static bool push(struct tlbtag_pages *pages, tlbtag_page_t page)
{
	uint32_t count = pages->count;

	if (count >= TLBTAG_PAGES_MAX)
		return false;
	pages->page[count] = page;
	tlbtag_store_relaxed(&pages->count, count + 1);
	if (count + 1 > pages->count_max)
		pages->count_max = count + 1;
	return true;
}

/* S1: the only way out; take and drain count it. */
static tlbtag_page_t pop(struct tlbtag_pages *pages)
{
	uint32_t count = pages->count;
	tlbtag_page_t page;

	if (count == 0)
		return TLBTAG_PAGE_NONE;
	page = pages->page[count - 1];
	pages->page[count - 1] = TLBTAG_PAGE_NONE;
	tlbtag_store_relaxed(&pages->count, count - 1);
	return page;
}

bool tlbtag_pages_add(struct tlbtag_pages *pages, tlbtag_page_t page)
{
	if (tlbtag_warn_once(page == TLBTAG_PAGE_NONE, "pages: no page is added"))
		return false;
	/* S3: several threads may be adding, each having seen too few. */
	if (pages->count >= pages->min && TLBTAG_RULE(PAGES_CAP))
		return false;
	if (!push(pages, page))
		return false;
	pages->added++;
	return true;
}
TLBTAG_EXPORT(tlbtag_pages_add);

/* S2: the look at the count is under the lock that the pages are taken under. */
bool tlbtag_pages_take(struct tlbtag_pages *pages, tlbtag_page_t *page, uint32_t count)
{
	if (pages->count < count && TLBTAG_RULE(PAGES_RECHECK))
		return false;
	for (uint32_t i = 0; i < count; i++)
		page[i] = pop(pages);
	pages->taken += count;
	return true;
}
TLBTAG_EXPORT(tlbtag_pages_take);

bool tlbtag_pages_give(struct tlbtag_pages *pages, tlbtag_page_t page)
{
	if (page == TLBTAG_PAGE_NONE)
		return true;
	pages->given++;
	if (push(pages, page))
		return true;
	pages->drained++;
	return false;
}
TLBTAG_EXPORT(tlbtag_pages_give);

tlbtag_page_t tlbtag_pages_drain(struct tlbtag_pages *pages)
{
	tlbtag_page_t page = pop(pages);

	pages->drained += page != TLBTAG_PAGE_NONE;
	return page;
}
TLBTAG_EXPORT(tlbtag_pages_drain);
