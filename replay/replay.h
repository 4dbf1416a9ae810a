/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * replay: one recording, fed to policies, and what came of it.
 *
 * A VM entry counts as flushing when its TLB_CONTROL is not 0, or its ASID is
 * not the one that this context (vCPU and level) used at its previous entry,
 * the first entry included. The same rule is used for the record and for every
 * policy.
 */
#ifndef TLBTAG_REPLAY_REPLAY_H
#define TLBTAG_REPLAY_REPLAY_H

#include "policy.h"

#define REPLAY_POLICIES 16u
#define REPLAY_BUCKETS 256u
#define REPLAY_MISSING 8u

/* How an entry of the recorded kernel flushed; counted under the first. */
#define MEANS(X)                                                        \
	X(FIRST_ENTRY, "first-entry", "first entry of the context seen") \
	X(CONTROL_1, "tlb-control-1", "TLB_CONTROL 1: everything")      \
	X(CONTROL_3, "tlb-control-3", "TLB_CONTROL 3: this ASID")       \
	X(CONTROL_7, "tlb-control-7", "TLB_CONTROL 7: this ASID, non-global") \
	X(CONTROL_ODD, "tlb-control-other", "a reserved TLB_CONTROL")   \
	X(NEW_ASID, "new-asid", "another ASID than before")

enum means {
#define MEANS_ENUM(means, name, meaning) MEANS_##means,
	MEANS(MEANS_ENUM)
#undef MEANS_ENUM
	MEANS_COUNT
};

const char *means_name(enum means means);
const char *means_meaning(enum means means);

/**
 * struct policy_result - what one policy did with one recording
 * @ops: the policy
 * @counts: its counts
 * @flushes: entries that flushed, the sum of @counts.flushes
 * @agreed: of the entries of which that is recorded, those at which it and the
 *	record both flushed, or neither
 * @timeline: flushes in each slice of time
 */
struct policy_result {
	const struct policy_ops *ops;
	struct policy_counts counts;
	uint64_t flushes;
	uint64_t agreed;
	uint32_t timeline[REPLAY_BUCKETS];
};

/**
 * struct replay_options - what to do
 * @policies: NULL-terminated, at most REPLAY_POLICIES
 * @asids: number of ASIDs of the hardware; 0: learn it
 * @flush_by_asid: -1: learn it; 0, 1
 * @is_events: the input is an event file (doc/EVENTS.md), not a trace
 * @each_event: called with every event; may be NULL
 * @progress: called now and then with the number of records; may be NULL
 * @context: for both
 */
struct replay_options {
	const struct policy_ops *const *policies;
	uint32_t asids;
	int flush_by_asid;
	bool is_events;
	void (*each_event)(void *context, const struct event *event);
	void (*progress)(void *context, uint64_t records);
	void *context;
};

/**
 * struct replay_result - what came of a recording
 * @file: its name as given
 * @is_events: it was an event file
 * @broken_off: it could not be read to its end
 * @events: well-formed events in it, wanted or not
 * @unparsed: lines or events that could not be read
 * @lost: events that the recording says were lost
 * @backwards: events older than their predecessor on the same CPU
 * @odd: readable events that made no sense and were left out
 * @guessed: changes between L1 and L2 that were not recorded as such
 * @retired: vCPUs forgotten because there were too many
 * @vms, @vcpus, @cpus: how many there were; @vms is 0 if they cannot be told
 * @vm_entries: VM entries, the sum of @l1_entries and @l2_entries
 * @switches: changes between L1 and L2
 * @recorded_known: ASID and TLB_CONTROL of some entries were recorded
 * @recorded_entries: of how many
 * @recorded_flushes: entries at which the recorded kernel flushed
 * @recorded: the same by means
 * @recorded_timeline: the same by slice of time
 * @time_begin: time of the first VM entry in nanoseconds
 * @bucket_ns: duration of a slice
 * @buckets: slices in use
 * @machine: the hardware, as given or learned
 * @policies: results, in the order asked for
 * @policy_count: how many
 * @missing: what should have been recorded, NULL-terminated
 */
struct replay_result {
	const char *file;
	bool is_events;
	bool broken_off;
	uint64_t events;
	uint64_t unparsed;
	uint64_t lost;
	uint64_t backwards;
	uint64_t odd;
	uint64_t guessed;
	uint64_t retired;
	uint64_t vms;
	uint64_t vcpus;
	uint64_t cpus;
	uint64_t vm_entries;
	uint64_t l1_entries;
	uint64_t l2_entries;
	uint64_t switches;
	bool recorded_known;
	uint64_t recorded_entries;
	uint64_t recorded_flushes;
	uint64_t recorded[MEANS_COUNT];
	uint32_t recorded_timeline[REPLAY_BUCKETS];
	uint64_t time_begin;
	uint64_t bucket_ns;
	uint32_t buckets;
	struct machine machine;
	struct policy_result policies[REPLAY_POLICIES];
	uint32_t policy_count;
	const char *missing[REPLAY_MISSING];
};

/**
 * replay_run() - replay one recording
 * @path: a trace or an event file, plain or gzipped; "-" is standard input
 * @options: what to do
 * @result: filled in, also on error as far as it came
 * @error: receives one line without newline that names file and place
 * @size: bytes at @error
 *
 * Return: 0; -1 with @error set. The result of a recording that breaks off is
 * valid for what was readable.
 */
int replay_run(const char *path, const struct replay_options *options,
	       struct replay_result *result, char *error, size_t size);

#endif
