/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The TDX module as an adversary: who owns which page, the secure page table of
 * each TD, what vCPUs may still have cached of it, and which SEAMCALL answers what
 * error. doc/MODEL_SEPT.md says what is modelled.
 *
 *	struct tdx_config config;
 *
 *	tdx_config_init(&config);
 *	tdx = tdx_create(&config);
 *	status = tdx_pamt_add(tdx, region, pages);
 *	status = tdx_mng_create(tdx, 0, tdr, hkid);
 *	...
 *	status = tdx_mem_page_aug(tdx, (struct tdx_where){ 0, TDX_2M, gfn }, page);
 *	if (tdx_harm(tdx)->what != TDX_HARM_NONE)
 *		...the host has done what hardware punishes later...
 *
 * A call either succeeds or changes nothing. Errors come in the order of the
 * checks: operands, locks, states. Nothing here is thread safe, and everything is
 * deterministic: BUSY comes where tdx_refuse() puts it, or with config.contended
 * wherever a vCPU in the guest could cause it.
 *
 * Pages are physical page frame numbers, regions are 512 of them. A guest's page
 * frame number (gfn) counts from 0; a page of S-EPT at level 4K has 512 entries,
 * one at level 2M config.slots_per_table, and the root is in the TDCS.
 */
#ifndef MACHINE_TDX_H
#define MACHINE_TDX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TDX_REGION_PAGES 512u
#define TDX_PAIR_PAGES 2u
#define TDX_PAGE_NONE UINT32_MAX
#define TDX_TDS_MAX 8u
#define TDX_VCPUS_MAX 8u
/* TDX_FEATURES0: DEMOTE is never interrupted; Dynamic PAMT. */
#define TDX_FEATURE_DYNAMIC_PAMT (UINT64_C(1) << 36)
#define TDX_FEATURE_DEMOTE_WHOLE (UINT64_C(1) << 51)

enum tdx_level {
	TDX_4K = 0,
	TDX_2M = 1,
	TDX_1G = 2,
};

/* What a SEAMCALL answers; the names are the specification's. */
enum tdx_status {
	TDX_SUCCESS = 0,
	TDX_OPERAND_INVALID,
	TDX_OPERAND_BUSY,
	TDX_PREVIOUS_TLB_EPOCH_BUSY,
	TDX_INTERRUPTED_RESTARTABLE,
	/* the page is not in the state that the call needs */
	TDX_PAGE_METADATA_INCORRECT,
	/* the page's region has no pair */
	TDX_MISSING_PAMT_PAGE_PAIR,
	/* PAMT.ADD: there is a pair, or a 2 MiB page; PAMT.REMOVE: pages are in use */
	TDX_HPA_RANGE_NOT_FREE,
	TDX_HKID_NOT_FREE,
	TDX_LIFECYCLE_STATE_INCORRECT,
	TDX_VCPU_STATE_INCORRECT,
	TDX_FLUSHVP_NOT_DONE,
	TDX_TD_ASSOCIATED_PAGES_EXIST,
	/* no table there, or a leaf above */
	TDX_EPT_WALK_FAILED,
	TDX_EPT_ENTRY_STATE_INCORRECT,
	TDX_TLB_TRACKING_NOT_DONE,
	/* of TDG.MEM.PAGE.ACCEPT */
	TDX_PAGE_SIZE_MISMATCH,
	TDX_PAGE_ALREADY_ACCEPTED,
	/* no mapping: the vCPU leaves the guest with an EPT violation */
	TDX_EPT_VIOLATION,
	TDX_NOT_SUPPORTED,
	TDX_STATUSES,
};

/* Calls that can be counted and refused. */
#define TDX_CALLS_LIST(X)                                                                       \
	X(MNG_CREATE, "MNG.CREATE")                                                             \
	X(MNG_ADDCX, "MNG.ADDCX")                                                               \
	X(MNG_INIT, "MNG.INIT")                                                                 \
	X(MR_FINALIZE, "MR.FINALIZE")                                                           \
	X(MNG_VPFLUSHDONE, "MNG.VPFLUSHDONE")                                                   \
	X(MNG_KEY_FREEID, "MNG.KEY.FREEID")                                                     \
	X(VP_CREATE, "VP.CREATE")                                                               \
	X(VP_ADDCX, "VP.ADDCX")                                                                 \
	X(VP_INIT, "VP.INIT")                                                                   \
	X(VP_ENTER, "VP.ENTER")                                                                 \
	X(VP_FLUSH, "VP.FLUSH")                                                                 \
	X(SEPT_ADD, "MEM.SEPT.ADD")                                                             \
	X(PAGE_ADD, "MEM.PAGE.ADD")                                                             \
	X(PAGE_AUG, "MEM.PAGE.AUG")                                                             \
	X(RANGE_BLOCK, "MEM.RANGE.BLOCK")                                                       \
	X(RANGE_UNBLOCK, "MEM.RANGE.UNBLOCK")                                                   \
	X(MEM_TRACK, "MEM.TRACK")                                                               \
	X(PAGE_DEMOTE, "MEM.PAGE.DEMOTE")                                                       \
	X(PAGE_PROMOTE, "MEM.PAGE.PROMOTE")                                                     \
	X(PAGE_REMOVE, "MEM.PAGE.REMOVE")                                                       \
	X(PAGE_RECLAIM, "PHYMEM.PAGE.RECLAIM")                                                  \
	X(PAGE_WBINVD, "PHYMEM.PAGE.WBINVD")                                                    \
	X(CACHE_WB, "PHYMEM.CACHE.WB")                                                          \
	X(PAMT_ADD, "PHYMEM.PAMT.ADD")                                                          \
	X(PAMT_REMOVE, "PHYMEM.PAMT.REMOVE")

enum tdx_call {
#define TDX_CALL_ENUM(id, name) TDX_CALL_##id,
	TDX_CALLS_LIST(TDX_CALL_ENUM)
#undef TDX_CALL_ENUM
	TDX_CALLS
};

const char *tdx_call_name(enum tdx_call call);
const char *tdx_status_name(enum tdx_status status);

/**
 * struct tdx_config - what is fixed for the life of a module
 * @regions: 2 MiB regions of physical memory
 * @slots: 2 MiB slots of each TD's guest-physical memory
 * @slots_per_table: entries in use of a page of S-EPT at level 2M, 1 .. 512
 * @tds, @vcpus: how many TDs, and vCPUs of each, there can be
 * @tdcs_pages, @tdcx_pages: that a TD, a vCPU need besides TDR and TDVPR
 * @dynamic_pamt: 4 KiB uses need a pair
 * @demote_interruptible: an older module: DEMOTE may be interrupted half-way
 * @trusting: a module that does not look whether TRACK was done, and takes a page
 *	all the same: what the check would have refused shows as harm
 * @contended: BLOCK, UNBLOCK, TRACK, DEMOTE and REMOVE are busy whenever a vCPU
 *	in the guest could make them so; otherwise only as tdx_refuse() says
 * @erratum: pages that come back must be reset before the host writes to them
 */
struct tdx_config {
	uint32_t regions;
	uint32_t slots;
	uint32_t slots_per_table;
	uint32_t tds;
	uint32_t vcpus;
	uint32_t tdcs_pages;
	uint32_t tdcx_pages;
	bool dynamic_pamt;
	bool demote_interruptible;
	bool trusting;
	bool contended;
	bool erratum;
};

/* Dynamic PAMT, DEMOTE not interrupted, 16 regions, 8 slots, 2 TDs of 2 vCPUs. */
void tdx_config_init(struct tdx_config *config);

struct tdx;

/* Return: NULL when out of memory, or a number of the configuration is out of range. */
struct tdx *tdx_create(const struct tdx_config *config);
/* As new; the sizes must be those of its creation. Cheap if little was touched. */
void tdx_restart(struct tdx *tdx, const struct tdx_config *config);
void tdx_destroy(struct tdx *tdx);

/* TDX_FEATURES0. */
uint64_t tdx_features(const struct tdx *tdx);

/* --- what hardware punishes later -------------------------------------------------- */

/**
 * enum tdx_harm_kind - what the host did
 * @TDX_HARM_HOST_LINES: gave a page to the module without writing its own cache
 *	lines back: they may overwrite the TD's data
 * @TDX_HARM_KEY_LINES: used a page whose lines with the TD's key were not written
 *	back: they may overwrite the host's data
 * @TDX_HARM_STAIN: used a page without the reset that the erratum asks for
 * @TDX_HARM_TOUCH: used a page that the module has
 * @TDX_HARM_STALE: (trusting) a page left the table while a vCPU may still have its
 *	translation
 */
enum tdx_harm_kind {
	TDX_HARM_NONE = 0,
	TDX_HARM_HOST_LINES,
	TDX_HARM_KEY_LINES,
	TDX_HARM_STAIN,
	TDX_HARM_TOUCH,
	TDX_HARM_STALE,
};

struct tdx_harm {
	enum tdx_harm_kind what;
	uint32_t page;
	uint32_t vcpu; /* STALE: of the page's TD */
};

/* The first harm since the start. */
const struct tdx_harm *tdx_harm(const struct tdx *tdx);
const char *tdx_harm_text(enum tdx_harm_kind what);

/* --- injected errors and counts ------------------------------------------------------ */

/**
 * tdx_refuse() - the next such call answers this
 * @tdx: a module
 * @call: which
 * @status: an error. TDX_OPERAND_BUSY waits, except for PAMT_ADD and PAMT_REMOVE,
 *	until a vCPU in the guest can be the reason, and
 *	TDX_INTERRUPTED_RESTARTABLE is for PAGE_DEMOTE of a module that is
 *	interruptible; TDX_SUCCESS takes it back
 * @after: so many calls later
 *
 * Return: false if this module never answers that.
 */
bool tdx_refuse(struct tdx *tdx, enum tdx_call call, enum tdx_status status, uint32_t after);

/* Is such a call waited for? */
bool tdx_is_refusing(const struct tdx *tdx, enum tdx_call call);

/* Calls up to now, however they ended. */
uint64_t tdx_calls(const struct tdx *tdx, enum tdx_call call);
uint64_t tdx_calls_all(const struct tdx *tdx);
/*
 * Calls that ended as tdx_refuse() said, and as a sound module never answers: neither
 * BUSY with a vCPU in the guest nor INTERRUPTED.
 */
uint64_t tdx_refused(const struct tdx *tdx);

/* --- the host and its memory --------------------------------------------------------- */

/* The host writes to a page (and may leave lines of its own in the cache). */
void tdx_host_use(struct tdx *tdx, uint32_t page);
/* CLFLUSH of all of a page. */
void tdx_host_flush(struct tdx *tdx, uint32_t page);
/* MOVDIR64B of all of a page: the reset that the erratum asks for. */
void tdx_host_reset(struct tdx *tdx, uint32_t page);

/* --- PAMT -------------------------------------------------------------------------- */

enum tdx_status tdx_pamt_add(struct tdx *tdx, uint32_t region,
			     const uint32_t pages[TDX_PAIR_PAGES]);
/* @pages: filled in if it succeeds */
enum tdx_status tdx_pamt_remove(struct tdx *tdx, uint32_t region, uint32_t pages[TDX_PAIR_PAGES]);

/* --- life of a TD and its vCPUs ------------------------------------------------------ */

/* A free @td of the host's choice; its name for all other calls. */
enum tdx_status tdx_mng_create(struct tdx *tdx, uint32_t td, uint32_t tdr, uint32_t hkid);
enum tdx_status tdx_mng_addcx(struct tdx *tdx, uint32_t td, uint32_t page);
enum tdx_status tdx_mng_init(struct tdx *tdx, uint32_t td);
enum tdx_status tdx_mr_finalize(struct tdx *tdx, uint32_t td);
enum tdx_status tdx_mng_vpflushdone(struct tdx *tdx, uint32_t td);
enum tdx_status tdx_phymem_cache_wb(struct tdx *tdx);
enum tdx_status tdx_mng_key_freeid(struct tdx *tdx, uint32_t td);
enum tdx_status tdx_vp_create(struct tdx *tdx, uint32_t td, uint32_t vcpu, uint32_t tdvpr);
enum tdx_status tdx_vp_addcx(struct tdx *tdx, uint32_t td, uint32_t vcpu, uint32_t page);
enum tdx_status tdx_vp_init(struct tdx *tdx, uint32_t td, uint32_t vcpu);
enum tdx_status tdx_vp_enter(struct tdx *tdx, uint32_t td, uint32_t vcpu);
/* The vCPU leaves the guest; not a SEAMCALL. */
void tdx_vp_exit(struct tdx *tdx, uint32_t td, uint32_t vcpu);
enum tdx_status tdx_vp_flush(struct tdx *tdx, uint32_t td, uint32_t vcpu);
/* Only when the TD's key is gone; its TDR last of all. @level: the page's */
enum tdx_status tdx_phymem_page_reclaim(struct tdx *tdx, uint32_t page, enum tdx_level level);
/* Writes lines with a TD's key back; for a 2 MiB page once for each 4 KiB. */
enum tdx_status tdx_phymem_page_wbinvd(struct tdx *tdx, uint32_t page);

/* --- the secure page table ------------------------------------------------------------ */

/* A TD's guest page frame, at a level; @gfn must be on that level's boundary. */
struct tdx_where {
	uint32_t td;
	enum tdx_level level;
	uint64_t gfn;
};

/* @page becomes the table that where.level's entry names: 2M or 1G. */
enum tdx_status tdx_mem_sept_add(struct tdx *tdx, struct tdx_where where, uint32_t page);
/* 4K only, before MR.FINALIZE; accepted at once. */
enum tdx_status tdx_mem_page_add(struct tdx *tdx, struct tdx_where where, uint32_t page);
/* 4K or 2M, after it; pending until the guest accepts. */
enum tdx_status tdx_mem_page_aug(struct tdx *tdx, struct tdx_where where, uint32_t page);
enum tdx_status tdx_mem_range_block(struct tdx *tdx, struct tdx_where where);
enum tdx_status tdx_mem_range_unblock(struct tdx *tdx, struct tdx_where where);
enum tdx_status tdx_mem_track(struct tdx *tdx, uint32_t td);
/* @pair: under Dynamic PAMT, for the region of the mapping; else NULL */
enum tdx_status tdx_mem_page_demote(struct tdx *tdx, struct tdx_where where, uint32_t table,
				    const uint32_t *pair);
/* Always TDX_NOT_SUPPORTED. */
enum tdx_status tdx_mem_page_promote(struct tdx *tdx, struct tdx_where where);
enum tdx_status tdx_mem_page_remove(struct tdx *tdx, struct tdx_where where);

/* --- the guest ------------------------------------------------------------------------ */

/*
 * TDG.MEM.PAGE.ACCEPT by a vCPU in the guest. SIZE_MISMATCH: the mapping is smaller
 * than @level. EPT_VIOLATION: there is none, it is blocked, or larger than @level; the
 * vCPU leaves the guest, and the host is told the level.
 */
enum tdx_status tdx_guest_accept(struct tdx *tdx, uint32_t vcpu, struct tdx_where where);
/* @page: what a walk of the table gives; EPT_VIOLATION: as above, also if pending. */
enum tdx_status tdx_guest_access(struct tdx *tdx, uint32_t td, uint32_t vcpu, uint64_t gfn,
				 uint32_t *page);
/*
 * May this vCPU, in the guest now, still reach a page through a translation that
 * the table has not any more, or that is blocked? @page: filled in if so
 */
bool tdx_guest_may_reach(const struct tdx *tdx, uint32_t td, uint32_t vcpu, uint64_t gfn,
			 uint32_t *page);

/* --- for oracles ---------------------------------------------------------------------- */

enum tdx_use {
	TDX_USE_NONE = 0,
	TDX_USE_PAMT,
	TDX_USE_TDR,
	TDX_USE_TDCS,
	TDX_USE_TDVPR,
	TDX_USE_TDCX,
	TDX_USE_SEPT,
	TDX_USE_GUEST,	  /* by a 4 KiB leaf */
	TDX_USE_GUEST_2M, /* by a 2 MiB leaf */
};

enum tdx_use tdx_page_use(const struct tdx *tdx, uint32_t page);
/* May the host write to it now without harm? */
bool tdx_page_is_clean(const struct tdx *tdx, uint32_t page);
/* 4 KiB uses of a region, 0 .. 512; does it have a pair? (never without Dynamic PAMT) */
uint32_t tdx_region_uses(const struct tdx *tdx, uint32_t region);
bool tdx_region_has_pair(const struct tdx *tdx, uint32_t region);
/* Pages that the module has: of all kinds, and of pairs. */
uint64_t tdx_pages_held(const struct tdx *tdx);
uint64_t tdx_pages_pamt(const struct tdx *tdx);

enum tdx_entry_kind {
	TDX_ENTRY_FREE = 0,
	TDX_ENTRY_LEAF = 1,
	TDX_ENTRY_TABLE = 2,
};

/**
 * struct tdx_entry - an entry of the secure page table
 * @kind: what it is
 * @is_blocked: by RANGE.BLOCK
 * @is_pending: a leaf that the guest has not accepted
 * @page: that it names
 */
struct tdx_entry {
	enum tdx_entry_kind kind;
	bool is_blocked;
	bool is_pending;
	uint32_t page;
};

/* The entry of that level itself; FREE where there is no table. */
struct tdx_entry tdx_entry(const struct tdx *tdx, struct tdx_where where);
/* Does MNG.CREATE to the TDR's RECLAIM hold of it? Does it run (MR.FINALIZE done)? */
bool tdx_td_exists(const struct tdx *tdx, uint32_t td);
bool tdx_td_is_runnable(const struct tdx *tdx, uint32_t td);
bool tdx_vcpu_is_in_guest(const struct tdx *tdx, uint32_t td, uint32_t vcpu);

#endif
