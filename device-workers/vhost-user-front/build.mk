# SPDX-License-Identifier: Apache-2.0
#
# Devices behind a vhost-user socket.
FRONT_SRCS := $(addprefix device-workers/vhost-user-front/,front.c conn.c steps.c relay.c \
	reply.c)

PROGRAMS += bulkhead-vhost-user-front
bulkhead-vhost-user-front_SRCS := device-workers/vhost-user-front/main.c $(FRONT_SRCS) \
	$(WORKER_SRCS)
bulkhead-vhost-user-front_POLICY := device-workers/vhost-user-front/front_policy.c

NATIVE_TESTS += vhost_front
native_vhost_front_SRCS := tests/native/vhost_front_test.c
