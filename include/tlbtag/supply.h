/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * supply: the pages for splitting 2 MiB mappings of a VM's private memory.
 *
 * A split happens under the exclusive MMU lock, outside any vCPU, and may need
 * a page for the new S-EPT table, a PAMT pair for the region of that page
 * if it is that region's first use, and a pair for the guest's region. These five
 * pages are a kit. They are allocated before the lock is taken, and they are of
 * two kinds that are never mixed: the page of S-EPT is the hypervisor's own, like
 * every page of a page table; PAMT pages belong to the TDX module once used.
 *
 * A VM has one supply, of one of two designs:
 *
 * RESERVE, the default. Whoever is going to split reserves for so many splits
 * first, where it may sleep, under a mutex of the VM that is held until the end:
 *
 *	mutex_lock(reservation lock);
 *	error = tlbtag_reserve_begin(supply, reserve, 2);
 *	while ((kind = tlbtag_reserve_wants(reserve)) != TLBTAG_KIND_NONE)
 *		if (!(page = alloc(kind)) || !tlbtag_reserve_add(reserve, kind, page))
 *			...-ENOMEM: to the end...
 *	write_lock(mmu_lock);
 *	...for each split: tlbtag_reserve_take(reserve, kit), never short...
 *	...what a split left: tlbtag_reserve_give(reserve, kit)...
 *	write_unlock(mmu_lock);
 *	tlbtag_reserve_end(supply, reserve);
 *	while ((page = tlbtag_reserve_drain(reserve)))
 *		free(page);
 *	mutex_unlock(reservation lock);
 *
 * Nothing has to be asked again under the MMU lock, and nothing can run out. For
 * more splits than one reservation is good for, drop the MMU lock, let the same
 * loop complete the reservation again, and go on.
 * What is left over stays with the VM, up to one kit, for the next time.
 *
 * CACHE, as in the kernel's proposal of January 2026, to compare with. PAMT pages
 * are in one cache of the VM under a spinlock; pages of S-EPT are the caller's.
 * Walkers look with tlbtag_supply_need_topup() under the MMU lock; if so they
 * drop it, add pages, take it again and begin anew, since others may have taken
 * the pages. In one thing it differs from that proposal: a kit leaves the cache
 * at once, before the first SEAMCALL, so that no SEAMCALL is made, and none
 * repeated, under the spinlock, and a repetition takes no second kit.
 *
 * Lock order: reservation mutex, MMU lock, cache lock. A region of the PAMT
 * counters is innermost.
 *
 * Invariants:
 *   S4  a reservation for n splits holds n whole kits from the moment it wants
 *       no more, so that no take within it fails.
 *   S5  a supply does not mix kinds: what was added as a page of S-EPT only ever
 *       leaves as one.
 */
#ifndef TLBTAG_SUPPLY_H
#define TLBTAG_SUPPLY_H

#include <tlbtag/pages.h>
#include <tlbtag/pamt.h>

TLBTAG_BEGIN_DECLS

/* PAMT pages of a kit: the new S-EPT page's pair and the guest's pair. */
#define TLBTAG_KIT_PAMT (2u * TLBTAG_PAIR_PAGES)

/* The most splits of one reservation. */
#define TLBTAG_RESERVE_SPLITS_MAX (TLBTAG_PAGES_MAX / TLBTAG_KIT_PAMT)

/* Page table levels, as the S-EPT counts: a leaf there maps 4 KiB, 2 MiB, 1 GiB. */
enum tlbtag_level {
	TLBTAG_LEVEL_4K = 0,
	TLBTAG_LEVEL_2M = 1,
	TLBTAG_LEVEL_1G = 2,
};

/**
 * enum tlbtag_supply_design - how a VM's splits get their pages
 * @TLBTAG_SUPPLY_RESERVE: by reservation
 * @TLBTAG_SUPPLY_CACHE: from a shared cache
 */
enum tlbtag_supply_design {
	TLBTAG_SUPPLY_RESERVE = 0,
	TLBTAG_SUPPLY_CACHE = 1,
};

/* What a page is for. A supply has no control pages, see control.h. */
enum tlbtag_page_kind {
	TLBTAG_KIND_NONE = 0,
	TLBTAG_KIND_SEPT = 1,
	TLBTAG_KIND_PAMT = 2,
	TLBTAG_KIND_CONTROL = 3,
};

#define TLBTAG_KINDS 4u

/**
 * struct tlbtag_kit - the pages of one split
 * @sept: the page of S-EPT, or TLBTAG_PAGE_NONE
 * @pamt: PAMT pages, the first @pamt_count are there
 * @pamt_count: 0 or TLBTAG_PAIR_PAGES or TLBTAG_KIT_PAMT
 */
struct tlbtag_kit {
	tlbtag_page_t sept;
	tlbtag_page_t pamt[TLBTAG_KIT_PAMT];
	uint32_t pamt_count;
};

/**
 * struct tlbtag_supply - a VM's pages for splits; private to lib/
 *
 * RESERVE keeps what reservations left here, under the reservation mutex; CACHE
 * its cache of PAMT pages, under the cache lock.
 */
struct tlbtag_supply {
	struct tlbtag_pages sept;
	struct tlbtag_pages pamt;
	enum tlbtag_supply_design design;
	bool is_dynamic;
};

/**
 * struct tlbtag_reserve - one reservation; on the stack of who makes it
 */
struct tlbtag_reserve {
	struct tlbtag_pages sept;
	struct tlbtag_pages pamt;
};

/**
 * tlbtag_supply_min() - how many PAMT pages a split of this level may use
 * @is_dynamic: does the host have Dynamic PAMT?
 * @level: the level of the mapping to split
 *
 * Context: any.
 * Return: TLBTAG_KIT_PAMT; 0 without Dynamic PAMT; -EINVAL (and a warning) if
 * @level is not 2 MiB: the VM is beyond repair.
 * Source: SPEC H.3.
 */
int tlbtag_supply_min(bool is_dynamic, enum tlbtag_level level);

/**
 * tlbtag_supply_init() - a new VM's supply
 * @supply: uninitialised
 * @design: which design
 * @is_dynamic: does the host have Dynamic PAMT?
 *
 * Context: VM init.
 */
void tlbtag_supply_init(struct tlbtag_supply *supply, enum tlbtag_supply_design design,
			bool is_dynamic);

/**
 * tlbtag_supply_need_topup() - CACHE: should the caller drop the MMU lock and add?
 * @supply: initialised
 *
 * Context: MMU lock. Under the exclusive one the answer holds until it is
 * dropped; under the shared one others may take meanwhile.
 * Return: true if the cache has less than a kit; always false under RESERVE and
 * without Dynamic PAMT.
 * Source: SPEC H.3.
 */
bool tlbtag_supply_need_topup(const struct tlbtag_supply *supply);

/**
 * tlbtag_supply_add() - CACHE: add one PAMT page
 * @supply: initialised
 * @page: just allocated, accounted to the VM, with no lock held
 *
 * Called until tlbtag_supply_need_topup() is false. If an allocation fails, what
 * was added stays: the next one has less to do.
 *
 * Context: cache lock.
 * Return: true if kept; false if there are enough, or (with a warning) the
 * design is RESERVE: the caller frees @page.
 * Source: SPEC H.3, H.6 5 and 6.
 */
bool tlbtag_supply_add(struct tlbtag_supply *supply, tlbtag_page_t page);

/**
 * tlbtag_supply_take() - CACHE: take the PAMT pages of a kit
 * @supply: initialised
 * @kit: its pamt part is written; sept is the caller's to fill
 *
 * Context: cache lock.
 * Return: 0; -EAGAIN if others were faster, and nothing is taken: drop the MMU
 * lock, top up, begin anew; cannot happen under the exclusive MMU lock after
 * tlbtag_supply_need_topup() said false; -EINVAL (and a warning) under RESERVE.
 * Source: SPEC H.3, H.6 1 and 2.
 */
int tlbtag_supply_take(struct tlbtag_supply *supply, struct tlbtag_kit *kit);

/**
 * tlbtag_supply_give() - CACHE: what a split left of its kit
 * @supply: initialised
 * @kit: its PAMT pages that fit are moved to the cache; the caller frees the
 *	others, see tlbtag_kit_drain()
 *
 * Context: cache lock.
 */
void tlbtag_supply_give(struct tlbtag_supply *supply, struct tlbtag_kit *kit);

/**
 * tlbtag_supply_drain() - take one page out of a dying VM's supply
 * @supply: initialised
 *
 * Context: VM teardown; no lock, since nobody else is left.
 * Return: a page to free; TLBTAG_PAGE_NONE when none is left.
 * Source: SPEC H.3.
 */
tlbtag_page_t tlbtag_supply_drain(struct tlbtag_supply *supply);

/**
 * tlbtag_kit_drain() - take one page out of a kit
 * @kit: what a split left
 *
 * Context: any.
 * Return: a page to free; TLBTAG_PAGE_NONE when none is left.
 */
tlbtag_page_t tlbtag_kit_drain(struct tlbtag_kit *kit);

/**
 * tlbtag_reserve_begin() - RESERVE: begin a reservation, with what is left over
 * @supply: initialised
 * @reserve: uninitialised
 * @splits: how many splits, 1 .. TLBTAG_RESERVE_SPLITS_MAX
 *
 * Context: reservation mutex; may sleep.
 * Return: 0; -EINVAL if @splits is out of range or (with a warning) the design is
 * CACHE, then @reserve is empty.
 * Source: SPEC H.7.
 */
int tlbtag_reserve_begin(struct tlbtag_supply *supply, struct tlbtag_reserve *reserve,
			 uint32_t splits);

/**
 * tlbtag_reserve_wants() - which page should be allocated next?
 * @reserve: begun; some splits may have been made with it already
 *
 * Context: reservation mutex, without the MMU lock.
 * Return: its kind; TLBTAG_KIND_NONE when the reservation is complete.
 */
enum tlbtag_page_kind tlbtag_reserve_wants(const struct tlbtag_reserve *reserve);

/**
 * tlbtag_reserve_add() - here it is
 * @reserve: begun
 * @kind: SEPT or PAMT
 * @page: just allocated, accounted to the VM
 *
 * Context: reservation mutex, without the MMU lock.
 * Return: true if kept; false if no such page was wanted: the caller frees it.
 */
bool tlbtag_reserve_add(struct tlbtag_reserve *reserve, enum tlbtag_page_kind kind,
			tlbtag_page_t page);

/**
 * tlbtag_reserve_take() - take a kit
 * @reserve: complete
 * @kit: all of it is written
 *
 * Context: reservation mutex and exclusive MMU lock.
 * Return: 0; -ENOSPC (and a warning) if there are more splits than were reserved;
 * nothing is taken then.
 * Source: SPEC H.7.
 */
int tlbtag_reserve_take(struct tlbtag_reserve *reserve, struct tlbtag_kit *kit);

/**
 * tlbtag_reserve_give() - what a split left of its kit
 * @reserve: the one that the kit is from
 * @kit: empty afterwards
 *
 * Context: reservation mutex, with or without the MMU lock.
 */
void tlbtag_reserve_give(struct tlbtag_reserve *reserve, struct tlbtag_kit *kit);

/**
 * tlbtag_reserve_end() - end a reservation, complete or not
 * @supply: the one of its begin
 * @reserve: up to one kit of what it has is moved to @supply, and the rest
 *	is there for tlbtag_reserve_drain()
 *
 * Context: reservation mutex, after the MMU lock.
 */
void tlbtag_reserve_end(struct tlbtag_supply *supply, struct tlbtag_reserve *reserve);

/**
 * tlbtag_reserve_drain() - take one page out of an ended reservation
 * @reserve: ended
 *
 * Context: any.
 * Return: a page to free; TLBTAG_PAGE_NONE when none is left.
 */
tlbtag_page_t tlbtag_reserve_drain(struct tlbtag_reserve *reserve);

TLBTAG_END_DECLS

#endif
