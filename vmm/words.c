/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Verdicts in words: which translation, who made it, when it should have gone.
 */
#include "inside.h"

#include <stdarg.h>
#include <string.h>

const char *vmm_wrong_name(enum vmm_wrong wrong)
{
	static const char *const names[] = { "fine", "foreign", "lost", "late",
					     "spare", "leak", "stuck", "broken" };

	return (unsigned int)wrong < sizeof(names) / sizeof(names[0]) ? names[wrong] : "?";
}

/* The step during which the machine's clock showed this; 0 before the first. */
uint32_t vmm_step_of(const struct vmm *vmm, uint64_t clock)
{
	uint32_t low = 0;
	uint32_t high = vmm->step;

	while (low < high) {
		uint32_t middle = low + (high - low + 1) / 2;

		if (vmm->clocks[middle] < clock)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

static void say(struct vmm_verdict *verdict, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void say(struct vmm_verdict *verdict, const char *format, ...)
{
	size_t used = strlen(verdict->words);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(verdict->words + used, sizeof(verdict->words) - used, format, arguments);
	va_end(arguments);
}

/* --- who --- */

struct vmm_who vmm_who(const struct vmm *vmm, uint64_t owner)
{
	return (struct vmm_who){
		.intel = vmm->config.intel,
		.stranger = owner >> 60 == 5 && (owner & 0xfff0) == 0,
		.vm = owner >> 4 & 15,
		.vcpu = owner >> 8 & 15,
		.context = owner >> 12 & 15,
		.lives = owner >> 16,
	};
}

static void say_who(struct vmm_verdict *verdict, const struct vmm_who *who)
{
	if (who->stranger)
		say(verdict, "the system that had the CPU while it was off");
	else if (who->context == CONTEXT_NO_VPID)
		say(verdict, "L2 without a VPID of VM %u vCPU %u", who->vm, who->vcpu);
	else if (who->context)
		say(verdict, "L2 under L1's %s %u of VM %u vCPU %u", who->intel ? "VPID" : "ASID",
		    who->context, who->vm, who->vcpu);
	else
		say(verdict, "L1 of VM %u vCPU %u", who->vm, who->vcpu);
}

/* --- sentences --- */

static void say_access(const struct vmm *vmm, const struct vmm_finding *finding,
		       struct vmm_verdict *verdict)
{
	struct vmm_who self = vmm_who(vmm, vmm_owner(vmm, finding->vcpu));

	say(verdict, "CPU %u: a %s of page %u by ", verdict->cpu,
	    (finding->access & MACHINE_TYPE) == MACHINE_WRITE ? "write" : "read",
	    (unsigned int)(finding->address >> MACHINE_PAGE_SHIFT));
	say_who(verdict, &self);
	if (finding->outcome->result == MACHINE_OK)
		say(verdict, " (tag %u) may reach frame %u", verdict->tag,
		    (unsigned int)(finding->outcome->page >> MACHINE_PAGE_SHIFT));
	else
		say(verdict, " (tag %u) may fault", verdict->tag);
}

static void say_frame(const struct vmm *vmm, const struct vmm_finding *finding,
		      struct vmm_verdict *verdict)
{
	uint64_t nr = finding->outcome->page >> MACHINE_PAGE_SHIFT;
	const struct vmm_frame *frame = &vmm->frames[nr];

	if (finding->outcome->result == MACHINE_FAULT && finding->outcome->word) {
		nr = finding->outcome->word >> MACHINE_PAGE_SHIFT;
		frame = &vmm->frames[nr];
		say(verdict, ": the walk reads a table in frame %u", (unsigned int)nr);
	} else if (finding->outcome->result != MACHINE_OK || nr >= VMM_FRAMES) {
		return;
	}
	if (frame->use == FRAME_GUEST)
		say(verdict, ", which is page %u of VM %u now", frame->gfn, frame->vm);
	else
		say(verdict, ", which is %s now",
		    frame->use == FRAME_FREE  ? "free" :
		    frame->use == FRAME_TABLE ? "a table of L0" :
						"somebody else's");
}

static void say_kind(struct vmm_verdict *verdict)
{
	switch (verdict->wrong) {
	case VMM_FOREIGN:
		say(verdict, ".\nThe translation is not its own");
		break;
	case VMM_LOST:
		say(verdict, ".\nL0 has taken that away");
		break;
	case VMM_LATE:
		say(verdict, ".\nOn hardware of its own the guest could not see this any more");
		break;
	default:
		say(verdict, ".\nThis should not be possible");
		break;
	}
}

static void say_origin(const struct vmm *vmm, const struct vmm_finding *finding,
		       struct vmm_verdict *verdict, const struct vmm_who *who)
{
	const struct vmm_who self = vmm_who(vmm, vmm_owner(vmm, finding->vcpu));

	if (verdict->shadowed) {
		say(verdict, ": a shadow table of L0 has it since step %u", verdict->filled_at);
	} else if (finding->outcome->entry) {
		say(verdict, ": it was made at step %u by ", verdict->filled_at);
		if (!who->stranger && who->lives != self.lives && who->vm == self.vm &&
		    who->vcpu == self.vcpu)
			say(verdict, "an earlier life of ");
		say_who(verdict, who);
		if (verdict->due_at < verdict->filled_at)
			say(verdict, ", by way of something older that was cached");
	}
	if (verdict->due_at != VMM_STEP_NONE)
		say(verdict, ".\nStep %u should have led to its removal", verdict->due_at);
	if (verdict->rule != UINT32_MAX) {
		static const char *const names[] = {
#define NAME(id, statement, source) #id ": " statement,
			TLBTAG_RULES(NAME)
#undef NAME
		};

		say(verdict, ".\nRule %s", names[verdict->rule]);
	}
	say(verdict, ".\n");
}

void vmm_find(struct vmm *vmm, const struct vmm_finding *finding)
{
	struct vmm_verdict *verdict = &vmm->verdict;
	const struct vmm_vcpu *vcpu = finding->vcpu;
	const struct machine_entry *entry = finding->outcome->entry;
	struct vmm_who who;

	if (verdict->wrong != VMM_FINE)
		return;
	*verdict = (struct vmm_verdict){
		.wrong = finding->wrong,
		.cpu = (uint8_t)vcpu->cpu,
		.vm = vcpu->vm,
		.vcpu = vcpu->nr,
		.level = vcpu->in_l2 ? 2 : 1,
		.tag = vmm_tag_of(vmm, vcpu),
		.address = finding->address,
		.got = finding->outcome->page,
		.filled_at = vmm->step,
		.due_at = VMM_STEP_NONE,
		.rule = UINT32_MAX,
	};
	who = vmm_who(vmm, vmm_owner(vmm, vcpu));
	if (entry) {
		who = vmm_who(vmm, entry->is.foreign ? entry->is.foreign : entry->is.owner);
		verdict->filled_at = vmm_step_of(vmm, entry->first_filled);
	}
	verdict->filled_by_vm = who.vm;
	verdict->filled_by_vcpu = who.vcpu;
	verdict->filled_by_level = who.context ? 2 : 1;
	vmm_blame(vmm, finding, verdict, &who);
	say_access(vmm, finding, verdict);
	say_frame(vmm, finding, verdict);
	say_kind(verdict);
	say_origin(vmm, finding, verdict, &who);
}

void vmm_complain(struct vmm *vmm, enum vmm_wrong wrong, const struct vmm_vcpu *vcpu,
		  const char *what)
{
	struct vmm_verdict *verdict = &vmm->verdict;

	if (verdict->wrong != VMM_FINE)
		return;
	*verdict = (struct vmm_verdict){
		.wrong = wrong,
		.filled_at = VMM_STEP_NONE,
		.due_at = VMM_STEP_NONE,
		.rule = UINT32_MAX,
	};
	if (vcpu) {
		verdict->cpu = (uint8_t)vcpu->cpu;
		verdict->vm = vcpu->vm;
		verdict->vcpu = vcpu->nr;
		verdict->level = vcpu->in_l2 ? 2 : 1;
		say(verdict, "VM %u vCPU %u: ", vcpu->vm, vcpu->nr);
	}
	say(verdict, "%s.\n", what ? what : "");
}
