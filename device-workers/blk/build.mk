# SPDX-License-Identifier: Apache-2.0
# Disk image formats.
IMAGE_SRCS := $(addprefix device-workers/blk/,image.c image_file.c image_cache.c \
	image_detect.c qcow2.c qcow2_map.c qcow2_refcount.c qcow2_alloc.c \
	qcow2_write.c qcow2_resize.c qcow2_repair.c qcow2_unpack.c vhd.c vhdx.c vhdx_map.c \
	vhdx_log.c vmdk.c)
IMAGE_LDLIBS := -lz -lzstd

BLK_SRCS := $(addprefix device-workers/blk/,blk.c blk_io.c blk_req.c blk_ring.c \
	blk_let_go.c blk_image.c raw.c) \
	$(IMAGE_SRCS)
DEVICE_TEST_SRCS := $(VIRTQ_SRCS) ipc/log.c ipc/errname.c

PROGRAMS += bulkhead-blk
bulkhead-blk_SRCS := device-workers/blk/main.c $(BLK_SRCS) $(WORKER_SRCS)
bulkhead-blk_POLICY := device-workers/blk/blk_policy.c
bulkhead-blk_LDLIBS := $(IMAGE_LDLIBS) -luring

UNIT_TESTS += blk
unit_blk_SRCS := tests/unit/blk_test.c $(BLK_SRCS) $(DEVICE_TEST_SRCS)
unit_blk_LDLIBS := $(IMAGE_LDLIBS) -luring

FUZZERS += blk
fuzz_blk_SRCS := tests/fuzz/blk_fuzz.c $(BLK_SRCS) $(DEVICE_TEST_SRCS)
fuzz_blk_LDLIBS := $(IMAGE_LDLIBS) -luring

# A VM around one device worker, for tests/native.
FAKEVM_SRCS := tests/native/fakevm.c tests/native/drvq.c $(IPC_SRCS)
PROGRAMS += bulkhead-test-blk
bulkhead-test-blk_SRCS := tests/native/blk_test.c $(FAKEVM_SRCS)
PROGRAMS += bulkhead-test-limit
bulkhead-test-limit_SRCS := tests/native/limit_test.c $(FAKEVM_SRCS)
PROGRAMS += bulkhead-test-image
bulkhead-test-image_SRCS := tests/native/image_test.c $(FAKEVM_SRCS)
PROGRAMS += bulkhead-test-blk-failures
bulkhead-test-blk-failures_SRCS := tests/native/blk_failures_test.c $(FAKEVM_SRCS)

UNIT_TESTS += qcow2
unit_qcow2_SRCS := tests/unit/qcow2_test.c $(IMAGE_SRCS)
unit_qcow2_LDLIBS := $(IMAGE_LDLIBS)
UNIT_TESTS += image
unit_image_SRCS := tests/unit/image_test.c $(IMAGE_SRCS)
unit_image_LDLIBS := $(IMAGE_LDLIBS)
UNIT_TESTS += image_crash
unit_image_crash_SRCS := tests/unit/image_crash_test.c $(IMAGE_SRCS)
unit_image_crash_LDLIBS := $(IMAGE_LDLIBS) -Wl,--wrap=pwritev -Wl,--wrap=pwritev2 \
	-Wl,--wrap=fdatasync \
	-Wl,--wrap=fallocate

FUZZERS += qcow2 vhd vhdx vmdk
fuzz_qcow2_SRCS := tests/fuzz/qcow2_fuzz.c $(IMAGE_SRCS)
fuzz_vhd_SRCS := tests/fuzz/vhd_fuzz.c $(IMAGE_SRCS)
fuzz_vhdx_SRCS := tests/fuzz/vhdx_fuzz.c $(IMAGE_SRCS)
fuzz_vmdk_SRCS := tests/fuzz/vmdk_fuzz.c $(IMAGE_SRCS)
fuzz_qcow2_LDLIBS := $(IMAGE_LDLIBS)
fuzz_vhd_LDLIBS := $(IMAGE_LDLIBS)
fuzz_vhdx_LDLIBS := $(IMAGE_LDLIBS)
fuzz_vmdk_LDLIBS := $(IMAGE_LDLIBS)
PROGRAMS += bulkhead-test-blk-flight
bulkhead-test-blk-flight_SRCS := tests/native/blk_flight_test.c $(FAKEVM_SRCS)
