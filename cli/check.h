/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What tlbtag check was asked for.
 */
#ifndef CLI_CHECK_H
#define CLI_CHECK_H

#include "found.h"

/**
 * struct check_request - what was asked for
 * @world: kind of world
 * @pins: what is not left to the seeds
 * @avoid: kinds of operations that do not occur
 * @first, @last: seeds
 * @ranged: they were given
 * @shard, @shards: only seeds whose distance from @first leaves @shard
 * @ops: per seed
 * @time: in seconds, or 0
 * @began: at that time
 * @jobs: processes
 * @depth: of exploration, or 0
 * @states: told apart when exploring
 */
struct check_request {
	const struct check_world *world;
	struct config_pins pins;
	bool avoid[CHECK_KINDS_MAX];
	uint64_t first;
	uint64_t last;
	uint64_t shard;
	uint64_t shards;
	uint64_t ops;
	uint64_t jobs;
	uint64_t depth;
	uint64_t states;
	double time;
	double began;
	const char *save;
	const char *from;
	const char *replay;
	bool ranged;
	bool keep_going;
	bool merge;
	bool json;
	bool timing;
	bool help;
};

/* Is the time over? The cookie is the request. */
bool check_is_late(void *cookie);

void check_add_timing(const struct check_request *request, const struct run_tally *tally,
		      json_t *object);

/* tlbtag check --explore, tlbtag check --merge. */
int check_explore(struct check_request *request);
int check_merge(int count, char **paths);

#endif
