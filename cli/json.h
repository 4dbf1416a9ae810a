/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * JSON that several subcommands write.
 */
#ifndef TLBTAG_CLI_JSON_H
#define TLBTAG_CLI_JSON_H

#include <jansson.h>
#include <stdint.h>

json_t *json_of_count(uint64_t value);

/* A file name need not be UTF-8; JSON must be. */
json_t *json_of_name(const char *name);

/* A list of NULL-terminated texts. */
json_t *json_of_texts(const char *const *texts);

/* Write a value and give it up. A write that fails is found by finish_output(). */
void json_write(json_t *value);

#endif
