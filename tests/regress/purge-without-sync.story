# tlbtag story 1
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Under shadow paging a flush for the MMU purged the Hyper-V queue of the vCPU: it
# covered the TLB, but not the shadow roots, from which the address had to go too.
# expect: fine
# needs: QUEUE_COVERED
config vendor=amd l0_nested_paging=0 l1_nested_paging=0 contexts=1 tags=1 cpus=1 vms=1 vcpus=2 speculation=never
enter vm=0 vcpu=1 cpu=0
touch vm=0 vcpu=1
enter vm=0 vcpu=0 cpu=0
hv-map vm=0 vcpu=0 other=1 page=0 target=0
protect vm=0 gfn=13 by=2
enter vm=0 vcpu=1 cpu=0
settle
