/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The operations: what a story is made of. op.h is the catalogue.
 */
#include "op.h"

#include <stdlib.h>

/* The names of arguments. */
#define NAME_NOTHING NULL
#define NAME_VM "vm"
#define NAME_VCPU "vcpu"
#define NAME_OTHER "other"
#define NAME_CPU "cpu"
#define NAME_PAGE "page"
#define NAME_TARGET "target"
#define NAME_HOW "flush"
#define NAME_ASID "asid"
#define NAME_VPID "vpid"
#define NAME_TYPE "type"
#define NAME_ROOT "root"
#define NAME_CONTROL "control"
#define NAME_GFN "gfn"
#define NAME_BY "by"
#define NAME_SLOT "slot"
#define NAME_N2FN "n2fn"
#define NAME_FRAME_OF "to"
#define NAME_ENTRY_OF "entry"
#define NAME_TABLE_OF "table"
#define NAME_TABLE "root"
#define NAME_PCID "pcid"
#define NAME_KEEP "keep"

static bool (*const functions[])(struct vmm *vmm, const uint8_t *args) = {
#define FUNCTION(function, name, about, vendor, weight, a, b, c, d, e) vmm_op_##function,
	VMM_OPS(FUNCTION)
#undef FUNCTION
};

static const uint8_t arguments[][VMM_ARGS] = {
#define KINDS(function, name, about, vendor, weight, a, b, c, d, e) { a, b, c, d, e },
	VMM_OPS(KINDS)
#undef KINDS
};

const struct vmm_op_info vmm_op_infos[] = {
#define INFO(function, name, about, vendor, weight, a, b, c, d, e)                              \
	{ name, { NAME_##a, NAME_##b, NAME_##c, NAME_##d, NAME_##e, NULL }, about,              \
	  VMM_##vendor, weight },
	VMM_OPS(INFO)
#undef INFO
};

const unsigned int vmm_op_kinds = sizeof(functions) / sizeof(functions[0]);

unsigned int vmm_arg_limit(const struct vmm_config *config, unsigned int kind, unsigned int arg)
{
	if (kind >= vmm_op_kinds || arg >= VMM_ARGS)
		return 0;
	switch ((enum argument)arguments[kind][arg]) {
	case NOTHING:
		return 0;
	case VM:
		return config->vms;
	case VCPU:
	case OTHER:
		return config->vcpus;
	case CPU:
		return config->cpus;
	case PAGE:
		return VMM_PAGES;
	case TARGET:
		return TARGETS;
	case HOW:
		return HOWS;
	case ASID:
		return 1 + VMM_ASIDS;
	case VPID:
		return VPIDS;
	case TYPE:
		return TYPES;
	case ROOT:
	case ENTRY_OF:
	case TABLE:
	case KEEP:
		return 2;
	case PCID:
		return config->pcid ? 2 : 1;
	case CONTROL:
		return CONTROLS;
	case GFN:
		return VMM_GFNS;
	case BY:
		return 1u + config->vcpus;
	case SLOT:
	case N2FN:
		return 4;
	case FRAME_OF:
		return FRAMES_OF;
	case TABLE_OF:
		return TABLES_OF;
	}
	return 0;
}

/* --- applying --- */

static bool make_room(struct vmm *vmm)
{
	uint32_t capacity = vmm->clock_capacity ? 2 * vmm->clock_capacity : 64;
	uint64_t *clocks;

	if (vmm->step < vmm->clock_capacity)
		return true;
	clocks = realloc(vmm->clocks, capacity * sizeof(*clocks));
	if (!clocks)
		return false;
	vmm->clocks = clocks;
	vmm->clock_capacity = capacity;
	return true;
}

static bool in_range(const struct vmm *vmm, const struct vmm_op *op)
{
	if (op->kind >= vmm_op_kinds ||
	    !vmm_is_vendors(&vmm->config, vmm_op_infos[op->kind].vendor))
		return false;
	for (unsigned int i = 0; i < VMM_ARGS; i++) {
		unsigned int limit = vmm_arg_limit(&vmm->config, op->kind, i);

		if (limit && op->arg[i] >= limit)
			return false;
	}
	return true;
}

/* With a rule off or a fault the library has reason to complain. */
static void look_at_warnings(struct vmm *vmm)
{
	if (tlbtag_sim_warnings_unseen() == 0)
		return;
	vmm_complain(vmm, VMM_BROKEN, NULL, tlbtag_sim_last_warning());
	tlbtag_sim_warnings_reset();
}

int vmm_apply(struct vmm *vmm, const struct vmm_op *op, struct vmm_verdict *verdict)
{
	vmm->step = (uint32_t)vmm->counts.steps + 1;
	if (!in_range(vmm, op) || !make_room(vmm))
		return 0;
	vmm->clocks[vmm->step] = machine_clock(vmm->machine);
	if (!functions[op->kind](vmm, op->arg))
		return 0;
	vmm->counts.steps++;
	if (vmm->verdict.wrong == VMM_FINE)
		vmm_probe(vmm);
	look_at_warnings(vmm);
	if (vmm->verdict.wrong == VMM_FINE)
		return 1;
	if (verdict)
		*verdict = vmm->verdict;
	return -1;
}
