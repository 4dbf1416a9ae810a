/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The catalogue of operations, and what their files share.
 *
 * Each operation is a function vmm_op_NAME(): it either does something or changes
 * nothing at all and answers false. Guests act only in guest mode; L0 may act at
 * any time.
 */
#ifndef VMM_OP_H
#define VMM_OP_H

#include "inside.h"

/* --- arguments --- */

/* What an argument is; arguments of one kind have one name. */
enum argument {
	NOTHING = 0,
	VM,
	VCPU,
	OTHER,
	CPU,
	PAGE,
	TARGET,
	HOW,
	ASID,
	VPID,
	TYPE,
	ROOT,
	CONTROL,
	GFN,
	BY,
	SLOT,
	N2FN,
	FRAME_OF,
	ENTRY_OF,
	TABLE_OF,
	TABLE,
	PCID,
	KEEP,
};

/* How a guest flushes after it changed a table. */
enum how {
	HOW_NOT = 0,
	HOW_INVLPG = 1,
	HOW_CR3 = 2,
	/* the same, but L0 intercepts */
	HOW_INVLPG_L0 = 3,
	HOW_CR3_L0 = 4,
	HOW_PGE_L0 = 5,
	HOW_INVPCID = 6,
	HOW_INVPCID_ALL = 7,
	HOWS = 8,
};

/* What L1 writes into TLB_CONTROL, by the operation's argument: mostly nothing. */
#define CONTROLS 7u
/* A data page or nothing; read-write, global, read-only. */
#define TARGETS (1 + 3 * GFN_DATA_COUNT)
/* Nothing, or what L1 may give to L2: data, L2's tables, spare pages; read-only. */
#define FRAMES_OF (1 + 2 * 8)
/* What an upper entry may name: nothing, the leaf, or one of the spare pages. */
#define TABLES_OF 4u
/* L1's VPIDs: 0 is "no VPID", the last is the control on with VPID 0. */
#define VPIDS (2 + VMM_ASIDS)
#define VPID_INVALID (1 + VMM_ASIDS)
/* Types of INVVPID and INVEPT, and one that there is not. */
#define TYPES 5u

static inline struct vmm_vm *vm_at(struct vmm *vmm, const uint8_t *args)
{
	return &vmm->vm[args[0]];
}

static inline struct vmm_vcpu *vcpu_at(struct vmm *vmm, const uint8_t *args)
{
	return &vmm->vm[args[0]].vcpu[args[1]];
}

static inline bool is_running_l1(const struct vmm_vcpu *vcpu)
{
	return vcpu->in_guest && !vcpu->in_l2;
}

/* May it execute VMRUN, INVEPT and the like? */
static inline bool is_running_hypervisor(const struct vmm_vcpu *vcpu)
{
	return is_running_l1(vcpu) && vcpu->svme;
}

static inline struct machine *reference_of(struct vmm *vmm, const struct vmm_vcpu *vcpu)
{
	return vmm_vm_of(vmm, vcpu)->reference;
}

/* --- op_guest.c */

/* An entry of a guest's own table that names a data page, or nothing. */
uint64_t vmm_target_entry(const struct vmm *vmm, bool in_l2, uint32_t target);
/* An upper entry: nothing, the leaf, or one of two spare pages. */
uint64_t vmm_table_entry(uint32_t leaf, uint32_t spare, uint32_t which);
/* Return: false if it says that already. */
bool vmm_set_word(struct vmm *vmm, struct vmm_vm *vm, uint32_t gfn, uint32_t word,
		  uint64_t value);
/* CR4.PGE off and on: everything of the current context goes. */
void vmm_guest_pge(struct machine *machine, uint32_t cpu);
/* L0 does an INVLPG that it intercepted. */
void vmm_l0_invlpg(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t cpu, uint32_t page);

/* --- op_nested.c */

/* What becomes of a nested entry. */
enum run {
	RUN_WELL = 0,
	RUN_INTERRUPTED = 1,
	RUN_FAILS = 2,
};

/* L0's part of a nested entry, and what comes of it; the reference is in L2 already. */
void vmm_run_l2(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t cpu, enum run run);

/* --- op_svm.c, op_vmx.c */

/* L0's part of a nested entry, or of restoring a vCPU inside L2. */
void vmm_svm_start_l2(struct vmm *vmm, struct vmm_vcpu *vcpu);
void vmm_vmx_start_l2(struct vmm *vmm, struct vmm_vcpu *vcpu);
/* L1 invalidates a page of an L2: INVLPGA, INVVPID of type 0. */
void vmm_svm_invalidate_l2(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t page,
			   uint32_t asid);
void vmm_vmx_invalidate_l2(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t page,
			   uint32_t vpid);

/* --- the catalogue --- */

/* X(function, name, about, vendor, weight, five arguments) */
#define VMM_OPS(X)										\
	X(enter, "enter", "the vCPU's run loop enters it on a CPU", EITHER, 40,			\
	  VM, VCPU, CPU, NOTHING, NOTHING)							\
	X(exit, "exit", "an interrupt: the vCPU leaves guest mode", EITHER, 4,			\
	  VM, VCPU, NOTHING, NOTHING, NOTHING)							\
	X(enter_fails, "enter-fails", "the hardware refuses the entry", EITHER, 2,		\
	  VM, VCPU, CPU, NOTHING, NOTHING)							\
	X(read, "read", "the guest reads a page", EITHER, 12,					\
	  VM, VCPU, PAGE, NOTHING, NOTHING)							\
	X(write, "write", "the guest writes to a page", EITHER, 10,				\
	  VM, VCPU, PAGE, NOTHING, NOTHING)							\
	X(touch, "touch", "the guest reads all its pages", EITHER, 24,				\
	  VM, VCPU, NOTHING, NOTHING, NOTHING)							\
	X(map, "map", "the guest changes a page's entry, then perhaps flushes", EITHER, 40,	\
	  VM, VCPU, PAGE, TARGET, HOW)								\
	X(link, "link", "the guest changes an upper entry, then perhaps flushes", EITHER, 6,	\
	  VM, VCPU, ENTRY_OF, TABLE_OF, HOW)							\
	X(store, "store", "the guest writes an entry into a spare page", EITHER, 4,		\
	  VM, VCPU, ENTRY_OF, PAGE, TARGET)							\
	X(flush, "flush", "the guest flushes a page or everything", EITHER, 10,			\
	  VM, VCPU, PAGE, HOW, NOTHING)								\
	X(vmrun, "vmrun", "L1 runs L2", AMD, 40,						\
	  VM, VCPU, ASID, ROOT, CONTROL)							\
	X(vmrun_interrupted, "vmrun-interrupted", "L1 runs L2, which exits before it ran", AMD, 3,\
	  VM, VCPU, ASID, ROOT, CONTROL)							\
	X(vmlaunch, "vmlaunch", "L1 runs L2", INTEL, 40,					\
	  VM, VCPU, VPID, ROOT, NOTHING)							\
	X(vmlaunch_interrupted, "vmlaunch-interrupted",						\
	  "L1 runs L2, which exits before it ran", INTEL, 3,					\
	  VM, VCPU, VPID, ROOT, NOTHING)							\
	X(invvpid, "invvpid", "L1 executes INVVPID", INTEL, 10,					\
	  VM, VCPU, PAGE, VPID, TYPE)								\
	X(invept, "invept", "L1 executes INVEPT", INTEL, 14,					\
	  VM, VCPU, ROOT, TYPE, NOTHING)							\
	X(vmrun_fails, "vmrun-fails", "L1 runs L2, and the hardware refuses the entry", AMD, 3,	\
	  VM, VCPU, ASID, ROOT, CONTROL)							\
	X(vmlaunch_fails, "vmlaunch-fails",							\
	  "L1 runs L2, and the hardware refuses the entry", INTEL, 3,				\
	  VM, VCPU, VPID, ROOT, NOTHING)							\
	X(vmexit, "vmexit", "L2 exits to L1", EITHER, 20,					\
	  VM, VCPU, NOTHING, NOTHING, NOTHING)							\
	X(leave, "leave", "L2 is left while the vCPU does not run", EITHER, 3,			\
	  VM, VCPU, NOTHING, NOTHING, NOTHING)							\
	X(nested_map, "nested-map", "L1 changes what L2's memory is", EITHER, 24,		\
	  VM, VCPU, ROOT, N2FN, FRAME_OF)							\
	X(nested_link, "nested-link", "L1 changes an upper nested entry", EITHER, 4,		\
	  VM, VCPU, ROOT, TABLE_OF, NOTHING)							\
	X(invlpga, "invlpga", "L1 invalidates an address of an ASID", AMD, 10,			\
	  VM, VCPU, PAGE, ASID, NOTHING)							\
	X(l2_map, "l2-map", "L1 changes an entry of L2's table, then drops it", EITHER, 30,	\
	  VM, VCPU, PAGE, TARGET, ASID)								\
	X(svme_off, "svme-off", "L1 switches nesting off", EITHER, 2,				\
	  VM, VCPU, NOTHING, NOTHING, NOTHING)							\
	X(svme_on, "svme-on", "L1 switches nesting on", EITHER, 8,				\
	  VM, VCPU, NOTHING, NOTHING, NOTHING)							\
	X(pv_flush, "pv-flush", "L1 asks L0 to flush a vCPU", EITHER, 6,			\
	  VM, VCPU, OTHER, NOTHING, NOTHING)							\
	X(pv_map, "pv-map", "L1 changes another vCPU's table, then asks for a flush", EITHER, 10,\
	  VM, VCPU, OTHER, PAGE, TARGET)							\
	X(hv_flush, "hv-flush", "a guest asks L0 to drop an address of a vCPU", EITHER, 6,	\
	  VM, VCPU, OTHER, PAGE, NOTHING)							\
	X(hv_map, "hv-map", "a guest changes a table, then asks a vCPU to drop it", EITHER, 10,	\
	  VM, VCPU, OTHER, PAGE, TARGET)							\
	X(cr3, "cr3", "the guest loads CR3", EITHER, 8,						\
	  VM, VCPU, TABLE, PCID, KEEP)								\
	X(reset, "reset", "INIT: the vCPU starts anew", EITHER, 2,				\
	  VM, VCPU, NOTHING, NOTHING, NOTHING)							\
	X(set_sregs, "set-sregs", "user space writes CR3 while the vCPU does not run", EITHER, 4, \
	  VM, VCPU, NOTHING, NOTHING, NOTHING)							\
	X(restore, "restore", "the vCPU is saved and restored elsewhere", EITHER, 2,		\
	  VM, VCPU, NOTHING, NOTHING, NOTHING)							\
	X(retag, "retag", "contexts without a tag of their own look for one", EITHER, 2,	\
	  VM, VCPU, NOTHING, NOTHING, NOTHING)							\
	X(unmap, "unmap", "L0 takes a page of a guest away", EITHER, 12,			\
	  VM, GFN, BY, NOTHING, NOTHING)							\
	X(migrate, "migrate", "L0 moves a page of a guest to another frame", EITHER, 8,		\
	  VM, GFN, BY, NOTHING, NOTHING)							\
	X(protect, "protect", "L0 takes the right to write away", EITHER, 8,			\
	  VM, GFN, BY, NOTHING, NOTHING)							\
	X(unmap_range, "unmap-range", "L0 takes a range away, and its table", EITHER, 4,	\
	  VM, SLOT, BY, NOTHING, NOTHING)							\
	X(shrink, "shrink", "L0 drops a vCPU's shadow tables", EITHER, 3,			\
	  VM, VCPU, NOTHING, NOTHING, NOTHING)							\
	X(vcpu_down, "vcpu-down", "a vCPU is destroyed", EITHER, 2,				\
	  VM, VCPU, NOTHING, NOTHING, NOTHING)							\
	X(vcpu_up, "vcpu-up", "a vCPU is made", EITHER, 8,					\
	  VM, VCPU, NOTHING, NOTHING, NOTHING)							\
	X(vm_down, "vm-down", "a VM is destroyed", EITHER, 1,					\
	  VM, NOTHING, NOTHING, NOTHING, NOTHING)						\
	X(vm_up, "vm-up", "a VM is made", EITHER, 8,						\
	  VM, NOTHING, NOTHING, NOTHING, NOTHING)						\
	X(cpu_off, "cpu-off", "a CPU goes offline", EITHER, 1,					\
	  CPU, NOTHING, NOTHING, NOTHING, NOTHING)						\
	X(cpu_on, "cpu-on", "it comes back, others used it meanwhile", EITHER, 8,		\
	  CPU, NOTHING, NOTHING, NOTHING, NOTHING)

#define VMM_OP_DECLARE(function, name, about, vendor, weight, a, b, c, d, e) \
	bool vmm_op_##function(struct vmm *vmm, const uint8_t *args);
VMM_OPS(VMM_OP_DECLARE)
#undef VMM_OP_DECLARE

#endif
