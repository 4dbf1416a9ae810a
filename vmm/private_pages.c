/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The host's pages, and the book of where each is. Allocations fail when memory is
 * short, which an operation says.
 */
#include "private_inside.h"

static struct private_page *page_at(struct private_host *host, tlbtag_page_t page)
{
	return &host->page[page];
}

static const char *place_name(enum private_place place)
{
	static const char *const names[] = {
		"is free", "is in somebody's hands", "is in a vCPU's cache",
		"is in a VM's supply", "is guest memory", "is half of a pair", "is a table",
		"is a control page", "is lost",
	};

	return names[place];
}

static bool is_page(const struct private_host *host, tlbtag_page_t page)
{
	return page != TLBTAG_PAGE_NONE &&
	       page < host->config.tdx.regions * (uint64_t)TDX_REGION_PAGES;
}

/* Page 0 is no page for the library. */
static bool is_free(const struct private_host *host, uint32_t page)
{
	return page != 0 && host->page[page].place == PLACE_FREE;
}

static bool is_refused(struct private_host *host)
{
	if (!host->fails)
		return false;
	if (host->left) {
		host->left--;
		return false;
	}
	host->fails--;
	return true;
}

static void set_place(struct private_host *host, uint32_t page, enum private_place place)
{
	uint32_t region = region_of_page(page);

	host->free_count[region] += place == PLACE_FREE;
	host->free_count[region] -= host->page[page].place == PLACE_FREE;
	host->page[page].place = (uint8_t)place;
}

/* --- whose they are -------------------------------------------------------- */

/* The account knows no guest memory. */
static enum tlbtag_page_kind account_kind(enum private_kind kind)
{
	static const enum tlbtag_page_kind kinds[] = {
		TLBTAG_KIND_SEPT, TLBTAG_KIND_PAMT, TLBTAG_KIND_CONTROL, TLBTAG_KIND_NONE,
	};

	return kinds[kind];
}

static void own(struct private_host *host, uint32_t page, uint8_t vm, enum private_kind kind)
{
	uint32_t *held = &host->held[vm][kind];

	host->page[page].kind = (uint8_t)kind;
	host->page[page].vm = vm;
	++*held;
	if (host->held_max[vm][kind] < *held)
		host->held_max[vm][kind] = *held;
	tdx_host_use(host->tdx, page);
}

static void charge(struct private_host *host, uint32_t page)
{
	struct private_page *it = page_at(host, page);
	enum tlbtag_page_kind kind = account_kind((enum private_kind)it->kind);

	it->is_charged = kind != TLBTAG_KIND_NONE;
	if (it->is_charged)
		tlbtag_account_charge(&host->account[it->vm], kind, 1);
}

/* That VM's, whoever frees it. */
static void disown(struct private_host *host, uint32_t page)
{
	struct private_page *it = page_at(host, page);

	host->held[it->vm][it->kind]--;
	if (it->is_charged)
		tlbtag_account_uncharge(&host->account[it->vm],
					account_kind((enum private_kind)it->kind), 1);
	it->is_charged = false;
}

/* --- allocation ------------------------------------------------------------ */

/*
 * The lowest region that has a page, which many uses share; or, for tables and guest
 * memory, one after the other, so that many uses are the first.
 */
static uint32_t find_region(struct private_host *host, enum private_kind kind)
{
	bool near = host->config.tdx.near || kind == KIND_CONTROL || kind == KIND_PAMT;
	uint32_t small = host->config.tdx.small;

	for (uint32_t i = 0; i < small; i++) {
		uint32_t region = near ? i : (host->next_region + i) % small;

		if (!host->free_count[region])
			continue;
		host->next_region = near ? host->next_region : region + 1;
		return region;
	}
	for (uint32_t region = small; region < host->config.tdx.regions; region++)
		if (host->free_count[region])
			return region;
	return UINT32_MAX;
}

static uint32_t find_page(struct private_host *host, uint32_t region)
{
	for (uint32_t i = 0; i < TDX_REGION_PAGES; i++) {
		uint32_t index = (host->next_page[region] + i) % TDX_REGION_PAGES;
		uint32_t page = region * TDX_REGION_PAGES + index;

		if (!is_free(host, page))
			continue;
		host->next_page[region] = host->config.tdx.near ? 0 : index + 1;
		return page;
	}
	return 0;
}

tlbtag_page_t private_page_alloc_free(struct private_host *host, uint8_t vm,
				      enum private_kind kind)
{
	uint32_t region = is_refused(host) ? UINT32_MAX : find_region(host, kind);
	uint32_t page = region == UINT32_MAX ? 0 : find_page(host, region);

	if (!page)
		return TLBTAG_PAGE_NONE;
	set_place(host, page, PLACE_HAND);
	own(host, page, vm, kind);
	return page;
}

tlbtag_page_t private_page_alloc(struct private_host *host, uint8_t vm, enum private_kind kind)
{
	tlbtag_page_t page = private_page_alloc_free(host, vm, kind);

	if (page != TLBTAG_PAGE_NONE)
		charge(host, (uint32_t)page);
	return page;
}

static uint32_t find_folio(const struct private_host *host)
{
	for (uint32_t region = host->config.tdx.small; region < host->config.tdx.regions; region++)
		if (host->free_count[region] == TDX_REGION_PAGES)
			return region;
	return 0;
}

tlbtag_page_t private_folio_alloc(struct private_host *host, uint8_t vm)
{
	uint32_t region = is_refused(host) ? 0 : find_folio(host);
	uint32_t first = region * TDX_REGION_PAGES;

	if (!region)
		return TLBTAG_PAGE_NONE;
	for (uint32_t i = 0; i < TDX_REGION_PAGES; i++) {
		set_place(host, first + i, PLACE_BACKING);
		own(host, first + i, vm, KIND_GUEST);
	}
	return first;
}

void private_page_move(struct private_host *host, tlbtag_page_t page, enum private_place from,
		       enum private_place to)
{
	if (!is_page(host, page)) {
		private_wrong(host, VMM_TWICE, "page %u is used, which is no page",
			      (unsigned int)page);
		return;
	}
	if (page_at(host, page)->place != from)
		private_wrong(host, VMM_TWICE, "page %u should be one that %s, but it %s",
			      (unsigned int)page, place_name(from),
			      place_name((enum private_place)page_at(host, page)->place));
	set_place(host, (uint32_t)page, to);
}

/* Whoever gets it next writes to it as it likes. */
void private_page_free(struct private_host *host, tlbtag_page_t page, enum private_place from)
{
	private_page_move(host, page, from, PLACE_FREE);
	if (!is_page(host, page))
		return;
	disown(host, (uint32_t)page);
	if (tdx_page_use(host->tdx, (uint32_t)page) != TDX_USE_NONE)
		private_wrong(host, VMM_TWICE, "page %u is freed, and the module has it",
			      (unsigned int)page);
	else if (!tdx_page_is_clean(host->tdx, (uint32_t)page))
		private_wrong(host, VMM_HARM, "page %u is freed, and it is not clean",
			      (unsigned int)page);
}

void private_page_use(struct private_host *host, tlbtag_page_t page, enum private_kind kind)
{
	if (!is_page(host, page) || page_at(host, page)->kind == kind)
		return;
	private_wrong(host, VMM_TWICE, "page %u was allocated as kind %u and is used as %u",
		      (unsigned int)page, page_at(host, page)->kind, kind);
}
