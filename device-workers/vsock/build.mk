# SPDX-License-Identifier: Apache-2.0
VSOCK_SRCS := $(addprefix device-workers/vsock/,vsock.c conn.c backlog.c to_guest.c \
	from_guest.c host.c refuse.c)

PROGRAMS += bulkhead-vsock
bulkhead-vsock_SRCS := device-workers/vsock/main.c $(VSOCK_SRCS) $(WORKER_SRCS)
bulkhead-vsock_POLICY := device-workers/vsock/vsock_policy.c

NATIVE_TESTS += vsock vsock_lies vsock_kill
native_vsock_lies_SRCS := tests/native/vsock_lies_test.c
native_vsock_SRCS := tests/native/vsock_test.c
native_vsock_kill_SRCS := tests/native/vsock_kill_test.c

FUZZERS += vsock
fuzz_vsock_SRCS = tests/fuzz/vsock_fuzz.c $(VSOCK_SRCS) $(DEVICE_TEST_SRCS)
