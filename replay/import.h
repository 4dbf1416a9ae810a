/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * import: records of a KVM trace become events.
 *
 * It finds out which vCPU a record is about, which level is active, and which
 * of KVM's flush calls are causes and which are only the consequence of one
 * that was reported already: a request at a nested transition, for instance,
 * is one TRANSITION, not also the FLUSH_CURRENT that carries it out.
 */
#ifndef TLBTAG_REPLAY_IMPORT_H
#define TLBTAG_REPLAY_IMPORT_H

#include "event.h"
#include "record.h"

/* Receives the events, in order. */
typedef void (*event_sink)(void *context, const struct event *event);

struct importer;

/**
 * struct import_stats - what was seen
 * @events: events delivered
 * @vms: VMs, by the address of their struct kvm
 * @vcpus: vCPUs
 * @cpus: CPUs that ran guests
 * @switches: entries and exits between L1 and L2
 * @guessed: level changes that only a later record gave away
 * @retired: vCPUs given up to make room for new ones, oldest first
 * @odd: records that make no sense where they are, left out
 * @has_vmrun: entries come from rig:vmrun, with ASID and TLB_CONTROL
 */
struct import_stats {
	uint64_t events;
	uint64_t vms;
	uint64_t vcpus;
	uint64_t cpus;
	uint64_t switches;
	uint64_t guessed;
	uint64_t retired;
	uint64_t odd;
	bool has_vmrun;
};

/* Return: an importer, NULL when out of memory. */
struct importer *importer_create(event_sink sink, void *context);
void importer_destroy(struct importer *importer);

/**
 * importer_feed() - one record; the sink is called for each event it means
 * @importer: the importer
 * @record: in the order of the recording
 */
void importer_feed(struct importer *importer, const struct record *record);

const struct import_stats *importer_stats(const struct importer *importer);

/**
 * importer_missing() - what should have been recorded and seems not to have been
 * @importer: after the last record
 * @kinds: how many records of each kind there were, trace_stats.kinds
 * @nth: 0, 1, 2, ...
 *
 * Return: one line of text, or NULL when there are no more.
 */
const char *importer_missing(const struct importer *importer, const uint64_t *kinds,
			     unsigned int nth);

#endif
