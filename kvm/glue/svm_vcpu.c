// SPDX-License-Identifier: GPL-2.0-only
/*
 * svm_vcpu: a vCPU's tags, and what VMRUN carries.
 *
 * An encrypted guest's vCPUs have the ASID of its key, and a number in the key's
 * record, from the start or from the moment that the guest becomes encrypted; all
 * else is the same.
 */
#include <linux/kvm_host.h>

#include "svm/svm.h"
#include "svm_trace.h"

noinline void svm_tags_vcpu_create(struct vcpu_svm *svm)
{
	struct svm_tags_vm *vm = &to_kvm_svm(svm->vcpu.kvm)->tags;

	svm_tags_lock();
	/* Only a number that is out of range is refused. */
	WARN_ON_ONCE(tlbtag_vcpu_init(&svm->tags.vcpu, &vm->vm,
				      svm_sev_number_take(vm, svm->vcpu.vcpu_id)));
	svm_tags_unlock();
	svm->tags.planned = false;
	svm_tags_roots_forget(&svm->tags);
}

noinline void svm_tags_vcpu_free(struct vcpu_svm *svm)
{
	svm_tags_lock();
	svm_sev_number_return(&to_kvm_svm(svm->vcpu.kvm)->tags, svm->tags.vcpu.id);
	tlbtag_vcpu_destroy(&svm->tags.vcpu);
	svm_tags_unlock();
}

/* A vCPU that found the pool empty looks again; preemption is off. */
noinline void svm_tags_vcpu_load(struct vcpu_svm *svm)
{
	struct tlbtag_vcpu *vcpu = &svm->tags.vcpu;

	if (likely(!vcpu->l1.shared) || vcpu->vm->is_key ||
	    tlbtag_pool_is_full(vcpu->vm->host->pool))
		return;
	svm_tags_lock();
	tlbtag_vcpu_retag(vcpu);
	svm_tags_unlock();
}

noinline void svm_tags_reset(struct vcpu_svm *svm)
{
	tlbtag_vcpu_reset(&svm->tags.vcpu);
	trace_request(&svm->vcpu, TLBTAG_TARGET_L1, TLBTAG_WHY_RESET);
}

static void write_plan(struct vcpu_svm *svm, const struct tlbtag_plan *plan)
{
	struct vmcb_control_area *control = &svm->vmcb->control;
	struct tlbtag_svm_vmcb fields = {
		.asid = control->asid,
		.tlb_control = control->tlb_ctl,
		.clean = control->clean,
	};

	tlbtag_svm_prepare(&fields, plan);
	control->asid = fields.asid;
	control->tlb_ctl = fields.tlb_control;
	control->clean = fields.clean;
}

/* Those who share a number flush at each entry; see <tlbtag/owner.h>. */
static bool is_crowded(const struct tlbtag_vcpu *vcpu)
{
	return vcpu->vm->is_key && vcpu->id == SVM_SEV_CROWD;
}

static void carry_out(struct vcpu_svm *svm, struct tlbtag_cpu cpu)
{
	struct tlbtag_plan plan;

	if (unlikely(is_crowded(&svm->tags.vcpu)))
		tlbtag_vcpu_flush(&svm->tags.vcpu, TLBTAG_TARGET_ACTIVE, TLBTAG_FLUSH_TAG,
				  TLBTAG_WHY_SHARED);
	plan = tlbtag_vcpu_plan(&svm->tags.vcpu, cpu);
	/* Work comes with requests from other CPUs, which here are KVM's. */
	WARN_ON_ONCE(plan.work);
	write_plan(svm, &plan);
	svm->tags.why = plan.why;
}

/* The next entry needs a plan, or somebody wants to see it. */
noinline void svm_tags_plan(struct kvm_vcpu *vcpu)
{
	struct vcpu_svm *svm = to_svm(vcpu);

	svm->tags.why = TLBTAG_WHY_NOTHING;
	if (svm->tags.planned)
		carry_out(svm, (struct tlbtag_cpu){ .nr = vcpu->cpu });
	trace_enter(svm, svm->tags.why);
}

/* TLB_CONTROL is cleared, and the flush forgotten, only if it has happened. */
noinline void svm_tags_entered(struct vcpu_svm *svm)
{
	struct vmcb_control_area *control = &svm->vmcb->control;
	bool entered = control->exit_code != SVM_EXIT_ERR;
	struct tlbtag_svm_vmcb fields = { .tlb_control = control->tlb_ctl };

	tlbtag_svm_complete(&fields, entered);
	control->tlb_ctl = fields.tlb_control;
	if (!entered)
		return;
	tlbtag_vcpu_entered(&svm->tags.vcpu, (struct tlbtag_cpu){ .nr = svm->vcpu.cpu });
	svm_tags_count_flush(&svm->vcpu, svm->tags.why);
}
