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
	expect "every thread's filter is the one that was built" [ -z "$(grep -E 'DIFFERS|unread|NONE' audit)" ]
	kill -TERM "$controller"
	vm_wait
	expect "exit status 0" [ "$vm_status" = 0 ]
}

guest() {
	check up true
	sleep 60
}
