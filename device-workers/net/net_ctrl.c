// SPDX-License-Identifier: Apache-2.0
/*
 * The control queue (virtio 1.2, 5.1.6.5): a table of commands, each with the
 * feature that it needs and the length of its data. Called by net.c. A command
 * that is not known, not negotiated or malformed is answered VIRTIO_NET_ERR and
 * changes nothing.
 */
#include <endian.h>
#include <string.h>

#include "device-workers/net/net.h"

#define CTRL_HEADER 2u		/* class and command */
#define ANY_LENGTH UINT64_MAX

#define CTRL_OK 0
#define CTRL_ERR 1

/* Its data: the first bytes of it, in a private copy. */
struct command {
	uint8_t class, number;
	uint64_t len;		/* of all data */
	size_t have;		/* of that in data[] */
	uint8_t data[NET_FILTER_DATA];
};

static bool
set_rx_mode(struct device *dev, const struct command *c)
{
	struct net *n = dev->priv;
	uint8_t bit = (uint8_t)(1u << c->number);

	if (c->data[0] > 1)
		return false;
	n->filter.modes = (uint8_t)(c->data[0] != 0 ? n->filter.modes | bit :
	    n->filter.modes & ~bit);
	return true;
}

static bool
set_mac_table(struct device *dev, const struct command *c)
{
	struct net *n = dev->priv;

	return net_filter_set_table(&n->filter, c->data, c->have, c->len);
}

static bool
set_mac(struct device *dev, const struct command *c)
{
	struct net *n = dev->priv;

	/* Better said here than by frames that vanish in the host. */
	if ((c->data[0] & 1) != 0 ||
	    (n->mac_fixed && memcmp(c->data, n->mac, sizeof(n->mac)) != 0))
		return false;
	net_set_mac(dev, c->data);
	return true;
}

/* 5.1.6.5.4: the driver has told the network where it is. */
static bool
announced(struct device *dev, const struct command *c)
{
	(void)c;
	net_set_status(dev, 0, NET_S_ANNOUNCE);
	return true;
}

static bool
set_pairs(struct device *dev, const struct command *c)
{
	struct net *n = dev->priv;
	uint16_t pairs;

	memcpy(&pairs, c->data, sizeof(pairs));
	pairs = le16toh(pairs);
	if (pairs < 1 || pairs > n->npairs)
		return false;
	net_set_active(dev, pairs);
	net_apply_offloads(dev);
	return true;
}

static bool
set_offloads(struct device *dev, const struct command *c)
{
	struct net *n = dev->priv;
	uint64_t offloads;

	memcpy(&offloads, c->data, sizeof(offloads));
	offloads = le64toh(offloads);
	/* 5.1.6.5.6.2: none that was not negotiated. */
	if ((offloads & ~net_guest_offloads(dev->driver_features)) != 0)
		return false;
	n->offloads = offloads;
	net_apply_offloads(dev);
	return true;
}

static const struct {
	uint8_t class;
	uint8_t first, last;	/* command numbers */
	uint8_t feature;
	uint64_t len;		/* of the data */
	bool (*run)(struct device *dev, const struct command *c);
} commands[] = {
	{ 0, NET_RX_PROMISC, NET_RX_ALLMULTI, VIRTIO_NET_F_CTRL_RX, 1,
	  set_rx_mode },
	{ 0, NET_RX_ALLUNI, NET_RX_NOBCAST, VIRTIO_NET_F_CTRL_RX_EXTRA, 1,
	  set_rx_mode },
	{ 1, 0, 0, VIRTIO_NET_F_CTRL_RX, ANY_LENGTH, set_mac_table },
	{ 1, 1, 1, VIRTIO_NET_F_CTRL_MAC_ADDR, 6, set_mac },
	{ 3, 0, 0, VIRTIO_NET_F_GUEST_ANNOUNCE, 0, announced },
	{ 4, 0, 0, VIRTIO_NET_F_MQ, 2, set_pairs },
	{ 5, 0, 0, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS, 8, set_offloads },
};

static bool
run(struct device *dev, const struct command *c)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (c->class == commands[i].class &&
		    c->number >= commands[i].first &&
		    c->number <= commands[i].last)
			return net_has(dev, commands[i].feature) &&
			    (commands[i].len == ANY_LENGTH ||
			    commands[i].len == c->len) &&
			    commands[i].run(dev, c);
	return false;
}

uint32_t
net_control(struct device *dev)
{
	struct net *n = dev->priv;
	uint8_t header[CTRL_HEADER];
	uint8_t ack = CTRL_ERR;
	struct command c = { 0 };

	if (n->chain.write_len < sizeof(ack)) {
		device_needs_reset(dev, "net: control command without a status");
		return 0;
	}
	if (virtq_copy_out_of(&n->chain, 0, header, sizeof(header)) ==
	    sizeof(header)) {
		c.class = header[0];
		c.number = header[1];
		c.len = n->chain.read_len - CTRL_HEADER;
		c.have = (size_t)virtq_copy_out_of(&n->chain, CTRL_HEADER,
		    c.data, sizeof(c.data));
		if (run(dev, &c))
			ack = CTRL_OK;
	}
	return (uint32_t)virtq_copy_into(&n->chain, 0, &ack, sizeof(ack));
}
