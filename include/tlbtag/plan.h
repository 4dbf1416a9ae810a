/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * plan: what the library answers. It decides, the embedder acts.
 *
 * An entry plan says what the next VM entry must carry; work says what the MMU
 * side owes before it. Both are plain values.
 */
#ifndef TLBTAG_PLAN_H
#define TLBTAG_PLAN_H

#include <tlbtag/types.h>

/**
 * enum tlbtag_flush - how much of the TLB an entry flushes; wider is greater
 * @TLBTAG_FLUSH_NONE: nothing
 * @TLBTAG_FLUSH_NONGLOBAL: this tag's non-global linear entries (TLB_CONTROL 7);
 *	nested translations may stay (MACHINE U2)
 * @TLBTAG_FLUSH_TAG: everything under this tag (TLB_CONTROL 3)
 * @TLBTAG_FLUSH_ALL: everything, all tags, the host's too (TLB_CONTROL 1)
 */
enum tlbtag_flush {
	TLBTAG_FLUSH_NONE = 0,
	TLBTAG_FLUSH_NONGLOBAL = 1,
	TLBTAG_FLUSH_TAG = 2,
	TLBTAG_FLUSH_ALL = 3,
};

/*
 * Why a flush is due. X(ID, name, meaning); bit ID of a `why` set. The names
 * are what reports, counters and traces use.
 */
#define TLBTAG_WHYS(X)                                                            \
	X(FIRST_USE, "first-use", "the context's first entry with this tag")      \
	X(MOVED, "moved", "the context last ran on another CPU")                  \
	X(SHARED, "shared-tag", "another context used the shared tag last here")  \
	X(CPU_ONLINE, "cpu-online", "the CPU was off since")                      \
	X(ALL, "flush-all", "everything of the vCPU, asked for by the MMU")       \
	X(CURRENT, "flush-current", "the context that was active when asked")     \
	X(GUEST, "flush-guest", "a flush that the guest did or was due")          \
	X(PV, "pv-flush", "a paravirtual flush from another vCPU of the guest")   \
	X(TLB_CONTROL, "l1-tlb-control", "L1 asked in vmcb12's TLB_CONTROL")      \
	X(ASID_CHANGE, "l1-asid-change", "the tag now stands for another ASID of L1") \
	X(INVLPGA, "invlpga", "an INVLPGA that could not be done at once")        \
	X(RESET, "reset", "INIT or reset of the vCPU")                            \
	X(EPT_ROOT, "ept-root", "an EPT root that the context did not use before") \
	X(INVVPID, "invvpid", "an INVVPID of L1")                                 \
	X(INVEPT, "invept", "an INVEPT of L1")                                    \
	X(DOUBT, "doubt", "an internal check failed; see the kernel's log")

enum tlbtag_why_bit {
#define TLBTAG_WHY_ENUM(id, name, meaning) TLBTAG_WHY_BIT_##id,
	TLBTAG_WHYS(TLBTAG_WHY_ENUM)
#undef TLBTAG_WHY_ENUM
	TLBTAG_WHY_COUNT
};

/**
 * enum tlbtag_why - the same as a set
 *
 * A plan flushes if and only if its set is not empty (invariant C1).
 */
enum tlbtag_why {
	TLBTAG_WHY_NOTHING = 0,
#define TLBTAG_WHY_ENUM(id, name, meaning) TLBTAG_WHY_##id = 1 << TLBTAG_WHY_BIT_##id,
	TLBTAG_WHYS(TLBTAG_WHY_ENUM)
#undef TLBTAG_WHY_ENUM
};

/* What of the control block the processor must not take from its cache. */
#define TLBTAG_DIRTY_TAG 1u /* the tag: SVM clean bit 2 */
#define TLBTAG_DIRTY_ALL 2u /* every field */

/**
 * struct tlbtag_plan - what the next VM entry of a vCPU must do
 * @tag: the tag to load; never 0 on SVM
 * @flush: the scope, enum tlbtag_flush
 * @dirty: TLBTAG_DIRTY_ bits
 * @why: the reasons, a set of enum tlbtag_why; 0 iff @flush is NONE
 * @work: TLBTAG_WORK_ bits that a request from another CPU brought just now; if
 *	not 0, do them and plan again before entering
 */
struct tlbtag_plan {
	tlbtag_t tag;
	enum tlbtag_flush flush;
	uint32_t dirty;
	uint32_t why;
	uint32_t work;
};

/*
 * Work that the MMU side or the paravirtual flush queues owe before the next
 * entry, a set. SYNC: roots have just become stale; it is tlbtag_root_is_stale()
 * that knows which, whenever one is about to be used. DROP_ADDRESS: remove
 * the one address from all cached roots; to sync it is not enough, as the guest
 * may change its tables once more before it runs again. DRAIN: look at the level's
 * queue, it may have been written while the other level ran; what is in L2's is
 * for all L2 contexts. PURGE: pending flushes cover all that is in the queue.
 * DROP_ROOTS: drop the cached nested roots that tlbtag_vmx_invept_hits().
 */
#define TLBTAG_WORK_SYNC 1u
#define TLBTAG_WORK_DROP_ADDRESS 2u
#define TLBTAG_WORK_DRAIN_L1 4u
#define TLBTAG_WORK_DRAIN_L2 8u
#define TLBTAG_WORK_PURGE_L1 16u
#define TLBTAG_WORK_PURGE_L2 32u
#define TLBTAG_WORK_DROP_ROOTS 64u

#endif
