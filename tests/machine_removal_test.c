/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every cell of the removal tables. A CPU is filled with every sort of entry
 * there is, one event happens, and each entry must be gone or not as the table
 * here says, which is written in words of its own:
 *
 *	all           everything            cur     of the current tag
 *	tag1          of tag 1              tag0    of tag 0
 *	guest         of any tag but 0      rootA   of the nested root A
 *	nested        of any nested root    pcid    of the PCID that the event names
 *	pcid|global   that or global        local   not global
 *	va            the address is in it  linear  not made under nested paging
 *	gpa           so is its guest-physical address
 *
 * Words that follow each other must all hold; "-" keeps everything.
 */
#include "machine_lab.h"

#include <stdlib.h>

#define ROOT_A 10u
#define ROOT_B 12u
#define VA lab_page(0)
#define SNAPSHOT 4096

struct snapshot {
	const struct machine_entry *entry;
	struct machine_translation is;
	uint32_t tag;
	uint64_t ntag;
	bool gone;
};

static struct snapshot snapshot[SNAPSHOT];
static unsigned int snapshot_count;

struct cells {
	const char *tr;
	const char *ps;
	const char *nested;
};

struct row {
	const char *name;
	void (*act)(struct lab *lab);
	/* in guest 1 with PCID 1, else in the host with PCID 1 */
	bool in_guest;
	uint16_t pcid;
	struct cells keeps;
	struct cells demand;
};

/* --- what is expected --- */

static bool word_holds(const struct row *row, const struct snapshot *entry, const char *word,
		       size_t size)
{
	const struct machine_translation *is = &entry->is;
	bool global = is->flags & MACHINE_FLAG_GLOBAL;
	unsigned int shift = is->kind == MACHINE_KIND_TR ? is->guest_shift : is->shift;

#define WORD(text, condition)                                                                   \
	if (size == strlen(text) && strncmp(word, text, size) == 0)                             \
		return (condition)
	WORD("all", true);
	WORD("cur", entry->tag == (row->in_guest ? 1u : 0u));
	WORD("tag1", entry->tag == 1);
	WORD("tag0", entry->tag == 0);
	WORD("guest", entry->tag != 0);
	WORD("rootA", entry->ntag == lab_page(ROOT_A));
	WORD("nested", entry->ntag != MACHINE_NTAG_NONE);
	WORD("pcid", is->pcid == row->pcid);
	WORD("pcid|global", is->pcid == row->pcid || global);
	WORD("local", !global);
	WORD("va", is->base >> shift == VA >> shift);
	WORD("gpa", is->base >> shift == lab_page(8) >> shift);
	WORD("linear", !(is->flags & MACHINE_FLAG_NESTED));
#undef WORD
	CHECK(!"a word that this test knows");
	return false;
}

static bool cell_holds(const struct row *row, const struct snapshot *entry, const char *cell)
{
	if (!cell || strcmp(cell, "-") == 0)
		return false;
	while (*cell) {
		size_t size = strcspn(cell, " ");

		if (!word_holds(row, entry, cell, size))
			return false;
		cell += size;
		cell += strspn(cell, " ");
	}
	return true;
}

static bool cells_hold(const struct row *row, const struct snapshot *entry,
		       const struct cells *cells)
{
	switch (entry->is.kind) {
	case MACHINE_KIND_TR:
		return cell_holds(row, entry, cells->tr);
	case MACHINE_KIND_PS:
		return cell_holds(row, entry, cells->ps);
	default:
		return cell_holds(row, entry, cells->nested);
	}
}

/* --- a CPU full of everything --- */

static void map_all(struct lab *lab, const struct lab_guest *guest)
{
	unsigned int first = lab->shadow ? guest->base : 0;

	lab_map(lab, guest, 0, first + 8, LAB_FULL);
	lab_map(lab, guest, 1, first + 9, LAB_FULL | MACHINE_G);
	lab_map(lab, guest, 12, first + 10, LAB_FULL);
	lab_map(lab, guest, 13, first + 11, LAB_FULL | MACHINE_G);
}

/* As PCID 0, 1 and 2. */
static void fill_pcids(struct lab *lab)
{
	uint64_t cr3 = machine_registers(lab->machine, 0)->cr3 & MACHINE_ADDRESS;

	for (unsigned int pcid = 0; pcid < 3; pcid++) {
		CHECK_EQ(machine_mov_cr3(lab->machine, 0, cr3 | pcid | MACHINE_CR3_NOFLUSH), 0);
		machine_speculate(lab->machine, 0, 0, 0);
	}
	CHECK_EQ(machine_mov_cr3(lab->machine, 0, cr3 | 1 | MACHINE_CR3_NOFLUSH), 0);
}

static void fill_guest(struct lab *lab, struct lab_guest *guest)
{
	lab_registers(lab, guest, 0, MACHINE_CR4_PGE | MACHINE_CR4_PCIDE);
	guest->vmcb.registers.efer |= MACHINE_EFER_SVME;
	map_all(lab, guest);
	lab_enter(lab, 0, guest);
	fill_pcids(lab);
	lab_exit(lab, 0, guest);
}

static void fill_host(struct lab *lab)
{
	struct lab host = *lab;
	struct lab_guest tables;

	host.shadow = true;
	tables = lab_guest(&host, 9, 100, 104);
	map_all(&host, &tables);
	CHECK_EQ(machine_mov_cr3(lab->machine, 0, lab_page(105)), 0);
	CHECK_EQ(machine_mov_cr0(lab->machine, 0, LAB_CR0), 0);
	CHECK_EQ(machine_mov_cr4(lab->machine, 0, MACHINE_CR4_PGE | MACHINE_CR4_PCIDE), 0);
	fill_pcids(lab);
}

/* Tags 1 and 2 under root A, 1 under B, 3 without nesting, Intel's 0 under A. */
static struct lab_guest fill_cpu(struct lab *lab)
{
	struct lab_guest first = lab_guest(lab, 1, ROOT_A, 20);
	struct lab_guest second = lab_guest(lab, 2, ROOT_A, 20);
	struct lab_guest other = lab_guest(lab, 1, ROOT_B, 40);
	struct lab plain = *lab;
	struct lab_guest shadow;

	plain.shadow = true;
	shadow = lab_guest(&plain, 3, 60, 62);
	if (!lab->amd) {
		struct lab_guest untagged = first;

		untagged.tagged = false;
		lab_apply(lab, &untagged, 77);
		fill_guest(lab, &untagged);
	}
	/* Host entries of an Intel machine do not survive the untagged guest. */
	fill_host(lab);
	fill_guest(lab, &second);
	fill_guest(lab, &other);
	fill_guest(&plain, &shadow);
	fill_guest(lab, &first);
	return first;
}

static void snapshot_add(void *cookie, const struct machine_entry *entry)
{
	struct snapshot *place = &snapshot[snapshot_count];

	(void)cookie;
	if (!CHECK(snapshot_count < SNAPSHOT))
		return;
	place->entry = entry;
	place->is = entry->is;
	place->tag = machine_entry_tag(entry);
	place->ntag = machine_entry_ntag(entry);
	place->gone = false;
	snapshot_count++;
}

static void note_removed(void *cookie, unsigned int cpu, const struct machine_entry *entry,
			 enum machine_event event)
{
	(void)cookie;
	(void)cpu;
	(void)event;
	for (unsigned int i = 0; i < snapshot_count; i++) {
		if (snapshot[i].entry == entry)
			snapshot[i].gone = true;
	}
}

static void check_row(enum machine_vendor vendor, enum machine_use use, const struct row *row,
		      bool (*judge)(const struct row *row, enum machine_use use))
{
	const struct machine_observer observer = { .removed = note_removed };
	struct machine_config config;
	struct lab lab;
	struct lab_guest guest;

	machine_config_init(&config, vendor);
	config.speculation = MACHINE_SPECULATE_NEVER;
	config.use = use;
	lab_open_config(&lab, &config);
	guest = fill_cpu(&lab);
	if (row->in_guest)
		lab_enter(&lab, 0, &guest);
	snapshot_count = 0;
	machine_for_each_entry(lab.machine, 0, snapshot_add, NULL);
	machine_observe(lab.machine, &observer);
	row->act(&lab);
	if (!CHECK(judge(row, use)))
		test_failed(__FILE__, __LINE__, "row %s, vendor %d, use %d", row->name, vendor,
			    use);
	lab_close(&lab);
}

static bool as_expected(const struct row *row, enum machine_use use)
{
	bool right = true;

	for (unsigned int i = 0; i < snapshot_count; i++) {
		bool gone = cells_hold(row, &snapshot[i], &row->keeps);

		if (use == MACHINE_REFERENCE && cells_hold(row, &snapshot[i], &row->demand))
			gone = true;
		if (gone != snapshot[i].gone)
			right = false;
	}
	return right;
}

/* --- the events --- */

#define MACHINE lab->machine

static void mov_cr4(struct lab *lab, uint64_t flip)
{
	uint64_t cr4 = machine_registers(lab->machine, 0)->cr4;

	CHECK_EQ(machine_mov_cr4(lab->machine, 0, cr4 ^ flip), 0);
}

static void run(struct lab *lab, uint8_t tlb_control)
{
	struct machine_vmcb vmcb = { .address = 5, .asid = 1, .tlb_control = tlb_control };

	CHECK_EQ(machine_svm_run(lab->machine, 0, &vmcb), 0);
}

static void enter(struct lab *lab, bool use_vpid)
{
	struct machine_vmcs vmcs = { .use_vpid = use_vpid, .vpid = use_vpid };

	CHECK_EQ(machine_vmx_enter(lab->machine, 0, &vmcs), 0);
}

static void leave(struct lab *lab)
{
	struct machine_vmcb vmcb = { 0 };
	struct machine_vmcs vmcs = { 0 };

	if (lab->amd)
		CHECK_EQ(machine_svm_exit(lab->machine, 0, &vmcb), 0);
	else
		CHECK_EQ(machine_vmx_exit(lab->machine, 0, &vmcs), 0);
}

static void cr3_is(struct lab *lab, uint64_t extra)
{
	uint64_t cr3 = machine_registers(lab->machine, 0)->cr3 & MACHINE_ADDRESS;

	CHECK_EQ(machine_mov_cr3(lab->machine, 0, cr3 | extra), 0);
}

/* What led here removed something itself: only what is there now counts. */
static void begin_again(struct lab *lab)
{
	machine_speculate(lab->machine, 0, 0, 0);
	snapshot_count = 0;
	machine_for_each_entry(lab->machine, 0, snapshot_add, NULL);
}

static void pg_off(struct lab *lab)
{
	mov_cr4(lab, MACHINE_CR4_PCIDE);
	begin_again(lab);
	CHECK_EQ(machine_mov_cr0(lab->machine, 0, 0), 0);
}

static void pg_on(struct lab *lab)
{
	pg_off(lab);
	begin_again(lab);
	CHECK_EQ(machine_mov_cr0(lab->machine, 0, LAB_CR0), 0);
}

/* The first outcome of this sort that memory justifies happens. */
static void fault(struct lab *lab, enum machine_result result)
{
	const struct machine_outcomes *outcomes =
		machine_access(lab->machine, 0, VA, MACHINE_READ);

	for (unsigned int i = 0; i < outcomes->count; i++) {
		if (outcomes->list[i].result != result || !outcomes->list[i].confirmed)
			continue;
		machine_commit(lab->machine, 0, VA, i);
		return;
	}
	CHECK(!"a fault");
}

static void page_fault(struct lab *lab)
{
	lab_word(lab, 22, 0, 0);
	fault(lab, MACHINE_FAULT);
}

static void nested_fault(struct lab *lab)
{
	lab_word(lab, ROOT_A + 1, 8, 0);
	fault(lab, MACHINE_NESTED_FAULT);
}

static void snp_run(struct lab *lab)
{
	struct machine_vmcb vmcb = { .address = 5, .asid = 1, .snp = true };

	CHECK_EQ(machine_svm_run(lab->machine, 0, &vmcb), 0);
}

/* The entry alone drops what is there: only what comes after it counts. */
static void vmfunc_untagged(struct lab *lab)
{
	struct machine_vmcs vmcs = { .ept = true, .eptp = lab_page(ROOT_A) };

	vmcs.registers = (struct machine_registers){ LAB_CR0, lab_page(1), 0, MACHINE_EFER_NXE };
	CHECK_EQ(machine_vmx_enter(lab->machine, 0, &vmcs), 0);
	begin_again(lab);
	CHECK_EQ(machine_vmfunc(lab->machine, 0, lab_page(ROOT_B)), 0);
}

static void leave_untagged(struct lab *lab)
{
	struct machine_vmcs vmcs = { .ept = true, .eptp = lab_page(ROOT_A) };

	vmcs.registers = (struct machine_registers){ LAB_CR0, lab_page(1), 0, MACHINE_EFER_NXE };
	CHECK_EQ(machine_vmx_enter(lab->machine, 0, &vmcs), 0);
	begin_again(lab);
	CHECK_EQ(machine_vmx_exit(lab->machine, 0, &vmcs), 0);
}

#define ACT(name, statement)                                                                    \
	static void act_##name(struct lab *lab)                                                 \
	{                                                                                       \
		statement;                                                                      \
	}

ACT(cr3, cr3_is(lab, 2))
ACT(cr3_keep, cr3_is(lab, 2 | MACHINE_CR3_NOFLUSH))
ACT(task, machine_task_switch(MACHINE, 0, lab_page(1) | 2))
ACT(pg_off, pg_off(lab))
/* Of ASID 1, PCID 2, page 0, where the flags say that these count. */
static void broadcast(struct lab *lab, uint32_t flags)
{
	const struct machine_invlpgb operands = { .flags = flags, .asid = 1, .pcid = 2 };

	machine_invlpgb(lab->machine, 0, &operands);
	for (unsigned int i = 0; i < snapshot_count; i++)
		CHECK(!snapshot[i].gone);
	machine_tlbsync(lab->machine, 0);
}

#define B_VA MACHINE_INVLPGB_VA
#define B_PCID MACHINE_INVLPGB_PCID
#define B_ASID MACHINE_INVLPGB_ASID
#define B_GLOBAL MACHINE_INVLPGB_GLOBAL
#define B_FINAL MACHINE_INVLPGB_FINAL
#define B_NESTED MACHINE_INVLPGB_NESTED

ACT(b_all, broadcast(lab, 0))
ACT(b_asid, broadcast(lab, B_ASID | B_GLOBAL))
ACT(b_nested, broadcast(lab, B_ASID | B_GLOBAL | B_NESTED))
ACT(b_va, broadcast(lab, B_ASID | B_GLOBAL | B_VA))
ACT(b_final, broadcast(lab, B_ASID | B_GLOBAL | B_VA | B_FINAL))
ACT(b_va_nested, broadcast(lab, B_ASID | B_GLOBAL | B_VA | B_NESTED))
ACT(b_pcid, broadcast(lab, B_ASID | B_PCID))
ACT(b_guest, broadcast(lab, B_GLOBAL))
ACT(pg_on, pg_on(lab))
ACT(page_fault, page_fault(lab))
ACT(nested_fault, nested_fault(lab))
ACT(snp, snp_run(lab))
ACT(leave_untagged, leave_untagged(lab))
ACT(wp, machine_mov_cr0(MACHINE, 0, LAB_CR0 & ~MACHINE_CR0_WP))
ACT(pge, mov_cr4(lab, MACHINE_CR4_PGE))
ACT(pcide_off, mov_cr4(lab, MACHINE_CR4_PCIDE))
ACT(pae, mov_cr4(lab, MACHINE_CR4_PAE))
ACT(pse, mov_cr4(lab, MACHINE_CR4_PSE))
ACT(smep, mov_cr4(lab, MACHINE_CR4_SMEP))
ACT(smap, mov_cr4(lab, MACHINE_CR4_SMAP))
ACT(pke, mov_cr4(lab, MACHINE_CR4_PKE))
ACT(nxe, machine_wrmsr_efer(MACHINE, 0,
			    machine_registers(MACHINE, 0)->efer ^ MACHINE_EFER_NXE))
ACT(svme, machine_wrmsr_efer(MACHINE, 0,
			     machine_registers(MACHINE, 0)->efer ^ MACHINE_EFER_SVME))
ACT(invlpg, machine_invlpg(MACHINE, 0, VA))
ACT(invlpg_global, machine_invlpg(MACHINE, 0, VA + 8))
ACT(invlpg_nowhere, machine_invlpg(MACHINE, 0, 1ull << 60))
ACT(invpcid_0, CHECK_EQ(machine_invpcid(MACHINE, 0, 0, 2, VA), 0))
ACT(invpcid_1, CHECK_EQ(machine_invpcid(MACHINE, 0, 1, 2, VA), 0))
ACT(invpcid_2, CHECK_EQ(machine_invpcid(MACHINE, 0, 2, 0, VA), 0))
ACT(invpcid_3, CHECK_EQ(machine_invpcid(MACHINE, 0, 3, 0, VA), 0))
ACT(invpcid_bad, CHECK(machine_invpcid(MACHINE, 0, 4, 0, VA) < 0))
ACT(mtrr, machine_wrmsr_mtrr(MACHINE, 0))
ACT(pat, machine_wrmsr_pat(MACHINE, 0))
ACT(smi, machine_smi(MACHINE, 0))
ACT(rsm, machine_rsm(MACHINE, 0))
ACT(init, machine_init(MACHINE, 0))
ACT(reset, machine_reset_cpu(MACHINE, 0))
ACT(off_on, machine_offline(MACHINE, 0); machine_online(MACHINE, 0))
ACT(other_cpu, machine_reset_cpu(MACHINE, 1))
ACT(run_0, run(lab, 0))
ACT(run_1, run(lab, 1))
ACT(run_3, run(lab, 3))
ACT(run_7, run(lab, 7))
ACT(run_2, run(lab, 2))
ACT(run_bad, struct machine_vmcb vmcb = { .tlb_control = 1 };
    CHECK(machine_svm_run(MACHINE, 0, &vmcb) < 0))
ACT(leave, leave(lab))
ACT(invlpga, CHECK_EQ(machine_invlpga(MACHINE, 0, VA, 1), 0))
ACT(invlpga_0, CHECK_EQ(machine_invlpga(MACHINE, 0, VA, 0), 0))
ACT(invlpga_nowhere, CHECK_EQ(machine_invlpga(MACHINE, 0, 1ull << 60, 1), 0))
ACT(enter_vpid, enter(lab, true))
ACT(enter_plain, enter(lab, false))
ACT(enter_bad, struct machine_vmcs vmcs = { .use_vpid = true };
    CHECK(machine_vmx_enter(MACHINE, 0, &vmcs) < 0))
ACT(vmfunc, CHECK_EQ(machine_vmfunc(MACHINE, 0, lab_page(ROOT_B)), 0))
ACT(vmfunc_plain, vmfunc_untagged(lab))
ACT(invvpid_0, CHECK_EQ(machine_invvpid(MACHINE, 0, 0, 1, VA), 0))
ACT(invvpid_1, CHECK_EQ(machine_invvpid(MACHINE, 0, 1, 1, 0), 0))
ACT(invvpid_2, CHECK_EQ(machine_invvpid(MACHINE, 0, 2, 0, 0), 0))
ACT(invvpid_3, CHECK_EQ(machine_invvpid(MACHINE, 0, 3, 1, 0), 0))
ACT(invvpid_bad, CHECK(machine_invvpid(MACHINE, 0, 1, 0, 0) < 0);
    CHECK(machine_invvpid(MACHINE, 0, 0, 1, 1ull << 60) < 0);
    CHECK(machine_invvpid(MACHINE, 0, 4, 1, 0) < 0))
ACT(invept_1, CHECK_EQ(machine_invept(MACHINE, 0, 1, lab_page(ROOT_A) | 0x1e), 0))
ACT(invept_2, CHECK_EQ(machine_invept(MACHINE, 0, 2, 0), 0))
ACT(invept_bad, CHECK(machine_invept(MACHINE, 0, 0, lab_page(ROOT_A)) < 0))

/* --- the tables --- */

#define KEEPS { "-", "-", "-" }
#define ALL { "all", "all", "all" }

static const struct row amd_rows[] = {
	{ "CR3", act_cr3, true, 2, { "cur pcid local", "cur pcid", "-" }, KEEPS },
	{ "CR3 in the host", act_cr3, false, 2, { "cur pcid local", "cur pcid", "-" }, KEEPS },
	{ "CR3 bit 63", act_cr3_keep, true, 2, KEEPS, KEEPS },
	{ "task switch", act_task, true, 2, { "cur pcid local", "cur pcid", "-" }, KEEPS },
	{ "PG off", act_pg_off, true, 0, { "cur", "cur", "-" }, KEEPS },
	{ "PG on", act_pg_on, true, 0, { "cur", "cur", "-" }, KEEPS },
	{ "#PF", act_page_fault, true, 1, { "cur pcid va", "cur pcid va", "-" }, KEEPS },
	{ "nested fault", act_nested_fault, true, 1, KEEPS,
	  { "cur pcid va", "cur pcid va", "cur gpa" } },
	{ "SNP flush", act_snp, false, 0, { "tag1", "tag1", "tag1" }, KEEPS },
	{ "WP", act_wp, true, 0, KEEPS, KEEPS },
	{ "PGE", act_pge, true, 0, { "cur", "cur", "-" }, KEEPS },
	{ "PGE in the host", act_pge, false, 0, { "cur", "cur", "-" }, KEEPS },
	{ "PCIDE off", act_pcide_off, true, 0, { "cur", "cur", "-" }, KEEPS },
	{ "PAE", act_pae, true, 0, { "cur", "cur", "-" }, KEEPS },
	{ "PSE", act_pse, true, 0, { "cur", "cur", "-" }, KEEPS },
	{ "SMEP", act_smep, true, 0, KEEPS, KEEPS },
	{ "SMAP", act_smap, true, 0, KEEPS, KEEPS },
	{ "PKE", act_pke, true, 0, { "cur", "cur", "-" }, KEEPS },
	{ "NXE", act_nxe, true, 0, KEEPS, { "cur", "cur", "-" } },
	{ "SVME", act_svme, false, 0, KEEPS, KEEPS },
	{ "INVLPG", act_invlpg, true, 1, { "cur va pcid|global", "cur pcid", "-" }, KEEPS },
	{ "INVLPG in the page", act_invlpg_global, true, 1,
	  { "cur va pcid|global", "cur pcid", "-" }, KEEPS },
	{ "INVLPG in the host", act_invlpg, false, 1, { "cur va pcid|global", "cur pcid", "-" },
	  KEEPS },
	{ "INVLPG not canonical", act_invlpg_nowhere, true, 1, KEEPS, KEEPS },
	{ "INVPCID 0", act_invpcid_0, true, 2, { "cur pcid va local", "cur pcid va", "-" }, KEEPS },
	{ "INVPCID 1", act_invpcid_1, true, 2, { "cur pcid local", "cur pcid", "-" }, KEEPS },
	{ "INVPCID 2", act_invpcid_2, true, 0, { "cur", "cur", "-" }, KEEPS },
	{ "INVPCID 3", act_invpcid_3, true, 0, { "cur local", "cur", "-" }, KEEPS },
	{ "INVPCID bad", act_invpcid_bad, true, 0, KEEPS, KEEPS },
	{ "MTRR", act_mtrr, false, 0, ALL, KEEPS },
	{ "PAT", act_pat, true, 0, KEEPS, { "cur", "cur", "-" } },
	{ "SMI", act_smi, true, 0, ALL, KEEPS },
	{ "RSM", act_rsm, false, 0, ALL, KEEPS },
	{ "INIT", act_init, false, 0, KEEPS, ALL },
	{ "RESET", act_reset, false, 0, ALL, KEEPS },
	{ "another CPU", act_other_cpu, false, 0, KEEPS, KEEPS },
	{ "offline and online", act_off_on, false, 0, KEEPS, KEEPS },
	{ "VMRUN 0", act_run_0, false, 0, KEEPS, KEEPS },
	{ "VMRUN 1", act_run_1, false, 0, ALL, KEEPS },
	{ "VMRUN 2", act_run_2, false, 0, KEEPS, KEEPS },
	{ "VMRUN 3", act_run_3, false, 0, { "tag1", "tag1", "tag1" }, KEEPS },
	{ "VMRUN 7", act_run_7, false, 0, { "tag1 local", "tag1", "-" }, { "-", "-", "tag1" } },
	{ "VMRUN that fails", act_run_bad, false, 0, KEEPS, KEEPS },
	{ "#VMEXIT", act_leave, true, 0, KEEPS, KEEPS },
	{ "INVLPGA, Q1", act_invlpga, false, 0, { "tag1 va linear", "tag1 va linear", "-" },
	  { "tag1 va", "tag1 va", "-" } },
	{ "INVLPGA of ASID 0", act_invlpga_0, false, 0, { "tag0 va", "tag0 va", "-" }, KEEPS },
	{ "INVLPGA not canonical", act_invlpga_nowhere, false, 0, KEEPS, KEEPS },
	{ "INVLPGB", act_b_all, false, 0, { "local", "all", "-" }, KEEPS },
	{ "INVLPGB asid", act_b_asid, false, 0, { "tag1", "tag1", "-" }, KEEPS },
	{ "INVLPGB nested", act_b_nested, false, 0, { "tag1", "tag1", "tag1" }, KEEPS },
	{ "INVLPGB va", act_b_va, false, 0, { "tag1 va", "tag1 va", "-" }, { "-", "tag1", "-" } },
	{ "INVLPGB final", act_b_final, false, 0, { "tag1 va", "-", "-" }, KEEPS },
	{ "INVLPGB va nested", act_b_va_nested, false, 0, { "tag1 va", "tag1 va", "-" },
	  { "-", "tag1", "tag1" } },
	{ "INVLPGB pcid", act_b_pcid, false, 2, { "tag1 pcid local", "tag1 pcid", "-" }, KEEPS },
	{ "INVLPGB in a guest", act_b_guest, true, 0, { "tag1", "tag1", "-" }, KEEPS },
};

static const struct row intel_rows[] = {
	{ "CR3", act_cr3, true, 2, { "cur pcid local", "cur pcid", "-" }, KEEPS },
	{ "CR3 in the host", act_cr3, false, 2, { "tag0 pcid local", "tag0 pcid", "-" }, KEEPS },
	{ "CR3 bit 63", act_cr3_keep, true, 2, KEEPS, KEEPS },
	{ "task switch", act_task, true, 2, { "cur pcid local", "cur pcid", "-" }, KEEPS },
	{ "PG off", act_pg_off, true, 0, { "cur", "cur", "-" }, KEEPS },
	{ "PG on", act_pg_on, true, 0, KEEPS, KEEPS },
	{ "#PF", act_page_fault, true, 1, { "cur pcid va", "cur pcid va", "-" }, KEEPS },
	{ "nested fault", act_nested_fault, true, 1,
	  { "cur pcid rootA va", "cur pcid rootA va", "rootA gpa" }, KEEPS },
	{ "exit without VPID", act_leave_untagged, false, 0, { "tag0", "tag0", "-" }, KEEPS },
	{ "WP", act_wp, true, 0, KEEPS, KEEPS },
	{ "PGE", act_pge, true, 0, { "cur", "cur", "-" }, KEEPS },
	{ "PCIDE off", act_pcide_off, true, 0, { "cur", "cur", "-" }, KEEPS },
	{ "PAE", act_pae, true, 1, { "cur pcid", "cur pcid", "-" },
	  { "cur pcid|global", "-", "-" } },
	{ "PSE", act_pse, true, 0, KEEPS, KEEPS },
	{ "SMEP", act_smep, true, 1, { "cur pcid", "cur pcid", "-" },
	  { "cur pcid|global", "-", "-" } },
	{ "SMAP", act_smap, true, 0, KEEPS, KEEPS },
	{ "PKE", act_pke, true, 1, KEEPS, { "cur pcid", "cur pcid", "-" } },
	{ "NXE", act_nxe, true, 0, KEEPS, KEEPS },
	{ "INVLPG", act_invlpg, true, 1, { "cur va pcid|global", "cur pcid", "-" }, KEEPS },
	{ "INVLPG in the host", act_invlpg, false, 1, { "tag0 va pcid|global", "tag0 pcid", "-" },
	  KEEPS },
	{ "INVPCID 0", act_invpcid_0, true, 2, { "cur pcid va local", "cur pcid va", "-" }, KEEPS },
	{ "INVPCID 1", act_invpcid_1, true, 2, { "cur pcid local", "cur pcid", "-" }, KEEPS },
	{ "INVPCID 2", act_invpcid_2, true, 0, { "cur", "cur", "-" }, KEEPS },
	{ "INVPCID 3", act_invpcid_3, true, 0, { "cur local", "cur", "-" }, KEEPS },
	{ "MTRR", act_mtrr, false, 0, KEEPS, KEEPS },
	{ "PAT", act_pat, true, 0, KEEPS, KEEPS },
	{ "SMI", act_smi, true, 0, { "tag0", "tag0", "-" }, KEEPS },
	{ "RSM", act_rsm, false, 0, KEEPS, KEEPS },
	{ "INIT", act_init, false, 0, { "tag0", "tag0", "-" }, KEEPS },
	{ "RESET", act_reset, false, 0, ALL, KEEPS },
	{ "another CPU", act_other_cpu, false, 0, KEEPS, KEEPS },
	{ "entry with VPID", act_enter_vpid, false, 0, KEEPS, KEEPS },
	{ "entry without VPID", act_enter_plain, false, 0, { "tag0", "tag0", "-" }, KEEPS },
	{ "entry that fails", act_enter_bad, false, 0, KEEPS, KEEPS },
	{ "exit with VPID", act_leave, true, 0, KEEPS, KEEPS },
	{ "VMFUNC with VPID", act_vmfunc, true, 0, KEEPS, KEEPS },
	{ "VMFUNC without VPID", act_vmfunc_plain, false, 0, { "tag0 nested", "tag0 nested", "-" },
	  KEEPS },
	{ "INVVPID 0", act_invvpid_0, false, 0, { "tag1 va", "tag1 va", "-" }, KEEPS },
	{ "INVVPID 1", act_invvpid_1, false, 0, { "tag1", "tag1", "-" }, KEEPS },
	{ "INVVPID 2", act_invvpid_2, false, 0, { "guest", "guest", "-" }, KEEPS },
	{ "INVVPID 3", act_invvpid_3, false, 0, { "tag1 local", "tag1", "-" }, KEEPS },
	{ "INVVPID bad", act_invvpid_bad, false, 0, KEEPS, KEEPS },
	{ "INVEPT 1", act_invept_1, false, 0, { "rootA", "rootA", "rootA" }, KEEPS },
	{ "INVEPT 2", act_invept_2, false, 0, { "nested", "nested", "all" }, KEEPS },
	{ "INVEPT bad", act_invept_bad, false, 0, KEEPS, KEEPS },
};

TEST(removal_amd_table)
{
	for (unsigned int i = 0; i < sizeof(amd_rows) / sizeof(amd_rows[0]); i++) {
		check_row(MACHINE_AMD, MACHINE_HARDWARE, &amd_rows[i], as_expected);
		check_row(MACHINE_AMD, MACHINE_REFERENCE, &amd_rows[i], as_expected);
	}
}

TEST(removal_intel_table)
{
	for (unsigned int i = 0; i < sizeof(intel_rows) / sizeof(intel_rows[0]); i++) {
		check_row(MACHINE_INTEL, MACHINE_HARDWARE, &intel_rows[i], as_expected);
		check_row(MACHINE_INTEL, MACHINE_REFERENCE, &intel_rows[i], as_expected);
	}
}

/* A row proves nothing about a cell of which there was no entry. */
static bool has_all_sorts(const struct row *row, enum machine_use use)
{
	unsigned int sorts[4][4] = { { 0 } };
	unsigned int globals = 0, linear = 0;

	(void)row;
	(void)use;
	for (unsigned int i = 0; i < snapshot_count; i++) {
		sorts[snapshot[i].is.kind][snapshot[i].tag]++;
		globals += snapshot[i].is.flags & MACHINE_FLAG_GLOBAL ? 1 : 0;
		linear += snapshot[i].is.flags & MACHINE_FLAG_NESTED ? 0 : 1;
	}
	for (unsigned int tag = 0; tag < 4; tag++)
		CHECK(sorts[MACHINE_KIND_TR][tag] && sorts[MACHINE_KIND_PS][tag]);
	return globals && linear;
}

TEST(removal_test_has_all_sorts)
{
	check_row(MACHINE_AMD, MACHINE_HARDWARE, &amd_rows[2], has_all_sorts);
	check_row(MACHINE_INTEL, MACHINE_HARDWARE, &intel_rows[2], has_all_sorts);
}
