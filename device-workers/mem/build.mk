# SPDX-License-Identifier: Apache-2.0
PROGRAMS += bulkhead-mem
bulkhead-mem_SRCS = device-workers/mem/main.c device-workers/mem/mem.c $(WORKER_SRCS)
bulkhead-mem_POLICY := device-workers/mem/mem_policy.c

UNIT_TESTS += mem
unit_mem_SRCS = tests/unit/mem_test.c device-workers/mem/mem.c \
	$(VIRTQ_SRCS) ipc/log.c ipc/errname.c
unit_mem_LDLIBS := -Wl,--wrap=madvise

FUZZERS += mem
fuzz_mem_SRCS = tests/fuzz/mem_fuzz.c device-workers/mem/mem.c \
	$(DEVICE_TEST_SRCS)
