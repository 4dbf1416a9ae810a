/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * convert: first the edges, then everything in between. The contract is in the
 * header.
 */
#include <tlbtag/convert.h>
#include <tlbtag/rules.h>

#define PAGES TLBTAG_REGION_PAGES

static enum tlbtag_convert_step go(struct tlbtag_convert *op, enum tlbtag_convert_step step)
{
	op->step = step;
	return step;
}

static enum tlbtag_convert_step end(struct tlbtag_convert *op, int error)
{
	op->error = error;
	return go(op, TLBTAG_CONVERT_UNLOCK);
}

static bool is_at_edge(const struct tlbtag_convert *op)
{
	return op->edges_done < op->splits;
}

/*
 * R1: the edges are those that tlbtag_sept_straddlers() named.
 * R2: the range itself comes after the last of them.
 */
static void aim(struct tlbtag_convert *op)
{
	op->from = is_at_edge(op) ? op->edge[op->edges_done] : op->begin;
	op->to = is_at_edge(op) ? op->from + PAGES : op->end;
}

static enum tlbtag_convert_step edge_done(struct tlbtag_convert *op)
{
	op->edges_done++;
	aim(op);
	return go(op, TLBTAG_CONVERT_FIND);
}

enum tlbtag_convert_step tlbtag_convert_begin(struct tlbtag_convert *op, uint64_t begin,
					      uint64_t end_gfn)
{
	*op = (struct tlbtag_convert){ .begin = begin, .end = end_gfn };
	if (begin >= end_gfn)
		return go(op, TLBTAG_CONVERT_DONE);
	if (TLBTAG_RULE(CONVERT_SPLIT))
		op->splits = tlbtag_sept_straddlers(begin, end_gfn, op->edge);
	aim(op);
	return go(op, op->splits ? TLBTAG_CONVERT_RESERVE : TLBTAG_CONVERT_LOCK);
}
TLBTAG_EXPORT(tlbtag_convert_begin);

/* 0: a leaf that the module does not have. */
static uint64_t leaf_pages(const struct tlbtag_leaf *leaf)
{
	if (leaf->level == TLBTAG_LEVEL_4K)
		return 1;
	return leaf->level == TLBTAG_LEVEL_2M && leaf->gfn % PAGES == 0 ? PAGES : 0;
}

/* Is it a leaf, and does it map anything of what was asked for? */
static bool is_answer(const struct tlbtag_convert *op, const struct tlbtag_leaf *leaf)
{
	uint64_t pages = leaf_pages(leaf);

	return pages && leaf->gfn < op->to && leaf->gfn + pages > op->from;
}

/* R3: a leaf that sticks out has somebody else's contents. */
static bool is_within(const struct tlbtag_convert *op, const struct tlbtag_leaf *leaf)
{
	uint64_t pages = leaf_pages(leaf);

	return pages && leaf->gfn >= op->begin && leaf->gfn + pages <= op->end;
}

static enum tlbtag_convert_step found_at_edge(struct tlbtag_convert *op)
{
	return op->leaf.level == TLBTAG_LEVEL_2M ? go(op, TLBTAG_CONVERT_SPLIT) : edge_done(op);
}

static enum tlbtag_convert_step found_in_range(struct tlbtag_convert *op)
{
	if (tlbtag_warn_once(!is_within(op, &op->leaf) && TLBTAG_RULE(CONVERT_EXACT),
			     "R3: a large leaf sticks out of the range"))
		return end(op, -EINVAL);
	return go(op, TLBTAG_CONVERT_ZAP);
}

/* R4: the range ends without error only where nothing more was found. */
enum tlbtag_convert_step tlbtag_convert_found(struct tlbtag_convert *op,
					      const struct tlbtag_leaf *leaf)
{
	if (tlbtag_warn_once(op->step != TLBTAG_CONVERT_FIND, "convert: no leaf was wanted"))
		return op->step;
	if (!leaf)
		return is_at_edge(op) ? edge_done(op) : end(op, 0);
	if (tlbtag_warn_once(!is_answer(op, leaf), "convert: not a leaf that was asked for"))
		return end(op, -EINVAL);
	op->leaf = *leaf;
	return is_at_edge(op) ? found_at_edge(op) : found_in_range(op);
}
TLBTAG_EXPORT(tlbtag_convert_found);

/* R2: a failed split ends it all. Without pages the edges are looked at anew. */
static enum tlbtag_convert_step split_done(struct tlbtag_convert *op, int error)
{
	op->is_again = error == -EAGAIN;
	if (op->is_again)
		return go(op, TLBTAG_CONVERT_UNLOCK);
	if (error && TLBTAG_RULE(CONVERT_FIRST))
		return end(op, error);
	return edge_done(op);
}

bool tlbtag_convert_takes(const struct tlbtag_convert *op, const struct tlbtag_leaf *leaf)
{
	return op->step == TLBTAG_CONVERT_ZAP && leaf->gfn > op->leaf.gfn && is_within(op, leaf);
}
TLBTAG_EXPORT(tlbtag_convert_takes);

/* R4: op.from goes past what was removed, and no further. */
enum tlbtag_convert_step tlbtag_convert_swept(struct tlbtag_convert *op, int error, uint64_t from)
{
	if (tlbtag_warn_once(op->step != TLBTAG_CONVERT_ZAP || from < op->from || from > op->to,
			     "convert: not what was to be removed"))
		return op->step == TLBTAG_CONVERT_ZAP ? end(op, -EINVAL) : op->step;
	op->from = from;
	return error || from == op->to ? end(op, error) : go(op, TLBTAG_CONVERT_FIND);
}
TLBTAG_EXPORT(tlbtag_convert_swept);

/* One leaf. */
static enum tlbtag_convert_step zap_done(struct tlbtag_convert *op, int error)
{
	uint64_t after = op->leaf.gfn + leaf_pages(&op->leaf);

	if (error)
		return end(op, error);
	op->from = after;
	return after < op->to ? go(op, TLBTAG_CONVERT_FIND) : end(op, 0);
}

static enum tlbtag_convert_step unlocked(struct tlbtag_convert *op)
{
	if (!op->is_again)
		return go(op, TLBTAG_CONVERT_DONE);
	op->is_again = false;
	op->edges_done = 0;
	aim(op);
	return go(op, TLBTAG_CONVERT_RESERVE);
}

enum tlbtag_convert_step tlbtag_convert_next(struct tlbtag_convert *op, int error)
{
	switch (op->step) {
	case TLBTAG_CONVERT_RESERVE:
		op->error = error;
		return go(op, error ? TLBTAG_CONVERT_DONE : TLBTAG_CONVERT_LOCK);
	case TLBTAG_CONVERT_LOCK:
		return go(op, TLBTAG_CONVERT_FIND);
	case TLBTAG_CONVERT_SPLIT:
		return split_done(op, error);
	case TLBTAG_CONVERT_ZAP:
		return zap_done(op, error);
	case TLBTAG_CONVERT_UNLOCK:
		return unlocked(op);
	case TLBTAG_CONVERT_FIND:
		return tlbtag_convert_found(op, NULL);
	case TLBTAG_CONVERT_DONE:
		break;
	}
	return op->step;
}
TLBTAG_EXPORT(tlbtag_convert_next);

enum tlbtag_near tlbtag_convert_near(const struct tlbtag_convert *op, uint64_t gfn)
{
	uint64_t page = gfn - gfn % PAGES;

	if (gfn >= op->begin && gfn < op->end)
		return TLBTAG_NEAR_INSIDE;
	for (uint32_t i = 0; i < op->splits; i++)
		if (page == op->edge[i])
			return TLBTAG_NEAR_EDGE;
	return TLBTAG_NEAR_AWAY;
}
TLBTAG_EXPORT(tlbtag_convert_near);
