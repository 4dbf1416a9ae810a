/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The shortest story that still goes wrong in the same way.
 */
#ifndef CHECK_SHRINK_H
#define CHECK_SHRINK_H

#include "story.h"

/**
 * struct shrink_options - how to shrink
 * @world: kind of world
 * @plays_max: stories played at most
 * @blame: the story must go well without its fault and with all rules on, so
 *	that it shows them and nothing else
 */
struct shrink_options {
	const struct check_world *world;
	uint64_t plays_max;
	bool blame;
};

/* Enough for any story that was seen, and over in seconds. */
#define SHRINK_PLAYS 200000u

/**
 * struct shrink_result - what came of it
 * @repeats: played again, the story went wrong in the same way
 * @blames: with @blame: without the fault it goes well
 * @ended: nothing more could be left out; else @plays_max was reached
 * @plays: stories played
 */
struct shrink_result {
	bool repeats;
	bool blames;
	bool ended;
	uint64_t plays;
};

/**
 * shrink_story() - shorten a story in place
 * @options: how
 * @story: one that went wrong
 * @end: how; at the end of the short one
 * @result: filled in
 *
 * Return: 0 or -ENOMEM.
 */
int shrink_story(const struct shrink_options *options, struct story *story,
		 struct story_end *end, struct shrink_result *result);

#endif
