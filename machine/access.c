/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Accesses: first the walks that are possible now, then everything that is
 * usable afterwards, each judged by the rights it latched and the registers as
 * they are.
 */
#include "inside.h"

#include <stdlib.h>
#include <string.h>

void machine_outcomes_add(struct machine_outcomes *outcomes,
			  const struct machine_outcome *outcome)
{
	if (outcomes->count == outcomes->capacity) {
		unsigned int capacity = outcomes->capacity ? outcomes->capacity * 2 : 4;

		outcomes->list = realloc(outcomes->list, capacity * sizeof(*outcomes->list));
		if (!outcomes->list)
			abort();
		outcomes->capacity = capacity;
	}
	outcomes->list[outcomes->count++] = *outcome;
}

/* --- rights --- */

static bool guest_allows(const struct machine_walk *walk, uint8_t rights)
{
	const struct machine_context *context = walk->context;
	unsigned int type = walk->access & MACHINE_TYPE;
	bool user_page = rights & MACHINE_RIGHT_U;

	if (!context->paging)
		return true;
	if (type == MACHINE_FETCH && context->nxe && !(rights & MACHINE_RIGHT_X))
		return false;
	if (walk->access & MACHINE_USER)
		return user_page && (type != MACHINE_WRITE || (rights & MACHINE_RIGHT_W));
	if (type == MACHINE_FETCH)
		return !user_page || !context->smep;
	if (user_page && context->smap && !(walk->access & MACHINE_AC))
		return false;
	return type != MACHINE_WRITE || (rights & MACHINE_RIGHT_W) || !context->wp;
}

static bool nested_allows(const struct machine_walk *walk, uint8_t rights)
{
	switch (walk->access & MACHINE_TYPE) {
	case MACHINE_WRITE:
		return rights & MACHINE_RIGHT_NESTED_W;
	case MACHINE_FETCH:
		return rights & MACHINE_RIGHT_NESTED_X;
	default:
		return rights & MACHINE_RIGHT_NESTED_R;
	}
}

static uint32_t error_of(const struct machine_walk *walk)
{
	static const uint32_t errors[] = { 0, MACHINE_ERROR_W, MACHINE_ERROR_I, 0 };

	return MACHINE_ERROR_P | errors[walk->access & MACHINE_TYPE] |
	       (walk->access & MACHINE_USER ? MACHINE_ERROR_U : 0);
}

/* --- what one usable translation makes of the access --- */

static void judge(struct machine_walk *walk, const struct machine_entry *entry)
{
	uint64_t page = walk->address & ~(uint64_t)(MACHINE_PAGE_SIZE - 1);
	uint64_t offset = page - entry->is.base;
	bool write = (walk->access & MACHINE_TYPE) == MACHINE_WRITE;
	struct machine_outcome outcome = {
		.confirmed = entry->rooted == walk->serial,
		.gpa = entry->is.flags & MACHINE_FLAG_NESTED ? entry->is.gpa + offset : 0,
		.entry = entry,
	};

	/* An NT, for Intel's guests without paging. */
	if (entry->is.kind == MACHINE_KIND_NT)
		outcome.gpa = page;
	if (!guest_allows(walk, entry->is.rights)) {
		outcome.result = MACHINE_FAULT;
		outcome.error = error_of(walk);
		machine_fail(walk, &outcome);
		return;
	}
	if (!nested_allows(walk, entry->is.rights)) {
		outcome.result = MACHINE_NESTED_FAULT;
		outcome.error = error_of(walk);
		outcome.confirmed = entry->nested_rooted == walk->serial;
		machine_fail(walk, &outcome);
		return;
	}
	outcome.page = entry->is.out + offset;
	outcome.assist = write && !(entry->is.rights & MACHINE_RIGHT_DIRTY);
	/* Without D it cannot serve a write: a walk must, and did if it could. */
	if (!outcome.assist || entry->dirtyable == walk->serial)
		machine_outcomes_add(walk->outcomes, &outcome);
}

/* Quirk Q3: two sizes at once are more than the TLB can bear. */
static void judge_sizes(struct machine_walk *walk, unsigned int smallest, unsigned int largest)
{
	struct machine_outcome outcome = { .result = MACHINE_CHECK_EXCEPTION };

	if (walk->machine->config.quirks.multimatch_mce && smallest < largest)
		machine_outcomes_add(walk->outcomes, &outcome);
}

static void judge_usable(struct machine_walk *walk)
{
	struct machine_cursor cursor = {
		.space = walk->cpu->space,
		.shifts = &walk->machine->linear_shifts,
		.address = walk->address,
		.kind = MACHINE_KIND_TR,
	};
	unsigned int smallest = 64, largest = 0;
	const struct machine_entry *entry;

	while ((entry = machine_cursor_next(&cursor))) {
		if (entry->is.pcid != walk->context->pcid &&
		    !(entry->is.flags & MACHINE_FLAG_GLOBAL))
			continue;
		smallest = entry->is.shift < smallest ? entry->is.shift : smallest;
		largest = entry->is.shift > largest ? entry->is.shift : largest;
		judge(walk, entry);
	}
	judge_sizes(walk, smallest, largest);
}

/* Intel without guest paging: the guest-physical translations themselves. */
static void judge_nested(struct machine_walk *walk)
{
	struct machine_cursor cursor = machine_nested_cursor(walk, walk->address);
	struct machine_entry *entry;

	while ((entry = machine_cursor_next(&cursor))) {
		entry->nested_rooted = entry->rooted;
		if (entry->touched == walk->serial)
			entry->dirtyable = walk->serial;
		entry->nested_word = entry->is.word;
		judge(walk, entry);
	}
}

/* --- the answer --- */

static void answer_untranslated(struct machine_walk *walk)
{
	struct machine_outcome outcome = {
		.confirmed = true,
		.page = walk->address & ~(uint64_t)(MACHINE_PAGE_SIZE - 1),
	};

	if (!machine_memory_holds(walk->machine, walk->address))
		outcome.result = MACHINE_NO_ADDRESS;
	machine_outcomes_add(walk->outcomes, &outcome);
}

static bool is_canonical(const struct machine_walk *walk)
{
	const struct machine_config *config = &walk->machine->config;

	return !walk->context->paging ||
	       walk->address >> machine_address_bits(&config->linear) == 0;
}

static void answer_access(struct machine_walk *walk)
{
	struct machine_outcome outcome = { .result = MACHINE_NO_ADDRESS, .confirmed = true };

	if (!walk->context->online || !is_canonical(walk)) {
		machine_outcomes_add(walk->outcomes, &outcome);
		return;
	}
	if (!walk->context->paging && !walk->context->nested) {
		answer_untranslated(walk);
		return;
	}
	machine_walk_address(walk);
	if (!walk->context->paging && !machine_is_amd(walk->machine))
		judge_nested(walk);
	else
		judge_usable(walk);
	/* A root outside of memory: nothing to walk, nothing to say. */
	if (walk->outcomes->count == 0)
		machine_outcomes_add(walk->outcomes, &outcome);
}

static int by_fill(const void *left, const void *right)
{
	const struct machine_outcome *one = left, *other = right;
	uint64_t first = one->entry ? one->entry->first_filled : UINT64_MAX;
	uint64_t second = other->entry ? other->entry->first_filled : UINT64_MAX;

	if (one->assist != other->assist)
		return one->assist - other->assist;
	return (first > second) - (first < second);
}

/* First the one to fear: what leaves no trace in memory, and of that the oldest. */
static void sort(struct machine_outcomes *outcomes)
{
	if (outcomes->count > 1)
		qsort(outcomes->list, outcomes->count, sizeof(outcomes->list[0]), by_fill);
}

static uint64_t stamp_of(const struct machine *machine, const struct machine_cpu *cpu)
{
	uint64_t stamp = machine->tables_changed;

	if (stamp < cpu->space->changed)
		stamp = cpu->space->changed;
	if (cpu->nested_space && stamp < cpu->nested_space->changed)
		stamp = cpu->nested_space->changed;
	return stamp;
}

/* QEMU's TLB holds finished translations only. */
static void forget_steps(struct machine *machine, struct machine_cpu *cpu)
{
	static const struct machine_rule steps = { 0, RULE_ALL, RULE_ALL, { 0, 0, 0 } };
	struct machine_scope scope = machine_scope_of(cpu, 0);

	if (machine->config.forgetful)
		machine_rule_apply(machine, cpu, MACHINE_EVENT_FORGET, &steps, &scope);
}

static struct machine_answer *answer_place(struct machine_cpu *cpu, uint64_t page, uint32_t access)
{
	uint64_t mixed = (page >> MACHINE_PAGE_SHIFT) * 11 + access * 0x9e37ull +
			 cpu->context_id * 0x85ebull;

	return &cpu->answers[(mixed ^ mixed >> 8) % MACHINE_ANSWERS];
}

static bool answer_holds(const struct machine *machine, const struct machine_cpu *cpu,
			 const struct machine_answer *answer, uint64_t page, uint32_t access)
{
	return answer->outcomes.count && answer->page == page && answer->access == access &&
	       answer->context == cpu->context_id && answer->stamp == stamp_of(machine, cpu);
}

const struct machine_outcomes *machine_access(struct machine *machine, unsigned int cpu,
					      uint64_t address, uint32_t access)
{
	struct machine_cpu *self = machine_cpu_get(machine, cpu);
	uint64_t page = address & ~(uint64_t)(MACHINE_PAGE_SIZE - 1);
	struct machine_answer *answer = answer_place(self, page, access);
	struct machine_walk walk;

	self->answer = answer;
	if (!answer_holds(machine, self, answer, page, access)) {
		forget_steps(machine, self);
		/* A walk elsewhere may have set the A that this one lacks. */
		if (machine->config.speculation == MACHINE_SPECULATE_ALWAYS)
			machine_cpu_moment(machine, self);
		machine_walk_start(&walk, machine, self);
		walk.address = page;
		walk.access = access;
		walk.outcomes = &answer->outcomes;
		answer->outcomes.count = 0;
		answer_access(&walk);
		sort(&answer->outcomes);
		answer->page = page;
		answer->access = access;
		answer->context = self->context_id;
		answer->stamp = stamp_of(machine, self);
	}
	if (machine->observer.access)
		machine->observer.access(machine->observer.cookie, cpu, address, &answer->outcomes);
	return &answer->outcomes;
}

/* --- one of the outcomes happens --- */

/* D goes into the leaf entries, and into a translation of its own. */
static void commit_dirty(struct machine *machine, struct machine_cpu *cpu,
			 const struct machine_entry *entry)
{
	struct machine_translation is = entry->is;
	uint64_t nested_word = entry->nested_word;
	struct machine_space *space = entry->space;
	uint64_t nested_bit = machine_is_amd(machine) ? MACHINE_D : MACHINE_EPT_D;
	struct machine_entry *dirty;

	if (is.kind == MACHINE_KIND_TR && is.word)
		machine_memory_assist(machine, cpu->id, is.word, MACHINE_D);
	if (nested_word && cpu->context.nested_ad)
		machine_memory_assist(machine, cpu->id, nested_word, nested_bit);
	is.rights |= MACHINE_RIGHT_DIRTY;
	if (machine_tlb_find(space, &is))
		return;
	dirty = machine_tlb_add(machine, space, &is);
	memcpy(dirty->deps, entry->deps, sizeof(entry->deps));
	dirty->dep_count = entry->dep_count;
	dirty->nested_word = nested_word;
	if (machine->observer.fill)
		machine->observer.fill(machine->observer.cookie, cpu->id, dirty);
}

static bool is_cached(const struct machine_cpu *cpu, const struct machine_outcome *outcome)
{
	struct machine_entry *spaces[] = { cpu->space->first[0], cpu->space->first[1],
					   cpu->nested_space ? cpu->nested_space->first[0] : NULL,
					   cpu->nested_space ? cpu->nested_space->first[1] : NULL };

	for (unsigned int i = 0; i < 4; i++) {
		for (struct machine_entry *entry = spaces[i]; entry; entry = entry->next) {
			if (entry == outcome->entry)
				return true;
		}
	}
	return false;
}

/* NTs that are too strict for an access that the tables in memory now permit. */
static void drop_strict(struct machine *machine, struct machine_cpu *cpu,
			const struct machine_outcome *outcome)
{
	uint8_t needed = outcome->error & MACHINE_ERROR_W ? MACHINE_RIGHT_NESTED_W :
			 outcome->error & MACHINE_ERROR_I ? MACHINE_RIGHT_NESTED_X :
							    MACHINE_RIGHT_NESTED_R;
	struct machine_entry *entry = cpu->nested_space->first[0];

	while (entry) {
		struct machine_entry *next = entry->next;

		if (entry->is.base >> entry->is.shift == outcome->gpa >> entry->is.shift &&
		    !(entry->is.rights & needed))
			machine_tlb_drop(machine, cpu, entry, MACHINE_EVENT_NESTED_FAULT);
		entry = next;
	}
}

/*
 * The row of the removal table, and what caused a fault that memory does not
 * justify: it must not come again.
 */
static void commit_fault(struct machine *machine, struct machine_cpu *cpu, uint64_t address,
			 const struct machine_outcome *outcome)
{
	bool nested = outcome->result == MACHINE_NESTED_FAULT;
	enum machine_event event = nested ? MACHINE_EVENT_NESTED_FAULT : MACHINE_EVENT_PAGE_FAULT;
	struct machine_scope scope = machine_scope_of(cpu, address);

	scope.gpa = outcome->gpa;
	machine_rule_run(machine, cpu, event, &scope);
	if (!outcome->confirmed && outcome->entry && is_cached(cpu, outcome))
		machine_tlb_drop(machine, cpu, (struct machine_entry *)outcome->entry, event);
	if (!outcome->confirmed && nested)
		drop_strict(machine, cpu, outcome);
}

void machine_commit(struct machine *machine, unsigned int cpu, uint64_t address,
		    unsigned int index)
{
	struct machine_cpu *self = machine_cpu_get(machine, cpu);
	const struct machine_outcome outcome = self->answer->outcomes.list[index];

	switch (outcome.result) {
	case MACHINE_OK:
		if (outcome.assist)
			commit_dirty(machine, self, outcome.entry);
		break;
	case MACHINE_FAULT:
	case MACHINE_NESTED_FAULT:
		machine_cpu_moment(machine, self);
		commit_fault(machine, self, address, &outcome);
		break;
	case MACHINE_MISCONFIGURED:
	case MACHINE_CHECK_EXCEPTION:
	case MACHINE_NO_ADDRESS:
		break;
	}
}
