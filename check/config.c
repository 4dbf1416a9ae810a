/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Configurations as text.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <tlbtag/rules.h>

#define KEY(text, field, form_of, worlds_of)                                                    \
	{ text, offsetof(struct vmm_config, field), form_of, worlds_of }

const struct config_key config_keys[] = {
	KEY("vendor", intel, CONFIG_VENDOR, CONFIG_FLUSHES),
	KEY("flush_by_asid", flush_by_asid, CONFIG_FLAG, CONFIG_FLUSHES),
	KEY("shared_tag", shared_tag, CONFIG_FLAG, CONFIG_FLUSHES),
	KEY("l0_nested_paging", l0_nested_paging, CONFIG_FLAG, CONFIG_FLUSHES),
	KEY("l1_nested_paging", l1_nested_paging, CONFIG_FLAG, CONFIG_FLUSHES),
	KEY("invlpga_broken", invlpga_broken, CONFIG_FLAG, CONFIG_FLUSHES),
	KEY("pcid", pcid, CONFIG_FLAG, CONFIG_FLUSHES),
	KEY("ept_ad", ept_ad, CONFIG_FLAG, CONFIG_FLUSHES),
	KEY("reuse_at_once", reuse_at_once, CONFIG_FLAG, CONFIG_FLUSHES),
	KEY("forgetful", forgetful, CONFIG_FLAG, CONFIG_FLUSHES),
	KEY("spare_is_wrong", spare_is_wrong, CONFIG_FLAG, CONFIG_FLUSHES),
	KEY("contexts", contexts, CONFIG_NUMBER, CONFIG_FLUSHES),
	KEY("tags", tags, CONFIG_NUMBER, CONFIG_FLUSHES),
	KEY("cpus", cpus, CONFIG_NUMBER, CONFIG_FLUSHES),
	KEY("vms", vms, CONFIG_NUMBER, CONFIG_EITHER),
	KEY("vcpus", vcpus, CONFIG_NUMBER, CONFIG_EITHER),
	KEY("speculation", speculation, CONFIG_SPECULATION, CONFIG_FLUSHES),
	KEY("policy", policy, CONFIG_POLICY, CONFIG_FLUSHES),
	KEY("seed", seed, CONFIG_WIDE, CONFIG_FLUSHES),
	KEY("dynamic_pamt", tdx.dynamic_pamt, CONFIG_FLAG, CONFIG_PRIVATE),
	KEY("cache", tdx.cache, CONFIG_FLAG, CONFIG_PRIVATE),
	KEY("old", tdx.old, CONFIG_FLAG, CONFIG_PRIVATE),
	KEY("sweep", tdx.sweep, CONFIG_FLAG, CONFIG_PRIVATE),
	KEY("huge", tdx.huge, CONFIG_FLAG, CONFIG_PRIVATE),
	KEY("near", tdx.near, CONFIG_FLAG, CONFIG_PRIVATE),
	KEY("contended", tdx.contended, CONFIG_FLAG, CONFIG_PRIVATE),
	KEY("restless", tdx.restless, CONFIG_FLAG, CONFIG_PRIVATE),
	KEY("trusting", tdx.trusting, CONFIG_FLAG, CONFIG_PRIVATE),
	KEY("erratum", tdx.erratum, CONFIG_FLAG, CONFIG_PRIVATE),
	KEY("interruptible", tdx.interruptible, CONFIG_FLAG, CONFIG_PRIVATE),
	KEY("yield", tdx.yield, CONFIG_FLAG, CONFIG_PRIVATE),
	KEY("careless", tdx.careless, CONFIG_FLAG, CONFIG_PRIVATE),
	KEY("ragged", tdx.ragged, CONFIG_FLAG, CONFIG_PRIVATE),
	KEY("regions", tdx.regions, CONFIG_NUMBER, CONFIG_PRIVATE),
	KEY("small", tdx.small, CONFIG_NUMBER, CONFIG_PRIVATE),
	KEY("rule_off", rule_off, CONFIG_RULE, CONFIG_EITHER),
	KEY("fault", fault, CONFIG_FAULT, CONFIG_EITHER),
};

const unsigned int config_key_count = sizeof(config_keys) / sizeof(config_keys[0]);

_Static_assert(sizeof(config_keys) / sizeof(config_keys[0]) <= CONFIG_KEYS_MAX, "too many keys");

static const char *const vendors[] = { "amd", "intel" };
static const char *const speculations[] = { "never", "random", "always" };

static const struct {
	const char *name;
	const char *statement;
} rules[] = {
#define CONFIG_RULE_ROW(id, text, source) { #id, text },
	TLBTAG_RULES(CONFIG_RULE_ROW)
	TLBTAG_SEPT_RULES(CONFIG_RULE_ROW)
#undef CONFIG_RULE_ROW
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

bool config_has_key(const struct check_world *world, const struct config_key *key)
{
	return key->worlds == CONFIG_EITHER || world->is_private == (key->worlds == CONFIG_PRIVATE);
}

bool config_has_rule(const struct check_world *world, uint32_t rule)
{
	return rule < COUNT_OF(rules) && world->is_private == (rule >= TLBTAG_RULE_COUNT);
}

/* --- values ------------------------------------------------------------------ */

uint64_t config_get(const struct vmm_config *config, const struct config_key *key)
{
	const char *field = (const char *)config + key->offset;

	switch (key->form) {
	case CONFIG_FLAG:
	case CONFIG_VENDOR:
		return *(const bool *)field;
	case CONFIG_NUMBER:
	case CONFIG_SPECULATION:
	case CONFIG_POLICY:
		return *(const uint8_t *)field;
	case CONFIG_RULE:
	case CONFIG_FAULT:
		return *(const uint32_t *)(const void *)field;
	case CONFIG_WIDE:
		break;
	}
	return *(const uint64_t *)(const void *)field;
}

void config_set(struct vmm_config *config, const struct config_key *key, uint64_t value)
{
	char *field = (char *)config + key->offset;

	switch (key->form) {
	case CONFIG_FLAG:
	case CONFIG_VENDOR:
		*(bool *)field = value;
		return;
	case CONFIG_NUMBER:
	case CONFIG_SPECULATION:
	case CONFIG_POLICY:
		*(uint8_t *)field = (uint8_t)value;
		return;
	case CONFIG_RULE:
	case CONFIG_FAULT:
		*(uint32_t *)(void *)field = (uint32_t)value;
		return;
	case CONFIG_WIDE:
		*(uint64_t *)(void *)field = value;
	}
}

/* --- names ------------------------------------------------------------------- */

uint32_t config_rule_find(const char *name)
{
	for (uint32_t i = 0; i < COUNT_OF(rules); i++)
		if (!strcmp(rules[i].name, name))
			return i;
	return UINT32_MAX;
}

const char *config_rule_name(uint32_t rule)
{
	return rule < COUNT_OF(rules) ? rules[rule].name : NULL;
}

const char *config_rule_statement(uint32_t rule)
{
	return rule < COUNT_OF(rules) ? rules[rule].statement : NULL;
}

uint32_t config_fault_find(const struct check_world *world, const char *name)
{
	for (uint32_t i = 0; i < world->fault_count; i++)
		if (!strcmp(world->faults[i].name, name))
			return i;
	return VMM_FAULT_NONE;
}

static bool find_policy(const struct check_world *world, const char *text, uint64_t *value)
{
	for (*value = 0; *value < world->policies; ++*value)
		if (!strcmp(world->policy_name((unsigned int)*value), text))
			return true;
	return false;
}

static bool find_word(const char *const *words, size_t count, const char *text, uint64_t *value)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(words[i], text)) {
			*value = i;
			return true;
		}
	return false;
}

/* Digits only; a sign or a space would be taken by strtoull(). */
static bool read_number(const char *text, uint64_t most, uint64_t *value)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return !errno && !*end && *value <= most;
}

static bool read_value(const struct check_world *world, enum config_form form, const char *text,
		       uint64_t *value)
{
	switch (form) {
	case CONFIG_FLAG:
		return read_number(text, 1, value);
	case CONFIG_NUMBER:
		return read_number(text, UINT8_MAX, value);
	case CONFIG_WIDE:
		return read_number(text, UINT64_MAX, value);
	case CONFIG_VENDOR:
		return find_word(vendors, COUNT_OF(vendors), text, value);
	case CONFIG_SPECULATION:
		return find_word(speculations, COUNT_OF(speculations), text, value);
	case CONFIG_POLICY:
		return find_policy(world, text, value);
	case CONFIG_RULE:
		*value = config_rule_find(text);
		if (!config_has_rule(world, (uint32_t)*value))
			*value = UINT32_MAX;
		break;
	case CONFIG_FAULT:
		*value = config_fault_find(world, text);
		break;
	}
	return *value != UINT32_MAX || !strcmp(text, "none");
}

static int find_key(const char *name, size_t size)
{
	for (unsigned int i = 0; i < config_key_count; i++)
		if (strlen(config_keys[i].name) == size &&
		    !memcmp(config_keys[i].name, name, size))
			return (int)i;
	return -1;
}

int config_word(const struct check_world *world, struct vmm_config *config, const char *word,
		char *error, size_t size)
{
	const char *equals = strchr(word, '=');
	uint64_t value = 0;
	int key;

	if (!equals) {
		snprintf(error, size, "'%.60s' is not key=value", word);
		return -1;
	}
	key = find_key(word, (size_t)(equals - word));
	if (key < 0 || !config_has_key(world, &config_keys[key])) {
		snprintf(error, size, "no key '%.*s' in a configuration",
			 equals - word > 60 ? 60 : (int)(equals - word), word);
		return -1;
	}
	if (!read_value(world, config_keys[key].form, equals + 1, &value)) {
		snprintf(error, size, "%s cannot be '%.60s'", config_keys[key].name, equals + 1);
		return -1;
	}
	config_set(config, &config_keys[key], value);
	return key;
}

static void print_value(const struct check_world *world, const struct config_key *key,
			uint64_t value, FILE *out)
{
	const char *name = NULL;

	if (key->form == CONFIG_VENDOR)
		name = vendors[value];
	else if (key->form == CONFIG_SPECULATION && value < COUNT_OF(speculations))
		name = speculations[value];
	else if (key->form == CONFIG_POLICY)
		name = world->policy_name((unsigned int)value);
	else if (key->form == CONFIG_RULE)
		name = value < COUNT_OF(rules) ? rules[value].name : "none";
	else if (key->form == CONFIG_FAULT)
		name = value < world->fault_count ? world->faults[value].name : "none";
	if (name)
		fprintf(out, "%s=%s", key->name, name);
	else
		fprintf(out, "%s=%" PRIu64, key->name, value);
}

void config_print(const struct check_world *world, const struct vmm_config *config, FILE *out)
{
	bool any = false;

	for (unsigned int i = 0; i < config_key_count; i++) {
		if (!config_has_key(world, &config_keys[i]))
			continue;
		if (any)
			fputc(' ', out);
		any = true;
		print_value(world, &config_keys[i], config_get(config, &config_keys[i]), out);
	}
}

/* --- pins -------------------------------------------------------------------- */

void config_pin(struct config_pins *pins, unsigned int key, uint64_t value)
{
	pins->pinned[key] = true;
	pins->value[key] = value;
}

void config_pin_name(struct config_pins *pins, const char *name, uint64_t value)
{
	int key = find_key(name, strlen(name));

	if (key >= 0)
		config_pin(pins, (unsigned int)key, value);
}

void config_pins_apply(const struct config_pins *pins, struct vmm_config *config)
{
	for (unsigned int i = 0; i < config_key_count; i++)
		if (pins->pinned[i])
			config_set(config, &config_keys[i], pins->value[i]);
}
