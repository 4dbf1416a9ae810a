// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * tlbtag_trip_test: what does a trip out of the guest and back cost?
 *
 * By the TSC, which in a machine that counts instructions is the number of those
 * executed, by all levels together: what differs between two builds of KVM is
 * L0's. Prints, for each kind of trip, the median of many small batches:
 *
 *	I NAME COUNT
 *
 * cpuid: the guest executes CPUID, and KVM answers. nested, nested-shadow: L2
 * executes CPUID and L1 answers, with and without nested paging in L1; L1 is ten
 * lines of code, so that nearly all is L0's.
 *
 * Built with the library of the kernel's KVM selftests.
 */
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "svm_util.h"

#define PRESENT_WRITABLE_USER 7ull
#define LARGE (1ull << 7)
#define NESTED_PAGING 1ull
#define CPUID_LENGTH 2
#define ENTRIES 512
#define STACK_WORDS 512
#define BATCHES 15
#define TRIPS 40

enum {
	PML4,
	PDPT,
	PD,
	PAGES
};

static struct {
	uint64_t *page[PAGES];
	uint64_t gpa[PAGES];
} memory;

static void cpuid_once(void)
{
	uint32_t eax = 0, ecx = 0;

	asm volatile("cpuid" : "+a"(eax), "+c"(ecx) : : "ebx", "edx", "memory");
}

static void guest_code(void)
{
	uint64_t start;
	int batch, i;

	for (batch = 0; batch < BATCHES; batch++) {
		start = rdtsc();
		for (i = 0; i < TRIPS; i++)
			cpuid_once();
		GUEST_SYNC(rdtsc() - start);
	}
	GUEST_DONE();
}

static void l2_code(void)
{
	for (;;)
		cpuid_once();
}

/* The first gigabyte as it is. */
static void build_tables(void)
{
	int i;

	memory.page[PML4][0] = memory.gpa[PDPT] | PRESENT_WRITABLE_USER;
	memory.page[PDPT][0] = memory.gpa[PD] | PRESENT_WRITABLE_USER;
	for (i = 0; i < ENTRIES; i++)
		memory.page[PD][i] = ((uint64_t)i << 21) | LARGE | PRESENT_WRITABLE_USER;
}

static void trip(struct svm_test_data *svm)
{
	run_guest(svm->vmcb, svm->vmcb_gpa);
	GUEST_ASSERT_EQ(svm->vmcb->control.exit_code, SVM_EXIT_CPUID);
	svm->vmcb->save.rip += CPUID_LENGTH;
}

static void l1_code(struct svm_test_data *svm, bool nested_paging)
{
	struct vmcb_control_area *control = &svm->vmcb->control;
	unsigned long stack[STACK_WORDS];
	uint64_t start;
	int batch, i;

	generic_svm_setup(svm, l2_code, &stack[STACK_WORDS]);
	control->intercept |= 1ull << INTERCEPT_CPUID;
	if (nested_paging) {
		build_tables();
		control->nested_ctl = NESTED_PAGING;
		control->nested_cr3 = memory.gpa[PML4];
	}
	for (batch = 0; batch < BATCHES; batch++) {
		start = rdtsc();
		for (i = 0; i < TRIPS; i++)
			trip(svm);
		GUEST_SYNC(rdtsc() - start);
	}
	GUEST_DONE();
}

static int compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

static void run(struct kvm_vcpu *vcpu, const char *name)
{
	uint64_t batch[BATCHES];
	struct ucall uc;
	int i;

	for (i = 0; i < BATCHES; i++) {
		vcpu_run(vcpu);
		TEST_ASSERT_KVM_EXIT_REASON(vcpu, KVM_EXIT_IO);
		if (get_ucall(vcpu, &uc) == UCALL_ABORT)
			REPORT_GUEST_ASSERT(uc);
		TEST_ASSERT_EQ(uc.cmd, UCALL_SYNC);
		batch[i] = uc.args[1];
	}
	qsort(batch, BATCHES, sizeof(batch[0]), compare);
	printf("I %s %lu\n", name, batch[BATCHES / 2] / TRIPS);
}

static void nested(const char *name, bool nested_paging)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vm_create_with_one_vcpu(&vcpu, l1_code);
	vm_vaddr_t pages = vm_vaddr_alloc_pages(vm, PAGES);
	vm_vaddr_t svm;
	int i;

	for (i = 0; i < PAGES; i++) {
		memory.page[i] = (uint64_t *)(pages + i * getpagesize());
		memory.gpa[i] = addr_gva2gpa(vm, pages + i * getpagesize());
	}
	sync_global_to_guest(vm, memory);
	vcpu_alloc_svm(vm, &svm);
	vcpu_args_set(vcpu, 2, svm, nested_paging);
	run(vcpu, name);
	kvm_vm_free(vm);
}

int main(int argc, char *argv[])
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vm_create_with_one_vcpu(&vcpu, guest_code);

	run(vcpu, "cpuid");
	kvm_vm_free(vm);
	if (!kvm_cpu_has(X86_FEATURE_SVM))
		return 0;
	nested("nested-shadow", false);
	if (kvm_cpu_has(X86_FEATURE_NPT))
		nested("nested", true);
	return 0;
}
