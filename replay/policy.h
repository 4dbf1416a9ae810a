/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * policy: what one way of managing TLB tags would have flushed.
 *
 * A policy is fed the causes of a recording, events, and decides by itself at
 * each VM entry whether to flush; it never looks at what the recorded kernel
 * decided, except to learn what hardware that kernel ran on.
 */
#ifndef TLBTAG_REPLAY_POLICY_H
#define TLBTAG_REPLAY_POLICY_H

#include "event.h"

/*
 * Why an entry flushes. X(REASON, name, meaning). An entry has many reasons at
 * times; it is counted under the first of this list, so that the counts add up
 * to the number of flushes.
 */
#define REASONS(X)                                                                         \
	X(FIRST_USE, "first-use", "first entry of a context with its tag")                 \
	X(MOVED, "moved", "the context last ran on another CPU")                           \
	X(SIBLING, "sibling", "another vCPU of the VM used the VM's tag here")             \
	X(SHARED, "shared-tag", "the context has no tag of its own")                       \
	X(WRAP, "wrap", "the tags of a CPU ran out and a new round began")                 \
	X(FLUSH_ALL, "flush-all", "the MMU asked: everything of the vCPU")                 \
	X(FLUSH_CURRENT, "flush-current", "the MMU asked: the current root")               \
	X(FLUSH_GUEST, "flush-guest", "the guest flushed")                                 \
	X(RESET, "reset", "INIT or reset of the vCPU")                                     \
	X(FLUSH_PV, "pv-flush", "another vCPU of the guest asked")                         \
	X(TLB_CONTROL, "l1-tlb-control", "L1 asked in vmcb12")                             \
	X(ASID_CHANGE, "l1-asid-change", "L1 used another ASID than the tag stood for")    \
	X(INVLPGA, "invlpga", "an address could not be invalidated on the right CPU")      \
	X(TRANSITION, "transition", "the level changed between L1 and L2")                 \
	X(PGE, "cr4-pge", "CR4.PGE differed from before")                                  \
	X(NEIGHBOUR, "neighbour", "the flush of another context of this CPU hit this one") \
	X(OTHER_LEVEL, "other-level", "the other level of the vCPU took a new tag for both") \
	X(UNKNOWN, "unknown", "flushed for no reason that the recording shows")

enum reason {
#define REASON_ENUM(reason, name, meaning) REASON_##reason,
	REASONS(REASON_ENUM)
#undef REASON_ENUM
	REASON_COUNT
};

/* A set of reasons; 0 is "no flush". */
#define WHY(reason) (1u << REASON_##reason)

const char *reason_name(enum reason reason);
const char *reason_meaning(enum reason reason);

/* The reason under which an entry is counted; @why is not empty. */
enum reason reason_of(uint32_t why);

/* Where a fact about the hardware comes from. */
enum source {
	SOURCE_ASSUMED,
	SOURCE_LEARNED,
	SOURCE_GIVEN,
};

/**
 * struct machine - the hardware that policies run on
 * @asids: number of ASIDs, 0 included
 * @asids_from: assumed, learned from the record, or given by the user
 * @flush_by_asid: it has FLUSHBYASID
 * @flush_by_asid_from: the same
 *
 * Shared by all policies of a replay; the policy that models the recorded
 * kernel learns what was not given. Policies with rounds of ASIDs follow what
 * it learns. Those with static ASIDs keep to the number at the beginning: a
 * recording does not show when a VM ends, so their ASIDs come back only when
 * a struct kvm is used again, and few would seem to run out.
 */
struct machine {
	uint32_t asids;
	enum source asids_from;
	bool flush_by_asid;
	enum source flush_by_asid_from;
};

/* What server processors since Zen 2 report; assumed until a wrap is seen. */
#define MACHINE_ASIDS_ASSUMED 32768u

/**
 * struct policy_counts - what a policy did
 * @flushes: entries that flushed, by reason_of()
 * @tags: most tags in use at a time
 * @wraps: rounds of tags that were used up on a CPU
 * @mmu_syncs: entries before which shadow roots had to be synced
 */
struct policy_counts {
	uint64_t flushes[REASON_COUNT];
	uint64_t tags;
	uint64_t wraps;
	uint64_t mmu_syncs;
};

/**
 * struct policy_ops - a kind of policy
 * @name: as on the command line
 * @about: one line
 * @models_record: it models the kernel that made the recordings, so it can
 *	agree or disagree with them
 * @create: state for one recording; NULL when out of memory
 * @event: feed one event; for ENTER, the set of reasons for which this entry
 *	flushes (0: it does not), for others 0
 * @finish: read the counts but for flushes
 * @destroy: the end
 */
struct policy_ops {
	const char *name;
	const char *about;
	bool models_record;
	void *(*create)(struct machine *machine);
	uint32_t (*event)(void *state, const struct event *event);
	void (*finish)(const void *state, struct policy_counts *counts);
	void (*destroy)(void *state);
};

/* All policies, in the order in which reports list them; ends with NULL. */
extern const struct policy_ops *const policies[];

/* Return: the policy, or NULL if there is none of that name. */
const struct policy_ops *policy_find(const char *name);

extern const struct policy_ops policy_kvm;
extern const struct policy_ops policy_rfc_v1;
extern const struct policy_ops policy_rfc_v2;
extern const struct policy_ops policy_xen;
extern const struct policy_ops policy_bhyve;
extern const struct policy_ops policy_nvmm;
extern const struct policy_ops policy_tlbtag;
extern const struct policy_ops policy_tlbtag_k1;
extern const struct policy_ops policy_needed;
extern const struct policy_ops policy_needed_k1;

#endif
