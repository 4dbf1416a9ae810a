/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * tlbtag check: stories drawn from seeds, until one goes wrong.
 */
#include "check.h"
#include "cli.h"
#include "json.h"

#include "../check/found.h"
#include "../check/jobs.h"
#include "../check/shrink.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define OPS_DEFAULT 100000u
#define DEPTH_MAX 64u
#define STATES_DEFAULT 1000000u
#define STATES_MAX 100000000u

enum option_code {
	OPTION_SEED = 256,
	OPTION_SEEDS,
	OPTION_OPS,
	OPTION_TIME,
	OPTION_WITHOUT,
	OPTION_FAULT,
	OPTION_VENDOR,
	OPTION_SET,
	OPTION_AVOID,
	OPTION_FORGETFUL,
	OPTION_SHARD,
	OPTION_JOBS,
	OPTION_SAVE,
	OPTION_KEEP_GOING,
	OPTION_EXPLORE,
	OPTION_STATES,
	OPTION_FROM,
	OPTION_REPLAY,
	OPTION_PRIVATE,
	OPTION_MERGE,
	OPTION_JSON,
	OPTION_TIMING,
	OPTION_HELP,
};

static const struct option long_options[] = {
	{ "seed", required_argument, NULL, OPTION_SEED },
	{ "seeds", required_argument, NULL, OPTION_SEEDS },
	{ "ops", required_argument, NULL, OPTION_OPS },
	{ "time", required_argument, NULL, OPTION_TIME },
	{ "without", required_argument, NULL, OPTION_WITHOUT },
	{ "fault", required_argument, NULL, OPTION_FAULT },
	{ "vendor", required_argument, NULL, OPTION_VENDOR },
	{ "set", required_argument, NULL, OPTION_SET },
	{ "avoid", required_argument, NULL, OPTION_AVOID },
	{ "forgetful", no_argument, NULL, OPTION_FORGETFUL },
	{ "shard", required_argument, NULL, OPTION_SHARD },
	{ "jobs", required_argument, NULL, OPTION_JOBS },
	{ "save", required_argument, NULL, OPTION_SAVE },
	{ "keep-going", no_argument, NULL, OPTION_KEEP_GOING },
	{ "explore", required_argument, NULL, OPTION_EXPLORE },
	{ "states", required_argument, NULL, OPTION_STATES },
	{ "from", required_argument, NULL, OPTION_FROM },
	{ "replay", required_argument, NULL, OPTION_REPLAY },
	{ "private", no_argument, NULL, OPTION_PRIVATE },
	{ "merge", no_argument, NULL, OPTION_MERGE },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "timing", no_argument, NULL, OPTION_TIMING },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

static int help(void)
{
	puts("usage: tlbtag check [OPTION]...\n"
	     "       tlbtag check --replay FILE [--json]\n"
	     "       tlbtag check --merge FILE...\n"
	     "\n"
	     "Runs guests on the library and on hardware that never forgets a translation,\n"
	     "and looks for one that is used but must not be. With --private: TDX guests on a\n"
	     "module that may refuse, and pages, counters and tables that must fit together.\n"
	     "See doc/CHECK.md.\n"
	     "\n"
	     "  --private              private memory of TDX guests instead of flushes\n"
	     "  --seed N               run this seed (default: 1)\n"
	     "  --seeds A..B           run these\n"
	     "  --ops N                operations per seed (default: 100000)\n"
	     "  --time S               begin no story after S seconds; without --seeds: as many\n"
	     "                         seeds as that allows\n"
	     "  --without RULE         switch a rule of the library off\n"
	     "  --fault NAME           put a mistake in; 'tlbtag mutants --list' names them\n"
	     "  --vendor amd|intel     not both\n"
	     "  --set KEY=VALUE        do not leave this to the seed; KEY as in story files\n"
	     "  --avoid OPERATION      it does not occur in the stories\n"
	     "  --forgetful            a TLB that forgets at every world switch, as QEMU's\n"
	     "  --shard I/N            every Nth seed only; I is 1..N, or 0..N-1\n"
	     "  --jobs N               processes; changes nothing but the time it takes\n"
	     "  --save FILE            write the story that was found\n"
	     "  --keep-going           all seeds, even if something was found\n"
	     "  --explore DEPTH        no seeds: all sequences of up to DEPTH operations, in\n"
	     "                         small worlds\n"
	     "  --from FILE            explore the world of this story, from its end\n"
	     "  --states N             tell at most N states apart (default: 1000000)\n"
	     "  --replay FILE          run a saved story and explain it; - is standard input\n"
	     "  --merge                add up what --json printed for several shards\n"
	     "  --json                 for programs\n"
	     "  --timing               with --json: the time it took, too\n"
	     "\n"
	     "Exit status: 0 nothing was wrong, 1 something was, 2 bad input or usage.");
	return finish_output(EXIT_FINE);
}

/* --- one seed ---------------------------------------------------------------- */

/* What comes back of a seed, in front of the story. */
struct seed_head {
	int result;
	struct run_tally tally;
	struct shrink_result shrunk;
};

struct seed_run {
	const struct check_request *request;
	struct run_options options;
	struct run_tally tally;
	json_t *wrong;
	unsigned int found;
	int error;
	bool saved;
	struct story story;
	struct story_end end;
};

bool check_is_late(void *cookie)
{
	const struct check_request *request = cookie;

	return request->time > 0 && clock_seconds() - request->began >= request->time;
}

static uint64_t seed_of(const struct check_request *request, uint64_t task)
{
	return request->first + request->shard + task * request->shards;
}

static void work_seed(void *cookie, uint64_t task, FILE *out)
{
	struct seed_run *run = cookie;
	struct shrink_options shrink = {
		.world = run->options.world, .plays_max = SHRINK_PLAYS
	};
	struct seed_head head;

	memset(&head, 0, sizeof(head));
	run->story.count = 0;
	head.result = run_seed(&run->options, seed_of(run->request, task), &head.tally,
			       &run->story, &run->end);
	if (head.result > 0 && shrink_story(&shrink, &run->story, &run->end, &head.shrunk))
		head.result = -ENOMEM;
	if (head.result <= 0)
		run->story.count = 0;
	found_write(&head, sizeof(head), &run->story, &run->end, out);
}

/* --- what came of it --------------------------------------------------------- */

static void save_story(struct seed_run *run, uint64_t seed, const struct story_end *end)
{
	const struct check_world *world = run->options.world;
	char *comment = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&comment, &size);

	if (!run->request->save || run->saved || !out)
		goto done;
	fprintf(out, "seed %" PRIu64 "\n", seed);
	explain_line(world, end, out);
	fprintf(out, "\n%s", end->verdict.words);
	fflush(out);
	run->saved = true;
	run->error = story_save(world, run->request->save, &run->story, comment);
	if (run->error)
		complain("%s: %s", run->request->save, strerror(-run->error));
done:
	if (out)
		fclose(out);
	free(comment);
}

static void report_found(struct seed_run *run, uint64_t seed, const struct seed_head *head,
			 const struct story_end *end)
{
	json_t *object;

	run->found++;
	save_story(run, seed, end);
	if (run->request->json) {
		object = found_json(run->options.world, &run->story, end);
		json_object_set_new(object, "seed", json_integer((json_int_t)seed));
		json_object_set_new(object, "repeats", json_boolean(head->shrunk.repeats));
		json_array_append_new(run->wrong, object);
		return;
	}
	progress_end();
	printf("seed %" PRIu64 ", after %" PRIu64 " operations: ", seed, head->tally.ops);
	explain_line(run->options.world, end, stdout);
	printf("\n  the shortest story%s:\n\n",
	       head->shrunk.ended ? "" : " found before giving up");
	if (!head->shrunk.repeats)
		puts("  ! played again it did not go wrong: a defect of the model itself");
	explain_story(run->options.world, &run->story, end, stdout);
	putchar('\n');
}

static void report_crash(struct seed_run *run, uint64_t seed, int status)
{
	run->found++;
	if (run->request->json)
		json_array_append_new(run->wrong,
				      json_pack("{s:I, s:s, s:i}", "seed", (json_int_t)seed,
						"wrong", "crash", "status", status));
	else
		printf("seed %" PRIu64 ": the process that ran it died, status %#x\n", seed,
		       (unsigned int)status);
}

static bool take_seed(void *cookie, uint64_t task, const void *data, size_t size, int status)
{
	struct seed_run *run = cookie;
	uint64_t seed = seed_of(run->request, task);
	struct seed_head head;
	const struct story_end *end = found_read(data, size, &head, sizeof(head), &run->story);

	if (!end) {
		report_crash(run, seed, status);
		return run->request->keep_going;
	}
	run_tally_add(&run->tally, &head.tally);
	if (head.result < 0) {
		run->error = head.result;
		return false;
	}
	if (head.result)
		report_found(run, seed, &head, end);
	progress("seed %" PRIu64 ": %" PRIu64 " operations, %.1f million checks per second",
		 seed, run->tally.ops,
		 (double)run->tally.accesses / 1e6 / (clock_seconds() - run->request->began));
	return !run->error && (!run->found || run->request->keep_going) &&
	       !check_is_late((void *)(uintptr_t)run->request);
}

void check_add_timing(const struct check_request *request, const struct run_tally *tally,
		      json_t *object)
{
	double seconds = clock_seconds() - request->began;

	if (request->timing)
		json_object_set_new(object, "timing",
				    json_pack("{s:f, s:f}", "seconds", seconds,
					      "accesses_per_second",
					      (double)tally->accesses / seconds));
}

static void print_sum(struct seed_run *run)
{
	const struct run_tally *tally = &run->tally;
	json_t *object;

	if (!run->request->json) {
		printf("%" PRIu64 " seeds, %" PRIu64 " stories, %" PRIu64 " operations, %" PRIu64
		       " checked %s: ",
		       tally->seeds, tally->stories, tally->ops, tally->accesses,
		       run->options.world->is_private ? "counters and entries" : "accesses");
		if (run->found)
			printf("%u wrong\n", run->found);
		else
			puts("nothing wrong");
		return;
	}
	object = json_object();
	tally_json(run->options.world, tally, object);
	json_object_set(object, "wrong", run->wrong);
	check_add_timing(run->request, tally, object);
	json_write(object);
}

/* How many seeds fall to this shard. */
static uint64_t tasks_of(const struct check_request *request)
{
	uint64_t seeds = request->last - request->first;

	if (request->shard > seeds)
		return 0;
	return (seeds - request->shard) / request->shards + 1;
}

static int run_seeds(struct check_request *request)
{
	struct seed_run *run = calloc(1, sizeof(*run));
	struct jobs jobs = {
		.workers = (unsigned int)request->jobs, .count = tasks_of(request),
		.work = work_seed, .take = take_seed, .cookie = run
	};
	int error;

	if (!run)
		return complain("out of memory");
	run->request = request;
	run->wrong = json_array();
	run->options = (struct run_options){
		.world = request->world, .pins = request->pins, .ops = request->ops,
		.stop = check_is_late, .cookie = request
	};
	memcpy(run->options.avoid, request->avoid, sizeof(request->avoid));
	error = jobs_run(&jobs);
	error = error ? error : run->error;
	progress_end();
	if (!error)
		print_sum(run);
	else if (!run->saved)
		complain("check: %s", strerror(-error));
	error = error ? EXIT_BAD : finish_output(run->found ? EXIT_FOUND : EXIT_FINE);
	json_decref(run->wrong);
	free(run);
	return error;
}

/* --- one story --------------------------------------------------------------- */

static int play(struct check_request *request, struct story *story)
{
	const struct check_world *world = request->world;
	struct vmm *vmm = world->create(&story->config);
	unsigned int planned = story->count;
	struct story_end end;
	json_t *object;

	if (!vmm)
		return complain("out of memory");
	story_play(world, vmm, story, &end);
	world->destroy(vmm);
	if (request->json) {
		object = json_pack("{s:i, s:I, s:[]}", "ops", end.done, "accesses",
				   (json_int_t)end.accesses, "wrong");
		if (end.wrong)
			json_array_append_new(json_object_get(object, "wrong"),
					      found_json(world, story, &end));
		json_write(object);
	} else {
		explain_story(world, story, &end, stdout);
		if (planned > story->count)
			printf("  %u operations of the file were impossible, or came after that\n",
			       planned - story->count);
	}
	return finish_output(end.wrong ? EXIT_FOUND : EXIT_FINE);
}

static int replay_story(struct check_request *request)
{
	const struct check_world *const worlds[] = { check_world_vmm(), check_world_private() };
	struct story *story = calloc(1, sizeof(*story));
	char error[STORY_LINE_MAX];
	int code;

	if (!story)
		return complain("out of memory");
	if (story_load_either(worlds, request->replay, story, &request->world, error))
		code = complain("%s", error);
	else
		code = play(request, story);
	free(story);
	return code;
}

/* --- options ----------------------------------------------------------------- */

static bool parse_range(struct check_request *request, const char *text)
{
	char first[32];
	const char *dots = strstr(text, "..");

	if (!dots || (size_t)(dots - text) >= sizeof(first)) {
		complain("--seeds: '%s' is not A..B", text);
		return false;
	}
	memcpy(first, text, (size_t)(dots - text));
	first[dots - text] = '\0';
	request->ranged = true;
	if (!option_count("--seeds", first, UINT64_MAX / 2, &request->first) ||
	    !option_count("--seeds", dots + 2, UINT64_MAX / 2, &request->last))
		return false;
	if (request->first <= request->last)
		return true;
	complain("--seeds: '%s' is empty", text);
	return false;
}

/* 1/N to N/N, or 0/N to N-1/N: N/N and 0/N are the same seeds. */
static bool parse_shard(struct check_request *request, const char *text)
{
	char index[32];
	const char *slash = strchr(text, '/');

	if (!slash || (size_t)(slash - text) >= sizeof(index)) {
		complain("--shard: '%s' is not I/N", text);
		return false;
	}
	memcpy(index, text, (size_t)(slash - text));
	index[slash - text] = '\0';
	if (!option_count("--shard", slash + 1, 1000000, &request->shards) ||
	    !option_count("--shard", index, request->shards, &request->shard))
		return false;
	if (!request->shards) {
		complain("--shard: there is no shard of none");
		return false;
	}
	request->shard %= request->shards;
	return true;
}

static bool parse_vendor(struct check_request *request, const char *text)
{
	bool intel = !strcmp(text, "intel");

	config_pin_name(&request->pins, "vendor", intel);
	if (intel || !strcmp(text, "amd"))
		return true;
	complain("--vendor: '%s' is neither amd nor intel", text);
	return false;
}

static bool parse_kind(struct check_request *request, const char *text)
{
	for (unsigned int kind = 0; kind < request->world->kinds; kind++)
		if (!strcmp(request->world->infos[kind].name, text)) {
			request->avoid[kind] = true;
			return true;
		}
	complain("--avoid: no operation '%s'", text);
	return false;
}

static bool parse_one_seed(struct check_request *request, const char *text)
{
	request->ranged = true;
	if (!option_count("--seed", text, UINT64_MAX / 2, &request->first))
		return false;
	request->last = request->first;
	return true;
}

static bool parse_mutation(struct check_request *request, int code, const char *text)
{
	uint32_t number;

	if (code == OPTION_WITHOUT && !option_rule(request->world, text, &number))
		return false;
	if (code == OPTION_FAULT && !option_fault(request->world, text, &number))
		return false;
	config_pin_name(&request->pins, code == OPTION_WITHOUT ? "rule_off" : "fault", number);
	return true;
}

/* Options that are numbers. */
static bool parse_number(struct check_request *request, int code, const char *text)
{
	switch (code) {
	case OPTION_OPS:
		return option_count("--ops", text, UINT64_MAX / 2, &request->ops);
	case OPTION_TIME:
		return option_seconds("--time", text, &request->time);
	case OPTION_JOBS:
		return option_count("--jobs", text, JOBS_MAX, &request->jobs);
	case OPTION_EXPLORE:
		return option_count("--explore", text, DEPTH_MAX, &request->depth);
	default:
		return option_count("--states", text, STATES_MAX, &request->states);
	}
}

static void parse_flag(struct check_request *request, int code)
{
	if (code == OPTION_FORGETFUL)
		config_pin_name(&request->pins, "forgetful", 1);
	request->keep_going |= code == OPTION_KEEP_GOING;
	request->merge |= code == OPTION_MERGE;
	request->json |= code == OPTION_JSON;
	request->timing |= code == OPTION_TIMING;
	request->help |= code == OPTION_HELP;
}

static bool parse_option(struct check_request *request, int code, const char *text)
{
	switch (code) {
	case '?':
		return false;
	case OPTION_SEED:
		return parse_one_seed(request, text);
	case OPTION_SEEDS:
		return parse_range(request, text);
	case OPTION_WITHOUT:
	case OPTION_FAULT:
		return parse_mutation(request, code, text);
	case OPTION_VENDOR:
		return parse_vendor(request, text);
	case OPTION_SET:
		return option_pin(request->world, text, &request->pins);
	case OPTION_AVOID:
		return parse_kind(request, text);
	case OPTION_SHARD:
		return parse_shard(request, text);
	case OPTION_SAVE:
		request->save = text;
		return true;
	case OPTION_FROM:
		request->from = text;
		return true;
	case OPTION_REPLAY:
		request->replay = text;
		return true;
	default:
		if (text)
			return parse_number(request, code, text);
		parse_flag(request, code);
		return true;
	}
}

/* It decides what the other options mean. */
static void find_private(struct check_request *request, int argc, char **argv)
{
	int code;

	while ((code = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		if (code == OPTION_PRIVATE)
			request->world = check_world_private();
	/* From the beginning again. */
	optind = 0;
}

static bool parse_options(struct check_request *request, int argc, char **argv)
{
	int code;

	opterr = 0;
	find_private(request, argc, argv);
	while ((code = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (code == '?') {
			complain("check: '%s' is no option, or lacks its value", argv[optind - 1]);
			return false;
		}
		if (!parse_option(request, code, optarg))
			return false;
	}
	if (optind < argc && !request->merge) {
		complain("check: unexpected '%s'", argv[optind]);
		return false;
	}
	return true;
}

static void set_defaults(struct check_request *request)
{
	request->world = check_world_vmm();
	request->began = clock_seconds();
	request->first = 1;
	request->last = 1;
	request->ops = OPS_DEFAULT;
	request->states = STATES_DEFAULT;
	request->shards = 1;
	request->jobs = 1;
}

int check_main(int argc, char **argv)
{
	struct check_request request = { .world = NULL };
	const char *wrong;

	set_defaults(&request);
	if (!parse_options(&request, argc, argv))
		return EXIT_BAD;
	if (request.help)
		return help();
	if (request.merge)
		return check_merge(argc - optind, argv + optind);
	if (request.replay)
		return replay_story(&request);
	wrong = pins_wrong(request.world, &request.pins);
	if (wrong)
		return complain("check: no world can be like this: %s", wrong);
	if (request.depth && !request.world->digest)
		return complain("check: --explore: not with --private");
	if (request.depth)
		return check_explore(&request);
	if (request.time > 0 && !request.ranged)
		request.last = UINT64_MAX / 2;
	return run_seeds(&request);
}
