/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Something is wrong: when was it made, what should have removed it, and which
 * rule of the library is about that? The first two are facts from the books that
 * are kept on the way; the rule is an inference, for people to start from. None of
 * it has any influence on what counts as wrong.
 */
#include "inside.h"

/* --- the book of demands --- */

static void note(struct vmm *vmm, struct vmm_view *view, uint32_t rule, uint32_t page)
{
	view->demand[view->demand_count++ % VMM_DEMANDS] = (struct vmm_demand){
		.step = vmm->step,
		.rule = rule,
		.page = (uint8_t)page,
	};
}

void vmm_ask(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t context, uint32_t rule)
{
	struct vmm_view *view = &vcpu->view[context];

	view->asked = ++vmm->now;
	note(vmm, view, rule, VMM_PAGES);
	vcpu->peer[context].requests++;
}

void vmm_ask_all(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t rule)
{
	for (uint32_t i = 0; i < VMM_CONTEXTS; i++)
		vmm_ask(vmm, vcpu, i, rule);
}

void vmm_ask_page(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t context, uint32_t rule,
		  uint32_t page)
{
	note(vmm, &vcpu->view[context], rule, page);
}

static bool is_of_mmu(const struct vmm_demand *demand)
{
	return demand->rule == TLBTAG_RULE_ALL_CONTEXTS ||
	       demand->rule == TLBTAG_RULE_REMOTE_REQUEST ||
	       demand->rule == TLBTAG_RULE_INVEPT_MATCH;
}

/* The latest entry flushed what this asks for. */
static bool is_served(const struct vmm *vmm, const struct vmm_view *view,
		      const struct vmm_demand *demand)
{
	bool by_root = vmm->config.intel && vmm->config.l0_nested_paging;

	if (!view->latest.flushes || view->latest.narrow || demand->step > view->entered_at)
		return false;
	return !by_root || view->latest.by_root || !is_of_mmu(demand);
}

static bool is_about(const struct vmm *vmm, const struct vmm_view *view,
		     const struct vmm_demand *demand, uint32_t page, bool shadowed)
{
	/* What the MMU wants gone is gone from shadow tables at once. */
	if (shadowed ? is_of_mmu(demand) : is_served(vmm, view, demand))
		return false;
	return demand->page == VMM_PAGES || demand->page == page;
}

/* The latest demand since @since that is about @page. */
static const struct vmm_demand *find_demand(const struct vmm *vmm, const struct vmm_view *view,
					    uint32_t since, uint32_t page, bool shadowed)
{
	uint32_t known = view->demand_count < VMM_DEMANDS ? view->demand_count : VMM_DEMANDS;
	const struct vmm_demand *found = NULL;

	for (uint32_t i = 1; i <= known; i++) {
		const struct vmm_demand *demand =
			&view->demand[(view->demand_count - i) % VMM_DEMANDS];

		if (demand->step >= since && is_about(vmm, view, demand, page, shadowed) &&
		    (!found || demand->step > found->step))
			found = demand;
	}
	return found;
}

/* --- which rule --- */

/* The latest entry flushed, and yet: what it flushed was too little. */
static uint32_t rule_of_scope(const struct vmm *vmm, const struct vmm_view *view)
{
	if (!view->latest.narrow)
		return UINT32_MAX;
	return vmm->config.intel ? TLBTAG_RULE_EPT_SCOPE : TLBTAG_RULE_ALL_BY_ABSENCE;
}

/* Does this context have a tag of another's? */
static bool borrows(const struct vmm_vcpu *vcpu)
{
	return vcpu->tags.active && vcpu->tags.l2[vcpu->tags.active - 1].ctx.tag == TLBTAG_NONE;
}

static uint32_t rule_for_shared(const struct vmm_vcpu *vcpu, const struct vmm_who *who)
{
	bool own_vm = who->vm == vcpu->vm && who->vcpu == vcpu->nr;

	if (own_vm && (borrows(vcpu) || (!vcpu->in_l2 && who->context)))
		return TLBTAG_RULE_L2_NO_TAG;
	return TLBTAG_RULE_SHARED_OWNER;
}

static uint32_t rule_for_foreign(const struct vmm *vmm, const struct vmm_vcpu *vcpu,
				 const struct vmm_who *who)
{
	const struct vmm_who self = vmm_who(vmm, vmm_owner(vmm, vcpu));
	const struct vmm_view *view = vmm_view_of(vcpu);

	if (rule_of_scope(vmm, view) != UINT32_MAX)
		return rule_of_scope(vmm, view);
	if (view->came_from != TLBTAG_CPU_NONE && view->came_from != vcpu->cpu)
		return TLBTAG_RULE_MOVED;
	if (who->stranger)
		return TLBTAG_RULE_CPU_ONLINE;
	if (who->lives == self.lives && who->vcpu == self.vcpu && who->context && self.context)
		return TLBTAG_RULE_L1_ASID_CHANGE;
	if (view->came_from == TLBTAG_CPU_NONE && !borrows(vcpu))
		return TLBTAG_RULE_FIRST_USE;
	return rule_for_shared(vcpu, who);
}

/* Shadow roots are not reached by flushes. */
static uint32_t rule_of_sync(const struct vmm_view *view, uint32_t rule)
{
	/* Neither flush nor sync: it was not heard. */
	if (rule == TLBTAG_RULE_L1_TLB_CONTROL && !view->latest.flushes)
		return rule;
	switch (rule) {
	case TLBTAG_RULE_L1_TLB_CONTROL:
	case TLBTAG_RULE_L1_FLUSH_ALL_L1:
	case TLBTAG_RULE_L1_FLUSH_ALL_L2:
		return TLBTAG_RULE_SYNC_TLB_CONTROL;
	case TLBTAG_RULE_INVLPGA_MATCH:
	case TLBTAG_RULE_INVLPGA_PLACE:
	case TLBTAG_RULE_INVLPGA_ERRATUM:
	case TLBTAG_RULE_INVVPID_MATCH:
		return TLBTAG_RULE_INVLPGA_DROP;
	case TLBTAG_RULE_ACTIVE_LEVEL:
		return TLBTAG_RULE_SYNC_GUEST_FLUSH;
	}
	return rule;
}

static uint32_t rule_for_shadow(const struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t rule)
{
	const struct vmm_shadow *shadow = vmm_mmu_shadow(vmm, vcpu);

	if (shadow && shadow->sync.context != vcpu->tags.active && !shadow->outdated)
		return TLBTAG_RULE_ROOT_CONTEXT;
	if (rule == UINT32_MAX && vcpu->in_l2)
		return TLBTAG_RULE_SYNC_ASID_CHANGE;
	return rule_of_sync(vmm_view_of(vcpu), rule);
}

/* The demand was carried by an entry, or it was not. */
static uint32_t rule_for_demand(const struct vmm *vmm, const struct vmm_vcpu *vcpu,
				const struct vmm_demand *demand)
{
	const struct vmm_view *view = vmm_view_of(vcpu);

	if (view->entered_at >= demand->step && demand->page == VMM_PAGES &&
	    rule_of_scope(vmm, view) != UINT32_MAX)
		return rule_of_scope(vmm, view);
	if (demand->page != VMM_PAGES && vmm->config.invlpga_broken &&
	    vmm->config.l0_nested_paging)
		return TLBTAG_RULE_INVLPGA_ERRATUM;
	if (view->failed_at != VMM_STEP_NONE && view->failed_at >= demand->step)
		return TLBTAG_RULE_ACK;
	if (demand->rule == TLBTAG_RULE_QUEUE_DRAIN && vcpu->purged_at != VMM_STEP_NONE &&
	    vcpu->purged_at >= demand->step)
		return TLBTAG_RULE_QUEUE_COVERED;
	return demand->rule;
}

/* --- all of it --- */

static void blame_demand(const struct vmm *vmm, const struct vmm_vcpu *vcpu, uint32_t page,
			 struct vmm_verdict *verdict)
{
	const struct vmm_view *view = vmm_view_of(vcpu);
	const struct vmm_demand *demand =
		find_demand(vmm, view, verdict->filled_at, page, verdict->shadowed);
	bool moved = !verdict->shadowed && view->moved_at != VMM_STEP_NONE &&
		     view->moved_at > verdict->filled_at;

	/* Made again since, by way of something older. */
	if (!demand && !moved)
		demand = find_demand(vmm, view, 0, page, verdict->shadowed);
	if (moved && (!demand || demand->step < view->moved_at)) {
		verdict->due_at = view->moved_at;
		verdict->rule = TLBTAG_RULE_MOVED;
	} else if (demand) {
		verdict->due_at = demand->step;
		verdict->rule = rule_for_demand(vmm, vcpu, demand);
	}
}

void vmm_blame(const struct vmm *vmm, const struct vmm_finding *finding,
	       struct vmm_verdict *verdict, const struct vmm_who *who)
{
	uint32_t page = (uint32_t)(finding->address >> MACHINE_PAGE_SHIFT);
	uint32_t frame = (uint32_t)(finding->outcome->page >> MACHINE_PAGE_SHIFT);
	/* The books are not changed. */
	struct vmm_vcpu *vcpu = (struct vmm_vcpu *)finding->vcpu;
	uint32_t shadow_at = VMM_STEP_NONE;

	if (verdict->wrong == VMM_FOREIGN) {
		verdict->rule = rule_for_foreign(vmm, vcpu, who);
		verdict->due_at = vmm->step;
		return;
	}
	if (verdict->wrong == VMM_LATE)
		shadow_at = vmm_mmu_stale_since(vmm, vcpu, page, finding->outcome->gpa);
	if (shadow_at != VMM_STEP_NONE && shadow_at <= verdict->filled_at) {
		verdict->shadowed = true;
		verdict->filled_at = shadow_at;
	}
	blame_demand(vmm, vcpu, page, verdict);
	if (verdict->shadowed)
		verdict->rule = rule_for_shadow(vmm, vcpu, verdict->rule);
	else if (vmm_view_of(vcpu)->root_rule != UINT32_MAX) {
		verdict->rule = vmm_view_of(vcpu)->root_rule;
		verdict->due_at = vmm_view_of(vcpu)->root_at;
		return;
	}
	if (verdict->wrong == VMM_LOST && frame < VMM_FRAMES &&
	    vmm->frames[frame].taken_at != VMM_STEP_NONE &&
	    vmm->frames[frame].taken_at >= verdict->filled_at)
		verdict->due_at = vmm->frames[frame].taken_at;
}
