/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a compromised worker would try (controller/ctl/attack.c), by a twin of each
 * kind, through the real spawner: each attempt must be denied, named to whoever holds
 * the listener, and end the process; or, where a report is not worth it, kill by
 * SIGSYS.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/ctl/attack.h"
#include "tests/jail/driver.h"

static void
try_attempt(struct vm *vm, enum process_kind kind, const struct sb_known *k,
    const struct attack *attack)
{
	enum attack_end end, want = ATTACK_DENIED;
	const char *ends = "denied, named and killed:";
	char text[200] = "";
	struct twin t;

	if (attack->in_share) {
		want = ATTACK_FAILED;
		ends = "made, and finds nothing";
	} else if (attack->at_once || !has_controller(k)) {
		want = ATTACK_KILLED;
		ends = "killed by SIGSYS";
	}
	end = attack_try(vm, kind, k, attack, &t);
	if (end == ATTACK_DENIED)
		notify_describe(&t.call, text, sizeof(text));
	ok(end == want, "%s: %s is %s %s", k->name, attack->name, ends, text);
	if (end != want)
		printf("# log \"%s\" failed \"%s\" status %d signal %d denied %s\n",
		    t.log, t.failed, t.status, t.signal, t.denied ? t.call.name : "no");
	twin_free(&t);
}

/* A share is there, and only what is outside is not. Who no spawner starts has none. */
static void
try_inside(struct vm *vm, enum process_kind kind, const struct sb_known *k)
{
	static const struct attack inside = { .name = "share-inside", .in_share = true };
	struct twin t;

	ok(attack_try(vm, kind, k, &inside, &t) == ATTACK_THROUGH &&
	    t.status == TWIN_SUCCEEDED, "%s: the share itself can be opened", k->name);
	twin_free(&t);
}

void
test_attempts_of(struct vm *vm, enum process_kind kind, const struct sb_known *k)
{
	char text[100];

	if (k->policy.share != 0 && has_controller(k))
		try_inside(vm, kind, k);
	for (size_t i = 0; i < nattacks; i++) {
		if (!attack_applies(&attacks[i], k))
			continue;
		if (attack_is_business(&attacks[i], k->name)) {
			snprintf(text, sizeof(text), "%s: %s", k->name,
			    attacks[i].name);
			skip(text, "is its business");
		} else if (attacks[i].in_share && !has_controller(k)) {
			snprintf(text, sizeof(text), "%s: %s", k->name,
			    attacks[i].name);
			skip(text, "has no share here: tests/native/vhost-user-fs");
		} else {
			try_attempt(vm, kind, k, &attacks[i]);
		}
	}
}

void
test_attempts(struct vm *vm)
{
	/* Where each attempt takes long: of every so many kinds one. */
	const char *every = getenv("BULKHEAD_EVERY");
	int step = every == NULL ? 1 : (int)strtoul(every, NULL, 10);

	for (int kind = 0; step > 0 && kind < PROC_KIND_COUNT; kind += step) {
		const struct sb_known *k = attack_policy((enum process_kind)kind);

		if (k != NULL)
			test_attempts_of(vm, (enum process_kind)kind, k);
	}
}
