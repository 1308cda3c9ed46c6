// SPDX-License-Identifier: Apache-2.0
/*
 * virtio-net (virtio 1.2, 5.1): features, configuration and transmit. Called by
 * the worker library; receive is in net_rx.c, the control queue in net_ctrl.c,
 * what a driver may say in a header in net_hdr.c, back ends behind backend.h.
 *
 * Queues: 2i receives and 2i+1 transmits on the back end at FD_BACKEND + i;
 * after them the control queue. Never waits: a frame that the back end does not
 * take at once is dropped, as a card's is whose cable is full; it only happens
 * when the host is out of memory for it.
 */
#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "device-workers/net/net.h"
#include "ipc/log.h"

#define VIRTIO_ID_NET 1
#define TX_BATCH 128u

_Static_assert(sizeof(struct net_config_space) == 12, "as in 5.1.4");

void
net_set_status(struct device *dev, uint16_t set, uint16_t clear)
{
	uint8_t *at = dev->config + offsetof(struct net_config_space, status);
	uint16_t old, new;

	memcpy(&old, at, sizeof(old));
	new = htole16((uint16_t)((le16toh(old) & ~clear) | set));
	if (new == old)
		return;
	memcpy(at, &new, sizeof(new));
	device_config_changed(dev);
}

void
net_set_mac(struct device *dev, const uint8_t mac[6])
{
	struct net *n = dev->priv;

	memcpy(n->filter.mac, mac, sizeof(n->filter.mac));
	if (memcmp(dev->config, mac, sizeof(n->filter.mac)) == 0)
		return;
	memcpy(dev->config, mac, sizeof(n->filter.mac));
	device_config_changed(dev);
}

/* Let the kernel steer flows to the first @active queues only. */
void
net_set_active(struct device *dev, unsigned int active)
{
	struct net *n = dev->priv;
	unsigned int old = n->active;

	n->active = active;
	for (unsigned int i = 1; i < n->npairs; i++) {
		int err;

		/*
		 * A detached queue is in error for epoll until it is attached.
		 * EINVAL: it already is what it should be (a tap that does not
		 * know of it steers to queues that nobody reads: not ours to
		 * mend).
		 */
		if (i >= active)
			net_rx_quiet(dev, i);
		err = n->backend->set_attached(&n->pair[i], i < active);
		if (err != 0 && err != -EINVAL)
			net_backend_gone(dev, i, -err);
	}
	for (unsigned int i = old; i < active; i++)
		net_receive(dev, i);
}

void
net_apply_offloads(struct device *dev)
{
	struct net *n = dev->priv;
	uint32_t offloads = net_offloads_of(n->offloads);

	/* Of a tap one fd would do; of a macvtap each queue has its own. */
	for (unsigned int i = 0; i < n->active; i++) {
		int err = n->backend->set_offloads(&n->pair[i], offloads);

		if (err != 0 && !net_backend_gone(dev, i, -err))
			log_guest("net: offloads: %s", log_errname(-err));
	}
}

static int
check_config(const Bh__NetConfig *c, const char **why)
{
	if (c->mac.len != 6 || (c->mac.data[0] & 1) != 0)
		*why = "not the MAC address of one station";
	else if (c->queue_pairs < 1 || c->queue_pairs > NET_MAX_PAIRS)
		*why = "number of queue pairs is not 1 to 8";
	else if (c->queue_size < 2 || c->queue_size > VIRTQ_MAX_SIZE ||
	    (c->queue_size & (c->queue_size - 1)) != 0)
		*why = "queue size is not a power of two from 2 to 1024";
	else if (c->mtu != 0 && (c->mtu < 68 || c->mtu > 65535))
		*why = "MTU is not 68 to 65535";
	else
		return 0;
	return -EINVAL;
}

#define FEATURE(name) (1ull << VIRTIO_NET_F_##name)

static uint64_t
features_of(const Bh__NetConfig *c, unsigned int npairs)
{
	uint64_t features = net_features_of(c->tap_offloads) | FEATURE(MAC) |
	    FEATURE(STATUS) | FEATURE(MRG_RXBUF);

	if (c->mtu != 0)
		features |= FEATURE(MTU);
	/* 5.1.3.1: the rest are commands. */
	if (c->no_control)
		return features;
	features |= FEATURE(CTRL_VQ) | FEATURE(CTRL_RX) |
	    FEATURE(CTRL_RX_EXTRA) | FEATURE(CTRL_MAC_ADDR) |
	    FEATURE(GUEST_ANNOUNCE);
	if (net_guest_offloads(features) != 0)
		features |= FEATURE(CTRL_GUEST_OFFLOADS);
	if (npairs > 1)
		features |= FEATURE(MQ);
	return features;
}

static int
net_start(struct device *dev, const Bh__DeviceConfig *config, const char **why)
{
	const Bh__NetConfig *c = config->net;
	struct net_config_space space = { .status = htole16(NET_S_LINK_UP) };
	struct net *n;
	int err;

	err = check_config(c, why);
	if (err != 0)
		return err;
	n = calloc(1, sizeof(*n));
	if (n == NULL) {
		*why = "no memory";
		return -ENOMEM;
	}
	dev->priv = n;
	n->counters = dev->counters;
	n->backend = net_backend_of(c->backend);
	if (n->backend == NULL) {
		*why = "no such back end here";
		return -ENOTSUP;
	}
	n->npairs = c->queue_pairs;
	for (unsigned int i = 0; i < n->npairs; i++) {
		n->pair[i].fd = FD_BACKEND + (int)i;
		err = n->backend->start(&n->pair[i], why);
		if (err != 0)
			return err;
	}

	err = device_limit_start(dev, &n->tx_rate, c->rate_limit, why);
	if (err == 0)
		err = device_limit_start(dev, &n->rx_rate, c->rate_limit, why);
	if (err != 0)
		return err;
	dev->virtio_id = VIRTIO_ID_NET;
	dev->features = features_of(c, n->npairs);
	dev->nqueues = 2 * n->npairs + (c->no_control ? 0 : 1);
	for (unsigned int q = 0; q < dev->nqueues; q++)
		dev->queue_max[q] = (uint16_t)c->queue_size;
	memcpy(n->mac, c->mac.data, sizeof(n->mac));
	n->mac_fixed = c->mac_fixed;
	n->frame_max = c->mtu == 0 ? NET_FRAME_MAX :
	    NET_HDR_SIZE + NET_ETH_HLEN + NET_VLAN_HLEN + c->mtu;
	net_filter_reset(&n->filter, n->mac);
	memcpy(space.mac, n->mac, sizeof(space.mac));
	space.max_virtqueue_pairs = htole16((uint16_t)n->npairs);
	space.mtu = htole16((uint16_t)c->mtu);
	memcpy(dev->config, &space, sizeof(space));
	dev->config_size = sizeof(space);
	n->active = 1;
	net_set_active(dev, 1);
	return 0;
}

static void
net_activate(struct device *dev)
{
	struct net *n = dev->priv;
	uint64_t understood = net_guest_offloads(dev->driver_features);

	/*
	 * Only now is it known what the driver understands of unfinished
	 * checksums and segments. 5.1.6.5.6: all of it is on until it says else.
	 */
	n->offloads = n->loaded ? n->offloads & understood : understood;
	n->filter.on = net_has(dev, VIRTIO_NET_F_CTRL_RX);
	net_apply_offloads(dev);
	/* The guest may be at another place of the network now (5.1.6.5.4). */
	if (n->loaded && net_has(dev, VIRTIO_NET_F_GUEST_ANNOUNCE))
		net_set_status(dev, NET_S_ANNOUNCE, 0);
	n->loaded = false;
	for (unsigned int i = 0; i < n->active; i++)
		net_receive(dev, i);
}

/* The part of the readable segments after the header, behind iov[0]. */
static unsigned int
frame_iov(struct net *n)
{
	const struct virtq_chain *c = &n->chain;
	size_t skip = NET_HDR_SIZE;
	unsigned int used = 1;

	for (unsigned int i = 0; i < c->nread; i++) {
		if (skip >= c->iov[i].iov_len) {
			skip -= c->iov[i].iov_len;
			continue;
		}
		n->iov[used].iov_base = (uint8_t *)c->iov[i].iov_base + skip;
		n->iov[used].iov_len = c->iov[i].iov_len - skip;
		used++;
		skip = 0;
	}
	return used;
}

/* Hand n->iov to the back end. False: it has to wait. */
static bool
send_now(struct device *dev, unsigned int i, unsigned int niov)
{
	struct net *n = dev->priv;
	struct net_pair *p = &n->pair[i];
	ssize_t len = n->backend->send(p, n->iov, niov);

	if (n->backend->events != NULL)
		net_watch(dev, i, (p->watched & EPOLLIN) != 0);
	if (len == -ENOBUFS)
		return false;
	if (len >= 0) {
		counter_add(n->counters, NET_COUNT_TX_BYTES,
		    n->chain.read_len - NET_HDR_SIZE);
		counter_add(n->counters, NET_COUNT_TX_FRAMES, 1);
	}
	if (len < 0 && len != -EAGAIN && !net_backend_gone(dev, i, (int)-len))
		log_guest("net: sending to the %s: %s", n->backend->name,
		    log_errname((int)-len));
	return true;
}

/* The staged frames go out. */
static void
send_staged(struct device *dev, unsigned int i)
{
	struct net *n = dev->priv;

	for (unsigned int k = 0; k < n->nstaged && !n->pair[i].gone; k++) {
		n->iov[0].iov_base = n->staged[k].frame;
		n->iov[0].iov_len = n->staged[k].len;
		(void)send_now(dev, i, 1);
	}
	n->nstaged = 0;
}

/*
 * Send n->chain, or drop it: 5.1.6.2 has no way to tell the driver. False: it
 * has to wait.
 *
 * A small frame is staged: copied for less than what a second segment costs the
 * kernel, and sent after some more, since each of the two, we and the kernel, runs
 * faster several times in a row. A back end that may have a frame wait gets one at
 * a time, since what is staged does not go back to the ring.
 */
static bool
transmit(struct device *dev, unsigned int i)
{
	struct net *n = dev->priv;
	struct net_staged *s = &n->staged[n->nstaged];
	const uint64_t len = n->chain.read_len;
	const bool stage = len <= sizeof(s->frame) && n->backend->events == NULL;

	if (n->pair[i].gone || i >= n->active || len < sizeof(s->hdr) ||
	    len > NET_FRAME_MAX)
		return true;
	/* The checked copy goes out, not what the driver has there by now. */
	virtq_copy_out_of(&n->chain, 0, s->frame, stage ? len : sizeof(s->hdr));
	if (!net_check_tx(&s->hdr, len - sizeof(s->hdr), dev->driver_features))
		return true;
	if (stage) {
		s->len = (uint32_t)len;
		if (++n->nstaged == NET_STAGE)
			send_staged(dev, i);
		return true;
	}
	send_staged(dev, i);	/* those before it; not where this one is */
	n->iov[0].iov_base = &s->hdr;
	n->iov[0].iov_len = sizeof(s->hdr);
	return send_now(dev, i, frame_iov(n));
}

/* 5.1.2: without MQ the control queue is the third one. */
static unsigned int
ctrl_queue(const struct device *dev)
{
	const struct net *n = dev->priv;

	if (!net_has(dev, VIRTIO_NET_F_CTRL_VQ))
		return DEVICE_MAX_QUEUES;
	return net_has(dev, VIRTIO_NET_F_MQ) ? 2 * n->npairs : 2;
}

/* Send n->chain, of transmit queue @q, if it may go now. */
static bool
transmit_now(struct device *dev, unsigned int q)
{
	struct net *n = dev->priv;
	uint64_t len = n->chain.read_len;

	if (!device_limit_open(dev, &n->tx_rate, q) || !transmit(dev, q / 2))
		return false;
	len = len > NET_HDR_SIZE ? len - NET_HDR_SIZE : 0;
	device_limit_spend(&n->tx_rate, len < NET_FRAME_MAX ? len : NET_FRAME_MAX);
	return true;
}

static void
net_queue_ready(struct device *dev, unsigned int q)
{
	struct net *n = dev->priv;
	struct virtq *vq = &dev->vq[q];
	bool ctrl = q == ctrl_queue(dev);
	unsigned int taken = 0;

	if (!ctrl && q >= 2 * n->npairs)
		return;
	if (!ctrl && q % 2 == 0) {
		net_receive(dev, q / 2);
		return;
	}
	virtq_no_kicks(vq);
	for (;;) {
		uint32_t written = 0;
		int got = virtq_pop(vq, &n->chain);

		if (got == 0 && n->nstaged > 0) {
			send_staged(dev, q / 2);
			continue;	/* more may have come meanwhile */
		}
		if (got < 0 ||
		    (got == 0 && (vq->held || !virtq_want_kicks(vq))))
			break;
		if (got == 0) {
			virtq_no_kicks(vq);
			continue;
		}
		/* What a predecessor began to send is not sent twice. */
		if (!ctrl && !n->chain.again && !transmit_now(dev, q)) {
			virtq_unpop(vq, &n->chain);
			break;
		}
		if (ctrl) {
			written = net_control(dev);
			device_state_changed(dev);
		}
		virtq_push(vq, &n->chain, written);
		if (++taken == TX_BATCH) {
			device_again(dev, q);
			break;
		}
	}
	send_staged(dev, q / 2);
	virtq_flush(vq);
}

static void
net_backend_ready(struct device *dev, int fd, uint32_t events)
{
	struct net *n = dev->priv;
	unsigned int i = (unsigned int)(fd - FD_BACKEND);
	int rc = 0;

	if (n->backend->ready != NULL)
		rc = n->backend->ready(&n->pair[i], events);
	if (rc > 0)
		device_again(dev, 2 * i + 1);
	else if (rc < 0)
		(void)net_backend_gone(dev, i, -rc);
	net_receive(dev, i);	/* what is wrong, reading says */
}

static void
net_reset(struct device *dev)
{
	struct net *n = dev->priv;

	for (unsigned int i = 0; i < n->npairs; i++) {
		net_rx_quiet(dev, i);
		n->pair[i].held = 0;
	}
	/* 5.1.6.5.5: one pair is in use until the driver asks for more. */
	net_set_active(dev, 1);
	net_filter_reset(&n->filter, n->mac);
	net_set_mac(dev, n->mac);
	net_set_status(dev, 0, NET_S_ANNOUNCE);
	n->offloads = 0;
	n->loaded = false;
}

/* Another peer is at FD_BACKEND. */
static int
net_backend_attached(struct device *dev)
{
	struct net *n = dev->priv;

	if (n->backend->restart == NULL)
		return -EINVAL;
	n->backend->restart(&n->pair[0]);
	n->pair[0].gone = false;
	n->pair[0].watched = 0;
	net_set_status(dev, NET_S_LINK_UP, 0);
	net_receive(dev, 0);
	device_again(dev, 1);
	return 0;
}

static unsigned int
net_drain(struct device *dev)
{
	struct net *n = dev->priv;

	for (unsigned int i = 0; i < n->npairs; i++)
		net_rx_quiet(dev, i);
	return 0;		/* no buffer is ever held between two calls */
}

/* Frames are lost, and none come; a command is answered as failed. */
static int64_t
net_refuse(struct device *dev, unsigned int q, struct virtq_chain *chain)
{
	const uint8_t ack = 1;	/* VIRTIO_NET_ERR, 5.1.6.5 */
	unsigned int ctrl = !net_has(dev, VIRTIO_NET_F_CTRL_VQ) ?
	    DEVICE_MAX_QUEUES :
	    net_has(dev, VIRTIO_NET_F_MQ) ? dev->nqueues - 1 : 2;

	if (q == ctrl)
		return (int64_t)virtq_copy_into(chain, 0, &ack, 1);
	return q % 2 == 0 ? -1 : 0;
}

const struct device_ops net_ops = {
	.name = "net",
	.config_case = BH__DEVICE_CONFIG__DEVICE_NET,
	.start = net_start,
	.activate = net_activate,
	.queue_ready = net_queue_ready,
	.backend_ready = net_backend_ready,
	.backend_attached = net_backend_attached,
	.reset = net_reset,
	.drain = net_drain,
	.save = net_save,
	.load = net_load,
	.refuse = net_refuse,
};
