/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * AMD: what each event removes for certain, and the instructions of SVM.
 *
 * Sections are those of the APM, volume 2. A row that is missing, and a cell
 * that is 0, keeps everything. "demand" is what the manual leaves open.
 */
#include "inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TAG RULE_TAG
#define PCID RULE_PCID
#define LOCAL RULE_LOCAL
#define VA RULE_VA
#define EVERYTHING RULE_ALL, RULE_ALL, RULE_ALL, { 0, 0, 0 }
#define WHOLE_TAG TAG, TAG, 0, { 0, 0, 0 }
#define NOTHING 0, 0, 0, { 0, 0, 0 }

/* event: { TR, PS, NT and NP, { demanded TR, PS, NT and NP } } */
const struct machine_rule machine_svm_rules[MACHINE_EVENT_COUNT] = {
	/* 5.5.1, 5.5.3, 15.16.1: the current ASID only, host or guest alike */
	[MACHINE_EVENT_CR3] = { TAG | PCID | LOCAL, TAG | PCID, 0, { 0, 0, 0 } },
	[MACHINE_EVENT_CR3_KEEP] = { NOTHING },
	[MACHINE_EVENT_TASK] = { TAG | PCID | LOCAL, TAG | PCID, 0, { 0, 0, 0 } },
	[MACHINE_EVENT_PG_OFF] = { WHOLE_TAG },
	[MACHINE_EVENT_PG_ON] = { WHOLE_TAG },
	[MACHINE_EVENT_CR0_OTHER] = { NOTHING },
	[MACHINE_EVENT_PGE] = { WHOLE_TAG },
	[MACHINE_EVENT_PCIDE_OFF] = { WHOLE_TAG },
	[MACHINE_EVENT_PCIDE_ON] = { NOTHING },
	[MACHINE_EVENT_PAE] = { WHOLE_TAG },
	[MACHINE_EVENT_PSE] = { WHOLE_TAG },
	[MACHINE_EVENT_SMEP_ON] = { NOTHING },
	[MACHINE_EVENT_PKE_ON] = { WHOLE_TAG },
	[MACHINE_EVENT_CR4_OTHER] = { NOTHING },
	/* "certain MSRs" */
	[MACHINE_EVENT_NXE] = { 0, 0, 0, { TAG, TAG, 0 } },
	[MACHINE_EVENT_EFER_OTHER] = { NOTHING },
	[MACHINE_EVENT_INVLPG] = { TAG | VA | RULE_PCID_OR_GLOBAL | RULE_LOCAL_IF_Q4,
				   TAG | PCID | RULE_VA_IF_TCE, 0, { 0, 0, 0 } },
	[MACHINE_EVENT_INVPCID_0] = { TAG | PCID | VA | LOCAL, TAG | PCID | VA, 0, { 0, 0, 0 } },
	[MACHINE_EVENT_INVPCID_1] = { TAG | PCID | LOCAL, TAG | PCID, 0, { 0, 0, 0 } },
	[MACHINE_EVENT_INVPCID_2] = { WHOLE_TAG },
	[MACHINE_EVENT_INVPCID_3] = { TAG | LOCAL, TAG, 0, { 0, 0, 0 } },
	/* 15.16.1, 5.5.3 */
	[MACHINE_EVENT_MTRR] = { EVERYTHING },
	[MACHINE_EVENT_PAT] = { 0, 0, 0, { TAG, TAG, 0 } },
	[MACHINE_EVENT_SMI] = { EVERYTHING },
	[MACHINE_EVENT_RSM] = { EVERYTHING },
	[MACHINE_EVENT_INIT] = { 0, 0, 0, { RULE_ALL, RULE_ALL, RULE_ALL } },
	[MACHINE_EVENT_RESET] = { EVERYTHING },
	[MACHINE_EVENT_OFFLINE] = { NOTHING },
	[MACHINE_EVENT_ONLINE] = { NOTHING },
	/* 5.5.3; the re-walk may cache the upper levels again at once */
	[MACHINE_EVENT_PAGE_FAULT] = { TAG | PCID | VA, TAG | PCID | VA, 0, { 0, 0, 0 } },
	[MACHINE_EVENT_NESTED_FAULT] = { 0, 0, 0, { TAG | PCID | VA, TAG | PCID | VA,
						    TAG | RULE_GPA } },
	/* 15.16, 15.16.1 */
	[MACHINE_EVENT_VMRUN] = { NOTHING },
	[MACHINE_EVENT_VMRUN_ALL] = { EVERYTHING },
	[MACHINE_EVENT_VMRUN_ASID] = { TAG, TAG, TAG, { 0, 0, 0 } },
	[MACHINE_EVENT_VMRUN_LOCAL] = { TAG | LOCAL, TAG, 0, { 0, 0, TAG } },
	/* 15.36.15 */
	[MACHINE_EVENT_VMRUN_SNP] = { TAG, TAG, TAG, { 0, 0, 0 } },
	[MACHINE_EVENT_VMRUN_FAILED] = { NOTHING },
	[MACHINE_EVENT_VMEXIT] = { NOTHING },
	/* 15.16.2, 5.5.3: any PCID; of the upper levels those on the path, for L1 as well */
	[MACHINE_EVENT_INVLPGA] = { TAG | VA | RULE_NOT_Q1, TAG | VA | RULE_NOT_Q1, 0,
				    { 0, 0, 0 } },
	/* cells are built from the operands, see broadcast_rule() */
	[MACHINE_EVENT_INVLPGB] = { NOTHING },
	[MACHINE_EVENT_TLBSYNC] = { NOTHING },
};

/* Quirk Q2: the tag does not tell guests apart. */
static uint32_t effective_tag(const struct machine *machine, uint32_t asid)
{
	return asid && machine->config.quirks.erratum_170 ? 1 : asid;
}

/* --- the VMCB as this CPU cached it --- */

static struct machine_vmcb_copy *copy_find(struct machine_cpu *cpu, uint64_t address)
{
	for (unsigned int i = 0; i < cpu->copy_count; i++) {
		struct machine_vmcb_copy found = cpu->copies[i];

		if (found.address != address)
			continue;
		/* The one that was used last will be used next. */
		cpu->copies[i] = cpu->copies[0];
		cpu->copies[0] = found;
		return &cpu->copies[0];
	}
	return NULL;
}

static struct machine_vmcb_copy *copy_make(struct machine_cpu *cpu, uint64_t address)
{
	struct machine_vmcb_copy *copy;

	if (cpu->copy_count == cpu->copy_capacity) {
		unsigned int capacity = cpu->copy_capacity ? cpu->copy_capacity * 2 : 8;

		cpu->copies = realloc(cpu->copies, capacity * sizeof(*cpu->copies));
		if (!cpu->copies)
			abort();
		cpu->copy_capacity = capacity;
	}
	copy = &cpu->copies[cpu->copy_count++];
	memset(copy, 0, sizeof(*copy));
	copy->address = address;
	return copy;
}

static bool takes_old(struct machine *machine)
{
	switch (machine->config.clean) {
	case MACHINE_CLEAN_OLD:
		return true;
	case MACHINE_CLEAN_NEW:
		return false;
	case MACHINE_CLEAN_RANDOM:
		return machine_random(machine) % 2;
	}
	return true;
}

/* 15.15: with a clean bit set the processor may take what it has cached. */
static struct machine_vmcb_copy load_vmcb(struct machine *machine, struct machine_cpu *cpu,
					  const struct machine_vmcb *vmcb)
{
	struct machine_vmcb_copy *copy = copy_find(cpu, vmcb->address);
	uint32_t clean = copy && vmcb->clean && takes_old(machine) ? vmcb->clean : 0;

	if (!copy)
		copy = copy_make(cpu, vmcb->address);
	if (!(clean & MACHINE_VMCB_CLEAN_ASID))
		copy->asid = vmcb->asid;
	if (!(clean & MACHINE_VMCB_CLEAN_NP)) {
		copy->np_enable = vmcb->np_enable;
		copy->ncr3 = vmcb->ncr3;
	}
	if (!(clean & MACHINE_VMCB_CLEAN_CR))
		copy->registers = vmcb->registers;
	return *copy;
}

/* --- VMRUN and #VMEXIT --- */

static enum machine_event run_event(const struct machine *machine, uint8_t tlb_control)
{
	bool by_asid = !machine->config.quirks.no_flushbyasid;

	switch (tlb_control) {
	case MACHINE_TLB_ALL:
		return MACHINE_EVENT_VMRUN_ALL;
	case MACHINE_TLB_ASID:
		return by_asid ? MACHINE_EVENT_VMRUN_ASID : MACHINE_EVENT_VMRUN;
	case MACHINE_TLB_ASID_LOCAL:
		return by_asid ? MACHINE_EVENT_VMRUN_LOCAL : MACHINE_EVENT_VMRUN;
	default:
		/* Reserved values: no check is listed for them, and no effect. */
		return MACHINE_EVENT_VMRUN;
	}
}

/* 15.36.15: the processor notices by itself when an ASID changes hands or CPUs. */
static bool snp_flushes(struct machine *machine, struct machine_cpu *cpu,
			struct machine_vmcb *vmcb, uint32_t tag)
{
	struct machine_space key = { .tag = tag, .ntag = MACHINE_NTAG_NONE };
	struct machine_space *space = machine_tlb_space(machine, cpu, &key);
	bool same = space->tlb_id == vmcb->tlb_id + 1 && vmcb->pcpu_id == cpu->id + 1;

	space->tlb_id = vmcb->tlb_id + 1;
	vmcb->pcpu_id = cpu->id + 1;
	return !same;
}

static void flush_at_run(struct machine *machine, struct machine_cpu *cpu,
			 struct machine_vmcb *vmcb, uint32_t tag)
{
	struct machine_scope scope = machine_scope_of(cpu, 0);
	enum machine_event event = run_event(machine, vmcb->tlb_control);

	scope.tag = tag;
	if (vmcb->snp && event == MACHINE_EVENT_VMRUN_LOCAL)
		event = MACHINE_EVENT_VMRUN_ASID;
	if (vmcb->snp && snp_flushes(machine, cpu, vmcb, tag))
		machine_rule_run(machine, cpu, MACHINE_EVENT_VMRUN_SNP, &scope);
	machine_rule_run(machine, cpu, event, &scope);
}

int machine_svm_run(struct machine *machine, unsigned int cpu, struct machine_vmcb *vmcb)
{
	struct machine_cpu *self = machine_cpu_get(machine, cpu);
	struct machine_scope scope = machine_scope_of(self, 0);
	struct machine_vmcb_copy copy;

	if (self->guest || !(self->registers.efer & MACHINE_EFER_SVME))
		return -EPERM;
	machine_cpu_moment(machine, self);
	copy = load_vmcb(machine, self, vmcb);
	if (copy.asid == 0) {
		machine_rule_run(machine, self, MACHINE_EVENT_VMRUN_FAILED, &scope);
		return -EINVAL;
	}
	machine_cpu_world_switch(machine, self);
	flush_at_run(machine, self, vmcb, effective_tag(machine, copy.asid));
	self->host_registers = self->registers;
	self->registers = copy.registers;
	self->guest = true;
	self->guest_tag = effective_tag(machine, copy.asid);
	self->guest_owner = vmcb->owner;
	self->guest_nested = copy.np_enable;
	self->guest_root = copy.ncr3;
	machine_cpu_refresh(machine, self);
	return 0;
}

int machine_svm_exit(struct machine *machine, unsigned int cpu, struct machine_vmcb *vmcb)
{
	struct machine_cpu *self = machine_cpu_get(machine, cpu);
	struct machine_scope scope = machine_scope_of(self, 0);
	struct machine_vmcb_copy *copy = copy_find(self, vmcb->address);

	if (!self->guest)
		return -EPERM;
	machine_cpu_moment(machine, self);
	machine_rule_run(machine, self, MACHINE_EVENT_VMEXIT, &scope);
	machine_cpu_world_switch(machine, self);
	vmcb->registers = self->registers;
	if (copy)
		copy->registers = self->registers;
	self->registers = self->host_registers;
	self->guest = false;
	machine_cpu_refresh(machine, self);
	return 0;
}

/* --- invalidating instructions --- */

int machine_invlpga(struct machine *machine, unsigned int cpu, uint64_t address, uint32_t asid)
{
	struct machine_cpu *self = machine_cpu_get(machine, cpu);
	struct machine_scope scope = machine_scope_of(self, address);

	if (self->guest)
		return -EPERM;
	if (address >> machine_address_bits(&machine->config.linear))
		return 0;
	machine_cpu_moment(machine, self);
	scope.tag = effective_tag(machine, asid);
	machine_rule_run(machine, self, MACHINE_EVENT_INVLPGA, &scope);
	return 0;
}

static struct machine_rule broadcast_rule(const struct machine *machine,
					  const struct machine_cpu *cpu,
					  const struct machine_invlpgb *operands)
{
	uint32_t flags = operands->flags;
	uint32_t tag = flags & MACHINE_INVLPGB_ASID || cpu->guest ? TAG : RULE_ALL;
	uint32_t pcid = flags & MACHINE_INVLPGB_PCID ? PCID : 0;
	uint32_t va = flags & MACHINE_INVLPGB_VA ? VA : 0;
	uint32_t local = flags & MACHINE_INVLPGB_GLOBAL ? 0 : LOCAL;
	bool all_steps = !(flags & MACHINE_INVLPGB_FINAL) &&
			 !(cpu->registers.efer & MACHINE_EFER_TCE);
	struct machine_rule rule = { .tr = tag | pcid | va | local };

	if (!(flags & MACHINE_INVLPGB_FINAL))
		rule.ps = tag | pcid | va;
	if ((flags & MACHINE_INVLPGB_NESTED) && !va)
		rule.nested = tag;
	if (machine_is_hardware(machine))
		return rule;
	if (all_steps)
		rule.ps = tag | pcid;
	if (flags & MACHINE_INVLPGB_NESTED)
		rule.nested = tag;
	return rule;
}

/* One broadcast on its way to one CPU. */
struct broadcast {
	const struct machine *machine;
	const struct machine_cpu *issuer;
	const struct machine_rule *rule;
	const struct machine_scope *scope;
};

static void doom(const struct broadcast *broadcast, uint32_t cell, struct machine_entry *entry)
{
	for (; entry; entry = entry->next) {
		if (machine_rule_matches(broadcast->machine, broadcast->issuer, cell,
					 broadcast->scope, entry))
			entry->doomed |= 1u << broadcast->issuer->id;
	}
}

static void doom_space(struct machine *machine, const struct broadcast *broadcast,
		       struct machine_space *space)
{
	const struct machine_rule *rule = broadcast->rule;

	doom(broadcast, space->nested ? rule->nested : rule->tr, space->first[0]);
	doom(broadcast, space->nested ? rule->nested : rule->ps, space->first[1]);
	/* What is filled from now on stays: everything is worth filling again. */
	space->removed = machine_tick(machine);
	space->changed = space->removed;
}

void machine_invlpgb(struct machine *machine, unsigned int cpu,
		     const struct machine_invlpgb *operands)
{
	struct machine_cpu *issuer = machine_cpu_get(machine, cpu);
	struct machine_rule rule = broadcast_rule(machine, issuer, operands);
	unsigned int level = operands->large ? 2 : 1;
	unsigned int shift = machine_level_shift(&machine->config.linear, level);
	struct machine_scope scope = machine_scope_of(issuer, operands->address);
	const struct broadcast broadcast = { machine, issuer, &rule, &scope };

	scope.va_last = scope.va + ((uint64_t)operands->extra << shift);
	scope.pcid = operands->pcid;
	if (!issuer->guest)
		scope.tag = effective_tag(machine, operands->asid);
	for (unsigned int i = 0; i < machine->config.cpus; i++) {
		struct machine_cpu *target = &machine->cpus[i];

		machine_cpu_moment(machine, target);
		for (struct machine_space *space = target->spaces; space; space = space->next)
			doom_space(machine, &broadcast, space);
	}
	machine_rule_run(machine, issuer, MACHINE_EVENT_INVLPGB, &scope);
}

static void sync_space(struct machine *machine, struct machine_cpu *cpu, uint32_t issuer,
		       struct machine_space *space)
{
	for (unsigned int table = 0; table < 2; table++) {
		struct machine_entry *entry = space->first[table];

		while (entry) {
			struct machine_entry *next = entry->next;

			if (entry->doomed & 1u << issuer)
				machine_tlb_drop(machine, cpu, entry, MACHINE_EVENT_TLBSYNC);
			entry = next;
		}
	}
	machine_tlb_release(cpu, space);
}

void machine_tlbsync(struct machine *machine, unsigned int cpu)
{
	struct machine_cpu *issuer = machine_cpu_get(machine, cpu);
	struct machine_scope scope = machine_scope_of(issuer, 0);

	machine_rule_run(machine, issuer, MACHINE_EVENT_TLBSYNC, &scope);
	for (unsigned int i = 0; i < machine->config.cpus; i++) {
		struct machine_space *space = machine->cpus[i].spaces;

		machine_cpu_moment(machine, &machine->cpus[i]);
		while (space) {
			struct machine_space *next = space->next;

			sync_space(machine, &machine->cpus[i], cpu, space);
			space = next;
		}
	}
}
