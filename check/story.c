/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stories, in memory and as text.
 */
#include "story.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void story_copy(struct story *to, const struct story *from)
{
	to->config = from->config;
	to->settle = from->settle;
	to->count = from->count;
	memcpy(to->op, from->op, from->count * sizeof(from->op[0]));
}

bool story_add(struct story *story, const struct vmm_op *op)
{
	if (story->count == STORY_OPS_MAX)
		return false;
	story->op[story->count++] = *op;
	return true;
}

/* --- writing ----------------------------------------------------------------- */

void story_print_op(const struct check_world *world, const struct vmm_op *op, FILE *out)
{
	const struct vmm_op_info *info = &world->infos[op->kind];
	unsigned int args = check_world_args(world, op->kind);

	fputs(info->name, out);
	for (unsigned int i = 0; i < args; i++)
		fprintf(out, " %s=%u", info->args[i], op->arg[i]);
}

static const char *head_of(const struct check_world *world)
{
	return world->is_private ? STORY_HEAD_PRIVATE : STORY_HEAD;
}

static void print_body(const struct check_world *world, const struct story *story, FILE *out)
{
	fputs("config ", out);
	config_print(world, &story->config, out);
	fputc('\n', out);
	for (unsigned int i = 0; i < story->count; i++) {
		story_print_op(world, &story->op[i], out);
		fputc('\n', out);
	}
	if (story->settle)
		fputs("settle\n", out);
}

void story_print(const struct check_world *world, const struct story *story, FILE *out)
{
	fprintf(out, "%s\n", head_of(world));
	print_body(world, story, out);
}

static void print_comment(const char *comment, FILE *out)
{
	while (*comment) {
		size_t size = strcspn(comment, "\n");

		fprintf(out, size ? "# %.*s\n" : "#%.*s\n", (int)size, comment);
		comment += size + (comment[size] == '\n');
	}
}

/* The comment comes behind the head line. */
static int write_story(const struct check_world *world, FILE *out, const struct story *story,
		       const char *comment)
{
	fprintf(out, "%s\n", head_of(world));
	print_comment(comment, out);
	print_body(world, story, out);
	return fflush(out) || ferror(out) ? -1 : 0;
}

int story_save(const struct check_world *world, const char *path, const struct story *story,
	       const char *comment)
{
	char *unfinished;
	int error = 0;
	FILE *out;

	if (asprintf(&unfinished, "%s.%ld", path, (long)getpid()) < 0)
		return -ENOMEM;
	out = fopen(unfinished, "wx");
	if (!out) {
		error = -errno;
		free(unfinished);
		return error;
	}
	if (write_story(world, out, story, comment))
		error = errno ? -errno : -EIO;
	if (fclose(out) && !error)
		error = -errno;
	if (!error && rename(unfinished, path))
		error = -errno;
	if (error)
		unlink(unfinished);
	free(unfinished);
	return error;
}

/* --- reading ----------------------------------------------------------------- */

struct story_reader {
	const struct check_world *world;
	const struct check_world *other; /* or NULL: the head line may be of this one */
	struct story *story;
	const char *name;
	unsigned int line;
	bool configured;
	char *error;
};

/* Always -1. */
static int refuse(struct story_reader *reader, const char *what)
{
	snprintf(reader->error, STORY_LINE_MAX, "%.400s:%u: %.400s", reader->name, reader->line,
		 what);
	return -1;
}

static int refuse_word(struct story_reader *reader, const char *format, const char *word)
{
	char text[200];

	snprintf(text, sizeof(text), format, word);
	return refuse(reader, text);
}

static int read_config(struct story_reader *reader, char *rest)
{
	char text[200];
	char *next;

	if (reader->configured)
		return refuse(reader, "config must come before all operations");
	for (char *word = strtok_r(rest, " \t", &next); word; word = strtok_r(NULL, " \t", &next))
		if (config_word(reader->world, &reader->story->config, word, text,
				sizeof(text)) < 0)
			return refuse(reader, text);
	return 0;
}

/* Whatever follows depends on the configuration. */
static int end_config(struct story_reader *reader)
{
	const char *wrong = reader->world->config_check(&reader->story->config);

	if (reader->configured)
		return 0;
	if (wrong)
		return refuse_word(reader, "this configuration cannot be: %.150s", wrong);
	reader->configured = true;
	return 0;
}

static int find_arg(const struct vmm_op_info *info, const char *word, size_t size)
{
	for (int i = 0; i < (int)VMM_ARGS && info->args[i]; i++)
		if (strlen(info->args[i]) == size && !memcmp(info->args[i], word, size))
			return i;
	return -1;
}

/* One to three digits, below the limit. */
static bool read_arg(const char *text, unsigned int limit, uint8_t *value)
{
	size_t size = strspn(text, "0123456789");
	unsigned long number = strtoul(text, NULL, 10);

	if (!size || size > 3 || text[size] || number >= limit || number > UINT8_MAX)
		return false;
	*value = (uint8_t)number;
	return true;
}

static int read_word(struct story_reader *reader, struct vmm_op *op, const char *word,
		     unsigned int *seen)
{
	const struct vmm_op_info *info = &reader->world->infos[op->kind];
	size_t size = strcspn(word, "=");
	int arg = find_arg(info, word, size);
	unsigned int limit;
	char text[120];

	if (arg < 0 || word[size] != '=')
		return refuse_word(reader, "'%.60s' is no argument of this operation", word);
	if (*seen & 1u << arg)
		return refuse_word(reader, "%.60s is given twice", info->args[arg]);
	*seen |= 1u << arg;
	limit = reader->world->arg_limit(&reader->story->config, op->kind, (unsigned int)arg);
	/* What is not in use in this configuration is written as 0. */
	if (read_arg(word + size + 1, limit ? limit : 1, &op->arg[arg]))
		return 0;
	snprintf(text, sizeof(text), "%.60s must be below %u here", info->args[arg],
		 limit ? limit : 1);
	return refuse(reader, text);
}

static int read_op(struct story_reader *reader, unsigned int kind, char *rest)
{
	struct vmm_op op = { .kind = (uint8_t)kind };
	unsigned int seen = 0;
	char *next;

	for (char *word = strtok_r(rest, " \t", &next); word; word = strtok_r(NULL, " \t", &next))
		if (read_word(reader, &op, word, &seen))
			return -1;
	if (!story_add(reader->story, &op))
		return refuse(reader, "a story that is too long");
	return 0;
}

static int read_settle(struct story_reader *reader, const char *rest)
{
	if (rest[strspn(rest, " \t")])
		return refuse(reader, "settle has no arguments");
	reader->story->settle = true;
	return 0;
}

static int read_step(struct story_reader *reader, const char *word, char *rest)
{
	if (reader->story->settle)
		return refuse(reader, "nothing can follow settle");
	if (end_config(reader))
		return -1;
	if (!strcmp(word, "settle"))
		return read_settle(reader, rest);
	for (unsigned int kind = 0; kind < reader->world->kinds; kind++)
		if (!strcmp(reader->world->infos[kind].name, word))
			return read_op(reader, kind, rest);
	return refuse_word(reader, "no operation '%.60s'", word);
}

static int read_head(struct story_reader *reader, const char *line)
{
	if (!strcmp(line, head_of(reader->world)))
		return 0;
	if (!reader->other || strcmp(line, head_of(reader->other)))
		return refuse_word(reader, "not a story, it does not begin with '%s'",
				   head_of(reader->world));
	reader->world = reader->other;
	reader->world->config_init(&reader->story->config);
	return 0;
}

static int read_line(struct story_reader *reader, char *line)
{
	char *rest;
	char *word;

	if (reader->line == 1 && read_head(reader, line))
		return -1;
	line[strcspn(line, "#")] = '\0';
	line += strspn(line, " \t");
	if (!*line)
		return 0;
	word = line;
	rest = line + strcspn(line, " \t");
	if (*rest)
		*rest++ = '\0';
	if (!strcmp(word, "config"))
		return read_config(reader, rest);
	return read_step(reader, word, rest);
}

/* Half a line may be a valid one, so a line must end. */
static int check_line(struct story_reader *reader, char *line, size_t size)
{
	if (strlen(line) != size)
		return refuse(reader, "a line with a 0 byte in it");
	if (line[size - 1] != '\n')
		return refuse(reader, size >= STORY_LINE_MAX - 1 ? "a line that is too long"
								 : "the last line is cut");
	line[size - 1] = '\0';
	return 0;
}

/* As fgets(), but says how much was read, whatever bytes it is made of. */
static size_t next_line(FILE *in, char *line)
{
	size_t size = 0;
	int c = 0;

	while (size < STORY_LINE_MAX - 1 && c != '\n' && (c = fgetc(in)) != EOF)
		line[size++] = (char)c;
	line[size] = '\0';
	return size;
}

static int read_lines(struct story_reader *reader, FILE *in)
{
	char line[STORY_LINE_MAX];
	size_t size;

	reader->world->config_init(&reader->story->config);
	reader->story->settle = false;
	reader->story->count = 0;
	while ((size = next_line(in, line)) > 0) {
		reader->line++;
		if (check_line(reader, line, size) || read_line(reader, line))
			return -1;
	}
	if (ferror(in))
		return refuse(reader, strerror(errno));
	if (!reader->line)
		return refuse(reader, "an empty file");
	return end_config(reader);
}

int story_read(const struct check_world *world, FILE *in, const char *name, struct story *story,
	       char *error)
{
	struct story_reader reader = {
		.world = world, .story = story, .name = name, .error = error
	};

	return read_lines(&reader, in);
}

static int load(struct story_reader *reader, const char *path)
{
	bool standard = !strcmp(path, "-");
	FILE *in = standard ? stdin : fopen(path, "re");
	int result;

	if (!in) {
		snprintf(reader->error, STORY_LINE_MAX, "%.400s: %s", path, strerror(errno));
		return -1;
	}
	reader->name = standard ? "standard input" : path;
	result = read_lines(reader, in);
	if (!standard)
		fclose(in);
	return result;
}

int story_load(const struct check_world *world, const char *path, struct story *story,
	       char *error)
{
	struct story_reader reader = { .world = world, .story = story, .error = error };

	return load(&reader, path);
}

int story_load_either(const struct check_world *const worlds[2], const char *path,
		      struct story *story, const struct check_world **world, char *error)
{
	struct story_reader reader = {
		.world = worlds[0], .other = worlds[1], .story = story, .error = error
	};
	int result = load(&reader, path);

	*world = reader.world;
	return result;
}

/* --- playing ----------------------------------------------------------------- */

static void settle(const struct check_world *world, struct vmm *vmm, struct story_end *end)
{
	end->wrong = world->settle(vmm, &end->verdict) < 0;
	end->settled = end->wrong;
}

void story_play(const struct check_world *world, struct vmm *vmm, struct story *story,
		struct story_end *end)
{
	unsigned int count = story->count;

	memset(end, 0, sizeof(*end));
	world->restart(vmm, &story->config);
	story->count = 0;
	for (unsigned int i = 0; i < count && !end->wrong; i++) {
		int result = world->apply(vmm, &story->op[i], &end->verdict);

		if (result)
			story->op[story->count++] = story->op[i];
		end->wrong = result < 0;
	}
	if (!end->wrong && story->settle)
		settle(world, vmm, end);
	else
		story->settle = false;
	end->done = story->count;
	end->accesses = world->counts(vmm)->accesses;
}
