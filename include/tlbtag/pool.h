/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * pool: which tags are taken.
 *
 * One pool per kind of tag and machine: the ASIDs of an AMD host, the VPIDs of
 * an Intel host. It hands out single tags of [min, min + nr), lowest first,
 * each to one holder at a time, and says nothing about the TLB: a tag that
 * comes out of alloc may have entries of any former holder on any CPU, and the
 * first entry with it flushes (rule FIRST_USE, SPEC A.4).
 *
 * The pool takes no lock. Whoever embeds it serialises all calls but
 * tlbtag_pool_is_full() with one lock; any spinlock will do, nothing here
 * sleeps or runs longer than a pass over the bitmap.
 *
 * Invariants, each asserted in lib/pool.c and tested in tests/pool_test.c:
 *   P1  0 is never handed out.
 *   P2  a tag handed out lies in [min, min + nr) and in the class asked for.
 *   P3  a tag has one holder at a time.
 *   P4  a DIRTY or SEALED tag is not handed out.
 *   P5  the fallback tag never becomes free before the pool is destroyed.
 */
#ifndef TLBTAG_POOL_H
#define TLBTAG_POOL_H

#include <tlbtag/types.h>

TLBTAG_BEGIN_DECLS

/* How many bits of a word are used; tests shrink it to reach all levels soon. */
#ifndef TLBTAG_POOL_WORD_BITS
#define TLBTAG_POOL_WORD_BITS 64u
#endif

/* Most tags a pool can hold: three levels of words. init refuses more. */
#define TLBTAG_POOL_MAX (TLBTAG_POOL_WORD_BITS * TLBTAG_POOL_WORD_BITS * TLBTAG_POOL_WORD_BITS)

/**
 * enum tlbtag_class - what a tag is for
 * @TLBTAG_PLAIN: any guest without memory encryption; the whole pool unless
 *	tlbtag_pool_set_class() narrows it
 * @TLBTAG_SEV: SEV guests, [min_sev_asid, max_sev_asid] (SPEC E.1)
 * @TLBTAG_SEV_ES: SEV-ES guests, below min_sev_asid
 * @TLBTAG_SNP: SNP guests, below min_sev_asid, or their own part of it when
 *	ciphertext hiding splits the range
 * @TLBTAG_CLASSES: how many there are
 *
 * The classes but PLAIN are empty until they are given a range. The ranges of
 * SEV_ES and SNP may overlap, any others must not; a tag that lies in both is
 * dirty on free if either class says so.
 */
enum tlbtag_class {
	TLBTAG_PLAIN = 0,
	TLBTAG_SEV = 1,
	TLBTAG_SEV_ES = 2,
	TLBTAG_SNP = 3,
	TLBTAG_CLASSES = 4,
};

/**
 * enum tlbtag_state - where a tag is in its life
 * @TLBTAG_FREE: may be handed out
 * @TLBTAG_USED: has a holder
 * @TLBTAG_DIRTY: given back, but its class wants a clean-up first
 * @TLBTAG_SEALED: its clean-up is running
 */
enum tlbtag_state {
	TLBTAG_FREE = 0,
	TLBTAG_USED = 1,
	TLBTAG_DIRTY = 2,
	TLBTAG_SEALED = 3,
};

/* The tags of one class, first and last inclusive; first > last means none. */
struct tlbtag_range {
	tlbtag_t first;
	tlbtag_t last;
	bool dirty_on_free;
};

/**
 * struct tlbtag_pool - the state; private to lib/
 *
 * Zeroed storage is a valid pool that is not initialised: alloc answers 0,
 * free warns, destroy does nothing.
 */
struct tlbtag_pool {
	/*
	 * The lowest word of leaf that is not 0, plus 1; 0 if there is none.
	 * Written under the lock, read without it.
	 */
	uint32_t open;
	/* One bit a tag, 1 = FREE. */
	uint64_t *leaf;
	/* One bit a word of leaf, 1 = not 0; no matter which for the open one. */
	uint64_t *mid;
	/* One bit a word of mid, 1 = not 0. */
	uint64_t top;
	/* One bit a tag; no bit is set in two of leaf, dirty and sealed. */
	uint64_t *dirty;
	uint64_t *sealed;
	tlbtag_t min;
	uint32_t nr;
	tlbtag_t fallback;
	/* The smallest interval around all ranges that are dirty on free. */
	tlbtag_t dirty_first;
	uint32_t dirty_span;
	tlbtag_t last_freed;
	bool reuse_at_once;
	bool sealing;
	struct tlbtag_range range[TLBTAG_CLASSES];
};

/**
 * tlbtag_pool_words() - how much storage a pool of @nr tags needs
 * @nr: number of tags, 1 .. TLBTAG_POOL_MAX
 *
 * Context: any.
 * Return: the number of uint64_t that tlbtag_pool_init() wants; 0 if @nr is
 * out of range. About 3 bits a tag (24 KiB for 65535 tags).
 */
uint32_t tlbtag_pool_words(uint32_t nr);

/**
 * tlbtag_pool_init() - make a pool of the tags [min, min + nr)
 * @pool: zeroed storage, or a destroyed pool
 * @min: lowest tag, at least 1 (0 is the host's); for SVM the highest SEV ASID
 *	plus 1, or 1 when the SEV classes live in the pool too; for VMX 1
 * @nr: number of usable tags, at least 1; for SVM the highest legal ASID is
 *	CPUID 8000_000A.EBX - 1
 * @words: storage for the bitmaps, owned by the pool until destroy
 * @word_count: how many words @words has
 *
 * Context: any; nobody else may use @pool yet.
 * Return: 0; -EINVAL if @min or @nr is 0, or min + nr exceeds 32 bits, or
 * @words is NULL; -E2BIG if @nr exceeds TLBTAG_POOL_MAX; -ENOMEM if
 * @word_count is less than tlbtag_pool_words(@nr); -EBUSY (and a warning) if
 * the pool is already initialised. On error nothing has changed.
 * Source: SPEC A.2, A.3.
 */
int tlbtag_pool_init(struct tlbtag_pool *pool, tlbtag_t min, uint32_t nr,
		     uint64_t *words, uint32_t word_count);

/**
 * tlbtag_pool_destroy() - end a pool; its storage is the caller's again
 * @pool: may be uninitialised or destroyed already
 *
 * The fallback tag is given back first. A tag that somebody still holds is a
 * leak: warned about once, and counted.
 *
 * Context: nobody else uses the pool any more.
 * Return: the number of leaked tags.
 */
uint32_t tlbtag_pool_destroy(struct tlbtag_pool *pool);

/**
 * tlbtag_pool_set_class() - give a class its range of tags
 * @pool: initialised, nothing of the class handed out
 * @which: which class
 * @range: the tags; first > last makes the class empty ("not supported", as
 *	firmware that reports min_sev_asid > max_sev_asid means it)
 *
 * PLAIN has the whole pool at first, so it is narrowed before the others get
 * their ranges. A tag in no class is never handed out.
 *
 * Context: pool lock.
 * Return: 0; -EINVAL if the pool or the class does not exist, @range is NULL, a
 * non-empty range leaves the pool, or it overlaps another class (but for SEV_ES
 * and SNP); -EBUSY (and a warning) if a tag of the class's old range is not
 * FREE. On error nothing has changed.
 * Source: SPEC E.1, E.5.
 */
int tlbtag_pool_set_class(struct tlbtag_pool *pool, enum tlbtag_class which,
			  const struct tlbtag_range *range);

/**
 * tlbtag_pool_has_class() - may this class ever get a tag?
 * @pool: may be uninitialised
 * @which: which class
 *
 * Tells "not supported here" (-ENOTTY to a user) from "all taken" (-EBUSY).
 *
 * Context: any, once the classes are set.
 * Return: true if the class has a non-empty range.
 */
bool tlbtag_pool_has_class(const struct tlbtag_pool *pool, enum tlbtag_class which);

/**
 * tlbtag_pool_is_full() - would a plain alloc certainly answer 0?
 * @pool: may be uninitialised
 *
 * One relaxed load, meant to spare a full pool's callers the lock. It looks at
 * all tags of the pool, whatever their class, and may be out of date either
 * way, so a false still needs the answer of alloc.
 *
 * Context: any; no lock.
 * Return: true if the pool was full, or not initialised, a moment ago; then
 * alloc would have answered 0 for every class.
 */
static inline bool tlbtag_pool_is_full(const struct tlbtag_pool *pool)
{
	return tlbtag_load_relaxed(&pool->open) == 0;
}

/**
 * tlbtag_pool_alloc() - take one tag
 * @pool: may be uninitialised
 * @which: which class
 *
 * The lowest FREE tag of the class; with tlbtag_pool_reuse_at_once() the tag
 * freed last, if it fits. Never flushes anything: the holder's first entry on
 * each CPU must (rule FIRST_USE).
 *
 * Context: pool lock. O(1): at most 3 words per level are looked at.
 * Return: the tag; 0 if none is FREE in the class, which is a normal
 * condition, or the pool is not initialised, or (with a warning) there is no
 * such class.
 * Source: SPEC A.1, A.2.
 */
tlbtag_t tlbtag_pool_alloc(struct tlbtag_pool *pool, enum tlbtag_class which);

/**
 * tlbtag_pool_free() - give one tag back
 * @pool: initialised
 * @tag: what alloc answered; 0 is silently accepted
 *
 * The tag becomes FREE, or DIRTY if its class asked for that. Nothing is
 * flushed.
 *
 * Context: pool lock. O(1).
 * Return: 0; -EINVAL (and a warning) if @tag is not of this pool; -EALREADY
 * (and a warning) if nobody holds it: a double free; -EPERM (and a warning) if
 * it is the fallback tag, which no guest may free (SPEC B.8). On error nothing
 * has changed.
 * Source: SPEC A.2.
 */
int tlbtag_pool_free(struct tlbtag_pool *pool, tlbtag_t tag);

/**
 * tlbtag_pool_state() - look a tag up
 * @pool: initialised
 * @tag: a tag of the pool
 *
 * Context: pool lock.
 * Return: its state; USED (and a warning) for a tag outside the pool.
 */
enum tlbtag_state tlbtag_pool_state(const struct tlbtag_pool *pool, tlbtag_t tag);

/**
 * tlbtag_pool_plain_free() - how many plain tags are FREE
 * @pool: may be uninitialised
 *
 * For those who want to leave some to others.
 *
 * Context: pool lock. A pass over the bitmap, 64 tags a step.
 * Return: 0 .. nr.
 */
uint32_t tlbtag_pool_plain_free(const struct tlbtag_pool *pool);

/**
 * tlbtag_pool_take_fallback() - set one plain tag aside for those who get none
 * @pool: initialised
 *
 * ASIDs cannot be switched off and VMRUN with ASID 0 is illegal, so an SVM
 * host needs one (SPEC B.3); a VMX host uses VPID 0 and does not.
 *
 * Context: pool lock; once, before the first guest.
 * Return: 0; -ENOSPC if no plain tag is FREE: the caller's set-up must fail;
 * -EBUSY if there is one already.
 */
int tlbtag_pool_take_fallback(struct tlbtag_pool *pool);

/**
 * tlbtag_pool_fallback() - which tag is the fallback?
 * @pool: may be uninitialised
 *
 * Context: any; the answer is fixed once taken.
 * Return: the tag; 0 if tlbtag_pool_take_fallback() has not succeeded.
 */
static inline tlbtag_t tlbtag_pool_fallback(const struct tlbtag_pool *pool)
{
	return pool->fallback;
}

/**
 * tlbtag_pool_seal() - start a clean-up: DIRTY tags become SEALED
 * @pool: initialised
 * @which: the class that ran out
 *
 * The clean-up (WBINVD on all CPUs, DF_FLUSH) covers the whole machine, so all
 * DIRTY tags of all classes are sealed; but if @which itself has none it would
 * be in vain, and nothing is sealed. Tags freed while it runs become DIRTY and
 * wait for the next one.
 *
 * Context: pool lock; drop it during the clean-up, then unseal.
 * Return: the number of SEALED tags in @which; 0 if there is nothing to gain,
 * or another clean-up is running.
 * Source: SPEC A.5, E.3.
 */
uint32_t tlbtag_pool_seal(struct tlbtag_pool *pool, enum tlbtag_class which);

/**
 * tlbtag_pool_unseal() - end a clean-up
 * @pool: sealed before
 * @cleaned: true: SEALED tags become FREE; false, the clean-up failed: they
 *	become DIRTY again
 *
 * Without a seal before it this warns and changes nothing.
 *
 * Context: pool lock.
 */
void tlbtag_pool_unseal(struct tlbtag_pool *pool, bool cleaned);

/**
 * tlbtag_pool_reuse_at_once() - test knob: hand out the tag freed last
 * @pool: initialised
 * @enable: true from now on, false for lowest first
 *
 * A missing first-use flush shows soonest when a tag is reused at once.
 *
 * Context: pool lock.
 */
void tlbtag_pool_reuse_at_once(struct tlbtag_pool *pool, bool enable);

TLBTAG_END_DECLS

#endif
