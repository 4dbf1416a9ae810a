/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Linear addresses: the closure of what a context may fill, for one address or
 * for everything. As in nested.c a level at a time; each step goes through every
 * guest-physical translation that may be used for the next table or page.
 */
#include "inside.h"

#include <string.h>

void machine_walk_start(struct machine_walk *walk, struct machine *machine,
			struct machine_cpu *cpu)
{
	memset(walk, 0, sizeof(*walk));
	walk->machine = machine;
	walk->cpu = cpu;
	walk->context = &cpu->context;
	walk->serial = ++machine->serial;
	machine_tlb_grow(cpu->space);
	if (cpu->nested_space)
		machine_tlb_grow(cpu->nested_space);
}

static void fail(struct machine_walk *walk, const struct machine_entry *table,
		 const struct machine_word *word)
{
	unsigned int type = walk->access & MACHINE_TYPE;
	struct machine_outcome outcome = {
		.result = MACHINE_FAULT,
		.confirmed = table->rooted == walk->serial,
		.entry = table->space ? table : NULL,
		.word = word->at,
	};

	if (word->reserved)
		outcome.error |= MACHINE_ERROR_RSVD | MACHINE_ERROR_P;
	if (type == MACHINE_WRITE)
		outcome.error |= MACHINE_ERROR_W;
	if (type == MACHINE_FETCH)
		outcome.error |= MACHINE_ERROR_I;
	if (walk->access & MACHINE_USER)
		outcome.error |= MACHINE_ERROR_U;
	machine_fail(walk, &outcome);
}

/* --- pages --- */

/* How large an entry may be that comes from a page of this size. */
static unsigned int entry_shift(const struct machine_walk *walk, const struct machine_word *word)
{
	const struct machine_config *config = &walk->machine->config;
	unsigned int middle = machine_level_shift(&config->linear, 2);

	if (config->quirks.invlpg_partial)
		return MACHINE_PAGE_SHIFT;
	if (config->quirks.smash_1g && word->shift > middle)
		return middle;
	return word->shift;
}

static uint64_t align(uint64_t address, unsigned int shift)
{
	return address >> shift << shift;
}

/*
 * D can be set now only by a walk that is possible now. A nested D that is cached
 * already is not set again, even if it has been cleared in memory.
 */
static void note_dirtyable(const struct machine_walk *walk, struct machine_entry *entry,
			   const struct machine_entry *nested)
{
	if (!nested || (nested->is.rights & MACHINE_RIGHT_DIRTY)) {
		entry->nested_word = 0;
		entry->dirtyable = walk->serial;
	} else if (nested->touched == walk->serial && entry->dirtyable != walk->serial) {
		entry->nested_word = nested->is.word;
		entry->dirtyable = walk->serial;
	}
}

/* A page at @address, through one guest-physical translation or none. */
static void fill_page(struct machine_walk *walk, const struct machine_entry *table,
		      const struct machine_word *word, uint64_t address,
		      const struct machine_entry *nested)
{
	uint64_t gpa = word->out + (address - word->base);
	unsigned int shift = entry_shift(walk, word);
	struct machine_source source = { table, nested, word->at };
	struct machine_translation is = {
		.word = word->at,
		.pcid = walk->context->pcid,
		.kind = MACHINE_KIND_TR,
		.guest_shift = word->shift,
		.rights = (table->is.rights & word->rights & MACHINE_RIGHTS_GUEST) |
			  (word->dirty ? MACHINE_RIGHT_DIRTY : 0),
		.flags = word->global && walk->context->global ? MACHINE_FLAG_GLOBAL : 0,
	};
	struct machine_entry *entry;

	if (nested) {
		shift = nested->is.shift < shift ? nested->is.shift : shift;
		is.out = nested->is.out + (align(gpa, shift) - nested->is.base);
		is.gpa = align(gpa, shift);
		is.rights &= nested->is.rights | ~MACHINE_RIGHT_DIRTY;
		is.rights |= nested->is.rights & MACHINE_RIGHTS_NESTED;
		is.flags |= MACHINE_FLAG_NESTED;
	} else {
		is.out = align(gpa, shift);
		is.rights |= MACHINE_RIGHTS_NESTED;
	}
	is.shift = shift;
	is.base = align(address, shift);
	entry = machine_fill(walk, walk->cpu->space, &is, &source);
	if (shift < word->shift)
		walk->cpu->space->fractured = true;
	note_dirtyable(walk, entry, nested);
}

/* Through all that translates it. */
static void nested_page(struct machine_walk *walk, const struct machine_entry *table,
			const struct machine_word *word, uint64_t address)
{
	uint64_t gpa = word->out + (address - word->base);
	struct machine_cursor cursor = machine_nested_cursor(walk, gpa);
	const struct machine_entry *nested;

	machine_nested_address(walk, gpa, false);
	while ((nested = machine_cursor_next(&cursor)))
		fill_page(walk, table, word, address, nested);
}

/* Every 4K piece may be translated by other and by smaller nested pages. */
static void page(struct machine_walk *walk, const struct machine_entry *table,
		 const struct machine_word *word)
{
	uint64_t first = walk->everything ? word->base : align(walk->address, MACHINE_PAGE_SHIFT);
	uint64_t end = walk->everything ? word->base + (1ull << word->shift) : first + 1;
	bool nested = walk->context->nested;
	uint64_t size = 1ull << (nested ? MACHINE_PAGE_SHIFT : entry_shift(walk, word));

	for (uint64_t address = first; address < end; address += size) {
		if (nested)
			nested_page(walk, table, word, address);
		else
			fill_page(walk, table, word, address, NULL);
	}
}

/* --- tables --- */

static void fill_table(struct machine_walk *walk, const struct machine_entry *table,
		       const struct machine_word *word, const struct machine_entry *nested)
{
	struct machine_source source = { table, nested, word->at };
	struct machine_translation is = {
		.base = word->base,
		.out = word->out,
		.pcid = walk->context->pcid,
		.kind = MACHINE_KIND_PS,
		.shift = word->shift,
		.rights = table->is.rights & word->rights & MACHINE_RIGHTS_GUEST,
	};

	if (nested) {
		is.gpa = word->out;
		is.out = nested->is.out + (word->out - nested->is.base);
		is.flags = MACHINE_FLAG_NESTED;
		/* Of the table's page: may the walker set A in it? */
		is.rights |= nested->is.rights & MACHINE_RIGHTS_NESTED;
	} else {
		is.rights |= MACHINE_RIGHTS_NESTED;
	}
	machine_fill(walk, walk->cpu->space, &is, &source);
}

static void table(struct machine_walk *walk, const struct machine_entry *above,
		  const struct machine_word *word)
{
	struct machine_cursor cursor = machine_nested_cursor(walk, word->out);
	const struct machine_entry *nested;

	if (!walk->context->nested) {
		fill_table(walk, above, word, NULL);
		return;
	}
	machine_nested_table(walk, word->out);
	while ((nested = machine_cursor_next(&cursor))) {
		if (machine_nested_allows_table(walk, nested))
			fill_table(walk, above, word, nested);
	}
	machine_nested_forbids_table(walk, word->out);
}

/* Without nesting the walker sees where memory ends. */
static bool in_memory(const struct machine_walk *walk, const struct machine_word *word)
{
	uint64_t last = word->out + (word->leaf ? (1ull << word->shift) - 1 : 0);

	return walk->context->nested || machine_memory_holds(walk->machine, last);
}

/* Intel without nested A and D walks read-only tables, but cannot set A there. */
static void fail_assist(struct machine_walk *walk, const struct machine_entry *above,
			const struct machine_word *word)
{
	struct machine_outcome outcome = {
		.result = MACHINE_NESTED_FAULT,
		.error = MACHINE_ERROR_P | MACHINE_ERROR_W | MACHINE_ERROR_TABLE,
		.confirmed = above->nested_rooted == walk->serial,
		.gpa = (above->is.gpa & MACHINE_ADDRESS) + word->at % MACHINE_PAGE_SIZE,
		.entry = above->space ? above : NULL,
		.word = word->at,
	};

	machine_fail(walk, &outcome);
}

/* Read one entry of a table and cache what it says. */
static void step(struct machine_walk *walk, const struct machine_entry *above, unsigned int index)
{
	struct machine_word word = machine_word_x86(walk, above, index, false);

	if (word.present && !word.reserved && !in_memory(walk, &word))
		word.reserved = true;
	if (!word.present || word.reserved) {
		fail(walk, above, &word);
		return;
	}
	if (!word.accessed && !(above->is.rights & MACHINE_RIGHT_NESTED_W)) {
		fail_assist(walk, above, &word);
		return;
	}
	if (!word.accessed)
		machine_memory_assist(walk->machine, walk->cpu->id, word.at, MACHINE_A);
	if (word.leaf)
		page(walk, above, &word);
	else
		table(walk, above, &word);
}

static void step_all(struct machine_walk *walk, const struct machine_entry *above)
{
	for (unsigned int i = 0; i < 1u << walk->machine->config.linear.index_bits; i++) {
		if (!walk->sparse || machine_random(walk->machine) % 2)
			step(walk, above, i);
	}
}

/* --- roots: CR3 names a table that nobody had to cache --- */

static void start_at(struct machine_walk *walk, const struct machine_entry *nested)
{
	const struct machine_geometry *geometry = &walk->machine->config.linear;
	uint64_t root_gpa = walk->context->root;
	struct machine_source source = { .nested = nested };
	struct machine_entry root = {
		.is.out = nested ? nested->is.out + (root_gpa - nested->is.base) : root_gpa,
		.is.gpa = nested ? root_gpa : 0,
		.is.rights = MACHINE_RIGHTS_GUEST | MACHINE_RIGHTS_NESTED,
		.is.owner = walk->context->owner,
		.is.kind = MACHINE_KIND_PS,
		.level = geometry->levels,
		.rooted = walk->serial,
	};

	if (nested) {
		uint64_t owner = walk->context->owner & walk->machine->config.nested_owner_mask;

		root.is.rights = MACHINE_RIGHTS_GUEST | nested->is.rights;
		root.is.foreign = nested->is.owner != owner ? nested->is.owner : nested->is.foreign;
		root.nested_rooted = nested->rooted;
	}
	machine_fill_deps(walk->machine, &root, &source);
	if (walk->everything)
		step_all(walk, &root);
	else
		step(walk, &root, machine_index(geometry, root.level, walk->address));
}

static void start(struct machine_walk *walk)
{
	struct machine_cursor cursor = machine_nested_cursor(walk, walk->context->root);
	const struct machine_entry *nested;

	if (!walk->context->nested) {
		if (machine_memory_holds(walk->machine, walk->context->root))
			start_at(walk, NULL);
		return;
	}
	machine_nested_table(walk, walk->context->root);
	while ((nested = machine_cursor_next(&cursor))) {
		if (machine_nested_allows_table(walk, nested))
			start_at(walk, nested);
	}
	machine_nested_forbids_table(walk, walk->context->root);
}

/* --- guests without paging --- */

/*
 * Their linear addresses are guest-physical. AMD is assumed to cache the result
 * under the ASID like any other; Intel uses the guest-physical translations.
 */
static void direct(struct machine_walk *walk, const struct machine_entry *nested)
{
	struct machine_source source = { .nested = nested };
	struct machine_translation is = {
		.base = nested->is.base,
		.out = nested->is.out,
		.gpa = nested->is.base,
		.kind = MACHINE_KIND_TR,
		.shift = nested->is.shift,
		.guest_shift = nested->is.shift,
		.rights = MACHINE_RIGHTS_GUEST | nested->is.rights,
		.flags = MACHINE_FLAG_NESTED,
	};
	struct machine_entry *entry;

	if (!machine_is_amd(walk->machine))
		return;
	entry = machine_fill(walk, walk->cpu->space, &is, &source);
	note_dirtyable(walk, entry, nested);
}

/* --- closures --- */

static void close_paged(struct machine_walk *walk)
{
	const struct machine_geometry *geometry = &walk->machine->config.linear;
	struct machine_space *space = walk->cpu->space;

	start(walk);
	for (unsigned int level = geometry->levels - 1; level > 0; level--) {
		unsigned int shift = machine_level_shift(geometry, level + 1);
		struct machine_entry *entry = *machine_tlb_bucket(space, MACHINE_KIND_PS, shift,
								  walk->address);

		for (; entry; entry = entry->hash_next) {
			if (machine_entry_at(entry, MACHINE_KIND_PS, shift, walk->address) &&
			    entry->is.pcid == walk->context->pcid)
				step(walk, entry, machine_index(geometry, level, walk->address));
		}
	}
}

/* Everything that may be filled for one address. */
void machine_walk_address(struct machine_walk *walk)
{
	struct machine_cursor cursor;
	const struct machine_entry *nested;

	if (walk->context->paging) {
		close_paged(walk);
		return;
	}
	cursor = machine_nested_cursor(walk, walk->address);
	machine_nested_address(walk, walk->address, false);
	while ((nested = machine_cursor_next(&cursor)))
		direct(walk, nested);
}

bool machine_is_expanded(const struct machine_walk *walk, struct machine_entry *entry,
			 uint64_t below)
{
	uint64_t stamp = machine_memory_frame(walk->machine, entry->is.out)->changed;

	if (stamp < entry->space->removed)
		stamp = entry->space->removed;
	if (stamp < below)
		stamp = below;
	if (entry->expanded_for == walk->cpu->context_id && entry->expanded_at == stamp)
		return true;
	if (!walk->sparse) {
		entry->expanded_for = walk->cpu->context_id;
		entry->expanded_at = stamp;
	}
	return false;
}

static uint64_t nested_changed(const struct machine_walk *walk)
{
	return walk->context->nested ? walk->cpu->nested_space->changed : 0;
}

/* Everything that may be filled in the current context. */
void machine_walk_all(struct machine_walk *walk)
{
	struct machine_space *space = walk->cpu->space;
	struct machine_entry *entry;

	walk->everything = true;
	if (walk->context->nested)
		machine_nested_all(walk);
	if (walk->context->paging) {
		start(walk);
		for (entry = space->first[1]; entry; entry = entry->next) {
			if (entry->is.pcid == walk->context->pcid &&
			    !machine_is_expanded(walk, entry, nested_changed(walk)))
				step_all(walk, entry);
		}
	} else if (walk->context->nested) {
		for (entry = walk->cpu->nested_space->first[0]; entry; entry = entry->next)
			direct(walk, entry);
	}
}
