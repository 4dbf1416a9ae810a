# tlbtag private story 1
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# DEMOTE fails, and UNBLOCK as well: the VM is given up, and nothing of it is lost.
# expect: fine
# needs: SPLIT_PUT
config vms=1 vcpus=1
create vm=0
fault vm=0 vcpu=0 slot=0
refuse call=0 how=1
refuse call=1 how=1
split vm=0 slot=0
enter vm=0 vcpu=0
settle
