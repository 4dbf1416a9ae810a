/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A guest asks L0 to flush another vCPU: paravirtual flushes, and those of Hyper-V.
 */
#include "op.h"

/* --- L1: flushing another vCPU --- */

/*
 * On the reference L1 does something while its L2 may be running; false if it is
 * one without a VPID. L1 will find nothing of its own then anyway: the exit
 * flushes. An entry would, too, and so there must be none.
 */
static bool visit_l1(struct vmm *vmm, struct vmm_vcpu *vcpu)
{
	if (!vcpu->in_l2)
		return true;
	if (vcpu->l2_context == CONTEXT_NO_VPID)
		return false;
	vmm_reference_exit(vmm, vcpu);
	return true;
}

static void return_to_l2(struct vmm *vmm, struct vmm_vcpu *vcpu)
{
	if (vcpu->in_l2)
		vmm_reference_resume(vmm, vcpu);
}

/* As if the other vCPU's L1 had flushed everything of its own. */
static void reference_pv(struct vmm *vmm, struct vmm_vcpu *vcpu)
{
	if (!visit_l1(vmm, vcpu))
		return;
	vmm_guest_pge(reference_of(vmm, vcpu), vcpu->nr);
	return_to_l2(vmm, vcpu);
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
	if (!vmm_set_word(vmm, vm_at(vmm, args), GFN_L1_LEAF(target->l1_table), args[3] % 2,
		      vmm_target_entry(vmm, false, args[4])))
		return false;
	pv_flush(vmm, vcpu, target);
	return true;
}

/* --- L1 or L2: an address of another vCPU, as Hyper-V has it --- */

/* L1's own address; INVPCID spares what is global, and so does not quite as much. */
static void reference_queue_l1(struct vmm *vmm, struct vmm_vcpu *vcpu, uint64_t address)
{
	struct machine *reference = reference_of(vmm, vcpu);

	if (!visit_l1(vmm, vcpu))
		return;
	if (vmm->config.intel)
		machine_invpcid(reference, vcpu->nr, 0, 0, address);
	else
		machine_invlpga(reference, vcpu->nr, address, 0);
	return_to_l2(vmm, vcpu);
}

/* An address of all L2s. One without a VPID that does not run keeps nothing anyway. */
static void reference_queue_l2(struct vmm *vmm, struct vmm_vcpu *vcpu, uint64_t address)
{
	struct machine *reference = reference_of(vmm, vcpu);

	if (!visit_l1(vmm, vcpu)) {
		machine_invpcid(reference, vcpu->nr, 0, 0, address);
		return;
	}
	for (uint32_t tag = 1; tag <= VMM_ASIDS; tag++) {
		if (vmm->config.intel)
			machine_invvpid(reference, vcpu->nr, 0, (uint16_t)tag, address);
		else
			machine_invlpga(reference, vcpu->nr, address, tag);
	}
	return_to_l2(vmm, vcpu);
}

static void hv_flush(struct vmm *vmm, struct vmm_vcpu *vcpu, struct vmm_vcpu *target,
		     uint32_t page)
{
	uint64_t address = (uint64_t)page << MACHINE_PAGE_SHIFT;
	uint32_t cpu = vcpu->cpu;
	bool l2 = vcpu->in_l2;

	vmm_exit(vmm, vcpu);
	vmm_exit(vmm, target);
	if (l2)
		reference_queue_l2(vmm, target, address);
	else
		reference_queue_l1(vmm, target, address);
	if (vmm_has_fault(vmm, FAULT_QUEUE_LEVEL))
		l2 = target->in_l2;
	vmm_queue_add(target, l2, page);
	for (uint32_t i = l2; i < (l2 ? VMM_CONTEXTS : 1); i++)
		vmm_ask_page(vmm, target, i, TLBTAG_RULE_QUEUE_DRAIN, page);
	vmm_enter(vmm, vcpu, cpu, false);
}

bool vmm_op_hv_flush(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);
	struct vmm_vcpu *target = &vm_at(vmm, args)->vcpu[args[2]];

	if (!vcpu->in_guest || !target->alive)
		return false;
	hv_flush(vmm, vcpu, target, args[3]);
	return true;
}

/* The same after a change of the other's table; all L2s have one table. */
bool vmm_op_hv_map(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);
	struct vmm_vcpu *target = &vm_at(vmm, args)->vcpu[args[2]];
	uint32_t leaf = vcpu->in_l2 ? GFN_L2_LEAF : GFN_L1_LEAF(target->l1_table);

	if (!vcpu->in_guest || !target->alive)
		return false;
	if (!vmm_set_word(vmm, vm_at(vmm, args), leaf, args[3] % 2,
			  vmm_target_entry(vmm, vcpu->in_l2, args[4])))
		return false;
	hv_flush(vmm, vcpu, target, args[3]);
	return true;
}
