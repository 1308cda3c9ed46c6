# SPDX-License-Identifier: Apache-2.0
PROGRAMS += bulkhead-watchdog
bulkhead-watchdog_SRCS = device-workers/watchdog/main.c \
	device-workers/watchdog/watchdog.c $(WORKER_SRCS)
bulkhead-watchdog_POLICY := device-workers/watchdog/watchdog_policy.c

UNIT_TESTS += watchdog
unit_watchdog_SRCS = tests/unit/watchdog_test.c device-workers/watchdog/watchdog.c \
	$(VIRTQ_SRCS) ipc/log.c ipc/errname.c

FUZZERS += watchdog
fuzz_watchdog_SRCS = tests/fuzz/watchdog_fuzz.c device-workers/watchdog/watchdog.c \
	$(DEVICE_TEST_SRCS)
