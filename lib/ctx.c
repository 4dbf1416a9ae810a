/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ctx: a hardware context and what is pending for it.
 *
 * Here it only ever becomes more. That it becomes less by an entry alone (C2),
 * and that only an entry moves the context (C3), is seen to in lib/vcpu.c.
 */
#include <tlbtag/ctx.h>

void tlbtag_ctx_start(struct tlbtag_ctx *ctx, tlbtag_t tag, bool shared)
{
	*ctx = (struct tlbtag_ctx){ .tag = tag, .cpu = TLBTAG_CPU_NONE, .shared = shared };
}
TLBTAG_EXPORT(tlbtag_ctx_start);

void tlbtag_ctx_pend(struct tlbtag_ctx *ctx, enum tlbtag_flush flush, uint32_t why)
{
	/* C1: a flush without a reason could not be told from a mistake. */
	if (tlbtag_warn_once(why == 0, "C1: flush without a reason"))
		why = TLBTAG_WHY_DOUBT;
	if (flush == TLBTAG_FLUSH_NONE)
		flush = TLBTAG_FLUSH_TAG;

	ctx->why |= why;
	if (ctx->flush < flush)
		ctx->flush = flush;
}
TLBTAG_EXPORT(tlbtag_ctx_pend);
