/* SPDX-License-Identifier: Apache-2.0 */
/* The entropy device, for its main. */
#ifndef BULKHEAD_DEVICE_WORKERS_RNG_RNG_H
#define BULKHEAD_DEVICE_WORKERS_RNG_RNG_H

#include "device-workers/lib/device.h"

extern const struct device_ops rng_ops;

#endif
