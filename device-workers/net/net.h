/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network device inside its process: state, and what net.c (features,
 * transmit, control) and net_rx.c (receive) need of each other. main.c and the
 * tests see net_ops.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_NET_NET_H
#define BULKHEAD_DEVICE_WORKERS_NET_NET_H

#include "device-workers/lib/device.h"
#include "device-workers/lib/limit.h"
#include "device-workers/net/backend.h"
#include "device-workers/net/net_hdr.h"

#define NET_MAX_PAIRS FD_BACKEND_COUNT

/* Header, Ethernet header with a VLAN tag, and the largest IP packet. */
#define NET_FRAME_MAX (NET_HDR_SIZE + 18u + 65535u)
/* Receive buffers that one frame may be spread over. */
#define NET_MERGE_MAX 64u

struct net_pair {
	int fd;			/* tap queue, or socket */
	bool watched;
	bool gone;		/* the back end is: nothing comes, nothing goes */
	uint32_t held;		/* bytes of frame, read and not yet delivered */
	/* What a receive buffer had no room for, at its place in the frame. */
	uint8_t frame[NET_FRAME_MAX + 1];
};

struct net {
	const struct net_backend *backend;
	unsigned int npairs;	/* there are */
	unsigned int active;	/* the driver uses */
	struct device_limit tx_rate, rx_rate;	/* of all pairs together */
	struct net_pair pair[NET_MAX_PAIRS];
	struct virtq_chain chain;			/* transmit, control */
	struct virtq_chain rx[NET_MERGE_MAX];
	uint32_t written[NET_MERGE_MAX];
	struct iovec iov[VIRTQ_MAX_SEGS + 1];
};

extern const struct device_ops net_ops;

/* Move frames of pair @i to the driver until there is none, no buffer is left,
 * or others should have their turn. */
void net_receive(struct device *dev, unsigned int i);

/* Stop waiting for frames of pair @i. */
void net_rx_quiet(struct device *dev, unsigned int i);

/* The back end answered -@err. True: it is gone, said once. */
bool net_backend_gone(struct device *dev, unsigned int i, int err);

#endif
