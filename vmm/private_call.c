/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SEAMCALLs of the host, and the steps of the library's plans.
 */
#include "private_inside.h"

#include <string.h>

/*
 * A module that is not injured refuses nothing of what a plan says: so an error is
 * either one that an operation injected, or the plan is wrong.
 */
enum tdx_status private_judge(struct private_host *host, const struct private_agent *agent,
			      enum tdx_call call, enum tdx_status status)
{
	uint64_t refused = tdx_refused(host->tdx);
	bool was_injected = refused != host->refused;

	host->refused = refused;
	host->counts.spare = refused;
	host->counts.entries += call == TDX_CALL_VP_ENTER && status == TDX_SUCCESS;
	host->counts.flushes += call == TDX_CALL_PAGE_DEMOTE && status == TDX_SUCCESS;
	if (status == TDX_SUCCESS || status == TDX_OPERAND_BUSY ||
	    status == TDX_INTERRUPTED_RESTARTABLE || was_injected)
		return status;
	private_wrong(host, VMM_REFUSED, "VM %u: %s answers %s, and nobody injected that",
		      agent->vm, tdx_call_name(call), tdx_status_name(status));
	return status;
}

void private_kill(struct private_host *host, struct private_agent *agent)
{
	struct private_vm *vm = vm_of(host, agent);

	if (host->refused == agent->refused)
		private_wrong(host, VMM_DEAD,
			      "VM %u is given up, and no error was injected", agent->vm);
	vm->state = VM_DEAD;
	private_kick(host, agent);
}

/* --- pairs ----------------------------------------------------------------- */

enum tdx_status private_pamt_add(struct private_host *host, struct private_agent *agent,
				 uint64_t page, const tlbtag_page_t *pair)
{
	const uint32_t pages[TDX_PAIR_PAGES] = { (uint32_t)pair[0], (uint32_t)pair[1] };
	enum tdx_status status = tdx_pamt_add(host->tdx, region_of_page(page), pages);

	/* What is no page is the module's to refuse. */
	status = private_judge(host, agent, TDX_CALL_PAMT_ADD, status);
	for (uint32_t i = 0; status == TDX_SUCCESS && i < TDX_PAIR_PAGES; i++) {
		private_page_use(host, pair[i], KIND_PAMT);
		private_page_move(host, pair[i], PLACE_HAND, PLACE_PAMT);
	}
	return status;
}

bool private_pamt_remove(struct private_host *host, struct private_agent *agent, uint64_t page)
{
	uint32_t *pair = host->latest_pair;
	uint32_t region = region_of_page(page);
	enum tdx_status status = tdx_pamt_remove(host->tdx, region, pair);
	bool removed = private_judge(host, agent, TDX_CALL_PAMT_REMOVE, status) == TDX_SUCCESS;

	host->is_stuck[region] = !removed;
	if (!removed && !(has_fault(host, PRIVATE_FAULT_STUCK_FREED) && pair[0]))
		return false;
	for (uint32_t i = 0; i < TDX_PAIR_PAGES; i++) {
		tdx_host_reset(host->tdx, pair[i]);
		private_page_free(host, pair[i], PLACE_PAMT);
	}
	return removed;
}

void private_put(struct private_host *host, struct private_agent *agent, uint64_t page,
		 enum private_at after)
{
	agent->put_page = (uint32_t)page;
	agent->regions |= 1u << region_of_page(page);
	agent->after = after;
	agent->at = after;
	if (tlbtag_pamt_put(&host->pamt, page) == TLBTAG_PAMT_REMOVE)
		agent->at = AT_fault_remove;
}

/* --- vCPUs out ------------------------------------------------------------- */

void private_kick(struct private_host *host, struct private_agent *agent)
{
	if (agent->holds_cache_lock)
		private_wrong(host, VMM_HELD,
			      "all vCPUs are kicked with the cache's spinlock held");
	for (uint32_t vcpu = 0; vcpu < host->config.vcpus; vcpu++)
		tdx_vp_exit(host->tdx, agent->vm, vcpu);
}

/* A kick is an interrupt: whoever is not kept out may be back before the next step. */
void private_kick_lightly(struct private_host *host, struct private_agent *agent)
{
	uint32_t were_in = 0;

	for (uint32_t vcpu = 0; vcpu < host->config.vcpus; vcpu++)
		were_in |= (uint32_t)tdx_vcpu_is_in_guest(host->tdx, agent->vm, vcpu) << vcpu;
	private_kick(host, agent);
	for (uint32_t vcpu = 0; vcpu < host->config.vcpus; vcpu++)
		if (host->config.tdx.restless && !vm_of(host, agent)->is_stopped &&
		    (were_in >> vcpu & 1))
			private_judge(host, agent, TDX_CALL_VP_ENTER,
				      tdx_vp_enter(host->tdx, agent->vm, vcpu));
}

/* --- the steps of an operation on the secure table ------------------------- */

static struct tdx_where where_of(const struct private_agent *agent)
{
	return (struct tdx_where){ agent->vm, (enum tdx_level)agent->where.level, agent->cursor };
}

static uint32_t page_count(const struct private_agent *agent)
{
	return agent->where.level == TLBTAG_LEVEL_2M ? TDX_REGION_PAGES : 1;
}

/* Without Dynamic PAMT there is none, and nobody looks at it. */
static const tlbtag_page_t *last_pair(const struct private_agent *agent)
{
	if (agent->kit.pamt_count < TLBTAG_PAIR_PAGES)
		return agent->kit.pamt;
	return &agent->kit.pamt[agent->kit.pamt_count - TLBTAG_PAIR_PAGES];
}

static void touch(struct private_host *host, const struct private_agent *agent)
{
	vm_of(host, (struct private_agent *)(uintptr_t)agent)->touched |=
		1u << agent->cursor / TDX_REGION_PAGES;
}

/* The pages of a kit are in hand; those that the module takes have a place there. */
enum tdx_status private_demote(struct private_host *host, struct private_agent *agent,
			       const tlbtag_page_t *pair)
{
	uint32_t pages[TDX_PAIR_PAGES] = { 0 };
	uint32_t table = (uint32_t)agent->where.sept_pfn;
	bool is_dynamic = tlbtag_pamt_is_dynamic(&host->pamt);
	enum tdx_status status;

	for (uint32_t i = 0; is_dynamic && i < TDX_PAIR_PAGES; i++)
		pages[i] = (uint32_t)pair[i];
	if (!has_fault(host, PRIVATE_FAULT_FLUSH_FORGOTTEN))
		tdx_host_flush(host->tdx, table);
	status = tdx_mem_page_demote(host->tdx, where_of(agent), table, is_dynamic ? pages : NULL);
	status = private_judge(host, agent, TDX_CALL_PAGE_DEMOTE, status);
	touch(host, agent);
	if (status != TDX_SUCCESS)
		return status;
	private_page_use(host, table, KIND_SEPT);
	private_page_move(host, table, PLACE_HAND, PLACE_SEPT);
	for (uint32_t i = 0; is_dynamic && i < TDX_PAIR_PAGES; i++) {
		private_page_use(host, pages[i], KIND_PAMT);
		private_page_move(host, pages[i], PLACE_HAND, PLACE_PAMT);
	}
	return status;
}

/* Nobody knows what the module has; the model's has taken nothing. */
static void lose_kit(struct private_host *host, const struct private_agent *agent)
{
	private_page_move(host, agent->kit.sept, PLACE_HAND, PLACE_LOST);
	for (uint32_t i = 0; i < agent->kit.pamt_count; i++)
		private_page_move(host, agent->kit.pamt[i], PLACE_HAND, PLACE_LOST);
	host->lost_uses[region_of_page(agent->kit.sept)]++;
}

static enum tdx_status sept_demote(struct private_host *host, struct private_agent *agent)
{
	enum tdx_status status = private_demote(host, agent, last_pair(agent));

	if (status == TDX_INTERRUPTED_RESTARTABLE)
		lose_kit(host, agent);
	return status;
}

static enum tdx_status sept_remove(struct private_host *host, struct private_agent *agent)
{
	enum tdx_status status = tdx_mem_page_remove(host->tdx, where_of(agent));

	status = private_judge(host, agent, TDX_CALL_PAGE_REMOVE, status);
	touch(host, agent);
	if (status == TDX_SUCCESS)
		private_look_at_removal(host, agent, page_count(agent));
	return status;
}

bool private_page_clean(struct private_host *host, struct private_agent *agent, uint32_t page)
{
	enum tdx_status status = tdx_phymem_page_wbinvd(host->tdx, page);

	status = private_judge(host, agent, TDX_CALL_PAGE_WBINVD, status);
	tdx_host_reset(host->tdx, page);
	return status == TDX_SUCCESS;
}

/* A page that cannot be written back is nobody's any more. */
static void write_back(struct private_host *host, struct private_agent *agent)
{
	struct private_vm *vm = vm_of(host, agent);

	for (uint32_t i = 0; i < page_count(agent); i++) {
		uint32_t page = (uint32_t)agent->where.guest_pfn + i;

		if (private_page_clean(host, agent, page))
			continue;
		private_page_move(host, page, PLACE_BACKING, PLACE_LOST);
		vm->backing[agent->cursor + i] = 0;
		vm->is_folio[agent->cursor / TDX_REGION_PAGES] = false;
	}
}

void private_publish_split(struct private_host *host, struct private_agent *agent)
{
	struct private_vm *vm = vm_of(host, agent);
	uint64_t slot = agent->cursor / TDX_REGION_PAGES;

	for (uint32_t i = 0; i < TDX_REGION_PAGES; i++)
		vm->leaf[slot][i] = (struct private_entry){
			.page = (uint32_t)agent->where.guest_pfn + i, .kind = TDX_ENTRY_LEAF
		};
	vm->middle[slot] = (struct private_entry){ .page = (uint32_t)agent->where.sept_pfn,
						   .kind = TDX_ENTRY_TABLE };
	touch(host, agent);
}

static void publish(struct private_host *host, struct private_agent *agent)
{
	struct private_vm *vm = vm_of(host, agent);

	touch(host, agent);
	if (!agent->is_sweep)
		private_publish_split(host, agent);
	else
		*private_entry_at(vm, where_of(agent)) = (struct private_entry){ 0 };
}

static enum tdx_status plain_call(struct private_host *host, struct private_agent *agent,
				  enum tdx_call call)
{
	enum tdx_status status;

	touch(host, agent);
	if (call == TDX_CALL_RANGE_BLOCK)
		status = tdx_mem_range_block(host->tdx, where_of(agent));
	else if (call == TDX_CALL_RANGE_UNBLOCK)
		status = tdx_mem_range_unblock(host->tdx, where_of(agent));
	else
		status = tdx_mem_track(host->tdx, agent->vm);
	return private_judge(host, agent, call, status);
}

/* The second time is without vCPUs, and there is no third. */
static void count_call(struct private_host *host, struct private_agent *agent)
{
	uint32_t leaf = agent->is_sweep ? agent->sweep.at : 0;
	uint8_t made = ++agent->made[leaf][agent->step];

	if (made > 2 || (made == 2 && !vm_of(host, agent)->is_stopped))
		private_wrong(host, VMM_STUCK, "VM %u: a SEAMCALL (step %u) is made once too often",
			      agent->vm, agent->step);
}

static uint64_t put_page(const struct private_agent *agent)
{
	return agent->is_sweep ? agent->where.guest_pfn : agent->where.sept_pfn;
}

static enum tdx_status seamcall(struct private_host *host, struct private_agent *agent)
{
	count_call(host, agent);
	switch (agent->step) {
	case TLBTAG_SEPT_PAMT_ADD:
		return private_pamt_add(host, agent, agent->where.sept_pfn, last_pair(agent));
	case TLBTAG_SEPT_PAMT_REMOVE:
		return private_pamt_remove(host, agent, put_page(agent)) ? TDX_SUCCESS :
									   TDX_OPERAND_BUSY;
	case TLBTAG_SEPT_BLOCK:
		return plain_call(host, agent, TDX_CALL_RANGE_BLOCK);
	case TLBTAG_SEPT_UNBLOCK:
		return plain_call(host, agent, TDX_CALL_RANGE_UNBLOCK);
	case TLBTAG_SEPT_TRACK:
		return plain_call(host, agent, TDX_CALL_MEM_TRACK);
	case TLBTAG_SEPT_DEMOTE:
		return sept_demote(host, agent);
	default:
		return sept_remove(host, agent);
	}
}

static void stop_vcpus(struct private_host *host, struct private_agent *agent, bool stop)
{
	vm_of(host, agent)->is_stopped = stop;
	host->counts.syncs += stop;
	if (stop)
		private_kick(host, agent);
}

static enum tdx_status execute(struct private_host *host, struct private_agent *agent)
{
	switch (agent->step) {
	case TLBTAG_SEPT_KICK:
		private_kick_lightly(host, agent);
		return TDX_SUCCESS;
	case TLBTAG_SEPT_PUBLISH:
		publish(host, agent);
		return TDX_SUCCESS;
	case TLBTAG_SEPT_WRITE_BACK:
		write_back(host, agent);
		return TDX_SUCCESS;
	case TLBTAG_SEPT_STOP_VCPUS:
	case TLBTAG_SEPT_START_VCPUS:
		stop_vcpus(host, agent, agent->step == TLBTAG_SEPT_STOP_VCPUS);
		return TDX_SUCCESS;
	case TLBTAG_SEPT_WAIT:
	case TLBTAG_SEPT_DONE:
		return TDX_SUCCESS;
	default:
		return seamcall(host, agent);
	}
}

static enum tlbtag_sept_status status_of(enum tdx_status status)
{
	switch (status) {
	case TDX_SUCCESS:
		return TLBTAG_SEPT_OK;
	case TDX_OPERAND_BUSY:
		return TLBTAG_SEPT_BUSY;
	case TDX_INTERRUPTED_RESTARTABLE:
		return TLBTAG_SEPT_INTERRUPTED;
	default:
		return TLBTAG_SEPT_ERROR;
	}
}

void private_sept_begin(struct private_agent *agent, enum tlbtag_sept_step step, bool is_sweep)
{
	memset(agent->made, 0, sizeof(agent->made));
	agent->step = step;
	agent->is_sweep = is_sweep;
}

int private_sept_end(struct private_host *host, struct private_agent *agent)
{
	if (agent->is_sweep ? agent->sweep.is_dead : agent->op.is_dead)
		private_kill(host, agent);
	return agent->is_sweep ? agent->sweep.error : agent->op.error;
}

/* The leaf that the step is about. */
static void aim_sweep(struct private_agent *agent)
{
	if (!agent->is_sweep || agent->sweep.at >= agent->sweep.count)
		return;
	agent->where = agent->leaf[agent->sweep.at];
	agent->cursor = agent->leaf_gfn[agent->sweep.at];
}

enum private_progress private_sept_step(struct private_host *host, struct private_agent *agent)
{
	bool waited = agent->step == TLBTAG_SEPT_WAIT;
	enum tlbtag_sept_status status;

	aim_sweep(agent);
	status = status_of(execute(host, agent));
	if (agent->is_sweep)
		agent->step = tlbtag_sweep_next(&agent->sweep, status);
	else
		agent->step = tlbtag_sept_next(&agent->op, status);
	return waited && agent->step == TLBTAG_SEPT_WAIT ? PROGRESS_WAITS : PROGRESS_DONE;
}

/* --- the steps of a control page ------------------------------------------- */

static enum tlbtag_control_step control_alloc(struct private_host *host,
					      struct private_agent *agent)
{
	bool is_pair = agent->control.page != TLBTAG_PAGE_NONE;
	tlbtag_page_t page = private_page_alloc(host, agent->vm,
						is_pair ? KIND_PAMT : KIND_CONTROL);

	return tlbtag_control_page(&agent->control, page, page);
}

enum private_progress private_control_step(struct private_host *host,
					   struct private_agent *agent)
{
	struct tlbtag_control *op = &agent->control;
	bool waited = agent->control_step == TLBTAG_CONTROL_WAIT;
	bool ok = true;

	switch (agent->control_step) {
	case TLBTAG_CONTROL_ALLOC:
		agent->control_step = control_alloc(host, agent);
		agent->regions = 1u << region_of_page(op->pfn);
		return PROGRESS_DONE;
	case TLBTAG_CONTROL_FREE:
		private_page_free(host, op->spare, PLACE_HAND);
		break;
	case TLBTAG_CONTROL_PAMT_ADD:
		ok = private_pamt_add(host, agent, op->pfn, op->pair) == TDX_SUCCESS;
		break;
	case TLBTAG_CONTROL_PAMT_REMOVE:
		ok = private_pamt_remove(host, agent, op->pfn);
		break;
	case TLBTAG_CONTROL_WAIT:
	case TLBTAG_CONTROL_DONE:
		break;
	}
	agent->control_step = tlbtag_control_next(op, ok);
	return waited && agent->control_step == TLBTAG_CONTROL_WAIT ? PROGRESS_WAITS :
								      PROGRESS_DONE;
}
