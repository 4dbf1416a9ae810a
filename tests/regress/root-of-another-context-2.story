# tlbtag story 1
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The same with two roots and L1's edit made by another vCPU: the context had run
# before, but with another root.
# expect: fine
# needs: ROOT_CONTEXT
config vendor=amd flush_by_asid=1 contexts=2 tags=5 cpus=1 vms=1 vcpus=2 speculation=never
enter vm=0 vcpu=0 cpu=0
nested-map vm=0 vcpu=0 root=0 n2fn=0 to=0
vmrun vm=0 vcpu=0 asid=1 root=0 control=0
touch vm=0 vcpu=0
vmrun vm=0 vcpu=0 asid=2 root=1 control=0
write vm=0 vcpu=0 page=0
enter vm=0 vcpu=1 cpu=0
nested-map vm=0 vcpu=1 root=1 n2fn=0 to=0
enter vm=0 vcpu=0 cpu=0
vmexit vm=0 vcpu=0
vmrun vm=0 vcpu=0 asid=1 root=1 control=0
