/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Channels, see chan.h. Everything here looks at bytes of a peer that may be
 * compromised: size, fds, decoding, permission and contents are checked in that
 * order, and the first failure ends it.
 */
#include "ipc/chan.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/check.h"

/* Control data for fds; a union for its alignment, see cmsg(3). */
union control {
	struct cmsghdr header;
	uint8_t bytes[CMSG_SPACE(CHAN_MAX_FDS * sizeof(int))];
};

static void *
arena_alloc(void *data, size_t size)
{
	struct chan_arena *arena = data;
	size_t start = (arena->used + 15) & ~(size_t)15;
	size_t end;

	if (__builtin_add_overflow(start, size, &end) ||
	    end > sizeof(arena->bytes))
		return NULL;
	arena->used = end;
	return arena->bytes + start;
}

/* The whole arena goes with the next packet. */
static void
arena_free(void *data, void *ptr)
{
	(void)data;
	(void)ptr;
}

ProtobufCAllocator
chan_arena_allocator(struct chan_arena *arena)
{
	return (ProtobufCAllocator){
		.alloc = arena_alloc, .free = arena_free, .allocator_data = arena,
	};
}

void
chan_init(struct chan *ch, int fd, enum proto_peer self, enum proto_peer peer,
    struct chan_buffers *buffers)
{
	*ch = (struct chan){
		.fd = fd, .self = self, .peer = peer, .states = PROTO_NEW,
		.buffers = buffers,
	};
}

/*
 * May this channel bring fds at all? Where none is due the kernel gets no
 * control buffer, and drops what a hostile peer attaches.
 */
static bool
fds_due(const struct chan *ch)
{
	for (unsigned int i = 0; i < proto_nrules; i++)
		if ((proto_rules[i].senders & (1u << ch->peer)) != 0 &&
		    (proto_rules[i].receivers & (1u << ch->self)) != 0 &&
		    (proto_rules[i].states & ch->states) != 0 &&
		    proto_rules[i].fds_max > 0)
			return true;
	return false;
}

/* Move the fds of a received packet into @msg. */
static void
collect_fds(struct msghdr *hdr, struct chan_msg *msg)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(hdr); c != NULL; c = CMSG_NXTHDR(hdr, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (msg->nfds < CHAN_MAX_FDS)
				msg->fds[msg->nfds++] = fd;
			else
				close(fd);
		}
	}
}

static const char *
check_packet(struct chan *ch, const Bh__Packet *packet,
    const struct chan_msg *msg)
{
	const struct proto_rule *rule;

	if (packet == NULL)
		return "not decodable";
	rule = proto_rule_of(packet->body_case, ch->peer, ch->self);
	if (rule == NULL)
		return "not permitted from this sender";
	if ((rule->states & ch->states) == 0)
		return "not permitted in this state";
	if (msg->nfds < rule->fds_min || msg->nfds > rule->fds_max)
		return "wrong number of fds";
	return proto_check(packet);
}

static int
refuse(struct chan_msg *msg, const char **why, const char *text)
{
	chan_done(msg);
	if (why != NULL)
		*why = text;
	return -EPROTO;
}

int
chan_recv(struct chan *ch, struct chan_msg *msg, const char **why)
{
	struct chan_buffers *b = ch->buffers;
	ProtobufCAllocator alloc = chan_arena_allocator(&b->arena);
	union control control;
	struct iovec iov = { .iov_base = b->packet,
		.iov_len = sizeof(b->packet) };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };
	const char *text;
	ssize_t n;

	msg->nfds = 0;
	msg->packet = NULL;
	if (fds_due(ch)) {
		hdr.msg_control = control.bytes;
		hdr.msg_controllen = sizeof(control.bytes);
	}
	/*
	 * A peer that closes with our packets unread makes the next call say
	 * ECONNRESET, once; what it sent before is there all the same, and may
	 * be why it went.
	 */
	do {
		n = recvmsg(ch->fd, &hdr, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && (errno == EINTR || errno == ECONNRESET));
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	if (hdr.msg_control != NULL)
		collect_fds(&hdr, msg);
	/* An empty packet cannot be told from a hang-up, and is never sent. */
	if (n == 0) {
		chan_done(msg);
		return -EPIPE;
	}
	if ((hdr.msg_flags & MSG_CTRUNC) != 0)
		return refuse(msg, why, "fds where none are due");
	if ((hdr.msg_flags & MSG_TRUNC) != 0 || (size_t)n > CHAN_MAX_PACKET)
		return refuse(msg, why, "packet too long");
	b->arena.used = 0;
	msg->packet = bh__packet__unpack(&alloc, (size_t)n, b->packet);
	text = check_packet(ch, msg->packet, msg);
	return text == NULL ? 1 : refuse(msg, why, text);
}

int
chan_take_fd(struct chan_msg *msg, unsigned int i)
{
	int fd = msg->fds[i];

	msg->fds[i] = -1;
	return fd;
}

void
chan_done(struct chan_msg *msg)
{
	for (unsigned int i = 0; i < msg->nfds; i++)
		if (msg->fds[i] >= 0)
			close(msg->fds[i]);
	msg->nfds = 0;
}

int
chan_send(struct chan *ch, const Bh__Packet *packet, const int *fds,
    unsigned int nfds)
{
	union control control;
	struct iovec iov = { .iov_base = ch->buffers->packet };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	iov.iov_len = bh__packet__get_packed_size(packet);
	if (iov.iov_len > CHAN_MAX_PACKET || nfds > CHAN_MAX_FDS)
		return -EMSGSIZE;
	bh__packet__pack(packet, ch->buffers->packet);
	if (nfds > 0) {
		size_t len = nfds * sizeof(int);

		memset(&control, 0, sizeof(control));
		hdr.msg_control = control.bytes;
		hdr.msg_controllen = CMSG_SPACE(len);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(len);
		memcpy(CMSG_DATA(&control.header), fds, len);
	}
	do {
		n = sendmsg(ch->fd, &hdr, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	return 0;
}

uint32_t
chan_next_seq(struct chan *ch)
{
	if (++ch->next_seq == 0)
		ch->next_seq = 1;
	return ch->next_seq;
}

int
chan_send_ack(struct chan *ch, uint32_t seq)
{
	Bh__Ack ack = BH__ACK__INIT;
	CHAN_PACKET(p, ACK, ack, &ack);

	p.seq = seq;
	return chan_send(ch, &p, NULL, 0);
}

int
chan_send_failed(struct chan *ch, uint32_t seq, int error, const char *text)
{
	Bh__Failed failed = BH__FAILED__INIT;
	/* protobuf-c wants a char *, and does not write to it. */
	union { const char *in; char *out; } constless = { .in = text };
	CHAN_PACKET(p, FAILED, failed, &failed);

	failed.error = error;
	failed.text = constless.out;
	p.seq = seq;
	return chan_send(ch, &p, NULL, 0);
}
