/* SPDX-License-Identifier: Apache-2.0 */
/* The doctor's checks of what the jail is made of, see check.h. */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "controller/ctl/check.h"
#include "controller/ctl/probe.h"

#define FLOOR_MAJOR 6
#define FLOOR_MINOR 1
#define FLOOR_LANDLOCK 2

void
check_kernel(struct finding *f)
{
	struct utsname u;
	long major = 0, minor = 0;
	char *at;

	if (uname(&u) == 0) {
		major = strtol(u.release, &at, 10);
		if (*at == '.')
			minor = strtol(at + 1, NULL, 10);
	}
	if (major == 0)
		finding_set(f, VERDICT_MISSING, "uname tells no version");
	else if (major < FLOOR_MAJOR ||
	    (major == FLOOR_MAJOR && minor < FLOOR_MINOR))
		finding_set(f, VERDICT_MISSING, "Linux %.64s: boot %d.%d or "
		    "later", u.release, FLOOR_MAJOR, FLOOR_MINOR);
	else
		finding_set(f, VERDICT_OK, "Linux %.64s", u.release);
}

static int
try_namespaces(void *arg)
{
	(void)arg;
	return unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC |
	    CLONE_NEWUTS | CLONE_NEWPID | CLONE_NEWCGROUP) == 0 ? 0 : errno;
}

void
check_namespaces(struct finding *f)
{
	int rc = probe_in_child(try_namespaces, NULL, 5);

	if (rc == 0)
		finding_set(f, VERDICT_OK, "user, mount, network, ipc, uts, pid "
		    "and cgroup can be made");
	else if (rc == ENOSPC)
		finding_set(f, VERDICT_MISSING, "too many: raise "
		    "user.max_user_namespaces (sysctl)");
	else if (probe_number("/proc/sys/kernel/unprivileged_userns_clone") == 0)
		finding_set(f, VERDICT_MISSING, "not allowed: "
		    "sudo sysctl kernel.unprivileged_userns_clone=1");
	else if (probe_number(
	    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1)
		finding_set(f, VERDICT_MISSING, "AppArmor forbids them: sudo "
		    "sysctl kernel.apparmor_restrict_unprivileged_userns=0");
	else
		finding_set(f, VERDICT_MISSING, "cannot be made: %s; in a "
		    "container, allow unshare in its seccomp profile",
		    strerror(rc > 0 ? rc : -rc));
}

void
check_landlock(struct finding *f)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);

	if (abi >= FLOOR_LANDLOCK)
		finding_set(f, VERDICT_OK, "ABI %ld", abi);
	else if (abi > 0)
		finding_set(f, VERDICT_MISSING, "ABI %ld, and %d is needed: boot "
		    "Linux 6.1 or later", abi, FLOOR_LANDLOCK);
	else if (errno == EOPNOTSUPP)
		finding_set(f, VERDICT_MISSING, "off: add landlock to the lsm= "
		    "list on the host's kernel command line");
	else
		finding_set(f, VERDICT_MISSING, "not there (%s): boot a kernel "
		    "with CONFIG_SECURITY_LANDLOCK", strerror(errno));
}

void
check_seccomp(struct finding *f)
{
	uint32_t action = SECCOMP_RET_KILL_PROCESS;

	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) != 0) {
		finding_set(f, VERDICT_MISSING, "filters are not there (%s): "
		    "boot a kernel with CONFIG_SECCOMP_FILTER", strerror(errno));
		return;
	}
	action = SECCOMP_RET_USER_NOTIF;
	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) != 0)
		finding_set(f, VERDICT_GAP, "filters, but no user notification: "
		    "a denied call kills, and no report names it");
	else
		finding_set(f, VERDICT_OK, "filters and user notification");
}

void
check_core_scheduling(struct finding *f)
{
	uint64_t cookie = 0;

	/* 0: this thread alone (PIDTYPE_PID, not in the headers). */
	if (prctl(PR_SCHED_CORE, PR_SCHED_CORE_GET, 0, 0, &cookie) == 0)
		finding_set(f, VERDICT_OK, "a core is shared with nobody else's "
		    "threads");
	else if (errno == ENODEV)
		finding_set(f, VERDICT_OK, "not needed: no hyperthreads here");
	else
		finding_set(f, VERDICT_GAP, "not there: with hyperthreads, boot "
		    "a kernel with CONFIG_SCHED_CORE, or turn them off (nosmt)");
}

/* The smallest program: return 0. */
static int
load_bpf(void)
{
	static const struct bpf_insn program[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	static const char license[] = "GPL";
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_SCHED_CLS;
	attr.insns = (uint64_t)(uintptr_t)program;
	attr.insn_cnt = 2;
	attr.license = (uint64_t)(uintptr_t)license;
	return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
}

void
check_bpf(struct finding *f)
{
	int fd = load_bpf();

	if (fd >= 0) {
		close(fd);
		finding_set(f, VERDICT_OK, "network programs can be loaded");
	} else if (errno == EPERM || errno == EACCES) {
		finding_set(f, VERDICT_GAP, "no right to load programs: needs "
		    "CAP_BPF and CAP_NET_ADMIN (root); nothing of Bulkhead "
		    "depends on it");
	} else {
		finding_set(f, VERDICT_GAP, "%s: boot a kernel with "
		    "CONFIG_BPF_SYSCALL", strerror(errno));
	}
}

void
check_userfaultfd(struct finding *f)
{
	int fd = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);

	if (fd >= 0) {
		close(fd);
		finding_set(f, VERDICT_OK, "/dev/userfaultfd");
		return;
	}
	if (errno == EACCES) {
		finding_set(f, VERDICT_GAP, "no right to /dev/userfaultfd, for "
		    "memory on demand: sudo setfacl -m u:$USER:rw "
		    "/dev/userfaultfd");
		return;
	}
	fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	if (fd >= 0) {
		close(fd);
		finding_set(f, VERDICT_OK, "by system call");
	} else {
		finding_set(f, VERDICT_GAP, "not there, for memory on demand: "
		    "boot Linux 6.1 or later with CONFIG_USERFAULTFD");
	}
}
