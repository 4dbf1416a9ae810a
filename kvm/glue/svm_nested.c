// SPDX-License-Identifier: GPL-2.0-only
/*
 * svm_nested: L1 runs a guest of its own.
 */
#include <linux/kvm_host.h>

#include <tlbtag/rules.h>

#include "x86.h"
#include "mmu.h"
#include "hyperv.h"
#include "svm/svm.h"
#include "svm_trace.h"

noinline void svm_tags_nested_enable(struct vcpu_svm *svm)
{
	svm_tags_lock();
	WARN_ON_ONCE(tlbtag_nested_enable(&svm->tags.vcpu, svm_tags_l2_contexts()));
	svm_tags_unlock();
}

noinline void svm_tags_nested_disable(struct vcpu_svm *svm)
{
	svm_tags_lock();
	tlbtag_nested_disable(&svm->tags.vcpu);
	svm_tags_unlock();
}

/*
 * Local requests name no level, so they are served while the level that they
 * are for is still the active one (KVM.md 4.4). A vCPU that is being freed is
 * not loaded; nothing of it will run.
 */
static noinline void serve(struct kvm_vcpu *vcpu)
{
	if (kvm_get_running_vcpu() == vcpu && TLBTAG_RULE(ACTIVE_LEVEL))
		kvm_service_local_tlb_flush_requests(vcpu);
}

static __always_inline void serve_local(struct kvm_vcpu *vcpu)
{
	if (unlikely(kvm_test_request(KVM_REQ_TLB_FLUSH_CURRENT, vcpu) ||
		     kvm_test_request(KVM_REQ_TLB_FLUSH_GUEST, vcpu)))
		serve(vcpu);
}

static void stock_transition(struct kvm_vcpu *vcpu)
{
	if (likely(!svm_tags_stock_flush))
		return;
	kvm_make_request(KVM_REQ_MMU_SYNC, vcpu);
	kvm_make_request(KVM_REQ_TLB_FLUSH_CURRENT, vcpu);
}

/* L1 is about to be left. */
noinline void svm_tags_nested_prepare(struct kvm_vcpu *vcpu)
{
	serve_local(vcpu);
}

/*
 * TLBTAG_WORK_DRAIN: what is queued for the level that becomes active. KVM asks for
 * that at each transition and finds nothing, nearly always. Who queues something
 * asks after that, and so is not missed if the queue is looked at first.
 *
 * KVM asks only under NPT, since without it a transition flushed all there. Here it
 * does not: a flush of L2 that was asked for, and served, while L1 was active is
 * still in L2's queue.
 */
#ifdef CONFIG_KVM_HYPERV
static void drain(struct kvm_vcpu *vcpu, bool l2)
{
	if (likely(!to_hv_vcpu(vcpu)) ||
	    kfifo_is_empty(&kvm_hv_get_tlb_flush_fifo(vcpu, l2)->entries))
		return;
	kvm_make_request(KVM_REQ_HV_TLB_FLUSH, vcpu);
}
#else
static void drain(struct kvm_vcpu *vcpu, bool l2)
{
}
#endif

static noinline void enter(struct vcpu_svm *svm)
{
	struct tlbtag_vmcb12 vmcb12 = {
		.asid = svm->nested.ctl.asid,
		.tlb_control = svm->nested.ctl.tlb_ctl,
		.nested_paging = nested_npt_enabled(svm),
	};
	u32 work;

	/* RSM does not check what the SMM handler may have written (no source). */
	if (unlikely(!vmcb12.asid)) {
		vmcb12.asid = 1;
		vmcb12.tlb_control = TLBTAG_TLB_CONTROL_ASID;
	}
	WARN_ON_ONCE(tlbtag_nested_enter(&svm->tags.vcpu, &vmcb12, &work));
}

/*
 * VMRUN, RSM into L2, or SET_NESTED_STATE; guest mode begins right after. The
 * roots that this makes stale are noticed when KVM selects one.
 */
noinline void svm_tags_nested_enter(struct kvm_vcpu *vcpu)
{
	struct vcpu_svm *svm = to_svm(vcpu);

	if (!TLBTAG_RULE(KEEP_PENDING) ||
	    !tlbtag_nested_reenter(&svm->tags.vcpu, svm->nested.ctl.asid, svm->nested.ctl.tlb_ctl))
		enter(svm);
	trace_nested(svm);
	drain(vcpu, true);
	stock_transition(vcpu);
}

/* Any way out of L2; guest mode ends right after. */
noinline void svm_tags_nested_leave(struct kvm_vcpu *vcpu)
{
	serve_local(vcpu);
	if (!tlbtag_nested_return(&to_svm(vcpu)->tags.vcpu))
		tlbtag_nested_exit(&to_svm(vcpu)->tags.vcpu);
	trace_nested(to_svm(vcpu));
	drain(vcpu, false);
	stock_transition(vcpu);
}

/*
 * To sync the address alone would not do: L1 may edit its tables once more
 * before it enters, and hardware would have nothing cached. So all roots are
 * synced before they are used again.
 */
noinline void svm_tags_invlpga(struct kvm_vcpu *vcpu, gva_t gva, u32 asid)
{
	struct svm_tags *tags = &to_svm(vcpu)->tags;
	bool canonical = !is_noncanonical_invlpg_address(gva, vcpu);
	struct tlbtag_invlpga answer;

	preempt_disable();
	answer = tlbtag_nested_invlpga(&tags->vcpu, (struct tlbtag_cpu){ .nr = smp_processor_id() },
				       asid, canonical);
	if (answer.action == TLBTAG_ADDRESS_NOW)
		svm_tags_hw_invlpga(vcpu, gva, answer.tag);
	preempt_enable();
	trace_invlpga(vcpu, gva, asid, answer.action == TLBTAG_ADDRESS_NOW ? answer.tag : 0);

	if (answer.as_invlpg)
		kvm_mmu_invlpg(vcpu, gva);
	if (answer.work & TLBTAG_WORK_DROP_ADDRESS)
		svm_tags_roots_forget(tags);
}
