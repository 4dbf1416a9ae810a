/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A small machine for tests: a host with a pool, one VM, two vCPUs, two CPUs.
 */
#ifndef TEST_LAB_H
#define TEST_LAB_H

#include <tlbtag/tlbtag.h>

#define LAB_CPUS 2u
#define LAB_VCPUS 2u
#define LAB_TAGS_MAX 64u

struct lab {
	uint64_t words[16];
	struct tlbtag_pool pool;
	struct tlbtag_host_cpu cpu[LAB_CPUS];
	struct tlbtag_host host;
	struct tlbtag_vm vm;
	struct tlbtag_vcpu vcpu[LAB_VCPUS];
	union tlbtag_owner_word owner[4];
};

/* An AMD server with FLUSHBYASID, NPT and a working INVLPGA. */
static inline struct tlbtag_hw lab_hw(uint32_t tags)
{
	return (struct tlbtag_hw){
		.vendor = TLBTAG_AMD,
		.nr_tags = tags + 1,
		.nr_cpus = LAB_CPUS,
		.flush_by_tag = true,
		.tag_covers_guest_physical = true,
		.nested_paging = true,
	};
}

/* A pool of all tags of @hw, the host, the VM; no vCPU yet. */
static inline void lab_start(struct lab *lab, const struct tlbtag_hw *hw)
{
	memset(lab, 0, sizeof(*lab));
	tlbtag_pool_init(&lab->pool, 1, hw->nr_tags - 1, lab->words, 16);
	tlbtag_host_init(&lab->host, hw, &lab->pool, lab->cpu);
	tlbtag_vm_init(&lab->vm, &lab->host);
}

static inline void lab_start_vcpus(struct lab *lab)
{
	for (uint32_t i = 0; i < LAB_VCPUS; i++)
		tlbtag_vcpu_init(&lab->vcpu[i], &lab->vm, i);
}

/* The usual lab: @tags tags, two vCPUs with nesting and @contexts L2 contexts. */
static inline void lab_start_nested(struct lab *lab, uint32_t tags, uint32_t contexts)
{
	struct tlbtag_hw hw = lab_hw(tags);

	lab_start(lab, &hw);
	lab_start_vcpus(lab);
	for (uint32_t i = 0; i < LAB_VCPUS; i++)
		tlbtag_nested_enable(&lab->vcpu[i], contexts);
}

static inline struct tlbtag_cpu on(uint32_t cpu)
{
	return (struct tlbtag_cpu){ cpu };
}

/* A VM entry that the hardware takes; returns its plan. */
static inline struct tlbtag_plan lab_enter(struct tlbtag_vcpu *vcpu, uint32_t cpu)
{
	struct tlbtag_plan plan = tlbtag_vcpu_plan(vcpu, on(cpu));

	tlbtag_vcpu_entered(vcpu, on(cpu));
	return plan;
}

/* L1 executes VMRUN; returns the work owed. */
static inline uint32_t lab_vmrun(struct tlbtag_vcpu *vcpu, uint32_t asid, uint8_t tlb_control)
{
	struct tlbtag_vmcb12 vmcb12 = {
		.asid = asid,
		.tlb_control = tlb_control,
		.nested_paging = true,
	};
	uint32_t work = 0;

	tlbtag_nested_enter(vcpu, &vmcb12, &work);
	return work;
}

/* The vCPU is in a copy of the lab. */
static inline void lab_relink_vcpu(struct lab *lab, struct tlbtag_vcpu *vcpu)
{
	vcpu->vm = &lab->vm;
	for (uint32_t level = 0; level < 2; level++)
		if (vcpu->ready[level].cpu != TLBTAG_CPU_NONE)
			vcpu->ready[level].changes_now =
				&lab->cpu[vcpu->ready[level].cpu].changes;
}

#endif
