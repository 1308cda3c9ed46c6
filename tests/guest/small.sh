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

# The host's side of t_vsock, a command each; the guest sends back what it gets.
vsock_host() { python3 - "$@" <<-'P'
	import hashlib, os, socket, sys
	STREAM, SEQPACKET = socket.SOCK_STREAM, socket.SOCK_SEQPACKET
	def sock(kind):
	    s = socket.socket(socket.AF_UNIX, kind)
	    s.settimeout(20)
	    return s
	def echo(s, kind):
	    text = os.urandom(20000)
	    s.sendall(text)
	    got = b''
	    while len(got) < len(text):
	        part = s.recv(65536)
	        assert part, len(got)
	        got += part
	        assert kind == STREAM or len(part) == len(text), len(part)
	    assert got == text
	    s.shutdown(socket.SHUT_WR)
	    assert s.recv(1) == b''
	def client(kind, port):
	    s = sock(kind)
	    s.connect('v' if kind == STREAM else 'v.seqpacket')
	    s.sendall(b'CONNECT %d\n' % port)
	    return s if s.recv(64).startswith(b'OK ') else None
	def port(kind):
	    s = sock(kind)
	    s.bind('v_5000')
	    s.listen()
	    echo(s.accept()[0], kind)
	    s.close()
	    os.unlink('v_5000')
	kind = STREAM if 'stream' in sys.argv else SEQPACKET
	if sys.argv[1] == 'port':
	    port(kind)
	elif sys.argv[1] == 'client':
	    echo(client(kind, 1003), kind)
	elif sys.argv[1] == 'many':
	    for s in [client(STREAM, 1003) for i in range(int(sys.argv[2]))]:
	        echo(s, STREAM)
	elif sys.argv[1] == 'much':
	    s = client(STREAM, 1003)
	    there, back = hashlib.sha256(), hashlib.sha256()
	    for left in range(int(sys.argv[2]) << 4):
	        text = os.urandom(65536)
	        there.update(text)
	        for at in range(0, 65536, 32768):
	            s.sendall(text[at:at + 32768])
	            for i in range(8):
	                back.update(s.recv(4096, socket.MSG_WAITALL))
	    assert there.digest() == back.digest()
	elif sys.argv[1] == 'bad':
	    bad = []
	    for i in range(30):
	        s = sock(STREAM)
	        s.connect('v')
	        s.sendall(b'CONNECT 10'[:i % 11])
	        bad.append(s)
	        if i % 3:
	            bad.pop().close()
	    assert client(STREAM, 7777) is None
	    echo(client(STREAM, 1003), STREAM)
	else:
	    client(STREAM, 1004)
	P
}
times_said() { grep -ac "^$*" serial; }

# Both ways, each kind: the worker asks the controller for the host's port, whose opener
# finds it, or not, or again. What its connections were is counted.
t_vsock() {
	local before i
	NOISY=1 start 60 vsock "ms=$((30000 * SLOWNESS))" --vsock "cid=3,socket=$PWD/v,packed=on" --api-socket api
	wait_for serial '^refused stream' 20 && wait_for serial '^refused messages' 20 ||
		not_ok "nobody is at the host's port"
	expect "a client of the host" vsock_host client stream
	expect "... with messages" vsock_host client messages
	for i in stream messages stream; do
		expect "the guest connects: $i" vsock_host port $i
		wait_for serial "^down $i" 10 || not_ok "its end is seen"
		before=$(times_said refused)
		for _ in {1..100}; do [ "$(times_said refused)" -gt "$before" ] && break; sleep 0.05; done
		expect "the path is gone: refused" [ "$(times_said refused)" -gt "$before" ]
	done
	expect "it came about three times" [ "$(times_said up) $(times_said down)" = "3 3" ]
	expect "clients that say nothing, half a line, or vanish" vsock_host bad
	expect "sixty clients" vsock_host many 60
	expect "they are counted" python3 -c '
import json, sys
c = json.load(sys.stdin)["_vsock0"]
assert c["host_connections"] == 63 and c["guest_connections"] == 3, c
assert c["rx_bytes"] == c["tx_bytes"] == 66 * 20000, c
assert c["refused"] >= 20 and c["worker_deaths"] == 0, c
assert c["open"] <= 12, c' < <(ctl counters)
	vsock_host stop
	finish
	verdicts
	expect "exit status 0" [ "$status" = 0 ]
}

# Much, and many at once. (1 GiB: the lab.)
t_vsock_much() {	# full
	NOISY=1 start 200 vsock "ms=$((180000 * SLOWNESS))" --vsock "cid=3,socket=$PWD/v" --api-socket api
	wait_for serial '^refused stream' 20 || not_ok "nobody is at the host's port"
	expect "16 MiB there and back, their checksum" vsock_host much 16
	expect "1,000 clients at once" vsock_host many 1000
	expect "none was refused" [ "$(ctl counters | grep -o '"host_connections":[^,]*' | tr -dc 0-9)" = 1001 ]
	vsock_host stop
	finish
	verdicts
	expect "exit status 0" [ "$status" = 0 ]
}
