# SPDX-License-Identifier: Apache-2.0
# about: a stock guest finds devices in three PCI segments, and some come and go there
# full: 200 disks come and go, in ten segments
# vcpus: 2
# memory: 512M
# seconds: 900
# run: all

ctl() { "$BULKHEAD/bulkheadctl" --api-socket api "$@"; }

# says WORDS: until the guest has said them last.
says() {
	until [ "$(tr -d '\r' <console.log | grep -o 'guest: .*' | tail -n 1)" = "guest: $*" ]; do
		if [ -e vmm.status ] || [ "$(now)" -ge "$deadline" ]; then
			fail "the guest did not say \"$*\" last"
			return 1
		fi
		sleep 0.1
	done
}

host() {
	segments=3 times=2 many=0
	[ -z "$FULL" ] || segments=10 many=200
	data_disk first 4; data_disk far 4; data_disk hot 4
	vm_start --api-socket api --platform num_pci_segments=$segments \
		--pci-segment pci_segment=2,mmio32_aperture_weight=2 \
		--disk path=first,pci_device_id=9 path=far,pci_segment=2,pci_device_id=7
	says "disks 0000:00:09.0 0002:00:07.0" || return
	n=0
	while [ $n -lt $times ]; do
		ctl add-disk path=hot,id=hot,pci_segment=1 >>added || fail "add-disk"
		says "disks 0000:00:09.0 0001:00:01.0 0002:00:07.0" || return
		ctl remove-device hot || fail "remove-device"
		says "disks 0000:00:09.0 0002:00:07.0" || return
		n=$((n + 1))
	done
	for i in $(seq $many); do
		truncate -s 1M "d$i"
		ctl add-disk "path=d$i,id=d$i" >>added || fail "add-disk d$i"
	done
	[ $many = 0 ] || says "disks of which 202" || return
	for i in $(seq $many); do
		ctl remove-device "d$i" || fail "remove-device d$i"
	done
	says "disks 0000:00:09.0 0002:00:07.0" || return
	ctl power-button
	vm_wait
	judge
	expect "all was confined" [ -z "$(grep denied vmm.log)" ]
}

guest() {
	event=$(grep -A 4 'Power Button' /proc/bus/input/devices |
		sed -n 's/^H: .*\(event[0-9]*\).*/\1/p' | head -n 1)
	dd if="/dev/input/$event" of=/tmp/key bs=24 count=1 2>/dev/null &
	button=$!
	pattern 1 >/tmp/data
	last=
	while kill -0 $button 2>/dev/null; do
		all='' count=0
		for d in /sys/block/vd*; do
			[ -b "/dev/${d##*/}" ] || continue
			at=$(readlink -f "$d/device/..")
			all="$all ${at##*/}" count=$((count + 1))
			[ -e "/tmp/seen.${d##*/}" ] || {
				: >"/tmp/seen.${d##*/}"
				dd if=/tmp/data of="/dev/${d##*/}" bs=64k count=4 conv=fsync 2>/dev/null
				dd if="/dev/${d##*/}" bs=64k count=4 2>/dev/null >/tmp/back
				head -c 262144 /tmp/data | cmp -s - /tmp/back || echo "$d" >/tmp/bad
			}
		done
		for f in /tmp/seen.*; do
			[ -e "/sys/block/${f#/tmp/seen.}" ] || rm -f "$f"
		done
		now="disks $(echo $all | tr ' ' '\n' | sort | tr '\n' ' ')"
		[ $count -lt 10 ] || now="disks of which $count"
		now=${now% }
		[ "$now" = "$last" ] || say "$now"
		last=$now
		sleep 0.1
	done
	check "what was written was there" [ ! -e /tmp/bad ]
	check "each segment is a domain of its own" [ -d /sys/devices/pci0001:00 -a -d /sys/devices/pci0002:00 ]
	check "dmesg is clean" dmesg_clean
}
