/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * host: what the guests of a machine share.
 */
#include <tlbtag/host.h>

/* The pool must not know a tag that the hardware does not. */
static bool fits(const struct tlbtag_pool *pool, const struct tlbtag_hw *hw)
{
	return pool->nr != 0 && pool->nr <= hw->nr_tags && pool->min <= hw->nr_tags - pool->nr;
}

static uint32_t reserve_of(uint32_t nr)
{
	return nr / 4 < TLBTAG_RESERVE_MAX ? nr / 4 : TLBTAG_RESERVE_MAX;
}

int tlbtag_host_init(struct tlbtag_host *host, const struct tlbtag_hw *hw,
		     struct tlbtag_pool *pool, struct tlbtag_host_cpu *cpu)
{
	uint32_t plain;
	int error;

	if (!hw || !pool || !cpu || tlbtag_hw_check(hw) || !fits(pool, hw))
		return -EINVAL;
	plain = tlbtag_pool_plain_free(pool);
	/* VPID 0 is a legal answer to exhaustion, ASID 0 is not (SPEC B.3). */
	if (hw->vendor == TLBTAG_AMD) {
		error = tlbtag_pool_take_fallback(pool);
		if (error)
			return error;
	}

	memset(cpu, 0, hw->nr_cpus * sizeof(*cpu));
	*host = (struct tlbtag_host){
		.hw = *hw,
		.pool = pool,
		.cpu = cpu,
		.reserve = reserve_of(plain),
	};
	return 0;
}
TLBTAG_EXPORT(tlbtag_host_init);

void tlbtag_host_cpu_online(struct tlbtag_host *host, struct tlbtag_cpu cpu)
{
	if (tlbtag_warn_once(cpu.nr >= host->hw.nr_cpus, "host: no such CPU"))
		return;
	host->cpu[cpu.nr].epoch++;
	host->cpu[cpu.nr].changes++;
}
TLBTAG_EXPORT(tlbtag_host_cpu_online);
