/* SPDX-License-Identifier: Apache-2.0 */
/* The virtio watchdog, for its main. */
#ifndef BULKHEAD_DEVICE_WORKERS_WATCHDOG_WATCHDOG_H
#define BULKHEAD_DEVICE_WORKERS_WATCHDOG_WATCHDOG_H

#include "device-workers/lib/device.h"

extern const struct device_ops watchdog_ops;

#endif
