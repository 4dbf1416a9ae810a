/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Any records, in any order, to the importer: the events make sense, survive
 * being printed and read, add up, and the policies keep their bounds.
 *
 * The first byte is the hardware. Then, for each record, a byte each for the
 * kind, the thread with the CPU, and fields that are left out; then one for
 * each field.
 */
#include "bounds.h"

#include <replay/import.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *at;
	const uint8_t *end;
};

struct run {
	struct bounds *bounds;
	uint64_t events;
	uint64_t switches;
	uint64_t births;
	bool in_l2[EVENT_VCPUS];
};

static uint8_t take(struct input *input)
{
	return input->at < input->end ? *input->at++ : 0;
}

/*
 * Two vCPUs of two VMs and few other numbers, so that records meet again, and
 * some that no kernel writes. A VMCB seldom changes: that is a new vCPU.
 */
static uint64_t value_of(enum record_field field, uint8_t byte)
{
	static const uint64_t odd[] = {
		UINT64_MAX,
		UINT64_MAX - 1,
		1ull << 32,
		UINT32_MAX,
		UINT32_MAX - 1,
		1ull << 63,
		0x100,
		0x1000,
		0xff,
		8192,
	};

	if (byte >= 0xf8)
		return odd[byte % (sizeof(odd) / sizeof(odd[0]))];
	if (field == FIELD_KVM || field == FIELD_VCPU_ID)
		return byte & 1;
	if (field == FIELD_VMCB)
		return byte < 0xf0 ? 1 : byte;
	return byte & 7;
}

static void fill(struct input *input, struct record *record)
{
	uint8_t place = take(input);
	uint8_t without = take(input);
	uint32_t nth = 0;

	record->cpu = place & 3;
	record->pid = (int32_t)(place >> 2 & 7) - 1;
	if (place & 0x80)
		record->cpu = place & 0x40 ? RECORD_CPU_LIMIT - 1 : record->cpu;
	for (int field = 0; field < RECORD_FIELDS; field++) {
		if (!(record_kind_fields(record->kind) >> field & 1))
			continue;
		record->field[field] = value_of((enum record_field)field, take(input));
		/* Most records are whole. */
		if (without < 0xc0 || !(without >> nth++ % 6 & 1))
			record->present |= UINT64_C(1) << field;
	}
	if (record->kind == RECORD_LOST && !(place & 3))
		record->cpu = RECORD_CPU_NONE;
}

static void check_text(const struct event *event)
{
	char error[200] = "";
	char first[512] = "";
	char second[512] = "";
	struct event again;
	FILE *file = fmemopen(first, sizeof(first), "w");

	require(file != NULL);
	event_print(event, file);
	fclose(file);
	first[strcspn(first, "\n")] = '\0';
	require(event_parse(first, &again, error, sizeof(error)) == 1);
	file = fmemopen(second, sizeof(second), "w");
	require(file != NULL);
	event_print(&again, file);
	fclose(file);
	second[strcspn(second, "\n")] = '\0';
	require(!strcmp(first, second));
}

static void on_event(void *context, const struct event *event)
{
	struct run *run = context;
	bool in_l2;

	check_text(event);
	bounds_feed(run->bounds, event);
	run->events++;
	run->births += event->kind == EVENT_BIRTH;
	if (event->kind == EVENT_LOST)
		return;
	in_l2 = run->in_l2[event->vcpu];
	if (event->kind == EVENT_BIRTH || event->kind == EVENT_NESTED_EXIT)
		run->in_l2[event->vcpu] = false;
	if (event->kind == EVENT_NESTED_ENTER)
		run->in_l2[event->vcpu] = true;
	run->switches += event->kind != EVENT_BIRTH && in_l2 != run->in_l2[event->vcpu];
}

static void feed_all(struct importer *importer, struct input *input)
{
	uint64_t number = 1;

	while (input->at < input->end) {
		uint8_t kind = take(input);
		struct record record = {
			.kind = (enum record_kind)(kind % RECORD_OTHER),
			.where = number,
			.time_ns = number * 1000,
		};

		fill(input, &record);
		if (record.present || record.kind == RECORD_LOST)
			importer_feed(importer, &record);
		number++;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, data + size };
	struct run *run = calloc(1, sizeof(*run));
	const struct import_stats *stats;
	struct importer *importer;

	require(run != NULL);
	run->bounds = bounds_begin(take(&input));
	importer = importer_create(on_event, run);
	require(importer != NULL);
	feed_all(importer, &input);

	stats = importer_stats(importer);
	require(stats->events == run->events);
	require(stats->switches == run->switches);
	require(stats->vcpus == run->births);
	importer_destroy(importer);
	bounds_end(run->bounds);
	free(run);
	return 0;
}
