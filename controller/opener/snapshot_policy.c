// SPDX-License-Identifier: Apache-2.0
//
// What the process of a snapshot's directory may do: names and files, which the user may, too.
// No socket, no ioctl, no byte of what it opens.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/syscall.h>

#include "ipc/slots.h"
#include "sandbox/policy.h"

static const struct sb_rule rules[] = {
	SB_ALLOW1(recvmsg, SB_FD(0, FD_CTL), "requests of the controller"),
	SB_ALLOW1(sendmsg, SB_FD(0, FD_CTL), "answers, with the fds"),
	SB_ALLOW1(poll, SB_MASK32(1, ~1u, 0), "wait for the next request"),
	SB_ALLOW1(openat, SB_MASK32(2, O_CLOEXEC, O_CLOEXEC),
	    "its purpose; as the user who started the VM"),
	SB_ALLOW1(faccessat2, SB_EQ32(3, AT_EACCESS),
	    "--landlock: is it that, or the user's rights?"),
	SB_ALLOW(newfstatat, "what was opened, and what is there: type, inode"),
	SB_ALLOW1(mkdirat, SB_EQ32(2, 0700), "the directory of a new one"),
	SB_ALLOW1(flock, SB_EQ32(1, LOCK_EX | LOCK_NB), "nobody else writes it"),
	SB_ALLOW(fsync, "it is to last"),
	SB_ALLOW(renameat, "it is whole, and goes to its place"),
	SB_ALLOW1(unlinkat, SB_EQ32(2, 0), "its files, when it has failed"),
	SB_ALLOW1(unlinkat, SB_EQ32(2, AT_REMOVEDIR), "itself"),
	SB_ALLOW(close, "after the fd was passed"),
	SB_ALLOW1(exit_group, SB_MASK32(0, ~1u, 0), "asked to quit, or failed"),
};

const struct sb_policy sb_policy = {
	.kind = "snapshot",
	.rules = rules,
	.nrules = sizeof(rules) / sizeof(rules[0]),
	.jail = SB_JAIL_OPENER,
	.rlimit_nofile = 128,
	.rlimit_fsize = 0,
};
