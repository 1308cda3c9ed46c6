# SPDX-License-Identifier: Apache-2.0
NET_SRCS := $(addprefix device-workers/net/,net.c net_hdr.c net_rx.c)

# In tests a socket stands for the tap, so its ioctls (tap.c) are doubles.
UNIT_TESTS += net
unit_net_SRCS := tests/unit/net_test.c $(NET_SRCS) $(DEVICE_TEST_SRCS)
