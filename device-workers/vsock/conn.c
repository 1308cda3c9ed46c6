// SPDX-License-Identifier: Apache-2.0
//
// The table of connections, see vsock_int.h: a slot is an fd. Found by type and
// ports; those with something to do are in a list, and served round robin.
#include <string.h>
#include <unistd.h>

#include "device-workers/vsock/vsock_int.h"

#define BUCKETS 4096u

struct vsock vsock;
struct conn conns[VSOCK_CONNS];

/* A slot + 1, so that nothing has to be written before it is used. */
static uint16_t buckets[BUCKETS];
static struct list unused;

static void
set_open(unsigned int n)
{
	vsock.nconns = n;
	counter_set(vsock.dev->counters, VSOCK_COUNT_OPEN, n);
}

void
conns_start(void)
{
	memset(buckets, 0, sizeof(buckets));
	unused = (struct list){ VSOCK_NONE, VSOCK_NONE };
	vsock.high = 0;
	/* Those of a predecessor are gone. */
	set_open(0);
}

/* ---- lists ---------------------------------------------------------------------- */

void
list_add(struct list *l, struct conn *c)
{
	uint16_t i = conn_index(c);

	c->prev = l->last;
	c->next = VSOCK_NONE;
	if (l->last != VSOCK_NONE)
		conns[l->last].next = i;
	else
		l->first = i;
	l->last = i;
}

void
list_remove(struct list *l, struct conn *c)
{
	if (c->prev != VSOCK_NONE)
		conns[c->prev].next = c->next;
	else
		l->first = c->next;
	if (c->next != VSOCK_NONE)
		conns[c->next].prev = c->prev;
	else
		l->last = c->prev;
}

void
conn_ready(struct conn *c)
{
	if (c->ready || c->state == CONN_WANTED || c->state == CONN_GREETING)
		return;
	c->ready = true;
	list_add(&vsock.ready, c);
}

/* ---- names ---------------------------------------------------------------------- */

static uint16_t *
bucket(uint16_t type, uint32_t guest_port, uint32_t host_port)
{
	uint64_t h = ((uint64_t)guest_port << 32 | host_port) + type;

	h *= 0x9e3779b97f4a7c15ull;
	return &buckets[h >> 52];
}

void
conn_name(struct conn *c, uint32_t guest_port, uint32_t host_port)
{
	uint16_t *b = bucket(c->type, guest_port, host_port);

	c->guest_port = guest_port;
	c->host_port = host_port;
	c->hash_next = *b;
	*b = (uint16_t)(conn_index(c) + 1);
}

struct conn *
conn_find(uint16_t type, uint32_t guest_port, uint32_t host_port)
{
	uint16_t at = *bucket(type, guest_port, host_port);

	while (at != 0) {
		struct conn *c = &conns[at - 1];

		if (c->type == type && c->guest_port == guest_port &&
		    c->host_port == host_port)
			return c;
		at = c->hash_next;
	}
	return NULL;
}

/* Harmless for one that has no name. */
void
conn_unname(struct conn *c)
{
	uint16_t *at = bucket(c->type, c->guest_port, c->host_port);
	uint16_t self = (uint16_t)(conn_index(c) + 1);

	while (*at != 0 && *at != self)
		at = &conns[*at - 1].hash_next;
	if (*at == self)
		*at = c->hash_next;
}

uint32_t
conn_free_port(uint16_t type, uint32_t guest_port)
{
	/* There are fewer connections than ports. */
	do {
		vsock.next_port = (vsock.next_port + 1) | 1u << 30;
		vsock.next_port &= ~(1u << 31);
	} while (conn_find(type, guest_port, vsock.next_port) != NULL);
	return vsock.next_port;
}

/* ---- life ----------------------------------------------------------------------- */

struct conn *
conn_new(enum vsock_type type, bool by_guest)
{
	struct conn *c;

	if (vsock.nconns == VSOCK_CONNS ||
	    (by_guest && vsock.nguest == VSOCK_GUEST_CONNS)) {
		vsock_count(VSOCK_COUNT_REFUSED, 1);
		return NULL;
	}
	if (unused.first != VSOCK_NONE) {
		c = &conns[unused.first];
		list_remove(&unused, c);
	} else {
		c = &conns[vsock.high++];
	}
	*c = (struct conn){
		.type = (uint8_t)type,
		.by_guest = by_guest,
		.first = VSOCK_NONE, .last = VSOCK_NONE,
		.state = by_guest ? CONN_WANTED : CONN_GREETING,
	};
	set_open(vsock.nconns + 1);
	vsock.nguest += by_guest;
	vsock.ngreeting += !by_guest;
	return c;
}

/* From everything that knows it but its name. */
static void
detach(struct conn *c)
{
	if (c->state == CONN_WANTED && vsock.asked == conn_index(c))
		vsock.asked = VSOCK_NONE;
	else if (c->state == CONN_WANTED)
		list_remove(&vsock.wanted, c);
	if (c->ready)
		list_remove(&vsock.ready, c);
	c->ready = false;
	/* Its fd leaves the epoll set by being closed: nobody else has it. */
	if (c->has_fd)
		close(conn_fd(c));
	c->has_fd = false;
	if (vsock.staged == conn_index(c))
		vsock.staged = VSOCK_NONE;
	backlog_release(c);
	if (c->state == CONN_GREETING || c->state == CONN_WANTED ||
	    c->state == CONN_REQUESTED)
		vsock_count(VSOCK_COUNT_REFUSED, 1);
	vsock.ngreeting -= c->state == CONN_GREETING;
}

void
conn_free(struct conn *c)
{
	detach(c);
	if (c->state != CONN_GREETING && c->state != CONN_DRAINING)
		conn_unname(c);
	set_open(vsock.nconns - 1);
	vsock.nguest -= c->by_guest;
	c->state = CONN_FREE;
	list_add(&unused, c);
	host_listen();
}

void
conn_reset(struct conn *c)
{
	if (c->state == CONN_GREETING || c->state == CONN_DRAINING) {
		conn_free(c);
		return;
	}
	detach(c);
	c->state = CONN_ENDED;
	c->owed = OWE_RST;
	conn_ready(c);
}

void
conn_tell(struct conn *c, uint8_t flags)
{
	if ((flags & ~c->told) == 0 || c->state != CONN_OPEN)
		return;
	c->told |= flags;
	c->owed |= OWE_SHUTDOWN;
	conn_ready(c);
	if (c->told == SHUT_F_BOTH) {
		c->age = 0;
		host_start_ticking();
	}
}
