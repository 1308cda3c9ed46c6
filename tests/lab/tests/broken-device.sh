# SPDX-License-Identifier: Apache-2.0
# about: a deliberately broken device turns its test red (the lab's own test)
# vcpus: 1
# memory: 512M
# seconds: 60
# files: build/broken-rng

host() {
	mkdir programs
	cp "$BULKHEAD"/bulkhead "$BULKHEAD"/bulkhead-* programs/
	cp "$BULKHEAD/broken-rng" programs/bulkhead-rng
	BULKHEAD=$PWD/programs
	vm_start --rng src=/dev/urandom
	vm_wait
	expect "bulkhead ends with 0" [ "$vm_status" = 0 ]
	expect "the guest finished" grep -q "guest: done" console.log
	expect "the item failed" grep -q "guest: not ok hwrng gives entropy" console.log
	verdict=$(judge; echo "failures=$failures")
	case $verdict in
	*failures=0*) fail "the lab took a broken device for a good one" ;;
	esac
}

guest() {
	check "there is an rng" virtio_of 4
	check "hwrng gives entropy" entropy
}
