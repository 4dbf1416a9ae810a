/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The pool's contract, sentence by sentence, and long random runs against the
 * naive oracle. tests/pool_small_test.c does every short run.
 */
#include <tlbtag/pool.h>

#include <errno.h>
#include <stdlib.h>

#include "pool_oracle.h"
#include "test.h"

#define WORDS_MAX 64u

static uint64_t words[WORDS_MAX];

static bool pool_is_same(const struct tlbtag_pool *pool, const struct tlbtag_pool *before)
{
	return memcmp(pool, before, sizeof(*pool)) == 0;
}

static struct tlbtag_pool pool_make(tlbtag_t min, uint32_t nr)
{
	struct tlbtag_pool pool = { 0 };

	CHECK_EQ(tlbtag_pool_init(&pool, min, nr, words, WORDS_MAX), 0);
	return pool;
}

/* Classes as on an AMD host, scaled down: ES and SNP 1-4, SEV 5-8, plain 9-20. */
static struct tlbtag_pool pool_make_classes(void)
{
	struct tlbtag_pool pool = pool_make(1, 20);

	CHECK_EQ(tlbtag_pool_set_class(&pool, TLBTAG_PLAIN, &(struct tlbtag_range){ 9, 20, false }),
		 0);
	CHECK_EQ(tlbtag_pool_set_class(&pool, TLBTAG_SEV, &(struct tlbtag_range){ 5, 8, true }), 0);
	CHECK_EQ(tlbtag_pool_set_class(&pool, TLBTAG_SEV_ES, &(struct tlbtag_range){ 1, 4, true }),
		 0);
	CHECK_EQ(tlbtag_pool_set_class(&pool, TLBTAG_SNP, &(struct tlbtag_range){ 1, 4, true }), 0);
	return pool;
}

static void take_all(struct tlbtag_pool *pool, enum tlbtag_class class, uint32_t count)
{
	while (count-- > 0)
		CHECK(tlbtag_pool_alloc(pool, class) != TLBTAG_NONE);
	CHECK_EQ(tlbtag_pool_alloc(pool, class), TLBTAG_NONE);
}

static int try_class(struct tlbtag_pool *pool, enum tlbtag_class class, tlbtag_t first,
		     tlbtag_t last)
{
	struct tlbtag_pool before = *pool;
	struct tlbtag_range range = { first, last, false };
	int error = tlbtag_pool_set_class(pool, class, &range);

	CHECK(!error || pool_is_same(pool, &before));
	return error;
}

/* Exactly so many warnings since the last question. */
static bool warned(unsigned int count)
{
	bool right = tlbtag_sim_warnings() == count;

	tlbtag_sim_warnings_reset();
	return right;
}

TEST(words_are_about_three_bits_a_tag)
{
	CHECK_EQ(tlbtag_pool_words(0), 0);
	CHECK_EQ(tlbtag_pool_words(1), 4);
	CHECK_EQ(tlbtag_pool_words(64), 4);
	CHECK_EQ(tlbtag_pool_words(65), 7);
	CHECK_EQ(tlbtag_pool_words(4096), 3 * 64 + 1);
	CHECK_EQ(tlbtag_pool_words(4097), 3 * 65 + 2);
	CHECK_EQ(tlbtag_pool_words(65535), 3 * 1024 + 16);
	CHECK_EQ(tlbtag_pool_words(TLBTAG_POOL_MAX), 3 * 4096 + 64);
	CHECK_EQ(tlbtag_pool_words(TLBTAG_POOL_MAX + 1), 0);
	CHECK_EQ(tlbtag_pool_words(UINT32_MAX), 0);
}

struct init_case {
	tlbtag_t min;
	uint32_t nr;
	uint64_t *words;
	uint32_t word_count;
	int error;
};

/* Guards P1. */
TEST(init_refuses_and_leaves_the_pool_alone)
{
	static const struct init_case cases[] = {
		{ 0, 1, words, WORDS_MAX, -EINVAL },
		{ 1, 0, words, WORDS_MAX, -EINVAL },
		{ 0, 0, words, WORDS_MAX, -EINVAL },
		{ UINT32_MAX, 1, words, WORDS_MAX, -EINVAL },
		{ UINT32_MAX - 5, 6, words, WORDS_MAX, -EINVAL },
		{ 2, UINT32_MAX, words, WORDS_MAX, -EINVAL },
		{ 1, 10, NULL, WORDS_MAX, -EINVAL },
		{ 1, TLBTAG_POOL_MAX + 1, words, UINT32_MAX, -E2BIG },
		{ 1, UINT32_MAX - 1, words, UINT32_MAX, -E2BIG },
		{ 1, 65, words, 6, -ENOMEM },
		{ 1, 65, words, 0, -ENOMEM },
	};
	const struct tlbtag_pool zero = { 0 };

	for (size_t nr = 0; nr < sizeof(cases) / sizeof(cases[0]); nr++) {
		const struct init_case *c = &cases[nr];
		struct tlbtag_pool pool = { 0 };

		CHECK_EQ(tlbtag_pool_init(&pool, c->min, c->nr, c->words, c->word_count), c->error);
		CHECK(pool_is_same(&pool, &zero));
	}
}

TEST(init_takes_exactly_enough_words)
{
	struct tlbtag_pool pool = { 0 };

	CHECK_EQ(tlbtag_pool_init(&pool, 1, 65, words, 7), 0);
	CHECK_EQ(tlbtag_pool_destroy(&pool), 0);
}

TEST(init_takes_tags_up_to_the_last_but_one_number)
{
	struct tlbtag_pool pool = pool_make(UINT32_MAX - 5, 5);

	for (tlbtag_t tag = UINT32_MAX - 5; tag < UINT32_MAX; tag++)
		CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_PLAIN), tag);
	CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_PLAIN), TLBTAG_NONE);
	CHECK_EQ(tlbtag_pool_free(&pool, UINT32_MAX), -EINVAL);
	CHECK_EQ(tlbtag_pool_free(&pool, UINT32_MAX - 6), -EINVAL);
	CHECK_EQ(tlbtag_pool_free(&pool, TLBTAG_NONE), 0);
	CHECK_EQ(tlbtag_pool_destroy(&pool), 5);
	CHECK(warned(3));
}

TEST(second_init_is_busy)
{
	struct tlbtag_pool pool = pool_make(1, 10);
	struct tlbtag_pool before = pool;

	CHECK_EQ(tlbtag_pool_init(&pool, 1, 10, words, WORDS_MAX), -EBUSY);
	CHECK(warned(1));
	CHECK(pool_is_same(&pool, &before));
}

TEST(pool_without_init_has_nothing)
{
	struct tlbtag_pool pool = { 0 };

	for (int class = 0; class < TLBTAG_CLASSES; class++) {
		CHECK_EQ(tlbtag_pool_alloc(&pool, (enum tlbtag_class)class), TLBTAG_NONE);
		CHECK(!tlbtag_pool_has_class(&pool, (enum tlbtag_class)class));
		CHECK_EQ(tlbtag_pool_seal(&pool, (enum tlbtag_class)class), 0);
	}
	CHECK(tlbtag_pool_is_full(&pool));
	CHECK_EQ(tlbtag_pool_plain_free(&pool), 0);
	CHECK_EQ(tlbtag_pool_free(&pool, TLBTAG_NONE), 0);
	CHECK_EQ(tlbtag_pool_destroy(&pool), 0);
	CHECK_EQ(tlbtag_pool_take_fallback(&pool), -ENOSPC);
	CHECK_EQ(tlbtag_pool_fallback(&pool), TLBTAG_NONE);
	CHECK_EQ(tlbtag_pool_set_class(&pool, TLBTAG_SEV, &(struct tlbtag_range){ 1, 1, false }),
		 -EINVAL);
	CHECK(warned(0));
	CHECK_EQ(tlbtag_pool_free(&pool, 1), -EINVAL);
	CHECK_EQ(tlbtag_pool_state(&pool, 1), TLBTAG_USED);
	tlbtag_pool_unseal(&pool, true);
	CHECK(warned(3));
}

/* Guards P1, P2. */
TEST(tags_come_lowest_first_and_then_none)
{
	struct tlbtag_pool pool = pool_make(7, 130);

	for (tlbtag_t tag = 7; tag < 7 + 130; tag++) {
		CHECK(!tlbtag_pool_is_full(&pool));
		CHECK_EQ(tlbtag_pool_plain_free(&pool), 7 + 130 - tag);
		CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_PLAIN), tag);
		CHECK_EQ(tlbtag_pool_state(&pool, tag), TLBTAG_USED);
	}
	CHECK(tlbtag_pool_is_full(&pool));
	CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_PLAIN), TLBTAG_NONE);
	CHECK_EQ(tlbtag_pool_plain_free(&pool), 0);
	CHECK(warned(0));
}

TEST(freed_tag_in_the_middle_is_next)
{
	struct tlbtag_pool pool = pool_make(1, 200);

	take_all(&pool, TLBTAG_PLAIN, 200);
	CHECK_EQ(tlbtag_pool_free(&pool, 100), 0);
	CHECK_EQ(tlbtag_pool_state(&pool, 100), TLBTAG_FREE);
	CHECK(!tlbtag_pool_is_full(&pool));
	CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_PLAIN), 100);
	CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_PLAIN), TLBTAG_NONE);
}

TEST(impossible_frees_change_nothing)
{
	struct tlbtag_pool pool = pool_make(5, 70);
	struct tlbtag_pool before;
	uint64_t words_before[WORDS_MAX];

	CHECK_EQ(tlbtag_pool_take_fallback(&pool), 0);
	CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_PLAIN), 6);
	before = pool;
	memcpy(words_before, words, sizeof(words));
	CHECK_EQ(tlbtag_pool_free(&pool, TLBTAG_NONE), 0);
	CHECK(warned(0));
	CHECK_EQ(tlbtag_pool_free(&pool, 4), -EINVAL);
	CHECK_EQ(tlbtag_pool_free(&pool, 75), -EINVAL);
	CHECK_EQ(tlbtag_pool_free(&pool, UINT32_MAX), -EINVAL);
	CHECK_EQ(tlbtag_pool_free(&pool, 7), -EALREADY);
	CHECK_EQ(tlbtag_pool_free(&pool, 74), -EALREADY);
	CHECK_EQ(tlbtag_pool_free(&pool, 5), -EPERM);
	CHECK(warned(6));
	CHECK(pool_is_same(&pool, &before));
	CHECK_EQ(memcmp(words, words_before, sizeof(words)), 0);
}

/* Guards P3. */
TEST(double_free_is_refused)
{
	struct tlbtag_pool pool = pool_make(1, 10);
	tlbtag_t tag = tlbtag_pool_alloc(&pool, TLBTAG_PLAIN);

	CHECK_EQ(tlbtag_pool_free(&pool, tag), 0);
	CHECK_EQ(tlbtag_pool_free(&pool, tag), -EALREADY);
	CHECK(warned(1));
	CHECK_EQ(tlbtag_pool_plain_free(&pool), 10);
}

TEST(state_of_a_foreign_tag_is_used)
{
	struct tlbtag_pool pool = pool_make(5, 10);

	CHECK_EQ(tlbtag_pool_state(&pool, 4), TLBTAG_USED);
	CHECK_EQ(tlbtag_pool_state(&pool, 15), TLBTAG_USED);
	CHECK_EQ(tlbtag_pool_state(&pool, 0), TLBTAG_USED);
	CHECK(warned(3));
	CHECK_EQ(tlbtag_pool_state(&pool, 14), TLBTAG_FREE);
	CHECK(warned(0));
}

/* Guards P5. */
TEST(fallback_is_one_plain_tag_that_only_destroy_gives_back)
{
	struct tlbtag_pool pool = pool_make_classes();

	CHECK_EQ(tlbtag_pool_take_fallback(&pool), 0);
	CHECK_EQ(tlbtag_pool_fallback(&pool), 9);
	CHECK_EQ(tlbtag_pool_take_fallback(&pool), -EBUSY);
	CHECK_EQ(tlbtag_pool_free(&pool, 9), -EPERM);
	CHECK(warned(1));
	CHECK_EQ(tlbtag_pool_state(&pool, 9), TLBTAG_USED);
	CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_PLAIN), 10);
	CHECK_EQ(tlbtag_pool_free(&pool, 10), 0);
	CHECK_EQ(tlbtag_pool_destroy(&pool), 0);
	CHECK_EQ(tlbtag_pool_fallback(&pool), TLBTAG_NONE);
	CHECK(warned(0));
}

TEST(fallback_needs_a_plain_tag)
{
	struct tlbtag_pool pool = pool_make(1, 2);

	take_all(&pool, TLBTAG_PLAIN, 2);
	CHECK_EQ(tlbtag_pool_take_fallback(&pool), -ENOSPC);
	CHECK_EQ(tlbtag_pool_fallback(&pool), TLBTAG_NONE);
	CHECK_EQ(tlbtag_pool_free(&pool, 2), 0);
	CHECK_EQ(tlbtag_pool_take_fallback(&pool), 0);
	CHECK_EQ(tlbtag_pool_fallback(&pool), 2);
}

TEST(destroy_counts_leaks_and_is_idempotent)
{
	struct tlbtag_pool pool = pool_make_classes();
	const struct tlbtag_pool zero = { 0 };

	CHECK_EQ(tlbtag_pool_take_fallback(&pool), 0);
	for (int count = 0; count < 3; count++)
		tlbtag_pool_alloc(&pool, TLBTAG_PLAIN);
	tlbtag_pool_alloc(&pool, TLBTAG_SEV);
	CHECK_EQ(tlbtag_pool_free(&pool, tlbtag_pool_alloc(&pool, TLBTAG_SEV)), 0);
	CHECK_EQ(tlbtag_pool_destroy(&pool), 4);
	CHECK(warned(1));
	CHECK(pool_is_same(&pool, &zero));
	CHECK_EQ(tlbtag_pool_destroy(&pool), 0);
	CHECK(warned(0));
}

TEST(storage_and_pool_can_be_used_again)
{
	struct tlbtag_pool pool = pool_make(1, 200);

	take_all(&pool, TLBTAG_PLAIN, 200);
	CHECK_EQ(tlbtag_pool_destroy(&pool), 200);
	CHECK(warned(1));
	memset(words, 0xa5, sizeof(words));
	CHECK_EQ(tlbtag_pool_init(&pool, 3, 65, words, WORDS_MAX), 0);
	for (tlbtag_t tag = 3; tag < 3 + 65; tag++)
		CHECK_EQ(tlbtag_pool_state(&pool, tag), TLBTAG_FREE);
	for (tlbtag_t tag = 3; tag < 3 + 65; tag++)
		CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_PLAIN), tag);
	CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_PLAIN), TLBTAG_NONE);
}

/* Guards P2. */
TEST(classes_hand_out_their_own_range_only)
{
	struct tlbtag_pool pool = pool_make_classes();

	for (tlbtag_t tag = 5; tag <= 8; tag++)
		CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_SEV), tag);
	CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_SEV), TLBTAG_NONE);
	CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_SEV_ES), 1);
	CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_SNP), 2);
	for (tlbtag_t tag = 9; tag <= 20; tag++)
		CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_PLAIN), tag);
	CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_PLAIN), TLBTAG_NONE);
	CHECK(!tlbtag_pool_is_full(&pool));
	CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_SEV_ES), 3);
	CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_SNP), 4);
	CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_SNP), TLBTAG_NONE);
	CHECK(tlbtag_pool_is_full(&pool));
}

/* Guards P2. */
/* The search must start in the middle of a word and go up one and two levels. */
TEST(class_far_above_the_lowest_free_tag_is_found)
{
	static uint64_t many[3 * 4096 + 64];
	static const tlbtag_t firsts[] = { 2, 64, 65, 4096, 4097, 100001, 262080, 262144 };

	for (size_t nr = 0; nr < sizeof(firsts) / sizeof(firsts[0]); nr++) {
		struct tlbtag_pool pool = { 0 };
		struct tlbtag_range range = { firsts[nr], 262144, false };

		CHECK_EQ(tlbtag_pool_init(&pool, 1, 262144, many, 3 * 4096 + 64), 0);
		CHECK_EQ(tlbtag_pool_set_class(&pool, TLBTAG_PLAIN, &range), 0);
		for (tlbtag_t tag = range.first; tag <= range.last; tag++)
			if (!CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_PLAIN), tag))
				break;
		CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_PLAIN), TLBTAG_NONE);
		CHECK_EQ(tlbtag_pool_plain_free(&pool), 0);
	}
}

TEST(class_that_does_not_exist_gets_nothing)
{
	struct tlbtag_pool pool = pool_make(1, 10);
	enum tlbtag_class wrong = (enum tlbtag_class)TLBTAG_CLASSES;

	CHECK_EQ(tlbtag_pool_alloc(&pool, wrong), TLBTAG_NONE);
	CHECK(warned(1));
	CHECK(!tlbtag_pool_has_class(&pool, wrong));
	CHECK_EQ(tlbtag_pool_seal(&pool, wrong), 0);
	CHECK_EQ(tlbtag_pool_set_class(&pool, wrong, &(struct tlbtag_range){ 1, 0, false }),
		 -EINVAL);
	CHECK_EQ(tlbtag_pool_plain_free(&pool), 10);
}

TEST(empty_class_is_not_supported_rather_than_full)
{
	struct tlbtag_pool pool = pool_make_classes();

	CHECK(tlbtag_pool_has_class(&pool, TLBTAG_SEV));
	CHECK_EQ(try_class(&pool, TLBTAG_SEV, 900, 800), 0);
	CHECK(!tlbtag_pool_has_class(&pool, TLBTAG_SEV));
	CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_SEV), TLBTAG_NONE);
	CHECK_EQ(tlbtag_pool_seal(&pool, TLBTAG_SEV), 0);
	take_all(&pool, TLBTAG_SNP, 4);
	CHECK(!tlbtag_pool_has_class(&pool, TLBTAG_SEV));
	CHECK(tlbtag_pool_has_class(&pool, TLBTAG_SNP));
	take_all(&pool, TLBTAG_PLAIN, 12);
}

TEST(set_class_refuses_overlap_and_foreign_tags)
{
	struct tlbtag_pool pool = pool_make_classes();

	CHECK_EQ(try_class(&pool, TLBTAG_PLAIN, 8, 20), -EINVAL);
	CHECK_EQ(try_class(&pool, TLBTAG_PLAIN, 9, 21), -EINVAL);
	CHECK_EQ(try_class(&pool, TLBTAG_PLAIN, 0, 3), -EINVAL);
	CHECK_EQ(try_class(&pool, TLBTAG_PLAIN, 21, 21), -EINVAL);
	CHECK_EQ(try_class(&pool, TLBTAG_PLAIN, 9, UINT32_MAX), -EINVAL);
	CHECK_EQ(try_class(&pool, TLBTAG_SEV, 4, 8), -EINVAL);
	CHECK_EQ(try_class(&pool, TLBTAG_SEV, 5, 9), -EINVAL);
	CHECK_EQ(try_class(&pool, TLBTAG_SNP, 2, 5), -EINVAL);
	CHECK_EQ(tlbtag_pool_set_class(&pool, TLBTAG_SEV, NULL), -EINVAL);
	CHECK_EQ(try_class(&pool, TLBTAG_SNP, 1, 2), 0);
	CHECK_EQ(try_class(&pool, TLBTAG_SEV_ES, 2, 4), 0);
	CHECK_EQ(try_class(&pool, TLBTAG_PLAIN, 10, 20), 0);
	CHECK_EQ(try_class(&pool, TLBTAG_SEV, 5, 9), 0);
	CHECK(warned(0));
}

TEST(set_class_refuses_a_class_in_use)
{
	struct tlbtag_pool pool = pool_make_classes();
	tlbtag_t tag = tlbtag_pool_alloc(&pool, TLBTAG_SEV);

	CHECK_EQ(try_class(&pool, TLBTAG_SEV, 5, 7), -EBUSY);
	CHECK_EQ(tlbtag_pool_free(&pool, tag), 0);
	CHECK_EQ(try_class(&pool, TLBTAG_SEV, 5, 7), -EBUSY);
	CHECK_EQ(tlbtag_pool_seal(&pool, TLBTAG_SEV), 1);
	CHECK_EQ(try_class(&pool, TLBTAG_SEV, 5, 7), -EBUSY);
	CHECK(warned(3));
	tlbtag_pool_unseal(&pool, true);
	CHECK_EQ(try_class(&pool, TLBTAG_SEV, 5, 7), 0);
	CHECK(warned(0));
}

TEST(plain_free_counts_plain_tags_only)
{
	struct tlbtag_pool pool = pool_make_classes();

	CHECK_EQ(tlbtag_pool_plain_free(&pool), 12);
	tlbtag_pool_alloc(&pool, TLBTAG_SEV);
	CHECK_EQ(tlbtag_pool_plain_free(&pool), 12);
	CHECK_EQ(tlbtag_pool_free(&pool, 5), 0);
	CHECK_EQ(tlbtag_pool_seal(&pool, TLBTAG_SEV), 1);
	tlbtag_pool_unseal(&pool, true);
	CHECK_EQ(tlbtag_pool_plain_free(&pool), 12);
	tlbtag_pool_alloc(&pool, TLBTAG_PLAIN);
	CHECK_EQ(tlbtag_pool_plain_free(&pool), 11);
	CHECK_EQ(tlbtag_pool_free(&pool, 9), 0);
	CHECK_EQ(tlbtag_pool_plain_free(&pool), 12);
}

/* Guards P4. */
TEST(dirty_tag_is_not_handed_out_before_its_clean_up)
{
	struct tlbtag_pool pool = pool_make_classes();

	take_all(&pool, TLBTAG_SEV, 4);
	CHECK_EQ(tlbtag_pool_free(&pool, 6), 0);
	CHECK_EQ(tlbtag_pool_state(&pool, 6), TLBTAG_DIRTY);
	CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_SEV), TLBTAG_NONE);
	CHECK_EQ(tlbtag_pool_seal(&pool, TLBTAG_SEV), 1);
	CHECK_EQ(tlbtag_pool_state(&pool, 6), TLBTAG_SEALED);
	CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_SEV), TLBTAG_NONE);
	tlbtag_pool_unseal(&pool, true);
	CHECK_EQ(tlbtag_pool_state(&pool, 6), TLBTAG_FREE);
	CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_SEV), 6);
	CHECK(warned(0));
}

/* Guards P3. */
TEST(double_free_of_dirty_and_sealed_tags_is_refused)
{
	struct tlbtag_pool pool = pool_make_classes();
	tlbtag_t tag = tlbtag_pool_alloc(&pool, TLBTAG_SEV);

	CHECK_EQ(tlbtag_pool_free(&pool, tag), 0);
	CHECK_EQ(tlbtag_pool_free(&pool, tag), -EALREADY);
	CHECK_EQ(tlbtag_pool_seal(&pool, TLBTAG_SEV), 1);
	CHECK_EQ(tlbtag_pool_free(&pool, tag), -EALREADY);
	CHECK(warned(2));
	CHECK_EQ(tlbtag_pool_state(&pool, tag), TLBTAG_SEALED);
}

TEST(seal_is_in_vain_without_dirty_tags_of_the_class)
{
	struct tlbtag_pool pool = pool_make_classes();

	CHECK_EQ(tlbtag_pool_free(&pool, tlbtag_pool_alloc(&pool, TLBTAG_SEV)), 0);
	CHECK_EQ(tlbtag_pool_seal(&pool, TLBTAG_SNP), 0);
	CHECK_EQ(tlbtag_pool_state(&pool, 5), TLBTAG_DIRTY);
	CHECK_EQ(tlbtag_pool_seal(&pool, TLBTAG_PLAIN), 0);
	CHECK_EQ(tlbtag_pool_seal(&pool, TLBTAG_SEV), 1);
}

TEST(clean_up_covers_all_classes)
{
	struct tlbtag_pool pool = pool_make_classes();

	take_all(&pool, TLBTAG_SEV, 4);
	take_all(&pool, TLBTAG_SNP, 4);
	CHECK_EQ(tlbtag_pool_free(&pool, 2), 0);
	CHECK_EQ(tlbtag_pool_free(&pool, 7), 0);
	CHECK_EQ(tlbtag_pool_free(&pool, 8), 0);
	CHECK_EQ(tlbtag_pool_seal(&pool, TLBTAG_SEV), 2);
	CHECK_EQ(tlbtag_pool_state(&pool, 2), TLBTAG_SEALED);
	tlbtag_pool_unseal(&pool, true);
	CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_SEV_ES), 2);
	CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_SEV), 7);
	CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_SEV), 8);
}

/* Guards P4. */
TEST(tags_freed_during_a_clean_up_wait_for_the_next)
{
	struct tlbtag_pool pool = pool_make_classes();

	take_all(&pool, TLBTAG_SEV, 4);
	CHECK_EQ(tlbtag_pool_free(&pool, 5), 0);
	CHECK_EQ(tlbtag_pool_seal(&pool, TLBTAG_SEV), 1);
	CHECK_EQ(tlbtag_pool_free(&pool, 6), 0);
	CHECK_EQ(tlbtag_pool_seal(&pool, TLBTAG_SEV), 0);
	tlbtag_pool_unseal(&pool, true);
	CHECK_EQ(tlbtag_pool_state(&pool, 5), TLBTAG_FREE);
	CHECK_EQ(tlbtag_pool_state(&pool, 6), TLBTAG_DIRTY);
	CHECK_EQ(tlbtag_pool_seal(&pool, TLBTAG_SEV), 1);
	tlbtag_pool_unseal(&pool, true);
	CHECK_EQ(tlbtag_pool_state(&pool, 6), TLBTAG_FREE);
}

/* Guards P4. */
TEST(failed_clean_up_leaves_everything_dirty)
{
	struct tlbtag_pool pool = pool_make_classes();

	take_all(&pool, TLBTAG_SEV, 4);
	CHECK_EQ(tlbtag_pool_free(&pool, 5), 0);
	CHECK_EQ(tlbtag_pool_seal(&pool, TLBTAG_SEV), 1);
	CHECK_EQ(tlbtag_pool_free(&pool, 6), 0);
	tlbtag_pool_unseal(&pool, false);
	CHECK_EQ(tlbtag_pool_state(&pool, 5), TLBTAG_DIRTY);
	CHECK_EQ(tlbtag_pool_state(&pool, 6), TLBTAG_DIRTY);
	CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_SEV), TLBTAG_NONE);
	CHECK_EQ(tlbtag_pool_seal(&pool, TLBTAG_SEV), 2);
	tlbtag_pool_unseal(&pool, true);
	CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_SEV), 5);
}

TEST(unseal_without_seal_changes_nothing)
{
	struct tlbtag_pool pool = pool_make_classes();

	CHECK_EQ(tlbtag_pool_free(&pool, tlbtag_pool_alloc(&pool, TLBTAG_SEV)), 0);
	tlbtag_pool_unseal(&pool, true);
	CHECK(warned(1));
	CHECK_EQ(tlbtag_pool_state(&pool, 5), TLBTAG_DIRTY);
}

TEST(pool_can_be_destroyed_during_a_clean_up)
{
	struct tlbtag_pool pool = pool_make_classes();

	take_all(&pool, TLBTAG_SEV, 4);
	for (tlbtag_t tag = 5; tag <= 7; tag++)
		CHECK_EQ(tlbtag_pool_free(&pool, tag), 0);
	CHECK_EQ(tlbtag_pool_seal(&pool, TLBTAG_SEV), 3);
	CHECK_EQ(tlbtag_pool_free(&pool, 8), 0);
	CHECK_EQ(tlbtag_pool_destroy(&pool), 0);
	CHECK(warned(0));
}

/* Guards P4. */
/* P4's assertion; breaking the bitmaps from outside is the only way to see it. */
TEST(tag_that_is_free_and_dirty_at_once_is_not_handed_out)
{
	struct tlbtag_pool pool = pool_make_classes();

	pool.dirty[0] |= 1u << (6 - 1);
	CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_SEV), 5);
	CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_SEV), TLBTAG_NONE);
	CHECK(warned(1));
	CHECK_EQ(tlbtag_pool_state(&pool, 6), TLBTAG_DIRTY);
	CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_SEV), 7);
	pool.sealed[0] |= 1u << (1 - 1);
	CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_SNP), TLBTAG_NONE);
	CHECK(warned(1));
	CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_SNP), 2);
}

TEST(reuse_at_once_hands_out_the_tag_freed_last)
{
	struct tlbtag_pool pool = pool_make_classes();

	take_all(&pool, TLBTAG_PLAIN, 12);
	CHECK_EQ(tlbtag_pool_free(&pool, 19), 0);
	tlbtag_pool_reuse_at_once(&pool, true);
	CHECK_EQ(tlbtag_pool_free(&pool, 11), 0);
	CHECK_EQ(tlbtag_pool_free(&pool, 15), 0);
	CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_SEV), 5);
	CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_PLAIN), 15);
	CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_PLAIN), 11);
	CHECK_EQ(tlbtag_pool_free(&pool, 5), 0);
	CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_SEV), 6);
	CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_PLAIN), 19);
	CHECK_EQ(tlbtag_pool_free(&pool, 18), 0);
	CHECK_EQ(tlbtag_pool_free(&pool, 20), 0);
	tlbtag_pool_reuse_at_once(&pool, false);
	CHECK_EQ(tlbtag_pool_alloc(&pool, TLBTAG_PLAIN), 18);
}

/* --- random runs ---------------------------------------------------------- */

#define CHURN_STEPS 60000u
#define CHURN_TURN 6000u

struct churn {
	struct tlbtag_pool pool;
	struct pool_oracle oracle;
	uint64_t random;
};

static uint32_t random_below(struct churn *churn, uint32_t limit)
{
	uint64_t mixed;

	churn->random += UINT64_C(0x9e3779b97f4a7c15);
	mixed = (churn->random ^ churn->random >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	return (uint32_t)((mixed ^ mixed >> 31) >> 32) % limit;
}

/* The rare operations, and the common one now and then on a wrong tag. */
static void churn_rare(struct churn *churn)
{
	enum tlbtag_class class = (enum tlbtag_class)random_below(churn, TLBTAG_CLASSES);
	bool flag = random_below(churn, 2);

	switch (random_below(churn, 5)) {
	case 0:
		CHECK_EQ(tlbtag_pool_seal(&churn->pool, class), oracle_seal(&churn->oracle, class));
		break;
	case 1:
		if (churn->oracle.sealing) {
			tlbtag_pool_unseal(&churn->pool, flag);
			oracle_unseal(&churn->oracle, flag);
		}
		break;
	case 2:
		CHECK_EQ(tlbtag_pool_take_fallback(&churn->pool),
			 oracle_take_fallback(&churn->oracle));
		break;
	case 3:
		tlbtag_pool_reuse_at_once(&churn->pool, flag);
		churn->oracle.reuse_at_once = flag;
		churn->oracle.last_freed = TLBTAG_NONE;
		break;
	default:
		CHECK_EQ(tlbtag_pool_plain_free(&churn->pool),
			 oracle_count(&churn->oracle, TLBTAG_PLAIN, TLBTAG_FREE));
		break;
	}
}

/* A class that has tags, or now and then any. */
static enum tlbtag_class churn_class(struct churn *churn)
{
	bool plain_only = !tlbtag_pool_has_class(&churn->pool, TLBTAG_SEV);

	if (plain_only && random_below(churn, 64) != 0)
		return TLBTAG_PLAIN;
	return (enum tlbtag_class)random_below(churn, TLBTAG_CLASSES);
}

/* Towards full, then towards empty. */
static void churn_step(struct churn *churn, bool filling)
{
	enum tlbtag_class class = churn_class(churn);
	tlbtag_t tag = churn->oracle.min - 1 + random_below(churn, churn->oracle.nr + 2);

	if (random_below(churn, 16) < (filling ? 15u : 1u))
		CHECK_EQ(tlbtag_pool_alloc(&churn->pool, class),
			 oracle_alloc(&churn->oracle, class));
	else
		CHECK_EQ(tlbtag_pool_free(&churn->pool, tag), oracle_free(&churn->oracle, tag));
	if (random_below(churn, 1000) == 0)
		churn_rare(churn);
}

static void churn_classes(struct churn *churn)
{
	tlbtag_t min = churn->oracle.min;
	uint32_t nr = churn->oracle.nr;
	const struct tlbtag_range range[TLBTAG_CLASSES] = {
		{ min + nr / 2, min + nr - 1, false },
		{ min + nr / 4 + 1, min + nr / 2 - 1, true },
		{ min, min + nr / 4, true },
		{ min + nr / 8, min + nr / 4, false },
	};

	for (int class = 0; class < TLBTAG_CLASSES; class++)
		CHECK_EQ(tlbtag_pool_set_class(&churn->pool, (enum tlbtag_class)class,
					       &range[class]),
			 oracle_set_class(&churn->oracle, class, &range[class]));
}

/* A large pool would take long to get full; lowest first says which tags these are. */
static void churn_fill(struct churn *churn)
{
	for (int class = 0; class < TLBTAG_SNP; class++) {
		const struct tlbtag_range *range = &churn->oracle.range[class];

		if (range->first > range->last)
			continue;
		for (tlbtag_t tag = range->first; tag < range->last - 100; tag++) {
			CHECK_EQ(tlbtag_pool_alloc(&churn->pool, (enum tlbtag_class)class), tag);
			*oracle_state(&churn->oracle, tag) = TLBTAG_USED;
		}
	}
}

static void churn_run(uint32_t nr, tlbtag_t min, bool classes)
{
	uint32_t word_count = tlbtag_pool_words(nr);
	uint64_t *storage = malloc(sizeof(*storage) * word_count);
	uint8_t *state = malloc(nr);
	struct churn churn = { .random = nr + classes };
	bool was_full = false;

	CHECK_EQ(tlbtag_pool_init(&churn.pool, min, nr, storage, word_count), 0);
	oracle_init(&churn.oracle, min, nr, state);
	if (classes)
		churn_classes(&churn);
	if (nr > CHURN_STEPS / 2)
		churn_fill(&churn);
	for (uint32_t step = 0; step < CHURN_STEPS; step++) {
		churn_step(&churn, step / CHURN_TURN % 2 == 0);
		was_full |= tlbtag_pool_is_full(&churn.pool);
	}
	CHECK(classes || was_full);
	for (tlbtag_t tag = min; tag < min + nr; tag++)
		CHECK_EQ(tlbtag_pool_state(&churn.pool, tag), *oracle_state(&churn.oracle, tag));
	tlbtag_sim_warnings_reset();
	CHECK_EQ(tlbtag_pool_destroy(&churn.pool), oracle_leaked(&churn.oracle));
	CHECK(tlbtag_sim_warnings() <= 1);
	free(storage);
	free(state);
}

TEST(random_runs_agree_with_the_oracle_at_every_size)
{
	static const uint32_t sizes[] = { 1, 2, 63, 64, 65, 1006, 4095, 4096, 4097, 65535 };

	for (size_t nr = 0; nr < sizeof(sizes) / sizeof(sizes[0]); nr++) {
		churn_run(sizes[nr], 1, false);
		churn_run(sizes[nr], 1000, false);
		if (sizes[nr] >= 8)
			churn_run(sizes[nr], 1, true);
	}
}

TEST(random_runs_agree_with_the_oracle_at_the_largest_size)
{
	churn_run(TLBTAG_POOL_MAX, 1, false);
	churn_run(TLBTAG_POOL_MAX, UINT32_MAX - TLBTAG_POOL_MAX, true);
}

/* Guards P3. */
/* P3 from the other end: no tag has two holders, however many there are. */
TEST(whole_pool_is_handed_out_once)
{
	uint32_t nr = 65535;
	uint32_t word_count = tlbtag_pool_words(nr);
	uint64_t *storage = malloc(sizeof(*storage) * word_count);
	uint8_t *held = calloc(nr + 1, 1);
	struct tlbtag_pool pool = { 0 };
	uint32_t count = 0;

	CHECK_EQ(tlbtag_pool_init(&pool, 1, nr, storage, word_count), 0);
	for (tlbtag_t tag; (tag = tlbtag_pool_alloc(&pool, TLBTAG_PLAIN)) != 0; count++) {
		if (!CHECK(tag <= nr))
			break;
		CHECK_EQ(held[tag], 0);
		held[tag] = 1;
	}
	CHECK_EQ(count, nr);
	for (tlbtag_t tag = nr; tag > 0; tag--)
		CHECK_EQ(tlbtag_pool_free(&pool, tag), 0);
	CHECK_EQ(tlbtag_pool_destroy(&pool), 0);
	free(storage);
	free(held);
}
