# SPDX-License-Identifier: Apache-2.0
PROGRAMS += bulkhead-balloon
bulkhead-balloon_SRCS = device-workers/balloon/main.c device-workers/balloon/balloon.c \
	$(WORKER_SRCS)
bulkhead-balloon_POLICY := device-workers/balloon/balloon_policy.c

PROGRAMS += bulkhead-test-balloon
bulkhead-test-balloon_SRCS = tests/native/balloon_test.c $(FAKEVM_SRCS)

UNIT_TESTS += balloon
unit_balloon_SRCS = tests/unit/balloon_test.c device-workers/balloon/balloon.c \
	$(VIRTQ_SRCS) ipc/log.c ipc/errname.c
unit_balloon_LDLIBS := -Wl,--wrap=madvise

FUZZERS += balloon
fuzz_balloon_SRCS = tests/fuzz/balloon_fuzz.c device-workers/balloon/balloon.c \
	$(DEVICE_TEST_SRCS)
