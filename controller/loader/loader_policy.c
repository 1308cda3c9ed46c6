// SPDX-License-Identifier: Apache-2.0
/*
 * What the loader may do once it has mapped guest memory: read two files and say
 * how it went. It receives nothing more, and guest memory is written by stores.
 */
#include "ipc/slots.h"
#include "sandbox/policy.h"

static const struct sb_rule rules[] = {
	SB_ALLOW1(pread64, SB_FD(0, FD_KERNEL), "read the kernel or firmware"),
	SB_ALLOW1(pread64, SB_FD(0, FD_INITRAMFS), "read the initramfs"),
	SB_ALLOW1(sendmsg, SB_FD(0, FD_CTL), "listener, log lines, the result"),
	SB_ALLOW1(close, SB_FD(0, FD_LISTENER), "the listener, once it is sent"),
	SB_ALLOW(exit_group, "done, or failed"),
};

const struct sb_policy sb_policy = {
	.kind = "loader",
	.rules = rules,
	.nrules = sizeof(rules) / sizeof(rules[0]),
	/* Memory fds wait above FD_INCOMING until they are mapped. */
	.rlimit_nofile = FD_INCOMING + FD_INCOMING_COUNT,
};
