# tlbtag story 1
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A shadow root was in sync for the context that had filled it, and another
# context, which had never run with the old tables, took it over as it was: it saw
# a table that L1 had changed before that context's first look. Bare hardware
# could only have shown the new one. Rule ROOT_CONTEXT since.
# expect: fine
# needs: ROOT_CONTEXT
config vendor=amd flush_by_asid=1 contexts=2 tags=5 cpus=1 vms=1 vcpus=1 speculation=never
enter vm=0 vcpu=0 cpu=0
vmrun vm=0 vcpu=0 asid=1 root=0 control=0
vmexit vm=0 vcpu=0
vmrun vm=0 vcpu=0 asid=2 root=0 control=1
touch vm=0 vcpu=0
vmexit vm=0 vcpu=0
nested-map vm=0 vcpu=0 root=0 n2fn=0 to=0
vmrun vm=0 vcpu=0 asid=1 root=0 control=0
