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
 *
 * Who serves a directory has that as its root, and of root the namespace has all ids,
 * so that files can be given to any: what it can do with them is bounded by its root.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device-workers/vhost-user/backend.h"
#include "device-workers/vhost-user/vhost_user.h"
#include "ipc/log.h"
#include "ipc/place.h"
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

/* A user namespace with one id, which is @uid and @gid there, and the others in it. */
static int
enter_user_namespace(uint32_t as_uid, uint32_t as_gid)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	char map[32];
	int rc;

	if (unshare(CLONE_NEWUSER | NAMESPACES) != 0)
		return -errno;
	(void)snprintf(map, sizeof(map), "%u %u 1", as_uid, uid);
	rc = write_file("/proc/self/uid_map", map);
	if (rc == 0)
		rc = write_file("/proc/self/setgroups", "deny");
	(void)snprintf(map, sizeof(map), "%u %u 1", as_gid, gid);
	if (rc == 0)
		rc = write_file("/proc/self/gid_map", map);
	if (rc == 0 && (setresgid(as_gid, as_gid, as_gid) != 0 ||
	    setresuid(as_uid, as_uid, as_uid) != 0))
		rc = -errno;
	return rc;
}

/* ---- of a share ---------------------------------------------------------------- */

static int
write_map(pid_t pid, const char *name, const struct vhu_ids *ids)
{
	char path[48], text[48];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	(void)snprintf(text, sizeof(text), "%u %u %u", ids->inside, ids->outside,
	    ids->count > 0 ? ids->count : UINT32_MAX);
	return write_file(path, text);
}

/*
 * A user namespace that has the share's ids, or all as they are: they are given from
 * outside, by a child, when it is there.
 */
static int
enter_with_ids(const struct vhu_share *share)
{
	int ready[2], status = 1, rc = 0;
	char byte = 0;
	pid_t self = getpid(), child;

	if (pipe2(ready, O_CLOEXEC) != 0)
		return -errno;
	child = fork();
	if (child == 0) {
		close(ready[1]);
		if (read(ready[0], &byte, 1) != 1)
			_exit(1);
		_exit(write_map(self, "uid_map", &share->uids) != 0 ||
		    write_map(self, "gid_map", &share->gids) != 0);
	}
	close(ready[0]);
	if (child < 0 || unshare(CLONE_NEWUSER | NAMESPACES) != 0)
		rc = -errno;
	if (rc == 0 && write(ready[1], &byte, 1) != 1)
		rc = -errno;
	close(ready[1]);
	if (child > 0 && (waitpid(child, &status, 0) != child || status != 0) &&
	    rc == 0)
		rc = -EPERM;
	return rc;
}

/*
 * Nobody, or the first of the share's ids, but with the capabilities over files that the
 * policy keeps.
 */
static int
keep_capabilities(const struct vhu_share *share)
{
	uid_t uid = share->uids.count > 0 ? share->uids.inside : NOBODY;
	gid_t gid = share->gids.count > 0 ? share->gids.inside : NOBODY;
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2] = { 0 };

	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 || setgroups(0, NULL) != 0 ||
	    setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0)
		return -errno;
	/* To drop the others takes one more, which goes then. */
	data[0].permitted = (uint32_t)sb_policy.capabilities | 1u << CAP_SETPCAP;
	data[0].effective = data[0].permitted;
	return syscall(SYS_capset, &head, data) != 0 ? -errno : 0;
}

#ifdef BULKHEAD_SANITIZED
/* A sanitizer's report wants the program's file and maps. */
static int
empty_root(void)
{
	return 0;
}

static int
share_root(bool readonly)
{
	(void)readonly;
	return 0;
}
#else
/* What is mounted at /proc, which is a directory that surely exists, is the root. */
static int
pivot(void)
{
	if (chdir("/proc") != 0)
		return -errno;
	if (syscall(SYS_pivot_root, ".", ".") == 0) {
		/* The old root lies over the new one, at the same place. */
		if (umount2(".", MNT_DETACH) != 0)
			return -errno;
	} else if (errno != EINVAL || mount(".", "/", NULL, MS_MOVE, NULL) != 0 ||
	    chroot(".") != 0) {
		return -errno;	/* EINVAL: from an initramfs nobody can pivot */
	}
	return chdir("/") != 0 ? -errno : 0;
}

/* An empty, read-only tmpfs. */
static int
empty_root(void)
{
	const unsigned long useless = MS_NOSUID | MS_NODEV | MS_NOEXEC;
	int rc;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("none", "/proc", "tmpfs", useless,
	    "size=4k,nr_inodes=2,mode=0555") != 0)
		return -errno;
	rc = pivot();
	if (rc == 0 && mount(NULL, "/", NULL,
	    MS_REMOUNT | MS_BIND | MS_RDONLY | useless, NULL) != 0)
		rc = -errno;
	return rc;
}

/*
 * The share, which is where this process is, with what is mounted below it: no
 * devices, no setuid, nothing executable, and read-only if it is to be.
 */
static int
share_root(bool readonly)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
		    MOUNT_ATTR_NOEXEC | (readonly ? MOUNT_ATTR_RDONLY : 0u),
	};
	int rc, fd;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount(".", "/proc", NULL, MS_BIND | MS_REC, NULL) != 0 ||
	    syscall(SYS_mount_setattr, AT_FDCWD, "/proc", AT_RECURSIVE, &attr,
	    sizeof(attr)) != 0)
		return -errno;
	rc = pivot();
	if (rc != 0)
		return rc;
	fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : place_fd(fd, (int)sb_policy.share);
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
	return rc < 0 ? rc : enter_user_namespace(0, 0);
}

static int
enter_share(const struct vhu_share *share, const char **stage)
{
	const bool root = geteuid() == 0;
	int rc;

	*stage = "ids: an ordinary user has its own alone";
	if (!root && ((share->uids.count > 0 && (share->uids.count != 1 ||
	    share->uids.outside != geteuid())) || (share->gids.count > 0 &&
	    (share->gids.count != 1 || share->gids.outside != getegid()))))
		return -EPERM;

	*stage = "namespaces";
	/* The working directory comes along into a new mount namespace. */
	if (fchdir((int)sb_policy.share) != 0)
		return -errno;
	rc = root ? enter_with_ids(share) :
	    enter_user_namespace(share->uids.inside, share->gids.inside);
	if (rc == 0) {
		*stage = "share";
		rc = share_root(share->readonly);
	}
	return rc == 0 && root ? keep_capabilities(share) : rc;
}

static int
enter_nothing(const char **stage)
{
	int rc;

	*stage = "namespaces";
	rc = enter_namespaces();
	if (rc != 0)
		return rc;
	*stage = "empty root";
	return empty_root();
}

int
vhu_jail(const struct vhu_share *share, const char **stage)
{
	int rc = share != NULL ? enter_share(share, stage) :
	    enter_nothing(stage);

	if (rc == 0)
		rc = jail_confine_alone(stage);
	if (rc == 0) {
		*stage = "seccomp";
		/* There is no one to listen to what is denied. */
		rc = jail_load_verdict(SECCOMP_RET_KILL_PROCESS);
	}
	return rc;
}
