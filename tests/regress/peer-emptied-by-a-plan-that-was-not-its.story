# tlbtag story 1
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The model hypervisor ran another policy's plan, and the library went on as if its
# own had flushed every tag of the CPU: what the MMU had asked for was lost.
# expect: fine
config vendor=amd flush_by_asid=0 invlpga_broken=1 contexts=1 tags=2 cpus=1 vms=1 vcpus=2 speculation=never policy=generations
enter vm=0 vcpu=0 cpu=0
write vm=0 vcpu=0 page=0
enter vm=0 vcpu=1 cpu=0
migrate vm=0 gfn=0 by=0
enter vm=0 vcpu=0 cpu=0
