/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * vcpu: the contexts of one vCPU, which of them is active, and the entry plan.
 *
 * The cycle of a run loop, with preemption off:
 *
 *	announce guest mode, full barrier
 *	if (tlbtag_vcpu_is_clean(vcpu, cpu)) {
 *		VMRUN
 *	} else {
 *		plan = tlbtag_vcpu_plan(vcpu, cpu);
 *		if (plan.work)
 *			back out, do the work, start again
 *		do what the plan says, VMRUN
 *		if (the hardware took the entry)
 *			tlbtag_vcpu_entered(vcpu, cpu);
 *	}
 *
 * All calls come from the vCPU's thread but for tlbtag_vcpu_request().
 *
 *   V1  the plan's tag is never 0 on AMD
 *   V2  two contexts share a tag only if it is the fallback or the VM's
 *   V3  a context's first plan on a CPU since it ran elsewhere flushes
 *   V4  if the vCPU is clean, its plan would be empty: no flush, nothing dirty,
 *       the tag that the control block holds
 */
#ifndef TLBTAG_VCPU_H
#define TLBTAG_VCPU_H

#include <tlbtag/vm.h>

TLBTAG_BEGIN_DECLS

/* Most L2 contexts of one vCPU. */
#ifndef TLBTAG_L2_MAX
#define TLBTAG_L2_MAX 8u
#endif

/* How many a vCPU should have unless its embedder knows better. */
#define TLBTAG_L2_DEFAULT 4u

/* tlbtag_vcpu.active: the L1 context, or 1 + the index of an L2 context */
#define TLBTAG_ACTIVE_L1 0u

/**
 * struct tlbtag_block - what a control block (VMCB) was last entered with
 * @tag: the tag it holds; 0 before its first entry
 * @cpu: the CPU whose clean-bit cache knows it; none from a plan to its entry
 */
struct tlbtag_block {
	tlbtag_t tag;
	uint32_t cpu;
};

/**
 * struct tlbtag_ready - where a level can be entered again just as it was left
 * @cpu: the CPU; TLBTAG_CPU_NONE if its next entry needs a plan
 * @changes: that CPU's changes (struct tlbtag_host_cpu) at the latest entry
 * @changes_now: where they are counted; valid if there is a CPU
 */
struct tlbtag_ready {
	uint32_t cpu;
	uint32_t changes;
	const uint32_t *changes_now;
};

/**
 * struct tlbtag_l2 - an L2 context
 * @ctx: the context; its tag is 0 if the slot is not in use
 * @asid12: the ASID or VPID that L1 gave it; 0 for none yet, on Intel also for
 *	a guest without VPID
 * @used: when it was active last, for eviction
 */
struct tlbtag_l2 {
	struct tlbtag_ctx ctx;
	uint32_t asid12;
	uint64_t used;
};

/**
 * struct tlbtag_space - Intel: what a context's latest entry was tagged with
 * @eptp: the EPTP; 0 if EPT was off; %TLBTAG_EPTP_UNKNOWN if the root has to be
 *	flushed whatever it is
 * @eptp12: the EPTP that L1 had in vmcs12; 0 for none
 * @vpid: the VPID; 0 if VPIDs were off
 */
struct tlbtag_space {
	uint64_t eptp;
	uint64_t eptp12;
	tlbtag_t vpid;
};

/* No EPTP has all bits set. */
#define TLBTAG_EPTP_UNKNOWN UINT64_MAX

/**
 * struct tlbtag_vcpu - the state; private to lib/
 * @vm: its guest
 * @active: TLBTAG_ACTIVE_L1, or 1 + the index of the active L2 context
 * @id: its number; below the owner record's members if the tag is shared
 * @sharer: which context used a key's tag last, like @active
 * @empties: the latest plan flushes every tag of its CPU
 * @remote: reasons that other CPUs asked for, for L1 and for all L2 contexts;
 *	others fetch_or, the vCPU's thread takes all at once
 * @ready: for L1 and for the L2 context that is active or was last
 * @block: the control blocks of L1 and, one for all, of L2
 * @l1: the L1 context
 * @l2_count: how many L2 contexts it has; 0 if nesting is off
 * @latest: 1 + the index of the L2 context that was active last; 0 for none
 * @generation: counts the demands for a sync (struct tlbtag_root)
 * @clock: counts nested entries
 * @l2: the L2 contexts
 * @eptp12: Intel: the EPTP in the vmcs12 of the latest nested entry, 0 for none
 * @space: Intel: one for each context, indexed like @active
 */
struct tlbtag_vcpu {
	struct tlbtag_vm *vm;
	uint32_t active;
	uint32_t id;
	uint32_t sharer;
	bool empties;
	uint32_t remote[2];
	struct tlbtag_ready ready[2];
	struct tlbtag_block block[2];
	struct tlbtag_ctx l1;
	uint32_t l2_count;
	uint32_t latest;
	uint64_t generation;
	uint64_t clock;
	struct tlbtag_l2 l2[TLBTAG_L2_MAX];
	uint64_t eptp12;
	struct tlbtag_space space[1 + TLBTAG_L2_MAX];
};

/**
 * enum tlbtag_target - which contexts of a vCPU a request is for
 * @TLBTAG_TARGET_ACTIVE: the one that is active now
 * @TLBTAG_TARGET_L1: L1, whichever is active
 * @TLBTAG_TARGET_L2: every L2 context
 * @TLBTAG_TARGET_BOTH: all of them
 */
enum tlbtag_target {
	TLBTAG_TARGET_ACTIVE = 0,
	TLBTAG_TARGET_L1 = 1,
	TLBTAG_TARGET_L2 = 2,
	TLBTAG_TARGET_BOTH = 3,
};

/**
 * tlbtag_vcpu_init() - a vCPU and its L1 context
 * @vcpu: uninitialised storage
 * @vm: its guest
 * @id: its number
 *
 * The L1 context gets the VM's shared tag, or one of its own, or, if the pool
 * has none, the fallback tag: exhaustion is not an error (SPEC A.1).
 *
 * Context: pool lock.
 * Return: 0; -EINVAL if the tag is shared and @id is not below its members. On
 * error nothing has changed.
 */
int tlbtag_vcpu_init(struct tlbtag_vcpu *vcpu, struct tlbtag_vm *vm, uint32_t id);

/**
 * tlbtag_vcpu_destroy() - the vCPU is gone; its tags go back
 * @vcpu: initialised; not running
 *
 * Nothing is flushed: the tags' next holders will (rule FIRST_USE).
 *
 * Context: pool lock.
 */
void tlbtag_vcpu_destroy(struct tlbtag_vcpu *vcpu);

/**
 * tlbtag_vcpu_retag() - contexts that share the fallback tag look for their own
 * @vcpu: initialised
 *
 * Worth a call when tags became free, from vcpu-load for instance; L1 first.
 *
 * Context: pool lock; the vCPU's thread.
 * Return: how many contexts got a tag.
 */
uint32_t tlbtag_vcpu_retag(struct tlbtag_vcpu *vcpu);

/**
 * tlbtag_vcpu_rekey() - the VM has got a key's tag, or lost it
 * @vcpu: initialised; not running
 * @id: its number from now on
 *
 * Each context gives its own tag back and starts anew: with the VM's, with one of
 * its own if the VM has none any more, or with the fallback.
 *
 * Context: pool lock; the vCPU's thread, or while it cannot run.
 * Return: 0; -EINVAL if the VM has a shared tag and @id is not below its members.
 * On error nothing has changed.
 * Source: KVM.md 4.6.
 */
int tlbtag_vcpu_rekey(struct tlbtag_vcpu *vcpu, uint32_t id);

/**
 * tlbtag_vcpu_reset() - INIT or reset: back to L1, which flushes
 * @vcpu: initialised
 *
 * Context: the vCPU's thread.
 */
void tlbtag_vcpu_reset(struct tlbtag_vcpu *vcpu);

/**
 * tlbtag_vcpu_flush() - a flush is due for some of the vCPU's contexts
 * @vcpu: initialised
 * @target: which
 * @flush: how much; NONE is taken as TAG
 * @why: the reason or reasons
 *
 * What KVM calls TLB_FLUSH is BOTH with %TLBTAG_WHY_ALL, TLB_FLUSH_CURRENT is
 * ACTIVE with %TLBTAG_WHY_CURRENT, TLB_FLUSH_GUEST is ACTIVE with
 * %TLBTAG_WHY_GUEST, a paravirtual flush is L1 with %TLBTAG_WHY_PV (SPEC C.3,
 * C.9). A change of tables that several L2 contexts may use, as those of an L2
 * guest with several vCPUs do, is for all of them: L2 or BOTH, not ACTIVE.
 *
 * Context: the vCPU's thread.
 * Return: a set of TLBTAG_WORK_: SYNC if the guest flushed and its roots are
 * shadow tables; PURGE for each level of which every context is flushed, global
 * entries included, and under shadow paging synced as well.
 */
uint32_t tlbtag_vcpu_flush(struct tlbtag_vcpu *vcpu, enum tlbtag_target target,
			   enum tlbtag_flush flush, uint32_t why);

/**
 * tlbtag_vcpu_request() - the same, asked for on another CPU
 * @vcpu: initialised
 * @target: L1, L2 or BOTH: what "active" means is the vCPU's own affair;
 *	ACTIVE is warned about and taken as BOTH
 * @why: the reason or reasons
 *
 * The vCPU's next plan includes it. A full barrier on both sides makes this
 * sound: first change the tables, then request, then look whether the vCPU is
 * in guest mode and kick it out (MACHINE 3.6).
 *
 * Context: any, also concurrent with everything.
 */
void tlbtag_vcpu_request(struct tlbtag_vcpu *vcpu, enum tlbtag_target target, uint32_t why);

/**
 * enum tlbtag_address - how to invalidate one address
 * @TLBTAG_ADDRESS_NOTHING: no TLB action
 * @TLBTAG_ADDRESS_NOW: INVLPGA, or INVVPID of type 0, with the tag named, on
 *	this CPU, at once
 * @TLBTAG_ADDRESS_PENDING: not possible here; the context's next entry flushes
 */
enum tlbtag_address {
	TLBTAG_ADDRESS_NOTHING = 0,
	TLBTAG_ADDRESS_NOW = 1,
	TLBTAG_ADDRESS_PENDING = 2,
};

/**
 * tlbtag_vcpu_invalidate() - one address of the active context must go
 * @vcpu: initialised
 * @cpu: the current CPU
 * @tag: set to the tag to use with %TLBTAG_ADDRESS_NOW
 *
 * For a flush of the address alone, as paravirtual interfaces have it. INVLPG
 * drops all upper-level entries too (MACHINE 2.1): its emulation is a
 * tlbtag_vcpu_flush() unless L0 shadows the tables.
 *
 * Context: on @cpu, preemption off until the INVLPGA is done; the vCPU's thread.
 * Return: NOW if the context's entries are on this CPU and INVLPGA may be
 * relied on; else PENDING.
 * Source: SPEC B.7.
 */
enum tlbtag_address tlbtag_vcpu_invalidate(struct tlbtag_vcpu *vcpu, struct tlbtag_cpu cpu,
					   tlbtag_t *tag);

/**
 * tlbtag_vcpu_in_l2() - which level runs at the next entry?
 * @vcpu: initialised
 *
 * Context: the vCPU's thread.
 * Return: true for L2.
 */
static inline bool tlbtag_vcpu_in_l2(const struct tlbtag_vcpu *vcpu)
{
	return vcpu->active != TLBTAG_ACTIVE_L1;
}

/**
 * tlbtag_vcpu_ctx() - a context by its index
 * @vcpu: initialised
 * @active: TLBTAG_ACTIVE_L1, or 1 + the index of an L2 context
 *
 * Context: the vCPU's thread.
 * Return: the context.
 */
static inline const struct tlbtag_ctx *tlbtag_vcpu_ctx(const struct tlbtag_vcpu *vcpu,
						       uint32_t active)
{
	return active != TLBTAG_ACTIVE_L1 ? &vcpu->l2[active - 1].ctx : &vcpu->l1;
}

/**
 * tlbtag_vcpu_active() - the context that the next entry is of
 * @vcpu: initialised
 *
 * Context: the vCPU's thread.
 * Return: L1's context, or that of the L2 that is active.
 */
static inline const struct tlbtag_ctx *tlbtag_vcpu_active(const struct tlbtag_vcpu *vcpu)
{
	return tlbtag_vcpu_ctx(vcpu, vcpu->active);
}

/**
 * tlbtag_vcpu_is_ready() - tlbtag_vcpu_is_clean() but for requests from other CPUs
 * @vcpu: initialised
 * @cpu: the current CPU
 *
 * For an embedder that has its own way to bring them to the vCPU's thread, as KVM
 * has, and so never calls tlbtag_vcpu_request().
 *
 * Context: on @cpu, preemption off; the vCPU's thread.
 * Return: as tlbtag_vcpu_is_clean().
 */
static inline bool tlbtag_vcpu_is_ready(const struct tlbtag_vcpu *vcpu, struct tlbtag_cpu cpu)
{
	const struct tlbtag_ready *ready = &vcpu->ready[tlbtag_vcpu_in_l2(vcpu)];

	/* V4: an entry made it ready, and nothing that a plan looks at has changed since. */
	return ready->cpu == cpu.nr && ready->changes == *ready->changes_now;
}

/**
 * tlbtag_vcpu_has_remote() - did another CPU ask for something?
 * @vcpu: initialised
 *
 * Context: the vCPU's thread.
 * Return: true if tlbtag_vcpu_request() was called and no plan has taken it in.
 */
static inline bool tlbtag_vcpu_has_remote(const struct tlbtag_vcpu *vcpu)
{
	return tlbtag_load_relaxed(&vcpu->remote[0]) | tlbtag_load_relaxed(&vcpu->remote[1]);
}

/**
 * tlbtag_vcpu_is_clean() - does the next entry need nothing at all?
 * @vcpu: initialised
 * @cpu: the current CPU
 *
 * A short cut, nothing more: nearly every entry is one after the same context's
 * on the same CPU with nothing asked for between. A context that shares its tag
 * is never clean, since the owner record has to be asked.
 *
 * Context: on @cpu, preemption off, after the barrier that makes requests from
 * other CPUs visible (MACHINE 3.6); the vCPU's thread.
 * Return: true if the control block can be entered as it was left, without a
 * plan; no tlbtag_vcpu_entered() then. False says nothing.
 */
static inline bool tlbtag_vcpu_is_clean(const struct tlbtag_vcpu *vcpu, struct tlbtag_cpu cpu)
{
	return tlbtag_vcpu_is_ready(vcpu, cpu) && !tlbtag_vcpu_has_remote(vcpu);
}

/**
 * tlbtag_vcpu_plan() - what must the next entry carry?
 * @vcpu: initialised
 * @cpu: the current CPU
 *
 * Asked again before the entry, it answers the same or more. On Intel ask
 * tlbtag_vmx_plan_make() instead: a flush of a tag is not enough there.
 *
 * Context: on @cpu, preemption off; the vCPU's thread.
 * Return: the plan. For a CPU number out of range it warns and flushes all.
 */
struct tlbtag_plan tlbtag_vcpu_plan(struct tlbtag_vcpu *vcpu, struct tlbtag_cpu cpu);

/**
 * tlbtag_vcpu_entered() - the hardware took the entry that was planned
 * @vcpu: planned on @cpu, with nothing between but the entry
 * @cpu: the current CPU
 *
 * Not to be called if VMRUN failed its checks: what was pending then stays.
 *
 * Context: on @cpu, preemption still off; the vCPU's thread.
 */
void tlbtag_vcpu_entered(struct tlbtag_vcpu *vcpu, struct tlbtag_cpu cpu);

TLBTAG_END_DECLS

#endif
