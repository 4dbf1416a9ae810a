/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Two CPUs, a thread each, load and forget members of the same records at the
 * same time. A lock for each member is what a hypervisor's vCPU mutex and
 * scheduler give: a member is on one CPU at a time, and its runs are ordered.
 * The record itself has no lock. An exact oracle counts the flushes that were
 * missed (there must be none) and those that were spare (there may be some).
 *
 * Under TSan this also shows that no access is a data race. Guards O1.
 */
#include <tlbtag/owner.h>

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "test.h"

#define CPUS 2u
#define RECORDS 4u
#define BUSY_MEMBERS 4u
#define LOADS 1000000u
#define NOBODY UINT32_MAX

struct member {
	bool locked;
	uint32_t last_cpu; /* under the lock */
};

struct record {
	struct tlbtag_owner owner;
	struct member member[BUSY_MEMBERS];
	uint32_t last_member[CPUS]; /* each touched by its own CPU only */
};

struct cpu {
	struct record *records;
	pthread_barrier_t *start;
	uint32_t nr;
	uint64_t random;
	uint32_t loads;
	uint32_t flushes;
	uint32_t missed;
	uint32_t spare;
};

static uint32_t random_next(uint64_t *random)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return (uint32_t)(*random >> 32);
}

static bool member_trylock(struct member *member)
{
	return !__atomic_exchange_n(&member->locked, true, __ATOMIC_ACQUIRE);
}

static void member_unlock(struct member *member)
{
	__atomic_store_n(&member->locked, false, __ATOMIC_RELEASE);
}

static void member_load(struct cpu *cpu, struct record *record, uint32_t nr)
{
	struct member *member = &record->member[nr];
	struct tlbtag_cpu here = { cpu->nr };
	bool due = record->last_member[cpu->nr] != nr || member->last_cpu != cpu->nr;
	bool other = tlbtag_owner_is_other(&record->owner, nr, here);

	cpu->loads++;
	cpu->flushes += other;
	cpu->missed += due && !other;
	cpu->spare += !due && other;
	if (other)
		tlbtag_owner_take(&record->owner, nr, here);
	record->last_member[cpu->nr] = nr;
	member->last_cpu = cpu->nr;
}

static void *cpu_run(void *argument)
{
	struct cpu *cpu = argument;

	pthread_barrier_wait(cpu->start);
	while (cpu->loads < LOADS) {
		uint32_t dice = random_next(&cpu->random);
		struct record *record = &cpu->records[dice % RECORDS];
		uint32_t nr = dice / 16 % BUSY_MEMBERS;

		if (!member_trylock(&record->member[nr])) {
			/* On a single real CPU the holder would never get on. */
			sched_yield();
			continue;
		}
		member_load(cpu, record, nr);
		if (dice / 1024 % 64 == 0) {
			tlbtag_owner_forget(&record->owner, nr);
			record->member[nr].last_cpu = NOBODY;
		}
		member_unlock(&record->member[nr]);
	}
	return NULL;
}

static void records_init(struct record *records, union tlbtag_owner_word *words,
			 uint32_t members)
{
	uint32_t word_count = tlbtag_owner_words(members, CPUS);

	for (uint32_t nr = 0; nr < RECORDS; nr++) {
		struct record *record = &records[nr];

		CHECK_EQ(tlbtag_owner_init(&record->owner, members, CPUS, words, word_count), 0);
		words += word_count;
		for (uint32_t member = 0; member < BUSY_MEMBERS; member++)
			record->member[member] = (struct member){ .last_cpu = NOBODY };
		for (uint32_t cpu = 0; cpu < CPUS; cpu++)
			record->last_member[cpu] = NOBODY;
	}
}

static void check_race(uint32_t members)
{
	union tlbtag_owner_word *words = calloc(RECORDS * tlbtag_owner_words(members, CPUS),
						sizeof(*words));
	struct record records[RECORDS];
	struct cpu cpus[CPUS];
	pthread_t threads[CPUS];
	pthread_barrier_t start;

	records_init(records, words, members);
	pthread_barrier_init(&start, NULL, CPUS);
	for (uint32_t nr = 0; nr < CPUS; nr++) {
		cpus[nr] = (struct cpu){ .records = records, .start = &start, .nr = nr,
					 .random = 88172645463325252u + nr };
		CHECK_EQ(pthread_create(&threads[nr], NULL, cpu_run, &cpus[nr]), 0);
	}
	for (uint32_t nr = 0; nr < CPUS; nr++) {
		pthread_join(threads[nr], NULL);
		printf("     CPU %u: %u loads, %u flushes, %u missed, %u spare\n", nr,
		       cpus[nr].loads, cpus[nr].flushes, cpus[nr].missed, cpus[nr].spare);
		CHECK_EQ(cpus[nr].missed, 0);
		CHECK(cpus[nr].flushes < cpus[nr].loads);
		CHECK(cpus[nr].spare < cpus[nr].flushes);
	}
	pthread_barrier_destroy(&start);
	free(words);
}

TEST(no_flush_is_missed_when_cpus_race_on_a_searched_record)
{
	check_race(BUSY_MEMBERS);
}

TEST(no_flush_is_missed_when_cpus_race_on_an_indexed_record)
{
	check_race(TLBTAG_OWNER_SCAN_MAX + 1);
}
