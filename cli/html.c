/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * html: the report as one self-contained page.
 */
#include "html.h"
#include "chart.h"
#include "markup.h"
#include "style.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMPORARY ".tlbtag-XXXXXX"

/* What the rules demand, for how many VM entries. */
static const struct policy_result *needed_of(const struct replay_result *result)
{
	return chart_policy(result, "needed");
}

/* The kernel in question: the record, or else the model of it, or else nobody. */
struct subject {
	bool is_record;
	bool is_known;
	uint64_t flushes;
};

static struct subject subject_of(const struct replay_result *result)
{
	const struct policy_result *model = chart_policy(result, "kvm");

	if (result->recorded_known)
		return (struct subject){ true, true, result->recorded_flushes };
	if (model)
		return (struct subject){ false, true, model->flushes };
	return (struct subject){ 0 };
}

/* --- file names ------------------------------------------------------------ */

static const char *name_of(const struct replay_result *result)
{
	const char *slash = strrchr(result->file, '/');

	if (!strcmp(result->file, "-"))
		return "standard input";
	return slash && slash[1] ? slash + 1 : result->file;
}

static void put_name(FILE *file, const struct replay_result *result)
{
	/* A name may hold letters that would turn the rest of the line around. */
	fputs("<bdi>", file);
	markup_text(file, name_of(result));
	fputs("</bdi>", file);
}

/* --- the headline ---------------------------------------------------------- */

static void put_flushed(FILE *file, uint64_t flushes, const struct replay_result *result)
{
	markup_count(file, flushes);
	fputs(" of ", file);
	markup_counted(file, result->vm_entries, "VM entry", "VM entries");
	fputs(" (", file);
	markup_share(file, flushes, result->vm_entries);
	fputs(")", file);
}

static void put_subject(FILE *file, const struct subject *subject,
			const struct replay_result *result)
{
	if (!subject->is_known) {
		fputs("The recording does not show what its kernel flushed.", file);
		return;
	}
	fputs(subject->is_record ? "The recorded kernel flushed the TLB at " :
				   "Linux 6.12, as modelled, would flush the TLB at ",
	      file);
	put_flushed(file, subject->flushes, result);
	fputs(".", file);
}

static void put_difference(FILE *file, const struct subject *subject, uint64_t needed)
{
	uint64_t flushes = subject->flushes;

	if (flushes > needed) {
		fputs(": <span class=\"waste\">", file);
		markup_share(file, flushes - needed, flushes);
		fprintf(file, " of the flushes %s needed.</span>",
			subject->is_record ? "were not" : "would not be");
	} else if (flushes == needed) {
		fputs(", just as many.", file);
	} else {
		fputs(", ", file);
		markup_count(file, needed - flushes);
		fputs(" more.", file);
	}
}

static void put_demand(FILE *file, const struct subject *subject,
		       const struct replay_result *result)
{
	uint64_t needed = needed_of(result)->flushes;

	fputs(" The rules demand ", file);
	if (subject->is_known) {
		markup_count(file, needed);
		fputs(" (", file);
		markup_share(file, needed, result->vm_entries);
		fputs(")", file);
		put_difference(file, subject, needed);
	} else {
		fputs("a flush at ", file);
		put_flushed(file, needed, result);
		fputs(".", file);
	}
}

static void put_headline(FILE *file, const struct replay_result *result)
{
	struct subject subject = subject_of(result);

	fputs("<p class=\"headline\">", file);
	if (!result->vm_entries) {
		fputs("There is no VM entry in this recording.</p>\n", file);
		return;
	}
	put_subject(file, &subject, result);
	if (needed_of(result))
		put_demand(file, &subject, result);
	fputs("</p>\n", file);
}

static void put_against_bound(FILE *file, uint64_t flushes, uint64_t needed)
{
	if (flushes == needed) {
		fputs(", exactly what the rules demand", file);
	} else if (needed) {
		fputs(", ", file);
		markup_times(file, flushes, needed);
		fputs(" what the rules demand", file);
	}
}

static void put_second_line(FILE *file, const struct replay_result *result)
{
	const struct policy_result *ours = chart_policy(result, "tlbtag");
	const struct policy_result *model = chart_policy(result, "kvm");

	if (!result->vm_entries || !ours)
		return;
	fputs("<p class=\"second\">On the same events <b>tlbtag</b> would flush at ", file);
	put_flushed(file, ours->flushes, result);
	if (needed_of(result))
		put_against_bound(file, ours->flushes, needed_of(result)->flushes);
	if (model) {
		fputs(", and sync shadow roots before ", file);
		markup_count(file, ours->counts.mmu_syncs);
		fputs(" entries instead of ", file);
		markup_count(file, model->counts.mmu_syncs);
	}
	fputs(".</p>\n", file);
}

/* --- the row of figures ---------------------------------------------------- */

static void begin_figure(FILE *file, const char *name)
{
	fprintf(file, "<div><dt>%s</dt><dd>", name);
}

static const char *source_name(enum source source)
{
	switch (source) {
	case SOURCE_ASSUMED:
		return "assumed";
	case SOURCE_LEARNED:
		return "learned from the recording";
	case SOURCE_GIVEN:
		return "given";
	}
	return "";
}

static void put_entries_figure(FILE *file, const struct replay_result *result)
{
	begin_figure(file, "VM entries");
	markup_count(file, result->vm_entries);
	fputs("<small>L1 ", file);
	markup_count(file, result->l1_entries);
	fputs(", L2 ", file);
	markup_count(file, result->l2_entries);
	fputs("</small></dd></div>\n", file);
}

static void put_switches_figure(FILE *file, const struct replay_result *result)
{
	begin_figure(file, "switches");
	markup_count(file, result->switches);
	fputs("<small>L1 to L2 or back</small></dd></div>\n", file);
}

static void put_recorded_figure(FILE *file, const struct replay_result *result)
{
	begin_figure(file, "recorded flushes");
	if (result->recorded_known) {
		markup_count(file, result->recorded_flushes);
		fputs("<small>", file);
		markup_share_exact(file, result->recorded_flushes, result->vm_entries);
		fputs(" of entries</small></dd></div>\n", file);
	} else {
		fputs("unknown</dd></div>\n", file);
	}
}

static void put_vcpus_figure(FILE *file, const struct replay_result *result)
{
	begin_figure(file, "vCPUs");
	markup_count(file, result->vcpus);
	fputs("<small>", file);
	if (result->vms) {
		fputs("of ", file);
		markup_counted(file, result->vms, "VM", "VMs");
	} else {
		fputs("VMs cannot be told apart", file);
	}
	fputs("</small></dd></div>\n", file);
}

static void put_hardware_figures(FILE *file, const struct machine *machine)
{
	begin_figure(file, "ASIDs");
	markup_count(file, machine->asids);
	fprintf(file, "<small>%s</small></dd></div>\n", source_name(machine->asids_from));
	begin_figure(file, "FLUSHBYASID");
	fprintf(file, "%s<small>%s</small></dd></div>\n", machine->flush_by_asid ? "yes" : "no",
		source_name(machine->flush_by_asid_from));
}

static void put_figures(FILE *file, const struct replay_result *result)
{
	fputs("<dl class=\"figures\">\n", file);
	put_entries_figure(file, result);
	put_switches_figure(file, result);
	put_vcpus_figure(file, result);
	begin_figure(file, "CPUs");
	markup_count(file, result->cpus);
	fputs("</dd></div>\n", file);
	put_recorded_figure(file, result);
	put_hardware_figures(file, &result->machine);
	fputs("</dl>\n", file);
}

/* --- warnings -------------------------------------------------------------- */

static void put_warning(FILE *file, uint64_t count, const char *one, const char *many)
{
	if (!count)
		return;
	fputs("<li>", file);
	markup_counted(file, count, one, many);
	fputs(".</li>\n", file);
}

static void put_counted_warnings(FILE *file, const struct replay_result *result)
{
	put_warning(file, result->lost, "event was lost, says the recording",
		    "events were lost, says the recording");
	put_warning(file, result->unparsed, "line or event could not be read and was skipped",
		    "lines or events could not be read and were skipped");
	put_warning(file, result->backwards, "event is older than its predecessor on the same CPU",
		    "events are older than their predecessors on the same CPU");
	put_warning(file, result->odd, "event made no sense and was left out",
		    "events made no sense and were left out");
	put_warning(file, result->guessed,
		    "change between L1 and L2 was not recorded as such and is a guess",
		    "changes between L1 and L2 were not recorded as such and are guesses");
	put_warning(file, result->retired, "vCPU was forgotten because there were too many",
		    "vCPUs were forgotten because there were too many");
}

static void put_warnings(FILE *file, const struct replay_result *result)
{
	if (!(result->broken_off || result->unparsed || result->lost || result->backwards ||
	      result->odd || result->guessed || result->retired || result->missing[0]))
		return;
	fputs("<div class=\"warnings\"><b>What to know about this recording</b><ul>\n", file);
	if (result->broken_off)
		fputs("<li>It breaks off; this page is about what was readable.</li>\n", file);
	for (size_t index = 0; index < REPLAY_MISSING && result->missing[index]; index++) {
		fputs("<li>", file);
		markup_text(file, result->missing[index]);
		fputs(".</li>\n", file);
	}
	put_counted_warnings(file, result);
	fputs("</ul></div>\n", file);
}

/* --- tables ---------------------------------------------------------------- */

static void put_cell(FILE *file, uint64_t count)
{
	fputs(count ? "<td class=\"number\">" : "<td class=\"number zero\">", file);
	markup_count(file, count);
	fputs("</td>", file);
}

static void put_policy_name(FILE *file, const struct policy_ops *ops)
{
	fprintf(file, "<td class=\"text label n-%s\"><b>%s</b></td>", ops->name, ops->name);
}

static void put_agreement(FILE *file, const struct replay_result *result,
			  const struct policy_result *policy)
{
	fputs("<td class=\"number\">", file);
	if (policy->ops->models_record && result->recorded_known) {
		markup_share_exact(file, policy->agreed, result->recorded_entries);
		if (policy->agreed < result->recorded_entries) {
			fputs("<br><small>", file);
			markup_count(file, result->recorded_entries - policy->agreed);
			fputs(" off</small>", file);
		}
	}
	fputs("</td>", file);
}

static void put_share_cells(FILE *file, const struct replay_result *result, uint64_t flushes)
{
	put_cell(file, flushes);
	fputs("<td class=\"number\">", file);
	markup_share_exact(file, flushes, result->vm_entries);
	fputs("</td>", file);
	if (needed_of(result)) {
		fputs("<td class=\"number\">", file);
		markup_times(file, flushes, needed_of(result)->flushes);
		fputs("</td>", file);
	}
}

static void put_policy_row(FILE *file, const struct replay_result *result,
			   const struct policy_result *policy)
{
	fputs("<tr>", file);
	put_policy_name(file, policy->ops);
	fputs("<td class=\"text wordy\">", file);
	markup_text(file, policy->ops->about);
	fputs("</td>", file);
	put_share_cells(file, result, policy->flushes);
	put_cell(file, policy->counts.mmu_syncs);
	put_cell(file, policy->counts.tags);
	put_cell(file, policy->counts.wraps);
	put_agreement(file, result, policy);
	fputs("</tr>\n", file);
}

static void put_recorded_row(FILE *file, const struct replay_result *result)
{
	if (!result->recorded_known)
		return;
	fputs("<tr><td class=\"text label\"><b>recorded</b></td><td class=\"text wordy\">"
	      "what the kernel did</td>",
	      file);
	put_share_cells(file, result, result->recorded_flushes);
	fputs("<td></td><td></td><td></td><td></td></tr>\n", file);
}

static bool is_below_bound(const struct replay_result *result)
{
	const struct policy_result *needed = needed_of(result);

	for (uint32_t index = 0; needed && index < result->policy_count; index++)
		if (result->policies[index].flushes < needed->flushes)
			return true;
	return needed && result->recorded_known && result->recorded_flushes < needed->flushes;
}

static void put_policies_note(FILE *file, const struct replay_result *result)
{
	fputs("<p class=\"note\">", file);
	if (needed_of(result))
		fputs("<b>× needed</b>: flushes, as a multiple of what the rules demand of a "
		      "kernel with tags for four L2 contexts per vCPU. ",
		      file);
	if (is_below_bound(result))
		fputs("<b>Below 1.00×</b>: one flush of everything on a CPU served several "
		      "contexts at once, or a demand was not met; these counts cannot tell "
		      "which. ",
		      file);
	fputs("<b>MMU syncs</b>: VM entries before which shadow roots had to be synced. "
	      "<b>Agrees</b>: the share of VM entries at which the model of the recorded kernel "
	      "and the record both flushed, or neither.</p>\n",
	      file);
}

static void put_policies(FILE *file, const struct replay_result *result)
{
	fputs("<h3>The policies in numbers</h3>\n<div class=\"scroll\"><table><thead><tr>"
	      "<th class=\"text\">policy</th><th class=\"text\">what it is</th><th>flushes</th>"
	      "<th>of entries</th>",
	      file);
	if (needed_of(result))
		fputs("<th>× needed</th>", file);
	fputs("<th>MMU syncs</th><th>tags</th><th>rounds</th><th>agrees</th></tr></thead><tbody>\n",
	      file);
	put_recorded_row(file, result);
	for (uint32_t index = 0; index < result->policy_count; index++)
		put_policy_row(file, result, &result->policies[index]);
	fputs("</tbody></table></div>\n", file);
	put_policies_note(file, result);
}

static bool reason_occurs(const struct replay_result *result, enum reason reason)
{
	for (uint32_t index = 0; index < result->policy_count; index++)
		if (result->policies[index].counts.flushes[reason])
			return true;
	return false;
}

static void put_reason_row(FILE *file, const struct replay_result *result, enum reason reason)
{
	if (!reason_occurs(result, reason))
		return;
	fputs("<tr><td class=\"text label\">", file);
	chart_reason_swatch(file, reason);
	fprintf(file, "%s</td><td class=\"text wordy\">%s</td>", reason_name(reason),
		reason_meaning(reason));
	for (uint32_t index = 0; index < result->policy_count; index++)
		put_cell(file, result->policies[index].counts.flushes[reason]);
	fputs("</tr>\n", file);
}

static void put_reasons(FILE *file, const struct replay_result *result)
{
	if (!result->policy_count)
		return;
	fputs("<h3>Why the policies flush</h3>\n<div class=\"scroll\"><table><thead><tr>"
	      "<th class=\"text\">reason</th><th class=\"text\">meaning</th>",
	      file);
	for (uint32_t index = 0; index < result->policy_count; index++)
		fprintf(file, "<th class=\"number\">%s</th>",
			result->policies[index].ops->name);
	fputs("</tr></thead><tbody>\n", file);
	for (int reason = 0; reason < REASON_COUNT; reason++)
		put_reason_row(file, result, reason);
	fputs("</tbody></table></div>\n<p class=\"note\">An entry with several reasons is counted "
	      "under the first of them in this order.</p>\n",
	      file);
}

static void put_means(FILE *file, const struct replay_result *result)
{
	if (!result->recorded_flushes)
		return;
	fputs("<h3>How the recorded kernel flushed</h3>\n<div class=\"scroll\"><table><thead><tr>"
	      "<th class=\"text\">means</th><th class=\"text\">meaning</th><th>VM entries</th>"
	      "</tr></thead><tbody>\n",
	      file);
	for (int means = 0; means < MEANS_COUNT; means++) {
		if (!result->recorded[means])
			continue;
		fputs("<tr><td class=\"text label\">", file);
		chart_means_swatch(file, means);
		fprintf(file, "%s</td><td class=\"text wordy\">%s</td>", means_name(means),
			means_meaning(means));
		put_cell(file, result->recorded[means]);
		fputs("</tr>\n", file);
	}
	fputs("</tbody></table></div>\n", file);
}

/* --- one recording --------------------------------------------------------- */

static void put_timeline(FILE *file, const struct replay_result *result)
{
	if (!chart_has_timeline(result))
		return;
	fputs("<figure><h3>Flushes over time</h3>\n", file);
	if (subject_of(result).is_known && needed_of(result))
		fputs("<figcaption>In each slice of time, what stands above needed was not needed."
		      "</figcaption>\n",
		      file);
	chart_timeline(file, result);
	fputs("</figure>\n", file);
}

static void put_tags(FILE *file, const struct replay_result *result)
{
	if (!result->policy_count)
		return;
	fputs("<figure><h3>Tags in use</h3>\n<figcaption>Of ", file);
	markup_count(file, result->machine.asids);
	fputs(" ASIDs, number 0, the host's, included. Policies that number contexts in rounds "
	      "flush everything on a CPU when a round is used up.</figcaption>\n",
	      file);
	chart_tags(file, result);
	fputs("</figure>\n", file);
}

static void put_pictures(FILE *file, const struct replay_result *result)
{
	fputs("<figure><h3>Flushes by policy and reason</h3>\n", file);
	chart_flushes(file, result);
	fputs("</figure>\n", file);
	put_timeline(file, result);
	put_tags(file, result);
}

static void put_recording(FILE *file, const struct replay_result *result, size_t number)
{
	fprintf(file, "<section id=\"recording%zu\">\n<h2>", number);
	put_name(file, result);
	fputs("</h2>\n", file);
	put_headline(file, result);
	put_second_line(file, result);
	put_figures(file, result);
	put_warnings(file, result);
	if (result->vm_entries) {
		put_pictures(file, result);
		put_policies(file, result);
		put_reasons(file, result);
		put_means(file, result);
	}
	fputs("</section>\n", file);
}

/* --- several recordings ---------------------------------------------------- */

static void put_waste_cell(FILE *file, const struct replay_result *result)
{
	uint64_t flushes = result->recorded_flushes;
	const struct policy_result *needed = needed_of(result);

	fputs("<td class=\"number\">", file);
	if (result->recorded_known && needed) {
		chart_waste(file, flushes, needed->flushes);
		markup_share_exact(file, flushes > needed->flushes ? flushes - needed->flushes : 0,
				   flushes);
	} else {
		fputs("unknown", file);
	}
	fputs("</td>", file);
}

static void put_flushes_cell(FILE *file, const struct policy_result *policy)
{
	if (policy)
		put_cell(file, policy->flushes);
	else
		fputs("<td></td>", file);
}

static void put_overview_row(FILE *file, const struct replay_result *result, size_t number)
{
	fprintf(file, "<tr><td class=\"text file\"><a href=\"#recording%zu\">", number);
	put_name(file, result);
	fputs("</a></td>", file);
	put_cell(file, result->vm_entries);
	if (result->recorded_known)
		put_cell(file, result->recorded_flushes);
	else
		fputs("<td>unknown</td>", file);
	put_flushes_cell(file, needed_of(result));
	put_flushes_cell(file, chart_policy(result, "tlbtag"));
	put_waste_cell(file, result);
	fputs("</tr>\n", file);
}

static void put_overview(FILE *file, const struct replay_result *results, size_t count)
{
	fputs("<div class=\"scroll\"><table><thead><tr><th class=\"text\">recording</th>"
	      "<th>VM entries</th><th>recorded flushes</th><th>needed</th><th>tlbtag</th>"
	      "<th>recorded, not needed</th></tr></thead><tbody>\n",
	      file);
	for (size_t index = 0; index < count; index++)
		put_overview_row(file, &results[index], index + 1);
	fputs("</tbody></table></div>\n", file);
}

/* --- the page -------------------------------------------------------------- */

static void put_title(FILE *file, const struct replay_result *results, size_t count)
{
	fputs("tlbtag replay: ", file);
	if (count == 1)
		markup_text(file, name_of(&results[0]));
	else
		markup_counted(file, count, "recording", "recordings");
}

static void put_head(FILE *file, const struct replay_result *results, size_t count)
{
	fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
	      "<meta name=\"color-scheme\" content=\"light dark\">\n<title>",
	      file);
	put_title(file, results, count);
	fprintf(file, "</title>\n<style>\n%s</style>\n</head>\n<body>\n", style_sheet);
	chart_definitions(file);
	fputs("<header><h1>TLB flushes: recorded, needed, and as others would do it</h1>\n"
	      "<p>tlbtag replay, ",
	      file);
	markup_counted(file, count, "recording", "recordings");
	fputs("</p>\n", file);
	if (count > 1)
		put_overview(file, results, count);
	fputs("</header>\n<main>\n", file);
}

/* All policies is what the command does unless told. */
static bool has_all_policies(const struct replay_result *result)
{
	uint32_t count = 0;

	while (policies[count])
		count++;
	return result->policy_count == count;
}

static void put_options(FILE *file, const struct replay_result *result)
{
	const struct machine *machine = &result->machine;

	if (result->is_events)
		fputs(" --events", file);
	if (!has_all_policies(result))
		for (uint32_t index = 0; index < result->policy_count; index++)
			fprintf(file, "%s%s", index ? "," : " --policy ",
				result->policies[index].ops->name);
	if (machine->asids_from == SOURCE_GIVEN)
		fprintf(file, " --asids %" PRIu32, machine->asids);
	if (machine->flush_by_asid_from == SOURCE_GIVEN)
		fprintf(file, " --flushbyasid %s", machine->flush_by_asid ? "yes" : "no");
}

static void put_command(FILE *file, const struct replay_result *results, size_t count)
{
	fputs("<p><b>The same numbers as text:</b> <code>tlbtag replay", file);
	if (count)
		put_options(file, &results[0]);
	for (size_t index = 0; index < count; index++) {
		fputs(" ", file);
		markup_shell(file, results[index].file);
	}
	fputs("</code></p>\n", file);
}

static void put_foot(FILE *file, const struct replay_result *results, size_t count)
{
	fputs("</main>\n<footer>\n<p><b>How a flush is counted.</b> A VM entry counts as flushing "
	      "when its TLB_CONTROL is not 0, or its ASID is not the one that this context (vCPU "
	      "and level) used at its previous entry, the first entry included. The same rule is "
	      "used for the record and for every policy.</p>\n<p><b>What a policy is.</b> Each "
	      "policy is fed the causes in the recording, such as loads, nested transitions and "
	      "requests of the MMU and the guest, and decides by itself at each VM entry; it does "
	      "not see what the recorded kernel decided.</p>\n",
	      file);
	put_command(file, results, count);
	fputs("</footer>\n</body>\n</html>\n", file);
}

static void put_page(FILE *file, const struct replay_result *results, size_t count)
{
	put_head(file, results, count);
	for (size_t index = 0; index < count; index++)
		put_recording(file, &results[index], index + 1);
	put_foot(file, results, count);
}

/* --- the file -------------------------------------------------------------- */

/* Closes; 0 or an errno. Only then is known whether all of it was written. */
static int write_and_close(FILE *file, const struct replay_result *results, size_t count)
{
	int failed = 0;

	errno = 0;
	put_page(file, results, count);
	if (fflush(file) || ferror(file))
		failed = errno ? errno : EIO;
	if (fclose(file) && !failed)
		failed = errno;
	return failed;
}

/* As open() would have made it; mkstemp() is for secrets. */
static mode_t mode_default(void)
{
	mode_t mask = umask(0);

	umask(mask);
	return 0666 & ~mask;
}

static int write_temporary(char *temporary, const struct replay_result *results, size_t count)
{
	int descriptor = mkstemp(temporary);
	FILE *file;
	int failed;

	if (descriptor < 0)
		return errno;
	file = fdopen(descriptor, "w");
	if (!file) {
		failed = errno;
		close(descriptor);
	} else {
		fchmod(descriptor, mode_default());
		failed = write_and_close(file, results, count);
	}
	if (failed)
		unlink(temporary);
	return failed;
}

static int write_beside(const char *path, const struct replay_result *results, size_t count)
{
	const char *slash = strrchr(path, '/');
	int directory = slash ? (int)(slash + 1 - path) : 0;
	char temporary[PATH_MAX];
	int failed;

	/* Not path and a suffix: the name may be as long as a name can be. */
	if ((size_t)directory + sizeof(TEMPORARY) > sizeof(temporary))
		return ENAMETOOLONG;
	snprintf(temporary, sizeof(temporary), "%.*s%s", directory, path, TEMPORARY);
	failed = write_temporary(temporary, results, count);
	if (failed)
		return failed;
	if (rename(temporary, path)) {
		failed = errno;
		unlink(temporary);
	}
	return failed;
}

static int write_directly(const char *path, const struct replay_result *results, size_t count)
{
	FILE *file = fopen(path, "w");

	return file ? write_and_close(file, results, count) : errno;
}

static int write_somehow(const char *path, const struct replay_result *results, size_t count)
{
	char resolved[PATH_MAX];
	struct stat status;

	if (stat(path, &status) || !realpath(path, resolved))
		return write_beside(path, results, count);
	/* Renaming over a device or a pipe would replace it. */
	if (!S_ISREG(status.st_mode))
		return write_directly(path, results, count);
	return write_beside(resolved, results, count);
}

int html_write(const char *path, const struct replay_result *results, size_t count, char *error,
	       size_t size)
{
	int failed = write_somehow(path, results, count);

	if (!failed)
		return 0;
	snprintf(error, size, "%s: %s", path, strerror(failed));
	return -1;
}
