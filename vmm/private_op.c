/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The operations of a world of private memory. Each begins something, lets something
 * go on, or says what goes wrong next; what cannot be done is left out.
 */
#include "private_inside.h"

/* --- what arguments stand for ---------------------------------------------- */

enum argument {
	NOTHING = 0,
	VM,
	VCPU,
	SLOT,
	PAGE,
	OFFSET,
	LENGTH,
	LEVEL,
	OPEN,
	AGENT,
	STEPS,
	CALL,
	LIFE,
	HOW,
	AFTER,
	LEFT,
	FAILS,
};

/* Places in a 2 MiB page, and lengths: around its ends, its middle, and beyond. */
static const uint16_t offsets[] = { 0, 1, 100, 255, 256, 511 };
static const uint16_t lengths[] = { 1, 2, 100, 256, 511, 512, 513, 1023, 1024, 1500, 4096 };

#define OFFSETS (sizeof(offsets) / sizeof(offsets[0]))
#define LENGTHS (sizeof(lengths) / sizeof(lengths[0]))

/* Calls that an operation can have refused: all that the host makes. */
static const uint8_t refusable[] = {
	TDX_CALL_PAGE_DEMOTE, TDX_CALL_RANGE_UNBLOCK, TDX_CALL_PAMT_ADD, TDX_CALL_PAMT_REMOVE,
	TDX_CALL_RANGE_BLOCK, TDX_CALL_MEM_TRACK, TDX_CALL_PAGE_REMOVE, TDX_CALL_SEPT_ADD,
	TDX_CALL_PAGE_AUG, TDX_CALL_PAGE_ADD, TDX_CALL_PAGE_WBINVD,
	TDX_CALL_VP_ENTER, TDX_CALL_MNG_CREATE, TDX_CALL_MNG_ADDCX, TDX_CALL_MNG_INIT,
	TDX_CALL_VP_CREATE, TDX_CALL_VP_ADDCX, TDX_CALL_VP_INIT, TDX_CALL_MR_FINALIZE,
	TDX_CALL_VP_FLUSH, TDX_CALL_MNG_VPFLUSHDONE, TDX_CALL_CACHE_WB, TDX_CALL_MNG_KEY_FREEID,
	TDX_CALL_PAGE_RECLAIM,
};

#define REFUSABLE (sizeof(refusable) / sizeof(refusable[0]))
/* Of these, the first are about memory. */
#define OF_MEMORY 11u

static const uint8_t refusals[] = { TDX_OPERAND_BUSY, TDX_OPERAND_INVALID,
				    TDX_INTERRUPTED_RESTARTABLE };

#define REFUSALS (sizeof(refusals) / sizeof(refusals[0]))
#define REFUSALS_WAITING 4u
#define AFTER_MAX 4u
#define LEFT_MAX 12u
#define FAILS_MAX 4u
#define STEPS_LIMIT 24u
/* Of an ACCEPT: 4K, 2M, and the same, with the host's answer left standing. */
#define LEVELS 4u

/* X(function, name, about, weight, five arguments) */
#define PRIVATE_OPS(X)                                                                          \
	X(create, "create", "a TD is made, with its vCPUs; perhaps not finalised", 40, VM,       \
	  OPEN, STEPS, NOTHING, NOTHING)                                                        \
	X(finalize, "finalize", "a TD that was left open is finalised", 30, VM, NOTHING,         \
	  NOTHING, NOTHING, NOTHING)                                                            \
	X(destroy, "destroy", "a TD goes, with all that it has", 10, VM, STEPS, NOTHING, NOTHING, \
	  NOTHING)                                                                              \
	X(enter, "enter", "a vCPU enters the guest", 30, VM, VCPU, NOTHING, NOTHING, NOTHING)    \
	X(exit, "exit", "an interrupt: the vCPU leaves the guest", 6, VM, VCPU, NOTHING,         \
	  NOTHING, NOTHING)                                                                     \
	X(fault, "fault", "the vCPU touches a page that is not mapped", 60, VM, VCPU, SLOT,      \
	  PAGE, STEPS)                                                                          \
	X(accept, "accept", "the guest accepts a page, at level 4K or 2M", 16, VM, VCPU, SLOT,   \
	  PAGE, LEVEL)                                                                          \
	X(access, "access", "the guest touches a page that is mapped", 6, VM, VCPU, SLOT, PAGE,  \
	  NOTHING)                                                                              \
	X(convert, "convert", "a range becomes shared", 24, VM, SLOT, OFFSET, LENGTH, STEPS)     \
	X(punch, "punch", "a hole is punched into guest memory", 16, VM, SLOT, OFFSET, LENGTH,   \
	  STEPS)                                                                                \
	X(privatise, "privatise", "a range becomes private", 20, VM, SLOT, OFFSET, LENGTH,       \
	  NOTHING)                                                                              \
	X(split, "split", "a 2 MiB mapping is split", 40, VM, SLOT, STEPS, NOTHING, NOTHING)     \
	X(eager, "split-eagerly", "the same, with pages taken under the shared lock", 30, VM,    \
	  SLOT, STEPS, NOTHING, NOTHING)                                                        \
	X(run, "run", "what was begun goes on", 40, VM, AGENT, STEPS, NOTHING, NOTHING)          \
	X(inhibit, "inhibit", "a range is to be mapped by 4 KiB from now on", 1, VM, SLOT,       \
	  OFFSET, LENGTH, NOTHING)                                                              \
	X(refuse, "refuse", "the module will refuse a call about memory", 10, CALL, HOW, AFTER,  \
	  NOTHING, NOTHING)                                                                     \
	X(refuse_life, "refuse-life", "the same, about a TD's life", 3, LIFE, HOW, AFTER,        \
	  NOTHING, NOTHING)                                                                     \
	X(shortage, "shortage", "after so many more pages so many are not to be had", 4, LEFT,   \
	  FAILS, NOTHING, NOTHING, NOTHING)

#define OP_DECLARE(function, name, about, weight, a, b, c, d, e)                                \
	static bool op_##function(struct private_host *host, const uint8_t *args);
PRIVATE_OPS(OP_DECLARE)
#undef OP_DECLARE

/* The names of arguments. */
#define NAME_NOTHING NULL
#define NAME_VM "vm"
#define NAME_VCPU "vcpu"
#define NAME_SLOT "slot"
#define NAME_PAGE "page"
#define NAME_OFFSET "offset"
#define NAME_LENGTH "length"
#define NAME_LEVEL "level"
#define NAME_OPEN "open"
#define NAME_AGENT "agent"
#define NAME_STEPS "steps"
#define NAME_CALL "call"
#define NAME_LIFE "life"
#define NAME_HOW "how"
#define NAME_AFTER "after"
#define NAME_LEFT "left"
#define NAME_FAILS "fails"

static const uint8_t op_arguments[][VMM_ARGS] = {
#define OP_ARGUMENTS(function, name, about, weight, a, b, c, d, e) { a, b, c, d, e },
	PRIVATE_OPS(OP_ARGUMENTS)
#undef OP_ARGUMENTS
};

static bool (*const op_functions[])(struct private_host *host, const uint8_t *args) = {
#define OP_FUNCTION(function, name, about, weight, a, b, c, d, e) op_##function,
	PRIVATE_OPS(OP_FUNCTION)
#undef OP_FUNCTION
};

const struct vmm_op_info private_op_infos[] = {
#define OP_INFO(function, name, about, weight, a, b, c, d, e)                                   \
	{ name, { NAME_##a, NAME_##b, NAME_##c, NAME_##d, NAME_##e, NULL }, about, VMM_EITHER,  \
	  weight },
	PRIVATE_OPS(OP_INFO)
#undef OP_INFO
};

const unsigned int private_op_kinds = sizeof(op_functions) / sizeof(op_functions[0]);

unsigned int private_arg_limit(const struct vmm_config *config, unsigned int kind,
			       unsigned int arg)
{
	if (kind >= private_op_kinds || arg >= VMM_ARGS)
		return 0;
	switch ((enum argument)op_arguments[kind][arg]) {
	case NOTHING:
		return 0;
	case VM:
		return config->vms;
	case VCPU:
		return config->vcpus;
	case SLOT:
		return PRIVATE_SLOTS;
	case PAGE:
	case OFFSET:
		return OFFSETS;
	case LENGTH:
		return LENGTHS;
	case LEVEL:
		return LEVELS;
	case OPEN:
		return 2;
	case AGENT:
		return PRIVATE_AGENTS;
	case STEPS:
		return STEPS_LIMIT;
	case CALL:
		return OF_MEMORY;
	case LIFE:
		return REFUSABLE - OF_MEMORY;
	case HOW:
		return REFUSALS;
	case AFTER:
		return AFTER_MAX;
	case LEFT:
		return LEFT_MAX;
	case FAILS:
		return FAILS_MAX;
	}
	return 0;
}

const char *private_arg_word(unsigned int kind, unsigned int arg, unsigned int value)
{
	static const char *const offset_words[] = { "first page", "second page", "page 100",
						    "page 255", "page 256", "last page" };
	static const char *const length_words[] = { "1 page", "2 pages", "100", "256", "511", "512",
						    "513", "1023", "1024", "1500", "all" };
	static const char *const level_words[LEVELS] = { "4K", "2M", "4K, and the host has begun",
							 "2M, and the host has begun" };

	_Static_assert(sizeof(offset_words) / sizeof(char *) == OFFSETS, "a word for each");
	_Static_assert(sizeof(length_words) / sizeof(char *) == LENGTHS, "a word for each");
	switch ((enum argument)op_arguments[kind][arg]) {
	case PAGE:
	case OFFSET:
		return offset_words[value];
	case LENGTH:
		return length_words[value];
	case LEVEL:
		return level_words[value];
	case CALL:
		return tdx_call_name((enum tdx_call)refusable[value]);
	case LIFE:
		return tdx_call_name((enum tdx_call)refusable[OF_MEMORY + value]);
	case HOW:
		return tdx_status_name((enum tdx_status)refusals[value]);
	default:
		return NULL;
	}
}

/* --- who may --------------------------------------------------------------- */

static struct private_vm *live_vm(struct private_host *host, const uint8_t *args)
{
	struct private_vm *vm = &host->vm[args[0]];

	return vm->state == VM_LIVE ? vm : NULL;
}

static bool is_idle(const struct private_agent *agent)
{
	return agent->task == TASK_NONE;
}

static struct private_agent *life_of(struct private_vm *vm)
{
	return &vm->agent[PRIVATE_AGENTS - 1];
}

static struct private_agent *idle_walker(struct private_vm *vm)
{
	for (uint32_t i = 0; i < PRIVATE_WALKERS; i++)
		if (is_idle(&vm->agent[PRIVATE_VCPUS_MAX + i]))
			return &vm->agent[PRIVATE_VCPUS_MAX + i];
	return NULL;
}

static bool are_all_idle(const struct private_vm *vm)
{
	for (uint32_t i = 0; i < PRIVATE_AGENTS; i++)
		if (!is_idle(&vm->agent[i]))
			return false;
	return true;
}

static uint64_t gfn_at(uint8_t slot, uint8_t offset)
{
	return (uint64_t)slot * TDX_REGION_PAGES + offsets[offset];
}

static uint64_t end_at(uint64_t begin, uint8_t length)
{
	uint64_t end = begin + lengths[length];

	return end < PRIVATE_GFNS ? end : PRIVATE_GFNS;
}

/* --- the life of a VM ------------------------------------------------------ */

static bool op_create(struct private_host *host, const uint8_t *args)
{
	struct private_vm *vm = &host->vm[args[0]];

	if (vm->state != VM_NONE)
		return false;
	vm->state = VM_GOING;
	private_agent_begin(host, life_of(vm), TASK_CREATE, AT_life_alloc);
	life_of(vm)->stays_open = args[1];
	private_agent_run(host, life_of(vm), args[2]);
	return true;
}

/* A fault that is under way goes on as it is by then. */
static bool op_finalize(struct private_host *host, const uint8_t *args)
{
	struct private_vm *vm = &host->vm[args[0]];
	enum tdx_status status;

	if (vm->state != VM_BUILD)
		return false;
	status = tdx_mr_finalize(host->tdx, args[0]);
	if (private_judge(host, life_of(vm), TDX_CALL_MR_FINALIZE, status) == TDX_SUCCESS)
		vm->state = VM_LIVE;
	return true;
}

static bool op_destroy(struct private_host *host, const uint8_t *args)
{
	struct private_vm *vm = &host->vm[args[0]];

	if ((!has_memory(vm) && vm->state != VM_DEAD) || !are_all_idle(vm))
		return false;
	private_agent_begin(host, life_of(vm), TASK_DESTROY, AT_life_flush);
	private_agent_run(host, life_of(vm), args[1]);
	return true;
}

/* --- guests ---------------------------------------------------------------- */

static bool op_enter(struct private_host *host, const uint8_t *args)
{
	struct private_vm *vm = live_vm(host, args);
	const struct private_agent *agent = &host->vm[args[0]].agent[args[1]];
	enum tdx_status status;

	if (!vm || vm->is_stopped || !is_idle(agent) ||
	    tdx_vcpu_is_in_guest(host->tdx, args[0], args[1]))
		return false;
	status = tdx_vp_enter(host->tdx, args[0], args[1]);
	if (private_judge(host, agent, TDX_CALL_VP_ENTER, status) == TDX_SUCCESS)
		vm->vcpu[args[1]].is_associated = true;
	return true;
}

static bool op_exit(struct private_host *host, const uint8_t *args)
{
	if (!tdx_vcpu_is_in_guest(host->tdx, args[0], args[1]))
		return false;
	tdx_vp_exit(host->tdx, args[0], args[1]);
	return true;
}

static bool is_mapped(struct private_vm *vm, uint64_t gfn)
{
	const struct private_entry *middle = &vm->middle[gfn / TDX_REGION_PAGES];

	if (middle->kind != TDX_ENTRY_TABLE)
		return middle->kind == TDX_ENTRY_LEAF;
	return vm->leaf[gfn / TDX_REGION_PAGES][gfn % TDX_REGION_PAGES].kind == TDX_ENTRY_LEAF;
}

static void begin_fault(struct private_host *host, struct private_agent *agent, uint64_t gfn)
{
	private_agent_begin(host, agent, TASK_FAULT, AT_fault_fill);
	agent->begin = gfn;
	agent->end = gfn + 1;
}

static bool op_fault(struct private_host *host, const uint8_t *args)
{
	struct private_vm *vm = &host->vm[args[0]];
	struct private_agent *agent = &vm->agent[args[1]];
	uint64_t gfn = gfn_at(args[2], args[3]);

	if (!has_memory(vm) || !is_idle(agent) || gfn < vm->begin || gfn >= vm->end ||
	    vm->is_shared[gfn] || is_mapped(vm, gfn))
		return false;
	tdx_vp_exit(host->tdx, args[0], args[1]);
	begin_fault(host, agent, gfn);
	private_agent_run(host, agent, args[4]);
	return true;
}

/* A violation that carries the level of an ACCEPT is a fault like others. */
static void violated(struct private_host *host, const uint8_t *args, uint64_t gfn,
		     enum tdx_level level)
{
	struct private_vm *vm = &host->vm[args[0]];
	struct private_agent *agent = &vm->agent[args[1]];

	if (vm->state != VM_LIVE || !is_idle(agent) || gfn < vm->begin || gfn >= vm->end)
		return;
	begin_fault(host, agent, gfn);
	agent->accept = (enum tlbtag_level)level;
	agent->was_chosen = vm->chosen >> args[2] & 1;
	private_agent_run(host, agent, args[4] / 2);
}

static bool op_accept(struct private_host *host, const uint8_t *args)
{
	uint64_t gfn = gfn_at(args[2], args[3]);
	struct tdx_where where = { args[0], (enum tdx_level)(args[4] % 2), gfn };

	if (where.level == TDX_2M)
		where.gfn -= where.gfn % TDX_REGION_PAGES;
	if (!tdx_vcpu_is_in_guest(host->tdx, args[0], args[1]))
		return false;
	if (tdx_guest_accept(host->tdx, args[1], where) == TDX_EPT_VIOLATION)
		violated(host, args, gfn, where.level);
	return true;
}

static bool op_access(struct private_host *host, const uint8_t *args)
{
	uint64_t gfn = gfn_at(args[2], args[3]);
	uint32_t page = 0;

	if (!tdx_vcpu_is_in_guest(host->tdx, args[0], args[1]))
		return false;
	if (tdx_guest_access(host->tdx, args[0], args[1], gfn, &page) == TDX_SUCCESS &&
	    page != host->vm[args[0]].backing[gfn])
		private_wrong(host, VMM_TWICE, "guest page %u leads to page %u, not its own",
			      (unsigned int)gfn, page);
	return true;
}

/* --- walkers --------------------------------------------------------------- */

static void convert(struct private_host *host, struct private_agent *agent,
		    enum private_task task, const uint8_t *args)
{
	private_agent_begin(host, agent, task,
			    host->config.tdx.cache ? AT_convert_begin : AT_walk_mutex);
	agent->begin = gfn_at(args[1], args[2]);
	agent->end = end_at(agent->begin, args[3]);
	private_agent_run(host, agent, args[4]);
}

static bool op_convert(struct private_host *host, const uint8_t *args)
{
	struct private_vm *vm = live_vm(host, args);
	struct private_agent *agent = vm ? idle_walker(vm) : NULL;

	if (!agent)
		return false;
	convert(host, agent, TASK_CONVERT, args);
	return true;
}

static bool op_punch(struct private_host *host, const uint8_t *args)
{
	struct private_vm *vm = live_vm(host, args);
	struct private_agent *agent = vm ? idle_walker(vm) : NULL;

	if (!agent)
		return false;
	convert(host, agent, TASK_PUNCH, args);
	return true;
}

static bool op_privatise(struct private_host *host, const uint8_t *args)
{
	struct private_vm *vm = live_vm(host, args);
	uint64_t begin = gfn_at(args[1], args[2]);
	bool changed = false;

	if (!vm || vm->exclusive != PRIVATE_NOBODY || vm->shared_holders)
		return false;
	for (uint64_t gfn = begin; gfn < end_at(begin, args[3]); gfn++) {
		changed |= vm->is_shared[gfn];
		vm->is_shared[gfn] = false;
	}
	return changed;
}

/* Whoever knows before the guest does: an image that was measured by 4 KiB. */
static bool op_inhibit(struct private_host *host, const uint8_t *args)
{
	struct private_vm *vm = &host->vm[args[0]];
	uint64_t begin = gfn_at(args[1], args[2]);
	uint64_t end = end_at(begin, args[3]);

	if (!has_memory(vm) || vm->exclusive != PRIVATE_NOBODY || vm->shared_holders)
		return false;
	tlbtag_large_inhibit(&vm->large, begin, end);
	for (uint64_t gfn = begin; gfn < end; gfn++)
		if (gfn >= vm->begin && gfn < vm->end)
			vm->chosen |= 1u << gfn / TDX_REGION_PAGES;
	return true;
}

static bool split(struct private_host *host, const uint8_t *args, bool is_eager)
{
	struct private_vm *vm = live_vm(host, args);
	struct private_agent *agent = vm ? idle_walker(vm) : NULL;

	if (!agent || vm->middle[args[1]].kind != TDX_ENTRY_LEAF ||
	    (is_eager && (!host->config.tdx.cache || host->config.tdx.old)))
		return false;
	private_agent_begin(host, agent, is_eager ? TASK_EAGER : TASK_SPLIT, AT_walk_mutex);
	if (host->config.tdx.cache)
		agent->at = is_eager ? AT_eager_lock : AT_walk_lock;
	agent->begin = (uint64_t)args[1] * TDX_REGION_PAGES;
	agent->end = agent->begin + TDX_REGION_PAGES;
	agent->first = agent->begin;
	agent->booked = 1;
	private_agent_run(host, agent, args[2]);
	return true;
}

static bool op_split(struct private_host *host, const uint8_t *args)
{
	return split(host, args, false);
}

static bool op_eager(struct private_host *host, const uint8_t *args)
{
	return split(host, args, true);
}

static bool op_run(struct private_host *host, const uint8_t *args)
{
	struct private_agent *agent = &host->vm[args[0]].agent[args[1]];

	return !is_idle(agent) && private_agent_run(host, agent, args[2]);
}

/* --- what goes wrong ------------------------------------------------------- */

/* Few at a time: a module that refuses everything shows nothing. */
static bool may_refuse(const struct private_host *host, enum tdx_call call)
{
	uint32_t waiting = 0;

	for (uint32_t i = 0; i < REFUSABLE; i++)
		waiting += tdx_is_refusing(host->tdx, (enum tdx_call)refusable[i]);
	return waiting < REFUSALS_WAITING && !tdx_is_refusing(host->tdx, call);
}

static bool refuse(struct private_host *host, uint32_t index, const uint8_t *args)
{
	enum tdx_call call = (enum tdx_call)refusable[index];

	return may_refuse(host, call) &&
	       tdx_refuse(host->tdx, call, (enum tdx_status)refusals[args[1]], args[2]);
}

static bool op_refuse(struct private_host *host, const uint8_t *args)
{
	return refuse(host, args[0], args);
}

static bool op_refuse_life(struct private_host *host, const uint8_t *args)
{
	return refuse(host, OF_MEMORY + args[0], args);
}

static bool op_shortage(struct private_host *host, const uint8_t *args)
{
	if (host->fails)
		return false;
	host->left = args[0];
	host->fails = args[1] + 1u;
	return true;
}

/* --- applying -------------------------------------------------------------- */

static bool in_range(const struct private_host *host, const struct vmm_op *op)
{
	if (op->kind >= private_op_kinds)
		return false;
	for (unsigned int i = 0; i < VMM_ARGS; i++) {
		unsigned int limit = private_arg_limit(&host->config, op->kind, i);

		if (limit && op->arg[i] >= limit)
			return false;
	}
	return true;
}

int private_apply(struct private_host *host, const struct vmm_op *op, struct vmm_verdict *verdict)
{
	if (!in_range(host, op) || !op_functions[op->kind](host, op->arg))
		return 0;
	host->counts.steps++;
	private_look(host);
	if (host->verdict.wrong == VMM_FINE)
		return 1;
	if (verdict)
		*verdict = host->verdict;
	return -1;
}

/* --- the end of a story ---------------------------------------------------- */

static bool run_all(struct private_host *host)
{
	bool went = false;

	for (uint32_t vm = 0; vm < host->config.vms; vm++)
		for (uint32_t i = 0; i < PRIVATE_AGENTS; i++)
			went |= private_agent_run(host, &host->vm[vm].agent[i], 0);
	return went;
}

static void finish(struct private_host *host)
{
	while (host->verdict.wrong == VMM_FINE && run_all(host))
		;
	for (uint32_t vm = 0; vm < host->config.vms; vm++)
		if (!are_all_idle(&host->vm[vm]))
			private_wrong(host, VMM_STUCK, "VM %u: what was begun does not end", vm);
}

int private_settle(struct private_host *host, struct vmm_verdict *verdict)
{
	host->fails = 0;
	finish(host);
	private_look(host);
	for (uint8_t vm = 0; vm < host->config.vms && host->verdict.wrong == VMM_FINE; vm++) {
		const uint8_t args[VMM_ARGS] = { vm };

		op_destroy(host, args);
		finish(host);
	}
	private_look(host);
	private_look_for_leaks(host);
	if (host->verdict.wrong == VMM_FINE)
		return 0;
	if (verdict)
		*verdict = host->verdict;
	return -1;
}
