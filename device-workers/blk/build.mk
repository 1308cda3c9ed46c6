# SPDX-License-Identifier: Apache-2.0
BLK_SRCS := $(addprefix device-workers/blk/,blk.c blk_req.c raw.c)
DEVICE_TEST_SRCS := device-workers/lib/virtq.c device-workers/lib/virtq_chain.c \
	ipc/gmem.c ipc/log.c ipc/errname.c

PROGRAMS += bulkhead-blk
bulkhead-blk_SRCS := device-workers/blk/main.c $(BLK_SRCS) $(WORKER_SRCS)
bulkhead-blk_POLICY := device-workers/blk/blk_policy.c

UNIT_TESTS += blk
unit_blk_SRCS := tests/unit/blk_test.c $(BLK_SRCS) $(DEVICE_TEST_SRCS)

FUZZERS += blk
fuzz_blk_SRCS := tests/fuzz/blk_fuzz.c $(BLK_SRCS) $(DEVICE_TEST_SRCS)

# A VM around one device worker, for tests/native.
FAKEVM_SRCS := tests/native/fakevm.c tests/native/drvq.c $(IPC_SRCS)
PROGRAMS += bulkhead-test-blk
bulkhead-test-blk_SRCS := tests/native/blk_test.c $(FAKEVM_SRCS)
