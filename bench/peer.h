/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The peer: the tag allocator and the owner tracking of the RFC "KVM: x86:
 * rework ASID management" (2025), which stand on the kernel's own bitmap search
 * and xarray. peer.c is that; peer_none.c is linked where the kernel's source
 * is not to be had.
 */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stdbool.h>
#include <stdint.h>

/* Why there is no peer; NULL if there is. */
const char *peer_missing(void);

struct peer_pool;

struct peer_pool *peer_pool_create(uint32_t min, uint32_t nr);
void peer_pool_destroy(struct peer_pool *pool);
uint32_t peer_pool_alloc(struct peer_pool *pool);
void peer_pool_free(struct peer_pool *pool, uint32_t tag);

/* One vcpu-load: which member of which VM, on which CPU. */
struct bench_step {
	uint16_t vm;
	uint8_t member;
	uint8_t cpu;
};

#define BENCH_MEMBERS 2u

/* VMs of BENCH_MEMBERS vCPUs and one tag each, registered on every CPU. */
struct peer_owner;

struct peer_owner *peer_owner_create(uint32_t vms, uint32_t cpus);
void peer_owner_destroy(struct peer_owner *owner);

/* How many of these loads flush. */
uint64_t peer_owner_loads(struct peer_owner *owner, const struct bench_step *steps,
			  uint64_t count);

/* A VM goes and a new one gets its tag. */
void peer_owner_renew(struct peer_owner *owner, uint32_t vm);

/* What the tracking costs beyond what a vCPU has anyway. */
uint64_t peer_owner_bytes(const struct peer_owner *owner);

/* `steps` is walked round and round; a power of two. */
#define BENCH_STEPS 65536u

#endif
