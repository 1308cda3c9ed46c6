# SPDX-License-Identifier: Apache-2.0
#
# For tests/guest/run: processes of a VM that hang, that are killed at each step of
# their lives, and many, many recoveries. "# full": with FULL=1 alone.

# A worker that is stopped is found, killed and replaced; the guest waits, and goes
# on. What happened can be asked for afterwards.
t_hang() {
	local w n most=${FULL:+2}
	busy "" --api-socket "$PWD/api" --event-monitor "path=$PWD/events" \
		--worker-failure-limit deaths=100,hang=$SLOWNESS || return
	for ((n = 1; n <= ${most:-1}; n++)); do
		w=$(worker blk)
		kill -STOP "$w"
		wait_for stderr "pid $w\\) hangs: no answer for $SLOWNESS s, it is stopped" 20 ||
			not_ok "stopped worker $n is found"
		expect "the disk goes on, $n" goes_on blk
	done
	ctl --output json crashes >crashes
	ctl --output table crashes | sed 's/^/# /'
	kill "$pid"
	finish
	expect "exit status 0" [ "$status" = 0 ]
	expect "as many hangs, each replaced: ${most:-1}" \
		[ "$(grep -o '"cause":"hang"[^}]*"action":"restarted"[^}]*"replaced_us":[0-9]' crashes | wc -l)" = "${most:-1}" ]
	expect "the last requests are there" grep -qE '"type":"(read|write)","read_len":[0-9]+' crashes
	expect "the event has the cause" grep -q '"cause": "hang"' events
}

# Where a worker died: the function, of a call that it was denied (the controller is told
# where) and of a fault (the kernel has logged it). It is made to jump there.
jumps() {	# jumps ADDRESS RAX: of the program's, hexadecimal
	local w base
	w=$(worker blk)
	base=$(sed -n '/bulkhead-blk/{s/-.*//p;q}' "/proc/$w/maps")
	"$G/jump" "$w" "$(printf %x $((0x$base + 0x$1)))" "$2" || not_ok "it can be made to jump"
	wait_for stderr "pid $w\\).*(died|denied)" 10 || not_ok "it dies of that"
}
t_symbol() {
	[ "$(id -u)" = 0 ] && command -v objdump >/dev/null || { ok "# SKIP needs root, and objdump"; return; }
	[ -z "${SAN:-}" ] || { ok "# SKIP the sanitizer catches the fault, and makes calls of its own"; return; }
	local blk=$ROOT/$BUILD/bulkhead-blk call flush w
	call=$(objdump -d --disassemble=io_uring_ring_dontfork "$blk" | sed -n '/syscall/s/:.*//p' | head -1)
	flush=$(objdump -t "$blk" | awk '$NF == "virtq_flush" { print $1 }')
	busy "" --api-socket "$PWD/api" || return
	jumps "${call// /}" 57			# fork()
	expect "the disk goes on" goes_on blk
	jumps "$flush" 0			# of a queue at 8
	expect "the disk goes on again" goes_on blk
	ctl --output table crashes >crashes
	sed 's/^/# /' crashes
	kill "$pid"
	finish
	expect "exit status 0" [ "$status" = 0 ]
	expect "a denied call has its function" \
		grep -qE '^    at: io_uring_ring_dontfork\+0x[0-9a-f]+, bulkhead-blk\+0x[0-9a-f]+$' crashes
	# The kernel bounds how many it logs, and others fault, too.
	w=$(sed -nE 's/.*blk _disk0 +([0-9]+) +signal .*/\1/p' crashes)
	! dmesg 2>/dev/null | grep -qF "bulkhead-blk[$w]: segfault" || expect "a fault, too" \
		grep -qE '^    at: virtq_flush\+0x[0-9a-f]+, bulkhead-blk\+0x[0-9a-f]+$' crashes
}

# The vcpu-worker is the VM; of the api-worker another is made.
t_hang_vcpu() {
	local all
	busy "" --worker-failure-limit hang=$SLOWNESS || return
	all=$(tree "$pid" | cut -d' ' -f1)
	kill -STOP "$(worker vcpu)"
	finish
	expect "the VM stops with status 1" [ "$status" = 1 ]
	expect "no process is left" nobody $all
	expect "one line, and why" [ "$(wc -l <stderr)" = 1 -a \
		"$(grep -c 'vcpu (pid [0-9]*) hangs: no answer for '$SLOWNESS' s, it is stopped' stderr)" = 1 ]
}
t_hang_api() {
	busy "" --api-socket "$PWD/api" --worker-failure-limit hang=$SLOWNESS || return
	kill -STOP "$(worker api)"
	wait_for stderr 'api \(pid [0-9]+\) hangs: ' 10 || not_ok "it is found"
	expect "its successor answers" timeout $((20 * SLOWNESS)) bash -c "until $ROOT/$BUILD/bulkheadctl \
		--api-socket $PWD/api --output json crashes 2>/dev/null | grep -q '\"cause\":\"hang\"'; do sleep 0.2; done"
	kill "$pid"
	finish
	expect "exit status 0" [ "$status" = 0 ]
}

# stepped NAME SKIP FIRST STRIDE LAST: what is started next runs under killat.
stepped() {
	printf '#!/bin/sh\nexec %s %s %s "$@"\n' "$G/killat" "$*" "$ROOT/$BUILD/bulkhead" >stepped
	chmod +x stepped
	BULKHEAD=$PWD/stepped
}

# Each successor is killed one step later in its life than the one before: from its
# exec on, before it is jailed, while it takes over, at work. A step is the entry or
# the exit of a system call.
steps() {	# steps KIND LAST GUEST CMDLINE OPTION...
	local kind=$1 last=$2 i w
	shift 2
	stepped "bulkhead-$kind" 1 1 1 "$last"
	start 100 "$1" "$2" --worker-failure-limit deaths=100000 "${@:3}"
	for i in {1..100}; do
		w=$(worker "$kind")
		[ -z "$w" ] || break
		sleep 0.05
	done
	[ "$1" != traffic ] || wait_for serial '^blk [1-9]' 20 || not_ok "the guest runs"
	sleep 0.3
	kill -9 "$w"
}
stepped_on() {	# that is over
	local n
	verdicts
	n=$(wc -l <killed)
	expect "exit status 0" [ "$status" = 0 ]
	expect "killed at $n steps, the last $(tail -n 1 killed | cut -d' ' -f2)" [ "$n" -ge "$1" ]
}
t_steps_blk() {
	disk a 16M
	steps blk 300 storm "ms=$((4000 * SLOWNESS))" --disk path=a
	finish
	stepped_on 100
}
t_steps_blk_packed() {	# full
	disk a 16M
	steps blk 300 storm "ms=$((4000 * SLOWNESS)) packed indirect event" --disk path=a,packed=on
	finish
	stepped_on 100
}
# The guest resets and activates all the while.
t_steps_blk_reset() {	# full
	disk a
	steps blk 300 reset_device "resets=1000" --disk path=a,packed=on
	finish
	stepped_on 50
}
steps_traffic() {	# steps_traffic KIND OPTION...
	local i
	disk a
	steps "$1" 260 traffic "" --disk path=a "${@:2}"
	wait_for killed '^[0-9]+ 260 ' $((${FULL:+20} + 5))
	for i in {1..50}; do
		grep -q "has taken over" stderr && break
		sleep 0.1
	done
	expect "the disk goes on" goes_on blk
	expect "entropy goes on" goes_on rng
	kill "$(ps -o pid= --ppid "$pid" | head -n 1)"
	finish
	stepped_on 60
}
t_steps_rng() { steps_traffic rng --console null; }	# full
t_steps_console() { steps_traffic console --console null; }
t_steps_net() { [ "$(id -u)" = 0 ] && steps_traffic net --console null --net tap= || ok "# SKIP needs a tap"; }	# full

# A process of the start, killed at some step of it (FULL=1: at more): there is one
# line, and nobody and nothing is left. "controller": nobody is there to say it.
step_of_start() {	# step_of_start NAME STATUS STRIDE
	local k before n=0 bad=0
	disk a
	before=$(ip -o link 2>/dev/null | wc -l)
	for ((k = 1; k < 20000; k += $3)); do
		stepped "$1" 0 "$k" 1 "$k"
		start 20 boot "" --disk path=a --api-socket "$PWD/api"
		finish
		[ -s killed ] || break
		n=$((n + 1))
		# A one-shot process may be killed after it has done all it was for.
		[ "$status" = "$2" ] || [ "$status" = 0 -a "$2" = 1 ] || { bad=$((bad + 1)); not_ok "step $k: status $status"; }
		[ "$2" != 1 ] || [ "$status" != 1 ] || [ "$(wc -l <stderr)" = 1 ] || { bad=$((bad + 1)); not_ok "step $k: one line"; }
		# Between the opener's making it and the spawner's hearing of it nobody
		# can remove the socket but the next start.
		[ ! -e api -o "$1" = bulkhead -o "$1" = bulkhead-opener ] || { bad=$((bad + 1)); not_ok "step $k: the socket is left"; rm -f api api.lock; }
	done
	expect "the last one runs, and leaves nothing" [ "$status" = 0 -a ! -e api -a ! -e api.lock ]
	expect "$n steps of $1, up to $k" [ $bad = 0 -a $n -ge 2 ]
	[ "$before" = "$(ip -o link 2>/dev/null | wc -l)" ] || not_ok "an interface is left"
}
t_steps_controller() { step_of_start bulkhead 137 "$([ -n "${FULL:-}" ] && echo 11 || echo 409)"; }
t_steps_vcpu() { step_of_start bulkhead-vcpu 1 "$([ -n "${FULL:-}" ] && echo 3 || echo 83)"; }	# full
t_steps_loader() { step_of_start bulkhead-loader 1 "$([ -n "${FULL:-}" ] && echo 3 || echo 97)"; }
# Killed from outside at a step, it is started once more, and no more than once.
t_loader_again() {
	disk a
	for k in 60 200; do
		stepped bulkhead-loader 0 $k 1 $k
		start 20 boot "" --disk path=a
		finish
		expect "step $k: the VM starts all the same" [ "$status" = 0 -a "$(wc -l <killed)" = 1 ]
		expect "and it is said" [ "$(grep -c 'bulkhead-loader (.*) died: killed by signal 9' stderr)" = 1 ]
	done
	stepped bulkhead-loader 0 60 1 61
	start 20 boot "" --disk path=a
	finish
	expect "twice, the start ends with status 1" [ "$status" = 1 -a "$(wc -l <killed)" = 2 ]
	expect "and a line for each" [ "$(grep -c 'died: killed by signal 9' stderr)" = 2 -a "$(wc -l <stderr)" = 2 ]
}
t_steps_opener() { step_of_start bulkhead-opener 1 "$([ -n "${FULL:-}" ] && echo 3 || echo 31)"; }	# full
t_steps_worker() { step_of_start bulkhead-blk 1 "$([ -n "${FULL:-}" ] && echo 3 || echo 47)"; }	# full

# A worker (or the opener) killed at each step of its life with a disk that comes, or
# leaves: each time the device is there or not, as the answer says, and the VM goes on.
hot_steps() {	# hot_steps KIND FIRST STRIDE LAST [DEVICE]
	local kind=$1 what=${5:-disk path=$PWD/b}
	set -- "${@:2:3}"
	local n=0 there=0 not=0 i fds
	disk a && disk b && mkdir -p share
	stepped "bulkhead-$kind" 1 "$@"
	start 100 hotplug "" --disk path=a --api-socket "$PWD/api" --worker-failure-limit deaths=100000
	wait_for serial '^functions 3' 20 || not_ok "the guest runs"
	fds=$(fds "$pid")
	# Some later steps are never reached, and the worker lives.
	while ! grep -q "^[0-9]* $3 " killed 2>/dev/null && [ $n -lt $((($3 - $1) / $2 + 5)) ]; do
		n=$((n + 1))
		: >said
		if ctl "add-${what%% *}" "${what#* },id=hot" >said 2>&1; then
			there=$((there + 1))
			ctl info | grep -q '"hot"' || not_ok "$n: added and not there"
			ctl remove-device hot >said 2>&1 || not_ok "$n: asked to go: $(cat said)"
			for i in {1..400}; do
				ctl info | grep -q '"hot"' || break
				sleep 0.02
			done
		else
			not=$((not + 1))
			grep -qE "bulkhead-$kind|opener died" said || not_ok "$n: $(cat said)"
		fi
		! ctl info | grep -q '"hot"' || { not_ok "$n: it is stuck"; break; }
	done
	echo "# $(wc -l <killed) killed, the last at $(tail -n 1 killed | cut -d' ' -f2): $there times it came, $not times not"
	expect "some were killed" [ -s killed ]
	ctl "add-${what%% *}" "${what#* },id=hot" >/dev/null || not_ok "in the end it comes"
	wait_for serial 'slot 3 (works|has 105a)' 20 || not_ok "and works"
	ctl remove-device hot
	for i in {1..100}; do
		[ "$(fds "$pid")" != "$fds" ] || break
		sleep 0.05
	done
	expect "nothing is left: $fds fds" [ "$(fds "$pid")" = "$fds" ]
	expect "no word of what cannot be" [ -z "$(grep -E 'cannot take over|broke the protocol' stderr)" ]
	ctl power-button
	finish
	expect "exit status 0" [ "$status" = 0 ]
}
# It is ready at about its thousandth.
t_steps_hot() { if [ -n "${FULL:-}" ]; then hot_steps blk 1 11 1200; else hot_steps blk 901 50 1101; fi; }
t_steps_hot_late() { hot_steps blk 960 1 1100; }	# full
# Ready at about its 9200th: it looks at each number that an fd may have.
t_steps_hot_fs() { hot_steps fs 1 131 9300 "fs tag=t,path=$PWD/share"; }	# full
t_steps_hot_fs_late() { hot_steps fs 9100 3 9300 "fs tag=t,path=$PWD/share"; }	# full
t_steps_hot_opener() { hot_steps opener 1 7 1000; }	# full

# All kinds of workers die in turn, now and then two at once; the guest goes on, and
# nothing is left of the dead: no fd, no memory, no process. FULL=1: a thousand times.
fds() { ls "/proc/$1/fd" | wc -l; }
rss() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; }
t_recoveries() {
	local kinds=(blk rng console) n=0 i w k most=${FULL:+1000} before after
	[ "$(id -u)" = 0 ] && kinds+=(net)
	busy "" --worker-failure-limit deaths=100000 || return
	recover() {	# recover KIND...: once each
		for k in "$@"; do kill -9 "$(worker "$k")" && n=$((n + 1)); done
		for i in {1..1000}; do
			[ "$(grep -c 'has taken over' stderr)" -ge $n ] && return
			sleep 0.01
		done
		not_ok "recovery $n"
	}
	look() { echo "controller $(fds "$pid") spawner $(fds "$(spawner)") vcpu $(fds "$(worker vcpu)") processes $(tree "$pid" | wc -l)"; }
	for k in "${kinds[@]}"; do recover "$k"; done
	before=$(look) w="$(rss "$pid") $(rss "$(worker vcpu)")"
	while [ $n -lt "${most:-40}" ]; do
		if [ $((n % 5)) = 0 ]; then
			recover blk rng
		else
			recover "${kinds[$((n % ${#kinds[@]}))]}"
		fi
	done
	after=$(look)
	echo "# $n recoveries; controller and vcpu-worker, KiB: $w, then $(rss "$pid") $(rss "$(worker vcpu)")"
	expect "as many fds and processes as before: $before, $after" [ "$before" = "$after" ]
	expect "no more memory" [ "$(rss "$pid")" -lt $((${w% *} + 400)) ]
	expect "the disk goes on" goes_on blk
	expect "entropy goes on" goes_on rng
	kill "$pid"
	finish
	expect "exit status 0" [ "$status" = 0 ]
}

t_zones() {
	local i
	local opts=(--memory size=0,hotplug_method=virtio-mem --cpus boot=2,max=4
		--memory-zone id=low,size=64M "id=high,size=64M,hotplug_size=1G,hotplugged_size=128M")
	disk a
	guest zones "" "${opts[@]:0:4}" --memory-zone id=low,size=64M id=high,size=64M --disk path=a
	expect "no nodes" grep -q '^# no nodes' serial
	guest zones "" "${opts[@]}" --disk path=a --numa \
		guest_numa_id=1,cpus=[1-2],memory_zones=high,distances=[0@35] guest_numa_id=0,cpus=[0],memory_zones=[low]
	for i in 'memory 0x0+0x4000000 node 0 flags 1' 'memory 0x4000000+0x4000000 node 1 flags 1' \
	    'memory 0x100000000+0x40000000 node 1 flags 3' 'distance 0 to 1 is 35' 'distance 1 to 0 is 35' \
	    'distance 1 to 1 is 10' 'apic 0 node 0 flags 1' 'apic 1 node 1 flags 1' 'apic 3 node 0 flags 1'; do
		expect "$i" grep -q "^# $i" serial
	done
	NOISY=1 start 60 mem "blocks=64 follow ms=600000" "${opts[@]}" --api-socket api
	wait_for serial '^blocks 64' 20 || not_ok "the guest runs"
	expect "vm.info shows the zones" grep -q '"zones"' <(ctl info)
	ctl resize-zone --id high --size 1088M || not_ok "the zone is asked for 1 GiB"
	wait_for serial '^blocks 512' 20 || not_ok "has it"
	expect "vm.info knows" grep -q '"memory_actual_size":[[:space:]]*1207959552' <(ctl info)
	for i in "low --size 128M" "high --size 32M" "high --size 2G" "high --size 65M" "none --size 64M"; do
		# shellcheck disable=SC2086
		expect "$i: refused" sh -c "! '$ROOT/$BUILD/bulkheadctl' --api-socket api resize-zone --id $i 2>/dev/null"
	done
	expect "not all of memory at once" sh -c "! '$ROOT/$BUILD/bulkheadctl' --api-socket api resize --memory 256M 2>/dev/null"
	expect "as large as it is" ctl resize-zone --id low --size 64M
	ctl resize-zone --id high --size 64M || not_ok "is asked for nothing"
	wait_for serial '^blocks 0' 20 || not_ok "has nothing"
	ctl shutdown-vmm || not_ok "ends"
	finish
	expect "exit status 0" [ "$status" = 0 ]
}
