/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the socket device. A connection is one host socket and one socket of the
 * guest; conn.c has the table of them, backlog.c what the host has not read yet,
 * to_guest.c the receive queue, from_guest.c the transmit queue, host.c the host's
 * sockets, vsock.c the device. One thread, no allocation, no call that waits.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_VSOCK_VSOCK_INT_H
#define BULKHEAD_DEVICE_WORKERS_VSOCK_VSOCK_INT_H

#include <stdbool.h>
#include <stdint.h>

#include "device-workers/lib/device.h"
#include "device-workers/vsock/packet.h"
#include "device-workers/vsock/slots.h"

#define VSOCK_CONNS FD_VSOCK_COUNT
#define VSOCK_NONE UINT16_MAX		/* no connection, no block */

/* Of all connections, so many may be the guest's, and so many not have said yet which
 * port they want. */
#define VSOCK_GUEST_CONNS (VSOCK_CONNS - 256u)
#define VSOCK_GREETING 128u
#define VSOCK_RESETS 256u		/* of what is no connection (any more) */

enum conn_state {
	CONN_FREE,
	CONN_GREETING,	/* a client of the host has not said which port */
	CONN_WANTED,	/* the guest waits for the host's answer */
	CONN_REQUESTED,	/* the host waits for the guest's */
	CONN_OPEN,
	CONN_DRAINING,	/* the guest is done; the host has not read all */
	CONN_ENDED,	/* the guest is to be told; no socket of the host's any more */
};

/* Packets that the guest is to get of a connection, by itself. */
#define OWE_REQUEST (1u << 0)
#define OWE_RESPONSE (1u << 1)
#define OWE_SHUTDOWN (1u << 2)
#define OWE_CREDIT (1u << 3)
#define OWE_RST (1u << 4)

/*
 * Counts of bytes wrap, 5.10.6.3. The guest may have sent buf_alloc beyond fwd_cnt,
 * the host peer_alloc beyond peer_fwd.
 */
struct conn {
	uint8_t state, type;
	uint8_t owed;			/* OWE_ bits */
	uint8_t shut;			/* SHUT_F_, as the guest said */
	uint8_t told;			/* SHUT_F_, as the guest was told */
	uint8_t age;			/* ticks in a state that may not last */
	bool by_guest;			/* who opened it */
	bool has_fd;
	bool readable;			/* until a read says otherwise */
	bool ended;			/* the host's end sends nothing more */
	bool hung_up;			/* ... and receives nothing more */
	bool deaf;			/* the host takes nothing more */
	bool write_shut;		/* ... was told that nothing more comes */
	bool ready;			/* in the list of those with something to do */
	bool watch_out;			/* waits until it can be written to */
	bool in_message;		/* seqpacket: one is not complete yet */
	uint16_t hash_next;
	uint16_t prev, next;		/* in the ready list, or of those wanted */
	uint32_t guest_port, host_port;
	uint32_t buf_alloc, fwd_cnt, received, told_fwd;
	uint32_t peer_alloc, peer_fwd, sent;
	/* backlog.c */
	uint16_t blocks;		/* reserved */
	uint16_t first, last;		/* in use */
	uint16_t first_at, last_end;	/* bytes: where it begins, where it ends */
	uint16_t msg_block, msg_at;	/* where the message's length belongs */
	uint32_t pending;		/* bytes, lengths of messages included */
};

struct list {
	uint16_t first, last;
};

struct vsock {
	struct device *dev;
	uint32_t cid;
	uint32_t buffer;		/* bytes a connection may get */
	bool reset_event;		/* TRANSPORT_RESET is due */
	bool ticking;
	bool listening;
	bool tx_waits;			/* until there is room in resets */
	uint32_t next_port;		/* for clients of the host */
	struct list ready, wanted;
	uint16_t asked;			/* the one that the controller was asked for */
	bool asking;			/* ... asked may be gone meanwhile */
	unsigned int nconns, nguest, ngreeting;
	unsigned int high;		/* no connection from here on was ever used */
	struct vsock_hdr resets[VSOCK_RESETS];	/* packets that are answered so */
	unsigned int first_reset, nresets;
	/* A message of the host's on its way: one for all, since those that wait, wait
	 * for the same buffers of the guest. */
	uint16_t staged;
	uint32_t staged_len, staged_at;
};

extern struct vsock vsock;
extern struct conn conns[VSOCK_CONNS];

static inline void
vsock_count(enum vsock_counter which, uint64_t n)
{
	counter_add(vsock.dev->counters, which, n);
}

static inline uint16_t
conn_index(const struct conn *c)
{
	return (uint16_t)(c - conns);
}

static inline int
conn_fd(const struct conn *c)
{
	return FD_VSOCK_CONNS + (int)conn_index(c);
}

/* ---- conn.c ---- */

void conns_start(void);
/* A free one, of nobody yet; NULL: there is none (left, for the guest). */
struct conn *conn_new(enum vsock_type type, bool by_guest);
/* Its ports are known: find it by them from now on. */
void conn_name(struct conn *c, uint32_t guest_port, uint32_t host_port);
struct conn *conn_find(uint16_t type, uint32_t guest_port, uint32_t host_port);
void conn_unname(struct conn *c);
/* A port of the host's that no connection with @guest_port has. */
uint32_t conn_free_port(uint16_t type, uint32_t guest_port);
/* Close it, and forget it. */
void conn_free(struct conn *c);
/* Close it, and tell the guest; it is forgotten then. */
void conn_reset(struct conn *c);
/* The host sends (receives) nothing more: SHUT_F_ bits. The guest is told once. */
void conn_tell(struct conn *c, uint8_t flags);
/* To the end of the list of those with something to do. */
void conn_ready(struct conn *c);
void list_add(struct list *l, struct conn *c);
void list_remove(struct list *l, struct conn *c);

/* ---- backlog.c ---- */

/* Buffer of a new connection: sets its buf_alloc. */
void backlog_reserve(struct conn *c, uint32_t want);
void backlog_release(struct conn *c);
/* Append bytes; there is room for all that credit allows. */
bool backlog_add(struct conn *c, const void *data, uint32_t len);
/* Seqpacket: a message begins, and ends. */
bool backlog_begin(struct conn *c);
void backlog_end(struct conn *c);
/* Write what can be written. 0: all; -EAGAIN; or -errno: the host takes no more. */
int backlog_flush(struct conn *c);
void backlog_drop(struct conn *c);

/* ---- to_guest.c ---- */

/* Answer the packet @of with RST: from_guest() sees to it that there is room. */
void owe_reset(const struct vsock_hdr *of);
/* Give the guest what it is to get, as far as it has buffers. */
void to_guest(void);

/* ---- from_guest.c ---- */

void from_guest(void);
/* The host has read @n bytes more of the guest's. */
void conn_forwarded(struct conn *c, uint32_t n);
/* What comes after the last byte for the host was written, or cannot be. */
void conn_flushed(struct conn *c, int rc);

/* ---- refuse.c: device.h ---- */

int64_t vsock_refuse(struct device *dev, unsigned int q, struct virtq_chain *chain);

/* ---- host.c ---- */

/* Accept clients, or do not: as many as there may be. */
void host_listen(void);
void host_accept(int listener);
/* Events of connections. */
void host_events(void);
/* Its socket is at its slot: watch it. False: it cannot be. */
bool host_watch(struct conn *c);
void host_watch_out(struct conn *c, bool on);
/* Connections that the guest asked for, one after the other. */
void host_want_next(void);
void host_connected(int error, int fd);
/* A second has passed. */
void host_tick(void);
void host_start_ticking(void);

#endif
