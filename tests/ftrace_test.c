/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Text traces, line by line: every field of every event, the heads that
 * several tools print, and all that must be counted instead of believed.
 */
#include "test.h"

#include <replay/record.h>
#include <stdio.h>
#include <stdlib.h>

#define HEAD " CPU 0/KVM-1234    [003] d..1.    14.559734: "
#define VALUES_MAX 11

struct value {
	enum record_field field;
	uint64_t value;
};

struct example {
	enum record_kind kind;
	const char *text;
	struct value values[VALUES_MAX];
	unsigned int count;
};

#define EXAMPLE(kind, text, ...)                                                          \
	{ RECORD_##kind, text, { __VA_ARGS__ },                                           \
	  sizeof((const struct value[]){ __VA_ARGS__ }) / sizeof(struct value) }
#define AT "(some_function+0x4/0xb0 [kvm_amd]) "

/* Each kind at least once with all of its fields. */
static const struct example examples[] = {
	EXAMPLE(VMRUN,
		"vmrun: " AT "vcpu_id=7 kvm=0xffffc90000509000 pcpu=-1 hflags=0x3 "
		"vmcb=0xffff888102627000 asid=6 tlb_ctl=3 gen=18446744073709551615 "
		"ncr3=0x102643000 gcr3=0x180000 clean=0x80000df7",
		{ FIELD_VCPU_ID, 7 }, { FIELD_KVM, 0xffffc90000509000 },
		{ FIELD_PCPU, UINT64_MAX }, { FIELD_HFLAGS, 3 },
		{ FIELD_VMCB, 0xffff888102627000 }, { FIELD_ASID, 6 }, { FIELD_TLB_CTL, 3 },
		{ FIELD_GEN, UINT64_MAX }, { FIELD_NCR3, 0x102643000 }, { FIELD_GCR3, 0x180000 },
		{ FIELD_CLEAN, 0x80000df7 }),
	EXAMPLE(VCPU_LOAD, "vcpu_load: " AT "vcpu_id=1 kvm=0xffffc90000509000 pcpu=3 oldcpu=-1",
		{ FIELD_VCPU_ID, 1 }, { FIELD_KVM, 0xffffc90000509000 }, { FIELD_PCPU, 3 },
		{ FIELD_OLDCPU, UINT64_MAX }),
	EXAMPLE(VCPU_PUT, "vcpu_put: " AT "vcpu_id=1 kvm=0xffffc90000509000",
		{ FIELD_VCPU_ID, 1 }, { FIELD_KVM, 0xffffc90000509000 }),
	EXAMPLE(NESTED_ENTER,
		"nested_enter: " AT "vcpu_id=0 kvm=0x10 vmcb12_gpa=0x116000 asid12=4 tlb_ctl12=3 "
		"nested_ctl12=0x1 ncr3_12=0x6a15000 cr3_12=0x17872000 clean12=0x80000986 "
		"from_vmrun=1",
		{ FIELD_VCPU_ID, 0 }, { FIELD_KVM, 0x10 }, { FIELD_VMCB12, 0x116000 },
		{ FIELD_ASID12, 4 }, { FIELD_TLB_CTL12, 3 }, { FIELD_NESTED_CTL12, 1 },
		{ FIELD_NCR3_12, 0x6a15000 }, { FIELD_CR3_12, 0x17872000 },
		{ FIELD_CLEAN12, 0x80000986 }, { FIELD_FROM_VMRUN, 1 }),
	EXAMPLE(NESTED_CTL02,
		"nested_ctl02: " AT "vcpu_id=0 kvm=0x10 asid12=1 tlb_ctl12=0 ncr3_12=0x55000 "
		"vmcb12=0x116000",
		{ FIELD_VCPU_ID, 0 }, { FIELD_KVM, 0x10 }, { FIELD_ASID12, 1 },
		{ FIELD_TLB_CTL12, 0 }, { FIELD_NCR3_12, 0x55000 }, { FIELD_VMCB12, 0x116000 }),
	EXAMPLE(NESTED_EXIT, "nested_exit: " AT "vcpu_id=0 kvm=0x10 vmcb12=0x116000",
		{ FIELD_VCPU_ID, 0 }, { FIELD_KVM, 0x10 }, { FIELD_VMCB12, 0x116000 }),
	EXAMPLE(NESTED_TLB_FLUSH, "nested_tlb_flush: " AT "vcpu_id=0 kvm=0x10",
		{ FIELD_VCPU_ID, 0 }, { FIELD_KVM, 0x10 }),
	EXAMPLE(FLUSH_ASID, "flush_asid: " AT "vcpu_id=0 kvm=0x10 asid=5 gen=2 req=0x14000",
		{ FIELD_VCPU_ID, 0 }, { FIELD_KVM, 0x10 }, { FIELD_ASID, 5 }, { FIELD_GEN, 2 },
		{ FIELD_REQ, 0x14000 }),
	EXAMPLE(FLUSH_CURRENT, "flush_current: " AT "vcpu_id=0 kvm=0x10 req=0x10000004000",
		{ FIELD_VCPU_ID, 0 }, { FIELD_KVM, 0x10 }, { FIELD_REQ, 0x10000004000 }),
	EXAMPLE(FLUSH_ALL, "flush_all: " AT "vcpu_id=0 kvm=0x10 req=0x4000",
		{ FIELD_VCPU_ID, 0 }, { FIELD_KVM, 0x10 }, { FIELD_REQ, 0x4000 }),
	EXAMPLE(FLUSH_GVA, "flush_gva: " AT "vcpu_id=2 kvm=0x10 gva=0x93000 asid=1",
		{ FIELD_VCPU_ID, 2 }, { FIELD_KVM, 0x10 }, { FIELD_GVA, 0x93000 },
		{ FIELD_ASID, 1 }),
	EXAMPLE(FLUSH_GUEST, "flush_guest: " AT "vcpu_id=2 kvm=0x10", { FIELD_VCPU_ID, 2 },
		{ FIELD_KVM, 0x10 }),
	EXAMPLE(HV_VCPU_FLUSH, "hv_vcpu_flush: " AT "vcpu_id=2 kvm=0x10", { FIELD_VCPU_ID, 2 },
		{ FIELD_KVM, 0x10 }),
	EXAMPLE(LOCAL_FLUSH_REQ, "local_flush_req: " AT "vcpu_id=2 kvm=0x10 req=0x800014000",
		{ FIELD_VCPU_ID, 2 }, { FIELD_KVM, 0x10 }, { FIELD_REQ, 0x800014000 }),
	EXAMPLE(REMOTE_FLUSH, "remote_flush: " AT "kvm=0x10", { FIELD_KVM, 0x10 }),
	EXAMPLE(REMOTE_FLUSH_RANGE, "remote_flush_range: " AT "kvm=0x10 gfn=0x4ec4 n=512",
		{ FIELD_KVM, 0x10 }, { FIELD_GFN, 0x4ec4 }, { FIELD_N, 512 }),
	EXAMPLE(INVLPGA_ICPT, "invlpga_icpt: " AT "vcpu_id=2 kvm=0x10 rax=0xdeadb000 ecx=3",
		{ FIELD_VCPU_ID, 2 }, { FIELD_KVM, 0x10 }, { FIELD_RAX, 0xdeadb000 },
		{ FIELD_ASID12, 3 }),
	EXAMPLE(MMU_SYNC, "mmu_sync: " AT "vcpu_id=2 kvm=0x10", { FIELD_VCPU_ID, 2 },
		{ FIELD_KVM, 0x10 }),
	EXAMPLE(LEAVE_NESTED, "leave_nested: " AT "vcpu_id=2 kvm=0x10", { FIELD_VCPU_ID, 2 },
		{ FIELD_KVM, 0x10 }),
	EXAMPLE(TAG_ENTER,
		"enter: vcpu_id=1 kvm=0x10 pcpu=3 level=2 context=1 vmcb=0x6000 asid=7 tlb_ctl=3 "
		"ncr3=0x9000 clean=0x1f why=0x3 [first-use|moved]",
		{ FIELD_VCPU_ID, 1 }, { FIELD_KVM, 0x10 }, { FIELD_PCPU, 3 },
		{ FIELD_CONTEXT, 1 }, { FIELD_VMCB, 0x6000 }, { FIELD_ASID, 7 },
		{ FIELD_TLB_CTL, 3 }, { FIELD_NCR3, 0x9000 }, { FIELD_CLEAN, 0x1f },
		{ FIELD_WHY, 3 }),
	EXAMPLE(TAG_REQUEST,
		"request: vcpu_id=1 kvm=0x10 level=1 target=3 why=0x10 [flush-all] [both]",
		{ FIELD_VCPU_ID, 1 }, { FIELD_KVM, 0x10 }, { FIELD_TARGET, 3 },
		{ FIELD_WHY, 0x10 }),
	EXAMPLE(TAG_NESTED,
		"tlbtag:nested: vcpu_id=1 kvm=0x10 context=2 asid12=5 tlb_ctl12=1 npt12=1 "
		"ncr3_12=0x5000",
		{ FIELD_VCPU_ID, 1 }, { FIELD_KVM, 0x10 }, { FIELD_CONTEXT, 2 },
		{ FIELD_ASID12, 5 }, { FIELD_TLB_CTL12, 1 }, { FIELD_NPT, 1 },
		{ FIELD_NCR3_12, 0x5000 }),
	EXAMPLE(TAG_INVLPGA, "invlpga: vcpu_id=1 kvm=0x10 gva=0x2000 asid12=5 tag=0",
		{ FIELD_VCPU_ID, 1 }, { FIELD_KVM, 0x10 }, { FIELD_GVA, 0x2000 },
		{ FIELD_ASID12, 5 }),
	EXAMPLE(TAG_ROOT, "root: vcpu_id=1 kvm=0x10 root=0x7000 context=1 synced=1",
		{ FIELD_VCPU_ID, 1 }, { FIELD_KVM, 0x10 }, { FIELD_CONTEXT, 1 },
		{ FIELD_SYNCED, 1 }),
	EXAMPLE(KVM_ENTRY, "kvm_entry: vcpu 11, rip 0x401ad0[immediate exit]",
		{ FIELD_VCPU_ID, 11 }),
	EXAMPLE(KVM_ENTRY, "kvm_entry: vcpu 4", { FIELD_VCPU_ID, 4 }),
	EXAMPLE(KVM_EXIT,
		"kvm_exit: vcpu 2 reason DE excp rip 0x401ad0 info1 0x0000000200000006 "
		"info2 0x0000000000180000 intr_info 0x00000000 error_code 0x00000000",
		{ FIELD_VCPU_ID, 2 }, { FIELD_REASON, 1 }),
	EXAMPLE(KVM_EXIT, "kvm_exit: reason EXIT_INTR rip 0xfff0 info 0 0", { FIELD_REASON, 1 }),
	EXAMPLE(KVM_NESTED_VMENTER,
		"kvm_nested_vmenter: rip: 0x0000000000414099 vmcb: 0x0000000000116000 "
		"nested_rip: 0x0000000000401e80 int_ctl: 0x00000000 event_inj: 0x00000000 "
		"nested_npt=y nested_cr3: 0x0000000006a15000",
		{ FIELD_VMCB12, 0x116000 }, { FIELD_NPT, 1 }, { FIELD_NCR3_12, 0x6a15000 }),
	EXAMPLE(KVM_NESTED_VMENTER,
		"kvm_nested_vmenter: rip: 0x1 vmcb: 0x116000 nested_rip: 0x2 int_ctl: 0x0 "
		"event_inj: 0x0 nested_npt=n guest_cr3: 0x0000000000180000",
		{ FIELD_VMCB12, 0x116000 }, { FIELD_NPT, 0 }, { FIELD_CR3_12, 0x180000 }),
	EXAMPLE(KVM_NESTED_VMENTER,
		"kvm_nested_vmenter: rip: 0x1 vmcs: 0x116000 nested_rip: 0x2 int_ctl: 0x0 "
		"event_inj: 0x0 nested_ept=y nested_eptp: 0x180067",
		{ FIELD_VMCB12, 0x116000 }, { FIELD_NPT, 1 }, { FIELD_NCR3_12, 0x180067 }),
	EXAMPLE(KVM_NESTED_VMENTER,
		"kvm_nested_vmenter: [FAILED TO PARSE] rip=0x1 vmcb=0x116000 tdp_enabled=0 "
		"guest_pgd=0x180000 isa=2",
		{ FIELD_VMCB12, 0x116000 }, { FIELD_NPT, 0 }, { FIELD_CR3_12, 0x180000 }),
	EXAMPLE(KVM_NESTED_VMEXIT_INJECT,
		"kvm_nested_vmexit_inject: reason: msr ext_inf1: 0x0 ext_inf2: 0x0 ext_int: 0x0 "
		"ext_int_err: 0x0",
		{ FIELD_REASON, 1 }),
	EXAMPLE(KVM_NESTED_VMEXIT_INJECT,
		"kvm_nested_vmexit_inject: reason EXIT_INTR info1 0 info2 0 int_info 0",
		{ FIELD_REASON, 1 }),
	EXAMPLE(KVM_PV_TLB_FLUSH, "kvm_pv_tlb_flush: vcpu 1 need_flush_tlb false",
		{ FIELD_VCPU_ID, 1 }, { FIELD_NEED_FLUSH, 0 }),
	EXAMPLE(KVM_PV_TLB_FLUSH, "kvm_pv_tlb_flush: vcpu 1 need_flush_tlb true",
		{ FIELD_VCPU_ID, 1 }, { FIELD_NEED_FLUSH, 1 }),
	EXAMPLE(KVM_NESTED_VMEXIT,
		"kvm_nested_vmexit: vcpu 2 reason npf rip 0x401e80 info1 0x0000000200000006",
		{ FIELD_VCPU_ID, 2 }, { FIELD_REASON, 1 }),
	EXAMPLE(KVM_NESTED_VMEXIT,
		"kvm_nested_vmexit: <CANT FIND FIELD rip>vcpu 0 reason interrupt rip 0x401970",
		{ FIELD_VCPU_ID, 0 }, { FIELD_REASON, 1 }),
	/* What another recording may print. */
	EXAMPLE(VCPU_LOAD,
		"rig:vcpu_load:            (ffffffffc045db34) kvm=0x10 later=0x7 comm=\"a b=c\" "
		"who=some_function+0x1/0x2 [kvm] vcpu_id=1",
		{ FIELD_KVM, 0x10 }, { FIELD_VCPU_ID, 1 }),
	EXAMPLE(VCPU_LOAD, "vcpu_load: oldcpu=0x7 pcpu=2  vcpu_id=1", { FIELD_OLDCPU, 7 },
		{ FIELD_PCPU, 2 }, { FIELD_VCPU_ID, 1 }),
	EXAMPLE(VCPU_LOAD, "vcpu_load: " AT "vcpu_id=-9223372036854775808",
		{ FIELD_VCPU_ID, (uint64_t)INT64_MIN }),
	EXAMPLE(REMOTE_FLUSH, "kvmrig:remote_flush: " AT "kvm=0xffffffffffffffff",
		{ FIELD_KVM, UINT64_MAX }),
};

static struct trace *text_open(const char *text, size_t size)
{
	struct trace *trace = NULL;
	char error[256] = "";

	if (!CHECK_EQ(trace_open_memory(&trace, text, size, error, sizeof(error)), 0))
		printf("%s\n", error);
	else
		CHECK_EQ(trace_format(trace), TRACE_TEXT);
	return trace;
}

/* What a text gives; up to RECORDS_MAX records are kept. */
#define RECORDS_MAX 4u

struct result {
	int end;
	unsigned int count;
	struct record records[RECORDS_MAX];
	struct trace_stats stats;
	char error[256];
};

static struct result read_bytes(const char *text, size_t size)
{
	struct result result = { .end = -2 };
	struct trace *trace = text_open(text, size);
	struct record record;

	if (!trace)
		return result;
	memset(&record, 0xee, sizeof(record));
	while ((result.end = trace_next(trace, &record)) == 1) {
		if (result.count < RECORDS_MAX)
			result.records[result.count] = record;
		result.count++;
	}
	CHECK_EQ(trace_next(trace, &record), result.end);
	result.stats = *trace_stats(trace);
	snprintf(result.error, sizeof(result.error), "%s", trace_error(trace));
	trace_close(trace);
	return result;
}

static struct result read_text(const char *text)
{
	return read_bytes(text, strlen(text));
}

static void example_check(const struct example *example)
{
	char line[1024];
	struct result result;
	uint64_t present = 0;

	snprintf(line, sizeof(line), HEAD "%s\n", example->text);
	result = read_text(line);
	if (!CHECK_EQ(result.end, 0) || !CHECK_EQ(result.count, 1)) {
		printf("%s", line);
		return;
	}
	CHECK_EQ(result.records[0].kind, example->kind);
	CHECK_EQ(result.records[0].where, 1);
	CHECK_EQ(result.records[0].cpu, 3);
	CHECK_EQ(result.records[0].pid, 1234);
	CHECK_EQ(result.records[0].time_ns, 14559734000);
	for (unsigned int index = 0; index < example->count; index++) {
		const struct value *value = &example->values[index];

		present |= UINT64_C(1) << value->field;
		CHECK_EQ(result.records[0].field[value->field], value->value);
	}
	CHECK_EQ(result.records[0].present, present);
	CHECK_EQ(result.stats.kinds[example->kind], 1);
}

TEST(ftrace_every_field_of_every_kind)
{
	uint64_t seen[RECORD_KINDS] = { 0 };

	for (size_t index = 0; index < sizeof(examples) / sizeof(examples[0]); index++) {
		const struct example *example = &examples[index];

		example_check(example);
		for (unsigned int value = 0; value < example->count; value++)
			seen[example->kind] |= UINT64_C(1) << example->values[value].field;
	}
	for (unsigned int kind = RECORD_VMRUN; kind < RECORD_OTHER; kind++)
		CHECK_EQ(seen[kind], record_kind_fields((enum record_kind)kind));
}

struct head_example {
	const char *head;
	uint64_t time_ns;
	uint32_t cpu;
	int32_t pid;
};

TEST(ftrace_heads_of_several_tools)
{
	static const struct head_example heads[] = {
		/* ftrace */
		{ " qemu-system-x86-176     [001] ...2.     8.280937: ", 8280937000, 1, 176 },
		{ "          <idle>-0       [000] d.h3. 12345.000001: ", 12345000001000, 0, 0 },
		{ "           <...>-4194304 [8191] d..1.     1.5: ", 1500000000, 8191, 4194304 },
		{ "      x-1       [000] d..1     1.000000: ", 1000000000, 0, 1 },
		/* with the thread group's id */
		{ "  CPU 0/KVM-1234    (   1200) [002] .....     1.000002: ", 1000002000, 2, 1234 },
		{ "  CPU 0/KVM-1234    (-------) [002] .....     1.000002: ", 1000002000, 2, 1234 },
		/* trace-cmd: no flags, 6 or 9 digits; an instance's name in front */
		{ " qemu-system-x86-176   [001]     8.280937: ", 8280937000, 1, 176 },
		{ " qemu-system-x86-176   [001]     8.280937123: ", 8280937123, 1, 176 },
		{ " mine:  CPU 0/KVM-9   [001] d..1.     8.000000000: ", 8000000000, 1, 9 },
		/* perf script */
		{ "qemu-system-x86   176 [001]     8.280937:   ", 8280937000, 1, 176 },
		{ "qemu-system-x86   170/176 [001]     8.280937:   ", 8280937000, 1, 176 },
		/* a clock that does not count seconds */
		{ "  x-5   [001] ..... 123456789012345678: ", 123456789012345678, 1, 5 },
		/* names that look like something else */
		{ " a [1] b: c-d-77    [001] .....     8.1: ", 8100000000, 1, 77 },
		{ " [002] 1.5: --12   [001] .....     8.1: ", 8100000000, 1, 12 },
		{ " (x) [7-12   [001] .....     8.1: ", 8100000000, 1, 12 },
		{ " t\xc3\xa4sk-12   [001] .....     8.1: ", 8100000000, 1, 12 },
	};

	for (size_t index = 0; index < sizeof(heads) / sizeof(heads[0]); index++) {
		char line[256];
		struct result result;

		snprintf(line, sizeof(line), "%skvm_entry: vcpu 0, rip 0x1\n", heads[index].head);
		result = read_text(line);
		if (!CHECK_EQ(result.count, 1)) {
			printf("%s", line);
			continue;
		}
		CHECK_EQ(result.records[0].time_ns, heads[index].time_ns);
		CHECK_EQ(result.records[0].cpu, heads[index].cpu);
		CHECK_EQ(result.records[0].pid, heads[index].pid);
	}
}

/* The text of an event may look like another line; only the first head counts. */
TEST(ftrace_event_text_is_not_a_head)
{
	struct result result = read_text(
		HEAD "tracing_mark_write: " HEAD "kvm_entry: vcpu 0, rip 0x1\n");

	CHECK_EQ(result.end, 0);
	CHECK_EQ(result.count, 0);
	CHECK_EQ(result.stats.kinds[RECORD_OTHER], 1);
	CHECK_EQ(result.stats.unparsed, 0);
}

TEST(ftrace_other_events_are_counted)
{
	struct result result = read_text(HEAD "kvm_fpu: load\n"
					 HEAD "kvm_mmu:kvm_mmu_get_page: sp gen 0 gfn 1\n"
					 HEAD "svm_vcpu_run.isra.0 <-kvm_arch_vcpu_ioctl_run\n"
					 HEAD "bputs: 0xffffffff81000000: text\n"
					 HEAD "vmruns: vcpu_id=x\n"
					 HEAD "nothing:\n");

	CHECK_EQ(result.end, 0);
	CHECK_EQ(result.count, 0);
	CHECK_EQ(result.stats.lines, 6);
	CHECK_EQ(result.stats.records, 6);
	CHECK_EQ(result.stats.kinds[RECORD_OTHER], 6);
	CHECK_EQ(result.stats.unparsed, 0);
}

static const char *const bad_lines[] = {
	HEAD "vmrun: " AT "vcpu_id=7 kvm=0xffffc900005090000 asid=6",
	HEAD "vmrun: " AT "vcpu_id=0x kvm=0x10",
	HEAD "vmrun: " AT "vcpu_id=(fault) kvm=0x10",
	HEAD "vmrun: " AT "vcpu_id= kvm=0x10",
	HEAD "vmrun: " AT "vcpu_id=1x kvm=0x10",
	HEAD "vmrun: " AT "vcpu_id=--1 kvm=0x10",
	HEAD "vmrun: " AT "vcpu_id=- kvm=0x10",
	HEAD "vmrun: " AT "vcpu_id=1 gen=18446744073709551616",
	HEAD "vmrun: " AT "vcpu_id=1 gen=-9223372036854775809",
	HEAD "vmrun: " AT "vcpu_id=1 kv",
	HEAD "vmrun: " AT "vcpu_id=1 =3",
	HEAD "vmrun: " AT "vcpu_id=1 comm=\"abc",
	HEAD "vmrun: (some_function+0x4/0xb0 [kvm_a",
	HEAD "vmrun: (some_function)vcpu_id=1",
	HEAD "kvm_entry: vcpu x, rip 0x1",
	HEAD "kvm_entry: vcpu 12x",
	HEAD "kvm_entry: vcp",
	HEAD "kvm_exit: nothing of that sort",
	HEAD "kvm_pv_tlb_flush: vcpu 1 need_flush_tlb maybe",
	HEAD "kvm_pv_tlb_flush: vcpu 1 need_flush_tlb tru",
	HEAD "kvm_nested_vmenter: rip: 0x1 vmcb: 116x000 nested_npt=y nested_cr3: 0x1",
	HEAD "kvm_nested_vmenter: rip: 0x1 vmcb: 0x11 nested_npt=q nested_cr3: 0x1",
	HEAD "kvm_nested_vmenter: rip: 0x1",
	HEAD "kvm_nested_vmexit_inject: ext_inf1: 0x0",
	(HEAD "vmru"),
	HEAD "remote_flush: (kvm_flush_remote_tlbs+0x4/0x50 [kvm])",
	HEAD "remote_flush: (kvm_flush_remote_tlbs+0x4/0x50 [kvm]) vm=0x10",
	HEAD "remote_flush:",
	HEAD,
	" CPU 0/KVM-1234    [003] d..1.    14.559734",
	" CPU 0/KVM-1234    [003] d..1.    14.55973x: kvm_entry: vcpu 0",
	" CPU 0/KVM-1234    [003] d..1.    14.5597340001: kvm_entry: vcpu 0",
	" CPU 0/KVM-1234    [003] d..1.    99999999999.5: kvm_entry: vcpu 0",
	" CPU 0/KVM-1234    [003] d..1.    14.: kvm_entry: vcpu 0",
	" CPU 0/KVM-1234    [8192] d..1.    14.5: kvm_entry: vcpu 0",
	" CPU 0/KVM-1234    [03] d..1.    14.5: kvm_entry: vcpu 0",
	" CPU 0/KVM-1234    [00x] d..1.    14.5: kvm_entry: vcpu 0",
	" CPU 0/KVM-1234    [] d..1.    14.5: kvm_entry: vcpu 0",
	" CPU 0/KVM-2147483648    [003] d..1.    14.5: kvm_entry: vcpu 0",
	" CPU 0/KVM    [003] d..1.    14.5: kvm_entry: vcpu 0",
	"[003] d..1.    14.5: kvm_entry: vcpu 0",
	"CPU:0 [LOST 12x EVENTS]",
	"CPU:8192 [LOST 12 EVENTS]",
	"CPU:0 [LOST",
	"some text",
	("\x7f" "ELF\xff\xfe\x01"),
	/* The rest of a cut line, and a whole one. */
	" x-1 [000] .....     5.0: kvm_e" HEAD "kvm_entry: vcpu 0",
	" x-1 [000] .....     5.0:" HEAD "kvm_entry: vcpu 0",
};

TEST(ftrace_bad_lines_are_counted_and_skipped)
{
	for (size_t index = 0; index < sizeof(bad_lines) / sizeof(bad_lines[0]); index++) {
		char text[512];
		struct result result;

		snprintf(text, sizeof(text), "%s\n" HEAD "kvm_entry: vcpu 5, rip 0x1\n",
			 bad_lines[index]);
		result = read_text(text);
		if (!CHECK_EQ(result.stats.unparsed, 1) || !CHECK_EQ(result.count, 1))
			printf("%s\n", bad_lines[index]);
		CHECK_EQ(result.end, 0);
		CHECK_EQ(result.records[0].where, 2);
		CHECK_EQ(result.records[0].field[FIELD_VCPU_ID], 5);
		CHECK(!result.stats.truncated);
	}
}

TEST(ftrace_nul_bytes_make_a_line_bad)
{
	static const char text[] =
		HEAD "kvm_entry: vcpu 1, rip\0 0x1\n" HEAD "kvm_fpu: \0load\n\0\n" HEAD
		     "kvm_entry: vcpu 2, rip 0x1\n";
	struct result result = read_bytes(text, sizeof(text) - 1);

	CHECK_EQ(result.count, 1);
	CHECK_EQ(result.records[0].where, 4);
	CHECK_EQ(result.stats.unparsed, 3);
}

TEST(ftrace_lines_may_end_like_on_other_systems)
{
	struct result result = read_text("# tracer: nop\r\n\r\n"
					 HEAD "vcpu_put: " AT "vcpu_id=3 kvm=0x10\r\n");

	CHECK_EQ(result.count, 1);
	CHECK_EQ(result.records[0].field[FIELD_KVM], 0x10);
	CHECK_EQ(result.stats.unparsed, 0);
}

/* One too long is skipped up to its newline, however long; 64 KiB are not. */
TEST(ftrace_long_lines)
{
	const size_t sizes[] = { 65536, 65537, 300000, 2000000 };

	for (unsigned int index = 0; index < 4; index++) {
		static const char tail[] = "\n" HEAD "kvm_entry: vcpu 2, rip 0x1\n";
		size_t size = sizes[index], head = strlen(HEAD "kvm_fpu: ");
		char *text = malloc(size + sizeof(tail));
		struct result result;

		if (!CHECK(text != NULL))
			return;
		memset(text, 'x', size);
		memcpy(text, HEAD "kvm_fpu: ", head);
		memcpy(text + size, tail, sizeof(tail));
		result = read_bytes(text, size + sizeof(tail) - 1);
		CHECK_EQ(result.stats.unparsed, index == 0 ? 0 : 1);
		CHECK_EQ(result.stats.records, index == 0 ? 2 : 1);
		CHECK_EQ(result.stats.lines, 2);
		CHECK_EQ(result.count, 1);
		CHECK_EQ(result.records[0].where, 2);
		free(text);
	}
}

TEST(ftrace_a_last_line_without_newline_was_cut)
{
	struct result result = read_text(HEAD "kvm_entry: vcpu 1, rip 0x1\n"
					 HEAD "vcpu_put: " AT "vcpu_id=3 kvm=0xffffc9");

	CHECK_EQ(result.end, 0);
	CHECK_EQ(result.count, 1);
	CHECK_EQ(result.stats.lines, 2);
	CHECK_EQ(result.stats.unparsed, 1);
	CHECK(result.stats.truncated);
}

TEST(ftrace_lost_events)
{
	struct result result = read_text(
		"# entries-in-buffer/entries-written: 3/103   #P:2\n"
		HEAD "kvm_entry: vcpu 1, rip 0x1\n"
		"CPU:3 [LOST 12 EVENTS]\n"
		"CPU:1 [LOST EVENTS]\n"
		"CPU:3 [SUBBUFFER START]\n"
		"##### CPU 1 buffer started ####\n");

	CHECK_EQ(result.end, 0);
	CHECK_EQ(result.count, 4);
	CHECK_EQ(result.stats.promised, 3);
	CHECK_EQ(result.stats.lost, 113);
	CHECK_EQ(result.stats.kinds[RECORD_LOST], 3);
	CHECK_EQ(result.stats.records, 1);
	CHECK_EQ(result.stats.unparsed, 0);
	CHECK_EQ(result.records[0].kind, RECORD_LOST);
	CHECK_EQ(result.records[0].cpu, RECORD_CPU_NONE);
	CHECK_EQ(result.records[0].field[FIELD_LOST], 100);
	CHECK_EQ(result.records[2].kind, RECORD_LOST);
	CHECK_EQ(result.records[2].where, 3);
	CHECK_EQ(result.records[2].cpu, 3);
	CHECK_EQ(result.records[2].pid, -1);
	CHECK_EQ(result.records[2].time_ns, 14559734000);
	CHECK_EQ(result.records[2].field[FIELD_LOST], 12);
	CHECK_EQ(result.records[3].cpu, 1);
	CHECK_EQ(result.records[3].present, 0);
}

TEST(ftrace_lost_events_as_trace_cmd_says_it)
{
	struct result result = read_text("version = 7\ncpus=2\n"
					 "CPU:0 [EVENTS DROPPED]\nCPU:1 [7 EVENTS DROPPED]\n"
					 HEAD "kvm_fpu: load\n");

	CHECK_EQ(result.end, 0);
	CHECK_EQ(result.count, 2);
	CHECK_EQ(result.stats.lost, 8);
	CHECK_EQ(result.stats.unparsed, 0);
}

/* Only within one CPU: how CPUs are merged is the recorder's affair. */
TEST(ftrace_time_that_runs_backwards_is_counted)
{
	struct result result = read_text(" x-1 [000] .....     5.000000: kvm_fpu: load\n"
					 " x-1 [001] .....     3.000000: kvm_fpu: load\n"
					 " x-1 [001] .....     3.000000: kvm_fpu: load\n"
					 " x-1 [000] .....     4.999999: kvm_fpu: load\n"
					 " x-1 [000] .....     4.999999: kvm_fpu: load\n");

	CHECK_EQ(result.stats.backwards, 1);
	CHECK_EQ(result.stats.records, 5);
}

TEST(ftrace_a_trace_without_events_is_fine)
{
	struct result result = read_text("# tracer: nop\n#\n"
					 "# entries-in-buffer/entries-written: 0/0   #P:2\n");

	CHECK_EQ(result.end, 0);
	CHECK_EQ(result.stats.records, 0);
	CHECK_EQ(result.stats.lines, 3);
}

TEST(ftrace_what_is_not_a_trace)
{
	struct result result = read_text("");

	CHECK_EQ(result.end, -1);
	CHECK_STR_EQ(result.error, "memory: not a trace: the file is empty");
	result = read_text("Dear diary,\nno events today.\n");
	CHECK_EQ(result.end, -1);
	CHECK_STR_EQ(result.error, "memory: not a trace: no event in 2 lines");
	CHECK_EQ(result.stats.unparsed, 2);
}

/* Endless junk is given up early, a late trace behind little junk is not. */
TEST(ftrace_a_lot_of_junk_is_not_a_trace)
{
	size_t size = 8u << 20;
	char *text = malloc(size);
	struct result result;

	if (!CHECK(text != NULL))
		return;
	for (size_t index = 0; index < size; index++)
		text[index] = (char)(index % 61 ? index * 2654435761u >> 7 : '\n');
	result = read_bytes(text, size);
	CHECK_EQ(result.end, -1);
	CHECK(strstr(result.error, "memory: not a trace: no event in the first ") != NULL);
	CHECK(result.stats.lines < 40000);
	memcpy(text + 600000, "\n" HEAD "kvm_fpu: load\n", strlen(HEAD) + 15);
	result = read_bytes(text, size);
	CHECK_EQ(result.end, 0);
	CHECK_EQ(result.stats.records, 1);
	free(text);
}
