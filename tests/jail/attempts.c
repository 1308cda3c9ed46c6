/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a compromised worker would try, by a twin of each kind, through the real
 * spawner: each attempt must be denied, named to whoever holds the listener, and
 * end the process; or, where a report is not worth it, kill by SIGSYS.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/jail/driver.h"

static bool
is_one_of(const char *list, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = list; (p = strstr(p, name)) != NULL; p += n)
		if ((p == list || p[-1] == ',') && (p[n] == ',' || p[n] == '\0'))
			return true;
	return false;
}

#define EVERYONE "opener,loader,vcpu,blk,net,rng,console"

/* What each twin tries. at_once: no notification, SIGSYS. */
static const struct {
	const char *name;
	bool at_once;
	const char *allowed;	/* kinds whose business it is */
} attempts[] = {
#ifdef BULKHEAD_SANITIZED	/* sandbox/sanitizer_policy.c */
	{ "open", false, EVERYONE },
	{ "openat", false, EVERYONE },
#else
	{ "open", false, "" },
	{ "openat", false, "opener" },
#endif
	{ "openat2", false, "opener" },
	{ "socket", false, "" },
	{ "clone", false, "" },
	{ "clone3", false, "" },
	{ "fork", false, "" },
	{ "execve", true, "" },
	{ "execveat", true, "" },
	{ "ptrace", true, "" },
	{ "process_vm_readv", true, "" },
	{ "kill", false, "" },
	{ "tgkill", false, "" },
	{ "io_uring_setup", false, "" },
	{ "memfd_create", false, "" },
	{ "prctl", false, "" },
	{ "mmap", false, "" },
	{ "mprotect", false, "" },
	{ "wrong-fd", false, "" },
};

/* Whether the notification is the call that the twin announced. */
bool
as_announced(const struct twin *t)
{
	unsigned long long value;
	unsigned int index;
	char name[32];

	if (sscanf(t->log, "expect %31s %u %llu", name, &index, &value) != 3 ||
	    index > 5)
		return false;
	return strcmp(name, t->call.name) == 0 && t->call.args[index] == value &&
	    t->call.pid == t->host_pid;
}

static void
try_attempt(struct vm *vm, enum process_kind kind, size_t i)
{
	const char *who = process_kinds[kind].name, *what = attempts[i].name;
	struct twin_order order = order_of(what, JAIL_ENFORCE);
	unsigned int before = failures;
	char text[200] = "";
	struct twin t;
	bool came;

	vm_spawn(vm, &t, kind, &order, NULL, NULL, 0);
	came = vm_wait(vm, &t, twin_denied_or_exited);
	if (strcmp(t.log, "cannot") == 0) {
		ok(false, "%s: %s: its policy binds no call to an fd", who, what);
	} else if (attempts[i].at_once) {
		ok(came && !t.denied && t.signal == SIGSYS,
		    "%s: %s is killed by SIGSYS", who, what);
	} else {
		bool named = came && t.denied && as_announced(&t);

		vm_kill(vm, &t);
		came = vm_wait(vm, &t, twin_exited);
		if (t.denied)
			notify_describe(&t.call, text, sizeof(text));
		ok(named && came && t.exits == 1 && t.signal == SIGKILL,
		    "%s: %s is denied, named and killed: %s", who, what, text);
	}
	if (failures > before)
		printf("# log \"%s\" failed \"%s\" status %d signal %d\n", t.log,
		    t.failed, t.status, t.signal);
	twin_free(&t);
}

void
test_attempts(struct vm *vm)
{
	char text[100];

	for (int kind = 0; kind < PROC_KIND_COUNT; kind++) {
		const char *who = process_kinds[kind].name;

		if (!is_one_of(kinds, who)) {
			skip(who, "it has no policy yet");
			continue;
		}
		for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
			if (is_one_of(attempts[i].allowed, who)) {
				snprintf(text, sizeof(text), "%s: %s", who,
				    attempts[i].name);
				skip(text, "is its business");
			} else {
				try_attempt(vm, (enum process_kind)kind, i);
			}
		}
	}
}
