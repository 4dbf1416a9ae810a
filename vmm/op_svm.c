/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * L1 runs L2 on AMD: VMRUN and INVLPGA.
 */
#include "op.h"

/* --- L1: running L2 --- */

static uint8_t distorted(const struct vmm *vmm, uint8_t control)
{
	if (vmm_has_fault(vmm, FAULT_CONTROL_IGNORED))
		return 0;
	if (vmm_has_fault(vmm, FAULT_CONTROL_ONE) && control == 1)
		return 3;
	return control;
}

static struct tlbtag_l2 *find_l2(struct vmm_vcpu *vcpu, uint32_t asid)
{
	for (uint32_t i = 0; i < vcpu->tags.l2_count; i++) {
		if (vcpu->tags.l2[i].asid12 == asid)
			return &vcpu->tags.l2[i];
	}
	return NULL;
}

void vmm_svm_start_l2(struct vmm *vmm, struct vmm_vcpu *vcpu)
{
	struct tlbtag_vmcb12 vmcb12 = vcpu->vmcb12;
	struct tlbtag_l2 *l2 = find_l2(vcpu, vmcb12.asid);
	uint32_t work = 0;

	if (l2 && vmm_has_fault(vmm, FAULT_PENDING_RESET))
		l2->ctx.why = TLBTAG_WHY_NOTHING;
	vmcb12.tlb_control = distorted(vmm, vmcb12.tlb_control);
	tlbtag_nested_enter(&vcpu->tags, &vmcb12, &work);
	if (!l2 && vmm_has_fault(vmm, FAULT_SYNC_ASID) && !vmcb12.tlb_control)
		vcpu->tags.l2[vcpu->tags.active - 1].ctx.demand = 0;
	vmm_work(vmm, vcpu, work);
	vcpu->in_l2 = true;
	vcpu->vmcb[1].registers = vmm_registers(vmm, vcpu, true);
	vcpu->vmcb[1].clean &= ~(MACHINE_VMCB_CLEAN_NP | MACHINE_VMCB_CLEAN_CR);
	vcpu->peer[0].flush |= !vmm_has_fault(vmm, FAULT_SHARED_LEVELS_ENTRY);
}

static void ask_for_control(struct vmm *vmm, struct vmm_vcpu *vcpu)
{
	if (vcpu->vmcb12.tlb_control == 1) {
		for (uint32_t i = 0; i < VMM_CONTEXTS; i++)
			vmm_ask(vmm, vcpu, i,
				i == 0 ? TLBTAG_RULE_L1_FLUSH_ALL_L1 :
					 TLBTAG_RULE_L1_FLUSH_ALL_L2);
	}
	if (vcpu->vmcb12.tlb_control)
		vmm_ask(vmm, vcpu, vcpu->vmcb12.asid, TLBTAG_RULE_L1_TLB_CONTROL);
}

/* VMRUN as L1's own hardware would execute it. */
static void reference_run(struct vmm *vmm, struct vmm_vcpu *vcpu)
{
	vcpu->l1_vmcb = (struct machine_vmcb){
		.address = 4096u + vcpu->vmcb12.asid,
		.owner = 16u + vcpu->vmcb12.asid,
		.ncr3 = (uint64_t)GFN_NESTED_ROOT(vcpu->nested_root) << MACHINE_PAGE_SHIFT,
		.registers = vmm_registers(vmm, vcpu, true),
		.asid = vcpu->vmcb12.asid,
		.tlb_control = vcpu->vmcb12.tlb_control,
		.np_enable = vcpu->vmcb12.nested_paging,
	};
	if (machine_svm_run(reference_of(vmm, vcpu), vcpu->nr, &vcpu->l1_vmcb))
		vmm_complain(vmm, VMM_BROKEN, vcpu, "the reference refuses VMRUN");
}

/* VMEXIT_INVALID: L1 goes on. */
static void refuse_vmrun(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t cpu)
{
	const struct tlbtag_vmcb12 vmcb12 = { .tlb_control = 1 };
	uint32_t work;

	if (tlbtag_nested_enter(&vcpu->tags, &vmcb12, &work) == 0)
		vmm_complain(vmm, VMM_BROKEN, vcpu, "a VMRUN with ASID 0 was accepted");
	vmm_enter(vmm, vcpu, cpu, false);
}

static uint8_t tlb_control_of(uint8_t choice)
{
	static const uint8_t controls[CONTROLS] = { 0, 1, 3, 7, 2, 0, 0 };

	return controls[choice];
}

static bool vmrun(struct vmm *vmm, const uint8_t *args, enum run run)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);
	uint32_t cpu = vcpu->cpu;

	if (!is_running_hypervisor(vcpu))
		return false;
	vmm_exit(vmm, vcpu);
	if (args[2] == 0) {
		refuse_vmrun(vmm, vcpu, cpu);
		return true;
	}
	vcpu->vmcb12 = (struct tlbtag_vmcb12){
		.asid = args[2],
		.tlb_control = tlb_control_of(args[4]),
		.nested_paging = vmm->config.l1_nested_paging,
	};
	vcpu->l2_context = args[2];
	vcpu->nested_root = args[3];
	reference_run(vmm, vcpu);
	ask_for_control(vmm, vcpu);
	vmm_run_l2(vmm, vcpu, cpu, run);
	return true;
}

bool vmm_op_vmrun(struct vmm *vmm, const uint8_t *args)
{
	return vmrun(vmm, args, RUN_WELL);
}

/* An intercepted event is pending: L2 is left before it has run. */
bool vmm_op_vmrun_interrupted(struct vmm *vmm, const uint8_t *args)
{
	return vmrun(vmm, args, RUN_INTERRUPTED);
}

/* The vCPU stays in L2 and out of guest mode. */
bool vmm_op_vmrun_fails(struct vmm *vmm, const uint8_t *args)
{
	return vmrun(vmm, args, RUN_FAILS);
}

/* --- L1: INVLPGA --- */

/* The rule that is about it, from where the context was. */
static uint32_t rule_of_invlpga(const struct vmm *vmm, uint32_t asid, bool here)
{
	if (asid == 0)
		return TLBTAG_RULE_INVLPGA_ZERO;
	if (!here)
		return TLBTAG_RULE_INVLPGA_PLACE;
	return vmm->config.invlpga_broken && vmm->config.l0_nested_paging ?
		       TLBTAG_RULE_INVLPGA_ERRATUM :
		       TLBTAG_RULE_INVLPGA_MATCH;
}

static void l0_invlpga(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t asid, uint64_t address)
{
	const struct tlbtag_cpu cpu = vmm_on(vcpu->cpu);
	struct tlbtag_l2 *l2 = asid ? find_l2(vcpu, asid) : NULL;
	struct tlbtag_ctx before = l2 ? l2->ctx : vcpu->tags.l1;
	struct tlbtag_invlpga answer;
	bool here = before.cpu == cpu.nr;

	vmm_ask_page(vmm, vcpu, asid, rule_of_invlpga(vmm, asid, here),
		     (uint32_t)(address >> MACHINE_PAGE_SHIFT));
	answer = tlbtag_nested_invlpga(&vcpu->tags, cpu, asid, true);
	if (answer.work & TLBTAG_WORK_DROP_ADDRESS)
		vmm_mmu_drop_page(vmm, vcpu, (uint32_t)(address >> MACHINE_PAGE_SHIFT));
	if (answer.as_invlpg)
		vmm_l0_invlpg(vmm, vcpu, cpu.nr, (uint32_t)(address >> MACHINE_PAGE_SHIFT));
	if (l2 && answer.action != TLBTAG_ADDRESS_NOTHING) {
		if (vmm_has_fault(vmm, FAULT_ADDRESS_LEVEL)) {
			l2->ctx = before;
			answer.action = TLBTAG_ADDRESS_NOW;
			answer.tag = vcpu->tags.l1.tag;
		}
		if (vmm_has_fault(vmm, FAULT_ADDRESS_PLACE) ||
		    (vmm_has_fault(vmm, FAULT_ADDRESS_ERRATUM) && here)) {
			l2->ctx = before;
			answer.action = TLBTAG_ADDRESS_NOW;
			answer.tag = before.tag;
		}
	}
	if (answer.action == TLBTAG_ADDRESS_NOW)
		machine_invlpga(vmm->machine, cpu.nr, address, answer.tag);
	if (answer.action == TLBTAG_ADDRESS_PENDING)
		vmm_ask(vmm, vcpu, asid, rule_of_invlpga(vmm, asid, here));
}

void vmm_svm_invalidate_l2(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t page, uint32_t asid)
{
	uint64_t address = (uint64_t)page << MACHINE_PAGE_SHIFT;
	uint32_t cpu = vcpu->cpu;

	vmm_exit(vmm, vcpu);
	if (asid)
		machine_invlpga(reference_of(vmm, vcpu), vcpu->nr, address, asid);
	else
		machine_invlpg(reference_of(vmm, vcpu), vcpu->nr, address);
	l0_invlpga(vmm, vcpu, asid, address);
	vmm_enter(vmm, vcpu, cpu, false);
}

bool vmm_op_invlpga(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);

	if (!is_running_hypervisor(vcpu))
		return false;
	vmm_svm_invalidate_l2(vmm, vcpu, args[2], args[3]);
	return true;
}
