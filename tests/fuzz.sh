#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The corpus of sept_fuzz has an input for each rule of private memory, which that
# fuzzer does not survive with the rule switched off.
set -u
LC_ALL=C
export LC_ALL

here=$(dirname "$0")
dir=$(mktemp -d "${TMPDIR:-/tmp}/tlbtag-fuzz.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM
. "$here/command"
fuzzer=$BUILD/corpus/sept_fuzz
corpus=$here/../fuzz/corpus/sept
ulimit -c 0

# dies RULE: by a signal, or by a sanitizer's report of one
dies() {
	"$fuzzer" --without "$1" "$corpus" >"$dir/out" 2>&1
	status=$?
	[ $status -gt 2 ] || {
		echo "exit status $status"
		return 1
	}
	tail -n 1 "$dir/out"
}

refuses_nonsense() {
	! "$fuzzer" --without NONSENSE "$corpus" && "$fuzzer" "$corpus"
}

check 'without a rule that is none nothing runs' refuses_nonsense
sed -n '/^#define TLBTAG_SEPT_RULES/,/[^\\]$/s/^\tX(\([A-Z_]*\),.*/\1/p' \
	"$here/../include/tlbtag/rules.h" >"$dir/rules"
check 'rules.h has rules of private memory' test "$(wc -l <"$dir/rules")" -gt 20
while read -r rule; do
	check "noticed without $rule" dies "$rule"
done <"$dir/rules"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
