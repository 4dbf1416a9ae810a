#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# tlbtag record, on tracing directories made here and with a trace-cmd that only
# pretends: what is chosen on which kernel, what is said to be missing, that a
# recording appears whole or not at all, and that nothing is left behind. The real
# thing runs in kvm/rig, scenario "record".
set -u
LC_ALL=C
export LC_ALL

here=$(dirname "$0")
dir=$(mktemp -d "${TMPDIR:-/tmp}/tlbtag-record.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM
. "$here/command"

tracefs=$dir/tracefs
export TLBTAG_TRACEFS="$tracefs"
offsets=$dir/offsets

# --- kernels ------------------------------------------------------------------------

functions_amd='svm_vcpu_load enter_svm_guest_mode nested_vmcb02_prepare_control svm_leave_nested
	nested_svm_transition_tlb_flush svm_flush_tlb_asid svm_flush_tlb_current
	svm_flush_tlb_all svm_flush_tlb_gva invlpga_interception'
functions_intel='vmx_vcpu_load nested_vmx_enter_non_root_mode vmx_leave_nested
	nested_vmx_transition_tlb_flush vmx_flush_tlb_current vmx_flush_tlb_all vmx_flush_tlb_gva'
functions_kvm='kvm_wait_lapic_expire kvm_load_guest_xsave_state kvm_vcpu_flush_tlb_guest
	kvm_mmu_sync_roots kvm_flush_remote_tlbs kvm_flush_remote_tlbs_range'
events_kvm='kvm_entry kvm_exit kvm_nested_vmenter kvm_nested_vmexit_inject kvm_pv_tlb_flush'
events_native='enter request nested invlpga root'

functions() {
	for function in $2; do
		echo "$function [$1]"
	done >>"$tracefs/available_filter_functions"
}

events() {
	for event in $2; do
		mkdir -p "$tracefs/events/$1/$event"
	done
}

# kernel amd|intel|none
kernel() {
	rm -rf "$tracefs"
	mkdir -p "$tracefs/events" "$tracefs/instances"
	: >"$tracefs/dynamic_events"
	# Where no tracefs is mounted at all, libtracefs takes the older file.
	ln -s dynamic_events "$tracefs/kprobe_events"
	echo schedule >"$tracefs/available_filter_functions"
	[ "$1" != none ] || return 0
	events kvm "$events_kvm"
	functions kvm "$functions_kvm"
	case $1 in
	amd) functions kvm_amd "$functions_amd" ;;
	intel) functions kvm_intel "$functions_intel" ;;
	esac
}

without() {
	sed -i "/^$1 /d" "$tracefs/available_filter_functions"
}

cat >"$offsets" <<-END
	OFF_CPU=32
	OFF_VCPU_ID=36
	OFF_RCX=296
	OFF_HFLAGS=512
	OFF_VMCB=6480
	OFF_CURRENT_VMCB=6520
	OFF_GENERATION=24
	OFF_ASID12=6744
	OFF_TLB_CTL12=6748
	OFF_NESTED_CTL12=6800
	OFF_NCR3_12=6824
END

# --- choosing -------------------------------------------------------------------------

# list ARGUMENT...: what would be recorded; no BTF but what a test gives
list() {
	run record --list --btf "$dir/none" "$@"
}

is_listed() {
	[ "$status" -eq 0 ] || show
}

# uses EVENT HOW...
uses() {
	event=$1
	shift
	grep -q "^event   $event  *$*\$" "$dir/out" || show
}

uses_no() {
	! grep -q "^event   $1 " "$dir/out" || show
}

# lacks EVENT WORD: it says so, in one line with the word
lacks() {
	grep "^tlbtag: not recorded: $1 " "$dir/err" | grep -q "($2.*); unknown then: ." || show
}

kernel amd
list --offsets "$offsets"
check 'AMD without tracepoints' is_listed
for pair in vmrun:kvm_wait_lapic_expire vcpu_load:svm_vcpu_load nested_enter:enter_svm_guest_mode \
	nested_ctl02:nested_vmcb02_prepare_control leave_nested:svm_leave_nested \
	nested_tlb_flush:nested_svm_transition_tlb_flush \
	flush_asid:svm_flush_tlb_asid flush_current:svm_flush_tlb_current \
	flush_all:svm_flush_tlb_all flush_guest:kvm_vcpu_flush_tlb_guest \
	flush_gva:svm_flush_tlb_gva invlpga_icpt:invlpga_interception mmu_sync:kvm_mmu_sync_roots \
	remote_flush:kvm_flush_remote_tlbs remote_flush_range:kvm_flush_remote_tlbs_range; do
	check "${pair%:*} by ${pair#*:}" uses "${pair%:*}" kprobe "${pair#*:}"
done
for event in kvm_nested_vmexit_inject kvm_pv_tlb_flush; do
	check "$event by tracepoint" uses $event tracepoint "kvm:$event"
done
for event in kvm_entry kvm_exit kvm_nested_vmenter; do
	check "$event is not needed" uses_no $event
done
check 'nothing is missing' test ! -s "$dir/err"
check 'offsets are from the file' test "$(grep -c '^offset .*(file)$' "$dir/out")" -eq 11
check 'and it says that there is no BTF' grep -q "^no BTF: $dir/none/vmlinux: " "$dir/out"
check 'the tree is as it was' test ! -s "$tracefs/dynamic_events"

list
check 'AMD without any offset' is_listed
check 'vmrun needs the number of the vCPU' lacks vmrun 'no offset for vcpu_id'
check 'so kvm_entry takes its place' uses kvm_entry tracepoint kvm:kvm_entry
check 'with kvm_exit' uses kvm_exit tracepoint kvm:kvm_exit
check 'and kvm_nested_vmenter' uses kvm_nested_vmenter tracepoint kvm:kvm_nested_vmenter
check 'remote flushes need none' uses remote_flush kprobe kvm_flush_remote_tlbs
sed 's/\(OFF_VMCB\|OFF_GENERATION\)=.*/\1=/' "$offsets" >"$dir/some"
list --offsets "$dir/some"
check 'vmrun without some' uses vmrun kprobe kvm_wait_lapic_expire
for field in asid tlb_ctl gen; do
	check "$field is missing" grep -q \
		"^tlbtag: not recorded: $field of vmrun (no offset); unknown then: ." "$dir/err"
done

without kvm_wait_lapic_expire
list --offsets "$offsets"
check 'another function for vmrun' uses vmrun kprobe kvm_load_guest_xsave_state
without kvm_load_guest_xsave_state
without svm_flush_tlb_asid
rmdir "$tracefs/events/kvm/kvm_pv_tlb_flush"
list --offsets "$offsets"
check 'no function for vmrun' lacks vmrun 'the kernel has no function kvm_wait_lapic_expire'
check 'kvm_entry instead' uses kvm_entry tracepoint kvm:kvm_entry
check 'no function for flush_asid' lacks flush_asid 'the kernel has no function svm_flush_tlb_asid'
check 'no tracepoint' lacks kvm_pv_tlb_flush 'the kernel has no tracepoint kvm:kvm_pv_tlb_flush'
check 'each in a line' test "$(wc -l <"$dir/err")" -eq 3
rm -r "$tracefs/events/kvm"
list --offsets "$offsets"
check 'nothing tells of entries' test "$status" -eq 2
check 'which is said' grep -q '^tlbtag: record: VM entries cannot be recorded' "$dir/err"

kernel amd
rm "$tracefs/dynamic_events" "$tracefs/kprobe_events"
list --offsets "$offsets"
check 'no kprobe events' lacks vmrun 'the kernel has no kprobe events'
check 'tracepoints then' uses kvm_entry tracepoint kvm:kvm_entry
: >"$tracefs/kprobe_events"
list --offsets "$offsets"
check 'older kernels have another file for them' uses vmrun kprobe kvm_wait_lapic_expire

kernel amd
events tlbtag "$events_native"
list --offsets "$offsets"
check 'AMD with tracepoints' is_listed
for event in $events_native; do
	check "$event by tracepoint" uses "$event" tracepoint "tlbtag:$event"
done
check 'loads by probe' uses vcpu_load kprobe svm_vcpu_load
check 'remote flushes by probe' uses remote_flush kprobe kvm_flush_remote_tlbs
check 'nothing else' test "$(grep -c ^event "$dir/out")" -eq 8
check 'nothing is missing' test ! -s "$dir/err"
list
check 'without offsets' uses enter tracepoint tlbtag:enter
check 'loads are unknown' lacks vcpu_load 'no offset for vcpu_id'
check 'and nothing else' test "$(wc -l <"$dir/err")" -eq 1
rmdir "$tracefs/events/tlbtag/root"
list --offsets "$offsets"
check 'one of them is not there' lacks root 'the kernel has no tracepoint tlbtag:root'

kernel intel
list --offsets "$offsets"
check 'Intel' is_listed
check 'its module' grep -q '^kvm  *kvm_intel  *a module' "$dir/out"
check 'entries' uses vmrun kprobe kvm_wait_lapic_expire
check 'nested entries' uses nested_enter kprobe nested_vmx_enter_non_root_mode
check 'flushes' uses flush_all kprobe vmx_flush_tlb_all
check 'no INVLPGA' uses_no invlpga_icpt
check 'it says what is different' grep -q '^tlbtag: on Intel a flush is an instruction' "$dir/err"
run record --print --offsets "$offsets" --btf "$dir/none"
no_amd_fields() {
	grep 'p:tlbtag_record/vmrun ' "$dir/out" | grep -q 'vcpu_id=+36(%di)' &&
		! grep -E '6480|6520|674' "$dir/out" || show
}
check 'and believes no offset of AMD' no_amd_fields

kernel amd
sed -i 's/ \[.*//' "$tracefs/available_filter_functions"
list --offsets "$offsets"
check 'KVM built in' grep -q '^kvm  *kvm_amd  *built in' "$dir/out"

# --- as commands ------------------------------------------------------------------------

kernel amd
run record --print --offsets "$offsets" --btf "$dir/none" -o "it's" -- sleep 5
check 'commands' is_listed
check 'with the probe as the rig has it' grep -qF \
	"'p:tlbtag_record/nested_enter enter_svm_guest_mode vcpu_id=+36(%di):u32 kvm=+0(%di):x64 \
vmcb12_gpa=%si:x64 nested_ctl12=+6800(%di):x64 asid12=+6744(%di):u32 tlb_ctl12=+6748(%di):u8 \
ncr3_12=+6824(%di):x64'" "$dir/out"
check 'ECX is the second register' grep -qF 'ecx=+304(%di):u32' "$dir/out"
check 'the shell takes them' sh -n "$dir/out"
check 'as they were meant' grep -qF -e "-o 'it'\\''s' -B" "$dir/out"
check 'as many probes go as come' test "$(grep -c "^echo 'p:" "$dir/out")" -eq \
	"$(grep -c "^echo '-:" "$dir/out")"

kernel none
run record --print --offsets "$offsets"
check 'commands for another host' is_listed
check 'which is said' grep -q '^tlbtag: no KVM here: .*; so this is for an AMD host' "$dir/err"
check 'and nothing else' test "$(wc -l <"$dir/err")" -eq 1
check 'by probes' test "$(grep -c "^echo 'p:" "$dir/out")" -eq 15
run record --print
check 'without offsets by tracepoints' grep -q '^	-e kvm:kvm_entry' "$dir/out"
check 'with what is unknown then' lacks vmrun 'no offset for vcpu_id'

# --- usage, and what cannot be --------------------------------------------------------------

refuses() {
	word=$1
	shift
	run "$@"
	check "refused, names '$word': $*" is_refused "$word"
}

kernel amd
refuses -o record
refuses -o record --time 3
refuses -o record -o
refuses --time record -o "$dir/x" --time 0
refuses --time record -o "$dir/x" --time soon
refuses --time record -o "$dir/x" --time 3 -- true
refuses --buffer record -o "$dir/x" --buffer 3
refuses --frobnicate record --frobnicate -o "$dir/x"
refuses missing record -o "$dir/x" --offsets "$dir/missing"
echo 'OFF_VMCB=much' >"$dir/wrong"
refuses "$dir/wrong:1" record -o "$dir/x" --offsets "$dir/wrong"
refuses 'no tracefs' record -o "$dir/x" --tracefs "$dir/nowhere"
refuses "$dir/nowhere" record --list --tracefs "$dir/nowhere"
kernel none
refuses 'neither kvm_amd nor kvm_intel' record -o "$dir/x"
run record --help
check 'help' is_listed
kernel amd
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
	chmod 700 "$tracefs"
	chmod 755 "$dir"
	cp "$TLBTAG" "$dir/tlbtag"
	setpriv --reuid=65534 --regid=65534 --clear-groups "$dir/tlbtag" record -o "$dir/x" \
		>"$dir/out" 2>"$dir/err"
	status=$?
	check 'somebody else than root' is_refused 'only root may record'
fi

# --- recording ---------------------------------------------------------------------------------

mkdir "$dir/bin"
zcat "$here/data/nested.dat.gz" >"$dir/nested.dat"
# It leaves its arguments, does what FAKE says, and removes what is in the instance,
# as the real one does with all of it.
cat >"$dir/bin/trace-cmd" <<-'END'
	#!/bin/sh
	printf '%s\n' "$@" >"$FAKE_DIR/arguments"
	while [ "$1" != sh ]; do
		case $1 in
		-o) output=$2 ;;
		-B) instance=$TLBTAG_TRACEFS/instances/$2 ;;
		esac
		shift
	done
	[ "$FAKE" != early ] || { printf 'trace-cmd: Not permitted\n  so there\n'; exit 1; }
	for cpu in 0 1; do
		mkdir -p "$instance/per_cpu/cpu$cpu"
		printf '%s: %s\n' entries 5 overrun "$FAKE_LOST" 'commit overrun' 9 \
			'dropped events' "$FAKE_DROPPED" 'read events' "$FAKE_READ" \
			>"$instance/per_cpu/cpu$cpu/stats"
	done
	echo 1 >"$instance/tracing_on"
	: >"$output.cpu0"
	[ "$FAKE" = never ] || "$@"
	cp "$instance/tracing_on" "$FAKE_DIR/"
	rm -r "$instance/per_cpu" "$instance/tracing_on"
	case $FAKE in
	late) printf 'CPU0\ntrace-cmd: No space left on device\n  writing\n'; exit 28 ;;
	junk) head -c 5000 /dev/zero >"$output" ;;
	nothing) ;;
	*) cp "$FAKE_DIR/nested.dat" "$output" ;;
	esac
END
chmod 755 "$dir/bin/trace-cmd"
export PATH="$dir/bin:$PATH" FAKE_DIR="$dir" FAKE='' FAKE_LOST=0 FAKE_DROPPED=0 FAKE_READ=573
file=$dir/made.dat

# record ARGUMENT...: into $file
record() {
	: >"$tracefs/dynamic_events"
	run record --offsets "$offsets" --btf "$dir/none" -o "$file" "$@"
}

# Whatever happened: no instance, no file but the recording, and the probes removed.
# Each removal is written over the one before; the last one shows.
is_clean() {
	find "$dir" -name 'made*' ! -name made.dat | grep . && return 1
	find "$tracefs/instances" -mindepth 1 | grep . && return 1
	grep -q '^-:tlbtag_[0-9]*/remote_flush_range ' "$tracefs/dynamic_events"
}

is_recorded() {
	[ "$status" -eq 0 ] && cmp "$dir/nested.dat" "$file" && is_clean || show
}

# fails WORD: with one line besides what is said on the way, and no file
fails() {
	[ "$status" -eq 2 ] && [ ! -s "$dir/out" ] && [ ! -e "$file" ] && is_clean &&
		[ "$(grep -vc '^tlbtag: recording' "$dir/err")" -eq 1 ] && grep -qF -e "$1" "$dir/err" ||
		show
}

kernel amd
record -- sh -c "cat $tracefs/instances/*/tracing_on; exit 3"
check 'a command is recorded' is_recorded
check 'while it ran, recording was on' grep -qx 1 "$dir/out"
check 'it is off before the end' grep -qx 0 "$dir/tracing_on"
check 'the status of the command is told' grep -q 'sh ended with status 3' "$dir/err"
check 'the events as well' grep -q "made.dat: [1-9][0-9]* events in .* 0 lost" "$dir/out"
check 'fifteen kprobes' test "$(grep -c '^tlbtag_[0-9]*:' "$dir/arguments")" -eq 15
check 'and two tracepoints' test "$(grep -c '^kvm:' "$dir/arguments")" -eq 2
check 'by the clock that is the same on all CPUs' grep -qx global "$dir/arguments"
record --time 1
check 'for a time' is_recorded
FAKE_LOST=20 FAKE_DROPPED=1 record -- true
check 'with losses' is_recorded
check 'of which there are 42' grep -q '^tlbtag: warning: 42 events were lost' "$dir/err"
events tlbtag "$events_native"
record -- true
check 'with tracepoints' is_recorded
check 'all five' test "$(grep -c '^tlbtag:' "$dir/arguments")" -eq 5
check 'and three kprobes' test "$(grep -c '^tlbtag_[0-9]*:' "$dir/arguments")" -eq 3

kernel amd
rm "$tracefs/dynamic_events"
mkdir "$tracefs/dynamic_events"
run record --offsets "$offsets" --btf "$dir/none" -o "$file" -- true
check 'a kernel that refuses its probes' test "$status" -eq 0
check 'is told' lacks vmrun 'the kernel refuses to probe kvm_wait_lapic_expire'
check 'and tracepoints are used' grep -qx kvm:kvm_entry "$dir/arguments"
kernel amd

rm "$file"
record -- nosuchcommand
check 'a command that is not there' fails 'cannot run nosuchcommand: No such file'
FAKE=early record -- true
check 'trace-cmd fails at once' fails 'trace-cmd failed: trace-cmd: Not permitted   so there'
FAKE=late record -- true
check 'the disk is full' fails 'trace-cmd failed: trace-cmd: No space left on device'
FAKE=never record -- true
check 'trace-cmd does not record' fails 'trace-cmd failed'
FAKE=junk record -- true
check 'trace-cmd writes nonsense' fails 'cannot be read'
FAKE=nothing record -- true
check 'trace-cmd writes nothing' fails 'cannot be read'
FAKE_READ=574 record -- true
check 'the disk was full for a while' fails 'only 1156 of 1158 events'
echo before >"$file"
FAKE=late record -- true
check 'an older recording stays' grep -qx before "$file"
rm "$file"
mkdir "$file"
record -- true
check 'a directory is in the way' grep -q 'cannot write .*made.dat: Is a directory' "$dir/err"
rmdir "$file"
check 'and that was all' is_clean
refuses "$dir/nowhere/x" record -o "$dir/nowhere/x" -- true
saved=$PATH
PATH=$dir/empty
run record --offsets "$offsets" --btf "$dir/none" -o "$file" -- true
PATH=$saved
check 'there is no trace-cmd' is_refused 'install the package trace-cmd'
check 'and nothing is left' is_clean

# signalled SIGNAL ARGUMENT...: sent once it records
signalled() {
	signal=$1
	shift
	: >"$tracefs/dynamic_events"
	rm -f "$dir/fifo"
	mkfifo "$dir/fifo"
	"$TLBTAG" record --offsets "$offsets" --btf "$dir/none" -o "$file" "$@" \
		>"$dir/out" 2>"$dir/fifo" &
	pid=$!
	: >"$dir/err"
	while read -r line; do
		echo "$line" >>"$dir/err"
		case $line in
		*recording*) kill "-$signal" $pid ;;
		esac
	done <"$dir/fifo"
	wait $pid
	status=$?
}
for signal in INT TERM HUP; do
	rm -f "$file"
	signalled $signal
	check "SIG$signal ends a recording" is_recorded
done
signalled TERM -- sleep 1000
check 'a command gets it as well' is_recorded
check 'and that is told' grep -q 'sleep ended with signal 15' "$dir/err"

# What a recording that was killed left behind; a process that lives keeps its own.
sh -c : &
dead=$!
wait $dead
events tlbtag "$events_native"
without kvm_flush_remote_tlbs
without kvm_flush_remote_tlbs_range
mkdir "$tracefs/instances/tlbtag_$dead" "$tracefs/instances/tlbtag_$$" \
	"$tracefs/instances/somebody"
cat >"$tracefs/dynamic_events" <<-END
	p:tlbtag_$dead/vmrun svm_vcpu_load
	r:somebody/returns svm_vcpu_load
	p:tlbtag_$$/vmrun svm_vcpu_load
END
run record --btf "$dir/none" -o "$file" -- true
is_swept() {
	ls "$tracefs/instances" >"$dir/left"
	printf '%s\n' somebody "tlbtag_$$" | cmp - "$dir/left" &&
		grep -q "^-:tlbtag_$dead/vmrun" "$tracefs/dynamic_events" &&
		grep -q "^p:tlbtag_$$/vmrun" "$tracefs/dynamic_events" || show
}
check 'what is left of a killed recording goes' is_swept

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
