/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * vcpu: the contexts of a vCPU and its entry plan.
 *
 * Why an entry with a clean context needs no flush: everything under its tag on
 * this CPU was made by itself, since (a) the tag is private, or it was the last
 * to use the shared tag here, (b) it has run nowhere else since, so none of its
 * own invalidations happened on another CPU without reaching this one, and (c)
 * nothing was asked for since its latest entry, which carried all that had been
 * asked for before. The three are checked in that order of cost: (b) one
 * compare, (c) one test, (a) only for shared tags.
 *
 * V4, the short cut in the header, remembers the answer: an entry makes its level
 * ready unless its tag is shared, and each function that changes what the three
 * look at takes that back. It is the most frequent question of all.
 */
#include "vcpu.h"
#include <tlbtag/rules.h>

/* Reasons that are a guest's own flush, and so about its own tables. */
#define GUEST_FLUSHES (TLBTAG_WHY_GUEST | TLBTAG_WHY_PV | TLBTAG_WHY_INVVPID)

static uint32_t level_of(const struct tlbtag_vcpu *vcpu)
{
	return tlbtag_vcpu_in_l2(vcpu) ? LEVEL_L2 : LEVEL_L1;
}

void tlbtag_vcpu_start_ctx(struct tlbtag_vcpu *vcpu, struct tlbtag_ctx *ctx, tlbtag_t tag)
{
	tlbtag_vcpu_unready(vcpu, tlbtag_vcpu_level(vcpu, ctx));
	tlbtag_ctx_start(ctx, tag, tlbtag_vcpu_is_fallback(vcpu, tag) || tag == vcpu->vm->tag);
}

tlbtag_t tlbtag_vcpu_take_tag(struct tlbtag_vcpu *vcpu, uint32_t keep)
{
	struct tlbtag_pool *pool = vcpu->vm->host->pool;

	if (keep && tlbtag_pool_plain_free(pool) <= keep)
		return TLBTAG_NONE;
	return tlbtag_pool_alloc(pool, TLBTAG_PLAIN);
}

void tlbtag_vcpu_return_tag(struct tlbtag_vcpu *vcpu, struct tlbtag_ctx *ctx)
{
	if (!ctx->shared)
		tlbtag_pool_free(vcpu->vm->host->pool, ctx->tag);
	ctx->tag = TLBTAG_NONE;
}

static tlbtag_t or_fallback(const struct tlbtag_vcpu *vcpu, tlbtag_t tag)
{
	return tag != TLBTAG_NONE ? tag : tlbtag_pool_fallback(vcpu->vm->host->pool);
}

/* V2: from the pool a tag comes to one holder; the fallback and the VM's are meant to be shared. */
static tlbtag_t tag_for_l1(struct tlbtag_vcpu *vcpu)
{
	tlbtag_t tag = vcpu->vm->tag;

	if (tag == TLBTAG_NONE)
		tag = tlbtag_vcpu_take_tag(vcpu, 0);
	return or_fallback(vcpu, tag);
}

tlbtag_t tlbtag_vcpu_take_l2_tag(struct tlbtag_vcpu *vcpu)
{
	if (vcpu->vm->is_key)
		return vcpu->vm->tag;
	return tlbtag_vcpu_take_tag(vcpu, vcpu->vm->host->reserve);
}

int tlbtag_vcpu_init(struct tlbtag_vcpu *vcpu, struct tlbtag_vm *vm, uint32_t id)
{
	if (vm->tag != TLBTAG_NONE && id >= vm->owner.members)
		return -EINVAL;

	*vcpu = (struct tlbtag_vcpu){ .vm = vm, .id = id };
	vcpu->block[LEVEL_L1].cpu = TLBTAG_CPU_NONE;
	vcpu->block[LEVEL_L2].cpu = TLBTAG_CPU_NONE;
	tlbtag_vcpu_start_ctx(vcpu, &vcpu->l1, tag_for_l1(vcpu));
	vcpu->l1.shadow_linear = !vm->host->hw.nested_paging;
	/* A former vCPU of this number may be on record (SPEC B.8). */
	if (vm->tag != TLBTAG_NONE)
		tlbtag_owner_forget(&vm->owner, id);
	vm->vcpus++;
	return 0;
}
TLBTAG_EXPORT(tlbtag_vcpu_init);

void tlbtag_vcpu_destroy(struct tlbtag_vcpu *vcpu)
{
	uint32_t i;

	for (i = 0; i < vcpu->l2_count; i++)
		tlbtag_vcpu_return_tag(vcpu, &vcpu->l2[i].ctx);
	vcpu->l2_count = 0;
	vcpu->latest = 0;
	vcpu->active = TLBTAG_ACTIVE_L1;
	tlbtag_vcpu_return_tag(vcpu, &vcpu->l1);
	if (!tlbtag_warn_once(vcpu->vm->vcpus == 0, "vcpu: more destroyed than made"))
		vcpu->vm->vcpus--;
}
TLBTAG_EXPORT(tlbtag_vcpu_destroy);

/* A context with a new tag starts anew, but for what its MMU side owes. */
static void restart(struct tlbtag_vcpu *vcpu, struct tlbtag_ctx *ctx, tlbtag_t tag)
{
	struct tlbtag_ctx before = *ctx;

	tlbtag_vcpu_start_ctx(vcpu, ctx, tag);
	ctx->demand = before.demand;
	ctx->shadow_linear = before.shadow_linear;
}

static uint32_t retag(struct tlbtag_vcpu *vcpu, struct tlbtag_ctx *ctx, uint32_t keep)
{
	tlbtag_t tag;

	if (!tlbtag_vcpu_is_fallback(vcpu, ctx->tag))
		return 0;
	tag = tlbtag_vcpu_take_tag(vcpu, keep);
	if (tag == TLBTAG_NONE)
		return 0;
	restart(vcpu, ctx, tag);
	return 1;
}

uint32_t tlbtag_vcpu_retag(struct tlbtag_vcpu *vcpu)
{
	uint32_t changed = retag(vcpu, &vcpu->l1, 0);
	uint32_t i;

	for (i = 0; i < vcpu->l2_count; i++)
		changed += retag(vcpu, &vcpu->l2[i].ctx, vcpu->vm->host->reserve);
	return changed;
}
TLBTAG_EXPORT(tlbtag_vcpu_retag);

int tlbtag_vcpu_rekey(struct tlbtag_vcpu *vcpu, uint32_t id)
{
	struct tlbtag_vm *vm = vcpu->vm;
	uint32_t i;

	if (vm->tag != TLBTAG_NONE && id >= vm->owner.members)
		return -EINVAL;
	tlbtag_vcpu_return_tag(vcpu, &vcpu->l1);
	for (i = 0; i < vcpu->l2_count; i++)
		tlbtag_vcpu_return_tag(vcpu, &vcpu->l2[i].ctx);

	vcpu->id = id;
	if (vm->tag != TLBTAG_NONE)
		tlbtag_owner_forget(&vm->owner, id);
	restart(vcpu, &vcpu->l1, tag_for_l1(vcpu));
	for (i = 0; i < vcpu->l2_count; i++)
		restart(vcpu, &vcpu->l2[i].ctx, or_fallback(vcpu, tlbtag_vcpu_take_l2_tag(vcpu)));
	return 0;
}
TLBTAG_EXPORT(tlbtag_vcpu_rekey);

void tlbtag_vcpu_reset(struct tlbtag_vcpu *vcpu)
{
	vcpu->active = TLBTAG_ACTIVE_L1;
	if (TLBTAG_RULE(RESET))
		tlbtag_vcpu_owe(vcpu, &vcpu->l1, TLBTAG_FLUSH_TAG, TLBTAG_WHY_RESET);
	tlbtag_vcpu_demand_sync(vcpu, &vcpu->l1);
}
TLBTAG_EXPORT(tlbtag_vcpu_reset);

void tlbtag_vcpu_demand_sync(struct tlbtag_vcpu *vcpu, struct tlbtag_ctx *ctx)
{
	ctx->demand = ++vcpu->generation;
}

uint32_t tlbtag_vcpu_pend(struct tlbtag_vcpu *vcpu, struct tlbtag_ctx *ctx,
			  enum tlbtag_flush flush, uint32_t why)
{
	tlbtag_vcpu_owe(vcpu, ctx, flush, why);
	/* Only a guest's own flush speaks about the guest's own tables. */
	if (!ctx->shadow_linear || !(why & GUEST_FLUSHES) || !TLBTAG_RULE(SYNC_GUEST_FLUSH))
		return 0;
	tlbtag_vcpu_demand_sync(vcpu, ctx);
	return TLBTAG_WORK_SYNC;
}

static uint32_t pend_l2(struct tlbtag_vcpu *vcpu, enum tlbtag_flush flush, uint32_t why)
{
	uint32_t work = 0;
	uint32_t i;

	for (i = 0; i < vcpu->l2_count; i++)
		work |= tlbtag_vcpu_pend(vcpu, &vcpu->l2[i].ctx, flush, why);
	return work;
}

static enum tlbtag_target resolve(const struct tlbtag_vcpu *vcpu, enum tlbtag_target target,
				  uint32_t why)
{
	if ((why & TLBTAG_WHY_PV) && !TLBTAG_RULE(PV_L1))
		target = TLBTAG_TARGET_ACTIVE;
	if (target == TLBTAG_TARGET_BOTH && !TLBTAG_RULE(ALL_CONTEXTS))
		target = TLBTAG_TARGET_ACTIVE;
	/* Without the rule a request that waited over a switch hits the wrong level. */
	if (target == TLBTAG_TARGET_ACTIVE && !TLBTAG_RULE(ACTIVE_LEVEL))
		target = tlbtag_vcpu_in_l2(vcpu) ? TLBTAG_TARGET_L1 : TLBTAG_TARGET_L2;
	return target;
}

/*
 * The addresses of a queue may be global, and under shadow paging they are to go
 * from the roots as well, which only a guest's flush sees to.
 */
static bool covers_addresses(const struct tlbtag_vcpu *vcpu, enum tlbtag_flush flush,
			     uint32_t why)
{
	if (!TLBTAG_RULE(QUEUE_COVERED))
		return true;
	return flush != TLBTAG_FLUSH_NONGLOBAL &&
	       (vcpu->vm->host->hw.nested_paging || (why & GUEST_FLUSHES));
}

/* A queue may be dropped if all in it is covered; L2's is for all L2 contexts. */
static uint32_t purge_of(const struct tlbtag_vcpu *vcpu, enum tlbtag_target target,
			 enum tlbtag_flush flush, uint32_t why)
{
	if (!covers_addresses(vcpu, flush, why))
		return 0;
	switch (target) {
	case TLBTAG_TARGET_ACTIVE:
		if (!tlbtag_vcpu_in_l2(vcpu))
			return TLBTAG_WORK_PURGE_L1;
		if (vcpu->l2_count > 1 && TLBTAG_RULE(QUEUE_COVERED))
			return 0;
		return TLBTAG_WORK_PURGE_L2;
	case TLBTAG_TARGET_L1:
		return TLBTAG_WORK_PURGE_L1;
	case TLBTAG_TARGET_L2:
		return TLBTAG_WORK_PURGE_L2;
	case TLBTAG_TARGET_BOTH:
		break;
	}
	return TLBTAG_WORK_PURGE_L1 | TLBTAG_WORK_PURGE_L2;
}

uint32_t tlbtag_vcpu_flush(struct tlbtag_vcpu *vcpu, enum tlbtag_target target,
			   enum tlbtag_flush flush, uint32_t why)
{
	uint32_t work;

	target = resolve(vcpu, target, why);
	work = purge_of(vcpu, target, flush, why);
	switch (target) {
	case TLBTAG_TARGET_ACTIVE:
		return work | tlbtag_vcpu_pend(vcpu, tlbtag_vcpu_active_ctx(vcpu), flush, why);
	case TLBTAG_TARGET_L1:
		return work | tlbtag_vcpu_pend(vcpu, &vcpu->l1, flush, why);
	case TLBTAG_TARGET_L2:
		return work | pend_l2(vcpu, flush, why);
	case TLBTAG_TARGET_BOTH:
		break;
	}
	return work | tlbtag_vcpu_pend(vcpu, &vcpu->l1, flush, why) | pend_l2(vcpu, flush, why);
}
TLBTAG_EXPORT(tlbtag_vcpu_flush);

void tlbtag_vcpu_request(struct tlbtag_vcpu *vcpu, enum tlbtag_target target, uint32_t why)
{
	if (tlbtag_warn_once(target == TLBTAG_TARGET_ACTIVE, "vcpu: remote request names no level"))
		target = TLBTAG_TARGET_BOTH;
	/* Pairs with the exchange in tlbtag_vcpu_accept(). */
	if (target != TLBTAG_TARGET_L2)
		tlbtag_fetch_or_seq(&vcpu->remote[LEVEL_L1], why);
	if (target != TLBTAG_TARGET_L1)
		tlbtag_fetch_or_seq(&vcpu->remote[LEVEL_L2], why);
}
TLBTAG_EXPORT(tlbtag_vcpu_request);

uint32_t tlbtag_vcpu_take_remote(struct tlbtag_vcpu *vcpu)
{
	uint32_t work = 0;
	uint32_t why;

	if (!TLBTAG_RULE(REMOTE_REQUEST))
		return 0;
	if (tlbtag_load_relaxed(&vcpu->remote[LEVEL_L1])) {
		why = tlbtag_exchange_seq(&vcpu->remote[LEVEL_L1], 0u);
		work |= tlbtag_vcpu_pend(vcpu, &vcpu->l1, TLBTAG_FLUSH_TAG, why);
	}
	if (tlbtag_load_relaxed(&vcpu->remote[LEVEL_L2])) {
		why = tlbtag_exchange_seq(&vcpu->remote[LEVEL_L2], 0u);
		work |= pend_l2(vcpu, TLBTAG_FLUSH_TAG, why);
	}
	return work;
}

static bool is_here(const struct tlbtag_vcpu *vcpu, const struct tlbtag_ctx *ctx,
		    struct tlbtag_cpu cpu)
{
	return ctx->cpu == cpu.nr && ctx->epoch == vcpu->vm->host->cpu[cpu.nr].epoch;
}

/*
 * An INVLPGA acts on the CPU that executes it. The context's entries are on the
 * CPU of its last entry: the next entry anywhere else flushes anyway. If they
 * are not here, the instruction would do nothing, and the context might return
 * to the other CPU without having moved at all (SPEC B.7).
 */
enum tlbtag_address tlbtag_vcpu_address(struct tlbtag_vcpu *vcpu, struct tlbtag_ctx *ctx,
					struct tlbtag_cpu cpu, tlbtag_t *tag)
{
	const struct tlbtag_hw *hw = &vcpu->vm->host->hw;
	bool usable = !hw->invlpga_unreliable || !TLBTAG_RULE(INVLPGA_ERRATUM);

	*tag = tlbtag_vcpu_tag_of(vcpu, ctx);
	/* VPIDs are off for it: nothing has outlived its latest exit. */
	if (*tag == TLBTAG_NONE)
		return TLBTAG_ADDRESS_NOTHING;
	if (usable && (is_here(vcpu, ctx, cpu) || !TLBTAG_RULE(INVLPGA_PLACE)))
		return TLBTAG_ADDRESS_NOW;
	tlbtag_vcpu_owe(vcpu, ctx, TLBTAG_FLUSH_TAG,
			hw->vendor == TLBTAG_AMD ? TLBTAG_WHY_INVLPGA : TLBTAG_WHY_INVVPID);
	return TLBTAG_ADDRESS_PENDING;
}

enum tlbtag_address tlbtag_vcpu_invalidate(struct tlbtag_vcpu *vcpu, struct tlbtag_cpu cpu,
					   tlbtag_t *tag)
{
	return tlbtag_vcpu_address(vcpu, tlbtag_vcpu_active_ctx(vcpu), cpu, tag);
}
TLBTAG_EXPORT(tlbtag_vcpu_invalidate);

/*
 * The record knows vCPUs, so which context of the vCPU it was is remembered here.
 * On Intel, where L2 may borrow the VM's VPID, pend_others() sees to it instead.
 */
static bool is_other_sharer(const struct tlbtag_vcpu *vcpu, const struct tlbtag_ctx *ctx,
			    struct tlbtag_cpu cpu)
{
	if (tlbtag_owner_is_other(&vcpu->vm->owner, vcpu->id, cpu))
		return true;
	return vcpu->vm->is_key && ctx != tlbtag_vcpu_ctx(vcpu, vcpu->sharer);
}

/* Has another context used this context's tag on this CPU? */
static uint32_t why_shared(const struct tlbtag_vcpu *vcpu, const struct tlbtag_ctx *ctx,
			   struct tlbtag_cpu cpu)
{
	const struct tlbtag_vm *vm = vcpu->vm;
	tlbtag_t tag = tlbtag_vcpu_tag_of(vcpu, ctx);
	bool other = false;

	/* Under VPID 0 nobody leaves anything: entries and exits flush it. */
	if (tag == TLBTAG_NONE)
		return 0;
	if (tlbtag_vcpu_is_fallback(vcpu, tag))
		other = vm->host->cpu[cpu.nr].fallback_owner != ctx;
	else if (tag == vm->tag)
		other = is_other_sharer(vcpu, ctx, cpu);
	return other && TLBTAG_RULE(SHARED_OWNER) ? TLBTAG_WHY_SHARED : 0;
}

/* V3: whatever the reason was for running elsewhere, coming back flushes. */
uint32_t tlbtag_vcpu_why_here(const struct tlbtag_vcpu *vcpu, const struct tlbtag_ctx *ctx,
			      struct tlbtag_cpu cpu)
{
	if (ctx->cpu == TLBTAG_CPU_NONE)
		return TLBTAG_RULE(FIRST_USE) ? TLBTAG_WHY_FIRST_USE : 0;
	if (ctx->cpu != cpu.nr)
		return TLBTAG_RULE(MOVED) ? TLBTAG_WHY_MOVED : 0;
	if (ctx->epoch != vcpu->vm->host->cpu[cpu.nr].epoch)
		return TLBTAG_RULE(CPU_ONLINE) ? TLBTAG_WHY_CPU_ONLINE : 0;
	return why_shared(vcpu, ctx, cpu);
}

static uint32_t dirty_of(const struct tlbtag_vcpu *vcpu, tlbtag_t tag, struct tlbtag_cpu cpu)
{
	const struct tlbtag_block *block = &vcpu->block[level_of(vcpu)];

	if (block->cpu != cpu.nr)
		return TLBTAG_DIRTY_ALL | TLBTAG_DIRTY_TAG;
	return block->tag != tag ? TLBTAG_DIRTY_TAG : 0;
}

static enum tlbtag_flush scope_of(const struct tlbtag_vcpu *vcpu, enum tlbtag_flush pending,
				  uint32_t placed)
{
	/* What a former user of the tag left may be global. */
	enum tlbtag_flush flush = placed ? TLBTAG_FLUSH_TAG : pending;

	if (!vcpu->vm->host->hw.flush_by_tag && TLBTAG_RULE(ALL_BY_ABSENCE))
		return TLBTAG_FLUSH_ALL;
	return flush > pending ? flush : pending;
}

/*
 * Has an entry of somebody else flushed every tag of this CPU since this context's
 * latest? Then nothing of it is left, for it has not run anywhere since, and it does
 * not matter whether what is pending was asked for before or after. (It has not run
 * by the short cut either, which such a flush closes to all contexts of the CPU.)
 * Somebody who used a shared tag in the meantime, or a CPU that was off, which
 * counts as a change too, is a reason of place.
 *
 * Without FLUSHBYASID a fifth of all flushes would be for nothing. A counter that
 * wraps around between two entries costs a flush.
 */
static bool is_served(const struct tlbtag_vcpu *vcpu, const struct tlbtag_ctx *ctx,
		      struct tlbtag_cpu cpu, uint32_t placed)
{
	if (placed && TLBTAG_RULE(EMPTIED_HERE))
		return false;
	return ctx->changes != vcpu->vm->host->cpu[cpu.nr].changes;
}

/*
 * V1: tlbtag_host_init() refuses a host without a fallback tag, and contexts
 * without a tag get it. VMRUN with ASID 0 fails; on Intel VPID 0 is the way to
 * switch VPIDs off.
 */
static bool is_illegal_tag(const struct tlbtag_vcpu *vcpu, tlbtag_t tag)
{
	return tag == TLBTAG_NONE && vcpu->vm->host->hw.vendor == TLBTAG_AMD;
}

/* An internal check failed: a tag that is always legal, and nothing is kept. */
static struct tlbtag_plan plan_in_doubt(const struct tlbtag_vcpu *vcpu)
{
	return (struct tlbtag_plan){
		.tag = tlbtag_pool_fallback(vcpu->vm->host->pool),
		.flush = TLBTAG_FLUSH_ALL,
		.dirty = TLBTAG_DIRTY_ALL | TLBTAG_DIRTY_TAG,
		.why = TLBTAG_WHY_DOUBT,
	};
}

/*
 * V4: from here on the control block may hold the plan's tag, or, if the plan is
 * given up, what it held before. Only an entry tells.
 */
void tlbtag_vcpu_open_block(struct tlbtag_vcpu *vcpu)
{
	if (!TLBTAG_RULE(BLOCK_UNKNOWN))
		return;
	vcpu->block[level_of(vcpu)].cpu = TLBTAG_CPU_NONE;
	tlbtag_vcpu_unready(vcpu, level_of(vcpu));
}

struct tlbtag_plan tlbtag_vcpu_plan(struct tlbtag_vcpu *vcpu, struct tlbtag_cpu cpu)
{
	struct tlbtag_ctx *ctx = tlbtag_vcpu_active_ctx(vcpu);
	struct tlbtag_plan plan = { .tag = ctx->tag };
	uint32_t placed;

	if (tlbtag_warn_once(cpu.nr >= vcpu->vm->host->hw.nr_cpus, "vcpu: no such CPU") ||
	    tlbtag_warn_once(is_illegal_tag(vcpu, ctx->tag), "V1: a context without a tag"))
		return plan_in_doubt(vcpu);

	plan.work = tlbtag_vcpu_accept(vcpu);
	placed = tlbtag_vcpu_why_here(vcpu, ctx, cpu);
	plan.dirty = dirty_of(vcpu, ctx->tag, cpu);
	if (!is_served(vcpu, ctx, cpu, placed))
		plan.why = placed | ctx->why;
	if (plan.why)
		plan.flush = scope_of(vcpu, ctx->flush, placed);
	vcpu->empties = plan.flush == TLBTAG_FLUSH_ALL;
	tlbtag_vcpu_open_block(vcpu);
	/* Without the rule a VMRUN that fails its checks loses the flush. */
	if (!TLBTAG_RULE(ACK))
		ctx->why = TLBTAG_WHY_NOTHING;
	return plan;
}
TLBTAG_EXPORT(tlbtag_vcpu_plan);

/*
 * On Intel L1 and an L2 context that borrows its VPID are one member of the owner
 * record, but each has a root of its own, and the entry of one flushes its root
 * alone. So what the other finds is pended when the tag is taken over.
 */
static void pend_others(struct tlbtag_vcpu *vcpu, const struct tlbtag_ctx *ctx)
{
	uint32_t i;

	if (!TLBTAG_RULE(SHARED_BORROWED))
		return;
	if (ctx != &vcpu->l1)
		tlbtag_vcpu_owe(vcpu, &vcpu->l1, TLBTAG_FLUSH_TAG, TLBTAG_WHY_SHARED);
	for (i = 0; i < vcpu->l2_count; i++)
		if (ctx != &vcpu->l2[i].ctx && vcpu->l2[i].ctx.tag == TLBTAG_NONE)
			tlbtag_vcpu_owe(vcpu, &vcpu->l2[i].ctx, TLBTAG_FLUSH_TAG,
					TLBTAG_WHY_SHARED);
}

/* A shared tag asks the owner record each time. A borrowed one is shared, too. */
static void make_ready(struct tlbtag_vcpu *vcpu, const struct tlbtag_ctx *ctx)
{
	bool own = !ctx->shared && ctx->tag != TLBTAG_NONE;

	vcpu->ready[level_of(vcpu)] = (struct tlbtag_ready){
		.cpu = own ? ctx->cpu : TLBTAG_CPU_NONE,
		.changes = ctx->changes,
		.changes_now = &vcpu->vm->host->cpu[ctx->cpu].changes,
	};
}

static void record_use(struct tlbtag_vcpu *vcpu, const struct tlbtag_ctx *ctx,
		       struct tlbtag_cpu cpu)
{
	struct tlbtag_vm *vm = vcpu->vm;
	tlbtag_t tag = tlbtag_vcpu_tag_of(vcpu, ctx);

	if (tlbtag_vcpu_is_fallback(vcpu, tag)) {
		vm->host->cpu[cpu.nr].fallback_owner = ctx;
	} else if (tag == vm->tag) {
		if (tlbtag_owner_is_other(&vm->owner, vcpu->id, cpu))
			pend_others(vcpu, ctx);
		tlbtag_owner_take(&vm->owner, vcpu->id, cpu);
		vcpu->sharer = vcpu->active;
	}
}

/*
 * C2: this alone clears what is pending, for the active context; one that begins
 * anew owes its first flush instead.
 * C3: this alone writes the CPU, apart from tlbtag_ctx_start().
 */
void tlbtag_vcpu_entered(struct tlbtag_vcpu *vcpu, struct tlbtag_cpu cpu)
{
	struct tlbtag_ctx *ctx = tlbtag_vcpu_active_ctx(vcpu);
	struct tlbtag_host_cpu *here;

	if (tlbtag_warn_once(cpu.nr >= vcpu->vm->host->hw.nr_cpus, "vcpu: no such CPU"))
		return;
	here = &vcpu->vm->host->cpu[cpu.nr];
	record_use(vcpu, ctx, cpu);
	ctx->cpu = cpu.nr;
	ctx->epoch = here->epoch;
	here->changes += vcpu->empties;
	vcpu->empties = false;
	ctx->changes = here->changes;
	ctx->why = TLBTAG_WHY_NOTHING;
	ctx->flush = TLBTAG_FLUSH_NONE;
	make_ready(vcpu, ctx);
	vcpu->block[level_of(vcpu)] = (struct tlbtag_block){
		.tag = tlbtag_vcpu_tag_of(vcpu, ctx),
		.cpu = cpu.nr,
	};
}
TLBTAG_EXPORT(tlbtag_vcpu_entered);
