/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What tlbtag check and tlbtag mutants have in common.
 */
#include "found.h"
#include "cli.h"

#include "../check/seed.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* --- JSON -------------------------------------------------------------------- */

static json_t *number_json(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static json_t *step_json(uint32_t step)
{
	return step == VMM_STEP_NONE ? json_null() : number_json(step);
}

static json_t *name_json(const char *name)
{
	return name ? json_string(name) : json_null();
}

/* The story's file, line by line. */
static json_t *lines_json(const struct check_world *world, const struct story *story)
{
	json_t *lines = json_array();
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (out) {
		story_print(world, story, out);
		fclose(out);
	}
	for (char *next, *line = text; line && *line; line = next) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = '\0';
		json_array_append_new(lines, json_string(line));
	}
	free(text);
	return lines;
}

static void add_place(json_t *object, const struct vmm_verdict *verdict)
{
	json_object_set_new(object, "vm", number_json(verdict->vm));
	json_object_set_new(object, "vcpu", number_json(verdict->vcpu));
	json_object_set_new(object, "level", number_json(verdict->level));
	json_object_set_new(object, "cpu", number_json(verdict->cpu));
	json_object_set_new(object, "tag", number_json(verdict->tag));
	json_object_set_new(object, "filled_at", step_json(verdict->filled_at));
	json_object_set_new(object, "due_at", step_json(verdict->due_at));
}

json_t *found_json(const struct check_world *world, const struct story *story,
		   const struct story_end *end)
{
	const struct vmm_verdict *verdict = &end->verdict;
	json_t *object = json_object();

	json_object_set_new(object, "wrong", json_string(world->wrong_name(verdict->wrong)));
	json_object_set_new(object, "rule", name_json(config_rule_name(verdict->rule)));
	json_object_set_new(object, "length", number_json(story->count));
	add_place(object, verdict);
	json_object_set_new(object, "words", json_string(verdict->words));
	json_object_set_new(object, "story", lines_json(world, story));
	return object;
}

void tally_json(const struct run_tally *tally, json_t *object)
{
	json_object_set_new(object, "seeds", number_json(tally->seeds));
	json_object_set_new(object, "stories", number_json(tally->stories));
	json_object_set_new(object, "ops", number_json(tally->ops));
	json_object_set_new(object, "accesses", number_json(tally->accesses));
	json_object_set_new(object, "entries", number_json(tally->entries));
	json_object_set_new(object, "flushes", number_json(tally->flushes));
	json_object_set_new(object, "spare", number_json(tally->spare));
	json_object_set_new(object, "syncs", number_json(tally->syncs));
}

void print_json_object(json_t *object)
{
	json_dumpf(object, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(object);
}

/* --- options ----------------------------------------------------------------- */

double clock_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

bool option_count(const char *option, const char *text, uint64_t most, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 10);
	if (*text >= '0' && *text <= '9' && !*end && !errno && *value <= most)
		return true;
	complain("%s: '%s' is no number, or too large", option, text);
	return false;
}

bool option_seconds(const char *option, const char *text, double *value)
{
	char *end;

	*value = strtod(text, &end);
	if (*text >= '0' && *text <= '9' && !*end && *value > 0 && *value < 1e9)
		return true;
	complain("%s: '%s' is no number of seconds", option, text);
	return false;
}

bool option_rule(const char *text, uint32_t *rule)
{
	*rule = config_rule_find(text);
	if (*rule != UINT32_MAX)
		return true;
	complain("no rule '%s'; 'tlbtag rules' lists them", text);
	return false;
}

bool option_fault(const struct check_world *world, const char *text, uint32_t *fault)
{
	*fault = config_fault_find(world, text);
	if (*fault != VMM_FAULT_NONE)
		return true;
	complain("no fault '%s'; 'tlbtag mutants --list' lists them", text);
	return false;
}

bool option_pin(const struct check_world *world, const char *text, struct config_pins *pins)
{
	struct vmm_config config;
	char error[200];
	int key;

	world->config_init(&config);
	key = config_word(world, &config, text, error, sizeof(error));
	if (key < 0) {
		complain("--set: %s", error);
		return false;
	}
	config_pin(pins, (unsigned int)key, config_get(&config, &config_keys[key]));
	return true;
}

const char *pins_wrong(const struct check_world *world, const struct config_pins *pins)
{
	struct vmm_config config;
	struct seed seed;

	seed_init(&seed, 0);
	return check_config_from_seed(world, &seed, pins, &config);
}

/* --- progress ---------------------------------------------------------------- */

static double last_shown;
static bool is_shown;

void progress(const char *format, ...)
{
	double now = clock_seconds();
	va_list arguments;

	if (now - last_shown < 0.2 || !isatty(STDERR_FILENO))
		return;
	last_shown = now;
	is_shown = true;
	fputs("\r\033[K", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fflush(stderr);
}

void progress_end(void)
{
	if (is_shown)
		fputs("\r\033[K", stderr);
	is_shown = false;
}
