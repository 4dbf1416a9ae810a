/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "ideal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tlbtag/tlbtag.h>

#define CPUS 4u
#define VMS 4u
#define VCPUS 8u
#define WORDS 1024u

void recording_add(struct recording *recording, const struct event *event)
{
	if (recording->count == recording->capacity) {
		recording->capacity = recording->capacity ? 2 * recording->capacity : 1024;
		recording->events = realloc(recording->events,
					    recording->capacity * sizeof(*recording->events));
		if (!recording->events)
			abort();
	}
	recording->events[recording->count++] = *event;
}

void recording_free(struct recording *recording)
{
	free(recording->events);
	memset(recording, 0, sizeof(*recording));
}

/* --- the kernel -------------------------------------------------------- */

struct kernel {
	uint32_t contexts;
	struct tlbtag_pool pool;
	struct tlbtag_host host;
	struct tlbtag_host_cpu cpu[CPUS];
	struct tlbtag_vm vm[VMS];
	struct tlbtag_vcpu vcpu[VCPUS];
	uint32_t asid12[VCPUS];
	bool alive[VCPUS];
	uint64_t words[WORDS];
};

static void start_kernel(struct kernel *kernel, const struct ideal_options *options)
{
	struct tlbtag_hw hw = {
		.vendor = TLBTAG_AMD,
		.nr_tags = options->tags + 1,
		.nr_cpus = CPUS,
		.flush_by_tag = options->flush_by_asid,
		.tag_covers_guest_physical = true,
		.nested_paging = true,
	};

	kernel->contexts = options->contexts;
	if (tlbtag_pool_init(&kernel->pool, 1, options->tags, kernel->words, WORDS) ||
	    tlbtag_host_init(&kernel->host, &hw, &kernel->pool, kernel->cpu))
		abort();
	for (uint32_t i = 0; i < VMS; i++)
		tlbtag_vm_init(&kernel->vm[i], &kernel->host);
}

static void on_birth(struct kernel *kernel, const struct event *event)
{
	if (event->vcpu >= VCPUS || event->vm >= VMS)
		abort();
	if (kernel->alive[event->vcpu])
		tlbtag_vcpu_destroy(&kernel->vcpu[event->vcpu]);
	kernel->alive[event->vcpu] = true;
	tlbtag_vcpu_init(&kernel->vcpu[event->vcpu], &kernel->vm[event->vm], 0);
}

static void on_nested_enter(struct kernel *kernel, const struct event *event)
{
	uint32_t *asid12 = &kernel->asid12[event->vcpu];
	struct tlbtag_vmcb12 vmcb12 = { .nested_paging = true };
	uint32_t work;

	if (event->asid != EVENT_UNKNOWN)
		*asid12 = event->asid;
	vmcb12.asid = *asid12 ? *asid12 : 1;
	if (event->tlb_control != EVENT_UNKNOWN)
		vmcb12.tlb_control = (uint8_t)event->tlb_control;
	tlbtag_nested_enable(&kernel->vcpu[event->vcpu], kernel->contexts);
	tlbtag_nested_enter(&kernel->vcpu[event->vcpu], &vmcb12, &work);
}

static void on_enter(struct kernel *kernel, struct event *event)
{
	static const uint32_t controls[] = {
		[TLBTAG_FLUSH_NONE] = 0,
		[TLBTAG_FLUSH_NONGLOBAL] = 7,
		[TLBTAG_FLUSH_TAG] = 3,
		[TLBTAG_FLUSH_ALL] = 1,
	};
	struct tlbtag_cpu cpu = { event->cpu };
	struct tlbtag_plan plan = tlbtag_vcpu_plan(&kernel->vcpu[event->vcpu], cpu);

	tlbtag_vcpu_entered(&kernel->vcpu[event->vcpu], cpu);
	event->asid = plan.tag;
	event->tlb_control = controls[plan.flush];
	event->generation = 0;
}

/* Return: whether an address is invalidated at once. */
static bool on_invlpga(struct kernel *kernel, const struct event *event)
{
	uint32_t asid12 = event->asid == EVENT_UNKNOWN ? kernel->asid12[event->vcpu] :
							 event->asid;

	return tlbtag_nested_invlpga(&kernel->vcpu[event->vcpu], (struct tlbtag_cpu){ event->cpu },
				     asid12, true)
		       .action == TLBTAG_ADDRESS_NOW;
}

static void on_request(struct kernel *kernel, const struct event *event)
{
	struct tlbtag_vcpu *vcpu = &kernel->vcpu[event->vcpu];
	struct tlbtag_cpu cpu = { event->cpu };
	enum tlbtag_flush tag = TLBTAG_FLUSH_TAG;
	tlbtag_t now;

	switch ((int)event->kind) {
	case EVENT_RESET:
		tlbtag_vcpu_reset(vcpu);
		return;
	case EVENT_FLUSH_ALL:
		tlbtag_vcpu_flush(vcpu, TLBTAG_TARGET_BOTH, tag, TLBTAG_WHY_ALL);
		return;
	case EVENT_FLUSH_CURRENT:
		tlbtag_vcpu_flush(vcpu, TLBTAG_TARGET_ACTIVE, tag, TLBTAG_WHY_CURRENT);
		return;
	case EVENT_FLUSH_GUEST:
		tlbtag_vcpu_flush(vcpu, TLBTAG_TARGET_ACTIVE, tag, TLBTAG_WHY_GUEST);
		return;
	case EVENT_FLUSH_PV:
		tlbtag_vcpu_flush(vcpu, TLBTAG_TARGET_L1, tag, TLBTAG_WHY_PV);
		return;
	case EVENT_FLUSH_REMOTE:
		tlbtag_vcpu_request(vcpu, TLBTAG_TARGET_BOTH, TLBTAG_WHY_ALL);
		return;
	case EVENT_FLUSH_ADDRESS:
		tlbtag_vcpu_invalidate(vcpu, cpu, &now);
		return;
	}
}

static void record(struct kernel *kernel, struct event event, struct recording *recording)
{
	bool at_once = false;

	switch ((int)event.kind) {
	case EVENT_BIRTH:
		on_birth(kernel, &event);
		break;
	case EVENT_NESTED_ENTER:
		on_nested_enter(kernel, &event);
		break;
	case EVENT_NESTED_EXIT:
		tlbtag_nested_exit(&kernel->vcpu[event.vcpu]);
		break;
	case EVENT_INVLPGA:
		at_once = on_invlpga(kernel, &event);
		break;
	case EVENT_ENTER:
		on_enter(kernel, &event);
		break;
	default:
		on_request(kernel, &event);
	}
	recording_add(recording, &event);
	event.kind = EVENT_FLUSH_ADDRESS;
	if (at_once)
		recording_add(recording, &event);
}

void ideal_record(const struct recording *causes, const struct ideal_options *options,
		  struct recording *recording)
{
	struct kernel *kernel = calloc(1, sizeof(*kernel));

	if (!kernel)
		abort();
	start_kernel(kernel, options);
	for (size_t i = 0; i < causes->count; i++)
		record(kernel, causes->events[i], recording);
	for (size_t i = 0; i < recording->count; i++)
		recording->events[i].where = i + 1;
	free(kernel);
}

/* --- as text ----------------------------------------------------------- */

static void print_line(const struct event *event, const char *name, FILE *file)
{
	fprintf(file, " qemu-%u [%03u] d..1. %llu.%06llu: %s: (f+0x4/0x10 [kvm_amd]) ",
		100 + event->vcpu, event->cpu, (unsigned long long)event->where / 1000000,
		(unsigned long long)event->where % 1000000, name);
	if (event->kind == EVENT_FLUSH_REMOTE)
		fprintf(file, "kvm=0x%x", 0x1000 * (event->vm + 1));
	else
		fprintf(file, "vcpu_id=%u kvm=0x%x", event->vcpu, 0x1000 * (event->vm + 1));
	switch ((int)event->kind) {
	case EVENT_ENTER:
		fprintf(file, " pcpu=%u hflags=0x%x asid=%u tlb_ctl=%u", event->cpu,
			event->level == 2, event->asid, event->tlb_control);
		break;
	case EVENT_NESTED_ENTER:
		fprintf(file, " asid12=%u tlb_ctl12=%u ncr3_12=0x%llx", event->asid,
			event->tlb_control, (unsigned long long)event->root);
		break;
	case EVENT_INVLPGA:
		fputs(" rax=0x1000", file);
		if (event->asid != EVENT_UNKNOWN)
			fprintf(file, " ecx=%u", event->asid);
		break;
	case EVENT_FLUSH_ADDRESS:
		fputs(" gva=0x1000", file);
		break;
	}
	putc('\n', file);
}

void ideal_print(const struct recording *recording, FILE *file)
{
	static const char *const names[EVENT_KIND_COUNT] = {
		[EVENT_LOAD] = "vcpu_load",
		[EVENT_ENTER] = "vmrun",
		[EVENT_NESTED_ENTER] = "nested_enter",
		[EVENT_NESTED_EXIT] = "nested_exit",
		[EVENT_FLUSH_ALL] = "flush_all",
		[EVENT_FLUSH_CURRENT] = "flush_current",
		[EVENT_FLUSH_GUEST] = "flush_guest",
		[EVENT_FLUSH_ADDRESS] = "flush_gva",
		[EVENT_INVLPGA] = "invlpga_icpt",
	};

	for (size_t i = 0; i < recording->count; i++) {
		const struct event *event = &recording->events[i];
		bool first = i == 0 || recording->events[i - 1].kind != EVENT_FLUSH_REMOTE;

		if (event->kind == EVENT_FLUSH_PV)
			fprintf(file,
				" qemu-%u [%03u] d..1. 0.%06zu: kvm_pv_tlb_flush: vcpu %u "
				"need_flush_tlb true\n",
				100 + event->vcpu, event->cpu, i, event->vcpu);
		else if (event->kind == EVENT_FLUSH_REMOTE && first)
			print_line(event, "remote_flush", file);
		else if (names[event->kind])
			print_line(event, names[event->kind], file);
	}
}

/* --- causes ------------------------------------------------------------ */

struct dice {
	uint64_t state;
	struct recording *causes;
	struct event event;
	uint32_t cpu[VCPUS];
	bool in_l2[VCPUS];
};

static uint32_t roll(struct dice *dice, uint32_t sides)
{
	dice->state ^= dice->state << 13;
	dice->state ^= dice->state >> 7;
	dice->state ^= dice->state << 17;
	return (uint32_t)((dice->state >> 32) % sides);
}

static void add(struct dice *dice, enum event_kind kind)
{
	dice->event.kind = kind;
	dice->event.cpu = dice->cpu[dice->event.vcpu];
	dice->event.vm = dice->event.vcpu / 2;
	dice->event.time_ns = dice->causes->count;
	recording_add(dice->causes, &dice->event);
}

static void move(struct dice *dice)
{
	dice->cpu[dice->event.vcpu] = roll(dice, 3);
	add(dice, EVENT_LOAD);
}

static void switch_level(struct dice *dice)
{
	static const uint32_t controls[] = { 0, 0, 0, 0, 0, 0, 3, 1 };
	bool *in_l2 = &dice->in_l2[dice->event.vcpu];

	dice->event.asid = 1 + (roll(dice, 4) ? roll(dice, 2) : roll(dice, 6));
	dice->event.tlb_control = controls[roll(dice, 8)];
	dice->event.root = 0x5000;
	add(dice, *in_l2 ? EVENT_NESTED_EXIT : EVENT_NESTED_ENTER);
	*in_l2 = !*in_l2;
}

/* L1 executes INVLPGA, at times after a move that its L2 did not make. */
static void invalidate(struct dice *dice)
{
	if (dice->in_l2[dice->event.vcpu])
		switch_level(dice);
	if (roll(dice, 2))
		move(dice);
	dice->event.asid = roll(dice, 3) ? EVENT_UNKNOWN : 1 + roll(dice, 2);
	add(dice, EVENT_INVLPGA);
}

static void ask_all(struct dice *dice)
{
	uint32_t asker = dice->event.vcpu;
	uint32_t cpu = dice->cpu[asker];

	for (uint32_t i = asker / 2 * 2; i < asker / 2 * 2 + 2; i++) {
		uint32_t own = dice->cpu[i];

		dice->event.vcpu = i;
		dice->cpu[i] = cpu;
		add(dice, EVENT_FLUSH_REMOTE);
		dice->cpu[i] = own;
	}
	dice->event.vcpu = asker;
}

static void enter(struct dice *dice)
{
	dice->event.level = dice->in_l2[dice->event.vcpu] ? 2 : 1;
	add(dice, EVENT_ENTER);
}

void ideal_causes(uint64_t seed, size_t count, struct recording *causes)
{
	static const enum event_kind requests[] = {
		EVENT_FLUSH_ALL,
		EVENT_FLUSH_CURRENT,
		EVENT_FLUSH_GUEST,
		EVENT_FLUSH_PV,
	};
	struct dice dice = { .state = seed * 2654435761u + 88172645463325252u, .causes = causes };

	for (dice.event.vcpu = 0; dice.event.vcpu < 4; dice.event.vcpu++)
		add(&dice, EVENT_BIRTH);
	while (causes->count < count) {
		uint32_t what = roll(&dice, 100);

		dice.event.vcpu = roll(&dice, 4);
		if (what < 4)
			move(&dice);
		else if (what < 40)
			switch_level(&dice);
		else if (what < 46)
			add(&dice, requests[roll(&dice, 4)]);
		else if (what < 50)
			invalidate(&dice);
		else if (what < 52)
			ask_all(&dice);
		enter(&dice);
	}
}
