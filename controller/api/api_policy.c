/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the api-worker may do. Of fds it has the listening socket, its clients and,
 * for as long as it takes to pass them on, those that clients sent: nothing is
 * allowed on them but the two calls that work on sockets alone, and close. A
 * disk, a tap or /dev/kvm that passes through can not be read, written or asked.
 */
#include <sys/mman.h>
#include <sys/socket.h>

#include "ipc/slots.h"
#include "sandbox/policy.h"

static const struct sb_rule rules[] = {
	SB_ALLOW1(epoll_wait, SB_FD(0, FD_EPOLL), "the loop"),
	SB_ALLOW1(epoll_ctl, SB_FD(0, FD_EPOLL), "a client comes or goes"),
	SB_ALLOW(recvmsg, "the controller's answers; requests of clients, and "
	    "their fds"),
	SB_ALLOW(sendmsg, "requests to the controller, with the fds; answers "
	    "to clients"),
	SB_ALLOW2(accept4, SB_FD(0, FD_API),
	    SB_EQ32(3, SOCK_NONBLOCK | SOCK_CLOEXEC), "a client"),
	SB_ALLOW(close, "clients that went; fds that were passed on"),
	SB_ALLOW1(timerfd_settime, SB_FD(0, FD_TIMER), "slow clients"),
	SB_ALLOW1(read, SB_FD(0, FD_TIMER), "slow clients"),
	SB_ALLOW1(write, SB_FD(0, FD_API_EVENTS), "the event monitor"),
	SB_ALLOW1(madvise, SB_EQ32(2, MADV_DONTNEED),
	    "give back what a large request took"),
	SB_ALLOW1(exit_group, SB_MASK32(0, ~1u, 0), "the end"),
	SB_ALLOW(restart_syscall, "after a stop of the whole process"),
};

const struct sb_policy sb_policy = {
	.kind = "api",
	.rules = rules,
	.nrules = sizeof(rules) / sizeof(rules[0]),
	.rlimit_nofile = 2048,
	.rlimit_fsize = UINT64_MAX,
};
