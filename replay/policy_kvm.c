/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * kvm: Linux 6.12 on AMD, as it is.
 *
 * Each CPU hands out ASIDs in rounds ("generations"). A VMCB whose generation
 * is not the CPU's, or that ran elsewhere, gets the CPU's next ASID; when there
 * is none left, a new round begins and that entry flushes everything. The vCPU
 * has one ASID, whichever of its two VMCBs made it take it. A flush is
 * TLB_CONTROL 3, or without FLUSHBYASID a new ASID. Each transition between L1
 * and L2 asks for a flush and a sync of the context that runs next, and each
 * entry to L2 drops what was pending for its VMCB.
 *
 * Three things are read from the record, for they are facts, not decisions: how
 * many ASIDs the hardware has, whether it has FLUSHBYASID, and with which ASID
 * a vCPU, and where in its round a CPU, was when the recording began.
 */
#include "policy.h"

#include <stdlib.h>

#define LEVELS 2

/* The generation of a VMCB that needs a new ASID; CPUs start from 1. */
#define STALE 0u

struct vmcb {
	uint64_t generation;
	uint32_t cpu;
	uint32_t asid;	/* at its previous entry; EVENT_UNKNOWN before the first */
	uint32_t why;	/* why a flush is pending */
	bool reset;	/* initialised since its previous entry */
};

struct vcpu {
	bool seen;	/* entered before, so its ASID is known */
	bool sync;
	uint32_t active;
	uint32_t asid;
	uint32_t transition;	/* requested at a transition, not served yet */
	struct vmcb vmcb[LEVELS];
};

struct cpu {
	uint64_t generation;
	uint32_t next;	/* 0 until an ASID was handed out */
	bool settled;	/* `next` is known, not concluded from an ASID in use */
};

struct kvm {
	struct machine *machine;
	uint32_t min;
	uint32_t most;
	uint64_t wraps;
	uint64_t syncs;
	struct cpu cpu[EVENT_CPUS];
	struct vcpu vcpu[EVENT_VCPUS];
};

static void *create(struct machine *machine)
{
	struct kvm *kvm = calloc(1, sizeof(*kvm));

	if (!kvm)
		return NULL;
	kvm->machine = machine;
	kvm->min = 1;
	return kvm;
}

static void start_vcpu(struct vcpu *vcpu)
{
	*vcpu = (struct vcpu){ .asid = EVENT_UNKNOWN };
	for (int level = 0; level < LEVELS; level++) {
		vcpu->vmcb[level].cpu = EVENT_UNKNOWN;
		vcpu->vmcb[level].asid = EVENT_UNKNOWN;
	}
}

/* After a gap in the recording the state is taken from the record once more. */
static void forget_all(struct kvm *kvm)
{
	for (uint32_t i = 0; i < EVENT_CPUS; i++)
		kvm->cpu[i].settled = false;
	for (uint32_t i = 0; i < EVENT_VCPUS; i++)
		kvm->vcpu[i].seen = false;
}

static void start_round(struct kvm *kvm, struct cpu *cpu)
{
	cpu->generation++;
	cpu->next = kvm->min;
	kvm->wraps++;
}

/* The record begins a round earlier, or ends one later, than was assumed. */
static void learn_asids(struct kvm *kvm, const struct cpu *cpu, const struct event *entry)
{
	struct machine *machine = kvm->machine;

	if (machine->asids_from == SOURCE_GIVEN || entry->asid == EVENT_UNKNOWN)
		return;
	if (entry->asid >= machine->asids)
		machine->asids = entry->asid + 1;
	if (machine->asids_from == SOURCE_ASSUMED && entry->tlb_control == 1 &&
	    entry->asid < cpu->next) {
		machine->asids = cpu->next;
		machine->asids_from = SOURCE_LEARNED;
		kvm->min = entry->asid;
	}
}

/* The record shows it at the first entry for which a flush is pending. */
static void learn_flush_by_asid(struct machine *machine, const struct event *entry)
{
	if (machine->flush_by_asid_from != SOURCE_ASSUMED)
		return;
	if (entry->tlb_control == EVENT_UNKNOWN || entry->tlb_control == 1)
		return;
	machine->flush_by_asid = entry->tlb_control != 0;
	machine->flush_by_asid_from = SOURCE_LEARNED;
}

/*
 * Where in its round the CPU is, by the record: @entry carries an ASID that the
 * model cannot know. Returns whether the record begins a new round here.
 */
static bool take_over(struct kvm *kvm, struct cpu *cpu, const struct event *entry)
{
	bool wrapped = entry->tlb_control == 1 && entry->asid < cpu->next;

	if (wrapped)
		start_round(kvm, cpu);
	if (cpu->generation < entry->generation)
		cpu->generation = entry->generation;
	/* A vCPU may have held a low ASID since before the recording began. */
	if (wrapped || !cpu->settled || cpu->next < entry->asid)
		cpu->next = entry->asid;
	return wrapped;
}

static bool take_next(struct kvm *kvm, struct cpu *cpu, const struct event *entry)
{
	bool wrapped;

	learn_asids(kvm, cpu, entry);
	if (cpu->next == 0)
		cpu->next = kvm->min;
	wrapped = cpu->next >= kvm->machine->asids;
	if (wrapped)
		start_round(kvm, cpu);
	return wrapped;
}

/* Returns whether the entry flushes everything since a new round begins. */
static bool new_asid(struct kvm *kvm, struct vcpu *vcpu, const struct event *entry)
{
	struct cpu *cpu = &kvm->cpu[entry->cpu];
	bool recorded = entry->asid != EVENT_UNKNOWN;
	bool wrapped;

	if (recorded && (!cpu->settled || !vcpu->seen)) {
		wrapped = take_over(kvm, cpu, entry);
		vcpu->asid = entry->asid;
		if (cpu->next == entry->asid)
			cpu->next++;
		/* Certain only once an ASID was seen being handed out. */
		cpu->settled |= vcpu->seen;
	} else {
		wrapped = take_next(kvm, cpu, entry);
		vcpu->asid = cpu->next++;
	}
	vcpu->vmcb[vcpu->active].generation = cpu->generation;
	if (kvm->most < vcpu->asid)
		kvm->most = vcpu->asid;
	return wrapped;
}

/* Why the VMCB cannot keep its ASID; 0 if it can. */
static uint32_t why_renew(struct kvm *kvm, struct vcpu *vcpu, const struct event *entry)
{
	struct vmcb *vmcb = &vcpu->vmcb[vcpu->active];
	struct cpu *cpu = &kvm->cpu[entry->cpu];
	uint32_t before = vmcb->cpu;

	if (!cpu->generation)
		cpu->generation = entry->generation ? entry->generation : 1;
	vmcb->cpu = entry->cpu;
	if (before == EVENT_UNKNOWN || !vcpu->seen)
		return WHY(FIRST_USE);
	if (before != entry->cpu)
		return WHY(MOVED);
	if (vmcb->generation == cpu->generation)
		return 0;
	return vmcb->reset ? WHY(RESET) : WHY(WRAP);
}

static uint32_t on_enter(struct kvm *kvm, struct vcpu *vcpu, const struct event *entry)
{
	struct vmcb *vmcb = &vcpu->vmcb[vcpu->active];
	uint32_t pending = vmcb->why | vcpu->transition;
	uint32_t by_control = 0;
	uint32_t by_asid;

	if (pending)
		learn_flush_by_asid(kvm->machine, entry);
	by_asid = why_renew(kvm, vcpu, entry);
	if (kvm->machine->flush_by_asid)
		by_control = pending;
	else
		by_asid |= pending;
	if (by_asid && new_asid(kvm, vcpu, entry))
		by_control |= WHY(WRAP);
	if (vmcb->asid == vcpu->asid)
		by_asid = 0;
	else if (!by_asid)
		by_asid = WHY(OTHER_LEVEL);

	vcpu->seen = true;
	vmcb->asid = vcpu->asid;
	vmcb->why = 0;
	vmcb->reset = false;
	vcpu->transition = 0;
	kvm->syncs += vcpu->sync;
	vcpu->sync = false;
	return by_control | by_asid;
}

static void pend(struct vcpu *vcpu, uint32_t why)
{
	vcpu->vmcb[vcpu->active].why |= why;
}

static void on_nested_enter(struct kvm *kvm, struct vcpu *vcpu)
{
	vcpu->active = 1;
	/* TLB_CONTROL of vmcb02 is written afresh; a new ASID stays requested. */
	if (kvm->machine->flush_by_asid)
		vcpu->vmcb[1].why = 0;
}

/* vmcb01 is initialised, and with it loses its generation. */
static void on_reset(struct vcpu *vcpu)
{
	vcpu->active = 0;
	vcpu->vmcb[0].generation = STALE;
	vcpu->vmcb[0].reset = true;
}

static void on_transition(struct vcpu *vcpu)
{
	vcpu->transition = WHY(TRANSITION);
	vcpu->sync = true;
}

static uint32_t feed(void *state, const struct event *event)
{
	struct kvm *kvm = state;
	struct vcpu *vcpu = &kvm->vcpu[event->vcpu];

	switch (event->kind) {
	case EVENT_BIRTH:
		start_vcpu(vcpu);
		break;
	case EVENT_ENTER:
		return on_enter(kvm, vcpu, event);
	case EVENT_NESTED_ENTER:
		on_nested_enter(kvm, vcpu);
		break;
	case EVENT_NESTED_EXIT:
		vcpu->active = 0;
		break;
	case EVENT_RESET:
		on_reset(vcpu);
		break;
	case EVENT_TRANSITION:
		on_transition(vcpu);
		break;
	case EVENT_FLUSH_ALL:
		pend(vcpu, WHY(FLUSH_ALL));
		break;
	case EVENT_FLUSH_CURRENT:
		pend(vcpu, WHY(FLUSH_CURRENT));
		break;
	case EVENT_FLUSH_GUEST:
		pend(vcpu, WHY(FLUSH_GUEST));
		break;
	case EVENT_FLUSH_PV:
		pend(vcpu, WHY(FLUSH_PV));
		break;
	case EVENT_FLUSH_PGE:
		pend(vcpu, WHY(PGE));
		break;
	case EVENT_LOST:
		forget_all(kvm);
		break;
	/* Served later, as FLUSH_ALL on each vCPU: */
	case EVENT_FLUSH_REMOTE:
	/* Done at once, wherever the entries are: */
	case EVENT_FLUSH_ADDRESS:
	case EVENT_INVLPGA:
	case EVENT_LOAD:
	case EVENT_SYNC:
	case EVENT_KIND_COUNT:
		break;
	}
	return 0;
}

static void finish(const void *state, struct policy_counts *counts)
{
	const struct kvm *kvm = state;

	counts->tags = kvm->most ? kvm->most - kvm->min + 1 : 0;
	counts->wraps = kvm->wraps;
	counts->mmu_syncs = kvm->syncs;
}

const struct policy_ops policy_kvm = {
	.name = "kvm",
	.about = "Linux 6.12: generations, L1 and L2 share an ASID",
	.models_record = true,
	.create = create,
	.event = feed,
	.finish = finish,
	.destroy = free,
};
