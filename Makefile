# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# `make help` lists the targets; config.mk has what a builder may change.
#
# New files need no line here: the wildcards find lib/*.c, replay/*.c, cli/*.c,
# tests/*_test.c, tests/*.sh and fuzz/*_fuzz.c.
#
# One build directory is one configuration. The sanitizers and libFuzzer are
# this same Makefile run again with another BUILD and SANITIZE, and within one
# directory each port has its own objects, so that nothing ever mixes.

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules

include config.mk

BUILD ?= build
SANITIZE ?=

# --- what there is ----------------------------------------------------------

LIB_SOURCES := $(sort $(wildcard lib/*.c))
REPLAY_SOURCES := $(sort $(wildcard replay/*.c))
MACHINE_SOURCES := $(sort $(wildcard machine/*.c))
VMM_SOURCES := $(sort $(wildcard vmm/*.c))
CHECK_SOURCES := $(sort $(wildcard check/*.c))
CLI_SOURCES := $(sort $(wildcard cli/*.c))
PUBLIC_HEADERS := $(sort $(wildcard include/tlbtag/*.h))
TEST_SOURCES := $(sort $(wildcard tests/*_test.c))
TEST_HELP_SOURCES := $(sort $(filter-out %_test.c,$(wildcard tests/*.c)))
TEST_SCRIPTS := $(sort $(wildcard tests/*.sh))
FUZZ_SOURCES := $(sort $(wildcard fuzz/*_fuzz.c))
FUZZ_HELP_SOURCES := $(sort $(filter-out %_fuzz.c fuzz/driver.c,$(wildcard fuzz/*.c)))

TESTS := $(TEST_SOURCES:tests/%.c=%)
RACE_TESTS := $(filter %_race_test,$(TESTS))
FUZZERS := $(FUZZ_SOURCES:fuzz/%.c=%)

# Tests that shrink the library's constants by a line "/* build: -D... */" at
# their top; see CONTRIBUTING.md.
ifneq ($(TEST_SOURCES),)
PRIVATE_TESTS := $(patsubst tests/%.c,%,$(shell grep -l '^/\* build: ' $(TEST_SOURCES)))
endif
private_flags = $(shell sed -n 's|^/\* build: \(.*\) \*/$$|\1|p' tests/$(1).c)

# V=1 shows the commands.
ifeq ($(V),1)
Q :=
say =
else
Q := @
say = @printf '  %-5s %s\n' $(1) $@
endif

# --- flags ------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla
ifeq ($(WERROR),1)
WARNINGS += -Werror
endif

DEPEND = -MMD -MP
PLAIN_FLAGS = -std=c11 $(WARNINGS) $(DEPEND) $(CFLAGS)
BASE_FLAGS = $(PLAIN_FLAGS) $(SANITIZE)
LIB_FLAGS = $(BASE_FLAGS) -Iinclude
HOSTED_FLAGS = $(BASE_FLAGS) -D_GNU_SOURCE -DTLBTAG_VERSION='"$(VERSION)"' -pthread \
	-Iinclude -I. $(PACKAGE_CFLAGS)
LINK = $(CC) $(CFLAGS) $(SANITIZE) $(LDFLAGS) -pthread

# What a hypervisor without a libc would use: no system header, no SSE.
BARE_FLAGS = $(PLAIN_FLAGS) -Iinclude -Iport/bare -ffreestanding -nostdinc \
	-isystem $(shell $(CC) -print-file-name=include) -mgeneral-regs-only \
	-fno-stack-protector -fno-pic

# Only replay/ and cli/ use libraries; the command has the sim port.
PACKAGES := zlib libtracecmd libtracefs libtraceevent libbpf jansson
ifneq ($(REPLAY_SOURCES)$(CLI_SOURCES),)
PACKAGE_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PACKAGES) 2>/dev/null)
PACKAGE_LIBS := $(shell $(PKG_CONFIG) --libs $(PACKAGES) 2>/dev/null)
PACKAGES_FOUND := $(BUILD)/packages-found
SIM_REPLAY_LIB := $(BUILD)/sim/libreplay.a
SIM_CLI_LIB := $(BUILD)/sim/libcli.a
endif

# --- objects ----------------------------------------------------------------

objects = $(patsubst %.c,$(BUILD)/$(1)/%.o,$(2))
POSIX_LIB_OBJECTS := $(call objects,posix,$(LIB_SOURCES) port/posix/port.c)
SIM_LIB_OBJECTS := $(call objects,sim,$(LIB_SOURCES) port/sim/port.c)
BARE_OBJECTS := $(call objects,bare,$(LIB_SOURCES) port/bare/port.c)

LIBRARY := $(BUILD)/libtlbtag.a
SIM_LIBRARY := $(BUILD)/sim/libtlbtag.a
TEST_LIBRARY := $(BUILD)/sim/libtest.a
MACHINE_LIB := $(BUILD)/libmachine.a
SIM_MACHINE_LIB := $(BUILD)/sim/libmachine.a
SIM_VMM_LIB := $(BUILD)/sim/libvmm.a
SIM_CHECK_LIB := $(BUILD)/sim/libcheck.a
COMMAND := $(if $(CLI_SOURCES),$(BUILD)/tlbtag)

.PHONY: all lib
all: $(LIBRARY) $(COMMAND)
lib: $(LIBRARY)

# Other flags than last time: everything in this directory is out of date.
FLAGS_NOW = $(CC) $(BASE_FLAGS) $(LDFLAGS) $(PACKAGE_CFLAGS) $(VERSION)
$(BUILD)/flags: FORCE
	@mkdir -p $(BUILD)
	@echo '$(subst ','\'',$(FLAGS_NOW))' | cmp -s - $@ || \
		echo '$(subst ','\'',$(FLAGS_NOW))' >$@
.PHONY: FORCE
FORCE:

$(BUILD)/packages-found: ci/packages-found
	@mkdir -p $(@D)
	@PKG_CONFIG='$(PKG_CONFIG)' ci/packages-found $(PACKAGES)
	@touch $@

$(BUILD)/posix/lib/%.o: lib/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(LIB_FLAGS) -Iport/posix -c -o $@ $<

$(BUILD)/sim/lib/%.o: lib/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(LIB_FLAGS) -Iport/sim -c -o $@ $<

$(BUILD)/bare/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(BARE_FLAGS) -c -o $@ $<

# Not below: who wants the library alone needs no package.
$(BUILD)/posix/port/%.o: port/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(HOSTED_FLAGS) -Iport/posix -c -o $@ $<

$(BUILD)/posix/%.o: %.c $(BUILD)/flags | $(PACKAGES_FOUND)
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(HOSTED_FLAGS) -Iport/posix -c -o $@ $<

$(BUILD)/sim/%.o: %.c $(BUILD)/flags | $(PACKAGES_FOUND)
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(HOSTED_FLAGS) -Iport/sim -c -o $@ $<

$(LIBRARY): $(POSIX_LIB_OBJECTS)
$(SIM_LIBRARY): $(SIM_LIB_OBJECTS)
$(TEST_LIBRARY): $(call objects,sim,$(TEST_HELP_SOURCES))
$(MACHINE_LIB): $(call objects,posix,$(MACHINE_SOURCES))
$(SIM_MACHINE_LIB): $(call objects,sim,$(MACHINE_SOURCES))
$(SIM_VMM_LIB): $(call objects,sim,$(VMM_SOURCES))
$(SIM_CHECK_LIB): $(call objects,sim,$(CHECK_SOURCES))
$(BUILD)/sim/libreplay.a: $(call objects,sim,$(REPLAY_SOURCES))
$(BUILD)/sim/libcli.a: $(call objects,sim,$(filter-out cli/main.c,$(CLI_SOURCES)))
%.a:
	@mkdir -p $(@D)
	$(call say,AR)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

# With the sim port: check and mutants switch rules off. It makes no difference
# to how fast the other commands are.
$(BUILD)/tlbtag: $(call objects,sim,$(CLI_SOURCES)) $(SIM_REPLAY_LIB) $(SIM_CHECK_LIB) \
		$(SIM_VMM_LIB) $(SIM_MACHINE_LIB) $(SIM_LIBRARY)
	$(call say,LINK)
	$(Q)$(LINK) -o $@ $^ $(PACKAGE_LIBS) -lm

# --- tests ------------------------------------------------------------------

TEST_PROGRAMS := $(TESTS:%=$(BUILD)/tests/%)
SIM_PARTS := $(SIM_REPLAY_LIB) $(SIM_CHECK_LIB) $(SIM_VMM_LIB) $(SIM_MACHINE_LIB) $(SIM_LIBRARY)

$(BUILD)/tests/%: $(BUILD)/sim/tests/%.o $(TEST_LIBRARY) $(SIM_CLI_LIB) $(SIM_PARTS)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(LINK) -o $@ $^ $(PACKAGE_LIBS) -lm

# A private build of the library and the harness for one test's own constants.
define private_test
$(BUILD)/private/$(1)/%.o: %.c $(BUILD)/flags
	@mkdir -p $$(@D)
	$$(call say,CC)
	$$(Q)$$(CC) $$(HOSTED_FLAGS) -Iport/sim $$(call private_flags,$(1)) -c -o $$@ $$<

$(BUILD)/tests/$(1): $(patsubst %.c,$(BUILD)/private/$(1)/%.o,tests/$(1).c \
		$(TEST_HELP_SOURCES) $(LIB_SOURCES) port/sim/port.c)
	@mkdir -p $$(@D)
	$$(call say,LINK)
	$$(Q)$$(LINK) -o $$@ $$^ -lm
endef
$(foreach test,$(PRIVATE_TESTS),$(eval $(call private_test,$(test))))

# Each fuzz target with a main() that reads files, for the corpus as tests.
PLAIN_FUZZERS := $(FUZZERS:%=$(BUILD)/corpus/%)

$(BUILD)/corpus/%: $(BUILD)/sim/fuzz/%.o $(BUILD)/sim/fuzz/driver.o \
		$(call objects,sim,$(FUZZ_HELP_SOURCES)) $(SIM_PARTS)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(LINK) -o $@ $^ $(PACKAGE_LIBS) -lm

export BUILD
SUITE = SUITE_TIMEOUT=$(TEST_TIMEOUT) ci/suite
export TLBTAG = $(BUILD)/tlbtag

test_arguments = $(foreach test,$(1),-t '$(BUILD)/tests/$(test)')
corpus_arguments = $(foreach fuzzer,$(FUZZERS),\
	-s '$(BUILD)/corpus/$(fuzzer) $(wildcard fuzz/corpus/$(fuzzer:%_fuzz=%))')
script_arguments = $(foreach script,$(TEST_SCRIPTS),-s 'sh $(script)')

.PHONY: check test-programs bare race-check
test-programs: $(TEST_PROGRAMS) $(PLAIN_FUZZERS) $(COMMAND)

# -k: a program that does not build is a failure (even if an old one is still
# there), but the others run.
check:
	@if $(MAKE) --no-print-directory -k test-programs bare-objects; then build=true; else \
		build='echo the build failed; false'; fi; \
	$(SUITE) -s "$$build" $(call test_arguments,$(TESTS)) -s 'ci/bare $(BUILD)/bare' \
		$(corpus_arguments) $(script_arguments)

.PHONY: bare-objects
bare-objects: $(BARE_OBJECTS)
bare: bare-objects
	ci/bare $(BUILD)/bare

race-check: $(RACE_TESTS:%=$(BUILD)/tests/%)
	@$(SUITE) $(call test_arguments,$(RACE_TESTS))

# UBSan only reports unless told to stop; a leak or a report must fail.
.PHONY: san tsan
san: export ASAN_OPTIONS = abort_on_error=0:detect_leaks=1:detect_stack_use_after_return=1
san: export UBSAN_OPTIONS = print_stacktrace=1
san:
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/san SANITIZE='-fsanitize=address,undefined \
		-fno-sanitize-recover=all -fno-omit-frame-pointer' CFLAGS='-O1 -g' check

# gcc's runtime stops at address layouts that newer kernels choose.
tsan: export TSAN_OPTIONS = halt_on_error=1
tsan:
	@$$(setarch -R true 2>/dev/null && echo setarch -R) \
		$(MAKE) --no-print-directory BUILD=$(BUILD)/tsan SANITIZE=-fsanitize=thread CFLAGS='-O1 -g' race-check

# --- fuzzing ----------------------------------------------------------------

# Small tables: a run is soon over, and the code for full ones is reached.
FUZZ_SMALL := -DRECORD_CPU_LIMIT=8u -DEVENT_CPUS=8u -DEVENT_VMS=3u -DEVENT_VCPUS=4u

.PHONY: fuzz fuzz-run
fuzz:
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/fuzz CC=$(CLANG) \
		CFLAGS='-O1 -g $(FUZZ_SMALL)' \
		SANITIZE='-fsanitize=fuzzer-no-link,address,undefined \
		-fno-sanitize-recover=all -fno-omit-frame-pointer' fuzz-run

LIBFUZZERS := $(FUZZERS:%=$(BUILD)/run/%)

$(BUILD)/run/%: $(BUILD)/sim/fuzz/%.o $(call objects,sim,$(FUZZ_HELP_SOURCES)) $(SIM_PARTS)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(LINK) -fsanitize=fuzzer -o $@ $^ $(PACKAGE_LIBS) -lm

fuzz-run: $(LIBFUZZERS)
	@$(SUITE) $(foreach fuzzer,$(FUZZERS),-s 'ci/fuzz $(BUILD) $(fuzzer) $(FUZZ_SECONDS)')

# --- style, headers, manual -------------------------------------------------

.PHONY: tidy headers
tidy:
	@$(PYTHON) ci/tidy

# What is stated, kept, consulted and guarded where; make check compares.
.PHONY: invariants
invariants:
	@ci/invariants >doc/INVARIANTS.md.new || { rm -f doc/INVARIANTS.md.new; exit 1; }
	@mv doc/INVARIANTS.md.new doc/INVARIANTS.md

headers:
	@CC='$(CC)' CXX='$(CXX)' ci/headers $(BUILD)/headers

MAN_PAGES := $(BUILD)/man/made
.PHONY: doc
doc: $(MAN_PAGES)

$(MAN_PAGES): ci/kerneldoc $(PUBLIC_HEADERS) config.mk
	@rm -rf $(@D)
	@mkdir -p $(@D)
	$(PYTHON) ci/kerneldoc --version $(VERSION) --man $(@D) $(PUBLIC_HEADERS)
	@touch $@

# --- benchmarks: the rules are the bench owner's -----------------------------

-include bench/Makefile.inc
ifeq ($(wildcard bench/Makefile.inc),)
.PHONY: bench
bench:
	@echo 'bench: there is no bench/Makefile.inc' >&2; exit 1
endif

# --- in Linux KVM: kvm/ has its own rules ------------------------------------

include kvm/Makefile.inc

# --- installing -------------------------------------------------------------

.PHONY: install uninstall
MAN1 := $(wildcard doc/*.1)
MAN3_DIR = $(DESTDIR)$(MANDIR)/man3

install: all doc
	$(INSTALL) -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(INCLUDEDIR)/tlbtag $(MAN3_DIR)
	$(INSTALL) -m 644 $(LIBRARY) $(DESTDIR)$(LIBDIR)/
	$(INSTALL) -m 644 $(PUBLIC_HEADERS) $(DESTDIR)$(INCLUDEDIR)/tlbtag/
	$(INSTALL) -m 644 port/posix/tlbtag_port.h $(DESTDIR)$(INCLUDEDIR)/
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' \
		-e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' -e 's|@VERSION@|$(VERSION)|' \
		tlbtag.pc.in >$(DESTDIR)$(LIBDIR)/pkgconfig/tlbtag.pc
	$(INSTALL) -m 644 $(BUILD)/man/*.3 $(MAN3_DIR)/
ifneq ($(COMMAND),)
	$(INSTALL) -d $(DESTDIR)$(BINDIR)
	$(INSTALL) -m 755 $(COMMAND) $(DESTDIR)$(BINDIR)/
endif
ifneq ($(MAN1),)
	$(INSTALL) -d $(DESTDIR)$(MANDIR)/man1
	$(INSTALL) -m 644 $(MAN1) $(DESTDIR)$(MANDIR)/man1/
endif

uninstall: doc
	rm -f $(DESTDIR)$(LIBDIR)/libtlbtag.a $(DESTDIR)$(LIBDIR)/pkgconfig/tlbtag.pc
	rm -f $(DESTDIR)$(INCLUDEDIR)/tlbtag_port.h $(DESTDIR)$(BINDIR)/tlbtag
	rm -f $(PUBLIC_HEADERS:include/%=$(DESTDIR)$(INCLUDEDIR)/%)
	rm -f $(MAN1:doc/%=$(DESTDIR)$(MANDIR)/man1/%)
	cd $(BUILD)/man && for page in *.3; do rm -f "$(abspath $(DESTDIR)/)$(MANDIR)/man3/$$page"; done
	rmdir $(DESTDIR)$(INCLUDEDIR)/tlbtag 2>/dev/null || true

.PHONY: clean help
clean:
	rm -rf $(BUILD)

help:
	@echo 'all        the library and the tlbtag command (default)'
	@echo 'lib        the library alone; needs nothing but a compiler'
	@echo 'check      all tests; the last line is "N passed, N failed"'
	@echo 'san tsan   the tests under ASan and UBSan; the *_race_test under TSan'
	@echo 'fuzz       every fuzz target for FUZZ_SECONDS (clang)'
	@echo 'bench      the benchmarks'
	@echo 'tidy       the style rules that a program can check'
	@echo 'headers    each public header alone, C11 and C++17, every port'
	@echo 'invariants doc/INVARIANTS.md, made of headers, sources and tests'
	@echo 'doc        man pages of the library, into $(BUILD)/man'
	@echo 'kvm        KVM modules with the library inside, for the kernel KVER'
	@echo 'kvm-check  boot, record and audit stock and reworked KVM in emulation'
	@echo 'kvm-diff   what is changed in KVM, as diffs; kvm-debug kvm-mutants: see doc/KVM.md'
	@echo 'install uninstall clean'
	@echo 'V=1 WERROR=1 CC=clang PREFIX= DESTDIR= and more: see config.mk'

# Dependencies that the compilers wrote.
-include $(shell find $(BUILD)/posix $(BUILD)/sim $(BUILD)/bare $(BUILD)/private -name '*.d' \
	2>/dev/null)
