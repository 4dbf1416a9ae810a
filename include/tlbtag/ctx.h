/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ctx: one hardware context: L1 of a vCPU, or one of its L2 guests.
 *
 * It knows its tag, where it last ran, and what is pending for it. The truth
 * about "a flush is pending" lives here and nowhere else.
 *
 * A context belongs to its vCPU's thread; no field is touched by another.
 *
 *   C1  a plan has a reason if and only if it flushes
 *   C2  what is pending is cleared only by an entry of this same context
 *   C3  the CPU recorded is the last on which the hardware took an entry
 */
#ifndef TLBTAG_CTX_H
#define TLBTAG_CTX_H

#include <tlbtag/plan.h>

TLBTAG_BEGIN_DECLS

/**
 * struct tlbtag_ctx - the state; private to lib/
 * @tag: its tag; the host's fallback tag if the pool had none
 * @cpu: the CPU of its last entry, TLBTAG_CPU_NONE before the first
 * @epoch: that CPU's epoch at that entry (rule CPU_ONLINE)
 * @changes: that CPU's changes at that entry (rule EMPTIED_HERE)
 * @why: reasons pending, a set of enum tlbtag_why
 * @flush: the widest scope pending
 * @shared: other contexts use the tag too
 * @demand: its shadow roots must have been synced at this generation or later
 * @shadow_linear: its linear addresses are translated by shadow tables of L0
 */
struct tlbtag_ctx {
	tlbtag_t tag;
	uint32_t cpu;
	uint32_t epoch;
	uint32_t changes;
	uint32_t why;
	enum tlbtag_flush flush;
	bool shared;
	bool shadow_linear;
	uint64_t demand;
};

/**
 * tlbtag_ctx_start() - a context gets a tag and has run nowhere with it
 * @ctx: any state; nothing of it survives but nothing is pending either, the
 *	first entry flushes (rule FIRST_USE)
 * @tag: the tag
 * @shared: other contexts may use it too
 *
 * Context: the vCPU's thread.
 */
void tlbtag_ctx_start(struct tlbtag_ctx *ctx, tlbtag_t tag, bool shared);

/**
 * tlbtag_ctx_pend() - the next entry of this context flushes
 * @ctx: started
 * @flush: at least this much
 * @why: the reasons, not empty
 *
 * Context: the vCPU's thread.
 */
void tlbtag_ctx_pend(struct tlbtag_ctx *ctx, enum tlbtag_flush flush, uint32_t why);

TLBTAG_END_DECLS

#endif
