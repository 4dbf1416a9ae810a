/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The hardware as an adversary: x86 processors with tagged TLBs as the manuals
 * permit them, not as one chip builds them. Whatever may be cached stays cached
 * until an event removes it for certain; an access answers with everything that
 * the hardware could do, not with one thing. doc/MODEL.md says what is modelled.
 *
 *	struct machine_config config;
 *
 *	machine_config_init(&config, MACHINE_AMD);
 *	machine = machine_create(&config);
 *	machine_write(machine, table + 8 * i, frame | MACHINE_P | MACHINE_RW);
 *	machine_svm_run(machine, 0, &vmcb);
 *	outcomes = machine_access(machine, 0, address, MACHINE_READ);
 *	for (i = 0; i < outcomes->count; i++)
 *		judge(&outcomes->list[i]);
 *
 * Everything is deterministic and nothing here is thread safe: one machine, one
 * thread. The kinds of cached translation have the same short names everywhere:
 *
 *	TR  linear page -> system page           PS  upper linear bits -> table
 *	NT  guest-physical page -> system page   NP  upper guest-physical bits -> table
 */
#ifndef MACHINE_MACHINE_H
#define MACHINE_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MACHINE_CPUS_MAX 32u
#define MACHINE_PAGE_SHIFT 12u
#define MACHINE_PAGE_SIZE 4096u
/* Four guest levels, each with a nested walk of four, and one for the root. */
#define MACHINE_DEPS_MAX 24u
/* The nested tag of a translation that was made without Intel's EPT. */
#define MACHINE_NTAG_NONE UINT64_MAX

/* --- table entries, as in the manuals ---------------------------------------- */

/* x86 tables: a host's, a guest's, AMD's nested ones. */
#define MACHINE_P (1ull << 0)
#define MACHINE_RW (1ull << 1)
#define MACHINE_US (1ull << 2)
#define MACHINE_A (1ull << 5)
#define MACHINE_D (1ull << 6)
#define MACHINE_PS (1ull << 7)
#define MACHINE_G (1ull << 8)
#define MACHINE_XD (1ull << 63)
/* Intel's nested tables. */
#define MACHINE_EPT_R (1ull << 0)
#define MACHINE_EPT_W (1ull << 1)
#define MACHINE_EPT_X (1ull << 2)
#define MACHINE_EPT_PS (1ull << 7)
#define MACHINE_EPT_A (1ull << 8)
#define MACHINE_EPT_D (1ull << 9)
#define MACHINE_EPTP_AD (1ull << 6)
#define MACHINE_ADDRESS 0x000ffffffffff000ull

/* --- registers --------------------------------------------------------------- */

#define MACHINE_CR0_WP (1ull << 16)
#define MACHINE_CR0_PG (1ull << 31)
#define MACHINE_CR3_NOFLUSH (1ull << 63)
#define MACHINE_CR3_PCID 0xfffull
#define MACHINE_CR4_PSE (1ull << 4)
#define MACHINE_CR4_PAE (1ull << 5)
#define MACHINE_CR4_PGE (1ull << 7)
#define MACHINE_CR4_PCIDE (1ull << 17)
#define MACHINE_CR4_SMEP (1ull << 20)
#define MACHINE_CR4_SMAP (1ull << 21)
#define MACHINE_CR4_PKE (1ull << 22)
#define MACHINE_EFER_NXE (1ull << 11)
#define MACHINE_EFER_SVME (1ull << 12)
#define MACHINE_EFER_TCE (1ull << 15)

/**
 * struct machine_registers - the registers that decide how addresses translate
 * @cr0: only WP and PG mean anything
 * @cr3: the root's address, and the PCID if CR4.PCIDE
 * @cr4: only the bits above mean anything
 * @efer: only NXE, SVME and TCE mean anything
 */
struct machine_registers {
	uint64_t cr0;
	uint64_t cr3;
	uint64_t cr4;
	uint64_t efer;
};

/* --- configuration ----------------------------------------------------------- */

enum machine_vendor {
	MACHINE_AMD = 0,
	MACHINE_INTEL = 1,
};

/*
 * Where the manuals leave open whether an event removes something, the machine
 * under a hypervisor keeps it, and the machine that a guest hypervisor believes
 * to have drops it.
 */
enum machine_use {
	MACHINE_HARDWARE = 0,
	MACHINE_REFERENCE = 1,
};

/*
 * How much is filled that no access asked for: nothing, a part that the seed
 * chooses, or all that may be filled (just before whatever could prevent it).
 */
enum machine_speculation {
	MACHINE_SPECULATE_NEVER = 0,
	MACHINE_SPECULATE_RANDOM = 1,
	MACHINE_SPECULATE_ALWAYS = 2,
};

/* What VMRUN takes where a clean bit is set and this CPU may hold an old copy. */
enum machine_clean {
	MACHINE_CLEAN_OLD = 0,
	MACHINE_CLEAN_NEW = 1,
	MACHINE_CLEAN_RANDOM = 2,
};

/**
 * struct machine_quirks - deviations of real processors
 * @invlpga_npt_broken: INVLPGA spares what was made under nested paging (Q1)
 * @erratum_170: all guest ASIDs are one (Q2)
 * @multimatch_mce: two sizes for one address are a machine check (Q3)
 * @invlpg_keeps_global: with PCIDE, INVLPG spares global translations (Q4)
 * @invlpg_partial: INVLPG drops one 4K piece of a large page (Q6)
 * @fracture_flush_all: INVLPG drops the whole tag once a page was split (Q7)
 * @no_flushbyasid: TLB_CONTROL 3 and 7 do nothing (Q8)
 * @init_flushes: AMD's INIT empties the TLB (Q12)
 * @smash_1g: a 1G page is cached as 2M pieces
 */
struct machine_quirks {
	bool invlpga_npt_broken;
	bool erratum_170;
	bool multimatch_mce;
	bool invlpg_keeps_global;
	bool invlpg_partial;
	bool fracture_flush_all;
	bool no_flushbyasid;
	bool init_flushes;
	bool smash_1g;
};

/**
 * struct machine_geometry - the shape of one kind of page table
 * @levels: 2 to 4
 * @index_bits: 1 to 9; a table uses its first 2^index_bits entries, and a page
 *	one level up is 2^index_bits times as large
 */
struct machine_geometry {
	uint8_t levels;
	uint8_t index_bits;
};

/**
 * struct machine_config - what machine_create() builds
 * @vendor: whose keys and whose removals
 * @use: what becomes of the manuals' open questions
 * @speculation: how much is filled unasked
 * @clean: how VMCB clean bits are taken
 * @forgetful: drop the TLB at every world switch, keep no table and no nested
 *	entries, never speculate: QEMU, for comparison
 * @seed: for whatever is random
 * @cpus: 1 to MACHINE_CPUS_MAX
 * @frames: 4K frames of memory
 * @linear: tables that CR3 names
 * @nested: tables that nCR3 or EPTP name
 * @nested_owner_mask: the bits of an owner that tell owners of *nested* tables
 *	apart; vCPUs of one VM may well use each other's NT and NP
 * @quirks: deviations
 */
struct machine_config {
	enum machine_vendor vendor;
	enum machine_use use;
	enum machine_speculation speculation;
	enum machine_clean clean;
	bool forgetful;
	uint64_t seed;
	unsigned int cpus;
	unsigned int frames;
	struct machine_geometry linear;
	struct machine_geometry nested;
	uint64_t nested_owner_mask;
	struct machine_quirks quirks;
};

/**
 * machine_config_init() - the defaults
 * @config: filled
 * @vendor: AMD has the quirk Q1 on by default
 *
 * Two CPUs, 256 frames, two levels of four entries each, hardware, everything
 * that may be filled is filled.
 */
void machine_config_init(struct machine_config *config, enum machine_vendor vendor);

struct machine;

/**
 * machine_create() - a machine with empty memory, empty TLBs and CPUs in host
 *	mode with paging off
 * @config: copied
 *
 * Return: NULL if the configuration is impossible or memory is short.
 */
struct machine *machine_create(const struct machine_config *config);
void machine_destroy(struct machine *machine);

/**
 * machine_reset() - as after machine_create() with another seed, without the cost
 * @machine: any; the observer stays
 * @seed: for whatever is random
 */
void machine_reset(struct machine *machine, uint64_t seed);

const struct machine_config *machine_configuration(const struct machine *machine);

/**
 * machine_clock() - the time, which every fill, removal and table write advances
 * @machine: any
 *
 * Return: comparable with the entries' @filled and @first_filled.
 */
uint64_t machine_clock(const struct machine *machine);

/**
 * machine_digest() - memory, registers and TLBs as one number
 * @machine: any
 *
 * Return: equal for machines that are in the same state; independent of the
 * clock and of the order in which entries were filled.
 */
uint64_t machine_digest(const struct machine *machine);

/* --- cached translations ----------------------------------------------------- */

enum machine_kind {
	MACHINE_KIND_TR = 0,
	MACHINE_KIND_PS = 1,
	MACHINE_KIND_NT = 2,
	MACHINE_KIND_NP = 3,
};

/* Latched rights. The nested ones are all set where there is no nesting. */
#define MACHINE_RIGHT_W (1u << 0)
#define MACHINE_RIGHT_U (1u << 1)
#define MACHINE_RIGHT_X (1u << 2)
#define MACHINE_RIGHT_NESTED_R (1u << 3)
#define MACHINE_RIGHT_NESTED_W (1u << 4)
#define MACHINE_RIGHT_NESTED_X (1u << 5)
#define MACHINE_RIGHT_DIRTY (1u << 6)

#define MACHINE_FLAG_GLOBAL (1u << 0)
#define MACHINE_FLAG_NESTED (1u << 1)

/**
 * struct machine_translation - what makes a cached translation itself: two
 *	fills that agree in all of this are one entry
 * @base: first linear (TR, PS) or guest-physical (NT, NP) address it covers
 * @out: system address of the page (TR, NT) or of the next table (PS, NP)
 * @word: system address of the leaf entry it came from (TR, NT), else 0
 * @gpa: guest-physical address that @out stands for, 0 without nesting
 * @owner: the cookie of the context that was current at the fill
 * @foreign: the first other owner whose cached entry the fill went through, or 0
 * @pcid: the PCID, also of global entries
 * @kind: enum machine_kind
 * @shift: log2 of the range it covers (the span)
 * @guest_shift: TR: log2 of the guest's page it came from; INVLPG goes by this
 * @rights: MACHINE_RIGHT_*
 * @flags: MACHINE_FLAG_*
 * @pad: 0
 */
struct machine_translation {
	uint64_t base;
	uint64_t out;
	uint64_t word;
	uint64_t gpa;
	uint64_t owner;
	uint64_t foreign;
	uint16_t pcid;
	uint8_t kind;
	uint8_t shift;
	uint8_t guest_shift;
	uint8_t rights;
	uint8_t flags;
	uint8_t pad;
};

/**
 * struct machine_dep - one table word that a translation was derived from
 * @word: system address / 8
 * @version: machine_word_version() when it was read
 */
struct machine_dep {
	uint32_t word;
	uint32_t version;
};

struct machine_space;

/**
 * struct machine_entry - a translation that a CPU has cached
 * @is: what it is
 * @space: the tags it belongs to; machine_entry_tag() reads it
 * @first_filled: machine_clock() when it was made
 * @filled: when it was last made from nothing but current tables, or
 *	@first_filled; @deps are of this fill
 * @deps: the words it was derived from, root first, cached steps included
 * @dep_count: their number
 *
 * The rest is the TLB's own.
 */
struct machine_entry {
	struct machine_translation is;
	struct machine_space *space;
	uint64_t first_filled;
	uint64_t filled;
	struct machine_dep deps[MACHINE_DEPS_MAX];
	uint8_t dep_count;
	uint8_t level;
	bool current;
	uint32_t doomed;
	uint64_t current_at;
	uint64_t touched;
	uint64_t rooted;
	uint64_t nested_rooted;
	uint64_t dirtyable;
	uint64_t nested_word;
	uint64_t expanded_at;
	uint64_t expanded_for;
	struct machine_entry *next;
	struct machine_entry *previous;
	struct machine_entry *hash_next;
	struct machine_entry **hash_link;
};

/**
 * machine_entry_tag() - the ASID or VPID of an entry
 * @entry: any
 *
 * Return: 0 for NT and NP of Intel, which carry no VPID.
 */
uint32_t machine_entry_tag(const struct machine_entry *entry);

/**
 * machine_entry_ntag() - the EP4TA of an entry
 * @entry: any
 *
 * Return: MACHINE_NTAG_NONE on AMD and for what was made without EPT.
 */
uint64_t machine_entry_ntag(const struct machine_entry *entry);

/**
 * machine_entry_current() - do the words it came from still say the same?
 * @machine: any
 * @entry: of this machine
 *
 * Return: false once any of them was changed, other than by adding rights or by
 * setting A or D, or its page was retired.
 */
bool machine_entry_current(const struct machine *machine, const struct machine_entry *entry);

/**
 * machine_for_each_entry() - everything that a CPU has cached
 * @machine: any
 * @cpu: which
 * @visit: called for each entry, in no particular but a reproducible order
 * @cookie: for @visit
 */
void machine_for_each_entry(const struct machine *machine, unsigned int cpu,
			    void (*visit)(void *cookie, const struct machine_entry *entry),
			    void *cookie);

/* --- memory ------------------------------------------------------------------ */

uint64_t machine_read(const struct machine *machine, uint64_t address);

/**
 * machine_write() - a store by software to a system-physical address
 * @machine: any
 * @address: multiple of 8
 * @value: any
 *
 * Nothing snoops it. Just before it, every CPU fills what it still may.
 *
 * Return: 0, or -EINVAL outside of memory.
 */
int machine_write(struct machine *machine, uint64_t address, uint64_t value);

/**
 * machine_retire() - software frees a page: whatever is derived from its
 *	contents so far is out of date, even if the contents stay
 * @machine: any
 * @address: of the page
 *
 * Return: 0, or -EINVAL outside of memory.
 */
int machine_retire(struct machine *machine, uint64_t address);

/**
 * machine_word_version() - how often a word changed
 * @machine: any
 * @address: multiple of 8
 *
 * Adding rights and setting A or D in a table does not count.
 */
uint32_t machine_word_version(const struct machine *machine, uint64_t address);

/* --- accesses ---------------------------------------------------------------- */

#define MACHINE_READ 0u
#define MACHINE_WRITE 1u
#define MACHINE_FETCH 2u
#define MACHINE_TYPE 3u
/* Flags to add: CPL 3; RFLAGS.AC. */
#define MACHINE_USER 4u
#define MACHINE_AC 8u

/* #PF and nested page fault error codes. */
#define MACHINE_ERROR_P (1u << 0)
#define MACHINE_ERROR_W (1u << 1)
#define MACHINE_ERROR_U (1u << 2)
#define MACHINE_ERROR_RSVD (1u << 3)
#define MACHINE_ERROR_I (1u << 4)
/* Nested only: the access was the walker's, to a guest table. */
#define MACHINE_ERROR_TABLE (1u << 5)

enum machine_result {
	MACHINE_OK = 0,
	/* #PF, to the guest or host itself */
	MACHINE_FAULT = 1,
	/* #VMEXIT(NPF), EPT violation */
	MACHINE_NESTED_FAULT = 2,
	/* EPT misconfiguration */
	MACHINE_MISCONFIGURED = 3,
	/* only with multimatch_mce */
	MACHINE_CHECK_EXCEPTION = 4,
	/* the address is not canonical, or outside memory without paging */
	MACHINE_NO_ADDRESS = 5,
};

/**
 * struct machine_outcome - one thing that the hardware may do
 * @result: what
 * @error: faults: MACHINE_ERROR_*
 * @confirmed: a walk from the root that uses nothing cached in linear tables
 *	ends the same now. For nested faults: the nested tables say so now.
 * @assist: it sets D if it happens
 * @page: OK: system address of the 4K page
 * @gpa: guest-physical page of OK; address of nested faults
 * @entry: the translation that serves or forbids; for a walk that failed the PS
 *	or NP that it read last from; NULL if that was a root or there is none
 * @word: system address of the table word that made the walk fail, else 0
 */
struct machine_outcome {
	enum machine_result result;
	uint32_t error;
	bool confirmed;
	bool assist;
	uint64_t page;
	uint64_t gpa;
	const struct machine_entry *entry;
	uint64_t word;
};

/* Never empty. Valid until the machine's next event, write, access or commit. */
struct machine_outcomes {
	struct machine_outcome *list;
	unsigned int count;
	unsigned int capacity;
};

/**
 * machine_access() - everything that an access may do now
 * @machine: any
 * @cpu: which; online
 * @address: linear
 * @access: one of READ, WRITE, FETCH, with flags
 *
 * Fills what the walks read, and sets A where they go. Sets no D of the page
 * and delivers no fault: machine_commit() does, for the outcome that happened.
 *
 * Return: the outcomes; those that set D last, else in the order of the fills.
 * So the first is the one to fear.
 */
const struct machine_outcomes *machine_access(struct machine *machine, unsigned int cpu,
					      uint64_t address, uint32_t access);

/**
 * machine_commit() - one outcome of the last machine_access() happens
 * @machine: any
 * @cpu: the same
 * @address: the same
 * @index: of the outcome
 *
 * Sets D and caches that, or removes what the fault removes.
 */
void machine_commit(struct machine *machine, unsigned int cpu, uint64_t address,
		    unsigned int index);

/**
 * machine_speculate() - fill unasked
 * @machine: any
 * @cpu: which; its current context
 * @address: first linear address
 * @size: in bytes; 0: everything the context can reach
 */
void machine_speculate(struct machine *machine, unsigned int cpu, uint64_t address,
		       uint64_t size);

/* --- the current context ----------------------------------------------------- */

/**
 * struct machine_context - what a CPU translates by at the moment
 * @root: address of the linear root table; guest-physical if @nested
 * @nested_root: system address of the nested root table
 * @ntag: EP4TA or MACHINE_NTAG_NONE
 * @owner: cookie for everything it fills
 * @tag: ASID or VPID as the hardware sees it
 * @pcid: 0 without PCIDE
 * @guest: between VM entry and exit
 * @nested: nested paging is on
 * @paging: CR0.PG
 * @global: G counts
 * @nxe: XD counts, else it is reserved
 * @wp, @smep, @smap: CR0.WP, CR4.SMEP, CR4.SMAP
 * @nested_nxe: XD counts in AMD's nested tables
 * @nested_ad: nested A and D are in use
 * @online: translates at all
 */
struct machine_context {
	uint64_t root;
	uint64_t nested_root;
	uint64_t ntag;
	uint64_t owner;
	uint32_t tag;
	uint16_t pcid;
	bool guest;
	bool nested;
	bool paging;
	bool global;
	bool nxe;
	bool wp;
	bool smep;
	bool smap;
	bool nested_nxe;
	bool nested_ad;
	bool online;
};

const struct machine_context *machine_context(const struct machine *machine, unsigned int cpu);
const struct machine_registers *machine_registers(const struct machine *machine,
						  unsigned int cpu);

/* The cookie of host mode from now on; guests bring theirs along. */
void machine_owner_set(struct machine *machine, unsigned int cpu, uint64_t owner);

/* --- events: paging, executed in the current context and not intercepted ------ */

/* These return 0, or -EINVAL where the processor raises #GP. */
int machine_mov_cr0(struct machine *machine, unsigned int cpu, uint64_t value);
int machine_mov_cr3(struct machine *machine, unsigned int cpu, uint64_t value);
int machine_mov_cr4(struct machine *machine, unsigned int cpu, uint64_t value);
int machine_wrmsr_efer(struct machine *machine, unsigned int cpu, uint64_t value);
/* A task switch that loads CR3; keeps nothing, whatever its bit 63 says. */
int machine_task_switch(struct machine *machine, unsigned int cpu, uint64_t cr3);
void machine_invlpg(struct machine *machine, unsigned int cpu, uint64_t address);
int machine_invpcid(struct machine *machine, unsigned int cpu, unsigned int type, uint16_t pcid,
		    uint64_t address);

void machine_wrmsr_mtrr(struct machine *machine, unsigned int cpu);
void machine_wrmsr_pat(struct machine *machine, unsigned int cpu);
void machine_smi(struct machine *machine, unsigned int cpu);
void machine_rsm(struct machine *machine, unsigned int cpu);
/* INIT and RESET leave the CPU in host mode with paging off. */
void machine_init(struct machine *machine, unsigned int cpu);
void machine_reset_cpu(struct machine *machine, unsigned int cpu);

/* Offline a CPU fills nothing, but its TLB keeps everything. */
void machine_offline(struct machine *machine, unsigned int cpu);
void machine_online(struct machine *machine, unsigned int cpu);

/* --- events: AMD ------------------------------------------------------------- */

#define MACHINE_TLB_NONE 0u
#define MACHINE_TLB_ALL 1u
#define MACHINE_TLB_ASID 3u
#define MACHINE_TLB_ASID_LOCAL 7u

/* VMCB clean bits that matter: ASID; NP_ENABLE and nCR3; CR0, CR3, CR4, EFER. */
#define MACHINE_VMCB_CLEAN_ASID (1u << 2)
#define MACHINE_VMCB_CLEAN_NP (1u << 4)
#define MACHINE_VMCB_CLEAN_CR (1u << 5)

/**
 * struct machine_vmcb - the part of a VMCB that translation depends on
 * @address: of the VMCB's page; CPUs cache VMCBs by it
 * @owner: cookie for everything the guest fills
 * @ncr3: nested root
 * @registers: the guest's; #VMEXIT stores them here
 * @asid: 0 makes VMRUN fail
 * @clean: MACHINE_VMCB_CLEAN_*
 * @tlb_control: MACHINE_TLB_*; nobody clears it
 * @np_enable: nested paging
 * @snp: an SNP guest: the processor itself flushes when the ASID was used by
 *	another @tlb_id, or this one last ran on another CPU
 * @pcpu_id: SNP: CPU + 1 of the last run; 0 forces a flush
 * @tlb_id: SNP: tells the vCPUs of one ASID apart
 */
struct machine_vmcb {
	uint64_t address;
	uint64_t owner;
	uint64_t ncr3;
	struct machine_registers registers;
	uint32_t asid;
	uint32_t clean;
	uint8_t tlb_control;
	bool np_enable;
	bool snp;
	uint32_t pcpu_id;
	uint64_t tlb_id;
};

/**
 * machine_svm_run() - VMRUN
 * @machine: AMD
 * @cpu: in host mode with EFER.SVME
 * @vmcb: read now
 *
 * Return: 0; -EINVAL for VMEXIT_INVALID (ASID 0); -EPERM if @cpu is in a guest or
 * SVME is off.
 */
int machine_svm_run(struct machine *machine, unsigned int cpu, struct machine_vmcb *vmcb);

/**
 * machine_svm_exit() - #VMEXIT
 * @machine: AMD
 * @cpu: in a guest
 * @vmcb: the one that runs; gets the guest's registers
 *
 * Return: 0, or -EPERM if @cpu is not in a guest.
 */
int machine_svm_exit(struct machine *machine, unsigned int cpu, struct machine_vmcb *vmcb);

/* Return: 0 (also for addresses that are not canonical), or -EPERM in a guest. */
int machine_invlpga(struct machine *machine, unsigned int cpu, uint64_t address, uint32_t asid);

#define MACHINE_INVLPGB_VA (1u << 0)
#define MACHINE_INVLPGB_PCID (1u << 1)
#define MACHINE_INVLPGB_ASID (1u << 2)
#define MACHINE_INVLPGB_GLOBAL (1u << 3)
#define MACHINE_INVLPGB_FINAL (1u << 4)
#define MACHINE_INVLPGB_NESTED (1u << 5)

/**
 * struct machine_invlpgb - operands of INVLPGB
 * @address: first linear address
 * @flags: MACHINE_INVLPGB_*
 * @extra: further pages
 * @large: they are one level up
 * @asid: with MACHINE_INVLPGB_ASID; in a guest the guest's is taken instead
 * @pcid: with MACHINE_INVLPGB_PCID
 */
struct machine_invlpgb {
	uint64_t address;
	uint32_t flags;
	uint32_t extra;
	bool large;
	uint32_t asid;
	uint16_t pcid;
};

/**
 * machine_invlpgb() - broadcast, not complete before machine_tlbsync() by @cpu
 * @machine: AMD
 * @cpu: the issuer
 * @operands: what to remove
 *
 * In between every CPU may have done it or not; what is filled again in between
 * stays.
 */
void machine_invlpgb(struct machine *machine, unsigned int cpu,
		     const struct machine_invlpgb *operands);
void machine_tlbsync(struct machine *machine, unsigned int cpu);

/* --- events: Intel ----------------------------------------------------------- */

/**
 * struct machine_vmcs - the part of a VMCS that translation depends on
 * @owner: cookie for everything the guest fills
 * @eptp: with @ept; bits 51:12 are the nested tag
 * @registers: the guest's; the exit stores them here
 * @vpid: with @use_vpid, not 0
 * @use_vpid: "enable VPID"
 * @ept: "enable EPT"
 */
struct machine_vmcs {
	uint64_t owner;
	uint64_t eptp;
	struct machine_registers registers;
	uint16_t vpid;
	bool use_vpid;
	bool ept;
};

/* Return: 0; -EINVAL if the entry fails (VPID 0 enabled); -EPERM in a guest. */
int machine_vmx_enter(struct machine *machine, unsigned int cpu, struct machine_vmcs *vmcs);
/* Return: 0, or -EPERM if @cpu is not in a guest. */
int machine_vmx_exit(struct machine *machine, unsigned int cpu, struct machine_vmcs *vmcs);
/* VMFUNC 0. Return: 0, or -EPERM if @cpu is not in a guest with EPT. */
int machine_vmfunc(struct machine *machine, unsigned int cpu, uint64_t eptp);
/* Return: 0, -EINVAL for VMfail, or -EPERM in a guest. */
int machine_invvpid(struct machine *machine, unsigned int cpu, unsigned int type, uint16_t vpid,
		    uint64_t address);
int machine_invept(struct machine *machine, unsigned int cpu, unsigned int type, uint64_t eptp);

/* --- watching ---------------------------------------------------------------- */

/*
 * Every row of the two removal tables (svm.c, vmx.c). Some exist for one vendor
 * only.
 */
#define MACHINE_EVENTS(X)                                                                       \
	X(CR3, "MOV CR3")                                                                       \
	X(CR3_KEEP, "MOV CR3 with bit 63")                                                      \
	X(TASK, "task switch")                                                                  \
	X(PG_OFF, "CR0.PG off")                                                                 \
	X(PG_ON, "CR0.PG on")                                                                   \
	X(CR0_OTHER, "CR0, other bits")                                                         \
	X(PGE, "CR4.PGE changed")                                                               \
	X(PCIDE_OFF, "CR4.PCIDE off")                                                           \
	X(PCIDE_ON, "CR4.PCIDE on")                                                             \
	X(PAE, "CR4.PAE changed")                                                               \
	X(PSE, "CR4.PSE changed")                                                               \
	X(SMEP_ON, "CR4.SMEP on")                                                               \
	X(PKE_ON, "CR4.PKE on")                                                                 \
	X(CR4_OTHER, "CR4, other bits")                                                         \
	X(NXE, "EFER.NXE changed")                                                              \
	X(EFER_OTHER, "EFER, other bits")                                                       \
	X(INVLPG, "INVLPG")                                                                     \
	X(INVPCID_0, "INVPCID 0")                                                               \
	X(INVPCID_1, "INVPCID 1")                                                               \
	X(INVPCID_2, "INVPCID 2")                                                               \
	X(INVPCID_3, "INVPCID 3")                                                               \
	X(MTRR, "WRMSR MTRR")                                                                   \
	X(PAT, "WRMSR PAT")                                                                     \
	X(SMI, "SMI")                                                                           \
	X(RSM, "RSM")                                                                           \
	X(INIT, "INIT")                                                                         \
	X(RESET, "RESET")                                                                       \
	X(OFFLINE, "CPU offline")                                                               \
	X(ONLINE, "CPU online")                                                                 \
	X(PAGE_FAULT, "#PF")                                                                    \
	X(NESTED_FAULT, "nested page fault")                                                    \
	X(VMRUN, "VMRUN, TLB_CONTROL 0")                                                        \
	X(VMRUN_ALL, "VMRUN, TLB_CONTROL 1")                                                    \
	X(VMRUN_ASID, "VMRUN, TLB_CONTROL 3")                                                   \
	X(VMRUN_LOCAL, "VMRUN, TLB_CONTROL 7")                                                  \
	X(VMRUN_SNP, "VMRUN, flush by the SNP hardware")                                        \
	X(VMRUN_FAILED, "VMRUN, VMEXIT_INVALID")                                                \
	X(VMEXIT, "#VMEXIT")                                                                    \
	X(INVLPGA, "INVLPGA")                                                                   \
	X(INVLPGB, "INVLPGB")                                                                   \
	X(TLBSYNC, "TLBSYNC")                                                                   \
	X(VMENTRY, "VM entry with VPID")                                                        \
	X(VMENTRY_0, "VM entry without VPID")                                                   \
	X(VMLEAVE, "VM exit with VPID")                                                         \
	X(VMLEAVE_0, "VM exit without VPID")                                                    \
	X(VMENTRY_FAILED, "VM entry that fails")                                                \
	X(VMFUNC, "VMFUNC 0 with VPID")                                                         \
	X(VMFUNC_0, "VMFUNC 0 without VPID")                                                    \
	X(INVVPID_0, "INVVPID 0")                                                               \
	X(INVVPID_1, "INVVPID 1")                                                               \
	X(INVVPID_2, "INVVPID 2")                                                               \
	X(INVVPID_3, "INVVPID 3")                                                               \
	X(INVEPT_1, "INVEPT 1")                                                                 \
	X(INVEPT_2, "INVEPT 2")                                                                 \
	X(FORGET, "world switch of a forgetful TLB")

enum machine_event {
#define MACHINE_EVENT_ID(id, name) MACHINE_EVENT_##id,
	MACHINE_EVENTS(MACHINE_EVENT_ID)
#undef MACHINE_EVENT_ID
	MACHINE_EVENT_COUNT
};

const char *machine_event_name(enum machine_event event);

/**
 * struct machine_observer - called when set; all may be NULL
 * @cookie: first argument of each
 * @event: an event is about to remove its entries on @cpu
 * @fill: an entry was made, or made again from current tables
 * @removed: an entry is about to go
 * @access: machine_access() has its answer (not while tables are being walked)
 * @assist: the walker set A or D in a word; @value is the new one
 *
 * An observer must not change the machine.
 */
struct machine_observer {
	void *cookie;
	void (*event)(void *cookie, unsigned int cpu, enum machine_event event);
	void (*fill)(void *cookie, unsigned int cpu, const struct machine_entry *entry);
	void (*removed)(void *cookie, unsigned int cpu, const struct machine_entry *entry,
			enum machine_event event);
	void (*access)(void *cookie, unsigned int cpu, uint64_t address,
		       const struct machine_outcomes *outcomes);
	void (*assist)(void *cookie, unsigned int cpu, uint64_t word, uint64_t value);
};

/* NULL switches watching off. The observer is copied. */
void machine_observe(struct machine *machine, const struct machine_observer *observer);

#endif
