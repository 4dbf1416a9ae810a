/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The museum: mistakes that were made, or nearly, put back one at a time.
 *
 * X(ID, name, vendor, statement, source, property). The names are what stories and the
 * command line use. Each one's code is where the right thing is done, under
 * vmm_has_fault().
 */
#ifndef VMM_FAULT_H
#define VMM_FAULT_H

#define VMM_FAULTS(X)                                                                           \
	X(FREE_BEFORE_ACK, "free-before-ack", EITHER,                                           \
	  "a frame is reused while vCPUs in guest mode have not acknowledged the flush",        \
	  "FreeBSD D26910 (2020); XSA-480; Linux eb66ae030829", "P7")                           \
	X(FLUSH_FIRST, "flush-first", EITHER,                                                   \
	  "the flush comes before the change of the table", "Linux 60bae7370896", "P7")         \
	X(NO_REQUEST, "no-request", EITHER, "only the vCPU that changes the table flushes",     \
	  "Linux global ASIDs, changelog of v5 (2025)", "P7")                                   \
	X(WRITE_PROTECT, "write-protect-unflushed", EITHER,                                     \
	  "rights are taken away for dirty logging without a flush",                            \
	  "MACHINE litmus 19; svsm #946", "P1")                                                 \
	X(BOOL_TAG, "bool-tag", AMD, "the tag goes through a bool",                             \
	  "Xen 5ede8c9261 (2025)", "P8")                                                        \
	X(NARROW_TAG, "narrow-tag", AMD, "the allocator is wider than the hardware's field",    \
	  "FreeBSD D55860 (2026); Xen/Arm 8e2acc2074", "P8")                                    \
	X(SHORT_INDEX, "short-index", AMD, "an index is cut: two tags have one bit",            \
	  "OpenBSD vmm, uint8_t index", "P8")                                                   \
	X(TAG_ZERO, "tag-zero", AMD,                                                            \
	  "the tag is bound late; the second vCPU enters without one",                          \
	  "Linux arm64 934bf871f011 (2024)", "P8")                                              \
	X(FIRST_UNFLUSHED, "first-unflushed", AMD,                                              \
	  "a recycled tag is not flushed on first use",                                         \
	  "HAXM vcpu.c, NOVA vpid.hpp, Barrelfish arrakismon", "P3")                            \
	X(FIRST_CPU_ZERO, "first-cpu-zero", EITHER,                                             \
	  "a new context's last CPU is 0 instead of none",                                      \
	  "Linux KVM, mutant M4 of the port", "P3")                                             \
	X(PASS_THROUGH, "pass-through", EITHER,                                                 \
	  "the ASID that L1 chose is loaded into hardware", "ACRN #6561 (2021)", "P2")          \
	X(VPID02_KEPT, "last-asid-kept", EITHER,                                                \
	  "nesting off and on: the tag is new, the memory of L1's ASID is not",                 \
	  "Linux nVMX vpid02 (June 2026)", "P3")                                                \
	X(L2_TAGS_LEAK, "l2-tags-leak", EITHER, "a dying vCPU does not give its L2 tags back",  \
	  "ACRN #2989 (2019)", "P9")                                                            \
	X(OWNER_UNCHECKED, "owner-unchecked", AMD,                                              \
	  "vCPUs that share a tag alternate on a CPU without a flush",                          \
	  "Linux arm64 94d0e5980d67 (2016); kvm-riscv #32", "P4")                               \
	X(OWNER_AT_LOAD, "owner-at-load", AMD,                                                  \
	  "the owner of a shared tag is noted at load only",                                    \
	  "Linux SVM RFC v1 19/24 (2025)", "P4")                                                \
	X(OWNER_SLOT, "owner-slot", AMD,                                                        \
	  "a dying vCPU clears its neighbour's slot of the per-CPU owner table",                \
	  "Linux SEV, sev_asid_free (2021)", "P4")                                              \
	X(MOVED_INVERTED, "moved-inverted", AMD, "the test for another CPU is inverted",        \
	  "XSA-408, a9949efb28", "P4")                                                          \
	X(MOVED_FORGOTTEN, "return-unflushed", AMD,                                             \
	  "returning to a CPU flushes only if a request came meanwhile",                        \
	  "a flush epoch that forgets the guest's own invalidations", "P4")                     \
	X(FLUSH_7, "flush-nonglobal", AMD, "TLB_CONTROL 7 where 3 is needed",                   \
	  "kvm-riscv VS-stage flush (2025); APM2 15.16.1", "P6")                                \
	X(FLUSH_LINEAR, "flush-linear", AMD,                                                    \
	  "a flush for the MMU drops linear translations only",                                 \
	  "Linux SVM on Hyper-V, EnlightenedNptTlb (2023)", "P6")                               \
	X(FLUSH_FIRST_PAGE, "flush-first-page", AMD,                                            \
	  "a range is flushed by its first address",                                            \
	  "FreeBSD superpage demotion; FreeBSD-EN-26:10", "P6")                                 \
	X(CLEAN_BIT, "clean-bit", AMD, "the tag changes and its VMCB clean bit stays set",      \
	  "APM2 15.15.3; MACHINE litmus 18", "P5")                                              \
	X(FAILED_RUN, "failed-run", AMD, "a VMRUN that failed is taken for one that flushed",   \
	  "Linux 6.12 svm.c", "P3")                                                             \
	X(REQUEST_UNUSED, "request-unused", AMD, "the request is noted, and nobody looks",      \
	  "Xen altp2m 69f7643df6 (2019)", "P5")                                                 \
	X(HOTPLUG, "hotplug", EITHER, "a CPU comes back and nobody flushes",                    \
	  "Linux SVM static ASIDs, port", "P3")                                                 \
	X(ACTIVE_ONLY, "active-only", EITHER,                                                   \
	  "a flush of everything hits the active level only",                                   \
	  "Linux nSVM port, mutant M1", "P5")                                                   \
	X(OTHER_LEVEL, "other-level", EITHER,                                                   \
	  "the level is asked for after the switch: a flush hits the wrong one",                \
	  "Linux SVM RFC v1 13/24 (2025); nVMX 1438921c6dc1", "P5")                             \
	X(PENDING_RESET, "pending-reset", AMD,                                                  \
	  "a nested entry resets what was pending for L2",                                      \
	  "Linux nSVM, TLB_CONTROL of vmcb02", "P5")                                            \
	X(CONTROL_IGNORED, "control-ignored", AMD, "TLB_CONTROL in vmcb12 is ignored",          \
	  "Linux nSVM before 2026 with its flushes removed", "P5")                              \
	X(CONTROL_ONE, "control-one", AMD, "TLB_CONTROL 1 flushes L2 and not L1",               \
	  "Linux SVM RFC v1, forced leave", "P5")                                               \
	X(SYNC_REQUEST, "sync-request", AMD,                                                    \
	  "a demand to sync is a request that whichever root comes next takes away",            \
	  "Linux KVM_REQ_MMU_SYNC and a failed nested entry", "P1")                             \
	X(SYNC_CURRENT, "sync-current", AMD,                                                    \
	  "only the current root is synced, cached ones are not",                               \
	  "Linux SVM RFC v1 18/24 (2025)", "P1")                                                \
	X(SYNC_ASID, "sync-asid", AMD, "a new ASID flushes but does not sync",                  \
	  "Linux SVM RFC v1 19/24 (2025)", "P5")                                                \
	X(ADDRESS_PLACE, "address-place", AMD,                                                  \
	  "INVLPGA is executed on whichever CPU L1 is on",                                      \
	  "Linux nVMX INVVPID (June 2026)", "P4")                                               \
	X(ADDRESS_LEVEL, "address-level", AMD, "INVLPGA of L1 hits L1's own tag",               \
	  "Linux SVM RFC, INVLPGA (2025)", "P6")                                                \
	X(ADDRESS_ERRATUM, "address-erratum", AMD, "INVLPGA is relied on under NPT",            \
	  "AMD Genoa and Turin; Linux 26505e1b5b54", "P6")                                      \
	X(PV_ACTIVE, "pv-active", EITHER, "a paravirtual flush hits L2 because L2 is active",   \
	  "Linux SVM RFC thread, PV flush", "P5")                                               \
	X(SHARED_LEVELS_ENTRY, "one-tag-entry", AMD,                                            \
	  "L1 and L2 share a tag and the flush at nested entry is dropped",                     \
	  "Linux nSVM until 2026", "P5")                                                        \
	X(SHARED_LEVELS_EXIT, "one-tag-exit", AMD,                                              \
	  "L1 and L2 share a tag and the flush at nested exit is dropped",                      \
	  "Linux nSVM until 2026", "P5")                                                        \
	X(SHARED_LEVELS_LEAVE, "one-tag-leave", AMD,                                            \
	  "L1 and L2 share a tag and a forced leave does not flush",                            \
	  "Linux SVM RFC v2 01/25 (2026)", "P5")                                                \
	X(WRAP_ASID, "wrap-asid", AMD, "a new generation of ASIDs flushes one ASID, not all",   \
	  "Xen 68871b1f9b (2025)", "P3")                                                        \
	X(WRAP_UNNOTICED, "wrap-unnoticed", AMD,                                                \
	  "the generation is read before it is renewed",                                        \
	  "Linux arm64 VMID generation race (2018)", "P2")                                      \
	X(QUEUE_LEVEL, "queue-level", EITHER,                                                   \
	  "a Hyper-V flush goes into the queue of the level that the target is in",             \
	  "Linux SVM RFC, Hyper-V FIFOs (2025)", "P5")                                          \
	X(QUEUE_NOT_REARMED, "queue-not-rearmed", EITHER,                                       \
	  "a change of level does not look at the other level's queue",                         \
	  "Linux KVM, kvm_hv_nested_transtion_tlb_flush", "P5")                                 \
	X(QUEUE_PURGE, "queue-purge", EITHER,                                                   \
	  "the queue to purge goes by guest mode, the flush by control block",                  \
	  "Linux nSVM port, KVM.md 4.4", "P5")                                                  \
	X(NEVER_TAKEN, "never-taken", AMD,                                                      \
	  "the entry is not reported, and what was pending flushes again at the next",          \
	  "Linux SVM RFC v1: the fallback ASID flushed at every VMRUN (2025)", "P9")            \
	X(NEVER_RETAGGED, "never-retagged", EITHER,                                             \
	  "who shares the fallback tag keeps it when others become free",                       \
	  "Linux SVM RFC v1, fallback ASID (2025)", "P9")                                       \
	X(ROOT_BEFORE, "root-before", INTEL,                                                    \
	  "a flush names the EPT root that was loaded before, not the next one",                \
	  "Linux nVMX 1438921c6dc1 (2018)", "P5")                                               \
	X(ROOT_BY_VPID, "root-by-vpid", INTEL, "a flush for the MMU is an INVVPID",             \
	  "SDM3 28.3.3.1; Linux SVM on Hyper-V (2023)", "P6")                                   \
	X(ROOT_REUSED, "root-reused", INTEL,                                                    \
	  "an EPT root is built where one was before, and not flushed",                         \
	  "MACHINE 6.5 (4)", "P3")                                                              \
	X(INVEPT_TYPE, "invept-type", INTEL,                                                    \
	  "INVEPT is executed with type 0, which does not exist", "Bareflank #413", "P6")       \
	X(INVVPID_PLACE, "invvpid-place", INTEL,                                                \
	  "INVVPID of L1 is executed on whichever CPU L1 is on",                                \
	  "Linux nVMX INVVPID (June 2026)", "P4")                                               \
	X(INVEPT_SHADOW, "invept-shadow", INTEL,                                                \
	  "INVEPT of L1 drops shadow roots and leaves the processor alone",                     \
	  "SPEC G, MACHINE I4", "P5")                                                           \
	X(VPID_SHARED, "vpid-shared", INTEL,                                                    \
	  "no VPID is left: L2 borrows that of L1 and nobody flushes between them",             \
	  "SPEC G; SDM3 28.3", "P5")

enum vmm_fault_id {
#define VMM_FAULT_ENUM(id, name, vendor, statement, source, property) FAULT_##id,
	VMM_FAULTS(VMM_FAULT_ENUM)
#undef VMM_FAULT_ENUM
	VMM_FAULT_COUNT
};

#endif
