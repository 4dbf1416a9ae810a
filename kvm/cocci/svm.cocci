// SPDX-License-Identifier: GPL-2.0-only
// KVM: SVM: give each vCPU an ASID for as long as it lives
//
// A vCPU takes its ASID from a pool when it is made, and VMRUN flushes what the
// plan says: on first use, on another CPU, after the CPU was off, what was asked
// for. A VMRUN that fails leaves it pending. A flush of everything reaches L1 and
// L2, INVLPGA the L2 guest that it names. Loading the other level's CR4 is no
// reason to flush. (svm.c)

@ include @
@@
 #include "svm_onhyperv.h"
+#include "tlbtag/glue/svm_entry.h"

@ new_asid @
identifier f =~ "^new_asid$";
type T;
parameter list P;
@@
-T f(P) { ... }

// --- life cycle ---

// After sev_hardware_setup(), which says which ASIDs are for encrypted guests.
@ setup @
symbol r, err;
@@
 svm_hardware_setup(...)
 {
	...
+	r = svm_tags_setup();
+	if (r)
+		goto err;
	svm_hv_hardware_setup();
	...
 }

@ unsetup @
@@
 svm_hardware_unsetup(...)
 {
	...
	sev_hardware_unsetup();
+	svm_tags_unsetup();
	...
 }

// Once KVM has its directory in debugfs.
@ debugfs @
identifier r, l;
@@
 svm_init(...)
 {
	...
	r = kvm_init(...);
	if (r)
		goto l;
+	svm_tags_debugfs();
	...
 }

@ online_first @
identifier sd;
expression E;
@@
 svm_enable_virtualization_cpu(...)
 {
	<...
-	sd->asid_generation = E;
+	svm_tags_cpu_online();
	...>
 }

// Kernels that keep the generation when the CPU comes back.
@ online_again @
identifier sd;
@@
 svm_enable_virtualization_cpu(...)
 {
	<...
-	sd->asid_generation++;
+	svm_tags_cpu_online();
	...>
 }

@ online_rest @
identifier sd;
expression E;
@@
 svm_enable_virtualization_cpu(...)
 {
	<...
(
-	sd->max_asid = E;
|
-	sd->next_asid = E;
|
-	sd->min_asid = E;
)
	...>
 }

@ vm_create @
identifier kvm;
statement S;
@@
 svm_vm_init(struct kvm *kvm)
 {
	...
+	svm_tags_vm_create(kvm);
	if (!pause_filter_count || !pause_filter_thresh)
		S
	...
 }

@ vm_destroy @
identifier kvm;
@@
 svm_vm_destroy(struct kvm *kvm)
 {
	...
	sev_vm_destroy(kvm);
+	svm_tags_vm_destroy(kvm);
	...
 }

@ vcpu_create @
identifier svm;
@@
 svm_vcpu_create(...)
 {
	...
+	svm_tags_vcpu_create(svm);
	svm_switch_vmcb(svm, &svm->vmcb01);
	...
 }

@ vcpu_free @
identifier svm;
@@
 svm_vcpu_free(...)
 {
	...
	svm_free_nested(svm);
+	svm_tags_vcpu_free(svm);
	...
 }

@ vcpu_load @
identifier vcpu;
statement S;
@@
 svm_vcpu_load(struct kvm_vcpu *vcpu, ...)
 {
	...
+	svm_tags_vcpu_load(to_svm(vcpu));
	if (kvm_vcpu_apicv_active(vcpu))
		S
 }

@ reset @
identifier svm;
@@
 init_vmcb(...)
 {
	...
-	svm->current_vmcb->asid_generation = 0;
-	svm->asid = 0;
+	svm_tags_reset(svm);
	...
 }

// --- VMRUN ---

@ prepare @
identifier vcpu, svm, sd;
expression E;
@@
 pre_svm_run(struct kvm_vcpu *vcpu)
 {
	...
-	struct svm_cpu_data *sd = E;
	...
-	if (unlikely(svm->current_vmcb->cpu != vcpu->cpu)) { ... }
+	svm_tags_prepare(vcpu);
	<...
-	if (svm->current_vmcb->asid_generation != sd->asid_generation)
-		new_asid(svm, sd);
	...>
 }

@ run @
identifier svm;
@@
 svm_vcpu_run(...)
 {
	...
-	if (unlikely(svm->asid != svm->vmcb->control.asid)) {
-		svm->vmcb->control.asid = svm->asid;
-		vmcb_mark_dirty(svm->vmcb, VMCB_ASID);
-	}
	...
 }

@ complete @
identifier svm;
@@
 svm_vcpu_run(...)
 {
	<...
-	svm->vmcb->control.tlb_ctl = TLB_CONTROL_DO_NOTHING;
+	svm_tags_complete(svm);
	...>
 }

@ flag_test @
expression C;
@@
-	if (C->flush_all_asids) { ... }

@ flag_reset @
expression C;
@@
-	C->flush_all_asids = false;

// --- flushes ---

@ flush_all @
identifier vcpu;
@@
 svm_flush_tlb_all(struct kvm_vcpu *vcpu)
 {
	...
-	svm_flush_tlb_asid(vcpu);
+	svm_tags_flush_all(vcpu);
 }

@ flush_current @
identifier vcpu;
@@
 svm_flush_tlb_current(struct kvm_vcpu *vcpu)
 {
	...
-	svm_flush_tlb_asid(vcpu);
+	svm_tags_flush_current(vcpu);
 }

// What is left of its callers is the guest's flush. It stays a function of its own,
// so that probes on it attach, and tell of each.
@ flush_guest @
attribute name noinline;
identifier vcpu;
@@
 static
+noinline
 void svm_flush_tlb_asid(struct kvm_vcpu *vcpu)
 {
-	...
+	svm_tags_flush_guest(vcpu);
 }

// Newer kernels come here under shadow paging only.
@ flush_gva @
identifier vcpu, gva;
@@
 svm_flush_tlb_gva(struct kvm_vcpu *vcpu, gva_t gva, ...)
 {
	<...
-	invlpga(gva, ...);
+	svm_tags_flush_gva(vcpu, gva);
	...>
 }

@ flush_gva_unused depends on flush_gva @
identifier svm;
expression E;
@@
 svm_flush_tlb_gva(...)
 {
-	struct vcpu_svm *svm = E;
-
	...
 }

// The guest's own write of CR4 flushes in common code; loading another level's
// CR4 is none. Newer kernels have no such flush.
@ pge @
expression V, O, C;
@@
 svm_set_cr4(...)
 {
	...
-	if (npt_enabled && ((O ^ C) & X86_CR4_PGE))
-		svm_flush_tlb_current(V);
	...
 }

@ invlpga @
identifier vcpu, gva, asid;
@@
 invlpga_interception(struct kvm_vcpu *vcpu)
 {
	...
	u32 asid = ...;
	...
-	kvm_mmu_invlpg(vcpu, gva);
+	svm_tags_invlpga(vcpu, gva, asid);
	...
 }
