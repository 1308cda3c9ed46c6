/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header before each frame (virtio 1.2, 5.1.6), checked in a private copy, and
 * the offloads that it can ask for. Pure.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_NET_NET_HDR_H
#define BULKHEAD_DEVICE_WORKERS_NET_NET_HDR_H

#include <stdbool.h>
#include <stdint.h>

#define VIRTIO_NET_F_CSUM 0
#define VIRTIO_NET_F_GUEST_CSUM 1
#define VIRTIO_NET_F_CTRL_GUEST_OFFLOADS 2
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
#define VIRTIO_NET_F_CTRL_RX 18
#define VIRTIO_NET_F_CTRL_RX_EXTRA 20
#define VIRTIO_NET_F_GUEST_ANNOUNCE 21
#define VIRTIO_NET_F_MQ 22
#define VIRTIO_NET_F_CTRL_MAC_ADDR 23
#define VIRTIO_NET_F_GUEST_USO4 54	/* USO: virtio 1.3 */
#define VIRTIO_NET_F_GUEST_USO6 55
#define VIRTIO_NET_F_HOST_USO 56

#define NET_HDR_SIZE 12u
#define NET_HDR_FLAGS 0u	/* offsets of fields */
#define NET_HDR_GSO_TYPE 1u
#define NET_HDR_NUM_BUFFERS 10u
#define NET_ETH_HLEN 14u
#define NET_VLAN_HLEN 4u

#define NET_HDR_F_NEEDS_CSUM 1
#define NET_GSO_NONE 0
#define NET_GSO_TCPV4 1
#define NET_GSO_UDP 3
#define NET_GSO_TCPV6 4
#define NET_GSO_UDP_L4 5	/* USO */
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

/* Those of @features that are about what may be left to the driver. */
uint64_t net_guest_offloads(uint64_t features);

/*
 * Is @hdr, from the driver, something that it may ask for a frame of @len bytes
 * (without header) with @features? Fields without meaning are zeroed.
 */
bool net_check_tx(struct net_hdr *hdr, uint64_t len, uint64_t features);

#endif
