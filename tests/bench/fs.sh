#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The shared directory, as bulkhead-vhost-user-fs, beside QEMU's virtiofsd (its default:
# one thread a queue), one front end (fs_client.c) for both:
#	tests/bench/fs.sh [RUNS] [SECONDS]		7 and 1 when not given
# Both sides share one CPU; the back ends take turns within each run, and what is
# printed is the median of the runs: operations a second of CPU time, of front end and
# back end together. Then what does not depend on the hour: user instructions an
# operation (callgrind, the slope between two numbers of operations, of a build without the
# jail; ours alone), system calls (tracepoints; as root), and
# the private memory of an idle worker.
# CPU=n: which CPU. DIR=: where the share is made, a tmpfs. ONLY=speed, instructions, calls
# or memory: that part. OPS=: which operations.
set -uo pipefail
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build}
runs=${1:-7} secs=${2:-1} cpu=${CPU:-1}
ops=${OPS:-getattr lookup read write open create}
peer=${VIRTIOFSD:-/usr/lib/qemu/virtiofsd}
D=$(mktemp -d "${DIR:-/dev/shm}/bench.XXXXXX")
pid=
trap 'end_backend; rm -rf "$D"' EXIT
make -s "$BUILD/bulkhead-vhost-user-fs" "$BUILD/bulkhead-test-open-fs" || exit 1
mkdir -p "$BUILD/bench" "$D/share"
cc -std=c17 -D_GNU_SOURCE -O2 -Wall -o "$BUILD/bench/fs-client" tests/bench/fs_client.c || exit 1
client=$BUILD/bench/fs-client
"$client" --mkshare "$D/share"

# The back end and who it has made: virtiofsd has a pid namespace.
family() { echo "$1"; local p; for p in $(pgrep -P "$1"); do family "$p"; done; }
end_backend() {
	[ -n "$pid" ] && { kill $(family "$pid"); wait "$pid"; } 2>/dev/null
	pid=
}
# start_backend NAME [WRAPPER...]
start_backend() {
	local kind=$1 i; shift
	end_backend; rm -f "$D/s"
	case $kind in
	ours) set -- "$@" "$BUILD/bulkhead-vhost-user-fs" --socket-path="$D/s" --shared-dir="$D/share" ;;
	open) set -- "$@" "$BUILD/bulkhead-test-open-fs" --socket-path="$D/s" --shared-dir="$D/share" ;;
	*) set -- "$@" "$peer" --socket-path="$D/s" -o "source=$D/share${PEER_OPTIONS:-}" ;;
	esac
	taskset -c "$cpu" "$@" >>"$D/log" 2>&1 & pid=$!
	for ((i = 0; i < 500; i++)); do [ -S "$D/s" ] && return; sleep 0.02; done
	echo "$* did not start"; cat "$D/log"; exit 1
}
load() { timeout 200 "$client" --socket "$D/s" --cpu "$cpu" "$@"; }
median() { sort -g | awk '{ a[NR] = $1 } END { print a[int((NR + 1) / 2)] }'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", (b > 0) ? a / b : 0 }'; }

# Nanoseconds that the back end has run, all of its processes and threads; virtiofsd's end
# when the front end has gone, so they are looked at while that is still there.
cpu_time() {
	local p; for p in $(family "$pid"); do cat /proc/"$p"/task/*/schedstat 2>/dev/null; done |
		awk '{ s += $1 } END { printf "%.0f", s }'
}

backends=ours
[ ! -x "$peer" ] || backends="ours virtiofsd"

# one BACKEND OPTION...: operations a second of CPU time
one() {
	local before n own after; start_backend "$1"; shift
	before=$(cpu_time)
	exec 7< <(load --secs "$secs" --linger "$@")
	read -r _ _ n own <&7 || return
	after=$(cpu_time)
	exec 7<&-
	awk -v n="$n" -v own="$own" -v a="$before" -v b="$after" \
		'BEGIN { printf "%.0f\n", n / (own + (b - a) / 1e9) }'
}
# compare TITLE OPTION...
compare() {
	local title=$1 b i; shift
	rm -f "$D"/r.*
	for ((i = 0; i < runs; i++)); do
		for b in $backends; do one "$b" "$@" >>"$D/r.$b"; done
	done
	end_backend
	printf '%-16s' "$title"
	for b in $backends; do
		[ -z "${RESULTS:-}" ] ||
			printf '%s\t%s\t%s\n' "$title" "$b" "$(median <"$D/r.$b")" >>"$RESULTS"
		printf ' %-9s %8.0f [%s]' "$b" "$(median <"$D/r.$b")" \
			"$(sort -g "$D/r.$b" | sed -n '1p;$p' | paste -sd' ' | sed 's/ /../')"
	done
	[ "$backends" = ours ] || printf '  %s x' "$(ratio "$(median <"$D/r.ours")" "$(median <"$D/r.virtiofsd")")"
	echo
}
part() { [ -z "${ONLY:-}" ] || [ "$ONLY" = "$1" ]; }

echo "$(uname -r), $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1), $(nproc) CPUs, $(date +%F)," \
	"load $(cut -d ' ' -f 1 /proc/loadavg); $runs runs of $secs s"
if part speed; then
	for o in $ops; do compare "$o" --op "$o"; done
	compare "read, QD32" --op read --qd 32
	compare "read 128K, QD4" --op read --qd 4 --bs 131072
fi

# instructions BACKEND OP
instructions() {
	local n out=()
	for n in 1000 4000; do
		rm -f "$D"/cg.*
		start_backend "$1" valgrind --tool=callgrind --trace-children=yes \
			--callgrind-out-file="$D/cg.%p" --log-file="$D/cglog"
		load --op "$2" --count $n >/dev/null
		end_backend
		out+=("$(sed -n 's/^\(summary\|totals\): //p' "$D"/cg.* | sort -g | tail -1)")
	done
	awk -v a="${out[0]}" -v b="${out[1]}" 'BEGIN { printf "%.0f", (b - a) / 3000 }'
}
if part instructions && command -v valgrind >/dev/null; then
	for o in $ops; do
		echo "user instructions, $o: ours $(instructions open "$o")"
	done
fi

# calls BACKEND OP: system calls and context switches an operation
calls() {
	local n s=() pids
	for n in 5000 25000; do
		start_backend "$1"; sleep 0.2
		pids=$(family "$pid" | paste -sd,)
		perf stat -x, -o "$D/perf" -e raw_syscalls:sys_enter,context-switches -p "$pids" -- \
			timeout 100 "$client" --socket "$D/s" --cpu "$cpu" --op "$2" --count $n >/dev/null || return
		s+=($(awk -F, '/sys_enter/ { s = $1 } /context/ { c = $1 } END { print s, c }' "$D/perf"))
	done
	end_backend
	awk -v a="${s[0]}" -v b="${s[2]}" -v c="${s[1]}" -v d="${s[3]}" \
		'BEGIN { printf "%.2f calls, %.2f switches", (b - a) / 20000, (d - c) / 20000 }'
}
if part calls && command -v perf >/dev/null && [ "$(id -u)" = 0 ]; then
	[ -d /sys/kernel/tracing/events ] || { mount -t tracefs nodev /sys/kernel/tracing &&
		trap 'end_backend; rm -rf "$D"; umount /sys/kernel/tracing' EXIT; }
	for o in $ops; do
		for b in $backends; do echo "$o, $b: $(calls "$b" "$o")"; done
	done
fi

private() { awk '/^Private_Dirty/ { s += $2 } END { print s }' "/proc/$pid/smaps_rollup"; }
if part memory; then
	start_backend ours
	sleep 0.3
	echo "private memory of an idle worker: $(private) KiB"
	load --op getattr --count 1000 >/dev/null
	echo "of one that has worked: $(private) KiB"
fi
