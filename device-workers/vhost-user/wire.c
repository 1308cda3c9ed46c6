/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of vhost-user's requests, see wire.h. A request that is not in it
 * belongs to a protocol feature that is not offered.
 */
#include "device-workers/vhost-user/wire.h"

#include <stddef.h>

#define ALWAYS (-1)

struct shape {
	bool known;
	bool quiet;
	int8_t feature;		/* protocol feature that it belongs to */
	uint16_t min, max;	/* payload, bytes */
	uint8_t min_fds, max_fds;
};

#define CONFIG_HEAD 12u
#define TABLE_HEAD 8u

static const struct shape shapes[VHU_REQUEST_END] = {
	[VHU_GET_FEATURES] = { true, false, ALWAYS, 0, 0, 0, 0 },
	[VHU_SET_FEATURES] = { true, false, ALWAYS, 8, 8, 0, 0 },
	[VHU_SET_OWNER] = { true, false, ALWAYS, 0, 0, 0, 0 },
	[VHU_RESET_OWNER] = { true, true, ALWAYS, 0, 0, 0, 0 },
	[VHU_SET_MEM_TABLE] = { true, true, ALWAYS, TABLE_HEAD,
	    TABLE_HEAD + VHU_MAX_FDS * sizeof(struct vhu_region), 0, VHU_MAX_FDS },
	[VHU_SET_LOG_BASE] = { true, true, VHU_PF_LOG_SHMFD, 16, 16, 1, 1 },
	[VHU_SET_LOG_FD] = { true, false, ALWAYS, 0, 8, 0, 1 },
	[VHU_SET_VRING_NUM] = { true, false, ALWAYS, 8, 8, 0, 0 },
	[VHU_SET_VRING_ADDR] = { true, false, ALWAYS, 40, 40, 0, 0 },
	[VHU_SET_VRING_BASE] = { true, false, ALWAYS, 8, 8, 0, 0 },
	[VHU_GET_VRING_BASE] = { true, true, ALWAYS, 8, 8, 0, 0 },
	[VHU_SET_VRING_KICK] = { true, true, ALWAYS, 8, 8, 0, 1 },
	[VHU_SET_VRING_CALL] = { true, false, ALWAYS, 8, 8, 0, 1 },
	[VHU_SET_VRING_ERR] = { true, false, ALWAYS, 8, 8, 0, 1 },
	[VHU_GET_PROTOCOL_FEATURES] = { true, false, ALWAYS, 0, 0, 0, 0 },
	[VHU_SET_PROTOCOL_FEATURES] = { true, false, ALWAYS, 8, 8, 0, 0 },
	[VHU_GET_QUEUE_NUM] = { true, false, VHU_PF_MQ, 0, 0, 0, 0 },
	[VHU_SET_VRING_ENABLE] = { true, true, ALWAYS, 8, 8, 0, 0 },
	[VHU_SEND_RARP] = { true, false, VHU_PF_RARP, 8, 8, 0, 0 },
	[VHU_NET_SET_MTU] = { true, false, VHU_PF_NET_MTU, 8, 8, 0, 0 },
	[VHU_SET_BACKEND_REQ_FD] = { true, false, VHU_PF_BACKEND_REQ, 0, 8, 1, 1 },
	[VHU_GET_CONFIG] = { true, false, VHU_PF_CONFIG, CONFIG_HEAD,
	    CONFIG_HEAD + VHU_MAX_CONFIG, 0, 0 },
	[VHU_SET_CONFIG] = { true, false, VHU_PF_CONFIG, CONFIG_HEAD,
	    CONFIG_HEAD + VHU_MAX_CONFIG, 0, 0 },
	[VHU_GET_INFLIGHT_FD] = { true, false, VHU_PF_INFLIGHT_SHMFD, 20, 24, 0, 0 },
	[VHU_SET_INFLIGHT_FD] = { true, true, VHU_PF_INFLIGHT_SHMFD, 20, 24, 1, 1 },
	[VHU_RESET_DEVICE] = { true, true, VHU_PF_RESET_DEVICE, 0, 0, 0, 0 },
	[VHU_GET_MAX_MEM_SLOTS] = { true, false, VHU_PF_CONFIGURE_MEM_SLOTS,
	    0, 0, 0, 0 },
	[VHU_ADD_MEM_REG] = { true, true, VHU_PF_CONFIGURE_MEM_SLOTS,
	    40, 40, 1, 1 },
	[VHU_REM_MEM_REG] = { true, true, VHU_PF_CONFIGURE_MEM_SLOTS,
	    40, 40, 0, 1 },
	[VHU_SET_STATUS] = { true, true, VHU_PF_STATUS, 8, 8, 0, 0 },
	[VHU_GET_STATUS] = { true, false, VHU_PF_STATUS, 0, 0, 0, 0 },
	[VHU_SET_DEVICE_STATE_FD] = { true, true, VHU_PF_DEVICE_STATE, 8, 8, 1, 1 },
	[VHU_CHECK_DEVICE_STATE] = { true, true, VHU_PF_DEVICE_STATE, 0, 0, 0, 0 },
};

_Static_assert(sizeof(union vhu_payload) <= 272, "a message's buffer is small");
_Static_assert(offsetof(union vhu_payload, config.data) == CONFIG_HEAD, "packed");
_Static_assert(sizeof(struct vhu_header) == VHU_HEADER_SIZE, "packed");

enum vhu_verdict
vhu_header_check(const struct vhu_header *h, uint64_t protocol_features,
    const char **why)
{
	const struct shape *s;

	if ((h->flags & VHU_VERSION_MASK) != VHU_VERSION ||
	    (h->flags & VHU_FLAG_REPLY) != 0) {
		*why = "not a request of protocol version 1";
		return VHU_HANG_UP;
	}
	*why = "payload of impossible length";
	if (h->size > sizeof(union vhu_payload))
		return VHU_HANG_UP;
	if (h->request >= VHU_REQUEST_END || !shapes[h->request].known) {
		*why = "unknown request";
		return VHU_REFUSE;
	}
	s = &shapes[h->request];
	if (s->feature != ALWAYS && (protocol_features >> s->feature & 1) == 0) {
		*why = "request of a protocol feature that was not negotiated";
		return VHU_REFUSE;
	}
	return h->size < s->min || h->size > s->max ? VHU_HANG_UP : VHU_TAKE;
}

/* What a length or a count in the payload says must be what came. */
static bool
agrees(const struct vhu_msg *msg)
{
	const union vhu_payload *p = &msg->payload;

	switch (msg->header.request) {
	case VHU_SET_MEM_TABLE:
		return p->table.n <= VHU_MAX_FDS && msg->nfds == p->table.n &&
		    msg->header.size ==
		    TABLE_HEAD + p->table.n * sizeof(p->table.region[0]);
	case VHU_GET_CONFIG:
	case VHU_SET_CONFIG:
		return p->config.size <= VHU_MAX_CONFIG &&
		    p->config.offset <= VHU_MAX_CONFIG - p->config.size &&
		    msg->header.size == CONFIG_HEAD + p->config.size;
	case VHU_SET_VRING_KICK:
	case VHU_SET_VRING_CALL:
	case VHU_SET_VRING_ERR:
		return (p->u64 & ~(uint64_t)(VHU_VRING_INDEX | VHU_VRING_NO_FD)) == 0 &&
		    msg->nfds == ((p->u64 & VHU_VRING_NO_FD) == 0);
	default:
		return true;
	}
}

bool
vhu_message_ok(const struct vhu_msg *msg, const char **why)
{
	const struct shape *s = &shapes[msg->header.request];

	if (msg->nfds < s->min_fds || msg->nfds > s->max_fds) {
		*why = "wrong number of file descriptors";
		return false;
	}
	if (!agrees(msg)) {
		*why = "payload contradicts itself";
		return false;
	}
	return true;
}

bool
vhu_wants_quiet(uint32_t request)
{
	return shapes[request].quiet;
}
