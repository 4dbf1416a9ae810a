/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Shrinking: propose a simpler story, play it, keep it if it still goes wrong in
 * the same way, until no proposal is kept. Every proposal is simpler in an order
 * without circles (fewer operations, lower arguments, fewer things), so this
 * ends.
 */
#include "shrink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Leaving out any two, any three operations is tried in stories up to here. */
#define PAIRS_UP_TO 100u
#define TRIPLES_UP_TO 24u
/* Values of an argument that are tried when another operation is left out. */
#define VALUES_UP_TO 8u

struct shrinker {
	const struct shrink_options *options;
	const struct check_world *world;
	struct vmm *vmm;
	enum vmm_wrong wrong;
	struct story *best;
	struct story_end *end;
	struct story_end tried_end;
	struct shrink_result *result;
	struct story tried;
	struct story blameless;
};

static bool out_of_plays(const struct shrinker *shrinker)
{
	return shrinker->result->plays >= shrinker->options->plays_max;
}

static bool goes_wrong(struct shrinker *shrinker, struct story *story, struct story_end *end)
{
	shrinker->result->plays++;
	story_play(shrinker->world, shrinker->vmm, story, end);
	return end->wrong;
}

/* Without its fault and with every rule on the story goes well. */
static bool blames(struct shrinker *shrinker, const struct story *story)
{
	struct story_end end;

	story_copy(&shrinker->blameless, story);
	shrinker->blameless.config.rule_off = UINT32_MAX;
	shrinker->blameless.config.fault = VMM_FAULT_NONE;
	return !goes_wrong(shrinker, &shrinker->blameless, &end);
}

/* Plays the proposal in @tried; true if it is the best one now. */
static bool keep(struct shrinker *shrinker)
{
	if (out_of_plays(shrinker) ||
	    !goes_wrong(shrinker, &shrinker->tried, &shrinker->tried_end) ||
	    shrinker->tried_end.verdict.wrong != shrinker->wrong)
		return false;
	if (shrinker->options->blame && !blames(shrinker, &shrinker->tried))
		return false;
	story_copy(shrinker->best, &shrinker->tried);
	*shrinker->end = shrinker->tried_end;
	return true;
}

/* --- fewer operations -------------------------------------------------------- */

static void leave_out(struct story *story, unsigned int first, unsigned int count)
{
	memmove(&story->op[first], &story->op[first + count],
		(story->count - first - count) * sizeof(story->op[0]));
	story->count -= count;
}

/* From the end, where most of what is not needed is. */
static bool drop_chunks(struct shrinker *shrinker, unsigned int size)
{
	struct story *best = shrinker->best;
	unsigned int end = best->count;
	bool kept = false;

	while (end >= size) {
		story_copy(&shrinker->tried, best);
		leave_out(&shrinker->tried, end - size, size);
		kept |= keep(shrinker);
		end -= (size + 1) / 2;
		if (end > best->count)
			end = best->count;
	}
	return kept;
}

static bool drop_all_chunks(struct shrinker *shrinker)
{
	bool kept = false;

	for (unsigned int size = shrinker->best->count / 2; size; size /= 2)
		kept |= drop_chunks(shrinker, size);
	return kept;
}

static bool drop_two(struct shrinker *shrinker, unsigned int first, unsigned int second)
{
	story_copy(&shrinker->tried, shrinker->best);
	leave_out(&shrinker->tried, second, 1);
	leave_out(&shrinker->tried, first, 1);
	return keep(shrinker);
}

/* A thing and its undoing: neither can be left out alone. */
static bool drop_pairs(struct shrinker *shrinker)
{
	struct story *best = shrinker->best;
	bool kept = false;

	if (best->count > PAIRS_UP_TO)
		return false;
	for (unsigned int second = best->count; second-- > 1;)
		for (unsigned int first = second; first-- > 0 && second < best->count;)
			kept |= drop_two(shrinker, first, second);
	return kept;
}

static bool drop_three(struct shrinker *shrinker, const unsigned int *place)
{
	story_copy(&shrinker->tried, shrinker->best);
	for (unsigned int i = 3; i-- > 0;)
		leave_out(&shrinker->tried, place[i], 1);
	return keep(shrinker);
}

/* The next three places in order; false after the last. */
static bool next_three(unsigned int *place, unsigned int count)
{
	unsigned int i = 2;

	while (place[i] == count - 3 + i)
		if (i-- == 0)
			return false;
	place[i]++;
	while (++i < 3)
		place[i] = place[i - 1] + 1;
	return true;
}

static bool drop_triples(struct shrinker *shrinker)
{
	unsigned int place[3] = { 0, 1, 2 };
	unsigned int count = shrinker->best->count;

	if (count < 4 || count > TRIPLES_UP_TO)
		return false;
	do {
		if (drop_three(shrinker, place))
			return true;
	} while (next_three(place, count));
	return false;
}

static bool drop_and_set(struct shrinker *shrinker, unsigned int dropped, unsigned int place,
			 uint8_t value)
{
	story_copy(&shrinker->tried, shrinker->best);
	shrinker->tried.op[place / VMM_ARGS].arg[place % VMM_ARGS] = value;
	leave_out(&shrinker->tried, dropped, 1);
	return keep(shrinker);
}

/* Every other value of one argument, while an operation is left out. */
static bool drop_and_try(struct shrinker *shrinker, unsigned int dropped, unsigned int place)
{
	const struct vmm_op *op = &shrinker->best->op[place / VMM_ARGS];
	unsigned int arg = place % VMM_ARGS;
	unsigned int limit = 0;

	if (place / VMM_ARGS == dropped || arg >= check_world_args(shrinker->world, op->kind))
		return false;
	limit = shrinker->world->arg_limit(&shrinker->best->config, op->kind, arg);
	for (unsigned int value = 0; value < limit && value < VALUES_UP_TO; value++)
		if (value != op->arg[arg] &&
		    drop_and_set(shrinker, dropped, place, (uint8_t)value))
			return true;
	return false;
}

/* What one operation did, another can do with another argument. */
static bool drop_and_change(struct shrinker *shrinker)
{
	unsigned int count = shrinker->best->count;

	if (count > TRIPLES_UP_TO)
		return false;
	for (unsigned int dropped = 0; dropped < count; dropped++)
		for (unsigned int place = 0; place < count * VMM_ARGS; place++)
			if (drop_and_try(shrinker, dropped, place))
				return true;
	return false;
}

/* --- lower arguments --------------------------------------------------------- */

static bool try_arg(struct shrinker *shrinker, unsigned int op, unsigned int arg, uint8_t value)
{
	story_copy(&shrinker->tried, shrinker->best);
	shrinker->tried.op[op].arg[arg] = value;
	return keep(shrinker);
}

/* Ascending, so the first that is kept is the lowest. */
static bool lower_arg(struct shrinker *shrinker, unsigned int op, unsigned int arg)
{
	struct story *best = shrinker->best;
	uint8_t value = best->op[op].arg[arg];

	for (unsigned int lower = 0; lower < value; lower++)
		if (try_arg(shrinker, op, arg, (uint8_t)lower))
			return true;
	return false;
}

static bool lower_args(struct shrinker *shrinker)
{
	bool kept = false;

	/* What is kept may leave operations out behind this one, or before it. */
	for (unsigned int op = 0; op < shrinker->best->count; op++)
		for (unsigned int arg = 0; arg < VMM_ARGS && op < shrinker->best->count; arg++)
			kept |= lower_arg(shrinker, op, arg);
	return kept;
}

static bool is_named(const struct check_world *world, unsigned int kind, unsigned int arg,
		     const char *name)
{
	return arg < check_world_args(world, kind) && !strcmp(world->infos[kind].args[arg], name);
}

static bool fits(struct shrinker *shrinker, unsigned int kind, unsigned int arg, uint8_t value)
{
	return value < shrinker->world->arg_limit(&shrinker->tried.config, kind, arg);
}

/* Every argument of that name that is @from becomes @to. */
static bool rename_all(struct shrinker *shrinker, const char *name, uint8_t from, uint8_t to)
{
	struct story *tried = &shrinker->tried;
	bool changed = false;

	story_copy(tried, shrinker->best);
	for (unsigned int i = 0; i < tried->count * VMM_ARGS; i++) {
		struct vmm_op *op = &tried->op[i / VMM_ARGS];
		uint8_t *value = &op->arg[i % VMM_ARGS];

		if (*value != from || !is_named(shrinker->world, op->kind, i % VMM_ARGS, name) ||
		    !fits(shrinker, op->kind, i % VMM_ARGS, to))
			continue;
		*value = to;
		changed = true;
	}
	return changed && keep(shrinker);
}

/* What was @from becomes @to and the reverse, if that is lower to begin with. */
static bool exchange_all(struct shrinker *shrinker, const char *name, uint8_t from, uint8_t to)
{
	struct story *tried = &shrinker->tried;
	size_t size = shrinker->best->count * sizeof(tried->op[0]);

	story_copy(tried, shrinker->best);
	for (unsigned int i = 0; i < tried->count * VMM_ARGS; i++) {
		struct vmm_op *op = &tried->op[i / VMM_ARGS];
		uint8_t *value = &op->arg[i % VMM_ARGS];
		uint8_t other = *value == from ? to : from;

		if ((*value == from || *value == to) &&
		    is_named(shrinker->world, op->kind, i % VMM_ARGS, name) &&
		    fits(shrinker, op->kind, i % VMM_ARGS, other))
			*value = other;
	}
	return memcmp(tried->op, shrinker->best->op, size) < 0 && keep(shrinker);
}

static bool rename_value(struct shrinker *shrinker, unsigned int op, unsigned int arg)
{
	const struct vmm_op *what = &shrinker->best->op[op];
	const char *name = shrinker->world->infos[what->kind].args[arg];
	uint8_t value = what->arg[arg];

	for (unsigned int lower = 0; lower < value; lower++)
		if (rename_all(shrinker, name, value, (uint8_t)lower) ||
		    exchange_all(shrinker, name, value, (uint8_t)lower))
			return true;
	return false;
}

/* VM 1 becomes VM 0 wherever it occurs: no single argument could go first. */
static bool rename_values(struct shrinker *shrinker)
{
	struct story *best = shrinker->best;
	bool kept = false;

	for (unsigned int op = 0; op < best->count; op++)
		for (unsigned int arg = 0; op < best->count &&
			arg < check_world_args(shrinker->world, best->op[op].kind); arg++)
			kept |= rename_value(shrinker, op, arg);
	return kept;
}

/* --- a simpler world --------------------------------------------------------- */

/* What was a valid argument may not be one now. */
static void fit_args(struct shrinker *shrinker)
{
	struct story *tried = &shrinker->tried;

	for (unsigned int i = 0; i < tried->count * VMM_ARGS; i++) {
		struct vmm_op *op = &tried->op[i / VMM_ARGS];
		unsigned int arg = i % VMM_ARGS;
		unsigned int limit = 0;

		if (arg < check_world_args(shrinker->world, op->kind))
			limit = shrinker->world->arg_limit(&tried->config, op->kind, arg);
		op->arg[arg] = limit ? (uint8_t)(op->arg[arg] % limit) : 0;
	}
}

static bool try_key(struct shrinker *shrinker, const struct config_key *key, uint64_t value)
{
	story_copy(&shrinker->tried, shrinker->best);
	config_set(&shrinker->tried.config, key, value);
	if (shrinker->world->config_check(&shrinker->tried.config))
		return false;
	fit_args(shrinker);
	return keep(shrinker);
}

static bool lower_key(struct shrinker *shrinker, const struct config_key *key, uint64_t value)
{
	for (uint64_t lower = 0; lower < value; lower++)
		if (try_key(shrinker, key, lower))
			return true;
	return false;
}

/* The usual world's flags are the simple ones; of numbers the low ones are. */
static bool simplify_key(struct shrinker *shrinker, const struct config_key *key)
{
	uint64_t value = config_get(&shrinker->best->config, key);
	struct vmm_config usual;

	shrinker->world->config_init(&usual);
	switch (key->form) {
	case CONFIG_FLAG:
	case CONFIG_WIDE:
		if (value == config_get(&usual, key))
			return false;
		return try_key(shrinker, key, config_get(&usual, key));
	case CONFIG_NUMBER:
	case CONFIG_SPECULATION:
		return lower_key(shrinker, key, value);
	case CONFIG_VENDOR:
	case CONFIG_POLICY:
	case CONFIG_RULE:
	case CONFIG_FAULT:
		break;
	}
	return false;
}

/* What TLB it is and what counts as wrong is no detail of a story. */
static bool is_detail(const struct config_key *key)
{
	return strcmp(key->name, "forgetful") != 0 && strcmp(key->name, "spare_is_wrong") != 0;
}

static bool simplify_world(struct shrinker *shrinker)
{
	bool kept = false;

	for (unsigned int i = 0; i < config_key_count; i++)
		if (is_detail(&config_keys[i]) &&
		    config_has_key(shrinker->world, &config_keys[i]))
			kept |= simplify_key(shrinker, &config_keys[i]);
	return kept;
}

/* --- all of it --------------------------------------------------------------- */

static bool shrink_once(struct shrinker *shrinker)
{
	bool kept = drop_all_chunks(shrinker);

	kept |= simplify_world(shrinker);
	kept |= rename_values(shrinker);
	kept |= lower_args(shrinker);
	kept |= drop_pairs(shrinker);
	return kept || drop_and_change(shrinker) || drop_triples(shrinker);
}

/* Played once more: stories that do not repeat would be a defect of ours. */
static bool begin(struct shrinker *shrinker)
{
	shrinker->wrong = shrinker->end->verdict.wrong;
	story_copy(&shrinker->tried, shrinker->best);
	shrinker->result->repeats =
		goes_wrong(shrinker, &shrinker->tried, &shrinker->tried_end) &&
		shrinker->tried_end.verdict.wrong == shrinker->wrong &&
		shrinker->tried.count == shrinker->best->count;
	shrinker->result->blames = shrinker->options->blame && blames(shrinker, shrinker->best);
	return shrinker->result->repeats &&
	       (shrinker->result->blames || !shrinker->options->blame);
}

static void shrink(struct shrinker *shrinker)
{
	bool kept = begin(shrinker);

	while (kept)
		kept = shrink_once(shrinker);
	shrinker->result->ended = !out_of_plays(shrinker);
}

int shrink_story(const struct shrink_options *options, struct story *story,
		 struct story_end *end, struct shrink_result *result)
{
	struct shrinker *shrinker = calloc(1, sizeof(*shrinker));
	struct vmm *vmm = options->world->create(&story->config);

	memset(result, 0, sizeof(*result));
	if (shrinker && vmm) {
		*shrinker = (struct shrinker){
			.options = options, .world = options->world, .vmm = vmm,
			.best = story, .end = end, .result = result,
		};
		shrink(shrinker);
	}
	if (vmm)
		options->world->destroy(vmm);
	free(shrinker);
	return vmm && shrinker ? 0 : -ENOMEM;
}
