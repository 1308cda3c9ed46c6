/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which received frames are for the driver (virtio 1.2, 5.1.6.5.1, 5.1.6.5.2),
 * by their destination: receive modes and the table of addresses. Pure.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_NET_NET_FILTER_H
#define BULKHEAD_DEVICE_WORKERS_NET_NET_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NET_FILTER_MACS 64u	/* in the table; of more, all pass */

/* Receive modes: a bit each, by the commands' numbers (5.1.6.5.1). */
enum net_rx_mode {
	NET_RX_PROMISC,
	NET_RX_ALLMULTI,
	NET_RX_ALLUNI,
	NET_RX_NOMULTI,
	NET_RX_NOUNI,
	NET_RX_NOBCAST,
	NET_RX_MODES
};

struct net_filter {
	bool on;		/* VIRTIO_NET_F_CTRL_RX: the driver sets it */
	bool all_unicast, all_multicast;	/* the table was too small */
	uint8_t modes;		/* 1 << enum net_rx_mode */
	uint8_t mac[6];		/* the device's own */
	uint8_t nunicast, nmulticast;
	uint8_t table[NET_FILTER_MACS][6];	/* unicast ones first */
};

/* As after a reset: no mode is on, the table is empty. */
void net_filter_reset(struct net_filter *f, const uint8_t mac[6]);

/*
 * Fill the table from the data of VIRTIO_NET_CTRL_MAC_TABLE_SET: a list of
 * unicast and one of multicast addresses, each behind its length in le32. False,
 * and nothing changes, where @len does not fit them exactly. Of @data no more
 * than @have bytes are there: what follows those is too many addresses anyway.
 */
bool net_filter_set_table(struct net_filter *f, const uint8_t *data,
    size_t have, uint64_t len);

/* Bytes of the largest table that is kept address by address. */
#define NET_FILTER_DATA (8u + NET_FILTER_MACS * 6u)

/* Is a frame to @to for the driver? */
bool net_filter_wants(const struct net_filter *f, const uint8_t to[6]);

#endif
