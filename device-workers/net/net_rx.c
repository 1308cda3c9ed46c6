// SPDX-License-Identifier: Apache-2.0
/*
 * Receive (virtio 1.2, 5.1.6.3, 5.1.6.4): from the back end straight into the
 * driver's buffer. A frame larger than that goes on into private memory, and
 * from there into further buffers (MRG_RXBUF). Called by net.c.
 *
 * Between two calls no buffer is held: guest memory may be unplugged then. A
 * frame that still lacks buffers stays in private memory, and nothing is read
 * until the driver kicks: the kernel's queue takes the flood.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "device-workers/net/net.h"
#include "ipc/log.h"

#define RX_BATCH 64u

/* RX_STOP: until queue_ready. */
enum rx_result { RX_AGAIN, RX_EMPTY, RX_STARVED, RX_STOP };

void
net_rx_quiet(struct device *dev, unsigned int i)
{
	net_watch(dev, i, false);
}

void
net_watch(struct device *dev, unsigned int i, bool frames)
{
	struct net *n = dev->priv;
	struct net_pair *p = &n->pair[i];
	uint32_t events = frames ? EPOLLIN : 0;

	if (n->backend->events != NULL)
		events |= n->backend->events(p);
	if (p->gone)
		events = 0;
	if (events == p->watched)
		return;
	/* Not only "no events": errors of the fd would still wake the loop. */
	if (events == 0)
		device_unwatch(dev, p->fd);
	else if (device_watch(dev, p->fd, events) != 0)
		log_guest("net: cannot wait for queue pair %u", i);
	p->watched = events;
}

bool
net_backend_gone(struct device *dev, unsigned int i, int err)
{
	struct net *n = dev->priv;
	struct net_pair *p = &n->pair[i];

	if (!n->backend->is_gone(err))
		return false;
	if (!p->gone) {
		p->gone = true;
		/* A tap has one life with all its queues. */
		net_set_status(dev, 0, NET_S_LINK_UP);
		p->held = 0;
		log_error("net: %s queue %u is gone: %s", n->backend->name, i,
		    log_errname(err));
		net_rx_quiet(dev, i);
		if (n->backend->end != NULL)
			n->backend->end(p);
	}
	return true;
}

/* Give buffers rx[0] to rx[count - 1] back, as if they had not been taken. */
static void
put_back(struct net *n, struct virtq *vq, unsigned int count)
{
	while (count > 0)
		virtq_unpop(vq, &n->rx[--count]);
}

/*
 * Take buffers into rx[count] and on until they hold @need bytes. Their number,
 * or 0: there are not enough (and all of them are back in the ring; the driver
 * will kick), -E2BIG: more than NET_MERGE_MAX (all are back), -EPROTO.
 */
static int
gather(struct net *n, struct virtq *vq, unsigned int count, uint64_t need)
{
	uint64_t room = 0;
	int got;

	for (unsigned int i = 0; i < count; i++)
		room += n->rx[i].write_len;
	while (room < need) {
		if (count == NET_MERGE_MAX) {
			put_back(n, vq, count);
			return -E2BIG;
		}
		got = virtq_pop(vq, &n->rx[count]);
		if (got < 0)
			return got;
		if (got == 0) {
			/*
			 * Asked before they go back: the driver shall kick for
			 * the next buffer, not for those that are there.
			 */
			if (virtq_want_kicks(vq))
				continue;
			put_back(n, vq, count);
			return 0;
		}
		room += n->rx[count++].write_len;
	}
	return (int)count;
}

/*
 * Hand rx[0] to rx[count - 1] to the driver as one frame of @len bytes, of which
 * those from @have on are still in @frame only.
 */
static void
deliver(struct net *n, struct virtq *vq, unsigned int count, uint64_t have,
    const uint8_t *frame, uint64_t len)
{
	uint8_t num[2] = { (uint8_t)count, (uint8_t)(count >> 8) };
	const uint8_t no_flags = 0;
	uint64_t at = 0;

	for (unsigned int i = 0; i < count; i++) {
		uint64_t part = n->rx[i].write_len;

		if (part > len - at)
			part = len - at;
		if (at + part > have)
			virtq_copy_into(&n->rx[i], 0, frame + at, part);
		n->written[i] = (uint32_t)part;
		at += part;
	}
	/* 5.1.6.4.1: 1 without MRG_RXBUF too. The back end leaves it unset. */
	virtq_copy_into(&n->rx[0], NET_HDR_NUM_BUFFERS, num, sizeof(num));
	/* There too: no flags (a tap has "checked already") without this. */
	if ((n->offloads >> VIRTIO_NET_F_GUEST_CSUM & 1) == 0)
		virtq_copy_into(&n->rx[0], NET_HDR_FLAGS, &no_flags, 1);
	virtq_push_group(vq, n->rx, n->written, count);
	counter_add(n->counters, NET_COUNT_RX_BYTES, len - NET_HDR_SIZE);
	counter_add(n->counters, NET_COUNT_RX_FRAMES, 1);
}

/* The frame that had too few buffers before. */
static enum rx_result
receive_held(struct net *n, struct net_pair *p, struct virtq *vq)
{
	int count = gather(n, vq, 0, p->held);

	if (count == 0)
		return RX_STARVED;
	if (count == -EPROTO)
		return RX_STOP;
	if (count > 0 && n->rx[0].write_len >= NET_HDR_SIZE)
		deliver(n, vq, (unsigned int)count, 0, p->frame, p->held);
	else if (count > 0)
		put_back(n, vq, (unsigned int)count);
	p->held = 0;
	return RX_AGAIN;
}

/* @len bytes have been read: into rx[0], and what it had no room for to frame. */
static enum rx_result
received(struct device *dev, struct net_pair *p, struct virtq *vq, uint64_t len)
{
	struct net *n = dev->priv;
	uint64_t have = n->rx[0].write_len;
	int count = 1;

	if (len <= have) {
		deliver(n, vq, 1, have, p->frame, len);
		return RX_AGAIN;
	}
	if ((dev->driver_features >> VIRTIO_NET_F_MRG_RXBUF & 1) == 0 ||
	    len > NET_FRAME_MAX) {
		/* 5.1.6.3.1: the driver owes larger buffers. The frame is lost. */
		put_back(n, vq, 1);
		return RX_AGAIN;
	}
	/*
	 * In case there are too few: while rx[0] is ours. What the driver does
	 * to it meanwhile it does to its own frame.
	 */
	for (uint64_t at = 0, i = n->rx[0].nread; at < have; i++) {
		const struct iovec *v = &n->rx[0].iov[i];

		memcpy(p->frame + at, v->iov_base, v->iov_len);
		at += v->iov_len;
	}
	count = gather(n, vq, 1, len);
	if (count == 0) {
		p->held = (uint32_t)len;
		return RX_STARVED;
	}
	if (count > 0)
		deliver(n, vq, (unsigned int)count, have, p->frame, len);
	return count == -EPROTO ? RX_STOP : RX_AGAIN;
}

/*
 * Is what has been read to n->iov for the driver? By a copy: the bytes are in its
 * own buffer already, and what it makes of them meanwhile only it will see.
 */
static bool
is_for_driver(const struct device *dev, const struct iovec *iov,
    unsigned int niov, uint64_t len)
{
	const struct net *n = dev->priv;
	uint8_t start[NET_HDR_SIZE + 6] = { 0 };	/* to the end of the destination */
	size_t at = 0;

	if (len < NET_HDR_SIZE + NET_ETH_HLEN)
		return false;
	if (iov[0].iov_len >= sizeof(start)) {
		/* Only what is looked at: it has just been written, and a read
		 * across two writes waits for the memory. */
		const uint8_t *head = iov[0].iov_base;

		memcpy(start + NET_HDR_SIZE, head + NET_HDR_SIZE, 6);
		start[NET_HDR_GSO_TYPE] = head[NET_HDR_GSO_TYPE];
		niov = 0;
	}
	for (unsigned int i = 0; i < niov && at < sizeof(start); i++) {
		size_t part = iov[i].iov_len;

		if (part > sizeof(start) - at)
			part = sizeof(start) - at;
		memcpy(start + at, iov[i].iov_base, part);
		at += part;
	}
	if (!net_filter_wants(&n->filter, start + NET_HDR_SIZE))
		return false;
	/* 5.1.4.1: nothing longer than the MTU says, but for segments. */
	return !net_has(dev, VIRTIO_NET_F_MTU) || len <= n->frame_max ||
	    (start[NET_HDR_GSO_TYPE] & (uint8_t)~NET_GSO_ECN) != NET_GSO_NONE;
}

/*
 * Where one frame is read to: the chain's buffers, and behind them a place for
 * what they have no room for, in the chain's own list if that has an entry left
 * (it is none of the chain's, and nobody copies). One byte more than a frame has:
 * what fills it was cut off.
 */
static struct iovec *
read_to(struct net *n, struct net_pair *p, unsigned int *niov)
{
	struct virtq_chain *c = &n->rx[0];
	struct iovec *iov = c->iov + c->nread;

	*niov = c->nwrite;
	if (c->write_len >= sizeof(p->frame))
		return iov;
	if (c->nread + (unsigned int)c->nwrite == VIRTQ_MAX_SEGS) {
		memcpy(n->iov, iov, *niov * sizeof(iov[0]));
		iov = n->iov;
	}
	iov[*niov].iov_base = p->frame + c->write_len;
	iov[*niov].iov_len = sizeof(p->frame) - c->write_len;
	(*niov)++;
	return iov;
}

static enum rx_result
receive_one(struct device *dev, unsigned int i, struct virtq *vq)
{
	struct net *n = dev->priv;
	struct net_pair *p = &n->pair[i];
	struct virtq_chain *c = &n->rx[0];
	struct iovec *iov;
	unsigned int niov;
	ssize_t len;
	int got;

	if (!device_limit_open(dev, &n->rx_rate, 2 * i))
		return RX_STOP;
	got = virtq_pop(vq, c);
	if (got <= 0)
		return got == 0 ? RX_STARVED : RX_STOP;
	if (c->write_len < NET_HDR_SIZE) {
		virtq_push(vq, c, 0);	/* no room even for the header */
		return RX_AGAIN;
	}
	iov = read_to(n, p, &niov);
	len = n->backend->receive(p, iov, niov);
	if (len >= (ssize_t)NET_HDR_SIZE &&
	    !is_for_driver(dev, iov, niov, (uint64_t)len)) {
		put_back(n, vq, 1);
		return RX_AGAIN;
	}
	if (len >= (ssize_t)NET_HDR_SIZE) {
		/* How long it is was not known before. */
		device_limit_spend(&n->rx_rate, (uint64_t)len - NET_HDR_SIZE);
		return received(dev, p, vq, (uint64_t)len);
	}

	put_back(n, vq, 1);
	if (len < 0 && len != -EAGAIN && !net_backend_gone(dev, i, (int)-len))
		log_guest("net: reading the %s: %s", n->backend->name,
		    log_errname((int)-len));
	return RX_EMPTY;
}

void
net_receive(struct device *dev, unsigned int i)
{
	struct net *n = dev->priv;
	struct net_pair *p = &n->pair[i];
	struct virtq *vq = &dev->vq[(size_t)2 * i];
	enum rx_result result = RX_AGAIN;

	if (!dev->active || vq->held || !vq->enabled || i >= n->active ||
	    p->gone) {
		net_rx_quiet(dev, i);
		return;
	}
	virtq_no_kicks(vq);
	for (unsigned int k = 0; k < RX_BATCH && result == RX_AGAIN; k++) {
		result = p->held > 0 ? receive_held(n, p, vq) :
		    receive_one(dev, i, vq);
		if (result == RX_STARVED && p->held == 0 && virtq_want_kicks(vq))
			result = RX_AGAIN;
	}
	virtq_flush(vq);
	if (result == RX_AGAIN && n->backend->pending != NULL &&
	    n->backend->pending(p))
		device_again(dev, 2 * i);
	/* Level triggered: what the batch left wakes the loop at once. */
	net_watch(dev, i, result == RX_AGAIN || result == RX_EMPTY);
}
