#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# tlbtag check and tlbtag mutants: what they find, that the same seed is the same
# run however it is spread, and every story of tests/regress. $TLBTAG is the
# command.
set -u
LC_ALL=C
export LC_ALL

here=$(dirname "$0")
dir=$(mktemp -d "${TMPDIR:-/tmp}/tlbtag-check.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM
. "$here/command"

# gives STATUS ARGUMENT...
gives() {
	wanted=$1
	shift
	run "$@"
	[ "$status" -eq "$wanted" ] && [ ! -s "$dir/err" ] && [ -s "$dir/out" ] || show
}

says() {
	grep -qF -e "$1" "$dir/out" || show
}

# refuses WORD ARGUMENT...: one line on standard error, nothing else anywhere.
refuses() {
	word=$1
	shift
	run "$@"
	is_refused "$word"
}

# --- usage ----------------------------------------------------------------------

check 'check explains itself' gives 0 check --help
check 'mutants explains itself' gives 0 mutants --help
check 'mutants are listed' gives 0 mutants --list
while read -r word arguments; do
	# shellcheck disable=SC2086
	check "refused: $arguments" refuses "$word" $arguments
done <<'END'
--nonsense check --nonsense
unexpected check file
--seed check --seed x
--seed check --seed -1
--seeds check --seeds 5
--seeds check --seeds 5..4
--ops check --ops
--ops check --ops 99999999999999999999
--time check --time soon
--shard check --shard 3
--shard check --shard 4/3
--shard check --shard 0/0
--vendor check --vendor arm
NONSENSE check --without NONSENSE
nonsense check --fault nonsense
cpus check --set cpus=many
world check --set cpus=0
PCIDs check --set pcid=1 --set l0_nested_paging=0
L1 check --set l1_nested_paging=1 --set l0_nested_paging=0
nothing check --avoid nothing
flushes check --private --vendor amd
flushes check --private --forgetful
--private check --private --explore 2
MOVED check --private --without MOVED
SPLIT_PUT check --without SPLIT_PUT
vendor check --set vendor=amd --private
cache check --set cache=1
hotplug check --private --fault hotplug
regions check --private --set regions=2
vmrun check --private --avoid vmrun
nowhere check --replay /nowhere
nowhere check --explore 1 --from /nowhere
--merge check --merge
nowhere check --merge /nowhere
nonsense mutants --only nonsense
--time mutants --time 0
END

# --- the same seed is the same run ------------------------------------------------

# same_run FILE ARGUMENT...
same_run() {
	before=$1
	shift
	run "$@"
	[ "$status" -lt 2 ] && cmp "$dir/$before" "$dir/out" || show
}

run check --seeds 1..6 --ops 1500 --json
cp "$dir/out" "$dir/whole"
check 'the library as it is: nothing wrong' [ "$status" -eq 0 ]
check 'again, byte by byte' same_run whole check --seeds 1..6 --ops 1500 --json
check 'the same in three processes' same_run whole check --seeds 1..6 --ops 1500 --json --jobs 3
run check --seeds 1..6 --ops 1500 --json --shard 1/2
cp "$dir/out" "$dir/shard1"
run check --seeds 1..6 --ops 1500 --json --shard 2/2
cp "$dir/out" "$dir/shard2"
check 'two shards merged are the whole' same_run whole check --merge "$dir/shard1" "$dir/shard2"
run check --seeds 1..6 --ops 1500 --json --shard 0/2
check '0/2 and 2/2 are the same shard' cmp "$dir/shard2" "$dir/out"
printf '{"ops": 1}' >"$dir/odd"
check 'what must not occur does not' gives 0 check --avoid enter --ops 100
check 'what is no result is not merged' refuses "$dir/odd:1" check --merge "$dir/odd"

# --- finding --------------------------------------------------------------------

check 'a flush that nothing asked for is reported' \
	gives 1 check --fault never-taken --set spare_is_wrong=1 --seeds 1..20 --ops 5000
check 'as such' says 'a flush that nothing asked for'

check 'a rule that is off is found' \
	gives 1 check --without FIRST_USE --seeds 1..50 --ops 5000 --save "$dir/story"
cp "$dir/out" "$dir/told"
check 'the explanation marks where it was used' says 'here it may still be used'
check 'the saved story shows it again' gives 1 check --replay "$dir/story"
check 'in the same words' sh -c "sed -n '/in a world/,/^\$/p' '$dir/told' >'$dir/a' &&
	sed -n '/in a world/,/^\$/p' '$dir/out' >'$dir/b' && cmp '$dir/a' '$dir/b'"
sed 's/rule_off=[A-Z_0-9]*/rule_off=none/' "$dir/story" >"$dir/fine"
check 'with the rule it goes well' gives 0 check --replay "$dir/fine"
check 'from standard input too' sh -c "'$TLBTAG' check --replay - <'$dir/fine'"
check 'at most 20 operations are left' \
	[ "$(sed '/^#/d; /^config/d; /^settle/d' "$dir/story" | wc -l)" -le 20 ]
sed 's/cpus=[0-9]*/cpus=1 cups=1/' "$dir/story" >"$dir/bad"
check 'a bad story is refused by line' refuses "$dir/bad:" check --replay "$dir/bad"
head -c 300 "$dir/story" >"$dir/cut"
check 'a cut story is refused' refuses "$dir/cut:" check --replay "$dir/cut"

# --- private memory -----------------------------------------------------------------

check 'nothing is wrong with private memory' gives 0 check --private --seeds 1..4 --ops 5000
check 'nor for programs, in two processes' \
	gives 0 check --private --seeds 1..4 --ops 5000 --json --jobs 2
check 'which says how many splits' says '"splits": '
check 'a rule of private memory is needed' \
	gives 1 check --private --without SPLIT_PUT --ops 20000 --save "$dir/split"
check 'its story is told' says 'counter: a region'
check 'and replays without --private' gives 1 check --replay "$dir/split"
sed 's/rule_off=[A-Z_0-9]*/rule_off=none/' "$dir/split" >"$dir/split-fine"
check 'with the rule it goes well' gives 0 check --replay "$dir/split-fine"
sed 's/private story/story/' "$dir/split" >"$dir/split-bad"
check 'as a story of flushes it is refused' refuses "$dir/split-bad:" check --replay "$dir/split-bad"
check 'mutants knows the rule' gives 0 mutants --only SPLIT_PUT --json
check 'and counts it' says '"killed": 1,'
check 'the old path, mended, is right' \
	gives 0 check --private --set old=1 --set cache=1 --ops 5000
check 'mutants knows the exhibits' gives 0 mutants --only retry-takes-pair --set restless=1
check 'and how they are seen' says 'dry'

# --- policies of others -------------------------------------------------------------

for policy in one-tag generations owner-table vm-l2-tag; do
	for wide in 0 1; do
		check "$policy is right, FLUSHBYASID $wide" gives 0 check --set policy=$policy \
			--set flush_by_asid=$wide --seeds 1..2 --ops 50000
	done
done

# --- exploring and mutants ----------------------------------------------------------

check 'all single operations in all small worlds' gives 0 check --explore 1 --jobs 2
check 'the same for programs' gives 0 check --explore 1 --json
check 'it says so when there are more states' gives 0 check --explore 2 --states 5 --vendor amd
check 'where' says '! there are more states than --states 5'
check 'one rule is needed' gives 0 mutants --only FIRST_USE --ops 200000
check 'the same for programs' gives 0 mutants --only FIRST_USE --ops 200000 --json
check 'it is counted' says '"killed": 1,'
check 'an exhibit is found' gives 0 mutants --only hotplug --ops 200000 --json
for part in '"rules": 0,' '"museum": 1,' '"museum_killed": 1,' '"survivors": []'; do
	check "its sum: $part" says "$part"
done
check 'what nothing can show survives' \
	gives 1 mutants --only EPT_SCOPE --set vendor=amd --ops 3000 --json
check 'and is named' says '"EPT_SCOPE"'
check 'and told' gives 0 mutants --only FIRST_USE --ops 200000 --explain --save "$dir"
check 'its story is saved' gives 1 check --replay "$dir/FIRST_USE.story"

# --- stories ------------------------------------------------------------------------

# "# needs: RULE": the story must go wrong with that rule off.
needed() {
	[ -n "$1" ] || return 0
	sed "s/^config /config rule_off=$1 /" "$2" >"$dir/without"
	run check --replay "$dir/without"
	[ "$status" -eq 1 ] || show
}

# "# expect: fine" or what is wrong, as the explanation names it.
replays() {
	expected=$(sed -n 's/^# expect: //p' "$1")
	run check --replay "$1"
	case $expected in
	'') echo 'no "# expect:"' && false ;;
	fine) [ "$status" -eq 0 ] && needed "$(sed -n 's/^# needs: //p' "$1")" "$1" || show ;;
	*) [ "$status" -eq 1 ] && grep -q "^  $expected: " "$dir/out" || show ;;
	esac
}

for story in "$here"/regress/*.story; do
	[ -e "$story" ] || continue
	check "${story##*/}" replays "$story"
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
