// SPDX-License-Identifier: Apache-2.0
//
// What the controller may do once it supervises. It opens no path, makes no
// process, connects to nothing, and maps nothing: guest memory above all.
#include <asm/termbits.h>
#include <linux/bpf.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <linux/fs.h>
#include <linux/mempolicy.h>
#include <sys/fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "device-workers/lib/counters.h"
#include "sandbox/policy.h"

#ifndef F_ADD_SEALS
#define F_ADD_SEALS 1033
#endif

#define IOCTL(request, why) SB_ALLOW1(ioctl, SB_EQ32(1, request), why)
#define FCNTL(command, why) SB_ALLOW1(fcntl, SB_EQ32(1, command), why)

static const struct sb_rule rules[] = {
	SB_ALLOW(epoll_wait, "the loop"),
	SB_ALLOW(epoll_ctl, "a child comes or goes"),
	SB_ALLOW(poll, "is a notification of a denied call there? Has a vhost-user "
	    "back end hung up?"),
	SB_ALLOW1(shutdown, SB_EQ32(1, SHUT_WR), "it is to do so"),
	SB_ALLOW(recvmsg, "what children say"),
	SB_ALLOW(sendmsg, "what they are told, with fds"),
	SB_ALLOW(close, "fds that were passed or are over"),
	SB_ALLOW(read, "timer and signals; eventfds emptied at a reset"),
	SB_ALLOW(pread64, "what a dead worker had taken; whom the kernel has killed"),
	SB_ALLOW(write, "the log and the user's line"),
	SB_ALLOW(timerfd_settime, "deadlines"),
	SB_ALLOW(clock_gettime, "deadlines and log times"),
	SB_ALLOW3(socketpair, SB_EQ32(0, AF_UNIX),
	    SB_EQ32(1, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC),
	    SB_EQ32(2, 0), "channels and buses"),
	SB_ALLOW3(socketpair, SB_EQ32(0, AF_UNIX),
	    SB_EQ32(1, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC),
	    SB_EQ32(2, 0), "between passt and a net worker; second channel of a "
	    "vhost-user back end"),
	SB_ALLOW1(pipe2, SB_EQ32(1, O_CLOEXEC | O_NONBLOCK), "what passt says"),
	SB_ALLOW(eventfd2, "kicks and interrupts of a device"),
	SB_ALLOW(memfd_create, "guest memory and byte rings"),
	SB_ALLOW(fchmod, "mode 0600 of these; passt writes to a pipe as another user"),
	SB_ALLOW(ftruncate, "size of these"),
	SB_ALLOW2(mmap, SB_EQ32(2, PROT_NONE), SB_EQ32(3, MAP_SHARED),
	    "no memory, but where a node is said for it"),
	SB_ALLOW1(mbind, SB_EQ32(2, MPOL_BIND), "host_numa_node"),
	SB_ALLOW(fallocate, "prefault; give all memory back at a reset"),
	SB_ALLOW(newfstatat, "how large guest memory is"),
	SB_ALLOW2(pread64, SB_EQ(2, COUNTERS * sizeof(uint64_t)),
	    SB_EQ(3, COUNTERS_AT), "what a device has counted"),
	FCNTL(F_ADD_SEALS, "seal these"),
	FCNTL(F_OFD_SETLK, "lock a disk"),
	FCNTL(F_OFD_GETLK, "has the I/O of a dead worker ended?"),
	FCNTL(F_SETFD, "what was inherited does not go further"),
	FCNTL(F_DUPFD_CLOEXEC, "an inherited file, for each boot"),
	FCNTL(F_GETFL, "an inherited file: how it was opened"),
	SB_ALLOW2(fcntl, SB_EQ32(1, F_SETFL), SB_MASK32(2, O_NONBLOCK, O_NONBLOCK),
	    "an inherited pipe or socket holds nobody up"),
	SB_ALLOW2(getsockopt, SB_EQ32(1, SOL_SOCKET), SB_EQ32(2, SO_TYPE),
	    "an inherited socket: is it a stream?"),
	SB_ALLOW2(getsockopt, SB_EQ32(1, SOL_SOCKET), SB_EQ32(2, SO_ACCEPTCONN),
	    "an inherited socket: does it listen?"),
	IOCTL(BLKGETSIZE64, "an inherited disk: its size"),
	IOCTL(BLKSSZGET, "an inherited disk: its sectors"),
	IOCTL(TIOCGWINSZ, "size of the terminal"),
	IOCTL(TCGETS, "raw mode: read back what was set"),
	IOCTL(TCSETS, "raw mode, and back"),
	IOCTL(TUNGETIFF, "an inherited tap: is it one?"),
	IOCTL(TUNSETVNETHDRSZ, "an inherited tap: 12-byte headers"),
	IOCTL(TUNSETOFFLOAD, "an inherited tap: what it can"),
	IOCTL(SIOCGIFHWADDR, "an inherited macvtap: the guest's address"),
	SB_ALLOW1(bpf, SB_EQ32(0, BPF_MAP_LOOKUP_ELEM),
	    "what a guard has dropped"),
	SB_ALLOW(waitid, "the spawner's end"),
	SB_ALLOW1(exit_group, SB_MASK32(0, ~1u, 0), "exit status 0 or 1"),
	/* SECCOMP_IOCTL_NOTIF_RECV, whose header defines it by struct */
	IOCTL(0xc0502100u, "which call of a child was denied"),
	SB_ALLOW(restart_syscall, "after a stop of the whole process"),
	SB_ALLOW(brk, "the C library's own buffers"),
	SB_ALLOW(munmap, "the C library's own buffers"),
};

const struct sb_policy sb_policy = {
	.kind = "controller",
	.rules = rules,
	.nrules = sizeof(rules) / sizeof(rules[0]),
	.jail = SB_JAIL_CONTROLLER,
	.rlimit_nofile = 1048576,
	.rlimit_fsize = UINT64_MAX,
};
