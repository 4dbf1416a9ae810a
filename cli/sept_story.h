/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The scenarios of tlbtag sept.
 */
#ifndef CLI_SEPT_STORY_H
#define CLI_SEPT_STORY_H

#include "sept_host.h"

/* Less has no room for the scenarios' ranges. */
#define SEPT_SLOTS_MIN 16u

/**
 * struct sept_story - a named scenario
 * @name: of it
 * @about: in one line
 * @play: carries it out; 0 or an error of the host
 */
struct sept_story {
	const char *name;
	const char *about;
	int (*play)(struct sept_host *host);
};

extern const struct sept_story sept_stories[];
extern const unsigned int sept_story_count;

/* NULL: there is none of that name. */
const struct sept_story *sept_story_find(const char *name);

/**
 * sept_story_play() - a scenario on a host of its own
 * @story: which
 * @setup: the host
 * @cost: filled in with what it cost; what comes after it is not counted
 * @wrong: filled in with NULL or what was found to be wrong, at its end or after
 *	everything was torn down
 *
 * Return: 0; -ENOMEM if the host could not be made; -EIO if the scenario failed,
 * then @wrong says why.
 */
int sept_story_play(const struct sept_story *story, const struct sept_setup *setup,
		    struct sept_cost *cost, const char **wrong);

#endif
