# SPDX-License-Identifier: Apache-2.0
# about: vCPUs come to a stock guest under load and go again, and it counts them right
# full: 50 times, and 64 at once
# vcpus: 1,max=8
# memory: 512M
# seconds: 900
# run: all

ctl() { "$BULKHEAD/bulkheadctl" --api-socket api "$@"; }

# What the guest said last.
has() { tr -d '\r' <console.log | sed -n 's/.*guest: cpus \([0-9]*\)$/\1/p' | tail -n 1; }

# to N: asked for, and there; one removal at a time.
to() {
	until ctl resize --cpus "$1" 2>error; do
		if ! grep -q 'still asked' error || [ "$(now)" -ge "$deadline" ]; then
			fail "resize to $1: $(cat error)"
			return 1
		fi
		sleep 0.2
	done
	until [ "$(has)" = "$1" ]; do
		if [ -e vmm.status ] || [ "$(now)" -ge "$deadline" ]; then
			fail "the guest has $(has) vCPUs, not $1"
			return 1
		fi
		sleep 0.2
	done
}

host() {
	times=2
	[ -z "$FULL" ] || times=50 vcpus=1,max=64
	vm_start --api-socket api
	vm_says "guest: cpus 1" || return
	n=0
	while [ $n -lt $times ]; do
		to 8 && to 3 && to 1 || break
		n=$((n + 1))
	done
	[ -z "$FULL" ] || to 64
	echo "# $n times from 1 to 8 and back"
	ctl info | tr -d ' \n' | grep -q "\"boot_vcpus\":$(has)" ||
		fail "vm.info says another number"
	ctl power-button
	vm_wait
	judge
}

guest() {
	cpus=/sys/devices/system/cpu
	# Load, that goes where there are processors.
	for i in 1 2 3; do (while :; do :; done) & done
	event=$(grep -A 4 'Power Button' /proc/bus/input/devices |
		sed -n 's/^H: .*\(event[0-9]*\).*/\1/p' | head -n 1)
	dd if="/dev/input/$event" of=/tmp/key bs=24 count=1 2>/dev/null &
	button=$!
	last=
	while kill -0 $button 2>/dev/null; do
		for f in $cpus/cpu[0-9]*/online; do
			[ "$(cat "$f")" = 1 ] || echo 1 >"$f"
		done 2>/dev/null
		n=$(grep -c '^processor' /proc/cpuinfo)
		[ "$n" = "$last" ] || say "cpus $n"
		last=$n
		sleep 0.1
	done
	# Each with its own id, as many as the topology says.
	check "APIC ids differ" [ "$(sed -n 's/^apicid.*: //p' /proc/cpuinfo | sort -u | wc -l)" = "$last" ]
	check "siblings" [ "$(cat $cpus/online | tr ',' '\n' | wc -l)" = 1 ]
	check "dmesg is clean" dmesg_clean
}
