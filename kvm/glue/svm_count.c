// SPDX-License-Identifier: GPL-2.0-only
/*
 * svm_count: how often what was flushed for which reason, and synced.
 *
 * For the machine, a file each in KVM's directory of debugfs, where kvm_stat finds
 * them; for each vCPU, in its binary statistics, under the same names.
 */
#include <linux/dcache.h>
#include <linux/debugfs.h>
#include <linux/kvm_host.h>
#include <linux/percpu.h>

#include "kvm_tags.h"
#include "svm/svm.h"

#define CREATE_TRACE_POINTS
#include "svm_trace.h"

struct counts {
	u64 of[SVM_TAGS_COUNTS];
};

static DEFINE_PER_CPU(struct counts, counts);

#define COUNT_DESC(what, text)                                                       \
	[what] = {                                                                   \
		.flags = KVM_STATS_TYPE_CUMULATIVE | KVM_STATS_UNIT_NONE |           \
			 KVM_STATS_BASE_POW10,                                       \
		.size = 1,                                                           \
		.offset = sizeof(struct kvm_vcpu_stat) + (what) * sizeof(u64),       \
		.name = "tlbtag_" text,                                              \
	},
#define WHY_DESC(id, name, meaning) COUNT_DESC(TLBTAG_WHY_BIT_##id, "flush_" name)

static const struct kvm_stats_desc descs[] = {
	TLBTAG_WHYS(WHY_DESC)
	COUNT_DESC(SVM_TAGS_COUNT_FLUSHES, "flushes")
	COUNT_DESC(SVM_TAGS_COUNT_SYNCS, "syncs")
	COUNT_DESC(SVM_TAGS_COUNT_INVLPGA, "invlpga_at_once")
};
static_assert(ARRAY_SIZE(descs) == SVM_TAGS_COUNTS && SVM_TAGS_COUNTS <= KVM_TAGS_STATS_MAX);

static void read_counts(struct kvm_vcpu *vcpu, u64 *numbers)
{
	memcpy(numbers, to_svm(vcpu)->tags.count, sizeof(to_svm(vcpu)->tags.count));
}

const struct kvm_tags_stats svm_tags_stats = {
	.desc = descs,
	.nr = SVM_TAGS_COUNTS,
	.read = read_counts,
};

void svm_tags_count(struct kvm_vcpu *vcpu, unsigned int what)
{
	to_svm(vcpu)->tags.count[what]++;
	this_cpu_inc(counts.of[what]);
}

void svm_tags_count_flush(struct kvm_vcpu *vcpu, u32 why)
{
	unsigned long bits = why;
	unsigned int bit;

	if (!why)
		return;
	svm_tags_count(vcpu, SVM_TAGS_COUNT_FLUSHES);
	for_each_set_bit(bit, &bits, TLBTAG_WHY_COUNT)
		svm_tags_count(vcpu, bit);
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
		debugfs_create_file(descs[what].name, 0444, dir, (void *)what, &count_fops);
	debugfs_create_file("tlbtag_free", 0444, dir, NULL, &free_fops);
	dput(dir);
}
