/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * probe: the table, and what a kernel has of it.
 *
 * Kprobes fetch from the first arguments, which are in %di, %si and %dx. Every
 * function of KVM that is probed gets a struct kvm_vcpu first, or on AMD the
 * struct vcpu_svm that begins with one, except those about remote flushes, which
 * get the struct kvm. Offsets in a VMCB are the architecture's: 88 the ASID, 92
 * TLB_CONTROL, 176 the nested CR3, 192 the clean bits, 0x550 CR3.
 *
 * What is recorded, and where, is what audit wants: the event that ends L2 is
 * KVM's tracepoint, as the function it stands in may serve requests of L2 first.
 */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Bytes of one expanded field. */
#define FIELD_SIZE 96
#define NUMBER_SIZE 24

#define VCPU "vcpu_id=!+{VCPU_ID}(%di):u32 kvm=+0(%di):x64"

/* KVM's copy of what L1 wrote into its VMCB. */
#define CONTROL12                                                   \
	" asid12=+{ASID12}(%di):u32 tlb_ctl12=+{TLB_CTL12}(%di):u8" \
	" ncr3_12=+{NCR3_12}(%di):x64"

/* The same function for both vendors. */
#define COMMON(...)                 \
	{                           \
		{ __VA_ARGS__ },    \
		{                   \
			__VA_ARGS__ \
		}                   \
	}

const struct probe probes[] = {
	{ "enter", "tlbtag", .with_native = true,
	  .unknown = "VM entries, and what they flushed" },
	{ "request", "tlbtag", .with_native = true, .unknown = "what flushes were asked for" },
	{ "nested", "tlbtag", .with_native = true, .unknown = "L1's ASIDs and TLB_CONTROL" },
	{ "invlpga", "tlbtag", .with_native = true, .unknown = "INVLPGA of L1" },
	{ "root", "tlbtag", .with_native = true, .unknown = "whether shadow roots were synced" },
	{ "vmrun",
	  .functions = COMMON("kvm_wait_lapic_expire", "kvm_load_guest_xsave_state"),
	  .fields = VCPU " pcpu=+{CPU}(%di):s32 hflags=+{HFLAGS}(%di):x32 vmcb=+{VMCB}(%di):x64 "
			 "asid=+88(+{VMCB}(%di)):u32 tlb_ctl=+92(+{VMCB}(%di)):u8 "
			 "gen=+{GENERATION}(+{CURRENT_VMCB}(%di)):u64 "
			 "ncr3=+176(+{VMCB}(%di)):x64 gcr3=+0x550(+{VMCB}(%di)):x64 "
			 "clean=+192(+{VMCB}(%di)):x32",
	  .unknown = "what the kernel flushed; audit has nothing to judge" },
	{ "kvm_entry", "kvm", .instead_of = "vmrun", .unknown = "VM entries" },
	{ "kvm_exit", "kvm", .instead_of = "vmrun", .unknown = "VM entries that failed" },
	{ "vcpu_load", .functions = { { "svm_vcpu_load" }, { "vmx_vcpu_load" } },
	  .fields = VCPU " pcpu=%si:s32", .with_native = true,
	  .unknown = "when a vCPU is loaded on a CPU, by which rfc-v1 flushes" },
	{ "nested_enter",
	  .functions = { { "enter_svm_guest_mode" }, { "nested_vmx_enter_non_root_mode" } },
	  .fields = VCPU " vmcb12_gpa=%si:x64 nested_ctl12=+{NESTED_CTL12}(%di):x64" CONTROL12,
	  .unknown = "L1's ASIDs and TLB_CONTROL" },
	{ "nested_ctl02", .functions = { { "nested_vmcb02_prepare_control" } },
	  .fields = VCPU CONTROL12,
	  .unknown = "when the VMM restores an L2, until L2 runs" },
	{ "kvm_nested_vmenter", "kvm", .instead_of = "nested_enter",
	  .unknown = "when L1 enters L2, until L2 runs" },
	{ "kvm_nested_vmexit_inject", "kvm", .unknown = "when L2 is left, until L1 runs" },
	{ "leave_nested", .functions = { { "svm_leave_nested" }, { "vmx_leave_nested" } },
	  .fields = VCPU, .unknown = "when L2 is left by force, until L1 runs" },
	{ "nested_tlb_flush",
	  .functions = { { "nested_svm_transition_tlb_flush" },
			 { "nested_vmx_transition_tlb_flush" } },
	  .fields = VCPU,
	  .unknown = "the kernel's own flushes at nested transitions; they pass for the MMU's" },
	{ "flush_asid", .functions = { { "svm_flush_tlb_asid" } },
	  .fields = VCPU " asid=+88(+{VMCB}(%di)):u32 "
			 "gen=+{GENERATION}(+{CURRENT_VMCB}(%di)):u64",
	  .unknown = "flushes because of CR4.PGE or one address, and resets" },
	{ "flush_current",
	  .functions = { { "svm_flush_tlb_current" }, { "vmx_flush_tlb_current" } },
	  .fields = VCPU, .unknown = "flushes of one context for the MMU: lower bounds" },
	{ "flush_all", .functions = { { "svm_flush_tlb_all" }, { "vmx_flush_tlb_all" } },
	  .fields = VCPU, .unknown = "flushes of everything for the MMU: lower bounds" },
	{ "flush_guest", .functions = COMMON("kvm_vcpu_flush_tlb_guest"), .fields = VCPU,
	  .unknown = "flushes that guests asked for: lower bounds" },
	{ "flush_gva", .functions = { { "svm_flush_tlb_gva" }, { "vmx_flush_tlb_gva" } },
	  .fields = VCPU " gva=%si:x64 asid=+88(+{VMCB}(%di)):u32",
	  .unknown = "single addresses that were flushed; audit: give --trust-invlpga" },
	{ "invlpga_icpt", .functions = { { "invlpga_interception" } },
	  .fields = VCPU " ecx=+{RCX+8}(%di):u32", .unknown = "INVLPGA of L1" },
	{ "mmu_sync", .functions = COMMON("kvm_mmu_sync_roots"), .fields = VCPU,
	  .unknown = "whether shadow tables were synced" },
	{ "kvm_pv_tlb_flush", "kvm",
	  .unknown = "paravirtual flushes; they pass for the guest's own" },
	{ "remote_flush", .functions = COMMON("kvm_flush_remote_tlbs"),
	  .fields = "kvm=%di:x64", .with_native = true,
	  .unknown = "when a flush of all vCPUs was asked for, only when each served it" },
	{ "remote_flush_range", .functions = COMMON("kvm_flush_remote_tlbs_range"),
	  .fields = "kvm=%di:x64 gfn=%si:x64 n=%dx:u64", .with_native = true,
	  .unknown = "when a flush of some pages was asked for, only when each served it" },
	{ 0 },
};

_Static_assert(sizeof(probes) / sizeof(probes[0]) <= PROBES_MAX, "host.has_function");

static const struct {
	const char *name;
	const char *unknown;
} fields[] = {
	{ "asid", "ASIDs that the hardware got; audit has nothing to judge" },
	{ "tlb_ctl", "what the kernel flushed; audit has nothing to judge" },
	{ "hflags", "whether L1 or L2 is entered, where a change went by unseen" },
	{ "gen", "resets of a vCPU, and rounds of ASIDs where the recording begins" },
	{ "asid12", "L1's ASIDs" },
	{ "tlb_ctl12", "L1's TLB_CONTROL" },
	{ "ncr3_12", "L1's nested tables" },
	{ "ecx", "the ASID of an INVLPGA, taken for that of the latest L2" },
};

const char *probe_field_unknown(const char *name, size_t size)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (strlen(fields[i].name) == size && !memcmp(fields[i].name, name, size))
			return fields[i].unknown;
	return NULL;
}

const char *vendor_module(enum vendor vendor)
{
	switch (vendor) {
	case VENDOR_AMD:
		return "kvm_amd";
	case VENDOR_INTEL:
		return "kvm_intel";
	case VENDOR_NONE:
		break;
	}
	return "none";
}

/* --- the kernel ------------------------------------------------------------- */

static bool has_file(const struct host *host, const char *name)
{
	char path[4096];

	if (host->assumed)
		return true;
	snprintf(path, sizeof(path), "%s/%s", host->tracefs, name);
	return access(path, F_OK) == 0;
}

static bool has_event(const struct host *host, const struct probe *probe)
{
	char name[128];

	snprintf(name, sizeof(name), "events/%s/%s", probe->system, probe->name);
	return has_file(host, name);
}

/* A line of the list of functions. */
struct line {
	const char *function;
	bool is_module;
};

/* For kernels that have KVM for both vendors built in. */
static enum vendor cpu_vendor(void)
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	enum vendor vendor = VENDOR_AMD;
	char text[1024];

	for (int line = 0; file && line < 4 && fgets(text, sizeof(text), file); line++)
		if (strstr(text, "GenuineIntel"))
			vendor = VENDOR_INTEL;
	if (file)
		fclose(file);
	return vendor;
}

static const char *const vendor_functions[VENDORS] = { "svm_vcpu_load", "vmx_vcpu_load" };

static void note_vendor(struct host *host, enum vendor vendor, const struct line *line)
{
	for (unsigned int i = 0; probes[i].name; i++)
		for (unsigned int nth = 0; nth < PROBE_FUNCTIONS; nth++)
			if (probes[i].functions[vendor][nth] &&
			    !strcmp(probes[i].functions[vendor][nth], line->function))
				host->has_function[vendor][i][nth] = true;
	if (strcmp(line->function, vendor_functions[vendor]))
		return;
	host->vendor = host->vendor == VENDOR_NONE ? vendor : cpu_vendor();
	host->is_module = line->is_module;
}

/* "function [module]", or in /proc/kallsyms "address type function\t[module]". */
static bool parse_line(char *text, bool is_symbols, struct line *line)
{
	char *rest = NULL;
	char *word = strtok_r(text, " \t\n", &rest);

	for (int skip = is_symbols ? 2 : 0; word && skip; skip--)
		word = strtok_r(NULL, " \t\n", &rest);
	line->function = word;
	line->is_module = word && strtok_r(NULL, " \t\n", &rest);
	return word != NULL;
}

static void read_functions(struct host *host, FILE *file, bool is_symbols)
{
	char text[1024];
	struct line line;

	while (fgets(text, sizeof(text), file)) {
		if (!parse_line(text, is_symbols, &line))
			continue;
		for (enum vendor vendor = 0; vendor < VENDORS; vendor++)
			note_vendor(host, vendor, &line);
	}
}

/* A kernel without the function tracer has only the list of all symbols. */
static int find_functions(struct host *host, char *error, size_t size)
{
	char path[4096];
	FILE *file;
	bool is_symbols = false;

	snprintf(path, sizeof(path), "%s/available_filter_functions", host->tracefs);
	file = fopen(path, "re");
	if (!file && errno == ENOENT) {
		is_symbols = true;
		snprintf(path, sizeof(path), "/proc/kallsyms");
		file = fopen(path, "re");
	}
	if (!file) {
		snprintf(error, size, "cannot read %s: %s", path, strerror(errno));
		return -1;
	}
	read_functions(host, file, is_symbols);
	fclose(file);
	return 0;
}

static int find_tracefs(const struct host *host, char *error, size_t size)
{
	char path[4096];
	int events;

	snprintf(path, sizeof(path), "%s/events", host->tracefs);
	events = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (events >= 0) {
		close(events);
		return 0;
	}
	if (errno == ENOENT || errno == ENOTDIR)
		snprintf(error, size, "no tracefs at %s: mount -t tracefs tracefs %s",
			 host->tracefs, host->tracefs);
	else
		snprintf(error, size, "cannot read %s: %s%s", path, strerror(errno),
			 geteuid() ? "; only root may record" : "");
	return -1;
}

int host_look(struct host *host, char *error, size_t size)
{
	host->vendor = VENDOR_NONE;
	if (find_tracefs(host, error, size) || find_functions(host, error, size))
		return -1;
	if (host->vendor == VENDOR_NONE) {
		snprintf(error, size, "no KVM here: neither kvm_amd nor kvm_intel is loaded");
		return -1;
	}
	host->native = has_file(host, "events/tlbtag/enter");
	return 0;
}

void host_assume(struct host *host)
{
	host->vendor = VENDOR_AMD;
	host->is_module = true;
	host->native = false;
	host->assumed = true;
	for (unsigned int i = 0; probes[i].name; i++)
		for (unsigned int nth = 0; nth < PROBE_FUNCTIONS; nth++)
			host->has_function[VENDOR_AMD][i][nth] =
				probes[i].functions[VENDOR_AMD][nth] != NULL;
}

/* --- choosing ----------------------------------------------------------------- */

/* Append; what does not fit makes the field unusable, and is a mistake of the table. */
static void append(char *text, size_t size, const char *more, size_t length)
{
	size_t used = strlen(text);

	if (used + length >= size)
		length = size - used - 1;
	memcpy(text + used, more, length);
	text[used + length] = 0;
}

/* "{NAME}" or "{NAME+NUMBER}" as a number; false: unknown. */
static bool expand_offset(const struct host *host, const char *word, size_t size, char *number)
{
	const char *plus = memchr(word, '+', size);
	enum offset offset = offset_find(word, plus ? (size_t)(plus - word) : size);

	if (offset == OFFSETS || host->offsets.source[offset] == OFFSET_UNKNOWN)
		return false;
	snprintf(number, NUMBER_SIZE, "%lu",
		 host->offsets.at[offset] + (plus ? strtoul(plus, NULL, 10) : 0));
	return true;
}

/* A field of a probe, with numbers for offsets; false: one is unknown. */
static bool expand(const struct host *host, const char *field, size_t size, char *text)
{
	const char *end = field + size;
	char number[NUMBER_SIZE];

	for (const char *at = field; at < end;) {
		const char *close = memchr(at, '}', (size_t)(end - at));

		if (*at == '{' && close) {
			if (!expand_offset(host, at + 1, (size_t)(close - at) - 1, number))
				return false;
			append(text, FIELD_SIZE, number, strlen(number));
			at = close + 1;
			continue;
		}
		if (*at != '!')
			append(text, FIELD_SIZE, at, 1);
		at++;
	}
	return true;
}

static void choose_fields(const struct host *host, const struct probe *probe, struct choice *choice)
{
	for (const char *field = probe->fields; *field;) {
		size_t size = strcspn(field, " ");
		size_t name = strcspn(field, "=");
		char text[FIELD_SIZE] = "";

		if (expand(host, field, size, text)) {
			append(choice->fields, sizeof(choice->fields), " ", choice->fields[0] != 0);
			append(choice->fields, sizeof(choice->fields), text, strlen(text));
		} else if (memchr(field, '!', size)) {
			choice->kind = CHOICE_MISSING;
			snprintf(choice->reason, sizeof(choice->reason), "no offset for %.*s",
				 (int)name, field);
			return;
		} else {
			append(choice->lacks, sizeof(choice->lacks), " ", choice->lacks[0] != 0);
			append(choice->lacks, sizeof(choice->lacks), field, name);
		}
		field += size + (field[size] == ' ');
	}
}

static void choose_kprobe(const struct host *host, unsigned int index, struct choice *choice)
{
	const char *const *functions = probes[index].functions[host->vendor];

	if (!has_file(host, "dynamic_events") && !has_file(host, "kprobe_events")) {
		snprintf(choice->reason, sizeof(choice->reason), "the kernel has no kprobe events");
		return;
	}
	for (unsigned int nth = 0; nth < PROBE_FUNCTIONS && !choice->function; nth++)
		if (host->has_function[host->vendor][index][nth])
			choice->function = functions[nth];
	if (!choice->function) {
		snprintf(choice->reason, sizeof(choice->reason), "the kernel has no function %s",
			 functions[0]);
		return;
	}
	choice->kind = CHOICE_KPROBE;
	choose_fields(host, &probes[index], choice);
}

static bool is_unwanted(const struct host *host, const struct choice *choices, unsigned int index)
{
	const struct probe *probe = &probes[index];
	bool is_ours = probe->system && !strcmp(probe->system, "tlbtag");

	if (host->native ? !probe->with_native : is_ours)
		return true;
	if (!probe->system && !probe->functions[host->vendor][0])
		return true;
	for (unsigned int i = 0; probe->instead_of && i < index; i++)
		if (!strcmp(probes[i].name, probe->instead_of))
			return choices[i].kind != CHOICE_MISSING;
	return false;
}

void probe_choose(const struct host *host, struct choice *choices, unsigned int index)
{
	const struct probe *probe = &probes[index];
	struct choice *choice = &choices[index];

	memset(choice, 0, sizeof(*choice));
	choice->kind = CHOICE_MISSING;
	if (is_unwanted(host, choices, index))
		choice->kind = CHOICE_UNWANTED;
	else if (!probe->system)
		choose_kprobe(host, index, choice);
	else if (has_event(host, probe))
		choice->kind = CHOICE_TRACEPOINT;
	else
		snprintf(choice->reason, sizeof(choice->reason),
			 "the kernel has no tracepoint %s:%s", probe->system, probe->name);
}

bool choice_is_made(const struct choice *choice)
{
	return choice->kind == CHOICE_TRACEPOINT || choice->kind == CHOICE_KPROBE;
}

bool probe_has_entries(const struct choice *choices)
{
	static const char *const names[] = { "enter", "vmrun", "kvm_entry" };

	for (unsigned int i = 0; probes[i].name; i++)
		for (size_t nth = 0; nth < sizeof(names) / sizeof(names[0]); nth++)
			if (!strcmp(probes[i].name, names[nth]) && choice_is_made(&choices[i]))
				return true;
	return false;
}
