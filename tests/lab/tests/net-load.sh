# SPDX-License-Identifier: Apache-2.0
# about: iperf3 and ping each way on 4 queue pairs, and without offloads
# full: every size of a ping to 1600 bytes, some to 65507; 10 s of iperf3
# vcpus: 4
# memory: 512M
# seconds: 900
# guest-tools: iperf3
# host-tools: iperf3

# eth0: 4 pairs of queues and all offloads; eth1: a pair and none.
host() {
	time=1
	[ -z "$FULL" ] || time=10
	plain_ip=10.78.$subnet.1
	iperf3 -s -p 5201 >iperf3.log 2>&1 &
	server=$!
	cmdline="host_ip=$host_ip guest_ip=$guest_ip plain_ip=$plain_ip time=$time full=$FULL"
	vm_start --disk "$(tools_disk)" --net "$(tap_net ,num_queues=8)" \
		"tap=bhp$$,ip=$plain_ip,mask=255.255.255.0,offload_tso=off,offload_ufo=off,offload_csum=off"
	vm_wait
	kill $server
	judge
}

queues() {	# queues IFACE N: the kernel uses so many pairs
	local d=/sys/class/net/$1
	ls $d/queues
	[ "$(ls -d $d/queues/rx-* | wc -l)" = "$2" ] && [ "$(ls -d $d/queues/tx-* | wc -l)" = "$2" ]
}

# Interrupts of more than one receive queue of the first network device.
spread() {
	grep 'virtio.*-input' /proc/interrupts
	[ "$(grep 'virtio.*-input' /proc/interrupts |
		awk '{ n = 0; for (i = 2; i <= 5; i++) n += $i; if (n > 20) used++ } END { print used }')" -ge 2 ]
}

pings_of() {	# pings_of ADDRESS SIZE...
	local a=$1
	shift
	for size; do
		ping -q -c 1 -W 10 -s "$size" "$a" || ping -q -c 1 -W 10 -s "$size" "$a" || return 1
	done
}

iperf() {	# iperf OPTION...: bytes came through, and no end complained
	/tools/bin/iperf3 -c "$@" -t "$(word time)" >/tmp/iperf || { cat /tmp/iperf; return 1; }
	grep 'receiver' /tmp/iperf | tail -n 1
	grep -q 'receiver' /tmp/iperf
}

feature_of() {	# feature_of IFACE BIT
	feature "$(readlink -f "/sys/class/net/$1/device")" "$2"
}

guest() {
	check "tools" tools
	net "$(word guest_ip)/24"
	ip addr add "$(word plain_ip | sed 's/1$/2/')/24" dev eth1
	ip link set eth1 up
	check "4 pairs of queues" queues eth0 4
	check "a pair" queues eth1 1
	check "offloads" [ "$(for b in 0 1 7 11 22; do feature_of eth0 $b; done | tr -d '\n')" = 11111 ]
	check "no offloads" [ "$(for b in 0 1 7 11 22; do feature_of eth1 $b; done | tr -d '\n')" = 00000 ]
	sizes="0 1 17 18 56 1471 1472 1473 2960 8972 65507"
	[ -z "$(word full)" ] || sizes="$(seq 0 1600) $(seq 1601 997 65507) 65507"
	for a in "$(word host_ip)" "$(word plain_ip)"; do
		check "ping $a of every size" pings_of "$a" $sizes
		check "iperf3 to $a" iperf "$a" -P 4
		check "iperf3 from $a" iperf "$a" -P 4 -R
		[ -z "$(word full)" ] || check "iperf3, UDP" iperf "$a" -u -b 20M -l 1400
	done
	check "more than one queue was used" spread
	check "dmesg is clean" dmesg_clean
}
