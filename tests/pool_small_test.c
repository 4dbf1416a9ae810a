/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* build: -DTLBTAG_POOL_WORD_BITS=2u */
/*
 * Very small pools, exhaustively against the naive oracle. Words of the bitmaps
 * have two bits here, so that three tags need two levels and five need three.
 *
 * One test walks every sequence of up to DEPTH operations on a new pool. The
 * others follow every operation from every state that can be reached at all,
 * until no new state turns up: with that, sequences of any length have been
 * tried, because what the pool does next depends on nothing but its state.
 *
 * Every step asks all there is to ask. Guards P1, P2, P3, P4, P5.
 */
#include <tlbtag/pool.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "pool_oracle.h"
#include "test.h"

#define MIN 5u
#define NR_MAX 5u
#define DEPTH 5u
#define WORDS_MAX 16u

/* All there is to a pool and to its oracle, so that it can be copied. */
struct world {
	struct tlbtag_pool pool;
	uint64_t words[WORDS_MAX];
	struct pool_oracle oracle;
	uint8_t state[NR_MAX];
	uint8_t ranges[TLBTAG_CLASSES]; /* 0, or 1 + which of the ranges below */
};

enum verb {
	VERB_ALLOC,
	VERB_FREE,
	VERB_FALLBACK,
	VERB_SEAL,
	VERB_UNSEAL,
	VERB_REUSE,
	VERB_CLASS,
	VERB_RENEW,
};

static const struct tlbtag_range ranges[] = {
	{ 2, 1, false },
	{ MIN, MIN + 2, false },
	{ MIN, MIN + 4, true },
	{ MIN, MIN, false },
	{ MIN + 2, MIN + 2, true },
	{ MIN + 1, MIN + 2, true },
	{ MIN, MIN + 1, true },
	{ MIN + 1, MIN + 3, true },
	{ MIN + 3, MIN + 4, false },
	{ MIN + 4, MIN + 4, true },
};

struct operation {
	enum verb verb;
	uint32_t value; /* a class, a tag or a flag */
	uint32_t range; /* an index */
};

/* Every operation, with every argument that makes a difference. */
static const struct operation operations[] = {
	{ VERB_ALLOC, TLBTAG_PLAIN, 0 },
	{ VERB_ALLOC, TLBTAG_SEV, 0 },
	{ VERB_ALLOC, TLBTAG_SNP, 0 },
	{ VERB_FREE, 0, 0 },
	{ VERB_FREE, MIN - 1, 0 },
	{ VERB_FREE, MIN, 0 },
	{ VERB_FREE, MIN + 1, 0 },
	{ VERB_FREE, MIN + 2, 0 },
	{ VERB_FREE, MIN + 3, 0 },
	{ VERB_FREE, MIN + 4, 0 },
	{ VERB_FREE, MIN + 5, 0 },
	{ VERB_FALLBACK, 0, 0 },
	{ VERB_SEAL, TLBTAG_PLAIN, 0 },
	{ VERB_SEAL, TLBTAG_SEV, 0 },
	{ VERB_UNSEAL, true, 0 },
	{ VERB_UNSEAL, false, 0 },
	{ VERB_REUSE, true, 0 },
	{ VERB_REUSE, false, 0 },
	{ VERB_CLASS, TLBTAG_PLAIN, 0 },
	{ VERB_CLASS, TLBTAG_PLAIN, 1 },
	{ VERB_CLASS, TLBTAG_PLAIN, 2 },
	{ VERB_CLASS, TLBTAG_PLAIN, 3 },
	{ VERB_CLASS, TLBTAG_PLAIN, 4 },
	{ VERB_CLASS, TLBTAG_PLAIN, 8 },
	{ VERB_CLASS, TLBTAG_SEV, 5 },
	{ VERB_CLASS, TLBTAG_SEV, 6 },
	{ VERB_CLASS, TLBTAG_SEV_ES, 6 },
	{ VERB_CLASS, TLBTAG_SNP, 5 },
	{ VERB_CLASS, TLBTAG_SNP, 7 },
	{ VERB_CLASS, TLBTAG_SNP, 9 },
	{ VERB_RENEW, 0, 0 },
};

#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

static uint64_t *moved(struct world *to, const struct world *from, const uint64_t *pointer)
{
	return to->words + (pointer - from->words);
}

/* Pointers into the world must point into this one. */
static void world_copy(struct world *to, const struct world *from)
{
	*to = *from;
	to->pool.mid = moved(to, from, from->pool.mid);
	to->pool.leaf = moved(to, from, from->pool.leaf);
	to->pool.dirty = moved(to, from, from->pool.dirty);
	to->pool.sealed = moved(to, from, from->pool.sealed);
	to->oracle.state = to->state;
}

static void world_init(struct world *world, uint32_t nr)
{
	memset(world, 0, sizeof(*world));
	CHECK_EQ(tlbtag_pool_init(&world->pool, MIN, nr, world->words, WORDS_MAX), 0);
	oracle_init(&world->oracle, MIN, nr, world->state);
}

static bool unseal_both(struct world *world, bool cleaned)
{
	unsigned int expected = world->oracle.sealing ? 0 : 1;

	oracle_unseal(&world->oracle, cleaned);
	tlbtag_sim_warnings_reset();
	tlbtag_pool_unseal(&world->pool, cleaned);
	return CHECK_EQ(tlbtag_sim_warnings(), expected);
}

static bool renew_both(struct world *world)
{
	uint32_t leaked = oracle_leaked(&world->oracle);
	uint32_t nr = world->oracle.nr;

	if (!CHECK_EQ(tlbtag_pool_destroy(&world->pool), leaked))
		return false;
	world_init(world, nr);
	return true;
}

static bool class_both(struct world *world, int class, uint32_t range)
{
	int error = oracle_set_class(&world->oracle, class, &ranges[range]);

	if (!error)
		world->ranges[class] = (uint8_t)(range + 1);
	return CHECK_EQ(tlbtag_pool_set_class(&world->pool, (enum tlbtag_class)class,
					      &ranges[range]), error);
}

/* One operation on both; false if they disagree. */
static bool apply(struct world *world, const struct operation *operation)
{
	struct tlbtag_pool *pool = &world->pool;
	struct pool_oracle *oracle = &world->oracle;
	uint32_t value = operation->value;

	switch (operation->verb) {
	case VERB_ALLOC:
		return CHECK_EQ(tlbtag_pool_alloc(pool, (enum tlbtag_class)value),
				oracle_alloc(oracle, (int)value));
	case VERB_FREE:
		return CHECK_EQ(tlbtag_pool_free(pool, value), oracle_free(oracle, value));
	case VERB_FALLBACK:
		return CHECK_EQ(tlbtag_pool_take_fallback(pool), oracle_take_fallback(oracle));
	case VERB_SEAL:
		return CHECK_EQ(tlbtag_pool_seal(pool, (enum tlbtag_class)value),
				oracle_seal(oracle, (int)value));
	case VERB_UNSEAL:
		return unseal_both(world, value);
	case VERB_REUSE:
		tlbtag_pool_reuse_at_once(pool, value);
		oracle->reuse_at_once = value;
		oracle->last_freed = TLBTAG_NONE;
		return true;
	case VERB_CLASS:
		return class_both(world, (int)value, operation->range);
	case VERB_RENEW:
		return renew_both(world);
	}
	return false;
}

/* Everything that can be asked without changing anything. */
static bool looks_the_same(const struct world *world)
{
	const struct tlbtag_pool *pool = &world->pool;
	uint32_t free_count = 0;
	bool same = true;

	for (uint32_t index = 0; index < world->oracle.nr; index++) {
		same &= tlbtag_pool_state(pool, MIN + index) == world->state[index];
		free_count += world->state[index] == TLBTAG_FREE;
	}
	for (int class = 0; class < TLBTAG_CLASSES; class++)
		same &= tlbtag_pool_has_class(pool, (enum tlbtag_class)class) ==
			(world->oracle.range[class].first <= world->oracle.range[class].last);
	same &= tlbtag_pool_is_full(pool) == (free_count == 0);
	same &= tlbtag_pool_plain_free(pool) ==
		oracle_count(&world->oracle, TLBTAG_PLAIN, TLBTAG_FREE);
	same &= tlbtag_pool_fallback(pool) == world->oracle.fallback;
	return CHECK(same);
}

/* --- every sequence up to a depth ----------------------------------------- */

/* An odometer of operations; the world before each is kept. */
static uint64_t walk_from(const struct world *start)
{
	static struct world before[DEPTH + 1];
	size_t chosen[DEPTH] = { 0 };
	uint64_t steps = 0;
	uint32_t depth = 0;

	world_copy(&before[0], start);
	for (;;) {
		if (chosen[depth] == OPERATIONS) {
			if (depth == 0)
				return steps;
			chosen[depth--] = 0;
			continue;
		}
		world_copy(&before[depth + 1], &before[depth]);
		if (!apply(&before[depth + 1], &operations[chosen[depth]++]) ||
		    !looks_the_same(&before[depth + 1]))
			return 0;
		steps++;
		if (depth + 1 < DEPTH)
			depth++;
	}
}

/* As many as there are in a tree of this branching and depth. */
static uint64_t steps_expected(void)
{
	uint64_t level = 1;
	uint64_t steps = 0;

	for (uint32_t depth = 0; depth < DEPTH; depth++) {
		level *= OPERATIONS;
		steps += level;
	}
	return steps;
}

TEST(every_sequence_of_five_operations_on_three_tags)
{
	struct world world;

	world_init(&world, 3);
	CHECK_EQ(walk_from(&world), steps_expected());
	tlbtag_sim_warnings_reset();
}

/* --- every state that can be reached --------------------------------------- */

#define STATES_MAX (1u << 17)

/* Five bits of each word of a bitmap, as one number. */
static uint64_t bitmap_number(const struct tlbtag_pool *pool, const uint64_t *bitmap)
{
	uint64_t number = 0;

	for (uint32_t index = 0; index < pool->nr; index++)
		number |= (bitmap[index / 2] >> index % 2 & 1) << index;
	return number;
}

/*
 * What the future depends on, as one number: both sides, without pointers. The
 * summaries are in it because there is more than one way for them to be right.
 */
static uint64_t world_number(const struct world *world)
{
	const struct tlbtag_pool *pool = &world->pool;
	uint64_t number = pool->reuse_at_once;

	number = number << 1 | pool->sealing;
	number = number << 5 | bitmap_number(pool, pool->leaf);
	number = number << 5 | bitmap_number(pool, pool->dirty);
	number = number << 5 | bitmap_number(pool, pool->sealed);
	number = number << 2 | pool->mid[0];
	number = number << 2 | (pool->nr > 4 ? pool->mid[1] : 0);
	number = number << 2 | pool->top;
	number = number << 2 | pool->open;
	number = number << 3 | (pool->fallback ? pool->fallback - MIN + 1 : 0);
	number = number << 3 | (pool->last_freed ? pool->last_freed - MIN + 1 : 0);
	for (int class = 0; class < TLBTAG_CLASSES; class++)
		number = number << 4 | world->ranges[class];
	return number;
}

struct exploration {
	struct world *states;
	uint64_t *numbers; /* by hash; 0 = empty, else world_number() + 1 */
	uint32_t count;
};

/* Remembers the state; false if it was known. */
static bool explore_add(struct exploration *exploration, const struct world *world)
{
	uint64_t number = world_number(world) + 1;
	uint32_t slot = (uint32_t)(number * UINT64_C(0x9e3779b97f4a7c15) >> 32);

	for (;; slot++) {
		uint64_t *known = &exploration->numbers[slot % (4 * STATES_MAX)];

		if (*known == number)
			return false;
		if (*known != 0)
			continue;
		*known = number;
		if (CHECK(exploration->count < STATES_MAX))
			world_copy(&exploration->states[exploration->count++], world);
		return true;
	}
}

static void explore(uint32_t nr)
{
	struct exploration exploration = {
		.states = calloc(STATES_MAX, sizeof(struct world)),
		.numbers = calloc(4 * STATES_MAX, sizeof(uint64_t)),
	};
	struct world world;

	world_init(&world, nr);
	explore_add(&exploration, &world);
	for (uint32_t from = 0; from < exploration.count; from++) {
		for (size_t choice = 0; choice < OPERATIONS; choice++) {
			world_copy(&world, &exploration.states[from]);
			if (!apply(&world, &operations[choice]) || !looks_the_same(&world))
				goto out;
			explore_add(&exploration, &world);
		}
	}
	printf("     %u tags: %u states, %zu operations in each\n", nr, exploration.count,
	       OPERATIONS);
	CHECK(exploration.count > 500);
out:
	tlbtag_sim_warnings_reset();
	free(exploration.states);
	free(exploration.numbers);
}

TEST(every_operation_in_every_reachable_state_of_three_tags)
{
	explore(3);
}

TEST(every_operation_in_every_reachable_state_of_five_tags)
{
	explore(5);
}
