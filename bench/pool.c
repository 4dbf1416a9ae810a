/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Allocating and freeing tags: libtlbtag's pool against a bitmap that is
 * searched from its beginning. Both under the same lock.
 */
#include <tlbtag/pool.h>

#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "bench/lock.h"
#include "bench/peer.h"

/* More than the branch predictors can learn by heart. */
#define CHURN_PICKS (1u << 20)

/* What an embedder has: the pool and its lock. */
struct ours {
	struct bench_lock lock;
	struct tlbtag_pool pool;
};

/* Both pools, the tags that are out, and which of them to give back next. */
struct pools {
	struct ours ours;
	uint64_t *words;
	struct peer_pool *peer;
	uint32_t live;
	tlbtag_t *tag[2];
	uint32_t *pick;
	uint64_t picked[2];
};

enum {
	PEER,
	OURS,
};

static __attribute__((noinline)) tlbtag_t ours_alloc(struct ours *ours)
{
	tlbtag_t tag;

	if (tlbtag_pool_is_full(&ours->pool))
		return TLBTAG_NONE;
	bench_lock(&ours->lock);
	tag = tlbtag_pool_alloc(&ours->pool, TLBTAG_PLAIN);
	bench_unlock(&ours->lock);
	return tag;
}

static __attribute__((noinline)) void ours_free(struct ours *ours, tlbtag_t tag)
{
	bench_lock(&ours->lock);
	tlbtag_pool_free(&ours->pool, tag);
	bench_unlock(&ours->lock);
}

static struct pools *pools_create(uint32_t nr, uint32_t live)
{
	struct pools *pools = bench_memory(sizeof(*pools));
	uint32_t words = tlbtag_pool_words(nr);

	pools->words = bench_memory(sizeof(uint64_t) * words);
	pools->live = live;
	pools->peer = peer_pool_create(1, nr);
	pools->tag[PEER] = bench_memory(sizeof(tlbtag_t) * (live + 1));
	pools->tag[OURS] = bench_memory(sizeof(tlbtag_t) * (live + 1));
	if (tlbtag_pool_init(&pools->ours.pool, 1, nr, pools->words, words))
		abort();
	for (uint32_t count = 0; count < live; count++) {
		pools->tag[PEER][count] = peer_pool_alloc(pools->peer);
		pools->tag[OURS][count] = ours_alloc(&pools->ours);
	}
	return pools;
}

static void pools_destroy(struct pools *pools)
{
	for (uint32_t count = 0; count < pools->live; count++)
		if (pools->tag[PEER][count] != pools->tag[OURS][count])
			bench_differ("pool: a tag");
	for (uint32_t count = 0; count < pools->live; count++)
		ours_free(&pools->ours, pools->tag[OURS][count]);
	if (tlbtag_pool_destroy(&pools->ours.pool))
		bench_differ("pool: leaks");
	free(pools->words);
	peer_pool_destroy(pools->peer);
	free(pools->tag[PEER]);
	free(pools->tag[OURS]);
	free(pools->pick);
	free(pools);
}

static void peer_pair(void *state, uint64_t count)
{
	struct pools *pools = state;

	while (count-- > 0)
		peer_pool_free(pools->peer, peer_pool_alloc(pools->peer));
}

static void ours_pair(void *state, uint64_t count)
{
	struct pools *pools = state;

	while (count-- > 0)
		ours_free(&pools->ours, ours_alloc(&pools->ours));
}

static void peer_full(void *state, uint64_t count)
{
	struct pools *pools = state;

	while (count-- > 0)
		bench_use(peer_pool_alloc(pools->peer));
}

static void ours_full(void *state, uint64_t count)
{
	struct pools *pools = state;

	while (count-- > 0)
		bench_use(ours_alloc(&pools->ours));
}

static tlbtag_t *tag_pick(struct pools *pools, int side)
{
	return &pools->tag[side][pools->pick[pools->picked[side]++ % CHURN_PICKS]];
}

static void peer_churn(void *state, uint64_t count)
{
	struct pools *pools = state;

	for (uint64_t end = pools->picked[PEER] + count; pools->picked[PEER] < end;) {
		tlbtag_t *tag = tag_pick(pools, PEER);

		peer_pool_free(pools->peer, *tag);
		*tag = peer_pool_alloc(pools->peer);
	}
}

static void ours_churn(void *state, uint64_t count)
{
	struct pools *pools = state;

	for (uint64_t end = pools->picked[OURS] + count; pools->picked[OURS] < end;) {
		tlbtag_t *tag = tag_pick(pools, OURS);

		ours_free(&pools->ours, *tag);
		*tag = ours_alloc(&pools->ours);
	}
}

static __attribute__((noinline)) void lock_and_unlock(struct bench_lock *lock)
{
	bench_lock(lock);
	bench_unlock(lock);
}

/* What no pair under a lock can go below. */
static void floor_pair(void *state, uint64_t count)
{
	while (count-- > 0) {
		lock_and_unlock(state);
		lock_and_unlock(state);
	}
}

/* A cell on pools of @nr tags of which @live are out, the lowest ones. */
static void pool_cell(const char *name, uint32_t nr, uint32_t live, struct bench_sides sides)
{
	struct pools *pools;

	if (!bench_wants(name))
		return;
	if (peer_missing()) {
		bench_skip(name, "ns", peer_missing());
		return;
	}
	pools = pools_create(nr, live);
	pools->pick = bench_random(CHURN_PICKS, live ? live : 1);
	sides.state = pools;
	bench_time(name, &sides);
	pools_destroy(pools);
}

static void pool_cells(uint32_t nr)
{
	static const uint32_t occupancies[] = { 0, 50, 99 };
	char name[32];

	for (int which = 0; which < 3; which++) {
		uint32_t live = (uint32_t)((uint64_t)nr * occupancies[which] / 100);

		snprintf(name, sizeof(name), "pool.pair.%u.%u", nr, occupancies[which]);
		pool_cell(name, nr, live, (struct bench_sides){ peer_pair, ours_pair, NULL });
	}
	snprintf(name, sizeof(name), "pool.full.%u", nr);
	pool_cell(name, nr, nr, (struct bench_sides){ peer_full, ours_full, NULL });
	snprintf(name, sizeof(name), "pool.churn.%u", nr);
	pool_cell(name, nr, nr / 2, (struct bench_sides){ peer_churn, ours_churn, NULL });
}

void bench_pool(void)
{
	struct bench_lock lock = { 0 };

	bench_note("pool: two calls that only lock and unlock", floor_pair, &lock);
	pool_cells(256);
	pool_cells(1006);
	pool_cells(32768);
	pool_cells(65535);
}
