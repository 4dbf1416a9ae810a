/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * session: signals are taken from a descriptor, so all that can happen is waited
 * for in one place, and nothing happens anywhere else.
 */
#include "session.h"

#include "capture.h"
#include "cli.h"
#include "../replay/record.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct session {
	const struct session_options *options;
	struct capture capture;
	int signals;
	sigset_t before; /* the mask that a command gets */
	pid_t command; /* 0: none runs */
	int command_status;
	int recorder_status;
	bool interrupted;
	double begun;
};

enum happening {
	HAPPENED_READY,
	HAPPENED_TIMEOUT,
	HAPPENED_INTERRUPT,
	HAPPENED_CHILD, /* one of both children ended: its pid is 0 now */
};

/* --- what happens ------------------------------------------------------------- */

static bool reap(pid_t *pid, int *status)
{
	if (!*pid || waitpid(*pid, status, WNOHANG) != *pid)
		return false;
	*pid = 0;
	return true;
}

static bool reap_any(struct session *session)
{
	bool command = reap(&session->command, &session->command_status);
	bool recorder = reap(&session->capture.recorder, &session->recorder_status);

	return command || recorder;
}

/* A key at the terminal reaches the command by itself. */
static void pass_on(const struct session *session, const struct signalfd_siginfo *info)
{
	if (session->command && info->ssi_code != SI_KERNEL)
		kill(session->command, (int)info->ssi_signo);
}

static int milliseconds_to(double deadline)
{
	double left = deadline - clock_seconds();

	if (deadline == 0)
		return -1;
	if (left > 1000)
		return 1000 * 1000;
	return left > 0 ? (int)(left * 1000) + 1 : 0;
}

/* deadline 0: none; ready: wait for trace-cmd's word as well. */
static enum happening await(struct session *session, double deadline, bool ready)
{
	struct pollfd wait[] = { { .fd = session->signals, .events = POLLIN },
				 { .fd = session->capture.ready, .events = POLLIN } };
	struct signalfd_siginfo info;
	char byte;

	for (;;) {
		if (reap_any(session))
			return HAPPENED_CHILD;
		if (deadline != 0 && clock_seconds() >= deadline)
			return HAPPENED_TIMEOUT;
		if (poll(wait, ready ? 2 : 1, milliseconds_to(deadline)) <= 0)
			continue;
		if (ready && wait[1].revents) {
			/* Its end without a byte: trace-cmd has gone, or is about to. */
			if (read(session->capture.ready, &byte, 1) == 1)
				return HAPPENED_READY;
			ready = false;
		}
		if (!(wait[0].revents & POLLIN) ||
		    read(session->signals, &info, sizeof(info)) != sizeof(info) ||
		    info.ssi_signo == SIGCHLD)
			continue;
		pass_on(session, &info);
		session->interrupted = true;
		return HAPPENED_INTERRUPT;
	}
}

/* --- steps -------------------------------------------------------------------------- */

static void choose_all(const struct host *host, struct session *session, struct choice *choices)
{
	for (unsigned int i = 0; probes[i].name; i++) {
		probe_choose(host, choices, i);
		if (choices[i].kind == CHOICE_KPROBE)
			capture_attach(&session->capture, i, &choices[i]);
	}
}

static void warn_fields(const char *name, const char *lacks)
{
	while (*lacks) {
		size_t size = strcspn(lacks, " ");
		const char *unknown = probe_field_unknown(lacks, size);

		if (unknown)
			complain("not recorded: %.*s of %s (no offset); unknown then: %s",
				 (int)size, lacks, name, unknown);
		lacks += size + (lacks[size] == ' ');
	}
}

void session_warn(const struct host *host, const struct choice *choices)
{
	if (host->vendor == VENDOR_INTEL)
		complain("on Intel a flush is an instruction (INVVPID, INVEPT) and no part of a "
			 "VM entry: what the kernel flushed is unknown, and audit has nothing "
			 "to judge");
	for (unsigned int i = 0; probes[i].name; i++) {
		if (choices[i].kind == CHOICE_MISSING)
			complain("not recorded: %s (%s); unknown then: %s", probes[i].name,
				 choices[i].reason, probes[i].unknown);
		else if (host->vendor == VENDOR_AMD)
			warn_fields(probes[i].name, choices[i].lacks);
	}
}

static int fail_recorder(const struct session *session)
{
	char text[512];

	capture_complaint(&session->capture, text, sizeof(text));
	return complain("record: trace-cmd failed%s%s", text[0] ? ": " : "", text);
}

static int start_recorder(struct session *session, const struct choice *choices)
{
	char error[512];

	if (capture_start(&session->capture, choices, session->options->kilobytes, error,
			  sizeof(error)))
		return complain("record: %s", error);
	switch (await(session, 0, true)) {
	case HAPPENED_READY:
		session->begun = clock_seconds();
		return EXIT_FINE;
	case HAPPENED_INTERRUPT:
		return complain("record: interrupted before it began");
	case HAPPENED_CHILD:
	case HAPPENED_TIMEOUT:
		break;
	}
	return fail_recorder(session);
}

static int start_command(struct session *session)
{
	char **command = session->options->command;
	posix_spawnattr_t attributes;
	int failed;

	if (!command)
		return EXIT_FINE;
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigmask(&attributes, &session->before);
	failed = posix_spawnp(&session->command, command[0], NULL, &attributes, command, environ);
	posix_spawnattr_destroy(&attributes);
	if (!failed)
		return EXIT_FINE;
	session->command = 0;
	return complain("record: cannot run %s: %s", command[0], strerror(failed));
}

/* Until the command, the time or the user's patience ends; a second signal kills. */
static int record_on(struct session *session)
{
	const struct session_options *options = session->options;
	double deadline = options->seconds ? session->begun + options->seconds : 0;
	bool again = false;

	while (session->capture.recorder) {
		enum happening happening = await(session, deadline, false);

		if (happening == HAPPENED_TIMEOUT || !options->command)
			break;
		if (!session->command)
			break;
		if (happening == HAPPENED_INTERRUPT && again)
			kill(session->command, SIGKILL);
		again |= happening == HAPPENED_INTERRUPT;
	}
	return session->capture.recorder ? EXIT_FINE : fail_recorder(session);
}

static int stop(struct session *session)
{
	capture_stop(&session->capture);
	while (session->capture.recorder)
		await(session, 0, false);
	return session->recorder_status ? fail_recorder(session) : EXIT_FINE;
}

/* Read it once: a recording that cannot be read is none. */
static int read_through(const char *path, uint64_t *events, uint64_t *lost)
{
	char error[512];
	struct record record;
	struct trace *trace;
	int more;

	if (trace_open(&trace, path, error, sizeof(error)))
		return complain("record: what trace-cmd wrote cannot be read: %s", error);
	do {
		more = trace_next(trace, &record);
		progress("reading it: %llu events",
			 (unsigned long long)trace_stats(trace)->records);
	} while (more > 0);
	progress_end();
	*events = trace_stats(trace)->records + trace_stats(trace)->unparsed;
	*lost = trace_stats(trace)->lost;
	if (more < 0)
		complain("record: what trace-cmd wrote cannot be read: %s", trace_error(trace));
	trace_close(trace);
	return more < 0 ? EXIT_BAD : EXIT_FINE;
}

static void say_what_came(const struct session *session, uint64_t events, double seconds)
{
	unsigned long long lost = session->capture.lost;
	int status = session->command_status;

	if (status)
		complain("warning: %s ended with %s %d", session->options->command[0],
			 WIFEXITED(status) ? "status" : "signal",
			 WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	if (lost)
		complain("warning: %llu events were lost: all counts are doubtful; try a larger "
			 "--buffer than %u",
			 lost, session->options->kilobytes);
	printf("%s: %llu events in %.1f seconds, %llu lost\n", session->options->output,
	       (unsigned long long)events, seconds, lost);
}

static int keep(struct session *session, double seconds)
{
	uint64_t events = 0, lost = 0;
	char path[4200], error[4400];

	capture_path(&session->capture, path, sizeof(path));
	if (read_through(path, &events, &lost))
		return EXIT_BAD;
	if (events < session->capture.kept)
		return complain("record: only %llu of %llu events came into the file: was the disk "
				"full?",
				(unsigned long long)events,
				(unsigned long long)session->capture.kept);
	if (lost > session->capture.lost)
		session->capture.lost = lost;
	if (capture_keep(&session->capture, error, sizeof(error)))
		return complain("record: %s", error);
	say_what_came(session, events, seconds);
	return finish_output(EXIT_FINE);
}

static int record_all(const struct host *host, struct session *session, struct choice *choices)
{
	double seconds;
	int code;

	choose_all(host, session, choices);
	session_warn(host, choices);
	if (!probe_has_entries(choices))
		return complain("record: VM entries cannot be recorded on this kernel");
	code = start_recorder(session, choices);
	if (!code)
		code = start_command(session);
	if (code)
		return code;
	complain("recording%s", session->options->command ? "" :
				session->options->seconds ? "" :
							    "; Ctrl-C ends it");
	code = record_on(session);
	if (code)
		return code;
	seconds = clock_seconds() - session->begun;
	code = stop(session);
	return code ? code : keep(session, seconds);
}

/* A command that still runs when trace-cmd has failed is not ours to end. */
static void wait_for_command(struct session *session)
{
	while (session->command)
		await(session, 0, false);
}

int session_run(const struct host *host, const struct session_options *options,
		struct choice *choices)
{
	struct session session = { .options = options };
	char error[4400];
	sigset_t caught;
	int code;

	sigemptyset(&caught);
	sigaddset(&caught, SIGINT);
	sigaddset(&caught, SIGTERM);
	sigaddset(&caught, SIGHUP);
	sigaddset(&caught, SIGCHLD);
	sigprocmask(SIG_BLOCK, &caught, &session.before);
	session.signals = signalfd(-1, &caught, SFD_CLOEXEC);
	if (session.signals < 0)
		return complain("record: signalfd: %s", strerror(errno));
	if (capture_open(&session.capture, host->tracefs, options->output, error, sizeof(error)))
		code = complain("record: %s", error);
	else
		code = record_all(host, &session, choices);
	capture_close(&session.capture);
	wait_for_command(&session);
	close(session.signals);
	sigprocmask(SIG_SETMASK, &session.before, NULL);
	return code;
}
