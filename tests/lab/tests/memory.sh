# SPDX-License-Identifier: Apache-2.0
# about: memory comes to a stock guest by ACPI, a GiB at a time, and goes back to the host
# full: 50 times, while the guest writes
# vcpus: 2
# memory: 1536M
# seconds: 300
# run: all

ctl() { "$BULKHEAD/bulkheadctl" --api-socket api "$@"; }

# What the guest said last, in blocks of 128 MiB.
has() { tr -d '\r' <console.log | sed -n 's/.*guest: blocks \([0-9]*\)$/\1/p' | tail -n 1; }

# How it comes; memory-virtio.sh has the other.
method=acpi

# KiB of what came that the host gives.
backed() {
	local f sum=0
	for f in /proc/"$(cat vmm.pid)"/fd/*; do
		case $(readlink "$f") in
		/memfd:bulkhead-ram-dimm* | /memfd:bulkhead-ram-hot*) sum=$((sum + $(stat -L -c %b "$f") / 2)) ;;
		esac
	done
	echo $sum
}

# to BYTES BLOCKS: asked for, and there.
to() {
	until ctl resize --memory "$1" 2>error; do
		if ! grep -q 'still asked' error || [ "$(now)" -ge "$deadline" ]; then
			fail "resize to $1: $(cat error)"
			return 1
		fi
		sleep 0.2
	done
	until [ "$(has)" = "$2" ]; do
		if [ -e vmm.status ] || [ "$(now)" -ge "$deadline" ]; then
			fail "the guest has $(has) blocks, not $2"
			return 1
		fi
		sleep 0.1
	done
}

host() {
	times=1
	cmdline=memhp_default_state=online_movable
	[ -z "$FULL" ] || times=50 cmdline+=" writes"
	memory=512M,hotplug_method=$method,hotplug_size=2G
	vm_start --api-socket api
	vm_says "guest: blocks 4" || return
	n=0
	while [ $n -lt $times ]; do
		begin=$(now)
		to 1536M 12 || break
		echo "# 1 GiB after $(($(now) - begin)) s, the host gives $(backed) KiB"
		to 512M 4 || break
		until [ "$(backed)" = 0 ]; do
			[ "$(now)" -lt "$deadline" ] || { fail "$(backed) KiB stay"; break 2; }
			sleep 0.2
		done
		n=$((n + 1))
	done
	echo "# $n times"
	ctl power-button
	vm_wait
	judge
}

guest() {
	event=$(grep -A 4 'Power Button' /proc/bus/input/devices |
		sed -n 's/^H: .*\(event[0-9]*\).*/\1/p' | head -n 1)
	dd if="/dev/input/$event" of=/tmp/key bs=24 count=1 2>/dev/null &
	button=$!
	if grep -qw writes /proc/cmdline; then
		while dd if=/dev/zero of=/tmp/written bs=1M count=100 2>/dev/null; do sleep 1; done &
		writer=$!
	fi
	last=
	while kill -0 $button 2>/dev/null; do
		n=$(cat /sys/devices/system/memory/memory*/online 2>/dev/null | grep -c 1)
		[ "$n" = "$last" ] || say "blocks $n"
		last=$n
		sleep 0.2
	done
	[ -z "${writer:-}" ] || kill "$writer"
	check "MemTotal is what it was" [ "$(sed -n 's/MemTotal: *\([0-9]*\).*/\1/p' /proc/meminfo)" -lt 530000 ]
	check "dmesg is clean" dmesg_clean
}
