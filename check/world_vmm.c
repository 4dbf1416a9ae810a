/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The model hypervisor as a world. In a file of its own: tests with a world of
 * theirs are not linked with vmm/.
 */
#include "world.h"

const struct check_world *check_world_vmm(void)
{
	static struct check_world world = {
		.infos = vmm_op_infos,
		.faults = vmm_faults,
		.config_init = vmm_config_init,
		.config_suit = vmm_config_suit,
		.config_check = vmm_config_check,
		.policy_name = vmm_policy_name,
		.policies = VMM_POLICIES,
		.arg_limit = vmm_arg_limit,
		.wrong_name = vmm_wrong_name,
		.create = vmm_create,
		.restart = vmm_restart,
		.destroy = vmm_destroy,
		.apply = vmm_apply,
		.settle = vmm_settle,
		.counts = vmm_counts,
		.digest = vmm_digest,
	};

	world.kinds = vmm_op_kinds;
	world.fault_count = vmm_fault_count;
	return &world;
}
