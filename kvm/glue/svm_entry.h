/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * svm_entry: the two calls around every VMRUN, for svm.c.
 *
 * Nearly always there is no plan, and then these few instructions are all that the
 * library costs: as many as KVM's own check of generations had.
 */
#ifndef SVM_ENTRY_H
#define SVM_ENTRY_H

#include <linux/tracepoint-defs.h>

#include "svm/svm.h"

DECLARE_TRACEPOINT(enter);

/* Interrupts are off; from here to VMRUN nothing changes what is due. */
static __always_inline void svm_tags_prepare(struct kvm_vcpu *vcpu)
{
	struct svm_tags *tags = &to_svm(vcpu)->tags;

	/* Requests from other CPUs are KVM's, and have been served. */
	tags->planned = !tlbtag_vcpu_is_ready(&tags->vcpu, (struct tlbtag_cpu){ .nr = vcpu->cpu });
	if (unlikely(tags->planned || tracepoint_enabled(enter)))
		svm_tags_plan(vcpu);
}

/* After each VMRUN. Without a plan TLB_CONTROL was, and is, 0. */
static __always_inline void svm_tags_complete(struct vcpu_svm *svm)
{
	if (unlikely(svm->tags.planned))
		svm_tags_entered(svm);
}

#endif
