# SPDX-License-Identifier: Apache-2.0
# about: a vhost-user back end is killed under a stock guest that writes, and comes back: a pause, no error, nothing lost
# vcpus: 1
# memory: 512M
# seconds: 150

far() {
	rm -f s
	"$BULKHEAD/bulkhead-vhost-user-blk" --socket-path="$PWD/s" --blk-file=data.img 2>>far.log &
	far=$!
}

host() {
	data_disk data.img 32
	far
	vm_start --disk vhost_user=true,socket=s
	vm_says "guest: writing"
	for _ in 1 2; do
		sleep 1
		kill -9 $far
		sleep 2
		far
	done
	vm_wait
	judge
	sum=$(dd if=data.img bs=1M count=16 2>/dev/null | sha256sum)
	expect "the image holds what the guest wrote" \
		grep -qF "guest: sum ${sum%% *}" console.log
	kill $far
}

guest() {
	pattern 16 >/tmp/data
	say "writing"
	good=yes
	for i in 1 2 3 4 5 6 7 8; do
		dd if=/tmp/data of=/dev/vda bs=64k conv=fsync 2>/dev/null || good=no
		sleep 1
	done
	say "sum $(sha256sum </tmp/data | cut -c -64)"
	check "every write" [ $good = yes ]
	echo 3 >/proc/sys/vm/drop_caches
	check "the same is read" cmp -n 16777216 /tmp/data /dev/vda
	check "dmesg is clean" dmesg_clean
}
