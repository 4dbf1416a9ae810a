/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a worker process hands to its parent: a few numbers and a story.
 */
#ifndef CHECK_FOUND_H
#define CHECK_FOUND_H

#include "story.h"

/* @head, of @size bytes, then @end, then as much of @story as is in use. */
void found_write(const void *head, size_t size, const struct story *story,
		 const struct story_end *end, FILE *out);

/**
 * found_read() - the reverse
 * @data: what was written
 * @size: how much
 * @head: filled in, @head_size bytes
 * @story: filled in
 *
 * Return: how the story ended, in @data; NULL if that is too short.
 */
const struct story_end *found_read(const void *data, size_t size, void *head, size_t head_size,
				   struct story *story);

#endif
