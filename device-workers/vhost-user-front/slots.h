/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fd numbers of a front-end worker beside those of ipc/slots.h. Regions of
 * guest memory stay where they are received, from FD_INCOMING on.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_VHOST_USER_FRONT_SLOTS_H
#define BULKHEAD_DEVICE_WORKERS_VHOST_USER_FRONT_SLOTS_H

#include "ipc/slots.h"

enum front_slot {
	FD_FRONT_CONN = FD_BACKEND,	/* the back end */
	FD_FRONT_LISTEN,		/* socket that it connects to, or none */
	FD_FRONT_EVENTS,		/* what it sends of its own: our end ... */
	FD_FRONT_EVENTS_PEER,		/* ... and its, until it has it */
	FD_FRONT_INFLIGHT,		/* its record of requests in flight, ours */
	FD_FRONT_LOG,			/* dirty bitmap */
	FD_FRONT_RINGS,			/* memfd of relayed rings */
	FD_FRONT_LOOP,			/* epoll of all these */

	FD_FRONT_THEIRS = 44,		/* the same as the back end made it */

	/* Relayed queues: eventfds between the back end and this process */
	FD_FRONT_KICK = 512,		/* 512..575 */
	FD_FRONT_CALL = 576,		/* 576..639 */
	FD_FRONT_END = 640,
};

_Static_assert((int)FD_FRONT_LOOP < FD_BACKEND + FD_BACKEND_COUNT, "slots");

#endif
