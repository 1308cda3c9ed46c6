/* SPDX-License-Identifier: Apache-2.0 */
/* The console device as main.c and the tests see it: its ops. */
#ifndef BULKHEAD_DEVICE_WORKERS_CONSOLE_CONSOLE_H
#define BULKHEAD_DEVICE_WORKERS_CONSOLE_CONSOLE_H

#include "device-workers/lib/device.h"

#define CONSOLE_RX 0u		/* queue: to the driver */
#define CONSOLE_TX 1u		/* queue: from the driver */
#define CONSOLE_QUEUE_SIZE 64u

extern const struct device_ops console_ops;

#endif
