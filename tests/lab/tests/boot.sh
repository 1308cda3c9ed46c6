# SPDX-License-Identifier: Apache-2.0
# about: bzImage, 1 vCPU, 512 MiB: boots, both consoles, ACPI power-off
# vcpus: 1
# memory: 512M
# seconds: 90

host() {
	vm_start
	vm_wait
	judge
	expect "ttyS0 carries bytes" grep -q "hello from ttyS0" serial.log
	expect "hvc0 carries bytes" grep -q "hello from hvc0" console.log
}

guest() {
	check cpus cpus 1
	check memory memory 512
	check "dmesg is clean" dmesg_clean
	echo "hello from ttyS0" >/dev/ttyS0
	echo "hello from hvc0" >/dev/hvc0
}
