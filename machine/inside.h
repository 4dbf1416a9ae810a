/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the files of machine/ know of each other. Users include machine.h.
 *
 * One clock (machine->clock) stamps every change: of a frame, of what a space
 * holds, of a fill. "Has anything of this changed?" is then a comparison of the
 * largest of a few stamps with the one that was noted, and that is what makes
 * the whole fast: an answer is kept for as long as nothing it rests on moved.
 */
#ifndef MACHINE_INSIDE_H
#define MACHINE_INSIDE_H

#include "machine.h"

#define MACHINE_WORDS 512u
#define MACHINE_SPACE_BUCKETS 64u
#define MACHINE_ANSWERS 256u
#define MACHINE_CONTEXTS 256u
#define MACHINE_RIGHTS_GUEST (MACHINE_RIGHT_W | MACHINE_RIGHT_U | MACHINE_RIGHT_X)
#define MACHINE_RIGHTS_NESTED                                                                   \
	(MACHINE_RIGHT_NESTED_R | MACHINE_RIGHT_NESTED_W | MACHINE_RIGHT_NESTED_X)

/* As what a frame was ever read by a walker. */
#define MACHINE_TABLE_X86 1u
#define MACHINE_TABLE_EPT 2u

/**
 * struct machine_frame - a page of memory; all zero until it is written
 * @words: its contents or NULL
 * @versions: of each word
 * @changed: stamp of the last change that a walker could notice
 * @incarnation: added to each word's version
 * @tables: MACHINE_TABLE_*
 */
struct machine_frame {
	uint64_t *words;
	uint32_t *versions;
	uint64_t changed;
	uint32_t incarnation;
	uint8_t tables;
};

/**
 * struct machine_space - everything one CPU has cached under one tag, either for
 *	linear or for guest-physical addresses
 * @tag: ASID, VPID; 0 for Intel's nested spaces
 * @ntag: EP4TA or MACHINE_NTAG_NONE
 * @first, @last: [0] pages, [1] tables, in the order of the fills
 * @changed: stamp of the last fill or removal
 * @removed: stamp of the last removal
 * @tlb_id: SNP: who used the ASID last
 */
struct machine_space {
	uint32_t tag;
	bool nested;
	bool fractured;
	uint64_t ntag;
	struct machine_entry *first[2];
	struct machine_entry *last[2];
	struct machine_entry **buckets;
	unsigned int bucket_count;
	unsigned int entry_count;
	uint64_t changed;
	uint64_t removed;
	uint64_t tlb_id;
	struct machine_space *hash_next;
	struct machine_space *next;
	struct machine_space *previous;
};

/* A VMCB as a CPU cached it. */
struct machine_vmcb_copy {
	uint64_t address;
	uint32_t asid;
	bool np_enable;
	uint64_t ncr3;
	struct machine_registers registers;
};

/* machine_access() of a page, good for as long as @stamp is. */
struct machine_answer {
	uint64_t page;
	uint64_t context;
	uint64_t stamp;
	uint32_t access;
	struct machine_outcomes outcomes;
};

struct machine_cpu {
	unsigned int id;
	bool online;
	bool guest;
	struct machine_registers registers;
	struct machine_registers host_registers;
	uint64_t owner;
	/* what the guest that runs brought along */
	uint64_t guest_owner;
	uint64_t guest_root;
	uint32_t guest_tag;
	bool guest_nested;
	bool guest_tagged;
	/* derived from the above by machine_cpu_refresh() */
	struct machine_context context;
	uint64_t context_id;
	struct machine_space *space;
	struct machine_space *nested_space;
	/* the context and the stamp for which everything has been filled */
	uint64_t saturated_id;
	uint64_t saturated_stamp;
	struct machine_space *buckets[MACHINE_SPACE_BUCKETS];
	struct machine_space *spaces;
	struct machine_answer answers[MACHINE_ANSWERS];
	struct machine_answer *answer;
	struct machine_vmcb_copy *copies;
	unsigned int copy_count;
	unsigned int copy_capacity;
};

/* The sizes that pages of one kind of entry may have, as log2. */
struct machine_shifts {
	uint8_t list[8];
	unsigned int count;
};

struct machine_interned {
	uint64_t id;
	struct machine_context context;
};

struct machine {
	struct machine_config config;
	struct machine_observer observer;
	uint64_t clock;
	uint64_t random;
	uint64_t context_ids;
	uint64_t serial;
	/* stamp of the last change of a frame that was ever read as a table */
	uint64_t tables_changed;
	struct machine_frame *frames;
	struct machine_cpu *cpus;
	struct machine_shifts linear_shifts;
	struct machine_shifts nested_shifts;
	struct machine_entry *free_entries;
	struct machine_chunk *chunks;
	struct machine_interned contexts[MACHINE_CONTEXTS];
};

/* --- memory.c */

static inline uint64_t machine_tick(struct machine *machine)
{
	return ++machine->clock;
}

static inline bool machine_memory_holds(const struct machine *machine, uint64_t address)
{
	return address >> MACHINE_PAGE_SHIFT < machine->config.frames;
}

static inline struct machine_frame *machine_memory_frame(const struct machine *machine,
							 uint64_t address)
{
	return &machine->frames[address >> MACHINE_PAGE_SHIFT];
}

/* A walker's read. The word must be in memory. */
static inline uint64_t machine_memory_walk(struct machine *machine, uint64_t address,
					   unsigned int table)
{
	struct machine_frame *frame = machine_memory_frame(machine, address);

	frame->tables |= table;
	return frame->words ? frame->words[address / 8 % MACHINE_WORDS] : 0;
}

void machine_memory_assist(struct machine *machine, unsigned int cpu, uint64_t address,
			   uint64_t bits);
void machine_memory_clear(struct machine *machine);

static inline uint64_t machine_random(struct machine *machine)
{
	uint64_t mixed = machine->random += 0x9e3779b97f4a7c15ull;

	mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9ull;
	mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebull;
	return mixed ^ mixed >> 31;
}

/* --- geometry: a table of level n holds entries that map pages of level n */

static inline unsigned int machine_level_shift(const struct machine_geometry *geometry,
					       unsigned int level)
{
	return MACHINE_PAGE_SHIFT + (level - 1) * geometry->index_bits;
}

static inline unsigned int machine_address_bits(const struct machine_geometry *geometry)
{
	return machine_level_shift(geometry, geometry->levels + 1u);
}

static inline unsigned int machine_index(const struct machine_geometry *geometry,
					 unsigned int level, uint64_t address)
{
	return address >> machine_level_shift(geometry, level) &
	       ((1u << geometry->index_bits) - 1);
}

/* --- tlb.c */

struct machine_space *machine_tlb_space(struct machine *machine, struct machine_cpu *cpu,
					const struct machine_space *key);
struct machine_entry *machine_tlb_find(const struct machine_space *space,
				       const struct machine_translation *is);
struct machine_entry *machine_tlb_add(struct machine *machine, struct machine_space *space,
				      const struct machine_translation *is);
void machine_tlb_drop(struct machine *machine, struct machine_cpu *cpu,
		      struct machine_entry *entry, enum machine_event event);
void machine_tlb_release(struct machine_cpu *cpu, struct machine_space *space);
void machine_tlb_free_chunks(struct machine *machine);
void machine_tlb_grow(struct machine_space *space);
void machine_tlb_clear(struct machine *machine, struct machine_cpu *cpu);

/* The bucket that holds whatever covers @address with this kind and shift. */
static inline struct machine_entry **machine_tlb_bucket(const struct machine_space *space,
							enum machine_kind kind,
							unsigned int shift, uint64_t address)
{
	uint64_t mixed = (address >> shift) * 0x9e3779b97f4a7c15ull + shift * 8 + kind;

	mixed ^= mixed >> 29;
	return &space->buckets[mixed & (space->bucket_count - 1)];
}

static inline bool machine_entry_at(const struct machine_entry *entry, enum machine_kind kind,
				    unsigned int shift, uint64_t address)
{
	return entry->is.kind == kind && entry->is.shift == shift &&
	       entry->is.base >> shift == address >> shift;
}

/**
 * struct machine_cursor - goes over the entries of a kind that cover an address
 * @shifts: the sizes there are
 * @size: index of the one that is being looked at
 * @entry: where it stands
 *
 * Entries may be added meanwhile and need not be seen, but none may be dropped.
 */
struct machine_cursor {
	const struct machine_space *space;
	const struct machine_shifts *shifts;
	uint64_t address;
	enum machine_kind kind;
	unsigned int size;
	struct machine_entry *entry;
};

struct machine_entry *machine_cursor_next(struct machine_cursor *cursor);

/* --- rule.c: the removal tables' language */

/*
 * One cell: 0 keeps everything, else drop what all the named conditions hold
 * for. "named" is what the event's scope says.
 */
#define RULE_ALL (1u << 0)
/* the named tag */
#define RULE_TAG (1u << 1)
/* any tag but 0 */
#define RULE_GUEST (1u << 2)
/* the named nested tag */
#define RULE_NTAG (1u << 3)
/* made under some nested tag */
#define RULE_NESTED (1u << 4)
/* the named PCID */
#define RULE_PCID (1u << 5)
/* the named PCID, or global */
#define RULE_PCID_OR_GLOBAL (1u << 6)
/* not global */
#define RULE_LOCAL (1u << 7)
/* TR: the guest's page covers the named address; PS: it is on its path */
#define RULE_VA (1u << 8)
/* the same if EFER.TCE, else whatever the address */
#define RULE_VA_IF_TCE (1u << 9)
/* NT, NP: covers the named guest-physical address */
#define RULE_GPA (1u << 10)
/* not what quirk Q1 spares */
#define RULE_NOT_Q1 (1u << 11)
/* tag 0 */
#define RULE_TAG_0 (1u << 13)
/* not global if quirk Q4 is on and PCIDE */
#define RULE_LOCAL_IF_Q4 (1u << 12)

/**
 * struct machine_rule - one row of a removal table
 * @tr, @ps, @nested: cells that the manual guarantees
 * @demand: TR, PS, nested: what it leaves open; dropped in MACHINE_REFERENCE only
 */
struct machine_rule {
	uint32_t tr;
	uint32_t ps;
	uint32_t nested;
	struct {
		uint32_t tr;
		uint32_t ps;
		uint32_t nested;
	} demand;
};

/* What the cells' conditions refer to. */
struct machine_scope {
	uint32_t tag;
	uint16_t pcid;
	uint64_t ntag;
	uint64_t va;
	uint64_t gpa;
	/* last address of the range that starts at va */
	uint64_t va_last;
};

void machine_rule_apply(struct machine *machine, struct machine_cpu *cpu,
			enum machine_event event, const struct machine_rule *rule,
			const struct machine_scope *scope);
void machine_rule_run(struct machine *machine, struct machine_cpu *cpu,
		      enum machine_event event, const struct machine_scope *scope);
bool machine_rule_matches(const struct machine *machine, const struct machine_cpu *cpu,
			  uint32_t cell, const struct machine_scope *scope,
			  const struct machine_entry *entry);

extern const struct machine_rule machine_svm_rules[MACHINE_EVENT_COUNT];
extern const struct machine_rule machine_vmx_rules[MACHINE_EVENT_COUNT];

/* --- cpu.c */

struct machine_scope machine_scope_of(const struct machine_cpu *cpu, uint64_t va);
/* Registers or guest state changed: find the context and its spaces again. */
void machine_cpu_refresh(struct machine *machine, struct machine_cpu *cpu);
/* Something may soon prevent fills that are permitted now. */
void machine_cpu_moment(struct machine *machine, struct machine_cpu *cpu);
void machine_cpu_world_switch(struct machine *machine, struct machine_cpu *cpu);
struct machine_cpu *machine_cpu_get(const struct machine *machine, unsigned int cpu);

static inline bool machine_is_amd(const struct machine *machine)
{
	return machine->config.vendor == MACHINE_AMD;
}

static inline bool machine_is_hardware(const struct machine *machine)
{
	return machine->config.use == MACHINE_HARDWARE;
}

/* --- walk.c, nested.c */

/**
 * struct machine_walk - one closure: what may be derived from what is cached and
 *	from the tables as they are now
 * @address: of the access
 * @access: MACHINE_READ ... with flags
 * @outcomes: gets failed walks, or NULL
 * @everything: not for @address alone but for all that can be reached
 * @sparse: of that, a random part
 * @nested_done: the nested space is already closed
 * @serial: marks what this walk has derived
 */
struct machine_walk {
	struct machine *machine;
	struct machine_cpu *cpu;
	const struct machine_context *context;
	uint64_t address;
	uint32_t access;
	struct machine_outcomes *outcomes;
	bool everything;
	bool sparse;
	bool nested_done;
	uint64_t serial;
};

/* What a step of a walk derives an entry from. */
struct machine_source {
	const struct machine_entry *parent;
	const struct machine_entry *nested;
	uint64_t word;
};

/* A table word, taken apart; a leaf's @out and @shift are the page's. */
struct machine_word {
	uint64_t value;
	uint64_t at;
	uint64_t base;
	uint64_t out;
	unsigned int shift;
	bool present;
	bool reserved;
	bool leaf;
	bool accessed;
	bool dirty;
	bool global;
	uint8_t rights;
};

void machine_walk_start(struct machine_walk *walk, struct machine *machine,
			struct machine_cpu *cpu);
void machine_walk_address(struct machine_walk *walk);
void machine_walk_all(struct machine_walk *walk);

/*
 * Nothing new can come from an entry's table as long as it and what is below it
 * are the same; @below is when that last changed, 0 if nothing is.
 */
bool machine_is_expanded(const struct machine_walk *walk, struct machine_entry *entry,
			 uint64_t below);

/* --- nested.c */

void machine_nested_all(struct machine_walk *walk);
void machine_nested_address(struct machine_walk *walk, uint64_t gpa, bool dirty);
void machine_nested_table(struct machine_walk *walk, uint64_t gpa);
bool machine_nested_allows_table(const struct machine_walk *walk,
				 const struct machine_entry *entry);
void machine_nested_forbids_table(struct machine_walk *walk, uint64_t gpa);

/* The usable NTs for an address. */
static inline struct machine_cursor machine_nested_cursor(const struct machine_walk *walk,
							  uint64_t gpa)
{
	return (struct machine_cursor){
		.space = walk->cpu->nested_space,
		.shifts = &walk->machine->nested_shifts,
		.address = gpa,
		.kind = MACHINE_KIND_NT,
	};
}

/* --- fill.c */

struct machine_entry *machine_fill(struct machine_walk *walk, struct machine_space *space,
				   const struct machine_translation *is,
				   const struct machine_source *source);
void machine_fill_deps(const struct machine *machine, struct machine_entry *entry,
		       const struct machine_source *source);
void machine_fail(struct machine_walk *walk, const struct machine_outcome *outcome);
struct machine_word machine_word_x86(struct machine_walk *walk, const struct machine_entry *table,
				     unsigned int index, bool nested);
struct machine_word machine_word_ept(struct machine_walk *walk, const struct machine_entry *table,
				     unsigned int index);

/* --- access.c */

void machine_outcomes_add(struct machine_outcomes *outcomes,
			  const struct machine_outcome *outcome);

#endif
