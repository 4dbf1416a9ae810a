/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What an owner record should answer, by the definition: the last member on
 * each CPU, and the last CPU of each member.
 */
#ifndef OWNER_ORACLE_H
#define OWNER_ORACLE_H

#include <stdbool.h>
#include <stdint.h>

#define ORACLE_CPUS_MAX 64u
#define ORACLE_MEMBERS_MAX 512u
#define ORACLE_NOBODY UINT32_MAX

struct owner_oracle {
	uint32_t last_member[ORACLE_CPUS_MAX];
	uint32_t last_cpu[ORACLE_MEMBERS_MAX];
};

static inline void oracle_init(struct owner_oracle *oracle)
{
	for (uint32_t cpu = 0; cpu < ORACLE_CPUS_MAX; cpu++)
		oracle->last_member[cpu] = ORACLE_NOBODY;
	for (uint32_t member = 0; member < ORACLE_MEMBERS_MAX; member++)
		oracle->last_cpu[member] = ORACLE_NOBODY;
}

static inline bool oracle_is_other(const struct owner_oracle *oracle, uint32_t member,
				   uint32_t cpu)
{
	return oracle->last_member[cpu] != member || oracle->last_cpu[member] != cpu;
}

static inline void oracle_take(struct owner_oracle *oracle, uint32_t member, uint32_t cpu)
{
	oracle->last_member[cpu] = member;
	oracle->last_cpu[member] = cpu;
}

static inline void oracle_forget(struct owner_oracle *oracle, uint32_t member)
{
	oracle->last_cpu[member] = ORACLE_NOBODY;
}

#endif
