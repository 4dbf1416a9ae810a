# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=sh disable=SC2154 # OFF_ names come from the file of offsets
# Sourced after lib.sh: probes on KVM, a recording, and what was counted.
#
# Offsets in the VMCB are the architecture's: asid 88, tlb_ctl 92, nested_cr3
# 176, clean 192, cr3 in the save area 0x550. %di, %si, %dx are the first three
# arguments.
tracing=/sys/kernel/tracing

# probe NAME FUNCTION FIELD...; a function that is not there costs its event.
probe() {
	echo "p:rig/$1 $2 $(shift 2 && echo "$@")" >>$tracing/kprobe_events 2>/dev/null ||
		rig "no probe $1"
}

# field OFFSET TEXT: the text, if the offset is known
field() { [ -z "$1" ] || echo "$2"; }

install_probes() {
	. "$RIG_offsets"
	echo >$tracing/kprobe_events
	who="vcpu_id=+$OFF_VCPU_ID(%di):u32 kvm=+0(%di):x64"
	asid="asid=+88(+$OFF_VMCB(%di)):u32"
	generation=$(field "$OFF_GENERATION" "gen=+$OFF_GENERATION(+$OFF_CURRENT_VMCB(%di)):u64")
	# svm_vcpu_run() calls this right before VMRUN, when all is decided.
	probe vmrun kvm_wait_lapic_expire "$who pcpu=+$OFF_CPU(%di):s32" \
		"hflags=+$OFF_HFLAGS(%di):x32 vmcb=+$OFF_VMCB(%di):x64 $asid" \
		"tlb_ctl=+92(+$OFF_VMCB(%di)):u8 $generation ncr3=+176(+$OFF_VMCB(%di)):x64" \
		"gcr3=+0x550(+$OFF_VMCB(%di)):x64 clean=+192(+$OFF_VMCB(%di)):x32"
	probe vcpu_load svm_vcpu_load "$who pcpu=%si:s32"
	# From KVM's copy of vmcb12; that itself is no argument in newer kernels.
	control12="asid12=+$OFF_ASID12(%di):u32 tlb_ctl12=+$OFF_TLB_CTL12(%di):u8"
	control12="$control12 ncr3_12=+$OFF_NCR3_12(%di):x64"
	probe nested_enter enter_svm_guest_mode "$who vmcb12_gpa=%si:x64" \
		"$(field "$OFF_NESTED_CTL12" "nested_ctl12=+$OFF_NESTED_CTL12(%di):x64")" "$control12"
	# By KVM_SET_NESTED_STATE this alone; what follows is about L2 already.
	probe nested_ctl02 nested_vmcb02_prepare_control "$who" "$control12"
	probe leave_nested svm_leave_nested "$who"
	probe nested_tlb_flush nested_svm_transition_tlb_flush "$who"
	# Whose caller is inlined where 7.2 flushes one address.
	probe flush_asid svm_flush_tlb_asid "$who" "$asid"
	probe flush_current svm_flush_tlb_current "$who"
	probe flush_all svm_flush_tlb_all "$who"
	probe flush_gva svm_flush_tlb_gva "$who" gva=%si:x64 "$asid"
	probe flush_guest kvm_vcpu_flush_tlb_guest "$who"
	probe remote_flush kvm_flush_remote_tlbs kvm=%di:x64
	probe remote_flush_range kvm_flush_remote_tlbs_range kvm=%di:x64 gfn=%si:x64 n=%dx:u64
	probe invlpga_icpt invlpga_interception "$who" "ecx=+$((OFF_RCX + 8))(%di):u32"
	# INVLPGA at once, whoever asked for it
	probe hw_invlpga svm_tags_hw_invlpga "$who" gva=%si:x64 asid=%dx:u32
	# For the count alone
	probe sync kvm_mmu_sync_roots "$who"
}

recorded='kvm/kvm_exit kvm/kvm_nested_vmexit kvm/kvm_nested_vmexit_inject
	kvm/kvm_nested_intr_vmexit kvm/kvm_invlpga kvm/kvm_pv_tlb_flush rig'

# RIG_native=1: the modules' own tracepoints as well; only: nothing else.
# The buffer keeps the oldest events, so that a loss shows as dropped events.
trace_start() {
	echo 0 >$tracing/tracing_on
	echo >$tracing/trace
	echo global >$tracing/trace_clock
	echo "${RIG_trace_kb:-150000}" >$tracing/buffer_size_kb
	echo 0 >$tracing/options/overwrite
	events="$recorded ${RIG_native:+tlbtag}"
	[ "${RIG_native:-}" != only ] || events=tlbtag
	for event in $events; do
		[ ! -e "$tracing/events/$event/enable" ] || echo 1 >"$tracing/events/$event/enable"
	done
	echo 1 >$tracing/tracing_on
}

hits() { awk -v name="$1" '$1 == name { print $2 }' $tracing/kprobe_profile; }
lost() { cat $tracing/per_cpu/cpu*/stats | awk '/^(overrun|dropped)/ { n += $NF } END { print n + 0 }'; }

# trace_save NAME: /out/NAME.dat.gz, and a line C NAME with what was counted
trace_save() {
	echo 0 >$tracing/tracing_on
	echo "C $1 entries=$(hits vmrun) nested=$(hits nested_enter) syncs=$(hits sync) lost=$(lost)"
	echo 0 >$tracing/events/enable
	mount -t tmpfs tmp /host/var/tmp
	mount --bind /dev /host/dev
	mount --bind /proc /host/proc
	mount --bind /sys /host/sys
	mount -t tracefs tracefs /host/sys/kernel/tracing
	chroot /host trace-cmd extract -o /var/tmp/trace.dat >/tmp/trace-cmd.log 2>&1 ||
		tail -n 3 /tmp/trace-cmd.log
	gzip -1 </host/var/tmp/trace.dat >"/out/$1.dat.gz"
	for dir in sys/kernel/tracing sys proc dev var/tmp; do
		umount "/host/$dir"
	done
	echo >$tracing/trace
	echo >$tracing/kprobe_events
}
