/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the files of the TDX module share.
 */
#ifndef MACHINE_TDX_INSIDE_H
#define MACHINE_TDX_INSIDE_H

#include "tdx.h"

/* Whose cache lines of a page may still be written to memory. */
enum tdx_lines {
	TDX_LINES_CLEAN = 0,
	TDX_LINES_HOST = 1,
	TDX_LINES_KEY = 2,
};

struct tdx_page {
	uint8_t use; /* enum tdx_use; of a page of a 2 MiB leaf NONE, see tdx_region */
	uint8_t lines;
	uint8_t td;
	bool stained;
};

/* A region without `page` was never touched. */
struct tdx_region {
	struct tdx_page *page;
	uint32_t pair[TDX_PAIR_PAGES];
	uint16_t uses;
	uint16_t pamt; /* pages of this region that are in pairs */
	bool has_pair;
	bool is_huge;
	bool is_dirty;
};

/* An entry: @holders may have it cached since before @blocked_at, unless flushed. */
struct tdx_slot {
	uint32_t page;
	uint8_t kind;
	bool is_blocked;
	bool is_pending;
	uint8_t holders;
	uint32_t epoch; /* of the TD when it was blocked */
	uint32_t blocked_at;
	uint32_t made_at;
};

struct tdx_vcpu {
	bool exists;
	bool is_initialised;
	bool is_in_guest;
	bool is_associated;
	uint32_t tdcx;
	uint32_t epoch; /* of the TD at its last entry */
	uint32_t flushed_at;
	uint32_t left_at;
};

enum tdx_td_state {
	TDX_TD_NONE = 0,
	TDX_TD_CREATED = 1,
	TDX_TD_BUILD = 2,
	TDX_TD_RUNNABLE = 3,
	TDX_TD_FLUSHED = 4,
	TDX_TD_TEARDOWN = 5,
};

struct tdx_td {
	enum tdx_td_state state;
	uint32_t tdr;
	uint32_t hkid;
	uint32_t tdcs;
	uint64_t pages; /* besides the TDR */
	bool is_written_back;
	/* `running` by the parity of the epoch that vCPUs entered in */
	uint32_t epoch;
	uint32_t running[2];
	struct tdx_vcpu vcpu[TDX_VCPUS_MAX];
	struct tdx_slot *upper;	 /* 1G: by gfn / 512 / slots_per_table */
	struct tdx_slot *middle; /* 2M: by gfn / 512 */
	struct tdx_slot **leaf;	 /* 4K: tables, by gfn / 512 */
};

struct tdx_refusal {
	uint8_t status;
	uint32_t after;
};

struct tdx {
	struct tdx_config config;
	struct tdx_region *region;
	struct tdx_td td[TDX_TDS_MAX];
	struct tdx_harm harm;
	uint64_t calls[TDX_CALLS];
	struct tdx_refusal refusal[TDX_CALLS];
	uint64_t refused;
	uint64_t held;
	uint64_t pamt;
	uint32_t clock;
};

/* --- tdx.c --- */

/*
 * After the operands were checked: SUCCESS, or what was injected, or what vCPUs in
 * the guest cause. @td may be TDX_PAGE_NONE: a call that is about no TD.
 */
enum tdx_status tdx_gate(struct tdx *tdx, enum tdx_call call, uint32_t td);
/* An operand is wrong: counted as a call. */
enum tdx_status tdx_invalid(struct tdx *tdx, enum tdx_call call);

bool tdx_has_page(const struct tdx *tdx, uint32_t page);
struct tdx_page *tdx_page(struct tdx *tdx, uint32_t page);
void tdx_do_harm(struct tdx *tdx, enum tdx_harm_kind what, uint32_t page, uint32_t vcpu);

/* Could it become such a page? SUCCESS or the error. */
enum tdx_status tdx_page_check(struct tdx *tdx, uint32_t page, enum tdx_use use);
void tdx_page_take(struct tdx *tdx, uint32_t page, enum tdx_use use, uint32_t td);
void tdx_page_release(struct tdx *tdx, uint32_t page);
/* The same for a region as one page; with @was_private it becomes 512 pages or back. */
enum tdx_status tdx_region_check(struct tdx *tdx, uint32_t page);
void tdx_region_take(struct tdx *tdx, uint32_t page, uint32_t td);
void tdx_region_release(struct tdx *tdx, uint32_t page);
/* A 2 MiB page becomes 512 pages; the pair, if there is Dynamic PAMT, is theirs. */
enum tdx_status tdx_region_split_check(struct tdx *tdx, uint32_t page, const uint32_t *pair);
void tdx_region_split(struct tdx *tdx, uint32_t page, uint32_t td, const uint32_t *pair);

/* --- tdx_td.c --- */

struct tdx_td *tdx_td_at(struct tdx *tdx, uint32_t td);
bool tdx_td_is_contended(const struct tdx *tdx, uint32_t td);
void tdx_td_restart(struct tdx *tdx, uint32_t td);

#endif
