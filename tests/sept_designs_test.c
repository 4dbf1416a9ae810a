/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The two designs of a supply, with the same splits: 512 consecutive mappings of
 * 2 MiB become tables, and later every page of them is removed. What the TDX
 * module sees and gets must be the same; what differs is how often locks are
 * taken and dropped, and that is counted.
 */
#include <tlbtag/sept.h>
#include <tlbtag/sweep.h>

#include <stdio.h>

#include "test.h"

#define MAPPINGS 512u
#define SEPT_REGION MAPPINGS
#define REGIONS (MAPPINGS + 4u)
#define BATCH TLBTAG_RESERVE_SPLITS_MAX

struct vm {
	struct tlbtag_pamt pamt;
	uint16_t words[REGIONS];
	struct tlbtag_supply supply;
	uint32_t next_page;
	uint32_t pages; /* that the allocator has given out */
	uint32_t allocs;
	uint32_t mmu_locks;
	uint32_t cache_locks;
	uint32_t seamcalls;
	uint32_t pamt_pages; /* that the module has */
	uint32_t pamt_pages_max;
};

static tlbtag_page_t page_alloc(struct vm *vm)
{
	vm->pages++;
	vm->allocs++;
	return SEPT_REGION * TLBTAG_REGION_PAGES + vm->next_page++ % TLBTAG_REGION_PAGES;
}

static void pamt_pages_add(struct vm *vm)
{
	vm->pamt_pages += TLBTAG_PAIR_PAGES;
	if (vm->pamt_pages > vm->pamt_pages_max)
		vm->pamt_pages_max = vm->pamt_pages;
}

static void execute(struct vm *vm, enum tlbtag_sept_step step)
{
	vm->seamcalls += step != TLBTAG_SEPT_KICK && step != TLBTAG_SEPT_PUBLISH &&
			 step != TLBTAG_SEPT_WRITE_BACK;
	if (step == TLBTAG_SEPT_PAMT_ADD || step == TLBTAG_SEPT_DEMOTE)
		pamt_pages_add(vm);
	if (step == TLBTAG_SEPT_PAMT_REMOVE) {
		vm->pamt_pages -= TLBTAG_PAIR_PAGES;
		vm->pages -= TLBTAG_PAIR_PAGES;
	}
}

static void split(struct vm *vm, struct tlbtag_kit *kit, uint32_t mapping)
{
	const struct tlbtag_sept_where where = { (uint64_t)mapping * TLBTAG_REGION_PAGES,
						 kit->sept, TLBTAG_LEVEL_2M };
	enum tlbtag_sept_step step;
	struct tlbtag_sept_op op;

	step = tlbtag_sept_split(&op, &vm->pamt, kit, &where);
	while (step != TLBTAG_SEPT_DONE) {
		execute(vm, step);
		step = tlbtag_sept_next(&op, TLBTAG_SEPT_OK);
	}
	CHECK_EQ(op.error, 0);
}

static void topup(struct vm *vm)
{
	while (tlbtag_supply_need_topup(&vm->supply)) {
		vm->cache_locks++;
		CHECK(tlbtag_supply_add(&vm->supply, page_alloc(vm)));
	}
}

static void split_from_cache(struct vm *vm, uint32_t mapping)
{
	struct tlbtag_kit kit = { .sept = page_alloc(vm) };

	vm->mmu_locks++;
	if (tlbtag_supply_need_topup(&vm->supply)) {
		topup(vm);
		vm->mmu_locks++;
	}
	vm->cache_locks++;
	CHECK_EQ(tlbtag_supply_take(&vm->supply, &kit), 0);
	split(vm, &kit, mapping);
	vm->cache_locks++;
	tlbtag_supply_give(&vm->supply, &kit);
}

static void reserve_complete(struct vm *vm, struct tlbtag_reserve *reserve)
{
	enum tlbtag_page_kind kind;

	while ((kind = tlbtag_reserve_wants(reserve)) != TLBTAG_KIND_NONE)
		CHECK(tlbtag_reserve_add(reserve, kind, page_alloc(vm)));
}

/* A batch for each time that the MMU lock is held. */
static void split_all_by_reservation(struct vm *vm)
{
	struct tlbtag_reserve reserve;
	struct tlbtag_kit kit = { 0 };

	CHECK_EQ(tlbtag_reserve_begin(&vm->supply, &reserve, BATCH), 0);
	for (uint32_t mapping = 0; mapping < MAPPINGS; mapping++) {
		if (mapping % BATCH == 0) {
			reserve_complete(vm, &reserve);
			vm->mmu_locks++;
		}
		CHECK_EQ(tlbtag_reserve_take(&reserve, &kit), 0);
		split(vm, &kit, mapping);
		tlbtag_reserve_give(&reserve, &kit);
	}
	tlbtag_reserve_end(&vm->supply, &reserve);
	while (tlbtag_reserve_drain(&reserve) != TLBTAG_PAGE_NONE)
		vm->pages--;
}

static void split_all_from_cache(struct vm *vm)
{
	for (uint32_t mapping = 0; mapping < MAPPINGS; mapping++)
		split_from_cache(vm, mapping);
}

static void zap(struct vm *vm, uint64_t pfn)
{
	const struct tlbtag_sept_where where = { .guest_pfn = pfn, .level = TLBTAG_LEVEL_4K };
	enum tlbtag_sept_step step;
	struct tlbtag_sweep op;

	step = tlbtag_sweep_begin(&op, &vm->pamt, &where, 1);
	while (step != TLBTAG_SEPT_DONE) {
		execute(vm, step);
		step = tlbtag_sweep_next(&op, TLBTAG_SEPT_OK);
	}
	CHECK_EQ(op.error, 0);
}

/* The guest's pages, the tables above them, and what the supply has left. */
static void tear_down(struct vm *vm)
{
	for (uint64_t pfn = 0; pfn < MAPPINGS * TLBTAG_REGION_PAGES; pfn++)
		zap(vm, pfn);
	for (uint32_t table = 0; table < MAPPINGS; table++) {
		enum tlbtag_pamt_step step =
			tlbtag_pamt_put(&vm->pamt, SEPT_REGION * TLBTAG_REGION_PAGES);

		vm->pages--;
		if (step != TLBTAG_PAMT_REMOVE)
			continue;
		execute(vm, TLBTAG_SEPT_PAMT_REMOVE);
		tlbtag_pamt_put_end(&vm->pamt, SEPT_REGION * TLBTAG_REGION_PAGES, true);
	}
	while (tlbtag_supply_drain(&vm->supply) != TLBTAG_PAGE_NONE)
		vm->pages--;
}

static void run(struct vm *vm, enum tlbtag_supply_design design)
{
	*vm = (struct vm){ .next_page = 0 };
	CHECK_EQ(tlbtag_pamt_init(&vm->pamt, 0, REGIONS, vm->words), 0);
	tlbtag_supply_init(&vm->supply, design, true);
	if (design == TLBTAG_SUPPLY_RESERVE)
		split_all_by_reservation(vm);
	else
		split_all_from_cache(vm);
	CHECK_EQ(vm->pamt_pages, (MAPPINGS + 1) * TLBTAG_PAIR_PAGES);
	CHECK_EQ(tlbtag_pamt_uses(&vm->pamt, SEPT_REGION * TLBTAG_REGION_PAGES), MAPPINGS);
	tear_down(vm);
	CHECK_EQ(vm->pages, 0);
	CHECK_EQ(vm->pamt_pages, 0);
	for (uint32_t region = 0; region < REGIONS; region++)
		CHECK_EQ(vm->words[region], 0);
}

TEST(sept_designs_do_the_same_with_fewer_locks)
{
	static struct vm reserve;
	static struct vm cache;

	run(&reserve, TLBTAG_SUPPLY_RESERVE);
	run(&cache, TLBTAG_SUPPLY_CACHE);
	printf("     reservation: %u MMU locks, %u cache locks, %u pages allocated\n",
	       reserve.mmu_locks, reserve.cache_locks, reserve.allocs);
	printf("     shared cache: %u MMU locks, %u cache locks, %u pages allocated\n",
	       cache.mmu_locks, cache.cache_locks, cache.allocs);
	CHECK_EQ(reserve.seamcalls, cache.seamcalls);
	CHECK_EQ(reserve.pamt_pages_max, cache.pamt_pages_max);
	CHECK(reserve.mmu_locks < cache.mmu_locks);
	CHECK_EQ(reserve.cache_locks, 0);
}
