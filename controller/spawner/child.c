/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between clone3 and exec, see child.h. The order is the one that works: join the
 * network namespace while we are privileged over it, then the user namespace,
 * then what needs it.
 */
#include "controller/spawner/child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *const step_text[] = {
	[STEP_READY] = "starting",
	[STEP_NETNS] = "entering the network namespace",
	[STEP_USERNS] = "making namespaces",
	[STEP_MAPS] = "mapping its user id",
	[STEP_IDS] = "changing ids",
	[STEP_SESSION] = "making a session",
	[STEP_ROOT] = "making its root",
	[STEP_FDS] = "placing file descriptors",
	[STEP_CONFINE] = "confining it",
	[STEP_EXEC] = "executing it",
};

const char *
child_step_text(uint32_t step)
{
	return step < STEP_COUNT ? step_text[step] : "?";
}

/* Tell the spawner. SEQPACKET: all or nothing. */
static void
report(int status, enum child_step step, int error)
{
	struct child_report r = { .step = step, .error = error };

	(void)!send(status, &r, sizeof(r), MSG_NOSIGNAL);
}

static _Noreturn void
fail(int status, enum child_step step, int error)
{
	report(status, step, error < 0 ? -error : error);
	_exit(127);
}

/* Say that the user namespace is there, wait until the spawner wrote its maps. */
static int
wait_for_maps(int status)
{
	char go;
	ssize_t n;

	report(status, STEP_READY, 0);
	do
		n = recv(status, &go, 1, 0);
	while (n < 0 && errno == EINTR);
	return n == 1 ? 0 : -EPIPE;
}

/* All capabilities of the user namespace, which a change of ids leaves permitted. */
static int
raise_capabilities(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data) != 0)
		return -errno;
	for (int i = 0; i < 2; i++)
		data[i].effective = data[i].permitted;
	return syscall(SYS_capset, &head, data) != 0 ? -errno : 0;
}

/*
 * Become what the maps of the new user namespace tie to one ordinary id outside: uid 0
 * and gid 0, or the own ids of who has more, which has another 0. Supplementary groups
 * go where the namespace lets them (rootless ones may not, and the kernel keeps the
 * user's).
 */
static int
take_ids(const struct child_plan *plan)
{
	if (setgroups(0, NULL) != 0 && errno != EPERM)
		return -errno;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 ||
	    setresgid(plan->gid, plan->gid, plan->gid) != 0 ||
	    setresuid(plan->uid, plan->uid, plan->uid) != 0)
		return -errno;
	return plan->uid != 0 ? raise_capabilities() : 0;
}

#ifdef BULKHEAD_SANITIZED
/*
 * A sanitized child is dynamic: it needs the host's libraries, and the sanitizer
 * its own maps. Read-only, in test builds alone.
 */
#define SHARE "/share"

static int
new_root(bool shared, bool readonly)
{
	static const char *const dirs[] = { "/usr", "/lib", "/lib64", "/proc" };
	char at[32];

	(void)readonly;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		return -errno;
	if (mount("none", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") != 0)
		return -errno;
	/* The share, if there is one, is where this process is now. */
	if (shared && (mkdir("/tmp/share", 0555) != 0 ||
	    mount(".", "/tmp/share", NULL, MS_BIND | MS_REC, NULL) != 0))
		return -errno;
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		(void)snprintf(at, sizeof(at), "/tmp%s", dirs[i]);
		if (mkdir(at, 0555) != 0 ||
		    mount(dirs[i], at, NULL, MS_BIND | MS_REC, NULL) != 0)
			return -errno;
	}
	if (chdir("/tmp") != 0 || syscall(SYS_pivot_root, ".", ".") != 0 ||
	    umount2(".", MNT_DETACH) != 0 || chdir("/") != 0)
		return -errno;
	return 0;
}
#else
#define SHARE "/"

/* Empty, read-only and useless in every way that a mount can be. */
static int
mount_nothing(void)
{
	const unsigned long useless = MS_NOSUID | MS_NODEV | MS_NOEXEC;

	if (mount("none", "/proc", "tmpfs", useless,
	    "size=4k,nr_inodes=2,mode=0555") != 0 || chdir("/proc") != 0)
		return -errno;
	return mount(NULL, "/proc", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY |
	    useless, NULL) != 0 ? -errno : 0;
}

/*
 * The share, which is where this process is now, with what is mounted below it: no
 * devices, no setuid, nothing executable, and read-only if it is to be.
 */
static int
mount_share(bool readonly)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
		    MOUNT_ATTR_NOEXEC | (readonly ? MOUNT_ATTR_RDONLY : 0u),
	};

	if (mount(".", "/proc", NULL, MS_BIND | MS_REC, NULL) != 0 ||
	    chdir("/proc") != 0)
		return -errno;
	return syscall(SYS_mount_setattr, AT_FDCWD, ".", AT_RECURSIVE, &attr,
	    sizeof(attr)) != 0 ? -errno : 0;
}

/*
 * Replace the root by nothing, or by the share. /proc is only a directory that
 * surely exists to mount it over.
 */
static int
new_root(bool shared, bool readonly)
{
	int rc;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		return -errno;
	rc = shared ? mount_share(readonly) : mount_nothing();
	if (rc != 0)
		return rc;
	if (syscall(SYS_pivot_root, ".", ".") == 0) {
		/* The old root lies over the new one, at the same place. */
		if (umount2(".", MNT_DETACH) != 0)
			return -errno;
	} else {
		/* From an initramfs one cannot pivot: cover it, as its own
		 * switch_root does. */
		if (errno != EINVAL)
			return -errno;
		if (mount(".", "/", NULL, MS_MOVE, NULL) != 0 ||
		    chroot(".") != 0)
			return -errno;
	}
	return chdir("/") != 0 ? -errno : 0;
}
#endif

/*
 * To be another than 0 loses all capabilities over exec, but what is ambient: those over
 * files that its program keeps (its policy says which), and the one to drop all others.
 */
static int
keep_capabilities(void)
{
	static const unsigned int kept[] = { CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER,
		CAP_SETGID, CAP_SETUID, CAP_SETPCAP };
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2] = { 0 };

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		data[0].permitted |= 1u << kept[i];
	data[0].effective = data[0].inheritable = data[0].permitted;
	if (syscall(SYS_capset, &head, data) != 0)
		return -errno;
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, kept[i], 0, 0) != 0)
			return -errno;
	return 0;
}

/* From the host's path of the share to an fd of what it is in here: the root. */
static int
open_share(struct child_plan *plan)
{
	int fd = open(SHARE, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	plan->fds[plan->share] = fd;
	return 0;
}

/* All of the jail that comes before exec. */
static void
enter_jail(struct child_plan *plan)
{
	const bool shared = plan->share >= 0;
	int rc;

	/* The working directory comes along into a new mount namespace. */
	if (shared && fchdir(plan->fds[plan->share]) != 0)
		fail(plan->status, STEP_ROOT, errno);
	if (setns(plan->netns, CLONE_NEWNET) != 0)
		fail(plan->status, STEP_NETNS, errno);
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS |
	    CLONE_NEWCGROUP) != 0)
		fail(plan->status, STEP_USERNS, errno);
	rc = wait_for_maps(plan->status);
	if (rc != 0)
		fail(plan->status, STEP_MAPS, rc);
	rc = take_ids(plan);
	if (rc != 0)
		fail(plan->status, STEP_IDS, rc);
	rc = new_root(shared, plan->share_readonly);
	if (rc == 0 && shared)
		rc = open_share(plan);
	if (rc != 0)
		fail(plan->status, STEP_ROOT, rc);
	/* The host's name is nobody's business in there. */
	(void)!sethostname("bulkhead", 8);
	rc = plan->uid != 0 ? keep_capabilities() : 0;
	if (rc != 0)
		fail(plan->status, STEP_IDS, rc);
}

/* Move @fd to a number of at least @from, close-on-exec. */
static int
lift(int *fd, int from)
{
	int up = fcntl(*fd, F_DUPFD_CLOEXEC, from);

	if (up < 0)	/* EINVAL: the limit is below the slots */
		return errno == EINVAL ? -EMFILE : -errno;
	*fd = up;
	return 0;
}

/*
 * Put the fds where the plan says, and mark everything else close-on-exec. All
 * are lifted above the highest slot first, so that no slot that is still a
 * source is overwritten.
 */
static int
place_fds(struct child_plan *plan)
{
	int above = 3, rc = 0;

	for (unsigned int i = 0; i < plan->nfds; i++)
		if (plan->slots[i] >= (uint32_t)above)
			above = (int)plan->slots[i] + 1;
	for (unsigned int i = 0; rc == 0 && i < plan->nfds; i++)
		rc = lift(&plan->fds[i], above);
	if (rc == 0)
		rc = lift(&plan->null, above);
	if (rc == 0)
		rc = lift(&plan->binary, above);
	if (rc == 0)
		rc = lift(&plan->status, above);
	if (rc != 0)
		return rc;
	if (close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) != 0)
		return -errno;
	for (unsigned int i = 0; i < plan->nfds; i++)
		if (dup3(plan->fds[i], (int)plan->slots[i], 0) < 0)
			return -errno;
	for (int i = 0; i < 3; i++) {
#ifdef BULKHEAD_SANITIZED
		if (i == 2)	/* for the sanitizer's report */
			break;
#endif
		if (dup2(plan->null, i) < 0)
			return -errno;
	}
	return 0;
}

/* No handler, nothing blocked; SIGPIPE ignored: writes say EPIPE. */
static void
reset_signals(void)
{
	struct sigaction act = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &act, NULL);
	act.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &act, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

_Noreturn void
child_run(struct child_plan *plan)
{
	char name[64];
	char *argv[] = { name, NULL };
#ifdef BULKHEAD_SANITIZED
	char options[] = "ASAN_OPTIONS=detect_leaks=0:symbolize=0";
	char *envp[] = { options, NULL };
#else
	char *envp[] = { NULL };
#endif
	int rc;

	reset_signals();
	umask(077);
	/* As before the spawner was not: else a user's own could not be given its
	 * maps. exec would set it, too. */
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	if (setsid() < 0)
		fail(plan->status, STEP_SESSION, errno);
	if (!plan->as_user && plan->passt == NULL)
		enter_jail(plan);
	rc = place_fds(plan);
	if (rc != 0)
		fail(plan->status, STEP_FDS, rc);
	if (plan->passt != NULL) {
		rc = passt_confine(plan->passt);
		if (rc != 0)
			fail(plan->status, STEP_CONFINE, rc);
		execveat(plan->binary, "", plan->passt->argv, envp,
		    AT_EMPTY_PATH);
		fail(plan->status, STEP_EXEC, errno);
	}
	(void)snprintf(name, sizeof(name), "%s:%u", plan->name, plan->instance);
	execveat(plan->binary, "", argv, envp, AT_EMPTY_PATH);
	fail(plan->status, STEP_EXEC, errno);
}
