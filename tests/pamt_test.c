/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * pamt: counters of 2 MiB regions, one CPU after the other.
 */
#include <tlbtag/pamt.h>
#include <tlbtag/rules.h>

#include <errno.h>

#include "test.h"

#define FIRST_PFN (4u * TLBTAG_REGION_PAGES)
#define REGIONS 4u

struct host {
	struct tlbtag_pamt pamt;
	uint16_t words[REGIONS];
};

static void start(struct host *host)
{
	*host = (struct host){ 0 };
	CHECK_EQ(tlbtag_pamt_init(&host->pamt, FIRST_PFN, REGIONS, host->words), 0);
}

static void get_first(struct host *host, uint64_t pfn)
{
	CHECK_EQ(tlbtag_pamt_get(&host->pamt, pfn), TLBTAG_PAMT_ADD);
	CHECK_EQ(tlbtag_pamt_get_end(&host->pamt, pfn, true), 0);
}

TEST(pamt_init_refuses_and_leaves_the_counters_alone)
{
	struct tlbtag_pamt pamt = { 0 };
	uint16_t word = 0;

	CHECK_EQ(tlbtag_pamt_init(&pamt, 1, 1, &word), -EINVAL);
	CHECK_EQ(tlbtag_pamt_init(&pamt, 0, 0, &word), -EINVAL);
	CHECK_EQ(tlbtag_pamt_init(&pamt, 0, 1, NULL), -EINVAL);
	CHECK_EQ(tlbtag_pamt_init(&pamt, 512, UINT64_MAX / 512, &word), -EINVAL);
	CHECK(!tlbtag_pamt_is_dynamic(&pamt));
}

TEST(pamt_without_dynamic_pamt_every_step_is_done)
{
	struct tlbtag_pamt pamt = { 0 };

	CHECK(tlbtag_pamt_try_get(&pamt, 77));
	CHECK_EQ(tlbtag_pamt_get(&pamt, UINT64_MAX), TLBTAG_PAMT_DONE);
	CHECK_EQ(tlbtag_pamt_put(&pamt, 77), TLBTAG_PAMT_DONE);
	CHECK_EQ(tlbtag_pamt_split(&pamt, 512), 0);
	CHECK_EQ(tlbtag_pamt_uses(&pamt, 512), 0);
	CHECK(!tlbtag_pamt_is_installed(&pamt, 512));
}

/* Guards D1, D2, PAMT_LAST. */
TEST(pamt_first_use_adds_and_last_use_removes)
{
	struct host host;
	uint64_t pfn = FIRST_PFN + TLBTAG_REGION_PAGES;

	start(&host);
	CHECK(!tlbtag_pamt_try_get(&host.pamt, pfn));
	get_first(&host, pfn);
	CHECK(tlbtag_pamt_try_get(&host.pamt, pfn + 1));
	CHECK_EQ(tlbtag_pamt_get(&host.pamt, pfn + 511), TLBTAG_PAMT_DONE);
	CHECK_EQ(tlbtag_pamt_uses(&host.pamt, pfn), 3);
	CHECK(tlbtag_pamt_is_installed(&host.pamt, pfn + 9));
	CHECK_EQ(tlbtag_pamt_put(&host.pamt, pfn), TLBTAG_PAMT_DONE);
	CHECK_EQ(tlbtag_pamt_put(&host.pamt, pfn), TLBTAG_PAMT_DONE);
	CHECK_EQ(tlbtag_pamt_put(&host.pamt, pfn), TLBTAG_PAMT_REMOVE);
	CHECK(!tlbtag_pamt_is_installed(&host.pamt, pfn));
	CHECK_EQ(tlbtag_pamt_put_end(&host.pamt, pfn, true), 0);
	CHECK_EQ(host.words[0] | host.words[1] | host.words[2] | host.words[3], 0);
}

/* Guards D3, PAMT_CLOSED. */
TEST(pamt_region_is_closed_while_a_cpu_is_at_the_module)
{
	struct host host;

	start(&host);
	CHECK_EQ(tlbtag_pamt_get(&host.pamt, FIRST_PFN), TLBTAG_PAMT_ADD);
	CHECK(!tlbtag_pamt_try_get(&host.pamt, FIRST_PFN));
	CHECK_EQ(tlbtag_pamt_get(&host.pamt, FIRST_PFN), TLBTAG_PAMT_WAIT);
	CHECK_EQ(tlbtag_pamt_get_end(&host.pamt, FIRST_PFN, true), 0);
	CHECK_EQ(tlbtag_pamt_put(&host.pamt, FIRST_PFN), TLBTAG_PAMT_REMOVE);
	CHECK(!tlbtag_pamt_try_get(&host.pamt, FIRST_PFN));
	CHECK_EQ(tlbtag_pamt_get(&host.pamt, FIRST_PFN), TLBTAG_PAMT_WAIT);
	CHECK_EQ(tlbtag_pamt_put_end(&host.pamt, FIRST_PFN, true), 0);
	get_first(&host, FIRST_PFN);
}

/* Guards PAMT_ADDED. */
TEST(pamt_failed_add_leaves_no_use)
{
	struct host host;

	start(&host);
	CHECK_EQ(tlbtag_pamt_get(&host.pamt, FIRST_PFN), TLBTAG_PAMT_ADD);
	CHECK_EQ(tlbtag_pamt_get_end(&host.pamt, FIRST_PFN, false), 0);
	CHECK_EQ(tlbtag_pamt_uses(&host.pamt, FIRST_PFN), 0);
	CHECK(!tlbtag_pamt_is_installed(&host.pamt, FIRST_PFN));
	get_first(&host, FIRST_PFN);
}

/* Guards PAMT_STUCK. */
TEST(pamt_failed_remove_leaves_a_pair_that_is_used_again_and_removed_later)
{
	struct host host;

	start(&host);
	get_first(&host, FIRST_PFN);
	CHECK_EQ(tlbtag_pamt_put(&host.pamt, FIRST_PFN), TLBTAG_PAMT_REMOVE);
	CHECK_EQ(tlbtag_pamt_put_end(&host.pamt, FIRST_PFN, false), 0);
	CHECK_EQ(tlbtag_pamt_uses(&host.pamt, FIRST_PFN), 0);
	CHECK(tlbtag_pamt_is_installed(&host.pamt, FIRST_PFN));
	CHECK(tlbtag_pamt_try_get(&host.pamt, FIRST_PFN));
	CHECK_EQ(tlbtag_pamt_uses(&host.pamt, FIRST_PFN), 1);
	CHECK_EQ(tlbtag_pamt_put(&host.pamt, FIRST_PFN), TLBTAG_PAMT_REMOVE);
	CHECK_EQ(tlbtag_pamt_put_end(&host.pamt, FIRST_PFN, true), 0);
	CHECK_EQ(host.words[0], 0);
}

/* Guards D4. */
TEST(pamt_region_has_no_more_uses_than_pages)
{
	struct host host;

	start(&host);
	get_first(&host, FIRST_PFN);
	for (uint32_t use = 1; use < TLBTAG_REGION_PAGES; use++)
		CHECK(tlbtag_pamt_try_get(&host.pamt, FIRST_PFN + use));
	CHECK(!tlbtag_pamt_try_get(&host.pamt, FIRST_PFN));
	CHECK_EQ(tlbtag_pamt_get(&host.pamt, FIRST_PFN), TLBTAG_PAMT_REFUSED);
	CHECK_EQ(tlbtag_sim_warnings(), 1);
	CHECK_EQ(tlbtag_pamt_uses(&host.pamt, FIRST_PFN), TLBTAG_REGION_PAGES);
}

/* Guards D1, PAMT_SPLIT. */
TEST(pamt_split_counts_every_page_and_the_last_put_removes_once)
{
	struct host host;
	uint32_t removes = 0;

	start(&host);
	CHECK_EQ(tlbtag_pamt_split(&host.pamt, FIRST_PFN), 0);
	CHECK_EQ(tlbtag_pamt_uses(&host.pamt, FIRST_PFN), TLBTAG_REGION_PAGES);
	for (uint32_t page = 0; page < TLBTAG_REGION_PAGES; page++)
		removes += tlbtag_pamt_put(&host.pamt, FIRST_PFN + page) == TLBTAG_PAMT_REMOVE;
	CHECK_EQ(removes, 1);
	CHECK_EQ(tlbtag_pamt_put_end(&host.pamt, FIRST_PFN, true), 0);
	CHECK(!tlbtag_pamt_is_installed(&host.pamt, FIRST_PFN));
}

/* Guards PAMT_SPLIT. */
TEST(pamt_split_counted_short_ends_before_its_pages)
{
	struct host host;

	start(&host);
	tlbtag_sim_rule_off(TLBTAG_RULE_PAMT_SPLIT);
	CHECK_EQ(tlbtag_pamt_split(&host.pamt, FIRST_PFN), 0);
	CHECK_EQ(tlbtag_pamt_put(&host.pamt, FIRST_PFN), TLBTAG_PAMT_REMOVE);
}

TEST(pamt_wrong_calls_warn_and_change_nothing)
{
	struct host host;

	start(&host);
	CHECK_EQ(tlbtag_pamt_put(&host.pamt, FIRST_PFN), TLBTAG_PAMT_REFUSED);
	CHECK_EQ(tlbtag_pamt_get_end(&host.pamt, FIRST_PFN, true), -EINVAL);
	CHECK_EQ(tlbtag_pamt_put_end(&host.pamt, FIRST_PFN, false), -EINVAL);
	CHECK_EQ(tlbtag_pamt_split(&host.pamt, FIRST_PFN + 1), -EINVAL);
	CHECK_EQ(tlbtag_pamt_get(&host.pamt, FIRST_PFN - 1), TLBTAG_PAMT_REFUSED);
	CHECK_EQ(tlbtag_pamt_put(&host.pamt, UINT64_MAX), TLBTAG_PAMT_REFUSED);
	CHECK_EQ(tlbtag_pamt_get_end(&host.pamt, 0, true), -EINVAL);
	CHECK_EQ(tlbtag_pamt_split(&host.pamt, FIRST_PFN + REGIONS * TLBTAG_REGION_PAGES), -EINVAL);
	CHECK(!tlbtag_pamt_try_get(&host.pamt, 0));
	CHECK_EQ(tlbtag_sim_warnings(), 8);
	CHECK_EQ(host.words[0] | host.words[1] | host.words[2] | host.words[3], 0);
	get_first(&host, FIRST_PFN);
	CHECK_EQ(tlbtag_pamt_split(&host.pamt, FIRST_PFN), -EBUSY);
	CHECK_EQ(tlbtag_pamt_uses(&host.pamt, FIRST_PFN), TLBTAG_REGION_PAGES);
	CHECK_EQ(tlbtag_pamt_split(&host.pamt, FIRST_PFN), -EBUSY);
	CHECK_EQ(tlbtag_sim_warnings(), 10);
}
