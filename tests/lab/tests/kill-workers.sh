# SPDX-License-Identifier: Apache-2.0
# about: workers of net, entropy and console are killed under a stock guest with a login on its console, that copies with checksums: pauses, and no error
# run: all
# full: 50 deaths of each; iperf3 both ways
# vcpus: 2
# memory: 512M
# seconds: 900
# guest-tools: iperf3
# host-tools: iperf3

# Logs in and has numbered commands carried out, each when the one before is answered.
# What a worker had read of what was typed goes with it: then it is typed again.
session() {
	local n=1000 tries
	vm_says "login:" || return
	echo root >typed
	sleep 5
	while [ ! -e enough ] && [ ! -e vmm.status ] && [ "$(now)" -lt "$deadline" ]; do
		n=$((n + 1)) tries=0
		printf 'echo a$((%d))z\n' $n >typed
		until grep -q "a${n}z" console.log || [ -e vmm.status ]; do
			sleep 0.2
			tries=$((tries + 1))
			[ $((tries % 75)) = 0 ] || continue
			echo $n >>retyped
			printf '\003\necho a$((%d))z\n' $n >typed
		done
	done
	echo $n >session
	echo exit >typed
}

# Each is there; in order; again only where a worker had not finished with it.
judge_session() {
	local last total
	last=$(cat session)
	: >>retyped
	grep -oE 'a1[0-9][0-9][0-9]z' console.log | tr -d az >said
	total=$(wc -l <said)
	echo "# the login: $((last - 1000)) commands, $((total - last + 1000)) answers twice," \
		"$(wc -l <retyped) typed again"
	expect "the login went on: $((last - 1000)) commands" [ $((last - 1000)) -ge 10 ]
	expect "each was answered" [ "$(sort -u said | wc -l)" = $((last - 1000)) ]
	expect "in their order" sort -n -c said
	expect "none more often than twice, but what was typed again" \
		[ -z "$({ sed 's/^/r /' retyped; cat said; } | awk '$1 == "r" { free[$2] = 1; next }
			++n[$1] > 2 && !free[$1]')" ]
	expect "few twice" [ $((total - last + 1000)) -le $((rounds / 2 + $(wc -l <retyped))) ]
	expect "few typed again" [ "$(wc -l <retyped)" -le $((rounds / 2)) ]
}

host() {
	rounds=4
	[ -z "$FULL" ] || rounds=50
	iperf3 -s -p 5201 >iperf3.log 2>&1 &
	server=$!
	over_ip=${host_ip%.1}.3
	typing=yes
	cmdline="host_ip=$host_ip guest_ip=$guest_ip over_ip=$over_ip full=$FULL"
	vm_start --disk "$(tools_disk)" --net "$(tap_net)" --rng src=/dev/urandom \
		--worker-failure-limit deaths=1000000
	mkfifo hold
	busybox nc -l -p 5001 <>hold >received &
	nc=$!
	vm_says "guest: busy" || { kill $nc $server; return; }
	session &
	typist=$!
	begun=$(now) n=0
	while [ $n -lt $rounds ] && [ ! -e vmm.status ] && [ "$(now)" -lt $((deadline - 200)) ]; do
		for kind in net console rng; do
			kill_oldest $kind
			[ $kind = console ] || all_replaced
		done
		n=$((n + 1))
		sleep 1
	done
	all_replaced
	echo "# $(killed) killed, $(taken) replaced in $(($(now) - begun)) s"
	expect "all rounds of deaths: $n of $rounds" [ $n = $rounds ]
	expect "all were replaced: $(taken) of $(killed), $((3 * rounds))" \
		[ "$(taken)" = "$(killed)" -a "$(killed)" = $((3 * rounds)) ]
	: >enough
	wait $typist
	# That the guest can reach: the last round of its own.
	ip addr add "$over_ip/24" dev "bh$$"
	vm_says "guest: quiet"
	kill $nc $server 2>/dev/null
	expect "no request was refused" [ -z "$(grep 'answered as failed' vmm.log)" ]
	vm_wait
	judge
	judge_session
	sum=$(sha256sum <received)
	expect "the guest's bytes came as they were sent" grep -qF "guest: sent ${sum%% *}" console.log
	rm -f received
}

# A TCP connection of which packets are lost goes on, in a while.
iperf() {
	/tools/bin/iperf3 -c "$(word host_ip)" -t 5 "$@" >/tmp/iperf 2>&1 || { cat /tmp/iperf; return 1; }
}

guest() {
	net "$(word guest_ip)/24"
	check "tools" tools
	check "ping" pings "$(word host_ip)"
	pattern 4 >/tmp/data
	dmesg -c >/dev/null
	mkdir -p /etc /root
	echo 'root::0:0:root:/root:/bin/sh' >/etc/passwd
	echo 'root:x:0:' >/etc/group
	setsid getty -L 0 hvc0 vt100 &
	getty=$!
	(
		nc -w 120 "$(word host_ip)" 5001 </tmp/data
		say "sent $(sha256sum </tmp/data | cut -c -64)"
	) &
	copy=$!
	say "busy"
	flows=yes
	until ping -c 1 -W 2 "$(word over_ip)" >/dev/null; do
		[ -n "$(word full)" ] || continue
		iperf || flows=no
		iperf -R || flows=no
	done
	[ -z "$(word full)" ] || check "iperf3 ran both ways each time" [ $flows = yes ]
	wait $copy
	kill $getty 2>/dev/null
	check "entropy" entropy
	check "dmesg is clean" dmesg_clean
	say "quiet"
}
