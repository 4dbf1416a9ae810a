// SPDX-License-Identifier: GPL-2.0-only
/*
 * svm_host: the pool of ASIDs, the CPUs, and the guests.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kvm_host.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <asm/cpufeature.h>
#if __has_include(<asm/cpuid/api.h>)
#include <asm/cpuid/api.h>
#endif

#include <kvm_tags_version.h>

#include "svm/svm.h"
#include "svm_test.h"
#include "kvm_tags.h"

MODULE_VERSION(KVM_TAGS_VERSION);

static uint l2_contexts = TLBTAG_L2_DEFAULT;
module_param(l2_contexts, uint, 0444);
MODULE_PARM_DESC(l2_contexts, "ASIDs for the L2 guests of a vCPU, 1 to 8");

bool svm_tags_stock_flush __ro_after_init;
module_param_named(stock_flush, svm_tags_stock_flush, bool, 0444);
MODULE_PARM_DESC(stock_flush, "flush and sync at every nested transition, as KVM without tlbtag");

static uint tag_limit;
module_param(tag_limit, uint, 0444);
MODULE_PARM_DESC(tag_limit, "use at most that many ASIDs, for tests; 0 is all");

static struct tlbtag_host host;
static struct tlbtag_pool pool;
static u64 *pool_words;

/* Raw, since it is taken where the scheduler puts a vCPU on a CPU. */
static DEFINE_RAW_SPINLOCK(pool_lock);

static const struct kvm_tags_ops tags_ops = {
	.root_used = svm_tags_root_used,
	.root_synced = svm_tags_root_synced,
	.pv_flush = svm_tags_flush_pv,
	.stats = &svm_tags_stats,
};

void svm_tags_lock(void)
{
	raw_spin_lock(&pool_lock);
}

void svm_tags_unlock(void)
{
	raw_spin_unlock(&pool_lock);
}

unsigned int svm_tags_l2_contexts(void)
{
	return svm_tags_stock_flush ? 1 : clamp(l2_contexts, 1u, TLBTAG_L2_MAX);
}

struct tlbtag_pool *svm_tags_pool(void)
{
	return &pool;
}

unsigned int svm_tags_free(void)
{
	unsigned int nr;

	svm_tags_lock();
	nr = tlbtag_pool_plain_free(&pool);
	svm_tags_unlock();
	return nr;
}

static int pool_create(unsigned int nr)
{
	unsigned int words = tlbtag_pool_words(nr);

	pool_words = svm_test_fails() ? NULL : kvcalloc(words, sizeof(*pool_words), GFP_KERNEL);
	if (!pool_words)
		return -ENOMEM;
	return tlbtag_pool_init(&pool, 1, nr, pool_words, words);
}

/* The ASIDs above the encrypted guests' are plain (SPEC A.3). */
static int pool_setup(unsigned int nr_asids)
{
	struct tlbtag_range plain = { .first = max_sev_asid + 1 };
	unsigned int nr;
	int r;

	nr_asids = min(nr_asids, TLBTAG_POOL_MAX + 1);
	if (plain.first >= nr_asids) {
		pr_err("no ASIDs: %u, of which %u are for SEV\n", nr_asids, max_sev_asid);
		return -EOPNOTSUPP;
	}
	nr = nr_asids - plain.first;
	if (tag_limit)
		nr = min(nr, tag_limit);
	plain.last = max_sev_asid + nr;
	r = pool_create(plain.last);
	return r ? r : tlbtag_pool_set_class(&pool, TLBTAG_PLAIN, &plain);
}

static int host_setup(unsigned int nr_asids)
{
	const struct tlbtag_hw hw = {
		.vendor = TLBTAG_AMD,
		.nr_tags = nr_asids,
		.nr_cpus = nr_cpu_ids,
		.flush_by_tag = boot_cpu_has(X86_FEATURE_FLUSHBYASID),
		.tag_covers_guest_physical = true,
		.nested_paging = npt_enabled,
		/* Errata of several generations (KVM.md 8). */
		.invlpga_unreliable = npt_enabled,
	};
	struct tlbtag_host_cpu *cpu;
	int r;

	cpu = svm_test_fails() ? NULL : kcalloc(nr_cpu_ids, sizeof(*cpu), GFP_KERNEL);
	if (!cpu)
		return -ENOMEM;
	r = tlbtag_host_init(&host, &hw, &pool, cpu);
	if (r)
		kfree(cpu);
	return r;
}

static int setup(void)
{
	unsigned int nr_asids = cpuid_ebx(SVM_CPUID_FUNC);
	int r = pool_setup(nr_asids);

	if (!r)
		r = host_setup(nr_asids);
	if (r)
		svm_tags_unsetup();
	return r;
}

noinline int svm_tags_setup(void)
{
	int r = svm_test_setup(setup);

	if (r)
		return r;
	kvm_tags_register(&tags_ops);
	pr_info("TLB tags %u to %u, %u for the L2 guests of a vCPU%s\n",
		pool.range[TLBTAG_PLAIN].first, pool.range[TLBTAG_PLAIN].last,
		svm_tags_l2_contexts(), svm_tags_stock_flush ? ", stock flushing" : "");
	return 0;
}

/* Also after a set-up that failed, or never took place. */
noinline void svm_tags_unsetup(void)
{
	unsigned int leaked;

	kvm_tags_register(NULL);
	leaked = tlbtag_pool_destroy(&pool);
	if (leaked)
		pr_err("%u TLB tags were never given back\n", leaked);
	if (svm_sev_keys())
		pr_err("%u owner records were never given back\n", svm_sev_keys());
	kfree(host.cpu);
	host.cpu = NULL;
	kvfree(pool_words);
	pool_words = NULL;
}

/* SVM is switched on: at load, after hotplug, after suspend (KVM.md 4.9). */
noinline void svm_tags_cpu_online(void)
{
	tlbtag_host_cpu_online(&host, (struct tlbtag_cpu){ .nr = raw_smp_processor_id() });
}

noinline void svm_tags_vm_create(struct kvm *kvm)
{
	tlbtag_vm_init(&to_kvm_svm(kvm)->tags.vm, &host);
}

/* After KVM has given an encrypted guest's ASID back. */
noinline void svm_tags_vm_destroy(struct kvm *kvm)
{
	struct svm_tags_vm *vm = &to_kvm_svm(kvm)->tags;

	svm_sev_destroy(vm);
	svm_tags_lock();
	tlbtag_vm_destroy(&vm->vm);
	svm_tags_unlock();
}
