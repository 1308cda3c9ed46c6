// SPDX-License-Identifier: Apache-2.0
//
// The transmit queue, see vsock_int.h: packets of the guest, of which each field is
// hostile. One that makes no sense costs its connection. Data goes from guest memory
// into the socket at once; what that does not take into the backlog.
#include <errno.h>
#include <sys/socket.h>

#include "device-workers/vsock/vsock_int.h"
#include "ipc/log.h"

#define PACKETS 64u		/* then others get their turn */

static struct virtq_chain chain;
static struct iovec iovs[VIRTQ_MAX_SEGS];

/* ---- to the host --------------------------------------------------------------------- */

void
conn_forwarded(struct conn *c, uint32_t n)
{
	c->fwd_cnt += n;
	/* Every packet tells; one of its own is for a guest that only sends. */
	if (c->state == CONN_OPEN && c->fwd_cnt - c->told_fwd >= c->buf_alloc / 2) {
		c->owed |= OWE_CREDIT;
		conn_ready(c);
	}
}

void
conn_flushed(struct conn *c, int rc)
{
	host_watch_out(c, rc == -EAGAIN);
	if (rc == -EAGAIN)
		return;
	if (rc != 0 && c->type == VSOCK_SEQPACKET && rc == -EMSGSIZE) {
		log_guest_at(LOG_WARN, "vsock: a message to port %u is more than its "
		    "socket takes: reset", c->host_port);
		conn_reset(c);
		return;
	}
	if (c->state == CONN_DRAINING) {
		conn_free(c);
		return;
	}
	if (rc != 0) {
		/* Nobody reads there; there may still be something to read. */
		c->deaf = true;
		backlog_drop(c);
		conn_forwarded(c, c->received - c->fwd_cnt);
		conn_tell(c, SHUT_F_RECEIVE);
	} else if ((c->shut & SHUT_F_SEND) != 0 && !c->write_shut) {
		c->write_shut = true;
		(void)shutdown(conn_fd(c), SHUT_WR);
	}
}

/* The packet's data, which begin behind its header: into iovs[]. */
static unsigned int
data_of(uint32_t len)
{
	uint64_t skip = sizeof(struct vsock_hdr);
	unsigned int n = 0;

	for (unsigned int i = 0; i < chain.nread && len > 0; i++) {
		uint64_t here = chain.iov[i].iov_len;

		if (skip >= here) {
			skip -= here;
			continue;
		}
		here -= skip;
		if (here > len)
			here = len;
		iovs[n++] = (struct iovec){
			(uint8_t *)chain.iov[i].iov_base + skip, here };
		len -= (uint32_t)here;
		skip = 0;
	}
	return n;
}

/* All of them but the first @skip bytes into the backlog. */
static bool
keep(struct conn *c, unsigned int n, size_t skip)
{
	for (unsigned int i = 0; i < n; i++) {
		size_t here = iovs[i].iov_len;

		if (skip >= here) {
			skip -= here;
			continue;
		}
		if (!backlog_add(c, (uint8_t *)iovs[i].iov_base + skip,
		    (uint32_t)(here - skip)))
			return false;
		skip = 0;
	}
	return true;
}

static void
write_out(struct conn *c, uint32_t len, bool complete)
{
	const bool messages = c->type == VSOCK_SEQPACKET;
	unsigned int n = data_of(len);
	struct msghdr msg = { .msg_iov = iovs, .msg_iovlen = n };
	ssize_t put = 0;
	int rc = 0;

	if (c->pending == 0 && (!messages || complete) && len > 0) {
		put = sendmsg(conn_fd(c), &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (put < 0 && errno != EAGAIN && errno != EINTR) {
			conn_flushed(c, -errno);
			return;
		}
		put = put < 0 ? 0 : put;
		conn_forwarded(c, (uint32_t)put);
		if ((uint32_t)put == len)
			return;
		rc = -EAGAIN;
	}
	if ((messages && !c->in_message && !backlog_begin(c)) ||
	    !keep(c, n, (size_t)put)) {
		log_error("vsock: no room for what has credit");
		conn_reset(c);
		return;
	}
	if (messages && complete)
		backlog_end(c);
	if (rc == 0 && messages && complete && !c->watch_out)
		rc = backlog_flush(c);
	if (rc != 0)
		conn_flushed(c, rc);
}

static void
on_rw(struct conn *c, const struct vsock_hdr *h)
{
	const bool complete = (h->flags & SEQ_F_EOM) != 0;

	if (c->state != CONN_OPEN || (c->shut & SHUT_F_SEND) != 0 ||
	    h->len > c->buf_alloc - (c->received - c->fwd_cnt)) {
		log_guest("vsock: port %u sends what it may not: reset",
		    h->src_port);
		conn_reset(c);
		return;
	}
	c->received += h->len;
	vsock_count(VSOCK_COUNT_TX_BYTES, h->len);
	if (c->deaf)
		conn_forwarded(c, h->len);
	else if (h->len > 0 || c->in_message)
		write_out(c, h->len, complete);
}

/* ---- connections ------------------------------------------------------------------------ */

static void
on_request(const struct vsock_hdr *h)
{
	struct conn *c;

	if (h->type == VSOCK_SEQPACKET && (vsock.dev->driver_features >>
	    VSOCK_F_SEQPACKET & 1) == 0) {
		owe_reset(h);
		return;
	}
	c = conn_new((enum vsock_type)h->type, true);
	if (c == NULL) {
		log_guest("vsock: %u connections are too many", VSOCK_GUEST_CONNS);
		owe_reset(h);
		return;
	}
	conn_name(c, h->src_port, h->dst_port);
	c->peer_alloc = h->buf_alloc;
	c->peer_fwd = h->fwd_cnt;
	list_add(&vsock.wanted, c);
	host_want_next();
}

static void
on_response(struct conn *c)
{
	char line[16];
	unsigned int n = sizeof(line);
	uint32_t port = c->host_port;
	struct iovec iov;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (c->state != CONN_REQUESTED) {
		conn_reset(c);
		return;
	}
	line[--n] = '\n';
	do
		line[--n] = (char)('0' + port % 10);
	while ((port /= 10) != 0);
	line[--n] = ' ';
	line[--n] = 'K';
	line[--n] = 'O';
	iov = (struct iovec){ line + n, sizeof(line) - n };
	c->state = CONN_OPEN;
	vsock_count(VSOCK_COUNT_BY_HOST, 1);
	/* Nothing was written there before. */
	if (sendmsg(conn_fd(c), &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		conn_flushed(c, -errno);
	conn_ready(c);
}

static void
on_shutdown(struct conn *c, const struct vsock_hdr *h)
{
	uint8_t before = c->shut;

	if (c->state != CONN_OPEN) {
		conn_reset(c);
		return;
	}
	c->shut |= h->flags & SHUT_F_BOTH;
	if ((c->shut & ~before & SHUT_F_RECEIVE) != 0)
		(void)shutdown(conn_fd(c), SHUT_RD);
	if (c->shut != SHUT_F_BOTH) {
		if (c->pending == 0 && c->shut != before)
			conn_flushed(c, 0);
		return;
	}
	/* Its ports are free; what it has sent is the host's to read. */
	owe_reset(h);
	if (c->pending == 0 || c->deaf) {
		conn_free(c);
		return;
	}
	conn_unname(c);
	if (c->ready)
		list_remove(&vsock.ready, c);
	if (vsock.staged == conn_index(c))
		vsock.staged = VSOCK_NONE;
	c->ready = false;
	c->owed = 0;
	c->age = 0;
	c->state = CONN_DRAINING;
	if (!c->watch_out)
		conn_flushed(c, 0);	/* half a message is none */
	else
		host_start_ticking();
}

/* Every packet of a connection tells what the guest can take. */
static void
take_credit(struct conn *c, const struct vsock_hdr *h)
{
	c->peer_alloc = h->buf_alloc;
	c->peer_fwd = h->fwd_cnt;
	if (c->readable && c->state == CONN_OPEN)
		conn_ready(c);
}

static void
on_packet(const struct vsock_hdr *h)
{
	struct conn *c = conn_find(h->type, h->src_port, h->dst_port);

	if (c == NULL) {
		if (h->op == VSOCK_OP_REQUEST)
			on_request(h);
		else if (h->op != VSOCK_OP_RST)
			owe_reset(h);
		return;
	}
	if (h->op == VSOCK_OP_RST) {
		conn_free(c);
		return;
	}
	if (c->state == CONN_ENDED)
		return;		/* RST is on its way */
	take_credit(c, h);
	switch (h->op) {
	case VSOCK_OP_RESPONSE:
		on_response(c);
		return;
	case VSOCK_OP_SHUTDOWN:
		on_shutdown(c, h);
		return;
	case VSOCK_OP_RW:
		on_rw(c, h);
		return;
	case VSOCK_OP_CREDIT_REQUEST:
		c->owed |= OWE_CREDIT;
		conn_ready(c);
		return;
	case VSOCK_OP_CREDIT_UPDATE:
		return;
	default:	/* a second REQUEST; what there is none of */
		conn_reset(c);
		return;
	}
}

/* The header is copied once, and checked as far as it does not need a connection. */
static void
take_packet(void)
{
	struct vsock_hdr h;

	if (virtq_copy_out_of(&chain, 0, &h, sizeof(h)) < sizeof(h) ||
	    h.len > chain.read_len - sizeof(h)) {
		log_guest("vsock: a packet that is shorter than it says");
		return;
	}
	virtq_note_type(&vsock.dev->vq[VSOCK_TX], h.op);
	/* 5.10.6.4.1: not for us, not by this guest. */
	if (h.src_cid != vsock.cid || h.dst_cid != VSOCK_HOST_CID)
		return;
	if (h.type == VSOCK_STREAM || h.type == VSOCK_SEQPACKET)
		on_packet(&h);
	else if (h.op != VSOCK_OP_RST)
		owe_reset(&h);
}

void
from_guest(void)
{
	struct virtq *vq = &vsock.dev->vq[VSOCK_TX];

	for (unsigned int i = 0; i < PACKETS; i++) {
		/* A packet may ask for one answer that belongs to no connection. */
		if (vsock.nresets == VSOCK_RESETS) {
			vsock.tx_waits = true;
			return;
		}
		if (virtq_pop(vq, &chain) <= 0)
			return;
		take_packet();
		virtq_push(vq, &chain, 0);
	}
	device_again(vsock.dev, VSOCK_TX);
}
