/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * rules: every rule that makes the library flush, sync or keep something, and
 * below them those about the pages of a TDX guest's private memory.
 *
 * Code consults a rule where it acts on it: `if (TLBTAG_RULE(MOVED) && ...)`.
 * In production ports TLBTAG_RULE() is the constant 1 and disappears; in the
 * sim port a rule can be switched off at run time, so that a test can show what
 * goes wrong without it. `tlbtag rules` prints this table.
 *
 * X(ID, statement, source); an ID never changes its meaning.
 */
#ifndef TLBTAG_RULES_H
#define TLBTAG_RULES_H

#define TLBTAG_RULES(X)                                                                            \
	X(FIRST_USE, "a context's first entry with its tag flushes it, on whichever CPU",          \
	  "SPEC A.4")                                                                              \
	X(MOVED, "a context that last ran on another CPU flushes its tag", "SPEC B.4, APM2 15.16") \
	X(SHARED_OWNER, "a shared tag is flushed if another context used it last on this CPU",     \
	  "SPEC B.3, E.4; KVM.md 4.2")                                                             \
	X(SHARED_BORROWED,                                                                         \
	  "a shared VPID that is taken over is flushed by each context of the vCPU that uses it",  \
	  "SPEC G")                                                                                \
	X(CPU_ONLINE, "what a context left on a CPU is unknown after the CPU was off",             \
	  "KVM.md 4.9")                                                                            \
	X(ALL_BY_ABSENCE, "without FLUSHBYASID every flush is a flush of everything",              \
	  "SPEC B.2, APM2 15.16.1")                                                                \
	X(EMPTIED_HERE, "a flush of every tag serves only contexts that ran on this CPU last",     \
	  "KVM.md 4.10")                                                                           \
	X(ACK, "a pending flush is dropped only when the hardware took an entry with it",          \
	  "SPEC J (v), KVM.md 4.8")                                                                \
	X(BLOCK_UNKNOWN, "what a control block holds is unknown until an entry took the plan",     \
	  "KVM.md 4.8")                                                                            \
	X(ALL_CONTEXTS, "a flush of everything reaches L1 and every L2 context", "SPEC C.3")       \
	X(ACTIVE_LEVEL, "a request that names no level is for the active context", "SPEC C.4")     \
	X(REMOTE_REQUEST, "a request from another CPU is served before the next entry",            \
	  "SPEC J P4, MACHINE 3.6")                                                                \
	X(KEEP_PENDING, "a nested entry keeps what is pending for the L2 context", "SPEC C.6")     \
	X(L1_TLB_CONTROL, "TLB_CONTROL in vmcb12, whatever its value, flushes that L2 context",    \
	  "SPEC C.5 E1-E3")                                                                        \
	X(L1_FLUSH_ALL_L1, "TLB_CONTROL 1 in vmcb12 flushes L1's own context as well",             \
	  "SPEC C.5 E5")                                                                           \
	X(L1_FLUSH_ALL_L2, "TLB_CONTROL 1 in vmcb12 flushes every other L2 context as well",       \
	  "SPEC C.5 E3, J P1")                                                                     \
	X(L1_ASID_CHANGE,                                                                          \
	  "an L2 context that takes over a tag for another ASID or VPID of L1 flushes it",         \
	  "SPEC C.5 E1, G")                                                                        \
	X(NESTED_REALLOC, "L2 contexts start anew when nesting is enabled again", "SPEC C.1")      \
	X(SYNC_TLB_CONTROL, "L1's TLB_CONTROL makes the shadow roots of that context stale",       \
	  "SPEC C.5 E2")                                                                           \
	X(SYNC_ASID_CHANGE, "an ASID that enters a context makes its shadow roots stale",          \
	  "SPEC C.5 E2")                                                                           \
	X(ROOT_CONTEXT, "a shadow root that was synced for another context is stale",              \
	  "MACHINE A1, A9")                                                                        \
	X(SYNC_GUEST_FLUSH, "under shadow paging a guest's flush makes its roots stale",           \
	  "SPEC C.3")                                                                              \
	X(INVLPGA_ZERO, "INVLPGA for ASID 0 acts as INVLPG in L1", "SPEC C.8 a")                   \
	X(INVLPGA_MATCH, "INVLPGA for the ASID of an L2 context acts on that context",             \
	  "SPEC C.8 c, J P1")                                                                      \
	X(INVLPGA_PLACE, "an address is invalidated at once only on the context's last CPU",       \
	  "SPEC B.7, C.8 c")                                                                       \
	X(INVLPGA_ERRATUM, "under NPT no use is made of INVLPGA where it has errata",              \
	  "MACHINE Q1, KVM.md 8")                                                                  \
	X(INVLPGA_DROP, "under shadow paging INVLPGA drops its address from all cached roots",     \
	  "SPEC C.8 e")                                                                            \
	X(PV_L1, "a paravirtual flush reaches L1's context whichever level runs", "SPEC C.9")      \
	X(QUEUE_DRAIN, "a change of level makes the new level's flush queue due", "SPEC C.9")      \
	X(QUEUE_COVERED, "a flush queue is purged only if all in it is flushed",                   \
	  "SPEC C.3, KVM.md 4.4")                                                                  \
	X(RESET, "INIT and reset of a vCPU flush L1's context", "SPEC B.6")                        \
	X(EPT_SCOPE, "what the MMU changed is flushed by EPT root, which no flush by VPID covers", \
	  "SPEC G, SDM3 28.3.3.1")                                                                 \
	X(EPT_ROOT, "an EPT root that is not the one of the context's latest entry is flushed",    \
	  "SPEC G, SDM3 28.3.2")                                                                   \
	X(EPT_REUSE, "a root that was built anew at an old root's address is flushed again",       \
	  "SPEC G, MACHINE 6.5 (4)")                                                               \
	X(NO_VPID_L2, "without VPID in vmcs12 a nested entry flushes the L2 context",              \
	  "SPEC G, SDM3 26.3.2.5")                                                                 \
	X(NO_VPID_L1, "without VPID in vmcs12 a nested entry flushes L1's context as well",        \
	  "SPEC G, SDM3 27.5.5")                                                                   \
	X(L2_NO_TAG, "L1 and L2 that share VPID and EPT root flush at each change between them",   \
	  "SPEC G")                                                                                \
	X(INVVPID_MATCH, "INVVPID of L1 acts on the L2 context of the VPID that it names",         \
	  "SPEC G, MACHINE I3")                                                                    \
	X(INVVPID_ALL, "INVVPID of type 2 by L1 reaches the L2 context of every VPID",             \
	  "SPEC G, MACHINE I3")                                                                    \
	X(INVEPT_MATCH, "INVEPT of L1 flushes each L2 context that last ran on the root it names", \
	  "SPEC G, MACHINE I4")

/*
 * No flush rests on these: a table of their own, so that who asks what a rule
 * costs in flushes need not leave them out. From LARGE_BACKING on they are about how
 * large private memory is mapped, and what goes with a range.
 */
#define TLBTAG_SEPT_RULES(X)                                                                       \
	X(PAMT_RECHECK, "a PAMT pair is added only to a region that has none by then",             \
	  "SPEC H.1")                                                                              \
	X(PAMT_ADDED, "a first use counts only if its PAMT.ADD succeeded", "SPEC H.1")             \
	X(PAMT_LAST, "a PAMT pair is removed when the region's last use ends, and not before",     \
	  "SPEC H.1")                                                                              \
	X(PAMT_CLOSED, "a region whose PAMT pair is being removed gives no reference",             \
	  "SPEC H.1")                                                                              \
	X(PAMT_STUCK, "a PAMT pair whose removal failed counts as installed", "SPEC H.1, I.4-18")  \
	X(PAMT_SPLIT, "a split counts 512 uses at once, and none before it succeeded",             \
	  "SPEC H.4 5, I.4-23")                                                                    \
	X(PAGES_RECHECK, "pages are counted again under the lock that they are taken under",       \
	  "SPEC H.3")                                                                              \
	X(PAGES_CAP, "a top-up never exceeds the minimum, however many threads make one",          \
	  "SPEC H.6 5")                                                                            \
	X(KIT_WHOLE, "all pages of a split are taken at once, before its first SEAMCALL",          \
	  "SPEC H.6 1 and 2")                                                                      \
	X(RESERVE_WORST, "a reservation covers the worst case of every split in it", "SPEC H.7")   \
	X(SEPT_TRACK, "a mapping is demoted or removed only after TRACK and a kick of all vCPUs",  \
	  "SPEC H.4 2")                                                                            \
	X(SEPT_PUBLISH, "the mirror changes only after the secure table did", "SPEC H.6 3")        \
	X(SEPT_RETRY, "a busy SEAMCALL is made again once, with all vCPUs kept out", "SPEC H.4")   \
	X(SPLIT_UNBLOCK, "what was blocked in vain is unblocked", "SPEC H.6 3")                    \
	X(SPLIT_PUT, "a failed split gives its use of the S-EPT page's region back",               \
	  "SPEC H.4, I.4-21")                                                                      \
	X(ZAP_PUT, "a removed mapping ends a use if it was of 4 KiB", "SPEC H.4, I.4-17")          \
	X(STRADDLE_ONCE, "a page that both ends of a range are in is split once", "SPEC H.5")      \
	X(LARGE_BACKING, "a mapping is no larger than the memory behind it", "SPEC H.4, I.4-01")   \
	X(LARGE_SLOT, "2 MiB that are partly outside their slot are mapped by 4 KiB leaves",       \
	  "SPEC H.4")                                                                              \
	X(LARGE_CHOSEN, "what the guest accepts or once accepted in 4 KiB is mapped so",           \
	  "SPEC H.4, I.4-12")                                                                      \
	X(LARGE_BUILD, "until the TD is finalized everything is mapped by 4 KiB leaves",           \
	  "SPEC H.4")                                                                              \
	X(LARGE_TABLE, "a table is never replaced by a 2 MiB leaf", "SPEC H.4, I.4-06")            \
	X(LARGE_EDGE, "nothing large is mapped around the end of a range that is being converted", \
	  "SPEC H.4")                                                                              \
	X(ACCEPT_INHIBIT, "an ACCEPT of 4 KiB inhibits larger mappings for good",                  \
	  "SPEC H.4, I.4-12 and 13")                                                               \
	X(ACCEPT_AGAIN, "a page that is inhibited and still large is split at the next ACCEPT",    \
	  "SPEC H.4")                                                                              \
	X(CONVERT_SPLIT, "what the ends of a range cut into is split before the range goes",       \
	  "SPEC H.4, I.4-14 to 16")                                                                \
	X(CONVERT_FIRST, "an end that cannot be split ends a conversion that has removed nothing", \
	  "SPEC H.4")                                                                              \
	X(CONVERT_EXACT, "a leaf that sticks out of a range is not removed with it", "SPEC H.4")

/*
 * TLBTAG_RULE_COUNT counts the flush rules, TLBTAG_RULE_ALL all.
 */
enum tlbtag_rule {
#define TLBTAG_RULE_ENUM(id, statement, source) TLBTAG_RULE_##id,
	TLBTAG_RULES(TLBTAG_RULE_ENUM)
#undef TLBTAG_RULE_ENUM
	TLBTAG_RULE_COUNT,
	TLBTAG_RULE_BEFORE_SEPT = TLBTAG_RULE_COUNT - 1,
#define TLBTAG_RULE_ENUM(id, statement, source) TLBTAG_RULE_##id,
	TLBTAG_SEPT_RULES(TLBTAG_RULE_ENUM)
#undef TLBTAG_RULE_ENUM
	TLBTAG_RULE_ALL
};

#endif
