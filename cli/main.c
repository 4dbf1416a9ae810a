/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * tlbtag: the command. Each subcommand has a file of its own.
 */
#include "cli.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#ifndef TLBTAG_VERSION
#define TLBTAG_VERSION "unreleased"
#endif

static const struct {
	const char *name;
	int (*main)(int argc, char **argv);
	const char *about;
} commands[] = {
	{ "replay", replay_main, "what a recorded host flushed, and what it had to" },
	{ "events", events_main, "print a recording in the event vocabulary" },
	{ "rules", rules_main, "print the rules of the library" },
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

/* A file's name, or a word of a damaged file, may hold newlines and escapes. */
int complain(const char *format, ...)
{
	char text[8192];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	fprintf(stderr, "tlbtag: %s\n", text);
	return EXIT_BAD;
}

int finish_output(int code)
{
	if (fflush(stdout) || ferror(stdout))
		return complain("cannot write to standard output");
	return code;
}

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
