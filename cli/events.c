/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * tlbtag events: a recording in the event vocabulary, one event a line.
 */
#include "cli.h"

#include <string.h>

/* The head waits for the first event: of a file that is no recording nothing is printed. */
static void print_event(void *context, const struct event *event)
{
	bool *begun = context;

	if (!*begun)
		puts(EVENT_FILE_HEAD);
	*begun = true;
	event_print(event, stdout);
}

int events_main(int argc, char **argv)
{
	static const struct policy_ops *const none[] = { NULL };
	static struct replay_result result;
	bool begun = false;
	struct replay_options options = {
		.policies = none,
		.flush_by_asid = -1,
		.each_event = print_event,
		.context = &begun,
	};
	char error[512];

	if (argc == 2 && !strcmp(argv[1], "--help")) {
		puts("usage: tlbtag events TRACE\n\n"
		     "Prints what happened to guests, one event a line; doc/EVENTS.md describes\n"
		     "them. 'tlbtag replay --events' reads the result.");
		return finish_output(EXIT_FINE);
	}
	if (argc != 2 || (argv[1][0] == '-' && argv[1][1]))
		return complain("events: one recording, please; see 'tlbtag events --help'");
	if (replay_run(argv[1], &options, &result, error, sizeof(error)))
		return complain("%s", error);
	if (!begun)
		puts(EVENT_FILE_HEAD);
	return finish_output(EXIT_FINE);
}
