/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * bounds: all policies over the same events, and what must hold between them
 * whatever the events are.
 */
#ifndef TLBTAG_FUZZ_BOUNDS_H
#define TLBTAG_FUZZ_BOUNDS_H

#include "../replay/policy.h"
#include "../replay/replay.h"

/**
 * struct bounds - one run
 * @machine: the hardware
 * @order: what makes sense as the next event
 * @state: of each policy, in the order of policies[]
 * @flushes: of each policy
 * @by_asid: the policies were made for hardware with FLUSHBYASID
 * @ample: there are more ASIDs than contexts can be
 */
struct bounds {
	struct machine machine;
	struct event_order order;
	void *state[REPLAY_POLICIES];
	uint64_t flushes[REPLAY_POLICIES];
	bool by_asid;
	bool ample;
};

/* Aborts unless @held. */
void require(bool held);

/* @choice picks the hardware. */
struct bounds *bounds_begin(uint8_t choice);

/* Aborts if the event breaks its order, or a policy breaks a bound at it. */
void bounds_feed(struct bounds *bounds, const struct event *event);

/* Aborts if the counts do not fit together; gives everything back. */
void bounds_end(struct bounds *bounds);

#endif
