/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What check/ needs of a world that operations are applied to. The model
 * hypervisor is one; tests have a smaller one with a bug that they know.
 */
#ifndef CHECK_WORLD_H
#define CHECK_WORLD_H

#include "../vmm/vmm.h"

/* More kinds of operations than this are refused by check_world_check(). */
#define CHECK_KINDS_MAX 128u

struct seed;

/**
 * struct check_world - a world, as vmm.h describes it
 * @is_private: TDX guests' private memory (vmm/private.h): other keys, other rules,
 *	and stories with another head line
 * @infos, @kinds: the operations
 * @faults, @fault_count: mistakes that can be put in
 * @config_init ... @digest: as vmm_config_init() ... vmm_digest(); without @digest
 *	it cannot be explored
 * @config_draw: chance decides what it is made of; NULL: as a world of flushes
 * @arg_word: what a value of an argument stands for, or NULL; may be NULL itself
 * @wrong_meaning: a line about a verdict; NULL: about flushes
 * @policy_name, @policies: names of the values of a configuration's policy
 */
struct check_world {
	bool is_private;
	const struct vmm_op_info *infos;
	unsigned int kinds;
	const struct vmm_fault *faults;
	unsigned int fault_count;
	void (*config_init)(struct vmm_config *config);
	void (*config_suit)(struct vmm_config *config, uint32_t fault);
	const char *(*config_check)(const struct vmm_config *config);
	const char *(*policy_name)(unsigned int policy);
	unsigned int policies;
	unsigned int (*arg_limit)(const struct vmm_config *config, unsigned int kind,
				  unsigned int arg);
	void (*config_draw)(struct seed *seed, struct vmm_config *config);
	const char *(*arg_word)(unsigned int kind, unsigned int arg, unsigned int value);
	const char *(*wrong_name)(enum vmm_wrong wrong);
	const char *(*wrong_meaning)(enum vmm_wrong wrong);
	struct vmm *(*create)(const struct vmm_config *config);
	void (*restart)(struct vmm *vmm, const struct vmm_config *config);
	void (*destroy)(struct vmm *vmm);
	int (*apply)(struct vmm *vmm, const struct vmm_op *op, struct vmm_verdict *verdict);
	int (*settle)(struct vmm *vmm, struct vmm_verdict *verdict);
	const struct vmm_counts *(*counts)(const struct vmm *vmm);
	uint64_t (*digest)(const struct vmm *vmm);
};

/* The model hypervisor. */
const struct check_world *check_world_vmm(void);
/* The same with private memory. */
const struct check_world *check_world_private(void);

/* How many arguments operations of this kind have. */
unsigned int check_world_args(const struct check_world *world, unsigned int kind);

/* NULL, or what makes this world unusable for check/. */
const char *check_world_check(const struct check_world *world);

#endif
