/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The jail's tests: plays the controller to the real spawner, which starts twins
 * (twin.c) of each process kind by the real exec path, and looks at what becomes
 * of them. Prints TAP.
 *
 *	driver [-n FIRST] TWINS HOOKS SCRATCH KINDS
 *
 * As root it runs all tests twice, as root and then as an ordinary user, who has
 * to be able to reach the directories. -n is for that second run.
 * TWINS, HOOKS: libexec directories of rules.mk. SCRATCH: a directory to write
 * in. KINDS: comma-separated, those with a policy of their own; the others'
 * attempts are skipped. Run by tests/jail/run.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ipc/slots.h"
#include "sandbox/jail.h"
#include "sandbox/kernel_compat.h"
#include "tests/jail/vm.h"

/* No policy allows it, in no build: a twin that tries it stands still. */
#define DENIED "socket"
#define NOBODY 65534

static const char *twins, *hooks, *scratch, *kinds;
static unsigned int count, failures;

static void __attribute__((format(printf, 2, 3)))
ok(bool good, const char *fmt, ...)
{
	va_list ap;

	printf("%sok %u - jail: %s: ", good ? "" : "not ", ++count,
	    geteuid() == 0 ? "root" : "user");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	failures += !good;
}

static void
skip(const char *what, const char *why)
{
	printf("ok %u - jail: %s # SKIP %s\n", ++count, what, why);
}

static struct twin_order
order_of(const char *attempt, enum jail_mode mode)
{
	struct twin_order o = { .mode = mode };

	snprintf(o.attempt, sizeof(o.attempt), "%s", attempt);
	return o;
}

static bool
is_one_of(const char *list, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = list; (p = strstr(p, name)) != NULL; p += n)
		if ((p == list || p[-1] == ',') && (p[n] == ',' || p[n] == '\0'))
			return true;
	return false;
}

/* ---- attempts ------------------------------------------------------------ */

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
	{ "openat2", false, "" },
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
static bool
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

static void
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

/* ---- modes, stages, failures of a start ---------------------------------- */

static void
test_mode(struct vm *vm, enum jail_mode mode, const char *attempt, int status,
    const char *text)
{
	struct twin_order order = order_of(attempt, mode);
	struct twin t;
	bool came;

	vm_spawn(vm, &t, PROC_RNG, &order, NULL, NULL, 0);
	came = vm_wait(vm, &t, twin_exited);
	ok(came && t.exits == 1 && t.signal == 0 && t.status == status &&
	    !t.denied, "%s", text);
	if (!came || t.status != status)
		printf("# status %d signal %d failed \"%s\"\n", t.status, t.signal,
		    t.failed);
	twin_free(&t);
}

static void
test_modes(struct vm *vm)
{
	test_mode(vm, JAIL_ENFORCE, "", TWIN_QUIET,
	    "a twin that does nothing exits with status 0");
	test_mode(vm, JAIL_ERRNO, DENIED, TWIN_EPERM,
	    "mode errno: a denied call fails with EPERM");
	test_mode(vm, JAIL_LOG, "openat", TWIN_OTHER,
	    "mode log: the call is made, and finds the root empty");
	test_mode(vm, JAIL_OFF, "openat", TWIN_OTHER,
	    "mode off: the root is empty");
	test_mode(vm, JAIL_OFF, "opendir", TWIN_EACCES,
	    "mode off: Landlock refuses what is there");
	if (prctl(PR_GET_MDWE, 0, 0, 0, 0) < 0)
		skip("mode off: MDWE", "this kernel has none");
	else
		test_mode(vm, JAIL_OFF, "mprotect", TWIN_EACCES,
		    "mode off: MDWE holds against executable memory");
	test_mode(vm, JAIL_OFF, "munmap-code",
	    syscall(SYS_mseal, 0, 0, 0) == 0 ? TWIN_EPERM : TWIN_SUCCEEDED,
	    "mode off: mseal keeps the code where it is, if the kernel has it");
	test_mode(vm, JAIL_OFF, "clone", TWIN_OTHER,
	    "mode off: RLIMIT_NPROC holds against a fork");
	test_mode(vm, JAIL_OFF, "kill", TWIN_OTHER,
	    "mode off: there is no other process to signal");
}

/* A thread made between jail_confine() and jail_load() is as confined. */
static void
test_threads(struct vm *vm)
{
	struct twin_order order = order_of(DENIED, JAIL_ENFORCE);
	struct twin t;
	bool came;

	order.threaded = 1;
	vm_spawn(vm, &t, PROC_RNG, &order, NULL, NULL, 0);
	came = vm_wait(vm, &t, twin_denied_or_exited) && t.denied;
	vm_kill(vm, &t);
	ok(vm_wait(vm, &t, twin_exited) && came &&
	    strcmp(t.call.name, DENIED) == 0 && t.call.pid != t.host_pid,
	    "a thread that was there before the filter is under it");
	twin_free(&t);
	order = order_of("opendir", JAIL_OFF);
	order.threaded = 1;
	vm_spawn(vm, &t, PROC_RNG, &order, NULL, NULL, 0);
	ok(vm_wait(vm, &t, twin_exited) && t.status == TWIN_EACCES,
	    "... and under Landlock");
	twin_free(&t);
}

/*
 * Under a supervisor of somebody else's, who holds the one listener that the
 * kernel allows: denied calls kill by themselves. In a process of its own, which
 * exits with 0 if so.
 */
static _Noreturn void
supervised(void)
{
	struct sock_filter allow[] = {
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = 1, .filter = allow };
	struct twin_order order = order_of(DENIED, JAIL_ENFORCE);
	char why[256];
	struct twin t;
	struct vm vm;
	bool came;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
	    SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog) < 0)
		_exit(2);
	if (vm_start(&vm, twins, why, sizeof(why)) != 0)
		_exit(3);
	vm_spawn(&vm, &t, PROC_RNG, &order, NULL, NULL, 0);
	came = vm_wait(&vm, &t, twin_exited);
	_exit(came && t.listener < 0 && !t.denied && t.signal == SIGSYS ? 0 : 4);
}

static void
test_supervised(void)
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		supervised();
	waitpid(pid, &status, 0);
	ok(status == 0, "where another supervisor has the listener, denied calls "
	    "kill: %x", (unsigned int)status);
}

static void
test_stages(void)
{
	static const char *const stages[] = { "fds", "rlimits", "ids",
	    "capabilities", "dumpable", "parent death", "no_new_privs", "mdwe",
	    "mseal", "landlock", "seccomp" };
	char why[256];
	struct vm vm;

	if (vm_start(&vm, hooks, why, sizeof(why)) != 0) {
		ok(false, "spawner for the stages: %s", why);
		return;
	}
	for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
		struct twin_order order = order_of(DENIED, JAIL_ENFORCE);
		struct twin t;
		bool came;

		snprintf(order.fail_stage, sizeof(order.fail_stage), "%s", stages[i]);
		vm_spawn(&vm, &t, PROC_RNG, &order, NULL, NULL, 0);
		came = vm_wait(&vm, &t, twin_exited);
		ok(came && t.status == TWIN_FAILED && t.listener < 0 && !t.denied &&
		    t.failed_error == EPERM && strcmp(t.failed, stages[i]) == 0,
		    "a start fails when stage \"%s\" fails", stages[i]);
		twin_free(&t);
	}
	test_threads(&vm);
	ok(vm_end(&vm), "the spawner ends with its channel");
}

/* A directory with links to all twins but one, which @make supplies. */
static void
odd_libexec(char *dir, size_t size, const char *name,
    void (*make)(const char *path))
{
	char from[512], to[512];

	snprintf(dir, size, "%s/libexec-XXXXXX", scratch);
	if (mkdtemp(dir) == NULL) {
		printf("Bail out! mkdtemp: %s\n", strerror(errno));
		exit(1);
	}
	for (int i = 0; i < PROC_KIND_COUNT; i++) {
		snprintf(to, sizeof(to), "%s/%s", dir, process_kinds[i].binary);
		if (strcmp(process_kinds[i].binary, name) == 0) {
			make(to);
			continue;
		}
		snprintf(from, sizeof(from), "%s/%s", twins, process_kinds[i].binary);
		if (symlink(from, to) != 0)
			printf("# symlink: %s\n", strerror(errno));
	}
}

static void
make_nothing(const char *path)
{
	(void)path;
}

static void
make_with_mode(const char *path, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, "not a program\n", 14) != 14 ||
	    fchmod(fd, mode) != 0)
		printf("# %s: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

static void
make_plain(const char *path)
{
	make_with_mode(path, 0644);
}

static void
make_garbage(const char *path)
{
	make_with_mode(path, 0755);
}

static void
test_missing(void)
{
	char dir[256], why[256] = "";
	struct vm vm;
	int rc;

	odd_libexec(dir, sizeof(dir), "bulkhead-net", make_nothing);
	rc = vm_start(&vm, dir, why, sizeof(why));
	ok(rc == -ENOENT && strstr(why, "bulkhead-net") != NULL,
	    "a missing program is named: %s", why);
	odd_libexec(dir, sizeof(dir), "bulkhead-net", make_plain);
	rc = vm_start(&vm, dir, why, sizeof(why));
	ok(rc == -EACCES && strstr(why, "bulkhead-net") != NULL,
	    "a program without the right to execute is named: %s", why);
	rc = vm_start(&vm, "/nonexistent", why, sizeof(why));
	ok(rc == -ENOENT && strstr(why, "/nonexistent") != NULL,
	    "a missing directory is named: %s", why);
}

static void
test_garbage(void)
{
	struct twin_order order = order_of("", JAIL_ENFORCE);
	char dir[256], why[256] = "";
	struct twin t;
	struct vm vm;
	bool came;

	odd_libexec(dir, sizeof(dir), "bulkhead-net", make_garbage);
	if (vm_start(&vm, dir, why, sizeof(why)) != 0) {
		ok(false, "spawner: %s", why);
		return;
	}
	vm_spawn(&vm, &t, PROC_NET, &order, NULL, NULL, 0);
	came = vm_wait(&vm, &t, twin_failed);
	ok(came && t.failed_error == ENOEXEC && t.exits == 0 &&
	    strstr(t.failed, "bulkhead-net") != NULL,
	    "what cannot be executed is answered Failed: %s", t.failed);
	twin_free(&t);
	vm_spawn(&vm, &t, PROC_RNG, &order, NULL, NULL, 0);
	came = vm_wait(&vm, &t, twin_exited);
	ok(came && t.status == TWIN_QUIET && t.exits == 1,
	    "and the spawner goes on to start the next");
	twin_free(&t);
	ok(vm_end(&vm), "the spawner ends with its channel");
}

/* ---- fds ----------------------------------------------------------------- */

/*
 * Many fds whose own numbers are each other's slots: pipe i holds the byte of
 * the slot that it must end at.
 */
static void
test_fds(struct vm *vm)
{
	static const uint32_t slots[] = { 8, 7, 6, 5, 4, 16, 255, 9, 128, 64 };
	enum { N = sizeof(slots) / sizeof(slots[0]) };
	struct twin_order order = order_of("fds", JAIL_ENFORCE);
	int fds[N], stray = open("/", O_RDONLY);
	struct twin t;
	bool came;

	for (int i = 0; i < N; i++) {
		int p[2];
		unsigned char c = (unsigned char)slots[i];

		if (pipe(p) != 0 || write(p[1], &c, 1) != 1) {
			ok(false, "pipe");
			return;
		}
		close(p[1]);
		fds[i] = p[0];
	}
	vm_spawn(vm, &t, PROC_RNG, &order, fds, slots, N);
	came = vm_wait(vm, &t, twin_exited);
	ok(came && strcmp(t.log, "0=0 1=0 2=0 3=0 4=4 5=5 6=6 7=7 8=8 9=9 16=16 "
	    "31=0 64=64 128=128 255=255 ") == 0,
	    "every fd is at its slot, and nothing else is open: %s", t.log);
	twin_free(&t);
	for (int i = 0; i < N; i++)
		close(fds[i]);
	close(stray);
}

/* ---- orders that make no sense, and many at once ---------------------------- */

static void
test_orders(struct vm *vm)
{
	struct twin_order order = order_of("", JAIL_ENFORCE);
	struct twin t, unknown = { .instance = 99999 };
	bool came;

	vm_spawn(vm, &t, PROC_KIND_COUNT, &order, NULL, NULL, 0);
	came = vm_wait(vm, &t, twin_failed);
	ok(came && t.failed_error == EINVAL && t.pidfd < 0,
	    "an unknown kind is refused");
	twin_free(&t);
	vm->instances--;
	vm_kill(vm, &unknown);
	order = order_of(DENIED, JAIL_ENFORCE);
	vm_spawn(vm, &t, PROC_RNG, &order, NULL, NULL, 0);
	came = vm_wait(vm, &t, twin_denied_or_exited);
	ok(came && t.denied, "killing an unknown instance does nothing");
	vm->instances--;
	vm_spawn(vm, &unknown, PROC_RNG, &order, NULL, NULL, 0);
	came = vm_wait(vm, &unknown, twin_failed);
	ok(came && unknown.failed_error == EINVAL, "an instance starts once");
	twin_free(&unknown);
	vm_kill(vm, &t);
	ok(vm_wait(vm, &t, twin_exited) && t.exits == 1 && t.signal == SIGKILL,
	    "and ends once");
	twin_free(&t);
}

/* All are started before one is waited for; each must end, once. */
static void
test_crowd(struct vm *vm)
{
	enum { CROWD = 64 };
	struct twin_order order = order_of("", JAIL_ENFORCE);
	static struct twin t[CROWD];
	unsigned int good = 0;
	struct timespec a, b;

	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < CROWD; i++)
		vm_spawn(vm, &t[i], PROC_RNG, &order, NULL, NULL, 0);
	vm->crowd = t;
	vm->ncrowd = CROWD;
	for (int i = 0; i < CROWD; i++)
		if (vm_wait(vm, &t[i], twin_exited) && t[i].exits == 1 &&
		    t[i].status == TWIN_QUIET && t[i].failed_error == 0)
			good++;
	clock_gettime(CLOCK_MONOTONIC, &b);
	vm->ncrowd = 0;
	for (int i = 0; i < CROWD; i++)
		twin_free(&t[i]);
	ok(good == CROWD, "%d at once: each starts and ends, once (%ld us each)",
	    CROWD, ((b.tv_sec - a.tv_sec) * 1000000 +
	    (b.tv_nsec - a.tv_nsec) / 1000) / CROWD);
}

/* ---- what the host sees of a jailed process -------------------------------- */

static bool
proc_line(uint32_t pid, const char *file, const char *key, char *out, size_t size)
{
	char path[64], line[256];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/%s", pid, file);
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	while (!found && fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, key, strlen(key)) != 0)
			continue;
		char *p = line + strlen(key);

		while (isspace((unsigned char)*p))
			p++;
		p[strcspn(p, "\n")] = '\0';
		snprintf(out, size, "%s", p);
		found = true;
	}
	fclose(f);
	return found;
}

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
	snprintf(want, sizeof(want), "%u", geteuid() == 0 ? 200000 + a->instance :
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

static void
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

/* ---- ends ---------------------------------------------------------------- */

static bool
gone(uint32_t pid, int ms)
{
	struct timespec nap = { .tv_nsec = 5000000 };
	char state[64];

	for (int waited = 0; waited < ms; waited += 5) {
		if (!proc_line(pid, "status", "State:", state, sizeof(state)) ||
		    state[0] == 'Z')
			return true;
		nanosleep(&nap, NULL);
	}
	return false;
}

struct victim {
	uint32_t twin[4];
	uint32_t spawner;
};

static uint32_t
pid_of_pidfd(int pidfd)
{
	char file[64], text[32];

	snprintf(file, sizeof(file), "fdinfo/%d", pidfd);
	if (!proc_line((uint32_t)getpid(), file, "Pid:", text, sizeof(text)))
		return 0;
	return (uint32_t)strtoul(text, NULL, 10);
}

/* In a process of its own: a VM with four jailed twins, then wait for the end. */
static _Noreturn void
doomed_controller(int report, int tty, const struct termios *saved, int dir)
{
	struct spawner_config config = { .libexec = twins,
	    .rootless = geteuid() != 0, .uid_base = 200000, .tty = tty,
	    .saved = saved };
	static const enum process_kind doomed[] = { PROC_BLK, PROC_NET, PROC_RNG,
	    PROC_OPENER };
	struct twin_order order = order_of(DENIED, JAIL_ENFORCE);
	struct victim v = { { 0 }, 0 };
	struct termios raw = *saved;
	struct stat st;
	struct vm vm;
	char why[256];

	if (vm_start_with(&vm, &config, why, sizeof(why)) != 0)
		_exit(1);
	v.spawner = pid_of_pidfd(vm.pidfd);
	cfmakeraw(&raw);
	tcsetattr(tty, TCSANOW, &raw);
	if (fstatat(dir, "mine", &st, 0) == 0)
		vm_remember(&vm, dir, "mine", st.st_dev, st.st_ino);
	if (fstatat(dir, "other", &st, 0) == 0)
		vm_remember(&vm, dir, "other", st.st_dev, st.st_ino + 1);
	for (int i = 0; i < 4; i++) {
		struct twin t;

		vm_spawn(&vm, &t, doomed[i], &order, NULL, NULL, 0);
		vm_wait(&vm, &t, twin_denied_or_exited);
		v.twin[i] = t.exits > 0 ? 0 : t.host_pid;
	}
	if (write(report, &v, sizeof(v)) != (ssize_t)sizeof(v))
		_exit(1);
	for (;;)
		pause();
}

static void
test_death(bool kill_spawner)
{
	char name[64] = "", path[512];
	int master, slave, report[2], dir;
	struct termios saved, after;
	struct victim v;
	bool all = true;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/mine", scratch);
	make_plain(path);
	snprintf(path, sizeof(path), "%s/other", scratch);
	make_plain(path);
	dir = open(scratch, O_RDONLY | O_DIRECTORY);
	master = posix_openpt(O_RDWR | O_NOCTTY);
	if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0 ||
	    ptsname_r(master, name, sizeof(name)) != 0 || pipe(report) != 0 ||
	    dir < 0) {
		ok(false, "pty");
		return;
	}
	slave = open(name, O_RDWR | O_NOCTTY);
	tcgetattr(slave, &saved);
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		doomed_controller(report[1], slave, &saved, dir);
	close(report[1]);
	if (read(report[0], &v, sizeof(v)) != (ssize_t)sizeof(v)) {
		ok(false, "a controller to kill");
		return;
	}
	tcgetattr(slave, &after);
	ok((after.c_lflag & ICANON) == 0, "before: the terminal is raw");
	kill(kill_spawner ? (pid_t)v.spawner : pid, SIGKILL);
	for (int i = 0; i < 4; i++)
		all = all && v.twin[i] != 0 && gone(v.twin[i], 3000);
	ok(all && gone(v.spawner, 3000), "no process outlives a killed %s",
	    kill_spawner ? "spawner" : "controller");
	if (!kill_spawner) {
		tcgetattr(slave, &after);
		ok(after.c_lflag == saved.c_lflag && after.c_iflag == saved.c_iflag,
		    "the spawner gives the terminal back");
		ok(faccessat(dir, "mine", F_OK, 0) != 0,
		    "it removes what it was told to remember");
		ok(faccessat(dir, "other", F_OK, 0) == 0,
		    "but not another file of that name");
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(report[0]);
	close(slave);
	close(master);
	close(dir);
}

/* Become @uid, and execute again: a process that changed ids is not dumpable. */
static _Noreturn void
run_as(uid_t uid, char **argv)
{
	if (setgroups(0, NULL) == 0 && setresgid(uid, uid, uid) == 0 &&
	    setresuid(uid, uid, uid) == 0)
		execv("/proc/self/exe", argv);
	printf("Bail out! cannot become %u: %s\n", (unsigned int)uid,
	    strerror(errno));
	exit(1);
}

/* The same tests as an ordinary user, their numbers continued. */
static int
again_as_user(char **argv)
{
	static char number[16], first[] = "-n", place[512];
	char *again[] = { argv[0], first, number, argv[1], argv[2], place, argv[4],
	    NULL };
	int status = -1;
	pid_t pid;

	snprintf(number, sizeof(number), "%u", count);
	snprintf(place, sizeof(place), "%s/user", scratch);
	if (mkdir(place, 0700) != 0 || chown(place, NOBODY, NOBODY) != 0)
		printf("# %s: %s\n", place, strerror(errno));
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		run_as(NOBODY, again);
	waitpid(pid, &status, 0);
	if (status != 0)
		printf("# as a user: wait status %x\n", (unsigned int)status);
	return status != 0;
}

static void
run_tests(void)
{
	struct vm vm;
	char why[256];

	if (vm_start(&vm, twins, why, sizeof(why)) != 0) {
		printf("Bail out! %s\n", why);
		exit(1);
	}
	test_fds(&vm);
	test_modes(&vm);
	test_inspection(&vm);
	test_attempts(&vm);
	test_orders(&vm);
	test_crowd(&vm);
	ok(vm_end(&vm), "the spawner ends with its channel");
	test_stages();
	test_supervised();
	test_missing();
	test_garbage();
	test_death(false);
	test_death(true);
}

int
main(int argc, char **argv)
{
	if (argc > 2 && strcmp(argv[1], "-n") == 0) {
		count = (unsigned int)strtoul(argv[2], NULL, 10);
		argv[2] = argv[0];
		argv += 2;
		argc -= 2;
	}
	if (argc != 5) {
		fprintf(stderr, "usage: driver [-n FIRST] TWINS HOOKS SCRATCH KINDS\n");
		return 2;
	}
	twins = argv[1];
	hooks = argv[2];
	scratch = argv[3];
	kinds = argv[4];
	signal(SIGPIPE, SIG_IGN);
	run_tests();
	printf("# as uid %u: %u failed\n", (unsigned int)geteuid(), failures);
	if (geteuid() == 0)
		return again_as_user(argv) || failures > 0;
	printf("1..%u\n", count);
	return failures > 0;
}
