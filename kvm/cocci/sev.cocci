// SPDX-License-Identifier: GPL-2.0-only
// KVM: SEV: take ASIDs from the pool, and who used one last from its record
//
// The ASIDs of encrypted guests are classes of the pool. One that comes back is
// handed out again after the flush that KVM does, and not before. Which vCPU used
// an ASID last on a CPU is recorded once for each key, in place of an array for
// each CPU; the plan of an entry knows, so nothing is left to do before VMRUN but
// a check. (sev.c, svm.c)

@ bitmap @
@@
-static unsigned long *sev_asid_bitmap;

@ reclaim_bitmap @
@@
-static unsigned long *sev_reclaim_asid_bitmap;

@ nr_asids @
@@
-static unsigned int nr_asids;

// --- life cycle ---

@ setup @
@@
 sev_hardware_setup(...)
 {
	...
-	nr_asids = max_sev_asid + 1;
-	sev_asid_bitmap = bitmap_zalloc(nr_asids, GFP_KERNEL);
-	if (!sev_asid_bitmap)
-		goto out;
-	sev_reclaim_asid_bitmap = bitmap_zalloc(nr_asids, GFP_KERNEL);
-	if (!sev_reclaim_asid_bitmap) {
-		...
-	}
	...
 }

@ unsetup @
@@
 sev_hardware_unsetup(...)
 {
	...
-	sev_flush_asids(1, max_sev_asid);
-	bitmap_free(sev_asid_bitmap);
-	bitmap_free(sev_reclaim_asid_bitmap);
+	__sev_recycle_asids(1, max_sev_asid);
	...
 }

@ cpu_init @
identifier sd;
@@
 sev_cpu_init(struct svm_cpu_data *sd)
 {
-	...
+	return 0;
 }

// In svm.c
@ cpu_uninit @
expression C;
@@
-	kfree(C->sev_vmcbs);

// --- ASIDs ---

// Whether there is something to gain is asked before.
@ flush @
identifier min, max, asid;
@@
 sev_flush_asids(unsigned int min, unsigned int max)
 {
	...
-	unsigned int asid;
	...
-	asid = find_next_bit(sev_reclaim_asid_bitmap, nr_asids, min);
-	if (asid > max)
-		return -EBUSY;
	...
 }

@ recycle @
identifier min, max;
@@
 __sev_recycle_asids(unsigned int min, unsigned int max)
 {
-	...
+	return svm_tags_sev_recycle(min, max, sev_flush_asids);
 }

@ reserve @
identifier sev;
symbol ret;
@@
 sev_asid_new(struct kvm_sev_info *sev, ...)
 {
	...
	if (min_asid > max_asid)
		return -ENOTTY;
+	ret = svm_tags_sev_reserve(sev);
+	if (ret)
+		return ret;
	...
 }

// Newer kernels allocate in a function of its own.
@ alloc_function @
identifier min, max;
@@
 sev_alloc_asid(
+	       struct kvm_sev_info *sev,
	       unsigned int min, unsigned int max)
 { ... }

@ alloc_call depends on alloc_function @
expression A, B;
@@
 sev_alloc_asid(
+	       sev,
	       A, B)

@ alloc @
expression A, B;
@@
-	find_next_zero_bit(sev_asid_bitmap, B + 1, A)
+	svm_tags_sev_alloc(sev, A, B)

@ alloc_bit @
expression A;
@@
-	__set_bit(A, sev_asid_bitmap);

@ free @
identifier sev, sd, cpu;
iterator name for_each_possible_cpu;
@@
 sev_asid_free(struct kvm_sev_info *sev)
 {
-	struct svm_cpu_data *sd;
-	int cpu;
	...
-	__set_bit(sev->asid, sev_reclaim_asid_bitmap);
-	for_each_possible_cpu(cpu) { ... }
+	svm_tags_sev_free(sev);
	...
 }

// --- several VMs with one ASID ---

@ move @
identifier to, from, dst, src;
@@
 sev_migrate_from(struct kvm *to, struct kvm *from)
 {
	...
+	svm_tags_sev_move(to, from);
	dst->asid = src->asid;
	...
 }

@ mirror @
identifier kvm;
symbol source_kvm;
expression M, S;
@@
 sev_vm_copy_enc_context_from(struct kvm *kvm, ...)
 {
	<...
+	svm_tags_sev_mirror(kvm, source_kvm);
	M->asid = S->asid;
	...>
 }

// --- VMRUN ---

@ run @
identifier svm, sd, asid;
expression E, C;
statement S;
@@
 pre_sev_run(struct vcpu_svm *svm, ...)
 {
	...
-	struct svm_cpu_data *sd = E;
	...
-	svm->asid = asid;
+	svm_tags_sev_check(svm, asid);
-	if (sd->sev_vmcbs[asid] == svm->vmcb && C)
-		S
-	sd->sev_vmcbs[asid] = svm->vmcb;
-	svm->vmcb->control.tlb_ctl = TLB_CONTROL_FLUSH_ASID;
-	vmcb_mark_dirty(svm->vmcb, VMCB_ASID);
	...
 }
