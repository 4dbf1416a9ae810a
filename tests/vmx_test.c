/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * vmx: plans as INVVPID and INVEPT, nested entries, INVVPID and INVEPT by L1.
 */
#include <tlbtag/vmx.h>

#include "lab.h"
#include "test.h"

#include <errno.h>

#include "../port/sim/tlbtag_port.h"

/* EPTPs of L0 (memory type WB, four levels), and of L1. */
#define ROOT_L1 UINT64_C(0x10005e)
#define ROOT_L2 UINT64_C(0x20005e)
#define ROOT_OTHER UINT64_C(0x30005e)
#define EPT12 UINT64_C(0x70001e)

/* An Intel server: EPT, and VPIDs 1 .. @tags. */
static struct tlbtag_hw intel_hw(uint32_t tags)
{
	return (struct tlbtag_hw){
		.vendor = TLBTAG_INTEL,
		.nr_tags = tags + 1,
		.nr_cpus = LAB_CPUS,
		.flush_by_tag = true,
		.nested_paging = true,
	};
}

static void start(struct lab *lab, const struct tlbtag_hw *hw, uint32_t contexts)
{
	lab_start(lab, hw);
	lab_start_vcpus(lab);
	for (uint32_t i = 0; i < LAB_VCPUS; i++)
		tlbtag_nested_enable(&lab->vcpu[i], contexts);
}

static struct tlbtag_vmx_plan enter(struct tlbtag_vcpu *vcpu, uint32_t cpu, uint64_t eptp)
{
	struct tlbtag_vmx_plan plan = tlbtag_vmx_plan_make(vcpu, on(cpu), eptp);

	tlbtag_vmx_entered(vcpu, on(cpu), eptp);
	return plan;
}

/* L1 executes VMLAUNCH for a guest with EPT; VPID 0 leaves VPIDs off. */
static uint32_t launch(struct tlbtag_vcpu *vcpu, uint16_t vpid)
{
	struct tlbtag_vmcs12 vmcs12 = {
		.vpid_enabled = vpid != 0,
		.vpid = vpid,
		.ept_enabled = vcpu->vm->host->hw.nested_paging,
		.eptp = EPT12,
	};
	uint32_t work = 0;

	tlbtag_vmx_nested_enter(vcpu, &vmcs12, &work);
	return work;
}

/* The same without EPT: L2's tables are L1's own business. */
static uint32_t launch_flat(struct tlbtag_vcpu *vcpu, uint16_t vpid)
{
	struct tlbtag_vmcs12 vmcs12 = { .vpid_enabled = vpid != 0, .vpid = vpid };
	uint32_t work = 0;

	tlbtag_vmx_nested_enter(vcpu, &vmcs12, &work);
	return work;
}

static void start_warm(struct lab *lab, const struct tlbtag_hw *hw, uint32_t contexts)
{
	bool has_ept = hw->nested_paging;

	start(lab, hw, contexts);
	enter(&lab->vcpu[0], 0, has_ept ? ROOT_L1 : 0);
	launch(&lab->vcpu[0], 1);
	enter(&lab->vcpu[0], 0, has_ept ? ROOT_L2 : 0);
	tlbtag_nested_exit(&lab->vcpu[0]);
}

static bool is_nothing(struct tlbtag_vmx_plan plan)
{
	return plan.op_count == 0 && plan.why == 0;
}

static bool is_invept(struct tlbtag_vmx_plan plan, uint64_t eptp)
{
	return plan.op_count == 1 && plan.op[0].instruction == TLBTAG_INVEPT &&
	       plan.op[0].type == TLBTAG_INVEPT_CONTEXT && plan.op[0].eptp == eptp;
}

static bool is_invvpid(struct tlbtag_vmx_plan plan, uint32_t type)
{
	return plan.op_count == 1 && plan.op[0].instruction == TLBTAG_INVVPID &&
	       plan.op[0].type == type && plan.op[0].vpid == plan.vpid;
}

static void flush_active(struct tlbtag_vcpu *vcpu, enum tlbtag_flush flush, uint32_t why)
{
	tlbtag_vcpu_flush(vcpu, TLBTAG_TARGET_ACTIVE, flush, why);
}

/* --- tags -------------------------------------------------------------- */

/* SPEC A.3: VPIDs 1 to 65535, and no fallback. */
TEST(vmx_pool_is_all_vpids_but_zero)
{
	static uint64_t words[4096];
	struct tlbtag_hw hw = intel_hw(TLBTAG_VPID_MAX);
	struct tlbtag_pool pool = { 0 };
	struct tlbtag_host_cpu cpu[LAB_CPUS];
	struct tlbtag_host host;

	CHECK_EQ(tlbtag_pool_init(&pool, 1, TLBTAG_VPID_MAX, words, 4096), 0);
	CHECK_EQ(tlbtag_host_init(&host, &hw, &pool, cpu), 0);
	CHECK_EQ(tlbtag_pool_fallback(&pool), 0);
	CHECK_EQ(tlbtag_pool_plain_free(&pool), 65535);
	hw.nr_tags++;
	CHECK_EQ(tlbtag_host_init(&host, &hw, &pool, cpu), -EINVAL);
}

/* Guards X2. Exhaustion switches VPIDs off, and only roots are flushed then. */
TEST(vmx_exhaustion_switches_vpids_off)
{
	struct tlbtag_hw hw = intel_hw(1);
	struct tlbtag_vmx_plan plan;
	struct lab lab;

	start(&lab, &hw, 1);
	plan = enter(&lab.vcpu[0], 0, ROOT_L1);
	CHECK_EQ(plan.vpid, 1);
	CHECK(plan.vpid_enabled);
	plan = enter(&lab.vcpu[1], 0, ROOT_L1);
	CHECK_EQ(plan.vpid, 0);
	CHECK(!plan.vpid_enabled);
	CHECK(plan.vpid_changed);
	CHECK(is_invept(plan, ROOT_L1));
	flush_active(&lab.vcpu[1], TLBTAG_FLUSH_TAG, TLBTAG_WHY_GUEST);
	plan = enter(&lab.vcpu[1], 0, ROOT_L1);
	CHECK(is_nothing(plan));
	CHECK(!plan.vpid_changed);
	flush_active(&lab.vcpu[1], TLBTAG_FLUSH_TAG, TLBTAG_WHY_CURRENT);
	CHECK(is_invept(enter(&lab.vcpu[1], 0, ROOT_L1), ROOT_L1));
	CHECK(is_nothing(enter(&lab.vcpu[1], 0, ROOT_L1)));
	CHECK(is_invept(enter(&lab.vcpu[1], 1, ROOT_L1), ROOT_L1));
}

TEST(vmx_exhaustion_without_ept_needs_no_operation_ever)
{
	struct tlbtag_hw hw = intel_hw(1);
	struct lab lab;

	hw.nested_paging = false;
	start(&lab, &hw, 1);
	CHECK(is_nothing(enter(&lab.vcpu[1], 0, 0)));
	flush_active(&lab.vcpu[1], TLBTAG_FLUSH_TAG, TLBTAG_WHY_ALL);
	CHECK(is_nothing(enter(&lab.vcpu[1], 1, 0)));
	CHECK(!lab.vcpu[1].l1.why);
}

TEST(vmx_retag_switches_vpids_on)
{
	struct tlbtag_hw hw = intel_hw(1);
	struct tlbtag_vmx_plan plan;
	struct lab lab;

	hw.nested_paging = false;
	start(&lab, &hw, 1);
	enter(&lab.vcpu[1], 0, 0);
	launch(&lab.vcpu[1], 1);
	enter(&lab.vcpu[1], 0, 0);
	tlbtag_vcpu_destroy(&lab.vcpu[0]);
	CHECK_EQ(tlbtag_vcpu_retag(&lab.vcpu[1]), 1);
	/* L2 borrows what L1 got, and has not used it before. */
	plan = enter(&lab.vcpu[1], 0, 0);
	CHECK_EQ(plan.vpid, 1);
	CHECK(plan.vpid_changed);
	CHECK(is_invvpid(plan, TLBTAG_INVVPID_CONTEXT));
	CHECK_EQ(plan.why & TLBTAG_WHY_FIRST_USE, TLBTAG_WHY_FIRST_USE);
}

/* --- plans ------------------------------------------------------------- */

TEST(vmx_first_entry_flushes_the_root_and_the_next_does_not)
{
	struct tlbtag_hw hw = intel_hw(15);
	struct tlbtag_vmx_plan plan;
	struct lab lab;

	start(&lab, &hw, 1);
	plan = enter(&lab.vcpu[0], 0, ROOT_L1);
	CHECK(is_invept(plan, ROOT_L1));
	CHECK_EQ(plan.why, TLBTAG_WHY_FIRST_USE);
	CHECK(plan.vpid_changed);
	plan = enter(&lab.vcpu[0], 0, ROOT_L1);
	CHECK(is_nothing(plan));
	CHECK(!plan.vpid_changed);
}

TEST(vmx_without_ept_everything_is_invvpid)
{
	static const uint32_t whys[] = { TLBTAG_WHY_ALL, TLBTAG_WHY_CURRENT, TLBTAG_WHY_GUEST,
					 TLBTAG_WHY_PV };
	struct tlbtag_hw hw = intel_hw(15);
	struct lab lab;

	hw.nested_paging = false;
	start(&lab, &hw, 1);
	CHECK(is_invvpid(enter(&lab.vcpu[0], 0, 0), TLBTAG_INVVPID_CONTEXT));
	CHECK(is_invvpid(enter(&lab.vcpu[0], 1, 0), TLBTAG_INVVPID_CONTEXT));
	CHECK(is_nothing(enter(&lab.vcpu[0], 1, 0)));
	for (size_t i = 0; i < sizeof(whys) / sizeof(whys[0]); i++) {
		flush_active(&lab.vcpu[0], TLBTAG_FLUSH_TAG, whys[i]);
		CHECK(is_invvpid(enter(&lab.vcpu[0], 1, 0), TLBTAG_INVVPID_CONTEXT));
	}
}

/*
 * Guards X1, X3, EPT_SCOPE. What concerns tables of L0 goes by root, what the
 * guest flushes by VPID.
 */
TEST(vmx_scope_follows_the_reason)
{
	static const struct {
		uint32_t why;
		bool by_root;
	} rows[] = {
		{ TLBTAG_WHY_ALL, true },    { TLBTAG_WHY_CURRENT, true },
		{ TLBTAG_WHY_INVEPT, true }, { TLBTAG_WHY_GUEST, false },
		{ TLBTAG_WHY_PV, false },    { TLBTAG_WHY_RESET, false },
		{ TLBTAG_WHY_SHARED, false }, { TLBTAG_WHY_ASID_CHANGE, false },
		{ TLBTAG_WHY_INVVPID, false },
		{ TLBTAG_WHY_ALL | TLBTAG_WHY_GUEST, true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tlbtag_hw hw = intel_hw(15);
		struct tlbtag_vmx_plan plan;
		struct lab lab;

		start_warm(&lab, &hw, 1);
		flush_active(&lab.vcpu[0], TLBTAG_FLUSH_TAG, rows[i].why);
		plan = enter(&lab.vcpu[0], 0, ROOT_L1);
		CHECK(rows[i].by_root ? is_invept(plan, ROOT_L1) :
					is_invvpid(plan, TLBTAG_INVVPID_CONTEXT));
		/* X1 */
		CHECK_EQ(plan.why, rows[i].why);
		CHECK(is_nothing(enter(&lab.vcpu[0], 0, ROOT_L1)));
	}
}

TEST(vmx_flush_that_spares_globals_is_type_3_unless_more_is_due)
{
	struct tlbtag_hw hw = intel_hw(15);
	struct lab lab;

	start_warm(&lab, &hw, 1);
	flush_active(&lab.vcpu[0], TLBTAG_FLUSH_NONGLOBAL, TLBTAG_WHY_GUEST);
	CHECK(is_invvpid(enter(&lab.vcpu[0], 0, ROOT_L1), TLBTAG_INVVPID_NONGLOBAL));
	flush_active(&lab.vcpu[0], TLBTAG_FLUSH_NONGLOBAL, TLBTAG_WHY_GUEST);
	flush_active(&lab.vcpu[0], TLBTAG_FLUSH_TAG, TLBTAG_WHY_PV);
	CHECK(is_invvpid(enter(&lab.vcpu[0], 0, ROOT_L1), TLBTAG_INVVPID_CONTEXT));

	hw.nested_paging = false;
	start_warm(&lab, &hw, 1);
	flush_active(&lab.vcpu[0], TLBTAG_FLUSH_NONGLOBAL, TLBTAG_WHY_GUEST);
	CHECK(is_invvpid(enter(&lab.vcpu[0], 1, 0), TLBTAG_INVVPID_CONTEXT));
}

/* Guards EPT_ROOT. */
/* What the SDM calls EP4TA is part of the EPTP, but every change of it counts. */
TEST(vmx_another_root_is_flushed_on_first_use)
{
	struct tlbtag_hw hw = intel_hw(15);
	struct tlbtag_vmx_plan plan;
	struct lab lab;

	start_warm(&lab, &hw, 1);
	plan = enter(&lab.vcpu[0], 0, ROOT_OTHER);
	CHECK(is_invept(plan, ROOT_OTHER));
	CHECK_EQ(plan.why, TLBTAG_WHY_EPT_ROOT);
	CHECK(is_invept(enter(&lab.vcpu[0], 0, ROOT_L1), ROOT_L1));
	/* Accessed and dirty bits switched on, SDM3 28.3.3.4 */
	CHECK(is_invept(enter(&lab.vcpu[0], 0, ROOT_L1 & ~UINT64_C(0x40)), 0x10001e));
	CHECK(is_invept(enter(&lab.vcpu[0], 0, ROOT_L1), ROOT_L1));
	/* EPT off: what an earlier time without EPT left is under the VPID. */
	CHECK(is_invvpid(enter(&lab.vcpu[0], 0, 0), TLBTAG_INVVPID_CONTEXT));
}

/* Guards EPT_REUSE. */
TEST(vmx_root_built_anew_is_flushed_in_every_context_that_used_its_page)
{
	struct tlbtag_hw hw = intel_hw(15);
	struct lab lab;

	start_warm(&lab, &hw, 2);
	launch(&lab.vcpu[0], 2);
	enter(&lab.vcpu[0], 1, ROOT_L2);
	tlbtag_vmx_root_start(&lab.vcpu[0], ROOT_L2 & TLBTAG_EP4TA_MASK);
	CHECK(is_invept(enter(&lab.vcpu[0], 1, ROOT_L2), ROOT_L2));
	CHECK(is_nothing(enter(&lab.vcpu[0], 1, ROOT_L2)));
	launch(&lab.vcpu[0], 1);
	CHECK(!tlbtag_vmx_is_clean(&lab.vcpu[0], on(0), ROOT_L2));
	CHECK_EQ(enter(&lab.vcpu[0], 0, ROOT_L2).why, TLBTAG_WHY_EPT_ROOT);
	tlbtag_nested_exit(&lab.vcpu[0]);
	CHECK(is_nothing(enter(&lab.vcpu[0], 0, ROOT_L1)));
}

TEST(vmx_change_of_cpu_and_cpu_online_flush_the_root)
{
	struct tlbtag_hw hw = intel_hw(15);
	struct tlbtag_vmx_plan plan;
	struct lab lab;

	start_warm(&lab, &hw, 1);
	plan = enter(&lab.vcpu[0], 1, ROOT_L1);
	CHECK(is_invept(plan, ROOT_L1));
	CHECK_EQ(plan.why, TLBTAG_WHY_MOVED);
	/* VMCS fields do not depend on the CPU. */
	CHECK(!plan.vpid_changed);
	tlbtag_host_cpu_online(&lab.host, on(1));
	plan = enter(&lab.vcpu[0], 1, ROOT_L1);
	CHECK(is_invept(plan, ROOT_L1));
	CHECK_EQ(plan.why, TLBTAG_WHY_CPU_ONLINE);
}

/* Siblings that share a VPID share the root as well: the VPID is flushed. */
TEST(vmx_shared_vpid_is_flushed_by_vpid)
{
	struct tlbtag_hw hw = intel_hw(15);
	struct tlbtag_vmx_plan plan;
	struct lab lab;

	lab_start(&lab, &hw);
	CHECK_EQ(tlbtag_vm_share(&lab.vm, TLBTAG_PLAIN, LAB_VCPUS, lab.owner, 4), 0);
	lab_start_vcpus(&lab);
	enter(&lab.vcpu[0], 0, ROOT_L1);
	enter(&lab.vcpu[1], 0, ROOT_L1);
	plan = enter(&lab.vcpu[0], 0, ROOT_L1);
	CHECK_EQ(plan.why, TLBTAG_WHY_SHARED);
	CHECK(is_invvpid(plan, TLBTAG_INVVPID_CONTEXT));
	CHECK(is_nothing(enter(&lab.vcpu[0], 0, ROOT_L1)));
}

/* Guards SHARED_BORROWED. */
/* L2 of vCPU 1 takes CPU 0 over from L1 of vCPU 0, and flushes its own root there. */
TEST(vmx_shared_vpid_taken_over_by_l2_is_flushed_by_l1_too)
{
	struct tlbtag_hw hw = intel_hw(1);
	struct lab lab;

	lab_start(&lab, &hw);
	CHECK_EQ(tlbtag_vm_share(&lab.vm, TLBTAG_PLAIN, LAB_VCPUS, lab.owner, 4), 0);
	lab_start_vcpus(&lab);
	tlbtag_nested_enable(&lab.vcpu[1], 1);
	enter(&lab.vcpu[1], 0, ROOT_L1);
	enter(&lab.vcpu[0], 0, ROOT_L1);
	launch(&lab.vcpu[1], 1);
	CHECK(is_invept(enter(&lab.vcpu[1], 0, ROOT_L2), ROOT_L2));
	tlbtag_nested_exit(&lab.vcpu[1]);
	CHECK(is_invvpid(enter(&lab.vcpu[1], 0, ROOT_L1), TLBTAG_INVVPID_CONTEXT));
	CHECK(is_nothing(enter(&lab.vcpu[1], 0, ROOT_L1)));
}

TEST(vmx_failed_entry_keeps_what_is_pending)
{
	struct tlbtag_hw hw = intel_hw(15);
	struct lab lab;

	start_warm(&lab, &hw, 1);
	flush_active(&lab.vcpu[0], TLBTAG_FLUSH_TAG, TLBTAG_WHY_CURRENT);
	CHECK(is_invept(tlbtag_vmx_plan_make(&lab.vcpu[0], on(0), ROOT_L1), ROOT_L1));
	CHECK(is_invept(enter(&lab.vcpu[0], 0, ROOT_L1), ROOT_L1));
	CHECK(is_nothing(enter(&lab.vcpu[0], 0, ROOT_L1)));
}

TEST(vmx_remote_request_is_in_the_plan)
{
	struct tlbtag_hw hw = intel_hw(15);
	struct tlbtag_vmx_plan plan;
	struct lab lab;

	hw.nested_paging = false;
	start_warm(&lab, &hw, 1);
	tlbtag_vcpu_request(&lab.vcpu[0], TLBTAG_TARGET_L1, TLBTAG_WHY_PV);
	CHECK(!tlbtag_vmx_is_clean(&lab.vcpu[0], on(0), 0));
	plan = tlbtag_vmx_plan_make(&lab.vcpu[0], on(0), 0);
	CHECK_EQ(plan.work, TLBTAG_WORK_SYNC);
	CHECK_EQ(plan.why, TLBTAG_WHY_PV);
}

/* Guards X5. */
/* X5, and that the root is looked at. */
TEST(vmx_clean_only_if_the_plan_is_empty)
{
	struct tlbtag_hw hw = intel_hw(15);
	struct lab lab;

	start_warm(&lab, &hw, 1);
	CHECK(tlbtag_vmx_is_clean(&lab.vcpu[0], on(0), ROOT_L1));
	CHECK(!tlbtag_vmx_is_clean(&lab.vcpu[0], on(1), ROOT_L1));
	CHECK(!tlbtag_vmx_is_clean(&lab.vcpu[0], on(0), ROOT_OTHER));
	CHECK(!tlbtag_vmx_is_clean(&lab.vcpu[1], on(0), ROOT_L1));
	flush_active(&lab.vcpu[0], TLBTAG_FLUSH_TAG, TLBTAG_WHY_ALL);
	CHECK(!tlbtag_vmx_is_clean(&lab.vcpu[0], on(0), ROOT_L1));
}

TEST(vmx_doubt_switches_vpids_off_and_flushes_all_roots)
{
	struct tlbtag_hw hw = intel_hw(15);
	struct tlbtag_vmx_plan plan;
	struct lab lab;

	start_warm(&lab, &hw, 1);
	plan = tlbtag_vmx_plan_make(&lab.vcpu[0], on(LAB_CPUS), ROOT_L1);
	CHECK_EQ(plan.vpid_enabled, false);
	CHECK(plan.vpid_changed);
	CHECK_EQ(plan.op_count, 1);
	CHECK_EQ(plan.op[0].type, TLBTAG_INVEPT_ALL);
	CHECK_EQ(plan.why, TLBTAG_WHY_DOUBT);
	tlbtag_vmx_entered(&lab.vcpu[0], on(LAB_CPUS), ROOT_OTHER);
	CHECK_EQ(lab.vcpu[0].space[0].eptp, ROOT_L1);
	lab_start_nested(&lab, 15, 1);
	CHECK_EQ(tlbtag_vmx_plan_make(&lab.vcpu[0], on(0), ROOT_L1).why, TLBTAG_WHY_DOUBT);
	CHECK_EQ(tlbtag_sim_warnings(), 3);
}

/* --- one address ------------------------------------------------------- */

TEST(vmx_address_goes_at_once_only_where_the_entries_are)
{
	struct tlbtag_hw hw = intel_hw(2);
	struct lab lab;
	tlbtag_t tag;

	start_warm(&lab, &hw, 1);
	CHECK_EQ(tlbtag_vcpu_invalidate(&lab.vcpu[0], on(0), &tag), TLBTAG_ADDRESS_NOW);
	CHECK_EQ(tag, lab.vcpu[0].l1.tag);
	CHECK_EQ(tlbtag_vcpu_invalidate(&lab.vcpu[0], on(1), &tag), TLBTAG_ADDRESS_PENDING);
	CHECK_EQ(enter(&lab.vcpu[0], 0, ROOT_L1).why, TLBTAG_WHY_INVVPID);
	/* An L2 context without a tag has borrowed L1's. */
	launch(&lab.vcpu[0], 1);
	CHECK_EQ(tlbtag_vcpu_invalidate(&lab.vcpu[0], on(0), &tag), TLBTAG_ADDRESS_NOW);
	CHECK_EQ(tag, lab.vcpu[0].l1.tag);
	hw.nr_tags = 2;
	start_warm(&lab, &hw, 1);
	enter(&lab.vcpu[1], 0, ROOT_L1);
	CHECK_EQ(tlbtag_vcpu_invalidate(&lab.vcpu[1], on(0), &tag), TLBTAG_ADDRESS_NOTHING);
}

/* --- nested entries ---------------------------------------------------- */

TEST(vmx_vpid_of_l1_keeps_its_context)
{
	for (uint32_t contexts = 1; contexts <= 2; contexts++) {
		struct tlbtag_hw hw = intel_hw(15);
		struct lab lab;

		start_warm(&lab, &hw, contexts);
		launch(&lab.vcpu[0], 2);
		enter(&lab.vcpu[0], 0, ROOT_L2);
		for (uint16_t i = 0; i < 10; i++) {
			struct tlbtag_vmx_plan plan;

			/* No shadow of L1's EPT is synced for it (SPEC G). */
			CHECK_EQ(launch(&lab.vcpu[0], 1 + i % 2), TLBTAG_WORK_DRAIN_L2);
			plan = enter(&lab.vcpu[0], 0, ROOT_L2);
			CHECK_EQ(plan.why, contexts == 1 ? TLBTAG_WHY_ASID_CHANGE : 0);
			CHECK(contexts == 1 ? is_invvpid(plan, TLBTAG_INVVPID_CONTEXT) :
					      is_nothing(plan));
			tlbtag_nested_exit(&lab.vcpu[0]);
			CHECK(is_nothing(enter(&lab.vcpu[0], 0, ROOT_L1)));
		}
	}
}

/* SPEC G: under EPT a VPID says nothing about the shadows of L1's EPT. */
TEST(vmx_change_of_vpid_leaves_nested_roots_alone)
{
	struct tlbtag_root root = { 0 };
	struct tlbtag_hw hw = intel_hw(15);
	struct lab lab;

	start_warm(&lab, &hw, 1);
	launch(&lab.vcpu[0], 1);
	tlbtag_root_set_synced(&lab.vcpu[0], &root);
	launch(&lab.vcpu[0], 2);
	CHECK(!tlbtag_root_is_stale(&lab.vcpu[0], &root));
	launch(&lab.vcpu[0], 0);
	CHECK(!tlbtag_root_is_stale(&lab.vcpu[0], &root));
}

/* KVM's bug of June 2026: VMXOFF, VMXON, and the VPID looks unchanged. */
TEST(vmx_vpid_is_new_after_vmxoff_and_vmxon)
{
	struct tlbtag_hw hw = intel_hw(15);
	struct lab lab;
	tlbtag_t vpid;

	hw.nested_paging = false;
	start_warm(&lab, &hw, 1);
	vpid = lab.vcpu[0].l2[0].ctx.tag;
	tlbtag_nested_disable(&lab.vcpu[0]);
	tlbtag_nested_enable(&lab.vcpu[0], 1);
	CHECK_EQ(lab.vcpu[0].l2[0].ctx.tag, vpid);
	CHECK_EQ(lab.vcpu[0].l2[0].asid12, 0);
	launch(&lab.vcpu[0], 1);
	CHECK_EQ(enter(&lab.vcpu[0], 0, 0).why, TLBTAG_WHY_FIRST_USE | TLBTAG_WHY_ASID_CHANGE);
}

TEST(vmx_vpid_zero_in_vmcs12_fails_the_entry)
{
	struct tlbtag_vmcs12 vmcs12 = { .vpid_enabled = true };
	struct tlbtag_hw hw = intel_hw(15);
	struct lab lab;
	uint32_t work = 77;

	start_warm(&lab, &hw, 1);
	CHECK_EQ(tlbtag_vmx_nested_enter(&lab.vcpu[0], &vmcs12, &work), -EINVAL);
	CHECK_EQ(work, 77);
	CHECK_EQ(lab.vcpu[0].active, TLBTAG_ACTIVE_L1);
	CHECK(tlbtag_vmx_is_clean(&lab.vcpu[0], on(0), ROOT_L1));
}

/* Guards NO_VPID_L2, NO_VPID_L1. */
/* In L1's eyes both have VPID 0, which entry and exit flush. */
TEST(vmx_without_vpid_in_vmcs12_both_levels_flush)
{
	struct tlbtag_hw hw = intel_hw(15);
	struct lab lab;

	start_warm(&lab, &hw, 1);
	launch(&lab.vcpu[0], 0);
	CHECK(is_invvpid(enter(&lab.vcpu[0], 0, ROOT_L2), TLBTAG_INVVPID_CONTEXT));
	CHECK(is_nothing(enter(&lab.vcpu[0], 0, ROOT_L2)));
	tlbtag_nested_exit(&lab.vcpu[0]);
	CHECK_EQ(enter(&lab.vcpu[0], 0, ROOT_L1).why, TLBTAG_WHY_GUEST);
	launch(&lab.vcpu[0], 0);
	CHECK_EQ(enter(&lab.vcpu[0], 0, ROOT_L2).why, TLBTAG_WHY_GUEST);
	/* However L2 is left. */
	tlbtag_nested_disable(&lab.vcpu[0]);
	CHECK(is_invvpid(enter(&lab.vcpu[0], 0, ROOT_L1), TLBTAG_INVVPID_CONTEXT));
}

TEST(vmx_without_vpid_in_vmcs12_shadow_roots_are_synced)
{
	struct tlbtag_root root = { 0 };
	struct tlbtag_hw hw = intel_hw(15);
	struct lab lab;

	hw.nested_paging = false;
	start_warm(&lab, &hw, 1);
	CHECK_EQ(launch_flat(&lab.vcpu[0], 1), TLBTAG_WORK_DRAIN_L2);
	tlbtag_root_set_synced(&lab.vcpu[0], &root);
	CHECK_EQ(launch_flat(&lab.vcpu[0], 1), TLBTAG_WORK_DRAIN_L2);
	CHECK(!tlbtag_root_is_stale(&lab.vcpu[0], &root));
	CHECK_EQ(launch_flat(&lab.vcpu[0], 0), TLBTAG_WORK_DRAIN_L2 | TLBTAG_WORK_SYNC);
	CHECK(tlbtag_root_is_stale(&lab.vcpu[0], &root));
	tlbtag_nested_exit(&lab.vcpu[0]);
	CHECK(tlbtag_root_is_stale(&lab.vcpu[0], &root));
	/* A VPID that changes needs it too. */
	tlbtag_root_set_synced(&lab.vcpu[0], &root);
	CHECK_EQ(launch_flat(&lab.vcpu[0], 3), TLBTAG_WORK_DRAIN_L2 | TLBTAG_WORK_SYNC);
	CHECK(tlbtag_root_is_stale(&lab.vcpu[0], &root));
}

/* Guards L2_NO_TAG. */
/* SPEC G: with a VPID or an EPT of its own, L2 is told apart from L1. */
TEST(vmx_l2_without_a_tag_of_its_own_flushes_at_each_change)
{
	static const struct {
		uint32_t tags;
		bool has_ept;
		bool ept12;
		bool flushes;
	} rows[] = {
		{ 2, true, true, false },  { 2, true, false, true },
		{ 2, false, false, true }, { 15, true, false, false },
		{ 15, false, false, false }, { 2, false, true, true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tlbtag_vmcs12 vmcs12 = { .vpid_enabled = true, .vpid = 1, .eptp = EPT12 };
		struct tlbtag_hw hw = intel_hw(rows[i].tags);
		uint32_t expected = rows[i].flushes ? TLBTAG_WHY_SHARED : 0;
		uint64_t root = rows[i].has_ept ? ROOT_L1 : 0;
		uint64_t root2 = rows[i].ept12 && root ? ROOT_L2 : root;
		struct lab lab;
		uint32_t work;

		vmcs12.ept_enabled = rows[i].ept12;
		hw.nested_paging = rows[i].has_ept;
		start(&lab, &hw, 1);
		enter(&lab.vcpu[0], 0, root);
		tlbtag_vmx_nested_enter(&lab.vcpu[0], &vmcs12, &work);
		enter(&lab.vcpu[0], 0, root2);
		tlbtag_nested_exit(&lab.vcpu[0]);
		CHECK_EQ(enter(&lab.vcpu[0], 0, root).why, expected);
		tlbtag_vmx_nested_enter(&lab.vcpu[0], &vmcs12, &work);
		CHECK_EQ(enter(&lab.vcpu[0], 0, root2).why, expected);
		CHECK(is_nothing(enter(&lab.vcpu[0], 0, root2)));
	}
}

/* Mirrors nested_c10_4: what was raised in L2 stays with L2. */
TEST(vmx_request_of_l2_stays_with_l2)
{
	struct tlbtag_hw hw = intel_hw(15);
	struct lab lab;

	start_warm(&lab, &hw, 1);
	launch(&lab.vcpu[0], 1);
	flush_active(&lab.vcpu[0], TLBTAG_FLUSH_TAG, TLBTAG_WHY_CURRENT);
	CHECK_EQ(tlbtag_nested_exit(&lab.vcpu[0]), TLBTAG_WORK_DRAIN_L1);
	CHECK(is_nothing(enter(&lab.vcpu[0], 0, ROOT_L1)));
	launch(&lab.vcpu[0], 1);
	CHECK(is_invept(enter(&lab.vcpu[0], 0, ROOT_L2), ROOT_L2));
}

/* --- INVVPID by L1 ----------------------------------------------------- */

static struct tlbtag_invvpid operand(uint64_t type, uint64_t vpid)
{
	return (struct tlbtag_invvpid){
		.offered = 0xf,
		.type = type,
		.vpid = vpid,
		.address = 0x1234000,
		.canonical = true,
	};
}

TEST(vmx_invvpid_operand_checks)
{
	static const struct {
		uint32_t offered;
		uint64_t type;
		uint64_t vpid;
		bool canonical;
		enum tlbtag_vmx_fail fail;
	} rows[] = {
		{ 0xf, 0, 1, true, TLBTAG_VMX_OK },
		{ 0xf, 1, 0xffff, false, TLBTAG_VMX_OK },
		{ 0xf, 2, 0, false, TLBTAG_VMX_OK },
		{ 0xf, 2, 5, false, TLBTAG_VMX_OK },
		{ 0xf, 3, 1, false, TLBTAG_VMX_OK },
		{ 0xe, 0, 1, true, TLBTAG_VMX_BAD_TYPE },
		{ 0xd, 1, 1, true, TLBTAG_VMX_BAD_TYPE },
		{ 0xb, 2, 1, true, TLBTAG_VMX_BAD_TYPE },
		{ 0x7, 3, 1, true, TLBTAG_VMX_BAD_TYPE },
		{ UINT32_MAX, 4, 1, true, TLBTAG_VMX_BAD_TYPE },
		{ UINT32_MAX, 32, 1, true, TLBTAG_VMX_BAD_TYPE },
		{ UINT32_MAX, UINT64_C(1) << 32, 1, true, TLBTAG_VMX_BAD_TYPE },
		{ 0xf, 0, 0x10001, true, TLBTAG_VMX_BAD_VPID },
		{ 0xf, 1, UINT64_C(1) << 63 | 1, true, TLBTAG_VMX_BAD_VPID },
		{ 0xf, 2, UINT64_C(1) << 32, true, TLBTAG_VMX_BAD_VPID },
		{ 0xf, 0, 0, true, TLBTAG_VMX_ZERO_VPID },
		{ 0xf, 1, 0, true, TLBTAG_VMX_ZERO_VPID },
		{ 0xf, 3, 0, true, TLBTAG_VMX_ZERO_VPID },
		{ 0xf, 0, 1, false, TLBTAG_VMX_BAD_ADDRESS },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tlbtag_invvpid invvpid = operand(rows[i].type, rows[i].vpid);
		struct tlbtag_hw hw = intel_hw(15);
		struct tlbtag_invvpid_answer answer;
		struct lab lab;

		invvpid.offered = rows[i].offered;
		invvpid.canonical = rows[i].canonical;
		start_warm(&lab, &hw, 1);
		answer = tlbtag_vmx_invvpid(&lab.vcpu[0], on(0), &invvpid);
		CHECK_EQ(answer.fail, rows[i].fail);
		if (rows[i].fail == TLBTAG_VMX_OK)
			continue;
		CHECK_EQ(answer.action, TLBTAG_ADDRESS_NOTHING);
		CHECK_EQ(answer.work, 0);
		CHECK_EQ(lab.vcpu[0].l2[0].ctx.why, 0);
	}
	CHECK_EQ(TLBTAG_VMX_ERROR_OPERAND, 28);
}

/* Guards X4, INVVPID_MATCH. */
TEST(vmx_invvpid_of_an_address)
{
	struct tlbtag_invvpid invvpid = operand(TLBTAG_INVVPID_ADDRESS, 1);
	struct tlbtag_hw hw = intel_hw(15);
	struct tlbtag_invvpid_answer answer;
	struct lab lab;

	start_warm(&lab, &hw, 1);
	answer = tlbtag_vmx_invvpid(&lab.vcpu[0], on(0), &invvpid);
	CHECK_EQ(answer.action, TLBTAG_ADDRESS_NOW);
	CHECK_EQ(answer.op.instruction, TLBTAG_INVVPID);
	CHECK_EQ(answer.op.type, TLBTAG_INVVPID_ADDRESS);
	CHECK_EQ(answer.op.address, 0x1234000);
	/* X4 */
	CHECK_EQ(answer.op.vpid, lab.vcpu[0].l2[0].ctx.tag);
	CHECK_NE(answer.op.vpid, lab.vcpu[0].l1.tag);
	CHECK_EQ(answer.work, 0);
	/* A VPID of L1 without a context. */
	invvpid.vpid = 2;
	answer = tlbtag_vmx_invvpid(&lab.vcpu[0], on(0), &invvpid);
	CHECK_EQ(answer.action, TLBTAG_ADDRESS_NOTHING);
	CHECK_EQ(answer.fail, TLBTAG_VMX_OK);
}

/* Guards INVVPID_MATCH. */
/* Mirrors nested_c10_5: L2 on CPU 0, INVVPID on CPU 1, back to CPU 0. */
TEST(vmx_invvpid_on_the_wrong_cpu)
{
	struct tlbtag_invvpid invvpid = operand(TLBTAG_INVVPID_ADDRESS, 1);
	struct tlbtag_hw hw = intel_hw(15);
	struct lab lab;

	start_warm(&lab, &hw, 1);
	enter(&lab.vcpu[0], 1, ROOT_L1);
	CHECK_EQ(tlbtag_vmx_invvpid(&lab.vcpu[0], on(1), &invvpid).action, TLBTAG_ADDRESS_PENDING);
	enter(&lab.vcpu[0], 0, ROOT_L1);
	launch(&lab.vcpu[0], 1);
	CHECK(is_invvpid(enter(&lab.vcpu[0], 0, ROOT_L2), TLBTAG_INVVPID_CONTEXT));
}

/* Guards X4, INVVPID_MATCH, INVVPID_ALL. */
TEST(vmx_invvpid_of_contexts)
{
	static const struct {
		uint64_t type;
		uint32_t op;
		bool hits_other;
	} rows[] = {
		{ TLBTAG_INVVPID_CONTEXT, TLBTAG_INVVPID_CONTEXT, false },
		{ TLBTAG_INVVPID_NONGLOBAL, TLBTAG_INVVPID_NONGLOBAL, false },
		{ TLBTAG_INVVPID_ALL, TLBTAG_INVVPID_CONTEXT, true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tlbtag_invvpid invvpid = operand(rows[i].type, 1);
		struct tlbtag_hw hw = intel_hw(31);
		struct tlbtag_vmx_plan plan;
		struct lab lab;

		start_warm(&lab, &hw, 3);
		launch(&lab.vcpu[0], 2);
		enter(&lab.vcpu[0], 0, ROOT_L2);
		tlbtag_nested_exit(&lab.vcpu[0]);
		CHECK_EQ(tlbtag_vmx_invvpid(&lab.vcpu[0], on(1), &invvpid).action,
			 TLBTAG_ADDRESS_PENDING);
		/* X4 */
		CHECK(is_nothing(enter(&lab.vcpu[0], 0, ROOT_L1)));
		launch(&lab.vcpu[0], 2);
		CHECK_EQ(enter(&lab.vcpu[0], 0, ROOT_L2).why,
			 rows[i].hits_other ? TLBTAG_WHY_INVVPID : 0);
		launch(&lab.vcpu[0], 1);
		plan = enter(&lab.vcpu[0], 0, ROOT_L2);
		CHECK_EQ(plan.why, TLBTAG_WHY_INVVPID);
		CHECK(is_invvpid(plan, rows[i].op));
		/* A context that no VPID of L1 has is left alone. */
		CHECK_EQ(lab.vcpu[0].l2[2].ctx.why, 0);
	}
}

/* With VPIDs off, or borrowed, the same instruction means another thing. */
TEST(vmx_invvpid_without_a_vpid_for_l2)
{
	struct tlbtag_invvpid invvpid = operand(TLBTAG_INVVPID_ADDRESS, 1);
	struct tlbtag_hw hw = intel_hw(2);
	struct tlbtag_invvpid_answer answer;
	struct lab lab;

	start_warm(&lab, &hw, 1);
	answer = tlbtag_vmx_invvpid(&lab.vcpu[0], on(0), &invvpid);
	CHECK_EQ(answer.action, TLBTAG_ADDRESS_NOW);
	CHECK_EQ(answer.op.vpid, lab.vcpu[0].l1.tag);
	hw.nr_tags = 2;
	start_warm(&lab, &hw, 1);
	launch(&lab.vcpu[1], 1);
	enter(&lab.vcpu[1], 0, ROOT_L2);
	tlbtag_nested_exit(&lab.vcpu[1]);
	CHECK_EQ(tlbtag_vmx_invvpid(&lab.vcpu[1], on(0), &invvpid).action, TLBTAG_ADDRESS_NOTHING);
}

TEST(vmx_invvpid_without_ept_syncs_shadow_roots)
{
	struct tlbtag_root root = { 0 };
	struct tlbtag_hw hw = intel_hw(15);
	struct lab lab;

	hw.nested_paging = false;
	for (uint64_t type = 0; type <= TLBTAG_INVVPID_NONGLOBAL; type++) {
		struct tlbtag_invvpid invvpid = operand(type, 1);
		bool whole = type != TLBTAG_INVVPID_ADDRESS;
		struct tlbtag_invvpid_answer answer;

		start_warm(&lab, &hw, 1);
		launch_flat(&lab.vcpu[0], 1);
		tlbtag_root_set_synced(&lab.vcpu[0], &root);
		tlbtag_nested_exit(&lab.vcpu[0]);
		answer = tlbtag_vmx_invvpid(&lab.vcpu[0], on(0), &invvpid);
		CHECK_EQ(answer.work, whole ? TLBTAG_WORK_SYNC : TLBTAG_WORK_DROP_ADDRESS);
		launch_flat(&lab.vcpu[0], 1);
		CHECK_EQ(tlbtag_root_is_stale(&lab.vcpu[0], &root), whole);
	}
}

/* --- INVEPT by L1 ------------------------------------------------------ */

TEST(vmx_invept_operand_checks)
{
	static const struct {
		uint32_t offered;
		uint64_t type;
		bool valid;
		enum tlbtag_vmx_fail fail;
	} rows[] = {
		{ 6, 1, true, TLBTAG_VMX_OK },
		{ 6, 2, false, TLBTAG_VMX_OK },
		{ 6, 1, false, TLBTAG_VMX_BAD_EPTP },
		{ 4, 1, true, TLBTAG_VMX_BAD_TYPE },
		{ 2, 2, true, TLBTAG_VMX_BAD_TYPE },
		{ UINT32_MAX, 0, true, TLBTAG_VMX_BAD_TYPE },
		{ UINT32_MAX, 3, true, TLBTAG_VMX_BAD_TYPE },
		{ UINT32_MAX, UINT64_C(1) << 32 | 1, true, TLBTAG_VMX_BAD_TYPE },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tlbtag_invept invept = {
			.offered = rows[i].offered,
			.type = rows[i].type,
			.eptp = EPT12,
			.valid = rows[i].valid,
		};
		bool ok = rows[i].fail == TLBTAG_VMX_OK;
		struct tlbtag_hw hw = intel_hw(15);
		struct lab lab;
		uint32_t work = 77;

		start_warm(&lab, &hw, 1);
		CHECK_EQ(tlbtag_vmx_invept(&lab.vcpu[0], &invept, &work), rows[i].fail);
		CHECK_EQ(work, ok ? TLBTAG_WORK_DROP_ROOTS : 0);
		CHECK_EQ(lab.vcpu[0].l2[0].ctx.why, ok ? TLBTAG_WHY_INVEPT : 0);
	}
}

/* MACHINE I4: the root's address alone counts. */
TEST(vmx_invept_hits_by_address)
{
	struct tlbtag_invept one = { .type = TLBTAG_INVEPT_CONTEXT, .eptp = EPT12 };
	struct tlbtag_invept all = { .type = TLBTAG_INVEPT_ALL };

	CHECK(tlbtag_vmx_invept_hits(&one, EPT12));
	CHECK(tlbtag_vmx_invept_hits(&one, EPT12 ^ 0xfff));
	CHECK(!tlbtag_vmx_invept_hits(&one, EPT12 ^ 0x1000));
	CHECK(!tlbtag_vmx_invept_hits(&one, EPT12 ^ UINT64_C(1) << 51));
	CHECK(tlbtag_vmx_invept_hits(&all, EPT12 ^ 0x1000));
	/* L1's own root, and one that shadows a guest without EPT. */
	CHECK(!tlbtag_vmx_invept_hits(&one, 0));
	CHECK(!tlbtag_vmx_invept_hits(&all, 0));
}

/* Guards INVEPT_MATCH. */
TEST(vmx_invept_flushes_the_contexts_that_ran_on_the_root)
{
	struct tlbtag_invept invept = {
		.offered = 6, .type = TLBTAG_INVEPT_CONTEXT, .eptp = EPT12 | 0x40, .valid = true,
	};
	struct tlbtag_hw hw = intel_hw(31);
	struct lab lab;
	uint32_t work;

	start_warm(&lab, &hw, 3);
	launch(&lab.vcpu[0], 2);
	enter(&lab.vcpu[0], 0, ROOT_L2);
	launch_flat(&lab.vcpu[0], 3);
	enter(&lab.vcpu[0], 0, ROOT_L1);
	tlbtag_nested_exit(&lab.vcpu[0]);
	CHECK_EQ(tlbtag_vmx_invept(&lab.vcpu[0], &invept, &work), TLBTAG_VMX_OK);
	CHECK(is_nothing(enter(&lab.vcpu[0], 0, ROOT_L1)));
	for (uint16_t vpid = 1; vpid <= 2; vpid++) {
		launch(&lab.vcpu[0], vpid);
		CHECK(is_invept(enter(&lab.vcpu[0], 0, ROOT_L2), ROOT_L2));
		CHECK(is_nothing(enter(&lab.vcpu[0], 0, ROOT_L2)));
	}
	launch_flat(&lab.vcpu[0], 3);
	CHECK(is_nothing(enter(&lab.vcpu[0], 0, ROOT_L1)));
}

/* What hardware has is of the latest entry, not of the latest vmcs12. */
TEST(vmx_invept_remembers_the_entry_that_was_taken)
{
	struct tlbtag_invept invept = {
		.offered = 6, .type = TLBTAG_INVEPT_CONTEXT, .eptp = EPT12, .valid = true,
	};
	struct tlbtag_hw hw = intel_hw(15);
	struct lab lab;
	uint32_t work;

	start_warm(&lab, &hw, 1);
	launch_flat(&lab.vcpu[0], 1);
	tlbtag_nested_exit(&lab.vcpu[0]);
	tlbtag_vmx_invept(&lab.vcpu[0], &invept, &work);
	launch(&lab.vcpu[0], 1);
	CHECK(is_invept(enter(&lab.vcpu[0], 0, ROOT_L2), ROOT_L2));
}
