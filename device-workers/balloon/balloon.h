/* SPDX-License-Identifier: Apache-2.0 */
/* The memory balloon, for its main and its tests. */
#ifndef BULKHEAD_DEVICE_WORKERS_BALLOON_BALLOON_H
#define BULKHEAD_DEVICE_WORKERS_BALLOON_BALLOON_H

#include "device-workers/lib/device.h"

/* Features (virtio 1.2, 5.5.3). */
#define BALLOON_F_MUST_TELL_HOST 0
#define BALLOON_F_STATS_VQ 1
#define BALLOON_F_DEFLATE_ON_OOM 2
#define BALLOON_F_REPORTING 5

/* Pages of one request that are looked at, the rest is left alone: Linux sends 256. */
#define BALLOON_MAX_PAGES 65536u

extern const struct device_ops balloon_ops;

#endif
