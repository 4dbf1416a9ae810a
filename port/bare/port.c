/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The bare port's one function. There is nowhere to print to, so the last
 * warning is kept where a debugger or the embedder finds it. An embedder with
 * a console writes its own tlbtag_port_warn() and leaves this file out.
 */
#include <tlbtag_port.h>

extern const char *tlbtag_bare_last_warning;

const char *tlbtag_bare_last_warning;

void tlbtag_port_warn(const char *what)
{
	tlbtag_store_relaxed(&tlbtag_bare_last_warning, what);
}
