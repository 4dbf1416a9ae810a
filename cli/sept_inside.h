/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the files of the host of tlbtag sept share.
 */
#ifndef CLI_SEPT_INSIDE_H
#define CLI_SEPT_INSIDE_H

#include "sept_host.h"

#include <tlbtag/account.h>
#include <tlbtag/control.h>
#include <tlbtag/convert.h>
#include <tlbtag/large.h>
#include <tlbtag/sweep.h>

#define VCPUS 4u
#define TD 0u
#define TDCS_PAGES 8u
#define TDCX_PAGES 5u
#define CONTROL_PAGES_MAX (1u + TDCS_PAGES + VCPUS * (1u + TDCX_PAGES))
/* Levels of this guest's S-EPT, with the root. */
#define LEVELS 3u
/* Entries of a table at level 2M. */
#define SLOTS_PER_TABLE 512u

enum mirror_kind {
	MIRROR_NONE = 0,
	MIRROR_2M = 1,
	MIRROR_TABLE = 2,
};

/* The mirror's entry for 2 MiB. */
struct mirror {
	uint64_t mapped[SEPT_SLOT_PAGES / 64]; /* below a table */
	uint32_t table;			       /* its page */
	enum mirror_kind kind;
};

/**
 * struct sept_host - the host
 * @first_page: host memory begins there; the guest's is below, page for page
 * @next_page, @end_page: never used ones
 * @free_page, @free_count: those that came back
 * @kind: of a page of the host, by its distance from @first_page
 * @upper: tables at level 2M, by gfn / 1 GiB; 0 = none
 * @spare: pages of S-EPT for a walker with a shared cache
 */
struct sept_host {
	struct sept_setup setup;
	struct sept_cost cost;
	struct tdx *tdx;
	struct tlbtag_pamt pamt;
	uint16_t *words;
	struct tlbtag_large large;
	uint64_t *inhibited;
	struct tlbtag_account account;
	struct tlbtag_pages fault_cache;
	struct tlbtag_supply supply;
	struct tlbtag_reserve reserve;
	bool is_reserved;
	tlbtag_page_t spare[2];
	uint32_t spare_count;
	struct mirror *mirror;
	uint32_t *upper;
	uint32_t control[CONTROL_PAGES_MAX];
	uint32_t control_count;
	uint32_t first_page;
	uint32_t next_page;
	uint32_t end_page;
	uint32_t *free_page;
	uint32_t free_count;
	uint8_t *kind;
	uint64_t allocations;
	bool is_started;
	bool is_stopped;
	bool is_dead;
};

/* --- sept_page.c: memory, and what the module has of it --- */

/* TLBTAG_PAGE_NONE: out of memory. */
tlbtag_page_t page_alloc(struct sept_host *host, enum tlbtag_page_kind kind);
void page_free(struct sept_host *host, tlbtag_page_t page);
/* A use of the page's region, with pages of the fault cache. */
int use_get(struct sept_host *host, uint64_t pfn);
void use_put(struct sept_host *host, uint64_t pfn);
bool region_add(struct sept_host *host, uint64_t pfn, const tlbtag_page_t *pair);
/* Frees the pair. */
bool region_remove(struct sept_host *host, uint64_t pfn);
int control_alloc(struct sept_host *host, uint32_t *page);
/* Reclaimed and written back already. */
void control_free(struct sept_host *host, uint32_t page);
void note_peaks(struct sept_host *host);

/* --- sept_change.c: splits and removals --- */

void vcpus_enter(struct sept_host *host);
void vcpus_leave(struct sept_host *host);
int host_split(struct sept_host *host, uint64_t gfn);

#endif
