/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * tlbtag audit: which VM entries of a recording missed a flush, and which
 * flushed for nothing.
 */
#include "cli.h"
#include "json.h"

#include "../replay/audit.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Missed flushes told in text unless --all is given. */
#define TOLD_DEFAULT 10u

struct request {
	bool json;
	bool all;
	bool keep_going;
	struct audit_options options;
};

enum option_code {
	OPTION_JSON = OPTION_FIRST,
	OPTION_ALL,
	OPTION_ASIDS,
	OPTION_FLUSHBYASID,
	OPTION_TRUST_INVLPGA,
	OPTION_EVENTS,
	OPTION_KEEP_GOING,
	OPTION_HELP,
};

static const struct option long_options[] = {
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "all", no_argument, NULL, OPTION_ALL },
	{ "asids", required_argument, NULL, OPTION_ASIDS },
	{ "flushbyasid", required_argument, NULL, OPTION_FLUSHBYASID },
	{ "trust-invlpga", no_argument, NULL, OPTION_TRUST_INVLPGA },
	{ "events", no_argument, NULL, OPTION_EVENTS },
	{ "keep-going", no_argument, NULL, OPTION_KEEP_GOING },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

static int help(void)
{
	puts("usage: tlbtag audit [OPTION]... TRACE...\n"
	     "\n"
	     "Says which VM entries of a recorded KVM on AMD, whatever its way of managing\n"
	     "ASIDs, missed a flush or a sync of shadow tables that was due, and how many\n"
	     "flushed for nothing. TRACE is the text of ftrace or a trace.dat, plain or\n"
	     "gzipped; - is standard input. See doc/AUDIT.md.\n"
	     "\n"
	     "  --json                 for programs\n"
	     "  --all                  tell every missed flush, not the first ten\n"
	     "  --asids N              the hardware has N ASIDs; an entry with another is an\n"
	     "                         error\n"
	     "  --flushbyasid yes|no   no: TLB_CONTROL 3 and 7 flush nothing (default: yes)\n"
	     "  --trust-invlpga        the kernel carries out INVLPGA of L1 in a way that was\n"
	     "                         not recorded\n"
	     "  --events               TRACE is in the event vocabulary (doc/EVENTS.md)\n"
	     "  --keep-going           show what was readable of a damaged recording\n"
	     "\n"
	     "Exit status: 0 nothing was missed, 1 something was, 2 bad input or usage.");
	return finish_output(EXIT_FINE);
}

/* --- text -------------------------------------------------------------- */

static uint32_t listed(const struct audit_list *list)
{
	return list->count < list->most ? (uint32_t)list->count : list->most;
}

static uint64_t sum(const uint64_t *counts, size_t size)
{
	uint64_t all = 0;

	for (size_t i = 0; i < size; i++)
		all += counts[i];
	return all;
}

static uint64_t needed_of(const struct audit_result *result)
{
	return sum(result->needed, TLBTAG_RULE_COUNT);
}

static uint64_t needless_of(const struct audit_result *result)
{
	return sum(result->needless, AUDIT_WASTE_COUNT);
}

static void warn(uint64_t count, const char *text)
{
	if (count)
		printf("! %" PRIu64 " %s\n", count, text);
}

static void print_warnings(const struct audit_result *result)
{
	const struct replay_result *record = &result->record;

	if (record->broken_off)
		puts("! the recording breaks off");
	warn(record->unparsed, "lines or events could not be read");
	warn(record->lost, "events were lost; after a gap everything is unknown again");
	warn(record->backwards, "events are older than their predecessor on the same CPU");
	warn(record->odd, "events made no sense and were left out");
	warn(record->guessed, "changes between L1 and L2 were not recorded");
	warn(record->retired, "vCPUs were forgotten, and may now pass for new ones");
	warn(result->unjudged, "VM entries without ASID or TLB_CONTROL were not judged");
	warn(result->forgotten, "ASIDs' contents were given up to keep memory bounded");
	warn(result->undecided.count, "entries with an ASID that may have been clean or not");
	if (result->illegal)
		printf("! %" PRIu64 " VM entries with ASID 0, the host's, which fail: the first at "
		       "line %" PRIu64 "\n",
		       result->illegal, result->illegal_where);
	for (int i = 0; record->missing[i]; i++)
		printf("! %s\n", record->missing[i]);
}

static void print_breakdown(const struct audit_result *result)
{
	for (int i = 0; i < TLBTAG_RULE_COUNT; i++)
		if (result->needed[i])
			printf("  %8" PRIu64 " needed    %-16s %s\n", result->needed[i],
			       audit_rule_name((enum tlbtag_rule)i),
			       audit_rule_text((enum tlbtag_rule)i));
	for (int i = 0; i < AUDIT_WASTE_COUNT; i++)
		if (result->needless[i])
			printf("  %8" PRIu64 " needless  %-16s %s\n", result->needless[i],
			       audit_waste_name((enum audit_waste)i),
			       audit_waste_meaning((enum audit_waste)i));
}

static void print_story(const char *file, const char *verdict,
			const struct audit_finding *finding)
{
	char lines[AUDIT_STORY_LINES][AUDIT_STORY_SIZE];
	uint32_t count = audit_story(finding, lines);
	const struct event *entry = &finding->entry;

	printf("\n%s:%" PRIu64 ": time %" PRIu64 ".%06" PRIu64 ": %s, %s, %s\n", file,
	       entry->where, entry->time_ns / 1000000000, entry->time_ns / 1000 % 1000000, verdict,
	       audit_kind_name(audit_cause_kind(finding->mark.cause)),
	       audit_rule_name(audit_cause_rule(finding->mark.cause)));
	for (uint32_t i = 0; i < count; i++)
		printf("    %s\n", lines[i]);
}

static void print_stories(const struct audit_result *result, const char *verdict,
			  const struct audit_list *list)
{
	for (uint32_t i = 0; i < listed(list); i++)
		print_story(result->record.file, verdict, &list->items[i]);
	if (list->count > listed(list))
		printf("\n    and %" PRIu64 " more; --all tells up to %u\n",
		       list->count - listed(list), AUDIT_LIST_MOST);
}

static void print_syncs(const struct audit_result *result)
{
	static const char *const texts[] = {
		[AUDIT_SYNC_UNKNOWN] = "whether they happened is unknown: neither rig:mmu_sync nor "
				       "rig:nested_tlb_flush was recorded",
		[AUDIT_SYNC_ASKED] = "not asked for; rig:mmu_sync, which shows whether they "
				     "happened, was not recorded",
		[AUDIT_SYNC_DONE] = "missed",
	};

	if (!result->syncs)
		return;
	printf("  %8" PRIu64 " MMU syncs of shadow tables were due: ", result->syncs);
	if (result->sync_evidence != AUDIT_SYNC_UNKNOWN)
		printf("%" PRIu64 " ", result->unsynced.count);
	puts(texts[result->sync_evidence]);
}

static void print_result(const struct audit_result *result)
{
	printf("%s\n", result->record.file);
	print_warnings(result);
	printf("  %8" PRIu64 " VM entries\n", result->entries);
	printf("  %8" PRIu64 " flushed: %" PRIu64 " had to, %" PRIu64 " needlessly\n",
	       result->flushes, needed_of(result), needless_of(result));
	print_breakdown(result);
	printf("  %8" PRIu64 " missed a flush\n", result->missed.count);
	print_syncs(result);
	print_stories(result, "missed flush", &result->missed);
	print_stories(result, "missed sync", &result->unsynced);
	print_stories(result, "undecided", &result->undecided);
}

/* --- JSON -------------------------------------------------------------- */

static json_t *json_of_finding(const struct audit_finding *finding)
{
	char lines[AUDIT_STORY_LINES][AUDIT_STORY_SIZE];
	uint32_t count = audit_story(finding, lines);
	enum audit_cause cause = finding->mark.cause;
	const struct event *entry = &finding->entry;
	json_t *story = json_array();

	for (uint32_t i = 0; i < count; i++)
		json_array_append_new(story, json_string(lines[i]));
	return json_pack("{s:I, s:f, s:I, s:I, s:I, s:I, s:I, s:s, s:s, s:o}", "line",
			 (json_int_t)entry->where, "time", (double)entry->time_ns / 1e9, "vm",
			 (json_int_t)entry->vm, "vcpu", (json_int_t)entry->vcpu, "level",
			 (json_int_t)entry->level, "cpu", (json_int_t)entry->cpu, "asid",
			 (json_int_t)entry->asid, "kind", audit_kind_name(audit_cause_kind(cause)),
			 "rule", audit_rule_name(audit_cause_rule(cause)), "story", story);
}

static json_t *json_of_list(const struct audit_list *list)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < listed(list); i++)
		json_array_append_new(array, json_of_finding(&list->items[i]));
	return array;
}

static json_t *json_of_needed(const struct audit_result *result)
{
	json_t *object = json_object();

	for (int i = 0; i < TLBTAG_RULE_COUNT; i++)
		if (result->needed[i])
			json_object_set_new(object, audit_rule_name((enum tlbtag_rule)i),
					    json_of_count(result->needed[i]));
	return object;
}

static json_t *json_of_needless(const struct audit_result *result)
{
	json_t *object = json_object();

	for (int i = 0; i < AUDIT_WASTE_COUNT; i++)
		if (result->needless[i])
			json_object_set_new(object, audit_waste_name((enum audit_waste)i),
					    json_of_count(result->needless[i]));
	return object;
}

static void set_counts(json_t *object, const struct audit_result *result)
{
	const struct replay_result *record = &result->record;
	const struct {
		const char *name;
		uint64_t value;
	} counts[] = {
		{ "events", record->events },
		{ "unparsed", record->unparsed },
		{ "lost", record->lost },
		{ "backwards", record->backwards },
		{ "odd", record->odd },
		{ "guessed", record->guessed },
		{ "retired", record->retired },
		{ "unjudged", result->unjudged },
		{ "undecided", result->undecided.count },
		{ "illegal", result->illegal },
		{ "forgotten", result->forgotten },
		{ "vm_entries", result->entries },
		{ "flushes", result->flushes },
		{ "needed", needed_of(result) },
		{ "needless", needless_of(result) },
		{ "missed_count", result->missed.count },
		{ "syncs", result->syncs },
		{ "unsynced_count", result->unsynced.count },
	};

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		json_object_set_new(object, counts[i].name, json_of_count(counts[i].value));
}

static json_t *json_of(const struct audit_result *result)
{
	static const char *const evidence[] = {
		[AUDIT_SYNC_UNKNOWN] = "none",
		[AUDIT_SYNC_ASKED] = "asked",
		[AUDIT_SYNC_DONE] = "done",
	};
	json_t *object = json_object();

	json_object_set_new(object, "file", json_of_name(result->record.file));
	json_object_set_new(object, "broken_off", json_boolean(result->record.broken_off));
	set_counts(object, result);
	json_object_set_new(object, "needed_by_rule", json_of_needed(result));
	json_object_set_new(object, "needless_by_cause", json_of_needless(result));
	json_object_set_new(object, "missing", json_of_texts(result->record.missing));
	json_object_set_new(object, "missed", json_of_list(&result->missed));
	json_object_set_new(object, "sync_evidence",
			    json_string(evidence[result->sync_evidence]));
	json_object_set_new(object, "unsynced", json_of_list(&result->unsynced));
	json_object_set_new(object, "maybe_missed", json_of_list(&result->undecided));
	return object;
}

static void print_json(const struct audit_result *results, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, json_of(&results[i]));
	json_write(json_pack("{s:o}", "traces", list));
}

/* --- the command ------------------------------------------------------- */

static bool is_fine(const struct audit_result *result)
{
	return !result->missed.count && !result->unsynced.count && !result->illegal;
}

static int audit_one(struct request *request, char *path, struct audit_result *result)
{
	char error[512];
	int failed;

	request->options.progress = progress_of_file;
	request->options.context = path;
	failed = audit_run(path, &request->options, result, error, sizeof(error));
	progress_end();
	if (failed)
		return complain("%s", error);
	return is_fine(result) ? EXIT_FINE : EXIT_FOUND;
}

static void print_results(const struct request *request, const struct audit_result *results,
			  size_t count)
{
	if (request->json) {
		print_json(results, count);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		if (i)
			putchar('\n');
		print_result(&results[i]);
	}
}

/* Nothing is printed before every recording was read, so nothing is half done. */
static int audit_all(struct request *request, char **paths, size_t count)
{
	struct audit_result *results = calloc(count, sizeof(*results));
	size_t done = 0;
	int code = EXIT_FINE;

	if (!results)
		return complain("out of memory");
	while (done < count && (code != EXIT_BAD || request->keep_going)) {
		int one = audit_one(request, paths[done], &results[done]);

		code = one > code ? one : code;
		done++;
	}
	if (code != EXIT_BAD || request->keep_going)
		print_results(request, results, done);
	for (size_t i = 0; i < done; i++)
		audit_free(&results[i]);
	free(results);
	return finish_output(code);
}

static int parse_asids(struct request *request, const char *text)
{
	/* One for a guest beside the host's 0. */
	static const struct option_limits limits = { 2, UINT32_MAX };

	return option_number("audit: --asids", text, &limits, &request->options.asids);
}

static int parse_flushbyasid(struct request *request, const char *text)
{
	bool value = true;
	int code = option_yes_no("audit: --flushbyasid", text, &value);

	request->options.no_flush_by_asid = !value;
	return code;
}

static int parse_option(struct request *request, int code)
{
	switch (code) {
	case OPTION_ASIDS:
		return parse_asids(request, optarg);
	case OPTION_FLUSHBYASID:
		return parse_flushbyasid(request, optarg);
	case OPTION_JSON:
		request->json = true;
		break;
	case OPTION_ALL:
		request->all = true;
		break;
	case OPTION_TRUST_INVLPGA:
		request->options.trust_invlpga = true;
		break;
	case OPTION_EVENTS:
		request->options.is_events = true;
		break;
	case OPTION_KEEP_GOING:
		request->keep_going = true;
		break;
	}
	return EXIT_FINE;
}

int audit_main(int argc, char **argv)
{
	struct request request = { .json = false };
	int code;

	opterr = 0;
	while ((code = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (code == OPTION_HELP)
			return help();
		if (code == '?')
			return option_bad("audit", argv);
		code = parse_option(&request, code);
		if (code != EXIT_FINE)
			return code;
	}
	if (optind == argc)
		return complain("audit: no recording; see 'tlbtag audit --help'");
	request.options.list_most = request.all || request.json ? AUDIT_LIST_MOST : TOLD_DEFAULT;
	return audit_all(&request, argv + optind, (size_t)(argc - optind));
}
