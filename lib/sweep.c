/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * sweep: block all, track once, remove all. The contract is in the header.
 *
 * `blocked` counts up first, then `removed` follows it. Wherever that ends, what
 * is between the two is blocked for nothing, and is unblocked from its upper end.
 */
#include <tlbtag/rules.h>
#include <tlbtag/sweep.h>

static enum tlbtag_sept_step go(struct tlbtag_sweep *op, enum tlbtag_sept_step step)
{
	op->step = step;
	return step;
}

static enum tlbtag_sept_step go_at(struct tlbtag_sweep *op, enum tlbtag_sept_step step, uint32_t at)
{
	op->at = at;
	return go(op, step);
}

/* W1: only what was not removed is unblocked. */
static enum tlbtag_sept_step finish(struct tlbtag_sweep *op)
{
	if (op->blocked > op->removed && !op->is_dead && TLBTAG_RULE(SPLIT_UNBLOCK))
		return go_at(op, TLBTAG_SEPT_UNBLOCK, op->blocked - 1);
	if (op->is_stopped) {
		op->is_stopped = false;
		return go(op, TLBTAG_SEPT_START_VCPUS);
	}
	return go(op, TLBTAG_SEPT_DONE);
}

static enum tlbtag_sept_step remove_next(struct tlbtag_sweep *op)
{
	if (op->removed == op->count)
		return finish(op);
	return go_at(op, TLBTAG_SEPT_REMOVE, op->removed);
}

static enum tlbtag_sept_step blocked(struct tlbtag_sweep *op)
{
	op->blocked++;
	if (op->blocked < op->count)
		return go_at(op, TLBTAG_SEPT_BLOCK, op->blocked);
	return TLBTAG_RULE(SEPT_TRACK) ? go(op, TLBTAG_SEPT_TRACK) : remove_next(op);
}

/* The mirror has followed; now the use ends. */
static enum tlbtag_sept_step published(struct tlbtag_sweep *op)
{
	const struct tlbtag_sept_where *leaf = &op->leaf[op->at];
	bool is_use = leaf->level == TLBTAG_LEVEL_4K || !TLBTAG_RULE(ZAP_PUT);

	op->removed++;
	if (is_use && tlbtag_pamt_put(op->pamt, leaf->guest_pfn) == TLBTAG_PAMT_REMOVE)
		return go(op, TLBTAG_SEPT_PAMT_REMOVE);
	return remove_next(op);
}

static enum tlbtag_sept_step pamt_removed(struct tlbtag_sweep *op, bool was_removed)
{
	tlbtag_pamt_put_end(op->pamt, op->leaf[op->at].guest_pfn, was_removed);
	return remove_next(op);
}

static enum tlbtag_sept_step unblocked(struct tlbtag_sweep *op)
{
	op->blocked--;
	return finish(op);
}

static enum tlbtag_sept_step stopped(struct tlbtag_sweep *op)
{
	op->is_stopped = true;
	return go(op, op->again);
}

/* As in sept.c: vCPUs stay out until the end, so there is no third time. */
static enum tlbtag_sept_step retry_or_fail(struct tlbtag_sweep *op, enum tlbtag_sept_status status)
{
	if (status == TLBTAG_SEPT_BUSY && !op->is_stopped && TLBTAG_RULE(SEPT_RETRY)) {
		op->again = op->step;
		return go(op, TLBTAG_SEPT_STOP_VCPUS);
	}
	op->is_dead |= op->step == TLBTAG_SEPT_UNBLOCK;
	op->error = -EIO;
	return finish(op);
}

static enum tlbtag_sept_step succeeded(struct tlbtag_sweep *op)
{
	switch (op->step) {
	case TLBTAG_SEPT_BLOCK:
		return blocked(op);
	case TLBTAG_SEPT_TRACK:
		return go(op, TLBTAG_SEPT_KICK);
	case TLBTAG_SEPT_KICK:
		return remove_next(op);
	case TLBTAG_SEPT_REMOVE:
		return go(op, TLBTAG_SEPT_WRITE_BACK);
	case TLBTAG_SEPT_WRITE_BACK:
		return go(op, TLBTAG_SEPT_PUBLISH);
	case TLBTAG_SEPT_PUBLISH:
		return published(op);
	case TLBTAG_SEPT_UNBLOCK:
		return unblocked(op);
	case TLBTAG_SEPT_STOP_VCPUS:
		return stopped(op);
	case TLBTAG_SEPT_START_VCPUS:
	case TLBTAG_SEPT_DONE:
	case TLBTAG_SEPT_WAIT:
	case TLBTAG_SEPT_PAMT_ADD:
	case TLBTAG_SEPT_PAMT_REMOVE:
	case TLBTAG_SEPT_DEMOTE:
		break;
	}
	return finish(op);
}

static bool can_fail(enum tlbtag_sept_step step)
{
	return step == TLBTAG_SEPT_BLOCK || step == TLBTAG_SEPT_TRACK ||
	       step == TLBTAG_SEPT_REMOVE || step == TLBTAG_SEPT_UNBLOCK;
}

enum tlbtag_sept_step tlbtag_sweep_next(struct tlbtag_sweep *op, enum tlbtag_sept_status status)
{
	if (op->step == TLBTAG_SEPT_PAMT_REMOVE)
		return pamt_removed(op, status == TLBTAG_SEPT_OK);
	if (status != TLBTAG_SEPT_OK && can_fail(op->step))
		return retry_or_fail(op, status);
	return succeeded(op);
}
TLBTAG_EXPORT(tlbtag_sweep_next);

static bool is_odd(const struct tlbtag_sept_where *leaf)
{
	return leaf->level != TLBTAG_LEVEL_4K && leaf->level != TLBTAG_LEVEL_2M;
}

enum tlbtag_sept_step tlbtag_sweep_begin(struct tlbtag_sweep *op, struct tlbtag_pamt *pamt,
					 const struct tlbtag_sept_where *leaf, uint32_t count)
{
	*op = (struct tlbtag_sweep){ .pamt = pamt, .leaf = leaf, .count = count };
	for (uint32_t i = 0; i < count; i++)
		if (tlbtag_warn_once(is_odd(&leaf[i]), "sweep: a level that cannot be zapped"))
			op->error = -EINVAL;
	return count && !op->error ? go(op, TLBTAG_SEPT_BLOCK) : go(op, TLBTAG_SEPT_DONE);
}
TLBTAG_EXPORT(tlbtag_sweep_begin);
