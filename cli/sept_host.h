/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A hypervisor with one TDX guest, on the model of the TDX module: it carries the
 * library's plans out, one thread, and counts what they cost.
 */
#ifndef CLI_SEPT_HOST_H
#define CLI_SEPT_HOST_H

#include "../machine/tdx.h"

#include <tlbtag/supply.h>

/* Page frames of 2 MiB. */
#define SEPT_SLOT_PAGES 512u
/* The most leaves that are removed with one TRACK. */
#define SEPT_SWEEP_MAX 64u

/**
 * struct sept_setup - a host and its guest
 * @slots: the guest's memory, in units of 2 MiB
 * @design: where the pages for splits come from
 * @is_small: 4 KiB mappings only, so that nothing is ever split
 * @is_dynamic: Dynamic PAMT
 * @busy: each BLOCK, TRACK, DEMOTE and REMOVE is busy once in so many calls; 0 = never
 * @sweep: leaves that go with one TRACK, 1 to SEPT_SWEEP_MAX
 * @failing: the allocation of a page that fails, counted from 1; 0 = none
 * @refused, @refused_after: this call is refused, that many calls after the start of
 *	the guest's vCPUs; TDX_CALLS = none
 */
struct sept_setup {
	uint32_t slots;
	enum tlbtag_supply_design design;
	bool is_small;
	bool is_dynamic;
	uint32_t busy;
	uint32_t sweep;
	uint64_t failing;
	enum tdx_call refused;
	uint32_t refused_after;
};

/**
 * struct sept_cost - what it cost
 * @calls: SEAMCALLs, as the module counted them
 * @retries: how often the module was busy, and was called again without vCPUs
 * @kicks: how often all vCPUs were made to leave the guest
 * @splits: 2 MiB mappings that became tables
 * @mmu_locks: how often the MMU lock was taken exclusively
 * @cache_locks: how often the lock of a shared cache was taken
 * @looks: entries of the mirror that were looked at to find what straddles an end
 * @pamt_max: PAMT pages that the module had at the peak
 * @sept_max: pages of S-EPT at the peak
 * @supplied: pages that were allocated for splits
 * @unused: those of them that were freed without having been used
 */
struct sept_cost {
	uint64_t calls[TDX_CALLS];
	uint64_t retries;
	uint64_t kicks;
	uint64_t splits;
	uint64_t mmu_locks;
	uint64_t cache_locks;
	uint64_t looks;
	uint64_t pamt_max;
	uint64_t sept_max;
	uint64_t supplied;
	uint64_t unused;
};

struct sept_host;

/* NULL: out of memory, or more slots than the model can have. */
struct sept_host *sept_host_create(const struct sept_setup *setup);
void sept_host_destroy(struct sept_host *host);

/*
 * These return 0, -ENOMEM or -EIO. Whatever they return, the guest can be torn down.
 */

/* The TD and its vCPUs, which enter the guest. */
int sept_host_start(struct sept_host *host);
/* A vCPU touches a page; the host maps as large as it may. */
int sept_host_fault(struct sept_host *host, uint64_t gfn);
/* The guest accepts a page or, at TLBTAG_LEVEL_2M, 512, and goes on until it is done. */
int sept_host_accept(struct sept_host *host, uint64_t gfn, enum tlbtag_level level);
/* begin .. end - 1 becomes shared, or is a hole. */
int sept_host_remove(struct sept_host *host, uint64_t begin, uint64_t end);
/* Also if there is no guest, or not any more. */
int sept_host_tear_down(struct sept_host *host);

/* The guest's memory is page frames 0 to this less 1. */
uint64_t sept_host_pages(const struct sept_host *host);
/* Is the page mapped, and how? */
bool sept_host_is_mapped(const struct sept_host *host, uint64_t gfn);
bool sept_host_is_large(const struct sept_host *host, uint64_t gfn);

/* As of now. */
void sept_host_cost(const struct sept_host *host, struct sept_cost *cost);

/*
 * Compares mirror and secure table, counters and module, and looks for what
 * hardware would punish. NULL, or what is wrong.
 */
const char *sept_host_wrong(const struct sept_host *host);
/* After sept_host_tear_down(): NULL, or what was not given back. */
const char *sept_host_leak(const struct sept_host *host);

#endif
