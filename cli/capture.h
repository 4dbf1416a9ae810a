/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * capture: a recording in the making, in a tracing instance of its own.
 *
 * libtracefs makes the instance and the kprobes. The recording itself is done by
 * the program trace-cmd: it empties the buffers of all CPUs in time and writes a
 * trace.dat, for which the libraries have no public call. It gets a directory of
 * its own beside the output, and the output is moved to its place when it is whole.
 *
 * trace-cmd records while a command runs. Ours tells down one pipe that it has
 * begun, and ends when the other one is closed: so nobody has to guess when
 * recording begins, and it ends if this process is killed.
 */
#ifndef TLBTAG_CLI_CAPTURE_H
#define TLBTAG_CLI_CAPTURE_H

#include "probe.h"

#include <sys/types.h>

struct capture {
	const char *tracefs;
	const char *output;
	char name[32]; /* of the instance, and of the group of kprobes */
	char directory[4096]; /* of trace-cmd; "": there is none */
	struct tracefs_instance *instance;
	struct tracefs_dynevent *dynevents[PROBES_MAX];
	pid_t recorder; /* 0: it does not run */
	int ready; /* readable when it records */
	int hold; /* it records until this is closed */
	/* Once it was stopped: events that the kernel lost; and those that it did not,
	 * which must be in the file, or 0 if that could not be told. */
	uint64_t lost;
	uint64_t kept;
};

/*
 * Each returns 0, or -1 with one line in error. capture_close() must follow
 * whatever happened, and when the recorder has ended.
 */
int capture_open(struct capture *capture, const char *tracefs, const char *output, char *error,
		 size_t size);

/* Make the kprobe; if the kernel refuses it, the choice becomes CHOICE_MISSING. */
void capture_attach(struct capture *capture, unsigned int index, struct choice *choice);

/* capture.recorder then says, by capture.ready, that it has begun, or ends. */
int capture_start(struct capture *capture, const struct choice *choices, uint32_t kilobytes,
		  char *error, size_t size);

/* End the recording and count what was lost; trace-cmd then writes, and ends. */
void capture_stop(struct capture *capture);

/* What trace-cmd complained about, in one line. */
void capture_complaint(const struct capture *capture, char *text, size_t size);

/* The file as it is until capture_keep() moves it to its place. */
void capture_path(const struct capture *capture, char *path, size_t size);
int capture_keep(struct capture *capture, char *error, size_t size);

void capture_close(struct capture *capture);

/* What a recording that was killed left behind; returns how many instances. */
unsigned int capture_sweep(const char *tracefs);

#endif
