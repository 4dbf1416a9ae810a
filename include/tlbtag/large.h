/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * large: how large a mapping of private memory may be, and what the guest's own
 * choice of size asks for.
 *
 * A guest accepts each page of private memory before it uses it (TDG.MEM.PAGE.ACCEPT),
 * and says in which size. If the host has mapped less than that, the module tells
 * the guest, who tries smaller sizes. If the host has mapped more, the guest
 * leaves with an EPT violation that carries the size, again and again until the
 * mapping is of that size. So whoever sees such a violation inhibits: from then on
 * these 2 MiB are mapped by 4 KiB leaves, whatever happens to them, because a
 * guest that chose once will choose so again. Then the mapping is split if it is
 * large. The inhibit is recorded first, so that a split that fails leaves a page
 * that is large and inhibited; the violation comes again, and the split is tried
 * again. Who takes an inhibited page for one that was split lets the guest fault
 * for ever.
 *
 * The same object, one for each memory slot, answers at which level a fault may
 * map. The largest is 2 MiB. There are no mappings of 1 GiB: the module adds and
 * augments 4 KiB and 2 MiB at most, so 1 GiB could only come from promotion, and
 * promotion has its own price (everything blocked, and all of it accepted or
 * all pending) and is not done at all: where there is a table there are only
 * 4 KiB leaves until it is gone.
 *
 * Frame numbers of the guest (gfn) are without the bit that says shared.
 *
 * Invariants:
 *   G1  a page that was inhibited stays so as long as its slot lives.
 *   G2  the level that is answered is never above what the memory behind it, the
 *       slot, the guest and the module's state allow; in doubt it is 4 KiB.
 *   G3  an ACCEPT of 4 KiB that meets a large mapping is answered with SPLIT as
 *       often as it comes.
 */
#ifndef TLBTAG_LARGE_H
#define TLBTAG_LARGE_H

#include <tlbtag/supply.h>

TLBTAG_BEGIN_DECLS

/**
 * struct tlbtag_large - a memory slot's record of what may be large
 *
 * Zeroed storage is a slot in which nothing may. Read without a lock.
 */
struct tlbtag_large {
	/* A bit for each 2 MiB page that the slot touches; set, never cleared. */
	uint64_t *words;
	uint64_t begin;
	uint64_t end;
	bool may_split;
};

/**
 * struct tlbtag_large_fault - what a fault knows about the page that it maps
 * @gfn: the page
 * @backing: how large, contiguous and aligned the memory behind it is
 * @accept: the level of the guest's ACCEPT; TLBTAG_LEVEL_1G if the violation
 *	carries none
 * @is_building: the TD is not finalized: TDH.MEM.PAGE.ADD knows only 4 KiB
 * @has_table: the mirror has a table for these 2 MiB
 * @is_edge: a conversion ends inside these 2 MiB, see tlbtag_convert_near()
 */
struct tlbtag_large_fault {
	uint64_t gfn;
	enum tlbtag_level backing;
	enum tlbtag_level accept;
	bool is_building;
	bool has_table;
	bool is_edge;
};

/**
 * enum tlbtag_large_step - what a guest's ACCEPT asks for
 * @TLBTAG_LARGE_FAULT: an ordinary fault: map it at tlbtag_large_level(), or if
 *	it is mapped, enter the guest again
 * @TLBTAG_LARGE_SPLIT: split the 2 MiB mapping, then enter the guest again; if the
 *	split fails, enter as well, or tell the VM's owner: the fault comes again
 */
enum tlbtag_large_step {
	TLBTAG_LARGE_FAULT = 0,
	TLBTAG_LARGE_SPLIT = 1,
};

/**
 * tlbtag_large_words() - how many words tlbtag_large_init() needs
 * @begin: first guest page frame of the slot
 * @end: the one after its last
 *
 * Context: any.
 * Return: the number of words; 0 for an empty slot.
 */
uint64_t tlbtag_large_words(uint64_t begin, uint64_t end);

/**
 * tlbtag_large_init() - a new memory slot
 * @large: zeroed storage
 * @begin: first guest page frame of the slot
 * @end: the one after its last
 * @features: TDX_FEATURES0 of the module; if a split could be interrupted for
 *	ever, nothing is mapped large, see tlbtag_sept_may_split()
 * @words: so many zeros as tlbtag_large_words() says
 *
 * Context: any; nobody else uses @large yet.
 * Return: 0; -EINVAL if the slot is empty or @words is NULL, and nothing changed.
 * Source: SPEC H.4.
 */
int tlbtag_large_init(struct tlbtag_large *large, uint64_t begin, uint64_t end,
		      uint64_t features, uint64_t *words);

/**
 * tlbtag_large_inhibit() - map a range by 4 KiB leaves, from now on
 * @large: initialised
 * @begin: first guest page frame of the range
 * @end: the one after its last
 *
 * For whoever knows before the first mapping: the guest's firmware, its measured
 * image, what an earlier life of the guest did. Each 2 MiB page is inhibited that
 * the range touches; what is mapped large there stays so until its ACCEPT or
 * until somebody splits it. What is outside the slot is left out.
 *
 * Context: exclusive MMU lock, or before the slot is visible: a fault under the
 * shared one looks at the level and maps later.
 * Source: SPEC H.4.
 */
void tlbtag_large_inhibit(struct tlbtag_large *large, uint64_t begin, uint64_t end);

/**
 * tlbtag_large_is_inhibited() - was it chosen to be small?
 * @large: initialised
 * @gfn: any page of the 2 MiB page
 *
 * Context: any.
 * Return: true if it was, or @gfn is outside the slot.
 */
bool tlbtag_large_is_inhibited(const struct tlbtag_large *large, uint64_t gfn);

/**
 * tlbtag_large_level() - at which level may a fault map?
 * @large: may be zeroed
 * @fault: what is known
 *
 * Context: MMU lock, shared or exclusive, until the mapping is made.
 * Return: TLBTAG_LEVEL_4K or TLBTAG_LEVEL_2M.
 * Source: SPEC H.4, I.4-01, I.4-06, I.4-24.
 */
enum tlbtag_level tlbtag_large_level(const struct tlbtag_large *large,
				     const struct tlbtag_large_fault *fault);

/**
 * tlbtag_large_accept_is_new() - does an ACCEPT need the exclusive MMU lock?
 * @large: initialised
 * @fault: with the level of the ACCEPT
 * @is_large: the mirror maps the page by a 2 MiB leaf
 *
 * Most do not: only the first of each 2 MiB page, and those after a split that
 * failed. Whoever is told so makes a reservation for one split, takes the lock,
 * and calls tlbtag_large_accept().
 *
 * Context: MMU lock, usually shared; a hint that is looked at again.
 * Return: true if it does.
 * Source: SPEC H.4, I.4-12 and 13.
 */
bool tlbtag_large_accept_is_new(const struct tlbtag_large *large,
				const struct tlbtag_large_fault *fault, bool is_large);

/**
 * tlbtag_large_accept() - a violation carries the level of an ACCEPT
 * @large: initialised
 * @fault: with the level of the ACCEPT
 * @is_large: the mirror (not another root of the VM) maps the page by a 2 MiB
 *	leaf, looked up under this lock
 *
 * Context: exclusive MMU lock.
 * Return: what to do.
 * Source: SPEC H.4, H.5.
 */
enum tlbtag_large_step tlbtag_large_accept(struct tlbtag_large *large,
					   const struct tlbtag_large_fault *fault, bool is_large);

TLBTAG_END_DECLS

#endif
