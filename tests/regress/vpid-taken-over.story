# tlbtag story 1
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# expect: fine
# needs: SHARED_BORROWED
# L2 took the VM's shared VPID over for its vCPU and flushed its own EPT root alone;
# L1 of the same vCPU then found what another vCPU's L1 had left under the VPID.
config vendor=intel shared_tag=1 tags=1 contexts=1 cpus=2 vms=1 vcpus=2 speculation=never
enter vm=0 vcpu=0 cpu=0
touch vm=0 vcpu=0
enter vm=0 vcpu=1 cpu=1
vmlaunch vm=0 vcpu=1 vpid=1 root=0
enter vm=0 vcpu=1 cpu=0
enter vm=0 vcpu=0 cpu=1
enter vm=0 vcpu=1 cpu=1
vmexit vm=0 vcpu=1
settle
