# SPDX-License-Identifier: Apache-2.0
UNIT_TESTS += gmem chan bytering log loop
unit_gmem_SRCS := tests/unit/gmem_test.c ipc/gmem.c
unit_chan_SRCS := tests/unit/chan_test.c $(IPC_SRCS)
unit_bytering_SRCS := tests/unit/bytering_test.c ipc/bytering.c
unit_bytering_LDLIBS := -lpthread
unit_log_SRCS := tests/unit/log_test.c ipc/log.c ipc/errname.c
unit_loop_SRCS := tests/unit/loop_test.c ipc/loop.c
