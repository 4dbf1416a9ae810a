/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The TDX module of machine/: what each call demands and answers, and the harm
 * that it notices. Every wrong order is tried beside the right one.
 */
#include "../machine/tdx.h"
#include "test.h"

#include <stdio.h>

#define HKID 7u
#define PAIRS 0u	/* region that PAMT pages are from */
#define CONTROL 1u	/* region of control pages and of S-EPT */
#define GUEST 2u	/* region of guest memory */
#define LONE 3u		/* region without a pair */
#define AT(region, index) ((region) * TDX_REGION_PAGES + (index))

static const struct tdx_where root = { 0, TDX_1G, 0 };
static const struct tdx_where large = { 0, TDX_2M, 0 };
static const struct tdx_where small = { 0, TDX_4K, 5 };

static uint32_t next_pair;

static enum tdx_status add_pair(struct tdx *tdx, uint32_t region)
{
	const uint32_t pages[TDX_PAIR_PAGES] = { AT(PAIRS, next_pair), AT(PAIRS, next_pair + 1) };

	next_pair += TDX_PAIR_PAGES;
	return tdx_pamt_add(tdx, region, pages);
}

/* A TD of two vCPUs that is still being built. */
static struct tdx *build(const struct tdx_config *config)
{
	struct tdx *tdx = tdx_create(config);

	next_pair = 0;
	if (!CHECK(tdx != NULL))
		return NULL;
	if (config->dynamic_pamt)
		CHECK_EQ(add_pair(tdx, CONTROL), TDX_SUCCESS);
	CHECK_EQ(tdx_mng_create(tdx, 0, AT(CONTROL, 0), HKID), TDX_SUCCESS);
	CHECK_EQ(tdx_mng_addcx(tdx, 0, AT(CONTROL, 1)), TDX_SUCCESS);
	CHECK_EQ(tdx_mng_addcx(tdx, 0, AT(CONTROL, 2)), TDX_SUCCESS);
	CHECK_EQ(tdx_mng_init(tdx, 0), TDX_SUCCESS);
	for (uint32_t vcpu = 0; vcpu < 2; vcpu++) {
		CHECK_EQ(tdx_vp_create(tdx, 0, vcpu, AT(CONTROL, 3 + 2 * vcpu)), TDX_SUCCESS);
		CHECK_EQ(tdx_vp_addcx(tdx, 0, vcpu, AT(CONTROL, 4 + 2 * vcpu)), TDX_SUCCESS);
		CHECK_EQ(tdx_vp_init(tdx, 0, vcpu), TDX_SUCCESS);
	}
	return tdx;
}

static struct tdx_config usual(void)
{
	struct tdx_config config;

	tdx_config_init(&config);
	return config;
}

/* The same with the upper table, and running. */
static struct tdx *boot_as(const struct tdx_config *config)
{
	struct tdx *tdx = build(config);

	CHECK_EQ(tdx_mr_finalize(tdx, 0), TDX_SUCCESS);
	CHECK_EQ(tdx_mem_sept_add(tdx, root, AT(CONTROL, 10)), TDX_SUCCESS);
	return tdx;
}

static struct tdx *boot(void)
{
	const struct tdx_config config = usual();

	return boot_as(&config);
}

/* A 2 MiB page that vCPU 0, in the guest, has accepted. */
static struct tdx *boot_large(const struct tdx_config *config)
{
	struct tdx *tdx = boot_as(config);

	CHECK_EQ(tdx_mem_page_aug(tdx, large, AT(GUEST, 0)), TDX_SUCCESS);
	CHECK_EQ(tdx_vp_enter(tdx, 0, 0), TDX_SUCCESS);
	CHECK_EQ(tdx_guest_accept(tdx, 0, large), TDX_SUCCESS);
	return tdx;
}

static enum tdx_status demote(struct tdx *tdx)
{
	const uint32_t pair[TDX_PAIR_PAGES] = { AT(PAIRS, 100), AT(PAIRS, 101) };

	return tdx_mem_page_demote(tdx, large, AT(CONTROL, 11), pair);
}

static void no_harm(struct tdx *tdx)
{
	CHECK_STR_EQ(tdx_harm_text(tdx_harm(tdx)->what), tdx_harm_text(TDX_HARM_NONE));
	tdx_destroy(tdx);
}

static void harm(struct tdx *tdx, enum tdx_harm_kind what)
{
	CHECK_EQ(tdx_harm(tdx)->what, what);
	tdx_destroy(tdx);
}

/* --- PAMT ------------------------------------------------------------------ */

TEST(tdx_a_4k_page_needs_its_regions_pair)
{
	struct tdx *tdx = boot();

	CHECK_EQ(tdx_mem_sept_add(tdx, large, AT(LONE, 0)), TDX_MISSING_PAMT_PAGE_PAIR);
	CHECK_EQ(add_pair(tdx, LONE), TDX_SUCCESS);
	CHECK_EQ(tdx_mem_sept_add(tdx, large, AT(LONE, 0)), TDX_SUCCESS);
	CHECK_EQ(tdx_region_uses(tdx, LONE), 1);
	no_harm(tdx);
}

TEST(tdx_a_pair_is_added_once_and_removed_when_nothing_uses_it)
{
	uint32_t pages[TDX_PAIR_PAGES] = { 0 };
	struct tdx *tdx = boot();

	CHECK_EQ(tdx_pamt_remove(tdx, LONE, pages), TDX_HPA_RANGE_NOT_FREE);
	CHECK_EQ(tdx_pamt_remove(tdx, CONTROL, pages), TDX_HPA_RANGE_NOT_FREE);
	CHECK_EQ(add_pair(tdx, CONTROL), TDX_HPA_RANGE_NOT_FREE);
	next_pair = 20;
	CHECK_EQ(add_pair(tdx, LONE), TDX_SUCCESS);
	CHECK_EQ(tdx_pages_pamt(tdx), 4);
	CHECK_EQ(tdx_pamt_remove(tdx, LONE, pages), TDX_SUCCESS);
	CHECK_EQ(pages[0], AT(PAIRS, 20));
	CHECK_EQ(pages[1], AT(PAIRS, 21));
	CHECK_EQ(tdx_pages_pamt(tdx), 2);
	CHECK(!tdx_region_has_pair(tdx, LONE));
	no_harm(tdx);
}

TEST(tdx_a_pair_is_of_two_free_pages)
{
	const uint32_t twice[] = { AT(PAIRS, 50), AT(PAIRS, 50) };
	const uint32_t used[] = { AT(PAIRS, 50), AT(CONTROL, 0) };
	const uint32_t none[] = { AT(PAIRS, 50), TDX_PAGE_NONE };
	const uint32_t good[] = { AT(PAIRS, 50), AT(PAIRS, 51) };
	struct tdx *tdx = boot();

	CHECK_EQ(tdx_pamt_add(tdx, LONE, twice), TDX_OPERAND_INVALID);
	CHECK_EQ(tdx_pamt_add(tdx, LONE, none), TDX_OPERAND_INVALID);
	CHECK_EQ(tdx_pamt_add(tdx, LONE, used), TDX_PAGE_METADATA_INCORRECT);
	CHECK_EQ(tdx_pamt_add(tdx, 1000, good), TDX_OPERAND_INVALID);
	CHECK(!tdx_region_has_pair(tdx, LONE));
	no_harm(tdx);
}

TEST(tdx_without_dynamic_pamt_no_pair_is_needed_or_taken)
{
	struct tdx_config config = usual();
	uint32_t pages[TDX_PAIR_PAGES] = { 1, 2 };
	struct tdx *tdx;

	config.dynamic_pamt = false;
	tdx = boot_large(&config);
	CHECK_EQ(tdx_features(tdx), TDX_FEATURE_DEMOTE_WHOLE);
	CHECK_EQ(tdx_pamt_add(tdx, LONE, pages), TDX_OPERAND_INVALID);
	CHECK_EQ(tdx_pamt_remove(tdx, LONE, pages), TDX_OPERAND_INVALID);
	CHECK_EQ(tdx_mem_range_block(tdx, large), TDX_SUCCESS);
	tdx_vp_exit(tdx, 0, 0);
	CHECK_EQ(tdx_mem_track(tdx, 0), TDX_SUCCESS);
	CHECK_EQ(demote(tdx), TDX_OPERAND_INVALID);
	CHECK_EQ(tdx_mem_page_demote(tdx, large, AT(CONTROL, 11), NULL), TDX_SUCCESS);
	CHECK_EQ(tdx_region_uses(tdx, GUEST), 512);
	no_harm(tdx);
}

/* --- mappings -------------------------------------------------------------- */

TEST(tdx_a_2m_page_needs_a_whole_region_and_no_pair)
{
	struct tdx *tdx = boot();

	CHECK_EQ(tdx_mem_page_aug(tdx, large, AT(GUEST, 1)), TDX_OPERAND_INVALID);
	CHECK_EQ(tdx_mem_page_aug(tdx, large, AT(CONTROL, 0)), TDX_PAGE_METADATA_INCORRECT);
	CHECK_EQ(tdx_mem_page_aug(tdx, large, AT(PAIRS, 0)), TDX_PAGE_METADATA_INCORRECT);
	CHECK_EQ(tdx_mem_page_aug(tdx, large, AT(GUEST, 0)), TDX_SUCCESS);
	CHECK_EQ(tdx_region_uses(tdx, GUEST), 0);
	CHECK_EQ(tdx_page_use(tdx, AT(GUEST, 300)), TDX_USE_GUEST_2M);
	CHECK_EQ(add_pair(tdx, GUEST), TDX_HPA_RANGE_NOT_FREE);
	CHECK_EQ(tdx_mem_page_aug(tdx, large, AT(LONE, 0)), TDX_EPT_ENTRY_STATE_INCORRECT);
	no_harm(tdx);
}

TEST(tdx_a_page_is_in_one_place)
{
	const struct tdx_where other = { 0, TDX_4K, 6 };
	struct tdx *tdx = boot();

	CHECK_EQ(add_pair(tdx, GUEST), TDX_SUCCESS);
	CHECK_EQ(tdx_mem_page_aug(tdx, small, AT(GUEST, 0)), TDX_EPT_WALK_FAILED);
	CHECK_EQ(tdx_mem_sept_add(tdx, large, AT(CONTROL, 11)), TDX_SUCCESS);
	CHECK_EQ(tdx_mem_page_aug(tdx, small, AT(GUEST, 0)), TDX_SUCCESS);
	CHECK_EQ(tdx_mem_page_aug(tdx, other, AT(GUEST, 0)), TDX_PAGE_METADATA_INCORRECT);
	CHECK_EQ(tdx_mem_page_aug(tdx, other, AT(CONTROL, 0)), TDX_PAGE_METADATA_INCORRECT);
	CHECK_EQ(tdx_mem_page_aug(tdx, large, AT(LONE, 0)), TDX_EPT_ENTRY_STATE_INCORRECT);
	CHECK_EQ(tdx_mem_page_promote(tdx, large), TDX_NOT_SUPPORTED);
	no_harm(tdx);
}

TEST(tdx_pages_are_added_while_a_td_is_built_and_augmented_later)
{
	const struct tdx_config config = usual();
	struct tdx *tdx = build(&config);

	CHECK_EQ(add_pair(tdx, GUEST), TDX_SUCCESS);
	CHECK_EQ(tdx_mem_sept_add(tdx, root, AT(CONTROL, 10)), TDX_SUCCESS);
	CHECK_EQ(tdx_mem_sept_add(tdx, large, AT(CONTROL, 11)), TDX_SUCCESS);
	CHECK_EQ(tdx_mem_page_add(tdx, large, AT(LONE, 0)), TDX_OPERAND_INVALID);
	CHECK_EQ(tdx_mem_page_aug(tdx, small, AT(GUEST, 0)), TDX_LIFECYCLE_STATE_INCORRECT);
	CHECK_EQ(tdx_mem_page_add(tdx, small, AT(GUEST, 0)), TDX_SUCCESS);
	CHECK(!tdx_entry(tdx, small).is_pending);
	CHECK_EQ(tdx_vp_enter(tdx, 0, 0), TDX_LIFECYCLE_STATE_INCORRECT);
	CHECK_EQ(tdx_mem_track(tdx, 0), TDX_LIFECYCLE_STATE_INCORRECT);
	CHECK_EQ(tdx_mr_finalize(tdx, 0), TDX_SUCCESS);
	CHECK_EQ(tdx_mem_page_add(tdx, small, AT(GUEST, 1)), TDX_LIFECYCLE_STATE_INCORRECT);
	no_harm(tdx);
}

TEST(tdx_accept_knows_its_level)
{
	const struct tdx_config config = usual();
	struct tdx *tdx = boot_as(&config);
	uint32_t page = 0;

	CHECK_EQ(tdx_mem_page_aug(tdx, large, AT(GUEST, 0)), TDX_SUCCESS);
	CHECK_EQ(tdx_guest_accept(tdx, 0, large), TDX_VCPU_STATE_INCORRECT);
	CHECK_EQ(tdx_vp_enter(tdx, 0, 0), TDX_SUCCESS);
	/* the host's mapping is larger: it is told, again and again */
	CHECK_EQ(tdx_guest_accept(tdx, 0, small), TDX_EPT_VIOLATION);
	CHECK(!tdx_vcpu_is_in_guest(tdx, 0, 0));
	CHECK_EQ(tdx_vp_enter(tdx, 0, 0), TDX_SUCCESS);
	CHECK_EQ(tdx_guest_access(tdx, 0, 0, 5, &page), TDX_EPT_VIOLATION);
	CHECK_EQ(tdx_vp_enter(tdx, 0, 0), TDX_SUCCESS);
	CHECK_EQ(tdx_guest_accept(tdx, 0, large), TDX_SUCCESS);
	CHECK_EQ(tdx_guest_accept(tdx, 0, large), TDX_PAGE_ALREADY_ACCEPTED);
	CHECK_EQ(tdx_guest_access(tdx, 0, 0, 5, &page), TDX_SUCCESS);
	CHECK_EQ(page, AT(GUEST, 5));
	/* smaller: the guest is told */
	CHECK_EQ(tdx_mem_sept_add(tdx, (struct tdx_where){ 0, TDX_2M, 512 }, AT(CONTROL, 12)),
		 TDX_SUCCESS);
	CHECK_EQ(tdx_guest_accept(tdx, 0, (struct tdx_where){ 0, TDX_2M, 512 }),
		 TDX_PAGE_SIZE_MISMATCH);
	CHECK_EQ(tdx_guest_accept(tdx, 0, (struct tdx_where){ 0, TDX_4K, 513 }),
		 TDX_EPT_VIOLATION);
	no_harm(tdx);
}

/* --- epochs ---------------------------------------------------------------- */

TEST(tdx_removal_takes_block_track_and_every_vcpu_out)
{
	const struct tdx_config config = usual();
	struct tdx *tdx = boot_large(&config);

	CHECK_EQ(tdx_mem_page_remove(tdx, large), TDX_EPT_ENTRY_STATE_INCORRECT);
	CHECK_EQ(tdx_mem_range_block(tdx, large), TDX_SUCCESS);
	CHECK_EQ(tdx_mem_range_block(tdx, large), TDX_EPT_ENTRY_STATE_INCORRECT);
	CHECK_EQ(tdx_mem_page_remove(tdx, large), TDX_TLB_TRACKING_NOT_DONE);
	CHECK_EQ(tdx_mem_track(tdx, 0), TDX_SUCCESS);
	CHECK_EQ(tdx_mem_page_remove(tdx, large), TDX_TLB_TRACKING_NOT_DONE);
	/* who enters now is in the new epoch */
	CHECK_EQ(tdx_vp_enter(tdx, 0, 1), TDX_SUCCESS);
	tdx_vp_exit(tdx, 0, 0);
	CHECK_EQ(tdx_mem_page_remove(tdx, large), TDX_SUCCESS);
	CHECK_EQ(tdx_entry(tdx, large).kind, TDX_ENTRY_FREE);
	CHECK_EQ(tdx_page_use(tdx, AT(GUEST, 0)), TDX_USE_NONE);
	no_harm(tdx);
}

TEST(tdx_tracking_without_a_kick_fails_the_second_time)
{
	const struct tdx_config config = usual();
	struct tdx *tdx = boot_large(&config);

	CHECK_EQ(tdx_mem_track(tdx, 0), TDX_SUCCESS);
	CHECK_EQ(tdx_mem_track(tdx, 0), TDX_PREVIOUS_TLB_EPOCH_BUSY);
	tdx_vp_exit(tdx, 0, 0);
	CHECK_EQ(tdx_mem_track(tdx, 0), TDX_SUCCESS);
	no_harm(tdx);
}

/* What is blocked stays reachable for those who may have it cached. */
TEST(tdx_a_blocked_page_is_reached_until_the_next_epochs_entry)
{
	const struct tdx_config config = usual();
	struct tdx *tdx = boot_large(&config);
	uint32_t page = 0;

	CHECK_EQ(tdx_mem_range_block(tdx, large), TDX_SUCCESS);
	CHECK(tdx_guest_may_reach(tdx, 0, 0, 9, &page));
	CHECK_EQ(page, AT(GUEST, 9));
	CHECK_EQ(tdx_vp_enter(tdx, 0, 1), TDX_SUCCESS);
	CHECK(!tdx_guest_may_reach(tdx, 0, 1, 9, &page));
	tdx_vp_exit(tdx, 0, 0);
	CHECK_EQ(tdx_vp_enter(tdx, 0, 0), TDX_SUCCESS);
	CHECK(tdx_guest_may_reach(tdx, 0, 0, 9, &page));
	CHECK_EQ(tdx_mem_track(tdx, 0), TDX_SUCCESS);
	CHECK(tdx_guest_may_reach(tdx, 0, 0, 9, &page));
	tdx_vp_exit(tdx, 0, 0);
	CHECK_EQ(tdx_vp_enter(tdx, 0, 0), TDX_SUCCESS);
	CHECK(!tdx_guest_may_reach(tdx, 0, 0, 9, &page));
	CHECK_EQ(tdx_mem_range_unblock(tdx, large), TDX_SUCCESS);
	CHECK_EQ(tdx_guest_access(tdx, 0, 0, 9, &page), TDX_SUCCESS);
	no_harm(tdx);
}

static struct tdx *remove_trusted(bool track, bool kick)
{
	struct tdx_config config = usual();
	struct tdx *tdx;

	config.trusting = true;
	tdx = boot_large(&config);
	CHECK_EQ(tdx_mem_range_block(tdx, large), TDX_SUCCESS);
	if (track)
		CHECK_EQ(tdx_mem_track(tdx, 0), TDX_SUCCESS);
	if (kick)
		tdx_vp_exit(tdx, 0, 0);
	CHECK_EQ(tdx_mem_page_remove(tdx, large), TDX_SUCCESS);
	return tdx;
}

TEST(tdx_a_trusting_module_takes_it_and_the_translation_is_stale)
{
	harm(remove_trusted(false, false), TDX_HARM_STALE);
	harm(remove_trusted(true, false), TDX_HARM_STALE);
	harm(remove_trusted(false, true), TDX_HARM_STALE);
	no_harm(remove_trusted(true, true));
}

/* --- DEMOTE ---------------------------------------------------------------- */

static struct tdx *blocked(const struct tdx_config *config)
{
	struct tdx *tdx = boot_large(config);

	CHECK_EQ(tdx_mem_range_block(tdx, large), TDX_SUCCESS);
	tdx_vp_exit(tdx, 0, 0);
	return tdx;
}

TEST(tdx_demote_makes_512_pages_of_one)
{
	const struct tdx_config config = usual();
	const uint32_t wrong[] = { AT(PAIRS, 100), AT(CONTROL, 11) };
	struct tdx *tdx = blocked(&config);

	CHECK_EQ(demote(tdx), TDX_TLB_TRACKING_NOT_DONE);
	CHECK_EQ(tdx_mem_track(tdx, 0), TDX_SUCCESS);
	CHECK_EQ(tdx_mem_page_demote(tdx, large, AT(CONTROL, 11), NULL), TDX_OPERAND_INVALID);
	CHECK_EQ(tdx_mem_page_demote(tdx, large, AT(CONTROL, 11), wrong), TDX_OPERAND_INVALID);
	CHECK_EQ(tdx_mem_page_demote(tdx, large, AT(LONE, 0), wrong), TDX_MISSING_PAMT_PAGE_PAIR);
	CHECK_EQ(demote(tdx), TDX_SUCCESS);
	CHECK_EQ(demote(tdx), TDX_EPT_ENTRY_STATE_INCORRECT);
	CHECK_EQ(tdx_region_uses(tdx, GUEST), 512);
	CHECK(tdx_region_has_pair(tdx, GUEST));
	CHECK_EQ(tdx_entry(tdx, large).kind, TDX_ENTRY_TABLE);
	CHECK_EQ(tdx_entry(tdx, small).page, AT(GUEST, 5));
	CHECK(!tdx_entry(tdx, small).is_blocked);
	CHECK_EQ(tdx_mem_range_unblock(tdx, large), TDX_EPT_ENTRY_STATE_INCORRECT);
	no_harm(tdx);
}

TEST(tdx_demote_is_interrupted_on_an_old_module_only)
{
	struct tdx_config config = usual();
	struct tdx *tdx = blocked(&config);

	CHECK(!tdx_refuse(tdx, TDX_CALL_PAGE_DEMOTE, TDX_INTERRUPTED_RESTARTABLE, 0));
	tdx_destroy(tdx);
	config.demote_interruptible = true;
	tdx = blocked(&config);
	CHECK_EQ(tdx_features(tdx), TDX_FEATURE_DYNAMIC_PAMT);
	CHECK_EQ(tdx_mem_track(tdx, 0), TDX_SUCCESS);
	CHECK(!tdx_refuse(tdx, TDX_CALL_PAGE_REMOVE, TDX_INTERRUPTED_RESTARTABLE, 0));
	CHECK(tdx_refuse(tdx, TDX_CALL_PAGE_DEMOTE, TDX_INTERRUPTED_RESTARTABLE, 0));
	CHECK_EQ(demote(tdx), TDX_INTERRUPTED_RESTARTABLE);
	CHECK_EQ(tdx_refused(tdx), 0);
	CHECK_EQ(demote(tdx), TDX_SUCCESS);
	no_harm(tdx);
}

/* --- BUSY ------------------------------------------------------------------ */

TEST(tdx_busy_needs_a_vcpu_in_the_guest)
{
	struct tdx_config config = usual();
	struct tdx *tdx;

	config.contended = true;
	tdx = boot_large(&config);
	CHECK_EQ(tdx_mem_range_block(tdx, large), TDX_OPERAND_BUSY);
	CHECK_EQ(tdx_mem_track(tdx, 0), TDX_OPERAND_BUSY);
	tdx_vp_exit(tdx, 0, 0);
	CHECK(tdx_refuse(tdx, TDX_CALL_RANGE_BLOCK, TDX_OPERAND_BUSY, 0));
	CHECK_EQ(tdx_mem_range_block(tdx, large), TDX_SUCCESS);
	CHECK_EQ(tdx_vp_enter(tdx, 0, 1), TDX_SUCCESS);
	CHECK_EQ(tdx_mem_range_unblock(tdx, large), TDX_OPERAND_BUSY);
	CHECK_EQ(tdx_refused(tdx), 0);
	no_harm(tdx);
}

TEST(tdx_refusals_come_once_and_in_their_turn)
{
	struct tdx *tdx = boot();

	next_pair = 20;
	CHECK(tdx_refuse(tdx, TDX_CALL_PAMT_ADD, TDX_OPERAND_BUSY, 1));
	CHECK_EQ(add_pair(tdx, LONE), TDX_SUCCESS);
	CHECK_EQ(add_pair(tdx, GUEST), TDX_OPERAND_BUSY);
	CHECK_EQ(tdx_refused(tdx), 1);
	CHECK(!tdx_region_has_pair(tdx, GUEST));
	CHECK_EQ(add_pair(tdx, GUEST), TDX_SUCCESS);
	CHECK_EQ(tdx_calls(tdx, TDX_CALL_PAMT_ADD), 4);
	no_harm(tdx);
}

/* --- keys and cache lines -------------------------------------------------- */

TEST(tdx_the_hosts_lines_must_be_written_back_before)
{
	struct tdx *tdx = boot();

	tdx_host_use(tdx, AT(CONTROL, 20));
	tdx_host_flush(tdx, AT(CONTROL, 20));
	CHECK_EQ(tdx_mem_sept_add(tdx, large, AT(CONTROL, 20)), TDX_SUCCESS);
	no_harm(tdx);
	tdx = boot();
	tdx_host_use(tdx, AT(CONTROL, 20));
	CHECK_EQ(tdx_mem_sept_add(tdx, large, AT(CONTROL, 20)), TDX_SUCCESS);
	harm(tdx, TDX_HARM_HOST_LINES);
	tdx = boot();
	tdx_host_use(tdx, AT(GUEST, 511));
	CHECK_EQ(tdx_mem_page_aug(tdx, large, AT(GUEST, 0)), TDX_SUCCESS);
	harm(tdx, TDX_HARM_HOST_LINES);
}

static struct tdx *removed(bool erratum)
{
	struct tdx_config config = usual();
	struct tdx *tdx;

	config.erratum = erratum;
	tdx = boot_large(&config);
	CHECK_EQ(tdx_mem_range_block(tdx, large), TDX_SUCCESS);
	CHECK_EQ(tdx_mem_track(tdx, 0), TDX_SUCCESS);
	tdx_vp_exit(tdx, 0, 0);
	CHECK_EQ(tdx_mem_page_remove(tdx, large), TDX_SUCCESS);
	return tdx;
}

TEST(tdx_the_keys_lines_must_be_written_back_after)
{
	struct tdx *tdx = removed(false);

	CHECK(!tdx_page_is_clean(tdx, AT(GUEST, 3)));
	CHECK_EQ(tdx_phymem_page_wbinvd(tdx, AT(GUEST, 3)), TDX_SUCCESS);
	CHECK(tdx_page_is_clean(tdx, AT(GUEST, 3)));
	tdx_host_use(tdx, AT(GUEST, 3));
	no_harm(tdx);
	tdx = removed(false);
	tdx_host_use(tdx, AT(GUEST, 3));
	harm(tdx, TDX_HARM_KEY_LINES);
}

TEST(tdx_with_the_erratum_pages_must_be_reset)
{
	uint32_t pages[TDX_PAIR_PAGES] = { 0 };
	struct tdx *tdx = removed(true);

	CHECK_EQ(tdx_phymem_page_wbinvd(tdx, AT(GUEST, 3)), TDX_SUCCESS);
	tdx_host_reset(tdx, AT(GUEST, 3));
	tdx_host_use(tdx, AT(GUEST, 3));
	next_pair = 20;
	CHECK_EQ(add_pair(tdx, LONE), TDX_SUCCESS);
	CHECK_EQ(tdx_pamt_remove(tdx, LONE, pages), TDX_SUCCESS);
	CHECK_EQ(tdx_harm(tdx)->what, TDX_HARM_NONE);
	tdx_host_use(tdx, pages[0]);
	harm(tdx, TDX_HARM_STAIN);
}

TEST(tdx_the_host_leaves_private_pages_alone)
{
	const struct tdx_config config = usual();
	struct tdx *tdx = boot_large(&config);

	tdx_host_use(tdx, AT(GUEST, 17));
	harm(tdx, TDX_HARM_TOUCH);
	tdx = boot();
	tdx_host_reset(tdx, AT(PAIRS, 0));
	harm(tdx, TDX_HARM_TOUCH);
}

/* --- the life of a TD ------------------------------------------------------ */

TEST(tdx_control_pages_come_in_order)
{
	const struct tdx_config config = usual();
	struct tdx *tdx = tdx_create(&config);

	next_pair = 0;
	CHECK_EQ(tdx_mng_create(tdx, 0, AT(CONTROL, 0), HKID), TDX_MISSING_PAMT_PAGE_PAIR);
	CHECK_EQ(add_pair(tdx, CONTROL), TDX_SUCCESS);
	CHECK_EQ(tdx_mng_create(tdx, 0, AT(CONTROL, 0), 0), TDX_OPERAND_INVALID);
	CHECK_EQ(tdx_mng_create(tdx, 0, AT(CONTROL, 0), HKID), TDX_SUCCESS);
	CHECK_EQ(tdx_mng_create(tdx, 0, AT(CONTROL, 1), HKID), TDX_LIFECYCLE_STATE_INCORRECT);
	CHECK_EQ(tdx_mng_create(tdx, 1, AT(CONTROL, 1), HKID), TDX_HKID_NOT_FREE);
	CHECK_EQ(tdx_mng_create(tdx, 1, AT(CONTROL, 0), 8), TDX_PAGE_METADATA_INCORRECT);
	CHECK_EQ(tdx_mng_init(tdx, 0), TDX_LIFECYCLE_STATE_INCORRECT);
	CHECK_EQ(tdx_mng_addcx(tdx, 0, AT(CONTROL, 1)), TDX_SUCCESS);
	CHECK_EQ(tdx_mng_addcx(tdx, 0, AT(CONTROL, 2)), TDX_SUCCESS);
	CHECK_EQ(tdx_mng_addcx(tdx, 0, AT(CONTROL, 3)), TDX_LIFECYCLE_STATE_INCORRECT);
	CHECK_EQ(tdx_vp_create(tdx, 0, 0, AT(CONTROL, 3)), TDX_LIFECYCLE_STATE_INCORRECT);
	CHECK_EQ(tdx_mng_init(tdx, 0), TDX_SUCCESS);
	CHECK_EQ(tdx_vp_create(tdx, 0, 0, AT(CONTROL, 3)), TDX_SUCCESS);
	CHECK_EQ(tdx_vp_create(tdx, 0, 0, AT(CONTROL, 4)), TDX_VCPU_STATE_INCORRECT);
	CHECK_EQ(tdx_vp_init(tdx, 0, 0), TDX_VCPU_STATE_INCORRECT);
	CHECK_EQ(tdx_vp_addcx(tdx, 0, 0, AT(CONTROL, 4)), TDX_SUCCESS);
	CHECK_EQ(tdx_vp_init(tdx, 0, 0), TDX_SUCCESS);
	CHECK_EQ(tdx_region_uses(tdx, CONTROL), 5);
	no_harm(tdx);
}

static void give_up_key(struct tdx *tdx)
{
	CHECK_EQ(tdx_mng_vpflushdone(tdx, 0), TDX_FLUSHVP_NOT_DONE);
	CHECK_EQ(tdx_vp_flush(tdx, 0, 0), TDX_SUCCESS);
	CHECK_EQ(tdx_mng_vpflushdone(tdx, 0), TDX_SUCCESS);
	CHECK_EQ(tdx_mng_key_freeid(tdx, 0), TDX_LIFECYCLE_STATE_INCORRECT);
	CHECK_EQ(tdx_phymem_page_reclaim(tdx, AT(GUEST, 0), TDX_2M),
		 TDX_LIFECYCLE_STATE_INCORRECT);
	CHECK_EQ(tdx_phymem_cache_wb(tdx), TDX_SUCCESS);
	CHECK_EQ(tdx_mng_key_freeid(tdx, 0), TDX_SUCCESS);
}

TEST(tdx_teardown_reclaims_every_page_and_the_tdr_last)
{
	const struct tdx_config config = usual();
	uint32_t pages[TDX_PAIR_PAGES] = { 0 };
	struct tdx *tdx = boot_large(&config);

	CHECK_EQ(tdx_vp_flush(tdx, 0, 0), TDX_VCPU_STATE_INCORRECT);
	tdx_vp_exit(tdx, 0, 0);
	give_up_key(tdx);
	CHECK_EQ(tdx_phymem_page_reclaim(tdx, AT(GUEST, 0), TDX_4K), TDX_PAGE_METADATA_INCORRECT);
	CHECK_EQ(tdx_phymem_page_reclaim(tdx, AT(GUEST, 0), TDX_2M), TDX_SUCCESS);
	CHECK_EQ(tdx_phymem_page_reclaim(tdx, AT(CONTROL, 0), TDX_4K),
		 TDX_TD_ASSOCIATED_PAGES_EXIST);
	for (uint32_t i = 1; i <= 6; i++)
		CHECK_EQ(tdx_phymem_page_reclaim(tdx, AT(CONTROL, i), TDX_4K), TDX_SUCCESS);
	CHECK_EQ(tdx_phymem_page_reclaim(tdx, AT(CONTROL, 10), TDX_4K), TDX_SUCCESS);
	CHECK_EQ(tdx_phymem_page_reclaim(tdx, AT(CONTROL, 0), TDX_4K), TDX_SUCCESS);
	CHECK(!tdx_td_exists(tdx, 0));
	CHECK_EQ(tdx_pamt_remove(tdx, CONTROL, pages), TDX_SUCCESS);
	CHECK_EQ(tdx_pages_held(tdx), 0);
	/* CACHE.WB did for all but the TDR, which has another key */
	tdx_host_use(tdx, AT(GUEST, 0));
	tdx_host_use(tdx, AT(CONTROL, 1));
	CHECK_EQ(tdx_harm(tdx)->what, TDX_HARM_NONE);
	tdx_host_use(tdx, AT(CONTROL, 0));
	harm(tdx, TDX_HARM_KEY_LINES);
}

TEST(tdx_restarts_as_new)
{
	const struct tdx_config config = usual();
	struct tdx *tdx = boot_large(&config);

	tdx_host_use(tdx, AT(GUEST, 0));
	CHECK(tdx_refuse(tdx, TDX_CALL_PAMT_ADD, TDX_OPERAND_BUSY, 0));
	tdx_restart(tdx, &config);
	CHECK_EQ(tdx_harm(tdx)->what, TDX_HARM_NONE);
	CHECK_EQ(tdx_pages_held(tdx), 0);
	CHECK_EQ(tdx_calls_all(tdx), 0);
	next_pair = 0;
	CHECK_EQ(add_pair(tdx, CONTROL), TDX_SUCCESS);
	CHECK_EQ(tdx_mng_create(tdx, 0, AT(CONTROL, 0), HKID), TDX_SUCCESS);
	no_harm(tdx);
}

TEST(tdx_impossible_sizes_and_names)
{
	struct tdx_config config = usual();

	config.regions = 0;
	CHECK(tdx_create(&config) == NULL);
	config = usual();
	config.vcpus = TDX_VCPUS_MAX + 1;
	CHECK(tdx_create(&config) == NULL);
	CHECK_STR_EQ(tdx_call_name(TDX_CALL_PAMT_REMOVE), "PHYMEM.PAMT.REMOVE");
	CHECK_STR_EQ(tdx_status_name(TDX_NOT_SUPPORTED), "NOT_SUPPORTED");
}
