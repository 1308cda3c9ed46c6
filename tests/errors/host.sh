# SPDX-License-Identifier: Apache-2.0
#
# Cases that need a prepared host: rights, taps, a lock, other programs, limits,
# a terminal. Sourced by run.
run=("$B/bulkhead" --console off --kernel "$K")
root=$([ "$(id -u)" = 0 ] && echo yes || echo no)


if [ $root = yes ] && command -v setpriv >/dev/null; then
	user=(setpriv --reuid 65534 --regid 65534 --clear-groups)
	cp "$K" kernel.elf; chmod 644 kernel.elf; chmod 600 disk
	printf 'x' >unreadable; chmod 600 unreadable
	check no-right-to-kvm 1 '/dev/kvm|permission denied|group kvm' \
		"${user[@]}" "$B/bulkhead" --console off --kernel kernel.elf
	# With the right to KVM, the other refusals of an ordinary user.
	kvmuser=(unshare -m bash -c 'cp -a /dev/kvm /tmp/.kvm.$$ && chmod 666 /tmp/.kvm.$$ &&
		mount --bind /tmp/.kvm.$$ /dev/kvm && rm /tmp/.kvm.$$ &&
		exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"' -)
	check kernel-unreadable 1 '--kernel unreadable|permission denied|right' \
		"${kvmuser[@]}" "$B/bulkhead" --console off --kernel unreadable
	check disk-not-writable 1 '--disk path=disk|permission denied|readonly=on' \
		"${kvmuser[@]}" "$B/bulkhead" --console off --kernel kernel.elf --disk path=disk
	check fs-map-not-own 1 '--fs tag=t,gid_map|your own|[0:65534:1]' \
		"${kvmuser[@]}" "$B/bulkhead" --console off --kernel kernel.elf \
		--fs 'tag=t,path=dir,uid_map=[7:65534:1],gid_map=[0:65534:2]'
	check tap-forbidden 1 '--net tap=nosuch0|no right' \
		"${kvmuser[@]}" "$B/bulkhead" --console off --kernel kernel.elf --net tap=nosuch0
	if ip tuntap add dev bhe1 mode tap user 65534 vnet_hdr 2>/dev/null &&
		ip link set bhe1 up; then
		check guard-forbidden 1 '--net tap=bhe1|no right to guard|CAP_BPF|leave guard' \
			unshare -m bash -c 'cp -a /dev/net/tun /tmp/.tun.$$ &&
			chmod 666 /tmp/.tun.$$ && mount --bind /tmp/.tun.$$ /dev/net/tun &&
			rm /tmp/.tun.$$ && exec "$@"' - \
			"${kvmuser[@]}" "$B/bulkhead" --console off --kernel kernel.elf \
			--net tap=bhe1,guard=on
		ip link del bhe1
	else
		skip guard-forbidden 'no right to make a tap'
	fi
	check kvm-missing 1 '/dev/kvm|no such|kvm-intel' unshare -m bash -c \
		'mount -t tmpfs none /mnt && mknod -m 666 /mnt/null c 1 3 &&
		mknod -m 666 /mnt/urandom c 1 9 && mount --move /mnt /dev && exec "$@"' - "${run[@]}"
	check kvm-is-something-else 1 '/dev/kvm|not KVM' unshare -m bash -c \
		'mount --bind /dev/null /dev/kvm && exec "$@"' - "${run[@]}"
	# passt: not there; a host without a route; ports that it cannot have.
	check user-net-missing 1 '--net user=on|install the package passt' \
		"${kvmuser[@]}" env BULKHEAD_PASST=/nosuch "$B/bulkhead" --console off --kernel kernel.elf --net user=on
	if [ -x /usr/bin/passt ]; then
		check user-net-no-route 1 '--net user=on|no default route|ip route add default' \
			unshare -n "${kvmuser[@]}" "$B/bulkhead" --console off --kernel kernel.elf --net user=on
		uplink=(unshare -n sh -c 'ip link set lo up && ip tuntap add dev up0 mode tap &&
			ip addr add 10.0.5.99/24 dev up0 && ip link set up0 up &&
			ip route add default via 10.0.5.1 && exec "$@"' -)
		check user-net-low-port 1 '--net user=on,publish=[tcp:80:80]|above 1023' \
			"${uplink[@]}" "${kvmuser[@]}" "$B/bulkhead" --console off --kernel kernel.elf --net user=on,publish=tcp:80
		check user-net-no-such-address 1 '--net user=on,publish=[udp:192.0.2.77:81:82]|free' \
			"${uplink[@]}" "${run[@]}" --net user=on,publish=udp:192.0.2.77:81:82
	else
		skip user-net 'no passt'
	fi
else
	skip rights 'not root, or no setpriv'
fi

if [ $root = yes ] && ip tuntap add dev bhe0 mode tap vnet_hdr 2>/dev/null; then
	mkfifo hold.fifo
	"$B/bulkhead" --console off --kernel "$B/guest/traffic.elf" --net tap=bhe0 \
		--serial file=held --disk path=disk >/dev/null 2>&1 &
	holder=$!
	for _ in {1..100}; do
		[ "$(cat /sys/class/net/bhe0/carrier 2>/dev/null)" = 1 ] && break
		sleep 0.05
	done
	before=$(ours | wc -l)
	: >stderr
	timeout 10 "${run[@]}" --net tap=bhe0 </dev/null 2>stderr; s=$?
	if [ $s = 1 ] && [ "$(wc -l <stderr)" = 1 ] && grep -q 'tap=bhe0: busy' stderr
	then ok tap-busy; else not_ok "tap-busy: status $s"; fi
	timeout 10 "${run[@]}" --disk path=disk </dev/null 2>stderr; s=$?
	if [ $s = 1 ] && [ "$(wc -l <stderr)" = 1 ] &&
		grep -q 'path=disk: locked by another VM' stderr
	then ok disk-locked; else not_ok "disk-locked: status $s"; fi
	kill "$holder" 2>/dev/null; wait "$holder"
	[ $? = 0 ] && ok holder-stops || not_ok holder-stops
	ip link del bhe0
	rm -f hold.fifo held
else
	skip tap-busy 'no right to make a tap'
fi
check tap-is-no-tap 1 '--net tap=lo' "${run[@]}" --net tap=lo

# The programs: one is missing, one of another build.
mkdir other
cp "$B"/bulkhead "$B"/bulkhead-{opener,guard,loader,migration,snapshot,vcpu,blk,fs,balloon,mem,pmem,vsock,watchdog,rtc,net,rng,console,api,vhost-user-front} other/
id=$(sed -n 's/.*BUILD_ID "\(.*\)"/\1/p' "$B/gen/build_id.h")
sed -i "s/$id/0123456789abcdef/g" other/bulkhead-rng
check program-of-another-build 1 'bulkhead-rng|another build|install' \
	other/bulkhead --console off --kernel "$K"
rm other/bulkhead-rng
check program-missing 1 'other/bulkhead-rng|no such file|install' \
	other/bulkhead --console off --kernel "$K"
rm -r other

# A full table of file descriptors, wherever it fills.
for limit in 5 8 12 16 20 24 30; do
	check "fds-$limit" 1 'open files' bash -c "ulimit -n $limit && exec \"\$@\"" - "${run[@]}"
done
# AddressSanitizer itself wants terabytes of address space.
[ -n "${SAN:-}" ] || check no-memory 1 'memory' bash -c 'ulimit -v 300000 && exec "$@"' - "${run[@]}"

# The terminal is given back as it was.
if command -v script >/dev/null; then
	: >stderr
	script -qec "stty -a >before; $B/bulkhead --kernel $K --disk path=odd; stty -a >after" \
		/dev/null </dev/null >out 2>&1
	if cmp -s before after && grep -q 'path=odd' out
	then ok terminal; else not_ok terminal; fi
	script -qec "stty -a >before; $B/bulkhead --kernel $K --cpus boot=1; stty -a >after" \
		/dev/null </dev/null >out 2>&1
	if cmp -s before after; then ok terminal-after-a-run; else not_ok terminal-after-a-run; fi
	# A job that others have the terminal of can be ended: one that waits for it
	# from the start, and one that was stopped while it had it.
	cat >job <<-END
		set -m
		$B/bulkhead --kernel $B/guest/traffic.elf --console off --serial tty &
		sleep 1
		kill %1; kill -CONT %1
		wait -f %1
		echo waiting \$?
	END
	cat >job2 <<-END
		set -m
		bash -c 'echo \$\$ >running; exec $B/bulkhead --kernel $B/guest/traffic.elf --console off --serial tty'
		kill -TERM \$(cat running); kill -CONT \$(cat running)
		wait -f %1
		echo stopped \$?
	END
	timeout 20 script -qec 'bash job' /dev/null </dev/null >out 2>&1
	if grep -q '^waiting 143' out && [ -z "$(ours)" ]
	then ok terminal-in-the-background; else not_ok "terminal-in-the-background: $(tail -2 out)"; fi
	(for _ in {1..100}; do [ -s running ] && break; sleep 0.05; done
	 sleep 1; kill -STOP "$(cat running)"
	 for _ in {1..150}; do [ -d "/proc/$(cat running)" ] || exit; sleep 0.1; done
	 ps -A -o pid,ppid,pgid,tpgid,stat,wchan:24,args | grep -e '[j]ob2' -e '[b]ulkhead' >stuck) &
	timeout 20 script -qec 'stty -a >before; bash job2; stty -a >after' /dev/null </dev/null >out 2>&1
	if grep -q '^stopped 0' out && cmp -s before after && [ -z "$(ours)" ]
	then ok terminal-of-a-stopped-job
	else
		wait $!
		not_ok "terminal-of-a-stopped-job: $(tail -2 out)"
		cat stuck 2>/dev/null
	fi
	rm -f job job2 running stuck
fi

# Back ends that are not what they should be: another kind, fewer queues, no
# vhost-user at all. Their own processes are none of the VM's.
far() {	# far NAME WORDS BACK-END... -- OPTION...
	local name=$1 words=$2 command=()
	shift 2
	while [ "$1" != -- ]; do command+=("$1"); shift; done
	shift
	rm -f s
	"${command[@]}" >/dev/null 2>&1 &
	local back=$!
	for _ in {1..100}; do [ -S s ] && break; sleep 0.05; done
	timeout 30 "$B/bulkhead" --console off --kernel "$K" "$@" </dev/null 2>stderr
	local status=$? word
	kill $back 2>/dev/null; wait $back 2>/dev/null
	[ $status = 1 ] && [ "$(wc -l <stderr)" = 1 ] ||
		{ not_ok "$name: status $status: $(tail -n 1 stderr)"; return; }
	while IFS= read -r word; do
		grep -qF -- "$word" stderr || { not_ok "$name: no '$word': $(cat stderr)"; return; }
	done < <(tr '|' '\n' <<<"$words")
	ok "$name"
}
far vhost-no-config '--disk socket=s|cannot be used|no configuration space' \
	"$B/bulkhead-vhost-user-rng" --socket-path=s -- --disk vhost_user=true,socket=s
far vhost-few-queues '--disk socket=s|fewer queues|num_queues' \
	"$B/bulkhead-vhost-user-blk" --socket-path=s --blk-file=disk -- \
	--cpus boot=2 --disk vhost_user=true,socket=s,num_queues=2
if command -v python3 >/dev/null; then
	far vhost-not-vhost '--disk socket=s|cannot be used|no answer of vhost-user' python3 -c '
import socket
s = socket.socket(socket.AF_UNIX); s.bind("s"); s.listen()
c, _ = s.accept(); c.recv(1); c.send(b"HTTP/1.1 400 Bad Request\r\n"); c.recv(100)
c.recv(100)' -- --disk vhost_user=true,socket=s
fi
rm -f s
