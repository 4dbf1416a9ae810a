#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# tlbtag sept: its contract, and that its numbers are what the scenarios are about.
# $TLBTAG is the command.
set -u
LC_ALL=C
export LC_ALL

here=$(dirname "$0")
dir=$(mktemp -d "${TMPDIR:-/tmp}/tlbtag-sept.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM
. "$here/command"

is_fine() {
	[ "$status" -eq 0 ] && [ ! -s "$dir/err" ] && [ -s "$dir/out" ] || show
}

gives() {
	run sept "$@"
	is_fine
}

refuses() {
	word=$1
	shift
	run sept "$@"
	is_refused "$word"
}

# A list element that has a name goes by it: runs.0.splits is runs.4k.splits.
by_name() {
	awk '{ split($1, part, ".") }
		part[1] == "runs" && part[3] == "name" { name[part[2]] = $2 }
		part[2] in name { sub(/^runs\.[0-9]+/, "runs." name[part[2]]) }
		{ print }'
}

# flat NAME ARGUMENT...: the JSON into $dir/NAME, one "path value" a line.
flat() {
	name=$1
	shift
	run sept --json "$@"
	awk -f "$here/flatten.awk" <"$dir/out" >"$dir/flat" || return 1
	by_name <"$dir/flat" >"$dir/$name"
	is_fine
}

# value NAME PATH
value() {
	sed -n "s/^$2 //p" "$dir/$1"
}

# holds NAME PATH test-operator NUMBER
holds() {
	have=$(value "$1" "$2")
	[ "$have" "$3" "$4" ] || {
		echo "$2 is '$have', which is not $3 $4"
		return 1
	}
}

# --- usage ----------------------------------------------------------------------

check 'it explains itself' gives --help
check 'scenarios are listed' gives --list
cp "$dir/out" "$dir/list"
check 'each has a name and a line' test "$(awk 'NF > 2' "$dir/list" | wc -l)" -ge 5
while read -r word arguments; do
	# shellcheck disable=SC2086
	check "refused: $arguments" refuses "$word" $arguments
done <<'END'
scenario
nonsense nonsense
unexpected boot convert
--nonsense --nonsense boot
--memory boot --memory
--memory boot --memory 0
--memory boot --memory 1G1
--memory boot --memory -1G
--memory boot --memory 33M
--memory boot --memory 30M
--memory boot --memory 17G
--memory boot --memory 99999999999999999999G
--memory boot --memory 17592186044416G
--design boot --design both
--busy boot --busy x
--sweep boot --sweep 0
--sweep boot --sweep 65
--busy boot --busy 4294967296
END
if [ -c /dev/full ]; then
	for option in --list --help '--memory 32M boot' '--memory 32M --json boot'; do
		: >"$dir/out"
		# shellcheck disable=SC2086
		"$TLBTAG" sept $option >/dev/full 2>"$dir/err"
		status=$?
		check "a full disk: $option" is_refused output
	done
fi

# --- every scenario, on every kind of host ---------------------------------------------

while read -r story about; do
	for options in '' '--no-dynamic-pamt' '--busy 1' '--busy 0' '--memory 34M'; do
		# shellcheck disable=SC2086
		check "$story $options" gives $options "$story"
	done
	check "$story says what it is about" gives "$story"
	check '  in its first line' grep -qxF -e "$story: $about" "$dir/out"
	check "$story as JSON" flat "$story" "$story"
	check '  names itself' test "$(value "$story" scenario)" = "$story"
	check '  nothing is split in 4 KiB' holds "$story" runs.4k.splits -eq 0
	for run in 4k cache reserve; do
		sum=$(sed -n "s/^runs\.$run\.by_call\..* //p" "$dir/$story" | awk '{ sum += $1 } END { print sum }')
		check "  $run: SEAMCALLs add up" holds "$story" "runs.$run.seamcalls" -eq "$sum"
	done
	check '  a sweep makes no more calls' holds "$story" runs.reserve.seamcalls -le \
		"$(value "$story" runs.cache.seamcalls)"
	check '  at no fewer locks' holds "$story" runs.cache.mmu_locks -ge \
		"$(value "$story" runs.reserve.mmu_locks)"
	check '  a reservation needs no cache lock' holds "$story" runs.reserve.cache_locks -eq 0
	check '  less PAMT than in 4 KiB' holds "$story" runs.reserve.pamt_max -lt \
		"$(value "$story" runs.4k.pamt_max)"
	cp "$dir/out" "$dir/first"
	check '  the same again' flat "$story" "$story"
	check '  is the same' cmp -s "$dir/first" "$dir/out"
	check '  leaf by leaf, for both designs,' flat single --busy 0 --sweep 1 "$story"
	check '  the calls are the same' test "$(value single runs.cache.seamcalls)" = \
		"$(value single runs.reserve.seamcalls)"
done <"$dir/list"

# --- what it is about ---------------------------------------------------------------------

check 'a sweep kicks once for 64 leaves' holds convert runs.reserve.kicks -lt \
	$(($(value convert runs.cache.kicks) / 30))
check 'half of 1 GiB goes with two splits' holds convert runs.reserve.splits -eq 2
check '  of two kits' holds convert runs.reserve.supplied -eq 10
check '  that are found by two looks' holds convert runs.reserve.looks -eq 2
check 'a walk looks at all of it' holds convert runs.cache.looks -gt 256
flat large --memory 4G convert
check 'half of 4 GiB as well' holds large runs.reserve.splits -eq 2
check '  by two looks' holds large runs.reserve.looks -eq 2
flat calm --busy 0 convert
check 'no vCPU in the way, nothing again' holds calm runs.4k.retries -eq 0
check 'nor an UNBLOCK' test -z "$(value calm 'runs.reserve.by_call.MEM.RANGE.UNBLOCK')"
flat busy --busy 1 convert
check 'always one in the way, always again' holds busy runs.reserve.retries -eq \
	"$(value busy runs.reserve.kicks)"
flat one --design reserve convert
check '--design leaves one out' test -z "$(value one runs.cache.name)"
check '  and the other as it was' holds one runs.reserve.seamcalls -eq \
	"$(value convert runs.reserve.seamcalls)"
flat static --no-dynamic-pamt convert
check 'a static PAMT needs no pages' holds static runs.4k.pamt_max -eq 0
check '  nor has the kit any' holds static runs.reserve.supplied -eq 2

# The table says the same as the JSON.
run sept convert
number() {
	sed -n "s/^ *$1  *//p" "$dir/out" | tr -d , | awk '{ print $3 }'
}
check 'the table has the splits' test "$(number splits)" = "$(value convert runs.reserve.splits)"
check 'the table has the SEAMCALLs' test "$(number SEAMCALLs)" = \
	"$(value convert runs.reserve.seamcalls)"
check 'the table has the peak' test "$(number 'PAMT pages at the peak')" = \
	"$(value convert runs.reserve.pamt_max)"

# doc/SEPT.md shows a part of what it prints.
documented() {
	sed -n '/In part:$/,/^SEAMCALLs/p' "$here/../doc/SEPT.md" | grep '[0-9]$' >"$dir/part"
	[ "$(wc -l <"$dir/part")" -ge 12 ] && ! grep -vxF -f "$dir/out" "$dir/part"
}
run sept life
check "doc/SEPT.md's table is what life prints" documented

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
