/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What one VM entry has to carry, decided at vcpu-load and before VMRUN. The
 * peer is the generation scheme of KVM's SVM side: each CPU counts ASIDs up;
 * when it runs out of them it flushes everything, starts at the lowest again
 * and calls that a new generation; a vCPU whose generation is not the CPU's
 * takes the next ASID. Small, and so written anew here after its description.
 *
 * Ours is the run loop of vcpu.h: the short cut, or the plan, its translation
 * into VMCB fields, and the acknowledgement after the entry.
 */
#include <stdlib.h>
#include <tlbtag/tlbtag.h>

#include "bench/bench.h"

#define CPUS 2u
#define VCPUS 16u
#define TAGS 32768u

/* TLB_CONTROL of the VMCB: APM2 15.16.2. */
#define FLUSH_NOTHING 0u
#define FLUSH_EVERYTHING 1u

/* VMCB clean bits; set means that the processor may use what it remembers. */
#define CLEAN_ALL UINT32_MAX
#define CLEAN_ASID (1u << 2)

struct peer_cpu {
	uint64_t generation;
	uint32_t next;
	uint32_t min;
	uint32_t max;
};

struct peer_vcpu {
	uint64_t generation;
	uint32_t cpu;
	/* what the VMCB holds */
	uint32_t asid;
	uint32_t tlb_control;
	uint32_t clean;
};

struct plans {
	struct peer_cpu cpu[CPUS];
	struct peer_vcpu *vcpu;
	uint32_t *pick;
	uint64_t picked;
	uint32_t vcpus;
	uint64_t flushes;

	struct tlbtag_pool pool;
	struct tlbtag_host host;
	struct tlbtag_host_cpu host_cpu[CPUS];
	struct tlbtag_vm vm;
	uint64_t *words;
	struct our_vcpu *ours;
};

struct our_vcpu {
	struct tlbtag_vcpu tags;
	struct tlbtag_svm_vmcb vmcb;
};

static void peer_take_asid(struct peer_vcpu *vcpu, struct peer_cpu *cpu)
{
	if (cpu->next > cpu->max) {
		cpu->generation++;
		cpu->next = cpu->min;
		vcpu->tlb_control = FLUSH_EVERYTHING;
	}
	vcpu->generation = cpu->generation;
	vcpu->asid = cpu->next++;
	vcpu->clean &= ~CLEAN_ASID;
}

static void peer_before_entry(struct plans *plans, struct peer_vcpu *vcpu, uint32_t nr)
{
	struct peer_cpu *cpu = &plans->cpu[nr];

	if (vcpu->cpu != nr) {
		vcpu->generation = 0;
		vcpu->clean = 0;
		vcpu->cpu = nr;
	}
	if (vcpu->generation != cpu->generation)
		peer_take_asid(vcpu, cpu);
}

static void peer_after_entry(struct peer_vcpu *vcpu)
{
	vcpu->tlb_control = FLUSH_NOTHING;
	vcpu->clean = CLEAN_ALL;
}

/* On one CPU: each time another vCPU than before. */
static void peer_entries(void *state, uint64_t count)
{
	struct plans *plans = state;

	while (count-- > 0) {
		uint32_t nr = plans->pick[plans->picked++ % plans->vcpus];
		struct peer_vcpu *vcpu = &plans->vcpu[nr];

		peer_before_entry(plans, vcpu, 0);
		plans->flushes += vcpu->tlb_control != FLUSH_NOTHING;
		bench_use(vcpu->asid);
		peer_after_entry(vcpu);
	}
}

static void our_entry(struct plans *plans, struct our_vcpu *vcpu, struct tlbtag_cpu cpu)
{
	struct tlbtag_plan plan = tlbtag_vcpu_plan(&vcpu->tags, cpu);

	tlbtag_svm_prepare(&vcpu->vmcb, &plan);
	plans->flushes += plan.flush != TLBTAG_FLUSH_NONE;
	bench_use(vcpu->vmcb.asid);
	tlbtag_vcpu_entered(&vcpu->tags, cpu);
	tlbtag_svm_complete(&vcpu->vmcb, true);
	vcpu->vmcb.clean = CLEAN_ALL;
}

static void our_entries(void *state, uint64_t count)
{
	struct plans *plans = state;
	struct tlbtag_cpu cpu = { 0 };

	while (count-- > 0) {
		uint32_t nr = plans->pick[plans->picked++ % plans->vcpus];
		struct our_vcpu *vcpu = &plans->ours[nr];

		if (!tlbtag_vcpu_is_clean(&vcpu->tags, cpu))
			our_entry(plans, vcpu, cpu);
		bench_use(vcpu->vmcb.asid);
	}
}

static void ours_create(struct plans *plans, uint32_t tags)
{
	struct tlbtag_hw hw = {
		.vendor = TLBTAG_AMD,
		.nr_tags = tags,
		.nr_cpus = CPUS,
		.flush_by_tag = true,
		.tag_covers_guest_physical = true,
		.nested_paging = true,
	};
	uint32_t words = tlbtag_pool_words(tags - 1);

	plans->words = bench_memory(words * sizeof(*plans->words));
	if (tlbtag_pool_init(&plans->pool, 1, tags - 1, plans->words, words) ||
	    tlbtag_host_init(&plans->host, &hw, &plans->pool, plans->host_cpu))
		bench_differ("plan: the set-up");
	tlbtag_vm_init(&plans->vm, &plans->host);
	plans->ours = bench_memory(sizeof(*plans->ours) * plans->vcpus);
	for (uint32_t nr = 0; nr < plans->vcpus; nr++)
		tlbtag_vcpu_init(&plans->ours[nr].tags, &plans->vm, nr);
}

static struct plans *plans_create(uint32_t vcpus, uint32_t tags)
{
	struct plans *plans = bench_memory(sizeof(*plans));

	plans->vcpus = vcpus;
	plans->vcpu = bench_memory(sizeof(*plans->vcpu) * vcpus);
	plans->pick = bench_memory(sizeof(*plans->pick) * vcpus);
	for (uint32_t nr = 0; nr < vcpus; nr++) {
		plans->vcpu[nr].cpu = UINT32_MAX;
		plans->pick[nr] = nr;
	}
	for (uint32_t nr = 0; nr < CPUS; nr++)
		plans->cpu[nr] = (struct peer_cpu){ 1, tags, 1, tags - 1 };
	ours_create(plans, tags);
	return plans;
}

static void plans_destroy(struct plans *plans)
{
	free(plans->ours);
	free(plans->words);
	free(plans->vcpu);
	free(plans->pick);
	free(plans);
}

/* The scheme's mark: with fewer tags than vCPUs, one full flush per round of tags. */
static void peer_check(void)
{
	struct plans *plans = plans_create(16, 8);

	peer_entries(plans, 7 * 1000);
	if (plans->flushes != 1000)
		bench_differ("plan: the generation scheme's flushes");
	plans_destroy(plans);
}

/* With tags for all: each vCPU flushes once, at its first entry. */
static void our_check(void)
{
	struct plans *plans = plans_create(16, 32);

	our_entries(plans, 16 * 1000);
	if (plans->flushes != 16)
		bench_differ("plan: the library's flushes");
	plans_destroy(plans);
}

void bench_plan(void)
{
	struct plans *plans = plans_create(VCPUS, TAGS);

	struct bench_sides sides = { peer_entries, our_entries, plans };

	peer_check();
	our_check();
	bench_time("plan.entry", &sides);
	plans_destroy(plans);
}
