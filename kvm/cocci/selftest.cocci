// SPDX-License-Identifier: GPL-2.0-only
// KVM: SEV: let the self-test of debug builds call what it tests
//
// Debug builds alone. Where there is no such hardware, the self-test also says
// which ASIDs would be for encrypted guests. (sev.c)

@ include @
@@
 #include "trace.h"
+#include "tlbtag/glue/svm_test.h"

// Kernels that may split the ASIDs of SEV-ES and SNP.
@ split @
symbol max_snp_asid;
@@
 static unsigned int max_snp_asid;

@ plain depends on !split @
identifier to, from;
@@
 static void sev_migrate_from(struct kvm *to, struct kvm *from) { ... }
+
+void svm_test_set_range(unsigned int first, unsigned int last)
+{
+	min_sev_asid = first;
+	max_sev_asid = last;
+}
+
+int svm_test_asid_new(struct kvm_sev_info *sev)
+{
+	return sev_asid_new(sev);
+}
+
+int svm_test_guest(struct kvm_sev_info *sev)
+{
+	return 0;
+}
+
+int svm_test_run(struct vcpu_svm *svm, int cpu)
+{
+	pre_sev_run(svm, cpu);
+	return 0;
+}
+
+void svm_test_move(struct kvm *kvm, struct kvm *source)
+{
+	sev_migrate_from(kvm, source);
+}

@ splitting depends on split @
identifier to, from;
@@
 static void sev_migrate_from(struct kvm *to, struct kvm *from) { ... }
+
+void svm_test_set_range(unsigned int first, unsigned int last)
+{
+	min_sev_asid = first;
+	max_sev_asid = last;
+	min_sev_es_asid = min_snp_asid = 1;
+	max_sev_es_asid = max_snp_asid = first - 1;
+}
+
+int svm_test_asid_new(struct kvm_sev_info *sev)
+{
+	if (sev->vmsa_features & SVM_SEV_FEAT_SNP_ACTIVE)
+		return sev_asid_new(sev, KVM_X86_SNP_VM);
+	return sev_asid_new(sev, sev->es_active ? KVM_X86_SEV_ES_VM : KVM_X86_SEV_VM);
+}
+
+int svm_test_guest(struct kvm_sev_info *sev)
+{
+	return sev_alloc_have_run_cpus(sev);
+}
+
+int svm_test_run(struct vcpu_svm *svm, int cpu)
+{
+	return pre_sev_run(svm, cpu);
+}
+
+void svm_test_move(struct kvm *kvm, struct kvm *source)
+{
+	sev_migrate_from(kvm, source);
+}
