/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * vm: does a guest have one tag for each vCPU, or one for all?
 *
 * One for each vCPU is the default: the vCPUs of a guest may then alternate on
 * a CPU without a flush (SPEC B.0). One for all is for encrypted guests, whose
 * ASID is the handle of their key, and for guests that are offered INVLPGB
 * without intercept; then an owner record says when a flush is due. The choice
 * is fixed before the first vCPU. L2 contexts have private tags either way.
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
 * @owner: who used the shared tag last on each CPU
 */
struct tlbtag_vm {
	struct tlbtag_host *host;
	tlbtag_t tag;
	uint32_t vcpus;
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
 * tlbtag_vm_destroy() - the guest is gone; its shared tag goes back
 * @vm: initialised, without vCPUs
 *
 * Context: pool lock.
 * Return: 0; -EBUSY (and a warning) if there are vCPUs: nothing has changed.
 */
int tlbtag_vm_destroy(struct tlbtag_vm *vm);

TLBTAG_END_DECLS

#endif
