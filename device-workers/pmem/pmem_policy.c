/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of a persistent memory worker. */
#include "device-workers/lib/worker_policy.h"

static const struct sb_rule rules[] = {
	WORKER_RULES,
	SB_ALLOW1(fsync, SB_FD(0, FD_BACKEND), "what the guest wrote is to last"),
};

static const struct sb_fd fds[] = {
	WORKER_FDS,
	SB_SLOT(FD_BACKEND, SB_IS_FILE | SB_IS_BLOCK, "the file, unless its writes "
	    "are discarded"),
};

const struct sb_policy sb_policy = {
	.kind = "pmem",
	.rules = rules,
	.nrules = sizeof(rules) / sizeof(rules[0]),
	.fds = fds,
	.nfds = sizeof(fds) / sizeof(fds[0]),
	.ram = SB_RAM_WRITE,
	.rlimit_nofile = WORKER_NOFILE,
};
