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

/* Flush standard output; a full disk is an error too. Returns an exit code. */
int finish_output(int code);

/* A subcommand; argv[0] is its name. Returns an exit code. */
int replay_main(int argc, char **argv);
int events_main(int argc, char **argv);
int rules_main(int argc, char **argv);

/* Writers of results on standard output. */
void table_print(const struct replay_result *results, size_t count);
void json_print(const struct replay_result *results, size_t count);
void csv_print(const struct replay_result *results, size_t count);

#endif
