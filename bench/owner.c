/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who used a shared tag last on this CPU: libtlbtag's owner record against an
 * xarray for each CPU. A load is the decision and the note for the next one;
 * what the flush itself costs is the same on both sides and left out.
 */
#include <tlbtag/owner.h>

#include <stdlib.h>

#include "bench/bench.h"
#include "bench/peer.h"

/* What a VM has: its record and the record's storage. */
struct vm {
	struct tlbtag_owner owner;
	union tlbtag_owner_word words[(BENCH_MEMBERS + 3) / 4];
};

struct owners {
	struct vm *vm;
	struct peer_owner *peer;
	uint32_t vms;
	uint32_t cpus;
	struct bench_step *steps;
	uint32_t *pick;
};

static void vm_init(struct vm *vm, uint32_t cpus)
{
	if (tlbtag_owner_init(&vm->owner, BENCH_MEMBERS, cpus, vm->words,
			      sizeof(vm->words) / sizeof(vm->words[0])))
		abort();
}

/* @busy of the @vms VMs are picked. */
static struct owners *owners_create(uint32_t vms, uint32_t busy, uint32_t cpus)
{
	struct owners *owners = bench_memory(sizeof(*owners));

	owners->vms = vms;
	owners->cpus = cpus;
	owners->peer = peer_owner_create(vms, cpus);
	owners->vm = bench_memory(sizeof(*owners->vm) * vms);
	for (uint32_t vm = 0; vm < vms; vm++)
		vm_init(&owners->vm[vm], cpus);
	owners->steps = bench_memory(sizeof(*owners->steps) * BENCH_STEPS);
	owners->pick = bench_random(BENCH_STEPS, busy);
	return owners;
}

static void owners_destroy(struct owners *owners)
{
	peer_owner_destroy(owners->peer);
	free(owners->vm);
	free(owners->steps);
	free(owners->pick);
	free(owners);
}

static uint64_t ours_loads(struct vm *vms, const struct bench_step *steps, uint64_t count)
{
	uint64_t flushes = 0;

	for (uint64_t nr = 0; nr < count; nr++) {
		const struct bench_step *step = &steps[nr % BENCH_STEPS];
		struct tlbtag_owner *owner = &vms[step->vm].owner;
		struct tlbtag_cpu cpu = { step->cpu };

		if (!tlbtag_owner_is_other(owner, step->member, cpu))
			continue;
		tlbtag_owner_take(owner, step->member, cpu);
		flushes++;
	}
	return flushes;
}

static void peer_load(void *state, uint64_t count)
{
	struct owners *owners = state;

	bench_use(peer_owner_loads(owners->peer, owners->steps, count));
}

static void ours_load(void *state, uint64_t count)
{
	struct owners *owners = state;

	bench_use(ours_loads(owners->vm, owners->steps, count));
}

static void peer_renew(void *state, uint64_t count)
{
	struct owners *owners = state;

	for (uint64_t nr = 0; nr < count; nr++)
		peer_owner_renew(owners->peer, owners->pick[nr % BENCH_STEPS]);
}

/* There is nothing to do for the VM that goes. */
static void ours_renew(void *state, uint64_t count)
{
	struct owners *owners = state;

	for (uint64_t nr = 0; nr < count; nr++)
		vm_init(&owners->vm[owners->pick[nr % BENCH_STEPS]], owners->cpus);
}

/* How many VMs there are, how many of them are loaded, and how. */
struct load {
	uint32_t vms;
	uint32_t busy;
	bool other_member;
	bool other_cpu;
};

/*
 * The first half of the steps visits random VMs, each time the other way if
 * asked to; the second half visits them again, so that every VM is visited an
 * even number of times and the round trip can start again without a seam.
 */
static void steps_make(struct owners *owners, const struct load *load)
{
	uint8_t *odd = bench_memory(owners->vms);

	for (uint32_t nr = 0; nr < BENCH_STEPS; nr++) {
		uint32_t vm = owners->pick[nr % (BENCH_STEPS / 2)];

		odd[vm] ^= 1;
		owners->steps[nr] = (struct bench_step){
			.vm = (uint16_t)vm,
			.member = load->other_member ? odd[vm] : 0,
			.cpu = load->other_cpu ? odd[vm] : 0,
		};
	}
	free(odd);
}

static void load_cell(const char *name, const struct load *load)
{
	struct bench_sides sides = { peer_load, ours_load, NULL };
	struct owners *owners;

	if (!bench_wants(name))
		return;
	if (peer_missing()) {
		bench_skip(name, "ns", peer_missing());
		return;
	}
	owners = owners_create(load->vms, load->busy, 2);
	steps_make(owners, load);
	for (int round = 0; round < 2; round++)
		if (peer_owner_loads(owners->peer, owners->steps, BENCH_STEPS) !=
		    ours_loads(owners->vm, owners->steps, BENCH_STEPS))
			bench_differ("owner: the number of flushes");
	sides.state = owners;
	bench_time(name, &sides);
	owners_destroy(owners);
}

/* A VM among 1000 others is destroyed and another one made; 512 CPUs. */
static void renew_cell(void)
{
	const char *name = "owner.create_destroy.512cpu";
	struct bench_sides sides = { peer_renew, ours_renew, NULL };
	struct owners *owners;

	if (!bench_wants(name))
		return;
	if (peer_missing()) {
		bench_skip(name, "ns", peer_missing());
		return;
	}
	owners = owners_create(1000, 1000, 512);
	sides.state = owners;
	bench_time(name, &sides);
	owners_destroy(owners);
}

static void memory_cell(void)
{
	const char *name = "owner.memory.512cpu.30000vm";
	struct peer_owner *peer;

	if (!bench_wants(name))
		return;
	if (peer_missing()) {
		bench_skip(name, "bytes", peer_missing());
		return;
	}
	peer = peer_owner_create(30000, 512);
	bench_bytes(name, peer_owner_bytes(peer), 30000 * sizeof(struct vm));
	peer_owner_destroy(peer);
}

void bench_owner(void)
{
	load_cell("owner.hit.hot", &(struct load){ 1000, 1, false, false });
	load_cell("owner.hit.random30000", &(struct load){ 30000, 30000, false, false });
	load_cell("owner.change.1000", &(struct load){ 1000, 1000, true, false });
	load_cell("owner.migrate.1000", &(struct load){ 1000, 1000, false, true });
	renew_cell();
	memory_cell();
}
