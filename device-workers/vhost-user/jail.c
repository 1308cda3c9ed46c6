/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The jail of a program that has no spawner: namespaces as child.c of the spawner
 * makes them, as far as a process can for itself, then sandbox/jail.h. Called once
 * when back end and socket are open, before anything of a front end is read.
 *
 * Root becomes nobody first, and then, as any user does, uid 0 of a user namespace
 * of its own in which it has an empty root, no network and no IPC. Where the
 * kernel gives no user namespace, root keeps its uid, without any capability, and
 * makes the other namespaces; an ordinary user gets no jail, and the program does
 * not start. A pid namespace would take a second process: the filter refuses what
 * could reach another one.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device-workers/vhost-user/backend.h"
#include "ipc/log.h"
#include "sandbox/jail.h"

#define NOBODY 65534u
#define NAMESPACES (CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | \
	CLONE_NEWCGROUP)

static int
write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), rc = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		rc = -EIO;
	close(fd);
	return rc;
}

static int
become_nobody(void)
{
	if (setgroups(0, NULL) != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0 ||
	    setresuid(NOBODY, NOBODY, NOBODY) != 0)
		return -errno;
	/* Our own files in /proc are ours again. */
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0 ? -errno : 0;
}

/* Would the kernel let nobody make a user namespace? Tried in a child. */
static bool
nobody_may_unshare(void)
{
	pid_t pid = fork();
	int status = 1;

	if (pid == 0)
		_exit(become_nobody() != 0 ||
		    unshare(CLONE_NEWUSER | NAMESPACES) != 0);
	return pid > 0 && waitpid(pid, &status, 0) == pid &&
	    WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* A user namespace with one id, and the others in it. */
static int
enter_user_namespace(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	char map[32];
	int rc;

	if (unshare(CLONE_NEWUSER | NAMESPACES) != 0)
		return -errno;
	(void)snprintf(map, sizeof(map), "0 %u 1", uid);
	rc = write_file("/proc/self/uid_map", map);
	if (rc == 0)
		rc = write_file("/proc/self/setgroups", "deny");
	(void)snprintf(map, sizeof(map), "0 %u 1", gid);
	if (rc == 0)
		rc = write_file("/proc/self/gid_map", map);
	if (rc == 0 && (setresgid(0, 0, 0) != 0 || setresuid(0, 0, 0) != 0))
		rc = -errno;
	return rc;
}

#ifdef BULKHEAD_SANITIZED
/* A sanitizer's report wants the program's file and maps. */
static int
empty_root(void)
{
	return 0;
}
#else
/* An empty, read-only tmpfs; /proc only is a directory that surely exists. */
static int
empty_root(void)
{
	const unsigned long useless = MS_NOSUID | MS_NODEV | MS_NOEXEC;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("none", "/proc", "tmpfs", useless,
	    "size=4k,nr_inodes=2,mode=0555") != 0 ||
	    chdir("/proc") != 0)
		return -errno;
	if (syscall(SYS_pivot_root, ".", ".") == 0) {
		/* The old root lies over the new one, at the same place. */
		if (umount2(".", MNT_DETACH) != 0)
			return -errno;
	} else if (errno != EINVAL || mount(".", "/", NULL, MS_MOVE, NULL) != 0 ||
	    chroot(".") != 0) {
		return -errno;	/* EINVAL: from an initramfs nobody can pivot */
	}
	if (chdir("/") != 0 || mount(NULL, "/", NULL,
	    MS_REMOUNT | MS_BIND | MS_RDONLY | useless, NULL) != 0)
		return -errno;
	return 0;
}
#endif

static int
enter_namespaces(void)
{
	int rc = 0;

	if (geteuid() == 0 && !nobody_may_unshare()) {
		log_warn("no user namespace to be had: going on as root without "
		    "capabilities");
		return unshare(NAMESPACES) != 0 ? -errno : 0;
	}
	if (geteuid() == 0)
		rc = become_nobody();
	return rc < 0 ? rc : enter_user_namespace();
}

int
vhu_jail(const char **stage)
{
	int rc;

	*stage = "namespaces";
	rc = enter_namespaces();
	if (rc == 0) {
		*stage = "empty root";
		rc = empty_root();
	}
	if (rc == 0)
		rc = jail_confine_alone(stage);
	if (rc == 0) {
		*stage = "seccomp";
		/* There is no one to listen to what is denied. */
		rc = jail_load_verdict(SECCOMP_RET_KILL_PROCESS);
	}
	return rc;
}
