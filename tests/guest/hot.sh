# SPDX-License-Identifier: Apache-2.0
#
# For tests/guest/run: a running VM's devices that change: disks that get another size.

# resized_to N TEXT: the guest has been told so; what there was has stayed.
resized_to() { expect "$2" wait_for serial "^capacity $1 works" 20; }
# refused WORDS ARG...: a line with these, and nothing else.
ctl_refused() {
	local words=$1
	shift
	expect "$*: $words" sh -c "! '$ROOT/$BUILD/bulkheadctl' --api-socket '$PWD/api' $* 2>said"
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
t_resize_disk() {
	resizes raw
	command -v qemu-img >/dev/null || { ok "# SKIP no qemu-img (qemu-utils)"; return; }
	resizes qcow2
}
