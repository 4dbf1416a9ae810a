/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What L1 does as a hypervisor, whatever the vendor: its nested tables, leaving
 * L2, nesting off and on; and INIT, saving and restoring.
 */
#include "op.h"

#include <string.h>

/* --- L1: nested tables --- */

static uint64_t nested_entry(uint32_t which)
{
	static const uint64_t gfn[] = { 12, 13, 14, 15, GFN_L2_ROOT, GFN_L2_LEAF, GFN_SPARE,
					GFN_SPARE + 1 };

	if (which == 0)
		return 0;
	return gfn[(which - 1) % 8] << MACHINE_PAGE_SHIFT |
	       (which > 8 ? ENTRY & ~MACHINE_RW : ENTRY);
}

bool vmm_op_nested_map(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);

	if (!is_running_l1(vcpu) || !vmm->config.l1_nested_paging)
		return false;
	return vmm_set_word(vmm, vm_at(vmm, args), GFN_NESTED_LEAF(args[2]), args[3],
			nested_entry(args[4]));
}

bool vmm_op_nested_link(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);

	if (!is_running_l1(vcpu) || !vmm->config.l1_nested_paging)
		return false;
	return vmm_set_word(vmm, vm_at(vmm, args), GFN_NESTED_ROOT(args[2]), 0,
			vmm_table_entry(GFN_NESTED_LEAF(args[2]), GFN_SPARE, args[3]));
}

/* --- L1: running L2 --- */

static void start_l2(struct vmm *vmm, struct vmm_vcpu *vcpu)
{
	if (vmm->config.intel)
		vmm_vmx_start_l2(vmm, vcpu);
	else
		vmm_svm_start_l2(vmm, vcpu);
}

void vmm_run_l2(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t cpu, enum run run)
{
	start_l2(vmm, vcpu);
	if (run == RUN_INTERRUPTED)
		vmm_nested_exit(vmm, vcpu);
	vmm_enter(vmm, vcpu, cpu, run == RUN_FAILS);
}

bool vmm_op_vmexit(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);
	uint32_t cpu = vcpu->cpu;

	if (!vcpu->in_guest || !vcpu->in_l2)
		return false;
	vmm_exit(vmm, vcpu);
	vmm_nested_exit(vmm, vcpu);
	vmm_enter(vmm, vcpu, cpu, false);
	return true;
}

/* L2 is left while the vCPU does not run: a triple fault, an event. */
bool vmm_op_leave(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);

	if (!vcpu->alive || vcpu->in_guest || !vcpu->in_l2)
		return false;
	vmm_nested_exit(vmm, vcpu);
	if (vmm_has_fault(vmm, FAULT_SHARED_LEVELS_LEAVE))
		vcpu->peer[0].flush = false;
	return true;
}

/* L1 knows L2's tables: it changes an entry, and invalidates it under a tag. */
bool vmm_op_l2_map(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);

	if (!is_running_hypervisor(vcpu))
		return false;
	if (!vmm_set_word(vmm, vm_at(vmm, args), GFN_L2_LEAF, args[2] % 2,
			  vmm_target_entry(vmm, true, args[3])))
		return false;
	if (!args[4])
		return true;
	if (vmm->config.intel)
		vmm_vmx_invalidate_l2(vmm, vcpu, args[2], args[4]);
	else
		vmm_svm_invalidate_l2(vmm, vcpu, args[2], args[4]);
	return true;
}

/* --- L1: nesting off and on, reset, saved state --- */

static void forget_l2_views(struct vmm_vcpu *vcpu)
{
	for (uint32_t i = 1; i < VMM_CONTEXTS; i++)
		vcpu->view[i].cpu = TLBTAG_CPU_NONE;
}

static void reference_svme(struct vmm *vmm, struct vmm_vcpu *vcpu, bool on)
{
	struct machine *reference = reference_of(vmm, vcpu);
	uint64_t efer = machine_registers(reference, vcpu->nr)->efer & ~MACHINE_EFER_SVME;

	if (!vmm->config.intel)
		machine_wrmsr_efer(reference, vcpu->nr, on ? efer | MACHINE_EFER_SVME : efer);
	vcpu->svme = on;
}

bool vmm_op_svme_off(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);
	uint32_t cpu = vcpu->cpu;

	if (!is_running_hypervisor(vcpu))
		return false;
	vmm_exit(vmm, vcpu);
	reference_svme(vmm, vcpu, false);
	tlbtag_nested_disable(&vcpu->tags);
	forget_l2_views(vcpu);
	vmm_enter(vmm, vcpu, cpu, false);
	return true;
}

/* Everything of the L2 contexts as it was, but for the tags. */
static void enable_with_memory(struct vmm *vmm, struct vmm_vcpu *vcpu)
{
	struct tlbtag_l2 before[TLBTAG_L2_MAX];

	memcpy(before, vcpu->tags.l2, sizeof(before));
	tlbtag_nested_enable(&vcpu->tags, vmm->config.contexts);
	for (uint32_t i = 0; i < vcpu->tags.l2_count; i++) {
		before[i].ctx.tag = vcpu->tags.l2[i].ctx.tag;
		before[i].ctx.shared = vcpu->tags.l2[i].ctx.shared;
		vcpu->tags.l2[i] = before[i];
	}
}

bool vmm_op_svme_on(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);
	uint32_t cpu = vcpu->cpu;

	if (!is_running_l1(vcpu) || vcpu->svme)
		return false;
	vmm_exit(vmm, vcpu);
	reference_svme(vmm, vcpu, true);
	if (vmm_has_fault(vmm, FAULT_VPID02_KEPT))
		enable_with_memory(vmm, vcpu);
	else
		tlbtag_nested_enable(&vcpu->tags, vmm->config.contexts);
	if (vmm_has_fault(vmm, FAULT_FIRST_CPU_ZERO)) {
		for (uint32_t i = 0; i < vcpu->tags.l2_count; i++)
			vcpu->tags.l2[i].ctx.cpu = 0;
	}
	vmm_enter(vmm, vcpu, cpu, false);
	return true;
}

/* INIT, and user space puts L1 where it starts. EFER is cleared: no nesting. */
bool vmm_op_reset(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);

	if (!vcpu->alive)
		return false;
	vmm_exit(vmm, vcpu);
	machine_init(reference_of(vmm, vcpu), vcpu->nr);
	vcpu->l1_table = vcpu->nr % 2;
	vmm_reference_boot(vmm, vcpu);
	reference_svme(vmm, vcpu, false);
	tlbtag_nested_disable(&vcpu->tags);
	tlbtag_vcpu_reset(&vcpu->tags);
	vcpu->in_l2 = false;
	*vmm_registers_of(vmm, vcpu, false) = vmm_registers(vmm, vcpu, false);
	vcpu->vmcb[0].clean = 0;
	vmm_ask(vmm, vcpu, 0, TLBTAG_RULE_RESET);
	forget_l2_views(vcpu);
	return true;
}

bool vmm_op_set_sregs(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);
	struct machine *reference = reference_of(vmm, vcpu);

	if (!vcpu->alive || vcpu->in_guest)
		return false;
	machine_mov_cr3(reference, vcpu->nr, machine_registers(reference, vcpu->nr)->cr3);
	vmm_flush_active(vmm, vcpu, TLBTAG_FLUSH_NONGLOBAL);
	return true;
}

/* The vCPU moves to another process: all that L1 can see is as before. */
bool vmm_op_restore(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);
	struct machine_registers registers[2];

	if (!vcpu->alive)
		return false;
	vmm_exit(vmm, vcpu);
	for (uint32_t i = 0; i < 2; i++)
		registers[i] = *vmm_registers_of(vmm, vcpu, i);
	vmm_vcpu_end_tags(vmm, vcpu);
	vmm_mmu_drop_shadows(vmm, vcpu);
	vmm_vcpu_start_tags(vmm, vcpu);
	if (vcpu->in_l2)
		start_l2(vmm, vcpu);
	for (uint32_t i = 0; i < 2; i++)
		*vmm_registers_of(vmm, vcpu, i) = registers[i];
	return true;
}
