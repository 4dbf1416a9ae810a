/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A machine with guests on it, for the tests of machine/.
 *
 * A guest has 16 guest-physical pages in the 16 frames after its @base, mapped by
 * the nested tables at @root (two frames), and 16 linear pages of two levels:
 * its root table is guest page 1, and guest pages 2 to 5 are the tables for the
 * linear pages 0-3, 4-7, 8-11 and 12-15. Nothing is mapped until a test says so,
 * except what the tables themselves need.
 */
#ifndef MACHINE_LAB_H
#define MACHINE_LAB_H

#include "machine/machine.h"
#include "test.h"

#define LAB_FULL (MACHINE_P | MACHINE_RW | MACHINE_US)
#define LAB_EPT_FULL (MACHINE_EPT_R | MACHINE_EPT_W | MACHINE_EPT_X)
#define LAB_CR0 (MACHINE_CR0_PG | MACHINE_CR0_WP)

struct lab {
	struct machine *machine;
	bool amd;
	bool shadow;
};

struct lab_guest {
	uint32_t tag;
	unsigned int root;
	unsigned int base;
	unsigned int cr3_page;
	bool tagged;
	struct machine_vmcb vmcb;
	struct machine_vmcs vmcs;
};

static inline uint64_t lab_page(unsigned int frame)
{
	return (uint64_t)frame * MACHINE_PAGE_SIZE;
}

static inline void lab_open_config(struct lab *lab, const struct machine_config *config)
{
	lab->machine = machine_create(config);
	lab->amd = config->vendor == MACHINE_AMD;
	lab->shadow = false;
	for (unsigned int cpu = 0; cpu < config->cpus; cpu++)
		machine_wrmsr_efer(lab->machine, cpu, MACHINE_EFER_SVME | MACHINE_EFER_NXE);
}

static inline void lab_open(struct lab *lab, enum machine_vendor vendor)
{
	struct machine_config config;

	machine_config_init(&config, vendor);
	lab_open_config(lab, &config);
}

static inline void lab_close(struct lab *lab)
{
	machine_destroy(lab->machine);
}

static inline void lab_word(struct lab *lab, unsigned int frame, unsigned int index, uint64_t value)
{
	CHECK_EQ(machine_write(lab->machine, lab_page(frame) + 8 * index, value), 0);
}

/* The nested entry of a guest page; 0 flags: not present. */
static inline void lab_nested(struct lab *lab, const struct lab_guest *guest, unsigned int page,
			      unsigned int frame, uint64_t flags)
{
	lab_word(lab, guest->root + 1, page, flags ? lab_page(frame) | flags : 0);
}

static inline uint64_t lab_full(const struct lab *lab)
{
	return lab->amd ? LAB_FULL : LAB_EPT_FULL;
}

static inline unsigned int lab_frame(const struct lab_guest *guest, unsigned int page)
{
	return guest->base + page;
}

/* A linear page's entry; @page is a guest page, or with shadow paging a frame. */
static inline void lab_map(struct lab *lab, const struct lab_guest *guest, unsigned int linear,
			   unsigned int page, uint64_t flags)
{
	lab_word(lab, lab_frame(guest, guest->cr3_page + 1 + linear / 4), linear % 4,
		 flags ? lab_page(page) | flags : 0);
}

/* An upper entry: the table for linear pages 4 * @index and on. */
static inline void lab_upper(struct lab *lab, const struct lab_guest *guest, unsigned int index,
			     uint64_t value)
{
	lab_word(lab, lab_frame(guest, guest->cr3_page), index, value);
}

static inline uint64_t lab_upper_value(const struct lab *lab, const struct lab_guest *guest,
				       unsigned int index)
{
	unsigned int page = guest->cr3_page + 1 + index;

	return lab_page(lab->shadow ? lab_frame(guest, page) : page) | LAB_FULL;
}

/* CR3 and whatever else the guest starts with. */
static inline void lab_registers(struct lab *lab, struct lab_guest *guest, uint64_t cr3_extra,
				 uint64_t cr4)
{
	unsigned int page = lab->shadow ? lab_frame(guest, guest->cr3_page) : guest->cr3_page;
	struct machine_registers registers = { LAB_CR0, lab_page(page) | cr3_extra, cr4,
					       MACHINE_EFER_NXE };

	guest->vmcb.registers = registers;
	guest->vmcs.registers = registers;
}

/* Its control blocks say what its fields say. */
static inline void lab_apply(struct lab *lab, struct lab_guest *guest, uint64_t owner)
{
	guest->vmcb.address = lab_page(guest->root) + 1;
	guest->vmcb.owner = owner;
	guest->vmcb.ncr3 = lab_page(guest->root);
	guest->vmcb.asid = guest->tag;
	guest->vmcb.np_enable = !lab->shadow;
	guest->vmcs.owner = owner;
	guest->vmcs.eptp = lab_page(guest->root) | MACHINE_EPTP_AD;
	guest->vmcs.vpid = guest->tag;
	guest->vmcs.use_vpid = guest->tagged;
	guest->vmcs.ept = !lab->shadow;
}

/* A guest with all its tables linked and no linear page mapped. */
static inline struct lab_guest lab_guest(struct lab *lab, uint32_t tag, unsigned int root,
					 unsigned int base)
{
	struct lab_guest guest = { .tag = tag, .root = root, .base = base, .cr3_page = 1 };

	guest.tagged = true;
	lab_apply(lab, &guest, 0x1000 + tag * 16 + base);
	lab_registers(lab, &guest, 0, 0);
	lab_word(lab, root, 0, lab_page(root + 1) | lab_full(lab));
	for (unsigned int page = 0; page < 16; page++)
		lab_nested(lab, &guest, page, base + page, lab_full(lab));
	for (unsigned int i = 0; i < 4; i++)
		lab_upper(lab, &guest, i, lab_upper_value(lab, &guest, i));
	return guest;
}

static inline int lab_enter_flush(struct lab *lab, unsigned int cpu, struct lab_guest *guest,
				  uint8_t tlb_control)
{
	guest->vmcb.tlb_control = tlb_control;
	return lab->amd ? machine_svm_run(lab->machine, cpu, &guest->vmcb) :
			  machine_vmx_enter(lab->machine, cpu, &guest->vmcs);
}

static inline void lab_enter(struct lab *lab, unsigned int cpu, struct lab_guest *guest)
{
	CHECK_EQ(lab_enter_flush(lab, cpu, guest, MACHINE_TLB_NONE), 0);
}

static inline void lab_exit(struct lab *lab, unsigned int cpu, struct lab_guest *guest)
{
	int error = lab->amd ? machine_svm_exit(lab->machine, cpu, &guest->vmcb) :
			       machine_vmx_exit(lab->machine, cpu, &guest->vmcs);

	CHECK_EQ(error, 0);
}

/* May an access of this type end with this result, and in this frame if OK? */
static inline bool lab_may_be(struct lab *lab, unsigned int cpu, uint64_t address, uint32_t access,
			      const struct machine_outcome *wanted)
{
	const struct machine_outcomes *outcomes;

	outcomes = machine_access(lab->machine, cpu, address, access);
	for (unsigned int i = 0; i < outcomes->count; i++) {
		const struct machine_outcome *outcome = &outcomes->list[i];

		if (outcome->result == wanted->result &&
		    (outcome->result != MACHINE_OK || outcome->page == wanted->page))
			return true;
	}
	return false;
}

/* May a read of a linear page come from this frame? */
static inline bool lab_may(struct lab *lab, unsigned int cpu, unsigned int linear,
			   unsigned int frame)
{
	const struct machine_outcome wanted = { .result = MACHINE_OK, .page = lab_page(frame) };

	return lab_may_be(lab, cpu, lab_page(linear), MACHINE_READ, &wanted);
}

static inline bool lab_may_fail(struct lab *lab, unsigned int cpu, unsigned int linear,
				enum machine_result result)
{
	const struct machine_outcome wanted = { .result = result };

	return lab_may_be(lab, cpu, lab_page(linear), MACHINE_READ, &wanted);
}

/* Must a read come from this frame? */
static inline bool lab_must(struct lab *lab, unsigned int cpu, unsigned int linear,
			    unsigned int frame)
{
	const struct machine_outcomes *outcomes =
		machine_access(lab->machine, cpu, lab_page(linear), MACHINE_READ);

	for (unsigned int i = 0; i < outcomes->count; i++) {
		if (outcomes->list[i].result != MACHINE_OK ||
		    outcomes->list[i].page != lab_page(frame))
			return false;
	}
	return true;
}

#endif
