/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a front-end worker may do: talk with its back end, and pass on what it was
 * given. It makes no socket: connections are given to it, or accepted on the one
 * listening socket. That it may map guest memory (WORKER_RULES) is for back ends
 * without a record of requests in flight, see relay.c, and for net's control queue
 * alone; a back end has all of that memory anyway.
 */
#include <sys/socket.h>

#include "device-workers/lib/worker_policy.h"
#include "device-workers/vhost-user-front/slots.h"

static const struct sb_rule rules[] = {
	WORKER_RULES,
	WORKER_TIMER_RULES,
	SB_ALLOW1(sendmsg, SB_FD(0, FD_FRONT_CONN), "requests to the back end"),
	SB_ALLOW1(recvmsg, SB_FD(0, FD_FRONT_CONN), "its answers"),
	SB_ALLOW2(shutdown, SB_FD(0, FD_FRONT_CONN), SB_EQ32(1, SHUT_RDWR),
	    "hang up: the controller has the connection, too"),
	SB_ALLOW1(recvmsg, SB_FD(0, FD_FRONT_EVENTS), "messages of its own"),
	SB_ALLOW1(sendmsg, SB_FD(0, FD_FRONT_EVENTS), "and answers to these"),
	SB_ALLOW2(accept4, SB_FD(0, FD_FRONT_LISTEN),
	    SB_EQ32(3, SOCK_NONBLOCK | SOCK_CLOEXEC), "a back end connects"),
	SB_ALLOW1(epoll_wait, SB_FD(0, FD_FRONT_LOOP), "which of these is ready"),
	SB_ALLOW1(epoll_ctl, SB_FD(0, FD_FRONT_LOOP), "which to hear"),
	SB_ALLOW2(dup3, SB_FD(1, FD_FRONT_CONN), SB_EQ32(2, O_CLOEXEC),
	    "a connection to its slot"),
	SB_ALLOW2(dup3, SB_FD(1, FD_FRONT_EVENTS), SB_EQ32(2, O_CLOEXEC),
	    "its second channel to its slot"),
	SB_ALLOW2(dup3, SB_FD(1, FD_FRONT_EVENTS_PEER), SB_EQ32(2, O_CLOEXEC),
	    "the end of it that the back end gets"),
	SB_ALLOW2(dup3, SB_FD(1, FD_FRONT_THEIRS), SB_EQ32(2, O_CLOEXEC),
	    "the back end's record of requests in flight, never mapped"),
	SB_ALLOW1(pread64, SB_FD(0, FD_FRONT_THEIRS),
	    "how it begins: to be copied into ours"),
	SB_ALLOW2(dup3, SB_FD(1, FD_FRONT_LOG), SB_EQ32(2, O_CLOEXEC),
	    "the dirty bitmap"),
	SB_ALLOW2(pread64, SB_FDS(0, FD_INCOMING, FD_INCOMING_COUNT),
	    SB_EQ(2, 2), "how far a back end that is gone was in a ring"),
	SB_ALLOW1(write, SB_FDS(0, FD_KICK, FD_QUEUE_COUNT),
	    "wake a back end that has come back"),
	SB_ALLOW1(write, SB_FDS(0, FD_FRONT_KICK, FD_QUEUE_COUNT),
	    "relayed requests"),
	SB_ALLOW1(read, SB_FDS(0, FD_FRONT_CALL, FD_QUEUE_COUNT),
	    "relayed completions"),
};

static const struct sb_fd fds[] = {
	WORKER_FDS,
	SB_SLOT(FD_FRONT_CONN, SB_IS_STREAM, "the back end"),
	SB_SLOT(FD_FRONT_LISTEN, SB_IS_STREAM, "where it connects to"),
	SB_SLOT(FD_FRONT_EVENTS, SB_IS_STREAM, "messages of its own"),
	SB_SLOT(FD_FRONT_EVENTS_PEER, SB_IS_STREAM,
	    "the other end of that, until it has it"),
	SB_SLOT(FD_FRONT_INFLIGHT, SB_IS_MEMFD,
	    "record of requests in flight, for this back end and the next"),
	SB_SLOT(FD_FRONT_THEIRS, SB_IS_MEMFD | SB_IS_FILE,
	    "the same as the back end made it, until it is copied"),
	SB_SLOT(FD_FRONT_LOG, SB_IS_MEMFD, "dirty bitmap"),
	SB_SLOT(FD_FRONT_RINGS, SB_IS_MEMFD, "relayed rings"),
	SB_SLOT(FD_FRONT_LOOP, SB_IS_EPOLL, "what of these to wake up for"),
	SB_SLOTS(FD_INCOMING, FD_INCOMING_COUNT, SB_IS_MEMFD,
	    "guest memory, to be passed on"),
	SB_SLOTS(FD_FRONT_KICK, FD_QUEUE_COUNT, SB_IS_EVENT, "relayed kicks"),
	SB_SLOTS(FD_FRONT_CALL, FD_QUEUE_COUNT, SB_IS_EVENT,
	    "relayed interrupts"),
};

const struct sb_policy sb_policy = {
	.kind = "vhost-user-front",
	.rules = rules,
	.nrules = sizeof(rules) / sizeof(rules[0]),
	.fds = fds,
	.nfds = sizeof(fds) / sizeof(fds[0]),
	.ram = SB_RAM_WRITE,	/* to relay; else it maps none */
	.rlimit_nofile = FD_FRONT_END,
	.rlimit_fsize = 0,
};
