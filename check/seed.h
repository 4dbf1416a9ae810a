/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Chance that is the same on every machine. Nothing in check/ asks anything
 * else for a random number.
 */
#ifndef CHECK_SEED_H
#define CHECK_SEED_H

#include "config.h"

/**
 * struct seed - a source of random numbers
 * @state: advances by a constant; what comes out is a hash of it
 */
struct seed {
	uint64_t state;
};

/* Sources of different numbers have nothing to do with each other. */
void seed_init(struct seed *seed, uint64_t number);

uint64_t seed_next(struct seed *seed);

/* A number below @limit, which is not 0. */
uint32_t seed_below(struct seed *seed, uint32_t limit);

/* True in @share of @whole cases. */
bool seed_chance(struct seed *seed, uint32_t share, uint32_t whole);

/**
 * check_config_from_seed() - draw what a world is made of
 * @world: the kind of world
 * @seed: source
 * @pins: keys that are not drawn
 * @config: filled in
 *
 * Return: NULL, or why no configuration that was tried can be.
 */
const char *check_config_from_seed(const struct check_world *world, struct seed *seed,
				   const struct config_pins *pins, struct vmm_config *config);

/* Stop drawing arguments from more names than this; they are still drawn freely. */
#define SEED_NAMES_MAX 32u

/**
 * struct seed_name - how a story draws its arguments of one name
 * @name: as in the operations' descriptions
 * @last: drawn last
 * @sticky: how often of 8 times @last is taken again
 * @plain: how often of 8 times it is 0, the plain case
 * @favourites: at most so many different values occur, 0: all
 * @favourite: these
 */
struct seed_name {
	const char *name;
	uint8_t last;
	uint8_t sticky;
	uint8_t plain;
	uint8_t favourites;
	uint8_t favourite[3];
};

/* An operation may be the same as one of so many before it. */
#define SEED_HISTORY 16u

/**
 * struct seed_plan - how a story draws its operations
 * @weight: of each kind, 0: does not occur
 * @weight_sum: of all
 * @limit: of each kind's arguments
 * @name_of: which of @names it is drawn by
 * @names, @name_count: arguments of the same name mean the same thing
 * @echo: how often of 16 times an operation is the same as an earlier one
 * @history, @history_count: those that were done, a ring
 */
struct seed_plan {
	uint32_t weight[CHECK_KINDS_MAX];
	uint32_t weight_sum;
	uint16_t limit[CHECK_KINDS_MAX][VMM_ARGS];
	uint8_t name_of[CHECK_KINDS_MAX][VMM_ARGS];
	struct seed_name names[SEED_NAMES_MAX];
	unsigned int name_count;
	unsigned int echo;
	unsigned int history_count;
	struct vmm_op history[SEED_HISTORY];
};

/* Swarm: which kinds of operations occur in a story is chance itself. */
void seed_plan(struct seed *seed, const struct check_world *world,
	       const struct vmm_config *config, struct seed_plan *plan);

/* This kind does not occur, unless it is the only one that does. */
void seed_plan_avoid(struct seed_plan *plan, unsigned int kind);

void seed_op(struct seed *seed, struct seed_plan *plan, struct vmm_op *op);

/* This operation was possible. */
void seed_plan_done(struct seed_plan *plan, const struct vmm_op *op);

#endif
