/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The list of policies and the names of reasons.
 */
#include "policy.h"

#include <string.h>

const struct policy_ops *const policies[] = {
	&policy_kvm,	&policy_rfc_v1, &policy_rfc_v2,	   &policy_xen,	   &policy_bhyve,
	&policy_nvmm,	&policy_tlbtag, &policy_tlbtag_k1, &policy_needed, &policy_needed_k1,
	NULL,
};

const struct policy_ops *policy_find(const char *name)
{
	for (size_t i = 0; policies[i]; i++)
		if (!strcmp(policies[i]->name, name))
			return policies[i];
	return NULL;
}

static const struct {
	const char *name;
	const char *meaning;
} reasons[] = {
#define REASON_TEXT(reason, name, meaning) { name, meaning },
	REASONS(REASON_TEXT)
#undef REASON_TEXT
};

const char *reason_name(enum reason reason)
{
	return reasons[reason].name;
}

const char *reason_meaning(enum reason reason)
{
	return reasons[reason].meaning;
}

enum reason reason_of(uint32_t why)
{
	return why ? (enum reason)__builtin_ctz(why) : REASON_UNKNOWN;
}
