# SPDX-License-Identifier: Apache-2.0
# about: TCP each way with intact checksums (8 MiB; 100 in check-all)
# vcpus: 2
# memory: 512M
# seconds: 240
# full: 100 MiB

# The guest sends, then fetches what it sent; both ends say the checksum. nc ends
# with the first end of input, so who only receives gets an input that has none.
host() {
	mib=8
	[ -z "$FULL" ] || mib=100
	cmdline="host_ip=$host_ip guest_ip=$guest_ip mib=$mib"
	vm_start --net "$(tap_net)"
	vm_says "guest: net up" || return
	mkfifo hold
	busybox nc -l -p 5001 <>hold >received &
	first=$!
	vm_says "guest: sent" || { kill $first; return; }
	wait $first
	sum=$(sha256sum <received)
	expect "the host got $mib MiB" [ "$(wc -c <received)" = $((mib * 1048576)) ]
	expect "checksum, guest to host" grep -qF "guest: sent ${sum%% *}" console.log
	busybox nc -l -p 5002 <received >/dev/null &
	second=$!
	vm_wait
	kill $second 2>/dev/null
	judge
	expect "checksum, host to guest" grep -qF "guest: got ${sum%% *}" console.log
	rm -f received
}

# Retried: the host may not listen yet.
connect() {
	local i=0
	until nc -w 60 "$(word host_ip)" "$1"; do
		i=$((i + 1))
		[ $i -lt 50 ] || return 1
		sleep 0.2
	done
}

guest() {
	net "$(word guest_ip)/24"
	check ping pings "$(word host_ip)"
	pattern "$(word mib)" >/tmp/data
	sum=$(sha256sum </tmp/data)
	say "net up"
	sleep 1
	nc "$(word host_ip)" 5001 </tmp/data
	say "sent ${sum%% *}"
	rm /tmp/data
	sleep 1
	mkfifo /tmp/hold
	connect 5002 <>/tmp/hold >/tmp/data
	got=$(sha256sum </tmp/data)
	say "got ${got%% *}"
	check "the same came back" [ "$sum" = "$got" ]
	check "dmesg is clean" dmesg_clean
}
