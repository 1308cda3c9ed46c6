# SPDX-License-Identifier: Apache-2.0
NET_SRCS := $(addprefix device-workers/net/,net.c net_hdr.c net_rx.c net_filter.c \
	net_ctrl.c net_state.c)

# The back ends of the shipped programs.
NET_BACKEND_SRCS := $(addprefix device-workers/net/,backends.c stream.c tap.c)

PROGRAMS += bulkhead-net
bulkhead-net_SRCS := device-workers/net/main.c $(NET_BACKEND_SRCS) \
	$(NET_SRCS) $(WORKER_SRCS)
bulkhead-net_POLICY := device-workers/net/net_policy.c

# In tests a socket stands for the tap: a back end of theirs.
UNIT_TESTS += net net_ctrl
unit_net_SRCS := tests/unit/net_test.c $(NET_SRCS) $(DEVICE_TEST_SRCS)
unit_net_ctrl_SRCS := tests/unit/net_ctrl_test.c $(NET_SRCS) $(DEVICE_TEST_SRCS)

FUZZERS += net
fuzz_net_SRCS := tests/fuzz/net_fuzz.c $(NET_SRCS) $(DEVICE_TEST_SRCS)

PROGRAMS += bulkhead-test-net
bulkhead-test-net_SRCS := tests/native/net_test.c $(FAKEVM_SRCS)

PROGRAMS += bulkhead-test-net-fail
bulkhead-test-net-fail_SRCS := tests/native/net_fail_test.c $(FAKEVM_SRCS)

PROGRAMS += bulkhead-test-net-stream
bulkhead-test-net-stream_SRCS := tests/native/net_stream_test.c $(FAKEVM_SRCS)

UNIT_TESTS += stream
unit_stream_SRCS := tests/unit/stream_test.c device-workers/net/stream.c

FUZZERS += stream
fuzz_stream_SRCS := tests/fuzz/stream_fuzz.c device-workers/net/stream.c
