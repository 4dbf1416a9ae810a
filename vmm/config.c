/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which worlds can be, and which an exhibit needs.
 */
#include "inside.h"

void vmm_config_init(struct vmm_config *config)
{
	*config = (struct vmm_config){
		.flush_by_asid = true,
		.l0_nested_paging = true,
		.l1_nested_paging = true,
		.contexts = 1,
		.tags = 16,
		.cpus = 2,
		.vms = 2,
		.vcpus = 2,
		.speculation = MACHINE_SPECULATE_ALWAYS,
		.seed = 1,
		.rule_off = UINT32_MAX,
		.fault = VMM_FAULT_NONE,
	};
}

static bool shares_by_policy(const struct vmm_config *config)
{
	return config->policy == VMM_POLICY_ONE_TAG || config->policy == VMM_POLICY_VM_L2_TAG;
}

const char *vmm_config_check(const struct vmm_config *config)
{
	if (config->intel && !config->flush_by_asid)
		return "on Intel there is always a flush by VPID";
	if (config->intel && config->invlpga_broken)
		return "INVLPGA is AMD's";
	if (config->intel && config->policy != VMM_POLICY_LIBRARY)
		return "the peers' policies are for AMD";
	if (config->ept_ad && !(config->intel && config->l0_nested_paging))
		return "only EPTs of L0 have accessed and dirty flags";
	if (config->fault < vmm_fault_count &&
	    !vmm_is_vendors(config, vmm_faults[config->fault].vendor))
		return "this mistake is the other vendor's";
	if (config->l1_nested_paging && !config->l0_nested_paging)
		return "L1 has nested paging only if L0 has";
	if (config->pcid && !config->l0_nested_paging)
		return "guests have PCIDs only if L0 has nested paging";
	if (config->contexts < 1 || config->contexts > TLBTAG_L2_MAX)
		return "there are 1 to 8 L2 contexts";
	if (config->tags < 1 || config->tags > VMM_TAGS_MAX)
		return "there are 1 to 64 tags";
	if (config->cpus < 1 || config->cpus > VMM_CPUS_MAX)
		return "there are 1 to 4 CPUs";
	if (config->vms < 1 || config->vms > VMM_VMS_MAX)
		return "there are 1 to 3 VMs";
	if (config->vcpus < 1 || config->vcpus > VMM_VCPUS_MAX)
		return "there are 1 to 4 vCPUs in each VM";
	if (config->speculation > MACHINE_SPECULATE_ALWAYS)
		return "speculation is 0, 1 or 2";
	if (config->policy >= VMM_POLICIES)
		return "there is no such policy";
	if (config->policy != VMM_POLICY_LIBRARY && !config->invlpga_broken)
		return "the peers make no use of INVLPGA";
	if (config->policy == VMM_POLICY_ONE_TAG && config->shared_tag)
		return "one tag for L1 and L2 is one for each vCPU";
	if (shares_by_policy(config) && config->contexts != 1)
		return "a policy with one tag for several guests leaves one L2 context";
	if (shares_by_policy(config) && config->tags < 4 * config->vms * config->vcpus)
		return "a policy with one tag for several guests needs 4 tags for each vCPU";
	if (config->rule_off != UINT32_MAX && config->rule_off >= TLBTAG_RULE_COUNT)
		return "there is no such rule";
	if (config->fault != VMM_FAULT_NONE && config->fault >= vmm_fault_count)
		return "there is no such fault";
	return NULL;
}

/* --- exhibits --- */

/* The peers' policies have one L2 context, no use for INVLPGA and many tags. */
static void suit_policy(struct vmm_config *config, enum vmm_policy policy)
{
	config->policy = (uint8_t)policy;
	config->invlpga_broken = true;
	config->shared_tag = policy == VMM_POLICY_OWNER_TABLE;
	config->contexts = 1;
	config->tags = VMM_TAGS_MAX;
}

/* Exhibits that are mistakes in a peer's policy. */
static void suit_peer(struct vmm_config *config, uint32_t fault)
{
	switch (fault) {
	case FAULT_OWNER_SLOT:
		suit_policy(config, VMM_POLICY_OWNER_TABLE);
		break;
	case FAULT_OWNER_AT_LOAD:
		suit_policy(config, VMM_POLICY_VM_L2_TAG);
		config->vcpus = 2;
		break;
	case FAULT_SHARED_LEVELS_ENTRY:
	case FAULT_SHARED_LEVELS_EXIT:
	case FAULT_SHARED_LEVELS_LEAVE:
		suit_policy(config, VMM_POLICY_ONE_TAG);
		break;
	case FAULT_WRAP_ASID:
	case FAULT_WRAP_UNNOTICED:
		suit_policy(config, VMM_POLICY_GENERATIONS);
		config->tags = 4;
		break;
	}
}

/* Those that need some kind of paging, or INVLPGA to work or not. */
static void suit_paging(struct vmm_config *config, uint32_t fault)
{
	switch (fault) {
	case FAULT_ROOT_BEFORE:
	case FAULT_ROOT_BY_VPID:
	case FAULT_INVEPT_TYPE:
		config->l0_nested_paging = true;
		break;
	case FAULT_ROOT_REUSED:
	case FAULT_INVEPT_SHADOW:
		config->l0_nested_paging = true;
		config->l1_nested_paging = true;
		break;
	case FAULT_VPID_SHARED:
		config->l1_nested_paging = false;
		break;
	case FAULT_ADDRESS_ERRATUM:
		config->invlpga_broken = true;
		break;
	case FAULT_ADDRESS_PLACE:
	case FAULT_ADDRESS_LEVEL:
	case FAULT_FLUSH_FIRST_PAGE:
		config->invlpga_broken = false;
		break;
	}
}

/* Those that need scarce tags, or many, or shared ones. */
static void suit_tags(struct vmm_config *config, uint32_t fault)
{
	switch (fault) {
	case FAULT_OWNER_UNCHECKED:
		config->shared_tag = true;
		break;
	case FAULT_NEVER_RETAGGED:
		config->shared_tag = false;
		break;
	case FAULT_VPID_SHARED:
		config->tags = 1;
		break;
	case FAULT_CLEAN_BIT:
		config->contexts = 2;
		break;
	case FAULT_SHORT_INDEX:
	case FAULT_NARROW_TAG:
		config->tags = 16;
		break;
	}
}

void vmm_config_suit(struct vmm_config *config, uint32_t fault)
{
	config->fault = fault;
	if (fault < vmm_fault_count && vmm_faults[fault].vendor != VMM_EITHER)
		config->intel = vmm_faults[fault].vendor == VMM_INTEL;
	if (config->policy != VMM_POLICY_LIBRARY)
		suit_policy(config, (enum vmm_policy)config->policy);
	suit_peer(config, fault);
	suit_paging(config, fault);
	suit_tags(config, fault);
}
