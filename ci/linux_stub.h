/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Just enough of the kernel's names to see that port/linux and the headers on
 * top of it are C. It says nothing about whether they are right: for that they
 * are built in a kernel. ci/headers puts this file where <linux/...> is looked
 * for; nothing else may use it.
 */
#ifndef LINUX_STUB_H
#define LINUX_STUB_H

typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef unsigned int uint32_t;
typedef unsigned long long uint64_t;
typedef unsigned long long u64;
typedef signed char int8_t;
typedef short int16_t;
typedef int int32_t;
typedef long long int64_t;
typedef unsigned long size_t;
typedef _Bool bool;

#define false 0
#define true 1

#define NULL ((void *)0)
#define U8_MAX ((uint8_t)~0u)
#define U16_MAX ((uint16_t)~0u)
#define U32_MAX ((uint32_t)~0u)
#define U64_MAX ((uint64_t)~0ull)

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

/* The kernel's is a macro, so a plain noinline inside an attribute is none. */
#define noinline __attribute__((__noinline__))

#define likely(condition) __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)

#define READ_ONCE(value) (*(const volatile typeof(value) *)&(value))
#define WRITE_ONCE(place, value) (*(volatile typeof(place) *)&(place) = (value))
#define xchg(pointer, value) __atomic_exchange_n((pointer), (value), __ATOMIC_SEQ_CST)
#define cmpxchg(pointer, old, new) \
	({ \
		typeof(*(pointer)) seen_ = (old); \
		__atomic_compare_exchange_n((pointer), &seen_, (new), false, __ATOMIC_SEQ_CST, \
					    __ATOMIC_SEQ_CST); \
		seen_; \
	})
#define try_cmpxchg(pointer, old, new) \
	__atomic_compare_exchange_n((pointer), (old), (new), false, __ATOMIC_SEQ_CST, \
				    __ATOMIC_SEQ_CST)

#define EXPORT_SYMBOL_GPL(function) extern typeof(function) function
#define WARN_ONCE(condition, ...) \
	({ \
		bool failed_ = !!(condition); \
		if (failed_) \
			linux_stub_print(__VA_ARGS__); \
		failed_; \
	})

void linux_stub_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
unsigned long __ffs64(u64 word);
unsigned int hweight64(u64 word);
void *memcpy(void *to, const void *from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int memcmp(const void *left, const void *right, size_t size);

#endif
