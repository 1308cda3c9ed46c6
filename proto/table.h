/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may send which message to whom, in which state of the receiver's end, and
 * with how many fds. Default: refuse. Read by ipc/chan.c before a handler sees a
 * message, by the fuzz targets and by the generator of docs/protocol.md.
 */
#ifndef BULKHEAD_PROTO_TABLE_H
#define BULKHEAD_PROTO_TABLE_H

#include <stdint.h>

#include "bulkhead.pb-c.h"

#define PROTO_VERSION 1u

/* The ends of channels. */
enum proto_peer {
	PEER_CONTROLLER,
	PEER_SPAWNER,
	PEER_OPENER,
	PEER_LOADER,
	PEER_VCPU,
	PEER_DEVICE,
	PEER_API,
	PEER_MIGRATION,
	PEER_COUNT,
};

/*
 * State of a receiving end, set by its process as the conversation goes on.
 * NEW: before Hello or the configuration; CONFIGURING: building up; RUNNING:
 * jailed and at work; CLOSING: asked to quit.
 */
enum proto_state {
	PROTO_NEW = 1u << 0,
	PROTO_CONFIGURING = 1u << 1,
	PROTO_RUNNING = 1u << 2,
	PROTO_CLOSING = 1u << 3,
	PROTO_ANY = 0xf,
};

struct proto_rule {
	Bh__Packet__BodyCase type;
	const char *name;	/* "add_memory", as in the .proto */
	uint32_t senders;	/* 1 << enum proto_peer */
	uint32_t receivers;
	uint32_t states;	/* of the receiving end */
	uint16_t fds_min;
	uint16_t fds_max;
};

extern const struct proto_rule proto_rules[];
extern const unsigned int proto_nrules;

/* The rule that lets @sender send @type to @receiver, or NULL: it may not. */
const struct proto_rule *proto_rule_of(Bh__Packet__BodyCase type,
    enum proto_peer sender, enum proto_peer receiver);

/* "add_memory", for the log; "unknown" for a type without a rule. */
const char *proto_name_of(Bh__Packet__BodyCase type);

#endif
