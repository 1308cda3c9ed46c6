#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What a worker's death and its upgrade cost, for docs/performance.md:
#	tests/bench/recovery.sh [TIMES] [ROW...]	41 of each by default, and all rows
# Of each device, median and worst of:
#	kill	from the spawner's report of the death to the vcpu-worker's answer that the
#		successor has taken over; from there on it works, as the controller measures it
#	guest	from the last completion before to the first after it, as a guest measures it
#		that always has a request in flight (the longest pauses, as many as deaths)
#	upgrade	from the old one's hand-over to the new one at work
# RT=1: all of the VM at real-time priority, on a machine that does other work. What the
# record costs: record.sh.
set -uo pipefail
cd "$(dirname "$0")/../.."
build=$PWD/build
times=${1:-41}
shift $(($# > 0))
rows=" $* "
dir=$(mktemp -d "${TMPDIR:-/tmp}/recovery.XXXXXX")
pid= far=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null; [ -z "$far" ] || kill "$far" 2>/dev/null; wait; rm -rf "$dir"' EXIT
rt=${RT:+chrt -r 1}

# Of this VM: the spawner is the controller's only child. Names end at 15 bytes.
worker() { pgrep -P "$(pgrep -P "$pid" | head -n 1)" -x "${1:0:15}" | head -n 1; }
# median worst of numbers, N of the largest alone.
figures() {
	sort -g | tail -n "${1:-100000}" | awk '{ a[NR] = $1 }
		END { if (NR) printf "%.1f %.1f", a[int((NR + 1) / 2)], a[NR]; else printf "- -" }'
}
until_log() {	# until_log PATTERN TIMES
	local i
	for ((i = 0; i < 600; i++)); do
		[ "$(grep -cE "$1" "$dir/log")" -ge "$2" ] && return
		sleep 0.005
	done
}

# measure ROW KIND GUEST CMDLINE OPTION...
measure() {
	local row=$1 kind=$2 guest=$3 cmdline=$4 n w id kills pauses upgrades=
	[[ $rows == '  ' || $rows == *" $1 "* ]] || return 0
	shift 4
	rm -f "$dir"/{log,serial,api}
	$rt "$build/bulkhead" --kernel "$build/guest/$guest.elf" --serial "file=$dir/serial" -v \
		--cmdline "ms=100000000 $cmdline" --api-socket "$dir/api" \
		--console null --worker-failure-limit deaths=1000000 "$@" 2>"$dir/log" &
	pid=$!
	until grep -q '^running' "$dir/serial" 2>/dev/null || ! kill -0 "$pid"; do sleep 0.05; done
	sleep 0.3
	for ((n = 1; n <= times; n++)); do
		w=$(worker "bulkhead-$kind")
		[ -z "$w" ] || kill -9 "$w"
		until_log 'has taken over after' "$n"
		sleep 0.0$((RANDOM % 30 + 10))
	done
	kills=$(grep -oE 'taken over after [0-9.]+' "$dir/log" | grep -oE '[0-9.]+$' | figures)
	id=$(sed -nE 's/.*-- [a-z-]+ ([^ ]+): a new worker.*/\1/p' "$dir/log" | head -n 1)
	for ((n = 1; n <= times; n++)); do
		$rt "$build/bulkheadctl" --api-socket "$dir/api" upgrade-worker "$id" \
			--binary "$build/bulkhead-$kind" >/dev/null 2>"$dir/said" || break
	done
	upgrades=$(grep -oE 'upgraded, a new .* after [0-9.]+' "$dir/log" | grep -oE '[0-9.]+$' | figures)
	kill -PWR "$pid"
	wait "$pid" || { echo "$row: the VM ended badly"; tail -n 3 "$dir/log"; }
	pid=
	pauses=$(tr -d '\r' <"$dir/serial" | awk '/^gap / { for (i = 0; i < $3; i++) print $2 / 1000 }' |
		figures "$times")
	printf '| %-28s | %5s %7s | %5s %7s | %5s %7s |\n' "$row" $kills $pauses $upgrades
}

make -s all guests || exit 1
truncate -s 16M "$dir/a" "$dir/b"
truncate -s 2M "$dir/p"
mkdir "$dir/share"
echo "$(uname -r), $(nproc) CPUs, $(date +%F), load $(cut -d' ' -f1 /proc/loadavg)${RT:+, real-time}; $times times each, ms: median and worst"
printf '| %-28s | %13s | %13s | %13s |\n' device kill guest upgrade
disk=path=$dir/a
measure blk blk storm "slots=2" --disk "$disk"
measure blk-plain blk storm "slots=2" --disk "$disk,_disable_io_uring=on"
if dd if=/dev/zero of="$dir/d" bs=4096 count=1 oflag=direct 2>/dev/null; then
	measure blk-direct blk storm "slots=2" --disk "$disk,direct=on"
	measure blk-direct-busy blk storm "" --disk "$disk,direct=on"
	measure blk-direct-plain blk storm "slots=2" --disk "$disk,direct=on,_disable_io_uring=on"
fi
measure rng rng flow rng
measure console console flow console
if [ "$(id -u)" = 0 ]; then
	ip tuntap add bhrec$$ mode tap && ip addr add 10.0.5.1/24 dev bhrec$$ && ip link set bhrec$$ up &&
		ip neigh replace 10.0.5.2 lladdr 12:34:56:78:90:56 dev bhrec$$ nud permanent
	measure net net flow net --net "tap=bhrec$$,mac=12:34:56:78:90:56"
	ip link del bhrec$$
fi
measure fs fs steady "fs fs-errors" --fs "tag=share,path=$dir/share" --disk "$disk"
measure vsock vsock steady vsock --vsock "cid=3,socket=$dir/v" --disk "$disk"
measure balloon balloon steady balloon --balloon size=1M --disk "$disk"
measure pmem pmem steady pmem --pmem "file=$dir/p" --disk "$disk"
measure mem mem steady mem --memory size=128M,hotplug_method=virtio-mem,hotplug_size=128M --disk "$disk"
"$build/bulkhead-vhost-user-blk" --socket-path="$dir/s" --blk-file="$dir/b" &
far=$!
measure front vhost-user-front storm "slots=2" --disk "vhost_user=true,socket=$dir/s,packed=on"
