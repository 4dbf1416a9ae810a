/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The host of tlbtag sept: the guest's life, its faults, and whether mirror and
 * module agree.
 */
#include "sept_inside.h"

#include <errno.h>
#include <stdlib.h>

/* --- made and gone ------------------------------------------------------------------- */

/* S-EPT and PAMT pages of a guest in 4 KiB pages, and some more. */
static uint32_t host_pages(const struct sept_setup *setup)
{
	uint32_t pages = 4 * setup->slots + 8 * SEPT_SLOT_PAGES;

	return (pages + SEPT_SLOT_PAGES - 1) / SEPT_SLOT_PAGES * SEPT_SLOT_PAGES;
}

static struct tdx *module_create(const struct sept_setup *setup)
{
	struct tdx_config config;

	tdx_config_init(&config);
	config.regions = setup->slots + host_pages(setup) / SEPT_SLOT_PAGES;
	config.slots = setup->slots;
	config.slots_per_table = SLOTS_PER_TABLE;
	config.tds = 1;
	config.vcpus = VCPUS;
	config.tdcs_pages = TDCS_PAGES;
	config.tdcx_pages = TDCX_PAGES;
	config.dynamic_pamt = setup->is_dynamic;
	config.erratum = true;
	return tdx_create(&config);
}

static bool host_init(struct sept_host *host)
{
	uint32_t slots = host->setup.slots;
	uint32_t regions = slots + host_pages(&host->setup) / SEPT_SLOT_PAGES;

	if (host->setup.is_dynamic &&
	    tlbtag_pamt_init(&host->pamt, 0, regions, host->words))
		return false;
	tlbtag_supply_init(&host->supply, host->setup.design, host->setup.is_dynamic);
	return !tlbtag_pages_init(&host->fault_cache,
				  tlbtag_pages_fault_min(host->setup.is_dynamic, LEVELS)) &&
	       !tlbtag_large_init(&host->large, 0, (uint64_t)slots * SEPT_SLOT_PAGES,
				  tdx_features(host->tdx), host->inhibited);
}

struct sept_host *sept_host_create(const struct sept_setup *setup)
{
	uint64_t pages = (uint64_t)setup->slots * SEPT_SLOT_PAGES;
	struct sept_host *host = calloc(1, sizeof(*host));

	if (!host)
		return NULL;
	host->setup = *setup;
	host->first_page = (uint32_t)pages;
	host->next_page = (uint32_t)pages;
	host->end_page = (uint32_t)pages + host_pages(setup);
	host->tdx = module_create(setup);
	host->words = calloc(setup->slots + host_pages(setup) / SEPT_SLOT_PAGES,
			     sizeof(*host->words));
	host->inhibited = calloc(tlbtag_large_words(0, pages), sizeof(*host->inhibited));
	host->mirror = calloc(setup->slots, sizeof(*host->mirror));
	host->upper = calloc(setup->slots / SLOTS_PER_TABLE + 1, sizeof(*host->upper));
	host->free_page = calloc(host_pages(setup), sizeof(*host->free_page));
	host->kind = calloc(host_pages(setup), sizeof(*host->kind));
	if (host->tdx && host->words && host->inhibited && host->mirror && host->upper &&
	    host->free_page && host->kind && host_init(host))
		return host;
	sept_host_destroy(host);
	return NULL;
}

void sept_host_destroy(struct sept_host *host)
{
	if (!host)
		return;
	tdx_destroy(host->tdx);
	free(host->words);
	free(host->inhibited);
	free(host->mirror);
	free(host->upper);
	free(host->free_page);
	free(host->kind);
	free(host);
}

/* --- the TD is built -------------------------------------------------------------------- */

static int error_of(enum tdx_status status)
{
	return status == TDX_SUCCESS ? 0 : -EIO;
}

/* A control page, and the SEAMCALL that gives it to the module. */
enum give {
	GIVE_TDR = 0,
	GIVE_TDCS = 1,
	GIVE_TDVPR = 2,
	GIVE_TDCX = 3,
};

static enum tdx_status give_page(struct sept_host *host, enum give give, uint32_t vcpu,
				 uint32_t page)
{
	switch (give) {
	case GIVE_TDR:
		return tdx_mng_create(host->tdx, TD, page, 1);
	case GIVE_TDCS:
		return tdx_mng_addcx(host->tdx, TD, page);
	case GIVE_TDVPR:
		return tdx_vp_create(host->tdx, TD, vcpu, page);
	case GIVE_TDCX:
		return tdx_vp_addcx(host->tdx, TD, vcpu, page);
	}
	return TDX_OPERAND_INVALID;
}

static int give_control(struct sept_host *host, enum give give, uint32_t vcpu, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t page;
		int error = control_alloc(host, &page);

		if (error)
			return error;
		if (give_page(host, give, vcpu, page) != TDX_SUCCESS) {
			control_free(host, page);
			return -EIO;
		}
		host->control[host->control_count++] = page;
	}
	return 0;
}

static int start_vcpu(struct sept_host *host, uint32_t vcpu)
{
	int error = give_control(host, GIVE_TDVPR, vcpu, 1);

	if (!error)
		error = give_control(host, GIVE_TDCX, vcpu, TDCX_PAGES);
	return error ? error : error_of(tdx_vp_init(host->tdx, TD, vcpu));
}

static void arm_refusals(struct sept_host *host)
{
	static const enum tdx_call calls[] = { TDX_CALL_RANGE_BLOCK, TDX_CALL_MEM_TRACK,
					       TDX_CALL_PAGE_DEMOTE, TDX_CALL_PAGE_REMOVE };

	for (size_t i = 0; host->setup.busy && i < sizeof(calls) / sizeof(calls[0]); i++)
		tdx_refuse(host->tdx, calls[i], TDX_OPERAND_BUSY, host->setup.busy - 1);
	if (host->setup.refused < TDX_CALLS)
		tdx_refuse(host->tdx, host->setup.refused, TDX_OPERAND_INVALID,
			   host->setup.refused_after);
}

int sept_host_start(struct sept_host *host)
{
	int error = give_control(host, GIVE_TDR, 0, 1);

	if (!error)
		error = give_control(host, GIVE_TDCS, 0, TDCS_PAGES);
	if (!error)
		error = error_of(tdx_mng_init(host->tdx, TD));
	for (uint32_t vcpu = 0; vcpu < VCPUS && !error; vcpu++)
		error = start_vcpu(host, vcpu);
	if (!error)
		error = error_of(tdx_mr_finalize(host->tdx, TD));
	if (error)
		return error;
	arm_refusals(host);
	host->is_started = true;
	vcpus_enter(host);
	return 0;
}

/* --- faults ----------------------------------------------------------------------------- */

static int fault_cache_fill(struct sept_host *host)
{
	while (tlbtag_pages_is_short(&host->fault_cache)) {
		tlbtag_page_t page = page_alloc(host, TLBTAG_KIND_PAMT);

		if (page == TLBTAG_PAGE_NONE)
			return -ENOMEM;
		tlbtag_pages_add(&host->fault_cache, page);
	}
	return 0;
}

/* Links a page of S-EPT: where.level is that of the entry that names it. */
static int link_table(struct sept_host *host, struct tdx_where where, uint32_t *table)
{
	tlbtag_page_t page = page_alloc(host, TLBTAG_KIND_SEPT);
	int error;

	if (page == TLBTAG_PAGE_NONE)
		return -ENOMEM;
	error = use_get(host, page);
	if (error) {
		page_free(host, page);
		return error;
	}
	tdx_host_flush(host->tdx, (uint32_t)page);
	if (tdx_mem_sept_add(host->tdx, where, (uint32_t)page) != TDX_SUCCESS) {
		use_put(host, page);
		page_free(host, page);
		return -EIO;
	}
	*table = (uint32_t)page;
	return 0;
}

static int map_large(struct sept_host *host, uint64_t gfn)
{
	const struct tdx_where where = { TD, TDX_2M, gfn };

	if (tdx_mem_page_aug(host->tdx, where, (uint32_t)gfn) != TDX_SUCCESS)
		return -EIO;
	host->mirror[gfn / SEPT_SLOT_PAGES].kind = MIRROR_2M;
	return 0;
}

static int map_small(struct sept_host *host, uint64_t gfn)
{
	struct mirror *mirror = &host->mirror[gfn / SEPT_SLOT_PAGES];
	struct tdx_where where = { TD, TDX_2M, gfn - gfn % SEPT_SLOT_PAGES };
	int error = 0;

	if (mirror->kind == MIRROR_NONE)
		error = link_table(host, where, &mirror->table);
	if (error)
		return error;
	mirror->kind = MIRROR_TABLE;
	error = use_get(host, gfn);
	if (error)
		return error;
	where = (struct tdx_where){ TD, TDX_4K, gfn };
	if (tdx_mem_page_aug(host->tdx, where, (uint32_t)gfn) != TDX_SUCCESS) {
		use_put(host, gfn);
		return -EIO;
	}
	mirror->mapped[gfn % SEPT_SLOT_PAGES / 64] |= UINT64_C(1) << gfn % 64;
	return 0;
}

uint64_t sept_host_pages(const struct sept_host *host)
{
	return (uint64_t)host->setup.slots * SEPT_SLOT_PAGES;
}

bool sept_host_is_large(const struct sept_host *host, uint64_t gfn)
{
	return host->mirror[gfn / SEPT_SLOT_PAGES].kind == MIRROR_2M;
}

bool sept_host_is_mapped(const struct sept_host *host, uint64_t gfn)
{
	const struct mirror *mirror = &host->mirror[gfn / SEPT_SLOT_PAGES];

	return mirror->kind == MIRROR_2M ||
	       (mirror->kind == MIRROR_TABLE &&
		(mirror->mapped[gfn % SEPT_SLOT_PAGES / 64] >> gfn % 64 & 1));
}

static struct tlbtag_large_fault fault_at(const struct sept_host *host, uint64_t gfn,
					  enum tlbtag_level accept)
{
	return (struct tlbtag_large_fault){
		.gfn = gfn,
		.backing = host->setup.is_small ? TLBTAG_LEVEL_4K : TLBTAG_LEVEL_2M,
		.accept = accept,
		.has_table = host->mirror[gfn / SEPT_SLOT_PAGES].kind == MIRROR_TABLE,
	};
}

static int map(struct sept_host *host, const struct tlbtag_large_fault *fault)
{
	uint64_t slot = fault->gfn / SEPT_SLOT_PAGES;
	uint32_t *upper = &host->upper[slot / SLOTS_PER_TABLE];
	const struct tdx_where where = { TD, TDX_1G, slot / SLOTS_PER_TABLE * SLOTS_PER_TABLE *
						     SEPT_SLOT_PAGES };
	int error = fault_cache_fill(host);

	if (!error && !*upper)
		error = link_table(host, where, upper);
	if (!error && tlbtag_large_level(&host->large, fault) == TLBTAG_LEVEL_2M)
		error = map_large(host, slot * SEPT_SLOT_PAGES);
	else if (!error)
		error = map_small(host, fault->gfn);
	return error;
}

int sept_host_fault(struct sept_host *host, uint64_t gfn)
{
	struct tlbtag_large_fault fault = fault_at(host, gfn, TLBTAG_LEVEL_1G);

	return sept_host_is_mapped(host, gfn) ? 0 : map(host, &fault);
}

/* The guest's ACCEPT made it leave. */
static int violation(struct sept_host *host, uint64_t gfn, enum tlbtag_level level)
{
	struct tlbtag_large_fault fault = fault_at(host, gfn, level);
	bool is_large = sept_host_is_large(host, gfn);

	if (tlbtag_large_accept_is_new(&host->large, &fault, is_large) &&
	    tlbtag_large_accept(&host->large, &fault, is_large) == TLBTAG_LARGE_SPLIT)
		return host_split(host, gfn);
	return sept_host_is_mapped(host, gfn) ? -EIO : map(host, &fault);
}

/* One page, at the level or, if the host has mapped less, at 4 KiB. */
static int accept_one(struct sept_host *host, uint64_t gfn, enum tlbtag_level level)
{
	const struct tdx_where where = { TD, level == TLBTAG_LEVEL_2M ? TDX_2M : TDX_4K, gfn };

	/* One violation for the mapping and one for its size. */
	for (uint32_t turn = 0; turn < 3; turn++) {
		enum tdx_status status;
		int error;

		vcpus_enter(host);
		status = tdx_guest_accept(host->tdx, 0, where);
		if (status == TDX_PAGE_SIZE_MISMATCH)
			return -EAGAIN;
		if (status == TDX_SUCCESS || status == TDX_PAGE_ALREADY_ACCEPTED)
			return 0;
		error = status == TDX_EPT_VIOLATION ? violation(host, gfn, level) : -EIO;
		if (error)
			return error;
	}
	return -EIO;
}

int sept_host_accept(struct sept_host *host, uint64_t gfn, enum tlbtag_level level)
{
	int error = accept_one(host, gfn, level);

	if (error != -EAGAIN)
		return error;
	error = 0;
	for (uint64_t page = gfn; page < gfn + SEPT_SLOT_PAGES && !error; page++)
		error = accept_one(host, page, TLBTAG_LEVEL_4K);
	return error;
}

/* --- the end ------------------------------------------------------------------------------- */

static int give_key_up(struct sept_host *host)
{
	int error;

	vcpus_leave(host);
	for (uint32_t vcpu = 0; vcpu < VCPUS && host->is_started; vcpu++)
		tdx_vp_flush(host->tdx, TD, vcpu);
	host->is_started = false;
	error = error_of(tdx_mng_vpflushdone(host->tdx, TD));
	if (!error)
		error = error_of(tdx_phymem_cache_wb(host->tdx));
	return error ? error : error_of(tdx_mng_key_freeid(host->tdx, TD));
}

static int reclaim(struct sept_host *host, uint32_t page, enum tdx_level level)
{
	uint32_t pages = level == TDX_2M ? SEPT_SLOT_PAGES : 1;
	int error = error_of(tdx_phymem_page_reclaim(host->tdx, page, level));

	for (uint32_t i = 0; i < pages && !error; i++)
		tdx_host_reset(host->tdx, page + i);
	return error;
}

static int reclaim_small(struct sept_host *host, uint32_t gfn)
{
	int error;

	if (!sept_host_is_mapped(host, gfn))
		return 0;
	error = reclaim(host, gfn, TDX_4K);
	if (!error)
		use_put(host, gfn);
	return error;
}

static int reclaim_table(struct sept_host *host, uint32_t page)
{
	int error = reclaim(host, page, TDX_4K);

	if (!error)
		control_free(host, page);
	return error;
}

static int reclaim_slot(struct sept_host *host, uint32_t slot)
{
	struct mirror *mirror = &host->mirror[slot];
	uint32_t first = slot * SEPT_SLOT_PAGES;
	int error = 0;

	if (mirror->kind == MIRROR_2M)
		error = reclaim(host, first, TDX_2M);
	if (mirror->kind != MIRROR_TABLE)
		return error;
	for (uint32_t gfn = first; gfn < first + SEPT_SLOT_PAGES && !error; gfn++)
		error = reclaim_small(host, gfn);
	return error ? error : reclaim_table(host, mirror->table);
}

/* The TDR, first of all that were given, is the last that comes back. */
static int reclaim_control(struct sept_host *host)
{
	int error = 0;

	while (host->control_count && !error) {
		uint32_t page = host->control[--host->control_count];

		error = error_of(tdx_phymem_page_reclaim(host->tdx, page, TDX_4K));
		if (!error && host->control_count == 0)
			error = error_of(tdx_phymem_page_wbinvd(host->tdx, page));
		if (!error)
			control_free(host, page);
	}
	return error;
}

static void drain(struct sept_host *host)
{
	tlbtag_page_t page;

	while ((page = tlbtag_pages_drain(&host->fault_cache)) != TLBTAG_PAGE_NONE)
		page_free(host, page);
	while ((page = tlbtag_supply_drain(&host->supply)) != TLBTAG_PAGE_NONE) {
		host->cost.unused++;
		page_free(host, page);
	}
}

int sept_host_tear_down(struct sept_host *host)
{
	int error = tdx_td_exists(host->tdx, TD) ? give_key_up(host) : 0;

	for (uint32_t slot = 0; slot < host->setup.slots && !error; slot++) {
		error = reclaim_slot(host, slot);
		host->mirror[slot].kind = MIRROR_NONE;
	}
	for (uint32_t i = 0; i <= host->setup.slots / SLOTS_PER_TABLE && !error; i++) {
		if (host->upper[i])
			error = reclaim_table(host, host->upper[i]);
		host->upper[i] = 0;
	}
	if (!error)
		error = reclaim_control(host);
	drain(host);
	return error;
}

/* --- what it cost, and whether it is right ---------------------------------------------------- */

void sept_host_cost(const struct sept_host *host, struct sept_cost *cost)
{
	*cost = host->cost;
	cost->sept_max = host->account.max[TLBTAG_KIND_SEPT];
	for (unsigned int call = 0; call < TDX_CALLS; call++)
		cost->calls[call] = tdx_calls(host->tdx, (enum tdx_call)call);
}

static bool is_page_right(const struct sept_host *host, uint64_t gfn)
{
	struct tdx_entry entry = tdx_entry(host->tdx, (struct tdx_where){ TD, TDX_4K, gfn });

	if (!sept_host_is_mapped(host, gfn))
		return entry.kind == TDX_ENTRY_FREE;
	return entry.kind == TDX_ENTRY_LEAF && entry.page == gfn && !entry.is_blocked;
}

static bool is_slot_right(const struct sept_host *host, uint32_t slot)
{
	const struct mirror *mirror = &host->mirror[slot];
	uint64_t first = (uint64_t)slot * SEPT_SLOT_PAGES;
	struct tdx_entry entry = tdx_entry(host->tdx, (struct tdx_where){ TD, TDX_2M, first });

	if (mirror->kind == MIRROR_NONE)
		return entry.kind == TDX_ENTRY_FREE;
	if (mirror->kind == MIRROR_2M)
		return entry.kind == TDX_ENTRY_LEAF && entry.page == first && !entry.is_blocked;
	if (entry.kind != TDX_ENTRY_TABLE || entry.page != mirror->table)
		return false;
	for (uint64_t gfn = first; gfn < first + SEPT_SLOT_PAGES; gfn++)
		if (!is_page_right(host, gfn))
			return false;
	return true;
}

static bool is_region_right(const struct sept_host *host, uint32_t region)
{
	uint64_t pfn = (uint64_t)region * TDX_REGION_PAGES;

	return tlbtag_pamt_uses(&host->pamt, pfn) == tdx_region_uses(host->tdx, region) &&
	       tlbtag_pamt_is_installed(&host->pamt, pfn) == tdx_region_has_pair(host->tdx, region);
}

const char *sept_host_wrong(const struct sept_host *host)
{
	uint32_t regions = host->end_page / TDX_REGION_PAGES;

	if (tdx_harm(host->tdx)->what != TDX_HARM_NONE)
		return tdx_harm_text(tdx_harm(host->tdx)->what);
	if (host->is_dead)
		return "the VM had to be killed";
	for (uint32_t slot = 0; slot < host->setup.slots && tdx_td_exists(host->tdx, TD); slot++)
		if (!is_slot_right(host, slot))
			return "mirror and secure table differ";
	for (uint32_t region = 0; region < regions && host->setup.is_dynamic; region++)
		if (!is_region_right(host, region))
			return "a region's counter is not the number of its uses";
	return NULL;
}

const char *sept_host_leak(const struct sept_host *host)
{
	if (tdx_harm(host->tdx)->what != TDX_HARM_NONE)
		return tdx_harm_text(tdx_harm(host->tdx)->what);
	if (tdx_pages_held(host->tdx) || tdx_td_exists(host->tdx, TD))
		return "the module still has pages";
	for (unsigned int kind = 0; kind < TLBTAG_KINDS; kind++)
		if (host->account.now[kind])
			return "pages are still charged to the VM";
	return host->free_count == host->next_page - host->first_page ?
		       NULL :
		       "pages of the host were lost";
}
