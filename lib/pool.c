/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * pool: which tags are taken. The contract is in the header.
 *
 * A FREE tag is a 1 in `leaf`; each word of `leaf` that is not 0 is a 1 in
 * `mid`, and each word of `mid` that is not 0 is a 1 in `top`. Every search is
 * a walk down, and if it has to start in the middle one walk up before it, so
 * its cost does not depend on the size of the pool or on how full it is.
 *
 * Most tags come from, and go back to, the lowest word of `leaf` that is not 0:
 * the open word. `open` remembers where it is, which spares the walk; and
 * because `open` tells what `mid` and `top` would, they need not be kept up to
 * date about this one word, which spares most of their updates. When a lower
 * word opens, the former one is entered; when the open word runs out, it is
 * removed in case it was entered, and the next one is searched for.
 *
 * DIRTY and SEALED tags need no search, so their bitmaps are flat. A tag that
 * is in none of the three bitmaps is USED.
 *
 * An index counts from the pool's lowest tag: index = tag - min.
 */
#include <tlbtag/pool.h>

#define WORD_BITS TLBTAG_POOL_WORD_BITS
#define WORD_FULL (~(uint64_t)0 >> (64u - WORD_BITS))

/*
 * The usual alloc and free are a dozen instructions; what is rare lives in
 * functions that they end in, or else its registers would be saved every time.
 */
#define RARE __attribute__((__noinline__))

_Static_assert(WORD_BITS >= 2 && WORD_BITS <= 64, "bits of a uint64_t");

/* How many words hold so many bits. */
static uint32_t words_for(uint32_t bits)
{
	return bits / WORD_BITS + (bits % WORD_BITS != 0);
}

static uint64_t bit(uint32_t index)
{
	return (uint64_t)1 << index % WORD_BITS;
}

static bool bit_is_set(const uint64_t *bitmap, uint32_t index)
{
	return bitmap[index / WORD_BITS] & bit(index);
}

/* The bits of index's word from index upwards, and higher ones, which are 0. */
static uint64_t from(uint32_t index)
{
	return ~(uint64_t)0 << index % WORD_BITS;
}

/* The same without index itself: may be empty. */
static uint64_t above(uint32_t index)
{
	return from(index) << 1;
}

/* The lowest FREE index in this word, which is not 0. */
static uint32_t lowest_in(const struct tlbtag_pool *pool, uint32_t leaf)
{
	return leaf * WORD_BITS + tlbtag_lowest_bit(pool->leaf[leaf]);
}

/* The lowest FREE index that is not below @index; nr if there is none. */
static uint32_t next_free(const struct tlbtag_pool *pool, uint32_t index)
{
	uint32_t leaf = index / WORD_BITS;
	uint32_t mid = leaf / WORD_BITS;
	uint64_t found = pool->leaf[leaf] & from(index);

	if (found)
		return leaf * WORD_BITS + tlbtag_lowest_bit(found);
	/* Below the open word is nothing; above it the summaries are right. */
	if (leaf + 1 < pool->open)
		return lowest_in(pool, pool->open - 1);
	found = pool->mid[mid] & above(leaf);
	if (!found) {
		found = pool->top & above(mid);
		if (!found)
			return pool->nr;
		mid = tlbtag_lowest_bit(found);
		found = pool->mid[mid];
	}
	return lowest_in(pool, mid * WORD_BITS + tlbtag_lowest_bit(found));
}

/* Into mid and top: this word is not 0. */
static inline void word_enter(struct tlbtag_pool *pool, uint32_t leaf)
{
	uint32_t mid = leaf / WORD_BITS;
	uint64_t before = pool->mid[mid];

	if (before & bit(leaf))
		return;
	pool->mid[mid] = before | bit(leaf);
	if (before == 0)
		pool->top |= bit(mid);
}

/* Out of mid and top: this word is 0. */
static inline void word_remove(struct tlbtag_pool *pool, uint32_t leaf)
{
	uint32_t mid = leaf / WORD_BITS;

	if (!(pool->mid[mid] & bit(leaf)))
		return;
	pool->mid[mid] &= ~bit(leaf);
	if (pool->mid[mid] == 0)
		pool->top &= ~bit(mid);
}

/* The word was not 0 and is now. */
static inline void word_emptied(struct tlbtag_pool *pool, uint32_t leaf)
{
	uint32_t open = 0;
	uint32_t mid;

	word_remove(pool, leaf);
	if (leaf + 1 != pool->open)
		return;
	if (pool->top != 0) {
		mid = tlbtag_lowest_bit(pool->top);
		open = mid * WORD_BITS + tlbtag_lowest_bit(pool->mid[mid]) + 1;
	}
	tlbtag_store_relaxed(&pool->open, open);
}

/* The word was 0 and is not any more. */
static inline void word_filled(struct tlbtag_pool *pool, uint32_t leaf)
{
	if (pool->open != 0 && leaf + 1 > pool->open) {
		word_enter(pool, leaf);
		return;
	}
	if (pool->open != 0)
		word_enter(pool, pool->open - 1);
	tlbtag_store_relaxed(&pool->open, leaf + 1);
}

/* Makes tags of one word FREE. */
static inline void word_add(struct tlbtag_pool *pool, uint32_t leaf, uint64_t bits)
{
	uint64_t before = pool->leaf[leaf];

	pool->leaf[leaf] = before | bits;
	if (before == 0)
		word_filled(pool, leaf);
}

static bool range_is_empty(const struct tlbtag_range *range)
{
	return range->first > range->last;
}

static bool range_has(const struct tlbtag_range *range, tlbtag_t tag)
{
	return tag >= range->first && tag <= range->last;
}

static bool ranges_overlap(const struct tlbtag_range *a, const struct tlbtag_range *b)
{
	return !range_is_empty(a) && !range_is_empty(b) && a->first <= b->last &&
	       b->first <= a->last;
}

/* How many tags of a range are set in a bitmap. */
static uint32_t range_count(const struct tlbtag_pool *pool, const struct tlbtag_range *range,
			    const uint64_t *bitmap)
{
	uint32_t first = range->first - pool->min;
	uint32_t last = range->last - pool->min;
	uint32_t count = 0;

	if (range_is_empty(range))
		return 0;
	for (uint32_t word = first / WORD_BITS; word <= last / WORD_BITS; word++) {
		uint64_t bits = bitmap[word];

		if (word == first / WORD_BITS)
			bits &= from(first);
		if (word == last / WORD_BITS)
			bits &= ~above(last);
		count += tlbtag_count_bits(bits);
	}
	return count;
}

/* No tag elsewhere can be DIRTY or SEALED, so most frees need not look. */
static bool may_be_dirty(const struct tlbtag_pool *pool, tlbtag_t tag)
{
	return tlbtag_unlikely(tag - pool->dirty_first < pool->dirty_span);
}

static enum tlbtag_state state_of(const struct tlbtag_pool *pool, tlbtag_t tag)
{
	uint32_t index = tag - pool->min;

	if (bit_is_set(pool->leaf, index))
		return TLBTAG_FREE;
	if (may_be_dirty(pool, tag)) {
		if (bit_is_set(pool->dirty, index))
			return TLBTAG_DIRTY;
		if (bit_is_set(pool->sealed, index))
			return TLBTAG_SEALED;
	}
	return TLBTAG_USED;
}

static bool is_dirty_on_free(const struct tlbtag_pool *pool, tlbtag_t tag)
{
	for (int which = 0; which < TLBTAG_CLASSES; which++)
		if (range_has(&pool->range[which], tag) && pool->range[which].dirty_on_free)
			return true;
	return false;
}

static void dirty_interval_update(struct tlbtag_pool *pool)
{
	tlbtag_t first = UINT32_MAX;
	tlbtag_t last = 0;

	for (int which = 0; which < TLBTAG_CLASSES; which++) {
		const struct tlbtag_range *range = &pool->range[which];

		if (range_is_empty(range) || !range->dirty_on_free)
			continue;
		first = range->first < first ? range->first : first;
		last = range->last > last ? range->last : last;
	}
	pool->dirty_first = first;
	pool->dirty_span = first <= last ? last - first + 1 : 0;
}

uint32_t tlbtag_pool_words(uint32_t nr)
{
	uint32_t leaves = words_for(nr);

	if (nr == 0 || nr > TLBTAG_POOL_MAX)
		return 0;
	return words_for(leaves) + 3 * leaves;
}
TLBTAG_EXPORT(tlbtag_pool_words);

/* The first @count bits of a bitmap, and no others of its last word. */
static void bits_fill(uint64_t *bitmap, uint32_t count)
{
	for (uint32_t word = 0; word < count / WORD_BITS; word++)
		bitmap[word] = WORD_FULL;
	if (count % WORD_BITS != 0)
		bitmap[count / WORD_BITS] = ~from(count);
}

static int init_check(const struct tlbtag_pool *pool, tlbtag_t min, uint32_t nr)
{
	if (tlbtag_warn_once(pool->nr != 0, "pool: init of a pool that is in use"))
		return -EBUSY;
	if (min == 0 || nr == 0 || min + nr < min)
		return -EINVAL;
	if (nr > TLBTAG_POOL_MAX)
		return -E2BIG;
	return 0;
}

int tlbtag_pool_init(struct tlbtag_pool *pool, tlbtag_t min, uint32_t nr,
		     uint64_t *words, uint32_t word_count)
{
	uint32_t leaves = words_for(nr);
	uint32_t mids = words_for(leaves);
	int error = init_check(pool, min, nr);

	if (error)
		return error;
	if (!words)
		return -EINVAL;
	if (word_count < tlbtag_pool_words(nr))
		return -ENOMEM;
	*pool = (struct tlbtag_pool){ .mid = words, .leaf = words + mids, .min = min, .nr = nr };
	pool->open = 1;
	pool->dirty = pool->leaf + leaves;
	pool->sealed = pool->dirty + leaves;
	bits_fill(pool->leaf, nr);
	bits_fill(pool->mid, leaves);
	bits_fill(&pool->top, mids);
	memset(pool->dirty, 0, sizeof(*words) * 2 * leaves);
	for (int which = 0; which < TLBTAG_CLASSES; which++)
		pool->range[which] = (struct tlbtag_range){ .first = 1, .last = 0 };
	pool->range[TLBTAG_PLAIN] = (struct tlbtag_range){ .first = min, .last = min + nr - 1 };
	return 0;
}
TLBTAG_EXPORT(tlbtag_pool_init);

uint32_t tlbtag_pool_destroy(struct tlbtag_pool *pool)
{
	const struct tlbtag_range all = { .first = pool->min, .last = pool->min + pool->nr - 1 };
	uint32_t leaked;

	if (pool->nr == 0)
		return 0;
	leaked = pool->nr - range_count(pool, &all, pool->leaf) -
		 range_count(pool, &all, pool->dirty) - range_count(pool, &all, pool->sealed) -
		 (pool->fallback != TLBTAG_NONE);
	tlbtag_warn_once(leaked != 0, "pool: destroyed while tags are in use");
	*pool = (struct tlbtag_pool){ 0 };
	return leaked;
}
TLBTAG_EXPORT(tlbtag_pool_destroy);

static bool may_share(enum tlbtag_class a, enum tlbtag_class b)
{
	return a == b || (a == TLBTAG_SEV_ES && b == TLBTAG_SNP) ||
	       (a == TLBTAG_SNP && b == TLBTAG_SEV_ES);
}

static bool range_is_allowed(const struct tlbtag_pool *pool, enum tlbtag_class which,
			     const struct tlbtag_range *range)
{
	if (range_is_empty(range))
		return true;
	if (range->first < pool->min || range->last - pool->min >= pool->nr)
		return false;
	for (int other = 0; other < TLBTAG_CLASSES; other++)
		if (!may_share(which, (enum tlbtag_class)other) &&
		    ranges_overlap(range, &pool->range[other]))
			return false;
	return true;
}

/*
 * The old range has to be FREE: a tag in use that changed its class, or lost
 * it, would later come back by the wrong rule (DIRTY or not).
 */
int tlbtag_pool_set_class(struct tlbtag_pool *pool, enum tlbtag_class which,
			  const struct tlbtag_range *range)
{
	struct tlbtag_range *old;

	if (pool->nr == 0 || (unsigned int)which >= TLBTAG_CLASSES || !range ||
	    !range_is_allowed(pool, which, range))
		return -EINVAL;
	old = &pool->range[which];
	if (tlbtag_warn_once(!range_is_empty(old) && range_count(pool, old, pool->leaf) !=
			     old->last - old->first + 1,
			     "pool: the range of a class in use changes"))
		return -EBUSY;
	*old = *range;
	dirty_interval_update(pool);
	return 0;
}
TLBTAG_EXPORT(tlbtag_pool_set_class);

bool tlbtag_pool_has_class(const struct tlbtag_pool *pool, enum tlbtag_class which)
{
	return pool->nr != 0 && (unsigned int)which < TLBTAG_CLASSES &&
	       !range_is_empty(&pool->range[which]);
}
TLBTAG_EXPORT(tlbtag_pool_has_class);

/* FREE to USED. */
static inline void tag_take(struct tlbtag_pool *pool, tlbtag_t tag)
{
	uint32_t index = tag - pool->min;
	uint32_t leaf = index / WORD_BITS;

	pool->leaf[leaf] &= ~bit(index);
	if (pool->leaf[leaf] == 0)
		word_emptied(pool, leaf);
}

/* USED to FREE. */
static inline void tag_give(struct tlbtag_pool *pool, tlbtag_t tag)
{
	uint32_t index = tag - pool->min;

	word_add(pool, index / WORD_BITS, bit(index));
}

/* The test knob's tag, or the class's lowest; 0 if none. */
static tlbtag_t free_tag_find(const struct tlbtag_pool *pool, const struct tlbtag_range *range)
{
	tlbtag_t tag = pool->last_freed;

	if (range_is_empty(range))
		return TLBTAG_NONE;
	if (tag != TLBTAG_NONE && range_has(range, tag) && state_of(pool, tag) == TLBTAG_FREE)
		return tag;
	tag = pool->min + next_free(pool, range->first - pool->min);
	return tag <= range->last ? tag : TLBTAG_NONE;
}

/* alloc for the cases in which the pool's lowest FREE tag need not be the answer. */
RARE static tlbtag_t alloc_searching(struct tlbtag_pool *pool, enum tlbtag_class which)
{
	tlbtag_t tag = free_tag_find(pool, &pool->range[which]);

	if (tag == TLBTAG_NONE)
		return TLBTAG_NONE;
	tag_take(pool, tag);
	if (tlbtag_warn_once(state_of(pool, tag) != TLBTAG_USED, "P4: a dirty tag was free"))
		return TLBTAG_NONE;
	return tag;
}

/*
 * P1: min > 0, which tlbtag_pool_init() sees to, and nothing below is searched.
 * P2: the comparisons with the range.
 * P3: the bit is cleared before the tag leaves.
 * P4: the three bitmaps are disjoint, which is looked at where there can be a
 * DIRTY tag.
 * P5: its bit is never set again.
 */
tlbtag_t tlbtag_pool_alloc(struct tlbtag_pool *pool, enum tlbtag_class which)
{
	uint32_t open = pool->open;
	uint64_t *word;
	uint64_t bits;
	tlbtag_t tag;

	if (tlbtag_warn_once((unsigned int)which >= TLBTAG_CLASSES, "pool: alloc: no such class"))
		return TLBTAG_NONE;
	if (tlbtag_unlikely(open == 0))
		return TLBTAG_NONE;
	word = pool->leaf + open - 1;
	bits = *word;
	tag = pool->min + open * WORD_BITS - WORD_BITS + tlbtag_lowest_bit(bits);
	if (tlbtag_unlikely(tag < pool->range[which].first || may_be_dirty(pool, tag) ||
			    pool->last_freed != TLBTAG_NONE))
		return alloc_searching(pool, which);
	if (tlbtag_unlikely(tag > pool->range[which].last))
		return TLBTAG_NONE;
	bits &= bits - 1;
	*word = bits;
	if (bits == 0)
		word_emptied(pool, open - 1);
	return tag;
}
TLBTAG_EXPORT(tlbtag_pool_alloc);

/* Why nothing is given back: tag 0, somebody else's tag, or a double free. */
RARE static int free_refuse(const struct tlbtag_pool *pool, tlbtag_t tag)
{
	if (tag == TLBTAG_NONE)
		return 0;
	if (tlbtag_warn_once(tag - pool->min >= pool->nr, "pool: free of a tag outside the pool"))
		return -EINVAL;
	if (tlbtag_warn_once(tag == pool->fallback, "P5: free of the fallback tag"))
		return -EPERM;
	tlbtag_warn_once(true, "P3: double free");
	return -EALREADY;
}

/* free of a tag that could be, or become, DIRTY, or with the test knob. */
RARE static int free_considering(struct tlbtag_pool *pool, tlbtag_t tag)
{
	uint32_t index = tag - pool->min;

	if (state_of(pool, tag) != TLBTAG_USED)
		return free_refuse(pool, tag);
	if (pool->reuse_at_once)
		pool->last_freed = tag;
	if (is_dirty_on_free(pool, tag))
		pool->dirty[index / WORD_BITS] |= bit(index);
	else
		tag_give(pool, tag);
	return 0;
}

int tlbtag_pool_free(struct tlbtag_pool *pool, tlbtag_t tag)
{
	uint32_t index = tag - pool->min;

	/* Tag 0 and the uninitialised pool are out of range, too. */
	if (tlbtag_unlikely(index >= pool->nr || tag == pool->fallback))
		return free_refuse(pool, tag);
	if (tlbtag_unlikely(may_be_dirty(pool, tag) || pool->reuse_at_once))
		return free_considering(pool, tag);
	if (tlbtag_unlikely(bit_is_set(pool->leaf, index)))
		return free_refuse(pool, tag);
	tag_give(pool, tag);
	return 0;
}
TLBTAG_EXPORT(tlbtag_pool_free);

enum tlbtag_state tlbtag_pool_state(const struct tlbtag_pool *pool, tlbtag_t tag)
{
	if (tlbtag_warn_once(tag - pool->min >= pool->nr, "pool: state of a tag outside the pool"))
		return TLBTAG_USED;
	return state_of(pool, tag);
}
TLBTAG_EXPORT(tlbtag_pool_state);

/* Not kept as a count: alloc and free would pay for a question that is rare. */
uint32_t tlbtag_pool_plain_free(const struct tlbtag_pool *pool)
{
	if (pool->nr == 0)
		return 0;
	return range_count(pool, &pool->range[TLBTAG_PLAIN], pool->leaf);
}
TLBTAG_EXPORT(tlbtag_pool_plain_free);

int tlbtag_pool_take_fallback(struct tlbtag_pool *pool)
{
	if (pool->fallback != TLBTAG_NONE)
		return -EBUSY;
	pool->fallback = tlbtag_pool_alloc(pool, TLBTAG_PLAIN);
	return pool->fallback != TLBTAG_NONE ? 0 : -ENOSPC;
}
TLBTAG_EXPORT(tlbtag_pool_take_fallback);

/* `sealed` is all 0 between clean-ups, so the two bitmaps just change places. */
uint32_t tlbtag_pool_seal(struct tlbtag_pool *pool, enum tlbtag_class which)
{
	uint64_t *dirty = pool->dirty;
	uint32_t count;

	if (!tlbtag_pool_has_class(pool, which) || pool->sealing)
		return 0;
	count = range_count(pool, &pool->range[which], dirty);
	if (count == 0)
		return 0;
	pool->dirty = pool->sealed;
	pool->sealed = dirty;
	pool->sealing = true;
	return count;
}
TLBTAG_EXPORT(tlbtag_pool_seal);

void tlbtag_pool_unseal(struct tlbtag_pool *pool, bool cleaned)
{
	if (tlbtag_warn_once(!pool->sealing, "pool: unseal without seal"))
		return;
	for (uint32_t word = 0; word < words_for(pool->nr); word++) {
		uint64_t bits = pool->sealed[word];

		if (bits == 0)
			continue;
		pool->sealed[word] = 0;
		if (cleaned)
			word_add(pool, word, bits);
		else
			pool->dirty[word] |= bits;
	}
	pool->sealing = false;
}
TLBTAG_EXPORT(tlbtag_pool_unseal);

void tlbtag_pool_reuse_at_once(struct tlbtag_pool *pool, bool enable)
{
	pool->reuse_at_once = enable;
	pool->last_freed = TLBTAG_NONE;
}
TLBTAG_EXPORT(tlbtag_pool_reuse_at_once);
