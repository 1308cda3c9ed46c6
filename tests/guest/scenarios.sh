# SPDX-License-Identifier: Apache-2.0
#
# For tests/guest/run: what the host does to the processes of a VM while a guest
# keeps its devices busy (traffic.c).

# A guest that is busy with a disk, and entropy; all kinds of worker are there.
busy() {
	local cmdline=${1:-}
	disk a
	net=()
	[ "$(id -u)" = 0 ] && net=(--net tap=)
	start 60 traffic "$cmdline" --disk path=a "${net[@]}" --console null "${@:2}"
	wait_for serial '^blk [1-9]' 20 && return
	not_ok "the guest runs"
	kill -9 "$pid" 2>/dev/null
	finish
	return 1
}

stopped_by() {		# stopped_by SIGNAL
	busy || return
	local all t
	all=$(tree "$pid" | cut -d' ' -f1)
	t=$(now_ms)
	kill "-$1" "$pid"
	finish
	t=$(($(now_ms) - t))
	expect "exit status 0" [ "$status" = 0 ]
	expect "within 5 s: $t ms" [ "$t" -lt $((5000 * SLOWNESS)) ]
	expect "no process is left" nobody $all
	expect "nothing to say" [ ! -s stderr ]
	expect "no interface is left" [ -z "$(ip -o link | grep -v ' lo:')" ]
}
t_sigterm() { stopped_by TERM; }
t_sigint() { stopped_by INT; }

t_sigterm_twice() {
	busy || return
	local w t all
	all=$(tree "$pid" | cut -d' ' -f1)
	w=$(worker blk)
	kill -STOP "$w"		# it cannot finish
	kill -TERM "$pid"
	sleep 0.2
	t=$(now_ms)
	kill -TERM "$pid"
	finish
	t=$(($(now_ms) - t))
	expect "the second one kills, in $t ms" [ "$t" -lt $((1500 * SLOWNESS)) ]
	expect "no process is left" nobody $all
}

t_sigterm_stuck_worker() {
	busy || return
	local t all
	all=$(tree "$pid" | cut -d' ' -f1)
	kill -STOP "$(worker blk)"
	t=$(now_ms)
	kill -TERM "$pid"
	finish
	t=$(($(now_ms) - t))
	expect "ends within 6 s: $t ms" [ "$t" -lt $((6000 * SLOWNESS)) ]
	expect "no process is left" nobody $all
}

# What a guest has got done so far of KIND, blk or rng.
progress() { grep -a "^blk " serial | tail -1 | grep -o "$1 [0-9]*" | cut -d' ' -f2; }

# goes_on KIND: more is done of it in a while, by the same VM.
goes_on() {
	local i before
	before=$(progress "$1")
	for i in {1..100}; do
		[ "$(progress "$1")" -gt "${before:-0}" ] 2>/dev/null && return
		sleep 0.1
	done
	return 1
}

replaced_worker() {	# replaced_worker KIND: three are killed, the guest goes on
	busy || return
	local w i old
	for i in 1 2 3; do
		w=$(worker "$1")
		[ -n "$w" ] || { not_ok "there is a worker $1"; break; }
		kill -9 "$w"
		expect "the disk goes on, $i" goes_on blk
		expect "entropy goes on, $i" goes_on rng
		expect "another worker $1 is there, $i" \
			[ -n "$(worker "$1")" -a "$(worker "$1")" != "$w" ]
		old+="$w "
	done
	kill "$pid"
	finish
	expect "the VM stops when asked, status 0" [ "$status" = 0 ]
	expect "three lines of deaths, with process, pid and signal" \
		[ "$(grep -cE "bulkhead-$1.*pid (${old// /|}0)\) died: killed by signal 9 \(SIGKILL\)" stderr)" = 3 ]
	expect "three of successors, and no more" \
		[ "$(grep -c "has taken over" stderr)" = 3 -a "$(wc -l <stderr)" = 6 ]
}
t_replace_blk() { replaced_worker blk; }
t_replace_rng() { replaced_worker rng; }
t_replace_net() { [ "$(id -u)" = 0 ] && replaced_worker net || ok "# SKIP needs a tap"; }
t_replace_console() { replaced_worker console; }

# The block worker is killed as fast as its successors come; each request of the
# guest is answered once and has done what it should.
storm() {
	local w kills=0 last= direct= ms=$((2500 * SLOWNESS))
	[ -z "${FULL:-}" ] || ms=40000
	disk a 16M
	case " $* " in *' direct '*) direct=,direct=on ;; esac
	local landlock=()
	[ -z "$direct" ] || landlock=(--landlock)
	start 90 storm "ms=$ms $*" --disk "path=a,packed=on$direct" "${landlock[@]}" --worker-failure-limit deaths=100000
	wait_for serial '^running' 20 || not_ok "the guest runs"
	while kill -0 "$watch" 2>/dev/null; do
		w=$(worker blk)
		[ -z "$w" -o "$w" = "$last" ] || { kill -9 "$w" 2>/dev/null && kills=$((kills + 1)); }
		last=$w
		sleep 0.0$((RANDOM % 5))
	done
	finish
	verdicts
	grep -a '^storm: ' serial | sed 's/^/# /'
	expect "exit status 0" [ "$status" = 0 ]
	expect "killed $kills times" [ $kills -ge "$([ -n "$direct" ] && echo 2 || echo 10)" ]
}
t_storm() { storm; }
t_storm_packed() { storm packed; }
t_storm_event() { storm indirect event; }
t_storm_packed_event() { storm packed indirect event; }
# Of these the I/O goes on after the death, and the successor has to wait for it.
t_storm_direct() {
	if dd if=/dev/zero of=direct bs=4096 count=1 oflag=direct 2>/dev/null; then
		storm direct
	else
		ok "# SKIP this file system cannot do direct I/O"
	fi
}

# A block device of the host's, through the page cache and past it.
t_block_device() {
	local dev= option
	disk backing 16M
	[ "$(id -u)" = 0 ] && dev=$(losetup -f --show backing 2>/dev/null)
	if [ -z "$dev" ]; then
		ok "# SKIP needs root and a loop device"
		return
	fi
	for option in "" ,direct=on; do
		start 60 storm "ms=$((1000 * SLOWNESS)) event" --disk "path=$dev$option"
		finish
		verdicts
		expect "exit status 0${option:+, direct}" [ "$status" = 0 ]
	done
	start 60 boot "" --disk "path=$dev,readonly=on"
	finish
	expect "read only: exit status 0" [ "$status" = 0 ]
	losetup -d "$dev"
	expect "what the guest wrote is in it" \
		[ "$(tr -d '\0' <backing | wc -c)" -gt 0 ]
}

ends_with_worker() {	# ends_with_worker KIND OPTION...: that death is the VM's
	disk a
	start 60 traffic "" --disk path=a --console null "${@:2}"
	wait_for serial '^blk [1-9]' 20 || { not_ok "the guest runs"; kill -9 "$pid"; finish; return; }
	local w t all
	w=$(worker "$1")
	all=$(tree "$pid" | cut -d' ' -f1)
	t=$(now_ms)
	kill -9 "$w"
	finish
	t=$(($(now_ms) - t))
	expect "the VM stops with status 1" [ "$status" = 1 ]
	expect "within 5 s: $t ms" [ "$t" -lt $((5000 * SLOWNESS)) ]
	expect "no process is left" nobody $all
	expect "one line, with process, pid and signal" \
		[ "$(wc -l <stderr)" = 1 -a "$(grep -cE "bulkhead-$1.*pid $w.*signal 9 \(SIGKILL\)" stderr)" = 1 ]
}
t_kill_blk_stop() { ends_with_worker blk --on-worker-failure stop; }
t_kill_vcpu() { ends_with_worker vcpu; }

# A disk whose worker dies too often answers with errors, and nothing else stops.
isolated() {
	disk a
	start 60 storm "ms=$((2000 * SLOWNESS)) errors" --disk path=a "$@"
	wait_for serial '^running' 20 || not_ok "the guest runs"
	kill -9 "$(worker blk)"
	sleep 0.3
	expect "a stand-in is there" [ -n "$(worker blk)" ]
	expect "it holds no disk" \
		[ -z "$(ls -l "/proc/$(worker blk)/fd" 2>/dev/null | grep " $PWD/a$")" ]
	finish
	verdicts
	expect "exit status 0" [ "$status" = 0 ]
	expect "requests failed, each was answered" \
		grep -qaE '^storm: [0-9]+ requests, 0 bad, [1-9][0-9]* failed' serial
	expect "it is said" [ "$(grep -c 'it is isolated' stderr)" = 1 ]
}
t_isolate() { isolated --on-worker-failure isolate; }
# net_isolated KIND OPTION...: so is a network device, worker KIND's; frames are lost.
net_isolated() {
	start 60 isolated "" "${@:2}" --on-worker-failure isolate
	wait_for serial '^running' 20 || not_ok "the guest runs"
	sleep 0.2
	kill -9 "$(worker "$1")"
	finish
	verdicts
	expect "exit status 0" [ "$status" = 0 ]
	expect "frames before and after" grep -qaE '^sent [1-9][0-9]*, then 200' serial
	expect "it is said" [ "$(grep -c 'it is isolated' stderr)" = 1 ]
}
t_isolate_net() {
	[ "$(id -u)" = 0 ] || { ok "# SKIP taps need root"; return; }
	ip tuntap add dev bhvu1 mode tap vnet_hdr && ip link set bhvu1 up
	net_isolated net --net tap=bhvu1
	ip link del bhvu1
}
t_isolate_at_limit() { isolated --worker-failure-limit deaths=1; }

killed() {	# killed PID...: the controller, the spawner or both
	local all t
	all=$(tree "$pid" | cut -d' ' -f1)
	[ "$(wc -w <<<"$all")" -ge 5 ] || not_ok "there are processes to look at: $all"
	kill -9 "$@"
	finish
	sleep $SLOWNESS
	expect "a second later no process is left" nobody "$pid" $all
}
t_kill_controller() { busy && killed "$pid"; }
t_kill_spawner() {
	busy || return
	killed "$(spawner)"
	expect "the VM stops with status 1" [ "$status" = 1 ]
	expect "and says so" [ "$(wc -l <stderr)" = 1 ]
}
t_kill_both() { busy && killed "$pid" "$(spawner)"; }

counts() { tail -n 1 serial | grep -aE '^blk [0-9]+ rng [0-9]+' || tail -n 2 serial | head -n 1; }
t_stop_one_worker() {
	busy || return
	local w b0 r0 b1 r1
	w=$(worker blk)
	kill -STOP "$w"
	sleep 1.2
	read -r _ b0 _ r0 <<<"$(counts)"
	sleep 2
	read -r _ b1 _ r1 <<<"$(counts)"
	expect "the disk stands still ($b0, $b1)" [ "$b0" = "$b1" ]
	expect "the entropy device goes on ($r0, $r1)" [ "$r1" -gt $((r0 + 10)) ]
	kill -CONT "$w"
	sleep 1.2
	read -r _ b0 _ r0 <<<"$(counts)"
	expect "and the disk again ($b1, $b0)" [ "$b0" -gt $((b1 + 10)) ]
	kill "$pid"
	finish
	expect "exit status 0" [ "$status" = 0 ]
}

t_controller_maps() {
	busy || return
	# Memory of the guest is 512 MiB in memfds.
	expect "no memfd is mapped in the controller" \
		[ "$(grep -cE 'memfd|/dev/zero|\(deleted\)' "/proc/$pid/maps")" = 0 ]
	expect "nothing shared is mapped" [ "$(awk '$2 ~ /s$/' "/proc/$pid/maps" | wc -l)" = 0 ]
	expect "no large mapping" \
		[ -z "$(awk '{ split($1, a, "-"); if (strtonum("0x" a[2]) - strtonum("0x" a[1]) > 67108864) print }' "/proc/$pid/maps" 2>/dev/null)" ]
	# The look at it is worth something: a worker's maps do show one.
	expect "a device worker's do" [ "$(grep -c memfd "/proc/$(worker blk)/maps")" -gt 0 ]
	kill "$pid"
	finish
}

t_no_message_per_io() {
	command -v strace >/dev/null || { ok "# SKIP no strace"; return; }
	local v trace
	disk a 100M
	start 120 traffic "wait=1500 read=100 once" --disk path=a --console null
	wait_for serial '^waiting' 20 || not_ok "the guest runs"
	v=$(worker vcpu)
	timeout -k 5 $((100 * SLOWNESS)) strace -f -o trace -p "$pid" -p "$v" 2>strace.err &
	finish
	wait
	verdicts
	expect "100 MiB were read" grep -aqx 'read 100 MiB, 0 bad' serial
	grep -q attached strace.err || { ok "# SKIP strace does not attach: $(head -1 strace.err)"; return; }
	# What goes on at the start and the end is a few dozen of each.
	awk '{ sub(/^[0-9]+ +/, ""); sub(/\(.*/, ""); n[$0]++ } END { for (s in n) print s, n[s] }' trace | sort >calls
	bad=$(awk '$1 ~ /^(p?read|p?write|preadv2?|pwritev2?|readv|writev|io_uring_enter|fsync|fdatasync)/ { n += $2 } END { print n + 0 }' calls)
	msg=$(awk '$1 ~ /^(send|recv)/ { n += $2 } END { print n + 0 }' calls)
	# 800 requests: a call for each would be 800.
	expect "the trace shows vCPUs running" grep -q '^ioctl [0-9][0-9]' calls
	expect "no read or write a request ($bad of all kinds)" [ "$bad" -lt 200 ]
	expect "no message a request ($msg)" [ "$msg" -lt 200 ]
}

t_disk_locked() {
	busy || return
	local second
	"$ROOT/$BUILD/bulkhead" --kernel "$G/boot.elf" --disk path=a --console off 2>second >/dev/null </dev/null
	second=$?
	expect "a second VM on the disk is refused, status 1" [ $second = 1 ]
	expect "in one line that names it" [ "$(wc -l <second)" = 1 -a "$(grep -c -- '--disk' second)" = 1 ]
	kill "$pid"
	finish
	expect "the first is well, status 0" [ "$status" = 0 ]
	# The lock goes with its holder, also when that was killed.
	busy || return
	kill -9 "$pid"
	finish
	guest boot "" --disk path=a
}

t_two_readers() {
	disk a
	start 60 traffic "" --disk path=a,readonly=on
	wait_for serial '^blk [1-9]' 20 || not_ok "the guest runs"
	"$G/watch" 30 pid2 "$ROOT/$BUILD/bulkhead" --kernel "$G/boot.elf" \
		--disk path=a,readonly=on --console off --serial null 2>second </dev/null
	expect "two VMs read one disk" [ $? = 0 ]
	kill "$pid"
	finish
}

t_reboot() {
	local seen='' lives=0 n t last=0 longest=0
	disk a
	start 60 reboot "" --disk path=a --console null -v -v
	while kill -0 "$watch" 2>/dev/null; do
		seen+="$(tree "$pid")
"
		# A life lasts some ms: what is between two of them is the reset.
		n=$(grep -ac '^# life' serial) t=$(now_ms)
		if [ "$n" -gt $lives ]; then
			[ $lives = 0 ] || [ $((t - last)) -le $longest ] || longest=$((t - last))
			lives=$n last=$t
		fi
		sleep 0.02
	done
	finish
	verdicts
	expect "exit status 0" [ "$status" = 0 ]
	expect "four lives" [ "$(grep -c '^# life' serial)" = 4 ]
	expect "a second or less from one to the next: $longest ms" \
		[ $longest -gt 0 -a $longest -le $((1000 * SLOWNESS)) ]
	expect "one pid a device worker" \
		[ "$(sort -u <<<"$seen" | grep -cE 'bulkhead-(blk|rng|consol)'| tr -d ' ')" = 3 ]
	# Of the log: a look at the processes now and then may miss a short life.
	expect "a new vcpu-worker each time" \
		[ "$(grep -oE 'vcpu is pid [0-9]+' stderr | sort -u | wc -l)" = 4 ]
}

t_reboot_packed() {
	disk a
	guest reboot "" --disk path=a,packed=on --memory size=64M
	expect "four lives" [ "$(grep -c '^# life' serial)" = 4 ]
}

t_sequence() {
	# Twenty, one after the other: nothing wears out.
	local i bad=0
	for i in {1..20}; do
		start 20 ten "" --console null
		finish
		[ "$status" = 0 ] || bad=$((bad + 1))
	done
	expect "twenty guests one after the other, $bad bad" [ $bad = 0 ]
}

t_parallel() {
	local i w=() bad=0
	for i in {1..8}; do
		"$G/watch" $((60 * SLOWNESS)) "pid$i" "$ROOT/$BUILD/bulkhead" \
			--kernel "$G/boot.elf" --memory size=64M --console off \
			--serial "file=$PWD/serial$i" 2>"stderr$i" </dev/null &
		w+=($!)
	done
	for i in "${w[@]}"; do wait "$i" || bad=$((bad + 1)); done
	expect "eight VMs at once, $bad bad" [ $bad = 0 ]
	expect "each done" [ "$(grep -c '^done' serial? | grep -c ':1')" = 8 ]
}

# An ordinary user who may use /dev/kvm. Where root's /dev/kvm is closed to the
# group, a node of our own in a private mount namespace stands in for it.
t_rootless() {
	[ "$(id -u)" = 0 ] || { ok "# SKIP this is an ordinary user already"; return; }
	local user=(setpriv --reuid=65533 --regid=65533 --groups=65532 --inh-caps=-all)
	mkdir -p shared/run
	mknod shared/kvm c 10 232 && chown 0:65532 shared/kvm && chmod 660 shared/kvm
	cp "$ROOT/$BUILD"/bulkhead* shared/ 2>/dev/null
	cp "$G/blk.elf" "$G/watch" shared/
	disk shared/run/a 4M
	chown -R 65533:65533 shared/run
	# /work may be closed to others: hand the copy over by a path they can reach.
	local at
	at=$(mktemp -d /tmp/bulkhead-rootless.XXXXXX)
	chmod 755 "$at"
	unshare -m -- sh -c "mount --bind '$PWD/shared' '$at' && mount --bind '$at/kvm' /dev/kvm &&
		cd '$at/run' && exec ${user[*]} ../watch 60 pid ../bulkhead --kernel ../blk.elf \
		--serial file=$at/run/serial --console off --disk path=a --rng src=/dev/urandom" 2>stderr
	status=$?
	rmdir "$at"
	if grep -qiE 'user namespace|/dev/kvm.*permi' stderr; then
		ok "# SKIP $(head -1 stderr)"
		return
	fi
	cp shared/run/serial serial 2>/dev/null
	verdicts
	expect "exit status 0" [ "$status" = 0 ]
	expect "done" grep -aq '^done' serial
}
