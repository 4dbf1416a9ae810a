/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * vmx: entry plans for Intel, and L1's use of VPIDs and EPT.
 *
 * Requests, tags and L2 contexts are those of vcpu.h and nested.h; what differs
 * is what a tag covers. A VPID tags linear and combined translations. Those of
 * guest-physical addresses are tagged by the root of the EPT alone, EP4TA, and
 * no flush by VPID reaches them (SPEC G). So a plan is a list of INVVPIDs and
 * INVEPTs, and the library remembers for each context not only where it ran
 * last but also on which root.
 *
 *   what is due                                 EPT on      EPT off
 *   first use, another CPU, CPU was off         INVEPT 1    INVVPID 1
 *   another root than last time                 INVEPT 1    INVVPID 1
 *   asked for by the MMU; INVEPT of L1          INVEPT 1    INVVPID 1
 *   a guest's flush; VPID change or INVVPID     INVVPID     INVVPID
 *   of L1; a VPID shared with another
 *
 * Why one INVEPT is enough. It names the root that is about to be used and
 * drops what that root has under every VPID. Other roots may have old entries
 * under the context's VPID; they cannot be used before the context enters with
 * such a root, and that entry flushes that root (rule EPT_ROOT). So an INVVPID
 * beside it would be superfluous.
 *
 * VPID 0 means that the control "enable VPID" is off. It is the answer to
 * exhaustion: the processor then drops linear and combined translations at each
 * entry and exit by itself, and only INVEPT is ever due. An L2 context without
 * a VPID of its own borrows L1's instead, and they flush when they alternate,
 * unless L1 uses EPT for L2, which separates them by root.
 *
 * VMXON and VMXOFF are tlbtag_nested_enable() and tlbtag_nested_disable(); a
 * nested exit is tlbtag_nested_exit(). The pool is one of tags 1 to
 * TLBTAG_VPID_MAX, and has no fallback tag.
 *
 *   X1  a plan has a reason if and only if it has an operation
 *   X2  no operation names VPID 0
 *   X3  with EPT on, what the MMU asked for is never left to an INVVPID
 *   X4  INVVPID by L1 spares L1's VPID, unless L2 has none of its own
 *   X5  if the vCPU is clean, its plan has no operation and the VPID has not
 *       changed
 */
#ifndef TLBTAG_VMX_H
#define TLBTAG_VMX_H

#include <tlbtag/nested.h>

TLBTAG_BEGIN_DECLS

/* The highest VPID; hw.nr_tags is one more. */
#define TLBTAG_VPID_MAX 65535u

/* What tells one EPT root from another in an EPTP: EP4TA, bits 51:12. */
#define TLBTAG_EP4TA_MASK UINT64_C(0x000ffffffffff000)

/* The types of INVVPID (SDM3 30.3). 3 spares global translations. */
#define TLBTAG_INVVPID_ADDRESS 0u
#define TLBTAG_INVVPID_CONTEXT 1u
#define TLBTAG_INVVPID_ALL 2u
#define TLBTAG_INVVPID_NONGLOBAL 3u

/* The types of INVEPT (SDM3 30.3) */
#define TLBTAG_INVEPT_CONTEXT 1u
#define TLBTAG_INVEPT_ALL 2u

/**
 * enum tlbtag_vmx_instruction - what to execute
 * @TLBTAG_INVVPID: INVVPID
 * @TLBTAG_INVEPT: INVEPT
 */
enum tlbtag_vmx_instruction {
	TLBTAG_INVVPID = 0,
	TLBTAG_INVEPT = 1,
};

/**
 * struct tlbtag_vmx_op - one invalidation, to be executed on this CPU
 * @instruction: which
 * @type: its type
 * @vpid: INVVPID: the VPID; never 0
 * @address: INVVPID of type 0: the linear address
 * @eptp: INVEPT of type 1: the EPTP
 *
 * A processor without a type can do more instead: INVVPID 1 for 0 and 3,
 * INVVPID 2 for 1, INVEPT 2 for 1.
 */
struct tlbtag_vmx_op {
	enum tlbtag_vmx_instruction instruction;
	uint32_t type;
	tlbtag_t vpid;
	uint64_t address;
	uint64_t eptp;
};

/* Most operations of a plan; see above why there are so few. */
#define TLBTAG_VMX_OPS_MAX 1u

/**
 * struct tlbtag_vmx_plan - what the next VM entry of a vCPU must do
 * @vpid: the VPID to load
 * @vpid_enabled: the control "enable VPID"; off if and only if @vpid is 0
 * @vpid_changed: the VMCS holds something else in these two; write them
 * @op_count: how many operations there are
 * @op: the operations, to be executed before the entry
 * @why: the reasons, a set of enum tlbtag_why; 0 iff @op_count is 0
 * @work: TLBTAG_WORK_ bits that a request from another CPU brought just now; if
 *	not 0, do them and plan again before entering
 */
struct tlbtag_vmx_plan {
	tlbtag_t vpid;
	bool vpid_enabled;
	bool vpid_changed;
	uint32_t op_count;
	struct tlbtag_vmx_op op[TLBTAG_VMX_OPS_MAX];
	uint32_t why;
	uint32_t work;
};

/**
 * tlbtag_vmx_is_clean() - does the next entry need nothing at all?
 * @vcpu: initialised
 * @cpu: the current CPU
 * @eptp: the EPTP that the entry will have; 0 with EPT off
 *
 * Context: as tlbtag_vcpu_is_clean(), which alone is not enough on Intel.
 * Return: true if the VMCS can be entered without a plan; no
 * tlbtag_vmx_entered() then. False says nothing.
 */
static inline bool tlbtag_vmx_is_clean(const struct tlbtag_vcpu *vcpu, struct tlbtag_cpu cpu,
				       uint64_t eptp)
{
	return tlbtag_vcpu_is_clean(vcpu, cpu) && vcpu->space[vcpu->active].eptp == eptp;
}

/**
 * tlbtag_vmx_plan_make() - what must the next entry do?
 * @vcpu: initialised
 * @cpu: the current CPU
 * @eptp: the EPTP that the entry will have, all 64 bits; 0 with EPT off
 *
 * Asked again before the entry, it answers the same or more.
 *
 * What the MMU asks for with %TLBTAG_WHY_CURRENT concerns the active context
 * only; a change of tables that other contexts may use too, as those of L2
 * guests with one EPTP do, is for %TLBTAG_TARGET_BOTH.
 *
 * Context: on @cpu, preemption off until tlbtag_vmx_entered(); the vCPU's thread.
 * Return: the plan. For a CPU number out of range, or on AMD, it warns, switches
 * VPIDs off and flushes all roots.
 * Source: SPEC G; SDM3 28.3.
 */
struct tlbtag_vmx_plan tlbtag_vmx_plan_make(struct tlbtag_vcpu *vcpu, struct tlbtag_cpu cpu,
					    uint64_t eptp);

/**
 * tlbtag_vmx_entered() - the hardware took the entry that was planned
 * @vcpu: planned on @cpu with @eptp, with nothing between but the entry
 * @cpu: the current CPU
 * @eptp: as in the plan
 *
 * Not to be called if the VM entry failed: what was pending then stays.
 *
 * Context: on @cpu, preemption still off; the vCPU's thread.
 */
void tlbtag_vmx_entered(struct tlbtag_vcpu *vcpu, struct tlbtag_cpu cpu, uint64_t eptp);

/**
 * tlbtag_vmx_root_start() - an EPT root was built for this vCPU
 * @vcpu: initialised
 * @eptp: leads to the new root; only EP4TA counts
 *
 * The page may have been a root before, and processors may still have what
 * they read then. Each context that ran on a root at this address flushes it
 * at its next entry; those that did not will for that reason. To be called for
 * every vCPU that takes up the root, whoever built it, and also if a cached
 * root is synced with L1's tables without a flush of its own.
 *
 * Context: the vCPU's thread, before an entry with the root.
 * Source: SPEC G; MACHINE 3.1.
 */
void tlbtag_vmx_root_start(struct tlbtag_vcpu *vcpu, uint64_t eptp);

/**
 * struct tlbtag_vmcs12 - what the library wants to know of a vmcs12
 * @vpid_enabled: L1 set "enable VPID"
 * @vpid: the VPID; looked at only if enabled
 * @ept_enabled: L1 set "enable EPT"; only if L0 uses EPT itself
 * @eptp: L1's EPTP; looked at only if enabled
 */
struct tlbtag_vmcs12 {
	bool vpid_enabled;
	uint16_t vpid;
	bool ept_enabled;
	uint64_t eptp;
};

/**
 * tlbtag_vmx_nested_enter() - L1 executed VMLAUNCH or VMRESUME, RSM returned to
 *	L2, or user space restored a vCPU inside L2
 * @vcpu: VMXON done; if L2 is active already, it is left first
 * @vmcs12: what L1 wrote
 * @work: set to what is owed before the entry
 *
 * A VPID of L1 that has a context keeps it, another takes over the one unused
 * for longest and flushes it. Without VPID in vmcs12 L2 is VPID 0 to L1, as L1
 * itself is, and the architecture flushes that at entry and exit: both contexts
 * flush at their next entries. No shadow of L1's EPT has to be synced, as a
 * VPID does not tag what it caches.
 *
 * Context: the vCPU's thread.
 * Return: 0; -EINVAL if VPIDs are enabled and the VPID is 0 (VM entry fails):
 * nothing has changed.
 * Source: SPEC G; SDM3 26.2.1.1, 26.3.2.5, 27.5.5.
 */
int tlbtag_vmx_nested_enter(struct tlbtag_vcpu *vcpu, const struct tlbtag_vmcs12 *vmcs12,
			    uint32_t *work);

/**
 * enum tlbtag_vmx_fail - why L1's INVVPID or INVEPT fails, if it does
 * @TLBTAG_VMX_OK: VMsucceed
 * @TLBTAG_VMX_BAD_TYPE: the type is not offered to L1
 * @TLBTAG_VMX_BAD_VPID: bits above the VPID are set
 * @TLBTAG_VMX_ZERO_VPID: VPID 0, and the type is not "all"
 * @TLBTAG_VMX_BAD_ADDRESS: type 0 with a non-canonical address
 * @TLBTAG_VMX_BAD_EPTP: a VM entry with this EPTP would fail
 *
 * All but OK are one VMfail to L1, with %TLBTAG_VMX_ERROR_OPERAND.
 */
enum tlbtag_vmx_fail {
	TLBTAG_VMX_OK = 0,
	TLBTAG_VMX_BAD_TYPE = 1,
	TLBTAG_VMX_BAD_VPID = 2,
	TLBTAG_VMX_ZERO_VPID = 3,
	TLBTAG_VMX_BAD_ADDRESS = 4,
	TLBTAG_VMX_BAD_EPTP = 5,
};

/* VM-instruction error: invalid operand to INVEPT/INVVPID (SDM3 30.4) */
#define TLBTAG_VMX_ERROR_OPERAND 28u

/**
 * struct tlbtag_invvpid - an INVVPID as L1 executed it
 * @offered: bit n: type n is offered to L1 (IA32_VMX_EPT_VPID_CAP bits 43:40)
 * @type: the register operand
 * @vpid: the descriptor's bits 63:0
 * @address: the descriptor's bits 127:64
 * @canonical: @address is canonical, linear-address masking left out
 */
struct tlbtag_invvpid {
	uint32_t offered;
	uint64_t type;
	uint64_t vpid;
	uint64_t address;
	bool canonical;
};

/**
 * struct tlbtag_invvpid_answer - how to carry it out
 * @fail: OK, or why L1 gets VMfail; then nothing else is to be done
 * @action: NOTHING, NOW (execute @op here), or PENDING
 * @op: the operation for NOW
 * @work: a set of TLBTAG_WORK_; SYNC or DROP_ADDRESS under shadow paging
 */
struct tlbtag_invvpid_answer {
	enum tlbtag_vmx_fail fail;
	enum tlbtag_address action;
	struct tlbtag_vmx_op op;
	uint32_t work;
};

/**
 * tlbtag_vmx_invvpid() - L1 executed INVVPID
 * @vcpu: L1 active
 * @cpu: the current CPU
 * @invvpid: its operands
 *
 * It acts on the L2 contexts of the VPIDs that it names: one address at once if
 * their entries are on this CPU, anything else at their next entry. A VPID
 * without a context flushes when it gets one.
 *
 * Context: on @cpu, preemption off until carried out; the vCPU's thread.
 * Return: what to do.
 * Source: SPEC G; SDM3 30.3.
 */
struct tlbtag_invvpid_answer tlbtag_vmx_invvpid(struct tlbtag_vcpu *vcpu, struct tlbtag_cpu cpu,
						const struct tlbtag_invvpid *invvpid);

/**
 * struct tlbtag_invept - an INVEPT as L1 executed it
 * @offered: bit n: type n is offered to L1 (IA32_VMX_EPT_VPID_CAP bits 26:25)
 * @type: the register operand
 * @eptp: the descriptor's bits 63:0
 * @valid: @eptp would pass the checks of a VM entry
 */
struct tlbtag_invept {
	uint32_t offered;
	uint64_t type;
	uint64_t eptp;
	bool valid;
};

/**
 * tlbtag_vmx_invept_hits() - does this INVEPT speak about that nested root?
 * @invept: the operands, not refused
 * @eptp12: the EPTP of L1 that the root shadows; 0 for a root that shadows none
 *
 * Context: any.
 * Return: true if the root is to be dropped, or synced before it is used again.
 * Source: MACHINE I4; SDM3 28.3.2 (the low 12 bits are no part of the tag).
 */
bool tlbtag_vmx_invept_hits(const struct tlbtag_invept *invept, uint64_t eptp12);

/**
 * tlbtag_vmx_invept() - L1 executed INVEPT
 * @vcpu: L1 active
 * @invept: its operands
 * @work: set to what is owed: DROP_ROOTS; 0 if it fails
 *
 * The contexts that ran last on a root that is hit flush it at their next
 * entry. This is owed even if no shadow changes, as L1 may mean the combined
 * translations, which are gone with the root's on the processor that it knows.
 *
 * Context: the vCPU's thread.
 * Return: OK, or why L1 gets VMfail: BAD_TYPE, BAD_EPTP.
 * Source: SPEC G, MACHINE I3, I4; SDM3 30.3.
 */
enum tlbtag_vmx_fail tlbtag_vmx_invept(struct tlbtag_vcpu *vcpu,
				       const struct tlbtag_invept *invept, uint32_t *work);

TLBTAG_END_DECLS

#endif
