/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A trace.dat through libtracecmd, in a child process.
 *
 * libtracecmd trusts its files: one to four bytes changed at random in a good
 * trace.dat of 20 KB made version 3.1 die of a wild pointer in one case of
 * eight. So a child of ours decodes the file and sends the records down a pipe; if it
 * dies, the parent reports one line and whatever came before. The child has
 * limits (memory, CPU time between two signs of life), writes nothing to the
 * terminal, and removes the temporary files that libtracecmd makes, by fixed
 * names in /tmp, to unpack a compressed file's buffers.
 *
 * No plugin is loaded and no print format is used: fields are fetched by name
 * from the raw event, because the bundled KVM plugin misreads newer kernels'
 * exits.
 *
 * A trace.dat has no checksums: an error that leaves its structure intact, such
 * as a bit flipped in an event's value, goes unnoticed.
 *
 * libtracecmd 3.1.6 keeps the pages of a compressed file, and of one of version
 * 6, that it has passed, so the child grows with the recording; only for an
 * uncompressed file of version 7 is its memory constant.
 *
 * libtracecmd seeks and maps, so what is not a plain file is first written to
 * an unlinked file in $TMPDIR.
 */
#include "reader.h"

#include <errno.h>
#include <event-parse.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <trace-cmd.h>
#include <unistd.h>

#define MAGIC "\x17\x08\x44tracing"
#define PIPE_SIZE (64u << 10)
#define COMPLAINT_SIZE 200u
#define EVENT_IDS 65536u	/* common_type has 16 bits */
#define SLOTS_MAX 16u
#define BUFFERS_MAX 256

/* The child's file descriptors, besides 0-2. */
enum {
	FD_FILE = 3,
	FD_PIPE,
	FD_FIRST_OTHER,
};

#define CHILD_MEMORY (4ull << 30)
/* CPU seconds; decoding a million events takes about one. */
#define CHILD_PATIENCE 30
#define EVENTS_PER_SIGN (1u << 18)

/* On the pipe: one of these, and behind it what its type says. */
struct message {
	uint32_t kind;		/* a record; or one of below */
	uint32_t cpu;
	int32_t pid;
	uint64_t present;	/* so many 64-bit values follow */
	uint64_t where;
	uint64_t time_ns;
};

enum {
	MESSAGE_READY = RECORD_KINDS,	/* the file could be opened */
	MESSAGE_END,			/* a struct ending follows */
};

struct ending {
	struct trace_stats stats;
	bool failed;
	char complaint[COMPLAINT_SIZE];
};

/* The parent's side. */
struct tracedat {
	pid_t child;
	int pipe;
	uint64_t where;		/* of the last record that arrived */
	size_t begin;
	size_t end;
	unsigned char buffer[PIPE_SIZE];
};

/* Where a wanted event keeps its fields; NULL: it has no such field. */
struct layout {
	enum record_kind kind;
	struct tep_format_field *fields[SLOTS_MAX];
};

/* The child's side. */
struct decoder {
	struct trace *trace;
	uint64_t events;
	struct layout *layouts[EVENT_IDS];
	size_t used;
	unsigned char buffer[PIPE_SIZE];
};

/* --- child: its limits ------------------------------------------------------ */

/*
 * libtracecmd's names are what its descriptors point to. This also runs when
 * the child has crashed: nothing here allocates or locks.
 */
static void leftovers_unlink(void)
{
	static const char prefix[] = "/tmp/trace_cpu_data";
	char link[32], path[64];
	int holes = 0;

	for (int fd = FD_FIRST_OTHER; holes < 64; fd++) {
		ssize_t size;

		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		size = readlink(link, path, sizeof(path) - 1);
		if (size < 0) {
			holes++;
			continue;
		}
		path[size] = 0;
		if (strncmp(path, prefix, sizeof(prefix) - 1) == 0)
			unlink(path);
	}
}

/* SA_RESETHAND: the signal then does what it would have done. */
static void on_crash(int number)
{
	leftovers_unlink();
	raise(number);
}

static const int crash_signals[] = {
	SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGPROF, SIGTERM,
};

/* The parent's handlers and mask are none of the child's business. */
static void signals_set(void)
{
	static unsigned char stack[32u << 10];
	stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction crash = { .sa_handler = on_crash,
				   .sa_flags = SA_ONSTACK | SA_RESETHAND };
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigaltstack(&alternate, NULL);
	for (size_t index = 0; index < sizeof(crash_signals) / sizeof(crash_signals[0]); index++)
		sigaction(crash_signals[index], &crash, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* A sanitizer's shadow memory is larger than any limit that makes sense. */
static bool is_sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return true;
#elif defined(__has_feature)
	return __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
	return false;
#endif
}

static void limits_set(void)
{
	struct rlimit memory = { CHILD_MEMORY, CHILD_MEMORY };
	struct rlimit core = { 0, 0 };

	setrlimit(RLIMIT_CORE, &core);
	if (!is_sanitized())
		setrlimit(RLIMIT_AS, &memory);
}

/* Without another sign of life in time, SIGPROF ends the child. */
static void sign_of_life(void)
{
	struct itimerval timer = { .it_value = { .tv_sec = CHILD_PATIENCE } };

	setitimer(ITIMER_PROF, &timer, NULL);
}

/*
 * Descriptors 0 to 2 become a scratch file that collects what libtracecmd
 * prints; nothing else of the parent's stays open, or the other end of
 * another trace's pipe would.
 */
static bool descriptors_set(int file, int pipe)
{
	int scratch = memfd_create("complaints", 0);

	/* What the parent has not yet written is its own. */
	__fpurge(stdout);
	__fpurge(stderr);
	/* Out of the way of the numbers they are to get. */
	file = fcntl(file, F_DUPFD, FD_FIRST_OTHER);
	pipe = fcntl(pipe, F_DUPFD, FD_FIRST_OTHER);
	scratch = fcntl(scratch, F_DUPFD, FD_FIRST_OTHER);
	for (int fd = 0; fd < FD_FILE; fd++)
		if (dup2(scratch, fd) < 0)
			return false;
	return dup2(file, FD_FILE) >= 0 && dup2(pipe, FD_PIPE) >= 0 &&
	       close_range(FD_FIRST_OTHER, ~0u, 0) == 0;
}

/* --- child: sending ----------------------------------------------------------- */

/* A parent that has gone ends the child by SIGPIPE. */
static void pipe_flush(struct decoder *decoder)
{
	size_t sent = 0;

	while (sent < decoder->used) {
		ssize_t size = write(FD_PIPE, decoder->buffer + sent, decoder->used - sent);

		if (size < 0 && errno != EINTR)
			_exit(1);
		if (size > 0)
			sent += (size_t)size;
	}
	decoder->used = 0;
	sign_of_life();
}

static void pipe_put(struct decoder *decoder, const void *data, size_t size)
{
	if (size > PIPE_SIZE - decoder->used)
		pipe_flush(decoder);
	memcpy(decoder->buffer + decoder->used, data, size);
	decoder->used += size;
}

static void record_send(struct decoder *decoder, const struct record *record)
{
	struct message message = {
		.kind = record->kind,
		.cpu = record->cpu,
		.pid = record->pid,
		.present = record->present,
		.where = record->where,
		.time_ns = record->time_ns,
	};

	pipe_put(decoder, &message, sizeof(message));
	for (uint64_t left = record->present; left; left &= left - 1)
		pipe_put(decoder, &record->field[__builtin_ctz(left)], sizeof(uint64_t));
}

static void ready_send(struct decoder *decoder)
{
	struct message message = { .kind = MESSAGE_READY };

	pipe_put(decoder, &message, sizeof(message));
	pipe_flush(decoder);
}

/* The first line of what libtracecmd printed since complaint_clear(). */
static void complaint_read(char *line)
{
	ssize_t size;

	fflush(stdout);
	fflush(stderr);
	size = pread(STDERR_FILENO, line, COMPLAINT_SIZE - 1, 0);
	line[size > 0 ? size : 0] = 0;
	line[strcspn(line, "\n")] = 0;
}

static void complaint_clear(void)
{
	fflush(stdout);
	fflush(stderr);
	if (ftruncate(STDERR_FILENO, 0) == 0)
		lseek(STDERR_FILENO, 0, SEEK_SET);
}

static void ending_send(struct decoder *decoder, bool failed, const char *fallback)
{
	struct message message = { .kind = MESSAGE_END };
	struct ending ending = { .stats = decoder->trace->stats };

	complaint_read(ending.complaint);
	/* It prints and goes on: what it then delivers is not the whole file. */
	ending.failed = failed || ending.complaint[0];
	if (!ending.complaint[0])
		snprintf(ending.complaint, sizeof(ending.complaint), "%s", fallback);
	pipe_put(decoder, &message, sizeof(message));
	pipe_put(decoder, &ending, sizeof(ending));
	pipe_flush(decoder);
}

/* --- child: decoding ------------------------------------------------------------- */

/* NULL: no memory. */
static struct layout *layout_new(struct trace *trace, struct tep_event *event)
{
	struct layout *layout = calloc(1, sizeof(*layout));
	const struct record_info *info;

	if (!layout)
		return NULL;
	layout->kind = RECORD_OTHER;
	if (event->name && event->name[0])
		layout->kind = trace_kind(trace, event->name, strlen(event->name));
	if (layout->kind == RECORD_OTHER)
		return layout;
	info = &record_infos[layout->kind];
	for (unsigned int index = 0; index < info->slot_count; index++)
		layout->fields[index] = tep_find_field(event, info->slots[index].name);
	return layout;
}

/* By the event's number; NULL if the file does not describe such an event. */
static const struct layout *layout_find(struct decoder *decoder, struct tep_handle *tep,
					struct tep_record *record)
{
	unsigned int id = (unsigned int)tep_data_type(tep, record) % EVENT_IDS;
	struct tep_event *event;

	if (decoder->layouts[id])
		return decoder->layouts[id];
	event = tep_find_event(tep, (int)id);
	if (!event)
		return NULL;
	decoder->layouts[id] = layout_new(decoder->trace, event);
	return decoder->layouts[id];
}

static bool field_is_number(const struct tep_format_field *field, const struct tep_record *event)
{
	const unsigned long strange = TEP_FIELD_IS_ARRAY | TEP_FIELD_IS_STRING |
				      TEP_FIELD_IS_DYNAMIC | TEP_FIELD_IS_RELATIVE;

	if (field->flags & strange || field->offset < 0)
		return false;
	if (field->size != 1 && field->size != 2 && field->size != 4 && field->size != 8)
		return false;
	return field->offset + field->size <= event->size;
}

static bool field_read(struct tep_format_field *field, const struct tep_record *event,
		       uint64_t *value)
{
	unsigned long long raw;
	unsigned int unused;

	if (!field_is_number(field, event) || tep_read_number_field(field, event->data, &raw) != 0)
		return false;
	unused = 64 - 8 * (unsigned int)field->size;
	if (field->flags & TEP_FIELD_IS_SIGNED)
		*value = (uint64_t)((int64_t)((uint64_t)raw << unused) >> unused);
	else
		*value = raw;
	return true;
}

static bool fields_read(const struct layout *layout, const struct tep_record *event,
			struct record *record)
{
	const struct record_info *info = &record_infos[layout->kind];

	for (unsigned int index = 0; index < info->slot_count; index++) {
		uint64_t value;

		if (!layout->fields[index])
			continue;
		if (!field_read(layout->fields[index], event, &value))
			return false;
		record_set(record, info->slots[index].field, value);
	}
	return record->present != 0;
}

static bool event_decode(struct decoder *decoder, struct tracecmd_input *input,
			 struct tep_record *event, struct record *record)
{
	struct tep_handle *tep = tracecmd_get_tep(input);
	const struct layout *layout;

	/* The common header: type, flags, preempt count, pid. */
	if (event->size < 8 || event->cpu < 0 || (uint32_t)event->cpu >= RECORD_CPU_LIMIT)
		return false;
	layout = layout_find(decoder, tep, event);
	if (!layout)
		return false;
	record->kind = layout->kind;
	record->cpu = (uint32_t)event->cpu;
	record->pid = tep_data_pid(tep, event);
	record->time_ns = event->ts;
	record->present = 0;
	if (layout->kind == RECORD_OTHER)
		return true;
	if (!fields_read(layout, event, record))
		return false;
	record_settle(record);
	return true;
}

/* In front of the event where they are missing; negative: unknown how many. */
static void missed_send(struct decoder *decoder, const struct tep_record *event, uint64_t where)
{
	struct record record;
	uint64_t count = event->missed_events > 0 ? (uint64_t)event->missed_events : 0;

	trace_lose(decoder->trace, &record, (uint32_t)event->cpu, count);
	record.where = where;
	record_send(decoder, &record);
}

static int on_event(struct tracecmd_input *input, struct tep_record *event, int place,
		    void *context)
{
	struct decoder *decoder = context;
	struct trace *trace = decoder->trace;
	struct record record = { .where = ++decoder->events };

	(void)place;
	if (decoder->events % EVENTS_PER_SIGN == 0)
		sign_of_life();
	if (event->missed_events && event->cpu >= 0 && (uint32_t)event->cpu < RECORD_CPU_LIMIT)
		missed_send(decoder, event, record.where);
	if (!event_decode(decoder, input, event, &record)) {
		trace->stats.unparsed++;
		return 0;
	}
	trace_count(trace, record.kind, record.cpu, record.time_ns);
	if (record.kind != RECORD_OTHER)
		record_send(decoder, &record);
	return 0;
}

/* The top buffer and all instances, merged by time. */
static int buffers_read(struct decoder *decoder, struct tracecmd_input *input)
{
	struct tracecmd_input *buffers[BUFFERS_MAX + 1] = { input };
	int count = tracecmd_buffer_instances(input);

	if (count < 0 || count > BUFFERS_MAX)
		return -1;
	for (int index = 0; index < count; index++) {
		buffers[index + 1] = tracecmd_buffer_instance_handle(input, index);
		if (!buffers[index + 1])
			return -1;
	}
	leftovers_unlink();
	return tracecmd_iterate_events_multi(buffers, count + 1, on_event, decoder);
}

static void decode(struct decoder *decoder)
{
	struct tracecmd_input *input;

	tracecmd_set_loglevel(TEP_LOG_WARNING);
	tep_set_loglevel(TEP_LOG_NONE);
	input = tracecmd_open_fd(FD_FILE, TRACECMD_FL_LOAD_NO_PLUGINS |
						  TRACECMD_FL_LOAD_NO_SYSTEM_PLUGINS);
	if (!input) {
		ending_send(decoder, true, "libtracecmd cannot open it");
		return;
	}
	complaint_clear();
	ready_send(decoder);
	if (buffers_read(decoder, input) != 0)
		ending_send(decoder, true, "libtracecmd cannot read it to the end");
	else if (decoder->trace->stats.unparsed && !decoder->trace->stats.records)
		ending_send(decoder, true, "no event in it is described in it");
	else
		ending_send(decoder, false, "");
}

/* The parent's heap is not given back: this process has nothing to keep. */
static _Noreturn void child_main(struct trace *trace, int file, int pipe)
{
	struct decoder *decoder;

	signals_set();
	limits_set();
	sign_of_life();
	if (!descriptors_set(file, pipe))
		_exit(1);
	decoder = calloc(1, sizeof(*decoder));
	if (!decoder)
		_exit(1);
	decoder->trace = trace;
	decode(decoder);
	leftovers_unlink();
	_exit(0);
}

/* --- parent ------------------------------------------------------------------------ */

bool tracedat_recognise(const void *data, size_t size)
{
	return size >= sizeof(MAGIC) - 1 && memcmp(data, MAGIC, sizeof(MAGIC) - 1) == 0;
}

static int scratch_open(const char *directory)
{
	char path[4096];
	int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	if (snprintf(path, sizeof(path), "%s/tlbtag-XXXXXX", directory) >= (int)sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

static bool write_all(int fd, const unsigned char *data, size_t size)
{
	while (size) {
		ssize_t written = write(fd, data, size);

		if (written < 0 && errno != EINTR)
			return false;
		if (written > 0) {
			data += written;
			size -= (size_t)written;
		}
	}
	return true;
}

/* What the source ended with; @bytes arrived before. */
static int unpack_check(struct trace *trace, unsigned long long bytes)
{
	switch (source_state(trace->source)) {
	case SOURCE_CUT:
		return trace_fail(trace, "compressed data ends early after byte %llu", bytes);
	case SOURCE_DAMAGED:
		return trace_fail(trace, "compressed data is damaged after byte %llu", bytes);
	case SOURCE_FAILED:
		return trace_fail(trace, "%s after byte %llu",
				  strerror(source_errno(trace->source)), bytes);
	case SOURCE_READING:
	case SOURCE_END:
		break;
	}
	return 0;
}

/* The whole source as a file; -1 after trace_fail(). */
static int unpack(struct trace *trace)
{
	const char *directory = getenv("TMPDIR");
	unsigned char block[16u << 10];
	unsigned long long bytes = 0;
	size_t size;
	int fd;

	if (!directory || !directory[0])
		directory = "/tmp";
	fd = scratch_open(directory);
	if (fd < 0)
		return trace_fail(trace, "cannot be unpacked into %.256s: %s", directory,
				  strerror(errno));
	while ((size = source_read(trace->source, block, sizeof(block)))) {
		if (!write_all(fd, block, size)) {
			trace_fail(trace, "cannot be unpacked into %.256s after byte %llu: %s",
				   directory, bytes, strerror(errno));
			close(fd);
			return -1;
		}
		bytes += size;
	}
	if (unpack_check(trace, bytes) == 0 && lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	close(fd);
	return -1;
}

static int file_open(struct trace *trace)
{
	int fd;

	if (!source_is_plain_file(trace->source))
		return unpack(trace);
	fd = open(trace->name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return trace_fail(trace, "%s", strerror(errno));
	return fd;
}

static int child_start(struct trace *trace, int file)
{
	struct tracedat *dat = trace->dat;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return trace_fail(trace, "%s", strerror(errno));
	dat->child = fork();
	if (dat->child == 0)
		child_main(trace, file, ends[1]);
	close(ends[1]);
	dat->pipe = ends[0];
	if (dat->child < 0)
		return trace_fail(trace, "%s", strerror(errno));
	return 0;
}

/* The child is gone or about to go: why it did not say good-bye. */
static int child_died(struct trace *trace)
{
	struct tracedat *dat = trace->dat;
	const char *how = "no reason given";
	int status = 0;

	while (waitpid(dat->child, &status, 0) < 0 && errno == EINTR)
		;
	dat->child = 0;
	trace->stats.truncated = true;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGPROF)
		how = "no progress";
	else if (WIFSIGNALED(status))
		how = strsignal(WTERMSIG(status));
	return trace_fail(trace, "damaged trace.dat after record %llu: libtracecmd stopped: %s",
			  (unsigned long long)dat->where, how);
}

/* All of it or, if the child has gone, nothing. */
static bool pipe_get(struct tracedat *dat, void *data, size_t size)
{
	while (dat->end - dat->begin < size) {
		ssize_t got;

		memmove(dat->buffer, dat->buffer + dat->begin, dat->end - dat->begin);
		dat->end -= dat->begin;
		dat->begin = 0;
		got = read(dat->pipe, dat->buffer + dat->end, PIPE_SIZE - dat->end);
		if (got == 0 || (got < 0 && errno != EINTR))
			return false;
		if (got > 0)
			dat->end += (size_t)got;
	}
	memcpy(data, dat->buffer + dat->begin, size);
	dat->begin += size;
	return true;
}

static int ending_receive(struct trace *trace)
{
	struct ending ending;

	if (!pipe_get(trace->dat, &ending, sizeof(ending)))
		return child_died(trace);
	trace->stats = ending.stats;
	if (!ending.failed)
		return 0;
	trace->stats.truncated = true;
	return trace_fail(trace, "damaged trace.dat after record %llu: %s",
			  (unsigned long long)trace->dat->where, ending.complaint);
}

static void record_count(struct trace *trace, const struct record *record)
{
	trace->dat->where = record->where;
	if (record->kind == RECORD_LOST)
		trace->stats.lost += record_has(record, FIELD_LOST) ? record->field[FIELD_LOST] : 1;
	else
		trace->stats.records++;
	trace->stats.kinds[record->kind]++;
}

int tracedat_next(struct trace *trace, struct record *record)
{
	struct message message;

	if (!pipe_get(trace->dat, &message, sizeof(message)))
		return child_died(trace);
	if (message.kind == MESSAGE_END)
		return ending_receive(trace);
	record->kind = (enum record_kind)message.kind;
	record->cpu = message.cpu;
	record->pid = message.pid;
	record->present = message.present;
	record->where = message.where;
	record->time_ns = message.time_ns;
	for (uint64_t left = record->present; left; left &= left - 1)
		if (!pipe_get(trace->dat, &record->field[__builtin_ctz(left)], sizeof(uint64_t)))
			return child_died(trace);
	record_count(trace, record);
	return 1;
}

/* The first message tells whether it is a trace.dat at all. */
static int ready_receive(struct trace *trace)
{
	struct message message;

	if (!pipe_get(trace->dat, &message, sizeof(message)))
		return child_died(trace);
	return message.kind == MESSAGE_READY ? 0 : ending_receive(trace);
}

int tracedat_open(struct trace *trace)
{
	int file, result;

	trace->dat = calloc(1, sizeof(*trace->dat));
	if (!trace->dat)
		return trace_fail(trace, "%s", strerror(ENOMEM));
	trace->dat->pipe = -1;
	file = file_open(trace);
	if (file < 0)
		return -1;
	result = child_start(trace, file);
	close(file);
	return result ? result : ready_receive(trace);
}

void tracedat_close(struct trace *trace)
{
	struct tracedat *dat = trace->dat;

	if (dat->pipe >= 0)
		close(dat->pipe);
	if (dat->child > 0) {
		kill(dat->child, SIGTERM);
		while (waitpid(dat->child, NULL, 0) < 0 && errno == EINTR)
			;
	}
	free(dat);
}
