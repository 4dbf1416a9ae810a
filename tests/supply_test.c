/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * supply: the shared cache and the reservation, one thread at a time.
 */
#include <tlbtag/rules.h>
#include <tlbtag/supply.h>

#include <errno.h>

#include "test.h"

/* S-EPT pages and PAMT pages that can be told apart, and an allocator's balance. */
#define SEPT_BASE 0x100000u
#define PAMT_BASE 0x200000u

struct allocator {
	uint32_t next;
	uint32_t left; /* until it fails */
	uint32_t out;
};

static tlbtag_page_t page_alloc(struct allocator *allocator, enum tlbtag_page_kind kind)
{
	if (allocator->left == 0)
		return TLBTAG_PAGE_NONE;
	allocator->left--;
	allocator->out++;
	return (kind == TLBTAG_KIND_SEPT ? SEPT_BASE : PAMT_BASE) + ++allocator->next;
}

static bool is_sept(tlbtag_page_t page)
{
	return page > SEPT_BASE && page < PAMT_BASE;
}

static bool is_pamt(tlbtag_page_t page)
{
	return page > PAMT_BASE;
}

static bool is_whole(const struct tlbtag_kit *kit)
{
	bool whole = is_sept(kit->sept) && kit->pamt_count == TLBTAG_KIT_PAMT;

	for (uint32_t i = 0; i < TLBTAG_KIT_PAMT; i++)
		whole &= is_pamt(kit->pamt[i]);
	return whole;
}

static int reserve(struct tlbtag_supply *supply, struct tlbtag_reserve *reserve, uint32_t splits,
		   struct allocator *allocator)
{
	int error = tlbtag_reserve_begin(supply, reserve, splits);
	enum tlbtag_page_kind kind;
	tlbtag_page_t page;

	if (error)
		return error;
	while ((kind = tlbtag_reserve_wants(reserve)) != TLBTAG_KIND_NONE) {
		page = page_alloc(allocator, kind);
		if (page == TLBTAG_PAGE_NONE)
			return -ENOMEM;
		CHECK(tlbtag_reserve_add(reserve, kind, page));
	}
	return 0;
}

static void end(struct tlbtag_supply *supply, struct tlbtag_reserve *reserve,
		struct allocator *allocator)
{
	tlbtag_reserve_end(supply, reserve);
	while (tlbtag_reserve_drain(reserve) != TLBTAG_PAGE_NONE)
		allocator->out--;
}

static void tear_down(struct tlbtag_supply *supply, struct allocator *allocator)
{
	while (tlbtag_supply_drain(supply) != TLBTAG_PAGE_NONE)
		allocator->out--;
	CHECK_EQ(allocator->out, 0);
}

TEST(supply_minimum_is_for_2m_with_dynamic_pamt)
{
	CHECK_EQ(tlbtag_supply_min(true, TLBTAG_LEVEL_2M), TLBTAG_KIT_PAMT);
	CHECK_EQ(tlbtag_supply_min(false, TLBTAG_LEVEL_2M), 0);
	CHECK_EQ(tlbtag_supply_min(true, TLBTAG_LEVEL_4K), -EINVAL);
	CHECK_EQ(tlbtag_supply_min(true, TLBTAG_LEVEL_1G), -EINVAL);
	CHECK_EQ(tlbtag_sim_warnings(), 2);
}

static void cache_fill(struct tlbtag_supply *supply, struct allocator *allocator)
{
	while (tlbtag_supply_need_topup(supply))
		CHECK(tlbtag_supply_add(supply, page_alloc(allocator, TLBTAG_KIND_PAMT)));
}

TEST(supply_cache_is_topped_up_taken_and_given_back)
{
	struct allocator allocator = { .left = 100 };
	struct tlbtag_kit kit = { 0 };
	struct tlbtag_supply supply;

	tlbtag_supply_init(&supply, TLBTAG_SUPPLY_CACHE, true);
	CHECK_EQ(tlbtag_supply_take(&supply, &kit), -EAGAIN);
	CHECK_EQ(kit.pamt_count, 0);
	cache_fill(&supply, &allocator);
	CHECK_EQ(allocator.out, TLBTAG_KIT_PAMT);
	CHECK_EQ(tlbtag_supply_take(&supply, &kit), 0);
	CHECK_EQ(kit.pamt_count, TLBTAG_KIT_PAMT);
	CHECK(tlbtag_supply_need_topup(&supply));
	tlbtag_supply_give(&supply, &kit);
	CHECK_EQ(kit.pamt_count, 0);
	CHECK(!tlbtag_supply_need_topup(&supply));
	tear_down(&supply, &allocator);
}

TEST(supply_cache_keeps_what_a_failed_top_up_added)
{
	struct allocator allocator = { .left = 3 };
	struct tlbtag_supply supply;
	tlbtag_page_t page;

	tlbtag_supply_init(&supply, TLBTAG_SUPPLY_CACHE, true);
	while ((page = page_alloc(&allocator, TLBTAG_KIND_PAMT)) != TLBTAG_PAGE_NONE)
		CHECK(tlbtag_supply_add(&supply, page));
	CHECK(tlbtag_supply_need_topup(&supply));
	allocator.left = 1;
	cache_fill(&supply, &allocator);
	CHECK_EQ(allocator.left, 0);
	tear_down(&supply, &allocator);
}

TEST(supply_needs_no_pamt_without_dynamic_pamt)
{
	struct allocator allocator = { .left = 100 };
	struct tlbtag_supply supply;
	struct tlbtag_reserve one;
	struct tlbtag_kit kit = { 0 };

	tlbtag_supply_init(&supply, TLBTAG_SUPPLY_CACHE, false);
	CHECK(!tlbtag_supply_need_topup(&supply));
	CHECK_EQ(tlbtag_supply_take(&supply, &kit), 0);
	CHECK_EQ(kit.pamt_count, 0);
	tlbtag_supply_init(&supply, TLBTAG_SUPPLY_RESERVE, false);
	CHECK_EQ(reserve(&supply, &one, 2, &allocator), 0);
	CHECK_EQ(allocator.out, 2);
	CHECK_EQ(tlbtag_reserve_take(&one, &kit), 0);
	CHECK(is_sept(kit.sept));
	CHECK_EQ(kit.pamt_count, 0);
	tlbtag_reserve_give(&one, &kit);
	CHECK_EQ(kit.sept, TLBTAG_PAGE_NONE);
	for (int takes = 0; takes < 2; takes++)
		CHECK_EQ(tlbtag_reserve_take(&one, &kit), 0);
	CHECK_EQ(tlbtag_reserve_take(&one, &kit), -ENOSPC);
	CHECK_EQ(tlbtag_sim_warnings(), 1);
	allocator.out -= 2;
	end(&supply, &one, &allocator);
	tear_down(&supply, &allocator);
}

TEST(supply_cache_that_is_full_leaves_pages_in_the_kit)
{
	struct tlbtag_kit kits[TLBTAG_PAGES_MAX / TLBTAG_KIT_PAMT + 1];
	const uint32_t count = sizeof(kits) / sizeof(kits[0]);
	struct allocator allocator = { .left = 100 };
	struct tlbtag_supply supply;

	tlbtag_supply_init(&supply, TLBTAG_SUPPLY_CACHE, true);
	for (uint32_t i = 0; i < count; i++) {
		kits[i] = (struct tlbtag_kit){ 0 };
		cache_fill(&supply, &allocator);
		CHECK_EQ(tlbtag_supply_take(&supply, &kits[i]), 0);
	}
	for (uint32_t i = 0; i < count; i++) {
		tlbtag_supply_give(&supply, &kits[i]);
		CHECK_EQ(kits[i].pamt_count, i + 1 < count ? 0 : TLBTAG_KIT_PAMT);
	}
	while (tlbtag_kit_drain(&kits[count - 1]) != TLBTAG_PAGE_NONE)
		allocator.out--;
	tear_down(&supply, &allocator);
}

/* Every kit is used by some of its parts, as bits: the page, pair one, pair two. */
static void use(struct allocator *allocator, struct tlbtag_kit *kit, uint32_t parts)
{
	if (parts & 1) {
		kit->sept = TLBTAG_PAGE_NONE;
		allocator->out--;
	}
	for (uint32_t pair = 0; pair < 2; pair++)
		if (parts >> pair & 2) {
			kit->pamt_count -= TLBTAG_PAIR_PAGES;
			allocator->out -= TLBTAG_PAIR_PAGES;
		}
}

static void reserve_and_use(uint32_t splits, uint32_t parts)
{
	struct allocator allocator = { .left = 1000 };
	struct tlbtag_supply supply;
	struct tlbtag_reserve one;
	struct tlbtag_kit kit = { 0 };

	tlbtag_supply_init(&supply, TLBTAG_SUPPLY_RESERVE, true);
	for (uint32_t turn = 0; turn < 3 * splits; turn++) {
		if (turn % splits == 0)
			CHECK_EQ(reserve(&supply, &one, splits, &allocator), 0);
		CHECK_EQ(tlbtag_reserve_take(&one, &kit), 0);
		CHECK(is_whole(&kit));
		use(&allocator, &kit, (parts + turn) % 8);
		tlbtag_reserve_give(&one, &kit);
		if (turn % splits == splits - 1)
			end(&supply, &one, &allocator);
	}
	tear_down(&supply, &allocator);
}

/* Guards S4, S5. */
TEST(supply_reservation_never_runs_dry_and_loses_nothing)
{
	for (uint32_t splits = 1; splits <= TLBTAG_RESERVE_SPLITS_MAX; splits++)
		for (uint32_t parts = 0; parts < 8; parts++)
			reserve_and_use(splits, parts);
}

/* Guards S1. */
TEST(supply_reservation_that_fails_leaves_its_pages_to_the_next)
{
	for (uint32_t left = 0; left < 10; left++) {
		struct allocator allocator = { .left = left };
		struct tlbtag_supply supply;
		struct tlbtag_reserve one;

		tlbtag_supply_init(&supply, TLBTAG_SUPPLY_RESERVE, true);
		CHECK_EQ(reserve(&supply, &one, 2, &allocator), -ENOMEM);
		end(&supply, &one, &allocator);
		/* Two pages of S-EPT come first, of which one stays; then PAMT pages. */
		CHECK(allocator.out <= left && allocator.out <= 1 + TLBTAG_KIT_PAMT);
		CHECK(allocator.out + 1 >= left || allocator.out == 1 + TLBTAG_KIT_PAMT);
		allocator.left = 100;
		CHECK_EQ(reserve(&supply, &one, 1, &allocator), 0);
		end(&supply, &one, &allocator);
		CHECK_EQ(allocator.out, 5);
		/* Nothing needs to be allocated when a kit is left over. */
		allocator.left = 0;
		CHECK_EQ(reserve(&supply, &one, 1, &allocator), 0);
		end(&supply, &one, &allocator);
		tear_down(&supply, &allocator);
	}
}

static uint32_t drain_fault_cache(struct tlbtag_pages *cache)
{
	uint32_t count = 0;

	while (tlbtag_pages_drain(cache) != TLBTAG_PAGE_NONE)
		count++;
	return count;
}

/* A VM dies while its vCPU's cache has @cached pages and its supply @supplied. */
static void die_half_full(enum tlbtag_supply_design design, uint32_t cached, uint32_t supplied)
{
	struct allocator allocator = { .left = cached + supplied };
	struct tlbtag_pages cache;
	struct tlbtag_supply supply;
	struct tlbtag_reserve one;

	tlbtag_supply_init(&supply, design, true);
	CHECK_EQ(tlbtag_pages_init(&cache, tlbtag_pages_fault_min(true, 5)), 0);
	for (uint32_t i = 0; i < cached; i++)
		CHECK(tlbtag_pages_add(&cache, page_alloc(&allocator, TLBTAG_KIND_PAMT)));
	if (design == TLBTAG_SUPPLY_CACHE) {
		for (uint32_t i = 0; i < supplied; i++)
			CHECK(tlbtag_supply_add(&supply, page_alloc(&allocator, TLBTAG_KIND_PAMT)));
	} else if (supplied) {
		/* Out of memory in the middle of a reservation. */
		CHECK_EQ(reserve(&supply, &one, 2, &allocator), -ENOMEM);
		end(&supply, &one, &allocator);
	}
	CHECK_EQ(drain_fault_cache(&cache), cached);
	allocator.out -= cached;
	tear_down(&supply, &allocator);
	CHECK_EQ(tlbtag_supply_drain(&supply), TLBTAG_PAGE_NONE);
}

/* Guards S1. */
TEST(supply_and_fault_cache_are_torn_down_at_every_fill)
{
	for (uint32_t cached = 0; cached <= tlbtag_pages_fault_min(true, 5); cached++) {
		for (uint32_t supplied = 0; supplied <= TLBTAG_KIT_PAMT; supplied++)
			die_half_full(TLBTAG_SUPPLY_CACHE, cached, supplied);
		for (uint32_t supplied = 0; supplied < 2 * (1 + TLBTAG_KIT_PAMT); supplied++)
			die_half_full(TLBTAG_SUPPLY_RESERVE, cached, supplied);
	}
}

TEST(supply_wrong_calls_warn)
{
	struct allocator allocator = { .left = 100 };
	struct tlbtag_supply supply;
	struct tlbtag_reserve one;
	struct tlbtag_kit kit = { 0 };

	tlbtag_supply_init(&supply, TLBTAG_SUPPLY_RESERVE, true);
	CHECK_EQ(tlbtag_reserve_begin(&supply, &one, 0), -EINVAL);
	CHECK_EQ(tlbtag_reserve_begin(&supply, &one, TLBTAG_RESERVE_SPLITS_MAX + 1), -EINVAL);
	CHECK_EQ(tlbtag_sim_warnings(), 0);
	CHECK(!tlbtag_supply_add(&supply, PAMT_BASE));
	CHECK_EQ(tlbtag_supply_take(&supply, &kit), -EINVAL);
	CHECK(!tlbtag_supply_need_topup(&supply));
	CHECK_EQ(reserve(&supply, &one, 1, &allocator), 0);
	CHECK(!tlbtag_reserve_add(&one, TLBTAG_KIND_PAMT, PAMT_BASE));
	CHECK(!tlbtag_reserve_add(&one, TLBTAG_KIND_NONE, PAMT_BASE));
	CHECK(!tlbtag_reserve_add(&one, TLBTAG_KIND_CONTROL, PAMT_BASE));
	CHECK_EQ(tlbtag_reserve_take(&one, &kit), 0);
	CHECK_EQ(tlbtag_reserve_take(&one, &kit), -ENOSPC);
	CHECK(is_whole(&kit));
	tlbtag_supply_init(&supply, TLBTAG_SUPPLY_CACHE, true);
	CHECK_EQ(tlbtag_reserve_begin(&supply, &one, 1), -EINVAL);
	CHECK_EQ(tlbtag_reserve_wants(&one), TLBTAG_KIND_NONE);
	CHECK_EQ(tlbtag_sim_warnings(), 6);
	while (tlbtag_kit_drain(&kit) != TLBTAG_PAGE_NONE)
		allocator.out--;
	CHECK_EQ(allocator.out, 0);
}

/* Guards RESERVE_WORST. */
TEST(supply_reservation_for_the_usual_case_runs_dry)
{
	struct allocator allocator = { .left = 100 };
	struct tlbtag_supply supply;
	struct tlbtag_reserve one;
	struct tlbtag_kit kit = { 0 };

	tlbtag_sim_rule_off(TLBTAG_RULE_RESERVE_WORST);
	tlbtag_supply_init(&supply, TLBTAG_SUPPLY_RESERVE, true);
	CHECK_EQ(reserve(&supply, &one, 2, &allocator), 0);
	CHECK_EQ(tlbtag_reserve_take(&one, &kit), 0);
	CHECK_EQ(tlbtag_reserve_take(&one, &kit), -ENOSPC);
	CHECK_EQ(tlbtag_sim_warnings(), 1);
}
