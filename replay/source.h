/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The bytes of a recording, from a file, standard input or memory, inflated on
 * the way if they begin like gzip (several members in a row are one stream).
 */
#ifndef TLBTAG_REPLAY_SOURCE_H
#define TLBTAG_REPLAY_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum source_state {
	SOURCE_READING,
	SOURCE_END,	/* everything was delivered, checksums were right */
	SOURCE_CUT,	/* the compressed stream ends in its middle */
	SOURCE_DAMAGED,	/* not deflate, or a wrong checksum */
	SOURCE_FAILED,	/* read() failed: source_errno() */
};

struct source;

/**
 * source_open() - open a file
 * @path: its name, or "-" for standard input (which is not closed later)
 *
 * Return: the source; NULL with errno set.
 */
struct source *source_open(const char *path);

/* The same for bytes that stay where they are until source_close(). */
struct source *source_open_memory(const void *data, size_t size);

/**
 * source_peek() - the first bytes, without consuming them
 * @buffer: receives them, inflated
 * @size: at most SOURCE_PEEK_MAX; only before the first source_read()
 *
 * Return: how many there are; fewer than @size only when the source is over.
 */
size_t source_peek(struct source *source, void *buffer, size_t size);

#define SOURCE_PEEK_MAX 16u

/**
 * source_read() - the next bytes
 * @buffer: receives them
 * @size: at most so many, > 0
 *
 * Whatever could be read before a failure is delivered before it shows.
 *
 * Return: 1..@size; 0 when there is no more: source_state() says why.
 */
size_t source_read(struct source *source, void *buffer, size_t size);

enum source_state source_state(const struct source *source);
int source_errno(const struct source *source);

/* An uncompressed regular file can be opened once more by its name. */
bool source_is_plain_file(const struct source *source);

void source_close(struct source *source);

#endif
