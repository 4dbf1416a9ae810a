/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * host: set-up with every refusal, the fallback tag, CPUs that come and go.
 */
#include "lab.h"
#include "test.h"

#include <errno.h>

#include "../port/sim/tlbtag_port.h"

TEST(host_takes_the_fallback_from_the_pool)
{
	struct tlbtag_hw hw = lab_hw(3);
	struct lab lab;

	lab_start(&lab, &hw);
	CHECK_EQ(lab.pool.fallback, 1);
	CHECK_EQ(tlbtag_pool_state(&lab.pool, 1), TLBTAG_USED);
	CHECK_EQ(tlbtag_pool_alloc(&lab.pool, TLBTAG_PLAIN), 2);
}

TEST(host_refuses_a_pool_that_the_hardware_does_not_have)
{
	struct tlbtag_host_cpu cpu[LAB_CPUS];
	struct tlbtag_hw hw = lab_hw(3);
	struct tlbtag_pool pool = { 0 };
	struct tlbtag_host host;
	uint64_t words[16];

	CHECK_EQ(tlbtag_host_init(&host, &hw, &pool, cpu), -EINVAL);
	CHECK_EQ(tlbtag_pool_init(&pool, 2, 3, words, 16), 0);
	CHECK_EQ(tlbtag_host_init(&host, &hw, &pool, cpu), -EINVAL);
	CHECK_EQ(pool.fallback, TLBTAG_NONE);
	hw.nr_tags = 5;
	CHECK_EQ(tlbtag_host_init(&host, &hw, &pool, cpu), 0);
	CHECK_EQ(tlbtag_host_init(NULL, &hw, NULL, cpu), -EINVAL);
	hw.nr_cpus = 0;
	CHECK_EQ(tlbtag_host_init(&host, &hw, &pool, cpu), -EINVAL);
}

/* Tags of other classes are none that L1 contexts could find. */
TEST(host_reserve_counts_plain_tags)
{
	struct tlbtag_range plain = { .first = 41, .last = 60 };
	struct tlbtag_host_cpu cpu[LAB_CPUS];
	struct tlbtag_hw hw = lab_hw(60);
	struct tlbtag_pool pool = { 0 };
	struct tlbtag_host host;
	uint64_t words[16];

	tlbtag_pool_init(&pool, 1, 60, words, 16);
	CHECK_EQ(tlbtag_pool_set_class(&pool, TLBTAG_PLAIN, &plain), 0);
	CHECK_EQ(tlbtag_host_init(&host, &hw, &pool, cpu), 0);
	CHECK_EQ(host.reserve, 5);
}

/* Guards V1. */
TEST(host_set_up_fails_without_a_fallback)
{
	struct tlbtag_host_cpu cpu[LAB_CPUS];
	struct tlbtag_hw hw = lab_hw(1);
	struct tlbtag_pool pool = { 0 };
	struct tlbtag_host host;
	uint64_t words[16];

	tlbtag_pool_init(&pool, 1, 1, words, 16);
	tlbtag_pool_alloc(&pool, TLBTAG_PLAIN);
	CHECK_EQ(tlbtag_host_init(&host, &hw, &pool, cpu), -ENOSPC);
}

TEST(host_intel_needs_no_fallback)
{
	struct tlbtag_hw hw = lab_hw(3);
	struct lab lab;

	hw.vendor = TLBTAG_INTEL;
	hw.tag_covers_guest_physical = false;
	lab_start(&lab, &hw);
	CHECK_EQ(lab.pool.fallback, TLBTAG_NONE);
	CHECK_EQ(tlbtag_pool_plain_free(&lab.pool), 3);
}

/* Guards CPU_ONLINE. */
/* KVM.md 4.9: static tags lose the flush that a new generation was. */
TEST(host_cpu_online_flushes_what_ran_there)
{
	struct lab lab;

	lab_start_nested(&lab, 15, 2);
	lab_enter(&lab.vcpu[0], 0);
	lab_enter(&lab.vcpu[1], 1);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, 0);
	tlbtag_host_cpu_online(&lab.host, on(0));
	CHECK_EQ(lab_enter(&lab.vcpu[1], 1).why, 0);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, TLBTAG_WHY_CPU_ONLINE);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, 0);
}

TEST(host_cpu_online_out_of_range_is_ignored)
{
	struct lab lab;

	lab_start_nested(&lab, 15, 1);
	tlbtag_host_cpu_online(&lab.host, on(LAB_CPUS));
	CHECK_EQ(tlbtag_sim_warnings(), 1);
}
