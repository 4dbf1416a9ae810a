// SPDX-License-Identifier: GPL-2.0-only
// KVM: nSVM: give L2 its own ASIDs, and do not flush at transitions
//
// What L1 demands in TLB_CONTROL, or by another ASID, is obeyed; nothing else is
// flushed or synced at a transition. Requests that name no level are served
// before the level changes. (nested.c)

@ transition @
identifier f =~ "^nested_svm_transition_tlb_flush$";
type T;
parameter list P;
@@
-T f(P) { ... }

@ enter @
expression V;
@@
 nested_vmcb02_prepare_control(...)
 {
	...
-	nested_svm_transition_tlb_flush(V);
+	svm_tags_nested_enter(V);
	...
 }

// What is pending for an L2 context is the library's; see struct tlbtag_ctx.
@ keep @
identifier vmcb02;
@@
 nested_vmcb02_prepare_control(...)
 {
	...
-	vmcb02->control.tlb_ctl = TLB_CONTROL_DO_NOTHING;
	...
 }

@ exit @
expression V;
@@
 nested_svm_vmexit(...)
 {
	...
-	nested_svm_transition_tlb_flush(V);
	...
 }

// While guest mode and the active VMCB still agree on the level.
@ prepare @
identifier svm;
@@
+	svm_tags_nested_prepare(&svm->vcpu);
	svm_switch_vmcb(svm, &svm->nested.vmcb02);

@ leave @
expression V;
@@
+	svm_tags_nested_leave(V);
	leave_guest_mode(V);

// Kernels that start with no CPU rather than CPU 0.
@ no_cpu @
identifier svm;
@@
 svm_allocate_nested(...)
 {
	...
-	svm->nested.vmcb02.cpu = -1;
	...
 }

@ nested_enable @
identifier svm;
@@
 svm_allocate_nested(...)
 {
	...
+	svm_tags_nested_enable(svm);
	svm->nested.initialized = true;
	...
 }

@ nested_disable @
identifier svm;
@@
 svm_free_nested(...)
 {
	...
+	svm_tags_nested_disable(svm);
	svm->nested.initialized = false;
	...
 }
