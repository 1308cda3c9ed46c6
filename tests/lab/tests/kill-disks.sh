# SPDX-License-Identifier: Apache-2.0
# about: workers of disks are killed and one is stopped under a stock guest that verifies with fio: pauses, and no error
# run: all
# full: 50 deaths of each disk's worker (engines, formats, rings)
# vcpus: 2
# memory: 512M
# seconds: 1500
# guest-tools: fio
# host-tools: qemu-img

# A disk and so a worker of each engine, ring and, in full, format.
disks() {
	for n in cached direct plain packed; do data_disk "$images/$n" 32; done
	formats=qcow2
	[ -z "$FULL" ] || formats="qcow2 vhdx"
	for n in $formats; do qemu-img create -q -f $n "$images/$n" 32M; done
}

deaths_of() { grep -c "path=$images/$1, pid .*died: killed by signal 9" vmm.log; }

# The disk of the tools has its turn, too.
host() {
	rounds=3
	[ -z "$FULL" ] || rounds=50
	images=${LAB_OUT:+$LAB}
	images=$(mktemp -d "${images:-$OUT}/images.XXXXXX")
	disks
	more=
	for n in $formats; do more="$more path=$images/$n,serial=$n,num_queues=2"; done
	over_ip=${host_ip%.1}.3
	cmdline="host_ip=$host_ip guest_ip=$guest_ip over_ip=$over_ip formats=$(echo $formats | tr ' ' ,)"
	vm_start --disk "$(tools_disk)" "path=$images/cached,serial=cached,num_queues=2" \
		"path=$images/direct,serial=direct,direct=on" \
		"path=$images/plain,serial=plain,_disable_io_uring=on" \
		"path=$images/packed,serial=packed,packed=on" $more \
		--net "$(tap_net)" --worker-failure-limit deaths=1000000,hang=20
	vm_says "guest: busy" || return
	begun=$(now) n=0
	kills=$((rounds * $(pidof bulkhead-blk | wc -w)))
	while [ $n -lt $kills ] && [ ! -e vmm.status ] && [ "$(now)" -lt $((deadline - 300)) ]; do
		kill_oldest blk
		n=$((n + 1))
		# Now and then two at once.
		[ $((n % 5)) = 0 ] || all_replaced
	done
	all_replaced
	echo "# $(killed) killed, $(taken) replaced in $(($(now) - begun)) s"
	echo "# taken over after, ms: $(grep -oE 'taken over after [0-9]+' vmm.log | cut -d ' ' -f 4 |
		sort -n | awk '{ a[NR] = $1 } END { print "median " a[int((NR + 1) / 2)] ", worst " a[NR] }')"
	for n in cached direct plain packed $formats; do
		expect "$n: $(deaths_of $n) of $rounds" [ "$(deaths_of $n)" -ge $rounds ]
	done
	expect "all were replaced: $(taken) of $(killed)" [ "$(taken)" = "$(killed)" ]
	set -- $(pidof bulkhead-blk)
	kill -STOP "$1"
	# That the guest can reach: the last round of its own.
	ip addr add "$over_ip/24" dev "bh$$"
	vm_says "guest: quiet"
	expect "the stopped one was found" grep -q "(pid $1) hangs" vmm.log
	expect "no request was refused" [ -z "$(grep 'answered as failed' vmm.log)" ]
	vm_wait
	judge
	for n in $formats; do
		qemu-img check -q -f $n "$images/$n" >check 2>&1
		status=$?
		# 3: clusters that a dead one had taken and not used.
		expect "$n: qemu-img check: $status" [ $status = 0 -o $status = 3 ]
	done
	rm -rf "$images"
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

guest() {
	net "$(word guest_ip)/24"
	check "tools" tools
	check "ping" pings "$(word host_ip)"
	dmesg -c >/dev/null
	say "busy"
	good=yes rounds=0
	until ping -c 1 -W 2 "$(word over_ip)" >/dev/null; do
		fio_all || good=no
		rounds=$((rounds + 1))
	done
	fio_all || good=no
	check "fio verifies on each disk" [ $good = yes ]
	say "fio ran $((rounds + 1)) times"
	check "dmesg is clean" dmesg_clean
	say "quiet"
}
