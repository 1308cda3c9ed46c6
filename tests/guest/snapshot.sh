# SPDX-License-Identifier: Apache-2.0
#
# For tests/guest/run: a VM is paused and saved, killed, and made again of what was saved:
# its guest counts on. "# full": with FULL=1 alone.

# restore NAME OPTION...: a VM of $PWD/NAME, as start() does it.
restore() {
	local name=$1 i
	shift
	rm -f pid
	: >serial		# what the one before has said is not this one's
	"$G/watch" $((60 * SLOWNESS)) pid "${BULKHEAD:-$ROOT/$BUILD/bulkhead}" \
		--restore "source_url=file://$PWD/$name,resume=on" "$@" 2>stderr >stdout </dev/null &
	watch=$!
	for i in {1..200}; do
		[ -s pid ] && break
		sleep 0.01
	done
	pid=$(cat pid)
}

# How often device $1 has been asked, as the guest last said.
count_of() { tr -d '\r' <serial | sed -n "s/^at $1 \([0-9]*\) 0\$/\1/p" | tail -1; }

# saved NAME: pause, save into NAME.
saved() {
	ctl pause || not_ok "it pauses"
	ctl snapshot "file://$PWD/$1" 2>said || not_ok "it is saved: $(cat said)"
}

# A guest that does something with each device; each goes on where it was.
t_snapshot() {
	local kinds="blk rng console rtc balloon watchdog" kind net=() before=() i
	disk a
	[ "$(id -u)" = 0 ] && net=(--net tap=) kinds+=" net"
	start 60 steady "" --disk path="$PWD/a" "${net[@]}" --console null --rtc --watchdog \
		--balloon size=0 --pvpanic --memory size=64M --api-socket "$PWD/api"
	for kind in $kinds; do
		wait_for serial "^at $kind [1-9][0-9]* 0" 20 || not_ok "$kind is at work"
	done
	ctl snapshot "file://$PWD/s" 2>said
	expect "not while it runs" grep -q 'Trying to snapshot while VM is running' said
	saved s
	ctl snapshot "file://$PWD/s" 2>said
	expect "a directory that is full is refused" grep -q '/s: not empty' said
	ctl snapshot "file://$PWD/none/s" 2>said
	expect "... and one that cannot be made" grep -q '/none/s: no such file or directory' said
	ctl snapshot "http:/x" 2>said
	expect "... and what is no directory" grep -q 'destination_url: not file:///<directory>' said
	expect "nothing else is left" [ "$(ls -A | grep -c '\.snapshot')" = 0 ]
	for kind in $kinds; do before+=("$(count_of $kind)"); done
	: >serial
	ctl resume || not_ok "it runs on"
	wait_for serial '^at blk [1-9][0-9]* 0' 20 || not_ok "it goes on where it was"
	kill -9 "$pid"
	finish
	restore s --api-socket "$PWD/api"
	i=0
	for kind in $kinds; do
		wait_for serial "^at $kind [1-9][0-9]* 0" 20
		expect "$kind counts on" [ "$(count_of $kind)" -ge "${before[i]}" ]
		i=$((i + 1))
	done
	# What was made of a snapshot is saved again, and reset.
	saved again
	ctl resume
	kill -PWR "$pid"
	finish
	expect "it powers off, status 0" [ "$status" = 0 ]
	expect "no request failed" [ "$(grep -c '^not ok' serial)" = 0 ]
	cp -r again damaged
	printf '\377' | dd of=damaged/memory conv=notrunc bs=1 seek=100000 status=none
	restore damaged
	finish
	expect "a flipped byte is refused by name, status 1" \
		grep -q 'restore of .*/damaged: memory: is damaged' stderr
	expect "... in one line" [ "$status" = 1 -a "$(wc -l <stderr)" = 1 ]
}

# Disk data: what was written before is read after, through the restored VM's own caches.
t_snapshot_data() {	# full
	disk a
	start 60 storm ms=1400000 --disk path="$PWD/a" --memory size=64M --api-socket "$PWD/api"
	wait_for serial '^running' 20 || not_ok "the guest runs"
	local n
	for n in 1 2 3; do
		saved "s$n"
		kill -9 "$pid"
		finish
		restore "s$n" --api-socket "$PWD/api"
		expect "restored, $n" timeout $((20 * SLOWNESS)) bash -c "until $ROOT/$BUILD/bulkheadctl \
			--api-socket $PWD/api info 2>/dev/null | grep -q Running; do sleep 0.1; done"
	done
	kill -PWR "$pid"
	finish
	verdicts
	grep -aE '^storm: ' serial | tr -d '\r' | sed 's/^/# /'
	expect "no request was wrong" grep -qaE '^storm: [0-9]+ [a-z]+, 0 bad, ' serial
	expect "exit status 0" [ "$status" = 0 ]
}

# All is as before when the process that writes a snapshot dies.
t_snapshot_fails() {
	mkdir libexec
	cp "$ROOT/$BUILD"/bulkhead "$ROOT/$BUILD"/bulkhead-* libexec/
	# It says Hello, and ends when it gets what is another's.
	cp "$ROOT/$BUILD/bulkhead-rng" libexec/bulkhead-migration
	BULKHEAD=$PWD/libexec/bulkhead busy "" --api-socket "$PWD/api" || return
	ctl pause || not_ok "it pauses"
	ctl snapshot "file://$PWD/s" 2>said
	expect "the worker's death is said" grep -q 'its process (bulkhead-migration) died: ' said
	expect "nothing is left" [ ! -e s -a "$(ls -A | grep -c '\.snapshot')" = 0 ]
	ctl resume || not_ok "it runs on"
	expect "and goes on" goes_on blk
	kill "$pid"
	finish
	expect "exit status 0" [ "$status" = 0 ]
}
