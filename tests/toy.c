/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The toy world.
 */
#include "toy.h"

#include <stdlib.h>
#include <string.h>

struct copy {
	bool there;
	uint8_t value;
	uint32_t filled_at;
};

struct vmm {
	struct vmm_config config;
	struct vmm_counts counts;
	uint8_t page[TOY_PAGES];
	uint32_t stored_at[TOY_PAGES];
	struct copy copy[8][TOY_PAGES];
	bool taken[TOY_SLOTS];
};

static const struct vmm_op_info toy_infos[] = {
	{ "load", { "cpu", "page", NULL }, "a CPU reads a page", VMM_EITHER, 8 },
	{ "store", { "page", "value", NULL }, "a page changes", VMM_EITHER, 8 },
	{ "flush", { "cpu", NULL }, "a CPU forgets all copies", VMM_EITHER, 2 },
	{ "noise", { "much", "little", NULL }, "nothing", VMM_EITHER, 8 },
	{ "take", { "slot", NULL }, "a slot is taken", VMM_EITHER, 1 },
	{ "give", { "slot", NULL }, "it is given back", VMM_EITHER, 1 },
};

static const struct vmm_fault toy_faults[] = {
	{ "spares-cpu-1", VMM_EITHER, "a store leaves the copies of CPU 1", "made up", "P1" },
	{ "harmless", VMM_EITHER, "nothing is wrong with this", "made up", "P1" },
};

static void toy_config_init(struct vmm_config *config)
{
	*config = (struct vmm_config){
		.flush_by_asid = true, .l0_nested_paging = true, .l1_nested_paging = true,
		.contexts = 1, .tags = 1, .cpus = 2, .vms = 1, .vcpus = 1,
		.rule_off = UINT32_MAX, .fault = VMM_FAULT_NONE,
	};
}

static void toy_config_suit(struct vmm_config *config, uint32_t fault)
{
	config->fault = fault;
	if (config->cpus < 2)
		config->cpus = 2;
}

static const char *toy_policy_name(unsigned int policy)
{
	return policy ? "other" : "usual";
}

static const char *toy_config_check(const struct vmm_config *config)
{
	if (!config->cpus || config->cpus > 8)
		return "1 to 8 CPUs";
	if (!config->contexts || !config->tags || !config->vms || !config->vcpus)
		return "at least one of everything";
	return NULL;
}

static unsigned int toy_arg_limit(const struct vmm_config *config, unsigned int kind,
				  unsigned int arg)
{
	static const uint8_t limits[][2] = {
		{ 0, TOY_PAGES }, { TOY_PAGES, TOY_VALUES }, { 0, 0 },
		{ 200, 2 }, { TOY_SLOTS, 0 }, { TOY_SLOTS, 0 },
	};

	if (arg >= 2)
		return 0;
	if ((kind == TOY_LOAD || kind == TOY_FLUSH) && !arg)
		return config->cpus;
	return limits[kind][arg];
}

static const char *toy_wrong_name(enum vmm_wrong wrong)
{
	if (wrong == VMM_LATE)
		return "late";
	return wrong == VMM_LEAK ? "leak" : "other";
}

static void toy_restart(struct vmm *vmm, const struct vmm_config *config)
{
	memset(vmm, 0, sizeof(*vmm));
	vmm->config = *config;
}

static struct vmm *toy_create(const struct vmm_config *config)
{
	struct vmm *vmm = malloc(sizeof(*vmm));

	if (vmm)
		toy_restart(vmm, config);
	return vmm;
}

static void toy_destroy(struct vmm *vmm)
{
	free(vmm);
}

static int load(struct vmm *vmm, uint8_t cpu, uint8_t page, struct vmm_verdict *verdict)
{
	struct copy *copy = &vmm->copy[cpu][page];

	vmm->counts.accesses++;
	if (vmm->config.forgetful)
		memset(vmm->copy[cpu], 0, sizeof(vmm->copy[cpu]));
	if (copy->there && copy->value != vmm->page[page]) {
		*verdict = (struct vmm_verdict){
			.wrong = VMM_LATE, .cpu = cpu, .level = 1, .address = page,
			.filled_at = copy->filled_at, .due_at = vmm->stored_at[page],
			.rule = 0, .words = "a copy is older than the page\nand nobody cared\n",
		};
		return -1;
	}
	if (!copy->there)
		*copy = (struct copy){ true, vmm->page[page], (uint32_t)vmm->counts.steps };
	return 1;
}

static int store(struct vmm *vmm, uint8_t page, uint8_t value)
{
	vmm->page[page] = value;
	vmm->stored_at[page] = (uint32_t)vmm->counts.steps;
	for (unsigned int cpu = 0; cpu < vmm->config.cpus; cpu++)
		if (vmm->config.fault != 0 || cpu != 1)
			vmm->copy[cpu][page].there = false;
	return 1;
}

static int flush(struct vmm *vmm, uint8_t cpu)
{
	bool any = false;

	for (unsigned int page = 0; page < TOY_PAGES; page++)
		any |= vmm->copy[cpu][page].there;
	memset(vmm->copy[cpu], 0, sizeof(vmm->copy[cpu]));
	return any;
}

static int take(struct vmm *vmm, uint8_t slot, bool taken)
{
	if (vmm->taken[slot] == taken)
		return 0;
	vmm->taken[slot] = taken;
	return 1;
}

static int toy_try(struct vmm *vmm, const struct vmm_op *op, struct vmm_verdict *verdict)
{
	switch ((enum toy_kind)op->kind) {
	case TOY_LOAD:
		return load(vmm, op->arg[0], op->arg[1], verdict);
	case TOY_STORE:
		return store(vmm, op->arg[0], op->arg[1]);
	case TOY_FLUSH:
		return flush(vmm, op->arg[0]);
	case TOY_NOISE:
		return 1;
	case TOY_TAKE:
		return take(vmm, op->arg[0], true);
	case TOY_GIVE:
		return take(vmm, op->arg[0], false);
	}
	return 0;
}

static int toy_apply(struct vmm *vmm, const struct vmm_op *op, struct vmm_verdict *verdict)
{
	int result;

	vmm->counts.steps++;
	result = toy_try(vmm, op, verdict);
	vmm->counts.steps -= !result;
	return result;
}

static int toy_settle(struct vmm *vmm, struct vmm_verdict *verdict)
{
	if (vmm->config.contexts != 4 || !(vmm->taken[0] || vmm->taken[1]))
		return 0;
	*verdict = (struct vmm_verdict){
		.wrong = VMM_LEAK, .due_at = VMM_STEP_NONE, .rule = UINT32_MAX
	};
	return -1;
}

static const struct vmm_counts *toy_counts(const struct vmm *vmm)
{
	return &vmm->counts;
}

/* The state as a number: exact, so equal only for equal states. */
static uint64_t toy_digest(const struct vmm *vmm)
{
	uint64_t digest = vmm->taken[0] + 2u * vmm->taken[1];

	for (unsigned int page = 0; page < TOY_PAGES; page++)
		digest = digest * TOY_VALUES + vmm->page[page];
	for (unsigned int cpu = 0; cpu < vmm->config.cpus; cpu++)
		for (unsigned int page = 0; page < TOY_PAGES; page++) {
			const struct copy *copy = &vmm->copy[cpu][page];

			digest = digest * (TOY_VALUES + 1) + (copy->there ? 1 + copy->value : 0);
		}
	return digest;
}

const struct check_world toy_world = {
	.infos = toy_infos,
	.kinds = sizeof(toy_infos) / sizeof(toy_infos[0]),
	.faults = toy_faults,
	.fault_count = sizeof(toy_faults) / sizeof(toy_faults[0]),
	.config_init = toy_config_init,
	.config_suit = toy_config_suit,
	.config_check = toy_config_check,
	.policy_name = toy_policy_name,
	.policies = 2,
	.arg_limit = toy_arg_limit,
	.wrong_name = toy_wrong_name,
	.create = toy_create,
	.restart = toy_restart,
	.destroy = toy_destroy,
	.apply = toy_apply,
	.settle = toy_settle,
	.counts = toy_counts,
	.digest = toy_digest,
};
