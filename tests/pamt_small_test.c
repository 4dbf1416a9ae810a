/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every interleaving of two and three CPUs that get and put uses of one region,
 * over and over, down to the single atomic operation, with a module that may
 * refuse each PAMT.ADD and PAMT.REMOVE.
 *
 * The library's source is compiled into this test with atomics that give the
 * control away first. Each CPU is a coroutine; the explorer says which one makes
 * its next step, and what the module answers. A state is the region's word, what
 * the module has, and for each CPU in which call it is and what it read last, for
 * the calls carry nothing else from one atomic operation to the next. The search
 * visits every state there is, so it covers runs of any length. States are reached again by
 * repeating the steps that led there. Guards D1, D2, D3, PAMT_RECHECK,
 * PAMT_ADDED, PAMT_LAST, PAMT_CLOSED, PAMT_STUCK.
 */
#include <tlbtag_port.h>

static void step_point(void);
static uint64_t step_seen(uint64_t value);

#undef tlbtag_load_relaxed
#undef tlbtag_exchange_seq
#undef tlbtag_compare_exchange_seq
#define tlbtag_load_relaxed(pointer) \
	(step_point(), (__typeof__(*(pointer)))step_seen(*(pointer)))
#define tlbtag_exchange_seq(pointer, value)                              \
	({                                                               \
		step_point();                                            \
		__typeof__(*(pointer)) old_value = *(pointer);           \
		*(pointer) = (__typeof__(*(pointer)))(value);            \
		(__typeof__(*(pointer)))step_seen(old_value);            \
	})
#define tlbtag_compare_exchange_seq(pointer, old, new)                   \
	({                                                               \
		step_point();                                            \
		__typeof__(*(pointer)) old_value = *(pointer);           \
		if (old_value == (old))                                  \
			*(pointer) = (new);                              \
		(__typeof__(*(pointer)))step_seen(old_value);            \
	})

#include "../lib/pamt.c"

#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

#include "test.h"

#define CPUS_MAX 3u
#define STACK_SIZE (64u * 1024u)
#define STEPS_MAX 512u
#define STATES_MAX (1u << 17)
#define TABLE_SIZE (4u * STATES_MAX)
#define CHOICES 2u

enum place {
	PLACE_IDLE = 0,
	PLACE_GETTING = 1,
	PLACE_AT_MODULE = 2,
	PLACE_HOLDING = 3,
	PLACE_PUTTING = 4,
	PLACE_TRYING = 5,
};

struct cpu {
	ucontext_t context;
	enum place place;
	uint64_t seen; /* 1 + what this CPU read last, 0 if nothing at this place */
};

/* How a state is reached: the step from the state before. */
struct state {
	uint32_t before;
	uint16_t depth;
	uint8_t cpu;
	uint8_t choice;
};

static struct cpu cpus[CPUS_MAX];
static char stacks[CPUS_MAX][STACK_SIZE] __attribute__((aligned(16)));
static ucontext_t explorer;
static uint32_t current;
static uint32_t cpu_count;
static uint32_t choice;

static struct tlbtag_pamt pamt;
static uint16_t word;
static bool installed;
static uint32_t wrong;

static struct state states[STATES_MAX];
static uint32_t state_count;
static uint64_t table[TABLE_SIZE];

/* --- the CPUs ------------------------------------------------------------------ */

static void step_point(void)
{
	swapcontext(&cpus[current].context, &explorer);
}

static uint64_t step_seen(uint64_t value)
{
	cpus[current].seen = value + 1;
	return value;
}

static void at(enum place place)
{
	cpus[current].place = place;
	cpus[current].seen = 0;
}

/* The module takes its time, and @changes only if it feels like it. */
static bool module_call(bool from)
{
	bool done;

	at(PLACE_AT_MODULE);
	step_seen(from);
	wrong += installed != from;
	step_point();
	done = choice == 0;
	if (done)
		installed = !from;
	step_seen(2u + 2u * from + done);
	return done;
}

static bool cpu_get(void)
{
	enum tlbtag_pamt_step step;
	bool added;

	at(PLACE_TRYING);
	if (tlbtag_pamt_try_get(&pamt, 0))
		return true;
	at(PLACE_GETTING);
	while ((step = tlbtag_pamt_get(&pamt, 0)) == TLBTAG_PAMT_WAIT)
		at(PLACE_GETTING);
	if (step == TLBTAG_PAMT_DONE)
		return true;
	wrong += step != TLBTAG_PAMT_ADD;
	added = module_call(false);
	wrong += tlbtag_pamt_get_end(&pamt, 0, added) != 0;
	return added;
}

static void cpu_put(void)
{
	enum tlbtag_pamt_step step;

	at(PLACE_PUTTING);
	step = tlbtag_pamt_put(&pamt, 0);
	if (step == TLBTAG_PAMT_DONE)
		return;
	wrong += step != TLBTAG_PAMT_REMOVE;
	wrong += tlbtag_pamt_put_end(&pamt, 0, module_call(true)) != 0;
}

static void cpu_main(void)
{
	for (;;) {
		at(PLACE_IDLE);
		step_point();
		if (!cpu_get())
			continue;
		at(PLACE_HOLDING);
		step_point();
		cpu_put();
	}
}

/* --- the explorer --------------------------------------------------------------- */

static void cpu_step(uint32_t nr, uint32_t module_choice)
{
	current = nr;
	choice = module_choice;
	swapcontext(&explorer, &cpus[nr].context);
}

static void cpu_begin(struct cpu *cpu, char *stack)
{
	getcontext(&cpu->context);
	cpu->context.uc_stack.ss_sp = stack;
	cpu->context.uc_stack.ss_size = STACK_SIZE;
	cpu->context.uc_link = NULL;
	makecontext(&cpu->context, cpu_main, 0);
}

static void begin(void)
{
	word = 0;
	installed = false;
	wrong = 0;
	for (uint32_t nr = 0; nr < cpu_count; nr++) {
		cpu_begin(&cpus[nr], stacks[nr]);
		cpu_step(nr, 0);
	}
}

static void go_to(uint32_t nr)
{
	uint32_t path[STEPS_MAX];
	uint32_t length = states[nr].depth;

	begin();
	for (uint32_t i = length; i > 0; i--, nr = states[nr].before)
		path[i - 1] = nr;
	for (uint32_t i = 0; i < length; i++)
		cpu_step(states[path[i]].cpu, states[path[i]].choice);
}

static uint64_t state_hash(void)
{
	uint64_t hash = (uint64_t)word * 2 + installed + 1;

	for (uint32_t nr = 0; nr < cpu_count; nr++) {
		hash = (hash ^ cpus[nr].place) * UINT64_C(0xff51afd7ed558ccd);
		hash = (hash ^ hash >> 32 ^ cpus[nr].seen) * UINT64_C(0xc4ceb9fe1a85ec53);
		hash ^= hash >> 29;
	}
	return hash | 1;
}

static bool is_new(uint64_t hash)
{
	uint32_t slot = (uint32_t)(hash >> 20) % TABLE_SIZE;

	for (; table[slot] != 0; slot = (slot + 1) % TABLE_SIZE)
		if (table[slot] == hash)
			return false;
	table[slot] = hash;
	return true;
}

static uint32_t count_at(enum place place)
{
	uint32_t count = 0;

	for (uint32_t nr = 0; nr < cpu_count; nr++)
		count += cpus[nr].place == place;
	return count;
}

/* What must hold in every state; more, where no CPU is in the middle of a call. */
static bool is_good(void)
{
	uint32_t holding = count_at(PLACE_HOLDING);
	uint32_t at_module = count_at(PLACE_AT_MODULE);

	if (wrong || at_module > 1 || (holding && !installed))
		return false;
	if (tlbtag_sim_warnings_unseen() || (word & USES) < holding)
		return false;
	if (at_module == 0 && (word != BUSY && word != 0) != installed)
		return false;
	return holding + count_at(PLACE_IDLE) != cpu_count || (word & USES) == holding;
}

static bool try_step(uint32_t before, uint32_t nr, uint32_t module_choice)
{
	go_to(before);
	if (module_choice && cpus[nr].place != PLACE_AT_MODULE)
		return true;
	cpu_step(nr, module_choice);
	if (!is_good())
		return false;
	if (!is_new(state_hash()))
		return true;
	if (state_count == STATES_MAX || states[before].depth + 1u >= STEPS_MAX)
		return CHECK(!"the search ran out of room");
	states[state_count++] = (struct state){ before, (uint16_t)(states[before].depth + 1),
						(uint8_t)nr, (uint8_t)module_choice };
	return true;
}

/* Every state that can be reached; false as soon as one is bad. */
static bool explore(uint32_t cpus_wanted)
{
	cpu_count = cpus_wanted;
	memset(table, 0, sizeof(table));
	memset(&pamt, 0, sizeof(pamt));
	CHECK_EQ(tlbtag_pamt_init(&pamt, 0, 1, &word), 0);
	states[0] = (struct state){ 0 };
	state_count = 1;
	begin();
	is_new(state_hash());
	for (uint32_t before = 0; before < state_count; before++)
		for (uint32_t turn = 0; turn < cpu_count * CHOICES; turn++)
			if (!try_step(before, turn / CHOICES, turn % CHOICES))
				return false;
	return true;
}

TEST(pamt_every_interleaving_of_two_cpus)
{
	CHECK(explore(2));
	printf("     %u states, at most %u steps from the start\n", state_count,
	       states[state_count - 1].depth);
}

TEST(pamt_every_interleaving_of_three_cpus)
{
	CHECK(explore(3));
	printf("     %u states, at most %u steps from the start\n", state_count,
	       states[state_count - 1].depth);
}

TEST(pamt_without_a_rule_some_interleaving_of_two_cpus_goes_wrong)
{
	static const enum tlbtag_rule rules[] = {
		TLBTAG_RULE_PAMT_RECHECK, TLBTAG_RULE_PAMT_ADDED, TLBTAG_RULE_PAMT_LAST,
		TLBTAG_RULE_PAMT_CLOSED, TLBTAG_RULE_PAMT_STUCK,
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		tlbtag_sim_rule_off(rules[i]);
		if (!CHECK(!explore(2)))
			test_failed(__FILE__, __LINE__, "rule %d", (int)rules[i]);
		tlbtag_sim_rule_on(rules[i]);
		tlbtag_sim_warnings_reset();
	}
}
