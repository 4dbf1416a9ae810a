/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * offset: where KVM's structures have the members that probes fetch.
 *
 * From the type information (BTF) that the running kernel and its modules carry,
 * or from a file as kvm/rig/offsets writes it, whose word counts for more. An
 * offset that neither has is unknown, and so is what would be fetched with it.
 */
#ifndef TLBTAG_CLI_OFFSET_H
#define TLBTAG_CLI_OFFSET_H

#include <stddef.h>
#include <stdint.h>

/*
 * OFFSET(name, structure, path of members); a member that was renamed has both
 * names.
 */
#define OFFSET_TABLE(OFFSET) \
	OFFSET(CPU, "kvm_vcpu", "cpu") \
	OFFSET(VCPU_ID, "kvm_vcpu", "vcpu_id") \
	OFFSET(RCX, "kvm_vcpu", "arch.regs") \
	OFFSET(HFLAGS, "kvm_vcpu", "arch.hflags") \
	OFFSET(VMCB, "vcpu_svm", "vmcb") \
	OFFSET(CURRENT_VMCB, "vcpu_svm", "current_vmcb") \
	OFFSET(GENERATION, "kvm_vmcb_info", "asid_generation") \
	OFFSET(ASID12, "vcpu_svm", "nested.ctl.asid") \
	OFFSET(TLB_CTL12, "vcpu_svm", "nested.ctl.tlb_ctl") \
	OFFSET(NESTED_CTL12, "vcpu_svm", "nested.ctl.nested_ctl|misc_ctl") \
	OFFSET(NCR3_12, "vcpu_svm", "nested.ctl.nested_cr3")

enum offset {
#define OFFSET_ENUM(name, structure, path) OFFSET_##name,
	OFFSET_TABLE(OFFSET_ENUM)
#undef OFFSET_ENUM
	OFFSETS
};

enum offset_source {
	OFFSET_UNKNOWN,
	OFFSET_BTF,
	OFFSET_FILE,
};

struct offsets {
	uint32_t at[OFFSETS];
	enum offset_source source[OFFSETS];
};

/* The offset of that name, the first size bytes of it; OFFSETS: none is called so. */
enum offset offset_find(const char *name, size_t size);
const char *offset_name(enum offset offset);

/*
 * Fill in what is not known yet. module is "kvm_amd" or "kvm_intel", or NULL for
 * what is built into the kernel. Returns 0, or -1 with the reason in error.
 */
int offsets_from_btf(struct offsets *offsets, const char *directory, const char *module,
		     char *error, size_t size);

/* On Intel: those in the structures of AMD's KVM, which a file may well have. */
void offsets_forget_amd(struct offsets *offsets);

/* Lines OFF_NAME=NUMBER; names that nobody asks for are skipped. */
int offsets_from_file(struct offsets *offsets, const char *path, char *error, size_t size);

#endif
