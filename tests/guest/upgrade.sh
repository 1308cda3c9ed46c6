# SPDX-License-Identifier: Apache-2.0
#
# For tests/guest/run: workers that are replaced by another program under a guest
# that checks each of its requests (storm.c), or keeps all devices busy (traffic.c).

upgrade() { "$ROOT/$BUILD/bulkheadctl" --api-socket api upgrade-worker "$@"; }

# A guest that checks for MS milliseconds, on a disk that --disk OPTION is for.
checked() {	# checked MS CMDLINE OPTION...
	local ms=$1 cmdline=$2
	shift 2
	disk a 16M
	rm -f api events
	start 90 storm "ms=$ms $cmdline" --api-socket api -v \
		--event-monitor path=events "$@"
	wait_for serial '^running' 20 || not_ok "the guest runs"
}

done_checking() {
	finish
	verdicts
	grep -a '^storm: ' serial | sed 's/^/# /'
	expect "the VM's exit status is 0" [ "$status" = 0 ]
}

# How long the device stood still, as the VMM counts it: "least median most" of ms.
pauses() {
	grep -oE 'upgraded, a new .* after [0-9.]+' stderr | grep -oE '[0-9.]+$' |
		sort -n | awk '{ a[NR] = $1 } END { if (NR) print a[1], a[int((NR + 1) / 2)], a[NR] }'
}

under_storm() {	# under_storm CMDLINE OPTIONS: again and again
	local n=0 bad=0
	checked $((1500 * SLOWNESS)) "$1" --disk "path=a,packed=on$2"
	while kill -0 "$watch" 2>/dev/null && ! grep -aq '^storm: ' serial; do
		if upgrade _disk0 --binary "$ROOT/$BUILD/bulkhead-blk" 2>>said; then
			n=$((n + 1))
		elif kill -0 "$watch" 2>/dev/null && ! grep -aqE '^(storm|ok|not ok)' serial; then
			bad=$((bad + 1))
		fi
		sleep 0.0$((RANDOM % 5))
	done
	done_checking
	[ $bad = 0 ] || sed 's/^/# /' said
	expect "upgraded $n times" [ $n -ge 5 -a $bad = 0 ]
	expect "each by another process" [ $n -le \
		"$(grep -oE 'upgraded, a new worker .pid [0-9]+' stderr | sort -u | wc -l)" ]
	expect "it is an event each time" \
		[ "$(grep -c '"upgraded"' events)" -ge $n ]
	echo "# stood still for $(pauses) ms (least, median, most)"
}
t_upgrade() { under_storm "" ""; }
t_upgrade_packed() { under_storm "packed indirect event" ""; }
t_upgrade_direct() {
	if dd if=/dev/zero of=direct bs=4096 count=1 oflag=direct 2>/dev/null; then
		under_storm event ,direct=on
	else
		ok "# SKIP this file system cannot do direct I/O"
	fi
}

# All workers by those of a folder, while the guest uses disk, entropy and serial
# port; what it said there is there, line by line.
t_upgrade_all() {
	local net=() i old new kind before
	disk a
	[ "$(id -u)" = 0 ] && net=(--net tap=)
	start 60 traffic "" --disk path=a "${net[@]}" --console null \
		--api-socket api
	wait_for serial '^blk [1-9]' 20 || not_ok "the guest runs"
	for i in 1 2 3; do
		old=$(for kind in blk rng console ${net:+net}; do worker $kind; done)
		expect "all are upgraded, $i" upgrade --all --binary "$ROOT/$BUILD"
		new=$(for kind in blk rng console ${net:+net}; do worker $kind; done)
		expect "they are other processes, $i" \
			[ -z "$(comm -12 <(sort <<<"$old") <(sort <<<"$new"))" -a \
			"$(wc -w <<<"$new")" = "$(wc -w <<<"$old")" ]
		expect "the old ones are gone, $i" nobody $old
		expect "the disk goes on, $i" goes_on blk
		expect "entropy goes on, $i" goes_on rng
	done
	kill "$pid"
	finish
	expect "the VM stops when asked, status 0" [ "$status" = 0 ]
	expect "nothing to say" [ ! -s stderr ]
	expect "nothing the guest said is lost or there twice" awk '
		/^blk [0-9]+ rng [0-9]+/ { if ($2 < blk || $4 < rng) bad = 1; blk = $2; rng = $4; next }
		n++ > 3 { bad = 1 } END { exit bad }' <(head -n -1 serial | tr -d '\r')
}

# of_before KIND...: a VMM's programs, of these workers of the state version before.
of_before() {
	local f kind
	mkdir lib
	for f in "$ROOT/$BUILD"/bulkhead "$ROOT/$BUILD"/bulkhead-*; do
		case $f in *-test-* | *.*) ;; *) cp "$f" lib/ ;; esac
	done
	for kind in "$@"; do cp "$ROOT/$BUILD/test-$kind-previous" "lib/bulkhead-$kind"; done
	BULKHEAD=$PWD/lib/bulkhead
}

# The version of the state before this one, which this one knows; and one to come,
# whose state this one does not know.
t_upgrade_versions() {
	local f w
	of_before blk
	checked $((1500 * SLOWNESS)) "packed event" --disk path=a,packed=on
	expect "from the version before" upgrade _disk0 --binary "$ROOT/$BUILD/bulkhead-blk"
	expect "to the version after" upgrade _disk0 --binary "$ROOT/$BUILD/test-blk-next"
	w=$(worker blk)
	for f in bulkhead-blk test-blk-previous; do
		expect "not back: $f" refused "state of version 3" upgrade _disk0 --binary "$ROOT/$BUILD/$f"
	done
	expect "the worker went on" [ "$(worker blk)" = "$w" ]
	done_checking
}

# Each kind that hands its state over, from the version before, all of one VM; what
# they went on with none of the version before understands.
t_upgrade_versions_all() {
	local kinds="blk rng console balloon pmem vsock" net=() k old
	[ "$(id -u)" = 0 ] && kinds+=" net" net=(--net tap=)
	of_before $kinds
	disk a
	disk pm 2M
	start 60 traffic "" --disk path=a --console null --balloon size=0 --pmem file=pm \
		--vsock "cid=3,socket=$PWD/v" "${net[@]}" --api-socket api
	wait_for serial '^blk [1-9]' 20 || not_ok "the guest runs"
	old=$(for k in $kinds; do worker $k; done)
	expect "$(wc -w <<<"$old") workers from the version before" upgrade --all --binary "$ROOT/$BUILD"
	for k in $kinds; do
		cmp -s "/proc/$(worker $k)/exe" "$ROOT/$BUILD/bulkhead-$k" || not_ok "$k is of this version"
	done
	expect "the old ones are gone" nobody $old
	expect "the disk goes on" goes_on blk
	expect "entropy goes on" goes_on rng
	old=$(for k in $kinds; do worker $k; done)
	expect "not back" refused "state of version 2" upgrade --all --binary "$PWD/lib"
	expect "all go on" [ "$(for k in $kinds; do worker $k; done)" = "$old" ]
	kill "$pid"
	finish
	expect "exit status 0" [ "$status" = 0 ]
}

# ... and each while its guest uses it and checks.
versions_under() {	# versions_under KIND ID CMDLINE OPTION...
	of_before "$1"
	start 60 flow "ms=$((1500 * SLOWNESS)) $3" --api-socket api "${@:4}"
	wait_for serial '^running' 20 || not_ok "the guest runs"
	sleep 0.3
	expect "$1: from the version before" upgrade "$2" --binary "$ROOT/$BUILD/bulkhead-$1"
	sleep 0.3
	expect "$1: once more" upgrade "$2" --binary "$ROOT/$BUILD/bulkhead-$1"
	expect "$1: not back" refused "state of version 2" upgrade "$2" --binary "lib/bulkhead-$1"
	finish
	verdicts
	expect "$1: the guest saw no error" grep -qaE '^flow: [0-9]+ [a-z]+, 0 bad, ' serial
	expect "exit status 0" [ "$status" = 0 ]
}
t_upgrade_versions_rng() { versions_under rng __rng rng; }	# full
t_upgrade_versions_console() { versions_under console __console console --console "file=$PWD/out"; }	# full
t_upgrade_versions_net() {	# full
	[ "$(id -u)" = 0 ] || { ok "# SKIP taps need root"; return; }
	tap_to_flow
	versions_under net mine net --net "tap=mine,mac=12:34:56:78:90:56,id=mine"
	ip link del mine
}
t_upgrade_versions_balloon() {	# full
	of_before balloon
	start 60 balloon "pages=0 follow ms=$((2000 * SLOWNESS))" --memory size=128M \
		--balloon size=0 --api-socket api
	wait_for serial '^pages 0' 20 || not_ok "the guest runs"
	ctl resize --balloon 64M || not_ok "is asked for 64 MiB"
	wait_for serial '^pages 16384' 20 || not_ok "does it"
	expect "from the version before" upgrade __balloon --binary "$ROOT/$BUILD/bulkhead-balloon"
	expect "its size is what it was" grep -q '"actual":[[:space:]]*67108864' <(ctl counters)
	ctl resize --balloon 32M || not_ok "is asked for 32 MiB"
	wait_for serial '^pages 8192' 20 || not_ok "does it"
	expect "not back" refused "state of version 2" upgrade __balloon --binary lib/bulkhead-balloon
	finish
	verdicts
	expect "exit status 0" [ "$status" = 0 ]
}

# refused WORDS COMMAND...: status 1 and one line with these words.
refused() {
	local words=$1 rc
	shift
	"$@" 2>line
	rc=$?
	[ $rc = 1 ] && [ "$(wc -l <line)" = 1 ] && grep -qF -- "$words" line && return
	echo "  status $rc: $(head -c 300 line)"
	return 1
}

# Whoever holds what does not outlive it stays: open files of a share, a back end's own;
# and a stand-in has nothing to hand over.
t_upgrade_not() {
	local f
	mkdir share
	back_end rng
	disk a
	start 60 traffic "" --disk path=a --api-socket api --fs tag=t,path=share,id=share \
		--generic-vhost-user device_type=rng,socket=s,queue_sizes=[64],id=far \
		--on-worker-failure isolate
	wait_for serial '^blk [1-9]' 20 || not_ok "the guest runs"
	for f in share far; do
		expect "no: $f" refused "no other process can take the place" upgrade $f
	done
	kill -9 "$(worker blk)"
	wait_for stderr "it is isolated" 10 || not_ok "the disk is isolated"
	wait_for stderr "has taken over" 10 || not_ok "by a stand-in"
	expect "no: a stand-in" refused "given up" upgrade _disk0
	kill "$pid"
	finish
	expect "exit status 0" [ "$status" = 0 ]
	back_end_ends
}

t_upgrade_refused() {
	local w fds b=$ROOT/$BUILD
	cp "$b/bulkhead-blk" mode && chmod 644 mode
	cp "$b/bulkhead-blk" open && chmod 777 open
	printf '#!/bin/sh\nsleep 9\n' >script && echo words >text && chmod 755 script text
	checked 100000 "" --disk path=a
	w=$(worker blk)
	expect "a first one" upgrade __rng
	expect "by the VMM's own program" upgrade _disk0
	w=$(worker blk)
	fds=$(ls "/proc/$pid/fd" | wc -l)
	expect "no such device" refused "no such device" upgrade _disk7
	expect "no such file" refused "no such file" upgrade _disk0 --binary missing
	expect "a file that cannot be executed" refused "executing it: permission denied" upgrade _disk0 --binary mode
	expect "no program" refused "executing it" upgrade _disk0 --binary text
	expect "a script" refused "executing it" upgrade _disk0 --binary script
	expect "a program that others may write to" refused "others may write" upgrade _disk0 --binary open
	if [ "$(id -u)" = 0 ]; then
		cp "$b/bulkhead-blk" other && chown 65534 other
		expect "another user's program" refused "belongs to another user" upgrade _disk0 --binary other
	fi
	expect "one that ends at once" refused "died: exit status 1" upgrade _disk0 --binary "$G/exits"
	expect "one that speaks another protocol" refused "version 2 of the protocol" upgrade _disk0 --binary "$b/test-blk-foreign"
	expect "one that knows no state of this version" refused "state of version 2" upgrade _disk0 --binary "$b/test-blk-previous"
	expect "one that says nothing" refused "did not speak in time" upgrade _disk0 --binary "$G/idle"
	expect "the worker went on all the time" [ "$(worker blk)" = "$w" ]
	# From here on the one at work has let go before it shows.
	expect "a worker of another kind" refused "configuration of another device" upgrade _disk0 --binary "$b/bulkhead-rng"
	sleep 0.3
	expect "a worker of another disk" refused "another device" upgrade _disk0 --binary "$b/test-echo"
	sleep 0.3
	expect "another worker goes on" [ "$(worker blk)" != "$w" -a -n "$(worker blk)" ]
	expect "with the program of before" cmp -s "/proc/$(worker blk)/exe" "$b/bulkhead-blk"
	expect "no process is left" [ "$(tree "$pid" | grep -c bulkhead-blk)" = 1 ]
	expect "no fd is left ($fds)" [ "$(ls "/proc/$pid/fd" | wc -l)" = "$fds" ]
	kill -9 "$(worker blk)"
	sleep 0.3
	expect "and is replaced as any" [ -n "$(worker blk)" ]
	kill -PWR "$pid"
	done_checking
}

# One that dies soon: what was before is started again.
t_upgrade_dies_soon() {
	checked $((1500 * SLOWNESS)) event --disk path=a
	cp "$ROOT/$BUILD/bulkhead-blk" new
	expect "upgraded" upgrade _disk0 --binary new
	sleep 0.3		# the old one has let go, and exits
	expect "the new program runs" [ "$(readlink "/proc/$(worker blk)/exe")" = "$PWD/new" ]
	kill -9 "$(worker blk)"
	sleep 0.3
	expect "the program of before runs" \
		[ "$(readlink "/proc/$(worker blk)/exe")" = "$(readlink -f "$ROOT/$BUILD/bulkhead-blk")" ]
	expect "it is said" [ "$(grep -c 'dead soon after it was upgraded' stderr)" = 1 ]
	done_checking
}
