# SPDX-License-Identifier: Apache-2.0

PROGRAMS += broken-rng
broken-rng_SRCS := device-workers/rng/main.c device-workers/rng/rng.c \
	$(WORKER_SRCS) tests/lab/broken_rng.c
broken-rng_POLICY := device-workers/rng/rng_policy.c
broken-rng_LDLIBS := -Wl,--wrap=read

PROGRAMS += lab-spoof
lab-spoof_SRCS := tests/lab/spoof.c

PROGRAMS += lab-posix
lab-posix_SRCS := tests/lab/posix.c

PROGRAMS += lab-lock
lab-lock_SRCS := tests/lab/lock.c
