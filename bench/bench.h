/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The benchmark's frame: a cell compares the peer's way and ours of doing the
 * same thing, in turns, in one run on one CPU.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stdint.h>

/* Does something @count times. */
typedef void bench_side(void *state, uint64_t count);

struct bench_sides {
	bench_side *peer;
	bench_side *ours;
	void *state;
};

/* Was this cell asked for? Its set-up may be expensive. */
bool bench_wants(const char *name);

/* A cell: median time of one operation on each side. */
void bench_time(const char *name, const struct bench_sides *sides);

/* A line of the table that is no cell: the time of one operation alone. */
void bench_note(const char *name, bench_side *side, void *state);

/* A cell that is a size. */
void bench_bytes(const char *name, uint64_t peer, uint64_t ours);

/* A cell that cannot be had, and why. */
void bench_skip(const char *name, const char *unit, const char *why);

/* Ends the program: the two sides do not do the same thing. */
void bench_differ(const char *what) __attribute__((noreturn));

/* malloc() that ends the program; zeroed, and a cache line's alignment. */
void *bench_memory(uint64_t size);

/* @count numbers below @limit, always the same ones. */
uint32_t *bench_random(uint32_t count, uint32_t limit);

/* Makes the compiler believe that a value is used. */
static inline void bench_use(uint64_t value)
{
	__asm__ volatile("" : : "r"(value));
}

/* The groups of cells. */
void bench_pool(void);
void bench_owner(void);
void bench_plan(void);
void bench_sept(void);

#endif
