/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * tlbtag rules: the table of rules.h, as the code has it.
 */
#include "cli.h"
#include "json.h"

#include <string.h>
#include <tlbtag/rules.h>

static const struct {
	const char *id;
	const char *statement;
	const char *source;
} rules[] = {
#define RULE_ROW(id, statement, source) { #id, statement, source },
	TLBTAG_RULES(RULE_ROW)
	TLBTAG_SEPT_RULES(RULE_ROW)
#undef RULE_ROW
};

#define RULE_ROWS (sizeof(rules) / sizeof(rules[0]))

static void print_text(void)
{
	for (size_t i = 0; i < RULE_ROWS; i++)
		printf("%-18s %s\n%-18s   [%s]\n", rules[i].id, rules[i].statement, "",
		       rules[i].source);
}

static void print_json(void)
{
	json_t *list = json_array();

	for (size_t i = 0; i < RULE_ROWS; i++)
		json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "id", rules[i].id,
						      "statement", rules[i].statement, "source",
						      rules[i].source));
	json_write(list);
}

int rules_main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--json")) {
		print_json();
		return finish_output(EXIT_FINE);
	}
	if (argc == 2 && !strcmp(argv[1], "--help")) {
		puts("usage: tlbtag rules [--json]\n\n"
		     "Prints every rule of the library: its ID, what it says, where it is from.");
		return finish_output(EXIT_FINE);
	}
	if (argc > 1)
		return complain("rules: unexpected '%s'", argv[1]);
	print_text();
	return finish_output(EXIT_FINE);
}
