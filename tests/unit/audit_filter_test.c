/* SPDX-License-Identifier: Apache-2.0 */
/* The audit's reading of filters: what they let through, and when they differ. */
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "controller/ctl/audit.h"
#include "sandbox/filter_model.h"

#define DRAWS 300

static struct audit_chain
chain_of(const struct sb_known *k)
{
	const struct sb_known *spawner = sb_known_find("spawner");
	struct audit_chain c = { .n = 0 };

	if (k->policy.jail == SB_JAIL_WORKER || k->policy.jail == SB_JAIL_OPENER) {
		c.filter[c.n] = spawner->filter;
		c.len[c.n++] = spawner->filter_len;
	}
	c.filter[c.n] = k->filter;
	c.len[c.n++] = k->filter_len;
	return c;
}

static void
test_declared(void **state)
{
	(void)state;
	for (size_t i = 0; sb_known[i] != NULL; i++) {
		struct audit_chain c = chain_of(sb_known[i]);
		struct audit_task t = { 0 };
		struct sb_counts n;

		audit_judge_chain(&t, sb_known[i], &c);
		assert_true(t.declared);
		assert_true(t.same_bytes);
		assert_int_equal(t.inherited, 0);
		sb_count(&sb_known[i]->policy, &n);
		if (sb_known[i]->policy.denylist)
			continue;
		/* The spawner's list refuses none of them. */
		assert_int_equal(t.ncalls, n.calls);
		assert_true(t.nbound >= n.bound);
	}
}

/* What the walk says of every argument holds for those that are drawn. */
static void
test_walk(void **state)
{
	(void)state;
	for (size_t i = 0; sb_known[i] != NULL; i++) {
		struct audit_chain c = chain_of(sb_known[i]);
		struct audit_task t = { 0 };

		audit_judge_chain(&t, sb_known[i], &c);
		for (int nr = 0; nr < AUDIT_LAST_NR; nr++)
			for (int draw = 0; draw < DRAWS; draw++) {
				struct seccomp_data d = { .nr = nr,
				    .arch = AUDIT_ARCH_X86_64 };
				bool allowed = true;

				for (size_t k = 0; k < 6; k++)
					d.args[k] = (uint64_t)(random() % 600);
				for (unsigned int f = 0; f < c.n; f++)
					allowed = allowed && filter_run(c.filter[f],
					    c.len[f], &d) == SECCOMP_RET_ALLOW;
				if (allowed)
					assert_int_not_equal(t.calls[nr], CALL_DENIED);
				else
					assert_int_not_equal(t.calls[nr], CALL_FREE);
			}
	}
}

/* One instruction that lets more through, wherever it is, is found. */
static void
test_loosened(void **state)
{
	const struct sb_known *k = sb_known_find("blk");
	struct audit_chain c = chain_of(k);
	struct sock_filter copy[1024];
	struct audit_task t;
	unsigned int tried = 0;

	(void)state;
	assert_true(k->filter_len <= 1024);
	for (unsigned int i = 0; i < k->filter_len; i++) {
		if (k->filter[i].code != (BPF_RET | BPF_K) ||
		    k->filter[i].k == SECCOMP_RET_ALLOW)
			continue;
		memcpy(copy, k->filter, k->filter_len * sizeof(*copy));
		copy[i].k = SECCOMP_RET_ALLOW;
		c.filter[1] = copy;
		t = (struct audit_task){ 0 };
		audit_judge_chain(&t, k, &c);
		assert_false(t.declared);
		assert_non_null(strstr(t.differs, "is not policy blk"));
		tried++;
	}
	assert_true(tried > 1);
}

static void
test_modes(void **state)
{
	static const struct { uint32_t verdict; bool declared; const char *says; } modes[] = {
		{ SECCOMP_RET_LOG, false, "--seccomp log" },
		{ SECCOMP_RET_ERRNO | 1, false, "--seccomp errno" },
		{ SECCOMP_RET_KILL_PROCESS, true, "" },
	};
	const struct sb_known *k = sb_known_find("rng");
	struct sock_filter copy[1024];
	struct audit_chain c = chain_of(k);

	(void)state;
	for (size_t m = 0; m < sizeof(modes) / sizeof(modes[0]); m++) {
		struct audit_task t = { 0 };

		memcpy(copy, k->filter, k->filter_len * sizeof(*copy));
		for (unsigned int i = 0; i < k->filter_len; i++)
			if (copy[i].code == (BPF_RET | BPF_K) &&
			    copy[i].k == SECCOMP_RET_USER_NOTIF)
				copy[i].k = modes[m].verdict;
		c.filter[1] = copy;
		audit_judge_chain(&t, k, &c);
		assert_int_equal(t.declared, modes[m].declared);
		assert_non_null(strstr(t.differs, modes[m].says));
	}
}

static void
test_stack(void **state)
{
	static const struct sock_filter allow[] = {
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sb_known *k = sb_known_find("net");
	struct audit_chain c = chain_of(k), more = { .n = 3 };
	struct audit_task t = { 0 };

	(void)state;
	/* Its own filter is missing. */
	c.n = 1;
	audit_judge_chain(&t, k, &c);
	assert_false(t.declared);
	assert_string_equal(t.differs, "1 of 2 filters");
	/* In the wrong order. */
	c = chain_of(k);
	c.filter[0] = k->filter;
	c.len[0] = k->filter_len;
	t = (struct audit_task){ 0 };
	audit_judge_chain(&t, k, &c);
	assert_false(t.declared);
	/* Whoever started the VM had one, too. */
	c = chain_of(k);
	more.filter[0] = allow;
	more.len[0] = 1;
	memcpy(&more.filter[1], c.filter, 2 * sizeof(c.filter[0]));
	memcpy(&more.len[1], c.len, 2 * sizeof(c.len[0]));
	t = (struct audit_task){ 0 };
	audit_judge_chain(&t, k, &more);
	assert_true(t.declared);
	assert_int_equal(t.inherited, 1);
	/* No program of ours. */
	t = (struct audit_task){ 0 };
	audit_judge_chain(&t, NULL, &c);
	assert_false(t.declared);
}

/* What the walk cannot read is taken to allow and to deny. */
static void
test_unreadable(void **state)
{
	static const struct sock_filter odd[] = {
		BPF_STMT(BPF_MISC | BPF_TXA, 0),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	static const struct sock_filter beyond[] = {
		BPF_STMT(BPF_JMP | BPF_JA, 7),
	};
	struct audit_chain c = { .filter = { odd }, .len = { 2 }, .n = 1 };
	struct audit_task t = { 0 };

	(void)state;
	audit_judge_chain(&t, NULL, &c);
	assert_int_equal(t.calls[0], CALL_BOUND);
	assert_int_equal(t.ncalls, AUDIT_LAST_NR);
	c.filter[0] = beyond;
	c.len[0] = 1;
	audit_judge_chain(&t, NULL, &c);
	assert_int_equal(t.calls[0], CALL_BOUND);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_declared),
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_loosened),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_stack),
		cmocka_unit_test(test_unreadable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
