/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * tlbtag replay: recordings in, results out.
 */
#include "cli.h"
#include "html.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <tlbtag/pool.h>

/* How the results are printed. */
enum format {
	FORMAT_TABLE,
	FORMAT_JSON,
	FORMAT_CSV,
};

struct request {
	enum format format;
	const char *html;
	bool keep_going;
	const struct policy_ops *policies[REPLAY_POLICIES + 1];
	struct replay_options options;
};

enum option_code {
	OPTION_POLICY = OPTION_FIRST,
	OPTION_JSON,
	OPTION_CSV,
	OPTION_HTML,
	OPTION_ASIDS,
	OPTION_FLUSHBYASID,
	OPTION_EVENTS,
	OPTION_KEEP_GOING,
	OPTION_HELP,
};

static const struct option long_options[] = {
	{ "policy", required_argument, NULL, OPTION_POLICY },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "csv", no_argument, NULL, OPTION_CSV },
	{ "html", required_argument, NULL, OPTION_HTML },
	{ "asids", required_argument, NULL, OPTION_ASIDS },
	{ "flushbyasid", required_argument, NULL, OPTION_FLUSHBYASID },
	{ "events", no_argument, NULL, OPTION_EVENTS },
	{ "keep-going", no_argument, NULL, OPTION_KEEP_GOING },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

static int help(void)
{
	puts("usage: tlbtag replay [OPTION]... TRACE...\n"
	     "\n"
	     "Says, for recordings of KVM on AMD, at how many VM entries the kernel flushed\n"
	     "the TLB, why, and how many flushes other ways of managing tags would need.\n"
	     "TRACE is the text of ftrace or a trace.dat, plain or gzipped; - is standard\n"
	     "input. doc/REPLAY.md says how to record one.\n"
	     "\n"
	     "  --policy P,...         only these policies\n"
	     "  --json, --csv          for programs\n"
	     "  --html FILE            also write a page with pictures\n"
	     "  --asids N              the hardware has N ASIDs (default: seen in the record,\n"
	     "                         else 32768)\n"
	     "  --flushbyasid yes|no   the hardware has FLUSHBYASID (default: as recorded)\n"
	     "  --events               TRACE is in the event vocabulary (doc/EVENTS.md)\n"
	     "  --keep-going           show what was readable of a damaged recording\n"
	     "\n"
	     "policies:");
	for (size_t i = 0; policies[i]; i++)
		printf("  %-10s  %s\n", policies[i]->name, policies[i]->about);
	return finish_output(EXIT_FINE);
}

static int parse_policies(struct request *request, char *list)
{
	uint32_t count = 0;
	char *rest = NULL;

	for (char *name = strtok_r(list, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
		const struct policy_ops *policy = policy_find(name);

		if (!policy)
			return complain("replay: no policy '%s'; 'tlbtag replay --help' lists them",
					name);
		for (uint32_t i = 0; i < count; i++)
			if (request->policies[i] == policy)
				return complain("replay: policy '%s' twice", name);
		request->policies[count++] = policy;
	}
	request->policies[count] = NULL;
	return count ? EXIT_FINE : complain("replay: --policy without a policy");
}

static int parse_asids(struct request *request, const char *text)
{
	/* Two for a guest and the fallback beside the host's 0. */
	static const struct option_limits limits = { 3, TLBTAG_POOL_MAX };

	return option_number("replay: --asids", text, &limits, &request->options.asids);
}

static int parse_flushbyasid(struct request *request, const char *text)
{
	bool value = false;
	int code = option_yes_no("replay: --flushbyasid", text, &value);

	request->options.flush_by_asid = value;
	return code;
}

static int parse_format(struct request *request, enum format format)
{
	if (request->format != FORMAT_TABLE && request->format != format)
		return complain("replay: --json or --csv, not both");
	request->format = format;
	return EXIT_FINE;
}

static int parse_option(struct request *request, int code)
{
	switch (code) {
	case OPTION_POLICY:
		return parse_policies(request, optarg);
	case OPTION_JSON:
		return parse_format(request, FORMAT_JSON);
	case OPTION_CSV:
		return parse_format(request, FORMAT_CSV);
	case OPTION_ASIDS:
		return parse_asids(request, optarg);
	case OPTION_FLUSHBYASID:
		return parse_flushbyasid(request, optarg);
	case OPTION_HTML:
		request->html = optarg;
		return EXIT_FINE;
	case OPTION_EVENTS:
		request->options.is_events = true;
		return EXIT_FINE;
	case OPTION_KEEP_GOING:
		request->keep_going = true;
		return EXIT_FINE;
	}
	return EXIT_FINE;
}

static int replay_one(struct request *request, char *path, struct replay_result *result)
{
	char error[512];
	int failed;

	request->options.policies = request->policies;
	request->options.progress = progress_of_file;
	request->options.context = path;
	failed = replay_run(path, &request->options, result, error, sizeof(error));
	progress_end();
	return failed ? complain("%s", error) : EXIT_FINE;
}

static int print_results(const struct request *request, const struct replay_result *results,
			 size_t count)
{
	char error[512];

	if (request->html && html_write(request->html, results, count, error, sizeof(error)))
		return complain("%s", error);
	switch (request->format) {
	case FORMAT_TABLE:
		table_print(results, count);
		return EXIT_FINE;
	case FORMAT_JSON:
		json_print(results, count);
		return EXIT_FINE;
	case FORMAT_CSV:
		csv_print(results, count);
		return EXIT_FINE;
	}
	return EXIT_FINE;
}

/* Nothing is printed before every recording was read, so nothing is half done. */
static int replay_all(struct request *request, char **paths, size_t count)
{
	struct replay_result *results = calloc(count, sizeof(*results));
	int code = EXIT_FINE;

	if (!results)
		return complain("out of memory");
	for (size_t i = 0; i < count; i++) {
		if (replay_one(request, paths[i], &results[i]) != EXIT_FINE)
			code = EXIT_BAD;
		if (code != EXIT_FINE && !request->keep_going)
			break;
	}
	if (code == EXIT_FINE || request->keep_going) {
		int printed = print_results(request, results, count);

		code = code == EXIT_FINE ? printed : code;
	}
	free(results);
	return finish_output(code);
}

int replay_main(int argc, char **argv)
{
	struct request request = { .options.flush_by_asid = -1 };
	int code;

	for (uint32_t i = 0; policies[i]; i++)
		request.policies[i] = policies[i];
	opterr = 0;
	while ((code = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (code == OPTION_HELP)
			return help();
		if (code == '?')
			return option_bad("replay", argv);
		code = parse_option(&request, code);
		if (code != EXIT_FINE)
			return code;
	}
	if (optind == argc)
		return complain("replay: no recording; see 'tlbtag replay --help'");
	return replay_all(&request, argv + optind, (size_t)(argc - optind));
}
