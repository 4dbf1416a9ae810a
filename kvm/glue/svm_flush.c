// SPDX-License-Identifier: GPL-2.0-only
/*
 * svm_flush: KVM's flush requests, as the library's.
 *
 * L2's Hyper-V queue is one for all L2 contexts, and common code empties it at
 * each guest flush in L2. Where there is such a queue, a guest flush in L2 is
 * therefore for all of them: what another one is owed may be in the queue.
 */
#include <linux/kvm_host.h>

#include <tlbtag/rules.h>

#include "x86.h"
#include "hyperv.h"
#include "svm/svm.h"
#include "svm/svm_ops.h"
#include "svm_trace.h"

#ifdef CONFIG_KVM_HYPERV
static bool has_queues(struct kvm_vcpu *vcpu)
{
	return to_hv_vcpu(vcpu);
}

static void purge_level(struct kvm_vcpu *vcpu, bool l2)
{
	/* What is queued after the request is taken back makes a new one. */
	if (is_guest_mode(vcpu) == l2)
		kvm_check_request(KVM_REQ_HV_TLB_FLUSH, vcpu);
	kfifo_reset_out(&kvm_hv_get_tlb_flush_fifo(vcpu, l2)->entries);
}

/* Common code does the active level's; flush-all covers the other as well. */
static void purge(struct kvm_vcpu *vcpu, u32 work)
{
	if (!has_queues(vcpu))
		return;
	if (work & TLBTAG_WORK_PURGE_L1)
		purge_level(vcpu, false);
	if (work & TLBTAG_WORK_PURGE_L2)
		purge_level(vcpu, true);
}
#else
static bool has_queues(struct kvm_vcpu *vcpu)
{
	return false;
}

static void purge(struct kvm_vcpu *vcpu, u32 work)
{
}
#endif

static enum tlbtag_target guest_target(struct kvm_vcpu *vcpu)
{
	if (is_guest_mode(vcpu) && has_queues(vcpu))
		return TLBTAG_TARGET_L2;
	return TLBTAG_TARGET_ACTIVE;
}

static u32 flush(struct kvm_vcpu *vcpu, enum tlbtag_target target, u32 why)
{
	u32 work = tlbtag_vcpu_flush(&to_svm(vcpu)->tags.vcpu, target, TLBTAG_FLUSH_TAG, why);

	trace_request(vcpu, target, why);
	purge(vcpu, work);
	return work;
}

noinline void svm_tags_flush_all(struct kvm_vcpu *vcpu)
{
	/* What comes from other CPUs comes this way. */
	if (!TLBTAG_RULE(REMOTE_REQUEST))
		return;
	flush(vcpu, TLBTAG_TARGET_BOTH, TLBTAG_WHY_ALL);
}

/*
 * KVM frees direct roots without a flush and flushes when it loads another
 * one. By then any L2 context may have used the freed one.
 */
noinline void svm_tags_flush_current(struct kvm_vcpu *vcpu)
{
	flush(vcpu, is_guest_mode(vcpu) ? TLBTAG_TARGET_L2 : TLBTAG_TARGET_L1,
	      TLBTAG_WHY_CURRENT);
}

noinline void svm_tags_flush_guest(struct kvm_vcpu *vcpu)
{
	u32 work = flush(vcpu, guest_target(vcpu), TLBTAG_WHY_GUEST);

	/* Under shadow paging the caller has just synced what it uses. */
	if (work & TLBTAG_WORK_SYNC)
		svm_tags_root_synced(vcpu);
}

/* Alone, so that a probe sees what was invalidated at once. */
noinline void svm_tags_hw_invlpga(struct kvm_vcpu *vcpu, gva_t gva, u32 asid)
{
	invlpga(gva, asid);
	svm_tags_count(vcpu, SVM_TAGS_COUNT_INVLPGA);
}

/*
 * Under NPT INVLPGA has errata, and the INVLPG that this may be the emulation of
 * drops upper-level entries, which INVLPGA would keep: so the guest's flush.
 */
noinline void svm_tags_flush_gva(struct kvm_vcpu *vcpu, gva_t gva)
{
	struct tlbtag_vcpu *tags = &to_svm(vcpu)->tags.vcpu;
	enum tlbtag_address action;
	tlbtag_t tag;

	if (npt_enabled) {
		kvm_make_request(KVM_REQ_TLB_FLUSH_GUEST, vcpu);
		return;
	}
	preempt_disable();
	action = tlbtag_vcpu_invalidate(tags, (struct tlbtag_cpu){ .nr = smp_processor_id() },
					&tag);
	if (action == TLBTAG_ADDRESS_NOW)
		svm_tags_hw_invlpga(vcpu, gva, tag);
	preempt_enable();
	if (action == TLBTAG_ADDRESS_PENDING)
		trace_request(vcpu, TLBTAG_TARGET_ACTIVE, TLBTAG_WHY_INVLPGA);
}

/*
 * The request is about L1's tables, whichever level is active. Under shadow
 * paging with L1 active KVM's own way is right: it syncs, too.
 */
noinline bool svm_tags_flush_pv(struct kvm_vcpu *vcpu)
{
	if (!npt_enabled && !is_guest_mode(vcpu))
		return false;
	++vcpu->stat.tlb_flush;
	flush(vcpu, TLBTAG_TARGET_L1, TLBTAG_WHY_PV);
	return true;
}
