#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The block device, as bulkhead-vhost-user-blk, beside qemu-storage-daemon and the
# bare loop of blk_floor.c, one front end (blk_client.c) for all of them:
#	tests/bench/block.sh [RUNS] [SECONDS]		7 and 1 when not given
# Both sides share one CPU; the back ends take turns within each run, and what is
# printed is the median of the runs: requests a second of CPU time, of front end and
# back end together, which on a CPU of their own is requests a second, and on a busy
# one is still that. Then what does not depend on the hour: user
# instructions a request (callgrind, the slope between two numbers of requests, of
# a build without the jail), system calls and context switches a request
# (tracepoints; as root), and the private memory of an idle worker.
# CPU=n: which CPU. DIR=: where the image is made, a tmpfs; MIB=: its size. ONLY=speed,
# instructions, calls or memory: that part. RESULTS=: a file for tests/bench/run.
set -uo pipefail
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build}
runs=${1:-7} secs=${2:-1} cpu=${CPU:-1}
D=$(mktemp -d "${DIR:-/dev/shm}/bench.XXXXXX")
pid=
trap '[ -n "$pid" ] && kill $pid; rm -rf "$D"' EXIT
make -s "$BUILD/bulkhead-vhost-user-blk" "$BUILD/bulkhead-test-open-blk" || exit 1
mkdir -p "$BUILD/bench"
for p in client floor; do
	cc -std=c17 -D_GNU_SOURCE -O2 -Wall -o "$BUILD/bench/blk-$p" tests/bench/blk_$p.c || exit 1
done
client=$BUILD/bench/blk-client
img=$D/disk.raw
"$client" --mkimage "$img" "${MIB:-1024}"

pid=
end_backend() { [ -n "$pid" ] && { kill "$pid"; wait "$pid"; } 2>/dev/null; pid=; }
# start_backend NAME IMAGE [WRAPPER...]
start_backend() {
	local kind=$1 file=$2 format=raw; shift 2
	case $file in *.qcow2) format=qcow2 ;; esac
	end_backend; rm -f "$D/s"
	case $kind in
	loop) set -- "$@" "$BUILD/bench/blk-floor" "$D/s" "$file" ;;
	ours|open) [ $kind = ours ] && kind=vhost-user-blk || kind=test-open-blk
		set -- "$@" "$BUILD/bulkhead-$kind" --socket-path="$D/s" --blk-file="$file" \
			--format=$format --queue-size=1024 ;;
	*) set -- "$@" qemu-storage-daemon \
		--blockdev "driver=file,node-name=f,filename=$file,cache.direct=off,aio=${kind#qsd-}" \
		--blockdev "driver=$format,node-name=d,file=f" \
		--export "type=vhost-user-blk,id=e,node-name=d,addr.type=unix,addr.path=$D/s,writable=on" ;;
	esac
	# The disk of the one before may still be locked for a moment.
	local i; for ((i = 0; i < 500; i++)); do
		[ -n "$pid" ] && [ -d "/proc/$pid" ] ||
			{ taskset -c "$cpu" "$@" >>"$D/log" 2>&1 & pid=$!; }
		[ -S "$D/s" ] && return; sleep 0.02; done
	echo "$* did not start"; cat "$D/log"; exit 1
}
# load BACKEND OPTION...: one run of the client
load() {
	local how=--verify; [ "$1" = loop ] && how="--verify --no-stop"
	timeout 120 "$client" --socket "$D/s" --cpu "$cpu" $how "${@:2}"
}
median() { sort -g | awk '{ a[NR] = $1 } END { print a[int((NR + 1) / 2)] }'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", (b > 0) ? a / b : 0 }'; }

# Nanoseconds that the back end has run, all of its threads.
cpu_time() { cat /proc/"$pid"/task/*/schedstat 2>/dev/null | awk '{ s += $1 } END { printf "%.0f", s }'; }

# compare TITLE IMAGE "BACKENDS" OPTION...
compare() {
	local title=$1 image=$2 backends=$3 b i best=0 ours before n own; shift 3
	rm -f "$D"/r.*
	for ((i = 0; i < runs; i++)); do
		for b in $backends; do
			start_backend "$b" "$image"
			before=$(cpu_time)
			read -r _ _ n own < <(load "$b" --secs "$secs" "$@") || continue
			awk -v n="$n" -v own="$own" -v a="$before" -v b="$(cpu_time)" \
				'BEGIN { printf "%.0f\n", n / (own + (b - a) / 1e9) }' >>"$D/r.$b"
		done
	done
	end_backend
	ours=$(median <"$D/r.ours")
	printf '%s\n' "$title"
	for b in $backends; do
		local m; m=$(median <"$D/r.$b")
		[ -z "${RESULTS:-}" ] || printf '%s\t%s\t%s\n' "$title" "$b" "$m" >>"$RESULTS"
		case $b in qsd*) awk -v a="$m" -v b="$best" 'BEGIN { exit !(a > b) }' && best=$m ;; esac
		printf '  %-14s %9.0f a second  [%s]  ours is %s x\n' "$b" "$m" \
			"$(sort -g "$D/r.$b" | sed -n '1p;$p' | paste -sd' ' | sed 's/ /../')" \
			"$(ratio "$ours" "$m")"
	done
	printf '  ours / best of qsd: %s\n' "$(ratio "$ours" "$best")"
}

echo "$(uname -r), $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1), $(nproc) CPUs, $(date +%F); $runs runs of $secs s"
if command -v qemu-storage-daemon >/dev/null; then qsd="qsd-threads qsd-io_uring"; else qsd=; fi
if [ -z "${ONLY:-}" ] || [ "$ONLY" = speed ]; then
all="loop ours $qsd"
compare "4 KiB random read, QD1" "$img" "$all" --qd 1
compare "4 KiB random read, QD32" "$img" "$all" --qd 32
compare "128 KiB random read, QD8" "$img" "$all" --qd 8 --bs 131072
compare "4 KiB random write, QD32" "$img" "$all" --qd 32 --op randwrite
if [ -n "$qsd" ] && command -v qemu-img >/dev/null; then
	qemu-img convert -O qcow2 "$img" "$D/disk.qcow2"
	compare "qcow2: 4 KiB random read, QD32" "$D/disk.qcow2" "ours $qsd" --qd 32
	compare "qcow2: 4 KiB random write, QD32" "$D/disk.qcow2" "ours $qsd" --qd 32 --op randwrite
	rm -f "$D/disk.qcow2"
fi
fi

# instructions BACKEND QD
instructions() {
	local n ir out=()
	for n in 2000 8000; do
		start_backend "$1" "$img" valgrind --tool=callgrind --callgrind-out-file="$D/cg" \
			--log-file="$D/cglog"
		load "$1" --qd "$2" --count $n >/dev/null
		end_backend
		ir=$(sed -n 's/^\(summary\|totals\): //p' "$D/cg" | tail -1)
		out+=("$ir")
	done
	awk -v a="${out[0]}" -v b="${out[1]}" 'BEGIN { printf "%.0f", (b - a) / 6000 }'
}
if [ -z "${ONLY:-}" ] || [ "$ONLY" = instructions ]; then
if command -v valgrind >/dev/null; then
	for b in loop open; do
		echo "user instructions a 4 KiB read, ${b/open/ours}: QD1 $(instructions $b 1), QD32 $(instructions $b 32)"
	done
fi
fi

# calls BACKEND QD: system calls and context switches a request
calls() {
	start_backend "$1" "$img"
	load "$1" --qd "$2" --count 2000 >/dev/null
	[ "$1" = loop ] && start_backend "$1" "$img"
	perf stat -x, -o "$D/perf" -e raw_syscalls:sys_enter,context-switches -p "$pid" -- \
		timeout 60 "$client" --socket "$D/s" --cpu "$cpu" \
		$([ "$1" = loop ] && echo --no-stop) --qd "$2" --count 50000 >/dev/null || return
	awk -F, '/sys_enter/ { s = $1 } /context/ { c = $1 }
		END { printf "%.3f calls, %.3f switches", s / 50000, c / 50000 }' "$D/perf"
	end_backend
}
if { [ -z "${ONLY:-}" ] || [ "$ONLY" = calls ]; } && command -v perf >/dev/null && [ "$(id -u)" = 0 ]; then
	[ -d /sys/kernel/tracing/events ] || { mount -t tracefs nodev /sys/kernel/tracing &&
		trap 'end_backend; rm -rf "$D"; umount /sys/kernel/tracing' EXIT; }
	for b in loop ours; do
		for qd in 1 32; do
			echo "a 4 KiB read, $b, QD$qd: $(calls $b $qd)"
		done
	done
fi

private() { awk '/^Private_'"$1"'/ { s += $2 } END { print s }' "/proc/$pid/smaps_rollup"; }
if [ -z "${ONLY:-}" ] || [ "$ONLY" = memory ]; then
	start_backend ours "$img"
	sleep 0.3
	echo "private memory of an idle worker: $(private Dirty) KiB (and $(private Clean) KiB of" \
		"the program's file, which every worker of its kind shares)"
	load ours --qd 32 --count 5000 >/dev/null
	echo "of one that has worked: $(private Dirty) KiB"
fi
