/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Any bytes as a text trace, plain or gzipped: no crash, and what is delivered
 * and counted is consistent.
 */
#include <replay/record.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool held)
{
	if (!held)
		abort();
}

static void record_check(const struct record *record, uint64_t *where)
{
	require(record->kind < RECORD_OTHER);
	require((record->present & ~record_kind_fields(record->kind)) == 0);
	require(record->kind == RECORD_LOST || record->present);
	require(record->cpu < RECORD_CPU_LIMIT ||
		(record->kind == RECORD_LOST && record->cpu == RECORD_CPU_NONE));
	require(record->where > *where);
	require(record->pid >= -1);
	*where = record->where;
}

static void stats_check(const struct trace_stats *stats, uint64_t delivered)
{
	uint64_t events = 0;

	for (unsigned int kind = RECORD_LOST + 1; kind < RECORD_KINDS; kind++)
		events += stats->kinds[kind];
	require(events == stats->records);
	require(delivered == stats->records - stats->kinds[RECORD_OTHER] +
			     stats->kinds[RECORD_LOST]);
	require(stats->records + stats->unparsed + stats->kinds[RECORD_LOST] <= stats->lines);
	require(stats->lost >= stats->kinds[RECORD_LOST]);
	require(stats->backwards <= stats->records);
}

static void error_check(const char *error, int result)
{
	require((result == -1) == (error[0] != 0));
	require(!strchr(error, '\n'));
	require(result == 0 || strncmp(error, "memory: ", 8) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct trace *trace;
	struct record record;
	uint64_t where = 0, delivered = 0;
	char error[256] = "";
	int result;

	/* The other target's business, and slow. */
	if (size >= 10 && memcmp(data, "\x17\x08\x44tracing", 10) == 0)
		return 0;
	if (trace_open_memory(&trace, data, size, error, sizeof(error)) != 0) {
		error_check(error, -1);
		return 0;
	}
	while ((result = trace_next(trace, &record)) == 1) {
		record_check(&record, &where);
		delivered++;
	}
	require(trace_next(trace, &record) == result);
	error_check(trace_error(trace), result);
	if (trace_format(trace) == TRACE_TEXT)
		stats_check(trace_stats(trace), delivered);
	trace_close(trace);
	return 0;
}
