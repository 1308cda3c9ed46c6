/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of a virtio-mem worker. */
#include "device-workers/lib/worker_policy.h"

static const struct sb_rule rules[] = {
	WORKER_RULES,
	SB_ALLOW1(madvise, SB_EQ32(2, MADV_REMOVE),
	    "guest memory back to the host: a hole in what is mapped"),
};

static const struct sb_fd fds[] = {
	WORKER_FDS,
};

const struct sb_policy sb_policy = {
	.kind = "mem",
	.rules = rules,
	.nrules = sizeof(rules) / sizeof(rules[0]),
	.fds = fds,
	.nfds = sizeof(fds) / sizeof(fds[0]),
	.ram = SB_RAM_WRITE,
	.rlimit_nofile = WORKER_NOFILE,
};
