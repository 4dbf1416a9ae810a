# tlbtag private story 1
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Two walkers under the shared MMU lock see a kit in the cache; the second finds none.
# expect: fine
# needs: PAGES_RECHECK
config cache=1 vms=1 vcpus=1
create vm=0
fault vm=0 vcpu=0 slot=0
fault vm=0 vcpu=0 slot=1
split-eagerly vm=0 slot=0 steps=12
split-eagerly vm=0 slot=1
run vm=0 agent=3
settle
