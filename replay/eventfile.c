/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Files of events, read line by line.
 */
#include "event.h"
#include "source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Longer than any line that event_print() writes. */
#define LINE_MAX_BYTES 512u

struct reader {
	struct source *source;
	uint64_t line;
	size_t size; /* of the current line */
	size_t begin;
	size_t end;
	char buffer[65536];
};

static bool refill(struct reader *reader)
{
	memmove(reader->buffer, reader->buffer + reader->begin, reader->end - reader->begin);
	reader->end -= reader->begin;
	reader->begin = 0;
	if (reader->end == sizeof(reader->buffer) - 1)
		return false;
	size_t got = source_read(reader->source, reader->buffer + reader->end,
				 sizeof(reader->buffer) - 1 - reader->end);

	reader->end += got;
	return got > 0;
}

/* The next line, ended by a 0 byte; NULL at the end, or if the end is cut. */
static char *next_line(struct reader *reader)
{
	char *begin;
	char *newline;

	do {
		begin = reader->buffer + reader->begin;
		newline = memchr(begin, '\n', reader->end - reader->begin);
	} while (!newline && refill(reader));

	begin = reader->buffer + reader->begin;
	reader->line += newline || reader->begin < reader->end;
	if (!newline)
		return NULL;
	*newline = '\0';
	reader->begin = (size_t)(newline + 1 - reader->buffer);
	reader->size = (size_t)(newline - begin);
	return begin;
}

static const char *check_line(const char *line, size_t size, uint64_t number)
{
	if (size > LINE_MAX_BYTES)
		return "a line that is too long";
	if (strlen(line) != size)
		return "a line with a 0 byte in it";
	if (number == 1 && strcmp(line, EVENT_FILE_HEAD))
		return "not a file of events, it does not begin with '" EVENT_FILE_HEAD "'";
	return NULL;
}

/* Why there are no more lines; NULL if the file is over. */
static const char *ending(const struct reader *reader)
{
	switch (source_state(reader->source)) {
	case SOURCE_READING:
		return "a line that is too long";
	case SOURCE_END:
		if (!reader->line)
			return "an empty file";
		/* Half a number is a number too, so it cannot be believed. */
		return reader->begin < reader->end ? "the last line is cut" : NULL;
	case SOURCE_CUT:
		return "compressed data ends early";
	case SOURCE_DAMAGED:
		return "compressed data is damaged";
	case SOURCE_FAILED:
		return strerror(source_errno(reader->source));
	}
	return NULL;
}

static int parse_line(char *line, struct event_order *order, struct event *event, char *what,
		      size_t size)
{
	const char *wrong;
	int found = event_parse(line, event, what, size);

	if (found <= 0)
		return found;
	wrong = event_order_check(order, event);
	if (!wrong)
		return 1;
	snprintf(what, size, "%s", wrong);
	return -1;
}

/* Returns what is wrong, NULL if nothing is; reader->line says where. */
static const char *read_all(struct reader *reader, struct event_order *order,
			    void (*sink)(void *context, const struct event *event), void *context)
{
	static char what[160];
	struct event event;
	const char *wrong;
	char *line;

	while ((line = next_line(reader)) != NULL) {
		int found;

		wrong = check_line(line, reader->size, reader->line);
		if (wrong)
			return wrong;
		found = parse_line(line, order, &event, what, sizeof(what));
		if (found < 0)
			return what;
		if (found) {
			event.where = event.where ? event.where : reader->line;
			sink(context, &event);
		}
	}
	return ending(reader);
}

struct text {
	char *at;
	size_t size;
};

static void complain(const char *path, uint64_t line, const char *wrong, struct text error)
{
	const char *name = strcmp(path, "-") ? path : "standard input";

	if (line)
		snprintf(error.at, error.size, "%s:%llu: %s", name, (unsigned long long)line,
			 wrong);
	else
		snprintf(error.at, error.size, "%s: %s", name, wrong);
}

int events_read(const char *path, void (*sink)(void *context, const struct event *event),
		void *context, char *error, size_t size)
{
	struct event_order *order = calloc(1, sizeof(*order));
	struct reader *reader = calloc(1, sizeof(*reader));
	const char *wrong = "out of memory";

	if (order && reader) {
		reader->source = source_open(path);
		wrong = reader->source ? read_all(reader, order, sink, context) : strerror(errno);
	}
	if (wrong)
		complain(path, reader ? reader->line : 0, wrong, (struct text){ error, size });
	if (reader && reader->source)
		source_close(reader->source);
	free(reader);
	free(order);
	return wrong ? -1 : 0;
}
