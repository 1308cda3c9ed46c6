/* SPDX-License-Identifier: Apache-2.0 */
/* Persistent memory, for its main and its tests. */
#ifndef BULKHEAD_DEVICE_WORKERS_PMEM_PMEM_H
#define BULKHEAD_DEVICE_WORKERS_PMEM_PMEM_H

#include "device-workers/lib/device.h"

extern const struct device_ops pmem_ops;

#endif
