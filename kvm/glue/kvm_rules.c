// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvm_rules: in debug builds, rules that are switched off.
 *
 * To show that an auditor finds the flush that is then missing. The parameter is
 * a list of names from <tlbtag/rules.h>, and may be written while guests run.
 */
#ifdef TLBTAG_LINUX_RULES
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitmap.h>
#include <linux/export.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

#include <tlbtag/rules.h>
#include <tlbtag/types.h>

unsigned long tlbtag_linux_rules_off[BITS_TO_LONGS(TLBTAG_RULE_ALL)];
EXPORT_SYMBOL_GPL(tlbtag_linux_rules_off);

#define RULE_NAME(id, statement, source) #id,
static const char *const names[TLBTAG_RULE_COUNT] = { TLBTAG_RULES(RULE_NAME) };

static int switch_off(char *list, unsigned long *off)
{
	char *name;
	int rule;

	while ((name = strsep(&list, ","))) {
		if (!*name)
			continue;
		rule = match_string(names, TLBTAG_RULE_COUNT, name);
		if (rule < 0)
			return -EINVAL;
		__set_bit(rule, off);
	}
	return 0;
}

static int rules_set(const char *value, const struct kernel_param *param)
{
	DECLARE_BITMAP(off, TLBTAG_RULE_COUNT) = { 0 };
	char *list = kstrdup(value, GFP_KERNEL);
	int r;

	if (!list)
		return -ENOMEM;
	r = switch_off(strim(list), off);
	kfree(list);
	if (r)
		return r;
	bitmap_copy(tlbtag_linux_rules_off, off, TLBTAG_RULE_COUNT);
	if (!bitmap_empty(off, TLBTAG_RULE_COUNT))
		pr_warn("rules switched off, translations will be stale: %s\n", value);
	return 0;
}

static int rules_get(char *buffer, const struct kernel_param *param)
{
	unsigned int rule;
	int length = 0;

	for_each_set_bit(rule, tlbtag_linux_rules_off, TLBTAG_RULE_COUNT)
		length += sysfs_emit_at(buffer, length, "%s%s", length ? "," : "", names[rule]);
	return length + sysfs_emit_at(buffer, length, "\n");
}

static const struct kernel_param_ops rules_ops = {
	.set = rules_set,
	.get = rules_get,
};
module_param_cb(rules_off, &rules_ops, NULL, 0644);
MODULE_PARM_DESC(rules_off, "rules to break, for tests of auditors");
#endif
