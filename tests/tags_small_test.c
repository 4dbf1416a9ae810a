/* build: -DTLBTAG_L2_MAX=2u */
/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Everything that two vCPUs on two CPUs with a handful of tags can do, against
 * a TLB that forgets nothing.
 *
 * The oracle is naive on purpose and knows nothing of the library's reasons. An
 * entry of a context leaves its translations under its tag on its CPU, with the
 * time of the entry; a flush removes all that the tag has there. Before each
 * entry it looks at what is left under the tag and asks whose it is and from
 * when. In the beginning each tag has translations of somebody else everywhere,
 * and a CPU that was off has them again.
 *
 * The plan must flush if any is foreign, or older than what the context was
 * asked to flush, or than its latest run on another CPU; and must not if none
 * is, but for one case: an ASID of L1 lost its context to another, whose VMRUN
 * then failed. All sequences of operations to a depth, and long random ones.
 * Guards C1, C2, C3, V1, V2, V3, V4, N1, N2.
 */
#include "lab.h"
#include "test.h"

#define DEPTH_COLD 4
#define DEPTH_WARM 5
#define TAGS_MAX 8u
#define ASIDS 2u
#define CONTEXTS (1 + ASIDS)
#define NOBODY 0u

/* Whose translations lie under a tag on a CPU, and from when. */
struct trace {
	uint32_t owner;
	uint32_t time;
};

/* A context as the guest sees it: L1 of a vCPU, or L2 under one of L1's ASIDs. */
struct view {
	uint32_t identity;
	uint32_t cpu;
	uint32_t asked;		/* the latest demand to flush it */
	uint32_t elsewhere;	/* its latest run on another CPU than `cpu` */
};

struct world {
	struct lab lab;
	struct trace tlb[LAB_CPUS][TAGS_MAX];
	struct view view[LAB_VCPUS][CONTEXTS];
	uint32_t active[LAB_VCPUS];
	uint32_t now;
	uint32_t identities;
};

struct shape {
	uint32_t tags;
	uint32_t contexts;
	bool shared;
};

static uint32_t wrong;
static uint32_t spare;
static uint64_t entries;

static void start_views(struct world *world, uint32_t vcpu, uint32_t first)
{
	for (uint32_t i = first; i < CONTEXTS; i++)
		world->view[vcpu][i] = (struct view){ .identity = ++world->identities,
						      .cpu = TLBTAG_CPU_NONE };
}

static void start(struct world *world, const struct shape *shape)
{
	struct tlbtag_hw hw = lab_hw(shape->tags);

	memset(world, 0, sizeof(*world));
	lab_start(&world->lab, &hw);
	/* The lab moves when a world is copied: nothing may point into it. */
	if (shape->shared)
		tlbtag_vm_share(&world->lab.vm, TLBTAG_PLAIN, LAB_VCPUS, world->lab.owner, 4);
	lab_start_vcpus(&world->lab);
	for (uint32_t vcpu = 0; vcpu < LAB_VCPUS; vcpu++) {
		tlbtag_nested_enable(&world->lab.vcpu[vcpu], shape->contexts);
		start_views(world, vcpu, 0);
	}
}

/* What is left under the tag that this context may not use. */
static bool is_stale(const struct world *world, const struct view *view, uint32_t cpu,
		     tlbtag_t tag)
{
	const struct trace *left = &world->tlb[cpu][tag];

	if (left->owner != view->identity || left->time < view->asked)
		return true;
	return view->cpu != cpu || left->time < view->elsewhere;
}

static void enter(struct world *world, uint32_t vcpu, uint32_t cpu, bool taken)
{
	struct view *view = &world->view[vcpu][world->active[vcpu]];
	bool clean = tlbtag_vcpu_is_clean(&world->lab.vcpu[vcpu], on(cpu));
	struct tlbtag_plan plan = tlbtag_vcpu_plan(&world->lab.vcpu[vcpu], on(cpu));
	bool stale = is_stale(world, view, cpu, plan.tag);

	entries++;
	/* V4 */
	if (clean)
		wrong += plan.flush || plan.why || plan.dirty;
	wrong += stale && plan.flush < TLBTAG_FLUSH_TAG;
	/* L1 went to another ASID and back, and no entry came of it. */
	if (!(plan.why & TLBTAG_WHY_ASID_CHANGE))
		spare += !stale && plan.flush != TLBTAG_FLUSH_NONE;
	if (!taken)
		return;
	tlbtag_vcpu_entered(&world->lab.vcpu[vcpu], on(cpu));
	world->tlb[cpu][plan.tag] = (struct trace){ view->identity, ++world->now };
	if (view->cpu != cpu)
		view->elsewhere = world->now;
	view->cpu = cpu;
}

static void ask(struct world *world, uint32_t vcpu, uint32_t context)
{
	world->view[vcpu][context].asked = ++world->now;
}

static void flush_all(struct world *world, uint32_t vcpu, bool remote)
{
	struct tlbtag_vcpu *tags = &world->lab.vcpu[vcpu];

	for (uint32_t i = 0; i < CONTEXTS; i++)
		ask(world, vcpu, i);
	if (remote)
		tlbtag_vcpu_request(tags, TLBTAG_TARGET_BOTH, TLBTAG_WHY_ALL);
	else
		tlbtag_vcpu_flush(tags, TLBTAG_TARGET_BOTH, TLBTAG_FLUSH_TAG, TLBTAG_WHY_ALL);
}

static void flush_active(struct world *world, uint32_t vcpu)
{
	ask(world, vcpu, world->active[vcpu]);
	tlbtag_vcpu_flush(&world->lab.vcpu[vcpu], TLBTAG_TARGET_ACTIVE, TLBTAG_FLUSH_TAG,
			  TLBTAG_WHY_GUEST);
}

static void vmrun(struct world *world, uint32_t vcpu, uint32_t asid, uint8_t tlb_control)
{
	lab_vmrun(&world->lab.vcpu[vcpu], asid, tlb_control);
	world->active[vcpu] = asid;
	if (tlb_control)
		ask(world, vcpu, asid);
	for (uint32_t i = 0; tlb_control == 1 && i < CONTEXTS; i++)
		ask(world, vcpu, i);
}

static void leave(struct world *world, uint32_t vcpu)
{
	tlbtag_nested_exit(&world->lab.vcpu[vcpu]);
	world->active[vcpu] = 0;
}

static void remake(struct world *world, uint32_t vcpu, const struct shape *shape)
{
	tlbtag_vcpu_destroy(&world->lab.vcpu[vcpu]);
	tlbtag_vcpu_init(&world->lab.vcpu[vcpu], &world->lab.vm, vcpu);
	tlbtag_nested_enable(&world->lab.vcpu[vcpu], shape->contexts);
	world->active[vcpu] = 0;
	start_views(world, vcpu, 0);
}

static void toggle_svme(struct world *world, uint32_t vcpu, const struct shape *shape)
{
	tlbtag_nested_disable(&world->lab.vcpu[vcpu]);
	tlbtag_nested_enable(&world->lab.vcpu[vcpu], shape->contexts);
	world->active[vcpu] = 0;
	start_views(world, vcpu, 1);
}

static void cpu_off_and_on(struct world *world, uint32_t cpu)
{
	tlbtag_host_cpu_online(&world->lab.host, on(cpu));
	for (uint32_t tag = 0; tag < TAGS_MAX; tag++)
		world->tlb[cpu][tag] = (struct trace){ NOBODY, 0 };
}

#define VCPU_OPERATIONS 12u
#define OPERATIONS (LAB_VCPUS * VCPU_OPERATIONS + LAB_CPUS)

static void operate(struct world *world, uint32_t operation, const struct shape *shape)
{
	uint32_t vcpu = operation / VCPU_OPERATIONS;

	if (vcpu >= LAB_VCPUS)
		return cpu_off_and_on(world, operation - LAB_VCPUS * VCPU_OPERATIONS);
	switch (operation % VCPU_OPERATIONS) {
	case 0:
		return enter(world, vcpu, 0, true);
	case 1:
		return enter(world, vcpu, 1, true);
	case 2:
		return enter(world, vcpu, 0, false);
	case 3:
		return flush_all(world, vcpu, false);
	case 4:
		return flush_all(world, vcpu, true);
	case 5:
		return flush_active(world, vcpu);
	case 6:
		return vmrun(world, vcpu, 1, 0);
	case 7:
		return vmrun(world, vcpu, 2, 0);
	case 8:
		return vmrun(world, vcpu, 1, 1);
	case 9:
		return leave(world, vcpu);
	case 10:
		return remake(world, vcpu, shape);
	case 11:
		return toggle_svme(world, vcpu, shape);
	}
}

/* A copy of a world has its own lab, whose pointers lead into the original. */
static void copy(struct world *to, const struct world *from)
{
	struct lab *lab = &to->lab;
	ptrdiff_t distance = (char *)to - (const char *)from;

	*to = *from;
	lab->pool.mid = (uint64_t *)((char *)lab->pool.mid + distance);
	lab->pool.leaf = (uint64_t *)((char *)lab->pool.leaf + distance);
	lab->pool.dirty = (uint64_t *)((char *)lab->pool.dirty + distance);
	lab->pool.sealed = (uint64_t *)((char *)lab->pool.sealed + distance);
	lab->host.pool = &lab->pool;
	lab->host.cpu = lab->cpu;
	lab->vm.host = &lab->host;
	if (lab->vm.tag)
		lab->vm.owner.last = lab->owner;
	for (uint32_t i = 0; i < LAB_VCPUS; i++)
		lab_relink_vcpu(lab, &lab->vcpu[i]);
	for (uint32_t i = 0; i < LAB_CPUS; i++)
		if (lab->cpu[i].fallback_owner)
			lab->cpu[i].fallback_owner =
				(const struct tlbtag_ctx *)((const char *)lab->cpu[i]
								    .fallback_owner +
							    distance);
}

static void explore(const struct world *world, const struct shape *shape, int depth)
{
	struct world next;

	for (uint32_t operation = 0; operation < OPERATIONS; operation++) {
		copy(&next, world);
		operate(&next, operation, shape);
		if (depth > 1)
			explore(&next, shape, depth - 1);
	}
}

/* From a world in which both vCPUs ran both levels, so that depth goes further. */
static void warm_up(struct world *world)
{
	for (uint32_t vcpu = 0; vcpu < LAB_VCPUS; vcpu++) {
		enter(world, vcpu, 0, true);
		vmrun(world, vcpu, 1, 0);
		enter(world, vcpu, 0, true);
		leave(world, vcpu);
	}
}

static uint32_t random_below(uint64_t *state, uint32_t limit)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 33) % limit;
}

static void walk(const struct shape *shape, uint64_t seed, uint32_t steps)
{
	static struct world world;

	start(&world, shape);
	while (steps--)
		operate(&world, random_below(&seed, OPERATIONS), shape);
}

static const struct shape shapes[] = {
	{ .tags = 1, .contexts = 1 },
	{ .tags = 3, .contexts = 1 },
	{ .tags = 3, .contexts = 2 },
	{ .tags = 7, .contexts = 2 },
	{ .tags = 3, .contexts = 1, .shared = true },
	{ .tags = 7, .contexts = 2, .shared = true },
};

#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))

TEST(tags_small_every_sequence_from_the_start)
{
	static struct world world;

	wrong = spare = 0;
	entries = 0;
	for (size_t i = 0; i < SHAPES; i++) {
		start(&world, &shapes[i]);
		explore(&world, &shapes[i], DEPTH_COLD);
		CHECK_EQ(wrong, 0);
		CHECK_EQ(spare, 0);
	}
	CHECK(entries > 300000);
}

TEST(tags_small_every_sequence_after_both_levels_ran)
{
	static struct world world;

	wrong = spare = 0;
	entries = 0;
	for (size_t i = 0; i < SHAPES; i++) {
		start(&world, &shapes[i]);
		warm_up(&world);
		explore(&world, &shapes[i], DEPTH_WARM);
		CHECK_EQ(wrong, 0);
		CHECK_EQ(spare, 0);
	}
	CHECK(entries > 10000000);
}

TEST(tags_small_long_random_walks)
{
	wrong = spare = 0;
	for (size_t i = 0; i < SHAPES; i++)
		for (uint64_t seed = 1; seed <= 20; seed++)
			walk(&shapes[i], seed, 20000);
	CHECK_EQ(wrong, 0);
	CHECK_EQ(spare, 0);
}

/* The oracle is no decoration: without a rule it sees stale translations. */
TEST(tags_small_oracle_notices_each_missing_rule)
{
	static const enum tlbtag_rule rules[] = {
		TLBTAG_RULE_FIRST_USE,	     TLBTAG_RULE_MOVED,
		TLBTAG_RULE_SHARED_OWNER,    TLBTAG_RULE_CPU_ONLINE,
		TLBTAG_RULE_ACK,	     TLBTAG_RULE_ALL_CONTEXTS,
		TLBTAG_RULE_ACTIVE_LEVEL,    TLBTAG_RULE_REMOTE_REQUEST,
		TLBTAG_RULE_KEEP_PENDING,    TLBTAG_RULE_L1_TLB_CONTROL,
		TLBTAG_RULE_L1_FLUSH_ALL_L1, TLBTAG_RULE_L1_FLUSH_ALL_L2,
		TLBTAG_RULE_L1_ASID_CHANGE,  TLBTAG_RULE_NESTED_REALLOC,
	};

	for (size_t rule = 0; rule < sizeof(rules) / sizeof(rules[0]); rule++) {
		wrong = 0;
		tlbtag_sim_rule_off(rules[rule]);
		for (size_t i = 0; i < SHAPES; i++)
			for (uint64_t seed = 1; seed <= 20 && !wrong; seed++)
				walk(&shapes[i], seed, 20000);
		tlbtag_sim_rule_all_on();
		if (!CHECK(wrong > 0))
			test_failed(__FILE__, __LINE__, "rule number %zu of the list", rule);
	}
}
