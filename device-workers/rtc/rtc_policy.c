/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of a clock's worker: the library's, of which one reads clocks. */
#include "device-workers/lib/worker_policy.h"

static const struct sb_rule rules[] = {
	WORKER_RULES,
};

static const struct sb_fd fds[] = {
	WORKER_FDS,
};

const struct sb_policy sb_policy = {
	.kind = "rtc",
	.rules = rules,
	.nrules = sizeof(rules) / sizeof(rules[0]),
	.fds = fds,
	.nfds = sizeof(fds) / sizeof(fds[0]),
	.ram = SB_RAM_WRITE,
	.rlimit_nofile = WORKER_NOFILE,
};
