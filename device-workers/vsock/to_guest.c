// SPDX-License-Identifier: Apache-2.0
//
// The receive queue, see vsock_int.h: what the guest gets. Bytes of a stream go from
// the socket into the guest's buffers at once; a message, which is longer than one of
// them, by way of a buffer of ours.
#include <errno.h>
#include <sys/socket.h>

#include "device-workers/vsock/vsock_int.h"
#include "ipc/log.h"

#define TURNS 64u		/* packets and reads, then others get their turn */
#define TURN_BYTES (128u << 10)	/* of one connection, then the next one's */
#define CHAINS 32u		/* guest buffers of one read: 4 KiB each, in Linux */
#define IOVS 512u
#define STAGE (256u << 10)	/* a message of the host's, at most */

static struct virtq_chain chains[CHAINS];
static struct iovec iovs[IOVS];
static uint8_t stage[STAGE];

/* A buffer of the guest's in *@chain that has room for a header. False: none. */
static bool
take(struct virtq_chain *chain)
{
	struct virtq *vq = &vsock.dev->vq[VSOCK_RX];

	while (virtq_pop(vq, chain) > 0) {
		if (chain->write_len >= sizeof(struct vsock_hdr))
			return true;
		log_guest("vsock: a receive buffer of %u bytes",
		    (unsigned int)chain->write_len);
		virtq_push(vq, chain, 0);
	}
	return false;
}

static void
give(const struct virtq_chain *chain, const struct vsock_hdr *h)
{
	(void)virtq_copy_into(chain, 0, h, sizeof(*h));
	virtq_push(&vsock.dev->vq[VSOCK_RX], chain,
	    (uint32_t)sizeof(*h) + h->len);
}

static void
give_of(struct conn *c, const struct virtq_chain *chain, enum vsock_op op,
    uint32_t len, uint32_t flags)
{
	const struct vsock_hdr h = {
		.src_cid = VSOCK_HOST_CID, .dst_cid = vsock.cid,
		.src_port = c->host_port, .dst_port = c->guest_port,
		.len = len, .type = c->type, .op = (uint16_t)op, .flags = flags,
		.buf_alloc = c->buf_alloc, .fwd_cnt = c->fwd_cnt,
	};

	c->told_fwd = c->fwd_cnt;
	c->owed &= (uint8_t)~OWE_CREDIT;
	c->sent += len;
	vsock_count(VSOCK_COUNT_RX_BYTES, len);
	give(chain, &h);
}

/* ---- answers to what is no connection -------------------------------------------- */

void
owe_reset(const struct vsock_hdr *of)
{
	unsigned int at = (vsock.first_reset + vsock.nresets) % VSOCK_RESETS;

	vsock.resets[at] = *of;
	vsock.nresets++;
}

static bool
give_resets(void)
{
	for (; vsock.nresets > 0; vsock.nresets--) {
		const struct vsock_hdr *of = &vsock.resets[vsock.first_reset];
		const struct vsock_hdr h = {
			.src_cid = VSOCK_HOST_CID, .dst_cid = vsock.cid,
			.src_port = of->dst_port, .dst_port = of->src_port,
			.type = of->type, .op = VSOCK_OP_RST,
		};

		if (!take(&chains[0]))
			return false;
		give(&chains[0], &h);
		vsock.first_reset = (vsock.first_reset + 1) % VSOCK_RESETS;
	}
	return true;
}

/* ---- control packets -------------------------------------------------------------- */

static void
give_owed(struct conn *c, const struct virtq_chain *chain)
{
	static const struct { uint8_t bit; enum vsock_op op; } order[] = {
		{ OWE_RST, VSOCK_OP_RST },
		{ OWE_REQUEST, VSOCK_OP_REQUEST },
		{ OWE_RESPONSE, VSOCK_OP_RESPONSE },
		{ OWE_SHUTDOWN, VSOCK_OP_SHUTDOWN },
		{ OWE_CREDIT, VSOCK_OP_CREDIT_UPDATE },
	};
	size_t i = 0;

	while ((c->owed & order[i].bit) == 0)
		i++;
	c->owed &= (uint8_t)~order[i].bit;
	give_of(c, chain, order[i].op, 0,
	    order[i].op == VSOCK_OP_SHUTDOWN ? c->told : 0);
	if (order[i].op == VSOCK_OP_RST)
		conn_free(c);
}

/* ---- data --------------------------------------------------------------------------- */

/* How many bytes the guest may be sent; whatever it said of that. */
static uint32_t
credit(const struct conn *c)
{
	uint32_t out = c->sent - c->peer_fwd;

	return out < c->peer_alloc ? c->peer_alloc - out : 0;
}

static void
read_failed(struct conn *c, int error)
{
	c->readable = false;
	if (error == EAGAIN || error == EINTR)
		return;
	conn_reset(c);
}

static void
read_ended(struct conn *c)
{
	c->readable = false;
	conn_tell(c, c->hung_up ? SHUT_F_BOTH : SHUT_F_SEND);
}

/* The room of @chain behind the header, at most @most bytes, to iovs[] from @n on. */
static unsigned int
add_room(const struct virtq_chain *chain, uint32_t most, unsigned int n)
{
	uint64_t skip = sizeof(struct vsock_hdr);

	for (unsigned int i = 0; i < chain->nwrite && most > 0 && n < IOVS; i++) {
		const struct iovec *seg = &chain->iov[chain->nread + i];
		uint64_t len = seg->iov_len;

		if (skip >= len) {
			skip -= len;
			continue;
		}
		len -= skip;
		if (len > most)
			len = most;
		iovs[n++] = (struct iovec){ (uint8_t *)seg->iov_base + skip,
					    len };
		most -= (uint32_t)len;
		skip = 0;
	}
	return n;
}

/* Bytes of a stream. False: the guest has no buffer. */
static bool
read_stream(struct conn *c, uint32_t most)
{
	struct msghdr msg = { .msg_iov = iovs };
	unsigned int taken = 0, used = 0, n = 0;
	uint32_t room[CHAINS] = { 0 }, left = most;
	ssize_t got;

	while (left > 0 && taken < CHAINS && n < IOVS && take(&chains[taken])) {
		unsigned int before = n;

		n = add_room(&chains[taken], left, n);
		for (unsigned int i = before; i < n; i++)
			room[taken] += (uint32_t)iovs[i].iov_len;
		left -= room[taken++];
	}
	if (taken == 0)
		return false;
	msg.msg_iovlen = n;
	got = n > 0 ? recvmsg(conn_fd(c), &msg, MSG_DONTWAIT) : -1;
	for (uint32_t rest = got > 0 ? (uint32_t)got : 0; rest > 0; used++) {
		uint32_t len = rest < room[used] ? rest : room[used];

		give_of(c, &chains[used], VSOCK_OP_RW, len, 0);
		rest -= len;
	}
	while (taken > used)
		virtq_unpop(&vsock.dev->vq[VSOCK_RX], &chains[--taken]);
	if (n == 0) {	/* nothing but headers: a driver's mistake */
		log_guest("vsock: receive buffers without room for data");
		conn_reset(c);
	} else if (got < 0) {
		read_failed(c, errno);
	} else if (got == 0) {
		read_ended(c);
	}
	return true;
}

/* What is left of the message on its way. False: the guest has no buffer. */
static bool
give_staged(void)
{
	while (vsock.staged != VSOCK_NONE) {
		struct conn *c = &conns[vsock.staged];
		uint32_t left = vsock.staged_len - vsock.staged_at;
		uint64_t room;

		if (!take(&chains[0]))
			return false;
		room = chains[0].write_len - sizeof(struct vsock_hdr);
		if (room < left)
			left = (uint32_t)room;
		(void)virtq_copy_into(&chains[0], sizeof(struct vsock_hdr),
		    stage + vsock.staged_at, left);
		vsock.staged_at += left;
		if (vsock.staged_at == vsock.staged_len)
			vsock.staged = VSOCK_NONE;
		give_of(c, &chains[0], VSOCK_OP_RW, left,
		    vsock.staged == VSOCK_NONE ? SEQ_F_EOM : 0);
	}
	return true;
}

/* A message, when the guest has credit for all of it. 1: go on with it; 0: later. */
static int
read_message(struct conn *c, uint32_t most)
{
	struct iovec iov = { stage, 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t got = recvmsg(conn_fd(c), &msg,
	    MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);

	if (got < 0) {
		read_failed(c, errno);
		return 0;
	}
	if (got == 0 && c->ended) {
		read_ended(c);
		return 0;
	}
	if (got > STAGE || got > c->peer_alloc) {
		log_guest_at(LOG_WARN, "vsock: a message of %zd bytes is more than "
		    "the guest's port %u takes: reset", got, c->guest_port);
		conn_reset(c);
		return 0;
	}
	if (got > most)
		return 0;
	iov.iov_len = STAGE;
	got = recvmsg(conn_fd(c), &msg, MSG_DONTWAIT);
	if (got < 0) {
		read_failed(c, errno);
		return 0;
	}
	/* One of no bytes would look like the end, and is left out. */
	if (got == 0)
		return 1;
	vsock.staged = conn_index(c);
	vsock.staged_len = (uint32_t)got;
	vsock.staged_at = 0;
	return 1;
}

/* One step of a connection. 1: there may be more; 0: no; -1: no buffer. */
static int
serve(struct conn *c)
{
	uint32_t most;

	if (c->owed != 0) {
		if (!take(&chains[0]))
			return -1;
		give_owed(c, &chains[0]);
		return c->state == CONN_FREE ? 0 : 1;
	}
	if (c->state != CONN_OPEN || !c->readable ||
	    (c->shut & SHUT_F_RECEIVE) != 0 || (c->told & SHUT_F_SEND) != 0)
		return 0;
	most = credit(c);
	if (most == 0)
		return 0;	/* until a packet of the guest's says more */
	if (c->type == VSOCK_SEQPACKET)
		return read_message(c, most);
	return read_stream(c, most < TURN_BYTES ? most : TURN_BYTES) ? 1 : -1;
}

void
to_guest(void)
{
	struct device *dev = vsock.dev;

	for (unsigned int turn = 0; ; turn++) {
		struct conn *c;
		int more;

		if (!dev->active || !give_resets() || !give_staged() ||
		    vsock.ready.first == VSOCK_NONE)
			break;
		if (turn == TURNS) {
			device_again(dev, VSOCK_RX);
			break;
		}
		c = &conns[vsock.ready.first];
		more = serve(c);
		if (more < 0)
			break;
		if (!c->ready)
			continue;	/* it ended, and was made another */
		list_remove(&vsock.ready, c);
		c->ready = false;
		if (more > 0 || c->owed != 0)
			conn_ready(c);
	}
	/* The library does so for the queue that was kicked, perhaps another. */
	virtq_flush(&dev->vq[VSOCK_RX]);
	if (vsock.tx_waits && vsock.nresets < VSOCK_RESETS) {
		vsock.tx_waits = false;
		device_again(dev, VSOCK_TX);
	}
}
