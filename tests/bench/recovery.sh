#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What a worker's death costs, for docs/performance.md:
#	tests/bench/recovery.sh [KILLS]		200 of each kind by default
# From death to the next worker at work, as the controller measures it (from the
# spawner's report of the death to the vcpu-worker's answer that the successor has
# taken over): median and worst. What the record costs: record.sh.
set -uo pipefail
cd "$(dirname "$0")/../.."
build=$PWD/build
kills=${1:-200}
dir=$(mktemp -d "${TMPDIR:-/tmp}/recovery.XXXXXX")
trap 'kill "$pid" 2>/dev/null; wait; rm -rf "$dir"' EXIT

# Of this VM: the spawner is the controller's only child. Names end at 15 bytes.
worker() { pgrep -P "$(pgrep -P "$pid" | head -n 1)" -x "${1:0:15}" | head -n 1; }

# measure KIND NAME OPTION...: the guest keeps a disk and entropy busy.
measure() {
	local kind=$1 name=$2 n=0 w i
	shift 2
	truncate -s 16M "$dir/a"
	rm -f "$dir"/{log,serial}
	"$build/bulkhead" --kernel "$build/guest/traffic.elf" --serial "file=$dir/serial" \
		--console null --worker-failure-limit deaths=1000000 "$@" 2>"$dir/log" &
	pid=$!
	until grep -q '^blk [1-9]' "$dir/serial" 2>/dev/null; do sleep 0.05; done
	while [ $n -lt "$kills" ]; do
		w=$(worker "bulkhead-$kind")
		[ -z "$w" ] || kill -9 "$w"
		n=$((n + 1))
		for ((i = 0; i < 500; i++)); do
			[ "$(grep -c 'has taken over' "$dir/log")" -ge $n ] && break
			sleep 0.01
		done
	done
	kill "$pid"
	wait "$pid"
	grep -o 'after [0-9.]* ms' "$dir/log" | awk '{ print $2 }' | sort -g |
		awk -v name="$name" '{ a[NR] = $1 } END {
			printf "%-14s %4d deaths, median %.1f ms, worst %.1f ms\n", name, NR, a[int((NR + 1) / 2)], a[NR] }'
}

make -s all guests || exit 1
measure blk block --disk "path=$dir/a"
if dd if=/dev/zero of="$dir/d" bs=4096 count=1 oflag=direct 2>/dev/null; then
	measure blk "block, direct" --disk "path=$dir/a,direct=on"
fi
measure rng entropy --disk "path=$dir/a"
measure console console --disk "path=$dir/a"
[ "$(id -u)" != 0 ] || measure net net --disk "path=$dir/a" --net tap=
