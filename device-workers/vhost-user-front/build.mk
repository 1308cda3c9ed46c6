# SPDX-License-Identifier: Apache-2.0
#
# Devices behind a vhost-user socket.
FRONT_SRCS := $(addprefix device-workers/vhost-user-front/,front.c conn.c steps.c greet.c \
	start.c relay.c control.c reply.c stand_in.c)

PROGRAMS += bulkhead-vhost-user-front
bulkhead-vhost-user-front_SRCS := device-workers/vhost-user-front/main.c $(FRONT_SRCS) \
	$(WORKER_SRCS)
bulkhead-vhost-user-front_POLICY := device-workers/vhost-user-front/front_policy.c

NATIVE_TESTS += vhost_front
native_vhost_front_SRCS := tests/native/vhost_front_test.c

FUZZERS += vhost_front
fuzz_vhost_front_SRCS := tests/fuzz/vhost_front_fuzz.c $(FRONT_SRCS) $(VIRTQ_SRCS) \
	ipc/log.c ipc/errname.c ipc/loop.c

NATIVE_TESTS += vhost_front_net
native_vhost_front_net_SRCS := tests/native/vhost_front_net_test.c

NATIVE_TESTS += vhost_status
native_vhost_status_SRCS := tests/native/vhost_status_test.c

NATIVE_TESTS += vhost_liar
native_vhost_liar_SRCS := tests/native/vhost_liar_test.c

UNIT_TESTS += front_reply
unit_front_reply_SRCS := tests/unit/front_reply_test.c device-workers/vhost-user-front/reply.c
