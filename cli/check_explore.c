/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * tlbtag check --explore: everything that can happen, in small worlds.
 */
#include "check.h"
#include "cli.h"
#include "json.h"

#include "../check/explore.h"
#include "../check/found.h"
#include "../check/jobs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What differs between the small worlds: each bit is a key that is 0 or 1. */
static const char *const varied[] = {
	"vendor", "flush_by_asid", "shared_tag", "l0_nested_paging", "l1_nested_paging",
};

#define VARIED (sizeof(varied) / sizeof(varied[0]))

/* In front of the story that comes back. */
struct explored {
	int error;
	struct vmm_config config;
	struct explore_result result;
};

struct exploration {
	struct check_request *request;
	const struct check_world *world;
	uint64_t worlds[1u << VARIED]; /* those that can be */
	unsigned int world_count;
	bool from_file;
	bool wrong;
	bool saved;
	int error;
	struct run_tally tally;
	json_t *explored;
	json_t *found;
	struct story from;
	struct story story;
	struct story_end end;
};

/* --- the worlds -------------------------------------------------------------- */

/* Two CPUs, two vCPUs, a tag for one of them and the fallback. */
static void small_world(const struct exploration *exploration, uint64_t number,
			struct vmm_config *config)
{
	struct config_pins pins = { .pinned = { false } };

	exploration->world->config_init(config);
	config->cpus = 2;
	config->vms = 1;
	config->vcpus = 2;
	config->contexts = 1;
	config->tags = 2;
	for (unsigned int i = 0; i < VARIED; i++)
		config_pin_name(&pins, varied[i], number >> i & 1);
	config_pins_apply(&pins, config);
	config_pins_apply(&exploration->request->pins, config);
}

static bool same_config(const struct vmm_config *left, const struct vmm_config *right)
{
	for (unsigned int i = 0; i < config_key_count; i++)
		if (config_get(left, &config_keys[i]) != config_get(right, &config_keys[i]))
			return false;
	return true;
}

/* A key that is pinned, or means nothing to this vendor, would double worlds. */
static bool is_new(const struct exploration *exploration, const struct vmm_config *config)
{
	struct vmm_config other;

	for (unsigned int i = 0; i < exploration->world_count; i++) {
		small_world(exploration, exploration->worlds[i], &other);
		if (same_config(&other, config))
			return false;
	}
	return true;
}

static void list_worlds(struct exploration *exploration)
{
	struct vmm_config config;

	for (uint64_t number = 0; number < 1u << VARIED; number++) {
		small_world(exploration, number, &config);
		if (!exploration->world->config_check(&config) && is_new(exploration, &config))
			exploration->worlds[exploration->world_count++] = number;
	}
}

static void work_world(void *cookie, uint64_t task, FILE *out)
{
	struct exploration *exploration = cookie;
	struct explore_options options = {
		.world = exploration->world, .from = &exploration->from,
		.depth = (unsigned int)exploration->request->depth,
		.states = (uint32_t)exploration->request->states,
		.stop = check_is_late, .cookie = exploration->request
	};
	struct explored explored;

	memset(&explored, 0, sizeof(explored));
	if (!exploration->from_file)
		small_world(exploration, exploration->worlds[task], &exploration->from.config);
	exploration->story.count = 0;
	explored.config = exploration->from.config;
	explored.error = explore(&options, &exploration->story, &exploration->end,
				 &explored.result);
	if (!explored.result.wrong)
		exploration->story.count = 0;
	found_write(&explored, sizeof(explored), &exploration->story, &exploration->end, out);
}

/* --- what came of it --------------------------------------------------------- */

static json_t *config_json(const struct check_world *world, const struct vmm_config *config)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	json_t *string;

	if (out) {
		config_print(world, config, out);
		fclose(out);
	}
	string = json_string(text ? text : "");
	free(text);
	return string;
}

static void report_json(struct exploration *exploration, const struct explored *explored,
			const struct story_end *end)
{
	const struct explore_result *result = &explored->result;
	json_t *object = json_pack("{s:o, s:I, s:I, s:b, s:b, s:I}", "config",
				   config_json(exploration->world, &explored->config), "states",
				   (json_int_t)result->states, "depth",
				   (json_int_t)result->depth, "full", result->full, "stopped",
				   result->stopped, "ops", (json_int_t)result->ops);

	json_array_append_new(exploration->explored, object);
	if (result->wrong)
		json_array_append_new(exploration->found,
				      found_json(exploration->world, &exploration->story, end));
}

static void report_text(struct exploration *exploration, const struct explored *explored,
			const struct story_end *end)
{
	const struct explore_result *result = &explored->result;

	progress_end();
	config_print(exploration->world, &explored->config, stdout);
	printf("\n  depth %u, %" PRIu32 " states, %" PRIu64 " operations: ", result->depth,
	       result->states, result->ops);
	puts(result->wrong ? "wrong" : "nothing wrong");
	if (result->full)
		printf("  ! there are more states than --states %" PRIu64
		       ": not all were gone on from\n",
		       exploration->request->states);
	if (result->stopped)
		puts("  ! the time was over");
	if (!result->wrong)
		return;
	putchar('\n');
	explain_story(exploration->world, &exploration->story, end, stdout);
}

static void save_story(struct exploration *exploration)
{
	const char *path = exploration->request->save;

	if (!path || exploration->saved)
		return;
	exploration->saved = true;
	exploration->error = story_save(exploration->world, path, &exploration->story,
					"found by exploring");
	if (exploration->error)
		complain("%s: %s", path, strerror(-exploration->error));
}

static bool take_world(void *cookie, uint64_t task, const void *data, size_t size, int status)
{
	struct exploration *exploration = cookie;
	struct explored explored;
	const struct story_end *end = found_read(data, size, &explored, sizeof(explored),
						 &exploration->story);

	if (!end)
		complain("check: the process that explored world %" PRIu64 " died, status %#x",
			 task, (unsigned int)status);
	if (end && explored.error)
		complain("check: %s", explored.error == -EINVAL ? "the story itself goes wrong"
								: strerror(-explored.error));
	if (!end || explored.error) {
		exploration->error = -EINVAL;
		return false;
	}
	exploration->tally.ops += explored.result.ops;
	exploration->tally.accesses += explored.result.accesses;
	exploration->wrong |= explored.result.wrong;
	if (explored.result.wrong)
		save_story(exploration);
	if (exploration->request->json)
		report_json(exploration, &explored, end);
	else
		report_text(exploration, &explored, end);
	progress("%" PRIu64 " of %u worlds explored", task + 1, exploration->world_count);
	return !exploration->error &&
	       (!exploration->wrong || exploration->request->keep_going);
}

static void print_sum(struct exploration *exploration)
{
	json_t *object;

	if (!exploration->request->json)
		return;
	object = json_pack("{s:i, s:I, s:I, s:O, s:O}", "seeds", 0, "ops",
			   (json_int_t)exploration->tally.ops, "accesses",
			   (json_int_t)exploration->tally.accesses, "explored",
			   exploration->explored, "wrong", exploration->found);
	check_add_timing(exploration->request, &exploration->tally, object);
	json_write(object);
}

static int explore_worlds(struct exploration *exploration)
{
	struct jobs jobs = {
		.workers = (unsigned int)exploration->request->jobs,
		.count = exploration->world_count, .work = work_world, .take = take_world,
		.cookie = exploration
	};
	int error = jobs_run(&jobs);

	progress_end();
	if (exploration->error)
		return EXIT_BAD;
	if (error)
		return complain("check: %s", strerror(-error));
	print_sum(exploration);
	return finish_output(exploration->wrong ? EXIT_FOUND : EXIT_FINE);
}

/* The worlds to explore: the file's, or all small ones. */
static int find_worlds(struct exploration *exploration)
{
	const char *path = exploration->request->from;
	char error[STORY_LINE_MAX];

	if (path) {
		if (story_load(exploration->world, path, &exploration->from, error))
			return complain("%s", error);
		exploration->from_file = true;
		exploration->from.settle = false;
		config_pins_apply(&exploration->request->pins, &exploration->from.config);
		exploration->world_count = 1;
		return EXIT_FINE;
	}
	list_worlds(exploration);
	return exploration->world_count ? EXIT_FINE : complain("check: no world is like this");
}

int check_explore(struct check_request *request)
{
	struct exploration *exploration = calloc(1, sizeof(*exploration));
	int code;

	if (!exploration)
		return complain("out of memory");
	exploration->request = request;
	exploration->world = request->world;
	exploration->explored = json_array();
	exploration->found = json_array();
	code = find_worlds(exploration);
	if (code == EXIT_FINE)
		code = explore_worlds(exploration);
	json_decref(exploration->explored);
	json_decref(exploration->found);
	free(exploration);
	return code;
}
