/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * vm: does a guest have one tag for each vCPU, or one for all?
 *
 * One for each vCPU is the default: the vCPUs of a guest may then alternate on
 * a CPU without a flush (SPEC B.0). One for all is for encrypted guests, whose
 * ASID is the handle of their key, and for guests that are offered INVLPGB
 * without intercept; then an owner record says when a flush is due. The choice
 * is fixed before the first vCPU, but for an encrypted guest that moves into a VM
 * which has vCPUs already. L2 contexts have private tags, unless the tag is a
 * key's: under another one the processor would decrypt with another key.
 *
 * A key may have several VMs: mirrors use the tag of the VM that they mirror.
 * They have one owner record for all of them, in which each vCPU of each VM has a
 * number of its own; whoever embeds the library hands the numbers out.
 */
#ifndef TLBTAG_VM_H
#define TLBTAG_VM_H

#include <tlbtag/host.h>
#include <tlbtag/owner.h>

TLBTAG_BEGIN_DECLS

/**
 * struct tlbtag_vm - the state; private to lib/
 * @host: the machine
 * @tag: the shared tag; 0 if every vCPU has its own
 * @vcpus: how many vCPUs there are
 * @is_key: the shared tag stands for an encryption key
 * @is_mirror: the shared tag is another VM's, and so are the words of @owner
 * @owner: who used the shared tag last on each CPU
 */
struct tlbtag_vm {
	struct tlbtag_host *host;
	tlbtag_t tag;
	uint32_t vcpus;
	bool is_key;
	bool is_mirror;
	struct tlbtag_owner owner;
};

/**
 * tlbtag_vm_init() - a guest without vCPUs, one tag for each
 * @vm: uninitialised storage
 * @host: the machine
 *
 * Context: any.
 */
void tlbtag_vm_init(struct tlbtag_vm *vm, struct tlbtag_host *host);

/**
 * tlbtag_vm_share() - give the guest one tag for all its vCPUs
 * @vm: initialised, without vCPUs
 * @which: PLAIN for INVLPGB, else the kind of encryption
 * @members: vCPU numbers will be below this
 * @words: storage of tlbtag_owner_words(@members, hw.nr_cpus) words
 * @word_count: how many words @words has
 *
 * This is the only place where a shared tag can be refused; the run path
 * allocates nothing and cannot fail.
 *
 * Context: pool lock.
 * Return: 0; -EBUSY if there are vCPUs or a shared tag already; -EINVAL or
 * -ENOMEM as tlbtag_owner_init(); -ENOTTY if the class has no tags here;
 * -ENOSPC if all are taken (a plain guest then does without INVLPGB, an
 * encrypted one after a clean-up, tlbtag_pool_seal()). On error nothing has
 * changed.
 */
int tlbtag_vm_share(struct tlbtag_vm *vm, enum tlbtag_class which, uint32_t members,
		    union tlbtag_owner_word *words, uint32_t word_count);

/**
 * tlbtag_vm_mirror() - a second VM for the same key
 * @vm: initialised, without vCPUs
 * @source: has a key's tag of its own; it must outlive @vm, or be moved
 *
 * Both use the tag and one owner record. When @vm is destroyed, the tag stays.
 *
 * Context: pool lock.
 * Return: 0; -EBUSY if @vm has vCPUs or a shared tag; -EINVAL if @source has no
 * key, or is a mirror. On error nothing has changed.
 * Source: SPEC E.4.
 */
int tlbtag_vm_mirror(struct tlbtag_vm *vm, const struct tlbtag_vm *source);

/**
 * tlbtag_vm_move() - the key of one VM becomes another's
 * @vm: initialised, without a shared tag; may have vCPUs
 * @source: has a key's tag, its own or as a mirror; has none afterwards
 *
 * Nothing of either VM may run until tlbtag_vcpu_rekey() was called for each
 * vCPU, those of @source first, whose numbers in the record may go to others.
 * Mirrors of @source are mirrors of @vm from now on.
 *
 * Context: pool lock.
 * Return: 0; -EBUSY if @vm has a shared tag; -EINVAL if @source has no key. On
 * error nothing has changed.
 * Source: SPEC E.4, KVM.md 4.6.
 */
int tlbtag_vm_move(struct tlbtag_vm *vm, struct tlbtag_vm *source);

/**
 * tlbtag_vm_abandon() - the shared tag must never be used again
 * @vm: initialised, without vCPUs
 *
 * When the firmware does not let go of a guest, its ASID cannot have another one.
 * The pool counts it as leaked.
 *
 * Context: pool lock.
 */
void tlbtag_vm_abandon(struct tlbtag_vm *vm);

/**
 * tlbtag_vm_destroy() - the guest is gone; its shared tag goes back
 * @vm: initialised, without vCPUs
 *
 * The tag of a mirror stays where it is. A second call does nothing, and a guest
 * that is not gone after all may have vCPUs or a shared tag again.
 *
 * Context: pool lock.
 * Return: 0; -EBUSY (and a warning) if there are vCPUs: nothing has changed.
 */
int tlbtag_vm_destroy(struct tlbtag_vm *vm);

TLBTAG_END_DECLS

#endif
