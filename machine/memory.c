/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Physical memory: words with versions. TLBs do not snoop it, so all that a
 * write does to them is to remember that what was read is out of date.
 */
#include "inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What a walker sets by itself, and what only adds rights. */
#define X86_MORE (MACHINE_RW | MACHINE_US | MACHINE_A | MACHINE_D)
#define X86_LESS MACHINE_XD
#define EPT_MORE                                                                                \
	(MACHINE_EPT_R | MACHINE_EPT_W | MACHINE_EPT_X | MACHINE_EPT_A | MACHINE_EPT_D)

uint64_t machine_read(const struct machine *machine, uint64_t address)
{
	const struct machine_frame *frame;

	if (!machine_memory_holds(machine, address))
		return 0;
	frame = machine_memory_frame(machine, address);
	return frame->words ? frame->words[address / 8 % MACHINE_WORDS] : 0;
}

uint32_t machine_word_version(const struct machine *machine, uint64_t address)
{
	const struct machine_frame *frame;

	if (!machine_memory_holds(machine, address))
		return 0;
	frame = machine_memory_frame(machine, address);
	return frame->incarnation +
	       (frame->versions ? frame->versions[address / 8 % MACHINE_WORDS] : 0);
}

/* Untouched memory costs nothing: a frame gets its words with the first write. */
static void frame_materialise(struct machine_frame *frame)
{
	if (frame->words)
		return;
	frame->words = calloc(MACHINE_WORDS, sizeof(*frame->words));
	frame->versions = calloc(MACHINE_WORDS, sizeof(*frame->versions));
	/* A model that runs out of memory has no result worth having. */
	if (!frame->words || !frame->versions)
		abort();
}

static bool only_adds(uint64_t old, uint64_t value, uint64_t more, uint64_t less)
{
	uint64_t set = value & ~old;
	uint64_t cleared = old & ~value;

	return (set & ~more) == 0 && (cleared & ~less) == 0;
}

/* A present entry that gets more rights, or A or D: nothing becomes untrue. */
static bool is_upgrade(const struct machine_frame *frame, uint64_t old, uint64_t value)
{
	switch (frame->tables) {
	case MACHINE_TABLE_X86:
		return (old & MACHINE_P) && only_adds(old, value, X86_MORE, X86_LESS);
	case MACHINE_TABLE_EPT:
		return (old & (MACHINE_EPT_R | MACHINE_EPT_W | MACHINE_EPT_X)) &&
		       only_adds(old, value, EPT_MORE, 0);
	default:
		return false;
	}
}

static void frame_changed(struct machine *machine, struct machine_frame *frame)
{
	frame->changed = machine_tick(machine);
	if (frame->tables)
		machine->tables_changed = frame->changed;
}

static void moment_everywhere(struct machine *machine)
{
	for (unsigned int cpu = 0; cpu < machine->config.cpus; cpu++)
		machine_cpu_moment(machine, &machine->cpus[cpu]);
}

int machine_write(struct machine *machine, uint64_t address, uint64_t value)
{
	unsigned int index = address / 8 % MACHINE_WORDS;
	struct machine_frame *frame;
	uint64_t old;

	if (!machine_memory_holds(machine, address) || address % 8)
		return -EINVAL;
	frame = machine_memory_frame(machine, address);
	if (machine_read(machine, address) == value)
		return 0;
	moment_everywhere(machine);
	frame_materialise(frame);
	/* Read again: filling may just have set A. */
	old = frame->words[index];
	frame->words[index] = value;
	if (!is_upgrade(frame, old, value))
		frame->versions[index]++;
	frame_changed(machine, frame);
	return 0;
}

int machine_retire(struct machine *machine, uint64_t address)
{
	struct machine_frame *frame;

	if (!machine_memory_holds(machine, address))
		return -EINVAL;
	moment_everywhere(machine);
	frame = machine_memory_frame(machine, address);
	frame->incarnation++;
	frame_changed(machine, frame);
	return 0;
}

/*
 * A says nothing to a walker. But EPT's A is the G of an x86 table, and Intel's
 * walker can read a table that it may not write to only where A is set already.
 */
static bool is_silent(const struct machine *machine, const struct machine_frame *frame,
		      uint64_t bits)
{
	if (bits == MACHINE_A && frame->tables == MACHINE_TABLE_X86)
		return machine_is_amd(machine);
	return bits == MACHINE_EPT_A && frame->tables == MACHINE_TABLE_EPT;
}

/* The walker sets A or D. */
void machine_memory_assist(struct machine *machine, unsigned int cpu, uint64_t address,
			   uint64_t bits)
{
	struct machine_frame *frame = machine_memory_frame(machine, address);
	unsigned int index = address / 8 % MACHINE_WORDS;

	frame_materialise(frame);
	if ((frame->words[index] & bits) == bits)
		return;
	frame->words[index] |= bits;
	if (!is_silent(machine, frame, bits))
		frame_changed(machine, frame);
	if (machine->observer.assist)
		machine->observer.assist(machine->observer.cookie, cpu, address & ~7ull,
					 frame->words[index]);
}

void machine_memory_clear(struct machine *machine)
{
	for (unsigned int i = 0; i < machine->config.frames; i++) {
		struct machine_frame *frame = &machine->frames[i];

		if (frame->words) {
			memset(frame->words, 0, MACHINE_WORDS * sizeof(*frame->words));
			memset(frame->versions, 0, MACHINE_WORDS * sizeof(*frame->versions));
		}
		frame->changed = 0;
		frame->incarnation = 0;
		frame->tables = 0;
	}
}
