/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * rfc-v1 and rfc-v2: the two versions of the reworked ASID management that were
 * proposed for KVM in March 2025 and June 2026.
 *
 * Both have static ASIDs, one for L1 and one for L2, a fallback ASID that is
 * flushed at every VMRUN, and flush L2 only when L1 asks in TLB_CONTROL or
 * changes the ASID. In v1 a VM has the two ASIDs, and each CPU keeps, for each
 * ASID, the vCPU that was loaded with it last: another one flushes both its
 * contexts. In v2 each vCPU has the two.
 */
#include "policy.h"

#include <stdlib.h>

#define LEVELS 2

struct vmcb {
	uint32_t cpu;
	uint32_t why;
	bool has_asid;	/* asked for one already */
	bool fallback;
};

struct vcpu {
	uint32_t loaded;
	uint32_t active;
	uint32_t asid12;
	bool flush_l1_at_exit;
	bool sync;
	struct vmcb vmcb[LEVELS];
};

struct vm {
	bool has_asid[LEVELS];
	bool fallback[LEVELS];
	uint16_t owner[LEVELS][EVENT_CPUS];	/* vCPU + 1 */
};

struct rfc {
	uint32_t asids;
	bool per_vm;
	uint32_t used;
	uint64_t syncs;
	struct vm *vm;
	struct vcpu vcpu[EVENT_VCPUS];
};

static void destroy(void *state)
{
	struct rfc *rfc = state;

	free(rfc->vm);
	free(rfc);
}

static void *create(struct machine *machine, bool per_vm)
{
	struct rfc *rfc = calloc(1, sizeof(*rfc));

	if (!rfc)
		return NULL;
	rfc->asids = machine->asids;
	rfc->per_vm = per_vm;
	rfc->used = 1;	/* the fallback */
	rfc->vm = calloc(EVENT_VMS, sizeof(*rfc->vm));
	if (rfc->vm)
		return rfc;
	free(rfc);
	return NULL;
}

static void *create_v1(struct machine *machine)
{
	return create(machine, true);
}

static void *create_v2(struct machine *machine)
{
	return create(machine, false);
}

/* Returns false if there is none left. ASID 0 is not ours to give. */
static bool take_asid(struct rfc *rfc)
{
	if (rfc->used + 1 >= rfc->asids)
		return false;
	rfc->used++;
	return true;
}

static void choose_asid(struct rfc *rfc, const struct event *event, struct vmcb *vmcb,
			uint32_t level)
{
	struct vm *vm = &rfc->vm[event->vm];

	if (vmcb->has_asid)
		return;
	vmcb->has_asid = true;
	if (!rfc->per_vm) {
		vmcb->fallback = !take_asid(rfc);
		return;
	}
	if (!vm->has_asid[level])
		vm->fallback[level] = !take_asid(rfc);
	vm->has_asid[level] = true;
	vmcb->fallback = vm->fallback[level];
}

static void start_vcpu(struct rfc *rfc, struct vcpu *vcpu)
{
	for (int level = 0; level < LEVELS; level++)
		if (!rfc->per_vm && vcpu->vmcb[level].has_asid && !vcpu->vmcb[level].fallback)
			rfc->used--;
	*vcpu = (struct vcpu){ .loaded = EVENT_UNKNOWN };
	vcpu->vmcb[0].cpu = EVENT_UNKNOWN;
	vcpu->vmcb[1].cpu = EVENT_UNKNOWN;
}

static void pend_both(struct vcpu *vcpu, uint32_t why)
{
	vcpu->vmcb[0].why |= why;
	vcpu->vmcb[1].why |= why;
}

/* v1: who was loaded last with the ASID that is active now? */
static void on_load(struct rfc *rfc, struct vcpu *vcpu, const struct event *event)
{
	uint16_t *owner = &rfc->vm[event->vm].owner[vcpu->active][event->cpu];

	vcpu->loaded = event->cpu;
	if (!rfc->per_vm || *owner == event->vcpu + 1)
		return;
	pend_both(vcpu, *owner ? WHY(SIBLING) : WHY(FIRST_USE));
	*owner = (uint16_t)(event->vcpu + 1);
}

static void on_nested_enter(struct rfc *rfc, struct vcpu *vcpu, const struct event *event)
{
	uint32_t tlb_control = event->tlb_control == EVENT_UNKNOWN ? 0 : event->tlb_control;
	uint32_t asid12 = event->asid == EVENT_UNKNOWN ? vcpu->asid12 : event->asid;

	vcpu->active = 1;
	vcpu->flush_l1_at_exit = tlb_control == 1;
	if (tlb_control) {
		vcpu->vmcb[1].why |= WHY(TLB_CONTROL);
		vcpu->sync = event->root != 0;
	}
	if (asid12 != vcpu->asid12) {
		vcpu->vmcb[1].why |= WHY(ASID_CHANGE);
		vcpu->sync |= event->root != 0 && !rfc->per_vm;
	}
	vcpu->asid12 = asid12;
}

static void on_nested_exit(struct vcpu *vcpu)
{
	vcpu->active = 0;
	if (vcpu->flush_l1_at_exit)
		vcpu->vmcb[0].why |= WHY(TLB_CONTROL);
	vcpu->flush_l1_at_exit = false;
}

static uint32_t on_enter(struct rfc *rfc, struct vcpu *vcpu, const struct event *event)
{
	struct vmcb *vmcb = &vcpu->vmcb[vcpu->active];
	uint32_t why;

	if (vcpu->loaded != event->cpu)
		on_load(rfc, vcpu, event);
	choose_asid(rfc, event, vmcb, vcpu->active);
	why = vmcb->why;
	if (vmcb->cpu != event->cpu)
		why |= vmcb->cpu == EVENT_UNKNOWN ? WHY(FIRST_USE) : WHY(MOVED);
	if (vmcb->fallback)
		why |= WHY(SHARED);
	vmcb->cpu = event->cpu;
	vmcb->why = 0;
	rfc->syncs += vcpu->sync;
	vcpu->sync = false;
	return why;
}

static uint32_t feed(void *state, const struct event *event)
{
	struct rfc *rfc = state;
	struct vcpu *vcpu = &rfc->vcpu[event->vcpu];
	struct vmcb *active = &vcpu->vmcb[vcpu->active];

	switch (event->kind) {
	case EVENT_BIRTH:
		start_vcpu(rfc, vcpu);
		break;
	case EVENT_LOAD:
		on_load(rfc, vcpu, event);
		break;
	case EVENT_ENTER:
		return on_enter(rfc, vcpu, event);
	case EVENT_NESTED_ENTER:
		on_nested_enter(rfc, vcpu, event);
		break;
	case EVENT_NESTED_EXIT:
		on_nested_exit(vcpu);
		break;
	case EVENT_RESET:
		vcpu->active = 0;
		vcpu->vmcb[0].why |= WHY(RESET);
		break;
	case EVENT_FLUSH_ALL:
	case EVENT_FLUSH_REMOTE:
		pend_both(vcpu, WHY(FLUSH_ALL));
		break;
	case EVENT_FLUSH_CURRENT:
		active->why |= WHY(FLUSH_CURRENT);
		break;
	case EVENT_FLUSH_GUEST:
		active->why |= WHY(FLUSH_GUEST);
		break;
	case EVENT_FLUSH_PV:
		active->why |= WHY(FLUSH_PV);
		break;
	case EVENT_INVLPGA:
		if (vcpu->vmcb[1].cpu != event->cpu)
			vcpu->vmcb[1].why |= WHY(INVLPGA);
		break;
	case EVENT_TRANSITION:
	case EVENT_FLUSH_PGE:
	case EVENT_FLUSH_ADDRESS:
	case EVENT_LOST:
	case EVENT_SYNC:
	case EVENT_KIND_COUNT:
		break;
	}
	return 0;
}

static void finish(const void *state, struct policy_counts *counts)
{
	const struct rfc *rfc = state;

	counts->tags = rfc->used;
	counts->mmu_syncs = rfc->syncs;
}

const struct policy_ops policy_rfc_v1 = {
	.name = "rfc-v1",
	.about = "RFC of March 2025: one ASID per VM and level, owner tracked per CPU",
	.create = create_v1,
	.event = feed,
	.finish = finish,
	.destroy = destroy,
};

const struct policy_ops policy_rfc_v2 = {
	.name = "rfc-v2",
	.about = "RFC of June 2026: one ASID per vCPU and level",
	.create = create_v2,
	.event = feed,
	.finish = finish,
	.destroy = destroy,
};
