/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * tlbtag: the command. Each subcommand has a file of its own.
 */
#include "cli.h"

#include <string.h>

#ifndef TLBTAG_VERSION
#define TLBTAG_VERSION "unreleased"
#endif

static const struct {
	const char *name;
	int (*main)(int argc, char **argv);
	const char *about;
} commands[] = {
	{ "record", record_main, "record KVM on this host, for replay and audit" },
	{ "replay", replay_main, "what a recorded host flushed, and what it had to" },
	{ "audit", audit_main, "which VM entries of a recorded host missed a flush" },
	{ "check", check_main, "look for a stale translation, story after story" },
	{ "mutants", mutants_main, "is every rule needed, every old mistake found?" },
	{ "sept", sept_main, "what splits of a TDX guest's memory cost" },
	{ "events", events_main, "print a recording in the event vocabulary" },
	{ "rules", rules_main, "print the rules of the library" },
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static int help(void)
{
	puts("usage: tlbtag COMMAND [OPTION]... [FILE]...\n");
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		printf("  %-8s  %s\n", commands[i].name, commands[i].about);
	puts("\n'tlbtag COMMAND --help' says more. Exit status: 0 fine, 1 a check found\n"
	     "something, 2 bad input or usage.");
	return finish_output(EXIT_FINE);
}

static int version(void)
{
	puts("tlbtag " TLBTAG_VERSION);
	return finish_output(EXIT_FINE);
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return complain("which command? 'tlbtag --help' lists them");
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return help();
	if (!strcmp(argv[1], "--version"))
		return version();
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].main(argc - 1, argv + 1);
	return complain("no command '%s'; 'tlbtag --help' lists them", argv[1]);
}
