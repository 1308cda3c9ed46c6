# SPDX-License-Identifier: Apache-2.0
#
# For tests/guest/run: what happens to a worker, for every kind of device in one table:
# a guest that keeps one of each busy (steady.c) sees each of them go on. In check all
# kinds share a VM; with FULL=1 each is killed at each step of its life, also while it is
# reset, activated and resized.
#
#		killed			hangs		isolated	at each step
#	blk	storm, kills-blk-*	hang-, loop-each	isolate-each	steps-blk*, resets-blk, resizes-blk
#	front	kills-front, vhost-*	hang-, loop-each	isolate-each	steps-front, resets-front
#	net	kills-net		hang-, loop-each	isolate-each	steps-net, resets-net
#	rng	kills-rng		hang-, loop-each	isolate-each	steps-rng, resets-rng
#	console	kills-console		hang-, loop-each	isolate-console	steps-console, resets-console
#	fs	fs			hang-, loop-each	isolate-each	steps-fs, resets-fs
#	balloon	kills-balloon		hang-, loop-each	isolate-each	steps-balloon, resets-, resizes-
#	pmem	kills-pmem		hang-, loop-each	isolate-each	steps-pmem, resets-pmem
#	mem	mem			hang-, loop-each	isolate-each	steps-mem, resets-mem, resizes-mem
#	vsock	steps-vsock		hang-, loop-each	isolate-each	steps-vsock, resets-vsock
#	watchdog kills-watchdog		hang-, loop-each	isolate-each	steps-watchdog, resets-watchdog
#	rtc	kills-rtc		hang-, loop-each	isolate-each	steps-rtc, resets-rtc
#	vcpu	kill-vcpu		hang-vcpu	ends the VM	steps-vcpu
#	api	kills-api		hang-api	-		-

kinds="blk front rng console fs balloon pmem mem vsock watchdog rtc"
[ "$(id -u)" != 0 ] || kinds+=" net"
# The program of a kind, as comm has it behind "bulkhead-".
program() { [ "$1" = front ] && echo vhost-user-front || echo "$1"; }

# with KINDS CMDLINE OPTION...: a VM with these. Back end and socket are in the test's
# folder.
with() {
	local k opts=() disks=() memory=size=128M list=" $1 " cmdline=$2 p=${PACKED:+,packed=on}
	shift 2
	: >stderr
	disk a 16M
	for k in $list; do
		case $k in
		# The first disk is "blk", whatever else there is.
		blk | front) ;;
		net) opts+=(--net tap=$p) ;;
		rng) [ -z "$p" ] || opts+=(--rng src=/dev/urandom$p) ;;
		console) opts+=(--console "file=$PWD/out$p") ;;
		fs) mkdir -p share; opts+=(--fs tag=share,path=share$p) ;;
		balloon) opts+=(--balloon size=1M$p) ;;
		pmem) disk p 2M; opts+=(--pmem file=p$p) ;;
		mem) memory+=,hotplug_method=virtio-mem,hotplug_size=128M ;;
		vsock) opts+=(--vsock "cid=3,socket=$PWD/v$p") ;;
		watchdog) opts+=(--watchdog timeout=3600$p) ;;
		rtc) opts+=(--rtc ${p#,}) ;;
		esac
	done
	disks=(path=a$p)
	if [[ $list == *' front '* ]]; then
		disk b 16M
		rm -f s
		back_end blk --blk-file=b
		disks+=(vhost_user=true,socket=s)
	fi
	start "${LIMIT:-100}" "${GUEST:-steady}" "$cmdline" --disk "${disks[@]}" "${opts[@]}" --api-socket "$PWD/api" \
		--memory "$memory" "$@"
	wait_for serial "^${RUNS:-at rng [1-9]}" 20 || not_ok "the guest runs"
}

# at KIND FIELD: what the guest said last of it; 2 is carried out, 3 failed.
at() { awk -v k="$1" -v f="$2" '$1 == "at" && $2 == k { n = $(f + 1) } END { print n + 0 }' <(tr -d '\r' <serial); }

# more KIND FIELD N SECONDS: more than N within so long.
more() {
	local i
	for ((i = 0; i < $4 * SLOWNESS * 10; i++)); do
		[ "$(at "$1" "$2")" -le "$3" ] || return 0
		sleep 0.1
	done
	return 1
}

# go_on KIND...: each carries out more.
go_on() {
	local k field
	declare -A before
	for k in "$@"; do before[$k]="$(at "$k" 2) $(at "$k" 3)"; done
	for k in "$@"; do
		# Whoever is isolated at once answers with errors.
		field=2
		! grep -q "$k .*: it is isolated" stderr || field=3
		expect "$k goes on" more "$k" $field "$(cut -d' ' -f$((field - 1)) <<<"${before[$k]}")" 5
	done
}

over() {	# over [KINDS]: the guest, its verdict, the back end
	kill -PWR "$pid"
	finish
	verdicts
	expect "exit status 0" [ "$status" = 0 ]
	[[ " ${1:-$kinds} " != *' front '* ]] || back_end_ends
}

# All hang at once, each is found and replaced.
t_hang_each() {
	local k w
	with "$kinds" "" --worker-failure-limit deaths=100,hang=$SLOWNESS
	for k in $kinds; do kill -STOP "$(worker "$(program $k)")"; done
	for k in $kinds; do
		wait_for stderr "^.*-- ${k/front/vhost-user} .*: a new worker .* has taken over" 20 || not_ok "$k is replaced"
	done
	expect "each was found to hang" [ "$(grep -c "hangs: no answer for $SLOWNESS s, it is stopped" stderr)" = "$(wc -w <<<"$kinds")" ]
	go_on $kinds
	over
}

# A loop without end, in place of what each is about to do.
t_loop_each() {	# full
	local k
	[ "$(id -u)" = 0 ] || { ok "# SKIP needs root"; return; }
	with "$kinds" "" --worker-failure-limit deaths=100,hang=$SLOWNESS
	for k in $kinds; do "$G/jump" "$(worker "$(program $k)")" loop 0 || not_ok "$k loops"; done
	for k in $kinds; do
		wait_for stderr "^.*-- ${k/front/vhost-user} .*: a new worker .* has taken over" 20 || not_ok "$k is replaced"
	done
	expect "each was found to hang" [ "$(grep -c "hangs: no answer for $SLOWNESS s, it runs in circles" stderr)" = "$(wc -w <<<"$kinds")" ]
	go_on $kinds
	over
}

# What no driver does, to each in turn: it goes on, and so do all the others. Of a ring that is
# broken an external back end has to say so, and that takes a while: lies has one.
abused() {	# abused GUEST CMDLINE [KINDS]
	local list=${3:-${kinds/front/}}
	GUEST=$1 RUNS='(# |running)' LIMIT=${FULL:+5}90 with "$list" "kinds=$(wc -w <<<"$list") $2"
	finish
	verdicts
	expect "powers off, status 0" [ "$status" = 0 -a "$(grep -c ^done serial)" = 1 ]
	expect "no process died" [ "$(grep -c ' died: ' stderr)" = 0 ]
	[[ " $list " != *' front '* ]] || back_end_ends
}
t_hostile() { abused hostile "${FULL:-turns}"; }
t_hostile_packed() { PACKED=1 abused hostile "${FULL:-turns}"; }
t_registers() { abused registers "writes=$((${FULL:+20 *} 1000)) ${FULL:-turns}"; }
t_lies() { abused lies "${FULL:-turns} ${FULL:+event resets=1000 rounds=100}" "$kinds"; }

# Each has a stand-in that answers whatever comes; what can fail does. The guest says so on
# its serial port, which is the console worker's: that has a test of its own.
t_isolate_each() {
	local k list=${kinds/console/} answered
	declare -A before
	with "$list" errors --on-worker-failure isolate
	for k in $list; do kill -9 "$(worker "$(program $k)")"; done
	for k in $list; do
		wait_for stderr "^.*-- ${k/front/vhost-user} .*: a new worker .* has taken over" 20 || not_ok "$k has a stand-in"
	done
	expect "all are said to be isolated" [ "$(grep -c 'it is isolated' stderr)" = "$(wc -w <<<"$list")" ]
	answered="balloon vsock $(grep -o net <<<"$kinds")"
	for k in $answered; do before[$k]=$(at $k 2); done
	for k in blk front rng fs pmem mem watchdog rtc; do
		expect "$k: requests fail, each is answered" more $k 3 0 5
	done
	for k in $answered; do
		expect "$k: nothing waits" more $k 2 "${before[$k]}" 5
	done
	over "$list"
}

# each_step KIND STRIDE CMDLINE: each successor is killed some steps later than the one
# before; DURING is done all the while.
each_step() {
	local name=bulkhead-$(program "$1") i n=0
	stepped "${name:0:15}" 1 1 "$2" 241
	with "$1" "$3" --worker-failure-limit deaths=100000
	kill -9 "$(worker "$(program "$1")")"
	wait_for stderr 'has taken over|it is isolated' 20
	if grep -q 'it is isolated' stderr; then
		ok "# SKIP its first death isolates it"
		kill "$(ps -o pid= --ppid "$pid" | head -n 1)"
		finish
		return
	fi
	for ((i = 0; i < 600 && ${n:-0} < 241; i++)); do
		${DURING:-sleep 0.05} >/dev/null 2>&1
		n=$(tail -n 1 killed | cut -d' ' -f2)
	done
	sleep 0.2
	go_on "$1"
	expect "killed at $(wc -l <killed) steps, the last $n" [ "${n:-0}" -gt 100 ]
	# killat is its parent: the button is the VM's own.
	kill -PWR "$(ps -o pid= --ppid "$pid" | head -n 1)"
	finish
	verdicts
	expect "exit status 0" [ "$status" = 0 ]
	[ "$1" != front ] || back_end_ends
}
t_steps_front() { each_step front 1 ""; }	# full
t_steps_fs() { each_step fs 1 ""; }	# full
t_steps_balloon() { each_step balloon 1 ""; }	# full
t_steps_pmem() { each_step pmem 1 ""; }	# full
t_steps_mem() { each_step mem 1 ""; }	# full
t_steps_vsock() { each_step vsock 1 ""; }	# full
t_steps_watchdog() { each_step watchdog 1 ""; }	# full
t_steps_rtc() { each_step rtc 1 ""; }	# full
t_resets_blk() { each_step blk 1 resets; }	# full
t_resets_front() { each_step front 1 resets; }	# full
t_resets_net() { [ "$(id -u)" = 0 ] && each_step net 1 resets || ok "# SKIP needs a tap"; }	# full
t_resets_rng() { each_step rng 1 resets; }	# full
t_resets_console() { each_step console 1 resets; }	# full
t_resets_fs() { each_step fs 1 resets; }	# full
t_resets_balloon() { each_step balloon 1 resets; }	# full
t_resets_pmem() { each_step pmem 1 resets; }	# full
t_resets_mem() { each_step mem 1 resets; }	# full
t_resets_vsock() { each_step vsock 1 resets; }	# full
t_resets_watchdog() { each_step watchdog 1 resets; }	# full
t_resets_rtc() { each_step rtc 1 resets; }	# full

resize_disk() { ctl resize-disk --disk _disk0 --size $((16 + RANDOM % 2))M; }
t_resizes_blk() { DURING=resize_disk each_step blk 1 ""; }	# full
t_resizes_image() {	# full
	command -v qemu-img >/dev/null || { ok "# SKIP no qemu-img (qemu-utils)"; return; }
	qemu-img create -q -f qcow2 a 16M
	DURING=resize_disk each_step blk 1 ""
	expect "the image is sound" sh -c "qemu-img check -q -f qcow2 a >/dev/null 2>&1; test \$? = 0 -o \$? = 3"
}
resize_balloon() { ctl resize --balloon $((RANDOM % 2 + 1))M; }
t_resizes_balloon() { DURING=resize_balloon each_step balloon 1 ""; }	# full
resize_mem() { ctl resize --memory $((128 + RANDOM % 2 * 64))M; }
t_resizes_mem() { DURING=resize_mem each_step mem 1 ""; }	# full
