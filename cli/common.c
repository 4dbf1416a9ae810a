/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the subcommands have in common: errors, options, progress.
 */
#include "cli.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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

int option_number(const char *option, const char *text, const struct option_limits *limits,
		  uint32_t *value)
{
	unsigned long number;
	char *end;

	errno = 0;
	number = strtoul(text, &end, 0);
	if (errno || end == text || *end || text[0] == '-' || number < limits->least ||
	    number > limits->most)
		return complain("%s takes a number from %u to %u, not '%s'", option, limits->least,
				limits->most, text);
	*value = (uint32_t)number;
	return EXIT_FINE;
}

int option_yes_no(const char *option, const char *text, bool *value)
{
	if (strcmp(text, "yes") && strcmp(text, "no"))
		return complain("%s takes yes or no, not '%s'", option, text);
	*value = text[0] == 'y';
	return EXIT_FINE;
}

/* getopt stays at a word of several letters until it is through with it. */
int option_bad(const char *command, char **argv)
{
	char letter[] = { '-', (char)optopt, '\0' };
	bool is_letter = optopt > ' ' && optopt < OPTION_FIRST;

	return complain("%s: bad option '%s'; see 'tlbtag %s --help'", command,
			is_letter ? letter : argv[optind - 1], command);
}

double clock_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static double last_shown;
static bool is_shown;

void progress(const char *format, ...)
{
	double now = clock_seconds();
	va_list arguments;

	if (now - last_shown < 0.2 || !isatty(STDERR_FILENO))
		return;
	last_shown = now;
	is_shown = true;
	fputs("\r\033[K", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fflush(stderr);
}

void progress_end(void)
{
	if (is_shown)
		fputs("\r\033[K", stderr);
	is_shown = false;
}

void progress_of_file(void *path, uint64_t records)
{
	progress("%s: %llu events", (const char *)path, (unsigned long long)records);
}
