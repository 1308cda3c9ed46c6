# SPDX-License-Identifier: Apache-2.0
# about: a file as persistent memory, by the stock driver with DAX: written, synced, the VM killed, all there in the next; writes discarded
# vcpus: 2
# memory: 512M
# seconds: 240
# run: all

host() {
	data_disk pmem 64
	data_disk other 16
	vm_start --pmem "file=$PWD/pmem" "file=$PWD/other,discard_writes=on"
	vm_says "guest: synced" || return
	sum=$(sed -n 's/.*guest: synced \([0-9a-f]*\).*/\1/p' console.log serial.log | head -1)
	kill -9 "$(cat vmm.pid)"
	while [ ! -e vmm.status ]; do sleep 0.2; done
	if grep -h 'guest: not ok' console.log serial.log; then
		fail "items failed in the guest"
	fi
	expect "what was discarded is not in the file" [ -z "$(tr -d '\000' <other)" ]
	cmdline="sum=$sum"
	vm_start --pmem "file=$PWD/pmem"
	vm_wait
	judge
}

guest() {
	want=$(sed -n 's/.*sum=\([0-9a-f]*\).*/\1/p' /proc/cmdline)
	check "64 MiB" [ "$(cat /sys/block/pmem0/size)" = 131072 ]
	check "it can be mapped by files" [ "$(cat /sys/block/pmem0/queue/dax)" = 1 ]
	if [ -n "$want" ]; then
		check "mounted after a crash" mount -t ext4 -o dax /dev/pmem0 /mnt
		check "what was synced is there" [ "$(sha256sum </mnt/file | cut -c -64)" = "$want" ]
		check "umount" umount /mnt
		return
	fi
	check "a file system" mke2fs -F -b 4096 /dev/pmem0
	check "mounted with DAX" mount -t ext4 -o dax /dev/pmem0 /mnt
	check "it is DAX" grep -q ' /mnt .*dax' /proc/mounts
	pattern 16 >/tmp/file
	check "16 MiB" cp /tmp/file /mnt/file
	check "compared" cmp /tmp/file /mnt/file
	check "the other" dd if=/tmp/file of=/dev/pmem1 bs=1M count=4 conv=fsync
	check "has it" cmp -n 4194304 /tmp/file /dev/pmem1
	check "dmesg is clean" dmesg_clean
	sync
	say "synced $(sha256sum </tmp/file | cut -c -64)"
	sleep 100
}
