# SPDX-License-Identifier: Apache-2.0
# about: a guest that prints nothing is judged as failed (the lab's own test)
# vcpus: 1
# memory: 512M
# seconds: 60

host() {
	vm_start
	vm_wait
	expect "bulkhead ends with 0" [ "$vm_status" = 0 ]
	verdict=$(judge; echo "failures=$failures")
	case $verdict in
	*failures=0*) fail "the lab took silence for success" ;;
	esac
}

guest() { poweroff -f; }
