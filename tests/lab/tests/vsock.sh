# SPDX-License-Identifier: Apache-2.0
# about: sockets between host and stock guest: both ways, half closed, with checksums, many at once; its worker is killed
# full: 1 GiB there and back, 1,000 connections
# guest-tools: socat
# host-tools: socat
# vcpus: 2
# memory: 512M
# seconds: 1200
# run: all

# Connect to port $1 of the guest; what is to be sent is standard input.
to_guest() {
	(printf 'CONNECT %s\n' "$1"; cat) | socat -b 65536 -t 120 - "UNIX-CONNECT:$PWD/v.sock" 2>>socat.log | {
		read -r ok number && [ "$ok" = OK ] && cat
	}
}

# there_and_back MIB: the guest echoes it; both checksums are alike. By cat, as socat's own
# PIPE may wait for itself when more is under way than a pipe holds.
there_and_back() {
	(i=0; while [ $i -lt "$1" ]; do cat big; i=$((i + 1)); done) | to_guest 1006 |
		sha256sum >back.sum
	(i=0; while [ $i -lt "$1" ]; do cat big; i=$((i + 1)); done) | sha256sum >there.sum
	cmp there.sum back.sum
}

# echoes FIRST LAST: a connection each, all at once.
echoes() {
	local i=$1 pids=
	while [ "$i" -le "$2" ]; do
		echo "$i" | to_guest 1003 >"echo$i" &
		pids="$pids $!"
		i=$((i + 1))
	done
	wait $pids
}

# What came back before the end are the first numbers, none left out, none twice.
in_order() {
	local n
	n=$(wc -l <"$1")
	[ "$n" -gt 0 ] && [ "$(head -n "$n" "$1" | md5sum)" = "$(seq "$n" | md5sum)" ]
}

listens_again() {
	local i=0
	until [ "$(echo again | to_guest 1003)" = again ]; do
		i=$((i + 1))
		[ $i -lt 100 ] || return 1
		sleep 0.2
	done
}

# Until what the guest starts answers; in 30 s.
all_listen() {
	local i=0
	until [ "$(echo a | to_guest 1003)" = a ] && [ "$(echo a | to_guest 1006)" = a ] && [ -n "$(echo a | to_guest 1000)" ] &&
	    [ "$(to_guest 1001 </dev/null)" = a ]; do
		i=$((i + 1))
		[ $i -lt 150 ] || return 1
		sleep 0.2
	done
}

host() {
	local i echo sum mib=4 many=50 servers
	[ -z "$FULL" ] || mib=1024 many=1000
	dd if=/dev/urandom of=big bs=1M count=1 2>/dev/null
	sum=$(sha256sum <big)
	socat -t 120 "UNIX-LISTEN:$PWD/v.sock_2000,fork" SYSTEM:sha256sum 2>>socat.log &
	servers=$!
	socat "UNIX-LISTEN:$PWD/v.sock_2001,fork" SYSTEM:"sleep 1000" 2>>socat.log &
	servers="$servers $!"
	vm_start --disk "$(tools_disk)" --vsock "cid=3,socket=$PWD/v.sock"
	vm_says "guest: listening" || return
	expect "the guest's programs have started" all_listen
	expect "the guest's checksum, half closed" [ "$(to_guest 1000 <big)" = "$sum" ]
	expect "from the guest" [ "$(to_guest 1001 </dev/null | sha256sum)" = "$sum" ]
	expect "nobody listens there" [ -z "$(to_guest 1002 </dev/null)" ]
	expect "$mib MiB there and back" there_and_back $mib
	i=1
	while [ $i -le $many ]; do
		echoes $i $((i + (many < 100 ? many : 100) - 1))
		i=$((i + 100))
	done
	expect "$many connections" [ "$(cat echo* | sort -n | md5sum)" = "$(seq $many | md5sum)" ]
	echo go | to_guest 1005 >/dev/null
	vm_says "guest: kill it" || return
	seq 100000000 | to_guest 1003 >prefix &
	echo=$!
	i=0
	until [ -s prefix ] || [ $i = 100 ]; do i=$((i + 1)); sleep 0.2; done
	kill -9 "$(pidof bulkhead-vsock)"
	wait "$echo"
	expect "numbers until the worker died" in_order prefix
	expect "a new worker, and the guest still listens" listens_again
	echo stop | to_guest 1004 >/dev/null
	vm_wait
	kill $servers
	judge
}

ended() { ! kill -0 "$1"; }

guest() {
	tools
	/tools/bin/socat -t 120 VSOCK-LISTEN:1000,fork SYSTEM:"tee /tmp/big | sha256sum" &
	/tools/bin/socat -t 120 VSOCK-LISTEN:1001,fork SYSTEM:"cat /tmp/big" &
	/tools/bin/socat -t 120 VSOCK-LISTEN:1003,fork,backlog=100 PIPE &
	/tools/bin/socat -b 65536 -t 120 VSOCK-LISTEN:1006,fork SYSTEM:cat &
	sleep 1
	say "listening"
	/tools/bin/socat -u VSOCK-LISTEN:1005 - >/tmp/go
	check "1 MiB came from the host" [ "$(wc -c </tmp/big)" = 1048576 ]
	check "to the host, and its checksum" [ "$(/tools/bin/socat -t 120 - VSOCK-CONNECT:2:2000 </tmp/big)" = "$(sha256sum </tmp/big)" ]
	check "nobody listens at the host's port" fails /tools/bin/socat -u VSOCK-CONNECT:2:2002 -
	/tools/bin/socat -u VSOCK-CONNECT:2:2001 - >/tmp/silent 2>&1 &
	silent=$!
	sleep 1
	check "a silent connection stays" kill -0 $silent
	say "kill it"
	/tools/bin/socat -u VSOCK-LISTEN:1004 - >/tmp/stop
	check "told to stop" grep -q stop /tmp/stop
	check "the silent connection has ended" ended $silent
	check "to the host again" [ "$(/tools/bin/socat -t 120 - VSOCK-CONNECT:2:2000 </tmp/big)" = "$(sha256sum </tmp/big)" ]
	check "dmesg is clean" dmesg_clean
}

fails() { ! "$@" 2>/dev/null; }
