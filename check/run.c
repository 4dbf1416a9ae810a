/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stories drawn from seeds.
 */
#include "run.h"
#include "seed.h"

#include <errno.h>
#include <string.h>

/* Operations that chance proposes for each one that the story is to have. */
#define PROPOSALS 4u

struct run {
	const struct run_options *options;
	const struct check_world *world;
	struct vmm *vmm;
	struct seed seed;
	struct seed_plan plan;
	struct run_tally *tally;
	struct story *story;
	struct story_end *end;
};

void run_tally_add(struct run_tally *sum, const struct run_tally *more)
{
	sum->seeds += more->seeds;
	sum->stories += more->stories;
	sum->ops += more->ops;
	sum->accesses += more->accesses;
	sum->entries += more->entries;
	sum->flushes += more->flushes;
	sum->spare += more->spare;
	sum->syncs += more->syncs;
}

static void tally_story(struct run *run)
{
	const struct vmm_counts *counts = run->world->counts(run->vmm);

	run->end->done = run->story->count;
	run->end->accesses = counts->accesses;
	run->tally->ops += run->story->count;
	run->tally->accesses += counts->accesses;
	run->tally->entries += counts->entries;
	run->tally->flushes += counts->flushes;
	run->tally->spare += counts->spare;
	run->tally->syncs += counts->syncs;
}

/* Short ones are over soon, long ones reach states that need much. */
static unsigned int draw_length(struct seed *seed)
{
	return 16u << seed_below(seed, 6);
}

static void write_story(struct run *run)
{
	unsigned int length = draw_length(&run->seed);
	struct vmm_op op;

	for (unsigned int i = 0; i < length * PROPOSALS && run->story->count < length; i++) {
		int result;

		seed_op(&run->seed, &run->plan, &op);
		result = run->world->apply(run->vmm, &op, &run->end->verdict);
		if (result) {
			story_add(run->story, &op);
			seed_plan_done(&run->plan, &op);
		}
		run->end->wrong = result < 0;
		if (run->end->wrong)
			return;
	}
	run->story->settle = true;
	run->end->wrong = run->world->settle(run->vmm, &run->end->verdict) < 0;
	run->end->settled = run->end->wrong;
}

static void avoid_kinds(struct run *run)
{
	for (unsigned int kind = 0; kind < run->world->kinds; kind++)
		if (run->options->avoid[kind])
			seed_plan_avoid(&run->plan, kind);
}

static void begin_story(struct run *run)
{
	memset(run->end, 0, sizeof(*run->end));
	run->story->count = 0;
	run->story->settle = false;
	run->tally->stories++;
	seed_plan(&run->seed, run->world, &run->story->config, &run->plan);
	avoid_kinds(run);
	run->world->restart(run->vmm, &run->story->config);
}

static bool is_over(const struct run *run, uint64_t ops)
{
	const struct run_options *options = run->options;

	return ops >= options->ops || (options->stop && options->stop(options->cookie));
}

/* A seed in which nothing is possible at all ends too. */
static int run_stories(struct run *run)
{
	uint64_t ops = 0;

	while (!run->end->wrong && !is_over(run, ops)) {
		if (check_config_from_seed(run->world, &run->seed, &run->options->pins,
					   &run->story->config))
			return -EINVAL;
		begin_story(run);
		write_story(run);
		tally_story(run);
		ops += run->story->count + 1;
	}
	return run->end->wrong;
}

int run_seed(const struct run_options *options, uint64_t number, struct run_tally *tally,
	     struct story *story, struct story_end *end)
{
	struct run run = {
		.options = options,
		.world = options->world,
		.tally = tally,
		.story = story,
		.end = end,
	};
	struct vmm_config usual;
	int result;

	memset(end, 0, sizeof(*end));
	options->world->config_init(&usual);
	run.vmm = options->world->create(&usual);
	if (!run.vmm)
		return -ENOMEM;
	seed_init(&run.seed, number);
	tally->seeds++;
	result = run_stories(&run);
	options->world->destroy(run.vmm);
	return result;
}
