/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Everything that can happen within a number of operations.
 */
#ifndef CHECK_EXPLORE_H
#define CHECK_EXPLORE_H

#include "story.h"

/**
 * struct explore_options - where and how far
 * @world: kind of world
 * @from: configuration, and operations that come first
 * @depth: operations after these
 * @states: at most so many different ones are told apart and gone on from
 * @stop: asked now and then whether to leave off, or NULL
 * @cookie: its argument
 */
struct explore_options {
	const struct check_world *world;
	const struct story *from;
	unsigned int depth;
	uint32_t states;
	bool (*stop)(void *cookie);
	void *cookie;
};

/**
 * struct explore_result - how far it got
 * @wrong: found in @story, which is a shortest one
 * @full: there were more than @states, not all of them were gone on from
 * @stopped: @stop said so
 * @depth: all sequences of so many operations were tried
 * @states: different ones, by their digests
 * @ops: operations applied that led from a state to another or the same
 * @accesses: checked in these, those on the way to a state counted again
 */
struct explore_result {
	bool wrong;
	bool full;
	bool stopped;
	unsigned int depth;
	uint32_t states;
	uint64_t ops;
	uint64_t accesses;
};

/**
 * explore() - breadth first, so what is found is found by a shortest story
 * @options: where and how far
 * @story: the one in which something was wrong
 * @end: how it ended
 * @result: filled in
 *
 * States are compared by 64-bit digests: two that differ pass for one with a
 * chance of about (states / 2^32)^2 / 2.
 *
 * Return: 0, -ENOMEM, or -EINVAL if @from itself goes wrong.
 */
int explore(const struct explore_options *options, struct story *story, struct story_end *end,
	    struct explore_result *result);

#endif
