/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Splits, because somebody wants one, because the guest accepted 4 KiB, or at the ends
 * of what is converted; and where their pages are from.
 *
 *	reservation: mutex, reserve, exclusive lock, split
 *	cache: exclusive lock; if the cache is short: unlock, top up, begin anew
 *	eager: the same, but the pages are taken under the shared lock, where others
 *	take some at the same time
 *	conversions (private_convert.c): pages first in either design
 */
#include "private_inside.h"

#include <errno.h>

static bool is_reserve(const struct private_host *host)
{
	return !host->config.tdx.cache;
}

static enum private_progress go(struct private_agent *agent, enum private_at at)
{
	agent->at = at;
	return PROGRESS_DONE;
}

static enum private_progress fail(struct private_agent *agent, int error)
{
	agent->error = error;
	return go(agent, AT_walk_unlock);
}

static bool is_conversion(const struct private_agent *agent)
{
	return agent->task == TASK_CONVERT || agent->task == TASK_PUNCH;
}

/* There are pages for all splits, or there was no memory for them. */
static enum private_progress booked(struct private_agent *agent)
{
	if (is_conversion(agent))
		return go(agent, AT_convert_booked);
	return go(agent, agent->task == TASK_EAGER ? AT_eager_lock : AT_walk_lock);
}

/* --- pages by reservation -------------------------------------------------- */

enum private_progress private_at_walk_mutex(struct private_host *host,
					    struct private_agent *agent)
{
	struct private_vm *vm = vm_of(host, agent);

	if (vm->mutex != PRIVATE_NOBODY)
		return PROGRESS_WAITS;
	vm->mutex = agent->nr;
	agent->has_mutex = true;
	return go(agent, is_conversion(agent) ? AT_convert_begin : AT_walk_book);
}

enum private_progress private_at_walk_book(struct private_host *host,
					   struct private_agent *agent)
{
	agent->has_reserve = true;
	if (tlbtag_reserve_begin(&vm_of(host, agent)->supply, &agent->reserve, agent->booked))
		return fail(agent, -EINVAL);
	return go(agent, AT_walk_reserve);
}

static enum private_progress no_memory(struct private_agent *agent)
{
	agent->error = -ENOMEM;
	if (is_conversion(agent))
		return booked(agent);
	return go(agent, AT_walk_leave);
}

enum private_progress private_at_walk_reserve(struct private_host *host,
					      struct private_agent *agent)
{
	enum tlbtag_page_kind kind = tlbtag_reserve_wants(&agent->reserve);
	tlbtag_page_t page;

	if (kind == TLBTAG_KIND_NONE)
		return booked(agent);
	page = private_page_alloc(host, agent->vm,
				  kind == TLBTAG_KIND_SEPT ? KIND_SEPT : KIND_PAMT);
	if (page == TLBTAG_PAGE_NONE)
		return no_memory(agent);
	private_page_move(host, page, PLACE_HAND, PLACE_SUPPLY);
	if (!tlbtag_reserve_add(&agent->reserve, kind, page))
		private_wrong(host, VMM_BROKEN, "a page that a reservation wants is refused");
	return PROGRESS_DONE;
}

/* --- pages from the shared cache ------------------------------------------- */

/* H.6 6: pages for the VM's splits are the VM's. */
static tlbtag_page_t alloc(struct private_host *host, const struct private_agent *agent,
			   enum private_kind kind)
{
	if (has_fault(host, PRIVATE_FAULT_UNCHARGED))
		return private_page_alloc_free(host, agent->vm, kind);
	return private_page_alloc(host, agent->vm, kind);
}

/* One page at a time, and each time the cache is asked again. */
enum private_progress private_at_walk_alloc(struct private_host *host,
					    struct private_agent *agent)
{
	struct private_vm *vm = vm_of(host, agent);
	bool wants_table = agent->kit.sept == TLBTAG_PAGE_NONE;

	if (!wants_table && !tlbtag_supply_need_topup(&vm->supply))
		return booked(agent);
	agent->spare = alloc(host, agent, wants_table ? KIND_SEPT : KIND_PAMT);
	if (agent->spare == TLBTAG_PAGE_NONE)
		return no_memory(agent);
	if (!wants_table)
		return go(agent, AT_walk_keep);
	agent->kit.sept = agent->spare;
	agent->spare = TLBTAG_PAGE_NONE;
	return PROGRESS_DONE;
}

/* The third version's loop: whoever saw too few adds its page. */
static bool keep_unseen(struct tlbtag_supply *supply, tlbtag_page_t page)
{
	uint32_t min = supply->pamt.min;
	bool kept;

	supply->pamt.min = TLBTAG_PAGES_MAX;
	kept = tlbtag_pages_add(&supply->pamt, page);
	supply->pamt.min = min;
	return kept;
}

enum private_progress private_at_walk_keep(struct private_host *host,
					   struct private_agent *agent)
{
	struct tlbtag_supply *supply = &vm_of(host, agent)->supply;
	bool was_full = supply->pamt.count >= TLBTAG_KIT_PAMT;
	bool kept;

	if (has_fault(host, PRIVATE_FAULT_OVERFILL))
		kept = keep_unseen(supply, agent->spare);
	else
		kept = tlbtag_supply_add(supply, agent->spare);
	if (kept && was_full)
		private_wrong(host, VMM_SPARE, "VM %u: the cache has a kit, and gets more",
			      agent->vm);
	if (kept)
		private_page_move(host, agent->spare, PLACE_HAND, PLACE_SUPPLY);
	else
		private_page_free(host, agent->spare, PLACE_HAND);
	agent->spare = TLBTAG_PAGE_NONE;
	return go(agent, AT_walk_alloc);
}

/* H.3: it takes the lock again only to leave. */
enum private_progress private_at_walk_leave(struct private_host *host,
					    struct private_agent *agent)
{
	if (!private_lock_exclusive(host, agent))
		return PROGRESS_WAITS;
	return go(agent, AT_walk_unlock);
}

/* --- under the lock -------------------------------------------------------- */

static bool is_leaf(const struct private_vm *vm, uint64_t gfn)
{
	return vm->middle[gfn / TDX_REGION_PAGES].kind == TDX_ENTRY_LEAF;
}

/* The guest chose 4 KiB. Return: whether something is to be split for it. */
static bool accept(struct private_vm *vm, struct private_agent *agent)
{
	const struct tlbtag_large_fault fault = { .gfn = agent->begin, .accept = agent->accept };
	bool is_large = is_leaf(vm, agent->begin);
	bool splits = tlbtag_large_accept(&vm->large, &fault, is_large) == TLBTAG_LARGE_SPLIT;

	vm->chosen |= 1u << agent->begin / TDX_REGION_PAGES;
	/* What it was about is gone meanwhile. */
	if (agent->was_large && !is_large)
		agent->error = -EAGAIN;
	return splits;
}

enum private_progress private_at_walk_lock(struct private_host *host,
					   struct private_agent *agent)
{
	struct private_vm *vm = vm_of(host, agent);

	if (!private_lock_exclusive(host, agent))
		return PROGRESS_WAITS;
	if (vm->state != VM_LIVE)
		return fail(agent, -EAGAIN);
	if (agent->task == TASK_ACCEPT && !accept(vm, agent))
		return go(agent, AT_walk_unlock);
	return go(agent, AT_walk_take);
}

static void move_kit(struct private_host *host, const struct private_agent *agent,
		     enum private_place from, enum private_place to)
{
	if (is_reserve(host) && agent->kit.sept != TLBTAG_PAGE_NONE)
		private_page_move(host, agent->kit.sept, from, to);
	for (uint32_t i = 0; i < agent->kit.pamt_count; i++)
		private_page_move(host, agent->kit.pamt[i], from, to);
}

static int take_kit(struct private_host *host, struct private_agent *agent)
{
	struct private_vm *vm = vm_of(host, agent);
	int error;

	if (is_reserve(host))
		error = tlbtag_reserve_take(&agent->reserve, &agent->kit);
	else
		error = tlbtag_supply_take(&vm->supply, &agent->kit);
	if (!error)
		move_kit(host, agent, PLACE_SUPPLY, PLACE_HAND);
	return error;
}

static int run_dry(struct private_host *host, struct private_agent *agent)
{
	private_wrong(host, VMM_DRY, "VM %u: the pages for a split ran out under the lock",
		      agent->vm);
	return -ENOMEM;
}

void private_aim(struct private_host *host, struct private_agent *agent, uint64_t gfn,
		 enum tdx_level level)
{
	const struct tdx_where where = { agent->vm, level, gfn };
	uint32_t page = private_entry_at(vm_of(host, agent), where)->page;

	agent->cursor = gfn;
	agent->where = (struct tlbtag_sept_where){ page, agent->kit.sept,
						   (enum tlbtag_level)level };
	agent->regions = 1u << region_of_page(page);
	if (agent->kit.sept != TLBTAG_PAGE_NONE)
		agent->regions |= 1u << region_of_page(agent->kit.sept);
}

/*
 * With the cache the answer is exact here; a walker whose pages were taken before,
 * under the shared lock, has them.
 */
int private_split_begin(struct private_host *host, struct private_agent *agent, uint64_t gfn)
{
	struct private_vm *vm = vm_of(host, agent);
	bool has_kit = agent->kit.pamt_count != 0;

	if (!is_reserve(host) && !has_kit &&
	    (tlbtag_supply_need_topup(&vm->supply) || agent->kit.sept == TLBTAG_PAGE_NONE))
		return -EAGAIN;
	if (!host->config.tdx.old && !has_kit && take_kit(host, agent))
		return run_dry(host, agent);
	private_aim(host, agent, gfn, TDX_2M);
	return 0;
}

enum private_progress private_at_walk_take(struct private_host *host,
					   struct private_agent *agent)
{
	int error;

	if (!is_leaf(vm_of(host, agent), agent->first))
		return go(agent, AT_walk_unlock);
	error = private_split_begin(host, agent, agent->first);
	if (!error)
		return go(agent, AT_walk_begin);
	if (error != -EAGAIN)
		return fail(agent, error);
	private_unlock(host, agent);
	return go(agent, AT_walk_alloc);
}

enum private_progress private_at_walk_begin(struct private_host *host,
					    struct private_agent *agent)
{
	if (host->config.tdx.old)
		return go(agent, AT_old_block);
	private_sept_begin(agent, tlbtag_sept_split(&agent->op, &host->pamt, &agent->kit,
						    &agent->where), false);
	return go(agent, AT_walk_split);
}

enum private_progress private_at_walk_split(struct private_host *host,
					    struct private_agent *agent)
{
	if (agent->step != TLBTAG_SEPT_DONE)
		return private_sept_step(host, agent);
	agent->error = private_sept_end(host, agent);
	return go(agent, AT_walk_give);
}

static void drain_kit(struct private_host *host, struct private_agent *agent)
{
	tlbtag_page_t page;

	while ((page = tlbtag_kit_drain(&agent->kit)) != TLBTAG_PAGE_NONE)
		private_page_free(host, page, PLACE_HAND);
}

/* What the library keeps goes back to the VM's; the S-EPT page of the cache design
 * is the walker's own. */
static void give_kit(struct private_host *host, struct private_agent *agent)
{
	struct tlbtag_supply *supply = &vm_of(host, agent)->supply;
	const struct tlbtag_kit before = agent->kit;
	uint32_t kept = 0;

	if (is_reserve(host)) {
		move_kit(host, agent, PLACE_HAND, PLACE_SUPPLY);
		tlbtag_reserve_give(&agent->reserve, &agent->kit);
		return;
	}
	tlbtag_supply_give(supply, &agent->kit);
	/* The kit keeps what did not fit, from the front. */
	for (uint32_t i = 0; i < before.pamt_count; i++) {
		if (kept < agent->kit.pamt_count && agent->kit.pamt[kept] == before.pamt[i])
			kept++;
		else
			private_page_move(host, before.pamt[i], PLACE_HAND, PLACE_SUPPLY);
	}
	drain_kit(host, agent);
}

enum private_progress private_at_walk_give(struct private_host *host,
					   struct private_agent *agent)
{
	if (!host->config.tdx.old)
		give_kit(host, agent);
	private_look_at_split(host, agent, agent->error);
	return go(agent, is_conversion(agent) ? AT_convert_was_split : AT_walk_unlock);
}

/* --- the end --------------------------------------------------------------- */

enum private_progress private_at_walk_unlock(struct private_host *host,
					     struct private_agent *agent)
{
	private_look_at_accept(host, agent);
	private_unlock(host, agent);
	return go(agent, AT_walk_end);
}

/* What is left stays with the VM, up to a kit. */
static void end_reserve(struct private_host *host, struct private_agent *agent)
{
	struct tlbtag_supply *supply = &vm_of(host, agent)->supply;
	tlbtag_page_t page;

	tlbtag_reserve_end(supply, &agent->reserve);
	if ((agent->reserve.sept.count && !supply->sept.count) ||
	    (agent->reserve.pamt.count && supply->pamt.count < TLBTAG_KIT_PAMT))
		private_wrong(host, VMM_SPARE, "VM %u: pages go that its next split wants",
			      agent->vm);
	while ((page = tlbtag_reserve_drain(&agent->reserve)) != TLBTAG_PAGE_NONE)
		private_page_free(host, page, PLACE_SUPPLY);
}

enum private_progress private_at_walk_end(struct private_host *host, struct private_agent *agent)
{
	struct private_vm *vm = vm_of(host, agent);

	if (agent->has_reserve)
		end_reserve(host, agent);
	if (agent->kit.pamt_count)
		give_kit(host, agent);
	drain_kit(host, agent);
	if (agent->has_mutex)
		vm->mutex = PRIVATE_NOBODY;
	agent->has_reserve = false;
	agent->has_mutex = false;
	private_agent_end(host, agent);
	return PROGRESS_DONE;
}

/* --- pages taken under the shared lock ------------------------------------- */

static enum private_progress top_up(struct private_host *host, struct private_agent *agent)
{
	private_unlock(host, agent);
	return go(agent, AT_walk_alloc);
}

/* need_topup is a hint here. */
enum private_progress private_at_eager_lock(struct private_host *host,
					    struct private_agent *agent)
{
	struct private_vm *vm = vm_of(host, agent);

	if (!private_lock_shared(host, agent))
		return PROGRESS_WAITS;
	if (vm->state != VM_LIVE || !is_leaf(vm, agent->first))
		return go(agent, AT_walk_unlock);
	if (tlbtag_supply_need_topup(&vm->supply) || agent->kit.sept == TLBTAG_PAGE_NONE)
		return top_up(host, agent);
	return go(agent, AT_eager_take);
}

/* And so this looks again. */
enum private_progress private_at_eager_take(struct private_host *host,
					    struct private_agent *agent)
{
	if (take_kit(host, agent))
		return top_up(host, agent);
	private_unlock(host, agent);
	return go(agent, AT_walk_lock);
}
