/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The posix port: the library in an ordinary user-space program. The contract
 * of every symbol is in port/README.md.
 */
#ifndef TLBTAG_PORT_H
#define TLBTAG_PORT_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TLBTAG_EXPORT(function)
#define TLBTAG_RULE(id) 1

#define tlbtag_likely(condition) __builtin_expect(!!(condition), 1)
#define tlbtag_unlikely(condition) __builtin_expect(!!(condition), 0)

#define tlbtag_lowest_bit(word) ((unsigned int)__builtin_ctzll(word))
#define tlbtag_count_bits(word) ((unsigned int)__builtin_popcountll(word))

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
