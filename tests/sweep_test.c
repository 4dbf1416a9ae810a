/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * sweep: a few leaves against a module that answers each call with each status, in
 * every combination; what must hold at the end is looked at after each. The honest
 * module, beside that, is busy only as long as vCPUs run: with it every sweep
 * succeeds, with one kick.
 */
#include <tlbtag/rules.h>
#include <tlbtag/sweep.h>

#include <errno.h>
#include <stdio.h>

#include "choices.h"
#include "test.h"

#define LEAVES_MAX 3u
#define REGIONS 4u
#define STEPS_MAX CHOICES_MAX
#define STATUSES 3u

struct leaf {
	bool secure;
	bool mirror;
	bool blocked;
	bool tracked;
	bool kicked;
	bool written_back;
	uint32_t calls[TLBTAG_SEPT_START_VCPUS + 1];
};

/* The leaves of a sweep: in one region or several, and what their uses are. */
struct setup {
	uint32_t count;
	struct tlbtag_sept_where where[LEAVES_MAX];
	uint16_t uses[REGIONS];
	bool honest;
};

struct world {
	const struct setup *setup;
	struct tlbtag_pamt pamt;
	uint16_t words[REGIONS];
	struct leaf leaf[LEAVES_MAX];
	struct tlbtag_sweep op;
	uint32_t tracks;
	uint32_t kicks;
	bool vcpus_out;
	uint32_t wrong;
};

/* --- the module and the host ------------------------------------------------------ */

static void block(struct world *world, struct leaf *leaf)
{
	world->wrong += leaf->blocked || !leaf->secure;
	*leaf = (struct leaf){ .secure = true, .mirror = leaf->mirror, .blocked = true };
}

/* TRACK and the kick are for all that is blocked by then. */
static void track(struct world *world)
{
	world->tracks++;
	for (uint32_t i = 0; i < LEAVES_MAX; i++)
		world->leaf[i].tracked |= world->leaf[i].blocked;
}

static void kick(struct world *world)
{
	world->kicks++;
	for (uint32_t i = 0; i < LEAVES_MAX; i++)
		world->leaf[i].kicked |= world->leaf[i].tracked;
}

static enum tlbtag_sept_status remove_leaf(struct leaf *leaf)
{
	if (!leaf->blocked || !leaf->kicked)
		return TLBTAG_SEPT_ERROR;
	leaf->secure = false;
	leaf->blocked = false;
	return TLBTAG_SEPT_OK;
}

static enum tlbtag_sept_status seamcall(struct world *world, struct leaf *leaf)
{
	switch (world->op.step) {
	case TLBTAG_SEPT_BLOCK:
		block(world, leaf);
		break;
	case TLBTAG_SEPT_TRACK:
		track(world);
		break;
	case TLBTAG_SEPT_REMOVE:
		return remove_leaf(leaf);
	case TLBTAG_SEPT_UNBLOCK:
		world->wrong += !leaf->blocked;
		leaf->blocked = false;
		break;
	case TLBTAG_SEPT_PAMT_REMOVE:
		break;
	default:
		world->wrong++;
	}
	return TLBTAG_SEPT_OK;
}

static void plain_step(struct world *world, struct leaf *leaf)
{
	enum tlbtag_sept_step step = world->op.step;

	if (step == TLBTAG_SEPT_KICK) {
		kick(world);
	} else if (step == TLBTAG_SEPT_WRITE_BACK) {
		world->wrong += leaf->secure;
		leaf->written_back = true;
	} else if (step == TLBTAG_SEPT_PUBLISH) {
		world->wrong += leaf->secure || !leaf->written_back;
		leaf->mirror = false;
	} else {
		world->wrong += world->vcpus_out == (step == TLBTAG_SEPT_STOP_VCPUS);
		world->vcpus_out = step == TLBTAG_SEPT_STOP_VCPUS;
	}
}

static bool is_seamcall(enum tlbtag_sept_step step)
{
	return step == TLBTAG_SEPT_BLOCK || step == TLBTAG_SEPT_TRACK ||
	       step == TLBTAG_SEPT_REMOVE || step == TLBTAG_SEPT_UNBLOCK ||
	       step == TLBTAG_SEPT_PAMT_REMOVE;
}

/* OK, BUSY or ERROR. */
static enum tlbtag_sept_status answer(struct world *world, struct choices *choices)
{
	static const enum tlbtag_sept_status statuses[STATUSES] = {
		TLBTAG_SEPT_OK, TLBTAG_SEPT_BUSY, TLBTAG_SEPT_ERROR
	};
	enum tlbtag_sept_status status = statuses[choose(choices)];
	bool may_be_busy = !world->vcpus_out && world->op.step != TLBTAG_SEPT_PAMT_REMOVE;

	if (!world->setup->honest)
		return status;
	return status == TLBTAG_SEPT_BUSY && may_be_busy ? status : TLBTAG_SEPT_OK;
}

static enum tlbtag_sept_status execute(struct world *world, struct choices *choices)
{
	struct leaf *leaf = &world->leaf[world->op.at];
	enum tlbtag_sept_status status;
	uint32_t *calls = &leaf->calls[world->op.step];

	if (!is_seamcall(world->op.step)) {
		plain_step(world, leaf);
		return TLBTAG_SEPT_OK;
	}
	status = answer(world, choices);
	world->wrong += *calls > 1 || (*calls == 1 && !world->vcpus_out);
	if (status != TLBTAG_SEPT_OK) {
		++*calls;
		return status;
	}
	*calls = 2;
	return seamcall(world, leaf);
}

static void run(struct world *world, const struct setup *setup, struct choices *choices)
{
	enum tlbtag_sept_step step;

	*world = (struct world){ .setup = setup };
	tlbtag_pamt_init(&world->pamt, 0, REGIONS, world->words);
	memcpy(world->words, setup->uses, sizeof(world->words));
	for (uint32_t i = 0; i < setup->count; i++)
		world->leaf[i] = (struct leaf){ .secure = true, .mirror = true };
	step = tlbtag_sweep_begin(&world->op, &world->pamt, setup->where, setup->count);
	for (uint32_t count = 0; step != TLBTAG_SEPT_DONE; count++) {
		if (count == STEPS_MAX) {
			world->wrong++;
			return;
		}
		step = tlbtag_sweep_next(&world->op, execute(world, choices));
	}
}

/* --- what must hold at the end -------------------------------------------------------- */

/* W1; when the VM is dead, leaves may be blocked, but in both tables alike. */
static bool are_leaves_right(const struct world *world)
{
	for (uint32_t i = 0; i < world->setup->count; i++) {
		const struct leaf *leaf = &world->leaf[i];
		bool is_gone = i < world->op.removed;

		if (leaf->secure == is_gone || leaf->mirror == is_gone)
			return false;
		if (leaf->blocked && !world->op.is_dead)
			return false;
	}
	return (world->op.error == 0) == (world->op.removed == world->setup->count);
}

static bool are_uses_right(const struct world *world)
{
	const struct setup *setup = world->setup;
	uint32_t uses[REGIONS];

	for (uint32_t region = 0; region < REGIONS; region++)
		uses[region] = setup->uses[region];
	for (uint32_t i = 0; i < world->op.removed; i++)
		if (setup->where[i].level == TLBTAG_LEVEL_4K)
			uses[setup->where[i].guest_pfn / TLBTAG_REGION_PAGES]--;
	for (uint32_t region = 0; region < REGIONS; region++)
		if (tlbtag_pamt_uses(&world->pamt, region * TLBTAG_REGION_PAGES) != uses[region])
			return false;
	return true;
}

static bool is_good(const struct world *world)
{
	bool honest_is_fine = world->op.error == 0 && world->tracks == 1 && world->kicks == 1;

	return !world->wrong && !world->vcpus_out && are_leaves_right(world) &&
	       are_uses_right(world) && tlbtag_sim_warnings() == 0 &&
	       (!world->setup->honest || honest_is_fine);
}

static uint32_t runs_wrong(const struct setup *setup, uint32_t *runs)
{
	struct choices choices = { .given = 0 };
	struct world world;
	uint32_t bad = 0;

	do {
		run(&world, setup, &choices);
		++*runs;
		bad += !is_good(&world);
		tlbtag_sim_warnings_reset();
	} while (next_run(&choices, STATUSES));
	return bad;
}

#define SMALL(pfn) { (pfn), 0, TLBTAG_LEVEL_4K }
#define LARGE(region) { (region) * TLBTAG_REGION_PAGES, 0, TLBTAG_LEVEL_2M }

static const struct setup setups[] = {
	{ 1, { SMALL(3) }, { 1, 0, 0, 0 }, false },
	{ 2, { SMALL(3), SMALL(4) }, { 2, 0, 0, 0 }, false },
	{ 3, { SMALL(3), SMALL(4), SMALL(512) }, { 2, 1, 0, 0 }, false },
	{ 3, { LARGE(1), SMALL(1024), LARGE(3) }, { 0, 0, 9, 0 }, false },
	{ 1, { LARGE(2) }, { 0, 0, 0, 0 }, false },
	{ 3, { SMALL(3), SMALL(4), LARGE(2) }, { 2, 0, 0, 0 }, true },
};

#define SETUPS (sizeof(setups) / sizeof(setups[0]))

static uint32_t all_wrong(uint32_t *runs)
{
	uint32_t bad = 0;

	for (size_t i = 0; i < SETUPS; i++)
		bad += runs_wrong(&setups[i], runs);
	return bad;
}

/* Guards W1, B1, B2, B3, B5. */
TEST(sweep_whatever_the_module_answers_the_tables_agree)
{
	uint32_t runs = 0;

	CHECK_EQ(all_wrong(&runs), 0);
	printf("     %u runs\n", runs);
}

/* Guards SEPT_TRACK, SEPT_RETRY, SPLIT_UNBLOCK, ZAP_PUT. */
TEST(sweep_without_a_rule_some_run_goes_wrong)
{
	static const enum tlbtag_rule rules[] = { TLBTAG_RULE_SEPT_TRACK, TLBTAG_RULE_SEPT_RETRY,
						  TLBTAG_RULE_SPLIT_UNBLOCK,
						  TLBTAG_RULE_ZAP_PUT };

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		uint32_t runs = 0;

		tlbtag_sim_rule_off(rules[i]);
		if (!CHECK(all_wrong(&runs) > 0))
			test_failed(__FILE__, __LINE__, "rule %d", (int)rules[i]);
		tlbtag_sim_rule_on(rules[i]);
	}
}

TEST(sweep_of_nothing_and_wrong_levels)
{
	const struct tlbtag_sept_where leaves[] = { SMALL(3), { 0, 0, TLBTAG_LEVEL_1G } };
	struct tlbtag_pamt none = { 0 };
	struct tlbtag_sweep op;

	CHECK_EQ(tlbtag_sweep_begin(&op, &none, leaves, 0), TLBTAG_SEPT_DONE);
	CHECK_EQ(op.error, 0);
	CHECK_EQ(tlbtag_sweep_begin(&op, &none, leaves, 2), TLBTAG_SEPT_DONE);
	CHECK_EQ(op.error, -EINVAL);
	CHECK_EQ(op.removed, 0);
	CHECK_EQ(tlbtag_sim_warnings(), 1);
}
