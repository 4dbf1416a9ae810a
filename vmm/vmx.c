/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * L0 enters a guest on Intel: the plan's INVVPIDs and INVEPTs, the VMCS, VM entry.
 */
#include "inside.h"

void vmm_vmx_exit(struct vmm *vmm, struct vmm_vcpu *vcpu)
{
	machine_vmx_exit(vmm->machine, vcpu->cpu, &vcpu->vmcs[vcpu->in_l2]);
}

void vmm_vmx_do(struct vmm *vmm, uint32_t cpu, const struct tlbtag_vmx_op *op)
{
	int error;

	if (op->instruction == TLBTAG_INVVPID)
		error = machine_invvpid(vmm->machine, cpu, op->type, (uint16_t)op->vpid,
					op->address);
	else
		error = machine_invept(vmm->machine, cpu, op->type, op->eptp);
	if (error)
		vmm_complain(vmm, VMM_BROKEN, NULL, "the hardware refuses INVVPID or INVEPT");
}

/* Plans until there is nothing to do before the entry; the short cut if it is open. */
static bool settle_plan(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t cpu,
			struct tlbtag_vmx_plan *plan, bool *clean)
{
	const struct machine_vmcs *vmcs = &vcpu->vmcs[vcpu->in_l2];

	for (uint32_t tries = 0; tries < VMM_TRIES; tries++) {
		vmm_mmu_load(vmm, vcpu);
		*plan = (struct tlbtag_vmx_plan){ .op_count = 0 };
		*clean = tlbtag_vmx_is_clean(&vcpu->tags, vmm_on(cpu), vmcs->eptp);
		if (!*clean)
			*plan = tlbtag_vmx_plan_make(&vcpu->tags, vmm_on(cpu), vmcs->eptp);
		if (!plan->work)
			return true;
		vmm_work(vmm, vcpu, plan->work);
	}
	vmm_complain(vmm, VMM_STUCK, vcpu, "the plan asks for work again and again");
	return false;
}

/* What the museum has against it. */
static void distort(const struct vmm *vmm, const struct vmm_vcpu *vcpu,
		    struct tlbtag_vmx_plan *plan)
{
	struct tlbtag_vmx_op *op = &plan->op[0];
	bool by_root = plan->op_count && op->instruction == TLBTAG_INVEPT;

	switch (vmm->config.fault) {
	case FAULT_PASS_THROUGH:
		if (!vcpu->in_l2 || !vcpu->vmcs12.vpid_enabled)
			break;
		plan->vpid_changed = true;
		plan->vpid_enabled = true;
		plan->vpid = vcpu->vmcs12.vpid;
		break;
	case FAULT_ROOT_BEFORE:
		op->eptp = vcpu->vmcs[!vcpu->in_l2].eptp;
		break;
	case FAULT_ROOT_BY_VPID:
		op->instruction = TLBTAG_INVVPID;
		op->type = TLBTAG_INVVPID_CONTEXT;
		op->vpid = plan->vpid;
		if (!plan->vpid_enabled)
			plan->op_count = 0;
		break;
	case FAULT_INVEPT_TYPE:
		/* It fails, and nobody looks. */
		if (by_root)
			plan->op_count = 0;
		break;
	case FAULT_VPID_SHARED:
		if (plan->why == TLBTAG_WHY_SHARED)
			plan->op_count = 0;
		break;
	}
}

static void prepare(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t cpu,
		    const struct tlbtag_vmx_plan *plan)
{
	struct machine_vmcs *vmcs = &vcpu->vmcs[vcpu->in_l2];

	if (plan->vpid_changed) {
		vmcs->vpid = (uint16_t)plan->vpid;
		vmcs->use_vpid = plan->vpid_enabled;
	}
	for (uint32_t i = 0; i < plan->op_count; i++)
		vmm_vmx_do(vmm, cpu, &plan->op[i]);
}

static bool run(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t cpu, bool fails)
{
	struct machine_vmcs *vmcs = &vcpu->vmcs[vcpu->in_l2];
	struct machine_vmcs broken = *vmcs;

	vmcs->owner = vmm_owner(vmm, vcpu);
	if (!fails)
		return machine_vmx_enter(vmm->machine, cpu, vmcs) == 0;
	/* Any of the checks of VM entry would do; this one the machine knows. */
	broken.use_vpid = true;
	broken.vpid = 0;
	machine_vmx_enter(vmm->machine, cpu, &broken);
	return false;
}

/* Reasons that are about a root, of which an INVVPID does not get rid. */
#define WHY_ROOT                                                                                \
	(TLBTAG_WHY_FIRST_USE | TLBTAG_WHY_MOVED | TLBTAG_WHY_CPU_ONLINE | TLBTAG_WHY_ALL |     \
	 TLBTAG_WHY_CURRENT | TLBTAG_WHY_INVEPT | TLBTAG_WHY_EPT_ROOT)

bool vmm_vmx_enter(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t cpu, bool fails,
		   struct vmm_entry *entry)
{
	struct machine_vmcs *vmcs = &vcpu->vmcs[vcpu->in_l2];
	struct tlbtag_vmx_plan plan;
	bool clean;
	bool entered;

	if (!settle_plan(vmm, vcpu, cpu, &plan, &clean))
		return false;
	distort(vmm, vcpu, &plan);
	if (!clean)
		prepare(vmm, vcpu, cpu, &plan);
	entered = run(vmm, vcpu, cpu, fails);
	if (!clean && entered)
		tlbtag_vmx_entered(&vcpu->tags, vmm_on(cpu), vmcs->eptp);
	*entry = (struct vmm_entry){
		.tag = vmm_tag_of(vmm, vcpu),
		.flushes = plan.op_count != 0,
		.narrow = plan.op_count && plan.op[0].instruction == TLBTAG_INVVPID && vmcs->ept &&
			  (plan.why & WHY_ROOT),
		.by_root = plan.op_count && plan.op[0].instruction == TLBTAG_INVEPT,
		.why = plan.why,
	};
	return entered;
}
