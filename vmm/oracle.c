/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The oracle: is everything that the hardware may answer right?
 *
 *   not foreign  the entry that serves was made by this very context, and so was
 *		  everything that it was derived from
 *   not lost	  it leads to memory that L0 gives this guest now, with the rights
 *		  that L0 gives now
 *   not late	  the reference, the machine that L1 believes to have, may answer
 *		  the same
 *
 * It knows nothing of the library's rules. What it knows of flushes (the views)
 * only serves to count those that nothing required, and to explain.
 */
#include "inside.h"

static bool is_foreign(const struct vmm *vmm, const struct vmm_vcpu *vcpu,
		       const struct machine_outcome *outcome)
{
	const struct machine_entry *entry = outcome->entry;

	return entry && (entry->is.owner != vmm_owner(vmm, vcpu) || entry->is.foreign);
}

/* Is it what L0's books give this guest for this access? */
static bool is_given(const struct vmm *vmm, const struct vmm_vcpu *vcpu, uint32_t access,
		     const struct machine_outcome *outcome)
{
	const struct vmm_vm *vm = &vmm->vm[vcpu->vm];
	const struct vmm_frame *frame;

	if (outcome->page >> MACHINE_PAGE_SHIFT >= VMM_FRAMES)
		return false;
	frame = &vmm->frames[outcome->page >> MACHINE_PAGE_SHIFT];
	if (frame->use != FRAME_GUEST || frame->vm != vcpu->vm)
		return false;
	if ((access & MACHINE_TYPE) == MACHINE_WRITE && !vm->writable[frame->gfn])
		return false;
	if (!vmm->config.l0_nested_paging || (vcpu->in_l2 && vmm->config.l1_nested_paging))
		return true;
	return outcome->gpa >> MACHINE_PAGE_SHIFT == frame->gfn;
}

/* A walk read its last word here: is this still a table of this guest's, or of L0? */
static bool is_lost_table(const struct vmm *vmm, const struct vmm_vcpu *vcpu,
			  const struct machine_outcome *outcome)
{
	const struct vmm_frame *frame;

	if (!outcome->word)
		return false;
	frame = &vmm->frames[outcome->word >> MACHINE_PAGE_SHIFT];
	if (frame->use == FRAME_GUEST)
		return frame->vm != vcpu->vm;
	return frame->use != FRAME_TABLE;
}

static bool may_be(const struct vmm *vmm, const struct machine_outcomes *may,
		   const struct machine_outcome *outcome)
{
	uint64_t gfn = vmm->frames[outcome->page >> MACHINE_PAGE_SHIFT].gfn;

	for (unsigned int i = 0; i < may->count; i++) {
		if (may->list[i].result != outcome->result)
			continue;
		if (outcome->result != MACHINE_OK ||
		    may->list[i].page == gfn << MACHINE_PAGE_SHIFT)
			return true;
	}
	return false;
}

static enum vmm_wrong judge(const struct vmm *vmm, const struct vmm_finding *finding,
			    const struct machine_outcomes *may)
{
	const struct machine_outcome *outcome = finding->outcome;
	const struct vmm_vcpu *vcpu = finding->vcpu;

	switch (outcome->result) {
	case MACHINE_OK:
		if (is_foreign(vmm, vcpu, outcome))
			return VMM_FOREIGN;
		if (!is_given(vmm, vcpu, finding->access, outcome))
			return VMM_LOST;
		break;
	case MACHINE_FAULT:
		if (is_lost_table(vmm, vcpu, outcome))
			return VMM_LOST;
		/* Intercepted: L0 looks at the guest's tables itself. */
		if (!vmm->config.l0_nested_paging)
			return VMM_FINE;
		if (is_foreign(vmm, vcpu, outcome))
			return VMM_FOREIGN;
		break;
	case MACHINE_NESTED_FAULT:
		return VMM_FINE;
	default:
		return VMM_BROKEN;
	}
	return may_be(vmm, may, outcome) ? VMM_FINE : VMM_LATE;
}

void vmm_check_access(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t page, uint32_t access)
{
	struct machine *reference = vmm_vm_of(vmm, vcpu)->reference;
	uint64_t address = (uint64_t)page << MACHINE_PAGE_SHIFT;
	struct vmm_finding finding = { .vcpu = vcpu, .address = address, .access = access };
	const struct machine_outcomes *may = machine_access(reference, vcpu->nr, address, access);
	const struct machine_outcomes *outcomes =
		machine_access(vmm->machine, vcpu->cpu, address, access);

	vmm->counts.accesses++;
	for (unsigned int i = 0; i < outcomes->count; i++) {
		finding.outcome = &outcomes->list[i];
		finding.wrong = judge(vmm, &finding, may);
		if (finding.wrong != VMM_FINE) {
			vmm_find(vmm, &finding);
			return;
		}
	}
}

/* --- probes: what a guest could do next --- */

static bool is_unchanged(struct vmm *vmm, uint32_t cpu, const struct vmm_vcpu *vcpu)
{
	return vmm->probed[cpu].vcpu == vcpu &&
	       vmm->probed[cpu].machine == machine_clock(vmm->machine) &&
	       vmm->probed[cpu].reference == machine_clock(vmm_vm_of(vmm, vcpu)->reference) &&
	       vmm->probed[cpu].now == vmm->now;
}

static void probe_vcpu(struct vmm *vmm, struct vmm_vcpu *vcpu)
{
	uint32_t cpu = vcpu->cpu;

	/* Answers change only with a clock, and the books only with `now`. */
	if (is_unchanged(vmm, cpu, vcpu))
		return;
	for (uint32_t page = 0; page < VMM_PAGES && !vmm->verdict.wrong; page++) {
		vmm_check_access(vmm, vcpu, page, MACHINE_READ);
		if (!vmm->verdict.wrong)
			vmm_check_access(vmm, vcpu, page, MACHINE_WRITE);
	}
	vmm->probed[cpu].vcpu = vcpu;
	vmm->probed[cpu].machine = machine_clock(vmm->machine);
	vmm->probed[cpu].reference = machine_clock(vmm_vm_of(vmm, vcpu)->reference);
	vmm->probed[cpu].now = vmm->now;
}

void vmm_probe(struct vmm *vmm)
{
	for (uint32_t cpu = 0; cpu < vmm->config.cpus; cpu++) {
		if (vmm->cpu[cpu].running && !vmm->verdict.wrong)
			probe_vcpu(vmm, vmm->cpu[cpu].running);
	}
}

/* --- entries --- */

/* Is anything left under the tag that this context must not see? */
static bool is_due(const struct vmm *vmm, const struct vmm_vcpu *vcpu, uint32_t tag)
{
	const struct vmm_view *view = vmm_view_of(vcpu);
	const struct vmm_trace *left = &vmm->left[vcpu->cpu][tag];

	if (left->owner != vmm_owner(vmm, vcpu) || left->time < view->asked)
		return true;
	if (view->root != vcpu->vmcs[vcpu->in_l2].eptp || left->time < vcpu->root_made)
		return true;
	return view->cpu != vcpu->cpu || left->time < view->elsewhere;
}

static void note_spare(struct vmm *vmm, struct vmm_vcpu *vcpu, const struct vmm_entry *entry)
{
	uint32_t known = TLBTAG_WHY_ASID_CHANGE;

	/*
	 * L1 chose a tag that has no context, and no entry came of it; on Intel also:
	 * one of two that share a VPID did not run in between.
	 */
	if (vmm->config.intel)
		known |= TLBTAG_WHY_SHARED;
	if (is_due(vmm, vcpu, entry->tag) || (entry->why & known))
		return;
	vmm->counts.spare++;
	if (vmm->config.spare_is_wrong)
		vmm_complain(vmm, VMM_SPARE, vcpu, "the entry flushes and nothing required it");
}

static void note_root(const struct vmm *vmm, struct vmm_vcpu *vcpu, const struct vmm_entry *entry)
{
	struct vmm_view *view = &vcpu->view[vmm_context_of(vcpu)];
	const struct machine_vmcs *vmcs = &vcpu->vmcs[vcpu->in_l2];

	if (entry->by_root)
		view->root_rule = UINT32_MAX;
	if (!vmcs->ept || entry->by_root || view->root_rule != UINT32_MAX ||
	    view->cpu != vcpu->cpu)
		return;
	view->root_at = vmm->step;
	if (view->root != vmcs->eptp)
		view->root_rule = TLBTAG_RULE_EPT_ROOT;
	else if (vcpu->root_made > view->entered)
		view->root_rule = TLBTAG_RULE_EPT_REUSE;
}

void vmm_note_entry(struct vmm *vmm, struct vmm_vcpu *vcpu, const struct vmm_entry *entry)
{
	struct vmm_view *view = &vcpu->view[vmm_context_of(vcpu)];
	uint32_t tag = vmm_tag_of(vmm, vcpu);

	vmm->counts.entries++;
	if (entry->flushes) {
		vmm->counts.flushes++;
		note_spare(vmm, vcpu, entry);
	}
	vmm->left[vcpu->cpu][tag] = (struct vmm_trace){ vmm_owner(vmm, vcpu), ++vmm->now };
	note_root(vmm, vcpu, entry);
	view->root = vcpu->vmcs[vcpu->in_l2].eptp;
	view->entered = vmm->now;
	view->nested_root = vcpu->nested_root;
	view->came_from = view->cpu;
	view->entered_at = vmm->step;
	view->latest = *entry;
	if (view->cpu == vcpu->cpu)
		return;
	view->elsewhere = vmm->now;
	view->moved_at = vmm->step;
	view->cpu = vcpu->cpu;
}

/* --- the walker's own stores --- */

void vmm_assist(void *cookie, unsigned int cpu, uint64_t word, uint64_t value)
{
	struct vmm *vmm = cookie;
	const struct vmm_frame *frame = &vmm->frames[word >> MACHINE_PAGE_SHIFT];
	const struct vmm_vcpu *vcpu = vmm->cpu[cpu].running;
	struct machine_outcome outcome = { .page = word, .word = word };
	const struct vmm_finding finding = { VMM_LOST, vcpu, 0, MACHINE_WRITE, &outcome };

	(void)value;
	if (!vcpu || frame->use == FRAME_TABLE || frame->use == FRAME_STRANGER)
		return;
	if (frame->use == FRAME_GUEST && frame->vm == vcpu->vm)
		return;
	vmm_find(vmm, &finding);
}
