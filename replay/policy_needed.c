/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * needed and needed-k1: what the rules demand, and not one flush more.
 *
 * An ideal kernel with as many tags as it likes for L1 contexts, and K for the
 * L2 contexts of each vCPU, that flushes as late as it can: a demand is noted
 * at the context that it is for, and one entry serves all that is noted. This
 * is written from the list of demands (doc/REPLAY.md) and shares no code with
 * the library, so that each can be held against the other.
 */
#include "policy.h"

#include <stdlib.h>

#define K_MOST 4

struct context {
	uint32_t cpu;		/* whose TLB has its entries */
	uint32_t demands;
	uint32_t asid12;	/* L2: 0 until it has one */
	uint64_t last_used;
};

struct root {
	uint64_t address;
	uint64_t synced;
	const struct context *for_context;
};

struct vcpu {
	struct context l1;
	struct context l2[K_MOST];
	struct context *active;
	uint64_t entries;
	uint64_t root;
	uint64_t demanded[K_MOST];	/* time of the context's latest demand for a sync */
	uint64_t time;
	struct root roots[4];
	uint32_t asid12;
};

struct needed {
	uint32_t k;
	uint64_t syncs;
	uint32_t used;
	struct vcpu vcpu[EVENT_VCPUS];
};

static void *create(uint32_t k)
{
	struct needed *needed = calloc(1, sizeof(*needed));

	if (needed)
		needed->k = k;
	return needed;
}

static void *create_default(struct machine *machine)
{
	(void)machine;
	return create(K_MOST);
}

static void *create_k1(struct machine *machine)
{
	(void)machine;
	return create(1);
}

static void start_vcpu(struct needed *needed, struct vcpu *vcpu)
{
	if (vcpu->active) {
		needed->used--;
		for (uint32_t i = 0; i < needed->k; i++)
			needed->used -= vcpu->l2[i].asid12 != 0;
	}
	*vcpu = (struct vcpu){ .l1.cpu = EVENT_UNKNOWN };
	for (int i = 0; i < K_MOST; i++)
		vcpu->l2[i].cpu = EVENT_UNKNOWN;
	vcpu->active = &vcpu->l1;
	needed->used++;
}

static void demand_of_all(struct needed *needed, struct vcpu *vcpu, uint32_t why)
{
	vcpu->l1.demands |= why;
	for (uint32_t i = 0; i < needed->k; i++)
		vcpu->l2[i].demands |= why;
}

/* The context for an ASID of L1; if it has none, the one not used for longest. */
static struct context *context_for(struct needed *needed, struct vcpu *vcpu, uint32_t asid12)
{
	struct context *victim = &vcpu->l2[0];

	for (uint32_t i = 0; i < needed->k; i++) {
		if (vcpu->l2[i].asid12 == asid12)
			return &vcpu->l2[i];
		if (vcpu->l2[i].last_used < victim->last_used)
			victim = &vcpu->l2[i];
	}
	needed->used += victim->asid12 == 0;
	victim->asid12 = asid12;
	victim->demands |= WHY(ASID_CHANGE);
	vcpu->demanded[victim - vcpu->l2] = ++vcpu->time;
	return victim;
}

static void on_nested_enter(struct needed *needed, struct vcpu *vcpu, const struct event *event)
{
	uint32_t control = event->tlb_control == EVENT_UNKNOWN ? 0 : event->tlb_control;

	if (event->asid != EVENT_UNKNOWN)
		vcpu->asid12 = event->asid;
	else if (!vcpu->asid12)
		vcpu->asid12 = 1;
	vcpu->active = context_for(needed, vcpu, vcpu->asid12);
	vcpu->active->last_used = ++vcpu->entries;
	vcpu->root = event->root;
	if (control == 1)
		demand_of_all(needed, vcpu, WHY(TLB_CONTROL));
	if (control)
		vcpu->active->demands |= WHY(TLB_CONTROL);
	for (uint32_t i = 0; control && i < needed->k; i++)
		if (control == 1 || vcpu->active == &vcpu->l2[i])
			vcpu->demanded[i] = ++vcpu->time;
}

/*
 * The kernel keeps four roots; a root that it has to build is in sync. What one
 * context left in a root is of no age that another may see.
 */
static void use_root(struct needed *needed, struct vcpu *vcpu)
{
	uint64_t demanded = vcpu->demanded[vcpu->active - vcpu->l2];
	struct root found = {
		.address = vcpu->root,
		.synced = ++vcpu->time,
		.for_context = vcpu->active,
	};
	int i = 0;

	while (i < 3 && vcpu->roots[i].address != vcpu->root)
		i++;
	if (vcpu->roots[i].address == vcpu->root) {
		if (vcpu->roots[i].synced < demanded ||
		    vcpu->roots[i].for_context != vcpu->active)
			needed->syncs++;
		else
			found.synced = vcpu->roots[i].synced;
	}
	for (; i > 0; i--)
		vcpu->roots[i] = vcpu->roots[i - 1];
	vcpu->roots[0] = found;
}

static uint32_t on_enter(struct needed *needed, struct vcpu *vcpu, const struct event *event)
{
	struct context *context = vcpu->active;
	uint32_t why = context->demands;

	if (context->cpu == EVENT_UNKNOWN)
		why |= WHY(FIRST_USE);
	else if (context->cpu != event->cpu)
		why |= WHY(MOVED);
	context->cpu = event->cpu;
	context->demands = 0;
	if (context != &vcpu->l1 && vcpu->root)
		use_root(needed, vcpu);
	return why;
}

/* An address goes at once where the entries are; elsewhere that is impossible. */
static void on_address(struct context *context, const struct event *event)
{
	if (context->cpu != event->cpu)
		context->demands |= WHY(INVLPGA);
}

static void on_invlpga(struct needed *needed, struct vcpu *vcpu, const struct event *event)
{
	uint32_t asid12 = event->asid == EVENT_UNKNOWN ? vcpu->asid12 : event->asid;

	for (uint32_t i = 0; asid12 && i < needed->k; i++)
		if (vcpu->l2[i].asid12 == asid12)
			on_address(&vcpu->l2[i], event);
}

static uint32_t feed(void *state, const struct event *event)
{
	struct needed *needed = state;
	struct vcpu *vcpu = &needed->vcpu[event->vcpu];

	switch (event->kind) {
	case EVENT_BIRTH:
		start_vcpu(needed, vcpu);
		break;
	case EVENT_ENTER:
		return on_enter(needed, vcpu, event);
	case EVENT_NESTED_ENTER:
		on_nested_enter(needed, vcpu, event);
		break;
	case EVENT_NESTED_EXIT:
		vcpu->active = &vcpu->l1;
		break;
	case EVENT_RESET:
		vcpu->active = &vcpu->l1;
		vcpu->l1.demands |= WHY(RESET);
		break;
	case EVENT_FLUSH_ALL:
	case EVENT_FLUSH_REMOTE:
		demand_of_all(needed, vcpu, WHY(FLUSH_ALL));
		break;
	case EVENT_FLUSH_CURRENT:
		vcpu->active->demands |= WHY(FLUSH_CURRENT);
		break;
	case EVENT_FLUSH_GUEST:
		vcpu->active->demands |= WHY(FLUSH_GUEST);
		break;
	case EVENT_FLUSH_PV:
		vcpu->l1.demands |= WHY(FLUSH_PV);
		break;
	case EVENT_FLUSH_ADDRESS:
		on_address(vcpu->active, event);
		break;
	case EVENT_INVLPGA:
		on_invlpga(needed, vcpu, event);
		break;
	/* Raised by the kernel for no reason but that the level changed: */
	case EVENT_TRANSITION:
	case EVENT_FLUSH_PGE:
	case EVENT_LOAD:
	case EVENT_LOST:
	case EVENT_SYNC:
	case EVENT_KIND_COUNT:
		break;
	}
	return 0;
}

static void finish(const void *state, struct policy_counts *counts)
{
	const struct needed *needed = state;

	counts->tags = needed->used;
	counts->mmu_syncs = needed->syncs;
}

const struct policy_ops policy_needed = {
	.name = "needed",
	.about = "lower bound: what the rules demand, four L2 contexts per vCPU",
	.create = create_default,
	.event = feed,
	.finish = finish,
	.destroy = free,
};

const struct policy_ops policy_needed_k1 = {
	.name = "needed-k1",
	.about = "lower bound: what the rules demand, one L2 context per vCPU",
	.create = create_k1,
	.event = feed,
	.finish = finish,
	.destroy = free,
};
