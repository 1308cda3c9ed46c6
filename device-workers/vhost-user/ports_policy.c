// SPDX-License-Identifier: Apache-2.0
//
// What bulkhead-vhost-user-vsock-ports may do: connect to sockets of the directory that
// is its root, for who has started it. Read by sandbox/genfilter alone.
#include <linux/capability.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "device-workers/vhost-user/ports.h"
#include "sandbox/policy.h"

static const struct sb_rule rules[] = {
	SB_ALLOW1(recvmsg, SB_FD(0, FD_VHU_PORTS), "which port"),
	SB_ALLOW1(sendmsg, SB_FD(0, FD_VHU_PORTS), "the connection, or why not"),
	SB_ALLOW2(socket, SB_EQ32(0, AF_UNIX),
	    SB_EQ32(1, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK), "a stream"),
	SB_ALLOW2(socket, SB_EQ32(0, AF_UNIX),
	    SB_EQ32(1, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK), "messages"),
	SB_ALLOW1(connect, SB_EQ32(2, sizeof(struct sockaddr_un)), "its purpose"),
	SB_ALLOW(close, "after the fd was passed"),
	SB_ALLOW(exit_group, "the end"),
};

static const struct sb_fd fds[] = {
	SB_SLOTS(0, 2, SB_IS_NULL, "standard input and output"),
	SB_SLOT(2, SB_IS_NULL | SB_IS_FILE | SB_IS_CHAR | SB_IS_PIPE |
	    SB_IS_STREAM, "log, until the jail is closed"),
	SB_SLOTS(3, 4, SB_IS_NULL, "nothing"),
	SB_SLOT(FD_VHU_PORTS, SB_IS_CHANNEL, "who asks"),
	SB_SLOT(FD_VHU_PORTS_DIR, SB_IS_DIRECTORY, "where the sockets are"),
};

const struct sb_policy sb_policy = {
	.kind = "ports",
	.rules = rules,
	.nrules = sizeof(rules) / sizeof(rules[0]),
	.fds = fds,
	.nfds = sizeof(fds) / sizeof(fds[0]),
	.ram = SB_RAM_NONE,
	.rlimit_nofile = 64,
	.rlimit_fsize = UINT64_MAX,
	.share = FD_VHU_PORTS_DIR,
	/* Root's sockets may be others', as those of a VM that root has started. */
	.capabilities = 1ull << CAP_DAC_OVERRIDE,
};
