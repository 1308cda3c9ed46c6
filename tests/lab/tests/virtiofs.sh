# SPDX-License-Identifier: Apache-2.0
# about: a folder of the host by virtiofs (QEMU's virtiofsd): mounted, written, read, unmounted
# run: all
# vcpus: 1
# memory: 512M
# seconds: 180
# host-tools: virtiofsd

host() {
	mkdir share
	printf 'from the host\n' >share/hello
	dd if=/dev/urandom of=share/data bs=64k count=64 2>/dev/null
	virtiofsd --socket-path="$PWD/s" -o source="$PWD/share" -o sandbox=chroot \
		>far.log 2>&1 &
	far=$!
	vm_start --fs tag=share,socket=s
	vm_wait
	judge
	expect "what the guest wrote is here" [ "$(cat share/from-guest/hello)" = "from the guest" ]
	expect "a copy of 4 MiB" cmp share/data share/from-guest/data
	expect "and 4 MiB more" [ "$(wc -c <share/from-guest/own)" = 4194304 ]
	expect "what it removed is gone" [ ! -e share/hello ]
	kill $far 2>/dev/null
	cat far.log
}

guest() {
	check "mount" mount -t virtiofs share /mnt
	check "a file of the host's" [ "$(cat /mnt/hello)" = "from the host" ]
	check "a folder" mkdir /mnt/from-guest
	pattern 4 >/tmp/data
	echo "from the guest" >/mnt/from-guest/hello
	check "4 MiB of the host's" cp /mnt/data /mnt/from-guest/data
	check "4 MiB of the guest's" cp /tmp/data /mnt/from-guest/own
	check "removed" rm /mnt/hello
	sync
	check "unmounted" umount /mnt
	check "mounted again" mount -t virtiofs share /mnt
	check "it is there" cmp /tmp/data /mnt/from-guest/own
	check "and so is the host's" cmp /mnt/data /mnt/from-guest/data
	check "and unmounted" umount /mnt
	check "dmesg is clean" dmesg_clean
}
