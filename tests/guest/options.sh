# SPDX-License-Identifier: Apache-2.0
#
# For tests/guest/run: options whose effect only a guest, a file or another user
# can tell.

t_pci_device_id() {
	disk a; disk b
	guest pci_guest "functions=4" --disk path=a,id=system,pci_device_id=9 path=b \
		--rng src=/dev/urandom,id=dice,pci_device_id=31 \
		--console "file=$PWD/console,id=tty,pci_device_id=5"
	expect "disk in slot 9" grep -aqx '# 0000:00:09.0 10421af4' serial
	expect "entropy in slot 31" grep -aqx '# 0000:00:1f.0 10441af4' serial
	expect "console in slot 5" grep -aqx '# 0000:00:05.0 10431af4' serial
	expect "the other disk where there is room" \
		[ "$(grep -acE '^# 0000:00:0[1-9]\.0 10421af4' serial)" = 2 ]
	disk c
	start 20 boot "" --disk path=c,id=sda --seccomp log -v -v
	finish
	expect "the log names a device by its id" grep -q 'blk sda' stderr
}

# Devices in segments, each with BARs in its own part of the window; the pci_guest uses
# all it finds. What has no segment of its own overflows into the next.
t_pci_segments() {
	disk a; disk b; disk c
	guest pci_guest "functions=4" --platform num_pci_segments=96 \
		--pci-segment pci_segment=95,mmio32_aperture_weight=3 \
		--disk path=a,pci_segment=95 path=b,pci_segment=95,pci_device_id=31 path=c \
		--rng src=/dev/urandom,pci_segment=3
	expect "a slot of the last" grep -aqx '# 005f:00:01.0 10421af4' serial
	expect "the last slot of the last" grep -aqx '# 005f:00:1f.0 10421af4' serial
	expect "entropy in the fourth" grep -aqx '# 0003:00:01.0 10441af4' serial
	expect "a disk in the first" grep -aqx '# 0000:00:01.0 10421af4' serial
}

# A rule lets the broker open what an image names.
t_landlock() {
	qemu-img create -q -f qcow2 base 4M
	qemu-img create -q -f qcow2 -b base -F qcow2 top
	guest blk "sectors=8192" --disk path=top,backing_files=on --landlock \
		--landlock-rules path=base,access=r path=/usr,access=rw
}

# by_fd SCRIPT: a manager, which opens what the VM is made of, and executes Bulkhead
# with nothing but fds; strace says who opens what by path from then on.
by_fd() {
	cat >manager.py <<-'END'
		import os, socket, subprocess, sys
		build, group = sys.argv[1], sys.argv[2]
		fds = []
		def fd(path, flags):
		    fds.append(os.open(path, flags))
		    return 'fd=%d' % fds[-1]
		def listen(path):
		    s = socket.socket(socket.AF_UNIX)
		    s.bind(path)
		    s.listen(1)
		    fds.append(os.dup(s.fileno()))
		    return 'fd=%d' % fds[-1]
		options = [
		    '--kernel', fd(build + '/guest/fs.elf', os.O_RDONLY),
		    '--disk', fd('a', os.O_RDWR),
		    '--fs', 'tag=share,' + fd('share', os.O_PATH | os.O_DIRECTORY),
		    '--pmem', fd('pmem', os.O_RDWR),
		    '--rng', fd('/dev/urandom', os.O_RDONLY),
		    '--serial', 'file=' + fd('serial', os.O_WRONLY),
		    '--console', 'socket=' + listen('console'),
		    '--log-file', fd('log', os.O_WRONLY | os.O_APPEND),
		    '--event-monitor', fd('events', os.O_WRONLY),
		    '--api-socket', listen('api'),
		    '--kvm', fd('/dev/kvm', os.O_RDWR),
		    '--libexec', fd(build, os.O_PATH | os.O_DIRECTORY)]
		if group:
		    options += ['--cgroup', fd(group, os.O_RDONLY | os.O_DIRECTORY)]
		sys.exit(subprocess.call(['strace', '-f', '-qq', '-o', 'trace', '-e',
		    'trace=open,openat,openat2,creat,socket,connect,bind,execve,execveat',
		    build + '/bulkhead'] + options, pass_fds=fds,
		    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL))
	END
	disk a
	disk pmem
	mkdir share && echo "from the host" >share/hello
	: >serial; : >log; : >events
	timeout $((60 * SLOWNESS)) python3 manager.py "$ROOT/$BUILD" "$1" 2>stderr
	status=$?
	verdicts
	expect "all by fd: the guest runs, status 0" [ "$status" = 0 ]
	expect "done" grep -aq '^done' serial
	expect "events are written" grep -q booted events
	expect "nothing to say but in the log" [ ! -s stderr ]
}

# What is left: the C library's start, /proc, /dev/null, and the lock of root's uids.
t_by_fd() {
	command -v strace >/dev/null || { ok "# SKIP no strace"; return; }
	[ -z "${SAN:-}" ] || { ok "# SKIP the sanitized build opens its libraries, and the share from beside them"; return; }
	local group mount left
	mount=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
	group=${mount:+$mount/of-by-fd-$$}
	[ -z "$group" ] || mkdir "$group" 2>/dev/null || group=
	by_fd "$group"
	[ -z "$group" ] || rmdir "$group"
	expect "the trace has all processes" \
		[ "$(grep -cE 'execveat\(.*"bulkhead-(vcpu|loader|blk|fs|pmem|rng|console|api):' trace)" = 8 ]
	expect "no opener is started" [ "$(grep -c 'execveat.*bulkhead-opener' trace)" = 0 ]
	expect "nobody makes, binds or connects a socket" \
		[ "$(grep -cE ' (socket|bind|connect)\(' trace)" = 0 ]
	# Names below an fd that was passed on are no paths; nor is the share, which is
	# the root of its worker.
	left=$(grep -E 'open|creat' trace | grep AT_FDCWD | sed 's/^[0-9]* *//; s/[^"]*"\([^"]*\)".*/\1/' |
		grep -vE '^/(proc(/|$)|dev/null$|etc/(ld\.so|localtime)|(usr/)?lib|sys/devices/system/cpu/|run/bulkhead\.uids$|$)' |
		grep -vE "^${group:+/no}/sys/fs/cgroup/" | sort -u)
	[ -z "$left" ] || echo "  opened: $left"
	expect "nothing is opened by path" [ -z "$left" ]
}

t_platform() {
	guest smbios "" --platform 'system_manufacturer=Maker,system_product_name=Product,system_version=1.5,system_serial_number="S/N, 1",system_uuid=01234567-89ab-cdef-0123-456789abcdef,system_sku_number=Sku,system_family=Family,chassis_asset_tag=Tag,oem_strings=[one,"two, three"]'
	local s
	for s in '1 Maker' '1 Product' '1 1.5' '1 S/N, 1' '1 Sku' '1 Family' '3 Tag' '11 one' '11 two, three'; do
		expect "type $s" grep -aqx "# type $s" serial
	done
	expect "UUID, its first field little-endian" grep -aqx '# uuid 01234567' serial
}

t_log() {
	echo kept >log
	start 20 ten "" -v --log-file log --log-format '{boottime} bulkhead {pid} {level} {msg}'
	finish
	expect "exit status 0" [ "$status" = 0 ]
	expect "the file is appended to" [ "$(head -1 log)" = kept ]
	expect "a line of the log as the template says" \
		grep -qE '^ *[0-9.]+s? bulkhead [0-9]+ INFO starting -> running' log
	expect "nothing on standard error" [ ! -s stderr ]
	start 20 ten ""
	finish
	expect "without -v nothing to say" [ ! -s stderr ]
}

as_user=(setpriv --reuid=65533 --regid=65533 --groups=65532 --inh-caps=-all)

# tap_user COMMAND-BEFORE... -- OPTION...: the net guest as an ordinary user with a
# right to KVM and, as in Debian, to /dev/net/tun.
tap_user() {
	local before=()
	while [ "$1" != -- ]; do before+=("$1"); shift; done
	shift
	local at
	at=$(mktemp -d /tmp/bulkhead-user.XXXXXX)
	mkdir "$at/run"
	cp "$ROOT/$BUILD"/bulkhead* "$G/net.elf" "$at/" 2>/dev/null
	chmod 755 "$at"
	mknod -m 666 "$at/kvm" c 10 232
	mknod -m 666 "$at/tun" c 10 200
	chown -R 65533:65533 "$at/run"
	unshare -m -- bash -c 'mount --bind "$0/kvm" /dev/kvm && mount --bind "$0/tun" /dev/net/tun &&
		cd "$0/run" && exec "$@"' "$at" "$G/watch" $((60 * SLOWNESS)) "$PWD/pid" ${before[@]+"${before[@]}"} \
		"${as_user[@]}" "$at/bulkhead" --kernel "$at/net.elf" --console off \
		--serial file=serial "$@" 2>stderr </dev/null
	status=$?
	cp "$at/run/serial" serial 2>/dev/null
	rm -rf "$at"
	verdicts
	expect "exit status 0" [ "$status" = 0 ]
	expect "done" grep -aq '^done' serial
	expect "nothing to say" [ ! -s stderr ]
}

t_net_tap_of_a_user() {
	[ "$(id -u)" = 0 ] || { ok "# SKIP taps need root"; return; }
	ip tuntap add mine mode tap user 65533 && ip addr add 10.0.5.1/24 dev mine && ip link set mine up
	tap_user -- --net tap=mine
	expect "the tap is still there" ip link show mine
}

t_net_fd() {
	[ "$(id -u)" = 0 ] || { ok "# SKIP taps need root"; return; }
	ip tuntap add passed mode tap vnet_hdr && ip addr add 10.0.5.1/24 dev passed && ip link set passed up
	tap_user "$G/tapfd" passed 9 -- --net fd=9
}

# What passt needs of the host, and a service on its loopback; BULKHEAD becomes
# Bulkhead as an ordinary user who may use KVM.
# at_user GUEST: programs and guest where an ordinary user may have them, $at/as-user to run them.
at_user() {
	at=$(mktemp -d /tmp/bulkhead-user.XXXXXX)
	cp "$ROOT/$BUILD"/bulkhead* "$G/$1.elf" "$at/" 2>/dev/null
	chmod 755 "$at"
	mknod -m 666 "$at/kvm" c 10 232
	cat >"$at/as-user" <<-END
		#!/bin/bash
		exec unshare -m -- bash -c 'mount --bind "\$0/kvm" /dev/kvm && exec ${as_user[*]} "\$0/bulkhead" "\$@"' $at "\$@"
	END
	chmod 755 "$at/as-user"
	: >serial && chmod 666 serial
}

user_net() {
	ip tuntap add uplink mode tap && ip addr add 10.0.5.99/24 dev uplink &&
		ip link set uplink up && ip route add default via 10.0.5.1
	"$G/udp" echo 5000 &
	echo=$!
	at_user user
}

user_net_end() {
	kill $echo
	wait $echo 2>/dev/null
	rm -rf "$at"
}

user_options="user=on,publish=[udp:127.0.0.1:6000:7],user_address=10.0.5.2,user_mask=255.255.255.0,user_gateway=10.0.5.1"

# An ordinary user's guest reaches a service on the host's loopback and is reached
# by a published port; passt may die meanwhile.
t_net_user() {
	[ "$(id -u)" = 0 ] || { ok "# SKIP network namespaces need root"; return; }
	[ -x /usr/bin/passt ] || { ok "# SKIP no passt"; return; }
	user_net
	BULKHEAD=$at/as-user KERNEL=$at/user.elf start 60 user "link=1" --net "$user_options"
	wait_for serial '^# ready' 30
	local passt
	passt=$(tree "$pid" | awk '$2 ~ /^passt/ { print $1 }')
	expect "passt is there" [ -n "$passt" ]
	expect "not root's" grep -q 'Uid:.65533' "/proc/$passt/status"
	expect "without capabilities" grep -q 'CapPrm:.0000000000000000' "/proc/$passt/status"
	expect "no_new_privs" grep -q 'NoNewPrivs:.1' "/proc/$passt/status"
	expect "filtered" grep -q 'Seccomp:.2' "/proc/$passt/status"
	expect "no core file, no other file" grep -q 'Max file size *0 ' "/proc/$passt/limits"
	kill -9 "$passt"
	wait_for serial '^# listening' 30
	expect "its death is said" grep -q "passt (pid $passt) died: killed by signal 9 (SIGKILL)" stderr
	expect "and that it runs again" grep -q 'runs again' stderr
	expect "the guest answers" "$G/udp" ask 6000 "is there somebody"
	kill -9 "$(worker net)"
	wait_for stderr 'new worker' 10
	expect "a killed worker has a successor" grep -q 'a new worker' stderr
	expect "that answers, too" "$G/udp" ask 6000 "still there"
	expect "and ends" "$G/udp" ask 6000 end
	finish
	verdicts
	expect "exit status 0" [ "$status" = 0 ]
	user_net_end
}

# The same net comes to a running VM of an ordinary user's, which is confined as at boot; a
# second one cannot have its port; taken away it leaves nothing.
t_net_user_hot() {
	[ "$(id -u)" = 0 ] || { ok "# SKIP network namespaces need root"; return; }
	[ -x /usr/bin/passt ] || { ok "# SKIP no passt"; return; }
	user_net
	local nfds all i
	mkdir api && chmod 777 api
	BULKHEAD=$at/as-user KERNEL=$at/user.elf start 20 user "hot" --api-socket "$PWD/api/s" \
		--event-monitor "path=$PWD/api/events"
	hot() { "$ROOT/$BUILD/bulkheadctl" --api-socket "$PWD/api/s" "$@"; }
	wait_for serial '^# no net yet' 30
	nfds=$(fds "$pid") all=$(tree "$pid" | wc -l)
	expect "it comes" hot add-net "${user_options/]/,tcp:127.0.0.1:6001:7]},id=n"
	expect "confined as at boot" "$ROOT/$BUILD/bulkheadctl" audit "$pid" --check
	wait_for serial '^# listening' 30
	expect "the guest answers" "$G/udp" ask 6000 "is there somebody"
	expect "one with the same port does not come" [ -z "$(hot add-net "user=on,publish=[tcp:127.0.0.1:6001:7],id=m" 2>said)" ]
	expect "and why is said" grep -q "the host's port cannot be had" said
	kill -9 "$(tree "$pid" | awk '$2 ~ /^passt/ { print $1 }')"
	wait_for stderr 'runs again' 30
	expect "its passt dies, and it answers" "$G/udp" ask 6000 "still there"
	expect "taken away" hot remove-device n --force
	for i in {1..100}; do
		[ "$(fds "$pid") $(tree "$pid" | wc -l)" != "$nfds $all" ] || break
		sleep 0.05
	done
	expect "nothing of it is left: $nfds fds, $all processes" \
		[ "$(fds "$pid") $(tree "$pid" | wc -l)" = "$nfds $all" ]
	expect "it comes again" hot add-net "$user_options,id=n"
	expect "and is audited" "$ROOT/$BUILD/bulkheadctl" audit "$pid" --check
	kill "$pid"
	finish
	expect "exit status 0" [ "$status" = 0 ]
	user_net_end
}

# Whoever is killed, passt does not stay.
t_net_user_killed() {
	[ "$(id -u)" = 0 ] || { ok "# SKIP network namespaces need root"; return; }
	[ -x /usr/bin/passt ] || { ok "# SKIP no passt"; return; }
	user_net
	local what all
	for what in controller spawner both root; do
		: >serial
		if [ $what = root ]; then
			start 60 user "" --net "$user_options"
		else
			BULKHEAD=$at/as-user KERNEL=$at/user.elf start 60 user "" --net "$user_options"
		fi
		wait_for serial '^ok starts' 30
		all=$(tree "$pid" | cut -d' ' -f1)
		expect "$what: passt is there" grep -q passt <(tree "$pid")
		case $what in
		controller | root) kill -9 "$pid" ;;
		spawner) kill -9 "$(spawner)" ;;
		both) kill -9 "$(spawner)" "$pid" ;;
		esac
		finish
		sleep 0.3
		expect "$what: nobody is left" nobody $all
	done
	user_net_end
}

t_installed() {
	[ "$BUILD" = build ] || { ok "# SKIP make install is of the shipped build"; return; }
	make -s -C "$ROOT" install BUILD="$BUILD" PREFIX=/usr DESTDIR="$PWD/root" >make.log 2>&1
	expect "make install" [ -x root/usr/bin/bulkhead ]
	ln -s "$PWD/root/usr/bin/bulkhead" link
	"$G/watch" $((20 * SLOWNESS)) pid ./link --kernel "$G/ten.elf" --console off \
		--serial file=serial 2>stderr </dev/null
	status=$?
	expect "runs from there, by a link" [ "$status" = 0 ]
	expect "and its guest too" grep -qx '!' serial
	rm root/usr/libexec/bulkhead/bulkhead-rng
	./link --kernel "$G/ten.elf" --console off 2>stderr </dev/null
	expect "and with its own children only" grep -q "root/usr/bin/../libexec/bulkhead/bulkhead-rng: no such" stderr
}
