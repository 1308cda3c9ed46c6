/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rule by rule, made from the policies: a twin in the real jail makes the call of
 * each rule with arguments that it allows, and lives; and with each argument changed
 * is denied, with a report that names the call, its arguments and the thread. The
 * spawner's list, which refuses, the other way round.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/filter_model.h"
#include "sandbox/known.h"
#include "ipc/slots.h"
#include "tests/jail/driver.h"

bool
has_controller(const struct sb_known *k)
{
	static const uint64_t to_controller[6] = { FD_CTL };
	const struct sb_policy *y = &k->policy;

	for (size_t i = 0; i < y->nrules; i++)
		if (y->rules[i].nr == SYS_sendmsg &&
		    filter_rule_matches(&y->rules[i], to_controller))
			return true;
	return false;
}

static struct twin_order
order_rule(const struct sb_known *k, size_t rule, uint32_t change)
{
	struct twin_order o = order_of("rule", JAIL_ENFORCE);

	snprintf(o.policy, sizeof(o.policy), "%s", k->name);
	o.rule = (uint32_t)rule;
	o.change = change;
	return o;
}

/* It ended by itself, and no filter had a say. */
static bool
lived(const struct twin *t, int nr)
{
	if (t->denied)
		return false;
	/* A return from no handler goes nowhere, but it is made. */
	if (nr == SYS_rt_sigreturn && t->signal == SIGSEGV)
		return true;
	return t->signal == 0 && t->status == TWIN_QUIET && t->exits == 1;
}

static bool
run(struct vm *vm, enum process_kind kind, const struct twin_order *order,
    struct twin *t)
{
	bool came, denied;

	vm_spawn(vm, t, kind, order, NULL, NULL, 0);
	came = vm_wait(vm, t, twin_denied_or_exited);
	denied = t->denied;
	if (denied) {
		vm_kill(vm, t);
		came = vm_wait(vm, t, twin_exited);
	}
	return came;
}

static bool
is_free(const struct sb_policy *y, int nr)
{
	for (size_t i = 0; i < y->nrules; i++)
		if (y->rules[i].nr == nr && sb_rule_is_free(&y->rules[i]))
			return true;
	return false;
}

static void
complain(const struct twin *t, const char *what)
{
	printf("# %s: log \"%s\" failed \"%s\" status %d signal %d denied %s\n", what,
	    t->log, t->failed, t->status, t->signal, t->denied ? t->call.name : "no");
}

/* Each condition broken: reported and killed. Counts them. */
static bool
test_changes(struct vm *vm, enum process_kind kind, const struct sb_known *k,
    size_t rule, unsigned int *changes)
{
	const struct sb_rule *r = &k->policy.rules[rule];
	bool good = true;

	for (uint32_t c = 0; c < SB_MAX_ARGS; c++) {
		struct twin_order order = order_rule(k, rule, c);
		struct twin t;

		if (r->arg[c].cmp == SB_CMP_NONE || is_free(&k->policy, r->nr))
			continue;
		(*changes)++;
		if (!run(vm, kind, &order, &t) ||
		    (!has_controller(k) ? t.denied || t.signal != SIGSYS :
		    !t.denied || !as_announced(&t) || t.signal != SIGKILL)) {
			complain(&t, "changed");
			good = false;
		}
		twin_free(&t);
	}
	return good;
}

static bool
refused_by_spawner(const struct sb_rule *r)
{
	const struct sb_policy *y = &sb_known_find("spawner")->policy;
	uint64_t args[6] = { 0 };

	for (size_t i = 0; i < SB_MAX_ARGS; i++)
		if (r->arg[i].cmp != SB_CMP_NONE)
			args[r->arg[i].index] = r->arg[i].value;
	for (size_t i = 0; i < y->nrules; i++)
		if (y->rules[i].nr == r->nr && filter_rule_matches(&y->rules[i], args))
			return true;
	return false;
}

static void
test_rule(struct vm *vm, enum process_kind kind, const struct sb_known *k, size_t rule)
{
	const struct sb_rule *r = &k->policy.rules[rule];
	struct twin_order order = order_rule(k, rule, NO_CHANGE);
	unsigned int changes = 0;
	char args[200], text[300];
	struct twin t;
	bool good;

	sb_rule_text(r, args, sizeof(args));
	/* The controller is not below the spawner; its twin here is. */
	if (refused_by_spawner(r)) {
		snprintf(text, sizeof(text), "%s: %s(%s)", k->name, r->name, args);
		skip(text, "no process below the spawner may");
		return;
	}
	good = run(vm, kind, &order, &t) && lived(&t, r->nr);
	if (!good)
		complain(&t, "as allowed");
	twin_free(&t);
	good = test_changes(vm, kind, k, rule, &changes) && good;
	ok(good, "%s: %s(%s) is made, and denied with each of %u changes", k->name,
	    r->name, args, changes);
}

void
test_rules(struct vm *vm)
{
	for (int kind = 0; kind < PROC_KIND_COUNT; kind++) {
		const struct sb_known *k = attack_policy((enum process_kind)kind);

		if (k == NULL)
			continue;	/* a program of the host's */
		for (size_t i = 0; i < k->policy.nrules; i++)
			test_rule(vm, (enum process_kind)kind, k, i);
	}
}

/* The spawner's: what it lists kills at once; with an argument changed it does not. */
static void
test_refusal(struct vm *vm, const struct sb_known *k, size_t rule)
{
	const struct sb_rule *r = &k->policy.rules[rule];
	struct twin_order order = order_rule(k, rule, NO_CHANGE);
	struct twin t;
	bool good;

	order.mode = JAIL_OFF;	/* so that there is no other filter */
	good = run(vm, PROC_RNG, &order, &t) && !t.denied && t.signal == SIGSYS;
	if (!good)
		complain(&t, "as refused");
	twin_free(&t);
	for (uint32_t c = 0; c < SB_MAX_ARGS; c++) {
		if (r->arg[c].cmp == SB_CMP_NONE)
			continue;
		order.change = c;
		if (!run(vm, PROC_RNG, &order, &t) || !lived(&t, r->nr)) {
			complain(&t, "changed");
			good = false;
		}
		twin_free(&t);
	}
	ok(good, "spawner: %s kills by SIGSYS, in every process below it", r->name);
}

static bool
is_a_kind(const struct sb_known *k)
{
	for (int kind = 0; kind < PROC_KIND_COUNT; kind++)
		if (attack_policy((enum process_kind)kind) == k)
			return true;
	return false;
}

/* In the jail of a kind: a twin with the policy NAME is as-NAME/bulkhead-rng. */
void
test_others(bool rules)
{
	char dir[512], why[256];
	struct vm vm;

	for (size_t i = 0; sb_known[i] != NULL; i++) {
		const struct sb_known *k = sb_known[i];

		if (is_a_kind(k))
			continue;
		snprintf(dir, sizeof(dir), "%s/../as-%s", twins, k->name);
		if (vm_start(&vm, k->policy.denylist ? twins : dir, why,
		    sizeof(why)) != 0) {
			ok(false, "%s: %s", k->name, why);
			continue;
		}
		if (!k->policy.denylist)
			test_attempts_of(&vm, PROC_RNG, k);
		for (size_t r = 0; rules && r < k->policy.nrules; r++) {
			if (k->policy.denylist)
				test_refusal(&vm, k, r);
			else
				test_rule(&vm, PROC_RNG, k, r);
		}
		vm_end(&vm);
	}
}
