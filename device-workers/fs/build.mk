# SPDX-License-Identifier: Apache-2.0
FS_SRCS := $(addprefix device-workers/fs/,fs.c door.c node.c path.c handle.c attr.c \
	names.c file.c dir.c xattr.c)

PROGRAMS += bulkhead-fs
bulkhead-fs_SRCS := device-workers/fs/main.c $(FS_SRCS) $(WORKER_SRCS)
bulkhead-fs_POLICY := device-workers/fs/fs_policy.c

PROGRAMS += bulkhead-test-fs
bulkhead-test-fs_SRCS := tests/native/fs_test.c $(FAKEVM_SRCS)
