# SPDX-License-Identifier: Apache-2.0
# about: 5 GiB of memory, past the hole below 4 GiB, 4 vCPUs
# full: 160 MiB of it written and compared
# vcpus: 4
# memory: 5G
# seconds: 300

kernel=vmlinux
host() {
	cmdline="files=2"
	[ -z "$FULL" ] || cmdline="files=10"
	vm_start
	vm_wait
	judge
}
guest() {
	check cpus cpus 4
	check memory memory 5120
	check "RAM above 4 GiB" grep -q '^100000000-.*System RAM' /proc/iomem
	mount -t tmpfs -o size=4G big /mnt
	dd if=/dev/urandom of=/tmp/one bs=1M count=16 2>/dev/null
	files=$(word files)
	check "$files x 16 MiB of pages are written" fill
	check "and hold what was written" same
	check "dmesg is clean" dmesg_clean
}
fill() {
	local i=0
	while [ $i -lt $files ]; do
		cp /tmp/one /mnt/$i || return 1
		i=$((i + 1))
	done
}
same() {
	local i=0
	while [ $i -lt $files ]; do
		cmp /tmp/one /mnt/$i || return 1
		i=$((i + 1))
	done
}
