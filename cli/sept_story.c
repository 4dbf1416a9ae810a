/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The scenarios of tlbtag sept. All sizes are parts of the guest's memory, which
 * sept_host.h gives as one range of page frames from 0.
 */
#include "sept_story.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* A hole is as large as a block of a swap device: 64 KiB. */
#define HOLE_PAGES 16u
/* One hole in so many mappings of 2 MiB. */
#define HOLE_SLOTS 8u

/* The host maps begin .. end - 1, and the guest accepts it, as large as it may. */
static int populate(struct sept_host *host, uint64_t begin, uint64_t end)
{
	int error = 0;

	for (uint64_t gfn = begin; gfn < end && !error;) {
		bool is_whole = gfn % SEPT_SLOT_PAGES == 0 && end - gfn >= SEPT_SLOT_PAGES;

		error = sept_host_accept(host, gfn,
					 is_whole ? TLBTAG_LEVEL_2M : TLBTAG_LEVEL_4K);
		gfn += is_whole ? SEPT_SLOT_PAGES : 1;
	}
	return error;
}

static int boot(struct sept_host *host)
{
	int error = sept_host_start(host);

	return error ? error : populate(host, 0, sept_host_pages(host));
}

/* The last quarter is mapped before the guest accepts it, 4 KiB at a time. */
static int accept_small(struct sept_host *host)
{
	uint64_t quarter = sept_host_pages(host) / 4 * 3;
	int error = sept_host_start(host);

	if (!error)
		error = populate(host, 0, quarter);
	for (uint64_t gfn = quarter; gfn < sept_host_pages(host) && !error; gfn += SEPT_SLOT_PAGES)
		error = sept_host_fault(host, gfn);
	for (uint64_t gfn = quarter; gfn < sept_host_pages(host) && !error; gfn++)
		error = sept_host_accept(host, gfn, TLBTAG_LEVEL_4K);
	return error;
}

/* Half of the memory, neither end on a boundary of 2 MiB. */
static uint64_t half_begin(const struct sept_host *host)
{
	return sept_host_pages(host) / 4 + 100;
}

static uint64_t half_end(const struct sept_host *host)
{
	return half_begin(host) + sept_host_pages(host) / 2;
}

static int convert(struct sept_host *host)
{
	int error = boot(host);

	return error ? error : sept_host_remove(host, half_begin(host), half_end(host));
}

/* It becomes private again. */
static int convert_back(struct sept_host *host)
{
	int error = convert(host);

	return error ? error : populate(host, half_begin(host), half_end(host));
}

/* Every other hole goes over a boundary, so that it cuts into two mappings. */
static int punch_holes(struct sept_host *host)
{
	uint64_t step = (uint64_t)HOLE_SLOTS * SEPT_SLOT_PAGES;
	int error = 0;

	for (uint64_t at = step; at < sept_host_pages(host) && !error; at += step) {
		uint64_t begin = at / step % 2 ? at + 100 : at - HOLE_PAGES / 2;

		error = sept_host_remove(host, begin, begin + HOLE_PAGES);
	}
	return error;
}

static int punch(struct sept_host *host)
{
	int error = boot(host);

	return error ? error : punch_holes(host);
}

static int boot_and_end(struct sept_host *host)
{
	int error = boot(host);

	return error ? error : sept_host_tear_down(host);
}

static int life(struct sept_host *host)
{
	int error = convert_back(host);

	if (!error)
		error = punch_holes(host);
	return error ? error : sept_host_tear_down(host);
}

const struct sept_story sept_stories[] = {
	{ "boot", "the guest accepts all of its memory", boot },
	{ "accept", "a quarter is mapped first, and accepted in 4 KiB", accept_small },
	{ "convert", "boot; half of the memory becomes shared", convert },
	{ "back", "convert; it becomes private again", convert_back },
	{ "holes", "boot; a hole of 64 KiB is punched in every 16 MiB", punch },
	{ "teardown", "boot; the guest ends", boot_and_end },
	{ "life", "back; holes as above; the guest ends", life },
};

const unsigned int sept_story_count = sizeof(sept_stories) / sizeof(sept_stories[0]);

const struct sept_story *sept_story_find(const char *name)
{
	for (unsigned int i = 0; i < sept_story_count; i++)
		if (!strcmp(sept_stories[i].name, name))
			return &sept_stories[i];
	return NULL;
}

static const char *look(const struct sept_host *host, int error)
{
	const char *wrong = sept_host_wrong(host);

	if (wrong || !error)
		return wrong;
	return error == -ENOMEM ? "the host ran out of pages" : "the module refused a call";
}

int sept_story_play(const struct sept_story *story, const struct sept_setup *setup,
		    struct sept_cost *cost, const char **wrong)
{
	struct sept_host *host = sept_host_create(setup);
	int error;

	if (!host)
		return -ENOMEM;
	error = story->play(host);
	sept_host_cost(host, cost);
	*wrong = look(host, error);
	error = sept_host_tear_down(host);
	if (!*wrong)
		*wrong = error ? "the guest could not be torn down" : sept_host_leak(host);
	sept_host_destroy(host);
	return *wrong ? -EIO : 0;
}
