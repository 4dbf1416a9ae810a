/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Explanations: every step of a story in a line, and beside those that matter
 * what they had to do with what went wrong.
 */
#include "explain.h"

#include <inttypes.h>
#include <string.h>

static const char *meaning(const struct check_world *world, enum vmm_wrong wrong)
{
	if (world->wrong_meaning)
		return world->wrong_meaning(wrong);
	switch ((unsigned int)wrong) {
	case VMM_FINE:
		return "nothing was wrong";
	case VMM_FOREIGN:
		return "an access may be served by a translation that belongs to another";
	case VMM_LOST:
		return "an access may reach memory that had been taken away";
	case VMM_LATE:
		return "an access may be served by a translation that the guest had removed";
	case VMM_SPARE:
		return "a flush that nothing asked for";
	case VMM_LEAK:
		return "a tag did not come back";
	case VMM_STUCK:
		return "a vCPU can make no progress";
	case VMM_BROKEN:
		return "an internal check failed";
	}
	return "unknown";
}

static bool is_stale(enum vmm_wrong wrong)
{
	return wrong == VMM_FOREIGN || wrong == VMM_LOST || wrong == VMM_LATE;
}

/* --- steps ------------------------------------------------------------------- */

static void print_mark(const struct story *story, const struct story_end *end,
		       unsigned int step, FILE *out)
{
	const struct vmm_verdict *verdict = &end->verdict;

	if (!end->wrong)
		return;
	if (is_stale(verdict->wrong) && step == verdict->filled_at)
		fputs("   <-- here the translation was made", out);
	if (step == verdict->due_at)
		fputs("   <-- this should have led to its removal", out);
	if (step == story->count && !end->settled)
		fputs(is_stale(verdict->wrong) ? "   <-- here it may still be used"
					       : "   <-- here it shows", out);
}

static int name_width(const struct check_world *world, const struct story *story)
{
	int most = 0;

	for (unsigned int i = 0; i < story->count; i++) {
		int width = (int)strlen(world->infos[story->op[i].kind].name);

		most = width > most ? width : most;
	}
	return most;
}

static void print_step(const struct check_world *world, const struct vmm_op *op, int width,
		       FILE *out)
{
	const struct vmm_op_info *info = &world->infos[op->kind];
	unsigned int args = check_world_args(world, op->kind);

	fprintf(out, "%-*s", args ? width : 0, info->name);
	for (unsigned int i = 0; i < args; i++) {
		const char *word = NULL;

		if (world->arg_word)
			word = world->arg_word(op->kind, i, op->arg[i]);
		fprintf(out, " %s=%u", info->args[i], op->arg[i]);
		if (word)
			fprintf(out, "(%s)", word);
	}
}

static void print_steps(const struct check_world *world, const struct story *story,
			const struct story_end *end, FILE *out)
{
	int width = name_width(world, story);

	if (end->wrong && is_stale(end->verdict.wrong) && !end->verdict.filled_at)
		fputs("       (before the first step the translation was made)\n", out);
	for (unsigned int i = 0; i < story->count; i++) {
		fprintf(out, "  %3u  ", i + 1);
		print_step(world, &story->op[i], width, out);
		print_mark(story, end, i + 1, out);
		fputc('\n', out);
	}
	if (story->settle)
		fprintf(out, "  %3u  settle%s\n", story->count + 1,
			end->settled ? "   <-- here it shows" : "");
}

/* What the operations of this story do, each once. */
static void print_legend(const struct check_world *world, const struct story *story, FILE *out)
{
	bool seen[CHECK_KINDS_MAX] = { false };
	int width = name_width(world, story);

	for (unsigned int i = 0; i < story->count; i++) {
		unsigned int kind = story->op[i].kind;

		if (!seen[kind] && world->infos[kind].about)
			fprintf(out, "       %-*s  %s\n", width, world->infos[kind].name,
				world->infos[kind].about);
		seen[kind] = true;
	}
}

/* --- the verdict ------------------------------------------------------------- */

static void print_words(const char *words, FILE *out)
{
	while (*words) {
		size_t size = strcspn(words, "\n");

		fprintf(out, "  %.*s\n", (int)size, words);
		words += size + (words[size] == '\n');
	}
}

static void print_place(const struct vmm_verdict *verdict, FILE *out)
{
	fprintf(out, "  who: vCPU %u of VM %u in L%u on CPU %u, tag %" PRIu32 ", address %#" PRIx64
		     ", may get %#" PRIx64 "\n",
		verdict->vcpu, verdict->vm, verdict->level, verdict->cpu, verdict->tag,
		verdict->address, verdict->got);
	fprintf(out, "  made by: vCPU %u of VM %u in L%u\n", verdict->filled_by_vcpu,
		verdict->filled_by_vm, verdict->filled_by_level);
}

static void print_verdict(const struct check_world *world, const struct story_end *end,
			  FILE *out)
{
	const struct vmm_verdict *verdict = &end->verdict;

	fprintf(out, "  %s: %s.\n", world->wrong_name(verdict->wrong),
		meaning(world, verdict->wrong));
	print_words(verdict->words, out);
	if (is_stale(verdict->wrong))
		print_place(verdict, out);
	if (config_rule_name(verdict->rule))
		fprintf(out, "  the rule for this: %s, %s\n", config_rule_name(verdict->rule),
			config_rule_statement(verdict->rule));
}

void explain_line(const struct check_world *world, const struct story_end *end, FILE *out)
{
	fprintf(out, "%s: %s", world->wrong_name(end->verdict.wrong),
		meaning(world, end->verdict.wrong));
}

static void print_changes(const struct check_world *world, const struct vmm_config *config,
			  FILE *out)
{
	if (config_rule_name(config->rule_off))
		fprintf(out, "  switched off: %s, %s\n", config_rule_name(config->rule_off),
			config_rule_statement(config->rule_off));
	if (config->fault < world->fault_count)
		fprintf(out, "  put in: %s, %s [%s]\n", world->faults[config->fault].name,
			world->faults[config->fault].statement,
			world->faults[config->fault].source);
}

void explain_story(const struct check_world *world, const struct story *story,
		   const struct story_end *end, FILE *out)
{
	fputs("  in a world of ", out);
	config_print(world, &story->config, out);
	fputc('\n', out);
	print_changes(world, &story->config, out);
	fputc('\n', out);
	print_steps(world, story, end, out);
	fputc('\n', out);
	print_legend(world, story, out);
	fputc('\n', out);
	if (end->wrong)
		print_verdict(world, end, out);
	else
		fprintf(out, "  nothing was wrong in %u operations, %" PRIu64 " accesses checked\n",
			end->done, end->accesses);
}
