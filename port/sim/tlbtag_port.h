/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sim port: the posix port for tests and the lab. Two things differ: each
 * rule can be switched off at run time, and every warning is counted rather
 * than printed once. The contract of every symbol is in port/README.md.
 *
 * TLBTAG_RULE(FIRST_USE) needs TLBTAG_RULE_FIRST_USE of <tlbtag/rules.h>, which
 * whoever consults a rule includes; this header cannot, since every header of
 * the library includes this one first.
 */
#ifndef TLBTAG_SIM_PORT_H
#define TLBTAG_SIM_PORT_H

#include "../posix/tlbtag_port.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How many rules there can be; port.c asserts that there are not more. */
#define TLBTAG_SIM_RULES_MAX 256u

/* One bit a rule, 1 = switched off. */
extern uint64_t tlbtag_sim_rules_off[TLBTAG_SIM_RULES_MAX / 64];

static inline bool tlbtag_sim_rule_is_on(unsigned int rule)
{
	return !(tlbtag_load_relaxed(&tlbtag_sim_rules_off[rule / 64]) >> (rule % 64) & 1);
}

#undef TLBTAG_RULE
#define TLBTAG_RULE(id) tlbtag_sim_rule_is_on(TLBTAG_RULE_##id)

/* Switch one rule off, on again, or all of them on; any thread. */
void tlbtag_sim_rule_off(unsigned int rule);
void tlbtag_sim_rule_on(unsigned int rule);
void tlbtag_sim_rule_all_on(void);

/* Once per place would hide a second, expected warning from a test. */
#undef tlbtag_warn_once
#define tlbtag_warn_once(condition, what)            \
	({                                           \
		bool tlbtag_failed_ = (condition);   \
		if (tlbtag_unlikely(tlbtag_failed_)) \
			tlbtag_port_warn(what);      \
		tlbtag_failed_;                      \
	})

/* How many warnings there were since the start or the last reset. */
unsigned int tlbtag_sim_warnings(void);
void tlbtag_sim_warnings_reset(void);

/*
 * How many nobody has looked at since with one of the two above: the test
 * harness fails a test that leaves some.
 */
unsigned int tlbtag_sim_warnings_unseen(void);

/* The text of the last warning, or NULL. */
const char *tlbtag_sim_last_warning(void);

#ifdef __cplusplus
}
#endif

#endif
