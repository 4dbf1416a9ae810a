/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * tlbtag mutants: is every rule needed, and would every mistake be found?
 */
#include "cli.h"
#include "found.h"
#include "json.h"

#include "../check/found.h"
#include "../check/hunt.h"
#include "../check/jobs.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <tlbtag/rules.h>

#define SECONDS_DEFAULT 60.0
#define SEED_OPS 20000u
/* More seeds than time allows for. */
#define SEEDS_MAX 1000000u
/* Once something was found: seeds for a shorter story than that. */
#define ALTERNATIVES 20u
/*
 * A TLB that forgets gets ten times the operations that were needed on one that
 * does not, and at least so many.
 */
#define FORGETFUL_FACTOR 10u
#define FORGETFUL_OPS 100000u

enum mutant_kind {
	MUTANT_RULE = 0,
	MUTANT_FAULT = 1,
};

/**
 * struct mutant - a rule that is switched off, or an exhibit
 * @world: that knows it
 * @key: of the configuration
 * @number: of the rule or fault
 * @name, @statement: of it
 */
struct mutant {
	const struct check_world *world;
	enum mutant_kind kind;
	const char *key;
	uint32_t number;
	const char *name;
	const char *statement;
};

/* What comes back of one, in front of the story. */
struct mutant_head {
	int error;
	bool forgetful_found;
	uint64_t forgetful_ops;
	double seconds;
	struct hunt_result result;
};

struct mutants {
	const struct check_world *worlds[2];
	struct mutant *list;
	unsigned int count;
	unsigned int kinds[2];
	unsigned int killed[2];
	unsigned int too_long;
	/* Found on a TLB that forgets, and of how many: there is none in private memory. */
	unsigned int forgetful[2];
	unsigned int of_flushes[2];
	double seconds_max;
	double began;
	uint64_t ops_max;
	uint64_t jobs;
	uint64_t seed;
	bool json;
	bool timing;
	bool explain;
	bool list_only;
	const char *only;
	const char *save;
	struct config_pins pins;
	json_t *details;
	json_t *survivors;
	int error;
	struct story story;
	struct story scratch;
	struct story_end end;
	struct story_end scratch_end;
};

/* --- which ------------------------------------------------------------------- */

static void add_mutant(struct mutants *mutants, const struct mutant *mutant)
{
	if (mutants->only && strcmp(mutants->only, mutant->name))
		return;
	mutants->kinds[mutant->kind]++;
	mutants->of_flushes[mutant->kind] += !mutant->world->is_private;
	mutants->list[mutants->count++] = *mutant;
}

static void list_rules(struct mutants *mutants, const struct check_world *world)
{
	for (uint32_t i = 0; i < TLBTAG_RULE_ALL; i++)
		if (config_has_rule(world, i))
			add_mutant(mutants, &(struct mutant){ world, MUTANT_RULE, "rule_off", i,
							      config_rule_name(i),
							      config_rule_statement(i) });
}

static void list_faults(struct mutants *mutants, const struct check_world *world)
{
	for (uint32_t i = 0; i < world->fault_count; i++)
		add_mutant(mutants, &(struct mutant){ world, MUTANT_FAULT, "fault", i,
						      world->faults[i].name,
						      world->faults[i].statement });
}

/* All rules first. */
static bool list_mutants(struct mutants *mutants)
{
	size_t count = TLBTAG_RULE_ALL + mutants->worlds[0]->fault_count +
		       mutants->worlds[1]->fault_count;

	mutants->list = calloc(count, sizeof(*mutants->list));
	if (!mutants->list)
		return false;
	for (unsigned int i = 0; i < 2; i++)
		list_rules(mutants, mutants->worlds[i]);
	for (unsigned int i = 0; i < 2; i++)
		list_faults(mutants, mutants->worlds[i]);
	return true;
}

/* Without the keys that such a world does not have. */
static struct config_pins pins_of(const struct mutants *mutants, const struct check_world *world)
{
	struct config_pins pins = mutants->pins;

	for (unsigned int i = 0; i < config_key_count; i++)
		pins.pinned[i] &= config_has_key(world, &config_keys[i]);
	return pins;
}

/* --- the hunt, in a worker --------------------------------------------------- */

static bool is_late(void *cookie)
{
	return clock_seconds() >= *(const double *)cookie;
}

static void set_options(const struct mutants *mutants, const struct mutant *mutant,
			double *deadline, struct hunt_options *options)
{
	*options = (struct hunt_options){
		.run = { .world = mutant->world, .pins = pins_of(mutants, mutant->world),
			 .ops = SEED_OPS, .stop = is_late, .cookie = deadline },
		.first_seed = mutants->seed, .seeds_max = SEEDS_MAX,
		.ops_max = mutants->ops_max, .alternatives = ALTERNATIVES
	};
	config_pin_name(&options->run.pins, mutant->key, mutant->number);
}

/* The same on a TLB that forgets at every world switch. */
static int hunt_forgetful(struct mutants *mutants, struct hunt_options *options,
			  struct mutant_head *head)
{
	struct hunt_result result;
	int error;

	config_pin_name(&options->run.pins, "forgetful", 1);
	options->alternatives = 0;
	options->ops_max = head->result.ops_before * FORGETFUL_FACTOR;
	if (options->ops_max < FORGETFUL_OPS)
		options->ops_max = FORGETFUL_OPS;
	error = hunt(options, &mutants->scratch, &mutants->scratch_end, &result);
	head->forgetful_found = result.found;
	head->forgetful_ops = result.tally.ops;
	return error;
}

static void work_mutant(void *cookie, uint64_t task, FILE *out)
{
	struct mutants *mutants = cookie;
	double began = clock_seconds();
	double deadline = began + mutants->seconds_max;
	struct hunt_options options;
	struct mutant_head head;

	memset(&head, 0, sizeof(head));
	mutants->story.count = 0;
	set_options(mutants, &mutants->list[task], &deadline, &options);
	head.error = hunt(&options, &mutants->story, &mutants->end, &head.result);
	head.seconds = clock_seconds() - began;
	if (!head.result.found)
		mutants->story.count = 0;
	deadline = clock_seconds() + mutants->seconds_max;
	if (!head.error && head.result.found &&
	    !mutants->list[task].world->is_private)
		head.error = hunt_forgetful(mutants, &options, &head);
	found_write(&head, sizeof(head), &mutants->story, &mutants->end, out);
}

/* --- the report -------------------------------------------------------------- */

static void print_head(void)
{
	printf("%-28s %-9s %7s %6s  %-10s %s\n", "", "", "seconds", "steps", "forgetful",
	       "seen as");
}

static const char *forgetful_word(const struct mutant *mutant, const struct mutant_head *head)
{
	if (mutant->world->is_private)
		return "";
	return head->forgetful_found ? "found" : "not found";
}

static void print_row(const struct mutants *mutants, const struct mutant *mutant,
		      const struct mutant_head *head, const struct story_end *end)
{
	printf("%-28s %-9s %7.1f ", mutant->name, head->result.found ? "found" : "SURVIVES",
	       head->seconds);
	if (head->result.found)
		printf("%6u  %-10s %s\n", mutants->story.count,
		       forgetful_word(mutant, head), mutant->world->wrong_name(end->verdict.wrong));
	else
		printf("%6s  %-10s after %" PRIu64 " operations\n", "", "",
		       head->result.tally.ops);
	if (head->result.baseline)
		printf("  ! %" PRIu64 " seeds went wrong without it, too\n",
		       head->result.baseline);
	if (head->result.unsteady)
		printf("  ! %" PRIu64 " stories did not repeat\n", head->result.unsteady);
	if (mutants->explain && head->result.found) {
		putchar('\n');
		explain_story(mutant->world, &mutants->story, end, stdout);
		putchar('\n');
	}
	fflush(stdout);
}

static void add_details(struct mutants *mutants, const struct mutant *mutant,
			const struct mutant_head *head, const struct story_end *end)
{
	json_t *object;

	if (head->result.found)
		object = found_json(mutant->world, &mutants->story, end);
	else
		object = json_object();
	json_object_set_new(object, "name", json_string(mutant->name));
	json_object_set_new(object, "kind",
			    json_string(mutant->kind == MUTANT_RULE ? "rule" : "fault"));
	json_object_set_new(object, "statement", json_string(mutant->statement));
	json_object_set_new(object, "found", json_boolean(head->result.found));
	json_object_set_new(object, "forgetful_found",
			    mutant->world->is_private ? json_null()
						      : json_boolean(head->forgetful_found));
	json_object_set_new(object, "ops", json_integer((json_int_t)head->result.tally.ops));
	json_object_set_new(object, "ops_before",
			    json_integer((json_int_t)head->result.ops_before));
	json_object_set_new(object, "baseline",
			    json_integer((json_int_t)head->result.baseline));
	json_object_set_new(object, "unsteady",
			    json_integer((json_int_t)head->result.unsteady));
	if (mutants->timing)
		json_object_set_new(object, "seconds", json_real(head->seconds));
	json_array_append_new(mutants->details, object);
}

/* One file per story: DIRECTORY/NAME.story. */
static void save_story(struct mutants *mutants, const struct mutant *mutant,
		       const struct story_end *end)
{
	char *path = NULL;
	char *comment = NULL;

	if (asprintf(&path, "%s/%s.story", mutants->save, mutant->name) < 0 ||
	    asprintf(&comment, "%s: %s\n%s", mutant->name, mutant->statement,
		     end->verdict.words) < 0)
		mutants->error = -ENOMEM;
	else
		mutants->error = story_save(mutant->world, path, &mutants->story, comment);
	if (mutants->error)
		complain("%s: %s", path ? path : mutants->save, strerror(-mutants->error));
	free(path);
	free(comment);
}

static void count(struct mutants *mutants, const struct mutant *mutant,
		  const struct mutant_head *head)
{
	if (!head->result.found)
		json_array_append_new(mutants->survivors, json_string(mutant->name));
	mutants->killed[mutant->kind] += head->result.found;
	mutants->too_long += head->result.found && mutants->story.count > HUNT_LENGTH;
	mutants->forgetful[mutant->kind] += head->forgetful_found;
}

static bool take_mutant(void *cookie, uint64_t task, const void *data, size_t size, int status)
{
	struct mutants *mutants = cookie;
	const struct mutant *mutant = &mutants->list[task];
	struct mutant_head head;
	const struct story_end *end = found_read(data, size, &head, sizeof(head),
						 &mutants->story);

	progress_end();
	if (!end || head.error) {
		mutants->error = end ? head.error : -ECHILD;
		complain("mutants: %s: %s, status %#x", mutant->name, strerror(-mutants->error),
			 (unsigned int)status);
		return false;
	}
	count(mutants, mutant, &head);
	if (mutants->json)
		add_details(mutants, mutant, &head, end);
	else
		print_row(mutants, mutant, &head, end);
	if (mutants->save && head.result.found)
		save_story(mutants, mutant, end);
	progress("%" PRIu64 " of %u", task + 1, mutants->count);
	return !mutants->error;
}

static void print_sum(struct mutants *mutants)
{
	size_t index;
	json_t *name;

	printf("\nrules: %u of %u found if switched off; on a TLB that forgets: %u of %u\n",
	       mutants->killed[MUTANT_RULE], mutants->kinds[MUTANT_RULE],
	       mutants->forgetful[MUTANT_RULE], mutants->of_flushes[MUTANT_RULE]);
	printf("museum: %u of %u found; on a TLB that forgets: %u of %u\n",
	       mutants->killed[MUTANT_FAULT], mutants->kinds[MUTANT_FAULT],
	       mutants->forgetful[MUTANT_FAULT], mutants->of_flushes[MUTANT_FAULT]);
	if (mutants->too_long)
		printf("%u stories have more than %u steps\n", mutants->too_long, HUNT_LENGTH);
	json_array_foreach(mutants->survivors, index, name)
		printf("%s %s\n", index ? "         " : "survivors:", json_string_value(name));
}

static void print_json(struct mutants *mutants)
{
	json_t *object = json_object();

	json_object_set_new(object, "rules", json_integer(mutants->kinds[MUTANT_RULE]));
	json_object_set_new(object, "killed", json_integer(mutants->killed[MUTANT_RULE]));
	json_object_set_new(object, "museum", json_integer(mutants->kinds[MUTANT_FAULT]));
	json_object_set_new(object, "museum_killed",
			    json_integer(mutants->killed[MUTANT_FAULT]));
	json_object_set_new(object, "forgetful_killed",
			    json_integer(mutants->forgetful[MUTANT_RULE]));
	json_object_set_new(object, "forgetful_museum_killed",
			    json_integer(mutants->forgetful[MUTANT_FAULT]));
	json_object_set(object, "survivors", mutants->survivors);
	json_object_set(object, "details", mutants->details);
	if (mutants->timing)
		json_object_set_new(object, "timing",
				    json_pack("{s:f}", "seconds",
					      clock_seconds() - mutants->began));
	json_write(object);
}

static int run(struct mutants *mutants)
{
	struct jobs jobs = {
		.workers = (unsigned int)mutants->jobs, .count = mutants->count,
		.work = work_mutant, .take = take_mutant, .cookie = mutants
	};
	int error;

	if (!mutants->json)
		print_head();
	error = jobs_run(&jobs);
	progress_end();
	if (mutants->error)
		return EXIT_BAD;
	if (error)
		return complain("mutants: %s", strerror(-error));
	if (mutants->json)
		print_json(mutants);
	else
		print_sum(mutants);
	return finish_output(json_array_size(mutants->survivors) ? EXIT_FOUND : EXIT_FINE);
}

static int print_list(const struct mutants *mutants)
{
	for (unsigned int i = 0; i < mutants->count; i++)
		printf("%-5s %-28s %s\n",
		       mutants->list[i].kind == MUTANT_RULE ? "rule" : "fault",
		       mutants->list[i].name, mutants->list[i].statement);
	return finish_output(EXIT_FINE);
}

/* --- options ----------------------------------------------------------------- */

enum option_code {
	OPTION_TIME = 256,
	OPTION_OPS,
	OPTION_JOBS,
	OPTION_ONLY,
	OPTION_SEED,
	OPTION_SET,
	OPTION_SAVE,
	OPTION_LIST,
	OPTION_EXPLAIN,
	OPTION_JSON,
	OPTION_TIMING,
	OPTION_HELP,
};

static const struct option long_options[] = {
	{ "time", required_argument, NULL, OPTION_TIME },
	{ "ops", required_argument, NULL, OPTION_OPS },
	{ "jobs", required_argument, NULL, OPTION_JOBS },
	{ "only", required_argument, NULL, OPTION_ONLY },
	{ "seed", required_argument, NULL, OPTION_SEED },
	{ "set", required_argument, NULL, OPTION_SET },
	{ "save", required_argument, NULL, OPTION_SAVE },
	{ "list", no_argument, NULL, OPTION_LIST },
	{ "explain", no_argument, NULL, OPTION_EXPLAIN },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "timing", no_argument, NULL, OPTION_TIMING },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

static int help(void)
{
	puts("usage: tlbtag mutants [OPTION]...\n"
	     "\n"
	     "Switches off every rule of the library in turn, and puts in every mistake of\n"
	     "the museum; each must be found. One that survives is not needed, or not\n"
	     "tested. Beside it the same on a TLB that forgets at every world switch, as\n"
	     "emulators' do: what that does not find, their users do not notice. Rules and\n"
	     "mistakes about private memory of TDX guests have worlds of their own, as in\n"
	     "'tlbtag check --private'. See doc/CHECK.md.\n"
	     "\n"
	     "  --only NAME      this rule or mistake\n"
	     "  --list           name them\n"
	     "  --explain        tell each story\n"
	     "  --save DIR       write each story to DIR/NAME.story\n"
	     "  --time S         give up on one after S seconds (default: 60)\n"
	     "  --ops N          give up on one after N operations\n"
	     "  --seed N         the first seed to try (default: 1)\n"
	     "  --set KEY=VALUE  do not leave this to the seeds; KEY as in story files\n"
	     "  --jobs N         processes\n"
	     "  --json           for programs\n"
	     "  --timing         with --json: the time it took, too\n"
	     "\n"
	     "Exit status: 0 all were found, 1 some survive, 2 bad input or usage.");
	return finish_output(EXIT_FINE);
}

/* Options without a value; -1: go on. */
static int parse_flag(struct mutants *mutants, int code)
{
	mutants->json |= code == OPTION_JSON;
	mutants->timing |= code == OPTION_TIMING;
	mutants->explain |= code == OPTION_EXPLAIN;
	mutants->list_only |= code == OPTION_LIST;
	return code == OPTION_HELP ? help() : -1;
}

/* The world that has this key; the first if both do, or neither. */
static const struct check_world *world_of_key(const struct mutants *mutants, const char *text)
{
	size_t size = strcspn(text, "=");

	for (unsigned int i = 0; i < config_key_count; i++) {
		const struct config_key *key = &config_keys[i];

		if (strlen(key->name) == size && !memcmp(key->name, text, size) &&
		    !config_has_key(mutants->worlds[0], key))
			return mutants->worlds[1];
	}
	return mutants->worlds[0];
}

static bool parse_value(struct mutants *mutants, int code, const char *text)
{
	switch (code) {
	case OPTION_TIME:
		return option_seconds("--time", text, &mutants->seconds_max);
	case OPTION_OPS:
		return option_count("--ops", text, UINT64_MAX / 2, &mutants->ops_max);
	case OPTION_JOBS:
		return option_count("--jobs", text, JOBS_MAX, &mutants->jobs);
	case OPTION_SEED:
		return option_count("--seed", text, UINT64_MAX / 2, &mutants->seed);
	case OPTION_SET:
		return option_pin(world_of_key(mutants, text), text, &mutants->pins);
	case OPTION_SAVE:
		mutants->save = text;
		return true;
	default:
		mutants->only = text;
		return true;
	}
}

/* Return: -1 to go on, else an exit code. */
static int parse_options(struct mutants *mutants, int argc, char **argv)
{
	int code;
	int done = -1;

	opterr = 0;
	while (done < 0 && (code = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (code == '?')
			return complain("mutants: '%s' is no option, or lacks its value",
					argv[optind - 1]);
		if (!optarg)
			done = parse_flag(mutants, code);
		else if (!parse_value(mutants, code, optarg))
			return EXIT_BAD;
	}
	if (done < 0 && optind < argc)
		return complain("mutants: unexpected '%s'", argv[optind]);
	return done;
}

static int begin(struct mutants *mutants)
{
	for (unsigned int i = 0; i < 2; i++) {
		const struct config_pins pins = pins_of(mutants, mutants->worlds[i]);
		const char *wrong = pins_wrong(mutants->worlds[i], &pins);

		if (wrong)
			return complain("mutants: no world can be like this: %s", wrong);
	}
	if (!list_mutants(mutants))
		return complain("out of memory");
	if (!mutants->count)
		return complain("no rule or fault '%s'; 'tlbtag mutants --list' names them",
				mutants->only);
	return mutants->list_only ? print_list(mutants) : run(mutants);
}

int mutants_main(int argc, char **argv)
{
	struct mutants *mutants = calloc(1, sizeof(*mutants));
	int code;

	if (!mutants)
		return complain("out of memory");
	mutants->worlds[0] = check_world_vmm();
	mutants->worlds[1] = check_world_private();
	mutants->seconds_max = SECONDS_DEFAULT;
	mutants->began = clock_seconds();
	mutants->jobs = 1;
	mutants->seed = 1;
	mutants->details = json_array();
	mutants->survivors = json_array();
	code = parse_options(mutants, argc, argv);
	if (code < 0)
		code = begin(mutants);
	json_decref(mutants->details);
	json_decref(mutants->survivors);
	free(mutants->list);
	free(mutants);
	return code;
}
