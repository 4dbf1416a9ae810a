/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where members are: in type information made here, of a kernel and a module on
 * top of it, and in files of assignments, good and bad.
 */
#include "test.h"

#include <bpf/btf.h>
#include <cli/offset.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char directory[] = "/tmp/tlbtag-offset.XXXXXX";

static void write_file(const char *name, const void *data, size_t size)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "w");
	if (!CHECK(file != NULL))
		return;
	CHECK(fwrite(data, 1, size, file) == size);
	fclose(file);
}

static void write_btf(const char *name, const struct btf *btf)
{
	uint32_t size;
	const void *data = btf__raw_data(btf, &size);

	write_file(name, data, size);
}

static void remove_file(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	unlink(path);
}

static void field(struct btf *btf, const char *name, int type, uint32_t bytes)
{
	CHECK(btf__add_field(btf, name, type, 8 * bytes, 0) == 0);
}

/* vcpu_svm and what is in it; its layout is nobody's. Returns arch's number. */
static void add_structures(struct btf *btf, int number, const char *control)
{
	int inner, arch, named, vcpu, info, pointer, ctl, nested;

	inner = btf__add_struct(btf, NULL, 8);
	field(btf, "hflags", number, 4);
	named = btf__add_typedef(btf, "arch_t", btf__add_const(btf, inner + 3));
	arch = btf__add_struct(btf, "kvm_vcpu_arch", 64);
	CHECK_EQ(arch, inner + 3);
	field(btf, "regs", number, 8);
	field(btf, NULL, inner, 40);
	vcpu = btf__add_struct(btf, "kvm_vcpu", 128);
	field(btf, "cpu", number, 16);
	field(btf, "vcpu_id", number, 20);
	field(btf, "arch", named, 24);
	info = btf__add_struct(btf, "kvm_vmcb_info", 16);
	field(btf, "asid_generation", number, 8);
	pointer = btf__add_ptr(btf, info);
	ctl = btf__add_struct(btf, "vmcb_ctrl_area_cached", 64);
	field(btf, "asid", number, 4);
	CHECK(btf__add_field(btf, "tlb_ctl", number, 64, 8) == 0); /* a bit field */
	field(btf, control, number, 12);
	nested = btf__add_struct(btf, "svm_nested_state", 80);
	field(btf, "ctl", ctl, 8);
	btf__add_struct(btf, "vcpu_svm", 512);
	field(btf, "vcpu", vcpu, 0);
	field(btf, "vmcb", pointer, 128);
	field(btf, "current_vmcb", pointer, 136);
	field(btf, "nested", nested, 200);
}

/* With the structures in the module, or in the kernel itself. */
static void write_kernel(bool in_module, const char *control)
{
	struct btf *kernel = btf__new_empty(), *module;
	int number = btf__add_int(kernel, "int", 4, 0);

	if (!in_module)
		add_structures(kernel, number, control);
	write_btf("vmlinux", kernel);
	module = btf__new_empty_split(kernel);
	if (in_module)
		add_structures(module, number, control);
	write_btf("kvm_amd", module);
	btf__free(module);
	btf__free(kernel);
}

static void check_known(const struct offsets *offsets)
{
	CHECK_EQ(offsets->at[OFFSET_CPU], 16);
	CHECK_EQ(offsets->at[OFFSET_VCPU_ID], 20);
	CHECK_EQ(offsets->at[OFFSET_RCX], 32);
	CHECK_EQ(offsets->at[OFFSET_HFLAGS], 24 + 40 + 4);
	CHECK_EQ(offsets->at[OFFSET_VMCB], 128);
	CHECK_EQ(offsets->at[OFFSET_CURRENT_VMCB], 136);
	CHECK_EQ(offsets->at[OFFSET_GENERATION], 8);
	CHECK_EQ(offsets->at[OFFSET_ASID12], 200 + 8 + 4);
	CHECK_EQ(offsets->at[OFFSET_NESTED_CTL12], 200 + 8 + 12);
	CHECK_EQ(offsets->source[OFFSET_HFLAGS], OFFSET_BTF);
	/* A bit field cannot be fetched, and a member that is not there neither. */
	CHECK_EQ(offsets->source[OFFSET_TLB_CTL12], OFFSET_UNKNOWN);
	CHECK_EQ(offsets->source[OFFSET_NCR3_12], OFFSET_UNKNOWN);
}

static void with_directory(void (*run)(void))
{
	strcpy(directory + sizeof(directory) - 7, "XXXXXX");
	if (!CHECK(mkdtemp(directory) != NULL))
		return;
	run();
	remove_file("vmlinux");
	remove_file("kvm_amd");
	remove_file("offsets");
	CHECK(rmdir(directory) == 0);
}

static void module_and_kernel(void)
{
	struct offsets offsets = { 0 };
	char error[256] = "";

	write_kernel(true, "nested_ctl");
	CHECK_EQ(offsets_from_btf(&offsets, directory, "kvm_amd", error, sizeof(error)), 0);
	check_known(&offsets);

	memset(&offsets, 0, sizeof(offsets));
	write_kernel(false, "misc_ctl");
	CHECK_EQ(offsets_from_btf(&offsets, directory, NULL, error, sizeof(error)), 0);
	check_known(&offsets);

	/* Another name than the two is none of ours. */
	memset(&offsets, 0, sizeof(offsets));
	write_kernel(true, "nested_ctl|misc_ctl");
	CHECK_EQ(offsets_from_btf(&offsets, directory, "kvm_amd", error, sizeof(error)), 0);
	CHECK_EQ(offsets.source[OFFSET_NESTED_CTL12], OFFSET_UNKNOWN);
}

TEST(offsets_of_a_module_and_of_a_kernel_with_kvm_built_in)
{
	with_directory(module_and_kernel);
}

static void bad_btf(void)
{
	struct offsets offsets = { 0 };
	char error[256] = "";

	CHECK_EQ(offsets_from_btf(&offsets, directory, "kvm_amd", error, sizeof(error)), -1);
	CHECK(strstr(error, "vmlinux: No such file") != NULL);
	write_file("vmlinux", "no type information", 19);
	CHECK_EQ(offsets_from_btf(&offsets, directory, NULL, error, sizeof(error)), -1);
	CHECK(strstr(error, "vmlinux: not BTF") != NULL);
	write_kernel(true, "nested_ctl");
	remove_file("kvm_amd");
	CHECK_EQ(offsets_from_btf(&offsets, directory, "kvm_amd", error, sizeof(error)), -1);
	CHECK(strstr(error, "kvm_amd: No such file") != NULL);
	for (enum offset i = 0; i < OFFSETS; i++)
		CHECK_EQ(offsets.source[i], OFFSET_UNKNOWN);
}

TEST(offsets_from_bad_btf_are_unknown)
{
	with_directory(bad_btf);
}

/* What the file says counts for more; the rest is looked up. */
static void file_and_btf(void)
{
	static const char text[] = "# of some build\n\nOFF_VMCB=0x1000\nOFF_GENERATION=\n"
				   "OFF_LAST_CPU=16\nOFF_RCX=296\n";
	struct offsets offsets = { 0 };
	char error[256] = "", path[128];

	write_kernel(true, "nested_ctl");
	write_file("offsets", text, sizeof(text) - 1);
	snprintf(path, sizeof(path), "%s/offsets", directory);
	CHECK_EQ(offsets_from_file(&offsets, path, error, sizeof(error)), 0);
	CHECK_EQ(offsets.source[OFFSET_GENERATION], OFFSET_UNKNOWN);
	CHECK_EQ(offsets_from_btf(&offsets, directory, "kvm_amd", error, sizeof(error)), 0);
	CHECK_EQ(offsets.at[OFFSET_VMCB], 0x1000);
	CHECK_EQ(offsets.source[OFFSET_VMCB], OFFSET_FILE);
	CHECK_EQ(offsets.at[OFFSET_RCX], 296);
	CHECK_EQ(offsets.at[OFFSET_VCPU_ID], 20);
	CHECK_EQ(offsets.source[OFFSET_VCPU_ID], OFFSET_BTF);

	/* On Intel what is AMD's is not believed. */
	offsets_forget_amd(&offsets);
	CHECK_EQ(offsets.source[OFFSET_VMCB], OFFSET_UNKNOWN);
	CHECK_EQ(offsets.source[OFFSET_GENERATION], OFFSET_UNKNOWN);
	CHECK_EQ(offsets.source[OFFSET_VCPU_ID], OFFSET_BTF);
	CHECK_EQ(offsets.source[OFFSET_RCX], OFFSET_FILE);
}

TEST(offsets_of_a_file_count_for_more)
{
	with_directory(file_and_btf);
}

static void bad_files(void)
{
	static const char *const lines[] = {
		"OFF_VMCB",
		"VMCB=3",
		"OFF_VMCB=-8",
		"OFF_VMCB=3x",
		"OFF_VMCB=1048576",
		"OFF_VMCB= ",
		"OFF_VMCB=0x",
		" OFF_VMCB=3",
		"OFF_VMCB=99999999999999999999",
		"OFF_VMCB=3\r",
	};
	struct offsets offsets = { 0 };
	char error[256], path[128], text[512];

	snprintf(path, sizeof(path), "%s/offsets", directory);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		snprintf(text, sizeof(text), "OFF_CPU=1\n%s\n", lines[i]);
		write_file("offsets", text, strlen(text));
		CHECK_EQ(offsets_from_file(&offsets, path, error, sizeof(error)), -1);
		CHECK(strstr(error, "offsets:2: ") != NULL);
		CHECK_EQ(offsets.source[OFFSET_VMCB], OFFSET_UNKNOWN);
	}
	write_file("offsets", "OFF_VMCB=30", 11);
	CHECK_EQ(offsets_from_file(&offsets, path, error, sizeof(error)), -1);
	CHECK(strstr(error, "offsets:1: ") != NULL);
	memset(text, '#', sizeof(text));
	text[sizeof(text) - 1] = '\n';
	write_file("offsets", text, sizeof(text));
	CHECK_EQ(offsets_from_file(&offsets, path, error, sizeof(error)), -1);
	CHECK_EQ(offsets_from_file(&offsets, directory, error, sizeof(error)), -1);
	CHECK(strstr(error, "Is a directory") != NULL);
}

TEST(offsets_of_bad_files_are_refused_by_line)
{
	with_directory(bad_files);
}
