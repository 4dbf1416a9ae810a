/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Findings as bytes. Both ends are the same program, so bytes are enough.
 */
#include "found.h"

#include <string.h>

static size_t story_size(const struct story *story)
{
	return offsetof(struct story, op) + story->count * sizeof(story->op[0]);
}

/* Heads are padded, so that what follows is aligned. */
static size_t padded(size_t size)
{
	return (size + 15) / 16 * 16;
}

void found_write(const void *head, size_t size, const struct story *story,
		 const struct story_end *end, FILE *out)
{
	static const char padding[16];

	fwrite(head, 1, size, out);
	fwrite(padding, 1, padded(size) - size, out);
	fwrite(end, 1, sizeof(*end), out);
	fwrite(story, 1, story_size(story), out);
}

const struct story_end *found_read(const void *data, size_t size, void *head, size_t head_size,
				   struct story *story)
{
	const char *end = (const char *)data + padded(head_size);
	size_t before = padded(head_size) + sizeof(struct story_end);

	if (!data || size < before + offsetof(struct story, op) ||
	    size > before + sizeof(*story))
		return NULL;
	memcpy(head, data, head_size);
	memcpy(story, end + sizeof(struct story_end), size - before);
	if (size != before + story_size(story))
		return NULL;
	return (const struct story_end *)(const void *)end;
}
