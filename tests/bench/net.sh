#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The network worker beside what it could be at best, in one run, in turns:
#	tests/bench/net.sh [RUNS]		5 when not given; as root
# Through a tap: frames a second of the worker's CPU time against a bare loop of
# the same calls (tap_floor.c), to the tap and from it; the worker in its jail on
# the first CPU, driver and flood on the second. Without a tap: 64-byte frames,
# device to driver by polling, against DPDK's vhost port, both with DPDK's
# virtio-user as driver; TESTPMD names dpdk-testpmd (of Debian's dpdk-dev), without
# which this part is skipped. REALTIME=1 gives both sides their CPUs alone
# (SCHED_FIFO) for a second each: for machines that do other work.
set -euo pipefail
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build}
runs=${1:-5}
[ "$(id -u)" = 0 ] || { echo "net.sh: taps need root" >&2; exit 77; }
if [ "${2:-}" != inside ]; then
	make -s "$BUILD"/bulkhead-{net,test-net-client,test-source-net}
	mkdir -p "$BUILD/bench"
	cc -O2 -std=c17 -D_GNU_SOURCE -Wall -Wextra -I. -o "$BUILD/bench/tap_floor" tests/bench/tap_floor.c
	sync -f "$BUILD/bulkhead-net"	# pages not yet on disk would count as its own
	exec unshare -n -- "$0" "$runs" inside
fi
W=$(mktemp -d)
trap 'rm -rf "$W"' EXIT
floor=$BUILD/bench/tap_floor
client=$BUILD/bulkhead-test-net-client
ip link set lo up
ip tuntap add dev bench0 mode tap vnet_hdr
ip addr add 10.9.9.1/24 brd + dev bench0
ip link set bench0 up
sysctl -qw net.ipv6.conf.bench0.disable_ipv6=1 2>/dev/null || true

median() { sort -n "$1" | awk '{ a[NR] = $1 } END { print a[int((NR + 1) / 2)] }'; }
say() {	# say TEXT NAME: floor, ours, their ratio
	awk -v f="$(median "$W/$2.floor")" -v o="$(median "$W/$2.ours")" -v t="$1" -v len="$3" 'BEGIN {
		printf "  %-34s %8.0f k/s of %8.0f, %.2f", t, o / 1000, f / 1000, o / f
		if (len > 9000) printf "; %.0f Gbit/s", o * len * 8 / 1e9
		print "" }'
}
echo "through a tap, frames a second of CPU time, worker of bare loop, medians of $runs:"
for len in 64 1500 65226; do
	for ((i = 0; i < runs; i++)); do
		taskset -c 0 "$floor" write bench0 $len 1 >>"$W/send$len.floor"
		"$client" send bench0 $len 1 >>"$W/send$len.ours"
	done
	say "driver to tap, $len bytes" "send$len" $len
done
for ((i = 0; i < runs; i++)); do
	taskset -c 1 "$floor" flood bench0 64 1.3 &
	taskset -c 0 "$floor" read bench0 64 1 >>"$W/receive.floor"
	wait
	"$client" receive bench0 64 1 >>"$W/receive.ours"
done
say "tap to driver, 64 bytes" receive 64
cut -d' ' -f2 "$W/send64.ours" >"$W/idle"
echo "private memory of an idle worker: $(median "$W/idle") KiB"
testpmd=${TESTPMD:-$(command -v dpdk-testpmd || true)}
if [ ! -x "$testpmd" ]; then
	echo "device to driver by polling: SKIP, no dpdk-testpmd (TESTPMD=)"
	exit 0
fi
python3 tests/bench/net_dpdk.py "$testpmd" "$BUILD/bulkhead-test-source-net" "$runs" "$W"
