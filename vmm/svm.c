/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * L0 enters a guest on AMD: the plan, the VMCB, VMRUN. And what the museum does
 * to them.
 */
#include "inside.h"

#define CLEAN_ALL (MACHINE_VMCB_CLEAN_ASID | MACHINE_VMCB_CLEAN_NP | MACHINE_VMCB_CLEAN_CR)

void vmm_svm_exit(struct vmm *vmm, struct vmm_vcpu *vcpu)
{
	struct machine_vmcb *vmcb = &vcpu->vmcb[vcpu->in_l2];

	machine_svm_exit(vmm->machine, vcpu->cpu, vmcb);
	vmcb->clean = CLEAN_ALL;
}

static bool is_peer(const struct vmm *vmm)
{
	return vmm->config.policy != VMM_POLICY_LIBRARY;
}

static void drop_reason(struct tlbtag_plan *plan, uint32_t why)
{
	plan->why &= ~why;
	if (!plan->why)
		plan->flush = TLBTAG_FLUSH_NONE;
}

/* Nothing was asked for since it ran here, so it is said, nothing can be stale. */
static bool seems_untouched(const struct vmm_vcpu *vcpu, uint32_t cpu)
{
	const struct vmm_peer_context *peer = &vcpu->peer[vmm_context_of(vcpu)];

	return peer->ran[cpu] && peer->done[cpu] == peer->requests;
}

static void distort_flush(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t cpu,
			  struct tlbtag_plan *plan)
{
	const struct vmm_view *view = vmm_view_of(vcpu);

	switch (vmm->config.fault) {
	case FAULT_FIRST_UNFLUSHED:
		drop_reason(plan, TLBTAG_WHY_FIRST_USE);
		break;
	case FAULT_OWNER_UNCHECKED:
		drop_reason(plan, TLBTAG_WHY_SHARED);
		break;
	case FAULT_MOVED_INVERTED:
		drop_reason(plan, TLBTAG_WHY_MOVED);
		if (view->cpu == cpu)
			plan->flush = TLBTAG_FLUSH_TAG;
		break;
	case FAULT_MOVED_FORGOTTEN:
		if (seems_untouched(vcpu, cpu))
			drop_reason(plan, TLBTAG_WHY_MOVED);
		break;
	case FAULT_FLUSH_7:
		if (plan->flush == TLBTAG_FLUSH_TAG)
			plan->flush = TLBTAG_FLUSH_NONGLOBAL;
		break;
	case FAULT_FLUSH_LINEAR:
		if (plan->why == TLBTAG_WHY_ALL && plan->flush == TLBTAG_FLUSH_TAG)
			plan->flush = TLBTAG_FLUSH_NONGLOBAL;
		break;
	}
}

static void distort_tag(struct vmm *vmm, const struct vmm_vcpu *vcpu, struct tlbtag_plan *plan)
{
	switch (vmm->config.fault) {
	case FAULT_BOOL_TAG:
		plan->tag = !!plan->tag;
		break;
	case FAULT_NARROW_TAG:
		plan->tag = 1 + (plan->tag - 1) % 2;
		break;
	case FAULT_SHORT_INDEX:
		plan->tag = plan->tag > 4 ? plan->tag - 4 : plan->tag;
		break;
	case FAULT_TAG_ZERO:
		if (vcpu->nr > 0 && !vcpu->in_l2 && vcpu->view[0].cpu == TLBTAG_CPU_NONE)
			plan->tag = 0;
		break;
	case FAULT_PASS_THROUGH:
		if (vcpu->in_l2)
			plan->tag = vcpu->l2_context;
		break;
	case FAULT_CLEAN_BIT:
		if (!(plan->dirty & TLBTAG_DIRTY_ALL))
			plan->dirty = 0;
		break;
	}
}

/* The tags' part of the next entry. True if the short cut answered. */
static bool plan_entry(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t cpu,
		       struct tlbtag_plan *plan)
{
	if (vmm_has_fault(vmm, FAULT_REQUEST_UNUSED))
		vcpu->tags.remote[0] = vcpu->tags.remote[1] = 0;
	if (!is_peer(vmm) && tlbtag_vcpu_is_clean(&vcpu->tags, vmm_on(cpu))) {
		*plan = (struct tlbtag_plan){ .tag = vcpu->vmcb[vcpu->in_l2].asid };
		return true;
	}
	*plan = tlbtag_vcpu_plan(&vcpu->tags, vmm_on(cpu));
	if (plan->work)
		return false;
	distort_flush(vmm, vcpu, cpu, plan);
	distort_tag(vmm, vcpu, plan);
	if (is_peer(vmm)) {
		vmm_peer_plan(vmm, vcpu, cpu, plan);
		/* The library's plan may have been a flush of every tag; this one is not its. */
		vcpu->tags.empties = false;
	}
	return false;
}

static void prepare(struct vmm *vmm, struct vmm_vcpu *vcpu, const struct tlbtag_plan *plan)
{
	struct machine_vmcb *vmcb = &vcpu->vmcb[vcpu->in_l2];
	struct tlbtag_svm_vmcb fields = { vmcb->asid, vmcb->tlb_control, vmcb->clean };

	tlbtag_svm_prepare(&fields, plan);
	/* Not the library's: a peer may change the tag behind its back. */
	if (is_peer(vmm))
		fields.clean &= ~MACHINE_VMCB_CLEAN_ASID;
	vmcb->asid = fields.asid;
	vmcb->tlb_control = fields.tlb_control;
	vmcb->clean = fields.clean;
	vmcb->owner = vmm_owner(vmm, vcpu);
}

static void complete(struct vmm_vcpu *vcpu, bool entered)
{
	struct machine_vmcb *vmcb = &vcpu->vmcb[vcpu->in_l2];
	struct tlbtag_svm_vmcb fields = { vmcb->asid, vmcb->tlb_control, vmcb->clean };

	tlbtag_svm_complete(&fields, entered);
	vmcb->tlb_control = fields.tlb_control;
}

static bool run(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t cpu, bool fails)
{
	struct machine_vmcb *vmcb = &vcpu->vmcb[vcpu->in_l2];
	struct machine_vmcb broken = *vmcb;

	if (!fails)
		return machine_svm_run(vmm->machine, cpu, vmcb) == 0;
	/*
	 * Any of the checks that VMRUN makes would do; this one the machine knows.
	 * Under another address, lest the CPU caches the ASID for the real one.
	 */
	broken.asid = 0;
	broken.clean = 0;
	broken.address += UINT64_C(1) << 40;
	machine_svm_run(vmm->machine, cpu, &broken);
	return false;
}

/* Plans until there is nothing to do before the entry. */
static bool settle_plan(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t cpu,
			struct tlbtag_plan *plan, bool *clean)
{
	for (uint32_t tries = 0; tries < VMM_TRIES; tries++) {
		vmm_mmu_load(vmm, vcpu);
		*clean = plan_entry(vmm, vcpu, cpu, plan);
		if (!plan->work)
			return true;
		vmm_work(vmm, vcpu, plan->work);
	}
	vmm_complain(vmm, VMM_STUCK, vcpu, "the plan asks for work again and again");
	return false;
}

bool vmm_svm_enter(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t cpu, bool fails,
		   struct vmm_entry *entry)
{
	struct tlbtag_plan plan;
	bool clean;
	bool entered;

	if (!settle_plan(vmm, vcpu, cpu, &plan, &clean))
		return false;
	if (clean)
		vcpu->vmcb[vcpu->in_l2].owner = vmm_owner(vmm, vcpu);
	else
		prepare(vmm, vcpu, &plan);
	entered = run(vmm, vcpu, cpu, fails);
	if (vmm_has_fault(vmm, FAULT_FAILED_RUN) && fails)
		entered = true;
	if (!clean) {
		complete(vcpu, entered);
		if (entered && !vmm_has_fault(vmm, FAULT_NEVER_TAKEN))
			tlbtag_vcpu_entered(&vcpu->tags, vmm_on(cpu));
	}
	*entry = (struct vmm_entry){
		.tag = vcpu->vmcb[vcpu->in_l2].asid,
		.flushes = plan.flush != TLBTAG_FLUSH_NONE,
		.narrow = plan.flush != TLBTAG_FLUSH_NONE && plan.flush != TLBTAG_FLUSH_ALL &&
			  !vmm->config.flush_by_asid,
		.why = plan.why,
	};
	return entered;
}
