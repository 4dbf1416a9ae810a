// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvm_tags: what kvm.ko tells the vendor module that has the tags.
 */
#include <linux/export.h>
#include <linux/kvm_host.h>
#include <linux/module.h>

#include <kvm_tags_version.h>
#include <tlbtag/svm.h>

#include "kvm_tags.h"

MODULE_VERSION(KVM_TAGS_VERSION);

/* Set before the first guest and reset after the last; read by all. */
static const struct kvm_tags_ops *ops;

/* Called with NULL by a vendor module that goes. */
void kvm_tags_register(const struct kvm_tags_ops *new_ops)
{
	WRITE_ONCE(ops, new_ops);
}
EXPORT_SYMBOL_GPL(kvm_tags_register);

const struct kvm_tags_ops *kvm_tags_vendor(void)
{
	return ops;
}

void kvm_tags_shadow_used(struct kvm_vcpu *vcpu)
{
	if (ops)
		ops->root_used(vcpu);
}

void kvm_tags_root_synced(struct kvm_vcpu *vcpu)
{
	if (ops)
		ops->root_synced(vcpu);
}

bool kvm_tags_pv_flush(struct kvm_vcpu *vcpu)
{
	return ops && ops->pv_flush(vcpu);
}

/* CPUID 8000_000A.EBX for guests: the machine's number, within reason. */
u32 kvm_tags_guest_asids(u32 asids)
{
	const struct tlbtag_hw hw = { .vendor = TLBTAG_AMD, .nr_tags = asids };

	return tlbtag_svm_guest_asids(&hw);
}
