/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * rules: each rule that tests/tags_small_test.c does not switch off is switched
 * off here, and a short story comes out differently.
 */
#include "lab.h"
#include "test.h"

#include <stdio.h>

#include "../port/sim/tlbtag_port.h"

/* A story returns what it saw: the reasons, scopes or work of its last step. */
typedef uint32_t story(void);

static void start(struct lab *lab, bool nested_paging, bool invlpga_unreliable)
{
	struct tlbtag_hw hw = lab_hw(15);

	hw.nested_paging = nested_paging;
	hw.invlpga_unreliable = invlpga_unreliable;
	lab_start(lab, &hw);
	lab_start_vcpus(lab);
	tlbtag_nested_enable(&lab->vcpu[0], 1);
	lab_enter(&lab->vcpu[0], 0);
	lab_vmrun(&lab->vcpu[0], 1, 0);
	lab_enter(&lab->vcpu[0], 0);
	tlbtag_nested_exit(&lab->vcpu[0]);
}

static uint32_t flush_without_flushbyasid(void)
{
	struct tlbtag_hw hw = lab_hw(15);
	struct lab lab;

	hw.flush_by_tag = false;
	lab_start(&lab, &hw);
	lab_start_vcpus(&lab);
	return lab_enter(&lab.vcpu[0], 0).flush;
}

/* Every tag of CPU 0 was flushed, before the vCPU left it. */
static uint32_t flush_after_one_elsewhere(void)
{
	struct tlbtag_hw hw = lab_hw(15);
	struct lab lab;

	hw.flush_by_tag = false;
	lab_start(&lab, &hw);
	lab_start_vcpus(&lab);
	lab_enter(&lab.vcpu[0], 0);
	lab_enter(&lab.vcpu[0], 1);
	return lab_enter(&lab.vcpu[0], 0).why;
}

static uint32_t stale_after(uint32_t asid, uint8_t tlb_control)
{
	struct tlbtag_root root = { 0 };
	struct lab lab;

	start(&lab, true, false);
	lab_vmrun(&lab.vcpu[0], 1, 0);
	tlbtag_root_set_synced(&lab.vcpu[0], &root);
	lab_vmrun(&lab.vcpu[0], asid, tlb_control);
	return tlbtag_root_is_stale(&lab.vcpu[0], &root);
}

static uint32_t stale_after_tlb_control(void)
{
	return stale_after(1, 3);
}

static uint32_t stale_after_asid_change(void)
{
	return stale_after(2, 0);
}

static uint32_t stale_for_another_context(void)
{
	struct tlbtag_root root = { 0 };
	struct lab lab;

	lab_start_nested(&lab, 31, 2);
	lab_vmrun(&lab.vcpu[0], 2, 0);
	lab_vmrun(&lab.vcpu[0], 1, 0);
	tlbtag_root_set_synced(&lab.vcpu[0], &root);
	lab_vmrun(&lab.vcpu[0], 2, 0);
	return tlbtag_root_is_stale(&lab.vcpu[0], &root);
}

static uint32_t work_of_guest_flush(void)
{
	struct lab lab;

	start(&lab, false, false);
	return tlbtag_vcpu_flush(&lab.vcpu[0], TLBTAG_TARGET_ACTIVE, TLBTAG_FLUSH_TAG,
				 TLBTAG_WHY_GUEST);
}

static uint32_t invlpga_of_asid_zero(void)
{
	struct lab lab;

	start(&lab, true, false);
	return tlbtag_nested_invlpga(&lab.vcpu[0], on(0), 0, true).as_invlpg;
}

static uint32_t invlpga_here(void)
{
	struct lab lab;

	start(&lab, true, false);
	return tlbtag_nested_invlpga(&lab.vcpu[0], on(0), 1, true).action;
}

static uint32_t invlpga_elsewhere(void)
{
	struct lab lab;

	start(&lab, true, false);
	return tlbtag_nested_invlpga(&lab.vcpu[0], on(1), 1, true).action;
}

static uint32_t invlpga_with_errata(void)
{
	struct lab lab;

	start(&lab, true, true);
	return tlbtag_nested_invlpga(&lab.vcpu[0], on(0), 1, true).action;
}

static uint32_t invlpga_under_shadow_paging(void)
{
	struct lab lab;

	start(&lab, false, false);
	return tlbtag_nested_invlpga(&lab.vcpu[0], on(0), 1, true).work;
}

static uint32_t l1_after_pv_flush_in_l2(void)
{
	struct lab lab;

	start(&lab, true, false);
	lab_vmrun(&lab.vcpu[0], 1, 0);
	tlbtag_vcpu_flush(&lab.vcpu[0], TLBTAG_TARGET_L1, TLBTAG_FLUSH_TAG, TLBTAG_WHY_PV);
	tlbtag_nested_exit(&lab.vcpu[0]);
	return lab_enter(&lab.vcpu[0], 0).why;
}

/* L2's control block has one context's tag; is another one's entry clean? */
static uint32_t clean_in_another_block(void)
{
	struct lab lab;

	lab_start_nested(&lab, 15, 2);
	lab_vmrun(&lab.vcpu[0], 2, 0);
	lab_enter(&lab.vcpu[0], 0);
	lab_vmrun(&lab.vcpu[0], 1, 0);
	lab_enter(&lab.vcpu[0], 0);
	lab_vmrun(&lab.vcpu[0], 2, 0);
	return tlbtag_vcpu_is_clean(&lab.vcpu[0], on(0));
}

static uint32_t work_of_nested_exit(void)
{
	struct lab lab;

	start(&lab, true, false);
	lab_vmrun(&lab.vcpu[0], 1, 0);
	return tlbtag_nested_exit(&lab.vcpu[0]);
}

static uint32_t purge_by_the_mmu_under_shadow_paging(void)
{
	struct lab lab;

	start(&lab, false, false);
	return tlbtag_vcpu_flush(&lab.vcpu[0], TLBTAG_TARGET_L1, TLBTAG_FLUSH_TAG,
				 TLBTAG_WHY_ALL);
}

static uint32_t l1_after_reset(void)
{
	struct lab lab;

	start(&lab, true, false);
	tlbtag_vcpu_reset(&lab.vcpu[0]);
	return lab_enter(&lab.vcpu[0], 0).why;
}

static const struct {
	const char *name;
	enum tlbtag_rule rule;
	story *story;
	uint32_t with;
	uint32_t without;
} rows[] = {
	{ "EMPTIED_HERE", TLBTAG_RULE_EMPTIED_HERE, flush_after_one_elsewhere, TLBTAG_WHY_MOVED,
	  0 },
	{ "ALL_BY_ABSENCE", TLBTAG_RULE_ALL_BY_ABSENCE, flush_without_flushbyasid,
	  TLBTAG_FLUSH_ALL, TLBTAG_FLUSH_TAG },
	{ "SYNC_TLB_CONTROL", TLBTAG_RULE_SYNC_TLB_CONTROL, stale_after_tlb_control, true, false },
	{ "SYNC_ASID_CHANGE", TLBTAG_RULE_SYNC_ASID_CHANGE, stale_after_asid_change, true, false },
	{ "ROOT_CONTEXT", TLBTAG_RULE_ROOT_CONTEXT, stale_for_another_context, true, false },
	{ "SYNC_GUEST_FLUSH", TLBTAG_RULE_SYNC_GUEST_FLUSH, work_of_guest_flush,
	  TLBTAG_WORK_SYNC | TLBTAG_WORK_PURGE_L1, TLBTAG_WORK_PURGE_L1 },
	{ "INVLPGA_ZERO", TLBTAG_RULE_INVLPGA_ZERO, invlpga_of_asid_zero, true, false },
	{ "INVLPGA_MATCH", TLBTAG_RULE_INVLPGA_MATCH, invlpga_here, TLBTAG_ADDRESS_NOW,
	  TLBTAG_ADDRESS_NOTHING },
	{ "INVLPGA_PLACE", TLBTAG_RULE_INVLPGA_PLACE, invlpga_elsewhere, TLBTAG_ADDRESS_PENDING,
	  TLBTAG_ADDRESS_NOW },
	{ "INVLPGA_ERRATUM", TLBTAG_RULE_INVLPGA_ERRATUM, invlpga_with_errata,
	  TLBTAG_ADDRESS_PENDING, TLBTAG_ADDRESS_NOW },
	{ "INVLPGA_DROP", TLBTAG_RULE_INVLPGA_DROP, invlpga_under_shadow_paging,
	  TLBTAG_WORK_DROP_ADDRESS, 0 },
	{ "PV_L1", TLBTAG_RULE_PV_L1, l1_after_pv_flush_in_l2, TLBTAG_WHY_PV, 0 },
	{ "BLOCK_UNKNOWN", TLBTAG_RULE_BLOCK_UNKNOWN, clean_in_another_block, false, true },
	{ "QUEUE_DRAIN", TLBTAG_RULE_QUEUE_DRAIN, work_of_nested_exit, TLBTAG_WORK_DRAIN_L1, 0 },
	{ "QUEUE_COVERED", TLBTAG_RULE_QUEUE_COVERED, purge_by_the_mmu_under_shadow_paging, 0,
	  TLBTAG_WORK_PURGE_L1 },
	{ "RESET", TLBTAG_RULE_RESET, l1_after_reset, TLBTAG_WHY_RESET, 0 },
};

/* Guards ROOT_CONTEXT. */
TEST(rules_make_the_difference_they_claim)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool ok = CHECK_EQ(rows[i].story(), rows[i].with);

		tlbtag_sim_rule_off(rows[i].rule);
		ok &= CHECK_EQ(rows[i].story(), rows[i].without);
		tlbtag_sim_rule_on(rows[i].rule);
		if (!ok)
			test_failed(__FILE__, __LINE__, "rule %s", rows[i].name);
	}
}
