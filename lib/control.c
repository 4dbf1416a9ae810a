/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * control: pages of the TDX module's own state. The contract is in the header.
 *
 * The two pages of a pair are allocated before the region is asked for, because
 * from the answer ADD on nobody may sleep. Whatever is not used is freed on the
 * way to DONE, one page a step.
 */
#include <tlbtag/control.h>

static enum tlbtag_control_step go(struct tlbtag_control *op, enum tlbtag_control_step step)
{
	op->step = step;
	return step;
}

/* K1: on the way out the pair goes, and after a failure the page as well. */
static enum tlbtag_control_step finish(struct tlbtag_control *op)
{
	op->spare = TLBTAG_PAGE_NONE;
	if (op->pair_count) {
		op->spare = op->pair[--op->pair_count];
	} else if (op->error) {
		op->spare = op->page;
		op->page = TLBTAG_PAGE_NONE;
	}
	return go(op, op->spare != TLBTAG_PAGE_NONE ? TLBTAG_CONTROL_FREE : TLBTAG_CONTROL_DONE);
}

static enum tlbtag_control_step fail(struct tlbtag_control *op, int error)
{
	op->error = error;
	return finish(op);
}

static enum tlbtag_control_step get_use(struct tlbtag_control *op)
{
	switch (tlbtag_pamt_get(op->pamt, op->pfn)) {
	case TLBTAG_PAMT_DONE:
		return finish(op);
	case TLBTAG_PAMT_ADD:
		return go(op, TLBTAG_CONTROL_PAMT_ADD);
	case TLBTAG_PAMT_WAIT:
		return go(op, TLBTAG_CONTROL_WAIT);
	case TLBTAG_PAMT_REMOVE:
	case TLBTAG_PAMT_REFUSED:
		break;
	}
	return fail(op, -EIO);
}

static enum tlbtag_control_step pamt_added(struct tlbtag_control *op, bool added)
{
	tlbtag_pamt_get_end(op->pamt, op->pfn, added);
	if (!added)
		return fail(op, -EIO);
	op->pair_count = 0;
	return finish(op);
}

/* K2: the use has ended; now the page goes. */
static enum tlbtag_control_step free_page(struct tlbtag_control *op)
{
	op->spare = op->page;
	op->page = TLBTAG_PAGE_NONE;
	return go(op, TLBTAG_CONTROL_FREE);
}

static enum tlbtag_control_step pamt_removed(struct tlbtag_control *op, bool removed)
{
	tlbtag_pamt_put_end(op->pamt, op->pfn, removed);
	return free_page(op);
}

enum tlbtag_control_step tlbtag_control_alloc(struct tlbtag_control *op, struct tlbtag_pamt *pamt)
{
	*op = (struct tlbtag_control){ .pamt = pamt };
	return go(op, TLBTAG_CONTROL_ALLOC);
}
TLBTAG_EXPORT(tlbtag_control_alloc);

enum tlbtag_control_step tlbtag_control_page(struct tlbtag_control *op, tlbtag_page_t page,
					     uint64_t pfn)
{
	if (tlbtag_warn_once(op->step != TLBTAG_CONTROL_ALLOC, "control: no page was wanted"))
		return op->step;
	if (page == TLBTAG_PAGE_NONE)
		return fail(op, -ENOMEM);
	if (op->page == TLBTAG_PAGE_NONE) {
		op->page = page;
		op->pfn = pfn;
		if (tlbtag_pamt_try_get(op->pamt, pfn))
			return finish(op);
		return go(op, TLBTAG_CONTROL_ALLOC);
	}
	op->pair[op->pair_count++] = page;
	return op->pair_count < TLBTAG_PAIR_PAGES ? go(op, TLBTAG_CONTROL_ALLOC) : get_use(op);
}
TLBTAG_EXPORT(tlbtag_control_page);

enum tlbtag_control_step tlbtag_control_next(struct tlbtag_control *op, bool ok)
{
	switch (op->step) {
	case TLBTAG_CONTROL_WAIT:
		return get_use(op);
	case TLBTAG_CONTROL_PAMT_ADD:
		return pamt_added(op, ok);
	case TLBTAG_CONTROL_PAMT_REMOVE:
		return pamt_removed(op, ok);
	case TLBTAG_CONTROL_ALLOC:
		return tlbtag_control_page(op, TLBTAG_PAGE_NONE, 0);
	case TLBTAG_CONTROL_FREE:
	case TLBTAG_CONTROL_DONE:
		break;
	}
	return finish(op);
}
TLBTAG_EXPORT(tlbtag_control_next);

enum tlbtag_control_step tlbtag_control_free(struct tlbtag_control *op, struct tlbtag_pamt *pamt,
					     tlbtag_page_t page, uint64_t pfn)
{
	*op = (struct tlbtag_control){ .pamt = pamt, .page = page, .pfn = pfn };
	if (page == TLBTAG_PAGE_NONE)
		return go(op, TLBTAG_CONTROL_DONE);
	switch (tlbtag_pamt_put(pamt, pfn)) {
	case TLBTAG_PAMT_DONE:
		return free_page(op);
	case TLBTAG_PAMT_REMOVE:
		return go(op, TLBTAG_CONTROL_PAMT_REMOVE);
	case TLBTAG_PAMT_ADD:
	case TLBTAG_PAMT_WAIT:
	case TLBTAG_PAMT_REFUSED:
		break;
	}
	/* A page without a use was freed before, or never was a control page. */
	op->error = -EIO;
	return go(op, TLBTAG_CONTROL_DONE);
}
TLBTAG_EXPORT(tlbtag_control_free);
