/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of test-echo. */
#include "device-workers/lib/worker_policy.h"

static const struct sb_rule rules[] = {
	WORKER_RULES,
	SB_ALLOW1(write, SB_FD(0, FD_BACKEND), "tell the test"),
	SB_ALLOW1(timerfd_settime, SB_FD(0, FD_TIMER), "finish later"),
	SB_ALLOW1(read, SB_FD(0, FD_TIMER), "it is later"),
};

const struct sb_policy sb_policy = {
	.kind = "echo",
	.rules = rules,
	.nrules = sizeof(rules) / sizeof(rules[0]),
	.rlimit_nofile = WORKER_NOFILE,
};
