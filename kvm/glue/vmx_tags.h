/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmx_tags: the library's pool in kvm-intel.ko, for VPIDs.
 *
 * Only who gets which VPID; what is flushed when is still KVM's.
 */
#ifndef VMX_TAGS_H
#define VMX_TAGS_H

void vmx_tags_setup(void);
void vmx_tags_unsetup(void);
int vmx_tags_alloc(void);
void vmx_tags_free(int vpid);

#endif
