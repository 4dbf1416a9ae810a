/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A world for tests of check/: pages, and a copy of each on each CPU. Stores
 * remove all copies of the page, or with the fault "spares-cpu-1" all but CPU
 * 1's. Slots that are taken and not given back leak, but only where there are 4
 * contexts: a defect that no fault is to blame for.
 */
#ifndef TEST_TOY_H
#define TEST_TOY_H

#include "../check/world.h"

enum toy_kind {
	TOY_LOAD = 0,
	TOY_STORE = 1,
	TOY_FLUSH = 2,
	TOY_NOISE = 3,
	TOY_TAKE = 4,
	TOY_GIVE = 5,
};

#define TOY_PAGES 3u
#define TOY_VALUES 3u
#define TOY_SLOTS 2u

extern const struct check_world toy_world;

#endif
