// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvm_roots: in debug builds, that L1 and L2 never enter with the same root.
 *
 * KVM frees direct roots without a flush and flushes when it loads another one, the
 * context that is active then (KVM.md 4.7). If the other level could have used the
 * freed root, under its own tag, its translations would outlive the root.
 *
 * A page remembers for as long as it lives; pages are made zeroed.
 */
#ifdef TLBTAG_LINUX_RULES
#include <linux/kvm_host.h>
#include <linux/module.h>

#include "mmu/mmu_internal.h"
#include "mmu/spte.h"
#include "x86.h"
#include "kvm_tags.h"

static bool roots_alike;
module_param(roots_alike, bool, 0644);
MODULE_PARM_DESC(roots_alike, "let L1 and L2 share roots, to see that it is noticed");

bool kvm_tags_roots_alike(void)
{
	return READ_ONCE(roots_alike);
}

static bool used_by_both(unsigned long *levels, bool l2)
{
	if (!test_bit(l2, levels))
		set_bit(l2, levels);
	return test_bit(!l2, levels);
}

/* Right before VMRUN. vCPUs share roots, so they write to the same word. */
void kvm_tags_root_entered(struct kvm_vcpu *vcpu)
{
	hpa_t hpa = vcpu->arch.mmu->root.hpa;
	struct kvm_mmu_page *root = VALID_PAGE(hpa) ? root_to_sp(hpa) : NULL;

	/* A page table of KVM's own, of 32-bit guests without NPT, is no shadow page. */
	if (root)
		WARN_ON_ONCE(used_by_both(&root->tlbtag_levels, is_guest_mode(vcpu)));
}
EXPORT_SYMBOL_GPL(kvm_tags_root_entered);
#endif
