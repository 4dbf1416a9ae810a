/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Hunting for one fault.
 */
#include "hunt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct hunt {
	const struct hunt_options *options;
	struct story *best;
	struct story_end *end;
	struct hunt_result *result;
	unsigned int alternatives;
	struct story story;
	struct story_end story_end;
};

/* A finding only counts if it is this fault's, and it repeats. */
static bool is_ours(struct hunt *hunt, const struct shrink_result *shrunk)
{
	hunt->result->unsteady += !shrunk->repeats;
	hunt->result->baseline += shrunk->repeats && !shrunk->blames;
	return shrunk->repeats && shrunk->blames;
}

static void keep_shortest(struct hunt *hunt, uint64_t seed, const struct shrink_result *shrunk)
{
	struct hunt_result *result = hunt->result;

	if (!result->found)
		result->ops_before = result->tally.ops;
	if (result->found && hunt->best->count <= hunt->story.count)
		return;
	result->found = true;
	result->seed = seed;
	result->shrunk = *shrunk;
	story_copy(hunt->best, &hunt->story);
	*hunt->end = hunt->story_end;
}

static int try_seed(struct hunt *hunt, uint64_t seed)
{
	struct shrink_options options = {
		.world = hunt->options->run.world, .plays_max = SHRINK_PLAYS, .blame = true
	};
	struct shrink_result shrunk;
	int result = run_seed(&hunt->options->run, seed, &hunt->result->tally, &hunt->story,
			      &hunt->story_end);

	if (result <= 0)
		return result;
	result = shrink_story(&options, &hunt->story, &hunt->story_end, &shrunk);
	if (!result && is_ours(hunt, &shrunk))
		keep_shortest(hunt, seed, &shrunk);
	return result;
}

static bool is_over(struct hunt *hunt)
{
	const struct hunt_options *options = hunt->options;
	const struct hunt_result *result = hunt->result;

	if (result->found && hunt->best->count <= HUNT_LENGTH)
		return true;
	if (result->found && hunt->alternatives++ >= options->alternatives)
		return true;
	if (options->ops_max && result->tally.ops >= options->ops_max)
		return true;
	return options->run.stop && options->run.stop(options->run.cookie);
}

int hunt(const struct hunt_options *options, struct story *story, struct story_end *end,
	 struct hunt_result *result)
{
	struct hunt *hunt = calloc(1, sizeof(*hunt));
	int error = hunt ? 0 : -ENOMEM;

	memset(result, 0, sizeof(*result));
	memset(end, 0, sizeof(*end));
	if (hunt) {
		hunt->options = options;
		hunt->best = story;
		hunt->end = end;
		hunt->result = result;
	}
	for (uint64_t i = 0; !error && i < options->seeds_max && !is_over(hunt); i++)
		error = try_seed(hunt, options->first_seed + i);
	free(hunt);
	return error;
}
