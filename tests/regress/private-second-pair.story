# tlbtag private story 1
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A DEMOTE that is busy, of a mapping whose new table is its region's first use: the
# third version of Linux' patches took a second pair then, from a cache that had none.
# expect: fine
# needs: SEPT_RETRY
config cache=1 contended=1 restless=1 vms=1 vcpus=1
create vm=0
fault vm=0 vcpu=0 slot=0
enter vm=0 vcpu=0
split vm=0 slot=0
settle
