/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * replay: the loop from records to events to policies, and the counting.
 */
#include "replay.h"
#include "import.h"
#include "record.h"

#include <stdlib.h>
#include <string.h>

#define LEVELS 2

/* Slices of time start this short and are doubled as the recording goes on. */
#define BUCKET_NS_FIRST 1000u

/* Records between two calls of the progress function. */
#define PROGRESS_RECORDS 65536u

struct replay {
	const struct replay_options *options;
	struct replay_result *result;
	void *state[REPLAY_POLICIES];
	/* Fed before the others, which rely on what it learns of the hardware. */
	const struct policy_ops *teacher;
	void *teacher_state;
	uint32_t teacher_why;
	bool begun;
	uint32_t asid[EVENT_VCPUS][LEVELS]; /* at the previous entry */
};

static const struct {
	const char *name;
	const char *meaning;
} means_texts[] = {
#define MEANS_TEXT(means, name, meaning) { name, meaning },
	MEANS(MEANS_TEXT)
#undef MEANS_TEXT
};

const char *means_name(enum means means)
{
	return means_texts[means].name;
}

const char *means_meaning(enum means means)
{
	return means_texts[means].meaning;
}

/* --- slices of time ---------------------------------------------------- */

static void halve(uint32_t *timeline)
{
	for (uint32_t i = 0; i < REPLAY_BUCKETS / 2; i++)
		timeline[i] = timeline[2 * i] + timeline[2 * i + 1];
	memset(&timeline[REPLAY_BUCKETS / 2], 0, REPLAY_BUCKETS / 2 * sizeof(*timeline));
}

static void double_buckets(struct replay_result *result)
{
	result->bucket_ns *= 2;
	result->buckets = (result->buckets + 1) / 2;
	halve(result->recorded_timeline);
	for (uint32_t i = 0; i < result->policy_count; i++)
		halve(result->policies[i].timeline);
}

/* Time may run backwards a little between CPUs: that counts as the beginning. */
static uint32_t bucket_of(struct replay *replay, uint64_t time_ns)
{
	struct replay_result *result = replay->result;
	uint64_t since;

	if (!replay->begun) {
		replay->begun = true;
		result->time_begin = time_ns;
	}
	since = time_ns > result->time_begin ? time_ns - result->time_begin : 0;
	while (since / result->bucket_ns >= REPLAY_BUCKETS)
		double_buckets(result);
	since /= result->bucket_ns;
	return (uint32_t)since;
}

/* --- counting ---------------------------------------------------------- */

static enum means means_of(const struct event *entry, uint32_t asid_before)
{
	if (asid_before == EVENT_UNKNOWN)
		return MEANS_FIRST_ENTRY;
	switch (entry->tlb_control) {
	case 0:
		return MEANS_NEW_ASID;
	case 1:
		return MEANS_CONTROL_1;
	case 3:
		return MEANS_CONTROL_3;
	case 7:
		return MEANS_CONTROL_7;
	}
	return MEANS_CONTROL_ODD;
}

static bool is_recorded(const struct event *entry)
{
	return entry->asid != EVENT_UNKNOWN && entry->tlb_control != EVENT_UNKNOWN;
}

/* Did the recorded kernel flush at this entry? */
static bool count_recorded(struct replay *replay, const struct event *entry, uint32_t bucket)
{
	struct replay_result *result = replay->result;
	uint32_t *asid = &replay->asid[entry->vcpu][entry->level - 1];
	bool flushes;

	result->recorded_known = true;
	result->recorded_entries++;
	flushes = entry->tlb_control != 0 || *asid != entry->asid;
	if (flushes) {
		result->recorded[means_of(entry, *asid)]++;
		result->recorded_flushes++;
		result->recorded_timeline[bucket]++;
	}
	*asid = entry->asid;
	return flushes;
}

/* Each policy sees each event once, the teacher first. */
static void teach(struct replay *replay, const struct event *event)
{
	if (replay->teacher)
		replay->teacher_why = replay->teacher->event(replay->teacher_state, event);
}

static uint32_t feed(const struct replay *replay, uint32_t i, const struct event *event)
{
	const struct policy_ops *ops = replay->result->policies[i].ops;

	return ops == replay->teacher ? replay->teacher_why : ops->event(replay->state[i], event);
}

static void on_enter(struct replay *replay, const struct event *event)
{
	struct replay_result *result = replay->result;
	uint32_t bucket = bucket_of(replay, event->time_ns);
	bool known = is_recorded(event);
	bool recorded;

	if (event->level == 1)
		result->l1_entries++;
	else
		result->l2_entries++;
	result->vm_entries++;
	if (result->buckets <= bucket)
		result->buckets = bucket + 1;
	recorded = known && count_recorded(replay, event, bucket);

	teach(replay, event);
	for (uint32_t i = 0; i < result->policy_count; i++) {
		struct policy_result *policy = &result->policies[i];
		uint32_t why = feed(replay, i, event);

		if (why) {
			policy->counts.flushes[reason_of(why)]++;
			policy->flushes++;
			policy->timeline[bucket]++;
		}
		policy->agreed += known && (why != 0) == recorded;
	}
}

static void on_event(void *context, const struct event *event)
{
	struct replay *replay = context;

	if (replay->options->each_event)
		replay->options->each_event(replay->options->context, event);
	if (event->kind == EVENT_ENTER) {
		on_enter(replay, event);
		return;
	}
	if (event->kind == EVENT_BIRTH) {
		replay->asid[event->vcpu][0] = EVENT_UNKNOWN;
		replay->asid[event->vcpu][1] = EVENT_UNKNOWN;
	}
	teach(replay, event);
	for (uint32_t i = 0; i < replay->result->policy_count; i++)
		feed(replay, i, event);
}

/* --- one recording ----------------------------------------------------- */

static void destroy_policies(struct replay *replay)
{
	for (uint32_t i = 0; i < replay->result->policy_count; i++)
		if (replay->result->policies[i].ops != replay->teacher)
			replay->result->policies[i].ops->destroy(replay->state[i]);
	if (replay->teacher)
		replay->teacher->destroy(replay->teacher_state);
}

/* Also if nobody asked for it: the others' numbers must not depend on that. */
static int create_teacher(struct replay *replay)
{
	for (size_t i = 0; policies[i]; i++) {
		if (!policies[i]->models_record)
			continue;
		replay->teacher_state = policies[i]->create(&replay->result->machine);
		if (!replay->teacher_state)
			return -1;
		replay->teacher = policies[i];
		break;
	}
	return 0;
}

static void *create_policy(const struct replay *replay, const struct policy_ops *ops)
{
	return ops == replay->teacher ? replay->teacher_state :
					ops->create(&replay->result->machine);
}

static int create_policies(struct replay *replay)
{
	const struct policy_ops *const *ops = replay->options->policies;
	struct replay_result *result = replay->result;

	if (ops[0] && create_teacher(replay))
		return -1;
	for (uint32_t i = 0; i < REPLAY_POLICIES && ops[i]; i++) {
		replay->state[i] = create_policy(replay, ops[i]);
		if (!replay->state[i])
			return -1;
		result->policies[i].ops = ops[i];
		result->policy_count++;
	}
	return 0;
}

static void start_result(struct replay_result *result, const char *path,
			 const struct replay_options *options)
{
	memset(result, 0, sizeof(*result));
	result->file = path;
	result->is_events = options->is_events;
	result->bucket_ns = BUCKET_NS_FIRST;
	result->machine.asids = options->asids ? options->asids : MACHINE_ASIDS_ASSUMED;
	result->machine.asids_from = options->asids ? SOURCE_GIVEN : SOURCE_ASSUMED;
	result->machine.flush_by_asid = options->flush_by_asid != 0;
	result->machine.flush_by_asid_from =
		options->flush_by_asid < 0 ? SOURCE_ASSUMED : SOURCE_GIVEN;
}

static void finish_policies(struct replay *replay)
{
	struct replay_result *result = replay->result;

	for (uint32_t i = 0; i < result->policy_count; i++)
		result->policies[i].ops->finish(replay->state[i], &result->policies[i].counts);
}

static void read_counts(struct replay_result *result, const struct importer *importer,
			const struct trace_stats *stats)
{
	const struct import_stats *import = importer_stats(importer);

	result->events = stats->records;
	result->unparsed = stats->unparsed;
	result->lost = stats->lost;
	result->backwards = stats->backwards;
	result->odd = import->odd;
	result->guessed = import->guessed;
	result->retired = import->retired;
	result->vms = import->vms;
	result->vcpus = import->vcpus;
	result->cpus = import->cpus;
	result->switches = import->switches;
	for (uint32_t i = 0; result->events && i < REPLAY_MISSING - 1; i++)
		result->missing[i] = importer_missing(importer, stats->kinds, i);
}

static int feed_all(struct replay *replay, struct trace *trace, struct importer *importer)
{
	const struct replay_options *options = replay->options;
	struct record record;
	uint64_t records = 0;
	int more;

	while ((more = trace_next(trace, &record)) > 0) {
		importer_feed(importer, &record);
		if (options->progress && ++records % PROGRESS_RECORDS == 0)
			options->progress(options->context, records);
	}
	return more;
}

static int run_trace(struct replay *replay, const char *path, char *error, size_t size)
{
	struct importer *importer;
	struct trace *trace;
	int failed;

	if (trace_open(&trace, path, error, size))
		return -1;
	importer = importer_create(on_event, replay);
	if (!importer) {
		snprintf(error, size, "out of memory");
		trace_close(trace);
		return -1;
	}
	failed = feed_all(replay, trace, importer);
	if (failed)
		snprintf(error, size, "%s", trace_error(trace));
	read_counts(replay->result, importer, trace_stats(trace));
	importer_destroy(importer);
	trace_close(trace);
	return failed;
}

/* --- one file of events ------------------------------------------------ */

/* What the importer counts for a trace. */
struct census {
	struct replay *replay;
	bool vm[EVENT_VMS];
	bool cpu[EVENT_CPUS];
};

static void on_read_event(void *context, const struct event *event)
{
	struct census *census = context;
	struct replay_result *result = census->replay->result;

	result->events++;
	result->lost += event->kind == EVENT_LOST;
	result->switches += event->kind == EVENT_NESTED_ENTER || event->kind == EVENT_NESTED_EXIT;
	if (event->kind == EVENT_BIRTH) {
		result->vcpus++;
		result->vms += !census->vm[event->vm];
		census->vm[event->vm] = true;
	}
	if (event->kind == EVENT_ENTER) {
		result->cpus += !census->cpu[event->cpu];
		census->cpu[event->cpu] = true;
	}
	on_event(census->replay, event);
}

static int run_events(struct replay *replay, const char *path, char *error, size_t size)
{
	struct census *census = calloc(1, sizeof(*census));
	int failed;

	if (!census) {
		snprintf(error, size, "out of memory");
		return -1;
	}
	census->replay = replay;
	failed = events_read(path, on_read_event, census, error, size);
	free(census);
	return failed;
}

int replay_run(const char *path, const struct replay_options *options,
	       struct replay_result *result, char *error, size_t size)
{
	struct replay *replay = calloc(1, sizeof(*replay));
	int failed = -1;

	start_result(result, path, options);
	if (!replay) {
		snprintf(error, size, "out of memory");
		return -1;
	}
	replay->options = options;
	replay->result = result;
	memset(replay->asid, 0xff, sizeof(replay->asid));
	if (create_policies(replay))
		snprintf(error, size, "out of memory");
	else if (options->is_events)
		failed = run_events(replay, path, error, size);
	else
		failed = run_trace(replay, path, error, size);
	result->broken_off = failed != 0;
	finish_policies(replay);
	destroy_policies(replay);
	free(replay);
	return failed;
}
