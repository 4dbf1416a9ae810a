/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Bytes in, inflated if need be. zlib inflates traces faster than they are
 * parsed, so nothing is gained by a thread that does it ahead.
 */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define INPUT_SIZE (64u << 10)
#define GZIP_WINDOW (16 + MAX_WBITS)

struct source {
	int fd;			/* -1: memory */
	const unsigned char *memory;
	size_t memory_size;
	bool regular;
	bool gzip;
	bool in_member;
	enum source_state state;	/* what produced so far led to */
	int error;
	size_t begin;		/* input[begin, end) is not used yet */
	size_t end;
	z_stream inflater;
	size_t peek_begin;
	size_t peek_end;
	unsigned char peek[SOURCE_PEEK_MAX];
	unsigned char input[INPUT_SIZE];
};

static size_t file_read(struct source *source, void *buffer, size_t size)
{
	ssize_t got;

	do {
		got = read(source->fd, buffer, size);
	} while (got < 0 && errno == EINTR);
	if (got >= 0)
		return (size_t)got;
	source->state = SOURCE_FAILED;
	source->error = errno;
	return 0;
}

static size_t memory_read(struct source *source, void *buffer, size_t size)
{
	if (size > source->memory_size)
		size = source->memory_size;
	if (size)
		memcpy(buffer, source->memory, size);
	source->memory += size;
	source->memory_size -= size;
	return size;
}

/* At least one more byte of input, or false at its end. */
static bool input_fill(struct source *source)
{
	size_t got;

	if (source->begin == source->end)
		source->begin = source->end = 0;
	if (source->fd < 0)
		got = memory_read(source, source->input + source->end, INPUT_SIZE - source->end);
	else
		got = file_read(source, source->input + source->end, INPUT_SIZE - source->end);
	source->end += got;
	return got > 0;
}

static size_t plain_read(struct source *source, void *buffer, size_t size)
{
	size_t have;

	if (source->begin == source->end && !input_fill(source)) {
		if (source->state == SOURCE_READING)
			source->state = SOURCE_END;
		return 0;
	}
	have = source->end - source->begin;
	if (size > have)
		size = have;
	memcpy(buffer, source->input + source->begin, size);
	source->begin += size;
	return size;
}

/* Between members: zeros are padding (RFC 1952 leaves them to tape users). */
static bool member_begin(struct source *source)
{
	for (;;) {
		while (source->begin < source->end && !source->input[source->begin])
			source->begin++;
		if (source->begin < source->end)
			break;
		if (input_fill(source))
			continue;
		if (source->state == SOURCE_READING)
			source->state = SOURCE_END;
		return false;
	}
	if (inflateReset(&source->inflater) != Z_OK)
		source->state = SOURCE_DAMAGED;
	source->in_member = source->state == SOURCE_READING;
	return source->in_member;
}

/* Inflates what input there is into the rest of the caller's buffer. */
static void member_inflate(struct source *source)
{
	z_stream *inflater = &source->inflater;
	int result;

	inflater->next_in = source->input + source->begin;
	inflater->avail_in = (unsigned int)(source->end - source->begin);
	result = inflate(inflater, Z_NO_FLUSH);
	source->begin = source->end - inflater->avail_in;
	if (result == Z_STREAM_END)
		source->in_member = false;
	else if (result != Z_OK && result != Z_BUF_ERROR)
		source->state = SOURCE_DAMAGED;
}

static size_t gzip_read(struct source *source, void *buffer, size_t size)
{
	z_stream *inflater = &source->inflater;

	inflater->next_out = buffer;
	inflater->avail_out = (unsigned int)size;
	while (inflater->avail_out && source->state == SOURCE_READING) {
		if (!source->in_member && !member_begin(source))
			break;
		if (source->begin == source->end && !input_fill(source)) {
			if (source->state == SOURCE_READING)
				source->state = SOURCE_CUT;
			break;
		}
		member_inflate(source);
	}
	return size - inflater->avail_out;
}

static size_t direct_read(struct source *source, void *buffer, size_t size)
{
	if (source->state != SOURCE_READING)
		return 0;
	return source->gzip ? gzip_read(source, buffer, size) : plain_read(source, buffer, size);
}

/* Two bytes decide; a shorter source is not gzip. */
static bool source_start(struct source *source)
{
	while (source->end < 2 && input_fill(source))
		;
	source->gzip = source->end >= 2 && source->input[0] == 0x1f && source->input[1] == 0x8b;
	source->in_member = source->gzip;
	if (!source->gzip)
		return true;
	if (inflateInit2(&source->inflater, GZIP_WINDOW) == Z_OK)
		return true;
	errno = ENOMEM;
	return false;
}

static struct source *source_new(int fd)
{
	struct source *source = calloc(1, sizeof(*source));

	if (!source)
		return NULL;
	source->fd = fd;
	return source;
}

struct source *source_open(const char *path)
{
	struct source *source;
	struct stat status;
	int fd = STDIN_FILENO;

	if (strcmp(path, "-") != 0)
		fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	source = source_new(fd);
	if (!source) {
		if (fd != STDIN_FILENO)
			close(fd);
		return NULL;
	}
	source->regular = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
	if (source_start(source))
		return source;
	source_close(source);
	return NULL;
}

struct source *source_open_memory(const void *data, size_t size)
{
	struct source *source = source_new(-1);

	if (!source)
		return NULL;
	source->memory = data;
	source->memory_size = size;
	if (source_start(source))
		return source;
	source_close(source);
	return NULL;
}

size_t source_peek(struct source *source, void *buffer, size_t size)
{
	while (source->peek_end < size) {
		size_t got = direct_read(source, source->peek + source->peek_end,
					 size - source->peek_end);

		if (!got)
			break;
		source->peek_end += got;
	}
	if (size > source->peek_end)
		size = source->peek_end;
	memcpy(buffer, source->peek, size);
	return size;
}

size_t source_read(struct source *source, void *buffer, size_t size)
{
	size_t have = source->peek_end - source->peek_begin;

	if (have) {
		if (size > have)
			size = have;
		memcpy(buffer, source->peek + source->peek_begin, size);
		source->peek_begin += size;
		return size;
	}
	return direct_read(source, buffer, size);
}

enum source_state source_state(const struct source *source)
{
	return source->state;
}

int source_errno(const struct source *source)
{
	return source->error;
}

bool source_is_plain_file(const struct source *source)
{
	return source->regular && !source->gzip && source->fd != STDIN_FILENO;
}

void source_close(struct source *source)
{
	if (!source)
		return;
	if (source->gzip)
		inflateEnd(&source->inflater);
	if (source->fd > STDIN_FILENO)
		close(source->fd);
	free(source);
}
