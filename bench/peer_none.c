/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * No kernel source, no peer. Nothing but peer_missing() is ever called.
 */
#include "bench/peer.h"

#include <stdlib.h>

const char *peer_missing(void)
{
	return "no kernel source: install linux-source (Debian: apt install linux-source)";
}

struct peer_pool *peer_pool_create(uint32_t min, uint32_t nr)
{
	(void)min;
	(void)nr;
	abort();
}

void peer_pool_destroy(struct peer_pool *pool)
{
	(void)pool;
	abort();
}

uint32_t peer_pool_alloc(struct peer_pool *pool)
{
	(void)pool;
	abort();
}

void peer_pool_free(struct peer_pool *pool, uint32_t tag)
{
	(void)pool;
	(void)tag;
	abort();
}

struct peer_owner *peer_owner_create(uint32_t vms, uint32_t cpus)
{
	(void)vms;
	(void)cpus;
	abort();
}

void peer_owner_destroy(struct peer_owner *owner)
{
	(void)owner;
	abort();
}

uint64_t peer_owner_loads(struct peer_owner *owner, const struct bench_step *steps,
			  uint64_t count)
{
	(void)owner;
	(void)steps;
	(void)count;
	abort();
}

void peer_owner_renew(struct peer_owner *owner, uint32_t vm)
{
	(void)owner;
	(void)vm;
	abort();
}

uint64_t peer_owner_bytes(const struct peer_owner *owner)
{
	(void)owner;
	abort();
}
