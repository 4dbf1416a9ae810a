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
			GUEST_SYNC(seen);
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
	off_and_on();
	with_host();
	GUEST_DONE();
}

/* Out of L2 by force and back in, with a request pending; or a flush of all. */
static void meddle(struct kvm_vcpu *vcpu, int round)
{
	struct kvm_nested_state outside = {
		.flags = KVM_STATE_NESTED_GIF_SET,
		.format = KVM_STATE_NESTED_FORMAT_SVM,
		.size = sizeof(outside),
	};
	struct kvm_x86_state *state;
	struct kvm_sregs sregs;

	switch (round % 4) {
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
	}
}

static void run(struct kvm_vcpu *vcpu)
{
	struct ucall uc;
	int round;

	for (round = 0;; round++) {
		vcpu_run(vcpu);
		TEST_ASSERT_KVM_EXIT_REASON(vcpu, KVM_EXIT_IO);
		switch (get_ucall(vcpu, &uc)) {
		case UCALL_SYNC:
			meddle(vcpu, round);
			break;
		case UCALL_DONE:
			return;
		case UCALL_ABORT:
			REPORT_GUEST_ASSERT(uc);
		default:
			TEST_FAIL("ucall 0x%lx", uc.cmd);
		}
	}
}

/* One life of a guest; the tags of one are the next one's. */
static void live(void)
{
	struct kvm_vcpu *vcpu;
	vm_vaddr_t svm_gva;
	struct kvm_vm *vm = vm_create_with_one_vcpu(&vcpu, l1_code);
	vm_vaddr_t pages = vm_vaddr_alloc_pages(vm, PAGES);
	int i;

	for (i = 0; i < PAGES; i++) {
		memory.page[i] = (uint64_t *)(pages + i * getpagesize());
		memory.gpa[i] = addr_gva2gpa(vm, pages + i * getpagesize());
	}
	sync_global_to_guest(vm, memory);
	vcpu_alloc_svm(vm, &svm_gva);
	vcpu_args_set(vcpu, 1, svm_gva);
	run(vcpu);
	kvm_vm_free(vm);
}

int main(int argc, char *argv[])
{
	int life;

	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_SVM));
	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_NPT));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_NESTED_STATE));
	for (life = 0; life < 5; life++) {
		kvm_pin_this_task_to_pcpu(life & 1);
		live();
	}
	return 0;
}
