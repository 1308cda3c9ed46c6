# SPDX-License-Identifier: Apache-2.0
# about: every process of a running VM is confined; the controller maps no guest memory; a worker without memory is replaced
# vcpus: 2
# memory: 512M
# seconds: 150

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

# The kernel kills it for its own cgroup's limit. That is said, and another takes over.
out_of_memory() {	# out_of_memory KIND
	local was=$(pidof "bulkhead-$1") i
	echo 0 >"$(echo "$groups/$1"-*/memory.max)"
	for i in $(seq 200); do grep -q "^.* $1 .*has taken over" vmm.log && break; sleep 0.1; done
	expect "$1: a worker without memory is killed, and that is said" \
		grep -q "bulkhead-$1 .*pid $was.*out of memory" vmm.log
	expect "$1: another has taken over" \
		[ -n "$(pidof "bulkhead-$1")" -a "$(pidof "bulkhead-$1")" != "$was" ]
	"$BULKHEAD/bulkheadctl" --api-socket "$PWD/api" --output json crashes >crashes 2>&1
	expect "$1: crashes has it" \
		grep -q "\"kind\":\"$1\"[^}]*\"cause\":\"oom\"[^}]*\"action\":\"restarted\"" crashes
	said=$(grep -c "guest: $1 read" console.log)
	for i in $(seq 100); do
		[ "$(grep -c "guest: $1 read" console.log)" -lt $((said + 2)) ] || break
		sleep 0.1
	done
	expect "$1: the guest goes on" [ "$i" -lt 100 ]
}

host() {
	data_disk data.img 16
	vm_start --disk path=data.img --net "$(tap_net)" --rng src=/dev/urandom \
		--api-socket "$PWD/api"
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
	for name in rng blk; do out_of_memory $name; done
	expect "every thread's filter is the one that was built" [ -z "$(grep -E 'DIFFERS|unread|NONE' audit)" ]
	kill -TERM "$controller"
	vm_wait
	expect "no cgroup is left" [ ! -e "$groups" ]
	expect "exit status 0" [ "$vm_status" = 0 ]
}

guest() {
	check up true
	while sleep 1; do
		dd if=/dev/hwrng of=/dev/null bs=64 count=1 2>/dev/null && say "rng read"
		echo 3 >/proc/sys/vm/drop_caches
		dd if=/dev/vda of=/dev/null bs=64k count=1 2>/dev/null && say "blk read"
	done
}
