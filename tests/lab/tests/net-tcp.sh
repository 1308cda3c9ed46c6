# SPDX-License-Identifier: Apache-2.0
# about: TCP each way with intact checksums, with all offloads and with none (4 MiB each; in check-all 256)
# vcpus: 2
# memory: 768M
# seconds: 700
# full: 256 MiB each way on each device, 1 GiB in all

# The guest sends, then fetches what it sent; both ends say the checksum. nc ends
# with the first end of input, so who only receives gets an input that has none.
host() {
	mib=4
	[ -z "$FULL" ] || mib=256
	plain_ip=10.78.$subnet.1
	cmdline="host_ip=$host_ip guest_ip=$guest_ip plain_ip=$plain_ip mib=$mib"
	vm_start --net "$(tap_net)" \
		"tap=bhp$$,ip=$plain_ip,mask=255.255.255.0,offload_tso=off,offload_ufo=off,offload_csum=off"
	vm_says "guest: net up" || return
	mkfifo hold
	for i in 1 2; do
		busybox nc -l -p 500$i <>hold >received &
		first=$!
		vm_says "guest: sent $i" || { kill $first; return; }
		wait $first
		sum=$(sha256sum <received)
		expect "the host got $mib MiB" [ "$(wc -c <received)" = $((mib * 1048576)) ]
		expect "checksum $i, guest to host" grep -qF "guest: sent $i ${sum%% *}" console.log
		busybox nc -l -p 600$i <received >/dev/null &
		second=$!
		vm_says "guest: got $i" || { kill $second; return; }
		expect "checksum $i, host to guest" grep -qF "guest: got $i ${sum%% *}" console.log
	done
	vm_wait
	judge
	rm -f received
}

# Retried: the host may not listen yet.
connect() {
	local i=0
	until nc -w 60 "$@"; do
		i=$((i + 1))
		[ $i -lt 500 ] || return 1
		sleep 0.2
	done
}

exchange() {	# exchange N ADDRESS
	connect "$2" "500$1" </tmp/data
	say "sent $1 ${sum%% *}"
	# Not kept: twice the data is more than the guest's tmpfs takes.
	got=$(connect "$2" "600$1" <>/tmp/hold | sha256sum)
	say "got $1 ${got%% *}"
	check "the same came back from $2" [ "$sum" = "$got" ]
}

guest() {
	net "$(word guest_ip)/24"
	ip addr add "$(word plain_ip | sed 's/1$/2/')/24" dev eth1
	ip link set eth1 up
	check ping pings "$(word host_ip)"
	check "ping without offloads" pings "$(word plain_ip)"
	pattern "$(word mib)" >/tmp/data
	sum=$(sha256sum </tmp/data)
	mkfifo /tmp/hold
	say "net up"
	sleep 1
	exchange 1 "$(word host_ip)"
	exchange 2 "$(word plain_ip)"
	check "dmesg is clean" dmesg_clean
}
