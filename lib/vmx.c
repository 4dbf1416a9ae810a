/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * vmx: entry plans as INVVPID and INVEPT, and both emulated for L1.
 *
 * Why an entry needs nothing if its context is on the CPU, the VPID and the
 * root of its latest entry and nothing is pending: what lies under that VPID
 * and that root was made there by the context itself, for the reasons at the
 * top of lib/vcpu.c. What lies under the root alone may have been made by any
 * context that runs on it, but all of them see the same tables: a change is
 * asked for in each of them (WHY_MMU), and a root that was built anew is made
 * known to each that takes it up (tlbtag_vmx_root_start()).
 */
#include "vcpu.h"
#include <tlbtag/rules.h>
#include <tlbtag/vmx.h>

/* Reasons that are about a root's tables; the others are about a guest's own. */
#define WHY_MMU (TLBTAG_WHY_ALL | TLBTAG_WHY_CURRENT | TLBTAG_WHY_INVEPT | TLBTAG_WHY_DOUBT)

/* What is due, by how far it reaches. */
struct due {
	uint32_t root;	/* all that the context could use on this root */
	uint32_t vpid;	/* linear and combined translations under its VPID */
};

static bool is_same_root(uint64_t eptp, uint64_t other)
{
	return ((eptp ^ other) & TLBTAG_EP4TA_MASK) == 0;
}

/*
 * All bits of the EPTP count, not only EP4TA: where accessed and dirty bits were
 * switched on, entries from before may be used and are wrong (SDM3 28.3.3.4).
 */
static void add_space(const struct tlbtag_vcpu *vcpu, tlbtag_t vpid, uint64_t eptp,
		      struct due *due)
{
	const struct tlbtag_space *last = &vcpu->space[vcpu->active];

	if (last->eptp != eptp && TLBTAG_RULE(EPT_ROOT))
		due->root |= TLBTAG_WHY_EPT_ROOT;
	/* A borrowed VPID: L1 got another since. */
	if (last->vpid != vpid && TLBTAG_RULE(FIRST_USE))
		due->vpid |= TLBTAG_WHY_FIRST_USE;
}

static struct due due_of(const struct tlbtag_vcpu *vcpu, const struct tlbtag_ctx *ctx,
			 struct tlbtag_cpu cpu, uint64_t eptp)
{
	uint32_t here = tlbtag_vcpu_why_here(vcpu, ctx, cpu);
	struct due due = {
		.root = (here & ~(uint32_t)TLBTAG_WHY_SHARED) | (ctx->why & WHY_MMU),
		.vpid = (here & TLBTAG_WHY_SHARED) | (ctx->why & ~(uint32_t)WHY_MMU),
	};

	if (!(here & ~(uint32_t)TLBTAG_WHY_SHARED))
		add_space(vcpu, tlbtag_vcpu_tag_of(vcpu, ctx), eptp, &due);
	return due;
}

/* X1: the operation and its reasons come together. */
static void add_op(struct tlbtag_vmx_plan *plan, const struct tlbtag_vmx_op *op, uint32_t why)
{
	plan->op[plan->op_count++] = *op;
	plan->why = why;
}

/* X2: under VPID 0 it is the entry itself that flushes. */
static void add_invvpid(struct tlbtag_vmx_plan *plan, const struct tlbtag_ctx *ctx, uint32_t why)
{
	/* What a former user of the VPID left may be global. */
	bool spare_global = ctx->flush == TLBTAG_FLUSH_NONGLOBAL && why == ctx->why;
	struct tlbtag_vmx_op op = {
		.instruction = TLBTAG_INVVPID,
		.type = spare_global ? TLBTAG_INVVPID_NONGLOBAL : TLBTAG_INVVPID_CONTEXT,
		.vpid = plan->vpid,
	};

	if (plan->vpid_enabled)
		add_op(plan, &op, why);
}

/* X3: what is due for the root becomes an INVEPT, which covers the rest too. */
static void add_ops(struct tlbtag_vmx_plan *plan, const struct tlbtag_ctx *ctx,
		    const struct due *due, uint64_t eptp)
{
	struct tlbtag_vmx_op op = {
		.instruction = TLBTAG_INVEPT,
		.type = TLBTAG_INVEPT_CONTEXT,
		.eptp = eptp,
	};

	if (due->root && eptp && TLBTAG_RULE(EPT_SCOPE))
		add_op(plan, &op, due->root | due->vpid);
	else if (due->root | due->vpid)
		add_invvpid(plan, ctx, due->root | due->vpid);
}

/* An internal check failed: VPIDs off, and nothing is kept under any root. */
static struct tlbtag_vmx_plan plan_in_doubt(void)
{
	return (struct tlbtag_vmx_plan){
		.vpid_changed = true,
		.op_count = 1,
		.op = { { .instruction = TLBTAG_INVEPT, .type = TLBTAG_INVEPT_ALL } },
		.why = TLBTAG_WHY_DOUBT,
	};
}

static bool is_in_doubt(const struct tlbtag_vcpu *vcpu, struct tlbtag_cpu cpu)
{
	const struct tlbtag_hw *hw = &vcpu->vm->host->hw;

	return tlbtag_warn_once(cpu.nr >= hw->nr_cpus, "vmx: no such CPU") ||
	       tlbtag_warn_once(hw->vendor != TLBTAG_INTEL, "vmx: not an Intel host");
}

struct tlbtag_vmx_plan tlbtag_vmx_plan_make(struct tlbtag_vcpu *vcpu, struct tlbtag_cpu cpu,
					    uint64_t eptp)
{
	const struct tlbtag_block *block = &vcpu->block[tlbtag_vcpu_in_l2(vcpu)];
	struct tlbtag_ctx *ctx = tlbtag_vcpu_active_ctx(vcpu);
	struct tlbtag_vmx_plan plan = { .vpid = tlbtag_vcpu_tag_of(vcpu, ctx) };
	struct due due;

	if (is_in_doubt(vcpu, cpu))
		return plan_in_doubt();

	plan.work = tlbtag_vcpu_accept(vcpu);
	plan.vpid_enabled = plan.vpid != TLBTAG_NONE;
	plan.vpid_changed = block->cpu == TLBTAG_CPU_NONE || block->tag != plan.vpid;
	due = due_of(vcpu, ctx, cpu, eptp);
	add_ops(&plan, ctx, &due, eptp);
	tlbtag_vcpu_open_block(vcpu);
	/* Without the rule a VM entry that fails loses the flush. */
	if (!TLBTAG_RULE(ACK))
		ctx->why = TLBTAG_WHY_NOTHING;
	return plan;
}
TLBTAG_EXPORT(tlbtag_vmx_plan_make);

/* X5: what tlbtag_vmx_is_clean() compares is recorded here and nowhere else. */
void tlbtag_vmx_entered(struct tlbtag_vcpu *vcpu, struct tlbtag_cpu cpu, uint64_t eptp)
{
	struct tlbtag_space *space = &vcpu->space[vcpu->active];

	tlbtag_vcpu_entered(vcpu, cpu);
	if (cpu.nr >= vcpu->vm->host->hw.nr_cpus)
		return;
	space->eptp = eptp;
	space->eptp12 = tlbtag_vcpu_in_l2(vcpu) ? vcpu->eptp12 : 0;
	space->vpid = tlbtag_vcpu_tag_of(vcpu, tlbtag_vcpu_active(vcpu));
}
TLBTAG_EXPORT(tlbtag_vmx_entered);

void tlbtag_vmx_root_start(struct tlbtag_vcpu *vcpu, uint64_t eptp)
{
	uint32_t i;

	if (!TLBTAG_RULE(EPT_REUSE))
		return;
	for (i = 0; i <= vcpu->l2_count; i++)
		if (is_same_root(vcpu->space[i].eptp, eptp))
			vcpu->space[i].eptp = TLBTAG_EPTP_UNKNOWN;
}
TLBTAG_EXPORT(tlbtag_vmx_root_start);

/* --- nested entry ------------------------------------------------------ */

/* Does anything in hardware tell L2's translations from L1's? */
static bool has_own_tag(const struct tlbtag_vcpu *vcpu, const struct tlbtag_l2 *l2,
			const struct tlbtag_vmcs12 *vmcs12)
{
	return l2->ctx.tag != TLBTAG_NONE ||
	       (vmcs12->ept_enabled && vcpu->vm->host->hw.nested_paging);
}

/*
 * In L1's eyes L2 has VPID 0 as L1 has, which every entry and exit flushes. L1's
 * flush is made pending here rather than at the exit, where a forced leave
 * would lose it: L1 cannot run in between.
 */
static void flush_vpid_zero(struct tlbtag_vcpu *vcpu, struct tlbtag_l2 *l2)
{
	if (TLBTAG_RULE(NO_VPID_L2))
		tlbtag_vcpu_pend(vcpu, &l2->ctx, TLBTAG_FLUSH_TAG, TLBTAG_WHY_GUEST);
	if (TLBTAG_RULE(NO_VPID_L1))
		tlbtag_vcpu_pend(vcpu, &vcpu->l1, TLBTAG_FLUSH_TAG, TLBTAG_WHY_GUEST);
}

/* Each finds what the other left; L1's turn comes at the exit, as above. */
static void separate(struct tlbtag_vcpu *vcpu, struct tlbtag_l2 *l2)
{
	if (!TLBTAG_RULE(L2_NO_TAG))
		return;
	tlbtag_vcpu_owe(vcpu, &l2->ctx, TLBTAG_FLUSH_TAG, TLBTAG_WHY_SHARED);
	tlbtag_vcpu_owe(vcpu, &vcpu->l1, TLBTAG_FLUSH_TAG, TLBTAG_WHY_SHARED);
}

int tlbtag_vmx_nested_enter(struct tlbtag_vcpu *vcpu, const struct tlbtag_vmcs12 *vmcs12,
			    uint32_t *work)
{
	uint64_t generation = vcpu->generation;
	struct tlbtag_l2 *l2;

	if (vmcs12->vpid_enabled && vmcs12->vpid == 0)
		return -EINVAL;
	l2 = tlbtag_nested_activate(vcpu, vmcs12->vpid_enabled ? vmcs12->vpid : 0);
	vcpu->eptp12 = vmcs12->ept_enabled ? vmcs12->eptp : 0;
	if (!vmcs12->vpid_enabled)
		flush_vpid_zero(vcpu, l2);
	else if (!has_own_tag(vcpu, l2, vmcs12))
		separate(vcpu, l2);

	*work = TLBTAG_RULE(QUEUE_DRAIN) ? TLBTAG_WORK_DRAIN_L2 : 0;
	if (l2->ctx.shadow_linear && l2->ctx.demand > generation)
		*work |= TLBTAG_WORK_SYNC;
	return 0;
}
TLBTAG_EXPORT(tlbtag_vmx_nested_enter);

/* --- INVVPID ----------------------------------------------------------- */

static bool is_offered(uint32_t offered, uint64_t type)
{
	return type < 32 && (offered >> type & 1);
}

static enum tlbtag_vmx_fail check_invvpid(const struct tlbtag_invvpid *invvpid)
{
	if (invvpid->type > TLBTAG_INVVPID_NONGLOBAL ||
	    !is_offered(invvpid->offered, invvpid->type))
		return TLBTAG_VMX_BAD_TYPE;
	if (invvpid->vpid > TLBTAG_VPID_MAX)
		return TLBTAG_VMX_BAD_VPID;
	if (invvpid->type == TLBTAG_INVVPID_ALL)
		return TLBTAG_VMX_OK;
	if (invvpid->vpid == 0)
		return TLBTAG_VMX_ZERO_VPID;
	if (invvpid->type == TLBTAG_INVVPID_ADDRESS && !invvpid->canonical)
		return TLBTAG_VMX_BAD_ADDRESS;
	return TLBTAG_VMX_OK;
}

/* All but VPID 0, which is L1's own and that of guests without VPID. */
static void invalidate_all(struct tlbtag_vcpu *vcpu, struct tlbtag_invvpid_answer *answer)
{
	uint32_t i;

	if (!TLBTAG_RULE(INVVPID_ALL))
		return;
	for (i = 0; i < vcpu->l2_count; i++) {
		if (vcpu->l2[i].asid12 == 0)
			continue;
		answer->work |= tlbtag_vcpu_pend(vcpu, &vcpu->l2[i].ctx, TLBTAG_FLUSH_TAG,
						 TLBTAG_WHY_INVVPID);
		answer->action = TLBTAG_ADDRESS_PENDING;
	}
}

static void invalidate_address(struct tlbtag_vcpu *vcpu, struct tlbtag_ctx *ctx,
			       struct tlbtag_cpu cpu, uint64_t address,
			       struct tlbtag_invvpid_answer *answer)
{
	answer->op = (struct tlbtag_vmx_op){
		.instruction = TLBTAG_INVVPID,
		.type = TLBTAG_INVVPID_ADDRESS,
		.address = address,
	};
	answer->action = tlbtag_vcpu_address(vcpu, ctx, cpu, &answer->op.vpid);
	if (ctx->shadow_linear && TLBTAG_RULE(INVLPGA_DROP))
		answer->work |= TLBTAG_WORK_DROP_ADDRESS;
}

static void invalidate_context(struct tlbtag_vcpu *vcpu, struct tlbtag_ctx *ctx, uint64_t type,
			       struct tlbtag_invvpid_answer *answer)
{
	bool spare_global = type == TLBTAG_INVVPID_NONGLOBAL;

	answer->work |= tlbtag_vcpu_pend(vcpu, ctx,
					 spare_global ? TLBTAG_FLUSH_NONGLOBAL : TLBTAG_FLUSH_TAG,
					 TLBTAG_WHY_INVVPID);
	answer->action = TLBTAG_ADDRESS_PENDING;
}

/*
 * X4: only L2 contexts are looked up, and the VPID is the context's own, or L1's
 * if it has none. A context that is not used at once needs no instruction: its
 * next entry flushes, on whichever CPU, so the CPU matters for type 0 alone.
 */
struct tlbtag_invvpid_answer tlbtag_vmx_invvpid(struct tlbtag_vcpu *vcpu, struct tlbtag_cpu cpu,
						const struct tlbtag_invvpid *invvpid)
{
	struct tlbtag_invvpid_answer answer = { .fail = check_invvpid(invvpid) };
	struct tlbtag_l2 *l2;

	if (answer.fail != TLBTAG_VMX_OK)
		return answer;
	if (invvpid->type == TLBTAG_INVVPID_ALL) {
		invalidate_all(vcpu, &answer);
		return answer;
	}
	l2 = tlbtag_nested_find(vcpu, (uint32_t)invvpid->vpid);
	/* A VPID without a context flushes, and syncs, when it gets one. */
	if (!l2 || !TLBTAG_RULE(INVVPID_MATCH))
		return answer;
	if (invvpid->type == TLBTAG_INVVPID_ADDRESS)
		invalidate_address(vcpu, &l2->ctx, cpu, invvpid->address, &answer);
	else
		invalidate_context(vcpu, &l2->ctx, invvpid->type, &answer);
	return answer;
}
TLBTAG_EXPORT(tlbtag_vmx_invvpid);

/* --- INVEPT ------------------------------------------------------------ */

bool tlbtag_vmx_invept_hits(const struct tlbtag_invept *invept, uint64_t eptp12)
{
	if (eptp12 == 0)
		return false;
	return invept->type == TLBTAG_INVEPT_ALL || is_same_root(invept->eptp, eptp12);
}
TLBTAG_EXPORT(tlbtag_vmx_invept_hits);

static enum tlbtag_vmx_fail check_invept(const struct tlbtag_invept *invept)
{
	if ((invept->type != TLBTAG_INVEPT_CONTEXT && invept->type != TLBTAG_INVEPT_ALL) ||
	    !is_offered(invept->offered, invept->type))
		return TLBTAG_VMX_BAD_TYPE;
	if (invept->type == TLBTAG_INVEPT_CONTEXT && !invept->valid)
		return TLBTAG_VMX_BAD_EPTP;
	return TLBTAG_VMX_OK;
}

/*
 * What counts is the root of the latest entry that the hardware took: an entry
 * on any other root flushes that one anyway (rule EPT_ROOT).
 */
enum tlbtag_vmx_fail tlbtag_vmx_invept(struct tlbtag_vcpu *vcpu,
				       const struct tlbtag_invept *invept, uint32_t *work)
{
	enum tlbtag_vmx_fail fail = check_invept(invept);
	uint32_t i;

	*work = 0;
	if (fail != TLBTAG_VMX_OK)
		return fail;
	*work = TLBTAG_WORK_DROP_ROOTS;
	for (i = 0; i < vcpu->l2_count; i++)
		if (tlbtag_vmx_invept_hits(invept, vcpu->space[1 + i].eptp12) &&
		    TLBTAG_RULE(INVEPT_MATCH))
			tlbtag_vcpu_owe(vcpu, &vcpu->l2[i].ctx, TLBTAG_FLUSH_TAG,
					TLBTAG_WHY_INVEPT);
	return TLBTAG_VMX_OK;
}
TLBTAG_EXPORT(tlbtag_vmx_invept);
