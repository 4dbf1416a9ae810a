/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * L1 asks L0 to flush another vCPU.
 */
#include "op.h"

/* --- L1: flushing another vCPU --- */

/* As if the other vCPU's L1 had flushed everything of its own. */
static void reference_pv(struct vmm *vmm, struct vmm_vcpu *vcpu)
{
	struct machine *reference = reference_of(vmm, vcpu);

	/* L1 will find nothing anyway: the exit flushes. An entry would, too. */
	if (vcpu->in_l2 && vcpu->l2_context == CONTEXT_NO_VPID)
		return;
	if (vcpu->in_l2)
		vmm_reference_exit(vmm, vcpu);
	vmm_guest_pge(reference, vcpu->nr);
	if (!vcpu->in_l2)
		return;
	if (vmm->config.intel) {
		machine_vmx_enter(reference, vcpu->nr, &vcpu->l1_vmcs);
		return;
	}
	vcpu->l1_vmcb.tlb_control = 0;
	vcpu->l1_vmcb.clean = 0;
	machine_svm_run(reference, vcpu->nr, &vcpu->l1_vmcb);
}

/*
 * Who runs is asked by L0; who does not finds a flag when it runs next, whatever
 * its level is then (as KVM's "preempted" flag of steal time).
 */
static void pv_flush(struct vmm *vmm, struct vmm_vcpu *vcpu, struct vmm_vcpu *target)
{
	enum tlbtag_target level = TLBTAG_TARGET_L1;
	uint32_t cpu = vcpu->cpu;

	vmm_exit(vmm, vcpu);
	reference_pv(vmm, target);
	if (vmm_has_fault(vmm, FAULT_PV_ACTIVE) && target->in_l2)
		level = TLBTAG_TARGET_L2;
	if (target->in_guest)
		tlbtag_vcpu_request(&target->tags, level, TLBTAG_WHY_PV);
	else
		target->pv_flag = true;
	vmm_ask(vmm, target, 0, TLBTAG_RULE_PV_L1);
	vmm_exit(vmm, target);
	vmm_enter(vmm, vcpu, cpu, false);
}

bool vmm_op_pv_flush(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);
	struct vmm_vcpu *target = &vm_at(vmm, args)->vcpu[args[2]];

	if (!is_running_l1(vcpu) || !target->alive)
		return false;
	pv_flush(vmm, vcpu, target);
	return true;
}

/* The same after a change of the other vCPU's table. */
bool vmm_op_pv_map(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);
	struct vmm_vcpu *target = &vm_at(vmm, args)->vcpu[args[2]];

	if (!is_running_l1(vcpu) || !target->alive)
		return false;
	if (!vmm_set_word(vmm, vm_at(vmm, args), GFN_L1_LEAF(target->nr % 2u), args[3] % 2,
		      vmm_target_entry(vmm, false, args[4])))
		return false;
	pv_flush(vmm, vcpu, target);
	return true;
}
