// SPDX-License-Identifier: Apache-2.0
/*
 * Frames over a stream socket, see stream.h. A length that no frame has ends it:
 * where the next frame would begin is not known then.
 *
 * Of a frame that the socket took only a part of the rest waits in tx, and until
 * that has gone no other is taken: the driver's queue waits, which costs no frame
 * and no memory, however slow the other side.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "device-workers/net/net.h"
#include "device-workers/net/stream.h"

#define LENGTH 4u
#define FRAME_MAX (NET_FRAME_MAX - NET_HDR_SIZE)
#define RECORD_MAX (LENGTH + FRAME_MAX)

struct stream {
	uint32_t rx_at, rx_end;	/* bytes of rx that nobody took yet */
	uint32_t tx_at, tx_end;	/* rest of a frame */
	bool full;		/* the socket took nothing */
	uint8_t rx[2 * RECORD_MAX];
	uint8_t tx[RECORD_MAX];
	struct iovec iov[VIRTQ_MAX_SEGS + 1];
};

static int
stream_start(struct net_pair *p, const char **why)
{
	socklen_t len = sizeof(int);
	int type;

	if (getsockopt(p->fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0 ||
	    type != SOCK_STREAM) {
		*why = "not a stream socket";
		return -EINVAL;
	}
	p->priv = calloc(1, sizeof(struct stream));
	if (p->priv == NULL) {
		*why = "no memory";
		return -ENOMEM;
	}
	return 0;
}

static int
stream_set_offloads(struct net_pair *p, uint32_t offloads)
{
	(void)p;
	return offloads == 0 ? 0 : -EINVAL;
}

static int
stream_set_attached(struct net_pair *p, bool attached)
{
	(void)p;
	(void)attached;
	return -EINVAL;		/* there is one pair, always */
}

/* ---- to the other side --------------------------------------------------------- */

/* Send the rest of a frame. 0: it has gone. -ENOBUFS: not all of it. -errno. */
static int
flush(struct net_pair *p)
{
	struct stream *s = p->priv;

	while (s->tx_at != s->tx_end) {
		ssize_t n = write(p->fd, s->tx + s->tx_at, s->tx_end - s->tx_at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ENOBUFS : -errno;
		s->tx_at += (uint32_t)n;
	}
	s->tx_at = s->tx_end = 0;
	return 0;
}

/* Keep of @iov what comes after the first @sent bytes. */
static void
keep_rest(struct stream *s, const struct iovec *iov, unsigned int niov,
    size_t sent)
{
	for (unsigned int i = 0; i < niov; i++) {
		size_t skip = sent < iov[i].iov_len ? sent : iov[i].iov_len;
		size_t rest = iov[i].iov_len - skip;

		sent -= skip;
		memcpy(s->tx + s->tx_end, (const uint8_t *)iov[i].iov_base + skip,
		    rest);
		s->tx_end += (uint32_t)rest;
	}
}

static ssize_t
stream_send(struct net_pair *p, const struct iovec *iov, unsigned int niov)
{
	struct stream *s = p->priv;
	uint32_t length;
	size_t len = 0;
	ssize_t n;
	int rc;

	rc = flush(p);
	if (rc != 0)
		return rc;
	for (unsigned int i = 1; i < niov; i++) {
		s->iov[i] = iov[i];
		len += iov[i].iov_len;
	}
	if (len > FRAME_MAX)
		return -EMSGSIZE;
	length = htobe32((uint32_t)len);
	s->iov[0] = (struct iovec){ &length, LENGTH };
	do {
		n = writev(p->fd, s->iov, (int)niov);
	} while (n < 0 && errno == EINTR);
	s->full = n < 0 && errno == EAGAIN;
	if (n < 0)
		return s->full ? -ENOBUFS : -errno;
	if ((size_t)n < LENGTH + len)
		keep_rest(s, s->iov, niov, (size_t)n);
	return (ssize_t)(NET_HDR_SIZE + len);
}

static uint32_t
stream_events(const struct net_pair *p)
{
	const struct stream *s = p->priv;

	return s->full || s->tx_at != s->tx_end ? EPOLLOUT : 0;
}

static int
stream_ready(struct net_pair *p, uint32_t events)
{
	struct stream *s = p->priv;
	int rc;

	if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == 0 ||
	    stream_events(p) == 0)
		return 0;
	rc = flush(p);
	if (rc == -ENOBUFS)
		return 0;
	s->full = false;
	return rc == 0 ? 1 : rc;
}

/* ---- from the other side ------------------------------------------------------- */

/*
 * The frame at rx_at: its length when all of it is there, 0 when it is not,
 * -EPROTO when no frame is as long or short as that.
 */
static int
frame_at(const struct stream *s)
{
	uint32_t have = s->rx_end - s->rx_at, len;

	if (have < LENGTH)
		return 0;
	memcpy(&len, s->rx + s->rx_at, LENGTH);
	len = be32toh(len);
	if (len < NET_ETH_HLEN || len > FRAME_MAX)
		return -EPROTO;
	return have - LENGTH >= len ? (int)len : 0;
}

/* Read what there is. At rx_at is a part of a frame, or nothing. */
static int
fill(struct net_pair *p)
{
	struct stream *s = p->priv;
	ssize_t n;

	/* In the first half there is room for the longest frame behind it. */
	if (s->rx_at >= RECORD_MAX || s->rx_at == s->rx_end) {
		s->rx_end -= s->rx_at;
		memmove(s->rx, s->rx + s->rx_at, s->rx_end);
		s->rx_at = 0;
	}
	do {
		n = read(p->fd, s->rx + s->rx_end, sizeof(s->rx) - s->rx_end);
	} while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n == 0 ? -EPIPE : -errno;
	s->rx_end += (uint32_t)n;
	return 0;
}

/* Copy @len bytes to @iov from its byte @at on; what does not fit is lost. */
static void
scatter(const struct iovec *iov, unsigned int niov, size_t at,
    const uint8_t *from, size_t len)
{
	for (unsigned int i = 0; i < niov && len > 0; i++) {
		size_t part = iov[i].iov_len;

		if (at >= part) {
			at -= part;
			continue;
		}
		part -= at;
		if (part > len)
			part = len;
		memcpy((uint8_t *)iov[i].iov_base + at, from, part);
		from += part;
		len -= part;
		at = 0;
	}
}

static ssize_t
stream_receive(struct net_pair *p, const struct iovec *iov, unsigned int niov)
{
	static const uint8_t header[NET_HDR_SIZE];
	struct stream *s = p->priv;
	int len = frame_at(s);

	if (len == 0) {
		int rc = fill(p);

		if (rc != 0)
			return rc;
		len = frame_at(s);
	}
	if (len <= 0)
		return len == 0 ? -EAGAIN : len;
	scatter(iov, niov, 0, header, sizeof(header));
	scatter(iov, niov, sizeof(header), s->rx + s->rx_at + LENGTH,
	    (size_t)len);
	s->rx_at += LENGTH + (uint32_t)len;
	return (ssize_t)NET_HDR_SIZE + len;
}

static bool
stream_pending(const struct net_pair *p)
{
	return frame_at(p->priv) != 0;
}

/* ---- its end, and another -------------------------------------------------------- */

static bool
stream_is_gone(int err)
{
	return err == EPIPE || err == ECONNRESET || err == EPROTO ||
	    err == EINVAL || err == ENOTSOCK || err == EBADF;
}

/*
 * Hang up, so that the other side notices: /dev/null takes the socket's place,
 * the number stays ours.
 */
static void
stream_end(struct net_pair *p)
{
	(void)!dup3(0, p->fd, O_CLOEXEC);
}

static void
stream_restart(struct net_pair *p)
{
	struct stream *s = p->priv;

	s->rx_at = s->rx_end = s->tx_at = s->tx_end = 0;
	s->full = false;
}

const struct net_backend net_stream = {
	.name = "peer",
	.start = stream_start,
	.set_offloads = stream_set_offloads,
	.set_attached = stream_set_attached,
	.send = stream_send,
	.receive = stream_receive,
	.pending = stream_pending,
	.events = stream_events,
	.ready = stream_ready,
	.is_gone = stream_is_gone,
	.end = stream_end,
	.restart = stream_restart,
};
