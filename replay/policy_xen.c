/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * xen: Xen's ASIDs on AMD.
 *
 * Each CPU hands out ASIDs in rounds, like KVM, but L1 and L2 of a vCPU have
 * one each, and every flush of a guest is a new ASID. A change of the guest's
 * physical map makes every vCPU on the CPU take a new one. The entry that gets
 * ASID 1 flushes everything. L2's is renewed if L1 changes its own ASID for it
 * or writes TLB_CONTROL, and then the nested tables are dropped too.
 */
#include "policy.h"

#include <stdlib.h>

#define LEVELS 2
#define STALE 0u

struct asid {
	uint64_t generation;
	uint32_t number;
	uint32_t why;
};

struct vcpu {
	uint32_t cpu;
	uint32_t active;
	uint32_t asid12;
	bool sync;
	struct asid asid[LEVELS];
};

struct cpu {
	uint64_t generation;
	uint32_t next;
};

struct xen {
	struct machine *machine;
	uint32_t most;
	uint64_t wraps;
	uint64_t syncs;
	struct cpu cpu[EVENT_CPUS];
	struct vcpu vcpu[EVENT_VCPUS];
};

static void *create(struct machine *machine)
{
	struct xen *xen = calloc(1, sizeof(*xen));

	if (xen)
		xen->machine = machine;
	return xen;
}

static void renew(struct vcpu *vcpu, uint32_t level, uint32_t why)
{
	vcpu->asid[level].generation = STALE;
	vcpu->asid[level].why |= why;
}

static void renew_both(struct vcpu *vcpu, uint32_t why)
{
	renew(vcpu, 0, why);
	renew(vcpu, 1, why);
}

static void on_physmap_change(struct xen *xen, struct vcpu *vcpu)
{
	renew_both(vcpu, WHY(FLUSH_ALL));
	if (vcpu->cpu != EVENT_UNKNOWN)
		xen->cpu[vcpu->cpu].generation++;
}

static void on_nested_enter(struct vcpu *vcpu, const struct event *event)
{
	vcpu->active = 1;
	if (event->tlb_control != EVENT_UNKNOWN && event->tlb_control) {
		renew(vcpu, 1, WHY(TLB_CONTROL));
		vcpu->sync = true;
	}
	if (event->asid != EVENT_UNKNOWN && event->asid != vcpu->asid12) {
		renew(vcpu, 1, WHY(ASID_CHANGE));
		vcpu->asid12 = event->asid;
		vcpu->sync = true;
	}
}

/* Returns the reasons for which this entry flushes. */
static uint32_t hand_out(struct xen *xen, struct cpu *cpu, struct asid *asid)
{
	uint32_t why = asid->why;
	uint32_t before = asid->number;

	/* Nobody asked, so the CPU's round ended under it. */
	if (!why)
		why = WHY(NEIGHBOUR);
	if (cpu->next >= xen->machine->asids) {
		cpu->generation++;
		cpu->next = 1;
		xen->wraps++;
		why |= WHY(WRAP);
	}
	asid->number = cpu->next++;
	asid->generation = cpu->generation;
	asid->why = 0;
	if (xen->most < asid->number)
		xen->most = asid->number;
	return asid->number == 1 || asid->number != before ? why : 0;
}

static uint32_t on_enter(struct xen *xen, struct vcpu *vcpu, const struct event *event)
{
	struct cpu *cpu = &xen->cpu[event->cpu];
	struct asid *asid = &vcpu->asid[vcpu->active];

	if (!cpu->generation)
		*cpu = (struct cpu){ .generation = 1, .next = 1 };
	if (vcpu->cpu != event->cpu)
		renew_both(vcpu, vcpu->cpu == EVENT_UNKNOWN ? WHY(FIRST_USE) : WHY(MOVED));
	vcpu->cpu = event->cpu;
	xen->syncs += vcpu->sync;
	vcpu->sync = false;
	return asid->generation == cpu->generation ? 0 : hand_out(xen, cpu, asid);
}

static uint32_t feed(void *state, const struct event *event)
{
	struct xen *xen = state;
	struct vcpu *vcpu = &xen->vcpu[event->vcpu];

	switch (event->kind) {
	case EVENT_BIRTH:
		*vcpu = (struct vcpu){ .cpu = EVENT_UNKNOWN };
		break;
	case EVENT_ENTER:
		return on_enter(xen, vcpu, event);
	case EVENT_NESTED_ENTER:
		on_nested_enter(vcpu, event);
		break;
	case EVENT_NESTED_EXIT:
		vcpu->active = 0;
		break;
	case EVENT_RESET:
		vcpu->active = 0;
		renew_both(vcpu, WHY(RESET));
		break;
	case EVENT_FLUSH_ALL:
		on_physmap_change(xen, vcpu);
		break;
	case EVENT_FLUSH_CURRENT:
		renew_both(vcpu, WHY(FLUSH_CURRENT));
		break;
	case EVENT_FLUSH_GUEST:
		renew_both(vcpu, WHY(FLUSH_GUEST));
		break;
	case EVENT_FLUSH_PV:
		renew_both(vcpu, WHY(FLUSH_PV));
		break;
	case EVENT_INVLPGA:
		renew(vcpu, 1, WHY(INVLPGA));
		break;
	/* Comes back as FLUSH_ALL on each vCPU: */
	case EVENT_FLUSH_REMOTE:
	case EVENT_LOAD:
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
	const struct xen *xen = state;

	/* Before the number of ASIDs was learned the rounds were longer. */
	counts->tags = xen->most < xen->machine->asids ? xen->most : xen->machine->asids - 1;
	counts->wraps = xen->wraps;
	counts->mmu_syncs = xen->syncs;
}

const struct policy_ops policy_xen = {
	.name = "xen",
	.about = "Xen: generations, L1 and L2 apart, a new ASID for every flush",
	.create = create,
	.event = feed,
	.finish = finish,
	.destroy = free,
};
