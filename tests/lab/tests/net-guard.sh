# SPDX-License-Identifier: Apache-2.0
# about: two guests on a bridge, one of them spoofs: the other gets none of it, all is counted
# full: once without the guard, too: then it gets everything
# vcpus: 1
# memory: 512M
# seconds: 240
# guest-tools: lab-spoof
# host-tools: tc

# Both guests at once, with half of the memory each.
pair() {	# pair OPTIONS: --net of the one that spoofs
	local here=$PWD
	memory=256M
	mkdir -p victim
	cd victim || return
	cmdline="role=victim guest_ip=10.77.$subnet.3"
	vm_start --disk "$(tools_disk)" \
		--net "tap=bhv$$,mac=52:54:00:aa:bb:03,guard=on,guard_ips=[10.77.$subnet.3]"
	cd "$here" || return
	cmdline="role=spoofer guest_ip=$guest_ip victim_ip=10.77.$subnet.3"
	vm_start --disk "$(tools_disk)" --net "tap=bhs$$,mac=52:54:00:aa:bb:02$1"
	for i in bhv bhs; do
		while [ ! -e /sys/class/net/$i$$ ]; do sleep 0.2; done
		ip link set $i$$ master bhbr$$
	done
	vm_wait
	judge
	cd victim || return
	vm_wait
	judge
	cd "$here" || return
}

host() {
	# A persistent tap: the guard, a tc filter before Linux 6.6, is taken off it.
	ip tuntap add mode tap name bhs$$ 2>/dev/null || tunctl -t bhs$$ >/dev/null
	ip link add bhbr$$ type bridge || { fail "no bridge in this kernel"; return; }
	ip link set bhbr$$ up
	pair ",guard=on,guard_ips=[$guest_ip]"
	expect "nothing arrived" grep -q 'guest: honest M=0 I=0 A=0 a=0 T=0 S=0 N=0' victim/console.log
	# And what the kernel itself sends with the address that it may not have.
	expect "all was counted" grep -qE -e "--net tap=bhs$$: the guard dropped [0-9]+ frames of \
the guest: 2[0-9] source MAC, 20 claimed MAC, 4[0-9] IPv4 source, [2-9][0-9] IPv6 source, 2[0-9] ARP \
sender, 2[0-9] ND target" vmm.log
	expect "no filter stays" [ -z "$(tc filter show dev bhs$$ ingress)" ]
	expect "the victim did nothing wrong" [ ! -s victim/vmm.log ]
	if [ -n "$FULL" ]; then
		mv console.log guarded.log
		pair ,guard=off
		expect "without it all arrived" \
			grep -q 'guest: honest M=20 I=20 A=20 a=20 T=20 S=20 N=20' victim/console.log
	fi
	ip link del bhs$$
	ip link del bhbr$$
}

guest() {
	check "tools" tools
	net "$(word guest_ip)/24"
	if [ "$(word role)" = victim ]; then
		/tools/bin/lab-spoof listen eth0 >/tmp/listen &
		n=0
		until grep -q '^honest' /tmp/listen; do
			n=$((n + 1))
			[ $n -lt 300 ] || break
			sleep 0.2
		done
		say "$(tail -n 1 /tmp/listen)"
		return
	fi
	check "the other guest answers" ping -c 20 -W 2 "$(word victim_ip)"
	sleep 1
	check "spoofed" /tools/bin/lab-spoof send eth0 "$(word guest_ip)" "$(word victim_ip)"
}
