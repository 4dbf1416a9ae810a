/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * chart: the pictures of a report, as SVG within HTML. Lengths are shares of
 * the room there is and text keeps its size, so the same picture serves a
 * projector, a telephone and paper. Scales are linear and begin at 0.
 */
#ifndef TLBTAG_CLI_CHART_H
#define TLBTAG_CLI_CHART_H

#include <replay/replay.h>

/* What the pictures of a page share; once, in front of them. */
void chart_definitions(FILE *file);

/* The colour and hatch of a reason, and of a means, as a small square. */
void chart_reason_swatch(FILE *file, enum reason reason);
void chart_means_swatch(FILE *file, enum means means);

/* Flushes by policy and reason. */
void chart_flushes(FILE *file, const struct replay_result *result);

/* Flushes over time; only if one of its curves is there. */
bool chart_has_timeline(const struct replay_result *result);
void chart_timeline(FILE *file, const struct replay_result *result);

/* Tags in use and rounds of tags used up. */
void chart_tags(FILE *file, const struct replay_result *result);

/* One bar: so much of the flushes was not needed. */
void chart_waste(FILE *file, uint64_t flushes, uint64_t needed);

/* Return: the result of the policy of that name, or NULL. */
const struct policy_result *chart_policy(const struct replay_result *result, const char *name);

#endif
