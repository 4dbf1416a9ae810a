/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* build: -DTLBTAG_PAGES_MAX=8u */
/*
 * The contract of the shared cache, in every interleaving of two and three
 * walkers that split again and again, under the shared or the exclusive MMU
 * lock, with every allocation free to fail and every split free to leave pages.
 *
 * A walker looks, drops the MMU lock, adds pages, takes the lock again and begins
 * anew; the cache lock makes each call one step, and the look is a single load,
 * so a step is a call. The states that can be reached are few, and all of them
 * are visited. Guards S1, S2, S3, PAGES_RECHECK, PAGES_CAP, KIT_WHOLE.
 */
#include <tlbtag/rules.h>
#include <tlbtag/supply.h>

#include <stdio.h>
#include <stdlib.h>

#include "test.h"

#define WALKERS_MAX 3u
#define STATES_MAX 200000u
#define TABLE_SIZE (1u << 20)
#define CHOICES 3u
#define PAGE ((tlbtag_page_t)0x1000)

enum at {
	AT_LOCK = 0,
	AT_LOOK = 1,
	AT_ALLOC = 2,
	AT_ADD = 3,
	AT_TAKE = 4,
	AT_SPLIT = 5,
	AT_GIVE = 6,
};

struct walker {
	enum at at;
	bool exclusive;
	struct tlbtag_kit kit;
};

struct state {
	struct tlbtag_supply supply;
	struct walker walker[WALKERS_MAX];
	uint32_t readers;
	uint32_t writers;
	uint64_t used;
};

static struct state *states;
static uint32_t state_count;
static uint64_t table[TABLE_SIZE];
static uint32_t walker_count;

static bool mmu_lock(struct state *state, struct walker *walker)
{
	if (state->writers || (walker->exclusive && state->readers))
		return false;
	if (walker->exclusive)
		state->writers++;
	else
		state->readers++;
	walker->at = AT_LOOK;
	return true;
}

static void mmu_unlock(struct state *state, struct walker *walker)
{
	if (walker->exclusive)
		state->writers--;
	else
		state->readers--;
	walker->at = AT_LOCK;
}

static void look(struct state *state, struct walker *walker)
{
	bool short_of_pages = tlbtag_supply_need_topup(&state->supply);

	if (short_of_pages)
		mmu_unlock(state, walker);
	walker->at = short_of_pages ? AT_ALLOC : AT_TAKE;
}

/* S3: what add keeps does not exceed the minimum. */
static bool add(struct state *state, struct walker *walker)
{
	bool kept = tlbtag_supply_add(&state->supply, PAGE);

	walker->at = tlbtag_supply_need_topup(&state->supply) ? AT_ALLOC : AT_LOCK;
	return !kept || state->supply.pamt.count <= state->supply.pamt.min;
}

/* A kit is whole; and who looked under the exclusive lock gets one. */
static bool take(struct state *state, struct walker *walker)
{
	bool whole = true;

	if (tlbtag_supply_take(&state->supply, &walker->kit)) {
		mmu_unlock(state, walker);
		return !walker->exclusive;
	}
	walker->at = AT_SPLIT;
	for (uint32_t i = 0; i < walker->kit.pamt_count; i++)
		whole &= walker->kit.pamt[i] == PAGE;
	return whole && walker->kit.pamt_count == TLBTAG_KIT_PAMT;
}

static void split(struct state *state, struct walker *walker, uint32_t pairs)
{
	walker->kit.pamt_count -= pairs * TLBTAG_PAIR_PAGES;
	state->used += pairs * TLBTAG_PAIR_PAGES;
	walker->at = AT_GIVE;
}

static void give(struct state *state, struct walker *walker)
{
	tlbtag_supply_give(&state->supply, &walker->kit);
	while (tlbtag_kit_drain(&walker->kit) != TLBTAG_PAGE_NONE)
		; /* freed */
	mmu_unlock(state, walker);
}

/* One step of one walker; false if something is wrong. *moved: was there one? */
static bool step(struct state *state, struct walker *walker, uint32_t choice, bool *moved)
{
	*moved = walker->at == AT_SPLIT || choice == 0 || (walker->at == AT_ALLOC && choice == 1);
	if (!*moved)
		return true;
	switch (walker->at) {
	case AT_LOCK:
		*moved = mmu_lock(state, walker);
		return true;
	case AT_LOOK:
		look(state, walker);
		return true;
	case AT_ALLOC:
		/* -ENOMEM: this walker gives up, and later begins anew. */
		walker->at = choice ? AT_LOCK : AT_ADD;
		return true;
	case AT_ADD:
		return add(state, walker);
	case AT_TAKE:
		return take(state, walker);
	case AT_SPLIT:
		split(state, walker, choice);
		return true;
	case AT_GIVE:
		give(state, walker);
		return true;
	}
	return false;
}

static bool is_balanced(const struct state *state)
{
	const struct tlbtag_pages *pages = &state->supply.pamt;
	uint64_t in_use = state->used;

	for (uint32_t i = 0; i < walker_count; i++)
		in_use += state->walker[i].kit.pamt_count;
	return pages->added + pages->given == pages->count + pages->taken + pages->drained &&
	       tlbtag_pages_in_use(pages) == in_use;
}

static bool is_new(const struct state *state)
{
	uint64_t hash = state->supply.pamt.count + 1;
	uint32_t slot;

	for (uint32_t i = 0; i < walker_count; i++) {
		const struct walker *walker = &state->walker[i];

		hash = hash * 64 + (uint64_t)walker->at * 8 + walker->kit.pamt_count;
	}
	slot = (uint32_t)(hash * UINT64_C(0x9e3779b97f4a7c15) >> 44);
	for (; table[slot] != 0; slot = (slot + 1) % TABLE_SIZE)
		if (table[slot] == hash)
			return false;
	table[slot] = hash;
	return true;
}

static bool try_step(const struct state *before, uint32_t nr, uint32_t choice)
{
	struct state *state = &states[state_count];
	bool moved;

	*state = *before;
	if (!step(state, &state->walker[nr], choice, &moved) || !is_balanced(state))
		return false;
	if (moved && is_new(state))
		state_count++;
	return state_count < STATES_MAX || !CHECK(!"the search ran out of room");
}

/* @exclusive: one bit a walker */
static bool explore(uint32_t walkers, uint32_t exclusive)
{
	bool good = true;

	walker_count = walkers;
	memset(table, 0, sizeof(table));
	states = calloc(STATES_MAX + 1, sizeof(*states));
	tlbtag_supply_init(&states[0].supply, TLBTAG_SUPPLY_CACHE, true);
	for (uint32_t i = 0; i < walkers; i++)
		states[0].walker[i].exclusive = exclusive >> i & 1;
	is_new(&states[0]);
	state_count = 1;
	for (uint32_t before = 0; good && before < state_count; before++)
		for (uint32_t turn = 0; good && turn < walkers * CHOICES; turn++)
			good = try_step(&states[before], turn / CHOICES, turn % CHOICES);
	free(states);
	return good;
}

TEST(supply_every_interleaving_of_walkers_keeps_the_contract)
{
	for (uint32_t walkers = 2; walkers <= WALKERS_MAX; walkers++)
		for (uint32_t exclusive = 0; exclusive < 1u << walkers; exclusive++) {
			CHECK(explore(walkers, exclusive));
			printf("     %u walkers, exclusive ones 0x%x: %u states\n", walkers,
			       exclusive, state_count);
		}
}

TEST(supply_without_a_rule_some_interleaving_breaks_the_contract)
{
	static const enum tlbtag_rule rules[] = {
		TLBTAG_RULE_PAGES_RECHECK, TLBTAG_RULE_PAGES_CAP, TLBTAG_RULE_KIT_WHOLE,
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		tlbtag_sim_rule_off(rules[i]);
		if (!CHECK(!explore(2, 0)))
			test_failed(__FILE__, __LINE__, "rule %d", (int)rules[i]);
		tlbtag_sim_rule_on(rules[i]);
	}
}
