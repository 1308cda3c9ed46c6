#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What the record of requests in flight costs: user instructions a request more than
# without it, by callgrind, from the slope between two numbers of requests.
set -uo pipefail
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build}
mkdir -p "$BUILD/bench"
gcc -O2 -g -std=c17 $(make -s print-HARDEN) -D_GNU_SOURCE -I. -isystem "$BUILD/gen" -o "$BUILD/bench/record" \
	tests/bench/record.c tests/native/drvq.c $(make -s print-VIRTQ_SRCS) ipc/log.c ipc/errname.c || exit 1

counted() {
	valgrind --tool=callgrind --callgrind-out-file=/dev/null "$BUILD/bench/record" "$@" 2>&1 |
		sed -n 's/.*refs: *//p' | tr -d ,
}
slope() { echo $((($(counted 9600 "$@") - $(counted 3200 "$@")) / 6400)); }	# BATCH RECORD PACKED

for packed in 0 1; do
	for batch in 1 32; do
		echo "$([ $packed = 1 ] && echo packed || echo split) ring, $batch at a time:" \
			"$(($(slope $batch 1 $packed) - $(slope $batch 0 $packed))) instructions a request"
	done
done
