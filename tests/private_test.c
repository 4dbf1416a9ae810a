/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The host with private memory: nothing is wrong in a million operations with
 * faults injected, each rule of private memory is missed when it is off, and each
 * exhibit of the museum is found as what it is.
 */
#include "test.h"

#include "../check/hunt.h"
#include "../check/run.h"
#include "../vmm/private.h"

#include <stdio.h>
#include <stdlib.h>
#include <tlbtag/rules.h>

#define OPS 20000u
#define SEEDS 51u

/* Large, so not on the stack. */
static struct story story;
static struct story_end end;

static const struct check_world *world(void)
{
	return check_world_private();
}

static uint8_t kind_of(const char *name)
{
	for (unsigned int kind = 0; kind < private_op_kinds; kind++)
		if (!strcmp(private_op_infos[kind].name, name))
			return (uint8_t)kind;
	CHECK(!"an operation of that name");
	return 0;
}

static void add(const char *name, uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	const struct vmm_op op = { .kind = kind_of(name), .arg = { 0, a, b, c, d } };

	story_add(&story, &op);
}

/* An operation that is about no VM. */
static void add_plain(const char *name, uint8_t a, uint8_t b, uint8_t c)
{
	const struct vmm_op op = { .kind = kind_of(name), .arg = { a, b, c } };

	story_add(&story, &op);
}

/* Return: how many mappings were split. */
static unsigned int play(void)
{
	struct vmm *vmm = world()->create(&story.config);
	unsigned int splits;

	if (!CHECK(vmm != NULL))
		return 0;
	story.settle = true;
	story_play(world(), vmm, &story, &end);
	splits = (unsigned int)world()->counts(vmm)->flushes;
	world()->destroy(vmm);
	return splits;
}

static bool is_fine(void)
{
	if (!CHECK(!end.wrong))
		printf("     %s: %s", world()->wrong_name(end.verdict.wrong), end.verdict.words);
	return !end.wrong;
}

/* It must go well and leave no operation out. Return: how many mappings were split. */
static unsigned int play_well(void)
{
	unsigned int planned = story.count;
	unsigned int splits = play();

	CHECK_EQ(end.done, planned);
	is_fine();
	return splits;
}

static void begin(bool cache)
{
	private_config_init(&story.config);
	story.config.tdx.cache = cache;
	story.config.tdx.contended = true;
	story.config.tdx.restless = true;
	story.config.tdx.erratum = true;
	story.count = 0;
	add("create", 0, 0, 0, 0);
}

/* --- everything at once ---------------------------------------------------- */

static void run_all(struct run_tally *tally)
{
	const struct run_options options = { .world = world(), .ops = OPS };

	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		if (!CHECK_EQ(run_seed(&options, seed, tally, &story, &end), 0))
			printf("     seed %u: %s", (unsigned int)seed, end.verdict.words);
}

TEST(private_a_million_operations_with_faults)
{
	struct run_tally tally = { .seeds = 0 };

	run_all(&tally);
	CHECK(tally.ops >= 1000000);
	/* and they were about something */
	CHECK(tally.flushes > 10000);
	CHECK(tally.spare > 4000);
	CHECK(tally.syncs > 4000);
	printf("     %u operations, %u splits, %u calls refused, %u retries without vCPUs\n",
	       (unsigned int)tally.ops, (unsigned int)tally.flushes, (unsigned int)tally.spare,
	       (unsigned int)tally.syncs);
}

/* So that an exhibit on it shows its own defect and nothing else. */
TEST(private_the_old_path_mended_is_right)
{
	struct run_options options = { .world = world(), .ops = OPS };
	struct run_tally tally = { .seeds = 0 };

	config_pin_name(&options.pins, "old", 1);
	config_pin_name(&options.pins, "cache", 1);
	for (uint64_t seed = 1; seed <= 10; seed++)
		if (!CHECK_EQ(run_seed(&options, seed, &tally, &story, &end), 0))
			printf("     seed %u: %s", (unsigned int)seed, end.verdict.words);
	CHECK(tally.flushes > 1500);
}

TEST(private_a_seed_is_the_same_run)
{
	const struct run_options options = { .world = world(), .ops = 2000 };

	for (uint64_t seed = 1; seed <= 16; seed++) {
		struct run_tally first = { .seeds = 0 };
		struct run_tally second = { .seeds = 0 };

		CHECK_EQ(run_seed(&options, seed, &first, &story, &end), 0);
		CHECK_EQ(run_seed(&options, seed, &second, &story, &end), 0);
		CHECK(memcmp(&first, &second, sizeof(first)) == 0);
	}
}

/* --- what must be found ---------------------------------------------------- */

static bool find(const char *key, uint32_t number)
{
	struct hunt_options options = {
		.run = { .world = world(), .ops = OPS }, .first_seed = 1, .seeds_max = 100
	};
	struct hunt_result result;

	config_pin_name(&options.run.pins, key, number);
	CHECK_EQ(hunt(&options, &story, &end, &result), 0);
	CHECK_EQ(result.baseline, 0);
	CHECK_EQ(result.unsteady, 0);
	return CHECK(result.found) && CHECK(story.count <= HUNT_LENGTH);
}

TEST(private_each_rule_is_missed)
{
	for (uint32_t rule = TLBTAG_RULE_COUNT; rule < TLBTAG_RULE_ALL; rule++)
		if (!find("rule_off", rule))
			test_failed(__FILE__, __LINE__, "rule %s", config_rule_name(rule));
}

TEST(private_each_exhibit_is_found_as_what_it_is)
{
	for (uint32_t fault = 0; fault < private_fault_count; fault++) {
		bool found = find("fault", fault);

		if (!found ||
		    !CHECK_STR_EQ(world()->wrong_name(end.verdict.wrong),
				  private_faults[fault].property))
			test_failed(__FILE__, __LINE__, "%s", private_faults[fault].name);
	}
}

/* On a module that checks nothing the wrong order shows as what it leads to. */
TEST(private_without_track_translations_are_stale)
{
	begin(false);
	story.config.tdx.trusting = true;
	story.config.tdx.contended = false;
	story.config.rule_off = TLBTAG_RULE_SEPT_TRACK;
	add("fault", 0, 0, 0, 0);
	add("enter", 0, 0, 0, 0);
	add("accept", 0, 0, 0, 1);
	add("split", 0, 0, 0, 0);
	play();
	CHECK_STR_EQ(world()->wrong_name(end.verdict.wrong), "stale");
}

/* --- named situations ------------------------------------------------------ */

/* Four huge mappings, of which all but the range must be left as they are. */
static void convert(bool cache, const char *how, uint8_t offset, uint8_t length)
{
	begin(cache);
	story.config.tdx.sweep = length & 1;
	for (uint8_t slot = 0; slot < 4; slot++)
		add("fault", 0, slot, 0, 0);
	add("enter", 0, 0, 0, 0);
	add("enter", 1, 0, 0, 0);
	add("accept", 0, 1, 0, 1);
	add(how, 1, offset, length, 0);
	play_well();
}

TEST(private_every_alignment_of_head_and_tail)
{
	const unsigned int offsets = private_arg_limit(&story.config, kind_of("convert"), 2);
	const unsigned int lengths = private_arg_limit(&story.config, kind_of("convert"), 3);

	for (unsigned int i = 0; i < offsets * lengths; i++) {
		convert(false, "convert", (uint8_t)(i / lengths), (uint8_t)(i % lengths));
		convert(true, "convert", (uint8_t)(i / lengths), (uint8_t)(i % lengths));
		convert(false, "punch", (uint8_t)(i / lengths), (uint8_t)(i % lengths));
		convert(true, "punch", (uint8_t)(i / lengths), (uint8_t)(i % lengths));
	}
}

/* After each number of pages memory is short, for one allocation or for four. */
TEST(private_teardown_with_half_full_caches)
{
	for (uint8_t i = 0; i < 2 * 2 * 12; i++) {
		begin(i & 1);
		add_plain("shortage", i / 4, i & 2 ? 3 : 0, 0);
		add("fault", 0, 0, 0, 0);
		add("fault", 1, 1, 0, 0);
		play_well();
		begin(i & 1);
		add("fault", 0, 0, 0, 0);
		add_plain("shortage", i / 4, i & 2 ? 3 : 0, 0);
		add("convert", 0, 1, 0, 0);
		add("convert", 0, 2, 0, 0);
		play_well();
	}
}

/* Each call of a split and of a removal is refused once, with each error. */
TEST(private_each_refusal_leaves_the_tables_alike)
{
	const unsigned int calls = private_arg_limit(&story.config, kind_of("refuse"), 0);

	for (uint8_t i = 0; i < calls * 4; i++) {
		begin(i & 1);
		add("fault", 0, 0, 0, 0);
		add_plain("refuse", i / 4, i / 2 % 2, 0);
		add("enter", 0, 0, 0, 0);
		add("convert", 0, 1, 1, 0);
		play_well();
	}
}

/* What is added before MR.FINALIZE is of 4 KiB; afterwards mappings may be large. */
TEST(private_memory_of_a_td_that_is_built)
{
	private_config_init(&story.config);
	story.count = 0;
	add("create", 1, 0, 0, 0);
	add("fault", 0, 0, 0, 0);
	add("fault", 1, 1, 0, 3);
	add_plain("finalize", 0, 0, 0);
	add("fault", 0, 2, 0, 0);
	add("enter", 0, 0, 0, 0);
	add("access", 0, 0, 0, 0);
	add("accept", 0, 2, 0, 1);
	add("split", 2, 0, 0, 0);
	add("convert", 0, 1, 3, 0);
	play_well();
}

/* Two walkers and two faults, each left standing after each number of steps. */
TEST(private_agents_meet_after_every_step)
{
	for (uint8_t first = 0; first < 20; first++)
		for (uint8_t second = 0; second < 20; second++) {
			begin(true);
			add("fault", 0, 0, 0, 0);
			add("fault", 0, 1, 0, 0);
			add("split-eagerly", 0, (uint8_t)(first + 1), 0, 0);
			add("split-eagerly", 1, (uint8_t)(second + 1), 0, 0);
			add("fault", 1, 2, 0, 3);
			play_well();
		}
}

/* --- sizes and ranges ------------------------------------------------------ */

/* A walker that converts; its vCPU's agent. */
#define WALKER 3
#define FAULTER 0

/*
 * Whenever a conversion may have dropped the lock, around its beginning, inside it,
 * around its end and elsewhere a page is touched, and one is accepted by 4 KiB.
 */
static void fault_between(bool cache, uint8_t steps, uint8_t slot, uint8_t page)
{
	begin(cache);
	story.config.tdx.yield = true;
	story.config.tdx.sweep = steps & 1;
	add("fault", 0, 1, 0, 0);
	add("enter", 1, 0, 0, 0);
	add("punch", 0, 2, 7, steps);
	add("fault", 0, slot, page, 0);
	add("accept", 1, slot, page, 0);
	add("run", FAULTER, 0, 0, 0);
	add("run", WALKER, 0, 0, 0);
	play();
	is_fine();
}

TEST(private_faults_between_the_steps_of_a_conversion)
{
	for (uint8_t steps = 1; steps < 24; steps++)
		for (uint8_t place = 0; place < 6 * 3; place++) {
			fault_between(false, steps, place / 6, place % 6);
			fault_between(true, steps, place / 6, place % 6);
		}
}

/* The second ACCEPT finds 4 KiB, and the guest stays in: it can touch the page. */
TEST(private_a_guest_gets_the_size_that_it_accepts)
{
	for (uint8_t cache = 0; cache < 2; cache++) {
		begin(cache);
		add("fault", 0, 0, 0, 0);
		add("enter", 0, 0, 0, 0);
		add("accept", 0, 0, 2, 0);
		add("enter", 0, 0, 0, 0);
		add("accept", 0, 0, 2, 0);
		add("access", 0, 0, 2, 0);
		/* What is not mapped is mapped so at the second. */
		add("accept", 0, 1, 2, 0);
		add("enter", 0, 0, 0, 0);
		add("accept", 0, 1, 2, 0);
		add("enter", 0, 0, 0, 0);
		add("accept", 0, 1, 2, 0);
		add("access", 0, 1, 2, 0);
		/* And the other size at the first. */
		add("accept", 0, 2, 2, 1);
		add("enter", 0, 0, 0, 0);
		add("accept", 0, 2, 2, 1);
		add("access", 0, 2, 5, 0);
		CHECK_EQ(play_well(), 1);
	}
}

/* The split for it fails, and is tried again. */
TEST(private_an_accept_whose_split_failed_is_answered_again)
{
	for (uint8_t cache = 0; cache < 2; cache++) {
		begin(cache);
		add("fault", 0, 0, 0, 0);
		add_plain("refuse", 0, 1, 0);
		for (uint8_t i = 0; i < 2; i++) {
			add("enter", 0, 0, 0, 0);
			add("accept", 0, 0, 2, 0);
		}
		add("enter", 0, 0, 0, 0);
		add("accept", 0, 0, 2, 0);
		add("access", 0, 0, 2, 0);
		CHECK_EQ(play_well(), 1);
	}
}

/* Of two ends the first or the second cannot be split: both stay, with all between. */
TEST(private_a_failed_split_has_removed_nothing)
{
	for (uint8_t i = 0; i < 2 * 2 * 3; i++) {
		begin(i & 1);
		for (uint8_t slot = 0; slot < 3; slot++)
			add("fault", 0, slot, 0, 0);
		add("enter", 0, 0, 0, 0);
		for (uint8_t slot = 0; slot < 3; slot++)
			add("accept", 0, slot, 0, 1);
		add_plain("refuse", 0, 1, i / 2 % 2);
		add("convert", 0, 2, 8, 0);
		add("enter", 0, 0, 0, 0);
		for (uint8_t slot = 0; slot < 3; slot++)
			add("access", 0, slot, 2, 0);
		CHECK_EQ(play_well(), i / 2 % 2);
	}
}

/* Its first and last 2 MiB are not all the guest's, and mapped page by page. */
TEST(private_memory_that_begins_and_ends_within_2m)
{
	begin(false);
	story.config.tdx.ragged = true;
	add("fault", 0, 0, 2, 0);
	add("fault", 0, 1, 2, 0);
	add("fault", 0, 7, 3, 0);
	add("split", 1, 0, 0, 0);
	CHECK_EQ(play_well(), 1);
	/* Outside there is nothing to map. */
	begin(false);
	story.config.tdx.ragged = true;
	add("fault", 0, 0, 1, 0);
	add("fault", 0, 7, 4, 0);
	play();
	CHECK_EQ(end.done, 1);
	is_fine();
}

/* What a careless fault maps around the end is not removed; without the rule it is. */
static void convert_carelessly(uint32_t rule_off)
{
	begin(false);
	story.config.tdx.yield = true;
	story.config.tdx.careless = true;
	story.config.rule_off = rule_off;
	add("convert", 0, 0, 0, 13);
	add("fault", 0, 0, 1, 0);
	add("run", WALKER, 0, 0, 0);
	play();
}

TEST(private_a_conversion_outlives_careless_faults)
{
	convert_carelessly(UINT32_MAX);
	CHECK_EQ(end.done, 4);
	is_fine();
	convert_carelessly(TLBTAG_RULE_CONVERT_EXACT);
	CHECK_STR_EQ(world()->wrong_name(end.verdict.wrong), "gone");
}

/* --- stories --------------------------------------------------------------- */

#define HEAD STORY_HEAD_PRIVATE "\n"

static int load(const char *text)
{
	char error[STORY_LINE_MAX] = "";
	FILE *in = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	int result = -1;

	if (!CHECK(in != NULL))
		return result;
	result = story_read(world(), in, "text", &story, error);
	fclose(in);
	return result;
}

TEST(private_stories_have_a_head_of_their_own)
{
	CHECK_EQ(load(HEAD "config cache=1 small=2\ncreate vm=0\nsettle\n"), 0);
	CHECK(story.config.tdx.cache);
	CHECK_EQ(story.count, 1);
	CHECK_EQ(load("# tlbtag story 1\ncreate vm=0\n"), -1);
	CHECK_EQ(load(HEAD "config vendor=amd\n"), -1);
	CHECK_EQ(load(HEAD "config rule_off=MOVED\n"), -1);
	CHECK_EQ(load(HEAD "config regions=4 small=4\n"), -1);
	CHECK_EQ(load(HEAD "config fault=left-blocked cache=1\n"), -1);
	CHECK_EQ(load(HEAD "config rule_off=SPLIT_PUT fault=zap-unsplit\n"), 0);
}
