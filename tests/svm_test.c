/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * svm: plans as VMCB fields, and the number of ASIDs that a guest is shown.
 */
#include "lab.h"
#include "test.h"

static struct tlbtag_svm_vmcb prepared(enum tlbtag_flush flush, uint32_t dirty)
{
	struct tlbtag_plan plan = { .tag = 9, .flush = flush, .dirty = dirty };
	struct tlbtag_svm_vmcb vmcb = { .clean = 0xffff };

	tlbtag_svm_prepare(&vmcb, &plan);
	return vmcb;
}

TEST(svm_scopes_have_the_manual_s_encodings)
{
	CHECK_EQ(prepared(TLBTAG_FLUSH_NONE, 0).tlb_control, 0);
	CHECK_EQ(prepared(TLBTAG_FLUSH_ALL, 0).tlb_control, 1);
	CHECK_EQ(prepared(TLBTAG_FLUSH_TAG, 0).tlb_control, 3);
	CHECK_EQ(prepared(TLBTAG_FLUSH_NONGLOBAL, 0).tlb_control, 7);
	CHECK_EQ(prepared((enum tlbtag_flush)99, 0).tlb_control, 1);
	CHECK_EQ(prepared(TLBTAG_FLUSH_NONE, 0).asid, 9);
}

TEST(svm_clean_bits_are_only_ever_cleared)
{
	CHECK_EQ(prepared(TLBTAG_FLUSH_TAG, 0).clean, 0xffff);
	CHECK_EQ(prepared(TLBTAG_FLUSH_NONE, TLBTAG_DIRTY_TAG).clean, 0xfffb);
	CHECK_EQ(prepared(TLBTAG_FLUSH_NONE, TLBTAG_DIRTY_ALL | TLBTAG_DIRTY_TAG).clean, 0);
}

/* TLB_CONTROL is sticky in a VMCB: cleared by us, and only if it was obeyed. */
TEST(svm_complete_clears_what_the_hardware_did)
{
	struct tlbtag_svm_vmcb vmcb = prepared(TLBTAG_FLUSH_TAG, 0);

	tlbtag_svm_complete(&vmcb, false);
	CHECK_EQ(vmcb.tlb_control, 3);
	tlbtag_svm_complete(&vmcb, true);
	CHECK_EQ(vmcb.tlb_control, 0);
}

/* Guards ALL_BY_ABSENCE. */
/* SPEC J (ii): hardware is told 1 only where it has no flush by ASID. */
TEST(svm_control_1_only_without_flushbyasid)
{
	for (int by_tag = 0; by_tag <= 1; by_tag++) {
		struct tlbtag_hw hw = lab_hw(15);
		struct tlbtag_svm_vmcb vmcb = { 0 };
		struct tlbtag_plan plan;
		struct lab lab;

		hw.flush_by_tag = by_tag;
		lab_start(&lab, &hw);
		lab_start_vcpus(&lab);
		tlbtag_nested_enable(&lab.vcpu[0], 1);
		lab_vmrun(&lab.vcpu[0], 1, 1);
		plan = lab_enter(&lab.vcpu[0], 0);
		tlbtag_svm_prepare(&vmcb, &plan);
		CHECK_EQ(vmcb.tlb_control, by_tag ? 3 : 1);
	}
}

TEST(svm_guest_sees_the_real_number_of_asids)
{
	struct tlbtag_hw hw = lab_hw(0x7fff);

	CHECK_EQ(tlbtag_svm_guest_asids(&hw), 0x8000);
	hw.nr_tags = 16;
	CHECK_EQ(tlbtag_svm_guest_asids(&hw), 16);
	hw.nr_tags = 2;
	CHECK_EQ(tlbtag_svm_guest_asids(&hw), 2);
	hw.nr_tags = UINT32_MAX;
	CHECK_EQ(tlbtag_svm_guest_asids(&hw), TLBTAG_SVM_GUEST_ASIDS_MAX);
}

/*
 * SPEC D: an L1 that hands out ASIDs in rounds flushes all of them once a round.
 * What the number that it is shown does to the flushes that L0 must carry out:
 * L1 takes a new ASID for each of 4000 migrations of its guest.
 */
TEST(svm_more_asids_mean_fewer_flushes_of_everything)
{
	static const uint32_t shown[] = { 2, 8, 16, 0x8000 };
	static const uint32_t expected[] = { 3999, 571, 266, 0 };

	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		uint32_t flushes_of_l1 = 0;
		uint32_t next = 1;
		struct lab lab;

		lab_start_nested(&lab, 15, 1);
		lab_enter(&lab.vcpu[0], 0);
		for (int migration = 0; migration < 4000; migration++) {
			bool wraps = next == shown[i];

			if (wraps)
				next = 1;
			lab_vmrun(&lab.vcpu[0], next++, wraps ? 1 : 0);
			lab_enter(&lab.vcpu[0], 0);
			tlbtag_nested_exit(&lab.vcpu[0]);
			flushes_of_l1 += lab_enter(&lab.vcpu[0], 0).why != 0;
		}
		CHECK_EQ(flushes_of_l1, expected[i]);
	}
}
