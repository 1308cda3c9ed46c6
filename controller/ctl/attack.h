/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `audit --attack`: a throw-away VM in which each kind of child is a hostile twin
 * (attack_twin.c): started by the real spawner in the real jail with the kind's own
 * filter, it makes one call that a compromised worker would try. The tests of the
 * jail use the same list and the same twins.
 */
#ifndef BULKHEAD_CONTROLLER_CTL_ATTACK_H
#define BULKHEAD_CONTROLLER_CTL_ATTACK_H

#include <stdbool.h>
#include <stddef.h>

#include "controller/ctl/attack_vm.h"
#include "sandbox/known.h"

struct attack {
	const char *name;	/* of attack_twin.c */
	const char *tries;	/* in words */
	bool at_once;		/* the filter kills, and asks nobody */
	const char *allowed;	/* kinds whose business it is: "opener,guard"; "*": all */
	bool in_share;		/* for who has a shared directory: the call is made there,
				 * and fails */
};

extern const struct attack attacks[];
extern const size_t nattacks;

/* The policy of a kind; NULL: a program of the host's. */
const struct sb_known *attack_policy(enum process_kind kind);

/* Whether @kind, the name of its policy, has something to try it with. */
bool attack_applies(const struct attack *attack, const struct sb_known *kind);

/* Whether @kind's business is what @attack tries. */
bool attack_is_business(const struct attack *attack, const char *kind);

/* Whether the denied call is the one that the twin announced. */
bool as_announced(const struct twin *t);

/* How one attempt ended. */
enum attack_end {
	ATTACK_DENIED,		/* named to the listener's holder, and killed */
	ATTACK_KILLED,		/* by SIGSYS, at once */
	ATTACK_FAILED,		/* made, and failed, as it must in a share */
	ATTACK_NOTHING,		/* there is no such call to try in this policy */
	ATTACK_THROUGH,		/* it was made, or was reported wrongly */
	ATTACK_UNKNOWN,		/* the twin did not start, or did not end */
};

/*
 * Make one attempt in @vm, as @kind, whose program may be a twin with the policy @k of
 * another. @t has the details, and is the caller's to free.
 */
enum attack_end attack_try(struct vm *vm, enum process_kind kind,
    const struct sb_known *k, const struct attack *attack, struct twin *t);

struct audit;

/*
 * The command. @only: kinds to try, comma-separated, or NULL for all; or @a: a look at a
 * running VM, whose processes the twins have the kinds and the fds of. An exit status.
 */
int attack_main(const char *only, const struct audit *a);

#endif
