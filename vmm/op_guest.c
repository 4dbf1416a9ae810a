/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What every guest does, L1 or L2: accesses, edits of its own tables, flushes.
 */
#include "op.h"

/* --- guests: accesses --- */

bool vmm_op_read(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);

	if (!vcpu->in_guest)
		return false;
	vmm_access(vmm, vcpu, args[2], MACHINE_READ);
	return true;
}

bool vmm_op_write(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);

	if (!vcpu->in_guest)
		return false;
	vmm_access(vmm, vcpu, args[2], MACHINE_WRITE);
	return true;
}

bool vmm_op_touch(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);

	if (!vcpu->in_guest)
		return false;
	for (uint32_t page = 0; page < VMM_PAGES; page++) {
		if (!vmm_access(vmm, vcpu, page, MACHINE_READ))
			break;
	}
	return true;
}

/* --- guests: their own flushes --- */

void vmm_guest_pge(struct machine *machine, uint32_t cpu)
{
	uint64_t cr4 = machine_registers(machine, cpu)->cr4;

	machine_mov_cr4(machine, cpu, cr4 & ~MACHINE_CR4_PGE);
	machine_mov_cr4(machine, cpu, cr4);
}

static uint16_t pcid_of(const struct machine *machine, uint32_t cpu)
{
	const struct machine_registers *registers = machine_registers(machine, cpu);

	return registers->cr4 & MACHINE_CR4_PCIDE ? registers->cr3 & MACHINE_CR3_PCID : 0;
}

static void guest_flush(struct machine *machine, uint32_t cpu, enum how how, uint32_t page)
{
	switch (how) {
	case HOW_INVLPG:
	case HOW_INVLPG_L0:
		machine_invlpg(machine, cpu, (uint64_t)page << MACHINE_PAGE_SHIFT);
		break;
	case HOW_CR3:
	case HOW_CR3_L0:
		machine_mov_cr3(machine, cpu, machine_registers(machine, cpu)->cr3);
		break;
	case HOW_PGE_L0:
		vmm_guest_pge(machine, cpu);
		break;
	case HOW_INVPCID:
		machine_invpcid(machine, cpu, 0, pcid_of(machine, cpu),
				(uint64_t)page << MACHINE_PAGE_SHIFT);
		break;
	case HOW_INVPCID_ALL:
		machine_invpcid(machine, cpu, 2, 0, 0);
		break;
	case HOW_NOT:
	case HOWS:
		break;
	}
}

/*
 * INVLPG drops all upper levels, INVLPGA those on its path: where the hardware
 * walks the guest's own tables, it would not do.
 */
void vmm_l0_invlpg(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t cpu, uint32_t page)
{
	if (vmm->config.l0_nested_paging) {
		vmm_flush_active(vmm, vcpu, TLBTAG_FLUSH_TAG);
		return;
	}
	vmm_mmu_sync_page(vmm, vcpu, page);
	vmm_invalidate(vmm, vcpu, cpu, (uint64_t)page << MACHINE_PAGE_SHIFT);
}

/* Intercepted: the vCPU exits, L0 does what the instruction would have done. */
static void l0_flush(struct vmm *vmm, struct vmm_vcpu *vcpu, enum how how, uint32_t page)
{
	uint32_t cpu = vcpu->cpu;

	vmm_exit(vmm, vcpu);
	if (how == HOW_INVLPG || how == HOW_INVLPG_L0 || how == HOW_INVPCID)
		vmm_l0_invlpg(vmm, vcpu, cpu, page);
	else if (how == HOW_CR3 || how == HOW_CR3_L0)
		vmm_flush_active(vmm, vcpu, TLBTAG_FLUSH_NONGLOBAL);
	else
		vmm_flush_active(vmm, vcpu, TLBTAG_FLUSH_TAG);
	vmm_enter(vmm, vcpu, cpu, false);
}

static void flush_own(struct vmm *vmm, struct vmm_vcpu *vcpu, enum how how, uint32_t page)
{
	bool intercepted = (how >= HOW_INVLPG_L0 && how <= HOW_PGE_L0) ||
			   !vmm->config.l0_nested_paging;

	if (how == HOW_NOT)
		return;
	guest_flush(reference_of(vmm, vcpu), vcpu->nr, how, page);
	if (intercepted)
		l0_flush(vmm, vcpu, how, page);
	else
		guest_flush(vmm->machine, vcpu->cpu, how, page);
}

bool vmm_op_flush(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);

	if (!vcpu->in_guest || args[3] == HOW_NOT)
		return false;
	flush_own(vmm, vcpu, (enum how)args[3], args[2]);
	return true;
}

/* --- guests: MOV CR3 --- */

static uint64_t cr3_value(const struct vmm *vmm, const struct vmm_vcpu *vcpu,
			  const uint8_t *args)
{
	uint64_t root = GFN_L1_ROOT(args[2]);
	uint64_t keep = args[4] && vmm->config.pcid ? MACHINE_CR3_NOFLUSH : 0;

	if (vcpu->in_l2)
		root = vmm->config.l1_nested_paging ? N2FN_ROOT : GFN_L2_ROOT;
	return root << MACHINE_PAGE_SHIFT | args[3] | keep;
}

/* L1 has two tables, and every guest two PCIDs if it has any. */
bool vmm_op_cr3(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);
	uint64_t value = cr3_value(vmm, vcpu, args);
	uint32_t cpu = vcpu->cpu;

	if (!vcpu->in_guest)
		return false;
	if (!vcpu->in_l2)
		vcpu->l1_table = args[2];
	machine_mov_cr3(reference_of(vmm, vcpu), vcpu->nr, value);
	if (vmm->config.l0_nested_paging) {
		machine_mov_cr3(vmm->machine, vcpu->cpu, value);
		return true;
	}
	/* Intercepted, and the next root is loaded before the entry. */
	vmm_exit(vmm, vcpu);
	vmm_flush_active(vmm, vcpu, TLBTAG_FLUSH_NONGLOBAL);
	vmm_enter(vmm, vcpu, cpu, false);
	return true;
}

/* --- guests: their own tables --- */

uint64_t vmm_target_entry(const struct vmm *vmm, bool in_l2, uint32_t target)
{
	static const uint64_t rights[] = { ENTRY, ENTRY | MACHINE_G, ENTRY & ~MACHINE_RW };
	uint64_t page;

	if (target == 0)
		return 0;
	page = (target - 1) % GFN_DATA_COUNT;
	if (in_l2 && vmm->config.l1_nested_paging)
		page = N2FN_DATA + page % 2;
	else
		page += GFN_DATA;
	return page << MACHINE_PAGE_SHIFT | rights[(target - 1) / GFN_DATA_COUNT];
}

static uint32_t leaf_of(const struct vmm_vcpu *vcpu)
{
	return vcpu->in_l2 ? GFN_L2_LEAF : GFN_L1_LEAF(vcpu->l1_table);
}

static uint32_t root_of(const struct vmm_vcpu *vcpu)
{
	return vcpu->in_l2 ? GFN_L2_ROOT : GFN_L1_ROOT(vcpu->l1_table);
}

bool vmm_set_word(struct vmm *vmm, struct vmm_vm *vm, uint32_t gfn, uint32_t word,
		  uint64_t value)
{
	if (vm->memory[gfn][word] == value)
		return false;
	vmm_guest_write(vmm, vm, gfn, word, value);
	return true;
}

/* A leaf entry of the table that the active level runs on, then perhaps a flush. */
bool vmm_op_map(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);

	if (!vcpu->in_guest)
		return false;
	if (!vmm_set_word(vmm, vm_at(vmm, args), leaf_of(vcpu), args[2] % 2,
		      vmm_target_entry(vmm, vcpu->in_l2, args[3])))
		return false;
	flush_own(vmm, vcpu, (enum how)args[4], args[2]);
	return true;
}

uint64_t vmm_table_entry(uint32_t leaf, uint32_t spare, uint32_t which)
{
	const uint64_t page[TABLES_OF] = { 0, leaf, spare, spare + 1 };

	return which ? page[which] << MACHINE_PAGE_SHIFT | ENTRY : 0;
}

/* An upper entry: another table, or none. */
bool vmm_op_link(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);
	bool nested = vcpu->in_l2 && vmm->config.l1_nested_paging;
	uint32_t leaf = nested ? N2FN_LEAF : leaf_of(vcpu);
	uint32_t spare = nested ? N2FN_DATA : GFN_SPARE;

	if (!vcpu->in_guest)
		return false;
	if (!vmm_set_word(vmm, vm_at(vmm, args), root_of(vcpu), args[2],
		      vmm_table_entry(leaf, spare, args[3])))
		return false;
	flush_own(vmm, vcpu, (enum how)args[4], 2u * args[2]);
	return true;
}

/* A page that is a table for some, or was one, gets new contents. */
bool vmm_op_store(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);

	if (!vcpu->in_guest)
		return false;
	return vmm_set_word(vmm, vm_at(vmm, args), GFN_SPARE + args[2], args[3],
			vmm_target_entry(vmm, vcpu->in_l2, args[4]));
}
