// SPDX-License-Identifier: Apache-2.0
/* Receive filtering, see net_filter.h. No state of its own, no I/O. */
#include <endian.h>
#include <string.h>

#include "device-workers/net/net_filter.h"

#define MAC_LEN 6u

void
net_filter_reset(struct net_filter *f, const uint8_t mac[6])
{
	memset(f, 0, sizeof(*f));
	memcpy(f->mac, mac, MAC_LEN);
}

/* The le32 at @at of @data, if it is there. */
static bool
count_at(const uint8_t *data, size_t have, uint64_t at, uint32_t *count)
{
	if (have < sizeof(*count) || at > have - sizeof(*count))
		return false;
	memcpy(count, data + at, sizeof(*count));
	*count = le32toh(*count);
	return true;
}

/* Keep @count addresses at @data, if there is room for all. */
static bool
keep(struct net_filter *f, uint32_t count, const uint8_t *data, size_t have)
{
	unsigned int first = (unsigned int)f->nunicast + f->nmulticast;

	if (count > NET_FILTER_MACS - first ||
	    (size_t)count * MAC_LEN > have)
		return false;
	memcpy(f->table[first], data, (size_t)count * MAC_LEN);
	return true;
}

bool
net_filter_set_table(struct net_filter *f, const uint8_t *data, size_t have,
    uint64_t len)
{
	struct net_filter new = *f;
	uint64_t second, end;
	uint32_t unicast, multicast;

	if (!count_at(data, have, 0, &unicast))
		return false;
	second = 4 + (uint64_t)unicast * MAC_LEN;
	new.nunicast = new.nmulticast = 0;
	new.all_unicast = new.all_multicast = false;
	if (!count_at(data, have, second, &multicast)) {
		/* So many that their end was not fetched: all may pass. */
		if (have == len || second > len || len - second < 4)
			return false;
		new.all_unicast = new.all_multicast = true;
		*f = new;
		return true;
	}
	end = second + 4 + (uint64_t)multicast * MAC_LEN;
	if (end != len)
		return false;
	if (keep(&new, unicast, data + 4, have - 4))
		new.nunicast = (uint8_t)unicast;
	else
		new.all_unicast = true;
	if (keep(&new, multicast, data + second + 4, have - second - 4))
		new.nmulticast = (uint8_t)multicast;
	else
		new.all_multicast = true;
	*f = new;
	return true;
}

static bool
mode(const struct net_filter *f, enum net_rx_mode m)
{
	return (f->modes >> m & 1) != 0;
}

static bool
listed(const struct net_filter *f, unsigned int first, unsigned int count,
    const uint8_t to[6])
{
	for (unsigned int i = first; i < first + count; i++)
		if (memcmp(f->table[i], to, MAC_LEN) == 0)
			return true;
	return false;
}

bool
net_filter_wants(const struct net_filter *f, const uint8_t to[6])
{
	static const uint8_t broadcast[6] = { 255, 255, 255, 255, 255, 255 };

	if (!f->on || mode(f, NET_RX_PROMISC))
		return true;
	if (memcmp(to, broadcast, MAC_LEN) == 0)
		return !mode(f, NET_RX_NOBCAST);
	if ((to[0] & 1) != 0)
		return !mode(f, NET_RX_NOMULTI) && (mode(f, NET_RX_ALLMULTI) ||
		    f->all_multicast ||
		    listed(f, f->nunicast, f->nmulticast, to));
	return !mode(f, NET_RX_NOUNI) && (mode(f, NET_RX_ALLUNI) ||
	    f->all_unicast || memcmp(to, f->mac, MAC_LEN) == 0 ||
	    listed(f, 0, f->nunicast, to));
}
