/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the spawner comes to be, see spawner.h: what the controller does before
 * the fork, and what the fork does before it serves (serve.c).
 */
#include "controller/spawner/spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "controller/spawner/serve.h"
#include "ipc/log.h"
#include "sandbox/jail.h"

/* Made from spawner_policy.c; "jail_filter" is the controller's own. */
extern const struct sock_filter spawner_filter[];
extern const unsigned short spawner_filter_len;

/* What the fork says when it is ready, or why it cannot be. */
struct start_report {
	int32_t error;		/* positive errno */
	char what[60];
};

static int
complain(char *why, size_t size, const char *what, const char *name, int error)
{
	(void)snprintf(why, size, "%s%s%s: %s", what, name[0] != '\0' ? " " : "", name,
	    log_errtext(error));
	return error < 0 ? error : -error;
}

/* Open every kind's binary, executable by whoever we are. */
static int
open_binaries(const struct spawner_config *config, int *binaries, char *why,
    size_t size)
{
	const char *libexec = config->libexec;
	char path[4096];
	int dir, rc = 0;

	for (int i = 0; i < PROC_KIND_COUNT; i++)
		binaries[i] = -1;
	dir = config->libexec_fd != 0 ?
	    fcntl(config->libexec_fd, F_DUPFD_CLOEXEC, 3) :
	    open(libexec, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return complain(why, size, "cannot open the directory of programs",
		    libexec, errno);
	for (int i = 0; rc == 0 && i < PROC_KIND_COUNT; i++) {
		const char *name = process_kinds[i].binary;

		/* What is not ours is missed when it is asked for. */
		if (process_kinds[i].foreign) {
			if (config->libexec_fd != 0)
				binaries[i] = openat(dir, "passt",
				    O_PATH | O_CLOEXEC);
			else if (config->passt != NULL)
				binaries[i] = open(config->passt,
				    O_PATH | O_CLOEXEC);
			continue;
		}
		binaries[i] = openat(dir, name, O_PATH | O_CLOEXEC);
		if (binaries[i] < 0 || faccessat(dir, name, X_OK, 0) != 0) {
			rc = errno;
			(void)snprintf(path, sizeof(path), "%s/%s", libexec, name);
			rc = complain(why, size, "cannot use the program", path, rc);
		}
	}
	close(dir);
	return rc;
}

static void
close_all(int *fds, int n)
{
	for (int i = 0; i < n; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
}

/* Write one whole file of our own /proc. */
static int
write_self(int proc, const char *name, const char *text)
{
	int fd = openat(proc, name, O_WRONLY | O_CLOEXEC), rc = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

/*
 * Rootless: be 0 of the VM's user namespace, which is the user outside, and have
 * its capabilities over what the VM makes.
 */
static int
map_user(int proc, uid_t uid, gid_t gid)
{
	char map[32];
	int rc;

	rc = write_self(proc, "self/setgroups", "deny");
	if (rc != 0)
		return rc;
	(void)snprintf(map, sizeof(map), "0 %u 1\n", uid);
	rc = write_self(proc, "self/uid_map", map);
	if (rc != 0)
		return rc;
	(void)snprintf(map, sizeof(map), "0 %u 1\n", gid);
	rc = write_self(proc, "self/gid_map", map);
	return rc;
}

/*
 * The spawner's filter: what no process of a VM may ever do. Children inherit
 * it, so it lists what is refused; their own filters list what is allowed.
 */
static int
load_filter(void)
{
	/* The kernel's struct lacks the const. */
	union { const struct sock_filter *in; struct sock_filter *out; } filter = {
		.in = spawner_filter,
	};
	struct sock_fprog prog = { .len = spawner_filter_len,
	    .filter = filter.out };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) != 0)
		return -errno;
	return 0;
}

/* Keep the fds of @st and the report, move standard ones to /dev/null. */
static int
keep_fds(struct spawner_start *st, int *report)
{
	int *keep[10 + PROC_KIND_COUNT];
	unsigned int n = 0, next = 3;

	keep[n++] = &st->chan;
	keep[n++] = &st->controller;
	keep[n++] = &st->null;
	keep[n++] = &st->proc;
	keep[n++] = report;
	if (st->tty >= 0)
		keep[n++] = &st->tty;
	if (st->groups >= 0) {
		keep[n++] = &st->groups;
		keep[n++] = &st->groups_parent;
	}
	for (int i = 0; i < PROC_KIND_COUNT; i++)
		if (st->binaries[i] >= 0)
			keep[n++] = &st->binaries[i];
	/* Lift all above where they will be, close what lies there, pack. */
	for (unsigned int i = 0; i < n; i++) {
		int up = fcntl(*keep[i], F_DUPFD_CLOEXEC, (int)(3 + n));

		/* EINVAL: the limit is below that number. What there is stays, so
		 * that it can be said. */
		if (up < 0)
			return errno == EINVAL ? -EMFILE : -errno;
		*keep[i] = up;
	}
	for (unsigned int i = 0; i < n; i++) {
		if (dup3(*keep[i], (int)next, O_CLOEXEC) < 0)
			return -errno;
		*keep[i] = (int)next++;
	}
	if (close_range(next, ~0u, 0) != 0)
		return -errno;
	for (int i = 0; i < 3; i++) {
#ifdef BULKHEAD_SANITIZED
		if (i == 2)	/* sanitizers of children report there */
			break;
#endif
		if (dup2(st->null, i) < 0)
			return -errno;
	}
	return 0;
}

/* Children have their policies' limits; the kernel's hard one is enough here. */
static void
raise_nofile(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
		l.rlim_cur = l.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &l);
	}
}

/*
 * The fork. No parent-death signal: it would arrive before the clean-up that is
 * the spawner's duty; the hang-up and the controller's pidfd tell it instead.
 */
static _Noreturn void
become_spawner(struct spawner_start *st, int report, uid_t uid, gid_t gid)
{
	struct start_report r = { 0 };
	const char *what = "user namespace";
	int rc = 0;

	if (st->rootless)
		rc = map_user(st->proc, uid, gid);
	/* It has the fds of all: nobody traces or dumps it. Its own /proc is root's
	 * from here on. */
	if (rc == 0) {
		what = "memory";
		rc = prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ? -errno : 0;
	}
	if (rc == 0) {
		what = "session";
		rc = setsid() < 0 ? -errno : 0;
	}
	if (rc == 0) {
		what = "file descriptors";
		rc = keep_fds(st, &report);
	}
	if (rc == 0) {
		what = "seccomp filter";
		rc = load_filter();
	}
	prctl(PR_SET_NAME, "bulkhead-spawn", 0, 0, 0);
	raise_nofile();
	r.error = -rc;
	(void)snprintf(r.what, sizeof(r.what), "%s", what);
	(void)!write(report, &r, sizeof(r));
	close(report);
	if (rc != 0)
		_exit(1);
	spawner_serve(st);
}

/*
 * What the controller and all that comes of it have in common. A cookie is for all
 * processes of the VM: hyperthreads of one core then run them and nobody else's. A
 * kernel or a machine that has none (the vcpu-worker says so) is as good.
 */
static int
close_memory(const struct spawner_config *config)
{
	int rc = 0;

	if (config->share_core)
		(void)prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, 0,
		    PR_SCHED_CORE_SCOPE_THREAD_GROUP, 0);
#ifndef BULKHEAD_SANITIZED	/* whose children load libraries */
	rc = jail_mdwe();
	if (rc == 0)
		rc = jail_mseal();
#endif
	return rc;
}

/*
 * Make the VM's one network namespace, with nothing in it, without entering it:
 * the opener is to stay in the host's. A child that shares our fd table makes it
 * and puts a handle where /dev/null is now. Returns the fd or -errno.
 */
int
spawner_netns(const struct spawner_start *st)
{
	struct clone_args args = {
		.flags = CLONE_NEWNET | CLONE_FILES | CLONE_VFORK,
		.exit_signal = SIGCHLD,
	};
	siginfo_t info = { 0 };
	int place, fd, error;
	pid_t pid;

	place = fcntl(st->null, F_DUPFD_CLOEXEC, 3);
	if (place < 0)
		return -errno;
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0) {
		fd = openat(st->proc, "self/ns/net", O_RDONLY | O_CLOEXEC);
		if (fd < 0 || dup3(fd, place, O_CLOEXEC) < 0)
			_exit(errno);
		close(fd);
		_exit(0);
	}
	error = errno;
	if (pid > 0 && waitid(P_PID, (id_t)pid, &info, WEXITED) == 0)
		error = info.si_code == CLD_EXITED ? info.si_status : ECHILD;
	if (pid < 0 || error != 0) {
		close(place);
		return error > 0 ? -error : -ECHILD;
	}
	return place;
}

static pid_t
clone_spawner(bool rootless, int *pidfd)
{
	int fd = -1;
	struct clone_args args = {
		.flags = CLONE_PIDFD | CLONE_NEWPID |
		    (rootless ? CLONE_NEWUSER : 0u),
		.pidfd = (uint64_t)(uintptr_t)&fd,
		.exit_signal = SIGCHLD,
	};
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

	*pidfd = fd;
	return pid;
}

/* Wait for the fork's report. Reaps it if it gave up. */
static int
await_start(int report, int pidfd, char *why, size_t size)
{
	struct start_report r;
	ssize_t n;

	do
		n = read(report, &r, sizeof(r));
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)sizeof(r) && r.error == 0)
		return 0;
	waitid((idtype_t)P_PIDFD, (id_t)pidfd, &(siginfo_t){ 0 }, WEXITED);
	if (n != (ssize_t)sizeof(r))
		return complain(why, size, "the spawner died", "", ECHILD);
	r.what[sizeof(r.what) - 1] = '\0';
	return complain(why, size, "the spawner cannot set up its", r.what, r.error);
}

/* Everything the spawner needs that is opened beforehand. */
static int
prepare(const struct spawner_config *config, struct spawner_start *st, int *chan,
    char *why, size_t size)
{
	int pair[2];

	st->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (st->null < 0)
		return complain(why, size, "cannot open", "/dev/null", errno);
	st->proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (st->proc < 0)
		return complain(why, size, "cannot open", "/proc", errno);
	st->controller = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (st->controller < 0)
		return complain(why, size, "cannot make", "a pidfd", errno);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
	    pair) != 0)
		return complain(why, size, "cannot make", "a socket", errno);
	*chan = pair[0];
	st->chan = pair[1];
	return open_binaries(config, st->binaries, why, size);
}

static int
start(const struct spawner_config *config, struct spawner_start *st, int chan,
    int *pidfd, char *why, size_t size)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int report[2], rc;
	pid_t pid;

	if (pipe2(report, O_CLOEXEC) != 0)
		return complain(why, size, "cannot make", "a pipe", errno);
	pid = clone_spawner(config->rootless, pidfd);
	if (pid == 0) {
		close(chan);
		close(report[0]);
		become_spawner(st, report[1], uid, gid);
	}
	rc = pid < 0 ? -errno : 0;
	close(report[1]);
	if (rc != 0) {
		rc = complain(why, size, config->rootless ?
		    "cannot make a user namespace (see bulkheadctl doctor)" :
		    "cannot make a pid namespace", "", rc);
	} else {
		rc = await_start(report[0], *pidfd, why, size);
		if (rc != 0)
			close(*pidfd);
	}
	close(report[0]);
	return rc;
}

int
spawner_start(const struct spawner_config *config, int *chan_fd, int *pidfd,
    char *why, size_t why_size)
{
	static struct spawner_start st;	/* the fork's, once it is one */
	int chan = -1, rc;

	st = (struct spawner_start){
		.chan = -1, .controller = -1, .null = -1, .proc = -1,
		.tty = config->saved != NULL ? config->tty : -1,
		.rootless = config->rootless,
		.uid_base = config->uid_base,
		.groups = -1, .groups_parent = -1,
	};
	if (config->cgroup != NULL && config->cgroup->dir >= 0) {
		st.groups = config->cgroup->dir;
		st.groups_parent = config->cgroup->parent;
		memcpy(st.groups_name, config->cgroup->name,
		    sizeof(st.groups_name));
	}
	if (config->saved != NULL)
		st.saved = *config->saved;
	for (int i = 0; i < PROC_KIND_COUNT; i++)
		st.binaries[i] = -1;
	rc = close_memory(config);
	if (rc != 0)
		return complain(why, why_size, "cannot seal", "its own program", rc);
	rc = prepare(config, &st, &chan, why, why_size);
	if (rc == 0)
		rc = start(config, &st, chan, pidfd, why, why_size);
	close_all(st.binaries, PROC_KIND_COUNT);
	close_all(&st.null, 1);
	close_all(&st.proc, 1);
	close_all(&st.controller, 1);
	close_all(&st.chan, 1);
	if (rc != 0)
		close_all(&chan, 1);
	*chan_fd = chan;
	return rc;
}
