/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The TDX module: the life of TDs and vCPUs, and who is in the guest in which epoch.
 */
#include "tdx_inside.h"

#include <string.h>

struct tdx_td *tdx_td_at(struct tdx *tdx, uint32_t td)
{
	return td < tdx->config.tds ? &tdx->td[td] : NULL;
}

static struct tdx_vcpu *vcpu_at(struct tdx *tdx, uint32_t td, uint32_t vcpu)
{
	return td < tdx->config.tds && vcpu < tdx->config.vcpus ? &tdx->td[td].vcpu[vcpu] : NULL;
}

bool tdx_td_is_contended(const struct tdx *tdx, uint32_t td)
{
	return td < tdx->config.tds && tdx->td[td].running[0] + tdx->td[td].running[1] != 0;
}

static void clear_table(struct tdx_slot *table, uint32_t count)
{
	memset(table, 0, count * sizeof(*table));
}

void tdx_td_restart(struct tdx *tdx, uint32_t td)
{
	struct tdx_td *it = &tdx->td[td];
	const struct tdx_td tables = { .upper = it->upper, .middle = it->middle,
				       .leaf = it->leaf };

	/* Tables of 4 KiB entries are cleared when they are linked. */
	clear_table(it->upper, tdx->config.slots);
	clear_table(it->middle, tdx->config.slots);
	*it = tables;
}

/* A page that belongs to a TD and to no table. */
static enum tdx_status give_control(struct tdx *tdx, enum tdx_call call, uint32_t td,
				    uint32_t page, enum tdx_use use)
{
	enum tdx_status status;

	if (!tdx_has_page(tdx, page))
		return tdx_invalid(tdx, call);
	status = tdx_gate(tdx, call, td);
	if (status == TDX_SUCCESS)
		status = tdx_page_check(tdx, page, use);
	if (status == TDX_SUCCESS)
		tdx_page_take(tdx, page, use, td);
	return status;
}

/* A call that is about the state of a TD alone. */
static enum tdx_status change_state(struct tdx *tdx, enum tdx_call call, uint32_t td,
				    enum tdx_td_state from)
{
	struct tdx_td *it = tdx_td_at(tdx, td);
	enum tdx_status status;

	if (!it)
		return tdx_invalid(tdx, call);
	status = tdx_gate(tdx, call, td);
	if (status == TDX_SUCCESS && it->state != from)
		return TDX_LIFECYCLE_STATE_INCORRECT;
	return status;
}

static bool is_hkid_taken(const struct tdx *tdx, uint32_t hkid)
{
	for (uint32_t td = 0; td < tdx->config.tds; td++)
		if (tdx->td[td].hkid == hkid)
			return true;
	return false;
}

enum tdx_status tdx_mng_create(struct tdx *tdx, uint32_t td, uint32_t tdr, uint32_t hkid)
{
	struct tdx_td *it = tdx_td_at(tdx, td);
	enum tdx_status status;

	if (!it || hkid == 0)
		return tdx_invalid(tdx, TDX_CALL_MNG_CREATE);
	if (it->state != TDX_TD_NONE)
		return TDX_LIFECYCLE_STATE_INCORRECT;
	if (is_hkid_taken(tdx, hkid))
		return TDX_HKID_NOT_FREE;
	status = give_control(tdx, TDX_CALL_MNG_CREATE, td, tdr, TDX_USE_TDR);
	if (status != TDX_SUCCESS)
		return status;
	tdx_td_restart(tdx, td);
	it->state = TDX_TD_CREATED;
	it->tdr = tdr;
	it->hkid = hkid;
	return TDX_SUCCESS;
}

enum tdx_status tdx_mng_addcx(struct tdx *tdx, uint32_t td, uint32_t page)
{
	struct tdx_td *it = tdx_td_at(tdx, td);
	enum tdx_status status;

	if (!it)
		return tdx_invalid(tdx, TDX_CALL_MNG_ADDCX);
	if (it->state != TDX_TD_CREATED || it->tdcs == tdx->config.tdcs_pages)
		return TDX_LIFECYCLE_STATE_INCORRECT;
	status = give_control(tdx, TDX_CALL_MNG_ADDCX, td, page, TDX_USE_TDCS);
	it->tdcs += status == TDX_SUCCESS;
	return status;
}

enum tdx_status tdx_mng_init(struct tdx *tdx, uint32_t td)
{
	enum tdx_status status = change_state(tdx, TDX_CALL_MNG_INIT, td, TDX_TD_CREATED);

	if (status != TDX_SUCCESS)
		return status;
	if (tdx->td[td].tdcs != tdx->config.tdcs_pages)
		return TDX_LIFECYCLE_STATE_INCORRECT;
	tdx->td[td].state = TDX_TD_BUILD;
	return TDX_SUCCESS;
}

enum tdx_status tdx_mr_finalize(struct tdx *tdx, uint32_t td)
{
	enum tdx_status status = change_state(tdx, TDX_CALL_MR_FINALIZE, td, TDX_TD_BUILD);

	if (status == TDX_SUCCESS)
		tdx->td[td].state = TDX_TD_RUNNABLE;
	return status;
}

/* --- the end of a TD ------------------------------------------------------- */

static bool are_vcpus_flushed(const struct tdx *tdx, uint32_t td)
{
	for (uint32_t vcpu = 0; vcpu < tdx->config.vcpus; vcpu++)
		if (tdx->td[td].vcpu[vcpu].is_associated)
			return false;
	return true;
}

enum tdx_status tdx_mng_vpflushdone(struct tdx *tdx, uint32_t td)
{
	enum tdx_status status;

	if (!tdx_td_at(tdx, td))
		return tdx_invalid(tdx, TDX_CALL_MNG_VPFLUSHDONE);
	status = tdx_gate(tdx, TDX_CALL_MNG_VPFLUSHDONE, td);
	if (status != TDX_SUCCESS)
		return status;
	if (tdx->td[td].state == TDX_TD_NONE || tdx->td[td].state >= TDX_TD_FLUSHED)
		return TDX_LIFECYCLE_STATE_INCORRECT;
	if (!are_vcpus_flushed(tdx, td))
		return TDX_FLUSHVP_NOT_DONE;
	tdx->td[td].state = TDX_TD_FLUSHED;
	return TDX_SUCCESS;
}

/* Running TDs may have their lines back at once; the others have none any more. */
static void write_region_back(struct tdx *tdx, struct tdx_region *region)
{
	for (uint32_t i = 0; i < TDX_REGION_PAGES; i++) {
		struct tdx_page *page = &region->page[i];
		bool is_used = region->is_huge || page->use != TDX_USE_NONE;

		if (page->lines == TDX_LINES_KEY &&
		    (!is_used || tdx->td[page->td].state == TDX_TD_FLUSHED))
			page->lines = TDX_LINES_CLEAN;
	}
}

enum tdx_status tdx_phymem_cache_wb(struct tdx *tdx)
{
	enum tdx_status status = tdx_gate(tdx, TDX_CALL_CACHE_WB, TDX_PAGE_NONE);

	if (status != TDX_SUCCESS)
		return status;
	for (uint32_t i = 0; i < tdx->config.regions; i++)
		if (tdx->region[i].page)
			write_region_back(tdx, &tdx->region[i]);
	for (uint32_t td = 0; td < tdx->config.tds; td++)
		tdx->td[td].is_written_back = tdx->td[td].state == TDX_TD_FLUSHED;
	return TDX_SUCCESS;
}

enum tdx_status tdx_mng_key_freeid(struct tdx *tdx, uint32_t td)
{
	enum tdx_status status = change_state(tdx, TDX_CALL_MNG_KEY_FREEID, td, TDX_TD_FLUSHED);

	if (status != TDX_SUCCESS)
		return status;
	if (!tdx->td[td].is_written_back)
		return TDX_LIFECYCLE_STATE_INCORRECT;
	tdx->td[td].state = TDX_TD_TEARDOWN;
	tdx->td[td].hkid = 0;
	return TDX_SUCCESS;
}

static enum tdx_status reclaim_huge(struct tdx *tdx, uint32_t page)
{
	if (page % TDX_REGION_PAGES != 0 || tdx_page_use(tdx, page) != TDX_USE_GUEST_2M)
		return TDX_PAGE_METADATA_INCORRECT;
	if (tdx->td[tdx_page(tdx, page)->td].state != TDX_TD_TEARDOWN)
		return TDX_LIFECYCLE_STATE_INCORRECT;
	tdx_region_release(tdx, page);
	return TDX_SUCCESS;
}

/* The TDR has the module's own key: CACHE.WB was too early for its lines. */
static enum tdx_status reclaim_tdr(struct tdx *tdx, uint32_t page, struct tdx_td *td)
{
	if (td->pages)
		return TDX_TD_ASSOCIATED_PAGES_EXIST;
	tdx_page_release(tdx, page);
	tdx_page(tdx, page)->lines = TDX_LINES_KEY;
	td->state = TDX_TD_NONE;
	return TDX_SUCCESS;
}

enum tdx_status tdx_phymem_page_reclaim(struct tdx *tdx, uint32_t page, enum tdx_level level)
{
	enum tdx_status status;
	enum tdx_use use;
	struct tdx_td *td;

	if (!tdx_has_page(tdx, page))
		return tdx_invalid(tdx, TDX_CALL_PAGE_RECLAIM);
	status = tdx_gate(tdx, TDX_CALL_PAGE_RECLAIM, TDX_PAGE_NONE);
	if (status != TDX_SUCCESS)
		return status;
	if (level == TDX_2M)
		return reclaim_huge(tdx, page);
	use = tdx_page_use(tdx, page);
	if (use == TDX_USE_NONE || use == TDX_USE_PAMT || use == TDX_USE_GUEST_2M)
		return TDX_PAGE_METADATA_INCORRECT;
	td = &tdx->td[tdx_page(tdx, page)->td];
	if (td->state != TDX_TD_TEARDOWN)
		return TDX_LIFECYCLE_STATE_INCORRECT;
	if (use == TDX_USE_TDR)
		return reclaim_tdr(tdx, page, td);
	tdx_page_release(tdx, page);
	return TDX_SUCCESS;
}

/* --- vCPUs ----------------------------------------------------------------- */

enum tdx_status tdx_vp_create(struct tdx *tdx, uint32_t td, uint32_t vcpu, uint32_t tdvpr)
{
	struct tdx_vcpu *it = vcpu_at(tdx, td, vcpu);
	enum tdx_status status;

	if (!it)
		return tdx_invalid(tdx, TDX_CALL_VP_CREATE);
	if (tdx->td[td].state != TDX_TD_BUILD)
		return TDX_LIFECYCLE_STATE_INCORRECT;
	if (it->exists)
		return TDX_VCPU_STATE_INCORRECT;
	status = give_control(tdx, TDX_CALL_VP_CREATE, td, tdvpr, TDX_USE_TDVPR);
	it->exists = status == TDX_SUCCESS;
	return status;
}

enum tdx_status tdx_vp_addcx(struct tdx *tdx, uint32_t td, uint32_t vcpu, uint32_t page)
{
	struct tdx_vcpu *it = vcpu_at(tdx, td, vcpu);
	enum tdx_status status;

	if (!it)
		return tdx_invalid(tdx, TDX_CALL_VP_ADDCX);
	if (!it->exists || it->tdcx == tdx->config.tdcx_pages)
		return TDX_VCPU_STATE_INCORRECT;
	status = give_control(tdx, TDX_CALL_VP_ADDCX, td, page, TDX_USE_TDCX);
	it->tdcx += status == TDX_SUCCESS;
	return status;
}

enum tdx_status tdx_vp_init(struct tdx *tdx, uint32_t td, uint32_t vcpu)
{
	struct tdx_vcpu *it = vcpu_at(tdx, td, vcpu);
	enum tdx_status status;

	if (!it)
		return tdx_invalid(tdx, TDX_CALL_VP_INIT);
	status = tdx_gate(tdx, TDX_CALL_VP_INIT, td);
	if (status != TDX_SUCCESS)
		return status;
	if (!it->exists || it->is_initialised || it->tdcx != tdx->config.tdcx_pages)
		return TDX_VCPU_STATE_INCORRECT;
	it->is_initialised = true;
	return TDX_SUCCESS;
}

/*
 * What an earlier epoch may have left in this vCPU's cache goes at its next entry;
 * within an epoch nothing goes, whether it leaves the guest or not.
 */
enum tdx_status tdx_vp_enter(struct tdx *tdx, uint32_t td, uint32_t vcpu)
{
	struct tdx_vcpu *it = vcpu_at(tdx, td, vcpu);
	enum tdx_status status;

	if (!it)
		return tdx_invalid(tdx, TDX_CALL_VP_ENTER);
	status = tdx_gate(tdx, TDX_CALL_VP_ENTER, td);
	if (status != TDX_SUCCESS)
		return status;
	if (tdx->td[td].state != TDX_TD_RUNNABLE)
		return TDX_LIFECYCLE_STATE_INCORRECT;
	if (!it->is_initialised || it->is_in_guest)
		return TDX_VCPU_STATE_INCORRECT;
	if (!it->is_associated || it->epoch != tdx->td[td].epoch)
		it->flushed_at = tdx->clock;
	it->epoch = tdx->td[td].epoch;
	it->is_associated = true;
	it->is_in_guest = true;
	tdx->td[td].running[it->epoch & 1]++;
	return TDX_SUCCESS;
}

void tdx_vp_exit(struct tdx *tdx, uint32_t td, uint32_t vcpu)
{
	struct tdx_vcpu *it = vcpu_at(tdx, td, vcpu);

	if (!it || !it->is_in_guest)
		return;
	it->is_in_guest = false;
	it->left_at = ++tdx->clock;
	tdx->td[td].running[it->epoch & 1]--;
}

enum tdx_status tdx_vp_flush(struct tdx *tdx, uint32_t td, uint32_t vcpu)
{
	struct tdx_vcpu *it = vcpu_at(tdx, td, vcpu);
	enum tdx_status status;

	if (!it)
		return tdx_invalid(tdx, TDX_CALL_VP_FLUSH);
	status = tdx_gate(tdx, TDX_CALL_VP_FLUSH, td);
	if (status != TDX_SUCCESS)
		return status;
	if (!it->is_associated || it->is_in_guest)
		return TDX_VCPU_STATE_INCORRECT;
	it->is_associated = false;
	it->flushed_at = tdx->clock;
	return TDX_SUCCESS;
}

bool tdx_td_exists(const struct tdx *tdx, uint32_t td)
{
	return td < tdx->config.tds && tdx->td[td].state != TDX_TD_NONE;
}

bool tdx_td_is_runnable(const struct tdx *tdx, uint32_t td)
{
	return td < tdx->config.tds && tdx->td[td].state == TDX_TD_RUNNABLE;
}

bool tdx_vcpu_is_in_guest(const struct tdx *tdx, uint32_t td, uint32_t vcpu)
{
	return td < tdx->config.tds && vcpu < tdx->config.vcpus &&
	       tdx->td[td].vcpu[vcpu].is_in_guest;
}
