/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The host of tlbtag sept: its pages, and the uses of their regions.
 */
#include "sept_inside.h"

#include <errno.h>

static uint8_t *kind_of(struct sept_host *host, uint32_t page)
{
	return &host->kind[page - host->first_page];
}

tlbtag_page_t page_alloc(struct sept_host *host, enum tlbtag_page_kind kind)
{
	uint32_t page;

	if (++host->allocations == host->setup.failing)
		return TLBTAG_PAGE_NONE;
	if (host->free_count)
		page = host->free_page[--host->free_count];
	else if (host->next_page < host->end_page)
		page = host->next_page++;
	else
		return TLBTAG_PAGE_NONE;
	*kind_of(host, page) = (uint8_t)kind;
	tlbtag_account_charge(&host->account, kind, 1);
	tdx_host_use(host->tdx, page);
	return page;
}

/* What the page is charged as is known by the page, not by who frees it. */
void page_free(struct sept_host *host, tlbtag_page_t page)
{
	uint32_t pfn = (uint32_t)page;
	enum tlbtag_page_kind kind = *kind_of(host, pfn);

	tdx_host_reset(host->tdx, pfn);
	tdx_host_use(host->tdx, pfn);
	tlbtag_account_uncharge(&host->account, kind, 1);
	host->free_page[host->free_count++] = pfn;
}

void note_peaks(struct sept_host *host)
{
	uint64_t pamt = tdx_pages_pamt(host->tdx);

	if (pamt > host->cost.pamt_max)
		host->cost.pamt_max = pamt;
}

bool region_add(struct sept_host *host, uint64_t pfn, const tlbtag_page_t *pair)
{
	const uint32_t pages[TDX_PAIR_PAGES] = { (uint32_t)pair[0], (uint32_t)pair[1] };
	bool added = tdx_pamt_add(host->tdx, (uint32_t)(pfn / TDX_REGION_PAGES), pages) ==
		     TDX_SUCCESS;

	note_peaks(host);
	return added;
}

bool region_remove(struct sept_host *host, uint64_t pfn)
{
	uint32_t pages[TDX_PAIR_PAGES];

	if (tdx_pamt_remove(host->tdx, (uint32_t)(pfn / TDX_REGION_PAGES), pages) != TDX_SUCCESS)
		return false;
	for (uint32_t i = 0; i < TDX_PAIR_PAGES; i++)
		page_free(host, pages[i]);
	return true;
}

int use_get(struct sept_host *host, uint64_t pfn)
{
	tlbtag_page_t pair[TLBTAG_PAIR_PAGES];
	bool added;

	if (tlbtag_pamt_try_get(&host->pamt, pfn))
		return 0;
	if (!tlbtag_pages_take(&host->fault_cache, pair, TLBTAG_PAIR_PAGES))
		return -ENOMEM;
	/* Nobody else is at the module, so it is this one or an error. */
	if (tlbtag_pamt_get(&host->pamt, pfn) == TLBTAG_PAMT_ADD) {
		added = region_add(host, pfn, pair);
		tlbtag_pamt_get_end(&host->pamt, pfn, added);
		if (added)
			return 0;
	}
	for (uint32_t i = 0; i < TLBTAG_PAIR_PAGES; i++)
		tlbtag_pages_give(&host->fault_cache, pair[i]);
	return -EIO;
}

void use_put(struct sept_host *host, uint64_t pfn)
{
	if (tlbtag_pamt_put(&host->pamt, pfn) == TLBTAG_PAMT_REMOVE)
		tlbtag_pamt_put_end(&host->pamt, pfn, region_remove(host, pfn));
}

static enum tlbtag_control_step control_step(struct sept_host *host, struct tlbtag_control *op)
{
	enum tlbtag_page_kind kind = op->page == TLBTAG_PAGE_NONE ? TLBTAG_KIND_CONTROL :
								    TLBTAG_KIND_PAMT;
	tlbtag_page_t page;
	bool ok = true;

	switch (op->step) {
	case TLBTAG_CONTROL_ALLOC:
		page = page_alloc(host, kind);
		return tlbtag_control_page(op, page, page);
	case TLBTAG_CONTROL_FREE:
		page_free(host, op->spare);
		break;
	case TLBTAG_CONTROL_PAMT_ADD:
		ok = region_add(host, op->pfn, op->pair);
		break;
	case TLBTAG_CONTROL_PAMT_REMOVE:
		ok = region_remove(host, op->pfn);
		break;
	case TLBTAG_CONTROL_WAIT:
	case TLBTAG_CONTROL_DONE:
		break;
	}
	return tlbtag_control_next(op, ok);
}

int control_alloc(struct sept_host *host, uint32_t *page)
{
	struct tlbtag_control op;

	tlbtag_control_alloc(&op, &host->pamt);
	while (control_step(host, &op) != TLBTAG_CONTROL_DONE)
		;
	if (op.error)
		return op.error;
	*page = (uint32_t)op.page;
	tdx_host_flush(host->tdx, *page);
	return 0;
}

void control_free(struct sept_host *host, uint32_t page)
{
	struct tlbtag_control op;

	if (tlbtag_control_free(&op, &host->pamt, page, page) == TLBTAG_CONTROL_DONE)
		return;
	while (control_step(host, &op) != TLBTAG_CONTROL_DONE)
		;
}
