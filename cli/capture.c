/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * capture: the instance, the kprobes, and trace-cmd.
 */
#include "capture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <tracefs.h>
#include <unistd.h>

#define PREFIX "tlbtag_"
#define FILE_NAME "trace.dat"
#define LOG_NAME "log"
#define COUNT_TRIES 100
#define ARGUMENTS_MAX (20 + 2 * PROBES_MAX)

extern char **environ;

/* The two pipes of the command that trace-cmd runs. */
#define COMMAND_READY 3
#define COMMAND_HOLD 4
#define COMMAND "echo >&3; read line <&4"

/* --- what was left behind ----------------------------------------------------- */

static bool is_stale(const char *name)
{
	char *end;
	long pid;

	if (strncmp(name, PREFIX, sizeof(PREFIX) - 1))
		return false;
	pid = strtol(name + sizeof(PREFIX) - 1, &end, 10);
	return pid > 0 && !*end && kill((pid_t)pid, 0) && errno == ESRCH;
}

/* Its events, which must not be in use any more. */
static void sweep_events(void)
{
	struct tracefs_dynevent **all = tracefs_dynevent_get_all(TRACEFS_DYNEVENT_KPROBE, NULL);

	for (unsigned int i = 0; all && all[i]; i++) {
		char *group = NULL;

		tracefs_dynevent_info(all[i], &group, NULL, NULL, NULL, NULL);
		if (group && is_stale(group))
			tracefs_dynevent_destroy(all[i], true);
		free(group);
	}
	tracefs_dynevent_list_free(all);
}

unsigned int capture_sweep(const char *tracefs)
{
	unsigned int count = 0;
	char path[4096];
	struct dirent *entry;
	DIR *instances;

	snprintf(path, sizeof(path), "%s/instances", tracefs);
	instances = opendir(path);
	while (instances && (entry = readdir(instances))) {
		if (!is_stale(entry->d_name))
			continue;
		if (unlinkat(dirfd(instances), entry->d_name, AT_REMOVEDIR) == 0)
			count++;
	}
	if (instances)
		closedir(instances);
	sweep_events();
	return count;
}

/* --- setting up ------------------------------------------------------------------ */

static int make_directory(struct capture *capture, char *error, size_t size)
{
	int length = snprintf(capture->directory, sizeof(capture->directory), "%s.XXXXXX",
			      capture->output);

	if (length < 0 || (size_t)length >= sizeof(capture->directory)) {
		capture->directory[0] = 0;
		snprintf(error, size, "the name of the output is too long");
		return -1;
	}
	if (!mkdtemp(capture->directory)) {
		capture->directory[0] = 0;
		snprintf(error, size, "cannot write %s: %s", capture->output, strerror(errno));
		return -1;
	}
	return 0;
}

int capture_open(struct capture *capture, const char *tracefs, const char *output, char *error,
		 size_t size)
{
	memset(capture, 0, sizeof(*capture));
	capture->tracefs = tracefs;
	capture->output = output;
	capture->ready = capture->hold = -1;
	snprintf(capture->name, sizeof(capture->name), PREFIX "%d", (int)getpid());
	tracefs_set_loglevel(TEP_LOG_NONE);
	if (make_directory(capture, error, size))
		return -1;
	capture->instance = tracefs_instance_create(capture->name);
	if (capture->instance)
		return 0;
	snprintf(error, size, "cannot make a tracing instance in %s/instances: %s%s", tracefs,
		 strerror(errno), geteuid() ? "; only root may record" : "");
	return -1;
}

/* The kernel's error log says what was wrong in lines that are for people. */
static void explain_refusal(struct choice *choice, int number)
{
	char *log = tracefs_error_last(NULL);
	const char *text = log ? strstr(log, "error: ") : NULL;

	snprintf(choice->reason, sizeof(choice->reason), "the kernel refuses to probe %s: %.*s",
		 choice->function, text ? (int)strcspn(text, "\n") : 80,
		 text ? text : strerror(number));
	free(log);
}

void capture_attach(struct capture *capture, unsigned int index, struct choice *choice)
{
	struct tracefs_dynevent *event;

	tracefs_error_clear(NULL);
	event = tracefs_kprobe_alloc(capture->name, probes[index].name, choice->function,
				     choice->fields);
	if (event && tracefs_dynevent_create(event) == 0) {
		capture->dynevents[index] = event;
		return;
	}
	explain_refusal(choice, errno);
	choice->kind = CHOICE_MISSING;
	tracefs_dynevent_free(event);
}

/* --- trace-cmd -------------------------------------------------------------------- */

/* What trace-cmd is called with; events has room for all their names. */
struct arguments {
	char *list[ARGUMENTS_MAX];
	unsigned int count;
	char events[PROBES_MAX][96];
	char kilobytes[16];
};

static void add(struct arguments *arguments, const char *argument)
{
	arguments->list[arguments->count++] = (char *)(uintptr_t)argument;
}

static void add_events(struct arguments *arguments, const struct capture *capture,
		       const struct choice *choices)
{
	for (unsigned int i = 0; probes[i].name; i++) {
		const char *system = probes[i].system ? probes[i].system : capture->name;

		if (!choice_is_made(&choices[i]))
			continue;
		snprintf(arguments->events[i], sizeof(arguments->events[i]), "%s:%s", system,
			 probes[i].name);
		add(arguments, "-e");
		add(arguments, arguments->events[i]);
	}
}

/* Compressed, the file would cost its reader memory; see replay/tracedat.c. */
static void make_arguments(struct arguments *arguments, const struct capture *capture,
			   const struct choice *choices, uint32_t kilobytes)
{
	const char *const first[] = { "trace-cmd", "record", "--compression", "none",
				      "-o", FILE_NAME, "-B", capture->name, "-C", "global", "-b" };

	arguments->count = 0;
	snprintf(arguments->kilobytes, sizeof(arguments->kilobytes), "%u", kilobytes);
	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++)
		add(arguments, first[i]);
	add(arguments, arguments->kilobytes);
	add_events(arguments, capture, choices);
	add(arguments, "sh");
	add(arguments, "-c");
	add(arguments, COMMAND);
	arguments->list[arguments->count] = NULL;
}

/* A pipe out of the way of the numbers that its end in the child is to get. */
static bool make_pipe(int ends[2])
{
	int low[2];

	if (pipe2(low, O_CLOEXEC))
		return false;
	for (int i = 0; i < 2; i++) {
		ends[i] = fcntl(low[i], F_DUPFD_CLOEXEC, COMMAND_HOLD + 1);
		close(low[i]);
	}
	return ends[0] >= 0 && ends[1] >= 0;
}

/* A group of its own: Ctrl-C is for this program, which then ends it in order. */
static int spawn_recorder(struct capture *capture, char **arguments, int ready, int hold)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;
	int result;

	sigemptyset(&none);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addchdir_np(&actions, capture->directory);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, LOG_NAME, O_WRONLY | O_CREAT | O_APPEND,
					 0600);
	posix_spawn_file_actions_adddup2(&actions, 1, 2);
	posix_spawn_file_actions_adddup2(&actions, ready, COMMAND_READY);
	posix_spawn_file_actions_adddup2(&actions, hold, COMMAND_HOLD);
	result = posix_spawnp(&capture->recorder, arguments[0], &actions, &attributes, arguments,
			      environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return result;
}

int capture_start(struct capture *capture, const struct choice *choices, uint32_t kilobytes,
		  char *error, size_t size)
{
	int ready[2] = { -1, -1 }, hold[2] = { -1, -1 };
	struct arguments arguments;
	int failed = EMFILE;

	make_arguments(&arguments, capture, choices, kilobytes);
	if (make_pipe(ready) && make_pipe(hold))
		failed = spawn_recorder(capture, arguments.list, ready[1], hold[0]);
	close(ready[1]);
	close(hold[0]);
	capture->ready = ready[0];
	capture->hold = hold[1];
	if (!failed)
		return 0;
	capture->recorder = 0;
	snprintf(error, size, "cannot run trace-cmd: %s%s", strerror(failed),
		 failed == ENOENT ? "; install the package trace-cmd" : "");
	return -1;
}

/* What the kernel counts for an instance. */
struct counts {
	uint64_t lost; /* overwritten, or not written */
	uint64_t kept; /* waiting, or read by trace-cmd */
};

static void count_cpu(const char *path, struct counts *counts)
{
	FILE *file = fopen(path, "re");
	char line[128];

	while (file && fgets(line, sizeof(line), file)) {
		unsigned long long count;

		if (sscanf(line, "overrun: %llu", &count) == 1 ||
		    sscanf(line, "dropped events: %llu", &count) == 1)
			counts->lost += count;
		if (sscanf(line, "entries: %llu", &count) == 1 ||
		    sscanf(line, "read events: %llu", &count) == 1)
			counts->kept += count;
	}
	if (file)
		fclose(file);
}

static struct counts count_all(const struct capture *capture)
{
	struct counts counts = { 0 };
	char pattern[4096];
	glob_t files;

	snprintf(pattern, sizeof(pattern), "%s/instances/%s/per_cpu/cpu*/stats", capture->tracefs,
		 capture->name);
	if (glob(pattern, GLOB_NOSORT, NULL, &files))
		return counts;
	for (size_t i = 0; i < files.gl_pathc; i++)
		count_cpu(files.gl_pathv[i], &counts);
	globfree(&files);
	return counts;
}

/*
 * trace-cmd removes the instance when it ends, and its statistics with it. While it
 * reads, an event may be seen twice, as waiting and as read, or not at all; what is
 * the same twice in a row is right.
 */
void capture_stop(struct capture *capture)
{
	struct counts counts = { 0 }, before;
	int tries = COUNT_TRIES;

	if (capture->hold < 0)
		return;
	tracefs_instance_file_write(capture->instance, "tracing_on", "0");
	do {
		before = counts;
		counts = count_all(capture);
	} while (--tries && counts.kept != before.kept);
	capture->lost = counts.lost;
	capture->kept = tries ? counts.kept : 0;
	close(capture->hold);
	capture->hold = -1;
}

void capture_complaint(const struct capture *capture, char *text, size_t size)
{
	char path[sizeof(capture->directory) + 16];
	FILE *file;
	size_t used = 0;
	char *from;

	text[0] = 0;
	snprintf(path, sizeof(path), "%s/" LOG_NAME, capture->directory);
	file = fopen(path, "re");
	if (file) {
		used = fread(text, 1, size - 1, file);
		fclose(file);
	}
	text[used] = 0;
	from = strstr(text, "trace-cmd: ");
	if (from)
		memmove(text, from, strlen(from) + 1);
	for (char *at = text; *at; at++)
		if (*at == '\n')
			*at = ' ';
	for (used = strlen(text); used && text[used - 1] == ' '; used--)
		text[used - 1] = 0;
}

void capture_path(const struct capture *capture, char *path, size_t size)
{
	snprintf(path, size, "%s/" FILE_NAME, capture->directory);
}

int capture_keep(struct capture *capture, char *error, size_t size)
{
	char path[sizeof(capture->directory) + 16];

	capture_path(capture, path, sizeof(path));
	if (rename(path, capture->output) == 0)
		return 0;
	snprintf(error, size, "cannot write %s: %s", capture->output, strerror(errno));
	return -1;
}

/* --- the end ---------------------------------------------------------------------- */

static void remove_directory(const char *path)
{
	DIR *directory = opendir(path);
	struct dirent *entry;

	while (directory && (entry = readdir(directory)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			unlinkat(dirfd(directory), entry->d_name, 0);
	if (directory)
		closedir(directory);
	rmdir(path);
}

/* The instance first: its events are in use as long as it is there. */
void capture_close(struct capture *capture)
{
	capture_stop(capture);
	if (capture->ready >= 0)
		close(capture->ready);
	if (capture->recorder)
		waitpid(capture->recorder, NULL, 0);
	capture->recorder = 0;
	if (capture->instance) {
		tracefs_instance_destroy(capture->instance);
		tracefs_instance_free(capture->instance);
	}
	for (unsigned int i = 0; i < PROBES_MAX; i++) {
		if (!capture->dynevents[i])
			continue;
		tracefs_dynevent_destroy(capture->dynevents[i], true);
		tracefs_dynevent_free(capture->dynevents[i]);
	}
	if (capture->directory[0])
		remove_directory(capture->directory);
}
