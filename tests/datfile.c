/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * See datfile.h. The layout is that of trace-cmd.dat.v6(5); the pages are the
 * kernel's ring buffer as its header_page and header_event describe it.
 */
#include "datfile.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_HEADER 16u
#define COMMIT_MISSED (1ull << 31)
#define COMMIT_MISSED_STORED (1ull << 30)
#define OPTION_BUFFER 3

static void bytes_put(struct bytes *bytes, const void *data, size_t size)
{
	if (bytes->size + size > bytes->room) {
		bytes->room = (bytes->size + size) * 2;
		bytes->data = realloc(bytes->data, bytes->room);
		if (!bytes->data)
			abort();
	}
	memcpy(bytes->data + bytes->size, data, size);
	bytes->size += size;
}

static void put_number(struct bytes *bytes, uint64_t value, unsigned int size)
{
	for (unsigned int index = 0; index < size; index++) {
		unsigned char byte = (unsigned char)(value >> 8 * index);

		bytes_put(bytes, &byte, 1);
	}
}

static void put_string(struct bytes *bytes, const char *text)
{
	bytes_put(bytes, text, strlen(text) + 1);
}

static void put_zeros(struct bytes *bytes, size_t size)
{
	while (size--)
		bytes_put(bytes, "", 1);
}

static void put_number_at(struct bytes *bytes, size_t at, uint64_t value)
{
	for (unsigned int index = 0; index < 8; index++)
		bytes->data[at + index] = (unsigned char)(value >> 8 * index);
}

static __attribute__((format(printf, 2, 3))) void put_text(struct bytes *bytes,
							    const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	bytes_put(bytes, text, strlen(text));
}

/* Its length in 64 bits, then the text. */
static void put_sized(struct bytes *bytes, const char *text)
{
	put_number(bytes, strlen(text), 8);
	bytes_put(bytes, text, strlen(text));
}

void datfile_describe(struct datfile *file, unsigned int id, const char *system,
		      const char *name, const struct datfile_field *fields)
{
	static const struct datfile_field common[] = {
		{ "unsigned short", "common_type", 0, 2, 0 },
		{ "unsigned char", "common_flags", 2, 1, 0 },
		{ "unsigned char", "common_preempt_count", 3, 1, 0 },
		{ "int", "common_pid", 4, 4, 1 },
		{ 0 },
	};
	struct bytes *format = &file->formats[file->events];
	const struct datfile_field *lists[] = { common, fields };

	file->systems[file->events++] = system;
	put_text(format, "name: %s\nID: %u\nformat:\n", name, id);
	for (unsigned int list = 0; list < 2; list++) {
		for (const struct datfile_field *field = lists[list]; field->name; field++)
			put_text(format, "\tfield:%s %s;\toffset:%u;\tsize:%u;\tsigned:%u;\n",
				 field->type, field->name, field->offset, field->size,
				 field->is_signed);
		put_text(format, "\n");
	}
	put_text(format, "print fmt: \"\"\n");
}

/* Fills the last page up; a stored number of missed events ends it. */
static void page_close(struct bytes *pages)
{
	put_zeros(pages, (DATFILE_PAGE - pages->size % DATFILE_PAGE) % DATFILE_PAGE);
}

void datfile_page(struct datfile_buffer *buffer, unsigned int cpu, uint64_t time_ns, int missed)
{
	struct bytes *pages = &buffer->pages[cpu];
	uint64_t commit = missed ? COMMIT_MISSED : 0;

	page_close(pages);
	if (missed > 0)
		commit |= COMMIT_MISSED_STORED;
	put_number(pages, time_ns, 8);
	put_number(pages, commit, 8);
	buffer->newest_ns[cpu] = time_ns;
	/* The reader finds the number behind the last event. */
	if (missed > 0)
		put_number(pages, (uint64_t)missed, 8);
}

/* The page's events end in front of a stored number of missed events. */
static size_t page_tail(const struct bytes *pages, size_t page)
{
	return pages->data[page + 11] & COMMIT_MISSED_STORED >> 24 ? 8 : 0;
}

void datfile_put(struct datfile_buffer *buffer, unsigned int cpu, uint64_t time_ns,
		 const struct datfile_event *event)
{
	struct bytes *pages = &buffer->pages[cpu];
	size_t page = (pages->size - 1) / DATFILE_PAGE * DATFILE_PAGE;
	size_t tail = page_tail(pages, page);
	uint64_t delta = time_ns - buffer->newest_ns[cpu];
	unsigned char missed[8];
	uint64_t commit;

	memcpy(missed, pages->data + pages->size - tail, tail);
	pages->size -= tail;
	put_number(pages, delta << 5 | (8 + event->size) / 4, 4);
	put_number(pages, event->id, 4);
	put_number(pages, (uint32_t)event->pid, 4);
	bytes_put(pages, event->data, event->size);
	memcpy(&commit, pages->data + page + 8, 8);
	commit += 12 + event->size;
	put_number_at(pages, page + 8, commit);
	bytes_put(pages, missed, tail);
	buffer->newest_ns[cpu] = time_ns;
}

static void put_events(struct bytes *out, struct datfile *file)
{
	/* No events of ftrace itself; each other one in a system of its own. */
	put_number(out, 0, 4);
	put_number(out, file->events, 4);
	for (unsigned int index = 0; index < file->events; index++) {
		put_string(out, file->systems[index]);
		put_number(out, 1, 4);
		put_number(out, file->formats[index].size, 8);
		bytes_put(out, file->formats[index].data, file->formats[index].size);
		free(file->formats[index].data);
	}
}

static void put_head(struct bytes *out, struct datfile *file)
{
	bytes_put(out, "\x17\x08\x44tracing6\0\0\x08", 14);
	put_number(out, DATFILE_PAGE, 4);
	put_string(out, "header_page");
	put_sized(out, "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n"
		       "\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n"
		       "\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n"
		       "\tfield: char data;\toffset:16;\tsize:4080;\tsigned:0;\n");
	put_string(out, "header_event");
	put_sized(out, "# compressed entry header\n\ttype_len    :    5 bits\n"
		       "\ttime_delta  :   27 bits\n\tarray       :   32 bits\n\n"
		       "\tpadding     : type == 29\n\ttime_extend : type == 30\n"
		       "\tdata max type_len  == 28\n");
	put_events(out, file);
	put_number(out, 0, 4);	/* kallsyms */
	put_number(out, 0, 4);	/* printk formats */
	put_number(out, 0, 8);	/* command lines */
	put_number(out, DATFILE_CPUS, 4);
}

/* "flyrecord" and room for each CPU's offset and size; returns where. */
static size_t put_directory(struct bytes *out)
{
	put_string(out, "flyrecord");
	put_zeros(out, DATFILE_CPUS * 16);
	return out->size - DATFILE_CPUS * 16;
}

static void put_buffer(struct bytes *out, struct datfile_buffer *buffer, size_t directory)
{
	for (unsigned int cpu = 0; cpu < DATFILE_CPUS; cpu++) {
		struct bytes *pages = &buffer->pages[cpu];

		page_close(pages);
		page_close(out);
		put_number_at(out, directory + 16 * cpu, out->size);
		put_number_at(out, directory + 16 * cpu + 8, pages->size);
		if (pages->size)
			bytes_put(out, pages->data, pages->size);
		free(pages->data);
	}
}

struct bytes datfile_finish(struct datfile *file)
{
	struct bytes out = { 0 };
	size_t instance = 0, directory;
	int has_instance = file->instance.pages[0].size || file->instance.pages[1].size;

	put_head(&out, file);
	put_string(&out, "options  ");
	if (has_instance) {
		put_number(&out, OPTION_BUFFER, 2);
		put_number(&out, 8 + sizeof("instance"), 4);
		instance = out.size;
		put_number(&out, 0, 8);
		put_string(&out, "instance");
	}
	put_number(&out, 0, 2);
	directory = put_directory(&out);
	put_buffer(&out, &file->top, directory);
	if (has_instance) {
		put_number_at(&out, instance, out.size);
		directory = put_directory(&out);
		put_buffer(&out, &file->instance, directory);
	}
	memset(file, 0, sizeof(*file));
	return out;
}
