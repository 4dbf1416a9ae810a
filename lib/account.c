/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * account: pages of a VM, by kind. The contract is in the header.
 */
#include <tlbtag/account.h>

static bool is_kind(enum tlbtag_page_kind kind)
{
	return kind == TLBTAG_KIND_SEPT || kind == TLBTAG_KIND_PAMT ||
	       kind == TLBTAG_KIND_CONTROL;
}

/* A2: each charge raises it to its own result at least. */
static void raise_max(uint32_t *max, uint32_t to)
{
	uint32_t seen = tlbtag_load_relaxed(max);
	uint32_t old;

	/* Each turn but the last is another CPU's progress. */
	for (; seen < to; seen = old) {
		old = tlbtag_compare_exchange_seq(max, seen, to);
		if (old == seen)
			return;
	}
}

/* A1: one compare-exchange that goes from a right number to a right number. */
int tlbtag_account_charge(struct tlbtag_account *account, enum tlbtag_page_kind kind,
			  uint32_t count)
{
	uint32_t seen;
	uint32_t old;

	if (tlbtag_warn_once(!is_kind(kind), "account: a page of no kind"))
		return -EINVAL;
	for (seen = tlbtag_load_relaxed(&account->now[kind]);; seen = old) {
		if (tlbtag_warn_once(count > UINT32_MAX - seen, "A1: more pages than can be"))
			return -EINVAL;
		old = tlbtag_compare_exchange_seq(&account->now[kind], seen, seen + count);
		if (old == seen)
			break;
	}
	raise_max(&account->max[kind], seen + count);
	return 0;
}
TLBTAG_EXPORT(tlbtag_account_charge);

int tlbtag_account_uncharge(struct tlbtag_account *account, enum tlbtag_page_kind kind,
			    uint32_t count)
{
	uint32_t seen;
	uint32_t old;

	if (tlbtag_warn_once(!is_kind(kind), "account: a page of no kind"))
		return -EINVAL;
	for (seen = tlbtag_load_relaxed(&account->now[kind]);; seen = old) {
		if (tlbtag_warn_once(count > seen, "A1: more pages uncharged than charged"))
			return -EINVAL;
		old = tlbtag_compare_exchange_seq(&account->now[kind], seen, seen - count);
		if (old == seen)
			return 0;
	}
}
TLBTAG_EXPORT(tlbtag_account_uncharge);
