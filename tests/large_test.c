/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * large: a guest that accepts its memory in sizes of its own choice, on a host
 * that maps as large as it may; and the level that a fault may map, for every
 * combination of what a fault knows.
 */
#include <tlbtag/convert.h>
#include <tlbtag/large.h>
#include <tlbtag/rules.h>

#include <errno.h>

#include "test.h"

#define PAGES TLBTAG_REGION_PAGES
#define REGIONS 4u
/* Of the slot's four regions only the two in the middle are whole. */
#define SLOT_BEGIN 100u
#define SLOT_END (3u * PAGES + 50u)
#define EXITS_MAX 8u
#define FEATURES (UINT64_C(1) << 51)

enum mapping {
	MAPPING_NONE = 0,
	MAPPING_4K = 1,
	MAPPING_2M = 2,
};

struct world {
	struct tlbtag_large large;
	uint64_t words[1];
	enum mapping mirror[REGIONS]; /* 4K: a table, of which everything is mapped */
	uint32_t splits_failing;
	uint32_t splits;
	uint32_t locks; /* the exclusive MMU lock */
	bool was_chosen[REGIONS];
	bool is_wrong;
};

static void world_start(struct world *world, uint64_t features)
{
	*world = (struct world){ .is_wrong = false };
	CHECK_EQ(tlbtag_large_words(SLOT_BEGIN, SLOT_END), 1);
	CHECK_EQ(tlbtag_large_init(&world->large, SLOT_BEGIN, SLOT_END, features, world->words),
		 0);
}

static struct tlbtag_large_fault fault_at(const struct world *world, uint64_t gfn,
					  enum tlbtag_level accept)
{
	return (struct tlbtag_large_fault){ .gfn = gfn, .backing = TLBTAG_LEVEL_2M,
					    .accept = accept,
					    .has_table =
						    world->mirror[gfn / PAGES] == MAPPING_4K };
}

/* --- the host ------------------------------------------------------------------- */

static void split(struct world *world, uint64_t region)
{
	if (world->splits_failing) {
		world->splits_failing--;
		return;
	}
	world->mirror[region] = MAPPING_4K;
	world->splits++;
}

static void map(struct world *world, const struct tlbtag_large_fault *fault)
{
	uint64_t region = fault->gfn / PAGES;
	bool is_large = tlbtag_large_level(&world->large, fault) == TLBTAG_LEVEL_2M;

	/* G1: once small, always small. */
	world->is_wrong |= is_large && (world->was_chosen[region] || region % 3 == 0);
	if (world->mirror[region] == MAPPING_NONE)
		world->mirror[region] = is_large ? MAPPING_2M : MAPPING_4K;
}

static void violation(struct world *world, uint64_t gfn, enum tlbtag_level accept)
{
	struct tlbtag_large_fault fault = fault_at(world, gfn, accept);
	uint64_t region = gfn / PAGES;
	bool is_large = world->mirror[region] == MAPPING_2M;

	world->was_chosen[region] |= accept == TLBTAG_LEVEL_4K;
	if (tlbtag_large_accept_is_new(&world->large, &fault, is_large)) {
		world->locks++;
		if (tlbtag_large_accept(&world->large, &fault, is_large) == TLBTAG_LARGE_SPLIT)
			split(world, region);
	}
	map(world, &fault);
}

/* --- the guest ------------------------------------------------------------------ */

/* How often it left before the page was accepted; EXITS_MAX if it never was. */
static uint32_t accept(struct world *world, uint64_t gfn, enum tlbtag_level level)
{
	for (uint32_t exits = 0; exits < EXITS_MAX; exits++) {
		enum mapping mapping = world->mirror[gfn / PAGES];

		/* Less than asked for: the guest is told, and goes down to 4 KiB. */
		if (mapping == MAPPING_4K)
			level = TLBTAG_LEVEL_4K;
		if (mapping == (level == TLBTAG_LEVEL_4K ? MAPPING_4K : MAPPING_2M))
			return exits;
		violation(world, gfn, level);
	}
	return EXITS_MAX;
}

/* Six pages of two regions, in sizes that the bits of @script tell. */
static bool is_life_right(uint32_t script, uint32_t splits_failing)
{
	struct world world;

	world_start(&world, FEATURES);
	world.splits_failing = splits_failing;
	for (uint32_t turn = 0; turn < 6; turn++) {
		uint64_t gfn = (1 + turn % 2) * PAGES + 7 * turn;
		bool is_small = script >> turn & 1;

		if (accept(&world, gfn, is_small ? TLBTAG_LEVEL_4K : TLBTAG_LEVEL_2M) == EXITS_MAX)
			return false;
		/* Memory pressure: all of it goes, and comes back. */
		if (turn % 3 == 2)
			memset(world.mirror, 0, sizeof(world.mirror));
	}
	return !world.is_wrong;
}

/* Every order of sizes, with every number of splits that fail. */
static uint32_t lives_wrong(void)
{
	uint32_t wrong = 0;

	for (uint32_t script = 0; script < 64; script++)
		for (uint32_t failing = 0; failing < 4; failing++)
			wrong += !is_life_right(script, failing);
	return wrong;
}

/* Guards G1, G3. */
TEST(large_each_guest_gets_the_size_it_accepts)
{
	CHECK_EQ(lives_wrong(), 0);
}

/* Guards ACCEPT_INHIBIT, ACCEPT_AGAIN, LARGE_CHOSEN. */
TEST(large_without_a_rule_a_guest_hangs_or_gets_the_wrong_size)
{
	static const enum tlbtag_rule rules[] = { TLBTAG_RULE_ACCEPT_INHIBIT,
						  TLBTAG_RULE_ACCEPT_AGAIN,
						  TLBTAG_RULE_LARGE_CHOSEN };

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		tlbtag_sim_rule_off(rules[i]);
		if (!CHECK(lives_wrong() > 0))
			test_failed(__FILE__, __LINE__, "rule %d", (int)rules[i]);
		tlbtag_sim_rule_on(rules[i]);
	}
}

TEST(large_split_is_made_once_and_the_lock_taken_once)
{
	struct world world;

	world_start(&world, FEATURES);
	CHECK_EQ(accept(&world, PAGES, TLBTAG_LEVEL_2M), 1);
	CHECK_EQ(world.locks, 0);
	for (uint64_t gfn = PAGES; gfn < 2 * PAGES; gfn++)
		CHECK(accept(&world, gfn, TLBTAG_LEVEL_4K) <= 1);
	CHECK_EQ(world.splits, 1);
	CHECK_EQ(world.locks, 1);
	/* The neighbour is still free to be large. */
	CHECK_EQ(accept(&world, 2 * PAGES, TLBTAG_LEVEL_2M), 1);
	CHECK_EQ(world.mirror[2], MAPPING_2M);
}

TEST(large_inhibit_before_the_first_mapping)
{
	struct world world;

	world_start(&world, FEATURES);
	tlbtag_large_inhibit(&world.large, 2 * PAGES - 1, 2 * PAGES);
	CHECK(tlbtag_large_is_inhibited(&world.large, PAGES));
	CHECK(!tlbtag_large_is_inhibited(&world.large, 2 * PAGES));
	CHECK_EQ(accept(&world, PAGES, TLBTAG_LEVEL_2M), 1);
	CHECK_EQ(world.mirror[1], MAPPING_4K);
	CHECK_EQ(world.locks, 0);
	/* What is outside the slot is left out; an empty range is nothing. */
	tlbtag_large_inhibit(&world.large, 0, SLOT_BEGIN);
	tlbtag_large_inhibit(&world.large, 2 * PAGES, 2 * PAGES);
	CHECK_EQ(world.words[0], 2);
	tlbtag_large_inhibit(&world.large, 0, UINT64_MAX);
	CHECK_EQ(world.words[0], 15);
}

TEST(large_range_of_many_words)
{
	static uint64_t words[16];
	struct tlbtag_large large = { 0 };

	CHECK_EQ(tlbtag_large_words(511, 1024 * PAGES), 16);
	CHECK_EQ(tlbtag_large_words(511, 1024 * PAGES + 1), 17);
	CHECK_EQ(tlbtag_large_init(&large, 0, 1024 * PAGES, FEATURES, words), 0);
	tlbtag_large_inhibit(&large, 63 * PAGES, 130 * PAGES + 1);
	for (uint64_t page = 0; page < 1024; page++)
		CHECK_EQ(tlbtag_large_is_inhibited(&large, page * PAGES),
			 page >= 63 && page <= 130);
}

/* --- the level -------------------------------------------------------------------- */

static enum tlbtag_level level_of(const struct world *world, uint32_t nr, bool *may)
{
	bool is_whole = nr & 1;
	struct tlbtag_large_fault fault = {
		.gfn = is_whole ? PAGES + 3 : SLOT_BEGIN + 3,
		.backing = nr & 2 ? TLBTAG_LEVEL_2M : TLBTAG_LEVEL_4K,
		.accept = nr & 4 ? TLBTAG_LEVEL_2M : TLBTAG_LEVEL_4K,
		.is_building = !(nr & 8),
		.has_table = !(nr & 16),
		.is_edge = !(nr & 32),
	};

	*may = nr % 64 == 63;
	return tlbtag_large_level(&world->large, &fault);
}

/* How many of all combinations are answered with a level that they must not have. */
static uint32_t wrong_levels(uint64_t features)
{
	struct world world;
	uint32_t wrong = 0;
	bool may;

	world_start(&world, features);
	for (uint32_t nr = 0; nr < 64; nr++) {
		bool is_large = level_of(&world, nr, &may) == TLBTAG_LEVEL_2M;

		wrong += is_large != (may && features == FEATURES);
	}
	return wrong;
}

/* Guards G2, LARGE_BACKING, LARGE_SLOT, LARGE_CHOSEN, LARGE_BUILD, LARGE_TABLE, LARGE_EDGE. */
TEST(large_level_needs_every_condition)
{
	static const enum tlbtag_rule rules[] = {
		TLBTAG_RULE_LARGE_BACKING, TLBTAG_RULE_LARGE_SLOT, TLBTAG_RULE_LARGE_CHOSEN,
		TLBTAG_RULE_LARGE_BUILD, TLBTAG_RULE_LARGE_TABLE, TLBTAG_RULE_LARGE_EDGE,
	};

	CHECK_EQ(wrong_levels(FEATURES), 0);
	CHECK_EQ(wrong_levels(~FEATURES), 0);
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		tlbtag_sim_rule_off(rules[i]);
		CHECK_EQ(wrong_levels(FEATURES), 1);
		tlbtag_sim_rule_on(rules[i]);
	}
}

TEST(large_is_2m_even_if_the_memory_is_1g)
{
	struct world world;
	struct tlbtag_large_fault fault;

	world_start(&world, FEATURES);
	fault = fault_at(&world, PAGES, TLBTAG_LEVEL_1G);
	fault.backing = TLBTAG_LEVEL_1G;
	CHECK_EQ(tlbtag_large_level(&world.large, &fault), TLBTAG_LEVEL_2M);
}

TEST(large_outside_its_slot_nothing_is_large)
{
	static const uint64_t outside[] = { 0, SLOT_BEGIN - 1, SLOT_END, UINT64_MAX };
	struct tlbtag_large none = { 0 };
	struct world world;

	world_start(&world, FEATURES);
	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
		struct tlbtag_large_fault fault = { .gfn = outside[i],
						    .backing = TLBTAG_LEVEL_2M };

		CHECK(tlbtag_large_is_inhibited(&world.large, outside[i]));
		CHECK(!tlbtag_large_accept_is_new(&world.large, &fault, true));
		CHECK_EQ(tlbtag_large_accept(&world.large, &fault, true), TLBTAG_LARGE_FAULT);
		fault.accept = TLBTAG_LEVEL_1G;
		CHECK_EQ(tlbtag_large_level(&world.large, &fault), TLBTAG_LEVEL_4K);
		CHECK_EQ(tlbtag_large_level(&none, &fault), TLBTAG_LEVEL_4K);
	}
	CHECK_EQ(world.words[0], 0);
	CHECK_EQ(tlbtag_large_init(&none, 5, 5, FEATURES, world.words), -EINVAL);
	CHECK_EQ(tlbtag_large_init(&none, 5, 6, FEATURES, NULL), -EINVAL);
	CHECK_EQ(tlbtag_large_words(6, 5), 0);
}
