/* SPDX-License-Identifier: Apache-2.0 */
/* Tap queues as a back end (backend.h). Opens nothing. */
#ifndef BULKHEAD_DEVICE_WORKERS_NET_TAP_H
#define BULKHEAD_DEVICE_WORKERS_NET_TAP_H

#include "device-workers/net/backend.h"

extern const struct net_backend net_tap;

#endif
