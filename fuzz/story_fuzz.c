/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Any text as a story: what is refused says where and why, what is taken prints
 * as text that reads as the same story, and can be played without more than a
 * verdict coming of it.
 */
#include "../check/story.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* More operations than this are only read, not played. */
#define PLAYED 200u

static void require(bool held)
{
	if (!held)
		abort();
}

static int read_text(const struct check_world *world, const void *data, size_t size,
		     struct story *story)
{
	char error[STORY_LINE_MAX] = "";
	/* fmemopen() refuses an empty file. */
	FILE *in = size ? fmemopen((void *)(uintptr_t)data, size, "r") : fopen("/dev/null", "r");
	int result;

	require(in != NULL);
	result = story_read(world, in, "input", story, error);
	require((result != 0) == (error[0] != '\0'));
	require(!strchr(error, '\n'));
	fclose(in);
	return result;
}

static void print_and_read(const struct check_world *world, const struct story *story)
{
	struct story *again = calloc(1, sizeof(*again));
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	require(again && out);
	story_print(world, story, out);
	fclose(out);
	require(!read_text(world, text, size, again));
	require(again->count == story->count && again->settle == story->settle);
	require(!memcmp(again->op, story->op, story->count * sizeof(story->op[0])));
	for (unsigned int i = 0; i < config_key_count; i++)
		require(config_get(&again->config, &config_keys[i]) ==
			config_get(&story->config, &config_keys[i]));
	free(text);
	free(again);
}

/* Played again without what was impossible it goes the same way. */
static void play_twice(const struct check_world *world, struct story *story)
{
	struct vmm *vmm = world->create(&story->config);
	struct story_end first;
	struct story_end second;
	unsigned int count;

	require(vmm != NULL);
	story_play(world, vmm, story, &first);
	count = story->count;
	story_play(world, vmm, story, &second);
	require(story->count == count && first.wrong == second.wrong);
	require(first.accesses == second.accesses);
	require(first.verdict.wrong == second.verdict.wrong);
	world->destroy(vmm);
}

/* The head line says of which world a story is, so at most one takes it. */
static void try_world(const struct check_world *world, const uint8_t *data, size_t size)
{
	struct story *story = calloc(1, sizeof(*story));

	require(story != NULL);
	if (!read_text(world, data, size, story)) {
		print_and_read(world, story);
		if (story->count <= PLAYED)
			play_twice(world, story);
	}
	free(story);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try_world(check_world_vmm(), data, size);
	try_world(check_world_private(), data, size);
	return 0;
}
