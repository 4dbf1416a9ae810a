/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the files of the host with private memory share.
 *
 * Whatever takes time there is an agent: the fault of a vCPU, a walker that splits
 * and removes mappings, the life of a VM. An agent does one step at a time, which is
 * one call of the library, one SEAMCALL or one allocation, and can be left standing
 * after any of them while others go on: that is how CPUs overlap here.
 */
#ifndef VMM_PRIVATE_INSIDE_H
#define VMM_PRIVATE_INSIDE_H

#include "private.h"
#include "private_fault.h"

#include "../machine/tdx.h"

#include <tlbtag/account.h>
#include <tlbtag/control.h>
#include <tlbtag/convert.h>
#include <tlbtag/large.h>
#include <tlbtag/pages.h>
#include <tlbtag/pamt.h>
#include <tlbtag/rules.h>
#include <tlbtag/sept.h>
#include <tlbtag/supply.h>
#include <tlbtag/sweep.h>

#define PRIVATE_REGIONS_MAX 16u
#define PRIVATE_VMS_MAX 2u
#define PRIVATE_VCPUS_MAX 3u
#define PRIVATE_SLOTS 8u
#define PRIVATE_SLOTS_PER_TABLE 4u
#define PRIVATE_TABLES (PRIVATE_SLOTS / PRIVATE_SLOTS_PER_TABLE)
#define PRIVATE_GFNS (PRIVATE_SLOTS * TDX_REGION_PAGES)
#define PRIVATE_WALKERS 2u
#define PRIVATE_LEVELS 3u
#define PRIVATE_TDCS 2u
#define PRIVATE_TDCX 1u
#define PRIVATE_CONTROL_MAX (1u + PRIVATE_TDCS + PRIVATE_VCPUS_MAX * (1u + PRIVATE_TDCX))
/* Leaves that are removed with one TRACK. */
#define PRIVATE_LEAVES 8u
/* Fault agents, walkers, the life of the VM. */
#define PRIVATE_AGENTS (PRIVATE_VCPUS_MAX + PRIVATE_WALKERS + 1u)
#define PRIVATE_NOBODY UINT8_MAX

/* --- pages --------------------------------------------------------------------- */

/* Where a page is. Each has one place, and every move says from where. */
enum private_place {
	PLACE_FREE = 0,
	PLACE_HAND,    /* with an agent */
	PLACE_VCPU,    /* fault cache, or page-table cache, of a vCPU */
	PLACE_SUPPLY,  /* supply or reservation of a VM */
	PLACE_BACKING, /* guest memory, mapped or not */
	PLACE_PAMT,    /* half of a pair */
	PLACE_SEPT,    /* a table */
	PLACE_CONTROL,
	PLACE_LOST,    /* the module may have it for ever */
};

/* What it was allocated for. */
enum private_kind {
	KIND_SEPT = 0,
	KIND_PAMT,
	KIND_CONTROL,
	KIND_GUEST,
};

#define PRIVATE_KINDS 4u

struct private_page {
	uint8_t place;
	uint8_t kind;
	uint8_t vm; /* that it was allocated for */
	bool is_charged;
};

/* --- page tables ------------------------------------------------------------------ */

/* An entry of the mirror. @frozen_by: an agent is changing it, plus 1 */
struct private_entry {
	uint32_t page;
	uint8_t kind; /* enum tdx_entry_kind */
	uint8_t frozen_by;
};

/* --- agents ------------------------------------------------------------------------ */

enum private_task {
	TASK_NONE = 0,
	TASK_FAULT,
	TASK_CONVERT,
	TASK_PUNCH,
	TASK_SPLIT,
	TASK_EAGER,
	TASK_ACCEPT, /* of a vCPU, by which something has to be split */
	TASK_CREATE,
	TASK_DESTROY,
};

/* X(NAME): the function of the step is private_at_NAME(). */
#define PRIVATE_STEPS(X)                                                                        \
	X(fault_fill) X(fault_lock) X(fault_walk) X(fault_get) X(fault_add) X(fault_call)       \
	X(fault_remove) X(fault_end)                                                            \
	X(walk_mutex) X(walk_book) X(walk_reserve) X(walk_lock) X(walk_take) X(walk_begin)      \
	X(walk_split) X(walk_give) X(walk_unlock) X(walk_end)                                   \
	X(walk_alloc) X(walk_keep) X(walk_leave) X(eager_lock) X(eager_take)                    \
	X(convert_begin) X(convert_booked) X(convert_lock) X(convert_find) X(convert_relock)    \
	X(convert_split) X(convert_was_split) X(convert_zap) X(convert_zapping)                 \
	X(convert_unlock)                                                                       \
	X(old_block) X(old_track) X(old_get) X(old_add) X(old_demote)                          \
	X(old_publish) X(old_undo) X(old_remove)                                                \
	X(life_alloc) X(life_give) X(life_start) X(life_flush) X(life_key) X(life_reclaim)      \
	X(life_remove) X(life_tables) X(life_control) X(life_free) X(life_end)

enum private_at {
	AT_idle = 0,
#define PRIVATE_AT_ENUM(name) AT_##name,
	PRIVATE_STEPS(PRIVATE_AT_ENUM)
#undef PRIVATE_AT_ENUM
};

/* What a step was. */
enum private_progress {
	PROGRESS_DONE = 0,
	PROGRESS_WAITS = 1, /* for another agent: nothing has changed */
};

enum private_lock {
	LOCK_NONE = 0,
	LOCK_SHARED = 1,
	LOCK_EXCLUSIVE = 2,
};

/**
 * struct private_agent - somebody who does something to a VM
 * @nr: in the VM's list
 * @lock: that it has of the MMU lock
 * @error: 0 or -errno, of what it did
 * @begin, @end, @cursor: gfns; @scan: of a VM that goes, nothing is left below it
 * @refused: errors injected before it began
 * @first: 2 MiB to split
 * @booked: splits to have pages for
 * @convert, @converting: a conversion, and whether it has had its LOCK
 * @is_short: a shared cache had no pages for its split
 * @is_applied: its range is shared, or a hole, now
 * @splits, @removed, @split_failed: by a conversion up to now, for the oracle
 * @accept, @was_chosen, @was_large: of a fault: the guest's ACCEPT, and what was so
 *	before
 * @target, @page: a fault's mapping in the making
 * @pair, @has_pair: PAMT pages in hand
 * @put_page, @after: a page whose use ends, and what comes after that
 * @retried, @has_use: of the old split path
 * @regions: 1 << each region whose counter it may be about to change
 */
struct private_agent {
	enum private_task task;
	enum private_at at;
	uint8_t nr;
	uint8_t vm;
	enum private_lock lock;
	int error;
	uint64_t begin;
	uint64_t end;
	uint64_t cursor;
	uint64_t scan;
	uint64_t refused;
	uint64_t first;
	uint32_t booked;
	struct tlbtag_convert convert;
	bool converting;
	bool is_short;
	bool is_applied;
	bool split_failed;
	bool is_excused; /* a careless fault has made its conversion fail */
	uint32_t splits;
	uint32_t removed;
	enum tlbtag_level accept;
	bool was_chosen;
	bool was_large;
	struct tdx_where target;
	bool target_is_table;
	bool has_pair;
	bool has_mutex;
	bool retried;
	bool has_use;
	bool stays_open; /* of a VM that is made: it is finalised later */
	bool has_key; /* the TD's key was given back: its pages can be reclaimed */
	bool holds_cache_lock;
	uint32_t page;
	uint32_t put_page;
	enum private_at after;
	tlbtag_page_t pair[TLBTAG_PAIR_PAGES];
	tlbtag_page_t spare; /* just allocated */
	struct tlbtag_reserve reserve;
	bool has_reserve;
	struct tlbtag_kit kit;
	struct tlbtag_sept_op op;
	struct tlbtag_sept_where where;
	enum tlbtag_sept_step step;
	/* SEAMCALLs made in this operation, by leaf of a sweep and step */
	uint8_t made[PRIVATE_LEAVES][TLBTAG_SEPT_START_VCPUS + 1];
	bool is_sweep;
	struct tlbtag_sweep sweep;
	struct tlbtag_sept_where leaf[PRIVATE_LEAVES];
	uint64_t leaf_gfn[PRIVATE_LEAVES];
	struct tlbtag_control control;
	enum tlbtag_control_step control_step;
	uint32_t regions;
};

/* --- VMs ----------------------------------------------------------------------------- */

enum private_state {
	VM_NONE = 0,
	VM_BUILD, /* not finalised: 4 KiB pages only, and nothing goes */
	VM_LIVE,
	VM_DEAD, /* beyond repair, waits for its destruction */
	VM_GOING, /* is made or unmade */
	VM_LOST,  /* gone, but the module could not give all of it back */
};

struct private_vcpu {
	struct tlbtag_pages cache;
	tlbtag_page_t table[PRIVATE_LEVELS - 1];
	uint32_t table_count;
	bool is_associated;
};

struct private_vm {
	enum private_state state;
	uint8_t nr;
	bool is_stopped;
	uint8_t shared_holders;
	uint8_t exclusive;
	uint8_t mutex;
	struct tlbtag_supply supply;
	struct private_vcpu vcpu[PRIVATE_VCPUS_MAX];
	struct private_agent agent[PRIVATE_AGENTS];
	tlbtag_page_t control[PRIVATE_CONTROL_MAX];
	uint32_t control_count;
	uint32_t given_count; /* of these, the module has */
	bool has_leaked;      /* the module keeps something: the TDR stays as well */
	struct private_entry upper[PRIVATE_TABLES];
	struct private_entry middle[PRIVATE_SLOTS];
	struct private_entry leaf[PRIVATE_SLOTS][TDX_REGION_PAGES];
	uint32_t backing[PRIVATE_GFNS];
	bool is_folio[PRIVATE_SLOTS];
	bool is_shared[PRIVATE_GFNS];
	struct tlbtag_large large;
	uint64_t large_words[PRIVATE_SLOTS / 64 + 1];
	uint32_t chosen; /* slots of which the guest, or its owner, wants 4 KiB leaves */
	uint64_t begin;	 /* its memory */
	uint64_t end;
	uint32_t touched; /* slots to compare with the secure table */
};

struct private_host {
	struct vmm_config config;
	struct tdx *tdx;
	struct tlbtag_pamt pamt;
	uint16_t words[PRIVATE_REGIONS_MAX];
	struct private_page page[PRIVATE_REGIONS_MAX * TDX_REGION_PAGES];
	uint32_t free_count[PRIVATE_REGIONS_MAX];
	uint32_t next_page[PRIVATE_REGIONS_MAX];
	uint32_t next_region;
	bool is_stuck[PRIVATE_REGIONS_MAX];
	uint32_t latest_pair[TDX_PAIR_PAGES]; /* what PAMT.REMOVE answered last */
	uint64_t refused; /* errors that were injected, seen up to now */
	/* after @left more allocations so many fail */
	uint32_t left;
	uint32_t fails;
	uint32_t lost_uses[PRIVATE_REGIONS_MAX]; /* by an interrupted DEMOTE, or a leak */
	/* By VM: the library's books, which outlive it, and those to compare them with */
	struct tlbtag_account account[PRIVATE_VMS_MAX];
	uint32_t held[PRIVATE_VMS_MAX][PRIVATE_KINDS];
	uint32_t held_max[PRIVATE_VMS_MAX][PRIVATE_KINDS];
	struct private_vm vm[PRIVATE_VMS_MAX];
	struct vmm_counts counts;
	struct vmm_verdict verdict;
};

static inline bool has_fault(const struct private_host *host, enum private_fault_id fault)
{
	return host->config.fault == (uint32_t)fault;
}

static inline struct private_vm *vm_of(struct private_host *host,
				       const struct private_agent *agent)
{
	return &host->vm[agent->vm];
}

static inline uint32_t region_of_page(uint64_t page)
{
	return (uint32_t)(page / TDX_REGION_PAGES);
}

/* Can memory be mapped? */
static inline bool has_memory(const struct private_vm *vm)
{
	return vm->state == VM_LIVE || vm->state == VM_BUILD;
}

/* --- private_pages.c --- */

/* Return: a page in the hand of its caller, charged to the VM, or TLBTAG_PAGE_NONE. */
tlbtag_page_t private_page_alloc(struct private_host *host, uint8_t vm, enum private_kind kind);
/* The same, uncharged. */
tlbtag_page_t private_page_alloc_free(struct private_host *host, uint8_t vm,
				      enum private_kind kind);
/* 512 pages on a boundary, as backing; TLBTAG_PAGE_NONE. */
tlbtag_page_t private_folio_alloc(struct private_host *host, uint8_t vm);
void private_page_free(struct private_host *host, tlbtag_page_t page, enum private_place from);
void private_page_move(struct private_host *host, tlbtag_page_t page, enum private_place from,
		       enum private_place to);
/* It is used as this now. */
void private_page_use(struct private_host *host, tlbtag_page_t page, enum private_kind kind);

/* --- private_call.c: SEAMCALLs, and the steps of plans --- */

/* SUCCESS, BUSY, or an error that was injected; others are verdicts. */
enum tdx_status private_judge(struct private_host *host, const struct private_agent *agent,
			      enum tdx_call call, enum tdx_status status);
enum tdx_status private_pamt_add(struct private_host *host, struct private_agent *agent,
				 uint64_t page, const tlbtag_page_t *pair);
/* The two pages are freed if it succeeds. */
bool private_pamt_remove(struct private_host *host, struct private_agent *agent, uint64_t page);
/* All vCPUs leave the guest; lightly: and those that want to, and may, are back. */
void private_kick(struct private_host *host, struct private_agent *agent);
void private_kick_lightly(struct private_host *host, struct private_agent *agent);
/* An operation on the secure table, or a sweep, begins with this step. */
void private_sept_begin(struct private_agent *agent, enum tlbtag_sept_step step, bool is_sweep);
/* It is over: its error; if it has cost the VM its life, that is so now. */
int private_sept_end(struct private_host *host, struct private_agent *agent);
/* One step of the agent's operation on the secure table; DONE when it is over. */
enum private_progress private_sept_step(struct private_host *host, struct private_agent *agent);
enum private_progress private_control_step(struct private_host *host,
					   struct private_agent *agent);
/* A use of that page's region ends; then @after. */
void private_put(struct private_host *host, struct private_agent *agent, uint64_t page,
		 enum private_at after);
enum tdx_status private_demote(struct private_host *host, struct private_agent *agent,
			       const tlbtag_page_t *pair);
void private_publish_split(struct private_host *host, struct private_agent *agent);
/* CLFLUSH's counterpart for a TD's lines, and the reset; false: it cannot be used. */
bool private_page_clean(struct private_host *host, struct private_agent *agent, uint32_t page);
void private_kill(struct private_host *host, struct private_agent *agent);

/* --- private_agent.c --- */

/* What an entry of that level maps. */
uint32_t private_pages_of(enum tdx_level level);
struct private_entry *private_entry_at(struct private_vm *vm, struct tdx_where where);
bool private_is_all_private(const struct private_vm *vm, uint64_t gfn);
bool private_lock_exclusive(struct private_host *host, struct private_agent *agent);
bool private_lock_shared(struct private_host *host, struct private_agent *agent);
void private_unlock(struct private_host *host, struct private_agent *agent);
void private_agent_begin(struct private_host *host, struct private_agent *agent,
			 enum private_task task, enum private_at at);
void private_agent_end(struct private_host *host, struct private_agent *agent);
/* Up to @steps steps, 0: until it ends or waits. Return: whether there was one. */
bool private_agent_run(struct private_host *host, struct private_agent *agent,
		       unsigned int steps);

#define PRIVATE_AT_DECLARE(name)                                                                \
	enum private_progress private_at_##name(struct private_host *host,                      \
						struct private_agent *agent);
PRIVATE_STEPS(PRIVATE_AT_DECLARE)
#undef PRIVATE_AT_DECLARE

/* --- private_convert.c --- */

/* Where a page is, seen from all conversions that have had their LOCK. */
enum tlbtag_near private_near(const struct private_host *host, const struct private_vm *vm,
			      uint64_t gfn);

/* --- private_walk.c --- */

/* The pages of a split are taken, and the mapping is aimed at; 0 or -errno. */
int private_split_begin(struct private_host *host, struct private_agent *agent, uint64_t gfn);
void private_aim(struct private_host *host, struct private_agent *agent, uint64_t gfn,
		 enum tdx_level level);

/* --- private_oracle.c --- */

void private_wrong(struct private_host *host, enum vmm_wrong wrong, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* A leaf was mapped; it went; a conversion begins and ends; a split did; an ACCEPT, too. */
void private_look_at_leaf(struct private_host *host, const struct private_vm *vm,
			  struct tdx_where where);
void private_look_at_removal(struct private_host *host, struct private_agent *agent,
			     uint32_t pages);
void private_look_at_plan(struct private_host *host, const struct private_agent *agent);
void private_look_at_conversion(struct private_host *host, const struct private_agent *agent);
void private_look_at_split(struct private_host *host, struct private_agent *agent, int error);
void private_look_at_accept(struct private_host *host, const struct private_agent *agent);
/* After each operation. */
void private_look(struct private_host *host);
/* At the end: is anything left? */
void private_look_for_leaks(struct private_host *host);

/* --- private_op.c --- */

void private_vm_reset(struct private_host *host, struct private_vm *vm);

#endif
