/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stages that the controller's jail shares with a child's, see jail.h.
 */
#include <errno.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/jail.h"
#include "sandbox/kernel_compat.h"

/* All rights below the share but to make devices, and to ioctl them. */
static int
grant_share(int ruleset, int share, uint64_t handled)
{
	struct landlock_path_beneath_attr rule = {
		.allowed_access = handled & ~(uint64_t)(LANDLOCK_ACCESS_FS_MAKE_CHAR |
		    LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_EXECUTE |
		    COMPAT_LANDLOCK_FS_IOCTL_DEV),
		.parent_fd = share,
	};

	return syscall(SYS_landlock_add_rule, ruleset,
	    LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0 ? -errno : 0;
}

int
jail_landlock(void)
{
	return jail_landlock_share(-1);
}

int
jail_landlock_share(int share)
{
	struct compat_landlock_ruleset_attr attr = {
		.handled_access_fs = COMPAT_LANDLOCK_FS_ABI2,
	};
	long abi, fd;
	int rc;

	abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);
	if (abi < 0)
		return -errno;
	if (abi < 2)
		return -ENOSYS;
	if (abi >= 3)
		attr.handled_access_fs = COMPAT_LANDLOCK_FS_ABI3;
	if (abi >= 4)
		attr.handled_access_net = COMPAT_LANDLOCK_NET_ABI4;
	if (abi >= 5)
		attr.handled_access_fs = COMPAT_LANDLOCK_FS_ABI5;
	if (abi >= 6)
		attr.scoped = COMPAT_LANDLOCK_SCOPE_ABI6;
	/* Fields that an older kernel does not know are 0, as it asks for. */
	fd = syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (fd < 0)
		return -errno;
	rc = share < 0 ? 0 : grant_share((int)fd, share, attr.handled_access_fs);
	if (rc == 0 && syscall(SYS_landlock_restrict_self, (int)fd, 0) != 0)
		rc = -errno;
	close((int)fd);
	return rc;
}

int
jail_load_verdict(uint32_t verdict)
{
	static struct sock_filter copy[BPF_MAXINSNS];
	struct sock_fprog prog = { .len = jail_filter_len, .filter = copy };

	if (jail_filter_len > BPF_MAXINSNS)
		return -E2BIG;
	memcpy(copy, jail_filter, jail_filter_len * sizeof(copy[0]));
	for (size_t i = 0; i < jail_filter_len; i++)
		if (copy[i].code == (BPF_RET | BPF_K) &&
		    copy[i].k == SECCOMP_RET_USER_NOTIF)
			copy[i].k = verdict;
	/* The kernel's log has what a verdict of errno refuses. */
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
	    SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH |
	    SECCOMP_FILTER_FLAG_LOG, &prog) != 0)
		return -errno;
	return 0;
}
