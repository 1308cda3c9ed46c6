# SPDX-License-Identifier: Apache-2.0
#
# For tests/guest/run: the small devices, and what a watchdog does to a guest that hangs.

# Two lives: the first one hangs, and is reset.
watched() {	# watched TEXT CMDLINE OPTION...
	local text=$1 cmdline=$2
	shift 2
	rm -f a && disk a
	start 60 watchdog "$cmdline" --disk path=a --event-monitor path=events "$@"
	finish
	verdicts
	expect "$text: two lives, status 0" [ "$status" = 0 -a "$(grep -ac '^# life ' serial)" = 2 ]
	expect "it had hung" grep -aq '^hangs' serial
	expect "an event, one reset" [ "$(grep -c '"event": "watchdog"' events) $(grep -c '"event": "rebooted"' events)" = "1 1" ]
	expect "the user is told" grep -q 'has not served its watchdog in time: it is reset' stderr
	rm events
}

t_watchdog() { watched virtio "timeout=$((1000 * SLOWNESS)) short" --watchdog timeout=$SLOWNESS; }
t_watchdog_packed() {	# full
	watched packed "timeout=$((2000 * SLOWNESS)) packed" --watchdog timeout=$((2 * SLOWNESS)),packed=on
}
t_watchdog_default() { LIMIT=60 guest watchdog "timeout=24000 calm" --disk path=a --watchdog; }	# full
t_watchdog_i6300esb() { watched i6300esb "i6300esb" --watchdog model=i6300esb; }
t_watchdog_i6300esb_calm() {	# full
	disk a
	guest watchdog "i6300esb calm" --disk path=a --watchdog model=i6300esb,pci_device_id=9
}

# Who looks after the time is killed, and its successor does.
t_watchdog_killed() {
	local w
	disk a
	start 60 watchdog "timeout=10 short" --disk path=a --watchdog timeout=$((2 * SLOWNESS))
	wait_for serial '^hangs' 30 || not_ok "the guest hangs"
	w=$(worker watchdog)
	kill -9 "$w"
	finish
	verdicts
	expect "it is reset, status 0" [ "$status" = 0 -a "$(grep -ac '^# life ' serial)" = 2 ]
	expect "by another" grep -q 'has taken over' stderr
}

# A pause is not the guest's time, of either.
t_watchdog_paused() {	# full
	local model
	for model in "" model=i6300esb; do
		rm -f a events && disk a
		start 60 watchdog "timeout=$((2000 * SLOWNESS)) short ${model#*=}" --disk path=a \
			--watchdog ${model:-timeout=$((2 * SLOWNESS))} --api-socket api --event-monitor path=events
		wait_for serial '^# life 0' 20 || not_ok "the guest runs"
		ctl pause || not_ok "it is paused"
		sleep $((3 * SLOWNESS))
		expect "no reset while it is paused" [ "$(grep -c '"event": "watchdog"' events)" = 0 ]
		ctl resume || not_ok "it goes on"
		wait_for serial '^hangs' 20 || not_ok "it is not reset in its first life"
		finish
		verdicts
		expect "a reset afterwards" [ "$status" = 0 -a "$(grep -c '"event": "watchdog"' events)" = 1 ]
	done
}

# 202 requests: 100 at once, the others 20 ms apart.
rng_takes() {	# rng_takes OPTIONS: ms from start to end
	begun=$(now_ms)
	guest rng "" --rng "src=/dev/urandom$1"
	took=$(($(now_ms) - begun))
}
t_rng_limit() {
	local begun took free
	rng_takes ""
	free=$took
	rng_takes ,ops_size=100,ops_refill_time=2000
	expect "they take their time: $took ms, not $free" [ $took -ge 2000 ]
}

t_rtc() { guest rtc "now=$(date +%s)" --rtc; }
t_rtc_packed() { guest rtc "packed" --rtc packed=on; }	# full

t_kills_watchdog() { kills watchdog flow watchdog --watchdog timeout=600; }	# full
t_kills_rtc() { kills rtc flow rtc --rtc; }	# full
