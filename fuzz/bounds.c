/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The bounds hold at each entry, not only in the sum: where the rules demand a
 * flush the library makes one, and with tags for everybody it makes no other.
 * Without FLUSHBYASID one flush serves several contexts, so that it may make fewer.
 */
#include "bounds.h"

#include <stdlib.h>
#include <string.h>
#include <tlbtag_port.h>

void require(bool held)
{
	if (!held)
		abort();
}

struct bounds *bounds_begin(uint8_t choice)
{
	static const uint32_t asids[] = { 32768, 3, 4, 5, 8, 16, 32768, 32768 };
	struct bounds *bounds = calloc(1, sizeof(*bounds));

	require(bounds != NULL);
	bounds->machine.asids = asids[choice % 8];
	bounds->machine.asids_from = choice & 8 ? SOURCE_GIVEN : SOURCE_ASSUMED;
	bounds->machine.flush_by_asid = choice & 16;
	bounds->machine.flush_by_asid_from = choice & 32 ? SOURCE_GIVEN : SOURCE_ASSUMED;
	bounds->by_asid = bounds->machine.flush_by_asid;
	bounds->ample = bounds->machine.asids == 32768;
	for (size_t i = 0; policies[i]; i++) {
		bounds->state[i] = policies[i]->create(&bounds->machine);
		require(bounds->state[i] != NULL);
	}
	return bounds;
}

static uint32_t find(const struct policy_ops *ops)
{
	uint32_t i = 0;

	while (policies[i] != ops)
		i++;
	return i;
}

/* What a policy and its lower bound say of one entry. */
static void check_pair(const struct bounds *bounds, const uint32_t *why,
		       const struct policy_ops *ours, const struct policy_ops *bound)
{
	uint32_t our_why = why[find(ours)];
	uint32_t demanded = why[find(bound)];

	require(our_why || !demanded || !bounds->by_asid);
	require(!our_why || demanded || !bounds->ample);
	require(!(our_why & WHY(UNKNOWN)));
	if (bounds->ample && our_why)
		require(reason_of(our_why) == reason_of(demanded));
}

void bounds_feed(struct bounds *bounds, const struct event *event)
{
	uint32_t why[REPLAY_POLICIES] = { 0 };

	require(event_order_check(&bounds->order, event) == NULL);
	for (size_t i = 0; policies[i]; i++) {
		why[i] = policies[i]->event(bounds->state[i], event);
		require(event->kind == EVENT_ENTER || !why[i]);
		require(why[i] < 1u << REASON_COUNT);
		bounds->flushes[i] += why[i] != 0;
	}
	check_pair(bounds, why, &policy_tlbtag, &policy_needed);
	check_pair(bounds, why, &policy_tlbtag_k1, &policy_needed_k1);
	/* More contexts never need more flushes. */
	require(why[find(&policy_needed_k1)] || !why[find(&policy_needed)]);
}

void bounds_end(struct bounds *bounds)
{
	struct policy_counts counts[REPLAY_POLICIES];

	memset(counts, 0, sizeof(counts));
	for (size_t i = 0; policies[i]; i++) {
		policies[i]->finish(bounds->state[i], &counts[i]);
		for (int reason = 0; reason < REASON_COUNT; reason++)
			require(!counts[i].flushes[reason]);
		policies[i]->destroy(bounds->state[i]);
	}
	if (bounds->ample) {
		require(counts[find(&policy_tlbtag)].mmu_syncs ==
			counts[find(&policy_needed)].mmu_syncs);
		require(counts[find(&policy_tlbtag_k1)].mmu_syncs ==
			counts[find(&policy_needed_k1)].mmu_syncs);
	}
	/* What the library doubts is a call that it should not have got. */
	require(tlbtag_sim_warnings() == 0);
	free(bounds);
}
