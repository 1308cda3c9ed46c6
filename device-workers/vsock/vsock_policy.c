/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a vsock worker may do. Read by sandbox/genfilter alone. It takes clients of the
 * two sockets that it was given and connections that the controller made, and can make
 * neither a socket nor a connection.
 */
#include <sys/socket.h>

#include "device-workers/lib/worker_policy.h"
#include "device-workers/vsock/slots.h"

#define CONNECTION SB_FDS(0, FD_VSOCK_CONNS, FD_VSOCK_COUNT)
#define CLIENT_FLAGS (SOCK_NONBLOCK | SOCK_CLOEXEC)
#define PEEK_FLAGS (MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT)

static const struct sb_rule rules[] = {
	WORKER_RULES,
#ifdef VSOCK_PORT_RULES		/* without a controller */
	VSOCK_PORT_RULES,
#endif
	SB_ALLOW2(accept4, SB_FD(0, FD_VSOCK_STREAM), SB_EQ32(3, CLIENT_FLAGS),
	    "a client of the stream socket"),
	SB_ALLOW2(accept4, SB_FD(0, FD_VSOCK_SEQPACKET), SB_EQ32(3, CLIENT_FLAGS),
	    "a client of the seqpacket socket"),
	SB_ALLOW2(dup3, SB_FDS(1, FD_VSOCK_CONNS, FD_VSOCK_COUNT),
	    SB_EQ32(2, O_CLOEXEC), "a connection to its slot"),
	SB_ALLOW2(recvmsg, CONNECTION, SB_EQ32(2, MSG_DONTWAIT),
	    "from the host, into guest memory"),
	SB_ALLOW2(recvmsg, CONNECTION, SB_EQ32(2, PEEK_FLAGS),
	    "which port a client wants; how long a message is"),
	SB_ALLOW2(sendmsg, CONNECTION, SB_EQ32(2, MSG_NOSIGNAL | MSG_DONTWAIT),
	    "from guest memory, to the host"),
	SB_ALLOW1(shutdown, CONNECTION, "one direction ends"),
	SB_ALLOW1(epoll_ctl, SB_FD(0, FD_VSOCK_EPOLL), "which connections to watch"),
	SB_ALLOW2(epoll_wait, SB_FD(0, FD_VSOCK_EPOLL), SB_EQ32(3, 0),
	    "which of them are ready"),
	SB_ALLOW1(timerfd_settime, SB_FD(0, FD_TIMER), "patience with clients"),
	SB_ALLOW1(read, SB_FD(0, FD_TIMER), "it is over"),
};

static const struct sb_fd fds[] = {
	WORKER_FDS,
#ifdef VSOCK_PORT_FDS
	VSOCK_PORT_FDS,
#endif
	SB_SLOT(FD_VSOCK_STREAM, SB_IS_STREAM, "listening socket of the host"),
	SB_SLOT(FD_VSOCK_SEQPACKET, SB_IS_CHANNEL, "the same for messages"),
	SB_SLOT(FD_VSOCK_EPOLL, SB_IS_EPOLL, "connections to wake up for"),
	SB_SLOTS(FD_VSOCK_CONNS, FD_VSOCK_COUNT, SB_IS_STREAM | SB_IS_CHANNEL,
	    "connections"),
};

const struct sb_policy sb_policy = {
	.kind = "vsock",
	.rules = rules,
	.nrules = sizeof(rules) / sizeof(rules[0]),
	.fds = fds,
	.nfds = sizeof(fds) / sizeof(fds[0]),
	.ram = SB_RAM_WRITE,
	.rlimit_nofile = FD_VSOCK_CONNS + FD_VSOCK_COUNT,
};
