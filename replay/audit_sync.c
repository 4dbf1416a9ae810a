/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * audit: were the shadow tables synced that stand for L1's nested tables?
 *
 * On hardware a flush of an ASID by L1 makes the processor read L1's nested
 * tables anew. A hypervisor that shadows them must then look at them again
 * before L2 runs on the shadow (SPEC C.5 E2). Roots are told apart by L1's nested
 * CR3 and not by its ASID, so a sync on behalf of any ASID serves all that were
 * demanded before it.
 *
 * Two kinds of evidence, judged apart until the end shows which there is: `sync`,
 * that it was done; else `transition`, by which stock KVM asks for one. What is
 * asked for and not done before L2 is left is lost, as the request names no level.
 */
#include "audit_sync.h"

#include <stdlib.h>
#include <string.h>

#define CONTEXTS 16u
#define ROOTS 16u

/* An ASID of L1, and its latest demand. */
struct context {
	uint32_t asid12;
	uint64_t used;
	uint64_t demand; /* order; 0: none since the recording began */
	struct audit_mark mark;
};

/* Shadow tables for one nested CR3; [0] by evidence, [1] by requests. */
struct root {
	uint64_t root;
	uint64_t used;
	uint64_t entered; /* order of the latest entry on it */
	uint64_t synced[2]; /* order */
	uint64_t where[2];
};

struct vcpu {
	bool in_l2;
	bool requested; /* a transition in L2, not served yet */
	bool forgot; /* an ASID or a root of the past may look new */
	uint32_t birth;
	uint32_t gaps; /* before what is known of it */
	uint64_t order; /* of the latest nested entry with an ASID; 0: none */
	uint64_t flush_all; /* order of L1's latest flush of everything */
	uint32_t asid12;
	uint64_t root;
	struct context context[CONTEXTS];
	struct root roots[ROOTS];
};

struct audit_sync {
	uint64_t order;
	uint64_t due; /* entries that needed a sync, whether there was one or not */
	uint32_t gaps;
	uint64_t evidence[2]; /* events in L2 */
	struct audit_list missed[2];
	bool failed;
	struct vcpu vcpu[EVENT_VCPUS];
};

struct audit_sync *audit_sync_create(uint32_t list_most)
{
	struct audit_sync *sync = calloc(1, sizeof(*sync));

	if (!sync)
		return NULL;
	sync->missed[0].most = list_most;
	sync->missed[1].most = list_most;
	return sync;
}

void audit_sync_destroy(struct audit_sync *sync)
{
	if (!sync)
		return;
	free(sync->missed[0].items);
	free(sync->missed[1].items);
	free(sync);
}

/* The one that was not used for the longest time makes room. */
static struct context *context_of(struct audit_sync *sync, struct vcpu *vcpu, uint32_t asid12,
				  bool *is_new)
{
	struct context *oldest = &vcpu->context[0];

	for (uint32_t i = 0; i < CONTEXTS; i++) {
		struct context *context = &vcpu->context[i];

		if (context->used && context->asid12 == asid12) {
			*is_new = false;
			context->used = sync->order;
			return context;
		}
		if (context->used < oldest->used)
			oldest = context;
	}
	vcpu->forgot |= oldest->used != 0;
	*oldest = (struct context){ .asid12 = asid12, .used = sync->order };
	*is_new = true;
	return oldest;
}

static struct root *root_of(struct audit_sync *sync, struct vcpu *vcpu)
{
	struct root *oldest = &vcpu->roots[0];

	for (uint32_t i = 0; i < ROOTS; i++) {
		struct root *root = &vcpu->roots[i];

		if (root->used && root->root == vcpu->root) {
			root->used = sync->order;
			return root;
		}
		if (root->used < oldest->used)
			oldest = root;
	}
	vcpu->forgot |= oldest->used != 0;
	*oldest = (struct root){ .root = vcpu->root, .used = sync->order };
	/* It may have been synced before it was forgotten. */
	if (vcpu->forgot)
		oldest->synced[0] = oldest->synced[1] = sync->order;
	return oldest;
}

static void demand(struct audit_sync *sync, struct context *context, enum audit_cause cause,
		   const struct event *event)
{
	context->demand = sync->order;
	context->mark = (struct audit_mark){
		.cause = cause,
		.cpu = event->cpu,
		.where = event->where,
		.time_ns = event->time_ns,
	};
}

static void on_nested_enter(struct audit_sync *sync, struct vcpu *vcpu, const struct event *event)
{
	bool first = !vcpu->order;
	struct context *context;
	bool is_new;

	vcpu->in_l2 = true;
	vcpu->requested = false;
	vcpu->root = event->root;
	if (event->asid == EVENT_UNKNOWN)
		return;
	vcpu->order = sync->order;
	vcpu->asid12 = event->asid;
	context = context_of(sync, vcpu, event->asid, &is_new);
	/* What L1 did with its first ASID before is unknown. */
	if (is_new && !first && (!vcpu->forgot || vcpu->flush_all))
		demand(sync, context, AUDIT_CAUSE_UNSYNCED_ASID, event);
	if (event->tlb_control == EVENT_UNKNOWN || !event->tlb_control)
		return;
	demand(sync, context, AUDIT_CAUSE_UNSYNCED, event);
	if (event->tlb_control != 1)
		return;
	vcpu->flush_all = sync->order;
	for (uint32_t i = 0; i < CONTEXTS; i++)
		if (vcpu->context[i].used)
			demand(sync, &vcpu->context[i], AUDIT_CAUSE_UNSYNCED, event);
}

static void on_sync(struct audit_sync *sync, struct vcpu *vcpu, const struct event *event)
{
	struct root *root;

	sync->evidence[0] += vcpu->in_l2;
	if (!vcpu->in_l2 || !vcpu->root)
		return;
	root = root_of(sync, vcpu);
	for (int i = 0; i < 2; i++) {
		root->synced[i] = sync->order;
		root->where[i] = event->where;
	}
}

static void report(struct audit_sync *sync, int kind, const struct event *event,
		   const struct context *context, const struct root *root)
{
	struct audit_finding finding = {
		.order = sync->order,
		.entry = *event,
		.context = {
			.vm = event->vm,
			.vcpu = event->vcpu,
			.level = 2,
			.asid12 = context->asid12,
			.birth = sync->vcpu[event->vcpu].birth,
		},
		.mark = context->mark,
		.root = root->root,
		.synced = root->where[kind],
	};

	sync->failed |= !audit_list_add(&sync->missed[kind], &finding);
}

static void on_enter(struct audit_sync *sync, struct vcpu *vcpu, const struct event *event)
{
	struct context *context;
	struct root *root;
	bool is_new;

	if (event->level != 2 || !vcpu->in_l2 || !vcpu->root || !vcpu->order)
		return;
	root = root_of(sync, vcpu);
	if (vcpu->requested) {
		root->synced[1] = sync->order;
		root->where[1] = event->where;
	}
	vcpu->requested = false;
	context = context_of(sync, vcpu, vcpu->asid12, &is_new);
	sync->due += context->demand > root->entered;
	root->entered = sync->order;
	for (int i = 0; i < 2; i++) {
		if (context->demand <= root->synced[i])
			continue;
		report(sync, i, event, context, root);
		root->synced[i] = sync->order;
	}
}

/* After a gap nobody knows what went by. */
static struct vcpu *vcpu_of(struct audit_sync *sync, const struct event *event)
{
	struct vcpu *vcpu = &sync->vcpu[event->vcpu];

	if (vcpu->gaps != sync->gaps)
		*vcpu = (struct vcpu){ .birth = vcpu->birth, .gaps = sync->gaps };
	return vcpu;
}

void audit_sync_feed(struct audit_sync *sync, const struct event *event)
{
	struct vcpu *vcpu;

	sync->order++;
	sync->gaps += event->kind == EVENT_LOST;
	if (event->kind == EVENT_LOST)
		return;
	vcpu = vcpu_of(sync, event);
	switch ((int)event->kind) {
	case EVENT_BIRTH:
		*vcpu = (struct vcpu){ .birth = vcpu->birth + 1, .gaps = sync->gaps };
		return;
	case EVENT_NESTED_ENTER:
		return on_nested_enter(sync, vcpu, event);
	case EVENT_NESTED_EXIT:
	case EVENT_RESET:
		vcpu->in_l2 = false;
		vcpu->requested = false;
		return;
	case EVENT_TRANSITION:
		sync->evidence[1] += vcpu->in_l2;
		vcpu->requested = vcpu->in_l2;
		return;
	case EVENT_SYNC:
		return on_sync(sync, vcpu, event);
	case EVENT_ENTER:
		return on_enter(sync, vcpu, event);
	}
}

bool audit_sync_finish(struct audit_sync *sync, struct audit_result *result)
{
	int kind = sync->evidence[0] ? 0 : 1;

	result->syncs = sync->due;
	result->sync_evidence = AUDIT_SYNC_UNKNOWN;
	if (!sync->evidence[kind])
		return !sync->failed;
	result->sync_evidence = kind == 0 ? AUDIT_SYNC_DONE : AUDIT_SYNC_ASKED;
	result->unsynced = sync->missed[kind];
	sync->missed[kind].items = NULL;
	return !sync->failed;
}
