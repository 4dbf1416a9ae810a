/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Threads get and put uses of one region at the same time, with a module that
 * now and then refuses PAMT.ADD and PAMT.REMOVE. There is no lock at all. The
 * module's record of the region is a plain variable: whoever is at the module
 * writes it, and whoever has a use reads it, so that under TSan a second CPU at
 * the module, or a use that is not ordered after the PAMT.ADD, is a data race.
 * Guards D1, D2, D3.
 */
#include <tlbtag/pamt.h>

#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#include "test.h"

#define THREADS 3u
#define ROUNDS 100000u
#define HELD_MAX 2u

struct shared {
	struct tlbtag_pamt pamt;
	uint16_t word;
	bool installed; /* plain on purpose */
	pthread_barrier_t start;
};

struct thread {
	struct shared *shared;
	uint64_t random;
	uint32_t held;
	uint32_t gets;
	uint32_t adds;
	uint32_t removes;
	uint32_t lost; /* ready to add, and somebody else had */
	uint32_t wrong;
};

static uint32_t random_next(uint64_t *random)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return (uint32_t)(*random >> 32);
}

/* On a single real CPU threads would hardly ever meet. */
static void linger(struct thread *thread)
{
	if (random_next(&thread->random) % 4 == 0)
		sched_yield();
}

static void first_get(struct thread *thread)
{
	struct shared *shared = thread->shared;
	enum tlbtag_pamt_step step;
	bool added;

	while ((step = tlbtag_pamt_get(&shared->pamt, 0)) == TLBTAG_PAMT_WAIT)
		sched_yield();
	if (step == TLBTAG_PAMT_DONE) {
		thread->lost++;
		thread->held++;
		return;
	}
	added = random_next(&thread->random) % 8 != 0;
	thread->wrong += step != TLBTAG_PAMT_ADD || shared->installed;
	shared->installed = added;
	linger(thread);
	thread->adds += added;
	thread->held += added;
	thread->wrong += tlbtag_pamt_get_end(&shared->pamt, 0, added) != 0;
}

static void one_get(struct thread *thread)
{
	thread->gets++;
	if (tlbtag_pamt_try_get(&thread->shared->pamt, 0))
		thread->held++;
	else
		first_get(thread);
}

static void one_put(struct thread *thread)
{
	struct shared *shared = thread->shared;
	bool removed = random_next(&thread->random) % 8 != 0;
	enum tlbtag_pamt_step step;

	thread->wrong += !shared->installed;
	thread->held--;
	step = tlbtag_pamt_put(&shared->pamt, 0);
	if (step == TLBTAG_PAMT_DONE)
		return;
	thread->wrong += step != TLBTAG_PAMT_REMOVE || !shared->installed;
	shared->installed = !removed;
	linger(thread);
	thread->removes += removed;
	thread->wrong += tlbtag_pamt_put_end(&shared->pamt, 0, removed) != 0;
}

static void *thread_run(void *argument)
{
	struct thread *thread = argument;

	pthread_barrier_wait(&thread->shared->start);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		bool get = random_next(&thread->random) % 2;

		if (thread->held == 0 || (get && thread->held < HELD_MAX))
			one_get(thread);
		else
			one_put(thread);
		linger(thread);
	}
	while (thread->held)
		one_put(thread);
	return NULL;
}

static void totals_check(struct shared *shared, const struct thread *threads)
{
	uint32_t adds = 0;
	uint32_t removes = 0;

	for (uint32_t nr = 0; nr < THREADS; nr++) {
		printf("     CPU %u: %u gets, %u adds, %u lost races, %u removes\n", nr,
		       threads[nr].gets, threads[nr].adds, threads[nr].lost, threads[nr].removes);
		CHECK_EQ(threads[nr].wrong, 0);
		adds += threads[nr].adds;
		removes += threads[nr].removes;
	}
	CHECK_EQ(adds - removes, shared->installed);
	CHECK_EQ(tlbtag_pamt_uses(&shared->pamt, 0), 0);
	CHECK_EQ(tlbtag_pamt_is_installed(&shared->pamt, 0), shared->installed);
}

TEST(pamt_storm_on_one_region)
{
	struct shared shared = { 0 };
	struct thread threads[THREADS];
	pthread_t ids[THREADS];

	CHECK_EQ(tlbtag_pamt_init(&shared.pamt, 0, 1, &shared.word), 0);
	pthread_barrier_init(&shared.start, NULL, THREADS);
	for (uint32_t nr = 0; nr < THREADS; nr++) {
		threads[nr] = (struct thread){ .shared = &shared,
					       .random = 88172645463325252u + nr };
		CHECK_EQ(pthread_create(&ids[nr], NULL, thread_run, &threads[nr]), 0);
	}
	for (uint32_t nr = 0; nr < THREADS; nr++)
		pthread_join(ids[nr], NULL);
	pthread_barrier_destroy(&shared.start);
	totals_check(&shared, threads);
}
