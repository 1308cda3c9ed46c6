# SPDX-License-Identifier: Apache-2.0
# about: bzImage, 1 vCPU, every device with packed rings
# vcpus: 1
# memory: 512M
# seconds: 120

host() {
	data_disk data.img 32
	cmdline="host_ip=$host_ip guest_ip=$guest_ip"
	console_options=,packed=on
	vm_start --disk path=data.img,packed=on --net "$(tap_net ,packed=on)" \
		--rng src=/dev/urandom,packed=on
	vm_wait
	judge
}

guest() { devices 1; }
