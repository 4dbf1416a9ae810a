/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Any text as a file of events: lines that are refused say why, lines that are
 * taken keep the policies within their bounds.
 *
 * The first byte is the hardware, the rest are lines. What is wrong by itself
 * or in its place is left out here, so that one mistake does not end a story.
 */
#include "bounds.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed_line(struct bounds *bounds, struct event_order *order, const char *line)
{
	char error[160] = "";
	struct event event;
	int found = event_parse(line, &event, error, sizeof(error));

	require(found >= -1 && found <= 1);
	require((found < 0) == (error[0] != '\0'));
	if (found == 1 && !event_order_check(order, &event))
		bounds_feed(bounds, &event);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct event_order *order = calloc(1, sizeof(*order));
	struct bounds *bounds = bounds_begin(size ? data[0] : 0);
	char *text = malloc(size + 1);
	char *rest = NULL;

	require(order && text);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	if (size)
		for (char *line = strtok_r(text + 1, "\n", &rest); line;
		     line = strtok_r(NULL, "\n", &rest))
			feed_line(bounds, order, line);
	bounds_end(bounds);
	free(order);
	free(text);
	return 0;
}
