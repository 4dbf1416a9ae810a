/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One vCPU of a nested guest on a machine with 16 ASIDs and two CPUs. */
#include <stdio.h>
#include <tlbtag/tlbtag.h>

static const struct tlbtag_hw hw = { .vendor = TLBTAG_AMD, .nr_tags = 16, .nr_cpus = 2,
				     .flush_by_tag = true, .tag_covers_guest_physical = true,
				     .nested_paging = true };
static uint64_t words[8];
static struct tlbtag_host_cpu cpus[2];
static struct tlbtag_pool pool;
static struct tlbtag_host host;
static struct tlbtag_vm vm;
static struct tlbtag_vcpu vcpu;

static void run(const char *what, uint32_t nr)
{
	struct tlbtag_cpu cpu = { nr };
	struct tlbtag_svm_vmcb vmcb = { .clean = ~0u };
	struct tlbtag_plan plan = tlbtag_vcpu_plan(&vcpu, cpu);

	tlbtag_svm_prepare(&vmcb, &plan);
	printf("%s on CPU %u: ASID %u, TLB_CONTROL %u\n", what, nr, vmcb.asid, vmcb.tlb_control);
	/* VMRUN, which the hardware takes: */
	tlbtag_svm_complete(&vmcb, true);
	tlbtag_vcpu_entered(&vcpu, cpu);
}

int main(void)
{
	struct tlbtag_vmcb12 vmcb12 = { .asid = 1, .nested_paging = true };
	uint32_t work;

	if (tlbtag_pool_init(&pool, 1, 15, words, 8) || tlbtag_host_init(&host, &hw, &pool, cpus))
		return 1;
	tlbtag_vm_init(&vm, &host);
	tlbtag_vcpu_init(&vcpu, &vm, 0);
	tlbtag_nested_enable(&vcpu, TLBTAG_L2_DEFAULT);
	run("L1", 0);
	tlbtag_nested_enter(&vcpu, &vmcb12, &work);
	run("L2", 0);
	tlbtag_nested_exit(&vcpu);
	run("L1", 0);
	tlbtag_nested_enter(&vcpu, &vmcb12, &work);
	run("L2", 0);
	run("L2", 1);
	return 0;
}
