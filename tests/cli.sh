#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The command's contract: what it prints for good recordings, that it says so in
# one line and prints nothing for bad ones, and what it makes of recordings that
# are incomplete or absurd. $TLBTAG is the command.
set -u
LC_ALL=C
export LC_ALL

here=$(dirname "$0")
sample=$here/../data/sample.trace.gz
dir=$(mktemp -d "${TMPDIR:-/tmp}/tlbtag-cli.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM
. "$here/command"

# --- what a test is made of -----------------------------------------------------

is_fine() {
	[ "$status" -eq 0 ] && [ ! -s "$dir/err" ] && [ -s "$dir/out" ] || show
}

refuses() {
	word=$1
	shift
	run "$@"
	check "refused, names '$word': $*" is_refused "$word"
}

flatten() {
	awk -f "$here/flatten.awk"
}

# flat NAME ARGUMENT...: replays as JSON into $dir/NAME, one "path value" a line.
flat() {
	name=$1
	shift
	run replay --json "$@"
	flatten <"$dir/out" >"$dir/$name" || return 1
	is_fine
}

# value NAME PATH: of the first trace.
value() {
	sed -n "s/^traces\.0\.$2 //p" "$dir/$1"
}

# is NAME PATH VALUE
is() {
	[ "$(value "$1" "$2")" = "$3" ] || {
		echo "$2 is '$(value "$1" "$2")', not '$3'"
		return 1
	}
}

# NAME's list of what was not recorded has this text.
misses() {
	grep '^traces\.0\.missing\.' "$dir/$1" | grep -qF -e "$2" || {
		grep missing "$dir/$1"
		return 1
	}
}

sums() {
	awk -f "$here/sums.awk" "$dir/$1" >"$dir/sums"
	[ ! -s "$dir/sums" ] || {
		cat "$dir/sums"
		return 1
	}
}

# Equal but for what the recording is called.
same() {
	grep -v '\.file ' "$dir/$1" >"$dir/same.1"
	grep -v '\.file ' "$dir/$2" >"$dir/same.2"
	[ -s "$dir/same.1" ] && diff "$dir/same.1" "$dir/same.2"
}

same_policies() {
	grep '\.policies\.\|\.recorded\.\|_entries ' "$dir/$1" >"$dir/same.1"
	grep '\.policies\.\|\.recorded\.\|_entries ' "$dir/$2" >"$dir/same.2"
	[ -s "$dir/same.1" ] && diff "$dir/same.1" "$dir/same.2"
}

# Lines "THREAD CPU TEXT" become a recording, a millisecond each.
recording() {
	echo '# tracer: nop'
	awk '{
		thread = $1
		cpu = $2
		sub(/^[^ ]+ [^ ]+ /, "")
		printf " qemu-%s [%03d] d..1. %d.%03d000: %s\n", thread, cpu, NR / 1000, NR % 1000, $0
	}'
}

vcpu='(f+0x4/0x10 [kvm_amd]) vcpu_id=0 kvm=0xa'
run_l1="vmrun: $vcpu pcpu=1 hflags=0x0 vmcb=0x1000 asid=1 tlb_ctl=0 gen=1"
run_l2="vmrun: $vcpu pcpu=1 hflags=0x1 vmcb=0x2000 asid=1 tlb_ctl=0 gen=1"

zcat "$sample" >"$dir/sample.trace"
head -n 6000 "$dir/sample.trace" >"$dir/cut.trace"

# --- the contract, on the sample -------------------------------------------------

check 'the sample as JSON' flat sample "$sample"
check 'its sums' sums sample

has_keys() {
	for key in file events unparsed lost vms vcpus cpus vm_entries l1_entries l2_entries \
		switches recorded.flushes recorded.by_reason; do
		grep -q "^traces\.0\.$key[ .]" "$dir/sample" || echo "no $key"
	done
	for policy in kvm rfc-v1 rfc-v2 xen bhyve nvmm tlbtag tlbtag-k1 needed needed-k1; do
		for key in name flushes by_reason tags wraps mmu_syncs; do
			grep -q "^traces\.0\.policies\.$policy\.$key[ .]" "$dir/sample" ||
				echo "no $key of $policy"
		done
	done
}
has_all_keys() {
	has_keys >"$dir/keys"
	cat "$dir/keys"
	[ ! -s "$dir/keys" ]
}
check 'every key of the contract' has_all_keys
has_one_agreement() {
	[ "$(grep -c '\.agreement ' "$dir/sample")" -eq 1 ] &&
		value sample policies.kvm.agreement | awk '{ exit !($1 >= 0.999 && $1 <= 1) }'
}
check 'kvm, and it alone, agrees at 99.9 % or more' has_one_agreement
check 'events are the lines' is sample events "$(grep -vc '^#' "$dir/sample.trace")"
check 'entries are the lines of vmrun' is sample vm_entries "$(grep -c ': vmrun: ' "$dir/sample.trace")"
check 'nothing was unreadable' is sample unparsed 0
check 'tlbtag does what is needed' is sample policies.tlbtag.flushes \
	"$(value sample policies.needed.flushes)"
check 'and so does tlbtag-k1' is sample policies.tlbtag-k1.flushes \
	"$(value sample policies.needed-k1.flushes)"

run replay --csv "$sample"
check 'the sample as CSV' is_fine
is_rectangular() {
	awk -F, 'NR == 1 { columns = NF } NF != columns { print NR ": " NF; bad = 1 }
		END { exit bad || NR != 12 || columns < 9 }' "$dir/out"
}
check 'a row for the record and each policy, all of one width' is_rectangular
csv_is_json() {
	tail -n +3 "$dir/out" | while IFS=, read -r _ policy _ flushes _; do
		is sample "policies.$policy.flushes" "$flushes" || echo "bad"
	done | grep . && return 1
	return 0
}
check 'CSV and JSON say the same' csv_is_json

run replay "$sample"
check 'the sample as a table' is_fine
check 'the table names every policy' test "$(grep -cE \
	'^  (kvm|rfc-v1|rfc-v2|xen|bhyve|nvmm|tlbtag|tlbtag-k1|needed|needed-k1) +[0-9]' \
	"$dir/out")" -eq 10
no_escape() {
	! grep -q "$(printf '\033')" "$dir/out"
}
check 'no escapes in a file' no_escape

# --- ways to read the same -------------------------------------------------------

check 'plain text' flat plain "$dir/sample.trace"
check 'is the same' same sample plain
"$TLBTAG" replay --json - <"$sample" | flatten >"$dir/stdin"
check 'gzip on standard input is the same' same sample stdin
zcat "$sample" | "$TLBTAG" replay --json - | flatten >"$dir/pipe"
check 'text on standard input is the same' same sample pipe
sed 's/$/\r/' "$dir/sample.trace" >"$dir/crlf.trace"
check 'lines that end in CR LF' flat crlf "$dir/crlf.trace"
check 'are the same' same sample crlf
check 'trace.dat' flat dat "$here/data/nested.dat.gz"
check 'its text' flat text "$here/data/nested.trace.gz"
check 'are the same' same dat text
zcat "$here/data/nested.dat.gz" >"$dir/nested.dat"
check 'trace.dat, not compressed' flat bare "$dir/nested.dat"
check 'is the same' same dat bare
"$TLBTAG" replay --json - <"$dir/nested.dat" 2>"$dir/err" | flatten >"$dir/stdin"
check 'trace.dat on standard input is the same' same dat stdin

"$TLBTAG" events "$dir/sample.trace" >"$dir/sample.events"
check 'events, and back' flat events --events "$dir/sample.events"
check 'give the same policies' same_policies sample events
"$TLBTAG" events "$sample" | "$TLBTAG" replay --events --json - | flatten >"$dir/stdin"
check 'through a pipe as well' same_policies sample stdin
gzip -c "$dir/sample.events" >"$dir/sample.events.gz"
check 'gzipped events' flat zipped --events "$dir/sample.events.gz"
check 'give the same' same events zipped

check 'several recordings' flat several "$dir/cut.trace" "$sample" "$here/data/nested.trace.gz"
sed -n 's/^traces\.1\./traces.0./p' "$dir/several" >"$dir/second"
check 'do not influence each other' same sample second
check 'and all add up' sums several

# --- options -------------------------------------------------------------------------

check 'a policy alone' flat alone --policy bhyve "$dir/cut.trace"
check 'in another order' flat turned --policy needed,tlbtag,xen,bhyve,kvm "$dir/cut.trace"
check 'all of them' flat whole "$dir/cut.trace"
check 'only what was asked for' test "$(grep -c '\.name ' "$dir/alone")" -eq 1
check 'in the order asked for' test "$(sed -n 's/.*\.name //p' "$dir/turned" | tr '\n' ' ')" = \
	'needed tlbtag xen bhyve kvm '
for policy in bhyve xen tlbtag needed kvm; do
	check "$policy depends on no other" is turned "policies.$policy.flushes" \
		"$(value whole "policies.$policy.flushes")"
done
check 'nor does bhyve alone' is alone policies.bhyve.flushes \
	"$(value whole policies.bhyve.flushes)"
check 'what is seen of the hardware neither' is alone hardware.asids "$(value whole hardware.asids)"

refuses nothere replay --policy kvm,nothere "$dir/cut.trace"
refuses kvm replay --policy kvm,xen,kvm "$dir/cut.trace"
refuses policy replay --policy '' "$dir/cut.trace"
refuses policy replay --policy , "$dir/cut.trace"
refuses json replay --json --csv "$dir/cut.trace"
refuses csv replay --csv --json "$dir/cut.trace"
for asids in '' 0 1 2 -3 x 3x 4294967296 99999999999999999999 3.5; do
	refuses asids replay --asids "$asids" "$dir/cut.trace"
done
refuses perhaps replay --flushbyasid perhaps "$dir/cut.trace"
refuses --frobnicate replay --frobnicate "$dir/cut.trace"
refuses -x replay -xyz "$dir/cut.trace"
refuses --asids replay "$dir/cut.trace" --asids
refuses recording replay
refuses recording replay --json
refuses command
refuses frobnicate frobnicate
refuses frobnicate rules frobnicate
refuses recording events
refuses recording events "$dir/cut.trace" "$dir/cut.trace"
refuses recording events --json

for asids in 3 4 8 0x10 32768; do
	for has in yes no; do
		check "$asids ASIDs, FLUSHBYASID: $has" flat few --asids "$asids" --flushbyasid "$has" \
			"$sample"
		check 'adds up, and tlbtag is not below its bound' sums few
		check 'needed does not depend on them' is few policies.needed.flushes \
			"$(value sample policies.needed.flushes)"
		check 'the number is taken' is few hardware.asids $((asids))
		check 'and called given' is few hardware.flushbyasid_from given
	done
done

for command in '' replay events rules; do
	# shellcheck disable=SC2086
	run $command --help
	check "help of '$command'" is_fine
done
run --version
check 'the version' is_fine
run rules
check 'rules' is_fine
rows=$(grep -c '^ .*\[' "$dir/out")
run rules --json
check 'rules as JSON' is_fine
flatten <"$dir/out" >"$dir/rules"
check 'as many as in the table' test "$(grep -c '\.id ' "$dir/rules")" -eq "$rows"

run replay --html "$dir/page.html" --json "$dir/cut.trace"
check 'a page and JSON' is_fine
check 'the page is there' grep -q '</html>' "$dir/page.html"
refuses missing/page.html replay --html "$dir/missing/page.html" "$dir/cut.trace"
check 'no page, nothing left behind' test ! -e "$dir/missing"
refuses "$dir" replay --html "$dir" "$dir/cut.trace"
echo before >"$dir/kept.html"
refuses missing.trace replay --html "$dir/kept.html" "$dir/missing.trace"
check 'a page is not touched for a recording that is not there' grep -q before "$dir/kept.html"
if [ -c /dev/full ]; then
	for arguments in "replay $dir/cut.trace" "replay --json $dir/cut.trace" \
		"replay --csv $dir/cut.trace" "events $dir/cut.trace" rules 'rules --json' --help; do
		: >"$dir/out"
		# shellcheck disable=SC2086
		"$TLBTAG" $arguments >/dev/full 2>"$dir/err"
		status=$?
		check "a full disk: $arguments" is_refused output
	done
fi

# --- bad input -------------------------------------------------------------------------

refuses_file() {
	refuses "$1" replay "$dir/$1"
	refuses "$1" replay --json --html "$dir/never.html" "$dir/cut.trace" "$dir/$1"
	check 'and no page' test ! -e "$dir/never.html"
}

refuses_file missing.trace
refuses missing.trace events "$dir/missing.trace"
mkdir "$dir/folder"
refuses_file folder
: >"$dir/empty"
refuses_file empty
: | gzip >"$dir/empty.gz"
refuses_file empty.gz
head -c 20000 "$sample" >"$dir/cut.gz"
refuses_file cut.gz
{ head -c 20000 "$sample"; printf 'XXXXXXXXXXXX'; tail -c +20013 "$sample"; } >"$dir/damaged.gz"
refuses_file damaged.gz
gzip -c "$dir/cut.trace" >"$dir/good.gz"
{ head -c -8 "$dir/good.gz"; printf 'CCCC'; tail -c 4 "$dir/good.gz"; } >"$dir/crc.gz"
refuses_file crc.gz
printf '\037\213' >"$dir/magic.gz"
refuses_file magic.gz
# Bytes that are as good as random, from nothing but awk.
junk() {
	awk -v seed="$1" -v count="$2" 'BEGIN {
		for (i = 0; i < count; i++) {
			seed = (seed * 69069 + 1) % 4294967296
			printf "%c", 1 + int(seed / 16777216) % 255
		}
	}'
}
junk 1 100000 >"$dir/junk"
refuses_file junk
{ printf '\037\213\010'; junk 2 5000; } >"$dir/junk.gz"
refuses_file junk.gz
{ printf '\027\010\104tracing6'; printf '\0'; junk 3 5000; } >"$dir/junk.dat"
refuses_file junk.dat
head -c 3000 "$dir/nested.dat" >"$dir/short.dat"
refuses_file short.dat
head -c 200000 /dev/zero >"$dir/zeros"
refuses_file zeros
printf 'hello\nworld\n' >"$dir/prose"
refuses_file prose
name=$(printf 'two\nlines')
: >"$dir/$name"
refuses two replay "$dir/$name"
refuses two replay --events "$dir/$name"

run replay --keep-going --json "$dir/cut.gz" "$dir/cut.trace"
kept() {
	[ "$status" -eq 2 ] && [ "$(wc -l <"$dir/err")" -eq 1 ] && flatten <"$dir/out" >"$dir/kept" &&
		sums kept && [ "$(value kept vm_entries)" -gt 0 ]
}
check '--keep-going shows what was readable, and fails' kept

# Files of events are refused at the first thing that is wrong.
head -c -3 "$dir/sample.events" >"$dir/cut.events"
refuses cut.events replay --events "$dir/cut.events"
refuses cut.trace:1 replay --events "$dir/cut.trace"
refuses sample.events replay "$dir/sample.events"
refuses empty replay --events "$dir/empty"
refuses folder replay --events "$dir/folder"
refuses missing.events replay --events "$dir/missing.events"
refuses cut.gz replay --events "$dir/cut.gz"
wrong_event() {
	printf '# tlbtag events 1\nbirth vm=0 vcpu=0 cpu=0\n%b\n' "$1" >"$dir/wrong.events"
	refuses wrong.events:3 replay --events "$dir/wrong.events"
}
wrong_event 'enter vm=0 vcpu=0 cpu=0 level=2'
wrong_event 'enter vm=0 vcpu=1 cpu=0 level=1'
wrong_event 'enter vm=1 vcpu=0 cpu=0 level=1'
wrong_event 'enter vm=0 vcpu=0 cpu=8192 level=1'
wrong_event 'load vm=1024 vcpu=0 cpu=0'
wrong_event 'load vm=0 vcpu=4096 cpu=0'
wrong_event 'load vm=0 vcpu=0 cpu=0 time=18446744073709551616'
wrong_event 'load vm=0 vcpu=0 cpu=0\0cut'
wrong_event 'load vm=0 vcpu=0 cpu=-1'
wrong_event 'nested-enter vm=0 vcpu=0 cpu=0 asid=0'
wrong_event 'nonsense'
wrong_event "$(head -c 1000 /dev/zero | tr '\0' x)"

# --- recordings with faults ------------------------------------------------------------

# fault WHAT <FILE: replays, adds up, can be turned into events; named "fault".
fault() {
	cat >"$dir/fault.trace"
	check "$1" flat fault "$dir/fault.trace"
	check '  adds up' sums fault
	"$TLBTAG" events "$dir/fault.trace" 2>&1 | "$TLBTAG" replay --events --json - 2>&1 |
		flatten >"$dir/again"
	check '  and so it does as events' same_policies fault again
}

{ cat "$dir/cut.trace"; printf ' qemu-175 [001] d..1. 36.1: vmrun: (f) vcpu_id=1 kvm=0xff'; } |
	fault 'a last line that was cut'
check 'is counted, not believed' is fault unparsed 1
check 'and nothing else changes' is fault vm_entries "$(value whole vm_entries)"
{ cat "$dir/cut.trace"; junk 4 3000; echo; cat "$here/data/nested.dat.gz"; } |
	fault 'binary junk behind a trace'
{ cat "$dir/cut.trace"; head -c 1000000 /dev/zero | tr '\0' x; echo; tail -n 1 "$dir/cut.trace"; } |
	fault 'a line of 1 MB'
check 'is counted once' is fault unparsed 1
check 'and the line behind it is read' is fault events $(($(value whole events) + 1))
sed '100s/:/\x00/; 200s/$/\x00/' "$dir/cut.trace" | fault 'lines with 0 bytes'
check 'are counted' is fault unparsed 2
{ cat "$dir/cut.trace"; recording <<-END
	175 1 something_new: vcpu_id=0 kvm=0xa
	175 1 sched_switch: prev_comm=a
	END
} | fault 'unknown events'
check 'are events' is fault events $(($(value whole events) + 2))
check 'and change nothing' is fault vm_entries "$(value whole vm_entries)"
recording <<-END | fault 'unknown events only'
	175 1 something_new: vcpu_id=0 kvm=0xa
	END
check 'have no entry' is fault vm_entries 0
recording </dev/null | fault 'a header only'
check 'has no event' is fault events 0

absurd() {
	{ echo "1 1 $run_l1"; echo "1 1 $1"; echo "1 1 $run_l1"; } | recording |
		fault "absurd: $1"
}
absurd "vmrun: (f) vcpu_id=0"
absurd "vmrun: (f) kvm=0xa asid=1 tlb_ctl=0 hflags=0x0"
check 'a vmrun of nobody is left out' is fault odd 1
check 'and counted as no entry' is fault vm_entries 2
absurd "vmrun: $vcpu hflags=0x0"
check 'agreement is about what was recorded' is fault policies.kvm.agreement 1.0
absurd "vmrun: $vcpu hflags=0x0 asid=4294967295 tlb_ctl=0"
absurd "vmrun: $vcpu hflags=0x0 asid=4294967297 tlb_ctl=0"
check 'an ASID of 33 bits is left out' is fault odd 1
absurd "vmrun: $vcpu hflags=0x0 asid=-1 tlb_ctl=0"
absurd "vmrun: $vcpu hflags=0x0 asid=4294967294 tlb_ctl=255 gen=18446744073709551615"
absurd "vmrun: $vcpu hflags=0x0 asid=1 tlb_ctl=256 gen=1"
check 'a TLB_CONTROL of 9 bits is left out' is fault odd 1
absurd "vmrun: (f) vcpu_id=4294967295 kvm=0xa hflags=0x0 asid=1 tlb_ctl=0 gen=1"
absurd "vmrun: (f) vcpu_id=4294967296 kvm=0xa hflags=0x0 asid=1 tlb_ctl=0 gen=1"
check 'a vCPU of 33 bits is not vCPU 0' is fault odd 1
absurd "vmrun: (f) vcpu_id=-1 kvm=-1 hflags=-1 asid=1 tlb_ctl=0 gen=1"
absurd "vmrun: (f) vcpu_id=99999999999999999999999 kvm=0xa hflags=0x0 asid=1 tlb_ctl=0"
check 'a number that is none is not parsed' is fault unparsed 1
absurd "nested_enter: $vcpu asid12=4294967296 tlb_ctl12=0 ncr3_12=0xffffffffffffffff"
check "an ASID of L1's of 33 bits is left out" is fault odd 1
absurd "nested_enter: $vcpu asid12=0 tlb_ctl12=0"
absurd "nested_enter: $vcpu asid12=1 tlb_ctl12=511 ncr3_12=0x5000"
absurd "remote_flush: kvm=0xffffffffffffffff"
absurd "leave_nested: $vcpu"

{ recording; echo ' qemu-1 [8191] d..1. 9.1: '"$run_l1"; echo ' qemu-1 [8192] d..1. 9.2: '"$run_l1"
	echo ' qemu-1 [4294967295] d..1. 9.3: '"$run_l1"; } <<-END | fault 'CPUs 8191 and beyond'
	1 0 $run_l1
	END
check 'there are two' is fault cpus 2
check 'and two lines that cannot be' is fault unparsed 2
sed 's/ 35\.6/ 12.6/' "$dir/cut.trace" | fault 'time that runs backwards'
is_backwards() {
	[ "$(value fault backwards)" -gt 0 ]
}
check 'is counted' is_backwards
check 'and changes no number' same_policies whole fault
{ head -n 3000 "$dir/cut.trace"; echo 'CPU:0 [LOST 123 EVENTS]'; echo 'CPU:1 [LOST EVENTS]'
	tail -n +3001 "$dir/cut.trace"; } | fault 'lost events'
check 'are counted' is fault lost 124
check 'and it goes on' is fault vm_entries "$(value whole vm_entries)"

# --- recordings of fewer events ---------------------------------------------------------

without() {
	grep -v " $1: " "$dir/sample.trace" | fault "without $1"
}
without 'nested_[a-z0-9_]*'
check 'says so' misses fault rig:nested_enter
check '  and of transitions' misses fault rig:nested_tlb_flush
check '  levels are still right' is fault l2_entries "$(value sample l2_entries)"
without 'nested_enter'
check 'says so' misses fault rig:nested_enter
check '  levels are still right' is fault l2_entries "$(value sample l2_entries)"
without 'kvm_nested_[a-z_]*'
check 'changes nothing' same_policies sample fault
without 'kvm_nested_vmexit_inject'
check 'changes nothing' same_policies sample fault
without 'nested_tlb_flush'
check 'says so' misses fault rig:nested_tlb_flush
without 'flush_[a-z]*'
check 'says so' misses fault 'no rig:flush_*'
without 'flush_all'
check 'says so' misses fault flush_all
without 'flush_\(all\|current\|guest\)'
check 'says so' misses fault 'without flush_current'
without 'vmrun'
check 'says so' misses fault rig:vmrun
check '  and that there are no entries' misses fault kvm:kvm_entry
check '  the record is not known' is fault recorded.flushes null
check '  nor is the agreement' is fault policies.kvm.agreement ''
without 'vcpu_load'
check 'changes nothing' is fault policies.needed.flushes "$(value sample policies.needed.flushes)"
check 'of tlbtag either' is fault policies.tlbtag.flushes "$(value sample policies.tlbtag.flushes)"

recording <<-END | fault 'stock tracepoints only'
	1 0 kvm_entry: vcpu 0, rip 0x1
	1 0 kvm_exit: vcpu 0 reason vmrun rip 0x1
	1 0 kvm_nested_vmenter: rip: 0x1 vmcb: 0x2000 nested_rip: 0x3 int_ctl: 0x0 event_inj: 0x0 nested_npt=y nested_cr3: 0x5000
	1 0 kvm_entry: vcpu 0, rip 0x1
	1 0 kvm_exit: vcpu 0 reason npf rip 0x1
	1 0 kvm_nested_vmexit_inject: reason: npf ext_inf1: 0x0
	1 1 kvm_entry: vcpu 0, rip 0x1
	1 1 kvm_exit: vcpu 0 reason hlt rip 0x1
	2 1 kvm_entry: vcpu 1, rip 0x1
	2 1 kvm_exit: vcpu 1 reason hlt rip 0x1
	END
check 'says so' misses fault rig:vmrun
check '  entries of L1' is fault l1_entries 3
check '  entries of L2' is fault l2_entries 1
check '  switches' is fault switches 2
check '  vCPUs' is fault vcpus 2
check '  VMs cannot be told' is fault vms 0
check '  migrations' is fault policies.needed.by_reason.moved 1
check '  the record is not known' is fault recorded.flushes null

# nested_ctl02 knows what the stock tracepoint before it does not.
recording <<-END | fault 'nested_ctl02 instead of nested_enter'
	1 1 $run_l1
	1 1 kvm_nested_vmenter: rip: 0x1 vmcb: 0x2000 nested_rip: 0x3 int_ctl: 0x0 event_inj: 0x0 nested_npt=y nested_cr3: 0x5000
	1 1 nested_ctl02: $vcpu asid12=7 tlb_ctl12=0 ncr3_12=0x5000
	1 1 $run_l2
	1 1 nested_exit: $vcpu
	1 1 kvm_nested_vmenter: rip: 0x1 vmcb: 0x2000 nested_rip: 0x3 int_ctl: 0x0 event_inj: 0x0 nested_npt=y nested_cr3: 0x5000
	1 1 nested_ctl02: $vcpu asid12=7 tlb_ctl12=3 ncr3_12=0x5000
	1 1 $run_l2
	END
check 'TLB_CONTROL is seen' is fault policies.needed.by_reason.l1-tlb-control 1
check 'the switches are counted once' is fault switches 3

# --- many -----------------------------------------------------------------------------------

# Each VM runs twice, the second time when all others have.
awk 'BEGIN { for (round = 0; round < 2; round++) for (i = 1; i <= 1100; i++)
	printf "%d 1 vmrun: (f) vcpu_id=0 kvm=0x%x hflags=0x0 vmcb=0x%x asid=1 tlb_ctl=0 gen=1\n",
		i, i * 4096, i * 4096 }' | recording | fault 'more VMs than there is room for'
check 'says that some were forgotten' is fault retired 1176
check 'those count as new ones' is fault policies.needed.by_reason.first-use 2200
awk 'BEGIN { for (round = 0; round < 2; round++) for (i = 1; i <= 1000; i++)
	printf "7 1 vmrun: (f) vcpu_id=0 kvm=0x%x hflags=0x0 vmcb=0x%x asid=1 tlb_ctl=0 gen=1\n",
		i * 4096, i * 4096 }' | recording | fault 'one thread that runs a thousand VMs'
check 'all are told apart' is fault vms 1000
check 'and remembered' is fault policies.needed.flushes 1000
awk 'BEGIN { for (round = 0; round < 2; round++) for (i = 1; i <= 4100; i++)
	printf "%d 1 vmrun: (f) vcpu_id=%d kvm=0x1000 hflags=0x0 vmcb=0x%x asid=1 tlb_ctl=0 gen=1\n",
		i, i, i * 4096 }' | recording | fault 'more vCPUs than there is room for'
check 'says that some were forgotten' is fault retired 4104

# --- mutations: whatever is read, the bounds hold --------------------------------------------

# What is done with each line depends on the seed only.
mutate() {
	awk -v how="$1" -v seed="$2" '
		function chance(one_in) {
			seed = (seed * 69069 + 12345) % 4294967296
			return int(seed / 65536) % one_in
		}
		function flip(   at) {
			at = 50 + chance(length($0))
			if (substr($0, at, 1) ~ /[0-9]/)
				$0 = substr($0, 1, at - 1) chance(10) substr($0, at + 1)
		}
		how == "drop" && !chance(10) { next }
		how == "cut" && !chance(20) { $0 = substr($0, 1, chance(length($0) + 1)) }
		how == "flip" { flip(); flip(); flip() }
		how == "level" && /hflags/ && !chance(5) { sub(/hflags=0x0/, "hflags=0x1") }
		how == "cpu" && !chance(10) { sub(/\[00[01]\]/, "[00" chance(4) "]") }
		how == "control" { sub(/tlb_ctl12=0/, "tlb_ctl12=" chance(9)); sub(/asid12=1/, "asid12=" chance(7)) }
		how == "shuffle" {
			window[held++] = $0
			if (held < 8)
				next
			while (held) {
				i = chance(held)
				print window[i]
				window[i] = window[--held]
			}
			next
		}
		{ print }
		how == "twice" && !chance(10) { print }'
}

# The part of the sample in which L2 runs.
{ head -n 2 "$dir/sample.trace"; sed -n '20000,24000p' "$dir/sample.trace"; } >"$dir/nested.trace"
mutation_holds() {
	for seed in 1 2 3; do
		mutate "$1" "$seed" <"$dir/nested.trace" >"$dir/mutant.trace"
		for options in '' '--asids 3' '--asids 7 --flushbyasid no'; do
			# shellcheck disable=SC2086
			flat mutant $options "$dir/mutant.trace" && sums mutant && continue
			echo "seed $seed $options"
			return 1
		done
	done
}
for how in none drop twice cut flip level cpu control shuffle; do
	check "mutations: $how" mutation_holds "$how"
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
