/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * large: how large a mapping may be. The contract is in the header.
 */
#include <tlbtag/large.h>
#include <tlbtag/rules.h>
#include <tlbtag/sept.h>

#define PAGES TLBTAG_REGION_PAGES

/* The first 2 MiB page that the slot touches, and how many it does. */
static uint64_t first_page(const struct tlbtag_large *large)
{
	return large->begin / PAGES;
}

static bool is_inside(const struct tlbtag_large *large, uint64_t gfn)
{
	return gfn >= large->begin && gfn < large->end;
}

uint64_t tlbtag_large_words(uint64_t begin, uint64_t end)
{
	return begin < end ? ((end - 1) / PAGES - begin / PAGES) / 64 + 1 : 0;
}
TLBTAG_EXPORT(tlbtag_large_words);

int tlbtag_large_init(struct tlbtag_large *large, uint64_t begin, uint64_t end,
		      uint64_t features, uint64_t *words)
{
	if (begin >= end || !words)
		return -EINVAL;
	*large = (struct tlbtag_large){ .words = words, .begin = begin, .end = end,
					.may_split = tlbtag_sept_may_split(features) };
	return 0;
}
TLBTAG_EXPORT(tlbtag_large_init);

/* G1: bits are only ever set. @page counts from the slot's first. */
static void set_bit(struct tlbtag_large *large, uint64_t page)
{
	tlbtag_fetch_or_seq(&large->words[page / 64], UINT64_C(1) << page % 64);
}

void tlbtag_large_inhibit(struct tlbtag_large *large, uint64_t begin, uint64_t end)
{
	if (begin < large->begin)
		begin = large->begin;
	if (end > large->end)
		end = large->end;
	if (begin >= end)
		return;
	for (uint64_t page = begin / PAGES; page <= (end - 1) / PAGES; page++)
		set_bit(large, page - first_page(large));
}
TLBTAG_EXPORT(tlbtag_large_inhibit);

bool tlbtag_large_is_inhibited(const struct tlbtag_large *large, uint64_t gfn)
{
	uint64_t page = gfn / PAGES - first_page(large);

	if (!is_inside(large, gfn))
		return true;
	return tlbtag_load_relaxed(&large->words[page / 64]) >> page % 64 & 1;
}
TLBTAG_EXPORT(tlbtag_large_is_inhibited);

/* Are all 512 pages around this one in the slot? */
static bool is_whole(const struct tlbtag_large *large, uint64_t gfn)
{
	uint64_t first = gfn - gfn % PAGES;

	return first >= large->begin && large->end - first >= PAGES;
}

/* Does the guest want it small, by this ACCEPT or by an earlier one? */
static bool is_chosen_small(const struct tlbtag_large *large,
			    const struct tlbtag_large_fault *fault)
{
	return fault->accept == TLBTAG_LEVEL_4K || tlbtag_large_is_inhibited(large, fault->gfn);
}

/* G2: each of these alone is reason enough. */
enum tlbtag_level tlbtag_large_level(const struct tlbtag_large *large,
				     const struct tlbtag_large_fault *fault)
{
	if (!large->may_split || !is_inside(large, fault->gfn))
		return TLBTAG_LEVEL_4K;
	if (fault->backing < TLBTAG_LEVEL_2M && TLBTAG_RULE(LARGE_BACKING))
		return TLBTAG_LEVEL_4K;
	if (!is_whole(large, fault->gfn) && TLBTAG_RULE(LARGE_SLOT))
		return TLBTAG_LEVEL_4K;
	if (is_chosen_small(large, fault) && TLBTAG_RULE(LARGE_CHOSEN))
		return TLBTAG_LEVEL_4K;
	if (fault->is_building && TLBTAG_RULE(LARGE_BUILD))
		return TLBTAG_LEVEL_4K;
	if (fault->has_table && TLBTAG_RULE(LARGE_TABLE))
		return TLBTAG_LEVEL_4K;
	if (fault->is_edge && TLBTAG_RULE(LARGE_EDGE))
		return TLBTAG_LEVEL_4K;
	return TLBTAG_LEVEL_2M;
}
TLBTAG_EXPORT(tlbtag_large_level);

/* A violation at a level that the host does not exceed is an ordinary fault. */
static bool is_small_accept(const struct tlbtag_large *large,
			    const struct tlbtag_large_fault *fault)
{
	return fault->accept == TLBTAG_LEVEL_4K && is_inside(large, fault->gfn);
}

bool tlbtag_large_accept_is_new(const struct tlbtag_large *large,
				const struct tlbtag_large_fault *fault, bool is_large)
{
	if (!is_small_accept(large, fault))
		return false;
	if (!tlbtag_large_is_inhibited(large, fault->gfn))
		return true;
	/* G3: inhibited is not yet split. */
	return is_large && TLBTAG_RULE(ACCEPT_AGAIN);
}
TLBTAG_EXPORT(tlbtag_large_accept_is_new);

enum tlbtag_large_step tlbtag_large_accept(struct tlbtag_large *large,
					   const struct tlbtag_large_fault *fault, bool is_large)
{
	if (!is_small_accept(large, fault))
		return TLBTAG_LARGE_FAULT;
	if (TLBTAG_RULE(ACCEPT_INHIBIT))
		set_bit(large, fault->gfn / PAGES - first_page(large));
	return is_large ? TLBTAG_LARGE_SPLIT : TLBTAG_LARGE_FAULT;
}
TLBTAG_EXPORT(tlbtag_large_accept);
