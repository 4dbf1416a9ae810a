/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * session: one recording from its beginning to its end, with whatever may happen
 * in between: the time is up, the command ends, a signal comes, trace-cmd fails.
 */
#ifndef TLBTAG_CLI_SESSION_H
#define TLBTAG_CLI_SESSION_H

#include "probe.h"

struct session_options {
	const char *output;
	char **command; /* NULL: none; it ends with NULL */
	uint32_t seconds; /* 0: no limit */
	uint32_t kilobytes; /* of buffer for each CPU */
};

/*
 * Attach, record, and leave nothing behind. choices are made here, as a kprobe
 * may be refused. Returns an exit code; errors were printed.
 */
int session_run(const struct host *host, const struct session_options *options,
		struct choice *choices);

/* Print, a line each, what is not recorded, and what is unknown then. */
void session_warn(const struct host *host, const struct choice *choices);

#endif
