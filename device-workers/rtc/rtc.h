/* SPDX-License-Identifier: Apache-2.0 */
/* The virtio clock, for its main. */
#ifndef BULKHEAD_DEVICE_WORKERS_RTC_RTC_H
#define BULKHEAD_DEVICE_WORKERS_RTC_RTC_H

#include "device-workers/lib/device.h"

extern const struct device_ops rtc_ops;

#endif
