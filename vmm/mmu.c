/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * L0's memory management: who has which frame, the nested table of each VM, and
 * the tables that shadow those of L1. All are built on demand.
 *
 * A shadow is not write-protected against L1: it may be out of date until L1
 * does what would get rid of its translations on real hardware.
 */
#include "inside.h"

#include <string.h>

/* --- frames --- */

uint16_t vmm_frame_take(struct vmm *vmm, enum vmm_frame_use use)
{
	uint16_t frame;

	if (vmm->free_count == 0) {
		vmm_complain(vmm, VMM_BROKEN, NULL, "the model has run out of frames");
		return 0;
	}
	frame = vmm->free[--vmm->free_count];
	vmm->frames[frame].use = (uint8_t)use;
	return frame;
}

void vmm_frame_give(struct vmm *vmm, uint16_t frame)
{
	if (!frame)
		return;
	machine_retire(vmm->machine, (uint64_t)frame << MACHINE_PAGE_SHIFT);
	vmm->frames[frame].use = FRAME_FREE;
	vmm->frames[frame].taken_at = vmm->step;
	vmm->free[vmm->free_count++] = frame;
}

/* What the former user left goes; only then does anybody name the page. */
static void frame_fill(struct vmm *vmm, uint16_t frame, const uint64_t *words)
{
	uint64_t address = (uint64_t)frame << MACHINE_PAGE_SHIFT;

	for (uint32_t i = 0; i < VMM_WORDS; i++) {
		uint64_t value = words ? words[i] : 0;

		if (machine_read(vmm->machine, address + 8 * i) != value)
			machine_write(vmm->machine, address + 8 * i, value);
	}
}

/* --- tables --- */

static uint64_t table_word(const struct vmm_table *table, uint32_t index)
{
	uint64_t leaf = table->leaf[index >> table->bits];

	return (leaf << MACHINE_PAGE_SHIFT) + 8 * (index & ((1u << table->bits) - 1));
}

uint64_t vmm_table_get(const struct vmm *vmm, const struct vmm_table *table, uint32_t index)
{
	if (!table->root || !table->leaf[index >> table->bits])
		return 0;
	return machine_read(vmm->machine, table_word(table, index));
}

static uint16_t table_page(struct vmm *vmm)
{
	uint16_t frame = vmm_frame_take(vmm, FRAME_TABLE);

	frame_fill(vmm, frame, NULL);
	return frame;
}

void vmm_table_set(struct vmm *vmm, struct vmm_table *table, uint32_t index, uint64_t value)
{
	uint32_t top = index >> table->bits;
	uint64_t root;

	if (vmm_table_get(vmm, table, index) == value)
		return;
	if (!table->root)
		table->root = table_page(vmm);
	if (!table->leaf[top]) {
		table->leaf[top] = table_page(vmm);
		root = (uint64_t)table->root << MACHINE_PAGE_SHIFT;
		machine_write(vmm->machine, root + 8 * top,
			      (uint64_t)table->leaf[top] << MACHINE_PAGE_SHIFT | ENTRY);
	}
	machine_write(vmm->machine, table_word(table, index), value);
}

/* Its pages are free at once: whoever calls this has flushed, or is about to. */
void vmm_table_free(struct vmm *vmm, struct vmm_table *table)
{
	for (uint32_t i = 0; i < 4; i++)
		vmm_frame_give(vmm, table->leaf[i]);
	vmm_frame_give(vmm, table->root);
	memset(table->leaf, 0, sizeof(table->leaf));
	table->root = 0;
}

/* --- a guest's memory --- */

void vmm_guest_write(struct vmm *vmm, struct vmm_vm *vm, uint32_t gfn, uint32_t word,
		     uint64_t value)
{
	uint64_t offset = 8 * word;

	vm->memory[gfn][word] = value;
	if (vm->frame[gfn])
		machine_write(vmm->machine,
			      ((uint64_t)vm->frame[gfn] << MACHINE_PAGE_SHIFT) + offset, value);
	machine_write(vm->reference, ((uint64_t)gfn << MACHINE_PAGE_SHIFT) + offset, value);
}

static uint16_t resident(struct vmm *vmm, struct vmm_vm *vm, uint32_t gfn)
{
	uint16_t frame = vm->frame[gfn];

	if (frame)
		return frame;
	frame = vmm_frame_take(vmm, FRAME_GUEST);
	vmm->frames[frame].vm = vm->nr;
	vmm->frames[frame].gfn = (uint8_t)gfn;
	frame_fill(vmm, frame, vm->memory[gfn]);
	vm->frame[gfn] = frame;
	vm->writable[gfn] = true;
	return frame;
}

/**
 * struct where - what a guest's own tables say about an address
 * @gfn: the page
 * @rights: ENTRY bits that all levels have, and G
 * @dirty: the leaf entry's D
 * @leaf, @word: where the leaf entry is
 */
struct where {
	bool present;
	bool dirty;
	uint32_t gfn;
	uint64_t rights;
	uint32_t leaf;
	uint32_t word;
};

static uint32_t gfn_of(uint64_t entry)
{
	return (uint32_t)((entry & MACHINE_ADDRESS) >> MACHINE_PAGE_SHIFT) % VMM_GFNS;
}

/*
 * L0 reads a table of L1 that it shadows. All of them are in L1's own memory. The
 * EPTs that L1 makes have no D: whatever may be written counts as dirty.
 */
static struct where guest_walk(const struct vmm *vmm, const struct vmm_vm *vm,
			       const struct vmm_shadow *shadow, uint32_t index)
{
	uint32_t bits = shadow->table.bits;
	uint64_t upper = vm->memory[shadow->key][index >> bits];
	struct where where = { .leaf = gfn_of(upper), .word = index & ((1u << bits) - 1) };
	uint64_t lower = vm->memory[where.leaf][where.word];

	where.present = upper & lower & MACHINE_P;
	where.dirty = (lower & MACHINE_D) || (vmm->config.intel && !shadow->linear);
	where.gfn = gfn_of(lower);
	where.rights = upper & lower & ENTRY;
	if (shadow->linear)
		where.rights |= lower & MACHINE_G;
	return where;
}

/*
 * The guest's entry gets its D before the shadow may be written through, as on
 * hardware: an entry that was never written through cannot be once it is gone.
 */
static void set_dirty(struct vmm *vmm, struct vmm_vm *vm, struct where *where)
{
	uint64_t value = vm->memory[where->leaf][where->word] | MACHINE_D;

	if (!where->dirty)
		vmm_guest_write(vmm, vm, where->leaf, where->word, value);
	where->dirty = true;
}

static uint64_t entry_for(struct vmm *vmm, struct vmm_vm *vm, const struct where *where,
			  bool write)
{
	uint64_t frame = resident(vmm, vm, where->gfn);
	uint64_t rights = where->rights;

	if (write)
		vm->writable[where->gfn] = true;
	if (!vm->writable[where->gfn] || !where->dirty)
		rights &= ~MACHINE_RW;
	return frame << MACHINE_PAGE_SHIFT | rights;
}

/* --- shadows --- */

static struct vmm_shadow *shadow_find(struct vmm_vcpu *vcpu, const struct vmm_shadow *key)
{
	for (uint32_t i = 0; i < VMM_ROOTS; i++) {
		struct vmm_shadow *shadow = &vcpu->shadow[i];

		if (shadow->used && shadow->key == key->key && shadow->l2 == key->l2 &&
		    shadow->linear == key->linear)
			return shadow;
	}
	return NULL;
}

static struct vmm_shadow *shadow_oldest(struct vmm_vcpu *vcpu)
{
	struct vmm_shadow *best = &vcpu->shadow[0];

	for (uint32_t i = 0; i < VMM_ROOTS; i++) {
		if (!vcpu->shadow[i].used)
			return &vcpu->shadow[i];
		if (vcpu->shadow[i].used_at < best->used_at)
			best = &vcpu->shadow[i];
	}
	return best;
}

/* Pages of the vCPU's own tables are free for others. */
static void flush_all(struct vmm *vmm, struct vmm_vcpu *vcpu)
{
	vmm_work(vmm, vcpu,
		 tlbtag_vcpu_flush(&vcpu->tags, TLBTAG_TARGET_BOTH, TLBTAG_FLUSH_TAG,
				   TLBTAG_WHY_ALL));
	vmm_ask_all(vmm, vcpu, TLBTAG_RULE_ALL_CONTEXTS);
}

static uint64_t eptp_of(const struct vmm *vmm, const struct vmm_table *table)
{
	uint64_t eptp = (uint64_t)table->root << MACHINE_PAGE_SHIFT;

	return vmm->config.ept_ad ? eptp | MACHINE_EPTP_AD : eptp;
}

/* A root that the library has to know of: new, or with entries taken away. */
static void announce(const struct vmm *vmm, struct vmm_vcpu *vcpu,
		     const struct vmm_shadow *shadow)
{
	if (vmm->config.intel && !shadow->linear && !vmm_has_fault(vmm, FAULT_ROOT_REUSED))
		tlbtag_vmx_root_start(&vcpu->tags, eptp_of(vmm, &shadow->table));
}

static struct vmm_shadow *shadow_make(struct vmm *vmm, struct vmm_vcpu *vcpu,
				      const struct vmm_shadow *key)
{
	struct vmm_shadow *shadow = shadow_oldest(vcpu);

	if (shadow->used) {
		vmm_table_free(vmm, &shadow->table);
		flush_all(vmm, vcpu);
	}
	*shadow = *key;
	shadow->used = true;
	shadow->table = (struct vmm_table){ .bits = key->linear ? 1 : 2, .made = ++vmm->now };
	shadow->table.root = table_page(vmm);
	tlbtag_root_set_synced(&vcpu->tags, &shadow->sync);
	announce(vmm, vcpu, shadow);
	return shadow;
}

/*
 * L1's upper entry names another table than it did: the page that stood for the
 * old one is not filled with the contents of the new one, which guests that ran
 * before the change may not see, but goes.
 */
static void shadow_relink(struct vmm *vmm, struct vmm_vcpu *vcpu, struct vmm_table *table,
			  uint32_t index, uint32_t gfn)
{
	uint32_t top = index >> table->bits;

	if (table->leaf[top] && table->stands_for[top] != gfn) {
		machine_write(vmm->machine,
			      ((uint64_t)table->root << MACHINE_PAGE_SHIFT) + 8 * top, 0);
		vmm_frame_give(vmm, table->leaf[top]);
		table->leaf[top] = 0;
		flush_all(vmm, vcpu);
	}
	table->stands_for[top] = (uint8_t)gfn;
}

/* Does the entry say more, or something else, than L1's tables do now? */
static bool is_stale(const struct vmm *vmm, const struct vmm_vcpu *vcpu,
		     const struct vmm_shadow *shadow, uint32_t index)
{
	const struct vmm_vm *vm = &vmm->vm[vcpu->vm];
	uint64_t old = vmm_table_get(vmm, &shadow->table, index);
	struct where where;
	uint64_t now;

	if (!(old & MACHINE_P))
		return false;
	where = guest_walk(vmm, vm, shadow, index);
	now = (uint64_t)vm->frame[where.gfn] << MACHINE_PAGE_SHIFT;
	return !where.present || !vm->frame[where.gfn] || (old & MACHINE_ADDRESS) != now ||
	       ((old & MACHINE_RW) && !(where.dirty && (where.rights & MACHINE_RW))) ||
	       (shadow->linear && ((old ^ where.rights) & MACHINE_G));
}

static void shadow_sync_one(struct vmm *vmm, const struct vmm_vcpu *vcpu,
			    struct vmm_shadow *shadow, uint32_t index)
{
	if (is_stale(vmm, vcpu, shadow, index))
		vmm_table_set(vmm, &shadow->table, index, 0);
}

static void shadow_sync(struct vmm *vmm, struct vmm_vcpu *vcpu, struct vmm_shadow *shadow)
{
	uint32_t indexes = 1u << 2 * shadow->table.bits;

	for (uint32_t index = 0; index < indexes; index++)
		shadow_sync_one(vmm, vcpu, shadow, index);
	tlbtag_root_set_synced(&vcpu->tags, &shadow->sync);
	shadow->outdated = false;
	vmm->counts.syncs++;
}

/* INVLPG of a guest whose linear tables are shadowed: all roots. */
void vmm_mmu_sync_page(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t page)
{
	for (uint32_t i = 0; i < VMM_ROOTS; i++) {
		if (vcpu->shadow[i].used && vcpu->shadow[i].linear)
			shadow_sync_one(vmm, vcpu, &vcpu->shadow[i], page);
	}
}

/*
 * INVLPGA: what L1 changes later must be seen by an L2 that does not run now, so
 * that bringing the entry up to date would not do.
 */
void vmm_mmu_drop_page(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t page)
{
	for (uint32_t i = 0; i < VMM_ROOTS; i++) {
		struct vmm_shadow *shadow = &vcpu->shadow[i];

		if (shadow->used && shadow->linear &&
		    vmm_table_get(vmm, &shadow->table, page))
			vmm_table_set(vmm, &shadow->table, page, 0);
	}
}

/*
 * The roots that an INVEPT of L1 names are brought up to date when one is used
 * next, not now: L1 may go on to change its tables. Nothing is announced then, as
 * the flush of the processor comes with the INVEPT.
 */
void vmm_mmu_sync_roots(struct vmm_vcpu *vcpu,
			const struct tlbtag_invept *invept)
{
	for (uint32_t i = 0; i < VMM_ROOTS; i++) {
		struct vmm_shadow *shadow = &vcpu->shadow[i];
		uint64_t eptp12 = (uint64_t)shadow->key << MACHINE_PAGE_SHIFT;

		if (shadow->used && !shadow->linear && tlbtag_vmx_invept_hits(invept, eptp12))
			shadow->outdated = true;
	}
}

void vmm_mmu_drop_shadows(struct vmm *vmm, struct vmm_vcpu *vcpu)
{
	for (uint32_t i = 0; i < VMM_ROOTS; i++) {
		if (vcpu->shadow[i].used)
			vmm_table_free(vmm, &vcpu->shadow[i].table);
		vcpu->shadow[i].used = false;
	}
}

/* --- loading a root --- */

static bool is_shadowed(const struct vmm *vmm, const struct vmm_vcpu *vcpu)
{
	return !vmm->config.l0_nested_paging || (vcpu->in_l2 && vmm->config.l1_nested_paging);
}

static struct vmm_shadow shadow_key(const struct vmm *vmm, const struct vmm_vcpu *vcpu)
{
	struct vmm_shadow key = { .linear = !vmm->config.l0_nested_paging, .l2 = vcpu->in_l2 };

	if (!vcpu->in_l2)
		key.key = GFN_L1_ROOT(vcpu->l1_table);
	else if (key.linear)
		key.key = GFN_L2_ROOT;
	else
		key.key = (uint8_t)GFN_NESTED_ROOT(vcpu->nested_root);
	return key;
}

static bool sync_due(struct vmm *vmm, struct vmm_vcpu *vcpu, const struct vmm_shadow *shadow)
{
	bool due = tlbtag_root_is_stale(&vcpu->tags, &shadow->sync);

	if (vmm_has_fault(vmm, FAULT_SYNC_REQUEST) || vmm_has_fault(vmm, FAULT_SYNC_CURRENT)) {
		due = vcpu->sync_wanted;
		vcpu->sync_wanted = false;
	}
	return due;
}

static const struct vmm_table *root_table(struct vmm *vmm, struct vmm_vcpu *vcpu)
{
	struct vmm_shadow key = shadow_key(vmm, vcpu);
	struct vmm_shadow *shadow;

	if (!is_shadowed(vmm, vcpu)) {
		/* A direct root has nothing to sync: the request is served by it. */
		if (vmm_has_fault(vmm, FAULT_SYNC_REQUEST))
			vcpu->sync_wanted = false;
		return &vmm->vm[vcpu->vm].npt;
	}
	shadow = shadow_find(vcpu, &key);
	if (!shadow) {
		shadow = shadow_make(vmm, vcpu, &key);
	} else if (sync_due(vmm, vcpu, shadow)) {
		shadow_sync(vmm, vcpu, shadow);
		announce(vmm, vcpu, shadow);
	} else if (shadow->outdated) {
		shadow_sync(vmm, vcpu, shadow);
	}
	shadow->used_at = ++vmm->now;
	return &shadow->table;
}

static void load_vmcs(const struct vmm *vmm, struct machine_vmcs *vmcs,
		      const struct vmm_table *table)
{
	if (vmm->config.l0_nested_paging)
		vmcs->eptp = eptp_of(vmm, table);
	else
		vmcs->registers.cr3 = (uint64_t)table->root << MACHINE_PAGE_SHIFT;
}

static void load_vmcb(const struct vmm *vmm, struct machine_vmcb *vmcb,
		      const struct vmm_table *table)
{
	uint64_t root = (uint64_t)table->root << MACHINE_PAGE_SHIFT;

	if (vmm->config.l0_nested_paging) {
		if (vmcb->ncr3 != root || !vmcb->np_enable)
			vmcb->clean &= ~MACHINE_VMCB_CLEAN_NP;
		vmcb->ncr3 = root;
		vmcb->np_enable = true;
		return;
	}
	if (vmcb->registers.cr3 != root)
		vmcb->clean &= ~MACHINE_VMCB_CLEAN_CR;
	vmcb->registers.cr3 = root;
	vmcb->np_enable = false;
}

void vmm_mmu_load(struct vmm *vmm, struct vmm_vcpu *vcpu)
{
	const struct vmm_table *table = root_table(vmm, vcpu);

	vcpu->root_made = table->made;
	if (vmm->config.intel)
		load_vmcs(vmm, &vcpu->vmcs[vcpu->in_l2], table);
	else
		load_vmcb(vmm, &vcpu->vmcb[vcpu->in_l2], table);
}

/* --- faults --- */

static enum vmm_fault_answer npt_fault(struct vmm *vmm, struct vmm_vm *vm, uint32_t gfn,
				       bool write)
{
	const struct where where = { .present = true, .dirty = true, .gfn = gfn, .rights = ENTRY };

	vmm_table_set(vmm, &vm->npt, gfn, entry_for(vmm, vm, &where, write));
	return FAULT_FIXED;
}

enum vmm_fault_answer vmm_mmu_fault(struct vmm *vmm, struct vmm_vcpu *vcpu, uint64_t address,
				    bool write)
{
	struct vmm_vm *vm = vmm_vm_of(vmm, vcpu);
	struct vmm_shadow key = shadow_key(vmm, vcpu);
	uint32_t index = (uint32_t)(address >> MACHINE_PAGE_SHIFT);
	struct vmm_shadow *shadow;
	struct where where;

	if (!is_shadowed(vmm, vcpu))
		return npt_fault(vmm, vm, index % VMM_GFNS, write);
	shadow = shadow_find(vcpu, &key);
	if (!shadow) {
		vmm_complain(vmm, VMM_BROKEN, vcpu, "a fault without a root");
		return FAULT_FIXED;
	}
	/* Where a mistake leads a guest through tables that are not its own. */
	if (index >> 2 * shadow->table.bits)
		return key.linear ? FAULT_GUESTS : FAULT_REFLECTED;
	where = guest_walk(vmm, vm, shadow, index);
	if (!where.present)
		return key.linear ? FAULT_GUESTS : FAULT_REFLECTED;
	if (write && !(where.rights & MACHINE_RW)) {
		/* Perhaps the guest's own tables forbid it, too; that comes first. */
		if (vmm_table_get(vmm, &shadow->table, index) & MACHINE_P)
			return key.linear ? FAULT_GUESTS : FAULT_REFLECTED;
		write = false;
	}
	if (write)
		set_dirty(vmm, vm, &where);
	shadow_relink(vmm, vcpu, &shadow->table, index, where.leaf);
	vmm_table_set(vmm, &shadow->table, index, entry_for(vmm, vm, &where, write));
	shadow->set_at[index] = vmm->step;
	return FAULT_FIXED;
}

/* --- for explanations --- */

const struct vmm_shadow *vmm_mmu_shadow(const struct vmm *vmm, struct vmm_vcpu *vcpu)
{
	struct vmm_shadow key = shadow_key(vmm, vcpu);

	return is_shadowed(vmm, vcpu) ? shadow_find(vcpu, &key) : NULL;
}

uint32_t vmm_mmu_stale_since(const struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t page,
			     uint64_t gpa)
{
	const struct vmm_shadow *shadow = vmm_mmu_shadow(vmm, vcpu);
	uint32_t first;

	if (!shadow)
		return VMM_STEP_NONE;
	first = shadow->linear ? page : (uint32_t)(gpa >> MACHINE_PAGE_SHIFT) % VMM_GFNS;
	if (is_stale(vmm, vcpu, shadow, first))
		return shadow->set_at[first];
	/* Or it is one of the pages with the guest's own tables. */
	for (uint32_t n2fn = 0; n2fn < N2FN_DATA && !shadow->linear; n2fn++) {
		if (is_stale(vmm, vcpu, shadow, n2fn))
			return shadow->set_at[n2fn];
	}
	return VMM_STEP_NONE;
}

/* --- taking away --- */

static void table_strip(struct vmm *vmm, struct vmm_table *table, uint16_t frame, uint64_t keep)
{
	uint32_t indexes = 1u << 2 * table->bits;

	if (!table->root)
		return;
	for (uint32_t index = 0; index < indexes; index++) {
		uint64_t entry = vmm_table_get(vmm, table, index);

		if ((entry & MACHINE_P) &&
		    (entry & MACHINE_ADDRESS) >> MACHINE_PAGE_SHIFT == frame)
			vmm_table_set(vmm, table, index, entry & keep);
	}
}

/* Every table of L0 that leads to the page. */
static void strip(struct vmm *vmm, struct vmm_vm *vm, uint32_t gfn, uint64_t keep)
{
	uint16_t frame = vm->frame[gfn];

	table_strip(vmm, &vm->npt, frame, keep);
	for (uint32_t i = 0; i < vmm->config.vcpus; i++) {
		for (uint32_t root = 0; root < VMM_ROOTS; root++) {
			if (vm->vcpu[i].shadow[root].used)
				table_strip(vmm, &vm->vcpu[i].shadow[root].table, frame, keep);
		}
	}
}

void vmm_mmu_unmap(struct vmm *vmm, struct vmm_vm *vm, uint32_t gfn)
{
	strip(vmm, vm, gfn, 0);
}

void vmm_mmu_protect(struct vmm *vmm, struct vmm_vm *vm, uint32_t gfn)
{
	vm->writable[gfn] = false;
	strip(vmm, vm, gfn, ~MACHINE_RW);
}
