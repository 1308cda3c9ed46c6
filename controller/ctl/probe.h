/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small helpers of the checks: read a file of /proc or /sys, run something in a
 * child that is killed when it takes too long.
 */
#ifndef BULKHEAD_CONTROLLER_CTL_PROBE_H
#define BULKHEAD_CONTROLLER_CTL_PROBE_H

#include <stddef.h>

/* First @size - 1 bytes of a file, without the last newline. 0 or -errno. */
int probe_read(const char *path, char *buf, size_t size);

/* A number at the start of a file, or -1. */
long long probe_number(const char *path);

/*
 * Call @fn in a child, and wait @seconds at most: its return value (0 to 254), or
 * -ETIMEDOUT, -EINTR if a signal killed it, another -errno.
 */
int probe_in_child(int (*fn)(void *arg), void *arg, unsigned int seconds);

#endif
