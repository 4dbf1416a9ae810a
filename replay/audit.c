/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * audit: whose translations each ASID of each CPU may hold.
 *
 *   slot       an ASID on a CPU
 *   content    what its owner, a context, may have left there since the slot
 *	       was flushed last
 *   home       of a context: the slot of its latest entry, while the content
 *	       there is its own. A vCPU has one for L1 and one for each L2
 *   mark       an event that the content should not outlive. It goes away with
 *	       the content, by a flush
 *
 * A demand only matters for content that is there, so it is noted at the homes
 * that it is for, and nowhere else. Slots that a context left are marked when
 * it enters elsewhere: a guest may invalidate without an exit, which reaches
 * only the ASID and CPU it runs with. A slot without content is clean if its CPU
 * was flushed since the recording began, or went on after a gap; else nobody
 * knows, and it is taken for clean or the context's own, with the exceptions
 * at judge_unseen().
 */
#include "audit_sync.h"

#include <stdlib.h>
#include <string.h>

/* Slots kept at most: 32 MiB. A machine without many migrations has hundreds. */
#ifndef AUDIT_SLOTS
#define AUDIT_SLOTS 262144u
#endif

/* Homes of one vCPU: L1 and more L2 contexts than any kernel keeps apart. */
#define HOMES 64u

#define LEVELS 2
/*
 * More entries than that cannot have been on their way, nor can the CPU that asks
 * have stood still for so long; an emulated one was seen to for 28 milliseconds.
 */
#define RACES 2
#define STANDSTILL_NS UINT64_C(100000000)

/* A number above that was read from some other kernel's memory. */
#define GENERATIONS UINT32_MAX

#define NO_SLOT UINT32_MAX
#define ERROR_SIZE 200

_Static_assert((AUDIT_SLOTS & (AUDIT_SLOTS - 1)) == 0, "doubling ends there");

struct slot {
	uint32_t cpu;
	uint32_t asid;
	struct audit_context owner;
	uint32_t next; /* the next home of the owner's vCPU */
	bool is_home;
	bool shared; /* had several owners */
	uint8_t raced; /* entries since a remote flush that it may not know of */
	uint64_t filled_order; /* 0: never */
	uint64_t filled;
	uint64_t entered;
	uint64_t mark_order;
	struct audit_mark mark;
};

/* The latest entry of a level of a vCPU. */
struct latest {
	bool known; /* in the life of this vCPU */
	uint32_t cpu;
	uint32_t asid;
	uint32_t asid12;
	uint64_t order;
	uint64_t where;
};

/* A demand, whether there is content that it could be for or not. */
struct owed {
	struct audit_mark mark;
	uint64_t order;
	uint32_t asid12; /* of the L2 that it is for; EVENT_UNKNOWN: any */
};

struct vcpu {
	bool born;
	bool transition; /* since its latest entry */
	bool pge;
	bool demanded[LEVELS]; /* since the level's latest entry */
	struct owed owed[LEVELS]; /* the first demand since then */
	uint32_t birth;
	uint32_t active; /* level */
	uint32_t asid12;
	uint64_t asid12_order;
	uint64_t invlpga_order; /* the latest one, since the latest entry; 0: none */
	uint32_t homes; /* the first one */
	struct latest latest[LEVELS];
};

struct cpu {
	uint64_t flushed_order; /* latest flush of everything */
	uint64_t event_order; /* latest event but remote flushes */
	uint32_t asid_most; /* since then */
	uint64_t asid_order; /* of asid_most; outdated by a flush or a gap */
};

struct audit {
	struct audit_options options;
	struct audit_sync *sync;
	struct audit_result result;
	struct audit_list unsure[AUDIT_DOUBT_COUNT]; /* by doubt; [NONE] is empty */
	uint64_t order; /* of the current event; counts from 1 */
	uint64_t gap_order;
	/* What tells rounds from ASIDs that are kept: */
	uint64_t fresh; /* entries with an unused ASID in place of a flush */
	uint64_t kept; /* moves to another CPU with the same ASID and a flush */
	bool has_generation; /* numbers that may count rounds are recorded */
	bool has_asid_flush; /* TLB_CONTROL 3 is in use */
	char error[ERROR_SIZE];
	struct slot *slots;
	uint32_t slot_count;
	uint32_t slot_capacity;
	uint32_t *index; /* slot + 1, 0 is empty; twice the capacity */
	struct cpu cpu[EVENT_CPUS];
	struct vcpu vcpu[EVENT_VCPUS];
};

/* An entry, with all that its verdict depends on. */
struct visit {
	const struct event *event;
	struct audit_context context;
	struct vcpu *vcpu;
	struct latest *latest;
	struct cpu *cpu;
	struct slot *slot;
	struct slot *home; /* NULL, or where the context was until now */
	bool flush_all;
	bool flush; /* of this ASID, or of all */
	bool flush_local; /* of this ASID, global pages excepted */
	bool asid_changed;
};

struct audit *audit_create(const struct audit_options *options)
{
	struct audit *audit = calloc(1, sizeof(*audit));

	if (!audit)
		return NULL;
	audit->sync = audit_sync_create(options->list_most);
	if (!audit->sync) {
		free(audit);
		return NULL;
	}
	audit->options = *options;
	audit->result.missed.most = options->list_most;
	audit->result.undecided.most = options->list_most;
	for (int doubt = 0; doubt < AUDIT_DOUBT_COUNT; doubt++)
		audit->unsure[doubt].most = options->list_most;
	for (uint32_t i = 0; i < EVENT_VCPUS; i++)
		audit->vcpu[i] = (struct vcpu){ .active = 1, .homes = NO_SLOT };
	return audit;
}

void audit_destroy(struct audit *audit)
{
	audit_sync_destroy(audit->sync);
	free(audit->result.missed.items);
	free(audit->result.undecided.items);
	for (int doubt = 0; doubt < AUDIT_DOUBT_COUNT; doubt++)
		free(audit->unsure[doubt].items);
	free(audit->slots);
	free(audit->index);
	free(audit);
}

static void fail(struct audit *audit, const char *text)
{
	if (!audit->error[0])
		snprintf(audit->error, sizeof(audit->error), "%s", text);
}

/* --- slots ------------------------------------------------------------- */

static bool has_content(const struct audit *audit, const struct slot *slot)
{
	return slot->filled_order > audit->gap_order &&
	       slot->filled_order > audit->cpu[slot->cpu].flushed_order;
}

/* Without content: was the CPU seen being flushed, or is that unknown? */
static bool is_known_clean(const struct audit *audit, const struct cpu *cpu)
{
	return cpu->flushed_order > audit->gap_order;
}

static uint32_t index_of(const struct audit *audit, uint32_t cpu, uint32_t asid)
{
	uint64_t mixed = ((uint64_t)cpu << 32 | asid) * 0x9e3779b97f4a7c15u;
	uint32_t mask = 2 * audit->slot_capacity - 1;
	uint32_t i = (uint32_t)(mixed >> 32) & mask;

	while (audit->index[i]) {
		const struct slot *slot = &audit->slots[audit->index[i] - 1];

		if (slot->cpu == cpu && slot->asid == asid)
			break;
		i = (i + 1) & mask;
	}
	return i;
}

static void index_all(struct audit *audit)
{
	memset(audit->index, 0, 2 * audit->slot_capacity * sizeof(*audit->index));
	for (uint32_t i = 0; i < audit->slot_count; i++)
		audit->index[index_of(audit, audit->slots[i].cpu, audit->slots[i].asid)] = i + 1;
}

static bool grow(struct audit *audit)
{
	uint32_t capacity = audit->slot_capacity ? 2 * audit->slot_capacity : 256;
	struct slot *slots = realloc(audit->slots, capacity * sizeof(*slots));
	uint32_t *index;

	if (slots)
		audit->slots = slots;
	index = realloc(audit->index, 2 * capacity * sizeof(*index));
	if (index)
		audit->index = index;
	if (!slots || !index) {
		fail(audit, "out of memory");
		return false;
	}
	audit->slot_capacity = capacity;
	index_all(audit);
	return true;
}

/* Homes that L1 has not entered for the longest time are given up. */
static void trim_homes(struct audit *audit, struct vcpu *vcpu)
{
	uint32_t *link = &vcpu->homes;

	for (uint32_t i = 0; i < HOMES && *link != NO_SLOT; i++)
		link = &audit->slots[*link].next;
	while (*link != NO_SLOT) {
		struct slot *slot = &audit->slots[*link];

		audit->result.forgotten += has_content(audit, slot);
		slot->filled_order = 0;
		slot->is_home = false;
		*link = slot->next;
	}
}

static void link_home(struct audit *audit, struct slot *slot)
{
	struct vcpu *vcpu = &audit->vcpu[slot->owner.vcpu];

	slot->is_home = true;
	slot->next = vcpu->homes;
	vcpu->homes = (uint32_t)(slot - audit->slots);
	trim_homes(audit, vcpu);
}

static void unlink_home(struct audit *audit, struct slot *slot)
{
	uint32_t *link = &audit->vcpu[slot->owner.vcpu].homes;

	if (!slot->is_home)
		return;
	while (&audit->slots[*link] != slot)
		link = &audit->slots[*link].next;
	*link = slot->next;
	slot->is_home = false;
}

/* Give up what contexts left behind where they are no more. */
static bool forget_left(struct audit *audit)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < EVENT_VCPUS; i++)
		audit->vcpu[i].homes = NO_SLOT;
	for (uint32_t i = 0; i < audit->slot_count; i++) {
		bool keep = audit->slots[i].is_home && has_content(audit, &audit->slots[i]);

		audit->result.forgotten += !keep && has_content(audit, &audit->slots[i]);
		if (!keep)
			continue;
		audit->slots[kept] = audit->slots[i];
		link_home(audit, &audit->slots[kept++]);
	}
	audit->slot_count = kept;
	index_all(audit);
	if (kept <= AUDIT_SLOTS / 2)
		return true;
	fail(audit, "more contexts with ASIDs of their own at a time than any machine has");
	return false;
}

/* Return: NULL with an error noted. */
static struct slot *slot_of(struct audit *audit, const struct event *event)
{
	uint32_t i;

	if (audit->slot_count == audit->slot_capacity &&
	    !(audit->slot_capacity < AUDIT_SLOTS ? grow(audit) : forget_left(audit)))
		return NULL;
	i = index_of(audit, event->cpu, event->asid);
	if (!audit->index[i]) {
		audit->slots[audit->slot_count] =
			(struct slot){ .cpu = event->cpu, .asid = event->asid };
		audit->index[i] = ++audit->slot_count;
	}
	return &audit->slots[audit->index[i] - 1];
}

/* --- contexts ---------------------------------------------------------- */

static uint32_t asid12_of(const struct audit *audit, const struct vcpu *vcpu)
{
	return vcpu->asid12_order > audit->gap_order ? vcpu->asid12 : EVENT_UNKNOWN;
}

static struct audit_context context_of(const struct audit *audit, const struct event *event,
				       uint32_t level)
{
	const struct vcpu *vcpu = &audit->vcpu[event->vcpu];

	return (struct audit_context){
		.vm = event->vm,
		.vcpu = event->vcpu,
		.level = level,
		.asid12 = level == 2 ? asid12_of(audit, vcpu) : 0,
		.birth = vcpu->birth,
	};
}

static bool same_asid12(uint32_t one, uint32_t other)
{
	return one == other || one == EVENT_UNKNOWN || other == EVENT_UNKNOWN;
}

static bool is_same(const struct audit_context *one, const struct audit_context *other)
{
	return one->vcpu == other->vcpu && one->birth == other->birth &&
	       one->level == other->level && same_asid12(one->asid12, other->asid12);
}

/* Homes of which the CPU was flushed meanwhile are dropped on the way. */
static struct slot *next_home(struct audit *audit, uint32_t *link)
{
	while (*link != NO_SLOT) {
		struct slot *slot = &audit->slots[*link];

		if (has_content(audit, slot))
			return slot;
		slot->is_home = false;
		*link = slot->next;
	}
	return NULL;
}

static struct slot *home_of(struct audit *audit, const struct audit_context *context)
{
	uint32_t *link = &audit->vcpu[context->vcpu].homes;
	struct slot *slot;

	while ((slot = next_home(audit, link))) {
		if (is_same(&slot->owner, context))
			return slot;
		link = &slot->next;
	}
	return NULL;
}

/* --- demands ----------------------------------------------------------- */

/*
 * A mark that might yet turn out to be nothing, or that less will serve, gives
 * way to one that cannot.
 */
static int weight(enum audit_cause cause)
{
	switch ((int)cause) {
	case AUDIT_CAUSE_NONE:
		return 0;
	case AUDIT_CAUSE_CONTROL_LOCAL:
		return 1;
	case AUDIT_CAUSE_IGNORED:
		return 2;
	case AUDIT_CAUSE_REMOTE:
		return 3;
	}
	return 4;
}

static struct audit_mark mark_of(enum audit_cause cause, const struct event *event)
{
	return (struct audit_mark){
		.cause = cause,
		.asid_assumed = event->kind == EVENT_INVLPGA && event->asid == EVENT_UNKNOWN,
		.cpu = event->cpu,
		.where = event->where,
		.time_ns = event->time_ns,
	};
}

static void mark(struct audit *audit, struct slot *slot, enum audit_cause cause,
		 const struct event *event)
{
	if (weight(cause) <= weight(slot->mark.cause))
		return;
	slot->mark = mark_of(cause, event);
	slot->mark_order = audit->order;
	slot->raced = 0;
}

/* Whose content a demand is for: level 0 is both, asid12 only matters for 2. */
struct target {
	uint32_t level;
	uint32_t asid12;
};

static bool is_target(const struct target *target, const struct audit_context *owner)
{
	if (target->level == 0)
		return true;
	return target->level == owner->level &&
	       (target->level == 1 || same_asid12(target->asid12, owner->asid12));
}

static void owe(struct audit *audit, const struct event *event, const struct target *target,
		enum audit_cause cause)
{
	for (uint32_t level = 1; level <= LEVELS; level++) {
		struct owed *owed = &audit->vcpu[event->vcpu].owed[level - 1];

		if ((target->level && target->level != level) ||
		    weight(cause) <= weight(owed->mark.cause))
			continue;
		owed->mark = mark_of(cause, event);
		owed->order = audit->order;
		owed->asid12 = target->level == 2 ? target->asid12 : EVENT_UNKNOWN;
	}
}

static void demand(struct audit *audit, const struct event *event, struct target target,
		   enum audit_cause cause)
{
	struct vcpu *vcpu = &audit->vcpu[event->vcpu];
	uint32_t *link = &vcpu->homes;
	struct slot *slot;

	vcpu->demanded[0] |= target.level != 2;
	vcpu->demanded[1] |= target.level != 1;
	owe(audit, event, &target, cause);
	while ((slot = next_home(audit, link))) {
		if (is_target(&target, &slot->owner))
			mark(audit, slot, cause, event);
		link = &slot->next;
	}
}

static struct target active_of(const struct audit *audit, const struct vcpu *vcpu)
{
	return (struct target){ vcpu->active, asid12_of(audit, vcpu) };
}

/*
 * An address goes at once where the content is, which the coarse content does
 * not show; elsewhere it cannot.
 */
static void demand_address(struct audit *audit, const struct event *event, struct target target,
			   enum audit_cause here)
{
	struct vcpu *vcpu = &audit->vcpu[event->vcpu];
	uint32_t *link = &vcpu->homes;
	struct slot *slot;

	while ((slot = next_home(audit, link))) {
		bool is_here = slot->cpu == event->cpu;

		if (is_target(&target, &slot->owner))
			mark(audit, slot, is_here ? here : AUDIT_CAUSE_ELSEWHERE, event);
		link = &slot->next;
	}
	vcpu->demanded[0] |= target.level == 1;
	vcpu->demanded[1] |= target.level == 2;
}

/*
 * KVM carries an INVLPGA out by the function that this event stands for, before
 * L1 goes on: it is for the latest one, and not for one that L1 executed before.
 * The ASID that is recorded with it is that of the active VMCB, so it says
 * nothing.
 */
static void on_address(struct audit *audit, const struct event *event)
{
	struct vcpu *vcpu = &audit->vcpu[event->vcpu];
	uint32_t *link = &vcpu->homes;
	struct slot *slot;

	while ((slot = next_home(audit, link))) {
		if (slot->mark.cause == AUDIT_CAUSE_IGNORED && slot->cpu == event->cpu &&
		    slot->mark_order == vcpu->invlpga_order)
			slot->mark.cause = AUDIT_CAUSE_NONE;
		link = &slot->next;
	}
	demand_address(audit, event, active_of(audit, vcpu), AUDIT_CAUSE_NONE);
}

static void on_invlpga(struct audit *audit, const struct event *event)
{
	enum audit_cause here = audit->options.trust_invlpga ? AUDIT_CAUSE_NONE :
							       AUDIT_CAUSE_IGNORED;
	struct target target = { 2, event->asid };

	audit->vcpu[event->vcpu].invlpga_order = audit->order;
	if (event->asid == EVENT_UNKNOWN)
		target.asid12 = asid12_of(audit, &audit->vcpu[event->vcpu]);
	/* SPEC C.8 a: as INVLPG in L1. */
	if (event->asid == 0)
		demand_address(audit, event, (struct target){ 1, 0 }, AUDIT_CAUSE_NONE);
	else if (target.asid12 != EVENT_UNKNOWN)
		demand_address(audit, event, target, here);
}

static void on_nested_enter(struct audit *audit, const struct event *event)
{
	struct vcpu *vcpu = &audit->vcpu[event->vcpu];
	uint32_t control = event->tlb_control == EVENT_UNKNOWN ? 0 : event->tlb_control;

	vcpu->active = 2;
	/* Not recorded: L1 goes on with the guest that it had. */
	if (event->asid != EVENT_UNKNOWN) {
		vcpu->asid12 = event->asid;
		vcpu->asid12_order = audit->order;
	}
	if (control)
		demand(audit, event, active_of(audit, vcpu),
		       control == 7 ? AUDIT_CAUSE_CONTROL_LOCAL : AUDIT_CAUSE_CONTROL);
	if (control != 1)
		return;
	demand(audit, event, (struct target){ 1, 0 }, AUDIT_CAUSE_CONTROL_L1);
	demand(audit, event, (struct target){ 2, EVENT_UNKNOWN }, AUDIT_CAUSE_CONTROL_L2);
}

/* The content of an earlier life stays where it is, but is nobody's home. */
static void on_birth(struct audit *audit, const struct event *event)
{
	struct vcpu *vcpu = &audit->vcpu[event->vcpu];
	uint32_t birth = vcpu->born ? vcpu->birth + 1 : 0;

	for (uint32_t i = vcpu->homes; i != NO_SLOT; i = audit->slots[i].next)
		audit->slots[i].is_home = false;
	*vcpu = (struct vcpu){ .born = true, .birth = birth, .active = 1, .homes = NO_SLOT };
}

/* --- verdicts ---------------------------------------------------------- */

static enum audit_cause cause_of_foreign(const struct visit *visit)
{
	const struct audit_context *owner = &visit->slot->owner;
	const struct latest *latest = visit->latest;

	if (owner->vcpu == visit->context.vcpu) {
		if (owner->birth != visit->context.birth)
			return AUDIT_CAUSE_REBORN;
		return owner->level == visit->context.level ? AUDIT_CAUSE_OTHER_ASID12 :
							      AUDIT_CAUSE_OWNER;
	}
	if (latest->known && latest->cpu == visit->slot->cpu && latest->asid == visit->slot->asid)
		return AUDIT_CAUSE_OWNER;
	return AUDIT_CAUSE_TAKEN;
}

/*
 * Was the vCPU told? A remote flush is recorded before anybody is asked, so an
 * entry that follows at once may have been on its way. Once the CPU that asks
 * goes on, all have been asked and have left their guests; where that is not
 * seen, too many entries tell as well.
 */
static bool is_remote_due(const struct audit *audit, const struct slot *slot,
			  const struct event *entry)
{
	bool long_ago = !entry->time_ns || !slot->mark.time_ns ||
			entry->time_ns - slot->mark.time_ns >= STANDSTILL_NS;

	return slot->mark.cpu == entry->cpu || (slot->raced >= RACES && long_ago) ||
	       audit->cpu[slot->mark.cpu].event_order > slot->mark_order;
}

static bool was_seen(const struct visit *visit, uint64_t since)
{
	const struct latest *latest = visit->latest;

	if (visit->home)
		return true;
	return latest->known && latest->order > since &&
	       (visit->context.level == 1 || latest->asid12 == visit->context.asid12);
}

/*
 * The first entry of a context, as far as the recording goes, comes after a
 * demand and does not flush. What it finds may be its own from before: then the
 * demand was for that.
 */
static enum audit_cause judge_owed(const struct audit *audit, const struct visit *visit)
{
	const struct owed *owed = &visit->vcpu->owed[visit->context.level - 1];

	if (owed->order <= audit->gap_order ||
	    weight(owed->mark.cause) <= weight(AUDIT_CAUSE_REMOTE) ||
	    !same_asid12(owed->asid12, visit->context.asid12))
		return AUDIT_CAUSE_NONE;
	return owed->mark.cause;
}

/*
 * A context comes to a slot of which nothing is known, and does not flush it.
 * Kernels that hand out ASIDs in ascending order take an unused one in place of
 * a flush, so a higher one than any seen on this CPU may be that. Whether this
 * is such a kernel shows only later: *doubt.
 */
static enum audit_cause judge_unseen(struct audit *audit, const struct visit *visit,
				     enum audit_doubt *doubt)
{
	const struct cpu *cpu = visit->cpu;
	bool is_highest = cpu->asid_order <= audit->gap_order || visit->slot->asid > cpu->asid_most;
	bool is_fresh = is_highest && visit->asid_changed;
	bool seen = was_seen(visit, audit->gap_order);

	audit->fresh += seen && is_fresh;
	if (is_known_clean(audit, cpu))
		return AUDIT_CAUSE_NONE;
	if (!seen) {
		if (is_highest || !audit->has_asid_flush)
			*doubt = AUDIT_DOUBT_OWED;
		return judge_owed(audit, visit);
	}
	/* Memory is bounded: it was here before and its content was given up. */
	if (!visit->home && visit->latest->cpu == visit->slot->cpu && !visit->asid_changed)
		return AUDIT_CAUSE_NONE;
	if (is_highest)
		*doubt = is_fresh ? AUDIT_DOUBT_FRESH : AUDIT_DOUBT_KEPT;
	return AUDIT_CAUSE_UNSEEN;
}

/* Why the content that the entry finds has to go; NONE if it may stay. */
static enum audit_cause judge_content(const struct audit *audit, const struct visit *visit)
{
	const struct slot *slot = visit->slot;

	if (!has_content(audit, slot))
		return AUDIT_CAUSE_NONE;
	if (!is_same(&slot->owner, &visit->context))
		return cause_of_foreign(visit);
	return slot->mark.cause;
}

/* The same for what the context had under its previous ASID or on another CPU. */
static enum audit_cause judge_left(const struct audit *audit, const struct visit *visit)
{
	const struct latest *latest = visit->latest;
	const struct slot *home = visit->home;

	if (home && home != visit->slot)
		return home->cpu != visit->event->cpu ? AUDIT_CAUSE_CPU : home->mark.cause;
	if (!latest->known || latest->order <= audit->gap_order)
		return AUDIT_CAUSE_UNSEEN;
	if (visit->context.level == 2 && !same_asid12(latest->asid12, visit->context.asid12))
		return AUDIT_CAUSE_OTHER_ASID12;
	if (latest->cpu != visit->event->cpu)
		return AUDIT_CAUSE_CPU;
	return latest->order < visit->cpu->flushed_order ? AUDIT_CAUSE_NONE : AUDIT_CAUSE_OWNER;
}

static enum audit_cause cause_of_flush(const struct audit *audit, const struct visit *visit)
{
	enum audit_cause cause = AUDIT_CAUSE_NONE;

	if (visit->flush || visit->flush_local)
		cause = judge_content(audit, visit);

	if (cause != AUDIT_CAUSE_NONE)
		return cause;
	if (visit->asid_changed)
		return judge_left(audit, visit);
	if (!has_content(audit, visit->slot) && !is_known_clean(audit, visit->cpu))
		return AUDIT_CAUSE_UNSEEN;
	return AUDIT_CAUSE_NONE;
}

static enum audit_waste waste_of(const struct visit *visit)
{
	const struct latest *latest = visit->latest;
	const struct latest *other = &visit->vcpu->latest[2 - visit->context.level];

	if (visit->vcpu->transition)
		return AUDIT_WASTE_TRANSITION;
	if (visit->vcpu->pge)
		return AUDIT_WASTE_PGE;
	if (latest->known && latest->cpu != visit->event->cpu)
		return AUDIT_WASTE_MOVED;
	if (visit->vcpu->demanded[visit->context.level - 1])
		return AUDIT_WASTE_NOTHING_LEFT;
	if (visit->asid_changed && latest->order < visit->cpu->flushed_order)
		return AUDIT_WASTE_WRAP;
	if (visit->asid_changed && other->known && other->asid == visit->event->asid)
		return AUDIT_WASTE_OTHER_LEVEL;
	if (visit->slot->shared)
		return AUDIT_WASTE_SHARED;
	return visit->asid_changed ? AUDIT_WASTE_NEW_ASID : AUDIT_WASTE_UNKNOWN;
}

static void count_flush(struct audit *audit, const struct visit *visit)
{
	enum audit_cause cause = cause_of_flush(audit, visit);

	audit->result.flushes++;
	if (cause == AUDIT_CAUSE_NONE)
		audit->result.needless[waste_of(visit)]++;
	else
		audit->result.needed[audit_cause_rule(cause)]++;
}

bool audit_list_add(struct audit_list *list, const struct audit_finding *finding)
{
	uint32_t capacity = list->capacity ? 2 * list->capacity : 16;
	struct audit_finding *items;

	if (list->count++ >= list->most)
		return true;
	if (list->count > list->capacity) {
		items = realloc(list->items, capacity * sizeof(*items));
		if (!items) {
			list->count--;
			return false;
		}
		list->items = items;
		list->capacity = capacity;
	}
	list->items[list->count - 1] = *finding;
	return true;
}

static void report(struct audit *audit, const struct visit *visit, enum audit_cause cause,
		   enum audit_doubt doubt)
{
	const struct latest *latest = visit->latest;
	const struct slot *slot = visit->slot;
	const struct owed *owed = &visit->vcpu->owed[visit->context.level - 1];
	struct audit_finding finding = {
		.order = audit->order,
		.entry = *visit->event,
		.context = visit->context,
		.owner = slot->owner,
		.filled = slot->filled,
		.entered = slot->entered,
		.mark = has_content(audit, slot) ? slot->mark : owed->mark,
		.before = latest->known ? latest->where : 0,
		.before_cpu = latest->cpu,
		.before_asid = latest->asid,
	};

	finding.mark.cause = cause;
	if (!audit_list_add(doubt ? &audit->unsure[doubt] : &audit->result.missed, &finding))
		fail(audit, "out of memory");
}

/* Did the entry miss a flush? It does not flush. */
static bool judge(struct audit *audit, const struct visit *visit)
{
	enum audit_cause cause = judge_content(audit, visit);
	enum audit_doubt doubt = AUDIT_DOUBT_NONE;

	if (visit->flush_local && cause == AUDIT_CAUSE_CONTROL_LOCAL)
		return false;
	if (cause == AUDIT_CAUSE_REMOTE && !is_remote_due(audit, visit->slot, visit->event)) {
		visit->slot->raced += visit->slot->raced < RACES;
		return false;
	}
	if (cause == AUDIT_CAUSE_NONE && !has_content(audit, visit->slot))
		cause = judge_unseen(audit, visit, &doubt);
	if (cause == AUDIT_CAUSE_NONE)
		return false;
	report(audit, visit, cause, doubt);
	/* A new ASID passes for a flush until it turns out that it was none. */
	return doubt == AUDIT_DOUBT_NONE || doubt == AUDIT_DOUBT_KEPT;
}

/* --- entries ----------------------------------------------------------- */

static bool flushes_all(const struct event *event)
{
	return event->tlb_control == 1;
}

/* Reserved values do nothing that anybody could rely on. */
static bool flushes_asid(const struct audit *audit, const struct event *event)
{
	return !audit->options.no_flush_by_asid && event->tlb_control == 3;
}

/* It leaves global pages, and perhaps nested translations (MACHINE, U2). */
static bool flushes_local(const struct audit *audit, const struct event *event)
{
	return !audit->options.no_flush_by_asid && event->tlb_control == 7;
}

/* @renewed: nothing of what was there is left, or it has been reported. */
static void settle(struct audit *audit, const struct visit *visit, bool renewed)
{
	struct slot *home = visit->home;
	struct slot *slot = visit->slot;

	if (home && home != slot) {
		bool same_cpu = home->cpu == slot->cpu;

		mark(audit, home, same_cpu ? AUDIT_CAUSE_ASID : AUDIT_CAUSE_CPU, visit->event);
		unlink_home(audit, home);
	}
	slot->entered = visit->event->where;
	/* In order of use. */
	unlink_home(audit, slot);
	if (!renewed && has_content(audit, slot)) {
		if (visit->flush_local && slot->mark.cause == AUDIT_CAUSE_CONTROL_LOCAL)
			slot->mark.cause = AUDIT_CAUSE_NONE;
		link_home(audit, slot);
		return;
	}
	slot->shared |= slot->filled_order && !is_same(&slot->owner, &visit->context);
	slot->owner = visit->context;
	slot->filled_order = audit->order;
	slot->filled = visit->event->where;
	slot->mark = (struct audit_mark){ .cause = AUDIT_CAUSE_NONE };
	slot->raced = 0;
	link_home(audit, slot);
}

static void note_entry(struct audit *audit, const struct visit *visit)
{
	const struct event *event = visit->event;
	struct vcpu *vcpu = visit->vcpu;
	struct cpu *cpu = visit->cpu;

	*visit->latest = (struct latest){
		.known = true,
		.cpu = event->cpu,
		.asid = event->asid,
		.asid12 = visit->context.asid12,
		.order = audit->order,
		.where = event->where,
	};
	vcpu->invlpga_order = 0;
	vcpu->transition = false;
	vcpu->pge = false;
	vcpu->demanded[event->level - 1] = false;
	vcpu->owed[event->level - 1].mark.cause = AUDIT_CAUSE_NONE;
	if (visit->flush_all || cpu->asid_order <= audit->gap_order ||
	    cpu->asid_most < event->asid)
		cpu->asid_most = event->asid;
	cpu->asid_order = audit->order;
}

/* What the TLB holds for this vCPU from here on is anybody's guess. */
static void forget_vcpu(struct audit *audit, const struct event *event)
{
	struct vcpu *vcpu = &audit->vcpu[event->vcpu];
	struct slot *slot;

	audit->result.unjudged++;
	while ((slot = next_home(audit, &vcpu->homes))) {
		slot->filled_order = 0;
		unlink_home(audit, slot);
	}
	vcpu->latest[0].known = false;
	vcpu->latest[1].known = false;
}

static bool is_possible(struct audit *audit, const struct event *event)
{
	if (!audit->options.asids || event->asid < audit->options.asids)
		return true;
	if (!audit->error[0])
		snprintf(audit->error, sizeof(audit->error),
			 "line %llu: an entry with ASID %u, but --asids says there are %u",
			 (unsigned long long)event->where, event->asid, audit->options.asids);
	return false;
}

/* Since the context's previous entry; an L2 context without content is a new one. */
static bool is_asid_new(const struct visit *visit)
{
	const struct latest *latest = visit->latest;

	if (visit->home)
		return visit->home->asid != visit->event->asid;
	return !latest->known || latest->asid != visit->event->asid ||
	       (visit->context.level == 2 &&
		!same_asid12(latest->asid12, visit->context.asid12));
}

/* What tells kernels apart, see audit_finish(). */
static void note_habits(struct audit *audit, const struct visit *visit)
{
	const struct latest *latest = visit->latest;
	const struct event *event = visit->event;
	bool moved = latest->known && latest->order > audit->gap_order &&
		     latest->cpu != event->cpu && latest->asid12 == visit->context.asid12;

	audit->kept += moved && visit->flush && latest->asid == event->asid;
	audit->fresh += moved && !visit->flush && latest->asid != event->asid;
	/* A generation may be anything where the kernel has none, a static ASID say. */
	audit->has_generation |= event->generation && event->generation <= GENERATIONS &&
				 event->generation != event->asid;
	audit->has_asid_flush |= event->tlb_control == 3;
}

static void on_enter(struct audit *audit, const struct event *event)
{
	struct vcpu *vcpu = &audit->vcpu[event->vcpu];
	struct visit visit = {
		.event = event,
		.context = context_of(audit, event, event->level),
		.vcpu = vcpu,
		.latest = &vcpu->latest[event->level - 1],
		.cpu = &audit->cpu[event->cpu],
		.flush_all = flushes_all(event),
	};
	bool missed = false;

	audit->result.entries++;
	if (event->asid == EVENT_UNKNOWN || event->tlb_control == EVENT_UNKNOWN) {
		forget_vcpu(audit, event);
		return;
	}
	if (!is_possible(audit, event))
		return;
	if (event->asid == 0) {
		if (!audit->result.illegal++)
			audit->result.illegal_where = event->where;
		return;
	}
	visit.slot = slot_of(audit, event);
	if (!visit.slot)
		return;
	visit.home = home_of(audit, &visit.context);
	visit.flush = visit.flush_all || flushes_asid(audit, event);
	visit.flush_local = flushes_local(audit, event);
	visit.asid_changed = is_asid_new(&visit);
	note_habits(audit, &visit);

	if (!visit.flush)
		missed = judge(audit, &visit);
	if (!missed && (event->tlb_control || visit.asid_changed))
		count_flush(audit, &visit);
	if (visit.flush_all)
		visit.cpu->flushed_order = audit->order - 1;
	settle(audit, &visit, missed || visit.flush);
	note_entry(audit, &visit);
}

static void note_demand(struct audit *audit, const struct event *event)
{
	struct target active = active_of(audit, &audit->vcpu[event->vcpu]);

	switch ((int)event->kind) {
	case EVENT_FLUSH_ALL:
		return demand(audit, event, (struct target){ 0, 0 }, AUDIT_CAUSE_ALL);
	case EVENT_FLUSH_REMOTE:
		return demand(audit, event, (struct target){ 0, 0 }, AUDIT_CAUSE_REMOTE);
	case EVENT_FLUSH_CURRENT:
		return demand(audit, event, active, AUDIT_CAUSE_CURRENT);
	case EVENT_FLUSH_GUEST:
		return demand(audit, event, active, AUDIT_CAUSE_GUEST);
	case EVENT_FLUSH_PV:
		return demand(audit, event, (struct target){ 1, 0 }, AUDIT_CAUSE_PV);
	case EVENT_RESET:
		audit->vcpu[event->vcpu].active = 1;
		return demand(audit, event, (struct target){ 1, 0 }, AUDIT_CAUSE_RESET);
	case EVENT_FLUSH_ADDRESS:
		return on_address(audit, event);
	case EVENT_INVLPGA:
		return on_invlpga(audit, event);
	}
}

void audit_feed(struct audit *audit, const struct event *event)
{
	struct vcpu *vcpu = &audit->vcpu[event->vcpu];

	if (audit->error[0])
		return;
	audit_sync_feed(audit->sync, event);
	/* From 2, so that an order less one is still an order. */
	audit->order = audit->order ? audit->order + 1 : 2;
	if (event->kind != EVENT_FLUSH_REMOTE && event->kind != EVENT_LOST)
		audit->cpu[event->cpu].event_order = audit->order;
	switch (event->kind) {
	case EVENT_BIRTH:
		return on_birth(audit, event);
	case EVENT_ENTER:
		return on_enter(audit, event);
	case EVENT_NESTED_ENTER:
		return on_nested_enter(audit, event);
	case EVENT_NESTED_EXIT:
		vcpu->active = 1;
		return;
	case EVENT_TRANSITION:
		vcpu->transition = true;
		return;
	case EVENT_FLUSH_PGE:
		vcpu->pge = true;
		return;
	case EVENT_LOST:
		audit->gap_order = audit->order;
		return;
	case EVENT_FLUSH_ALL:
	case EVENT_FLUSH_CURRENT:
	case EVENT_FLUSH_GUEST:
	case EVENT_FLUSH_PV:
	case EVENT_FLUSH_ADDRESS:
	case EVENT_FLUSH_REMOTE:
	case EVENT_INVLPGA:
	case EVENT_RESET:
		return note_demand(audit, event);
	case EVENT_LOAD:
	case EVENT_SYNC:
	case EVENT_KIND_COUNT:
		return;
	}
}

/* --- the end ----------------------------------------------------------- */

static int compare(const void *left, const void *right)
{
	const struct audit_finding *one = left;
	const struct audit_finding *other = right;

	return (one->order > other->order) - (one->order < other->order);
}

static uint32_t listed(const struct audit_list *list)
{
	return list->count < list->most ? (uint32_t)list->count : list->most;
}

/* In the order of the recording. */
static void merge(struct audit *audit, struct audit_list *list, struct audit_list *from)
{
	uint32_t own = listed(list);
	uint32_t more = listed(from);
	struct audit_finding *items;

	list->count += from->count;
	from->count = 0;
	if (!more)
		return;
	items = realloc(list->items, (own + more) * sizeof(*items));
	if (!items) {
		fail(audit, "out of memory");
		return;
	}
	memcpy(items + own, from->items, more * sizeof(*items));
	qsort(items, own + more, sizeof(*items), compare);
	list->items = items;
	list->capacity = own + more;
}

/*
 * Does the kernel take unused ASIDs in place of flushes? One entry that is wrong
 * must not decide that, so what it does more often does.
 */
static bool has_rounds(const struct audit *audit)
{
	return audit->fresh > audit->kept ||
	       (audit->fresh == audit->kept && audit->has_generation);
}

int audit_finish(struct audit *audit, struct audit_result *result, char *error, size_t size)
{
	struct replay_result record = result->record;

	/* Where a flush is always a new ASID, that a first one does not show is as it is. */
	if (!audit->has_asid_flush)
		audit->unsure[AUDIT_DOUBT_OWED].count = 0;
	if (has_rounds(audit)) {
		merge(audit, &audit->result.undecided, &audit->unsure[AUDIT_DOUBT_KEPT]);
		merge(audit, &audit->result.undecided, &audit->unsure[AUDIT_DOUBT_OWED]);
	} else {
		for (int doubt = 0; doubt < AUDIT_DOUBT_COUNT; doubt++)
			merge(audit, &audit->result.missed, &audit->unsure[doubt]);
	}
	if (!audit_sync_finish(audit->sync, &audit->result))
		fail(audit, "out of memory");
	*result = audit->result;
	result->record = record;
	audit->result.missed = (struct audit_list){ .items = NULL };
	audit->result.undecided = (struct audit_list){ .items = NULL };
	audit->result.unsynced = (struct audit_list){ .items = NULL };
	snprintf(error, size, "%s", audit->error);
	return audit->error[0] ? -1 : 0;
}

void audit_free(struct audit_result *result)
{
	free(result->missed.items);
	free(result->undecided.items);
	free(result->unsynced.items);
	result->missed.items = NULL;
	result->undecided.items = NULL;
	result->unsynced.items = NULL;
}

static void on_event(void *context, const struct event *event)
{
	audit_feed(context, event);
}

static void on_progress(void *context, uint64_t records)
{
	const struct audit *audit = context;

	audit->options.progress(audit->options.context, records);
}

/* Entries of which nothing is known must not pass for entries without fault. */
static int check_judged(const struct audit_result *result, char *error, size_t size)
{
	if (result->unjudged < result->entries || (!result->entries && !result->record.switches))
		return 0;
	snprintf(error, size, "%s: rig:vmrun was not recorded: what the kernel flushed is unknown",
		 result->record.file);
	return -1;
}

int audit_run(const char *path, const struct audit_options *options, struct audit_result *result,
	      char *error, size_t size)
{
	static const struct policy_ops *const none[] = { NULL };
	struct audit *audit = audit_create(options);
	struct replay_options replay = {
		.policies = none,
		.flush_by_asid = -1,
		.is_events = options->is_events,
		.each_event = on_event,
		.progress = options->progress ? on_progress : NULL,
		.context = audit,
	};
	char text[ERROR_SIZE];
	int failed;

	memset(result, 0, sizeof(*result));
	if (!audit) {
		snprintf(error, size, "out of memory");
		return -1;
	}
	failed = replay_run(path, &replay, &result->record, error, size);
	if (audit_finish(audit, result, text, sizeof(text)) && !failed) {
		snprintf(error, size, "%s: %s", path, text);
		failed = -1;
	}
	audit_destroy(audit);
	return failed ? failed : check_judged(result, error, size);
}
