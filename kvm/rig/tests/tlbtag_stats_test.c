// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * tlbtag_stats_test: are our counters in a vCPU's binary statistics?
 *
 * With the reworked modules each vCPU must have them after KVM's own, a vCPU that
 * never ran has counted nothing, and each flush that L1 asks for in TLB_CONTROL is
 * counted once. The stream read in odd pieces must be the stream read at once. With
 * the stock modules there must be none of ours.
 *
 * Built with the library of the kernel's KVM selftests.
 */
#include <fcntl.h>

#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "svm_util.h"

#define FLUSH_ASID 3
#define VMMCALL_LENGTH 3
#define STACK_WORDS 512
#define ROUNDS 25
#define ODD_PIECE 7
#define FLUSHES "tlbtag_flushes"
#define TLB_CONTROL "tlbtag_flush_l1-tlb-control"
#define FIRST_USE "tlbtag_flush_first-use"
#define DOUBT "tlbtag_flush_doubt"

static void l2_code(void)
{
	for (;;)
		vmmcall();
}

/* Each round L1 enters L2 twice, and demands a flush once. */
static void l1_code(struct svm_test_data *svm)
{
	unsigned long stack[STACK_WORDS];
	int i;

	generic_svm_setup(svm, l2_code, &stack[STACK_WORDS]);
	for (i = 0; i < 2 * ROUNDS; i++) {
		svm->vmcb->control.tlb_ctl = i % 2 ? 0 : FLUSH_ASID;
		run_guest(svm->vmcb, svm->vmcb_gpa);
		GUEST_ASSERT_EQ(svm->vmcb->control.exit_code, SVM_EXIT_VMMCALL);
		svm->vmcb->save.rip += VMMCALL_LENGTH;
	}
	GUEST_DONE();
}

static void run(struct kvm_vcpu *vcpu)
{
	struct ucall uc;

	vcpu_run(vcpu);
	TEST_ASSERT_KVM_EXIT_REASON(vcpu, KVM_EXIT_IO);
	if (get_ucall(vcpu, &uc) == UCALL_ABORT)
		REPORT_GUEST_ASSERT(uc);
	TEST_ASSERT_EQ(uc.cmd, UCALL_DONE);
}

/* True if there is such a counter; then its value. */
static bool find(int fd, const char *name, uint64_t *value)
{
	struct kvm_stats_header header;
	struct kvm_stats_desc *all, *desc;
	bool found = false;
	unsigned int i;

	read_stats_header(fd, &header);
	all = read_stats_descriptors(fd, &header);
	for (i = 0; i < header.num_desc && !found; i++) {
		desc = get_stats_descriptor(all, i, &header);
		found = !strcmp(desc->name, name);
		if (found)
			read_stat_data(fd, &header, desc, value, 1);
	}
	free(all);
	return found;
}

static uint64_t get(int fd, const char *name)
{
	uint64_t value;

	TEST_ASSERT(find(fd, name, &value), "no statistic %s", name);
	return value;
}

/* Nothing runs, so the numbers stay as they are. */
static void odd_pieces(int fd)
{
	static char whole[1 << 16], pieces[1 << 16];
	ssize_t size = pread(fd, whole, sizeof(whole), 0), done = 0, length;

	TEST_ASSERT(size > 0 && size < sizeof(whole), "the stream has %zd bytes", size);
	do {
		length = pread(fd, pieces + done, ODD_PIECE, done);
		TEST_ASSERT(length == (size - done < ODD_PIECE ? size - done : ODD_PIECE),
			    "%zd bytes at %zd", length, done);
		done += length;
	} while (length);
	TEST_ASSERT_EQ(done, size);
	TEST_ASSERT(!memcmp(whole, pieces, size), "the pieces differ from the whole");
}

static bool is_reworked(void)
{
	char version[16] = "";
	int fd = open("/sys/module/kvm/version", O_RDONLY);

	if (fd < 0)
		return false;
	TEST_ASSERT(read(fd, version, sizeof(version) - 1) > 0, "kvm's version cannot be read");
	close(fd);
	return !strncmp(version, "tlbtag-", strlen("tlbtag-"));
}

static void check_counts(int ran, int idle)
{
	TEST_ASSERT_EQ(get(ran, TLB_CONTROL), ROUNDS);
	TEST_ASSERT(get(ran, FIRST_USE) >= 2, "L1 and L2 had a first use each");
	TEST_ASSERT(get(ran, FLUSHES) >= ROUNDS + 1, "%lu flushes", get(ran, FLUSHES));
	TEST_ASSERT_EQ(get(ran, DOUBT), 0);
	TEST_ASSERT_EQ(get(idle, FLUSHES), 0);
	TEST_ASSERT_EQ(get(idle, TLB_CONTROL), 0);
	TEST_ASSERT_EQ(get(idle, FIRST_USE), 0);
}

int main(int argc, char *argv[])
{
	struct kvm_vcpu *vcpu, *idle;
	struct kvm_vm *vm;
	vm_vaddr_t svm;
	uint64_t value;
	int fd;

	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_SVM));
	vm = vm_create_with_one_vcpu(&vcpu, l1_code);
	idle = vm_vcpu_add(vm, 1, l1_code);
	vcpu_alloc_svm(vm, &svm);
	vcpu_args_set(vcpu, 1, svm);
	fd = vcpu_get_stats_fd(vcpu);
	if (is_reworked())
		TEST_ASSERT_EQ(get(fd, FLUSHES), 0);
	run(vcpu);
	odd_pieces(fd);
	if (is_reworked())
		check_counts(fd, vcpu_get_stats_fd(idle));
	else
		TEST_ASSERT(!find(fd, FLUSHES, &value), "statistics of ours in stock modules");
	close(fd);
	kvm_vm_free(vm);
	return 0;
}
