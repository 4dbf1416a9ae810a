# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=sh
# Sourced by the scripts that run in L0, L1 and L2. /host is the machine's root
# (read-only); in L0 /out takes what is to be kept.

rig() { echo "RIG[$RIG_level] $*"; }
words() { echo "$*" | tr ',' ' '; }
now() { cut -d' ' -f1 /proc/uptime; }
since() { awk "BEGIN { printf \"%.1f\", $(now) - $1 }"; }

# Load KVM from RIG_moddir, or the stock modules.
load_kvm() {
	moddir=${RIG_moddir:-/mod}
	insmod /mod/irqbypass.ko 2>/dev/null
	insmod /mod/ccp.ko 2>/dev/null
	# shellcheck disable=SC2046 # lists of words
	insmod "$moddir/kvm.ko" &&
		insmod "$moddir/kvm-amd.ko" nested=1 "npt=${RIG_npt:-1}" $(words "$RIG_amd") ||
		return 1
	dmesg | grep -E 'kvm_amd: TLB tags' | tail -n 1
}

unload_kvm() { rmmod kvm_amd kvm; }

test_dir() { if [ -d /tests ]; then echo /tests; else echo "/host$RIG_dir/tests"; fi; }

# Run selftests, one line each: T LEVEL RESULT NAME SECONDS. 1 if one failed.
run_tests() {
	bad=0
	for name in $(words "$@"); do
		start=$(now)
		timeout "${RIG_test_timeout:-120}" "$(test_dir)/$name" >"/tmp/$name.log" 2>&1
		case $? in
		0) result=pass ;;
		4) result=skip ;;
		124 | 143) result=hang bad=1 ;;
		*) result=fail bad=1 ;;
		esac
		echo "T $RIG_level $result $name $(since "$start")"
		sed -n "s/^I /I $RIG_level /p" "/tmp/$name.log"
		case $result in
		fail | hang) tail -n 2 "/tmp/$name.log" ;;
		esac
	done
	return $bad
}

# What does the level above do that does not end?
where_is() {
	rig "$up does not end"
	cat /host/var/tmp/monitor.out >/tmp/monitor &
	cat=$!
	for second in 1 2 3; do
		echo "RIG[$RIG_level] second $second, exits $(cat /sys/kernel/debug/kvm/exits)"
		echo 'info registers -a' >/host/var/tmp/monitor.in
		sleep 1
	done
	kill $cat
	grep -E '^(CPU#|[RE][IS]P=|[RE]AX=|CR0=|GS |EFER=)' /tmp/monitor | sed 's/^/WHERE /'
}

# Boot Linux one level up and wait for its end. The arguments are words for its
# command line. LX_SMP, LX_MEM; LX_P9=1: it gets the machine's root, to go on.
boot_linux() {
	case $RIG_level in L0) up=L1 ;; *) up=L2 ;; esac
	for dir in dev proc sys; do
		mount --bind "/$dir" "/host/$dir"
	done
	mount -t tmpfs tmp /host/var/tmp
	root=
	if [ "$LX_P9" = 1 ]; then
		root="-fsdev local,id=h,path=/,security_model=none,readonly=on,multidevs=remap"
		root="$root -device virtio-9p-pci,fsdev=h,mount_tag=host"
		set -- "$@" rig.p9=1
	fi
	: >"/tmp/$up.console"
	mkfifo /host/var/tmp/monitor.in /host/var/tmp/monitor.out
	start=$(now)
	# Each level has less time than the one below, which can then say that it hung.
	limit=${LX_LIMIT:-$((${RIG_limit:-660} - 60 - ${start%.*}))}
	# shellcheck disable=SC2086 # lists of words
	chroot /host env PATH=/usr/bin:/bin TMPDIR=/var/tmp qemu-system-x86_64 -accel kvm \
		-machine q35 -cpu host -smp "${LX_SMP:-1}" -m "${LX_MEM:-768M}" -nodefaults \
		-no-user-config -display none -no-reboot -serial stdio \
		-chardev pipe,id=monitor,path=/var/tmp/monitor -mon monitor \
		-kernel "$RIG_dir/kernel/boot/vmlinuz-$RIG_krel" -initrd "$RIG_l1img" \
		-append "console=ttyS0 loglevel=4 mitigations=off nokaslr tsc=reliable no_timer_check oops=panic panic=-1 reboot=t rig.level=$up rig.limit=$limit rig.run=/rig/level.sh rig.dir=$RIG_dir rig.krel=$RIG_krel rig.l1img=$RIG_l1img $*" \
		$root </dev/null >"/tmp/$up.console" 2>&1 &
	qemu=$!
	tail -f "/tmp/$up.console" &
	tail=$!
	while [ -d "/proc/$qemu" ] && [ "$limit" -gt 0 ]; do
		sleep 1
		limit=$((limit - 1))
	done
	[ "$limit" -gt 0 ] || where_is
	kill "$qemu" 2>/dev/null
	wait "$qemu"
	sleep 1
	kill "$tail"
	for dir in var/tmp sys proc dev; do
		umount "/host/$dir"
	done
	rig "$up ended after $(since "$start")"
	grep -q "^RIG\[$up\] rc=0" "/tmp/$up.console"
}

# L1 boots L2, and both run selftests.
boot_two_levels() {
	LX_P9=1 LX_SMP=${RIG_l1_smp:-2} LX_MEM=1G boot_linux rig.go=boot \
		"rig.tests=${RIG_tests:-svm_vmcall_test,state_test}" \
		${RIG_l1_npt:+rig.npt=$RIG_l1_npt} ${RIG_l2_npt:+rig.l2_npt=$RIG_l2_npt}
}

# The counters of the reworked modules that are not 0: K NAME COUNT.
counters() {
	for file in /sys/kernel/debug/kvm/tlbtag_*; do
		[ ! -e "$file" ] || [ "$(cat "$file")" = 0 ] || echo "K ${file##*/tlbtag_} $(cat "$file")"
	done
}

# The end of every script of L0: can the modules go, was a tag left behind, and
# what did the kernel complain about? W COUNT, then the complaints.
finish() {
	status=$1
	counters
	unload_kvm || { echo "F unload"; status=1; }
	dmesg | grep -q 'never given back' && { echo "F leak"; status=1; }
	dmesg | grep -E 'WARNING:|BUG:|Oops|tlbtag:' >/tmp/warnings
	echo "W $(wc -l </tmp/warnings)"
	cat /tmp/warnings
	exit "$status"
}
