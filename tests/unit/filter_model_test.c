/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox/filter_model.c: what a policy means, what BPF does, and that genfilter
 * would notice if the two differed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <linux/audit.h>
#include <sys/mman.h>

#include "sandbox/filter_model.h"

#define NR offsetof(struct seccomp_data, nr)
#define ARCH offsetof(struct seccomp_data, arch)
#define ARG0 offsetof(struct seccomp_data, args[0])
#define LD(off) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, off)
#define JEQ(k, t, f) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, t, f)
#define JGE(k, t, f) BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, k, t, f)
#define RET(k) BPF_STMT(BPF_RET | BPF_K, k)

static const struct sb_rule deny_rules[] = {
	SB_DENY1(read, SB_FD(0, 5), "test"),
	SB_DENY(ptrace, "test"),
};
static const struct sb_policy deny = { .kind = "deny", .rules = deny_rules,
	.nrules = 2, .denylist = true };

/* The same by hand. */
static const struct sock_filter deny_prog[] = {
	LD(ARCH),
	JEQ(AUDIT_ARCH_X86_64, 0, 9),
	LD(NR),
	JGE(0x40000000, 0, 1),
	JEQ(0xffffffff, 5, 6),
	JEQ(SYS_ptrace, 5, 0),
	JEQ(SYS_read, 0, 3),
	LD(ARG0),
	JEQ(5, 2, 1),
	RET(0),			/* never reached */
	RET(SECCOMP_RET_ALLOW),
	RET(SECCOMP_RET_KILL_PROCESS),
};
#define DENY_LEN (sizeof(deny_prog) / sizeof(deny_prog[0]))

static const struct sb_rule rules[] = {
	SB_ALLOW2(read, SB_FD(0, 3), SB_EQ(2, 8), "test"),
	SB_ALLOW1(read, SB_FDS(0, 64, 64), "test"),
	SB_ALLOW1(mmap, SB_MASK32(2, PROT_EXEC, 0), "test"),
	SB_ALLOW(exit_group, "test"),
	SB_ALLOW1(execve, SB_EQ32(0, 1), "test"),
};
static const struct sb_policy policy = { .kind = "t", .rules = rules, .nrules = 5 };

static uint32_t
verdict(int nr, uint64_t a0, uint64_t a1, uint64_t a2)
{
	struct seccomp_data d = { .nr = nr, .arch = AUDIT_ARCH_X86_64,
	    .args = { a0, a1, a2 } };

	return filter_expected(&policy, NULL, 0, &d);
}

static void
test_meaning(void **state)
{
	(void)state;
	assert_int_equal(verdict(SYS_read, 3, 0, 8), SECCOMP_RET_ALLOW);
	assert_int_equal(verdict(SYS_read, 3, 0, 9), SECCOMP_RET_USER_NOTIF);
	/* SB_EQ compares 64 bits, SB_FD the 32 that the kernel looks at */
	assert_int_equal(verdict(SYS_read, 3, 0, 8 | 1ull << 32),
	    SECCOMP_RET_USER_NOTIF);
	assert_int_equal(verdict(SYS_read, 3 | 1ull << 40, 0, 8),
	    SECCOMP_RET_ALLOW);
	assert_int_equal(verdict(SYS_read, 64, 0, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(verdict(SYS_read, 127, 0, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(verdict(SYS_read, 128, 0, 0), SECCOMP_RET_USER_NOTIF);
	assert_int_equal(verdict(SYS_read, 63, 0, 0), SECCOMP_RET_USER_NOTIF);
	assert_int_equal(verdict(SYS_mmap, 0, 0, PROT_READ), SECCOMP_RET_ALLOW);
	assert_int_equal(verdict(SYS_mmap, 0, 0, PROT_EXEC | PROT_READ),
	    SECCOMP_RET_USER_NOTIF);
	assert_int_equal(verdict(SYS_exit_group, 7, 7, 7), SECCOMP_RET_ALLOW);
	assert_int_equal(verdict(SYS_openat, 0, 0, 0), SECCOMP_RET_USER_NOTIF);
}

static void
test_killed_at_once(void **state)
{
	struct seccomp_data d = { .nr = SYS_exit_group, .arch = AUDIT_ARCH_I386 };

	(void)state;
	assert_int_equal(verdict(SYS_ptrace, 0, 0, 0), SECCOMP_RET_KILL_PROCESS);
	/* Allowed in one form: the others are reported. */
	assert_int_equal(verdict(SYS_execve, 1, 0, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(verdict(SYS_execve, 2, 0, 0), SECCOMP_RET_USER_NOTIF);
	/* Other ABIs of the same kernel. */
	assert_int_equal(filter_expected(&policy, NULL, 0, &d),
	    SECCOMP_RET_KILL_PROCESS);
	d.arch = AUDIT_ARCH_X86_64;
	d.nr |= 0x40000000;
	assert_int_equal(filter_expected(&policy, NULL, 0, &d),
	    SECCOMP_RET_KILL_PROCESS);
}

static void
test_extra_rules(void **state)
{
	static const struct sb_rule extra[] = { SB_ALLOW(brk, "test") };
	struct seccomp_data d = { .nr = SYS_brk, .arch = AUDIT_ARCH_X86_64 };

	(void)state;
	assert_int_equal(filter_expected(&policy, NULL, 0, &d),
	    SECCOMP_RET_USER_NOTIF);
	assert_int_equal(filter_expected(&policy, extra, 1, &d), SECCOMP_RET_ALLOW);
}

static void
test_agreement(void **state)
{
	struct seccomp_data bad;

	(void)state;
	assert_true(filter_agrees(&deny, NULL, 0, deny_prog, DENY_LEN, 100, &bad));
}

/* Any change of any instruction that can matter is found. */
static void
test_disagreement(void **state)
{
	struct sock_filter prog[DENY_LEN];
	struct seccomp_data bad;

	(void)state;
	for (size_t i = 0; i < DENY_LEN; i++) {
		if (deny_prog[i].code == (BPF_RET | BPF_K) && deny_prog[i].k == 0)
			continue;
		memcpy(prog, deny_prog, sizeof(prog));
		prog[i].k ^= 1;
		assert_false(filter_agrees(&deny, NULL, 0, prog, DENY_LEN, 100,
		    &bad));
	}
}

static void
test_foreign_programs(void **state)
{
	static const struct sock_filter cases[][2] = {
		{ LD(64), RET(SECCOMP_RET_ALLOW) },		/* behind the data */
		{ LD(2), RET(SECCOMP_RET_ALLOW) },		/* unaligned */
		{ BPF_JUMP(BPF_JMP | BPF_JA, 7, 0, 0), RET(SECCOMP_RET_ALLOW) },
		{ BPF_STMT(BPF_LD | BPF_MEM, 16), RET(SECCOMP_RET_ALLOW) },
		{ BPF_STMT(BPF_LDX | BPF_IMM, 1), RET(SECCOMP_RET_ALLOW) },
		{ LD(NR), LD(NR) },				/* falls off */
	};
	struct seccomp_data d = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(filter_run(cases[i], 2, &d), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_meaning),
		cmocka_unit_test(test_killed_at_once),
		cmocka_unit_test(test_extra_rules),
		cmocka_unit_test(test_agreement),
		cmocka_unit_test(test_disagreement),
		cmocka_unit_test(test_foreign_programs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
