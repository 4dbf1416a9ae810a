/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The host of tlbtag sept: splits, removals and conversions, step by step as the
 * library says.
 */
#include "sept_inside.h"

#include <errno.h>

/* --- vCPUs ------------------------------------------------------------------------ */

void vcpus_enter(struct sept_host *host)
{
	for (uint32_t vcpu = 0; vcpu < VCPUS && host->is_started; vcpu++)
		if (!host->is_stopped && !tdx_vcpu_is_in_guest(host->tdx, TD, vcpu))
			tdx_vp_enter(host->tdx, TD, vcpu);
}

void vcpus_leave(struct sept_host *host)
{
	for (uint32_t vcpu = 0; vcpu < VCPUS; vcpu++)
		tdx_vp_exit(host->tdx, TD, vcpu);
}

static void kick(struct sept_host *host)
{
	host->cost.kicks++;
	vcpus_leave(host);
	vcpus_enter(host);
}

/* --- steps of the library ------------------------------------------------------------ */

static enum tlbtag_sept_status status_of(enum tdx_status status)
{
	switch (status) {
	case TDX_SUCCESS:
		return TLBTAG_SEPT_OK;
	case TDX_OPERAND_BUSY:
	case TDX_PREVIOUS_TLB_EPOCH_BUSY:
		return TLBTAG_SEPT_BUSY;
	case TDX_INTERRUPTED_RESTARTABLE:
		return TLBTAG_SEPT_INTERRUPTED;
	default:
		return TLBTAG_SEPT_ERROR;
	}
}

/* A call that vCPUs can be in the way of; each setup.busy-th is busy. */
static enum tlbtag_sept_status contended(struct sept_host *host, enum tdx_call call,
					 enum tdx_status status)
{
	if (status == TDX_OPERAND_BUSY && host->setup.busy)
		tdx_refuse(host->tdx, call, TDX_OPERAND_BUSY, host->setup.busy - 1);
	return status_of(status);
}

/*
 * A step of a split or a sweep. The guest's memory is the host's, page for page, so
 * where.guest_pfn is its gfn as well.
 */
struct change {
	enum tlbtag_sept_step step;
	struct tlbtag_sept_where where;
	const struct tlbtag_kit *kit; /* of a split */
};

static struct tdx_where where_of(const struct change *change)
{
	return (struct tdx_where){ TD, change->where.level == TLBTAG_LEVEL_2M ? TDX_2M : TDX_4K,
				   change->where.guest_pfn };
}

static enum tdx_status demote(struct sept_host *host, const struct change *change,
			      struct tdx_where where)
{
	const struct tlbtag_kit *kit = change->kit;
	uint32_t table = (uint32_t)kit->sept;
	uint32_t pair[TDX_PAIR_PAGES];
	enum tdx_status status;

	tdx_host_flush(host->tdx, table);
	for (uint32_t i = 0; i < TDX_PAIR_PAGES && kit->pamt_count; i++)
		pair[i] = (uint32_t)kit->pamt[kit->pamt_count - TDX_PAIR_PAGES + i];
	status = tdx_mem_page_demote(host->tdx, where, table, kit->pamt_count ? pair : NULL);
	note_peaks(host);
	return status;
}

/* The guest's lines go, and for the erratum's sake the page is written anew. */
static void write_back(struct sept_host *host, const struct change *change)
{
	uint32_t pages = change->where.level == TLBTAG_LEVEL_2M ? SEPT_SLOT_PAGES : 1;
	uint32_t first = (uint32_t)change->where.guest_pfn;

	for (uint32_t page = first; page < first + pages; page++) {
		tdx_phymem_page_wbinvd(host->tdx, page);
		tdx_host_reset(host->tdx, page);
	}
}

static void publish(struct sept_host *host, const struct change *change)
{
	uint64_t gfn = change->where.guest_pfn;
	struct mirror *mirror = &host->mirror[gfn / SEPT_SLOT_PAGES];
	uint64_t page = gfn % SEPT_SLOT_PAGES;

	if (change->kit) {
		*mirror = (struct mirror){ .kind = MIRROR_TABLE,
					   .table = (uint32_t)change->where.sept_pfn };
		for (uint32_t i = 0; i < SEPT_SLOT_PAGES / 64; i++)
			mirror->mapped[i] = UINT64_MAX;
		host->cost.splits++;
	} else if (change->where.level == TLBTAG_LEVEL_2M) {
		mirror->kind = MIRROR_NONE;
	} else {
		mirror->mapped[page / 64] &= ~(UINT64_C(1) << page % 64);
	}
}

static void stop(struct sept_host *host, bool is_stopped)
{
	host->is_stopped = is_stopped;
	if (is_stopped) {
		host->cost.retries++;
		vcpus_leave(host);
	} else {
		vcpus_enter(host);
	}
}

static void plain_step(struct sept_host *host, const struct change *change)
{
	switch (change->step) {
	case TLBTAG_SEPT_KICK:
		kick(host);
		break;
	case TLBTAG_SEPT_WRITE_BACK:
		write_back(host, change);
		break;
	case TLBTAG_SEPT_PUBLISH:
		publish(host, change);
		break;
	case TLBTAG_SEPT_STOP_VCPUS:
		stop(host, true);
		break;
	case TLBTAG_SEPT_START_VCPUS:
		stop(host, false);
		break;
	default:
		break;
	}
}

static enum tlbtag_sept_status ok_or_error(bool ok)
{
	return ok ? TLBTAG_SEPT_OK : TLBTAG_SEPT_ERROR;
}

static enum tlbtag_sept_status step(struct sept_host *host, const struct change *change)
{
	const struct tlbtag_kit *kit = change->kit;
	struct tdx_where where = where_of(change);
	struct tdx *tdx = host->tdx;

	switch (change->step) {
	case TLBTAG_SEPT_PAMT_ADD:
		return ok_or_error(region_add(host, change->where.sept_pfn,
					      &kit->pamt[kit->pamt_count - TLBTAG_PAIR_PAGES]));
	case TLBTAG_SEPT_PAMT_REMOVE:
		return ok_or_error(region_remove(host, kit ? change->where.sept_pfn :
							       change->where.guest_pfn));
	case TLBTAG_SEPT_BLOCK:
		return contended(host, TDX_CALL_RANGE_BLOCK, tdx_mem_range_block(tdx, where));
	case TLBTAG_SEPT_TRACK:
		return contended(host, TDX_CALL_MEM_TRACK, tdx_mem_track(tdx, TD));
	case TLBTAG_SEPT_DEMOTE:
		return contended(host, TDX_CALL_PAGE_DEMOTE, demote(host, change, where));
	case TLBTAG_SEPT_REMOVE:
		return contended(host, TDX_CALL_PAGE_REMOVE, tdx_mem_page_remove(tdx, where));
	case TLBTAG_SEPT_UNBLOCK:
		return status_of(tdx_mem_range_unblock(tdx, where));
	default:
		plain_step(host, change);
		return TLBTAG_SEPT_OK;
	}
}

static int split_with(struct sept_host *host, struct tlbtag_kit *kit, uint64_t gfn)
{
	const struct tlbtag_sept_where where = { gfn, kit->sept, TLBTAG_LEVEL_2M };
	struct tlbtag_sept_op op;

	tlbtag_sept_split(&op, &host->pamt, kit, &where);
	while (op.step != TLBTAG_SEPT_DONE) {
		const struct change change = { op.step, where, kit };

		tlbtag_sept_next(&op, step(host, &change));
	}
	host->is_dead |= op.is_dead;
	return op.error;
}

/* --- pages for splits ------------------------------------------------------------------ */

static tlbtag_page_t supply_alloc(struct sept_host *host, enum tlbtag_page_kind kind)
{
	tlbtag_page_t page = page_alloc(host, kind);

	host->cost.supplied += page != TLBTAG_PAGE_NONE;
	return page;
}

static void supply_free(struct sept_host *host, tlbtag_page_t page)
{
	host->cost.unused++;
	page_free(host, page);
}

static int reserve(struct sept_host *host, uint32_t splits)
{
	enum tlbtag_page_kind kind;
	tlbtag_page_t page;

	if (!host->is_reserved)
		tlbtag_reserve_begin(&host->supply, &host->reserve, splits);
	host->is_reserved = true;
	while ((kind = tlbtag_reserve_wants(&host->reserve)) != TLBTAG_KIND_NONE) {
		page = supply_alloc(host, kind);
		if (page == TLBTAG_PAGE_NONE)
			return -ENOMEM;
		tlbtag_reserve_add(&host->reserve, kind, page);
	}
	return 0;
}

/* A walker of the shared cache: its own page of S-EPT for each split, and a top-up. */
static int top_up(struct sept_host *host, uint32_t splits)
{
	tlbtag_page_t page;

	while (host->spare_count < splits) {
		page = supply_alloc(host, TLBTAG_KIND_SEPT);
		if (page == TLBTAG_PAGE_NONE)
			return -ENOMEM;
		host->spare[host->spare_count++] = page;
	}
	while (tlbtag_supply_need_topup(&host->supply)) {
		page = supply_alloc(host, TLBTAG_KIND_PAMT);
		if (page == TLBTAG_PAGE_NONE)
			return -ENOMEM;
		host->cost.cache_locks++;
		if (!tlbtag_supply_add(&host->supply, page))
			supply_free(host, page);
	}
	return 0;
}

static bool is_cache(const struct sept_host *host)
{
	return host->setup.design == TLBTAG_SUPPLY_CACHE;
}

static int supply_begin(struct sept_host *host, uint32_t splits)
{
	return is_cache(host) ? top_up(host, splits) : reserve(host, splits);
}

static void supply_end(struct sept_host *host)
{
	tlbtag_page_t page;

	while (host->spare_count)
		supply_free(host, host->spare[--host->spare_count]);
	if (!host->is_reserved)
		return;
	host->is_reserved = false;
	tlbtag_reserve_end(&host->supply, &host->reserve);
	while ((page = tlbtag_reserve_drain(&host->reserve)) != TLBTAG_PAGE_NONE)
		supply_free(host, page);
}

static int split_from_cache(struct sept_host *host, uint64_t gfn)
{
	struct tlbtag_kit kit = { .sept = TLBTAG_PAGE_NONE };
	tlbtag_page_t page;
	int error;

	if (tlbtag_supply_need_topup(&host->supply) || host->spare_count == 0)
		return -EAGAIN;
	host->cost.cache_locks++;
	error = tlbtag_supply_take(&host->supply, &kit);
	if (error)
		return error;
	kit.sept = host->spare[--host->spare_count];
	error = split_with(host, &kit, gfn);
	host->cost.cache_locks++;
	tlbtag_supply_give(&host->supply, &kit);
	while ((page = tlbtag_kit_drain(&kit)) != TLBTAG_PAGE_NONE)
		supply_free(host, page);
	return error;
}

static int split_from_reservation(struct sept_host *host, uint64_t gfn)
{
	struct tlbtag_kit kit = { .sept = TLBTAG_PAGE_NONE };
	int error = tlbtag_reserve_take(&host->reserve, &kit);

	if (error)
		return error;
	error = split_with(host, &kit, gfn);
	tlbtag_reserve_give(&host->reserve, &kit);
	return error;
}

static int split_one(struct sept_host *host, uint64_t gfn)
{
	return is_cache(host) ? split_from_cache(host, gfn) : split_from_reservation(host, gfn);
}

/* One split, for an ACCEPT. */
int host_split(struct sept_host *host, uint64_t gfn)
{
	int error = supply_begin(host, 1);

	host->cost.mmu_locks++;
	if (!error)
		error = split_one(host, gfn - gfn % SEPT_SLOT_PAGES);
	supply_end(host);
	return error;
}

/* --- conversions ------------------------------------------------------------------------- */

/* The first page of from .. to - 1 that is mapped below a table; `to` if none is. */
static uint64_t first_mapped(const struct mirror *mirror, uint64_t from, uint64_t to)
{
	while (from < to && !(mirror->mapped[from / 64] >> from % 64 & 1))
		from++;
	return from;
}

/* Counts what it looks at. */
static bool find_leaf(struct sept_host *host, uint64_t from, uint64_t to, struct tlbtag_leaf *leaf)
{
	while (from < to) {
		const struct mirror *mirror = &host->mirror[from / SEPT_SLOT_PAGES];
		uint64_t first = from - from % SEPT_SLOT_PAGES;
		uint64_t end = to - first < SEPT_SLOT_PAGES ? to - first : SEPT_SLOT_PAGES;
		uint64_t found = end;

		host->cost.looks++;
		*leaf = (struct tlbtag_leaf){ first, TLBTAG_LEVEL_2M };
		if (mirror->kind == MIRROR_2M)
			return true;
		if (mirror->kind == MIRROR_TABLE)
			found = first_mapped(mirror, from - first, end);
		*leaf = (struct tlbtag_leaf){ first + found, TLBTAG_LEVEL_4K };
		if (found < end)
			return true;
		from = first + SEPT_SLOT_PAGES;
	}
	return false;
}

/*
 * What a walk of the whole range would look at, which is how the proposal of
 * January 2026 finds the two leaves that it has to split.
 */
static void walk_range(struct sept_host *host, uint64_t begin, uint64_t end)
{
	struct tlbtag_leaf leaf;

	for (uint64_t gfn = begin; gfn < end && find_leaf(host, gfn, end, &leaf);)
		gfn = leaf.gfn + (leaf.level == TLBTAG_LEVEL_2M ? SEPT_SLOT_PAGES : 1);
}

/* Leaves from op->leaf on, as many as may go at once; the list. */
static uint32_t gather(struct sept_host *host, const struct tlbtag_convert *op,
		       struct tlbtag_sept_where *list)
{
	struct tlbtag_leaf leaf = op->leaf;
	uint32_t count = 0;
	uint64_t after;

	do {
		list[count++] = (struct tlbtag_sept_where){ .guest_pfn = leaf.gfn,
							    .level = leaf.level };
		after = leaf.gfn + (leaf.level == TLBTAG_LEVEL_2M ? SEPT_SLOT_PAGES : 1);
	} while (count < host->setup.sweep && find_leaf(host, after, op->to, &leaf) &&
		 tlbtag_convert_takes(op, &leaf));
	return count;
}

static void sweep(struct sept_host *host, struct tlbtag_convert *op)
{
	struct tlbtag_sept_where list[SEPT_SWEEP_MAX];
	uint64_t looks = host->cost.looks;
	uint32_t count = gather(host, op, list);
	const struct tlbtag_sept_where *last = &list[count - 1];
	uint64_t from = last->guest_pfn + (last->level == TLBTAG_LEVEL_2M ? SEPT_SLOT_PAGES : 1);
	struct tlbtag_sweep sweep;

	host->cost.looks = looks;
	tlbtag_sweep_begin(&sweep, &host->pamt, list, count);
	while (sweep.step != TLBTAG_SEPT_DONE) {
		const struct tlbtag_sept_where *at = &list[sweep.at];
		const struct change change = { sweep.step, *at, NULL };

		tlbtag_sweep_next(&sweep, step(host, &change));
	}
	host->is_dead |= sweep.is_dead;
	tlbtag_convert_swept(op, sweep.error,
			     sweep.error ? list[sweep.removed].guest_pfn : from);
}

static int convert_step(struct sept_host *host, const struct tlbtag_convert *op)
{
	switch (op->step) {
	case TLBTAG_CONVERT_RESERVE:
		return host->setup.is_small ? 0 : supply_begin(host, op->splits);
	case TLBTAG_CONVERT_LOCK:
		host->cost.mmu_locks++;
		return 0;
	case TLBTAG_CONVERT_SPLIT:
		return split_one(host, op->leaf.gfn);
	case TLBTAG_CONVERT_ZAP:
	case TLBTAG_CONVERT_FIND:
	case TLBTAG_CONVERT_UNLOCK:
	case TLBTAG_CONVERT_DONE:
		break;
	}
	return 0;
}

static void convert_find(struct sept_host *host, struct tlbtag_convert *op)
{
	struct tlbtag_leaf leaf;
	uint64_t looks = host->cost.looks;
	bool found = find_leaf(host, op->from, op->to, &leaf);

	/* Whoever removes a leaf has to find it; that is no price of the splits. */
	if (op->edges_done == op->splits)
		host->cost.looks = looks;
	tlbtag_convert_found(op, found ? &leaf : NULL);
}

int sept_host_remove(struct sept_host *host, uint64_t begin, uint64_t end)
{
	struct tlbtag_convert op;

	if (is_cache(host) && !host->setup.is_small)
		walk_range(host, begin, end);
	tlbtag_convert_begin(&op, begin, end);
	while (op.step != TLBTAG_CONVERT_DONE) {
		if (op.step == TLBTAG_CONVERT_FIND)
			convert_find(host, &op);
		else if (op.step == TLBTAG_CONVERT_ZAP)
			sweep(host, &op);
		else
			tlbtag_convert_next(&op, convert_step(host, &op));
	}
	supply_end(host);
	return op.error;
}
