/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * tlbtag record: the running kernel's KVM, for replay and audit.
 */
#include "capture.h"
#include "cli.h"
#include "session.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <tracefs.h>
#include <unistd.h>

/* A buffer of 8 MiB holds about 100,000 events. */
#define KILOBYTES_DEFAULT 8192
/* Not this process's: the printed commands are somebody else's. */
#define PRINT_NAME "tlbtag_record"

enum mode {
	MODE_RECORD,
	MODE_LIST,
	MODE_PRINT,
};

struct request {
	enum mode mode;
	const char *offsets;
	const char *btf;
	char btf_error[512];
	struct host host;
	struct session_options session;
};

enum option_code {
	OPTION_TIME = OPTION_FIRST,
	OPTION_BUFFER,
	OPTION_OFFSETS,
	OPTION_TRACEFS,
	OPTION_BTF_DIRECTORY,
	OPTION_LIST,
	OPTION_PRINT,
	OPTION_HELP,
};

static const struct option long_options[] = {
	{ "output", required_argument, NULL, 'o' },
	{ "time", required_argument, NULL, OPTION_TIME },
	{ "buffer", required_argument, NULL, OPTION_BUFFER },
	{ "offsets", required_argument, NULL, OPTION_OFFSETS },
	{ "tracefs", required_argument, NULL, OPTION_TRACEFS },
	{ "btf", required_argument, NULL, OPTION_BTF_DIRECTORY },
	{ "list", no_argument, NULL, OPTION_LIST },
	{ "dry-run", no_argument, NULL, OPTION_LIST },
	{ "print", no_argument, NULL, OPTION_PRINT },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

static int help(void)
{
	puts("usage: tlbtag record -o FILE [OPTION]... [--time SECONDS | -- COMMAND...]\n"
	     "\n"
	     "Records what KVM does on this host, for tlbtag replay and audit, until the time\n"
	     "is up, COMMAND ends, or Ctrl-C. It uses KVM's tracepoints tlbtag:* where there\n"
	     "are such, else kprobes, and says what neither can tell. Needs root, a loaded\n"
	     "kvm_amd or kvm_intel, and the program trace-cmd. doc/RECORD.md says more.\n"
	     "\n"
	     "  -o, --output FILE      the recording, a trace.dat\n"
	     "  --time SECONDS         so long\n"
	     "  --buffer KB            of each CPU (default: 8192); larger if events are lost\n"
	     "  --offsets FILE         where KVM's structures have their members, as\n"
	     "                         kvm/rig/offsets prints it (default: the kernel's BTF)\n"
	     "  --list, --dry-run      only say what would be recorded, and how\n"
	     "  --print                only print the shell commands that do the same\n"
	     "  --tracefs DIR          not /sys/kernel/tracing; also $TLBTAG_TRACEFS\n"
	     "  --btf DIR              not /sys/kernel/btf");
	return finish_output(EXIT_FINE);
}

/* --- what would be recorded ------------------------------------------------------ */

static void list_offsets(const struct request *request)
{
	static const char *const sources[] = { "unknown", "BTF", "file" };
	const struct offsets *offsets = &request->host.offsets;

	if (request->btf_error[0])
		printf("no BTF: %s\n", request->btf_error);
	for (enum offset i = 0; i < OFFSETS; i++) {
		if (offsets->source[i] == OFFSET_UNKNOWN)
			printf("offset  %-26s unknown\n", offset_name(i));
		else
			printf("offset  %-26s %u (%s)\n", offset_name(i), offsets->at[i],
			       sources[offsets->source[i]]);
	}
}

static void list_choices(const struct choice *choices)
{
	for (unsigned int i = 0; probes[i].name; i++) {
		const char *name = probes[i].name;

		if (choices[i].kind == CHOICE_TRACEPOINT)
			printf("event   %-26s tracepoint %s:%s\n", name, probes[i].system, name);
		else if (choices[i].kind == CHOICE_KPROBE)
			printf("event   %-26s kprobe %s\n", name, choices[i].function);
	}
}

static int list(const struct request *request, const struct choice *choices)
{
	const struct host *host = &request->host;

	printf("kvm     %-26s %s, %s\n", vendor_module(host->vendor),
	       host->is_module ? "a module" : "built in",
	       host->native ? "with the tracepoints tlbtag:*" : "without tracepoints tlbtag:*");
	list_offsets(request);
	list_choices(choices);
	fflush(stdout);
	session_warn(host, choices);
	if (!probe_has_entries(choices))
		return complain("record: VM entries cannot be recorded on this kernel");
	return finish_output(EXIT_FINE);
}

/* --- as shell commands ------------------------------------------------------------- */

static void print_quoted(const char *word)
{
	printf(" '");
	for (; *word; word++) {
		if (*word == '\'')
			fputs("'\\'", stdout);
		putchar(*word);
	}
	putchar('\'');
}

static void print_probes(const struct host *host, const struct choice *choices, bool gone)
{
	for (unsigned int i = 0; probes[i].name; i++) {
		if (choices[i].kind != CHOICE_KPROBE)
			continue;
		if (gone)
			printf("echo '-:" PRINT_NAME "/%s'", probes[i].name);
		else
			printf("echo 'p:" PRINT_NAME "/%s %s %s'", probes[i].name,
			       choices[i].function, choices[i].fields);
		printf(" >>%s/dynamic_events\n", host->tracefs);
	}
}

static int print(const struct request *request, const struct choice *choices)
{
	const struct session_options *session = &request->session;

	print_probes(&request->host, choices, false);
	printf("trace-cmd record --compression none -o");
	print_quoted(session->output ? session->output : "trace.dat");
	printf(" -B " PRINT_NAME " -C global -b %u", session->kilobytes);
	for (unsigned int i = 0; probes[i].name; i++)
		if (choice_is_made(&choices[i]))
			printf(" \\\n\t-e %s:%s", probes[i].system ? probes[i].system : PRINT_NAME,
			       probes[i].name);
	if (session->seconds)
		printf(" sleep %u", session->seconds);
	for (char **word = session->command; word && *word; word++)
		print_quoted(*word);
	putchar('\n');
	print_probes(&request->host, choices, true);
	fflush(stdout);
	session_warn(&request->host, choices);
	return finish_output(EXIT_FINE);
}

/* --- the options --------------------------------------------------------------------- */

static int parse_time(struct request *request)
{
	static const struct option_limits limits = { 1, 1000000 };

	return option_number("record: --time", optarg, &limits, &request->session.seconds);
}

/* What the kernel takes; it rounds up. */
static int parse_buffer(struct request *request)
{
	static const struct option_limits limits = { 4, 16u << 20 };

	return option_number("record: --buffer", optarg, &limits, &request->session.kilobytes);
}

static int parse_option(struct request *request, int code)
{
	switch (code) {
	case 'o':
		request->session.output = optarg;
		return EXIT_FINE;
	case OPTION_TIME:
		return parse_time(request);
	case OPTION_BUFFER:
		return parse_buffer(request);
	case OPTION_OFFSETS:
		request->offsets = optarg;
		return EXIT_FINE;
	case OPTION_TRACEFS:
		request->host.tracefs = optarg;
		return EXIT_FINE;
	case OPTION_BTF_DIRECTORY:
		request->btf = optarg;
		return EXIT_FINE;
	case OPTION_LIST:
		request->mode = MODE_LIST;
		return EXIT_FINE;
	case OPTION_PRINT:
		request->mode = MODE_PRINT;
		return EXIT_FINE;
	}
	return EXIT_FINE;
}

static int check_request(struct request *request, int argc, char **argv)
{
	if (optind < argc)
		request->session.command = argv + optind;
	if (request->session.command && request->session.seconds)
		return complain("record: --time or a command, not both");
	if (request->mode == MODE_RECORD &&
	    (!request->session.output || !request->session.output[0]))
		return complain("record: where to? -o FILE");
	return EXIT_FINE;
}

/* Where tracefs is mounted; no tool needs to mount it nowadays. */
static const char *default_tracefs(void)
{
	static const char *const places[] = { "/sys/kernel/tracing", "/sys/kernel/debug/tracing" };
	const char *told = getenv("TLBTAG_TRACEFS");
	char path[64];

	if (told && told[0])
		return told;
	snprintf(path, sizeof(path), "%s/events", places[1]);
	if (access(path, F_OK) == 0) {
		snprintf(path, sizeof(path), "%s/events", places[0]);
		if (access(path, F_OK))
			return places[1];
	}
	return places[0];
}

static int find_offsets(struct request *request)
{
	struct host *host = &request->host;
	char error[512];

	if (request->offsets &&
	    offsets_from_file(&host->offsets, request->offsets, error, sizeof(error)))
		return complain("record: %s", error);
	if (host->assumed)
		return EXIT_FINE;
	if (offsets_from_btf(&host->offsets, request->btf,
			     host->is_module ? vendor_module(host->vendor) : NULL,
			     request->btf_error, sizeof(request->btf_error)) == 0)
		request->btf_error[0] = 0;
	if (host->vendor == VENDOR_INTEL)
		offsets_forget_amd(&host->offsets);
	return EXIT_FINE;
}

static int run(struct request *request)
{
	static struct choice choices[PROBES_MAX];
	struct host *host = &request->host;
	char error[4400];

	if (host_look(host, error, sizeof(error))) {
		if (request->mode != MODE_PRINT)
			return complain("record: %s", error);
		complain("%s; so this is for an AMD host with stock modules", error);
		host_assume(host);
	}
	if (find_offsets(request))
		return EXIT_BAD;
	tracefs_set_tracing_dir((char *)(uintptr_t)host->tracefs);
	if (request->mode == MODE_RECORD) {
		capture_sweep(host->tracefs);
		return session_run(host, &request->session, choices);
	}
	for (unsigned int i = 0; probes[i].name; i++)
		probe_choose(host, choices, i);
	return request->mode == MODE_LIST ? list(request, choices) : print(request, choices);
}

int record_main(int argc, char **argv)
{
	static struct request request;
	int code;

	request.session.kilobytes = KILOBYTES_DEFAULT;
	request.btf = "/sys/kernel/btf";
	opterr = 0;
	optind = 1;
	while ((code = getopt_long(argc, argv, "+o:h", long_options, NULL)) != -1) {
		if (code == '?')
			return option_bad("record", argv);
		if (code == OPTION_HELP || code == 'h')
			return help();
		if (parse_option(&request, code))
			return EXIT_BAD;
	}
	if (check_request(&request, argc, argv))
		return EXIT_BAD;
	if (!request.host.tracefs)
		request.host.tracefs = default_tracefs();
	return run(&request);
}
