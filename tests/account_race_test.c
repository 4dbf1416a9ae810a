/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Threads charge and uncharge one account; meanwhile vCPUs accept pages of one slot
 * and record it, under the MMU lock as large.h says. Guards A1, A2, G1.
 */
#include <tlbtag/account.h>
#include <tlbtag/large.h>

#include <pthread.h>

#include "test.h"

#define THREADS 3u
#define TURNS 20000u
#define SLOTS 64u

struct vm {
	struct tlbtag_account account;
	struct tlbtag_large large;
	uint64_t words[1];
	pthread_rwlock_t mmu_lock;
	pthread_barrier_t barrier;
};

struct thread {
	struct vm *vm;
	uint32_t nr;
	uint32_t wrong;
	uint32_t inhibits;
};

/* All hold their page between the two waits. */
static void hold_one(struct thread *thread)
{
	struct tlbtag_account *account = &thread->vm->account;

	thread->wrong += tlbtag_account_charge(account, TLBTAG_KIND_CONTROL, 1) != 0;
	pthread_barrier_wait(&thread->vm->barrier);
	thread->wrong += account->now[TLBTAG_KIND_CONTROL] != THREADS;
	pthread_barrier_wait(&thread->vm->barrier);
	thread->wrong += tlbtag_account_uncharge(account, TLBTAG_KIND_CONTROL, 1) != 0;
}

static void charge_and_uncharge(struct thread *thread, uint32_t turn)
{
	struct tlbtag_account *account = &thread->vm->account;
	uint32_t count = 1 + (turn + thread->nr) % 5;

	thread->wrong += tlbtag_account_charge(account, TLBTAG_KIND_PAMT, count) != 0;
	thread->wrong += tlbtag_load_relaxed(&account->now[TLBTAG_KIND_PAMT]) < count;
	thread->wrong += tlbtag_account_uncharge(account, TLBTAG_KIND_PAMT, count) != 0;
}

/* Under the shared lock it is asked, under the exclusive one asked again and recorded. */
static void accept(struct thread *thread, uint32_t turn)
{
	struct vm *vm = thread->vm;
	const struct tlbtag_large_fault fault = {
		.gfn = (uint64_t)(turn / 100 % SLOTS) * TLBTAG_REGION_PAGES + thread->nr,
		.backing = TLBTAG_LEVEL_2M,
	};
	bool is_new;

	pthread_rwlock_rdlock(&vm->mmu_lock);
	is_new = tlbtag_large_accept_is_new(&vm->large, &fault, false);
	pthread_rwlock_unlock(&vm->mmu_lock);
	if (!is_new)
		return;
	pthread_rwlock_wrlock(&vm->mmu_lock);
	thread->inhibits += !tlbtag_large_is_inhibited(&vm->large, fault.gfn);
	tlbtag_large_accept(&vm->large, &fault, false);
	thread->wrong += !tlbtag_large_is_inhibited(&vm->large, fault.gfn);
	pthread_rwlock_unlock(&vm->mmu_lock);
}

static void *run(void *cookie)
{
	struct thread *thread = cookie;

	hold_one(thread);
	for (uint32_t turn = 0; turn < TURNS; turn++) {
		charge_and_uncharge(thread, turn);
		accept(thread, turn);
	}
	return NULL;
}

TEST(account_and_inhibits_of_several_threads)
{
	static struct vm vm;
	struct thread threads[THREADS] = { { .nr = 0 } };
	pthread_t ids[THREADS];
	uint32_t inhibits = 0;

	vm = (struct vm){ .words = { 0 } };
	CHECK_EQ(tlbtag_large_init(&vm.large, 0, SLOTS * TLBTAG_REGION_PAGES,
				   UINT64_C(1) << 51, vm.words), 0);
	pthread_rwlock_init(&vm.mmu_lock, NULL);
	pthread_barrier_init(&vm.barrier, NULL, THREADS);
	for (uint32_t i = 0; i < THREADS; i++) {
		threads[i] = (struct thread){ .vm = &vm, .nr = i };
		CHECK_EQ(pthread_create(&ids[i], NULL, run, &threads[i]), 0);
	}
	for (uint32_t i = 0; i < THREADS; i++) {
		pthread_join(ids[i], NULL);
		CHECK_EQ(threads[i].wrong, 0);
		inhibits += threads[i].inhibits;
	}
	CHECK_EQ(inhibits, SLOTS);
	CHECK_EQ(vm.words[0], UINT64_MAX);
	CHECK_EQ(vm.account.now[TLBTAG_KIND_PAMT], 0);
	CHECK(vm.account.max[TLBTAG_KIND_PAMT] >= 5);
	CHECK(vm.account.max[TLBTAG_KIND_PAMT] <= 5 * THREADS);
	CHECK_EQ(vm.account.max[TLBTAG_KIND_CONTROL], THREADS);
}
