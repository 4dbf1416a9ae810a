// SPDX-License-Identifier: GPL-2.0-only
// KVM: VMX: take VPIDs from the pool
//
// Nothing else changes for Intel. (vmx.c)

@ include @
@@
 #include "vmx.h"
+#include "tlbtag/glue/vmx_tags.h"

@ bitmap @
declarer name DECLARE_BITMAP;
@@
-DECLARE_BITMAP(vmx_vpid_bitmap, VMX_NR_VPIDS);

@ lock @
declarer name DEFINE_SPINLOCK;
@@
-DEFINE_SPINLOCK(vmx_vpid_lock);

@ setup @
@@
 vmx_hardware_setup(...)
 {
	...
-	set_bit(0, vmx_vpid_bitmap);
+	vmx_tags_setup();
	...
 }

@ unsetup @
@@
 vmx_hardware_unsetup(...)
 {
	kvm_set_posted_intr_wakeup_handler(NULL);
+	vmx_tags_unsetup();
	...
 }

@ alloc @
identifier vpid;
@@
 int allocate_vpid(void)
 {
-	int vpid;
-
	if (!enable_vpid)
		return 0;
-	spin_lock(&vmx_vpid_lock);
-	...
+	return vmx_tags_alloc();
 }

@ free @
identifier vpid;
@@
 void free_vpid(int vpid)
 {
	if (!enable_vpid || vpid == 0)
		return;
-	spin_lock(&vmx_vpid_lock);
-	...
+	vmx_tags_free(vpid);
 }
