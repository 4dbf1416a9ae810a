/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * L1 runs L2 on Intel: VMLAUNCH, INVVPID and INVEPT.
 */
#include "op.h"

/* What L1's processor offers: all types of INVVPID, both of INVEPT. */
#define INVVPID_TYPES 15u
#define INVEPT_TYPES 6u

static uint64_t eptp12(uint32_t root)
{
	return (uint64_t)GFN_NESTED_ROOT(root) << MACHINE_PAGE_SHIFT;
}

/* --- L1: running L2 --- */

void vmm_vmx_start_l2(struct vmm *vmm, struct vmm_vcpu *vcpu)
{
	uint32_t work = 0;

	tlbtag_vmx_nested_enter(&vcpu->tags, &vcpu->vmcs12, &work);
	vmm_work(vmm, vcpu, work);
	vcpu->in_l2 = true;
	vcpu->vmcs[1].registers = vmm_registers(vmm, vcpu, true);
}

/* VMLAUNCH as L1's own hardware would execute it. */
static void reference_run(struct vmm *vmm, struct vmm_vcpu *vcpu)
{
	vcpu->l1_vmcs = (struct machine_vmcs){
		.owner = 16u + vcpu->l2_context,
		.eptp = vcpu->vmcs12.eptp,
		.registers = vmm_registers(vmm, vcpu, true),
		.vpid = vcpu->vmcs12.vpid,
		.use_vpid = vcpu->vmcs12.vpid_enabled,
		.ept = vcpu->vmcs12.ept_enabled,
	};
	if (machine_vmx_enter(reference_of(vmm, vcpu), vcpu->nr, &vcpu->l1_vmcs))
		vmm_complain(vmm, VMM_BROKEN, vcpu, "the reference refuses a VM entry");
}

/* VPID 0 with the control on: L1 goes on. */
static void refuse_vmlaunch(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t cpu)
{
	const struct tlbtag_vmcs12 vmcs12 = { .vpid_enabled = true };
	uint32_t work;

	if (tlbtag_vmx_nested_enter(&vcpu->tags, &vmcs12, &work) == 0)
		vmm_complain(vmm, VMM_BROKEN, vcpu, "a VM entry with VPID 0 was accepted");
	vmm_enter(vmm, vcpu, cpu, false);
}

static void set_vmcs12(const struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t vpid,
		       uint32_t root)
{
	bool nested = vmm->config.l1_nested_paging;

	vcpu->vmcs12 = (struct tlbtag_vmcs12){
		.vpid_enabled = vpid != 0,
		.vpid = (uint16_t)vpid,
		.ept_enabled = nested,
		.eptp = nested ? eptp12(root) : 0,
	};
	vcpu->l2_context = (uint8_t)(vpid ? vpid : CONTEXT_NO_VPID);
	vcpu->nested_root = (uint8_t)root;
}

static bool vmlaunch(struct vmm *vmm, const uint8_t *args, enum run run)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);
	uint32_t cpu = vcpu->cpu;

	if (!is_running_hypervisor(vcpu))
		return false;
	vmm_exit(vmm, vcpu);
	if (args[2] == VPID_INVALID) {
		refuse_vmlaunch(vmm, vcpu, cpu);
		return true;
	}
	set_vmcs12(vmm, vcpu, args[2], args[3]);
	reference_run(vmm, vcpu);
	if (!args[2]) {
		vmm_ask(vmm, vcpu, 0, TLBTAG_RULE_NO_VPID_L1);
		vmm_ask(vmm, vcpu, CONTEXT_NO_VPID, TLBTAG_RULE_NO_VPID_L2);
	}
	vmm_run_l2(vmm, vcpu, cpu, run);
	return true;
}

bool vmm_op_vmlaunch(struct vmm *vmm, const uint8_t *args)
{
	return vmlaunch(vmm, args, RUN_WELL);
}

/* An event is pending that exits: L2 is left before it has run. */
bool vmm_op_vmlaunch_interrupted(struct vmm *vmm, const uint8_t *args)
{
	return vmlaunch(vmm, args, RUN_INTERRUPTED);
}

/* The vCPU stays in L2 and out of guest mode. */
bool vmm_op_vmlaunch_fails(struct vmm *vmm, const uint8_t *args)
{
	return vmlaunch(vmm, args, RUN_FAILS);
}

/* --- L1: INVVPID --- */

static void ask_for_invvpid(struct vmm *vmm, struct vmm_vcpu *vcpu,
			    const struct tlbtag_invvpid *invvpid)
{
	for (uint32_t vpid = 1; vpid <= VMM_ASIDS; vpid++) {
		if (invvpid->type == TLBTAG_INVVPID_ALL)
			vmm_ask(vmm, vcpu, vpid, TLBTAG_RULE_INVVPID_ALL);
		else if (invvpid->vpid == vpid)
			vmm_ask(vmm, vcpu, vpid, TLBTAG_RULE_INVVPID_MATCH);
	}
}

static void l0_invvpid(struct vmm *vmm, struct vmm_vcpu *vcpu,
		       const struct tlbtag_invvpid *invvpid, bool reference_fails)
{
	const struct tlbtag_cpu cpu = vmm_on(vcpu->cpu);
	const struct tlbtag_vcpu before = vcpu->tags;
	struct tlbtag_invvpid_answer answer = tlbtag_vmx_invvpid(&vcpu->tags, cpu, invvpid);
	uint32_t page = (uint32_t)(invvpid->address >> MACHINE_PAGE_SHIFT);

	if (invvpid->type == TLBTAG_INVVPID_ADDRESS && invvpid->vpid <= VMM_ASIDS)
		vmm_ask_page(vmm, vcpu, (uint32_t)invvpid->vpid, TLBTAG_RULE_INVVPID_MATCH, page);
	if (vmm_has_fault(vmm, FAULT_INVVPID_PLACE) && answer.action == TLBTAG_ADDRESS_PENDING &&
	    invvpid->type == TLBTAG_INVVPID_ADDRESS) {
		vcpu->tags = before;
		answer.action = TLBTAG_ADDRESS_NOW;
	}
	if ((answer.fail != TLBTAG_VMX_OK) != reference_fails)
		vmm_complain(vmm, VMM_BROKEN, vcpu, "INVVPID fails for one of L0 and hardware");
	if (answer.fail != TLBTAG_VMX_OK)
		return;
	vmm_work(vmm, vcpu, answer.work);
	if (answer.work & TLBTAG_WORK_DROP_ADDRESS)
		vmm_mmu_drop_page(vmm, vcpu, page);
	if (answer.action == TLBTAG_ADDRESS_NOW)
		vmm_vmx_do(vmm, cpu.nr, &answer.op);
	else if (answer.action == TLBTAG_ADDRESS_PENDING || invvpid->type)
		ask_for_invvpid(vmm, vcpu, invvpid);
}

static void invvpid(struct vmm *vmm, struct vmm_vcpu *vcpu, const struct tlbtag_invvpid *invvpid)
{
	uint32_t cpu = vcpu->cpu;
	bool fails;

	vmm_exit(vmm, vcpu);
	fails = machine_invvpid(reference_of(vmm, vcpu), vcpu->nr, (unsigned int)invvpid->type,
				(uint16_t)invvpid->vpid, invvpid->address) != 0;
	l0_invvpid(vmm, vcpu, invvpid, fails);
	vmm_enter(vmm, vcpu, cpu, false);
}

bool vmm_op_invvpid(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);

	if (!is_running_hypervisor(vcpu))
		return false;
	invvpid(vmm, vcpu, &(struct tlbtag_invvpid){
				   .offered = INVVPID_TYPES,
				   .type = args[4],
				   .vpid = args[3],
				   .address = (uint64_t)args[2] << MACHINE_PAGE_SHIFT,
				   .canonical = true,
			   });
	return true;
}

void vmm_vmx_invalidate_l2(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t page, uint32_t vpid)
{
	invvpid(vmm, vcpu, &(struct tlbtag_invvpid){
				   .offered = INVVPID_TYPES,
				   .type = TLBTAG_INVVPID_ADDRESS,
				   .vpid = vpid,
				   .address = (uint64_t)page << MACHINE_PAGE_SHIFT,
				   .canonical = true,
			   });
}

/* --- L1: INVEPT --- */

static void ask_for_invept(struct vmm *vmm, struct vmm_vcpu *vcpu,
			   const struct tlbtag_invept *invept)
{
	for (uint32_t i = 1; i < VMM_CONTEXTS; i++) {
		if (tlbtag_vmx_invept_hits(invept, eptp12(vcpu->view[i].nested_root)))
			vmm_ask(vmm, vcpu, i, TLBTAG_RULE_INVEPT_MATCH);
	}
}

static void l0_invept(struct vmm *vmm, struct vmm_vcpu *vcpu, const struct tlbtag_invept *invept,
		      bool reference_fails)
{
	const struct tlbtag_vcpu before = vcpu->tags;
	enum tlbtag_vmx_fail fail;
	uint32_t work;

	fail = tlbtag_vmx_invept(&vcpu->tags, invept, &work);
	if ((fail != TLBTAG_VMX_OK) != reference_fails)
		vmm_complain(vmm, VMM_BROKEN, vcpu, "INVEPT fails for one of L0 and hardware");
	if (fail != TLBTAG_VMX_OK)
		return;
	if (vmm_has_fault(vmm, FAULT_INVEPT_SHADOW))
		vcpu->tags = before;
	if (work & TLBTAG_WORK_DROP_ROOTS)
		vmm_mmu_sync_roots(vcpu, invept);
	ask_for_invept(vmm, vcpu, invept);
}

bool vmm_op_invept(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);
	const struct tlbtag_invept invept = {
		.offered = INVEPT_TYPES,
		.type = args[3],
		.eptp = eptp12(args[2]),
		.valid = true,
	};
	uint32_t cpu = vcpu->cpu;
	bool fails;

	if (!is_running_hypervisor(vcpu) || !vmm->config.l1_nested_paging)
		return false;
	vmm_exit(vmm, vcpu);
	fails = machine_invept(reference_of(vmm, vcpu), vcpu->nr, args[3], invept.eptp) != 0;
	l0_invept(vmm, vcpu, &invept, fails);
	vmm_enter(vmm, vcpu, cpu, false);
	return true;
}
