/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * sept: a split, one SEAMCALL after the other. The contract is in the header.
 *
 * Each function below names the step that is next. Forwards it goes by what the
 * latest step was; backwards, or to the end, by what is still to be undone, in
 * the order of finish(): the range, the use, the vCPUs.
 */
#include <tlbtag/rules.h>
#include <tlbtag/sept.h>

/* TDX_FEATURES0. */
#define ENHANCED_DEMOTE_INTERRUPTIBILITY (UINT64_C(1) << 51)

bool tlbtag_sept_may_split(uint64_t features)
{
	return features & ENHANCED_DEMOTE_INTERRUPTIBILITY;
}
TLBTAG_EXPORT(tlbtag_sept_may_split);

static enum tlbtag_sept_step go(struct tlbtag_sept_op *op, enum tlbtag_sept_step step)
{
	op->step = step;
	return step;
}

/*
 * B2: what is blocked for nothing is unblocked, unless that has failed.
 * B3: the last thing of all.
 */
static enum tlbtag_sept_step finish(struct tlbtag_sept_op *op)
{
	if (op->is_blocked && !op->is_dead && TLBTAG_RULE(SPLIT_UNBLOCK))
		return go(op, TLBTAG_SEPT_UNBLOCK);
	if (op->has_use && !op->is_changed && TLBTAG_RULE(SPLIT_PUT)) {
		op->has_use = false;
		if (tlbtag_pamt_put(op->pamt, op->where.sept_pfn) == TLBTAG_PAMT_REMOVE)
			return go(op, TLBTAG_SEPT_PAMT_REMOVE);
	}
	if (op->is_stopped) {
		op->is_stopped = false;
		return go(op, TLBTAG_SEPT_START_VCPUS);
	}
	return go(op, TLBTAG_SEPT_DONE);
}

static enum tlbtag_sept_step fail(struct tlbtag_sept_op *op)
{
	op->error = -EIO;
	return finish(op);
}

static enum tlbtag_sept_step die(struct tlbtag_sept_op *op)
{
	op->is_dead = true;
	return fail(op);
}

/* B5: vCPUs stay out until the end, so there is no third time. */
static enum tlbtag_sept_step retry_or_fail(struct tlbtag_sept_op *op,
					   enum tlbtag_sept_status status)
{
	if (status == TLBTAG_SEPT_BUSY && !op->is_stopped && TLBTAG_RULE(SEPT_RETRY)) {
		op->again = op->step;
		return go(op, TLBTAG_SEPT_STOP_VCPUS);
	}
	return op->step == TLBTAG_SEPT_UNBLOCK ? die(op) : fail(op);
}

static void kit_use_pair(struct tlbtag_kit *kit)
{
	kit->pamt_count -= TLBTAG_PAIR_PAGES;
}

/* The S-EPT page is about to be the module's: one 4 KiB use. */
static enum tlbtag_sept_step get_use(struct tlbtag_sept_op *op)
{
	switch (tlbtag_pamt_get(op->pamt, op->where.sept_pfn)) {
	case TLBTAG_PAMT_DONE:
		op->has_use = true;
		return go(op, TLBTAG_SEPT_BLOCK);
	case TLBTAG_PAMT_ADD:
		return go(op, TLBTAG_SEPT_PAMT_ADD);
	case TLBTAG_PAMT_WAIT:
		return go(op, TLBTAG_SEPT_WAIT);
	case TLBTAG_PAMT_REMOVE:
	case TLBTAG_PAMT_REFUSED:
		break;
	}
	return fail(op);
}

/* B4: the pair has left the kit only if the module took it. */
static enum tlbtag_sept_step pamt_added(struct tlbtag_sept_op *op, bool added)
{
	tlbtag_pamt_get_end(op->pamt, op->where.sept_pfn, added);
	if (!added)
		return fail(op);
	kit_use_pair(op->kit);
	op->has_use = true;
	return go(op, TLBTAG_SEPT_BLOCK);
}

static enum tlbtag_sept_step blocked(struct tlbtag_sept_op *op)
{
	op->is_blocked = true;
	return go(op, TLBTAG_RULE(SEPT_TRACK) ? TLBTAG_SEPT_TRACK : TLBTAG_SEPT_DEMOTE);
}

/* B1: no step that changes the mirror comes before this one but by SEPT_PUBLISH. */
static enum tlbtag_sept_step demoted(struct tlbtag_sept_op *op)
{
	op->is_changed = true;
	op->is_blocked = false;
	op->kit->sept = TLBTAG_PAGE_NONE;
	if (tlbtag_pamt_is_dynamic(op->pamt)) {
		kit_use_pair(op->kit);
		tlbtag_pamt_split(op->pamt, op->where.guest_pfn);
	}
	return op->is_published ? finish(op) : go(op, TLBTAG_SEPT_PUBLISH);
}

/*
 * B4: nobody knows how far the module got, so it may have any page of the kit:
 * they are lost, and so is the use.
 */
static enum tlbtag_sept_step demote_interrupted(struct tlbtag_sept_op *op)
{
	*op->kit = (struct tlbtag_kit){ 0 };
	op->has_use = false;
	return die(op);
}

static enum tlbtag_sept_step kicked(struct tlbtag_sept_op *op)
{
	return go(op, TLBTAG_RULE(SEPT_PUBLISH) ? TLBTAG_SEPT_DEMOTE : TLBTAG_SEPT_PUBLISH);
}

static enum tlbtag_sept_step published(struct tlbtag_sept_op *op)
{
	op->is_published = true;
	return op->is_changed ? finish(op) : go(op, TLBTAG_SEPT_DEMOTE);
}

static enum tlbtag_sept_step unblocked(struct tlbtag_sept_op *op)
{
	op->is_blocked = false;
	return finish(op);
}

static enum tlbtag_sept_step pamt_removed(struct tlbtag_sept_op *op, bool was_removed)
{
	tlbtag_pamt_put_end(op->pamt, op->where.sept_pfn, was_removed);
	return finish(op);
}

static enum tlbtag_sept_step stopped(struct tlbtag_sept_op *op)
{
	op->is_stopped = true;
	return go(op, op->again);
}

/* After a step that cannot fail, or succeeded. */
static enum tlbtag_sept_step succeeded(struct tlbtag_sept_op *op)
{
	switch (op->step) {
	case TLBTAG_SEPT_BLOCK:
		return blocked(op);
	case TLBTAG_SEPT_TRACK:
		return go(op, TLBTAG_SEPT_KICK);
	case TLBTAG_SEPT_KICK:
		return kicked(op);
	case TLBTAG_SEPT_DEMOTE:
		return demoted(op);
	case TLBTAG_SEPT_PUBLISH:
		return published(op);
	case TLBTAG_SEPT_UNBLOCK:
		return unblocked(op);
	case TLBTAG_SEPT_STOP_VCPUS:
		return stopped(op);
	case TLBTAG_SEPT_WAIT:
		return get_use(op);
	case TLBTAG_SEPT_START_VCPUS:
	case TLBTAG_SEPT_DONE:
	case TLBTAG_SEPT_PAMT_ADD:
	case TLBTAG_SEPT_PAMT_REMOVE:
	case TLBTAG_SEPT_REMOVE:
	case TLBTAG_SEPT_WRITE_BACK:
		break;
	}
	return finish(op);
}

static bool can_fail(enum tlbtag_sept_step step)
{
	return step == TLBTAG_SEPT_BLOCK || step == TLBTAG_SEPT_TRACK ||
	       step == TLBTAG_SEPT_DEMOTE || step == TLBTAG_SEPT_UNBLOCK;
}

enum tlbtag_sept_step tlbtag_sept_next(struct tlbtag_sept_op *op, enum tlbtag_sept_status status)
{
	if (op->step == TLBTAG_SEPT_PAMT_ADD)
		return pamt_added(op, status == TLBTAG_SEPT_OK);
	if (op->step == TLBTAG_SEPT_PAMT_REMOVE)
		return pamt_removed(op, status == TLBTAG_SEPT_OK);
	if (op->step == TLBTAG_SEPT_DEMOTE && status == TLBTAG_SEPT_INTERRUPTED)
		return demote_interrupted(op);
	if (status != TLBTAG_SEPT_OK && can_fail(op->step))
		return retry_or_fail(op, status);
	return succeeded(op);
}
TLBTAG_EXPORT(tlbtag_sept_next);

static bool is_kit_whole(const struct tlbtag_pamt *pamt, const struct tlbtag_kit *kit)
{
	uint32_t count = tlbtag_pamt_is_dynamic(pamt) ? TLBTAG_KIT_PAMT : 0;

	return kit->sept != TLBTAG_PAGE_NONE && kit->pamt_count >= count;
}

enum tlbtag_sept_step tlbtag_sept_split(struct tlbtag_sept_op *op, struct tlbtag_pamt *pamt,
					struct tlbtag_kit *kit,
					const struct tlbtag_sept_where *where)
{
	*op = (struct tlbtag_sept_op){ .pamt = pamt, .kit = kit, .where = *where };
	if (tlbtag_warn_once(where->level != TLBTAG_LEVEL_2M ||
			     where->guest_pfn % TLBTAG_REGION_PAGES != 0 ||
			     !is_kit_whole(pamt, kit), "sept: this cannot be split")) {
		op->error = -EINVAL;
		return go(op, TLBTAG_SEPT_DONE);
	}
	return get_use(op);
}
TLBTAG_EXPORT(tlbtag_sept_split);

uint32_t tlbtag_sept_straddlers(uint64_t begin, uint64_t end, uint64_t first[2])
{
	uint64_t head = begin - begin % TLBTAG_REGION_PAGES;
	uint64_t tail = end - end % TLBTAG_REGION_PAGES;
	uint32_t count = 0;

	if (begin >= end)
		return 0;
	if (head != begin)
		first[count++] = head;
	if (tail != end && !(count && tail == head && TLBTAG_RULE(STRADDLE_ONCE)))
		first[count++] = tail;
	return count;
}
TLBTAG_EXPORT(tlbtag_sept_straddlers);
