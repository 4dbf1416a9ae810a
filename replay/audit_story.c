/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * audit: names, and a missed flush in words.
 */
#include "audit.h"

#include <inttypes.h>
#include <stdarg.h>

static const struct {
	enum tlbtag_rule rule;
	enum audit_kind kind;
	const char *text;
} causes[] = {
	{ TLBTAG_RULE_FIRST_USE, AUDIT_LATE, "nothing" },
#define CAUSE_ROW(cause, rule, kind, text) { TLBTAG_RULE_##rule, AUDIT_##kind, text },
	AUDIT_CAUSES(CAUSE_ROW)
#undef CAUSE_ROW
};

static const char *const kinds[] = {
#define KIND_NAME(kind, name) name,
	AUDIT_KINDS(KIND_NAME)
#undef KIND_NAME
};

static const struct {
	const char *name;
	const char *meaning;
} wastes[] = {
#define WASTE_ROW(waste, name, meaning) { name, meaning },
	AUDIT_WASTES(WASTE_ROW)
#undef WASTE_ROW
};

static const struct {
	const char *name;
	const char *text;
} rules[] = {
#define RULE_ROW(id, statement, source) { #id, statement },
	TLBTAG_RULES(RULE_ROW)
#undef RULE_ROW
};

const char *audit_kind_name(enum audit_kind kind)
{
	return kinds[kind];
}

const char *audit_waste_name(enum audit_waste waste)
{
	return wastes[waste].name;
}

const char *audit_waste_meaning(enum audit_waste waste)
{
	return wastes[waste].meaning;
}

enum tlbtag_rule audit_cause_rule(enum audit_cause cause)
{
	return causes[cause].rule;
}

enum audit_kind audit_cause_kind(enum audit_cause cause)
{
	return causes[cause].kind;
}

const char *audit_cause_text(enum audit_cause cause)
{
	return causes[cause].text;
}

const char *audit_rule_name(enum tlbtag_rule rule)
{
	return rules[rule].name;
}

const char *audit_rule_text(enum tlbtag_rule rule)
{
	return rules[rule].text;
}

/* --- stories ----------------------------------------------------------- */

struct story {
	char (*lines)[AUDIT_STORY_SIZE];
	uint32_t count;
};

static void say(struct story *story, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct story *story, const char *format, ...)
{
	va_list arguments;

	if (story->count == AUDIT_STORY_LINES)
		return;
	va_start(arguments, format);
	vsnprintf(story->lines[story->count++], AUDIT_STORY_SIZE, format, arguments);
	va_end(arguments);
}

struct name {
	char text[96];
};

static struct name name_of(const struct audit_context *context)
{
	struct name name;

	if (context->level == 1)
		snprintf(name.text, sizeof(name.text), "L1 of vCPU %u, VM %u", context->vcpu,
			 context->vm);
	else if (context->asid12 == EVENT_UNKNOWN)
		snprintf(name.text, sizeof(name.text), "L2 of vCPU %u, VM %u", context->vcpu,
			 context->vm);
	else
		snprintf(name.text, sizeof(name.text), "L2 (ASID %u of L1) of vCPU %u, VM %u",
			 context->asid12, context->vcpu, context->vm);
	return name;
}

/* What the entry found, and who put it there. */
static void tell_content(struct story *story, const struct audit_finding *finding)
{
	enum audit_cause cause = finding->mark.cause;
	struct name owner = name_of(&finding->owner);
	bool foreign = audit_cause_kind(cause) == AUDIT_FOREIGN;

	if (cause == AUDIT_CAUSE_UNSEEN) {
		say(story, "nothing shows that this ASID was flushed on this CPU before");
		return;
	}
	if (!finding->filled) {
		say(story, "nothing shows that this ASID was flushed on this CPU before");
		return;
	}
	say(story, "what was left there is %s%s%s", foreign ? "of " : "its own, ",
	    foreign ? owner.text : "older than it may be",
	    cause == AUDIT_CAUSE_REBORN ? ", in the vCPU's earlier life" : "");
	if (finding->filled == finding->entered)
		say(story, "it was put there by the entry at line %" PRIu64, finding->filled);
	else
		say(story, "it was put there by the entries at lines %" PRIu64 " to %" PRIu64,
		    finding->filled, finding->entered);
}

/* The event after which it should have been gone. */
static void tell_event(struct story *story, const struct audit_finding *finding)
{
	const struct audit_mark *mark = &finding->mark;
	enum audit_kind kind = audit_cause_kind(mark->cause);

	if (kind == AUDIT_FOREIGN || mark->cause == AUDIT_CAUSE_UNSEEN) {
		if (finding->before)
			say(story, "its latest entry was at line %" PRIu64 ", CPU %u, ASID %u",
			    finding->before, finding->before_cpu, finding->before_asid);
		say(story, "this entry should have removed it: %s", audit_cause_text(mark->cause));
		return;
	}
	say(story, "%s: line %" PRIu64 ", time %" PRIu64 ".%06" PRIu64 ", CPU %u",
	    audit_cause_text(mark->cause), mark->where, mark->time_ns / 1000000000,
	    mark->time_ns / 1000 % 1000000, mark->cpu);
	if (mark->asid_assumed)
		say(story, "its ASID was not recorded; it is taken for that of the latest L2");
	say(story, "no entry flushed ASID %u on CPU %u since", finding->entry.asid,
	    finding->entry.cpu);
}

/* No translation is at fault, but what it would be made of. */
static void tell_sync(struct story *story, const struct audit_finding *finding)
{
	const struct audit_mark *mark = &finding->mark;

	if (finding->synced)
		say(story, "the shadow of L1's nested tables at 0x%" PRIx64
		    " was synced at line %" PRIu64 ", before that",
		    finding->root, finding->synced);
	else
		say(story, "nothing shows that the shadow of L1's nested tables at 0x%" PRIx64
		    " was ever synced",
		    finding->root);
	say(story, "%s: line %" PRIu64 ", time %" PRIu64 ".%06" PRIu64 ", CPU %u",
	    audit_cause_text(mark->cause), mark->where, mark->time_ns / 1000000000,
	    mark->time_ns / 1000 % 1000000, mark->cpu);
}

uint32_t audit_story(const struct audit_finding *finding,
		     char lines[AUDIT_STORY_LINES][AUDIT_STORY_SIZE])
{
	const struct event *entry = &finding->entry;
	enum tlbtag_rule rule = audit_cause_rule(finding->mark.cause);
	struct story story = { .lines = lines };
	struct name name = name_of(&finding->context);

	say(&story, "%s entered on CPU %u with ASID %u and TLB_CONTROL %u", name.text, entry->cpu,
	    entry->asid, entry->tlb_control);
	if (audit_cause_kind(finding->mark.cause) == AUDIT_UNSYNCED) {
		tell_sync(&story, finding);
	} else {
		if (entry->tlb_control == 7)
			say(&story,
			    "TLB_CONTROL 7 leaves global pages, and perhaps nested translations");
		tell_content(&story, finding);
		tell_event(&story, finding);
	}
	say(&story, "rule %s: %s", audit_rule_name(rule), audit_rule_text(rule));
	return story.count;
}
