/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * trace.dat files: the same recording as text must give the same records; and
 * files made here, with what a good kernel never writes in them.
 */
#include "datfile.h"
#include "test.h"

#include <fcntl.h>
#include <replay/record.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define DAT "tests/data/nested.dat.gz"
#define TEXT "tests/data/nested.trace.gz"

enum {
	ID_LOAD = 1500,
	ID_OTHER,
	ID_PV,
	ID_VMENTER,
	ID_UNKNOWN,
};

static const struct datfile_field load_fields[] = {
	{ "u32", "vcpu_id", 8, 4, 0 }, { "u64", "kvm", 16, 8, 0 },
	{ "s32", "pcpu", 24, 4, 1 },   { "s32", "oldcpu", 28, 4, 1 },
	{ "u16", "extra", 32, 2, 0 },  { 0 },
};

/* vcpu_id, a hole, kvm, pcpu, oldcpu, extra: as load_fields says. */
struct load_event {
	uint32_t vcpu_id;
	uint32_t hole;
	uint64_t kvm;
	int32_t pcpu;
	int32_t oldcpu;
	uint32_t extra;
} __attribute__((packed));

static const struct load_event load = { 3, 0, 0xffffc900001c9000, 1, -1, 0xffff };

static void load_put(struct datfile_buffer *buffer, unsigned int cpu, uint64_t time_ns)
{
	const struct datfile_event event = { ID_LOAD, 176, &load, sizeof(load) };

	datfile_put(buffer, cpu, time_ns, &event);
}

static struct datfile datfile_new(void)
{
	struct datfile file = { 0 };

	datfile_describe(&file, ID_LOAD, "rig", "vcpu_load", load_fields);
	return file;
}

static struct trace *datfile_open(struct datfile *file, struct bytes *bytes)
{
	struct trace *trace = NULL;
	char error[256] = "";

	*bytes = datfile_finish(file);
	if (!CHECK(trace_open_memory(&trace, bytes->data, bytes->size, error, sizeof(error)) == 0))
		printf("%s\n", error);
	if (trace)
		CHECK_EQ(trace_format(trace), TRACE_DAT);
	return trace;
}

static bool next_is(struct trace *trace, struct record *record, enum record_kind kind)
{
	memset(record, 0xee, sizeof(*record));
	return CHECK_EQ(trace_next(trace, record), 1) && CHECK_EQ(record->kind, kind);
}

static void end_check(struct trace *trace)
{
	struct record record;

	CHECK_EQ(trace_next(trace, &record), 0);
	CHECK_EQ(trace_next(trace, &record), 0);
	CHECK_STR_EQ(trace_error(trace), "");
	CHECK(!trace_stats(trace)->truncated);
}

TEST(dat_fields_have_their_widths_and_signs)
{
	struct datfile file = datfile_new();
	struct bytes bytes;
	struct record record;
	struct trace *trace;

	datfile_page(&file.top, 1, 5000000123, 0);
	load_put(&file.top, 1, 5000000123);
	trace = datfile_open(&file, &bytes);
	if (trace && next_is(trace, &record, RECORD_VCPU_LOAD)) {
		CHECK_EQ(record.where, 1);
		CHECK_EQ(record.time_ns, 5000000123);
		CHECK_EQ(record.cpu, 1);
		CHECK_EQ(record.pid, 176);
		CHECK_EQ(record.present, record_kind_fields(RECORD_VCPU_LOAD));
		CHECK_EQ(record.field[FIELD_VCPU_ID], 3);
		CHECK_EQ(record.field[FIELD_KVM], 0xffffc900001c9000);
		CHECK_EQ(record.field[FIELD_PCPU], 1);
		CHECK_EQ(record.field[FIELD_OLDCPU], UINT64_MAX);
		end_check(trace);
		CHECK_EQ(trace_stats(trace)->records, 1);
		CHECK_EQ(trace_stats(trace)->kinds[RECORD_VCPU_LOAD], 1);
	}
	trace_close(trace);
	free(bytes.data);
}

TEST(dat_merges_cpus_and_instances_by_time)
{
	struct datfile file = datfile_new();
	struct bytes bytes;
	struct record record;
	struct trace *trace;
	static const unsigned int cpus[] = { 1, 0, 0, 1, 1 };

	datfile_page(&file.top, 1, 1000, 0);
	load_put(&file.top, 1, 1000);
	load_put(&file.top, 1, 4000);
	datfile_page(&file.top, 0, 2000, 0);
	load_put(&file.top, 0, 2000);
	datfile_page(&file.instance, 0, 3000, 0);
	load_put(&file.instance, 0, 3000);
	datfile_page(&file.instance, 1, 5000, 0);
	load_put(&file.instance, 1, 5000);
	trace = datfile_open(&file, &bytes);
	for (uint64_t index = 0; trace && index < 5; index++) {
		if (!next_is(trace, &record, RECORD_VCPU_LOAD))
			break;
		CHECK_EQ(record.time_ns, 1000 * (index + 1));
		CHECK_EQ(record.where, index + 1);
		CHECK_EQ(record.cpu, cpus[index]);
	}
	if (trace)
		end_check(trace);
	trace_close(trace);
	free(bytes.data);
}

TEST(dat_missed_events_are_lost)
{
	struct datfile file = datfile_new();
	struct bytes bytes;
	struct record record;
	struct trace *trace;

	datfile_page(&file.top, 0, 1000, 0);
	load_put(&file.top, 0, 1000);
	datfile_page(&file.top, 0, 2000, 77);
	load_put(&file.top, 0, 2000);
	datfile_page(&file.top, 0, 3000, -1);
	load_put(&file.top, 0, 3000);
	trace = datfile_open(&file, &bytes);
	if (trace && next_is(trace, &record, RECORD_VCPU_LOAD) &&
	    next_is(trace, &record, RECORD_LOST)) {
		CHECK_EQ(record.cpu, 0);
		CHECK_EQ(record.where, 2);
		CHECK_EQ(record.time_ns, 1000);
		CHECK(record_has(&record, FIELD_LOST));
		CHECK_EQ(record.field[FIELD_LOST], 77);
		next_is(trace, &record, RECORD_VCPU_LOAD);
		next_is(trace, &record, RECORD_LOST);
		CHECK(!record_has(&record, FIELD_LOST));
		next_is(trace, &record, RECORD_VCPU_LOAD);
		end_check(trace);
		CHECK_EQ(trace_stats(trace)->lost, 78);
		CHECK_EQ(trace_stats(trace)->kinds[RECORD_LOST], 2);
		CHECK_EQ(trace_stats(trace)->records, 3);
	}
	trace_close(trace);
	free(bytes.data);
}

TEST(dat_counts_time_that_runs_backwards)
{
	struct datfile file = datfile_new();
	struct bytes bytes;
	struct record record;
	struct trace *trace;

	datfile_page(&file.top, 0, 9000, 0);
	load_put(&file.top, 0, 9000);
	datfile_page(&file.top, 0, 2000, 0);
	load_put(&file.top, 0, 2000);
	trace = datfile_open(&file, &bytes);
	if (trace && next_is(trace, &record, RECORD_VCPU_LOAD) &&
	    next_is(trace, &record, RECORD_VCPU_LOAD)) {
		end_check(trace);
		CHECK_EQ(trace_stats(trace)->backwards, 1);
	}
	trace_close(trace);
	free(bytes.data);
}

/* An event of another name, one without a description, one cut short. */
TEST(dat_other_unknown_and_short_events)
{
	static const struct datfile_field none[] = { { 0 } };
	struct datfile file = datfile_new();
	struct datfile_event event = { ID_OTHER, 1, &load, 8 };
	struct bytes bytes;
	struct record record;
	struct trace *trace;

	datfile_describe(&file, ID_OTHER, "kvm", "kvm_fpu", none);
	datfile_page(&file.top, 0, 1000, 0);
	datfile_put(&file.top, 0, 1000, &event);
	event.id = ID_UNKNOWN;
	datfile_put(&file.top, 0, 1001, &event);
	event.id = ID_LOAD;
	datfile_put(&file.top, 0, 1002, &event);
	load_put(&file.top, 0, 1003);
	trace = datfile_open(&file, &bytes);
	if (trace && next_is(trace, &record, RECORD_VCPU_LOAD)) {
		CHECK_EQ(record.where, 4);
		end_check(trace);
		CHECK_EQ(trace_stats(trace)->records, 2);
		CHECK_EQ(trace_stats(trace)->kinds[RECORD_OTHER], 1);
		CHECK_EQ(trace_stats(trace)->unparsed, 2);
	}
	trace_close(trace);
	free(bytes.data);
}

/* Another kernel's event: fewer fields, one of them no longer a number. */
TEST(dat_missing_and_strange_fields)
{
	static const struct datfile_field fewer[] = {
		{ "u32", "vcpu_id", 8, 4, 0 }, { "u64", "kvm", 16, 8, 0 }, { 0 },
	};
	static const struct datfile_field strange[] = {
		{ "char", "vcpu_id[8]", 8, 8, 0 }, { "u64", "kvm", 16, 8, 0 }, { 0 },
	};
	struct datfile file = { 0 };
	const struct datfile_event put = { ID_OTHER, 7, &load, sizeof(load) };
	struct bytes bytes;
	struct record record;
	struct trace *trace;

	datfile_describe(&file, ID_LOAD, "mine", "vcpu_load", fewer);
	datfile_describe(&file, ID_OTHER, "rig", "vcpu_put", strange);
	datfile_page(&file.top, 0, 1000, 0);
	load_put(&file.top, 0, 1000);
	datfile_put(&file.top, 0, 1001, &put);
	trace = datfile_open(&file, &bytes);
	if (trace && next_is(trace, &record, RECORD_VCPU_LOAD)) {
		CHECK_EQ(record.present, 1u << FIELD_VCPU_ID | 1u << FIELD_KVM);
		end_check(trace);
		CHECK_EQ(trace_stats(trace)->unparsed, 1);
	}
	trace_close(trace);
	free(bytes.data);
}

struct vmenter_event {
	uint64_t vmcb;
	uint64_t guest_pgd;
	uint32_t npt;
} __attribute__((packed));

TEST(dat_stock_tracepoints)
{
	static const struct datfile_field pv_fields[] = {
		{ "unsigned int", "vcpu_id", 8, 4, 0 }, { "bool", "need_flush_tlb", 12, 1, 0 },
		{ 0 },
	};
	static const struct datfile_field vmenter_fields[] = {
		{ "__u64", "vmcb", 8, 8, 0 }, { "__u64", "guest_pgd", 16, 8, 0 },
		{ "bool", "tdp_enabled", 24, 1, 0 }, { 0 },
	};
	static const uint32_t pv[2] = { 5, 1 };
	struct vmenter_event vmenter = { 0x116000, 0x4ea7000, 1 };
	const struct datfile_event pv_put = { ID_PV, 1, pv, sizeof(pv) };
	const struct datfile_event vmenter_put = { ID_VMENTER, 1, &vmenter, sizeof(vmenter) };
	struct datfile file = datfile_new();
	struct bytes bytes;
	struct record record;
	struct trace *trace;

	datfile_describe(&file, ID_PV, "kvm", "kvm_pv_tlb_flush", pv_fields);
	datfile_describe(&file, ID_VMENTER, "kvm", "kvm_nested_vmenter", vmenter_fields);
	datfile_page(&file.top, 0, 1000, 0);
	datfile_put(&file.top, 0, 1000, &pv_put);
	datfile_put(&file.top, 0, 1001, &vmenter_put);
	vmenter.npt = 0;
	datfile_put(&file.top, 0, 1002, &vmenter_put);
	trace = datfile_open(&file, &bytes);
	if (trace && next_is(trace, &record, RECORD_KVM_PV_TLB_FLUSH)) {
		CHECK_EQ(record.field[FIELD_VCPU_ID], 5);
		CHECK_EQ(record.field[FIELD_NEED_FLUSH], 1);
		next_is(trace, &record, RECORD_KVM_NESTED_VMENTER);
		CHECK_EQ(record.present,
			 1u << FIELD_VMCB12 | 1u << FIELD_NPT | 1u << FIELD_NCR3_12);
		CHECK_EQ(record.field[FIELD_VMCB12], 0x116000);
		CHECK_EQ(record.field[FIELD_NPT], 1);
		CHECK_EQ(record.field[FIELD_NCR3_12], 0x4ea7000);
		next_is(trace, &record, RECORD_KVM_NESTED_VMENTER);
		CHECK_EQ(record.present,
			 1u << FIELD_VMCB12 | 1u << FIELD_NPT | 1u << FIELD_CR3_12);
		CHECK_EQ(record.field[FIELD_CR3_12], 0x4ea7000);
		end_check(trace);
	}
	trace_close(trace);
	free(bytes.data);
}

TEST(dat_without_events_is_fine)
{
	struct datfile file = datfile_new();
	struct bytes bytes;
	struct trace *trace = datfile_open(&file, &bytes);

	if (trace) {
		end_check(trace);
		CHECK_EQ(trace_stats(trace)->records, 0);
	}
	trace_close(trace);
	free(bytes.data);
}

/* Every prefix either cannot be opened or fails: never a quiet short answer. */
TEST(dat_cut_anywhere_is_an_error)
{
	struct datfile file = datfile_new();
	struct bytes bytes;

	datfile_page(&file.top, 0, 1000, 0);
	load_put(&file.top, 0, 1000);
	datfile_page(&file.top, 1, 1000, 0);
	load_put(&file.top, 1, 1500);
	bytes = datfile_finish(&file);
	for (size_t size = 10; size < bytes.size; size += size < 2500 ? 97 : 997) {
		struct trace *trace = NULL;
		struct record record;
		char error[256] = "";
		int result = trace_open_memory(&trace, bytes.data, size, error, sizeof(error));

		if (result == 0)
			while ((result = trace_next(trace, &record)) == 1)
				;
		CHECK_EQ(result, -1);
		if (trace)
			snprintf(error, sizeof(error), "%s", trace_error(trace));
		CHECK(strncmp(error, "memory: damaged trace.dat after record ", 39) == 0);
		CHECK(!strchr(error, '\n'));
		trace_close(trace);
	}
	free(bytes.data);
}

/* Zombies and descriptors would pile up. */
TEST(dat_closed_early_leaves_nothing)
{
	struct record record;
	struct trace *trace;
	char error[256];
	int before = dup(0), after;

	close(before);
	for (int count = 0; count < 3; count++) {
		if (!CHECK_EQ(trace_open(&trace, DAT, error, sizeof(error)), 0))
			return;
		CHECK_EQ(trace_next(trace, &record), 1);
		trace_close(trace);
	}
	after = dup(0);
	close(after);
	CHECK_EQ(after, before);
}

/* What the program has printed but not written must not look like a complaint. */
TEST(dat_does_not_mind_buffered_output)
{
	struct datfile file = datfile_new();
	struct bytes bytes;
	struct trace *trace;

	fflush(stdout);
	setvbuf(stdout, NULL, _IOFBF, BUFSIZ);
	printf("this line is printed once\n");
	trace = datfile_open(&file, &bytes);
	if (trace)
		end_check(trace);
	trace_close(trace);
	fflush(stdout);
	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	free(bytes.data);
}

TEST(dat_needs_room_to_be_unpacked)
{
	const char *directory = getenv("TMPDIR");
	char *saved = directory ? strdup(directory) : NULL;
	struct trace *trace = NULL;
	char error[256] = "";

	setenv("TMPDIR", "/nonexistent", 1);
	CHECK_EQ(trace_open(&trace, DAT, error, sizeof(error)), -1);
	CHECK_STR_EQ(error, DAT
		     ": cannot be unpacked into /nonexistent: No such file or directory");
	if (saved)
		setenv("TMPDIR", saved, 1);
	else
		unsetenv("TMPDIR");
	free(saved);
}

static void records_compare(const struct record *dat, const struct record *text)
{
	CHECK_EQ(dat->kind, text->kind);
	CHECK_EQ(dat->cpu, text->cpu);
	CHECK_EQ(dat->pid, text->pid);
	/* The text is rounded to microseconds. */
	CHECK_EQ((dat->time_ns + 500) / 1000, text->time_ns / 1000);
	CHECK_EQ(dat->present, text->present);
	for (unsigned int field = 0; field < RECORD_FIELDS; field++)
		if (record_has(dat, field) && record_has(text, field))
			CHECK_EQ(dat->field[field], text->field[field]);
}

TEST(dat_and_text_of_one_recording_agree)
{
	struct trace *dat = NULL, *text = NULL;
	struct record from_dat, from_text;
	char error[256];
	int more;

	if (!CHECK_EQ(trace_open(&dat, DAT, error, sizeof(error)), 0) ||
	    !CHECK_EQ(trace_open(&text, TEXT, error, sizeof(error)), 0))
		goto out;
	CHECK_EQ(trace_format(dat), TRACE_DAT);
	CHECK_EQ(trace_format(text), TRACE_TEXT);
	do {
		more = trace_next(dat, &from_dat);
		CHECK_EQ(trace_next(text, &from_text), more);
		if (more == 1)
			records_compare(&from_dat, &from_text);
	} while (more == 1);
	CHECK_EQ(more, 0);
	CHECK_EQ(trace_stats(dat)->records, 1156);
	for (unsigned int kind = 0; kind < RECORD_KINDS; kind++)
		CHECK_EQ(trace_stats(dat)->kinds[kind], trace_stats(text)->kinds[kind]);
	CHECK_EQ(trace_stats(dat)->unparsed, 0);
	CHECK_EQ(trace_stats(text)->unparsed, 0);
	CHECK_EQ(trace_stats(text)->promised, 1156);
out:
	trace_close(dat);
	trace_close(text);
}
