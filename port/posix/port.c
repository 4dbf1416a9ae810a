/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The posix port's one function: a warning is a line on stderr. A program that
 * logs elsewhere defines tlbtag_port_warn() itself; the linker then leaves
 * this object in the archive.
 */
#include <tlbtag_port.h>

#include <stdio.h>

void tlbtag_port_warn(const char *what)
{
	fprintf(stderr, "tlbtag: warning: %s\n", what);
}
