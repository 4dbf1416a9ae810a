#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Every bug that was found once: replays the stories of tests/regress and checks
# what their "# expect:" lines say. CONTRIBUTING.md describes them. $TLBTAG is
# the command.
set -u
LC_ALL=C
export LC_ALL

here=$(dirname "$0")
dir=$(mktemp -d "${TMPDIR:-/tmp}/tlbtag-regress.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM
passed=0
failed=0

# What a "# WORD: ..." line of a story says.
says() {
	sed -n "s/^# $2: //p" "$1"
}

# key=value: a policy's flushes, a reason of a policy's, or any other number.
holds() {
	key=${1%%=*}
	case $key in
	policies.*) path=traces.0.$key ;;
	kvm | rfc-* | xen | bhyve | nvmm | tlbtag* | needed*) path=traces.0.policies.$key.flushes ;;
	*) path=traces.0.$key ;;
	esac
	found=$(sed -n "s/^$path //p" "$dir/flat")
	[ "$found" = "${1#*=}" ] || echo "$key is '$found', not '${1#*=}'"
}

# Prints what is wrong with a story.
judge() {
	options=$(says "$1" options)
	case $1 in
	*.events) options="--events $options" ;;
	esac
	# shellcheck disable=SC2086
	"$TLBTAG" replay --json $options "$1" >"$dir/out" 2>"$dir/err" </dev/null
	status=$?
	refusal=$(says "$1" refused)
	if [ -n "$refusal" ]; then
		[ "$status" -eq 2 ] && grep -qF -e "$refusal" "$dir/err" && [ ! -s "$dir/out" ] ||
			echo "not refused with '$refusal', but $status: $(cat "$dir/err")"
		return
	fi
	[ "$status" -eq 0 ] || echo "exit status $status: $(cat "$dir/err")"
	awk -f "$here/flatten.awk" "$dir/out" >"$dir/flat" || cat "$dir/flat"
	awk -f "$here/sums.awk" "$dir/flat"
	[ -n "$(says "$1" expect)" ] || echo 'no "# expect:" or "# refused:"'
	for expected in $(says "$1" expect); do
		holds "$expected"
	done
	missing=$(says "$1" missing)
	grep '^traces\.0\.missing' "$dir/flat" | grep -qF -e "$missing" ||
		echo "does not say that '$missing' is missing"
}

for story in "$here"/regress/*.events "$here"/regress/*.trace; do
	judge "$story" >"$dir/wrong"
	if [ -s "$dir/wrong" ]; then
		failed=$((failed + 1))
		echo "FAIL  ${story##*/}"
		sed 's/^/      /' "$dir/wrong"
	else
		passed=$((passed + 1))
		echo "ok    ${story##*/}"
	fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
