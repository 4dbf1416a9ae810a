#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The README's example is doc/example.c, builds as it says, and prints what it says.
set -eu
passed=0
failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

check() {
	if "$@" >"$work/log" 2>&1; then
		passed=$((passed + 1))
		echo "ok   $name"
	else
		failed=$((failed + 1))
		echo "FAIL $name"
		head -20 "$work/log"
	fi
}

# The code blocks of the README, by number, without their fences.
block() { awk -v want="$1" '/^```/ { inside = !inside; number += inside; next } inside && number == want' README.md; }

block 2 >"$work/snippet"
sed -n '/^static void run/,/^}/p' doc/example.c >"$work/in_example"
name=readme_snippet_is_from_the_example
check diff -u "$work/in_example" "$work/snippet"

"${CC:-cc}" -Iinclude -Iport/posix doc/example.c lib/*.c port/posix/port.c -o "$work/example"
"$work/example" >"$work/output"
block 3 >"$work/promised"
name=readme_example_prints_what_it_says
check diff -u "$work/promised" "$work/output"

# The table without its last column, whose width depends on the reasons.
"$TLBTAG" replay data/sample.trace.gz | sed '1d' | cut -c1-88 | sed 's/ *$//' | grep -v '^$' >"$work/table"
block 4 | cut -c1-88 | sed 's/ *$//' | grep -v '^$' >"$work/table_promised"
name=readme_table_is_what_the_sample_gives
check diff -u "$work/table_promised" "$work/table"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
