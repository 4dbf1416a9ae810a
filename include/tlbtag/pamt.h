/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * pamt: when the TDX module needs metadata pages, and when it can give them back.
 *
 * The TDX module keeps metadata (PAMT) about each physical page. With Dynamic
 * PAMT the part about 4 KiB pages is supplied on demand, two pages for each
 * region of 2 MiB: the region's pair. Each 4 KiB page that the module uses (a
 * control page, a page of S-EPT, guest memory mapped by a 4 KiB leaf) is one use
 * of its region, and a region has a pair as long as it has uses. Memory that is
 * mapped by 2 MiB leaves is no use. The counters belong to the host, not to a
 * VM: control pages of several VMs may share a region.
 *
 * This decides and never acts, so a first or last use takes two calls, with the
 * SEAMCALL in between:
 *
 *	if (tlbtag_pamt_try_get(pamt, pfn))
 *		return 0;
 *	...take two pages for a pair, or fail...
 *	while ((step = tlbtag_pamt_get(pamt, pfn)) == TLBTAG_PAMT_WAIT)
 *		relax();
 *	if (step != TLBTAG_PAMT_ADD)
 *		...another CPU was faster: the two pages go back where they came from...
 *	else
 *		tlbtag_pamt_get_end(pamt, pfn, tdh_phymem_pamt_add(pfn, pages) == 0);
 *
 * No lock is needed. From the answer ADD or REMOVE to the call of get_end or
 * put_end the region is the caller's: nobody else is at the module about it
 * (which would answer BUSY), and nobody gets a use of it. Others are told to
 * wait, so the caller does not sleep in between, and has preemption off from
 * before the call that may answer ADD or REMOVE; and if anybody calls from an
 * interrupt or softirq, everybody has interrupts or softirqs off as well, since
 * there the wait would never end (SPEC H.1, the report about puts from RCU
 * callbacks). Whoever prefers a lock around the two calls, one for all or one
 * for some regions, is never told to wait.
 *
 * Invariants:
 *   D1  a region's counter is the number of its live 4 KiB uses.
 *   D2  the pair is installed if and only if the region's word is above zero.
 *   D3  while a CPU is at the module about a region, no other is, and nobody gets
 *       a use of it.
 *   D4  a region has at most 512 uses.
 */
#ifndef TLBTAG_PAMT_H
#define TLBTAG_PAMT_H

#include <tlbtag/types.h>

TLBTAG_BEGIN_DECLS

/* The pages of a region, and of a pair. */
#define TLBTAG_REGION_PAGES 512u
#define TLBTAG_PAIR_PAGES 2u

/*
 * A region's word: its uses; a bit for a pair that could not be removed; or
 * nothing but the bit that says that a CPU is at the module. The highest number
 * of uses is a bit of its own.
 */
#define TLBTAG_PAMT_USES 0x03ffu
#define TLBTAG_PAMT_FULL 0x0200u
#define TLBTAG_PAMT_STUCK 0x4000u
#define TLBTAG_PAMT_BUSY 0x8000u

/**
 * enum tlbtag_pamt_step - what a get or put wants next
 * @TLBTAG_PAMT_DONE: nothing: the use is counted, or not counted any more
 * @TLBTAG_PAMT_ADD: TDH.PHYMEM.PAMT.ADD of the region's pair, then
 *	tlbtag_pamt_get_end(), whatever came of it
 * @TLBTAG_PAMT_REMOVE: TDH.PHYMEM.PAMT.REMOVE, then tlbtag_pamt_put_end()
 * @TLBTAG_PAMT_WAIT: another CPU is at the module about this region; relax, and
 *	call again
 * @TLBTAG_PAMT_REFUSED: the caller is wrong (and was warned about); nothing
 *	has changed
 */
enum tlbtag_pamt_step {
	TLBTAG_PAMT_DONE = 0,
	TLBTAG_PAMT_ADD = 1,
	TLBTAG_PAMT_REMOVE = 2,
	TLBTAG_PAMT_WAIT = 3,
	TLBTAG_PAMT_REFUSED = 4,
};

/**
 * struct tlbtag_pamt - the counters of the host; private to lib/
 *
 * Zeroed storage is a host without Dynamic PAMT: every get and put is done at
 * once.
 */
struct tlbtag_pamt {
	/* By region; any CPU changes a word, by compare-exchange. */
	uint16_t *words;
	uint64_t first_region;
	uint64_t region_count;
};

/**
 * tlbtag_pamt_init() - make the counters of a host that has Dynamic PAMT
 * @pamt: zeroed storage
 * @first_pfn: the first page of memory that the module may use, on a boundary
 *	of 2 MiB
 * @region_count: how many regions of 2 MiB follow, at least 1
 * @words: one zero for each region. Only the words of regions that calls name
 *	are ever touched, so this may be a sparsely populated virtual array.
 *
 * Context: any; nobody else uses @pamt yet.
 * Return: 0; -EINVAL if @first_pfn is not on a boundary, @region_count is 0 or
 * leaves 64 bits, or @words is NULL. On error nothing has changed.
 * Source: SPEC H.1.
 */
int tlbtag_pamt_init(struct tlbtag_pamt *pamt, uint64_t first_pfn, uint64_t region_count,
		     uint16_t *words);

/**
 * tlbtag_pamt_is_dynamic() - do 4 KiB uses need a pair on this host?
 * @pamt: may be zeroed
 *
 * Context: any.
 * Return: true after tlbtag_pamt_init().
 */
static inline bool tlbtag_pamt_is_dynamic(const struct tlbtag_pamt *pamt)
{
	return pamt->words != NULL;
}

/**
 * tlbtag_pamt_try_get() - count one more use of a region that has some
 * @pamt: may be zeroed
 * @pfn: the page that the module is about to use
 *
 * One atomic operation, and no lock.
 *
 * Context: any.
 * Return: true if the use is counted, or there is no Dynamic PAMT; false if it
 * takes tlbtag_pamt_get(): it is the first use, or something is wrong.
 * Source: SPEC H.1.
 */
static inline bool tlbtag_pamt_try_get(struct tlbtag_pamt *pamt, uint64_t pfn)
{
	uint64_t region = pfn / TLBTAG_REGION_PAGES - pamt->first_region;
	uint16_t word;
	uint16_t seen;

	if (tlbtag_unlikely(region >= pamt->region_count))
		return !tlbtag_pamt_is_dynamic(pamt);
	/* D3, D4: neither a busy region nor a full one, nor one without a pair. */
	for (word = tlbtag_load_relaxed(&pamt->words[region]);
	     word != 0 && !(word & (TLBTAG_PAMT_BUSY | TLBTAG_PAMT_FULL)); word = seen) {
		seen = tlbtag_compare_exchange_seq(&pamt->words[region], word,
						   (uint16_t)(word + 1));
		if (tlbtag_likely(seen == word))
			return true;
	}
	return false;
}

/**
 * tlbtag_pamt_get() - count a use, if need be after PAMT.ADD
 * @pamt: may be zeroed
 * @pfn: the page that the module is about to use
 *
 * The two pages of a pair are at hand by now, because between the answer ADD
 * and tlbtag_pamt_get_end() nobody may sleep. Any answer but ADD leaves them
 * unused.
 *
 * Context: any, as the head of this file says.
 * Return: DONE; ADD; WAIT; REFUSED (and a warning) if @pfn is outside the
 * counters, or its region has 512 uses already.
 * Source: SPEC H.1.
 */
enum tlbtag_pamt_step tlbtag_pamt_get(struct tlbtag_pamt *pamt, uint64_t pfn);

/**
 * tlbtag_pamt_get_end() - what came of the PAMT.ADD
 * @pamt: initialised
 * @pfn: as for tlbtag_pamt_get(), which answered ADD
 * @added: true: the use is counted; false: the module refused, there is no use,
 *	and the two pages are still the caller's
 *
 * Context: the CPU that got the answer ADD.
 * Return: 0; -EINVAL (and a warning) if nobody is at the module about this
 * region, then nothing has changed.
 */
int tlbtag_pamt_get_end(struct tlbtag_pamt *pamt, uint64_t pfn, bool added);

/**
 * tlbtag_pamt_put() - a use has ended
 * @pamt: may be zeroed
 * @pfn: the page that the module does not use any more
 *
 * Context: any, as the head of this file says. One atomic operation unless it
 * was the last use.
 * Return: DONE; REMOVE; REFUSED (and a warning) if the region has no use, or
 * @pfn is outside the counters. Never WAIT: while the caller has a use, nobody is
 * at the module about its region.
 * Source: SPEC H.1.
 */
enum tlbtag_pamt_step tlbtag_pamt_put(struct tlbtag_pamt *pamt, uint64_t pfn);

/**
 * tlbtag_pamt_put_end() - what came of the PAMT.REMOVE
 * @pamt: initialised
 * @pfn: as for tlbtag_pamt_put(), which answered REMOVE
 * @removed: true: the module named the two pages, and they are the caller's,
 *	to be cleaned for the platform's erratum and freed; false: it refused,
 *	and the pair stays. The next use needs no PAMT.ADD, and when uses end
 *	again the removal is tried again.
 *
 * A pair that stays is never freed by the caller, who does not know its
 * addresses; it is the embedder that warns, knowing the module's error.
 *
 * Context: the CPU that got the answer REMOVE.
 * Return: 0; -EINVAL (and a warning) if nobody is at the module about this
 * region, then nothing has changed.
 */
int tlbtag_pamt_put_end(struct tlbtag_pamt *pamt, uint64_t pfn, bool removed);

/**
 * tlbtag_pamt_split() - a 2 MiB mapping became 512 of 4 KiB
 * @pamt: may be zeroed
 * @pfn: the first page of the region
 *
 * TDH.MEM.PAGE.DEMOTE installed the pair, so no get precedes; 512 calls of
 * tlbtag_pamt_put() follow one day. Only after DEMOTE succeeded.
 *
 * Context: any; the caller owns the mapping, so the region has no other user.
 * Return: 0; -EINVAL (and a warning) if @pfn is not on a boundary of 2 MiB or
 * outside the counters; -EBUSY (and a warning) if the region was in use: the
 * module says otherwise, so 512 uses are counted all the same.
 * Source: SPEC H.4 5.
 */
int tlbtag_pamt_split(struct tlbtag_pamt *pamt, uint64_t pfn);

/**
 * tlbtag_pamt_uses() - how many uses a region has
 * @pamt: may be zeroed
 * @pfn: any page of the region
 *
 * Context: any; out of date at once if others get and put.
 * Return: 0 .. 512; 0 outside the counters.
 */
uint32_t tlbtag_pamt_uses(const struct tlbtag_pamt *pamt, uint64_t pfn);

/**
 * tlbtag_pamt_is_installed() - does the region have a pair?
 * @pamt: may be zeroed
 * @pfn: any page of the region
 *
 * Context: any; out of date at once if others get and put.
 * Return: true if it has; false if not, or a CPU is at the module about it.
 */
bool tlbtag_pamt_is_installed(const struct tlbtag_pamt *pamt, uint64_t pfn);

TLBTAG_END_DECLS

#endif
