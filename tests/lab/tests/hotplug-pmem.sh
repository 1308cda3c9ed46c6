# SPDX-License-Identifier: Apache-2.0
# about: persistent memory and a share come to a stock guest, are mounted (DAX, virtiofs), and go; what was synced is there the next time
# full: 50 times
# vcpus: 2
# memory: 512M
# seconds: 300
# run: all

ctl() { "$BULKHEAD/bulkheadctl" --api-socket api "$@"; }

gone() {
	while ctl info | grep -q "\"$1\""; do
		if [ -e vmm.status ] || [ "$(now)" -ge "$deadline" ]; then
			fail "$1 did not go"
			return 1
		fi
		sleep 0.1
	done
}

host() {
	times=3 n=0
	[ -z "$FULL" ] || times=50
	mkdir share && echo "from the host" >share/hello
	data_disk hot 64
	vm_start --api-socket api
	vm_says "guest: waits 0" || return
	while [ $n -lt $times ]; do
		n=$((n + 1))
		ctl add-pmem "file=$PWD/hot,id=hot" >>added || fail "add-pmem"
		ctl add-fs "tag=share,path=$PWD/share,id=share" >>added || fail "add-fs"
		vm_says "guest: used $n" || break
		ctl remove-device hot || fail "remove-device hot"
		ctl remove-device share || fail "remove-device share"
		gone hot && gone share && vm_says "guest: waits $n" || break
	done
	echo "# $n times"
	ctl power-button
	vm_wait
	judge
	expect "all was confined" [ -z "$(grep denied vmm.log)" ]
}

guest() {
	modprobe -a virtio_pmem nd_pmem virtiofs ext4 2>/dev/null
	event=$(grep -A 4 'Power Button' /proc/bus/input/devices |
		sed -n 's/^H: .*\(event[0-9]*\).*/\1/p' | head -n 1)
	dd if="/dev/input/$event" of=/tmp/key bs=24 count=1 2>/dev/null &
	button=$!
	mkdir -p /mnt /share
	pattern 4 >/tmp/file
	n=0
	say "waits 0"
	while kill -0 $button 2>/dev/null; do
		sleep 0.1
		[ -b /dev/pmem0 ] || continue
		[ $n != 0 ] || mke2fs -q -F -b 4096 /dev/pmem0
		mount -t ext4 -o dax /dev/pmem0 /mnt || check "$n: mounted with DAX" false
		[ $n = 0 ] || cmp /tmp/file /mnt/file || check "$n: what was synced is there" false
		cp /tmp/file /mnt/file && sync && umount /mnt || check "$n: written" false
		until mount -t virtiofs share /share 2>/dev/null; do sleep 0.1; done
		[ "$(cat /share/hello)" = "from the host" ] || check "$n: the share" false
		umount /share
		n=$((n + 1))
		say "used $n"
		while [ -b /dev/pmem0 ]; do sleep 0.1; done
		say "waits $n"
	done
	check "it came and went" [ $n != 0 ]
	check "dmesg is clean" dmesg_clean
}
