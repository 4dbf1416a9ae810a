/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * replay: how a recording is counted. What the policies make of it is the
 * business of policy_test.c, what the command prints that of cli.sh.
 */
#include "../replay/replay.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct policy_ops *const chosen[] = { &policy_needed, NULL };
static struct replay_result result;

/* Replays a file of events with these lines behind the first. */
static int replay(const char *lines, char *error, size_t size)
{
	struct replay_options options = {
		.policies = chosen,
		.flush_by_asid = -1,
		.is_events = true,
	};
	char path[] = "/tmp/tlbtag-replay.XXXXXX";
	int descriptor = mkstemp(path);
	FILE *file = descriptor < 0 ? NULL : fdopen(descriptor, "w");
	int failed;

	if (!CHECK(file != NULL))
		return -1;
	fprintf(file, "%s\n%s", EVENT_FILE_HEAD, lines);
	fclose(file);
	failed = replay_run(path, &options, &result, error, size);
	unlink(path);
	return failed;
}

static uint64_t flushes_in_slices(void)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < result.buckets; i++)
		sum += result.policies[0].timeline[i];
	return sum;
}

static void replay_entries(unsigned int count, unsigned long long step_ns)
{
	static char lines[100000];
	char error[200] = "";
	size_t at = 0;

	at += (size_t)snprintf(lines, sizeof(lines), "birth vm=0 vcpu=0 cpu=0\n");
	for (unsigned int i = 0; i < count; i++)
		at += (size_t)snprintf(lines + at, sizeof(lines) - at,
				       "flush-all vm=0 vcpu=0 cpu=0\n"
				       "enter vm=0 vcpu=0 cpu=0 level=1 time=%llu\n",
				       1 + i * step_ns);
	CHECK_EQ(replay(lines, error, sizeof(error)), 0);
	CHECK_STR_EQ(error, "");
	CHECK_EQ(result.vm_entries, count);
	CHECK_EQ(result.policies[0].flushes, count);
	CHECK_EQ(flushes_in_slices(), count);
}

/* The last slice in use is the one of the last entry, however often they grew. */
TEST(replay_slices_end_with_the_recording)
{
	replay_entries(251, 1000);
	CHECK_EQ(result.bucket_ns, 1000);
	CHECK_EQ(result.buckets, 251);
	replay_entries(257, 1000);
	CHECK_EQ(result.bucket_ns, 2000);
	CHECK_EQ(result.buckets, 129);
	replay_entries(300, 100000);
	CHECK_EQ(result.buckets, 299 * 100000 / result.bucket_ns + 1);
	replay_entries(2, 1ull << 62);
	CHECK_EQ(result.buckets, (1ull << 62) / result.bucket_ns + 1);
}

TEST(replay_the_record_is_what_was_recorded)
{
	char error[200] = "";

	CHECK_EQ(replay("birth vm=0 vcpu=0 cpu=0\n"
			"enter vm=0 vcpu=0 cpu=0 level=1\n",
			error, sizeof(error)),
		 0);
	CHECK(!result.recorded_known);
	CHECK_EQ(replay("birth vm=0 vcpu=0 cpu=0\n"
			"enter vm=0 vcpu=0 cpu=0 level=1 asid=1 tlb_control=0\n"
			"enter vm=0 vcpu=0 cpu=0 level=1\n"
			"enter vm=0 vcpu=0 cpu=0 level=1 asid=1 tlb_control=0\n"
			"enter vm=0 vcpu=0 cpu=0 level=1 asid=1 tlb_control=3\n"
			"enter vm=0 vcpu=0 cpu=0 level=1 asid=2 tlb_control=0\n",
			error, sizeof(error)),
		 0);
	CHECK_EQ(result.vm_entries, 5);
	CHECK_EQ(result.recorded_entries, 4);
	CHECK_EQ(result.recorded_flushes, 3);
	CHECK_EQ(result.policies[0].agreed, 2);
}

TEST(replay_errors_name_file_and_line)
{
	char error[200] = "";

	CHECK_EQ(replay("birth vm=0 vcpu=0 cpu=0\nenter vm=0\n", error, sizeof(error)), -1);
	CHECK(strstr(error, ":3: 'enter' needs the field 'vcpu'") != NULL);
	CHECK(strchr(error, '\n') == NULL);
}
