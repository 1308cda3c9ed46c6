/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of a watchdog worker. It has no back end. */
#include "device-workers/lib/worker_policy.h"

static const struct sb_rule rules[] = {
	WORKER_RULES,
	SB_ALLOW1(timerfd_settime, SB_FD(0, FD_TIMER), "the guest has pinged"),
	SB_ALLOW1(read, SB_FD(0, FD_TIMER), "it has not"),
};

static const struct sb_fd fds[] = {
	WORKER_FDS,
};

const struct sb_policy sb_policy = {
	.kind = "watchdog",
	.rules = rules,
	.nrules = sizeof(rules) / sizeof(rules[0]),
	.fds = fds,
	.nfds = sizeof(fds) / sizeof(fds[0]),
	.ram = SB_RAM_WRITE,
	.rlimit_nofile = WORKER_NOFILE,
};
