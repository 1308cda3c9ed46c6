# SPDX-License-Identifier: Apache-2.0
#
# What a lab test's host part can use: starts a VM, waits, judges. Sourced by
# tests/lab/suite in a fresh folder for each test, in the lab (busybox) or on a
# host that can run stock guests. Sets nothing outside that folder.
#
# Set by the suite: name, vcpus, memory, GUEST (folder of the artefacts),
# BULKHEAD (folder of the programs), seconds.
kernel=vmlinuz		# or vmlinux: the PVH ELF
cmdline=		# more words for the guest's kernel
console_options=	# ",packed=on"
typing=			# yes: the console is a terminal, on which what goes into the
			# pipe "typed" is typed
failures=0

fail() {
	echo "# $*"
	failures=$((failures + 1))
}

# expect ITEM COMMAND...
expect() {
	local item=$1
	shift
	"$@" || fail "$item"
}

# vm_start OPTION...: in the background; console.log, serial.log, vmm.log.
vm_start() {
	rm -f vmm.status
	: >console.log
	: >serial.log
	[ -z "$typing" ] || [ -p typed ] || mkfifo typed
	{
		exec 3>vmm.log 4>&3
		[ -z "$typing" ] || exec <>typed 4>>console.log
		sh -c 'echo $$ >vmm.pid; exec "$@"' vmm "$BULKHEAD/bulkhead" \
			--kernel "$GUEST/$kernel" --initramfs "$GUEST/initramfs.cpio" \
			--cmdline "console=ttyS0 console=hvc0 quiet panic=0 test=$name $cmdline" \
			--cpus "boot=$vcpus" --memory "size=$memory" \
			--console "$([ -n "$typing" ] && echo tty || echo file=console.log)$console_options" \
			--serial file=serial.log "$@" >&4 2>&3 3>&- 4>&-
		echo $? >vmm.status
	} &
	while [ ! -s vmm.pid ]; do sleep 0.1; done
}

# vm_says TEXT: wait until the guest has said it on either console; fails when
# the VM ends or the time is up first.
vm_says() {
	until grep -qF "$1" console.log serial.log; do
		if [ -e vmm.status ] || [ "$(now)" -ge "$deadline" ]; then
			grep -qF "$1" console.log serial.log && return 0
			fail "the guest did not say: $1"
			return 1
		fi
		sleep 0.2
	done
}

now() { date +%s; }

# vm_wait: until the VM has ended or its time is up; vm_status then is its exit
# status, or what happened in place of an exit.
vm_wait() {
	while [ ! -e vmm.status ]; do
		if grep -q 'Kernel panic' serial.log console.log; then
			vm_status=panic
		elif [ "$(now)" -ge "$deadline" ]; then
			vm_status=timeout
		else
			sleep 0.2
			continue
		fi
		kill -9 "$(cat vmm.pid)" 2>/dev/null
		return
	done
	vm_status=$(cat vmm.status)
}

# judge: the guest said that it finished, no item failed, and the VMM ended in
# order. A guest that printed nothing has failed.
judge() {
	grep -h 'guest: not ok' console.log serial.log | sed 's/^/# /' | tr -d '\r'
	if ! grep -q 'guest: ok' console.log; then
		fail "the guest reported no result"
	elif ! grep -q 'guest: done' console.log; then
		fail "the guest did not finish"
	elif grep -q 'guest: not ok' console.log serial.log; then
		fail "items failed in the guest"
	fi
	[ "$vm_status" = 0 ] || fail "bulkhead's exit status: $vm_status"
}

# A test without a host part of its own.
host() {
	vm_start
	vm_wait
	judge
}

# The programs of "# guest-tools:", as a --disk value; "# host-tools:" are in PATH.
tools_disk() { echo "path=$GUEST/tools.img,readonly=on,serial=tools,image_type=raw"; }

# kill_oldest KIND: so that in the end each of that kind has had its turn.
kill_oldest() {
	set -- $(for p in $(pidof "bulkhead-$1"); do
		echo "$(cut -d ' ' -f 22 "/proc/$p/stat") $p"
	done | sort -n)
	[ $# = 0 ] || kill -9 "$2"
}
killed() { grep -c 'died: killed by signal 9' vmm.log; }
taken() { grep -c 'has taken over' vmm.log; }
# all_replaced: when all that were killed have successors; in 20 s.
all_replaced() {
	local tries=0
	while [ "$(taken)" -lt "$(killed)" ] && [ $tries -lt 200 ]; do
		tries=$((tries + 1))
		sleep 0.1
	done
}

# data_disk FILE MIB: an empty raw disk.
data_disk() { dd if=/dev/zero of="$1" bs=1M count=0 seek="$2" 2>/dev/null; }

# tap OPTIONS: a --net value with a tap of this test's own; the host is
# 10.77.N.1, the guest should be 10.77.N.2.
subnet=$(($$ % 200 + 20))
host_ip=10.77.$subnet.1
guest_ip=10.77.$subnet.2
tap_net() { echo "tap=bh$$,ip=$host_ip,mask=255.255.255.0,mac=52:54:00:aa:bb:01$1"; }
