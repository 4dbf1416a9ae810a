// SPDX-License-Identifier: GPL-2.0-only
/*
 * svm_test: in debug builds, what encrypted guests do, without such hardware.
 *
 * With selftest=1 the module sets its lowest ASIDs aside as if they were for SEV
 * and SEV-ES, and plays guests that use them: their structures are real, and so are
 * KVM's functions that give them ASIDs, prepare VMRUN, move them, and end them.
 * What is not there is the firmware, whose flush is replaced, and VMRUN, of which
 * the test looks at what the VMCB would have carried. CPUs are numbers.
 *
 * It runs while the module is loaded, before there are other guests. Each step
 * that may fail does so once (svm_test_fails()).
 */
#ifdef TLBTAG_LINUX_RULES
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/gfp.h>
#include <linux/kvm_host.h>
#include <linux/misc_cgroup.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "svm/svm.h"
#include "svm_entry.h"
#include "svm_test.h"

#ifdef CONFIG_KVM_AMD_SEV
static bool selftest;
module_param(selftest, bool, 0444);
MODULE_PARM_DESC(selftest, "test the handling of encrypted guests' ASIDs while loading");

/* ASIDs 1 to 3 for SEV-ES and SNP, 4 to 6 for SEV, as firmware would say it. */
#define SEV_FIRST 4
#define SEV_LAST 6
#define ES_FIRST 1
#define PER_CLASS 3
#define VCPUS 4

static struct {
	/* Steps of a run that may fail; which one does, counted from 0, or -1 */
	int step;
	int fail_at;
	/* Numbers of a key, or 0 for as many as there are outside of tests */
	unsigned int members;
	/* Is the firmware there, how often was it asked, and what does it say? */
	bool has_firmware;
	unsigned int flushes;
	int flush_answer;
	/* What did not hold in this test */
	unsigned int bad;
} test = { .fail_at = -1 };

#define CHECK(condition) check((condition), #condition, __func__, __LINE__)

static void check(bool holds, const char *what, const char *where, int line)
{
	if (holds)
		return;
	test.bad++;
	pr_err("self-test: %s:%d: not so: %s\n", where, line, what);
}

bool svm_test_fails(void)
{
	return test.fail_at >= 0 && test.step++ == test.fail_at;
}

static void fail_at(int step)
{
	test.step = 0;
	test.fail_at = step;
}

/* Was the step reached that was to fail? No more are to. */
static bool has_failed(void)
{
	bool failed = test.fail_at >= 0 && test.step > test.fail_at;

	test.fail_at = -1;
	return failed;
}

unsigned int svm_test_members(unsigned int members)
{
	return test.members ? test.members : members;
}

/* How many ASIDs the cgroup has to answer for */
static s64 charged(enum misc_res_type type)
{
	struct misc_cg *group = get_current_misc_cg();
	s64 usage = atomic64_read(&group->res[type].usage);

	put_misc_cg(group);
	return usage;
}

static int firmware(unsigned int min_asid, unsigned int max_asid)
{
	test.flushes++;
	return svm_test_fails() ? -EIO : test.flush_answer;
}

svm_test_flush_t svm_test_flush(svm_test_flush_t flush)
{
	return test.has_firmware ? firmware : flush;
}

/* --- guests --- */

static struct kvm *guest_new(void)
{
	struct kvm_svm *svm = kvzalloc(sizeof(*svm), GFP_KERNEL);

	if (!svm)
		return NULL;
	mutex_init(&svm->kvm.lock);
	xa_init(&svm->kvm.vcpu_array);
	refcount_set(&svm->kvm.users_count, 1);
	INIT_LIST_HEAD(&svm->sev_info.regions_list);
	INIT_LIST_HEAD(&svm->sev_info.mirror_vms);
	svm_tags_vm_create(&svm->kvm);
	if (svm_test_guest(&svm->sev_info)) {
		kvfree(svm);
		return NULL;
	}
	return &svm->kvm;
}

static void vcpu_free(struct vcpu_svm *svm)
{
	free_page((unsigned long)svm->vmcb01.ptr);
	kvfree(svm);
}

static struct vcpu_svm *vcpu_new(struct kvm *kvm)
{
	unsigned int nr = atomic_read(&kvm->online_vcpus);
	struct vcpu_svm *svm = kvzalloc(sizeof(*svm), GFP_KERNEL);

	if (!svm)
		return NULL;
	svm->vmcb01.ptr = (struct vmcb *)get_zeroed_page(GFP_KERNEL);
	if (!svm->vmcb01.ptr || xa_err(xa_store(&kvm->vcpu_array, nr, &svm->vcpu, GFP_KERNEL))) {
		vcpu_free(svm);
		return NULL;
	}
	svm->vcpu.kvm = kvm;
	svm->vcpu.vcpu_id = nr;
	svm->vcpu.arch.last_vmentry_cpu = -1;
	svm->vmcb = svm->vmcb01.ptr;
	svm->current_vmcb = &svm->vmcb01;
	svm_tags_vcpu_create(svm);
	svm_tags_reset(svm);
	kvm->created_vcpus++;
	atomic_inc(&kvm->online_vcpus);
	return svm;
}

static void vcpus_end(struct kvm *kvm)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;

	kvm_for_each_vcpu(i, vcpu, kvm) {
		svm_tags_nested_disable(to_svm(vcpu));
		svm_tags_vcpu_free(to_svm(vcpu));
		vcpu_free(to_svm(vcpu));
	}
	xa_destroy(&kvm->vcpu_array);
	atomic_set(&kvm->online_vcpus, 0);
	kvm->created_vcpus = 0;
}

/* In KVM's order. */
static void guest_end(struct kvm *kvm)
{
	if (!kvm)
		return;
	vcpus_end(kvm);
	sev_vm_destroy(kvm);
	svm_tags_vm_destroy(kvm);
	CHECK(refcount_read(&kvm->users_count) == 1);
	kvfree(to_kvm_svm(kvm));
}

/* As KVM_SEV_INIT2 does it, but for the firmware. */
static int guest_encrypt(struct kvm *kvm, enum tlbtag_class which)
{
	struct kvm_sev_info *sev = to_kvm_sev_info(kvm);
	int r;

	sev->active = true;
	sev->es_active = which != TLBTAG_SEV;
	sev->vmsa_features = which == TLBTAG_SNP ? SVM_SEV_FEAT_SNP_ACTIVE : 0;
	r = svm_test_asid_new(sev);
	if (r) {
		sev->active = false;
		sev->es_active = false;
		sev->vmsa_features = 0;
	}
	return r;
}

/* NULL: it could not be encrypted, or there is no memory; *r says which. */
static struct kvm *guest_new_encrypted(enum tlbtag_class which, int *r)
{
	struct kvm *kvm = guest_new();

	*r = kvm ? guest_encrypt(kvm, which) : -ENOMEM;
	if (*r) {
		guest_end(kvm);
		return NULL;
	}
	return kvm;
}

static unsigned int asid_of(struct kvm *kvm)
{
	return kvm ? to_kvm_sev_info(kvm)->asid : 0;
}

/*
 * As KVM_CAP_VM_COPY_ENC_CONTEXT_FROM does it, to a VM that has a record already:
 * an attempt to encrypt it may have failed after that.
 */
static struct kvm *guest_new_mirror(struct kvm *source)
{
	struct kvm *kvm = guest_new();

	if (!kvm)
		return NULL;
	svm_tags_sev_reserve(to_kvm_sev_info(kvm));
	kvm_get_kvm(source);
	list_add_tail(&to_kvm_sev_info(kvm)->mirror_entry, &to_kvm_sev_info(source)->mirror_vms);
	to_kvm_sev_info(kvm)->enc_context_owner = source;
	to_kvm_sev_info(kvm)->active = true;
	svm_tags_sev_mirror(kvm, source);
	to_kvm_sev_info(kvm)->asid = asid_of(source);
	return kvm;
}

/* --- entries --- */

/* What VMRUN carries; no entry is taken yet. */
static u8 prepare(struct vcpu_svm *svm, int cpu)
{
	svm->vcpu.cpu = cpu;
	svm_tags_prepare(&svm->vcpu);
	if (to_kvm_sev_info(svm->vcpu.kvm)->active) {
		CHECK(svm->vmcb->control.asid == asid_of(svm->vcpu.kvm));
		CHECK(!svm_test_run(svm, cpu));
	}
	return svm->vmcb->control.tlb_ctl;
}

static void end_entry(struct vcpu_svm *svm, u64 exit_code)
{
	svm->vmcb->control.exit_code = exit_code;
	svm_tags_complete(svm);
	svm->vcpu.arch.last_vmentry_cpu = svm->vcpu.cpu;
	vmcb_mark_all_clean(svm->vmcb);
}

/* An entry: does it flush? */
static bool flushes(struct vcpu_svm *svm, int cpu)
{
	u8 flush = boot_cpu_has(X86_FEATURE_FLUSHBYASID) ? TLB_CONTROL_FLUSH_ASID :
							   TLB_CONTROL_FLUSH_ALL_ASID;
	u8 carried = prepare(svm, cpu);

	CHECK(carried == flush || carried == TLB_CONTROL_DO_NOTHING);
	end_entry(svm, SVM_EXIT_HLT);
	CHECK(svm->vmcb->control.tlb_ctl == TLB_CONTROL_DO_NOTHING);
	return carried != TLB_CONTROL_DO_NOTHING;
}

static enum tlbtag_state state_of(unsigned int asid)
{
	enum tlbtag_state state;

	svm_tags_lock();
	state = tlbtag_pool_state(svm_tags_pool(), asid);
	svm_tags_unlock();
	return state;
}

/* Makes all that is dirty free, so that each test begins alike. */
static void clean_all(void)
{
	test.flush_answer = 0;
	svm_tags_sev_recycle(1, SEV_LAST, firmware);
	test.flushes = 0;
}

/* --- ASIDs --- */

/* All of a class; how many */
static int fill(enum tlbtag_class which, struct kvm **guests)
{
	int count = 0;
	int r;

	while (count < PER_CLASS) {
		guests[count] = guest_new_encrypted(which, &r);
		if (!guests[count])
			break;
		count++;
	}
	return count;
}

static void end_all(struct kvm **guests, int count)
{
	while (count)
		guest_end(guests[--count]);
}

static void test_asid_is_of_its_class(void)
{
	struct kvm *guest[3];
	int r;

	guest[0] = guest_new_encrypted(TLBTAG_SEV, &r);
	CHECK(!r && asid_of(guest[0]) == SEV_FIRST);
	guest[1] = guest_new_encrypted(TLBTAG_SEV_ES, &r);
	CHECK(!r && asid_of(guest[1]) == ES_FIRST);
	guest[2] = guest_new_encrypted(TLBTAG_SNP, &r);
	CHECK(!r && asid_of(guest[2]) == ES_FIRST + 1);
	CHECK(charged(MISC_CG_RES_SEV) == 1);
	CHECK(charged(MISC_CG_RES_SEV_ES) == 2);
	end_all(guest, 3);
	CHECK(state_of(SEV_FIRST) == TLBTAG_DIRTY);
	CHECK(state_of(ES_FIRST) == TLBTAG_DIRTY);
}

/* Firmware that gives SEV no ASIDs says so by a range that ends before it begins. */
static void test_class_without_asids_is_not_supported(void)
{
	struct kvm *guest;
	int r;

	svm_test_set_range(SEV_LAST + 1, SEV_LAST);
	guest = guest_new_encrypted(TLBTAG_SEV, &r);
	CHECK(!guest && r == -ENOTTY);
	svm_test_set_range(SEV_FIRST, SEV_LAST);
}

static void test_exhaustion_is_of_one_class_and_leaves_nothing(void)
{
	struct kvm *guests[PER_CLASS];
	struct kvm *other;
	int r;

	CHECK(fill(TLBTAG_SEV, guests) == PER_CLASS);
	other = guest_new_encrypted(TLBTAG_SEV, &r);
	CHECK(!other && r == -EBUSY);
	CHECK(charged(MISC_CG_RES_SEV) == PER_CLASS);
	other = guest_new_encrypted(TLBTAG_SEV_ES, &r);
	CHECK(asid_of(other) == ES_FIRST);
	guest_end(other);
	/* There was nothing to gain by a flush. */
	CHECK(test.flushes == 0);
	end_all(guests, PER_CLASS);
}

static void test_used_asid_waits_for_the_flush(void)
{
	struct kvm *guests[PER_CLASS];
	unsigned int used;
	int r;

	CHECK(fill(TLBTAG_SEV, guests) == PER_CLASS);
	used = asid_of(guests[1]);
	guest_end(guests[1]);
	CHECK(state_of(used) == TLBTAG_DIRTY);

	test.flush_answer = -EIO;
	guests[1] = guest_new_encrypted(TLBTAG_SEV, &r);
	CHECK(!guests[1] && r == -EBUSY && test.flushes == 1);
	CHECK(state_of(used) == TLBTAG_DIRTY);

	test.flush_answer = 0;
	guests[1] = guest_new_encrypted(TLBTAG_SEV, &r);
	CHECK(asid_of(guests[1]) == used && test.flushes == 2);
	guest_end(guests[1]);
	guests[1] = guests[2];
	end_all(guests, 2);
}

/* Without firmware KVM's own flush fails, as it does here. */
static void test_flush_is_kvms_own(void)
{
	struct kvm *guests[PER_CLASS];
	struct kvm *guest;
	int r;

	CHECK(fill(TLBTAG_SEV, guests) == PER_CLASS);
	guest_end(guests[PER_CLASS - 1]);
	test.has_firmware = false;
	guest = guest_new_encrypted(TLBTAG_SEV, &r);
	test.has_firmware = true;
	CHECK(!guest && r == -EBUSY && test.flushes == 0);
	end_all(guests, PER_CLASS - 1);
}

static void test_one_flush_serves_all_classes_but_for_its_own_sake(void)
{
	struct kvm *es[PER_CLASS];
	struct kvm *sev[PER_CLASS];
	struct kvm *guest;
	int r;

	CHECK(fill(TLBTAG_SEV_ES, es) == PER_CLASS);
	CHECK(fill(TLBTAG_SEV, sev) == PER_CLASS);
	guest_end(es[PER_CLASS - 1]);
	guest = guest_new_encrypted(TLBTAG_SEV, &r);
	CHECK(!guest && r == -EBUSY && test.flushes == 0);

	guest_end(sev[PER_CLASS - 1]);
	sev[PER_CLASS - 1] = guest_new_encrypted(TLBTAG_SEV, &r);
	CHECK(!r && test.flushes == 1);
	es[PER_CLASS - 1] = guest_new_encrypted(TLBTAG_SNP, &r);
	CHECK(!r && test.flushes == 1);
	end_all(sev, PER_CLASS);
	end_all(es, PER_CLASS);
}

static void test_charge_that_is_refused_takes_nothing(void)
{
	struct kvm *first, *second;
	int r;

	misc_cg_set_capacity(MISC_CG_RES_SEV, 1);
	first = guest_new_encrypted(TLBTAG_SEV, &r);
	second = guest_new_encrypted(TLBTAG_SEV, &r);
	CHECK(first && !second && r == -EBUSY);
	CHECK(state_of(SEV_FIRST + 1) == TLBTAG_FREE);
	misc_cg_set_capacity(MISC_CG_RES_SEV, PER_CLASS);
	guest_end(first);
}

/* SNP: the firmware may not let go of a guest; KVM does not free the ASID then. */
static void test_asid_that_firmware_keeps_is_not_used_again(void)
{
	struct kvm *guest;
	unsigned int kept;
	int r;

	guest = guest_new_encrypted(TLBTAG_SNP, &r);
	kept = asid_of(guest);
	if (!guest)
		return;
	misc_cg_uncharge(MISC_CG_RES_SEV_ES, to_kvm_sev_info(guest)->misc_cg, 1);
	put_misc_cg(to_kvm_sev_info(guest)->misc_cg);
	to_kvm_sev_info(guest)->active = false;
	guest_end(guest);
	CHECK(state_of(kept) == TLBTAG_USED);
	clean_all();
	CHECK(state_of(kept) == TLBTAG_USED);
	/* Or else it would be reported when the module goes. */
	svm_tags_lock();
	tlbtag_pool_free(svm_tags_pool(), kept);
	svm_tags_unlock();
}

/* --- who flushes --- */

/* An encrypted guest with so many vCPUs */
static struct kvm *guest_with(struct vcpu_svm **vcpus, int count)
{
	struct kvm *kvm;
	int r;

	kvm = guest_new_encrypted(TLBTAG_SEV, &r);
	CHECK(kvm);
	while (kvm && count) {
		*vcpus = vcpu_new(kvm);
		CHECK(*vcpus);
		if (!*vcpus) {
			guest_end(kvm);
			return NULL;
		}
		vcpus++;
		count--;
	}
	return kvm;
}

static void test_vcpus_that_alternate_flush(void)
{
	struct vcpu_svm *vcpu[2];
	struct kvm *kvm = guest_with(vcpu, 2);

	if (!kvm)
		return;
	CHECK(flushes(vcpu[0], 0));
	CHECK(!flushes(vcpu[0], 0));
	CHECK(flushes(vcpu[1], 0));
	CHECK(flushes(vcpu[0], 0));
	CHECK(!flushes(vcpu[0], 0));
	CHECK(flushes(vcpu[1], 1));
	CHECK(!flushes(vcpu[0], 0));
	CHECK(!flushes(vcpu[1], 1));
	guest_end(kvm);
}

static void test_vcpu_that_moves_flushes_there_and_back(void)
{
	struct vcpu_svm *vcpu[1];
	struct kvm *kvm = guest_with(vcpu, 1);

	if (!kvm)
		return;
	CHECK(flushes(vcpu[0], 0));
	CHECK(flushes(vcpu[0], 1));
	CHECK(!flushes(vcpu[0], 1));
	CHECK(flushes(vcpu[0], 0));
	CHECK(!flushes(vcpu[0], 0));
	guest_end(kvm);
}

static void test_entry_that_fails_leaves_the_flush(void)
{
	struct vcpu_svm *vcpu[2];
	struct kvm *kvm = guest_with(vcpu, 2);

	if (!kvm)
		return;
	CHECK(flushes(vcpu[0], 0));
	CHECK(prepare(vcpu[1], 0) != TLB_CONTROL_DO_NOTHING);
	end_entry(vcpu[1], SVM_EXIT_ERR);
	/* It did not run, so it took nothing over. */
	CHECK(!flushes(vcpu[0], 0));
	CHECK(flushes(vcpu[1], 0));
	/* A request that is pending stays, too. */
	svm_tags_flush_all(&vcpu[1]->vcpu);
	CHECK(prepare(vcpu[1], 0) != TLB_CONTROL_DO_NOTHING);
	end_entry(vcpu[1], SVM_EXIT_ERR);
	CHECK(flushes(vcpu[1], 0));
	guest_end(kvm);
}

static void test_cpu_that_was_off_is_flushed(void)
{
	struct vcpu_svm *vcpu[1];
	struct kvm *kvm = guest_with(vcpu, 1);
	int here;

	if (!kvm)
		return;
	here = get_cpu();
	CHECK(flushes(vcpu[0], here));
	CHECK(!flushes(vcpu[0], here));
	svm_tags_cpu_online();
	CHECK(flushes(vcpu[0], here));
	put_cpu();
	guest_end(kvm);
}

/* A new guest, with the ASID of one that ran here last. */
static void test_used_asid_is_flushed_by_its_next_guest(void)
{
	struct vcpu_svm *vcpu[1];
	struct kvm *kvm = guest_with(vcpu, 1);
	unsigned int asid = asid_of(kvm);

	if (!kvm)
		return;
	CHECK(flushes(vcpu[0], 0));
	CHECK(!flushes(vcpu[0], 0));
	guest_end(kvm);
	clean_all();
	kvm = guest_with(vcpu, 1);
	CHECK(asid_of(kvm) == asid);
	if (!kvm)
		return;
	/* Not for the reset, or for anything else that is pending. */
	vcpu[0]->tags.vcpu.l1.why = TLBTAG_WHY_NOTHING;
	CHECK(flushes(vcpu[0], 0));
	guest_end(kvm);
}

/* A vCPU that has a dead one's number */
static void test_number_of_a_dead_vcpu_is_nobodys(void)
{
	struct vcpu_svm *vcpu[2];
	struct kvm *kvm = guest_with(vcpu, 1);

	if (!kvm)
		return;
	CHECK(flushes(vcpu[0], 0));
	CHECK(!flushes(vcpu[0], 0));
	vcpus_end(kvm);
	vcpu[0] = vcpu_new(kvm);
	CHECK(vcpu[0] && vcpu[0]->tags.vcpu.id == 1);
	if (vcpu[0]) {
		vcpu[0]->tags.vcpu.l1.why = TLBTAG_WHY_NOTHING;
		CHECK(flushes(vcpu[0], 0));
		CHECK(!flushes(vcpu[0], 0));
	}
	guest_end(kvm);
}

/* Under another ASID L2 would be decrypted with another key. */
static void test_l2_has_the_key_and_levels_that_alternate_flush(void)
{
	struct tlbtag_vmcb12 vmcb12 = { .asid = 1, .nested_paging = true };
	struct vcpu_svm *vcpu[1];
	struct kvm *kvm = guest_with(vcpu, 1);
	u32 work;

	if (!kvm)
		return;
	svm_tags_nested_enable(vcpu[0]);
	CHECK(flushes(vcpu[0], 0));
	CHECK(!tlbtag_nested_enter(&vcpu[0]->tags.vcpu, &vmcb12, &work));
	CHECK(flushes(vcpu[0], 0));
	CHECK(!flushes(vcpu[0], 0));
	tlbtag_nested_exit(&vcpu[0]->tags.vcpu);
	CHECK(flushes(vcpu[0], 0));
	CHECK(!tlbtag_nested_enter(&vcpu[0]->tags.vcpu, &vmcb12, &work));
	CHECK(flushes(vcpu[0], 0));
	tlbtag_nested_exit(&vcpu[0]->tags.vcpu);
	guest_end(kvm);
}

/* Two numbers, four vCPUs: two of them are the crowd. */
static void test_vcpus_without_a_number_always_flush(void)
{
	struct vcpu_svm *vcpu[VCPUS];
	struct kvm *kvm;

	test.members = 3;
	kvm = guest_with(vcpu, VCPUS);
	test.members = 0;
	if (!kvm)
		return;
	CHECK(flushes(vcpu[0], 0));
	CHECK(!flushes(vcpu[0], 0));
	CHECK(flushes(vcpu[2], 0));
	CHECK(flushes(vcpu[2], 0));
	CHECK(flushes(vcpu[3], 1));
	CHECK(flushes(vcpu[0], 0));
	CHECK(flushes(vcpu[3], 0));
	CHECK(flushes(vcpu[2], 1));
	CHECK(flushes(vcpu[0], 0));
	CHECK(!flushes(vcpu[0], 0));
	CHECK(flushes(vcpu[1], 1));
	CHECK(!flushes(vcpu[1], 1));
	guest_end(kvm);
}

/* --- several VMs with one ASID --- */

static void test_mirror_and_source_that_alternate_flush(void)
{
	struct vcpu_svm *vcpu[2];
	struct kvm *kvm = guest_with(vcpu, 1);
	unsigned int asid = asid_of(kvm);
	struct kvm *mirror;

	if (!kvm)
		return;
	mirror = guest_new_mirror(kvm);
	vcpu[1] = mirror ? vcpu_new(mirror) : NULL;
	CHECK(vcpu[1]);
	if (vcpu[1]) {
		CHECK(flushes(vcpu[0], 0));
		CHECK(flushes(vcpu[1], 0));
		CHECK(flushes(vcpu[0], 0));
		CHECK(!flushes(vcpu[0], 0));
		CHECK(flushes(vcpu[1], 1));
		CHECK(!flushes(vcpu[0], 0));
	}
	guest_end(mirror);
	CHECK(state_of(asid) == TLBTAG_USED);
	CHECK(!vcpu[1] || !flushes(vcpu[0], 0));
	guest_end(kvm);
	CHECK(state_of(asid) == TLBTAG_DIRTY);
}

static void ends_of_a_move(struct kvm *source, struct kvm *target, unsigned int asid,
			   unsigned int plain)
{
	guest_end(source);
	CHECK(state_of(asid) == TLBTAG_USED);
	guest_end(target);
	CHECK(state_of(asid) == TLBTAG_DIRTY);
	CHECK(svm_tags_free() == plain);
}

/* KVM.md 4.6: the target has vCPUs already, and they have plain tags. */
static void test_move_takes_the_asid_and_gives_plain_tags_back(void)
{
	unsigned int plain = svm_tags_free();
	struct vcpu_svm *from[1], *to[2];
	struct kvm *source = guest_with(from, 1);
	struct kvm *target = guest_new();
	unsigned int asid = asid_of(source);

	to[0] = target ? vcpu_new(target) : NULL;
	to[1] = target ? vcpu_new(target) : NULL;
	CHECK(source && to[0] && to[1]);
	if (!source || !to[0] || !to[1]) {
		guest_end(source);
		guest_end(target);
		return;
	}
	CHECK(svm_tags_free() == plain - 2);
	CHECK(!svm_tags_sev_reserve(to_kvm_sev_info(target)));
	CHECK(flushes(from[0], 0));
	CHECK(flushes(to[0], 0));
	to_kvm_sev_info(target)->misc_cg = get_current_misc_cg();
	svm_test_move(target, source);
	put_misc_cg(to_kvm_sev_info(source)->misc_cg);
	to_kvm_sev_info(source)->misc_cg = NULL;

	CHECK(asid_of(target) == asid && asid_of(source) == 0);
	CHECK(svm_tags_free() == plain - 1);
	/* The number of the source's vCPU is free again. */
	CHECK(to[0]->tags.vcpu.id == 1);
	to[0]->tags.vcpu.l1.why = TLBTAG_WHY_NOTHING;
	CHECK(flushes(to[0], 0));
	CHECK(!flushes(to[0], 0));
	CHECK(flushes(to[1], 0));
	CHECK(flushes(to[0], 0));
	/* It never runs again; if it did, not with ASID 0, and not with the key's. */
	CHECK(flushes(from[0], 0));
	CHECK(from[0]->vmcb->control.asid > SEV_LAST);
	ends_of_a_move(source, target, asid, plain);
}

static void test_mirrors_follow_a_move(void)
{
	unsigned int plain = svm_tags_free();
	struct vcpu_svm *from[1];
	struct kvm *source = guest_with(from, 1);
	struct kvm *target = guest_new();
	struct kvm *mirror = source ? guest_new_mirror(source) : NULL;
	unsigned int asid = asid_of(source);
	struct vcpu_svm *to, *third;

	to = target ? vcpu_new(target) : NULL;
	third = mirror ? vcpu_new(mirror) : NULL;
	CHECK(to && third);
	if (to && third) {
		to_kvm_sev_info(target)->misc_cg = get_current_misc_cg();
		svm_test_move(target, source);
		put_misc_cg(to_kvm_sev_info(source)->misc_cg);
		to_kvm_sev_info(source)->misc_cg = NULL;
		CHECK(flushes(to, 0));
		CHECK(flushes(third, 0));
		CHECK(flushes(to, 0));
		CHECK(!flushes(to, 0));
	}
	guest_end(mirror);
	ends_of_a_move(source, target, asid, plain);
}

/* --- every step that can fail --- */

/*
 * A full class, of which one ASID comes back, is flushed and used again; a mirror;
 * a move. Whatever fails, what was made is ended, and nothing must be left.
 */
static void life(void)
{
	struct kvm *guests[PER_CLASS + 1] = { NULL };
	struct kvm *mirror = NULL;
	struct kvm *target = guest_new();
	bool moved = false;
	int i, r = 0;

	for (i = 0; i < PER_CLASS && !r; i++)
		guests[i] = guest_new_encrypted(TLBTAG_SEV, &r);
	if (!r) {
		guest_end(guests[0]);
		guests[0] = guest_new_encrypted(TLBTAG_SEV, &r);
	}
	if (!r && target) {
		mirror = guest_new_mirror(guests[1]);
		to_kvm_sev_info(target)->misc_cg = get_current_misc_cg();
		svm_test_move(target, guests[1]);
		put_misc_cg(to_kvm_sev_info(guests[1])->misc_cg);
		to_kvm_sev_info(guests[1])->misc_cg = NULL;
		moved = true;
	}
	CHECK(!r || r == -ENOMEM || r == -EBUSY);
	CHECK(moved == (!r && target));
	guest_end(mirror);
	end_all(guests, PER_CLASS);
	guest_end(target);
}

/* Nothing is left of any guest. */
static void check_clean(unsigned int plain)
{
	unsigned int asid;

	CHECK(svm_tags_free() == plain);
	CHECK(svm_sev_keys() == 0);
	CHECK(charged(MISC_CG_RES_SEV) == 0);
	CHECK(charged(MISC_CG_RES_SEV_ES) == 0);
	for (asid = ES_FIRST; asid <= SEV_LAST; asid++)
		CHECK(state_of(asid) == TLBTAG_FREE || state_of(asid) == TLBTAG_DIRTY);
}

static void test_each_step_may_fail_and_nothing_is_left(void)
{
	unsigned int plain = svm_tags_free();
	bool failed;
	int step = 0;

	do {
		clean_all();
		fail_at(step++);
		life();
		failed = has_failed();
		check_clean(plain);
	} while (failed);
	/* Five records, five ASIDs (one is asked for twice), one flush */
	CHECK(step == 5 + 5 + 1 + 1);
}

#define TEST(name) { name, #name }
static const struct {
	void (*run)(void);
	const char *name;
} tests[] = {
	TEST(test_asid_is_of_its_class),
	TEST(test_class_without_asids_is_not_supported),
	TEST(test_exhaustion_is_of_one_class_and_leaves_nothing),
	TEST(test_used_asid_waits_for_the_flush),
	TEST(test_flush_is_kvms_own),
	TEST(test_one_flush_serves_all_classes_but_for_its_own_sake),
	TEST(test_charge_that_is_refused_takes_nothing),
	TEST(test_asid_that_firmware_keeps_is_not_used_again),
	TEST(test_vcpus_that_alternate_flush),
	TEST(test_vcpu_that_moves_flushes_there_and_back),
	TEST(test_entry_that_fails_leaves_the_flush),
	TEST(test_cpu_that_was_off_is_flushed),
	TEST(test_used_asid_is_flushed_by_its_next_guest),
	TEST(test_number_of_a_dead_vcpu_is_nobodys),
	TEST(test_l2_has_the_key_and_levels_that_alternate_flush),
	TEST(test_vcpus_without_a_number_always_flush),
	TEST(test_mirror_and_source_that_alternate_flush),
	TEST(test_move_takes_the_asid_and_gives_plain_tags_back),
	TEST(test_mirrors_follow_a_move),
	TEST(test_each_step_may_fail_and_nothing_is_left),
};

/* In a test, so that one that fails does not spoil the next. */
static bool run_one(int nr)
{
	unsigned int plain = svm_tags_free();

	test.bad = 0;
	clean_all();
	tests[nr].run();
	check_clean(plain);
	if (test.bad)
		pr_err("self-test: FAIL %s\n", tests[nr].name);
	return !test.bad;
}

/* Each allocation of the set-up fails once, and leaves nothing. */
static int setup_failing(svm_test_setup_t setup)
{
	int step = 0;
	int r;

	for (;;) {
		fail_at(step++);
		r = setup();
		if (!has_failed())
			return r;
		CHECK(r == -ENOMEM);
		CHECK(svm_tags_pool()->nr == 0);
	}
}

static void run_all(unsigned int passed, unsigned int failed)
{
	int i;

	test.has_firmware = true;
	misc_cg_set_capacity(MISC_CG_RES_SEV, PER_CLASS);
	misc_cg_set_capacity(MISC_CG_RES_SEV_ES, PER_CLASS);
	for (i = 0; i < ARRAY_SIZE(tests); i++) {
		bool good = run_one(i);

		passed += good;
		failed += !good;
	}
	misc_cg_set_capacity(MISC_CG_RES_SEV, 0);
	misc_cg_set_capacity(MISC_CG_RES_SEV_ES, 0);
	test.has_firmware = false;
	pr_info("tlbtag: self-test: %u passed, %u failed\n", passed, failed);
}

int svm_test_setup(svm_test_setup_t setup)
{
	int r;

	if (!selftest)
		return setup();
	if (max_sev_asid || nr_cpu_ids < 2) {
		pr_err("self-test: only where there is no SEV, with two CPUs\n");
		return -EOPNOTSUPP;
	}
	svm_test_set_range(SEV_FIRST, SEV_LAST);
	r = setup_failing(setup);
	if (!r)
		run_all(!test.bad, !!test.bad);
	return r;
}
#else
bool svm_test_fails(void)
{
	return false;
}

unsigned int svm_test_members(unsigned int members)
{
	return members;
}

svm_test_flush_t svm_test_flush(svm_test_flush_t flush)
{
	return flush;
}

int svm_test_setup(svm_test_setup_t setup)
{
	return setup();
}
#endif
#endif
