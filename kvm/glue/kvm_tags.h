/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kvm_tags: what kvm.ko tells the vendor module that has the tags.
 *
 * kvm.ko selects and syncs shadow roots, serves the paravirtual flush and shows the
 * statistics; the state that this is about is the vendor's. Until a vendor registers, each call
 * leaves things as KVM had them. Nothing here changes a structure that other
 * modules know, so those that use kvm.ko need not be rebuilt.
 */
#ifndef KVM_TAGS_H
#define KVM_TAGS_H

#include <linux/kvm_host.h>

/* More than any vendor has */
#define KVM_TAGS_STATS_MAX 32

/**
 * struct kvm_tags_stats - counters that each vCPU has
 * @desc: what they are; their numbers follow KVM's, so .offset counts from those
 * @nr: how many there are, at most %KVM_TAGS_STATS_MAX
 * @read: the numbers of one vCPU, which may be running
 */
struct kvm_tags_stats {
	const struct kvm_stats_desc *desc;
	unsigned int nr;
	void (*read)(struct kvm_vcpu *vcpu, u64 *numbers);
};

/**
 * struct kvm_tags_ops - the vendor's side
 * @root_used: the current root of the vCPU's MMU is a cached one
 * @root_synced: it is being built or synced; what L1 does later is not in it
 * @pv_flush: another vCPU of the guest asked for a flush; false: KVM is to do it
 * @stats: for the binary statistics
 */
struct kvm_tags_ops {
	void (*root_used)(struct kvm_vcpu *vcpu);
	void (*root_synced)(struct kvm_vcpu *vcpu);
	bool (*pv_flush)(struct kvm_vcpu *vcpu);
	const struct kvm_tags_stats *stats;
};

void kvm_tags_register(const struct kvm_tags_ops *ops);
const struct kvm_tags_ops *kvm_tags_vendor(void);
void kvm_tags_shadow_used(struct kvm_vcpu *vcpu);
void kvm_tags_root_synced(struct kvm_vcpu *vcpu);
bool kvm_tags_pv_flush(struct kvm_vcpu *vcpu);
u32 kvm_tags_guest_asids(u32 asids);
ssize_t kvm_tags_stats_read(struct kvm_vcpu *vcpu, char __user *buffer, size_t size,
			    loff_t *offset);

/* In debug builds: did only one level enter with this root? */
bool kvm_tags_roots_alike(void);
void kvm_tags_root_entered(struct kvm_vcpu *vcpu);

/* At every nested transition, where direct roots are the rule; they have no age. */
static inline void kvm_tags_root_used(struct kvm_vcpu *vcpu)
{
	if (!vcpu->arch.mmu->root_role.direct)
		kvm_tags_shadow_used(vcpu);
}

#endif
