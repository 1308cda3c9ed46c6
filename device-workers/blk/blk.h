/* SPDX-License-Identifier: Apache-2.0 */
/* The block device as main.c and the tests see it: its ops. */
#ifndef BULKHEAD_DEVICE_WORKERS_BLK_BLK_H
#define BULKHEAD_DEVICE_WORKERS_BLK_BLK_H

#include "device-workers/lib/device.h"

extern const struct device_ops blk_ops;

#endif
