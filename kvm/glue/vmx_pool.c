// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmx_pool: who gets which VPID. 0 means "without", and is never an error.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bug.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/printk.h>
#include <linux/spinlock.h>

#include <kvm_tags_version.h>
#include <tlbtag/tlbtag.h>

#include "vmx_tags.h"

MODULE_VERSION(KVM_TAGS_VERSION);

/* Static, as KVM's bitmap was: set-up cannot fail and has no way back. */
static u64 pool_words[3 * 1024 + 64];
static struct tlbtag_pool pool;
static DEFINE_SPINLOCK(pool_lock);

noinline void vmx_tags_setup(void)
{
	WARN_ON_ONCE(tlbtag_pool_init(&pool, 1, TLBTAG_VPID_MAX, pool_words,
				      ARRAY_SIZE(pool_words)));
}

noinline void vmx_tags_unsetup(void)
{
	u32 leaked = tlbtag_pool_destroy(&pool);

	if (leaked)
		pr_err("%u VPIDs were never given back\n", leaked);
}

noinline int vmx_tags_alloc(void)
{
	int vpid;

	spin_lock(&pool_lock);
	vpid = tlbtag_pool_alloc(&pool, TLBTAG_PLAIN);
	spin_unlock(&pool_lock);
	return vpid;
}

noinline void vmx_tags_free(int vpid)
{
	spin_lock(&pool_lock);
	tlbtag_pool_free(&pool, vpid);
	spin_unlock(&pool_lock);
}
