// SPDX-License-Identifier: GPL-2.0-only
// KVM: x86: say when shadow roots are used and synced, and whom a flush is for
//
// A cached root that is older than L1's latest demand is synced when it is
// selected, which cannot be lost as a request can. A paravirtual flush is L1's,
// whichever level runs. Guests see the machine's number of ASIDs. (cpuid.c, x86.c,
// mmu.c)

// The one header of KVM's own that all three include.
@ include @
@@
 #include "trace.h"
+#include "tlbtag/glue/kvm_tags.h"

@ asids @
identifier entry;
@@
-	entry->ebx = 8;
+	entry->ebx = kvm_tags_guest_asids(entry->ebx);

@ pv_flush @
expression V;
@@
 record_steal_time(...)
 {
	<...
-	if (st_preempted & KVM_VCPU_FLUSH_TLB)
+	if ((st_preempted & KVM_VCPU_FLUSH_TLB) && !kvm_tags_pv_flush(V))
		kvm_vcpu_flush_tlb_guest(V);
	...>
 }

@ root_used @
identifier vcpu;
@@
 kvm_mmu_new_pgd(struct kvm_vcpu *vcpu, ...)
 {
	...
	kvm_make_request(KVM_REQ_LOAD_MMU_PGD, vcpu);
+	kvm_tags_root_used(vcpu);
	...
 }

@ root_synced @
identifier vcpu;
@@
 kvm_mmu_sync_roots(struct kvm_vcpu *vcpu)
 {
	...
	vcpu_clear_mmio_info(vcpu, MMIO_GVA_ANY);
+	kvm_tags_root_synced(vcpu);
	...
 }
