/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * tlbtag: which TLB tag a guest context gets, and what must be flushed when.
 *
 * Everything, in the order in which to read it.
 */
#ifndef TLBTAG_TLBTAG_H
#define TLBTAG_TLBTAG_H

#include <tlbtag/types.h>
#include <tlbtag/rules.h>
#include <tlbtag/plan.h>
#include <tlbtag/hw.h>
#include <tlbtag/pool.h>
#include <tlbtag/owner.h>
#include <tlbtag/ctx.h>
#include <tlbtag/host.h>
#include <tlbtag/vm.h>
#include <tlbtag/vcpu.h>
#include <tlbtag/nested.h>
#include <tlbtag/svm.h>
#include <tlbtag/vmx.h>
#include <tlbtag/pamt.h>
#include <tlbtag/pages.h>
#include <tlbtag/control.h>
#include <tlbtag/supply.h>
#include <tlbtag/account.h>
#include <tlbtag/sept.h>
#include <tlbtag/large.h>
#include <tlbtag/convert.h>
#include <tlbtag/sweep.h>

#endif
