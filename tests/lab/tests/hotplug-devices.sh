# SPDX-License-Identifier: Apache-2.0
# about: disks, a net and a share come to a stock guest while another disk is in use, and go again
# full: 50 times, and as many disks as the bus has room for
# vcpus: 2
# memory: 512M
# seconds: 900
# run: all

ctl() { "$BULKHEAD/bulkheadctl" --api-socket api "$@"; }

# has DISKS NETS: until the guest says so.
has() {
	until [ "$(tr -d '\r' <console.log | grep -o 'guest: has .*' | tail -n 1)" = "guest: has $1 $2" ]; do
		if [ -e vmm.status ] || [ "$(now)" -ge "$deadline" ]; then
			fail "the guest did not have $1 disks and $2 nets"
			return 1
		fi
		sleep 0.1
	done
}

gone() {
	until ! ctl info | grep -q "\"$1\""; do
		if [ -e vmm.status ] || [ "$(now)" -ge "$deadline" ]; then
			fail "$1 did not go"
			return 1
		fi
		sleep 0.1
	done
}

# come N: disks hot1 to hotN.
come() {
	for i in $(seq "$1"); do
		[ -e "hot$i" ] || data_disk "hot$i" 4
		ctl add-disk "path=$PWD/hot$i,id=hot$i" >>added || fail "add-disk hot$i"
	done
}

go() {
	for i in $(seq "$1"); do
		ctl remove-device "hot$i" || fail "remove-device hot$i"
	done
	for i in $(seq "$1"); do gone "hot$i" || return; done
}

host() {
	times=3 many=4
	[ -z "$FULL" ] || times=50 many=26
	mkdir share && echo "from the host" >share/hello
	data_disk data.img 32
	vm_start --api-socket api --disk path=data.img
	vm_says "guest: has 1 0" || return
	n=0
	while [ $n -lt $times ]; do
		come 2 && has 3 0 && go 2 && has 1 0 || break
		n=$((n + 1))
	done
	echo "# $n times two disks"
	come $many && has $((many + 1)) 0 && go $many && has 1 0 &&
		ctl add-net tap= >>added && has 1 1 && ctl add-fs "tag=share,path=$PWD/share" >>added &&
		vm_says "guest: shared: from the host" &&
		ctl remove-device _net0 && has 1 0
	# The name is free at once, and one that nobody asks for it is taken away.
	come 1 && has 2 0 && ctl remove-device hot1 --force && has 1 0
	ctl power-button
	vm_wait
	judge
	expect "all was confined" [ -z "$(grep denied vmm.log)" ]
}

guest() {
	modprobe virtiofs 2>/dev/null
	event=$(grep -A 4 'Power Button' /proc/bus/input/devices |
		sed -n 's/^H: .*\(event[0-9]*\).*/\1/p' | head -n 1)
	dd if="/dev/input/$event" of=/tmp/key bs=24 count=1 2>/dev/null &
	button=$!
	# The disk that stays is in use all the time.
	pattern 4 >/tmp/data
	(while dd if=/tmp/data of=/dev/vda bs=1M conv=fsync 2>/dev/null &&
		dd if=/dev/vda bs=1M count=4 2>/dev/null | cmp -s - /tmp/data; do :; done
	echo bad >/tmp/bad) &
	last=
	while kill -0 $button 2>/dev/null; do
		disks=0 nets=0
		for d in /sys/block/vd*; do
			b=/dev/${d##*/}
			[ -b "$b" ] || continue
			disks=$((disks + 1))
			[ "$b" = /dev/vda ] || [ -e "/tmp/seen.${d##*/}" ] || {
				: >"/tmp/seen.${d##*/}"
				dd if=/tmp/data of="$b" bs=64k count=4 conv=fsync 2>/dev/null
				dd if="$b" bs=64k count=4 2>/dev/null >/tmp/back
				dd if=/tmp/data bs=64k count=4 2>/dev/null | cmp -s - /tmp/back ||
					echo "$b" >/tmp/bad
			}
		done
		for f in /tmp/seen.*; do
			[ -e "/sys/block/${f#/tmp/seen.}" ] || rm -f "$f"
		done
		for d in /sys/class/net/eth* /sys/class/net/en*; do
			[ -e "$d" ] && nets=$((nets + 1))
		done
		[ -e /tmp/shared ] || { mkdir -p /mnt && mount -t virtiofs share /mnt 2>/dev/null &&
			say "shared: $(cat /mnt/hello)" && : >/tmp/shared; }
		now="$disks $nets"
		[ "$now" = "$last" ] || say "has $now"
		last=$now
		sleep 0.1
	done
	check "what was written was there" [ ! -e /tmp/bad ]
	check "dmesg is clean" dmesg_clean
}
