/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * bhyve and nvmm: two hypervisors that do not nest.
 *
 * bhyve: each CPU hands out ASIDs in rounds; a vCPU that moved, or whose round
 * is over, gets a new one, and with FLUSHBYASID flushes it at once; a change of
 * the guest's physical map (eptgen) flushes, or without FLUSHBYASID takes a new
 * ASID. nvmm: a static ASID per vCPU, of at most 8192; when they run out, all
 * further vCPUs share the last one and flush it at every run; a vCPU that moved
 * or whose machine changed its physical map flushes.
 *
 * Where the recording nests, both are given the rule without which they would
 * be wrong: one ASID for both levels, a flush and a sync at every switch.
 */
#include "policy.h"

#include <stdlib.h>

#define NVMM_ASIDS 8192u
#define STALE 0u

struct vcpu {
	uint64_t generation;	/* bhyve: of its ASID */
	uint32_t cpu;
	uint32_t asid;
	uint32_t level;
	uint32_t entered_level;
	uint32_t why;
	bool shared;		/* nvmm */
};

struct cpu {
	uint64_t generation;
	uint32_t next;
};

struct flat {
	struct machine *machine;
	uint32_t nvmm_asids;	/* as at the beginning */
	uint32_t used;
	uint64_t wraps;
	uint64_t syncs;
	struct cpu cpu[EVENT_CPUS];
	struct vcpu vcpu[EVENT_VCPUS];
};

static void *create(struct machine *machine)
{
	struct flat *flat = calloc(1, sizeof(*flat));

	if (!flat)
		return NULL;
	flat->machine = machine;
	flat->nvmm_asids = machine->asids < NVMM_ASIDS ? machine->asids : NVMM_ASIDS;
	return flat;
}

/* What is pending at this entry, in common for both. */
static uint32_t why_now(struct flat *flat, struct vcpu *vcpu, const struct event *entry)
{
	uint32_t why = vcpu->why;

	if (vcpu->entered_level && vcpu->entered_level != vcpu->level) {
		why |= WHY(TRANSITION);
		flat->syncs++;
	}
	if (vcpu->cpu != entry->cpu)
		why |= vcpu->cpu == EVENT_UNKNOWN ? WHY(FIRST_USE) : WHY(MOVED);
	vcpu->entered_level = vcpu->level;
	vcpu->cpu = entry->cpu;
	vcpu->why = 0;
	return why;
}

/* Returns whether a round began. */
static bool bhyve_hand_out(struct flat *flat, struct cpu *cpu, struct vcpu *vcpu)
{
	bool wrapped = cpu->next >= flat->machine->asids;

	if (wrapped) {
		cpu->generation++;
		cpu->next = 1;
		flat->wraps++;
	}
	vcpu->asid = cpu->next++;
	vcpu->generation = cpu->generation;
	if (flat->used < vcpu->asid)
		flat->used = vcpu->asid;
	return wrapped;
}

static uint32_t bhyve_enter(struct flat *flat, struct vcpu *vcpu, const struct event *entry)
{
	struct cpu *cpu = &flat->cpu[entry->cpu];
	uint32_t why = why_now(flat, vcpu, entry);
	uint32_t before = vcpu->asid;

	if (!cpu->generation)
		*cpu = (struct cpu){ .generation = 1, .next = 1 };
	if (why & (WHY(MOVED) | WHY(FIRST_USE)) || (why && !flat->machine->flush_by_asid))
		vcpu->generation = STALE;
	if (vcpu->generation == cpu->generation)
		return why;
	if (!why)
		why = WHY(WRAP);
	if (bhyve_hand_out(flat, cpu, vcpu))
		return why | WHY(WRAP);
	return flat->machine->flush_by_asid || vcpu->asid != before ? why : 0;
}

static uint32_t nvmm_enter(struct flat *flat, struct vcpu *vcpu, const struct event *entry)
{
	uint32_t last = flat->nvmm_asids - 1;
	uint32_t why;

	if (!vcpu->asid) {
		vcpu->shared = flat->used + 1 >= last;
		flat->used += !vcpu->shared;
		vcpu->asid = vcpu->shared ? last : flat->used;
	}
	why = why_now(flat, vcpu, entry);
	return vcpu->shared ? why | WHY(SHARED) : why;
}

static void start_vcpu(struct flat *flat, struct vcpu *vcpu, bool is_nvmm)
{
	if (is_nvmm && vcpu->asid && !vcpu->shared)
		flat->used--;
	*vcpu = (struct vcpu){ .cpu = EVENT_UNKNOWN, .level = 1 };
}

static uint32_t feed(struct flat *flat, const struct event *event)
{
	struct vcpu *vcpu = &flat->vcpu[event->vcpu];

	switch (event->kind) {
	case EVENT_NESTED_ENTER:
		vcpu->level = 2;
		break;
	case EVENT_NESTED_EXIT:
		vcpu->level = 1;
		break;
	case EVENT_RESET:
		vcpu->level = 1;
		vcpu->why |= WHY(RESET);
		break;
	case EVENT_FLUSH_ALL:
	case EVENT_FLUSH_REMOTE:
		vcpu->why |= WHY(FLUSH_ALL);
		break;
	case EVENT_FLUSH_CURRENT:
		vcpu->why |= WHY(FLUSH_CURRENT);
		break;
	case EVENT_FLUSH_GUEST:
		vcpu->why |= WHY(FLUSH_GUEST);
		break;
	case EVENT_FLUSH_PV:
		vcpu->why |= WHY(FLUSH_PV);
		break;
	case EVENT_INVLPGA:
		vcpu->why |= WHY(INVLPGA);
		break;
	case EVENT_BIRTH:
	case EVENT_ENTER:
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

static uint32_t bhyve_feed(void *state, const struct event *event)
{
	struct flat *flat = state;

	if (event->kind == EVENT_ENTER)
		return bhyve_enter(flat, &flat->vcpu[event->vcpu], event);
	if (event->kind == EVENT_BIRTH)
		start_vcpu(flat, &flat->vcpu[event->vcpu], false);
	return feed(flat, event);
}

static uint32_t nvmm_feed(void *state, const struct event *event)
{
	struct flat *flat = state;

	if (event->kind == EVENT_ENTER)
		return nvmm_enter(flat, &flat->vcpu[event->vcpu], event);
	if (event->kind == EVENT_BIRTH)
		start_vcpu(flat, &flat->vcpu[event->vcpu], true);
	return feed(flat, event);
}

static void finish(const void *state, struct policy_counts *counts)
{
	const struct flat *flat = state;

	counts->tags = flat->used;
	counts->wraps = flat->wraps;
	counts->mmu_syncs = flat->syncs;
}

static void bhyve_finish(const void *state, struct policy_counts *counts)
{
	const struct flat *flat = state;

	finish(state, counts);
	/* Before the number of ASIDs was learned the rounds were longer. */
	if (counts->tags >= flat->machine->asids)
		counts->tags = flat->machine->asids - 1;
}

const struct policy_ops policy_bhyve = {
	.name = "bhyve",
	.about = "bhyve: generations, every new ASID is flushed; does not nest",
	.create = create,
	.event = bhyve_feed,
	.finish = bhyve_finish,
	.destroy = free,
};

const struct policy_ops policy_nvmm = {
	.name = "nvmm",
	.about = "NVMM: static ASIDs, the last one is shared; does not nest",
	.create = create,
	.event = nvmm_feed,
	.finish = finish,
	.destroy = free,
};
