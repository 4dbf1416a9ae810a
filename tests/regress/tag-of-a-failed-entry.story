# tlbtag story 1
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# An entry that the hardware refused had left its tag in the control block, and the
# short cut of the next entry, of another L2 context, took it for its own: the
# record said what the latest entry that was taken had.
# expect: fine
config vendor=amd contexts=2 tags=8 cpus=1 vms=1 vcpus=1 speculation=never
enter vm=0 vcpu=0 cpu=0
vmrun vm=0 vcpu=0 asid=2 root=0 control=0
touch vm=0 vcpu=0
vmexit vm=0 vcpu=0
vmrun vm=0 vcpu=0 asid=1 root=0 control=0
touch vm=0 vcpu=0
vmexit vm=0 vcpu=0
vmrun-fails vm=0 vcpu=0 asid=2 root=0 control=0
leave vm=0 vcpu=0
enter vm=0 vcpu=0 cpu=0
vmrun vm=0 vcpu=0 asid=1 root=0 control=0
settle
