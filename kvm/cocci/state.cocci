// SPDX-License-Identifier: GPL-2.0-only
// KVM: SVM: keep the state of TLB tags in the vCPU
//
// The per-CPU generations of ASIDs go; each vCPU and each guest has the library's
// state instead. (svm.h; on its own it does not compile.)

@ include @
@@
 #include "cpuid.h"
+#include "tlbtag/glue/svm_tags.h"

@ cpu_data @
@@
 struct svm_cpu_data {
	...
-	u64 asid_generation;
-	u32 max_asid;
-	u32 next_asid;
-	u32 min_asid;
	...
 };

// Who used an encrypted guest's ASID last.
@ cpu_data_sev @
@@
 struct svm_cpu_data {
	...
-	struct vmcb **sev_vmcbs;
	...
 };

// Kernels that keep "flush everything on this CPU" beside the generation.
@ cpu_data_flag @
@@
 struct svm_cpu_data {
	...
-	bool flush_all_asids;
	...
 };

// Where the VMCB ran last is the library's to know.
@ vmcb_info @
@@
 struct kvm_vmcb_info {
	...
-	int cpu;
-	uint64_t asid_generation;
	...
 };

@ vcpu @
@@
 struct vcpu_svm {
	...
-	u32 asid;
+	struct svm_tags tags;
	...
 };

@ vm @
@@
 struct kvm_svm {
	struct kvm kvm;
+	struct svm_tags_vm tags;
	...
 };
