/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * svm: an entry plan in the words of a VMCB, and the ASID count for guests.
 */
#ifndef TLBTAG_SVM_H
#define TLBTAG_SVM_H

#include <tlbtag/hw.h>
#include <tlbtag/plan.h>

TLBTAG_BEGIN_DECLS

/* VMCB TLB_CONTROL, offset 05Ch bits 7:0 (APM2 15.16.1, appendix B) */
#define TLBTAG_TLB_CONTROL_NOTHING 0u
#define TLBTAG_TLB_CONTROL_ALL 1u
#define TLBTAG_TLB_CONTROL_ASID 3u
#define TLBTAG_TLB_CONTROL_ASID_NONGLOBAL 7u

/* VMCB clean bit of the ASID (APM2 15.15.3) */
#define TLBTAG_SVM_CLEAN_ASID (1u << 2)

/**
 * struct tlbtag_svm_vmcb - the fields of a VMCB's control area that tags need
 * @asid: offset 058h
 * @tlb_control: offset 05Ch
 * @clean: offset 0C0h, a 1 lets the processor use its cached copy
 */
struct tlbtag_svm_vmcb {
	uint32_t asid;
	uint8_t tlb_control;
	uint32_t clean;
};

/**
 * tlbtag_svm_prepare() - write a plan into the fields, before VMRUN
 * @vmcb: the fields; @clean is only ever reduced
 * @plan: from tlbtag_vcpu_plan()
 *
 * Context: any.
 * Source: SPEC B.2, B.4.
 */
void tlbtag_svm_prepare(struct tlbtag_svm_vmcb *vmcb, const struct tlbtag_plan *plan);

/**
 * tlbtag_svm_complete() - after VMRUN
 * @vmcb: the fields
 * @entered: the hardware took the entry; false for VMEXIT_INVALID
 *
 * TLB_CONTROL is sticky in the VMCB, so it is cleared here, but only if the
 * flush has happened.
 *
 * Context: any.
 * Source: SPEC B.2, KVM.md 4.8.
 */
void tlbtag_svm_complete(struct tlbtag_svm_vmcb *vmcb, bool entered);

/* Shown to guests at most: more than any processor reports today. */
#define TLBTAG_SVM_GUEST_ASIDS_MAX 65536u

/**
 * tlbtag_svm_guest_asids() - CPUID 8000_000A.EBX for a guest
 * @hw: the machine
 *
 * The machine's real number. A hypervisor in the guest starts a new round of
 * ASIDs, and has to flush all of them, once per that many; KVM's 8 makes that
 * every seventh allocation. No number is incorrect, as the library never loads
 * a guest's ASID into hardware, but values that no processor has are kept from
 * guests: TLBTAG_SVM_GUEST_ASIDS_MAX bounds it.
 *
 * Context: any.
 * Return: 2 .. TLBTAG_SVM_GUEST_ASIDS_MAX.
 * Source: SPEC D.
 */
uint32_t tlbtag_svm_guest_asids(const struct tlbtag_hw *hw);

TLBTAG_END_DECLS

#endif
