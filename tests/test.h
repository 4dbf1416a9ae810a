/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The test harness. A test is a function that registers itself:
 *
 *	TEST(pool_never_hands_out_zero)
 *	{
 *		CHECK(tag != 0);
 *		CHECK_EQ(state, TLBTAG_USED);
 *	}
 *
 * A failed check prints where and the values, and the test goes on. Each check
 * is also a condition, for where going on makes no sense:
 *
 *		if (!CHECK(file != NULL))
 *			return;
 *
 * A test that made no check has failed, and so has one in which the library
 * warned and nobody asked tlbtag_sim_warnings(). Every test starts with all
 * rules on and no warnings. Checks may be made from any thread.
 *
 * The program's optional argument runs the tests whose name contains it; the
 * last line it prints is "N passed, N failed".
 */
#ifndef TEST_H
#define TEST_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct test_case {
	const char *name;
	void (*run)(void);
	struct test_case *next;
};

/* Set by every check; a loop of a million checks should cost little. */
extern bool test_checked;

void test_register(struct test_case *test);
void test_failed(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static inline void test_note_check(void)
{
	if (!__atomic_load_n(&test_checked, __ATOMIC_RELAXED))
		__atomic_store_n(&test_checked, true, __ATOMIC_RELAXED);
}

static inline bool test_check(bool held, const char *text, const char *file, int line)
{
	test_note_check();
	if (!held)
		test_failed(file, line, "%s", text);
	return held;
}

/* Both operands and the relation as text, for the message. */
struct test_relation {
	const char *left;
	const char *right;
	bool want_equal;
};

static inline bool test_compare(long long left, long long right,
				const struct test_relation *relation, const char *file, int line)
{
	test_note_check();
	if ((left == right) == relation->want_equal)
		return true;
	test_failed(file, line, "%s %s %s: %lld (0x%llx) and %lld (0x%llx)", relation->left,
		    relation->want_equal ? "==" : "!=", relation->right, left,
		    (unsigned long long)left, right, (unsigned long long)right);
	return false;
}

static inline bool test_compare_text(const char *left, const char *right,
				     const struct test_relation *relation, const char *file,
				     int line)
{
	test_note_check();
	if (left && right && strcmp(left, right) == 0)
		return true;
	test_failed(file, line, "%s == %s: \"%s\" and \"%s\"", relation->left, relation->right,
		    left ? left : "(null)", right ? right : "(null)");
	return false;
}

/* A cast would cut the fraction off and call 0.9 equal to 0. */
#define TEST_INTEGER(value)                                                                     \
	((long long)(value) + 0 * (long long)sizeof(char[_Generic((value), float: -1,            \
								  double: -1, long double: -1,  \
								  default: 1)]))

#define TEST(test_name)                                                                         \
	static void test_name(void);                                                            \
	__attribute__((constructor)) static void test_name##_register(void)                     \
	{                                                                                       \
		static struct test_case test = { #test_name, test_name, NULL };                 \
												\
		test_register(&test);                                                           \
	}                                                                                       \
	static void test_name(void)

#define CHECK(condition) test_check(!!(condition), #condition, __FILE__, __LINE__)

/* Integers, enums, booleans and pointers; refuses floating point. */
#define CHECK_EQ(left, right)                                                                   \
	test_compare(TEST_INTEGER(left), TEST_INTEGER(right),                                   \
		     &(const struct test_relation){ #left, #right, true }, __FILE__, __LINE__)
#define CHECK_NE(left, right)                                                                   \
	test_compare(TEST_INTEGER(left), TEST_INTEGER(right),                                   \
		     &(const struct test_relation){ #left, #right, false }, __FILE__, __LINE__)

/* Two strings; NULL is equal to nothing. */
#define CHECK_STR_EQ(left, right)                                                               \
	test_compare_text((left), (right), &(const struct test_relation){ #left, #right, true }, \
			  __FILE__, __LINE__)

#endif
