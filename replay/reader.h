/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the two parsers and record.c share; nobody else includes this.
 */
#ifndef TLBTAG_REPLAY_READER_H
#define TLBTAG_REPLAY_READER_H

#include "record.h"
#include "source.h"

/* A field of an event and how the recording calls it. */
struct record_slot {
	enum record_field field;
	uint8_t name_size;
	const char *name;
};

struct record_info {
	const char *system;
	const char *name;
	size_t name_size;
	enum record_shape shape;
	uint8_t slot_count;
	const struct record_slot *slots;
};

extern const struct record_info record_infos[RECORD_KINDS];

/* The smallest power of two that keeps chains short with two dozen names. */
#define NAME_BUCKETS 256u
#define TRACE_ERROR_SIZE 1024u

struct trace {
	enum trace_format format;
	char *name;
	struct source *source;
	struct ftrace *text;
	struct tracedat *dat;
	int finished;		/* 1: still going; else what trace_next() says */
	struct trace_stats stats;
	char error[TRACE_ERROR_SIZE];
	uint64_t newest_ns[RECORD_CPU_LIMIT];	/* by CPU */
	uint8_t kind_by_name[NAME_BUCKETS];	/* RECORD_LOST: free */
};

/* RECORD_OTHER for a name that is not in the table. */
enum record_kind trace_kind(const struct trace *trace, const char *name, size_t name_size);

/* Counts a well-formed event of a CPU < RECORD_CPU_LIMIT. */
void trace_count(struct trace *trace, enum record_kind kind, uint32_t cpu, uint64_t time_ns);

/*
 * Fills in a RECORD_LOST and counts it. @count 0: the marker had no number.
 */
void trace_lose(struct trace *trace, struct record *record, uint32_t cpu, uint64_t count);

/*
 * Brings what an event's raw fields say to what its text says: an exit reason
 * is only present or not, and the guest_pgd of a nested entry is a CR3 unless
 * L1 uses nested paging.
 */
void record_settle(struct record *record);

/* Sets trace_error() to "NAME: ..." on one line; returns -1. */
int trace_fail(struct trace *trace, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static inline void record_set(struct record *record, enum record_field field, uint64_t value)
{
	record->field[field] = value;
	record->present |= UINT64_C(1) << field;
}

/* ftrace.c: text. Open fails by trace_fail(). */
int ftrace_open(struct trace *trace);
int ftrace_next(struct trace *trace, struct record *record);
void ftrace_close(struct trace *trace);

/* tracedat.c: trace.dat. */
bool tracedat_recognise(const void *data, size_t size);
int tracedat_open(struct trace *trace);
int tracedat_next(struct trace *trace, struct record *record);
void tracedat_close(struct trace *trace);

#endif
