/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * owner: who used a shared tag last on each CPU. The contract is in the header.
 *
 * Why the answer is exact (nothing runs at the same time). O1 holds at the
 * start, when every `last` is "none", and after each take, which first sets the
 * `last` of whoever had the CPU to "none". So last[m] == c means: m took c, and
 * since then neither did m take another CPU nor anybody else take c.
 *
 * Why no flush is missed when takes on several CPUs overlap. Suppose m finds
 * last[m] == c on CPU c. Only m's own take on c stores c there; look at the
 * latest one. Anybody else who took c after it ran on c after it, so by then
 * this store, or something newer, is what it reads in last[m]. If it read c, it
 * stored "none", and m does not find c any more. If it read something newer,
 * then c was already gone from last[m], and only m's own take on c brings it
 * back, of which we looked at the latest. So nobody else took c.
 *
 * What an overlap can cost. A taker of c reads c in last[m] while m stores d on
 * CPU d; if the taker's "none" comes out on top, m flushes on d once more than
 * it had to. (The taker may also read a c that m has replaced by d long ago, if
 * nothing has ordered the two CPUs since; the same happens.)
 *
 * The entries are read and written singly, 16 bits at a time, except that the
 * search reads four at once. A 64-bit load of naturally aligned entries sees
 * each of them whole, old or new, and that is all the argument above needs.
 * Stores are never wider than the entry: a neighbour must not be put back.
 *
 * Large records. holder[c] is written and read only on c. If last[m] == c, then
 * holder[c] == m: m's take wrote both, and the next taker of c, who overwrites
 * holder[c], sets last[m] to "none" first. So the holder is the only candidate
 * and nothing needs to be searched; the reverse does not hold, hence the look
 * at last[holder].
 */
#include <tlbtag/owner.h>

#define ENTRIES_PER_WORD 4u
#define ENTRY_BITS 16u

/* In `last`: not used since its flush state became unknown. In `holder`: nobody. */
#define NONE 0xffffu

/* The same 16-bit value in each of the four lanes, and each lane's top bit. */
#define LANES(value) ((uint64_t)(value) * 0x0001000100010001u)
#define LANES_TOP LANES(0x8000u)

_Static_assert(sizeof(union tlbtag_owner_word) == 8, "four entries make one word");

/* A caller's bug is handled apart, so that it costs the others no register. */
#define RARE __attribute__((__noinline__))

static uint32_t words_for(uint32_t entries)
{
	return entries / ENTRIES_PER_WORD + (entries % ENTRIES_PER_WORD != 0);
}

static bool is_scanned(uint32_t members)
{
	return members <= TLBTAG_OWNER_SCAN_MAX;
}

static uint32_t entry_load(const union tlbtag_owner_word *words, uint32_t nr)
{
	return tlbtag_load_relaxed((const tlbtag_owner_entry_t *)words + nr);
}

static void entry_store(union tlbtag_owner_word *words, uint32_t nr, uint32_t value)
{
	tlbtag_store_relaxed((tlbtag_owner_entry_t *)words + nr, (uint16_t)value);
}

/* By CPU; behind the members' words, in large records only. */
static union tlbtag_owner_word *holders(const struct tlbtag_owner *owner)
{
	return owner->last + words_for(owner->members);
}

uint32_t tlbtag_owner_words(uint32_t members, uint32_t cpus)
{
	if (members == 0 || members > TLBTAG_OWNER_MEMBERS_MAX || cpus == 0 ||
	    cpus > TLBTAG_CPU_LIMIT)
		return 0;
	return words_for(members) + (is_scanned(members) ? 0 : words_for(cpus));
}
TLBTAG_EXPORT(tlbtag_owner_words);

int tlbtag_owner_init(struct tlbtag_owner *owner, uint32_t members, uint32_t cpus,
		      union tlbtag_owner_word *words, uint32_t word_count)
{
	uint32_t words_needed = tlbtag_owner_words(members, cpus);

	if (words_needed == 0 || !words)
		return -EINVAL;
	if (word_count < words_needed)
		return -ENOMEM;
	for (uint32_t word = 0; word < words_needed; word++)
		words[word].word = LANES(NONE);
	*owner = (struct tlbtag_owner){ .last = words, .members = members, .cpus = cpus };
	return 0;
}
TLBTAG_EXPORT(tlbtag_owner_init);

static bool is_in_range(const struct tlbtag_owner *owner, uint32_t member, struct tlbtag_cpu cpu)
{
	return tlbtag_likely(member < owner->members && cpu.nr < owner->cpus);
}

void tlbtag_owner_forget(struct tlbtag_owner *owner, uint32_t member)
{
	if (!tlbtag_warn_once(member >= owner->members, "owner: forget: no such member"))
		entry_store(owner->last, member, NONE);
}
TLBTAG_EXPORT(tlbtag_owner_forget);

/* Bit 15 of a lane is set in the result for the lowest lane that is 0. */
static uint64_t zero_lane(uint64_t lanes)
{
	return (lanes - LANES(1)) & ~lanes & LANES_TOP;
}

/* Which entry is in the word's n-th lane from the low end? Folds to a constant shift. */
static uint32_t lane_entry(uint32_t lane)
{
	const union tlbtag_owner_word low = { .word = 1 };

	return low.entry[0] ? lane : ENTRIES_PER_WORD - 1 - lane;
}

/*
 * O1: whoever has last == cpu is set to "none" before a take, so the first one
 * found is the only one.
 */
static inline void displace_scanned(struct tlbtag_owner *owner, struct tlbtag_cpu cpu)
{
	uint32_t words = words_for(owner->members);

	for (uint32_t word = 0; word < words; word++) {
		uint64_t lanes = tlbtag_load_relaxed(&owner->last[word].word) ^ LANES(cpu.nr);
		uint64_t zero = zero_lane(lanes);
		uint32_t lane;

		if (zero == 0)
			continue;
		lane = tlbtag_lowest_bit(zero) / ENTRY_BITS;
		entry_store(owner->last, word * ENTRIES_PER_WORD + lane_entry(lane), NONE);
		return;
	}
}

static inline void displace_held(struct tlbtag_owner *owner, struct tlbtag_cpu cpu, uint32_t taker)
{
	uint32_t holder = entry_load(holders(owner), cpu.nr);

	if (holder != NONE && entry_load(owner->last, holder) == cpu.nr)
		entry_store(owner->last, holder, NONE);
	entry_store(holders(owner), cpu.nr, taker);
}

/* NONE as the taker: whoever it is, it is no member that could rely on it. */
static inline void displace(struct tlbtag_owner *owner, struct tlbtag_cpu cpu, uint32_t taker)
{
	if (is_scanned(owner->members))
		displace_scanned(owner, cpu);
	else
		displace_held(owner, cpu, taker);
}

/*
 * An impossible number is our caller's bug; what is left to do is to make sure
 * that nobody relies on a state that somebody may have disturbed.
 */
RARE static void take_doubtful(struct tlbtag_owner *owner, uint32_t member, struct tlbtag_cpu cpu)
{
	tlbtag_warn_once(true, "owner: take: no such member or CPU");
	if (member < owner->members)
		entry_store(owner->last, member, NONE);
	if (cpu.nr < owner->cpus)
		displace(owner, cpu, NONE);
}

void tlbtag_owner_take(struct tlbtag_owner *owner, uint32_t member, struct tlbtag_cpu cpu)
{
	if (!is_in_range(owner, member, cpu)) {
		take_doubtful(owner, member, cpu);
		return;
	}
	if (entry_load(owner->last, member) == cpu.nr)
		return;
	displace(owner, cpu, member);
	entry_store(owner->last, member, cpu.nr);
}
TLBTAG_EXPORT(tlbtag_owner_take);
