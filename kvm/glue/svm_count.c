// SPDX-License-Identifier: GPL-2.0-only
/*
 * svm_count: how often what was flushed for which reason, and synced.
 *
 * One file each in KVM's directory of debugfs, where kvm_stat finds them. KVM's
 * binary statistics have their numbers in structures that other modules know.
 */
#include <linux/dcache.h>
#include <linux/debugfs.h>
#include <linux/kvm_host.h>
#include <linux/percpu.h>

#include "svm/svm.h"

#define CREATE_TRACE_POINTS
#include "svm_trace.h"

struct counts {
	u64 of[SVM_TAGS_COUNTS];
};

static DEFINE_PER_CPU(struct counts, counts);

#define WHY_FILE(id, name, meaning) [TLBTAG_WHY_BIT_##id] = "tlbtag_flush_" name,
static const char *const files[SVM_TAGS_COUNTS] = {
	TLBTAG_WHYS(WHY_FILE)
	[SVM_TAGS_COUNT_FLUSHES] = "tlbtag_flushes",
	[SVM_TAGS_COUNT_SYNCS] = "tlbtag_syncs",
	[SVM_TAGS_COUNT_INVLPGA] = "tlbtag_invlpga_at_once",
};

void svm_tags_count(unsigned int what)
{
	this_cpu_inc(counts.of[what]);
}

void svm_tags_count_flush(u32 why)
{
	unsigned long bits = why;
	unsigned int bit;

	if (!why)
		return;
	svm_tags_count(SVM_TAGS_COUNT_FLUSHES);
	for_each_set_bit(bit, &bits, TLBTAG_WHY_COUNT)
		svm_tags_count(bit);
}

static int sum(void *data, u64 *value)
{
	unsigned long what = (unsigned long)data;
	int cpu;

	*value = 0;
	for_each_possible_cpu(cpu)
		*value += per_cpu(counts, cpu).of[what];
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(count_fops, sum, NULL, "%llu\n");

static int free_tags(void *data, u64 *value)
{
	*value = svm_tags_free();
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(free_fops, free_tags, NULL, "%llu\n");

/* KVM removes its directory with all that is in it. */
noinline void svm_tags_debugfs(void)
{
	struct dentry *dir = debugfs_lookup("kvm", NULL);
	unsigned long what;

	if (IS_ERR_OR_NULL(dir))
		return;
	for (what = 0; what < SVM_TAGS_COUNTS; what++)
		debugfs_create_file(files[what], 0444, dir, (void *)what, &count_fops);
	debugfs_create_file("tlbtag_free", 0444, dir, NULL, &free_fops);
	dput(dir);
}
