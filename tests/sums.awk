# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Reads what flatten.awk writes of `tlbtag replay --json` and says which sums
# do not add up, and where the library is below its bound. Without FLUSHBYASID that
# is none: one flush serves several contexts.

{ value[$1] = $2 }

/\.by_reason\.[a-z0-9-]+ / {
	owner = $1
	sub(/\.by_reason\..*/, "", owner)
	reasons[owner] += $2
}

/\.policies\.[a-z0-9-]+\.flushes / {
	owner = $1
	sub(/\.flushes$/, "", owner)
	flushes[owner] = $2
	policies++
}

/\.vm_entries / {
	owner = $1
	sub(/\.vm_entries$/, "", owner)
	traces[owner] = 1
}

function pair(trace, ours, bound)
{
	ours = trace ".policies." ours
	bound = trace ".policies." bound
	if (ours in flushes && bound in flushes && flushes[ours] < flushes[bound])
		print ours ": " flushes[ours] " below " bound ": " flushes[bound]
}

END {
	if (!policies)
		print "no policy"
	for (owner in flushes)
		if (reasons[owner] + 0 != flushes[owner])
			print owner ": " reasons[owner] + 0 " by reason, not " flushes[owner]
	for (trace in traces) {
		entries = value[trace ".vm_entries"]
		if (value[trace ".l1_entries"] + value[trace ".l2_entries"] != entries)
			print trace ": levels do not add up"
		recorded = value[trace ".recorded.flushes"]
		if (recorded != "null" && reasons[trace ".recorded"] + 0 != recorded)
			print trace ": recorded flushes do not add up"
		agreement = value[trace ".policies.kvm.agreement"]
		if (agreement != "" && (agreement < 0 || agreement > 1))
			print trace ": agreement " agreement
		for (owner in flushes)
			if (index(owner, trace ".") == 1 && flushes[owner] > entries)
				print owner ": more flushes than entries"
		if (value[trace ".hardware.flushbyasid"] != "false") {
			pair(trace, "tlbtag", "needed")
			pair(trace, "tlbtag-k1", "needed-k1")
		}
		pair(trace, "needed-k1", "needed")
	}
}
