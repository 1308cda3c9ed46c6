# SPDX-License-Identifier: Apache-2.0
# about: a device worker that stands still stops its own device and no other
# vcpus: 1
# memory: 512M
# seconds: 120

# While the block worker is stopped the guest's read does not end, and the rest
# of the guest goes on; when it continues, so does the read.
host() {
	data_disk data.img 16
	cmdline="host_ip=$host_ip guest_ip=$guest_ip"
	vm_start --disk path=data.img --net "$(tap_net)" --rng src=/dev/urandom
	vm_says "guest: ready" || return
	blk=$(pidof bulkhead-blk)
	kill -STOP $blk
	vm_says "guest: reading" || return
	vm_says "guest: ok ping while the disk stands"
	vm_says "guest: ok entropy while the disk stands"
	expect "the read has not ended" [ -z "$(grep 'guest: read ended' console.log)" ]
	kill -CONT $blk
	vm_says "guest: read ended"
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
		dd if=/dev/vda of=/dev/null bs=1M count=4 2>/dev/null
		say "read ended"
		echo >/tmp/ended
	) &
	sleep 1
	check "ping while the disk stands" pings "$(word host_ip)"
	check "entropy while the disk stands" entropy
	wait
	check "the read ended" [ -e /tmp/ended ]
}
