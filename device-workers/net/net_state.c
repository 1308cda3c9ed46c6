// SPDX-License-Identifier: Apache-2.0
/*
 * The device's own part of DeviceState, versions 1 and 2: what the driver set by control
 * commands. Called by the worker library. A frame between tap and ring may be
 * lost. What is loaded is checked as if the guest had written it.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "device-workers/net/net.h"

struct state {			/* little endian */
	uint64_t offloads;	/* GUEST_ features in force */
	uint8_t active;		/* queue pairs */
	uint8_t modes;		/* of struct net_filter, as the rest */
	uint8_t all;		/* bit 0: unicast, 1: multicast */
	uint8_t nunicast, nmulticast;
	uint8_t mac[6];
	uint8_t reserved[5];
	uint8_t table[NET_FILTER_MACS][6];
};

_Static_assert(sizeof(struct state) == 24 + 6 * NET_FILTER_MACS, "no holes");
_Static_assert(sizeof(struct state) <= DEVICE_MAX_STATE, "fits");

size_t
net_save(struct device *dev, uint8_t *buf, size_t size)
{
	const struct net *n = dev->priv;
	const struct net_filter *f = &n->filter;
	struct state s = {
		.offloads = htole64(n->offloads), .active = (uint8_t)n->active,
		.modes = f->modes, .nunicast = f->nunicast,
		.nmulticast = f->nmulticast,
		.all = (uint8_t)((f->all_unicast ? 1 : 0) |
		    (f->all_multicast ? 2 : 0)),
	};

	if (size < sizeof(s))
		return 0;
	memcpy(s.mac, f->mac, sizeof(s.mac));
	memcpy(s.table, f->table, sizeof(s.table));
	memcpy(buf, &s, sizeof(s));
	return sizeof(s);
}

int
net_load(struct device *dev, uint32_t version, const uint8_t *buf, size_t len)
{
	static const uint8_t zero[sizeof(((struct state *)0)->reserved)];
	struct net *n = dev->priv;
	struct net_filter *f = &n->filter;
	struct state s;

	if (version < 1 || version > 2 || len != sizeof(s))
		return -EINVAL;
	memcpy(&s, buf, sizeof(s));
	if (s.active < 1 || s.active > n->npairs ||
	    s.modes >> NET_RX_MODES != 0 || s.all > 3 ||
	    s.nunicast + s.nmulticast > (int)NET_FILTER_MACS ||
	    memcmp(s.reserved, zero, sizeof(zero)) != 0 ||
	    (s.mac[0] & 1) != 0 ||
	    (n->mac_fixed && memcmp(s.mac, n->mac, sizeof(n->mac)) != 0))
		return -EINVAL;
	f->modes = s.modes;
	f->all_unicast = (s.all & 1) != 0;
	f->all_multicast = (s.all & 2) != 0;
	f->nunicast = s.nunicast;
	f->nmulticast = s.nmulticast;
	memcpy(f->table, s.table, sizeof(f->table));
	net_set_mac(dev, s.mac);
	n->offloads = le64toh(s.offloads);
	n->loaded = true;
	net_set_active(dev, s.active);
	return 0;
}
