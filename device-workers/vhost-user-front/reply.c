/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks of what a back end sends, see reply.h.
 */
#include "device-workers/vhost-user-front/reply.h"

#include <stddef.h>

#define MAX_EVENT 64u

_Static_assert(sizeof(union front_payload) <= 272, "small");
_Static_assert(offsetof(union front_payload, config.data) == 12, "packed");
_Static_assert(sizeof(struct front_inflight) == FRONT_INFLIGHT_WIRE, "padded");
_Static_assert(MAX_EVENT <= sizeof(union front_payload), "room");

bool
front_reply_ok(const struct vhu_header *header,
    const struct front_expect *expect, const char **why)
{
	bool refused = expect->request == VHU_GET_CONFIG && header->size == 0;

	if ((header->flags & VHU_VERSION_MASK) != VHU_VERSION ||
	    (header->flags & VHU_FLAG_REPLY) == 0) {
		*why = "it sent what is no answer of vhost-user";
		return false;
	}
	if (header->request != expect->request) {
		*why = "it answered another question";
		return false;
	}
	if (header->size != expect->size && !refused) {
		*why = "its answer is of impossible length";
		return false;
	}
	return true;
}

bool
front_event_ok(const struct vhu_header *header, const char **why)
{
	if ((header->flags & VHU_VERSION_MASK) != VHU_VERSION ||
	    (header->flags & VHU_FLAG_REPLY) != 0) {
		*why = "it sent what is no message of vhost-user";
		return false;
	}
	if (header->size > MAX_EVENT) {
		*why = "it sent a message that is too long";
		return false;
	}
	return true;
}

bool
front_inflight_ok(const struct front_inflight *inflight, unsigned int queues,
    unsigned int entries)
{
	uint64_t end;

	/* At least a byte an entry, in whatever layout. */
	return inflight->num_queues >= queues &&
	    inflight->queue_size >= entries &&
	    inflight->size >= (uint64_t)queues * entries &&
	    inflight->size <= FRONT_MAX_INFLIGHT &&
	    inflight->offset <= FRONT_MAX_INFLIGHT &&
	    !__builtin_add_overflow(inflight->offset, inflight->size, &end);
}
