# SPDX-License-Identifier: Apache-2.0
#
# Devices as vhost-user back ends for other VMMs: the worker library's place is
# taken by this folder's.
VHU_SRCS := $(addprefix device-workers/vhost-user/,main.c socket.c wire.c messages.c \
	memory.c queues.c inflight.c state.c limit_options.c log.c jail.c)
VHU_LIB_SRCS := $(VHU_SRCS) $(VIRTQ_SRCS) device-workers/lib/limit.c \
	device-workers/lib/bucket.c ipc/log.c ipc/errname.c ipc/loop.c $(JAIL_SRCS)

PROGRAMS += bulkhead-vhost-user-blk bulkhead-vhost-user-rng bulkhead-vhost-user-net \
	bulkhead-vhost-user-fs bulkhead-vhost-user-vsock bulkhead-vhost-user-vsock-ports
bulkhead-vhost-user-blk_SRCS = device-workers/vhost-user/blk.c \
	$(filter-out %/blk_let_go.c,$(BLK_SRCS)) $(VHU_LIB_SRCS)
bulkhead-vhost-user-blk_POLICY := device-workers/vhost-user/blk_policy.c
bulkhead-vhost-user-blk_LDLIBS = $(bulkhead-blk_LDLIBS)
bulkhead-vhost-user-rng_SRCS := device-workers/vhost-user/rng.c device-workers/rng/rng.c \
	$(VHU_LIB_SRCS)
bulkhead-vhost-user-rng_POLICY := device-workers/vhost-user/rng_policy.c
bulkhead-vhost-user-net_SRCS = device-workers/vhost-user/net.c $(NET_BACKEND_SRCS) \
	$(NET_SRCS) $(VHU_LIB_SRCS)
bulkhead-vhost-user-net_POLICY := device-workers/vhost-user/net_policy.c

bulkhead-vhost-user-fs_SRCS = device-workers/vhost-user/fs.c $(FS_SRCS) $(VHU_LIB_SRCS)
bulkhead-vhost-user-fs_POLICY := device-workers/vhost-user/fs_policy.c
bulkhead-vhost-user-vsock_SRCS = device-workers/vhost-user/vsock.c $(VSOCK_SRCS) $(VHU_LIB_SRCS)
bulkhead-vhost-user-vsock_POLICY := device-workers/vhost-user/vsock_policy.c
bulkhead-vhost-user-vsock-ports_SRCS := $(addprefix device-workers/vhost-user/,ports.c log.c \
	jail.c) ipc/log.c ipc/errname.c $(JAIL_SRCS)
bulkhead-vhost-user-vsock-ports_POLICY := device-workers/vhost-user/ports_policy.c

NATIVE_TESTS += vhost_user vhost_user_inflight vhost_user_lies vhost_user_fs vhost_user_vsock
VHU_FRONT_SRCS := tests/native/vhu_front.c
native_vhost_user_SRCS := tests/native/vhost_user_test.c $(VHU_FRONT_SRCS)
native_vhost_user_fs_SRCS := tests/native/vhost_user_fs_test.c $(VHU_FRONT_SRCS)
native_vhost_user_vsock_SRCS := tests/native/vhost_user_vsock_test.c $(VHU_FRONT_SRCS)
native_vhost_user_lies_SRCS := tests/native/vhost_user_lies_test.c $(VHU_FRONT_SRCS)
native_vhost_user_inflight_SRCS := tests/native/vhost_user_inflight_test.c $(VHU_FRONT_SRCS)

FUZZERS += vhost_user
fuzz_vhost_user_SRCS := tests/fuzz/vhost_user_fuzz.c $(addprefix device-workers/vhost-user/,\
	socket.c wire.c messages.c memory.c queues.c inflight.c state.c) $(VIRTQ_SRCS) ipc/log.c ipc/errname.c ipc/loop.c

# Tell QEMU and libvirt of them: make install.
VHU_JSON := $(wildcard device-workers/vhost-user/*.json.in)
