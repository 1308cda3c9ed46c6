// SPDX-License-Identifier: Apache-2.0
//
// The controller's jail, see confine.h. It differs from a child's (sandbox/jail.c)
// in that it starts as whoever ran it and keeps the fds it has; what is denied
// kills, since nobody above could take a notification.
#include "controller/confine.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "controller/life.h"
#include "ipc/log.h"
#include "sandbox/jail.h"

#ifdef BULKHEAD_SANITIZED
/* Finding leaks and naming addresses takes processes and files. */
const char *__asan_default_options(void);

const char *
__asan_default_options(void)
{
	return "detect_leaks=0:symbolize=0";
}
#endif

/*
 * Should: as root, become the first uid and gid of the VM's block, which own
 * nothing on this host, and lose all groups.
 * Must not: be undone; all three ids are set.
 */
static int
drop_ids(const struct vm *vm)
{
	if (!vm->by_root)
		return 0;
	if (setgroups(0, NULL) != 0 ||
	    setresgid(vm->uid_base, vm->uid_base, vm->uid_base) != 0 ||
	    setresuid(vm->uid_base, vm->uid_base, vm->uid_base) != 0)
		return -errno;
	return 0;
}

/*
 * Should: as root, empty the bounding set, while that is possible. Elsewhere
 * no_new_privs does its work.
 */
static int
drop_bounds(const struct vm *vm)
{
	if (!vm->by_root)
		return 0;
	capng_clear(CAPNG_SELECT_BOTH);
	return capng_apply(CAPNG_SELECT_BOUNDS) != 0 ? -EPERM : 0;
}

/* Should: have no capability, whoever started us and with which. */
static int
drop_capabilities(const struct vm *vm)
{
	(void)vm;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0)
		return -errno;
	capng_clear(CAPNG_SELECT_BOTH);
	return capng_apply(CAPNG_SELECT_CAPS) != 0 ? -EPERM : 0;
}

/* Should: refuse ptrace and core dumps, and make exec unable to add rights. */
static int
lock_process(const struct vm *vm)
{
	(void)vm;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -errno;
	return 0;
}

/* Should: handle every right that this kernel's Landlock knows; grant none. */
static int
close_paths(const struct vm *vm)
{
	(void)vm;
	return jail_landlock();
}

/* Should: allow what controller_policy.c lists, by --seccomp. Last of all. */
static int
close_calls(const struct vm *vm)
{
	static const uint32_t verdicts[] = {
		[SECCOMP_ENFORCE] = SECCOMP_RET_KILL_PROCESS,
		[SECCOMP_LOG] = SECCOMP_RET_LOG,
		[SECCOMP_ERRNO] = SECCOMP_RET_ERRNO | EPERM,
	};

	if (vm->spec.seccomp == SECCOMP_OFF)
		return 0;
	return jail_load_verdict(verdicts[vm->spec.seccomp]);
}

int
confine(struct vm *vm)
{
	static const struct {
		const char *name;
		int (*run)(const struct vm *vm);
	} stages[] = {
		{ "bounding set", drop_bounds },
		{ "ids", drop_ids },
		{ "capabilities", drop_capabilities },
		{ "process", lock_process },
		{ "landlock", close_paths },
		{ "seccomp", close_calls },
	};

	for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
		int rc = stages[i].run(vm);

		if (rc == 0)
			continue;
		life_fail(vm, "the controller cannot confine itself (%s): %s",
		    stages[i].name, log_errtext(rc));
		return rc;
	}
	return 0;
}
