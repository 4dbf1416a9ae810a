/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The museum's catalogue.
 */
#include "inside.h"

const struct vmm_fault vmm_faults[] = {
#define FAULT(id, name, vendor, statement, source, property) \
	{ name, VMM_##vendor, statement, source, property },
	VMM_FAULTS(FAULT)
#undef FAULT
};

const unsigned int vmm_fault_count = sizeof(vmm_faults) / sizeof(vmm_faults[0]);
