/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A story and what went wrong in it, for people.
 */
#ifndef CHECK_EXPLAIN_H
#define CHECK_EXPLAIN_H

#include "story.h"

/* Numbered steps with marks, then the verdict in words. */
void explain_story(const struct check_world *world, const struct story *story,
		   const struct story_end *end, FILE *out);

/* One line, without a newline: "foreign: ...". */
void explain_line(const struct check_world *world, const struct story_end *end, FILE *out);

#endif
