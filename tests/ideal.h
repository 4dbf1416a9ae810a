/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ideal: recordings of a kernel with separate tags that flushes what it must
 * and no more. The library decides; whatever a recording of stock KVM, or a
 * made-up one, says of the entries is replaced by what this kernel would do.
 */
#ifndef TEST_IDEAL_H
#define TEST_IDEAL_H

#include "../replay/event.h"

/**
 * struct ideal_options - the kernel and its hardware
 * @tags: how many
 * @contexts: L2 contexts of a vCPU
 * @flush_by_asid: FLUSHBYASID
 */
struct ideal_options {
	uint32_t tags;
	uint32_t contexts;
	bool flush_by_asid;
};

/* Events that grow as they are written. */
struct recording {
	struct event *events;
	size_t count;
	size_t capacity;
};

void recording_add(struct recording *recording, const struct event *event);
void recording_free(struct recording *recording);

/**
 * ideal_record() - what the ideal kernel's recording would show
 * @causes: events; the ASID and TLB_CONTROL of entries do not matter
 * @options: the kernel
 * @recording: the same, with entries as the kernel would make them, and an
 *	address flushed after each INVLPGA that is carried out at once
 */
void ideal_record(const struct recording *causes, const struct ideal_options *options,
		  struct recording *recording);

/* The recording as ftrace would print it, line @where for event @where. */
void ideal_print(const struct recording *recording, FILE *file);

/**
 * ideal_causes() - some thousand random events that make sense
 * @seed: any
 * @count: how many, roughly
 * @causes: receives them
 *
 * Two VMs of two vCPUs on three CPUs; L1s with six ASIDs.
 */
void ideal_causes(uint64_t seed, size_t count, struct recording *causes);

#endif
