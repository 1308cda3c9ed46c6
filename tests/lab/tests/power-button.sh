# SPDX-License-Identifier: Apache-2.0
# about: the power button (SIGPWR) reaches the guest, which powers off
# vcpus: 1
# memory: 512M
# seconds: 60

host() {
	vm_start
	vm_says "guest: waiting" || return
	kill -PWR "$(cat vmm.pid)"
	vm_wait
	judge
}

guest() {
	event=$(grep -A 4 'Power Button' /proc/bus/input/devices |
		sed -n 's/^H: .*\(event[0-9]*\).*/\1/p' | head -n 1)
	check "there is a button" [ -c "/dev/input/$event" ]
	say "waiting"
	check "it is pressed" timeout 40 dd if="/dev/input/$event" of=/tmp/key bs=24 count=1
	check "dmesg is clean" dmesg_clean
}
