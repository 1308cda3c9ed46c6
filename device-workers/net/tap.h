/* SPDX-License-Identifier: Apache-2.0 */
/* The ioctls on a tap queue's fd. All return 0 or -errno. */
#ifndef BULKHEAD_DEVICE_WORKERS_NET_TAP_H
#define BULKHEAD_DEVICE_WORKERS_NET_TAP_H

#include <stdbool.h>
#include <stdint.h>

/* Before the jail: is it a tap queue with a header of NET_HDR_SIZE bytes? */
int tap_check(int fd, const char **why);

/* What the tap may send without doing it itself: TUN_F_ bits. */
int tap_set_offloads(int fd, uint32_t offloads);

/* Does the kernel steer flows to this queue? */
int tap_set_attached(int fd, bool attached);

#endif
