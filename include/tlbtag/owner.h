/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * owner: who used a shared tag last on each CPU.
 *
 * The vCPUs of an encrypted VM share one ASID, because it is the key's handle;
 * so do the vCPUs of a VM that is offered INVLPGB without intercept. Two
 * members that alternate on one CPU would use each other's translations, so a
 * member flushes unless it itself used the tag last on this CPU and has not
 * run elsewhere since (SPEC B.4, E.4).
 *
 * The obvious record, "last member" for every (CPU, tag), is large and must be
 * filled in on every CPU in advance. It is also mostly useless: of the pair of
 * conditions above an entry matters only for the one CPU that a member ran on
 * last. So each member records that CPU, and the invariant
 *
 *   O1  for every CPU c at most one member of the record has last == c
 *
 * makes the answer exact: the member flushes iff its own `last` is not the
 * current CPU, and a member that takes a CPU over sets the `last` of whoever
 * had it to "none". A record with many members would take long to search, so
 * above TLBTAG_OWNER_SCAN_MAX members it also keeps the owner of each CPU.
 *
 * Nothing is allocated after init and nothing in the run path can fail.
 *
 * If there may be more users than numbers, several can have one, provided that
 * they flush at each entry, whatever the answer is. Everybody else is told of
 * them: only a take on c stores c, and it displaces whoever had c.
 *
 * Concurrency. A member is loaded on one CPU at a time, and the scheduler
 * orders its runs; calls for one CPU come from that CPU with preemption off.
 * `last` of member m is written by m's own take on the CPU it is on, and by
 * takers of the CPU that `last` names. The two can only race when m moves from
 * c to d while another member takes c: if the taker's "none" lands after m's
 * "d", m flushes once more than needed on d. The reverse, a member that finds
 * last == c although another took c meanwhile, cannot happen: both ran on c,
 * one after the other, and the taker's store came first. Plain (relaxed)
 * stores therefore do.
 */
#ifndef TLBTAG_OWNER_H
#define TLBTAG_OWNER_H

#include <tlbtag/types.h>

TLBTAG_BEGIN_DECLS

/* Members up to which a record is searched rather than indexed by CPU. */
#ifndef TLBTAG_OWNER_SCAN_MAX
#define TLBTAG_OWNER_SCAN_MAX 64u
#endif

/* Most members of one record: member numbers fit 16 bits beside "none". */
#define TLBTAG_OWNER_MEMBERS_MAX 0xffffu

/* Four 16-bit entries, searched as one word. */
union tlbtag_owner_word {
	uint64_t word;
	uint16_t entry[4];
};

/* The same entries as a run without holes; each is part of a word, too. */
typedef uint16_t __attribute__((may_alias)) tlbtag_owner_entry_t;

/**
 * struct tlbtag_owner - the state; all of it private to lib/owner.c
 */
struct tlbtag_owner {
	/*
	 * Four members a word, by member: the CPU it used the tag on last.
	 * In records above TLBTAG_OWNER_SCAN_MAX the holders follow in words
	 * of their own, four CPUs a word: the last member to take that CPU.
	 */
	union tlbtag_owner_word *last;
	uint32_t members;
	uint32_t cpus;
};

/**
 * tlbtag_owner_words() - how much storage a record needs
 * @members: most members it will ever have, 1 .. TLBTAG_OWNER_MEMBERS_MAX
 * @cpus: number of CPUs, 1 .. TLBTAG_CPU_LIMIT
 *
 * Context: any.
 * Return: the number of words: 2 bytes a member, and 2 bytes a CPU above
 * TLBTAG_OWNER_SCAN_MAX members; 0 if an argument is out of range.
 */
uint32_t tlbtag_owner_words(uint32_t members, uint32_t cpus);

/**
 * tlbtag_owner_init() - make a record in which nobody has used the tag yet
 * @owner: uninitialised or abandoned storage
 * @members: as for tlbtag_owner_words()
 * @cpus: as for tlbtag_owner_words()
 * @words: storage, the record's until it is abandoned (there is no destroy:
 *	nothing outside the record points into it)
 * @word_count: how many words @words has
 *
 * Context: any; may be called where allocation can sleep.
 * Return: 0; -EINVAL if @members or @cpus is out of range or @words is NULL;
 * -ENOMEM if @word_count is too small. On error nothing has changed.
 */
int tlbtag_owner_init(struct tlbtag_owner *owner, uint32_t members, uint32_t cpus,
		      union tlbtag_owner_word *words, uint32_t word_count);

/**
 * tlbtag_owner_forget() - a member leaves, or its TLB state became unknown
 * @owner: initialised
 * @member: 0 .. members - 1
 *
 * Its next use flushes, wherever that is. A new vCPU with the number of a dead
 * one must start like this.
 *
 * Context: the member is not running.
 */
void tlbtag_owner_forget(struct tlbtag_owner *owner, uint32_t member);

/**
 * tlbtag_owner_is_other() - must this member flush the shared tag here?
 * @owner: initialised
 * @member: 0 .. members - 1
 * @cpu: the current CPU
 *
 * Changes nothing; call tlbtag_owner_take() once the hardware has taken the
 * entry.
 *
 * Context: on @cpu, preemption off.
 * Return: true if another member used the tag on @cpu since, or this member
 * used it elsewhere or never; true (and a warning) for numbers out of range.
 */
static inline bool tlbtag_owner_is_other(const struct tlbtag_owner *owner, uint32_t member,
					 struct tlbtag_cpu cpu)
{
	const tlbtag_owner_entry_t *last = (const tlbtag_owner_entry_t *)owner->last;

	if (tlbtag_warn_once(member >= owner->members || cpu.nr >= owner->cpus,
			     "owner: no such member or CPU"))
		return true;
	return tlbtag_load_relaxed(&last[member]) != cpu.nr;
}

/**
 * tlbtag_owner_take() - this member now uses the tag on this CPU
 * @owner: initialised
 * @member: 0 .. members - 1
 * @cpu: the current CPU
 *
 * Context: on @cpu, preemption off. Nothing to do, and cheap, if
 * tlbtag_owner_is_other() said false.
 */
void tlbtag_owner_take(struct tlbtag_owner *owner, uint32_t member, struct tlbtag_cpu cpu);

TLBTAG_END_DECLS

#endif
