/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * import: which records are causes, which only carry one out, and where the
 * level changes. Traces in, events as words out.
 */
#include "../replay/import.h"
#include "test.h"

#include <stdio.h>

static char story[4096];

/* "kind" and, for entries, the level: enough to see what was understood. */
static void note(void *context, const struct event *event)
{
	size_t at = strlen(story);

	(void)context;
	if (event->kind == EVENT_ENTER)
		snprintf(story + at, sizeof(story) - at, "%s%s%u", at ? " " : "", "enter-l",
			 event->level);
	else
		snprintf(story + at, sizeof(story) - at, "%s%s", at ? " " : "",
			 event_kind_name(event->kind));
}

struct run {
	struct import_stats stats;
	const char *missing[8];
};

/* Lines without their head: "kind arguments", thread 100, CPU 1. */
static struct run import(const char *const *lines)
{
	struct importer *importer = importer_create(note, NULL);
	struct run run = { 0 };
	struct record record;
	struct trace *trace;
	char text[8192] = "";
	char error[200];

	story[0] = '\0';
	for (size_t i = 0, at = 0; lines[i]; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at,
				       " qemu-%s [001] d..1. %zu.000000: %s\n",
				       strstr(lines[i], "kvm=0xb") ? "200" : "100", i + 1,
				       lines[i]);
	if (!CHECK_EQ(trace_open_memory(&trace, text, strlen(text), error, sizeof(error)), 0))
		return run;
	while (trace_next(trace, &record) > 0)
		importer_feed(importer, &record);
	CHECK_STR_EQ(trace_error(trace), "");
	run.stats = *importer_stats(importer);
	for (unsigned int i = 0; i < 7; i++)
		run.missing[i] = importer_missing(importer, trace_stats(trace)->kinds, i);
	trace_close(trace);
	importer_destroy(importer);
	return run;
}

#define V "(f+0x4/0x10 [kvm_amd]) vcpu_id=0 kvm=0xa "
#define RUN_L1 "vmrun: " V "pcpu=1 hflags=0x0 vmcb=0x1000 asid=1 tlb_ctl=0 gen=1"
#define RUN_L2 "vmrun: " V "pcpu=1 hflags=0x1 vmcb=0x2000 asid=1 tlb_ctl=0 gen=1"
#define NESTED "nested_enter: " V "asid12=1 tlb_ctl12=0 ncr3_12=0x5000 from_vmrun=1"

static struct run import_list(const char *const *lines, const char *expected)
{
	struct run run = import(lines);

	CHECK_STR_EQ(story, expected);
	return run;
}

#define IMPORT(expected, ...) import_list((const char *const[]){ __VA_ARGS__, NULL }, expected)

TEST(import_a_transition_is_one_cause)
{
	struct run run = IMPORT("birth enter-l1 nested-enter transition enter-l2 nested-exit "
				"transition enter-l1",
				RUN_L1, NESTED, "nested_ctl02: " V "asid12=1",
				"nested_tlb_flush: " V, "flush_current: " V, "flush_asid: " V,
				RUN_L2, "nested_exit: " V,
				"nested_tlb_flush: " V, "local_flush_req: " V, "flush_current: " V,
				"flush_asid: " V, RUN_L1);

	CHECK_EQ(run.stats.switches, 2);
	CHECK_EQ(run.stats.guessed, 0);
}

TEST(import_a_second_flush_current_is_the_mmu_s)
{
	IMPORT("birth enter-l1 nested-enter transition flush-current enter-l2", RUN_L1, NESTED,
	       "nested_tlb_flush: " V, "flush_current: " V, "flush_asid: " V, "flush_current: " V,
	       "flush_asid: " V, RUN_L2);
}

TEST(import_each_request_by_its_function)
{
	IMPORT("birth enter-l1 flush-all flush-guest flush-current flush-pge flush-address "
	       "enter-l1",
	       RUN_L1, "flush_all: " V, "flush_asid: " V, "flush_guest: " V, "flush_asid: " V,
	       "flush_current: " V, "flush_asid: " V, "flush_asid: " V, "hv_vcpu_flush: " V,
	       "flush_gva: " V "gva=0x1000", RUN_L1);
}

/*
 * KVM 7.2 under nested paging. Modules with the library inside record no flush_asid
 * for the flush_current before it.
 */
TEST(import_an_address_that_is_flushed_by_the_guest_s_flush)
{
	IMPORT("birth enter-l1 flush-address flush-guest enter-l1 flush-current flush-address "
	       "load flush-guest enter-l1",
	       RUN_L1, "flush_gva: " V "gva=0x1000", "flush_asid: " V, RUN_L1,
	       "flush_current: " V, "flush_gva: " V "gva=0x1000", "vcpu_load: " V "pcpu=1",
	       "flush_asid: " V, RUN_L1);
}

/* KVM 6.12: INVLPG is emulated in L2, and an interrupt is due that L1 wants. */
TEST(import_an_address_does_not_explain_a_flush_because_of_pge)
{
	IMPORT("birth enter-l1 nested-enter enter-l2 flush-address nested-exit flush-pge enter-l1",
	       RUN_L1, NESTED, RUN_L2, "flush_gva: " V "gva=0x1000",
	       "kvm_nested_vmexit_inject: reason EXIT_INTR", "flush_asid: " V, RUN_L1);
	IMPORT("birth enter-l1 flush-address enter-l1 flush-pge enter-l1", RUN_L1,
	       "flush_gva: " V "gva=0x1000", RUN_L1, "flush_asid: " V, RUN_L1);
}

TEST(import_a_sync_is_of_the_level_that_is_active)
{
	IMPORT("birth enter-l1 sync nested-enter transition sync enter-l2", RUN_L1, "mmu_sync: " V,
	       NESTED, "nested_tlb_flush: " V, "flush_current: " V, "mmu_sync: " V, RUN_L2);
}

TEST(import_a_pv_flush_is_not_also_a_guest_flush)
{
	IMPORT("birth enter-l1 flush-pv enter-l1 flush-guest enter-l1", RUN_L1,
	       "kvm_pv_tlb_flush: vcpu 0 need_flush_tlb true", "flush_guest: " V, "flush_asid: " V,
	       RUN_L1, "kvm_pv_tlb_flush: vcpu 0 need_flush_tlb false", "flush_guest: " V,
	       "flush_asid: " V, RUN_L1);
}

TEST(import_a_remote_flush_is_for_each_vcpu_of_the_vm)
{
	IMPORT("birth enter-l1 birth enter-l1 birth enter-l1 flush-remote flush-remote", RUN_L1,
	       "vmrun: vcpu_id=1 kvm=0xa hflags=0x0 asid=2 tlb_ctl=0",
	       "vmrun: vcpu_id=0 kvm=0xb hflags=0x0 asid=3 tlb_ctl=0", "remote_flush: kvm=0xa",
	       "remote_flush: kvm=0xc");
}

TEST(import_reset_shows_in_the_generation)
{
	IMPORT("birth flush-guest enter-l1 flush-guest reset enter-l1 flush-guest enter-l1",
	       "flush_guest: " V, "flush_asid: " V "asid=0 gen=0", RUN_L1, "flush_guest: " V,
	       "flush_asid: " V "asid=1 gen=0", RUN_L1, "flush_guest: " V,
	       "flush_asid: " V "asid=1 gen=2", RUN_L1);
}

/* Recordings of other probe sets show the exit by the tracepoint only. */
TEST(import_exit_by_tracepoint)
{
	struct run run = IMPORT("birth enter-l1 nested-enter transition enter-l2 flush-pge "
				"nested-exit transition enter-l1",
				RUN_L1, NESTED, "nested_tlb_flush: " V, "flush_current: " V,
				"flush_asid: " V, RUN_L2, "flush_asid: " V,
				"kvm_nested_vmexit_inject: reason: npf ext_inf1: 0x0",
				"nested_tlb_flush: " V, "flush_current: " V, "flush_asid: " V,
				RUN_L1);

	CHECK_EQ(run.stats.guessed, 0);
}

/* Without either, the second transition in L2 must be the exit. */
TEST(import_exit_by_transition)
{
	IMPORT("birth enter-l1 nested-enter transition enter-l2 nested-exit transition enter-l1",
	       RUN_L1, NESTED, "nested_tlb_flush: " V, RUN_L2, "nested_tlb_flush: " V, RUN_L1);
}

TEST(import_level_changes_nobody_recorded)
{
	struct run run = IMPORT("birth enter-l1 nested-enter enter-l2 nested-exit enter-l1", RUN_L1,
				RUN_L2, RUN_L1);

	CHECK_EQ(run.stats.guessed, 2);
	CHECK_STR_EQ(run.missing[0], "rig:nested_enter was not recorded: L1's ASIDs and "
				     "TLB_CONTROL are unknown");
}

/* SET_NESTED_STATE prepares vmcb02 without entering through VMRUN. */
TEST(import_restored_into_l2)
{
	IMPORT("birth nested-enter enter-l2", "nested_ctl02: " V "asid12=4 tlb_ctl12=0", RUN_L2);
}

/* By KVM_SET_NESTED_STATE, without nested_enter: the flush of the root is L2's. */
TEST(import_what_follows_a_restored_l2_is_about_l2)
{
	IMPORT("birth enter-l1 nested-enter flush-current enter-l2 nested-exit nested-enter "
	       "flush-current enter-l2",
	       RUN_L1, "nested_ctl02: " V "asid12=4 tlb_ctl12=0", "flush_current: " V, RUN_L2,
	       "leave_nested: " V, "nested_ctl02: " V "asid12=4 tlb_ctl12=0",
	       "flush_current: " V, RUN_L2);
}

TEST(import_forced_leave)
{
	IMPORT("birth enter-l1 nested-enter enter-l2 nested-exit enter-l1", RUN_L1, NESTED, RUN_L2,
	       "leave_nested: " V, RUN_L1, "leave_nested: " V);
}

/* The same struct kvm with another VMCB of L1 is another VM. */
TEST(import_a_new_vmcb_is_a_birth)
{
	struct run run = IMPORT("birth enter-l1 birth enter-l1", RUN_L1,
				"vmrun: " V "hflags=0x0 vmcb=0x9000 asid=1 tlb_ctl=0");

	CHECK_EQ(run.stats.vcpus, 2);
}

TEST(import_kvm_entry_is_not_counted_beside_vmrun)
{
	struct run run = IMPORT("birth enter-l1 enter-l1", "kvm_entry: vcpu 0, rip 0x1", RUN_L1,
				"kvm_exit: vcpu 0 reason hlt rip 0x1", "kvm_entry: vcpu 0, rip 0x1",
				RUN_L1, "kvm_exit: vcpu 0 reason hlt rip 0x1");

	CHECK(run.stats.has_vmrun);
	CHECK_EQ(run.stats.vcpus, 1);
	CHECK_EQ(run.stats.vms, 1);
}

TEST(import_stock_tracepoints_alone)
{
	struct run run = IMPORT("birth enter-l1 nested-enter enter-l2 nested-exit enter-l1",
				"kvm_entry: vcpu 0, rip 0x1",
				"kvm_exit: vcpu 0 reason vmrun rip 0x1",
				"kvm_nested_vmenter: rip: 0x1 vmcb: 0x2000 nested_rip: 0x3 "
				"int_ctl: 0x0 event_inj: 0x0 nested_npt=y nested_cr3: 0x5000",
				"kvm_entry: vcpu 0, rip 0x1", "kvm_exit: vcpu 0 reason npf rip 0x1",
				"kvm_nested_vmexit_inject: reason: npf ext_inf1: 0x0",
				"kvm_entry: vcpu 0, rip 0x1",
				"kvm_exit: vcpu 0 reason hlt rip 0x1");

	CHECK(!run.stats.has_vmrun);
	CHECK_EQ(run.stats.vms, 0);
	CHECK_STR_EQ(run.missing[0],
		     "rig:vmrun was not recorded: what the kernel flushed is unknown");
	CHECK(run.missing[3] != NULL);
}

#define T "vcpu_id=0 kvm=0xa "
#define ENTER_L1 "enter: " T "pcpu=1 level=1 context=0 vmcb=0x1000 asid=2 tlb_ctl=3 ncr3=0x1 " \
		 "clean=0x0 why=0x1 [first-use]"
#define ENTER_L2 "enter: " T "pcpu=1 level=2 context=1 vmcb=0x2000 asid=3 tlb_ctl=0 ncr3=0x2 " \
		 "clean=0x0 why=0x0 []"
#define NATIVE_NESTED "nested: " T "context=1 asid12=1 tlb_ctl12=0 npt12=1 ncr3_12=0x5000"
#define NATIVE_EXIT "nested: " T "context=0 asid12=1 tlb_ctl12=0 npt12=1 ncr3_12=0x5000"

/* Modules with the library inside say everything themselves. */
TEST(import_tracepoints_of_the_library)
{
	struct run run = IMPORT("birth enter-l1 nested-enter enter-l2 flush-guest sync nested-exit "
				"invlpga flush-all reset enter-l1",
				ENTER_L1, NATIVE_NESTED, ENTER_L2,
				"request: " T "level=2 target=0 why=0x40 [flush-guest] [active]",
				"root: " T "root=0x7000 context=1 synced=0",
				"root: " T "root=0x7000 context=1 synced=1", NATIVE_EXIT,
				"invlpga: " T "gva=0x1000 asid12=1 tag=0",
				"request: " T "level=1 target=3 why=0x10 [flush-all] [both]",
				"request: " T "level=1 target=1 why=0x800 [reset] [l1]", ENTER_L1);

	CHECK_EQ(run.stats.odd, 0);
	CHECK(run.missing[0] == NULL);
}

/* With the probes beside them nothing is counted twice, but for remote flushes. */
TEST(import_tracepoints_of_the_library_beside_probes)
{
	IMPORT("birth enter-l1 flush-remote flush-all enter-l1 nested-enter enter-l2", ENTER_L1,
	       RUN_L1, "remote_flush: (f+0x4/0x10) kvm=0xa", "flush_all: " V,
	       "request: " T "level=1 target=3 why=0x10 [flush-all] [both]", "flush_asid: " V,
	       ENTER_L1, RUN_L1, NESTED, NATIVE_NESTED, "nested_ctl02: " V "asid12=1", ENTER_L2,
	       RUN_L2);
}

TEST(import_a_reset_by_tracepoint_leaves_l2)
{
	IMPORT("birth enter-l1 nested-enter enter-l2 nested-exit reset enter-l1", ENTER_L1,
	       NATIVE_NESTED, ENTER_L2,
	       "request: " T "level=2 target=1 why=0x800 [reset] [l1]", ENTER_L1);
}

TEST(import_another_vmcb_of_l1_is_a_birth_by_tracepoint_too)
{
	IMPORT("birth enter-l1 birth enter-l1", ENTER_L1,
	       "enter: " T "pcpu=1 context=0 vmcb=0x9000 asid=2 tlb_ctl=3 why=0x1 [first-use]");
}

TEST(import_an_asid_of_zero_cannot_be)
{
	IMPORT("birth enter-l1 nested-enter enter-l2", RUN_L1,
	       "nested_enter: " V "asid12=0 tlb_ctl12=1", RUN_L2);
}
