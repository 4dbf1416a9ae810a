/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * nested: the matrices of SPEC C.10, by number, and what K contexts add.
 */
#include "lab.h"
#include "test.h"

#include <errno.h>

#include "../port/sim/tlbtag_port.h"

/* One vCPU whose L1 and L2 (ASID 1) have run on CPU 0; L1 is active. */
static void start_warm(struct lab *lab, const struct tlbtag_hw *hw, uint32_t contexts)
{
	lab_start(lab, hw);
	lab_start_vcpus(lab);
	tlbtag_nested_enable(&lab->vcpu[0], contexts);
	lab_enter(&lab->vcpu[0], 0);
	lab_vmrun(&lab->vcpu[0], 1, 0);
	lab_enter(&lab->vcpu[0], 0);
	tlbtag_nested_exit(&lab->vcpu[0]);
}

static uint32_t vmrun(struct tlbtag_vcpu *vcpu, uint32_t asid, uint8_t tlb_control, bool npt)
{
	struct tlbtag_vmcb12 vmcb12 = {
		.asid = asid,
		.tlb_control = tlb_control,
		.nested_paging = npt,
	};
	uint32_t work = 0;

	tlbtag_nested_enter(vcpu, &vmcb12, &work);
	return work;
}

/* C.10 (1): what one VMRUN leaves pending. */
static void check_vmrun(uint8_t tlb_control, bool new_asid, bool npt12, const struct tlbtag_hw *hw)
{
	struct tlbtag_vcpu *vcpu;
	struct lab lab;
	uint32_t work;
	bool flushes = tlb_control || new_asid;
	bool syncs = flushes && (npt12 || !hw->nested_paging);

	start_warm(&lab, hw, 1);
	vcpu = &lab.vcpu[0];
	work = vmrun(vcpu, new_asid ? 2 : 1, tlb_control, npt12);

	CHECK_EQ(vcpu->l1.why, tlb_control == 1 ? TLBTAG_WHY_TLB_CONTROL : 0);
	CHECK_EQ(vcpu->l2[0].ctx.why, (tlb_control ? TLBTAG_WHY_TLB_CONTROL : 0) |
					      (new_asid ? TLBTAG_WHY_ASID_CHANGE : 0));
	CHECK_EQ((work & TLBTAG_WORK_SYNC) != 0, syncs);
	CHECK(work & TLBTAG_WORK_DRAIN_L2);
	CHECK_EQ(tlbtag_vcpu_plan(vcpu, on(0)).flush,
		 !flushes	  ? TLBTAG_FLUSH_NONE :
		 hw->flush_by_tag ? TLBTAG_FLUSH_TAG :
				    TLBTAG_FLUSH_ALL);
}

/*
 * Guards QUEUE_DRAIN, ALL_BY_ABSENCE, L1_TLB_CONTROL, L1_FLUSH_ALL_L1, L1_ASID_CHANGE,
 * SYNC_TLB_CONTROL, SYNC_ASID_CHANGE.
 */
TEST(nested_c10_1_vmrun_matrix)
{
	static const uint8_t controls[] = { 0, 1, 3, 7, 2, 0xff };

	for (size_t i = 0; i < sizeof(controls); i++) {
		for (unsigned int bits = 0; bits < 16; bits++) {
			struct tlbtag_hw hw = lab_hw(15);

			hw.nested_paging = bits & 1;
			hw.flush_by_tag = bits & 2;
			check_vmrun(controls[i], bits & 4, bits & 8, &hw);
		}
	}
}

/* Guards C2, ALL_CONTEXTS, KEEP_PENDING. */
/* C.10 (2): a flush of everything while L1 runs waits for L2, for once. */
TEST(nested_c10_2_flush_all_in_l1_waits_for_l2)
{
	struct tlbtag_hw hw = lab_hw(15);
	struct lab lab;

	start_warm(&lab, &hw, 1);
	tlbtag_vcpu_flush(&lab.vcpu[0], TLBTAG_TARGET_BOTH, TLBTAG_FLUSH_TAG, TLBTAG_WHY_ALL);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, TLBTAG_WHY_ALL);
	for (int i = 0; i < 1000; i++)
		CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, 0);
	lab_vmrun(&lab.vcpu[0], 1, 0);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, TLBTAG_WHY_ALL);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, 0);
}

/* Guards ALL_CONTEXTS. */
/* C.10 (3) */
TEST(nested_c10_3_flush_all_in_l2_waits_for_l1)
{
	struct tlbtag_hw hw = lab_hw(15);
	struct lab lab;

	start_warm(&lab, &hw, 1);
	lab_vmrun(&lab.vcpu[0], 1, 0);
	tlbtag_vcpu_flush(&lab.vcpu[0], TLBTAG_TARGET_BOTH, TLBTAG_FLUSH_TAG, TLBTAG_WHY_ALL);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, TLBTAG_WHY_ALL);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, 0);
	tlbtag_nested_exit(&lab.vcpu[0]);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, TLBTAG_WHY_ALL);
}

/* Guards ACTIVE_LEVEL, KEEP_PENDING. */
/* C.10 (4): raised in L2, not served before the exit. */
TEST(nested_c10_4_request_of_l2_stays_with_l2)
{
	struct tlbtag_hw hw = lab_hw(15);
	struct lab lab;

	start_warm(&lab, &hw, 1);
	lab_vmrun(&lab.vcpu[0], 1, 0);
	tlbtag_vcpu_flush(&lab.vcpu[0], TLBTAG_TARGET_ACTIVE, TLBTAG_FLUSH_TAG, TLBTAG_WHY_GUEST);
	CHECK_EQ(tlbtag_nested_exit(&lab.vcpu[0]), TLBTAG_WORK_DRAIN_L1);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, 0);
	lab_vmrun(&lab.vcpu[0], 1, 0);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, TLBTAG_WHY_GUEST);
}

/* Guards INVLPGA_MATCH, INVLPGA_PLACE. */
/* C.10 (5): L2 on CPU 0, L1's INVLPGA on CPU 1, back to CPU 0. */
TEST(nested_c10_5_invlpga_on_the_wrong_cpu)
{
	struct tlbtag_hw hw = lab_hw(15);
	struct tlbtag_invlpga answer;
	struct lab lab;

	start_warm(&lab, &hw, 1);
	lab_enter(&lab.vcpu[0], 1);
	answer = tlbtag_nested_invlpga(&lab.vcpu[0], on(1), 1, true);
	CHECK_EQ(answer.action, TLBTAG_ADDRESS_PENDING);
	lab_enter(&lab.vcpu[0], 0);
	lab_vmrun(&lab.vcpu[0], 1, 0);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, TLBTAG_WHY_INVLPGA);
}

/* Guards FIRST_USE, NESTED_REALLOC, SYNC_ASID_CHANGE. */
/* C.10 (6): SVME off and on while another vCPU takes and gives back the tag. */
TEST(nested_c10_6_svme_off_and_on_with_reuse)
{
	struct tlbtag_hw hw = lab_hw(15);
	struct lab lab;
	tlbtag_t tag;

	start_warm(&lab, &hw, 1);
	tag = lab.vcpu[0].l2[0].ctx.tag;
	tlbtag_nested_disable(&lab.vcpu[0]);
	tlbtag_nested_enable(&lab.vcpu[1], 1);
	CHECK_EQ(lab.vcpu[1].l2[0].ctx.tag, tag);
	lab_vmrun(&lab.vcpu[1], 1, 0);
	CHECK(lab_enter(&lab.vcpu[1], 0).why & TLBTAG_WHY_FIRST_USE);
	tlbtag_nested_disable(&lab.vcpu[1]);
	tlbtag_nested_enable(&lab.vcpu[0], 1);
	CHECK_EQ(lab.vcpu[0].l2[0].ctx.tag, tag);
	CHECK(vmrun(&lab.vcpu[0], 1, 0, true) & TLBTAG_WORK_SYNC);
	CHECK(lab_enter(&lab.vcpu[0], 0).why & TLBTAG_WHY_FIRST_USE);
}

/* Guards L1_ASID_CHANGE, SYNC_ASID_CHANGE. */
/* C.10 (7): with one context each change flushes and syncs, with two none. */
TEST(nested_c10_7_asid_ping_pong)
{
	for (uint32_t contexts = 1; contexts <= 2; contexts++) {
		struct tlbtag_hw hw = lab_hw(15);
		struct lab lab;

		start_warm(&lab, &hw, contexts);
		lab_vmrun(&lab.vcpu[0], 2, 0);
		lab_enter(&lab.vcpu[0], 0);
		for (int i = 0; i < 10; i++) {
			uint32_t work = lab_vmrun(&lab.vcpu[0], 1 + i % 2, 0);
			uint32_t why = lab_enter(&lab.vcpu[0], 0).why;

			CHECK_EQ(why, contexts == 1 ? TLBTAG_WHY_ASID_CHANGE : 0);
			CHECK_EQ(work & TLBTAG_WORK_SYNC, contexts == 1 ? TLBTAG_WORK_SYNC : 0);
		}
	}
}

/* Guards C2, ACK. */
/* C.10 (8): a VMRUN that fails, early or late, loses nothing. */
TEST(nested_c10_8_failed_vmrun_keeps_what_it_asked_for)
{
	struct tlbtag_hw hw = lab_hw(15);
	struct tlbtag_vmcb12 zero = { .asid = 0, .tlb_control = 1 };
	struct lab lab;
	uint32_t work = 77;

	start_warm(&lab, &hw, 1);
	CHECK_EQ(tlbtag_nested_enter(&lab.vcpu[0], &zero, &work), -EINVAL);
	CHECK_EQ(work, 77);
	CHECK_EQ(lab.vcpu[0].active, TLBTAG_ACTIVE_L1);
	CHECK_EQ(lab.vcpu[0].l1.why, 0);

	lab_vmrun(&lab.vcpu[0], 2, 3);
	tlbtag_vcpu_plan(&lab.vcpu[0], on(0));
	tlbtag_nested_exit(&lab.vcpu[0]);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, 0);
	lab_vmrun(&lab.vcpu[0], 2, 0);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, TLBTAG_WHY_TLB_CONTROL | TLBTAG_WHY_ASID_CHANGE);
}

/* Guards L1_FLUSH_ALL_L1, RESET. */
/* C.10 (9): L1 is owed its flush however L2 is left. */
TEST(nested_c10_9_forced_leave_after_flush_all)
{
	struct tlbtag_hw hw = lab_hw(15);
	struct lab lab;

	start_warm(&lab, &hw, 1);
	lab_vmrun(&lab.vcpu[0], 1, 1);
	tlbtag_nested_disable(&lab.vcpu[0]);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, TLBTAG_WHY_TLB_CONTROL);

	start_warm(&lab, &hw, 1);
	lab_vmrun(&lab.vcpu[0], 1, 1);
	tlbtag_vcpu_reset(&lab.vcpu[0]);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, TLBTAG_WHY_TLB_CONTROL | TLBTAG_WHY_RESET);
}

/* Guards PV_L1. */
/* C.10 (10): PV and Hyper-V style flushes, from either level, for each level. */
TEST(nested_c10_10_flushes_from_outside)
{
	for (int in_l2 = 0; in_l2 <= 1; in_l2++) {
		struct tlbtag_hw hw = lab_hw(15);
		struct lab lab;

		start_warm(&lab, &hw, 1);
		if (in_l2)
			lab_vmrun(&lab.vcpu[0], 1, 0);
		CHECK_EQ(tlbtag_vcpu_flush(&lab.vcpu[0], TLBTAG_TARGET_L1, TLBTAG_FLUSH_TAG,
					   TLBTAG_WHY_PV),
			 TLBTAG_WORK_PURGE_L1);
		CHECK_EQ(lab.vcpu[0].l1.why, TLBTAG_WHY_PV);
		CHECK_EQ(lab.vcpu[0].l2[0].ctx.why, 0);
		CHECK_EQ(tlbtag_vcpu_flush(&lab.vcpu[0], TLBTAG_TARGET_L2, TLBTAG_FLUSH_TAG,
					   TLBTAG_WHY_GUEST),
			 TLBTAG_WORK_PURGE_L2);
		CHECK_EQ(lab.vcpu[0].l2[0].ctx.why, TLBTAG_WHY_GUEST);
		CHECK_EQ(lab.vcpu[0].l1.why, TLBTAG_WHY_PV);
	}
}

/* Guards SHARED_OWNER. */
/* C.10 (11): the fallback in L1, in L2, in both. */
TEST(nested_c10_11_fallback_in_either_level)
{
	for (uint32_t tags = 1; tags <= 3; tags++) {
		struct tlbtag_hw hw = lab_hw(tags);
		struct lab lab;
		bool both = tags == 1;

		start_warm(&lab, &hw, 1);
		CHECK_EQ(lab.vcpu[0].l1.tag == lab.pool.fallback, both);
		CHECK_EQ(lab.vcpu[0].l2[0].ctx.tag, lab.pool.fallback);
		for (int i = 0; i < 3; i++) {
			uint32_t expected = both ? TLBTAG_WHY_SHARED : 0;

			CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, expected);
			CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, 0);
			lab_vmrun(&lab.vcpu[0], 1, 0);
			CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, expected);
			CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, 0);
			tlbtag_nested_exit(&lab.vcpu[0]);
		}
	}
}

/* Guards INVLPGA_ZERO, INVLPGA_MATCH, INVLPGA_DROP. */
/* --- INVLPGA, SPEC C.8 ------------------------------------------------- */

TEST(nested_invlpga_cases)
{
	static const struct {
		uint32_t asid;
		bool canonical;
		bool npt;
		enum tlbtag_address action;
		bool as_invlpg;
		uint32_t work;
	} rows[] = {
		/* a) */ { 0, true, true, TLBTAG_ADDRESS_NOTHING, true, 0 },
		/* a) */ { 0, false, true, TLBTAG_ADDRESS_NOTHING, true, 0 },
		/* b) */ { 1, false, true, TLBTAG_ADDRESS_NOTHING, false, 0 },
		/* b) */ { 1, false, false, TLBTAG_ADDRESS_NOTHING, false, 0 },
		/* c) */ { 1, true, true, TLBTAG_ADDRESS_NOW, false, 0 },
		/* d) */ { 2, true, true, TLBTAG_ADDRESS_NOTHING, false, 0 },
		/* e) */ { 1, true, false, TLBTAG_ADDRESS_NOW, false, TLBTAG_WORK_DROP_ADDRESS },
		/* e) */ { 2, true, false, TLBTAG_ADDRESS_NOTHING, false,
			   TLBTAG_WORK_DROP_ADDRESS },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tlbtag_hw hw = lab_hw(15);
		struct tlbtag_invlpga answer;
		struct lab lab;

		hw.nested_paging = rows[i].npt;
		start_warm(&lab, &hw, 1);
		answer = tlbtag_nested_invlpga(&lab.vcpu[0], on(0), rows[i].asid,
					       rows[i].canonical);
		CHECK_EQ(answer.action, rows[i].action);
		CHECK_EQ(answer.as_invlpg, rows[i].as_invlpg);
		CHECK_EQ(answer.work, rows[i].work);
		if (answer.action == TLBTAG_ADDRESS_NOW)
			CHECK_EQ(answer.tag, lab.vcpu[0].l2[0].ctx.tag);
	}
}

/* f) nothing matches before L1 used an ASID, and nothing breaks. */
TEST(nested_invlpga_before_any_vmrun)
{
	struct lab lab;

	lab_start_nested(&lab, 15, 4);
	CHECK_EQ(tlbtag_nested_invlpga(&lab.vcpu[0], on(0), 1, true).action,
		 TLBTAG_ADDRESS_NOTHING);
	tlbtag_nested_disable(&lab.vcpu[0]);
	CHECK_EQ(tlbtag_nested_invlpga(&lab.vcpu[0], on(0), 1, true).action,
		 TLBTAG_ADDRESS_NOTHING);
}

/* Guards INVLPGA_ERRATUM. */
TEST(nested_invlpga_is_a_flush_under_the_erratum)
{
	struct tlbtag_hw hw = lab_hw(15);
	struct lab lab;

	hw.invlpga_unreliable = true;
	start_warm(&lab, &hw, 1);
	CHECK_EQ(tlbtag_nested_invlpga(&lab.vcpu[0], on(0), 1, true).action,
		 TLBTAG_ADDRESS_PENDING);
	lab_vmrun(&lab.vcpu[0], 1, 0);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, TLBTAG_WHY_INVLPGA);
}

/* --- K contexts -------------------------------------------------------- */

/* Guards N1, L1_ASID_CHANGE. An ASID keeps its context; the one unused for longest makes room. */
TEST(nested_contexts_are_keyed_by_asid_and_evicted_by_age)
{
	struct tlbtag_hw hw = lab_hw(31);
	struct lab lab;

	start_warm(&lab, &hw, 4);
	for (uint32_t asid = 2; asid <= 4; asid++) {
		lab_vmrun(&lab.vcpu[0], asid, 0);
		lab_enter(&lab.vcpu[0], 0);
	}
	lab_vmrun(&lab.vcpu[0], 1, 0);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, 0);
	lab_vmrun(&lab.vcpu[0], 5, 0);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, TLBTAG_WHY_ASID_CHANGE);
	CHECK_EQ(lab.vcpu[0].l2[1].asid12, 5);
	lab_vmrun(&lab.vcpu[0], 3, 0);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, 0);
	lab_vmrun(&lab.vcpu[0], 2, 0);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, TLBTAG_WHY_ASID_CHANGE);
}

/* Guards N2. */
/* N2, and one VMCB for all: its ASID field is dirty when the context changes. */
TEST(nested_context_change_dirties_the_asid)
{
	struct tlbtag_hw hw = lab_hw(31);
	struct lab lab;

	start_warm(&lab, &hw, 2);
	lab_vmrun(&lab.vcpu[0], 2, 0);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).dirty, TLBTAG_DIRTY_TAG);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).dirty, 0);
	lab_vmrun(&lab.vcpu[0], 1, 0);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).dirty, TLBTAG_DIRTY_TAG);
	CHECK_NE(lab.vcpu[0].l2[0].ctx.tag, lab.vcpu[0].l2[1].ctx.tag);
}

/* Guards KEEP_PENDING, L1_TLB_CONTROL, L1_FLUSH_ALL_L1, L1_FLUSH_ALL_L2. */
TEST(nested_flush_all_of_l1_reaches_every_context)
{
	struct tlbtag_hw hw = lab_hw(31);
	struct lab lab;

	start_warm(&lab, &hw, 3);
	lab_vmrun(&lab.vcpu[0], 2, 0);
	lab_enter(&lab.vcpu[0], 0);
	lab_vmrun(&lab.vcpu[0], 2, 1);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, TLBTAG_WHY_TLB_CONTROL);
	CHECK(lab_vmrun(&lab.vcpu[0], 1, 0) & TLBTAG_WORK_DRAIN_L2);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, TLBTAG_WHY_TLB_CONTROL);
	tlbtag_nested_exit(&lab.vcpu[0]);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, TLBTAG_WHY_TLB_CONTROL);
	CHECK_EQ(lab.vcpu[0].l2[2].ctx.why, 0);
}

/* SPEC D: L1 may use any ASID, also above what CPUID showed it. */
TEST(nested_any_asid_but_zero_is_accepted)
{
	struct tlbtag_hw hw = lab_hw(15);
	struct lab lab;

	start_warm(&lab, &hw, 1);
	lab_vmrun(&lab.vcpu[0], UINT32_MAX, 0);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).tag, lab.vcpu[0].l2[0].ctx.tag);
}

TEST(nested_enable_refuses_bad_counts_and_is_idempotent)
{
	struct lab lab;

	lab_start_nested(&lab, 31, 2);
	CHECK_EQ(tlbtag_nested_enable(&lab.vcpu[0], 4), 0);
	CHECK_EQ(lab.vcpu[0].l2_count, 2);
	tlbtag_nested_disable(&lab.vcpu[0]);
	CHECK_EQ(tlbtag_nested_enable(&lab.vcpu[0], 0), -EINVAL);
	CHECK_EQ(tlbtag_nested_enable(&lab.vcpu[0], TLBTAG_L2_MAX + 1), -EINVAL);
	CHECK_EQ(lab.vcpu[0].l2_count, 0);
	CHECK_EQ(tlbtag_nested_enable(&lab.vcpu[0], TLBTAG_L2_MAX), 0);
	CHECK_EQ(lab.vcpu[0].l2_count, TLBTAG_L2_MAX);
}

/* Doubt means more flushing: L2 gets the fallback, and a warning. */
TEST(nested_enter_without_enable_is_doubt)
{
	struct lab lab;
	struct tlbtag_hw hw = lab_hw(15);

	lab_start(&lab, &hw);
	lab_start_vcpus(&lab);
	lab_vmrun(&lab.vcpu[0], 1, 0);
	CHECK_EQ(tlbtag_sim_warnings(), 1);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).tag, lab.pool.fallback);
}

/* Guards NESTED_REALLOC. */
/* SPEC C.2: nothing of this is migrated; a restored vCPU flushes. */
TEST(nested_restore_on_a_new_vcpu_flushes_and_syncs)
{
	struct lab lab;

	lab_start_nested(&lab, 15, 1);
	CHECK(lab_vmrun(&lab.vcpu[0], 9, 0) & TLBTAG_WORK_SYNC);
	CHECK(lab_enter(&lab.vcpu[0], 0).why & TLBTAG_WHY_FIRST_USE);
}

/* RSM into L2 while L2 was active, SET_NESTED_STATE: the old one is left. */
TEST(nested_enter_from_within_l2)
{
	struct lab lab;

	lab_start_nested(&lab, 15, 2);
	lab_vmrun(&lab.vcpu[0], 1, 0);
	lab_enter(&lab.vcpu[0], 0);
	lab_vmrun(&lab.vcpu[0], 2, 0);
	CHECK(lab_enter(&lab.vcpu[0], 0).why & TLBTAG_WHY_FIRST_USE);
	CHECK_EQ(tlbtag_nested_exit(&lab.vcpu[0]), TLBTAG_WORK_DRAIN_L1);
	CHECK_EQ(tlbtag_nested_exit(&lab.vcpu[0]), 0);
}

/* --- shadow roots ------------------------------------------------------ */

/* Guards N3, SYNC_TLB_CONTROL. */
/* SPEC C.11-3: flush with root A, later root B without: B must be synced. */
TEST(nested_cached_root_is_stale_after_a_demand)
{
	struct tlbtag_root a = { 0 };
	struct tlbtag_root b = { 0 };
	struct lab lab;

	lab_start_nested(&lab, 15, 1);
	lab_vmrun(&lab.vcpu[0], 1, 0);
	tlbtag_root_set_synced(&lab.vcpu[0], &a);
	tlbtag_root_set_synced(&lab.vcpu[0], &b);
	lab_vmrun(&lab.vcpu[0], 1, 3);
	CHECK(tlbtag_root_is_stale(&lab.vcpu[0], &a));
	tlbtag_root_set_synced(&lab.vcpu[0], &a);
	CHECK(!tlbtag_root_is_stale(&lab.vcpu[0], &a));
	lab_vmrun(&lab.vcpu[0], 1, 0);
	CHECK(tlbtag_root_is_stale(&lab.vcpu[0], &b));
}

/* Guards N3, SYNC_TLB_CONTROL. */
/* N3, KVM.md 4.3: leaving L2 before the sync does not lose it. */
TEST(nested_sync_is_not_lost_by_leaving)
{
	struct tlbtag_root root = { 0 };
	struct lab lab;

	lab_start_nested(&lab, 15, 1);
	lab_vmrun(&lab.vcpu[0], 1, 0);
	tlbtag_root_set_synced(&lab.vcpu[0], &root);
	lab_vmrun(&lab.vcpu[0], 1, 3);
	tlbtag_nested_exit(&lab.vcpu[0]);
	lab_vmrun(&lab.vcpu[0], 1, 0);
	CHECK(tlbtag_root_is_stale(&lab.vcpu[0], &root));
}

/* Guards N3. */
/* A demand for one context leaves the other's roots alone. */
TEST(nested_demand_is_per_context)
{
	struct tlbtag_root root = { 0 };
	struct lab lab;

	lab_start_nested(&lab, 31, 2);
	lab_vmrun(&lab.vcpu[0], 1, 0);
	lab_vmrun(&lab.vcpu[0], 2, 0);
	tlbtag_root_set_synced(&lab.vcpu[0], &root);
	lab_vmrun(&lab.vcpu[0], 1, 3);
	CHECK(tlbtag_root_is_stale(&lab.vcpu[0], &root));
	lab_vmrun(&lab.vcpu[0], 2, 0);
	CHECK(!tlbtag_root_is_stale(&lab.vcpu[0], &root));
}

/* Guards N3, ROOT_CONTEXT. */
/*
 * Found by tlbtag check: ASID 2 has run nowhere; ASID 1 fills the root; L1 edits
 * its tables and does not flush; ASID 2 must not see what ASID 1 left there.
 */
TEST(nested_root_of_another_context_is_stale)
{
	struct tlbtag_root root = { 0 };
	struct lab lab;

	lab_start_nested(&lab, 31, 2);
	lab_vmrun(&lab.vcpu[0], 2, 0);
	lab_vmrun(&lab.vcpu[0], 1, 1);
	tlbtag_root_set_synced(&lab.vcpu[0], &root);
	CHECK(!tlbtag_root_is_stale(&lab.vcpu[0], &root));
	lab_vmrun(&lab.vcpu[0], 2, 0);
	CHECK(tlbtag_root_is_stale(&lab.vcpu[0], &root));
	tlbtag_root_set_synced(&lab.vcpu[0], &root);
	CHECK(!tlbtag_root_is_stale(&lab.vcpu[0], &root));
}

/* Guards SYNC_GUEST_FLUSH. */
/* Under shadow paging a guest's own flush reaches its cached roots too. */
TEST(nested_guest_flush_under_shadow_paging_syncs)
{
	struct tlbtag_root root = { 0 };
	struct tlbtag_hw hw = lab_hw(15);
	struct lab lab;

	hw.nested_paging = false;
	start_warm(&lab, &hw, 1);
	tlbtag_root_set_synced(&lab.vcpu[0], &root);
	CHECK(tlbtag_vcpu_flush(&lab.vcpu[0], TLBTAG_TARGET_ACTIVE, TLBTAG_FLUSH_TAG,
				TLBTAG_WHY_CURRENT) == 0);
	CHECK(!tlbtag_root_is_stale(&lab.vcpu[0], &root));
	CHECK(tlbtag_vcpu_flush(&lab.vcpu[0], TLBTAG_TARGET_ACTIVE, TLBTAG_FLUSH_TAG,
				TLBTAG_WHY_GUEST) & TLBTAG_WORK_SYNC);
	CHECK(tlbtag_root_is_stale(&lab.vcpu[0], &root));
}

/* What would let the short cut of an entry miss something, one thing at a time. */
TEST(nested_short_cut_is_for_the_same_guest_that_asks_for_nothing)
{
	struct tlbtag_hw hw = lab_hw(15);
	struct tlbtag_vcpu *vcpu;
	struct lab lab;

	lab_start(&lab, &hw);
	lab_start_vcpus(&lab);
	vcpu = &lab.vcpu[0];
	CHECK(!tlbtag_nested_reenter(vcpu, 1, 0));
	tlbtag_nested_enable(vcpu, 2);
	CHECK(!tlbtag_nested_reenter(vcpu, 0, 0));
	lab_vmrun(vcpu, 2, 0);
	lab_vmrun(vcpu, 1, 0);
	tlbtag_nested_exit(vcpu);
	CHECK(!tlbtag_nested_reenter(vcpu, 2, 0));
	CHECK(!tlbtag_nested_reenter(vcpu, 1, TLBTAG_TLB_CONTROL_ASID));
	CHECK_EQ(vcpu->active, TLBTAG_ACTIVE_L1);
	CHECK(tlbtag_nested_reenter(vcpu, 1, 0));
	CHECK_EQ(tlbtag_vcpu_active(vcpu)->tag, vcpu->l2[1].ctx.tag);
	tlbtag_vcpu_request(vcpu, TLBTAG_TARGET_L1, TLBTAG_WHY_PV);
	CHECK(!tlbtag_nested_return(vcpu));
	tlbtag_nested_exit(vcpu);
	CHECK_EQ(vcpu->l1.why & TLBTAG_WHY_PV, TLBTAG_WHY_PV);
	tlbtag_vcpu_request(vcpu, TLBTAG_TARGET_L2, TLBTAG_WHY_ALL);
	CHECK(!tlbtag_nested_reenter(vcpu, 1, 0));
	lab_vmrun(vcpu, 1, 0);
	CHECK(tlbtag_nested_return(vcpu));
	CHECK_EQ(vcpu->active, TLBTAG_ACTIVE_L1);
	tlbtag_nested_disable(vcpu);
	CHECK(!tlbtag_nested_reenter(vcpu, 1, 0));
	tlbtag_nested_enable(vcpu, 2);
	CHECK(!tlbtag_nested_reenter(vcpu, 1, 0));
}

/* Guards KEEP_PENDING. The short cut leaves what is pending where it is. */
TEST(nested_short_cut_keeps_what_is_pending)
{
	struct tlbtag_hw hw = lab_hw(15);
	struct lab lab;

	start_warm(&lab, &hw, 1);
	tlbtag_vcpu_flush(&lab.vcpu[0], TLBTAG_TARGET_L2, TLBTAG_FLUSH_TAG, TLBTAG_WHY_ALL);
	CHECK(tlbtag_nested_reenter(&lab.vcpu[0], 1, 0));
	CHECK(!tlbtag_vcpu_is_ready(&lab.vcpu[0], on(0)));
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, TLBTAG_WHY_ALL);
	CHECK(tlbtag_vcpu_is_ready(&lab.vcpu[0], on(0)));
}
