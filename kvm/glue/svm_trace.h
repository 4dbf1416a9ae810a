/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * svm_trace: tracepoints, with all that an auditor needs and no offsets.
 *
 * Their fields have the names and the spelling of the rig's probes where these
 * have them. Sets and targets are printed as numbers, for programs, and in words.
 * level is 1 or 2; context is the number of the L2 context, 0 for L1.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM tlbtag

#if !defined(SVM_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define SVM_TRACE_H

#include <linux/kvm_host.h>
#include <linux/tracepoint.h>

#include <tlbtag/plan.h>

/* Readers of trace.dat know no C names. */
#define svm_trace_enum(id, name, meaning) TRACE_DEFINE_ENUM(TLBTAG_WHY_##id);
TLBTAG_WHYS(svm_trace_enum)
TRACE_DEFINE_ENUM(TLBTAG_TARGET_ACTIVE);
TRACE_DEFINE_ENUM(TLBTAG_TARGET_L1);
TRACE_DEFINE_ENUM(TLBTAG_TARGET_L2);
TRACE_DEFINE_ENUM(TLBTAG_TARGET_BOTH);

#define svm_trace_why(id, name, meaning) { TLBTAG_WHY_##id, name },
#define svm_trace_show_why(why) \
	__print_flags(why, "|", TLBTAG_WHYS(svm_trace_why) { 0, NULL })

/* An entry is about to happen; why is 0 if and only if nothing is flushed. */
TRACE_EVENT(enter,
	TP_PROTO(struct vcpu_svm *svm, u32 why),
	TP_ARGS(svm, why),
	TP_STRUCT__entry(
		__field(u64, kvm)
		__field(u64, vmcb)
		__field(u64, ncr3)
		__field(u32, vcpu_id)
		__field(u32, pcpu)
		__field(u32, level)
		__field(u32, context)
		__field(u32, asid)
		__field(u32, tlb_ctl)
		__field(u32, clean)
		__field(u32, why)
	),
	TP_fast_assign(
		__entry->kvm = (u64)svm->vcpu.kvm;
		__entry->vmcb = (u64)svm->vmcb;
		__entry->ncr3 = svm->vmcb->control.nested_cr3;
		__entry->vcpu_id = svm->vcpu.vcpu_id;
		__entry->pcpu = svm->vcpu.cpu;
		__entry->level = is_guest_mode(&svm->vcpu) ? 2 : 1;
		__entry->context = svm->tags.vcpu.active;
		__entry->asid = svm->vmcb->control.asid;
		__entry->tlb_ctl = svm->vmcb->control.tlb_ctl;
		__entry->clean = svm->vmcb->control.clean;
		__entry->why = why;
	),
	TP_printk("vcpu_id=%u kvm=0x%llx pcpu=%u level=%u context=%u vmcb=0x%llx asid=%u "
		  "tlb_ctl=%u ncr3=0x%llx clean=0x%x why=0x%x [%s]",
		  __entry->vcpu_id, __entry->kvm, __entry->pcpu, __entry->level,
		  __entry->context, __entry->vmcb, __entry->asid, __entry->tlb_ctl,
		  __entry->ncr3, __entry->clean, __entry->why,
		  svm_trace_show_why(__entry->why))
);

/* A flush became due; what an entry flushes for its place is not requested. */
TRACE_EVENT(request,
	TP_PROTO(struct kvm_vcpu *vcpu, u32 target, u32 why),
	TP_ARGS(vcpu, target, why),
	TP_STRUCT__entry(
		__field(u64, kvm)
		__field(u32, vcpu_id)
		__field(u32, level)
		__field(u32, target)
		__field(u32, why)
	),
	TP_fast_assign(
		__entry->kvm = (u64)vcpu->kvm;
		__entry->vcpu_id = vcpu->vcpu_id;
		__entry->level = is_guest_mode(vcpu) ? 2 : 1;
		__entry->target = target;
		__entry->why = why;
	),
	TP_printk("vcpu_id=%u kvm=0x%llx level=%u target=%u why=0x%x [%s] [%s]",
		  __entry->vcpu_id, __entry->kvm, __entry->level, __entry->target,
		  __entry->why, svm_trace_show_why(__entry->why),
		  __print_symbolic(__entry->target,
				   { TLBTAG_TARGET_ACTIVE, "active" },
				   { TLBTAG_TARGET_L1, "l1" },
				   { TLBTAG_TARGET_L2, "l2" },
				   { TLBTAG_TARGET_BOTH, "both" }))
);

/* L2 becomes active (context 1 and up), or L1 again (context 0). */
TRACE_EVENT(nested,
	TP_PROTO(struct vcpu_svm *svm),
	TP_ARGS(svm),
	TP_STRUCT__entry(
		__field(u64, kvm)
		__field(u64, ncr3_12)
		__field(u32, vcpu_id)
		__field(u32, context)
		__field(u32, asid12)
		__field(u32, tlb_ctl12)
		__field(u32, npt12)
	),
	TP_fast_assign(
		__entry->kvm = (u64)svm->vcpu.kvm;
		__entry->ncr3_12 = svm->nested.ctl.nested_cr3;
		__entry->vcpu_id = svm->vcpu.vcpu_id;
		__entry->context = svm->tags.vcpu.active;
		__entry->asid12 = svm->nested.ctl.asid;
		__entry->tlb_ctl12 = svm->nested.ctl.tlb_ctl;
		__entry->npt12 = nested_npt_enabled(svm);
	),
	TP_printk("vcpu_id=%u kvm=0x%llx context=%u asid12=%u tlb_ctl12=%u npt12=%u "
		  "ncr3_12=0x%llx",
		  __entry->vcpu_id, __entry->kvm, __entry->context, __entry->asid12,
		  __entry->tlb_ctl12, __entry->npt12, __entry->ncr3_12)
);

/* L1 executed INVLPGA; tag is the one it was carried out with at once, or 0. */
TRACE_EVENT(invlpga,
	TP_PROTO(struct kvm_vcpu *vcpu, u64 gva, u32 asid12, u32 tag),
	TP_ARGS(vcpu, gva, asid12, tag),
	TP_STRUCT__entry(
		__field(u64, kvm)
		__field(u64, gva)
		__field(u32, vcpu_id)
		__field(u32, asid12)
		__field(u32, tag)
	),
	TP_fast_assign(
		__entry->kvm = (u64)vcpu->kvm;
		__entry->gva = gva;
		__entry->vcpu_id = vcpu->vcpu_id;
		__entry->asid12 = asid12;
		__entry->tag = tag;
	),
	TP_printk("vcpu_id=%u kvm=0x%llx gva=0x%llx asid12=%u tag=%u", __entry->vcpu_id,
		  __entry->kvm, __entry->gva, __entry->asid12, __entry->tag)
);

/* A shadow root: selected though stale (synced=0), or synced. */
TRACE_EVENT(root,
	TP_PROTO(struct kvm_vcpu *vcpu, u64 root, u32 context, bool synced),
	TP_ARGS(vcpu, root, context, synced),
	TP_STRUCT__entry(
		__field(u64, kvm)
		__field(u64, root)
		__field(u32, vcpu_id)
		__field(u32, context)
		__field(u32, synced)
	),
	TP_fast_assign(
		__entry->kvm = (u64)vcpu->kvm;
		__entry->root = root;
		__entry->vcpu_id = vcpu->vcpu_id;
		__entry->context = context;
		__entry->synced = synced;
	),
	TP_printk("vcpu_id=%u kvm=0x%llx root=0x%llx context=%u synced=%u", __entry->vcpu_id,
		  __entry->kvm, __entry->root, __entry->context, __entry->synced)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH ../../arch/x86/kvm/tlbtag/glue
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE svm_trace

#include <trace/define_trace.h>
