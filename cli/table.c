/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Results for a person at a terminal.
 */
#include "cli.h"

#include <inttypes.h>
#include <string.h>

#define BAR_WIDTH 24

/* A number with thousands separators; valid until the eighth call after. */
static const char *grouped(uint64_t value)
{
	static char texts[8][32];
	static unsigned int turn;
	char digits[24];
	char *out = texts[turn++ % 8];
	int length = snprintf(digits, sizeof(digits), "%" PRIu64, value);
	int at = 0;

	for (int i = 0; i < length; i++) {
		if (i && (length - i) % 3 == 0)
			out[at++] = ',';
		out[at++] = digits[i];
	}
	out[at] = '\0';
	return out;
}

static const char *plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

static const char *source_note(enum source source)
{
	switch (source) {
	case SOURCE_ASSUMED:
		return "assumed";
	case SOURCE_LEARNED:
		return "seen in the record";
	case SOURCE_GIVEN:
		return "given";
	}
	return "";
}

static void print_head(const struct replay_result *result)
{
	printf("%s\n", result->file);
	printf("  %s VM entr%s: %s of L1, %s of L2, %s switch%s between them\n",
	       grouped(result->vm_entries), result->vm_entries == 1 ? "y" : "ies",
	       grouped(result->l1_entries), grouped(result->l2_entries), grouped(result->switches),
	       result->switches == 1 ? "" : "es");
	if (result->vms)
		printf("  %s VM%s, ", grouped(result->vms), plural(result->vms));
	else
		printf("  VMs unknown, ");
	printf("%s vCPU%s on %s CPU%s; %s ASIDs (%s), %s (%s)\n", grouped(result->vcpus),
	       plural(result->vcpus), grouped(result->cpus), plural(result->cpus),
	       grouped(result->machine.asids), source_note(result->machine.asids_from),
	       result->machine.flush_by_asid ? "FLUSHBYASID" : "no FLUSHBYASID",
	       source_note(result->machine.flush_by_asid_from));
}

static void print_warning(uint64_t count, const char *what)
{
	if (count)
		printf("  ! %s %s\n", grouped(count), what);
}

static void print_warnings(const struct replay_result *result)
{
	if (result->broken_off)
		puts("  ! the recording breaks off; this is what was readable");
	print_warning(result->unparsed, "lines or events could not be read and were skipped");
	print_warning(result->lost, "events were lost while recording");
	print_warning(result->backwards, "events are older than the one before on their CPU");
	print_warning(result->odd, "events made no sense and were skipped");
	print_warning(result->guessed, "changes between L1 and L2 were not recorded");
	print_warning(result->retired, "vCPUs were forgotten to make room: there were too many");
	for (int i = 0; result->missing[i]; i++)
		printf("  ! %s\n", result->missing[i]);
}

static uint64_t flushes_of(const struct replay_result *result, const char *policy)
{
	for (uint32_t i = 0; i < result->policy_count; i++)
		if (!strcmp(result->policies[i].ops->name, policy))
			return result->policies[i].flushes;
	return 0;
}

static uint64_t most_flushes(const struct replay_result *result)
{
	uint64_t most = result->recorded_flushes;

	for (uint32_t i = 0; i < result->policy_count; i++)
		if (result->policies[i].flushes > most)
			most = result->policies[i].flushes;
	return most;
}

static void print_bar(uint64_t value, uint64_t most)
{
	uint64_t length = most ? (value * BAR_WIDTH + most - 1) / most : 0;

	for (uint64_t i = 0; i < BAR_WIDTH; i++)
		putchar(i < length ? '#' : ' ');
}

static void print_row(const char *name, uint64_t flushes, const struct replay_result *result)
{
	uint64_t needed = flushes_of(result, "needed");

	printf("  %-11s %11s %6.2f %%", name, grouped(flushes),
	       result->vm_entries ? 100.0 * (double)flushes / (double)result->vm_entries : 0.0);
	if (needed)
		printf(" %8.2f  ", (double)flushes / (double)needed);
	else
		printf(" %8s  ", "-");
	print_bar(flushes, most_flushes(result));
}

/* The three most frequent reasons, and how many flushes had others. */
static void print_reasons(const uint64_t *counts, int kinds, const char *(*name)(int))
{
	uint64_t left = 0;
	bool shown[REASON_COUNT] = { false };

	for (int i = 0; i < kinds; i++)
		left += counts[i];
	for (int rank = 0; rank < 3 && left; rank++) {
		int best = -1;

		for (int i = 0; i < kinds; i++)
			if (counts[i] && !shown[i] && (best < 0 || counts[i] > counts[best]))
				best = i;
		shown[best] = true;
		left -= counts[best];
		printf("%s%s %s", rank ? ", " : " ", name(best), grouped(counts[best]));
	}
	if (left)
		printf(", other %s", grouped(left));
	putchar('\n');
}

static const char *reason_by_number(int reason)
{
	return reason_name((enum reason)reason);
}

static const char *means_by_number(int means)
{
	return means_name((enum means)means);
}

static void print_policy(const struct replay_result *result, const struct policy_result *policy)
{
	print_row(policy->ops->name, policy->flushes, result);
	printf(" %9s %6s %6s ", grouped(policy->counts.mmu_syncs), grouped(policy->counts.tags),
	       grouped(policy->counts.wraps));
	print_reasons(policy->counts.flushes, REASON_COUNT, reason_by_number);
}

static void print_agreement(const struct replay_result *result, const struct policy_result *policy)
{
	if (!policy->ops->models_record || !result->recorded_known)
		return;
	printf("  %s and the record agree at %s of %s entries (%.4f %%)\n", policy->ops->name,
	       grouped(policy->agreed), grouped(result->recorded_entries),
	       100.0 * (double)policy->agreed / (double)result->recorded_entries);
}

static void print_result(const struct replay_result *result)
{
	print_head(result);
	print_warnings(result);
	printf("\n  %-11s %11s %8s %8s  %-*s %9s %6s %6s  %s\n", "policy", "flushes", "entries",
	       "x needed", BAR_WIDTH, "", "MMU syncs", "tags", "wraps", "most frequent reasons");
	if (result->recorded_known) {
		print_row("(recorded)", result->recorded_flushes, result);
		printf(" %9s %6s %6s ", "", "", "");
		print_reasons(result->recorded, MEANS_COUNT, means_by_number);
	}
	for (uint32_t i = 0; i < result->policy_count; i++)
		print_policy(result, &result->policies[i]);
	putchar('\n');
	for (uint32_t i = 0; i < result->policy_count; i++)
		print_agreement(result, &result->policies[i]);
}

void table_print(const struct replay_result *results, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (i)
			putchar('\n');
		print_result(&results[i]);
	}
}
