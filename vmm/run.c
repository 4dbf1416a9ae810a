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

/* --- exits and entries --- */

void vmm_exit(struct vmm *vmm, struct vmm_vcpu *vcpu)
{
	if (!vcpu->in_guest)
		return;
	if (vmm->config.intel)
		vmm_vmx_exit(vmm, vcpu);
	else
		vmm_svm_exit(vmm, vcpu);
	vcpu->in_guest = false;
	vmm->cpu[vcpu->cpu].running = NULL;
}

static void took(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t cpu,
		 const struct vmm_entry *entry)
{
	vcpu->cpu = cpu;
	vcpu->in_guest = true;
	vmm->cpu[cpu].running = vcpu;
	vmm_note_entry(vmm, vcpu, entry);
	vmm_peer_took(vmm, vcpu, cpu);
}

static void kick(struct vmm *vmm, uint32_t cpu)
{
	if (vmm->cpu[cpu].running)
		vmm_exit(vmm, vmm->cpu[cpu].running);
}

void vmm_work(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t work)
{
	if (work & TLBTAG_WORK_SYNC)
		vcpu->sync_wanted = true;
	vmm_queue_work(vmm, vcpu, work);
}

static void see_pv_flag(struct vmm *vmm, struct vmm_vcpu *vcpu)
{
	enum tlbtag_target target = TLBTAG_TARGET_L1;

	if (!vcpu->pv_flag)
		return;
	vcpu->pv_flag = false;
	if (vmm_has_fault(vmm, FAULT_PV_ACTIVE))
		target = TLBTAG_TARGET_ACTIVE;
	vmm_work(vmm, vcpu,
		 tlbtag_vcpu_flush(&vcpu->tags, target, TLBTAG_FLUSH_TAG, TLBTAG_WHY_PV));
}

bool vmm_enter(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t cpu, bool fails)
{
	struct vmm_entry entry = { .tag = 0 };
	bool entered;

	vmm_exit(vmm, vcpu);
	kick(vmm, cpu);
	see_pv_flag(vmm, vcpu);
	vmm_queue_drain(vmm, vcpu, cpu);
	if (vmm->config.intel)
		entered = vmm_vmx_enter(vmm, vcpu, cpu, fails, &entry);
	else
		entered = vmm_svm_enter(vmm, vcpu, cpu, fails, &entry);
	if (fails)
		vcpu->view[vmm_context_of(vcpu)].failed_at = vmm->step;
	if (entered && !fails)
		took(vmm, vcpu, cpu, &entry);
	else if (!fails)
		vmm_complain(vmm, VMM_STUCK, vcpu, "the hardware refuses the entry");
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
		vmm_work(vmm, vcpu, tlbtag_vcpu_flush(&vcpu->tags, everything_of(vmm, vcpu),
						      TLBTAG_FLUSH_TAG, TLBTAG_WHY_ALL));
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

	if (vmm_has_fault(vmm, FAULT_OTHER_LEVEL))
		target = vcpu->in_l2 ? TLBTAG_TARGET_L1 : TLBTAG_TARGET_L2;
	ask_active(vmm, vcpu, TLBTAG_RULE_ACTIVE_LEVEL);
	vmm_work(vmm, vcpu, tlbtag_vcpu_flush(&vcpu->tags, target, flush, TLBTAG_WHY_GUEST));
}

void vmm_invalidate(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t cpu, uint64_t address)
{
	struct tlbtag_vmx_op op = { .type = TLBTAG_INVVPID_ADDRESS, .address = address };

	switch (tlbtag_vcpu_invalidate(&vcpu->tags, vmm_on(cpu), &op.vpid)) {
	case TLBTAG_ADDRESS_NOW:
		if (vmm->config.intel)
			vmm_vmx_do(vmm, cpu, &op);
		else
			machine_invlpga(vmm->machine, cpu, address, op.vpid);
		break;
	case TLBTAG_ADDRESS_PENDING:
		ask_active(vmm, vcpu, TLBTAG_RULE_INVLPGA_PLACE);
		break;
	case TLBTAG_ADDRESS_NOTHING:
		break;
	}
}
