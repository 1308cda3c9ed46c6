# SPDX-License-Identifier: Apache-2.0
# about: rootless: DHCP, TCP to the host's loopback and from it by a published port
# vcpus: 1
# memory: 512M
# seconds: 240
# full: 64 MiB

# passt wants to see a default route, which leads nowhere here.
uplink() {
	ip route | grep -q '^default' && return
	tunctl -t uplink >/dev/null && ip addr add 10.0.5.99/24 dev uplink &&
		ip link set uplink up && ip route add default via 10.0.5.1
}

host() {
	if [ ! -x /usr/bin/passt ]; then
		echo "# SKIP no passt"
		return
	fi
	uplink
	mib=2
	[ -z "$FULL" ] || mib=64
	programs=$BULKHEAD
	cmdline="mib=$mib"
	if [ "$(id -u)" = 0 ]; then
		: >console.log
		: >serial.log
		chmod 755 .
		chown 65534 . console.log serial.log
		chmod 666 /dev/kvm
		mkdir as-user
		cat >as-user/bulkhead <<-END
			#!/bin/sh
			exec su -s /bin/sh nobody -c 'exec "\$0" "\$@"' -- $programs/bulkhead "\$@"
		END
		chmod 755 as-user as-user/bulkhead
		BULKHEAD=$PWD/as-user
	fi
	mkfifo hold
	busybox nc -l -p 5001 <>hold >received &
	first=$!
	vm_start --net "user=on,publish=[tcp:127.0.0.1:6001:7001]"
	vm_says "guest: sent" || { kill $first; return; }
	wait $first
	sum=$(sha256sum <received)
	expect "the host got $mib MiB" [ "$(wc -c <received)" = $((mib * 1048576)) ]
	expect "checksum, guest to host" grep -qF "guest: sent ${sum%% *}" console.log
	vm_says "guest: listening" || return
	sleep 2
	busybox nc 127.0.0.1 6001 <received >back &
	second=$!
	vm_wait
	kill $second 2>/dev/null
	judge
	expect "checksum, host to guest" grep -qF "guest: got ${sum%% *}" console.log
	rm -f received back
}

guest() {
	cat >/tmp/script <<-'END'
		#!/bin/sh
		[ "$1" = bound ] || exit 0
		ip addr add "$ip/$mask" dev "$interface"
		ip route add default via "$router"
		echo "$router" >/tmp/router
	END
	chmod 755 /tmp/script
	ip link set lo up
	ip link set eth0 up
	check DHCP busybox udhcpc -i eth0 -n -q -t 10 -T 2 -s /tmp/script
	gateway=$(cat /tmp/router)
	pattern "$(word mib)" >/tmp/data
	sum=$(sha256sum </tmp/data)
	nc -w 60 "$gateway" 5001 </tmp/data
	say "sent ${sum%% *}"
	mkfifo /tmp/hold
	say "listening"
	: >/tmp/got
	nc -l -p 7001 <>/tmp/hold >/tmp/got &
	until [ "$(wc -c </tmp/got)" = "$(wc -c </tmp/data)" ]; do sleep 1; done
	got=$(sha256sum </tmp/got)
	say "got ${got%% *}"
	check "the same came back" [ "$sum" = "$got" ]
	check "dmesg is clean" dmesg_clean
}
