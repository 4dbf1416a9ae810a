/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a pool should answer, as naively as possible: one byte a tag, and every
 * search from one end to the other.
 */
#ifndef POOL_ORACLE_H
#define POOL_ORACLE_H

#include <tlbtag/pool.h>

#include <string.h>

struct pool_oracle {
	tlbtag_t min;
	uint32_t nr;
	uint8_t *state; /* nr of them, by tag - min: enum tlbtag_state */
	struct tlbtag_range range[TLBTAG_CLASSES];
	tlbtag_t fallback;
	tlbtag_t last_freed;
	bool reuse_at_once;
	bool sealing;
};

static inline void oracle_init(struct pool_oracle *oracle, tlbtag_t min, uint32_t nr,
			       uint8_t *state)
{
	memset(oracle, 0, sizeof(*oracle));
	oracle->min = min;
	oracle->nr = nr;
	oracle->state = state;
	memset(state, TLBTAG_FREE, nr);
	for (int class = 0; class < TLBTAG_CLASSES; class++)
		oracle->range[class] = (struct tlbtag_range){ .first = 2, .last = 1 };
	oracle->range[TLBTAG_PLAIN].first = min;
	oracle->range[TLBTAG_PLAIN].last = min + nr - 1;
}

static inline uint8_t *oracle_state(const struct pool_oracle *oracle, tlbtag_t tag)
{
	return &oracle->state[tag - oracle->min];
}

static inline bool oracle_class_has(const struct pool_oracle *oracle, int class, tlbtag_t tag)
{
	return oracle->range[class].first <= tag && tag <= oracle->range[class].last;
}

static inline uint32_t oracle_count(const struct pool_oracle *oracle, int class,
				    enum tlbtag_state state)
{
	uint32_t count = 0;

	for (uint32_t index = 0; index < oracle->nr; index++)
		count += oracle_class_has(oracle, class, oracle->min + index) &&
			 oracle->state[index] == state;
	return count;
}

static inline tlbtag_t oracle_find(const struct pool_oracle *oracle, int class)
{
	const struct tlbtag_range *range = &oracle->range[class];
	tlbtag_t last_freed = oracle->last_freed;
	const uint8_t *found;

	if (oracle->reuse_at_once && last_freed && oracle_class_has(oracle, class, last_freed) &&
	    *oracle_state(oracle, last_freed) == TLBTAG_FREE)
		return last_freed;
	if (range->first > range->last)
		return TLBTAG_NONE;
	found = memchr(oracle_state(oracle, range->first), TLBTAG_FREE,
		       range->last - range->first + 1);
	return found ? oracle->min + (uint32_t)(found - oracle->state) : TLBTAG_NONE;
}

static inline tlbtag_t oracle_alloc(struct pool_oracle *oracle, int class)
{
	tlbtag_t tag = oracle_find(oracle, class);

	if (tag)
		*oracle_state(oracle, tag) = TLBTAG_USED;
	return tag;
}

static inline int oracle_free(struct pool_oracle *oracle, tlbtag_t tag)
{
	bool dirty = false;

	if (tag == TLBTAG_NONE)
		return 0;
	if (tag < oracle->min || tag > oracle->min + oracle->nr - 1)
		return -EINVAL;
	if (tag == oracle->fallback)
		return -EPERM;
	if (*oracle_state(oracle, tag) != TLBTAG_USED)
		return -EALREADY;
	for (int class = 0; class < TLBTAG_CLASSES; class++)
		dirty |= oracle_class_has(oracle, class, tag) && oracle->range[class].dirty_on_free;
	*oracle_state(oracle, tag) = dirty ? TLBTAG_DIRTY : TLBTAG_FREE;
	if (oracle->reuse_at_once)
		oracle->last_freed = tag;
	return 0;
}

static inline int oracle_take_fallback(struct pool_oracle *oracle)
{
	if (oracle->fallback)
		return -EBUSY;
	oracle->fallback = oracle_alloc(oracle, TLBTAG_PLAIN);
	return oracle->fallback ? 0 : -ENOSPC;
}

static inline uint32_t oracle_seal(struct pool_oracle *oracle, int class)
{
	uint32_t count = oracle_count(oracle, class, TLBTAG_DIRTY);

	if (oracle->sealing || count == 0)
		return 0;
	for (uint32_t index = 0; index < oracle->nr; index++)
		if (oracle->state[index] == TLBTAG_DIRTY)
			oracle->state[index] = TLBTAG_SEALED;
	oracle->sealing = true;
	return count;
}

static inline void oracle_unseal(struct pool_oracle *oracle, bool cleaned)
{
	for (uint32_t index = 0; index < oracle->nr; index++)
		if (oracle->state[index] == TLBTAG_SEALED)
			oracle->state[index] = cleaned ? TLBTAG_FREE : TLBTAG_DIRTY;
	oracle->sealing = false;
}

static inline int oracle_set_class(struct pool_oracle *oracle, int class,
				   const struct tlbtag_range *range)
{
	bool empty = range->first > range->last;

	for (tlbtag_t tag = range->first; !empty && tag <= range->last; tag++) {
		if (tag < oracle->min || tag > oracle->min + oracle->nr - 1)
			return -EINVAL;
		for (int other = 0; other < TLBTAG_CLASSES; other++)
			if (other != class && other + class != TLBTAG_SEV_ES + TLBTAG_SNP &&
			    oracle_class_has(oracle, other, tag))
				return -EINVAL;
	}
	for (tlbtag_t tag = oracle->min; tag < oracle->min + oracle->nr; tag++)
		if (oracle_class_has(oracle, class, tag) &&
		    *oracle_state(oracle, tag) != TLBTAG_FREE)
			return -EBUSY;
	oracle->range[class] = *range;
	return 0;
}

static inline uint32_t oracle_leaked(const struct pool_oracle *oracle)
{
	uint32_t count = 0;

	for (uint32_t index = 0; index < oracle->nr; index++)
		count += oracle->state[index] == TLBTAG_USED;
	return count - (oracle->fallback != TLBTAG_NONE);
}

#endif
