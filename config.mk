# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What a builder may want to change; each also works on make's command line.

VERSION = 0.1.0

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
DESTDIR ?=

# make's own defaults are "cc" and "g++"; anything the user said stays.
ifeq ($(origin CC),default)
CC = gcc
endif
ifeq ($(origin CXX),default)
CXX = g++
endif
ifeq ($(origin AR),default)
AR = ar
endif
CLANG ?= clang
NM ?= nm
LD_RELOCATABLE ?= $(CC) -nostdlib -r
PKG_CONFIG ?= pkg-config
PYTHON ?= python3
INSTALL ?= install

# The optimisation and debugging flags; language and warning flags are the
# Makefile's and come in front.
CFLAGS ?= -O2 -g
LDFLAGS ?=

# 1: a warning is an error (.ci/run sets it)
WERROR ?= 0

# How long `make fuzz` runs each fuzz target.
FUZZ_SECONDS ?= 20

# A test program that takes longer than this many seconds has failed.
TEST_TIMEOUT ?= 900
