/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * vm: one tag for all vCPUs, its owner, and every way to be refused one.
 */
#include "lab.h"
#include "test.h"

#include <errno.h>

#include "../port/sim/tlbtag_port.h"

static int share(struct lab *lab, enum tlbtag_class kind)
{
	return tlbtag_vm_share(&lab->vm, kind, LAB_VCPUS, lab->owner, 4);
}

static void start_shared(struct lab *lab, uint32_t tags)
{
	struct tlbtag_hw hw = lab_hw(tags);

	lab_start(lab, &hw);
	share(lab, TLBTAG_PLAIN);
	lab_start_vcpus(lab);
}

/* Guards V2. */
TEST(vm_vcpus_have_tags_of_their_own_by_default)
{
	struct lab lab;

	lab_start_nested(&lab, 15, 1);
	CHECK_NE(lab.vcpu[0].l1.tag, lab.vcpu[1].l1.tag);
}

/* Guards V2. */
TEST(vm_shared_tag_is_one_for_all_vcpus)
{
	struct lab lab;

	start_shared(&lab, 15);
	CHECK_EQ(lab.vcpu[0].l1.tag, lab.vm.tag);
	CHECK_EQ(lab.vcpu[1].l1.tag, lab.vm.tag);
	CHECK_NE(lab.vm.tag, lab.pool.fallback);
}

/* Guards SHARED_OWNER. */
TEST(vm_siblings_that_alternate_on_a_cpu_flush)
{
	struct lab lab;

	start_shared(&lab, 15);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, TLBTAG_WHY_FIRST_USE);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, 0);
	CHECK_EQ(lab_enter(&lab.vcpu[1], 0).why, TLBTAG_WHY_FIRST_USE);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, TLBTAG_WHY_SHARED);
	CHECK_EQ(lab_enter(&lab.vcpu[1], 1).why, TLBTAG_WHY_MOVED);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, 0);
}

TEST(vm_private_tags_need_no_flush_between_siblings)
{
	struct lab lab;

	lab_start_nested(&lab, 15, 1);
	lab_enter(&lab.vcpu[0], 0);
	lab_enter(&lab.vcpu[1], 0);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, 0);
	CHECK_EQ(lab_enter(&lab.vcpu[1], 0).why, 0);
}

/* Guards N2. */
/* L2 contexts are private either way, so siblings do not disturb them. */
TEST(vm_l2_is_private_under_a_shared_tag)
{
	struct lab lab;

	start_shared(&lab, 15);
	tlbtag_nested_enable(&lab.vcpu[0], 1);
	tlbtag_nested_enable(&lab.vcpu[1], 1);
	for (int i = 0; i < 2; i++) {
		lab_enter(&lab.vcpu[i], 0);
		lab_vmrun(&lab.vcpu[i], 1, 0);
		lab_enter(&lab.vcpu[i], 0);
	}
	CHECK_NE(lab.vcpu[0].l2[0].ctx.tag, lab.vcpu[1].l2[0].ctx.tag);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, 0);
	CHECK_EQ(lab_enter(&lab.vcpu[1], 0).why, 0);
}

/* Guards FIRST_USE. */
/* SPEC B.8: a new vCPU with the number of a dead one is not the dead one. */
TEST(vm_reborn_vcpu_flushes)
{
	struct lab lab;

	start_shared(&lab, 15);
	lab_enter(&lab.vcpu[0], 0);
	tlbtag_vcpu_destroy(&lab.vcpu[0]);
	CHECK_EQ(tlbtag_vcpu_init(&lab.vcpu[0], &lab.vm, 0), 0);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, TLBTAG_WHY_FIRST_USE);
}

TEST(vm_refusals_leave_nothing_behind)
{
	struct tlbtag_hw hw = lab_hw(2);
	struct lab lab;

	lab_start(&lab, &hw);
	CHECK_EQ(tlbtag_vm_share(&lab.vm, TLBTAG_PLAIN, 0, lab.owner, 4), -EINVAL);
	CHECK_EQ(tlbtag_vm_share(&lab.vm, TLBTAG_PLAIN, 2, NULL, 4), -EINVAL);
	CHECK_EQ(tlbtag_vm_share(&lab.vm, TLBTAG_PLAIN, 2, lab.owner, 0), -ENOMEM);
	CHECK_EQ(share(&lab, TLBTAG_SEV), -ENOTTY);
	CHECK_EQ(lab.vm.tag, TLBTAG_NONE);
	CHECK_EQ(tlbtag_pool_plain_free(&lab.pool), 1);
	CHECK_EQ(tlbtag_pool_alloc(&lab.pool, TLBTAG_PLAIN), 2);
	CHECK_EQ(share(&lab, TLBTAG_PLAIN), -ENOSPC);
	CHECK_EQ(lab.vm.tag, TLBTAG_NONE);
	CHECK_EQ(tlbtag_pool_free(&lab.pool, 2), 0);
	CHECK_EQ(share(&lab, TLBTAG_PLAIN), 0);
	CHECK_EQ(share(&lab, TLBTAG_PLAIN), -EBUSY);
}

TEST(vm_scope_is_fixed_before_the_first_vcpu)
{
	struct tlbtag_hw hw = lab_hw(15);
	struct lab lab;

	lab_start(&lab, &hw);
	lab_start_vcpus(&lab);
	CHECK_EQ(share(&lab, TLBTAG_PLAIN), -EBUSY);
}

TEST(vm_vcpu_number_beyond_the_record_is_refused)
{
	struct lab lab;
	struct tlbtag_vcpu third;

	start_shared(&lab, 15);
	CHECK_EQ(tlbtag_vcpu_init(&third, &lab.vm, LAB_VCPUS), -EINVAL);
	CHECK_EQ(lab.vm.vcpus, 2);
}

TEST(vm_destroy_gives_the_tag_back)
{
	struct lab lab;

	start_shared(&lab, 15);
	CHECK_EQ(tlbtag_vm_destroy(&lab.vm), -EBUSY);
	CHECK_EQ(tlbtag_sim_warnings(), 1);
	tlbtag_vcpu_destroy(&lab.vcpu[0]);
	tlbtag_vcpu_destroy(&lab.vcpu[1]);
	CHECK_EQ(tlbtag_vm_destroy(&lab.vm), 0);
	CHECK_EQ(tlbtag_pool_plain_free(&lab.pool), 14);
	CHECK_EQ(tlbtag_pool_destroy(&lab.pool), 0);
}
