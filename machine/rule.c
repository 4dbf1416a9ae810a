/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Removals: how the rows of the tables in svm.c and vmx.c are carried out.
 */
#include "inside.h"

/* Conditions that hold for a whole space or not at all. */
#define SPACE_CONDITIONS                                                                        \
	(RULE_ALL | RULE_TAG | RULE_TAG_0 | RULE_GUEST | RULE_NTAG | RULE_NESTED)

static bool space_matches(uint32_t cell, const struct machine_scope *scope,
			  const struct machine_space *space)
{
	if ((cell & RULE_TAG) && space->tag != scope->tag)
		return false;
	if ((cell & RULE_TAG_0) && space->tag != 0)
		return false;
	if ((cell & RULE_GUEST) && space->tag == 0)
		return false;
	if ((cell & RULE_NTAG) && space->ntag != scope->ntag)
		return false;
	if ((cell & RULE_NESTED) && space->ntag == MACHINE_NTAG_NONE)
		return false;
	return cell != 0;
}

/* Does the named range touch the page (the guest's, whatever it was split into)? */
static bool covers(const struct machine *machine, const struct machine_scope *scope,
		   const struct machine_entry *entry)
{
	unsigned int shift = entry->is.shift;
	uint64_t page;

	if (entry->is.kind == MACHINE_KIND_TR && !machine->config.quirks.invlpg_partial)
		shift = entry->is.guest_shift;
	page = entry->is.base >> shift;
	return scope->va >> shift <= page && page <= scope->va_last >> shift;
}

static bool pcid_matches(uint32_t cell, const struct machine_scope *scope,
			 const struct machine_entry *entry)
{
	bool global = entry->is.flags & MACHINE_FLAG_GLOBAL;

	if ((cell & RULE_LOCAL) && global)
		return false;
	if ((cell & RULE_PCID) && entry->is.pcid != scope->pcid)
		return false;
	if ((cell & RULE_PCID_OR_GLOBAL) && entry->is.pcid != scope->pcid && !global)
		return false;
	return true;
}

static bool entry_matches(const struct machine *machine, const struct machine_cpu *cpu,
			  uint32_t cell, const struct machine_scope *scope,
			  const struct machine_entry *entry)
{
	const struct machine_quirks *quirks = &machine->config.quirks;
	bool tce = machine_is_amd(machine) && (cpu->registers.efer & MACHINE_EFER_TCE);
	bool pcide = cpu->registers.cr4 & MACHINE_CR4_PCIDE;

	if (!pcid_matches(cell, scope, entry))
		return false;
	if ((cell & RULE_VA || (cell & RULE_VA_IF_TCE && tce)) && !covers(machine, scope, entry))
		return false;
	if ((cell & RULE_GPA) && scope->gpa >> entry->is.shift != entry->is.base >> entry->is.shift)
		return false;
	/* A guest hypervisor was promised a processor without the erratum. */
	if ((cell & RULE_NOT_Q1) && quirks->invlpga_npt_broken && machine_is_hardware(machine) &&
	    (entry->is.flags & MACHINE_FLAG_NESTED))
		return false;
	if ((cell & RULE_LOCAL_IF_Q4) && quirks->invlpg_keeps_global && pcide &&
	    (entry->is.flags & MACHINE_FLAG_GLOBAL))
		return false;
	return true;
}

bool machine_rule_matches(const struct machine *machine, const struct machine_cpu *cpu,
			  uint32_t cell, const struct machine_scope *scope,
			  const struct machine_entry *entry)
{
	return space_matches(cell, scope, entry->space) &&
	       entry_matches(machine, cpu, cell, scope, entry);
}

/* One removal in progress. */
struct removal {
	struct machine *machine;
	struct machine_cpu *cpu;
	enum machine_event event;
	const struct machine_scope *scope;
};

static void drop_matching(const struct removal *removal, uint32_t cell,
			  struct machine_entry *entry)
{
	while (entry) {
		struct machine_entry *next = entry->next;

		if ((cell & ~SPACE_CONDITIONS) == 0 ||
		    entry_matches(removal->machine, removal->cpu, cell, removal->scope, entry))
			machine_tlb_drop(removal->machine, removal->cpu, entry, removal->event);
		entry = next;
	}
}

static void apply_cells(const struct removal *removal, uint32_t page_cell, uint32_t table_cell,
			struct machine_space *space)
{
	if (space_matches(page_cell, removal->scope, space))
		drop_matching(removal, page_cell, space->first[0]);
	if (space_matches(table_cell, removal->scope, space))
		drop_matching(removal, table_cell, space->first[1]);
}

static void apply_to_space(const struct removal *removal, const struct machine_rule *rule,
			   struct machine_space *space)
{
	bool demand = !machine_is_hardware(removal->machine);

	if (space->nested) {
		apply_cells(removal, rule->nested, rule->nested, space);
		if (demand)
			apply_cells(removal, rule->demand.nested, rule->demand.nested, space);
	} else {
		apply_cells(removal, rule->tr, rule->ps, space);
		if (demand)
			apply_cells(removal, rule->demand.tr, rule->demand.ps, space);
	}
}

static bool keeps_everything(const struct removal *removal, const struct machine_rule *rule)
{
	if (rule->tr | rule->ps | rule->nested)
		return false;
	return machine_is_hardware(removal->machine) ||
	       !(rule->demand.tr | rule->demand.ps | rule->demand.nested);
}

void machine_rule_apply(struct machine *machine, struct machine_cpu *cpu,
			enum machine_event event, const struct machine_rule *rule,
			const struct machine_scope *scope)
{
	const struct removal removal = { machine, cpu, event, scope };
	struct machine_space *space = cpu->spaces;

	if (keeps_everything(&removal, rule))
		return;
	while (space) {
		struct machine_space *next = space->next;

		if (space->entry_count) {
			apply_to_space(&removal, rule, space);
			machine_tlb_release(cpu, space);
		}
		space = next;
	}
}

/* The event happens: its row of the vendor's table is carried out. */
void machine_rule_run(struct machine *machine, struct machine_cpu *cpu,
		      enum machine_event event, const struct machine_scope *scope)
{
	const struct machine_rule *rules = machine_is_amd(machine) ? machine_svm_rules :
								     machine_vmx_rules;

	if (machine->observer.event)
		machine->observer.event(machine->observer.cookie, cpu->id, event);
	machine_rule_apply(machine, cpu, event, &rules[event], scope);
}

const char *machine_event_name(enum machine_event event)
{
	static const char *const names[MACHINE_EVENT_COUNT] = {
#define NAME(id, name) [MACHINE_EVENT_##id] = (name),
		MACHINE_EVENTS(NAME)
#undef NAME
	};

	return event < MACHINE_EVENT_COUNT ? names[event] : "?";
}
