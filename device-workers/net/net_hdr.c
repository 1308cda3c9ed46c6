// SPDX-License-Identifier: Apache-2.0
/* Checks of headers, see net_hdr.h. No state, no I/O. */
#include <endian.h>
#include <linux/if_tun.h>
#include <stddef.h>
#include <string.h>

#include "device-workers/net/net_hdr.h"

_Static_assert(sizeof(struct net_hdr) == NET_HDR_SIZE, "as on the wire");
_Static_assert(offsetof(struct net_hdr, num_buffers) == NET_HDR_NUM_BUFFERS,
    "as on the wire");

#define BIT(n) (1ull << (n))

/* Linux 6.2; a tap takes both or none. */
#define TUN_F_USO4 0x20u
#define TUN_F_USO6 0x40u
#define TUN_F_USO (TUN_F_USO4 | TUN_F_USO6)

/* A tap's offload, and the features that rest on it, for each direction. */
static const struct {
	uint32_t tun;
	uint8_t guest, host;
	uint8_t gso;
} offloads[] = {
	{ TUN_F_CSUM, VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_CSUM, NET_GSO_NONE },
	{ TUN_F_TSO4, VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_HOST_TSO4,
	  NET_GSO_TCPV4 },
	{ TUN_F_TSO6, VIRTIO_NET_F_GUEST_TSO6, VIRTIO_NET_F_HOST_TSO6,
	  NET_GSO_TCPV6 },
	{ TUN_F_TSO_ECN, VIRTIO_NET_F_GUEST_ECN, VIRTIO_NET_F_HOST_ECN,
	  NET_GSO_ECN },
	{ TUN_F_UFO, VIRTIO_NET_F_GUEST_UFO, VIRTIO_NET_F_HOST_UFO, NET_GSO_UDP },
	{ TUN_F_USO4, VIRTIO_NET_F_GUEST_USO4, VIRTIO_NET_F_HOST_USO,
	  NET_GSO_UDP_L4 },
	{ TUN_F_USO6, VIRTIO_NET_F_GUEST_USO6, VIRTIO_NET_F_HOST_USO,
	  NET_GSO_UDP_L4 },
};

#define NOFFLOADS (sizeof(offloads) / sizeof(offloads[0]))

uint64_t
net_features_of(uint32_t tap_offloads)
{
	uint64_t features = 0;

	/* 5.1.3.1: all others require the checksum ones. */
	if ((tap_offloads & TUN_F_CSUM) == 0)
		return 0;
	/* ... and ECN one of the TSOs. */
	if ((tap_offloads & (TUN_F_TSO4 | TUN_F_TSO6)) == 0)
		tap_offloads &= ~(uint32_t)TUN_F_TSO_ECN;
	if ((tap_offloads & TUN_F_USO) != TUN_F_USO)
		tap_offloads &= ~TUN_F_USO;
	for (size_t i = 0; i < NOFFLOADS; i++) {
		if ((tap_offloads & offloads[i].tun) != 0)
			features |= BIT(offloads[i].guest) |
			    BIT(offloads[i].host);
	}
	return features;
}

uint32_t
net_offloads_of(uint64_t features)
{
	uint32_t tun = 0;

	if ((features & BIT(VIRTIO_NET_F_GUEST_CSUM)) == 0)
		return 0;
	for (size_t i = 0; i < NOFFLOADS; i++) {
		if ((features & BIT(offloads[i].guest)) != 0)
			tun |= offloads[i].tun;
	}
	/* The tap refuses ECN without a TSO (EINVAL), and all the rest with it. */
	if ((tun & (TUN_F_TSO4 | TUN_F_TSO6)) == 0)
		tun &= ~(uint32_t)TUN_F_TSO_ECN;
	if ((tun & TUN_F_USO) != TUN_F_USO)
		tun &= ~TUN_F_USO;
	return tun;
}

uint64_t
net_guest_offloads(uint64_t features)
{
	uint64_t guest = 0;

	for (size_t i = 0; i < NOFFLOADS; i++)
		guest |= features & BIT(offloads[i].guest);
	return guest;
}

static bool
gso_negotiated(uint8_t type, uint64_t features)
{
	uint8_t base = type & (uint8_t)~NET_GSO_ECN;

	if ((type & NET_GSO_ECN) != 0 &&
	    ((features & BIT(VIRTIO_NET_F_HOST_ECN)) == 0 ||
	    (base != NET_GSO_TCPV4 && base != NET_GSO_TCPV6)))
		return false;
	for (size_t i = 0; i < NOFFLOADS; i++) {
		if (offloads[i].gso == base && base != NET_GSO_NONE)
			return (features & BIT(offloads[i].host)) != 0;
	}
	return false;
}

bool
net_check_tx(struct net_hdr *hdr, uint64_t len, uint64_t features)
{
	uint32_t csum_end;

	/* 5.1.6.2.1: the other flags are the device's; num_buffers is unused. */
	hdr->flags &= NET_HDR_F_NEEDS_CSUM;
	hdr->num_buffers = 0;
	if (len < NET_ETH_HLEN)
		return false;
	if (hdr->flags != 0) {
		csum_end = (uint32_t)le16toh(hdr->csum_start) +
		    le16toh(hdr->csum_offset) + 2u;
		if ((features & BIT(VIRTIO_NET_F_CSUM)) == 0 || csum_end > len)
			return false;
	} else {
		hdr->csum_start = hdr->csum_offset = 0;
	}
	if (hdr->gso_type == NET_GSO_NONE) {
		hdr->hdr_len = hdr->gso_size = 0;
		return true;
	}
	/* A segment needs a checksum of its own, so GSO needs the flag. */
	return hdr->flags != 0 && hdr->gso_size != 0 &&
	    le16toh(hdr->hdr_len) <= len &&
	    gso_negotiated(hdr->gso_type, features);
}
