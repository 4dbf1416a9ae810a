/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sim port: rule switches and counted warnings.
 */
#include <tlbtag_port.h>
#include <tlbtag/rules.h>

_Static_assert((unsigned int)TLBTAG_RULE_ALL <= TLBTAG_SIM_RULES_MAX, "too many rules");

uint64_t tlbtag_sim_rules_off[TLBTAG_SIM_RULES_MAX / 64];

static unsigned int warnings;
static unsigned int warnings_unseen;
static const char *last_warning;

void tlbtag_sim_rule_off(unsigned int rule)
{
	__atomic_fetch_or(&tlbtag_sim_rules_off[rule / 64], UINT64_C(1) << (rule % 64),
			  __ATOMIC_RELAXED);
}

void tlbtag_sim_rule_on(unsigned int rule)
{
	__atomic_fetch_and(&tlbtag_sim_rules_off[rule / 64], ~(UINT64_C(1) << (rule % 64)),
			   __ATOMIC_RELAXED);
}

void tlbtag_sim_rule_all_on(void)
{
	for (unsigned int word = 0; word < TLBTAG_SIM_RULES_MAX / 64; word++)
		tlbtag_store_relaxed(&tlbtag_sim_rules_off[word], 0);
}

void tlbtag_port_warn(const char *what)
{
	tlbtag_store_relaxed(&last_warning, what);
	__atomic_fetch_add(&warnings, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&warnings_unseen, 1, __ATOMIC_RELAXED);
}

unsigned int tlbtag_sim_warnings(void)
{
	tlbtag_store_relaxed(&warnings_unseen, 0);
	return tlbtag_load_relaxed(&warnings);
}

void tlbtag_sim_warnings_reset(void)
{
	tlbtag_store_relaxed(&warnings, 0);
	tlbtag_store_relaxed(&warnings_unseen, 0);
	tlbtag_store_relaxed(&last_warning, NULL);
}

unsigned int tlbtag_sim_warnings_unseen(void)
{
	return tlbtag_load_relaxed(&warnings_unseen);
}

const char *tlbtag_sim_last_warning(void)
{
	return tlbtag_load_relaxed(&last_warning);
}
