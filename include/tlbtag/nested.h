/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * nested: L1 is a hypervisor itself.
 *
 * L1 believes to have a processor with ASIDs of its own. The library gives a
 * vCPU up to K L2 contexts, each with a private tag, keyed by the ASID that L1
 * wrote into vmcb12. An ASID that has a context keeps it: L1 may alternate K
 * guests without a flush. One that has none takes the context that was used
 * longest ago, and flushes it.
 *
 * What L1 wrote into TLB_CONTROL is never copied into hardware; it becomes
 * pending flushes of L2 contexts and, for the value 1, of L1's own.
 *
 * Shadow roots. The roots with which L0 shadows L1's tables are not tagged by
 * ASID, so a flush that L1 demands must reach those that are only cached as
 * well (SPEC C.11-3). Instead of a request, which is lost if the vCPU leaves L2
 * before it is served (KVM.md 4.3), there are generations: a demand gives the
 * context a new one, a sync gives the root the newest, and a root is stale for
 * a context whose demand is newer.
 *
 * A root that several contexts use is a second trap: what one context left in it
 * is older than another may see, which has not run since L1's unflushed edit and
 * on hardware would find nothing cached. So a root belongs to the context that
 * it was synced for. Not so under EPT: what hardware caches of L1's nested tables
 * is not tagged by VPID, so there all contexts may see the same age.
 *
 *   N1  an ASID of L1 has at most one context
 *   N2  an L2 context's tag is private, or its guest's key's, or the fallback
 *   N3  a root is used for a context only if it was synced for this context, and
 *       since its latest demand
 */
#ifndef TLBTAG_NESTED_H
#define TLBTAG_NESTED_H

#include <tlbtag/vcpu.h>

TLBTAG_BEGIN_DECLS

/**
 * struct tlbtag_vmcb12 - what the library wants to know of a vmcb12
 * @asid: L1's ASID for the guest; any value but 0, also above what CPUID says
 * @tlb_control: the 8 bits as L1, or user space, wrote them
 * @nested_paging: L1 uses nested paging for it
 */
struct tlbtag_vmcb12 {
	uint32_t asid;
	uint8_t tlb_control;
	bool nested_paging;
};

/**
 * tlbtag_nested_enable() - EFER.SVME set, or SET_NESTED_STATE: get L2 contexts
 * @vcpu: initialised
 * @count: how many contexts to aim for, 1 .. TLBTAG_L2_MAX
 *
 * Takes as many tags as the host's reserve allows. If it allows none, there is
 * one context with the fallback tag. Does nothing if already enabled.
 *
 * Context: pool lock; the vCPU's thread.
 * Return: 0; -EINVAL if @count is out of range: nothing has changed.
 * Source: SPEC C.1, J P1.
 */
int tlbtag_nested_enable(struct tlbtag_vcpu *vcpu, uint32_t count);

/**
 * tlbtag_nested_disable() - EFER.SVME cleared: leave L2, give its tags back
 * @vcpu: initialised
 *
 * Context: pool lock; the vCPU's thread.
 */
void tlbtag_nested_disable(struct tlbtag_vcpu *vcpu);

/**
 * tlbtag_nested_reenter() - the short cut of a nested entry: the same guest again
 * @vcpu: initialised
 * @asid12: the ASID that L1 wrote
 * @tlb_control: what it wrote there
 *
 * Nearly every VMRUN of L1 is for the ASID of the one before and demands nothing.
 * tlbtag_nested_enter() looks for itself; to ask here saves the call.
 *
 * Context: the vCPU's thread.
 * Return: true if L2 is active now, and the work is %TLBTAG_WORK_DRAIN_L2; false if
 * nothing has changed: call tlbtag_nested_enter().
 */
static inline bool tlbtag_nested_reenter(struct tlbtag_vcpu *vcpu, uint32_t asid12,
					 uint8_t tlb_control)
{
	uint32_t latest = vcpu->latest;

	if (!latest || vcpu->l2[latest - 1].asid12 != asid12 || tlb_control ||
	    tlbtag_vcpu_has_remote(vcpu))
		return false;
	vcpu->active = latest;
	return true;
}

/**
 * tlbtag_nested_enter() - L1 executed VMRUN, RSM returned to L2, or user space
 *	restored a vCPU inside L2
 * @vcpu: nesting enabled; if L2 is active already, it is left first
 * @vmcb12: what L1 wrote
 * @work: set to what is owed before the entry
 *
 * Context: the vCPU's thread.
 * Return: 0; -EINVAL if the ASID is 0, the one consistency check (L1 gets
 * VMEXIT_INVALID): nothing has changed.
 * Source: SPEC C.5.
 */
int tlbtag_nested_enter(struct tlbtag_vcpu *vcpu, const struct tlbtag_vmcb12 *vmcb12,
			uint32_t *work);

/**
 * tlbtag_nested_return() - the short cut of a nested exit
 * @vcpu: initialised
 *
 * Context: the vCPU's thread.
 * Return: true if L1 is active now, and the work is %TLBTAG_WORK_DRAIN_L1; false if
 * nothing has changed: call tlbtag_nested_exit().
 */
static inline bool tlbtag_nested_return(struct tlbtag_vcpu *vcpu)
{
	if (tlbtag_vcpu_has_remote(vcpu))
		return false;
	vcpu->active = TLBTAG_ACTIVE_L1;
	return true;
}

/**
 * tlbtag_nested_exit() - L1 becomes active again, by whatever way
 * @vcpu: L2 active; with L1 active, nothing happens
 *
 * #VMEXIT to L1, a VMRUN that failed late, a forced leave (reset, triple
 * fault, SET_NESTED_STATE): what is pending for an L2 context stays with it.
 *
 * Context: the vCPU's thread.
 * Return: a set of TLBTAG_WORK_.
 * Source: SPEC C.4, C.7.
 */
uint32_t tlbtag_nested_exit(struct tlbtag_vcpu *vcpu);

/**
 * struct tlbtag_invlpga - how to carry out an INVLPGA of L1
 * @action: NOTHING, NOW (with @tag) or PENDING
 * @tag: the tag for NOW
 * @as_invlpg: ASID 0: emulate INVLPG in L1 instead; @action is NOTHING. Where
 *	L0 does not shadow L1's tables that is a flush, %TLBTAG_WHY_GUEST: INVLPGA
 *	would keep upper-level entries that INVLPG drops (MACHINE 2.1)
 * @work: a set of TLBTAG_WORK_; DROP_ADDRESS under shadow paging
 */
struct tlbtag_invlpga {
	enum tlbtag_address action;
	tlbtag_t tag;
	bool as_invlpg;
	uint32_t work;
};

/**
 * tlbtag_nested_invlpga() - L1 executed INVLPGA
 * @vcpu: L1 active
 * @cpu: the current CPU
 * @asid12: ECX
 * @canonical: rAX is a canonical address (the caller truncated it outside
 *	64-bit mode); INVLPGA of any other does nothing and does not fault
 *
 * Context: on @cpu, preemption off until carried out; the vCPU's thread.
 * Return: what to do.
 * Source: SPEC C.8.
 */
struct tlbtag_invlpga tlbtag_nested_invlpga(struct tlbtag_vcpu *vcpu, struct tlbtag_cpu cpu,
					    uint32_t asid12, bool canonical);

/**
 * struct tlbtag_root - beside each shadow root that a vCPU has cached
 * @synced: the generation it was synced at; 0 for never
 * @context: for which context, as tlbtag_vcpu.active
 */
struct tlbtag_root {
	uint64_t synced;
	uint32_t context;
};

/**
 * tlbtag_root_is_foreign() - would a root that another context synced be stale?
 * @vcpu: initialised; the answer is for the active context
 *
 * Context: the vCPU's thread.
 * Return: true if so.
 */
bool tlbtag_root_is_foreign(const struct tlbtag_vcpu *vcpu);

/**
 * tlbtag_root_is_stale() - must this root be synced before it is used?
 * @vcpu: initialised; the answer is for the active context
 * @root: about to be used; a shadow root, others are never stale
 *
 * Context: the vCPU's thread.
 * Return: true if the context demanded a sync after the root's latest, or the
 * latest was for another context whose age it must not see.
 */
static inline bool tlbtag_root_is_stale(const struct tlbtag_vcpu *vcpu,
					const struct tlbtag_root *root)
{
	/* N3: a generation is given out once, so equal means synced after the demand. */
	if (root->synced < tlbtag_vcpu_active(vcpu)->demand)
		return true;
	return root->context != vcpu->active && tlbtag_root_is_foreign(vcpu);
}

/**
 * tlbtag_root_set_synced() - the root was built or synced just now
 * @vcpu: initialised; for the active context
 * @root: which
 *
 * Context: the vCPU's thread; no demand may come between sync and call.
 */
void tlbtag_root_set_synced(const struct tlbtag_vcpu *vcpu, struct tlbtag_root *root);

TLBTAG_END_DECLS

#endif
