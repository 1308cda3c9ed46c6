// SPDX-License-Identifier: Apache-2.0
/*
 * What the migration-worker may do with the files of a snapshot, guest memory and state,
 * all of which it was given as fds: read, write, make them last. It receives nothing
 * more.
 */
#include "ipc/slots.h"
#include "sandbox/policy.h"

#define GIVEN SB_FDS(0, FD_INCOMING, FD_INCOMING_COUNT)

static const struct sb_rule rules[] = {
	SB_ALLOW1(pread64, GIVEN, "memory and state; a snapshot's files"),
	SB_ALLOW1(pwrite64, GIVEN, "a snapshot's files; state"),
	SB_ALLOW1(lseek, GIVEN, "holes in memory; how long a file is"),
	SB_ALLOW1(fsync, GIVEN, "a snapshot's files are to last"),
	SB_ALLOW1(sendmsg, SB_FD(0, FD_CTL),
	    "listener, log lines, configuration, the result"),
	SB_ALLOW1(close, SB_FD(0, FD_LISTENER), "the listener, once it is sent"),
	SB_ALLOW(exit_group, "done, or failed"),
};

static const struct sb_fd fds[] = {
	SB_SLOTS(0, 3, SB_IS_NULL, "standard input, output and error"),
	SB_SLOT(FD_CTL, SB_IS_CHANNEL, "channel to the controller"),
	SB_SLOTS(4, 4, SB_IS_NULL, "not used here"),
	SB_SLOTS(FD_INCOMING, FD_INCOMING_COUNT, SB_IS_FILE | SB_IS_MEMFD,
	    "a snapshot's files, guest memory, state"),
};

const struct sb_policy sb_policy = {
	.kind = "migration",
	.rules = rules,
	.nrules = sizeof(rules) / sizeof(rules[0]),
	.fds = fds,
	.nfds = sizeof(fds) / sizeof(fds[0]),
	.ram = SB_RAM_WRITE,
	.rlimit_nofile = FD_INCOMING + FD_INCOMING_COUNT,
	.rlimit_fsize = UINT64_MAX,
};
