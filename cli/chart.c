/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * chart: the pictures of a report.
 *
 * A reason's hue says which family it is of, its hatch which one of the family,
 * so that nobody depends on colours alone. What the record shows is not why but
 * how, and grey.
 */
#include "chart.h"
#include "markup.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

/* The hues are custom properties --hue0, --hue1, ... of the style sheet. */
enum hue {
	HUE_HOW,
	HUE_HOW_ELSE,
	HUE_PLACE,
	HUE_SCARCE,
	HUE_GUEST,
	HUE_L1,
	HUE_SIDE,
	HUE_COUNT
};

enum hatch {
	HATCH_NONE,
	HATCH_RISING,
	HATCH_DOTS,
	HATCH_FALLING,
	HATCH_COUNT
};

struct paint {
	enum hue hue;
	enum hatch hatch;
};

static const struct paint reason_paints[REASON_COUNT] = {
	[REASON_FIRST_USE] = { HUE_PLACE, HATCH_NONE },
	[REASON_MOVED] = { HUE_PLACE, HATCH_RISING },
	[REASON_SIBLING] = { HUE_SCARCE, HATCH_NONE },
	[REASON_SHARED] = { HUE_SCARCE, HATCH_RISING },
	[REASON_WRAP] = { HUE_SCARCE, HATCH_DOTS },
	[REASON_FLUSH_ALL] = { HUE_GUEST, HATCH_NONE },
	[REASON_FLUSH_CURRENT] = { HUE_GUEST, HATCH_RISING },
	[REASON_FLUSH_GUEST] = { HUE_GUEST, HATCH_DOTS },
	[REASON_FLUSH_PV] = { HUE_GUEST, HATCH_FALLING },
	[REASON_TLB_CONTROL] = { HUE_L1, HATCH_NONE },
	[REASON_ASID_CHANGE] = { HUE_L1, HATCH_RISING },
	[REASON_INVLPGA] = { HUE_L1, HATCH_DOTS },
	[REASON_TRANSITION] = { HUE_SIDE, HATCH_NONE },
	[REASON_PGE] = { HUE_SIDE, HATCH_RISING },
	[REASON_NEIGHBOUR] = { HUE_SIDE, HATCH_DOTS },
	[REASON_OTHER_LEVEL] = { HUE_SIDE, HATCH_FALLING },
	[REASON_UNKNOWN] = { HUE_HOW, HATCH_FALLING },
};

static const struct paint means_paints[MEANS_COUNT] = {
	[MEANS_FIRST_ENTRY] = { HUE_HOW_ELSE, HATCH_NONE },
	[MEANS_CONTROL_1] = { HUE_HOW_ELSE, HATCH_RISING },
	[MEANS_CONTROL_3] = { HUE_HOW, HATCH_NONE },
	[MEANS_CONTROL_7] = { HUE_HOW, HATCH_RISING },
	[MEANS_CONTROL_ODD] = { HUE_HOW_ELSE, HATCH_DOTS },
	[MEANS_NEW_ASID] = { HUE_HOW, HATCH_DOTS },
};

/* In the order of the legend. */
static const struct {
	enum hue hue;
	const char *name;
} families[] = {
	{ HUE_PLACE, "A tag or a CPU that is new to the context" },
	{ HUE_GUEST, "The MMU or the guest asked" },
	{ HUE_L1, "L1 asked on behalf of L2" },
	{ HUE_SCARCE, "Tags are shared or ran out" },
	{ HUE_SIDE, "Side effects of the policy" },
	{ HUE_HOW, "Not explained" },
};

/* Room in pixels that a bar has at least: anywhere, and on a wide screen. */
#define TRACK_NARROW 180u
#define TRACK_WIDE 560u
#define GLYPH_WIDTH 7u
#define LABEL_MARGIN 12u

#define TICKS_BARS 5u
#define TICKS_TIME 6u
#define TICKS_HEIGHT 4u

const struct policy_result *chart_policy(const struct replay_result *result, const char *name)
{
	for (uint32_t index = 0; index < result->policy_count; index++)
		if (!strcmp(result->policies[index].ops->name, name))
			return &result->policies[index];
	return NULL;
}

/* --- scales ---------------------------------------------------------------- */

/* From 0 to @end; a tick at every multiple of @step. */
struct scale {
	uint64_t end;
	uint64_t step;
};

/* Steps of 1, 2 or 5 times a power of ten. */
static uint64_t step_round(uint64_t most, unsigned int ticks)
{
	uint64_t power = 1;

	while (most / power / 10 >= ticks)
		power *= 10;
	if (most <= power * ticks)
		return power;
	if (most <= 2 * power * ticks)
		return 2 * power;
	if (most <= 5 * power * ticks)
		return 5 * power;
	return 10 * power;
}

/* A scale that ends with a tick at or above @most. */
static struct scale scale_over(uint64_t most, unsigned int ticks)
{
	struct scale scale = { .step = step_round(most, ticks) };

	scale.end = (most + scale.step - 1) / scale.step * scale.step;
	if (!scale.end)
		scale.end = scale.step;
	return scale;
}

static void put_vertical_line(FILE *file, const char *look, uint64_t at, const struct scale *scale)
{
	fprintf(file, "<line class=\"%s\" y1=\"0\" y2=\"100%%\" x1=\"", look);
	markup_length(file, at, scale->end);
	fputs("\" x2=\"", file);
	markup_length(file, at, scale->end);
	fputs("\"/>", file);
}

static void put_vertical_lines(FILE *file, const struct scale *scale)
{
	for (uint64_t index = 0; index <= scale->end / scale->step; index++)
		put_vertical_line(file, "grid", index * scale->step, scale);
}

static void put_tick(FILE *file, uint64_t at, const struct scale *scale)
{
	/* A narrow screen has room for every other one. */
	fprintf(file, "<text class=\"tick%s\" y=\"14\" text-anchor=\"",
		at / scale->step % 2 ? " odd" : "");
	fputs(at == 0 ? "start" : at == scale->end ? "end" :
						     "middle",
	      file);
	fputs("\" x=\"", file);
	markup_length(file, at, scale->end);
	fputs("\">", file);
}

static void put_count_axis(FILE *file, const struct scale *scale, const char *name)
{
	fputs("<span></span><svg class=\"axis\" aria-hidden=\"true\">", file);
	for (uint64_t index = 0; index <= scale->end / scale->step; index++) {
		uint64_t at = index * scale->step;

		put_tick(file, at, scale);
		markup_count(file, at);
		fputs("</text>", file);
	}
	fprintf(file, "<text class=\"tick\" x=\"50%%\" y=\"30\" text-anchor=\"middle\">%s</text>"
		      "</svg><span></span>\n",
		name);
}

/* --- paint ----------------------------------------------------------------- */

void chart_definitions(FILE *file)
{
	static const char *const marks[HATCH_COUNT] = {
		[HATCH_RISING] = "<path class=\"hatch\" d=\"M-1,1l2,-2M0,6l6,-6M5,7l2,-2\"/>",
		[HATCH_DOTS] = "<circle class=\"dot\" cx=\"3\" cy=\"3\" r=\"1.4\"/>",
		[HATCH_FALLING] = "<path class=\"hatch\" d=\"M-1,5l2,2M0,0l6,6M5,-1l2,2\"/>",
	};

	fputs("<svg class=\"nowhere\" aria-hidden=\"true\"><defs>\n", file);
	for (int hue = 0; hue < HUE_COUNT; hue++)
		for (int hatch = HATCH_NONE + 1; hatch < HATCH_COUNT; hatch++)
			fprintf(file, "<pattern id=\"p%d%d\" width=\"6\" height=\"6\" "
				      "patternUnits=\"userSpaceOnUse\"><rect class=\"h%d\" "
				      "width=\"6\" height=\"6\"/>%s</pattern>\n",
				hue, hatch, hue, marks[hatch]);
	fputs("</defs></svg>\n", file);
}

static void put_fill(FILE *file, const struct paint *paint)
{
	if (paint->hatch == HATCH_NONE)
		fprintf(file, " class=\"h%d", paint->hue);
	else
		fprintf(file, " fill=\"url(#p%d%d)\" class=\"", paint->hue, paint->hatch);
}

static void put_swatch(FILE *file, const struct paint *paint)
{
	fputs("<svg class=\"swatch\" aria-hidden=\"true\"><rect width=\"15\" height=\"15\"", file);
	put_fill(file, paint);
	fputs(" edge\"/></svg>", file);
}

void chart_reason_swatch(FILE *file, enum reason reason)
{
	put_swatch(file, &reason_paints[reason]);
}

void chart_means_swatch(FILE *file, enum means means)
{
	put_swatch(file, &means_paints[means]);
}

/* --- bars ------------------------------------------------------------------ */

struct segment {
	const char *name;
	uint64_t count;
	const struct paint *paint;
};

#define SEGMENTS ((int)REASON_COUNT)
static_assert((int)MEANS_COUNT <= SEGMENTS, "a bar has room for all means");

/* A bar and what it is made of, nothing included. */
struct bar {
	const char *name;
	uint64_t total;
	unsigned int count;
	struct segment segments[SEGMENTS];
};

/* What all bars of the picture have in common. */
struct frame {
	struct scale scale;
	const struct policy_result *needed;
};

static struct bar recorded_bar(const struct replay_result *result)
{
	struct bar bar = {
		.name = "recorded",
		.total = result->recorded_flushes,
		.count = MEANS_COUNT,
	};

	for (int means = 0; means < MEANS_COUNT; means++)
		bar.segments[means] = (struct segment){ means_name(means), result->recorded[means],
							&means_paints[means] };
	return bar;
}

static struct bar policy_bar(const struct policy_result *policy)
{
	struct bar bar = {
		.name = policy->ops->name,
		.total = policy->flushes,
		.count = REASON_COUNT,
	};

	for (int reason = 0; reason < REASON_COUNT; reason++)
		bar.segments[reason] = (struct segment){ reason_name(reason),
							 policy->counts.flushes[reason],
							 &reason_paints[reason] };
	return bar;
}

/* A name is written into a segment only if it fits. */
static void put_segment_label(FILE *file, const struct segment *segment, uint64_t begin,
			      const struct scale *scale)
{
	uint64_t glyphs = strlen(segment->name) + 1 + markup_count_width(segment->count);
	uint64_t room = glyphs * GLYPH_WIDTH + LABEL_MARGIN;

	if (markup_scaled(segment->count, scale->end, TRACK_WIDE) < room)
		return;
	fprintf(file, "<text class=\"inside halo%d", segment->paint->hue);
	if (markup_scaled(segment->count, scale->end, TRACK_NARROW) < room)
		fputs(" wide", file);
	fputs("\" y=\"19\" dx=\"6\" x=\"", file);
	markup_length(file, begin, scale->end);
	fprintf(file, "\">%s ", segment->name);
	markup_count(file, segment->count);
	fputs("</text>", file);
}

static void put_segment_title(FILE *file, const struct segment *segment, uint64_t total)
{
	fprintf(file, "<title>%s: ", segment->name);
	markup_count(file, segment->count);
	fputs(" of ", file);
	markup_counted(file, total, "flush", "flushes");
	fputs(" (", file);
	markup_share_exact(file, segment->count, total);
	fputs(")</title>", file);
}

static void put_segments(FILE *file, const struct bar *bar, const struct scale *scale)
{
	uint64_t begin = 0;

	for (unsigned int index = 0; index < bar->count; index++) {
		const struct segment *segment = &bar->segments[index];

		if (!segment->count)
			continue;
		fputs("<rect y=\"4\" height=\"22\" x=\"", file);
		markup_length(file, begin, scale->end);
		fputs("\" width=\"", file);
		markup_length(file, segment->count, scale->end);
		fputs("\"", file);
		put_fill(file, segment->paint);
		/* An edge would be wider than a segment of next to nothing. */
		if (markup_scaled(segment->count, scale->end, 1000) >= 5)
			fputs(" edge", file);
		fputs("\">", file);
		put_segment_title(file, segment, bar->total);
		fputs("</rect>", file);
		begin += segment->count;
	}
}

static void put_labels(FILE *file, const struct bar *bar, const struct scale *scale)
{
	uint64_t begin = 0;

	for (unsigned int index = 0; index < bar->count; index++) {
		put_segment_label(file, &bar->segments[index], begin, scale);
		begin += bar->segments[index].count;
	}
}

static void put_bar(FILE *file, const struct bar *bar, const struct frame *frame)
{
	fprintf(file, "<span class=\"name n-%s\">%s</span><svg class=\"track\" role=\"img\" "
		      "aria-label=\"%s: ",
		bar->name, bar->name, bar->name);
	markup_counted(file, bar->total, "flush", "flushes");
	fputs("\">", file);
	put_vertical_lines(file, &frame->scale);
	put_segments(file, bar, &frame->scale);
	if (frame->needed)
		put_vertical_line(file, "bound", frame->needed->flushes, &frame->scale);
	put_labels(file, bar, &frame->scale);
	fputs("</svg><span class=\"total\">", file);
	markup_count(file, bar->total);
	fputs("</span>\n", file);
}

/* --- the legend: what occurs, by family ------------------------------------ */

static bool reason_occurs(const struct replay_result *result, enum reason reason)
{
	for (uint32_t index = 0; index < result->policy_count; index++)
		if (result->policies[index].counts.flushes[reason])
			return true;
	return false;
}

static void put_key(FILE *file, const struct paint *paint, const char *name, const char *meaning)
{
	fprintf(file, "<span class=\"key\" title=\"%s\">", meaning);
	put_swatch(file, paint);
	fprintf(file, "%s</span> ", name);
}

static void put_means_keys(FILE *file, const struct replay_result *result)
{
	if (!result->recorded_flushes)
		return;
	fputs("<div><b>Recorded, by means:</b> ", file);
	for (int means = 0; means < MEANS_COUNT; means++)
		if (result->recorded[means])
			put_key(file, &means_paints[means], means_name(means),
				means_meaning(means));
	fputs("</div>\n", file);
}

static void put_family_keys(FILE *file, const struct replay_result *result, size_t family)
{
	bool begun = false;

	for (int reason = 0; reason < REASON_COUNT; reason++) {
		if (reason_paints[reason].hue != families[family].hue ||
		    !reason_occurs(result, reason))
			continue;
		if (!begun)
			fprintf(file, "<div><b>%s:</b> ", families[family].name);
		begun = true;
		put_key(file, &reason_paints[reason], reason_name(reason), reason_meaning(reason));
	}
	if (begun)
		fputs("</div>\n", file);
}

static void put_legend(FILE *file, const struct replay_result *result)
{
	fputs("<div class=\"legend\">\n", file);
	put_means_keys(file, result);
	for (size_t family = 0; family < sizeof(families) / sizeof(families[0]); family++)
		put_family_keys(file, result, family);
	if (chart_policy(result, "needed"))
		fputs("<div><b>Dashed line:</b> what the rules demand (needed)</div>\n", file);
	fputs("</div>\n", file);
}

static struct frame frame_of(const struct replay_result *result)
{
	uint64_t most = result->recorded_flushes;

	for (uint32_t index = 0; index < result->policy_count; index++)
		if (most < result->policies[index].flushes)
			most = result->policies[index].flushes;
	return (struct frame){ scale_over(most, TICKS_BARS), chart_policy(result, "needed") };
}

void chart_flushes(FILE *file, const struct replay_result *result)
{
	struct frame frame = frame_of(result);
	struct bar bar;

	put_legend(file, result);
	fputs("<div class=\"bars\">\n", file);
	if (result->recorded_known) {
		bar = recorded_bar(result);
		put_bar(file, &bar, &frame);
	}
	for (uint32_t index = 0; index < result->policy_count; index++) {
		bar = policy_bar(&result->policies[index]);
		put_bar(file, &bar, &frame);
	}
	put_count_axis(file, &frame.scale, "VM entries that flushed");
	fputs("</div>\n", file);
}

/* --- flushes over time ----------------------------------------------------- */

struct series {
	const char *name;
	const char *look;
	const uint32_t *counts;
	uint64_t total;
};

#define SERIES_MOST 3

/* Largest first: the next one is drawn over it. */
static unsigned int pick_series(const struct replay_result *result, struct series *series)
{
	static const struct {
		const char *policy;
		const char *look;
	} wanted[] = { { "kvm", "recorded" }, { "needed", "needed" }, { "tlbtag", "tlbtag" } };
	unsigned int count = 0;

	for (size_t index = 0; index < sizeof(wanted) / sizeof(wanted[0]); index++) {
		const struct policy_result *policy = chart_policy(result, wanted[index].policy);

		if (index == 0 && result->recorded_known)
			series[count++] = (struct series){ "recorded kernel", "recorded",
							   result->recorded_timeline,
							   result->recorded_flushes };
		else if (policy)
			series[count++] = (struct series){ policy->ops->name, wanted[index].look,
							   policy->timeline, policy->flushes };
	}
	return count;
}

/* Steps; y grows downwards. An area is closed along the bottom. */
static void put_steps(FILE *file, const struct series *series, uint32_t buckets, uint64_t height)
{
	uint64_t level = height;

	fprintf(file, "<path class=\"%s\" d=\"M0,%" PRIu64, series->look, height);
	for (uint32_t bucket = 0; bucket < buckets; bucket++) {
		uint64_t next = height - series->counts[bucket];

		if (next == level)
			continue;
		fprintf(file, "H%" PRIu32 "V%" PRIu64, bucket, next);
		level = next;
	}
	fprintf(file, "H%" PRIu32 "V%" PRIu64 "\"/>\n", buckets, height);
}

struct unit {
	const char *name;
	const char *long_name;
	uint64_t ns;
};

/* The unit in which a time up to @span_ns reads best. */
static struct unit unit_of(uint64_t span_ns)
{
	static const struct unit units[] = {
		{ "s", "seconds", 1000000000 },
		{ "ms", "milliseconds", 1000000 },
		{ "µs", "microseconds", 1000 },
	};

	for (size_t index = 0; index < sizeof(units) / sizeof(units[0]); index++)
		if (span_ns >= 2 * units[index].ns)
			return units[index];
	return (struct unit){ "ns", "nanoseconds", 1 };
}

/* A decimal fraction without zeros at its end; rounded to thousandths. */
static void put_time(FILE *file, uint64_t ns, const struct unit *unit)
{
	uint64_t thousandths = markup_scaled(ns, unit->ns, 1000);
	unsigned int fraction = (unsigned int)(thousandths % 1000);
	int digits = 3;

	markup_count(file, thousandths / 1000);
	if (fraction) {
		for (; fraction % 10 == 0; fraction /= 10)
			digits--;
		fprintf(file, ".%0*u", digits, fraction);
	}
}

/* A recording's clock may say anything, the end of its range included. */
static uint64_t span_of(const struct replay_result *result)
{
	uint64_t span;

	if (__builtin_mul_overflow(result->bucket_ns, result->buckets, &span))
		return UINT64_MAX;
	return span;
}

static bool slice_is_empty(const struct series *series, unsigned int count, uint32_t bucket)
{
	for (unsigned int index = 0; index < count; index++)
		if (series[index].counts[bucket])
			return false;
	return true;
}

/* Invisible columns to point at: the exact numbers of a slice. */
static void put_slices(FILE *file, const struct replay_result *result, const struct series *series,
		       unsigned int count)
{
	struct unit unit = unit_of(span_of(result));

	for (uint32_t bucket = 0; bucket < result->buckets; bucket++) {
		if (slice_is_empty(series, count, bucket))
			continue;
		fprintf(file, "<rect class=\"slice\" x=\"%" PRIu32 "\" width=\"1\" ", bucket);
		fputs("height=\"100%\"><title>", file);
		put_time(file, bucket * result->bucket_ns, &unit);
		fprintf(file, " %s", unit.name);
		for (unsigned int index = 0; index < count; index++)
			fprintf(file, "\n%s: %" PRIu32, series[index].name,
				series[index].counts[bucket]);
		fputs("</title></rect>\n", file);
	}
}

static void put_height_axis(FILE *file, const struct scale *scale)
{
	fputs("<svg class=\"heights\" aria-hidden=\"true\">", file);
	for (uint64_t index = 0; index <= scale->end / scale->step; index++) {
		uint64_t at = index * scale->step;

		fputs("<text class=\"tick\" text-anchor=\"end\" x=\"100%\" dx=\"-6\" ", file);
		fputs("dy=\"4\" y=\"", file);
		markup_length(file, scale->end - at, scale->end);
		fputs("\">", file);
		markup_count(file, at);
		fputs("</text>", file);
	}
	fputs("</svg>", file);
}

static void put_time_axis(FILE *file, const struct scale *scale)
{
	struct unit unit = unit_of(scale->end);

	fputs("<span></span><svg class=\"axis\" aria-hidden=\"true\">", file);
	for (uint64_t index = 0; index <= scale->end / scale->step; index++) {
		uint64_t at = index * scale->step;

		put_tick(file, at, scale);
		put_time(file, at, &unit);
		fputs("</text>", file);
	}
	fprintf(file, "<text class=\"tick\" x=\"50%%\" y=\"30\" text-anchor=\"middle\">%s since "
		      "the beginning</text></svg>\n",
		unit.long_name);
}

static void put_plot(FILE *file, const struct replay_result *result, const struct scale *heights,
		     const struct scale *times)
{
	struct series series[SERIES_MOST];
	unsigned int count = pick_series(result, series);

	fputs("<svg class=\"plot\" role=\"img\" aria-label=\"Flushes over time\">", file);
	put_vertical_lines(file, times);
	for (uint64_t index = 0; index <= heights->end / heights->step; index++) {
		uint64_t at = index * heights->step;

		fputs("<line class=\"grid\" x1=\"0\" x2=\"100%\" y1=\"", file);
		markup_length(file, heights->end - at, heights->end);
		fputs("\" y2=\"", file);
		markup_length(file, heights->end - at, heights->end);
		fputs("\"/>", file);
	}
	fprintf(file, "\n<svg width=\"100%%\" height=\"100%%\" preserveAspectRatio=\"none\" "
		      "viewBox=\"0 0 %" PRIu32 " %" PRIu64 "\">\n",
		result->buckets, heights->end);
	for (unsigned int index = 0; index < count; index++)
		put_steps(file, &series[index], result->buckets, heights->end);
	put_slices(file, result, series, count);
	fputs("</svg></svg>\n", file);
}

static uint32_t highest_slice(const struct series *series, unsigned int count, uint32_t buckets)
{
	uint32_t most = 0;

	for (unsigned int index = 0; index < count; index++)
		for (uint32_t bucket = 0; bucket < buckets; bucket++)
			if (most < series[index].counts[bucket])
				most = series[index].counts[bucket];
	return most;
}

static void put_series_legend(FILE *file, const struct series *series, unsigned int count)
{
	fputs("<div class=\"legend\">", file);
	for (unsigned int index = 0; index < count; index++) {
		bool is_line = !strcmp(series[index].look, "tlbtag");

		fprintf(file, "<span class=\"key\"><svg class=\"swatch long\" aria-hidden=\"true\">"
			      "<path class=\"%s\" d=\"M0,%s\"/></svg>%s, ",
			series[index].look, is_line ? "7H30" : "14V3H30V14", series[index].name);
		markup_count(file, series[index].total);
		fputs(" in all</span> ", file);
	}
	fputs("</div>\n", file);
}

bool chart_has_timeline(const struct replay_result *result)
{
	struct series series[SERIES_MOST];

	return pick_series(result, series) > 0;
}

void chart_timeline(FILE *file, const struct replay_result *result)
{
	uint64_t span = span_of(result);
	struct unit unit = unit_of(result->bucket_ns);
	struct series series[SERIES_MOST];
	unsigned int count = pick_series(result, series);
	uint32_t most = highest_slice(series, count, result->buckets);
	struct scale heights = scale_over(most, TICKS_HEIGHT);
	struct scale times = { .end = span, .step = step_round(span, TICKS_TIME) };

	put_series_legend(file, series, count);
	fputs("<p class=\"axis-name\">flushes in each ", file);
	put_time(file, result->bucket_ns, &unit);
	fprintf(file, "&nbsp;%s</p>\n<div class=\"time\">", unit.name);
	put_height_axis(file, &heights);
	put_plot(file, result, &heights, &times);
	put_time_axis(file, &times);
	fputs("</div>\n", file);
}

/* --- tags ------------------------------------------------------------------ */

static void put_plain_bar(FILE *file, const char *name, uint64_t count, uint64_t most)
{
	fprintf(file, "<svg class=\"thin\" aria-hidden=\"true\">"
		      "<rect class=\"base\" width=\"100%%\" "
		      "height=\"100%%\"/><rect height=\"100%%\" class=\"plain n-%s\" width=\"",
		name);
	markup_length(file, count, most);
	fputs("\"/></svg><span class=\"total\">", file);
	markup_count(file, count);
	fputs("</span>", file);
}

void chart_tags(FILE *file, const struct replay_result *result)
{
	uint64_t tags = 0;
	uint64_t wraps = 0;

	for (uint32_t index = 0; index < result->policy_count; index++) {
		const struct policy_counts *counts = &result->policies[index].counts;

		if (tags < counts->tags)
			tags = counts->tags;
		if (wraps < counts->wraps)
			wraps = counts->wraps;
	}
	fputs("<div class=\"tags\"><span></span><b>most tags in use</b><span></span>"
	      "<b>rounds used up</b><span></span>\n",
	      file);
	for (uint32_t index = 0; index < result->policy_count; index++) {
		const struct policy_result *policy = &result->policies[index];

		fprintf(file, "<span class=\"name n-%s\">%s</span>", policy->ops->name,
			policy->ops->name);
		put_plain_bar(file, policy->ops->name, policy->counts.tags, tags);
		put_plain_bar(file, policy->ops->name, policy->counts.wraps, wraps);
		fputs("\n", file);
	}
	fputs("</div>\n", file);
}

void chart_waste(FILE *file, uint64_t flushes, uint64_t needed)
{
	fputs("<svg class=\"thin small\" aria-hidden=\"true\"><rect class=\"base\" width=\"100%\" "
	      "height=\"100%\"/><rect class=\"h6\" height=\"100%\" width=\"",
	      file);
	markup_length(file, flushes > needed ? flushes - needed : 0, flushes);
	fputs("\"/></svg>", file);
}
