/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between bulkhead-vhost-user-vsock, which has no path, and
 * bulkhead-vhost-user-vsock-ports, which connects to the host's ports for it: packets
 * on a SOCK_SEQPACKET pair at FD_VHU_PORTS. First comes an answer without a request: the
 * jail is closed. Then one to each request, in their order.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_VHOST_USER_PORTS_H
#define BULKHEAD_DEVICE_WORKERS_VHOST_USER_PORTS_H

#include <stdint.h>

#include "device-workers/vhost-user/slots.h"

#define PORTS_PROGRAM "bulkhead-vhost-user-vsock-ports"
#define PORTS_DIGITS 10u	/* of a port, at most */

struct ports_request {
	uint32_t port;
	uint32_t seqpacket;	/* 0 or 1 */
};

struct ports_answer {
	int32_t error;		/* an errno; 0: a connected socket comes along */
};

#endif
