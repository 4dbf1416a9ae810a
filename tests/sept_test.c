/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * sept: splits against a small model of the TDX module.
 *
 * Every step that can fail is given every status, in every combination, so that
 * each path through an operation is walked; what must hold at its end is looked at
 * after each. The honest module, beside that, is busy only as long as vCPUs
 * run, and makes no other error: with it every operation succeeds.
 */
#include <tlbtag/rules.h>
#include <tlbtag/sept.h>

#include <errno.h>
#include <stdio.h>

#include "choices.h"
#include "test.h"

#define GUEST_PFN (3u * TLBTAG_REGION_PAGES)
#define SEPT_PFN (1u * TLBTAG_REGION_PAGES + 7u)
#define REGIONS 4u
#define STEPS_MAX 64u
#define STATUSES 4u

enum mapping {
	MAPPING_2M = 1,
	MAPPING_TABLE = 2,
};

/* What a split meets. */
struct setup {
	bool is_static;
	uint32_t sept_uses; /* of the new S-EPT page's region */
	bool sept_region_busy;
	bool honest;
};

struct world {
	const struct setup *setup;
	struct tlbtag_pamt pamt;
	uint16_t words[REGIONS];
	struct tlbtag_kit kit;
	struct tlbtag_sept_op op;
	enum mapping secure;
	enum mapping mirror;
	bool blocked;
	bool tracked;
	bool kicked;
	bool vcpus_out;
	bool interrupted;
	uint32_t pages_at_module;
	uint32_t pages_freed;
	uint32_t calls[TLBTAG_SEPT_START_VCPUS + 1];
	uint32_t wrong;
};

/* --- the module ----------------------------------------------------------------- */

/* No vCPU holds the lock of a region's pair, and by D3 no other CPU does. */
static bool may_be_busy(const struct world *world, enum tlbtag_sept_step step)
{
	return !world->vcpus_out && step != TLBTAG_SEPT_PAMT_ADD &&
	       step != TLBTAG_SEPT_PAMT_REMOVE;
}

static enum tlbtag_sept_status answer(struct world *world, enum tlbtag_sept_step step,
				      struct choices *choices)
{
	enum tlbtag_sept_status status = (enum tlbtag_sept_status)choose(choices);

	if (!world->setup->honest)
		return status;
	return status == TLBTAG_SEPT_BUSY && may_be_busy(world, step) ? status : TLBTAG_SEPT_OK;
}

static bool is_quiet(const struct world *world)
{
	return world->blocked && world->tracked && world->kicked;
}

static void block(struct world *world)
{
	world->wrong += world->blocked;
	world->blocked = true;
	world->tracked = false;
	world->kicked = false;
}

static enum tlbtag_sept_status demote(struct world *world)
{
	if (!is_quiet(world) || world->secure != MAPPING_2M)
		return TLBTAG_SEPT_ERROR;
	world->secure = MAPPING_TABLE;
	world->blocked = false;
	world->pages_at_module += world->setup->is_static ? 1 : 1 + TLBTAG_PAIR_PAGES;
	return TLBTAG_SEPT_OK;
}

static void publish(struct world *world)
{
	world->wrong += world->secure != MAPPING_TABLE;
	world->mirror = MAPPING_TABLE;
}

/* A SEAMCALL that was answered with success. */
static enum tlbtag_sept_status seamcall(struct world *world, enum tlbtag_sept_step step)
{
	switch (step) {
	case TLBTAG_SEPT_PAMT_ADD:
		world->pages_at_module += TLBTAG_PAIR_PAGES;
		break;
	case TLBTAG_SEPT_PAMT_REMOVE:
		world->pages_freed += TLBTAG_PAIR_PAGES;
		world->pages_at_module -= TLBTAG_PAIR_PAGES;
		break;
	case TLBTAG_SEPT_BLOCK:
		block(world);
		break;
	case TLBTAG_SEPT_TRACK:
		world->tracked = world->blocked;
		break;
	case TLBTAG_SEPT_UNBLOCK:
		world->wrong += !world->blocked;
		world->blocked = false;
		break;
	case TLBTAG_SEPT_DEMOTE:
		return demote(world);
	default:
		world->wrong++;
	}
	return TLBTAG_SEPT_OK;
}

static bool is_seamcall(enum tlbtag_sept_step step)
{
	return step == TLBTAG_SEPT_PAMT_ADD || step == TLBTAG_SEPT_PAMT_REMOVE ||
	       step == TLBTAG_SEPT_BLOCK || step == TLBTAG_SEPT_TRACK ||
	       step == TLBTAG_SEPT_DEMOTE || step == TLBTAG_SEPT_UNBLOCK;
}

/* --- who executes the steps ------------------------------------------------------- */

static void stop_or_start(struct world *world, bool out)
{
	world->wrong += world->vcpus_out == out;
	world->vcpus_out = out;
}

static void plain_step(struct world *world, enum tlbtag_sept_step step)
{
	switch (step) {
	case TLBTAG_SEPT_WAIT:
		/* The other CPU has added its pair. */
		tlbtag_pamt_get_end(&world->pamt, SEPT_PFN, true);
		break;
	case TLBTAG_SEPT_KICK:
		world->kicked = world->tracked;
		break;
	case TLBTAG_SEPT_PUBLISH:
		publish(world);
		break;
	case TLBTAG_SEPT_STOP_VCPUS:
		stop_or_start(world, true);
		break;
	case TLBTAG_SEPT_START_VCPUS:
		stop_or_start(world, false);
		break;
	default:
		world->wrong++;
	}
}

static enum tlbtag_sept_status execute(struct world *world, enum tlbtag_sept_step step,
				       struct choices *choices)
{
	enum tlbtag_sept_status status;

	if (!is_seamcall(step)) {
		plain_step(world, step);
		return TLBTAG_SEPT_OK;
	}
	world->wrong += ++world->calls[step] > 2 || (world->calls[step] == 2 && !world->vcpus_out);
	status = answer(world, step, choices);
	world->interrupted |= step == TLBTAG_SEPT_DEMOTE && status == TLBTAG_SEPT_INTERRUPTED;
	return status == TLBTAG_SEPT_OK ? seamcall(world, step) : status;
}

static void world_start(struct world *world, const struct setup *setup)
{
	*world = (struct world){ .setup = setup, .kit = { .sept = 1, .pamt = { 2, 3, 4, 5 } } };
	world->kit.pamt_count = setup->is_static ? 0 : TLBTAG_KIT_PAMT;
	world->secure = MAPPING_2M;
	world->mirror = MAPPING_2M;
	if (!setup->is_static)
		tlbtag_pamt_init(&world->pamt, 0, REGIONS, world->words);
	world->words[1] = (uint16_t)setup->sept_uses;
	if (setup->sept_region_busy)
		tlbtag_pamt_get(&world->pamt, SEPT_PFN);
}

static const struct tlbtag_sept_where large = { GUEST_PFN, SEPT_PFN, TLBTAG_LEVEL_2M };

static void run(struct world *world, const struct setup *setup, struct choices *choices)
{
	enum tlbtag_sept_step step;

	world_start(world, setup);
	step = tlbtag_sept_split(&world->op, &world->pamt, &world->kit, &large);
	for (uint32_t count = 0; step != TLBTAG_SEPT_DONE; count++) {
		if (count == STEPS_MAX) {
			world->wrong++;
			return;
		}
		step = tlbtag_sept_next(&world->op, execute(world, step, choices));
	}
}

/* --- what must hold at the end ------------------------------------------------------ */

static bool are_tables_right(const struct world *world)
{
	if (world->op.is_dead)
		return true;
	return world->mirror == world->secure && !world->blocked &&
	       (world->op.error == 0) == (world->secure == MAPPING_TABLE);
}

/* Uses of both regions; an interrupted DEMOTE may have taken the S-EPT page. */
static bool are_counters_right(const struct world *world)
{
	const struct setup *setup = world->setup;
	bool done = world->secure == MAPPING_TABLE;
	uint32_t sept = setup->sept_uses + setup->sept_region_busy + (done || world->interrupted);
	uint32_t guest = done * TLBTAG_REGION_PAGES;

	if (setup->is_static)
		return true;
	return tlbtag_pamt_uses(&world->pamt, SEPT_PFN) == sept &&
	       tlbtag_pamt_uses(&world->pamt, GUEST_PFN) == guest;
}

static bool are_pages_right(const struct world *world)
{
	uint32_t kit = (world->kit.sept != TLBTAG_PAGE_NONE) + world->kit.pamt_count;
	uint32_t all = world->setup->is_static ? 1 : 1 + TLBTAG_KIT_PAMT;

	if (world->interrupted)
		return kit == 0 && world->op.is_dead;
	return kit + world->pages_at_module + world->pages_freed == all;
}

static bool is_good(const struct world *world)
{
	return !world->wrong && !world->vcpus_out && are_tables_right(world) &&
	       are_counters_right(world) && are_pages_right(world) &&
	       tlbtag_sim_warnings() == 0 && (!world->setup->honest || world->op.error == 0);
}

static void tell(const struct world *world, const struct choices *choices)
{
	printf("     wrong %u, out %u, secure %d, mirror %d, blocked %u, error %d; statuses",
	       world->wrong, world->vcpus_out, (int)world->secure, (int)world->mirror,
	       world->blocked, world->op.error);
	for (uint32_t i = 0; i < choices->used; i++)
		printf(" %u", choices->digit[i]);
	printf("\n");
}

/* How many runs went wrong; *runs: of how many. */
static uint32_t try_all(const struct setup *setup, bool aloud, uint32_t *runs)
{
	struct choices choices = { .given = 0 };
	struct world world;
	uint32_t bad = 0;

	do {
		run(&world, setup, &choices);
		++*runs;
		if (is_good(&world))
			continue;
		if (aloud && bad == 0)
			tell(&world, &choices);
		bad++;
		tlbtag_sim_warnings_reset();
	} while (next_run(&choices, STATUSES));
	return bad;
}

static const struct setup setups[] = {
	{ false, 0, false, false },
	{ false, 1, false, false },
	{ false, 511, false, false },
	{ false, 0, true, false },
	{ true, 0, false, false },
	{ false, 0, false, true },
	{ true, 0, false, true },
};

#define SETUPS (sizeof(setups) / sizeof(setups[0]))

/* Guards B1, B2, B3, B4, B5. */
TEST(sept_whatever_the_module_answers_the_tables_agree)
{
	uint32_t runs = 0;

	for (size_t i = 0; i < SETUPS; i++)
		if (!CHECK_EQ(try_all(&setups[i], true, &runs), 0))
			test_failed(__FILE__, __LINE__, "setup %zu", i);
	printf("     %u runs\n", runs);
}

/* Guards SEPT_TRACK, SEPT_PUBLISH, SEPT_RETRY, SPLIT_UNBLOCK, SPLIT_PUT. */
TEST(sept_without_a_rule_some_run_goes_wrong)
{
	static const enum tlbtag_rule rules[] = {
		TLBTAG_RULE_SEPT_TRACK, TLBTAG_RULE_SEPT_PUBLISH, TLBTAG_RULE_SEPT_RETRY,
		TLBTAG_RULE_SPLIT_UNBLOCK, TLBTAG_RULE_SPLIT_PUT, TLBTAG_RULE_PAMT_SPLIT,
		TLBTAG_RULE_PAMT_ADDED,
	};

	for (size_t rule = 0; rule < sizeof(rules) / sizeof(rules[0]); rule++) {
		uint32_t bad = 0;
		uint32_t runs = 0;

		tlbtag_sim_rule_off(rules[rule]);
		for (size_t i = 0; i < SETUPS; i++)
			bad += try_all(&setups[i], false, &runs);
		if (!CHECK(bad > 0))
			test_failed(__FILE__, __LINE__, "rule %d", (int)rules[rule]);
		tlbtag_sim_rule_on(rules[rule]);
	}
}

static void expect_steps(const struct setup *setup, const uint8_t *statuses,
			 const enum tlbtag_sept_step *steps)
{
	struct world world;
	enum tlbtag_sept_step step;

	world_start(&world, setup);
	step = tlbtag_sept_split(&world.op, &world.pamt, &world.kit, &large);
	for (; CHECK_EQ(step, *steps) && step != TLBTAG_SEPT_DONE; steps++, statuses++)
		step = tlbtag_sept_next(&world.op, (enum tlbtag_sept_status)statuses[0]);
}

TEST(sept_split_takes_these_steps)
{
	static const uint8_t fine[16];
	static const enum tlbtag_sept_step steps[] = {
		TLBTAG_SEPT_PAMT_ADD, TLBTAG_SEPT_BLOCK, TLBTAG_SEPT_TRACK, TLBTAG_SEPT_KICK,
		TLBTAG_SEPT_DEMOTE, TLBTAG_SEPT_PUBLISH, TLBTAG_SEPT_DONE,
	};

	expect_steps(&setups[0], fine, steps);
}

TEST(sept_split_that_stays_busy_is_undone)
{
	static const uint8_t statuses[16] = { 0, 0, 0, 0, TLBTAG_SEPT_BUSY, 0, TLBTAG_SEPT_BUSY };
	static const enum tlbtag_sept_step steps[] = {
		TLBTAG_SEPT_PAMT_ADD, TLBTAG_SEPT_BLOCK, TLBTAG_SEPT_TRACK, TLBTAG_SEPT_KICK,
		TLBTAG_SEPT_DEMOTE, TLBTAG_SEPT_STOP_VCPUS, TLBTAG_SEPT_DEMOTE,
		TLBTAG_SEPT_UNBLOCK, TLBTAG_SEPT_PAMT_REMOVE, TLBTAG_SEPT_START_VCPUS,
		TLBTAG_SEPT_DONE,
	};

	expect_steps(&setups[0], statuses, steps);
}

TEST(sept_wrong_calls_warn)
{
	const struct tlbtag_sept_where small = { GUEST_PFN, SEPT_PFN, TLBTAG_LEVEL_4K };
	const struct tlbtag_sept_where huge = { GUEST_PFN, SEPT_PFN, TLBTAG_LEVEL_1G };
	const struct tlbtag_sept_where inside = { GUEST_PFN + 1, SEPT_PFN, TLBTAG_LEVEL_2M };
	struct tlbtag_kit empty = { 0 };
	struct world world;

	world_start(&world, &setups[0]);
	CHECK_EQ(tlbtag_sept_split(&world.op, &world.pamt, &world.kit, &small), TLBTAG_SEPT_DONE);
	CHECK_EQ(world.op.error, -EINVAL);
	CHECK_EQ(tlbtag_sept_split(&world.op, &world.pamt, &world.kit, &inside), TLBTAG_SEPT_DONE);
	CHECK_EQ(tlbtag_sept_split(&world.op, &world.pamt, &empty, &large), TLBTAG_SEPT_DONE);
	world.kit.pamt_count = TLBTAG_PAIR_PAGES;
	CHECK_EQ(tlbtag_sept_split(&world.op, &world.pamt, &world.kit, &large), TLBTAG_SEPT_DONE);
	world_start(&world, &setups[0]);
	CHECK_EQ(tlbtag_sept_split(&world.op, &world.pamt, &world.kit, &huge), TLBTAG_SEPT_DONE);
	CHECK_EQ(world.op.error, -EINVAL);
	CHECK_EQ(tlbtag_sim_warnings(), 5);
	CHECK(!world.op.is_dead);
}

TEST(sept_huge_pages_need_a_demote_that_is_not_interrupted)
{
	CHECK(tlbtag_sept_may_split(UINT64_C(1) << 51));
	CHECK(!tlbtag_sept_may_split(~(UINT64_C(1) << 51)));
}

/* The pages that the naive way, which walks the whole range, finds. */
static uint32_t straddlers_naive(uint64_t begin, uint64_t end, uint64_t *first)
{
	uint32_t count = 0;

	for (uint64_t page = 0; page < 8 * TLBTAG_REGION_PAGES; page += TLBTAG_REGION_PAGES) {
		uint64_t after = page + TLBTAG_REGION_PAGES;

		if (begin >= end || end <= page || begin >= after)
			continue;
		if (begin > page || end < after)
			first[count++] = page;
	}
	return count;
}

/* Guards STRADDLE_ONCE. */
TEST(sept_straddlers_are_the_head_and_the_tail)
{
	static const uint64_t ends[] = { 0, 1, 100, 511, 512, 513, 600, 1023, 1024, 1500, 2048,
					 3000 };
	const size_t count = sizeof(ends) / sizeof(ends[0]);
	uint64_t naive[8] = { 0 };
	uint64_t first[2] = { 0 };

	for (size_t i = 0; i < count * count; i++) {
		uint64_t begin = ends[i / count];
		uint64_t end = ends[i % count];
		uint32_t found = tlbtag_sept_straddlers(begin, end, first);

		CHECK_EQ(found, straddlers_naive(begin, end, naive));
		CHECK(memcmp(first, naive, found * sizeof(first[0])) == 0);
	}
	/* 12 TiB, of which both ends are in the middle of a page. */
	CHECK_EQ(tlbtag_sept_straddlers(7, (UINT64_C(12) << 28) - 7, first), 2);
	CHECK_EQ(first[0], 0);
	CHECK_EQ(first[1], (UINT64_C(12) << 28) - TLBTAG_REGION_PAGES);
	CHECK_EQ(tlbtag_sept_straddlers(513, 514, first), 1);
	tlbtag_sim_rule_off(TLBTAG_RULE_STRADDLE_ONCE);
	CHECK_EQ(tlbtag_sept_straddlers(513, 514, first), 2);
}
