# SPDX-License-Identifier: Apache-2.0
FS_SRCS := $(addprefix device-workers/fs/,fs.c door.c node.c path.c handle.c attr.c \
	names.c file.c dir.c xattr.c lock.c table.c)

PROGRAMS += bulkhead-fs
bulkhead-fs_SRCS := device-workers/fs/main.c $(FS_SRCS) $(WORKER_SRCS)
bulkhead-fs_POLICY := device-workers/fs/fs_policy.c

PROGRAMS += bulkhead-test-fs
bulkhead-test-fs_SRCS := tests/native/fs_test.c $(FAKEVM_SRCS)

PROGRAMS += bulkhead-test-fs-lock
bulkhead-test-fs-lock_SRCS := tests/native/fs_lock_test.c $(FAKEVM_SRCS)

PROGRAMS += bulkhead-test-fs-bounds
bulkhead-test-fs-bounds_SRCS := tests/native/fs_bounds_test.c $(FAKEVM_SRCS)

PROGRAMS += bulkhead-test-fs-mount
bulkhead-test-fs-mount_SRCS := tests/native/fs_mount_test.c $(FAKEVM_SRCS)

UNIT_TESTS += fs_door
unit_fs_door_SRCS := tests/unit/fs_door_test.c device-workers/fs/door.c $(VIRTQ_SRCS)

FUZZERS += fs
fuzz_fs_SRCS := tests/fuzz/fs_fuzz.c $(FS_SRCS) $(DEVICE_TEST_SRCS)
