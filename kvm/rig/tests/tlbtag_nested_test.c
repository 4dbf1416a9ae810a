// SPDX-License-Identifier: GPL-2.0-only
/*
 * tlbtag_nested_test: does L2 see what L1's nested tables say, when it must?
 *
 * The emulator forgets its TLB at each VMRUN, but L0's shadow of L1's tables is
 * real: where L0 fails to sync it, L2 reads an old page. Each step asks for what
 * the manual demands and no more: an edit is visible after a flush of the ASID,
 * or under an ASID that has never run. What else L0 does, the recording shows.
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
#define VMMCALL_LENGTH 3
#define ENTRIES 512
#define STACK_WORDS 512
#define ROUNDS 60
#define SMRAM_GPA 0x1000000ull
/* The first slot of the address space that is used in SMM */
#define SMRAM_SLOT (1 << 16)
#define SMRAM_PAGES 16
#define SMI_HANDLER 0x8000

enum which {
	PML4_0,
	PML4_1,
	PDPT,
	PD,
	PT,
	X,
	A,
	B,
	PAGES
};

/* What L1 does with TLB_CONTROL */
enum control {
	KEEP = 0,
	FLUSH_ALL = 1,
	FLUSH = 3,
};

/* What L1 or L2 wants of the host */
enum wish {
	MEDDLE = 1,
	MOVE,
	OTHER_VCPU,
};

static struct {
	uint64_t *page[PAGES];
	uint64_t gpa[PAGES];
} memory;

static volatile uint64_t seen;
static volatile bool tell_host;
static struct svm_test_data *svm;

static void l2_code(void)
{
	for (;;) {
		seen = *(volatile uint64_t *)memory.page[X];
		if (tell_host)
			GUEST_SYNC(MEDDLE);
		vmmcall();
	}
}

static void build_tables(void)
{
	uint64_t region = memory.gpa[X] >> 21;
	int i;

	memory.page[PML4_0][0] = memory.gpa[PDPT] | PRESENT_WRITABLE_USER;
	memory.page[PML4_1][0] = memory.gpa[PDPT] | PRESENT_WRITABLE_USER;
	memory.page[PDPT][0] = memory.gpa[PD] | PRESENT_WRITABLE_USER;
	for (i = 0; i < ENTRIES; i++) {
		memory.page[PD][i] = ((uint64_t)i << 21) | LARGE | PRESENT_WRITABLE_USER;
		memory.page[PT][i] = (region << 21) | (uint64_t)i << 12 | PRESENT_WRITABLE_USER;
	}
	memory.page[PD][region] = memory.gpa[PT] | PRESENT_WRITABLE_USER;
	*memory.page[A] = A;
	*memory.page[B] = B;
}

/* L1 lets the guest-physical page X lead to another page. */
static void map(enum which to)
{
	uint64_t index = memory.gpa[X] >> 12 & (ENTRIES - 1);

	WRITE_ONCE(memory.page[PT][index], memory.gpa[to] | PRESENT_WRITABLE_USER);
}

/* L1 runs L2 once; which page does it find? */
static uint64_t look(uint32_t asid, uint8_t tlb_control, enum which root)
{
	struct vmcb_control_area *control = &svm->vmcb->control;

	control->asid = asid;
	control->tlb_ctl = tlb_control;
	control->nested_ctl = NESTED_PAGING;
	control->nested_cr3 = memory.gpa[root];
	control->clean = 0;
	run_guest(svm->vmcb, svm->vmcb_gpa);
	GUEST_ASSERT_EQ(control->exit_code, SVM_EXIT_VMMCALL);
	svm->vmcb->save.rip += VMMCALL_LENGTH;
	return seen;
}

static void edits_and_flushes(void)
{
	map(A);
	GUEST_ASSERT_EQ(look(1, KEEP, PML4_0), A);
	map(B);
	GUEST_ASSERT_EQ(look(1, FLUSH, PML4_0), B);
	map(A);
	GUEST_ASSERT_EQ(look(1, FLUSH_ALL, PML4_0), A);
	map(B);
	GUEST_ASSERT_EQ(look(1, FLUSH, PML4_0), B);
}

/* An ASID that has never run has nothing cached, whatever others have. */
static void new_asids(void)
{
	uint32_t asid;

	for (asid = 100; asid < 100 + ROUNDS; asid++) {
		map(asid & 1 ? A : B);
		GUEST_ASSERT_EQ(look(asid, KEEP, PML4_0), asid & 1 ? A : B);
	}
}

/* A flush of everything reaches the ASIDs that do not run now. */
static void flush_of_others(void)
{
	map(A);
	look(1, FLUSH, PML4_0);
	look(2, FLUSH, PML4_0);
	map(B);
	GUEST_ASSERT_EQ(look(1, FLUSH_ALL, PML4_0), B);
	GUEST_ASSERT_EQ(look(2, KEEP, PML4_0), B);
}

/*
 * What 1 left in the root after the flush of all is older than 2 may see: 2 has
 * nothing cached.
 */
static void leftovers(void)
{
	map(A);
	look(2, FLUSH, PML4_0);
	look(1, FLUSH_ALL, PML4_0);
	map(B);
	GUEST_ASSERT_EQ(look(2, KEEP, PML4_0), B);
}

/*
 * Without an edit, since the sync that follows one makes L0 flush everything,
 * which would hide what is missing. Only a recording shows it here.
 */
static void without_edits(void)
{
	uint32_t asid;

	for (asid = 200; asid < 200 + ROUNDS; asid++)
		look(asid, KEEP, PML4_0);
	for (asid = 1; asid < 4; asid++)
		look(asid, KEEP, PML4_0);
	look(1, FLUSH_ALL, PML4_0);
	for (asid = 1; asid < 4; asid++)
		look(asid, KEEP, PML4_0);
}

/* The flush is of the ASID, not of the root that it happened to run on. */
static void other_root(void)
{
	map(A);
	look(1, FLUSH, PML4_1);
	look(1, FLUSH, PML4_0);
	map(B);
	GUEST_ASSERT_EQ(look(1, FLUSH, PML4_0), B);
	GUEST_ASSERT_EQ(look(1, KEEP, PML4_1), B);
}

/* One ASID's sync is not another's: 1 keeps what it has, 2 was flushed. */
static void alternate(void)
{
	int i;

	for (i = 0; i < ROUNDS; i++) {
		enum which now = i & 1 ? A : B;

		map(now);
		GUEST_ASSERT_EQ(look(1 + i % 3, FLUSH, i % 5 ? PML4_0 : PML4_1), now);
		look(1 + (i + 1) % 3, KEEP, PML4_0);
	}
}

static void invlpga(void *address, uint32_t asid)
{
	asm volatile("invlpga %%rax, %%ecx" : : "a"(address), "c"(asid) : "memory");
}

/* Of the ASID that ran last, of another, of none, of 0, of no address at all. */
static void invalidations(void)
{
	uint32_t asid;

	for (asid = 0; asid < 6; asid++) {
		look(1 + asid % 2, KEEP, PML4_0);
		invlpga(memory.page[X], asid);
		invlpga((void *)(1ull << 62), asid);
	}
	look(1, KEEP, PML4_0);
	look(2, KEEP, PML4_0);
}

/* On another CPU than L2 ran on, and from another vCPU, which has no L2. */
static void invalidations_elsewhere(void)
{
	int i;

	for (i = 0; i < ROUNDS; i++) {
		uint32_t asid = 1 + i % 2;

		map(i & 1 ? A : B);
		GUEST_ASSERT_EQ(look(asid, FLUSH, PML4_0), i & 1 ? A : B);
		if (i % 3)
			GUEST_SYNC(MOVE);
		invlpga(memory.page[X], asid);
		if (i % 5)
			GUEST_SYNC(MOVE);
		GUEST_SYNC(OTHER_VCPU);
		look(asid, KEEP, PML4_0);
	}
}

static void other_vcpu(void)
{
	uint32_t asid;

	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME);
	for (;;) {
		for (asid = 1; asid < 4; asid++)
			invlpga(memory.page[X], asid);
		GUEST_SYNC(OTHER_VCPU);
	}
}

/* An entry that L0 finds impossible late, when L2's state is half loaded. */
static void fail(uint32_t asid, uint8_t tlb_control)
{
	struct vmcb_save_area good = svm->vmcb->save;
	struct vmcb_save_area *save = &svm->vmcb->save;

	save->efer = EFER_SVME;
	save->cr4 &= ~X86_CR4_PAE;
	save->cr3 = 1ull << 60;
	svm->vmcb->control.asid = asid;
	svm->vmcb->control.tlb_ctl = tlb_control;
	svm->vmcb->control.clean = 0;
	run_guest(svm->vmcb, svm->vmcb_gpa);
	GUEST_ASSERT_EQ((int)svm->vmcb->control.exit_code, SVM_EXIT_ERR);
	*save = good;
}

/* What such an entry asked for is not lost on others, nor taken for theirs. */
static void failing_entries(void)
{
	int i;

	for (i = 0; i < ROUNDS; i++) {
		enum which now = i & 1 ? A : B;

		look(1, FLUSH, PML4_0);
		look(2, FLUSH, PML4_0);
		map(now);
		fail(1 + i % 3, i % 4 ? FLUSH : KEEP);
		GUEST_ASSERT_EQ(look(1 + i % 2, FLUSH, PML4_0), now);
		fail(2, KEEP);
		GUEST_ASSERT_EQ(look(1 + i % 2, KEEP, PML4_0), now);
		look(300 + i, KEEP, PML4_0);
	}
}

/* SVM off and on: what L0 had for L2 is another vCPU's by now, or was. */
static void off_and_on(void)
{
	uint64_t efer = rdmsr(MSR_EFER);
	int i;

	for (i = 0; i < ROUNDS; i++) {
		wrmsr(MSR_EFER, efer & ~EFER_SVME);
		wrmsr(MSR_EFER, efer | EFER_SVME);
		map(i & 1 ? A : B);
		GUEST_ASSERT_EQ(look(1, FLUSH, PML4_0), i & 1 ? A : B);
		look(1, KEEP, PML4_0);
	}
	for (i = 0; i < ROUNDS; i++) {
		wrmsr(MSR_EFER, efer & ~EFER_SVME);
		wrmsr(MSR_EFER, efer | EFER_SVME);
		look(1 + i % 2, KEEP, PML4_0);
	}
}

/* The host meddles while L2 is active, see meddle(). */
static void with_host(void)
{
	int i;

	tell_host = true;
	for (i = 0; i < ROUNDS; i++) {
		map(i & 1 ? A : B);
		GUEST_ASSERT_EQ(look(1 + i % 2, FLUSH, PML4_0), i & 1 ? A : B);
		look(1 + i % 2, KEEP, PML4_0);
	}
	tell_host = false;
}

static void l1_code(struct svm_test_data *data)
{
	unsigned long stack[STACK_WORDS];

	svm = data;
	generic_svm_setup(svm, l2_code, &stack[STACK_WORDS]);
	build_tables();
	edits_and_flushes();
	flush_of_others();
	leftovers();
	new_asids();
	without_edits();
	other_root();
	alternate();
	invalidations();
	invalidations_elsewhere();
	failing_entries();
	off_and_on();
	with_host();
	GUEST_DONE();
}

/*
 * Out of L2 by force and back in, with a request pending; by an SMI, whose handler
 * returns at once; or a flush of all.
 */
static void meddle(struct kvm_vcpu *vcpu, int round)
{
	struct kvm_nested_state outside = {
		.flags = KVM_STATE_NESTED_GIF_SET,
		.format = KVM_STATE_NESTED_FORMAT_SVM,
		.size = sizeof(outside),
	};
	struct kvm_x86_state *state;
	struct kvm_sregs sregs;

	switch (round % 6) {
	case 0:
		vm_mem_region_set_flags(vcpu->vm, 0, KVM_MEM_LOG_DIRTY_PAGES);
		break;
	case 1:
		vm_mem_region_set_flags(vcpu->vm, 0, 0);
		break;
	case 2:
		vcpu_sregs_get(vcpu, &sregs);
		sregs.cr4 ^= X86_CR4_PGE;
		vcpu_sregs_set(vcpu, &sregs);
		sregs.cr4 ^= X86_CR4_PGE;
		vcpu_sregs_set(vcpu, &sregs);
		break;
	case 3:
		state = vcpu_save_state(vcpu);
		vcpu_nested_state_set(vcpu, &outside);
		vcpu_load_state(vcpu, state);
		kvm_x86_state_cleanup(state);
		break;
	case 4:
		vcpu_ioctl(vcpu, KVM_SMI, NULL);
		break;
	case 5:
		vm_mem_region_set_flags(vcpu->vm, 0, round & 1 ? KVM_MEM_LOG_DIRTY_PAGES : 0);
		vcpu_ioctl(vcpu, KVM_SMI, NULL);
		break;
	}
}

static void move(void)
{
	static int cpu;

	cpu = !cpu;
	kvm_pin_this_task_to_pcpu(cpu);
}

static uint64_t run(struct kvm_vcpu *vcpu)
{
	struct ucall uc;

	vcpu_run(vcpu);
	TEST_ASSERT_KVM_EXIT_REASON(vcpu, KVM_EXIT_IO);
	switch (get_ucall(vcpu, &uc)) {
	case UCALL_SYNC:
		return uc.args[1];
	case UCALL_DONE:
		return 0;
	case UCALL_ABORT:
		REPORT_GUEST_ASSERT(uc);
	default:
		TEST_FAIL("ucall 0x%lx", uc.cmd);
		return 0;
	}
}

static void serve(struct kvm_vcpu *vcpu, struct kvm_vcpu *other)
{
	uint64_t wish;
	int round = 0;

	while ((wish = run(vcpu))) {
		switch (wish) {
		case MEDDLE:
			meddle(vcpu, round++);
			break;
		case MOVE:
			move();
			break;
		case OTHER_VCPU:
			run(other);
			break;
		}
	}
}

static void smm_setup(struct kvm_vm *vm, struct kvm_vcpu *vcpu)
{
	static const uint8_t rsm[] = { 0x0f, 0xaa };

	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, SMRAM_GPA, SMRAM_SLOT, SMRAM_PAGES,
				    0);
	memcpy(addr_gpa2hva(vm, SMRAM_GPA) + SMI_HANDLER, rsm, sizeof(rsm));
	vcpu_set_msr(vcpu, MSR_IA32_SMBASE, SMRAM_GPA);
}

/* One life of a guest; the tags of one are the next one's. */
static void live(void)
{
	struct kvm_vcpu *vcpus[2];
	struct kvm_vm *vm = vm_create_with_vcpus(ARRAY_SIZE(vcpus), l1_code, vcpus);
	vm_vaddr_t pages = vm_vaddr_alloc_pages(vm, PAGES);
	vm_vaddr_t svm_gva;
	int i;

	vcpu_arch_set_entry_point(vcpus[1], other_vcpu);
	for (i = 0; i < PAGES; i++) {
		memory.page[i] = (uint64_t *)(pages + i * getpagesize());
		memory.gpa[i] = addr_gva2gpa(vm, pages + i * getpagesize());
	}
	sync_global_to_guest(vm, memory);
	smm_setup(vm, vcpus[0]);
	vcpu_alloc_svm(vm, &svm_gva);
	vcpu_args_set(vcpus[0], 1, svm_gva);
	serve(vcpus[0], vcpus[1]);
	kvm_vm_free(vm);
}

int main(int argc, char *argv[])
{
	int life;

	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_SVM));
	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_NPT));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_NESTED_STATE));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_SMM));
	for (life = 0; life < 5; life++) {
		kvm_pin_this_task_to_pcpu(life & 1);
		live();
	}
	return 0;
}
