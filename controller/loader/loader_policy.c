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

static const struct sb_fd fds[] = {
	SB_SLOTS(0, 3, SB_IS_NULL, "standard input, output and error"),
	SB_SLOT(FD_CTL, SB_IS_CHANNEL, "channel to the controller"),
	SB_SLOTS(4, 3, SB_IS_NULL, "not used here"),
	SB_SLOT(FD_KERNEL, SB_IS_FILE, "kernel or firmware"),
	SB_SLOT(FD_INITRAMFS, SB_IS_FILE, "initramfs"),
};

const struct sb_policy sb_policy = {
	.kind = "loader",
	.rules = rules,
	.nrules = sizeof(rules) / sizeof(rules[0]),
	.fds = fds,
	.nfds = sizeof(fds) / sizeof(fds[0]),
	.ram = SB_RAM_WRITE,
	/* Memory fds wait above FD_INCOMING until they are mapped. */
	.rlimit_nofile = FD_INCOMING + FD_INCOMING_COUNT,
};
