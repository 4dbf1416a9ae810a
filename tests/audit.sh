#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# tlbtag audit on the sample recording, whole and with single faults written
# into its text; and the command's answers to bad input and usage.
#
# Which lines to spoil is found without the program: the text says of each VM
# entry which vCPU and level it is for, and a table of who used an ASID on a CPU
# last, emptied by TLB_CONTROL, says what a fault would make it run on.
#
# AUDIT_FAULTS is the number of faults of each class, AUDIT_SAMPLE another
# recording with FLUSHBYASID in which nothing was missed.
set -u

audit="${TLBTAG:-build/tlbtag} audit"
sample=${AUDIT_SAMPLE:-data/sample.trace.gz}
faults=${AUDIT_FAULTS:-25}
work=$(mktemp -d "${TMPDIR:-/tmp}/tlbtag-audit.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
passed=0
failed=0
places=0

check() {
	if [ "$2" = "$3" ]; then
		passed=$((passed + 1))
		echo "ok   $1"
	else
		failed=$((failed + 1))
		echo "FAIL $1: $2 and $3"
	fi
}

# "class line old new" for each fault that must hurt: `flush` drops a TLB_CONTROL
# of an entry that finds translations of the other level, `swap` gives it the
# ASID of another vCPU whose translations are there, `move` lets a vCPU that
# changed its CPU go on with an ASID that somebody used there, `keep` one whose
# level changed with the ASID that the other level used, and `round` drops the
# flush of everything with which ASIDs are used anew.
cat >"$work/find.awk" <<'EOT'
function field(name,    at) {
	at = index($0, " " name "=")
	return at ? substr($0, at + length(name) + 2, index(substr($0, at + 1) " ", " ") - length(name) - 2) : ""
}
/ vmrun: / {
	cpu = field("pcpu"); asid = field("asid"); control = field("tlb_ctl")
	vcpu = field("kvm") "/" field("vcpu_id")
	level = field("hflags") ~ /[13579bdf]$/ ? 2 : 1
	who = vcpu "/" level
	slot = cpu "/" asid
	if (control == 3 && left[slot] != "" && left[slot] != who && rounds[slot] == round[cpu])
		print "flush", NR, "tlb_ctl=3", "tlb_ctl=0"
	for (other in vcpus)
		if (control == 0 && other != vcpu && latest[cpu, other] != "" && since[cpu, other] == round[cpu])
			print "swap", NR, "asid=" asid, "asid=" latest[cpu, other]
	if (control == 1 && left[slot] != "" && left[slot] != who && rounds[slot] == round[cpu])
		print "round", NR, "tlb_ctl=1", "tlb_ctl=0"
	old = last_asid[vcpu]
	if (control == 0 && old != asid && last_cpu[vcpu] == cpu && left[cpu "/" old] != who &&
	    left[cpu "/" old] != "" && rounds[cpu "/" old] == round[cpu])
		print "keep", NR, "asid=" asid, "asid=" old
	if (last_cpu[vcpu] != "" && last_cpu[vcpu] != cpu && control == 0) {
		old = last_asid[vcpu]
		if (old != asid && left[cpu "/" old] != "" && rounds[cpu "/" old] == round[cpu])
			print "move", NR, "asid=" asid, "asid=" old
	}
	if (control == 1)
		round[cpu]++
	left[slot] = who
	rounds[slot] = round[cpu]
	vcpus[vcpu]; latest[cpu, vcpu] = asid; since[cpu, vcpu] = round[cpu]
	last_cpu[vcpu] = cpu; last_asid[vcpu] = asid
}
EOT

cat >"$work/spoil.awk" <<'EOT'
NR == line { sub(" " old " ", " " new " ") }
{ print }
EOT

zcat "$sample" >"$work/all"
awk -f "$work/find.awk" "$work/all" >"$work/found"
# Most faults need not be looked for in all of it.
sed -n '1,40000p' "$work/all" >"$work/cut"

# $faults of the places of class @1, each spoilt in a recording of its own.
try_class() {
	grep "^$1 " "$work/found" >"$work/class"
	count=$(wc -l <"$work/class")
	step=$((count / faults))
	[ "$step" -gt 0 ] || step=1
	awk "NR % $step == 0" "$work/class" | head -n "$faults" >"$work/chosen"
	tried=0
	found=0
	while read -r _ line old new; do
		tried=$((tried + 1))
		awk -v line="$line" -v old="$old" -v new="$new" -f "$work/spoil.awk" "$work/all" |
			$audit --all - >"$work/out" 2>&1
		if [ $? -eq 1 ] && grep -q "^-:$line: time .*: missed flush" "$work/out"; then
			found=$((found + 1))
		else
			echo "     not found: $1, line $line, $old -> $new"
		fi
	done <"$work/chosen"
	echo "     $1: found $found of $tried, of $((count)) places"
	places=$((places + tried))
	check "every fault of the class $1 is found" "$found" "$tried"
}

$audit "$sample" >"$work/out" 2>&1
check "stock KVM misses nothing" "$?" 0
check "and the report says so" "$(grep -c ' 0 missed a flush' "$work/out")" 1

for class in move round keep swap flush; do
	try_class "$class"
done
check "there were faults" "$([ "$places" -gt 20 ] && echo yes)" yes

# The flush of the last fault dropped once more, as JSON.
read -r _ line old new <"$work/chosen"
awk -v line="$line" -v old="$old" -v new="$new" -f "$work/spoil.awk" "$work/all" >"$work/bad"
$audit --json "$work/bad" >"$work/out"
check "a missed flush is exit status 1" "$?" 1
for key in vm_entries flushes needed missed_count needless needless_by_cause kind rule story; do
	check "JSON has $key" "$(grep -c "\"$key\":" "$work/out" | sed 's/[1-9][0-9]*/yes/')" yes
done
check "JSON names the line" "$(grep -c "\"line\": $line," "$work/out")" 1
$audit "$sample" "$work/bad" >"$work/out"
check "one bad recording of two is exit status 1" "$?" 1

# Shadow tables: one request for a sync taken out, all of them, and one that is
# recorded as done in their place.
wanted=$(awk '/ nested_enter: .* tlb_ctl12=[13] / { due = NR; at = 0 }
	due && !at && / nested_tlb_flush: / { at = NR }
	at && / vmrun: .* hflags=0x1 / && due > 20000 { print at, NR; exit }
	/ vmrun: / { due = at = 0 }' "$work/all")
sed "${wanted% *}d" "$work/all" >"$work/bad"
$audit "$work/bad" >"$work/out"
check "a missed sync is exit status 1" "$?" 1
check "and told with its line" \
	"$(grep -c ":$((${wanted#* } - 1)): time .*: missed sync, unsynced, SYNC_" "$work/out")" 1
sed 's/ nested_tlb_flush: (nested_svm_transition_tlb_flush/ mmu_sync: (kvm_mmu_sync_roots/' \
	"$work/all" >"$work/synced"
$audit "$work/synced" >"$work/out"
check "a sync that is recorded counts" "$(grep -c 'shadow tables were due: 0 missed$' "$work/out")" 1
sed "${wanted% *}d" "$work/synced" | $audit - >"$work/out"
check "and so does one that is not" "$(grep -c 'shadow tables were due: 1 missed$' "$work/out")" 1
grep -v ' nested_tlb_flush: ' "$work/all" | $audit - >"$work/out"
check "a recording that cannot tell says so" "$(grep -c 'due: whether they happened is unknown' "$work/out")" 1

# One of the flushes that are due as one that spares global pages.
read -r _ line old new <"$work/chosen"
awk -v line="$line" -v old="$old" -v new="tlb_ctl=7" -f "$work/spoil.awk" "$work/all" |
	$audit - >"$work/out"
check "TLB_CONTROL 7 is not 3" "$(grep -c "^-:$line: time .*: missed flush" "$work/out")" 1

head -c 100000 "$sample" >"$work/short.gz"
$audit "$work/short.gz" >"$work/out" 2>"$work/err"
check "a truncated recording is exit status 2" "$?" 2
check "and prints nothing" "$(wc -c <"$work/out" | tr -d ' ')" 0
check "but one line" "$(wc -l <"$work/err" | tr -d ' ')" 1
$audit --keep-going "$work/short.gz" >"$work/out" 2>/dev/null
check "with --keep-going as well" "$?" 2
check "but what was readable is shown" "$(grep -c 'breaks off' "$work/out")" 1
grep -v ' vmrun: ' "$work/cut" >"$work/blind"
$audit "$work/blind" >/dev/null 2>"$work/err"
check "without vmrun there is no verdict" "$?" 2
check "and the reason is given" "$(grep -c 'vmrun was not recorded' "$work/err")" 1
$audit --asids 8 "$work/cut" >/dev/null 2>"$work/err"
check "an ASID that cannot be is an error" "$?" 2
check "with its line" "$(grep -c 'line [0-9]*: an entry with ASID' "$work/err")" 1
$audit --flushbyasid no "$work/cut" >/dev/null
check "TLB_CONTROL 3 is nothing without FLUSHBYASID" "$?" 1
$audit >/dev/null 2>&1
check "no recording is a usage error" "$?" 2
$audit --nonsense "$sample" >/dev/null 2>&1
check "an unknown option too" "$?" 2
$audit --asids 1 "$sample" >/dev/null 2>&1
check "and a number that makes no sense" "$?" 2
$audit --help >/dev/null
check "help is no error" "$?" 0

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
