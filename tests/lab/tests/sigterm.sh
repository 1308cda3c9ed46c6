# SPDX-License-Identifier: Apache-2.0
# about: SIGTERM ends the VM with status 0 within 5 s, and leaves nothing behind
# vcpus: 1
# memory: 512M
# seconds: 60

host() {
	data_disk data.img 16
	vm_start --disk path=data.img --net "$(tap_net)" --rng src=/dev/urandom
	vm_says "guest: ok written" || return
	pid=$(cat vmm.pid)
	begin=$(now)
	kill -TERM "$pid"
	vm_wait
	expect "exit status 0" [ "$vm_status" = 0 ]
	expect "within 5 s" [ $(($(now) - begin)) -le 6 ]
	expect "the tap is gone" [ ! -e "/sys/class/net/bh$$" ]
	expect "no process is left" [ -z "$(pidof bulkhead-vcpu bulkhead-blk bulkhead-net \
		bulkhead-rng bulkhead-console)" ]
}

guest() {
	check written disk_keeps /dev/vda 8
	sleep 60
}
