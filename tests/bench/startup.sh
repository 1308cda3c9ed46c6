#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Start-up and memory of a small VM, beside QEMU's microvm in the same run:
#	tests/bench/startup.sh [RUNS]		11 when not given
# Time: from exec to the first serial byte of the ten-instruction guest
# (tests/guest/ten.S), 128 MiB, 1 vCPU, runs of both interleaved, medians.
# Memory: the sum of PSS of all processes without guest memory, while a guest
# keeps a disk and the entropy device busy. Then processes and system calls.
set -euo pipefail
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build}
runs=${1:-11}
make -s guests BUILD="$BUILD"
mkdir -p "$BUILD/bench"
W=$(mktemp -d)
trap 'rm -rf "$W"' EXIT
cc -std=c17 -D_GNU_SOURCE -O1 -Wall -o "$BUILD/bench/firstbyte" tests/bench/firstbyte.c
first=$BUILD/bench/firstbyte
guest=$BUILD/guest/ten.elf
truncate -s 8M "$W/disk"

ours=("$BUILD/bulkhead" --kernel "$guest" --memory size=128M --console off --serial tty)
full=("${ours[@]}" --disk "path=$W/disk")
qemu=(qemu-system-x86_64 -accel kvm -M microvm,pit=off,pic=off,rtc=off -m 128 -smp 1
	-nodefaults -no-user-config -display none -serial stdio -no-reboot -kernel "$guest")

median() { sort -n | awk '{ a[NR] = $1 } END { m = a[int((NR + 1) / 2)];
	printf "%.1f ms [%.1f..%.1f]", m / 1000, a[1] / 1000, a[NR] / 1000 }'; }
one() { "$first" "${@:2}" 2>"$W/err" </dev/null >>"$W/$1" || { echo "$1:"; cat "$W/err"; exit 1; }; }

have_qemu=
command -v qemu-system-x86_64 >/dev/null && have_qemu=1
for ((i = 0; i < runs; i++)); do
	one ours "${ours[@]}"
	one full "${full[@]}"
	if [ -n "$have_qemu" ]; then one qemu "${qemu[@]}"; fi
done
echo "exec to the guest's first serial byte, median of $runs [least..most]:"
echo "  bulkhead, entropy device      $(cut -d' ' -f1 <"$W/ours" | median)"
echo "  bulkhead, and a disk          $(cut -d' ' -f1 <"$W/full" | median)"
if [ -n "$have_qemu" ]; then
	echo "  qemu microvm, no device       $(cut -d' ' -f1 <"$W/qemu" | median)"
fi
echo "exec to exit after the guest's power-off:"
echo "  bulkhead, entropy device      $(cut -d' ' -f2 <"$W/ours" | median)"

# Kilobytes of PSS of a process, its guest memory (named memfds) left out.
pss() { awk '/^[0-9a-f]+-[0-9a-f]+ / { ram = /memfd:(ram|guest|bulkhead|memory|slot)|\/dev\/zero/ }
	/^Pss:/ && !ram { sum += $2 } END { print sum + 0 }' "/proc/$1/smaps" 2>/dev/null; }
descendants() { ps -e -o pid=,ppid= | awk -v r="$1" '{ p[$1] = $2 } END { for (i in p) {
	q = i; while (q in p) { if (q == r) { print i; break } q = p[q] } } }'; }

echo "memory without the guest's, processes:"
"$BUILD/bulkhead" --kernel "$BUILD/guest/traffic.elf" --memory size=128M --console null \
	--serial "file=$W/serial" --disk "path=$W/disk" </dev/null &
vm=$!
for i in {1..200}; do grep -q '^blk' "$W/serial" 2>/dev/null && break; sleep 0.05; done
sum=0 n=0
for p in $(descendants $vm | sort -n); do
	kb=$(pss "$p")
	printf '  %-16s %5d KiB\n' "$(cat "/proc/$p/comm")" "$kb"
	sum=$((sum + kb)) n=$((n + 1))
done
kill $vm; wait $vm || true
echo "  bulkhead, disk, entropy, console: $sum KiB in $n processes"
if [ -n "$have_qemu" ]; then
	qemu-system-x86_64 -accel kvm -M microvm,pit=off,pic=off,rtc=off,memory-backend=ram \
		-object memory-backend-memfd,id=ram,size=128M,share=on -m 128 -smp 1 \
		-nodefaults -no-user-config -display none -serial "file:$W/qserial" \
		-kernel "$guest" </dev/null 2>/dev/null &
	vm=$!
	for i in {1..100}; do [ -s "$W/qserial" ] && break; sleep 0.05; done
	echo "  qemu microvm, no device: $(pss $vm) KiB in 1 process"
	kill $vm; wait $vm || true
fi

echo "system calls once the jail is closed:"
for f in */*_policy.c */*/*_policy.c; do
	cc -std=c17 -D_GNU_SOURCE -I. -isystem "$BUILD/gen" -w -o "$W/calls" tests/bench/calls.c "$f" 2>/dev/null &&
		echo "  $("$W/calls")"
done
