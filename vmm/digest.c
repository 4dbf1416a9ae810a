/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The state as a number.
 */
#include "inside.h"

static void mix(uint64_t *digest, uint64_t value)
{
	*digest = (*digest ^ value) * 0x9e3779b97f4a7c15ull;
	*digest ^= *digest >> 31;
}

static void mix_ctx(uint64_t *digest, const struct tlbtag_vcpu *vcpu, const struct tlbtag_ctx *ctx)
{
	const struct tlbtag_host *host = vcpu->vm->host;

	mix(digest, ctx->tag);
	mix(digest, ctx->cpu);
	mix(digest, ctx->why);
	mix(digest, ctx->flush);
	mix(digest, ctx->cpu < host->hw.nr_cpus && ctx->epoch == host->cpu[ctx->cpu].epoch);
}

/* Generations and ages count for their order only. */
static void mix_tags(uint64_t *digest, const struct vmm_vcpu *vcpu)
{
	const struct tlbtag_vcpu *tags = &vcpu->tags;

	mix(digest, tags->active);
	mix(digest, (uint64_t)tags->remote[0] << 32 | tags->remote[1]);
	for (uint32_t i = 0; i < 2; i++)
		mix(digest, (uint64_t)tags->block[i].cpu << 32 | tags->block[i].tag);
	mix_ctx(digest, tags, &tags->l1);
	for (uint32_t i = 0; i < tags->l2_count; i++) {
		const struct tlbtag_l2 *l2 = &tags->l2[i];

		mix_ctx(digest, tags, &l2->ctx);
		mix(digest, l2->asid12);
		for (uint32_t other = 0; other < i; other++)
			mix(digest, tags->l2[other].used < l2->used);
		for (uint32_t root = 0; root < VMM_ROOTS; root++)
			mix(digest, vcpu->shadow[root].sync.synced < l2->ctx.demand);
	}
}

static void mix_queue(uint64_t *digest, const struct vmm_queue *queue)
{
	mix(digest, queue->overflow | (uint64_t)queue->count << 1);
	for (uint32_t i = 0; i < queue->count; i++)
		mix(digest, queue->page[i]);
}

static void mix_vcpu(uint64_t *digest, const struct vmm_vcpu *vcpu)
{
	mix(digest, (uint64_t)vcpu->alive | vcpu->in_guest << 1 | vcpu->svme << 2 |
			    vcpu->in_l2 << 3 | vcpu->sync_wanted << 4 | vcpu->pv_flag << 5);
	if (!vcpu->alive)
		return;
	mix(digest, vcpu->in_guest ? vcpu->cpu : UINT32_MAX);
	mix(digest, vcpu->in_l2 ? vcpu->l2_context * 8u + vcpu->nested_root : 0);
	mix(digest, vcpu->queue_request | vcpu->l1_table << 1);
	for (uint32_t i = 0; i < 2; i++)
		mix_queue(digest, &vcpu->queue[i]);
	mix_tags(digest, vcpu);
	for (uint32_t root = 0; root < VMM_ROOTS; root++)
		mix(digest, vcpu->shadow[root].used ? 2u * vcpu->shadow[root].table.root +
							      vcpu->shadow[root].outdated :
						      0);
}

static void mix_vm(uint64_t *digest, const struct vmm *vmm, const struct vmm_vm *vm)
{
	mix(digest, vm->alive);
	if (!vm->alive)
		return;
	mix(digest, machine_digest(vm->reference));
	for (uint32_t gfn = 0; gfn < VMM_GFNS; gfn++)
		mix(digest, (uint64_t)vm->frame[gfn] << 1 | vm->writable[gfn]);
	for (uint32_t i = 0; i < vmm->config.vcpus; i++)
		mix_vcpu(digest, &vm->vcpu[i]);
}

uint64_t vmm_digest(const struct vmm *vmm)
{
	uint64_t digest = 1;

	mix(&digest, machine_digest(vmm->machine));
	for (uint32_t i = 0; i < vmm->config.vms; i++)
		mix_vm(&digest, vmm, &vmm->vm[i]);
	for (uint32_t cpu = 0; cpu < vmm->config.cpus; cpu++)
		mix(&digest, vmm->cpu[cpu].online);
	return digest;
}
