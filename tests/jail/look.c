/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the host sees of a jailed process: ids, capabilities, namespaces, root,
 * fds, limits. From outside, by /proc, so that nothing depends on its word.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/jail/driver.h"

static void
expect_line(uint32_t pid, const char *file, const char *key, const char *want)
{
	char got[256] = "missing";
	bool good = proc_line(pid, file, key, got, sizeof(got)) &&
	    strncmp(got, want, strlen(want)) == 0;

	ok(good, "a jailed process: %s %s %s", file, key, got);
}

/* The inode of a namespace, or 0. */
static ino_t
namespace_of(uint32_t pid, const char *name)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%u/ns/%s", pid, name);
	return stat(path, &st) == 0 ? st.st_ino : 0;
}

static unsigned int
entries_of(uint32_t pid, const char *name)
{
	char command[128];
	unsigned int n = 99;
	FILE *f;

	snprintf(command, sizeof(command), "ls -A /proc/%u/%s | wc -l", pid, name);
	f = popen(command, "re");
	if (f == NULL || fscanf(f, "%u", &n) != 1)
		n = 99;
	if (f != NULL)
		pclose(f);
	return n;
}

/*
 * What the owner of the user namespace may see of a process. (That it is not
 * dumpable keeps its siblings out, who have a namespace each.)
 */
static void
inspect_namespaces(const struct twin *a, const struct twin *b, const struct twin *o)
{
	static const char *const own[] = { "user", "mnt", "ipc", "uts", "pid",
	    "cgroup" };
	uint32_t me = (uint32_t)getpid();
	char want[64];

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		ino_t x = namespace_of(a->host_pid, own[i]);

		ok(x != 0 && x != namespace_of(b->host_pid, own[i]) &&
		    x != namespace_of(me, own[i]),
		    "each jailed process has a %s namespace of its own", own[i]);
	}
	ok(namespace_of(a->host_pid, "net") != 0 &&
	    namespace_of(a->host_pid, "net") == namespace_of(b->host_pid, "net") &&
	    namespace_of(a->host_pid, "net") != namespace_of(me, "net"),
	    "they share one network namespace, not the host's");
#ifndef BULKHEAD_SANITIZED	/* those need libraries */
	ok(entries_of(a->host_pid, "root/") == 0, "their root is empty");
#endif
	ok(entries_of(a->host_pid, "net/dev_snmp6") <= 1,
	    "their network has no interface but lo");
	/* 0-7 and the order pipe */
	ok(entries_of(a->host_pid, "fd") == 9, "fds: 0 to 7 and what was passed");
	snprintf(want, sizeof(want), "%u", geteuid() == 0 ? 200001 + a->instance :
	    (unsigned int)geteuid());
	expect_line(a->host_pid, "status", "Uid:", want);
	if (geteuid() == 0) {
		expect_line(a->host_pid, "status", "Groups:", "");
		ok(namespace_of(o->host_pid, "user") == namespace_of(me, "user"),
		    "the opener has the host's user namespace");
	}
	ok(namespace_of(o->host_pid, "net") == namespace_of(me, "net") &&
	    namespace_of(o->host_pid, "mnt") == namespace_of(me, "mnt") &&
	    namespace_of(o->host_pid, "pid") != namespace_of(me, "pid"),
	    "the opener is outside but for its pid namespace");
}

void
test_inspection(struct vm *vm)
{
	struct twin_order order = order_of(DENIED, JAIL_ENFORCE);
	struct twin a, b, o;
#ifndef BULKHEAD_SANITIZED
	char text[64] = "";
#endif

	vm_spawn(vm, &a, PROC_RNG, &order, NULL, NULL, 0);
	vm_spawn(vm, &b, PROC_BLK, &order, NULL, NULL, 0);
	if (!vm_wait(vm, &a, twin_denied_or_exited)) {
		ok(false, "a twin to look at");
		return;
	}
	twin_free(&b);
	vm_spawn(vm, &b, PROC_RNG, &order, NULL, NULL, 0);
	vm_spawn(vm, &o, PROC_OPENER, &order, NULL, NULL, 0);
	vm_wait(vm, &b, twin_denied_or_exited);
	twin_free(&o);
	vm_spawn(vm, &o, PROC_OPENER, &order, NULL, NULL, 0);
	vm_wait(vm, &o, twin_denied_or_exited);
	expect_line(a.host_pid, "status", "Name:", "bulkhead-rng");
	expect_line(a.host_pid, "status", "CapInh:", "0000000000000000");
	expect_line(a.host_pid, "status", "CapPrm:", "0000000000000000");
	expect_line(a.host_pid, "status", "CapEff:", "0000000000000000");
	expect_line(a.host_pid, "status", "CapBnd:", "0000000000000000");
	expect_line(a.host_pid, "status", "CapAmb:", "0000000000000000");
	expect_line(a.host_pid, "status", "NoNewPrivs:", "1");
	expect_line(a.host_pid, "status", "Seccomp:", "2");
	expect_line(a.host_pid, "status", "Seccomp_filters:", "2");
	expect_line(a.host_pid, "limits", "Max core file size", "0 ");
#ifndef BULKHEAD_SANITIZED
	proc_line(a.host_pid, "limits", "Max address space", text, sizeof(text));
	ok(strtoull(text, NULL, 10) > JAIL_GROWTH &&
	    strtoull(text, NULL, 10) < JAIL_GROWTH + (64 << 20),
	    "RLIMIT_AS is what is mapped and JAIL_GROWTH: %s", text);
#endif
	inspect_namespaces(&a, &b, &o);
	vm_kill(vm, &a);
	vm_kill(vm, &b);
	vm_kill(vm, &o);
	ok(vm_wait(vm, &o, twin_exited) && o.exits == 1,
	    "one exit report a child");
	twin_free(&a);
	twin_free(&b);
	twin_free(&o);
}
