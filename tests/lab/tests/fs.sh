# SPDX-License-Identifier: Apache-2.0
# about: a stock guest on a shared directory: trees, links, owners, 16 MiB compared, what may not be; its workers are killed, and nobody notices
# vcpus: 2
# memory: 512M
# seconds: 400
# run: all

host() {
	mkdir share other
	echo "from the host" >share/hello
	echo secret >secret
	ln -s ../secret share/out
	vm_start --fs "tag=share,path=$PWD/share" "tag=other,path=$PWD/other,readonly=on,cache=always" \
		--worker-failure-limit deaths=1000
	vm_says "guest: kill it" || return
	sum=$(dd if=share/big bs=1M 2>/dev/null | sha256sum)
	expect "the host has what the guest wrote" grep -qF "guest: sum ${sum%% *}" console.log
	expect "the guest's user owns it here" [ "$(stat -c %u:%g share/owned)" = 1000:100 ]
	expect "its mode" [ "$(stat -c %a share/owned)" = 640 ]
	expect "a link of two names" [ "$(stat -c %h share/linked)" = 2 ]
	expect "no device" [ ! -e share/null ]
	expect "the read-only share is empty" [ -z "$(ls other)" ]
	for pid in $(pidof bulkhead-fs); do
		expect "capabilities over files alone" grep -q 'CapEff:.00000000000000cb' "/proc/$pid/status"
		expect "not root" grep -q 'Uid:.[1-9]' "/proc/$pid/status"
		expect "its root is the share" [ -e "/proc/$pid/root/hello" -o -z "$(ls "/proc/$pid/root/")" ]
	done
	n=0
	while [ $n -lt 10 ] && [ ! -e vmm.status ]; do
		for pid in $(pidof bulkhead-fs); do
			kill -9 "$pid" && n=$((n + 1))
		done
		until [ "$(grep -c 'has taken over' vmm.log)" -ge $n ] || [ -e vmm.status ] ||
			[ "$(now)" -ge "$deadline" ]; do sleep 0.2; done
		sleep 1
	done
	vm_wait
	judge
	expect "replaced: $(grep -c 'has taken over' vmm.log) of $n" \
		[ "$(grep -c 'has taken over' vmm.log)" -ge $n ]
}

same_tree() { (cd "$1" && find . -type f | sort | xargs sha256sum) >/tmp/a; (cd "$2" && find . -type f | sort | xargs sha256sum) >/tmp/b; cmp /tmp/a /tmp/b; }
fails() { ! "$@" 2>/dev/null; }

work() {
	check "the host's file" grep -q "from the host" /mnt/hello
	check "a link out of the share leads nowhere" fails cat /mnt/out
	check "free space" df /mnt
	check "a tree is copied" cp -a /lib/modules /tests /mnt/
	check "and is the same" same_tree /lib/modules /mnt/modules
	pattern 16 >/tmp/big
	check "16 MiB" cp /tmp/big /mnt/big
	sync
	say "sum $(sha256sum </tmp/big | cut -c -64)"
	check "come back" cmp /tmp/big /mnt/big
	check "a piece in the middle" dd if=/tmp/block of=/mnt/big bs=4096 seek=100 count=3 conv=notrunc
	check "the same in the copy" dd if=/tmp/block of=/tmp/big bs=4096 seek=100 count=3 conv=notrunc
	check "still alike" cmp /tmp/big /mnt/big
	say "sum $(sha256sum </tmp/big | cut -c -64)"
	check "made" touch /mnt/owned
	check "given away" chown 1000:100 /mnt/owned
	check "its mode" chmod 640 /mnt/owned
	check "seen so" [ "$(stat -c %u:%g:%a /mnt/owned)" = 1000:100:640 ]
	check "renamed over another" mv /mnt/owned /mnt/modules/order
	check "and back" mv /mnt/modules/order /mnt/owned
	check "linked" ln /mnt/hello /mnt/linked
	check "the same inode" [ "$(stat -c %i /mnt/hello)" = "$(stat -c %i /mnt/linked)" ]
	check "no device" fails mknod /mnt/null c 1 3
	check "truncated" truncate -s 100 /mnt/tests/lib.sh
	check "removed while open" removed_open
	say "at $(cut -d " " -f 1 /proc/uptime) s"
	check "200 files" many
	check "a directory that is not empty stays" fails rmdir /mnt/many
	say "at $(cut -d " " -f 1 /proc/uptime) s"
	check "removed" rm -r /mnt/many /mnt/modules
	say "at $(cut -d " " -f 1 /proc/uptime) s"
}

removed_open() {
	echo text >/mnt/gone
	exec 7</mnt/gone
	rm /mnt/gone
	[ "$(cat <&7)" = text ] && exec 7<&-
}

many() {
	local i=0
	mkdir /mnt/many
	while [ $i -lt 200 ]; do
		: >/mnt/many/$i
		i=$((i + 1))
	done
	[ "$(ls /mnt/many | wc -l)" = 200 ]
}

guest() {
	check mount mount -t virtiofs share /mnt
	work
	check umount umount /mnt
	check "mounted again" mount -t virtiofs share /mnt
	check "what was written is there" cmp /tmp/big /mnt/big
	mkdir /ro
	check "the other share" mount -t virtiofs other /ro
	check "is read only" fails touch /ro/file
	check "dmesg is clean" dmesg_clean
	exec 5>/mnt/nameless
	rm /mnt/nameless
	say "kill it"
	bad=
	for i in $(seq 60); do
		d=/mnt/dir$i
		mkdir $d && cp /tmp/block $d/a && mv $d/a $d/b && ln $d/b $d/c && rm $d/b &&
			cmp /tmp/block $d/c && rm -r $d && echo $i >&5 || bad="$bad $i"
		sleep 0.3
	done
	exec 5>&-
	check "its workers die, the share goes on" [ -z "$bad" ]
	check "what was there is" cmp /tmp/big /mnt/big
	check "and the guest goes on" ls /tmp
}
