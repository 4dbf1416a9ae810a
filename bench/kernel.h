/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Just enough of a kernel around lib/xarray.c and lib/find_bit.c for them to be
 * the benchmark's peer in user space. Every <linux/...> header that those two
 * include, but for <linux/xarray.h> itself, is this file.
 *
 * Each stand-in costs at most what the kernel's costs, so that any unfairness
 * is in the peer's favour: RCU read sides and preemption cost nothing, there is
 * no grace period to wait for, bit operations are plain C that the compiler
 * turns into single instructions, the allocator is a free list.
 */
#ifndef BENCH_KERNEL_H
#define BENCH_KERNEL_H

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/lock.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;
typedef unsigned int gfp_t;

/* Annotations and configuration. */
#define __rcu
#define __force
#define __user
#define __must_check
#define __bitwise
#define __acquires(lock)
#define __releases(lock)
#define __must_hold(lock)
#undef __always_inline
#define __always_inline inline __attribute__((always_inline))
#define fallthrough __attribute__((fallthrough))
#define EXPORT_SYMBOL(symbol)
#define EXPORT_SYMBOL_GPL(symbol)
#define CONFIG_XARRAY_MULTI 1
#define CONFIG_64BIT 1
#define BITS_PER_LONG 64
#define IS_ENABLED(option) 0
#define CONFIG_BASE_SMALL 0

/* Compiler. */
#define likely(condition) __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)
#define READ_ONCE(value) (*(const volatile __typeof__(value) *)&(value))
#define WRITE_ONCE(value, to) (*(volatile __typeof__(value) *)&(value) = (to))
#define barrier() __asm__ volatile("" ::: "memory")
#define BUILD_BUG_ON(condition) _Static_assert(!(condition), #condition)
#define container_of(pointer, type, field) \
	((type *)((char *)(pointer) - offsetof(type, field)))

/* Bugs: silent where the kernel would look, fatal where it would stop. */
#define WARN_ON(condition) unlikely(condition)
#define WARN_ON_ONCE(condition) unlikely(condition)
#define BUG_ON(condition) do { if (unlikely(condition)) abort(); } while (0)
#define BUG() abort()
#define lockdep_is_held(lock) 1
#define lockdep_set_class(lock, key) ((void)0)
#define might_alloc(gfp) ((void)(gfp))
struct lock_class_key {
	char unused;
};

/* Numbers. */
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))
#define min_t(type, a, b) min((type)(a), (type)(b))
#define round_down(value, to) ((value) & ~((__typeof__(value))(to) - 1))
#define round_up(value, to) (((value) + (to) - 1) & ~((__typeof__(value))(to) - 1))
#define DIV_ROUND_UP(value, by) (((value) + (by) - 1) / (by))
#define GENMASK(high, low) ((~0UL << (low)) & (~0UL >> (63 - (high))))
#define U32_MAX UINT32_MAX
#define MAX_ERRNO 4095

/* Errors as pointers. */
#define ERR_PTR(error) ((void *)(long)(error))
#define PTR_ERR(pointer) ((long)(pointer))
#define IS_ERR(pointer) ((unsigned long)(pointer) >= (unsigned long)-MAX_ERRNO)

/* Bits. */
#define BITS_TO_LONGS(bits) DIV_ROUND_UP(bits, BITS_PER_LONG)
#define DECLARE_BITMAP(name, bits) unsigned long name[BITS_TO_LONGS(bits)]
#define BIT_WORD(bit) ((bit) / BITS_PER_LONG)
#define BIT_MASK(bit) (1UL << (bit) % BITS_PER_LONG)
#define BITMAP_FIRST_WORD_MASK(start) (~0UL << ((start) & 63))
#define BITMAP_LAST_WORD_MASK(bits) (~0UL >> (-(bits) & 63))
#define __ffs(word) ((unsigned long)__builtin_ctzl(word))
#define ffz(word) __ffs(~(word))
#define __fls(word) ((unsigned long)(63 - __builtin_clzl(word)))
#define hweight_long(word) ((unsigned long)__builtin_popcountl(word))
#define swab(word) __builtin_bswap64(word)

static inline bool test_bit(unsigned long bit, const unsigned long *bitmap)
{
	return bitmap[BIT_WORD(bit)] & BIT_MASK(bit);
}

static inline void __set_bit(unsigned long bit, unsigned long *bitmap)
{
	bitmap[BIT_WORD(bit)] |= BIT_MASK(bit);
}

static inline void __clear_bit(unsigned long bit, unsigned long *bitmap)
{
	bitmap[BIT_WORD(bit)] &= ~BIT_MASK(bit);
}

static inline bool __test_and_set_bit(unsigned long bit, unsigned long *bitmap)
{
	bool old = test_bit(bit, bitmap);

	__set_bit(bit, bitmap);
	return old;
}

static inline bool __test_and_clear_bit(unsigned long bit, unsigned long *bitmap)
{
	bool old = test_bit(bit, bitmap);

	__clear_bit(bit, bitmap);
	return old;
}

/* Used by functions of find_bit.c that nobody here calls. */
unsigned long fns(unsigned long word, unsigned int nr);
unsigned long bitmap_get_value8(const unsigned long *bitmap, unsigned long start);

unsigned long _find_first_bit(const unsigned long *bitmap, unsigned long bits);
unsigned long _find_first_zero_bit(const unsigned long *bitmap, unsigned long bits);
unsigned long _find_next_bit(const unsigned long *bitmap, unsigned long bits,
			     unsigned long start);

/*
 * One word is done inline, as in the kernel. Functions, not macros, or else
 * find_bit.c would take them for an architecture's own and leave its own out.
 */
static inline unsigned long find_first_bit(const unsigned long *bitmap, unsigned long bits)
{
	if (__builtin_constant_p(bits) && bits == BITS_PER_LONG)
		return *bitmap ? __ffs(*bitmap) : bits;
	return _find_first_bit(bitmap, bits);
}

static inline unsigned long find_first_zero_bit(const unsigned long *bitmap, unsigned long bits)
{
	return _find_first_zero_bit(bitmap, bits);
}

static inline unsigned long find_next_bit(const unsigned long *bitmap, unsigned long bits,
					  unsigned long start)
{
	if (__builtin_constant_p(bits) && bits == BITS_PER_LONG) {
		unsigned long word = start < bits ? *bitmap & BITMAP_FIRST_WORD_MASK(start) : 0;

		return word ? __ffs(word) : bits;
	}
	return _find_next_bit(bitmap, bits, start);
}

static inline void bitmap_fill(unsigned long *bitmap, unsigned int bits)
{
	memset(bitmap, 0xff, BITS_TO_LONGS(bits) * sizeof(long));
}

static inline bool bitmap_empty(const unsigned long *bitmap, unsigned int bits)
{
	return find_first_bit(bitmap, bits) == bits;
}

static inline void bitmap_clear(unsigned long *bitmap, unsigned int first, unsigned int count)
{
	for (unsigned int bit = first; bit < first + count; bit++)
		__clear_bit(bit, bitmap);
}

/* Lists: the xarray only initialises them and asks whether they are empty. */
struct list_head {
	struct list_head *next;
	struct list_head *prev;
};

#define INIT_LIST_HEAD(list) ((list)->next = (list)->prev = (list))
#define list_empty(list) ((list)->next == (list))

/* The allocators' and the arrays' locks are of one kind. */
#define spinlock_t struct bench_lock
#define spin_lock_init(lock) (*(lock) = (struct bench_lock){ 0 })
#define __SPIN_LOCK_UNLOCKED(name) { 0 }
#define spin_lock(lock) bench_lock(lock)
#define spin_unlock(lock) bench_unlock(lock)
#define spin_trylock(lock) bench_trylock(lock)
#define spin_lock_bh(lock) bench_lock(lock)
#define spin_unlock_bh(lock) bench_unlock(lock)
#define spin_lock_irq(lock) bench_lock(lock)
#define spin_unlock_irq(lock) bench_unlock(lock)
#define spin_lock_irqsave(lock, flags) ((void)(flags = 0), bench_lock(lock))
#define spin_unlock_irqrestore(lock, flags) ((void)(flags), bench_unlock(lock))
#define spin_lock_nested(lock, subclass) bench_lock(lock)
#define spin_lock_bh_nested(lock, subclass) bench_lock(lock)
#define spin_lock_irq_nested(lock, subclass) bench_lock(lock)
#define spin_lock_irqsave_nested(lock, flags, subclass) spin_lock_irqsave(lock, flags)

/* RCU. */
struct rcu_head {
	struct rcu_head *next;
	void (*callback)(struct rcu_head *head);
};

#define rcu_read_lock() barrier()
#define rcu_read_unlock() barrier()
#define rcu_dereference_raw(pointer) READ_ONCE(pointer)
#define rcu_dereference_check(pointer, condition) READ_ONCE(pointer)
#define rcu_dereference_protected(pointer, condition) (pointer)
#define rcu_assign_pointer(pointer, to) __atomic_store_n(&(pointer), (to), __ATOMIC_RELEASE)
#define RCU_INIT_POINTER(pointer, to) ((pointer) = (to))
#define call_rcu(head, callback) callback(head)

/* Memory. */
#define GFP_KERNEL 1u
#define GFP_NOWAIT 2u
#define GFP_ATOMIC 4u
#define __GFP_ACCOUNT 8u
#define __GFP_NOWARN 16u
#define __GFP_BITS_SHIFT 26
#define gfpflags_allow_blocking(gfp) (((gfp) & GFP_KERNEL) != 0)

struct kmem_cache;
struct list_lru;
void *kmem_cache_alloc_lru(struct kmem_cache *cache, struct list_lru *lru, gfp_t gfp);
void kmem_cache_free(struct kmem_cache *cache, void *object);
#define kmem_cache_alloc(cache, gfp) kmem_cache_alloc_lru(cache, NULL, gfp)

#endif
