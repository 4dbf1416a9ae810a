/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a CPU has cached. Entries live in spaces (one per tag, apart for linear
 * and for guest-physical addresses), each with an index by address and two lists
 * in the order of the fills. Nothing leaves unless it is told to.
 */
#include "inside.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_ENTRIES 256u
#define BUCKETS_MIN 32u

_Static_assert(sizeof(struct machine_translation) == 56, "compared as bytes: no padding");

struct machine_chunk {
	struct machine_chunk *next;
	struct machine_entry entries[CHUNK_ENTRIES];
};

static bool is_table(const struct machine_entry *entry)
{
	return entry->is.kind == MACHINE_KIND_PS || entry->is.kind == MACHINE_KIND_NP;
}

/* --- entries come from chunks that are only given back at the end --- */

static struct machine_entry *entry_alloc(struct machine *machine)
{
	struct machine_entry *entry = machine->free_entries;
	struct machine_chunk *chunk;

	if (entry) {
		machine->free_entries = entry->next;
		return entry;
	}
	chunk = malloc(sizeof(*chunk));
	if (!chunk)
		abort();
	chunk->next = machine->chunks;
	machine->chunks = chunk;
	for (unsigned int i = 1; i < CHUNK_ENTRIES; i++) {
		chunk->entries[i].next = machine->free_entries;
		machine->free_entries = &chunk->entries[i];
	}
	return &chunk->entries[0];
}

void machine_tlb_free_chunks(struct machine *machine)
{
	while (machine->chunks) {
		struct machine_chunk *chunk = machine->chunks;

		machine->chunks = chunk->next;
		free(chunk);
	}
	machine->free_entries = NULL;
}

/* --- spaces --- */

static struct machine_space **space_bucket(struct machine_cpu *cpu,
					   const struct machine_space *key)
{
	uint64_t mixed = key->tag * 2 + key->nested + (key->ntag >> MACHINE_PAGE_SHIFT) * 0x9e37ull;

	return &cpu->buckets[(mixed ^ mixed >> 7) % MACHINE_SPACE_BUCKETS];
}

static struct machine_space *space_create(struct machine *machine, struct machine_cpu *cpu,
					  const struct machine_space *key)
{
	struct machine_space *space = calloc(1, sizeof(*space));
	struct machine_space **bucket = space_bucket(cpu, key);

	if (!space)
		abort();
	space->bucket_count = BUCKETS_MIN;
	space->buckets = calloc(space->bucket_count, sizeof(struct machine_entry *));
	if (!space->buckets)
		abort();
	space->tag = key->tag;
	space->ntag = key->ntag;
	space->nested = key->nested;
	space->changed = space->removed = machine_tick(machine);
	space->hash_next = *bucket;
	*bucket = space;
	space->next = cpu->spaces;
	if (space->next)
		space->next->previous = space;
	cpu->spaces = space;
	return space;
}

/* The space with the key's tag, ntag and kind; made if need be. */
struct machine_space *machine_tlb_space(struct machine *machine, struct machine_cpu *cpu,
					const struct machine_space *key)
{
	struct machine_space *space = *space_bucket(cpu, key);

	while (space) {
		if (space->tag == key->tag && space->ntag == key->ntag &&
		    space->nested == key->nested)
			return space;
		space = space->hash_next;
	}
	return space_create(machine, cpu, key);
}

static void space_unlink(struct machine_cpu *cpu, struct machine_space *space)
{
	struct machine_space **link = space_bucket(cpu, space);

	while (*link != space)
		link = &(*link)->hash_next;
	*link = space->hash_next;
	if (space->next)
		space->next->previous = space->previous;
	if (space->previous)
		space->previous->next = space->next;
	else
		cpu->spaces = space->next;
}

/* Tags come and go; an empty space that is not in use says nothing. */
void machine_tlb_release(struct machine_cpu *cpu, struct machine_space *space)
{
	bool host = space->tag == 0 && space->ntag == MACHINE_NTAG_NONE;

	if (space->entry_count || space == cpu->space || space == cpu->nested_space || host ||
	    space->tlb_id)
		return;
	space_unlink(cpu, space);
	free(space->buckets);
	free(space);
}

/* --- entries in a space --- */

static void hash_add(struct machine_space *space, struct machine_entry *entry)
{
	struct machine_entry **bucket = machine_tlb_bucket(space, entry->is.kind, entry->is.shift,
							   entry->is.base);

	entry->hash_next = *bucket;
	entry->hash_link = bucket;
	if (*bucket)
		(*bucket)->hash_link = &entry->hash_next;
	*bucket = entry;
}

static void hash_remove(struct machine_entry *entry)
{
	*entry->hash_link = entry->hash_next;
	if (entry->hash_next)
		entry->hash_next->hash_link = entry->hash_link;
}

/* Not while anybody follows a bucket's chain; hence not in machine_tlb_add(). */
void machine_tlb_grow(struct machine_space *space)
{
	unsigned int count = space->bucket_count * 4;
	struct machine_entry **buckets;

	if (space->entry_count < space->bucket_count * 2)
		return;
	buckets = calloc(count, sizeof(*buckets));
	if (!buckets)
		abort();
	free(space->buckets);
	space->buckets = buckets;
	space->bucket_count = count;
	for (unsigned int table = 0; table < 2; table++) {
		for (struct machine_entry *entry = space->first[table]; entry; entry = entry->next)
			hash_add(space, entry);
	}
}

struct machine_entry *machine_tlb_find(const struct machine_space *space,
				       const struct machine_translation *is)
{
	struct machine_entry *entry = *machine_tlb_bucket(space, is->kind, is->shift, is->base);

	while (entry && memcmp(&entry->is, is, sizeof(*is)) != 0)
		entry = entry->hash_next;
	return entry;
}

struct machine_entry *machine_cursor_next(struct machine_cursor *cursor)
{
	struct machine_entry *entry = cursor->entry ? cursor->entry->hash_next : NULL;

	if (!cursor->entry && cursor->size < cursor->shifts->count)
		entry = *machine_tlb_bucket(cursor->space, cursor->kind,
					    cursor->shifts->list[cursor->size], cursor->address);
	while (cursor->size < cursor->shifts->count) {
		unsigned int shift = cursor->shifts->list[cursor->size];

		while (entry && !machine_entry_at(entry, cursor->kind, shift, cursor->address))
			entry = entry->hash_next;
		if (entry)
			break;
		cursor->size++;
		if (cursor->size < cursor->shifts->count)
			entry = *machine_tlb_bucket(cursor->space, cursor->kind,
						    cursor->shifts->list[cursor->size],
						    cursor->address);
	}
	cursor->entry = entry;
	return entry;
}

/* The caller fills in where it came from. */
struct machine_entry *machine_tlb_add(struct machine *machine, struct machine_space *space,
				      const struct machine_translation *is)
{
	struct machine_entry *entry = entry_alloc(machine);
	bool table;

	memset(entry, 0, sizeof(*entry));
	entry->is = *is;
	entry->space = space;
	table = is_table(entry);
	entry->previous = space->last[table];
	if (entry->previous)
		entry->previous->next = entry;
	else
		space->first[table] = entry;
	space->last[table] = entry;
	space->entry_count++;
	hash_add(space, entry);
	space->changed = machine_tick(machine);
	entry->first_filled = space->changed;
	entry->filled = space->changed;
	return entry;
}

static void list_remove(struct machine_space *space, struct machine_entry *entry)
{
	bool table = is_table(entry);

	if (entry->next)
		entry->next->previous = entry->previous;
	else
		space->last[table] = entry->previous;
	if (entry->previous)
		entry->previous->next = entry->next;
	else
		space->first[table] = entry->next;
}

/* The space stays, even if it is empty now. */
void machine_tlb_drop(struct machine *machine, struct machine_cpu *cpu,
		      struct machine_entry *entry, enum machine_event event)
{
	struct machine_space *space = entry->space;

	if (machine->observer.removed)
		machine->observer.removed(machine->observer.cookie, cpu->id, entry, event);
	hash_remove(entry);
	list_remove(space, entry);
	space->entry_count--;
	space->changed = machine_tick(machine);
	space->removed = space->changed;
	entry->next = machine->free_entries;
	machine->free_entries = entry;
}

/* Without a word to the observer: the machine begins anew or ends. */
void machine_tlb_clear(struct machine *machine, struct machine_cpu *cpu)
{
	while (cpu->spaces) {
		struct machine_space *space = cpu->spaces;

		for (unsigned int table = 0; table < 2; table++) {
			if (!space->first[table])
				continue;
			space->last[table]->next = machine->free_entries;
			machine->free_entries = space->first[table];
		}
		cpu->spaces = space->next;
		free(space->buckets);
		free(space);
	}
	memset(cpu->buckets, 0, sizeof(cpu->buckets));
	cpu->space = NULL;
	cpu->nested_space = NULL;
}

uint32_t machine_entry_tag(const struct machine_entry *entry)
{
	return entry->space->tag;
}

uint64_t machine_entry_ntag(const struct machine_entry *entry)
{
	return entry->space->ntag;
}

bool machine_entry_current(const struct machine *machine, const struct machine_entry *entry)
{
	for (unsigned int i = 0; i < entry->dep_count; i++) {
		const struct machine_dep *dep = &entry->deps[i];

		if (machine_word_version(machine, (uint64_t)dep->word * 8) != dep->version)
			return false;
	}
	return true;
}

void machine_for_each_entry(const struct machine *machine, unsigned int cpu,
			    void (*visit)(void *cookie, const struct machine_entry *entry),
			    void *cookie)
{
	const struct machine_space *space = machine->cpus[cpu].spaces;

	for (; space; space = space->next) {
		for (unsigned int table = 0; table < 2; table++) {
			const struct machine_entry *entry = space->first[table];

			for (; entry; entry = entry->next)
				visit(cookie, entry);
		}
	}
}
