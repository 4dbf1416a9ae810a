/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The museum of private memory: defects of the third version of Linux' patches for
 * huge pages of TDX guests (January 2026), of a tree that was deployed, and some
 * that these patches or their review kept out, put in one at a time. X(ID, name,
 * statement, source, verdict of doc/MODEL_SEPT.md).
 *
 * Five of them are on the path of splits of that version (private_old.c), in which
 * all but the one defect is mended; tdx.old of the configuration takes it.
 */
#ifndef VMM_PRIVATE_FAULT_H
#define VMM_PRIVATE_FAULT_H

#define PRIVATE_FAULTS(X)                                                                       \
	X(RETRY_PAIR, "retry-takes-pair",                                                       \
	  "a DEMOTE that is busy frees its pair and takes a second one from the cache",         \
	  "Linux TDX huge pages v3 22/24 (2026)", "dry")                                        \
	X(LOCK_OVER_KICK, "lock-over-kick",                                                     \
	  "the cache's spinlock is held while all vCPUs are kicked",                            \
	  "Linux TDX huge pages v3 20/24, 22/24 (2026)", "held")                                \
	X(LEFT_BLOCKED, "left-blocked",                                                         \
	  "a DEMOTE that fails leaves the range blocked",                                       \
	  "Linux TDX huge pages v3 08/24 (2026)", "apart")                                      \
	X(PUBLISHED, "published-anyway",                                                        \
	  "the table is published in the mirror although DEMOTE failed",                        \
	  "a deployed tree of 2022 with a void split callback", "apart")                        \
	X(LOSER_FREES, "loser-frees",                                                           \
	  "who loses the race for a first use frees the pages of its fault",                    \
	  "Linux Dynamic PAMT (2026), SPEC H.6 4", "spare")                                        \
	X(OVERFILL, "cache-overfill",                                                           \
	  "several threads that top up do not look at the cache again",                         \
	  "Linux TDX huge pages v3 19/24 (2026)", "spare")                                      \
	X(UNCHARGED, "topup-uncharged",                                                         \
	  "pages for splits are not charged to the VM",                                         \
	  "Linux TDX huge pages v3 19/24 (2026)", "uncharged")                                  \
	X(UNDO_REMOVES, "undo-removes-pair",                                                    \
	  "a failed split removes the S-EPT page's pair, which neighbours share",               \
	  "review of Linux TDX huge pages v3 21/24 (2026)", "refused")                          \
	X(STUCK_FREED, "stuck-freed",                                                           \
	  "the pages of a pair whose removal failed are freed all the same",                    \
	  "kept out by Linux TDX huge pages v3 18/24 (2026)", "twice")                          \
	X(FLUSH_FORGOTTEN, "flush-forgotten",                                                   \
	  "a new page of S-EPT is given to the module without CLFLUSH",                         \
	  "kept out by Linux TDX huge pages v3 08/24 (2026)", "harm")                           \
	X(INTERRUPTED, "demote-interrupted",                                                    \
	  "huge pages although DEMOTE may be interrupted",                                      \
	  "kept out by Linux TDX huge pages v3 02/24 (2026)", "dead")                           \
	X(ZAP_UNSPLIT, "zap-unsplit",                                                           \
	  "a 2 MiB mapping goes where only part of it is converted",                            \
	  "kept out by Linux TDX huge pages v3 14/24 (2026)", "gone")

enum private_fault_id {
#define PRIVATE_FAULT_ENUM(id, name, statement, source, rule) PRIVATE_FAULT_##id,
	PRIVATE_FAULTS(PRIVATE_FAULT_ENUM)
#undef PRIVATE_FAULT_ENUM
	PRIVATE_FAULT_COUNT
};

#endif
