/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * host: what all guests of a machine share: its hardware, its pool, and for
 * each CPU who used the fallback tag last and how often the CPU came online.
 *
 * The fallback tag is for contexts that got none of their own. It is a shared
 * tag like any other: a context flushes it only if another one used it last on
 * this CPU (rule SHARED_OWNER).
 */
#ifndef TLBTAG_HOST_H
#define TLBTAG_HOST_H

#include <tlbtag/ctx.h>
#include <tlbtag/hw.h>
#include <tlbtag/pool.h>

TLBTAG_BEGIN_DECLS

/**
 * struct tlbtag_host_cpu - one CPU's record; touched by that CPU only
 * @fallback_owner: the context that used the fallback tag last here. Only
 *	compared, never followed: a new context at the address of a dead one has
 *	not run yet and flushes for that reason
 * @epoch: how often the CPU came online, modulo 2^32
 * @changes: how often it came online, or an entry flushed every tag here: what any
 *	context left here is not what it was; modulo 2^32
 */
struct tlbtag_host_cpu {
	const struct tlbtag_ctx *fallback_owner;
	uint32_t epoch;
	uint32_t changes;
};

/**
 * struct tlbtag_host - the state; private to lib/
 * @hw: the machine
 * @pool: the tags
 * @cpu: hw.nr_cpus records
 * @reserve: L2 contexts get no tag of their own when no more than this many
 *	plain tags are free, so that L1 contexts find some
 */
struct tlbtag_host {
	struct tlbtag_hw hw;
	struct tlbtag_pool *pool;
	struct tlbtag_host_cpu *cpu;
	uint32_t reserve;
};

/* The reserve is a quarter of the plain tags, but not more than this. */
#define TLBTAG_RESERVE_MAX 64u

/**
 * tlbtag_host_init() - set a machine up
 * @host: uninitialised storage
 * @hw: the machine; copied
 * @pool: initialised; on AMD a fallback tag is taken from it
 * @cpu: @hw->nr_cpus records, the host's from now on
 *
 * Context: once; pool lock.
 * Return: 0; -EINVAL if tlbtag_hw_check() refuses @hw, a pointer is NULL, or
 * the pool has tags that the machine has not; -ENOSPC if the pool has no tag
 * for the fallback (set-up must fail, SPEC B.3). On error nothing has changed.
 */
int tlbtag_host_init(struct tlbtag_host *host, const struct tlbtag_hw *hw,
		     struct tlbtag_pool *pool, struct tlbtag_host_cpu *cpu);

/**
 * tlbtag_host_cpu_online() - a CPU came back from offline or suspend
 * @host: initialised
 * @cpu: which; a number out of range is warned about and ignored
 *
 * Whatever ran on it before must flush there: its TLB is unknown.
 *
 * Context: on @cpu, or while @cpu runs no guest.
 */
void tlbtag_host_cpu_online(struct tlbtag_host *host, struct tlbtag_cpu cpu);

TLBTAG_END_DECLS

#endif
