/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * vm: one tag for each vCPU, or one for all.
 */
#include <tlbtag/vm.h>

void tlbtag_vm_init(struct tlbtag_vm *vm, struct tlbtag_host *host)
{
	*vm = (struct tlbtag_vm){ .host = host };
}
TLBTAG_EXPORT(tlbtag_vm_init);

/*
 * The record comes before the tag: a record that was refused leaves nothing
 * behind, whereas a tag would have to be given back on the way out. The RFC
 * did it the other way round and left its lock held there (SPEC B.9).
 */
int tlbtag_vm_share(struct tlbtag_vm *vm, enum tlbtag_class which, uint32_t members,
		    union tlbtag_owner_word *words, uint32_t word_count)
{
	struct tlbtag_pool *pool = vm->host->pool;
	struct tlbtag_owner owner;
	tlbtag_t tag;
	int error;

	if (vm->vcpus || vm->tag)
		return -EBUSY;
	if (!tlbtag_pool_has_class(pool, which))
		return -ENOTTY;
	error = tlbtag_owner_init(&owner, members, vm->host->hw.nr_cpus, words, word_count);
	if (error)
		return error;
	tag = tlbtag_pool_alloc(pool, which);
	if (tag == TLBTAG_NONE)
		return -ENOSPC;

	vm->owner = owner;
	vm->tag = tag;
	vm->is_key = which != TLBTAG_PLAIN;
	return 0;
}
TLBTAG_EXPORT(tlbtag_vm_share);

static bool has_key(const struct tlbtag_vm *vm)
{
	return vm->tag != TLBTAG_NONE && vm->is_key;
}

/* The VM has no shared tag, and does not know of one either. */
static void forget_tag(struct tlbtag_vm *vm)
{
	vm->tag = TLBTAG_NONE;
	vm->is_key = false;
	vm->is_mirror = false;
}

/* The record is copied, but not its words: both VMs write the same ones. */
static void copy_tag(struct tlbtag_vm *vm, const struct tlbtag_vm *source)
{
	vm->tag = source->tag;
	vm->is_key = source->is_key;
	vm->is_mirror = source->is_mirror;
	vm->owner = source->owner;
}

int tlbtag_vm_mirror(struct tlbtag_vm *vm, const struct tlbtag_vm *source)
{
	if (vm->vcpus || vm->tag)
		return -EBUSY;
	if (!has_key(source) || source->is_mirror)
		return -EINVAL;
	copy_tag(vm, source);
	vm->is_mirror = true;
	return 0;
}
TLBTAG_EXPORT(tlbtag_vm_mirror);

int tlbtag_vm_move(struct tlbtag_vm *vm, struct tlbtag_vm *source)
{
	if (vm->tag)
		return -EBUSY;
	if (!has_key(source))
		return -EINVAL;
	copy_tag(vm, source);
	forget_tag(source);
	return 0;
}
TLBTAG_EXPORT(tlbtag_vm_move);

void tlbtag_vm_abandon(struct tlbtag_vm *vm)
{
	forget_tag(vm);
}
TLBTAG_EXPORT(tlbtag_vm_abandon);

int tlbtag_vm_destroy(struct tlbtag_vm *vm)
{
	if (tlbtag_warn_once(vm->vcpus != 0, "vm: destroyed with vCPUs"))
		return -EBUSY;
	if (!vm->is_mirror)
		tlbtag_pool_free(vm->host->pool, vm->tag);
	forget_tag(vm);
	return 0;
}
TLBTAG_EXPORT(tlbtag_vm_destroy);
