/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Any bytes as a trace.dat. libtracecmd does crash, in its child process; what
 * is asked here is that this is always one clean error, and that whatever the
 * child sent is consistent.
 */
#include <pthread.h>
#include <replay/record.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool held)
{
	if (!held)
		abort();
}

/*
 * The fuzzer's own handlers are in the child too, and would save each input
 * that libtracecmd dies of as if it were a finding, under a relative path.
 */
static void leave_no_findings(void)
{
	require(chdir("/proc") == 0);
}

__attribute__((constructor)) static void fork_watch(void)
{
	require(pthread_atfork(NULL, NULL, leave_no_findings) == 0);
}

static void record_check(const struct record *record, uint64_t *where)
{
	require(record->kind < RECORD_OTHER);
	require((record->present & ~record_kind_fields(record->kind)) == 0);
	require(record->kind == RECORD_LOST || record->present);
	require(record->cpu < RECORD_CPU_LIMIT);
	/* An event and the marker in front of it share a number. */
	require(record->where >= *where && record->where > 0);
	*where = record->where;
}

static void error_check(const char *error)
{
	require(strncmp(error, "memory: ", 8) == 0);
	require(!strchr(error, '\n'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct trace *trace;
	struct record record;
	uint64_t where = 0;
	char error[256] = "";
	int result;

	if (size < 10 || memcmp(data, "\x17\x08\x44tracing", 10) != 0)
		return 0;
	if (trace_open_memory(&trace, data, size, error, sizeof(error)) != 0) {
		error_check(error);
		return 0;
	}
	while ((result = trace_next(trace, &record)) == 1)
		record_check(&record, &where);
	if (result == -1)
		error_check(trace_error(trace));
	else
		require(!trace_error(trace)[0]);
	trace_close(trace);
	return 0;
}
