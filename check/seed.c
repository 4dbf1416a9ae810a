/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Configurations and operations drawn from a number.
 *
 * Swarm testing: a story in which everything may happen seldom gets deep into
 * anything. So chance first decides what a story is about (which operations and
 * values occur, and how often), and only then what happens.
 */
#include "seed.h"

#include <string.h>

/* Weyl sequence with the mixer of MurmurHash3's 64-bit finalizer. */
#define SEED_STEP 0x9e3779b97f4a7c15ull

static uint64_t mix(uint64_t value)
{
	value ^= value >> 33;
	value *= 0xff51afd7ed558ccdull;
	value ^= value >> 33;
	value *= 0xc4ceb9fe1a85ec53ull;
	return value ^ value >> 33;
}

void seed_init(struct seed *seed, uint64_t number)
{
	seed->state = mix(number + SEED_STEP);
}

uint64_t seed_next(struct seed *seed)
{
	seed->state += SEED_STEP;
	return mix(seed->state);
}

/* Not exactly uniform; the error is below 2^-32 times the limit. */
uint32_t seed_below(struct seed *seed, uint32_t limit)
{
	return (uint32_t)((seed_next(seed) >> 32) * limit >> 32);
}

bool seed_chance(struct seed *seed, uint32_t share, uint32_t whole)
{
	return seed_below(seed, whole) < share;
}

/* --- configurations ---------------------------------------------------------- */

/* The tags that all contexts together could use, and the fallback. */
static uint32_t tags_wanted(const struct vmm_config *config)
{
	return 1u + config->vms * config->vcpus * (1u + config->contexts);
}

/* Half of the worlds are short of tags. */
static void draw_tags(struct seed *seed, struct vmm_config *config)
{
	uint32_t wanted = tags_wanted(config);

	if (seed_chance(seed, 1, 2))
		config->tags = (uint8_t)(1 + seed_below(seed, wanted));
	else
		config->tags = (uint8_t)(wanted + seed_below(seed, 4));
}

static void draw_sizes(struct seed *seed, struct vmm_config *config)
{
	static const uint8_t cpus[8] = { 1, 2, 2, 2, 2, 2, 3, 4 };
	static const uint8_t vms[8] = { 1, 1, 1, 1, 1, 2, 2, 3 };
	static const uint8_t vcpus[8] = { 1, 1, 1, 2, 2, 2, 2, 3 };

	config->contexts = (uint8_t)(1 + seed_below(seed, 4));
	config->cpus = cpus[seed_below(seed, 8)];
	config->vms = vms[seed_below(seed, 8)];
	config->vcpus = vcpus[seed_below(seed, 8)];
	draw_tags(seed, config);
}

static void draw_config(struct seed *seed, struct vmm_config *config)
{
	config->intel = seed_chance(seed, 1, 2);
	config->flush_by_asid = config->intel || seed_chance(seed, 2, 3);
	config->shared_tag = seed_chance(seed, 1, 3);
	config->l0_nested_paging = seed_chance(seed, 2, 3);
	config->l1_nested_paging = seed_chance(seed, 2, 3);
	config->invlpga_broken = !config->intel && seed_chance(seed, 1, 3);
	config->pcid = config->l0_nested_paging && seed_chance(seed, 1, 3);
	config->ept_ad = config->intel && config->l0_nested_paging && seed_chance(seed, 1, 2);
	config->reuse_at_once = seed_chance(seed, 1, 2);
	config->speculation = (uint8_t)seed_below(seed, 3);
	config->seed = seed_next(seed);
	draw_sizes(seed, config);
}

/*
 * Applies the pins. What is pinned may need a world of its own, unless that is pinned
 * too. Returns what is wrong with it all, or NULL.
 */
static const char *suit_pins(const struct check_world *world, const struct config_pins *pins,
			     struct vmm_config *config)
{
	config_pins_apply(pins, config);
	if (config->policy != VMM_POLICY_LIBRARY || config->fault != VMM_FAULT_NONE)
		world->config_suit(config, config->fault);
	/* The library as it is flushes for a reason only; what is broken may do more. */
	config->spare_is_wrong = config->policy == VMM_POLICY_LIBRARY &&
				 config->rule_off == UINT32_MAX &&
				 config->fault == VMM_FAULT_NONE;
	config_pins_apply(pins, config);
	return world->config_check(config);
}

/*
 * What chance drew last may have been refused for something that nobody asked for.
 * In a world that wants nothing else, what was pinned is all that can be wrong.
 */
static const char *blame_pins(const struct check_world *world, const struct config_pins *pins,
			      const char *otherwise)
{
	struct vmm_config config;
	const char *wrong;

	world->config_init(&config);
	config.l1_nested_paging = false;
	wrong = suit_pins(world, pins, &config);
	return wrong ? wrong : otherwise;
}

/* Far more than a world that refuses every other draw would need. */
#define DRAWS_MAX 256u

const char *check_config_from_seed(const struct check_world *world, struct seed *seed,
				   const struct config_pins *pins, struct vmm_config *config)
{
	const char *wrong = NULL;

	for (unsigned int i = 0; i < DRAWS_MAX; i++) {
		world->config_init(config);
		if (world->config_draw)
			world->config_draw(seed, config);
		else
			draw_config(seed, config);
		wrong = suit_pins(world, pins, config);
		if (!wrong)
			return NULL;
	}
	return blame_pins(world, pins, wrong);
}

/* --- operations -------------------------------------------------------------- */

static unsigned int find_name(struct seed_plan *plan, const char *name)
{
	for (unsigned int i = 0; i < plan->name_count; i++)
		if (!strcmp(plan->names[i].name, name))
			return i;
	if (plan->name_count == SEED_NAMES_MAX)
		return SEED_NAMES_MAX;
	plan->names[plan->name_count] = (struct seed_name){ .name = name };
	return plan->name_count++;
}

static void plan_arg(struct seed_plan *plan, const struct check_world *world,
		     const struct vmm_config *config, unsigned int kind, unsigned int arg)
{
	plan->limit[kind][arg] = (uint16_t)world->arg_limit(config, kind, arg);
	plan->name_of[kind][arg] = (uint8_t)find_name(plan, world->infos[kind].args[arg]);
}

/* Few different values, often the same again: things meet. */
static void draw_name(struct seed *seed, struct seed_name *name)
{
	static const uint8_t sticky[4] = { 0, 2, 4, 6 };
	static const uint8_t plain[4] = { 0, 0, 3, 5 };

	name->plain = plain[seed_below(seed, 4)];
	name->last = (uint8_t)seed_next(seed);
	name->sticky = sticky[seed_below(seed, 4)];
	name->favourites = (uint8_t)seed_below(seed, 4);
	for (unsigned int i = 0; i < 3; i++)
		name->favourite[i] = (uint8_t)seed_next(seed);
}

static unsigned int weight_max(const struct check_world *world)
{
	unsigned int most = 1;

	for (unsigned int kind = 0; kind < world->kinds; kind++)
		if (world->infos[kind].weight > most)
			most = world->infos[kind].weight;
	return most;
}

/* The most frequent kinds always occur: without them little can happen. */
static uint32_t draw_weight(struct seed *seed, bool frequent, unsigned int weight,
			    unsigned int absent)
{
	uint32_t shift = seed_below(seed, 4);

	if (seed_chance(seed, absent, 4) && !frequent)
		return 0;
	return (uint32_t)weight << shift;
}

/* To go somewhere and come back takes the same operations again. */
static unsigned int draw_echo(struct seed *seed)
{
	static const uint8_t echo[4] = { 0, 2, 4, 8 };

	return echo[seed_below(seed, 4)];
}

void seed_plan(struct seed *seed, const struct check_world *world,
	       const struct vmm_config *config, struct seed_plan *plan)
{
	unsigned int most = weight_max(world);
	/* Of 4 kinds that are not frequent so many do not occur. */
	unsigned int absent = seed_below(seed, 4);

	memset(plan, 0, sizeof(*plan));
	for (unsigned int kind = 0; kind < world->kinds; kind++) {
		unsigned int args = check_world_args(world, kind);

		for (unsigned int arg = 0; arg < args; arg++)
			plan_arg(plan, world, config, kind, arg);
		plan->weight[kind] = draw_weight(seed, world->infos[kind].weight * 2 >= most,
						 world->infos[kind].weight, absent);
		if (!vmm_is_vendors(config, world->infos[kind].vendor))
			plan->weight[kind] = 0;
		plan->weight_sum += plan->weight[kind];
	}
	for (unsigned int i = 0; i < plan->name_count; i++)
		draw_name(seed, &plan->names[i]);
	plan->echo = draw_echo(seed);
}

void seed_plan_avoid(struct seed_plan *plan, unsigned int kind)
{
	if (plan->weight_sum == plan->weight[kind])
		return;
	plan->weight_sum -= plan->weight[kind];
	plan->weight[kind] = 0;
}

static uint8_t draw_arg(struct seed *seed, struct seed_name *name, uint32_t limit)
{
	uint8_t value;

	if (seed_chance(seed, name->sticky, 8))
		return (uint8_t)(name->last % limit);
	if (seed_chance(seed, name->plain, 8))
		value = 0;
	else if (name->favourites)
		value = (uint8_t)(name->favourite[seed_below(seed, name->favourites)] % limit);
	else
		value = (uint8_t)seed_below(seed, limit);
	name->last = value;
	return value;
}

static unsigned int draw_kind(struct seed *seed, const struct seed_plan *plan)
{
	uint32_t left = seed_below(seed, plan->weight_sum);
	unsigned int kind = 0;

	while (left >= plan->weight[kind])
		left -= plan->weight[kind++];
	return kind;
}

void seed_plan_done(struct seed_plan *plan, const struct vmm_op *op)
{
	plan->history[plan->history_count++ % SEED_HISTORY] = *op;
}

static bool draw_echo_op(struct seed *seed, const struct seed_plan *plan, struct vmm_op *op)
{
	unsigned int known = plan->history_count;

	if (!known || !seed_chance(seed, plan->echo, 16))
		return false;
	*op = plan->history[seed_below(seed, known < SEED_HISTORY ? known : SEED_HISTORY)];
	return true;
}

void seed_op(struct seed *seed, struct seed_plan *plan, struct vmm_op *op)
{
	struct seed_name other = { .name = NULL };

	if (draw_echo_op(seed, plan, op))
		return;
	memset(op, 0, sizeof(*op));
	op->kind = (uint8_t)draw_kind(seed, plan);
	for (unsigned int arg = 0; arg < VMM_ARGS; arg++) {
		uint32_t limit = plan->limit[op->kind][arg];
		unsigned int name = plan->name_of[op->kind][arg];

		if (limit)
			op->arg[arg] = draw_arg(seed, name < SEED_NAMES_MAX ?
							      &plan->names[name] : &other, limit);
	}
}
