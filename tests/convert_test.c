/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * convert: ranges with every alignment of their ends over every kind of mapping,
 * with a failure at every kind of step, and with a hypervisor that drops the MMU
 * lock wherever it may and maps what it may meanwhile.
 */
#include <tlbtag/convert.h>
#include <tlbtag/large.h>
#include <tlbtag/rules.h>

#include <errno.h>

#include "test.h"

#define PAGES TLBTAG_REGION_PAGES
#define REGIONS 6u
#define ALL (REGIONS * PAGES)
#define FEATURES (UINT64_C(1) << 51)
#define NEVER UINT32_MAX

/* How a region is mapped. */
enum mapping {
	MAPPING_NONE = 0,
	MAPPING_2M = 1,
	MAPPING_TABLE = 2,
	MAPPING_HALF = 3, /* a table with every other page */
	MAPPINGS = 4,
};

/* Which step goes wrong. */
enum failure {
	FAIL_NONE = 0,
	FAIL_RESERVE = 1,
	FAIL_SPLIT_1 = 2,
	FAIL_SPLIT_2 = 3,
	FAIL_ZAP_1 = 4,
	FAIL_ZAP_3 = 5,
	AGAIN_SPLIT_1 = 6,
	AGAIN_SPLIT_2 = 7,
	FAILURES = 8,
};

struct world {
	struct tlbtag_large large;
	uint64_t words[1];
	bool is_large[REGIONS];
	bool has_table[REGIONS];
	bool is_mapped[ALL];
	bool was_mapped[ALL];
	struct tlbtag_convert op;
	struct tlbtag_leaf leaf;
	enum failure failure;
	uint32_t reserved;
	uint32_t splits_tried;
	uint32_t splits;
	uint32_t zaps_tried;
	bool is_locked;
	/* From that FIND on the lock is dropped at each; NEVER. */
	uint32_t yield_from;
	uint32_t finds;
	/* Leaves that are removed at once; 0: one, without a sweep. */
	uint32_t sweep;
	bool is_wrong;
	/* A hypervisor that does not ask tlbtag_convert_near(). */
	bool is_careless;
};

static void map_region(struct world *world, uint32_t region, enum mapping mapping)
{
	world->is_large[region] = mapping == MAPPING_2M;
	world->has_table[region] = mapping >= MAPPING_TABLE;
	for (uint32_t page = 0; page < PAGES; page++)
		world->is_mapped[region * PAGES + page] =
			mapping != MAPPING_NONE && !(mapping == MAPPING_HALF && page % 2);
}

/* --- the hypervisor --------------------------------------------------------------- */

/* The first leaf of from .. to - 1, into world->leaf. */
static const struct tlbtag_leaf *first_leaf(struct world *world, uint64_t from, uint64_t to)
{
	for (uint64_t gfn = from; gfn < to; gfn++) {
		uint64_t region = gfn / PAGES;

		if (!world->is_mapped[gfn])
			continue;
		world->leaf = (struct tlbtag_leaf){ gfn, TLBTAG_LEVEL_4K };
		if (world->is_large[region])
			world->leaf = (struct tlbtag_leaf){ region * PAGES, TLBTAG_LEVEL_2M };
		return &world->leaf;
	}
	return NULL;
}

static int split(struct world *world)
{
	uint64_t region = world->op.leaf.gfn / PAGES;

	world->splits_tried++;
	if (world->failure == FAIL_SPLIT_1 + world->splits_tried - 1 &&
	    world->failure <= FAIL_SPLIT_2)
		return -EIO;
	if (world->failure == AGAIN_SPLIT_1 + world->splits_tried - 1)
		return -EAGAIN;
	world->is_wrong |= !world->is_large[region] || world->reserved == 0;
	world->reserved--;
	world->is_large[region] = false;
	world->has_table[region] = true;
	world->splits++;
	return 0;
}

static uint64_t pages_of(const struct tlbtag_leaf *leaf)
{
	return leaf->level == TLBTAG_LEVEL_2M ? PAGES : 1;
}

static int zap(struct world *world, const struct tlbtag_leaf *leaf)
{
	uint64_t pages = pages_of(leaf);

	world->zaps_tried++;
	if ((world->failure == FAIL_ZAP_1 && world->zaps_tried == 1) ||
	    (world->failure == FAIL_ZAP_3 && world->zaps_tried == 3))
		return -EIO;
	world->is_wrong |= world->is_large[leaf->gfn / PAGES] != (pages == PAGES);
	memset(&world->is_mapped[leaf->gfn], 0, pages);
	if (pages == PAGES)
		world->is_large[leaf->gfn / PAGES] = false;
	return 0;
}

/* A fault of the guest, which may be anywhere. */
static void fault(struct world *world, uint64_t gfn)
{
	enum tlbtag_near near = tlbtag_convert_near(&world->op, gfn);
	uint64_t region = gfn / PAGES;
	struct tlbtag_large_fault large = { .gfn = gfn, .backing = TLBTAG_LEVEL_2M,
					    .accept = TLBTAG_LEVEL_1G,
					    .has_table = world->has_table[region],
					    .is_edge = near == TLBTAG_NEAR_EDGE &&
						       !world->is_careless };
	bool is_large = tlbtag_large_level(&world->large, &large) == TLBTAG_LEVEL_2M;

	if (near == TLBTAG_NEAR_INSIDE || world->is_mapped[gfn])
		return;
	if (is_large) {
		map_region(world, (uint32_t)region, MAPPING_2M);
		memset(&world->was_mapped[region * PAGES], 1, PAGES);
		return;
	}
	world->has_table[region] = true;
	world->is_mapped[gfn] = true;
	world->was_mapped[gfn] = true;
}

/* The lock is dropped, and vCPUs fault just outside both ends. */
static void yield(struct world *world)
{
	if (world->op.begin > 0)
		fault(world, world->op.begin - 1);
	if (world->op.end < ALL)
		fault(world, world->op.end);
	fault(world, world->op.begin);
}

static int execute(struct world *world, enum tlbtag_convert_step step)
{
	switch (step) {
	case TLBTAG_CONVERT_RESERVE:
		world->is_wrong |= world->is_locked;
		world->reserved = world->op.splits;
		return world->failure == FAIL_RESERVE ? -ENOMEM : 0;
	case TLBTAG_CONVERT_LOCK:
		world->is_wrong |= world->is_locked;
		world->is_locked = true;
		return 0;
	case TLBTAG_CONVERT_UNLOCK:
		world->is_wrong |= !world->is_locked;
		world->is_locked = false;
		return 0;
	case TLBTAG_CONVERT_SPLIT:
		world->is_wrong |= !world->is_locked;
		return split(world);
	case TLBTAG_CONVERT_ZAP:
		world->is_wrong |= !world->is_locked;
		return zap(world, &world->op.leaf);
	case TLBTAG_CONVERT_FIND:
	case TLBTAG_CONVERT_DONE:
		break;
	}
	world->is_wrong = true;
	return -EINVAL;
}

/* op.leaf and up to world->sweep - 1 leaves behind it. */
static enum tlbtag_convert_step sweep(struct world *world)
{
	struct tlbtag_leaf leaf = world->op.leaf;
	uint64_t after;

	for (uint32_t count = 1;; count++) {
		int error = zap(world, &leaf);

		if (error)
			return tlbtag_convert_swept(&world->op, error, leaf.gfn);
		after = leaf.gfn + pages_of(&leaf);
		if (count == world->sweep || !first_leaf(world, after, world->op.to) ||
		    !tlbtag_convert_takes(&world->op, &world->leaf))
			return tlbtag_convert_swept(&world->op, 0, after);
		leaf = world->leaf;
	}
}

static void world_start(struct world *world)
{
	*world = (struct world){ .is_wrong = false };
	CHECK_EQ(tlbtag_large_init(&world->large, 0, ALL, FEATURES, world->words), 0);
}

static void convert(struct world *world, uint64_t begin, uint64_t end)
{
	enum tlbtag_convert_step step = tlbtag_convert_begin(&world->op, begin, end);

	memcpy(world->was_mapped, world->is_mapped, sizeof(world->is_mapped));
	while (step != TLBTAG_CONVERT_DONE) {
		if (step == TLBTAG_CONVERT_ZAP && world->sweep) {
			step = sweep(world);
			continue;
		}
		if (step != TLBTAG_CONVERT_FIND) {
			step = tlbtag_convert_next(&world->op, execute(world, step));
			continue;
		}
		world->is_wrong |= !world->is_locked;
		if (world->finds++ >= world->yield_from)
			yield(world);
		step = tlbtag_convert_found(&world->op, first_leaf(world, world->op.from,
								   world->op.to));
	}
	world->is_wrong |= world->is_locked;
}

/* --- what must hold at the end ------------------------------------------------------ */

/* R3, R4: gone is what is in the range and below op.from; all else is as it was. */
static bool is_range_right(const struct world *world)
{
	const struct tlbtag_convert *op = &world->op;
	uint64_t removed = op->error ? op->from : op->end;

	/* An error before the first removal leaves `from` at an edge. */
	if (op->error && world->zaps_tried == 0)
		removed = op->begin;
	for (uint64_t gfn = 0; gfn < ALL; gfn++) {
		bool is_gone = gfn >= op->begin && gfn < removed;

		if (world->is_mapped[gfn] != (world->was_mapped[gfn] && !is_gone))
			return false;
	}
	return true;
}

static bool is_edge_large(uint64_t gfn, const bool *was_large)
{
	return gfn % PAGES != 0 && was_large[gfn / PAGES];
}

/* R1: as many splits as large mappings that an end cuts into. */
static uint32_t splits_due(const struct world *world, const bool *was_large)
{
	uint64_t begin = world->op.begin;
	uint64_t end = world->op.end;
	uint32_t due = is_edge_large(begin, was_large);

	if (is_edge_large(end, was_large) && !(due && begin / PAGES == end / PAGES))
		due++;
	return due;
}

/* Which error must come of it? A step that is not reached cannot fail. */
static int error_due(const struct world *world)
{
	switch (world->failure) {
	case FAIL_RESERVE:
		return world->op.splits ? -ENOMEM : 0;
	case FAIL_SPLIT_1:
		return world->splits_tried >= 1 ? -EIO : 0;
	case FAIL_SPLIT_2:
		return world->splits_tried >= 2 ? -EIO : 0;
	case FAIL_ZAP_1:
		return world->zaps_tried >= 1 ? -EIO : 0;
	case FAIL_ZAP_3:
		return world->zaps_tried >= 3 ? -EIO : 0;
	case FAIL_NONE:
	case AGAIN_SPLIT_1:
	case AGAIN_SPLIT_2:
	case FAILURES:
		break;
	}
	return 0;
}

struct setup {
	uint64_t begin;
	uint64_t end;
	uint32_t mappings; /* of the regions, in base MAPPINGS */
	enum failure failure;
	uint32_t yield_from;
	uint32_t sweep;
};

static bool is_run_right(const struct setup *setup)
{
	static struct world world;
	bool was_large[REGIONS];
	bool is_right;

	world_start(&world);
	world.failure = setup->failure;
	world.yield_from = setup->yield_from;
	world.sweep = setup->sweep;
	for (uint32_t region = 0, left = setup->mappings; region < REGIONS; region++) {
		map_region(&world, region, (enum mapping)(left % MAPPINGS));
		was_large[region] = world.is_large[region];
		left = left / MAPPINGS ? left / MAPPINGS : setup->mappings;
	}
	convert(&world, setup->begin, setup->end);
	is_right = !world.is_wrong && is_range_right(&world) && world.splits <= 2 &&
		   world.op.error == error_due(&world);
	if (!world.op.error && setup->yield_from == NEVER)
		is_right &= world.splits == splits_due(&world, was_large);
	return is_right;
}

/* The ends: on a boundary, just behind one, just before the next. */
static const uint64_t offsets[] = { 0, 1, PAGES - 1 };

/* How many regions are between the two ends. */
static const uint64_t distances[] = { 0, 1, 2, 4 };

static uint32_t runs_wrong(uint32_t yield_from, uint32_t sweep)
{
	uint32_t wrong = 0;

	for (uint32_t nr = 0; nr < 9 * 4 * MAPPINGS * MAPPINGS * MAPPINGS * FAILURES; nr++) {
		uint64_t shape = nr / FAILURES / (MAPPINGS * MAPPINGS * MAPPINGS);
		struct setup setup = {
			.begin = PAGES + offsets[shape % 3],
			.end = PAGES * (1 + distances[shape / 9]) + offsets[shape / 3 % 3],
			.mappings = nr / FAILURES % (MAPPINGS * MAPPINGS * MAPPINGS),
			.failure = (enum failure)(nr % FAILURES),
			.yield_from = yield_from,
			.sweep = sweep,
		};

		if (setup.begin < setup.end)
			wrong += !is_run_right(&setup);
	}
	return wrong;
}

/* Guards R1, R2, R3, R4. */
TEST(convert_all_alignments_of_both_ends)
{
	CHECK_EQ(runs_wrong(NEVER, 0), 0);
}

/* Guards R3, R4. */
TEST(convert_with_faults_whenever_the_lock_is_dropped)
{
	for (uint32_t from = 0; from < 3; from++)
		CHECK_EQ(runs_wrong(from, 0), 0);
}

/* Guards R3, R4. */
TEST(convert_with_many_leaves_at_once)
{
	static const uint32_t sweeps[] = { 1, 2, 64 };

	for (size_t i = 0; i < sizeof(sweeps) / sizeof(sweeps[0]); i++)
		CHECK_EQ(runs_wrong(i ? NEVER : 1, sweeps[i]), 0);
}

/* Guards CONVERT_SPLIT, CONVERT_FIRST, LARGE_EDGE. */
TEST(convert_without_a_rule_contents_are_lost_or_it_fails)
{
	static const enum tlbtag_rule rules[] = {
		TLBTAG_RULE_CONVERT_SPLIT, TLBTAG_RULE_CONVERT_FIRST, TLBTAG_RULE_LARGE_EDGE,
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		tlbtag_sim_rule_off(rules[i]);
		if (!CHECK(runs_wrong(1, 0) > 0))
			test_failed(__FILE__, __LINE__, "rule %d", (int)rules[i]);
		tlbtag_sim_rule_on(rules[i]);
	}
	CHECK(tlbtag_sim_warnings() > 0);
}

/* From the middle of an empty region, which a careless hypervisor maps large meanwhile. */
static void convert_carelessly(struct world *world)
{
	world_start(world);
	world->yield_from = 1;
	world->is_careless = true;
	map_region(world, 2, MAPPING_2M);
	convert(world, PAGES + 100, 3 * PAGES);
}

/* Guards CONVERT_EXACT. */
TEST(convert_never_removes_a_leaf_that_sticks_out)
{
	static struct world world;

	convert_carelessly(&world);
	CHECK_EQ(world.op.error, -EINVAL);
	CHECK(is_range_right(&world));
	CHECK_EQ(tlbtag_sim_warnings(), 1);
	tlbtag_sim_rule_off(TLBTAG_RULE_CONVERT_EXACT);
	convert_carelessly(&world);
	CHECK(!is_range_right(&world));
}

/* --- single cases ------------------------------------------------------------------- */

TEST(convert_nothing_is_done_at_once)
{
	struct tlbtag_convert op;

	CHECK_EQ(tlbtag_convert_begin(&op, 7, 7), TLBTAG_CONVERT_DONE);
	CHECK_EQ(tlbtag_convert_begin(&op, 8, 7), TLBTAG_CONVERT_DONE);
	CHECK_EQ(op.error, 0);
	CHECK_EQ(tlbtag_convert_next(&op, 0), TLBTAG_CONVERT_DONE);
}

TEST(convert_refuses_leaves_that_nobody_asked_for)
{
	static const struct tlbtag_leaf leaves[] = {
		{ 3 * PAGES, TLBTAG_LEVEL_4K }, { PAGES - 1, TLBTAG_LEVEL_4K },
		{ PAGES + 1, TLBTAG_LEVEL_2M }, { 0, TLBTAG_LEVEL_1G },
	};
	struct tlbtag_convert op;

	for (size_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
		CHECK_EQ(tlbtag_convert_begin(&op, PAGES, 3 * PAGES), TLBTAG_CONVERT_LOCK);
		CHECK_EQ(tlbtag_convert_found(&op, &leaves[i]), TLBTAG_CONVERT_LOCK);
		CHECK_EQ(tlbtag_convert_next(&op, 0), TLBTAG_CONVERT_FIND);
		CHECK_EQ(tlbtag_convert_found(&op, &leaves[i]), TLBTAG_CONVERT_UNLOCK);
		CHECK_EQ(op.error, -EINVAL);
		CHECK_EQ(tlbtag_convert_next(&op, 0), TLBTAG_CONVERT_DONE);
	}
	CHECK_EQ(tlbtag_sim_warnings(), 8);
}

TEST(convert_takes_what_is_in_the_range)
{
	const struct tlbtag_leaf first = { PAGES, TLBTAG_LEVEL_4K };
	const struct tlbtag_leaf inside = { 2 * PAGES, TLBTAG_LEVEL_2M };
	const struct tlbtag_leaf outside = { 3 * PAGES, TLBTAG_LEVEL_2M };
	struct tlbtag_convert op;

	tlbtag_convert_begin(&op, PAGES, 3 * PAGES);
	CHECK(!tlbtag_convert_takes(&op, &inside));
	CHECK_EQ(tlbtag_convert_swept(&op, 0, 3 * PAGES), TLBTAG_CONVERT_LOCK);
	tlbtag_convert_next(&op, 0);
	CHECK_EQ(tlbtag_convert_found(&op, &first), TLBTAG_CONVERT_ZAP);
	CHECK(tlbtag_convert_takes(&op, &inside));
	CHECK(!tlbtag_convert_takes(&op, &outside));
	CHECK(!tlbtag_convert_takes(&op, &first));
	CHECK_EQ(tlbtag_convert_swept(&op, 0, PAGES + 1), TLBTAG_CONVERT_FIND);
	CHECK_EQ(op.from, PAGES + 1);
	CHECK_EQ(tlbtag_convert_found(&op, &inside), TLBTAG_CONVERT_ZAP);
	CHECK_EQ(tlbtag_convert_swept(&op, 0, 3 * PAGES + 1), TLBTAG_CONVERT_UNLOCK);
	CHECK_EQ(op.error, -EINVAL);
	CHECK_EQ(tlbtag_sim_warnings(), 2);
}

TEST(convert_knows_what_is_near)
{
	struct tlbtag_convert op;

	tlbtag_convert_begin(&op, PAGES + 5, 4 * PAGES);
	CHECK_EQ(tlbtag_convert_near(&op, PAGES - 1), TLBTAG_NEAR_AWAY);
	CHECK_EQ(tlbtag_convert_near(&op, PAGES + 4), TLBTAG_NEAR_EDGE);
	CHECK_EQ(tlbtag_convert_near(&op, PAGES + 5), TLBTAG_NEAR_INSIDE);
	CHECK_EQ(tlbtag_convert_near(&op, 4 * PAGES - 1), TLBTAG_NEAR_INSIDE);
	CHECK_EQ(tlbtag_convert_near(&op, 4 * PAGES), TLBTAG_NEAR_AWAY);
}

/* 12 TiB of 2 MiB leaves, removed from the bottom; only splits are counted. */
TEST(convert_12_tib_with_two_splits)
{
	uint64_t begin = PAGES / 2;
	uint64_t end = (UINT64_C(12) << 28) - PAGES / 2;
	uint64_t finds = 0;
	uint32_t splits = 0;
	struct tlbtag_convert op;
	enum tlbtag_convert_step step = tlbtag_convert_begin(&op, begin, end);

	while (step != TLBTAG_CONVERT_DONE) {
		struct tlbtag_leaf leaf = { op.from - op.from % PAGES, TLBTAG_LEVEL_2M };

		splits += step == TLBTAG_CONVERT_SPLIT;
		if (step != TLBTAG_CONVERT_FIND) {
			step = tlbtag_convert_next(&op, 0);
			continue;
		}
		finds++;
		/* Where the ends were split there are small pages. */
		if (splits == 2 && (leaf.gfn == 0 || leaf.gfn == end - end % PAGES))
			leaf = (struct tlbtag_leaf){ op.from, TLBTAG_LEVEL_4K };
		step = tlbtag_convert_found(&op, &leaf);
	}
	CHECK_EQ(op.error, 0);
	CHECK_EQ(op.splits, 2);
	CHECK_EQ(splits, 2);
	/* Two ends, 512 small pages, and the large ones between. */
	CHECK_EQ(finds, 2 + PAGES + (UINT64_C(12) << 19) - 2);
}
