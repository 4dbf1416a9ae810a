/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ctx: what is pending accumulates, and only an entry takes it away.
 */
#include "lab.h"
#include "test.h"

#include "../port/sim/tlbtag_port.h"

TEST(ctx_start_leaves_nothing_pending)
{
	struct tlbtag_ctx ctx;

	memset(&ctx, 0xff, sizeof(ctx));
	tlbtag_ctx_start(&ctx, 7, false);
	CHECK_EQ(ctx.tag, 7);
	CHECK_EQ(ctx.cpu, TLBTAG_CPU_NONE);
	CHECK_EQ(ctx.why, 0);
	CHECK_EQ(ctx.flush, TLBTAG_FLUSH_NONE);
}

/* Guards C1. */
TEST(ctx_pend_widens_and_never_narrows)
{
	struct tlbtag_ctx ctx;

	tlbtag_ctx_start(&ctx, 7, false);
	tlbtag_ctx_pend(&ctx, TLBTAG_FLUSH_NONGLOBAL, TLBTAG_WHY_GUEST);
	CHECK_EQ(ctx.flush, TLBTAG_FLUSH_NONGLOBAL);
	tlbtag_ctx_pend(&ctx, TLBTAG_FLUSH_TAG, TLBTAG_WHY_ALL);
	tlbtag_ctx_pend(&ctx, TLBTAG_FLUSH_NONGLOBAL, TLBTAG_WHY_PV);
	CHECK_EQ(ctx.flush, TLBTAG_FLUSH_TAG);
	CHECK_EQ(ctx.why, TLBTAG_WHY_GUEST | TLBTAG_WHY_ALL | TLBTAG_WHY_PV);
}

/* Guards C1. A plan flushes if and only if it has a reason. */
TEST(ctx_flush_without_a_reason_is_doubt)
{
	struct tlbtag_ctx ctx;

	tlbtag_ctx_start(&ctx, 7, false);
	tlbtag_ctx_pend(&ctx, TLBTAG_FLUSH_NONE, 0);
	CHECK_EQ(tlbtag_sim_warnings(), 1);
	CHECK_EQ(ctx.why, TLBTAG_WHY_DOUBT);
	CHECK_EQ(ctx.flush, TLBTAG_FLUSH_TAG);
}

/* Guards C2, ACK. An entry of another context, or one that failed, clears nothing. */
TEST(ctx_pending_survives_other_entries)
{
	struct lab lab;

	lab_start_nested(&lab, 15, 1);
	lab_enter(&lab.vcpu[0], 0);
	lab_vmrun(&lab.vcpu[0], 1, 0);
	lab_enter(&lab.vcpu[0], 0);
	tlbtag_nested_exit(&lab.vcpu[0]);
	tlbtag_vcpu_flush(&lab.vcpu[0], TLBTAG_TARGET_L2, TLBTAG_FLUSH_TAG, TLBTAG_WHY_ALL);
	for (int i = 0; i < 1000; i++)
		CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, 0);
	lab_vmrun(&lab.vcpu[0], 1, 0);
	tlbtag_vcpu_plan(&lab.vcpu[0], on(0));
	CHECK_EQ(tlbtag_vcpu_plan(&lab.vcpu[0], on(0)).why, TLBTAG_WHY_ALL);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, TLBTAG_WHY_ALL);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, 0);
}

/* Guards C3, MOVED. Only an entry that the hardware took moves a context. */
TEST(ctx_does_not_move_by_a_plan)
{
	struct lab lab;

	lab_start_nested(&lab, 15, 1);
	lab_enter(&lab.vcpu[0], 0);
	CHECK_EQ(tlbtag_vcpu_plan(&lab.vcpu[0], on(1)).why, TLBTAG_WHY_MOVED);
	CHECK_EQ(lab.vcpu[0].l1.cpu, 0);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, 0);
}
