/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The jail's stages after exec, see jail.h. Each is one function that says what
 * it should and must not do, returns 0 or -errno, and fails rather than leave
 * something open; only what the kernel is too old for is left out, where the
 * floor (Linux 6.1) does not have it.
 */
#include "sandbox/jail.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ipc/slots.h"
#include "sandbox/kernel_compat.h"

#define PAGE 4096ull

struct stage {
	const char *name;
	int (*run)(void);
};

/*
 * Should: leave no fd above the policy's range, and fill the free numbers below
 * FD_LISTENER with /dev/null, so that the kernel gives the listener exactly that
 * number (nothing can move it once the filter is there).
 * Must not: close a fd in the range; whose they are is the spawner's business.
 */
static int
stage_fds(void)
{
	unsigned int above = (unsigned int)sb_policy.rlimit_nofile;
	int fd;

	if (above <= FD_LISTENER)
		return -EINVAL;
	if (close_range(above, ~0u, 0) != 0)
		return -errno;
	do {
		fd = fcntl(0, F_DUPFD_CLOEXEC, 0);
		if (fd < 0)
			return -errno;
	} while (fd < FD_LISTENER);
	close(fd);
	return fd == FD_LISTENER ? 0 : -EBUSY;
}

/* Lower a limit for good, both soft and hard; what is lower already stays. */
static int
limit(int resource, rlim_t value)
{
	struct rlimit now;

	if (getrlimit((__rlimit_resource_t)resource, &now) != 0)
		return -errno;
	if (now.rlim_max < value)
		value = now.rlim_max;
	now.rlim_cur = now.rlim_max = value;
	return setrlimit((__rlimit_resource_t)resource, &now) != 0 ? -errno : 0;
}

#ifndef BULKHEAD_SANITIZED
/* Whether the process could grow by a page if its size were limited to @size. */
static int
fits(rlim_t size, rlim_t hard)
{
	struct rlimit l = { .rlim_cur = size, .rlim_max = hard };
	void *p;

	if (setrlimit(RLIMIT_AS, &l) != 0)
		return -errno;
	p = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return errno == ENOMEM ? 0 : -errno;
	munmap(p, PAGE);
	return 1;
}

/*
 * Limit the address space to what is mapped now and JAIL_GROWTH. Without /proc
 * the kernel tells nobody what is mapped, but it compares with it: find the
 * least limit that lets one more page in.
 */
static int
limit_address_space(void)
{
	struct rlimit old;
	rlim_t low = 0, high = (rlim_t)1 << 47, hard;

	if (getrlimit(RLIMIT_AS, &old) != 0)
		return -errno;
	hard = old.rlim_max;
	if (hard < high)
		high = hard & ~(PAGE - 1);
	while (high - low > PAGE) {
		rlim_t mid = low + ((high - low) / 2 & ~(PAGE - 1));
		int yes = fits(mid, hard);

		if (yes < 0)
			return yes;
		if (yes)
			high = mid;
		else
			low = mid;
	}
	return limit(RLIMIT_AS, high + JAIL_GROWTH);
}
#endif

/*
 * Should: bound fds, threads, core dumps and address space by the policy's
 * numbers, for good.
 * Must not: raise anything.
 */
static int
stage_rlimits_alone(void)
{
	uint64_t threads = sb_policy.rlimit_nproc;
	int rc;

	rc = limit(RLIMIT_CORE, 0);
	if (rc == 0)
		rc = limit(RLIMIT_NOFILE, sb_policy.rlimit_nofile);
	/* Counts in this user namespace; the thread that is there counts. */
	if (rc == 0)
		rc = limit(RLIMIT_NPROC, threads > 0 ? threads : 1);
#ifndef BULKHEAD_SANITIZED	/* shadow memory takes terabytes of addresses */
	if (rc == 0)
		rc = limit_address_space();
#endif
	return rc;
}

/*
 * Should: bound the size of files, too. Who is alone writes its log itself, and
 * that may go to a file of any size.
 */
static int
stage_rlimits(void)
{
	int rc = stage_rlimits_alone();

	if (rc == 0 && sb_policy.rlimit_fsize != UINT64_MAX)
		rc = limit(RLIMIT_FSIZE, sb_policy.rlimit_fsize);
	return rc;
}

/*
 * Who keeps capabilities over files has more ids in its namespace than its own, which
 * is then not 0; it cannot change it, as its filter has no call for that.
 */
static bool
is_own_id(uid_t real, uid_t effective, uid_t saved)
{
	return real == effective && effective == saved &&
	    (real == 0 || sb_policy.capabilities != 0);
}

/*
 * Should: see that the spawner made this process uid 0 and gid 0 of a user
 * namespace of its own, in all three forms, so that no setuid goes back.
 * Must not: change ids; outside the namespace they were fixed by its maps.
 */
static int
stage_ids(void)
{
	uid_t r, e, s;

	if (getresuid(&r, &e, &s) != 0)
		return -errno;
	if (!is_own_id(r, e, s))
		return -EPERM;
	if (getresgid(&r, &e, &s) != 0)
		return -errno;
	return is_own_id(r, e, s) ? 0 : -EPERM;
}

/* See with the kernel's own answers that no other capability is left anywhere. */
static int
check_capabilities(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data) != 0)
		return -errno;
	for (int i = 0; i < 2; i++) {
		uint32_t kept = (uint32_t)(sb_policy.capabilities >> 32 * i);

		if (data[i].effective != kept || data[i].permitted != kept ||
		    data[i].inheritable != 0)
			return -EPERM;
	}
	for (unsigned long cap = 0; cap < 64; cap++) {
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1 ||
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) == 1)
			return -EPERM;
	}
	return 0;
}

/*
 * Should: empty all five sets (effective, permitted, inheritable, bounding,
 * ambient) and lock the securebits, so that being uid 0 means nothing. What the policy
 * keeps, over files of its own user namespace, stays effective and permitted.
 * Must not: leave the bounding set to no_new_privs, which only stops exec.
 */
static int
stage_capabilities(void)
{
	unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED |
	    SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED |
	    SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
	    SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;

	/* First what still takes CAP_SETPCAP. */
	if (prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) != 0)
		return -errno;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0)
		return -errno;
	capng_clear(CAPNG_SELECT_ALL);
	for (unsigned int cap = 0; cap < 64; cap++)
		if ((sb_policy.capabilities >> cap & 1) != 0 &&
		    capng_update(CAPNG_ADD, (capng_type_t)(CAPNG_EFFECTIVE |
		    CAPNG_PERMITTED), cap) != 0)
			return -EPERM;
	if (capng_apply(CAPNG_SELECT_ALL) != 0)
		return -EPERM;
	return check_capabilities();
}

/*
 * Should: refuse core dumps and ptrace by processes of the same uid (rootless
 * workers share one). Exec has set it back, so it is done here.
 */
static int
stage_dumpable(void)
{
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ? -errno : 0;
}

/*
 * Should: die with the spawner. After the last change of credentials, which
 * clears it. A spawner that died before this line took the pid namespace with
 * it; one that still lives but has no controller shows as a hang-up.
 * Must not: rely on getppid(), which is 0 in a pid namespace of one's own.
 */
static int
stage_parent_death(void)
{
	struct pollfd p = { .fd = FD_CTL };
	pid_t parent = getppid();

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
		return -errno;
	if (getppid() != parent)
		return -ESRCH;
	if (poll(&p, 1, 0) < 0)
		return -errno;
	return p.revents & POLLNVAL ? -EBADF : p.revents & POLLHUP ? -EPIPE : 0;
}

/* Should: make exec unable to add rights; Landlock and seccomp ask for it. */
static int
stage_no_new_privs(void)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ? -errno : 0;
}

/*
 * Should: handle every right that this kernel's Landlock knows, up to ABI 7, and
 * grant none: no path, no TCP, no abstract socket, no signal outside. ABI 2 is
 * the floor.
 * Must not: run before the last mount (mount is refused under any ruleset).
 */
static int
stage_landlock(void)
{
	struct stat st;

	/* What stands in for a worker that has died has no share. */
	if (sb_policy.share == 0 || fstat((int)sb_policy.share, &st) != 0 ||
	    !S_ISDIR(st.st_mode))
		return jail_landlock();
	return jail_landlock_share((int)sb_policy.share);
}

/* In their order; see design: others were tried and fail. */
static const struct stage worker_stages[] = {
	{ "fds", stage_fds },
	{ "rlimits", stage_rlimits },
	{ "ids", stage_ids },
	{ "capabilities", stage_capabilities },
	{ "dumpable", stage_dumpable },
	{ "parent death", stage_parent_death },
	{ "no_new_privs", stage_no_new_privs },
	{ "mdwe", jail_mdwe },
	{ "mseal", jail_mseal },
	{ "landlock", stage_landlock },
	{ NULL, NULL },
};

static const struct stage opener_stages[] = {
	{ "fds", stage_fds },
	{ "rlimits", stage_rlimits },
	{ "dumpable", stage_dumpable },
	{ "parent death", stage_parent_death },
	{ "no_new_privs", stage_no_new_privs },
	{ "mdwe", jail_mdwe },
	{ "mseal", jail_mseal },
	{ NULL, NULL },
};

static const struct stage alone_stages[] = {
	{ "fds", stage_fds },
	{ "rlimits", stage_rlimits_alone },
	{ "ids", stage_ids },
	{ "capabilities", stage_capabilities },
	{ "dumpable", stage_dumpable },
	{ "no_new_privs", stage_no_new_privs },
	{ "mdwe", jail_mdwe },
	{ "mseal", jail_mseal },
	{ "landlock", stage_landlock },
	{ NULL, NULL },
};

/*
 * Test builds alone: the stage that the environment names fails with EPERM
 * without doing its work.
 */
static int
injected_failure(const char *name)
{
#ifdef BULKHEAD_TEST_HOOKS
	const char *fail = getenv("BULKHEAD_FAIL_STAGE");

	if (fail != NULL && strcmp(fail, name) == 0)
		return -EPERM;
#else
	(void)name;
#endif
	return 0;
}

/*
 * Executed from an fd, a process is called after that fd's number by kernels
 * before 6.14: for ps and pidof take the name that the spawner gave it, less the
 * instance behind the colon.
 */
static void
name_process(void)
{
	char name[16] = "";

	for (size_t i = 0; i < sizeof(name) - 1; i++) {
		name[i] = program_invocation_short_name[i];
		if (name[i] == ':')
			name[i] = '\0';
		if (name[i] == '\0')
			break;
	}
	(void)prctl(PR_SET_NAME, name, 0, 0, 0);
}

static int
run_stages(const struct stage *s, const char **stage)
{
	name_process();
	for (; s->name != NULL; s++) {
		int rc = injected_failure(s->name);

		if (rc == 0)
			rc = s->run();
		if (rc != 0) {
			*stage = s->name;
			return rc;
		}
	}
	return 0;
}

/* What a denied call returns instead of a notification. */
static uint32_t
other_verdict(enum jail_mode mode)
{
	switch (mode) {
	case JAIL_LOG:
		return SECCOMP_RET_LOG;
	case JAIL_ERRNO:
		return SECCOMP_RET_ERRNO | EPERM;
	case JAIL_ENFORCE:
	case JAIL_OFF:
		break;
	}
	return SECCOMP_RET_KILL_PROCESS;
}

/*
 * Should: load the filter for all threads at once, with a listener where the
 * mode is to enforce. An outer supervisor may hold the one listener that the
 * kernel allows (EBUSY): then denied calls kill.
 * Must not: make any call after the filter but what every policy allows.
 */
static int
stage_seccomp(enum jail_mode mode, int *listener)
{
	/* The kernel's struct lacks the const. */
	union { const struct sock_filter *in; struct sock_filter *out; } filter = {
		.in = jail_filter,
	};
	struct sock_fprog prog = { .len = jail_filter_len, .filter = filter.out };
	long fd;

	*listener = -1;
	if (mode == JAIL_OFF)
		return 0;
	if (mode != JAIL_ENFORCE)
		return jail_load_verdict(other_verdict(mode));
	fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
	    SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC |
	    SECCOMP_FILTER_FLAG_TSYNC_ESRCH, &prog);
	if (fd < 0) {
		if (errno == EBUSY || errno == EINVAL)
			return jail_load_verdict(SECCOMP_RET_KILL_PROCESS);
		return -errno;
	}
	*listener = (int)fd;
	return fd == FD_LISTENER ? 0 : -EBUSY;
}

int
jail_confine(const char **stage)
{
	return run_stages(worker_stages, stage);
}

int
jail_confine_opener(const char **stage)
{
	return run_stages(opener_stages, stage);
}

int
jail_confine_alone(const char **stage)
{
	return run_stages(alone_stages, stage);
}

int
jail_load(enum jail_mode mode, int *listener, const char **stage)
{
	int rc = injected_failure("seccomp");

	*stage = "seccomp";
	return rc != 0 ? rc : stage_seccomp(mode, listener);
}

int
jail_close(enum jail_mode mode, int *listener, const char **stage)
{
	int rc = jail_confine(stage);

	*listener = -1;
	return rc != 0 ? rc : jail_load(mode, listener, stage);
}
