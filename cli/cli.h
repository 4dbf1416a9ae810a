/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the subcommands have in common.
 */
#ifndef TLBTAG_CLI_H
#define TLBTAG_CLI_H

#include "../replay/replay.h"

/* Exit codes of every subcommand. */
#define EXIT_FINE 0
#define EXIT_FOUND 1	/* a check found what it looked for */
#define EXIT_BAD 2	/* bad input or usage */

/* Print "tlbtag: ..." as one line on standard error and return EXIT_BAD. */
int complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The codes of long options begin here, above all letters. */
#define OPTION_FIRST 256

/* What a number on the command line may be. */
struct option_limits {
	uint32_t least;
	uint32_t most;
};

/* Read the value of an option; complain and return EXIT_BAD if it is wrong. */
int option_number(const char *option, const char *text, const struct option_limits *limits,
		  uint32_t *value);
int option_yes_no(const char *option, const char *text, bool *value);

/* Complain about the option that getopt_long() has just refused. */
int option_bad(const char *command, char **argv);

/* Seconds since an arbitrary moment; says nothing that results depend on. */
double clock_seconds(void);

/*
 * A line that says how far it is: only if standard error is a terminal, and at
 * most a few times per second.
 */
void progress(const char *format, ...) __attribute__((format(printf, 1, 2)));
void progress_end(void);

/* The progress function of replay_run() and audit_run(); their context is the path. */
void progress_of_file(void *path, uint64_t records);

/* Flush standard output; a full disk is an error too. Returns an exit code. */
int finish_output(int code);

/* A subcommand; argv[0] is its name. Returns an exit code. */
int replay_main(int argc, char **argv);
int audit_main(int argc, char **argv);
int events_main(int argc, char **argv);
int rules_main(int argc, char **argv);
int check_main(int argc, char **argv);
int mutants_main(int argc, char **argv);
int record_main(int argc, char **argv);
int sept_main(int argc, char **argv);

/* Writers of results on standard output. */
void table_print(const struct replay_result *results, size_t count);
void json_print(const struct replay_result *results, size_t count);
void csv_print(const struct replay_result *results, size_t count);

#endif
