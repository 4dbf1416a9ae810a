/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The TDX module: the secure page table of a TD, and what of it vCPUs may still
 * have cached.
 *
 * A translation may be cached by every vCPU that was in the guest while it could
 * be used. It goes when that vCPU enters the guest in another epoch than before, and
 * nothing else removes it. BLOCK notes who may have it and the epoch. TRACK begins a
 * new epoch, if nobody is left in the one before the current. So what was
 * blocked in epoch e is gone for certain in epoch e + 1 when nobody is left in e, and
 * in all later ones.
 */
#include "tdx_inside.h"

#include <stdlib.h>
#include <string.h>

/* Is this an address of this TD, at a level of which there are entries? */
static bool is_where(const struct tdx *tdx, struct tdx_where where)
{
	uint64_t slot = where.gfn / TDX_REGION_PAGES;

	if (where.td >= tdx->config.tds || slot >= tdx->config.slots)
		return false;
	if (where.level == TDX_1G)
		return where.gfn % TDX_REGION_PAGES == 0 &&
		       slot % tdx->config.slots_per_table == 0;
	return where.level == TDX_4K ||
	       (where.level == TDX_2M && where.gfn % TDX_REGION_PAGES == 0);
}

/* The entry itself; NULL where no table leads to it. */
static struct tdx_slot *slot_at(const struct tdx *tdx, struct tdx_where where)
{
	const struct tdx_td *td = &tdx->td[where.td];
	uint64_t slot = where.gfn / TDX_REGION_PAGES;
	struct tdx_slot *upper = &td->upper[slot / tdx->config.slots_per_table];
	struct tdx_slot *middle = &td->middle[slot];

	if (where.level == TDX_1G)
		return upper;
	if (upper->kind != TDX_ENTRY_TABLE)
		return NULL;
	if (where.level == TDX_2M)
		return middle;
	if (middle->kind != TDX_ENTRY_TABLE)
		return NULL;
	return &td->leaf[slot][where.gfn % TDX_REGION_PAGES];
}

static enum tdx_status find_slot(struct tdx *tdx, struct tdx_where where, struct tdx_slot **slot)
{
	*slot = slot_at(tdx, where);
	return *slot ? TDX_SUCCESS : TDX_EPT_WALK_FAILED;
}

/* Operands, then locks, then the TD's state, then the walk. */
static enum tdx_status begin(struct tdx *tdx, enum tdx_call call, struct tdx_where where,
			     struct tdx_slot **slot)
{
	enum tdx_status status;

	if (!is_where(tdx, where))
		return tdx_invalid(tdx, call);
	status = tdx_gate(tdx, call, where.td);
	if (status != TDX_SUCCESS)
		return status;
	if (tdx->td[where.td].state != TDX_TD_BUILD && tdx->td[where.td].state != TDX_TD_RUNNABLE)
		return TDX_LIFECYCLE_STATE_INCORRECT;
	return find_slot(tdx, where, slot);
}

/* --- who may have a translation cached ------------------------------------- */

static uint8_t find_holders(const struct tdx *tdx, const struct tdx_td *td,
			    const struct tdx_slot *slot)
{
	uint8_t holders = 0;

	if (slot->is_pending)
		return 0;
	for (uint32_t i = 0; i < tdx->config.vcpus; i++)
		if (td->vcpu[i].is_in_guest || td->vcpu[i].left_at > slot->made_at)
			holders |= (uint8_t)(1u << i);
	return holders;
}

static bool has_kept(const struct tdx_td *td, const struct tdx_slot *slot, uint32_t vcpu)
{
	return (slot->holders >> vcpu & 1) && td->vcpu[vcpu].flushed_at < slot->blocked_at;
}

/* Out of the guest it matters only if its next entry flushes nothing. */
static bool may_still_use(const struct tdx_td *td, const struct tdx_slot *slot, uint32_t vcpu)
{
	return has_kept(td, slot, vcpu) &&
	       (td->vcpu[vcpu].is_in_guest ||
		(td->vcpu[vcpu].is_associated && td->vcpu[vcpu].epoch == td->epoch));
}

static bool is_tracked(const struct tdx_td *td, const struct tdx_slot *slot)
{
	uint32_t passed = td->epoch - slot->epoch;

	return passed > 1 || (passed == 1 && td->running[slot->epoch & 1] == 0);
}

/* A blocked leaf is about to change; a trusting module believes that it was tracked. */
static enum tdx_status check_tracking(struct tdx *tdx, const struct tdx_td *td,
				      const struct tdx_slot *slot)
{
	if (!slot->is_blocked || slot->kind != TDX_ENTRY_LEAF)
		return TDX_EPT_ENTRY_STATE_INCORRECT;
	if (is_tracked(td, slot) || tdx->config.trusting)
		return TDX_SUCCESS;
	return TDX_TLB_TRACKING_NOT_DONE;
}

static void look_for_stale(struct tdx *tdx, const struct tdx_td *td, const struct tdx_slot *slot)
{
	for (uint32_t vcpu = 0; vcpu < tdx->config.vcpus; vcpu++)
		if (may_still_use(td, slot, vcpu))
			tdx_do_harm(tdx, TDX_HARM_STALE, slot->page, vcpu);
}

/* --- tables and pages in --------------------------------------------------- */

static void link_leaves(struct tdx *tdx, struct tdx_where where)
{
	struct tdx_slot **leaf = &tdx->td[where.td].leaf[where.gfn / TDX_REGION_PAGES];

	if (!*leaf)
		*leaf = calloc(TDX_REGION_PAGES, sizeof(**leaf));
	else
		memset(*leaf, 0, TDX_REGION_PAGES * sizeof(**leaf));
	if (!*leaf)
		abort();
}

enum tdx_status tdx_mem_sept_add(struct tdx *tdx, struct tdx_where where, uint32_t page)
{
	enum tdx_status status;
	struct tdx_slot *slot;

	if (where.level == TDX_4K || !tdx_has_page(tdx, page))
		return tdx_invalid(tdx, TDX_CALL_SEPT_ADD);
	status = begin(tdx, TDX_CALL_SEPT_ADD, where, &slot);
	if (status != TDX_SUCCESS)
		return status;
	if (slot->kind != TDX_ENTRY_FREE)
		return TDX_EPT_ENTRY_STATE_INCORRECT;
	status = tdx_page_check(tdx, page, TDX_USE_SEPT);
	if (status != TDX_SUCCESS)
		return status;
	tdx_page_take(tdx, page, TDX_USE_SEPT, where.td);
	if (where.level == TDX_2M)
		link_leaves(tdx, where);
	*slot = (struct tdx_slot){ .kind = TDX_ENTRY_TABLE, .page = page };
	return TDX_SUCCESS;
}

static enum tdx_status take_leaf(struct tdx *tdx, struct tdx_where where, uint32_t page)
{
	enum tdx_status status;

	if (where.level == TDX_2M) {
		status = page % TDX_REGION_PAGES == 0 ? tdx_region_check(tdx, page) :
							TDX_OPERAND_INVALID;
		if (status == TDX_SUCCESS)
			tdx_region_take(tdx, page, where.td);
		return status;
	}
	status = tdx_page_check(tdx, page, TDX_USE_GUEST);
	if (status == TDX_SUCCESS)
		tdx_page_take(tdx, page, TDX_USE_GUEST, where.td);
	return status;
}

static enum tdx_status map(struct tdx *tdx, enum tdx_call call, struct tdx_where where,
			   uint32_t page)
{
	bool is_aug = call == TDX_CALL_PAGE_AUG;
	enum tdx_status status;
	struct tdx_slot *slot;

	if (where.level == TDX_1G || !tdx_has_page(tdx, page))
		return tdx_invalid(tdx, call);
	status = begin(tdx, call, where, &slot);
	if (status != TDX_SUCCESS)
		return status;
	if (tdx->td[where.td].state != (is_aug ? TDX_TD_RUNNABLE : TDX_TD_BUILD))
		return TDX_LIFECYCLE_STATE_INCORRECT;
	if (slot->kind != TDX_ENTRY_FREE)
		return TDX_EPT_ENTRY_STATE_INCORRECT;
	status = take_leaf(tdx, where, page);
	if (status == TDX_SUCCESS)
		*slot = (struct tdx_slot){ .kind = TDX_ENTRY_LEAF, .page = page,
					   .is_pending = is_aug, .made_at = tdx->clock };
	return status;
}

enum tdx_status tdx_mem_page_add(struct tdx *tdx, struct tdx_where where, uint32_t page)
{
	if (where.level != TDX_4K)
		return tdx_invalid(tdx, TDX_CALL_PAGE_ADD);
	return map(tdx, TDX_CALL_PAGE_ADD, where, page);
}

enum tdx_status tdx_mem_page_aug(struct tdx *tdx, struct tdx_where where, uint32_t page)
{
	return map(tdx, TDX_CALL_PAGE_AUG, where, page);
}

/* --- blocked, tracked, out ------------------------------------------------- */

enum tdx_status tdx_mem_range_block(struct tdx *tdx, struct tdx_where where)
{
	struct tdx_slot *slot;
	enum tdx_status status = begin(tdx, TDX_CALL_RANGE_BLOCK, where, &slot);

	if (status != TDX_SUCCESS)
		return status;
	if (slot->kind != TDX_ENTRY_LEAF || slot->is_blocked)
		return TDX_EPT_ENTRY_STATE_INCORRECT;
	slot->is_blocked = true;
	slot->epoch = tdx->td[where.td].epoch;
	slot->blocked_at = tdx->clock;
	slot->holders = find_holders(tdx, &tdx->td[where.td], slot);
	return TDX_SUCCESS;
}

enum tdx_status tdx_mem_range_unblock(struct tdx *tdx, struct tdx_where where)
{
	struct tdx_slot *slot;
	enum tdx_status status = begin(tdx, TDX_CALL_RANGE_UNBLOCK, where, &slot);

	if (status != TDX_SUCCESS)
		return status;
	if (slot->kind != TDX_ENTRY_LEAF || !slot->is_blocked)
		return TDX_EPT_ENTRY_STATE_INCORRECT;
	slot->is_blocked = false;
	slot->holders = 0;
	return TDX_SUCCESS;
}

enum tdx_status tdx_mem_track(struct tdx *tdx, uint32_t td)
{
	struct tdx_td *it = tdx_td_at(tdx, td);
	enum tdx_status status;

	if (!it)
		return tdx_invalid(tdx, TDX_CALL_MEM_TRACK);
	status = tdx_gate(tdx, TDX_CALL_MEM_TRACK, td);
	if (status != TDX_SUCCESS)
		return status;
	if (it->state != TDX_TD_RUNNABLE)
		return TDX_LIFECYCLE_STATE_INCORRECT;
	if (it->running[(it->epoch - 1) & 1])
		return TDX_PREVIOUS_TLB_EPOCH_BUSY;
	it->epoch++;
	return TDX_SUCCESS;
}

static enum tdx_status check_demote(struct tdx *tdx, const struct tdx_slot *slot, uint32_t table,
				    const uint32_t *pair)
{
	enum tdx_status status = tdx_page_check(tdx, table, TDX_USE_SEPT);

	if (status != TDX_SUCCESS)
		return status;
	if (pair && (pair[0] == table || pair[1] == table))
		return TDX_OPERAND_INVALID;
	return tdx_region_split_check(tdx, slot->page, pair);
}

static void demote(struct tdx *tdx, struct tdx_where where, struct tdx_slot *slot, uint32_t table)
{
	struct tdx_slot *leaf;

	link_leaves(tdx, where);
	leaf = tdx->td[where.td].leaf[where.gfn / TDX_REGION_PAGES];
	for (uint32_t i = 0; i < TDX_REGION_PAGES; i++)
		leaf[i] = (struct tdx_slot){ .kind = TDX_ENTRY_LEAF, .page = slot->page + i,
					     .is_pending = slot->is_pending,
					     .made_at = tdx->clock };
	*slot = (struct tdx_slot){ .kind = TDX_ENTRY_TABLE, .page = table };
}

enum tdx_status tdx_mem_page_demote(struct tdx *tdx, struct tdx_where where, uint32_t table,
				    const uint32_t *pair)
{
	struct tdx_td *td = tdx_td_at(tdx, where.td);
	enum tdx_status status;
	struct tdx_slot *slot;

	if (!td || where.level != TDX_2M || !tdx_has_page(tdx, table))
		return tdx_invalid(tdx, TDX_CALL_PAGE_DEMOTE);
	status = begin(tdx, TDX_CALL_PAGE_DEMOTE, where, &slot);
	if (status == TDX_SUCCESS)
		status = check_tracking(tdx, td, slot);
	if (status == TDX_SUCCESS)
		status = check_demote(tdx, slot, table, pair);
	if (status != TDX_SUCCESS)
		return status;
	look_for_stale(tdx, td, slot);
	tdx_page_take(tdx, table, TDX_USE_SEPT, where.td);
	tdx_region_split(tdx, slot->page, where.td, pair);
	demote(tdx, where, slot, table);
	return TDX_SUCCESS;
}

enum tdx_status tdx_mem_page_promote(struct tdx *tdx, struct tdx_where where)
{
	if (!is_where(tdx, where))
		return tdx_invalid(tdx, TDX_CALL_PAGE_PROMOTE);
	tdx->calls[TDX_CALL_PAGE_PROMOTE]++;
	return TDX_NOT_SUPPORTED;
}

enum tdx_status tdx_mem_page_remove(struct tdx *tdx, struct tdx_where where)
{
	struct tdx_td *td = tdx_td_at(tdx, where.td);
	enum tdx_status status;
	struct tdx_slot *slot;

	if (!td || where.level == TDX_1G)
		return tdx_invalid(tdx, TDX_CALL_PAGE_REMOVE);
	status = begin(tdx, TDX_CALL_PAGE_REMOVE, where, &slot);
	if (status == TDX_SUCCESS)
		status = check_tracking(tdx, td, slot);
	if (status != TDX_SUCCESS)
		return status;
	look_for_stale(tdx, td, slot);
	if (where.level == TDX_2M)
		tdx_region_release(tdx, slot->page);
	else
		tdx_page_release(tdx, slot->page);
	*slot = (struct tdx_slot){ .kind = TDX_ENTRY_FREE };
	return TDX_SUCCESS;
}

/* --- the guest ------------------------------------------------------------- */

static enum tdx_status violate(struct tdx *tdx, uint32_t td, uint32_t vcpu)
{
	tdx_vp_exit(tdx, td, vcpu);
	return TDX_EPT_VIOLATION;
}

static struct tdx_where at_level(struct tdx_where where, enum tdx_level level)
{
	where.level = level;
	if (level == TDX_2M)
		where.gfn -= where.gfn % TDX_REGION_PAGES;
	return where;
}

/* The entry at the end of a walk; NULL if it ends before a leaf. */
static struct tdx_slot *walk(const struct tdx *tdx, struct tdx_where where, bool *is_large)
{
	struct tdx_slot *slot = slot_at(tdx, at_level(where, TDX_2M));

	*is_large = slot && slot->kind == TDX_ENTRY_LEAF;
	if (*is_large)
		return slot;
	slot = slot_at(tdx, at_level(where, TDX_4K));
	return slot && slot->kind == TDX_ENTRY_LEAF ? slot : NULL;
}

enum tdx_status tdx_guest_accept(struct tdx *tdx, uint32_t vcpu, struct tdx_where where)
{
	struct tdx_slot *slot;
	bool is_large;

	if (!is_where(tdx, where) || where.level == TDX_1G)
		return TDX_OPERAND_INVALID;
	if (!tdx_vcpu_is_in_guest(tdx, where.td, vcpu))
		return TDX_VCPU_STATE_INCORRECT;
	slot = slot_at(tdx, where);
	if (slot && slot->kind == TDX_ENTRY_TABLE)
		return TDX_PAGE_SIZE_MISMATCH;
	slot = walk(tdx, where, &is_large);
	if (!slot || slot->is_blocked || (is_large && where.level == TDX_4K))
		return violate(tdx, where.td, vcpu);
	if (!slot->is_pending)
		return TDX_PAGE_ALREADY_ACCEPTED;
	slot->is_pending = false;
	slot->made_at = ++tdx->clock;
	return TDX_SUCCESS;
}

enum tdx_status tdx_guest_access(struct tdx *tdx, uint32_t td, uint32_t vcpu, uint64_t gfn,
				 uint32_t *page)
{
	const struct tdx_where where = { td, TDX_4K, gfn };
	struct tdx_slot *slot;
	bool is_large;

	if (!is_where(tdx, where))
		return TDX_OPERAND_INVALID;
	if (!tdx_vcpu_is_in_guest(tdx, td, vcpu))
		return TDX_VCPU_STATE_INCORRECT;
	slot = walk(tdx, where, &is_large);
	if (!slot || slot->is_blocked || slot->is_pending)
		return violate(tdx, td, vcpu);
	*page = slot->page + (is_large ? (uint32_t)(gfn % TDX_REGION_PAGES) : 0);
	return TDX_SUCCESS;
}

bool tdx_guest_may_reach(const struct tdx *tdx, uint32_t td, uint32_t vcpu, uint64_t gfn,
			 uint32_t *page)
{
	const struct tdx_where where = { td, TDX_4K, gfn };
	const struct tdx_slot *slot;
	bool is_large;

	if (!is_where(tdx, where) || !tdx_vcpu_is_in_guest(tdx, td, vcpu))
		return false;
	slot = walk(tdx, where, &is_large);
	if (!slot || !slot->is_blocked || !has_kept(&tdx->td[td], slot, vcpu))
		return false;
	*page = slot->page + (is_large ? (uint32_t)(gfn % TDX_REGION_PAGES) : 0);
	return true;
}

/* --- for oracles ----------------------------------------------------------- */

struct tdx_entry tdx_entry(const struct tdx *tdx, struct tdx_where where)
{
	const struct tdx_slot *slot = is_where(tdx, where) ? slot_at(tdx, where) : NULL;

	if (!slot || slot->kind == TDX_ENTRY_FREE)
		return (struct tdx_entry){ .page = TDX_PAGE_NONE };
	return (struct tdx_entry){ (enum tdx_entry_kind)slot->kind, slot->is_blocked,
				   slot->is_pending, slot->page };
}
