// SPDX-License-Identifier: GPL-2.0-only
/*
 * svm_root: how old the shadow roots are that KVM has cached for a vCPU.
 *
 * A request for a sync can be lost, as it names no level (KVM.md 4.3). A stamp
 * cannot: it is only set by a sync of that very root, so a root whose sync was
 * asked for and not done is still stale when KVM selects it the next time.
 *
 * Stamps go by the root's address. A root that is freed and built again at the
 * same address is stamped when it is built, before anything uses it.
 */
#include <linux/kvm_host.h>

#include "mmu.h"
#include "svm/svm.h"
#include "svm_trace.h"

static struct svm_tags_root *find(struct svm_tags *tags, hpa_t hpa)
{
	unsigned int i;

	for (i = 0; i < SVM_TAGS_ROOTS; i++)
		if (tags->root[i].hpa == hpa)
			return &tags->root[i];
	return NULL;
}

static struct svm_tags_root *take_next(struct svm_tags *tags)
{
	struct svm_tags_root *root = &tags->root[tags->next_root];

	tags->next_root = (tags->next_root + 1) % SVM_TAGS_ROOTS;
	return root;
}

static bool is_shadow(const struct kvm_mmu *mmu)
{
	return !mmu->root_role.direct && VALID_PAGE(mmu->root.hpa);
}

static noinline void used(struct kvm_vcpu *vcpu, struct svm_tags *tags)
{
	hpa_t hpa = vcpu->arch.mmu->root.hpa;
	struct svm_tags_root *root;

	if (!is_shadow(vcpu->arch.mmu))
		return;
	root = find(tags, hpa);
	if (root && !tlbtag_root_is_stale(&tags->vcpu, &root->root)) {
		tags->latest_root[tlbtag_vcpu_in_l2(&tags->vcpu)] = root - tags->root;
		return;
	}
	trace_root(vcpu, hpa, tags->vcpu.active, false);
	kvm_make_request(KVM_REQ_MMU_SYNC, vcpu);
}

/* Usually each level has one root, and it is fresh. */
noinline void svm_tags_root_used(struct kvm_vcpu *vcpu)
{
	struct svm_tags *tags = &to_svm(vcpu)->tags;
	unsigned int latest = tags->latest_root[tlbtag_vcpu_in_l2(&tags->vcpu)];
	struct svm_tags_root *root = &tags->root[latest];

	if (unlikely(root->hpa != vcpu->arch.mmu->root.hpa ||
		     tlbtag_root_is_stale(&tags->vcpu, &root->root)))
		used(vcpu, tags);
}

noinline void svm_tags_root_synced(struct kvm_vcpu *vcpu)
{
	struct svm_tags *tags = &to_svm(vcpu)->tags;
	hpa_t hpa = vcpu->arch.mmu->root.hpa;
	struct svm_tags_root *root;

	if (!is_shadow(vcpu->arch.mmu))
		return;
	root = find(tags, hpa);
	if (!root)
		root = take_next(tags);
	root->hpa = hpa;
	tlbtag_root_set_synced(&tags->vcpu, &root->root);
	trace_root(vcpu, hpa, tags->vcpu.active, true);
	svm_tags_count(vcpu, SVM_TAGS_COUNT_SYNCS);
}

void svm_tags_roots_forget(struct svm_tags *tags)
{
	unsigned int i;

	for (i = 0; i < SVM_TAGS_ROOTS; i++)
		tags->root[i].hpa = INVALID_PAGE;
	tags->next_root = 0;
}
