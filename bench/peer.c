/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The peer, on top of the kernel's lib/xarray.c and lib/find_bit.c. The RFC's
 * two mechanisms are written anew here after their description.
 */
#include "bench/peer.h"

#include <linux/bitmap.h>
#include <linux/xarray.h>

#include "bench/bench.h"

const char *peer_missing(void)
{
	return NULL;
}

unsigned long fns(unsigned long word, unsigned int nr)
{
	(void)word;
	(void)nr;
	abort();
}

unsigned long bitmap_get_value8(const unsigned long *bitmap, unsigned long start)
{
	(void)bitmap;
	(void)start;
	abort();
}

/* --- the allocator: a lock, a bitmap, the lowest zero bit ------------------- */

struct peer_pool {
	spinlock_t lock;
	uint32_t min;
	uint32_t nr;
	unsigned long *bitmap;
};

struct peer_pool *peer_pool_create(uint32_t min, uint32_t nr)
{
	struct peer_pool *pool = bench_memory(sizeof(*pool));

	pool->min = min;
	pool->nr = nr;
	pool->bitmap = bench_memory(BITS_TO_LONGS(nr) * sizeof(long));
	return pool;
}

void peer_pool_destroy(struct peer_pool *pool)
{
	free(pool->bitmap);
	free(pool);
}

uint32_t peer_pool_alloc(struct peer_pool *pool)
{
	unsigned long bit;

	spin_lock(&pool->lock);
	bit = find_first_zero_bit(pool->bitmap, pool->nr);
	if (bit >= pool->nr) {
		spin_unlock(&pool->lock);
		return 0;
	}
	__set_bit(bit, pool->bitmap);
	spin_unlock(&pool->lock);
	return pool->min + (uint32_t)bit;
}

void peer_pool_free(struct peer_pool *pool, uint32_t tag)
{
	if (tag == 0)
		return;
	spin_lock(&pool->lock);
	if (!WARN_ON_ONCE(tag < pool->min || tag - pool->min >= pool->nr))
		__clear_bit(tag - pool->min, pool->bitmap);
	spin_unlock(&pool->lock);
}

/* --- the nodes' allocator: a free list, last in, first out ------------------ */

#define NODES_PER_CHUNK 1024u

struct chunk {
	struct chunk *next;
	struct xa_node nodes[NODES_PER_CHUNK];
};

static struct chunk *chunks;
static struct xa_node *free_nodes; /* by parent */
static uint64_t nodes_in_use;

struct kmem_cache *radix_tree_node_cachep;
void radix_tree_node_rcu_free(struct rcu_head *head);

static void chunk_add(void)
{
	struct chunk *chunk = bench_memory(sizeof(*chunk));

	chunk->next = chunks;
	chunks = chunk;
	for (uint32_t nr = NODES_PER_CHUNK; nr-- > 0;) {
		chunk->nodes[nr].parent = free_nodes;
		free_nodes = &chunk->nodes[nr];
	}
}

static void chunks_free(void)
{
	while (chunks) {
		struct chunk *next = chunks->next;

		free(chunks);
		chunks = next;
	}
	free_nodes = NULL;
	nodes_in_use = 0;
}

void *kmem_cache_alloc_lru(struct kmem_cache *cache, struct list_lru *lru, gfp_t gfp)
{
	struct xa_node *node;

	(void)cache;
	(void)lru;
	(void)gfp;
	if (!free_nodes)
		chunk_add();
	node = free_nodes;
	free_nodes = node->parent;
	INIT_LIST_HEAD(&node->private_list);
	nodes_in_use++;
	return node;
}

void kmem_cache_free(struct kmem_cache *cache, void *object)
{
	struct xa_node *node = object;

	(void)cache;
	node->parent = free_nodes;
	free_nodes = node;
	nodes_in_use--;
}

/* A node is handed out with empty slots and no marks. */
void radix_tree_node_rcu_free(struct rcu_head *head)
{
	struct xa_node *node = container_of(head, struct xa_node, rcu_head);

	memset(node->slots, 0, sizeof(node->slots));
	memset(node->tags, 0, sizeof(node->tags));
	kmem_cache_free(radix_tree_node_cachep, node);
}

/* --- the tracking: for each CPU, tag -> the vCPU that used it last ---------- */

struct peer_vcpu {
	uint32_t asid;
	uint32_t cpu;
};

struct peer_owner {
	uint32_t vms;
	uint32_t cpus;
	struct peer_vcpu *vcpu; /* BENCH_MEMBERS a VM */
	struct xarray *map;	/* by CPU */
};

static void vm_register(struct peer_owner *owner, uint32_t vm)
{
	for (uint32_t member = 0; member < BENCH_MEMBERS; member++)
		owner->vcpu[vm * BENCH_MEMBERS + member] =
			(struct peer_vcpu){ .asid = vm + 1, .cpu = UINT32_MAX };
	for (uint32_t cpu = 0; cpu < owner->cpus; cpu++)
		if (xa_reserve(&owner->map[cpu], vm + 1, GFP_KERNEL))
			abort();
}

static void vm_unregister(struct peer_owner *owner, uint32_t vm)
{
	for (uint32_t cpu = 0; cpu < owner->cpus; cpu++)
		xa_erase(&owner->map[cpu], vm + 1);
}

struct peer_owner *peer_owner_create(uint32_t vms, uint32_t cpus)
{
	struct peer_owner *owner = bench_memory(sizeof(*owner));

	owner->vms = vms;
	owner->cpus = cpus;
	owner->vcpu = bench_memory(sizeof(*owner->vcpu) * vms * BENCH_MEMBERS);
	owner->map = bench_memory(sizeof(*owner->map) * cpus);
	for (uint32_t cpu = 0; cpu < cpus; cpu++)
		xa_init(&owner->map[cpu]);
	for (uint32_t vm = 0; vm < vms; vm++)
		vm_register(owner, vm);
	return owner;
}

void peer_owner_destroy(struct peer_owner *owner)
{
	chunks_free();
	free(owner->map);
	free(owner->vcpu);
	free(owner);
}

static inline bool vcpu_load(struct peer_owner *owner, struct peer_vcpu *vcpu, uint32_t cpu)
{
	void *previous = xa_store(&owner->map[cpu], vcpu->asid, vcpu, GFP_ATOMIC);
	bool flush = previous != vcpu || vcpu->cpu != cpu;

	vcpu->cpu = cpu;
	return flush;
}

uint64_t peer_owner_loads(struct peer_owner *owner, const struct bench_step *steps,
			  uint64_t count)
{
	uint64_t flushes = 0;

	for (uint64_t nr = 0; nr < count; nr++) {
		const struct bench_step *step = &steps[nr % BENCH_STEPS];
		uint32_t vcpu = step->vm * BENCH_MEMBERS + step->member;

		flushes += vcpu_load(owner, &owner->vcpu[vcpu], step->cpu);
	}
	return flushes;
}

void peer_owner_renew(struct peer_owner *owner, uint32_t vm)
{
	vm_unregister(owner, vm);
	vm_register(owner, vm);
}

uint64_t peer_owner_bytes(const struct peer_owner *owner)
{
	return nodes_in_use * sizeof(struct xa_node) + owner->cpus * sizeof(struct xarray);
}
