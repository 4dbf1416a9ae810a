/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Hyper-V's flushes: addresses that other vCPUs want gone wait in a queue, one for
 * each level, until the vCPU is about to run at that level. Writers come at any
 * time; a request says that there is something to look at.
 */
#include "inside.h"

static void clear(struct vmm_queue *queue)
{
	queue->count = 0;
	queue->overflow = false;
}

void vmm_queue_add(struct vmm_vcpu *vcpu, uint32_t level, uint32_t page)
{
	struct vmm_queue *queue = &vcpu->queue[level];

	if (queue->count == VMM_QUEUE)
		queue->overflow = true;
	else
		queue->page[queue->count++] = (uint8_t)page;
	vcpu->queue_request = true;
}

/* A request is served for the active level and is gone then: each level is due anew. */
static void rearm(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t work)
{
	if (vmm_has_fault(vmm, FAULT_QUEUE_NOT_REARMED))
		return;
	if (work & (TLBTAG_WORK_DRAIN_L1 | TLBTAG_WORK_DRAIN_L2))
		vcpu->queue_request = true;
}

static void purge(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t work)
{
	if (vmm_has_fault(vmm, FAULT_QUEUE_PURGE) &&
	    (work & (TLBTAG_WORK_PURGE_L1 | TLBTAG_WORK_PURGE_L2))) {
		clear(&vcpu->queue[!vcpu->in_l2]);
		return;
	}
	if (work & (TLBTAG_WORK_PURGE_L1 | TLBTAG_WORK_PURGE_L2))
		vcpu->purged_at = vmm->step;
	if (work & TLBTAG_WORK_PURGE_L1)
		clear(&vcpu->queue[0]);
	if (work & TLBTAG_WORK_PURGE_L2)
		clear(&vcpu->queue[1]);
}

void vmm_queue_work(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t work)
{
	rearm(vmm, vcpu, work);
	purge(vmm, vcpu, work);
}

/* What L2's queue says is for all L2 contexts; only the active one has an address flush. */
static bool must_flush(const struct vmm *vmm, const struct vmm_vcpu *vcpu)
{
	if (!vmm->config.l0_nested_paging || vcpu->queue[vcpu->in_l2].overflow)
		return true;
	return vcpu->in_l2 && vcpu->tags.l2_count > 1;
}

static void flush_level(struct vmm *vmm, struct vmm_vcpu *vcpu)
{
	enum tlbtag_target target = vcpu->in_l2 ? TLBTAG_TARGET_L2 : TLBTAG_TARGET_L1;
	uint32_t first = vcpu->in_l2 ? 1 : 0;
	uint32_t last = vcpu->in_l2 ? VMM_CONTEXTS - 1 : 0;

	for (uint32_t i = first; i <= last; i++)
		vmm_ask(vmm, vcpu, i, TLBTAG_RULE_QUEUE_DRAIN);
	vmm_work(vmm, vcpu, tlbtag_vcpu_flush(&vcpu->tags, target, TLBTAG_FLUSH_TAG,
					      TLBTAG_WHY_GUEST));
}

/* Before an entry on this CPU. */
void vmm_queue_drain(struct vmm *vmm, struct vmm_vcpu *vcpu, uint32_t cpu)
{
	struct vmm_queue *queue = &vcpu->queue[vcpu->in_l2];

	if (!vcpu->queue_request)
		return;
	vcpu->queue_request = false;
	if (!queue->count)
		return;
	if (must_flush(vmm, vcpu)) {
		flush_level(vmm, vcpu);
	} else {
		for (uint32_t i = 0; i < queue->count; i++)
			vmm_invalidate(vmm, vcpu, cpu,
				       (uint64_t)queue->page[i] << MACHINE_PAGE_SHIFT);
	}
	clear(queue);
}
