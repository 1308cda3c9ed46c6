# SPDX-License-Identifier: Apache-2.0
#
# For tests/guest/run: the workers of a device are killed again and again while a
# guest checks each of its requests (storm.c, flow.c): in check each some twenty
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
	while [ -n "$w" ]; do
		sleep 0.0$((RANDOM % 30 + 10))
		kill -9 "$w" || break
		killed=$((killed + 1)) w=
		while read -r -t $((30 * SLOWNESS)) line <&8; do
			case $line in
			*'(pid '*') has taken over'*)
				w=${line#*(pid }
				w=${w%%)*}
				[ "$w" -gt 1 ] || { not_ok "its pid: $line"; w=; }
				break ;;
			*' died: '*) ;;
			*) not_ok "nothing else is said: $line" ;;
			esac
		done
		[ $killed != 10 ] || looked=$(look) rss=$(memory_of "$pid") vcpu=$(memory_of "$(worker vcpu)")
		[ $killed -lt "$most" ] || break
	done
	sleep 0.2
	[ -z "$w" ] || after=$(look)
	echo "# KiB of the controller and the vcpu-worker after 10 deaths: $rss, $vcpu; at the end: $(memory_of "$pid"), $(memory_of "$(worker vcpu)")"
	expect "$1: $killed killed, the last one replaced" [ -n "$w" -a $killed = "$most" ]
	expect "as many fds, threads and processes as after 10: $after" [ -n "$after" -a "$after" = "$looked" ]
	[ "$most" -lt 100 ] ||
		expect "no more memory" [ "$(memory_of "$pid")" -lt $((rss + 400)) ]
	kill -PWR "$pid"
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

kills_net() {
	[ "$(id -u)" = 0 ] || { ok "# SKIP taps need root"; return; }
	ip tuntap add mine mode tap && ip addr add 10.0.5.1/24 dev mine && ip link set mine up &&
		ip neigh replace 10.0.5.2 lladdr 12:34:56:78:90:56 dev mine nud permanent
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

t_kills_front() {
	disk a 16M
	back_end blk --blk-file=a
	kills vhost-user-front storm "" --disk vhost_user=true,socket=s,packed=on
	back_end_ends
}
