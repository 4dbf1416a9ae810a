/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Results as JSON and CSV. The names are a contract with other programs.
 */
#include "cli.h"
#include "json.h"

#include <inttypes.h>
#include <string.h>

json_t *json_of_count(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static const char *source_name(enum source source)
{
	switch (source) {
	case SOURCE_ASSUMED:
		return "assumed";
	case SOURCE_LEARNED:
		return "learned";
	case SOURCE_GIVEN:
		return "given";
	}
	return "";
}

static json_t *json_of_recorded(const struct replay_result *result)
{
	json_t *object = json_object();
	json_t *reasons = json_object();

	for (int i = 0; i < MEANS_COUNT; i++)
		if (result->recorded[i])
			json_object_set_new(reasons, means_name((enum means)i),
					    json_of_count(result->recorded[i]));
	json_object_set_new(object, "flushes",
			    result->recorded_known ? json_of_count(result->recorded_flushes) :
						     json_null());
	json_object_set_new(object, "by_reason", reasons);
	return object;
}

static json_t *json_of_policy(const struct replay_result *result,
			      const struct policy_result *policy)
{
	json_t *object = json_object();
	json_t *reasons = json_object();

	for (int i = 0; i < REASON_COUNT; i++)
		if (policy->counts.flushes[i])
			json_object_set_new(reasons, reason_name((enum reason)i),
					    json_of_count(policy->counts.flushes[i]));
	json_object_set_new(object, "name", json_string(policy->ops->name));
	json_object_set_new(object, "flushes", json_of_count(policy->flushes));
	json_object_set_new(object, "by_reason", reasons);
	json_object_set_new(object, "tags", json_of_count(policy->counts.tags));
	json_object_set_new(object, "wraps", json_of_count(policy->counts.wraps));
	json_object_set_new(object, "mmu_syncs", json_of_count(policy->counts.mmu_syncs));
	if (policy->ops->models_record && result->recorded_known)
		json_object_set_new(object, "agreement",
				    json_real((double)policy->agreed /
					      (double)result->recorded_entries));
	return object;
}

static json_t *json_of_machine(const struct machine *machine)
{
	return json_pack("{s:I, s:s, s:b, s:s}", "asids", (json_int_t)machine->asids, "asids_from",
			 source_name(machine->asids_from), "flushbyasid",
			 (int)machine->flush_by_asid, "flushbyasid_from",
			 source_name(machine->flush_by_asid_from));
}

json_t *json_of_texts(const char *const *texts)
{
	json_t *list = json_array();

	for (size_t i = 0; texts[i]; i++)
		json_array_append_new(list, json_string(texts[i]));
	return list;
}

void json_write(json_t *value)
{
	json_dumpf(value, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
	json_decref(value);
	putchar('\n');
}

json_t *json_of_name(const char *name)
{
	json_t *string = json_string(name);
	char plain[4096];
	size_t i;

	if (string)
		return string;
	for (i = 0; name[i] && i < sizeof(plain) - 1; i++)
		plain[i] = (unsigned char)name[i] < 0x80 ? name[i] : '?';
	plain[i] = '\0';
	return json_string(plain);
}

static void set_counts(json_t *object, const struct replay_result *result)
{
	const struct {
		const char *name;
		uint64_t value;
	} counts[] = {
		{ "events", result->events },
		{ "unparsed", result->unparsed },
		{ "lost", result->lost },
		{ "backwards", result->backwards },
		{ "odd", result->odd },
		{ "guessed", result->guessed },
		{ "retired", result->retired },
		{ "vms", result->vms },
		{ "vcpus", result->vcpus },
		{ "cpus", result->cpus },
		{ "vm_entries", result->vm_entries },
		{ "l1_entries", result->l1_entries },
		{ "l2_entries", result->l2_entries },
		{ "switches", result->switches },
	};

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		json_object_set_new(object, counts[i].name, json_of_count(counts[i].value));
}

static json_t *json_of(const struct replay_result *result)
{
	json_t *object = json_object();
	json_t *list = json_array();

	json_object_set_new(object, "file", json_of_name(result->file));
	json_object_set_new(object, "broken_off", json_boolean(result->broken_off));
	set_counts(object, result);
	json_object_set_new(object, "hardware", json_of_machine(&result->machine));
	json_object_set_new(object, "missing", json_of_texts(result->missing));
	json_object_set_new(object, "recorded", json_of_recorded(result));
	for (uint32_t i = 0; i < result->policy_count; i++)
		json_array_append_new(list, json_of_policy(result, &result->policies[i]));
	json_object_set_new(object, "policies", list);
	return object;
}

void json_print(const struct replay_result *results, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, json_of(&results[i]));
	json_write(json_pack("{s:o}", "traces", list));
}

static void print_quoted(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		if (*text == '"')
			putchar('"');
		putchar(*text);
	}
	putchar('"');
}

static void csv_row(const struct replay_result *result, const struct policy_result *policy)
{
	print_quoted(result->file);
	printf(",%s,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",",
	       policy->ops->name, result->vm_entries, policy->flushes, policy->counts.tags,
	       policy->counts.wraps, policy->counts.mmu_syncs);
	if (policy->ops->models_record && result->recorded_known)
		printf("%.9f", (double)policy->agreed / (double)result->recorded_entries);
	for (int i = 0; i < REASON_COUNT; i++)
		printf(",%" PRIu64, policy->counts.flushes[i]);
	putchar('\n');
}

void csv_print(const struct replay_result *results, size_t count)
{
	fputs("file,policy,vm_entries,flushes,tags,wraps,mmu_syncs,agreement", stdout);
	for (int i = 0; i < REASON_COUNT; i++)
		printf(",%s", reason_name((enum reason)i));
	putchar('\n');
	for (size_t i = 0; i < count; i++) {
		if (results[i].recorded_known) {
			print_quoted(results[i].file);
			printf(",recorded,%" PRIu64 ",%" PRIu64 ",,,,", results[i].vm_entries,
			       results[i].recorded_flushes);
			for (int reason = 0; reason < REASON_COUNT; reason++)
				putchar(',');
			putchar('\n');
		}
		for (uint32_t j = 0; j < results[i].policy_count; j++)
			csv_row(&results[i], &results[i].policies[j]);
	}
}
