# SPDX-License-Identifier: Apache-2.0
# The block back end without its jail, for callgrind (block.sh). Made when asked for.
BENCH_PROGRAMS := bulkhead-test-open-blk
bulkhead-test-open-blk_SRCS = $(filter-out %/jail.c sandbox/single.c,$(bulkhead-vhost-user-blk_SRCS)) \
	tests/bench/no_jail.c
bulkhead-test-open-blk_LDLIBS = $(bulkhead-vhost-user-blk_LDLIBS) -Wl,--wrap=gmem_init
