/* SPDX-License-Identifier: Apache-2.0 */
/* The socket device, for its main. */
#ifndef BULKHEAD_DEVICE_WORKERS_VSOCK_VSOCK_H
#define BULKHEAD_DEVICE_WORKERS_VSOCK_VSOCK_H

#include "device-workers/lib/device.h"

extern const struct device_ops vsock_ops;

#endif
