# tlbtag story 1
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A flush of every tag served a vCPU that had run since by the short cut, which was not
# on record: what it had cached by then stayed (found before it was ever committed).
# expect: fine
config vendor=amd flush_by_asid=0 tags=8 cpus=1 vms=1 vcpus=2 speculation=never
enter vm=0 vcpu=0 cpu=0
touch vm=0 vcpu=0
enter vm=0 vcpu=1 cpu=0
enter vm=0 vcpu=0 cpu=0
touch vm=0 vcpu=0
unmap vm=0 gfn=12 by=2
enter vm=0 vcpu=0 cpu=0
settle
