/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * event: the vocabulary as text, there and back, and what is refused.
 */
#include "../replay/event.h"
#include "test.h"

#include <stdio.h>

static void print(const struct event *event, char *text, size_t size)
{
	FILE *file = fmemopen(text, size, "w");

	if (!CHECK(file != NULL))
		return;
	event_print(event, file);
	fclose(file);
	text[strcspn(text, "\n")] = '\0';
}

static const char *error_of(const char *line)
{
	static char error[160];
	struct event event;

	strcpy(error, "");
	CHECK_EQ(event_parse(line, &event, error, sizeof(error)), -1);
	return error;
}

TEST(event_every_kind_survives_the_text)
{
	for (int kind = 0; kind < EVENT_KIND_COUNT; kind++) {
		struct event before = {
			.kind = (enum event_kind)kind,
			.level = 2,
			.where = 77,
			.time_ns = 12345678901234,
			.vm = 3,
			.vcpu = 9,
			.cpu = 8191,
			.asid = 0xfffffffe,
			.tlb_control = 0xff,
			.generation = 1ull << 40,
			.root = 0x123456789000,
		};
		struct event after;
		char error[160] = "";
		char again[512];
		char text[512];

		print(&before, text, sizeof(text));
		CHECK_EQ(event_parse(text, &after, error, sizeof(error)), 1);
		CHECK_STR_EQ(error, "");
		CHECK_EQ(after.kind, kind);
		print(&after, again, sizeof(again));
		CHECK_STR_EQ(again, text);
	}
}

TEST(event_an_entry_as_text)
{
	struct event entry = {
		.kind = EVENT_ENTER,
		.level = 1,
		.cpu = 1,
		.asid = 6,
		.tlb_control = 3,
		.time_ns = 5,
		.where = 2,
	};
	char text[512];

	print(&entry, text, sizeof(text));
	CHECK_STR_EQ(text, "enter vm=0 vcpu=0 cpu=1 level=1 asid=6 tlb_control=3 time=5 at=2");
	entry.asid = EVENT_UNKNOWN;
	entry.tlb_control = EVENT_UNKNOWN;
	print(&entry, text, sizeof(text));
	CHECK_STR_EQ(text, "enter vm=0 vcpu=0 cpu=1 level=1 time=5 at=2");
}

TEST(event_comments_and_blank_lines_are_nothing)
{
	struct event event;
	char error[160];

	CHECK_EQ(event_parse("# a comment", &event, error, sizeof(error)), 0);
	CHECK_EQ(event_parse("", &event, error, sizeof(error)), 0);
	CHECK_EQ(event_parse(" \t ", &event, error, sizeof(error)), 0);
}

TEST(event_errors_say_what)
{
	CHECK_STR_EQ(error_of("frobnicate cpu=1"), "no such event: 'frobnicate'");
	CHECK_STR_EQ(error_of("load vm=0 vcpu=0"), "'load' needs the field 'cpu'");
	CHECK_STR_EQ(error_of("load vm=0 vcpu=0 cpu=1 cpu=2"), "twice: 'cpu=2'");
	CHECK_STR_EQ(error_of("load vm=0 vcpu=0 cpu=1 asid=2"), "'load' has no field 'asid'");
	CHECK_STR_EQ(error_of("load vm=0 vcpu=0 cpu=9999"), "bad value: 'cpu=9999'");
	CHECK_STR_EQ(error_of("load vm=0 vcpu=0 cpu=-1"), "bad value: 'cpu=-1'");
	CHECK_STR_EQ(error_of("load vm=0 vcpu=0 cpu=1x"), "bad value: 'cpu=1x'");
	CHECK_STR_EQ(error_of("load vm=0 vcpu=0 cpu="), "bad value: 'cpu='");
	CHECK_STR_EQ(error_of("load vm=0 vcpu=0 who=1"), "no such field: 'who=1'");
	CHECK_STR_EQ(error_of("load vm=0 vcpu=0 cpu"), "no such field: 'cpu'");
	CHECK_STR_EQ(error_of("enter vm=0 vcpu=0 cpu=1 level=0"), "level is 1 or 2");
	CHECK_STR_EQ(error_of("enter vm=0 vcpu=0 cpu=1 level=3"), "bad value: 'level=3'");
}

TEST(event_order_refuses_what_cannot_follow)
{
	static struct event_order order;
	struct event event = { .kind = EVENT_LOAD, .vcpu = 4 };

	memset(&order, 0, sizeof(order));
	CHECK_STR_EQ(event_order_check(&order, &event), "a vCPU without birth");
	event.kind = EVENT_BIRTH;
	CHECK(event_order_check(&order, &event) == NULL);
	event.kind = EVENT_ENTER;
	event.level = 2;
	CHECK_STR_EQ(event_order_check(&order, &event), "enter at a level that is not active");
	event.kind = EVENT_NESTED_ENTER;
	event.asid = 0;
	CHECK(event_order_check(&order, &event) != NULL);
	event.asid = 1;
	CHECK(event_order_check(&order, &event) == NULL);
	event.kind = EVENT_ENTER;
	CHECK(event_order_check(&order, &event) == NULL);
	event.vm = 1;
	CHECK_STR_EQ(event_order_check(&order, &event), "a vCPU of another VM");
	event = (struct event){ .kind = EVENT_LOST };
	CHECK(event_order_check(&order, &event) == NULL);
}
