/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Random programs on the machine and on the naive one: each access may see the
 * same pages on both, and in the end both have the same memory (so that A and D
 * were set in the same places) and have cached the same translations.
 */
#include "machine_lab.h"
#include "machine_naive.h"

#define STEPS 300

struct pair {
	struct machine *machine;
	struct naive *naive;
	uint64_t seed;
	uint64_t state;
	bool amd;
	bool ad;
	struct machine_vmcb vmcb[2];
	struct machine_vmcs vmcs[2];
};

static unsigned int pick(struct pair *pair, unsigned int count)
{
	pair->state = pair->state * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned int)(pair->state >> 33) % count;
}

/* --- the same on both --- */

static void both_write(struct pair *pair, uint64_t address, uint64_t value)
{
	machine_write(pair->machine, address, value);
	naive_write(pair->naive, address, value);
}

static void both_remove(struct pair *pair, unsigned int cpu, const struct naive_named *named,
			naive_predicate *drop)
{
	naive_remove(pair->naive, &pair->naive->cpus[cpu], named, drop);
}

static struct naive_named current(const struct naive_cpu *cpu, unsigned int pcid, uint64_t va)
{
	return (struct naive_named){ .tag = cpu->tag, .pcid = pcid, .va = va };
}

/*
 * Nested entries have D from the start: of several that name one guest table the
 * first that is walked gets it, and the order is nobody's business.
 *
 * Frames 1-3: linear tables; 4-6: nested tables; others: data that may be named.
 */
static uint64_t random_linear_word(struct pair *pair)
{
	uint64_t word = lab_page(pick(pair, 3) ? 1 + pick(pair, 5) : pick(pair, 16));

	if (pick(pair, 5))
		word |= MACHINE_P;
	word |= pick(pair, 4) ? MACHINE_US : 0;
	word |= pick(pair, 4) ? MACHINE_RW : 0;
	word |= pick(pair, 4) ? 0 : MACHINE_G;
	word |= pick(pair, 6) ? 0 : MACHINE_XD;
	word |= pick(pair, 4) && !pair->amd ? MACHINE_EPT_D : MACHINE_EPT_D | MACHINE_D;
	if (pick(pair, 6) == 0)
		word = (word & ~lab_page(7)) | MACHINE_PS;
	return word;
}

static uint64_t random_nested_word(struct pair *pair)
{
	uint64_t word = random_linear_word(pair);

	if (pair->amd)
		return word | (pick(pair, 3) ? LAB_FULL : 0);
	word &= MACHINE_ADDRESS | MACHINE_PS;
	word |= pick(pair, 3) ? 7 : pick(pair, 8);
	return word | MACHINE_EPT_D | (pick(pair, 3) ? 0 : MACHINE_EPT_A);
}

static void do_write(struct pair *pair)
{
	unsigned int frame = 1 + pick(pair, 6);
	unsigned int bits = frame < 4 ? pair->naive->bits : pair->naive->nested_bits;
	uint64_t address = lab_page(frame) + 8 * pick(pair, 1u << bits);

	both_write(pair, address, frame < 4 ? random_linear_word(pair) : random_nested_word(pair));
}

static void do_access(struct pair *pair, unsigned int cpu)
{
	unsigned int bits = pair->naive->levels * pair->naive->bits;
	uint64_t address = lab_page(pick(pair, 1u << bits));
	const struct machine_outcomes *outcomes =
		machine_access(pair->machine, cpu, address, MACHINE_READ | MACHINE_USER);

	for (unsigned int frame = 0; frame < NAIVE_FRAMES; frame++) {
		bool may = false;

		for (unsigned int i = 0; i < outcomes->count; i++)
			may |= outcomes->list[i].result == MACHINE_OK &&
			       outcomes->list[i].page == lab_page(frame);
		if (may != naive_may_read(pair->naive, &pair->naive->cpus[cpu], address,
					  lab_page(frame)))
			test_failed(__FILE__, __LINE__, "seed %llu: cpu %u, page %llx, frame %u",
				    (unsigned long long)pair->seed, cpu, (long long)address, frame);
		test_note_check();
	}
}

static void do_enter_amd(struct pair *pair, unsigned int cpu, unsigned int guest)
{
	static const uint8_t controls[] = { 0, 0, 0, 1, 3, 7 };
	struct machine_vmcb *vmcb = &pair->vmcb[cpu];
	struct naive_cpu *naive = &pair->naive->cpus[cpu];
	struct naive_named named = { .tag = guest + 1 };

	vmcb->tlb_control = controls[pick(pair, 6)];
	vmcb->asid = guest + 1;
	CHECK_EQ(machine_svm_run(pair->machine, cpu, vmcb), 0);
	if (vmcb->tlb_control == 1)
		both_remove(pair, cpu, &named, naive_all);
	if (vmcb->tlb_control == 3)
		both_remove(pair, cpu, &named, naive_asid);
	if (vmcb->tlb_control == 7)
		both_remove(pair, cpu, &named, naive_asid_local);
	naive->tag = guest + 1;
}

static void do_enter_intel(struct pair *pair, unsigned int cpu, unsigned int guest)
{
	struct machine_vmcs *vmcs = &pair->vmcs[cpu];
	struct naive_cpu *naive = &pair->naive->cpus[cpu];

	vmcs->use_vpid = guest != 0;
	vmcs->vpid = guest;
	CHECK_EQ(machine_vmx_enter(pair->machine, cpu, vmcs), 0);
	if (!vmcs->use_vpid)
		both_remove(pair, cpu, NULL, naive_vpid_0);
	naive->tag = guest;
	naive->tagged = vmcs->use_vpid;
}

static void do_enter(struct pair *pair, unsigned int cpu)
{
	struct naive_cpu *naive = &pair->naive->cpus[cpu];
	struct machine_registers registers = { LAB_CR0, lab_page(1 + pick(pair, 3)), 0,
					       MACHINE_EFER_NXE };
	uint64_t root = lab_page(4 + pick(pair, 2));
	bool nested = pick(pair, 4) != 0;

	registers.cr4 |= pick(pair, 2) && !pair->ad ? MACHINE_CR4_PGE : 0;
	registers.cr4 |= pick(pair, 2) ? MACHINE_CR4_PCIDE : 0;
	registers.cr3 |= registers.cr4 & MACHINE_CR4_PCIDE ? pick(pair, 3) : 0;
	naive_close(pair->naive, naive);
	pair->vmcb[cpu].registers = pair->vmcs[cpu].registers = registers;
	pair->vmcb[cpu].address = 7 + cpu;
	pair->vmcb[cpu].np_enable = pair->vmcs[cpu].ept = nested;
	pair->vmcb[cpu].ncr3 = root;
	pair->vmcs[cpu].eptp = root | (pair->ad ? MACHINE_EPTP_AD : 0);
	if (pair->amd)
		do_enter_amd(pair, cpu, pick(pair, 2));
	else
		do_enter_intel(pair, cpu, pick(pair, 3));
	naive->guest = true;
	naive->host_cr3 = naive->cr3;
	naive->host_cr4 = naive->cr4;
	naive->cr3 = registers.cr3;
	naive->cr4 = registers.cr4;
	naive->nested = nested;
	naive->nested_root = root;
	naive->ad = nested && (pair->amd || pair->ad);
}

static void do_exit(struct pair *pair, unsigned int cpu)
{
	struct naive_cpu *naive = &pair->naive->cpus[cpu];

	naive_close(pair->naive, naive);
	if (pair->amd) {
		CHECK_EQ(machine_svm_exit(pair->machine, cpu, &pair->vmcb[cpu]), 0);
	} else {
		CHECK_EQ(machine_vmx_exit(pair->machine, cpu, &pair->vmcs[cpu]), 0);
		if (!naive->tagged)
			both_remove(pair, cpu, NULL, naive_vpid_0);
	}
	naive->guest = false;
	naive->cr3 = naive->host_cr3;
	naive->cr4 = naive->host_cr4;
	naive->tag = 0;
	naive->nested = false;
	naive->ad = false;
}

static void do_cr3(struct pair *pair, unsigned int cpu)
{
	struct naive_cpu *naive = &pair->naive->cpus[cpu];
	bool pcide = naive->cr4 & MACHINE_CR4_PCIDE;
	bool keep = pcide && pick(pair, 2);
	uint64_t cr3 = lab_page(1 + pick(pair, 3)) | (pcide ? pick(pair, 3) : 0);
	struct naive_named named;

	naive_close(pair->naive, naive);
	CHECK_EQ(machine_mov_cr3(pair->machine, cpu, cr3 | (keep ? MACHINE_CR3_NOFLUSH : 0)), 0);
	naive->cr3 = cr3;
	named = current(naive, naive_pcid(naive), 0);
	if (!keep)
		both_remove(pair, cpu, &named, naive_cr3);
}

static void do_cr4(struct pair *pair, unsigned int cpu)
{
	struct naive_cpu *naive = &pair->naive->cpus[cpu];
	struct naive_named named = current(naive, 0, 0);

	if (pair->ad)
		return;
	naive_close(pair->naive, naive);
	naive->cr4 ^= MACHINE_CR4_PGE;
	CHECK_EQ(machine_mov_cr4(pair->machine, cpu, naive->cr4), 0);
	both_remove(pair, cpu, &named, naive_whole);
}

static void do_invlpg(struct pair *pair, unsigned int cpu)
{
	struct naive_cpu *naive = &pair->naive->cpus[cpu];
	struct naive_named named = current(naive, naive_pcid(naive), lab_page(pick(pair, 8)));

	naive_close(pair->naive, naive);
	machine_invlpg(pair->machine, cpu, named.va);
	both_remove(pair, cpu, &named, naive_invlpg);
}

static void do_invpcid(struct pair *pair, unsigned int cpu)
{
	static naive_predicate *const rules[] = { naive_invpcid_0, naive_cr3, naive_whole,
						  naive_invpcid_3 };
	struct naive_cpu *naive = &pair->naive->cpus[cpu];
	unsigned int type = pick(pair, 4);
	bool pcide = naive->cr4 & MACHINE_CR4_PCIDE;
	unsigned int pcid = pcide ? pick(pair, 3) : 0;
	struct naive_named named = current(naive, pcid, lab_page(pick(pair, 8)));

	naive_close(pair->naive, naive);
	CHECK_EQ(machine_invpcid(pair->machine, cpu, type, named.pcid, named.va), 0);
	both_remove(pair, cpu, &named, rules[type]);
}

/* Instructions of the host's. */
static void do_host(struct pair *pair, unsigned int cpu)
{
	static naive_predicate *const rules[] = { naive_invvpid_0, naive_whole, naive_invvpid_2,
						  naive_invpcid_3 };
	struct naive_named named = { .tag = 1 + pick(pair, 2), .va = lab_page(pick(pair, 8)),
				     .ntag = lab_page(4 + pick(pair, 2)) };
	unsigned int type = pick(pair, 6);

	naive_close(pair->naive, &pair->naive->cpus[cpu]);
	if (pair->amd) {
		CHECK_EQ(machine_invlpga(pair->machine, cpu, named.va, named.tag), 0);
		both_remove(pair, cpu, &named, naive_invlpga);
	} else if (type < 4) {
		CHECK_EQ(machine_invvpid(pair->machine, cpu, type, named.tag, named.va), 0);
		both_remove(pair, cpu, &named, rules[type]);
	} else {
		CHECK_EQ(machine_invept(pair->machine, cpu, type - 3, named.ntag), 0);
		both_remove(pair, cpu, &named, type == 4 ? naive_invept_1 : naive_invept_2);
	}
}

static void step(struct pair *pair)
{
	unsigned int cpu = pick(pair, 2);
	bool guest = pair->naive->cpus[cpu].guest;

	switch (pick(pair, 16)) {
	case 0:
	case 1:
	case 2:
	case 3:
	case 4:
		do_write(pair);
		break;
	case 5:
	case 6:
	case 7:
	case 8:
		do_access(pair, cpu);
		break;
	case 9:
		do_cr3(pair, cpu);
		break;
	case 10:
		do_invlpg(pair, cpu);
		break;
	case 11:
		do_invpcid(pair, cpu);
		break;
	case 12:
		do_cr4(pair, cpu);
		break;
	case 13:
		if (!guest)
			do_host(pair, cpu);
		break;
	default:
		guest ? do_exit(pair, cpu) : do_enter(pair, cpu);
	}
}

/* --- in the end --- */

struct search {
	const struct naive_cpu *cpu;
	bool *found;
};

/* The same but for rights. */
static bool is_same(const struct naive_entry *other, const struct machine_entry *entry)
{
	const struct machine_translation *is = &entry->is;

	return other->kind == is->kind && other->tag == machine_entry_tag(entry) &&
	       other->ntag == machine_entry_ntag(entry) && other->pcid == is->pcid &&
	       other->base == is->base && other->shift == is->shift &&
	       other->guest_shift == is->guest_shift && other->out == is->out &&
	       other->word == is->word && other->global == (is->flags & MACHINE_FLAG_GLOBAL) &&
	       other->made_np == (is->flags & MACHINE_FLAG_NESTED) / MACHINE_FLAG_NESTED;
}

static void find_in_naive(void *cookie, const struct machine_entry *entry)
{
	const struct search *search = cookie;
	bool found = false;

	for (unsigned int i = 0; i < search->cpu->count; i++) {
		const struct naive_entry *other = &search->cpu->list[i];

		if (!is_same(other, entry))
			continue;
		found |= other->rights == entry->is.rights;
		search->found[i] |= other->rights == entry->is.rights ||
				    (other->rights | NAIVE_D) == entry->is.rights;
	}
	CHECK(found);
}

/*
 * Each has what the other has, and returns how much that is. Only an entry without
 * D may be missing if there is the same with D: it can do nothing in addition, and
 * the machine does not close everything again before the walker sets D.
 */
static unsigned int compare_entries(struct pair *pair, unsigned int cpu)
{
	static bool found[NAIVE_ENTRIES];
	const struct search search = { &pair->naive->cpus[cpu], found };
	unsigned int missing = 0;

	naive_close(pair->naive, &pair->naive->cpus[cpu]);
	machine_speculate(pair->machine, cpu, 0, 0);
	memset(found, 0, sizeof(found));
	machine_for_each_entry(pair->machine, cpu, find_in_naive, (void *)&search);
	for (unsigned int i = 0; i < search.cpu->count; i++)
		missing += !found[i];
	CHECK_EQ(missing, 0);
	return search.cpu->count;
}

static void compare_memory(struct pair *pair)
{
	unsigned int differences = 0;

	for (unsigned int frame = 0; frame < NAIVE_FRAMES; frame++) {
		for (unsigned int i = 0; i < 512; i++)
			differences += machine_read(pair->machine, lab_page(frame) + 8 * i) !=
				       pair->naive->memory[frame][i];
	}
	CHECK_EQ(differences, 0);
}

static void set_up_host(struct pair *pair, unsigned int cpu)
{
	struct naive_cpu *naive = &pair->naive->cpus[cpu];

	machine_wrmsr_efer(pair->machine, cpu, MACHINE_EFER_SVME | MACHINE_EFER_NXE);
	CHECK_EQ(machine_mov_cr3(pair->machine, cpu, lab_page(1)), 0);
	CHECK_EQ(machine_mov_cr0(pair->machine, cpu, LAB_CR0), 0);
	naive->cr3 = lab_page(1);
}

static unsigned int compare(enum machine_vendor vendor, enum machine_use use, uint64_t seed,
			    bool deep)
{
	struct pair pair = { .seed = seed, .state = seed * 77 + 5, .amd = vendor == MACHINE_AMD };
	struct machine_config config;
	unsigned int entries;

	machine_config_init(&config, vendor);
	config.use = use;
	config.frames = NAIVE_FRAMES;
	config.linear = (struct machine_geometry){ deep ? 3 : 2, deep ? 1 : 2 };
	config.nested = (struct machine_geometry){ deep ? 3 : 2, deep ? 1 : 2 };
	/*
	 * Intel's nested A is the G of other tables, and here all tables are mixed:
	 * who sets A first makes a difference then, unless G is off.
	 */
	pair.ad = !pair.amd && seed / 2 % 2;
	pair.machine = machine_create(&config);
	pair.naive = calloc(1, sizeof(*pair.naive));
	pair.naive->amd = pair.amd;
	pair.naive->reference = use == MACHINE_REFERENCE;
	pair.naive->levels = config.linear.levels;
	pair.naive->bits = config.linear.index_bits;
	pair.naive->nested_levels = config.nested.levels;
	pair.naive->nested_bits = config.nested.index_bits;
	set_up_host(&pair, 0);
	set_up_host(&pair, 1);
	for (unsigned int i = 0; i < 40; i++)
		do_write(&pair);
	for (unsigned int i = 0; i < STEPS; i++)
		step(&pair);
	entries = compare_entries(&pair, 0) + compare_entries(&pair, 1);
	compare_memory(&pair);
	machine_destroy(pair.machine);
	free(pair.naive);
	return entries;
}

static void compare_seeds(enum machine_vendor vendor, enum machine_use use)
{
	unsigned int entries = 0;

	for (uint64_t seed = 1; seed <= 40; seed++)
		entries += compare(vendor, use, seed, seed % 2);
	/* Two empty TLBs are equal, too. */
	CHECK(entries > 40 * 100);
}

TEST(equal_amd)
{
	compare_seeds(MACHINE_AMD, MACHINE_HARDWARE);
}

TEST(equal_amd_reference)
{
	compare_seeds(MACHINE_AMD, MACHINE_REFERENCE);
}

TEST(equal_intel)
{
	compare_seeds(MACHINE_INTEL, MACHINE_HARDWARE);
}
