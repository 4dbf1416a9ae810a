# tlbtag private story 1
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A pair whose removal failed: the next use needs no PAMT.ADD, which would fail.
# expect: fine
# needs: PAMT_STUCK
config vms=1 vcpus=1
create vm=0
refuse call=3 how=1
destroy vm=0
create vm=0
fault vm=0 vcpu=0 slot=0
settle
