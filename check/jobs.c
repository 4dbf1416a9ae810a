/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Worker processes. Each has a pipe for the numbers of tasks and one for
 * answers. A worker that dies takes only its task with it.
 */
#include "jobs.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* Answers that wait for an earlier one, per worker. */
#define WINDOW_PER_WORKER 16u

/* In front of each answer. */
struct head {
	uint64_t task;
	uint64_t size;
};

struct worker {
	pid_t pid;
	int tasks;
	int answers;
	bool busy;
	uint64_t task;
};

struct answer {
	bool ready;
	void *data; /* NULL: the worker died */
	size_t size;
	int status;
};

struct crew {
	const struct jobs *jobs;
	struct worker worker[JOBS_MAX];
	unsigned int workers;
	struct answer *window;
	uint64_t window_size;
	uint64_t given; /* tasks up to here were given out */
	uint64_t taken; /* answers up to here were taken */
	bool enough;
};

/* --- bytes ------------------------------------------------------------------- */

static bool write_all(int file, const void *data, size_t size)
{
	const char *from = data;

	while (size) {
		ssize_t done = write(file, from, size);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		from += done;
		size -= (size_t)done;
	}
	return true;
}

static bool read_all(int file, void *data, size_t size)
{
	char *to = data;

	while (size) {
		ssize_t done = read(file, to, size);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		to += done;
		size -= (size_t)done;
	}
	return true;
}

/* What @work wrote; NULL when out of memory. */
static char *do_task(const struct jobs *jobs, uint64_t task, size_t *size)
{
	char *data = NULL;
	FILE *out = open_memstream(&data, size);

	if (!out)
		return NULL;
	jobs->work(jobs->cookie, task, out);
	if (!fclose(out))
		return data;
	free(data);
	return NULL;
}

/* --- in the worker ----------------------------------------------------------- */

static void serve(const struct jobs *jobs, int tasks, int answers)
{
	struct head head = { .task = 0 };
	bool fine = true;

	while (fine && read_all(tasks, &head.task, sizeof(head.task))) {
		size_t size = 0;
		char *data = do_task(jobs, head.task, &size);

		head.size = size;
		fine = data && write_all(answers, &head, sizeof(head)) &&
		       write_all(answers, data, size);
		free(data);
	}
	_exit(fine ? 0 : 1);
}

/* A worker must not hold the others' pipes, or they would never end. */
static void close_others(const struct crew *crew)
{
	for (unsigned int i = 0; i < crew->workers; i++)
		if (crew->worker[i].pid > 0) {
			close(crew->worker[i].tasks);
			close(crew->worker[i].answers);
		}
}

static int hire(struct crew *crew, struct worker *worker)
{
	int tasks[2];
	int answers[2];

	memset(worker, 0, sizeof(*worker));
	if (pipe(tasks))
		return -errno;
	if (pipe(answers)) {
		close(tasks[0]);
		close(tasks[1]);
		return -EMFILE;
	}
	fflush(NULL);
	worker->pid = fork();
	if (!worker->pid) {
		close_others(crew);
		close(tasks[1]);
		close(answers[0]);
		serve(crew->jobs, tasks[0], answers[1]);
	}
	close(tasks[0]);
	close(answers[1]);
	worker->tasks = tasks[1];
	worker->answers = answers[0];
	return worker->pid < 0 ? -EAGAIN : 0;
}

/* --- in the parent ----------------------------------------------------------- */

static int dismiss(struct worker *worker)
{
	int status = 0;

	close(worker->tasks);
	close(worker->answers);
	while (waitpid(worker->pid, &status, 0) < 0 && errno == EINTR)
		;
	worker->pid = 0;
	return status;
}

static bool has_task(const struct crew *crew)
{
	return !crew->enough && crew->given < crew->jobs->count &&
	       crew->given < crew->taken + crew->window_size;
}

static void give_task(struct crew *crew, struct worker *worker)
{
	worker->task = crew->given++;
	worker->busy = true;
	/* One that died meanwhile is noticed when its answer is read. */
	write_all(worker->tasks, &worker->task, sizeof(worker->task));
}

static void give_tasks(struct crew *crew)
{
	for (unsigned int i = 0; i < crew->workers && has_task(crew); i++)
		if (crew->worker[i].pid > 0 && !crew->worker[i].busy)
			give_task(crew, &crew->worker[i]);
}

static bool read_answer(struct worker *worker, struct answer *answer)
{
	struct head head;

	if (!read_all(worker->answers, &head, sizeof(head)))
		return false;
	answer->size = head.size;
	answer->data = malloc(head.size + 1);
	if (answer->data && read_all(worker->answers, answer->data, head.size))
		return true;
	free(answer->data);
	answer->data = NULL;
	return false;
}

static int receive(struct crew *crew, struct worker *worker)
{
	struct answer *answer = &crew->window[worker->task % crew->window_size];
	bool alive = read_answer(worker, answer);

	answer->ready = true;
	worker->busy = false;
	if (alive)
		return 0;
	answer->status = dismiss(worker);
	return hire(crew, worker);
}

static void take_answers(struct crew *crew)
{
	struct answer *answer = &crew->window[crew->taken % crew->window_size];

	while (answer->ready && !crew->enough) {
		crew->enough = !crew->jobs->take(crew->jobs->cookie, crew->taken, answer->data,
						 answer->size, answer->status);
		free(answer->data);
		memset(answer, 0, sizeof(*answer));
		crew->taken++;
		answer = &crew->window[crew->taken % crew->window_size];
	}
}

static int wait_answers(struct crew *crew)
{
	struct pollfd files[JOBS_MAX];
	int error = 0;

	for (unsigned int i = 0; i < crew->workers; i++)
		files[i] = (struct pollfd){
			.fd = crew->worker[i].busy ? crew->worker[i].answers : -1,
			.events = POLLIN
		};
	if (poll(files, crew->workers, -1) < 0)
		return errno == EINTR ? 0 : -errno;
	for (unsigned int i = 0; i < crew->workers && !error; i++)
		if (files[i].revents)
			error = receive(crew, &crew->worker[i]);
	return error;
}

static int run_crew(struct crew *crew)
{
	int error = 0;

	for (unsigned int i = 0; i < crew->workers && !error; i++)
		error = hire(crew, &crew->worker[i]);
	while (!error && !crew->enough && crew->taken < crew->jobs->count) {
		give_tasks(crew);
		error = wait_answers(crew);
		take_answers(crew);
	}
	return error;
}

/* Those that still work at something that nobody wants to know are stopped. */
static void end_crew(struct crew *crew)
{
	for (unsigned int i = 0; i < crew->workers; i++) {
		if (crew->worker[i].pid <= 0)
			continue;
		if (crew->worker[i].busy)
			kill(crew->worker[i].pid, SIGKILL);
		dismiss(&crew->worker[i]);
	}
	for (uint64_t i = 0; i < crew->window_size; i++)
		free(crew->window[i].data);
	free(crew->window);
}

static int run_alone(const struct jobs *jobs)
{
	bool more = true;

	for (uint64_t task = 0; task < jobs->count && more; task++) {
		size_t size = 0;
		char *data = do_task(jobs, task, &size);

		if (!data)
			return -ENOMEM;
		more = jobs->take(jobs->cookie, task, data, size, 0);
		free(data);
	}
	return 0;
}

int jobs_run(const struct jobs *jobs)
{
	struct crew crew = { .jobs = jobs };
	void (*pipe_signal)(int);
	int error;

	crew.workers = jobs->workers < JOBS_MAX ? jobs->workers : JOBS_MAX;
	if (crew.workers <= 1)
		return run_alone(jobs);
	crew.window_size = crew.workers * WINDOW_PER_WORKER;
	crew.window = calloc(crew.window_size, sizeof(crew.window[0]));
	if (!crew.window)
		return -ENOMEM;
	pipe_signal = signal(SIGPIPE, SIG_IGN);
	error = run_crew(&crew);
	end_crew(&crew);
	signal(SIGPIPE, pipe_signal);
	return error;
}
