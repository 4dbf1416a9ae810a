/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * check/ on a world whose only bug is known: seeds, stories, shrinking,
 * exploration, explanations and worker processes.
 */
#include "test.h"
#include "toy.h"

#include "../check/explain.h"
#include "../check/explore.h"
#include "../check/found.h"
#include "../check/hunt.h"
#include "../check/jobs.h"
#include "../check/seed.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FAULT 0u
#define HARMLESS 1u

/* Large, so not on the stack. */
static struct story story;
static struct story other;
static struct story_end end;

static struct run_options run_options(uint32_t fault)
{
	struct run_options options = { .world = &toy_world, .ops = 3000 };

	config_pin_name(&options.pins, "fault", fault);
	return options;
}

/* --- seeds ------------------------------------------------------------------- */

TEST(seed_is_the_same_on_every_machine)
{
	struct seed seed;

	seed_init(&seed, 1);
	CHECK(seed_next(&seed) == 0x5b9a6eba30aedee8ull);
	CHECK(seed_next(&seed) == 0x5c22c219c89894feull);
}

TEST(seed_draws_below_the_limit_and_everything)
{
	bool drawn[7] = { false };
	struct seed seed;

	seed_init(&seed, 2);
	for (unsigned int i = 0; i < 1000; i++) {
		uint32_t number = seed_below(&seed, 7);

		if (CHECK(number < 7))
			drawn[number] = true;
	}
	for (unsigned int i = 0; i < 7; i++)
		CHECK(drawn[i]);
}

TEST(seed_chance_is_about_right)
{
	unsigned int often = 0;
	struct seed seed;

	seed_init(&seed, 3);
	for (unsigned int i = 0; i < 8000; i++)
		often += seed_chance(&seed, 1, 4);
	CHECK(often > 1800 && often < 2200);
}

TEST(config_is_drawn_with_pins_and_varies)
{
	struct config_pins pins = { .pinned = { false } };
	bool intel[2] = { false };
	bool scarce[2] = { false };
	struct vmm_config config;
	struct seed seed;

	config_pin_name(&pins, "cpus", 5);
	seed_init(&seed, 4);
	for (unsigned int i = 0; i < 200; i++) {
		CHECK(!check_config_from_seed(&toy_world, &seed, &pins, &config));
		CHECK(!toy_world.config_check(&config));
		CHECK_EQ(config.cpus, 5);
		CHECK(config.rule_off == UINT32_MAX && config.fault == VMM_FAULT_NONE);
		intel[config.intel] = true;
		scarce[config.tags <= config.vms * config.vcpus] = true;
	}
	CHECK(intel[0] && intel[1]);
	CHECK(scarce[0] && scarce[1]);
}

TEST(config_suits_the_fault_unless_pinned)
{
	struct config_pins pins = { .pinned = { false } };
	struct vmm_config config;
	struct seed seed;

	config_pin_name(&pins, "fault", FAULT);
	seed_init(&seed, 8);
	for (unsigned int i = 0; i < 50; i++) {
		CHECK(!check_config_from_seed(&toy_world, &seed, &pins, &config));
		CHECK(config.cpus >= 2);
	}
	config_pin_name(&pins, "cpus", 1);
	CHECK(!check_config_from_seed(&toy_world, &seed, &pins, &config));
	CHECK_EQ(config.cpus, 1);
}

TEST(config_that_cannot_be_is_refused)
{
	struct config_pins pins = { .pinned = { false } };
	struct vmm_config config;
	struct seed seed;

	config_pin_name(&pins, "cpus", 9);
	seed_init(&seed, 5);
	CHECK_STR_EQ(check_config_from_seed(&toy_world, &seed, &pins, &config), "1 to 8 CPUs");
}

TEST(ops_that_are_drawn_are_valid_and_all_kinds_occur)
{
	bool drawn[8] = { false };
	struct seed_plan plan;
	struct vmm_config config;
	struct seed seed;
	struct vmm_op op;

	toy_world.config_init(&config);
	seed_init(&seed, 6);
	for (unsigned int i = 0; i < 5000; i++) {
		if (i % 50 == 0)
			seed_plan(&seed, &toy_world, &config, &plan);
		seed_op(&seed, &plan, &op);
		if (!CHECK(op.kind < toy_world.kinds))
			return;
		drawn[op.kind] = true;
		for (unsigned int arg = 0; arg < VMM_ARGS; arg++) {
			unsigned int limit = toy_world.arg_limit(&config, op.kind, arg);

			CHECK(op.arg[arg] < (limit ? limit : 1));
		}
	}
	for (unsigned int kind = 0; kind < toy_world.kinds; kind++)
		CHECK(drawn[kind]);
}

/* --- text -------------------------------------------------------------------- */

static int read_text(const char *text, size_t size, struct story *into, char *error)
{
	FILE *in = fmemopen((void *)(uintptr_t)text, size, "r");
	int result;

	error[0] = '\0';
	if (!CHECK(in != NULL))
		return -1;
	result = story_read(&toy_world, in, "file", into, error);
	fclose(in);
	return result;
}

static void check_refused(const char *text, const char *wanted)
{
	char error[STORY_LINE_MAX];

	CHECK_EQ(read_text(text, strlen(text), &story, error), -1);
	CHECK_STR_EQ(error, wanted);
}

#define HEAD STORY_HEAD "\n"

TEST(story_bad_text_is_refused_by_line)
{
	check_refused("\n", "file:1: not a story, it does not begin with '# tlbtag story 1'");
	check_refused(HEAD "load cpu=0", "file:2: the last line is cut");
	check_refused(HEAD "jump\n", "file:2: no operation 'jump'");
	check_refused(HEAD "load x=1\n", "file:2: 'x=1' is no argument of this operation");
	check_refused(HEAD "load cpu\n", "file:2: 'cpu' is no argument of this operation");
	check_refused(HEAD "\nload cpu=2\n", "file:3: cpu must be below 2 here");
	check_refused(HEAD "load cpu=-1\n", "file:2: cpu must be below 2 here");
	check_refused(HEAD "load cpu=\n", "file:2: cpu must be below 2 here");
	check_refused(HEAD "load cpu=0001\n", "file:2: cpu must be below 2 here");
	check_refused(HEAD "load cpu=1 cpu=1\n", "file:2: cpu is given twice");
	check_refused(HEAD "settle now\n", "file:2: settle has no arguments");
	check_refused(HEAD "settle\nload\n", "file:3: nothing can follow settle");
	check_refused(HEAD "load\nconfig cpus=2\n",
		      "file:3: config must come before all operations");
	check_refused(HEAD "config cpus=9\nload\n",
		      "file:3: this configuration cannot be: 1 to 8 CPUs");
	check_refused(HEAD "config cpus=9\n",
		      "file:2: this configuration cannot be: 1 to 8 CPUs");
	check_refused(HEAD "config cpus\n", "file:2: 'cpus' is not key=value");
	check_refused(HEAD "config size=3\n", "file:2: no key 'size' in a configuration");
	check_refused(HEAD "config cpus=300\n", "file:2: cpus cannot be '300'");
	check_refused(HEAD "config vendor=arm\n", "file:2: vendor cannot be 'arm'");
	check_refused(HEAD "config policy=no\n", "file:2: policy cannot be 'no'");
	check_refused(HEAD "config rule_off=NO\n", "file:2: rule_off cannot be 'NO'");
	check_refused(HEAD "config fault=no\n", "file:2: fault cannot be 'no'");
	check_refused(HEAD "config seed=18446744073709551616\n",
		      "file:2: seed cannot be '18446744073709551616'");
}

TEST(story_bad_bytes_are_refused)
{
	static const char zero[] = HEAD "load\0 cpu=1\n";
	static char longest[3000];
	char error[STORY_LINE_MAX];

	CHECK_EQ(read_text(zero, sizeof(zero) - 1, &story, error), -1);
	CHECK_STR_EQ(error, "file:2: a line with a 0 byte in it");
	memset(longest, '#', sizeof(longest));
	CHECK_EQ(read_text(longest, sizeof(longest), &story, error), -1);
	CHECK_STR_EQ(error, "file:1: a line that is too long");
}

TEST(story_comments_and_what_is_not_said)
{
	static const char text[] = HEAD "# why\nconfig cpus=4 seed=18446744073709551615\n"
					"config fault=harmless rule_off=MOVED policy=other\n\n"
					"load   page=2\tcpu=3 # as it was\n  store\nsettle # end\n";
	char error[STORY_LINE_MAX];

	CHECK_EQ(read_text(text, sizeof(text) - 1, &story, error), 0);
	CHECK_STR_EQ(error, "");
	CHECK_EQ(story.config.cpus, 4);
	CHECK(story.config.seed == UINT64_MAX);
	CHECK_EQ(story.config.fault, HARMLESS);
	CHECK_STR_EQ(config_rule_name(story.config.rule_off), "MOVED");
	CHECK_EQ(story.config.policy, 1);
	CHECK_EQ(story.count, 2);
	CHECK_EQ(story.op[0].kind, TOY_LOAD);
	CHECK_EQ(story.op[0].arg[0], 3);
	CHECK_EQ(story.op[0].arg[1], 2);
	CHECK_EQ(story.op[1].kind, TOY_STORE);
	CHECK_EQ(story.op[1].arg[1], 0);
	CHECK(story.settle);
}

static bool same_story(const struct story *left, const struct story *right)
{
	for (unsigned int i = 0; i < config_key_count; i++)
		if (config_get(&left->config, &config_keys[i]) !=
		    config_get(&right->config, &config_keys[i]))
			return false;
	return left->settle == right->settle && left->count == right->count &&
	       !memcmp(left->op, right->op, left->count * sizeof(left->op[0]));
}

static void draw_story(uint64_t number)
{
	const struct config_pins pins = { .pinned = { false } };
	struct seed_plan plan;
	struct vmm_op op;
	struct seed seed;

	seed_init(&seed, number);
	CHECK(!check_config_from_seed(&toy_world, &seed, &pins, &story.config));
	seed_plan(&seed, &toy_world, &story.config, &plan);
	story.count = 0;
	story.settle = seed_chance(&seed, 1, 2);
	for (unsigned int i = seed_below(&seed, 40); i; i--) {
		seed_op(&seed, &plan, &op);
		CHECK(story_add(&story, &op));
	}
}

TEST(story_printed_and_read_is_the_same)
{
	char error[STORY_LINE_MAX];

	for (uint64_t number = 0; number < 50; number++) {
		char *text = NULL;
		size_t size = 0;
		FILE *out = open_memstream(&text, &size);

		draw_story(number);
		story_print(&toy_world, &story, out);
		fclose(out);
		CHECK_EQ(read_text(text, size, &other, error), 0);
		CHECK_STR_EQ(error, "");
		CHECK(same_story(&story, &other));
		free(text);
	}
}

TEST(story_that_is_full_takes_no_more)
{
	static const struct vmm_op op;

	story.count = 0;
	for (unsigned int i = 0; i < STORY_OPS_MAX; i++)
		CHECK(story_add(&story, &op));
	CHECK(!story_add(&story, &op));
	CHECK_EQ(story.count, STORY_OPS_MAX);
}

TEST(story_is_saved_whole_or_not_at_all)
{
	char dir[] = "/tmp/tlbtag-story.XXXXXX";
	char path[64];
	char error[STORY_LINE_MAX];

	if (!CHECK(mkdtemp(dir) != NULL))
		return;
	draw_story(7);
	snprintf(path, sizeof(path), "%s/saved", dir);
	CHECK_EQ(story_save(&toy_world, path, &story, "why\n\nand how"), 0);
	CHECK_EQ(story_load(&toy_world, path, &other, error), 0);
	CHECK(same_story(&story, &other));
	unlink(path);
	snprintf(path, sizeof(path), "%s/none/saved", dir);
	CHECK(story_save(&toy_world, path, &story, "") < 0);
	CHECK_EQ(story_load(&toy_world, path, &other, error), -1);
	CHECK(strstr(error, "/none/saved: ") != NULL);
	/* Nothing half-written is left behind. */
	CHECK_EQ(rmdir(dir), 0);
}

/* --- runs -------------------------------------------------------------------- */

TEST(run_without_a_fault_finds_nothing)
{
	struct run_options options = run_options(VMM_FAULT_NONE);
	struct run_tally tally = { .seeds = 0 };

	config_pin_name(&options.pins, "contexts", 1);
	for (uint64_t number = 0; number < 10; number++)
		CHECK_EQ(run_seed(&options, number, &tally, &story, &end), 0);
	CHECK_EQ(tally.seeds, 10);
	CHECK(tally.ops >= 10 * 2500 && tally.ops < 10 * 6000);
	CHECK(tally.accesses > tally.ops / 20);
	CHECK(tally.stories > 50);
}

TEST(run_twice_is_the_same)
{
	struct run_options options = run_options(FAULT);
	struct run_tally first = { .seeds = 0 };
	struct run_tally second = { .seeds = 0 };
	struct story_end second_end;

	for (uint64_t number = 0; number < 10; number++) {
		CHECK_EQ(run_seed(&options, number, &first, &story, &end), 1);
		CHECK_EQ(run_seed(&options, number, &second, &other, &second_end), 1);
		CHECK(same_story(&story, &other));
		CHECK_EQ(end.verdict.filled_at, second_end.verdict.filled_at);
	}
	CHECK(!memcmp(&first, &second, sizeof(first)));
}

static bool stop_at_once(void *cookie)
{
	(*(unsigned int *)cookie)++;
	return true;
}

TEST(run_stops_when_told)
{
	struct run_options options = run_options(FAULT);
	struct run_tally tally = { .seeds = 0 };
	unsigned int asked = 0;

	options.stop = stop_at_once;
	options.cookie = &asked;
	CHECK_EQ(run_seed(&options, 1, &tally, &story, &end), 0);
	CHECK_EQ(tally.stories, 0);
	CHECK_EQ(asked, 1);
}

TEST(run_avoids_what_it_is_told_to)
{
	struct run_options options = run_options(FAULT);
	struct run_tally tally = { .seeds = 0 };

	options.avoid[TOY_STORE] = true;
	config_pin_name(&options.pins, "contexts", 1);
	for (uint64_t number = 0; number < 5; number++)
		CHECK_EQ(run_seed(&options, number, &tally, &story, &end), 0);
	options.avoid[TOY_STORE] = false;
	options.avoid[TOY_NOISE] = true;
	CHECK_EQ(run_seed(&options, 1, &tally, &story, &end), 1);
	for (unsigned int i = 0; i < story.count; i++)
		CHECK(story.op[i].kind != TOY_NOISE);
}

TEST(run_with_impossible_pins_says_so)
{
	struct run_options options = run_options(FAULT);
	struct run_tally tally = { .seeds = 0 };

	config_pin_name(&options.pins, "cpus", 0);
	CHECK(run_seed(&options, 1, &tally, &story, &end) < 0);
}

/* --- shrinking --------------------------------------------------------------- */

static const struct shrink_options shrink_blame = {
	.world = &toy_world, .plays_max = SHRINK_PLAYS, .blame = true
};

/* The shortest story there is: load, store something else, load. */
static void check_shortest(void)
{
	static const struct vmm_op shortest[3] = {
		{ TOY_LOAD, { 1, 0 } }, { TOY_STORE, { 0, 1 } }, { TOY_LOAD, { 1, 0 } },
	};

	CHECK_EQ(story.count, 3);
	CHECK(!memcmp(story.op, shortest, sizeof(shortest)));
	CHECK_EQ(story.config.cpus, 2);
	CHECK_EQ(story.config.vms, 1);
	CHECK_EQ(story.config.vcpus, 1);
	CHECK_EQ(story.config.tags, 1);
	CHECK_EQ(story.config.speculation, 0);
	CHECK_EQ(story.config.seed, 0);
	CHECK(!story.settle);
	CHECK_EQ(end.verdict.filled_at, 1);
	CHECK_EQ(end.verdict.due_at, 2);
}

TEST(shrink_finds_the_shortest_story)
{
	struct run_options options = run_options(FAULT);
	struct run_tally tally = { .seeds = 0 };
	struct shrink_result result;

	config_pin_name(&options.pins, "contexts", 3);
	for (uint64_t number = 0; number < 20; number++) {
		CHECK_EQ(run_seed(&options, number, &tally, &story, &end), 1);
		CHECK_EQ(shrink_story(&shrink_blame, &story, &end, &result), 0);
		CHECK(result.repeats && result.blames && result.ended);
		check_shortest();
	}
}

TEST(shrink_gives_up_when_told)
{
	struct shrink_options options = shrink_blame;
	struct run_options run = run_options(FAULT);
	struct run_tally tally = { .seeds = 0 };
	struct shrink_result result;

	options.plays_max = 3;
	result.blames = false;
	/* Until one is the fault's, and is not as short as can be by chance. */
	for (uint64_t number = 1; !result.blames || story.count < 4; number++) {
		CHECK_EQ(run_seed(&run, number, &tally, &story, &end), 1);
		CHECK_EQ(shrink_story(&options, &story, &end, &result), 0);
	}
	CHECK(!result.ended);
	CHECK(result.repeats);
	/* What is left still goes wrong. */
	story_copy(&other, &story);
	options.plays_max = 0;
	CHECK_EQ(shrink_story(&options, &other, &end, &result), 0);
	CHECK(result.repeats);
}

/* The leak shows whatever the fault is: nobody is to blame. */
TEST(shrink_does_not_blame_a_fault_for_other_defects)
{
	static const struct vmm_op ops[] = { { TOY_NOISE, { 0 } }, { TOY_TAKE, { 1 } } };
	struct shrink_result result;
	struct vmm *vmm;

	toy_world.config_init(&story.config);
	story.config.contexts = 4;
	story.config.fault = FAULT;
	memcpy(story.op, ops, sizeof(ops));
	story.count = 2;
	story.settle = true;
	vmm = toy_world.create(&story.config);
	story_play(&toy_world, vmm, &story, &end);
	toy_world.destroy(vmm);
	CHECK(end.wrong && end.settled);
	CHECK_EQ(shrink_story(&shrink_blame, &story, &end, &result), 0);
	CHECK(result.repeats && !result.blames);
	CHECK_EQ(story.count, 2);

	/* Not asked to blame anybody it shrinks: one slot that is taken. */
	struct shrink_options options = shrink_blame;

	options.blame = false;
	CHECK_EQ(shrink_story(&options, &story, &end, &result), 0);
	CHECK_EQ(story.count, 1);
	CHECK_EQ(story.op[0].kind, TOY_TAKE);
	CHECK_EQ(story.op[0].arg[0], 0);
	CHECK(story.settle && end.settled);
}

TEST(shrink_notices_what_does_not_repeat)
{
	struct shrink_result result;

	toy_world.config_init(&story.config);
	story.count = 1;
	story.op[0] = (struct vmm_op){ TOY_LOAD, { 0 } };
	story.settle = false;
	memset(&end, 0, sizeof(end));
	end.wrong = true;
	end.verdict.wrong = VMM_LATE;
	CHECK_EQ(shrink_story(&shrink_blame, &story, &end, &result), 0);
	CHECK(!result.repeats);
}

TEST(play_leaves_out_what_is_impossible_and_what_comes_after)
{
	static const struct vmm_op ops[] = {
		{ TOY_FLUSH, { 1 } }, { TOY_LOAD, { 1, 2 } }, { TOY_GIVE, { 0 } },
		{ TOY_STORE, { 2, 2 } }, { TOY_LOAD, { 1, 2 } }, { TOY_NOISE, { 0 } },
	};
	struct vmm *vmm;

	toy_world.config_init(&story.config);
	story.config.fault = FAULT;
	memcpy(story.op, ops, sizeof(ops));
	story.count = 6;
	story.settle = true;
	vmm = toy_world.create(&story.config);
	story_play(&toy_world, vmm, &story, &end);
	toy_world.destroy(vmm);
	CHECK(end.wrong && !end.settled && !story.settle);
	CHECK_EQ(story.count, 3);
	CHECK_EQ(end.done, 3);
	CHECK_EQ(end.accesses, 2);
	CHECK_EQ(story.op[1].kind, TOY_STORE);
}

/* --- hunting ----------------------------------------------------------------- */

TEST(hunt_finds_the_fault_and_not_what_else_is_wrong)
{
	struct hunt_options options = {
		.run = run_options(FAULT), .first_seed = 1, .seeds_max = 100
	};
	struct hunt_result result;

	config_pin_name(&options.run.pins, "contexts", 4);
	options.run.ops = 300;
	CHECK_EQ(hunt(&options, &story, &end, &result), 0);
	CHECK(result.found);
	CHECK_EQ(result.unsteady, 0);
	CHECK_EQ(story.count, 3);
	CHECK_EQ(end.verdict.wrong, VMM_LATE);
}

TEST(hunt_survives_and_counts_what_it_did)
{
	struct hunt_options options = {
		.run = run_options(HARMLESS), .first_seed = 1, .seeds_max = 5
	};
	struct hunt_result result;

	config_pin_name(&options.run.pins, "contexts", 4);
	CHECK_EQ(hunt(&options, &story, &end, &result), 0);
	CHECK(!result.found);
	CHECK_EQ(result.tally.seeds, 5);
	CHECK(result.baseline > 0);
	options.ops_max = 1;
	CHECK_EQ(hunt(&options, &story, &end, &result), 0);
	CHECK_EQ(result.tally.seeds, 1);
}

TEST(hunt_in_a_forgetful_world_finds_nothing)
{
	struct hunt_options options = {
		.run = run_options(FAULT), .first_seed = 1, .seeds_max = 20
	};
	struct hunt_result result;

	config_pin_name(&options.run.pins, "forgetful", 1);
	CHECK_EQ(hunt(&options, &story, &end, &result), 0);
	CHECK(!result.found);
}

/* --- exploring --------------------------------------------------------------- */

static struct explore_options explore_options(uint32_t fault, unsigned int depth)
{
	toy_world.config_init(&other.config);
	other.config.fault = fault;
	other.count = 0;
	other.settle = false;
	return (struct explore_options){
		.world = &toy_world, .from = &other, .depth = depth, .states = 100000
	};
}

TEST(explore_finds_a_shortest_story)
{
	struct explore_options options = explore_options(FAULT, 2);
	struct explore_result result;

	CHECK_EQ(explore(&options, &story, &end, &result), 0);
	CHECK(!result.wrong && !result.full);
	CHECK_EQ(result.depth, 2);
	options.depth = 3;
	CHECK_EQ(explore(&options, &story, &end, &result), 0);
	CHECK(result.wrong);
	CHECK_EQ(result.depth, 2);
	CHECK_EQ(story.count, 3);
	CHECK_EQ(end.verdict.wrong, VMM_LATE);
}

/* One CPU: each page has 3 values, and its copy is there or not; 4 slots. */
TEST(explore_reaches_every_state_once)
{
	struct explore_options options = explore_options(VMM_FAULT_NONE, 30);
	struct explore_result result;

	other.config.cpus = 1;
	CHECK_EQ(explore(&options, &story, &end, &result), 0);
	CHECK(!result.wrong && !result.full);
	CHECK_EQ(result.states, 6 * 6 * 6 * 4);
	CHECK_EQ(result.depth, 30);
}

TEST(explore_says_when_its_table_is_full)
{
	struct explore_options options = explore_options(VMM_FAULT_NONE, 30);
	struct explore_result result;

	options.states = 50;
	CHECK_EQ(explore(&options, &story, &end, &result), 0);
	CHECK(result.full);
	CHECK_EQ(result.states, 50);
}

TEST(explore_stops_when_told)
{
	struct explore_options options = explore_options(VMM_FAULT_NONE, 30);
	struct explore_result result;
	unsigned int asked = 0;

	options.stop = stop_at_once;
	options.cookie = &asked;
	CHECK_EQ(explore(&options, &story, &end, &result), 0);
	CHECK(result.stopped);
	CHECK_EQ(result.depth, 0);
}

TEST(explore_goes_on_from_a_story_and_ends_it)
{
	struct explore_options options = explore_options(FAULT, 1);
	struct explore_result result;

	other.op[other.count++] = (struct vmm_op){ TOY_LOAD, { 1, 2 } };
	other.op[other.count++] = (struct vmm_op){ TOY_STORE, { 2, 1 } };
	CHECK_EQ(explore(&options, &story, &end, &result), 0);
	CHECK(result.wrong);
	CHECK_EQ(story.count, 3);

	options = explore_options(VMM_FAULT_NONE, 2);
	other.config.contexts = 4;
	CHECK_EQ(explore(&options, &story, &end, &result), 0);
	CHECK(result.wrong && end.settled && story.settle);
	CHECK_EQ(story.count, 1);
	CHECK_EQ(end.verdict.wrong, VMM_LEAK);
}

/* --- explaining -------------------------------------------------------------- */

static char *explain(void)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	explain_story(&toy_world, &story, &end, out);
	fclose(out);
	return text;
}

TEST(explain_marks_the_steps_that_matter)
{
	struct run_options options = run_options(FAULT);
	struct run_tally tally = { .seeds = 0 };
	struct shrink_result result;
	char *text;

	config_pin_name(&options.pins, "contexts", 1);
	CHECK_EQ(run_seed(&options, 1, &tally, &story, &end), 1);
	CHECK_EQ(shrink_story(&shrink_blame, &story, &end, &result), 0);
	text = explain();
	CHECK(strstr(text, "  1  load  cpu=1 page=0   <-- here the translation was made\n"));
	CHECK(strstr(text, "  2  store page=0 value=1   <-- this should have led to its rem"));
	CHECK(strstr(text, "  3  load  cpu=1 page=0   <-- here it may still be used\n"));
	CHECK(strstr(text, "  late: an access may be served by a translation that the guest"));
	CHECK(strstr(text, "  a copy is older than the page\n  and nobody cared\n"));
	CHECK(strstr(text, "  the rule for this: FIRST_USE, "));
	CHECK(strstr(text, "  put in: spares-cpu-1, a store leaves the copies of CPU 1 [made"));
	free(text);
}

TEST(explain_a_leak_and_a_story_that_goes_well)
{
	char *text;

	toy_world.config_init(&story.config);
	story.count = 1;
	story.op[0] = (struct vmm_op){ TOY_TAKE, { 0 } };
	story.settle = true;
	memset(&end, 0, sizeof(end));
	end.done = 1;
	text = explain();
	CHECK(strstr(text, "nothing was wrong in 1 operations"));
	CHECK(!strstr(text, "<--"));
	free(text);
	end.wrong = true;
	end.settled = true;
	end.verdict = (struct vmm_verdict){
		.wrong = VMM_LEAK, .due_at = VMM_STEP_NONE, .rule = UINT32_MAX
	};
	text = explain();
	CHECK(strstr(text, "  2  settle   <-- here it shows\n"));
	CHECK(strstr(text, "  leak: a tag did not come back.\n"));
	free(text);
}

/* --- worker processes -------------------------------------------------------- */

struct crew_log {
	uint64_t next;
	uint64_t died;
	uint64_t enough;
	bool in_order;
	bool right;
};

static void square(void *cookie, uint64_t task, FILE *out)
{
	(void)cookie;
	if (task == 13)
		_exit(3);
	for (uint64_t i = 0; i < task * task; i++)
		putc('x', out);
}

static bool take_square(void *cookie, uint64_t task, const void *result, size_t size, int status)
{
	struct crew_log *log = cookie;

	log->in_order &= task == log->next++;
	if (result)
		log->right &= size == task * task;
	else
		log->died += task == 13 && status != 0;
	return log->next < log->enough;
}

static struct crew_log run_squares(unsigned int workers, uint64_t count, uint64_t enough)
{
	struct crew_log log = { .enough = enough, .in_order = true, .right = true };
	struct jobs jobs = {
		.workers = workers, .count = count, .work = square, .take = take_square,
		.cookie = &log
	};

	CHECK_EQ(jobs_run(&jobs), 0);
	return log;
}

TEST(jobs_come_back_in_order_and_a_death_costs_one_task)
{
	struct crew_log log = run_squares(3, 200, 1000);

	CHECK(log.in_order && log.right);
	CHECK_EQ(log.next, 200);
	CHECK_EQ(log.died, 1);
}

TEST(jobs_leave_off_and_one_worker_is_this_process)
{
	struct crew_log log = run_squares(2, 200, 5);

	CHECK_EQ(log.next, 5);
	CHECK(log.in_order && log.right);
	log = run_squares(1, 12, 1000);
	CHECK_EQ(log.next, 12);
	CHECK(log.in_order && log.right);
	log = run_squares(3, 0, 1000);
	CHECK_EQ(log.next, 0);
}

TEST(found_stories_survive_the_way_to_the_parent)
{
	uint64_t head = 42;
	uint64_t back = 0;
	char *data = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&data, &size);
	const struct story_end *way_back;

	draw_story(3);
	memset(&end, 0, sizeof(end));
	end.done = 99;
	found_write(&head, sizeof(head), &story, &end, out);
	fclose(out);
	way_back = found_read(data, size, &back, sizeof(back), &other);
	if (CHECK(way_back != NULL))
		CHECK_EQ(way_back->done, 99);
	CHECK_EQ(back, 42);
	CHECK(same_story(&story, &other));
	CHECK(!found_read(data, size - 1, &back, sizeof(back), &other));
	CHECK(!found_read(data, 10, &back, sizeof(back), &other));
	CHECK(!found_read(NULL, 0, &back, sizeof(back), &other));
	free(data);
}

TEST(world_of_the_toy_is_usable)
{
	struct check_world bad = toy_world;

	CHECK(!check_world_check(&toy_world));
	bad.kinds = CHECK_KINDS_MAX + 1;
	CHECK(check_world_check(&bad) != NULL);
}
