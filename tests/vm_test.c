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

/* ASIDs as on an SEV machine: 1 and 2 for SEV-ES, 3 and 4 for SEV, 5 to 15 plain. */
static void start_sev(struct lab *lab)
{
	const struct tlbtag_range plain = { .first = 5, .last = 15 };
	const struct tlbtag_range sev = { .first = 3, .last = 4, .dirty_on_free = true };
	const struct tlbtag_range sev_es = { .first = 1, .last = 2, .dirty_on_free = true };
	struct tlbtag_hw hw = lab_hw(15);

	memset(lab, 0, sizeof(*lab));
	tlbtag_pool_init(&lab->pool, 1, 15, lab->words, 16);
	tlbtag_pool_set_class(&lab->pool, TLBTAG_PLAIN, &plain);
	tlbtag_pool_set_class(&lab->pool, TLBTAG_SEV, &sev);
	tlbtag_pool_set_class(&lab->pool, TLBTAG_SEV_ES, &sev_es);
	tlbtag_host_init(&lab->host, &hw, &lab->pool, lab->cpu);
	tlbtag_vm_init(&lab->vm, &lab->host);
}

TEST(vm_key_has_a_tag_of_its_class_and_gives_it_back_dirty)
{
	struct lab lab;

	start_sev(&lab);
	CHECK_EQ(share(&lab, TLBTAG_SNP), -ENOTTY);
	CHECK_EQ(share(&lab, TLBTAG_SEV), 0);
	CHECK_EQ(lab.vm.tag, 3);
	CHECK_EQ(tlbtag_vm_destroy(&lab.vm), 0);
	CHECK_EQ(tlbtag_pool_state(&lab.pool, 3), TLBTAG_DIRTY);
	CHECK_EQ(share(&lab, TLBTAG_SEV), 0);
	CHECK_EQ(lab.vm.tag, 4);
	CHECK_EQ(tlbtag_vm_destroy(&lab.vm), 0);
	CHECK_EQ(share(&lab, TLBTAG_SEV), -ENOSPC);
	CHECK_EQ(tlbtag_pool_seal(&lab.pool, TLBTAG_SEV), 2);
	tlbtag_pool_unseal(&lab.pool, true);
	CHECK_EQ(share(&lab, TLBTAG_SEV), 0);
	CHECK_EQ(lab.vm.tag, 3);
	/* Twice is once. */
	CHECK_EQ(tlbtag_vm_destroy(&lab.vm), 0);
	CHECK_EQ(tlbtag_vm_destroy(&lab.vm), 0);
	CHECK_EQ(tlbtag_sim_warnings(), 0);
}

/* Guards N2, SHARED_OWNER. */
/* Under another ASID L2 would be decrypted with another key. */
TEST(vm_key_is_for_l2_as_well_and_levels_that_alternate_flush)
{
	struct lab lab;
	struct tlbtag_vcpu *vcpu = &lab.vcpu[0];

	start_sev(&lab);
	share(&lab, TLBTAG_SEV);
	lab_start_vcpus(&lab);
	tlbtag_nested_enable(vcpu, 2);
	CHECK_EQ(vcpu->l2[0].ctx.tag, lab.vm.tag);
	CHECK_EQ(vcpu->l2[1].ctx.tag, lab.vm.tag);
	CHECK_EQ(tlbtag_pool_plain_free(&lab.pool), 10);
	lab_enter(vcpu, 0);
	lab_vmrun(vcpu, 1, 0);
	lab_enter(vcpu, 0);
	CHECK_EQ(lab_enter(vcpu, 0).why, 0);
	tlbtag_nested_exit(vcpu);
	CHECK_EQ(lab_enter(vcpu, 0).why, TLBTAG_WHY_SHARED);
	CHECK_EQ(lab_enter(vcpu, 0).why, 0);
	lab_vmrun(vcpu, 1, 0);
	CHECK_EQ(lab_enter(vcpu, 0).why, TLBTAG_WHY_SHARED);
	lab_vmrun(vcpu, 2, 0);
	lab_enter(vcpu, 0);
	lab_vmrun(vcpu, 1, 0);
	CHECK_EQ(lab_enter(vcpu, 0).why, TLBTAG_WHY_SHARED);
	CHECK_EQ(lab_enter(vcpu, 0).tag, lab.vm.tag);
	tlbtag_vcpu_destroy(vcpu);
	CHECK_EQ(tlbtag_pool_state(&lab.pool, lab.vm.tag), TLBTAG_USED);
}

/* Guards SHARED_OWNER. */
TEST(vm_mirror_uses_the_tag_and_the_record_of_its_source)
{
	struct tlbtag_vm mirror;
	struct tlbtag_vm third;
	struct lab lab;

	start_sev(&lab);
	tlbtag_vm_init(&mirror, &lab.host);
	tlbtag_vm_init(&third, &lab.host);
	CHECK_EQ(tlbtag_vm_mirror(&mirror, &lab.vm), -EINVAL);
	share(&lab, TLBTAG_SEV_ES);
	CHECK_EQ(tlbtag_vm_mirror(&mirror, &lab.vm), 0);
	CHECK_EQ(tlbtag_vm_mirror(&mirror, &lab.vm), -EBUSY);
	CHECK_EQ(tlbtag_vm_mirror(&third, &mirror), -EINVAL);
	tlbtag_vcpu_init(&lab.vcpu[0], &lab.vm, 0);
	tlbtag_vcpu_init(&lab.vcpu[1], &mirror, 1);
	CHECK_EQ(lab.vcpu[1].l1.tag, lab.vm.tag);
	lab_enter(&lab.vcpu[0], 0);
	lab_enter(&lab.vcpu[1], 0);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, TLBTAG_WHY_SHARED);
	CHECK_EQ(lab_enter(&lab.vcpu[1], 0).why, TLBTAG_WHY_SHARED);
	tlbtag_vcpu_destroy(&lab.vcpu[1]);
	CHECK_EQ(tlbtag_vm_destroy(&mirror), 0);
	CHECK_EQ(mirror.tag, TLBTAG_NONE);
	CHECK_EQ(tlbtag_pool_state(&lab.pool, lab.vm.tag), TLBTAG_USED);
	CHECK_EQ(lab_enter(&lab.vcpu[0], 1).why, TLBTAG_WHY_MOVED);
}

TEST(vm_shared_plain_tag_has_no_mirror_and_stays)
{
	struct tlbtag_vm other;
	struct lab lab;

	start_sev(&lab);
	tlbtag_vm_init(&other, &lab.host);
	share(&lab, TLBTAG_PLAIN);
	CHECK_EQ(tlbtag_vm_mirror(&other, &lab.vm), -EINVAL);
	CHECK_EQ(tlbtag_vm_move(&other, &lab.vm), -EINVAL);
	CHECK_EQ(tlbtag_vm_move(&lab.vm, &other), -EBUSY);
}

/* Guards V2, FIRST_USE. */
/* KVM.md 4.6: vCPUs that are older than their guest's encryption. */
TEST(vm_move_takes_the_key_and_gives_plain_tags_back)
{
	struct lab lab;
	struct tlbtag_vcpu *from = &lab.vcpu[0];
	struct tlbtag_vcpu *to = &lab.vcpu[1];
	struct tlbtag_vm target;
	tlbtag_t key;

	start_sev(&lab);
	share(&lab, TLBTAG_SEV);
	key = lab.vm.tag;
	tlbtag_vm_init(&target, &lab.host);
	tlbtag_vcpu_init(from, &lab.vm, 0);
	tlbtag_vcpu_init(to, &target, 7);
	tlbtag_nested_enable(to, 1);
	lab_enter(from, 0);
	lab_enter(to, 0);
	CHECK_EQ(tlbtag_pool_plain_free(&lab.pool), 8);

	CHECK_EQ(tlbtag_vm_move(&target, &lab.vm), 0);
	CHECK_EQ(tlbtag_vcpu_rekey(from, 7), 0);
	CHECK_EQ(tlbtag_vcpu_rekey(to, LAB_VCPUS), -EINVAL);
	CHECK_NE(to->l1.tag, key);
	CHECK_EQ(tlbtag_vcpu_rekey(to, 0), 0);
	CHECK_EQ(to->l1.tag, key);
	CHECK_EQ(to->l2[0].ctx.tag, key);
	CHECK_NE(from->l1.tag, key);
	CHECK_EQ(tlbtag_pool_plain_free(&lab.pool), 9);
	CHECK_EQ(lab_enter(to, 0).why, TLBTAG_WHY_FIRST_USE);
	CHECK_EQ(lab_enter(to, 0).why, 0);
	CHECK_EQ(lab_enter(from, 0).why, TLBTAG_WHY_FIRST_USE);

	tlbtag_vcpu_destroy(from);
	CHECK_EQ(tlbtag_vm_destroy(&lab.vm), 0);
	CHECK_EQ(tlbtag_pool_state(&lab.pool, key), TLBTAG_USED);
	tlbtag_vcpu_destroy(to);
	CHECK_EQ(tlbtag_vm_destroy(&target), 0);
	CHECK_EQ(tlbtag_pool_state(&lab.pool, key), TLBTAG_DIRTY);
	CHECK_EQ(tlbtag_pool_plain_free(&lab.pool), 10);
	CHECK_EQ(tlbtag_sim_warnings(), 0);
}

TEST(vm_mirror_that_moves_is_a_mirror_still)
{
	struct lab lab;
	struct tlbtag_vm mirror;
	struct tlbtag_vm target;

	start_sev(&lab);
	share(&lab, TLBTAG_SEV);
	tlbtag_vm_init(&mirror, &lab.host);
	tlbtag_vm_init(&target, &lab.host);
	tlbtag_vm_mirror(&mirror, &lab.vm);
	CHECK_EQ(tlbtag_vm_move(&target, &mirror), 0);
	CHECK_EQ(tlbtag_vm_destroy(&mirror), 0);
	CHECK_EQ(tlbtag_vm_destroy(&target), 0);
	CHECK_EQ(tlbtag_pool_state(&lab.pool, lab.vm.tag), TLBTAG_USED);
}

TEST(vm_abandoned_tag_is_never_used_again_and_counted)
{
	struct lab lab;

	start_sev(&lab);
	share(&lab, TLBTAG_SEV);
	tlbtag_vm_abandon(&lab.vm);
	CHECK_EQ(tlbtag_vm_destroy(&lab.vm), 0);
	CHECK_EQ(tlbtag_pool_seal(&lab.pool, TLBTAG_SEV), 0);
	CHECK_EQ(share(&lab, TLBTAG_SEV), 0);
	CHECK_EQ(share(&lab, TLBTAG_SEV), -EBUSY);
	CHECK_EQ(lab.vm.tag, 4);
	CHECK_EQ(tlbtag_vm_destroy(&lab.vm), 0);
	CHECK_EQ(tlbtag_pool_destroy(&lab.pool), 1);
	CHECK_EQ(tlbtag_sim_warnings(), 1);
}

/* Guards SHARED_OWNER. */
/* More vCPUs than numbers: those that share one always flush, all others notice them. */
TEST(vm_vcpus_with_one_number_are_noticed_if_they_always_flush)
{
	struct lab lab;
	struct tlbtag_vcpu twin;

	start_shared(&lab, 15);
	tlbtag_vcpu_init(&twin, &lab.vm, 1);
	for (int i = 0; i < 2; i++) {
		lab_enter(&lab.vcpu[0], 0);
		CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, 0);
		lab_enter(&lab.vcpu[1], 0);
		lab_enter(&twin, 1);
		CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, TLBTAG_WHY_SHARED);
		lab_enter(&twin, 0);
		lab_enter(&lab.vcpu[1], 1);
		CHECK_EQ(lab_enter(&lab.vcpu[0], 0).why, TLBTAG_WHY_SHARED);
	}
}

/* What KVM remembers of one ASID: the VMCB on each CPU; and each vCPU's last CPU. */
struct arrays {
	const struct tlbtag_ctx *vmcb[LAB_CPUS];
	uint32_t last_cpu[LAB_VCPUS];
};

static bool arrays_flush(struct arrays *arrays, const struct lab *lab, uint32_t nr, uint32_t cpu)
{
	const struct tlbtag_ctx *ctx = tlbtag_vcpu_active(&lab->vcpu[nr]);
	bool flush = arrays->vmcb[cpu] != ctx || arrays->last_cpu[nr] != cpu;

	arrays->vmcb[cpu] = ctx;
	arrays->last_cpu[nr] = cpu;
	return flush;
}

/* Guards SHARED_OWNER. */
/* A guest and its mirror, each with a vCPU that runs L1 and two L2 guests. */
TEST(vm_key_is_flushed_exactly_when_kvms_arrays_would_flush_it)
{
	struct arrays arrays = { .last_cpu = { UINT32_MAX, UINT32_MAX } };
	struct tlbtag_vm mirror;
	uint32_t random = 1;
	uint32_t kept = 0;
	struct lab lab;

	start_sev(&lab);
	share(&lab, TLBTAG_SEV);
	tlbtag_vm_init(&mirror, &lab.host);
	tlbtag_vm_mirror(&mirror, &lab.vm);
	tlbtag_vcpu_init(&lab.vcpu[0], &lab.vm, 0);
	tlbtag_vcpu_init(&lab.vcpu[1], &mirror, 1);
	tlbtag_nested_enable(&lab.vcpu[0], 2);
	tlbtag_nested_enable(&lab.vcpu[1], 2);
	for (int step = 0; step < 20000; step++) {
		uint32_t nr, cpu;
		bool flush;

		random = random * 1664525 + 1013904223;
		nr = random >> 31;
		cpu = random >> 30 & 1;
		if (random >> 26 & 4)
			lab_vmrun(&lab.vcpu[nr], 1 + (random >> 25 & 1), 0);
		else if (random >> 26 & 8)
			tlbtag_nested_exit(&lab.vcpu[nr]);
		flush = arrays_flush(&arrays, &lab, nr, cpu);
		CHECK_EQ(lab_enter(&lab.vcpu[nr], cpu).flush != TLBTAG_FLUSH_NONE, flush);
		kept += !flush;
	}
	CHECK(kept > 1000);
}
