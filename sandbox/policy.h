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

struct sb_policy {
	const char *kind;	/* "blk": file name of the filter */
	const struct sb_rule *rules;
	size_t nrules;
	uint64_t rlimit_nofile;	/* highest fd number + 1 */
	uint64_t rlimit_fsize;	/* bytes; 0: writes no file; UINT64_MAX: its business */
	uint64_t rlimit_nproc;	/* threads it may have, 0: none more than now */
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
