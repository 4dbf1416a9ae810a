/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The keys of a configuration as text, and keys that are held to one value.
 */
#ifndef CHECK_CONFIG_H
#define CHECK_CONFIG_H

#include "world.h"

/* More keys than a configuration has. */
#define CONFIG_KEYS_MAX 48u

/* How a key's value is written. */
enum config_form {
	CONFIG_FLAG = 0,
	CONFIG_NUMBER = 1,
	CONFIG_WIDE = 2,
	CONFIG_VENDOR = 3,
	CONFIG_SPECULATION = 4,
	CONFIG_RULE = 5,
	CONFIG_FAULT = 6,
	CONFIG_POLICY = 7,
};

/* Which worlds have a key. */
enum config_worlds {
	CONFIG_EITHER = 0,
	CONFIG_FLUSHES = 1,
	CONFIG_PRIVATE = 2,
};

struct config_key {
	const char *name;
	size_t offset;
	enum config_form form;
	enum config_worlds worlds;
};

extern const struct config_key config_keys[];
extern const unsigned int config_key_count;

bool config_has_key(const struct check_world *world, const struct config_key *key);
/* Is this a rule that such a world knows? */
bool config_has_rule(const struct check_world *world, uint32_t rule);

uint64_t config_get(const struct vmm_config *config, const struct config_key *key);
void config_set(struct vmm_config *config, const struct config_key *key, uint64_t value);

/**
 * config_word() - set a key from "name=value"
 * @world: whose faults have names
 * @config: to change
 * @word: ended by 0
 * @size: of @error
 * @error: says what is wrong
 *
 * Return: the index of the key, or -1 with @error filled in.
 */
int config_word(const struct check_world *world, struct vmm_config *config, const char *word,
		char *error, size_t size);

/* All keys, "name=value name=value ..."; no newline. */
void config_print(const struct check_world *world, const struct vmm_config *config, FILE *out);

/* The number of a rule, or UINT32_MAX; the name of one, or NULL. */
uint32_t config_rule_find(const char *name);
const char *config_rule_name(uint32_t rule);
const char *config_rule_statement(uint32_t rule);
uint32_t config_fault_find(const struct check_world *world, const char *name);

/**
 * struct config_pins - keys that are held to a value
 * @pinned: which
 * @value: of each
 */
struct config_pins {
	bool pinned[CONFIG_KEYS_MAX];
	uint64_t value[CONFIG_KEYS_MAX];
};

/* Pin what @config has for that key; @key is its index or name. */
void config_pin(struct config_pins *pins, unsigned int key, uint64_t value);
void config_pin_name(struct config_pins *pins, const char *name, uint64_t value);
void config_pins_apply(const struct config_pins *pins, struct vmm_config *config);

#endif
