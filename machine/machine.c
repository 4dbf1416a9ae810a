/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The machine as a whole: made, begun anew, watched, summed up.
 */
#include "inside.h"

#include <stdlib.h>
#include <string.h>

void machine_config_init(struct machine_config *config, enum machine_vendor vendor)
{
	memset(config, 0, sizeof(*config));
	config->vendor = vendor;
	config->use = MACHINE_HARDWARE;
	config->speculation = MACHINE_SPECULATE_ALWAYS;
	config->clean = MACHINE_CLEAN_OLD;
	config->cpus = 2;
	config->frames = 256;
	config->linear = (struct machine_geometry){ .levels = 2, .index_bits = 2 };
	config->nested = (struct machine_geometry){ .levels = 2, .index_bits = 4 };
	config->nested_owner_mask = UINT64_MAX;
	config->quirks.invlpga_npt_broken = vendor == MACHINE_AMD;
}

static bool geometry_possible(const struct machine_geometry *geometry)
{
	return geometry->levels >= 2 && geometry->levels <= 4 && geometry->index_bits >= 1 &&
	       geometry->index_bits <= 9;
}

static bool config_possible(const struct machine_config *config)
{
	return config->cpus >= 1 && config->cpus <= MACHINE_CPUS_MAX && config->frames >= 1 &&
	       geometry_possible(&config->linear) && geometry_possible(&config->nested) &&
	       config->vendor <= MACHINE_INTEL && config->use <= MACHINE_REFERENCE &&
	       config->speculation <= MACHINE_SPECULATE_ALWAYS &&
	       config->clean <= MACHINE_CLEAN_RANDOM;
}

/* --- the sizes of pages --- */

static void shifts_add(struct machine_shifts *shifts, unsigned int shift)
{
	for (unsigned int i = 0; i < shifts->count; i++) {
		if (shifts->list[i] == shift)
			return;
	}
	shifts->list[shifts->count++] = shift;
}

static void shifts_add_geometry(struct machine_shifts *shifts,
				const struct machine_geometry *geometry)
{
	for (unsigned int level = 1; level <= geometry->levels && level <= 3; level++)
		shifts_add(shifts, machine_level_shift(geometry, level));
}

/* --- life --- */

static void begin(struct machine *machine, uint64_t seed)
{
	machine->config.seed = seed;
	machine->random = seed;
	machine->clock = 0;
	machine->serial = 0;
	machine->tables_changed = 0;
	machine->context_ids = 0;
	memset(machine->contexts, 0, sizeof(machine->contexts));
	for (unsigned int i = 0; i < machine->config.cpus; i++) {
		struct machine_cpu *cpu = &machine->cpus[i];

		cpu->id = i;
		cpu->online = true;
		cpu->guest = false;
		cpu->owner = 0;
		cpu->copy_count = 0;
		cpu->answer = NULL;
		cpu->saturated_id = 0;
		memset(&cpu->registers, 0, sizeof(cpu->registers));
		for (unsigned int j = 0; j < MACHINE_ANSWERS; j++)
			cpu->answers[j].outcomes.count = 0;
		machine_cpu_refresh(machine, cpu);
	}
}

struct machine *machine_create(const struct machine_config *config)
{
	struct machine *machine;

	if (!config_possible(config))
		return NULL;
	machine = calloc(1, sizeof(*machine));
	if (!machine)
		return NULL;
	machine->config = *config;
	machine->frames = calloc(config->frames, sizeof(*machine->frames));
	machine->cpus = calloc(config->cpus, sizeof(*machine->cpus));
	if (!machine->frames || !machine->cpus) {
		free(machine->frames);
		free(machine->cpus);
		free(machine);
		return NULL;
	}
	shifts_add_geometry(&machine->nested_shifts, &config->nested);
	shifts_add_geometry(&machine->linear_shifts, &config->linear);
	shifts_add_geometry(&machine->linear_shifts, &config->nested);
	begin(machine, config->seed);
	return machine;
}

static void cpu_free(struct machine *machine, struct machine_cpu *cpu)
{
	machine_tlb_clear(machine, cpu);
	for (unsigned int i = 0; i < MACHINE_ANSWERS; i++)
		free(cpu->answers[i].outcomes.list);
	free(cpu->copies);
}

void machine_destroy(struct machine *machine)
{
	if (!machine)
		return;
	for (unsigned int i = 0; i < machine->config.cpus; i++)
		cpu_free(machine, &machine->cpus[i]);
	for (unsigned int i = 0; i < machine->config.frames; i++) {
		free(machine->frames[i].words);
		free(machine->frames[i].versions);
	}
	machine_tlb_free_chunks(machine);
	free(machine->frames);
	free(machine->cpus);
	free(machine);
}

void machine_reset(struct machine *machine, uint64_t seed)
{
	for (unsigned int i = 0; i < machine->config.cpus; i++)
		machine_tlb_clear(machine, &machine->cpus[i]);
	machine_memory_clear(machine);
	begin(machine, seed);
}

const struct machine_config *machine_configuration(const struct machine *machine)
{
	return &machine->config;
}

uint64_t machine_clock(const struct machine *machine)
{
	return machine->clock;
}

void machine_observe(struct machine *machine, const struct machine_observer *observer)
{
	static const struct machine_observer nobody;

	machine->observer = observer ? *observer : nobody;
}

/* --- the state as a number --- */

static uint64_t mix(uint64_t sum, uint64_t value)
{
	sum = (sum ^ value) * 0x9e3779b97f4a7c15ull;
	return sum ^ sum >> 32;
}

/* Sums of these do not depend on the order of the entries. */
static void digest_entry(void *cookie, const struct machine_entry *entry)
{
	uint64_t *total = cookie;
	const unsigned char *bytes = (const unsigned char *)&entry->is;
	uint64_t sum = mix(entry->space->tag, entry->space->ntag);

	for (unsigned int i = 0; i < sizeof(entry->is); i += sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, bytes + i, sizeof(word));
		sum = mix(sum, word);
	}
	*total += mix(sum, entry->doomed);
}

static uint64_t digest_cpu(const struct machine *machine, const struct machine_cpu *cpu)
{
	uint64_t sum = mix(cpu->online, cpu->guest);
	uint64_t entries = 0;

	sum = mix(mix(sum, cpu->registers.cr0), cpu->registers.cr3);
	sum = mix(mix(sum, cpu->registers.cr4), cpu->registers.efer);
	sum = mix(mix(sum, cpu->context.tag), cpu->context.nested_root);
	sum = mix(mix(sum, cpu->context.nested), cpu->context.owner);
	machine_for_each_entry(machine, cpu->id, digest_entry, &entries);
	return mix(sum, entries);
}

uint64_t machine_digest(const struct machine *machine)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < machine->config.frames; i++) {
		const uint64_t *words = machine->frames[i].words;

		for (unsigned int j = 0; words && j < MACHINE_WORDS; j++)
			sum = words[j] ? mix(mix(sum, i * MACHINE_WORDS + j), words[j]) : sum;
	}
	for (unsigned int i = 0; i < machine->config.cpus; i++)
		sum = mix(sum, digest_cpu(machine, &machine->cpus[i]));
	return sum;
}
