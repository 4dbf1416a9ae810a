/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * supply: the pages for splits. The contract is in the header.
 */
#include <tlbtag/rules.h>
#include <tlbtag/supply.h>

#define KIT_SEPT 1u

_Static_assert(TLBTAG_RESERVE_SPLITS_MAX >= 2, "the head and the tail of a range");

int tlbtag_supply_min(bool is_dynamic, enum tlbtag_level level)
{
	if (tlbtag_warn_once(level != TLBTAG_LEVEL_2M, "supply: only 2 MiB mappings are split"))
		return -EINVAL;
	return is_dynamic ? (int)TLBTAG_KIT_PAMT : 0;
}
TLBTAG_EXPORT(tlbtag_supply_min);

/* Both pairs: whether the new S-EPT page's region has one is not known before. */
static uint32_t kit_pamt(bool is_dynamic)
{
	if (!is_dynamic)
		return 0;
	return TLBTAG_RULE(KIT_WHOLE) ? TLBTAG_KIT_PAMT : TLBTAG_PAIR_PAGES;
}

void tlbtag_supply_init(struct tlbtag_supply *supply, enum tlbtag_supply_design design,
			bool is_dynamic)
{
	*supply = (struct tlbtag_supply){ .design = design, .is_dynamic = is_dynamic };
	supply->sept.min = design == TLBTAG_SUPPLY_RESERVE ? KIT_SEPT : 0;
	supply->pamt.min = is_dynamic ? TLBTAG_KIT_PAMT : 0;
}
TLBTAG_EXPORT(tlbtag_supply_init);

static bool is_cache(const struct tlbtag_supply *supply)
{
	return !tlbtag_warn_once(supply->design != TLBTAG_SUPPLY_CACHE, "supply: not a cache");
}

bool tlbtag_supply_need_topup(const struct tlbtag_supply *supply)
{
	return supply->design == TLBTAG_SUPPLY_CACHE && tlbtag_pages_is_short(&supply->pamt);
}
TLBTAG_EXPORT(tlbtag_supply_need_topup);

bool tlbtag_supply_add(struct tlbtag_supply *supply, tlbtag_page_t page)
{
	return is_cache(supply) && tlbtag_pages_add(&supply->pamt, page);
}
TLBTAG_EXPORT(tlbtag_supply_add);

int tlbtag_supply_take(struct tlbtag_supply *supply, struct tlbtag_kit *kit)
{
	uint32_t count = kit_pamt(supply->is_dynamic);

	if (!is_cache(supply))
		return -EINVAL;
	if (!tlbtag_pages_take(&supply->pamt, kit->pamt, count))
		return -EAGAIN;
	kit->pamt_count = count;
	return 0;
}
TLBTAG_EXPORT(tlbtag_supply_take);

/* Moves what fits; the kit keeps the rest. */
static void give_pamt(struct tlbtag_pages *pages, struct tlbtag_kit *kit)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < kit->pamt_count; i++)
		if (!tlbtag_pages_give(pages, kit->pamt[i]))
			kit->pamt[kept++] = kit->pamt[i];
	kit->pamt_count = kept;
}

void tlbtag_supply_give(struct tlbtag_supply *supply, struct tlbtag_kit *kit)
{
	if (is_cache(supply))
		give_pamt(&supply->pamt, kit);
}
TLBTAG_EXPORT(tlbtag_supply_give);

static tlbtag_page_t drain_both(struct tlbtag_pages *sept, struct tlbtag_pages *pamt)
{
	tlbtag_page_t page = tlbtag_pages_drain(sept);

	return page != TLBTAG_PAGE_NONE ? page : tlbtag_pages_drain(pamt);
}

tlbtag_page_t tlbtag_supply_drain(struct tlbtag_supply *supply)
{
	return drain_both(&supply->sept, &supply->pamt);
}
TLBTAG_EXPORT(tlbtag_supply_drain);

tlbtag_page_t tlbtag_kit_drain(struct tlbtag_kit *kit)
{
	tlbtag_page_t page = kit->sept;

	if (page == TLBTAG_PAGE_NONE)
		return kit->pamt_count ? kit->pamt[--kit->pamt_count] : TLBTAG_PAGE_NONE;
	kit->sept = TLBTAG_PAGE_NONE;
	return page;
}
TLBTAG_EXPORT(tlbtag_kit_drain);

/*
 * Up to `min` pages change the stack: for the former a page leaves and for the
 * latter one comes from outside, which keeps the sums of each right.
 */
static void move_up_to_min(struct tlbtag_pages *from, struct tlbtag_pages *to)
{
	while (from->count && tlbtag_pages_is_short(to))
		tlbtag_pages_add(to, tlbtag_pages_drain(from));
}

/* S4: whole kits, although a split of one whose neighbours are split needs less. */
int tlbtag_reserve_begin(struct tlbtag_supply *supply, struct tlbtag_reserve *reserve,
			 uint32_t splits)
{
	*reserve = (struct tlbtag_reserve){ 0 };
	if (splits == 0 || splits > TLBTAG_RESERVE_SPLITS_MAX ||
	    tlbtag_warn_once(supply->design != TLBTAG_SUPPLY_RESERVE, "supply: not by reservation"))
		return -EINVAL;
	reserve->sept.min = splits * KIT_SEPT;
	if (supply->is_dynamic)
		reserve->pamt.min = splits * TLBTAG_KIT_PAMT;
	if (!TLBTAG_RULE(RESERVE_WORST))
		reserve->pamt.min /= 2;
	move_up_to_min(&supply->sept, &reserve->sept);
	move_up_to_min(&supply->pamt, &reserve->pamt);
	return 0;
}
TLBTAG_EXPORT(tlbtag_reserve_begin);

enum tlbtag_page_kind tlbtag_reserve_wants(const struct tlbtag_reserve *reserve)
{
	if (tlbtag_pages_is_short(&reserve->sept))
		return TLBTAG_KIND_SEPT;
	if (tlbtag_pages_is_short(&reserve->pamt))
		return TLBTAG_KIND_PAMT;
	return TLBTAG_KIND_NONE;
}
TLBTAG_EXPORT(tlbtag_reserve_wants);

/* S5: each kind has its own stack, and no function moves a page between them. */
bool tlbtag_reserve_add(struct tlbtag_reserve *reserve, enum tlbtag_page_kind kind,
			tlbtag_page_t page)
{
	if (tlbtag_warn_once(kind != TLBTAG_KIND_SEPT && kind != TLBTAG_KIND_PAMT,
			     "supply: a page of no kind"))
		return false;
	return tlbtag_pages_add(kind == TLBTAG_KIND_SEPT ? &reserve->sept : &reserve->pamt, page);
}
TLBTAG_EXPORT(tlbtag_reserve_add);

/* How many PAMT pages belong to each S-EPT page of this reservation. */
static uint32_t reserve_kit_pamt(const struct tlbtag_reserve *reserve)
{
	return kit_pamt(reserve->pamt.min != 0);
}

int tlbtag_reserve_take(struct tlbtag_reserve *reserve, struct tlbtag_kit *kit)
{
	uint32_t count = reserve_kit_pamt(reserve);

	if (tlbtag_warn_once(reserve->sept.count == 0 || reserve->pamt.count < count,
			     "S4: more splits than were reserved"))
		return -ENOSPC;
	tlbtag_pages_take(&reserve->sept, &kit->sept, KIT_SEPT);
	tlbtag_pages_take(&reserve->pamt, kit->pamt, count);
	kit->pamt_count = count;
	return 0;
}
TLBTAG_EXPORT(tlbtag_reserve_take);

/* What was taken from the reservation fits into it. */
void tlbtag_reserve_give(struct tlbtag_reserve *reserve, struct tlbtag_kit *kit)
{
	tlbtag_pages_give(&reserve->sept, kit->sept);
	kit->sept = TLBTAG_PAGE_NONE;
	give_pamt(&reserve->pamt, kit);
}
TLBTAG_EXPORT(tlbtag_reserve_give);

void tlbtag_reserve_end(struct tlbtag_supply *supply, struct tlbtag_reserve *reserve)
{
	move_up_to_min(&reserve->sept, &supply->sept);
	move_up_to_min(&reserve->pamt, &supply->pamt);
}
TLBTAG_EXPORT(tlbtag_reserve_end);

tlbtag_page_t tlbtag_reserve_drain(struct tlbtag_reserve *reserve)
{
	return drain_both(&reserve->sept, &reserve->pamt);
}
TLBTAG_EXPORT(tlbtag_reserve_drain);
