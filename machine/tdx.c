/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The TDX module: physical pages, who has them, and the metadata of their regions.
 */
#include "tdx_inside.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS_PER_TABLE_MAX 512u
/* Page frame numbers have 32 bits, and the last is no page. */
#define REGIONS_MAX (UINT32_MAX / TDX_REGION_PAGES)

const char *tdx_call_name(enum tdx_call call)
{
	static const char *const names[] = {
#define TDX_CALL_NAME(id, name) name,
		TDX_CALLS_LIST(TDX_CALL_NAME)
#undef TDX_CALL_NAME
	};

	return (unsigned int)call < TDX_CALLS ? names[call] : "?";
}

const char *tdx_status_name(enum tdx_status status)
{
	static const char *const names[] = {
		"SUCCESS", "OPERAND_INVALID", "OPERAND_BUSY", "PREVIOUS_TLB_EPOCH_BUSY",
		"INTERRUPTED_RESTARTABLE", "PAGE_METADATA_INCORRECT", "MISSING_PAMT_PAGE_PAIR",
		"HPA_RANGE_NOT_FREE", "HKID_NOT_FREE", "LIFECYCLE_STATE_INCORRECT",
		"VCPU_STATE_INCORRECT", "FLUSHVP_NOT_DONE", "TD_ASSOCIATED_PAGES_EXIST",
		"EPT_WALK_FAILED", "EPT_ENTRY_STATE_INCORRECT", "TLB_TRACKING_NOT_DONE",
		"PAGE_SIZE_MISMATCH", "PAGE_ALREADY_ACCEPTED", "EPT_VIOLATION", "NOT_SUPPORTED",
	};

	_Static_assert(sizeof(names) / sizeof(names[0]) == TDX_STATUSES, "a name for each");
	return (unsigned int)status < TDX_STATUSES ? names[status] : "?";
}

/* --- made and unmade ------------------------------------------------------- */

void tdx_config_init(struct tdx_config *config)
{
	*config = (struct tdx_config){
		.regions = 16, .slots = 8, .slots_per_table = SLOTS_PER_TABLE_MAX, .tds = 2,
		.vcpus = 2, .tdcs_pages = 2, .tdcx_pages = 1, .dynamic_pamt = true,
	};
}

static bool is_config_possible(const struct tdx_config *config)
{
	return config->regions && config->regions <= REGIONS_MAX && config->slots &&
	       config->slots_per_table && config->slots_per_table <= SLOTS_PER_TABLE_MAX &&
	       config->tds && config->tds <= TDX_TDS_MAX && config->vcpus &&
	       config->vcpus <= TDX_VCPUS_MAX;
}

static bool alloc_td(struct tdx *tdx, struct tdx_td *td)
{
	uint32_t slots = tdx->config.slots;

	td->upper = calloc(slots, sizeof(*td->upper));
	td->middle = calloc(slots, sizeof(*td->middle));
	td->leaf = calloc(slots, sizeof(*td->leaf));
	return td->upper && td->middle && td->leaf;
}

struct tdx *tdx_create(const struct tdx_config *config)
{
	struct tdx *tdx = is_config_possible(config) ? calloc(1, sizeof(*tdx)) : NULL;
	bool done;

	if (!tdx)
		return NULL;
	tdx->config = *config;
	tdx->region = calloc(config->regions, sizeof(*tdx->region));
	done = tdx->region != NULL;
	for (uint32_t td = 0; td < config->tds; td++)
		done &= alloc_td(tdx, &tdx->td[td]);
	if (done)
		return tdx;
	tdx_destroy(tdx);
	return NULL;
}

static void restart_region(struct tdx_region *region)
{
	struct tdx_page *page = region->page;

	if (!region->is_dirty)
		return;
	memset(page, 0, TDX_REGION_PAGES * sizeof(*page));
	*region = (struct tdx_region){ .page = page };
}

void tdx_restart(struct tdx *tdx, const struct tdx_config *config)
{
	tdx->config = *config;
	for (uint32_t i = 0; i < config->regions; i++)
		restart_region(&tdx->region[i]);
	for (uint32_t td = 0; td < config->tds; td++)
		tdx_td_restart(tdx, td);
	memset(tdx->calls, 0, sizeof(tdx->calls));
	memset(tdx->refusal, 0, sizeof(tdx->refusal));
	tdx->harm = (struct tdx_harm){ .what = TDX_HARM_NONE };
	tdx->refused = 0;
	tdx->held = 0;
	tdx->pamt = 0;
	tdx->clock = 0;
}

void tdx_destroy(struct tdx *tdx)
{
	if (!tdx)
		return;
	for (uint32_t i = 0; tdx->region && i < tdx->config.regions; i++)
		free(tdx->region[i].page);
	for (uint32_t i = 0; i < tdx->config.tds; i++) {
		struct tdx_td *td = &tdx->td[i];

		for (uint32_t slot = 0; td->leaf && slot < tdx->config.slots; slot++)
			free(td->leaf[slot]);
		free(td->upper);
		free(td->middle);
		free(td->leaf);
	}
	free(tdx->region);
	free(tdx);
}

uint64_t tdx_features(const struct tdx *tdx)
{
	return (tdx->config.dynamic_pamt ? TDX_FEATURE_DYNAMIC_PAMT : 0) |
	       (tdx->config.demote_interruptible ? 0 : TDX_FEATURE_DEMOTE_WHOLE);
}

/* --- harm, refusals, counts ------------------------------------------------ */

const struct tdx_harm *tdx_harm(const struct tdx *tdx)
{
	return &tdx->harm;
}

void tdx_do_harm(struct tdx *tdx, enum tdx_harm_kind what, uint32_t page, uint32_t vcpu)
{
	if (tdx->harm.what == TDX_HARM_NONE)
		tdx->harm = (struct tdx_harm){ what, page, vcpu };
}

const char *tdx_harm_text(enum tdx_harm_kind what)
{
	switch (what) {
	case TDX_HARM_NONE:
		return "no harm was done";
	case TDX_HARM_HOST_LINES:
		return "the module took a page with cache lines of the host's in flight";
	case TDX_HARM_KEY_LINES:
		return "the host used a page with cache lines of a TD's key in flight";
	case TDX_HARM_STAIN:
		return "the host used a page that was not reset";
	case TDX_HARM_TOUCH:
		return "the host used a page that the module has";
	case TDX_HARM_STALE:
		return "a page left the secure table while a vCPU may still reach it";
	}
	return "?";
}

bool tdx_refuse(struct tdx *tdx, enum tdx_call call, enum tdx_status status, uint32_t after)
{
	if (status == TDX_INTERRUPTED_RESTARTABLE &&
	    (call != TDX_CALL_PAGE_DEMOTE || !tdx->config.demote_interruptible))
		return false;
	tdx->refusal[call] = (struct tdx_refusal){ (uint8_t)status, after };
	return true;
}

bool tdx_is_refusing(const struct tdx *tdx, enum tdx_call call)
{
	return tdx->refusal[call].status != TDX_SUCCESS;
}

uint64_t tdx_calls(const struct tdx *tdx, enum tdx_call call)
{
	return tdx->calls[call];
}

uint64_t tdx_calls_all(const struct tdx *tdx)
{
	uint64_t sum = 0;

	for (unsigned int call = 0; call < TDX_CALLS; call++)
		sum += tdx->calls[call];
	return sum;
}

uint64_t tdx_refused(const struct tdx *tdx)
{
	return tdx->refused;
}

/* A vCPU in the guest, or its TDCALL, can hold a lock that these calls want. */
static bool is_lock_shared_with_vcpus(enum tdx_call call)
{
	return call == TDX_CALL_RANGE_BLOCK || call == TDX_CALL_RANGE_UNBLOCK ||
	       call == TDX_CALL_MEM_TRACK || call == TDX_CALL_PAGE_DEMOTE ||
	       call == TDX_CALL_PAGE_REMOVE;
}

/* Locks of regions are held by other calls about them, of which the host knows. */
static bool may_be_busy(const struct tdx *tdx, enum tdx_call call, uint32_t td)
{
	if (call == TDX_CALL_PAMT_ADD || call == TDX_CALL_PAMT_REMOVE)
		return true;
	return td != TDX_PAGE_NONE && tdx_td_is_contended(tdx, td);
}

/* What a module may answer that has no defect, to a host that has none. */
static bool is_honest(const struct tdx *tdx, uint32_t td, enum tdx_status status)
{
	return status == TDX_INTERRUPTED_RESTARTABLE ||
	       (status == TDX_OPERAND_BUSY && td != TDX_PAGE_NONE && tdx_td_is_contended(tdx, td));
}

static enum tdx_status refuse(struct tdx *tdx, enum tdx_call call, uint32_t td)
{
	struct tdx_refusal *refusal = &tdx->refusal[call];
	enum tdx_status status = (enum tdx_status)refusal->status;

	if (status == TDX_SUCCESS)
		return TDX_SUCCESS;
	if (refusal->after) {
		refusal->after--;
		return TDX_SUCCESS;
	}
	if (status == TDX_OPERAND_BUSY && !may_be_busy(tdx, call, td))
		return TDX_SUCCESS;
	refusal->status = TDX_SUCCESS;
	tdx->refused += !is_honest(tdx, td, status);
	return status;
}

enum tdx_status tdx_gate(struct tdx *tdx, enum tdx_call call, uint32_t td)
{
	enum tdx_status status = refuse(tdx, call, td);

	tdx->calls[call]++;
	tdx->clock++;
	if (status != TDX_SUCCESS)
		return status;
	if (tdx->config.contended && is_lock_shared_with_vcpus(call) &&
	    tdx_td_is_contended(tdx, td))
		return TDX_OPERAND_BUSY;
	return TDX_SUCCESS;
}

enum tdx_status tdx_invalid(struct tdx *tdx, enum tdx_call call)
{
	tdx->calls[call]++;
	return TDX_OPERAND_INVALID;
}

/* --- pages ----------------------------------------------------------------- */

bool tdx_has_page(const struct tdx *tdx, uint32_t page)
{
	return page / TDX_REGION_PAGES < tdx->config.regions;
}

static struct tdx_region *region_of(struct tdx *tdx, uint32_t page)
{
	return &tdx->region[page / TDX_REGION_PAGES];
}

/* To change: its region has storage then. */
struct tdx_page *tdx_page(struct tdx *tdx, uint32_t page)
{
	struct tdx_region *region = region_of(tdx, page);

	if (!region->page)
		region->page = calloc(TDX_REGION_PAGES, sizeof(*region->page));
	if (!region->page)
		abort();
	region->is_dirty = true;
	return &region->page[page % TDX_REGION_PAGES];
}

static bool is_used(const struct tdx *tdx, uint32_t page)
{
	return tdx_page_use(tdx, page) != TDX_USE_NONE;
}

void tdx_host_use(struct tdx *tdx, uint32_t page)
{
	struct tdx_page *it = tdx_page(tdx, page);

	if (is_used(tdx, page))
		tdx_do_harm(tdx, TDX_HARM_TOUCH, page, 0);
	else if (it->lines == TDX_LINES_KEY)
		tdx_do_harm(tdx, TDX_HARM_KEY_LINES, page, 0);
	else if (it->stained)
		tdx_do_harm(tdx, TDX_HARM_STAIN, page, 0);
	it->lines = TDX_LINES_HOST;
}

void tdx_host_flush(struct tdx *tdx, uint32_t page)
{
	struct tdx_page *it = tdx_page(tdx, page);

	if (it->lines == TDX_LINES_HOST)
		it->lines = TDX_LINES_CLEAN;
}

/* A direct store of whole lines: nothing of it stays in the cache. */
void tdx_host_reset(struct tdx *tdx, uint32_t page)
{
	if (is_used(tdx, page))
		tdx_do_harm(tdx, TDX_HARM_TOUCH, page, 0);
	tdx_page(tdx, page)->stained = false;
}

enum tdx_status tdx_phymem_page_wbinvd(struct tdx *tdx, uint32_t page)
{
	enum tdx_status status;

	if (!tdx_has_page(tdx, page))
		return tdx_invalid(tdx, TDX_CALL_PAGE_WBINVD);
	status = tdx_gate(tdx, TDX_CALL_PAGE_WBINVD, TDX_PAGE_NONE);
	if (status == TDX_SUCCESS && tdx_page(tdx, page)->lines == TDX_LINES_KEY)
		tdx_page(tdx, page)->lines = TDX_LINES_CLEAN;
	return status;
}

enum tdx_status tdx_page_check(struct tdx *tdx, uint32_t page, enum tdx_use use)
{
	if (is_used(tdx, page))
		return TDX_PAGE_METADATA_INCORRECT;
	if (tdx->config.dynamic_pamt && use != TDX_USE_PAMT && !region_of(tdx, page)->has_pair)
		return TDX_MISSING_PAMT_PAGE_PAIR;
	return TDX_SUCCESS;
}

/* PAMT pages need not be written back before: the module does not read them first. */
void tdx_page_take(struct tdx *tdx, uint32_t page, enum tdx_use use, uint32_t td)
{
	struct tdx_page *it = tdx_page(tdx, page);
	struct tdx_region *region = region_of(tdx, page);

	if (it->lines == TDX_LINES_HOST && use != TDX_USE_PAMT)
		tdx_do_harm(tdx, TDX_HARM_HOST_LINES, page, 0);
	*it = (struct tdx_page){
		.use = (uint8_t)use, .td = (uint8_t)td, .stained = tdx->config.erratum,
		.lines = use == TDX_USE_PAMT ? TDX_LINES_CLEAN : TDX_LINES_KEY,
	};
	region->pamt += use == TDX_USE_PAMT;
	region->uses += use != TDX_USE_PAMT;
	tdx->pamt += use == TDX_USE_PAMT;
	tdx->held++;
	if (use != TDX_USE_PAMT && use != TDX_USE_TDR)
		tdx->td[td].pages++;
}

void tdx_page_release(struct tdx *tdx, uint32_t page)
{
	struct tdx_page *it = tdx_page(tdx, page);
	struct tdx_region *region = region_of(tdx, page);
	bool is_pamt = it->use == TDX_USE_PAMT;

	region->pamt -= is_pamt;
	region->uses -= !is_pamt;
	tdx->pamt -= is_pamt;
	tdx->held--;
	if (!is_pamt && it->use != TDX_USE_TDR)
		tdx->td[it->td].pages--;
	it->use = TDX_USE_NONE;
}

/* --- regions as one page --------------------------------------------------- */

enum tdx_status tdx_region_check(struct tdx *tdx, uint32_t page)
{
	const struct tdx_region *region = region_of(tdx, page);

	if (region->is_huge || region->uses || region->pamt || region->has_pair)
		return TDX_PAGE_METADATA_INCORRECT;
	return TDX_SUCCESS;
}

void tdx_region_take(struct tdx *tdx, uint32_t page, uint32_t td)
{
	struct tdx_region *region = region_of(tdx, page);
	struct tdx_page *first = tdx_page(tdx, page);

	for (uint32_t i = 0; i < TDX_REGION_PAGES; i++) {
		if (first[i].lines == TDX_LINES_HOST)
			tdx_do_harm(tdx, TDX_HARM_HOST_LINES, page + i, 0);
		first[i] = (struct tdx_page){
			.td = (uint8_t)td, .lines = TDX_LINES_KEY, .stained = tdx->config.erratum
		};
	}
	region->is_huge = true;
	tdx->held += TDX_REGION_PAGES;
	tdx->td[td].pages += TDX_REGION_PAGES;
}

void tdx_region_release(struct tdx *tdx, uint32_t page)
{
	region_of(tdx, page)->is_huge = false;
	tdx->held -= TDX_REGION_PAGES;
	tdx->td[tdx_page(tdx, page)->td].pages -= TDX_REGION_PAGES;
}

static enum tdx_status pair_check(struct tdx *tdx, const uint32_t *pair)
{
	if (!pair || !tdx_has_page(tdx, pair[0]) || !tdx_has_page(tdx, pair[1]) ||
	    pair[0] == pair[1])
		return TDX_OPERAND_INVALID;
	if (tdx_page_check(tdx, pair[0], TDX_USE_PAMT) != TDX_SUCCESS)
		return TDX_PAGE_METADATA_INCORRECT;
	return tdx_page_check(tdx, pair[1], TDX_USE_PAMT);
}

enum tdx_status tdx_region_split_check(struct tdx *tdx, uint32_t page, const uint32_t *pair)
{
	if (!tdx->config.dynamic_pamt)
		return pair ? TDX_OPERAND_INVALID : TDX_SUCCESS;
	if (region_of(tdx, page)->has_pair)
		return TDX_HPA_RANGE_NOT_FREE;
	return pair_check(tdx, pair);
}

static void pair_take(struct tdx *tdx, struct tdx_region *region, const uint32_t *pair)
{
	memcpy(region->pair, pair, sizeof(region->pair));
	region->has_pair = true;
	for (uint32_t i = 0; i < TDX_PAIR_PAGES; i++)
		tdx_page_take(tdx, pair[i], TDX_USE_PAMT, 0);
}

void tdx_region_split(struct tdx *tdx, uint32_t page, uint32_t td, const uint32_t *pair)
{
	struct tdx_region *region = region_of(tdx, page);

	tdx_region_release(tdx, page);
	if (pair)
		pair_take(tdx, region, pair);
	for (uint32_t i = 0; i < TDX_REGION_PAGES; i++)
		tdx_page_take(tdx, page + i, TDX_USE_GUEST, td);
}

enum tdx_status tdx_pamt_add(struct tdx *tdx, uint32_t region,
			     const uint32_t pages[TDX_PAIR_PAGES])
{
	enum tdx_status status;
	struct tdx_region *it;

	if (!tdx->config.dynamic_pamt || region >= tdx->config.regions)
		return tdx_invalid(tdx, TDX_CALL_PAMT_ADD);
	it = &tdx->region[region];
	status = tdx_gate(tdx, TDX_CALL_PAMT_ADD, TDX_PAGE_NONE);
	if (status == TDX_SUCCESS)
		status = pair_check(tdx, pages);
	if (status == TDX_SUCCESS && (it->has_pair || it->is_huge))
		status = TDX_HPA_RANGE_NOT_FREE;
	if (status != TDX_SUCCESS)
		return status;
	pair_take(tdx, it, pages);
	it->is_dirty = true;
	/* So that a restart finds it. */
	tdx_page(tdx, region * TDX_REGION_PAGES);
	return TDX_SUCCESS;
}

enum tdx_status tdx_pamt_remove(struct tdx *tdx, uint32_t region, uint32_t pages[TDX_PAIR_PAGES])
{
	struct tdx_region *it;
	enum tdx_status status;

	if (!tdx->config.dynamic_pamt || region >= tdx->config.regions)
		return tdx_invalid(tdx, TDX_CALL_PAMT_REMOVE);
	it = &tdx->region[region];
	status = tdx_gate(tdx, TDX_CALL_PAMT_REMOVE, TDX_PAGE_NONE);
	if (status != TDX_SUCCESS)
		return status;
	if (!it->has_pair || it->uses)
		return TDX_HPA_RANGE_NOT_FREE;
	it->has_pair = false;
	for (uint32_t i = 0; i < TDX_PAIR_PAGES; i++) {
		pages[i] = it->pair[i];
		tdx_page_release(tdx, pages[i]);
	}
	return TDX_SUCCESS;
}

/* --- for oracles ----------------------------------------------------------- */

enum tdx_use tdx_page_use(const struct tdx *tdx, uint32_t page)
{
	const struct tdx_region *region = &tdx->region[page / TDX_REGION_PAGES];

	if (region->is_huge)
		return TDX_USE_GUEST_2M;
	return region->page ? (enum tdx_use)region->page[page % TDX_REGION_PAGES].use :
			      TDX_USE_NONE;
}

bool tdx_page_is_clean(const struct tdx *tdx, uint32_t page)
{
	const struct tdx_region *region = &tdx->region[page / TDX_REGION_PAGES];
	const struct tdx_page *it;

	if (!region->page)
		return true;
	it = &region->page[page % TDX_REGION_PAGES];
	return !is_used(tdx, page) && it->lines != TDX_LINES_KEY && !it->stained;
}

uint32_t tdx_region_uses(const struct tdx *tdx, uint32_t region)
{
	return tdx->region[region].uses;
}

bool tdx_region_has_pair(const struct tdx *tdx, uint32_t region)
{
	return tdx->region[region].has_pair;
}

uint64_t tdx_pages_held(const struct tdx *tdx)
{
	return tdx->held;
}

uint64_t tdx_pages_pamt(const struct tdx *tdx)
{
	return tdx->pamt;
}
