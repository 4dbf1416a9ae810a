/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * offset: read from BTF by libbpf, or from a file of assignments.
 */
#include "offset.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_SIZE 256
/* No structure of KVM is that large; a larger number is a mistake. */
#define OFFSET_LIMIT (1u << 20)
/* Structures without a name that are looked into for one member; KVM's have few. */
#define ANONYMOUS_MAX 64

static const struct {
	const char *name;
	const char *structure;
	const char *path;
} table[] = {
#define OFFSET_ROW(name, structure, path) { #name, structure, path },
	OFFSET_TABLE(OFFSET_ROW)
#undef OFFSET_ROW
};

enum offset offset_find(const char *name, size_t size)
{
	for (enum offset offset = 0; offset < OFFSETS; offset++)
		if (strlen(table[offset].name) == size && !memcmp(table[offset].name, name, size))
			return offset;
	return OFFSETS;
}

const char *offset_name(enum offset offset)
{
	return table[offset].name;
}

void offsets_forget_amd(struct offsets *offsets)
{
	for (enum offset offset = 0; offset < OFFSETS; offset++)
		if (strcmp(table[offset].structure, "kvm_vcpu"))
			offsets->source[offset] = OFFSET_UNKNOWN;
}

/* --- BTF ------------------------------------------------------------------- */

/* Where a search in a structure has got to. */
struct place {
	uint32_t type;
	uint32_t bytes;
};

/* One step of a path: a name, or several with | between. */
struct name {
	const char *text;
	size_t size;
};

static bool is_named(const char *member, const struct name *name)
{
	const char *end = name->text + name->size;
	size_t length = member ? strlen(member) : 0;

	for (const char *one = name->text; length && one < end; one++) {
		const char *bar = memchr(one, '|', (size_t)(end - one));
		size_t size = (size_t)((bar ? bar : end) - one);

		if (size == length && !memcmp(member, one, size))
			return true;
		one += size;
	}
	return false;
}

/* The structure or union behind typedefs and qualifiers; NULL: it is neither. */
static const struct btf_type *composite(const struct btf *btf, uint32_t id)
{
	int resolved = btf__resolve_type(btf, id);
	const struct btf_type *type = NULL;

	if (resolved >= 0)
		type = btf__type_by_id(btf, (uint32_t)resolved);
	return type && (btf_is_struct(type) || btf_is_union(type)) ? type : NULL;
}

/* What a structure has itself; those without a name go to the list behind it. */
static bool look_in(const struct btf *btf, struct place *list, uint32_t *count, uint32_t at,
		    const struct name *name)
{
	const struct btf_type *type = composite(btf, list[at].type);

	for (uint32_t i = 0; type && i < btf_vlen(type); i++) {
		const struct btf_member *member = btf_members(type) + i;
		uint32_t bits = btf_member_bit_offset(type, i);
		struct place inside = { member->type, list[at].bytes + bits / 8 };

		if (bits % 8 || btf_member_bitfield_size(type, i))
			continue;
		if (is_named(btf__name_by_offset(btf, member->name_off), name)) {
			list[0] = inside;
			return true;
		}
		if (!member->name_off && *count < ANONYMOUS_MAX)
			list[(*count)++] = inside;
	}
	return false;
}

/* To a member of the structure at the place. */
static bool step(const struct btf *btf, struct place *place, const struct name *name)
{
	struct place list[ANONYMOUS_MAX] = { *place };
	uint32_t count = 1;

	for (uint32_t at = 0; at < count; at++) {
		if (look_in(btf, list, &count, at, name)) {
			*place = list[0];
			return true;
		}
	}
	return false;
}

static bool walk(const struct btf *btf, const char *structure, const char *path, uint32_t *bytes)
{
	int id = btf__find_by_name_kind(btf, structure, BTF_KIND_STRUCT);
	struct place place = { (uint32_t)id, 0 };

	if (id < 0)
		return false;
	while (*path) {
		struct name name = { path, strcspn(path, ".") };

		if (!step(btf, &place, &name))
			return false;
		path += name.size + (path[name.size] == '.');
	}
	*bytes = place.bytes;
	return true;
}

static void look_up(struct offsets *offsets, const struct btf *btf)
{
	for (enum offset offset = 0; offset < OFFSETS; offset++) {
		if (offsets->source[offset] != OFFSET_UNKNOWN)
			continue;
		if (walk(btf, table[offset].structure, table[offset].path, &offsets->at[offset]))
			offsets->source[offset] = OFFSET_BTF;
	}
}

static int quiet(enum libbpf_print_level level, const char *format, va_list arguments)
{
	(void)level;
	(void)format;
	(void)arguments;
	return 0;
}

static struct btf *btf_open(const char *path, struct btf *base, char *error, size_t size)
{
	struct btf *btf = base ? btf__parse_raw_split(path, base) : btf__parse_raw(path);

	if (!btf)
		snprintf(error, size, "%s: %s", path,
			 errno == EINVAL || errno == EPROTO ? "not BTF" : strerror(errno));
	return btf;
}

int offsets_from_btf(struct offsets *offsets, const char *directory, const char *module,
		     char *error, size_t size)
{
	struct btf *kernel, *btf = NULL;
	char path[4096];

	libbpf_set_print(quiet);
	snprintf(path, sizeof(path), "%s/vmlinux", directory);
	kernel = btf_open(path, NULL, error, size);
	if (!kernel)
		return -1;
	if (module) {
		snprintf(path, sizeof(path), "%s/%s", directory, module);
		btf = btf_open(path, kernel, error, size);
	}
	if (btf || !module)
		look_up(offsets, btf ? btf : kernel);
	btf__free(btf);
	btf__free(kernel);
	return btf || !module ? 0 : -1;
}

/* --- a file ------------------------------------------------------------------ */

/* "OFF_NAME=NUMBER", or nothing behind the =. NULL, or what is wrong. */
static const char *take_line(struct offsets *offsets, char *line)
{
	char *equals = strchr(line, '=');
	unsigned long number;
	enum offset offset;
	char *end;

	if (strncmp(line, "OFF_", 4) || !equals)
		return "expected OFF_NAME=NUMBER";
	offset = offset_find(line + 4, (size_t)(equals - line) - 4);
	if (!equals[1])
		return NULL;
	errno = 0;
	number = strtoul(equals + 1, &end, 0);
	if (errno || *end || equals[1] == '-' || number >= OFFSET_LIMIT)
		return "not an offset";
	if (offset < OFFSETS) {
		offsets->at[offset] = (uint32_t)number;
		offsets->source[offset] = OFFSET_FILE;
	}
	return NULL;
}

int offsets_from_file(struct offsets *offsets, const char *path, char *error, size_t size)
{
	FILE *file = fopen(path, "re");
	const char *wrong = NULL;
	unsigned int number = 0;
	char line[LINE_SIZE];
	int failed;

	if (!file) {
		snprintf(error, size, "%s: %s", path, strerror(errno));
		return -1;
	}
	while (!wrong && fgets(line, sizeof(line), file)) {
		size_t length = strcspn(line, "\n");

		number++;
		wrong = line[length] ? NULL : "the line is too long, or was cut";
		line[length] = 0;
		if (!wrong && line[0] && line[0] != '#')
			wrong = take_line(offsets, line);
	}
	if (wrong)
		snprintf(error, size, "%s:%u: %s", path, number, wrong);
	else if (ferror(file))
		snprintf(error, size, "%s: %s", path, strerror(errno));
	failed = wrong || ferror(file);
	fclose(file);
	return failed ? -1 : 0;
}
