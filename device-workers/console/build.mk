# SPDX-License-Identifier: Apache-2.0
CONSOLE_SRCS := $(addprefix device-workers/console/,console.c far.c escape.c) \
	ipc/bytering.c

PROGRAMS += bulkhead-console
bulkhead-console_SRCS := device-workers/console/main.c $(CONSOLE_SRCS) \
	$(WORKER_SRCS)
bulkhead-console_POLICY := device-workers/console/console_policy.c

UNIT_TESTS += console console_far
unit_console_SRCS := tests/unit/console_test.c $(CONSOLE_SRCS) $(DEVICE_TEST_SRCS)
unit_console_LDLIBS := -lutil
unit_console_far_SRCS := tests/unit/console_far_test.c $(CONSOLE_SRCS) \
	$(DEVICE_TEST_SRCS)
unit_console_far_LDLIBS := -lutil

FUZZERS += console
fuzz_console_SRCS := tests/fuzz/console_fuzz.c $(CONSOLE_SRCS) $(DEVICE_TEST_SRCS)

PROGRAMS += bulkhead-test-console
bulkhead-test-console_SRCS := tests/native/console_test.c ipc/bytering.c $(FAKEVM_SRCS)
bulkhead-test-console_LDLIBS := -lutil
