/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One seed is many short stories, each in a configuration of its own. A seed
 * and a set of pins are the same run on every machine.
 */
#ifndef CHECK_RUN_H
#define CHECK_RUN_H

#include "story.h"

/**
 * struct run_options - what to run
 * @world: kind of world
 * @pins: what is not left to the seed
 * @avoid: kinds of operations that do not occur
 * @ops: operations per seed; a story that is begun is ended
 * @stop: asked before each story whether to leave off, or NULL
 * @cookie: its argument
 */
struct run_options {
	const struct check_world *world;
	struct config_pins pins;
	bool avoid[CHECK_KINDS_MAX];
	uint64_t ops;
	bool (*stop)(void *cookie);
	void *cookie;
};

/**
 * struct run_tally - what was done
 * @seeds: begun
 * @stories: begun
 * @ops: operations that were possible
 * @accesses: checked
 * @entries, @flushes, @spare, @syncs: as struct vmm_counts
 */
struct run_tally {
	uint64_t seeds;
	uint64_t stories;
	uint64_t ops;
	uint64_t accesses;
	uint64_t entries;
	uint64_t flushes;
	uint64_t spare;
	uint64_t syncs;
};

void run_tally_add(struct run_tally *sum, const struct run_tally *more);

/**
 * run_seed() - all stories of a seed, up to the first in which something is wrong
 * @options: what to run
 * @number: the seed
 * @tally: added to
 * @story: the story in which something was wrong, with what was done in it
 * @end: how it ended
 *
 * Return: 0 nothing was wrong, 1 something was, -ENOMEM, or -EINVAL if no
 * configuration with these pins can be.
 */
int run_seed(const struct run_options *options, uint64_t number, struct run_tally *tally,
	     struct story *story, struct story_end *end);

#endif
