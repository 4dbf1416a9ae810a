/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * import: from KVM's functions and tracepoints to causes.
 *
 * How one cause looks in a trace of KVM 6.12:
 *
 *   transition    nested_tlb_flush; later, when the request is served,
 *                 flush_current, flush_asid
 *   MMU, root     flush_current, flush_asid, without a transition before it
 *   MMU, all      flush_all, flush_asid, on each vCPU; remote_flush before it
 *   guest         flush_guest, flush_asid
 *   reset         the same, and flush_asid shows an ASID generation of 0
 *   PV            kvm_pv_tlb_flush (need_flush_tlb), flush_guest, flush_asid
 *   CR4.PGE       flush_asid alone: the caller is inlined
 *   one address   flush_gva; in 7.2 flush_asid right after it: under nested paging
 *                 that is the guest's flush, and its function is inlined
 *
 * Modules with the library inside have tracepoints of their own, tlbtag:*, which
 * say all of this themselves. Once one was seen, what the probes and KVM's own
 * tracepoints would say a second time is left out, but for remote flushes, of
 * which the former know only when they are served.
 *
 * Stock tracepoints do not name the VM. Their thread does: the vCPU that its
 * latest rig event was about. Without any rig event a thread is taken for a
 * vCPU, and VMs cannot be told apart.
 */
#include "import.h"

#include <tlbtag/plan.h>

#include <stdlib.h>
#include <string.h>

#define HASH_SIZE (2 * EVENT_VCPUS)
#define THREADS 16384u
#define NO_SLOT UINT32_MAX

_Static_assert((HASH_SIZE & (HASH_SIZE - 1)) == 0, "masks");
_Static_assert(RECORD_CPU_LIMIT <= EVENT_CPUS, "a record's CPU is an event's");

/* What the importer knows of a vCPU. */
struct slot {
	uint64_t kvm;
	uint64_t last_seen;
	uint64_t vmcb01;
	uint32_t id;
	uint32_t vm;
	bool used;
	bool born; /* BIRTH was delivered */
	bool by_thread; /* known by its thread only */
	bool in_l2;
	bool l1_entered; /* since its latest reset */
	/* The record that carries out or repeats what was reported already: */
	bool switched; /* since the latest entry */
	bool orphan; /* flush_asid without a caller, since the latest entry */
	bool by_vmenter; /* L2 was entered by the tracepoint, which says little */
	bool absorb_ctl02; /* nested_ctl02 of this nested_enter */
	bool absorb_transition; /* nested_tlb_flush of this entry or exit */
	bool absorb_current; /* flush_current of this transition */
	bool absorb_guest; /* flush_guest of this PV flush */
	bool absorb_asid; /* flush_asid of this flush_* */
	bool by_address; /* flush_gva came right before */
	bool absorb_vmrun; /* kvm_entry was seen, no vmrun yet */
};

struct importer {
	event_sink sink;
	void *context;
	struct import_stats stats;
	uint64_t clock;
	bool native; /* tlbtag:* was seen */
	bool lacks_caller; /* a flush_asid was seen whose caller should have been */
	uint32_t slots_made;
	struct event next; /* the event being made: where, when, cpu */
	bool cpu_seen[EVENT_CPUS];
	uint64_t vm_kvm[EVENT_VMS];
	uint32_t vm_vcpus[EVENT_VMS];
	struct slot slot[EVENT_VCPUS];
	uint32_t hash[HASH_SIZE]; /* slot + 1; 0 is empty */
	struct {
		int32_t pid;
		uint32_t slot;
	} thread[THREADS];
};

struct importer *importer_create(event_sink sink, void *context)
{
	struct importer *importer = calloc(1, sizeof(*importer));

	if (!importer)
		return NULL;
	importer->sink = sink;
	importer->context = context;
	return importer;
}

void importer_destroy(struct importer *importer)
{
	free(importer);
}

const struct import_stats *importer_stats(const struct importer *importer)
{
	return &importer->stats;
}

/* --- vCPUs ------------------------------------------------------------- */

static uint32_t hash_of(uint64_t kvm, uint32_t id)
{
	uint64_t mixed = (kvm >> 12 ^ id * 0x9e3779b97f4a7c15u) * 0xff51afd7ed558ccdu;

	return (uint32_t)(mixed >> 40) & (HASH_SIZE - 1);
}

static void hash_add(struct importer *importer, uint32_t slot)
{
	uint32_t i = hash_of(importer->slot[slot].kvm, importer->slot[slot].id);

	while (importer->hash[i])
		i = (i + 1) & (HASH_SIZE - 1);
	importer->hash[i] = slot + 1;
}

static uint32_t hash_find(const struct importer *importer, uint64_t kvm, uint32_t id)
{
	uint32_t i;

	for (i = hash_of(kvm, id); importer->hash[i]; i = (i + 1) & (HASH_SIZE - 1)) {
		const struct slot *slot = &importer->slot[importer->hash[i] - 1];

		if (slot->kvm == kvm && slot->id == id)
			return importer->hash[i] - 1;
	}
	return NO_SLOT;
}

static void forget_slot(struct importer *importer, uint32_t gone)
{
	importer->vm_vcpus[importer->slot[gone].vm]--;
	importer->slot[gone].used = false;

	memset(importer->hash, 0, sizeof(importer->hash));
	for (uint32_t i = 0; i < EVENT_VCPUS; i++)
		if (importer->slot[i].used)
			hash_add(importer, i);
	for (uint32_t i = 0; i < THREADS; i++)
		if (importer->thread[i].slot == gone)
			importer->thread[i].pid = 0;
}

/* Give up the vCPU that was not heard of for the longest time; there is one. */
static uint32_t retire_oldest(struct importer *importer)
{
	uint64_t least = UINT64_MAX;
	uint32_t oldest = 0;

	for (uint32_t i = 0; i < EVENT_VCPUS; i++) {
		if (!importer->slot[i].used || importer->slot[i].last_seen >= least)
			continue;
		least = importer->slot[i].last_seen;
		oldest = i;
	}
	forget_slot(importer, oldest);
	importer->stats.retired++;
	return oldest;
}

static uint32_t free_slot(struct importer *importer)
{
	if (importer->slots_made < EVENT_VCPUS)
		return importer->slots_made++;
	for (uint32_t i = 0; i < EVENT_VCPUS; i++)
		if (!importer->slot[i].used)
			return i;
	return retire_oldest(importer);
}

static bool find_vm(struct importer *importer, uint64_t kvm, uint32_t *vm)
{
	for (uint32_t i = 0; i < EVENT_VMS; i++) {
		if (importer->vm_vcpus[i] && importer->vm_kvm[i] == kvm) {
			*vm = i;
			return true;
		}
	}
	return false;
}

static uint32_t make_vm(struct importer *importer, uint64_t kvm)
{
	uint32_t vm = 0;

	while (vm < EVENT_VMS && importer->vm_vcpus[vm])
		vm++;
	while (vm == EVENT_VMS) {
		uint32_t slot = retire_oldest(importer);

		if (!importer->vm_vcpus[importer->slot[slot].vm])
			vm = importer->slot[slot].vm;
	}
	importer->vm_kvm[vm] = kvm;
	importer->stats.vms += kvm != 0;
	return vm;
}

static void deliver(struct importer *importer, enum event_kind kind, uint32_t slot)
{
	struct event event = importer->next;

	event.kind = kind;
	event.vcpu = slot;
	event.vm = importer->slot[slot].vm;
	importer->stats.events++;
	importer->sink(importer->context, &event);
}

static void emit(struct importer *importer, enum event_kind kind, uint32_t slot)
{
	if (!importer->slot[slot].born) {
		importer->slot[slot].born = true;
		importer->stats.vcpus++;
		deliver(importer, EVENT_BIRTH, slot);
	}
	deliver(importer, kind, slot);
}

static uint32_t make_slot(struct importer *importer, uint64_t kvm, uint32_t id)
{
	uint32_t slot = free_slot(importer);
	uint32_t vm;

	if (!find_vm(importer, kvm, &vm))
		vm = make_vm(importer, kvm);
	importer->slot[slot] = (struct slot){ .kvm = kvm, .id = id, .vm = vm, .used = true };
	importer->vm_vcpus[vm]++;
	hash_add(importer, slot);
	return slot;
}

static void remember_thread(struct importer *importer, int32_t pid, uint32_t slot)
{
	if (pid <= 0)
		return;
	importer->thread[(uint32_t)pid % THREADS].pid = pid;
	importer->thread[(uint32_t)pid % THREADS].slot = slot;
}

static uint32_t slot_of_thread(const struct importer *importer, int32_t pid)
{
	uint32_t i = (uint32_t)pid % THREADS;

	if (pid <= 0 || importer->thread[i].pid != pid)
		return NO_SLOT;
	return importer->thread[i].slot;
}

/* The vCPU of a rig event. */
static uint32_t find_slot(struct importer *importer, const struct record *record)
{
	uint64_t kvm = record_has(record, FIELD_KVM) ? record->field[FIELD_KVM] : 0;
	uint32_t id = (uint32_t)record->field[FIELD_VCPU_ID];
	uint32_t slot = slot_of_thread(importer, record->pid);

	/* Until now only the thread was known; it was this vCPU's. */
	if (slot != NO_SLOT && importer->slot[slot].by_thread && !importer->slot[slot].born) {
		forget_slot(importer, slot);
		slot = NO_SLOT;
	}
	if (slot == NO_SLOT || importer->slot[slot].kvm != kvm || importer->slot[slot].id != id)
		slot = hash_find(importer, kvm, id);
	if (slot == NO_SLOT)
		slot = make_slot(importer, kvm, id);
	remember_thread(importer, record->pid, slot);
	importer->slot[slot].last_seen = ++importer->clock;
	return slot;
}

/* --- levels ------------------------------------------------------------ */

static void emit_nested_enter(struct importer *importer, uint32_t slot,
			      const struct record *record)
{
	struct event *next = &importer->next;

	next->asid = EVENT_UNKNOWN;
	next->tlb_control = EVENT_UNKNOWN;
	next->root = 0;
	/* An entry with ASID 0 fails on every processor, so this cannot be one. */
	if (record_has(record, FIELD_ASID12) && record->field[FIELD_ASID12])
		next->asid = (uint32_t)record->field[FIELD_ASID12];
	if (record_has(record, FIELD_TLB_CTL12))
		next->tlb_control = (uint32_t)record->field[FIELD_TLB_CTL12];
	if (record_has(record, FIELD_NCR3_12))
		next->root = record->field[FIELD_NCR3_12];
	emit(importer, EVENT_NESTED_ENTER, slot);
}

static void enter_l2(struct importer *importer, uint32_t slot, const struct record *record)
{
	importer->slot[slot].in_l2 = true;
	importer->slot[slot].switched = true;
	importer->slot[slot].by_vmenter = false;
	importer->slot[slot].absorb_transition = true;
	importer->stats.switches++;
	emit_nested_enter(importer, slot, record);
}

static void exit_l2(struct importer *importer, uint32_t slot)
{
	importer->slot[slot].in_l2 = false;
	importer->slot[slot].switched = true;
	importer->slot[slot].absorb_transition = true;
	importer->stats.switches++;
	emit(importer, EVENT_NESTED_EXIT, slot);
}

/* The record shows that a level change went by unseen. */
static void correct_level(struct importer *importer, uint32_t slot, bool in_l2,
			  const struct record *record)
{
	if (importer->slot[slot].in_l2 == in_l2)
		return;
	importer->stats.guessed++;
	if (in_l2)
		enter_l2(importer, slot, record);
	else
		exit_l2(importer, slot);
	importer->slot[slot].absorb_transition = false;
}

/* Reached by VMRUN of L1, by RSM, and by SET_NESTED_STATE (only the second). */
static void on_nested_enter(struct importer *importer, uint32_t slot, const struct record *record)
{
	if (importer->slot[slot].in_l2)
		exit_l2(importer, slot);
	enter_l2(importer, slot, record);
	importer->slot[slot].absorb_ctl02 = true;
}

static void on_nested_ctl02(struct importer *importer, uint32_t slot, const struct record *record)
{
	if (importer->slot[slot].absorb_ctl02)
		importer->slot[slot].absorb_ctl02 = false;
	else if (!importer->slot[slot].in_l2)
		enter_l2(importer, slot, record);
	else if (importer->slot[slot].by_vmenter)
		emit_nested_enter(importer, slot, record);
	importer->slot[slot].by_vmenter = false;
}

static void on_nested_exit(struct importer *importer, uint32_t slot)
{
	if (importer->slot[slot].in_l2)
		exit_l2(importer, slot);
}

static void on_transition(struct importer *importer, uint32_t slot)
{
	/* Where exits are not recorded, the second transition in L2 is one. */
	if (!importer->slot[slot].absorb_transition && importer->slot[slot].in_l2)
		exit_l2(importer, slot);
	importer->slot[slot].absorb_transition = false;
	importer->slot[slot].absorb_current = true;
	emit(importer, EVENT_TRANSITION, slot);
}

/* --- flushes ----------------------------------------------------------- */

static void on_flush_current(struct importer *importer, uint32_t slot)
{
	importer->slot[slot].absorb_asid = true;
	if (!importer->slot[slot].absorb_current)
		emit(importer, EVENT_FLUSH_CURRENT, slot);
	importer->slot[slot].absorb_current = false;
}

static void on_flush_guest(struct importer *importer, uint32_t slot)
{
	importer->slot[slot].absorb_asid = true;
	if (!importer->slot[slot].absorb_guest)
		emit(importer, EVENT_FLUSH_GUEST, slot);
	importer->slot[slot].absorb_guest = false;
}

static void on_flush_all(struct importer *importer, uint32_t slot)
{
	importer->slot[slot].absorb_asid = true;
	emit(importer, EVENT_FLUSH_ALL, slot);
}

/*
 * Initialising a VMCB clears its ASID generation, and the guest flush that goes
 * with it shows that. A VMCB that has not entered yet has none either.
 */
static void check_reset(struct importer *importer, uint32_t slot, const struct record *record)
{
	struct slot *known = &importer->slot[slot];

	if (!record_has(record, FIELD_GEN) || record->field[FIELD_GEN] != 0)
		return;
	if (known->in_l2 || !known->l1_entered)
		return;
	known->l1_entered = false;
	emit(importer, EVENT_RESET, slot);
}

static void on_flush_asid(struct importer *importer, uint32_t slot, const struct record *record)
{
	check_reset(importer, slot, record);
	if (importer->slot[slot].by_address) {
		emit(importer, EVENT_FLUSH_GUEST, slot);
	} else if (!importer->slot[slot].absorb_asid) {
		importer->slot[slot].orphan = true;
		emit(importer, EVENT_FLUSH_PGE, slot);
	}
	importer->slot[slot].absorb_asid = false;
	importer->slot[slot].by_address = false;
}

/* An older flush_* has had its flush_asid, or the kernel has none for it. */
static void on_flush_gva(struct importer *importer, uint32_t slot)
{
	importer->slot[slot].absorb_asid = false;
	importer->slot[slot].by_address = true;
	emit(importer, EVENT_FLUSH_ADDRESS, slot);
}

static void on_invlpga(struct importer *importer, uint32_t slot, const struct record *record)
{
	importer->next.asid = EVENT_UNKNOWN;
	if (record_has(record, FIELD_ASID12))
		importer->next.asid = (uint32_t)record->field[FIELD_ASID12];
	emit(importer, EVENT_INVLPGA, slot);
}

static void on_pv_flush(struct importer *importer, uint32_t slot, const struct record *record)
{
	if (!record_has(record, FIELD_NEED_FLUSH) || !record->field[FIELD_NEED_FLUSH])
		return;
	importer->slot[slot].absorb_guest = true;
	emit(importer, EVENT_FLUSH_PV, slot);
}

static void on_remote_flush(struct importer *importer, const struct record *record)
{
	uint32_t left;
	uint32_t vm;

	if (!record_has(record, FIELD_KVM) ||
	    !find_vm(importer, record->field[FIELD_KVM], &vm))
		return;
	left = importer->vm_vcpus[vm];
	for (uint32_t i = 0; left && i < EVENT_VCPUS; i++) {
		if (importer->slot[i].used && importer->slot[i].vm == vm) {
			emit(importer, EVENT_FLUSH_REMOTE, i);
			left--;
		}
	}
}

/* --- entries ----------------------------------------------------------- */

/*
 * CR4.PGE changes by a switch; where the guest itself changes it, KVM flushes
 * the guest as well. Whatever else calls flush_asid has a probe of its own.
 */
static void note_caller(struct importer *importer, uint32_t slot)
{
	if (importer->slot[slot].orphan && !importer->slot[slot].switched)
		importer->lacks_caller = true;
	importer->slot[slot].orphan = false;
	importer->slot[slot].switched = false;
}

static void enter(struct importer *importer, uint32_t slot)
{
	note_caller(importer, slot);
	/* All requests are served before an entry, so nothing is left to absorb. */
	importer->slot[slot].by_vmenter = false;
	importer->slot[slot].absorb_ctl02 = false;
	importer->slot[slot].absorb_current = false;
	importer->slot[slot].absorb_guest = false;
	importer->slot[slot].absorb_asid = false;

	importer->stats.cpus += !importer->cpu_seen[importer->next.cpu];
	importer->cpu_seen[importer->next.cpu] = true;
	importer->next.level = importer->slot[slot].in_l2 ? 2 : 1;
	importer->slot[slot].l1_entered |= !importer->slot[slot].in_l2;
	emit(importer, EVENT_ENTER, slot);
}

/* Another VMCB of L1 in the same place is another vCPU: the VM was made anew. */
static void check_birth(struct importer *importer, uint32_t slot, const struct record *record)
{
	struct slot *known = &importer->slot[slot];

	if (!record_has(record, FIELD_VMCB) || known->in_l2)
		return;
	if (known->vmcb01 && known->vmcb01 != record->field[FIELD_VMCB]) {
		importer->stats.vcpus++;
		deliver(importer, EVENT_BIRTH, slot);
	}
	known->vmcb01 = record->field[FIELD_VMCB];
}

/* With what the hardware was given, as far as it was recorded. */
static void enter_with(struct importer *importer, uint32_t slot, const struct record *record)
{
	struct event *next = &importer->next;

	next->asid = EVENT_UNKNOWN;
	next->tlb_control = EVENT_UNKNOWN;
	next->generation = 0;
	if (record_has(record, FIELD_ASID))
		next->asid = (uint32_t)record->field[FIELD_ASID];
	if (record_has(record, FIELD_TLB_CTL))
		next->tlb_control = (uint32_t)record->field[FIELD_TLB_CTL];
	if (record_has(record, FIELD_GEN))
		next->generation = record->field[FIELD_GEN];
	enter(importer, slot);
}

static void on_vmrun(struct importer *importer, uint32_t slot, const struct record *record)
{
	importer->stats.has_vmrun = true;
	if (record_has(record, FIELD_HFLAGS))
		correct_level(importer, slot, record->field[FIELD_HFLAGS] & 1, record);
	/* Where hflags are not recorded the VMCB may as well be the one for L2. */
	if (record_has(record, FIELD_HFLAGS))
		check_birth(importer, slot, record);
	enter_with(importer, slot, record);
}

/*
 * kvm_entry comes just before vmrun, so it is an entry of its own only in a
 * recording without vmrun.
 */
static void on_kvm_entry(struct importer *importer, uint32_t slot)
{
	if (importer->stats.has_vmrun)
		return;
	if (importer->slot[slot].absorb_vmrun) {
		importer->next.asid = EVENT_UNKNOWN;
		importer->next.tlb_control = EVENT_UNKNOWN;
		importer->next.generation = 0;
		enter(importer, slot);
	}
	importer->slot[slot].absorb_vmrun = true;
}

static void on_kvm_exit(struct importer *importer, uint32_t slot)
{
	if (!importer->slot[slot].absorb_vmrun)
		return;
	on_kvm_entry(importer, slot);
	importer->slot[slot].absorb_vmrun = false;
}

/* --- the library's own tracepoints ------------------------------------------ */

static void on_tag_enter(struct importer *importer, uint32_t slot, const struct record *record)
{
	importer->stats.has_vmrun = true;
	if (record_has(record, FIELD_CONTEXT))
		correct_level(importer, slot, record->field[FIELD_CONTEXT] != 0, record);
	check_birth(importer, slot, record);
	enter_with(importer, slot, record);
}

/* A set of reasons is as many causes. */
static void on_tag_request(struct importer *importer, uint32_t slot, const struct record *record)
{
	static const struct {
		uint32_t why;
		enum event_kind kind;
	} causes[] = {
		{ TLBTAG_WHY_ALL, EVENT_FLUSH_ALL },
		{ TLBTAG_WHY_CURRENT, EVENT_FLUSH_CURRENT },
		{ TLBTAG_WHY_GUEST, EVENT_FLUSH_GUEST },
		{ TLBTAG_WHY_PV, EVENT_FLUSH_PV },
		{ TLBTAG_WHY_INVLPGA, EVENT_FLUSH_ADDRESS },
		{ TLBTAG_WHY_RESET, EVENT_RESET },
	};

	/* A reset is one of L1; how L2 was left went by unseen. */
	if (record_has(record, FIELD_WHY) && (record->field[FIELD_WHY] & TLBTAG_WHY_RESET))
		on_nested_exit(importer, slot);
	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++)
		if (record_has(record, FIELD_WHY) && (record->field[FIELD_WHY] & causes[i].why))
			emit(importer, causes[i].kind, slot);
}

static void on_tag_nested(struct importer *importer, uint32_t slot, const struct record *record)
{
	on_nested_exit(importer, slot);
	if (record_has(record, FIELD_CONTEXT) && record->field[FIELD_CONTEXT])
		enter_l2(importer, slot, record);
}

static void feed_native(struct importer *importer, uint32_t slot, const struct record *record)
{
	importer->native = true;
	switch ((int)record->kind) {
	case RECORD_TAG_ENTER:
		return on_tag_enter(importer, slot, record);
	case RECORD_TAG_REQUEST:
		return on_tag_request(importer, slot, record);
	case RECORD_TAG_NESTED:
		return on_tag_nested(importer, slot, record);
	case RECORD_TAG_INVLPGA:
		return on_invlpga(importer, slot, record);
	case RECORD_TAG_ROOT:
		if (record_has(record, FIELD_SYNCED) && record->field[FIELD_SYNCED])
			emit(importer, EVENT_SYNC, slot);
	}
}

static bool is_native(enum record_kind kind)
{
	return kind >= RECORD_TAG_ENTER && kind <= RECORD_TAG_ROOT;
}

/* --- records ----------------------------------------------------------- */

/* What follows flush_gva at once belongs to it; only being scheduled may come between. */
static void end_address(struct importer *importer, uint32_t slot, enum record_kind kind)
{
	if (kind != RECORD_FLUSH_ASID && kind != RECORD_VCPU_LOAD)
		importer->slot[slot].by_address = false;
}

static void feed_rig(struct importer *importer, uint32_t slot, const struct record *record)
{
	if (importer->native && record->kind != RECORD_VCPU_LOAD)
		return;
	end_address(importer, slot, record->kind);
	switch ((int)record->kind) {
	case RECORD_VMRUN:
		importer->slot[slot].absorb_vmrun = false;
		return on_vmrun(importer, slot, record);
	case RECORD_VCPU_LOAD:
		return emit(importer, EVENT_LOAD, slot);
	case RECORD_NESTED_ENTER:
		return on_nested_enter(importer, slot, record);
	case RECORD_NESTED_CTL02:
		return on_nested_ctl02(importer, slot, record);
	case RECORD_NESTED_EXIT:
	case RECORD_LEAVE_NESTED:
		return on_nested_exit(importer, slot);
	case RECORD_NESTED_TLB_FLUSH:
		return on_transition(importer, slot);
	case RECORD_FLUSH_ASID:
		return on_flush_asid(importer, slot, record);
	case RECORD_FLUSH_CURRENT:
		return on_flush_current(importer, slot);
	case RECORD_FLUSH_ALL:
		return on_flush_all(importer, slot);
	case RECORD_FLUSH_GUEST:
		return on_flush_guest(importer, slot);
	case RECORD_MMU_SYNC:
		return emit(importer, EVENT_SYNC, slot);
	case RECORD_FLUSH_GVA:
		return on_flush_gva(importer, slot);
	case RECORD_INVLPGA_ICPT:
		return on_invlpga(importer, slot, record);
	}
}

/* The vCPU of a stock event: its thread's, or one made up for the thread. */
static uint32_t find_stock_slot(struct importer *importer, const struct record *record)
{
	uint32_t slot = slot_of_thread(importer, record->pid);
	uint32_t id;

	if (slot == NO_SLOT) {
		if (record->pid <= 0)
			return NO_SLOT;
		id = (uint32_t)record->pid;
		slot = hash_find(importer, 0, id);
		if (slot == NO_SLOT)
			slot = make_slot(importer, 0, id);
		importer->slot[slot].by_thread = true;
		remember_thread(importer, record->pid, slot);
	}
	importer->slot[slot].last_seen = ++importer->clock;
	return slot;
}

static void feed_stock(struct importer *importer, uint32_t slot, const struct record *record)
{
	if (importer->native)
		return;
	end_address(importer, slot, record->kind);
	switch ((int)record->kind) {
	case RECORD_KVM_ENTRY:
		return on_kvm_entry(importer, slot);
	case RECORD_KVM_EXIT:
		return on_kvm_exit(importer, slot);
	case RECORD_KVM_NESTED_VMENTER:
		/* With rig events nested_enter came first and says more. */
		if (importer->slot[slot].in_l2)
			return;
		enter_l2(importer, slot, record);
		importer->slot[slot].by_vmenter = true;
		return;
	case RECORD_KVM_NESTED_VMEXIT_INJECT:
		return on_nested_exit(importer, slot);
	case RECORD_KVM_PV_TLB_FLUSH:
		return on_pv_flush(importer, slot, record);
	}
}

/* A new thread that only ever does ioctls must not pass for a vCPU. */
static bool concerns_unknown_vcpu(const struct importer *importer, const struct record *record)
{
	return slot_of_thread(importer, record->pid) == NO_SLOT &&
	       (importer->stats.has_vmrun || record->kind == RECORD_KVM_PV_TLB_FLUSH);
}

static bool is_rig(enum record_kind kind)
{
	return kind < RECORD_KVM_ENTRY;
}

static void feed_lost(struct importer *importer)
{
	importer->next.kind = EVENT_LOST;
	importer->stats.events++;
	importer->sink(importer->context, &importer->next);
}

/*
 * More than the kernel's variable can hold. Cut off it would pass for another
 * vCPU, for an ASID of 0 or for no flush.
 */
static bool is_absurd(const struct record *record)
{
	static const struct {
		enum record_field field;
		uint64_t most;
	} limits[] = {
		{ FIELD_VCPU_ID, UINT32_MAX },
		{ FIELD_ASID, EVENT_UNKNOWN - 1 },
		{ FIELD_ASID12, EVENT_UNKNOWN - 1 },
		{ FIELD_TLB_CTL, UINT8_MAX },
		{ FIELD_TLB_CTL12, UINT8_MAX },
	};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		if (record_has(record, limits[i].field) &&
		    record->field[limits[i].field] > limits[i].most)
			return true;
	return false;
}

void importer_feed(struct importer *importer, const struct record *record)
{
	uint32_t slot;

	importer->next.where = record->where;
	importer->next.time_ns = record->time_ns;
	if (record->kind == RECORD_LOST)
		return feed_lost(importer);
	importer->next.cpu = record->cpu;
	if (record->kind == RECORD_REMOTE_FLUSH || record->kind == RECORD_REMOTE_FLUSH_RANGE)
		return on_remote_flush(importer, record);

	if (is_absurd(record) || (is_rig(record->kind) && !record_has(record, FIELD_VCPU_ID))) {
		importer->stats.odd++;
		return;
	}
	if (is_rig(record->kind)) {
		slot = find_slot(importer, record);
		return is_native(record->kind) ? feed_native(importer, slot, record) :
						 feed_rig(importer, slot, record);
	}
	if (concerns_unknown_vcpu(importer, record))
		return;
	slot = find_stock_slot(importer, record);
	if (slot == NO_SLOT)
		importer->stats.odd++;
	else
		feed_stock(importer, slot, record);
}

/* --- what is missing --------------------------------------------------- */

static bool lacks_vmrun(const struct importer *importer, const uint64_t *kinds)
{
	(void)kinds;
	return !importer->stats.has_vmrun;
}

/* kvm_exit alone would do but for knowing that before the first vmrun. */
static bool lacks_entry(const struct importer *importer, const uint64_t *kinds)
{
	return !importer->stats.has_vmrun && !kinds[RECORD_KVM_ENTRY];
}

static bool lacks_nested_enter(const struct importer *importer, const uint64_t *kinds)
{
	return importer->stats.switches && !kinds[RECORD_NESTED_ENTER] &&
	       !kinds[RECORD_NESTED_CTL02] && !importer->native;
}

static bool lacks_transition(const struct importer *importer, const uint64_t *kinds)
{
	return importer->stats.switches && !kinds[RECORD_NESTED_TLB_FLUSH] && !importer->native;
}

static bool lacks_requests(const struct importer *importer, const uint64_t *kinds)
{
	return !kinds[RECORD_FLUSH_CURRENT] && !kinds[RECORD_FLUSH_ALL] &&
	       !kinds[RECORD_FLUSH_GUEST] && !kinds[RECORD_FLUSH_ASID] && !importer->native;
}

static bool lacks_flush_callers(const struct importer *importer, const uint64_t *kinds)
{
	return !importer->native && kinds[RECORD_FLUSH_ASID] && !kinds[RECORD_FLUSH_CURRENT] &&
	       !kinds[RECORD_FLUSH_ALL] && !kinds[RECORD_FLUSH_GUEST];
}

/* One that only never happened leaves no flush_asid without its caller behind. */
static bool lacks_some_caller(const struct importer *importer, const uint64_t *kinds)
{
	return importer->lacks_caller && !lacks_flush_callers(importer, kinds) &&
	       (!kinds[RECORD_FLUSH_CURRENT] || !kinds[RECORD_FLUSH_ALL] ||
		!kinds[RECORD_FLUSH_GUEST]);
}

const char *importer_missing(const struct importer *importer, const uint64_t *kinds,
			     unsigned int nth)
{
	static const struct {
		bool (*lacks)(const struct importer *importer, const uint64_t *kinds);
		const char *text;
	} checks[] = {
		{ lacks_vmrun, "rig:vmrun was not recorded: what the kernel flushed is unknown" },
		{ lacks_entry, "kvm:kvm_entry was not recorded either: VM entries are unknown" },
		{ lacks_nested_enter,
		  "rig:nested_enter was not recorded: L1's ASIDs and TLB_CONTROL are unknown" },
		{ lacks_transition,
		  "rig:nested_tlb_flush was not recorded: the kernel's own flushes at nested "
		  "transitions are unknown, or taken for the MMU's" },
		{ lacks_requests,
		  "no rig:flush_* was recorded: flushes that the MMU or a guest asked for are "
		  "unknown, all counts are lower bounds" },
		{ lacks_flush_callers,
		  "rig:flush_asid was recorded without flush_current, flush_all and flush_guest: "
		  "the reasons of flushes are unknown" },
		{ lacks_some_caller,
		  "rig:flush_asid was recorded without a caller, and flush_current, flush_all or "
		  "flush_guest not at all: if that is why, all counts are lower bounds" },
	};

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		if (checks[i].lacks(importer, kinds) && nth-- == 0)
			return checks[i].text;
	return NULL;
}
