/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Agents: their steps, and the locks of a VM.
 */
#include "private_inside.h"

#include <errno.h>

/* More than any agent takes with nobody in its way. */
#define STEPS_MAX 100000u

/* --- the mirror ------------------------------------------------------------ */

uint32_t private_pages_of(enum tdx_level level)
{
	static const uint32_t pages[] = { 1, TDX_REGION_PAGES,
					  TDX_REGION_PAGES * PRIVATE_SLOTS_PER_TABLE };

	return pages[level];
}

struct private_entry *private_entry_at(struct private_vm *vm, struct tdx_where where)
{
	uint64_t slot = where.gfn / TDX_REGION_PAGES;

	if (where.level == TDX_1G)
		return &vm->upper[slot / PRIVATE_SLOTS_PER_TABLE];
	if (where.level == TDX_2M)
		return &vm->middle[slot];
	return &vm->leaf[slot][where.gfn % TDX_REGION_PAGES];
}

/* Is all of the 2 MiB around it private? */
bool private_is_all_private(const struct private_vm *vm, uint64_t gfn)
{
	uint64_t first = gfn - gfn % TDX_REGION_PAGES;

	for (uint32_t i = 0; i < TDX_REGION_PAGES; i++)
		if (vm->is_shared[first + i])
			return false;
	return true;
}

/* --- the MMU lock ---------------------------------------------------------- */

bool private_lock_exclusive(struct private_host *host, struct private_agent *agent)
{
	struct private_vm *vm = vm_of(host, agent);

	if (vm->exclusive != PRIVATE_NOBODY || vm->shared_holders)
		return false;
	vm->exclusive = agent->nr;
	agent->lock = LOCK_EXCLUSIVE;
	return true;
}

bool private_lock_shared(struct private_host *host, struct private_agent *agent)
{
	struct private_vm *vm = vm_of(host, agent);

	if (vm->exclusive != PRIVATE_NOBODY)
		return false;
	vm->shared_holders++;
	agent->lock = LOCK_SHARED;
	return true;
}

void private_unlock(struct private_host *host, struct private_agent *agent)
{
	struct private_vm *vm = vm_of(host, agent);

	if (agent->lock == LOCK_EXCLUSIVE)
		vm->exclusive = PRIVATE_NOBODY;
	vm->shared_holders -= agent->lock == LOCK_SHARED;
	agent->lock = LOCK_NONE;
}

/* --- steps ----------------------------------------------------------------- */

void private_agent_begin(struct private_host *host, struct private_agent *agent,
			 enum private_task task, enum private_at at)
{
	const struct private_agent who = { .nr = agent->nr, .vm = agent->vm,
					   .accept = TLBTAG_LEVEL_1G };

	*agent = who;
	agent->task = task;
	agent->at = at;
	agent->refused = host->refused;
}

/* It failed; was there a reason? */
void private_agent_end(struct private_host *host, struct private_agent *agent)
{
	bool is_odd = agent->error == -EINVAL && !agent->is_excused;

	if (is_odd || (agent->error == -EIO && agent->refused == host->refused))
		private_wrong(host, VMM_REFUSED,
			      "VM %u: an operation failed, and no error was injected", agent->vm);
	agent->task = TASK_NONE;
	agent->at = AT_idle;
	agent->regions = 0;
}

static enum private_progress at_idle(struct private_host *host, struct private_agent *agent)
{
	(void)host;
	(void)agent;
	return PROGRESS_WAITS;
}

typedef enum private_progress step_function(struct private_host *host,
					    struct private_agent *agent);

static enum private_progress step(struct private_host *host, struct private_agent *agent)
{
	static step_function *const steps[] = {
		at_idle,
#define PRIVATE_AT_FUNCTION(name) private_at_##name,
		PRIVATE_STEPS(PRIVATE_AT_FUNCTION)
#undef PRIVATE_AT_FUNCTION
	};

	return steps[agent->at](host, agent);
}

bool private_agent_run(struct private_host *host, struct private_agent *agent, unsigned int steps)
{
	bool went = false;

	for (unsigned int i = 0; i < (steps ? steps : STEPS_MAX); i++) {
		if (step(host, agent) == PROGRESS_WAITS)
			break;
		went = true;
		if (host->verdict.wrong != VMM_FINE)
			break;
	}
	return went;
}
