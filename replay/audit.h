/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * audit: which VM entries of a recorded kernel missed a flush, and which
 * flushed for nothing.
 *
 * No policy is modelled. For each ASID on each CPU it is kept whose
 * translations the TLB may still hold, since when, and what happened since that
 * should have removed them; an entry that runs on translations which had to go
 * has missed a flush. So any way of handing out ASIDs can be audited: one for
 * L1 and L2 or one for each, rounds or static ones, shared ones. Written from
 * the rules (include/tlbtag/rules.h, of which it uses the names only); it
 * shares no code with the library or with policies. doc/AUDIT.md says what it
 * can and cannot see.
 */
#ifndef TLBTAG_REPLAY_AUDIT_H
#define TLBTAG_REPLAY_AUDIT_H

#include <tlbtag/rules.h>

#include "replay.h"

/* What may be listed of one recording; all of it is counted. */
#define AUDIT_LIST_MOST 100000u

/* Lines of the story of one missed flush, and bytes of a line. */
#define AUDIT_STORY_LINES 8u
#define AUDIT_STORY_SIZE 240u

/* X(KIND, name): what an entry that missed its flush ran on */
#define AUDIT_KINDS(X)                                              \
	X(FOREIGN, "foreign") /* translations of another context */ \
	X(LATE, "late") /* its own, which it was told to give up */ \
	X(MOVED, "moved") /* its own, from before it ran elsewhere */ \
	X(UNSYNCED, "unsynced") /* shadow tables that L1's are no more */

enum audit_kind {
#define AUDIT_KIND_ENUM(kind, name) AUDIT_##kind,
	AUDIT_KINDS(AUDIT_KIND_ENUM)
#undef AUDIT_KIND_ENUM
};

/*
 * Why the translations that an ASID holds have to go.
 * X(CAUSE, rule, kind, what happened)
 */
#define AUDIT_CAUSES(X)                                                                            \
	X(OWNER, SHARED_OWNER, FOREIGN, "another context used the ASID here")                      \
	X(TAKEN, FIRST_USE, FOREIGN, "the context came to an ASID that another had used here")     \
	X(REBORN, FIRST_USE, FOREIGN, "the vCPU is another one than the one that used the ASID")   \
	X(OTHER_ASID12, L1_ASID_CHANGE, FOREIGN, "L1 had another guest under the ASID")            \
	X(CPU, MOVED, MOVED, "the context ran on another CPU in between")                          \
	X(ASID, FIRST_USE, MOVED, "the context ran with another ASID in between")                  \
	X(UNSEEN, FIRST_USE, MOVED, "the context came to an ASID that was not flushed here since") \
	X(ALL, ALL_CONTEXTS, LATE, "a flush of everything of the vCPU")                            \
	X(CURRENT, ACTIVE_LEVEL, LATE, "a flush of the active context")                            \
	X(GUEST, ACTIVE_LEVEL, LATE, "a flush by the guest in the active context")                 \
	X(PV, PV_L1, LATE, "a paravirtual flush of L1")                                            \
	X(RESET, RESET, LATE, "INIT or reset of the vCPU")                                         \
	X(CONTROL, L1_TLB_CONTROL, LATE, "L1's TLB_CONTROL for this L2")                           \
	X(CONTROL_LOCAL, L1_TLB_CONTROL, LATE, "L1's TLB_CONTROL 7 for this L2")                   \
	X(CONTROL_L1, L1_FLUSH_ALL_L1, LATE, "L1's TLB_CONTROL 1, which is for L1 too")            \
	X(CONTROL_L2, L1_FLUSH_ALL_L2, LATE, "L1's TLB_CONTROL 1, which is for every L2")          \
	X(ELSEWHERE, INVLPGA_PLACE, LATE, "an address invalidated on another CPU than this")       \
	X(REMOTE, REMOTE_REQUEST, LATE, "a remote flush of the whole VM")                          \
	X(IGNORED, INVLPGA_MATCH, LATE, "an INVLPGA of L1 that nothing shows being carried out")   \
	X(UNSYNCED, SYNC_TLB_CONTROL, UNSYNCED, "L1's TLB_CONTROL for this L2")                    \
	X(UNSYNCED_ASID, SYNC_ASID_CHANGE, UNSYNCED, "an ASID that L1 had not used for L2 before")

enum audit_cause {
	AUDIT_CAUSE_NONE,
#define AUDIT_CAUSE_ENUM(cause, rule, kind, text) AUDIT_CAUSE_##cause,
	AUDIT_CAUSES(AUDIT_CAUSE_ENUM)
#undef AUDIT_CAUSE_ENUM
		AUDIT_CAUSE_COUNT
};

/* The likeliest cause of a flush that removed nothing. X(CAUSE, name, meaning) */
#define AUDIT_WASTES(X)                                                             \
	X(TRANSITION, "transition", "the level changed between L1 and L2")          \
	X(PGE, "cr4-pge", "CR4.PGE differed from before")                           \
	X(NOTHING_LEFT, "nothing-left", "asked for, but nothing was left to flush") \
	X(MOVED, "moved", "to a CPU on which the ASID was clean")                   \
	X(WRAP, "wrap", "all ASIDs of the CPU had been flushed since")              \
	X(SHARED, "shared-tag", "a shared ASID that nobody else had used since")    \
	X(OTHER_LEVEL, "other-level", "the other level took a new ASID for both")   \
	X(NEW_ASID, "new-asid", "a new ASID without a reason")                      \
	X(UNKNOWN, "unknown", "nothing in the recording explains it")

enum audit_waste {
#define AUDIT_WASTE_ENUM(waste, name, meaning) AUDIT_WASTE_##waste,
	AUDIT_WASTES(AUDIT_WASTE_ENUM)
#undef AUDIT_WASTE_ENUM
		AUDIT_WASTE_COUNT
};

const char *audit_kind_name(enum audit_kind kind);
const char *audit_waste_name(enum audit_waste waste);
const char *audit_waste_meaning(enum audit_waste waste);
enum tlbtag_rule audit_cause_rule(enum audit_cause cause);
enum audit_kind audit_cause_kind(enum audit_cause cause);
const char *audit_cause_text(enum audit_cause cause);
const char *audit_rule_name(enum tlbtag_rule rule);
const char *audit_rule_text(enum tlbtag_rule rule);

/**
 * struct audit_context - whose translations
 * @vm: guest
 * @vcpu: vCPU
 * @level: 1 or 2
 * @asid12: L2: the ASID by which L1 knows it; EVENT_UNKNOWN if not recorded
 * @birth: how often there was a vCPU of this number before
 */
struct audit_context {
	uint32_t vm;
	uint32_t vcpu;
	uint32_t level;
	uint32_t asid12;
	uint32_t birth;
};

/**
 * struct audit_mark - what happened that translations should not have outlived
 * @cause: AUDIT_CAUSE_NONE: nothing yet
 * @asid_assumed: an INVLPGA whose ASID was not recorded
 * @where, @time_ns, @cpu: the event
 */
struct audit_mark {
	enum audit_cause cause;
	bool asid_assumed;
	uint32_t cpu;
	uint64_t where;
	uint64_t time_ns;
};

/* How the recording shows that shadow tables were synced. */
enum audit_sync_evidence {
	AUDIT_SYNC_UNKNOWN, /* it does not */
	AUDIT_SYNC_ASKED, /* by requests that may or may not have been served */
	AUDIT_SYNC_DONE,
};

/*
 * What a verdict on an entry still depends on, all of it when the recording
 * ends: does the kernel take unused ASIDs in place of flushes ("rounds"), or
 * does a context keep its ASID?
 */
enum audit_doubt {
	AUDIT_DOUBT_NONE,
	AUDIT_DOUBT_KEPT, /* its own ASID on another CPU: with rounds, perhaps by chance */
	AUDIT_DOUBT_FRESH, /* a higher ASID than any: with rounds, an unused one */
	AUDIT_DOUBT_OWED, /* a first entry, with a flush due: with rounds, as above */
	AUDIT_DOUBT_COUNT
};

/**
 * struct audit_finding - a VM entry that missed a flush
 * @entry: the entry
 * @context: who entered
 * @owner: whose translations were there; not with AUDIT_CAUSE_UNSEEN
 * @filled: line of the entry since which they may have been collected
 * @entered: line of the owner's latest entry with them
 * @mark: why they had to go
 * @root: unsynced: L1's nested CR3
 * @synced: unsynced: line of the latest sync, 0 if none was recorded
 * @before: the context's previous entry: line 0 if there was none
 * @before_cpu: its CPU
 * @before_asid: its ASID
 * @order: increases from one entry of the recording to the next
 */
struct audit_finding {
	uint64_t order;
	struct event entry;
	struct audit_context context;
	struct audit_context owner;
	uint64_t filled;
	uint64_t entered;
	struct audit_mark mark;
	uint64_t root;
	uint64_t synced;
	uint64_t before;
	uint32_t before_cpu;
	uint32_t before_asid;
};

/* A list that is cut off at its capacity; @count goes on. */
struct audit_list {
	struct audit_finding *items;
	uint32_t capacity;
	uint32_t most;
	uint64_t count;
};

/**
 * struct audit_options - what to do
 * @list_most: list no more findings than that, at most AUDIT_LIST_MOST
 * @asids: the hardware has so many ASIDs; 0: unknown
 * @no_flush_by_asid: the hardware has no FLUSHBYASID, so that TLB_CONTROL 3
 *	and 7 do nothing
 * @trust_invlpga: the kernel carries INVLPGA out without calling anything that
 *	was recorded, so an INVLPGA on the right CPU is not held against it
 * @is_events: the input is an event file (doc/EVENTS.md), not a trace
 * @progress: called now and then with the number of records; may be NULL
 * @context: for it
 */
struct audit_options {
	uint32_t list_most;
	uint32_t asids;
	bool no_flush_by_asid;
	bool trust_invlpga;
	bool is_events;
	void (*progress)(void *context, uint64_t records);
	void *context;
};

/**
 * struct audit_result - what came of a recording
 * @record: what replay_run() says of the recording itself
 * @entries: VM entries
 * @unjudged: of these, those of which ASID or TLB_CONTROL was not recorded
 * @illegal: with ASID 0, which is the host's: the processor refuses them
 * @illegal_where: line of the first of these
 * @flushes: entries that flushed, by the definition in replay.h
 * @needed: of these, those that had to, by rule
 * @needless: the others, by likeliest cause
 * @missed: entries that missed a flush, in order; to be freed with audit_free()
 * @undecided: entries with an ASID of which the recording does not show
 *	whether it was clean; they are not counted as missed. To be freed as well
 * @syncs: entries of L2 whose shadow tables had to be synced before
 * @unsynced: of these, those of which the recording shows no sync; in order
 * @sync_evidence: how it would show one
 * @forgotten: ASIDs whose contents were given up to keep memory bounded
 */
struct audit_result {
	struct replay_result record;
	uint64_t entries;
	uint64_t unjudged;
	uint64_t flushes;
	uint64_t illegal;
	uint64_t illegal_where;
	uint64_t needed[TLBTAG_RULE_COUNT];
	uint64_t needless[AUDIT_WASTE_COUNT];
	struct audit_list missed;
	struct audit_list undecided;
	uint64_t syncs;
	struct audit_list unsynced;
	enum audit_sync_evidence sync_evidence;
	uint64_t forgotten;
};

struct audit;

/* Return: an audit, NULL when out of memory. */
struct audit *audit_create(const struct audit_options *options);
void audit_destroy(struct audit *audit);

/* Feed one event, in the order of the recording. */
void audit_feed(struct audit *audit, const struct event *event);

/**
 * audit_finish() - after the last event
 * @audit: nothing may be fed any more
 * @result: all but .record is set
 * @error: receives one line without newline
 * @size: bytes at @error
 *
 * Return: 0; -1 with @error set when something in the recording cannot be.
 */
int audit_finish(struct audit *audit, struct audit_result *result, char *error, size_t size);

void audit_free(struct audit_result *result);

/**
 * audit_run() - audit one recording
 * @path: a trace or an event file, plain or gzipped; "-" is standard input
 * @options: what to do
 * @result: filled in, also on error as far as it came; audit_free() it
 * @error: receives one line without newline that names file and place
 * @size: bytes at @error
 *
 * Return: 0; -1 with @error set.
 */
int audit_run(const char *path, const struct audit_options *options, struct audit_result *result,
	      char *error, size_t size);

/**
 * audit_story() - a missed flush in words
 * @finding: which
 * @lines: receives up to AUDIT_STORY_LINES lines
 *
 * Return: how many lines.
 */
uint32_t audit_story(const struct audit_finding *finding,
		     char lines[AUDIT_STORY_LINES][AUDIT_STORY_SIZE]);

#endif
