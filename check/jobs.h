/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Work spread over processes, its results in order. How many processes there
 * are changes nothing but the time it takes.
 */
#ifndef CHECK_JOBS_H
#define CHECK_JOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* More would not fit into one machine's sense. */
#define JOBS_MAX 256u

/**
 * struct jobs - what to do
 * @workers: processes; 1: in this one
 * @count: of tasks; they are numbered from 0
 * @work: does a task and writes what came of it; in a worker
 * @take: gets what came of a task, in the order of their numbers; NULL and the
 *	status of the worker that died of it; false: no more tasks
 * @cookie: first argument of both
 */
struct jobs {
	unsigned int workers;
	uint64_t count;
	void (*work)(void *cookie, uint64_t task, FILE *out);
	bool (*take)(void *cookie, uint64_t task, const void *result, size_t size, int status);
	void *cookie;
};

/* Return: 0 or -errno. */
int jobs_run(const struct jobs *jobs);

#endif
