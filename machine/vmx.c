/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Intel: what each event removes for certain, and the instructions of VMX.
 *
 * Sections are those of the SDM, volume 3, edition of end 2016. A row that is
 * missing, and a cell that is 0, keeps everything. "demand" is what the manual
 * leaves open. RULE_TAG without RULE_NTAG means: under every EP4TA.
 */
#include "inside.h"

#include <errno.h>

#define TAG RULE_TAG
#define PCID RULE_PCID
#define LOCAL RULE_LOCAL
#define VA RULE_VA
#define WHOLE_TAG TAG, TAG, 0, { 0, 0, 0 }
#define VPID_0 RULE_TAG_0, RULE_TAG_0, 0, { 0, 0, 0 }
#define NOTHING 0, 0, 0, { 0, 0, 0 }

/* event: { TR, PS, NT and NP, { demanded TR, PS, NT and NP } } */
const struct machine_rule machine_vmx_rules[MACHINE_EVENT_COUNT] = {
	/* 4.10.4.1, 28.3.3.1: the current VPID */
	[MACHINE_EVENT_CR3] = { TAG | PCID | LOCAL, TAG | PCID, 0, { 0, 0, 0 } },
	[MACHINE_EVENT_CR3_KEEP] = { NOTHING },
	[MACHINE_EVENT_TASK] = { TAG | PCID | LOCAL, TAG | PCID, 0, { 0, 0, 0 } },
	[MACHINE_EVENT_PG_OFF] = { WHOLE_TAG },
	[MACHINE_EVENT_PG_ON] = { NOTHING },
	[MACHINE_EVENT_CR0_OTHER] = { NOTHING },
	[MACHINE_EVENT_PGE] = { WHOLE_TAG },
	[MACHINE_EVENT_PCIDE_OFF] = { WHOLE_TAG },
	[MACHINE_EVENT_PCIDE_ON] = { NOTHING },
	[MACHINE_EVENT_PAE] = { TAG | PCID, TAG | PCID, 0, { TAG | RULE_PCID_OR_GLOBAL, 0, 0 } },
	[MACHINE_EVENT_PSE] = { NOTHING },
	[MACHINE_EVENT_SMEP_ON] = { TAG | PCID, TAG | PCID, 0,
				    { TAG | RULE_PCID_OR_GLOBAL, 0, 0 } },
	[MACHINE_EVENT_PKE_ON] = { 0, 0, 0, { TAG | PCID, TAG | PCID, 0 } },
	[MACHINE_EVENT_CR4_OTHER] = { NOTHING },
	[MACHINE_EVENT_NXE] = { NOTHING },
	[MACHINE_EVENT_EFER_OTHER] = { NOTHING },
	[MACHINE_EVENT_INVLPG] = { TAG | VA | RULE_PCID_OR_GLOBAL | RULE_LOCAL_IF_Q4,
				   TAG | PCID, 0, { 0, 0, 0 } },
	[MACHINE_EVENT_INVPCID_0] = { TAG | PCID | VA | LOCAL, TAG | PCID | VA, 0, { 0, 0, 0 } },
	[MACHINE_EVENT_INVPCID_1] = { TAG | PCID | LOCAL, TAG | PCID, 0, { 0, 0, 0 } },
	[MACHINE_EVENT_INVPCID_2] = { WHOLE_TAG },
	[MACHINE_EVENT_INVPCID_3] = { TAG | LOCAL, TAG, 0, { 0, 0, 0 } },
	/* 11.11.8: software's duty */
	[MACHINE_EVENT_MTRR] = { NOTHING },
	[MACHINE_EVENT_PAT] = { NOTHING },
	/* 34.14.1 */
	[MACHINE_EVENT_SMI] = { VPID_0 },
	[MACHINE_EVENT_RSM] = { NOTHING },
	[MACHINE_EVENT_INIT] = { VPID_0 },
	/* 28.3.3.1 */
	[MACHINE_EVENT_RESET] = { RULE_ALL, RULE_ALL, RULE_ALL, { 0, 0, 0 } },
	[MACHINE_EVENT_OFFLINE] = { NOTHING },
	[MACHINE_EVENT_ONLINE] = { NOTHING },
	/* 4.10.4.1; 28.3.3.1 */
	[MACHINE_EVENT_PAGE_FAULT] = { TAG | PCID | VA, TAG | PCID | VA, 0, { 0, 0, 0 } },
	[MACHINE_EVENT_NESTED_FAULT] = { TAG | PCID | RULE_NTAG | VA, TAG | PCID | RULE_NTAG | VA,
					 RULE_NTAG | RULE_GPA, { 0, 0, 0 } },
	/* 26.3.2.5, 27.5.5 */
	[MACHINE_EVENT_VMENTRY] = { NOTHING },
	[MACHINE_EVENT_VMENTRY_0] = { VPID_0 },
	[MACHINE_EVENT_VMLEAVE] = { NOTHING },
	[MACHINE_EVENT_VMLEAVE_0] = { VPID_0 },
	[MACHINE_EVENT_VMENTRY_FAILED] = { NOTHING },
	/* 25.5.5.3: combined translations only */
	[MACHINE_EVENT_VMFUNC] = { NOTHING },
	[MACHINE_EVENT_VMFUNC_0] = { RULE_TAG_0 | RULE_NESTED, RULE_TAG_0 | RULE_NESTED, 0,
				     { 0, 0, 0 } },
	/* 28.3.3.1 */
	[MACHINE_EVENT_INVVPID_0] = { TAG | VA, TAG | VA, 0, { 0, 0, 0 } },
	[MACHINE_EVENT_INVVPID_1] = { WHOLE_TAG },
	[MACHINE_EVENT_INVVPID_2] = { RULE_GUEST, RULE_GUEST, 0, { 0, 0, 0 } },
	[MACHINE_EVENT_INVVPID_3] = { TAG | LOCAL, TAG, 0, { 0, 0, 0 } },
	[MACHINE_EVENT_INVEPT_1] = { RULE_NTAG, RULE_NTAG, RULE_NTAG, { 0, 0, 0 } },
	[MACHINE_EVENT_INVEPT_2] = { RULE_NESTED, RULE_NESTED, RULE_ALL, { 0, 0, 0 } },
};

int machine_vmx_enter(struct machine *machine, unsigned int cpu, struct machine_vmcs *vmcs)
{
	struct machine_cpu *self = machine_cpu_get(machine, cpu);
	struct machine_scope scope = machine_scope_of(self, 0);

	if (self->guest)
		return -EPERM;
	machine_cpu_moment(machine, self);
	if (vmcs->use_vpid && vmcs->vpid == 0) {
		machine_rule_run(machine, self, MACHINE_EVENT_VMENTRY_FAILED, &scope);
		return -EINVAL;
	}
	machine_cpu_world_switch(machine, self);
	machine_rule_run(machine, self,
			 vmcs->use_vpid ? MACHINE_EVENT_VMENTRY : MACHINE_EVENT_VMENTRY_0, &scope);
	self->host_registers = self->registers;
	self->registers = vmcs->registers;
	self->guest = true;
	self->guest_tagged = vmcs->use_vpid;
	self->guest_tag = vmcs->use_vpid ? vmcs->vpid : 0;
	self->guest_owner = vmcs->owner;
	self->guest_nested = vmcs->ept;
	self->guest_root = vmcs->eptp;
	machine_cpu_refresh(machine, self);
	return 0;
}

int machine_vmx_exit(struct machine *machine, unsigned int cpu, struct machine_vmcs *vmcs)
{
	struct machine_cpu *self = machine_cpu_get(machine, cpu);
	struct machine_scope scope = machine_scope_of(self, 0);

	if (!self->guest)
		return -EPERM;
	machine_cpu_moment(machine, self);
	machine_rule_run(machine, self,
			 self->guest_tagged ? MACHINE_EVENT_VMLEAVE : MACHINE_EVENT_VMLEAVE_0,
			 &scope);
	machine_cpu_world_switch(machine, self);
	vmcs->registers = self->registers;
	self->registers = self->host_registers;
	self->guest = false;
	machine_cpu_refresh(machine, self);
	return 0;
}

int machine_vmfunc(struct machine *machine, unsigned int cpu, uint64_t eptp)
{
	struct machine_cpu *self = machine_cpu_get(machine, cpu);
	struct machine_scope scope = machine_scope_of(self, 0);

	if (!self->guest || !self->guest_nested)
		return -EPERM;
	machine_cpu_moment(machine, self);
	machine_rule_run(machine, self,
			 self->guest_tagged ? MACHINE_EVENT_VMFUNC : MACHINE_EVENT_VMFUNC_0,
			 &scope);
	self->guest_root = eptp;
	machine_cpu_refresh(machine, self);
	return 0;
}

int machine_invvpid(struct machine *machine, unsigned int cpu, unsigned int type, uint16_t vpid,
		    uint64_t address)
{
	struct machine_cpu *self = machine_cpu_get(machine, cpu);
	struct machine_scope scope = machine_scope_of(self, address);

	if (self->guest)
		return -EPERM;
	if (type > 3 || (type != 2 && vpid == 0))
		return -EINVAL;
	if (type == 0 && address >> machine_address_bits(&machine->config.linear))
		return -EINVAL;
	machine_cpu_moment(machine, self);
	scope.tag = vpid;
	machine_rule_run(machine, self, MACHINE_EVENT_INVVPID_0 + type, &scope);
	return 0;
}

int machine_invept(struct machine *machine, unsigned int cpu, unsigned int type, uint64_t eptp)
{
	struct machine_cpu *self = machine_cpu_get(machine, cpu);
	struct machine_scope scope = machine_scope_of(self, 0);

	if (self->guest)
		return -EPERM;
	if (type < 1 || type > 2)
		return -EINVAL;
	machine_cpu_moment(machine, self);
	scope.ntag = eptp & MACHINE_ADDRESS;
	machine_rule_run(machine, self, MACHINE_EVENT_INVEPT_1 + type - 1, &scope);
	return 0;
}
