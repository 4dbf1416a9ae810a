// SPDX-License-Identifier: GPL-2.0-only
/*
 * svm_sev: the ASIDs of encrypted guests, and who used one last on each CPU.
 *
 * Such an ASID stands for a key. The vCPUs of the guest share it, and so do those
 * of its mirrors; an intra-host move takes it to another VM. Who of them flushes
 * is in the library's owner record, which lives as long as the last VM of the key
 * and in which each vCPU has a number. KVM's own record was an array for each CPU.
 *
 * What may fail does so when the ASID is allocated. A vCPU that finds no number
 * has number 0 together with all others of its kind, and flushes at each entry.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitmap.h>
#include <linux/kvm_host.h>
#include <linux/refcount.h>
#include <linux/slab.h>

#include "svm/svm.h"
#include "svm_test.h"

/* More vCPUs than guests have; 2 bytes each. */
#define KEY_MEMBERS 1024

/**
 * struct svm_sev_key - one for each ASID that has an encrypted guest
 * @vms: how many VMs use it: the guest and its mirrors
 * @members: how many numbers there are
 * @taken: those that are not free, number 0 among them; pool lock
 * @words: the owner record's
 */
struct svm_sev_key {
	refcount_t vms;
	unsigned int members;
	DECLARE_BITMAP(taken, KEY_MEMBERS);
	union tlbtag_owner_word words[];
};

/* How many there are, to notice one that is left behind. */
static atomic_t keys = ATOMIC_INIT(0);

unsigned int svm_sev_keys(void)
{
	return atomic_read(&keys);
}

static struct svm_tags_vm *vm_of(struct kvm_sev_info *sev)
{
	return &container_of(sev, struct kvm_svm, sev_info)->tags;
}

static struct svm_sev_key *new_key(unsigned int members)
{
	size_t words = tlbtag_owner_words(members, nr_cpu_ids);
	struct svm_sev_key *key;

	if (svm_test_fails())
		return NULL;
	key = kzalloc(struct_size(key, words, words), GFP_KERNEL_ACCOUNT);
	if (!key)
		return NULL;
	atomic_inc(&keys);
	refcount_set(&key->vms, 1);
	key->members = members;
	__set_bit(SVM_SEV_CROWD, key->taken);
	return key;
}

static void put_key(struct svm_tags_vm *vm)
{
	if (vm->key && refcount_dec_and_test(&vm->key->vms)) {
		kfree(vm->key);
		atomic_dec(&keys);
	}
	vm->key = NULL;
}

/* A number for a vCPU that is about to get the VM's tag; pool lock. */
u32 svm_sev_number_take(struct svm_tags_vm *vm, u32 vcpu_id)
{
	unsigned int number;

	if (!vm->vm.is_key)
		return vcpu_id;
	number = find_first_zero_bit(vm->key->taken, vm->key->members);
	if (number >= vm->key->members)
		return SVM_SEV_CROWD;
	__set_bit(number, vm->key->taken);
	return number;
}

/* Pool lock. */
void svm_sev_number_return(struct svm_tags_vm *vm, u32 number)
{
	if (vm->vm.is_key && number != SVM_SEV_CROWD)
		__clear_bit(number, vm->key->taken);
}

/* Before anything is charged or taken. What is not used in the end goes with the VM. */
noinline int svm_tags_sev_reserve(struct kvm_sev_info *sev)
{
	struct svm_tags_vm *vm = vm_of(sev);

	if (!vm->key)
		vm->key = new_key(svm_test_members(KEY_MEMBERS));
	return vm->key ? 0 : -ENOMEM;
}

static enum tlbtag_class class_of(const struct kvm_sev_info *sev)
{
	if (!sev->es_active)
		return TLBTAG_SEV;
	return sev->vmsa_features & SVM_SEV_FEAT_SNP_ACTIVE ? TLBTAG_SNP : TLBTAG_SEV_ES;
}

/*
 * Which ASIDs a class has is known to KVM alone, which says it at each allocation;
 * it does not change. An ASID that was used must not be used again before the
 * caches were written back and the firmware has flushed its fabric: DIRTY.
 */
static int class_set(enum tlbtag_class which, unsigned int min_asid, unsigned int max_asid)
{
	const struct tlbtag_range range = {
		.first = min_asid,
		.last = max_asid,
		.dirty_on_free = true,
	};

	if (tlbtag_pool_has_class(svm_tags_pool(), which))
		return 0;
	return tlbtag_pool_set_class(svm_tags_pool(), which, &range);
}

/* Under KVM's mutex for SEV ASIDs. Above @max_asid: there is none. */
noinline unsigned int svm_tags_sev_alloc(struct kvm_sev_info *sev, unsigned int min_asid,
					 unsigned int max_asid)
{
	enum tlbtag_class which = class_of(sev);
	struct svm_tags_vm *vm = vm_of(sev);
	unsigned int members = vm->key->members;
	int r;

	svm_tags_lock();
	r = class_set(which, min_asid, max_asid);
	if (!r && !svm_test_fails())
		r = tlbtag_vm_share(&vm->vm, which, members, vm->key->words,
				    tlbtag_owner_words(members, nr_cpu_ids));
	svm_tags_unlock();
	/* All others than "all are taken" are mistakes of ours. */
	WARN_ON_ONCE(r && r != -ENOSPC);
	return vm->vm.tag ? vm->vm.tag : max_asid + 1;
}

/* DIRTY tags become SEALED, if there are any of a class in this range. */
static bool seal(unsigned int min_asid, unsigned int max_asid)
{
	static const enum tlbtag_class classes[] = { TLBTAG_SEV, TLBTAG_SEV_ES, TLBTAG_SNP };
	const struct tlbtag_pool *pool = svm_tags_pool();
	u32 sealed = 0;
	int i;

	svm_tags_lock();
	for (i = 0; i < ARRAY_SIZE(classes) && !sealed; i++)
		if (pool->range[classes[i]].first >= min_asid &&
		    pool->range[classes[i]].last <= max_asid)
			sealed = tlbtag_pool_seal(svm_tags_pool(), classes[i]);
	svm_tags_unlock();
	return sealed;
}

/*
 * Under KVM's mutex for SEV ASIDs, so that one flush runs at a time; guests that
 * end meanwhile wait for it. @flush is KVM's, and says 0 if it was done.
 */
noinline bool svm_tags_sev_recycle(unsigned int min_asid, unsigned int max_asid,
				   int (*flush)(unsigned int, unsigned int))
{
	bool cleaned;

	if (!seal(min_asid, max_asid))
		return false;
	cleaned = !svm_test_flush(flush)(min_asid, max_asid);
	svm_tags_lock();
	tlbtag_pool_unseal(svm_tags_pool(), cleaned);
	svm_tags_unlock();
	return cleaned;
}

/* After the firmware has let go of the guest, or never knew it; no vCPU is left. */
noinline void svm_tags_sev_free(struct kvm_sev_info *sev)
{
	struct svm_tags_vm *vm = vm_of(sev);

	svm_tags_lock();
	WARN_ON_ONCE(tlbtag_vm_destroy(&vm->vm));
	svm_tags_unlock();
}

/* KVM has seen to it that @kvm is not encrypted and has no vCPUs. */
noinline void svm_tags_sev_mirror(struct kvm *kvm, struct kvm *source)
{
	struct svm_tags_vm *mirror = &to_kvm_svm(kvm)->tags;
	struct svm_tags_vm *from = &to_kvm_svm(source)->tags;

	put_key(mirror);
	svm_tags_lock();
	WARN_ON_ONCE(tlbtag_vm_mirror(&mirror->vm, &from->vm));
	svm_tags_unlock();
	mirror->key = from->key;
	refcount_inc(&mirror->key->vms);
}

static void vcpu_leave(struct svm_tags_vm *vm, struct vcpu_svm *svm)
{
	svm_tags_lock();
	svm_sev_number_return(vm, svm->tags.vcpu.id);
	svm_tags_unlock();
}

static void vcpu_rekey(struct svm_tags_vm *vm, struct vcpu_svm *svm)
{
	svm_tags_lock();
	WARN_ON_ONCE(tlbtag_vcpu_rekey(&svm->tags.vcpu,
				       svm_sev_number_take(vm, svm->vcpu.vcpu_id)));
	svm_tags_unlock();
}

/*
 * KVM holds the locks of both VMs and of their vCPUs. The vCPUs of @kvm may be
 * older than its encryption, and give their plain tags back (KVM.md 4.6); those of
 * @source get such tags, though KVM does not let them run any more.
 */
noinline void svm_tags_sev_move(struct kvm *kvm, struct kvm *source)
{
	struct svm_tags_vm *to = &to_kvm_svm(kvm)->tags;
	struct svm_tags_vm *from = &to_kvm_svm(source)->tags;
	struct kvm_vcpu *vcpu;
	unsigned long i;

	kvm_for_each_vcpu(i, vcpu, source)
		vcpu_leave(from, to_svm(vcpu));
	put_key(to);
	svm_tags_lock();
	WARN_ON_ONCE(tlbtag_vm_move(&to->vm, &from->vm));
	svm_tags_unlock();
	to->key = from->key;
	from->key = NULL;
	kvm_for_each_vcpu(i, vcpu, source)
		vcpu_rekey(from, to_svm(vcpu));
	kvm_for_each_vcpu(i, vcpu, kvm)
		vcpu_rekey(to, to_svm(vcpu));
}

/*
 * After the plan, which has the key's ASID. With another one nothing that the
 * guest has written could be read, and what it reads might be cached.
 */
noinline void svm_tags_sev_check(struct vcpu_svm *svm, unsigned int asid)
{
	if (likely(svm->vmcb->control.asid == asid))
		return;
	WARN_ONCE(1, "tlbtag: ASID %u in place of the key's, %u\n", svm->vmcb->control.asid, asid);
	svm->vmcb->control.asid = asid;
	svm->vmcb->control.tlb_ctl = TLB_CONTROL_FLUSH_ALL_ASID;
	vmcb_mark_all_dirty(svm->vmcb);
}

/* A tag that is still there after KVM's clean-up is one that the firmware kept. */
void svm_sev_destroy(struct svm_tags_vm *vm)
{
	svm_tags_lock();
	if (vm->vm.is_key && !vm->vm.is_mirror)
		tlbtag_vm_abandon(&vm->vm);
	svm_tags_unlock();
	put_key(vm);
}
