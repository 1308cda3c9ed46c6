/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a network worker may do. Read by sandbox/genfilter alone. Frames to and
 * from its taps, which it can neither bind to another interface nor reconfigure
 * but for the two requests below.
 */
#include <linux/if_tun.h>
#include <sys/ioctl.h>

#include "device-workers/lib/worker_policy.h"

#define TAPS SB_FDS(0, FD_BACKEND, FD_BACKEND_COUNT)

static const struct sb_rule rules[] = {
	WORKER_RULES,
	WORKER_TIMER_RULES,
	SB_ALLOW1(readv, TAPS, "frames to the guest, into its buffers"),
	SB_ALLOW1(writev, TAPS, "frames of the guest, out of its buffers"),
	SB_ALLOW2(ioctl, TAPS, SB_EQ32(1, TUNSETOFFLOAD),
	    "what the driver can finish itself is known only when it starts"),
	SB_ALLOW2(ioctl, TAPS, SB_EQ32(1, TUNSETQUEUE),
	    "the driver sets how many queue pairs get frames"),
	SB_ALLOW1(read, SB_FD(0, FD_BACKEND), "frames of a stream"),
	SB_ALLOW1(write, TAPS, "small frames of the guest, the rest of others"),
	SB_ALLOW2(dup3, SB_FD(1, FD_BACKEND), SB_EQ32(2, O_CLOEXEC),
	    "another peer in the place of one that is gone"),
};

static const struct sb_fd fds[] = {
	WORKER_FDS,
	SB_SLOT(FD_BACKEND, SB_IS_TAP | SB_IS_STREAM, "the tap's first queue, or passt"),
	SB_SLOTS(FD_BACKEND + 1, FD_BACKEND_COUNT - 1, SB_IS_TAP,
	    "further queues of the tap"),
};

const struct sb_policy sb_policy = {
	.kind = "net",
	.rules = rules,
	.nrules = sizeof(rules) / sizeof(rules[0]),
	.fds = fds,
	.nfds = sizeof(fds) / sizeof(fds[0]),
	.ram = SB_RAM_WRITE,
	.rlimit_nofile = WORKER_NOFILE,
};
