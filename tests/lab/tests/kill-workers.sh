# SPDX-License-Identifier: Apache-2.0
# about: workers are killed and one is stopped under a stock guest that verifies with fio, copies with checksums: pauses, and no error
# run: all
# full: 50 deaths of each disk's worker (engines, formats, rings), net, entropy and console; iperf3 both ways
# vcpus: 2
# memory: 512M
# seconds: 2400
# guest-tools: fio iperf3
# host-tools: qemu-img iperf3

# A disk and so a worker of each engine, ring and, in full, format.
disks() {
	for n in cached direct plain packed; do data_disk "$images/$n" 32; done
	formats=qcow2
	[ -z "$FULL" ] || formats="qcow2 vhdx"
	for n in $formats; do qemu-img create -q -f $n "$images/$n" 32M; done
}

killed() { grep -cE "died: killed by signal 9" vmm.log; }
taken() { grep -c 'has taken over' vmm.log; }

# One of each kind, and of the disks one after the other; then wait for all of them.
kill_round() {	# kill_round NUMBER
	for kind in blk net rng console; do
		set -- "$1" $(pidof bulkhead-$kind)
		[ $# -gt 1 ] || continue
		i=$1
		shift
		turns=$((i % $#))
		shift $turns
		kill -9 "$1"
		set -- "$i"
	done
	tries=0
	while [ "$(taken)" -lt "$(killed)" ] && [ $tries -lt 200 ]; do
		tries=$((tries + 1))
		sleep 0.1
	done
}

host() {
	rounds=8
	[ -z "$FULL" ] || rounds=350	# of 7 disks each is killed 50 times
	images=${LAB_OUT:+$LAB}
	images=$(mktemp -d "${images:-$OUT}/images.XXXXXX")
	disks
	more=
	for n in $formats; do more="$more path=$images/$n,serial=$n,num_queues=2"; done
	iperf3 -s -p 5201 >iperf3.log 2>&1 &
	server=$!
	over_ip=${host_ip%.1}.3
	cmdline="host_ip=$host_ip guest_ip=$guest_ip over_ip=$over_ip full=$FULL formats=$(echo $formats | tr ' ' ,)"
	vm_start --disk "$(tools_disk)" "path=$images/cached,serial=cached,num_queues=2" \
		"path=$images/direct,serial=direct,direct=on" \
		"path=$images/plain,serial=plain,_disable_io_uring=on" \
		"path=$images/packed,serial=packed,packed=on" $more \
		--net "$(tap_net)" --rng src=/dev/urandom \
		--worker-failure-limit deaths=1000000,hang=20
	mkfifo hold
	busybox nc -l -p 5001 <>hold >received &
	nc=$!
	vm_says "guest: busy" || { kill $nc $server; return; }
	n=0
	while [ $n -lt $rounds ] && [ ! -e vmm.status ] && [ "$(now)" -lt $((deadline - 300)) ]; do
		kill_round $n
		n=$((n + 1))
		sleep 1
	done
	expect "all rounds of deaths: $n of $rounds" [ $n = $rounds ]
	set -- $(pidof bulkhead-blk)
	kill -STOP "$1"
	# That the guest can reach: the last round of its own.
	ip addr add "$over_ip/24" dev "bh$$"
	vm_says "guest: quiet"
	kill $nc $server 2>/dev/null
	expect "the stopped one was found" grep -q "(pid $1) hangs" vmm.log
	expect "all were replaced: $(taken) of $(killed), at least $((4 * rounds))" \
		[ "$(taken)" -ge "$(killed)" -a "$(killed)" -ge $((4 * rounds)) ]
	expect "no request was refused" [ -z "$(grep 'answered as failed' vmm.log)" ]
	vm_wait
	judge
	sum=$(sha256sum <received)
	expect "the guest's bytes came as they were sent" grep -qF "guest: sent ${sum%% *}" console.log
	for n in $formats; do
		qemu-img check -q -f $n "$images/$n" >check 2>&1
		status=$?
		# 3: clusters that a dead one had taken and not used.
		expect "$n: qemu-img check: $status" [ $status = 0 -o $status = 3 ]
	done
	rm -rf "$images" received
}

fio_all() {
	for n in cached direct plain packed $(word formats | tr , ' '); do
		printf '[%s]\nfilename=%s\n' "$n" "$(disk "$n")"
	done >/tmp/disks
	cat >/tmp/job - /tmp/disks <<-END
	[global]
	ioengine=io_uring
	direct=1
	rw=randwrite
	bsrange=4k-64k
	blockalign=4k
	size=8m
	iodepth=8
	verify=crc32c
	verify_fatal=1
	randrepeat=1
	thread=1
	END
	/tools/bin/fio --output-format=terse --terse-version=3 /tmp/job >/tmp/fio || { cat /tmp/fio; return 1; }
}

# A TCP connection of which packets are lost goes on, in a while.
iperf() {
	/tools/bin/iperf3 -c "$(word host_ip)" -t 5 "$@" >/tmp/iperf 2>&1 || { cat /tmp/iperf; return 1; }
}

guest() {
	net "$(word guest_ip)/24"
	check "tools" tools
	check "ping" pings "$(word host_ip)"
	pattern 4 >/tmp/data
	dmesg -c >/dev/null
	(
		nc -w 120 "$(word host_ip)" 5001 </tmp/data
		say "sent $(sha256sum </tmp/data | cut -c -64)"
	) &
	say "busy"
	good=yes rounds=0 flows=yes
	until ping -c 1 -W 2 "$(word over_ip)" >/dev/null; do
		fio_all || good=no
		rounds=$((rounds + 1))
		[ -n "$(word full)" ] || continue
		iperf || flows=no
		iperf -R || flows=no
	done
	fio_all || good=no
	check "fio verifies on each disk, $((rounds + 1)) times" [ $good = yes ]
	[ -z "$(word full)" ] || check "iperf3 ran both ways each time" [ $flows = yes ]
	wait
	check "entropy" entropy
	check "dmesg is clean" dmesg_clean
	say "quiet"
}
