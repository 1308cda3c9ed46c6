/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network device inside its process: state, and what net.c (features,
 * transmit), net_rx.c (receive), net_ctrl.c (control queue) and net_state.c (save
 * and load) need of each other. main.c and the tests see net_ops.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_NET_NET_H
#define BULKHEAD_DEVICE_WORKERS_NET_NET_H

#include "device-workers/lib/device.h"
#include "device-workers/lib/limit.h"
#include "device-workers/net/backend.h"
#include "device-workers/net/net_filter.h"
#include "device-workers/net/net_hdr.h"

#define NET_MAX_PAIRS FD_BACKEND_COUNT

/* Header, Ethernet header with a VLAN tag, and the largest IP packet. */
#define NET_FRAME_MAX (NET_HDR_SIZE + 18u + 65535u)
/*
 * Frames of up to so many bytes, header too (one of 1500 with a VLAN tag is), are
 * copied before they are sent, so many at a time.
 */
#define NET_COPY_MAX 2048u
#define NET_STAGE 16u
/* Receive buffers that one frame may be spread over. */
#define NET_MERGE_MAX 64u

struct net_pair {
	int fd;			/* tap queue, or socket */
	void *priv;		/* the back end's own */
	uint32_t watched;	/* events */
	bool gone;		/* the back end is: nothing comes, nothing goes */
	uint32_t held;		/* bytes of frame, read and not yet delivered */
	/* What a receive buffer had no room for, at its place in the frame. */
	uint8_t frame[NET_FRAME_MAX + 1];
};

/* A frame to send, as it goes out: a copy, with its header checked. */
struct net_staged {
	union {
		struct net_hdr hdr;
		uint8_t frame[NET_COPY_MAX];
	};
	uint32_t len;		/* header too */
};

struct net {
	const struct net_backend *backend;
	uint64_t *counters;	/* the device's */
	unsigned int npairs;	/* there are */
	unsigned int active;	/* the driver uses */
	struct device_limit tx_rate, rx_rate;	/* of all pairs together */
	uint8_t mac[6];		/* the configured one: after a reset, too */
	bool mac_fixed;		/* the host lets no other through */
	uint32_t frame_max;	/* bytes of an unsegmented frame, header too */
	uint64_t offloads;	/* of the driver's, in force: GUEST_ features */
	struct net_filter filter;
	bool loaded;		/* by net_load: activate keeps what it set */
	struct net_pair pair[NET_MAX_PAIRS];
	struct virtq_chain chain;			/* transmit, control */
	unsigned int nstaged;	/* 0 between two calls */
	struct net_staged staged[NET_STAGE];
	struct virtq_chain rx[NET_MERGE_MAX];
	uint32_t written[NET_MERGE_MAX];
	struct iovec iov[VIRTQ_MAX_SEGS + 1];
};

/* 5.1.4 */
struct net_config_space {
	uint8_t mac[6];
	uint16_t status;
	uint16_t max_virtqueue_pairs;
	uint16_t mtu;
};

#define NET_S_LINK_UP 1u
#define NET_S_ANNOUNCE 2u

extern const struct device_ops net_ops;

static inline bool
net_has(const struct device *dev, unsigned int feature)
{
	return (dev->driver_features >> feature & 1) != 0;
}

/* Set and clear NET_S_ bits of the status, and tell the driver of a change. */
void net_set_status(struct device *dev, uint16_t set, uint16_t clear);

/* The device's address is @mac from now on. */
void net_set_mac(struct device *dev, const uint8_t mac[6]);

/* @active queue pairs are in use. */
void net_set_active(struct device *dev, unsigned int active);

/* Have the back end do n->offloads on the pairs in use. */
void net_apply_offloads(struct device *dev);

/* Carry out the control command in n->chain. Returns the bytes written. */
uint32_t net_control(struct device *dev);

/* As device_ops has them. */
size_t net_save(struct device *dev, uint8_t *buf, size_t size);
int net_load(struct device *dev, uint32_t version, const uint8_t *buf,
    size_t len);

/* Move frames of pair @i to the driver until there is none, no buffer is left,
 * or others should have their turn. */
void net_receive(struct device *dev, unsigned int i);

/* Wait for what the back end of pair @i has to send, and for frames if @frames. */
void net_watch(struct device *dev, unsigned int i, bool frames);

/* Stop waiting for frames of pair @i. */
void net_rx_quiet(struct device *dev, unsigned int i);

/* The back end answered -@err. True: it is gone, said once, the link is down. */
bool net_backend_gone(struct device *dev, unsigned int i, int err);

#endif
