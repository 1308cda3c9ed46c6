# SPDX-License-Identifier: Apache-2.0
# The block back end without its jail, for callgrind (block.sh). Made when asked for.
BENCH_PROGRAMS := bulkhead-test-open-blk
bulkhead-test-open-blk_SRCS = $(filter-out %/jail.c sandbox/single.c,$(bulkhead-vhost-user-blk_SRCS)) \
	tests/bench/no_jail.c
bulkhead-test-open-blk_LDLIBS = $(bulkhead-vhost-user-blk_LDLIBS) -Wl,--wrap=gmem_init -Wl,--wrap=syscall

# The same of the file system (fs.sh).
BENCH_PROGRAMS += bulkhead-test-open-fs
bulkhead-test-open-fs_SRCS = $(filter-out %/jail.c sandbox/single.c,$(bulkhead-vhost-user-fs_SRCS)) \
	tests/bench/no_jail.c
bulkhead-test-open-fs_LDLIBS = -Wl,--wrap=gmem_init -Wl,--wrap=syscall

# The network back end whose frames come from nowhere (net.sh).
BENCH_PROGRAMS += bulkhead-test-source-net
bulkhead-test-source-net_SRCS = tests/bench/net_source.c $(NET_SRCS) $(VHU_LIB_SRCS)
bulkhead-test-source-net_POLICY := device-workers/vhost-user/net_policy.c

BENCH_PROGRAMS += bulkhead-test-net-client
bulkhead-test-net-client_SRCS = tests/bench/net_client.c $(FAKEVM_SRCS)

BENCH_PROGRAMS += bulkhead-test-vsock-client
bulkhead-test-vsock-client_SRCS = tests/bench/vsock_client.c $(FAKEVM_SRCS)
