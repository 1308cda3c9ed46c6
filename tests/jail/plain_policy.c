/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The least policy, for the twins that test the jail itself.
 */
#include "ipc/slots.h"
#include "sandbox/policy.h"

static const struct sb_rule rules[] = {
	SB_ALLOW1(recvmsg, SB_FD(0, FD_CTL), "messages of the controller"),
	SB_ALLOW1(sendmsg, SB_FD(0, FD_CTL), "answers"),
	SB_ALLOW(exit_group, "the end"),
};

const struct sb_policy sb_policy = {
	.kind = "plain",
	.rules = rules,
	.nrules = sizeof(rules) / sizeof(rules[0]),
	.rlimit_nofile = 64,
#ifdef BULKHEAD_TEST_HOOKS	/* that twin has a thread */
	.rlimit_nproc = 2,
#endif
};
