/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fd numbers of a back-end program. Those of ipc/slots.h for back end, epoll,
 * timer, kick, call and received memory hold; two have another owner here.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_VHOST_USER_SLOTS_H
#define BULKHEAD_DEVICE_WORKERS_VHOST_USER_SLOTS_H

#include "ipc/slots.h"

enum vhu_slot {
	FD_VHU_LISTEN = FD_CTL,		/* socket that front ends connect to */
	FD_VHU_CONN = FD_BUS,		/* the one that has connected */
	FD_VHU_SIGNAL = 24,		/* signalfd: SIGTERM, SIGINT */
	FD_VHU_BACKEND_REQ = 25,	/* channel for requests of ours */
	FD_VHU_STATE = 30,		/* pipe or socket: device state */
	FD_VHU_PORTS = 42,		/* vsock and who connects for it: ports.h */
	FD_VHU_PORTS_DIR = 43,		/* the latter: where the sockets are */
	FD_ERR = 192,			/* 192..255: error eventfd of queue 0..63 */
};

/* A device has those of its own in between. */
_Static_assert((int)FD_VHU_BACKEND_REQ < (int)FD_BLK_RING &&
    (int)FD_BLK_DONE < (int)FD_VHU_STATE &&
    (int)FD_VHU_STATE < (int)FD_CONFIG_PAGE, "apart");
_Static_assert((int)FD_ERR + (int)FD_QUEUE_COUNT <= (int)FD_INCOMING, "apart");

#endif
