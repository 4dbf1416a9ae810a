/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * hw: the machine's description, checked once so that nothing else needs to.
 */
#include <tlbtag/hw.h>

#define VPID_COUNT 65536u

static bool is_possible_amd(const struct tlbtag_hw *hw)
{
	return hw->tag_covers_guest_physical;
}

static bool is_possible_intel(const struct tlbtag_hw *hw)
{
	return !hw->tag_covers_guest_physical && hw->flush_by_tag && hw->nr_tags <= VPID_COUNT;
}

int tlbtag_hw_check(const struct tlbtag_hw *hw)
{
	if (hw->nr_tags < 2 || hw->nr_cpus < 1 || hw->nr_cpus > TLBTAG_CPU_LIMIT)
		return -EINVAL;

	switch (hw->vendor) {
	case TLBTAG_AMD:
		return is_possible_amd(hw) ? 0 : -EINVAL;
	case TLBTAG_INTEL:
		return is_possible_intel(hw) ? 0 : -EINVAL;
	}
	return -EINVAL;
}
TLBTAG_EXPORT(tlbtag_hw_check);
