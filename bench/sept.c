/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Private memory of a TDX guest: a use of a region against one atomic increment,
 * and 512 splits with pages by reservation against the per-VM cache that the
 * proposal of January 2026 has (v3 19 to 24/24), written anew here after its
 * description. No SEAMCALL is made on either side: they would take the same time on both
 * and hide the rest.
 */
#include <tlbtag/convert.h>
#include <tlbtag/supply.h>

#include <stdlib.h>

#include "bench/bench.h"
#include "bench/lock.h"

#define MAPPINGS 512u
/* Page frames: the guest's, then those of the host. */
#define HOST_FIRST ((uint64_t)MAPPINGS * TLBTAG_REGION_PAGES)
#define HOST_PAGES (8u * MAPPINGS)
#define REGIONS (MAPPINGS + HOST_PAGES / TLBTAG_REGION_PAGES)
#define PAGE_BYTES 4096u
/* 1 TiB in units of 2 MiB. */
#define TIB_REGIONS (1u << 19)

/* --- a use of a region --------------------------------------------------------- */

/* A region is full after 512 uses, so now and then both sides start again from one. */
#define GETS 500u
#define SPREAD 4096u

struct gets {
	struct tlbtag_pamt pamt;
	uint16_t *words;
	uint32_t *counters;
	uint32_t regions;
};

static void peer_increment(void *state, uint64_t count)
{
	struct gets *gets = state;

	for (uint64_t nr = 0; nr < count; nr++) {
		uint32_t region = (uint32_t)(nr / GETS) % gets->regions;

		if (nr % GETS == 0)
			__atomic_store_n(&gets->counters[region], 1, __ATOMIC_RELAXED);
		__atomic_fetch_add(&gets->counters[region], 1, __ATOMIC_SEQ_CST);
	}
}

static void ours_get(void *state, uint64_t count)
{
	struct gets *gets = state;
	uint64_t refused = 0;

	for (uint64_t nr = 0; nr < count; nr++) {
		uint32_t region = (uint32_t)(nr / GETS) % gets->regions;

		if (nr % GETS == 0)
			__atomic_store_n(&gets->words[region], 1, __ATOMIC_RELAXED);
		refused += !tlbtag_pamt_try_get(&gets->pamt,
						(uint64_t)region * TLBTAG_REGION_PAGES);
	}
	if (refused)
		bench_differ("sept: a use that was not counted");
}

static void get_cell(const char *name, uint32_t regions)
{
	struct gets gets = { .regions = regions };
	const struct bench_sides sides = { peer_increment, ours_get, &gets };

	if (!bench_wants(name))
		return;
	gets.words = bench_memory(sizeof(*gets.words) * SPREAD);
	gets.counters = bench_memory(sizeof(*gets.counters) * SPREAD);
	if (tlbtag_pamt_init(&gets.pamt, 0, SPREAD, gets.words))
		abort();
	bench_time(name, &sides);
	free(gets.words);
	free(gets.counters);
}

/* --- both sides' host: pages and the MMU lock --------------------------------------- */

struct host {
	struct bench_lock mmu_lock;
	uint32_t page[HOST_PAGES];
	uint32_t free_count;
	uint32_t allocated;
};

static void host_init(struct host *host)
{
	*host = (struct host){ .free_count = HOST_PAGES };
	for (uint32_t i = 0; i < HOST_PAGES; i++)
		host->page[i] = (uint32_t)HOST_FIRST + HOST_PAGES - 1 - i;
}

/* A per-CPU list of the page allocator at its fastest. */
static uint32_t page_alloc(struct host *host)
{
	host->allocated++;
	return host->page[--host->free_count];
}

static void page_free(struct host *host, uint32_t page)
{
	host->page[host->free_count++] = page;
}

/* --- the peer: a per-VM cache under a spinlock --------------------------------------- */

#define CACHE_MIN 4u

struct peer {
	struct host host;
	struct bench_lock cache_lock;
	struct bench_lock pamt_lock;
	uint32_t cache[2 * CACHE_MIN];
	uint32_t cache_count;
	int uses[REGIONS];
	uint32_t used[5 * MAPPINGS];
	uint32_t used_count;
};

static uint32_t peer_dequeue(struct peer *peer)
{
	uint32_t page = peer->cache[--peer->cache_count];

	peer->used[peer->used_count++] = page;
	return page;
}

/* Outside the MMU lock; the lock of the cache once for each page. */
static void peer_topup(struct peer *peer)
{
	while (peer->cache_count < CACHE_MIN) {
		uint32_t page = page_alloc(&peer->host);

		bench_lock(&peer->cache_lock);
		peer->cache[peer->cache_count++] = page;
		bench_unlock(&peer->cache_lock);
	}
}

static bool increment_unless_zero(int *counter)
{
	int seen = __atomic_load_n(counter, __ATOMIC_RELAXED);

	while (seen)
		if (__atomic_compare_exchange_n(counter, &seen, seen + 1, true, __ATOMIC_SEQ_CST,
						__ATOMIC_RELAXED))
			return true;
	return false;
}

static void peer_get(struct peer *peer, uint32_t page)
{
	int *uses = &peer->uses[page / TLBTAG_REGION_PAGES];

	if (increment_unless_zero(uses))
		return;
	bench_lock(&peer->pamt_lock);
	for (uint32_t i = 0; i < TLBTAG_PAIR_PAGES; i++)
		bench_use(peer_dequeue(peer));
	__atomic_store_n(uses, 1, __ATOMIC_RELEASE);
	bench_unlock(&peer->pamt_lock);
}

static void peer_split(struct peer *peer, uint32_t mapping)
{
	uint32_t sept = page_alloc(&peer->host);
	int none = 0;

	bench_lock(&peer->host.mmu_lock);
	if (peer->cache_count < CACHE_MIN) {
		bench_unlock(&peer->host.mmu_lock);
		peer_topup(peer);
		bench_lock(&peer->host.mmu_lock);
	}
	bench_lock(&peer->cache_lock);
	peer_get(peer, sept);
	for (uint32_t i = 0; i < TLBTAG_PAIR_PAGES; i++)
		bench_use(peer_dequeue(peer));
	bench_unlock(&peer->cache_lock);
	if (!__atomic_compare_exchange_n(&peer->uses[mapping], &none, (int)TLBTAG_REGION_PAGES,
					 false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		abort();
	bench_unlock(&peer->host.mmu_lock);
	peer->used[peer->used_count++] = sept;
}

/* All pages back, all counters 0: both sides do it alike. */
static void peer_reset(struct peer *peer)
{
	while (peer->used_count)
		page_free(&peer->host, peer->used[--peer->used_count]);
	while (peer->cache_count)
		page_free(&peer->host, peer->cache[--peer->cache_count]);
	for (uint32_t region = 0; region < REGIONS; region++)
		peer->uses[region] = 0;
}

/* --- ours ----------------------------------------------------------------------------- */

struct ours {
	struct host host;
	struct tlbtag_pamt pamt;
	uint16_t words[REGIONS];
	struct tlbtag_supply supply;
	uint32_t used[5 * MAPPINGS];
	uint32_t used_count;
};

static void ours_use(struct ours *ours, tlbtag_page_t page)
{
	ours->used[ours->used_count++] = (uint32_t)page;
}

/* The module takes a pair; everything else it does is left out. */
static void ours_step(struct ours *ours, const struct tlbtag_sept_op *op)
{
	const struct tlbtag_kit *kit = op->kit;

	if (op->step != TLBTAG_SEPT_PAMT_ADD && op->step != TLBTAG_SEPT_DEMOTE)
		return;
	ours_use(ours, kit->pamt[kit->pamt_count - 1]);
	ours_use(ours, kit->pamt[kit->pamt_count - 2]);
	if (op->step == TLBTAG_SEPT_DEMOTE)
		ours_use(ours, kit->sept);
}

static void ours_split(struct ours *ours, struct tlbtag_reserve *reserve, uint32_t mapping)
{
	struct tlbtag_sept_where where = { .guest_pfn = (uint64_t)mapping * TLBTAG_REGION_PAGES,
					   .level = TLBTAG_LEVEL_2M };
	struct tlbtag_sept_op op;
	struct tlbtag_kit kit;

	if (tlbtag_reserve_take(reserve, &kit))
		abort();
	where.sept_pfn = kit.sept;
	tlbtag_sept_split(&op, &ours->pamt, &kit, &where);
	while (op.step != TLBTAG_SEPT_DONE) {
		ours_step(ours, &op);
		tlbtag_sept_next(&op, TLBTAG_SEPT_OK);
	}
	tlbtag_reserve_give(reserve, &kit);
}

static void ours_reserve(struct ours *ours, struct tlbtag_reserve *reserve)
{
	enum tlbtag_page_kind kind;

	while ((kind = tlbtag_reserve_wants(reserve)) != TLBTAG_KIND_NONE)
		tlbtag_reserve_add(reserve, kind, page_alloc(&ours->host));
}

static void ours_reset(struct ours *ours)
{
	tlbtag_page_t page;

	while (ours->used_count)
		page_free(&ours->host, ours->used[--ours->used_count]);
	while ((page = tlbtag_supply_drain(&ours->supply)) != TLBTAG_PAGE_NONE)
		page_free(&ours->host, (uint32_t)page);
	for (uint32_t region = 0; region < REGIONS; region++)
		ours->words[region] = 0;
}

/* --- 512 splits ------------------------------------------------------------------------ */

struct splits {
	struct peer peer;
	struct ours ours;
};

static void peer_splits(void *state, uint64_t count)
{
	struct peer *peer = &((struct splits *)state)->peer;

	for (; count > 0; count--) {
		for (uint32_t mapping = 0; mapping < MAPPINGS; mapping++)
			peer_split(peer, mapping);
		peer_reset(peer);
	}
}

/* Eight splits each time that the MMU lock is taken. */
static void ours_round(struct ours *ours)
{
	struct tlbtag_reserve reserve;
	tlbtag_page_t page;

	if (tlbtag_reserve_begin(&ours->supply, &reserve, TLBTAG_RESERVE_SPLITS_MAX))
		abort();
	for (uint32_t mapping = 0; mapping < MAPPINGS;) {
		ours_reserve(ours, &reserve);
		bench_lock(&ours->host.mmu_lock);
		for (uint32_t i = 0; i < TLBTAG_RESERVE_SPLITS_MAX; i++)
			ours_split(ours, &reserve, mapping++);
		bench_unlock(&ours->host.mmu_lock);
	}
	tlbtag_reserve_end(&ours->supply, &reserve);
	while ((page = tlbtag_reserve_drain(&reserve)) != TLBTAG_PAGE_NONE)
		page_free(&ours->host, (uint32_t)page);
	ours_reset(ours);
}

static void ours_splits(void *state, uint64_t count)
{
	for (; count > 0; count--)
		ours_round(&((struct splits *)state)->ours);
}

static void splits_init(struct splits *splits)
{
	host_init(&splits->peer.host);
	host_init(&splits->ours.host);
	if (tlbtag_pamt_init(&splits->ours.pamt, 0, REGIONS, splits->ours.words))
		abort();
	tlbtag_supply_init(&splits->ours.supply, TLBTAG_SUPPLY_RESERVE, true);
}

/* Both give the module a page of S-EPT and a pair each, and one pair for those pages. */
static void splits_check(struct splits *splits)
{
	for (uint32_t mapping = 0; mapping < MAPPINGS; mapping++)
		peer_split(&splits->peer, mapping);
	if (splits->peer.host.allocated - splits->peer.cache_count != splits->peer.used_count ||
	    splits->peer.used_count < 3 * MAPPINGS + 2)
		bench_differ("sept: the pages of 512 splits");
	peer_reset(&splits->peer);
	ours_round(&splits->ours);
	if (splits->peer.host.free_count != HOST_PAGES ||
	    splits->ours.host.free_count != HOST_PAGES)
		bench_differ("sept: pages that came back");
}

static void splits_cell(void)
{
	const char *name = "sept.split.512";
	struct splits *splits;

	if (!bench_wants(name))
		return;
	splits = bench_memory(sizeof(*splits));
	splits_init(splits);
	splits_check(splits);
	bench_time(name, &(struct bench_sides){ peer_splits, ours_splits, splits });
	free(splits);
}

/* --- what to split before a range goes --------------------------------------------------- */

struct range {
	uint8_t *level; /* of the mapping of each 2 MiB */
	uint64_t begin;
	uint64_t end;
};

/* The proposal walks the leaves of the range, and splits those that stick out. */
static void peer_decide(void *state, uint64_t count)
{
	const struct range *range = state;

	for (; count > 0; count--) {
		uint64_t found = 0;
		uint64_t last = (range->end - 1) / TLBTAG_REGION_PAGES;

		for (uint64_t nr = range->begin / TLBTAG_REGION_PAGES; nr <= last; nr++) {
			uint64_t first = nr * TLBTAG_REGION_PAGES;

			found += __atomic_load_n(&range->level[nr], __ATOMIC_RELAXED) &&
				 (first < range->begin ||
				  first + TLBTAG_REGION_PAGES > range->end);
		}
		bench_use(found);
	}
}

static void ours_decide(void *state, uint64_t count)
{
	const struct range *range = state;
	uint64_t first[2];

	for (; count > 0; count--) {
		uint32_t straddlers = tlbtag_sept_straddlers(range->begin, range->end, first);
		uint64_t found = 0;

		for (uint32_t i = 0; i < straddlers; i++)
			found += range->level[first[i] / TLBTAG_REGION_PAGES];
		bench_use(found);
	}
}

static void decide_cell(void)
{
	const char *name = "sept.decide.512";
	struct range range = { .begin = 100, .end = HOST_FIRST - 100 };

	if (!bench_wants(name))
		return;
	range.level = bench_memory(MAPPINGS);
	for (uint32_t nr = 0; nr < MAPPINGS; nr++)
		range.level[nr] = 1;
	bench_time(name, &(struct bench_sides){ peer_decide, ours_decide, &range });
	free(range.level);
}

/* --- memory -------------------------------------------------------------------------------- */

/*
 * A guest of 1 TiB in mappings of 2 MiB: its pages of S-EPT are what uses regions;
 * 512 mappings to a table, 512 tables to the next, the root is a control page.
 */
static uint64_t pamt_pages_dynamic(void)
{
	uint16_t *words = bench_memory(sizeof(*words) * TIB_REGIONS);
	uint32_t tables = TIB_REGIONS / 512;
	struct tlbtag_pamt pamt = { 0 };
	uint64_t pages = 0;

	if (tlbtag_pamt_init(&pamt, 0, TIB_REGIONS, words))
		abort();
	tables += (tables + 511) / 512;
	for (uint32_t page = 0; page < tables; page++) {
		if (tlbtag_pamt_get(&pamt, page) != TLBTAG_PAMT_ADD)
			continue;
		tlbtag_pamt_get_end(&pamt, page, true);
		pages += TLBTAG_PAIR_PAGES;
	}
	free(words);
	return pages;
}

/* Static: a pair for each 2 MiB. Ours has its counters besides. */
static void memory_cell(void)
{
	const char *name = "pamt.memory.1tib";

	if (!bench_wants(name))
		return;
	bench_bytes(name, (uint64_t)TIB_REGIONS * TLBTAG_PAIR_PAGES * PAGE_BYTES,
		    pamt_pages_dynamic() * PAGE_BYTES + sizeof(uint16_t) * TIB_REGIONS);
}

void bench_sept(void)
{
	get_cell("pamt.get.hot", 1);
	get_cell("pamt.get.4096", SPREAD);
	splits_cell();
	decide_cell();
	memory_cell();
}
