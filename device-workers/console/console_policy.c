/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the console worker may do. Read by sandbox/genfilter alone. It takes
 * clients from the sockets that it was given, and cannot make one.
 */
#include <sys/socket.h>
#include <time.h>

#include "device-workers/console/slots.h"
#include "device-workers/lib/worker_policy.h"

#define FARS SB_FDS(0, FD_BACKEND, FD_BACKEND_COUNT)
#define CLIENT_FLAGS (SOCK_NONBLOCK | SOCK_CLOEXEC)

static const struct sb_rule rules[] = {
	WORKER_RULES,
	SB_ALLOW1(read, FARS, "what is typed at the far ends"),
	SB_ALLOW1(write, FARS, "output to the far ends"),
	SB_ALLOW1(read, SB_FD(0, FD_RINGS_TO_FAR), "bytes in the rings"),
	SB_ALLOW1(write, SB_FD(0, FD_RINGS_TO_FAR), "more later, by itself"),
	SB_ALLOW1(write, SB_FD(0, FD_RINGS_TO_GUEST),
	    "bytes or room for the guest"),
	SB_ALLOW1(read, SB_FD(0, FD_TIMER), "timer"),
	SB_ALLOW1(timerfd_settime, SB_FD(0, FD_TIMER),
	    "look for a reader of a pty; end of patience at exit"),
	SB_ALLOW1(clock_nanosleep, SB_EQ32(0, CLOCK_MONOTONIC),
	    "at exit: the reader of a pty takes the last words"),
	SB_ALLOW2(accept4, SB_FD(0, FD_CONSOLE_IN), SB_EQ32(3, CLIENT_FLAGS),
	    "a client of the console's socket"),
	SB_ALLOW2(accept4, SB_FD(0, FD_SERIAL_IN), SB_EQ32(3, CLIENT_FLAGS),
	    "a client of the serial port's socket"),
	SB_ALLOW2(dup3, SB_FD(1, FD_CONSOLE_OUT), SB_EQ32(2, O_CLOEXEC),
	    "the client to its slot"),
	SB_ALLOW2(dup3, SB_FD(1, FD_SERIAL_OUT), SB_EQ32(2, O_CLOEXEC),
	    "the client to its slot"),
};

static const struct sb_fd fds[] = {
	WORKER_FDS,
	SB_SLOT(FD_RINGS_TO_FAR, SB_IS_EVENT, "bytes for the far end"),
	SB_SLOT(FD_RINGS_TO_GUEST, SB_IS_EVENT, "bytes for the guest"),
	SB_SLOT(FD_RINGS, SB_IS_MEMFD, "byte rings of the serial port"),
	SB_SLOTS(FD_BACKEND, FD_BACKEND_COUNT, SB_IS_NULL | SB_IS_FILE |
	    SB_IS_BLOCK | SB_IS_CHAR | SB_IS_PIPE | SB_IS_STREAM,
	    "far ends: file, terminal, socket and its client"),
};

const struct sb_policy sb_policy = {
	.kind = "console",
	.rules = rules,
	.nrules = sizeof(rules) / sizeof(rules[0]),
	.fds = fds,
	.nfds = sizeof(fds) / sizeof(fds[0]),
	.ram = SB_RAM_WRITE,
	.rlimit_nofile = WORKER_NOFILE,
	.rlimit_fsize = UINT64_MAX,	/* console and serial to a file */
};
