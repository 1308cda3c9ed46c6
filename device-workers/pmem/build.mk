# SPDX-License-Identifier: Apache-2.0
PROGRAMS += bulkhead-pmem
bulkhead-pmem_SRCS = device-workers/pmem/main.c device-workers/pmem/pmem.c $(WORKER_SRCS)
bulkhead-pmem_POLICY := device-workers/pmem/pmem_policy.c

UNIT_TESTS += pmem
unit_pmem_SRCS = tests/unit/pmem_test.c device-workers/pmem/pmem.c $(VIRTQ_SRCS) \
	ipc/log.c ipc/errname.c
unit_pmem_LDLIBS := -Wl,--wrap=fsync

FUZZERS += pmem
fuzz_pmem_SRCS = tests/fuzz/pmem_fuzz.c device-workers/pmem/pmem.c $(DEVICE_TEST_SRCS)
