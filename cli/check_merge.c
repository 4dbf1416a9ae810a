/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * tlbtag check --merge: the results of shards as one.
 */
#include "check.h"
#include "cli.h"
#include "json.h"

#include <string.h>

/* A number is added, a list is appended; a time means nothing in a sum. */
static void add_value(json_t *sum, const char *key, json_t *value)
{
	json_t *before = json_object_get(sum, key);

	if (json_is_integer(value))
		json_object_set_new(sum, key,
				    json_integer(json_integer_value(before) +
						 json_integer_value(value)));
	else if (json_is_array(value) && before)
		json_array_extend(before, value);
	else if (json_is_array(value))
		json_object_set(sum, key, value);
}

static bool is_result(const json_t *result)
{
	return json_is_integer(json_object_get(result, "ops")) &&
	       json_is_integer(json_object_get(result, "accesses")) &&
	       json_is_array(json_object_get(result, "wrong"));
}

static int add_file(json_t *sum, const char *path)
{
	json_error_t error;
	json_t *result = json_load_file(path, 0, &error);
	json_t *value;
	const char *key;

	if (!result && error.line < 0)
		return complain("%s: cannot be read", path);
	if (!result)
		return complain("%s:%d: %s", path, error.line, error.text);
	if (!is_result(result)) {
		json_decref(result);
		return complain("%s:1: not what 'tlbtag check --json' prints", path);
	}
	json_object_foreach(result, key, value)
		add_value(sum, key, value);
	json_decref(result);
	return EXIT_FINE;
}

/* Which shard came first must not matter. */
static json_t *take_first(json_t *list)
{
	size_t least = 0;
	json_t *taken;

	for (size_t i = 1; i < json_array_size(list); i++)
		if (json_integer_value(json_object_get(json_array_get(list, i), "seed")) <
		    json_integer_value(json_object_get(json_array_get(list, least), "seed")))
			least = i;
	taken = json_incref(json_array_get(list, least));
	json_array_remove(list, least);
	return taken;
}

static size_t sort_wrong(json_t *sum)
{
	json_t *list = json_object_get(sum, "wrong");
	json_t *sorted = json_array();
	size_t count = json_array_size(list);

	while (json_array_size(list))
		json_array_append_new(sorted, take_first(list));
	json_object_set_new(sum, "wrong", sorted);
	return count;
}

int check_merge(int count, char **paths)
{
	json_t *sum = json_object();
	int code = count ? EXIT_FINE : complain("check: --merge needs files");
	size_t wrong;

	for (int i = 0; i < count && code == EXIT_FINE; i++)
		code = add_file(sum, paths[i]);
	if (code != EXIT_FINE) {
		json_decref(sum);
		return code;
	}
	wrong = sort_wrong(sum);
	json_write(sum);
	return finish_output(wrong ? EXIT_FOUND : EXIT_FINE);
}
