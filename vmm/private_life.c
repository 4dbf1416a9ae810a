/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The life of a VM: its control pages, each by the library's alloc and free, and
 * in the end every page back, the TDR last.
 */
#include "private_inside.h"

#include <errno.h>

static enum private_progress go(struct private_agent *agent, enum private_at at)
{
	agent->at = at;
	return PROGRESS_DONE;
}

/* --- creation -------------------------------------------------------------- */

static uint32_t control_pages(const struct private_host *host)
{
	return 1 + PRIVATE_TDCS + host->config.vcpus * (1 + PRIVATE_TDCX);
}

enum private_progress private_at_life_alloc(struct private_host *host,
					    struct private_agent *agent)
{
	struct private_vm *vm = vm_of(host, agent);

	if (vm->control_count == control_pages(host))
		return go(agent, AT_life_start);
	agent->control_step = tlbtag_control_alloc(&agent->control, &host->pamt);
	return go(agent, AT_life_give);
}

static enum tdx_status give_to_vcpu(struct private_host *host, const struct private_vm *vm,
				    uint32_t index, uint32_t page)
{
	uint32_t vcpu = (index - 1 - PRIVATE_TDCS) / (1 + PRIVATE_TDCX);
	bool is_first = (index - 1 - PRIVATE_TDCS) % (1 + PRIVATE_TDCX) == 0;

	if (is_first)
		return tdx_vp_create(host->tdx, vm->nr, vcpu, page);
	return tdx_vp_addcx(host->tdx, vm->nr, vcpu, page);
}

static enum tdx_call call_of(uint32_t index)
{
	if (index == 0)
		return TDX_CALL_MNG_CREATE;
	if (index <= PRIVATE_TDCS)
		return TDX_CALL_MNG_ADDCX;
	return (index - 1 - PRIVATE_TDCS) % (1 + PRIVATE_TDCX) == 0 ? TDX_CALL_VP_CREATE :
								      TDX_CALL_VP_ADDCX;
}

static enum tdx_status give_to_module(struct private_host *host, const struct private_vm *vm,
				      uint32_t index, uint32_t page)
{
	if (index == 0)
		return tdx_mng_create(host->tdx, vm->nr, page, 1u + vm->nr);
	if (index <= PRIVATE_TDCS)
		return tdx_mng_addcx(host->tdx, vm->nr, page);
	return give_to_vcpu(host, vm, index, page);
}

/* A TD and a vCPU are initialised with the last of their pages. */
static bool init_when_complete(struct private_host *host, const struct private_agent *agent)
{
	uint32_t given = host->vm[agent->vm].given_count;
	uint32_t of_vcpus = given - 1 - PRIVATE_TDCS;
	enum tdx_status status = TDX_SUCCESS;
	enum tdx_call call = TDX_CALL_MNG_INIT;

	if (given == 1 + PRIVATE_TDCS) {
		status = tdx_mng_init(host->tdx, agent->vm);
	} else if (given > 1 + PRIVATE_TDCS && of_vcpus % (1 + PRIVATE_TDCX) == 0) {
		call = TDX_CALL_VP_INIT;
		status = tdx_vp_init(host->tdx, agent->vm, of_vcpus / (1 + PRIVATE_TDCX) - 1);
	}
	return private_judge(host, agent, call, status) == TDX_SUCCESS;
}

static enum private_progress give_up(struct private_agent *agent, int error)
{
	agent->error = error;
	return go(agent, AT_life_flush);
}

enum private_progress private_at_life_give(struct private_host *host,
					   struct private_agent *agent)
{
	struct private_vm *vm = vm_of(host, agent);
	uint32_t index = vm->control_count;
	enum tdx_status status;
	uint32_t page;

	if (agent->control_step != TLBTAG_CONTROL_DONE)
		return private_control_step(host, agent);
	if (agent->control.error)
		return give_up(agent, agent->control.error);
	page = (uint32_t)agent->control.page;
	vm->control[vm->control_count++] = page;
	private_page_use(host, page, KIND_CONTROL);
	private_page_move(host, page, PLACE_HAND, PLACE_CONTROL);
	tdx_host_flush(host->tdx, page);
	status = give_to_module(host, vm, index, page);
	if (private_judge(host, agent, call_of(index), status) != TDX_SUCCESS)
		return give_up(agent, -EIO);
	vm->given_count++;
	if (!init_when_complete(host, agent))
		return give_up(agent, -EIO);
	return go(agent, AT_life_alloc);
}

enum private_progress private_at_life_start(struct private_host *host,
					    struct private_agent *agent)
{
	struct private_vm *vm = vm_of(host, agent);

	enum tdx_status status;

	if (agent->stays_open) {
		vm->state = VM_BUILD;
		private_agent_end(host, agent);
		return PROGRESS_DONE;
	}
	status = tdx_mr_finalize(host->tdx, vm->nr);
	if (private_judge(host, agent, TDX_CALL_MR_FINALIZE, status) != TDX_SUCCESS)
		return give_up(agent, -EIO);
	vm->state = VM_LIVE;
	private_agent_end(host, agent);
	return PROGRESS_DONE;
}

/* --- the end: its key first, so that nothing needs to be blocked ----------- */

enum private_progress private_at_life_flush(struct private_host *host,
					    struct private_agent *agent)
{
	struct private_vm *vm = vm_of(host, agent);

	vm->state = VM_GOING;
	private_kick(host, agent);
	agent->scan = 0;
	for (uint32_t vcpu = 0; vcpu < host->config.vcpus; vcpu++) {
		enum tdx_status status;

		if (!vm->vcpu[vcpu].is_associated)
			continue;
		vm->vcpu[vcpu].is_associated = false;
		status = tdx_vp_flush(host->tdx, vm->nr, vcpu);
		vm->has_leaked |= private_judge(host, agent, TDX_CALL_VP_FLUSH, status) !=
				  TDX_SUCCESS;
	}
	return go(agent, vm->given_count ? AT_life_key : AT_life_control);
}

/* The key cannot be had back, so neither can anything that was written with it. */
static bool free_key(struct private_host *host, struct private_agent *agent)
{
	enum tdx_status status;

	if (vm_of(host, agent)->has_leaked)
		return false;
	status = tdx_mng_vpflushdone(host->tdx, agent->vm);
	if (private_judge(host, agent, TDX_CALL_MNG_VPFLUSHDONE, status) != TDX_SUCCESS)
		return false;
	status = tdx_phymem_cache_wb(host->tdx);
	if (private_judge(host, agent, TDX_CALL_CACHE_WB, status) != TDX_SUCCESS)
		return false;
	status = tdx_mng_key_freeid(host->tdx, agent->vm);
	return private_judge(host, agent, TDX_CALL_MNG_KEY_FREEID, status) == TDX_SUCCESS;
}

enum private_progress private_at_life_key(struct private_host *host, struct private_agent *agent)
{
	struct private_vm *vm = vm_of(host, agent);

	agent->has_key = free_key(host, agent);
	vm->has_leaked |= !agent->has_key;
	return go(agent, AT_life_reclaim);
}

/*
 * A page that the module does not give back stays where it is: with its use, and
 * never freed. The TDR stays as well then, because the module says so.
 */
static bool reclaim(struct private_host *host, struct private_agent *agent, uint32_t page,
		    enum tdx_level level)
{
	uint32_t count = level == TDX_2M ? TDX_REGION_PAGES : 1;
	enum tdx_status status;

	if (!agent->has_key)
		return false;
	status = tdx_phymem_page_reclaim(host->tdx, page, level);
	if (private_judge(host, agent, TDX_CALL_PAGE_RECLAIM, status) != TDX_SUCCESS) {
		vm_of(host, agent)->has_leaked = true;
		return false;
	}
	for (uint32_t i = 0; i < count; i++)
		tdx_host_reset(host->tdx, page + i);
	return true;
}

static void lose_backing(struct private_host *host, struct private_vm *vm, uint64_t gfn,
			 uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		private_page_move(host, vm->backing[gfn + i], PLACE_BACKING, PLACE_LOST);
		vm->backing[gfn + i] = 0;
	}
}

/* The next leaf at or behind agent->scan, or NULL. */
static struct private_entry *next_leaf(struct private_vm *vm, struct private_agent *agent,
				       enum tdx_level *level)
{
	while (agent->scan < PRIVATE_GFNS) {
		uint64_t slot = agent->scan / TDX_REGION_PAGES;
		struct private_entry *entry = &vm->middle[slot];

		*level = entry->kind == TDX_ENTRY_TABLE ? TDX_4K : TDX_2M;
		if (*level == TDX_4K)
			entry = &vm->leaf[slot][agent->scan % TDX_REGION_PAGES];
		if (entry->kind == TDX_ENTRY_LEAF)
			return entry;
		agent->scan = *level == TDX_2M ? (slot + 1) * TDX_REGION_PAGES : agent->scan + 1;
	}
	return NULL;
}

enum private_progress private_at_life_reclaim(struct private_host *host,
					      struct private_agent *agent)
{
	enum tdx_level level = TDX_4K;
	struct private_entry *entry = next_leaf(vm_of(host, agent), agent, &level);
	uint32_t page;

	if (!entry)
		return go(agent, AT_life_tables);
	page = entry->page;
	*entry = (struct private_entry){ 0 };
	if (!reclaim(host, agent, page, level))
		lose_backing(host, vm_of(host, agent), agent->scan,
			     level == TDX_2M ? TDX_REGION_PAGES : 1);
	else if (level == TDX_4K)
		private_put(host, agent, page, AT_life_reclaim);
	return PROGRESS_DONE;
}

static struct private_entry *next_table(struct private_vm *vm)
{
	for (uint32_t i = 0; i < PRIVATE_SLOTS; i++)
		if (vm->middle[i].kind == TDX_ENTRY_TABLE)
			return &vm->middle[i];
	for (uint32_t i = 0; i < PRIVATE_TABLES; i++)
		if (vm->upper[i].kind == TDX_ENTRY_TABLE)
			return &vm->upper[i];
	return NULL;
}

/* At once, not in a callback: nobody reads it any more. */
enum private_progress private_at_life_tables(struct private_host *host,
					     struct private_agent *agent)
{
	struct private_entry *entry = next_table(vm_of(host, agent));
	uint32_t page;

	if (!entry)
		return go(agent, AT_life_control);
	page = entry->page;
	*entry = (struct private_entry){ 0 };
	if (!reclaim(host, agent, page, TDX_4K)) {
		private_page_move(host, page, PLACE_SEPT, PLACE_LOST);
		return PROGRESS_DONE;
	}
	private_page_free(host, page, PLACE_SEPT);
	private_put(host, agent, page, AT_life_tables);
	return PROGRESS_DONE;
}

/* Back from the module and clean? The TDR is last, and needs all others to be. */
static bool take_back(struct private_host *host, struct private_agent *agent, uint32_t page)
{
	struct private_vm *vm = vm_of(host, agent);

	if (vm->given_count <= vm->control_count)
		return true;
	vm->given_count--;
	if (vm->control_count == 0 && vm->has_leaked)
		return false;
	if (!reclaim(host, agent, page, TDX_4K))
		return false;
	if (private_page_clean(host, agent, page))
		return true;
	host->lost_uses[region_of_page(page)]++;
	return false;
}

enum private_progress private_at_life_control(struct private_host *host,
					      struct private_agent *agent)
{
	struct private_vm *vm = vm_of(host, agent);
	tlbtag_page_t page;

	if (vm->control_count == 0)
		return go(agent, AT_life_free);
	page = vm->control[--vm->control_count];
	if (!take_back(host, agent, (uint32_t)page)) {
		private_page_move(host, page, PLACE_CONTROL, PLACE_LOST);
		return PROGRESS_DONE;
	}
	private_page_move(host, page, PLACE_CONTROL, PLACE_HAND);
	agent->regions = 1u << region_of_page(page);
	agent->control_step = tlbtag_control_free(&agent->control, &host->pamt, page, page);
	return go(agent, AT_life_remove);
}

enum private_progress private_at_life_remove(struct private_host *host,
					     struct private_agent *agent)
{
	if (agent->control_step == TLBTAG_CONTROL_DONE)
		return go(agent, AT_life_control);
	return private_control_step(host, agent);
}

static void drain_vcpu(struct private_host *host, struct private_vcpu *vcpu)
{
	tlbtag_page_t page;

	while ((page = tlbtag_pages_drain(&vcpu->cache)) != TLBTAG_PAGE_NONE)
		private_page_free(host, page, PLACE_VCPU);
	while (vcpu->table_count)
		private_page_free(host, vcpu->table[--vcpu->table_count], PLACE_VCPU);
}

/* Half-full caches and all. */
enum private_progress private_at_life_free(struct private_host *host,
					   struct private_agent *agent)
{
	struct private_vm *vm = vm_of(host, agent);
	tlbtag_page_t page;

	for (uint32_t vcpu = 0; vcpu < host->config.vcpus; vcpu++)
		drain_vcpu(host, &vm->vcpu[vcpu]);
	while ((page = tlbtag_supply_drain(&vm->supply)) != TLBTAG_PAGE_NONE)
		private_page_free(host, page, PLACE_SUPPLY);
	for (uint32_t gfn = 0; gfn < PRIVATE_GFNS; gfn++)
		if (vm->backing[gfn])
			private_page_free(host, vm->backing[gfn], PLACE_BACKING);
	return go(agent, AT_life_end);
}

enum private_progress private_at_life_end(struct private_host *host, struct private_agent *agent)
{
	struct private_vm *vm = vm_of(host, agent);
	bool has_leaked = vm->has_leaked;

	private_agent_end(host, agent);
	private_vm_reset(host, vm);
	/* Its name is taken for ever. */
	if (has_leaked)
		vm->state = VM_LOST;
	return PROGRESS_DONE;
}
