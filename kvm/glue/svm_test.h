/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * svm_test: where the debug build's self-test takes a hand. In other builds each
 * of these is a constant and disappears.
 */
#ifndef SVM_TEST_H
#define SVM_TEST_H

#include <linux/types.h>

struct kvm;
struct kvm_sev_info;
struct vcpu_svm;

typedef int (*svm_test_flush_t)(unsigned int min_asid, unsigned int max_asid);
typedef int (*svm_test_setup_t)(void);

/* What the self-test calls of svm/sev.c (kvm/cocci/selftest.cocci) */
void svm_test_set_range(unsigned int first, unsigned int last);
int svm_test_guest(struct kvm_sev_info *sev);
int svm_test_asid_new(struct kvm_sev_info *sev);
int svm_test_run(struct vcpu_svm *svm, int cpu);
void svm_test_move(struct kvm *kvm, struct kvm *source);

#ifdef TLBTAG_LINUX_RULES
bool svm_test_fails(void);
unsigned int svm_test_members(unsigned int members);
svm_test_flush_t svm_test_flush(svm_test_flush_t flush);
int svm_test_setup(svm_test_setup_t setup);
#else
/* Is this the step that is to fail? */
static inline bool svm_test_fails(void)
{
	return false;
}

/* How many numbers a key has */
static inline unsigned int svm_test_members(unsigned int members)
{
	return members;
}

/* What flushes before ASIDs are used again */
static inline svm_test_flush_t svm_test_flush(svm_test_flush_t flush)
{
	return flush;
}

/* Sets up, and runs the self-test if that is wanted. */
static inline int svm_test_setup(svm_test_setup_t setup)
{
	return setup();
}
#endif

#endif
