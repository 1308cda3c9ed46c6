#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The vsock worker beside a plain unix socket, pieces of 64 KiB, in turns:
#	tests/bench/vsock.sh [RUNS [MIB]]	5 runs of 1024 MiB when not given
# All who take part are on the first CPU, and what counts is their CPU time together
# (vsock_client.c): other work on the machine costs both sides their caches alone.
set -euo pipefail
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build}
runs=${1:-5} mib=${2:-1024}
make -s "$BUILD"/bulkhead-{vsock,test-vsock-client} >&2
W=$(mktemp -d)
trap 'rm -rf "$W"' EXIT
ways="plain to-host to-guest"

median() { sort -n "$1" | awk '{ a[NR] = $1 } END { print a[int((NR + 1) / 2)] }'; }
for ((i = 0; i < runs; i++)); do
	for way in $ways; do
		timeout 120 "$BUILD/bulkhead-test-vsock-client" $way "$mib" >>"$W/$way"
	done
done
plain=$(median "$W/plain")
echo "64 KiB pieces, MiB a second of CPU time of all ends, medians of $runs:"
for way in $ways; do
	awk -v w=$way -v n="$(median "$W/$way")" -v p="$plain" \
		'BEGIN { printf "  %-10s %7d, %.2f of a plain unix socket\n", w, n, n / p }'
done
