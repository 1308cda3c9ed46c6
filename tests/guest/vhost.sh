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

t_vhost_blk() {
	disk a 4M
	back_end blk --blk-file=a
	NOISY=1 guest blk "sectors=8192 no-cache-mode" --disk vhost_user=true,socket=s
	expect "the image holds what the guest wrote" \
		[ "$(dd if=a bs=1 skip=4096 count=9 2>/dev/null)" = bulkheadz ]
	back_end_ends
}

t_vhost_blk_late() {
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
