/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream socket as a back end (backend.h), as QEMU's "stream" netdev and passt
 * speak it: each frame behind its length, 32 bits, big endian. No header of
 * offloads. The other side is not trusted with more than the frames' bytes.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_NET_STREAM_H
#define BULKHEAD_DEVICE_WORKERS_NET_STREAM_H

#include "device-workers/net/backend.h"

extern const struct net_backend net_stream;

#endif
