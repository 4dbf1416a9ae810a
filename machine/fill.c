/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One step of any walk: take a table word apart, and cache what was derived from
 * it together with where it came from.
 */
#include "inside.h"

#include <string.h>

/* --- table words --- */

static void word_locate(struct machine_word *word, const struct machine_geometry *geometry,
			const struct machine_entry *table, unsigned int index)
{
	word->shift = machine_level_shift(geometry, table->level);
	word->base = table->is.base + ((uint64_t)index << word->shift);
	word->out = word->value & MACHINE_ADDRESS;
	word->leaf = table->level == 1 || (word->value & MACHINE_PS);
	/* No pages of the fourth level, and none that is not aligned. */
	if (word->leaf && (table->level > 3 || (word->out & ((1ull << word->shift) - 1))))
		word->reserved = true;
}

static uint8_t linear_rights(uint64_t value)
{
	return (value & MACHINE_RW ? MACHINE_RIGHT_W : 0) |
	       (value & MACHINE_US ? MACHINE_RIGHT_U : 0) |
	       (value & MACHINE_XD ? 0 : MACHINE_RIGHT_X);
}

/* AMD walks nested tables as a user. */
static uint8_t nested_rights(uint64_t value)
{
	if (!(value & MACHINE_US))
		return 0;
	return MACHINE_RIGHT_NESTED_R | (value & MACHINE_RW ? MACHINE_RIGHT_NESTED_W : 0) |
	       (value & MACHINE_XD ? 0 : MACHINE_RIGHT_NESTED_X);
}

struct machine_word machine_word_x86(struct machine_walk *walk, const struct machine_entry *table,
				     unsigned int index, bool nested)
{
	const struct machine_config *config = &walk->machine->config;
	bool nxe = nested ? walk->context->nested_nxe : walk->context->nxe;
	struct machine_word word = { .at = table->is.out + 8 * index };

	word.value = machine_memory_walk(walk->machine, word.at, MACHINE_TABLE_X86);
	word.present = word.value & MACHINE_P;
	if (!word.present)
		return word;
	word.reserved = (word.value & MACHINE_XD) && !nxe;
	word.accessed = word.value & MACHINE_A;
	word.dirty = word.value & MACHINE_D;
	word.global = word.value & MACHINE_G;
	word.rights = nested ? nested_rights(word.value) : linear_rights(word.value);
	word_locate(&word, nested ? &config->nested : &config->linear, table, index);
	return word;
}

struct machine_word machine_word_ept(struct machine_walk *walk, const struct machine_entry *table,
				     unsigned int index)
{
	bool tracked = walk->context->nested_ad;
	struct machine_word word = { .at = table->is.out + 8 * index };
	uint64_t value = machine_memory_walk(walk->machine, word.at, MACHINE_TABLE_EPT);

	word.value = value;
	word.present = value & (MACHINE_EPT_R | MACHINE_EPT_W | MACHINE_EPT_X);
	if (!word.present)
		return word;
	word.reserved = (value & MACHINE_EPT_W) && !(value & MACHINE_EPT_R);
	word.accessed = !tracked || (value & MACHINE_EPT_A);
	word.dirty = !tracked || (value & MACHINE_EPT_D);
	word.rights = (value & MACHINE_EPT_R ? MACHINE_RIGHT_NESTED_R : 0) |
		      (value & MACHINE_EPT_W ? MACHINE_RIGHT_NESTED_W : 0) |
		      (value & MACHINE_EPT_X ? MACHINE_RIGHT_NESTED_X : 0);
	word_locate(&word, &walk->machine->config.nested, table, index);
	return word;
}

/* --- provenance --- */

static void deps_append(struct machine_entry *entry, const struct machine_entry *from)
{
	if (!from)
		return;
	memcpy(&entry->deps[entry->dep_count], from->deps, from->dep_count * sizeof(from->deps[0]));
	entry->dep_count += from->dep_count;
}

void machine_fill_deps(const struct machine *machine, struct machine_entry *entry,
		       const struct machine_source *source)
{
	entry->dep_count = 0;
	deps_append(entry, source->parent);
	if (source->word) {
		entry->deps[entry->dep_count].word = source->word / 8;
		entry->deps[entry->dep_count].version = machine_word_version(machine, source->word);
		entry->dep_count++;
	}
	deps_append(entry, source->nested);
}

/* Whether an entry is current, asked once per change of any table. */
static bool is_current(const struct machine *machine, struct machine_entry *entry)
{
	if (entry->current_at != machine->tables_changed + 1) {
		entry->current = machine_entry_current(machine, entry);
		entry->current_at = machine->tables_changed + 1;
	}
	return entry->current;
}

static bool source_current(const struct machine *machine, const struct machine_source *source)
{
	return (!source->parent || machine_entry_current(machine, source->parent)) &&
	       (!source->nested || machine_entry_current(machine, source->nested));
}

/* Whose cached entry did this go through, if not only the current owner's? */
static uint64_t foreign_of(const struct machine_walk *walk, const struct machine_source *source,
			   uint64_t owner)
{
	uint64_t nested_owner = walk->context->owner & walk->machine->config.nested_owner_mask;

	if (source->parent && source->parent->is.owner != owner)
		return source->parent->is.owner;
	if (source->parent && source->parent->is.foreign)
		return source->parent->is.foreign;
	if (source->nested && source->nested->is.owner != nested_owner)
		return source->nested->is.owner;
	return source->nested ? source->nested->is.foreign : 0;
}

static void mark(struct machine_walk *walk, struct machine_entry *entry,
		 const struct machine_source *source)
{
	entry->doomed = 0;
	entry->touched = walk->serial;
	if (!source->parent || source->parent->rooted == walk->serial)
		entry->rooted = walk->serial;
	if (!source->nested || source->nested->rooted == walk->serial)
		entry->nested_rooted = walk->serial;
}

static void announce(const struct machine_walk *walk, const struct machine_entry *entry)
{
	const struct machine_observer *observer = &walk->machine->observer;

	if (observer->fill)
		observer->fill(observer->cookie, walk->cpu->id, entry);
}

/*
 * An entry that is filled again stays as it is, unless it had become out of date
 * and the new fill is not: then it tells the new story. Which of the two it
 * tells makes no difference to what the hardware does.
 */
static void refill(struct machine_walk *walk, struct machine_entry *entry,
		   const struct machine_source *source)
{
	if (is_current(walk->machine, entry) || !source_current(walk->machine, source))
		return;
	machine_fill_deps(walk->machine, entry, source);
	entry->filled = machine_tick(walk->machine);
	entry->current_at = 0;
	announce(walk, entry);
}

/* Cache what @is says, on behalf of the current context. */
struct machine_entry *machine_fill(struct machine_walk *walk, struct machine_space *space,
				   const struct machine_translation *is,
				   const struct machine_source *source)
{
	const struct machine_config *config = &walk->machine->config;
	const struct machine_geometry *geometry = space->nested ? &config->nested : &config->linear;
	struct machine_translation translation = *is;
	struct machine_entry *entry;

	translation.owner = walk->context->owner;
	if (space->nested)
		translation.owner &= config->nested_owner_mask;
	translation.foreign = foreign_of(walk, source, translation.owner);
	entry = machine_tlb_find(space, &translation);
	if (entry) {
		refill(walk, entry, source);
		mark(walk, entry, source);
		return entry;
	}
	entry = machine_tlb_add(walk->machine, space, &translation);
	if (is->kind == MACHINE_KIND_PS || is->kind == MACHINE_KIND_NP)
		entry->level = (is->shift - MACHINE_PAGE_SHIFT) / geometry->index_bits;
	machine_fill_deps(walk->machine, entry, source);
	mark(walk, entry, source);
	announce(walk, entry);
	return entry;
}

/*
 * A walk failed. AMD confirms a fault with a walk that uses no cached upper
 * level before it reports it; whether that is so for nested faults is open.
 */
void machine_fail(struct machine_walk *walk, const struct machine_outcome *outcome)
{
	bool amd = machine_is_amd(walk->machine);

	if (!walk->outcomes)
		return;
	if (amd && !outcome->confirmed &&
	    (outcome->result == MACHINE_FAULT || !machine_is_hardware(walk->machine)))
		return;
	machine_outcomes_add(walk->outcomes, outcome);
}
