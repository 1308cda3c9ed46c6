/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fds of a vsock worker. Connection i of its table is fd FD_VSOCK_CONNS + i, so
 * that the filter can name them all.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_VSOCK_SLOTS_H
#define BULKHEAD_DEVICE_WORKERS_VSOCK_SLOTS_H

#include "ipc/slots.h"

#define FD_VSOCK_STREAM FD_BACKEND		/* listening, SOCK_STREAM */
#define FD_VSOCK_SEQPACKET (FD_BACKEND + 1)	/* ... SOCK_SEQPACKET */
#define FD_VSOCK_CONNS 2048			/* 2048..4095 */
#define FD_VSOCK_COUNT 2048

#endif
