/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * account: what a VM has cost its owner in pages, by kind.
 *
 * The sums of a stack (pages.h) tell that no page got lost on its way through it.
 * They do not tell what a VM has: a page that is left over moves from a
 * reservation to the supply, which is two of the one and none of the other; and a
 * pair that one VM gave to the module may come back to another VM, whose use of
 * the region was the last. So the embedder charges where it allocates and
 * uncharges where it frees, and if the pages of a pair come back, it is the
 * account that they were charged to which is relieved: like the page's owner in a
 * memory cgroup, that is known by the page and not by who frees it.
 *
 * Invariants:
 *   A1  what is charged is what was charged less what was uncharged.
 *   A2  the highest charge is never below any charge that there was.
 */
#ifndef TLBTAG_ACCOUNT_H
#define TLBTAG_ACCOUNT_H

#include <tlbtag/supply.h>

TLBTAG_BEGIN_DECLS

/**
 * struct tlbtag_account - pages by kind; zeroed storage is a new account
 *
 * Any CPU changes it, by compare-exchange.
 */
struct tlbtag_account {
	uint32_t now[TLBTAG_KINDS];
	uint32_t max[TLBTAG_KINDS];
};

/**
 * tlbtag_account_charge() - pages were allocated for this VM
 * @account: the VM's
 * @kind: SEPT, PAMT or CONTROL
 * @count: how many
 *
 * Context: any.
 * Return: 0; -EINVAL (and a warning) if @kind is none of these, or there would be
 * 2^32 pages of it; nothing is charged then.
 */
int tlbtag_account_charge(struct tlbtag_account *account, enum tlbtag_page_kind kind,
			  uint32_t count);

/**
 * tlbtag_account_uncharge() - pages that were charged here were freed
 * @account: the one that they were charged to
 * @kind: as then
 * @count: how many
 *
 * Context: any.
 * Return: 0; -EINVAL (and a warning) if so many are not charged; nothing has
 * changed then.
 */
int tlbtag_account_uncharge(struct tlbtag_account *account, enum tlbtag_page_kind kind,
			    uint32_t count);

TLBTAG_END_DECLS

#endif
