/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a vhost-user back end sends, on the wire: one answer at a time on the
 * connection, and messages of its own on the back-end channel. Pure: no system
 * calls, no state. Requests go out in the same layouts, wire.h of the back-end side.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_VHOST_USER_FRONT_REPLY_H
#define BULKHEAD_DEVICE_WORKERS_VHOST_USER_FRONT_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "device-workers/vhost-user/wire.h"


/* Of GET_INFLIGHT_FD and SET_INFLIGHT_FD. */
struct front_inflight {
	uint64_t size, offset;	/* of the region in the fd */
	uint16_t num_queues, queue_size;
};

/* Its padding goes over the wire, too: everybody's code does so, not the text. */
#define FRONT_INFLIGHT_WIRE 24u
#define FRONT_MAX_INFLIGHT (64ull << 20)	/* bytes: offsets beyond are no sense */

/* Room for any answer or message of the back end. */
union front_payload {
	uint64_t u64;
	struct {
		uint32_t index, num;
	} vring;
	struct {
		uint32_t offset, size, flags;
		uint8_t data[VHU_MAX_CONFIG];
	} config;
	struct front_inflight inflight;
	uint8_t bytes[12 + VHU_MAX_CONFIG];
};

/* What is waited for. */
struct front_expect {
	uint32_t request;
	uint32_t size;		/* of the payload; GET_CONFIG: 0 is a refusal, too */
};

/*
 * May the header be the answer? Looked at before its payload is read: afterwards
 * header->size fits union front_payload.
 */
bool front_reply_ok(const struct vhu_header *header,
    const struct front_expect *expect, const char **why);

/*
 * The same for a message on the back-end channel, with or without an answer asked
 * for. Those there is no use for are let pass, if they bring no more than 64 bytes.
 */
bool front_event_ok(const struct vhu_header *header, const char **why);

/*
 * Is the region for requests in flight possible for @queues queues of @entries?
 * Nothing of it is ever looked at here.
 */
bool front_inflight_ok(const struct front_inflight *inflight, unsigned int queues,
    unsigned int entries);

#endif
