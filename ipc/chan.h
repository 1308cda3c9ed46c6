/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A channel: one end of a SOCK_SEQPACKET socketpair that carries one protobuf
 * Packet a packet, with fds beside it.
 *
 * Owns decoding into a fixed arena, the check of every packet against
 * proto/table.h and proto/check.h before anyone sees it, and the fds of a packet
 * until they are taken. Called by every process. It must not interpret a
 * message, and never blocks. Not for two threads at once: channels that share
 * buffers are used by one thread, or under one lock.
 */
#ifndef BULKHEAD_IPC_CHAN_H
#define BULKHEAD_IPC_CHAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bulkhead.pb-c.h"
#include "proto/table.h"

#define CHAN_MAX_PACKET ((size_t)65536)	/* bytes; larger state: a memfd */
#define CHAN_MAX_FDS 252u		/* the kernel's SCM_MAX_FD is 253 */
#define CHAN_ARENA_SIZE (256u * 1024u)

/* Bump allocator for one decoded packet. */
struct chan_arena {
	size_t used;
	_Alignas(16) uint8_t bytes[CHAN_ARENA_SIZE];
};

/* For protobuf-c; the arena is emptied by setting .used to 0. */
ProtobufCAllocator chan_arena_allocator(struct chan_arena *arena);

/* Buffers for receiving; one a process is enough, channels take turns. */
struct chan_buffers {
	uint8_t packet[CHAN_MAX_PACKET + 1];	/* + 1: a larger one is noticed */
	struct chan_arena arena;
};

struct chan {
	int fd;
	enum proto_peer self;	/* what this end is ... */
	enum proto_peer peer;	/* ... and who is at the other */
	uint32_t states;	/* PROTO_STATE_*: what may be received now */
	uint32_t next_seq;
	struct chan_buffers *buffers;
};

/* A received packet. Good until the next chan_recv with the same buffers. */
struct chan_msg {
	const Bh__Packet *packet;
	unsigned int nfds;
	int fds[CHAN_MAX_FDS];	/* -1 where taken */
};

/* @fd is owned by the caller, SOCK_SEQPACKET; buffers are shared and outlive it. */
void chan_init(struct chan *ch, int fd, enum proto_peer self,
    enum proto_peer peer, struct chan_buffers *buffers);

/*
 * Receive one packet without waiting. 1: got one; 0: none there; -EPIPE: the
 * peer hung up; -EPROTO: refused (too long, not decodable, not permitted from
 * this peer or in this state, wrong number of fds, invalid contents): the peer
 * is broken or hostile, and the channel is of no more use. No fd of a refused
 * packet stays open. @why, if not NULL, gets static text on -EPROTO.
 */
int chan_recv(struct chan *ch, struct chan_msg *msg, const char **why);

/* Take fd @i out of the message: the caller owns it. */
int chan_take_fd(struct chan_msg *msg, unsigned int i);

/* Close what was not taken. Call once after each successful chan_recv. */
void chan_done(struct chan_msg *msg);

/*
 * Send @packet with @nfds fds (which stay the caller's). Does not wait:
 * -EAGAIN: the queue is full, which means the peer is dead or hostile. -EPIPE,
 * -EMSGSIZE.
 */
int chan_send(struct chan *ch, const Bh__Packet *packet, const int *fds,
    unsigned int nfds);

/* A fresh, non-zero request number. */
uint32_t chan_next_seq(struct chan *ch);

/*
 * Shorthands: declare a Packet holding one body, named by its field:
 *	CHAN_PACKET(p, ADD_MEMORY, add_memory, &add);
 */
#define CHAN_PACKET(name, CASE, field, body)				\
	Bh__Packet name = BH__PACKET__INIT;				\
	name.body_case = BH__PACKET__BODY_##CASE;			\
	name.field = (body)

/* Answer request @seq with Ack, or with Failed (@error positive errno). */
int chan_send_ack(struct chan *ch, uint32_t seq);
int chan_send_failed(struct chan *ch, uint32_t seq, int error,
    const char *text);

#endif
