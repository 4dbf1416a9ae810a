/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Findings of check/ as the commands print them, and what their options share.
 */
#ifndef CLI_FOUND_H
#define CLI_FOUND_H

#include "../check/explain.h"
#include "../check/run.h"

#include <jansson.h>

/* A story and its verdict as a JSON object. */
json_t *found_json(const struct check_world *world, const struct story *story,
		   const struct story_end *end);

/* Numbers of a tally, into an object. */
void tally_json(const struct check_world *world, const struct run_tally *tally, json_t *object);

/* --- options: each complains and returns false if it does not like the text --- */

bool option_count(const char *option, const char *text, uint64_t most, uint64_t *value);
/* Positive; fractions are fine. */
bool option_seconds(const char *option, const char *text, double *value);
bool option_rule(const struct check_world *world, const char *text, uint32_t *rule);
bool option_fault(const struct check_world *world, const char *text, uint32_t *fault);
/* "KEY=VALUE" of a configuration. */
bool option_pin(const struct check_world *world, const char *text, struct config_pins *pins);

/* NULL, or why nothing that is pinned so can be. */
const char *pins_wrong(const struct check_world *world, const struct config_pins *pins);

#endif
