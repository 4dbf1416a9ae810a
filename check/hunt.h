/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Looking for a story that shows one fault, seed after seed, until there is a
 * short one.
 */
#ifndef CHECK_HUNT_H
#define CHECK_HUNT_H

#include "run.h"
#include "shrink.h"

/* A story of so many operations is short enough to be read. */
#define HUNT_LENGTH 20u

/**
 * struct hunt_options - what to look for
 * @run: with the fault pinned
 * @first_seed: the first to try
 * @seeds_max: leave off after so many
 * @ops_max: leave off after so many operations, 0: never
 * @alternatives: once something is found, try so many more for a short story
 */
struct hunt_options {
	struct run_options run;
	uint64_t first_seed;
	uint64_t seeds_max;
	uint64_t ops_max;
	unsigned int alternatives;
};

/**
 * struct hunt_result - what was found
 * @found: a story that goes wrong with the fault and well without it
 * @baseline: seeds whose story goes wrong without the fault too: a defect of
 *	something else
 * @unsteady: seeds whose story did not repeat: a defect of ours
 * @seed: that the story is from
 * @ops_before: operations until something was found for the first time
 * @tally: all that was done
 * @shrunk: how shrinking went
 */
struct hunt_result {
	bool found;
	uint64_t baseline;
	uint64_t unsteady;
	uint64_t seed;
	uint64_t ops_before;
	struct run_tally tally;
	struct shrink_result shrunk;
};

/* Return: 0, or as run_seed(). */
int hunt(const struct hunt_options *options, struct story *story, struct story_end *end,
	 struct hunt_result *result);

#endif
