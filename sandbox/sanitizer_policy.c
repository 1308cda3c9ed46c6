/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls that AddressSanitizer and UBSan make in a child under the filter:
 * shadow memory that grows, reports on standard error. One table for all kinds.
 * It is linked into genfilter, never into a program, and genfilter adds it for
 * SAN=1 builds alone (--sanitized), so a shipped binary cannot load it.
 * Must not list a call that reaches outside the process: paths stay closed by
 * Landlock, and nothing here makes a process or a socket.
 */
#include "sandbox/policy.h"

#include <sys/mman.h>

#define WHY_SHADOW "sanitizer: shadow memory and allocator"
#define WHY_REPORT "sanitizer: report on standard error"

const struct sb_rule sb_sanitizer_rules[] = {
	SB_ALLOW1(mmap, SB_MASK32(2, PROT_EXEC, 0), WHY_SHADOW),
	SB_ALLOW(munmap, WHY_SHADOW),
	SB_ALLOW1(mprotect, SB_MASK32(2, PROT_EXEC, 0), WHY_SHADOW),
	SB_ALLOW(madvise, WHY_SHADOW),
	SB_ALLOW(mremap, WHY_SHADOW),
	SB_ALLOW(brk, WHY_SHADOW),
	SB_ALLOW(futex, WHY_SHADOW),
	SB_ALLOW(sched_yield, WHY_SHADOW),
	SB_ALLOW(getpid, WHY_SHADOW),
	SB_ALLOW(gettid, WHY_SHADOW),
	SB_ALLOW(clock_gettime, WHY_SHADOW),
	SB_ALLOW(prlimit64, WHY_SHADOW),
	SB_ALLOW(sigaltstack, "sanitizer: stack of its signal handlers"),
	SB_ALLOW(rt_sigaction, "sanitizer: signal handlers"),
	SB_ALLOW(rt_sigprocmask, "sanitizer: signal handlers"),
	SB_ALLOW(rt_sigreturn, "sanitizer: signal handlers"),
	SB_ALLOW1(write, SB_FD(0, 2), WHY_REPORT),
	SB_ALLOW(open, "sanitizer: maps of the process (refused by Landlock)"),
	SB_ALLOW(openat, "sanitizer: maps of the process (refused by Landlock)"),
	SB_ALLOW(readlink, "sanitizer: name of the program for a report"),
	SB_ALLOW(newfstatat, WHY_REPORT),
	SB_ALLOW(exit_group, WHY_REPORT),
};
const size_t sb_sanitizer_nrules =
    sizeof(sb_sanitizer_rules) / sizeof(sb_sanitizer_rules[0]);
