/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * pamt: the uses of each 2 MiB region. The contract is in the header.
 *
 * A region's word is a counter and a lock in one. Every change of it is a
 * single compare-exchange, so the word's successive values tell everything:
 *
 *	0        no uses, no pair
 *	1..512   so many uses, and a pair
 *	BUSY     no uses; one CPU adds or removes the pair
 *	STUCK+n  n uses, and a pair whose last removal failed
 *
 *	0 -> BUSY -> 1 or 0		a first use, or a failed PAMT.ADD
 *	1 -> BUSY -> 0 or STUCK		a last use, or a failed PAMT.REMOVE
 *	STUCK+1 -> BUSY			the same again
 *	0 -> 512			a split
 *
 * Why nobody has a use without a pair. A use comes from 0 by way of BUSY, which
 * only the CPU leaves that saw PAMT.ADD succeed, or from a word above zero, and
 * from there the way to no pair is by BUSY as well, which is entered from one
 * use, the caller's own. Who counts up sees the word that end stored, by a
 * compare-exchange that is a full barrier: so what the module did before is
 * visible to it. The same holds for the last put and everybody's put before.
 */
#include <tlbtag/pamt.h>
#include <tlbtag/rules.h>

#define USES TLBTAG_PAMT_USES
#define FULL TLBTAG_PAMT_FULL
#define STUCK TLBTAG_PAMT_STUCK
#define BUSY TLBTAG_PAMT_BUSY

_Static_assert(FULL == TLBTAG_REGION_PAGES, "a full region is one bit");
_Static_assert((FULL & USES) == FULL && (USES & (STUCK | BUSY)) == 0, "the bits of a word");

static bool is_inside(const struct tlbtag_pamt *pamt, uint64_t pfn)
{
	return pfn / TLBTAG_REGION_PAGES - pamt->first_region < pamt->region_count;
}

static uint16_t *word_of(const struct tlbtag_pamt *pamt, uint64_t pfn)
{
	return pamt->words + (pfn / TLBTAG_REGION_PAGES - pamt->first_region);
}

static uint16_t word_load(const struct tlbtag_pamt *pamt, uint64_t pfn)
{
	return is_inside(pamt, pfn) ? tlbtag_load_relaxed(word_of(pamt, pfn)) : 0;
}

int tlbtag_pamt_init(struct tlbtag_pamt *pamt, uint64_t first_pfn, uint64_t region_count,
		     uint16_t *words)
{
	uint64_t first_region = first_pfn / TLBTAG_REGION_PAGES;

	if (first_pfn % TLBTAG_REGION_PAGES != 0 || region_count == 0 || !words ||
	    region_count > UINT64_MAX / TLBTAG_REGION_PAGES - first_region)
		return -EINVAL;
	*pamt = (struct tlbtag_pamt){ .words = words, .first_region = first_region,
				      .region_count = region_count };
	return 0;
}
TLBTAG_EXPORT(tlbtag_pamt_init);

/* The answer where there is no word: right on a host without Dynamic PAMT. */
static enum tlbtag_pamt_step step_outside(const struct tlbtag_pamt *pamt)
{
	if (tlbtag_warn_once(tlbtag_pamt_is_dynamic(pamt), "pamt: a page outside the counters"))
		return TLBTAG_PAMT_REFUSED;
	return TLBTAG_PAMT_DONE;
}

/* D2: 0 becomes BUSY, and only get_end makes it 1. */
static uint16_t word_after_get(uint16_t word, bool is_first)
{
	return is_first ? BUSY : (uint16_t)(word + 1);
}

/*
 * D1: one more use for one caller, by one compare-exchange.
 * D4: a full word is not counted up.
 */
enum tlbtag_pamt_step tlbtag_pamt_get(struct tlbtag_pamt *pamt, uint64_t pfn)
{
	uint16_t *place;
	uint16_t word;
	uint16_t seen;

	if (!is_inside(pamt, pfn))
		return step_outside(pamt);
	place = word_of(pamt, pfn);
	/* Each turn but the last is another CPU's progress. */
	for (word = tlbtag_load_relaxed(place);; word = seen) {
		bool is_first = word == 0 || !TLBTAG_RULE(PAMT_RECHECK);

		if (word & BUSY)
			return TLBTAG_PAMT_WAIT;
		if (tlbtag_warn_once(word & FULL, "D4: a region has more uses than pages"))
			return TLBTAG_PAMT_REFUSED;
		seen = tlbtag_compare_exchange_seq(place, word, word_after_get(word, is_first));
		if (seen == word)
			return is_first ? TLBTAG_PAMT_ADD : TLBTAG_PAMT_DONE;
	}
}
TLBTAG_EXPORT(tlbtag_pamt_get);

/* D3: BUSY has one owner, who alone ends it. */
static int busy_end(struct tlbtag_pamt *pamt, uint64_t pfn, uint16_t word)
{
	uint16_t seen;

	if (!is_inside(pamt, pfn))
		return step_outside(pamt) == TLBTAG_PAMT_DONE ? 0 : -EINVAL;
	seen = tlbtag_compare_exchange_seq(word_of(pamt, pfn), BUSY, word);
	if (tlbtag_warn_once(seen != BUSY, "D3: nobody was at the module about this region"))
		return -EINVAL;
	return 0;
}

int tlbtag_pamt_get_end(struct tlbtag_pamt *pamt, uint64_t pfn, bool added)
{
	return busy_end(pamt, pfn, added || !TLBTAG_RULE(PAMT_ADDED));
}
TLBTAG_EXPORT(tlbtag_pamt_get_end);

/* What the word becomes when one of its uses ends. */
static uint16_t word_after_put(uint16_t word)
{
	if ((word & USES) > 1)
		return (uint16_t)(word - 1);
	return TLBTAG_RULE(PAMT_CLOSED) ? BUSY : word;
}

enum tlbtag_pamt_step tlbtag_pamt_put(struct tlbtag_pamt *pamt, uint64_t pfn)
{
	uint16_t *place;
	uint16_t word;
	uint16_t seen;

	if (!is_inside(pamt, pfn))
		return step_outside(pamt);
	place = word_of(pamt, pfn);
	/* Each turn but the last is another CPU's progress. */
	for (word = tlbtag_load_relaxed(place);; word = seen) {
		if (tlbtag_warn_once((word & USES) == 0, "D1: a put without a use"))
			return TLBTAG_PAMT_REFUSED;
		seen = tlbtag_compare_exchange_seq(place, word, word_after_put(word));
		if (seen != word)
			continue;
		if ((word & USES) == 1 || !TLBTAG_RULE(PAMT_LAST))
			return TLBTAG_PAMT_REMOVE;
		return TLBTAG_PAMT_DONE;
	}
}
TLBTAG_EXPORT(tlbtag_pamt_put);

int tlbtag_pamt_put_end(struct tlbtag_pamt *pamt, uint64_t pfn, bool removed)
{
	/* D2: the module kept the pair, so the word stays above zero. */
	return busy_end(pamt, pfn, removed || !TLBTAG_RULE(PAMT_STUCK) ? 0 : STUCK);
}
TLBTAG_EXPORT(tlbtag_pamt_put_end);

int tlbtag_pamt_split(struct tlbtag_pamt *pamt, uint64_t pfn)
{
	uint16_t seen;

	if (tlbtag_warn_once(pfn % TLBTAG_REGION_PAGES != 0, "pamt: split inside a region"))
		return -EINVAL;
	if (!is_inside(pamt, pfn))
		return step_outside(pamt) == TLBTAG_PAMT_DONE ? 0 : -EINVAL;
	seen = tlbtag_exchange_seq(word_of(pamt, pfn), TLBTAG_RULE(PAMT_SPLIT) ? FULL : 1);
	if (tlbtag_warn_once(seen != 0, "D1: a 2 MiB mapping had 4 KiB uses"))
		return -EBUSY;
	return 0;
}
TLBTAG_EXPORT(tlbtag_pamt_split);

uint32_t tlbtag_pamt_uses(const struct tlbtag_pamt *pamt, uint64_t pfn)
{
	return word_load(pamt, pfn) & USES;
}
TLBTAG_EXPORT(tlbtag_pamt_uses);

bool tlbtag_pamt_is_installed(const struct tlbtag_pamt *pamt, uint64_t pfn)
{
	uint16_t word = word_load(pamt, pfn);

	return word != 0 && word != BUSY;
}
TLBTAG_EXPORT(tlbtag_pamt_is_installed);
