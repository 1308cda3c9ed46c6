/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A jail policy as data: which system calls a process kind may make once armed,
 * bound to which fds and arguments, and why, a line each. Policies stand beside
 * the code that needs them (X_policy.c); sandbox/genfilter turns them into BPF
 * when the program is built, the audit and docs/sandbox.md print them. Nothing
 * here is evaluated at run time but the rlimits.
 */
#ifndef BULKHEAD_SANDBOX_POLICY_H
#define BULKHEAD_SANDBOX_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

enum sb_cmp {
	SB_CMP_NONE = 0,
	SB_CMP_EQ,		/* argument == value, 64 bits */
	SB_CMP_EQ32,		/* low 32 bits of it: ints and ioctl requests */
	SB_CMP_MASK32,		/* low 32 bits & mask == value */
};

struct sb_arg {
	uint8_t index;		/* 0 to 5 */
	uint8_t cmp;		/* enum sb_cmp */
	uint32_t mask;
	uint64_t value;
};

#define SB_MAX_ARGS 4

/* One allowed form of a call; several rules of one call are alternatives. */
struct sb_rule {
	int nr;
	const char *name;
	struct sb_arg arg[SB_MAX_ARGS];
	const char *reason;
};

/* What an fd may be: bits, for a slot that takes one of several. */
enum sb_fd_is {
	SB_IS_NULL = 1 << 0,	/* /dev/null */
	SB_IS_CHANNEL = 1 << 1,	/* one end of a SOCK_SEQPACKET pair */
	SB_IS_EVENT = 1 << 2,	/* eventfd */
	SB_IS_EPOLL = 1 << 3,
	SB_IS_TIMER = 1 << 4,
	SB_IS_SIGNAL = 1 << 5,
	SB_IS_PIDFD = 1 << 6,
	SB_IS_LISTENER = 1 << 7,	/* of a child's seccomp filter */
	SB_IS_MEMFD = 1 << 8,	/* sealed: its size, and the seals */
	SB_IS_FILE = 1 << 9,	/* regular file */
	SB_IS_BLOCK = 1 << 10,	/* block device */
	SB_IS_CHAR = 1 << 11,	/* character device that has no bit of its own */
	SB_IS_PIPE = 1 << 12,
	SB_IS_STREAM = 1 << 13,	/* SOCK_STREAM */
	SB_IS_TAP = 1 << 14,
	SB_IS_KVM = 1 << 15,	/* /dev/kvm */
	SB_IS_VM = 1 << 16,
	SB_IS_VCPU = 1 << 17,
	SB_IS_RING = 1 << 18,	/* io_uring */
	SB_IS_NAMESPACE = 1 << 19,
	SB_IS_DIRECTORY = 1 << 20,
	SB_IS_OTHER = 1 << 21,	/* none of these: in no policy */
	SB_IS_BITS = 22,
};

/* Slots that a process may have open, each or not. All others are empty. */
struct sb_fd {
	uint32_t first, count;
	uint32_t is;		/* enum sb_fd_is bits */
	const char *what;
};

/* Which jail a kind lives in. */
enum sb_jail {
	SB_JAIL_WORKER,		/* all of it */
	SB_JAIL_OPENER,		/* root and ids of the user, no Landlock */
	SB_JAIL_CONTROLLER,	/* the host's namespaces */
	SB_JAIL_SPAWNER,	/* keeps what its children are made of */
};

/* How a kind maps guest memory. */
enum sb_ram {
	SB_RAM_NONE,
	SB_RAM_READ,
	SB_RAM_WRITE,
};

struct sb_policy {
	const char *kind;	/* "blk": file name of the filter */
	const struct sb_rule *rules;
	size_t nrules;
	const struct sb_fd *fds;	/* what it may hold; checked by the audit */
	size_t nfds;		/* 0: fds have no fixed places */
	enum sb_jail jail;
	enum sb_ram ram;
	uint64_t rlimit_nofile;	/* highest fd number + 1 */
	uint64_t rlimit_fsize;	/* bytes; 0: writes no file; UINT64_MAX: its business */
	uint64_t rlimit_nproc;	/* threads it may have, 0: none more than now */
	/*
	 * Of who serves files: the slot of the directory that is its root, below
	 * which Landlock allows everything but devices (0: it has none), and the
	 * capabilities that it keeps in its own user namespace, a bit each.
	 */
	uint32_t share;
	uint64_t capabilities;
	bool denylist;		/* the spawner's only, since its children inherit
				 * it: rules are what kills, all else is allowed */
};

/* sb_rule notation: call, then conditions, then the reason. */
#define SB_EQ(i, v)   { .index = (i), .cmp = SB_CMP_EQ, .value = (uint64_t)(v) }
#define SB_EQ32(i, v) { .index = (i), .cmp = SB_CMP_EQ32, .value = (uint32_t)(v) }
#define SB_MASK32(i, m, v)						\
	{ .index = (i), .cmp = SB_CMP_MASK32, .mask = (m), .value = (v) }
/* An fd is one slot, or one of the power-of-two range that starts at it. */
#define SB_FD(i, slot) SB_EQ32(i, slot)
#define SB_FDS(i, first, count) SB_MASK32(i, ~((uint32_t)(count) - 1u), first)

#define SB_ALLOW(call, why) { .nr = SYS_##call, .name = #call, .reason = why }
#define SB_ALLOW1(call, a, why)						\
	{ .nr = SYS_##call, .name = #call, .arg = { a }, .reason = why }
#define SB_ALLOW2(call, a, b, why)					\
	{ .nr = SYS_##call, .name = #call, .arg = { a, b }, .reason = why }
#define SB_ALLOW3(call, a, b, c, why)					\
	{ .nr = SYS_##call, .name = #call, .arg = { a, b, c }, .reason = why }
#define SB_ALLOW4(call, a, b, c, d, why)				\
	{ .nr = SYS_##call, .name = #call, .arg = { a, b, c, d }, .reason = why }

/* A slot, a range of slots. */
#define SB_SLOT(slot, kind, why) { .first = (slot), .count = 1, .is = (kind), .what = why }
#define SB_SLOTS(from, n, kind, why)					\
	{ .first = (from), .count = (n), .is = (kind), .what = why }

/* In a denylist: what kills. */
#define SB_DENY SB_ALLOW
#define SB_DENY1 SB_ALLOW1

/*
 * A policy file defines this one name (each kind is its own program):
 *	const struct sb_policy sb_policy = { .kind = "blk", ... };
 */
extern const struct sb_policy sb_policy;

/*
 * sandbox/sanitizer_policy.c: what AddressSanitizer and UBSan need beyond any
 * policy. In genfilter alone, which adds them only for --sanitized.
 */
extern const struct sb_rule sb_sanitizer_rules[];
extern const size_t sb_sanitizer_nrules;

#endif
