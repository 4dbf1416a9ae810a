/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The split path of the third version of Linux' patches, as its design was: BLOCK,
 * TRACK, a use for the S-EPT page with pages from the VM's cache, and a wrapper of
 * DEMOTE that takes a pair from the cache by itself. Each of the defects of
 * vmm/private_fault.h that are about it is one branch here; what is no branch is
 * right, so that a story shows one defect and not its neighbours.
 */
#include "private_inside.h"

#include <errno.h>

static enum private_progress go(struct private_agent *agent, enum private_at at)
{
	agent->at = at;
	return PROGRESS_DONE;
}

static bool take_pair(struct private_host *host, struct private_agent *agent)
{
	struct tlbtag_pages *cache = &vm_of(host, agent)->supply.pamt;

	if (!tlbtag_pamt_is_dynamic(&host->pamt))
		return true;
	if (!tlbtag_pages_take(cache, agent->pair, TLBTAG_PAIR_PAGES)) {
		private_wrong(host, VMM_DRY, "VM %u: the second pair of a retry is not there",
			      agent->vm);
		return false;
	}
	for (uint32_t i = 0; i < TLBTAG_PAIR_PAGES; i++)
		private_page_move(host, agent->pair[i], PLACE_SUPPLY, PLACE_HAND);
	agent->has_pair = true;
	return true;
}

static void give_pair(struct private_host *host, struct private_agent *agent, bool frees)
{
	struct tlbtag_pages *cache = &vm_of(host, agent)->supply.pamt;

	for (uint32_t i = 0; agent->has_pair && i < TLBTAG_PAIR_PAGES; i++) {
		bool kept = !frees && tlbtag_pages_give(cache, agent->pair[i]);

		if (kept)
			private_page_move(host, agent->pair[i], PLACE_HAND, PLACE_SUPPLY);
		else
			private_page_free(host, agent->pair[i], PLACE_HAND);
	}
	agent->has_pair = false;
}

/* Once more without vCPUs; the second time it must succeed. */
static bool may_retry(struct private_host *host, struct private_agent *agent,
		      enum tdx_status status)
{
	if (status != TDX_OPERAND_BUSY || agent->retried)
		return false;
	agent->retried = true;
	vm_of(host, agent)->is_stopped = true;
	private_kick(host, agent);
	return true;
}

static void start_vcpus(struct private_host *host, struct private_agent *agent)
{
	vm_of(host, agent)->is_stopped = false;
	agent->retried = false;
}

static struct tdx_where where_of(const struct private_agent *agent)
{
	return (struct tdx_where){ agent->vm, TDX_2M, agent->cursor };
}

static enum private_progress give_up(struct private_host *host, struct private_agent *agent)
{
	agent->error = -EIO;
	start_vcpus(host, agent);
	return go(agent, AT_walk_give);
}

enum private_progress private_at_old_block(struct private_host *host,
					   struct private_agent *agent)
{
	enum tdx_status status = tdx_mem_range_block(host->tdx, where_of(agent));

	vm_of(host, agent)->touched |= 1u << agent->cursor / TDX_REGION_PAGES;
	agent->error = 0;
	if (private_judge(host, agent, TDX_CALL_RANGE_BLOCK, status) == TDX_SUCCESS)
		return go(agent, AT_old_track);
	return may_retry(host, agent, status) ? PROGRESS_DONE : give_up(host, agent);
}

enum private_progress private_at_old_track(struct private_host *host,
					   struct private_agent *agent)
{
	enum tdx_status status = tdx_mem_track(host->tdx, agent->vm);

	status = private_judge(host, agent, TDX_CALL_MEM_TRACK, status);
	if (status == TDX_OPERAND_BUSY && may_retry(host, agent, status))
		return PROGRESS_DONE;
	if (status != TDX_SUCCESS)
		return go(agent, AT_old_undo);
	private_kick_lightly(host, agent);
	return go(agent, AT_old_get);
}

enum private_progress private_at_old_get(struct private_host *host, struct private_agent *agent)
{
	enum tlbtag_pamt_step next = tlbtag_pamt_get(&host->pamt, agent->where.sept_pfn);

	if (next == TLBTAG_PAMT_WAIT)
		return PROGRESS_WAITS;
	if (next == TLBTAG_PAMT_ADD)
		return go(agent, AT_old_add);
	agent->has_use = next == TLBTAG_PAMT_DONE;
	return go(agent, AT_old_demote);
}

enum private_progress private_at_old_add(struct private_host *host, struct private_agent *agent)
{
	uint64_t page = agent->where.sept_pfn;
	bool added = take_pair(host, agent) &&
		     private_pamt_add(host, agent, page, agent->pair) == TDX_SUCCESS;

	tlbtag_pamt_get_end(&host->pamt, page, added);
	if (added)
		agent->has_pair = false;
	give_pair(host, agent, false);
	agent->has_use = added;
	return go(agent, added ? AT_old_demote : AT_old_undo);
}

/* The wrapper. Its caller calls it again if it was busy, as it is. */
enum private_progress private_at_old_demote(struct private_host *host,
					    struct private_agent *agent)
{
	enum tdx_status status;

	if (!agent->has_pair && !take_pair(host, agent))
		return go(agent, AT_old_undo);
	agent->holds_cache_lock = has_fault(host, PRIVATE_FAULT_LOCK_OVER_KICK);
	status = private_demote(host, agent, agent->pair);
	if (status == TDX_SUCCESS) {
		agent->holds_cache_lock = false;
		agent->has_pair = false;
		return go(agent, AT_old_publish);
	}
	if (has_fault(host, PRIVATE_FAULT_RETRY_PAIR))
		give_pair(host, agent, true);
	if (may_retry(host, agent, status))
		return PROGRESS_DONE;
	agent->holds_cache_lock = false;
	give_pair(host, agent, false);
	return go(agent, AT_old_undo);
}

enum private_progress private_at_old_publish(struct private_host *host,
					     struct private_agent *agent)
{
	if (tlbtag_pamt_is_dynamic(&host->pamt))
		tlbtag_pamt_split(&host->pamt, agent->where.guest_pfn);
	private_publish_split(host, agent);
	agent->kit.sept = TLBTAG_PAGE_NONE;
	agent->has_use = false;
	start_vcpus(host, agent);
	return go(agent, AT_walk_give);
}

/* TRACK or DEMOTE has failed, and the range is blocked. */
enum private_progress private_at_old_undo(struct private_host *host,
					  struct private_agent *agent)
{
	enum tdx_status status;

	if (has_fault(host, PRIVATE_FAULT_PUBLISHED))
		private_publish_split(host, agent);
	if (!has_fault(host, PRIVATE_FAULT_LEFT_BLOCKED) &&
	    !has_fault(host, PRIVATE_FAULT_PUBLISHED)) {
		status = tdx_mem_range_unblock(host->tdx, where_of(agent));
		status = private_judge(host, agent, TDX_CALL_RANGE_UNBLOCK, status);
		if (may_retry(host, agent, status))
			return PROGRESS_DONE;
		if (status != TDX_SUCCESS)
			private_kill(host, agent);
	}
	return go(agent, AT_old_remove);
}

/* "Undo" is the end of a use; the pair may be shared with neighbours. */
enum private_progress private_at_old_remove(struct private_host *host,
					    struct private_agent *agent)
{
	uint64_t page = agent->where.sept_pfn;
	bool had_use = agent->has_use;
	bool was_last;
	bool removed;

	agent->has_use = false;
	give_up(host, agent);
	if (!had_use)
		return PROGRESS_DONE;
	if (!has_fault(host, PRIVATE_FAULT_UNDO_REMOVES)) {
		private_put(host, agent, page, AT_walk_give);
		return PROGRESS_DONE;
	}
	was_last = tlbtag_pamt_put(&host->pamt, page) == TLBTAG_PAMT_REMOVE;
	removed = private_pamt_remove(host, agent, page);
	if (was_last)
		tlbtag_pamt_put_end(&host->pamt, page, removed);
	return PROGRESS_DONE;
}
