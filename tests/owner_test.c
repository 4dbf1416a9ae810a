/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The owner record decides exactly as its definition does, in both layouts:
 * searched (up to TLBTAG_OWNER_SCAN_MAX members) and indexed by CPU (above).
 * One thread; tests/owner_race_test.c has two.
 */
#include <tlbtag/owner.h>

#include <errno.h>
#include <stdlib.h>

#include "owner_oracle.h"
#include "test.h"

#define WORDS_MAX 256u

/* The smallest record that is indexed by CPU. */
#define INDEXED (TLBTAG_OWNER_SCAN_MAX + 1)

static union tlbtag_owner_word words[WORDS_MAX];

static struct tlbtag_cpu on(uint32_t cpu)
{
	return (struct tlbtag_cpu){ cpu };
}

/* A load as an embedder does it: was a flush due? */
static bool load(struct tlbtag_owner *owner, uint32_t member, uint32_t cpu)
{
	bool other = tlbtag_owner_is_other(owner, member, on(cpu));

	tlbtag_owner_take(owner, member, on(cpu));
	return other;
}

static bool warned(unsigned int count)
{
	bool right = tlbtag_sim_warnings() == count;

	tlbtag_sim_warnings_reset();
	return right;
}

TEST(words_are_two_bytes_a_member_and_in_large_records_a_cpu)
{
	CHECK_EQ(tlbtag_owner_words(1, 512), 1);
	CHECK_EQ(tlbtag_owner_words(4, 512), 1);
	CHECK_EQ(tlbtag_owner_words(5, 512), 2);
	CHECK_EQ(tlbtag_owner_words(TLBTAG_OWNER_SCAN_MAX, 512), TLBTAG_OWNER_SCAN_MAX / 4);
	CHECK_EQ(tlbtag_owner_words(INDEXED, 512), TLBTAG_OWNER_SCAN_MAX / 4 + 1 + 128);
	CHECK_EQ(tlbtag_owner_words(INDEXED, 1), TLBTAG_OWNER_SCAN_MAX / 4 + 1 + 1);
	CHECK_EQ(tlbtag_owner_words(TLBTAG_OWNER_MEMBERS_MAX, TLBTAG_CPU_LIMIT), 2 * 16384);
}

TEST(words_of_an_impossible_record_are_none)
{
	CHECK_EQ(tlbtag_owner_words(0, 1), 0);
	CHECK_EQ(tlbtag_owner_words(1, 0), 0);
	CHECK_EQ(tlbtag_owner_words(TLBTAG_OWNER_MEMBERS_MAX + 1, 1), 0);
	CHECK_EQ(tlbtag_owner_words(1, TLBTAG_CPU_LIMIT + 1), 0);
	CHECK_EQ(tlbtag_owner_words(UINT32_MAX, UINT32_MAX), 0);
}

TEST(init_refuses_and_leaves_the_record_alone)
{
	struct tlbtag_owner owner;
	struct tlbtag_owner before;

	memset(&owner, 0x5a, sizeof(owner));
	before = owner;
	CHECK_EQ(tlbtag_owner_init(&owner, 0, 1, words, WORDS_MAX), -EINVAL);
	CHECK_EQ(tlbtag_owner_init(&owner, 1, 0, words, WORDS_MAX), -EINVAL);
	CHECK_EQ(tlbtag_owner_init(&owner, TLBTAG_OWNER_MEMBERS_MAX + 1, 1, words, WORDS_MAX),
		 -EINVAL);
	CHECK_EQ(tlbtag_owner_init(&owner, 1, TLBTAG_CPU_LIMIT + 1, words, WORDS_MAX), -EINVAL);
	CHECK_EQ(tlbtag_owner_init(&owner, 4, 4, NULL, WORDS_MAX), -EINVAL);
	CHECK_EQ(tlbtag_owner_init(&owner, 5, 4, words, 1), -ENOMEM);
	CHECK_EQ(tlbtag_owner_init(&owner, INDEXED, 4, words, 17), -ENOMEM);
	CHECK_EQ(memcmp(&owner, &before, sizeof(owner)), 0);
	CHECK_EQ(tlbtag_owner_init(&owner, 5, 4, words, 2), 0);
	CHECK_EQ(tlbtag_owner_init(&owner, INDEXED, 4, words, 18), 0);
}

static void check_first_use(uint32_t members, uint32_t cpus)
{
	struct tlbtag_owner owner;

	memset(words, 0, sizeof(words));
	CHECK_EQ(tlbtag_owner_init(&owner, members, cpus, words, WORDS_MAX), 0);
	for (uint32_t member = 0; member < members; member++)
		for (uint32_t cpu = 0; cpu < cpus; cpu++)
			CHECK(tlbtag_owner_is_other(&owner, member, on(cpu)));
}

TEST(first_use_flushes_everywhere_whatever_the_storage_held)
{
	check_first_use(3, 5);
	check_first_use(INDEXED, 5);
}

static void check_story(uint32_t members)
{
	struct tlbtag_owner owner;

	CHECK_EQ(tlbtag_owner_init(&owner, members, 2, words, WORDS_MAX), 0);
	CHECK(load(&owner, 0, 0));
	CHECK(!load(&owner, 0, 0));
	CHECK(load(&owner, 1, 0));
	CHECK(load(&owner, 0, 0));
	CHECK(load(&owner, 0, 1));
	CHECK(load(&owner, 0, 0));
	CHECK(load(&owner, 2, 1));
	CHECK(!load(&owner, 0, 0));
	CHECK(!load(&owner, 2, 1));
	tlbtag_owner_forget(&owner, 0);
	CHECK(load(&owner, 0, 0));
	CHECK(!load(&owner, 0, 0));
	CHECK(!load(&owner, 2, 1));
	CHECK(warned(0));
}

TEST(another_member_another_cpu_and_forget_flush_and_nothing_else)
{
	check_story(3);
	check_story(INDEXED);
}

TEST(asking_changes_nothing)
{
	struct tlbtag_owner owner;

	CHECK_EQ(tlbtag_owner_init(&owner, 3, 2, words, WORDS_MAX), 0);
	tlbtag_owner_take(&owner, 0, on(0));
	CHECK(tlbtag_owner_is_other(&owner, 1, on(0)));
	CHECK(tlbtag_owner_is_other(&owner, 1, on(0)));
	CHECK(!tlbtag_owner_is_other(&owner, 0, on(0)));
}

TEST(highest_member_and_highest_cpu_are_not_none)
{
	uint32_t count = tlbtag_owner_words(TLBTAG_OWNER_MEMBERS_MAX, TLBTAG_CPU_LIMIT);
	union tlbtag_owner_word *storage = malloc(sizeof(*storage) * count);
	uint32_t cpu = TLBTAG_CPU_LIMIT - 1;
	struct tlbtag_owner owner;

	CHECK_EQ(tlbtag_owner_init(&owner, TLBTAG_OWNER_MEMBERS_MAX, TLBTAG_CPU_LIMIT, storage,
				   count), 0);
	CHECK(load(&owner, TLBTAG_OWNER_MEMBERS_MAX - 1, cpu));
	CHECK(!load(&owner, TLBTAG_OWNER_MEMBERS_MAX - 1, cpu));
	CHECK(load(&owner, 0, cpu));
	CHECK(load(&owner, TLBTAG_OWNER_MEMBERS_MAX - 1, cpu));
	CHECK_EQ(tlbtag_owner_init(&owner, 2, TLBTAG_CPU_LIMIT, storage, count), 0);
	CHECK(load(&owner, 1, cpu));
	CHECK(load(&owner, 0, cpu));
	CHECK(load(&owner, 1, cpu));
	free(storage);
}

/* Somebody used the tag on CPU 1, we do not know who: nobody may rely on it. */
static void check_impossible_numbers(uint32_t members)
{
	struct tlbtag_owner owner;

	CHECK_EQ(tlbtag_owner_init(&owner, members, 2, words, WORDS_MAX), 0);
	load(&owner, 0, 0);
	load(&owner, 1, 1);
	CHECK(warned(0));
	CHECK(tlbtag_owner_is_other(&owner, members, on(0)));
	CHECK(tlbtag_owner_is_other(&owner, UINT32_MAX, on(0)));
	CHECK(tlbtag_owner_is_other(&owner, 0, on(2)));
	CHECK(tlbtag_owner_is_other(&owner, 0, on(TLBTAG_CPU_NONE)));
	tlbtag_owner_forget(&owner, members);
	CHECK(warned(5));
	CHECK(!tlbtag_owner_is_other(&owner, 0, on(0)));
	CHECK(!tlbtag_owner_is_other(&owner, 1, on(1)));
	tlbtag_owner_take(&owner, members, on(1));
	CHECK(tlbtag_owner_is_other(&owner, 1, on(1)));
	CHECK(!tlbtag_owner_is_other(&owner, 0, on(0)));
	tlbtag_owner_take(&owner, 0, on(2));
	CHECK(tlbtag_owner_is_other(&owner, 0, on(0)));
	tlbtag_owner_take(&owner, members, on(2));
	CHECK(warned(3));
}

TEST(impossible_numbers_warn_and_flush)
{
	check_impossible_numbers(3);
	check_impossible_numbers(4);
	check_impossible_numbers(INDEXED);
}

/* --- every sequence in a small scope ---------------------------------------- */

#define SCOPE_CPUS 2u
#define SCOPE_MEMBERS 3u
#define SCOPE_DEPTH 7u
#define SCOPE_LOADS (SCOPE_CPUS * SCOPE_MEMBERS)
#define SCOPE_OPERATIONS (SCOPE_LOADS + SCOPE_MEMBERS)

struct scope {
	struct tlbtag_owner owner;
	uint32_t spread; /* member numbers are multiples of this */
	uint32_t word_count;
	union tlbtag_owner_word before[SCOPE_DEPTH + 1][WORDS_MAX];
	struct owner_oracle oracle[SCOPE_DEPTH + 1];
};

static void scope_restore(struct scope *scope, uint32_t depth)
{
	memcpy(words, scope->before[depth], sizeof(words[0]) * scope->word_count);
}

/* Operation number: a load of (member, CPU), or then a forget of a member. */
static void scope_apply(struct scope *scope, struct owner_oracle *oracle, uint32_t operation)
{
	uint32_t member = operation % SCOPE_MEMBERS * scope->spread;
	uint32_t cpu = operation / SCOPE_MEMBERS;

	if (operation >= SCOPE_LOADS) {
		tlbtag_owner_forget(&scope->owner, member);
		oracle_forget(oracle, member);
		return;
	}
	tlbtag_owner_take(&scope->owner, member, on(cpu));
	oracle_take(oracle, member, cpu);
}

static bool scope_agrees(const struct scope *scope, const struct owner_oracle *oracle)
{
	bool agrees = true;

	for (uint32_t member = 0; member < SCOPE_MEMBERS; member++)
		for (uint32_t cpu = 0; cpu < SCOPE_CPUS; cpu++)
			agrees &= tlbtag_owner_is_other(&scope->owner, member * scope->spread,
							on(cpu)) ==
				  oracle_is_other(oracle, member * scope->spread, cpu);
	return CHECK(agrees);
}

/* An odometer; the state before each operation is kept. Returns the steps. */
static uint64_t scope_walk(struct scope *scope)
{
	uint32_t chosen[SCOPE_DEPTH] = { 0 };
	uint64_t steps = 0;
	uint32_t depth = 0;

	for (;;) {
		struct owner_oracle *oracle = &scope->oracle[depth + 1];

		if (chosen[depth] == SCOPE_OPERATIONS) {
			if (depth == 0)
				return steps;
			chosen[depth--] = 0;
			continue;
		}
		scope_restore(scope, depth);
		memcpy(oracle->last_member, scope->oracle[depth].last_member,
		       sizeof(oracle->last_member[0]) * SCOPE_CPUS);
		for (uint32_t member = 0; member < SCOPE_MEMBERS; member++)
			oracle->last_cpu[member * scope->spread] =
				scope->oracle[depth].last_cpu[member * scope->spread];
		scope_apply(scope, oracle, chosen[depth]++);
		if (!scope_agrees(scope, oracle))
			return 0;
		memcpy(scope->before[depth + 1], words, sizeof(words[0]) * scope->word_count);
		steps++;
		if (depth + 1 < SCOPE_DEPTH)
			depth++;
	}
}

static void check_scope(uint32_t members, uint32_t spread)
{
	struct scope *scope = calloc(1, sizeof(*scope));
	uint64_t expected = 0;
	uint64_t level = 1;

	for (uint32_t depth = 0; depth < SCOPE_DEPTH; depth++) {
		level *= SCOPE_OPERATIONS;
		expected += level;
	}
	scope->spread = spread;
	scope->word_count = tlbtag_owner_words(members, SCOPE_CPUS);
	CHECK_EQ(tlbtag_owner_init(&scope->owner, members, SCOPE_CPUS, words, WORDS_MAX), 0);
	memcpy(scope->before[0], words, sizeof(words[0]) * scope->word_count);
	for (uint32_t depth = 0; depth <= SCOPE_DEPTH; depth++)
		oracle_init(&scope->oracle[depth]);
	CHECK_EQ(scope_walk(scope), expected);
	free(scope);
}

/* Guards O1. If two members had the same CPU, the older one would miss its flush. */
TEST(every_sequence_of_seven_is_exact_when_searched)
{
	check_scope(SCOPE_MEMBERS, 1);
	check_scope(9, 4);
}

/* Guards O1. */
TEST(every_sequence_of_seven_is_exact_when_indexed)
{
	check_scope(INDEXED, 1);
}

/* --- random runs ----------------------------------------------------------- */

static uint32_t random_next(uint64_t *random)
{
	uint64_t mixed;

	*random += UINT64_C(0x9e3779b97f4a7c15);
	mixed = (*random ^ *random >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	return (uint32_t)((mixed ^ mixed >> 31) >> 32);
}

/*
 * One random run on a searched record, an indexed one and the oracle. Few
 * members are busy at a time, or nearly every load would flush.
 */
static void check_random(uint32_t members, uint32_t cpus, uint32_t loads)
{
	static union tlbtag_owner_word more_words[WORDS_MAX];
	static struct owner_oracle oracle;
	struct tlbtag_owner owner;
	struct tlbtag_owner indexed;
	uint64_t random = members * 1000 + cpus;
	uint32_t flushes = 0;

	oracle_init(&oracle);
	CHECK_EQ(tlbtag_owner_init(&owner, members, cpus, words, WORDS_MAX), 0);
	CHECK_EQ(tlbtag_owner_init(&indexed, members < INDEXED ? INDEXED : members, cpus,
				   more_words, WORDS_MAX), 0);
	for (uint32_t nr = 0; nr < loads; nr++) {
		uint32_t busy = members < 3 ? members : 3 + random_next(&random) % (members - 2);
		uint32_t member = random_next(&random) % busy;
		uint32_t cpu = random_next(&random) % 4 ? member % cpus :
							  random_next(&random) % cpus;
		bool other = oracle_is_other(&oracle, member, cpu);

		flushes += other;
		CHECK_EQ(load(&owner, member, cpu), other);
		CHECK_EQ(load(&indexed, member, cpu), other);
		oracle_take(&oracle, member, cpu);
		if (random_next(&random) % 100 != 0)
			continue;
		tlbtag_owner_forget(&owner, member);
		tlbtag_owner_forget(&indexed, member);
		oracle_forget(&oracle, member);
	}
	CHECK(flushes > 0);
	CHECK(members * 2 > loads || flushes < loads);
}

/* Guards O1. */
TEST(random_runs_are_exact_in_both_layouts)
{
	static const uint32_t members[] = { 1, 2, 3, 4, 5, 16, 63, 64, 65, 66, 200, 512 };

	for (size_t nr = 0; nr < sizeof(members) / sizeof(members[0]); nr++) {
		check_random(members[nr], 1, 100000);
		check_random(members[nr], 7, 100000);
		check_random(members[nr], 64, 100000);
	}
	CHECK(warned(0));
}

/* A dead member's number and the record's storage both serve again. */
TEST(new_member_with_a_dead_ones_number_flushes)
{
	struct tlbtag_owner owner;

	CHECK_EQ(tlbtag_owner_init(&owner, 3, 2, words, WORDS_MAX), 0);
	load(&owner, 0, 0);
	load(&owner, 1, 1);
	tlbtag_owner_forget(&owner, 0);
	CHECK(load(&owner, 0, 0));
	CHECK(!load(&owner, 1, 1));
	CHECK_EQ(tlbtag_owner_init(&owner, 3, 2, words, WORDS_MAX), 0);
	CHECK(load(&owner, 0, 0));
	CHECK(load(&owner, 1, 1));
}
