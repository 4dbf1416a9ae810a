/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * choices: every sequence of answers, one run each, tried like the digits of a
 * number whose length the runs themselves decide.
 */
#ifndef CHOICES_H
#define CHOICES_H

#include <stdbool.h>
#include <stdint.h>

/* The most answers of one run. */
#define CHOICES_MAX 96u

struct choices {
	uint8_t digit[CHOICES_MAX];
	uint32_t used;
	uint32_t given;
};

/* The next answer of this run. */
static inline uint32_t choose(struct choices *choices)
{
	if (choices->used == choices->given)
		choices->digit[choices->given++] = 0;
	return choices->digit[choices->used++];
}

/* Is there another run, of answers below @answers? */
static inline bool next_run(struct choices *choices, uint32_t answers)
{
	while (choices->given && choices->digit[choices->given - 1] == answers - 1)
		choices->given--;
	if (choices->given == 0)
		return false;
	choices->digit[choices->given - 1]++;
	choices->used = 0;
	return true;
}

#endif
