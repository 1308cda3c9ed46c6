/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagram sockets in place of taps, for unit tests and fuzz targets of the network
 * device: host[] are their other ends, and what the back end was told last is in
 * offloads[] and attached[].
 */
#ifndef BULKHEAD_TESTS_UNIT_NET_FAKE_TAP_H
#define BULKHEAD_TESTS_UNIT_NET_FAKE_TAP_H

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "device-workers/net/net.h"
#include "tests/unit/device_harness.h"

#define PAIRS 2u

static int host[PAIRS];
static uint32_t offloads[PAIRS];
static bool attached[PAIRS];

static int
fake_start(struct net_pair *p, const char **why)
{
	(void)why;
	return fcntl(p->fd, F_GETFL) < 0 ? -EBADF : 0;
}

static int
fake_set_offloads(struct net_pair *p, uint32_t set)
{
	offloads[p->fd - FD_BACKEND] = set;
	return 0;
}

static int
fake_set_attached(struct net_pair *p, bool on)
{
	attached[p->fd - FD_BACKEND] = on;
	return 0;
}

static ssize_t
fake_send(struct net_pair *p, const struct iovec *iov, unsigned int niov)
{
	ssize_t n = writev(p->fd, iov, (int)niov);

	return n < 0 ? -errno : n;
}

static ssize_t
fake_receive(struct net_pair *p, const struct iovec *iov, unsigned int niov)
{
	ssize_t n = readv(p->fd, iov, (int)niov);

	return n < 0 ? -errno : n;
}

static bool
fake_is_gone(int err)
{
	return err == EBADFD;
}

const struct net_backend *
net_backend_of(Bh__NetBackend kind)
{
	static const struct net_backend fake = {
		.name = "tap",
		.start = fake_start,
		.set_offloads = fake_set_offloads,
		.set_attached = fake_set_attached,
		.send = fake_send,
		.receive = fake_receive,
		.is_gone = fake_is_gone,
	};

	return kind == BH__NET_BACKEND__NET_BACKEND_TAP ? &fake : NULL;
}

/* Make them, at FD_BACKEND and behind it. */
static bool
fake_taps(void)
{
	for (unsigned int i = 0; i < PAIRS; i++) {
		int pair[2];

		if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair) != 0)
			return false;
		/* Out of the way of the slots. */
		host[i] = fcntl(pair[1], F_DUPFD, 40);
		close(pair[1]);
		if (pair[0] != FD_BACKEND + (int)i) {
			dup2(pair[0], FD_BACKEND + (int)i);
			close(pair[0]);
		}
	}
	return true;
}

#endif
