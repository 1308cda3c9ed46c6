# SPDX-License-Identifier: Apache-2.0
PROGRAMS += bulkhead-rtc
bulkhead-rtc_SRCS = device-workers/rtc/main.c \
	device-workers/rtc/rtc.c $(WORKER_SRCS)
bulkhead-rtc_POLICY := device-workers/rtc/rtc_policy.c

UNIT_TESTS += rtc
unit_rtc_SRCS = tests/unit/rtc_test.c device-workers/rtc/rtc.c \
	$(VIRTQ_SRCS) ipc/log.c ipc/errname.c

FUZZERS += rtc
fuzz_rtc_SRCS = tests/fuzz/rtc_fuzz.c device-workers/rtc/rtc.c \
	$(DEVICE_TEST_SRCS)
