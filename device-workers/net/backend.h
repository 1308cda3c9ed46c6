/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where frames come from and go to: a const struct for each kind of back end,
 * chosen once by the configuration. net.c and net_rx.c do not know which it is.
 * A kind moves frames and nothing else: rings, headers that a driver may ask for
 * and rate limits are the device's.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_NET_BACKEND_H
#define BULKHEAD_DEVICE_WORKERS_NET_BACKEND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "bulkhead.pb-c.h"

struct net_pair;

/*
 * No function waits or allocates, but start(). Each frame begins with a header
 * of NET_HDR_SIZE bytes (net_hdr.h).
 */
struct net_backend {
	const char *name;	/* "tap": for people */

	/* Before the jail: is p->fd what it should be? -errno and *why. */
	int (*start)(struct net_pair *p, const char **why);

	/* What may be left to the driver: TUN_F_ bits. -errno. */
	int (*set_offloads)(struct net_pair *p, uint32_t offloads);

	/* Does this queue get frames? -errno; -EINVAL: it already was so. */
	int (*set_attached)(struct net_pair *p, bool attached);

	/*
	 * Send one frame, or drop it whole: iov[0] is its header; without
	 * events() also all of a small one. Its length or -errno; -ENOBUFS (with
	 * events()): it is not dropped, send it again when ready() says so.
	 */
	ssize_t (*send)(struct net_pair *p, const struct iovec *iov,
	    unsigned int niov);

	/*
	 * Receive one frame; what @iov has no room for is lost. Its length or
	 * -errno; -EAGAIN: p->fd will become readable when there is one.
	 */
	ssize_t (*receive)(struct net_pair *p, const struct iovec *iov,
	    unsigned int niov);

	/* Is a frame here already that p->fd does not show? NULL: never. */
	bool (*pending)(const struct net_pair *p);

	/*
	 * What to wait for besides EPOLLIN, and what is to be done when it has
	 * come: 1: what had to wait may be sent. -errno. NULL: nothing, ever.
	 */
	uint32_t (*events)(const struct net_pair *p);
	int (*ready)(struct net_pair *p, uint32_t events);

	/* Does -@err of one of these say that the back end is gone for good? */
	bool (*is_gone)(int err);

	/*
	 * It is gone: hang up. And: another is at p->fd now. NULL: one that is
	 * gone stays so, and the driver is not told.
	 */
	void (*end)(struct net_pair *p);
	void (*restart)(struct net_pair *p);
};

/* The back end for @kind. NULL: there is none in this program. */
const struct net_backend *net_backend_of(Bh__NetBackend kind);

#endif
