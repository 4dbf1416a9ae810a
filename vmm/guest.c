/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Guests: what they do happens twice, on the machine under L0 and on the
 * reference, the machine that L1 believes to have.
 */
#include "inside.h"

#include <string.h>

void vmm_reference_start(struct vmm *vmm, struct vmm_vcpu *vcpu)
{
	struct machine *reference = vmm_vm_of(vmm, vcpu)->reference;

	machine_online(reference, vcpu->nr);
	machine_reset_cpu(reference, vcpu->nr);
	vmm_reference_boot(vmm, vcpu);
}

/* From INIT or RESET to where L1 begins. */
void vmm_reference_boot(struct vmm *vmm, struct vmm_vcpu *vcpu)
{
	struct machine *reference = vmm_vm_of(vmm, vcpu)->reference;
	struct machine_registers registers = vmm_registers(vmm, vcpu, false);

	machine_owner_set(reference, vcpu->nr, 1u + vcpu->nr);
	if (!vmm->config.intel)
		machine_wrmsr_efer(reference, vcpu->nr, registers.efer);
	machine_mov_cr3(reference, vcpu->nr, registers.cr3);
	machine_mov_cr4(reference, vcpu->nr, registers.cr4 & ~MACHINE_CR4_PCIDE);
	machine_mov_cr0(reference, vcpu->nr, registers.cr0);
	/* Only with paging on. */
	machine_mov_cr4(reference, vcpu->nr, registers.cr4);
}

void vmm_reference_exit(struct vmm *vmm, struct vmm_vcpu *vcpu)
{
	struct machine *reference = vmm_vm_of(vmm, vcpu)->reference;

	if (vmm->config.intel)
		machine_vmx_exit(reference, vcpu->nr, &vcpu->l1_vmcs);
	else
		machine_svm_exit(reference, vcpu->nr, &vcpu->l1_vmcb);
}

void vmm_reference_resume(struct vmm *vmm, struct vmm_vcpu *vcpu)
{
	struct machine *reference = vmm_vm_of(vmm, vcpu)->reference;

	vcpu->l1_vmcb.tlb_control = 0;
	vcpu->l1_vmcb.clean = 0;
	if (vmm->config.intel)
		machine_vmx_enter(reference, vcpu->nr, &vcpu->l1_vmcs);
	else
		machine_svm_run(reference, vcpu->nr, &vcpu->l1_vmcb);
}

void vmm_nested_exit(struct vmm *vmm, struct vmm_vcpu *vcpu)
{
	vmm_reference_exit(vmm, vcpu);
	vmm_work(vmm, vcpu, tlbtag_nested_exit(&vcpu->tags));
	vcpu->in_l2 = false;
	vcpu->peer[0].flush |= !vmm_has_fault(vmm, FAULT_SHARED_LEVELS_EXIT);
}

/* --- accesses --- */

static bool is_l0s(const struct vmm *vmm, const struct machine_outcome *outcome)
{
	if (outcome->result == MACHINE_NESTED_FAULT)
		return true;
	return outcome->result == MACHINE_FAULT && !vmm->config.l0_nested_paging;
}

/* What happens of all that may: what serves, before what faults. */
static unsigned int choose(const struct vmm *vmm, const struct machine_outcomes *outcomes)
{
	unsigned int first = (unsigned int)(vmm->counts.accesses % outcomes->count);

	for (unsigned int i = 0; i < outcomes->count; i++) {
		unsigned int index = (first + i) % outcomes->count;

		if (outcomes->list[index].result == MACHINE_OK)
			return index;
	}
	return first;
}

static bool is_same(const struct vmm *vmm, const struct machine_outcome *outcome,
		    const struct machine_outcome *other)
{
	uint64_t gfn = vmm->frames[outcome->page >> MACHINE_PAGE_SHIFT].gfn;

	if (other->result != outcome->result)
		return false;
	return outcome->result != MACHINE_OK || other->page == gfn << MACHINE_PAGE_SHIFT;
}

/*
 * The same happens on the reference, in every way in which it can, but for what
 * a fault removes: that makes no program correct (MACHINE 1.6).
 * Return: false if it cannot happen there.
 */
static bool mirror(struct vmm *vmm, const struct vmm_vcpu *vcpu, uint32_t page, uint32_t access,
		   const struct machine_outcome *outcome)
{
	struct machine *reference = vmm_vm_of(vmm, vcpu)->reference;
	uint64_t address = (uint64_t)page << MACHINE_PAGE_SHIFT;
	const struct machine_outcomes *may = machine_access(reference, vcpu->nr, address, access);
	bool found = false;

	for (unsigned int i = 0; i < may->count; i++) {
		if (!is_same(vmm, outcome, &may->list[i]))
			continue;
		found = true;
		if (outcome->result != MACHINE_OK || !may->list[i].assist)
			continue;
		machine_commit(reference, vcpu->nr, address, i);
		may = machine_access(reference, vcpu->nr, address, access);
	}
	return found;
}

static void find_late(struct vmm *vmm, const struct vmm_vcpu *vcpu, uint32_t page,
		      uint32_t access, const struct machine_outcome *outcome)
{
	const struct vmm_finding finding = {
		.wrong = VMM_LATE,
		.vcpu = vcpu,
		.address = (uint64_t)page << MACHINE_PAGE_SHIFT,
		.access = access,
		.outcome = outcome,
	};

	vmm_find(vmm, &finding);
}

/* Return: true if the guest tries again. */
static bool handle(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t page, uint32_t access,
		   const struct machine_outcome *outcome)
{
	bool linear = !vmm->config.l0_nested_paging;
	uint64_t address = linear ? (uint64_t)page << MACHINE_PAGE_SHIFT : outcome->gpa;
	bool write = outcome->error & MACHINE_ERROR_W;
	const struct machine_outcome seen = { .result = MACHINE_FAULT };
	uint32_t cpu = vcpu->cpu;
	bool again = true;

	vmm_exit(vmm, vcpu);
	switch (vmm_mmu_fault(vmm, vcpu, address, write)) {
	case FAULT_FIXED:
		break;
	case FAULT_GUESTS:
		again = false;
		if (!mirror(vmm, vcpu, page, access, &seen))
			find_late(vmm, vcpu, page, access, &seen);
		break;
	case FAULT_REFLECTED:
		/* L1's tables say so now: that is all that A8 demands. */
		again = false;
		vmm_nested_exit(vmm, vcpu);
		break;
	}
	vmm_enter(vmm, vcpu, cpu, false);
	return again && vmm->verdict.wrong == VMM_FINE;
}

/* Return: true if the guest goes on where it was. */
bool vmm_access(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t page, uint32_t access)
{
	uint64_t address = (uint64_t)page << MACHINE_PAGE_SHIFT;
	bool in_l2 = vcpu->in_l2;

	for (uint32_t tries = 0; tries < VMM_TRIES; tries++) {
		const struct machine_outcomes *outcomes;
		struct machine_outcome outcome;
		unsigned int index;

		vmm_check_access(vmm, vcpu, page, access);
		if (vmm->verdict.wrong != VMM_FINE)
			return false;
		outcomes = machine_access(vmm->machine, vcpu->cpu, address, access);
		index = choose(vmm, outcomes);
		outcome = outcomes->list[index];
		machine_commit(vmm->machine, vcpu->cpu, address, index);
		if (!is_l0s(vmm, &outcome)) {
			mirror(vmm, vcpu, page, access, &outcome);
			return true;
		}
		if (!handle(vmm, vcpu, page, access, &outcome))
			return vcpu->in_l2 == in_l2;
	}
	vmm_complain(vmm, VMM_STUCK, vcpu, "an access faults again and again");
	return false;
}
