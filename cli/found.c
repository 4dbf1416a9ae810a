/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What tlbtag check and tlbtag mutants have in common.
 */
#include "found.h"
#include "cli.h"
#include "json.h"

#include "../check/seed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- JSON -------------------------------------------------------------------- */

static json_t *step_json(uint32_t step)
{
	return step == VMM_STEP_NONE ? json_null() : json_of_count(step);
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
	json_object_set_new(object, "vm", json_of_count(verdict->vm));
	json_object_set_new(object, "vcpu", json_of_count(verdict->vcpu));
	json_object_set_new(object, "level", json_of_count(verdict->level));
	json_object_set_new(object, "cpu", json_of_count(verdict->cpu));
	json_object_set_new(object, "tag", json_of_count(verdict->tag));
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
	json_object_set_new(object, "length", json_of_count(story->count));
	add_place(object, verdict);
	json_object_set_new(object, "words", json_string(verdict->words));
	json_object_set_new(object, "story", lines_json(world, story));
	return object;
}

/* What private_counts() says. */
static void add_private(const struct run_tally *tally, json_t *object)
{
	json_object_set_new(object, "splits", json_of_count(tally->flushes));
	json_object_set_new(object, "refused", json_of_count(tally->spare));
	json_object_set_new(object, "retries", json_of_count(tally->syncs));
}

void tally_json(const struct check_world *world, const struct run_tally *tally, json_t *object)
{
	json_object_set_new(object, "seeds", json_of_count(tally->seeds));
	json_object_set_new(object, "stories", json_of_count(tally->stories));
	json_object_set_new(object, "ops", json_of_count(tally->ops));
	json_object_set_new(object, "accesses", json_of_count(tally->accesses));
	json_object_set_new(object, "entries", json_of_count(tally->entries));
	if (world->is_private) {
		add_private(tally, object);
		return;
	}
	json_object_set_new(object, "flushes", json_of_count(tally->flushes));
	json_object_set_new(object, "spare", json_of_count(tally->spare));
	json_object_set_new(object, "syncs", json_of_count(tally->syncs));
}

/* --- options ----------------------------------------------------------------- */

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

bool option_rule(const struct check_world *world, const char *text, uint32_t *rule)
{
	*rule = config_rule_find(text);
	if (config_has_rule(world, *rule))
		return true;
	if (*rule != UINT32_MAX)
		complain("rule %s is about %s", text,
			 world->is_private ? "flushes: without --private"
					   : "private memory: with --private");
	else
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

	for (unsigned int i = 0; i < config_key_count; i++)
		if (pins->pinned[i] && !config_has_key(world, &config_keys[i]))
			return "what is about flushes has no meaning in private memory, or the "
			       "reverse";
	seed_init(&seed, 0);
	return check_config_from_seed(world, &seed, pins, &config);
}
