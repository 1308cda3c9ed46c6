# SPDX-License-Identifier: Apache-2.0
# about: 5 GiB of memory, past the hole below 4 GiB, 4 vCPUs
# vcpus: 4
# memory: 5G
# seconds: 300

kernel=vmlinux
guest() {
	check cpus cpus 4
	check memory memory 5120
	check "RAM above 4 GiB" grep -q '^100000000-.*System RAM' /proc/iomem
	mount -t tmpfs -o size=4G big /mnt
	dd if=/dev/urandom of=/tmp/one bs=1M count=16 2>/dev/null
	check "160 MiB of pages are written" fill
	check "and hold what was written" same
	check "dmesg is clean" dmesg_clean
}
fill() {
	local i=0
	while [ $i -lt 10 ]; do
		cp /tmp/one /mnt/$i || return 1
		i=$((i + 1))
	done
}
same() {
	local i=0
	while [ $i -lt 10 ]; do
		cmp /tmp/one /mnt/$i || return 1
		i=$((i + 1))
	done
}
