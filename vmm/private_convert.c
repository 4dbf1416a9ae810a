/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Conversions and holes, by the library's plan: pages for what the ends of the range
 * cut into, the MMU lock, those splits, and then leaf after leaf, or several with one
 * TRACK. With `yield` the lock is dropped before each look at the mirror, and faults
 * ask private_near() meanwhile.
 */
#include "private_inside.h"

#include <errno.h>

static enum private_progress go(struct private_agent *agent, enum private_at at)
{
	agent->at = at;
	return PROGRESS_DONE;
}

static bool has_fault_unsplit(const struct private_host *host)
{
	return has_fault(host, PRIVATE_FAULT_ZAP_UNSPLIT);
}

/* --- for faults ------------------------------------------------------------ */

/*
 * The careless do not ask beyond the end of a range. What they map large there is in
 * front of the conversion, which must refuse it; around the beginning it would be
 * behind it, and nobody could tell.
 */
static enum tlbtag_near near_agent(const struct private_host *host,
				   const struct private_agent *agent, uint64_t gfn)
{
	if (!agent->converting || (host->config.tdx.careless && gfn >= agent->end))
		return TLBTAG_NEAR_AWAY;
	return tlbtag_convert_near(&agent->convert, gfn);
}

enum tlbtag_near private_near(const struct private_host *host, const struct private_vm *vm,
			      uint64_t gfn)
{
	enum tlbtag_near nearest = TLBTAG_NEAR_AWAY;

	for (uint32_t i = 0; i < PRIVATE_AGENTS; i++) {
		enum tlbtag_near near = near_agent(host, &vm->agent[i], gfn);

		if (near > nearest)
			nearest = near;
	}
	return nearest;
}

/* --- the plan -------------------------------------------------------------- */

static enum private_progress follow(struct private_host *host, struct private_agent *agent)
{
	switch (agent->convert.step) {
	case TLBTAG_CONVERT_RESERVE:
		agent->booked = agent->convert.splits;
		return go(agent, host->config.tdx.cache ? AT_walk_alloc : AT_walk_book);
	case TLBTAG_CONVERT_LOCK:
		return go(agent, AT_convert_lock);
	case TLBTAG_CONVERT_FIND:
		if (!host->config.tdx.yield)
			return go(agent, AT_convert_find);
		private_unlock(host, agent);
		return go(agent, AT_convert_relock);
	case TLBTAG_CONVERT_SPLIT:
		return go(agent, AT_convert_split);
	case TLBTAG_CONVERT_ZAP:
		return go(agent, AT_convert_zap);
	case TLBTAG_CONVERT_UNLOCK:
		return go(agent, AT_convert_unlock);
	case TLBTAG_CONVERT_DONE:
		break;
	}
	agent->error = agent->convert.error;
	private_look_at_conversion(host, agent);
	return go(agent, AT_walk_end);
}

static enum private_progress next(struct private_host *host, struct private_agent *agent,
				  int error)
{
	tlbtag_convert_next(&agent->convert, error);
	return follow(host, agent);
}

enum private_progress private_at_convert_begin(struct private_host *host,
					       struct private_agent *agent)
{
	tlbtag_convert_begin(&agent->convert, agent->begin, agent->end);
	private_look_at_plan(host, agent);
	return follow(host, agent);
}

/* There are pages, or agent->error says why not. */
enum private_progress private_at_convert_booked(struct private_host *host,
						struct private_agent *agent)
{
	return next(host, agent, agent->error);
}

/* The VM died while the lock was not held: there is nothing to do any more. */
static enum private_progress give_up(struct private_host *host, struct private_agent *agent)
{
	private_unlock(host, agent);
	agent->converting = false;
	agent->error = -EAGAIN;
	return go(agent, AT_walk_end);
}

enum private_progress private_at_convert_lock(struct private_host *host,
					      struct private_agent *agent)
{
	if (!private_lock_exclusive(host, agent))
		return PROGRESS_WAITS;
	if (vm_of(host, agent)->state != VM_LIVE)
		return give_up(host, agent);
	agent->converting = true;
	agent->is_short = false;
	return next(host, agent, 0);
}

enum private_progress private_at_convert_relock(struct private_host *host,
						struct private_agent *agent)
{
	if (!private_lock_exclusive(host, agent))
		return PROGRESS_WAITS;
	if (vm_of(host, agent)->state != VM_LIVE)
		return give_up(host, agent);
	return go(agent, AT_convert_find);
}

/* --- leaves ---------------------------------------------------------------- */

/* The first leaf of the mirror that maps anything of these. */
static bool find_leaf(const struct private_vm *vm, uint64_t from, uint64_t to,
		      struct tlbtag_leaf *leaf)
{
	for (uint64_t gfn = from; gfn < to && gfn < PRIVATE_GFNS;) {
		uint64_t slot = gfn / TDX_REGION_PAGES;
		uint64_t page = gfn % TDX_REGION_PAGES;

		if (vm->middle[slot].kind == TDX_ENTRY_LEAF) {
			*leaf = (struct tlbtag_leaf){ gfn - page, TLBTAG_LEVEL_2M };
			return true;
		}
		if (vm->middle[slot].kind == TDX_ENTRY_TABLE &&
		    vm->leaf[slot][page].kind == TDX_ENTRY_LEAF) {
			*leaf = (struct tlbtag_leaf){ gfn, TLBTAG_LEVEL_4K };
			return true;
		}
		gfn += vm->middle[slot].kind == TDX_ENTRY_FREE ? TDX_REGION_PAGES - page : 1;
	}
	return false;
}

/* Who has no notion of ends takes what it finds for what is in the range. */
static bool find_carelessly(const struct private_vm *vm, const struct tlbtag_convert *op,
			    struct tlbtag_leaf *leaf)
{
	if (op->edges_done < op->splits || !find_leaf(vm, op->from, op->to, leaf))
		return false;
	if (leaf->level == TLBTAG_LEVEL_2M)
		*leaf = (struct tlbtag_leaf){ op->from, TLBTAG_LEVEL_4K };
	return true;
}

/* What a careless fault has led to is refused, with a warning. */
static void excuse(const struct private_host *host, struct private_agent *agent,
		   const struct tlbtag_leaf *leaf)
{
	bool sticks_out = leaf->gfn < agent->begin ||
			  leaf->gfn + private_pages_of((enum tdx_level)leaf->level) > agent->end;

	if (!host->config.tdx.careless || !sticks_out || agent->convert.error != -EINVAL)
		return;
	agent->is_excused = true;
	tlbtag_sim_warnings_reset();
}

enum private_progress private_at_convert_find(struct private_host *host,
					      struct private_agent *agent)
{
	bool was_quiet = tlbtag_sim_warnings_unseen() == 0;
	const struct private_vm *vm = vm_of(host, agent);
	struct tlbtag_convert *op = &agent->convert;
	struct tlbtag_leaf leaf;
	bool found;

	if (has_fault_unsplit(host))
		found = find_carelessly(vm, op, &leaf);
	else
		found = find_leaf(vm, op->from, op->to, &leaf);
	tlbtag_convert_found(op, found ? &leaf : NULL);
	if (found && was_quiet)
		excuse(host, agent, &leaf);
	return follow(host, agent);
}

/* --- splits ---------------------------------------------------------------- */

enum private_progress private_at_convert_split(struct private_host *host,
					       struct private_agent *agent)
{
	int error = private_split_begin(host, agent, agent->convert.leaf.gfn);

	if (!error)
		return go(agent, AT_walk_begin);
	agent->is_short = error == -EAGAIN;
	return next(host, agent, error);
}

enum private_progress private_at_convert_was_split(struct private_host *host,
						   struct private_agent *agent)
{
	return next(host, agent, agent->error);
}

/* --- removal --------------------------------------------------------------- */

static void aim(struct private_host *host, struct private_agent *agent,
		const struct tlbtag_leaf *leaf)
{
	bool is_large = vm_of(host, agent)->middle[leaf->gfn / TDX_REGION_PAGES].kind ==
			TDX_ENTRY_LEAF;

	private_aim(host, agent, is_large ? leaf->gfn - leaf->gfn % TDX_REGION_PAGES : leaf->gfn,
		    is_large ? TDX_2M : TDX_4K);
}

/* The leaf of the plan, and those behind it that may go with it. */
static uint32_t find_leaves(struct private_host *host, struct private_agent *agent)
{
	const struct tlbtag_convert *op = &agent->convert;
	uint32_t most = host->config.tdx.sweep && !has_fault_unsplit(host) ? PRIVATE_LEAVES : 1;
	struct tlbtag_leaf leaf = op->leaf;
	uint32_t regions = 0;
	uint32_t count = 0;

	do {
		aim(host, agent, &leaf);
		regions |= agent->regions;
		agent->leaf[count] = agent->where;
		agent->leaf_gfn[count++] = agent->cursor;
	} while (count < most &&
		 find_leaf(vm_of(host, agent),
			   leaf.gfn + private_pages_of((enum tdx_level)leaf.level), op->to,
			   &leaf) &&
		 tlbtag_convert_takes(op, &leaf));
	agent->regions = regions;
	return count;
}

enum private_progress private_at_convert_zap(struct private_host *host,
					     struct private_agent *agent)
{
	uint32_t count = find_leaves(host, agent);
	enum tlbtag_sept_step step =
		tlbtag_sweep_begin(&agent->sweep, &host->pamt, agent->leaf, count);

	private_sept_begin(agent, step, true);
	return go(agent, AT_convert_zapping);
}

/* Below this nothing of the range is mapped any more. */
static uint64_t swept_to(const struct private_agent *agent)
{
	const struct tlbtag_sweep *sweep = &agent->sweep;
	uint32_t last = sweep->count - 1;

	if (sweep->removed < sweep->count)
		return agent->leaf_gfn[sweep->removed];
	return agent->leaf_gfn[last] + private_pages_of((enum tdx_level)agent->leaf[last].level);
}

enum private_progress private_at_convert_zapping(struct private_host *host,
						 struct private_agent *agent)
{
	int error;

	if (agent->step != TLBTAG_SEPT_DONE)
		return private_sept_step(host, agent);
	error = private_sept_end(host, agent);
	if (!host->config.tdx.sweep)
		return next(host, agent, error);
	tlbtag_convert_swept(&agent->convert, error, swept_to(agent));
	return follow(host, agent);
}

/* --- the end --------------------------------------------------------------- */

static void punch(struct private_host *host, struct private_vm *vm, uint64_t gfn)
{
	vm->is_folio[gfn / TDX_REGION_PAGES] = false;
	if (vm->backing[gfn])
		private_page_free(host, vm->backing[gfn], PLACE_BACKING);
	vm->backing[gfn] = 0;
}

static void apply(struct private_host *host, struct private_agent *agent)
{
	struct private_vm *vm = vm_of(host, agent);

	agent->is_applied = true;
	for (uint64_t gfn = agent->begin; gfn < agent->end; gfn++) {
		vm->touched |= 1u << gfn / TDX_REGION_PAGES;
		if (agent->task == TASK_PUNCH)
			punch(host, vm, gfn);
		else
			vm->is_shared[gfn] = true;
	}
}

/* What was taken away stays so: before faults can come again. */
enum private_progress private_at_convert_unlock(struct private_host *host,
						struct private_agent *agent)
{
	if (!agent->convert.error && !agent->is_short)
		apply(host, agent);
	private_unlock(host, agent);
	agent->converting = false;
	return next(host, agent, 0);
}
