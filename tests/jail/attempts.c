/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a compromised worker would try (controller/ctl/attack.c), by a twin of each
 * kind, through the real spawner: each attempt must be denied, named to whoever holds
 * the listener, and end the process; or, where a report is not worth it, kill by
 * SIGSYS.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "controller/ctl/attack.h"
#include "tests/jail/driver.h"

static void
try_attempt(struct vm *vm, enum process_kind kind, const struct attack *attack)
{
	const char *who = process_kinds[kind].name;
	char text[200] = "";
	enum attack_end end;
	struct twin t;

	end = attack_try(vm, kind, attack, &t);
	if (end == ATTACK_DENIED)
		notify_describe(&t.call, text, sizeof(text));
	ok(end == (attack->at_once ? ATTACK_KILLED : ATTACK_DENIED), "%s: %s is %s %s",
	    who, attack->name, attack->at_once ? "killed by SIGSYS" :
	    "denied, named and killed:", text);
	if (end != ATTACK_DENIED && end != ATTACK_KILLED)
		printf("# log \"%s\" failed \"%s\" status %d signal %d denied %s\n",
		    t.log, t.failed, t.status, t.signal, t.denied ? t.call.name : "no");
	twin_free(&t);
}

void
test_attempts(struct vm *vm)
{
	char text[100];

	for (int kind = 0; kind < PROC_KIND_COUNT; kind++) {
		const char *who = process_kinds[kind].name;

		if (sb_known_find(who) == NULL)
			continue;	/* a program of the host's */
		for (size_t i = 0; i < nattacks; i++) {
			if (attack_is_business(&attacks[i], who)) {
				snprintf(text, sizeof(text), "%s: %s", who,
				    attacks[i].name);
				skip(text, "is its business");
			} else {
				try_attempt(vm, (enum process_kind)kind, &attacks[i]);
			}
		}
	}
}
