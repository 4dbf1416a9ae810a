/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * nested: L2 contexts for the ASIDs of L1.
 *
 * Why it is enough to key contexts by L1's ASID: on the machine that L1 believes
 * to have, translations of its guest carry that ASID and nothing else, neither
 * the address of vmcb12 nor the nested CR3 (MACHINE A9). So two entries with
 * one ASID may share translations, and an ASID whose context was taken for
 * another in the meantime must find none, which the flush at eviction sees to.
 */
#include "vcpu.h"
#include <tlbtag/nested.h>
#include <tlbtag/rules.h>
#include <tlbtag/svm.h>

/* N2: the tag comes fresh from the pool, or is the fallback, also if L1 shares the VM's. */
static void start_l2(struct tlbtag_vcpu *vcpu, tlbtag_t tag)
{
	struct tlbtag_l2 *l2 = &vcpu->l2[vcpu->l2_count++];
	struct tlbtag_l2 before = *l2;

	*l2 = (struct tlbtag_l2){ .asid12 = 0 };
	tlbtag_vcpu_start_ctx(vcpu, &l2->ctx, tag);
	l2->ctx.shadow_linear = !vcpu->vm->host->hw.nested_paging;
	/* Without the rule it is taken for the context that it was before (SPEC C.1). */
	if (!TLBTAG_RULE(NESTED_REALLOC)) {
		before.ctx.tag = tag;
		before.ctx.shared = l2->ctx.shared;
		*l2 = before;
	}
}

int tlbtag_nested_enable(struct tlbtag_vcpu *vcpu, uint32_t count)
{
	tlbtag_t tag;

	if (count < 1 || count > TLBTAG_L2_MAX)
		return -EINVAL;
	if (vcpu->l2_count)
		return 0;

	while (vcpu->l2_count < count) {
		tag = tlbtag_vcpu_take_tag(vcpu, vcpu->vm->host->reserve);
		if (tag == TLBTAG_NONE)
			break;
		start_l2(vcpu, tag);
	}
	if (!vcpu->l2_count)
		start_l2(vcpu, tlbtag_pool_fallback(vcpu->vm->host->pool));
	return 0;
}
TLBTAG_EXPORT(tlbtag_nested_enable);

void tlbtag_nested_disable(struct tlbtag_vcpu *vcpu)
{
	vcpu->active = TLBTAG_ACTIVE_L1;
	vcpu->latest = 0;
	tlbtag_vcpu_unready(vcpu, LEVEL_L2);
	while (vcpu->l2_count)
		tlbtag_vcpu_return_tag(vcpu, &vcpu->l2[--vcpu->l2_count].ctx);
}
TLBTAG_EXPORT(tlbtag_nested_disable);

struct tlbtag_l2 *tlbtag_nested_find(struct tlbtag_vcpu *vcpu, uint32_t asid12)
{
	uint32_t i;

	for (i = 0; i < vcpu->l2_count; i++)
		if (vcpu->l2[i].asid12 == asid12)
			return &vcpu->l2[i];
	return NULL;
}

/* Contexts never used have used == 0 and come first. */
static struct tlbtag_l2 *oldest(struct tlbtag_vcpu *vcpu)
{
	struct tlbtag_l2 *best = &vcpu->l2[0];
	uint32_t i;

	for (i = 1; i < vcpu->l2_count; i++)
		if (vcpu->l2[i].used < best->used)
			best = &vcpu->l2[i];
	return best;
}

/*
 * N1: only reached when tlbtag_nested_find() found none.
 *
 * E1 for an ASID without a context. Its roots are not tagged by ASID, so they
 * may have been left unsynced by the ASID that used them last (SPEC C.5 E2). A
 * VPID does not tag guest-physical translations, so on Intel this is about the
 * roots of shadow paging alone (SPEC G).
 */
static struct tlbtag_l2 *claim(struct tlbtag_vcpu *vcpu, uint32_t asid12)
{
	const struct tlbtag_hw *hw = &vcpu->vm->host->hw;
	bool has_roots = hw->tag_covers_guest_physical || !hw->nested_paging;
	struct tlbtag_l2 *l2 = oldest(vcpu);

	l2->asid12 = asid12;
	if (TLBTAG_RULE(L1_ASID_CHANGE))
		tlbtag_vcpu_owe(vcpu, &l2->ctx, TLBTAG_FLUSH_TAG, TLBTAG_WHY_ASID_CHANGE);
	if (has_roots && TLBTAG_RULE(SYNC_ASID_CHANGE))
		tlbtag_vcpu_demand_sync(vcpu, &l2->ctx);
	return l2;
}

static struct tlbtag_l2 *find_or_claim(struct tlbtag_vcpu *vcpu, uint32_t asid12)
{
	struct tlbtag_l2 *l2 = tlbtag_nested_find(vcpu, asid12);

	if (!l2)
		return claim(vcpu, asid12);
	/* C.6: a flush that came while L1 ran is still pending and stays so. */
	if (!TLBTAG_RULE(KEEP_PENDING))
		l2->ctx.why = TLBTAG_WHY_NOTHING;
	return l2;
}

static void flush_context(struct tlbtag_vcpu *vcpu, struct tlbtag_ctx *ctx)
{
	tlbtag_vcpu_owe(vcpu, ctx, TLBTAG_FLUSH_TAG, TLBTAG_WHY_TLB_CONTROL);
	if (TLBTAG_RULE(SYNC_TLB_CONTROL))
		tlbtag_vcpu_demand_sync(vcpu, ctx);
}

/*
 * TLB_CONTROL 1 means every ASID of L1's world, its own 0 included. L1's own
 * flush is made pending here rather than at the exit, where a forced leave
 * would lose it: L1 cannot run in between (SPEC C.5 E5).
 */
static void flush_world(struct tlbtag_vcpu *vcpu, const struct tlbtag_l2 *active)
{
	uint32_t i;

	if (TLBTAG_RULE(L1_FLUSH_ALL_L1)) {
		tlbtag_vcpu_owe(vcpu, &vcpu->l1, TLBTAG_FLUSH_TAG, TLBTAG_WHY_TLB_CONTROL);
		if (vcpu->l1.shadow_linear)
			tlbtag_vcpu_demand_sync(vcpu, &vcpu->l1);
	}
	if (!TLBTAG_RULE(L1_FLUSH_ALL_L2))
		return;
	for (i = 0; i < vcpu->l2_count; i++)
		if (&vcpu->l2[i] != active && vcpu->l2[i].asid12)
			flush_context(vcpu, &vcpu->l2[i].ctx);
}

/*
 * E2, E3. Reserved values are no consistency failure on hardware and may flush
 * or not; 7 would allow less, but whether it keeps nested translations is
 * unclear (MACHINE U2). So every value but 0 flushes the context.
 */
static void obey_tlb_control(struct tlbtag_vcpu *vcpu, struct tlbtag_l2 *l2, uint8_t tlb_control)
{
	if (tlb_control == TLBTAG_TLB_CONTROL_NOTHING)
		return;
	if (TLBTAG_RULE(L1_TLB_CONTROL))
		flush_context(vcpu, &l2->ctx);
	if (tlb_control == TLBTAG_TLB_CONTROL_ALL)
		flush_world(vcpu, l2);
}

/* What L0's tables shadow for this guest: linear, nested or nothing. */
static bool has_shadow_root(const struct tlbtag_vcpu *vcpu, const struct tlbtag_vmcb12 *vmcb12)
{
	return vmcb12->nested_paging || !vcpu->vm->host->hw.nested_paging;
}

static uint32_t drain_l2(void)
{
	return TLBTAG_RULE(QUEUE_DRAIN) ? TLBTAG_WORK_DRAIN_L2 : 0;
}

static uint32_t work_of_entry(const struct tlbtag_vcpu *vcpu, const struct tlbtag_l2 *l2,
			      const struct tlbtag_vmcb12 *vmcb12, uint64_t generation)
{
	uint32_t work = drain_l2();

	if (has_shadow_root(vcpu, vmcb12) && l2->ctx.demand > generation)
		work |= TLBTAG_WORK_SYNC;
	return work;
}

static void enable_in_doubt(struct tlbtag_vcpu *vcpu)
{
	if (tlbtag_warn_once(vcpu->l2_count == 0, "nested: entered but not enabled"))
		start_l2(vcpu, tlbtag_pool_fallback(vcpu->vm->host->pool));
}

struct tlbtag_l2 *tlbtag_nested_activate(struct tlbtag_vcpu *vcpu, uint32_t asid12)
{
	struct tlbtag_l2 *l2;

	enable_in_doubt(vcpu);
	tlbtag_vcpu_accept(vcpu);
	l2 = find_or_claim(vcpu, asid12);
	/* V4: the control block of L2 is one for all contexts, and not this one's. */
	if (l2->ctx.tag != vcpu->block[LEVEL_L2].tag && TLBTAG_RULE(BLOCK_UNKNOWN))
		tlbtag_vcpu_unready(vcpu, LEVEL_L2);
	l2->used = ++vcpu->clock;
	vcpu->latest = 1 + (uint32_t)(l2 - vcpu->l2);
	vcpu->active = vcpu->latest;
	return l2;
}

int tlbtag_nested_enter(struct tlbtag_vcpu *vcpu, const struct tlbtag_vmcb12 *vmcb12,
			uint32_t *work)
{
	uint64_t generation = vcpu->generation;
	struct tlbtag_l2 *l2;

	if (vmcb12->asid == 0)
		return -EINVAL;
	/* C.6 holds: what is pending for the context stays pending. */
	if (TLBTAG_RULE(KEEP_PENDING) &&
	    tlbtag_nested_reenter(vcpu, vmcb12->asid, vmcb12->tlb_control)) {
		*work = drain_l2();
		return 0;
	}
	l2 = tlbtag_nested_activate(vcpu, vmcb12->asid);
	obey_tlb_control(vcpu, l2, vmcb12->tlb_control);
	*work = work_of_entry(vcpu, l2, vmcb12, generation);
	return 0;
}
TLBTAG_EXPORT(tlbtag_nested_enter);

uint32_t tlbtag_nested_exit(struct tlbtag_vcpu *vcpu)
{
	if (!tlbtag_vcpu_in_l2(vcpu))
		return 0;
	tlbtag_vcpu_accept(vcpu);
	vcpu->active = TLBTAG_ACTIVE_L1;
	return TLBTAG_RULE(QUEUE_DRAIN) ? TLBTAG_WORK_DRAIN_L1 : 0;
}
TLBTAG_EXPORT(tlbtag_nested_exit);

struct tlbtag_invlpga tlbtag_nested_invlpga(struct tlbtag_vcpu *vcpu, struct tlbtag_cpu cpu,
					    uint32_t asid12, bool canonical)
{
	struct tlbtag_invlpga answer = { .action = TLBTAG_ADDRESS_NOTHING };
	struct tlbtag_l2 *l2;

	if (asid12 == 0) {
		answer.as_invlpg = TLBTAG_RULE(INVLPGA_ZERO);
		return answer;
	}
	if (!canonical)
		return answer;
	/* Roots are not tagged by ASID, so even one without a context has some. */
	if (!vcpu->vm->host->hw.nested_paging && TLBTAG_RULE(INVLPGA_DROP))
		answer.work |= TLBTAG_WORK_DROP_ADDRESS;

	l2 = tlbtag_nested_find(vcpu, asid12);
	/* An ASID without a context flushes when it gets one. */
	if (!l2 || !TLBTAG_RULE(INVLPGA_MATCH))
		return answer;
	answer.action = tlbtag_vcpu_address(vcpu, &l2->ctx, cpu, &answer.tag);
	return answer;
}
TLBTAG_EXPORT(tlbtag_nested_invlpga);

/*
 * N3: a root of another context is of the right age only if tags do not keep apart
 * what hardware caches of these tables.
 */
bool tlbtag_root_is_foreign(const struct tlbtag_vcpu *vcpu)
{
	const struct tlbtag_ctx *ctx = tlbtag_vcpu_active(vcpu);

	return (ctx->shadow_linear || vcpu->vm->host->hw.tag_covers_guest_physical) &&
	       TLBTAG_RULE(ROOT_CONTEXT);
}
TLBTAG_EXPORT(tlbtag_root_is_foreign);

void tlbtag_root_set_synced(const struct tlbtag_vcpu *vcpu, struct tlbtag_root *root)
{
	root->synced = vcpu->generation;
	root->context = vcpu->active;
}
TLBTAG_EXPORT(tlbtag_root_set_synced);
