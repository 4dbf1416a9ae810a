/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The Linux port: the library inside the kernel. The contract of every symbol
 * is in port/README.md.
 */
#ifndef TLBTAG_PORT_H
#define TLBTAG_PORT_H

#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/bug.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <linux/types.h>

/* <linux/types.h> has the types of stdint.h, but not all kernels its limits. */
#ifndef UINT16_MAX
#define UINT16_MAX U16_MAX
#endif
#ifndef UINT32_MAX
#define UINT32_MAX U32_MAX
#endif
#ifndef UINT64_MAX
#define UINT64_MAX U64_MAX
#endif
#ifndef UINT64_C
#define UINT64_C(number) number##ULL
#endif

#define TLBTAG_EXPORT(function) EXPORT_SYMBOL_GPL(function)

/*
 * A debug build can switch rules off. The array, one bit a rule, is then whoever
 * embeds the library's; who consults a rule includes <tlbtag/rules.h>.
 */
#ifdef TLBTAG_LINUX_RULES
extern unsigned long tlbtag_linux_rules_off[];
#define TLBTAG_RULE(id) (!test_bit(TLBTAG_RULE_##id, tlbtag_linux_rules_off))
#else
#define TLBTAG_RULE(id) 1
#endif

#define tlbtag_likely(condition) likely(condition)
#define tlbtag_unlikely(condition) unlikely(condition)

#define tlbtag_lowest_bit(word) ((unsigned int)__ffs64(word))
#define tlbtag_count_bits(word) ((unsigned int)hweight64(word))

#define tlbtag_load_relaxed(pointer) READ_ONCE(*(pointer))
#define tlbtag_store_relaxed(pointer, value) WRITE_ONCE(*(pointer), (value))

/* The kernel has fetch_or only for atomic_t; cmpxchg is fully ordered. */
#define tlbtag_fetch_or_seq(pointer, bits)                                           \
	({                                                                           \
		typeof(pointer) tlbtag_pointer_ = (pointer);                         \
		typeof(*tlbtag_pointer_) tlbtag_bits_ = (bits);                      \
		typeof(*tlbtag_pointer_) tlbtag_old_ = READ_ONCE(*tlbtag_pointer_);  \
		while (!try_cmpxchg(tlbtag_pointer_, &tlbtag_old_,                   \
				    tlbtag_old_ | tlbtag_bits_))                     \
			;                                                            \
		tlbtag_old_;                                                         \
	})
#define tlbtag_exchange_seq(pointer, value) xchg((pointer), (value))
#define tlbtag_compare_exchange_seq(pointer, old, new) cmpxchg((pointer), (old), (new))

#define tlbtag_warn_once(condition, what) WARN_ONCE((condition), "tlbtag: %s\n", (what))

#endif
