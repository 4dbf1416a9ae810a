/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * pages: a stack of pages of one kind, and the sums that it keeps.
 */
#include <tlbtag/pages.h>
#include <tlbtag/rules.h>

#include <errno.h>

#include "test.h"

static bool is_balanced(const struct tlbtag_pages *pages)
{
	return pages->added + pages->given == pages->count + pages->taken + pages->drained;
}

static uint32_t fill(struct tlbtag_pages *pages)
{
	tlbtag_page_t page = 0x1000;

	for (; tlbtag_pages_is_short(pages); page += 0x1000)
		CHECK(tlbtag_pages_add(pages, page));
	return pages->count;
}

TEST(pages_of_a_fault_are_a_pair_a_level)
{
	CHECK_EQ(tlbtag_pages_fault_min(true, 4), 8);
	CHECK_EQ(tlbtag_pages_fault_min(true, 5), 10);
	CHECK_EQ(tlbtag_pages_fault_min(false, 5), 0);
}

/* Guards S1. */
TEST(pages_are_counted_whichever_way_they_go)
{
	struct tlbtag_pages pages;
	tlbtag_page_t taken[2];

	CHECK_EQ(tlbtag_pages_init(&pages, TLBTAG_PAGES_MAX + 1), -EINVAL);
	CHECK_EQ(tlbtag_pages_init(&pages, 4), 0);
	CHECK_EQ(fill(&pages), 4);
	CHECK(tlbtag_pages_take(&pages, taken, 2));
	CHECK_NE(taken[0], taken[1]);
	CHECK_EQ(tlbtag_pages_in_use(&pages), 2);
	CHECK(tlbtag_pages_give(&pages, taken[1]));
	CHECK(tlbtag_pages_give(&pages, TLBTAG_PAGE_NONE));
	CHECK_EQ(tlbtag_pages_in_use(&pages), 1);
	CHECK(is_balanced(&pages));
	for (uint32_t left = 3; left > 0; left--)
		CHECK_NE(tlbtag_pages_drain(&pages), TLBTAG_PAGE_NONE);
	CHECK_EQ(tlbtag_pages_drain(&pages), TLBTAG_PAGE_NONE);
	CHECK_EQ(pages.drained, 3);
	CHECK_EQ(pages.count_max, 4);
	CHECK(is_balanced(&pages));
}

/* Guards S2, PAGES_RECHECK. */
TEST(pages_are_taken_all_or_none)
{
	struct tlbtag_pages pages;
	tlbtag_page_t taken[4] = { 0 };

	tlbtag_pages_init(&pages, 3);
	fill(&pages);
	CHECK(!tlbtag_pages_take(&pages, taken, 4));
	CHECK_EQ(taken[0], TLBTAG_PAGE_NONE);
	CHECK_EQ(pages.count, 3);
	CHECK(tlbtag_pages_take(&pages, taken, 3));
	tlbtag_sim_rule_off(TLBTAG_RULE_PAGES_RECHECK);
	CHECK(tlbtag_pages_take(&pages, taken, 1));
	CHECK_EQ(taken[0], TLBTAG_PAGE_NONE);
}

/* Guards S3, PAGES_CAP. */
TEST(pages_beyond_the_minimum_are_the_callers)
{
	struct tlbtag_pages pages;

	tlbtag_pages_init(&pages, 2);
	fill(&pages);
	CHECK(!tlbtag_pages_add(&pages, 0x9000));
	CHECK_EQ(pages.added, 2);
	CHECK(!tlbtag_pages_add(&pages, TLBTAG_PAGE_NONE));
	CHECK_EQ(tlbtag_sim_warnings(), 1);
	tlbtag_sim_rule_off(TLBTAG_RULE_PAGES_CAP);
	CHECK(tlbtag_pages_add(&pages, 0x9000));
}

TEST(pages_that_come_back_may_exceed_the_minimum_but_not_the_room)
{
	struct tlbtag_pages pages;
	tlbtag_page_t page;

	tlbtag_pages_init(&pages, TLBTAG_PAGES_MAX);
	fill(&pages);
	CHECK(tlbtag_pages_take(&pages, &page, 1));
	CHECK(tlbtag_pages_add(&pages, 0xffff000));
	CHECK(!tlbtag_pages_give(&pages, page));
	CHECK_EQ(pages.count, TLBTAG_PAGES_MAX);
	CHECK(is_balanced(&pages));
}
