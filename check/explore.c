/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Exhaustive exploration.
 *
 * A world cannot be copied, so a state is kept as the way to it: the operation
 * that led there and the state before. To go on from a state the world is
 * restarted and the way is gone again; only operations that change the state
 * make that necessary.
 */
#include "explore.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A state that was reached: how, and from where. */
struct node {
	uint64_t digest;
	uint32_t before;
	struct vmm_op op;
};

struct explorer {
	const struct explore_options *options;
	const struct check_world *world;
	struct vmm *vmm;
	struct vmm_op *ops;
	unsigned int op_count;
	struct node *nodes;
	uint32_t *slots; /* number of a node + 1, by digest */
	uint32_t slot_mask;
	uint32_t node_count;
	struct vmm_op way[STORY_OPS_MAX];
	uint64_t accesses;
	struct story *story;
	struct story_end *end;
	struct explore_result *result;
};

/* --- what can be done -------------------------------------------------------- */

/* The next combination of arguments; false after the last. */
static bool next_args(const struct explorer *explorer, struct vmm_op *op)
{
	const struct vmm_config *config = &explorer->options->from->config;
	unsigned int args = check_world_args(explorer->world, op->kind);

	for (unsigned int arg = 0; arg < args; arg++) {
		if (op->arg[arg] + 1u < explorer->world->arg_limit(config, op->kind, arg)) {
			op->arg[arg]++;
			return true;
		}
		op->arg[arg] = 0;
	}
	return false;
}

static unsigned int list_kind(const struct explorer *explorer, unsigned int kind,
			      struct vmm_op *list)
{
	struct vmm_op op = { .kind = (uint8_t)kind };
	unsigned int count = 0;

	do {
		if (list)
			list[count] = op;
		count++;
	} while (next_args(explorer, &op));
	return count;
}

/* Every operation with every argument; only counted if there is no @list. */
static unsigned int list_ops(const struct explorer *explorer, struct vmm_op *list)
{
	unsigned int count = 0;

	for (unsigned int kind = 0; kind < explorer->world->kinds; kind++)
		count += list_kind(explorer, kind, list ? list + count : NULL);
	return count;
}

/* --- states ------------------------------------------------------------------ */

/* The slot of this digest: where it is, or where it would go. */
static uint32_t *find_slot(struct explorer *explorer, uint64_t digest)
{
	uint32_t slot = (uint32_t)(digest ^ digest >> 32) & explorer->slot_mask;

	while (explorer->slots[slot] &&
	       explorer->nodes[explorer->slots[slot] - 1].digest != digest)
		slot = (slot + 1) & explorer->slot_mask;
	return &explorer->slots[slot];
}

static void add_state(struct explorer *explorer, uint64_t digest, uint32_t before,
		      const struct vmm_op *op)
{
	uint32_t *slot = find_slot(explorer, digest);

	if (*slot)
		return;
	if (explorer->node_count == explorer->options->states) {
		explorer->result->full = true;
		return;
	}
	explorer->nodes[explorer->node_count] =
		(struct node){ .digest = digest, .before = before, .op = *op };
	*slot = ++explorer->node_count;
}

static void count_accesses(struct explorer *explorer)
{
	explorer->accesses += explorer->world->counts(explorer->vmm)->accesses;
}

/* How many operations lead from the start to a state; they are in @way. */
static unsigned int find_way(struct explorer *explorer, uint32_t state)
{
	unsigned int count = 0;
	unsigned int first = STORY_OPS_MAX;

	for (; state; state = explorer->nodes[state].before) {
		explorer->way[--first] = explorer->nodes[state].op;
		count++;
	}
	memmove(explorer->way, &explorer->way[first], count * sizeof(explorer->way[0]));
	return count;
}

static bool apply_all(struct explorer *explorer, const struct vmm_op *ops, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		if (explorer->world->apply(explorer->vmm, &ops[i], &explorer->end->verdict) < 0)
			return false;
	return true;
}

/* The world into a state that was reached before. */
static bool go_to(struct explorer *explorer, unsigned int way)
{
	const struct story *from = explorer->options->from;

	count_accesses(explorer);
	explorer->world->restart(explorer->vmm, &from->config);
	return apply_all(explorer, from->op, from->count) &&
	       apply_all(explorer, explorer->way, way);
}

/* --- the search -------------------------------------------------------------- */

/* The way, and the operation that showed something, unless the end did. */
static void tell_story(struct explorer *explorer, unsigned int way, const struct vmm_op *last)
{
	const struct story *from = explorer->options->from;

	explorer->result->wrong = true;
	story_copy(explorer->story, from);
	explorer->story->settle = false;
	for (unsigned int i = 0; i < way; i++)
		story_add(explorer->story, &explorer->way[i]);
	if (last)
		story_add(explorer->story, last);
	explorer->end->wrong = true;
	explorer->end->done = explorer->story->count;
}

/* One operation in a state; true if the world is in another one now. */
static bool try_op(struct explorer *explorer, uint32_t state, unsigned int way,
		   const struct vmm_op *op)
{
	uint64_t here = explorer->nodes[state].digest;
	uint64_t there = here;
	int result = explorer->world->apply(explorer->vmm, op, &explorer->end->verdict);

	explorer->result->ops += result != 0;
	if (result < 0) {
		tell_story(explorer, way, op);
		return true;
	}
	if (result)
		there = explorer->world->digest(explorer->vmm);
	if (there != here)
		add_state(explorer, there, state, op);
	return there != here;
}

/* Does everything come back if the story ends here? */
static void try_end(struct explorer *explorer, unsigned int way)
{
	if (explorer->world->settle(explorer->vmm, &explorer->end->verdict) >= 0)
		return;
	tell_story(explorer, way, NULL);
	explorer->story->settle = true;
	explorer->end->settled = true;
}

/* Everything that can be done in one state; -1: it cannot even be reached again. */
static int go_on(struct explorer *explorer, uint32_t state)
{
	unsigned int way = find_way(explorer, state);
	bool moved = true;

	for (unsigned int i = 0; i < explorer->op_count && !explorer->result->wrong; i++) {
		if (moved && !go_to(explorer, way))
			return -1;
		moved = try_op(explorer, state, way, &explorer->ops[i]);
	}
	if (explorer->result->wrong)
		return 0;
	if (moved && !go_to(explorer, way))
		return -1;
	try_end(explorer, way);
	return 0;
}

static bool is_stopped(struct explorer *explorer)
{
	const struct explore_options *options = explorer->options;

	explorer->result->stopped |= options->stop && options->stop(options->cookie);
	return explorer->result->stopped || explorer->result->wrong;
}

/* The nodes from @first to the one before @end are all at the same depth. */
static int go_deeper(struct explorer *explorer, uint32_t first, uint32_t end)
{
	for (uint32_t state = first; state < end && !is_stopped(explorer); state++)
		if (go_on(explorer, state))
			return -EINVAL;
	if (!is_stopped(explorer))
		explorer->result->depth++;
	return 0;
}

static int search(struct explorer *explorer)
{
	static const struct vmm_op nothing;
	uint32_t first = 0;
	int error = go_to(explorer, 0) ? 0 : -EINVAL;

	if (error)
		return error;
	add_state(explorer, explorer->world->digest(explorer->vmm), 0, &nothing);
	while (!error && explorer->result->depth < explorer->options->depth &&
	       first < explorer->node_count && !is_stopped(explorer)) {
		uint32_t end = explorer->node_count;

		error = go_deeper(explorer, first, end);
		first = end;
	}
	/* Nothing new: deeper ones lead nowhere else either. */
	if (!error && first == explorer->node_count && !is_stopped(explorer))
		explorer->result->depth = explorer->options->depth;
	count_accesses(explorer);
	explorer->result->states = explorer->node_count;
	explorer->result->accesses = explorer->accesses;
	return error;
}

/* Twice as many slots as states, a power of two. */
static bool allocate(struct explorer *explorer)
{
	uint32_t slots = 2;

	while (slots / 2 < explorer->options->states)
		slots *= 2;
	explorer->slot_mask = slots - 1;
	explorer->slots = calloc(slots, sizeof(explorer->slots[0]));
	explorer->nodes = calloc(explorer->options->states, sizeof(explorer->nodes[0]));
	explorer->op_count = list_ops(explorer, NULL);
	explorer->ops = calloc(explorer->op_count, sizeof(explorer->ops[0]));
	explorer->vmm = explorer->world->create(&explorer->options->from->config);
	return explorer->slots && explorer->nodes && explorer->ops && explorer->vmm;
}

int explore(const struct explore_options *options, struct story *story, struct story_end *end,
	    struct explore_result *result)
{
	struct explorer *explorer = calloc(1, sizeof(*explorer));
	int error = -ENOMEM;

	memset(result, 0, sizeof(*result));
	memset(end, 0, sizeof(*end));
	if (!explorer)
		return error;
	*explorer = (struct explorer){
		.options = options, .world = options->world, .story = story,
		.end = end, .result = result,
	};
	if (allocate(explorer)) {
		list_ops(explorer, explorer->ops);
		error = search(explorer);
	}
	if (explorer->vmm)
		options->world->destroy(explorer->vmm);
	free(explorer->ops);
	free(explorer->nodes);
	free(explorer->slots);
	free(explorer);
	return error;
}
