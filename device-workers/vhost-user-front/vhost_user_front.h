/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device of a front-end worker: whatever virtio device an external vhost-user
 * back end is.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_VHOST_USER_FRONT_VHOST_USER_FRONT_H
#define BULKHEAD_DEVICE_WORKERS_VHOST_USER_FRONT_VHOST_USER_FRONT_H

#include "device-workers/lib/device.h"

extern const struct device_ops front_ops;

#endif
