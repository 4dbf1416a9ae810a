/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The benchmark's frame. An absolute time says little about another machine, so
 * what counts is the ratio; the two sides of a cell take turns within fractions
 * of a second, so that whatever else the machine does hits both, and the median
 * of many turns leaves out where it hit only one.
 *
 *	bench FILE.json [PART]
 *
 * With PART only the cells whose name contains it.
 *
 * Exit status: 0; 1 on failure; 77 if cells had to be left out.
 */
#include "bench/bench.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "bench/peer.h"

#define ROUNDS 101
#define ROUND_NS 500000.0
#define EXIT_SKIPPED 77

/* What doc and README promise of a cell: peer / ours is at least this. */
struct target {
	const char *name;
	double ratio;
};

static const struct target targets[] = {
	{ "pool.pair.256.0", 1.15 },
	{ "pool.pair.256.50", 1.15 },
	{ "pool.pair.256.99", 1.15 },
	{ "pool.pair.1006.0", 1.15 },
	{ "pool.pair.1006.50", 1.15 },
	{ "pool.pair.1006.99", 1.15 },
	{ "pool.pair.32768.50", 7 },
	{ "pool.pair.32768.99", 12 },
	{ "pool.pair.65535.50", 10 },
	{ "pool.pair.65535.99", 20 },
	{ "pool.full.1006", 6 },
	{ "pool.full.65535", 100 },
	{ "pool.churn.1006", 1.7 },
	{ "pool.churn.32768", 4 },
	{ "pool.churn.65535", 6 },
	{ "owner.hit.hot", 10 },
	{ "owner.hit.random30000", 12 },
	{ "owner.change.1000", 5 },
	{ "owner.migrate.1000", 5 },
	{ "owner.create_destroy.512cpu", 1000 },
	{ "owner.memory.512cpu.30000vm", 100 },
	{ "pamt.get.hot", 0.667 },
	{ "pamt.get.4096", 0.667 },
	{ "sept.decide.512", 10 },
	{ "pamt.memory.1tib", 1000 },
};

static FILE *json;
static const char *wanted = "";
static uint32_t cells;
static uint32_t cells_skipped;
static uint32_t targets_missed;

static double target_of(const char *name)
{
	for (size_t nr = 0; nr < sizeof(targets) / sizeof(targets[0]); nr++)
		if (!strcmp(targets[nr].name, name))
			return targets[nr].ratio;
	return 0;
}

bool bench_wants(const char *name)
{
	return strstr(name, wanted);
}

/* --- output ---------------------------------------------------------------- */

static void cell_begin(const char *name)
{
	fprintf(json, "%s\n  {\"name\": \"%s\", ", cells++ ? "," : "", name);
}

static void cell_print(const char *name, double peer, double ours, const char *unit)
{
	double target = target_of(name);
	double ratio = peer / ours;
	const char *verdict = "";

	cell_begin(name);
	fprintf(json, "\"peer_ns\": %.3f, \"ours_ns\": %.3f, \"ratio\": %.3f, \"unit\": \"%s\"}",
		peer, ours, ratio, unit);
	if (target > 0 && ratio >= target)
		verdict = "met";
	if (target > 0 && ratio < target) {
		verdict = "MISSED";
		targets_missed++;
	}
	printf("%-30s %14.2f %12.2f %-6s %10.2f", name, peer, ours, unit, ratio);
	if (target > 0)
		printf("  %8.2f %s", target, verdict);
	printf("\n");
}

void bench_bytes(const char *name, uint64_t peer, uint64_t ours)
{
	cell_print(name, (double)peer, (double)ours, "bytes");
}

void bench_skip(const char *name, const char *unit, const char *why)
{
	cell_begin(name);
	fprintf(json, "\"peer_ns\": null, \"ours_ns\": null, \"ratio\": null, \"unit\": \"%s\", "
		"\"skipped\": \"%s\"}", unit, why);
	printf("%-30s skipped\n", name);
	cells_skipped++;
}

void bench_differ(const char *what)
{
	fflush(stdout);
	fprintf(stderr, "bench: the two sides differ: %s\n", what);
	exit(1);
}

/* --- measuring --------------------------------------------------------------- */

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double run_ns(bench_side *side, void *state, uint64_t count)
{
	double begin = now_ns();

	side(state, count);
	return now_ns() - begin;
}

/* How many operations take about one round; warms up, too. */
static uint64_t round_count(bench_side *side, void *state)
{
	uint64_t count = 1;

	while (run_ns(side, state, count) < ROUND_NS / 2)
		count *= 2;
	return count;
}

static int compare_times(const void *left, const void *right)
{
	double a = *(const double *)left;
	double b = *(const double *)right;

	return (a > b) - (a < b);
}

static double median(double *times)
{
	qsort(times, ROUNDS, sizeof(times[0]), compare_times);
	return times[ROUNDS / 2];
}

void bench_time(const char *name, const struct bench_sides *sides)
{
	static double peer[ROUNDS];
	static double ours[ROUNDS];
	uint64_t peer_count = round_count(sides->peer, sides->state);
	uint64_t ours_count = round_count(sides->ours, sides->state);

	for (int round = 0; round < ROUNDS; round++) {
		peer[round] = run_ns(sides->peer, sides->state, peer_count) / (double)peer_count;
		ours[round] = run_ns(sides->ours, sides->state, ours_count) / (double)ours_count;
	}
	cell_print(name, median(peer), median(ours), "ns");
}

void bench_note(const char *name, bench_side *side, void *state)
{
	static double times[ROUNDS];
	uint64_t count;

	if (!bench_wants(name))
		return;
	count = round_count(side, state);
	for (int round = 0; round < ROUNDS; round++)
		times[round] = run_ns(side, state, count) / (double)count;
	printf("(%s: %.2f ns)\n", name, median(times));
}

/* --- the rest ---------------------------------------------------------------- */

void *bench_memory(uint64_t size)
{
	void *memory = aligned_alloc(64, (size + 63) / 64 * 64);

	if (!memory) {
		fprintf(stderr, "bench: out of memory\n");
		exit(1);
	}
	memset(memory, 0, size);
	return memory;
}

uint32_t *bench_random(uint32_t count, uint32_t limit)
{
	uint32_t *numbers = bench_memory(sizeof(*numbers) * count);
	uint64_t random = 88172645463325252u;

	for (uint32_t nr = 0; nr < count; nr++) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		numbers[nr] = (uint32_t)((random >> 32) * limit >> 32);
	}
	return numbers;
}

/* The highest CPU we may use: interrupts prefer the lowest. */
static void pin_to_one_cpu(void)
{
	cpu_set_t set;
	int cpu = CPU_SETSIZE - 1;

	if (sched_getaffinity(0, sizeof(set), &set))
		return;
	while (cpu > 0 && !CPU_ISSET(cpu, &set))
		cpu--;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fprintf(stderr, "bench: cannot pin to a CPU; times may jump\n");
}

static void machine_print(void)
{
	FILE *file = fopen("/proc/cpuinfo", "r");
	char line[256] = "";
	const char *model = "unknown CPU";
	struct utsname name;

	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, "model name", 10) || !strchr(line, ':'))
			continue;
		line[strcspn(line, "\n")] = 0;
		model = strchr(line, ':') + 2;
		break;
	}
	if (file)
		fclose(file);
	uname(&name);
	printf("%s, %s %s, compiler %s\n", model, name.sysname, name.release, __VERSION__);
	printf("one thread on one CPU; median of %d rounds that alternate with the peer's\n\n",
	       ROUNDS);
	printf("%-30s %14s %12s %-6s %10s  %8s\n", "", "peer", "ours", "unit", "ratio", "target");
}

int main(int argc, char **argv)
{
	if (argc < 2 || argc > 3 || !(json = fopen(argv[1], "w"))) {
		fprintf(stderr, "usage: bench FILE.json [PART]\n");
		return 1;
	}
	if (argc == 3)
		wanted = argv[2];
	setvbuf(stdout, NULL, _IOLBF, 0);
	pin_to_one_cpu();
	machine_print();
	fprintf(json, "[");
	bench_pool();
	bench_owner();
	bench_plan();
	bench_sept();
	fprintf(json, "\n]\n");
	if (ferror(json) || fclose(json)) {
		fprintf(stderr, "bench: cannot write %s\n", argv[1]);
		return 1;
	}
	printf("\n%u cells, %u targets missed, %u skipped%s%s\n", cells, targets_missed,
	       cells_skipped, cells_skipped ? ": " : "", cells_skipped ? peer_missing() : "");
	return cells_skipped ? EXIT_SKIPPED : 0;
}
