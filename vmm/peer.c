/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Other people's policies, each with the mistake that it once had. They answer
 * where a context's tag comes from and what placing it here requires; what was
 * asked for since its last entry still comes from the library.
 */
#include "inside.h"

#define PLACEMENT                                                                               \
	(TLBTAG_WHY_FIRST_USE | TLBTAG_WHY_MOVED | TLBTAG_WHY_SHARED | TLBTAG_WHY_CPU_ONLINE)

static struct vmm_peer_context *peer_of(struct vmm_vcpu *vcpu)
{
	return &vcpu->peer[vmm_context_of(vcpu)];
}

const char *vmm_policy_name(unsigned int policy)
{
	static const char *const names[VMM_POLICIES] = { "library", "one-tag", "generations",
							 "owner-table", "vm-l2-tag" };

	return policy < VMM_POLICIES ? names[policy] : "?";
}

static void flush_tag(const struct vmm *vmm, struct tlbtag_plan *plan)
{
	if (plan->flush != TLBTAG_FLUSH_ALL)
		plan->flush = vmm->config.flush_by_asid ? TLBTAG_FLUSH_TAG : TLBTAG_FLUSH_ALL;
}

/* What is left when placing is not the library's affair. */
static void keep_demands(const struct vmm *vmm, struct tlbtag_plan *plan)
{
	plan->flush = TLBTAG_FLUSH_NONE;
	if (plan->why & ~(uint32_t)PLACEMENT)
		flush_tag(vmm, plan);
}

/* L1 and L2 share L1's tag; whoever changes the level sets peer[0].flush. */
static void plan_one_tag(const struct vmm *vmm, struct vmm_vcpu *vcpu, struct tlbtag_plan *plan)
{
	plan->tag = vcpu->tags.l1.tag;
	if (vcpu->peer[0].flush)
		flush_tag(vmm, plan);
}

/* A new round: every tag will have new holders. */
static void start_generation(struct vmm *vmm, struct vmm_cpu *cpu)
{
	cpu->next = 1;
	cpu->flush_due = true;
	if (!vmm_has_fault(vmm, FAULT_WRAP_UNNOTICED))
		cpu->generation++;
}

/* Each CPU hands out its ASIDs in turn and starts anew when it runs out. */
static void plan_generation(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t cpu,
			    struct tlbtag_plan *plan)
{
	struct vmm_peer_context *peer = peer_of(vcpu);
	struct vmm_cpu *self = &vmm->cpu[cpu];

	keep_demands(vmm, plan);
	if (peer->generation != self->generation || peer->cpu != cpu) {
		if (self->next > vmm->config.tags)
			start_generation(vmm, self);
		peer->tag = self->next++;
		peer->generation = self->generation;
		/* Until the hardware took it, it is nobody's. */
		peer->cpu = cpu;
	}
	plan->tag = peer->tag;
	/* Until an entry took it. */
	if (self->flush_due && vmm_has_fault(vmm, FAULT_WRAP_ASID))
		flush_tag(vmm, plan);
	else if (self->flush_due)
		plan->flush = TLBTAG_FLUSH_ALL;
}

/* One tag for the L2s of all vCPUs, which is the one of the first. */
static void plan_vm_l2_tag(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t cpu,
			   struct tlbtag_plan *plan)
{
	const struct vmm_vcpu *holder = &vmm->vm[vcpu->vm].vcpu[0];
	bool loaded = vcpu->started_at == vmm->step;

	if (!vcpu->in_l2 || !holder->alive || !holder->tags.l2_count)
		return;
	plan->tag = holder->tags.l2[0].ctx.tag;
	/* The owner is noted where a vCPU is loaded, not where it changes level. */
	if (vmm_has_fault(vmm, FAULT_OWNER_AT_LOAD) && !loaded)
		return;
	if (vmm->cpu[cpu].last[plan->tag] != vcpu)
		flush_tag(vmm, plan);
}

/* A table of the last vCPU by CPU and tag, for L1. */
static void plan_owner_table(struct vmm *vmm, const struct vmm_vcpu *vcpu, uint32_t cpu,
			     struct tlbtag_plan *plan)
{
	const struct vmm_peer_context *peer = &vcpu->peer[0];

	if (vcpu->in_l2)
		return;
	keep_demands(vmm, plan);
	if (vmm->cpu[cpu].last[plan->tag] != vcpu ||
	    (peer->cpu != TLBTAG_CPU_NONE && peer->cpu != cpu))
		flush_tag(vmm, plan);
}

void vmm_peer_plan(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t cpu,
		   struct tlbtag_plan *plan)
{
	const struct vmm_peer_context *peer = peer_of(vcpu);

	switch ((enum vmm_policy)vmm->config.policy) {
	case VMM_POLICY_ONE_TAG:
		plan_one_tag(vmm, vcpu, plan);
		break;
	case VMM_POLICY_GENERATIONS:
		plan_generation(vmm, vcpu, cpu, plan);
		break;
	case VMM_POLICY_VM_L2_TAG:
		plan_vm_l2_tag(vmm, vcpu, cpu, plan);
		if (peer->tag != plan->tag)
			flush_tag(vmm, plan);
		break;
	case VMM_POLICY_OWNER_TABLE:
		plan_owner_table(vmm, vcpu, cpu, plan);
		break;
	case VMM_POLICY_LIBRARY:
	case VMM_POLICIES:
		break;
	}
}

/* The hardware took an entry. */
void vmm_peer_took(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t cpu)
{
	struct vmm_peer_context *peer = peer_of(vcpu);
	bool owners_are_l2 = vmm->config.policy == VMM_POLICY_VM_L2_TAG;

	peer->ran[cpu] = true;
	peer->done[cpu] = peer->requests;
	peer->cpu = cpu;
	peer->tag = vmm_tag_of(vmm, vcpu);
	vcpu->peer[0].flush = false;
	vmm->cpu[cpu].flush_due = false;
	vmm->cpu[cpu].last[peer->tag] = vcpu->in_l2 == owners_are_l2 ? vcpu : NULL;
}

/* What the policy forgets when a vCPU goes. */
void vmm_peer_forget(struct vmm *vmm, const struct vmm_vcpu *vcpu)
{
	/* A mistake of one: the neighbour's slot is cleared. */
	uint32_t off = vmm_has_fault(vmm, FAULT_OWNER_SLOT);

	for (uint32_t cpu = 0; cpu < vmm->config.cpus; cpu++) {
		for (uint32_t tag = 1; tag <= vmm->config.tags; tag++) {
			if (vmm->cpu[cpu].last[tag] == vcpu)
				vmm->cpu[cpu].last[tag - off] = NULL;
		}
	}
}
