/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * svm: plans as VMCB fields.
 */
#include <tlbtag/svm.h>

static uint8_t tlb_control_of(enum tlbtag_flush flush)
{
	switch (flush) {
	case TLBTAG_FLUSH_NONE:
		return TLBTAG_TLB_CONTROL_NOTHING;
	case TLBTAG_FLUSH_NONGLOBAL:
		return TLBTAG_TLB_CONTROL_ASID_NONGLOBAL;
	case TLBTAG_FLUSH_TAG:
		return TLBTAG_TLB_CONTROL_ASID;
	case TLBTAG_FLUSH_ALL:
		return TLBTAG_TLB_CONTROL_ALL;
	}
	return TLBTAG_TLB_CONTROL_ALL;
}

void tlbtag_svm_prepare(struct tlbtag_svm_vmcb *vmcb, const struct tlbtag_plan *plan)
{
	vmcb->asid = plan->tag;
	/* Read from memory at every VMRUN, so it needs no clean bit (MACHINE 2.2). */
	vmcb->tlb_control = tlb_control_of(plan->flush);
	if (plan->dirty & TLBTAG_DIRTY_ALL)
		vmcb->clean = 0;
	else if (plan->dirty & TLBTAG_DIRTY_TAG)
		vmcb->clean &= ~TLBTAG_SVM_CLEAN_ASID;
}
TLBTAG_EXPORT(tlbtag_svm_prepare);

void tlbtag_svm_complete(struct tlbtag_svm_vmcb *vmcb, bool entered)
{
	if (entered)
		vmcb->tlb_control = TLBTAG_TLB_CONTROL_NOTHING;
}
TLBTAG_EXPORT(tlbtag_svm_complete);

uint32_t tlbtag_svm_guest_asids(const struct tlbtag_hw *hw)
{
	return hw->nr_tags < TLBTAG_SVM_GUEST_ASIDS_MAX ? hw->nr_tags :
							  TLBTAG_SVM_GUEST_ASIDS_MAX;
}
TLBTAG_EXPORT(tlbtag_svm_guest_asids);
