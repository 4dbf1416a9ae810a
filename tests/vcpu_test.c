/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * vcpu: tags, requests by level, and the entry plan.
 */
#include "lab.h"
#include "test.h"

#include <errno.h>

#include "../port/sim/tlbtag_port.h"

/* A vCPU whose L1 and L2 (ASID 1) have both run on CPU 0; L1 is active. */
static void start_warm(struct lab *lab)
{
	lab_start_nested(lab, 15, 2);
	lab_enter(&lab->vcpu[0], 0);
	lab_vmrun(&lab->vcpu[0], 1, 0);
	lab_enter(&lab->vcpu[0], 0);
	tlbtag_nested_exit(&lab->vcpu[0]);
}

/* Guards FIRST_USE. */
TEST(vcpu_first_entry_flushes_and_the_next_does_not)
{
	struct lab lab;
	struct tlbtag_plan plan;

	lab_start_nested(&lab, 15, 1);
	plan = lab_enter(&lab.vcpu[0], 0);
	CHECK_EQ(plan.flush, TLBTAG_FLUSH_TAG);
	CHECK_EQ(plan.why, TLBTAG_WHY_FIRST_USE);
	CHECK_EQ(plan.dirty, TLBTAG_DIRTY_ALL | TLBTAG_DIRTY_TAG);
	plan = lab_enter(&lab.vcpu[0], 0);
	CHECK_EQ(plan.flush, TLBTAG_FLUSH_NONE);
	CHECK_EQ(plan.why, 0);
	CHECK_EQ(plan.dirty, 0);
}

/* Guards V3, MOVED. */
/* V3, and DESIGN decision 4: returning to a CPU flushes. */
TEST(vcpu_flushes_on_every_change_of_cpu)
{
	struct lab lab;

	lab_start_nested(&lab, 15, 1);
	lab_enter(&lab.vcpu[0], 0);
	for (int i = 0; i < 4; i++) {
		struct tlbtag_plan plan = lab_enter(&lab.vcpu[0], !(i % 2));

		CHECK_EQ(plan.why, TLBTAG_WHY_MOVED);
		CHECK(plan.dirty & TLBTAG_DIRTY_ALL);
	}
}

/* A queued address may be global, and a flush that spares those covers nothing. */
TEST(vcpu_nonglobal_flush_purges_no_queue)
{
	struct lab lab;

	start_warm(&lab);
	CHECK_EQ(tlbtag_vcpu_flush(&lab.vcpu[0], TLBTAG_TARGET_BOTH, TLBTAG_FLUSH_NONGLOBAL,
				   TLBTAG_WHY_GUEST),
		 0);
}

/* L2's queue is for all L2 contexts: flushing one of several does not cover it. */
TEST(vcpu_flush_of_one_l2_context_of_two_purges_no_queue)
{
	struct lab lab;

	start_warm(&lab);
	lab_vmrun(&lab.vcpu[0], 1, 0);
	CHECK_EQ(tlbtag_vcpu_flush(&lab.vcpu[0], TLBTAG_TARGET_ACTIVE, TLBTAG_FLUSH_TAG,
				   TLBTAG_WHY_GUEST),
		 0);
	CHECK_EQ(tlbtag_vcpu_flush(&lab.vcpu[0], TLBTAG_TARGET_L2, TLBTAG_FLUSH_TAG,
				   TLBTAG_WHY_GUEST),
		 TLBTAG_WORK_PURGE_L2);
}

/* A guest's flush from another CPU, under shadow paging: no entry without a sync. */
TEST(vcpu_remote_guest_flush_brings_work_with_the_plan)
{
	struct tlbtag_hw hw = lab_hw(15);
	struct tlbtag_root root = { 0 };
	struct lab lab;

	hw.nested_paging = false;
	lab_start(&lab, &hw);
	lab_start_vcpus(&lab);
	lab_enter(&lab.vcpu[0], 0);
	tlbtag_root_set_synced(&lab.vcpu[0], &root);
	tlbtag_vcpu_request(&lab.vcpu[0], TLBTAG_TARGET_L1, TLBTAG_WHY_PV);
	CHECK_EQ(tlbtag_vcpu_plan(&lab.vcpu[0], on(0)).work, TLBTAG_WORK_SYNC);
	CHECK(tlbtag_root_is_stale(&lab.vcpu[0], &root));
	CHECK_EQ(tlbtag_vcpu_plan(&lab.vcpu[0], on(0)).work, 0);
	CHECK_EQ(tlbtag_vcpu_plan(&lab.vcpu[0], on(0)).why, TLBTAG_WHY_PV);
}

/* Guards V3. */
/* A context that did not run elsewhere has not moved, though its vCPU did. */
TEST(vcpu_l2_keeps_its_own_last_cpu)
{
	struct lab lab;

	start_warm(&lab);
	lab_enter(&lab.vcpu[0], 1);
	lab_enter(&lab.vcpu[0], 0);
	lab_vmrun(&lab.vcpu[0], 1, 0);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, 0);
}

/* Guards ALL_BY_ABSENCE. */
TEST(vcpu_without_flushbyasid_flushes_everything)
{
	struct tlbtag_hw hw = lab_hw(15);
	struct lab lab;

	hw.flush_by_tag = false;
	lab_start(&lab, &hw);
	lab_start_vcpus(&lab);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).flush, TLBTAG_FLUSH_ALL);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).flush, TLBTAG_FLUSH_NONE);
	tlbtag_vcpu_flush(&lab.vcpu[0], TLBTAG_TARGET_ACTIVE, TLBTAG_FLUSH_NONGLOBAL,
			  TLBTAG_WHY_GUEST);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).flush, TLBTAG_FLUSH_ALL);
}

static struct tlbtag_vcpu *start_without_flushbyasid(struct lab *lab)
{
	struct tlbtag_hw hw = lab_hw(15);

	hw.flush_by_tag = false;
	lab_start(lab, &hw);
	lab_start_vcpus(lab);
	lab_enter(&lab->vcpu[0], 0);
	lab_enter(&lab->vcpu[1], 0);
	return lab->vcpu;
}

/* Guards EMPTIED_HERE. One vCPU's flush of every tag serves the other, once. */
TEST(vcpu_flush_of_every_tag_serves_the_others_of_the_cpu)
{
	struct lab lab;
	struct tlbtag_vcpu *vcpu = start_without_flushbyasid(&lab);

	tlbtag_vcpu_flush(&vcpu[0], TLBTAG_TARGET_BOTH, TLBTAG_FLUSH_TAG, TLBTAG_WHY_ALL);
	CHECK_EQ(lab_enter(&vcpu[0], 0).flush, TLBTAG_FLUSH_NONE);
	tlbtag_vcpu_flush(&vcpu[0], TLBTAG_TARGET_BOTH, TLBTAG_FLUSH_TAG, TLBTAG_WHY_ALL);
	CHECK_EQ(lab_enter(&vcpu[0], 0).flush, TLBTAG_FLUSH_ALL);
	tlbtag_vcpu_flush(&vcpu[1], TLBTAG_TARGET_BOTH, TLBTAG_FLUSH_TAG, TLBTAG_WHY_ALL);
	CHECK_EQ(lab_enter(&vcpu[1], 0).why, 0);
	CHECK_EQ(lab_enter(&vcpu[0], 0).why, 0);
}

/* Guards EMPTIED_HERE, V4. What runs by the short cut would not be on record. */
TEST(vcpu_flush_of_every_tag_closes_the_short_cut)
{
	struct lab lab;
	struct tlbtag_vcpu *vcpu = start_without_flushbyasid(&lab);

	CHECK(!tlbtag_vcpu_is_clean(&vcpu[0], on(0)));
	CHECK_EQ(lab_enter(&vcpu[0], 0).why, 0);
	CHECK(tlbtag_vcpu_is_clean(&vcpu[0], on(0)));
	tlbtag_vcpu_flush(&vcpu[0], TLBTAG_TARGET_BOTH, TLBTAG_FLUSH_TAG, TLBTAG_WHY_ALL);
	CHECK_EQ(lab_enter(&vcpu[0], 0).flush, TLBTAG_FLUSH_ALL);
}

/* Guards EMPTIED_HERE. Only where the entries are, and only if it has happened. */
TEST(vcpu_flush_of_every_tag_serves_nobody_who_ran_elsewhere)
{
	struct lab lab;
	struct tlbtag_vcpu *vcpu = start_without_flushbyasid(&lab);

	CHECK_EQ(lab_enter(&vcpu[1], 1).why, TLBTAG_WHY_MOVED);
	CHECK_EQ(lab_enter(&vcpu[1], 0).why, TLBTAG_WHY_MOVED);
	CHECK_EQ(lab_enter(&vcpu[0], 0).why, 0);
	tlbtag_vcpu_flush(&vcpu[0], TLBTAG_TARGET_BOTH, TLBTAG_FLUSH_TAG, TLBTAG_WHY_ALL);
	tlbtag_vcpu_flush(&vcpu[1], TLBTAG_TARGET_BOTH, TLBTAG_FLUSH_TAG, TLBTAG_WHY_ALL);
	/* This VMRUN fails. */
	CHECK_EQ(tlbtag_vcpu_plan(&vcpu[0], on(0)).flush, TLBTAG_FLUSH_ALL);
	CHECK_EQ(lab_enter(&vcpu[1], 0).flush, TLBTAG_FLUSH_ALL);
	CHECK_EQ(lab_enter(&vcpu[0], 0).why, 0);
	tlbtag_host_cpu_online(&lab.host, on(0));
	CHECK_EQ(lab_enter(&vcpu[0], 0).why, TLBTAG_WHY_CPU_ONLINE);
}

/* MACHINE 3.3: a guest's non-global flush may be carried out as such. */
TEST(vcpu_nonglobal_request_stays_nonglobal)
{
	struct lab lab;

	start_warm(&lab);
	tlbtag_vcpu_flush(&lab.vcpu[0], TLBTAG_TARGET_ACTIVE, TLBTAG_FLUSH_NONGLOBAL,
			  TLBTAG_WHY_GUEST);
	CHECK_EQ(tlbtag_vcpu_plan(&lab.vcpu[0], on(0)).flush, TLBTAG_FLUSH_NONGLOBAL);
	CHECK_EQ(tlbtag_vcpu_plan(&lab.vcpu[0], on(1)).flush, TLBTAG_FLUSH_TAG);
}

/* Guards ALL_CONTEXTS, ACTIVE_LEVEL. */
/* SPEC C.3, the table: which request hits which context. */
TEST(vcpu_requests_hit_the_contexts_they_name)
{
	static const struct {
		enum tlbtag_target target;
		bool in_l2;
		bool hits_l1;
		bool hits_l2;
	} rows[] = {
		{ TLBTAG_TARGET_ACTIVE, false, true, false },
		{ TLBTAG_TARGET_ACTIVE, true, false, true },
		{ TLBTAG_TARGET_L1, false, true, false },
		{ TLBTAG_TARGET_L1, true, true, false },
		{ TLBTAG_TARGET_L2, false, false, true },
		{ TLBTAG_TARGET_L2, true, false, true },
		{ TLBTAG_TARGET_BOTH, false, true, true },
		{ TLBTAG_TARGET_BOTH, true, true, true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct lab lab;
		bool one_of_two = rows[i].in_l2 && rows[i].target == TLBTAG_TARGET_ACTIVE;
		uint32_t purge = (rows[i].hits_l1 ? TLBTAG_WORK_PURGE_L1 : 0) |
				 (rows[i].hits_l2 && !one_of_two ? TLBTAG_WORK_PURGE_L2 : 0);

		start_warm(&lab);
		if (rows[i].in_l2)
			lab_vmrun(&lab.vcpu[0], 1, 0);
		CHECK_EQ(tlbtag_vcpu_flush(&lab.vcpu[0], rows[i].target, TLBTAG_FLUSH_TAG,
					   TLBTAG_WHY_ALL),
			 purge);
		CHECK_EQ(lab.vcpu[0].l1.why != 0, rows[i].hits_l1);
		CHECK_EQ(lab.vcpu[0].l2[0].ctx.why != 0, rows[i].hits_l2);
		CHECK_EQ(lab.vcpu[1].l1.why, 0);
	}
}

/*
 * Guards V4, BLOCK_UNKNOWN. The failed entry of L2's second context has left its
 * tag in the VMCB that the first one is about to use again.
 */
TEST(vcpu_block_is_unknown_after_an_entry_that_failed)
{
	struct lab lab;

	lab_start_nested(&lab, 15, 2);
	lab_vmrun(&lab.vcpu[0], 2, 0);
	lab_enter(&lab.vcpu[0], 0);
	lab_vmrun(&lab.vcpu[0], 1, 0);
	lab_enter(&lab.vcpu[0], 0);
	CHECK(tlbtag_vcpu_is_clean(&lab.vcpu[0], on(0)));
	lab_vmrun(&lab.vcpu[0], 2, 0);
	CHECK_NE(tlbtag_vcpu_plan(&lab.vcpu[0], on(0)).tag, lab.vcpu[0].l2[1].ctx.tag);
	lab_vmrun(&lab.vcpu[0], 1, 0);
	CHECK(!tlbtag_vcpu_is_clean(&lab.vcpu[0], on(0)));
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).dirty, TLBTAG_DIRTY_ALL | TLBTAG_DIRTY_TAG);
	CHECK(tlbtag_vcpu_is_clean(&lab.vcpu[0], on(0)));
}

/* Guards QUEUE_COVERED. */
/* What only empties the TLB leaves in shadow roots what the queue is about. */
TEST(vcpu_queue_is_purged_only_by_what_covers_it)
{
	struct tlbtag_hw hw = lab_hw(15);
	struct lab lab;

	for (uint32_t shadow = 0; shadow < 2; shadow++) {
		uint32_t purge = shadow ? 0 : TLBTAG_WORK_PURGE_L1;

		hw.nested_paging = !shadow;
		lab_start(&lab, &hw);
		lab_start_vcpus(&lab);
		CHECK_EQ(tlbtag_vcpu_flush(&lab.vcpu[0], TLBTAG_TARGET_L1, TLBTAG_FLUSH_TAG,
					   TLBTAG_WHY_ALL),
			 purge);
		CHECK_EQ(tlbtag_vcpu_flush(&lab.vcpu[0], TLBTAG_TARGET_L1, TLBTAG_FLUSH_TAG,
					   TLBTAG_WHY_GUEST) &
				 TLBTAG_WORK_PURGE_L1,
			 TLBTAG_WORK_PURGE_L1);
		CHECK_EQ(tlbtag_vcpu_flush(&lab.vcpu[0], TLBTAG_TARGET_L1,
					   TLBTAG_FLUSH_NONGLOBAL, TLBTAG_WHY_GUEST) &
				 TLBTAG_WORK_PURGE_L1,
			 0);
	}
}

/* Guards PV_L1. */
/* SPEC C.9: the paravirtual flush is L1's, also while L2 runs. */
TEST(vcpu_pv_flush_reaches_l1_from_within_l2)
{
	struct lab lab;

	start_warm(&lab);
	lab_vmrun(&lab.vcpu[0], 1, 0);
	tlbtag_vcpu_flush(&lab.vcpu[0], TLBTAG_TARGET_L1, TLBTAG_FLUSH_TAG, TLBTAG_WHY_PV);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, 0);
	tlbtag_nested_exit(&lab.vcpu[0]);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, TLBTAG_WHY_PV);
}

/* Guards REMOTE_REQUEST. */
TEST(vcpu_remote_request_is_served_by_the_next_entry_of_each_context)
{
	struct lab lab;

	start_warm(&lab);
	tlbtag_vcpu_request(&lab.vcpu[0], TLBTAG_TARGET_BOTH, TLBTAG_WHY_ALL);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, TLBTAG_WHY_ALL);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, 0);
	lab_vmrun(&lab.vcpu[0], 1, 0);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, TLBTAG_WHY_ALL);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, 0);
}

/* Guards REMOTE_REQUEST. */
TEST(vcpu_remote_request_between_plan_and_entry_is_not_lost)
{
	struct lab lab;

	start_warm(&lab);
	tlbtag_vcpu_plan(&lab.vcpu[0], on(0));
	tlbtag_vcpu_request(&lab.vcpu[0], TLBTAG_TARGET_L1, TLBTAG_WHY_ALL);
	tlbtag_vcpu_entered(&lab.vcpu[0], on(0));
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, TLBTAG_WHY_ALL);
}

/* Guards REMOTE_REQUEST. */
TEST(vcpu_remote_request_must_name_a_level)
{
	struct lab lab;

	start_warm(&lab);
	tlbtag_vcpu_request(&lab.vcpu[0], TLBTAG_TARGET_ACTIVE, TLBTAG_WHY_GUEST);
	CHECK_EQ(tlbtag_sim_warnings(), 1);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, TLBTAG_WHY_GUEST);
	lab_vmrun(&lab.vcpu[0], 1, 0);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, TLBTAG_WHY_GUEST);
}

/* Guards RESET. */
TEST(vcpu_reset_returns_to_l1_and_flushes_it)
{
	struct lab lab;

	start_warm(&lab);
	lab_vmrun(&lab.vcpu[0], 1, 0);
	tlbtag_vcpu_reset(&lab.vcpu[0]);
	CHECK_EQ(lab.vcpu[0].active, TLBTAG_ACTIVE_L1);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, TLBTAG_WHY_RESET);
}

/* Guards V4. What makes a vCPU unclean, one thing at a time. */
TEST(vcpu_clean_only_if_the_plan_is_empty)
{
	struct lab lab;

	start_warm(&lab);
	CHECK(!tlbtag_vcpu_is_clean(&lab.vcpu[1], on(0)));
	CHECK(tlbtag_vcpu_is_clean(&lab.vcpu[0], on(0)));
	CHECK(!tlbtag_vcpu_is_clean(&lab.vcpu[0], on(1)));
	tlbtag_vcpu_flush(&lab.vcpu[0], TLBTAG_TARGET_L1, TLBTAG_FLUSH_TAG, TLBTAG_WHY_GUEST);
	CHECK(!tlbtag_vcpu_is_clean(&lab.vcpu[0], on(0)));
	lab_enter(&lab.vcpu[0], 0);
	tlbtag_vcpu_request(&lab.vcpu[0], TLBTAG_TARGET_L2, TLBTAG_WHY_ALL);
	CHECK(!tlbtag_vcpu_is_clean(&lab.vcpu[0], on(0)));
	lab_enter(&lab.vcpu[0], 0);
	tlbtag_host_cpu_online(&lab.host, on(0));
	CHECK(!tlbtag_vcpu_is_clean(&lab.vcpu[0], on(0)));
	lab_enter(&lab.vcpu[0], 0);
	CHECK(tlbtag_vcpu_is_clean(&lab.vcpu[0], on(0)));
	lab_vmrun(&lab.vcpu[0], 2, 0);
	lab_enter(&lab.vcpu[0], 0);
	CHECK(tlbtag_vcpu_is_clean(&lab.vcpu[0], on(0)));
	lab_vmrun(&lab.vcpu[0], 1, 0);
	CHECK(!tlbtag_vcpu_is_clean(&lab.vcpu[0], on(0)));
}

/* Guards V4. */
TEST(vcpu_shared_tag_is_never_clean)
{
	struct lab lab;

	lab_start_nested(&lab, 1, 1);
	lab_enter(&lab.vcpu[0], 0);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, 0);
	CHECK(!tlbtag_vcpu_is_clean(&lab.vcpu[0], on(0)));
}

TEST(vcpu_cpu_out_of_range_flushes_everything)
{
	struct lab lab;
	struct tlbtag_plan plan;

	start_warm(&lab);
	plan = tlbtag_vcpu_plan(&lab.vcpu[0], on(LAB_CPUS));
	tlbtag_vcpu_entered(&lab.vcpu[0], on(LAB_CPUS));
	CHECK_EQ(tlbtag_sim_warnings(), 2);
	CHECK_EQ(plan.flush, TLBTAG_FLUSH_ALL);
	CHECK_EQ(plan.why, TLBTAG_WHY_DOUBT);
	CHECK_EQ(lab.vcpu[0].l1.cpu, 0);
}

/* --- tags -------------------------------------------------------------- */

/* Guards V1, V2. Never 0. V2: the only shared tag is the fallback. */
TEST(vcpu_exhaustion_is_answered_by_the_fallback)
{
	struct lab lab;

	lab_start_nested(&lab, 2, 4);
	CHECK_EQ(lab.vcpu[0].l1.tag, 2);
	CHECK_EQ(lab.vcpu[1].l1.tag, lab.pool.fallback);
	CHECK_EQ(lab.vcpu[0].l2_count, 1);
	CHECK_EQ(lab.vcpu[0].l2[0].ctx.tag, lab.pool.fallback);
	CHECK_NE(lab_enter(&lab.vcpu[1], 0).tag, 0);
}

/* Guards SHARED_OWNER. */
/* KVM.md 4.2: flushed only when another context used it last on this CPU. */
TEST(vcpu_fallback_is_flushed_only_after_somebody_else)
{
	struct lab lab;

	lab_start_nested(&lab, 1, 1);
	lab_enter(&lab.vcpu[0], 0);
	lab_enter(&lab.vcpu[1], 1);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, 0);
	CHECK_EQ(lab_enter(&lab.vcpu[1], 1).why, 0);
	CHECK_EQ(lab_enter(&lab.vcpu[1], 0).why, TLBTAG_WHY_MOVED);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, TLBTAG_WHY_SHARED);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, 0);
	lab_vmrun(&lab.vcpu[0], 1, 0);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, TLBTAG_WHY_FIRST_USE | TLBTAG_WHY_ASID_CHANGE);
	tlbtag_nested_exit(&lab.vcpu[0]);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, TLBTAG_WHY_SHARED);
}

/* Guards P5. */
TEST(vcpu_destroy_never_frees_the_fallback)
{
	struct lab lab;

	lab_start_nested(&lab, 1, 1);
	tlbtag_vcpu_destroy(&lab.vcpu[0]);
	tlbtag_vcpu_destroy(&lab.vcpu[1]);
	CHECK_EQ(tlbtag_pool_alloc(&lab.pool, TLBTAG_PLAIN), 0);
	CHECK_EQ(tlbtag_pool_destroy(&lab.pool), 0);
}

/* Guards FIRST_USE. */
TEST(vcpu_tags_are_reused_with_a_flush)
{
	struct lab lab;
	tlbtag_t tag;

	lab_start_nested(&lab, 15, 1);
	tag = lab.vcpu[0].l1.tag;
	lab_enter(&lab.vcpu[0], 0);
	tlbtag_vcpu_destroy(&lab.vcpu[0]);
	tlbtag_vcpu_init(&lab.vcpu[0], &lab.vm, 0);
	CHECK_EQ(lab.vcpu[0].l1.tag, tag);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, TLBTAG_WHY_FIRST_USE);
}

/* Under scarcity L1 contexts come first (DESIGN decision 6). */
TEST(vcpu_l2_leaves_a_reserve_for_l1)
{
	struct lab lab;
	struct tlbtag_vcpu more[3];

	lab_start_nested(&lab, 12, 4);
	CHECK_EQ(lab.host.reserve, 3);
	CHECK_EQ(lab.vcpu[0].l2_count, 4);
	CHECK_EQ(lab.vcpu[1].l2_count, 2);
	CHECK_EQ(tlbtag_pool_plain_free(&lab.pool), 3);
	for (uint32_t i = 0; i < 3; i++) {
		tlbtag_vcpu_init(&more[i], &lab.vm, 2 + i);
		CHECK_NE(more[i].l1.tag, lab.pool.fallback);
	}
}

TEST(vcpu_retag_gives_tags_that_became_free_l1_first)
{
	struct lab lab;

	lab_start_nested(&lab, 2, 1);
	CHECK_EQ(tlbtag_vcpu_retag(&lab.vcpu[1]), 0);
	lab_enter(&lab.vcpu[1], 0);
	tlbtag_vcpu_destroy(&lab.vcpu[0]);
	CHECK_EQ(tlbtag_vcpu_retag(&lab.vcpu[1]), 1);
	CHECK_EQ(lab.vcpu[1].l1.tag, 2);
	CHECK_EQ(lab.vcpu[1].l2[0].ctx.tag, lab.pool.fallback);
	CHECK_EQ(lab_enter(&lab.vcpu[1], 0).why, TLBTAG_WHY_FIRST_USE);
	CHECK_EQ(lab_enter(&lab.vcpu[1], 0).dirty, 0);
}

/* Guards INVLPGA_PLACE. */
/* --- one address ------------------------------------------------------- */

TEST(vcpu_address_goes_at_once_only_where_the_entries_are)
{
	struct lab lab;
	tlbtag_t tag;

	start_warm(&lab);
	CHECK_EQ(tlbtag_vcpu_invalidate(&lab.vcpu[0], on(0), &tag), TLBTAG_ADDRESS_NOW);
	CHECK_EQ(tag, lab.vcpu[0].l1.tag);
	CHECK_EQ(tlbtag_vcpu_invalidate(&lab.vcpu[0], on(1), &tag), TLBTAG_ADDRESS_PENDING);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, TLBTAG_WHY_INVLPGA);
	tlbtag_host_cpu_online(&lab.host, on(0));
	CHECK_EQ(tlbtag_vcpu_invalidate(&lab.vcpu[0], on(0), &tag), TLBTAG_ADDRESS_PENDING);
}

/* Guards INVLPGA_ERRATUM. */
TEST(vcpu_address_is_a_flush_where_invlpga_has_errata)
{
	struct tlbtag_hw hw = lab_hw(15);
	struct lab lab;
	tlbtag_t tag;

	hw.invlpga_unreliable = true;
	lab_start(&lab, &hw);
	lab_start_vcpus(&lab);
	lab_enter(&lab.vcpu[0], 0);
	CHECK_EQ(tlbtag_vcpu_invalidate(&lab.vcpu[0], on(0), &tag), TLBTAG_ADDRESS_PENDING);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, TLBTAG_WHY_INVLPGA);
}
