/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The words that every other header uses: a tag and a CPU number.
 */
#ifndef TLBTAG_TYPES_H
#define TLBTAG_TYPES_H

#include <tlbtag_port.h>

/* C++ callers find the functions under their C names. */
#ifdef __cplusplus
#define TLBTAG_BEGIN_DECLS extern "C" {
#define TLBTAG_END_DECLS }
#else
#define TLBTAG_BEGIN_DECLS
#define TLBTAG_END_DECLS
#endif

/**
 * typedef tlbtag_t - a TLB tag: an ASID on AMD, a VPID on Intel
 *
 * Tag 0 is the host's on both vendors (APM2 15.25.1, SDM3 28.1); the library
 * never hands it out, so it doubles as "none" (%TLBTAG_NONE).
 */
typedef uint32_t tlbtag_t;

#define TLBTAG_NONE ((tlbtag_t)0)

/**
 * struct tlbtag_cpu - the number of a physical (logical) CPU
 * @nr: 0 .. tlbtag_hw.nr_cpus - 1, or %TLBTAG_CPU_NONE
 *
 * A struct, so that a CPU and a tag cannot be swapped in a call.
 */
struct tlbtag_cpu {
	uint32_t nr;
};

/* "has not run anywhere since it got its tag" */
#define TLBTAG_CPU_NONE UINT32_MAX

/* CPU numbers fit 16 bits in the owner record; 0xffff there means "none". */
#define TLBTAG_CPU_LIMIT 0xffffu

#endif
