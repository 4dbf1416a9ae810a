/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Makes a trace.dat (version 6: little-endian, 64-bit, not compressed) in
 * memory, so that a test can have in it whatever a kernel may write one day.
 */
#ifndef TLBTAG_TESTS_DATFILE_H
#define TLBTAG_TESTS_DATFILE_H

#include <stddef.h>
#include <stdint.h>

#define DATFILE_CPUS 2u
#define DATFILE_EVENTS 8u
#define DATFILE_PAGE 4096u

struct bytes {
	unsigned char *data;
	size_t size;
	size_t room;
};

/* One buffer: the pages of each CPU, and the end of the last page's events. */
struct datfile_buffer {
	struct bytes pages[DATFILE_CPUS];
	uint64_t newest_ns[DATFILE_CPUS];
};

struct datfile {
	struct bytes formats[DATFILE_EVENTS];
	const char *systems[DATFILE_EVENTS];
	unsigned int events;
	struct datfile_buffer top;
	struct datfile_buffer instance;	/* only written if it has pages */
};

/* A field behind the common ones; the list ends with a NULL name. */
struct datfile_field {
	const char *type;
	const char *name;
	unsigned int offset;
	unsigned int size;
	unsigned int is_signed;
};

/* Describes an event with the number @id. */
void datfile_describe(struct datfile *file, unsigned int id, const char *system,
		      const char *name, const struct datfile_field *fields);

/*
 * Begins a page. @missed events were lost in front of it; 0: none, negative:
 * an unknown number.
 */
void datfile_page(struct datfile_buffer *buffer, unsigned int cpu, uint64_t time_ns, int missed);

/* An event: its number and thread, then @size bytes (4-aligned) of fields. */
struct datfile_event {
	uint16_t id;
	int32_t pid;
	const void *data;
	unsigned int size;
};

void datfile_put(struct datfile_buffer *buffer, unsigned int cpu, uint64_t time_ns,
		 const struct datfile_event *event);

/* The file; the caller frees bytes.data. Gives back what @file holds. */
struct bytes datfile_finish(struct datfile *file);

#endif
