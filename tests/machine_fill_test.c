/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What may be filled, when and from what; what an entry tells about itself; and
 * the machine's modes.
 */
#include "machine_lab.h"

struct count {
	unsigned int kinds[4];
	unsigned int stale;
	unsigned int foreign;
	const struct machine *machine;
	const struct machine_entry *last;
};

static void count_entry(void *cookie, const struct machine_entry *entry)
{
	struct count *count = cookie;

	count->kinds[entry->is.kind]++;
	count->stale += !machine_entry_current(count->machine, entry);
	count->foreign += entry->is.foreign != 0;
	if (entry->is.kind == MACHINE_KIND_TR)
		count->last = entry;
}

static struct count count_entries(const struct lab *lab, unsigned int cpu)
{
	struct count count = { .machine = lab->machine };

	machine_for_each_entry(lab->machine, cpu, count_entry, &count);
	return count;
}

static uint64_t leaf_word(const struct lab_guest *guest, unsigned int linear)
{
	return lab_page(lab_frame(guest, guest->cr3_page + 1 + linear / 4)) + 8 * (linear % 4);
}

/* --- present entries only, and A first --- */

TEST(fill_needs_present_entries)
{
	struct lab lab;
	struct lab_guest a;

	lab_open(&lab, MACHINE_AMD);
	a = lab_guest(&lab, 1, 10, 20);
	lab_enter(&lab, 0, &a);
	machine_speculate(lab.machine, 0, 0, 0);
	/* Empty tables are cached, what is not in them is not. */
	CHECK_EQ(count_entries(&lab, 0).kinds[MACHINE_KIND_TR], 0);
	CHECK_EQ(count_entries(&lab, 0).kinds[MACHINE_KIND_PS], 4);
	/* Those of the five table pages with and without D. */
	CHECK_EQ(count_entries(&lab, 0).kinds[MACHINE_KIND_NT], 16 + 5);
	CHECK_EQ(count_entries(&lab, 0).kinds[MACHINE_KIND_NP], 1);
	lab_map(&lab, &a, 3, 8, LAB_FULL);
	CHECK(lab_must(&lab, 0, 3, 28));
	lab_close(&lab);
}

TEST(fill_sets_a_unasked)
{
	struct lab lab;
	struct lab_guest a;

	lab_open(&lab, MACHINE_INTEL);
	a = lab_guest(&lab, 1, 10, 20);
	lab_map(&lab, &a, 3, 8, LAB_FULL);
	CHECK(!(machine_read(lab.machine, leaf_word(&a, 3)) & MACHINE_A));
	lab_enter(&lab, 0, &a);
	lab_exit(&lab, 0, &a);
	CHECK(machine_read(lab.machine, leaf_word(&a, 3)) & MACHINE_A);
	CHECK(!(machine_read(lab.machine, leaf_word(&a, 3)) & MACHINE_D));
	/* EPT's own A, and D of the guest's tables: a walk writes to them. */
	CHECK(machine_read(lab.machine, lab_page(11) + 8 * 8) & MACHINE_EPT_A);
	CHECK(!(machine_read(lab.machine, lab_page(11) + 8 * 8) & MACHINE_EPT_D));
	CHECK(machine_read(lab.machine, lab_page(11) + 8 * 2) & MACHINE_EPT_D);
	lab_close(&lab);
}

TEST(fill_refuses_reserved_bits)
{
	struct lab lab;
	struct lab_guest a;

	lab_open(&lab, MACHINE_AMD);
	a = lab_guest(&lab, 1, 10, 20);
	a.vmcb.registers.efer = 0;
	lab_map(&lab, &a, 0, 8, LAB_FULL | MACHINE_XD);
	/* A large page that is not aligned. */
	lab_upper(&lab, &a, 1, lab_page(9) | LAB_FULL | MACHINE_PS);
	lab_enter(&lab, 0, &a);
	for (unsigned int page = 0; page < 8; page += 4) {
		const struct machine_outcomes *outcomes =
			machine_access(lab.machine, 0, lab_page(page), MACHINE_READ);

		CHECK_EQ(outcomes->count, 1);
		CHECK_EQ(outcomes->list[0].result, MACHINE_FAULT);
		CHECK(outcomes->list[0].error & MACHINE_ERROR_RSVD);
	}
	lab_close(&lab);
}

TEST(fill_ept_misconfiguration)
{
	struct lab lab;
	struct lab_guest a;

	lab_open(&lab, MACHINE_INTEL);
	a = lab_guest(&lab, 1, 10, 20);
	lab_map(&lab, &a, 0, 8, LAB_FULL);
	lab_nested(&lab, &a, 8, 28, MACHINE_EPT_W);
	lab_enter(&lab, 0, &a);
	CHECK(lab_may_fail(&lab, 0, 0, MACHINE_MISCONFIGURED));
	CHECK(!lab_may_fail(&lab, 0, 0, MACHINE_NESTED_FAULT));
	lab_close(&lab);
}

/* --- the current context only --- */

TEST(fill_is_for_the_current_context)
{
	struct lab lab;
	struct lab_guest a, b;

	lab_open(&lab, MACHINE_AMD);
	a = lab_guest(&lab, 1, 10, 20);
	b = lab_guest(&lab, 2, 12, 40);
	lab_map(&lab, &a, 0, 8, LAB_FULL);
	lab_enter(&lab, 0, &b);
	lab_exit(&lab, 0, &b);
	machine_speculate(lab.machine, 0, 0, 0);
	CHECK_EQ(count_entries(&lab, 0).kinds[MACHINE_KIND_TR], 0);
	CHECK_EQ(count_entries(&lab, 1).kinds[MACHINE_KIND_NT], 0);
	/* So this was never seen by anybody and needs no flush. */
	lab_map(&lab, &a, 0, 9, LAB_FULL);
	lab_enter(&lab, 0, &a);
	CHECK(lab_must(&lab, 0, 0, 29));
	lab_close(&lab);
}

/* --- rights: latched, but WP is looked at when it is used --- */

TEST(fill_latches_rights_but_not_wp)
{
	const struct machine_outcome fault = { .result = MACHINE_FAULT };
	const struct machine_outcome good = { .result = MACHINE_OK, .page = lab_page(28) };
	struct lab lab;
	struct lab_guest a;

	lab_open(&lab, MACHINE_AMD);
	a = lab_guest(&lab, 1, 10, 20);
	lab_map(&lab, &a, 0, 8, MACHINE_P | MACHINE_D | MACHINE_XD);
	lab_enter(&lab, 0, &a);
	CHECK(lab_may_be(&lab, 0, 0, MACHINE_WRITE, &fault));
	CHECK(lab_may_be(&lab, 0, 0, MACHINE_READ | MACHINE_USER, &fault));
	CHECK(lab_may_be(&lab, 0, 0, MACHINE_FETCH, &fault));
	CHECK_EQ(machine_mov_cr0(lab.machine, 0, MACHINE_CR0_PG), 0);
	CHECK(lab_may_be(&lab, 0, 0, MACHINE_WRITE, &good));
	CHECK(!lab_may_be(&lab, 0, 0, MACHINE_WRITE, &fault));
	lab_close(&lab);
}

/* Intel may report an old, stricter entry once; AMD looks into memory first. */
static void stricter_entry(enum machine_vendor vendor)
{
	const struct machine_outcome fault = { .result = MACHINE_FAULT };
	struct lab lab;
	struct lab_guest a;
	bool may;

	lab_open(&lab, vendor);
	a = lab_guest(&lab, 1, 10, 20);
	lab_map(&lab, &a, 0, 8, MACHINE_P);
	lab_enter(&lab, 0, &a);
	lab_map(&lab, &a, 0, 8, LAB_FULL);
	may = lab_may_be(&lab, 0, 0, MACHINE_WRITE, &fault);
	CHECK_EQ(may, vendor == MACHINE_INTEL);
	for (unsigned int i = 0; may && i < 4; i++) {
		const struct machine_outcomes *outcomes =
			machine_access(lab.machine, 0, 0, MACHINE_WRITE);
		unsigned int j = 0;

		while (j < outcomes->count && outcomes->list[j].result != MACHINE_FAULT)
			j++;
		if (j < outcomes->count)
			machine_commit(lab.machine, 0, 0, j);
	}
	CHECK(!lab_may_be(&lab, 0, 0, MACHINE_WRITE, &fault));
	lab_close(&lab);
}

TEST(fill_stricter_entries_fault_at_most_once)
{
	stricter_entry(MACHINE_AMD);
	stricter_entry(MACHINE_INTEL);
}

/* --- D --- */

TEST(fill_sets_d_only_for_a_write_that_happens)
{
	struct lab lab;
	struct lab_guest a;

	lab_open(&lab, MACHINE_AMD);
	a = lab_guest(&lab, 1, 10, 20);
	lab_map(&lab, &a, 0, 8, LAB_FULL);
	lab_enter(&lab, 0, &a);
	CHECK(machine_access(lab.machine, 0, 0, MACHINE_WRITE)->list[0].assist);
	machine_speculate(lab.machine, 0, 0, 0);
	CHECK(!(machine_read(lab.machine, leaf_word(&a, 0)) & MACHINE_D));
	CHECK(machine_access(lab.machine, 0, 0, MACHINE_WRITE)->list[0].assist);
	machine_commit(lab.machine, 0, 0, 0);
	CHECK(machine_read(lab.machine, leaf_word(&a, 0)) & MACHINE_D);
	CHECK(machine_read(lab.machine, lab_page(11) + 8 * 8) & MACHINE_D);
	CHECK(!machine_access(lab.machine, 0, 0, MACHINE_WRITE)->list[0].assist);
	lab_close(&lab);
}

/* An entry without D cannot serve a write to where the tables lead no more. */
TEST(fill_without_d_serves_no_write)
{
	const struct machine_outcome old = { .result = MACHINE_OK, .page = lab_page(28) };
	struct lab lab;
	struct lab_guest a;

	lab_open(&lab, MACHINE_AMD);
	a = lab_guest(&lab, 1, 10, 20);
	lab_map(&lab, &a, 0, 8, LAB_FULL);
	lab_enter(&lab, 0, &a);
	lab_map(&lab, &a, 0, 9, LAB_FULL);
	CHECK(lab_may_be(&lab, 0, 0, MACHINE_READ, &old));
	CHECK(!lab_may_be(&lab, 0, 0, MACHINE_WRITE, &old));
	lab_close(&lab);
}

/* --- provenance --- */

TEST(fill_says_who_and_from_what)
{
	struct lab lab;
	struct lab_guest a;
	struct count count;

	lab_open(&lab, MACHINE_AMD);
	a = lab_guest(&lab, 1, 10, 20);
	lab_map(&lab, &a, 0, 8, LAB_FULL);
	lab_enter(&lab, 0, &a);
	machine_speculate(lab.machine, 0, 0, 0);
	count = count_entries(&lab, 0);
	CHECK_EQ(count.kinds[MACHINE_KIND_TR], 1);
	CHECK_EQ(count.stale, 0);
	CHECK_EQ(count.last->is.owner, a.vmcb.owner);
	CHECK_EQ(count.last->is.foreign, 0);
	CHECK_EQ(count.last->is.word, leaf_word(&a, 0));
	CHECK_EQ(count.last->is.gpa, lab_page(8));
	/* Two nested words for the root, the table and the page, and two of the guest. */
	CHECK_EQ(count.last->dep_count, 8);
	CHECK_EQ(machine_entry_tag(count.last), 1);
	lab_nested(&lab, &a, 2, 50, LAB_FULL);
	CHECK(!machine_entry_current(lab.machine, count.last));
	lab_close(&lab);
}

TEST(fill_notices_a_retired_page_but_no_upgrade)
{
	struct lab lab;
	struct lab_guest a;

	lab_open(&lab, MACHINE_AMD);
	a = lab_guest(&lab, 1, 10, 20);
	lab_map(&lab, &a, 0, 8, MACHINE_P);
	lab_enter(&lab, 0, &a);
	CHECK(lab_must(&lab, 0, 0, 28));
	lab_map(&lab, &a, 0, 8, LAB_FULL | MACHINE_A | MACHINE_D);
	CHECK_EQ(count_entries(&lab, 0).stale, 0);
	CHECK_EQ(machine_retire(lab.machine, lab_page(lab_frame(&a, 2))), 0);
	CHECK(count_entries(&lab, 0).stale > 0);
	lab_close(&lab);
}

/* What is filled through another owner's entry says so. */
TEST(fill_through_a_foreign_entry_says_whose)
{
	struct lab lab;
	struct lab_guest a, b;
	const struct machine_outcomes *outcomes;
	unsigned int foreign = 0;

	lab_open(&lab, MACHINE_AMD);
	a = lab_guest(&lab, 1, 10, 20);
	lab_enter(&lab, 0, &a);
	lab_exit(&lab, 0, &a);
	b = lab_guest(&lab, 1, 12, 40);
	b.vmcb.address += 8;
	lab_enter(&lab, 0, &b);
	lab_map(&lab, &a, 0, 8, LAB_FULL);
	outcomes = machine_access(lab.machine, 0, 0, MACHINE_READ);
	for (unsigned int i = 0; i < outcomes->count; i++) {
		const struct machine_outcome *outcome = &outcomes->list[i];

		if (outcome->result != MACHINE_OK)
			continue;
		CHECK_EQ(outcome->entry->is.owner, b.vmcb.owner);
		foreign += outcome->entry->is.foreign == a.vmcb.owner;
	}
	CHECK(foreign > 0);
	lab_close(&lab);
}

/* --- observers --- */

struct watched {
	unsigned int fills;
	unsigned int removals;
	unsigned int accesses;
	unsigned int assists;
	unsigned int events;
	enum machine_event last;
};

static void on_fill(void *cookie, unsigned int cpu, const struct machine_entry *entry)
{
	(void)cpu;
	(void)entry;
	((struct watched *)cookie)->fills++;
}

static void on_removed(void *cookie, unsigned int cpu, const struct machine_entry *entry,
		       enum machine_event event)
{
	(void)cpu;
	(void)entry;
	((struct watched *)cookie)->removals++;
	((struct watched *)cookie)->last = event;
}

static void on_access(void *cookie, unsigned int cpu, uint64_t address,
		      const struct machine_outcomes *outcomes)
{
	(void)cpu;
	(void)address;
	((struct watched *)cookie)->accesses += outcomes->count > 0;
}

static void on_assist(void *cookie, unsigned int cpu, uint64_t word, uint64_t value)
{
	(void)cpu;
	(void)word;
	((struct watched *)cookie)->assists += value != 0;
}

static void on_event(void *cookie, unsigned int cpu, enum machine_event event)
{
	(void)cpu;
	(void)event;
	((struct watched *)cookie)->events++;
}

TEST(observer_sees_everything)
{
	struct watched watched = { 0 };
	const struct machine_observer observer = { &watched, on_event, on_fill, on_removed,
						   on_access, on_assist };
	struct lab lab;
	struct lab_guest a;
	struct count count;

	lab_open(&lab, MACHINE_AMD);
	a = lab_guest(&lab, 1, 10, 20);
	machine_observe(lab.machine, &observer);
	lab_map(&lab, &a, 0, 8, LAB_FULL);
	lab_enter(&lab, 0, &a);
	CHECK(lab_must(&lab, 0, 0, 28));
	machine_speculate(lab.machine, 0, 0, 0);
	count = count_entries(&lab, 0);
	CHECK_EQ(watched.fills, count.kinds[0] + count.kinds[1] + count.kinds[2] + count.kinds[3]);
	CHECK_EQ(watched.accesses, 1);
	CHECK(watched.assists > 0);
	machine_invlpg(lab.machine, 0, 0);
	CHECK_EQ(watched.removals, 5);
	CHECK_EQ(watched.last, MACHINE_EVENT_INVLPG);
	CHECK_EQ(watched.events, 2);
	CHECK_STR_EQ(machine_event_name(watched.last), "INVLPG");
	machine_observe(lab.machine, NULL);
	lab_exit(&lab, 0, &a);
	CHECK_EQ(watched.events, 2);
	lab_close(&lab);
}

/* --- modes --- */

static bool unmap_is_stale(const struct machine_config *config, bool read_first, bool other_table)
{
	struct lab lab;
	struct lab_guest a;
	bool stale;

	lab_open_config(&lab, config);
	a = lab_guest(&lab, 1, 10, 20);
	lab_map(&lab, &a, 0, 8, LAB_FULL);
	lab_enter(&lab, 0, &a);
	if (read_first)
		CHECK(lab_may(&lab, 0, 0, 28));
	if (other_table) {
		lab_exit(&lab, 0, &a);
		lab_enter(&lab, 0, &a);
	}
	lab_map(&lab, &a, 0, 9, LAB_FULL);
	stale = lab_may(&lab, 0, 0, 28);
	lab_close(&lab);
	return stale;
}

TEST(mode_never_speculates)
{
	struct machine_config config;

	machine_config_init(&config, MACHINE_AMD);
	CHECK(unmap_is_stale(&config, false, false));
	config.speculation = MACHINE_SPECULATE_NEVER;
	CHECK(!unmap_is_stale(&config, false, false));
	CHECK(unmap_is_stale(&config, true, false));
	CHECK(unmap_is_stale(&config, true, true));
}

TEST(mode_random_is_in_between)
{
	struct machine_config config;
	unsigned int stale = 0;

	machine_config_init(&config, MACHINE_AMD);
	config.speculation = MACHINE_SPECULATE_RANDOM;
	for (config.seed = 0; config.seed < 64; config.seed++)
		stale += unmap_is_stale(&config, false, false);
	CHECK(stale > 0);
	CHECK(stale < 64);
}

/* Within a guest a forgetful TLB keeps translations, but no world switch does. */
TEST(mode_forgetful)
{
	struct machine_config config;

	machine_config_init(&config, MACHINE_AMD);
	config.forgetful = true;
	CHECK(unmap_is_stale(&config, true, false));
	CHECK(!unmap_is_stale(&config, true, true));
	CHECK(!unmap_is_stale(&config, false, false));
}

static uint64_t run_something(struct machine *machine, uint64_t seed)
{
	struct lab lab = { .machine = machine, .amd = true };
	struct lab_guest a;

	machine_reset(machine, seed);
	machine_wrmsr_efer(machine, 0, MACHINE_EFER_SVME);
	a = lab_guest(&lab, 1, 10, 20);
	for (unsigned int i = 0; i < 50; i++) {
		lab_enter(&lab, 0, &a);
		lab_map(&lab, &a, i % 16, 6 + i % 7, LAB_FULL);
		machine_access(machine, 0, lab_page(i % 5), MACHINE_READ);
		machine_invlpg(machine, 0, lab_page(i % 3));
		lab_exit(&lab, 0, &a);
	}
	return machine_digest(machine);
}

TEST(machine_is_deterministic)
{
	struct machine_config config;
	struct machine *machine, *other;
	uint64_t digest;

	machine_config_init(&config, MACHINE_AMD);
	config.speculation = MACHINE_SPECULATE_RANDOM;
	machine = machine_create(&config);
	other = machine_create(&config);
	digest = run_something(machine, 5);
	CHECK(digest != run_something(machine, 6));
	CHECK_EQ(run_something(machine, 5), digest);
	CHECK_EQ(run_something(other, 5), digest);
	CHECK_EQ(machine_clock(machine), machine_clock(other));
	machine_destroy(machine);
	machine_destroy(other);
}

TEST(machine_refuses_what_cannot_be)
{
	struct machine_config config;

	machine_config_init(&config, MACHINE_INTEL);
	config.cpus = 0;
	CHECK(machine_create(&config) == NULL);
	config.cpus = 1;
	config.linear.levels = 5;
	CHECK(machine_create(&config) == NULL);
}

/* --- a CPU that goes away keeps its TLB --- */

TEST(offline_keeps_everything)
{
	struct lab lab;
	struct lab_guest a;

	lab_open(&lab, MACHINE_AMD);
	a = lab_guest(&lab, 1, 10, 20);
	lab_map(&lab, &a, 0, 8, LAB_FULL);
	lab_enter(&lab, 0, &a);
	lab_exit(&lab, 0, &a);
	machine_offline(lab.machine, 0);
	CHECK_EQ(machine_access(lab.machine, 0, 0, MACHINE_READ)->list[0].result,
		 MACHINE_NO_ADDRESS);
	lab_map(&lab, &a, 0, 9, LAB_FULL);
	machine_online(lab.machine, 0);
	machine_wrmsr_efer(lab.machine, 0, MACHINE_EFER_SVME | MACHINE_EFER_NXE);
	lab_enter(&lab, 0, &a);
	CHECK(lab_may(&lab, 0, 0, 28));
	lab_close(&lab);
}

/* --- guests without paging --- */

static void without_paging(enum machine_vendor vendor)
{
	struct lab lab;
	struct lab_guest a;

	lab_open(&lab, vendor);
	a = lab_guest(&lab, 1, 10, 20);
	a.vmcb.registers.cr0 = a.vmcs.registers.cr0 = 0;
	lab_enter(&lab, 0, &a);
	CHECK(lab_must(&lab, 0, 8, 28));
	machine_speculate(lab.machine, 0, 0, 0);
	CHECK_EQ(count_entries(&lab, 0).kinds[MACHINE_KIND_TR], lab.amd ? 16 : 0);
	lab_exit(&lab, 0, &a);
	lab_nested(&lab, &a, 8, 50, lab_full(&lab));
	lab_enter(&lab, 0, &a);
	CHECK(lab_may(&lab, 0, 8, 28));
	CHECK(lab_may(&lab, 0, 8, 50));
	CHECK(machine_access(lab.machine, 0, lab_page(8), MACHINE_WRITE)->list[0].assist);
	machine_commit(lab.machine, 0, lab_page(8), 0);
	CHECK(machine_read(lab.machine, lab_page(11) + 8 * 8) &
	      (lab.amd ? MACHINE_D : MACHINE_EPT_D));
	lab_close(&lab);
}

TEST(fill_without_paging)
{
	without_paging(MACHINE_AMD);
	without_paging(MACHINE_INTEL);
}

/* --- quirks that no litmus program covers --- */

TEST(quirk_erratum_170_makes_guests_one)
{
	struct machine_config config;
	struct lab lab;
	struct lab_guest a, b;

	machine_config_init(&config, MACHINE_AMD);
	config.quirks.erratum_170 = true;
	lab_open_config(&lab, &config);
	a = lab_guest(&lab, 1, 10, 20);
	b = lab_guest(&lab, 2, 12, 40);
	lab_map(&lab, &a, 0, 8, LAB_FULL);
	lab_enter(&lab, 0, &a);
	lab_exit(&lab, 0, &a);
	lab_enter(&lab, 0, &b);
	CHECK(lab_may(&lab, 0, 0, 28));
	lab_close(&lab);
}

TEST(quirk_no_flushbyasid_ignores_3)
{
	struct machine_config config;
	struct lab lab;
	struct lab_guest a;

	machine_config_init(&config, MACHINE_AMD);
	for (unsigned int by_asid = 0; by_asid < 2; by_asid++) {
		config.quirks.no_flushbyasid = !by_asid;
		lab_open_config(&lab, &config);
		a = lab_guest(&lab, 1, 10, 20);
		lab_map(&lab, &a, 0, 8, LAB_FULL);
		lab_enter(&lab, 0, &a);
		lab_exit(&lab, 0, &a);
		lab_map(&lab, &a, 0, 9, LAB_FULL);
		CHECK_EQ(lab_enter_flush(&lab, 0, &a, MACHINE_TLB_ASID), 0);
		CHECK_EQ(lab_may(&lab, 0, 0, 28), !by_asid);
		lab_close(&lab);
	}
}

TEST(quirk_fracture_flushes_all)
{
	struct machine_config config;
	struct lab lab;
	struct lab_guest a;

	machine_config_init(&config, MACHINE_AMD);
	for (unsigned int fracture = 0; fracture < 2; fracture++) {
		config.quirks.fracture_flush_all = fracture;
		lab_open_config(&lab, &config);
		a = lab_guest(&lab, 1, 10, 20);
		lab_upper(&lab, &a, 1, lab_page(8) | LAB_FULL | MACHINE_PS);
		lab_map(&lab, &a, 0, 8, LAB_FULL);
		lab_enter(&lab, 0, &a);
		lab_map(&lab, &a, 0, 9, LAB_FULL);
		machine_invlpg(lab.machine, 0, lab_page(12));
		CHECK_EQ(lab_may(&lab, 0, 0, 28), !fracture);
		lab_close(&lab);
	}
}

static unsigned int pieces_of_1g(bool smash)
{
	struct machine_config config;
	struct lab lab;
	unsigned int count;

	machine_config_init(&config, MACHINE_AMD);
	config.linear = (struct machine_geometry){ .levels = 3, .index_bits = 2 };
	config.quirks.smash_1g = smash;
	lab_open_config(&lab, &config);
	lab_word(&lab, 1, 0, lab_page(16) | LAB_FULL | MACHINE_PS);
	CHECK_EQ(machine_mov_cr3(lab.machine, 0, lab_page(1)), 0);
	CHECK_EQ(machine_mov_cr0(lab.machine, 0, LAB_CR0), 0);
	machine_speculate(lab.machine, 0, 0, 0);
	CHECK(lab_must(&lab, 0, 5, 21));
	count = count_entries(&lab, 0).kinds[MACHINE_KIND_TR];
	lab_close(&lab);
	return count;
}

TEST(quirk_1g_is_smashed)
{
	CHECK_EQ(pieces_of_1g(false), 1);
	CHECK_EQ(pieces_of_1g(true), 4);
}

/* --- what a guest hypervisor was promised (the reference) --- */

TEST(reference_honours_invlpga_under_nested_paging)
{
	struct machine_config config;
	struct lab lab;
	struct lab_guest a;

	machine_config_init(&config, MACHINE_AMD);
	config.use = MACHINE_REFERENCE;
	lab_open_config(&lab, &config);
	a = lab_guest(&lab, 1, 10, 20);
	lab_map(&lab, &a, 0, 8, LAB_FULL);
	lab_enter(&lab, 0, &a);
	lab_exit(&lab, 0, &a);
	lab_map(&lab, &a, 0, 9, LAB_FULL);
	CHECK_EQ(machine_invlpga(lab.machine, 0, 0, 1), 0);
	lab_enter(&lab, 0, &a);
	CHECK(lab_must(&lab, 0, 0, 29));
	lab_close(&lab);
}
