#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# doc/INVARIANTS.md is what ci/invariants makes of the tree, and what is stated
# but not kept, not guarded or not consulted does not go unnoticed.
set -u
LC_ALL=C
export LC_ALL

here=$(dirname "$0")/..
work=$(mktemp -d "${TMPDIR:-/tmp}/tlbtag-invariants.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
passed=0
failed=0

check() {
	if [ "$2" = "$3" ]; then
		passed=$((passed + 1))
		echo "ok   $1"
	else
		failed=$((failed + 1))
		echo "FAIL $1: $2 and $3"
		cat "$work/err"
	fi
}

# A fresh copy with file @2 edited by the sed script @3 must be refused with @4.
refused() {
	rm -rf "$work/tree"
	mkdir -p "$work/tree/tests" "$work/tree/doc"
	cp -R "$here/include" "$here/lib" "$here/ci" "$work/tree"
	cp "$here"/tests/*_test.c "$work/tree/tests"
	cp "$here/doc/INVARIANTS.md" "$work/tree/doc"
	sed "$3" "$here/$2" >"$work/edited"
	if cmp -s "$work/edited" "$here/$2"; then
		check "$1: the edit took place" no yes
		return
	fi
	cp "$work/edited" "$work/tree/$2"
	"$work/tree/ci/invariants" --check >"$work/out" 2>"$work/err"
	check "$1: exit status" "$?" 1
	check "$1: what is wrong" "$(grep -cF -e "$4" "$work/err")" 1
}

"$here/ci/invariants" --check >"$work/out" 2>"$work/err"
check "the tree is as it should be, and doc/INVARIANTS.md up to date" "$?" 0

refused "an invariant that nothing keeps" lib/owner.c 's/ O1: / /' \
	'include/tlbtag/owner.h:16: no "O1: ..." in lib/ says how invariant O1 is kept'
refused "an invariant that no test guards" tests/vmx_test.c 's/\(Guards .*\)X4[,.]/\1X5./' \
	'no test guards invariant X4'
refused "an invariant that is not stated" lib/nested.c 's/ N1: / N9: /' \
	'N9 is kept, but no header states it'
refused "a guard of something unknown" tests/ctx_test.c 's/Guards C1\./Guards C7./' \
	'C7 is guarded, but no header states it'
refused "a rule that is not consulted" lib/vcpu.c 's/ && !*TLBTAG_RULE(SYNC_GUEST_FLUSH)//; s/ || !TLBTAG_RULE(SYNC_GUEST_FLUSH)//' \
	'lib/ does not consult TLBTAG_RULE(SYNC_GUEST_FLUSH)'
refused "a rule that no test switches off" tests/rules_test.c 's/TLBTAG_RULE_RESET/TLBTAG_RULE_PV_L1/' \
	'no test switches rule RESET off'
refused "a document of yesterday" doc/INVARIANTS.md 's/holder/owner/' \
	'doc/INVARIANTS.md is not what `make invariants` writes'

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
