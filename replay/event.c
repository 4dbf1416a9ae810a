/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Events as text: the kind, then `name=value` for each field that the kind has.
 */
#include "event.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum field {
	FIELD_VM = 1,
	FIELD_VCPU = 2,
	FIELD_CPU = 4,
	FIELD_LEVEL = 8,
	FIELD_ASID = 16,
	FIELD_TLB_CONTROL = 32,
	FIELD_GENERATION = 64,
	FIELD_ROOT = 128,
	FIELD_TIME = 256,
	FIELD_WHERE = 512,
};

#define FIELDS_ALWAYS (FIELD_CPU | FIELD_TIME | FIELD_WHERE)
#define FIELDS_VCPU (FIELDS_ALWAYS | FIELD_VM | FIELD_VCPU)

static const struct {
	const char *name;
	enum field bit;
	uint64_t most;
	bool may_miss;
} fields[] = {
	{ "vm", FIELD_VM, EVENT_VMS - 1, false },
	{ "vcpu", FIELD_VCPU, EVENT_VCPUS - 1, false },
	{ "cpu", FIELD_CPU, EVENT_CPUS - 1, false },
	{ "level", FIELD_LEVEL, 2, false },
	{ "asid", FIELD_ASID, EVENT_UNKNOWN - 1, true },
	{ "tlb_control", FIELD_TLB_CONTROL, 255, true },
	{ "generation", FIELD_GENERATION, UINT64_MAX, true },
	{ "root", FIELD_ROOT, UINT64_MAX, true },
	{ "time", FIELD_TIME, UINT64_MAX, true },
	{ "at", FIELD_WHERE, UINT64_MAX, true },
};

#define FIELD_COUNT (sizeof(fields) / sizeof(fields[0]))

static const char *const kind_names[] = {
#define EVENT_KIND_NAME(kind, name, meaning) name,
	EVENT_KINDS(EVENT_KIND_NAME)
#undef EVENT_KIND_NAME
};

const char *event_kind_name(enum event_kind kind)
{
	return kind_names[kind];
}

static unsigned int fields_of(enum event_kind kind)
{
	switch (kind) {
	case EVENT_ENTER:
		return FIELDS_VCPU | FIELD_LEVEL | FIELD_ASID | FIELD_TLB_CONTROL |
		       FIELD_GENERATION;
	case EVENT_NESTED_ENTER:
		return FIELDS_VCPU | FIELD_ASID | FIELD_TLB_CONTROL | FIELD_ROOT;
	case EVENT_INVLPGA:
		return FIELDS_VCPU | FIELD_ASID;
	case EVENT_LOST:
		return FIELD_TIME | FIELD_WHERE;
	case EVENT_BIRTH:
	case EVENT_LOAD:
	case EVENT_NESTED_EXIT:
	case EVENT_RESET:
	case EVENT_TRANSITION:
	case EVENT_FLUSH_ALL:
	case EVENT_FLUSH_CURRENT:
	case EVENT_FLUSH_GUEST:
	case EVENT_FLUSH_PV:
	case EVENT_FLUSH_PGE:
	case EVENT_FLUSH_ADDRESS:
	case EVENT_FLUSH_REMOTE:
	case EVENT_SYNC:
	case EVENT_KIND_COUNT:
		break;
	}
	return FIELDS_VCPU;
}

static uint64_t get(const struct event *event, enum field field)
{
	switch (field) {
	case FIELD_VM:
		return event->vm;
	case FIELD_VCPU:
		return event->vcpu;
	case FIELD_CPU:
		return event->cpu;
	case FIELD_LEVEL:
		return event->level;
	case FIELD_ASID:
		return event->asid;
	case FIELD_TLB_CONTROL:
		return event->tlb_control;
	case FIELD_GENERATION:
		return event->generation;
	case FIELD_ROOT:
		return event->root;
	case FIELD_TIME:
		return event->time_ns;
	case FIELD_WHERE:
		break;
	}
	return event->where;
}

static void set(struct event *event, enum field field, uint64_t value)
{
	switch (field) {
	case FIELD_VM:
		event->vm = (uint32_t)value;
		break;
	case FIELD_VCPU:
		event->vcpu = (uint32_t)value;
		break;
	case FIELD_CPU:
		event->cpu = (uint32_t)value;
		break;
	case FIELD_LEVEL:
		event->level = (uint32_t)value;
		break;
	case FIELD_ASID:
		event->asid = (uint32_t)value;
		break;
	case FIELD_TLB_CONTROL:
		event->tlb_control = (uint32_t)value;
		break;
	case FIELD_GENERATION:
		event->generation = value;
		break;
	case FIELD_ROOT:
		event->root = value;
		break;
	case FIELD_TIME:
		event->time_ns = value;
		break;
	case FIELD_WHERE:
		event->where = value;
		break;
	}
}

/* What a missing field of an event stands for. */
static uint64_t missing(enum field field)
{
	return field & (FIELD_ASID | FIELD_TLB_CONTROL) ? EVENT_UNKNOWN : 0;
}

void event_print(const struct event *event, FILE *file)
{
	unsigned int wanted = fields_of(event->kind);

	fputs(event_kind_name(event->kind), file);
	for (size_t i = 0; i < FIELD_COUNT; i++) {
		uint64_t value = get(event, fields[i].bit);

		if (!(wanted & fields[i].bit))
			continue;
		if (fields[i].may_miss && value == missing(fields[i].bit))
			continue;
		fprintf(file, fields[i].bit == FIELD_ROOT ? " %s=0x%" PRIx64 : " %s=%" PRIu64,
			fields[i].name, value);
	}
	putc('\n', file);
}

static int find_kind(const char *word, size_t length)
{
	for (int kind = 0; kind < EVENT_KIND_COUNT; kind++)
		if (strlen(kind_names[kind]) == length && !memcmp(kind_names[kind], word, length))
			return kind;
	return -1;
}

static int find_field(const char *word, size_t length)
{
	for (size_t i = 0; i < FIELD_COUNT; i++)
		if (strlen(fields[i].name) == length && !memcmp(fields[i].name, word, length))
			return (int)i;
	return -1;
}

static bool parse_number(const char *text, size_t length, uint64_t *value)
{
	char copy[24];
	char *end;

	if (length == 0 || length >= sizeof(copy) || text[0] < '0' || text[0] > '9')
		return false;
	memcpy(copy, text, length);
	copy[length] = '\0';
	errno = 0;
	*value = strtoull(copy, &end, 0);
	return !errno && *end == '\0';
}

/* One `name=value`; returns the bit of the field, 0 with @error set. */
static unsigned int parse_field(const char *word, size_t length, struct event *event, char *error,
				size_t size)
{
	const char *equals = memchr(word, '=', length);
	uint64_t value;
	int i = equals ? find_field(word, (size_t)(equals - word)) : -1;

	if (i < 0) {
		snprintf(error, size, "no such field: '%.*s'", (int)length, word);
		return 0;
	}
	if (!parse_number(equals + 1, length - (size_t)(equals + 1 - word), &value) ||
	    value > fields[i].most) {
		snprintf(error, size, "bad value: '%.*s'", (int)length, word);
		return 0;
	}
	set(event, fields[i].bit, value);
	return fields[i].bit;
}

static int check_fields(unsigned int seen, enum event_kind kind, char *error, size_t size)
{
	unsigned int wanted = fields_of(kind);

	for (size_t i = 0; i < FIELD_COUNT; i++) {
		if ((seen & fields[i].bit) && !(wanted & fields[i].bit)) {
			snprintf(error, size, "'%s' has no field '%s'", kind_names[kind],
				 fields[i].name);
			return -1;
		}
		if (!(seen & fields[i].bit) && (wanted & fields[i].bit) && !fields[i].may_miss) {
			snprintf(error, size, "'%s' needs the field '%s'", kind_names[kind],
				 fields[i].name);
			return -1;
		}
	}
	return 1;
}

static int parse_words(const char *line, struct event *event, char *error, size_t size)
{
	unsigned int seen = 0;
	const char *word = line + strcspn(line, " \t");

	for (word += strspn(word, " \t"); *word; word += strspn(word, " \t")) {
		size_t length = strcspn(word, " \t");
		unsigned int bit = parse_field(word, length, event, error, size);

		if (!bit)
			return -1;
		if (seen & bit) {
			snprintf(error, size, "twice: '%.*s'", (int)length, word);
			return -1;
		}
		seen |= bit;
		word += length;
	}
	if ((seen & FIELD_LEVEL) && event->level < 1) {
		snprintf(error, size, "level is 1 or 2");
		return -1;
	}
	return check_fields(seen, event->kind, error, size);
}

int event_parse(const char *line, struct event *event, char *error, size_t size)
{
	size_t length = strcspn(line, " \t");
	int kind;

	if (line[0] == '#' || line[strspn(line, " \t")] == '\0')
		return 0;
	kind = find_kind(line, length);
	if (kind < 0) {
		snprintf(error, size, "no such event: '%.*s'", (int)(length < 40 ? length : 40),
			 line);
		return -1;
	}
	*event = (struct event){
		.kind = (enum event_kind)kind,
		.asid = EVENT_UNKNOWN,
		.tlb_control = EVENT_UNKNOWN,
	};
	return parse_words(line, event, error, size);
}

static const char *check_level(uint8_t *level, const struct event *event)
{
	if (event->kind == EVENT_NESTED_ENTER) {
		if (event->asid == 0)
			return "nested-enter with ASID 0, which no processor accepts";
		*level = 2;
	} else if (event->kind == EVENT_NESTED_EXIT || event->kind == EVENT_RESET) {
		*level = 1;
	} else if (event->kind == EVENT_ENTER && event->level != *level) {
		return "enter at a level that is not active";
	}
	return NULL;
}

const char *event_order_check(struct event_order *order, const struct event *event)
{
	if (event->kind == EVENT_LOST)
		return NULL;
	if (event->kind == EVENT_BIRTH) {
		order->vm[event->vcpu] = event->vm + 1;
		order->level[event->vcpu] = 1;
		return NULL;
	}
	if (!order->vm[event->vcpu])
		return "a vCPU without birth";
	if (order->vm[event->vcpu] != event->vm + 1)
		return "a vCPU of another VM";
	return check_level(&order->level[event->vcpu], event);
}
