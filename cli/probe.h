/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * probe: what there is to record, and what of it this kernel offers.
 *
 * One table has every event that replay and audit know how to use, in the order of
 * preference: the tracepoints of modules with the library inside; kprobes; KVM's
 * own tracepoints where they say the same, or more. What cannot be had is an answer
 * too, with what will be unknown for want of it.
 */
#ifndef TLBTAG_CLI_PROBE_H
#define TLBTAG_CLI_PROBE_H

#include "offset.h"

#include <stdbool.h>

#define PROBES_MAX 32
#define PROBE_FUNCTIONS 2

enum vendor {
	VENDOR_AMD,
	VENDOR_INTEL,
	VENDORS,
	VENDOR_NONE = VENDORS,
};

struct probe {
	const char *name;
	const char *system; /* of a tracepoint; NULL: a kprobe */
	const char *functions[VENDORS][PROBE_FUNCTIONS]; /* the first that is there */
	/* "name=where" each, {NAME} is an offset; without one marked ! it is useless */
	const char *fields;
	const char *instead_of; /* wanted only if that one cannot be had */
	bool with_native; /* wanted also with the library's tracepoints */
	const char *unknown; /* without it */
};

/* The table ends with a probe that has no name. */
extern const struct probe probes[];

/* The kernel to record, as far as it matters. */
struct host {
	const char *tracefs;
	enum vendor vendor;
	bool is_module; /* KVM for the vendor is one, not built in */
	bool native; /* it has the library's tracepoints */
	bool assumed; /* another host's: nothing was looked at */
	struct offsets offsets;
	bool has_function[VENDORS][PROBES_MAX][PROBE_FUNCTIONS];
};

/* What is made of a probe. */
enum choice_kind {
	CHOICE_UNWANTED, /* others say it */
	CHOICE_TRACEPOINT,
	CHOICE_KPROBE,
	CHOICE_MISSING,
};

struct choice {
	enum choice_kind kind;
	const char *function;
	char fields[640];
	char lacks[160]; /* names of fields that are left out */
	char reason[240]; /* why it is missing */
};

/* Look what this kernel has, by reading alone. -1 with one line in error. */
int host_look(struct host *host, char *error, size_t size);

/* An AMD host with stock modules that have every function and tracepoint. */
void host_assume(struct host *host);

const char *vendor_module(enum vendor vendor);

/*
 * Choose for probes[index], given the choices for all before it: their kinds may
 * have been changed to CHOICE_MISSING meanwhile.
 */
void probe_choose(const struct host *host, struct choice *choices, unsigned int index);

/* What is unknown without that field of a kprobe, or NULL. */
const char *probe_field_unknown(const char *name, size_t size);

/* It is to be recorded. */
bool choice_is_made(const struct choice *choice);

/* Does one of the choices tell of VM entries? */
bool probe_has_entries(const struct choice *choices);

#endif
