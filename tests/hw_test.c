/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * hw and host: what is refused at set-up, and what set-up leaves behind.
 */
#include "lab.h"
#include "test.h"

#include <errno.h>

TEST(hw_accepts_an_amd_server)
{
	struct tlbtag_hw hw = lab_hw(32767);

	CHECK_EQ(tlbtag_hw_check(&hw), 0);
	hw.flush_by_tag = false;
	CHECK_EQ(tlbtag_hw_check(&hw), 0);
}

TEST(hw_accepts_an_intel_server)
{
	struct tlbtag_hw hw = lab_hw(65535);

	hw.vendor = TLBTAG_INTEL;
	hw.tag_covers_guest_physical = false;
	CHECK_EQ(tlbtag_hw_check(&hw), 0);
}

TEST(hw_refuses_impossible_numbers)
{
	struct tlbtag_hw hw = lab_hw(15);

	hw.nr_tags = 1;
	CHECK_EQ(tlbtag_hw_check(&hw), -EINVAL);
	hw = lab_hw(15);
	hw.nr_cpus = 0;
	CHECK_EQ(tlbtag_hw_check(&hw), -EINVAL);
	hw.nr_cpus = TLBTAG_CPU_LIMIT + 1;
	CHECK_EQ(tlbtag_hw_check(&hw), -EINVAL);
	hw.nr_cpus = TLBTAG_CPU_LIMIT;
	CHECK_EQ(tlbtag_hw_check(&hw), 0);
}

TEST(hw_refuses_what_no_vendor_makes)
{
	struct tlbtag_hw hw = lab_hw(15);

	hw.tag_covers_guest_physical = false;
	CHECK_EQ(tlbtag_hw_check(&hw), -EINVAL);
	hw.vendor = TLBTAG_INTEL;
	CHECK_EQ(tlbtag_hw_check(&hw), 0);
	hw.flush_by_tag = false;
	CHECK_EQ(tlbtag_hw_check(&hw), -EINVAL);
	hw.flush_by_tag = true;
	hw.nr_tags = 65537;
	CHECK_EQ(tlbtag_hw_check(&hw), -EINVAL);
	hw.nr_tags = 65536;
	hw.tag_covers_guest_physical = true;
	CHECK_EQ(tlbtag_hw_check(&hw), -EINVAL);
	hw.vendor = (enum tlbtag_vendor)7;
	CHECK_EQ(tlbtag_hw_check(&hw), -EINVAL);
}
