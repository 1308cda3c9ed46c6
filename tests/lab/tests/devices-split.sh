# SPDX-License-Identifier: Apache-2.0
# about: the PVH ELF, 4 vCPUs, every device with split rings
# vcpus: 4
# memory: 512M
# seconds: 120

kernel=vmlinux
host() {
	data_disk data.img 32
	cmdline="host_ip=$host_ip guest_ip=$guest_ip"
	vm_start --disk path=data.img --net "$(tap_net)" --rng src=/dev/urandom
	vm_wait
	judge
}

guest() {
	check cpus cpus 4
	devices 0
}
