/* SPDX-License-Identifier: Apache-2.0 */
/* Packets between guest and host (virtio 1.2, 5.10), for the device and its tests. */
#ifndef BULKHEAD_DEVICE_WORKERS_VSOCK_PACKET_H
#define BULKHEAD_DEVICE_WORKERS_VSOCK_PACKET_H

#include <stdint.h>

#define VSOCK_HOST_CID 2u
#define VSOCK_F_SEQPACKET 1		/* 5.10.3 */

enum { VSOCK_RX, VSOCK_TX, VSOCK_EVENT, VSOCK_QUEUES };

/* 5.10.6 */
struct vsock_hdr {
	uint64_t src_cid, dst_cid;
	uint32_t src_port, dst_port;
	uint32_t len;
	uint16_t type, op;
	uint32_t flags;
	uint32_t buf_alloc, fwd_cnt;
} __attribute__((packed));

_Static_assert(sizeof(struct vsock_hdr) == 44, "5.10.6");

enum vsock_type { VSOCK_STREAM = 1, VSOCK_SEQPACKET = 2 };

enum vsock_op {
	VSOCK_OP_REQUEST = 1,
	VSOCK_OP_RESPONSE,
	VSOCK_OP_RST,
	VSOCK_OP_SHUTDOWN,
	VSOCK_OP_RW,
	VSOCK_OP_CREDIT_UPDATE,
	VSOCK_OP_CREDIT_REQUEST,
};

/* Flags of SHUTDOWN: its sender receives, sends, no more. */
#define SHUT_F_RECEIVE 1u
#define SHUT_F_SEND 2u
#define SHUT_F_BOTH 3u
#define SEQ_F_EOM 1u			/* of RW: the message ends here */

#endif
