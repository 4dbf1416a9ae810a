/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Runs a fuzz target over the files and directories (one level) given as
 * arguments, so that what fuzzing once found stays a test with any compiler.
 * The empty input is always tried too. --without RULE, first: with that rule of the
 * library switched off, which some input should not survive.
 */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <tlbtag_port.h>

#include "../check/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned int inputs;

static void give_up(const char *path)
{
	fprintf(stderr, "%s: %s\n", path, strerror(errno));
	exit(1);
}

/* Exactly as long as the input, so that ASan sees one byte too far. */
static void run_bytes(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		give_up("input");
	if (size)
		memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
	inputs++;
}

static void run_file(const char *path, size_t size)
{
	uint8_t *data = malloc(size ? size : 1);
	FILE *file = fopen(path, "rb");

	if (!file || !data)
		give_up(path);
	size = fread(data, 1, size, file);
	if (ferror(file))
		give_up(path);
	fclose(file);
	/* The last line before a crash tells which input it was. */
	printf("%s\n", path);
	fflush(stdout);
	run_bytes(data, size);
	free(data);
}

static bool run_if_file(const char *path)
{
	struct stat status;

	if (stat(path, &status) != 0)
		give_up(path);
	if (!S_ISREG(status.st_mode))
		return false;
	run_file(path, (size_t)status.st_size);
	return true;
}

static void run_directory(const char *path)
{
	struct dirent **entries;
	int count = scandir(path, &entries, NULL, alphasort);

	if (count < 0)
		give_up(path);
	for (int index = 0; index < count; index++) {
		char *name;

		if (asprintf(&name, "%s/%s", path, entries[index]->d_name) < 0)
			give_up(path);
		run_if_file(name);
		free(name);
		free(entries[index]);
	}
	free(entries);
}

static void switch_off(const char *name)
{
	uint32_t rule = config_rule_find(name);

	if (rule == UINT32_MAX) {
		fprintf(stderr, "no rule '%s'\n", name);
		exit(2);
	}
	tlbtag_sim_rule_off(rule);
}

int main(int argc, char **argv)
{
	int first = 1;

	if (argc > 2 && !strcmp(argv[1], "--without")) {
		switch_off(argv[2]);
		first = 3;
	}
	run_bytes(NULL, 0);
	for (int index = first; index < argc; index++)
		if (!run_if_file(argv[index]))
			run_directory(argv[index]);
	printf("%s: %u inputs\n", argv[0], inputs);
	return 0;
}
