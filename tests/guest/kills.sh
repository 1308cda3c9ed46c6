# SPDX-License-Identifier: Apache-2.0
#
# For tests/guest/run: the workers of a device are killed again and again while a
# guest checks each of its requests (storm.c, flow.c, kept.c): in check each some twenty
# times, with FULL=1 a thousand. The next is killed when the one before has taken
# over and something was done; what its guest saw of it is how long the device stood.

most=${FULL:+1000}
most=${KILLS:-${most:-20}}

# look: fds, threads and processes of those that stay.
look() {
	local p
	for p in "$pid" "$(spawner)" "$(worker vcpu)"; do
		echo -n "$(ls "/proc/$p/fd" | wc -l) $(ls "/proc/$p/task" | wc -l) "
	done
	tree "$pid" | wc -l
}
memory_of() { awk '/^Rss(Anon|Shmem):/ { n += $2 } END { print n }' "/proc/$1/status"; }

# kill_all KIND: as many as there are to be, the first one is there.
kill_all() {
	local line w killed=0 i
	w=$(worker "$1")
	looked= after= rss=0 vcpu=0
	exec 8< <(exec tail -n +1 -f --pid="$pid" stderr)
	tail=$!
	while [ -n "$w" ]; do
		sleep 0.0$((RANDOM % 30 + 10))
		[ -z "$late" ] || { echo "$w" >"$slow/cgroup.procs"; sleep 0.2; }
		kill -9 "$w" || break
		killed=$((killed + 1)) w=
		while read -r -t $((30 * SLOWNESS)) line <&8; do
			case $line in
			*'(pid '*') has taken over'*)
				w=${line#*(pid }
				w=${w%%)*}
				[ "$w" -gt 1 ] || { not_ok "its pid: $line"; w=; }
				break ;;
			*' died: '*) [ -z "$late" ] || look_late ;;
			*) not_ok "nothing else is said: $line" ;;
			esac
		done
		[ $killed != $((most < 20 ? most / 2 : 10)) ] || looked=$(look) rss=$(memory_of "$pid") vcpu=$(memory_of "$(worker vcpu)")
		[ $killed -lt "$most" ] || break
	done
	sleep 0.2
	[ -z "$w" ] || after=$(look)
	echo "# KiB of the controller and the vcpu-worker after some deaths: $rss, $vcpu; at the end: $(memory_of "$pid"), $(memory_of "$(worker vcpu)")"
	expect "$1: $killed killed, the last one replaced" [ -n "$w" -a $killed = "$most" ]
	expect "as many fds, threads and processes as before: $after" [ -n "$after" -a "$after" = "$looked" ]
	[ "$most" -lt 100 ] ||
		expect "no more memory" [ "$(memory_of "$pid")" -lt $((rss + 400)) ]
	kill -PWR "$pid" "$tail"
	exec 8<&-
}

# Of as many of the longest pauses as there were deaths: an upper bound of each.
pauses_seen() {
	tr -d '\r' <serial | awk -v most="$most" '/^gap / { for (i = 0; i < $3; i++) a[n++] = $2 }
		END { k = n < most ? n : most; if (!k) { print "# stood still for less than 2 ms"; exit }
		printf "# stood still, from completion to completion: %.1f ms median, %.1f worst of %d\n",
			(k < most ? a[int(n / 2)] : a[n - k + int(k / 2)]) / 1000, a[n - 1] / 1000, k }'
	grep -oE 'taken over after [0-9.]+' stderr | grep -oE '[0-9.]+$' | sort -n | awk '{ a[NR] = $1 }
		END { if (NR) print "# of which the VMM: " a[int((NR + 1) / 2)] " ms median, " a[NR] " worst" }'
}

# kills KIND GUEST CMDLINE OPTION...
kills() {
	local kind=$1 guest=$2 cmdline=$3
	shift 3
	: >stderr
	start 1500 "$guest" "ms=1400000 $cmdline" --worker-failure-limit deaths=1000000 "$@"
	wait_for serial '^running' 20 || not_ok "the guest runs"
	kill_all "$kind"
	finish
	verdicts
	grep -aE '^(storm|flow): ' serial | tr -d '\r' | sed 's/^/# /'
	pauses_seen
	expect "the guest saw no error" grep -qaE '^(storm|flow): [0-9]+ [a-z]+, 0 bad, ' serial
	expect "exit status 0" [ "$status" = 0 ]
}

direct_io() { dd if=/dev/zero of=direct bs=4096 count=1 oflag=direct 2>/dev/null; }

# Two requests at a time: the pauses are the device's, and not the guest's own.
t_kills_blk_two() { disk a 16M; kills blk storm "slots=2" --disk path=a; }	# full
t_kills_blk() { disk a 16M; kills blk storm "indirect event" --disk path=a; }
t_kills_blk_packed() { disk a 16M; kills blk storm "packed" --disk path=a,packed=on; }	# full
t_kills_blk_plain() { disk a 16M; kills blk storm "" --disk path=a,_disable_io_uring=on; }	# full
t_kills_blk_direct() {
	direct_io || { ok "# SKIP this file system cannot do direct I/O"; return; }
	disk a 16M
	kills blk storm "packed" --disk path=a,direct=on,packed=on
}
t_kills_blk_direct_plain() {	# full
	direct_io || { ok "# SKIP this file system cannot do direct I/O"; return; }
	disk a 16M
	kills blk storm "" --disk path=a,direct=on,_disable_io_uring=on
}

# An image, in memory; qemu-img finds it in order.
kills_image() {	# kills_image FORMAT
	local d i
	command -v qemu-img >/dev/null || { ok "# SKIP no qemu-img"; return; }
	d=$(mktemp -d "$([ ! -w /dev/shm ] || echo /dev/shm/)bulkhead-kills.XXXXXX")
	qemu-img create -q -f "$1" "$d/a" 16M
	kills blk storm "event" --disk "path=$d/a"
	qemu-img check -q -f "$1" "$d/a" >check 2>&1
	i=$?
	# 3: clusters that a dead one had taken and not used, and nothing else.
	expect "qemu-img check: $i, $(grep -c ^Leaked check) clusters are nobody's" \
		[ $i = 0 -o $i = 3 -a "$(grep -c ^Leaked check)" -lt 200 ]
	rm -r "$d"
}
t_kills_blk_qcow2() { kills_image qcow2; }
t_kills_blk_vhdx() { kills_image vhdx; }	# full

t_kills_rng() { kills rng flow rng; }
t_kills_rng_packed() { kills rng flow "rng packed event" --rng src=/dev/urandom,packed=on; }	# full

tap_to_flow() {	# whom flow.c asks
	ip tuntap add mine mode tap && ip addr add 10.0.5.1/24 dev mine && ip link set mine up &&
		ip neigh replace 10.0.5.2 lladdr 12:34:56:78:90:56 dev mine nud permanent
}
kills_net() {
	[ "$(id -u)" = 0 ] || { ok "# SKIP taps need root"; return; }
	tap_to_flow
	kills net flow "net $1" --net "tap=mine,mac=12:34:56:78:90:56$2"
	ip link del mine
}
t_kills_net() { kills_net event ""; }
t_kills_net_packed() { kills_net packed ,packed=on; }	# full

# A line that was going out when its worker died goes out once more, whole.
t_kills_console() {
	kills console flow console --console "file=$PWD/out"
	expect "each line is there, in order; $(awk '$0 == last { n++ } { last = $0 } END { print n + 0 }' out) twice" awk '
		length($0) != 31 { bad = 1 } { n = substr($0, 1, 8) + 0 } n == next_one { next_one++; next }
		n >= next_one || n + 4 < next_one { bad = 1 } END { exit bad || next_one < 10 }' out
}

# A worker of the serial port alone, no PCI device: what it had not taken out of the ring
# for good its successor says once more; nothing is lost.
t_kills_serial() {
	kills console flow serial
	python3 - serial <<-'P' && ok "each line is there, in order" || not_ok "lines are lost"
	import sys
	said = open(sys.argv[1], "rb").read().replace(b"\r", b"")
	said = said[said.index(b"running\n") + 8:]
	want = b"".join(b"line %d\n" % i for i in range(said.count(b"line") + 1))
	at = over = again = 0
	while over < len(said) and said[over:over + 3] != b"ok ":
	    if said[over] == want[at]:
	        at, over = at + 1, over + 1
	        continue
	    sample = said[over:over + 40]
	    back = want.rfind(sample, max(0, at - 4096), at + len(sample) - 1)
	    if back < 0:
	        sys.exit("# lost or wrong after %r: %r" % (want[at - 20:at], sample))
	    at, again = back, again + 1
	print("# %d bytes in order; %d times some were said again" % (at, again))
	sys.exit(at < 1000)
	P
}

# ... also while the VM is reset, again and again: VMs one after the other, until there were
# five deaths, however busy the host is.
t_kills_serial_reset() {
	local n=0 round=0 killed w last
	while [ $n -lt 5 ] && [ $round -lt 10 ]; do
		round=$((round + 1)) killed=0 last=
		rm -f a
		disk a
		start 60 reboot "" --disk path=a --worker-failure-limit deaths=100000
		# One that dies before the guest has run is the end of the start.
		wait_for serial '^# life' 20
		while kill -0 "$watch" 2>/dev/null; do
			w=$(worker console)
			# Not before the last one is at work, which it says when it is.
			[ "$(grep -c 'has taken over' stderr)" -ge $((killed - 1)) ] || continue
			[ -z "$w" ] || [ "$w" = "$last" ] ||
				{ kill -9 "$w" 2>/dev/null && killed=$((killed + 1)) last=$w; }
		done
		finish
		n=$((n + killed))
		expect "exit status 0, $killed killed" [ "$status" = 0 ]
		expect "each is replaced, or the VM was over" \
			[ "$(grep -c 'has taken over' stderr)" -ge $((killed - 2)) ]
		# By the guest's own count: what was going out at a death goes out again.
		expect "four lives" [ "$(od -An -tu4 -j 51200 -N4 a | tr -d ' ')" = 4 ]
	done
	expect "$n killed of $round VMs" [ $n -ge 5 ]
}

# What was written to it and flushed is there for the guest, and at the end in the file.
kills_pmem() {
	truncate -s 2M p
	kills pmem kept "pmem $1" --pmem "file=p$2"
	expect "the file holds the last rounds" python3 -c '
import re, struct
data = open("p", "rb").read()
said = re.findall(r"^last (\d+) (\d+)", open("serial", errors="replace").read(), re.M)
assert len(said) == 8
for slot, last in ((int(s), int(r)) for s, r in said):
    for r in range(max(1, last - 31), last + 1):
        at = (slot * 32 + r % 32) * 4096
        assert struct.unpack_from("<I", data, at)[0] == slot << 24 | r, (slot, r)'
}
t_kills_pmem() { kills_pmem event ""; }
t_kills_pmem_packed() { kills_pmem packed ,packed=on; }	# full

t_kills_pmem_discards() {	# full
	truncate -s 2M p
	kills pmem kept pmem --pmem file=p,discard_writes=on
	expect "the file is as it was" [ "$(tr -d '\0' <p | wc -c)" = 0 ]
}

t_kills_balloon() { kills balloon kept "balloon event" --balloon free_page_reporting=on; }
t_kills_balloon_packed() { kills balloon kept "balloon packed" --balloon size=8M,packed=on; }	# full

t_kills_front() {
	disk a 16M
	back_end blk --blk-file=a
	kills vhost-user-front storm "" --disk vhost_user=true,socket=s,packed=on
	back_end_ends
}

# A worker's writes are slow, 256 KiB a second, and land after its death; its successor's
# would be at once, and before them, if it did not wait. Of a quarter of the dead, at least,
# something is seen to land while there is no successor.
late= slow=	# statistics of that disk; the cgroup of the slow
look_late() {
	local before i
	before=$(awk '{ print $7 }' "$late")
	for i in {1..12}; do
		sleep 0.02
		[ "$(grep -c 'has taken over' stderr)" -lt $killed ] || return
		[ "$(awk '{ print $7 }' "$late")" -le "$before" ] || break
	done
	landed=$((landed + (i < 12)))
}
t_kills_blk_late() {
	local dev= most=${FULL:+1000} landed=0
	most=${KILLS:-${most:-2}}
	slow=/sys/fs/cgroup/blkio/bhkills$$
	disk backing 16M
	[ "$(id -u)" = 0 ] && [ -w /sys/fs/cgroup/blkio ] && dev=$(losetup -f --show backing 2>/dev/null)
	[ -n "$dev" ] || { ok "# SKIP needs root, a loop device and cgroup v1's blkio"; return; }
	mkdir "$slow"
	echo "$(lsblk -dno MAJ:MIN "$dev" | tr -d ' ') 262144" >"$slow/blkio.throttle.write_bps_device"
	late=/sys/block/${dev##*/}/stat
	kills blk storm packed --disk "path=$dev,direct=on,packed=on"
	losetup -d "$dev"
	rmdir "$slow"
	expect "writes of $landed of $most dead landed before there was a successor" \
		[ $landed -ge $(((most + 3) / 4)) ]
}

# The other way to take a death; to be isolated: kinds.sh.
stops_with() {
	local w
	busy "" --on-worker-failure stop || return
	w=$(worker "$1")
	kill -9 "$w"
	finish
	expect "$1: the VM stops with status 1" [ "$status" = 1 ]
	expect "one line, with process, pid and signal" \
		[ "$(wc -l <stderr)" = 1 -a "$(grep -cE "bulkhead-$1.*pid $w.*signal 9 \(SIGKILL\)" stderr)" = 1 ]
}
t_stop_rng() { stops_with rng; }	# full
t_stop_console() { stops_with console; }	# full
t_stop_net() { [ "$(id -u)" = 0 ] && stops_with net || ok "# SKIP needs a tap"; }	# full

# Isolated, its serial port, too: the guest prints 20 KiB on it, and is not kept waiting.
t_isolate_console() { isolates_serial --console null; }
t_isolate_serial() { isolates_serial; }	# full
isolates_serial() {
	start 60 console "loud=20" --on-worker-failure isolate "$@"
	wait_for serial '^ok serial-registers' 20 || not_ok "the guest runs"
	kill -9 "$(worker console)"
	finish
	expect "it is said" [ "$(grep -c 'it is isolated' stderr)" = 1 ]
	expect "the guest comes to its end: exit status 0" [ "$status" = 0 ]
	expect "what it printed since is nowhere" [ "$(wc -c <serial)" -lt 20000 ]
}
# The kernel is short of memory in the VM's cgroup and takes a worker: it is said, and
# one is made in its place. That worker is the first choice, who eats the second.
t_oom() {
	local group=/sys/fs/cgroup/memory/bhoom$$ w
	[ -z "${SAN:-}" ] || { ok "# SKIP the sanitizer's memory makes others the kernel's choice"; return; }
	[ "$(id -u)" = 0 ] && mkdir "$group" 2>/dev/null ||
		{ ok "# SKIP needs root and cgroup v1's memory controller; the lab's test is confined"; return; }
	echo "$BASHPID" >"$group/cgroup.procs"
	busy "" --api-socket "$PWD/api" || return
	# Who judges is not to be chosen.
	echo "$BASHPID" >"${group%/*}/cgroup.procs"
	w=$(worker blk)
	echo 1000 >"/proc/$w/oom_score_adj"
	echo $(($(cat "$group/memory.usage_in_bytes") + (4 << 20))) >"$group/memory.limit_in_bytes"
	(echo "$BASHPID" >"$group/cgroup.procs"; head -c 64M /dev/zero | tail -c 64M >/dev/null) 2>/dev/null &
	wait_for stderr "pid $w\\) died" 20 || not_ok "it is killed"
	wait $!
	echo -1 >"$group/memory.limit_in_bytes"
	expect "the disk goes on" goes_on blk
	ctl --output json crashes >crashes
	expect "it is said to be for want of memory" \
		grep -q '"cause":"oom"[^}]*"action":"restarted"' crashes
	kill "$pid"
	finish
	expect "exit status 0" [ "$status" = 0 ]
	rmdir "$group"
}

# The worker of a shared directory is killed: nothing is done twice or lost, what is open
# stays so, also without a name, and a lock holds against the host.
fs_kills() {	# fs_kills KILLS
	local i w before after=0 held
	mkdir -p share
	start $((60 + $1)) fs storm --fs tag=share,path=share --worker-failure-limit deaths=1000000
	wait_for serial '^busy' 20 || { not_ok "busy"; return; }
	before=$(ls /proc/"$pid"/fd | wc -l)
	for ((i = 0; i < $1; i++)); do
		w=$(worker fs)
		sleep "0.0$((RANDOM % 90 + 10))"
		kill -9 "$w" 2>/dev/null
		until [ "$(grep -c 'has taken over' stderr)" -gt "$i" ] || [ ! -d "/proc/$pid" ]; do sleep 0.01; done
	done
	after=$(ls /proc/"$pid"/fd | wc -l)
	held=$(python3 -c '
import fcntl, sys
f = open("share/lockedaa", "r+")
try:
    fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
    print("free")
except OSError:
    print("held")')
	kill -PWR "$pid"
	finish
	verdicts
	expect "exit status 0, $(grep -a '^# rounds' serial | tr -d '\r')" [ "$status" = 0 ]
	expect "replaced: $(grep -c 'has taken over' stderr) of $1" [ "$(grep -c 'has taken over' stderr)" -ge "$1" ]
	expect "the lock is still held: $held" [ "$held" = held ]
	expect "fds: $before, $after" [ "$after" -le $((before + 3)) ]
	expect "nothing of the rounds is left" [ "$(ls share)" = lockedaa ]
}
t_fs_kills() { fs_kills 5; }
t_fs_kills_many() { fs_kills 1000; }	# full
