/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A processor: its registers, the context they add up to, and the events that
 * both vendors have. What an event removes stands in svm.c and vmx.c; here
 * stands which row it is.
 */
#include "inside.h"

#include <errno.h>
#include <string.h>

struct machine_cpu *machine_cpu_get(const struct machine *machine, unsigned int cpu)
{
	return &machine->cpus[cpu];
}

const struct machine_context *machine_context(const struct machine *machine, unsigned int cpu)
{
	return &machine_cpu_get(machine, cpu)->context;
}

const struct machine_registers *machine_registers(const struct machine *machine,
						  unsigned int cpu)
{
	return &machine_cpu_get(machine, cpu)->registers;
}

/* --- the context --- */

static uint16_t pcid_of(const struct machine_registers *registers)
{
	if (!(registers->cr4 & MACHINE_CR4_PCIDE) || !(registers->cr0 & MACHINE_CR0_PG))
		return 0;
	return registers->cr3 & MACHINE_CR3_PCID;
}

static void context_of(const struct machine *machine, const struct machine_cpu *cpu,
		       struct machine_context *context)
{
	const struct machine_registers *registers = &cpu->registers;

	memset(context, 0, sizeof(*context));
	context->online = cpu->online;
	context->guest = cpu->guest;
	context->paging = registers->cr0 & MACHINE_CR0_PG;
	context->root = registers->cr3 & MACHINE_ADDRESS;
	context->pcid = pcid_of(registers);
	context->global = registers->cr4 & MACHINE_CR4_PGE;
	context->nxe = registers->efer & MACHINE_EFER_NXE;
	context->wp = registers->cr0 & MACHINE_CR0_WP;
	context->smep = registers->cr4 & MACHINE_CR4_SMEP;
	context->smap = registers->cr4 & MACHINE_CR4_SMAP;
	context->owner = cpu->guest ? cpu->guest_owner : cpu->owner;
	context->ntag = MACHINE_NTAG_NONE;
	if (!cpu->guest)
		return;
	context->tag = cpu->guest_tag;
	context->nested = cpu->guest_nested;
	if (!context->nested)
		return;
	context->nested_root = cpu->guest_root & MACHINE_ADDRESS;
	context->nested_nxe = cpu->host_registers.efer & MACHINE_EFER_NXE;
	context->nested_ad = machine_is_amd(machine) || (cpu->guest_root & MACHINE_EPTP_AD);
	if (!machine_is_amd(machine))
		context->ntag = context->nested_root;
}

/* Equal contexts get equal numbers, unless the place was needed in between. */
static uint64_t context_intern(struct machine *machine, const struct machine_context *context)
{
	uint64_t mixed = context->root * 3 + context->nested_root * 5;
	struct machine_interned *place;

	mixed += context->tag * 0x9e3779b9ull + context->owner * 0x85ebca6bull;
	mixed += context->pcid * 0xc2b2ae35ull + context->paging;
	mixed ^= mixed >> 33;
	mixed ^= mixed >> 12;
	place = &machine->contexts[mixed % MACHINE_CONTEXTS];
	if (place->id == 0 || memcmp(&place->context, context, sizeof(*context)) != 0) {
		place->context = *context;
		place->id = ++machine->context_ids;
	}
	return place->id;
}

void machine_cpu_refresh(struct machine *machine, struct machine_cpu *cpu)
{
	struct machine_space key = { .ntag = MACHINE_NTAG_NONE };
	struct machine_space *old[2] = { cpu->space, cpu->nested_space };

	context_of(machine, cpu, &cpu->context);
	cpu->context_id = context_intern(machine, &cpu->context);
	key.tag = cpu->context.tag;
	key.ntag = cpu->context.ntag;
	cpu->space = machine_tlb_space(machine, cpu, &key);
	key.nested = true;
	if (!machine_is_amd(machine))
		key.tag = 0;
	cpu->nested_space = cpu->context.nested ? machine_tlb_space(machine, cpu, &key) : NULL;
	for (unsigned int i = 0; i < 2; i++) {
		if (old[i])
			machine_tlb_release(cpu, old[i]);
	}
}

struct machine_scope machine_scope_of(const struct machine_cpu *cpu, uint64_t va)
{
	return (struct machine_scope){
		.tag = cpu->context.tag,
		.ntag = cpu->context.ntag,
		.pcid = cpu->context.pcid,
		.va = va,
		.va_last = va,
	};
}

void machine_owner_set(struct machine *machine, unsigned int cpu, uint64_t owner)
{
	struct machine_cpu *self = machine_cpu_get(machine, cpu);

	if (self->owner == owner)
		return;
	machine_cpu_moment(machine, self);
	self->owner = owner;
	machine_cpu_refresh(machine, self);
}

/* --- when hardware fills unasked --- */

static uint64_t latest(uint64_t one, uint64_t other)
{
	return one > other ? one : other;
}

static uint64_t reach_stamp(const struct machine *machine, const struct machine_cpu *cpu)
{
	uint64_t stamp = latest(machine->tables_changed, cpu->space->changed);

	return cpu->nested_space ? latest(stamp, cpu->nested_space->changed) : stamp;
}

static void fill_part(struct machine *machine, struct machine_cpu *cpu)
{
	struct machine_walk walk;

	machine_walk_start(&walk, machine, cpu);
	walk.sparse = true;
	machine_walk_all(&walk);
}

static void saturate(struct machine *machine, struct machine_cpu *cpu)
{
	struct machine_walk walk;
	uint64_t before;

	if (cpu->saturated_id == cpu->context_id &&
	    cpu->saturated_stamp == reach_stamp(machine, cpu))
		return;
	/* Again, if D was set on the way in what had been read before. */
	do {
		before = machine->tables_changed;
		machine_walk_start(&walk, machine, cpu);
		machine_walk_all(&walk);
	} while (before != machine->tables_changed);
	cpu->saturated_id = cpu->context_id;
	cpu->saturated_stamp = reach_stamp(machine, cpu);
}

static bool translates(const struct machine_cpu *cpu)
{
	return cpu->context.online && (cpu->context.paging || cpu->context.nested);
}

/*
 * Filling is possible at any time, but makes a difference only when something
 * is about to change: a table, the context, or what is cached.
 */
void machine_cpu_moment(struct machine *machine, struct machine_cpu *cpu)
{
	if (machine->config.speculation == MACHINE_SPECULATE_NEVER ||
	    machine->config.forgetful || !translates(cpu))
		return;
	if (machine->config.speculation == MACHINE_SPECULATE_ALWAYS)
		saturate(machine, cpu);
	else if (machine_random(machine) % 2)
		fill_part(machine, cpu);
}

void machine_speculate(struct machine *machine, unsigned int cpu, uint64_t address, uint64_t size)
{
	struct machine_cpu *self = machine_cpu_get(machine, cpu);
	struct machine_walk walk;
	uint64_t end = address + size;

	if (!translates(self) || machine->config.forgetful)
		return;
	if (size == 0) {
		saturate(machine, self);
		return;
	}
	for (address &= ~(uint64_t)(MACHINE_PAGE_SIZE - 1); address < end;
	     address += MACHINE_PAGE_SIZE) {
		machine_walk_start(&walk, machine, self);
		walk.address = address;
		machine_walk_address(&walk);
	}
}

/* A TLB without tags does not survive a change of world. */
void machine_cpu_world_switch(struct machine *machine, struct machine_cpu *cpu)
{
	static const struct machine_rule all = { RULE_ALL, RULE_ALL, RULE_ALL, { 0, 0, 0 } };
	struct machine_scope scope = machine_scope_of(cpu, 0);

	if (machine->config.forgetful)
		machine_rule_apply(machine, cpu, MACHINE_EVENT_FORGET, &all, &scope);
}

/* --- registers --- */

/* The named row, for the current tag and the PCID that is current afterwards. */
static void run_current(struct machine *machine, struct machine_cpu *cpu,
			enum machine_event event)
{
	struct machine_scope scope = machine_scope_of(cpu, 0);

	scope.pcid = pcid_of(&cpu->registers);
	machine_rule_run(machine, cpu, event, &scope);
}

int machine_mov_cr0(struct machine *machine, unsigned int cpu, uint64_t value)
{
	struct machine_cpu *self = machine_cpu_get(machine, cpu);
	enum machine_event event = MACHINE_EVENT_CR0_OTHER;
	uint64_t changed = self->registers.cr0 ^ value;

	if (!(value & MACHINE_CR0_PG) && (self->registers.cr4 & MACHINE_CR4_PCIDE))
		return -EINVAL;
	machine_cpu_moment(machine, self);
	if (changed & MACHINE_CR0_PG)
		event = value & MACHINE_CR0_PG ? MACHINE_EVENT_PG_ON : MACHINE_EVENT_PG_OFF;
	self->registers.cr0 = value;
	run_current(machine, self, event);
	machine_cpu_refresh(machine, self);
	return 0;
}

static void load_cr3(struct machine *machine, struct machine_cpu *cpu, uint64_t value,
		     enum machine_event event)
{
	machine_cpu_moment(machine, cpu);
	cpu->registers.cr3 = value & ~MACHINE_CR3_NOFLUSH;
	run_current(machine, cpu, event);
	machine_cpu_refresh(machine, cpu);
}

int machine_mov_cr3(struct machine *machine, unsigned int cpu, uint64_t value)
{
	struct machine_cpu *self = machine_cpu_get(machine, cpu);
	bool keep = value & MACHINE_CR3_NOFLUSH;

	if (keep && !(self->registers.cr4 & MACHINE_CR4_PCIDE))
		return -EINVAL;
	load_cr3(machine, self, value, keep ? MACHINE_EVENT_CR3_KEEP : MACHINE_EVENT_CR3);
	return 0;
}

int machine_task_switch(struct machine *machine, unsigned int cpu, uint64_t cr3)
{
	load_cr3(machine, machine_cpu_get(machine, cpu), cr3, MACHINE_EVENT_TASK);
	return 0;
}

/* Each changed bit of CR4 is an event of its own; their order makes no difference. */
static void run_cr4(struct machine *machine, struct machine_cpu *cpu, uint64_t changed)
{
	static const struct {
		uint64_t bit;
		enum machine_event on;
		enum machine_event off;
	} bits[] = {
		{ MACHINE_CR4_PGE, MACHINE_EVENT_PGE, MACHINE_EVENT_PGE },
		{ MACHINE_CR4_PCIDE, MACHINE_EVENT_PCIDE_ON, MACHINE_EVENT_PCIDE_OFF },
		{ MACHINE_CR4_PAE, MACHINE_EVENT_PAE, MACHINE_EVENT_PAE },
		{ MACHINE_CR4_PSE, MACHINE_EVENT_PSE, MACHINE_EVENT_PSE },
		{ MACHINE_CR4_SMEP, MACHINE_EVENT_SMEP_ON, MACHINE_EVENT_CR4_OTHER },
		{ MACHINE_CR4_PKE, MACHINE_EVENT_PKE_ON, MACHINE_EVENT_CR4_OTHER },
		{ MACHINE_CR4_SMAP, MACHINE_EVENT_CR4_OTHER, MACHINE_EVENT_CR4_OTHER },
	};

	for (unsigned int i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
		if (changed & bits[i].bit)
			run_current(machine, cpu,
				    cpu->registers.cr4 & bits[i].bit ? bits[i].on : bits[i].off);
	}
}

int machine_mov_cr4(struct machine *machine, unsigned int cpu, uint64_t value)
{
	struct machine_cpu *self = machine_cpu_get(machine, cpu);
	uint64_t changed = self->registers.cr4 ^ value;

	if ((changed & value & MACHINE_CR4_PCIDE) &&
	    ((self->registers.cr3 & MACHINE_CR3_PCID) || !(self->registers.cr0 & MACHINE_CR0_PG)))
		return -EINVAL;
	machine_cpu_moment(machine, self);
	self->registers.cr4 = value;
	run_cr4(machine, self, changed);
	machine_cpu_refresh(machine, self);
	return 0;
}

int machine_wrmsr_efer(struct machine *machine, unsigned int cpu, uint64_t value)
{
	struct machine_cpu *self = machine_cpu_get(machine, cpu);
	uint64_t changed = self->registers.efer ^ value;

	machine_cpu_moment(machine, self);
	self->registers.efer = value;
	run_current(machine, self, changed & MACHINE_EFER_NXE ? MACHINE_EVENT_NXE :
								MACHINE_EVENT_EFER_OTHER);
	machine_cpu_refresh(machine, self);
	return 0;
}

/* --- invalidating instructions --- */

static bool canonical(const struct machine *machine, uint64_t address)
{
	return address >> machine_address_bits(&machine->config.linear) == 0;
}

void machine_invlpg(struct machine *machine, unsigned int cpu, uint64_t address)
{
	struct machine_cpu *self = machine_cpu_get(machine, cpu);
	struct machine_scope scope = machine_scope_of(self, address);

	if (!canonical(machine, address))
		return;
	machine_cpu_moment(machine, self);
	machine_rule_run(machine, self, MACHINE_EVENT_INVLPG, &scope);
	if (machine->config.quirks.fracture_flush_all && self->space->fractured) {
		machine_rule_run(machine, self, MACHINE_EVENT_PGE, &scope);
		self->space->fractured = false;
	}
}

int machine_invpcid(struct machine *machine, unsigned int cpu, unsigned int type, uint16_t pcid,
		    uint64_t address)
{
	struct machine_cpu *self = machine_cpu_get(machine, cpu);
	struct machine_scope scope = machine_scope_of(self, address);

	if (type > 3 || pcid > MACHINE_CR3_PCID)
		return -EINVAL;
	if (type < 2 && pcid && !(self->registers.cr4 & MACHINE_CR4_PCIDE))
		return -EINVAL;
	if (type == 0 && !canonical(machine, address))
		return -EINVAL;
	machine_cpu_moment(machine, self);
	scope.pcid = pcid;
	machine_rule_run(machine, self, MACHINE_EVENT_INVPCID_0 + type, &scope);
	return 0;
}

/* --- rarer events --- */

static void run_plain(struct machine *machine, unsigned int cpu, enum machine_event event)
{
	struct machine_cpu *self = machine_cpu_get(machine, cpu);

	machine_cpu_moment(machine, self);
	run_current(machine, self, event);
}

void machine_wrmsr_mtrr(struct machine *machine, unsigned int cpu)
{
	run_plain(machine, cpu, MACHINE_EVENT_MTRR);
}

void machine_wrmsr_pat(struct machine *machine, unsigned int cpu)
{
	run_plain(machine, cpu, MACHINE_EVENT_PAT);
}

void machine_smi(struct machine *machine, unsigned int cpu)
{
	run_plain(machine, cpu, MACHINE_EVENT_SMI);
}

void machine_rsm(struct machine *machine, unsigned int cpu)
{
	run_plain(machine, cpu, MACHINE_EVENT_RSM);
}

static void start_over(struct machine *machine, struct machine_cpu *cpu)
{
	cpu->guest = false;
	memset(&cpu->registers, 0, sizeof(cpu->registers));
	machine_cpu_refresh(machine, cpu);
}

void machine_init(struct machine *machine, unsigned int cpu)
{
	struct machine_cpu *self = machine_cpu_get(machine, cpu);

	run_plain(machine, cpu, machine->config.quirks.init_flushes ? MACHINE_EVENT_RESET :
								      MACHINE_EVENT_INIT);
	start_over(machine, self);
}

void machine_reset_cpu(struct machine *machine, unsigned int cpu)
{
	run_plain(machine, cpu, MACHINE_EVENT_RESET);
	machine_cpu_get(machine, cpu)->copy_count = 0;
	start_over(machine, machine_cpu_get(machine, cpu));
}

void machine_offline(struct machine *machine, unsigned int cpu)
{
	struct machine_cpu *self = machine_cpu_get(machine, cpu);

	run_plain(machine, cpu, MACHINE_EVENT_OFFLINE);
	self->online = false;
	start_over(machine, self);
}

void machine_online(struct machine *machine, unsigned int cpu)
{
	struct machine_cpu *self = machine_cpu_get(machine, cpu);

	run_plain(machine, cpu, MACHINE_EVENT_ONLINE);
	self->online = true;
	start_over(machine, self);
}
