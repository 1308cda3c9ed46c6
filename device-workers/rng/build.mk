# SPDX-License-Identifier: Apache-2.0
PROGRAMS += bulkhead-rng
bulkhead-rng_SRCS := device-workers/rng/main.c device-workers/rng/rng.c $(WORKER_SRCS)
bulkhead-rng_POLICY := device-workers/rng/rng_policy.c

UNIT_TESTS += rng
unit_rng_SRCS := tests/unit/rng_test.c device-workers/rng/rng.c \
	$(VIRTQ_SRCS) ipc/log.c ipc/errname.c
unit_rng_LDLIBS := -Wl,--wrap=read

FUZZERS += rng
fuzz_rng_SRCS = tests/fuzz/rng_fuzz.c device-workers/rng/rng.c $(DEVICE_TEST_SRCS)
