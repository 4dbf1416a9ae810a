/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A fault: pages are made ready, then the tables and the page are linked under the
 * shared MMU lock, one entry after the other, each frozen while its SEAMCALL is made.
 */
#include "private_inside.h"

#include <errno.h>

static struct private_vcpu *vcpu_of(struct private_host *host, struct private_agent *agent)
{
	return &vm_of(host, agent)->vcpu[agent->nr];
}

static enum private_progress fail(struct private_agent *agent, int error)
{
	agent->error = error;
	agent->at = AT_fault_end;
	return PROGRESS_DONE;
}

/* --- before the lock ------------------------------------------------------- */

static bool fill_cache(struct private_host *host, struct private_agent *agent)
{
	struct tlbtag_pages *cache = &vcpu_of(host, agent)->cache;

	while (tlbtag_pages_is_short(cache)) {
		tlbtag_page_t page = private_page_alloc(host, agent->vm, KIND_PAMT);

		if (page == TLBTAG_PAGE_NONE)
			return false;
		private_page_move(host, page, PLACE_HAND, PLACE_VCPU);
		tlbtag_pages_add(cache, page);
	}
	return true;
}

static bool fill_tables(struct private_host *host, struct private_agent *agent)
{
	struct private_vcpu *vcpu = vcpu_of(host, agent);

	while (vcpu->table_count < PRIVATE_LEVELS - 1) {
		tlbtag_page_t page = private_page_alloc(host, agent->vm, KIND_SEPT);

		if (page == TLBTAG_PAGE_NONE)
			return false;
		private_page_move(host, page, PLACE_HAND, PLACE_VCPU);
		vcpu->table[vcpu->table_count++] = page;
	}
	return true;
}

static bool has_backing(const struct private_vm *vm, uint64_t slot)
{
	for (uint32_t i = 0; i < TDX_REGION_PAGES; i++)
		if (vm->backing[slot * TDX_REGION_PAGES + i])
			return true;
	return false;
}

static bool back_by_folio(struct private_host *host, struct private_agent *agent)
{
	struct private_vm *vm = vm_of(host, agent);
	uint64_t slot = agent->begin / TDX_REGION_PAGES;
	tlbtag_page_t first;

	if (!host->config.tdx.huge || has_backing(vm, slot))
		return false;
	first = private_folio_alloc(host, agent->vm);
	if (first == TLBTAG_PAGE_NONE)
		return false;
	for (uint32_t i = 0; i < TDX_REGION_PAGES; i++)
		vm->backing[slot * TDX_REGION_PAGES + i] = (uint32_t)first + i;
	vm->is_folio[slot] = true;
	return true;
}

static bool fill_backing(struct private_host *host, struct private_agent *agent)
{
	struct private_vm *vm = vm_of(host, agent);
	tlbtag_page_t page;

	if (vm->backing[agent->begin] || back_by_folio(host, agent))
		return true;
	page = private_page_alloc(host, agent->vm, KIND_GUEST);
	if (page == TLBTAG_PAGE_NONE)
		return false;
	private_page_move(host, page, PLACE_HAND, PLACE_BACKING);
	vm->backing[agent->begin] = (uint32_t)page;
	return true;
}

enum private_progress private_at_fault_fill(struct private_host *host,
					    struct private_agent *agent)
{
	if (!fill_cache(host, agent) || !fill_tables(host, agent) || !fill_backing(host, agent))
		return fail(agent, -ENOMEM);
	agent->at = AT_fault_lock;
	return PROGRESS_DONE;
}

/* A guest's ACCEPT of 4 KiB is recorded first, and may need a split. */
static bool needs_exclusive(const struct private_vm *vm, struct private_agent *agent)
{
	const struct tlbtag_large_fault fault = { .gfn = agent->begin, .accept = agent->accept };

	agent->was_large = vm->middle[agent->begin / TDX_REGION_PAGES].kind == TDX_ENTRY_LEAF;
	return tlbtag_large_accept_is_new(&vm->large, &fault, agent->was_large);
}

static void go_exclusive(struct private_host *host, struct private_agent *agent)
{
	private_unlock(host, agent);
	agent->task = TASK_ACCEPT;
	agent->first = agent->begin - agent->begin % TDX_REGION_PAGES;
	agent->booked = 1;
	agent->at = host->config.tdx.cache ? AT_walk_lock : AT_walk_mutex;
}

/* What was seen before may not be so any more. */
enum private_progress private_at_fault_lock(struct private_host *host,
					    struct private_agent *agent)
{
	struct private_vm *vm = vm_of(host, agent);

	if (!private_lock_shared(host, agent))
		return PROGRESS_WAITS;
	if (!has_memory(vm) || vm->is_shared[agent->begin] || !vm->backing[agent->begin] ||
	    private_near(host, vm, agent->begin) == TLBTAG_NEAR_INSIDE)
		return fail(agent, -EAGAIN);
	agent->at = AT_fault_walk;
	if (needs_exclusive(vm, agent))
		go_exclusive(host, agent);
	return PROGRESS_DONE;
}

/* --- what is to be linked next --------------------------------------------- */

/* A region whose pair could not be removed has no 2 MiB page any more. */
static enum tlbtag_level backing_level(const struct private_host *host,
				       const struct private_vm *vm, uint64_t gfn)
{
	uint64_t slot = gfn / TDX_REGION_PAGES;
	bool is_large = vm->is_folio[slot] && private_is_all_private(vm, gfn) &&
			!tlbtag_pamt_is_installed(&host->pamt,
						  vm->backing[slot * TDX_REGION_PAGES]);

	return is_large ? TLBTAG_LEVEL_2M : TLBTAG_LEVEL_4K;
}

static bool fits_large(const struct private_host *host, const struct private_vm *vm,
		       const struct private_agent *agent)
{
	uint64_t gfn = agent->begin;
	const struct tlbtag_large_fault fault = {
		.gfn = gfn,
		.backing = backing_level(host, vm, gfn),
		.accept = agent->accept,
		.is_building = vm->state == VM_BUILD,
		.has_table = vm->middle[gfn / TDX_REGION_PAGES].kind == TDX_ENTRY_TABLE,
		.is_edge = private_near(host, vm, gfn) == TLBTAG_NEAR_EDGE,
	};

	return tlbtag_large_level(&vm->large, &fault) == TLBTAG_LEVEL_2M;
}

static void aim(struct private_agent *agent, enum tdx_level level, bool is_table)
{
	agent->target = (struct tdx_where){
		agent->vm, level, agent->begin - agent->begin % private_pages_of(level)
	};
	agent->target_is_table = is_table;
}

/* The first entry on the way that is not there; false: all are. */
static bool find_target(struct private_host *host, struct private_agent *agent)
{
	struct private_vm *vm = vm_of(host, agent);
	uint64_t slot = agent->begin / TDX_REGION_PAGES;

	if (vm->upper[slot / PRIVATE_SLOTS_PER_TABLE].kind != TDX_ENTRY_TABLE)
		aim(agent, TDX_1G, true);
	else if (vm->middle[slot].kind == TDX_ENTRY_LEAF)
		return false;
	else if (fits_large(host, vm, agent))
		aim(agent, TDX_2M, false);
	else if (vm->middle[slot].kind == TDX_ENTRY_FREE)
		aim(agent, TDX_2M, true);
	else if (vm->leaf[slot][agent->begin % TDX_REGION_PAGES].kind == TDX_ENTRY_FREE)
		aim(agent, TDX_4K, false);
	else
		return false;
	return true;
}

static void take_target_page(struct private_host *host, struct private_agent *agent)
{
	struct private_vcpu *vcpu = vcpu_of(host, agent);

	if (!agent->target_is_table) {
		agent->page = vm_of(host, agent)->backing[agent->target.gfn];
		return;
	}
	agent->page = (uint32_t)vcpu->table[--vcpu->table_count];
	private_page_move(host, agent->page, PLACE_VCPU, PLACE_HAND);
}

enum private_progress private_at_fault_walk(struct private_host *host,
					    struct private_agent *agent)
{
	struct private_entry *entry;

	if (!find_target(host, agent))
		return fail(agent, 0);
	entry = private_entry_at(vm_of(host, agent), agent->target);
	if (entry->frozen_by)
		return PROGRESS_WAITS;
	entry->frozen_by = agent->nr + 1;
	take_target_page(host, agent);
	agent->regions = 1u << region_of_page(agent->page);
	agent->at = agent->target_is_table || agent->target.level == TDX_4K ? AT_fault_get :
									      AT_fault_call;
	return PROGRESS_DONE;
}

/* --- a use of its region --------------------------------------------------- */

/* H.6 4: what was not needed serves the rest of the fault. */
static void give_pair_back(struct private_host *host, struct private_agent *agent, bool has_lost)
{
	bool frees = has_lost && has_fault(host, PRIVATE_FAULT_LOSER_FREES);

	for (uint32_t i = 0; agent->has_pair && i < TLBTAG_PAIR_PAGES; i++) {
		if (frees) {
			private_wrong(host, VMM_SPARE,
				      "VM %u vCPU %u: a page is freed that the fault may need",
				      agent->vm, agent->nr);
			private_page_free(host, agent->pair[i], PLACE_HAND);
			continue;
		}
		private_page_move(host, agent->pair[i], PLACE_HAND, PLACE_VCPU);
		tlbtag_pages_give(&vcpu_of(host, agent)->cache, agent->pair[i]);
	}
	agent->has_pair = false;
}

static bool take_pair(struct private_host *host, struct private_agent *agent)
{
	if (!tlbtag_pages_take(&vcpu_of(host, agent)->cache, agent->pair, TLBTAG_PAIR_PAGES)) {
		private_wrong(host, VMM_DRY, "VM %u vCPU %u: the fault cache is empty", agent->vm,
			      agent->nr);
		return false;
	}
	for (uint32_t i = 0; i < TLBTAG_PAIR_PAGES; i++)
		private_page_move(host, agent->pair[i], PLACE_VCPU, PLACE_HAND);
	agent->has_pair = true;
	return true;
}

enum private_progress private_at_fault_get(struct private_host *host,
					   struct private_agent *agent)
{
	enum tlbtag_pamt_step next;

	if (!agent->has_pair && tlbtag_pamt_try_get(&host->pamt, agent->page)) {
		agent->at = AT_fault_call;
		return PROGRESS_DONE;
	}
	/* A step of its own: one that waits changes nothing. */
	if (!agent->has_pair)
		return take_pair(host, agent) ? PROGRESS_DONE : fail(agent, -ENOMEM);
	next = tlbtag_pamt_get(&host->pamt, agent->page);
	if (next == TLBTAG_PAMT_WAIT)
		return PROGRESS_WAITS;
	agent->at = next == TLBTAG_PAMT_ADD ? AT_fault_add : AT_fault_call;
	if (next != TLBTAG_PAMT_ADD)
		give_pair_back(host, agent, true);
	return PROGRESS_DONE;
}

static void unfreeze(struct private_host *host, struct private_agent *agent)
{
	private_entry_at(vm_of(host, agent), agent->target)->frozen_by = 0;
}

static void give_table_back(struct private_host *host, struct private_agent *agent)
{
	struct private_vcpu *vcpu = vcpu_of(host, agent);

	if (!agent->target_is_table)
		return;
	private_page_move(host, agent->page, PLACE_HAND, PLACE_VCPU);
	vcpu->table[vcpu->table_count++] = agent->page;
}

enum private_progress private_at_fault_add(struct private_host *host,
					   struct private_agent *agent)
{
	enum tdx_status status = private_pamt_add(host, agent, agent->page, agent->pair);

	tlbtag_pamt_get_end(&host->pamt, agent->page, status == TDX_SUCCESS);
	if (status == TDX_SUCCESS) {
		agent->has_pair = false;
		agent->at = AT_fault_call;
		return PROGRESS_DONE;
	}
	give_pair_back(host, agent, false);
	unfreeze(host, agent);
	give_table_back(host, agent);
	return fail(agent, -EIO);
}

/* --- the SEAMCALL ---------------------------------------------------------- */

static uint32_t target_pages(const struct private_agent *agent)
{
	return !agent->target_is_table && agent->target.level == TDX_2M ? TDX_REGION_PAGES : 1;
}

static enum tdx_status link_target(struct private_host *host, struct private_agent *agent)
{
	enum tdx_status status;

	/* What is no page is the module's to refuse. */
	for (uint32_t i = 0; i < target_pages(agent); i++)
		if (agent->page + i < host->config.tdx.regions * TDX_REGION_PAGES)
			tdx_host_flush(host->tdx, agent->page + i);
	if (!agent->target_is_table && vm_of(host, agent)->state == VM_BUILD) {
		status = tdx_mem_page_add(host->tdx, agent->target, agent->page);
		return private_judge(host, agent, TDX_CALL_PAGE_ADD, status);
	}
	if (!agent->target_is_table) {
		status = tdx_mem_page_aug(host->tdx, agent->target, agent->page);
		return private_judge(host, agent, TDX_CALL_PAGE_AUG, status);
	}
	status = tdx_mem_sept_add(host->tdx, agent->target, agent->page);
	status = private_judge(host, agent, TDX_CALL_SEPT_ADD, status);
	if (status == TDX_SUCCESS) {
		private_page_use(host, agent->page, KIND_SEPT);
		private_page_move(host, agent->page, PLACE_HAND, PLACE_SEPT);
	}
	return status;
}

/* The use that was got is for nothing, unless it is a 2 MiB page that needs none. */
static void undo(struct private_host *host, struct private_agent *agent)
{
	bool had_use = agent->target_is_table || agent->target.level == TDX_4K;
	uint32_t page = agent->page;

	agent->error = -EBUSY;
	unfreeze(host, agent);
	give_table_back(host, agent);
	agent->at = AT_fault_end;
	if (had_use)
		private_put(host, agent, page, AT_fault_end);
}

enum private_progress private_at_fault_call(struct private_host *host,
					    struct private_agent *agent)
{
	struct private_vm *vm = vm_of(host, agent);

	vm->touched |= 1u << agent->target.gfn / TDX_REGION_PAGES;
	if (link_target(host, agent) != TDX_SUCCESS) {
		undo(host, agent);
		return PROGRESS_DONE;
	}
	*private_entry_at(vm, agent->target) = (struct private_entry){
		.page = agent->page,
		.kind = agent->target_is_table ? TDX_ENTRY_TABLE : TDX_ENTRY_LEAF,
	};
	if (!agent->target_is_table)
		private_look_at_leaf(host, vm, agent->target);
	agent->at = AT_fault_walk;
	return PROGRESS_DONE;
}

/* Any agent's: the last use of a region has ended. */
enum private_progress private_at_fault_remove(struct private_host *host,
					      struct private_agent *agent)
{
	bool removed = private_pamt_remove(host, agent, agent->put_page);

	tlbtag_pamt_put_end(&host->pamt, agent->put_page, removed);
	agent->at = agent->after;
	return PROGRESS_DONE;
}

enum private_progress private_at_fault_end(struct private_host *host,
					   struct private_agent *agent)
{
	private_look_at_accept(host, agent);
	private_unlock(host, agent);
	private_agent_end(host, agent);
	return PROGRESS_DONE;
}
