# SPDX-License-Identifier: Apache-2.0
#
# For tests/guest/run: a running VM's devices that change: disks that get another size; an ordinary
# user's VM.

# resized_to N TEXT: the guest has been told so; what there was has stayed.
resized_to() { expect "$2" wait_for serial "^capacity $1 works" 20; }
# refused WORDS ARG...: a line with these, and nothing else.
ctl_refused() {
	local words=$1
	shift
	expect "$*: $words" sh -c "! '$ROOT/$BUILD/bulkheadctl' --api-socket '${api:-$PWD/api}' $* 2>said"
	grep -q -- "$words" said || not_ok "it says: $(cat said)"
}
under_way() { grep -q 'under way' <(ctl remove-device nobody 2>&1); }

resizes() {	# resizes FORMAT
	local i asked resize="resize-disk --disk _disk0 --size"
	rm -f a && disk a 16M
	[ "$1" = raw ] || qemu-img create -q -f "$1" a 16M
	NOISY=1 start 60 capacity "" --disk path=a,image_type="$1" \
		--api-socket "$PWD/api" --worker-failure-limit deaths=100
	resized_to 32768 "$1: a guest"
	ctl $resize 32M || not_ok "is asked to grow"
	resized_to 65536 "it has grown"
	ctl $resize 8M || not_ok "is asked to shrink"
	resized_to 16384 "it has shrunk"
	ctl $resize $((9 << 20)) || not_ok "is asked to grow"
	resized_to 18432 "it has grown again"
	ctl_refused "not a multiple of its block size" $resize 0
	ctl_refused "not a multiple of its block size" $resize 1000
	ctl_refused "there is no such disk" resize-disk --disk nobody --size 1M
	# Its worker dies before it has answered: the next one is asked.
	kill -STOP "$(worker blk)"
	ctl $resize 24M &
	asked=$!
	for ((i = 0; i < 400 * SLOWNESS; i++)); do under_way && break; sleep 0.05; done
	expect "it is under way" [ "$i" -lt $((400 * SLOWNESS)) ]
	kill -9 "$(worker blk)"
	wait "$asked" || not_ok "it is done all the same"
	resized_to 49152 "by the next worker"
	expect "who has taken over" grep -q 'has taken over' stderr
	kill -PWR "$pid"
	finish
	verdicts
	expect "exit status 0" [ "$status" = 0 ]
	case $1 in
	raw) expect "the file is as large" [ "$(stat -c %s a)" = $((24 << 20)) ] ;;
	*) expect "the image is as large" grep -q "$((24 << 20)) bytes" <(qemu-img info a)
	   # 3: clusters that the killed worker had set aside.
	   expect "and sound" sh -c "qemu-img check -q a >/dev/null 2>&1; test \$? = 0 -o \$? = 3" ;;
	esac
}
# Nobody comes after the worker: the answer is no, and the file as it was.
resize_is_lost() {
	local i asked
	rm -f a && disk a 16M
	NOISY=1 start 60 capacity "" --disk path=a,image_type=raw --api-socket "$PWD/api" --on-worker-failure isolate
	resized_to 32768 "isolated: a guest"
	kill -STOP "$(worker blk)"
	ctl resize-disk --disk _disk0 --size 32M 2>said &
	asked=$!
	for ((i = 0; i < 400 * SLOWNESS; i++)); do under_way && break; sleep 0.05; done
	kill -9 "$(worker blk)"
	wait $asked
	expect "it has failed" [ $? != 0 ]
	expect "and why" grep -q 'its worker has died' said
	expect "the file is as it was" [ "$(stat -c %s a)" = $((16 << 20)) ]
	expect "nothing is under way any more" [ -z "$(under_way && echo yes)" ]
	kill -PWR "$pid"
	finish
	expect "exit status 0" [ "$status" = 0 ]
}
t_resize_disk() {
	resize_is_lost
	resizes raw
	command -v qemu-img >/dev/null || { ok "# SKIP no qemu-img (qemu-utils)"; return; }
	resizes qcow2
}

# What an ordinary user's VM can at run time, docs/api.md: each device comes, is confined as
# one at boot, and leaves nothing.
declared() { expect "$1: as declared" sh -c "'$ROOT/$BUILD/bulkheadctl' audit $pid --check >audited || { cat audited; false; }"; }
is_gone() { ! grep -q "\"$1\"" <(ctl info); }
comes_and_goes() {	# comes_and_goes KIND OPTIONS
	local i before after found
	before="$(fds "$pid") $(tree "$pid" | wc -l)"
	found=$(grep -c '^slot .* has' serial)
	expect "$1 comes" ctl "add-$1" "$2,id=hot"
	for ((i = 0; i < 400 * SLOWNESS; i++)); do
		[ "$(grep -c '^slot .* has' serial)" = "$found" ] || break
		sleep 0.05
	done
	expect "$1: the guest finds it" [ "$(grep -c '^slot .* has' serial)" = $((found + 1)) ]
	declared "$1 is there"
	expect "$1: the guest is asked" ctl remove-device hot
	for ((i = 0; i < 400 * SLOWNESS; i++)); do is_gone hot && break; sleep 0.05; done
	expect "$1 goes" is_gone hot
	declared "$1 has gone"
	for ((i = 0; i < 400 * SLOWNESS; i++)); do
		after="$(fds "$pid") $(tree "$pid" | wc -l)"
		[ "$after" != "$before" ] || break
		sleep 0.05
	done
	expect "$1: nothing is left: $before" [ "$after" = "$before" ]
}
# Its worker is killed, and it is taken away before or after it has a successor.
forced() {	# forced KIND OPTIONS
	local i before after
	before="$(fds "$pid") $(tree "$pid" | wc -l)"
	expect "$1 comes once more" ctl "add-$1" "$2,id=hot"
	kill -9 "$(worker "$1")"
	expect "$1: taken away" ctl remove-device hot --force
	expect "$1: is gone" is_gone hot
	for ((i = 0; i < 400 * SLOWNESS; i++)); do
		after="$(fds "$pid") $(tree "$pid" | wc -l)"
		[ "$after" != "$before" ] || break
		sleep 0.05
	done
	expect "$1: nothing is left: $before" [ "$after" = "$before" ]
	declared "$1 was taken away"
}
t_rootless_hot() {
	[ "$(id -u)" = 0 ] || { ok "# SKIP needs root, to be another"; return; }
	local far api=$PWD/api/s
	at_user hotplug
	mkdir -p api/share && chmod 777 api
	disk api/a 8M && disk api/b 8M && disk api/p 2M && disk secret 8M
	chmod 600 secret && chmod 666 api/[abp]
	"$ROOT/$BUILD/bulkhead-vhost-user-rng" --socket-path="$PWD/api/far" 2>/dev/null &
	far=$!
	BULKHEAD=$at/as-user KERNEL=$at/hotplug.elf NOISY=1 start 100 hotplug "" --api-socket "$PWD/api/s" \
		--disk path="$PWD/api/a" --memory size=64M,hotplug_method=virtio-mem,hotplug_size=128M \
		--balloon size=0 --cpus boot=1,max=2
	ctl() { "$ROOT/$BUILD/bulkheadctl" --api-socket "$api" "$@"; }
	wait_for serial '^functions' 20 || not_ok "the guest runs"
	expect "it is not root's" grep -q 'Uid:.65533' "/proc/$pid/status"
	declared "at boot"
	comes_and_goes disk "path=$PWD/api/b"
	comes_and_goes fs "tag=t,path=$PWD/api/share"
	if [ -n "${FULL:-}" ]; then
		comes_and_goes pmem "file=$PWD/api/p"
		comes_and_goes vsock "cid=3,socket=$PWD/api/v"
		chmod 666 api/far
		forced fs "tag=t,path=$PWD/api/share"
		comes_and_goes generic-vhost-user "device_type=rng,socket=$PWD/api/far,queue_sizes=[64]"
	fi
	expect "its disk grows" ctl resize-disk --disk _disk0 --size 16M
	expect "and shrinks" ctl resize-disk --disk _disk0 --size 4M
	expect "the balloon is asked" ctl resize --balloon 1M
	expect "memory is asked for" ctl resize --memory 192M
	expect "a processor comes" ctl resize --cpus 2
	declared "all of it"
	ctl_refused "permission denied" add-disk "path=$PWD/secret"
	ctl_refused "CAP_NET_ADMIN" add-net tap=
	declared "nothing has changed"
	ctl power-button
	finish
	kill $far 2>/dev/null
	expect "exit status 0" [ "$status" = 0 ]
	rm -rf "$at"
}
