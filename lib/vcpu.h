/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What lib/vcpu.c, lib/nested.c and lib/vmx.c share and nobody else needs.
 */
#ifndef TLBTAG_LIB_VCPU_H
#define TLBTAG_LIB_VCPU_H

#include <tlbtag/vcpu.h>

/* Index of a level in tlbtag_vcpu.block and .remote */
#define LEVEL_L1 0u
#define LEVEL_L2 1u

/* tlbtag_vcpu_active() of a vCPU that may be written to. */
static inline struct tlbtag_ctx *tlbtag_vcpu_active_ctx(struct tlbtag_vcpu *vcpu)
{
	return (struct tlbtag_ctx *)tlbtag_vcpu_active(vcpu);
}

static inline bool tlbtag_vcpu_is_fallback(const struct tlbtag_vcpu *vcpu, tlbtag_t tag)
{
	return tag == tlbtag_pool_fallback(vcpu->vm->host->pool);
}

/*
 * The tag that a context is entered with. On Intel an L2 context without one of
 * its own borrows L1's; 0 means VPIDs off.
 */
static inline tlbtag_t tlbtag_vcpu_tag_of(const struct tlbtag_vcpu *vcpu,
					  const struct tlbtag_ctx *ctx)
{
	return ctx->tag != TLBTAG_NONE ? ctx->tag : vcpu->l1.tag;
}

/*
 * V4: what a plan looks at is about to change, but for the CPU, its changes and
 * remote requests, which tlbtag_vcpu_is_clean() looks at itself.
 */
static inline void tlbtag_vcpu_unready(struct tlbtag_vcpu *vcpu, uint32_t level)
{
	vcpu->ready[level].cpu = TLBTAG_CPU_NONE;
}

static inline uint32_t tlbtag_vcpu_level(const struct tlbtag_vcpu *vcpu,
					 const struct tlbtag_ctx *ctx)
{
	return ctx == &vcpu->l1 ? LEVEL_L1 : LEVEL_L2;
}

/* A flush of @ctx is due. */
static inline void tlbtag_vcpu_owe(struct tlbtag_vcpu *vcpu, struct tlbtag_ctx *ctx,
				   enum tlbtag_flush flush, uint32_t why)
{
	tlbtag_vcpu_unready(vcpu, tlbtag_vcpu_level(vcpu, ctx));
	tlbtag_ctx_pend(ctx, flush, why);
}

/* Start a context with a tag of its own, the VM's, or the fallback. */
void tlbtag_vcpu_start_ctx(struct tlbtag_vcpu *vcpu, struct tlbtag_ctx *ctx, tlbtag_t tag);

/* A plain tag if the pool has more than @keep free, else none. */
tlbtag_t tlbtag_vcpu_take_tag(struct tlbtag_vcpu *vcpu, uint32_t keep);

/* A tag for an L2 context: the key's, or a plain one that L1 contexts can spare; or none. */
tlbtag_t tlbtag_vcpu_take_l2_tag(struct tlbtag_vcpu *vcpu);

/* Give a tag back if it is the context's own. */
void tlbtag_vcpu_return_tag(struct tlbtag_vcpu *vcpu, struct tlbtag_ctx *ctx);

/* Move what other CPUs asked for into the contexts; returns TLBTAG_WORK_SYNC or 0. */
uint32_t tlbtag_vcpu_take_remote(struct tlbtag_vcpu *vcpu);

/* A look before the exchange: the words are empty nearly always. */
static inline uint32_t tlbtag_vcpu_accept(struct tlbtag_vcpu *vcpu)
{
	return tlbtag_vcpu_has_remote(vcpu) ? tlbtag_vcpu_take_remote(vcpu) : 0;
}

/* The shadow roots of this context are stale from now on. */
void tlbtag_vcpu_demand_sync(struct tlbtag_vcpu *vcpu, struct tlbtag_ctx *ctx);

/* The same; its shadow roots are stale if the guest flushed. */
uint32_t tlbtag_vcpu_pend(struct tlbtag_vcpu *vcpu, struct tlbtag_ctx *ctx,
			  enum tlbtag_flush flush, uint32_t why);

/* One address of @ctx must go: now, with @tag, or by a pending flush. */
enum tlbtag_address tlbtag_vcpu_address(struct tlbtag_vcpu *vcpu, struct tlbtag_ctx *ctx,
					struct tlbtag_cpu cpu, tlbtag_t *tag);

/* A plan was made: what the active level's control block holds is open. */
void tlbtag_vcpu_open_block(struct tlbtag_vcpu *vcpu);

/* Why the context flushes because of where it runs, if it does. */
uint32_t tlbtag_vcpu_why_here(const struct tlbtag_vcpu *vcpu, const struct tlbtag_ctx *ctx,
			      struct tlbtag_cpu cpu);

/* Make the L2 context of an ASID or VPID of L1 the active one. */
struct tlbtag_l2 *tlbtag_nested_activate(struct tlbtag_vcpu *vcpu, uint32_t asid12);

/* The L2 context of an ASID or VPID of L1, or NULL. */
struct tlbtag_l2 *tlbtag_nested_find(struct tlbtag_vcpu *vcpu, uint32_t asid12);

#endif
