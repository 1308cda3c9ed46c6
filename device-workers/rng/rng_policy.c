/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of an entropy worker. */
#include "device-workers/lib/worker_policy.h"

static const struct sb_rule rules[] = {
	WORKER_RULES,
	WORKER_TIMER_RULES,
	SB_ALLOW1(read, SB_FD(0, FD_BACKEND), "bytes of the source"),
	SB_ALLOW1(timerfd_settime, SB_FD(0, FD_RNG_AGAIN),
	    "ask a source again that cannot be watched"),
	SB_ALLOW1(read, SB_FD(0, FD_RNG_AGAIN), "the time has come"),
};

static const struct sb_fd fds[] = {
	WORKER_FDS,
	SB_SLOT(FD_BACKEND, SB_IS_CHAR | SB_IS_FILE | SB_IS_PIPE | SB_IS_STREAM,
	    "source of entropy"),
	SB_SLOT(FD_RNG_AGAIN, SB_IS_TIMER, "ask again"),
};

const struct sb_policy sb_policy = {
	.kind = "rng",
	.rules = rules,
	.nrules = sizeof(rules) / sizeof(rules[0]),
	.fds = fds,
	.nfds = sizeof(fds) / sizeof(fds[0]),
	.ram = SB_RAM_WRITE,
	.rlimit_nofile = WORKER_NOFILE,
};
