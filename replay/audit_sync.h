/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * audit: the part of it that judges shadow tables, inside replay/audit.c.
 */
#ifndef TLBTAG_REPLAY_AUDIT_SYNC_H
#define TLBTAG_REPLAY_AUDIT_SYNC_H

#include "audit.h"

struct audit_sync;

/* Return: NULL when out of memory. */
struct audit_sync *audit_sync_create(uint32_t list_most);
void audit_sync_destroy(struct audit_sync *sync);

/* Feed one event, in the order of the recording. */
void audit_sync_feed(struct audit_sync *sync, const struct event *event);

/**
 * audit_sync_finish() - after the last event
 * @sync: nothing may be fed any more
 * @result: receives .unsynced, .syncs and .sync_evidence
 *
 * Return: false when out of memory.
 */
bool audit_sync_finish(struct audit_sync *sync, struct audit_result *result);

/* Return: false when out of memory. */
bool audit_list_add(struct audit_list *list, const struct audit_finding *finding);

#endif
