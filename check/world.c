/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What every world has in common.
 */
#include "world.h"

unsigned int check_world_args(const struct check_world *world, unsigned int kind)
{
	unsigned int count = 0;

	while (count < VMM_ARGS && world->infos[kind].args[count])
		count++;
	return count;
}

const char *check_world_check(const struct check_world *world)
{
	struct vmm_config config;

	if (!world->kinds || world->kinds > CHECK_KINDS_MAX)
		return "no operations, or too many kinds of them";
	world->config_init(&config);
	return world->config_check(&config);
}
