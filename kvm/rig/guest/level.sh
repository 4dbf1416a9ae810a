# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=sh
# What L1 and L2 run: the next level (rig.go=boot), or selftests.
. /rig/lib.sh
RIG_moddir=
RIG_amd=
load_kvm || exit 1
if [ "$RIG_go" = boot ]; then
	LX_MEM=384M LX_SMP=1 boot_linux "rig.tests=$RIG_tests" ${RIG_l2_npt:+rig.npt=$RIG_l2_npt}
else
	run_tests "$RIG_tests"
fi
