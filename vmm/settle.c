/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The end of a story: after safety, liveness. When nothing happens any more, no
 * entry flushes twice; who shares a tag gets one of its own once there are some;
 * and when everybody is gone, every tag has come back.
 */
#include "inside.h"

static uint32_t some_cpu(const struct vmm *vmm)
{
	uint32_t cpu = 0;

	while (cpu < vmm->config.cpus && !vmm->cpu[cpu].online)
		cpu++;
	return cpu;
}

/* The same entry twice: the first does whatever was still due. */
static void calm_down(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t cpu)
{
	uint64_t before;

	if (!vmm_enter(vmm, vcpu, cpu, false))
		return;
	before = vmm->counts.flushes;
	vmm_exit(vmm, vcpu);
	vmm_enter(vmm, vcpu, cpu, false);
	if (vmm->counts.flushes != before)
		vmm_complain(vmm, VMM_STUCK, vcpu,
			     "an entry flushes though nothing happened since the one before");
}

static void calm_all_down(struct vmm *vmm)
{
	uint32_t cpu = some_cpu(vmm);

	for (uint32_t i = 0; i < vmm->config.vms && cpu < vmm->config.cpus; i++) {
		for (uint32_t nr = 0; nr < vmm->config.vcpus; nr++) {
			if (vmm->vm[i].vcpu[nr].alive)
				calm_down(vmm, &vmm->vm[i].vcpu[nr], cpu);
		}
	}
}

/* L1 goes before L2, which leaves a reserve for the L1s of others. */
static bool starves(const struct vmm *vmm, const struct vmm_vcpu *vcpu)
{
	tlbtag_t fallback = tlbtag_pool_fallback(&vmm->pool);
	uint32_t left = tlbtag_pool_plain_free(&vmm->pool);

	if (vcpu->tags.l1.tag == fallback)
		return left > 0;
	for (uint32_t i = 0; i < vcpu->tags.l2_count; i++) {
		if (vcpu->tags.l2[i].ctx.tag == fallback)
			return left > vmm->host.reserve;
	}
	return false;
}

static void feed(struct vmm *vmm, struct vmm_vcpu *vcpu)
{
	vmm_exit(vmm, vcpu);
	if (!vmm_has_fault(vmm, FAULT_NEVER_RETAGGED))
		tlbtag_vcpu_retag(&vcpu->tags);
	if (starves(vmm, vcpu))
		vmm_complain(vmm, VMM_STUCK, vcpu, "it shares a tag though some are free");
}

/* One VM after the other goes; those that are left take what becomes free. */
static void end_all(struct vmm *vmm)
{
	for (uint32_t i = 0; i < vmm->config.vms; i++) {
		struct vmm_vm *vm = &vmm->vm[i];

		for (uint32_t nr = 0; nr < vmm->config.vcpus && vm->alive; nr++) {
			if (vm->vcpu[nr].alive && vmm->config.policy == VMM_POLICY_LIBRARY)
				feed(vmm, &vm->vcpu[nr]);
			if (vm->vcpu[nr].alive)
				vmm_vcpu_end(vmm, &vm->vcpu[nr]);
		}
		if (vm->alive)
			vmm_vm_end(vmm, vm);
	}
}

int vmm_settle(struct vmm *vmm, struct vmm_verdict *verdict)
{
	calm_all_down(vmm);
	end_all(vmm);
	if (tlbtag_pool_destroy(&vmm->pool))
		vmm_complain(vmm, VMM_LEAK, NULL, "tags did not come back");
	else if (tlbtag_sim_warnings_unseen())
		vmm_complain(vmm, VMM_BROKEN, NULL, tlbtag_sim_last_warning());
	tlbtag_sim_warnings_reset();
	if (vmm->verdict.wrong == VMM_FINE)
		return 0;
	if (verdict)
		*verdict = vmm->verdict;
	return -1;
}
