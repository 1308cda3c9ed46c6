# SPDX-License-Identifier: Apache-2.0
#
# Devices behind vhost-user sockets: our own back-end programs, each in the
# background with its socket in the test's directory.

# back_end KIND OPTION...: its pid is in far; what it says, in far.log.
back_end() {
	local kind=$1
	shift
	"$ROOT/$BUILD/bulkhead-vhost-user-$kind" --socket-path="$PWD/s" "$@" 2>>far.log &
	far=$!
}

# It serves one front end after the other, and ends by SIGTERM.
back_end_ends() {
	kill "$far" 2>/dev/null
	wait "$far"
	expect "the back end ends well" [ $? = 0 ]
}

# Of check-all: those that take longer.
long() {
	[ -n "${FULL:-}" ] || { ok "# SKIP check-all has it"; return 1; }
}

t_vhost_blk() {
	long || return
	disk a 4M
	back_end blk --blk-file=a
	NOISY=1 guest blk "sectors=8192 no-cache-mode" --disk vhost_user=true,socket=s
	expect "the image holds what the guest wrote" \
		[ "$(dd if=a bs=1 skip=4096 count=9 2>/dev/null)" = bulkheadz ]
	back_end_ends
}

t_vhost_blk_late() {
	long || return
	disk a 4M
	{ sleep 1; exec "$ROOT/$BUILD/bulkhead-vhost-user-blk" --socket-path="$PWD/s" \
		--blk-file=a 2>far.log; } &
	far=$!
	NOISY=1 guest blk "sectors=8192 no-cache-mode" --disk vhost_user=true,socket=s
	expect "one line says what it waits for" [ "$(grep -c 'socket=s.*waiting' stderr)" = 1 ]
	back_end_ends
}

t_vhost_rng() {
	back_end rng
	NOISY=1 guest rng "" --generic-vhost-user device_type=rng,socket=s,queue_sizes=[64]
	back_end_ends
}

# A manager connects, and passes the connection on.
t_vhost_fd() {
	back_end rng
	cat >connected <<-END
		#!/usr/bin/python3
		import os, socket, sys
		s = socket.socket(socket.AF_UNIX)
		s.connect('s')
		os.dup2(s.fileno(), 9)
		os.execv('$ROOT/$BUILD/bulkhead', ['bulkhead'] + sys.argv[1:])
	END
	chmod 755 connected
	BULKHEAD=$PWD/connected NOISY=1 guest rng "" \
		--generic-vhost-user device_type=rng,socket=fd=9,queue_sizes=[64]
	back_end_ends
}

# A pair of ours: what one guest's net sends, the host's tap answers.
t_vhost_net() {
	long || return
	[ "$(id -u)" = 0 ] || { ok "# SKIP taps need root"; return; }
	ip tuntap add dev bhvu0 mode tap vnet_hdr && ip addr add 10.0.5.1/24 dev bhvu0 &&
		ip link set bhvu0 up
	back_end net --tap=bhvu0
	LIMIT=100 NOISY=1 guest net "mac=86" \
		--net vhost_user=true,socket=s,mac=12:34:56:78:90:56
	back_end_ends
	ip link del bhvu0
}

# The back end connects to us, comes late, and is the one of another program.
t_vhost_net_server() {
	long || return
	[ "$(id -u)" = 0 ] || { ok "# SKIP taps need root"; return; }
	command -v python3 >/dev/null || { ok "# SKIP no python3"; return; }
	ip tuntap add dev bhvu0 mode tap vnet_hdr && ip addr add 10.0.5.1/24 dev bhvu0 &&
		ip link set bhvu0 up
	python3 - "$ROOT/$BUILD/bulkhead-vhost-user-net" 2>far.log <<-'P' &
		import os, socket, sys, time
		s = socket.socket(socket.AF_UNIX)
		for i in range(200):
		    try:
		        s.connect("s")
		        break
		    except OSError:
		        time.sleep(0.05)
		os.set_inheritable(s.fileno(), True)
		os.execv(sys.argv[1], [sys.argv[1], "--fd=%d" % s.fileno(), "--tap=bhvu0"])
	P
	far=$!
	LIMIT=100 NOISY=1 guest net "" --net vhost_user=true,socket=s,vhost_mode=server
	expect "one line says that it waits" [ "$(grep -c 'socket=s: waiting' stderr)" = 1 ]
	expect "the socket is taken away" [ ! -e s ]
	back_end_ends
	ip link del bhvu0
}

# Killed under a guest that is busy, it comes back after two seconds: the guest
# goes on, and the log has a line for each.
t_vhost_kill() {
	local n before
	long || return
	disk a
	back_end blk --blk-file=a
	start 60 traffic "" --disk vhost_user=true,socket=s --console null
	wait_for serial '^blk [1-9]' 20 || { not_ok "the guest runs"; return; }
	for n in 1 2 3; do
		kill -9 $far; wait $far 2>/dev/null
		sleep $((SLOWNESS * 2))
		before=$(counts)
		rm -f s
		back_end blk --blk-file=a
		sleep $((SLOWNESS * 2))
		[ "$(counts | cut -d' ' -f2)" -gt "$(cut -d' ' -f2 <<<"$before")" ] ||
			not_ok "goes on after the ${n}th time: $before, $(counts)"
	done
	expect "three losses" [ "$(grep -c 'lost the back end' stderr)" = 3 ]
	expect "three returns" [ "$(grep -c 'the back end is back' stderr)" = 3 ]
	expect "nothing else to say" [ "$(wc -l <stderr)" = 6 ]
	expect "no opener is left" [ -z "$(tree "$pid" | grep open)" ]
	kill -TERM "$pid"
	finish
	expect "exit status 0" [ "$status" = 0 ]
	back_end_ends
}

# The worker between guest and back end is killed as fast as its successors come;
# each request is answered once and has done what it should.
vhost_storm() {	# vhost_storm LEAST OPTION...
	local w kills=0 last= least=$1
	start 60 storm "ms=$((2500 * SLOWNESS)) ${*:2}" \
		--disk vhost_user=true,socket=s,packed=on --worker-failure-limit deaths=100000
	wait_for serial '^running' 20 || not_ok "the guest runs"
	while kill -0 "$watch" 2>/dev/null; do
		w=$(worker vhost-user-front)
		[ -z "$w" -o "$w" = "$last" ] || { kill -9 "$w" 2>/dev/null && kills=$((kills + 1)); }
		last=$w
		sleep 0.0$((RANDOM % 9 + 1))
	done
	finish
	verdicts
	grep -a '^storm: ' serial | sed 's/^/# /'
	expect "exit status 0" [ "$status" = 0 ]
	expect "killed $kills times" [ $kills -ge "$least" ]
}
t_vhost_worker() {
	disk a 16M
	back_end blk --blk-file=a
	vhost_storm 10
	back_end_ends
}
t_vhost_worker_packed() {
	long || return
	disk a 16M
	back_end blk --blk-file=a
	vhost_storm 10 packed indirect event
	back_end_ends
}
t_vhost_worker_qemu() {
	command -v qemu-storage-daemon >/dev/null || { ok "# SKIP no qemu-storage-daemon"; return; }
	disk a 16M
	qemu-storage-daemon --blockdev driver=file,node-name=d,filename=a \
		--export "type=vhost-user-blk,id=e,node-name=d,writable=on,addr.type=unix,addr.path=$PWD/s" &
	far=$!
	vhost_storm 10 indirect
	kill $far
	wait $far
}

# One that dies too often is isolated: its stand-in has no back end, and answers all that
# was in flight, and what comes, as failed. vhost_isolated OPTION...: of storm and disk.
vhost_isolated() {
	local far=$far
	start 60 storm "ms=$((1500 * SLOWNESS)) errors $1" \
		--disk "vhost_user=true,socket=s,$2" --on-worker-failure isolate
	wait_for serial '^running' 20 || not_ok "the guest runs"
	sleep 0.3
	kill -9 "$(worker vhost-user-front)"
	finish
	verdicts
	grep -a '^storm: ' serial | sed 's/^/# /'
	expect "exit status 0" [ "$status" = 0 ]
	expect "requests failed, each was answered" \
		grep -qaE '^storm: [0-9]+ requests, 0 bad, [1-9][0-9]* failed' serial
	expect "it is said" [ "$(grep -c 'it is isolated' stderr)" = 1 ]
}
t_vhost_isolated() {
	disk a 16M
	back_end blk --blk-file=a
	vhost_isolated "" packed=off
	back_end_ends
}
t_vhost_isolated_packed() {
	long || return
	disk a 16M
	back_end blk --blk-file=a
	vhost_isolated "packed indirect" packed=on
	back_end_ends
}
t_vhost_isolated_qemu() {	# a back end without a record: relayed rings
	command -v qemu-storage-daemon >/dev/null || { ok "# SKIP no qemu-storage-daemon"; return; }
	disk a 16M
	qemu-storage-daemon --blockdev driver=file,node-name=d,filename=a \
		--export "type=vhost-user-blk,id=e,node-name=d,writable=on,addr.type=unix,addr.path=$PWD/s" &
	far=$!
	vhost_isolated indirect packed=off
	kill $far
	wait $far
}
t_vhost_isolated_net() {
	[ "$(id -u)" = 0 ] || { ok "# SKIP taps need root"; return; }
	ip tuntap add dev bhvu0 mode tap vnet_hdr && ip link set bhvu0 up
	back_end net --tap=bhvu0
	net_isolated vhost-user-front --net vhost_user=true,socket=s
	back_end_ends
	ip link del bhvu0
}

# A back end that does not hang up may still be in the rings: nobody else goes there.
# The driver is told to reset, the VM runs on.
t_vhost_worker_lost() {
	long || return
	disk a
	back_end blk --blk-file=a
	start 90 traffic "" --disk vhost_user=true,socket=s --console null \
		--on-worker-failure isolate
	wait_for serial '^blk [1-9]' 20 || not_ok "the guest runs"
	kill -STOP "$far"
	kill -9 "$(worker vhost-user-front)"
	wait_for stderr 'is lost until the VM is started again' 30 || not_ok "it is said"
	expect "and why" grep -q 'its back end does not hang up' stderr
	local before
	before=$(counts | cut -d' ' -f4)
	sleep $((SLOWNESS * 2))
	expect "the entropy device goes on" [ "$(counts | cut -d' ' -f4)" -gt "$before" ]
	kill -TERM "$pid"
	finish
	expect "exit status 0" [ "$status" = 0 ]
	kill -CONT "$far"
	back_end_ends
}

t_vhost_reboot() {
	disk a
	back_end blk --blk-file=a
	NOISY=1 guest reboot "" --disk vhost_user=true,socket=s --memory size=64M
	expect "four lives" [ "$(grep -c '^# life' serial)" = 4 ]
	back_end_ends
}

t_vhost_fs() {
	local v=/usr/lib/qemu/virtiofsd
	[ -x $v ] && [ "$(id -u)" = 0 ] || { ok "# SKIP needs root and QEMU's virtiofsd"; return; }
	mkdir share && echo "from the host" >share/hello
	$v --socket-path="$PWD/s" -o source="$PWD/share" -o sandbox=chroot 2>far.log &
	far=$!
	NOISY=1 guest fs "" --fs tag=share,socket=s
	wait $far
}

# Our own.
t_vhost_fs_own() {
	[ "$(id -u)" = 0 ] || { ok "# SKIP needs root"; return; }
	mkdir share && echo "from the host" >share/hello
	back_end fs --shared-dir="$PWD/share"
	NOISY=1 guest fs "" --fs tag=share,socket=s
	back_end_ends
}

# Killed under a guest that is busy, and started again: the user has a line for each, the
# new one serves nobody who has not greeted it, and the VM goes on.
t_vhost_fs_kill() {
	long || return
	[ "$(id -u)" = 0 ] || { ok "# SKIP needs root"; return; }
	mkdir share
	back_end fs --shared-dir="$PWD/share"
	start 60 fs storm --fs tag=share,socket=s
	wait_for serial '^busy' 20 || { not_ok "the guest runs"; return; }
	kill -9 $far; wait $far 2>/dev/null
	wait_for stderr 'lost the back end' 20 || not_ok "a line says that it is lost"
	rm -f s
	back_end fs --shared-dir="$PWD/share"
	wait_for stderr 'the back end is back' 20 || not_ok "a line says that it is back"
	wait_for serial '^not ok .*: -5' 20 || not_ok "what the guest asks next is an error"
	expect "no other line" [ "$(wc -l <stderr)" = 2 ]
	kill -TERM "$pid"
	finish
	expect "exit status 0" [ "$status" = 0 ]
	back_end_ends
}
