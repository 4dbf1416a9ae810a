/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Threads split under the shared MMU lock and the exclusive one, with pages from
 * the shared cache, or by reservation. Each page is a flag that its holder alone
 * may touch, so that under TSan a page in two places is a data race, as is a
 * call under too weak a lock. Guards S1.
 */
#include <tlbtag/supply.h>

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "test.h"

#define THREADS 3u
#define SPLITS 20000u

struct vm {
	struct tlbtag_supply supply;
	pthread_rwlock_t mmu_lock;
	pthread_mutex_t cache_lock;
	pthread_mutex_t reservation_lock;
};

struct thread {
	struct vm *vm;
	bool exclusive;
	uint32_t splits;
	uint32_t retries;
	uint32_t topups;
	uint32_t wrong;
};

static tlbtag_page_t page_alloc(void)
{
	return (tlbtag_page_t)(uintptr_t)calloc(1, sizeof(uint64_t));
}

static void page_free(tlbtag_page_t page)
{
	free((void *)(uintptr_t)page);
}

static void page_touch(tlbtag_page_t page)
{
	++*(uint64_t *)(uintptr_t)page;
}

static void mmu_lock(struct thread *thread)
{
	if (thread->exclusive)
		pthread_rwlock_wrlock(&thread->vm->mmu_lock);
	else
		pthread_rwlock_rdlock(&thread->vm->mmu_lock);
}

static void topup(struct thread *thread)
{
	struct vm *vm = thread->vm;

	thread->topups++;
	while (tlbtag_supply_need_topup(&vm->supply)) {
		tlbtag_page_t page = page_alloc();
		bool kept;

		page_touch(page);
		pthread_mutex_lock(&vm->cache_lock);
		kept = tlbtag_supply_add(&vm->supply, page);
		pthread_mutex_unlock(&vm->cache_lock);
		if (!kept)
			page_free(page);
	}
}

/* Ends with the MMU lock held and a kit. */
static void kit_from_cache(struct thread *thread, struct tlbtag_kit *kit)
{
	struct vm *vm = thread->vm;
	int error;

	for (;;) {
		mmu_lock(thread);
		if (!tlbtag_supply_need_topup(&vm->supply)) {
			pthread_mutex_lock(&vm->cache_lock);
			error = tlbtag_supply_take(&vm->supply, kit);
			pthread_mutex_unlock(&vm->cache_lock);
			if (!error)
				return;
			thread->wrong += thread->exclusive;
			thread->retries++;
		}
		pthread_rwlock_unlock(&vm->mmu_lock);
		topup(thread);
	}
}

/* The split uses one pair in two, and the rest goes back. */
static void use(struct thread *thread, struct tlbtag_kit *kit)
{
	for (uint32_t i = 0; i < kit->pamt_count; i++)
		page_touch(kit->pamt[i]);
	if (thread->splits % 2) {
		page_free(kit->pamt[--kit->pamt_count]);
		page_free(kit->pamt[--kit->pamt_count]);
	}
	if (thread->splits % 16 == 0)
		sched_yield();
	thread->splits++;
}

static void split_from_cache(struct thread *thread)
{
	struct vm *vm = thread->vm;
	struct tlbtag_kit kit = { 0 };
	tlbtag_page_t page;

	kit_from_cache(thread, &kit);
	use(thread, &kit);
	pthread_mutex_lock(&vm->cache_lock);
	tlbtag_supply_give(&vm->supply, &kit);
	pthread_mutex_unlock(&vm->cache_lock);
	pthread_rwlock_unlock(&vm->mmu_lock);
	while ((page = tlbtag_kit_drain(&kit)) != TLBTAG_PAGE_NONE)
		page_free(page);
}

static void split_by_reservation(struct thread *thread)
{
	struct vm *vm = thread->vm;
	struct tlbtag_reserve reserve;
	struct tlbtag_kit kit = { 0 };
	tlbtag_page_t page;

	pthread_mutex_lock(&vm->reservation_lock);
	thread->wrong += tlbtag_reserve_begin(&vm->supply, &reserve, 1) != 0;
	for (enum tlbtag_page_kind kind; (kind = tlbtag_reserve_wants(&reserve));)
		tlbtag_reserve_add(&reserve, kind, page_alloc());
	pthread_rwlock_wrlock(&vm->mmu_lock);
	thread->wrong += tlbtag_reserve_take(&reserve, &kit) != 0;
	page_touch(kit.sept);
	use(thread, &kit);
	tlbtag_reserve_give(&reserve, &kit);
	pthread_rwlock_unlock(&vm->mmu_lock);
	tlbtag_reserve_end(&vm->supply, &reserve);
	while ((page = tlbtag_reserve_drain(&reserve)) != TLBTAG_PAGE_NONE)
		page_free(page);
	pthread_mutex_unlock(&vm->reservation_lock);
}

static void *thread_run(void *argument)
{
	struct thread *thread = argument;

	while (thread->splits < SPLITS) {
		if (thread->vm->supply.design == TLBTAG_SUPPLY_CACHE)
			split_from_cache(thread);
		else
			split_by_reservation(thread);
	}
	return NULL;
}

static void check_race(enum tlbtag_supply_design design)
{
	struct vm vm = { .mmu_lock = PTHREAD_RWLOCK_INITIALIZER,
			 .cache_lock = PTHREAD_MUTEX_INITIALIZER,
			 .reservation_lock = PTHREAD_MUTEX_INITIALIZER };
	struct thread threads[THREADS];
	pthread_t ids[THREADS];
	tlbtag_page_t page;

	tlbtag_supply_init(&vm.supply, design, true);
	for (uint32_t nr = 0; nr < THREADS; nr++) {
		threads[nr] = (struct thread){ .vm = &vm, .exclusive = nr == 0 };
		CHECK_EQ(pthread_create(&ids[nr], NULL, thread_run, &threads[nr]), 0);
	}
	for (uint32_t nr = 0; nr < THREADS; nr++) {
		pthread_join(ids[nr], NULL);
		printf("     %u splits, %u top-ups, %u retries\n", threads[nr].splits,
		       threads[nr].topups, threads[nr].retries);
		CHECK_EQ(threads[nr].wrong, 0);
	}
	/* With ASan a page that was lost is a leak. */
	while ((page = tlbtag_supply_drain(&vm.supply)) != TLBTAG_PAGE_NONE)
		page_free(page);
}

TEST(supply_cache_under_both_mmu_locks)
{
	check_race(TLBTAG_SUPPLY_CACHE);
}

TEST(supply_reservations_one_after_the_other)
{
	check_race(TLBTAG_SUPPLY_RESERVE);
}
