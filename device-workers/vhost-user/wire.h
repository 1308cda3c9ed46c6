/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vhost-user protocol on the wire (QEMU's docs/interop/vhost-user.rst): its
 * messages, and a check of each that needs to know nothing but the message. Pure:
 * no system calls, no state. What a message means for this device is checked in
 * messages.c, on the same private copy.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_VHOST_USER_WIRE_H
#define BULKHEAD_DEVICE_WORKERS_VHOST_USER_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#define VHU_HEADER_SIZE 12u
#define VHU_MAX_FDS 8u		/* a memory table's regions */
#define VHU_MAX_CONFIG 256u

/* Feature bits of the ring's transport, not of virtio. */
#define VHU_F_LOG_ALL 26
#define VHU_F_PROTOCOL_FEATURES 30

enum vhu_protocol_feature {
	VHU_PF_MQ = 0,
	VHU_PF_LOG_SHMFD = 1,
	VHU_PF_RARP = 2,
	VHU_PF_REPLY_ACK = 3,
	VHU_PF_NET_MTU = 4,
	VHU_PF_BACKEND_REQ = 5,
	VHU_PF_CONFIG = 9,
	VHU_PF_INFLIGHT_SHMFD = 12,
	VHU_PF_RESET_DEVICE = 13,
	VHU_PF_CONFIGURE_MEM_SLOTS = 15,
	VHU_PF_STATUS = 16,
	VHU_PF_DEVICE_STATE = 19,
};

enum vhu_request {
	VHU_GET_FEATURES = 1,
	VHU_SET_FEATURES = 2,
	VHU_SET_OWNER = 3,
	VHU_RESET_OWNER = 4,
	VHU_SET_MEM_TABLE = 5,
	VHU_SET_LOG_BASE = 6,
	VHU_SET_LOG_FD = 7,
	VHU_SET_VRING_NUM = 8,
	VHU_SET_VRING_ADDR = 9,
	VHU_SET_VRING_BASE = 10,
	VHU_GET_VRING_BASE = 11,
	VHU_SET_VRING_KICK = 12,
	VHU_SET_VRING_CALL = 13,
	VHU_SET_VRING_ERR = 14,
	VHU_GET_PROTOCOL_FEATURES = 15,
	VHU_SET_PROTOCOL_FEATURES = 16,
	VHU_GET_QUEUE_NUM = 17,
	VHU_SET_VRING_ENABLE = 18,
	VHU_SEND_RARP = 19,
	VHU_NET_SET_MTU = 20,
	VHU_SET_BACKEND_REQ_FD = 21,
	VHU_GET_CONFIG = 24,
	VHU_SET_CONFIG = 25,
	VHU_GET_INFLIGHT_FD = 31,
	VHU_SET_INFLIGHT_FD = 32,
	VHU_RESET_DEVICE = 34,
	VHU_GET_MAX_MEM_SLOTS = 36,
	VHU_ADD_MEM_REG = 37,
	VHU_REM_MEM_REG = 38,
	VHU_SET_STATUS = 39,
	VHU_GET_STATUS = 40,
	VHU_SET_DEVICE_STATE_FD = 42,
	VHU_CHECK_DEVICE_STATE = 43,
	VHU_REQUEST_END
};

/* Sent by the back end, on the channel of SET_BACKEND_REQ_FD. */
#define VHU_BACKEND_CONFIG_CHANGE 2u

#define VHU_VERSION 1u
#define VHU_VERSION_MASK 3u
#define VHU_FLAG_REPLY 4u
#define VHU_FLAG_NEED_REPLY 8u

/* Payload of KICK, CALL and ERR; the bit in SET_DEVICE_STATE_FD's answer, too. */
#define VHU_VRING_INDEX 0xffu
#define VHU_VRING_NO_FD 0x100u

struct vhu_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size;		/* of the payload */
};

struct vhu_region {
	uint64_t gpa;		/* guest-physical address */
	uint64_t size;		/* bytes */
	uint64_t uva;		/* where the front end has it mapped */
	uint64_t offset;	/* in the fd */
};

union vhu_payload {
	uint64_t u64;
	struct {
		uint32_t index;
		uint32_t num;
	} vring;
	struct {
		uint32_t index;
		uint32_t flags;
		uint64_t desc, used, avail;	/* front-end addresses */
		uint64_t log;
	} addr;
	struct {
		uint32_t n;
		uint32_t padding;
		struct vhu_region region[VHU_MAX_FDS];
	} table;
	struct {
		uint64_t padding;
		struct vhu_region region;
	} mem;
	struct {
		uint64_t size, offset;
	} log;
	struct {
		uint64_t mmap_size, mmap_offset;
		uint16_t num_queues, queue_size;
	} inflight;		/* of 20 bytes, or of 24 as compilers pad it */
	struct {
		uint32_t direction;	/* 0: the back end writes */
		uint32_t phase;
	} transfer;
	struct {
		uint32_t offset, size, flags;
		uint8_t data[VHU_MAX_CONFIG];
	} config;
	uint8_t bytes[8 + 32 * VHU_MAX_FDS];
};

struct vhu_msg {
	struct vhu_header header;
	union vhu_payload payload;
	int fd[VHU_MAX_FDS];	/* -1 once taken */
	unsigned int nfds;
};

enum vhu_verdict {
	VHU_TAKE,
	VHU_REFUSE,	/* unknown, or not negotiated: can be read and answered */
	VHU_HANG_UP,	/* where its payload ends cannot be known */
};

/*
 * Is the header that of a request which exists, is a feature of the negotiated
 * @protocol_features, and has a possible length? Said before the payload is read.
 */
enum vhu_verdict vhu_header_check(const struct vhu_header *header,
    uint64_t protocol_features, const char **why);

/* The whole message: lengths and counts inside it, and its number of fds. */
bool vhu_message_ok(const struct vhu_msg *msg, const char **why);

/* Must the device be at rest while the request is carried out? */
bool vhu_wants_quiet(uint32_t request);

#endif
