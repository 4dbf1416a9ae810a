/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What L0 does of its own accord: it runs vCPUs, makes and destroys them, and
 * takes memory away.
 */
#include "op.h"

#include <string.h>

/* --- L0: running --- */

bool vmm_op_enter(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);

	if (!vcpu->alive || !vmm->cpu[args[2]].online ||
	    (vcpu->in_guest && vcpu->cpu == args[2]))
		return false;
	vcpu->started_at = vmm->step;
	vmm_enter(vmm, vcpu, args[2], false);
	return true;
}

bool vmm_op_exit(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);

	if (!vcpu->in_guest)
		return false;
	vmm_exit(vmm, vcpu);
	return true;
}

bool vmm_op_enter_fails(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);

	if (!vcpu->alive || !vmm->cpu[args[2]].online)
		return false;
	vcpu->started_at = vmm->step;
	vmm_enter(vmm, vcpu, args[2], true);
	return true;
}

bool vmm_op_cpu_off(struct vmm *vmm, const uint8_t *args)
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

bool vmm_op_cpu_on(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_cpu *cpu = &vmm->cpu[args[0]];

	if (cpu->online)
		return false;
	machine_online(vmm->machine, args[0]);
	if (!vmm->config.intel)
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

bool vmm_op_vcpu_down(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);

	if (!vcpu->alive)
		return false;
	vmm_vcpu_end(vmm, vcpu);
	return true;
}

bool vmm_op_vcpu_up(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);

	if (vcpu->alive || !vm_at(vmm, args)->alive)
		return false;
	vmm_vcpu_start(vmm, vcpu);
	return true;
}

bool vmm_op_vm_down(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vm *vm = vm_at(vmm, args);

	if (!vm->alive)
		return false;
	vmm_vm_end(vmm, vm);
	return true;
}

bool vmm_op_vm_up(struct vmm *vmm, const uint8_t *args)
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

bool vmm_op_retag(struct vmm *vmm, const uint8_t *args)
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

bool vmm_op_unmap(struct vmm *vmm, const uint8_t *args)
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

bool vmm_op_migrate(struct vmm *vmm, const uint8_t *args)
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

bool vmm_op_protect(struct vmm *vmm, const uint8_t *args)
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
bool vmm_op_unmap_range(struct vmm *vmm, const uint8_t *args)
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

/*
 * Memory is short: the vCPU's shadow tables go. Their pages are used again after a
 * flush; EPTs are not reached without a root, and a new one is announced.
 */
bool vmm_op_shrink(struct vmm *vmm, const uint8_t *args)
{
	struct vmm_vcpu *vcpu = vcpu_at(vmm, args);

	if (!vcpu->alive || !has_shadow(vcpu))
		return false;
	if (vmm->config.intel && vmm->config.l0_nested_paging)
		vmm_exit(vmm, vcpu);
	else
		vmm_flush_vm(vmm, vm_at(vmm, args), NULL);
	vmm_mmu_drop_shadows(vmm, vcpu);
	vmm->now++;
	return true;
}
