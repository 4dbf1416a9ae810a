/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * tlbtag and tlbtag-k1: the library itself, with four L2 contexts and with one.
 *
 * The events are turned into the calls that a hypervisor would make. Nothing
 * is decided here.
 */
#include "policy.h"

#include <stdlib.h>
#include <tlbtag/tlbtag.h>

/* Roots of L1's nested tables that a vCPU keeps, as KVM does: one and three. */
#define ROOTS 4

struct cached_root {
	uint64_t address;
	struct tlbtag_root root;
};

struct vcpu {
	struct tlbtag_vcpu tags;
	struct cached_root roots[ROOTS];
	uint64_t root;
	uint32_t asid12;
	bool alive;
};

struct model {
	uint32_t contexts;
	uint64_t syncs;
	uint32_t most_used;
	struct tlbtag_pool pool;
	struct tlbtag_host host;
	struct tlbtag_host_cpu cpu[EVENT_CPUS];
	struct tlbtag_vm vm[EVENT_VMS];
	struct vcpu vcpu[EVENT_VCPUS];
	uint64_t *words;
};

static void destroy(void *state)
{
	struct model *model = state;

	free(model->words);
	free(model);
}

static int set_up(struct model *model, const struct machine *machine)
{
	uint32_t nr = machine->asids - 1;
	struct tlbtag_hw hw = {
		.vendor = TLBTAG_AMD,
		.nr_tags = machine->asids,
		.nr_cpus = EVENT_CPUS,
		.flush_by_tag = machine->flush_by_asid,
		.tag_covers_guest_physical = true,
		.nested_paging = true,
	};

	model->words = calloc(tlbtag_pool_words(nr), sizeof(uint64_t));
	if (!model->words ||
	    tlbtag_pool_init(&model->pool, 1, nr, model->words, tlbtag_pool_words(nr)) ||
	    tlbtag_host_init(&model->host, &hw, &model->pool, model->cpu))
		return -1;
	for (uint32_t i = 0; i < EVENT_VMS; i++)
		tlbtag_vm_init(&model->vm[i], &model->host);
	return 0;
}

static void *create(const struct machine *machine, uint32_t contexts)
{
	struct model *model = calloc(1, sizeof(*model));

	if (!model)
		return NULL;
	model->contexts = contexts;
	if (!set_up(model, machine))
		return model;
	destroy(model);
	return NULL;
}

static void *create_default(struct machine *machine)
{
	return create(machine, TLBTAG_L2_DEFAULT);
}

static void *create_k1(struct machine *machine)
{
	return create(machine, 1);
}

static void note_use(struct model *model)
{
	uint32_t used = model->pool.nr - tlbtag_pool_plain_free(&model->pool);

	if (model->most_used < used)
		model->most_used = used;
}

static void start_vcpu(struct model *model, struct vcpu *vcpu, uint32_t vm)
{
	if (vcpu->alive)
		tlbtag_vcpu_destroy(&vcpu->tags);
	*vcpu = (struct vcpu){ .alive = true };
	tlbtag_vcpu_init(&vcpu->tags, &model->vm[vm], 0);
	note_use(model);
}

static void on_nested_enter(struct model *model, struct vcpu *vcpu, const struct event *event)
{
	struct tlbtag_vmcb12 vmcb12 = {
		.tlb_control = event->tlb_control == EVENT_UNKNOWN ? 0 :
								     (uint8_t)event->tlb_control,
		.nested_paging = event->root != 0,
	};
	uint32_t work;

	/* Not recorded: L1 goes on with the guest that it had. */
	if (event->asid != EVENT_UNKNOWN)
		vcpu->asid12 = event->asid;
	else if (!vcpu->asid12)
		vcpu->asid12 = 1;
	vmcb12.asid = vcpu->asid12;
	vcpu->root = event->root;
	tlbtag_nested_enable(&vcpu->tags, model->contexts);
	note_use(model);
	tlbtag_nested_enter(&vcpu->tags, &vmcb12, &work);
}

/* Look the root up, sync or build it, and make it the most recent one. */
static void use_root(struct model *model, struct vcpu *vcpu)
{
	struct cached_root found = { .address = vcpu->root };
	int i = 0;

	while (i < ROOTS - 1 && vcpu->roots[i].address != vcpu->root)
		i++;
	if (vcpu->roots[i].address == vcpu->root) {
		found = vcpu->roots[i];
		if (tlbtag_root_is_stale(&vcpu->tags, &found.root)) {
			model->syncs++;
			tlbtag_root_set_synced(&vcpu->tags, &found.root);
		}
	} else {
		tlbtag_root_set_synced(&vcpu->tags, &found.root);
	}
	for (; i > 0; i--)
		vcpu->roots[i] = vcpu->roots[i - 1];
	vcpu->roots[0] = found;
}

static const struct {
	uint32_t library;
	uint32_t reason;
} reasons[] = {
	{ TLBTAG_WHY_FIRST_USE, WHY(FIRST_USE) },
	{ TLBTAG_WHY_MOVED, WHY(MOVED) },
	{ TLBTAG_WHY_SHARED, WHY(SHARED) },
	{ TLBTAG_WHY_ALL, WHY(FLUSH_ALL) },
	{ TLBTAG_WHY_CURRENT, WHY(FLUSH_CURRENT) },
	{ TLBTAG_WHY_GUEST, WHY(FLUSH_GUEST) },
	{ TLBTAG_WHY_PV, WHY(FLUSH_PV) },
	{ TLBTAG_WHY_TLB_CONTROL, WHY(TLB_CONTROL) },
	{ TLBTAG_WHY_ASID_CHANGE, WHY(ASID_CHANGE) },
	{ TLBTAG_WHY_INVLPGA, WHY(INVLPGA) },
	{ TLBTAG_WHY_RESET, WHY(RESET) },
};

static uint32_t reasons_of(uint32_t why)
{
	uint32_t set = 0;

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		if (why & reasons[i].library)
			set |= reasons[i].reason;
		why &= ~reasons[i].library;
	}
	return why ? set | WHY(UNKNOWN) : set;
}

static uint32_t on_enter(struct model *model, struct vcpu *vcpu, const struct event *event)
{
	struct tlbtag_cpu cpu = { event->cpu };
	struct tlbtag_plan plan;

	if (event->level == 2 && vcpu->root)
		use_root(model, vcpu);
	plan = tlbtag_vcpu_plan(&vcpu->tags, cpu);
	tlbtag_vcpu_entered(&vcpu->tags, cpu);
	return plan.flush == TLBTAG_FLUSH_NONE ? 0 : reasons_of(plan.why);
}

static void on_address(struct vcpu *vcpu, const struct event *event)
{
	tlbtag_t tag;

	tlbtag_vcpu_invalidate(&vcpu->tags, (struct tlbtag_cpu){ event->cpu }, &tag);
}

static void on_invlpga(struct vcpu *vcpu, const struct event *event)
{
	uint32_t asid12 = event->asid == EVENT_UNKNOWN ? vcpu->asid12 : event->asid;

	tlbtag_nested_invlpga(&vcpu->tags, (struct tlbtag_cpu){ event->cpu }, asid12, true);
}

static void flush(struct vcpu *vcpu, enum tlbtag_target target, uint32_t why)
{
	tlbtag_vcpu_flush(&vcpu->tags, target, TLBTAG_FLUSH_TAG, why);
}

static uint32_t feed(void *state, const struct event *event)
{
	struct model *model = state;
	struct vcpu *vcpu = &model->vcpu[event->vcpu];

	switch (event->kind) {
	case EVENT_BIRTH:
		start_vcpu(model, vcpu, event->vm);
		break;
	case EVENT_ENTER:
		return on_enter(model, vcpu, event);
	case EVENT_NESTED_ENTER:
		on_nested_enter(model, vcpu, event);
		break;
	case EVENT_NESTED_EXIT:
		tlbtag_nested_exit(&vcpu->tags);
		break;
	case EVENT_RESET:
		tlbtag_vcpu_reset(&vcpu->tags);
		break;
	case EVENT_FLUSH_ALL:
		flush(vcpu, TLBTAG_TARGET_BOTH, TLBTAG_WHY_ALL);
		break;
	case EVENT_FLUSH_CURRENT:
		flush(vcpu, TLBTAG_TARGET_ACTIVE, TLBTAG_WHY_CURRENT);
		break;
	case EVENT_FLUSH_GUEST:
		flush(vcpu, TLBTAG_TARGET_ACTIVE, TLBTAG_WHY_GUEST);
		break;
	case EVENT_FLUSH_PV:
		flush(vcpu, TLBTAG_TARGET_L1, TLBTAG_WHY_PV);
		break;
	case EVENT_FLUSH_REMOTE:
		tlbtag_vcpu_request(&vcpu->tags, TLBTAG_TARGET_BOTH, TLBTAG_WHY_ALL);
		break;
	case EVENT_FLUSH_ADDRESS:
		on_address(vcpu, event);
		break;
	case EVENT_INVLPGA:
		on_invlpga(vcpu, event);
		break;
	/* What stock KVM does of itself at transitions is not asked for here. */
	case EVENT_TRANSITION:
	case EVENT_FLUSH_PGE:
	case EVENT_LOAD:
	case EVENT_LOST:
	case EVENT_SYNC:
	case EVENT_KIND_COUNT:
		break;
	}
	return 0;
}

static void finish(const void *state, struct policy_counts *counts)
{
	const struct model *model = state;

	counts->tags = model->most_used;
	counts->mmu_syncs = model->syncs;
}

const struct policy_ops policy_tlbtag = {
	.name = "tlbtag",
	.about = "this library, four L2 contexts per vCPU",
	.create = create_default,
	.event = feed,
	.finish = finish,
	.destroy = destroy,
};

const struct policy_ops policy_tlbtag_k1 = {
	.name = "tlbtag-k1",
	.about = "this library, one L2 context per vCPU",
	.create = create_k1,
	.event = feed,
	.finish = finish,
	.destroy = destroy,
};
