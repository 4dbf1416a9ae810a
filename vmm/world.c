/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The world: its machine, its VMs and vCPUs, and how they come and go.
 */
#include "inside.h"

#include <stdlib.h>
#include <string.h>

#define STRANGER UINT64_C(0x5000000000000001)

/* --- who is who --- */

/* VM, vCPU and context in the low bits; lifetimes above. Never 0. */
uint64_t vmm_owner(const struct vmm *vmm, const struct vmm_vcpu *vcpu)
{
	const struct vmm_vm *vm = &vmm->vm[vcpu->vm];

	return 1 | (uint64_t)vcpu->vm << 4 | (uint64_t)vcpu->nr << 8 |
	       (uint64_t)vmm_context_of(vcpu) << 12 | (uint64_t)(vm->lifetime & 0xffffff) << 16 |
	       (uint64_t)(vcpu->lifetime & 0xffffff) << 40;
}

/* Who may use whose nested translations: vCPUs of a VM; on Intel all contexts. */
#define OWNER_NESTED_AMD UINT64_C(0xfffffff0ff)
#define OWNER_NESTED_INTEL UINT64_C(0xffffff00ff)

struct machine_registers vmm_registers(const struct vmm *vmm, const struct vmm_vcpu *vcpu,
				       bool l2)
{
	uint64_t root = GFN_L1_ROOT(vcpu->l1_table);

	if (l2)
		root = vmm->config.l1_nested_paging ? N2FN_ROOT : GFN_L2_ROOT;
	return (struct machine_registers){
		.cr0 = MACHINE_CR0_PG | MACHINE_CR0_WP,
		.cr3 = root << MACHINE_PAGE_SHIFT,
		.cr4 = MACHINE_CR4_PGE | (vmm->config.pcid ? MACHINE_CR4_PCIDE : 0),
		.efer = vmm->config.intel ? 0 : MACHINE_EFER_SVME,
	};
}

/* --- vCPUs --- */

static void start_nesting(struct vmm *vmm, struct vmm_vcpu *vcpu)
{
	if (vcpu->svme)
		tlbtag_nested_enable(&vcpu->tags, vmm->config.contexts);
}

static void spoil_first_cpu(struct vmm_vcpu *vcpu)
{
	vcpu->tags.l1.cpu = 0;
	for (uint32_t i = 0; i < vcpu->tags.l2_count; i++)
		vcpu->tags.l2[i].ctx.cpu = 0;
}

static void start_views(struct vmm_vcpu *vcpu, uint32_t first)
{
	for (uint32_t i = first; i < VMM_CONTEXTS; i++) {
		vcpu->view[i] = (struct vmm_view){ .cpu = TLBTAG_CPU_NONE,
						   .came_from = TLBTAG_CPU_NONE,
						   .failed_at = VMM_STEP_NONE,
						   .root_rule = UINT32_MAX,
						   .moved_at = VMM_STEP_NONE };
		vcpu->peer[i] = (struct vmm_peer_context){ .cpu = TLBTAG_CPU_NONE };
	}
}

void vmm_vcpu_start_tags(struct vmm *vmm, struct vmm_vcpu *vcpu)
{
	struct vmm_vm *vm = vmm_vm_of(vmm, vcpu);

	vcpu->lifetime = ++vmm->lifetimes;
	tlbtag_vcpu_init(&vcpu->tags, &vm->tags, vcpu->nr);
	start_nesting(vmm, vcpu);
	if (vmm_has_fault(vmm, FAULT_FIRST_CPU_ZERO))
		spoil_first_cpu(vcpu);
	start_views(vcpu, 0);
	for (uint32_t i = 0; i < 2; i++) {
		vcpu->vmcs[i] = (struct machine_vmcs){ .ept = vmm->config.l0_nested_paging };
		vcpu->vmcb[i] = (struct machine_vmcb){ .np_enable = vmm->config.l0_nested_paging };
		*vmm_registers_of(vmm, vcpu, i) = vmm_registers(vmm, vcpu, i);
		vcpu->vmcb[i].address = (UINT64_C(1) << 32) +
					(vcpu->vm * VMM_VCPUS_MAX + vcpu->nr) * 8192u + i * 4096u;
	}
}

void vmm_vcpu_end_tags(struct vmm *vmm, struct vmm_vcpu *vcpu)
{
	vmm_peer_forget(vmm, vcpu);
	if (vmm_has_fault(vmm, FAULT_L2_TAGS_LEAK))
		vcpu->tags.l2_count = 0;
	tlbtag_vcpu_destroy(&vcpu->tags);
}

void vmm_vcpu_start(struct vmm *vmm, struct vmm_vcpu *vcpu)
{
	vcpu->alive = true;
	vcpu->svme = true;
	vcpu->in_l2 = false;
	vcpu->in_guest = false;
	vcpu->pv_flag = false;
	vcpu->sync_wanted = false;
	vcpu->l1_table = vcpu->nr % 2;
	vcpu->queue_request = false;
	vcpu->purged_at = VMM_STEP_NONE;
	memset(vcpu->queue, 0, sizeof(vcpu->queue));
	vmm_vcpu_start_tags(vmm, vcpu);
	vmm_reference_start(vmm, vcpu);
}

void vmm_vcpu_end(struct vmm *vmm, struct vmm_vcpu *vcpu)
{
	struct vmm_vm *vm = vmm_vm_of(vmm, vcpu);

	vmm_exit(vmm, vcpu);
	vcpu->in_l2 = false;
	vmm_vcpu_end_tags(vmm, vcpu);
	vmm_mmu_drop_shadows(vmm, vcpu);
	machine_reset_cpu(vm->reference, vcpu->nr);
	machine_offline(vm->reference, vcpu->nr);
	vcpu->alive = false;
}

/* --- VMs --- */

static uint64_t entry_to(uint32_t gfn)
{
	return (uint64_t)gfn << MACHINE_PAGE_SHIFT | ENTRY;
}

static void memory_set(struct vmm_vm *vm, uint32_t gfn, uint32_t word, uint32_t to)
{
	vm->memory[gfn][word] = entry_to(to);
}

/* L1's tables, one for even and one for odd vCPUs. */
static void lay_out_l1(struct vmm_vm *vm)
{
	for (uint32_t i = 0; i < 2; i++) {
		memory_set(vm, GFN_L1_ROOT(i), 0, GFN_L1_LEAF(i));
		memory_set(vm, GFN_L1_LEAF(i), 0, GFN_DATA + i);
		memory_set(vm, GFN_L1_LEAF(i), 1, GFN_DATA + 2);
	}
}

static void lay_out_l2(struct vmm_vm *vm, bool nested)
{
	uint32_t leaf = nested ? N2FN_LEAF : GFN_L2_LEAF;
	uint32_t data = nested ? N2FN_DATA : GFN_DATA;

	memory_set(vm, GFN_L2_ROOT, 0, leaf);
	memory_set(vm, GFN_L2_LEAF, 0, data);
	memory_set(vm, GFN_L2_LEAF, 1, data + 1);
	for (uint32_t i = 0; i < 2; i++) {
		memory_set(vm, GFN_NESTED_ROOT(i), 0, GFN_NESTED_LEAF(i));
		memory_set(vm, GFN_NESTED_LEAF(i), N2FN_ROOT, GFN_L2_ROOT);
		memory_set(vm, GFN_NESTED_LEAF(i), N2FN_LEAF, GFN_L2_LEAF);
		memory_set(vm, GFN_NESTED_LEAF(i), N2FN_DATA, GFN_DATA + 2 * i);
		memory_set(vm, GFN_NESTED_LEAF(i), N2FN_DATA + 1, GFN_DATA + 2 * i + 1);
	}
}

/* Pages that look like tables, for those who link them as such. */
static void lay_out_spare(struct vmm_vm *vm)
{
	for (uint32_t i = 0; i < 2; i++) {
		for (uint32_t word = 0; word < VMM_WORDS; word++)
			memory_set(vm, GFN_SPARE + i, word, GFN_DATA + (i + word) % 4);
	}
}

static void lay_out(struct vmm *vmm, struct vmm_vm *vm)
{
	memset(vm->memory, 0, sizeof(vm->memory));
	lay_out_l1(vm);
	lay_out_l2(vm, vmm->config.l1_nested_paging);
	lay_out_spare(vm);
	for (uint32_t gfn = 0; gfn < VMM_GFNS; gfn++) {
		for (uint32_t word = 0; word < VMM_WORDS; word++) {
			if (vm->memory[gfn][word])
				machine_write(vm->reference,
					      ((uint64_t)gfn << MACHINE_PAGE_SHIFT) + 8 * word,
					      vm->memory[gfn][word]);
		}
	}
}

void vmm_vm_start(struct vmm *vmm, struct vmm_vm *vm)
{
	vm->alive = true;
	vm->lifetime = ++vmm->lifetimes;
	machine_reset(vm->reference, 1);
	memset(vm->frame, 0, sizeof(vm->frame));
	lay_out(vmm, vm);
	vm->npt = (struct vmm_table){ .bits = 2, .made = ++vmm->now };
	vm->npt.root = vmm_frame_take(vmm, FRAME_TABLE);
	for (uint32_t word = 0; word < VMM_WORDS; word++)
		machine_write(vmm->machine,
			      ((uint64_t)vm->npt.root << MACHINE_PAGE_SHIFT) + 8 * word, 0);
	tlbtag_vm_init(&vm->tags, &vmm->host);
	/* Without a tag to share it is a guest like any other. */
	if (vmm->config.shared_tag)
		tlbtag_vm_share(&vm->tags, TLBTAG_PLAIN, VMM_VCPUS_MAX, vm->owner, 4);
	for (uint32_t i = 0; i < vmm->config.vcpus; i++) {
		machine_offline(vm->reference, i);
		vmm_vcpu_start(vmm, &vm->vcpu[i]);
	}
}

void vmm_vm_end(struct vmm *vmm, struct vmm_vm *vm)
{
	for (uint32_t i = 0; i < vmm->config.vcpus; i++) {
		if (vm->vcpu[i].alive)
			vmm_vcpu_end(vmm, &vm->vcpu[i]);
	}
	tlbtag_vm_destroy(&vm->tags);
	vmm_table_free(vmm, &vm->npt);
	for (uint32_t gfn = 0; gfn < VMM_GFNS; gfn++) {
		vmm_frame_give(vmm, vm->frame[gfn]);
		vm->frame[gfn] = 0;
	}
	vm->alive = false;
}

/* --- who uses a CPU while it is not ours --- */

static void start_stranger(struct vmm *vmm)
{
	uint16_t data = vmm_frame_take(vmm, FRAME_STRANGER);

	vmm->stranger = (struct vmm_table){ .bits = 1 };
	for (uint32_t page = 0; page < VMM_PAGES; page++)
		vmm_table_set(vmm, &vmm->stranger, page,
			      (uint64_t)data << MACHINE_PAGE_SHIFT | ENTRY | MACHINE_G);
}

static void stranger_svm(struct vmm *vmm, uint32_t cpu, uint32_t tag,
			 const struct machine_registers *registers)
{
	struct machine_vmcb vmcb = { .address = UINT64_C(1) << 33, .owner = STRANGER };

	vmcb.registers = *registers;
	vmcb.asid = tag;
	machine_svm_run(vmm->machine, cpu, &vmcb);
	machine_speculate(vmm->machine, cpu, 0, 0);
	machine_svm_exit(vmm->machine, cpu, &vmcb);
}

static void stranger_vmx(struct vmm *vmm, uint32_t cpu, uint32_t tag,
			 const struct machine_registers *registers)
{
	struct machine_vmcs vmcs = { .owner = STRANGER, .use_vpid = true };

	vmcs.registers = *registers;
	vmcs.vpid = (uint16_t)tag;
	machine_vmx_enter(vmm->machine, cpu, &vmcs);
	machine_speculate(vmm->machine, cpu, 0, 0);
	machine_vmx_exit(vmm->machine, cpu, &vmcs);
}

/* Another system ran on the CPU and used every tag. */
void vmm_stranger_run(struct vmm *vmm, uint32_t cpu)
{
	const struct machine_registers registers = {
		.cr0 = MACHINE_CR0_PG | MACHINE_CR0_WP,
		.cr3 = (uint64_t)vmm->stranger.root << MACHINE_PAGE_SHIFT,
		.cr4 = MACHINE_CR4_PGE,
	};

	for (uint32_t tag = 0; tag <= vmm->config.tags; tag++) {
		vmm->left[cpu][tag] = (struct vmm_trace){ STRANGER, ++vmm->now };
		if (tag == 0)
			continue;
		if (vmm->config.intel)
			stranger_vmx(vmm, cpu, tag, &registers);
		else
			stranger_svm(vmm, cpu, tag, &registers);
	}
}

/* --- the world --- */

static struct machine_config hardware_config(const struct vmm_config *config)
{
	struct machine_config machine;

	machine_config_init(&machine, config->intel ? MACHINE_INTEL : MACHINE_AMD);
	machine.use = MACHINE_HARDWARE;
	machine.speculation = (enum machine_speculation)config->speculation;
	machine.clean = MACHINE_CLEAN_OLD;
	machine.forgetful = config->forgetful;
	machine.seed = config->seed;
	machine.cpus = VMM_CPUS_MAX;
	machine.frames = VMM_FRAMES;
	machine.linear = (struct machine_geometry){ 2, 1 };
	machine.nested = (struct machine_geometry){ 2, 2 };
	machine.nested_owner_mask = config->intel ? OWNER_NESTED_INTEL : OWNER_NESTED_AMD;
	machine.quirks = (struct machine_quirks){
		.invlpga_npt_broken = config->invlpga_broken,
		.no_flushbyasid = !config->flush_by_asid,
	};
	return machine;
}

static struct machine *make_reference(bool intel)
{
	struct machine_config machine;

	machine_config_init(&machine, intel ? MACHINE_INTEL : MACHINE_AMD);
	machine.use = MACHINE_REFERENCE;
	machine.speculation = MACHINE_SPECULATE_ALWAYS;
	machine.clean = MACHINE_CLEAN_NEW;
	machine.cpus = VMM_VCPUS_MAX;
	machine.frames = VMM_GFNS;
	machine.linear = (struct machine_geometry){ 2, 1 };
	machine.nested = (struct machine_geometry){ 2, 2 };
	machine.quirks = (struct machine_quirks){ .init_flushes = !intel };
	return machine_create(&machine);
}

static bool same_machine(const struct machine_config *one, const struct machine_config *other)
{
	return one->vendor == other->vendor && one->speculation == other->speculation &&
	       one->forgetful == other->forgetful &&
	       one->quirks.invlpga_npt_broken == other->quirks.invlpga_npt_broken &&
	       one->quirks.no_flushbyasid == other->quirks.no_flushbyasid;
}

/* The machines that the guests believe to have. */
static bool make_references(struct vmm *vmm, bool intel)
{
	for (uint32_t i = 0; i < VMM_VMS_MAX; i++) {
		if (vmm->vm[i].reference)
			machine_destroy(vmm->vm[i].reference);
		vmm->vm[i].reference = make_reference(intel);
		if (!vmm->vm[i].reference)
			return false;
	}
	return true;
}

static bool make_machines(struct vmm *vmm, const struct vmm_config *config)
{
	struct machine_config machine = hardware_config(config);
	const struct machine_observer observer = { .cookie = vmm, .assist = vmm_assist };

	if (vmm->machine && same_machine(&machine, &vmm->machine_config)) {
		machine_reset(vmm->machine, config->seed);
		return true;
	}
	if ((!vmm->machine || vmm->machine_config.vendor != machine.vendor) &&
	    !make_references(vmm, config->intel))
		return false;
	if (vmm->machine)
		machine_destroy(vmm->machine);
	vmm->machine_config = machine;
	vmm->machine = machine_create(&machine);
	if (vmm->machine)
		machine_observe(vmm->machine, &observer);
	return vmm->machine != NULL;
}

static void start_library(struct vmm *vmm)
{
	const struct vmm_config *config = &vmm->config;
	const struct tlbtag_hw hw = {
		.vendor = config->intel ? TLBTAG_INTEL : TLBTAG_AMD,
		.nr_tags = config->tags + 1u,
		.nr_cpus = config->cpus,
		.flush_by_tag = config->flush_by_asid,
		.tag_covers_guest_physical = !config->intel,
		.nested_paging = config->l0_nested_paging,
		.invlpga_unreliable = config->invlpga_broken,
	};

	tlbtag_sim_rule_all_on();
	if (config->rule_off != UINT32_MAX)
		tlbtag_sim_rule_off(config->rule_off);
	tlbtag_sim_warnings_reset();
	memset(&vmm->pool, 0, sizeof(vmm->pool));
	tlbtag_pool_init(&vmm->pool, 1, config->tags, vmm->pool_words, 16);
	tlbtag_pool_reuse_at_once(&vmm->pool, config->reuse_at_once);
	tlbtag_host_init(&vmm->host, &hw, &vmm->pool, vmm->host_cpu);
}

static void start_frames(struct vmm *vmm)
{
	memset(vmm->frames, 0, sizeof(vmm->frames));
	vmm->free_count = 0;
	/* Frame 0 is none. */
	for (uint32_t frame = VMM_FRAMES - 1; frame > 0; frame--) {
		vmm->frames[frame].taken_at = VMM_STEP_NONE;
		vmm->free[vmm->free_count++] = (uint16_t)frame;
	}
}

static void start_cpus(struct vmm *vmm)
{
	memset(vmm->cpu, 0, sizeof(vmm->cpu));
	memset(vmm->left, 0, sizeof(vmm->left));
	memset(vmm->probed, 0, sizeof(vmm->probed));
	for (uint32_t cpu = 0; cpu < VMM_CPUS_MAX; cpu++) {
		vmm->cpu[cpu].online = true;
		vmm->cpu[cpu].generation = 1;
		vmm->cpu[cpu].next = 1;
		if (!vmm->config.intel)
			machine_wrmsr_efer(vmm->machine, cpu, MACHINE_EFER_SVME);
	}
}

static void start_vms(struct vmm *vmm)
{
	for (uint32_t i = 0; i < vmm->config.vms; i++) {
		struct vmm_vm *vm = &vmm->vm[i];
		struct machine *reference = vm->reference;

		memset(vm, 0, sizeof(*vm));
		vm->reference = reference;
		vm->nr = (uint8_t)i;
		for (uint32_t nr = 0; nr < VMM_VCPUS_MAX; nr++) {
			vm->vcpu[nr].vm = (uint8_t)i;
			vm->vcpu[nr].nr = (uint8_t)nr;
		}
		vmm_vm_start(vmm, vm);
	}
}

void vmm_restart(struct vmm *vmm, const struct vmm_config *config)
{
	vmm->config = *config;
	if (!make_machines(vmm, config))
		abort();
	memset(&vmm->counts, 0, sizeof(vmm->counts));
	vmm->verdict.wrong = VMM_FINE;
	vmm->now = 0;
	vmm->lifetimes = 0;
	vmm->step = 0;
	start_library(vmm);
	start_frames(vmm);
	start_cpus(vmm);
	start_stranger(vmm);
	start_vms(vmm);
}

struct vmm *vmm_create(const struct vmm_config *config)
{
	struct vmm *vmm = calloc(1, sizeof(*vmm));

	if (!vmm)
		return NULL;
	if (!make_machines(vmm, config)) {
		vmm_destroy(vmm);
		return NULL;
	}
	vmm_restart(vmm, config);
	return vmm;
}

void vmm_destroy(struct vmm *vmm)
{
	if (!vmm)
		return;
	for (uint32_t i = 0; i < VMM_VMS_MAX; i++) {
		if (vmm->vm[i].reference)
			machine_destroy(vmm->vm[i].reference);
	}
	if (vmm->machine)
		machine_destroy(vmm->machine);
	free(vmm->clocks);
	free(vmm);
	tlbtag_sim_rule_all_on();
}

const struct vmm_counts *vmm_counts(const struct vmm *vmm)
{
	return &vmm->counts;
}
