# SPDX-License-Identifier: Apache-2.0
# about: every process of a running VM is confined; the controller maps no guest memory
# vcpus: 2
# memory: 512M
# seconds: 90

field() { sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"; }

confined() {	# confined PID NAME
	expect "$2: no new privileges" [ "$(field "$1" NoNewPrivs)" = 1 ]
	expect "$2: seccomp filter" [ "$(field "$1" Seccomp)" = 2 ]
	expect "$2: no capabilities" [ "$(field "$1" CapEff)" = 0000000000000000 ]
	expect "$2: none to gain" [ "$(field "$1" CapPrm)" = 0000000000000000 ]
	expect "$2: bounding set is empty" [ "$(field "$1" CapBnd)" = 0000000000000000 ]
	for ns in user net mnt pid ipc; do
		expect "$2: a $ns namespace of its own" \
			[ "$(readlink "/proc/$1/ns/$ns")" != "$(readlink /proc/self/ns/$ns)" ]
	done
	expect "$2: its root is empty" [ -z "$(ls "/proc/$1/root/")" ]
	expect "$2: runs as somebody else" [ "$(field "$1" Uid | cut -f 1)" != 0 ]
}

host() {
	data_disk data.img 16
	vm_start --disk path=data.img --net "$(tap_net)" --rng src=/dev/urandom
	vm_says "guest: ok up" || return
	for name in vcpu blk net rng console; do
		pid=$(pidof bulkhead-$name)
		expect "one process bulkhead-$name" [ "$(echo "$pid" | wc -w)" = 1 ]
		[ -n "$pid" ] && confined "${pid%% *}" "$name"
	done
	expect "loader and opener are gone" [ -z "$(pidof bulkhead-loader bulkhead-opener)" ]
	controller=$(cat vmm.pid)
	expect "the controller has a filter" [ "$(field "$controller" Seccomp)" = 2 ]
	expect "the controller maps no guest memory" \
		[ "$(awk '/memfd/ { n++ } END { print n + 0 }' "/proc/$controller/maps")" = 0 ]
	"$BULKHEAD/bulkheadctl" audit "$controller" --check >audit 2>&1
	status=$?
	expect "the audit finds all as declared" [ $status = 0 ]
	[ $status = 0 ] || sed 's/^/# /' audit | head -60
	groups=/sys/fs/cgroup/bulkhead-$controller
	for name in vcpu blk net rng console; do
		expect "$name: a cgroup of its own" [ "$(sed -n 's/^0:://p' \
			"/proc/$(pidof bulkhead-$name)/cgroup")" = "$(echo "$groups/$name"-* | cut -c 15-)" ]
		expect "$name: with a limit of tasks" [ "$(cat "$groups/$name"-*/pids.max)" -le 1032 ]
	done
	expect "memory of all is limited, above the guest's" \
		[ "$(cat "$groups/memory.max")" -gt $((512 << 20)) ]
	expect "the audit has nothing that cgroups lack" [ "$(grep -c 'no .*its controller' audit)" = 0 ]
	echo 7 >"$(echo "$groups"/rng-*/pids.max)"
	"$BULKHEAD/bulkheadctl" audit "$controller" --check >audit.drift 2>&1
	expect "another limit than declared is drift" \
		[ $? = 1 -a "$(grep -c 'rng .*pids.max is 7, not 4' audit.drift)" = 1 ]
	echo 0 >"$(echo "$groups"/rng-*/memory.max)"
	for i in 1 2 3 4 5 6 7 8 9 10; do grep -q 'out of memory' vmm.log && break; sleep 1; done
	expect "a worker without memory is killed, and that is said" \
		grep -q 'bulkhead-rng .*out of memory' vmm.log
	expect "every thread's filter is the one that was built" [ -z "$(grep -E 'DIFFERS|unread|NONE' audit)" ]
	kill -TERM "$controller"
	vm_wait
	expect "no cgroup is left" [ ! -e "$groups" ]
	expect "exit status 0" [ "$vm_status" = 0 ]
}

guest() {
	check up true
	sleep 60
}
