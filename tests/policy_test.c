/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * policy: each way of managing tags on short stories, its exhaustion rule
 * included. A story is a line of words; the answer is the reason of each entry.
 *
 *	b0 b1		birth of vCPU 0, 1 (b0+ : in a VM of its own)
 *	0@1		vCPU 0 enters on CPU 1, at the level that is active
 *	n0:3 n0:3/1	vCPU 0's L1 enters ASID 3, with TLB_CONTROL 1
 *	x0 t0 z0	back to L1; a transition flush of stock KVM; reset
 *	a0 c0 g0 p0	flush all, current, guest, PV
 *	r0 i0@1		remote flush; an address invalidated on CPU 1
 *	l0@1		vCPU 0 is loaded on CPU 1
 */
#include "../replay/policy.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

struct player {
	const struct policy_ops *ops;
	void *state;
	uint32_t vm[10];
	uint32_t level[10];
	char answer[1024];
};

static void answer(struct player *player, uint32_t why)
{
	size_t at = strlen(player->answer);

	snprintf(player->answer + at, sizeof(player->answer) - at, "%s%s", at ? " " : "",
		 why ? reason_name(reason_of(why)) : "-");
}

static enum event_kind kind_of(char letter)
{
	switch (letter) {
	case 'b':
		return EVENT_BIRTH;
	case 'n':
		return EVENT_NESTED_ENTER;
	case 'x':
		return EVENT_NESTED_EXIT;
	case 'z':
		return EVENT_RESET;
	case 't':
		return EVENT_TRANSITION;
	case 'a':
		return EVENT_FLUSH_ALL;
	case 'c':
		return EVENT_FLUSH_CURRENT;
	case 'g':
		return EVENT_FLUSH_GUEST;
	case 'p':
		return EVENT_FLUSH_PV;
	case 'r':
		return EVENT_FLUSH_REMOTE;
	case 'i':
		return EVENT_FLUSH_ADDRESS;
	case 'l':
		return EVENT_LOAD;
	}
	return EVENT_ENTER;
}

static void play_word(struct player *player, const char *word)
{
	struct event event = {
		.kind = kind_of(word[0]),
		.asid = EVENT_UNKNOWN,
		.tlb_control = EVENT_UNKNOWN,
		.root = 0x5000,
	};
	const char *at = word + (event.kind != EVENT_ENTER);
	const char *place = strchr(word, '@');
	uint32_t why;

	event.vcpu = (uint32_t)(*at - '0');
	if (place)
		event.cpu = (uint32_t)atoi(place + 1);
	if (event.kind == EVENT_NESTED_ENTER) {
		event.asid = (uint32_t)atoi(at + 2);
		event.tlb_control = strchr(at, '/') ? (uint32_t)atoi(strchr(at, '/') + 1) : 0;
		player->level[event.vcpu] = 2;
	}
	if (event.kind == EVENT_NESTED_EXIT || event.kind == EVENT_BIRTH ||
	    event.kind == EVENT_RESET)
		player->level[event.vcpu] = 1;
	if (event.kind == EVENT_BIRTH)
		player->vm[event.vcpu] = at[1] == '+' ? event.vcpu + 1 : 0;
	event.vm = player->vm[event.vcpu];
	event.level = player->level[event.vcpu];
	why = player->ops->event(player->state, &event);
	if (event.kind == EVENT_ENTER)
		answer(player, why);
	else
		CHECK_EQ(why, 0);
}

static struct policy_counts play(const char *policy, struct machine machine, const char *story,
				 const char *expected)
{
	struct player player = { .ops = policy_find(policy) };
	struct policy_counts counts = { .tags = 0 };
	char copy[512];
	char *rest;

	if (!CHECK(player.ops != NULL))
		return counts;
	player.state = player.ops->create(&machine);
	snprintf(copy, sizeof(copy), "%s", story);
	for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		play_word(&player, word);
	CHECK_STR_EQ(player.answer, expected);
	player.ops->finish(player.state, &counts);
	player.ops->destroy(player.state);
	return counts;
}

static struct machine machine(uint32_t asids, bool flush_by_asid)
{
	return (struct machine){ asids, SOURCE_GIVEN, flush_by_asid, SOURCE_GIVEN };
}

#define SERVER machine(32768, true)
#define OLD machine(32768, false)

TEST(policy_every_name_is_found)
{
	for (size_t i = 0; policies[i]; i++)
		CHECK(policy_find(policies[i]->name) == policies[i]);
	CHECK(policy_find("nobody") == NULL);
}

TEST(policy_reasons_have_names)
{
	for (int i = 0; i < REASON_COUNT; i++) {
		CHECK(strlen(reason_name((enum reason)i)) > 0);
		CHECK(strlen(reason_meaning((enum reason)i)) > 0);
	}
	CHECK_EQ(reason_of(WHY(TRANSITION) | WHY(MOVED)), REASON_MOVED);
}

/* --- kvm --------------------------------------------------------------- */

TEST(policy_kvm_flushes_at_each_transition)
{
	struct policy_counts counts = play(
		"kvm", SERVER, "b0 0@0 n0:1 t0 0@0 0@0 x0 t0 0@0 0@0 n0:1 t0 0@0",
		"first-use first-use - transition - transition");

	CHECK_EQ(counts.mmu_syncs, 3);
	CHECK_EQ(counts.tags, 2);
}

/* vmcb02 takes a new ASID, and with it changes that of vmcb01. */
TEST(policy_kvm_levels_share_the_asid)
{
	play("kvm", SERVER, "b0 0@0 n0:1 0@0 x0 0@0 0@0 n0:1 0@0",
	     "first-use first-use other-level - -");
}

/* A request pending for vmcb02 is lost at the next VMRUN, SPEC C.6. */
TEST(policy_kvm_drops_what_was_pending_for_l2)
{
	play("kvm", SERVER, "b0 0@0 n0:1 0@0 g0 x0 0@0 n0:1 0@0",
	     "first-use first-use other-level -");
}

/*
 * A new ASID that happens to be the number of the old one flushes nothing that
 * a reader of the record could see; so it is counted here as there.
 */
TEST(policy_kvm_wraps)
{
	struct policy_counts counts = play("kvm", machine(3, true), "b0 b1 0@0 1@0 0@1 0@0 1@0 0@0",
					   "first-use first-use - wrap - -");

	CHECK_EQ(counts.wraps, 1);
}

/* Also with FLUSHBYASID: the vCPU goes on with another ASID. */
TEST(policy_kvm_reset_takes_a_new_asid)
{
	struct policy_counts counts = play("kvm", SERVER, "b0 0@0 n0:1 0@0 z0 0@0 0@0",
					   "first-use first-use reset -");

	CHECK_EQ(counts.tags, 3);
}

TEST(policy_kvm_without_flushbyasid_takes_new_asids)
{
	struct policy_counts counts =
		play("kvm", OLD, "b0 0@0 g0 0@0 a0 0@0 0@0", "first-use flush-guest flush-all -");

	CHECK_EQ(counts.tags, 3);
}

/* --- the RFCs ---------------------------------------------------------- */

TEST(policy_rfc_v2_static_asids)
{
	play("rfc-v2", SERVER, "b0 b1 0@0 1@0 0@0 1@0 n0:1 t0 0@0 x0 t0 0@0 n0:1 0@0 0@1 0@0",
	     "first-use first-use - - first-use - - moved moved");
}

TEST(policy_rfc_v2_l1_demands)
{
	struct policy_counts counts =
		play("rfc-v2", SERVER, "b0 0@0 n0:1 0@0 n0:1/3 0@0 n0:2 0@0 n0:2/1 0@0 x0 0@0",
		     "first-use first-use l1-tlb-control l1-asid-change l1-tlb-control "
		     "l1-tlb-control");

	CHECK_EQ(counts.mmu_syncs, 4);
}

TEST(policy_rfc_v1_siblings_share_an_asid)
{
	play("rfc-v1", SERVER, "b0 b1 b2+ l0@0 0@0 l1@0 1@0 l0@0 0@0 l0@0 0@0 l2@0 2@0 l0@0 0@0",
	     "first-use first-use sibling - first-use -");
}

TEST(policy_rfc_fallback_is_flushed_every_time)
{
	struct policy_counts counts = play("rfc-v2", machine(3, true), "b0 b1 0@0 0@0 1@0 1@0 1@0",
					   "first-use - first-use shared-tag shared-tag");

	CHECK_EQ(counts.tags, 2);
}

/* --- xen, bhyve, nvmm -------------------------------------------------- */

TEST(policy_xen_levels_have_asids_of_their_own)
{
	play("xen", SERVER, "b0 0@0 n0:1 t0 0@0 x0 t0 0@0 n0:1 0@0 n0:2 0@0 n0:2/3 0@0",
	     "first-use first-use - - l1-asid-change l1-tlb-control");
}

/* A change of one guest's map makes all vCPUs of the CPU take new ASIDs. */
TEST(policy_xen_flush_hits_neighbours)
{
	play("xen", SERVER, "b0 b1+ 0@0 1@0 a0 0@0 1@0 1@0",
	     "first-use first-use flush-all neighbour -");
}

TEST(policy_xen_wraps_by_its_own_flushes)
{
	struct policy_counts counts = play("xen", machine(3, true), "b0 0@0 g0 0@0 g0 0@0",
					   "first-use flush-guest wrap");

	CHECK_EQ(counts.wraps, 1);
}

TEST(policy_bhyve_flushes_every_new_asid)
{
	play("bhyve", SERVER, "b0 0@0 0@0 0@1 0@0 a0 0@0 n0:1 0@0 x0 0@0",
	     "first-use - moved moved flush-all transition transition");
}

TEST(policy_bhyve_wraps)
{
	struct policy_counts counts = play("bhyve", machine(3, false), "b0 0@0 a0 0@0 a0 0@0",
					   "first-use flush-all wrap");

	CHECK_EQ(counts.wraps, 1);
}

/* ASIDs 1 and 2; the second is the last one, and is shared. */
TEST(policy_nvmm_shares_the_last_asid)
{
	play("nvmm", machine(3, true), "b0 b1 b2 0@0 1@0 0@0 1@0 2@0 2@0 1@0",
	     "first-use first-use - shared-tag first-use shared-tag shared-tag");
}

/* --- needed and tlbtag ------------------------------------------------- */

static void play_both(const char *suffix, const char *story, const char *expected)
{
	char name[32];

	snprintf(name, sizeof(name), "needed%s", suffix);
	play(name, SERVER, story, expected);
	snprintf(name, sizeof(name), "tlbtag%s", suffix);
	play(name, SERVER, story, expected);
}

TEST(policy_needed_by_cause)
{
	play_both("", "b0 0@0 0@0 a0 0@0 c0 0@0 g0 0@0 p0 0@0 r0 0@0 0@1 0@0",
		  "first-use - flush-all flush-current flush-guest pv-flush flush-all moved moved");
}

TEST(policy_needed_reset_is_l1_s)
{
	play_both("", "b0 0@0 n0:1 0@0 z0 0@0 n0:1 0@0", "first-use first-use reset -");
}

TEST(policy_needed_ignores_transitions)
{
	play_both("", "b0 0@0 n0:1 t0 0@0 x0 t0 0@0 n0:1 t0 0@0", "first-use first-use - -");
}

TEST(policy_needed_one_entry_serves_everything)
{
	play_both("", "b0 0@0 a0 g0 c0 r0 0@0 0@0", "first-use flush-all -");
}

TEST(policy_needed_waits_for_the_context)
{
	play_both("", "b0 0@0 n0:1 0@0 x0 a0 0@0 0@0 n0:1 0@0 0@0",
		  "first-use first-use flush-all - flush-all -");
}

TEST(policy_needed_pv_is_l1_s)
{
	play_both("", "b0 0@0 n0:1 0@0 p0 0@0 x0 0@0", "first-use first-use - pv-flush");
}

TEST(policy_needed_address_only_on_the_wrong_cpu)
{
	play_both("", "b0 0@0 i0@0 0@0 i0@1 0@0", "first-use - invlpga");
}

TEST(policy_needed_asids_by_number_of_contexts)
{
	play_both("", "b0 0@0 n0:1 0@0 n0:2 0@0 n0:1 0@0 n0:2 0@0",
		  "first-use first-use first-use - -");
	play_both("-k1", "b0 0@0 n0:1 0@0 n0:2 0@0 n0:1 0@0 n0:2 0@0",
		  "first-use first-use l1-asid-change l1-asid-change l1-asid-change");
}

TEST(policy_needed_tlb_control_1_hits_the_world)
{
	play_both("", "b0 0@0 n0:1 0@0 n0:2 0@0 n0:2/1 0@0 n0:1 0@0 x0 0@0",
		  "first-use first-use first-use l1-tlb-control l1-tlb-control l1-tlb-control");
}

/* The library with few tags flushes more than the bound, never less. */
TEST(policy_tlbtag_exhausted)
{
	struct policy_counts counts =
		play("tlbtag", machine(3, true), "b0 b1 0@0 1@0 0@0 1@0 n1:1 1@0 x1 1@0 1@0",
		     "first-use first-use - - first-use shared-tag -");

	CHECK_EQ(counts.tags, 2);
}
