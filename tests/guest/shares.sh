# SPDX-License-Identifier: Apache-2.0
#
# For tests/guest/run: who owns what in a shared directory, and two guests on one.

owned() { stat -c %u:%g "$1" 2>/dev/null; }

# taken_over N: as many workers have died, and have successors.
taken_over() { until [ "$(grep -c 'has taken over' stderr)" -ge "$1" ] || [ ! -d "/proc/$pid" ]; do sleep 0.01; done; }

# no_ones PID: of uids and gids it has those of VMs, but for making files.
no_ones() { [ "$(grep -cE '^[UG]id:.(18[78][0-9]{7}).\1.\1.' "/proc/$1/status")" = 2 ]; }

# The ids of a map, before and after the worker's death.
t_fs_ids() {
	local i w
	[ "$(id -u)" = 0 ] || { ok "# SKIP needs root"; return; }
	mkdir share
	for i in mapped suid0 suid1; do echo text >share/$i; chown 100005:200006 share/$i; done
	chmod 4755 share/suid?
	install -m 600 -o 1000 -g 200001 /dev/null share/user
	install -m 600 /dev/null share/outside
	chown 100000:200000 share
	start 40 share ids --fs "tag=share,path=share,uid_map=[0:100000:1000,5000:1000:1],gid_map=[0:200000:1000]"
	wait_for serial '^once' 20 || not_ok "the first round"
	w=$(worker fs)
	expect "the worker's own ids are no one's" no_ones "$w"
	kill -9 "$w"
	taken_over 1
	expect "its successor's too" no_ones "$(worker fs)"
	touch share/again
	finish
	verdicts
	expect "exit status 0" [ "$status" = 0 ]
	for i in 0 1; do
		expect "on the host: made, a user's, given away" \
			[ "$(owned share/made$i) $(owned share/users$i) $(owned share/given$i)" = "100007:200008 1000:200001 100999:200998" ]
	done
	expect "not the guest's: as it was" [ "$(owned share/outside) $(stat -c %a share/outside)" = "0:0 600" ]
	expect "nothing else" [ "$(ls share | wc -l)" = 12 ]
}

# As an ordinary user: one id, which the guest calls as is said.
t_fs_ids_rootless() {
	[ "$(id -u)" = 0 ] || { ok "# SKIP needs root, to become somebody"; return; }
	local user=(setpriv --reuid=65533 --regid=65533 --groups=65532 --inh-caps=-all) at
	mkdir -p shared/run/share
	mknod shared/kvm c 10 232 && chown 0:65532 shared/kvm && chmod 660 shared/kvm
	cp "$ROOT/$BUILD"/bulkhead* shared/ 2>/dev/null
	cp "$G/share.elf" "$G/watch" shared/
	install -m 644 -o 65533 -g 65533 /dev/null shared/run/share/mapped
	install -m 644 /dev/null shared/run/share/outside
	touch shared/run/share/again
	chown 65533:65533 shared/run shared/run/share
	at=$(mktemp -d /tmp/bulkhead-rootless.XXXXXX)
	chmod 755 "$at"
	unshare -m -- sh -c "mount --bind '$PWD/shared' '$at' && mount --bind '$at/kvm' /dev/kvm &&
		cd '$at/run' && exec ${user[*]} ../watch 60 pid ../bulkhead --kernel ../share.elf \
		--cmdline 'ids rootless' --serial file=$at/run/serial --console off \
		--fs tag=share,path=share,uid_map=[5000:65533:1],gid_map=[6000:65533:1]" 2>stderr
	status=$?
	rmdir "$at"
	if grep -qiE 'user namespace|/dev/kvm.*permi' stderr; then
		ok "# SKIP $(head -1 stderr)"
		return
	fi
	cp shared/run/serial serial 2>/dev/null
	verdicts
	expect "exit status 0" [ "$status" = 0 ]
	expect "the user's own" [ "$(owned shared/run/share/made0) $(owned shared/run/share/made1)" = "65533:65533 65533:65533" ]
}

# Locks of two guests and the host, names and sizes that the other changes.
t_fs_pair() {
	local first held
	mkdir share
	touch share/shared share/records share/grows share/hosts
	exec 6<share/hosts
	flock -x 6
	start 40 share "pair=1 valid=0" --serial "file=$PWD/serial.1" \
		--fs tag=share,path=share,cache=never
	first=$watch
	"$G/watch" $((40 * SLOWNESS)) pid.2 "$ROOT/$BUILD/bulkhead" --kernel "$G/share.elf" --cmdline "pair=2 valid=1" \
		--serial "file=$PWD/serial.2" --console off --fs tag=share,path=share 2>stderr.2 >/dev/null </dev/null &
	for _ in {1..600}; do [ -e share/has ] || [ ! -d "/proc/$first" ] || sleep 0.05; done
	expect "the host sees the lock of one" sh -c '! flock -n share/shared true'
	held=$(python3 -c '
import fcntl
f = open("share/records", "r+")
for at in 0, 9, 15, 20, 21:
    try:
        fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, at)
        print("free", end=" ")
    except OSError:
        print("held", end=" ")')
	expect "and the parts of both: $held" [ "$held" = "held held held held free " ]
	flock -u 6
	touch share/free
	wait "$first"
	expect "the first: exit status 0" [ $? = 0 ]
	wait $!
	expect "the second: exit status 0" [ $? = 0 ]
	exec 6<&-
	verdicts serial.1
	verdicts serial.2
	expect "what both wrote" [ "$(cat share/dir/grown)" = "$(printf 'a%.0s' {1..64})$(printf 'b%.0s' {1..64})" ]
}
