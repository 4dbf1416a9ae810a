/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the files of vmm/ know of each other. Users include vmm.h.
 *
 * Words: a frame is a page of the machine, a gfn one of a guest's memory (L1's),
 * an n2fn one of the memory that L1 gives to L2, a page one of the four linear
 * pages of every guest. A context is L1 of a vCPU (0), or L2 under one of L1's ASIDs
 * or VPIDs (its number), or on Intel under none (CONTEXT_NO_VPID).
 */
#ifndef VMM_INSIDE_H
#define VMM_INSIDE_H

#include "vmm.h"

#include <machine/machine.h>
#include <tlbtag/rules.h>
#include <tlbtag/tlbtag.h>

#define VMM_CPUS_MAX 4u
#define VMM_VMS_MAX 3u
#define VMM_VCPUS_MAX 4u
#define VMM_TAGS_MAX 64u
#define VMM_FRAMES 256u
#define VMM_PAGES 4u
#define VMM_GFNS 16u
/* Words of a page that anybody ever uses: the entries of a nested table. */
#define VMM_WORDS 4u
#define VMM_ROOTS 4u
#define VMM_ASIDS 3u
#define CONTEXT_NO_VPID (1 + VMM_ASIDS)
#define VMM_CONTEXTS (2 + VMM_ASIDS)
/* More entries than this for one operation are no progress. */
#define VMM_TRIES 64u

/* Where things are in a guest's memory. vCPUs with odd numbers use table 1. */
#define GFN_L1_ROOT(table) (2u * (table))
#define GFN_L1_LEAF(table) (2u * (table) + 1)
#define GFN_NESTED_ROOT(which) (4u + 2 * (which))
#define GFN_NESTED_LEAF(which) (5u + 2 * (which))
#define GFN_L2_ROOT 8u
#define GFN_L2_LEAF 9u
#define GFN_SPARE 10u
#define GFN_DATA 12u
#define GFN_DATA_COUNT 4u
/* Where L2 finds its own things in the memory that L1 gives it. */
#define N2FN_ROOT 0u
#define N2FN_LEAF 1u
#define N2FN_DATA 2u
#define N2FNS 4u

#define ENTRY (MACHINE_P | MACHINE_RW | MACHINE_US)

enum vmm_frame_use {
	FRAME_FREE = 0,
	FRAME_GUEST = 1,
	FRAME_TABLE = 2,
	FRAME_STRANGER = 3,
};

/**
 * struct vmm_frame - L0's book about a frame
 * @use: what it is
 * @vm, @gfn: FRAME_GUEST: whose, and what for
 * @taken_at: step at which it was taken from its latest holder
 */
struct vmm_frame {
	uint8_t use;
	uint8_t vm;
	uint8_t gfn;
	uint32_t taken_at;
};

/**
 * struct vmm_table - a table of L0, two levels; frame 0 is none
 * @bits: of an address that one level translates: 2 nested, 1 linear
 * @root: its frame
 * @leaf: the frames of the lower level
 * @stands_for: of a shadow: the gfn of L1's table that @leaf shadows
 * @made: vmm.now when it was built
 */
struct vmm_table {
	uint8_t bits;
	uint16_t root;
	uint16_t leaf[4];
	uint8_t stands_for[4];
	uint64_t made;
};

/**
 * struct vmm_shadow - a table of L0 that stands for a table of L1
 * @key: gfn of L1's root
 * @linear: shadows a linear table, not a nested one
 * @l2: of the linear table of an L2
 * @outdated: L1 executed INVEPT for it
 * @set_at: step at which each entry was made
 * @used_at: when it was loaded last, for eviction
 */
struct vmm_shadow {
	bool used;
	bool linear;
	bool l2;
	bool outdated;
	uint8_t key;
	struct vmm_table table;
	struct tlbtag_root sync;
	uint64_t used_at;
	uint32_t set_at[VMM_GFNS];
};

/* So many of the latest demands are remembered, for explanations. */
#define VMM_DEMANDS 8u

/**
 * struct vmm_demand - somebody wanted something gone
 * @step: when
 * @rule: the rule that is about it
 * @page: the linear page, or VMM_PAGES for everything
 */
struct vmm_demand {
	uint32_t step;
	uint32_t rule;
	uint8_t page;
};

/**
 * struct vmm_entry - what an entry did about tags, for the books
 * @tag: that it loaded
 * @flushes: it flushed
 * @narrow: with an instruction that does not reach all
 * @by_root: with INVEPT
 * @why: as the plan says
 */
struct vmm_entry {
	uint32_t tag;
	bool flushes;
	bool narrow;
	bool by_root;
	uint32_t why;
};

/**
 * struct vmm_view - what the oracle knows of a context, besides the machine
 * @cpu: of its latest entry
 * @asked: time of the latest demand to flush it
 * @elsewhere: time of its latest entry on another CPU than @cpu
 * @demand, @demand_count: the book of demands, a ring
 * @came_from: CPU of the entry before the latest
 * @entered, @entered_at: time and step of the latest
 * @latest: what it did
 * @root_rule, @root_at: Intel: an entry with another root, or one built anew, that did
 *	not flush it: by which rule it should have, and its step
 * @failed_at: step of the latest entry that the hardware refused
 * @moved_at: step of its latest entry on another CPU
 * @root: Intel: EPTP of its latest entry
 * @nested_root: which of its nested tables L1 used then
 */
struct vmm_view {
	uint32_t cpu;
	uint64_t asked;
	uint64_t elsewhere;
	struct vmm_demand demand[VMM_DEMANDS];
	uint32_t demand_count;
	uint32_t came_from;
	uint64_t entered;
	uint32_t entered_at;
	struct vmm_entry latest;
	uint32_t root_rule;
	uint32_t root_at;
	uint32_t failed_at;
	uint32_t moved_at;
	uint64_t root;
	uint8_t nested_root;
};

/* Who left translations under a tag on a CPU, and when. */
struct vmm_trace {
	uint64_t owner;
	uint64_t time;
};

/* What a peer's policy keeps for a context. */
struct vmm_peer_context {
	uint32_t tag;
	uint32_t cpu;
	uint64_t generation;
	bool flush;
	uint64_t requests;
	uint64_t done[VMM_CPUS_MAX];
	bool ran[VMM_CPUS_MAX];
};

#define VMM_QUEUE 2u

/**
 * struct vmm_queue - addresses that other vCPUs want gone
 * @overflow: there were more: everything
 * @count: of @page
 */
struct vmm_queue {
	bool overflow;
	uint8_t count;
	uint8_t page[VMM_QUEUE];
};

struct vmm_vcpu {
	bool alive;
	bool in_guest;
	bool svme;
	bool in_l2;
	/* a paravirtual flush waits for the next entry */
	bool pv_flag;
	uint8_t vm;
	uint8_t nr;
	uint32_t lifetime;
	uint32_t cpu;
	struct tlbtag_vcpu tags;
	/* of L1 and L2; L1's own for L2 on the reference; what L1 wrote */
	struct machine_vmcb vmcb[2];
	struct machine_vmcb l1_vmcb;
	struct tlbtag_vmcb12 vmcb12;
	struct machine_vmcs vmcs[2];
	struct machine_vmcs l1_vmcs;
	struct tlbtag_vmcs12 vmcs12;
	/* of L1 and of L2; somebody wrote to one of them */
	struct vmm_queue queue[2];
	bool queue_request;
	uint32_t purged_at;
	/* which of its tables L1 runs on */
	uint8_t l1_table;
	/* which L2 is the active one, or was */
	uint8_t l2_context;
	uint8_t nested_root;
	uint64_t root_made;
	struct vmm_shadow shadow[VMM_ROOTS];
	struct vmm_view view[VMM_CONTEXTS];
	struct vmm_peer_context peer[VMM_CONTEXTS];
	/* for faults: a request to sync; the step of the latest load */
	bool sync_wanted;
	uint32_t started_at;
};

struct vmm_vm {
	bool alive;
	uint8_t nr;
	uint32_t lifetime;
	struct tlbtag_vm tags;
	union tlbtag_owner_word owner[4];
	uint64_t memory[VMM_GFNS][VMM_WORDS];
	uint16_t frame[VMM_GFNS];
	bool writable[VMM_GFNS];
	struct vmm_table npt;
	struct vmm_vcpu vcpu[VMM_VCPUS_MAX];
	struct machine *reference;
};

struct vmm_cpu {
	bool online;
	struct vmm_vcpu *running;
	/* a generation of ASIDs, for peers */
	uint64_t generation;
	uint32_t next;
	bool flush_due;
	const struct vmm_vcpu *last[VMM_TAGS_MAX + 1];
};

struct vmm {
	struct vmm_config config;
	struct machine *machine;
	struct machine_config machine_config;
	struct vmm_frame frames[VMM_FRAMES];
	uint16_t free[VMM_FRAMES];
	uint32_t free_count;
	uint64_t pool_words[16];
	struct tlbtag_pool pool;
	struct tlbtag_host_cpu host_cpu[VMM_CPUS_MAX];
	struct tlbtag_host host;
	struct vmm_cpu cpu[VMM_CPUS_MAX];
	struct vmm_vm vm[VMM_VMS_MAX];
	struct vmm_table stranger;
	struct vmm_trace left[VMM_CPUS_MAX][VMM_TAGS_MAX + 1];
	struct vmm_counts counts;
	struct vmm_verdict verdict;
	uint64_t now;
	uint32_t lifetimes;
	uint32_t step;
	uint64_t *clocks;
	uint32_t clock_capacity;
	/* equal stamps, equal answers: see oracle.c */
	struct {
		uint64_t machine;
		uint64_t reference;
		uint64_t now;
		const struct vmm_vcpu *vcpu;
	} probed[VMM_CPUS_MAX];
};

/* --- fault.c */

#include "fault.h"

static inline bool vmm_has_fault(const struct vmm *vmm, enum vmm_fault_id fault)
{
	return vmm->config.fault == (uint32_t)fault;
}

/* --- world.c */

uint64_t vmm_owner(const struct vmm *vmm, const struct vmm_vcpu *vcpu);
void vmm_vcpu_start(struct vmm *vmm, struct vmm_vcpu *vcpu);
void vmm_vcpu_end(struct vmm *vmm, struct vmm_vcpu *vcpu);
/* The library's part of start and end: tags. */
void vmm_vcpu_start_tags(struct vmm *vmm, struct vmm_vcpu *vcpu);
void vmm_vcpu_end_tags(struct vmm *vmm, struct vmm_vcpu *vcpu);
void vmm_vm_start(struct vmm *vmm, struct vmm_vm *vm);
void vmm_vm_end(struct vmm *vmm, struct vmm_vm *vm);
void vmm_stranger_run(struct vmm *vmm, uint32_t cpu);
struct machine_registers vmm_registers(const struct vmm *vmm, const struct vmm_vcpu *vcpu,
				       bool l2);

static inline struct vmm_vm *vmm_vm_of(struct vmm *vmm, const struct vmm_vcpu *vcpu)
{
	return &vmm->vm[vcpu->vm];
}

static inline struct tlbtag_cpu vmm_on(uint32_t cpu)
{
	return (struct tlbtag_cpu){ cpu };
}

/* The context that is active: 0, or the ASID. */
static inline uint32_t vmm_context_of(const struct vmm_vcpu *vcpu)
{
	return vcpu->in_l2 ? vcpu->l2_context : 0;
}

/* What is known of it. */
static inline const struct vmm_view *vmm_view_of(const struct vmm_vcpu *vcpu)
{
	return &vcpu->view[vmm_context_of(vcpu)];
}

/* What the processor loads of a guest: from the VMCB or the VMCS. */
static inline struct machine_registers *vmm_registers_of(const struct vmm *vmm,
							 struct vmm_vcpu *vcpu, bool l2)
{
	return vmm->config.intel ? &vcpu->vmcs[l2].registers : &vcpu->vmcb[l2].registers;
}

static inline uint32_t vmm_tag_of(const struct vmm *vmm, const struct vmm_vcpu *vcpu)
{
	const struct machine_vmcs *vmcs = &vcpu->vmcs[vcpu->in_l2];

	if (!vmm->config.intel)
		return vcpu->vmcb[vcpu->in_l2].asid;
	return vmcs->use_vpid ? vmcs->vpid : 0;
}

/* --- mmu.c */

uint16_t vmm_frame_take(struct vmm *vmm, enum vmm_frame_use use);
void vmm_frame_give(struct vmm *vmm, uint16_t frame);
void vmm_table_set(struct vmm *vmm, struct vmm_table *table, uint32_t index, uint64_t value);
uint64_t vmm_table_get(const struct vmm *vmm, const struct vmm_table *table, uint32_t index);
void vmm_table_free(struct vmm *vmm, struct vmm_table *table);
void vmm_guest_write(struct vmm *vmm, struct vmm_vm *vm, uint32_t gfn, uint32_t word,
		     uint64_t value);

enum vmm_fault_answer {
	FAULT_FIXED = 0,
	/* L1 gets an NPF */
	FAULT_REFLECTED = 1,
	/* shadow paging: the guest gets a #PF */
	FAULT_GUESTS = 2,
};

enum vmm_fault_answer vmm_mmu_fault(struct vmm *vmm, struct vmm_vcpu *vcpu, uint64_t address,
				    bool write);
/* The root for the next entry, in the VMCB. */
void vmm_mmu_load(struct vmm *vmm, struct vmm_vcpu *vcpu);
void vmm_mmu_drop_shadows(struct vmm *vmm, struct vmm_vcpu *vcpu);
/* INVEPT of L1: the nested roots that it names. */
void vmm_mmu_sync_roots(struct vmm_vcpu *vcpu,
			const struct tlbtag_invept *invept);
void vmm_mmu_sync_page(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t page);
void vmm_mmu_drop_page(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t page);
/* The root that the active context is shadowed by, or NULL. */
const struct vmm_shadow *vmm_mmu_shadow(const struct vmm *vmm, struct vmm_vcpu *vcpu);
/* Step at which the entry that L1's tables do not bear out was made, or NONE. */
uint32_t vmm_mmu_stale_since(const struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t page,
			     uint64_t gpa);
void vmm_mmu_unmap(struct vmm *vmm, struct vmm_vm *vm, uint32_t gfn);
void vmm_mmu_protect(struct vmm *vmm, struct vmm_vm *vm, uint32_t gfn);

/* --- svm.c, vmx.c */

/* Plan and enter. Return: true if the hardware took it, or seems to have. */
bool vmm_svm_enter(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t cpu, bool fails,
		   struct vmm_entry *entry);
bool vmm_vmx_enter(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t cpu, bool fails,
		   struct vmm_entry *entry);
void vmm_svm_exit(struct vmm *vmm, struct vmm_vcpu *vcpu);
void vmm_vmx_exit(struct vmm *vmm, struct vmm_vcpu *vcpu);
void vmm_vmx_do(struct vmm *vmm, uint32_t cpu, const struct tlbtag_vmx_op *op);

/* --- run.c */

bool vmm_enter(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t cpu, bool fails);
void vmm_exit(struct vmm *vmm, struct vmm_vcpu *vcpu);
/* What other CPUs' TLBs hold of this VM must go; returns when it is acknowledged. */
void vmm_flush_vm(struct vmm *vmm, struct vmm_vm *vm, struct vmm_vcpu *by);
/* What the library says is owed before an entry. */
void vmm_work(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t work);
/* A flush of the active context, done by the guest itself or for it. */
void vmm_flush_active(struct vmm *vmm, struct vmm_vcpu *vcpu, enum tlbtag_flush flush);
/* One address of the active context. */
void vmm_invalidate(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t cpu, uint64_t address);

/* --- queue.c */

/* @level: 0 for L1, 1 for L2. The vCPU is to be kicked out of guest mode then. */
void vmm_queue_add(struct vmm_vcpu *vcpu, uint32_t level, uint32_t page);
void vmm_queue_work(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t work);
void vmm_queue_drain(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t cpu);

/* --- peer.c */

void vmm_peer_plan(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t cpu,
		   struct tlbtag_plan *plan);
void vmm_peer_took(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t cpu);
void vmm_peer_forget(struct vmm *vmm, const struct vmm_vcpu *vcpu);

/* --- guest.c */

void vmm_reference_start(struct vmm *vmm, struct vmm_vcpu *vcpu);
void vmm_reference_boot(struct vmm *vmm, struct vmm_vcpu *vcpu);
bool vmm_access(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t page, uint32_t access);
void vmm_reference_exit(struct vmm *vmm, struct vmm_vcpu *vcpu);
/* Back into the L2 that was left, with nothing flushed. */
void vmm_reference_resume(struct vmm *vmm, struct vmm_vcpu *vcpu);
void vmm_nested_exit(struct vmm *vmm, struct vmm_vcpu *vcpu);

/* --- oracle.c */

void vmm_check_access(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t page, uint32_t access);
void vmm_probe(struct vmm *vmm);
void vmm_note_entry(struct vmm *vmm, struct vmm_vcpu *vcpu, const struct vmm_entry *entry);
void vmm_assist(void *cookie, unsigned int cpu, uint64_t word, uint64_t value);

/* --- blame.c, words.c */

/* Who an owner cookie stands for. */
struct vmm_who {
	bool intel;
	bool stranger;
	uint8_t vm;
	uint8_t vcpu;
	uint8_t context;
	uint64_t lives;
};

struct vmm_who vmm_who(const struct vmm *vmm, uint64_t owner);

/* A demand to flush: the library is told by the caller, this is for the oracle. */
void vmm_ask(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t context, uint32_t rule);
void vmm_ask_all(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t rule);
/* One that is carried out at once. */
void vmm_ask_page(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t context, uint32_t rule,
		  uint32_t page);

/* What an outcome that is wrong says. */
struct vmm_finding {
	enum vmm_wrong wrong;
	const struct vmm_vcpu *vcpu;
	uint64_t address;
	uint32_t access;
	const struct machine_outcome *outcome;
};

void vmm_find(struct vmm *vmm, const struct vmm_finding *finding);
/* Fill in since when, what should have removed it, and by which rule. */
void vmm_blame(const struct vmm *vmm, const struct vmm_finding *finding,
	       struct vmm_verdict *verdict, const struct vmm_who *who);
void vmm_complain(struct vmm *vmm, enum vmm_wrong wrong, const struct vmm_vcpu *vcpu,
		  const char *what);
uint32_t vmm_step_of(const struct vmm *vmm, uint64_t clock);

#endif
