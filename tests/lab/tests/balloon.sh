# SPDX-License-Identifier: Apache-2.0
# about: the stock driver's balloon: 256 MiB down and up while the guest works, free pages reported, the host's memory goes down
# vcpus: 2
# memory: 512M
# seconds: 200
# run: all

# KiB of the guest's memory that the host has given.
backed() {
	local f
	for f in /proc/"$(cat vmm.pid)"/fd/*; do
		case $(readlink "$f") in
		/memfd:bulkhead-ram*) echo $(($(stat -L -c %b "$f") / 2)); return ;;
		esac
	done
}

ctl() { "$BULKHEAD/bulkheadctl" --api-socket api "$@"; }
actual() { ctl counters | tr -d ' \n' | sed -n 's/.*"actual":\([0-9]*\).*/\1/p'; }

# settles BYTES: the guest does what it is asked for.
settles() {
	until [ "$(actual)" = "$1" ]; do
		if [ -e vmm.status ] || [ "$(now)" -ge "$deadline" ]; then
			fail "the balloon is $(actual), not $1"
			return
		fi
		sleep 0.5
	done
}

host() {
	vm_start --balloon free_page_reporting=on --api-socket api
	vm_says "guest: filled" || return
	full=$(backed)
	vm_says "guest: freed" || return
	until [ "$(backed)" -lt $((full - 65536)) ]; do
		if [ "$(now)" -ge "$deadline" ]; then
			fail "free pages are not reported: $full KiB, then $(backed) KiB"
			break
		fi
		sleep 1
	done
	echo "# filled $full KiB, freed $(backed) KiB"
	for n in 1 2; do
		ctl resize --balloon 268435456
		settles 268435456
		echo "# balloon of 256 MiB: $(backed) KiB"
		expect "the host has its memory" [ "$(backed)" -lt $((272 * 1024)) ]
		expect "the guest says what it has" [ "$(ctl counters | tr -d ' \n' |
			sed -n 's/.*"total_memory":\([0-9]*\).*/\1/p')" -lt 268435456 ]
		ctl resize --balloon 0
		settles 0
	done
	vm_wait
	judge
}

guest() {
	check "reports are negotiated" [ "$(feature "$(virtio_of 5)" 5)" = 1 ]
	check "so are statistics" [ "$(feature "$(virtio_of 5)" 1)" = 1 ]
	mount -t tmpfs -o size=300m none /mnt
	check "200 MiB" dd if=/dev/zero of=/mnt/file bs=1M count=200
	say "filled"
	sleep 3
	rm /mnt/file
	say "freed"
	i=0 ups=0 down=0
	# Until it has been down and up twice.
	while [ "$i" -lt 300 ] && [ "$ups" != 2 ]; do
		t=$(sed -n 's/MemTotal: *\([0-9]*\).*/\1/p' /proc/meminfo)
		[ "$t" -lt 300000 ] && down=1
		[ "$t" -gt 400000 ] && [ "$down" = 1 ] && ups=$((ups + 1)) && down=0
		dd if=/dev/zero of=/mnt/small bs=1M count=4 2>/dev/null
		i=$((i + 1))
		sleep 0.2
	done
	check "down and up twice" [ "$ups" = 2 ]
	check "dmesg is clean" dmesg_clean
}
