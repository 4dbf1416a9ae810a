// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvm_stats: a vCPU's binary statistics, with the vendor's counters after KVM's.
 *
 * The stream is header, name, descriptors, numbers. A reader takes the offsets of
 * those from the header, and the place of each number from its descriptor, so the
 * vendor's follow KVM's in both parts.
 */
#include <linux/kernel.h>
#include <linux/kvm_host.h>
#include <linux/uaccess.h>

#include "kvm_tags.h"

struct part {
	const void *from;
	size_t size;
};

/* As much of the parts, one after the other, as was asked for */
static ssize_t copy_parts(const struct part *part, unsigned int nr_parts, char __user *buffer,
			  size_t size, loff_t *offset)
{
	size_t skip = *offset, done = 0, length;

	for (; nr_parts; nr_parts--, part++) {
		if (skip >= part->size) {
			skip -= part->size;
			continue;
		}
		length = min(part->size - skip, size - done);
		if (copy_to_user(buffer + done, part->from + skip, length))
			return -EFAULT;
		done += length;
		skip = 0;
	}
	*offset += done;
	return done;
}

static ssize_t read_both(struct kvm_vcpu *vcpu, const struct kvm_tags_stats *stats,
			 char __user *buffer, size_t size, loff_t *offset)
{
	struct kvm_stats_header header = kvm_vcpu_stats_header;
	/* The vendor's part of a vCPU is no memory that may be copied to users. */
	u64 numbers[KVM_TAGS_STATS_MAX];
	const struct part parts[] = {
		{ &header, sizeof(header) },
		{ vcpu->stats_id, KVM_STATS_NAME_SIZE },
		{ kvm_vcpu_stats_desc, header.num_desc * sizeof(*stats->desc) },
		{ stats->desc, stats->nr * sizeof(*stats->desc) },
		{ &vcpu->stat, sizeof(vcpu->stat) },
		{ numbers, stats->nr * sizeof(*numbers) },
	};

	header.num_desc += stats->nr;
	header.data_offset += stats->nr * sizeof(*stats->desc);
	stats->read(vcpu, numbers);
	return copy_parts(parts, ARRAY_SIZE(parts), buffer, size, offset);
}

ssize_t kvm_tags_stats_read(struct kvm_vcpu *vcpu, char __user *buffer, size_t size,
			    loff_t *offset)
{
	const struct kvm_tags_ops *vendor = kvm_tags_vendor();

	if (vendor)
		return read_both(vcpu, vendor->stats, buffer, size, offset);
	return kvm_stats_read(vcpu->stats_id, &kvm_vcpu_stats_header, kvm_vcpu_stats_desc,
			      &vcpu->stat, sizeof(vcpu->stat), buffer, size, offset);
}
