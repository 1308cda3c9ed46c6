# SPDX-License-Identifier: Apache-2.0
# about: an ordinary user with a right to /dev/kvm boots a guest, workers still confined
# vcpus: 1
# memory: 512M
# seconds: 120

# As root this test becomes nobody for the VM; the disk and the logs are its own.
host() {
	data_disk data.img 16
	programs=$BULKHEAD
	if [ "$(id -u)" = 0 ]; then
		: >console.log
		: >serial.log
		chmod 755 .
		chown 65534 . data.img console.log serial.log
		chmod 666 /dev/kvm
		mkdir as-user
		# A part of the hierarchy is that user's, as by Delegate= of a systemd unit.
		groups=/sys/fs/cgroup/delegated
		mkdir $groups
		for c in memory pids cpu io; do echo +$c >/sys/fs/cgroup/cgroup.subtree_control; done
		chown 65534 $groups $groups/cgroup.procs $groups/cgroup.subtree_control
		cat >as-user/bulkhead <<-END
			#!/bin/sh
			echo \$\$ >$groups/cgroup.procs
			exec su -s /bin/sh nobody -c 'exec "\$0" "\$@"' -- $programs/bulkhead "\$@"
		END
		chmod 755 as-user as-user/bulkhead
		BULKHEAD=$PWD/as-user
	fi
	vm_start --disk path=data.img --rng src=/dev/urandom
	vm_says "guest: ok disk" || return
	expect "the VM is not root's" grep -q 'Uid:.[1-9]' "/proc/$(cat vmm.pid)/status"
	for name in vcpu blk rng console; do
		pid=$(pidof bulkhead-$name)
		pid=${pid%% *}
		expect "$name is there" [ -n "$pid" ]
		expect "$name: no capabilities" grep -q 'CapPrm:.0000000000000000' "/proc/$pid/status"
		expect "$name: seccomp filter" grep -q 'Seccomp:.2' "/proc/$pid/status"
		expect "$name: not root" grep -q 'Uid:.[1-9]' "/proc/$pid/status"
		for ns in user net mnt pid; do
			expect "$name: a $ns namespace of its own" \
				[ "$(readlink "/proc/$pid/ns/$ns")" != "$(readlink /proc/self/ns/$ns)" ]
		done
	done
	if [ -n "${groups:-}" ]; then
		for name in vcpu:1032 blk:64 rng:4 console:4; do
			expect "${name%:*}: a cgroup of its own, with a limit of tasks" \
				[ "$(cat $groups/bulkhead-*/"${name%:*}"-*/pids.max)" = "${name#*:}" ]
		done
		expect "memory of all is limited, above the guest's" \
			[ "$(cat $groups/bulkhead-*/memory.max)" -gt $((512 << 20)) ]
	fi
	vm_wait
	[ -z "${groups:-}" ] || expect "no cgroup is left but where it was" \
		[ "$(cd $groups && echo */)" = bulkhead/ ]
	judge
}

guest() {
	check disk disk_keeps /dev/vda 8
	check entropy entropy
	sleep 5
	check "dmesg is clean" dmesg_clean
}
