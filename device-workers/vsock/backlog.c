// SPDX-License-Identifier: Apache-2.0
//
// What the guest has sent and the host has not taken, see vsock_int.h. In blocks of
// one pool, of which a connection reserves as many as its credit can ask for: so
// whatever the guest may send has room, and memory is bounded by the pool. Blocks are
// used last in, first out, so that few of them are ever touched.
//
// Messages (seqpacket) have their length in front, in LENGTH_BYTES. They count for
// credit without it: their credit is a part of the room, so that messages of one byte
// fit as well.
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "device-workers/vsock/vsock_int.h"

#define BLOCK 4096u
#define BLOCKS 12288u		/* 48 MiB */
#define LEAST_BLOCKS 3u		/* 8 KiB; of every connection that may be */
#define EXTRA_BLOCKS (BLOCKS - LEAST_BLOCKS * VSOCK_CONNS)
#define LENGTH_BYTES 3u
#define FLUSH_BLOCKS 66u	/* of one write: VSOCK_LIMIT_BUFFER / 4 and an edge */

static uint8_t pool[BLOCKS][BLOCK];
static uint16_t next_of[BLOCKS];
static uint16_t free_block = VSOCK_NONE, fresh;
static unsigned int extra = EXTRA_BLOCKS;	/* not reserved */

_Static_assert(BLOCKS > LEAST_BLOCKS * VSOCK_CONNS, "each has the least");
_Static_assert(BLOCKS < VSOCK_NONE, "numbers of blocks");

void
backlog_reserve(struct conn *c, uint32_t want)
{
	/* As much as was asked for, as long as few have it. */
	unsigned int more = extra / 16, most = want / BLOCK;

	if (most <= LEAST_BLOCKS - 1)
		more = 0;
	else if (more > most - (LEAST_BLOCKS - 1))
		more = most - (LEAST_BLOCKS - 1);
	extra -= more;
	c->blocks = (uint16_t)(LEAST_BLOCKS + more);
	/* One for both edges. */
	c->buf_alloc = (c->blocks - 1u) * BLOCK;
	if (c->type == VSOCK_SEQPACKET)
		c->buf_alloc /= 1 + LENGTH_BYTES;
}

void
backlog_drop(struct conn *c)
{
	while (c->first != VSOCK_NONE) {
		uint16_t block = c->first;

		c->first = block == c->last ? VSOCK_NONE : next_of[block];
		next_of[block] = free_block;
		free_block = block;
	}
	c->last = VSOCK_NONE;
	c->pending = 0;
	c->in_message = false;
}

void
backlog_release(struct conn *c)
{
	backlog_drop(c);
	if (c->blocks > 0)
		extra += c->blocks - LEAST_BLOCKS;
	c->blocks = 0;
}

/* Room at the end, one block more if it is full. */
static uint8_t *
room(struct conn *c, uint32_t *len)
{
	uint16_t block = free_block;

	if (c->last != VSOCK_NONE && c->last_end < BLOCK) {
		*len = BLOCK - c->last_end;
		return pool[c->last] + c->last_end;
	}
	if (block != VSOCK_NONE)
		free_block = next_of[block];
	else if (fresh < BLOCKS)
		block = fresh++;
	else
		return NULL;	/* not by what credit allows */
	if (c->last != VSOCK_NONE) {
		next_of[c->last] = block;
	} else {
		c->first = block;
		c->first_at = 0;
	}
	c->last = block;
	c->last_end = 0;
	*len = BLOCK;
	return pool[block];
}

bool
backlog_add(struct conn *c, const void *data, uint32_t len)
{
	const uint8_t *from = data;

	while (len > 0) {
		uint32_t n;
		uint8_t *to = room(c, &n);

		if (to == NULL)
			return false;
		if (n > len)
			n = len;
		memcpy(to, from, n);
		c->last_end = (uint16_t)(c->last_end + n);
		c->pending += n;
		from += n;
		len -= n;
	}
	return true;
}

/* ---- messages ------------------------------------------------------------------ */

bool
backlog_begin(struct conn *c)
{
	uint32_t left;

	if (room(c, &left) == NULL)
		return false;
	c->msg_block = c->last;
	c->msg_at = c->last_end;
	c->in_message = true;
	return backlog_add(c, (const uint8_t[LENGTH_BYTES]){ 0 }, LENGTH_BYTES);
}

/* The bytes from @at in @block on, which may reach into the next. */
static uint8_t *
byte_of(uint16_t block, uint32_t at)
{
	return at < BLOCK ? &pool[block][at] : &pool[next_of[block]][at - BLOCK];
}

static uint32_t
length_at(uint16_t block, uint32_t at)
{
	uint32_t len = 0;

	for (uint32_t i = 0; i < LENGTH_BYTES; i++)
		len |= (uint32_t)*byte_of(block, at + i) << 8 * i;
	return len;
}

void
backlog_end(struct conn *c)
{
	/* From its first byte behind the length to the end. */
	uint32_t len = 0, at = c->msg_at;
	uint16_t block = c->msg_block;

	while (block != c->last) {
		len += BLOCK - at;
		at = 0;
		block = next_of[block];
	}
	len += c->last_end - at - LENGTH_BYTES;
	for (uint32_t i = 0; i < LENGTH_BYTES; i++)
		*byte_of(c->msg_block, c->msg_at + i) = (uint8_t)(len >> 8 * i);
	c->in_message = false;
}

/* ---- writing ------------------------------------------------------------------- */

/* Up to @most bytes from @skip bytes behind the beginning on. */
static unsigned int
gather(const struct conn *c, uint32_t skip, uint32_t most, struct iovec *iov)
{
	uint32_t at = c->first_at + skip;
	uint16_t block = c->first;
	unsigned int n = 0;

	while (n < FLUSH_BLOCKS && most > 0) {
		uint32_t end = block == c->last ? c->last_end : BLOCK;

		if (at >= end) {
			at -= end;
		} else {
			uint32_t len = end - at < most ? end - at : most;

			iov[n++] = (struct iovec){ pool[block] + at, len };
			most -= len;
			at = 0;
		}
		if (block == c->last)
			break;
		block = next_of[block];
	}
	return n;
}

static void
consume(struct conn *c, uint32_t n)
{
	c->pending -= n;
	while (n > 0 && c->first != VSOCK_NONE) {
		uint16_t block = c->first;
		uint32_t end = block == c->last ? c->last_end : BLOCK;
		uint32_t here = end - c->first_at;

		if (n < here) {
			c->first_at = (uint16_t)(c->first_at + n);
			return;
		}
		n -= here;
		c->first = block == c->last ? VSOCK_NONE : next_of[block];
		c->last = c->first == VSOCK_NONE ? VSOCK_NONE : c->last;
		c->first_at = 0;
		next_of[block] = free_block;
		free_block = block;
	}
}

int
backlog_flush(struct conn *c)
{
	struct iovec iov[FLUSH_BLOCKS];
	struct msghdr msg = { .msg_iov = iov };
	const bool messages = c->type == VSOCK_SEQPACKET;

	while (c->pending > 0) {
		uint32_t skip = 0, len = c->pending;
		ssize_t n;

		if (messages) {
			/* The one that is not complete is the last. */
			if (c->in_message && c->first == c->msg_block &&
			    c->first_at == c->msg_at)
				return 0;
			skip = LENGTH_BYTES;
			len = length_at(c->first, c->first_at);
		}
		msg.msg_iovlen = gather(c, skip, len, iov);
		n = sendmsg(conn_fd(c), &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0)
			return errno == EINTR ? -EAGAIN : -errno;
		consume(c, messages ? skip + len : (uint32_t)n);
		conn_forwarded(c, messages ? len : (uint32_t)n);
	}
	return 0;
}
