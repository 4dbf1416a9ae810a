/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Private memory in the model hypervisor: a host that runs TDX guests on
 * machine/tdx.h and carries out the library's plans for their metadata pages and
 * their secure page tables. doc/MODEL_SEPT.md says what is modelled.
 *
 * Operations, configurations and verdicts are those of vmm.h, so that check/ can
 * draw, shrink and tell stories of this world as of the other. Deterministic.
 */
#ifndef VMM_PRIVATE_H
#define VMM_PRIVATE_H

#include "vmm.h"

extern const struct vmm_op_info private_op_infos[];
extern const unsigned int private_op_kinds;
extern const struct vmm_fault private_faults[];
extern const unsigned int private_fault_count;

/* As vmm_config_init() and the following, for this world. */
void private_config_init(struct vmm_config *config);
void private_config_suit(struct vmm_config *config, uint32_t fault);
const char *private_config_check(const struct vmm_config *config);
unsigned int private_arg_limit(const struct vmm_config *config, unsigned int kind,
			       unsigned int arg);
/* What a value stands for; NULL: for itself. */
const char *private_arg_word(unsigned int kind, unsigned int arg, unsigned int value);
const char *private_wrong_name(enum vmm_wrong wrong);
/* One line: what that means. */
const char *private_wrong_meaning(enum vmm_wrong wrong);

struct private_host;

struct private_host *private_create(const struct vmm_config *config);
void private_restart(struct private_host *host, const struct vmm_config *config);
void private_destroy(struct private_host *host);
int private_apply(struct private_host *host, const struct vmm_op *op,
		  struct vmm_verdict *verdict);
/* Everything that was begun ends, all VMs go, and nothing must be left. */
int private_settle(struct private_host *host, struct vmm_verdict *verdict);
/*
 * Of its fields @accesses counts the counters and entries that the oracle compared,
 * @flushes the mappings split, @spare the SEAMCALLs refused by injection, @syncs how
 * often vCPUs were kept out for a retry.
 */
const struct vmm_counts *private_counts(const struct private_host *host);

#endif
