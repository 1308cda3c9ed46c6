/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What filters that were read back from the kernel let through, and whether they
 * are the declared ones. No instruction is run: for each call number the program is
 * walked with that number known and everything else unknown, so that an answer
 * covers every argument.
 */
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "controller/ctl/audit.h"
#include "sandbox/filter_model.h"
#include "sandbox/notify.h"

#define ROUNDS 200u	/* drawn arguments a call, where bytes differ */
#define ACTION_BITS SECCOMP_RET_ACTION_FULL

/* The accumulator on arrival at an instruction: not reached, a value, any. */
struct value {
	enum { NOT_HERE, KNOWN, ANY } is;
	uint32_t v;
};

static void
merge(struct value *into, struct value from)
{
	if (into->is == NOT_HERE)
		*into = from;
	else if (from.is != NOT_HERE && (into->is == ANY || from.is == ANY ||
	    into->v != from.v))
		into->is = ANY;
}

static struct value
load(uint32_t offset, uint32_t nr)
{
	if (offset == offsetof(struct seccomp_data, nr))
		return (struct value){ KNOWN, nr };
	if (offset == offsetof(struct seccomp_data, arch))
		return (struct value){ KNOWN, AUDIT_ARCH_X86_64 };
	return (struct value){ ANY, 0 };
}

static bool
taken(uint16_t code, uint32_t a, uint32_t k)
{
	switch (BPF_OP(code)) {
	case BPF_JEQ:
		return a == k;
	case BPF_JGT:
		return a > k;
	case BPF_JGE:
		return a >= k;
	default:
		return (a & k) != 0;
	}
}

enum { MAY_ALLOW = 1, MAY_DENY = 2 };

/*
 * What @prog can return for call @nr. Jumps go forward only, so one pass in order
 * sees every arrival. An instruction that it does not know may do anything.
 */
static unsigned int
walk(const struct sock_filter *prog, unsigned int len, uint32_t nr)
{
	static struct value in[BPF_MAXINSNS + 1];
	unsigned int may = 0;

	if (len > BPF_MAXINSNS)
		return MAY_ALLOW | MAY_DENY;
	memset(in, 0, (len + 1) * sizeof(in[0]));
	in[0] = (struct value){ ANY, 0 };
	for (unsigned int pc = 0; pc < len; pc++) {
		const struct sock_filter *i = &prog[pc];
		struct value a = in[pc];
		unsigned int t, f;

		if (a.is == NOT_HERE)
			continue;
		switch (BPF_CLASS(i->code)) {
		case BPF_RET:
			may |= BPF_RVAL(i->code) == BPF_K &&
			    (i->k & ACTION_BITS) != SECCOMP_RET_ALLOW &&
			    (i->k & ACTION_BITS) != SECCOMP_RET_LOG ? MAY_DENY :
			    BPF_RVAL(i->code) == BPF_K ? MAY_ALLOW :
			    MAY_ALLOW | MAY_DENY;
			break;
		case BPF_LD:
			merge(&in[pc + 1], i->code == (BPF_LD | BPF_W | BPF_ABS) ?
			    load(i->k, nr) : (struct value){ ANY, 0 });
			break;
		case BPF_ALU:
			if (i->code == (BPF_ALU | BPF_AND | BPF_K) && a.is == KNOWN)
				a.v &= i->k;
			else
				a.is = ANY;
			merge(&in[pc + 1], a);
			break;
		case BPF_JMP:
			t = pc + 1 + (BPF_OP(i->code) == BPF_JA ? i->k : i->jt);
			f = pc + 1 + (BPF_OP(i->code) == BPF_JA ? i->k : i->jf);
			if (t > len || f > len)
				return MAY_ALLOW | MAY_DENY;
			if (a.is == ANY || BPF_SRC(i->code) != BPF_K ||
			    taken(i->code, a.v, i->k))
				merge(&in[t], a);
			if (a.is == ANY || BPF_SRC(i->code) != BPF_K ||
			    !taken(i->code, a.v, i->k))
				merge(&in[f], a);
			break;
		default:	/* ST, LDX, STX, MISC: the accumulator may change */
			merge(&in[pc + 1], (struct value){ ANY, 0 });
			break;
		}
	}
	return may;
}

static void
list_calls(struct audit_task *t, const struct audit_chain *chain)
{
	t->ncalls = t->nbound = 0;
	for (uint32_t nr = 0; nr < AUDIT_LAST_NR; nr++) {
		bool allowed = true, bound = false;

		for (unsigned int i = 0; i < chain->n; i++) {
			unsigned int may = walk(chain->filter[i], chain->len[i], nr);

			allowed = allowed && (may & MAY_ALLOW) != 0;
			bound = bound || (may & MAY_DENY) != 0;
		}
		t->calls[nr] = !allowed ? CALL_DENIED : bound ? CALL_BOUND : CALL_FREE;
		t->ncalls += allowed;
		t->nbound += allowed && bound;
	}
}

static bool
same(const struct audit_chain *c, unsigned int i, const struct sb_known *k)
{
	return c->len[i] == k->filter_len &&
	    memcmp(c->filter[i], k->filter, k->filter_len * sizeof(*k->filter)) == 0;
}

/* Filter @i is @k's with the verdict of what is denied changed to @verdict. */
static bool
same_but(const struct audit_chain *c, unsigned int i, const struct sb_known *k,
    uint32_t verdict)
{
	if (c->len[i] != k->filter_len)
		return false;
	for (unsigned int n = 0; n < k->filter_len; n++) {
		struct sock_filter want = k->filter[n];

		if (want.code == (BPF_RET | BPF_K) &&
		    want.k == SECCOMP_RET_USER_NOTIF)
			want.k = verdict;
		if (memcmp(&want, &c->filter[i][n], sizeof(want)) != 0)
			return false;
	}
	return true;
}

/* Compare one filter with the one it should be. */
static bool
compare(struct audit_task *t, const struct audit_chain *c, unsigned int i,
    const struct sb_known *k)
{
	struct seccomp_data bad;

	if (same(c, i, k) || same_but(c, i, k, SECCOMP_RET_KILL_PROCESS))
		return true;
	t->same_bytes = false;
	if (same_but(c, i, k, SECCOMP_RET_LOG))
		(void)snprintf(t->differs, sizeof(t->differs),
		    "--seccomp log: what %s denies is made, and logged", k->name);
	else if (same_but(c, i, k, SECCOMP_RET_ERRNO | 1))
		(void)snprintf(t->differs, sizeof(t->differs),
		    "--seccomp errno: what %s denies fails with EPERM", k->name);
	else if (filter_agrees(&k->policy, NULL, 0, c->filter[i], c->len[i], ROUNDS,
	    &bad))
		return true;	/* another compiler's work: the same meaning */
	else
		(void)snprintf(t->differs, sizeof(t->differs), "filter %u is not "
		    "policy %s: %s(0x%llx, 0x%llx, 0x%llx, 0x%llx) is judged "
		    "differently", i, k->name, notify_call_name(bad.nr),
		    (unsigned long long)bad.args[0], (unsigned long long)bad.args[1],
		    (unsigned long long)bad.args[2], (unsigned long long)bad.args[3]);
	return false;
}

/*
 * The kernel gives the oldest filter first: what the VM's starter had, then the
 * spawner's, which all below it inherit, then the program's own. The controller was
 * there before the spawner, and has its own alone.
 */
void
audit_judge_chain(struct audit_task *t, const struct sb_known *known,
    const struct audit_chain *chain)
{
	const struct sb_known *want[2] = { NULL, NULL };
	unsigned int n = 0;

	t->read_back = true;
	list_calls(t, chain);
	if (known == NULL) {
		(void)snprintf(t->differs, sizeof(t->differs), "no policy to compare "
		    "with");
		return;
	}
	if (known->policy.jail != SB_JAIL_CONTROLLER &&
	    known->policy.jail != SB_JAIL_SPAWNER)
		want[n++] = sb_known_find("spawner");
	want[n++] = known;
	if (chain->n < n) {
		(void)snprintf(t->differs, sizeof(t->differs), "%u of %u filters",
		    chain->n, n);
		return;
	}
	t->inherited = chain->n - n;
	t->same_bytes = true;
	t->declared = true;
	for (unsigned int i = 0; i < n && t->declared; i++)
		t->declared = want[i] != NULL &&
		    compare(t, chain, t->inherited + i, want[i]);
}
