/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Guest-physical addresses: AMD's nested tables, Intel's EPT.
 *
 * A walk does not lead to one answer but adds to the nested space everything
 * that can be derived, level by level from the root: at each level from the
 * table that the level above names now, and from all that a cached NP names.
 */
#include "inside.h"

static uint32_t walk_error(const struct machine_walk *walk)
{
	switch (walk->access & MACHINE_TYPE) {
	case MACHINE_WRITE:
		return MACHINE_ERROR_W;
	case MACHINE_FETCH:
		return MACHINE_ERROR_I;
	default:
		return 0;
	}
}

static void fail(struct machine_walk *walk, const struct machine_entry *table,
		 const struct machine_word *word, uint64_t gpa)
{
	bool reserved = word && word->reserved;
	struct machine_outcome outcome = {
		.result = MACHINE_NESTED_FAULT,
		.error = walk_error(walk) | (reserved ? MACHINE_ERROR_RSVD : 0),
		.confirmed = !table || table->rooted == walk->serial,
		.gpa = gpa,
		.entry = table && table->space ? table : NULL,
		.word = word ? word->at : 0,
	};

	if (reserved && !machine_is_amd(walk->machine))
		outcome.result = MACHINE_MISCONFIGURED;
	machine_fail(walk, &outcome);
}

/* The root as a table that nobody had to cache. */
static struct machine_entry nested_root(const struct machine_walk *walk)
{
	return (struct machine_entry){
		.is.out = walk->context->nested_root,
		.is.rights = MACHINE_RIGHTS_NESTED,
		.is.kind = MACHINE_KIND_NP,
		.is.owner = walk->context->owner & walk->machine->config.nested_owner_mask,
		.level = walk->machine->config.nested.levels,
		.rooted = walk->serial,
	};
}

/* Is all of the page or table that the word names in memory? */
static bool in_memory(const struct machine_walk *walk, const struct machine_word *word)
{
	uint64_t last = word->out + (word->leaf ? (1ull << word->shift) - 1 : 0);

	return machine_memory_holds(walk->machine, last);
}

/* Read one entry of a table and cache what it says. */
static void step(struct machine_walk *walk, const struct machine_entry *table,
		 unsigned int index, bool dirty)
{
	bool amd = machine_is_amd(walk->machine);
	struct machine_word word = amd ? machine_word_x86(walk, table, index, true) :
					 machine_word_ept(walk, table, index);
	struct machine_source source = { .parent = table, .word = word.at };
	struct machine_translation is = {
		.base = word.base,
		.out = word.out,
		.kind = word.leaf ? MACHINE_KIND_NT : MACHINE_KIND_NP,
		.shift = word.shift,
		.rights = table->is.rights & word.rights,
		.flags = MACHINE_FLAG_NESTED,
	};

	if (word.present && !word.reserved && !in_memory(walk, &word))
		word.reserved = true;
	if (!word.present || word.reserved) {
		fail(walk, table, &word, walk->everything ? 0 : walk->address);
		return;
	}
	if (!word.accessed)
		machine_memory_assist(walk->machine, walk->cpu->id, word.at,
				      amd ? MACHINE_A : MACHINE_EPT_A);
	if (word.leaf) {
		is.word = word.at;
		if (dirty && !word.dirty && (is.rights & MACHINE_RIGHT_NESTED_W)) {
			machine_memory_assist(walk->machine, walk->cpu->id, word.at,
					      amd ? MACHINE_D : MACHINE_EPT_D);
			word.dirty = true;
		}
		is.rights |= word.dirty ? MACHINE_RIGHT_DIRTY : 0;
	}
	machine_fill(walk, walk->cpu->nested_space, &is, &source);
}

/* Close the nested space for one address; @dirty: as far as a write gets. */
void machine_nested_address(struct machine_walk *walk, uint64_t gpa, bool dirty)
{
	const struct machine_geometry *geometry = &walk->machine->config.nested;
	struct machine_space *space = walk->cpu->nested_space;
	struct machine_entry root = nested_root(walk);
	struct machine_walk inner = *walk;

	if (walk->nested_done && !dirty)
		return;
	inner.address = gpa;
	inner.everything = false;
	if (gpa >> machine_address_bits(geometry)) {
		fail(&inner, NULL, NULL, gpa);
		return;
	}
	step(&inner, &root, machine_index(geometry, root.level, gpa), dirty);
	for (unsigned int level = root.level - 1; level > 0; level--) {
		unsigned int shift = machine_level_shift(geometry, level + 1);
		struct machine_entry *entry;

		entry = *machine_tlb_bucket(space, MACHINE_KIND_NP, shift, gpa);
		for (; entry; entry = entry->hash_next) {
			if (machine_entry_at(entry, MACHINE_KIND_NP, shift, gpa))
				step(&inner, entry, machine_index(geometry, level, gpa), dirty);
		}
	}
}

/* --- the whole space --- */

static void step_all(struct machine_walk *walk, const struct machine_entry *table)
{
	for (unsigned int i = 0; i < 1u << walk->machine->config.nested.index_bits; i++) {
		if (!walk->sparse || machine_random(walk->machine) % 2)
			step(walk, table, i, false);
	}
}

void machine_nested_all(struct machine_walk *walk)
{
	struct machine_space *space = walk->cpu->nested_space;
	struct machine_entry root = nested_root(walk);

	step_all(walk, &root);
	/* What this adds comes at the end of the list and gets its turn. */
	for (struct machine_entry *entry = space->first[1]; entry; entry = entry->next) {
		if (!machine_is_expanded(walk, entry, 0))
			step_all(walk, entry);
	}
	walk->nested_done = !walk->sparse;
}

/* --- guest tables --- */

/* AMD always, Intel with A and D in use: walking a guest table is a write to it. */
static bool table_is_written(const struct machine_walk *walk)
{
	return walk->context->nested_ad;
}

bool machine_nested_allows_table(const struct machine_walk *walk,
				 const struct machine_entry *entry)
{
	uint8_t needed = MACHINE_RIGHT_NESTED_R;

	if (table_is_written(walk))
		needed |= MACHINE_RIGHT_NESTED_W | MACHINE_RIGHT_DIRTY;
	return (entry->is.rights & needed) == needed;
}

/* Is there a translation that only lacks D? */
static bool lacks_dirty(const struct machine_walk *walk, uint64_t gpa)
{
	struct machine_cursor cursor = machine_nested_cursor(walk, gpa);
	const struct machine_entry *entry;
	bool lacks = false;

	while ((entry = machine_cursor_next(&cursor))) {
		/* One from older tables does not stand in for what they say now. */
		if (machine_nested_allows_table(walk, entry)) {
			if (entry->touched == walk->serial)
				return false;
			continue;
		}
		if (entry->is.rights & MACHINE_RIGHT_NESTED_W)
			lacks = true;
	}
	return lacks;
}

/* As machine_nested_address(), for the page of a guest table: sets D if it must. */
void machine_nested_table(struct machine_walk *walk, uint64_t gpa)
{
	struct machine_walk again = *walk;

	machine_nested_address(walk, gpa, false);
	if (!table_is_written(walk) || !lacks_dirty(walk, gpa))
		return;
	again.outcomes = NULL;
	machine_nested_address(&again, gpa, true);
}

/* Report what was found for a guest table but does not permit to walk it. */
void machine_nested_forbids_table(struct machine_walk *walk, uint64_t gpa)
{
	struct machine_cursor cursor = machine_nested_cursor(walk, gpa);
	const struct machine_entry *entry;
	uint8_t needed = MACHINE_RIGHT_NESTED_R;

	if (table_is_written(walk))
		needed |= MACHINE_RIGHT_NESTED_W;
	while (walk->outcomes && (entry = machine_cursor_next(&cursor))) {
		struct machine_outcome outcome = {
			.result = MACHINE_NESTED_FAULT,
			.error = MACHINE_ERROR_P | MACHINE_ERROR_TABLE |
				 (table_is_written(walk) ? MACHINE_ERROR_W : 0),
			.confirmed = entry->rooted == walk->serial,
			.gpa = gpa,
			.entry = entry,
		};

		if ((entry->is.rights & needed) != needed)
			machine_fail(walk, &outcome);
	}
}
