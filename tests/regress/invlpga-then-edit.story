# tlbtag story 1
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# INVLPGA of an address of an L2 that does not run: nothing can be cached again
# before the next VMRUN, so what L1 writes after the INVLPGA must be seen. To sync
# the shadow entry at the INVLPGA is not enough.
# expect: fine
# needs: INVLPGA_DROP
config vendor=amd flush_by_asid=1 l0_nested_paging=0 l1_nested_paging=0 contexts=1 tags=1 cpus=1 vms=1 vcpus=1 speculation=never
enter vm=0 vcpu=0 cpu=0
vmrun vm=0 vcpu=0 asid=1 root=0 control=0
read vm=0 vcpu=0 page=0
vmexit vm=0 vcpu=0
invlpga vm=0 vcpu=0 page=0 asid=1
l2-map vm=0 vcpu=0 page=0 target=0 asid=0
vmrun vm=0 vcpu=0 asid=1 root=0 control=0
