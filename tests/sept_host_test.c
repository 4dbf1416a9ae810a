/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The scenarios of tlbtag sept, on a module and with an allocator that fail: whatever
 * fails, mirror and secure table are the same, every counter is the module's, and
 * after the guest's end no page is anywhere but where it came from. Caches and
 * reservations are torn down at whatever fill the failure left them.
 */
#include "../cli/sept_story.h"

#include <tlbtag/rules.h>

#include <errno.h>
#include <stdio.h>

#include "test.h"

#define SLOTS SEPT_SLOTS_MIN

/* The kinds of host: design, page sizes, PAMT and sweeps. */
static const struct sept_setup setups[] = {
	{ SLOTS, TLBTAG_SUPPLY_RESERVE, false, true, 3, 64, 0, TDX_CALLS, 0 },
	{ SLOTS, TLBTAG_SUPPLY_CACHE, false, true, 3, 1, 0, TDX_CALLS, 0 },
	{ SLOTS, TLBTAG_SUPPLY_RESERVE, true, true, 3, 5, 0, TDX_CALLS, 0 },
	{ SLOTS, TLBTAG_SUPPLY_CACHE, false, false, 3, 2, 0, TDX_CALLS, 0 },
};

#define SETUPS (sizeof(setups) / sizeof(setups[0]))

/* The story's error; CHECKs all that must hold whatever that is. */
static int play(const struct sept_story *story, const struct sept_setup *setup)
{
	struct sept_host *host = sept_host_create(setup);
	const char *wrong;
	int error;

	if (!CHECK(host != NULL))
		return -ENOMEM;
	error = story->play(host);
	wrong = sept_host_wrong(host);
	CHECK_EQ(sept_host_tear_down(host), 0);
	if (!wrong)
		wrong = sept_host_leak(host);
	if (!CHECK(wrong == NULL))
		printf("     %s: %s; allocation %llu, call %d after %u\n", story->name, wrong,
		       (unsigned long long)setup->failing, (int)setup->refused,
		       setup->refused_after);
	sept_host_destroy(host);
	return error;
}

TEST(sept_host_stories_succeed)
{
	for (size_t i = 0; i < SETUPS; i++)
		for (unsigned int story = 0; story < sept_story_count; story++)
			CHECK_EQ(play(&sept_stories[story], &setups[i]), 0);
}

/* Each of the first allocations, and then one in seven. */
TEST(sept_host_allocations_fail)
{
	const struct sept_story *story = sept_story_find("life");
	uint32_t failures = 0;

	for (size_t i = 0; i < SETUPS; i++) {
		struct sept_setup setup = setups[i];
		int error = -ENOMEM;

		for (setup.failing = 1; error; setup.failing += setup.failing < 80 ? 1 : 7) {
			error = play(story, &setup);
			CHECK(error == 0 || error == -ENOMEM);
			failures += error != 0;
		}
	}
	printf("     %u failures\n", failures);
	CHECK(failures > 200);
}

/* Calls that the host can go on without; a refused PAMT.REMOVE is a leak by contract. */
static const enum tdx_call refused[] = {
	TDX_CALL_SEPT_ADD, TDX_CALL_PAGE_AUG, TDX_CALL_RANGE_BLOCK, TDX_CALL_MEM_TRACK,
	TDX_CALL_PAGE_DEMOTE, TDX_CALL_PAGE_REMOVE, TDX_CALL_PAMT_ADD,
};

#define REFUSED (sizeof(refused) / sizeof(refused[0]))

TEST(sept_host_seamcalls_fail)
{
	static const uint32_t after[] = { 0, 1, 2, 5, 9, 14, 33, 100, 701 };
	uint32_t failures = 0;

	for (size_t nr = 0; nr < SETUPS * REFUSED * 9; nr++) {
		struct sept_setup setup = setups[nr % SETUPS];
		int error;

		setup.busy = 0;
		setup.refused = refused[nr / SETUPS % REFUSED];
		setup.refused_after = after[nr / SETUPS / REFUSED];
		error = play(sept_story_find("life"), &setup);
		CHECK(error == 0 || error == -EIO);
		failures += error != 0;
	}
	printf("     %u failures\n", failures);
	CHECK(failures > 100);
}

static bool is_noticed(enum tlbtag_rule rule)
{
	struct sept_cost cost;
	const char *wrong = NULL;

	tlbtag_sim_warnings_reset();
	tlbtag_sim_rule_off(rule);
	sept_story_play(sept_story_find("life"), &setups[0], &cost, &wrong);
	tlbtag_sim_rule_on(rule);
	return wrong != NULL || tlbtag_sim_warnings() > 0;
}

/* The module refuses a call, or the library finds its own counters wrong. */
TEST(sept_host_rules_are_noticed)
{
	static const enum tlbtag_rule rules[] = {
		TLBTAG_RULE_SEPT_TRACK, TLBTAG_RULE_SEPT_RETRY, TLBTAG_RULE_ZAP_PUT,
		TLBTAG_RULE_PAMT_SPLIT, TLBTAG_RULE_PAMT_LAST, TLBTAG_RULE_KIT_WHOLE,
		TLBTAG_RULE_CONVERT_SPLIT, TLBTAG_RULE_RESERVE_WORST,
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (!CHECK(is_noticed(rules[i])))
			test_failed(__FILE__, __LINE__, "rule %d", (int)rules[i]);
	tlbtag_sim_warnings_reset();
}

/* What a conversion costs does not depend on how much goes. */
TEST(sept_host_two_splits_for_a_range_of_any_size)
{
	struct sept_setup setup = setups[0];
	struct sept_cost cost;
	const char *wrong;

	for (setup.slots = 16; setup.slots <= 1024; setup.slots *= 4) {
		CHECK_EQ(sept_story_play(sept_story_find("convert"), &setup, &cost, &wrong), 0);
		CHECK_EQ(cost.splits, 2);
		CHECK_EQ(cost.looks, 2);
		CHECK_EQ(cost.mmu_locks, 1);
		CHECK_EQ(cost.supplied, 2 * (1 + TLBTAG_KIT_PAMT));
	}
}
