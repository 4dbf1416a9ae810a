/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A world of private memory: made, made anew, and what it can be made of.
 */
#include "private_inside.h"

#include <stdlib.h>
#include <string.h>

#define REGIONS_MIN 3u
/* Memory that begins and ends within 2 MiB. */
#define RAGGED_BEGIN 100u
#define RAGGED_END (PRIVATE_GFNS - TDX_REGION_PAGES / 2)

const struct vmm_fault private_faults[] = {
#define FAULT_ROW(id, name, statement, source, rule)                                            \
	{ name, VMM_EITHER, statement, source, rule },
	PRIVATE_FAULTS(FAULT_ROW)
#undef FAULT_ROW
};

const unsigned int private_fault_count = PRIVATE_FAULT_COUNT;

/* --- configurations -------------------------------------------------------- */

void private_config_init(struct vmm_config *config)
{
	*config = (struct vmm_config){
		.contexts = 1, .tags = 1, .cpus = 1, .vms = 1, .vcpus = 2,
		.rule_off = UINT32_MAX, .fault = VMM_FAULT_NONE,
		.tdx = { .dynamic_pamt = true, .huge = true, .regions = 8, .small = 4 },
	};
}

/* Is it a defect of the old path? Of the cache that went with it? */
static bool is_of_old(uint32_t fault)
{
	return fault == PRIVATE_FAULT_RETRY_PAIR || fault == PRIVATE_FAULT_LOCK_OVER_KICK ||
	       fault == PRIVATE_FAULT_LEFT_BLOCKED || fault == PRIVATE_FAULT_PUBLISHED ||
	       fault == PRIVATE_FAULT_UNDO_REMOVES;
}

static bool is_of_cache(uint32_t fault)
{
	return is_of_old(fault) || fault == PRIVATE_FAULT_OVERFILL ||
	       fault == PRIVATE_FAULT_UNCHARGED;
}

void private_config_suit(struct vmm_config *config, uint32_t fault)
{
	config->tdx.huge = true;
	if (fault == PRIVATE_FAULT_INTERRUPTED)
		config->tdx.interruptible = true;
	if (is_of_cache(fault)) {
		config->tdx.cache = true;
		config->tdx.dynamic_pamt = true;
	}
	config->tdx.old |= is_of_old(fault);
}

const char *private_config_check(const struct vmm_config *config)
{
	if (!config->vms || config->vms > PRIVATE_VMS_MAX)
		return "vms must be 1 or 2";
	if (!config->vcpus || config->vcpus > PRIVATE_VCPUS_MAX)
		return "vcpus must be 1 to 3";
	if (config->tdx.regions < REGIONS_MIN || config->tdx.regions > PRIVATE_REGIONS_MAX)
		return "regions must be 3 to 16";
	if (!config->tdx.small || config->tdx.small >= config->tdx.regions)
		return "small must be 1 or more, and less than regions";
	if (config->rule_off != UINT32_MAX &&
	    (config->rule_off < TLBTAG_RULE_COUNT || config->rule_off >= TLBTAG_RULE_ALL))
		return "rule_off must be a rule of private memory";
	if (config->fault != VMM_FAULT_NONE && config->fault >= PRIVATE_FAULT_COUNT)
		return "there is no such fault";
	if (config->tdx.old && !config->tdx.cache)
		return "old=1 takes cache=1";
	if (is_of_cache(config->fault) && !config->tdx.cache)
		return "this fault is one of cache=1";
	if (is_of_old(config->fault) && !config->tdx.old)
		return "this fault is one of old=1";
	return NULL;
}

static void module_config(const struct vmm_config *config, struct tdx_config *module)
{
	tdx_config_init(module);
	module->regions = config->tdx.regions;
	module->slots = PRIVATE_SLOTS;
	module->slots_per_table = PRIVATE_SLOTS_PER_TABLE;
	module->tds = config->vms;
	module->vcpus = config->vcpus;
	module->tdcs_pages = PRIVATE_TDCS;
	module->tdcx_pages = PRIVATE_TDCX;
	module->dynamic_pamt = config->tdx.dynamic_pamt;
	module->demote_interruptible = config->tdx.interruptible;
	module->trusting = config->tdx.trusting;
	module->contended = config->tdx.contended;
	module->erratum = config->tdx.erratum;
}

/* --- VMs and hosts --------------------------------------------------------- */

/* What the host takes the module for. */
static uint64_t features_of(const struct private_host *host)
{
	uint64_t features = tdx_features(host->tdx);

	return has_fault(host, PRIVATE_FAULT_INTERRUPTED) ? UINT64_MAX : features;
}

void private_vm_reset(struct private_host *host, struct private_vm *vm)
{
	uint8_t nr = (uint8_t)(vm - host->vm);
	bool is_dynamic = host->config.tdx.dynamic_pamt;
	uint32_t min = tlbtag_pages_fault_min(is_dynamic, PRIVATE_LEVELS);

	memset(vm, 0, sizeof(*vm));
	vm->nr = nr;
	vm->exclusive = PRIVATE_NOBODY;
	vm->mutex = PRIVATE_NOBODY;
	vm->begin = host->config.tdx.ragged ? RAGGED_BEGIN : 0;
	vm->end = host->config.tdx.ragged ? RAGGED_END : PRIVATE_GFNS;
	tlbtag_large_init(&vm->large, vm->begin, vm->end, features_of(host), vm->large_words);
	tlbtag_supply_init(&vm->supply, host->config.tdx.cache ? TLBTAG_SUPPLY_CACHE :
								 TLBTAG_SUPPLY_RESERVE,
			   is_dynamic);
	for (uint32_t i = 0; i < PRIVATE_VCPUS_MAX; i++)
		tlbtag_pages_init(&vm->vcpu[i].cache, min);
	for (uint8_t i = 0; i < PRIVATE_AGENTS; i++) {
		vm->agent[i].nr = i;
		vm->agent[i].vm = nr;
	}
}

static void start(struct private_host *host, const struct vmm_config *config)
{
	struct tdx *tdx = host->tdx;

	memset(host, 0, sizeof(*host));
	host->tdx = tdx;
	host->config = *config;
	for (uint32_t region = 0; region < config->tdx.regions; region++)
		host->free_count[region] = TDX_REGION_PAGES;
	if (config->tdx.dynamic_pamt)
		tlbtag_pamt_init(&host->pamt, 0, config->tdx.regions, host->words);
	for (uint32_t vm = 0; vm < config->vms; vm++)
		private_vm_reset(host, &host->vm[vm]);
	tlbtag_sim_rule_all_on();
	if (config->rule_off != UINT32_MAX)
		tlbtag_sim_rule_off(config->rule_off);
	tlbtag_sim_warnings_reset();
}

struct private_host *private_create(const struct vmm_config *config)
{
	struct private_host *host = calloc(1, sizeof(*host));
	struct tdx_config module;

	if (!host)
		return NULL;
	module_config(config, &module);
	host->tdx = tdx_create(&module);
	if (!host->tdx) {
		free(host);
		return NULL;
	}
	start(host, config);
	return host;
}

/* The sizes of a module are fixed. */
static bool has_same_sizes(const struct vmm_config *a, const struct vmm_config *b)
{
	return a->tdx.regions == b->tdx.regions && a->vms == b->vms && a->vcpus == b->vcpus;
}

void private_restart(struct private_host *host, const struct vmm_config *config)
{
	struct tdx_config module;

	module_config(config, &module);
	if (has_same_sizes(&host->config, config)) {
		tdx_restart(host->tdx, &module);
	} else {
		tdx_destroy(host->tdx);
		host->tdx = tdx_create(&module);
		if (!host->tdx)
			abort();
	}
	start(host, config);
}

void private_destroy(struct private_host *host)
{
	if (!host)
		return;
	tdx_destroy(host->tdx);
	tlbtag_sim_rule_all_on();
	free(host);
}

const struct vmm_counts *private_counts(const struct private_host *host)
{
	return &host->counts;
}
