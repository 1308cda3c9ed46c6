/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts of jailed processes: the modes of the filter, stages that are made to
 * fail, threads, a foreign supervisor, and programs that are not there.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/kernel_compat.h"
#include "tests/jail/driver.h"

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

void
test_modes(struct vm *vm)
{
	test_mode(vm, JAIL_ENFORCE, "", TWIN_QUIET,
	    "a twin that does nothing exits with status 0");
	test_mode(vm, JAIL_ERRNO, DENIED, TWIN_EPERM,
	    "mode errno: a denied call fails with EPERM");
	test_mode(vm, JAIL_LOG, "openat", TWIN_ENOENT,
	    "mode log: the call is made, and finds the root empty");
	test_mode(vm, JAIL_OFF, "openat", TWIN_ENOENT,
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

void
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

void
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
make_plain(const char *path)
{
	make_with_mode(path, 0644);
}

static void
make_garbage(const char *path)
{
	make_with_mode(path, 0755);
}

void
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

void
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
