/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A model hypervisor, L0, that lives on machine/ and executes the library's
 * plans exactly. Its guests are programs: sequences of operations chosen from
 * outside (check/), one at a time. After each one an oracle says whether any
 * access of a guest was, or could have been, served by a translation that it
 * must not see.
 *
 * Deterministic: the same configuration and operations give the same verdicts.
 */
#ifndef VMM_VMM_H
#define VMM_VMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define VMM_ARGS 5u

/**
 * struct vmm_op - one step of a story
 * @kind: index into vmm_op_infos
 * @arg: what it is done to; each below vmm_arg_limit()
 */
struct vmm_op {
	uint8_t kind;
	uint8_t arg[VMM_ARGS];
};

/* Where an operation can be. */
enum vmm_vendor {
	VMM_EITHER = 0,
	VMM_AMD = 1,
	VMM_INTEL = 2,
};

/**
 * struct vmm_op_info - a kind of operation
 * @name: as in story files
 * @args: names of the arguments in use, NULL after the last
 * @about: one line for the manual and for explanations
 * @vendor: enum vmm_vendor; elsewhere it is left out
 * @weight: how often a generator should choose it, 1 is rare
 */
struct vmm_op_info {
	const char *name;
	const char *args[VMM_ARGS + 1];
	const char *about;
	uint8_t vendor;
	unsigned int weight;
};

extern const struct vmm_op_info vmm_op_infos[];
extern const unsigned int vmm_op_kinds;

/**
 * struct vmm_fault - a mistake that somebody made, put back on purpose
 * @name: short and stable, as on the command line
 * @vendor: enum vmm_vendor
 * @statement: what is done wrong
 * @source: where it happened
 * @property: what it breaks (P1 .. P9 of doc/MODEL.md)
 */
struct vmm_fault {
	const char *name;
	uint8_t vendor;
	const char *statement;
	const char *source;
	const char *property;
};

extern const struct vmm_fault vmm_faults[];
extern const unsigned int vmm_fault_count;

/* No fault: the hypervisor as it should be. */
#define VMM_FAULT_NONE UINT32_MAX

/*
 * Who decides about tags and placement: the library, or one of the policies that
 * others have, without their mistakes. Each exhibit that is a mistake in one of
 * them needs it; vmm_config_suit() sets it.
 */
enum vmm_policy {
	VMM_POLICY_LIBRARY = 0,
	/* L1 and L2 share a tag, each change of level flushes: KVM until 2026 */
	VMM_POLICY_ONE_TAG = 1,
	/* each CPU hands out ASIDs in turn, at the end it flushes all: Xen, KVM */
	VMM_POLICY_GENERATIONS = 2,
	/* a table of the vCPU that used each tag last on each CPU: KVM's SEV */
	VMM_POLICY_OWNER_TABLE = 3,
	/* one tag for the L2s of all vCPUs of a VM, with owners: the RFC's first version */
	VMM_POLICY_VM_L2_TAG = 4,
	VMM_POLICIES = 5,
};

const char *vmm_policy_name(unsigned int policy);

/**
 * struct vmm_private - the same of a world of TDX guests (private.h)
 * @dynamic_pamt: 4 KiB pages need metadata pages
 * @cache: splits get their pages from a shared cache, else by reservation
 * @old: splits take the path of the third version of Linux' patches, mended; needs
 *	@cache
 * @sweep: several leaves are removed with one TRACK, else each with its own
 * @huge: guest memory may be mapped by 2 MiB
 * @near: tables are allocated close to each other: few regions, many uses
 * @contended: whatever vCPUs in the guest can make busy is busy
 * @restless: vCPUs that are kicked, and not kept out, enter again at once
 * @trusting: the module does not check whether translations were tracked
 * @erratum: pages that come back must be reset
 * @interruptible: the module may interrupt DEMOTE
 * @yield: conversions drop the MMU lock wherever they may
 * @careless: faults do not care whether a conversion ends before them in their 2 MiB
 * @ragged: guest memory begins and ends within 2 MiB
 * @regions: of 2 MiB that the host has, 3 .. 16
 * @small: of these, the ones that single pages are taken from first
 */
struct vmm_private {
	bool dynamic_pamt;
	bool cache;
	bool old;
	bool sweep;
	bool huge;
	bool near;
	bool contended;
	bool restless;
	bool trusting;
	bool erratum;
	bool interruptible;
	bool yield;
	bool careless;
	bool ragged;
	uint8_t regions;
	uint8_t small;
};

/**
 * struct vmm_config - what a world is made of; drawn from a seed by check/
 * @intel: VPIDs and EPT instead of ASIDs and NPT
 * @flush_by_asid: AMD: the hardware has FLUSHBYASID
 * @shared_tag: one tag per VM instead of one per vCPU
 * @l0_nested_paging: L0 uses NPT or EPT; else it shadows L1's linear tables
 * @l1_nested_paging: L1 uses NPT or EPT for L2
 * @invlpga_broken: AMD: quirk Q1, and the library knows of it
 * @pcid: guests have two PCIDs, if L0 has nested paging
 * @ept_ad: Intel: L0's EPTs have accessed and dirty flags
 * @contexts: L2 contexts per vCPU, 1 .. 8
 * @tags: size of the pool, the fallback included
 * @cpus, @vms, @vcpus: how many; vCPUs per VM
 * @reuse_at_once: the pool hands out the tag freed last
 * @forgetful: the TLB forgets at every switch, as QEMU's does
 * @speculation: enum machine_speculation
 * @policy: enum vmm_policy
 * @spare_is_wrong: a flush that nothing required is a verdict, not only counted
 * @seed: for what the hardware does at random
 * @rule_off: a rule of the library that is switched off, or UINT32_MAX
 * @fault: index into vmm_faults, or VMM_FAULT_NONE
 * @tdx: of a world of TDX guests, which of the rest has @vms, @vcpus, @rule_off and
 *	@fault only
 */
struct vmm_config {
	bool intel;
	bool flush_by_asid;
	bool shared_tag;
	bool l0_nested_paging;
	bool l1_nested_paging;
	bool invlpga_broken;
	bool pcid;
	bool ept_ad;
	bool reuse_at_once;
	bool forgetful;
	bool spare_is_wrong;
	uint8_t contexts;
	uint8_t tags;
	uint8_t cpus;
	uint8_t vms;
	uint8_t vcpus;
	uint8_t speculation;
	uint8_t policy;
	uint64_t seed;
	uint32_t rule_off;
	uint32_t fault;
	struct vmm_private tdx;
};

/* Is what has this vendor (enum vmm_vendor) there in this world? */
static inline bool vmm_is_vendors(const struct vmm_config *config, uint8_t vendor)
{
	return vendor == VMM_EITHER || config->intel == (vendor == VMM_INTEL);
}

/* The usual world: AMD, FLUSHBYASID, NPT at both levels, 2 CPUs, 2 VMs of 2. */
void vmm_config_init(struct vmm_config *config);

/*
 * What the policy, if it is a peer's, and an exhibit need to show anything (a shared
 * tag, an erratum); the rest stays.
 */
void vmm_config_suit(struct vmm_config *config, uint32_t fault);

/* NULL if the configuration can be, else what is wrong with it. */
const char *vmm_config_check(const struct vmm_config *config);

/* Arguments of this kind are below the answer; 0 for one that is not in use. */
unsigned int vmm_arg_limit(const struct vmm_config *config, unsigned int kind, unsigned int arg);

/*
 * What is wrong. The first three are the clauses of doc/MODEL.md; SPARE is a
 * flush that no rule asked for, LEAK a tag that did not come back, STUCK a vCPU
 * that cannot make progress, BROKEN an internal check of the library or model. What
 * follows is of private memory, and private_wrong_meaning() says it.
 */
enum vmm_wrong {
	VMM_FINE = 0,
	VMM_FOREIGN = 1,
	VMM_LOST = 2,
	VMM_LATE = 3,
	VMM_SPARE = 4,
	VMM_LEAK = 5,
	VMM_STUCK = 6,
	VMM_BROKEN = 7,
	VMM_COUNTER = 8,
	VMM_PAIR = 9,
	VMM_TWICE = 10,
	VMM_STALE = 11,
	VMM_APART = 12,
	VMM_DRY = 13,
	VMM_HARM = 14,
	VMM_REFUSED = 15,
	VMM_DEAD = 16,
	VMM_HELD = 17,
	VMM_GONE = 18,
	VMM_UNCHARGED = 19,
	VMM_SIZE = 20,
};

const char *vmm_wrong_name(enum vmm_wrong wrong);

/*
 * Steps are operations that were applied, counted from 1; those that were left
 * out do not count. 0 is before the first. NONE: never, or not yet.
 */
#define VMM_STEP_NONE UINT32_MAX

/**
 * struct vmm_verdict - what an operation showed
 * @wrong: VMM_FINE, or what
 * @cpu, @vm, @vcpu: where and whose access
 * @level: 1 or 2
 * @tag: under which the translation was found
 * @address: of the access
 * @got: what the hardware may answer (system address)
 * @filled_at: step at which the translation was made, or the entry of L0's shadow
 *	table that it comes from
 * @shadowed: the latter
 * @filled_by_vm, @filled_by_vcpu, @filled_by_level: by whom
 * @due_at: step that should have led to its removal, or VMM_STEP_NONE
 * @rule: rule of the library most likely responsible (index), or UINT32_MAX
 * @words: the explanation, a few lines
 */
struct vmm_verdict {
	enum vmm_wrong wrong;
	uint8_t cpu;
	uint8_t vm;
	uint8_t vcpu;
	uint8_t level;
	uint32_t tag;
	uint64_t address;
	uint64_t got;
	uint32_t filled_at;
	bool shadowed;
	uint8_t filled_by_vm;
	uint8_t filled_by_vcpu;
	uint8_t filled_by_level;
	uint32_t due_at;
	uint32_t rule;
	char words[1024];
};

/**
 * struct vmm_counts - what happened up to now
 * @steps: operations applied, those that were impossible left out
 * @accesses: checked accesses of guests, single addresses
 * @entries: VM entries
 * @flushes: entries that flushed
 * @spare: of these, flushes that nothing required
 * @syncs: shadow roots synced
 */
struct vmm_counts {
	uint64_t steps;
	uint64_t accesses;
	uint64_t entries;
	uint64_t flushes;
	uint64_t spare;
	uint64_t syncs;
};

struct vmm;

/* Return: a world in its first state, or NULL when out of memory. */
struct vmm *vmm_create(const struct vmm_config *config);

/* The same in storage that exists; cheap, for millions of short stories. */
void vmm_restart(struct vmm *vmm, const struct vmm_config *config);

void vmm_destroy(struct vmm *vmm);

/**
 * vmm_apply() - one operation
 * @vmm: a world
 * @op: with arguments below their limits
 * @verdict: filled in if something is wrong
 *
 * An operation that cannot be done in this state (a store of a vCPU that is not
 * in guest mode) is left out.
 *
 * Return: 1 if it was done, 0 if it was left out, -1 if it was done and
 * something is wrong; the world must then be restarted.
 */
int vmm_apply(struct vmm *vmm, const struct vmm_op *op, struct vmm_verdict *verdict);

/**
 * vmm_settle() - the end of a story: everything exits and is destroyed
 * @vmm: a world; must be restarted after
 * @verdict: LEAK or STUCK
 *
 * Return: 0, or -1 with the verdict.
 */
int vmm_settle(struct vmm *vmm, struct vmm_verdict *verdict);

const struct vmm_counts *vmm_counts(const struct vmm *vmm);

/* A number that is equal for equal states, for explorers that avoid repeats. */
uint64_t vmm_digest(const struct vmm *vmm);

#endif
