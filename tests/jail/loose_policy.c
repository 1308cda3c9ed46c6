/* SPDX-License-Identifier: Apache-2.0 */
/* The entropy worker's policy and one call more, which an audit has to find. */
#include "device-workers/lib/worker_policy.h"

static const struct sb_rule rules[] = {
	WORKER_RULES,
	WORKER_TIMER_RULES,
	SB_ALLOW1(read, SB_FD(0, FD_BACKEND), "bytes of the source"),
	SB_ALLOW1(timerfd_settime, SB_FD(0, FD_RNG_AGAIN),
	    "ask a source again that cannot be watched"),
	SB_ALLOW1(read, SB_FD(0, FD_RNG_AGAIN), "the time has come"),
	SB_ALLOW(socket, "not declared"),
};

const struct sb_policy sb_policy = {
	.kind = "loose",
	.rules = rules,
	.nrules = sizeof(rules) / sizeof(rules[0]),
	.rlimit_nofile = WORKER_NOFILE,
};
