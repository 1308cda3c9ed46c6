# SPDX-License-Identifier: Apache-2.0
# about: a device worker that stands still stops its own device and no other; for long, it is replaced
# vcpus: 1
# memory: 512M
# seconds: 150

# While the block worker is stopped the guest's read does not end, and the rest
# of the guest goes on. It is found, killed and replaced, and the read is done.
host() {
	data_disk data.img 16
	cmdline="host_ip=$host_ip guest_ip=$guest_ip"
	vm_start --disk path=data.img --net "$(tap_net)" --rng src=/dev/urandom \
		--worker-failure-limit hang=20
	vm_says "guest: ready" || return
	blk=$(pidof bulkhead-blk)
	kill -STOP $blk
	vm_says "guest: reading" || return
	vm_says "guest: ok ping while the disk stands"
	vm_says "guest: ok entropy while the disk stands"
	vm_says "guest: read ended"
	expect "it was found" grep -q "pid $blk) hangs: no answer for 20 s, it is stopped" vmm.log
	expect "it was replaced" grep -q "blk _disk0: a new worker .* has taken over" vmm.log
	expect "it is dead" [ ! -d /proc/$blk ]
	vm_wait
	judge
}

guest() {
	net "$(word guest_ip)/24"
	check "ping" pings "$(word host_ip)"
	say "ready"
	sleep 2
	(
		say "reading"
		dd if=/dev/vda of=/dev/null bs=1M count=4 2>/dev/null &&
			echo >/tmp/ended
		say "read ended"
	) &
	sleep 1
	check "ping while the disk stands" pings "$(word host_ip)"
	check "entropy while the disk stands" entropy
	wait
	check "the read ended" [ -e /tmp/ended ]
}
