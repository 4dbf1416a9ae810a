/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * hw: what the processors of this machine offer, filled in by the embedder once.
 */
#ifndef TLBTAG_HW_H
#define TLBTAG_HW_H

#include <tlbtag/types.h>

TLBTAG_BEGIN_DECLS

/**
 * enum tlbtag_vendor - whose tags these are
 * @TLBTAG_AMD: ASIDs
 * @TLBTAG_INTEL: VPIDs
 */
enum tlbtag_vendor {
	TLBTAG_AMD = 0,
	TLBTAG_INTEL = 1,
};

/**
 * struct tlbtag_hw - the machine
 * @vendor: AMD or Intel
 * @nr_tags: how many tags there are, tag 0 included: CPUID 8000_000A.EBX on
 *	AMD, 65536 on Intel
 * @nr_cpus: CPU numbers are below this; 1 .. TLBTAG_CPU_LIMIT
 * @flush_by_tag: a single tag can be flushed: FLUSHBYASID, CPUID 8000_000A.EDX
 *	bit 6; single-context INVVPID
 * @tag_covers_guest_physical: flushing a tag also drops guest-physical
 *	translations: true on AMD, false on Intel (SPEC G)
 * @nested_paging: L0 uses NPT or EPT, not shadow paging
 * @invlpga_unreliable: INVLPGA must not be relied on for entries made under
 *	NPT (errata of several generations; MACHINE Q1)
 */
struct tlbtag_hw {
	enum tlbtag_vendor vendor;
	uint32_t nr_tags;
	uint32_t nr_cpus;
	bool flush_by_tag;
	bool tag_covers_guest_physical;
	bool nested_paging;
	bool invlpga_unreliable;
};

/**
 * tlbtag_hw_check() - refuse what no machine can be
 * @hw: the machine
 *
 * Context: any.
 * Return: 0; -EINVAL if @nr_tags is below 2, @nr_cpus is out of range, an AMD
 * machine claims that a tag does not cover guest-physical translations, or an
 * Intel machine that it does, has no flush by tag, or more than 65536 tags.
 * Source: APM2 15.16; SDM3 28.3.
 */
int tlbtag_hw_check(const struct tlbtag_hw *hw);

TLBTAG_END_DECLS

#endif
