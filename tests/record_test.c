/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The table, and everything about files that is not about their lines: what
 * cannot be opened, gzip in one piece, in several, cut and damaged.
 */
#include "test.h"

#include <fcntl.h>
#include <replay/record.h>
#include <replay/source.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#define LINE " x-1     [000] d..1.    14.559734: kvm_entry: vcpu 5, rip 0x1\n"
#define PACKED_MAX 65536u

struct packed {
	unsigned char data[PACKED_MAX];
	size_t size;
};

/* Appends a gzip member with so many lines, the last one without a newline. */
static void member_add(struct packed *packed, unsigned int lines, unsigned int cut)
{
	size_t size = strlen(LINE) * lines;
	char *text = malloc(size + 1);
	z_stream stream = { 0 };

	for (unsigned int index = 0; index < lines; index++)
		memcpy(text + index * strlen(LINE), LINE, strlen(LINE));
	deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
	stream.next_in = (unsigned char *)text;
	stream.avail_in = (unsigned int)(size - cut);
	stream.next_out = packed->data + packed->size;
	stream.avail_out = (unsigned int)(PACKED_MAX - packed->size);
	CHECK_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
	packed->size = PACKED_MAX - stream.avail_out;
	deflateEnd(&stream);
	free(text);
}

struct result {
	int end;
	struct trace_stats stats;
	char error[256];
};

static void trace_drain(struct trace *trace, struct result *result)
{
	struct record record;

	while ((result->end = trace_next(trace, &record)) == 1)
		CHECK_EQ(record.field[FIELD_VCPU_ID], 5);
	result->stats = *trace_stats(trace);
	snprintf(result->error, sizeof(result->error), "%s", trace_error(trace));
	trace_close(trace);
}

static struct result packed_read(const struct packed *packed)
{
	struct result result = { .end = -2 };
	struct trace *trace;

	if (CHECK_EQ(trace_open_memory(&trace, packed->data, packed->size, result.error,
				       sizeof(result.error)), 0))
		trace_drain(trace, &result);
	return result;
}

TEST(record_table_is_consistent)
{
	for (unsigned int kind = 0; kind < RECORD_KINDS; kind++) {
		CHECK(record_kind_name((enum record_kind)kind)[0]);
		for (unsigned int other = 0; other < kind; other++)
			CHECK(strcmp(record_kind_name((enum record_kind)kind),
				     record_kind_name((enum record_kind)other)) != 0);
		if (kind == RECORD_LOST || kind == RECORD_OTHER)
			continue;
		CHECK(record_kind_system((enum record_kind)kind)[0]);
		CHECK_NE(record_kind_fields((enum record_kind)kind), 0);
	}
	CHECK_EQ(record_kind_fields(RECORD_OTHER), 0);
	CHECK_EQ(record_kind_fields(RECORD_LOST), 1u << FIELD_LOST);
	CHECK_EQ(record_kind_fields(RECORD_VCPU_PUT), 1u << FIELD_VCPU_ID | 1u << FIELD_KVM);
	CHECK_STR_EQ(record_kind_name(RECORD_VMRUN), "vmrun");
	CHECK_STR_EQ(record_kind_system(RECORD_KVM_EXIT), "kvm");
	CHECK_STR_EQ(record_field_name(FIELD_TLB_CTL12), "TLB_CTL12");
}

TEST(record_open_says_which_file_and_why)
{
	struct trace *trace = NULL;
	struct record record;
	char error[256] = "", small[8];

	CHECK_EQ(trace_open(&trace, "/nonexistent/a\nb", error, sizeof(error)), -1);
	CHECK_STR_EQ(error, "/nonexistent/a?b: No such file or directory");
	CHECK_EQ(trace_open(&trace, "/nonexistent", small, sizeof(small)), -1);
	CHECK_STR_EQ(small, "/nonexi");
	CHECK_EQ(trace_open(&trace, "/", error, sizeof(error)), -1);
	CHECK_STR_EQ(error, "/: Is a directory");
	CHECK(trace == NULL);
	if (!CHECK_EQ(trace_open(&trace, "/dev/null", error, sizeof(error)), 0))
		return;
	CHECK_EQ(trace_next(trace, &record), -1);
	CHECK_STR_EQ(trace_error(trace), "/dev/null: not a trace: the file is empty");
	trace_close(trace);
	trace_close(NULL);
}

/* A file by its name, and the same as standard input. */
TEST(record_reads_files_and_standard_input)
{
	char path[] = "/tmp/tlbtag-record-test-XXXXXX";
	int fd = mkstemp(path), saved = dup(0);
	struct packed packed = { .size = 0 };
	struct result result = { .end = -2 };
	struct trace *trace;

	member_add(&packed, 3, 0);
	CHECK_EQ(write(fd, packed.data, packed.size), packed.size);
	if (CHECK_EQ(trace_open(&trace, path, result.error, sizeof(result.error)), 0)) {
		trace_drain(trace, &result);
		CHECK_EQ(result.end, 0);
		CHECK_EQ(result.stats.records, 3);
	}
	CHECK_EQ(ftruncate(fd, (off_t)packed.size - 9), 0);
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	dup2(fd, 0);
	if (CHECK_EQ(trace_open(&trace, "-", result.error, sizeof(result.error)), 0)) {
		trace_drain(trace, &result);
		CHECK_EQ(result.stats.records, 3);
		CHECK_STR_EQ(result.error,
			     "standard input: compressed data ends early after line 3");
	}
	dup2(saved, 0);
	close(saved);
	close(fd);
	unlink(path);
}

TEST(record_gzip_members_are_one_text)
{
	struct packed packed = { .size = 0 };
	struct result result;

	/* A line may begin in one member and end in the next. */
	member_add(&packed, 1000, 20);
	member_add(&packed, 1, 0);
	member_add(&packed, 5000, 0);
	memset(packed.data + packed.size, 0, 512);
	packed.size += 512;
	result = packed_read(&packed);
	CHECK_EQ(result.end, 0);
	CHECK_EQ(result.stats.lines, 6000);
	CHECK_EQ(result.stats.records, 5999);
	CHECK_EQ(result.stats.unparsed, 1);
	CHECK(!result.stats.truncated);
}

/* Whatever is cut off: the lines before it arrive, and then the error. */
TEST(record_gzip_cut_anywhere)
{
	struct packed packed = { .size = 0 };
	size_t whole;

	member_add(&packed, 1, 0);
	member_add(&packed, 400, 0);
	whole = packed.size;
	for (packed.size = whole - 1; packed.size > 90; packed.size -= 7) {
		struct result result = packed_read(&packed);
		char error[128];

		snprintf(error, sizeof(error), "memory: compressed data ends early after line %llu",
			 (unsigned long long)result.stats.lines);
		CHECK_EQ(result.end, -1);
		CHECK_STR_EQ(result.error, error);
		CHECK(result.stats.truncated);
		CHECK(result.stats.records >= 1);
		CHECK_EQ(result.stats.records + result.stats.unparsed, result.stats.lines);
		CHECK(result.stats.unparsed <= 1);
	}
}

TEST(record_gzip_damaged)
{
	struct packed packed = { .size = 0 };
	struct result result;

	member_add(&packed, 10, 0);
	packed.data[packed.size - 6] ^= 1;
	result = packed_read(&packed);
	CHECK_EQ(result.end, -1);
	CHECK_STR_EQ(result.error, "memory: compressed data is damaged after line 10");
	CHECK_EQ(result.stats.records, 10);
	CHECK(result.stats.truncated);
	packed.data[packed.size - 6] ^= 1;
	memcpy(packed.data + packed.size, "junk", 4);
	packed.size += 4;
	result = packed_read(&packed);
	CHECK_EQ(result.end, -1);
	CHECK_EQ(result.stats.records, 10);
	CHECK_STR_EQ(result.error, "memory: compressed data is damaged after line 10");
}

/* How much of the 30 lines arrives, in portions; 0 if it is something else. */
static size_t portions_read(struct source *source, size_t portion)
{
	char buffer[300];
	size_t got, sum = 0;

	while ((got = source_read(source, buffer, portion)))
		for (size_t index = 0; index < got; index++, sum++)
			if (buffer[index] != LINE[sum % strlen(LINE)])
				return 0;
	return sum;
}

/* Through a buffer of any size, what is peeked at included. */
TEST(source_reads_in_any_portions)
{
	struct packed packed = { .size = 0 };

	member_add(&packed, 30, 0);
	for (size_t portion = 1; portion < 300; portion += 13) {
		struct source *source = source_open_memory(packed.data, packed.size);
		char head[SOURCE_PEEK_MAX];

		CHECK_EQ(source_peek(source, head, sizeof(head)), sizeof(head));
		CHECK_EQ(memcmp(head, LINE, sizeof(head)), 0);
		CHECK_EQ(portions_read(source, portion), 30 * strlen(LINE));
		CHECK_EQ(source_state(source), SOURCE_END);
		CHECK(!source_is_plain_file(source));
		source_close(source);
	}
}
