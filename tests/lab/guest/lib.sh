# SPDX-License-Identifier: Apache-2.0
#
# What a lab test's guest part can use; runs in the guest's initramfs. Results go
# to /dev/console and, so that the host can judge, one a line as "guest: ok ITEM"
# or "guest: not ok ITEM"; the host wants "guest: done" at the end and no "not ok".

say() { echo "guest: $*"; }

# check ITEM COMMAND...: one result.
check() {
	local item=$1
	shift
	if "$@" >/tmp/out 2>&1; then
		say "ok $item"
	else
		say "not ok $item ($*): $(tail -n 3 /tmp/out | tr '\n' ' ')"
	fi
}

# net ADDRESS/BITS: bring up the first network interface.
net() {
	ip link set lo up
	ip addr add "$1" dev eth0
	ip link set eth0 up
}

# disk SERIAL: the device of the disk with this serial number.
disk() {
	local d
	for d in /sys/block/vd*; do
		if [ "$(cat "$d/serial")" = "$1" ]; then
			echo "/dev/${d##*/}"
			return 0
		fi
	done
	return 1
}

# tools: the host's tools_disk; its programs are in /tools/bin. By their path:
# busybox takes its own otherwise.
tools() {
	mkdir -p /tools
	mount -t ext4 -o ro "$(disk tools)" /tools
}

# virtio_of DEVICE_ID: the sysfs folder of the first virtio device of a kind.
virtio_of() {
	local d
	for d in /sys/bus/virtio/devices/*; do
		if [ "$(($(cat "$d/device")))" = "$1" ]; then
			echo "$d"
			return 0
		fi
	done
	return 1
}

# feature DIR BIT: prints 0 or 1 (negotiated features, as sysfs shows them).
feature() { cut -c $(($2 + 1)) "$1/features"; }

# A stock kernel that finds the machine in order says none of these.
dmesg_clean() {
	! dmesg | grep -iE \
'ACPI.*(error|exception|fail|invalid|warning)|\[Firmware (Bug|Warn)|virtio.*(error|fail|not ready|bad)|pci.*(error|fail|can.t|invalid|conflict)|BUG:|WARNING:|Oops:|Call Trace|rcu.*stall|blk_update_request|I/O error|unchecked MSR|no longer affine|irq [0-9]*: nobody'
}

cpus() { [ "$(nproc)" = "$1" ]; }

# memory MIB: MemTotal is within a tenth and 64 MiB of what was asked for.
memory() {
	local kb
	kb=$(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo)
	echo "MemTotal $kb kB"
	[ "$kb" -le $(($1 * 1024)) ] && [ "$kb" -ge $(($1 * 1024 - $1 * 1024 / 10 - 65536)) ]
}

# pattern MIB: that many MiB, no two 4 KiB blocks alike in most of it.
pattern() {
	local i=0
	[ -e /tmp/block ] || dd if=/dev/urandom of=/tmp/block bs=65536 count=16 2>/dev/null
	while [ "$i" -lt "$1" ]; do
		printf '%08d' "$i"
		tail -c +9 /tmp/block
		i=$((i + 1))
	done
}

# ring_kind DEVICE_ID PACKED: the driver negotiated what the device was told to
# offer (VIRTIO_F_RING_PACKED is bit 34).
ring_kind() {
	local d
	d=$(virtio_of "$1") || { echo "no virtio device $1"; return 1; }
	cat "$d/features"
	[ "$(feature "$d" 34)" = "$2" ]
}

disk_sum() { dd if="$1" bs=1M count="$2" 2>/dev/null | sha256sum; }

# disk_keeps DEVICE MIB: written, read back past the page cache, the same.
disk_keeps() {
	local sum
	pattern "$2" >/tmp/pattern
	sum=$(sha256sum </tmp/pattern)
	dd if=/tmp/pattern of="$1" bs=1M conv=fsync 2>/dev/null || return 1
	rm /tmp/pattern
	echo 3 >/proc/sys/vm/drop_caches
	[ "$(disk_sum "$1" "$2")" = "$sum" ]
}

entropy() {
	grep -q virtio /sys/class/misc/hw_random/rng_current || return 1
	dd if=/dev/hwrng of=/tmp/entropy bs=512 count=8 2>/dev/null
	# 4 KiB of noise hold nearly every byte value; of a constant, one.
	[ "$(od -An -v -tx1 -w1 /tmp/entropy | sort -u | wc -l)" -gt 200 ]
}

pings() { ping -c 3 -W 10 "$1"; }

# word NAME: the value of NAME=value on the kernel command line.
word() { sed -n "s/.*\b$1=\([^ ]*\).*/\1/p" /proc/cmdline; }

# devices PACKED: block, net, rng and console are there and work.
devices() {
	check "net negotiated packed=$1" ring_kind 1 "$1"
	check "block negotiated packed=$1" ring_kind 2 "$1"
	check "console negotiated packed=$1" ring_kind 3 "$1"
	check "rng negotiated packed=$1" ring_kind 4 "$1"
	check "disk keeps 8 MiB" disk_keeps /dev/vda 8
	check "hwrng gives entropy" entropy
	net "$(word guest_ip)/24"
	check "ping the host" pings "$(word host_ip)"
	check "dmesg is clean" dmesg_clean
}

run_test() {
	mkdir -p /tmp
	mount -t tmpfs tmp /tmp
	exec </dev/null >/dev/console 2>&1
	. "/tests/$1.sh"
	guest
	say "done"
	sync
	[ "$poweroff" = no ] || poweroff -f
	while :; do sleep 60; done
}
