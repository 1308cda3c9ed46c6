/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header before each frame (virtio 1.2, 5.1.6) and commands of the control
 * queue (5.1.6.5), checked in private copies. Pure.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_NET_NET_HDR_H
#define BULKHEAD_DEVICE_WORKERS_NET_NET_HDR_H

#include <stdbool.h>
#include <stdint.h>

#define VIRTIO_NET_F_CSUM 0
#define VIRTIO_NET_F_GUEST_CSUM 1
#define VIRTIO_NET_F_MTU 3
#define VIRTIO_NET_F_MAC 5
#define VIRTIO_NET_F_GUEST_TSO4 7
#define VIRTIO_NET_F_GUEST_TSO6 8
#define VIRTIO_NET_F_GUEST_ECN 9
#define VIRTIO_NET_F_GUEST_UFO 10
#define VIRTIO_NET_F_HOST_TSO4 11
#define VIRTIO_NET_F_HOST_TSO6 12
#define VIRTIO_NET_F_HOST_ECN 13
#define VIRTIO_NET_F_HOST_UFO 14
#define VIRTIO_NET_F_MRG_RXBUF 15
#define VIRTIO_NET_F_STATUS 16
#define VIRTIO_NET_F_CTRL_VQ 17
#define VIRTIO_NET_F_MQ 22

#define NET_HDR_SIZE 12u
#define NET_HDR_NUM_BUFFERS 10u	/* offset of the field */
#define NET_ETH_HLEN 14u

#define NET_HDR_F_NEEDS_CSUM 1
#define NET_GSO_NONE 0
#define NET_GSO_TCPV4 1
#define NET_GSO_UDP 3
#define NET_GSO_TCPV6 4
#define NET_GSO_ECN 0x80

struct net_hdr {		/* little endian */
	uint8_t flags;
	uint8_t gso_type;
	uint16_t hdr_len;
	uint16_t gso_size;
	uint16_t csum_start;
	uint16_t csum_offset;
	uint16_t num_buffers;
};

/* Features to offer for the TUN_F_ bits that a tap accepts. */
uint64_t net_features_of(uint32_t tap_offloads);

/* TUN_F_ bits: what the tap may leave to a driver with @features. */
uint32_t net_offloads_of(uint64_t features);

/*
 * Is @hdr, from the driver, something that it may ask for a frame of @len bytes
 * (without header) with @features? Fields without meaning are zeroed.
 */
bool net_check_tx(struct net_hdr *hdr, uint64_t len, uint64_t features);

/*
 * Carry out nothing, but say what a control command is: the number of queue
 * pairs that it sets, 1 to @max, or 0: refuse.
 */
unsigned int net_check_ctrl(const uint8_t *cmd, uint64_t len, unsigned int max);

#endif
