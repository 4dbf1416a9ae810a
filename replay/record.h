/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A recorded KVM trace as a stream of typed records, whatever file it came
 * in: ftrace's text (what `cat trace` or `trace-cmd report` prints), plain or
 * gzipped, or a trace.dat, plain or gzipped. One table names the events and
 * fields that are wanted; both parsers are driven by it, so the same
 * recording gives the same records in either format.
 *
 * Memory is constant for text: nothing grows with the length of the trace. For a
 * trace.dat libtracecmd's may grow, see tracedat.c.
 */
#ifndef TLBTAG_REPLAY_RECORD_H
#define TLBTAG_REPLAY_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Every field of every wanted event, each with a slot of its own in
 * record.field. A "12" means: of the vmcb that L1 wrote for L2.
 */
#define RECORD_FIELD_TABLE(FIELD) \
	FIELD(VCPU_ID)      /* the vCPU's number in its VM */ \
	FIELD(KVM)          /* address of struct kvm: the VM's identity */ \
	FIELD(PCPU)         /* vmrun: vcpu->cpu; vcpu_load: the CPU loaded on */ \
	FIELD(OLDCPU)       /* the CPU it was loaded on before */ \
	FIELD(HFLAGS)       /* bit 0: runs L2, bit 1: in SMM */ \
	FIELD(VMCB)         /* address of the VMCB that runs */ \
	FIELD(ASID)         \
	FIELD(TLB_CTL)      /* TLB_CONTROL, APM2 15.16.1 */ \
	FIELD(GEN)          /* KVM's ASID generation */ \
	FIELD(NCR3)         \
	FIELD(GCR3)         /* the guest's CR3 */ \
	FIELD(CLEAN)        /* VMCB clean bits */ \
	FIELD(VMCB12)       /* guest-physical address of L1's vmcb */ \
	FIELD(ASID12)       \
	FIELD(TLB_CTL12)    \
	FIELD(NESTED_CTL12) \
	FIELD(NCR3_12)      \
	FIELD(CR3_12)       \
	FIELD(CLEAN12)      \
	FIELD(FROM_VMRUN)   /* 0: state restored, not a VMRUN of L1 */ \
	FIELD(REQ)          /* vcpu->requests, the pending bitmap */ \
	FIELD(GVA)          \
	FIELD(RAX)          \
	FIELD(GFN)          \
	FIELD(N)            /* pages */ \
	FIELD(NEED_FLUSH)   \
	FIELD(NPT)          /* L1 uses nested paging for L2 */ \
	FIELD(REASON)       /* only whether one was recorded; the value is 1 */ \
	FIELD(LOST)         /* events lost here; absent: an unknown number */ \
	FIELD(CONTEXT)      /* 0: L1, else the number of an L2 context */ \
	FIELD(TARGET)       /* whom a flush is for, enum tlbtag_target */ \
	FIELD(WHY)          /* a set of enum tlbtag_why */ \
	FIELD(SYNCED)       /* a shadow root was synced, not only selected */

enum record_field {
#define RECORD_FIELD(name) FIELD_##name,
	RECORD_FIELD_TABLE(RECORD_FIELD)
#undef RECORD_FIELD
	RECORD_FIELDS
};

/*
 * How ftrace prints the event: PAIRS is `name=value ...` (all kprobe events),
 * EXIT is `vcpu N ...` of KVM's own tracepoints, VMENTER `name: value ...`,
 * REASON `reason: ...`, NONE is not an event of a file at all.
 */
enum record_shape {
	SHAPE_NONE,
	SHAPE_PAIRS,
	SHAPE_VCPU,
	SHAPE_VMENTER,
	SHAPE_REASON,
};

/*
 * EVENT(kind, system, name, shape, FIELD(slot, name in the recording)...)
 * The names are those of the kprobe definitions and of the tracepoints'
 * format files; the order is the one in which they are usually printed.
 */
#define RECORD_KIND_TABLE(EVENT, FIELD) \
	EVENT(LOST, "", "", NONE, FIELD(LOST, "")) \
	EVENT(VMRUN, "rig", "vmrun", PAIRS, \
	      FIELD(VCPU_ID, "vcpu_id"), FIELD(KVM, "kvm"), \
	      FIELD(PCPU, "pcpu"), FIELD(HFLAGS, "hflags"), \
	      FIELD(VMCB, "vmcb"), FIELD(ASID, "asid"), \
	      FIELD(TLB_CTL, "tlb_ctl"), FIELD(GEN, "gen"), \
	      FIELD(NCR3, "ncr3"), FIELD(GCR3, "gcr3"), \
	      FIELD(CLEAN, "clean")) \
	EVENT(VCPU_LOAD, "rig", "vcpu_load", PAIRS, \
	      FIELD(VCPU_ID, "vcpu_id"), FIELD(KVM, "kvm"), \
	      FIELD(PCPU, "pcpu"), FIELD(OLDCPU, "oldcpu")) \
	EVENT(VCPU_PUT, "rig", "vcpu_put", PAIRS, \
	      FIELD(VCPU_ID, "vcpu_id"), FIELD(KVM, "kvm")) \
	EVENT(NESTED_ENTER, "rig", "nested_enter", PAIRS, \
	      FIELD(VCPU_ID, "vcpu_id"), FIELD(KVM, "kvm"), \
	      FIELD(VMCB12, "vmcb12_gpa"), FIELD(ASID12, "asid12"), \
	      FIELD(TLB_CTL12, "tlb_ctl12"), \
	      FIELD(NESTED_CTL12, "nested_ctl12"), \
	      FIELD(NCR3_12, "ncr3_12"), FIELD(CR3_12, "cr3_12"), \
	      FIELD(CLEAN12, "clean12"), FIELD(FROM_VMRUN, "from_vmrun")) \
	EVENT(NESTED_CTL02, "rig", "nested_ctl02", PAIRS, \
	      FIELD(VCPU_ID, "vcpu_id"), FIELD(KVM, "kvm"), \
	      FIELD(ASID12, "asid12"), FIELD(TLB_CTL12, "tlb_ctl12"), \
	      FIELD(NCR3_12, "ncr3_12"), FIELD(VMCB12, "vmcb12")) \
	EVENT(NESTED_EXIT, "rig", "nested_exit", PAIRS, \
	      FIELD(VCPU_ID, "vcpu_id"), FIELD(KVM, "kvm"), \
	      FIELD(VMCB12, "vmcb12")) \
	EVENT(NESTED_TLB_FLUSH, "rig", "nested_tlb_flush", PAIRS, \
	      FIELD(VCPU_ID, "vcpu_id"), FIELD(KVM, "kvm")) \
	EVENT(FLUSH_ASID, "rig", "flush_asid", PAIRS, \
	      FIELD(VCPU_ID, "vcpu_id"), FIELD(KVM, "kvm"), \
	      FIELD(ASID, "asid"), FIELD(GEN, "gen"), FIELD(REQ, "req")) \
	EVENT(FLUSH_CURRENT, "rig", "flush_current", PAIRS, \
	      FIELD(VCPU_ID, "vcpu_id"), FIELD(KVM, "kvm"), \
	      FIELD(REQ, "req")) \
	EVENT(FLUSH_ALL, "rig", "flush_all", PAIRS, \
	      FIELD(VCPU_ID, "vcpu_id"), FIELD(KVM, "kvm"), \
	      FIELD(REQ, "req")) \
	EVENT(FLUSH_GVA, "rig", "flush_gva", PAIRS, \
	      FIELD(VCPU_ID, "vcpu_id"), FIELD(KVM, "kvm"), \
	      FIELD(GVA, "gva"), FIELD(ASID, "asid")) \
	EVENT(FLUSH_GUEST, "rig", "flush_guest", PAIRS, \
	      FIELD(VCPU_ID, "vcpu_id"), FIELD(KVM, "kvm")) \
	EVENT(HV_VCPU_FLUSH, "rig", "hv_vcpu_flush", PAIRS, \
	      FIELD(VCPU_ID, "vcpu_id"), FIELD(KVM, "kvm")) \
	EVENT(LOCAL_FLUSH_REQ, "rig", "local_flush_req", PAIRS, \
	      FIELD(VCPU_ID, "vcpu_id"), FIELD(KVM, "kvm"), \
	      FIELD(REQ, "req")) \
	EVENT(REMOTE_FLUSH, "rig", "remote_flush", PAIRS, \
	      FIELD(KVM, "kvm")) \
	EVENT(REMOTE_FLUSH_RANGE, "rig", "remote_flush_range", PAIRS, \
	      FIELD(KVM, "kvm"), FIELD(GFN, "gfn"), FIELD(N, "n")) \
	EVENT(INVLPGA_ICPT, "rig", "invlpga_icpt", PAIRS, \
	      FIELD(VCPU_ID, "vcpu_id"), FIELD(KVM, "kvm"), \
	      FIELD(RAX, "rax"), FIELD(ASID12, "ecx")) \
	EVENT(MMU_SYNC, "rig", "mmu_sync", PAIRS, \
	      FIELD(VCPU_ID, "vcpu_id"), FIELD(KVM, "kvm")) \
	EVENT(LEAVE_NESTED, "rig", "leave_nested", PAIRS, \
	      FIELD(VCPU_ID, "vcpu_id"), FIELD(KVM, "kvm")) \
	EVENT(TAG_ENTER, "tlbtag", "enter", PAIRS, \
	      FIELD(VCPU_ID, "vcpu_id"), FIELD(KVM, "kvm"), \
	      FIELD(PCPU, "pcpu"), FIELD(CONTEXT, "context"), \
	      FIELD(VMCB, "vmcb"), FIELD(ASID, "asid"), \
	      FIELD(TLB_CTL, "tlb_ctl"), FIELD(NCR3, "ncr3"), \
	      FIELD(CLEAN, "clean"), FIELD(WHY, "why")) \
	EVENT(TAG_REQUEST, "tlbtag", "request", PAIRS, \
	      FIELD(VCPU_ID, "vcpu_id"), FIELD(KVM, "kvm"), \
	      FIELD(TARGET, "target"), FIELD(WHY, "why")) \
	EVENT(TAG_NESTED, "tlbtag", "nested", PAIRS, \
	      FIELD(VCPU_ID, "vcpu_id"), FIELD(KVM, "kvm"), \
	      FIELD(CONTEXT, "context"), FIELD(ASID12, "asid12"), \
	      FIELD(TLB_CTL12, "tlb_ctl12"), FIELD(NPT, "npt12"), \
	      FIELD(NCR3_12, "ncr3_12")) \
	EVENT(TAG_INVLPGA, "tlbtag", "invlpga", PAIRS, \
	      FIELD(VCPU_ID, "vcpu_id"), FIELD(KVM, "kvm"), \
	      FIELD(GVA, "gva"), FIELD(ASID12, "asid12")) \
	EVENT(TAG_ROOT, "tlbtag", "root", PAIRS, \
	      FIELD(VCPU_ID, "vcpu_id"), FIELD(KVM, "kvm"), \
	      FIELD(CONTEXT, "context"), FIELD(SYNCED, "synced")) \
	EVENT(KVM_ENTRY, "kvm", "kvm_entry", VCPU, \
	      FIELD(VCPU_ID, "vcpu_id")) \
	EVENT(KVM_EXIT, "kvm", "kvm_exit", VCPU, \
	      FIELD(VCPU_ID, "vcpu_id"), FIELD(REASON, "exit_reason")) \
	EVENT(KVM_NESTED_VMENTER, "kvm", "kvm_nested_vmenter", VMENTER, \
	      FIELD(VMCB12, "vmcb"), FIELD(NPT, "tdp_enabled"), \
	      FIELD(NCR3_12, "guest_pgd"), FIELD(CR3_12, "")) \
	EVENT(KVM_NESTED_VMEXIT_INJECT, "kvm", "kvm_nested_vmexit_inject", \
	      REASON, FIELD(REASON, "exit_code")) \
	EVENT(KVM_PV_TLB_FLUSH, "kvm", "kvm_pv_tlb_flush", VCPU, \
	      FIELD(VCPU_ID, "vcpu_id"), FIELD(NEED_FLUSH, "need_flush_tlb")) \
	EVENT(KVM_NESTED_VMEXIT, "kvm", "kvm_nested_vmexit", VCPU, \
	      FIELD(VCPU_ID, "vcpu_id"), FIELD(REASON, "exit_reason")) \
	EVENT(OTHER, "", "", NONE, FIELD(LOST, ""))

enum record_kind {
#define RECORD_NO_FIELD(slot, name)
#define RECORD_KIND(kind, system, name, shape, ...) RECORD_##kind,
	RECORD_KIND_TABLE(RECORD_KIND, RECORD_NO_FIELD)
#undef RECORD_KIND
#undef RECORD_NO_FIELD
	RECORD_KINDS
};

/* No machine that runs Linux has a CPU number this high (x86: NR_CPUS). */
#ifndef RECORD_CPU_LIMIT
#define RECORD_CPU_LIMIT 8192u
#endif
#define RECORD_CPU_NONE UINT32_MAX

/**
 * struct record - one event of the trace
 * @kind: which; never RECORD_OTHER, those are only counted
 * @where: number of its line (text) or of the event in the merged order of all
 *	CPUs (trace.dat), from 1
 * @time_ns: the trace clock, in nanoseconds if it counts seconds (a clock that
 *	counts something else is taken as it is)
 * @cpu: the CPU that recorded it, < RECORD_CPU_LIMIT; RECORD_CPU_NONE in a
 *	RECORD_LOST that the whole recording begins with
 * @pid: the thread that it interrupted or that called; -1 if unknown
 * @present: bit per enum record_field that was recorded
 * @field: the values; signed ones are sign-extended; undefined where @present
 *	has no bit
 */
struct record {
	enum record_kind kind;
	uint32_t cpu;
	uint64_t where;
	uint64_t time_ns;
	int32_t pid;
	uint64_t present;
	uint64_t field[RECORD_FIELDS];
};

/**
 * struct trace_stats - what the reader has seen up to now
 * @lines: lines of text, comments included; 0 for a trace.dat
 * @records: well-formed events, also those that are not wanted
 * @unparsed: lines or events that could not be read; none of them delivered
 * @lost: events that the recording itself says were lost (1 for each marker
 *	without a number); the records are of kind RECORD_LOST
 * @backwards: events that are older than their predecessor on the same CPU
 * @promised: events that the text's own header says are in it, 0 if it says
 *	nothing. Only a hint: real files were seen with fewer and with more
 * @kinds: @records by kind (RECORD_LOST: number of markers)
 * @truncated: the file ends in the middle of something
 */
struct trace_stats {
	uint64_t lines;
	uint64_t records;
	uint64_t unparsed;
	uint64_t lost;
	uint64_t backwards;
	uint64_t promised;
	uint64_t kinds[RECORD_KINDS];
	bool truncated;
};

enum trace_format {
	TRACE_TEXT,
	TRACE_DAT,
};

struct trace;

/**
 * trace_open() - open a recording of any supported format
 * @trace: set on success
 * @path: file name, or "-" for standard input; its content decides on the
 *	format, not its name
 * @error: receives one line without newline that names the file
 * @size: bytes at @error
 *
 * A trace.dat that is gzipped or does not come from a regular file is first
 * written to an unlinked file in $TMPDIR (or /tmp), because libtracecmd seeks.
 *
 * Return: 0; -1 with @error set.
 */
int trace_open(struct trace **trace, const char *path, char *error,
	       size_t size);

/**
 * trace_open_memory() - the same for bytes in memory, which must stay there
 * @trace: set on success
 * @data: the bytes
 * @data_size: how many
 * @error: receives one line; the "file" is called "memory"
 * @size: bytes at @error
 *
 * Return: 0; -1 with @error set.
 */
int trace_open_memory(struct trace **trace, const void *data, size_t data_size,
		      char *error, size_t size);

/**
 * trace_next() - the next wanted record
 * @trace: an open trace
 * @record: filled in; only slots with a bit in @present are written
 *
 * What was readable before a failure has been delivered by then, and the
 * statistics stay valid. After 0 or -1 the answer does not change any more.
 *
 * Return: 1; 0 at the end; -1 on a failure, see trace_error().
 */
int trace_next(struct trace *trace, struct record *record);

/**
 * trace_error() - why trace_next() failed
 * @trace: an open trace
 *
 * Return: one line naming the file and where in it; "" without a failure.
 */
const char *trace_error(const struct trace *trace);

/**
 * trace_stats() - what has been read up to now; final after trace_next() said
 *	that there is no more
 * @trace: an open trace
 *
 * Return: the statistics; they belong to @trace. For a trace.dat they are
 *	complete only at the end.
 */
const struct trace_stats *trace_stats(const struct trace *trace);

enum trace_format trace_format(const struct trace *trace);

/**
 * trace_close() - give everything back; NULL is allowed
 * @trace: a trace, at whatever point
 */
void trace_close(struct trace *trace);

/* The table, as data. The mask has a bit per enum record_field. */
const char *record_kind_name(enum record_kind kind);
const char *record_kind_system(enum record_kind kind);
uint64_t record_kind_fields(enum record_kind kind);
const char *record_field_name(enum record_field field);

/* Whether the record has the field. */
static inline bool record_has(const struct record *record,
			      enum record_field field)
{
	return record->present >> field & 1;
}

#endif
