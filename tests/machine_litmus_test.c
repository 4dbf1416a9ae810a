/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The litmus programs of doc/MODEL.md on both vendors' machines: what may be
 * stale, and by what that ends. A "fix" of a fix's absence would show here.
 */
#include "machine_lab.h"

/* Frames that no guest owns. */
#define SPARE 200u

/* Ways to flush between an exit and the next entry. */
enum fix {
	FIX_NONE,
	FIX_TLB_1,
	FIX_TLB_3,
	FIX_TLB_7,
	FIX_INVLPGA,
	FIX_INVVPID_0,
	FIX_INVVPID_1,
	FIX_INVVPID_2,
	FIX_INVVPID_3,
	FIX_INVEPT_1,
	FIX_INVEPT_2,
};

static void enter_fixed(struct lab *lab, unsigned int cpu, struct lab_guest *guest, enum fix fix)
{
	uint8_t tlb_control = MACHINE_TLB_NONE;

	if (fix == FIX_TLB_1)
		tlb_control = MACHINE_TLB_ALL;
	if (fix == FIX_TLB_3)
		tlb_control = MACHINE_TLB_ASID;
	if (fix == FIX_TLB_7)
		tlb_control = MACHINE_TLB_ASID_LOCAL;
	if (fix == FIX_INVLPGA)
		machine_invlpga(lab->machine, cpu, 0, guest->tag);
	if (fix >= FIX_INVVPID_0 && fix <= FIX_INVVPID_3)
		CHECK_EQ(machine_invvpid(lab->machine, cpu, fix - FIX_INVVPID_0, guest->tag, 0), 0);
	if (fix >= FIX_INVEPT_1)
		CHECK_EQ(machine_invept(lab->machine, cpu, fix - FIX_INVEPT_1 + 1,
					guest->vmcs.eptp), 0);
	CHECK_EQ(lab_enter_flush(lab, cpu, guest, tlb_control), 0);
}

/* --- 1: a nested entry is cleared --- */

static bool unmap_is_stale(enum machine_vendor vendor, enum fix fix, bool quirk)
{
	struct machine_config config;
	struct lab lab;
	struct lab_guest a;
	bool stale;

	machine_config_init(&config, vendor);
	config.quirks.invlpga_npt_broken = quirk;
	lab_open_config(&lab, &config);
	a = lab_guest(&lab, 1, 10, 20);
	lab_map(&lab, &a, 0, 8, LAB_FULL);
	lab_enter(&lab, 0, &a);
	CHECK(lab_must(&lab, 0, 0, 28));
	lab_exit(&lab, 0, &a);
	lab_nested(&lab, &a, 8, 0, 0);
	enter_fixed(&lab, 0, &a, fix);
	stale = lab_may(&lab, 0, 0, 28);
	CHECK(lab_may_fail(&lab, 0, 0, MACHINE_NESTED_FAULT));
	lab_close(&lab);
	return stale;
}

TEST(litmus_1_unmap_amd)
{
	CHECK(unmap_is_stale(MACHINE_AMD, FIX_NONE, true));
	CHECK(unmap_is_stale(MACHINE_AMD, FIX_TLB_7, true));
	CHECK(unmap_is_stale(MACHINE_AMD, FIX_INVLPGA, true));
	CHECK(unmap_is_stale(MACHINE_AMD, FIX_INVLPGA, false));
	CHECK(!unmap_is_stale(MACHINE_AMD, FIX_TLB_3, true));
	CHECK(!unmap_is_stale(MACHINE_AMD, FIX_TLB_1, true));
}

TEST(litmus_1_unmap_intel)
{
	CHECK(unmap_is_stale(MACHINE_INTEL, FIX_NONE, false));
	CHECK(unmap_is_stale(MACHINE_INTEL, FIX_INVVPID_0, false));
	CHECK(unmap_is_stale(MACHINE_INTEL, FIX_INVVPID_1, false));
	CHECK(unmap_is_stale(MACHINE_INTEL, FIX_INVVPID_2, false));
	CHECK(!unmap_is_stale(MACHINE_INTEL, FIX_INVEPT_1, false));
	CHECK(!unmap_is_stale(MACHINE_INTEL, FIX_INVEPT_2, false));
}

TEST(litmus_1_unmap_intel_without_vpid)
{
	struct lab lab;
	struct lab_guest a;

	lab_open(&lab, MACHINE_INTEL);
	a = lab_guest(&lab, 1, 10, 20);
	a.vmcs.use_vpid = false;
	lab_map(&lab, &a, 0, 8, LAB_FULL);
	lab_enter(&lab, 0, &a);
	lab_exit(&lab, 0, &a);
	lab_nested(&lab, &a, 8, 0, 0);
	lab_enter(&lab, 0, &a);
	CHECK(lab_may(&lab, 0, 0, 28));
	lab_close(&lab);
}

/* --- 2: nothing that the guest does helps --- */

static void guest_cannot_help(enum machine_vendor vendor)
{
	struct lab lab;
	struct lab_guest a;

	lab_open(&lab, vendor);
	a = lab_guest(&lab, 1, 10, 20);
	lab_map(&lab, &a, 0, 8, LAB_FULL);
	lab_enter(&lab, 0, &a);
	lab_nested(&lab, &a, 8, 0, 0);
	machine_invlpg(lab.machine, 0, 0);
	CHECK_EQ(machine_mov_cr3(lab.machine, 0, lab_page(1)), 0);
	CHECK_EQ(machine_mov_cr4(lab.machine, 0, MACHINE_CR4_PGE), 0);
	CHECK(lab_may(&lab, 0, 0, 28));
	lab_close(&lab);
}

TEST(litmus_2_guest_cannot_help)
{
	guest_cannot_help(MACHINE_AMD);
	guest_cannot_help(MACHINE_INTEL);
}

/* --- 3 and 4: a tag, or a root page, changes hands --- */

struct reuse {
	bool shadow;
	bool same_tag;
	bool same_root;
	enum fix fix;
};

static bool reuse_is_foreign(enum machine_vendor vendor, const struct reuse *reuse)
{
	struct lab lab;
	struct lab_guest a, b;
	bool foreign;

	lab_open(&lab, vendor);
	lab.shadow = reuse->shadow;
	a = lab_guest(&lab, 1, 10, 20);
	lab_map(&lab, &a, 0, reuse->shadow ? 28 : 8, LAB_FULL);
	lab_enter(&lab, 0, &a);
	CHECK(lab_must(&lab, 0, 0, 28));
	lab_exit(&lab, 0, &a);
	b = lab_guest(&lab, reuse->same_tag ? 1 : 2, reuse->same_root ? 10 : 12, 40);
	lab_map(&lab, &b, 0, reuse->shadow ? 48 : 8, LAB_FULL);
	enter_fixed(&lab, 0, &b, reuse->fix);
	foreign = lab_may(&lab, 0, 0, 28);
	CHECK(lab_may(&lab, 0, 0, 48));
	lab_close(&lab);
	return foreign;
}

TEST(litmus_3_tag_reuse_amd)
{
	const struct reuse none = { .same_tag = true };
	const struct reuse fixed = { .same_tag = true, .fix = FIX_TLB_3 };
	const struct reuse shadow = { .shadow = true, .same_tag = true };

	CHECK(reuse_is_foreign(MACHINE_AMD, &none));
	CHECK(reuse_is_foreign(MACHINE_AMD, &shadow));
	CHECK(!reuse_is_foreign(MACHINE_AMD, &fixed));
}

TEST(litmus_3_tag_reuse_intel)
{
	const struct reuse ept = { .same_tag = true };
	const struct reuse shadow = { .shadow = true, .same_tag = true };
	const struct reuse fixed = { .shadow = true, .same_tag = true, .fix = FIX_INVVPID_1 };

	CHECK(!reuse_is_foreign(MACHINE_INTEL, &ept));
	CHECK(reuse_is_foreign(MACHINE_INTEL, &shadow));
	CHECK(!reuse_is_foreign(MACHINE_INTEL, &fixed));
}

TEST(litmus_4_root_reuse)
{
	const struct reuse none = { .same_root = true };
	const struct reuse fixed = { .same_root = true, .fix = FIX_INVEPT_1 };

	CHECK(!reuse_is_foreign(MACHINE_AMD, &none));
	CHECK(reuse_is_foreign(MACHINE_INTEL, &none));
	CHECK(!reuse_is_foreign(MACHINE_INTEL, &fixed));
}

/* --- 5: two vCPUs of one VM --- */

static bool second_vcpu_is_stale(enum machine_vendor vendor, uint32_t second_tag, uint8_t flush,
				 bool snp)
{
	struct lab lab;
	struct lab_guest x, y;
	bool stale;

	lab_open(&lab, vendor);
	x = lab_guest(&lab, 1, 10, 20);
	y = x;
	y.tag = second_tag;
	y.cr3_page = 6;
	lab_apply(&lab, &y, x.vmcb.owner + 1);
	y.vmcb.address += 8;
	lab_registers(&lab, &y, 0, 0);
	x.vmcb.snp = y.vmcb.snp = snp;
	y.vmcb.tlb_id = 1;
	lab_map(&lab, &x, 0, 12, LAB_FULL);
	lab_upper(&lab, &y, 0, lab_upper_value(&lab, &y, 0));
	lab_map(&lab, &y, 0, 13, LAB_FULL);
	lab_enter(&lab, 0, &x);
	lab_exit(&lab, 0, &x);
	CHECK_EQ(lab_enter_flush(&lab, 0, &y, flush), 0);
	CHECK(lab_may(&lab, 0, 0, 33));
	stale = lab_may(&lab, 0, 0, 32);
	lab_close(&lab);
	return stale;
}

TEST(litmus_5_shared_tag)
{
	CHECK(second_vcpu_is_stale(MACHINE_AMD, 1, MACHINE_TLB_NONE, false));
	CHECK(!second_vcpu_is_stale(MACHINE_AMD, 1, MACHINE_TLB_ASID, false));
	CHECK(!second_vcpu_is_stale(MACHINE_AMD, 1, MACHINE_TLB_NONE, true));
	CHECK(!second_vcpu_is_stale(MACHINE_AMD, 2, MACHINE_TLB_NONE, false));
	CHECK(second_vcpu_is_stale(MACHINE_INTEL, 1, MACHINE_TLB_NONE, false));
	CHECK(!second_vcpu_is_stale(MACHINE_INTEL, 2, MACHINE_TLB_NONE, false));
}

/* --- 6: to another CPU and back --- */

static bool back_is_stale(enum machine_vendor vendor, enum fix fix)
{
	struct lab lab;
	struct lab_guest a;
	bool stale;

	lab_open(&lab, vendor);
	a = lab_guest(&lab, 1, 10, 20);
	lab_map(&lab, &a, 0, 8, LAB_FULL);
	lab_enter(&lab, 0, &a);
	lab_exit(&lab, 0, &a);
	lab_enter(&lab, 1, &a);
	lab_map(&lab, &a, 0, 9, LAB_FULL);
	machine_invlpg(lab.machine, 1, 0);
	CHECK(lab_must(&lab, 1, 0, 29));
	lab_exit(&lab, 1, &a);
	enter_fixed(&lab, 0, &a, fix);
	stale = lab_may(&lab, 0, 0, 28);
	lab_close(&lab);
	return stale;
}

TEST(litmus_6_there_and_back)
{
	CHECK(back_is_stale(MACHINE_AMD, FIX_NONE));
	CHECK(!back_is_stale(MACHINE_AMD, FIX_TLB_3));
	CHECK(!back_is_stale(MACHINE_AMD, FIX_TLB_7));
	CHECK(back_is_stale(MACHINE_INTEL, FIX_NONE));
	CHECK(!back_is_stale(MACHINE_INTEL, FIX_INVVPID_1));
	CHECK(!back_is_stale(MACHINE_INTEL, FIX_INVVPID_0));
}

/* --- 7: global pages --- */

enum step {
	STEP_NONE,
	STEP_CR3,
	STEP_INVLPG,
	STEP_PGE,
	STEP_INVPCID_0,
	STEP_INVPCID_1,
	STEP_INVPCID_2,
	STEP_INVPCID_3,
	STEP_INVLPG_ELSEWHERE,
};

static void guest_step(struct lab *lab, unsigned int cpu, enum step step)
{
	struct machine *machine = lab->machine;

	if (step == STEP_CR3)
		CHECK_EQ(machine_mov_cr3(machine, cpu, machine_registers(machine, cpu)->cr3), 0);
	if (step == STEP_INVLPG)
		machine_invlpg(machine, cpu, 0);
	if (step == STEP_INVLPG_ELSEWHERE)
		machine_invlpg(machine, cpu, lab_page(12));
	if (step == STEP_PGE) {
		uint64_t cr4 = machine_registers(machine, cpu)->cr4;

		CHECK_EQ(machine_mov_cr4(machine, cpu, cr4 & ~MACHINE_CR4_PGE), 0);
		CHECK_EQ(machine_mov_cr4(machine, cpu, cr4), 0);
	}
	if (step >= STEP_INVPCID_0 && step <= STEP_INVPCID_3)
		CHECK_EQ(machine_invpcid(machine, cpu, step - STEP_INVPCID_0, 0, 0), 0);
}

static bool global_is_stale(enum machine_vendor vendor, enum step step, enum fix fix, bool q4)
{
	struct machine_config config;
	struct lab lab;
	struct lab_guest a;
	bool stale;

	machine_config_init(&config, vendor);
	config.quirks.invlpg_keeps_global = q4;
	lab_open_config(&lab, &config);
	a = lab_guest(&lab, 1, 10, 20);
	lab_registers(&lab, &a, 0, MACHINE_CR4_PGE | MACHINE_CR4_PCIDE);
	lab_map(&lab, &a, 0, 8, LAB_FULL | MACHINE_G);
	lab_enter(&lab, 0, &a);
	lab_map(&lab, &a, 0, 9, LAB_FULL | MACHINE_G);
	guest_step(&lab, 0, step);
	if (fix != FIX_NONE) {
		lab_exit(&lab, 0, &a);
		enter_fixed(&lab, 0, &a, fix);
	}
	CHECK(lab_may(&lab, 0, 0, 29));
	stale = lab_may(&lab, 0, 0, 28);
	lab_close(&lab);
	return stale;
}

TEST(litmus_7_globals_amd)
{
	CHECK(global_is_stale(MACHINE_AMD, STEP_CR3, FIX_NONE, false));
	CHECK(global_is_stale(MACHINE_AMD, STEP_NONE, FIX_TLB_7, false));
	CHECK(!global_is_stale(MACHINE_AMD, STEP_INVLPG, FIX_NONE, false));
	CHECK(!global_is_stale(MACHINE_AMD, STEP_PGE, FIX_NONE, false));
	CHECK(!global_is_stale(MACHINE_AMD, STEP_NONE, FIX_TLB_3, false));
}

TEST(litmus_7_globals_intel)
{
	CHECK(global_is_stale(MACHINE_INTEL, STEP_CR3, FIX_NONE, false));
	CHECK(global_is_stale(MACHINE_INTEL, STEP_INVPCID_0, FIX_NONE, false));
	CHECK(global_is_stale(MACHINE_INTEL, STEP_INVPCID_1, FIX_NONE, false));
	CHECK(global_is_stale(MACHINE_INTEL, STEP_INVPCID_3, FIX_NONE, false));
	CHECK(global_is_stale(MACHINE_INTEL, STEP_NONE, FIX_INVVPID_3, false));
	CHECK(!global_is_stale(MACHINE_INTEL, STEP_INVLPG, FIX_NONE, false));
	CHECK(global_is_stale(MACHINE_INTEL, STEP_INVLPG, FIX_NONE, true));
	CHECK(!global_is_stale(MACHINE_INTEL, STEP_PGE, FIX_NONE, false));
	CHECK(!global_is_stale(MACHINE_INTEL, STEP_INVPCID_2, FIX_NONE, false));
	CHECK(!global_is_stale(MACHINE_INTEL, STEP_NONE, FIX_INVVPID_1, false));
}

/* --- 8: PCIDs --- */

static bool pcid_is_stale(enum machine_vendor vendor, bool keep)
{
	struct lab lab;
	struct lab_guest a;
	bool stale;

	lab_open(&lab, vendor);
	a = lab_guest(&lab, 1, 10, 20);
	lab_registers(&lab, &a, 1, MACHINE_CR4_PCIDE);
	lab_map(&lab, &a, 0, 8, LAB_FULL);
	lab_enter(&lab, 0, &a);
	CHECK_EQ(machine_mov_cr3(lab.machine, 0, lab_page(1) | 2 | MACHINE_CR3_NOFLUSH), 0);
	lab_map(&lab, &a, 0, 9, LAB_FULL);
	machine_invlpg(lab.machine, 0, 0);
	CHECK(lab_must(&lab, 0, 0, 29));
	CHECK_EQ(machine_mov_cr3(lab.machine, 0,
				 lab_page(1) | 1 | (keep ? MACHINE_CR3_NOFLUSH : 0)), 0);
	CHECK(lab_may(&lab, 0, 0, 29));
	stale = lab_may(&lab, 0, 0, 28);
	lab_close(&lab);
	return stale;
}

TEST(litmus_8_pcid)
{
	CHECK(pcid_is_stale(MACHINE_AMD, true));
	CHECK(!pcid_is_stale(MACHINE_AMD, false));
	CHECK(pcid_is_stale(MACHINE_INTEL, true));
	CHECK(!pcid_is_stale(MACHINE_INTEL, false));
}

/* --- 9: a guest's table page is freed and reused as data --- */

struct freed {
	enum step step;
	bool tce;
	bool reused_first;
	unsigned int linear;
};

/* May a read of the linear page follow the data, or for page 0 the old entry? */
static bool freed_is_walked(enum machine_vendor vendor, const struct freed *freed)
{
	struct lab lab;
	struct lab_guest a;
	bool walked;

	lab_open(&lab, vendor);
	a = lab_guest(&lab, 1, 10, 20);
	if (freed->tce)
		a.vmcb.registers.efer |= MACHINE_EFER_TCE;
	lab_map(&lab, &a, 0, 8, LAB_FULL);
	lab_enter(&lab, 0, &a);
	lab_upper(&lab, &a, 0, 0);
	if (!freed->reused_first)
		guest_step(&lab, 0, freed->step);
	lab_word(&lab, lab_frame(&a, 2), 1, lab_page(9) | LAB_FULL);
	if (freed->reused_first)
		guest_step(&lab, 0, freed->step);
	walked = lab_may(&lab, 0, freed->linear, freed->linear ? 29 : 28);
	lab_close(&lab);
	return walked;
}

TEST(litmus_9_freed_guest_table_amd)
{
	CHECK(freed_is_walked(MACHINE_AMD, &(struct freed){ STEP_NONE, false, false, 1 }));
	CHECK(!freed_is_walked(MACHINE_AMD,
			       &(struct freed){ STEP_INVLPG_ELSEWHERE, false, false, 1 }));
	CHECK(freed_is_walked(MACHINE_AMD,
			      &(struct freed){ STEP_INVLPG_ELSEWHERE, true, false, 1 }));
	CHECK(!freed_is_walked(MACHINE_AMD, &(struct freed){ STEP_INVLPG, true, false, 1 }));
	CHECK(freed_is_walked(MACHINE_AMD,
			      &(struct freed){ STEP_INVLPG_ELSEWHERE, false, false, 0 }));
	CHECK(!freed_is_walked(MACHINE_AMD, &(struct freed){ STEP_INVLPG, false, false, 0 }));
}

TEST(litmus_9_freed_guest_table_intel)
{
	CHECK(freed_is_walked(MACHINE_INTEL, &(struct freed){ STEP_NONE, false, false, 1 }));
	CHECK(!freed_is_walked(MACHINE_INTEL,
			       &(struct freed){ STEP_INVLPG_ELSEWHERE, false, false, 1 }));
	CHECK(!freed_is_walked(MACHINE_INTEL,
			       &(struct freed){ STEP_INVLPG_ELSEWHERE, true, false, 1 }));
	CHECK(!freed_is_walked(MACHINE_INTEL, &(struct freed){ STEP_INVLPG, false, false, 1 }));
	CHECK(freed_is_walked(MACHINE_INTEL,
			      &(struct freed){ STEP_INVLPG_ELSEWHERE, false, false, 0 }));
	CHECK(!freed_is_walked(MACHINE_INTEL, &(struct freed){ STEP_INVLPG, false, false, 0 }));
}

/* X = #PF or INVVPID 0 elsewhere: only the path of that address goes. */
TEST(litmus_9_freed_guest_table_after_a_fault_elsewhere)
{
	struct lab lab;
	struct lab_guest a;

	lab_open(&lab, MACHINE_INTEL);
	a = lab_guest(&lab, 1, 10, 20);
	lab_map(&lab, &a, 0, 8, LAB_FULL);
	lab_enter(&lab, 0, &a);
	lab_upper(&lab, &a, 0, 0);
	CHECK(lab_may_fail(&lab, 0, 12, MACHINE_FAULT));
	machine_commit(lab.machine, 0, lab_page(12), 0);
	lab_exit(&lab, 0, &a);
	CHECK_EQ(machine_invvpid(lab.machine, 0, 0, 1, lab_page(13)), 0);
	lab_enter(&lab, 0, &a);
	lab_word(&lab, lab_frame(&a, 2), 1, lab_page(9) | LAB_FULL);
	CHECK(lab_may(&lab, 0, 1, 29));
	lab_close(&lab);
}

TEST(litmus_9b_freed_guest_table_reused_before)
{
	CHECK(freed_is_walked(MACHINE_AMD,
			      &(struct freed){ STEP_INVLPG_ELSEWHERE, false, true, 1 }));
	CHECK(freed_is_walked(MACHINE_INTEL,
			      &(struct freed){ STEP_INVLPG_ELSEWHERE, false, true, 1 }));
}

/* --- 10: a nested table page is freed and reused --- */

static bool freed_nested_is_walked(enum machine_vendor vendor, enum fix fix, uint64_t *word)
{
	struct lab lab;
	struct lab_guest a;
	bool walked;

	lab_open(&lab, vendor);
	a = lab_guest(&lab, 1, 32, 48);
	lab_map(&lab, &a, 0, 8, LAB_FULL);
	lab_enter(&lab, 0, &a);
	lab_exit(&lab, 0, &a);
	/* One entry of the upper level: the same 16 frames. */
	lab_word(&lab, 32, 0, lab_page(48) | MACHINE_PS | lab_full(&lab));
	enter_fixed(&lab, 0, &a, fix);
	lab_exit(&lab, 0, &a);
	lab_word(&lab, 33, 9, lab_page(SPARE) | lab_full(&lab));
	lab_enter(&lab, 0, &a);
	lab_map(&lab, &a, 1, 9, LAB_FULL);
	CHECK(lab_may(&lab, 0, 1, 57));
	walked = lab_may(&lab, 0, 1, SPARE);
	*word = machine_read(lab.machine, lab_page(33) + 8 * 9);
	lab_close(&lab);
	return walked;
}

TEST(litmus_10_freed_nested_table)
{
	uint64_t word;

	CHECK(freed_nested_is_walked(MACHINE_AMD, FIX_NONE, &word));
	CHECK(word & MACHINE_A);
	CHECK(!freed_nested_is_walked(MACHINE_AMD, FIX_TLB_3, &word));
	CHECK(!(word & MACHINE_A));
	CHECK(freed_nested_is_walked(MACHINE_INTEL, FIX_NONE, &word));
	CHECK(word & MACHINE_EPT_A);
	CHECK(freed_nested_is_walked(MACHINE_INTEL, FIX_INVVPID_1, &word));
	CHECK(!freed_nested_is_walked(MACHINE_INTEL, FIX_INVEPT_1, &word));
	CHECK(!(word & MACHINE_EPT_A));
}

/* --- 11: more rights --- */

static void upgrade(enum machine_vendor vendor, enum machine_use use, bool spurious)
{
	const struct machine_outcome fault = { .result = MACHINE_NESTED_FAULT };
	const struct machine_outcome good = { .result = MACHINE_OK, .page = lab_page(28) };
	struct machine_config config;
	const struct machine_outcomes *outcomes;
	struct lab lab;
	struct lab_guest a;

	machine_config_init(&config, vendor);
	config.use = use;
	lab_open_config(&lab, &config);
	a = lab_guest(&lab, 1, 10, 20);
	lab_map(&lab, &a, 0, 8, LAB_FULL);
	lab_nested(&lab, &a, 8, 28, lab.amd ? MACHINE_P | MACHINE_US : MACHINE_EPT_R);
	lab_enter(&lab, 0, &a);
	CHECK(lab_must(&lab, 0, 0, 28));
	CHECK(lab_may_be(&lab, 0, 0, MACHINE_WRITE, &fault));
	CHECK(!lab_may_be(&lab, 0, 0, MACHINE_WRITE, &good));
	lab_exit(&lab, 0, &a);
	lab_nested(&lab, &a, 8, 28, lab_full(&lab));
	lab_enter(&lab, 0, &a);
	CHECK(lab_may_be(&lab, 0, 0, MACHINE_WRITE, &good));
	CHECK_EQ(lab_may_be(&lab, 0, 0, MACHINE_WRITE, &fault), spurious);
	for (unsigned int tries = 0; tries < 8; tries++) {
		outcomes = machine_access(lab.machine, 0, 0, MACHINE_WRITE);
		for (unsigned int i = 0; i < outcomes->count; i++) {
			if (outcomes->list[i].result == MACHINE_OK)
				continue;
			CHECK(!outcomes->list[i].confirmed);
			machine_commit(lab.machine, 0, 0, i);
			break;
		}
	}
	CHECK(lab_may_be(&lab, 0, 0, MACHINE_WRITE, &good));
	CHECK(!lab_may_be(&lab, 0, 0, MACHINE_WRITE, &fault));
	lab_close(&lab);
}

TEST(litmus_11_upgrade)
{
	upgrade(MACHINE_AMD, MACHINE_HARDWARE, true);
	upgrade(MACHINE_AMD, MACHINE_REFERENCE, false);
	upgrade(MACHINE_INTEL, MACHINE_HARDWARE, true);
	upgrade(MACHINE_INTEL, MACHINE_REFERENCE, true);
}

/* --- 12: first presence --- */

static void first_presence(enum machine_vendor vendor, bool was_present)
{
	struct lab lab;
	struct lab_guest a;

	lab_open(&lab, vendor);
	a = lab_guest(&lab, 1, 10, 20);
	lab_map(&lab, &a, 0, 8, LAB_FULL);
	if (!was_present)
		lab_nested(&lab, &a, 8, 0, 0);
	lab_enter(&lab, 0, &a);
	lab_nested(&lab, &a, 8, 0, 0);
	CHECK(lab_may_fail(&lab, 0, 0, MACHINE_NESTED_FAULT));
	lab_exit(&lab, 0, &a);
	lab_nested(&lab, &a, 8, SPARE, lab_full(&lab));
	lab_enter(&lab, 0, &a);
	CHECK(lab_may(&lab, 0, 0, SPARE));
	CHECK_EQ(lab_may(&lab, 0, 0, 28), was_present);
	CHECK_EQ(lab_must(&lab, 0, 0, SPARE), !was_present);
	lab_close(&lab);
}

TEST(litmus_12_first_presence)
{
	first_presence(MACHINE_AMD, false);
	first_presence(MACHINE_AMD, true);
	first_presence(MACHINE_INTEL, false);
	first_presence(MACHINE_INTEL, true);
}

/* --- 13 and 14: page sizes; a large page is 4 pages here --- */

static bool splinter_is_stale(enum machine_vendor vendor, bool invlpg, bool partial)
{
	struct machine_config config;
	struct lab lab;
	struct lab_guest a;
	bool stale;

	machine_config_init(&config, vendor);
	config.quirks.invlpg_partial = partial;
	lab_open_config(&lab, &config);
	a = lab_guest(&lab, 1, 10, 20);
	lab_upper(&lab, &a, 1, lab_page(8) | LAB_FULL | MACHINE_PS);
	lab_enter(&lab, 0, &a);
	CHECK(lab_must(&lab, 0, 6, 30));
	lab_upper(&lab, &a, 1, lab_page(12) | LAB_FULL | MACHINE_PS);
	if (invlpg)
		machine_invlpg(lab.machine, 0, lab_page(4));
	CHECK(lab_may(&lab, 0, 6, 34));
	stale = lab_may(&lab, 0, 6, 30);
	lab_close(&lab);
	return stale;
}

TEST(litmus_13_splinter)
{
	CHECK(splinter_is_stale(MACHINE_AMD, false, false));
	CHECK(!splinter_is_stale(MACHINE_AMD, true, false));
	CHECK(splinter_is_stale(MACHINE_AMD, true, true));
	CHECK(splinter_is_stale(MACHINE_INTEL, false, false));
	CHECK(!splinter_is_stale(MACHINE_INTEL, true, false));
	CHECK(splinter_is_stale(MACHINE_INTEL, true, true));
}

/* Shadow paging, so that a large entry is not split by the nested tables. */
static void two_sizes(enum machine_vendor vendor, bool multimatch)
{
	struct machine_config config;
	struct lab lab;
	struct lab_guest a;

	machine_config_init(&config, vendor);
	config.quirks.multimatch_mce = multimatch;
	lab_open_config(&lab, &config);
	lab.shadow = true;
	a = lab_guest(&lab, 1, 10, 20);
	lab_upper(&lab, &a, 1, lab_page(60) | LAB_FULL | MACHINE_PS);
	lab_enter(&lab, 0, &a);
	for (unsigned int i = 0; i < 4; i++)
		lab_map(&lab, &a, 4 + i, i == 1 ? 50 : 60 + i, LAB_FULL);
	lab_upper(&lab, &a, 1, lab_upper_value(&lab, &a, 1));
	for (unsigned int i = 0; i < 2; i++) {
		CHECK(lab_may(&lab, 0, 5, 61));
		CHECK(lab_may(&lab, 0, 5, 50));
		CHECK_EQ(lab_may_fail(&lab, 0, 5, MACHINE_CHECK_EXCEPTION), multimatch);
	}
	lab_close(&lab);
}

TEST(litmus_14_sizes)
{
	two_sizes(MACHINE_AMD, false);
	two_sizes(MACHINE_AMD, true);
	two_sizes(MACHINE_INTEL, false);
	two_sizes(MACHINE_INTEL, true);
}

/* --- 15: everything is flushed, on one CPU --- */

static void flush_all(struct lab *lab, struct lab_guest *b)
{
	if (lab->amd) {
		CHECK_EQ(lab_enter_flush(lab, 0, b, MACHINE_TLB_ALL), 0);
		return;
	}
	CHECK_EQ(machine_invvpid(lab->machine, 0, 2, 0, 0), 0);
	CHECK_EQ(machine_invept(lab->machine, 0, 2, 0), 0);
	lab_enter(lab, 0, b);
}

static void all_tags(enum machine_vendor vendor)
{
	struct lab lab;
	struct lab_guest a, b;

	lab_open(&lab, vendor);
	a = lab_guest(&lab, 1, 10, 20);
	b = lab_guest(&lab, 2, 12, 40);
	lab_map(&lab, &a, 0, 8, LAB_FULL);
	lab_map(&lab, &b, 0, 8, LAB_FULL);
	for (unsigned int cpu = 0; cpu < 2; cpu++) {
		lab_enter(&lab, cpu, &a);
		lab_exit(&lab, cpu, &a);
		lab_enter(&lab, cpu, &b);
		lab_exit(&lab, cpu, &b);
	}
	lab_nested(&lab, &a, 8, 0, 0);
	flush_all(&lab, &b);
	lab_exit(&lab, 0, &b);
	for (unsigned int cpu = 0; cpu < 2; cpu++) {
		lab_enter(&lab, cpu, &a);
		CHECK_EQ(lab_may(&lab, cpu, 0, 28), cpu == 1);
		lab_exit(&lab, cpu, &a);
	}
	lab_close(&lab);
}

TEST(litmus_15_all_tags)
{
	all_tags(MACHINE_AMD);
	all_tags(MACHINE_INTEL);
}

/* --- 16: broadcast --- */

static bool broadcast_is_stale(int syncing_cpu)
{
	const struct machine_invlpgb operands = {
		.flags = MACHINE_INVLPGB_VA | MACHINE_INVLPGB_ASID | MACHINE_INVLPGB_GLOBAL,
		.asid = 1,
	};
	struct lab lab;
	struct lab_guest a, b;
	bool stale;

	lab_open(&lab, MACHINE_AMD);
	a = lab_guest(&lab, 1, 10, 20);
	b = a;
	b.vmcb.address += 8;
	lab_map(&lab, &a, 0, 8, LAB_FULL);
	lab_enter(&lab, 0, &a);
	lab_enter(&lab, 1, &b);
	lab_map(&lab, &a, 0, 9, LAB_FULL);
	machine_invlpgb(lab.machine, 0, &operands);
	if (syncing_cpu >= 0)
		machine_tlbsync(lab.machine, syncing_cpu);
	CHECK(lab_may(&lab, 1, 0, 29));
	stale = lab_may(&lab, 1, 0, 28);
	lab_close(&lab);
	return stale;
}

TEST(litmus_16_broadcast)
{
	CHECK(broadcast_is_stale(-1));
	CHECK(broadcast_is_stale(1));
	CHECK(!broadcast_is_stale(0));
}

/* --- 17: MOV CR3 is intercepted and emulated --- */

static bool emulated_cr3_is_stale(enum machine_vendor vendor, bool tagged, enum fix fix)
{
	struct lab lab;
	struct lab_guest a;
	bool stale;

	lab_open(&lab, vendor);
	a = lab_guest(&lab, 1, 10, 20);
	a.vmcs.use_vpid = tagged;
	lab_map(&lab, &a, 0, 8, LAB_FULL);
	/* Another space: root at guest page 6, its table at 7. */
	lab_word(&lab, 26, 0, lab_page(7) | LAB_FULL);
	lab_word(&lab, 27, 0, lab_page(9) | LAB_FULL);
	lab_enter(&lab, 0, &a);
	lab_exit(&lab, 0, &a);
	a.vmcb.registers.cr3 = a.vmcs.registers.cr3 = lab_page(6);
	enter_fixed(&lab, 0, &a, fix);
	CHECK(lab_may(&lab, 0, 0, 29));
	stale = lab_may(&lab, 0, 0, 28);
	lab_close(&lab);
	return stale;
}

TEST(litmus_17_intercepted_cr3)
{
	CHECK(emulated_cr3_is_stale(MACHINE_AMD, true, FIX_NONE));
	CHECK(!emulated_cr3_is_stale(MACHINE_AMD, true, FIX_TLB_3));
	CHECK(!emulated_cr3_is_stale(MACHINE_AMD, true, FIX_TLB_7));
	CHECK(emulated_cr3_is_stale(MACHINE_INTEL, true, FIX_NONE));
	CHECK(!emulated_cr3_is_stale(MACHINE_INTEL, false, FIX_NONE));
	CHECK(!emulated_cr3_is_stale(MACHINE_INTEL, true, FIX_INVVPID_3));
}

/* --- 18: clean bits --- */

static bool clean_bit_is_stale(uint32_t clean)
{
	struct lab lab;
	struct lab_guest a;
	bool stale;

	lab_open(&lab, MACHINE_AMD);
	a = lab_guest(&lab, 1, 10, 20);
	lab_map(&lab, &a, 0, 8, LAB_FULL);
	lab_enter(&lab, 0, &a);
	lab_exit(&lab, 0, &a);
	lab_nested(&lab, &a, 8, SPARE, lab_full(&lab));
	a.vmcb.asid = 2;
	a.vmcb.clean = clean;
	lab_enter(&lab, 0, &a);
	CHECK(lab_may(&lab, 0, 0, SPARE));
	stale = lab_may(&lab, 0, 0, 28);
	lab_close(&lab);
	return stale;
}

TEST(litmus_18_clean_bits)
{
	CHECK(clean_bit_is_stale(MACHINE_VMCB_CLEAN_ASID));
	CHECK(!clean_bit_is_stale(0));
	CHECK(!clean_bit_is_stale(MACHINE_VMCB_CLEAN_NP | MACHINE_VMCB_CLEAN_CR));
}

/* --- 19: dirty logging --- */

static bool dirty_is_lost(enum machine_vendor vendor, enum fix fix)
{
	const uint64_t bit = vendor == MACHINE_AMD ? MACHINE_D : MACHINE_EPT_D;
	struct lab lab;
	struct lab_guest a;
	const uint64_t word = lab_page(11) + 8 * 8;
	bool lost;

	lab_open(&lab, vendor);
	a = lab_guest(&lab, 1, 10, 20);
	lab_map(&lab, &a, 0, 8, LAB_FULL);
	lab_enter(&lab, 0, &a);
	CHECK(machine_access(lab.machine, 0, 0, MACHINE_WRITE)->list[0].assist);
	machine_commit(lab.machine, 0, 0, 0);
	CHECK(machine_read(lab.machine, word) & bit);
	lab_exit(&lab, 0, &a);
	CHECK_EQ(machine_write(lab.machine, word, machine_read(lab.machine, word) & ~bit), 0);
	enter_fixed(&lab, 0, &a, fix);
	CHECK_EQ(machine_access(lab.machine, 0, 0, MACHINE_WRITE)->list[0].result, MACHINE_OK);
	machine_commit(lab.machine, 0, 0, 0);
	lost = !(machine_read(lab.machine, word) & bit);
	lab_close(&lab);
	return lost;
}

TEST(litmus_19_dirty_log)
{
	CHECK(dirty_is_lost(MACHINE_AMD, FIX_NONE));
	CHECK(dirty_is_lost(MACHINE_AMD, FIX_TLB_7));
	CHECK(!dirty_is_lost(MACHINE_AMD, FIX_TLB_3));
	CHECK(dirty_is_lost(MACHINE_INTEL, FIX_NONE));
	CHECK(dirty_is_lost(MACHINE_INTEL, FIX_INVVPID_1));
	CHECK(!dirty_is_lost(MACHINE_INTEL, FIX_INVEPT_1));
}
