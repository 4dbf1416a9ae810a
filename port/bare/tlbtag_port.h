/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The bare port: the library in a hypervisor or firmware that has no libc.
 * Only the headers that a freestanding compiler brings itself are used; the
 * embedder links the four mem* functions that every compiler wants anyway. The
 * contract of every symbol is in port/README.md.
 */
#ifndef TLBTAG_PORT_H
#define TLBTAG_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

void *memcpy(void *to, const void *from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int memcmp(const void *left, const void *right, size_t size);

/* Linux's numbers; an embedder with an errno.h of its own includes it first. */
#ifndef EINVAL
#define EPERM 1
#define ENOENT 2
#define EIO 5
#define E2BIG 7
#define EAGAIN 11
#define ENOMEM 12
#define EBUSY 16
#define EEXIST 17
#define EINVAL 22
#define ENOTTY 25
#define ENOSPC 28
#define ERANGE 34
#define EOVERFLOW 75
#define EOPNOTSUPP 95
#define EALREADY 114
#endif

#define TLBTAG_EXPORT(function)
#define TLBTAG_RULE(id) 1

#define tlbtag_likely(condition) __builtin_expect(!!(condition), 1)
#define tlbtag_unlikely(condition) __builtin_expect(!!(condition), 0)

/* The builtin is a call of libgcc where the processor may lack POPCNT. */
static inline unsigned int tlbtag_count_bits(uint64_t word)
{
	word -= word >> 1 & UINT64_C(0x5555555555555555);
	word = (word & UINT64_C(0x3333333333333333)) + (word >> 2 & UINT64_C(0x3333333333333333));
	word = (word + (word >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
	return (unsigned int)(word * UINT64_C(0x0101010101010101) >> 56);
}

#if defined(__x86_64__) || defined(__aarch64__)
#define tlbtag_lowest_bit(word) ((unsigned int)__builtin_ctzll(word))
#else
#define tlbtag_lowest_bit(word) tlbtag_count_bits(((word) & (0 - (word))) - 1)
#endif

#define tlbtag_load_relaxed(pointer) __atomic_load_n((pointer), __ATOMIC_RELAXED)
#define tlbtag_store_relaxed(pointer, value) \
	__atomic_store_n((pointer), (value), __ATOMIC_RELAXED)
#define tlbtag_fetch_or_seq(pointer, bits) \
	__atomic_fetch_or((pointer), (bits), __ATOMIC_SEQ_CST)
#define tlbtag_exchange_seq(pointer, value) \
	__atomic_exchange_n((pointer), (value), __ATOMIC_SEQ_CST)
#define tlbtag_compare_exchange_seq(pointer, old, new)                                          \
	({                                                                                      \
		__typeof__(*(pointer)) tlbtag_old_ = (old);                                     \
												\
		(void)__atomic_compare_exchange_n((pointer), &tlbtag_old_, (new), 0,            \
						  __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);          \
		tlbtag_old_;                                                                    \
	})

void tlbtag_port_warn(const char *what);

#define tlbtag_warn_once(condition, what)                          \
	({                                                         \
		static bool tlbtag_warned_;                        \
		bool tlbtag_failed_ = (condition);                 \
		if (tlbtag_unlikely(tlbtag_failed_ &&              \
				    !__atomic_exchange_n(&tlbtag_warned_, 1, __ATOMIC_RELAXED))) \
			tlbtag_port_warn(what);                    \
		tlbtag_failed_;                                    \
	})

#ifdef __cplusplus
}
#endif

#endif
