/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * account: pages charged and uncharged, by kind.
 */
#include <tlbtag/account.h>

#include <errno.h>

#include "test.h"

static const enum tlbtag_page_kind kinds[] = { TLBTAG_KIND_SEPT, TLBTAG_KIND_PAMT,
					       TLBTAG_KIND_CONTROL };

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* Guards A1, A2. */
TEST(account_keeps_each_kind_and_its_peak)
{
	struct tlbtag_account account = { 0 };
	uint32_t now[TLBTAG_KINDS] = { 0 };
	uint32_t max[TLBTAG_KINDS] = { 0 };

	for (uint32_t turn = 0; turn < 3000; turn++) {
		enum tlbtag_page_kind kind = kinds[turn % KINDS];
		uint32_t count = turn * 7 % 11;

		if (turn * 5 % 9 < 5) {
			CHECK_EQ(tlbtag_account_charge(&account, kind, count), 0);
			now[kind] += count;
		} else if (count <= now[kind]) {
			CHECK_EQ(tlbtag_account_uncharge(&account, kind, count), 0);
			now[kind] -= count;
		}
		max[kind] = now[kind] > max[kind] ? now[kind] : max[kind];
		CHECK_EQ(account.now[kind], now[kind]);
		CHECK_EQ(account.max[kind], max[kind]);
	}
	CHECK_EQ(account.now[TLBTAG_KIND_NONE], 0);
}

/* Guards A1. */
TEST(account_wrong_calls_warn_and_change_nothing)
{
	struct tlbtag_account account = { 0 };

	CHECK_EQ(tlbtag_account_charge(&account, TLBTAG_KIND_NONE, 1), -EINVAL);
	CHECK_EQ(tlbtag_account_uncharge(&account, TLBTAG_KIND_NONE, 0), -EINVAL);
	CHECK_EQ(tlbtag_account_uncharge(&account, TLBTAG_KIND_PAMT, 1), -EINVAL);
	CHECK_EQ(tlbtag_account_charge(&account, TLBTAG_KIND_PAMT, UINT32_MAX), 0);
	CHECK_EQ(tlbtag_account_charge(&account, TLBTAG_KIND_PAMT, 1), -EINVAL);
	CHECK_EQ(account.now[TLBTAG_KIND_PAMT], UINT32_MAX);
	CHECK_EQ(tlbtag_account_uncharge(&account, TLBTAG_KIND_PAMT, UINT32_MAX), 0);
	CHECK_EQ(account.now[TLBTAG_KIND_PAMT], 0);
	CHECK_EQ(tlbtag_sim_warnings(), 4);
}
