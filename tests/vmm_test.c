/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The model hypervisor: short stories that end well with the library as it is,
 * and badly without the rule that they are about; random stories that must end
 * well; exhibits that random stories must find.
 */
#include <stdlib.h>

#include <tlbtag/rules.h>
#include <vmm/vmm.h>

#include "test.h"

#define RULE_NONE UINT32_MAX

/* Which world a story is told in. */
enum world {
	USUAL,
	/* L0 has no NPT, and so L1 has none */
	SHADOW,
	/* L0 has NPT, L1 has none */
	L1_SHADOW,
	SHARED,
	TWO_CONTEXTS,
	NO_FLUSH_BY_ASID,
	ERRATUM,
	INTEL,
	INTEL_SHADOW,
	INTEL_L1_SHADOW,
	INTEL_TWO_VPIDS,
	/* one VPID for the VM, and none left for L2 */
	INTEL_BORROWED,
};

static bool is_intel(enum world world)
{
	return world >= INTEL;
}

static bool is_shadow(enum world world)
{
	return world == SHADOW || world == INTEL_SHADOW;
}

static bool is_l1_shadow(enum world world)
{
	return world == L1_SHADOW || world == INTEL_L1_SHADOW;
}

static struct vmm_config config_of(enum world world)
{
	struct vmm_config config;

	vmm_config_init(&config);
	config.intel = is_intel(world);
	config.l0_nested_paging = !is_shadow(world);
	config.l1_nested_paging = !is_shadow(world) && !is_l1_shadow(world);
	config.shared_tag = world == SHARED || world == INTEL_BORROWED;
	config.contexts = world == TWO_CONTEXTS || world == INTEL_TWO_VPIDS ? 2 : 1;
	if (world == INTEL_BORROWED || world == INTEL_L1_SHADOW) {
		config.tags = 1;
		config.vms = 1;
	}
	config.flush_by_asid = world != NO_FLUSH_BY_ASID;
	config.invlpga_broken = world == ERRATUM;
	return config;
}

static unsigned int kind_of(const char *name, size_t length)
{
	unsigned int kind = 0;

	while (kind < vmm_op_kinds && (strlen(vmm_op_infos[kind].name) != length ||
				       strncmp(vmm_op_infos[kind].name, name, length) != 0))
		kind++;
	return kind;
}

/* "enter 0 0 1; touch 0 0": the next operation, or NULL at the end. */
static const char *read_op(const char *story, struct vmm_op *op)
{
	unsigned int arg = 0;
	size_t length;

	while (*story == ' ' || *story == ';')
		story++;
	if (!*story)
		return NULL;
	length = strcspn(story, " ;");
	*op = (struct vmm_op){ .kind = (uint8_t)kind_of(story, length) };
	if (!CHECK(op->kind < vmm_op_kinds))
		return NULL;
	story += length;
	while (*story == ' ' && arg < VMM_ARGS) {
		char *end;

		op->arg[arg++] = (uint8_t)strtoul(story, &end, 10);
		story = end;
	}
	return story;
}

static enum vmm_wrong apply_story(struct vmm *vmm, const char *story, struct vmm_verdict *verdict)
{
	struct vmm_op op;
	int result;

	while ((story = read_op(story, &op))) {
		result = vmm_apply(vmm, &op, verdict);
		if (result < 0)
			return verdict->wrong;
		if (!CHECK_EQ(result, 1))
			test_failed(__FILE__, __LINE__, "left out: %s ...%s",
				    vmm_op_infos[op.kind].name, story);
	}
	return vmm_settle(vmm, verdict) ? verdict->wrong : VMM_FINE;
}

static enum vmm_wrong tell(const struct vmm_config *config, const char *story,
			   struct vmm_verdict *verdict)
{
	struct vmm *vmm = vmm_create(config);
	enum vmm_wrong wrong;

	if (!CHECK(vmm != NULL))
		return VMM_BROKEN;
	wrong = apply_story(vmm, story, verdict);
	vmm_destroy(vmm);
	return wrong;
}

static uint32_t fault_of(const char *name)
{
	for (uint32_t fault = 0; fault < vmm_fault_count; fault++) {
		if (strcmp(vmm_faults[fault].name, name) == 0)
			return fault;
	}
	return VMM_FAULT_NONE;
}

/* --- each rule has a story that needs it --- */

struct rule_story {
	uint32_t rule;
	enum world world;
	enum vmm_wrong wrong;
	const char *story;
};

#define RULE(id) TLBTAG_RULE_##id

static const struct rule_story rule_stories[] = {
	{ RULE(FIRST_USE), USUAL, VMM_FOREIGN,
	  "enter 0 0 0; touch 0 0; vcpu-down 0 0; vcpu-up 0 0; enter 0 0 0" },
	{ RULE(MOVED), USUAL, VMM_LATE,
	  "enter 0 0 0; touch 0 0; enter 0 0 1; map 0 0 0 2 1; enter 0 0 0" },
	{ RULE(SHARED_OWNER), SHARED, VMM_FOREIGN,
	  "enter 0 0 0; touch 0 0; enter 0 1 0; touch 0 1; enter 0 0 0" },
	{ RULE(CPU_ONLINE), USUAL, VMM_FOREIGN,
	  "enter 0 0 0; touch 0 0; exit 0 0; cpu-off 0; cpu-on 0; enter 0 0 0" },
	{ RULE(ALL_BY_ABSENCE), NO_FLUSH_BY_ASID, VMM_FOREIGN,
	  "enter 0 0 0; touch 0 0; vcpu-down 0 0; vcpu-up 0 0; enter 0 0 0" },
	{ RULE(EMPTIED_HERE), NO_FLUSH_BY_ASID, VMM_LATE,
	  "enter 0 0 0; touch 0 0; enter 0 0 1; map 0 0 0 2 1; enter 0 0 0" },
	{ RULE(ACK), SHARED, VMM_LOST,
	  "enter 0 0 0; touch 0 0; unmap 0 12 0; enter-fails 0 0 0; enter 0 0 0" },
	{ RULE(ALL_CONTEXTS), USUAL, VMM_LOST,
	  "enter 0 0 0; vmrun 0 0 1 0 0; touch 0 0; vmexit 0 0; unmap 0 12 1; enter 0 0 0;"
	  "vmrun 0 0 1 0 0" },
	{ RULE(ACTIVE_LEVEL), USUAL, VMM_LATE, "enter 0 0 0; touch 0 0; map 0 0 0 2 4" },
	{ RULE(REMOTE_REQUEST), USUAL, VMM_LOST,
	  "enter 0 0 0; touch 0 0; unmap 0 12 0; enter 0 0 0" },
	{ RULE(KEEP_PENDING), USUAL, VMM_LOST,
	  "enter 0 0 0; vmrun 0 0 1 0 0; touch 0 0; vmexit 0 0; unmap 0 12 1; enter 0 0 0;"
	  "vmrun 0 0 1 0 0" },
	{ RULE(L1_TLB_CONTROL), USUAL, VMM_LATE,
	  "enter 0 0 0; vmrun 0 0 1 0 0; touch 0 0; vmexit 0 0; nested-map 0 0 0 2 2;"
	  "vmrun 0 0 1 0 2" },
	{ RULE(L1_FLUSH_ALL_L1), USUAL, VMM_LATE,
	  "enter 0 0 0; touch 0 0; map 0 0 0 2 0; vmrun 0 0 1 0 1; vmexit 0 0" },
	{ RULE(L1_FLUSH_ALL_L2), TWO_CONTEXTS, VMM_LATE,
	  "enter 0 0 0; vmrun 0 0 1 0 0; touch 0 0; vmexit 0 0; nested-map 0 0 0 2 2;"
	  "vmrun 0 0 2 1 1; vmexit 0 0; vmrun 0 0 1 0 0" },
	{ RULE(L1_ASID_CHANGE), USUAL, VMM_FOREIGN,
	  "enter 0 0 0; vmrun 0 0 1 0 0; touch 0 0; vmexit 0 0; vmrun 0 0 2 0 0" },
	{ RULE(NESTED_REALLOC), USUAL, VMM_FOREIGN,
	  "enter 0 0 0; vmrun 0 0 1 0 0; touch 0 0; vmexit 0 0; svme-off 0 0; vcpu-down 0 1;"
	  "vcpu-up 0 1; enter 0 1 0; touch 0 1; vcpu-down 0 1; enter 0 0 0; svme-on 0 0;"
	  "vmrun 0 0 1 0 0" },
	{ RULE(SYNC_TLB_CONTROL), USUAL, VMM_LATE,
	  "enter 0 0 0; vmrun 0 0 1 0 0; touch 0 0; vmexit 0 0; nested-map 0 0 0 2 2;"
	  "vmrun 0 0 1 0 2" },
	{ RULE(SYNC_ASID_CHANGE), USUAL, VMM_LATE,
	  "enter 0 0 0; vmrun 0 0 1 0 0; touch 0 0; vmexit 0 0; nested-map 0 0 0 2 2;"
	  "vmrun 0 0 2 0 0" },
	{ RULE(ROOT_CONTEXT), TWO_CONTEXTS, VMM_LATE,
	  "enter 0 0 0; vmrun 0 0 2 1 0; vmexit 0 0; vmrun 0 0 1 0 0; touch 0 0; vmexit 0 0;"
	  "nested-map 0 0 0 2 2; vmrun 0 0 2 0 0" },
	{ RULE(SYNC_GUEST_FLUSH), SHADOW, VMM_LATE, "enter 0 0 0; touch 0 0; map 0 0 0 2 2" },
	{ RULE(INVLPGA_ZERO), USUAL, VMM_LATE,
	  "enter 0 0 0; touch 0 0; map 0 0 0 2 0; invlpga 0 0 0 0" },
	{ RULE(INVLPGA_MATCH), USUAL, VMM_LATE,
	  "enter 0 0 0; vmrun 0 0 1 0 0; touch 0 0; vmexit 0 0; l2-map 0 0 0 2 1;"
	  "vmrun 0 0 1 0 0" },
	{ RULE(INVLPGA_PLACE), USUAL, VMM_LATE,
	  "enter 0 0 0; vmrun 0 0 1 0 0; touch 0 0; vmexit 0 0; enter 0 0 1; l2-map 0 0 0 2 1;"
	  "enter 0 0 0; vmrun 0 0 1 0 0" },
	{ RULE(INVLPGA_ERRATUM), ERRATUM, VMM_LATE,
	  "enter 0 0 0; vmrun 0 0 1 0 0; touch 0 0; vmexit 0 0; l2-map 0 0 0 2 1;"
	  "vmrun 0 0 1 0 0" },
	{ RULE(INVLPGA_DROP), SHADOW, VMM_LATE,
	  "enter 0 0 0; vmrun 0 0 1 0 0; touch 0 0; vmexit 0 0; l2-map 0 0 0 2 1;"
	  "vmrun 0 0 1 0 0" },
	{ RULE(PV_L1), USUAL, VMM_LATE,
	  "enter 0 0 0; touch 0 0; vmrun 0 0 1 0 0; exit 0 0; enter 0 1 1; pv-map 0 1 0 0 2;"
	  "enter 0 0 0; vmexit 0 0" },
	{ RULE(RESET), USUAL, VMM_LATE,
	  "enter 0 0 0; touch 0 0; map 0 0 0 2 0; reset 0 0; enter 0 0 0" },
	{ RULE(QUEUE_DRAIN), USUAL, VMM_LATE,
	  "enter 0 0 0; touch 0 0; vmrun 0 0 1 0 0; enter 0 1 1; hv-map 0 1 0 0 2; enter 0 0 0;"
	  "vmexit 0 0" },
	{ RULE(QUEUE_COVERED), SHADOW, VMM_LATE,
	  "enter 0 1 0; touch 0 1; enter 0 0 0; hv-map 0 0 1 0 0; protect 0 13 2; enter 0 1 0" },
	{ RULE(BLOCK_UNKNOWN), TWO_CONTEXTS, VMM_FOREIGN,
	  "enter 0 0 0; vmrun 0 0 2 0 0; touch 0 0; vmexit 0 0; vmrun 0 0 1 0 0; touch 0 0;"
	  "vmexit 0 0; vmrun 0 0 2 0 0" },
	/* the same rules on Intel, where they lead to other instructions */
	{ RULE(FIRST_USE), INTEL_SHADOW, VMM_FOREIGN,
	  "enter 0 0 0; touch 0 0; vcpu-down 0 0; vcpu-up 0 0; enter 0 0 0" },
	{ RULE(MOVED), INTEL, VMM_LATE,
	  "enter 0 0 0; touch 0 0; enter 0 0 1; map 0 0 0 2 1; enter 0 0 0" },
	{ RULE(ALL_CONTEXTS), INTEL, VMM_LOST,
	  "enter 0 0 0; vmlaunch 0 0 1 0; touch 0 0; vmexit 0 0; unmap 0 12 1; enter 0 0 0;"
	  "vmlaunch 0 0 1 0" },
	{ RULE(REMOTE_REQUEST), INTEL, VMM_LOST,
	  "enter 0 0 0; touch 0 0; unmap 0 12 0; enter 0 0 0" },
	{ RULE(L1_ASID_CHANGE), INTEL, VMM_FOREIGN,
	  "enter 0 0 0; vmlaunch 0 0 1 0; touch 0 0; vmexit 0 0; vmlaunch 0 0 2 0" },
	{ RULE(SHARED_BORROWED), INTEL_BORROWED, VMM_FOREIGN,
	  "enter 0 0 0; touch 0 0; enter 0 1 1; vmlaunch 0 1 1 0; enter 0 1 0; enter 0 0 1;"
	  "enter 0 1 1; vmexit 0 1" },
	{ RULE(EPT_SCOPE), INTEL, VMM_LOST, "enter 0 0 0; touch 0 0; unmap 0 12 1; enter 0 0 0" },
	{ RULE(EPT_ROOT), INTEL, VMM_LATE,
	  "enter 0 0 0; vmlaunch 0 0 1 0; touch 0 0; vmexit 0 0; vmlaunch 0 0 1 1; vmexit 0 0;"
	  "nested-map 0 0 0 2 2; invept 0 0 0 1; vmlaunch 0 0 1 0" },
	{ RULE(EPT_REUSE), INTEL, VMM_LATE,
	  "enter 0 0 0; vmlaunch 0 0 1 0; read 0 0 0; vmexit 0 0; shrink 0 0; enter 0 0 0;"
	  "vmlaunch 0 0 1 1" },
	{ RULE(NO_VPID_L2), INTEL, VMM_LATE,
	  "enter 0 0 0; vmlaunch 0 0 0 0; touch 0 0; map 0 0 0 0 0; vmexit 0 0;"
	  "vmlaunch 0 0 0 0" },
	{ RULE(NO_VPID_L1), INTEL, VMM_LATE,
	  "enter 0 0 0; touch 0 0; map 0 0 0 0 0; vmlaunch-interrupted 0 0 0 0" },
	{ RULE(L2_NO_TAG), INTEL_L1_SHADOW, VMM_FOREIGN,
	  "enter 0 0 0; vmlaunch 0 0 1 0; touch 0 0; vmexit 0 0" },
	{ RULE(INVVPID_MATCH), INTEL, VMM_LATE,
	  "enter 0 0 0; vmlaunch 0 0 1 0; touch 0 0; map 0 0 0 0 0; vmexit 0 0;"
	  "invvpid 0 0 0 1 0; vmlaunch 0 0 1 0" },
	{ RULE(INVVPID_MATCH), INTEL_SHADOW, VMM_LATE,
	  "enter 0 0 0; vmlaunch 0 0 1 0; touch 0 0; vmexit 0 0; l2-map 0 0 0 0 1;"
	  "vmlaunch 0 0 1 0" },
	{ RULE(INVVPID_ALL), INTEL_TWO_VPIDS, VMM_LATE,
	  "enter 0 0 0; vmlaunch 0 0 1 0; touch 0 0; vmexit 0 0; l2-map 0 0 0 0 0;"
	  "invvpid 0 0 0 0 2; vmlaunch 0 0 1 0" },
	{ RULE(INVLPGA_PLACE), INTEL, VMM_LATE,
	  "enter 0 0 0; vmlaunch 0 0 1 0; touch 0 0; vmexit 0 0; enter 0 0 1; l2-map 0 0 0 2 1;"
	  "enter 0 0 0; vmlaunch 0 0 1 0" },
	{ RULE(INVEPT_MATCH), INTEL, VMM_LATE,
	  "enter 0 0 0; vmlaunch 0 0 1 0; touch 0 0; vmexit 0 0; nested-map 0 0 0 0 0;"
	  "invept 0 0 0 1; vmlaunch 0 0 1 0" },
};

#define RULE_STORIES (sizeof(rule_stories) / sizeof(rule_stories[0]))

/* Return: the rule that the verdict blames. */
static uint32_t tell_about(const struct rule_story *about, uint32_t rule_off,
			   enum vmm_wrong wrong)
{
	struct vmm_config config = config_of(about->world);
	struct vmm_verdict verdict = { .wrong = VMM_FINE };
	enum vmm_wrong was;

	config.rule_off = rule_off;
	was = tell(&config, about->story, &verdict);
	if (!CHECK_EQ(was, wrong))
		test_failed(__FILE__, __LINE__, "rule %u %s: %s", about->rule,
			    rule_off == RULE_NONE ? "on" : "off", verdict.words);
	if (wrong == VMM_FINE)
		return RULE_NONE;
	CHECK(verdict.words[0] != '\0');
	CHECK(verdict.filled_at >= 1);
	return verdict.rule;
}

TEST(vmm_rule_stories_end_well_with_all_rules)
{
	for (size_t i = 0; i < RULE_STORIES; i++)
		tell_about(&rule_stories[i], RULE_NONE, VMM_FINE);
}

TEST(vmm_rule_stories_end_badly_without_their_rule)
{
	size_t blamed = 0;

	for (size_t i = 0; i < RULE_STORIES; i++) {
		uint32_t rule = tell_about(&rule_stories[i], rule_stories[i].rule,
					   rule_stories[i].wrong);

		blamed += rule == rule_stories[i].rule;
		if (rule != rule_stories[i].rule)
			printf("     story %zu is about rule %u and blames %u\n", i,
			       rule_stories[i].rule, rule);
	}
	/* It is an inference: rules that lead to the same flush are hard to tell apart. */
	CHECK(blamed * 10 >= RULE_STORIES * 8);
	CHECK(blamed > 0);
}

/*
 * What both sides get wrong, the library and the hypervisor that runs on it, is
 * still wrong: the oracle asks neither of them.
 */
TEST(vmm_oracle_finds_what_library_and_hypervisor_both_get_wrong)
{
	static const struct {
		uint32_t rule;
		const char *fault;
	} both[] = {
		{ RULE(FIRST_USE), "first-unflushed" },
		{ RULE(CPU_ONLINE), "hotplug" },
		{ RULE(SHARED_OWNER), "owner-unchecked" },
		{ RULE(REMOTE_REQUEST), "no-request" },
		{ RULE(ALL_CONTEXTS), "active-only" },
		{ RULE(L1_TLB_CONTROL), "control-ignored" },
		{ RULE(PV_L1), "pv-active" },
		{ RULE(KEEP_PENDING), "pending-reset" },
		{ RULE(ACTIVE_LEVEL), "other-level" },
		{ RULE(INVLPGA_PLACE), "address-place" },
		{ RULE(EPT_REUSE), "root-reused" },
		{ RULE(INVEPT_MATCH), "invept-shadow" },
		{ RULE(QUEUE_DRAIN), "queue-not-rearmed" },
	};
	struct vmm_verdict verdict;

	for (size_t i = 0; i < sizeof(both) / sizeof(both[0]); i++) {
		uint32_t fault = fault_of(both[i].fault);
		uint32_t found = 0;

		for (size_t story = 0; story < RULE_STORIES; story++) {
			struct vmm_config config = config_of(rule_stories[story].world);

			if (rule_stories[story].rule != both[i].rule)
				continue;
			config.rule_off = both[i].rule;
			config.fault = fault;
			if (vmm_config_check(&config))
				continue;
			found += tell(&config, rule_stories[story].story, &verdict) ==
				 rule_stories[story].wrong;
		}
		if (!CHECK(found > 0))
			test_failed(__FILE__, __LINE__, "%s", both[i].fault);
	}
}

TEST(vmm_every_rule_has_a_story)
{
	for (uint32_t rule = 0; rule < TLBTAG_RULE_COUNT; rule++) {
		bool found = false;

		for (size_t i = 0; i < RULE_STORIES; i++)
			found |= rule_stories[i].rule == rule;
		if (!CHECK(found))
			test_failed(__FILE__, __LINE__, "rule %u", rule);
	}
}

/* --- what else the operations do --- */

static const struct rule_story good_stories[] = {
	/* A careless guest: what it sees is its own fault. */
	{ RULE_NONE, USUAL, VMM_FINE, "enter 0 0 0; touch 0 0; map 0 0 0 2 0; read 0 0 0" },
	{ RULE_NONE, SHADOW, VMM_FINE, "enter 0 0 0; touch 0 0; map 0 0 0 0 0; write 0 0 0" },
	{ RULE_NONE, USUAL, VMM_FINE,
	  "enter 0 0 0; touch 0 0; link 0 0 0 2 0; map 0 0 3 8 3; write 0 0 1" },
	{ RULE_NONE, USUAL, VMM_FINE,
	  "enter 0 0 0; nested-map 0 0 0 3 9; vmrun 0 0 1 0 0; map 0 0 0 10 0; write 0 0 0" },
	{ RULE_NONE, USUAL, VMM_FINE,
	  "enter 0 1 1; vmrun 0 1 3 0 4; enter 0 0 0; nested-map 0 0 0 0 2; read 0 1 2" },
	/* L1's table page is moved, and so is the table that maps it. */
	{ RULE_NONE, USUAL, VMM_FINE,
	  "enter 0 0 0; touch 0 0; migrate 0 0 0; enter 0 0 0; unmap-range 0 0 1; enter 0 0 1;"
	  "touch 0 0; store 0 0 1 0 5; link 0 0 0 3 2" },
	/* INVLPGA of an L2 that does not run, then a change. */
	{ RULE_NONE, SHADOW, VMM_FINE,
	  "enter 0 0 0; vmrun 0 0 1 0 0; read 0 0 0; vmexit 0 0; invlpga 0 0 0 1;"
	  "l2-map 0 0 0 0 0; vmrun 0 0 1 0 0" },
	/* INVLPGA promises less than INVLPG. */
	{ RULE_NONE, L1_SHADOW, VMM_FINE,
	  "enter 0 0 0; vmrun 0 0 1 0 0; touch 0 0; link 0 0 0 0 0; vmexit 0 0; invlpga 0 0 2 1;"
	  "vmrun 0 0 1 0 0; write 0 0 0" },
	{ RULE_NONE, USUAL, VMM_FINE,
	  "enter 0 0 0; write 0 0 0; protect 0 12 0; enter 0 0 0; write 0 0 0" },
	{ RULE_NONE, USUAL, VMM_FINE,
	  "enter 0 0 0; vmrun 0 0 1 0 2; touch 0 0; restore 0 0; enter 0 0 1; touch 0 0;"
	  "exit 0 0; leave 0 0; shrink 0 0; enter 0 0 0; vmrun-interrupted 0 0 1 1 1;"
	  "vmrun 0 0 0 0 0; svme-off 0 0; svme-on 0 0; vmrun 0 0 2 1 3; touch 0 0" },
	{ RULE_NONE, USUAL, VMM_FINE,
	  "enter 0 0 0; touch 0 0; vm-down 0; vm-up 0; enter 0 0 0; touch 0 0; pv-flush 0 0 1;"
	  "flush 0 0 1 5; nested-link 0 0 0 0; vmrun 0 0 1 0 0; touch 0 0" },
	/* L1's upper nested entry names another table: its page is not used again. */
	{ RULE_NONE, TWO_CONTEXTS, VMM_FINE,
	  "enter 0 0 0; nested-map 0 0 0 1 0; vmrun 0 0 1 0 0; write 0 0 0; nested-link 0 0 0 2;"
	  "vmrun 0 0 2 0 0; touch 0 0; vmexit 0 0; vmrun 0 0 1 1 0" },
	/* Flush queues of both levels; PCIDs; another table. */
	{ RULE_NONE, TWO_CONTEXTS, VMM_FINE,
	  "enter 0 0 0; touch 0 0; enter 0 1 1; hv-map 0 1 0 0 2; hv-flush 0 1 0 1;"
	  "hv-flush 0 1 0 2; enter 0 0 0; vmrun 0 0 1 0 0; touch 0 0; vmrun 0 1 1 0 0;"
	  "hv-map 0 1 0 0 2; enter 0 0 0; vmexit 0 0; exit 0 1; set-sregs 0 1; cr3 0 0 1 0 0;"
	  "touch 0 0" },
	/* Each of three gets a tag when the others are gone. */
	{ RULE_NONE, INTEL_L1_SHADOW, VMM_FINE,
	  "enter 0 0 0; vmlaunch 0 0 1 0; touch 0 0; enter 0 1 1; vcpu-down 0 0; exit 0 1" },
	/* What INVEPT names is brought up to date when it is used, not before. */
	{ RULE_NONE, INTEL, VMM_FINE,
	  "enter 0 0 0; vmlaunch 0 0 0 0; touch 0 0; vmexit 0 0; invept 0 0 0 1;"
	  "nested-map 0 0 0 0 0; vmlaunch 0 0 0 0" },
	/* INIT leaves what is cached of EPTs. */
	{ RULE_NONE, INTEL, VMM_FINE,
	  "enter 0 0 0; vmlaunch 0 0 0 0; touch 0 0; reset 0 0; enter 0 0 0;"
	  "nested-map 0 0 0 0 0; svme-on 0 0; vmlaunch 0 0 0 0" },
	{ RULE_NONE, INTEL, VMM_FINE,
	  "enter 0 0 0; vmlaunch 0 0 4 0; vmlaunch 0 0 1 0; touch 0 0; vmexit 0 0;"
	  "invvpid 0 0 0 0 0; invvpid 0 0 0 1 4; invept 0 0 0 0; invept 0 0 1 2;"
	  "restore 0 0; enter-fails 0 0 1; cpu-off 0; enter 0 0 1; vmlaunch 0 0 0 1; touch 0 0;"
	  "cpu-on 0; enter 0 1 0; pv-flush 0 1 0" },
};

TEST(vmm_operations_end_well)
{
	for (size_t i = 0; i < sizeof(good_stories) / sizeof(good_stories[0]); i++)
		tell_about(&good_stories[i], RULE_NONE, VMM_FINE);
}

TEST(vmm_leaves_out_what_cannot_be_done)
{
	static const char *const stories[] = { "read 0 0 0", "exit 0 0", "vmexit 0 0",
					       "vcpu-up 0 0", "vm-up 0", "cpu-on 0",
					       "unmap 0 12 0", "svme-on 0 0", "vmrun 0 0 1 0 0" };
	struct vmm_config config = config_of(USUAL);
	struct vmm *vmm = vmm_create(&config);
	struct vmm_verdict verdict;
	struct vmm_op op;

	for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
		uint64_t before = vmm_digest(vmm);

		read_op(stories[i], &op);
		CHECK_EQ(vmm_apply(vmm, &op, &verdict), 0);
		CHECK_EQ(vmm_digest(vmm), before);
	}
	CHECK_EQ(vmm_counts(vmm)->steps, 0);
	vmm_destroy(vmm);
}

TEST(vmm_verdict_tells_the_story)
{
	struct vmm_config config = config_of(USUAL);
	struct vmm_verdict verdict;

	config.rule_off = TLBTAG_RULE_REMOTE_REQUEST;
	CHECK_EQ(tell(&config, "enter 0 0 0; touch 0 0; unmap 0 12 0; enter 0 0 0", &verdict),
		 VMM_LOST);
	CHECK_EQ(verdict.cpu, 0);
	CHECK_EQ(verdict.level, 1);
	CHECK_EQ(verdict.address, 0);
	CHECK_EQ(verdict.filled_at, 2);
	CHECK_EQ(verdict.filled_by_vm, 0);
	CHECK_EQ(verdict.filled_by_level, 1);
	CHECK_EQ(verdict.due_at, 3);
	CHECK_EQ(verdict.rule, TLBTAG_RULE_REMOTE_REQUEST);
	CHECK(strstr(verdict.words, "free") != NULL);
}

TEST(vmm_configurations_that_cannot_be)
{
	struct vmm_config config = config_of(USUAL);

	CHECK(vmm_config_check(&config) == NULL);
	config.l0_nested_paging = false;
	CHECK(vmm_config_check(&config) != NULL);
	config = config_of(USUAL);
	config.cpus = 0;
	CHECK(vmm_config_check(&config) != NULL);
	config = config_of(USUAL);
	config.policy = VMM_POLICIES;
	CHECK(vmm_config_check(&config) != NULL);
	config = config_of(USUAL);
	config.fault = vmm_fault_count;
	CHECK(vmm_config_check(&config) != NULL);
	for (uint32_t fault = 0; fault < vmm_fault_count; fault++) {
		config = config_of(USUAL);
		vmm_config_suit(&config, fault);
		CHECK(vmm_config_check(&config) == NULL);
	}
}

/* --- random stories --- */

static uint32_t random_below(uint64_t *state, uint32_t limit)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 33) % limit;
}

static struct vmm_op random_op(const struct vmm_config *config, uint64_t *state)
{
	struct vmm_op op = { .kind = 0 };
	uint32_t total = 0;
	uint32_t drawn;

	for (unsigned int kind = 0; kind < vmm_op_kinds; kind++)
		total += vmm_op_infos[kind].weight;
	drawn = random_below(state, total);
	while (drawn >= vmm_op_infos[op.kind].weight)
		drawn -= vmm_op_infos[op.kind++].weight;
	for (unsigned int arg = 0; arg < VMM_ARGS; arg++) {
		unsigned int limit = vmm_arg_limit(config, op.kind, arg);

		op.arg[arg] = limit ? (uint8_t)random_below(state, limit) : 0;
	}
	return op;
}

/* Until @steps were applied. Return: what was wrong. */
static enum vmm_wrong wander(struct vmm *vmm, const struct vmm_config *config, uint32_t steps,
			     struct vmm_verdict *verdict)
{
	uint64_t state = config->seed * 77;

	verdict->wrong = VMM_FINE;
	while (vmm_counts(vmm)->steps < steps) {
		struct vmm_op op = random_op(config, &state);

		if (vmm_apply(vmm, &op, verdict) < 0)
			return verdict->wrong;
	}
	return vmm_settle(vmm, verdict) ? verdict->wrong : VMM_FINE;
}

static void wander_well(const struct vmm_config *config, uint32_t steps)
{
	struct vmm *vmm = vmm_create(config);
	struct vmm_verdict verdict;

	if (!CHECK_EQ(wander(vmm, config, steps, &verdict), VMM_FINE))
		test_failed(__FILE__, __LINE__, "%s", verdict.words);
	CHECK(vmm_counts(vmm)->accesses > steps);
	if (config->policy == VMM_POLICY_LIBRARY)
		CHECK_EQ(vmm_counts(vmm)->spare, 0);
	vmm_destroy(vmm);
}

static const struct vmm_config wide_world = {
	.flush_by_asid = true,
	.l0_nested_paging = true,
	.l1_nested_paging = true,
	.contexts = 1,
	.tags = 16,
	.cpus = 2,
	.vms = 2,
	.vcpus = 2,
	.speculation = 2,
	.seed = 1,
	.rule_off = UINT32_MAX,
	.fault = VMM_FAULT_NONE,
};

#define STEPS 100000u

TEST(vmm_random_npt_over_npt)
{
	struct vmm_config config = wide_world;

	wander_well(&config, STEPS);
	config.contexts = 4;
	config.tags = 32;
	config.seed = 2;
	wander_well(&config, STEPS);
	config.flush_by_asid = false;
	config.pcid = true;
	config.seed = 3;
	wander_well(&config, STEPS);
}

TEST(vmm_random_one_vcpu_with_the_erratum)
{
	struct vmm_config config = wide_world;

	config.vms = 1;
	config.vcpus = 1;
	config.invlpga_broken = true;
	config.contexts = 2;
	config.reuse_at_once = true;
	wander_well(&config, STEPS);
}

TEST(vmm_random_shadow_paging)
{
	struct vmm_config config = wide_world;

	config.l1_nested_paging = false;
	wander_well(&config, STEPS);
	config.l0_nested_paging = false;
	config.contexts = 4;
	wander_well(&config, STEPS);
}

TEST(vmm_random_shared_and_scarce_tags)
{
	struct vmm_config config = wide_world;

	config.shared_tag = true;
	config.contexts = 2;
	wander_well(&config, STEPS);
	config.tags = 3;
	wander_well(&config, STEPS);
	config.tags = 1;
	config.cpus = 3;
	wander_well(&config, STEPS);
}

TEST(vmm_random_little_speculation)
{
	struct vmm_config config = wide_world;

	config.speculation = 0;
	wander_well(&config, STEPS);
	config.speculation = 1;
	wander_well(&config, STEPS);
}

TEST(vmm_random_intel)
{
	struct vmm_config config = wide_world;

	config.intel = true;
	wander_well(&config, STEPS);
	config.ept_ad = true;
	config.pcid = true;
	config.contexts = 4;
	config.tags = 32;
	wander_well(&config, STEPS);
	config.l1_nested_paging = false;
	config.tags = 5;
	wander_well(&config, STEPS);
	config.shared_tag = true;
	config.tags = 2;
	config.seed = 2;
	wander_well(&config, STEPS);
	config.ept_ad = false;
	config.pcid = false;
	config.l0_nested_paging = false;
	config.tags = 4;
	wander_well(&config, STEPS);
}

/* What others do is right, too, when it is done right. */
TEST(vmm_random_policies_of_the_peers)
{
	for (unsigned int policy = 1; policy < VMM_POLICIES; policy++) {
		struct vmm_config config = wide_world;

		config.policy = (uint8_t)policy;
		config.invlpga_broken = true;
		config.tags = 32;
		wander_well(&config, STEPS / 2);
	}
}

TEST(vmm_same_seed_same_run)
{
	struct vmm_config config = wide_world;
	struct vmm *vmm = vmm_create(&config);
	struct vmm_verdict verdict;
	struct vmm_counts counts;
	uint64_t state = 5, again = 5;
	uint64_t digest;

	for (uint32_t i = 0; i < 3000; i++) {
		struct vmm_op op = random_op(&config, &state);

		CHECK(vmm_apply(vmm, &op, &verdict) >= 0);
	}
	digest = vmm_digest(vmm);
	counts = *vmm_counts(vmm);
	vmm_restart(vmm, &config);
	for (uint32_t i = 0; i < 3000; i++) {
		struct vmm_op op = random_op(&config, &again);

		vmm_apply(vmm, &op, &verdict);
	}
	CHECK_EQ(vmm_digest(vmm), digest);
	CHECK_EQ(vmm_counts(vmm)->accesses, counts.accesses);
	CHECK_EQ(vmm_counts(vmm)->flushes, counts.flushes);
	vmm_destroy(vmm);
}

/* --- the museum --- */

/* Smaller worlds show more in the same time. */
static struct vmm_config small_world(uint32_t which)
{
	struct vmm_config config = wide_world;

	config.vms = which == 1 ? 2 : 1;
	config.vcpus = which == 2 ? 1 : 2;
	config.contexts = which == 1 ? 1 : 2;
	config.tags = which == 1 ? 3 : 16;
	config.reuse_at_once = which == 2;
	config.l0_nested_paging = which != 3;
	config.l1_nested_paging = which != 3;
	return config;
}

#define WORLDS 4u

/* What chance would take long to find. */
static const struct {
	const char *fault;
	enum world world;
	const char *story;
} told[] = {
	{ "address-place", USUAL,
	  "enter 0 0 0; vmrun 0 0 1 0 0; touch 0 0; vmexit 0 0; enter 0 0 1; l2-map 0 0 0 2 1;"
	  "enter 0 0 0; vmrun 0 0 1 0 0" },
	{ "address-erratum", ERRATUM,
	  "enter 0 0 0; vmrun 0 0 1 0 0; touch 0 0; vmexit 0 0; l2-map 0 0 0 2 1;"
	  "vmrun 0 0 1 0 0" },
	{ "owner-at-load", USUAL,
	  "enter 0 0 0; vmrun 0 0 1 0 0; enter 0 1 0; vmrun 0 1 1 0 0; vmexit 0 1; enter 0 0 0;"
	  "touch 0 0; enter 0 1 0; vmrun 0 1 1 0 0" },
	{ "queue-purge", INTEL,
	  "enter 0 1 0; vmlaunch 0 1 1 0; write 0 1 0; vmexit 0 1; enter 0 0 0; vmlaunch 0 0 0 0;"
	  "hv-map 0 0 1 0 0; vmexit 0 0; pv-flush 0 0 1; enter 0 1 0; vmlaunch 0 1 1 0" },
	{ "invvpid-place", INTEL,
	  "enter 0 0 0; vmlaunch 0 0 1 0; touch 0 0; vmexit 0 0; enter 0 0 1; l2-map 0 0 0 2 1;"
	  "enter 0 0 0; vmlaunch 0 0 1 0" },
};

static bool is_told(uint32_t fault)
{
	struct vmm_verdict verdict;

	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
		struct vmm_config config = config_of(told[i].world);

		if (strcmp(vmm_faults[fault].name, told[i].fault) != 0)
			continue;
		CHECK_EQ(tell(&config, told[i].story, &verdict), VMM_FINE);
		vmm_config_suit(&config, fault);
		return tell(&config, told[i].story, &verdict) != VMM_FINE;
	}
	return false;
}

static bool is_found(struct vmm *vmm, uint32_t fault)
{
	struct vmm_verdict verdict;

	if (is_told(fault))
		return true;

	for (uint64_t seed = 1; seed <= 40; seed++) {
		for (uint32_t i = 0; i < WORLDS; i++) {
			struct vmm_config config = small_world(i);

			config.seed = seed;
			vmm_config_suit(&config, fault);
			if (vmm_config_check(&config))
				continue;
			vmm_restart(vmm, &config);
			if (wander(vmm, &config, 4000, &verdict) != VMM_FINE)
				return true;
		}
	}
	return false;
}

TEST(vmm_exhibits_are_found)
{
	struct vmm *vmm = vmm_create(&wide_world);

	CHECK(vmm_fault_count >= 30);
	for (uint32_t fault = 0; fault < vmm_fault_count; fault++) {
		if (!CHECK(is_found(vmm, fault)))
			test_failed(__FILE__, __LINE__, "%s", vmm_faults[fault].name);
	}
	vmm_destroy(vmm);
}

TEST(vmm_catalogues_are_complete)
{
	for (unsigned int kind = 0; kind < vmm_op_kinds; kind++) {
		CHECK(vmm_op_infos[kind].weight > 0);
		CHECK(kind_of(vmm_op_infos[kind].name, strlen(vmm_op_infos[kind].name)) == kind);
		for (unsigned int arg = 0; arg < VMM_ARGS; arg++)
			CHECK_EQ(vmm_op_infos[kind].args[arg] != NULL,
				 vmm_arg_limit(&wide_world, kind, arg) != 0);
	}
	for (uint32_t fault = 0; fault < vmm_fault_count; fault++) {
		CHECK(vmm_faults[fault].source[0] != '\0');
		CHECK(vmm_faults[fault].property[0] == 'P');
		for (uint32_t other = 0; other < fault; other++)
			CHECK(strcmp(vmm_faults[fault].name, vmm_faults[other].name) != 0);
	}
}
