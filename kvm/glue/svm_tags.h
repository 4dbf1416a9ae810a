/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * svm_tags: the library in kvm-amd.ko.
 *
 * svm_host.c sets the pool up, svm_vcpu.c carries plans out where svm_entry.h finds
 * that there is one, svm_sev.c has the ASIDs of encrypted guests, svm_flush.c takes
 * KVM's flush requests, svm_nested.c L1's, svm_root.c knows how old the shadow roots
 * are, svm_count.c counts. The rules are the library's; this is who is called when.
 *
 * Two facts of KVM that all of it rests on: but for the pool, everything happens
 * in the vCPU's thread (other CPUs set request bits in the vCPU, which its thread
 * turns into calls) or under its mutex, and the active context here and KVM's
 * guest mode change together, with no request served in between.
 */
#ifndef SVM_TAGS_H
#define SVM_TAGS_H

#include <linux/kvm_types.h>

#include <tlbtag/tlbtag.h>

struct vcpu_svm;
struct kvm_sev_info;
struct svm_sev_key;
struct kvm_tags_stats;

/* The number of all vCPUs of a key for which there is none left */
#define SVM_SEV_CROWD 0

/* KVM caches a current root and three others in each of two MMUs. */
#define SVM_TAGS_ROOTS 8

/**
 * struct svm_tags_root - how old a shadow root is
 * @hpa: the root
 * @root: what the library knows of it
 */
struct svm_tags_root {
	hpa_t hpa;
	struct tlbtag_root root;
};

/**
 * struct svm_tags_vm - in each VM
 * @vm: the library's state
 * @key: of an encrypted guest's ASID; NULL, or not used yet, for others
 */
struct svm_tags_vm {
	struct tlbtag_vm vm;
	struct svm_sev_key *key;
};

/* What is counted: flushes by reason, under enum tlbtag_why_bit, and these. */
enum svm_tags_counted {
	SVM_TAGS_COUNT_FLUSHES = TLBTAG_WHY_COUNT,
	SVM_TAGS_COUNT_SYNCS,
	SVM_TAGS_COUNT_INVLPGA,
	SVM_TAGS_COUNTS
};

/**
 * struct svm_tags - in each vCPU
 * @vcpu: the library's state
 * @planned: the entry under way has a plan, which must be completed
 * @why: the plan's reasons
 * @next_root: which of @root is overwritten next
 * @latest_root: which was used last, by L1 and by L2
 * @root: the roots stamped last; one that is not here is taken for stale
 * @count: of enum svm_tags_counted; what runs the vCPU writes it
 */
struct svm_tags {
	struct tlbtag_vcpu vcpu;
	bool planned;
	u32 why;
	unsigned int next_root;
	unsigned int latest_root[2];
	struct svm_tags_root root[SVM_TAGS_ROOTS];
	u64 count[SVM_TAGS_COUNTS];
};

/* host */
extern bool svm_tags_stock_flush;
int svm_tags_setup(void);
void svm_tags_unsetup(void);
void svm_tags_cpu_online(void);
void svm_tags_vm_create(struct kvm *kvm);
void svm_tags_vm_destroy(struct kvm *kvm);
unsigned int svm_tags_l2_contexts(void);
unsigned int svm_tags_free(void);
struct tlbtag_pool *svm_tags_pool(void);
void svm_tags_lock(void);
void svm_tags_unlock(void);

/* vcpu */
void svm_tags_vcpu_create(struct vcpu_svm *svm);
void svm_tags_vcpu_free(struct vcpu_svm *svm);
void svm_tags_vcpu_load(struct vcpu_svm *svm);
void svm_tags_reset(struct vcpu_svm *svm);
void svm_tags_plan(struct kvm_vcpu *vcpu);
void svm_tags_entered(struct vcpu_svm *svm);

/* sev */
int svm_tags_sev_reserve(struct kvm_sev_info *sev);
unsigned int svm_tags_sev_alloc(struct kvm_sev_info *sev, unsigned int min_asid,
				unsigned int max_asid);
bool svm_tags_sev_recycle(unsigned int min_asid, unsigned int max_asid,
			  int (*flush)(unsigned int, unsigned int));
void svm_tags_sev_free(struct kvm_sev_info *sev);
void svm_tags_sev_mirror(struct kvm *kvm, struct kvm *source);
void svm_tags_sev_move(struct kvm *kvm, struct kvm *source);
void svm_tags_sev_check(struct vcpu_svm *svm, unsigned int asid);
u32 svm_sev_number_take(struct svm_tags_vm *vm, u32 vcpu_id);
void svm_sev_number_return(struct svm_tags_vm *vm, u32 number);
void svm_sev_destroy(struct svm_tags_vm *vm);
unsigned int svm_sev_keys(void);

/* flush */
void svm_tags_flush_all(struct kvm_vcpu *vcpu);
void svm_tags_flush_current(struct kvm_vcpu *vcpu);
void svm_tags_flush_guest(struct kvm_vcpu *vcpu);
void svm_tags_flush_gva(struct kvm_vcpu *vcpu, gva_t gva);
bool svm_tags_flush_pv(struct kvm_vcpu *vcpu);
void svm_tags_hw_invlpga(struct kvm_vcpu *vcpu, gva_t gva, u32 asid);

/* nested */
void svm_tags_nested_enable(struct vcpu_svm *svm);
void svm_tags_nested_disable(struct vcpu_svm *svm);
void svm_tags_nested_prepare(struct kvm_vcpu *vcpu);
void svm_tags_nested_enter(struct kvm_vcpu *vcpu);
void svm_tags_nested_leave(struct kvm_vcpu *vcpu);
void svm_tags_invlpga(struct kvm_vcpu *vcpu, gva_t gva, u32 asid);

/* root */
void svm_tags_root_used(struct kvm_vcpu *vcpu);
void svm_tags_root_synced(struct kvm_vcpu *vcpu);
void svm_tags_roots_forget(struct svm_tags *tags);

/* count */
extern const struct kvm_tags_stats svm_tags_stats;
void svm_tags_debugfs(void);
void svm_tags_count(struct kvm_vcpu *vcpu, unsigned int what);
void svm_tags_count_flush(struct kvm_vcpu *vcpu, u32 why);

#endif
