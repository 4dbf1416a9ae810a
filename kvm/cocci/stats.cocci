// SPDX-License-Identifier: GPL-2.0-only
// KVM: let a vCPU's binary statistics have the vendor's counters as well
//
// Those who read them find each counter by its descriptor, so more of them break
// nobody. No structure grows: the vendor has the numbers. (kvm_main.c)

@ include @
@@
 #include "kvm_mm.h"
+#include "tlbtag/glue/kvm_tags.h"

@ read @
symbol vcpu, kvm_vcpu_stats_header, kvm_vcpu_stats_desc;
expression buffer, size, offset;
@@
 kvm_vcpu_stats_read(...)
 {
	...
-	return kvm_stats_read(vcpu->stats_id, &kvm_vcpu_stats_header,
-			&kvm_vcpu_stats_desc[0], &vcpu->stat,
-			sizeof(vcpu->stat), buffer, size, offset);
+	return kvm_tags_stats_read(vcpu, buffer, size, offset);
 }
