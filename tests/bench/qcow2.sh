#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# qcow2 images by bulkhead-vhost-user-blk and by qemu-storage-daemon, in each of
# the states that an image can be in:
#	tests/bench/qcow2.sh [RUNS] [SECONDS]		5 and 1 when not given
# Both sides share one CPU, the back ends take turns within each run, and what is
# printed is the median of the runs. Random requests of 4 KiB where nothing else is
# said. Writes to new clusters begin with a fresh image in each run.
# CPU=n: which CPU. DIR=: where the images are made: a tmpfs, or a disk to see what
# making new clusters durable costs there.
set -uo pipefail
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build}
runs=${1:-5} secs=${2:-1} cpu=${CPU:-1}
for p in qemu-storage-daemon qemu-img; do
	command -v $p >/dev/null || { echo "qcow2.sh: no $p"; exit 77; }
done
D=$(mktemp -d "${DIR:-/dev/shm}/bench.XXXXXX")
pid=
trap '[ -n "$pid" ] && kill $pid; rm -rf "$D"' EXIT
make -s "$BUILD/bulkhead-vhost-user-blk" || exit 1
mkdir -p "$BUILD/bench"
client=$BUILD/bench/blk-client
cc -std=c17 -D_GNU_SOURCE -O2 -Wall -o "$client" tests/bench/blk_client.c || exit 1

# run BACKEND IMAGE OPTION...: requests a second
run() {
	local kind=$1 image=$2
	shift 2
	rm -f "$D/s"
	case $kind in
	ours) taskset -c "$cpu" "$BUILD/bulkhead-vhost-user-blk" --socket-path="$D/s" \
		--blk-file="$image" --format=qcow2 --queue-size=1024 >>"$D/log" 2>&1 & ;;
	*) taskset -c "$cpu" qemu-storage-daemon \
		--blockdev "driver=file,node-name=f,filename=$image,cache.direct=off,aio=${kind#qsd-}" \
		--blockdev "driver=qcow2,node-name=d,file=f" \
		--export "type=vhost-user-blk,id=e,node-name=d,addr.type=unix,addr.path=$D/s,writable=on" \
		>>"$D/log" 2>&1 & ;;
	esac
	pid=$!
	local i
	for ((i = 0; i < 500; i++)); do [ -S "$D/s" ] && break; sleep 0.02; done
	timeout 120 "$client" --socket "$D/s" --cpu "$cpu" "$@" | cut -d' ' -f1
	{ kill "$pid" && wait "$pid"; } 2>/dev/null
	pid=
}
median() { sort -g | awk '{ a[NR] = $1 } END { print a[int((NR + 1) / 2)] }'; }

# compare TITLE PREPARE OPTION...: PREPARE makes $D/q before each run
compare() {
	local title=$1 prepare=$2 b i
	shift 2
	rm -f "$D"/r.*
	for ((i = 0; i < runs; i++)); do
		for b in ours qsd-threads qsd-io_uring; do
			$prepare
			run $b "$D/q" "$@" >>"$D/r.$b"
		done
	done
	awk -v title="$title" -v ours="$(median <"$D/r.ours")" \
		-v t="$(median <"$D/r.qsd-threads")" -v u="$(median <"$D/r.qsd-io_uring")" \
		'BEGIN { best = t > u ? t : u
		printf "%-46s %8.0f %8.0f %8.0f   %.2f x\n", title, ours, t, u, ours / best }'
}

same() { :; }
empty() { rm -f "$D/q"; qemu-img create -q -f qcow2 "$D/q" 512M; }
empty4k() { rm -f "$D/q"; qemu-img create -q -f qcow2 -o cluster_size=4k "$D/q" 512M; }

echo "$(uname -r), $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1), $(nproc) CPUs, $(date +%F); $runs runs of $secs s"
printf '%-46s %8s %8s %8s   %s\n' "requests a second" ours threads io_uring "ours / best"
"$client" --mkimage "$D/raw" 512
qemu-img convert -O qcow2 "$D/raw" "$D/q"
compare "read QD1" same --verify --qd 1 --secs "$secs"
compare "read QD32" same --verify --qd 32 --secs "$secs"
compare "128 KiB read QD8" same --qd 8 --bs 131072 --secs "$secs"
compare "write in place QD1" same --op randwrite --qd 1 --secs "$secs"
compare "write in place QD32" same --op randwrite --qd 32 --secs "$secs"
compare "write to new clusters QD1" empty --op randwrite --qd 1 --count 6000
compare "write to new clusters QD32" empty --op randwrite --qd 32 --count 6000
compare "128 KiB write to new clusters QD8" empty --op randwrite --qd 8 --bs 131072 --count 3000
compare "write to new clusters of 4 KiB QD32" empty4k --op randwrite --qd 32 --count 20000
rm -f "$D/q"; qemu-img convert -c -O qcow2 "$D/raw" "$D/q"
compare "compressed, read QD32" same --verify --qd 32 --count 4000
