/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The spinlock of both sides: one locked exchange to take it, one plain store
 * to release it, which is also what an uncontended kernel spinlock does.
 */
#ifndef BENCH_LOCK_H
#define BENCH_LOCK_H

#include <stdbool.h>

struct bench_lock {
	int held;
};

static inline bool bench_trylock(struct bench_lock *lock)
{
	return !__atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE);
}

static inline void bench_lock(struct bench_lock *lock)
{
	while (!bench_trylock(lock))
		while (__atomic_load_n(&lock->held, __ATOMIC_RELAXED))
			__asm__ volatile("" ::: "memory");
}

static inline void bench_unlock(struct bench_lock *lock)
{
	__atomic_store_n(&lock->held, 0, __ATOMIC_RELEASE);
}

#endif
