# SPDX-License-Identifier: Apache-2.0
# about: a guest's kernel panics: pvpanic's event says so, and the VM goes on
# run: all
# vcpus: 2
# memory: 512M
# seconds: 90

host() {
	vm_start --pvpanic --event-monitor path=events
	until grep -q '"source": "guest"' events; do
		if [ -e vmm.status ] || [ "$(now)" -ge "$deadline" ]; then
			fail "no event"
			return
		fi
		sleep 0.2
	done
	expect "its name" grep -q '"event": "panic"$' events
	expect "the log says it" grep -q "the guest's kernel panicked" vmm.log
	expect "the kernel says it" grep -q 'Kernel panic - not syncing: sysrq' serial.log
	sleep 2
	expect "the VM is still there" [ ! -e vmm.status ]
	kill -TERM "$(cat vmm.pid)"
	while [ ! -e vmm.status ] && [ "$(now)" -lt "$deadline" ]; do sleep 0.2; done
	expect "exit status 0" [ "$(cat vmm.status)" = 0 ]
}

guest() {
	echo c >/proc/sysrq-trigger
}
