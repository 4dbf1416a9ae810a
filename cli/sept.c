/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * tlbtag sept: what the private memory of a TDX guest costs, told by the model of
 * the TDX module, for the designs side by side.
 */
#include "cli.h"
#include "json.h"
#include "sept_story.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SLOT_BYTES (UINT64_C(2) << 20)
/* The model keeps a few words about each page. */
#define SLOTS_MAX 8192u
#define SLOTS_DEFAULT 512u
#define BUSY_DEFAULT 100u
#define RUNS 3u

struct request {
	const struct sept_story *story;
	uint32_t slots;
	uint32_t busy;
	uint32_t sweep;
	bool is_dynamic;
	bool json;
	/* Which of the runs. */
	bool wants[RUNS];
};

/* A column of the table. */
struct run {
	const char *name;
	const char *head;
	enum tlbtag_supply_design design;
	bool is_small;
};

static const struct run runs[RUNS] = {
	{ "4k", "4K only", TLBTAG_SUPPLY_RESERVE, true },
	{ "cache", "shared cache", TLBTAG_SUPPLY_CACHE, false },
	{ "reserve", "reservation", TLBTAG_SUPPLY_RESERVE, false },
};

/* A row of the table that is no SEAMCALL. */
static const struct {
	const char *key;
	const char *text;
	size_t at;
} rows[] = {
#define ROW(field, text) { #field, text, offsetof(struct sept_cost, field) }
	ROW(splits, "splits"),
	ROW(retries, "calls made again, module busy"),
	ROW(kicks, "kicks of all vCPUs"),
	ROW(looks, "entries looked at for the splits"),
	ROW(mmu_locks, "exclusive MMU locks"),
	ROW(cache_locks, "cache locks"),
	ROW(supplied, "pages allocated for splits"),
	ROW(unused, "  of them freed unused"),
	ROW(sept_max, "S-EPT pages at the peak"),
	ROW(pamt_max, "PAMT pages at the peak"),
#undef ROW
};

#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

static uint64_t row_value(const struct sept_cost *cost, size_t row)
{
	uint64_t value;

	memcpy(&value, (const char *)cost + rows[row].at, sizeof(value));
	return value;
}

/* Entering the guest is its own business. */
static bool is_counted(unsigned int call)
{
	return call != TDX_CALL_VP_ENTER;
}

static uint64_t calls_of(const struct sept_cost *cost)
{
	uint64_t sum = 0;

	for (unsigned int call = 0; call < TDX_CALLS; call++)
		sum += is_counted(call) ? cost->calls[call] : 0;
	return sum;
}

/* Without Dynamic PAMT the module has what it needs for 4 KiB pages from the start. */
static uint64_t pamt_static(const struct request *request)
{
	return (uint64_t)request->slots * TDX_PAIR_PAGES;
}

/* --- for a person ------------------------------------------------------------------ */

static const char *grouped(uint64_t value, char *text, size_t size)
{
	int length = snprintf(text, size, "%" PRIu64, value);

	for (int at = length - 3; at > 0; at -= 3) {
		memmove(text + at + 1, text + at, (size_t)(length - at) + 1);
		text[at] = ',';
		length++;
	}
	return text;
}

static void print_row(const struct request *request, const char *text, const uint64_t *values)
{
	char number[32];

	printf("  %-34s", text);
	for (unsigned int i = 0; i < RUNS; i++)
		if (request->wants[i])
			printf(" %14s", grouped(values[i], number, sizeof(number)));
	putchar('\n');
}

static void print_calls(const struct request *request, const struct sept_cost *costs)
{
	uint64_t values[RUNS];

	for (unsigned int i = 0; i < RUNS; i++)
		values[i] = calls_of(&costs[i]);
	print_row(request, "SEAMCALLs", values);
	for (unsigned int call = 0; call < TDX_CALLS; call++) {
		uint64_t sum = 0;
		char text[64];

		for (unsigned int i = 0; i < RUNS; i++)
			sum += values[i] = costs[i].calls[call];
		snprintf(text, sizeof(text), "  %s", tdx_call_name((enum tdx_call)call));
		if (sum && is_counted(call))
			print_row(request, text, values);
	}
}

static void print_table(const struct request *request, const struct sept_cost *costs)
{
	uint64_t values[RUNS] = { 0 };
	char number[32];

	printf("%s: %s\n", request->story->name, request->story->about);
	printf("%s MiB, %s PAMT\n\n  %-34s", grouped(request->slots * UINT64_C(2), number, 32),
	       request->is_dynamic ? "Dynamic" : "static", "");
	for (unsigned int i = 0; i < RUNS; i++)
		if (request->wants[i])
			printf(" %14s", runs[i].head);
	putchar('\n');
	for (size_t row = 0; row < ROW_COUNT; row++) {
		for (unsigned int i = 0; i < RUNS; i++)
			values[i] = row_value(&costs[i], row);
		print_row(request, rows[row].text, values);
	}
	for (unsigned int i = 0; i < RUNS; i++)
		values[i] = pamt_static(request);
	print_row(request, "static PAMT of the guest's memory", values);
	print_calls(request, costs);
}

/* --- for a program ------------------------------------------------------------------ */

static json_t *json_of_run(const struct request *request, const struct run *run,
			   const struct sept_cost *cost)
{
	json_t *object = json_object();
	json_t *calls = json_object();

	json_object_set_new(object, "name", json_string(run->name));
	for (size_t row = 0; row < ROW_COUNT; row++)
		json_object_set_new(object, rows[row].key, json_of_count(row_value(cost, row)));
	json_object_set_new(object, "pamt_static", json_of_count(pamt_static(request)));
	json_object_set_new(object, "seamcalls", json_of_count(calls_of(cost)));
	for (unsigned int call = 0; call < TDX_CALLS; call++)
		if (cost->calls[call] && is_counted(call))
			json_object_set_new(calls, tdx_call_name((enum tdx_call)call),
					    json_of_count(cost->calls[call]));
	json_object_set_new(object, "by_call", calls);
	return object;
}

static void print_json(const struct request *request, const struct sept_cost *costs)
{
	json_t *object = json_object();
	json_t *list = json_array();

	json_object_set_new(object, "scenario", json_string(request->story->name));
	json_object_set_new(object, "memory", json_of_count(request->slots * SLOT_BYTES));
	json_object_set_new(object, "dynamic_pamt", json_boolean(request->is_dynamic));
	json_object_set_new(object, "busy", json_of_count(request->busy));
	json_object_set_new(object, "sweep", json_of_count(request->sweep));
	for (unsigned int i = 0; i < RUNS; i++)
		if (request->wants[i])
			json_array_append_new(list, json_of_run(request, &runs[i], &costs[i]));
	json_object_set_new(object, "runs", list);
	json_write(object);
}

/* --- what was asked for --------------------------------------------------------------- */

static int help(void)
{
	printf("usage: tlbtag sept [OPTION]... SCENARIO\n\n"
	       "Plays a scenario with the private memory of a TDX guest on a model of the TDX\n"
	       "module, with 4 KiB mappings only, and with 2 MiB mappings whose splits get their\n"
	       "pages from a shared cache or by reservation, and prints what each cost.\n\n");
	for (unsigned int i = 0; i < sept_story_count; i++)
		printf("  %-9s %s\n", sept_stories[i].name, sept_stories[i].about);
	printf("\n"
	       "  --list             these, alone\n"
	       "  --memory SIZE      of the guest: a multiple of 2M from %uM to %uG; default %uG\n"
	       "  --design D         2 MiB mappings by this design only: cache or reserve\n"
	       "  --no-dynamic-pamt  a host that has all its PAMT from the start\n"
	       "  --busy N           each N-th BLOCK, TRACK, DEMOTE and REMOVE finds a vCPU in\n"
	       "                     its way; 0 = none; default %u\n"
	       "  --sweep N          leaves that are removed with one TRACK, but not with the\n"
	       "                     shared cache; 1 to %u; default %u\n"
	       "  --json             numbers for programs\n\n"
	       "Exit status: 0; 1 if mirror, counters and module did not agree or pages were\n"
	       "lost; 2 bad usage.\n",
	       SEPT_SLOTS_MIN * 2, SLOTS_MAX / 512, SLOTS_DEFAULT / 512, BUSY_DEFAULT,
	       SEPT_SWEEP_MAX, SEPT_SWEEP_MAX);
	return finish_output(EXIT_FINE);
}

static int list(void)
{
	for (unsigned int i = 0; i < sept_story_count; i++)
		printf("%-9s %s\n", sept_stories[i].name, sept_stories[i].about);
	return finish_output(EXIT_FINE);
}

/* "512M", "4G"; 0 if it is not that. */
static uint64_t size_of(const char *text)
{
	unsigned long number;
	char *end;

	errno = 0;
	number = strtoul(text, &end, 10);
	if (errno || end == text || text[0] < '0' || text[0] > '9' || number > UINT32_MAX)
		return 0;
	if (!strcmp(end, "M"))
		return (uint64_t)number << 20;
	return !strcmp(end, "G") ? (uint64_t)number << 30 : 0;
}

static int option_memory(const char *text, uint32_t *slots)
{
	uint64_t size = size_of(text);

	if (size % SLOT_BYTES || size < SEPT_SLOTS_MIN * SLOT_BYTES ||
	    size > SLOTS_MAX * SLOT_BYTES)
		return complain("--memory takes a multiple of 2M from %uM to %uG, not '%s'",
				SEPT_SLOTS_MIN * 2, SLOTS_MAX / 512, text);
	*slots = (uint32_t)(size / SLOT_BYTES);
	return EXIT_FINE;
}

static int option_design(const char *text, bool *wants)
{
	if (strcmp(text, "cache") && strcmp(text, "reserve"))
		return complain("--design takes cache or reserve, not '%s'", text);
	for (unsigned int i = 0; i < RUNS; i++)
		wants[i] = runs[i].is_small || !strcmp(text, runs[i].name);
	return EXIT_FINE;
}

enum option_code {
	OPTION_HELP = OPTION_FIRST,
	OPTION_LIST,
	OPTION_MEMORY,
	OPTION_DESIGN,
	OPTION_NO_DYNAMIC_PAMT,
	OPTION_BUSY,
	OPTION_SWEEP,
	OPTION_JSON,
};

static const struct option options[] = {
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "list", no_argument, NULL, OPTION_LIST },
	{ "memory", required_argument, NULL, OPTION_MEMORY },
	{ "design", required_argument, NULL, OPTION_DESIGN },
	{ "no-dynamic-pamt", no_argument, NULL, OPTION_NO_DYNAMIC_PAMT },
	{ "busy", required_argument, NULL, OPTION_BUSY },
	{ "sweep", required_argument, NULL, OPTION_SWEEP },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ NULL, 0, NULL, 0 },
};

static int take_option(struct request *request, int code, char **argv)
{
	static const struct option_limits any = { 0, UINT32_MAX };
	static const struct option_limits leaves = { 1, SEPT_SWEEP_MAX };

	switch (code) {
	case OPTION_MEMORY:
		return option_memory(optarg, &request->slots);
	case OPTION_DESIGN:
		return option_design(optarg, request->wants);
	case OPTION_NO_DYNAMIC_PAMT:
		request->is_dynamic = false;
		return EXIT_FINE;
	case OPTION_BUSY:
		return option_number("--busy", optarg, &any, &request->busy);
	case OPTION_SWEEP:
		return option_number("--sweep", optarg, &leaves, &request->sweep);
	case OPTION_JSON:
		request->json = true;
		return EXIT_FINE;
	default:
		return option_bad("sept", argv);
	}
}

/* The scenario is the one argument that is no option. */
static int take_story(struct request *request, int argc, char **argv)
{
	if (optind == argc)
		return complain("sept: which scenario? 'tlbtag sept --list' lists them");
	if (optind + 1 < argc)
		return complain("sept: unexpected '%s'", argv[optind + 1]);
	request->story = sept_story_find(argv[optind]);
	if (!request->story)
		return complain("sept: no scenario '%s'; 'tlbtag sept --list' lists them",
				argv[optind]);
	return EXIT_FINE;
}

/* --- the runs ----------------------------------------------------------------------------- */

static int play(const struct request *request, struct sept_cost *costs)
{
	for (unsigned int i = 0; i < RUNS; i++) {
		const struct sept_setup setup = {
			.slots = request->slots, .design = runs[i].design,
			.is_small = runs[i].is_small, .is_dynamic = request->is_dynamic,
			.busy = request->busy, .refused = TDX_CALLS,
			/* The proposal removes leaf by leaf. */
			.sweep = runs[i].design == TLBTAG_SUPPLY_CACHE ? 1 : request->sweep,
		};
		const char *wrong = NULL;

		if (!request->wants[i])
			continue;
		progress("%s: %s", request->story->name, runs[i].head);
		if (sept_story_play(request->story, &setup, &costs[i], &wrong) == -ENOMEM)
			return complain("sept: out of memory");
		if (!wrong)
			continue;
		progress_end();
		printf("%s, %s: %s\n", request->story->name, runs[i].head, wrong);
		return EXIT_FOUND;
	}
	progress_end();
	return EXIT_FINE;
}

int sept_main(int argc, char **argv)
{
	struct request request = { .slots = SLOTS_DEFAULT, .busy = BUSY_DEFAULT,
				   .sweep = SEPT_SWEEP_MAX,
				   .is_dynamic = true, .wants = { true, true, true } };
	static struct sept_cost costs[RUNS];
	int result = EXIT_FINE;
	int code;

	opterr = 0;
	while ((code = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (code == OPTION_HELP)
			return help();
		if (code == OPTION_LIST)
			return list();
		result = take_option(&request, code, argv);
		if (result != EXIT_FINE)
			return result;
	}
	result = take_story(&request, argc, argv);
	if (result == EXIT_FINE)
		result = play(&request, costs);
	if (result != EXIT_FINE)
		return result == EXIT_FOUND && finish_output(result) == EXIT_BAD ? EXIT_BAD :
										   result;
	if (request.json)
		print_json(&request, costs);
	else
		print_table(&request, costs);
	return finish_output(EXIT_FINE);
}
