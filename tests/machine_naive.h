/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The machine once more, as simple as it can be: one list of entries without any
 * index, closed by going over all of it until nothing new turns up, before every
 * event. It shares nothing with machine/ but the names of constants. No owners,
 * no broadcasts, no faults that are delivered: only what accesses may see.
 */
#ifndef MACHINE_NAIVE_H
#define MACHINE_NAIVE_H

#include "machine/machine.h"

#include <stdlib.h>
#include <string.h>

#define NAIVE_FRAMES 64u
#define NAIVE_ENTRIES 16384u

#define NAIVE_W 1u
#define NAIVE_U 2u
#define NAIVE_X 4u
#define NAIVE_NR 8u
#define NAIVE_NW 16u
#define NAIVE_NX 32u
#define NAIVE_D 64u

struct naive_entry {
	int kind;
	uint32_t tag;
	uint64_t ntag;
	unsigned int pcid;
	bool global;
	bool made_np;
	uint64_t base;
	unsigned int shift;
	unsigned int guest_shift;
	uint64_t out;
	uint64_t word;
	unsigned int rights;
};

struct naive_cpu {
	bool guest;
	uint32_t tag;
	bool nested;
	uint64_t nested_root;
	bool ad;
	uint64_t cr3;
	uint64_t cr4;
	bool tagged;
	uint64_t host_cr3;
	uint64_t host_cr4;
	struct naive_entry list[NAIVE_ENTRIES];
	unsigned int count;
};

struct naive {
	bool amd;
	bool reference;
	unsigned int levels, bits, nested_levels, nested_bits;
	uint64_t memory[NAIVE_FRAMES][512];
	struct naive_cpu cpus[2];
};

static inline uint64_t *naive_word(struct naive *naive, uint64_t address)
{
	return &naive->memory[address >> 12][address >> 3 & 511];
}

static inline bool naive_in_memory(uint64_t address)
{
	return address >> 12 < NAIVE_FRAMES;
}

static inline unsigned int naive_pcid(const struct naive_cpu *cpu)
{
	return cpu->cr4 & MACHINE_CR4_PCIDE ? cpu->cr3 & 0xfff : 0;
}

static inline uint64_t naive_ntag(const struct naive *naive, const struct naive_cpu *cpu)
{
	return cpu->nested && !naive->amd ? cpu->nested_root : MACHINE_NTAG_NONE;
}

static inline bool naive_add(struct naive_cpu *cpu, const struct naive_entry *entry)
{
	for (unsigned int i = 0; i < cpu->count; i++) {
		if (memcmp(&cpu->list[i], entry, sizeof(*entry)) == 0)
			return false;
	}
	if (cpu->count == NAIVE_ENTRIES)
		abort();
	cpu->list[cpu->count++] = *entry;
	return true;
}

static inline bool naive_covers(const struct naive_entry *entry, uint64_t address)
{
	return entry->base >> entry->shift == address >> entry->shift;
}

/* --- guest-physical --- */

static inline bool naive_usable_nested(const struct naive *naive, const struct naive_cpu *cpu,
				       const struct naive_entry *entry)
{
	if (entry->kind != MACHINE_KIND_NT && entry->kind != MACHINE_KIND_NP)
		return false;
	return naive->amd ? entry->tag == cpu->tag : entry->ntag == naive_ntag(naive, cpu);
}

static inline bool naive_nested_rights(const struct naive *naive, uint64_t word,
				       unsigned int *rights)
{
	if (naive->amd) {
		*rights = word & MACHINE_US ? NAIVE_NR | (word & MACHINE_RW ? NAIVE_NW : 0) |
						      (word & MACHINE_XD ? 0 : NAIVE_NX) :
					      0;
		return word & MACHINE_P;
	}
	*rights = (word & 1 ? NAIVE_NR : 0) | (word & 2 ? NAIVE_NW : 0) | (word & 4 ? NAIVE_NX : 0);
	return (word & 7) && !((word & 2) && !(word & 1));
}

struct naive_at {
	struct naive_entry table;
	unsigned int index;
	bool dirty;
};

/* The entry of a nested table, or false if the walk fails there. */
static inline bool naive_nested_step(struct naive *naive, struct naive_cpu *cpu,
				     const struct naive_at *at_table, struct naive_entry *made)
{
	const struct naive_entry *table = &at_table->table;
	unsigned int index = at_table->index;
	bool dirty = at_table->dirty;
	unsigned int level = (table->shift - 12) / naive->nested_bits;
	unsigned int shift = 12 + (level - 1) * naive->nested_bits;
	uint64_t at = table->out + 8 * index;
	uint64_t *word = naive_word(naive, at);
	uint64_t out = *word & MACHINE_ADDRESS;
	bool leaf = level == 1 || (*word & MACHINE_PS);
	unsigned int rights;

	if (!naive_nested_rights(naive, *word, &rights))
		return false;
	if (leaf && (level > 3 || out & ((1ull << shift) - 1)))
		return false;
	if (!naive_in_memory(leaf ? out + (1ull << shift) - 1 : out))
		return false;
	if (cpu->ad)
		*word |= naive->amd ? MACHINE_A : MACHINE_EPT_A;
	memset(made, 0, sizeof(*made));
	made->kind = leaf ? MACHINE_KIND_NT : MACHINE_KIND_NP;
	made->tag = naive->amd ? cpu->tag : 0;
	made->ntag = naive_ntag(naive, cpu);
	made->made_np = true;
	made->base = table->base + ((uint64_t)index << shift);
	made->shift = shift;
	made->out = out;
	made->rights = table->rights & rights;
	if (!leaf)
		return true;
	made->word = at;
	if (dirty && cpu->ad && (made->rights & NAIVE_NW))
		*word |= naive->amd ? MACHINE_D : MACHINE_EPT_D;
	if (!cpu->ad || (*word & (naive->amd ? MACHINE_D : MACHINE_EPT_D)))
		made->rights |= NAIVE_D;
	return true;
}

static inline struct naive_entry naive_nested_root(const struct naive *naive,
						   const struct naive_cpu *cpu)
{
	struct naive_entry root = { .kind = MACHINE_KIND_NP, .out = cpu->nested_root };

	root.shift = 12 + naive->nested_levels * naive->nested_bits;
	root.rights = NAIVE_NR | NAIVE_NW | NAIVE_NX;
	return root;
}

/* @dirty: only for @gpa, and as a write. */
static inline bool naive_expand_nested(struct naive *naive, struct naive_cpu *cpu,
				       const struct naive_entry *table, bool dirty, uint64_t gpa)
{
	unsigned int shift = table->shift - naive->nested_bits;
	struct naive_entry made;
	bool added = false;

	for (unsigned int j = 0; j < 1u << naive->nested_bits; j++) {
		struct naive_at at = { *table, j, dirty };
		uint64_t base = table->base + ((uint64_t)j << shift);

		if (dirty && base >> shift != gpa >> shift)
			continue;
		if (naive_nested_step(naive, cpu, &at, &made))
			added |= naive_add(cpu, &made);
	}
	return added;
}

static inline void naive_close_nested(struct naive *naive, struct naive_cpu *cpu, bool dirty,
				      uint64_t gpa)
{
	struct naive_entry root = naive_nested_root(naive, cpu);
	bool added = true;

	while (added) {
		added = naive_expand_nested(naive, cpu, &root, dirty, gpa);
		for (unsigned int i = 0; i < cpu->count; i++) {
			struct naive_entry table = cpu->list[i];

			if (table.kind == MACHINE_KIND_NP &&
			    naive_usable_nested(naive, cpu, &table))
				added |= naive_expand_nested(naive, cpu, &table, dirty, gpa);
		}
	}
}

static inline bool naive_allows_table(const struct naive_cpu *cpu, const struct naive_entry *nested)
{
	unsigned int needed = NAIVE_NR | (cpu->ad ? NAIVE_NW | NAIVE_D : 0);

	return (nested->rights & needed) == needed;
}

static inline bool naive_is_nt(const struct naive *naive, const struct naive_cpu *cpu,
			       const struct naive_entry *entry, uint64_t gpa)
{
	return entry->kind == MACHINE_KIND_NT && naive_usable_nested(naive, cpu, entry) &&
	       naive_covers(entry, gpa);
}

/* A guest table's page: if D is all that is missing, a walk sets it. */
static inline void naive_table_page(struct naive *naive, struct naive_cpu *cpu, uint64_t gpa)
{
	bool lacks = false;

	for (unsigned int i = 0; i < cpu->count; i++) {
		if (!naive_is_nt(naive, cpu, &cpu->list[i], gpa))
			continue;
		if (naive_allows_table(cpu, &cpu->list[i]))
			return;
		lacks |= cpu->list[i].rights & NAIVE_NW;
	}
	if (cpu->ad && lacks && gpa >> (12 + naive->nested_levels * naive->nested_bits) == 0)
		naive_close_nested(naive, cpu, true, gpa);
}

/* --- linear --- */

static inline bool naive_usable(const struct naive *naive, const struct naive_cpu *cpu,
				const struct naive_entry *entry)
{
	if (entry->kind != MACHINE_KIND_TR && entry->kind != MACHINE_KIND_PS)
		return false;
	return entry->tag == cpu->tag && entry->ntag == naive_ntag(naive, cpu) &&
	       (entry->pcid == naive_pcid(cpu) || entry->global);
}

/* The word of a linear table; false if the walk fails there. */
static inline bool naive_read(struct naive *naive, const struct naive_cpu *cpu,
			      const struct naive_entry *table, unsigned int index,
			      struct naive_entry *made)
{
	unsigned int level = (table->shift - 12) / naive->bits;
	unsigned int shift = 12 + (level - 1) * naive->bits;
	uint64_t at = table->out + 8 * index;
	uint64_t *word = naive_word(naive, at);
	bool leaf = level == 1 || (*word & MACHINE_PS);
	uint64_t out = *word & MACHINE_ADDRESS;

	if (!(*word & MACHINE_P) || (leaf && (level > 3 || out & ((1ull << shift) - 1))))
		return false;
	if (!cpu->nested && !naive_in_memory(leaf ? out + (1ull << shift) - 1 : out))
		return false;
	if (!(*word & MACHINE_A) && !(table->rights & NAIVE_NW))
		return false;
	*word |= MACHINE_A;
	memset(made, 0, sizeof(*made));
	made->kind = leaf ? MACHINE_KIND_TR : MACHINE_KIND_PS;
	made->tag = cpu->tag;
	made->ntag = naive_ntag(naive, cpu);
	made->pcid = naive_pcid(cpu);
	made->base = table->base + ((uint64_t)index << shift);
	made->shift = shift;
	made->out = out;
	made->made_np = cpu->nested;
	made->rights = table->rights & ((*word & MACHINE_RW ? NAIVE_W : 0) |
					(*word & MACHINE_US ? NAIVE_U : 0) |
					(*word & MACHINE_XD ? 0 : NAIVE_X));
	if (leaf) {
		made->global = (*word & MACHINE_G) && (cpu->cr4 & MACHINE_CR4_PGE);
		made->guest_shift = shift;
		made->word = at;
		made->rights |= *word & MACHINE_D ? NAIVE_D : 0;
	}
	return true;
}

static inline void naive_add_page(struct naive *naive, struct naive_cpu *cpu,
				  const struct naive_entry *page)
{
	if (!cpu->nested) {
		struct naive_entry made = *page;

		made.rights |= NAIVE_NR | NAIVE_NW | NAIVE_NX;
		naive_add(cpu, &made);
		return;
	}
	for (uint64_t at = 0; at < 1ull << page->shift; at += 4096) {
		for (unsigned int i = 0; i < cpu->count; i++) {
			struct naive_entry nested = cpu->list[i];
			struct naive_entry made = *page;
			uint64_t gpa = page->out + at;

			if (!naive_is_nt(naive, cpu, &nested, gpa))
				continue;
			made.shift = nested.shift < page->shift ? nested.shift : page->shift;
			made.base = (page->base + at) >> made.shift << made.shift;
			made.out = nested.out + ((gpa >> made.shift << made.shift) - nested.base);
			if (!(nested.rights & NAIVE_D))
				made.rights &= ~NAIVE_D;
			made.rights |= nested.rights & (NAIVE_NR | NAIVE_NW | NAIVE_NX);
			naive_add(cpu, &made);
		}
	}
}

static inline void naive_add_table(struct naive *naive, struct naive_cpu *cpu,
				   const struct naive_entry *table)
{
	struct naive_entry made = *table;

	if (!cpu->nested) {
		made.rights |= NAIVE_NR | NAIVE_NW | NAIVE_NX;
		naive_add(cpu, &made);
		return;
	}
	naive_table_page(naive, cpu, table->out);
	for (unsigned int i = 0; i < cpu->count; i++) {
		struct naive_entry nested = cpu->list[i];

		if (!naive_is_nt(naive, cpu, &nested, table->out) ||
		    !naive_allows_table(cpu, &nested))
			continue;
		made = *table;
		made.out = nested.out + (table->out - nested.base);
		made.rights |= nested.rights & (NAIVE_NR | NAIVE_NW | NAIVE_NX);
		naive_add(cpu, &made);
	}
}

static inline void naive_expand(struct naive *naive, struct naive_cpu *cpu,
				const struct naive_entry *table)
{
	struct naive_entry made;

	for (unsigned int j = 0; j < 1u << naive->bits; j++) {
		if (!naive_read(naive, cpu, table, j, &made))
			continue;
		if (made.kind == MACHINE_KIND_TR)
			naive_add_page(naive, cpu, &made);
		else
			naive_add_table(naive, cpu, &made);
	}
}

static inline void naive_expand_root(struct naive *naive, struct naive_cpu *cpu)
{
	uint64_t gpa = cpu->cr3 & MACHINE_ADDRESS;
	struct naive_entry root = { .kind = MACHINE_KIND_PS, .out = gpa };

	root.shift = 12 + naive->levels * naive->bits;
	root.rights = NAIVE_W | NAIVE_U | NAIVE_X | NAIVE_NR | NAIVE_NW | NAIVE_NX;
	if (!cpu->nested) {
		if (naive_in_memory(gpa))
			naive_expand(naive, cpu, &root);
		return;
	}
	naive_table_page(naive, cpu, gpa);
	for (unsigned int i = 0; i < cpu->count; i++) {
		struct naive_entry nested = cpu->list[i];

		if (!naive_is_nt(naive, cpu, &nested, gpa) || !naive_allows_table(cpu, &nested))
			continue;
		root.out = nested.out + (gpa - nested.base);
		root.rights = (root.rights & 7) | (nested.rights & ~(NAIVE_D | 7u));
		naive_expand(naive, cpu, &root);
	}
}

/* Everything that the current context may have cached by now. */
static inline void naive_close(struct naive *naive, struct naive_cpu *cpu)
{
	unsigned int before;

	do {
		before = cpu->count;
		if (cpu->nested)
			naive_close_nested(naive, cpu, false, 0);
		naive_expand_root(naive, cpu);
		for (unsigned int i = 0; i < cpu->count; i++) {
			struct naive_entry table = cpu->list[i];

			if (table.kind == MACHINE_KIND_PS && naive_usable(naive, cpu, &table))
				naive_expand(naive, cpu, &table);
		}
	} while (cpu->count != before);
}

static inline void naive_write(struct naive *naive, uint64_t address, uint64_t value)
{
	if (*naive_word(naive, address) == value)
		return;
	naive_close(naive, &naive->cpus[0]);
	naive_close(naive, &naive->cpus[1]);
	*naive_word(naive, address) = value;
}

/* --- reads: may this page answer, given CPL 3? --- */

static inline bool naive_may_read(struct naive *naive, struct naive_cpu *cpu, uint64_t address,
				  uint64_t page)
{
	naive_close(naive, cpu);
	for (unsigned int i = 0; i < cpu->count; i++) {
		const struct naive_entry *entry = &cpu->list[i];

		if (entry->kind == MACHINE_KIND_TR && naive_usable(naive, cpu, entry) &&
		    naive_covers(entry, address) && (entry->rights & NAIVE_U) &&
		    (entry->rights & NAIVE_NR) && entry->out + (address - entry->base) == page)
			return true;
	}
	return false;
}

/* --- removals, in the words of the removal predicates --- */

struct naive_named {
	uint32_t tag;
	unsigned int pcid;
	uint64_t ntag;
	uint64_t va;
};

typedef bool naive_predicate(const struct naive *naive, const struct naive_named *named,
			     const struct naive_entry *entry);

static inline void naive_remove(struct naive *naive, struct naive_cpu *cpu,
				const struct naive_named *named, naive_predicate *drop)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < cpu->count; i++) {
		if (!drop(naive, named, &cpu->list[i]))
			cpu->list[kept++] = cpu->list[i];
	}
	cpu->count = kept;
}

/* What the predicates are about. */
static inline bool naive_tr(const struct naive_entry *entry)
{
	return entry->kind == MACHINE_KIND_TR;
}

static inline bool naive_linear(const struct naive_entry *entry)
{
	return naive_tr(entry) || entry->kind == MACHINE_KIND_PS;
}

static inline bool naive_v(const struct naive_named *named, const struct naive_entry *entry)
{
	unsigned int shift = naive_tr(entry) ? entry->guest_shift : entry->shift;

	return entry->base >> shift == named->va >> shift;
}

static inline bool naive_all(const struct naive *naive, const struct naive_named *named,
		      const struct naive_entry *entry)
{
	(void)naive;
	(void)named;
	return entry != NULL;
}

static inline bool naive_whole(const struct naive *naive, const struct naive_named *named,
		      const struct naive_entry *entry)
{
	(void)naive;
	return naive_linear(entry) && entry->tag == named->tag;
}

static inline bool naive_cr3(const struct naive *naive, const struct naive_named *named,
		      const struct naive_entry *entry)
{
	return naive_whole(naive, named, entry) && entry->pcid == named->pcid && !entry->global;
}

static inline bool naive_invlpg(const struct naive *naive, const struct naive_named *named,
		      const struct naive_entry *entry)
{
	return naive_whole(naive, named, entry) &&
	       (naive_tr(entry) ? naive_v(named, entry) &&
					  (entry->pcid == named->pcid || entry->global) :
				  entry->pcid == named->pcid);
}

static inline bool naive_invpcid_0(const struct naive *naive, const struct naive_named *named,
		      const struct naive_entry *entry)
{
	return naive_cr3(naive, named, entry) && naive_v(named, entry);
}

static inline bool naive_invpcid_3(const struct naive *naive, const struct naive_named *named,
		      const struct naive_entry *entry)
{
	return naive_whole(naive, named, entry) && !entry->global;
}

static inline bool naive_asid(const struct naive *naive, const struct naive_named *named,
		      const struct naive_entry *entry)
{
	(void)naive;
	return entry->tag == named->tag;
}

static inline bool naive_asid_local(const struct naive *naive, const struct naive_named *named,
		      const struct naive_entry *entry)
{
	return entry->tag == named->tag &&
	       (naive_linear(entry) ? !entry->global : naive->reference);
}

static inline bool naive_invlpga(const struct naive *naive, const struct naive_named *named,
		      const struct naive_entry *entry)
{
	return naive_whole(naive, named, entry) && naive_v(named, entry) &&
	       (naive->reference || !entry->made_np);
}

static inline bool naive_vpid_0(const struct naive *naive, const struct naive_named *named,
		      const struct naive_entry *entry)
{
	(void)naive;
	(void)named;
	return naive_linear(entry) && entry->tag == 0;
}

static inline bool naive_invvpid_0(const struct naive *naive, const struct naive_named *named,
		      const struct naive_entry *entry)
{
	return naive_whole(naive, named, entry) && naive_v(named, entry);
}

static inline bool naive_invvpid_2(const struct naive *naive, const struct naive_named *named,
		      const struct naive_entry *entry)
{
	(void)naive;
	(void)named;
	return naive_linear(entry) && entry->tag != 0;
}

static inline bool naive_invept_1(const struct naive *naive, const struct naive_named *named,
		      const struct naive_entry *entry)
{
	(void)naive;
	return entry->ntag == named->ntag;
}

static inline bool naive_invept_2(const struct naive *naive, const struct naive_named *named,
		      const struct naive_entry *entry)
{
	(void)naive;
	(void)named;
	return entry->ntag != MACHINE_NTAG_NONE;
}

#endif
