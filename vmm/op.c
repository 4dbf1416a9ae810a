/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The operations: what a story is made of.
 *
 * Each one either does something or changes nothing at all and answers false.
 * Guests act only in guest mode; L0 may act at any time.
 */
#include "inside.h"

#include <stdlib.h>
#include <string.h>

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
	ROOT,
	CONTROL,
	GFN,
	BY,
	SLOT,
	N2FN,
	FRAME_OF,
	ENTRY_OF,
	TABLE_OF,
};

/* Their names, for the table at the end. */
#define NAME_NOTHING NULL
#define NAME_VM "vm"
#define NAME_VCPU "vcpu"
#define NAME_OTHER "other"
#define NAME_CPU "cpu"
#define NAME_PAGE "page"
#define NAME_TARGET "target"
#define NAME_HOW "flush"
#define NAME_ASID "asid"
#define NAME_ROOT "root"
#define NAME_CONTROL "control"
#define NAME_GFN "gfn"
#define NAME_BY "by"
#define NAME_SLOT "slot"
#define NAME_N2FN "n2fn"
#define NAME_FRAME_OF "to"
#define NAME_ENTRY_OF "entry"
#define NAME_TABLE_OF "table"

/* How a guest flushes after it changed a table. */
enum how {
	HOW_NOT = 0,
	HOW_INVLPG = 1,
	HOW_CR3 = 2,
	/* the same, but L0 intercepts */
	HOW_INVLPG_L0 = 3,
	HOW_CR3_L0 = 4,
	HOW_PGE_L0 = 5,
	HOWS = 6,
};

/* What L1 writes into TLB_CONTROL, mostly nothing. */
static const uint8_t controls[] = { 0, 1, 3, 7, 2, 0, 0 };

#define CONTROLS (sizeof(controls) / sizeof(controls[0]))
/* A data page or nothing; read-write, global, read-only. */
#define TARGETS (1 + 3 * GFN_DATA_COUNT)
/* Nothing, or what L1 may give to L2: data, L2's tables, spare pages; read-only. */
#define FRAMES_OF (1 + 2 * 8)
/* What an upper entry may name: nothing, the leaf, or one of the spare pages. */
#define TABLES_OF 4u

/* --- who --- */

static struct vmm_vm *vm_at(struct vmm *vmm, const uint8_t *args)
{
	return &vmm->vm[args[0]];
}

static struct vmm_vcpu *vcpu_at(struct vmm *vmm, const uint8_t *args)
{
	return &vmm->vm[args[0]].vcpu[args[1]];
}

static bool is_running_l1(const struct vmm_vcpu *vcpu)
{
	return vcpu->in_guest && !vcpu->in_l2;
}

static struct machine *reference_of(struct vmm *vmm, const struct vmm_vcpu *vcpu)
{
	return vmm_vm_of(vmm, vcpu)->reference;
}

/* --- L0: running --- */

static bool op_enter(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);

	if (!vcpu->alive || !vmm->cpu[args[2]].online ||
	    (vcpu->in_guest && vcpu->cpu == args[2]))
		return false;
	vcpu->started_at = vmm->step;
	vmm_enter(vmm, vcpu, args[2], false);
	return true;
}

static bool op_exit(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);

	if (!vcpu->in_guest)
		return false;
	vmm_exit(vmm, vcpu);
	return true;
}

static bool op_enter_fails(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);

	if (!vcpu->alive || !vmm->cpu[args[2]].online)
		return false;
	vcpu->started_at = vmm->step;
	vmm_enter(vmm, vcpu, args[2], true);
	return true;
}

static bool op_cpu_off(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_cpu *cpu = &vmm->cpu[args[0]];

	if (!cpu->online)
		return false;
	if (cpu->running)
		vmm_exit(vmm, cpu->running);
	machine_offline(vmm->machine, args[0]);
	cpu->online = false;
	return true;
}

static bool op_cpu_on(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_cpu *cpu = &vmm->cpu[args[0]];

	if (cpu->online)
		return false;
	machine_online(vmm->machine, args[0]);
	machine_wrmsr_efer(vmm->machine, args[0], MACHINE_EFER_SVME);
	vmm_stranger_run(vmm, args[0]);
	cpu->online = true;
	/* The peers start anew, too: nobody owns anything here, all is flushed first. */
	cpu->generation++;
	cpu->next = vmm->config.tags + 1u;
	memset(cpu->last, 0, sizeof(cpu->last));
	if (!vmm_has_fault(vmm, FAULT_HOTPLUG))
		tlbtag_host_cpu_online(&vmm->host, (struct tlbtag_cpu){ args[0] });
	return true;
}

/* --- L0: coming and going --- */

static bool op_vcpu_down(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);

	if (!vcpu->alive)
		return false;
	vmm_vcpu_end(vmm, vcpu);
	return true;
}

static bool op_vcpu_up(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);

	if (vcpu->alive || !vm_at(vmm, args)->alive)
		return false;
	vmm_vcpu_start(vmm, vcpu);
	return true;
}

static bool op_vm_down(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vm *vm = vm_at(vmm, args);

	if (!vm->alive)
		return false;
	vmm_vm_end(vmm, vm);
	return true;
}

static bool op_vm_up(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vm *vm = vm_at(vmm, args);

	if (vm->alive)
		return false;
	vmm_vm_start(vmm, vm);
	return true;
}

static bool has_fallback(const struct vmm *vmm, const struct vmm_vcpu *vcpu)
{
	tlbtag_t fallback = tlbtag_pool_fallback(&vmm->pool);

	for (uint32_t i = 0; i < vcpu->tags.l2_count; i++) {
		if (vcpu->tags.l2[i].ctx.tag == fallback)
			return true;
	}
	return vcpu->tags.l1.tag == fallback;
}

static bool op_retag(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);

	/* The peers' contexts have no tags of the library's. */
	if (!vcpu->alive || !has_fallback(vmm, vcpu) || vmm->config.policy)
		return false;
	vmm_exit(vmm, vcpu);
	tlbtag_vcpu_retag(&vcpu->tags);
	return true;
}

/* --- L0: memory --- */

/* The thread that acts: a vCPU's own leaves guest mode for it. */
static struct vmm_vcpu *actor(struct vmm *vmm, struct vmm_vm *vm, uint8_t by)
{
	struct vmm_vcpu *vcpu = by ? &vm->vcpu[by - 1] : NULL;

	if (!vcpu || !vcpu->alive)
		return NULL;
	vmm_exit(vmm, vcpu);
	return vcpu;
}

/* Whoever ran goes on, because it was told too early. */
static void flush_first(struct vmm *vmm, struct vmm_vm *vm, struct vmm_vcpu *by)
{
	for (uint32_t i = 0; i < vmm->config.vcpus; i++) {
		struct vmm_vcpu *vcpu = &vm->vcpu[i];
		bool ran = vcpu->in_guest;

		if (!vcpu->alive)
			continue;
		vmm_ask_all(vmm, vcpu, TLBTAG_RULE_REMOTE_REQUEST);
		tlbtag_vcpu_flush(&vcpu->tags, TLBTAG_TARGET_BOTH, TLBTAG_FLUSH_TAG,
				  TLBTAG_WHY_ALL);
		vmm_exit(vmm, vcpu);
		if (ran && vcpu != by)
			vmm_enter(vmm, vcpu, vcpu->cpu, false);
	}
}

static void flush_after(struct vmm *vmm, struct vmm_vm *vm, struct vmm_vcpu *by)
{
	if (!vmm_has_fault(vmm, FAULT_FLUSH_FIRST))
		vmm_flush_vm(vmm, vm, by);
}

static bool op_unmap(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vm *vm = vm_at(vmm, args);
	uint16_t frame = vm->frame[args[1]];
	struct vmm_vcpu *by;

	if (!vm->alive || !frame)
		return false;
	by = actor(vmm, vm, args[2]);
	if (vmm_has_fault(vmm, FAULT_FLUSH_FIRST))
		flush_first(vmm, vm, by);
	vmm_mmu_unmap(vmm, vm, args[1]);
	flush_after(vmm, vm, by);
	vm->frame[args[1]] = 0;
	vmm_frame_give(vmm, frame);
	vmm->now++;
	return true;
}

static bool op_migrate(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vm *vm = vm_at(vmm, args);
	uint16_t old = vm->frame[args[1]];
	struct vmm_vcpu *by;
	uint16_t to;

	if (!vm->alive || !old)
		return false;
	by = actor(vmm, vm, args[2]);
	to = vmm_frame_take(vmm, FRAME_GUEST);
	if (vmm_has_fault(vmm, FAULT_FLUSH_FIRST))
		flush_first(vmm, vm, by);
	vmm_mmu_unmap(vmm, vm, args[1]);
	flush_after(vmm, vm, by);
	vmm->frames[to].vm = vm->nr;
	vmm->frames[to].gfn = args[1];
	vm->frame[args[1]] = to;
	for (uint32_t word = 0; word < VMM_WORDS; word++)
		machine_write(vmm->machine, ((uint64_t)to << MACHINE_PAGE_SHIFT) + 8 * word,
			      vm->memory[args[1]][word]);
	vmm_frame_give(vmm, old);
	vmm->now++;
	return true;
}

static bool op_protect(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vm *vm = vm_at(vmm, args);
	struct vmm_vcpu *by;

	if (!vm->alive || !vm->frame[args[1]] || !vm->writable[args[1]])
		return false;
	by = actor(vmm, vm, args[2]);
	vmm_mmu_protect(vmm, vm, args[1]);
	if (!vmm_has_fault(vmm, FAULT_WRITE_PROTECT))
		vmm_flush_vm(vmm, vm, by);
	vmm->now++;
	return true;
}

/* The first address of the range, under each context's tag, where it ran last. */
static void flush_first_page(struct vmm *vmm, struct vmm_vm *vm)
{
	for (uint32_t i = 0; i < vmm->config.vcpus; i++) {
		struct vmm_vcpu *vcpu = &vm->vcpu[i];

		if (!vcpu->alive)
			continue;
		vmm_exit(vmm, vcpu);
		if (vcpu->tags.l1.cpu < vmm->config.cpus)
			machine_invlpga(vmm->machine, vcpu->tags.l1.cpu, 0, vcpu->tags.l1.tag);
	}
}

/* A quarter of the guest's memory, and the table page that mapped it. */
static bool op_unmap_range(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vm *vm = vm_at(vmm, args);
	uint32_t first = 4u * args[1];
	struct vmm_vcpu *by;

	if (!vm->alive || !vm->npt.leaf[args[1]])
		return false;
	by = actor(vmm, vm, args[2]);
	if (vmm_has_fault(vmm, FAULT_FLUSH_FIRST))
		flush_first(vmm, vm, by);
	for (uint32_t gfn = first; gfn < first + 4; gfn++) {
		if (vm->frame[gfn])
			vmm_mmu_unmap(vmm, vm, gfn);
	}
	machine_write(vmm->machine,
		      ((uint64_t)vm->npt.root << MACHINE_PAGE_SHIFT) + 8 * args[1], 0);
	if (vmm_has_fault(vmm, FAULT_FLUSH_FIRST_PAGE))
		flush_first_page(vmm, vm);
	else
		flush_after(vmm, vm, by);
	for (uint32_t gfn = first; gfn < first + 4; gfn++) {
		vmm_frame_give(vmm, vm->frame[gfn]);
		vm->frame[gfn] = 0;
	}
	vmm_frame_give(vmm, vm->npt.leaf[args[1]]);
	vm->npt.leaf[args[1]] = 0;
	vmm->now++;
	return true;
}

static bool has_shadow(const struct vmm_vcpu *vcpu)
{
	for (uint32_t i = 0; i < VMM_ROOTS; i++) {
		if (vcpu->shadow[i].used)
			return true;
	}
	return false;
}

/* Memory is short: the vCPU's shadow tables go. */
static bool op_shrink(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);

	if (!vcpu->alive || !has_shadow(vcpu))
		return false;
	vmm_flush_vm(vmm, vm_at(vmm, args), NULL);
	vmm_mmu_drop_shadows(vmm, vcpu);
	vmm->now++;
	return true;
}

/* --- guests: accesses --- */

static bool op_read(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);

	if (!vcpu->in_guest)
		return false;
	vmm_access(vmm, vcpu, args[2], MACHINE_READ);
	return true;
}

static bool op_write(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);

	if (!vcpu->in_guest)
		return false;
	vmm_access(vmm, vcpu, args[2], MACHINE_WRITE);
	return true;
}

static bool op_touch(struct vmm *vmm, const uint8_t *args)
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

static void guest_pge(struct machine *machine, uint32_t cpu)
{
	uint64_t cr4 = machine_registers(machine, cpu)->cr4;

	machine_mov_cr4(machine, cpu, cr4 & ~MACHINE_CR4_PGE);
	machine_mov_cr4(machine, cpu, cr4);
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
		guest_pge(machine, cpu);
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
static void l0_invlpg(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t cpu, uint32_t page)
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
	if (how == HOW_INVLPG || how == HOW_INVLPG_L0)
		l0_invlpg(vmm, vcpu, cpu, page);
	else
		vmm_flush_active(vmm, vcpu,
				 how == HOW_PGE_L0 ? TLBTAG_FLUSH_TAG : TLBTAG_FLUSH_NONGLOBAL);
	vmm_enter(vmm, vcpu, cpu, false);
}

static void flush_own(struct vmm *vmm, struct vmm_vcpu *vcpu, enum how how, uint32_t page)
{
	bool intercepted = how >= HOW_INVLPG_L0 || !vmm->config.l0_nested_paging;

	if (how == HOW_NOT)
		return;
	guest_flush(reference_of(vmm, vcpu), vcpu->nr, how, page);
	if (intercepted)
		l0_flush(vmm, vcpu, how, page);
	else
		guest_flush(vmm->machine, vcpu->cpu, how, page);
}

static bool op_flush(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);

	if (!vcpu->in_guest || args[3] == HOW_NOT)
		return false;
	flush_own(vmm, vcpu, (enum how)args[3], args[2]);
	return true;
}

/* --- guests: their own tables --- */

static uint64_t target_entry(const struct vmm *vmm, bool in_l2, uint32_t target)
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
	return vcpu->in_l2 ? GFN_L2_LEAF : GFN_L1_LEAF(vcpu->nr % 2u);
}

static uint32_t root_of(const struct vmm_vcpu *vcpu)
{
	return vcpu->in_l2 ? GFN_L2_ROOT : GFN_L1_ROOT(vcpu->nr % 2u);
}

static bool set_word(struct vmm *vmm, struct vmm_vm *vm, uint32_t gfn, uint32_t word,
		     uint64_t value)
{
	if (vm->memory[gfn][word] == value)
		return false;
	vmm_guest_write(vmm, vm, gfn, word, value);
	return true;
}

/* A leaf entry of the table that the active level runs on, then perhaps a flush. */
static bool op_map(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);

	if (!vcpu->in_guest)
		return false;
	if (!set_word(vmm, vm_at(vmm, args), leaf_of(vcpu), args[2] % 2,
		      target_entry(vmm, vcpu->in_l2, args[3])))
		return false;
	flush_own(vmm, vcpu, (enum how)args[4], args[2]);
	return true;
}

static uint64_t table_entry(uint32_t leaf, uint32_t spare, uint32_t which)
{
	const uint64_t page[TABLES_OF] = { 0, leaf, spare, spare + 1 };

	return which ? page[which] << MACHINE_PAGE_SHIFT | ENTRY : 0;
}

/* An upper entry: another table, or none. */
static bool op_link(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);
	bool nested = vcpu->in_l2 && vmm->config.l1_nested_paging;
	uint32_t leaf = nested ? N2FN_LEAF : leaf_of(vcpu);
	uint32_t spare = nested ? N2FN_DATA : GFN_SPARE;

	if (!vcpu->in_guest)
		return false;
	if (!set_word(vmm, vm_at(vmm, args), root_of(vcpu), args[2],
		      table_entry(leaf, spare, args[3])))
		return false;
	flush_own(vmm, vcpu, (enum how)args[4], 2u * args[2]);
	return true;
}

/* A page that is a table for some, or was one, gets new contents. */
static bool op_store(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);

	if (!vcpu->in_guest)
		return false;
	return set_word(vmm, vm_at(vmm, args), GFN_SPARE + args[2], args[3],
			target_entry(vmm, vcpu->in_l2, args[4]));
}

/* --- L1: nested tables --- */

static uint64_t nested_entry(uint32_t which)
{
	static const uint64_t gfn[] = { 12, 13, 14, 15, GFN_L2_ROOT, GFN_L2_LEAF, GFN_SPARE,
					GFN_SPARE + 1 };

	if (which == 0)
		return 0;
	return gfn[(which - 1) % 8] << MACHINE_PAGE_SHIFT |
	       (which > 8 ? ENTRY & ~MACHINE_RW : ENTRY);
}

static bool op_nested_map(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);

	if (!is_running_l1(vcpu) || !vmm->config.l1_nested_paging)
		return false;
	return set_word(vmm, vm_at(vmm, args), GFN_NESTED_LEAF(args[2]), args[3],
			nested_entry(args[4]));
}

static bool op_nested_link(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);

	if (!is_running_l1(vcpu) || !vmm->config.l1_nested_paging)
		return false;
	return set_word(vmm, vm_at(vmm, args), GFN_NESTED_ROOT(args[2]), 0,
			table_entry(GFN_NESTED_LEAF(args[2]), GFN_SPARE, args[3]));
}

/* --- L1: running L2 --- */

static uint8_t distorted(const struct vmm *vmm, uint8_t control)
{
	if (vmm_has_fault(vmm, FAULT_CONTROL_IGNORED))
		return 0;
	if (vmm_has_fault(vmm, FAULT_CONTROL_ONE) && control == 1)
		return 3;
	return control;
}

static struct tlbtag_l2 *find_l2(struct vmm_vcpu *vcpu, uint32_t asid)
{
	for (uint32_t i = 0; i < vcpu->tags.l2_count; i++) {
		if (vcpu->tags.l2[i].asid12 == asid)
			return &vcpu->tags.l2[i];
	}
	return NULL;
}

/* L0's part of a VMRUN, or of restoring a vCPU inside L2. */
static void start_l2(struct vmm *vmm, struct vmm_vcpu *vcpu)
{
	struct tlbtag_vmcb12 vmcb12 = vcpu->vmcb12;
	struct tlbtag_l2 *l2 = find_l2(vcpu, vmcb12.asid);
	uint32_t work = 0;

	if (l2 && vmm_has_fault(vmm, FAULT_PENDING_RESET))
		l2->ctx.why = TLBTAG_WHY_NOTHING;
	vmcb12.tlb_control = distorted(vmm, vmcb12.tlb_control);
	tlbtag_nested_enter(&vcpu->tags, &vmcb12, &work);
	if (!l2 && vmm_has_fault(vmm, FAULT_SYNC_ASID) && !vmcb12.tlb_control)
		vcpu->tags.l2[vcpu->tags.active - 1].ctx.demand = 0;
	if (work & TLBTAG_WORK_SYNC)
		vcpu->sync_wanted = true;
	vcpu->in_l2 = true;
	vcpu->vmcb[1].registers = vmm_registers(vmm, vcpu, true);
	vcpu->vmcb[1].clean &= ~(MACHINE_VMCB_CLEAN_NP | MACHINE_VMCB_CLEAN_CR);
	vcpu->peer[0].flush |= !vmm_has_fault(vmm, FAULT_SHARED_LEVELS_ENTRY);
}

static void ask_for_control(struct vmm *vmm, struct vmm_vcpu *vcpu)
{
	if (vcpu->vmcb12.tlb_control == 1) {
		for (uint32_t i = 0; i < VMM_CONTEXTS; i++)
			vmm_ask(vmm, vcpu, i,
				i == 0 ? TLBTAG_RULE_L1_FLUSH_ALL_L1 :
					 TLBTAG_RULE_L1_FLUSH_ALL_L2);
	}
	if (vcpu->vmcb12.tlb_control)
		vmm_ask(vmm, vcpu, vcpu->vmcb12.asid, TLBTAG_RULE_L1_TLB_CONTROL);
}

/* VMRUN as L1's own hardware would execute it. */
static void reference_run(struct vmm *vmm, struct vmm_vcpu *vcpu)
{
	vcpu->l1_vmcb = (struct machine_vmcb){
		.address = 4096u + vcpu->vmcb12.asid,
		.owner = 16u + vcpu->vmcb12.asid,
		.ncr3 = (uint64_t)GFN_NESTED_ROOT(vcpu->nested_root) << MACHINE_PAGE_SHIFT,
		.registers = vmm_registers(vmm, vcpu, true),
		.asid = vcpu->vmcb12.asid,
		.tlb_control = vcpu->vmcb12.tlb_control,
		.np_enable = vcpu->vmcb12.nested_paging,
	};
	if (machine_svm_run(reference_of(vmm, vcpu), vcpu->nr, &vcpu->l1_vmcb))
		vmm_complain(vmm, VMM_BROKEN, vcpu, "the reference refuses VMRUN");
}

/* VMEXIT_INVALID: L1 goes on. */
static void refuse_vmrun(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t cpu)
{
	const struct tlbtag_vmcb12 vmcb12 = { .tlb_control = 1 };
	uint32_t work;

	if (tlbtag_nested_enter(&vcpu->tags, &vmcb12, &work) == 0)
		vmm_complain(vmm, VMM_BROKEN, vcpu, "a VMRUN with ASID 0 was accepted");
	vmm_enter(vmm, vcpu, cpu, false);
}

static bool vmrun(struct vmm *vmm, const uint8_t *args, bool interrupted)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);
	uint32_t cpu = vcpu->cpu;

	if (!is_running_l1(vcpu) || !vcpu->svme)
		return false;
	vmm_exit(vmm, vcpu);
	if (args[2] == 0) {
		refuse_vmrun(vmm, vcpu, cpu);
		return true;
	}
	vcpu->vmcb12 = (struct tlbtag_vmcb12){
		.asid = args[2],
		.tlb_control = controls[args[4]],
		.nested_paging = vmm->config.l1_nested_paging,
	};
	vcpu->nested_root = args[3];
	reference_run(vmm, vcpu);
	ask_for_control(vmm, vcpu);
	start_l2(vmm, vcpu);
	if (interrupted)
		vmm_nested_exit(vmm, vcpu);
	vmm_enter(vmm, vcpu, cpu, false);
	return true;
}

static bool op_vmrun(struct vmm *vmm, const uint8_t *args)
{
	return vmrun(vmm, args, false);
}

/* An intercepted event is pending: L2 is left before it has run. */
static bool op_vmrun_interrupted(struct vmm *vmm, const uint8_t *args)
{
	return vmrun(vmm, args, true);
}

static bool op_vmexit(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);
	uint32_t cpu = vcpu->cpu;

	if (!vcpu->in_guest || !vcpu->in_l2)
		return false;
	vmm_exit(vmm, vcpu);
	vmm_nested_exit(vmm, vcpu);
	vmm_enter(vmm, vcpu, cpu, false);
	return true;
}

/* L2 is left while the vCPU does not run: a triple fault, an event. */
static bool op_leave(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);

	if (!vcpu->alive || vcpu->in_guest || !vcpu->in_l2)
		return false;
	vmm_nested_exit(vmm, vcpu);
	if (vmm_has_fault(vmm, FAULT_SHARED_LEVELS_LEAVE))
		vcpu->peer[0].flush = false;
	return true;
}

/* --- L1: INVLPGA --- */

static void l0_invlpga(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t asid, uint64_t address)
{
	const struct tlbtag_cpu cpu = { vcpu->cpu };
	struct tlbtag_l2 *l2 = asid ? find_l2(vcpu, asid) : NULL;
	struct tlbtag_ctx before = l2 ? l2->ctx : vcpu->tags.l1;
	struct tlbtag_invlpga answer;
	bool here = before.cpu == cpu.nr;

	answer = tlbtag_nested_invlpga(&vcpu->tags, cpu, asid, true);
	if (answer.work & TLBTAG_WORK_DROP_ADDRESS)
		vmm_mmu_drop_page(vmm, vcpu, (uint32_t)(address >> MACHINE_PAGE_SHIFT));
	if (answer.as_invlpg)
		l0_invlpg(vmm, vcpu, cpu.nr, (uint32_t)(address >> MACHINE_PAGE_SHIFT));
	if (l2 && answer.action != TLBTAG_ADDRESS_NOTHING) {
		if (vmm_has_fault(vmm, FAULT_ADDRESS_LEVEL)) {
			l2->ctx = before;
			answer.action = TLBTAG_ADDRESS_NOW;
			answer.tag = vcpu->tags.l1.tag;
		}
		if (vmm_has_fault(vmm, FAULT_ADDRESS_PLACE) ||
		    (vmm_has_fault(vmm, FAULT_ADDRESS_ERRATUM) && here)) {
			l2->ctx = before;
			answer.action = TLBTAG_ADDRESS_NOW;
			answer.tag = before.tag;
		}
	}
	if (answer.action == TLBTAG_ADDRESS_NOW)
		machine_invlpga(vmm->machine, cpu.nr, address, answer.tag);
	if (answer.action == TLBTAG_ADDRESS_PENDING)
		vmm_ask(vmm, vcpu, asid, TLBTAG_RULE_INVLPGA_MATCH);
}

static void invlpga(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t page, uint32_t asid)
{
	uint64_t address = (uint64_t)page << MACHINE_PAGE_SHIFT;
	uint32_t cpu = vcpu->cpu;

	vmm_exit(vmm, vcpu);
	if (asid)
		machine_invlpga(reference_of(vmm, vcpu), vcpu->nr, address, asid);
	else
		machine_invlpg(reference_of(vmm, vcpu), vcpu->nr, address);
	l0_invlpga(vmm, vcpu, asid, address);
	vmm_enter(vmm, vcpu, cpu, false);
}

static bool op_invlpga(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);

	if (!is_running_l1(vcpu) || !vcpu->svme)
		return false;
	invlpga(vmm, vcpu, args[2], args[3]);
	return true;
}

/* L1 knows L2's tables: it changes an entry, and invalidates under an ASID. */
static bool op_l2_map(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);

	if (!is_running_l1(vcpu) || !vcpu->svme)
		return false;
	if (!set_word(vmm, vm_at(vmm, args), GFN_L2_LEAF, args[2] % 2,
		      target_entry(vmm, true, args[3])))
		return false;
	if (args[4])
		invlpga(vmm, vcpu, args[2], args[4]);
	return true;
}

/* --- L1: SVME, reset, saved state --- */

static void forget_l2_views(struct vmm_vcpu *vcpu)
{
	for (uint32_t i = 1; i < VMM_CONTEXTS; i++)
		vcpu->view[i].cpu = TLBTAG_CPU_NONE;
}

static void reference_svme(struct vmm *vmm, struct vmm_vcpu *vcpu, bool on)
{
	struct machine *reference = reference_of(vmm, vcpu);
	uint64_t efer = machine_registers(reference, vcpu->nr)->efer & ~MACHINE_EFER_SVME;

	machine_wrmsr_efer(reference, vcpu->nr, on ? efer | MACHINE_EFER_SVME : efer);
	vcpu->svme = on;
}

static bool op_svme_off(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);
	uint32_t cpu = vcpu->cpu;

	if (!is_running_l1(vcpu) || !vcpu->svme)
		return false;
	vmm_exit(vmm, vcpu);
	reference_svme(vmm, vcpu, false);
	tlbtag_nested_disable(&vcpu->tags);
	forget_l2_views(vcpu);
	vmm_enter(vmm, vcpu, cpu, false);
	return true;
}

/* Everything of the L2 contexts as it was, but for the tags. */
static void enable_with_memory(struct vmm *vmm, struct vmm_vcpu *vcpu)
{
	struct tlbtag_l2 before[TLBTAG_L2_MAX];

	memcpy(before, vcpu->tags.l2, sizeof(before));
	tlbtag_nested_enable(&vcpu->tags, vmm->config.contexts);
	for (uint32_t i = 0; i < vcpu->tags.l2_count; i++) {
		before[i].ctx.tag = vcpu->tags.l2[i].ctx.tag;
		before[i].ctx.shared = vcpu->tags.l2[i].ctx.shared;
		vcpu->tags.l2[i] = before[i];
	}
}

static bool op_svme_on(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);
	uint32_t cpu = vcpu->cpu;

	if (!is_running_l1(vcpu) || vcpu->svme)
		return false;
	vmm_exit(vmm, vcpu);
	reference_svme(vmm, vcpu, true);
	if (vmm_has_fault(vmm, FAULT_VPID02_KEPT))
		enable_with_memory(vmm, vcpu);
	else
		tlbtag_nested_enable(&vcpu->tags, vmm->config.contexts);
	if (vmm_has_fault(vmm, FAULT_FIRST_CPU_ZERO)) {
		for (uint32_t i = 0; i < vcpu->tags.l2_count; i++)
			vcpu->tags.l2[i].ctx.cpu = 0;
	}
	vmm_enter(vmm, vcpu, cpu, false);
	return true;
}

/* INIT, and user space puts L1 where it starts. EFER is cleared: no nesting. */
static bool op_reset(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);

	if (!vcpu->alive)
		return false;
	vmm_exit(vmm, vcpu);
	machine_init(reference_of(vmm, vcpu), vcpu->nr);
	vmm_reference_start(vmm, vcpu);
	reference_svme(vmm, vcpu, false);
	tlbtag_nested_disable(&vcpu->tags);
	tlbtag_vcpu_reset(&vcpu->tags);
	vcpu->in_l2 = false;
	vcpu->vmcb[0].registers = vmm_registers(vmm, vcpu, false);
	vcpu->vmcb[0].clean = 0;
	vmm_ask(vmm, vcpu, 0, TLBTAG_RULE_RESET);
	forget_l2_views(vcpu);
	return true;
}

/* The vCPU moves to another process: all that L1 can see is as before. */
static bool op_restore(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);

	if (!vcpu->alive)
		return false;
	vmm_exit(vmm, vcpu);
	vmm_vcpu_end_tags(vmm, vcpu);
	vmm_mmu_drop_shadows(vmm, vcpu);
	vmm_vcpu_start_tags(vmm, vcpu);
	if (vcpu->in_l2)
		start_l2(vmm, vcpu);
	return true;
}

/* --- L1: flushing another vCPU --- */

/* As if the other vCPU's L1 had flushed everything of its own. */
static void reference_pv(struct vmm *vmm, struct vmm_vcpu *vcpu)
{
	struct machine *reference = reference_of(vmm, vcpu);

	if (vcpu->in_l2)
		machine_svm_exit(reference, vcpu->nr, &vcpu->l1_vmcb);
	guest_pge(reference, vcpu->nr);
	if (!vcpu->in_l2)
		return;
	vcpu->l1_vmcb.tlb_control = 0;
	vcpu->l1_vmcb.clean = 0;
	machine_svm_run(reference, vcpu->nr, &vcpu->l1_vmcb);
}

/*
 * Who runs is asked by L0; who does not finds a flag when it runs next, whatever
 * its level is then (as KVM's "preempted" flag of steal time).
 */
static void pv_flush(struct vmm *vmm, struct vmm_vcpu *vcpu, struct vmm_vcpu *target)
{
	enum tlbtag_target level = TLBTAG_TARGET_L1;
	uint32_t cpu = vcpu->cpu;

	vmm_exit(vmm, vcpu);
	reference_pv(vmm, target);
	if (vmm_has_fault(vmm, FAULT_PV_ACTIVE) && target->in_l2)
		level = TLBTAG_TARGET_L2;
	if (target->in_guest)
		tlbtag_vcpu_request(&target->tags, level, TLBTAG_WHY_PV);
	else
		target->pv_flag = true;
	vmm_ask(vmm, target, 0, TLBTAG_RULE_PV_L1);
	vmm_exit(vmm, target);
	vmm_enter(vmm, vcpu, cpu, false);
}

static bool op_pv_flush(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);
	struct vmm_vcpu *target = &vm_at(vmm, args)->vcpu[args[2]];

	if (!is_running_l1(vcpu) || !target->alive)
		return false;
	pv_flush(vmm, vcpu, target);
	return true;
}

/* The same after a change of the other vCPU's table. */
static bool op_pv_map(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);
	struct vmm_vcpu *target = &vm_at(vmm, args)->vcpu[args[2]];

	if (!is_running_l1(vcpu) || !target->alive)
		return false;
	if (!set_word(vmm, vm_at(vmm, args), GFN_L1_LEAF(target->nr % 2u), args[3] % 2,
		      target_entry(vmm, false, args[4])))
		return false;
	pv_flush(vmm, vcpu, target);
	return true;
}

/* --- the table: function, name, about, weight, arguments --- */

#define OPS(X)											\
	X(op_enter, "enter", "the vCPU's run loop enters it on a CPU", 40,			\
	  VM, VCPU, CPU, NOTHING, NOTHING)							\
	X(op_exit, "exit", "an interrupt: the vCPU leaves guest mode", 4,			\
	  VM, VCPU, NOTHING, NOTHING, NOTHING)							\
	X(op_enter_fails, "enter-fails", "VMRUN fails its checks", 2,				\
	  VM, VCPU, CPU, NOTHING, NOTHING)							\
	X(op_read, "read", "the guest reads a page", 12,					\
	  VM, VCPU, PAGE, NOTHING, NOTHING)							\
	X(op_write, "write", "the guest writes to a page", 10,					\
	  VM, VCPU, PAGE, NOTHING, NOTHING)							\
	X(op_touch, "touch", "the guest reads all its pages", 24,				\
	  VM, VCPU, NOTHING, NOTHING, NOTHING)							\
	X(op_map, "map", "the guest changes a page's entry, then perhaps flushes", 40,		\
	  VM, VCPU, PAGE, TARGET, HOW)								\
	X(op_link, "link", "the guest changes an upper entry, then perhaps flushes", 6,		\
	  VM, VCPU, ENTRY_OF, TABLE_OF, HOW)							\
	X(op_store, "store", "the guest writes an entry into a spare page", 4,			\
	  VM, VCPU, ENTRY_OF, PAGE, TARGET)							\
	X(op_flush, "flush", "the guest flushes a page or everything", 10,			\
	  VM, VCPU, PAGE, HOW, NOTHING)								\
	X(op_vmrun, "vmrun", "L1 runs L2", 40,							\
	  VM, VCPU, ASID, ROOT, CONTROL)							\
	X(op_vmrun_interrupted, "vmrun-interrupted", "L1 runs L2, which exits before it ran", 3,\
	  VM, VCPU, ASID, ROOT, CONTROL)							\
	X(op_vmexit, "vmexit", "L2 exits to L1", 20,						\
	  VM, VCPU, NOTHING, NOTHING, NOTHING)							\
	X(op_leave, "leave", "L2 is left while the vCPU does not run", 3,			\
	  VM, VCPU, NOTHING, NOTHING, NOTHING)							\
	X(op_nested_map, "nested-map", "L1 changes what L2's memory is", 24,			\
	  VM, VCPU, ROOT, N2FN, FRAME_OF)							\
	X(op_nested_link, "nested-link", "L1 changes an upper nested entry", 4,			\
	  VM, VCPU, ROOT, TABLE_OF, NOTHING)							\
	X(op_invlpga, "invlpga", "L1 invalidates an address of an ASID", 10,			\
	  VM, VCPU, PAGE, ASID, NOTHING)							\
	X(op_l2_map, "l2-map", "L1 changes an entry of L2's table, then INVLPGA", 14,		\
	  VM, VCPU, PAGE, TARGET, ASID)								\
	X(op_svme_off, "svme-off", "L1 switches nesting off", 2,				\
	  VM, VCPU, NOTHING, NOTHING, NOTHING)							\
	X(op_svme_on, "svme-on", "L1 switches nesting on", 8,					\
	  VM, VCPU, NOTHING, NOTHING, NOTHING)							\
	X(op_pv_flush, "pv-flush", "L1 asks L0 to flush a vCPU", 6,				\
	  VM, VCPU, OTHER, NOTHING, NOTHING)							\
	X(op_pv_map, "pv-map", "L1 changes another vCPU's table, then asks for a flush", 10,	\
	  VM, VCPU, OTHER, PAGE, TARGET)							\
	X(op_reset, "reset", "INIT: the vCPU starts anew", 2,					\
	  VM, VCPU, NOTHING, NOTHING, NOTHING)							\
	X(op_restore, "restore", "the vCPU is saved and restored elsewhere", 2,			\
	  VM, VCPU, NOTHING, NOTHING, NOTHING)							\
	X(op_retag, "retag", "contexts without a tag of their own look for one", 2,		\
	  VM, VCPU, NOTHING, NOTHING, NOTHING)							\
	X(op_unmap, "unmap", "L0 takes a page of a guest away", 12,				\
	  VM, GFN, BY, NOTHING, NOTHING)							\
	X(op_migrate, "migrate", "L0 moves a page of a guest to another frame", 8,		\
	  VM, GFN, BY, NOTHING, NOTHING)							\
	X(op_protect, "protect", "L0 takes the right to write away", 8,				\
	  VM, GFN, BY, NOTHING, NOTHING)							\
	X(op_unmap_range, "unmap-range", "L0 takes a range away, and its table", 4,		\
	  VM, SLOT, BY, NOTHING, NOTHING)							\
	X(op_shrink, "shrink", "L0 drops a vCPU's shadow tables", 3,				\
	  VM, VCPU, NOTHING, NOTHING, NOTHING)							\
	X(op_vcpu_down, "vcpu-down", "a vCPU is destroyed", 2,					\
	  VM, VCPU, NOTHING, NOTHING, NOTHING)							\
	X(op_vcpu_up, "vcpu-up", "a vCPU is made", 8,						\
	  VM, VCPU, NOTHING, NOTHING, NOTHING)							\
	X(op_vm_down, "vm-down", "a VM is destroyed", 1,					\
	  VM, NOTHING, NOTHING, NOTHING, NOTHING)						\
	X(op_vm_up, "vm-up", "a VM is made", 8,							\
	  VM, NOTHING, NOTHING, NOTHING, NOTHING)						\
	X(op_cpu_off, "cpu-off", "a CPU goes offline", 1,					\
	  CPU, NOTHING, NOTHING, NOTHING, NOTHING)						\
	X(op_cpu_on, "cpu-on", "it comes back, others used it meanwhile", 8,			\
	  CPU, NOTHING, NOTHING, NOTHING, NOTHING)

static bool (*const functions[])(struct vmm *vmm, const uint8_t *args) = {
#define FUNCTION(function, name, about, weight, a, b, c, d, e) function,
	OPS(FUNCTION)
#undef FUNCTION
};

static const uint8_t arguments[][VMM_ARGS] = {
#define KINDS(function, name, about, weight, a, b, c, d, e) { a, b, c, d, e },
	OPS(KINDS)
#undef KINDS
};

const struct vmm_op_info vmm_op_infos[] = {
#define INFO(function, name, about, weight, a, b, c, d, e)                                      \
	{ name, { NAME_##a, NAME_##b, NAME_##c, NAME_##d, NAME_##e, NULL }, about, weight },
	OPS(INFO)
#undef INFO
};

const unsigned int vmm_op_kinds = sizeof(functions) / sizeof(functions[0]);

unsigned int vmm_arg_limit(const struct vmm_config *config, unsigned int kind, unsigned int arg)
{
	if (kind >= vmm_op_kinds || arg >= VMM_ARGS)
		return 0;
	switch ((enum argument)arguments[kind][arg]) {
	case NOTHING:
		return 0;
	case VM:
		return config->vms;
	case VCPU:
	case OTHER:
		return config->vcpus;
	case CPU:
		return config->cpus;
	case PAGE:
		return VMM_PAGES;
	case TARGET:
		return TARGETS;
	case HOW:
		return HOWS;
	case ASID:
		return 1 + VMM_ASIDS;
	case ROOT:
	case ENTRY_OF:
		return 2;
	case CONTROL:
		return CONTROLS;
	case GFN:
		return VMM_GFNS;
	case BY:
		return 1u + config->vcpus;
	case SLOT:
	case N2FN:
		return 4;
	case FRAME_OF:
		return FRAMES_OF;
	case TABLE_OF:
		return TABLES_OF;
	}
	return 0;
}

/* --- applying --- */

static bool make_room(struct vmm *vmm)
{
	uint32_t capacity = vmm->clock_capacity ? 2 * vmm->clock_capacity : 64;
	uint64_t *clocks;

	if (vmm->step < vmm->clock_capacity)
		return true;
	clocks = realloc(vmm->clocks, capacity * sizeof(*clocks));
	if (!clocks)
		return false;
	vmm->clocks = clocks;
	vmm->clock_capacity = capacity;
	return true;
}

static bool in_range(const struct vmm *vmm, const struct vmm_op *op)
{
	if (op->kind >= vmm_op_kinds)
		return false;
	for (unsigned int i = 0; i < VMM_ARGS; i++) {
		unsigned int limit = vmm_arg_limit(&vmm->config, op->kind, i);

		if (limit && op->arg[i] >= limit)
			return false;
	}
	return true;
}

/* With a rule off or a fault the library has reason to complain. */
static void look_at_warnings(struct vmm *vmm)
{
	if (tlbtag_sim_warnings_unseen() == 0)
		return;
	vmm_complain(vmm, VMM_BROKEN, NULL, tlbtag_sim_last_warning());
	tlbtag_sim_warnings_reset();
}

int vmm_apply(struct vmm *vmm, const struct vmm_op *op, struct vmm_verdict *verdict)
{
	vmm->step = (uint32_t)vmm->counts.steps + 1;
	if (!in_range(vmm, op) || !make_room(vmm))
		return 0;
	vmm->clocks[vmm->step] = machine_clock(vmm->machine);
	if (!functions[op->kind](vmm, op->arg))
		return 0;
	vmm->counts.steps++;
	if (vmm->verdict.wrong == VMM_FINE)
		vmm_probe(vmm);
	look_at_warnings(vmm);
	if (vmm->verdict.wrong == VMM_FINE)
		return 1;
	if (verdict)
		*verdict = vmm->verdict;
	return -1;
}

/* --- the state as a number --- */

static void mix(uint64_t *digest, uint64_t value)
{
	*digest = (*digest ^ value) * 0x9e3779b97f4a7c15ull;
	*digest ^= *digest >> 31;
}

static void mix_ctx(uint64_t *digest, const struct tlbtag_vcpu *vcpu, const struct tlbtag_ctx *ctx)
{
	const struct tlbtag_host *host = vcpu->vm->host;

	mix(digest, ctx->tag);
	mix(digest, ctx->cpu);
	mix(digest, ctx->why);
	mix(digest, ctx->flush);
	mix(digest, ctx->cpu < host->hw.nr_cpus && ctx->epoch == host->cpu[ctx->cpu].epoch);
}

/* Generations and ages count for their order only. */
static void mix_tags(uint64_t *digest, const struct vmm_vcpu *vcpu)
{
	const struct tlbtag_vcpu *tags = &vcpu->tags;

	mix(digest, tags->active);
	mix(digest, (uint64_t)tags->remote[0] << 32 | tags->remote[1]);
	for (uint32_t i = 0; i < 2; i++)
		mix(digest, (uint64_t)tags->block[i].cpu << 32 | tags->block[i].tag);
	mix_ctx(digest, tags, &tags->l1);
	for (uint32_t i = 0; i < tags->l2_count; i++) {
		const struct tlbtag_l2 *l2 = &tags->l2[i];

		mix_ctx(digest, tags, &l2->ctx);
		mix(digest, l2->asid12);
		for (uint32_t other = 0; other < i; other++)
			mix(digest, tags->l2[other].used < l2->used);
		for (uint32_t root = 0; root < VMM_ROOTS; root++)
			mix(digest, vcpu->shadow[root].sync.synced < l2->ctx.demand);
	}
}

static void mix_vcpu(uint64_t *digest, const struct vmm_vcpu *vcpu)
{
	mix(digest, (uint64_t)vcpu->alive | vcpu->in_guest << 1 | vcpu->svme << 2 |
			    vcpu->in_l2 << 3 | vcpu->sync_wanted << 4 | vcpu->pv_flag << 5);
	if (!vcpu->alive)
		return;
	mix(digest, vcpu->in_guest ? vcpu->cpu : UINT32_MAX);
	mix(digest, vcpu->in_l2 ? vcpu->vmcb12.asid * 8u + vcpu->nested_root : 0);
	mix_tags(digest, vcpu);
	for (uint32_t root = 0; root < VMM_ROOTS; root++)
		mix(digest, vcpu->shadow[root].used ? vcpu->shadow[root].table.root : 0);
}

static void mix_vm(uint64_t *digest, const struct vmm *vmm, const struct vmm_vm *vm)
{
	mix(digest, vm->alive);
	if (!vm->alive)
		return;
	mix(digest, machine_digest(vm->reference));
	for (uint32_t gfn = 0; gfn < VMM_GFNS; gfn++)
		mix(digest, (uint64_t)vm->frame[gfn] << 1 | vm->writable[gfn]);
	for (uint32_t i = 0; i < vmm->config.vcpus; i++)
		mix_vcpu(digest, &vm->vcpu[i]);
}

uint64_t vmm_digest(const struct vmm *vmm)
{
	uint64_t digest = 1;

	mix(&digest, machine_digest(vmm->machine));
	for (uint32_t i = 0; i < vmm->config.vms; i++)
		mix_vm(&digest, vmm, &vmm->vm[i]);
	for (uint32_t cpu = 0; cpu < vmm->config.cpus; cpu++)
		mix(&digest, vmm->cpu[cpu].online);
	return digest;
}

/* --- exhibits --- */

static void suit_policy(struct vmm_config *config, enum vmm_policy policy)
{
	config->policy = (uint8_t)policy;
	config->invlpga_broken = true;
	config->shared_tag = false;
	config->contexts = 1;
	config->tags = VMM_TAGS_MAX;
}

void vmm_config_suit(struct vmm_config *config, uint32_t fault)
{
	config->fault = fault;
	switch (fault) {
	case FAULT_OWNER_UNCHECKED:
		config->shared_tag = true;
		break;
	case FAULT_OWNER_SLOT:
		suit_policy(config, VMM_POLICY_OWNER_TABLE);
		config->shared_tag = true;
		break;
	case FAULT_OWNER_AT_LOAD:
		suit_policy(config, VMM_POLICY_VM_L2_TAG);
		config->vcpus = 2;
		break;
	case FAULT_SHARED_LEVELS_ENTRY:
	case FAULT_SHARED_LEVELS_EXIT:
	case FAULT_SHARED_LEVELS_LEAVE:
		suit_policy(config, VMM_POLICY_ONE_TAG);
		break;
	case FAULT_ADDRESS_ERRATUM:
		config->invlpga_broken = true;
		break;
	case FAULT_ADDRESS_PLACE:
	case FAULT_ADDRESS_LEVEL:
	case FAULT_FLUSH_FIRST_PAGE:
		config->invlpga_broken = false;
		break;
	case FAULT_CLEAN_BIT:
		config->contexts = 2;
		break;
	case FAULT_SHORT_INDEX:
	case FAULT_NARROW_TAG:
		config->tags = 16;
		break;
	case FAULT_WRAP_ASID:
	case FAULT_WRAP_UNNOTICED:
		suit_policy(config, VMM_POLICY_GENERATIONS);
		config->tags = 4;
		break;
	}
}
