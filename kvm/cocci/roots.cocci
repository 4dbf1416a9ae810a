// SPDX-License-Identifier: GPL-2.0-only
// KVM: x86/mmu: remember which level entered with a root
//
// Debug builds alone. L1, and L2 without nested paging, share KVM's root MMU and not
// their tags, so they must not share a root; the bit of guest mode in its role keeps
// them apart, and can be left out to see the check fire. (mmu_internal.h, mmu.c, svm.c)

@ member @
@@
 struct kvm_mmu_page {
	...
	union kvm_mmu_page_role role;
+	unsigned long tlbtag_levels;
	...
 };

@ role @
symbol role, vcpu;
@@
 kvm_calc_cpu_role(...)
 {
	...
-	role.base.guest_mode = is_guest_mode(vcpu);
+	role.base.guest_mode = is_guest_mode(vcpu) && !kvm_tags_roots_alike();
	...
 }

// After what leads KVM to the glue.
@ entered @
symbol vcpu;
@@
 pre_svm_run(...)
 {
	...
	svm_tags_prepare(vcpu);
+	kvm_tags_root_entered(vcpu);
	...
 }

@ include @
@@
 #include "tlbtag/glue/svm_entry.h"
+#include "tlbtag/glue/kvm_tags.h"
