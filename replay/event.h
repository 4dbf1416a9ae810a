/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The event vocabulary: what happened to the guests of a host, in words that
 * do not depend on the hypervisor. The importer makes events from a recorded
 * KVM trace, policies are fed with them, and as text, one event a line, they
 * are a file format of their own (doc/EVENTS.md).
 *
 * Guests and vCPUs are dense numbers that the writer of the events gives out.
 */
#ifndef TLBTAG_REPLAY_EVENT_H
#define TLBTAG_REPLAY_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Limits of the numbers in events; arrays are indexed by them. */
#ifndef EVENT_CPUS
#define EVENT_CPUS 8192u
#define EVENT_VMS 1024u
#define EVENT_VCPUS 4096u
#endif

/* X(KIND, name in text, meaning) */
#define EVENT_KINDS(X)                                                                       \
	X(BIRTH, "birth", "a vCPU that was not there before, or another one of its number")  \
	X(LOAD, "load", "the vCPU was loaded on a CPU")                                      \
	X(ENTER, "enter", "a VM entry")                                                      \
	X(NESTED_ENTER, "nested-enter", "L1 entered L2")                                     \
	X(NESTED_EXIT, "nested-exit", "L1 became active again")                              \
	X(RESET, "reset", "INIT or reset of the vCPU: L1 is active, and starts anew")           \
	X(TRANSITION, "transition", "the kernel asks for a flush because the level changed") \
	X(FLUSH_ALL, "flush-all", "everything of the vCPU must be flushed")                  \
	X(FLUSH_CURRENT, "flush-current", "the active context must be flushed")              \
	X(FLUSH_GUEST, "flush-guest", "the guest in the active context flushed")             \
	X(FLUSH_PV, "flush-pv", "another vCPU of L1 asked this one to flush")                \
	X(FLUSH_PGE, "flush-pge", "the kernel flushes as CR4.PGE differs from before")       \
	X(FLUSH_ADDRESS, "flush-address", "one address of the active context is invalidated") \
	X(FLUSH_REMOTE, "flush-remote", "some vCPU asked all of the VM to flush everything") \
	X(INVLPGA, "invlpga", "L1 executed INVLPGA")                                         \
	X(SYNC, "sync", "the shadow tables of the active level were synced")                 \
	X(LOST, "lost", "the recording has a gap here")

enum event_kind {
#define EVENT_KIND_ENUM(kind, name, meaning) EVENT_##kind,
	EVENT_KINDS(EVENT_KIND_ENUM)
#undef EVENT_KIND_ENUM
	EVENT_KIND_COUNT
};

/* TLB_CONTROL or an ASID that was not recorded */
#define EVENT_UNKNOWN UINT32_MAX

/**
 * struct event - something that happened
 * @kind: what
 * @level: ENTER: 1 or 2, the level that is entered
 * @where: line or record in the recording, from 1
 * @time_ns: when, by the recording's clock
 * @vm: which guest, < EVENT_VMS; not with LOST
 * @vcpu: which vCPU, < EVENT_VCPUS, unique over all guests; not with LOST
 * @cpu: on which CPU, < EVENT_CPUS
 * @asid: ENTER: the ASID that the hardware got; NESTED_ENTER, INVLPGA: L1's.
 *	EVENT_UNKNOWN if not recorded
 * @tlb_control: ENTER: what the hardware got; NESTED_ENTER: what L1 wrote.
 *	EVENT_UNKNOWN if not recorded
 * @generation: ENTER: the kernel's ASID generation, 0 if not recorded
 * @root: NESTED_ENTER: L1's nested CR3, 0 without nested paging
 */
struct event {
	enum event_kind kind;
	uint32_t level;
	uint64_t where;
	uint64_t time_ns;
	uint32_t vm;
	uint32_t vcpu;
	uint32_t cpu;
	uint32_t asid;
	uint32_t tlb_control;
	uint64_t generation;
	uint64_t root;
};

/* The first line of an event file. */
#define EVENT_FILE_HEAD "# tlbtag events 1"

/**
 * event_print() - write an event as one line of text
 * @event: which
 * @file: where to
 */
void event_print(const struct event *event, FILE *file);

/**
 * event_parse() - read one line of text
 * @line: without its newline
 * @event: set on success
 * @error: receives what is wrong with the line
 * @size: bytes at @error
 *
 * Return: 1; 0 for a comment or an empty line; -1 with @error set.
 */
int event_parse(const char *line, struct event *event, char *error, size_t size);

const char *event_kind_name(enum event_kind kind);

/**
 * struct event_order - does a sequence of events make sense?
 *
 * Zeroed to begin with.
 */
struct event_order {
	uint32_t vm[EVENT_VCPUS];	/* + 1; 0: not born */
	uint8_t level[EVENT_VCPUS];
};

/**
 * event_order_check() - may this event come now?
 * @order: what came before; goes on if the answer is yes
 * @event: the next one
 *
 * Return: NULL; else what is wrong, as half a sentence.
 */
const char *event_order_check(struct event_order *order, const struct event *event);

/**
 * events_read() - read a file of events, plain or gzipped
 * @path: its name, "-" for standard input
 * @sink: called with each event, in order
 * @context: for @sink
 * @error: receives one line naming the file and the line in it
 * @size: bytes at @error
 *
 * Return: 0; -1 with @error set.
 */
int events_read(const char *path, void (*sink)(void *context, const struct event *event),
		void *context, char *error, size_t size);

#endif
