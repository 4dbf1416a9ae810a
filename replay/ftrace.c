/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Text traces: what /sys/kernel/tracing/trace, `trace-cmd report` or
 * `perf script` print, one event per line:
 *
 *	 CPU 0/KVM-1234    [001] d..1.    14.559734: vmrun: (symbol+0x4/0xb0 [kvm]) asid=6 ...
 *	 CPU 0/KVM-1234    [001]    14.559734123: rig:vmrun: (ffffffffc045db34) asid=6 ...
 *
 * A task's name and an event's text may contain anything, so a line's head is
 * recognised as a whole: pid, CPU in brackets, perhaps flags, time, event name.
 * Most lines are not wanted, so nothing behind the name is looked at before
 * the name is known. A line is believed as a whole or not at all.
 */
#include "reader.h"

#include <stdlib.h>
#include <string.h>

#define LINE_LIMIT (64u << 10)
#define BUFFER_SIZE (256u << 10)
/* So much text without one event or comment of ftrace's is not a trace. */
#define JUNK_LIMIT (1u << 20)

struct ftrace {
	bool over;		/* the source is */
	bool skipping;		/* the rest of a line that is too long */
	bool recognised;	/* something that only a trace has was seen */
	uint64_t junk;		/* bytes before that */
	size_t begin;		/* buffer[begin, end) is not parsed yet */
	size_t end;
	char buffer[BUFFER_SIZE];
};

/* What is left of a line. A parser that fails may leave it anywhere. */
struct cursor {
	const char *at;
	const char *end;
};

struct head {
	uint64_t time_ns;
	uint32_t cpu;
	int32_t pid;
	const char *name;
	size_t name_size;
};

enum line {
	LINE_EVENT,	/* wanted; the record is filled in */
	LINE_OTHER,	/* counted */
	LINE_NOTE,	/* a comment or a blank line */
	LINE_LOST,	/* a marker; the record is filled in */
	LINE_BAD,
};

/* --- words -------------------------------------------------------------- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* trace_printk() names functions, which may have dots, as it does "0x..". */
static bool is_name(char c)
{
	return is_letter(c) || is_digit(c) || c == '_' || c == '.' || c == '-' || c == '/';
}

static void skip_blanks(struct cursor *line)
{
	while (line->at < line->end && *line->at == ' ')
		line->at++;
}

static bool skip_char(struct cursor *line, char c)
{
	if (line->at == line->end || *line->at != c)
		return false;
	line->at++;
	return true;
}

/* Consumes `text` if the line goes on with it. */
static bool skip_text(struct cursor *line, const char *text)
{
	size_t size = strlen(text);

	if ((size_t)(line->end - line->at) < size || memcmp(line->at, text, size) != 0)
		return false;
	line->at += size;
	return true;
}

static bool word_ends(const struct cursor *line)
{
	return line->at == line->end || *line->at == ' ';
}

/* The place of the word in the rest of the line, or NULL. */
static const char *find_text(const struct cursor *line, const char *text)
{
	return memmem(line->at, (size_t)(line->end - line->at), text, strlen(text));
}

static bool parse_decimal(struct cursor *line, uint64_t *value)
{
	const char *first = line->at;
	uint64_t sum = 0;

	for (; line->at < line->end && is_digit(*line->at); line->at++) {
		uint64_t digit = (uint64_t)(*line->at - '0');

		if (sum > (UINT64_MAX - digit) / 10)
			return false;
		sum = sum * 10 + digit;
	}
	*value = sum;
	return line->at != first;
}

/* 0..15, or more for what is no hexadecimal digit. */
static unsigned int hex_digit(char c)
{
	unsigned int digit = (unsigned int)(unsigned char)c - '0';

	if (digit <= 9)
		return digit;
	digit = ((unsigned int)(unsigned char)c | 0x20) - 'a';
	return digit < 6 ? digit + 10 : 16;
}

static bool parse_hex(struct cursor *line, uint64_t *value)
{
	const char *first = line->at;
	uint64_t sum = 0;

	for (; line->at < line->end; line->at++) {
		unsigned int digit = hex_digit(*line->at);

		if (digit > 15)
			break;
		if (sum >> 60)
			return false;
		sum = sum << 4 | digit;
	}
	*value = sum;
	return line->at != first;
}

/* Decimal or 0x, perhaps negative; the caller checks what follows. */
static bool parse_number(struct cursor *line, uint64_t *value)
{
	bool negative = skip_char(line, '-');

	if (line->end - line->at > 2 && line->at[0] == '0' && line->at[1] == 'x') {
		line->at += 2;
		if (!parse_hex(line, value))
			return false;
	} else if (!parse_decimal(line, value)) {
		return false;
	}
	if (negative && *value > (uint64_t)INT64_MAX + 1)
		return false;
	if (negative)
		*value = -*value;
	return true;
}

/* --- the head of a line --------------------------------------------------- */

/*
 * "SECONDS.FRACTION:" with up to nine digits behind the point. A clock that
 * does not count seconds has none ("counter", "x86-tsc").
 */
static bool parse_time(struct cursor *line, uint64_t *time_ns)
{
	uint64_t whole, fraction;
	const char *first;

	if (!parse_decimal(line, &whole))
		return false;
	*time_ns = whole;
	if (!skip_char(line, '.'))
		return skip_char(line, ':');
	first = line->at;
	if (!parse_decimal(line, &fraction) || line->at - first > 9)
		return false;
	for (long digits = line->at - first; digits < 9; digits++)
		fraction *= 10;
	if (whole > (UINT64_MAX - fraction) / 1000000000u)
		return false;
	*time_ns = whole * 1000000000u + fraction;
	return skip_char(line, ':');
}

/*
 * The number that ends before `at`, over blanks and a thread group's
 * "(  123)"; in front of it comes a '-' (ftrace), ' ' or '/' (perf).
 */
static bool parse_pid_before(const char *line, const char *at, int32_t *pid)
{
	struct cursor digits;
	uint64_t value;

	while (at > line && at[-1] == ' ')
		at--;
	if (at > line && at[-1] == ')') {
		while (at > line && *at != '(')
			at--;
		while (at > line && at[-1] == ' ')
			at--;
	}
	digits.end = at;
	while (at > line && is_digit(at[-1]))
		at--;
	digits.at = at;
	if (at == line || !(at[-1] == '-' || at[-1] == ' ' || at[-1] == '/'))
		return false;
	if (!parse_decimal(&digits, &value) || value > INT32_MAX)
		return false;
	*pid = (int32_t)value;
	return true;
}

/*
 * "name:" or "system:name:". A line of the function tracer has no name of its
 * own, but "function <-caller".
 */
static bool parse_name(struct cursor *line, struct head *head)
{
	for (unsigned int part = 0; part < 2; part++) {
		const char *first = line->at;

		if (first == line->end || !(is_letter(*first) || is_digit(*first) || *first == '_'))
			return false;
		while (line->at < line->end && is_name(*line->at))
			line->at++;
		head->name = first;
		head->name_size = (size_t)(line->at - first);
		if (skip_text(line, " <-"))
			return true;
		if (!skip_char(line, ':'))
			return false;
		if (word_ends(line))
			return true;
	}
	return false;
}

/* From behind the '[' to the time's ':'. */
static bool parse_place(struct cursor *line, struct head *head)
{
	uint64_t cpu;
	const char *first = line->at;

	/* Linux prints three digits or more; a name may well hold "[1]". */
	if (!parse_decimal(line, &cpu) || line->at - first < 3 || cpu >= RECORD_CPU_LIMIT)
		return false;
	head->cpu = (uint32_t)cpu;
	if (!skip_char(line, ']') || !skip_char(line, ' '))
		return false;
	skip_blanks(line);
	if (line->at < line->end && !is_digit(*line->at)) {
		while (!word_ends(line))
			line->at++;
		skip_blanks(line);
	}
	return parse_time(line, &head->time_ns);
}

/*
 * Leaves the line behind the event's name. The first place counts: what looks
 * like a second one may be an event's text, or the rest of another line.
 */
static bool parse_head(struct cursor *line, struct head *head)
{
	const char *first = line->at;
	const char *bracket = first;

	while ((bracket = memchr(bracket, '[', (size_t)(line->end - bracket)))) {
		line->at = ++bracket;
		if (!parse_place(line, head) || !parse_pid_before(first, bracket - 1, &head->pid))
			continue;
		if (!skip_char(line, ' '))
			return false;
		skip_blanks(line);
		return parse_name(line, head);
	}
	return false;
}

/* --- what an event says ---------------------------------------------------- */

static const struct record_slot *slot_find(const struct record_info *info, unsigned int expected,
					   const struct cursor *name)
{
	size_t size = (size_t)(name->end - name->at);

	for (unsigned int tries = 0; tries < info->slot_count; tries++) {
		const struct record_slot *slot =
			&info->slots[(expected + tries) % info->slot_count];

		if (slot->name_size == size && memcmp(slot->name, name->at, size) == 0)
			return slot;
	}
	return NULL;
}

/* A value that nobody asked for; strings are printed in quotes. */
static bool skip_value(struct cursor *line)
{
	if (skip_char(line, '"')) {
		const char *quote = find_text(line, "\"");

		if (!quote)
			return false;
		line->at = quote + 1;
	}
	while (!word_ends(line))
		line->at++;
	return true;
}

/* One "name=value"; *expected is the slot that usually comes next. */
static bool parse_pair(struct cursor *line, const struct record_info *info,
		       unsigned int *expected, struct record *record)
{
	const struct record_slot *slot;
	struct cursor name = { line->at, line->at };
	uint64_t value;

	while (name.end < line->end && *name.end != '=' && *name.end != ' ')
		name.end++;
	if (name.end == line->end || *name.end == ' ' || name.end == name.at)
		return false;
	line->at = name.end + 1;
	slot = slot_find(info, *expected, &name);
	if (!slot)
		return skip_value(line);
	if (!parse_number(line, &value) || !word_ends(line))
		return false;
	record_set(record, slot->field, value);
	*expected = (unsigned int)(slot - info->slots) + 1;
	return true;
}

/*
 * "(place) name=value ...". A word that is no pair means that the line was
 * cut, unless it is the module that ends a symbolic value.
 */
static bool parse_pairs(struct cursor *line, const struct record_info *info,
			struct record *record)
{
	unsigned int expected = 0;

	if (skip_char(line, '(')) {
		const char *close = find_text(line, ")");

		if (!close)
			return false;
		line->at = close + 1;
		if (!word_ends(line))
			return false;
	}
	for (skip_blanks(line); line->at < line->end; skip_blanks(line)) {
		if (*line->at == '[')
			skip_value(line);
		else if (!parse_pair(line, info, &expected, record))
			return false;
	}
	return true;
}

/* "true" and "false", or how another printer puts them. */
static bool parse_truth(struct cursor *line, uint64_t *value)
{
	*value = 1;
	if (skip_text(line, "true") || skip_text(line, "y"))
		return word_ends(line);
	*value = 0;
	if (skip_text(line, "false") || skip_text(line, "n"))
		return word_ends(line);
	return parse_number(line, value) && word_ends(line);
}

/*
 * "vcpu 0, rip 0x401ad0", "vcpu 0 reason npf rip ...", "vcpu 1 need_flush_tlb
 * false". Some kernels do not name the vCPU of an exit, nor does trace-cmd's
 * own plugin, which also stumbles over newer exits, aloud.
 */
static bool parse_vcpu(struct cursor *line, const struct record_info *info, struct record *record)
{
	uint64_t wanted = record_kind_fields(record->kind);
	uint64_t value;

	(void)info;
	skip_text(line, "<CANT FIND FIELD rip>");
	if (skip_text(line, "vcpu ")) {
		if (!parse_number(line, &value))
			return false;
		record_set(record, FIELD_VCPU_ID, value);
		skip_char(line, ',');
		if (!word_ends(line))
			return false;
		skip_blanks(line);
	}
	if (wanted >> FIELD_REASON & 1 && skip_text(line, "reason "))
		record_set(record, FIELD_REASON, 1);
	if (wanted >> FIELD_NEED_FLUSH & 1 && skip_text(line, "need_flush_tlb ")) {
		if (!parse_truth(line, &value))
			return false;
		record_set(record, FIELD_NEED_FLUSH, value);
	}
	return true;
}

/* The number that follows the text, if the text is there at all. */
static bool parse_number_after(const struct cursor *line, const char *text, struct record *record,
			       enum record_field field)
{
	struct cursor rest = { find_text(line, text), line->end };
	uint64_t value;

	if (!rest.at)
		return true;
	rest.at += strlen(text);
	if (!parse_number(&rest, &value) || !word_ends(&rest))
		return false;
	record_set(record, field, value);
	return true;
}

/*
 * "rip: 0x... vmcb: 0x... ... nested_npt=y nested_cr3: 0x...", or "guest_cr3:"
 * with npt=n; on Intel "vmcs", "nested_ept" and "nested_eptp".
 */
static bool parse_vmenter(struct cursor *line, const struct record_info *info,
			  struct record *record)
{
	const char *npt = find_text(line, " nested_npt=");

	(void)info;
	if (!npt)
		npt = find_text(line, " nested_ept=");
	if (npt) {
		struct cursor rest = { npt + strlen(" nested_npt="), line->end };
		uint64_t value;

		if (!parse_truth(&rest, &value))
			return false;
		record_set(record, FIELD_NPT, value);
	}
	return parse_number_after(line, " vmcb: ", record, FIELD_VMCB12) &&
	       parse_number_after(line, " vmcs: ", record, FIELD_VMCB12) &&
	       parse_number_after(line, " nested_cr3: ", record, FIELD_NCR3_12) &&
	       parse_number_after(line, " nested_eptp: ", record, FIELD_NCR3_12) &&
	       parse_number_after(line, " guest_cr3: ", record, FIELD_CR3_12);
}

static bool parse_reason(struct cursor *line, const struct record_info *info,
			 struct record *record)
{
	(void)info;
	if (!skip_text(line, "reason: ") && !skip_text(line, "reason "))
		return false;
	record_set(record, FIELD_REASON, 1);
	return true;
}

/* What libtraceevent prints if it does not understand the event's format. */
static bool parse_raw(struct cursor *line, const struct record_info *info, struct record *record)
{
	if (!parse_pairs(line, info, record))
		return false;
	record_settle(record);
	return true;
}

static bool parse_fields(struct cursor *line, struct record *record)
{
	const struct record_info *info = &record_infos[record->kind];

	skip_blanks(line);
	if (skip_text(line, "[FAILED TO PARSE]"))
		return parse_raw(line, info, record);
	switch (info->shape) {
	case SHAPE_PAIRS:
		return parse_pairs(line, info, record);
	case SHAPE_VCPU:
		return parse_vcpu(line, info, record);
	case SHAPE_VMENTER:
		return parse_vmenter(line, info, record);
	case SHAPE_REASON:
		return parse_reason(line, info, record);
	case SHAPE_NONE:
		break;
	}
	return false;
}

/* --- kinds of lines ---------------------------------------------------------- */

/* "# entries-in-buffer/entries-written: 701/1000   #P:2": 299 were lost. */
static enum line parse_comment(struct trace *trace, struct cursor *line, struct record *record)
{
	uint64_t here, written;

	if (skip_text(line, "# tracer: "))
		trace->text->recognised = true;
	if (!skip_text(line, "# entries-in-buffer/entries-written: "))
		return LINE_NOTE;
	if (!parse_decimal(line, &here) || !skip_char(line, '/') || !parse_decimal(line, &written))
		return LINE_NOTE;
	trace->stats.promised += here;
	if (written <= here)
		return LINE_NOTE;
	trace_lose(trace, record, RECORD_CPU_NONE, written - here);
	return LINE_LOST;
}

/*
 * "CPU:0 [LOST 123 EVENTS]" or "[LOST EVENTS]"; trace-cmd says "[123 EVENTS
 * DROPPED]" or "[EVENTS DROPPED]".
 */
static enum line parse_lost(struct trace *trace, struct cursor *line, struct record *record)
{
	uint64_t cpu, count = 0;
	bool numbered;

	if (!parse_decimal(line, &cpu) || cpu >= RECORD_CPU_LIMIT || !skip_text(line, " ["))
		return LINE_BAD;
	if (skip_text(line, "SUBBUFFER START]"))
		return LINE_NOTE;
	skip_text(line, "LOST ");
	numbered = parse_decimal(line, &count);
	if (numbered && !skip_char(line, ' '))
		return LINE_BAD;
	if (!skip_text(line, "EVENTS]") && !skip_text(line, "EVENTS DROPPED]"))
		return LINE_BAD;
	trace_lose(trace, record, (uint32_t)cpu, count);
	return LINE_LOST;
}

/* Lines that are no events: what ftrace and trace-cmd put around them. */
static enum line parse_note(struct trace *trace, struct cursor *line, struct record *record)
{
	skip_blanks(line);
	if (line->at == line->end)
		return LINE_NOTE;
	if (*line->at == '#')
		return parse_comment(trace, line, record);
	if (skip_text(line, "CPU:"))
		return parse_lost(trace, line, record);
	if (skip_text(line, "cpus=") || skip_text(line, "version = "))
		return LINE_NOTE;
	return LINE_BAD;
}

static enum line parse_event(struct trace *trace, struct cursor *line, const struct head *head,
			     struct record *record)
{
	record->kind = trace_kind(trace, head->name, head->name_size);
	record->cpu = head->cpu;
	record->pid = head->pid;
	record->time_ns = head->time_ns;
	record->present = 0;
	/* An event without any field that is known here says nothing. */
	if (record->kind != RECORD_OTHER && (!parse_fields(line, record) || !record->present))
		return LINE_BAD;
	trace->text->recognised = true;
	trace_count(trace, record->kind, head->cpu, head->time_ns);
	return record->kind == RECORD_OTHER ? LINE_OTHER : LINE_EVENT;
}

/* A line without a newline was cut, wherever that was. */
static enum line parse_line(struct trace *trace, struct cursor line, struct record *record)
{
	struct cursor again = line;
	struct head head;
	size_t size = (size_t)(line.end - line.at);

	record->where = ++trace->stats.lines;
	if (size > LINE_LIMIT || memchr(line.at, 0, size))
		return LINE_BAD;
	if (size && line.end[-1] == '\r')
		again.end = --line.end;
	if (parse_head(&line, &head))
		return parse_event(trace, &line, &head, record);
	return parse_note(trace, &again, record);
}

/* --- the stream of lines ------------------------------------------------------ */

/* More bytes behind what is there; false when there are none. */
static bool buffer_fill(struct trace *trace)
{
	struct ftrace *text = trace->text;
	size_t got;

	if (text->over)
		return false;
	memmove(text->buffer, text->buffer + text->begin, text->end - text->begin);
	text->end -= text->begin;
	text->begin = 0;
	got = source_read(trace->source, text->buffer + text->end, BUFFER_SIZE - text->end);
	text->end += got;
	text->over = !got;
	if (!text->recognised)
		text->junk += got;
	return got > 0;
}

/*
 * The next line without its newline. What is too long is given out once, as
 * LINE_LIMIT + 1 bytes, and then skipped. Returns false at the end; an
 * unfinished last line is then in the buffer.
 */
static bool line_next(struct trace *trace, struct cursor *line)
{
	struct ftrace *text = trace->text;

	for (;;) {
		size_t size = text->end - text->begin;
		char *first = text->buffer + text->begin;
		char *newline = memchr(first, '\n', size);
		bool rest = text->skipping;

		line->at = first;
		line->end = newline;
		if (newline) {
			text->begin += (size_t)(newline - first) + 1;
			text->skipping = false;
		} else if (size > LINE_LIMIT) {
			line->end = first + LINE_LIMIT + 1;
			text->begin = text->end;
			text->skipping = true;
		} else if (!buffer_fill(trace)) {
			return false;
		}
		if (line->end && !rest)
			return true;
	}
}

/* The source's last word. */
static int ending(struct trace *trace)
{
	struct trace_stats *stats = &trace->stats;
	unsigned long long lines = stats->lines;

	switch (source_state(trace->source)) {
	case SOURCE_FAILED:
		return trace_fail(trace, "%s after line %llu",
				  strerror(source_errno(trace->source)), lines);
	case SOURCE_CUT:
		stats->truncated = true;
		return trace_fail(trace, "compressed data ends early after line %llu", lines);
	case SOURCE_DAMAGED:
		stats->truncated = true;
		return trace_fail(trace, "compressed data is damaged after line %llu", lines);
	case SOURCE_READING:
	case SOURCE_END:
		break;
	}
	if (!lines)
		return trace_fail(trace, "not a trace: the file is empty");
	if (!stats->records && stats->unparsed)
		return trace_fail(trace, "not a trace: no event in %llu lines", lines);
	return 0;
}

/* What is left without a newline is a line that was cut. */
static int finish(struct trace *trace)
{
	struct ftrace *text = trace->text;

	if (text->end > text->begin && !text->skipping) {
		trace->stats.lines++;
		trace->stats.unparsed++;
		trace->stats.truncated = true;
	}
	return ending(trace);
}

int ftrace_next(struct trace *trace, struct record *record)
{
	struct cursor line;

	while (line_next(trace, &line)) {
		enum line kind = parse_line(trace, line, record);

		if (kind == LINE_EVENT || kind == LINE_LOST)
			return 1;
		if (kind != LINE_BAD)
			continue;
		trace->stats.unparsed++;
		if (!trace->text->recognised && trace->text->junk > JUNK_LIMIT)
			return trace_fail(trace, "not a trace: no event in the first %llu lines",
					  (unsigned long long)trace->stats.lines);
	}
	return finish(trace);
}

int ftrace_open(struct trace *trace)
{
	trace->text = calloc(1, sizeof(*trace->text));
	if (!trace->text)
		return trace_fail(trace, "%s", "out of memory");
	return 0;
}

void ftrace_close(struct trace *trace)
{
	free(trace->text);
}
