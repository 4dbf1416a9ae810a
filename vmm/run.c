/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The run loop of include/tlbtag/vcpu.h, remote flushes with acknowledgement,
 * and the flushes that a guest does through L0.
 *
 * One thing happens at a time: an operation is over when everybody whom it had
 * to wait for has answered. That a writer and an entry can overlap is expressed
 * by where a vCPU is when the request comes: in guest mode, then it exits before
 * the writer goes on, or outside, then its next entry sees the request.
 */
#include "inside.h"

#define CLEAN_ALL (MACHINE_VMCB_CLEAN_ASID | MACHINE_VMCB_CLEAN_NP | MACHINE_VMCB_CLEAN_CR)

static struct tlbtag_cpu on(uint32_t cpu)
{
	return (struct tlbtag_cpu){ cpu };
}

/* --- demands, for the oracle --- */

void vmm_ask(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t context, uint32_t rule)
{
	struct vmm_view *view = &vcpu->view[context];

	view->asked = ++vmm->now;
	view->asked_at = vmm->step;
	view->asked_rule = rule;
	vcpu->peer[context].requests++;
}

void vmm_ask_all(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t rule)
{
	for (uint32_t i = 0; i < VMM_CONTEXTS; i++)
		vmm_ask(vmm, vcpu, i, rule);
}

/* --- exits --- */

void vmm_exit(struct vmm *vmm, struct vmm_vcpu *vcpu)
{
	struct machine_vmcb *vmcb = &vcpu->vmcb[vcpu->in_l2];

	if (!vcpu->in_guest)
		return;
	machine_svm_exit(vmm->machine, vcpu->cpu, vmcb);
	vmcb->clean = CLEAN_ALL;
	vcpu->in_guest = false;
	vmm->cpu[vcpu->cpu].running = NULL;
}

/* --- entries --- */

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
	const struct vmm_view *view = &vcpu->view[vmm_context_of(vcpu)];

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
			plan->tag = vcpu->vmcb12.asid;
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
	if (!is_peer(vmm) && tlbtag_vcpu_is_clean(&vcpu->tags, on(cpu))) {
		*plan = (struct tlbtag_plan){ .tag = vcpu->vmcb[vcpu->in_l2].asid };
		return true;
	}
	*plan = tlbtag_vcpu_plan(&vcpu->tags, on(cpu));
	if (plan->work)
		return false;
	distort_flush(vmm, vcpu, cpu, plan);
	distort_tag(vmm, vcpu, plan);
	if (is_peer(vmm))
		vmm_peer_plan(vmm, vcpu, cpu, plan);
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

static void took(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t cpu,
		 const struct tlbtag_plan *plan)
{
	struct vmm_peer_context *peer = &vcpu->peer[vmm_context_of(vcpu)];
	bool owners_are_l2 = vmm->config.policy == VMM_POLICY_VM_L2_TAG;

	vcpu->cpu = cpu;
	vcpu->in_guest = true;
	vmm->cpu[cpu].running = vcpu;
	vmm_note_entry(vmm, vcpu, plan);
	peer->ran[cpu] = true;
	peer->done[cpu] = peer->requests;
	peer->cpu = cpu;
	peer->tag = vcpu->vmcb[vcpu->in_l2].asid;
	vcpu->peer[0].flush = false;
	vmm->cpu[cpu].flush_due = false;
	vmm->cpu[cpu].last[peer->tag] = vcpu->in_l2 == owners_are_l2 ? vcpu : NULL;
}

static void kick(struct vmm *vmm, uint32_t cpu)
{
	if (vmm->cpu[cpu].running)
		vmm_exit(vmm, vmm->cpu[cpu].running);
}

/* Plans until there is nothing to do before the entry. */
static bool settle_plan(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t cpu,
			struct tlbtag_plan *plan, bool *clean)
{
	for (uint32_t tries = 0; tries < VMM_TRIES; tries++) {
		vmm_mmu_load(vmm, vcpu);
		*clean = plan_entry(vmm, vcpu, cpu, plan);
		if (plan->work & TLBTAG_WORK_SYNC)
			vcpu->sync_wanted = true;
		if (!plan->work)
			return true;
	}
	vmm_complain(vmm, VMM_STUCK, vcpu, "the plan asks for work again and again");
	return false;
}

static void see_pv_flag(struct vmm *vmm, struct vmm_vcpu *vcpu)
{
	enum tlbtag_target target = TLBTAG_TARGET_L1;

	if (!vcpu->pv_flag)
		return;
	vcpu->pv_flag = false;
	if (vmm_has_fault(vmm, FAULT_PV_ACTIVE))
		target = TLBTAG_TARGET_ACTIVE;
	if (tlbtag_vcpu_flush(&vcpu->tags, target, TLBTAG_FLUSH_TAG, TLBTAG_WHY_PV) &
	    TLBTAG_WORK_SYNC)
		vcpu->sync_wanted = true;
}

bool vmm_enter(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t cpu, bool fails)
{
	struct tlbtag_plan plan;
	bool clean;
	bool entered;

	vmm_exit(vmm, vcpu);
	kick(vmm, cpu);
	see_pv_flag(vmm, vcpu);
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
		if (entered)
			tlbtag_vcpu_entered(&vcpu->tags, on(cpu));
	}
	if (entered && !fails)
		took(vmm, vcpu, cpu, &plan);
	else if (!fails)
		vmm_complain(vmm, VMM_STUCK, vcpu, "VMRUN fails");
	return entered;
}

/* --- remote flushes --- */

static enum tlbtag_target everything_of(const struct vmm *vmm, const struct vmm_vcpu *vcpu)
{
	if (!vmm_has_fault(vmm, FAULT_ACTIVE_ONLY))
		return TLBTAG_TARGET_BOTH;
	return vcpu->in_l2 ? TLBTAG_TARGET_L2 : TLBTAG_TARGET_L1;
}

static void flush_vcpu(struct vmm *vmm, struct vmm_vcpu *vcpu, const struct vmm_vcpu *by)
{
	vmm_ask_all(vmm, vcpu,
		    vcpu == by ? TLBTAG_RULE_ALL_CONTEXTS : TLBTAG_RULE_REMOTE_REQUEST);
	if (vcpu == by)
		tlbtag_vcpu_flush(&vcpu->tags, everything_of(vmm, vcpu), TLBTAG_FLUSH_TAG,
				  TLBTAG_WHY_ALL);
	else if (!vmm_has_fault(vmm, FAULT_NO_REQUEST))
		tlbtag_vcpu_request(&vcpu->tags, everything_of(vmm, vcpu), TLBTAG_WHY_ALL);
	if (!vmm_has_fault(vmm, FAULT_FREE_BEFORE_ACK))
		vmm_exit(vmm, vcpu);
}

void vmm_flush_vm(struct vmm *vmm, struct vmm_vm *vm, struct vmm_vcpu *by)
{
	for (uint32_t i = 0; i < vmm->config.vcpus; i++) {
		if (vm->vcpu[i].alive)
			flush_vcpu(vmm, &vm->vcpu[i], by);
	}
}

/* --- a guest's flushes, done by L0 --- */

static void ask_active(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t rule)
{
	vmm_ask(vmm, vcpu, vmm_context_of(vcpu), rule);
}

void vmm_flush_active(struct vmm *vmm, struct vmm_vcpu *vcpu, enum tlbtag_flush flush)
{
	enum tlbtag_target target = TLBTAG_TARGET_ACTIVE;
	uint32_t work;

	if (vmm_has_fault(vmm, FAULT_OTHER_LEVEL))
		target = vcpu->in_l2 ? TLBTAG_TARGET_L1 : TLBTAG_TARGET_L2;
	ask_active(vmm, vcpu, TLBTAG_RULE_ACTIVE_LEVEL);
	work = tlbtag_vcpu_flush(&vcpu->tags, target, flush, TLBTAG_WHY_GUEST);
	if (work & TLBTAG_WORK_SYNC)
		vcpu->sync_wanted = true;
}

void vmm_invalidate(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t cpu, uint64_t address)
{
	tlbtag_t tag;

	switch (tlbtag_vcpu_invalidate(&vcpu->tags, on(cpu), &tag)) {
	case TLBTAG_ADDRESS_NOW:
		machine_invlpga(vmm->machine, cpu, address, tag);
		break;
	case TLBTAG_ADDRESS_PENDING:
		ask_active(vmm, vcpu, TLBTAG_RULE_INVLPGA_PLACE);
		break;
	case TLBTAG_ADDRESS_NOTHING:
		break;
	}
}
