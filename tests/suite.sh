#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# ci/suite: a step that cannot be run is neither passed nor failed, but named.
set -u

passed=0
failed=0

# check WHAT STATUS TEXT ARGUMENT...: ci/suite's exit status, and a line of it
check() {
	what=$1
	wanted=$2
	text=$3
	shift 3
	output=$(ci/suite "$@")
	status=$?
	if [ "$status" -eq "$wanted" ] && echo "$output" | grep -qxF -- "$text"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAIL $what: status $status"
		echo "$output"
	fi
}

skip='echo not here; exit 77'
check 'a skip is not a pass' 0 '1 passed, 0 failed' -1 "$skip" -s true
check 'a skip is counted' 0 'skipped, 2:' -1 "$skip" -s "$skip"
check 'its reason is told' 0 "  $skip: not here" -1 "$skip"
check 'a skip hides no failure' 1 '0 passed, 1 failed' -1 "$skip" -1 false
check 'nothing to run is a failure' 1 '0 passed, 1 failed'

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
