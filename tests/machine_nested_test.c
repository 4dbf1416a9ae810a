/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The litmus programs of guest hypervisors: L1 is the program and runs on the
 * machine that it was promised (MACHINE_REFERENCE). What must not be here, L0
 * must not let happen; what may be here, it may.
 */
#include "machine_lab.h"

#define SPARE 200u

static void open_reference(struct lab *lab, enum machine_vendor vendor)
{
	struct machine_config config;

	machine_config_init(&config, vendor);
	config.use = MACHINE_REFERENCE;
	lab_open_config(lab, &config);
}

/* L1 edits its nested tables and runs L2 again. */
static bool edit_is_stale(uint8_t tlb_control)
{
	struct lab lab;
	struct lab_guest a;
	bool stale;

	open_reference(&lab, MACHINE_AMD);
	a = lab_guest(&lab, 1, 10, 20);
	lab_map(&lab, &a, 0, 8, LAB_FULL);
	lab_enter(&lab, 0, &a);
	lab_exit(&lab, 0, &a);
	lab_nested(&lab, &a, 8, SPARE, LAB_FULL);
	CHECK_EQ(lab_enter_flush(&lab, 0, &a, tlb_control), 0);
	CHECK(lab_may(&lab, 0, 0, SPARE));
	stale = lab_may(&lab, 0, 0, 28);
	lab_close(&lab);
	return stale;
}

TEST(litmus_n1_edit_and_flush)
{
	CHECK(!edit_is_stale(MACHINE_TLB_ASID));
	CHECK(!edit_is_stale(MACHINE_TLB_ALL));
	CHECK(!edit_is_stale(MACHINE_TLB_ASID_LOCAL));
}

TEST(litmus_n2_edit_without_a_flush)
{
	CHECK(edit_is_stale(MACHINE_TLB_NONE));
}

TEST(litmus_n3_new_vpid_without_invept)
{
	struct lab lab;
	struct lab_guest a;

	open_reference(&lab, MACHINE_INTEL);
	a = lab_guest(&lab, 1, 10, 20);
	lab_map(&lab, &a, 0, 8, LAB_FULL);
	lab_enter(&lab, 0, &a);
	lab_exit(&lab, 0, &a);
	lab_nested(&lab, &a, 8, SPARE, LAB_EPT_FULL);
	a.vmcs.vpid = 2;
	lab_enter(&lab, 0, &a);
	CHECK(lab_may(&lab, 0, 0, 28));
	CHECK(lab_may(&lab, 0, 0, SPARE));
	lab_close(&lab);
}

/* One virtual CPU, wherever L0 runs it: gone at once, from everywhere. */
TEST(litmus_n4_invlpga)
{
	struct lab lab;
	struct lab_guest a;

	open_reference(&lab, MACHINE_AMD);
	a = lab_guest(&lab, 1, 10, 20);
	lab_map(&lab, &a, 0, 8, LAB_FULL);
	lab_map(&lab, &a, 12, 8, LAB_FULL);
	lab_enter(&lab, 0, &a);
	lab_exit(&lab, 0, &a);
	lab_map(&lab, &a, 0, 9, LAB_FULL);
	lab_map(&lab, &a, 12, 9, LAB_FULL);
	CHECK_EQ(machine_invlpga(lab.machine, 0, 0, 1), 0);
	lab_enter(&lab, 0, &a);
	CHECK(lab_must(&lab, 0, 0, 29));
	CHECK(lab_may(&lab, 0, 12, 28));
	lab_close(&lab);
}

TEST(litmus_n5_two_guests_in_turn)
{
	struct lab lab;
	struct lab_guest a, b;

	open_reference(&lab, MACHINE_AMD);
	a = lab_guest(&lab, 1, 10, 20);
	b = lab_guest(&lab, 2, 12, 40);
	lab_map(&lab, &a, 0, 8, LAB_FULL);
	lab_map(&lab, &b, 0, 8, LAB_FULL);
	CHECK_EQ(lab_enter_flush(&lab, 0, &a, MACHINE_TLB_ASID), 0);
	lab_exit(&lab, 0, &a);
	CHECK_EQ(lab_enter_flush(&lab, 0, &b, MACHINE_TLB_ASID), 0);
	lab_exit(&lab, 0, &b);
	lab_nested(&lab, &a, 8, SPARE, LAB_FULL);
	lab_enter(&lab, 0, &a);
	CHECK(lab_may(&lab, 0, 0, 28));
	CHECK(lab_may(&lab, 0, 0, SPARE));
	CHECK(!lab_may(&lab, 0, 0, 48));
	lab_close(&lab);
}

/* TLB_CONTROL 1 includes L1's own ASID 0. */
static bool own_page_is_stale(uint8_t tlb_control)
{
	struct lab lab;
	struct lab host;
	struct lab_guest own, a;
	bool stale;

	open_reference(&lab, MACHINE_AMD);
	host = lab;
	host.shadow = true;
	own = lab_guest(&host, 9, 100, 104);
	lab_map(&host, &own, 0, 112, LAB_FULL);
	CHECK_EQ(machine_mov_cr3(lab.machine, 0, lab_page(105)), 0);
	CHECK_EQ(machine_mov_cr0(lab.machine, 0, LAB_CR0), 0);
	a = lab_guest(&lab, 1, 10, 20);
	CHECK(lab_must(&lab, 0, 0, 112));
	lab_map(&host, &own, 0, 113, LAB_FULL);
	CHECK_EQ(lab_enter_flush(&lab, 0, &a, tlb_control), 0);
	lab_exit(&lab, 0, &a);
	CHECK(lab_may(&lab, 0, 0, 113));
	stale = lab_may(&lab, 0, 0, 112);
	lab_close(&lab);
	return stale;
}

TEST(litmus_n6_all_includes_the_host)
{
	CHECK(!own_page_is_stale(MACHINE_TLB_ALL));
	CHECK(own_page_is_stale(MACHINE_TLB_ASID));
}
