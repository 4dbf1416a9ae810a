/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Private memory of TDX guests as a world. Its host goes by the name of struct vmm
 * here, of which check/ knows nothing but pointers.
 */
#include "seed.h"
#include "world.h"

#include "../vmm/private.h"

static struct private_host *host_of(struct vmm *vmm)
{
	return (struct private_host *)(void *)vmm;
}

static struct vmm *create(const struct vmm_config *config)
{
	return (struct vmm *)(void *)private_create(config);
}

static void restart(struct vmm *vmm, const struct vmm_config *config)
{
	private_restart(host_of(vmm), config);
}

static void destroy(struct vmm *vmm)
{
	private_destroy(host_of(vmm));
}

static int apply(struct vmm *vmm, const struct vmm_op *op, struct vmm_verdict *verdict)
{
	return private_apply(host_of(vmm), op, verdict);
}

static int settle(struct vmm *vmm, struct vmm_verdict *verdict)
{
	return private_settle(host_of(vmm), verdict);
}

static const struct vmm_counts *counts(const struct vmm *vmm)
{
	return private_counts((const struct private_host *)(const void *)vmm);
}

static const char *policy_name(unsigned int policy)
{
	(void)policy;
	return "library";
}

/* Mostly a host as the code is meant for: pairs, huge pages, a module that checks. */
static void draw(struct seed *seed, struct vmm_config *config)
{
	struct vmm_private *tdx = &config->tdx;

	config->vms = (uint8_t)(1 + seed_chance(seed, 1, 3));
	config->vcpus = (uint8_t)(1 + seed_below(seed, 3));
	tdx->dynamic_pamt = seed_chance(seed, 7, 8);
	tdx->cache = seed_chance(seed, 1, 2);
	tdx->sweep = seed_chance(seed, 1, 2);
	tdx->huge = seed_chance(seed, 7, 8);
	tdx->near = seed_chance(seed, 1, 3);
	tdx->contended = seed_chance(seed, 1, 2);
	tdx->restless = seed_chance(seed, 1, 2);
	tdx->trusting = seed_chance(seed, 1, 4);
	tdx->erratum = seed_chance(seed, 1, 2);
	tdx->interruptible = seed_chance(seed, 1, 8);
	tdx->small = (uint8_t)(1 + seed_below(seed, 8));
	tdx->regions = (uint8_t)(tdx->small + 2 + seed_below(seed, 6));
	tdx->yield = seed_chance(seed, 1, 2);
	tdx->careless = seed_chance(seed, 1, 4);
	tdx->ragged = seed_chance(seed, 1, 4);
}

const struct check_world *check_world_private(void)
{
	static struct check_world world = {
		.is_private = true,
		.infos = private_op_infos,
		.faults = private_faults,
		.config_init = private_config_init,
		.config_suit = private_config_suit,
		.config_check = private_config_check,
		.config_draw = draw,
		.policy_name = policy_name,
		.policies = 1,
		.arg_limit = private_arg_limit,
		.arg_word = private_arg_word,
		.wrong_name = private_wrong_name,
		.wrong_meaning = private_wrong_meaning,
		.create = create,
		.restart = restart,
		.destroy = destroy,
		.apply = apply,
		.settle = settle,
		.counts = counts,
	};

	world.kinds = private_op_kinds;
	world.fault_count = private_fault_count;
	return &world;
}
