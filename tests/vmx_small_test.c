/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * vmx: small machines, explored exhaustively, against a naive Intel TLB.
 *
 * The TLB knows nothing of the library's reasons. An entry of a context leaves
 * two traces on its CPU: one under (VPID, EPTP), for linear and combined
 * translations, and one under the EPTP alone, for guest-physical ones. A trace
 * says whose it is and how old its oldest translation may be. INVVPID removes
 * the first kind by VPID, INVEPT both by EPTP, an entry or exit with VPID 0 the
 * first kind of VPID 0, and nothing else removes anything. In the beginning,
 * and after a CPU was off, all places have traces of somebody else.
 *
 * Before each entry the test looks at what is left where the entry will look.
 * It must not be foreign, nor older than what the guest, L1 or the MMU asked
 * for, nor, for the first kind, than the context's latest run on another CPU.
 * Where L0 uses EPT, L1's tables change whenever L1 executes INVEPT, and the
 * embedder syncs its shadow of them without a flush of its own.
 *
 * An operation is spare if what it removes was there, and all of it in order;
 * an INVEPT is too wide if that is true of what the root alone tags, unless the
 * root may be unknown on this CPU. Known and documented (doc/VMX.md) are: a root
 * that the context used before its latest root, an ASID that lost its context to
 * an L2 entry that came to nothing, and a change between L1 and L2 that share a
 * VPID of which one did not run.
 *
 * Guards X1, X2, X3, X5.
 */
#include <tlbtag/vmx.h>

#include "lab.h"
#include "test.h"

#define DEPTH_COLD 3
#define DEPTH_WARM 4
#define VPIDS 8u
#define ROOTS 4u /* EPT off, L1's, and the shadows of L1's two */
#define ROOT_OFF 0u
#define ROOT_L1 1u
#define ROOT_SHADOW(ept12) (1 + (ept12))
#define EPTS 2u /* of L1; 0 is none */
#define VPIDS12 3u /* 0 is none */
#define VIEWS (1 + VPIDS12)
#define NOBODY 0u

struct trace {
	uint32_t owner;
	uint32_t time;
};

struct tlb {
	struct trace linear[VPIDS][ROOTS];
	struct trace physical[ROOTS];
};

/* A context as the guest sees it: L1 of a vCPU, or L2 under one of L1's VPIDs. */
struct view {
	uint32_t identity;
	uint32_t ran[LAB_CPUS];		/* its latest run on each CPU */
	uint32_t asked;			/* a flush of what has its VPID */
	uint32_t asked_all;		/* and of its root, too */
};

struct world {
	struct lab lab;
	struct tlb tlb[LAB_CPUS];
	struct view view[LAB_VCPUS][VIEWS];
	uint32_t active[LAB_VCPUS];
	uint32_t ept12[LAB_VCPUS];
	/* A root is another one whenever it is built; its tables change. */
	uint32_t root[ROOTS];
	uint32_t changed[ROOTS];
	uint32_t invept[LAB_VCPUS][ROOTS];
	tlbtag_t vmcs[LAB_VCPUS][2];
	bool alternates[LAB_VCPUS][2];
	uint32_t now;
	uint32_t identities;
	bool has_ept;
};

struct shape {
	uint32_t tags;
	uint32_t contexts;
	bool shared;
	bool has_ept;
};

/* Everything counted over a test. */
static struct {
	uint64_t entries;
	uint64_t ops;
	uint32_t wrong;
	uint32_t spare;
	uint32_t wide;
	uint32_t invalid;
} sum;

static uint64_t eptp_of(uint32_t root)
{
	return root == ROOT_OFF ? 0 : (UINT64_C(0x1000) * root) | 0x5e;
}

static uint32_t root_of(uint64_t eptp)
{
	return (uint32_t)(eptp >> 12);
}

static uint32_t current_root(const struct world *world, uint32_t vcpu)
{
	if (!world->has_ept)
		return ROOT_OFF;
	return world->active[vcpu] && world->ept12[vcpu] ? ROOT_SHADOW(world->ept12[vcpu]) :
							   ROOT_L1;
}

#define VMCS_EMPTY UINT32_MAX

static void start_vmcs(struct world *world, uint32_t vcpu)
{
	world->vmcs[vcpu][0] = world->vmcs[vcpu][1] = VMCS_EMPTY;
	world->alternates[vcpu][0] = world->alternates[vcpu][1] = false;
	world->active[vcpu] = 0;
}

static void start_views(struct world *world, uint32_t vcpu, uint32_t first)
{
	for (uint32_t i = first; i < VIEWS; i++)
		world->view[vcpu][i] = (struct view){ .identity = ++world->identities };
}

static struct tlbtag_hw intel_hw(const struct shape *shape)
{
	return (struct tlbtag_hw){
		.vendor = TLBTAG_INTEL,
		.nr_tags = shape->tags + 1,
		.nr_cpus = LAB_CPUS,
		.flush_by_tag = true,
		.nested_paging = shape->has_ept,
	};
}

static void start(struct world *world, const struct shape *shape)
{
	struct tlbtag_hw hw = intel_hw(shape);

	memset(world, 0, sizeof(*world));
	world->has_ept = shape->has_ept;
	lab_start(&world->lab, &hw);
	if (shape->shared)
		tlbtag_vm_share(&world->lab.vm, TLBTAG_PLAIN, LAB_VCPUS, world->lab.owner, 4);
	lab_start_vcpus(&world->lab);
	for (uint32_t root = 0; root < ROOTS; root++)
		world->root[root] = ++world->identities;
	for (uint32_t vcpu = 0; vcpu < LAB_VCPUS; vcpu++) {
		tlbtag_nested_enable(&world->lab.vcpu[vcpu], shape->contexts);
		start_vmcs(world, vcpu);
		start_views(world, vcpu, 0);
	}
	for (uint32_t cpu = 0; cpu < LAB_CPUS; cpu++)
		memset(&world->tlb[cpu], 0xff, sizeof(world->tlb[cpu]));
}

/* --- the machine ------------------------------------------------------- */

static void clear_vpid(struct tlb *tlb, tlbtag_t vpid)
{
	memset(tlb->linear[vpid], 0, sizeof(tlb->linear[vpid]));
}

static void clear_root(struct tlb *tlb, uint32_t root)
{
	tlb->physical[root] = (struct trace){ NOBODY, 0 };
	for (uint32_t vpid = 0; vpid < VPIDS; vpid++)
		tlb->linear[vpid][root] = (struct trace){ NOBODY, 0 };
}

/* What the processor refuses counts as invalid, and removes nothing. */
static void execute(struct tlb *tlb, const struct tlbtag_vmx_op *op)
{
	sum.ops++;
	if (op->instruction == TLBTAG_INVEPT) {
		sum.invalid += op->type != TLBTAG_INVEPT_CONTEXT || root_of(op->eptp) == ROOT_OFF;
		clear_root(tlb, root_of(op->eptp));
		return;
	}
	sum.invalid += op->vpid == 0 || op->vpid >= VPIDS || op->type > TLBTAG_INVVPID_CONTEXT;
	if (op->vpid != 0)
		clear_vpid(tlb, op->vpid);
}

static uint32_t later(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static uint32_t root_demand(const struct world *world, uint32_t vcpu, const struct view *view)
{
	uint32_t root = current_root(world, vcpu);

	return later(later(view->asked_all, world->changed[root]), world->invept[vcpu][root]);
}

static bool is_linear_stale(const struct world *world, uint32_t vcpu, uint32_t cpu, tlbtag_t vpid)
{
	const struct view *view = &world->view[vcpu][world->active[vcpu]];
	const struct trace *left = &world->tlb[cpu].linear[vpid][current_root(world, vcpu)];

	if (left->owner == NOBODY)
		return false;
	return left->owner != view->identity || left->time < view->asked ||
	       left->time < root_demand(world, vcpu, view) || left->time < view->ran[!cpu];
}

static bool is_physical_stale(const struct world *world, uint32_t vcpu, uint32_t cpu)
{
	const struct view *view = &world->view[vcpu][world->active[vcpu]];
	uint32_t root = current_root(world, vcpu);
	const struct trace *left = &world->tlb[cpu].physical[root];

	if (root == ROOT_OFF || left->owner == NOBODY)
		return false;
	return left->owner != world->root[root] || left->time < root_demand(world, vcpu, view);
}

static void leave_trace(struct trace *trace, uint32_t owner, uint32_t now)
{
	if (trace->owner == NOBODY)
		*trace = (struct trace){ owner, now };
}

/* The owner record does not say on which root the VM's VPID was used. */
static bool is_borrowed(const struct tlbtag_vcpu *vcpu)
{
	return vcpu->vm->tag != TLBTAG_NONE && vcpu->l2_count &&
	       vcpu->l2[0].ctx.tag == TLBTAG_NONE;
}

static bool is_explained(const struct world *world, uint32_t vcpu, uint32_t why)
{
	if (why & TLBTAG_WHY_SHARED && (world->alternates[vcpu][world->active[vcpu] != 0] ||
					is_borrowed(&world->lab.vcpu[vcpu])))
		return true;
	return why == TLBTAG_WHY_EPT_ROOT || (why & TLBTAG_WHY_ASID_CHANGE);
}

#define WHY_UNKNOWN_ROOT                                                                        \
	(TLBTAG_WHY_FIRST_USE | TLBTAG_WHY_MOVED | TLBTAG_WHY_CPU_ONLINE | TLBTAG_WHY_EPT_ROOT)

/*
 * An INVEPT where an INVVPID would have been enough? Only if the context itself
 * was the last here: that another flushed the root for it is not remembered.
 */
static bool is_wide(const struct world *world, uint32_t vcpu, uint32_t cpu,
		    const struct tlbtag_vmx_plan *plan)
{
	const struct view *view = &world->view[vcpu][world->active[vcpu]];
	uint32_t root = current_root(world, vcpu);

	return plan->op_count && plan->op[0].instruction == TLBTAG_INVEPT &&
	       !(plan->why & (WHY_UNKNOWN_ROOT | TLBTAG_WHY_ASID_CHANGE)) &&
	       world->tlb[cpu].linear[plan->vpid][root].owner == view->identity &&
	       world->tlb[cpu].physical[root].owner != NOBODY &&
	       !is_physical_stale(world, vcpu, cpu);
}

/* Was everything that the plan is about to remove there, and in order? */
static bool is_spare(const struct world *world, uint32_t vcpu, uint32_t cpu,
		     const struct tlbtag_vmx_plan *plan)
{
	uint32_t root = current_root(world, vcpu);
	const struct tlb *tlb = &world->tlb[cpu];

	if (plan->op_count == 0 || is_explained(world, vcpu, plan->why))
		return false;
	if (tlb->linear[plan->vpid][root].owner == NOBODY)
		return false;
	if (plan->op[0].instruction == TLBTAG_INVEPT && tlb->physical[root].owner == NOBODY)
		return false;
	return !is_linear_stale(world, vcpu, cpu, plan->vpid) &&
	       !is_physical_stale(world, vcpu, cpu);
}

static void run(struct world *world, uint32_t vcpu, uint32_t cpu, tlbtag_t vpid)
{
	struct view *view = &world->view[vcpu][world->active[vcpu]];
	uint32_t root = current_root(world, vcpu);
	struct tlb *tlb = &world->tlb[cpu];

	leave_trace(&tlb->linear[vpid][root], view->identity, ++world->now);
	if (root != ROOT_OFF)
		leave_trace(&tlb->physical[root], world->root[root], world->now);
	view->ran[cpu] = world->now;
	if (vpid == 0)
		clear_vpid(tlb, 0);
}

/* Of an entry that failed nobody knows what it has written. */
#define VMCS_UNKNOWN UINT32_MAX

/* X1; and the VMCS is written if, and only if, it has to be. */
static void check_plan(struct world *world, uint32_t vcpu, const struct tlbtag_vmx_plan *plan)
{
	tlbtag_t *vmcs = &world->vmcs[vcpu][world->active[vcpu] != 0];

	sum.invalid += (plan->why != 0) != (plan->op_count != 0);
	sum.invalid += plan->vpid_enabled != (plan->vpid != 0);
	sum.invalid += plan->vpid_changed != (*vmcs != plan->vpid);
}

static void enter(struct world *world, uint32_t vcpu, uint32_t cpu, bool taken)
{
	struct tlbtag_vcpu *tags = &world->lab.vcpu[vcpu];
	uint64_t eptp = eptp_of(current_root(world, vcpu));
	bool clean = tlbtag_vmx_is_clean(tags, on(cpu), eptp);
	struct tlbtag_vmx_plan plan = tlbtag_vmx_plan_make(tags, on(cpu), eptp);

	sum.entries++;
	check_plan(world, vcpu, &plan);
	/* X5 */
	sum.invalid += clean && (plan.op_count || plan.vpid_changed);
	if (plan.vpid == 0)
		clear_vpid(&world->tlb[cpu], 0);
	sum.spare += is_spare(world, vcpu, cpu, &plan);
	sum.wide += is_wide(world, vcpu, cpu, &plan);
	for (uint32_t i = 0; i < plan.op_count; i++)
		execute(&world->tlb[cpu], &plan.op[i]);
	if (!taken) {
		world->vmcs[vcpu][world->active[vcpu] != 0] = VMCS_UNKNOWN;
		return;
	}
	sum.wrong += is_linear_stale(world, vcpu, cpu, plan.vpid) ||
		     is_physical_stale(world, vcpu, cpu);
	tlbtag_vmx_entered(tags, on(cpu), eptp);
	world->vmcs[vcpu][world->active[vcpu] != 0] = plan.vpid;
	world->alternates[vcpu][world->active[vcpu] != 0] = false;
	run(world, vcpu, cpu, plan.vpid);
}

/* --- what guests and embedders do -------------------------------------- */

/* The MMU changed tables that all vCPUs use. */
static void change_tables(struct world *world, uint32_t vcpu)
{
	world->now++;
	for (uint32_t root = 0; root < ROOTS; root++)
		world->changed[root] = world->now;
	tlbtag_vcpu_flush(&world->lab.vcpu[vcpu], TLBTAG_TARGET_BOTH, TLBTAG_FLUSH_TAG,
			  TLBTAG_WHY_ALL);
	tlbtag_vcpu_request(&world->lab.vcpu[!vcpu], TLBTAG_TARGET_BOTH, TLBTAG_WHY_ALL);
}

static void flush_current(struct world *world, uint32_t vcpu)
{
	world->view[vcpu][world->active[vcpu]].asked_all = ++world->now;
	tlbtag_vcpu_flush(&world->lab.vcpu[vcpu], TLBTAG_TARGET_ACTIVE, TLBTAG_FLUSH_TAG,
			  TLBTAG_WHY_CURRENT);
}

static void flush_guest(struct world *world, uint32_t vcpu)
{
	world->view[vcpu][world->active[vcpu]].asked = ++world->now;
	tlbtag_vcpu_flush(&world->lab.vcpu[vcpu], TLBTAG_TARGET_ACTIVE, TLBTAG_FLUSH_TAG,
			  TLBTAG_WHY_GUEST);
}

/* A root's page was freed and is a root again; both vCPUs take it up. */
static void rebuild(struct world *world, uint32_t root)
{
	if (!world->has_ept)
		return;
	world->root[root] = ++world->identities;
	world->changed[root] = ++world->now;
	for (uint32_t i = 0; i < LAB_VCPUS; i++)
		tlbtag_vmx_root_start(&world->lab.vcpu[i], eptp_of(root));
}

static void vmenter(struct world *world, uint32_t vcpu, uint32_t vpid12, uint32_t ept12)
{
	struct tlbtag_vmcs12 vmcs12 = {
		.vpid_enabled = vpid12 != 0,
		.vpid = (uint16_t)vpid12,
		.ept_enabled = world->has_ept && ept12 != 0,
		.eptp = ept12 << 12,
	};
	uint32_t work;

	tlbtag_vmx_nested_enter(&world->lab.vcpu[vcpu], &vmcs12, &work);
	world->active[vcpu] = 1 + vpid12;
	world->ept12[vcpu] = vmcs12.ept_enabled ? ept12 : 0;
	if (vpid12) {
		if (!world->ept12[vcpu])
			world->alternates[vcpu][0] = world->alternates[vcpu][1] = true;
		return;
	}
	/* The entry flushes VPID 0, which is L1's as well; so will the exit. */
	world->view[vcpu][0].asked = ++world->now;
	world->view[vcpu][1].asked = world->now;
}

static void leave(struct world *world, uint32_t vcpu)
{
	tlbtag_nested_exit(&world->lab.vcpu[vcpu]);
	world->active[vcpu] = 0;
}

/* vpid12 0 stands for all. */
static void invvpid(struct world *world, uint32_t vcpu, uint32_t cpu, uint32_t type,
		    uint32_t vpid12)
{
	struct tlbtag_invvpid invvpid = {
		.offered = 0xf, .type = type, .vpid = vpid12, .canonical = true,
	};
	struct tlbtag_invvpid_answer answer;

	if (world->active[vcpu])
		return;
	world->now++;
	for (uint32_t i = 1; i < VPIDS12; i++)
		if (vpid12 == 0 || vpid12 == i)
			world->view[vcpu][1 + i].asked = world->now;
	answer = tlbtag_vmx_invvpid(&world->lab.vcpu[vcpu], on(cpu), &invvpid);
	sum.invalid += answer.fail != TLBTAG_VMX_OK;
	/* There is only one address. */
	if (answer.action == TLBTAG_ADDRESS_NOW)
		clear_vpid(&world->tlb[cpu], answer.op.vpid);
	sum.invalid += answer.action == TLBTAG_ADDRESS_NOW && answer.op.vpid == 0;
}

/* ept12 0 stands for all. The guest changed its tables before. */
static void invept(struct world *world, uint32_t vcpu, uint32_t ept12)
{
	struct tlbtag_invept operand = {
		.offered = 6,
		.type = ept12 ? TLBTAG_INVEPT_CONTEXT : TLBTAG_INVEPT_ALL,
		.eptp = (ept12 << 12) | 0x1e,
		.valid = true,
	};
	uint32_t work;

	if (world->active[vcpu] || !world->has_ept)
		return;
	world->now++;
	for (uint32_t i = 1; i <= EPTS; i++)
		if (ept12 == 0 || ept12 == i)
			world->invept[vcpu][ROOT_SHADOW(i)] = world->now;
	sum.invalid += tlbtag_vmx_invept(&world->lab.vcpu[vcpu], &operand, &work) != TLBTAG_VMX_OK;
}

/* The tags are back in between, and the other vCPU may take them. */
static void remake(struct world *world, uint32_t vcpu, const struct shape *shape, bool retag)
{
	tlbtag_vcpu_destroy(&world->lab.vcpu[vcpu]);
	if (retag)
		tlbtag_vcpu_retag(&world->lab.vcpu[!vcpu]);
	tlbtag_vcpu_init(&world->lab.vcpu[vcpu], &world->lab.vm, vcpu);
	tlbtag_nested_enable(&world->lab.vcpu[vcpu], shape->contexts);
	start_vmcs(world, vcpu);
	start_views(world, vcpu, 0);
}

static void vmxoff_and_on(struct world *world, uint32_t vcpu, const struct shape *shape)
{
	tlbtag_nested_disable(&world->lab.vcpu[vcpu]);
	tlbtag_nested_enable(&world->lab.vcpu[vcpu], shape->contexts);
	world->active[vcpu] = 0;
	start_views(world, vcpu, 1);
}

static void vmxoff(struct world *world, uint32_t vcpu)
{
	tlbtag_nested_disable(&world->lab.vcpu[vcpu]);
	world->active[vcpu] = 0;
	start_views(world, vcpu, 1);
	/* The tags are back, and somebody may take them. */
	tlbtag_vcpu_retag(&world->lab.vcpu[!vcpu]);
	tlbtag_nested_enable(&world->lab.vcpu[vcpu], 1);
}

static void cpu_off_and_on(struct world *world, uint32_t cpu)
{
	tlbtag_host_cpu_online(&world->lab.host, on(cpu));
	memset(&world->tlb[cpu], 0xff, sizeof(world->tlb[cpu]));
}

#define VCPU_OPERATIONS 24u
#define OPERATIONS (LAB_VCPUS * VCPU_OPERATIONS + LAB_CPUS)

static void operate_l1(struct world *world, uint32_t vcpu, uint32_t operation,
		       const struct shape *shape)
{
	switch (operation) {
	case 12:
		return leave(world, vcpu);
	case 13:
	case 14:
		return invvpid(world, vcpu, operation - 13, TLBTAG_INVVPID_ADDRESS, 1);
	case 15:
		return invvpid(world, vcpu, 0, TLBTAG_INVVPID_CONTEXT, 1);
	case 16:
		return invvpid(world, vcpu, 0, TLBTAG_INVVPID_ALL, 0);
	case 17:
		return invept(world, vcpu, 1);
	case 18:
		return invept(world, vcpu, 0);
	case 19:
		return remake(world, vcpu, shape, false);
	case 20:
		return vmxoff_and_on(world, vcpu, shape);
	case 21:
		return vmxoff(world, vcpu);
	case 22:
		return vmenter(world, vcpu, 2, 0);
	case 23:
		return remake(world, vcpu, shape, true);
	}
}

static void operate(struct world *world, uint32_t operation, const struct shape *shape)
{
	uint32_t vcpu = operation / VCPU_OPERATIONS;

	if (vcpu >= LAB_VCPUS)
		return cpu_off_and_on(world, operation - LAB_VCPUS * VCPU_OPERATIONS);
	operation %= VCPU_OPERATIONS;
	switch (operation) {
	case 0:
	case 1:
		return enter(world, vcpu, operation, true);
	case 2:
		return enter(world, vcpu, 0, false);
	case 3:
		return change_tables(world, vcpu);
	case 4:
		return flush_current(world, vcpu);
	case 5:
		return flush_guest(world, vcpu);
	case 6:
		return rebuild(world, ROOT_L1 + vcpu);
	case 7:
	case 8:
	case 9:
		return vmenter(world, vcpu, operation - 7, 1);
	case 10:
		return vmenter(world, vcpu, 1, 2);
	case 11:
		return vmenter(world, vcpu, 0, 0);
	}
	operate_l1(world, vcpu, operation, shape);
}

/* --- exploring --------------------------------------------------------- */

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
		vmenter(world, vcpu, 1, 1);
		enter(world, vcpu, 0, true);
		leave(world, vcpu);
	}
}

static uint32_t random_below(uint64_t *state, uint32_t limit)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 33) % limit;
}

/* Half of the steps are entries, so that what was asked for is looked at. */
static void walk(const struct shape *shape, uint64_t seed, uint32_t steps)
{
	static struct world world;

	start(&world, shape);
	while (steps--) {
		operate(&world, random_below(&seed, OPERATIONS), shape);
		enter(&world, random_below(&seed, LAB_VCPUS), random_below(&seed, LAB_CPUS), true);
	}
}

/* One tag: even L1 of the second vCPU has VPID 0. Two: L2 borrows L1's. */
static const struct shape shapes[] = {
	{ .tags = 1, .contexts = 1, .has_ept = true },
	{ .tags = 2, .contexts = 1, .has_ept = true },
	{ .tags = 4, .contexts = 1, .has_ept = true },
	{ .tags = 7, .contexts = 2, .has_ept = true },
	{ .tags = 3, .contexts = 1, .has_ept = true, .shared = true },
	{ .tags = 1, .contexts = 1, .has_ept = true, .shared = true },
	{ .tags = 1, .contexts = 1 },
	{ .tags = 2, .contexts = 1 },
	{ .tags = 4, .contexts = 1 },
	{ .tags = 7, .contexts = 2 },
	{ .tags = 1, .contexts = 1, .shared = true },
};

#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))

static void check_sum(const struct shape *shape)
{
	bool ok = CHECK_EQ(sum.wrong, 0);

	ok &= CHECK_EQ(sum.spare, 0);
	ok &= CHECK_EQ(sum.wide, 0);
	/* X2, too: the naive processor refuses VPID 0. */
	ok &= CHECK_EQ(sum.invalid, 0);
	if (!ok)
		test_failed(__FILE__, __LINE__, "shape number %zu", (size_t)(shape - shapes));
	sum.wrong = sum.spare = sum.wide = sum.invalid = 0;
}

TEST(vmx_small_every_sequence_from_the_start)
{
	static struct world world;

	memset(&sum, 0, sizeof(sum));
	for (size_t i = 0; i < SHAPES; i++) {
		start(&world, &shapes[i]);
		explore(&world, &shapes[i], DEPTH_COLD);
		check_sum(&shapes[i]);
	}
	CHECK(sum.entries > 100000);
}

TEST(vmx_small_every_sequence_after_both_levels_ran)
{
	static struct world world;

	memset(&sum, 0, sizeof(sum));
	for (size_t i = 0; i < SHAPES; i++) {
		start(&world, &shapes[i]);
		warm_up(&world);
		explore(&world, &shapes[i], DEPTH_WARM);
		check_sum(&shapes[i]);
	}
	CHECK(sum.entries > 5000000);
}

TEST(vmx_small_long_random_walks)
{
	memset(&sum, 0, sizeof(sum));
	for (size_t i = 0; i < SHAPES; i++) {
		for (uint64_t seed = 1; seed <= 20; seed++)
			walk(&shapes[i], seed, 20000);
		check_sum(&shapes[i]);
	}
	CHECK(sum.ops > 1000000);
}

/* The oracle is no decoration: without a rule it sees stale translations. */
TEST(vmx_small_oracle_notices_each_missing_rule)
{
	static const enum tlbtag_rule rules[] = {
		TLBTAG_RULE_FIRST_USE,	    TLBTAG_RULE_MOVED,
		TLBTAG_RULE_SHARED_OWNER,   TLBTAG_RULE_SHARED_BORROWED,
		TLBTAG_RULE_CPU_ONLINE,
		TLBTAG_RULE_ACK,	    TLBTAG_RULE_ALL_CONTEXTS,
		TLBTAG_RULE_ACTIVE_LEVEL,   TLBTAG_RULE_REMOTE_REQUEST,
		TLBTAG_RULE_KEEP_PENDING,   TLBTAG_RULE_L1_ASID_CHANGE,
		TLBTAG_RULE_NESTED_REALLOC, TLBTAG_RULE_INVLPGA_PLACE,
		TLBTAG_RULE_EPT_SCOPE,	    TLBTAG_RULE_EPT_ROOT,
		TLBTAG_RULE_EPT_REUSE,	    TLBTAG_RULE_NO_VPID_L2,
		TLBTAG_RULE_NO_VPID_L1,	    TLBTAG_RULE_L2_NO_TAG,
		TLBTAG_RULE_INVVPID_MATCH,  TLBTAG_RULE_INVVPID_ALL,
		TLBTAG_RULE_INVEPT_MATCH,
	};

	for (size_t rule = 0; rule < sizeof(rules) / sizeof(rules[0]); rule++) {
		memset(&sum, 0, sizeof(sum));
		tlbtag_sim_rule_off(rules[rule]);
		for (size_t i = 0; i < SHAPES; i++)
			for (uint64_t seed = 1; seed <= 20 && !sum.wrong; seed++)
				walk(&shapes[i], seed, 20000);
		tlbtag_sim_rule_all_on();
		if (!CHECK(sum.wrong > 0))
			test_failed(__FILE__, __LINE__, "rule number %zu of the list", rule);
	}
}
