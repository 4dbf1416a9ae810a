/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The table of wanted events as data, what both parsers count, and the choice
 * of the parser by the first bytes.
 */
#include "record.h"
#include "reader.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(RECORD_FIELDS <= 64, "record.present has 64 bits");
_Static_assert(RECORD_KINDS <= UINT8_MAX, "trace.kind_by_name holds kinds in a byte");
_Static_assert(RECORD_LOST == 0, "trace.kind_by_name uses it as \"free\"");

#define SLOT(slot, text) { FIELD_##slot, sizeof(text) - 1, text }
#define KIND(kind, system, text, shape, ...) \
	static const struct record_slot slots_##kind[] = { __VA_ARGS__ };
RECORD_KIND_TABLE(KIND, SLOT)
#undef KIND

#define KIND(kind, system, text, shape, ...)                             \
	[RECORD_##kind] = { system, text, sizeof(text) - 1, SHAPE_##shape, \
			    sizeof(slots_##kind) / sizeof(slots_##kind[0]), slots_##kind },
const struct record_info record_infos[RECORD_KINDS] = {
	RECORD_KIND_TABLE(KIND, SLOT)
};
#undef KIND

static const char *const field_names[RECORD_FIELDS] = {
#define FIELD_NAME(name) #name,
	RECORD_FIELD_TABLE(FIELD_NAME)
#undef FIELD_NAME
};

const char *record_kind_name(enum record_kind kind)
{
	if (kind == RECORD_LOST)
		return "lost";
	return kind == RECORD_OTHER ? "other" : record_infos[kind].name;
}

const char *record_kind_system(enum record_kind kind)
{
	return record_infos[kind].system;
}

uint64_t record_kind_fields(enum record_kind kind)
{
	const struct record_info *info = &record_infos[kind];
	uint64_t mask = 0;

	if (kind == RECORD_OTHER)
		return 0;
	for (unsigned int index = 0; index < info->slot_count; index++)
		mask |= UINT64_C(1) << info->slots[index].field;
	return mask;
}

const char *record_field_name(enum record_field field)
{
	return field_names[field];
}

/* Names differ in length, in the middle or at the end, hardly at the front. */
static unsigned int name_bucket(const char *name, size_t size)
{
	unsigned int last = (unsigned char)name[size - 1];
	unsigned int middle = (unsigned char)name[size / 2];

	return ((unsigned int)size * 31 + middle * 7 + last * 3 + (unsigned char)name[0]) %
	       NAME_BUCKETS;
}

static void trace_learn_names(struct trace *trace)
{
	for (unsigned int kind = 0; kind < RECORD_KINDS; kind++) {
		const struct record_info *info = &record_infos[kind];
		unsigned int bucket;

		if (info->shape == SHAPE_NONE)
			continue;
		bucket = name_bucket(info->name, info->name_size);
		while (trace->kind_by_name[bucket])
			bucket = (bucket + 1) % NAME_BUCKETS;
		trace->kind_by_name[bucket] = (uint8_t)kind;
	}
}

enum record_kind trace_kind(const struct trace *trace, const char *name, size_t name_size)
{
	unsigned int bucket = name_bucket(name, name_size);

	while (trace->kind_by_name[bucket]) {
		const struct record_info *info = &record_infos[trace->kind_by_name[bucket]];

		if (info->name_size == name_size && memcmp(info->name, name, name_size) == 0)
			return (enum record_kind)trace->kind_by_name[bucket];
		bucket = (bucket + 1) % NAME_BUCKETS;
	}
	return RECORD_OTHER;
}

void trace_count(struct trace *trace, enum record_kind kind, uint32_t cpu, uint64_t time_ns)
{
	trace->stats.records++;
	trace->stats.kinds[kind]++;
	if (time_ns < trace->newest_ns[cpu])
		trace->stats.backwards++;
	trace->newest_ns[cpu] = time_ns;
}

void trace_lose(struct trace *trace, struct record *record, uint32_t cpu, uint64_t count)
{
	record->kind = RECORD_LOST;
	record->cpu = cpu;
	record->pid = -1;
	record->present = 0;
	record->time_ns = cpu < RECORD_CPU_LIMIT ? trace->newest_ns[cpu] : 0;
	if (count)
		record_set(record, FIELD_LOST, count);
	trace->stats.lost += count ? count : 1;
	trace->stats.kinds[RECORD_LOST]++;
}

void record_settle(struct record *record)
{
	const uint64_t pgd = UINT64_C(1) << FIELD_NCR3_12;

	if (record_has(record, FIELD_REASON))
		record->field[FIELD_REASON] = 1;
	if (record->kind != RECORD_KVM_NESTED_VMENTER || !record_has(record, FIELD_NPT))
		return;
	if (record->field[FIELD_NPT] || !(record->present & pgd))
		return;
	record->present &= ~pgd;
	record_set(record, FIELD_CR3_12, record->field[FIELD_NCR3_12]);
}

int trace_fail(struct trace *trace, const char *format, ...)
{
	int size = snprintf(trace->error, sizeof(trace->error), "%.512s: ", trace->name);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(trace->error + size, sizeof(trace->error) - (size_t)size, format, arguments);
	va_end(arguments);
	for (char *at = trace->error; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = '?';
	return -1;
}

static int trace_recognise(struct trace *trace)
{
	unsigned char head[SOURCE_PEEK_MAX];
	size_t size = source_peek(trace->source, head, sizeof(head));

	if (!size && source_state(trace->source) == SOURCE_FAILED)
		return trace_fail(trace, "%s", strerror(source_errno(trace->source)));
	if (tracedat_recognise(head, size)) {
		trace->format = TRACE_DAT;
		return tracedat_open(trace);
	}
	trace->format = TRACE_TEXT;
	return ftrace_open(trace);
}

/* Takes the source, which is NULL if errno says why it could not be opened. */
static int trace_start(struct trace **result, const char *name, struct source *source,
		       char *error, size_t size)
{
	int saved = errno;
	struct trace *trace = calloc(1, sizeof(*trace));

	if (!trace || !(trace->name = strdup(name))) {
		snprintf(error, size, "%s: %s", name, strerror(ENOMEM));
		free(trace);
		source_close(source);
		return -1;
	}
	trace->source = source;
	trace->finished = 1;
	trace_learn_names(trace);
	if (source ? trace_recognise(trace) : trace_fail(trace, "%s", strerror(saved))) {
		snprintf(error, size, "%s", trace->error);
		trace_close(trace);
		return -1;
	}
	*result = trace;
	return 0;
}

int trace_open(struct trace **trace, const char *path, char *error, size_t size)
{
	const char *name = strcmp(path, "-") == 0 ? "standard input" : path;

	return trace_start(trace, name, source_open(path), error, size);
}

int trace_open_memory(struct trace **trace, const void *data, size_t data_size, char *error,
		      size_t size)
{
	return trace_start(trace, "memory", source_open_memory(data, data_size), error, size);
}

int trace_next(struct trace *trace, struct record *record)
{
	if (trace->finished != 1)
		return trace->finished;
	trace->finished = trace->format == TRACE_DAT ? tracedat_next(trace, record) :
						       ftrace_next(trace, record);
	return trace->finished;
}

const char *trace_error(const struct trace *trace)
{
	return trace->error;
}

const struct trace_stats *trace_stats(const struct trace *trace)
{
	return &trace->stats;
}

enum trace_format trace_format(const struct trace *trace)
{
	return trace->format;
}

void trace_close(struct trace *trace)
{
	if (!trace)
		return;
	if (trace->dat)
		tracedat_close(trace);
	if (trace->text)
		ftrace_close(trace);
	source_close(trace->source);
	free(trace->name);
	free(trace);
}
